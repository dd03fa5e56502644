"""How long the explorer takes to answer a filter over 63,000 subjects and 22,000 variables.

    python -m benchmarks.explorer [SUBJECTS]

The folder has what the explorer reads of a release: subjects, analysis, endpoints, and a matrix with the chunks and the
compression of a release. Only the chunks of the genes that are asked for are filled, with random numbers, the worst case; a gene
reads no others. Times are of the whole answer of the server: cohort, Table 1, survival by group. The first is with nothing read.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import polars as pl
import zarr
from zarr.codecs import ZstdCodec

from unibase.releases.content.multimodal import CHUNK
from unibase.releases.explore.cohort_filter import Columns
from unibase.releases.explore.explorer_server import answer

GENES, CLINICAL, ASKED = 22_000, 20, (17, 9_000, 21_990)
TIMES = 5


def make_release(folder: Path, subjects: int) -> None:
    """Write what the explorer reads of a release."""
    rng = np.random.default_rng(0)
    ids = np.sort(rng.choice(2**53, subjects, replace=False))
    start = pl.lit(datetime(2015, 1, 1)).cast(pl.Datetime("us"))
    people = pl.DataFrame(
        {
            "subject_id": ids,
            "centre": [f"C{n:02d}" for n in rng.integers(0, 18, subjects)],
            "SEX": rng.choice(["F", "M"], subjects),
            "AGE": rng.integers(18, 95, subjects).astype(float),
            "STAGE": rng.choice(["I", "II", "III", "IV"], subjects),
        }
    )
    (folder / "tables").mkdir(parents=True)
    people.write_parquet(folder / "tables" / "subjects.parquet")
    clinical = pl.DataFrame(rng.normal(size=(subjects, CLINICAL)), schema=[f"lab{n}" for n in range(CLINICAL)])
    people.select("subject_id", "centre", index_time=start).hstack(clinical).write_parquet(folder / "tables" / "analysis.parquet")
    days = rng.exponential(900, subjects).round()
    endpoints = people.select("subject_id", PARAMCD=pl.lit("OS"), AVAL=pl.Series(days), AVALU=pl.lit("DAYS"))
    endpoints.with_columns(CNSR=pl.Series(rng.integers(0, 2, subjects))).write_parquet(folder / "tables" / "adtte.parquet")
    write_matrix(folder, ids, rng)
    (folder / "manifest.json").write_text(json.dumps({"study": "wide", "version": "1.0.0", "modalities": {"rna": {}}}))


def write_matrix(folder: Path, ids: np.ndarray, rng: np.random.Generator) -> None:
    """Write a matrix of which the chunks of the genes that are asked for are filled."""
    root = zarr.open_group(folder / "cohort.zarr", mode="w")
    root.create_group("mod").attrs["mod-order"] = ["rna"]
    made = root.create_array(
        "mod/rna/X", shape=(len(ids), GENES), chunks=CHUNK, dtype="float32", compressors=ZstdCodec(level=3), fill_value=0
    )
    for gene in ASKED:
        first = gene // CHUNK[1] * CHUNK[1]
        last = min(first + CHUNK[1], GENES)
        made[:, first:last] = rng.normal(size=(len(ids), last - first)).astype("float32")
    for axis, names in (("obs", [str(one) for one in ids]), ("var", [f"G{n}" for n in range(GENES)])):
        group = root.create_group(f"mod/rna/{axis}")
        group.attrs["_index"] = "_index"
        group.create_array("_index", data=np.array(names))
    zarr.consolidate_metadata(folder / "cohort.zarr")


def seconds(columns: Columns, conditions: list[str], group: str) -> float:
    """Return how long one answer takes."""
    asked = urlencode([("where", one) for one in conditions] + [("group", group)])
    begun = time.perf_counter()
    status, _ = answer(columns, "token", f"/token/cohort?{asked}")
    assert status == 200, status
    return time.perf_counter() - begun


def main() -> None:
    """Print the times."""
    subjects = int(sys.argv[1]) if len(sys.argv) > 1 else 63_000
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make_release(folder, subjects)
        columns = Columns(folder)
        one, two, three = (f"rna:G{gene}" for gene in ASKED)
        print(f"{subjects} subjects, {GENES} variables")
        print(f"first answer, nothing read yet      {seconds(columns, ['AGE >= 60', 'SEX = F'], 'STAGE'):.2f} s")
        print(f"first answer with a gene            {seconds(columns, [f'{one} > 0.5'], 'SEX'):.2f} s")
        print(f"first answer with two further genes {seconds(columns, [f'{two} > 0', 'SEX = F'], three):.2f} s")
        again = [seconds(columns, [f"{one} > {n / 10}", "AGE >= 60"], "STAGE") for n in range(TIMES)]
        print(f"later answers, median of {TIMES}          {statistics.median(again):.2f} s")


if __name__ == "__main__":
    main()
