# /// script
# requires-python = ">=3.12"
# ///
"""The omics part of a study build: expression of many samples staged, one model fitted, every matrix transformed and put together.

Run: `uv run python -m benchmarks.normalise_stage FOLDER --samples 5000`

Invented counts of 20,000 genes, 250 samples a Parquet file, two centres. Each stage runs in a process of its own, units one after the other;
time and peak memory are those of the process. `--digest` also prints what the values of the finished store hash to.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

GENES = 20_000
SAMPLES_PER_FILE = 250
STUDY = """\
study: trial
release: {version: 1.0.0}
key: {file: vault.key}
centres:
  A: {people: A.csv, omics: {rna: {matrix: "A-*.parquet", samples: A-samples.csv}}}
  B: {people: B.csv, omics: {rna: {matrix: "B-*.parquet", samples: B-samples.csv}}}
index: {concept: treatment_start}
"""
STAGES = ("people", "omics", "normalise")


def make(home: Path, samples: int) -> None:
    """Write the sources of both centres."""
    import numpy as np
    import polars as pl

    from unibase.omics import genes as gene_names
    from unibase.omics.samples.sex import XIST, Y_GENES
    from unibase.privacy.keys import Key, write_key_file

    home.mkdir(parents=True)
    write_key_file(Key(bytes(range(32))), home / "vault.key")
    (home / "study.yaml").write_text(STUDY, encoding="utf-8")
    generator = np.random.default_rng(20261126)
    table = pl.read_csv(Path(gene_names.__file__).parent / "data" / "hgnc_2024-07-23.tsv.gz", separator="\t")
    names = next(table[c].drop_nulls() for c in table.columns if table[c].cast(pl.String).str.starts_with("ENSG").any())
    # Without the genes that tell the sex: invented ones would tell a mixture.
    genes = names.filter(~names.is_in([XIST, *Y_GENES])).unique(maintain_order=True).head(GENES)
    level = generator.gamma(0.4, 400.0, len(genes))
    for number, start in enumerate(range(0, samples, SAMPLES_PER_FILE)):
        centre = "AB"[number % 2]
        own = [f"{centre}{k:06d}" for k in range(start, min(start + SAMPLES_PER_FILE, samples))]
        counts = generator.poisson(level * generator.uniform(0.5, 2.0, (len(own), 1))).astype(np.int32)
        frame = pl.DataFrame({"gene_id": genes} | {name: counts[k] for k, name in enumerate(own)})
        frame.write_parquet(home / f"{centre}-{number:04d}.parquet")
        _append(home / f"{centre}.csv", "identifier", own)
        _append(
            home / f"{centre}-samples.csv", "sample,patient,collected,sample_type", [f"{n},{n},2020-01-01,tumour" for n in own]
        )


def _append(path: Path, header: str, lines: list[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    path.write_text((path.read_text(encoding="utf-8") if path.exists() else f"{header}\n") + text, encoding="utf-8")


def run_one(home: Path, name: str) -> None:
    """Run one stage of the study."""
    from unibase.flows.runs.pipeline import stage
    from unibase.flows.runs.run import open_run
    from unibase.flows.study.validation import read_study

    study = read_study(home / "study.yaml")
    study.work.create()
    with open_run(study, say=lambda line: None) as run:
        stage(name)(run)


def digest(home: Path) -> str:
    """Return what names, values and counts of the finished store hash to, read a few samples at a time."""
    import hashlib

    import zarr

    group = zarr.open_group(home / "work" / "staging" / "omics" / "rna" / "all.zarr", mode="r")
    found = hashlib.sha256()
    for name in ("X", "layers/counts"):
        array = group[name]
        for start in range(0, array.shape[0], 500):
            found.update(array[start : start + 500].astype("<f8").tobytes())
    return found.hexdigest()


def measured(arguments: list[str]) -> tuple[float, float]:
    """Run a stage in a process of its own; return CPU seconds and peak memory in MB."""
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.normalise_stage", *arguments])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(process.returncode)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--samples", type=int, default=5000)
    parser.add_argument("--stage", choices=STAGES)
    parser.add_argument("--digest", action="store_true")
    options = parser.parse_args()
    home = options.folder / f"expression-{options.samples}"
    if options.stage:
        run_one(home, options.stage)
        return
    if not home.exists():
        make(home, options.samples)
    for name in STAGES:
        begin = time.perf_counter()
        cpu, peak = measured([str(options.folder), "--samples", str(options.samples), "--stage", name])
        print(f"{name:<12}{time.perf_counter() - begin:>8.1f} s{cpu:>8.1f} CPU s{peak:>8.0f} MB", flush=True)
    if options.digest:
        print(digest(home))


if __name__ == "__main__":
    main()
