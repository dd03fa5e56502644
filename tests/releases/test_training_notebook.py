"""The notebook that trains on a release: its outputs are those of its code, and it runs on another release."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest
from lifelines.utils import concordance_index

from tests.releases.examples import make_inputs
from tests.releases.test_images import splits_of, staged
from unibase.releases.content.publish import publish_release

EXECUTE = Path(__file__).parents[2] / "examples/training/execute.py"
KINDS = ("patch alone", "values alone", "both")


@pytest.fixture(scope="module")
def execute() -> ModuleType:
    spec = importlib.util.spec_from_file_location("execute", EXECUTE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def texts(execute: ModuleType) -> list[str]:
    cells = json.loads(execute.NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    outputs = [cell["outputs"] for cell in cells if cell["cell_type"] == "code"]
    return ["".join(one["text"][n] for one in found for n in range(len(one["text"]))) for found in outputs]


def test_its_outputs_are_kept_with_the_code_that_made_them(execute: ModuleType, texts: list[str]) -> None:
    content = json.loads(execute.NOTEBOOK.read_text(encoding="utf-8"))
    assert content["metadata"]["code_sha256"] == execute.digest(execute.code_cells()), "run examples/training/execute.py again"
    numbers = [cell["execution_count"] for cell in content["cells"] if cell["cell_type"] == "code"]
    assert numbers == list(range(1, len(texts) + 1))
    assert not re.search(r"/(tmp|home|root|work)\b", "".join(texts))
    assert execute.NOTEBOOK.stat().st_size < 100_000


def test_the_concordance_shown_is_that_of_lifelines_on_the_risks_shown(texts: list[str]) -> None:
    rows = [line.split() for line in texts[-1].splitlines()[1:]]
    assert len({row[1] for row in rows}) == len(rows) == 70  # each was held out once
    fold, days, event, risk = np.array([[float(row[n]) for n in (0, 2, 3, 4)] for row in rows]).T
    found = [concordance_index(days[fold == one], -risk[fold == one], event[fold == one]) for one in np.unique(fold)]
    (line,) = [line for line in texts[-2].splitlines() if line.startswith("both ")]
    shown = [float(one) for one in re.findall(r"0\.\d+|1\.0+", line)]
    assert shown[:-1] == pytest.approx([*found, np.mean(found)], abs=0.005)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training")
    inputs = make_inputs(folder / "in", subjects=40)
    with_outcome = set(inputs.adtte.filter(pl.col("PARAMCD") == "OS")["subject_id"])
    subjects = [one for one in inputs.subjects["subject_id"].sort().to_list() if one in with_outcome][:12]
    voxels, _ = staged(folder / "stores", subjects)
    made = replace(inputs, voxels=replace(voxels, copies=()), splits=splits_of(subjects))
    return publish_release(made, folder / "out")


def run(execute: ModuleType, release: Path, patch: pytest.MonkeyPatch, cells: list[str]) -> tuple[list[str], dict[str, object]]:
    patch.setenv("UNIBASE_RELEASE", str(release))
    patch.setenv("UNIBASE_EPOCHS", "1")
    patch.setattr(sys, "path", list(sys.path))
    names: dict[str, object] = {"__name__": "__main__"}
    try:
        return execute.said_by(cells, names), names
    finally:
        sys.modules.pop("dataset", None)


def test_what_needs_no_pytorch_runs_on_another_release(
    execute: ModuleType, release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = execute.code_cells()
    plain = cells[: next(n for n, cell in enumerate(cells) if "import torch" in cell)]
    said, names = run(execute, release, monkeypatch, plain)
    assert len(plain) == 3 and all(said)
    concordance = names["concordance"]
    assert callable(concordance)
    random = np.random.default_rng(3)
    days, event, risk = random.integers(1, 30, 60), random.random(60) < 0.6, random.integers(0, 9, 60)
    assert concordance(days, event, risk) == pytest.approx(concordance_index(days, -risk, event))


@pytest.mark.slow
def test_the_whole_runs_on_another_release(execute: ModuleType, release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="uv sync --group training")
    said, names = run(execute, release, monkeypatch, execute.code_cells())
    assert [line.split(" C ")[0].strip() for line in said[-2].splitlines()] == list(KINDS)
    results = names["results"]
    assert isinstance(results, dict) and sorted(results) == ["0", "1"]
    assert all(seen and unseen for fold in results.values() for seen, unseen in fold.values())
