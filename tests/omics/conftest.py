"""Small count matrices, and R with its packages when this machine has them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

RANDOM_SEED = 20261123


def random_counts(rng: np.random.Generator, samples: int, genes: int, *, zeros: float = 0.3, spread: float = 0.3) -> np.ndarray:
    """Negative binomial counts with library effects, many zeros and ties: samples x genes, int32."""
    level = rng.gamma(0.5, 400.0, genes) * (rng.random(genes) > zeros / 2)
    depth = rng.uniform(0.3, 3.0, samples)
    mean = np.outer(depth, level) * rng.lognormal(0, 0.3, (samples, genes))
    size = 1.0 / (0.05 + spread * rng.random(genes))
    return rng.poisson(rng.gamma(size, mean / size)).astype(np.int32)


@cache
def _r_packages(*names: str) -> str:
    if shutil.which("Rscript") is None:
        return "no Rscript on this machine"
    # Loading some takes ten seconds: whether they are there is enough to know.
    code = "".join(f'stopifnot(nzchar(system.file(package="{name}")));' for name in names)
    done = subprocess.run(["Rscript", "-e", code], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"R lacks one of {', '.join(names)}"


RunR = Callable[..., dict[str, np.ndarray]]


@pytest.fixture
def run_r(tmp_path: Path) -> RunR:
    """`run_r(packages, code, {"x": matrix}, ["out"])`: run R on full-precision tables, or skip saying why.

    A matrix given as samples x genes is genes x samples in R, as R's methods want it.
    """

    def run(packages: list[str], code: str, inputs: dict[str, np.ndarray], outputs: list[str]) -> dict[str, np.ndarray]:
        missing = _r_packages(*packages)
        if missing:
            pytest.skip(missing)
        lines = [f"suppressMessages(library({name}))" for name in packages]
        for name, value in inputs.items():
            path = tmp_path / f"in_{name}.csv"
            array = np.atleast_2d(np.asarray(value)).T
            pd.DataFrame(array).to_csv(path, index=False, header=False, float_format="%.17g")
            lines.append(f'{name} <- as.matrix(read.csv("{path}", header=FALSE)); dimnames({name}) <- NULL')
            if np.asarray(value).ndim == 1:
                lines.append(f"{name} <- as.vector({name})")
        lines.append(code)
        for name in outputs:
            path = tmp_path / f"out_{name}.csv"
            lines.append(
                f'{{o <- as.matrix({name}); storage.mode(o) <- "double"; '
                f'write.table(matrix(sprintf("%.17g", o), nrow(o)), "{path}", sep=",", quote=FALSE, row.names=FALSE, col.names=FALSE)}}'
            )
        script = tmp_path / "script.R"
        script.write_text("\n".join(lines))
        done = subprocess.run(["Rscript", str(script)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return {
            name: pd.read_csv(tmp_path / f"out_{name}.csv", header=None, na_values=["NA", "NaN"]).to_numpy(dtype=np.float64).T
            for name in outputs
        }

    return run
