"""Publish a very wide release, and open one gene, one subject and one variable of it.

63,000 subjects x (2,000 radiomic features + 20,000 genes + 500 events) by default; `--scale 0.1` for a tenth of the
subjects. Values are random, the worst case for compression.

    .venv/bin/python benchmarks/wide_release.py --folder /tmp/wide --scale 1
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

FEATURES, GENES, EVENTS_EACH = 2_000, 20_000, 500
BLOCK = 1_000


def make_sources(folder: Path, subjects: int) -> None:
    import pandas as pd
    import zarr
    from anndata.io import write_elem

    from unibase.groundwork.tables import EVENTS, SAMPLE_MAP, write_parquet
    from unibase.groundwork.tables import FEATURES as TABLE

    rng = np.random.default_rng(0)
    ids = np.sort(rng.integers(1, 2**62, subjects))
    start = datetime(2015, 1, 1)
    index = [start + timedelta(days=int(d)) for d in rng.integers(0, 2000, subjects)]
    centres = [f"C{c:02d}" for c in rng.integers(0, 18, subjects)]
    base = pl.DataFrame({"subject_id": ids, "centre": centres, "index_time": index}).with_columns(
        pl.col("index_time").cast(pl.Datetime("us"))
    )
    write_parquet(base, folder / "subjects.parquet")
    names = [f"original_family{i // 100}_Feature{i}" for i in range(FEATURES)]
    values = pl.DataFrame(rng.normal(size=(subjects, FEATURES)), schema=names)
    features = base.select("subject_id", "centre").with_columns(
        StudyInstanceUID=pl.lit("2.25.1"),
        SeriesInstanceUID=pl.format("2.25.{}", pl.int_range(pl.len())),
        Modality=pl.lit("CT"),
        region=pl.lit("GTV"),
        image_type=pl.lit("original"),
        engine=pl.lit("pyradiomics"),
        mode=pl.lit("pyradiomics"),
        settings_digest=pl.lit("0" * 64),
        source_digest=pl.format("{}", pl.int_range(pl.len())),
    )
    TABLE.write(pl.concat([features, values], how="horizontal"), folder / "features.parquet")
    write_parquet(
        pl.concat([base, values.rename({n: f"CT_GTV_{n}" for n in names})], how="horizontal"), folder / "analysis.parquet"
    )
    del values, features
    samples = base.select(
        pl.lit("rna").alias("assay"),
        pl.col("subject_id").alias("primary"),
        pl.format("s{}", pl.int_range(pl.len())).alias("colname"),
        "centre",
    ).with_columns(status=pl.lit("used"), reason=pl.lit(""), sample_type=pl.lit("tumour"))
    SAMPLE_MAP.write(samples, folder / "sample_map.parquet")
    root = zarr.open_group(folder / "rna.zarr", mode="w")
    root.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
    write_elem(root, "obs", pd.DataFrame(index=pd.Index([f"s{i}" for i in range(subjects)], dtype=object)))
    write_elem(root, "var", pd.DataFrame(index=pd.Index([f"ENSG{i:011d}" for i in range(GENES)], dtype=object)))
    x = root.create_array(
        "X",
        shape=(subjects, GENES),
        chunks=(200, GENES),
        dtype="float32",
        attributes={"encoding-type": "array", "encoding-version": "0.2.0"},
    )
    for begin in range(0, subjects, BLOCK):
        rows = min(BLOCK, subjects - begin)
        x[begin : begin + rows] = rng.standard_normal((rows, GENES), dtype=np.float32)
        block = ids[begin : begin + rows]
        times = np.sort(rng.integers(0, 3_000 * 86_400, (rows, EVENTS_EACH)), axis=1).ravel()
        events = pl.DataFrame(
            {
                "subject_id": np.repeat(block, EVENTS_EACH),
                "time": pl.Series((times + 16_000 * 86_400) * 1_000_000).cast(pl.Datetime("us")),
                "code": pl.Series(rng.integers(0, 2_000, rows * EVENTS_EACH)).cast(pl.String),
                "numeric_value": rng.normal(size=rows * EVENTS_EACH).astype(np.float32),
            }
        )
        EVENTS.write(events, folder / "timeline" / "data" / f"{begin // BLOCK:04d}.parquet")


def publish(folder: Path) -> None:
    from unibase.groundwork.tables import QUARANTINE
    from unibase.releases.content.publish import ReleaseInputs, publish_release

    subjects = pl.read_parquet(folder / "subjects.parquet")
    rng = np.random.default_rng(1)
    adtte = subjects.select("subject_id").with_columns(
        PARAMCD=pl.lit("OS"),
        AVAL=pl.Series(rng.integers(1, 2000, subjects.height)),
        CNSR=pl.Series(rng.integers(0, 2, subjects.height)),
    )
    began = time.perf_counter()
    target = publish_release(
        ReleaseInputs(
            study="wide",
            title="Wide",
            version="1.0.0",
            subjects=subjects,
            events=folder / "timeline",
            features=folder / "features.parquet",
            analysis=folder / "analysis.parquet",
            trace=pl.DataFrame(schema={"subject_id": pl.Int64, "variable": pl.String}),
            adtte=adtte,
            sample_map=pl.read_parquet(folder / "sample_map.parquet"),
            assays={"rna": folder / "rna.zarr"},
            quarantine=QUARANTINE.empty(),
            flow=[{"step": "all", "kept": subjects.height, "excluded": 0}],
            dictionary=[pl.DataFrame({"column": ["*original_*", "index_time"], "label": ["Feature", "Index"]})],
        ),
        folder / "releases",
    )
    files = [p for p in target.rglob("*") if p.is_file()]
    result = {
        "seconds": round(time.perf_counter() - began, 1),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
        "release_gb": round(sum(p.stat().st_size for p in files) / 1e9, 2),
        "files": len(files),
    }
    print(json.dumps({"publish": result}), flush=True)


def measure_check(folder: Path) -> None:
    from unibase.releases.content.manifest import verify

    release = folder / "releases" / "wide" / "1.0.0"
    began = time.perf_counter()
    assert verify(release) == []
    peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2)
    print(json.dumps({"check": {"seconds": round(time.perf_counter() - began, 1), "peak_gb": peak}}), flush=True)


def measure_open(folder: Path, repeats: int = 5) -> None:
    from unibase.releases.read.open import read_subject, read_variables

    release = folder / "releases" / "wide" / "1.0.0"
    ids = pl.read_parquet(release / "tables" / "subjects.parquet", columns=["subject_id"])["subject_id"]
    rng = np.random.default_rng(2)

    def seconds(function: object, arguments: list[tuple[object, ...]]) -> float:
        times = []
        for given in arguments:
            began = time.perf_counter()
            function(*given)  # type: ignore[operator]
            times.append(time.perf_counter() - began)
        return round(statistics.median(times), 3)

    import mudata  # noqa: F401

    genes = [(release, "rna", [f"ENSG{g:011d}"]) for g in rng.integers(0, GENES, repeats)]
    persons = [(release, "rna", int(ids[int(i)])) for i in rng.integers(0, len(ids), repeats)]
    columns = [(release, f"CT_GTV_original_family{f // 100}_Feature{f}") for f in rng.integers(0, FEATURES, repeats)]
    from unibase.releases.content.released_timeline import read_timeline

    print(
        json.dumps(
            {
                "open": {
                    "one gene, all subjects (zarr)": seconds(read_variables, genes),
                    "one subject, all genes (zarr)": seconds(read_subject, persons),
                    "one variable (Parquet)": seconds(
                        lambda r, c: pl.read_parquet(r / "tables" / "analysis.parquet", columns=["subject_id", c]), columns
                    ),
                    "events of one subject": seconds(
                        lambda r, _, s: read_timeline(r / "timeline").filter(pl.col("subject_id") == s).collect(), persons
                    ),
                }
            }
        ),
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/wide"))
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--step", choices=["all", "sources", "publish", "check", "open"], default="all")
    given = parser.parse_args()
    subjects = round(63_000 * given.scale)
    if given.step == "sources":
        make_sources(given.folder, subjects)
    elif given.step == "publish":
        publish(given.folder)
    elif given.step == "check":
        measure_check(given.folder)
    elif given.step == "open":
        measure_open(given.folder)
    else:
        shutil.rmtree(given.folder, ignore_errors=True)
        given.folder.mkdir(parents=True)
        print(json.dumps({"subjects": subjects}), flush=True)
        # Processes of their own, so that the peak of memory is that of the step: Linux hands a parent's peak on to its children.
        for step in ("sources", "publish", "check", "open"):
            command = [sys.executable, __file__, "--folder", str(given.folder), "--scale", str(given.scale), "--step", step]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
