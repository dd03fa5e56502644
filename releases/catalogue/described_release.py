"""What a catalogue may know of a release: its manifest, its dictionary, and the files that a reader would ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from unibase.releases.catalogue.description import Description
from unibase.releases.content import manifest
from unibase.releases.disclosure.small_counts import is_small

EU = "http://publications.europa.eu/resource/authority"
FORMATS: Mapping[str, tuple[str, str]] = {
    ".parquet": ("application/vnd.apache.parquet", f"{EU}/file-type/PARQUET"),
    ".csv": ("text/csv", f"{EU}/file-type/CSV"),
    ".h5mu": ("application/x-hdf5", f"{EU}/file-type/HDF"),
    ".json": ("application/json", f"{EU}/file-type/JSON"),
    ".html": ("text/html", f"{EU}/file-type/HTML"),
    ".maf": ("text/tab-separated-values", f"{EU}/file-type/TSV"),
    ".txt": ("text/plain", f"{EU}/file-type/TXT"),
    ".R": ("text/x-r-source", f"{EU}/file-type/TXT"),
}


@dataclass(frozen=True)
class Release:
    """What a catalogue may know of a release."""

    folder: Path
    about: dict[str, Any]
    dictionary: pl.DataFrame

    @property
    def files(self) -> dict[str, dict[str, Any]]:
        """Files with digest and size."""
        return dict(self.about["files"])

    @property
    def individuals(self) -> int | None:
        """Number of subjects, None when too few to say."""
        count = self.about["subjects"]
        return None if count is None or is_small(int(count), int(self.about["min_cell"])) else int(count)

    @property
    def records(self) -> int | None:
        """Number of events of the timeline, down to a multiple of the smallest count; None when too few to say."""
        rows = self.dictionary.filter(pl.col("table") == "timeline")["rows"].drop_nulls()
        least = int(self.about["min_cell"])
        return None if not len(rows) or rows[0] < least else int(rows[0]) // least * least

    def columns(self, table: str) -> list[dict[str, Any]]:
        """Dictionary rows of one table."""
        return self.dictionary.filter(pl.col("table") == table).to_dicts()

    def tables(self) -> list[str]:
        """Names of the released tables."""
        return sorted(Path(name).stem for name in self.files if name.startswith("tables/"))

    def in_csv(self) -> list[str]:
        """Names of the tables that are small enough to be in CSV as well."""
        return [table for table in self.tables() if f"csv/{table}.csv" in self.files]


def open_release(folder: Path | str) -> Release:
    """Read what a catalogue needs of a release.

    Raises:
        UserError: If `folder` is no release.
    """
    folder = Path(folder)
    return Release(folder, manifest.read(folder), pl.read_parquet(folder / "dictionary" / "dictionary.parquet"))


def identifier(release: Release, description: Description) -> str:
    """Return the IRI of the `release` below the `base_url` of its `description`."""
    return f"{str(description.base_url).rstrip('/')}/{release.about['study']}/{release.about['version']}"


@dataclass(frozen=True)
class Offered:
    """A file that a reader would ask for: name, title, media type, and its size as `rounded_size` tells it."""

    name: str
    title: str
    media: str
    size: int


def rounded_size(size: int) -> int:
    """Return the power of two at or above a number of bytes.

    To the byte, the size of a table would say how many persons have the longer of two words, or how many rows are hidden.

    Args:
        size: Bytes.

    >>> rounded_size(1_000), rounded_size(1_024), rounded_size(0)
    (1024, 1024, 0)
    """
    return 1 << (size - 1).bit_length() if size > 0 else 0


def distributions(release: Release) -> list[Offered]:
    """Return what a reader of the `release` would ask for."""
    wanted = [
        ("cohort.h5mu", "MuData, all modalities"),
        ("mutations.maf", "Somatic variants, MAF"),
        *((f"tables/{t}.parquet", f"Table {t}, Parquet") for t in release.tables()),
        *((f"csv/{t}.csv", f"Table {t}, CSV") for t in release.tables()),
    ]
    return [
        Offered(name, title, FORMATS[Path(name).suffix][0], rounded_size(int(release.files[name]["bytes"])))
        for name, title in wanted
        if name in release.files
    ]
