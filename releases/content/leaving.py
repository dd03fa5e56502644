"""What a release says of its sources' rows and of births: as they are, or so that they name nothing outside of it.

The number of a row in a hospital's export is the same under any key, and in an export in order of date it tells the shift
of a subject. Keyed, it is a pseudonym of the row: equal within a release, another one under another key. SipHash-2-4
(Aumasson and Bernstein 2012) makes it, under a key for each source, so that millions of rows cost little.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from unibase.privacy.keys import Key
from unibase.privacy.leaks.leak_scan import Needle

Birth = Literal["day", "month", "year"]
"""What is told of a date of birth."""
_ROWS = (("source", "source_row"), ("SRCDOM", "SRCSEQ"))
"""Columns that name a table of a source, and a row of it."""
_KEYED = " A keyed number stands for it: the custodian's key tells the row (unibase explain --key-file)."
IN_BANDS = " From 20 to 39 in bands of ten years (35: 30 to 39), from 40 to 54 of five (47: 45 to 49): the middle stands for all."
"""What the dictionary says of an age where ages are told in bands."""
_EVERY = {"month": "1mo", "year": "1y"}
_NO_CHANCE = 20
"""Of so many subjects one at most has a told birth that is the true day by chance: two bounds among 1,826 shifts, and the
few who were born on a 1 January."""


@dataclass(frozen=True)
class Leaving:
    """What is made of rows before they leave.

    Attributes:
        rows_key: Secret under which numbers of source rows are replaced; None leaves them.
        birth: What is told of dates of birth in the timeline.
        born: `subject_id, from, to` of births that ages leave open (`told_ages`), which are told in the place of the year.
        in_bands: Whether these ages are told in bands.
    """

    rows_key: bytes | None = field(default=None, repr=False)
    birth: Birth = "day"
    born: pl.DataFrame | None = field(default=None, repr=False, compare=False)
    in_bands: bool = True

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return a block of a table as it leaves. `frame`: rows of any table of a release."""
        if self.birth != "day" and {"code", "time_max"} <= set(frame.columns):
            frame = _coarser_births(frame, self.birth, self.born)
        for source, row in _ROWS:
            if self.rows_key is not None and {source, row} <= set(frame.columns):
                frame = frame.with_columns(keyed_rows(frame[source], frame[row], self.rows_key))
        return frame

    def sought(self, needles: Iterable[Needle], timeline: Path) -> list[Needle]:
        """Return what must not be found in a release, less the births that a told one equals by chance.

        A birth by age, month or year is reckoned from shifted days alone, so that one which is the true day tells nobody so. Where
        too many are, it is no chance, and all are sought.

        Args:
            needles: What must not be found.
            timeline: Folder of the released timeline.
        """
        needles = list(needles)
        files = sorted((timeline / "data").rglob("*.parquet"))
        if self.birth == "day" or not files:
            return needles
        told = _told_days(files)
        by_chance = {one for one in needles if (one.subject_id, one.value) in told}
        many = len(by_chance) > max(1, len({one.subject_id for one in needles}) // _NO_CHANCE)
        return needles if many else [one for one in needles if one not in by_chance]

    def told(self, dictionary: pl.DataFrame) -> pl.DataFrame:
        """Return a data dictionary that says what was made of rows and births.

        Args:
            dictionary: `table`, `column`, `derivation` and further columns.
        """
        words = pl.col("derivation")
        if self.rows_key is not None:
            is_row = pl.col("column").is_in([row for _, row in _ROWS])
            words = pl.when(is_row).then(words + _KEYED).otherwise(words)
        if self.birth != "day":
            is_time = (pl.col("table") == "timeline") & pl.col("column").is_in(["time", "time_min", "time_max"])
            left = f" Of births the {self.birth} alone."
            if self.born is not None:
                left = " Of births what the age at the index leaves open (time_min to time_max); time is a 1 January between."
                is_age = (pl.col("table") == "subjects") & (pl.col("column") == "AGE") & self.in_bands
                words = pl.when(is_age).then(words + IN_BANDS).otherwise(words)
            words = pl.when(is_time).then(words + left).otherwise(words)
        return dictionary.with_columns(words.alias("derivation"))


AS_THEY_ARE = Leaving()
"""Rows leave with their numbers, and births to the day."""


def rows_key(key: Key) -> bytes:
    """Return the secret under which the rows of a study's sources are named in its releases.

    Args:
        key: The key of the study.
    """
    return key.derive("release/source-rows")


def keyed_rows(source: pl.Series, row: pl.Series, key: bytes) -> pl.Series:
    """Return pseudonyms of source rows: positive, equal for equal rows, null where there is none.

    Args:
        source: The table each row is of.
        row: Its number; null for what we derived ourselves.
        key: The secret.

    Example:
        >>> rows = pl.Series("source_row", [7, 7, 8, None])
        >>> keyed = keyed_rows(pl.Series(["lyon/a", "lyon/a", "lyon/a", "lyon/a"]), rows, b"secret")
        >>> keyed[0] == keyed[1], keyed[0] == keyed[2], keyed[3]
        (True, False, None)
    """
    found = np.zeros(len(row), dtype=np.int64)
    numbers = row.cast(pl.Int64).fill_null(0).to_numpy().astype(np.uint64)
    names = source.cast(pl.String).fill_null("")
    for name in names.unique().to_list():
        mine = (names == name).to_numpy()
        found[mine] = (siphash(numbers[mine], hmac.new(key, name.encode(), sha256).digest()[:16]) >> np.uint64(1)).astype(
            np.int64
        )
    return pl.select(pl.when(row.is_not_null()).then(pl.Series(row.name, found))).to_series().alias(row.name)


def siphash(words: np.ndarray, key: bytes) -> np.ndarray:
    """Return SipHash-2-4 of each word of 8 bytes, little-endian.

    Args:
        words: (n,) uint64.
        key: 16 bytes.

    >>> siphash(np.array([1], np.uint64), bytes(16)).tolist()
    [9224715256000962398]
    """
    k0, k1 = (np.uint64(int.from_bytes(part, "little")) for part in (key[:8], key[8:]))
    start = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
    v = [np.full(len(words), np.uint64(word) ^ k) for word, k in zip(start, (k0, k1, k0, k1), strict=True)]
    for word in (words.astype(np.uint64), np.uint64(8 << 56)):
        v[3] = v[3] ^ word
        v = _rounds(v, 2)
        v[0] = v[0] ^ word
    v[2] = v[2] ^ np.uint64(0xFF)
    v = _rounds(v, 4)
    return np.asarray(v[0] ^ v[1] ^ v[2] ^ v[3])


def _rounds(v: list[np.ndarray], count: int) -> list[np.ndarray]:
    a, b, c, d = v
    for _ in range(count):
        a, c = a + b, c + d
        b, d = _left(b, 13) ^ a, _left(d, 16) ^ c
        a = _left(a, 32)
        c, a = c + b, a + d
        b, d = _left(b, 17) ^ c, _left(d, 21) ^ a
        c = _left(c, 32)
    return [a, b, c, d]


def _left(word: np.ndarray, bits: int) -> np.ndarray:
    return (word << np.uint64(bits)) | (word >> np.uint64(64 - bits))


def _told_days(files: list[Path]) -> set[tuple[int, date]]:
    """Return subject and day of all that the births of a timeline say."""
    births = pl.scan_parquet(files).filter(pl.col("code").cast(pl.String) == "MEDS_BIRTH")
    days = [births.select("subject_id", pl.col(name).cast(pl.Date).alias("day")) for name in ("time", "time_min", "time_max")]
    return set(pl.concat(days).drop_nulls().collect().rows())


def _coarser_births(frame: pl.DataFrame, birth: Birth, born: pl.DataFrame | None) -> pl.DataFrame:
    """Return events with births known to the month or the year, or to what an age leaves open, and all that they can mean.

    The time of a birth is the first instant of its month or year; of what an age leaves open, a 1 January near the middle.
    """
    is_birth = (pl.col("code").cast(pl.String) == "MEDS_BIRTH") & pl.coalesce("time", "time_min").is_not_null()
    begins = pl.coalesce("time_min", "time").dt.truncate(_EVERY[birth])
    ends = pl.coalesce("time_max", "time").dt.truncate(_EVERY[birth]).dt.offset_by(_EVERY[birth]).dt.offset_by("-1us")
    new = {"time": begins, "time_min": begins, "time_max": ends}
    types = frame.schema
    if born is not None:
        frame = frame.join(born, on="subject_id", how="left", maintain_order="left")
        middle = pl.min_horizontal(pl.col("from") + (pl.col("to") - pl.col("from")) / 2 + pl.duration(days=182), "to")
        of_age = {"time": middle.dt.truncate("1y"), "time_min": pl.col("from"), "time_max": pl.col("to")}
        new = {name: pl.coalesce(of_age[name], value) for name, value in new.items()}
    return frame.with_columns(
        pl.when(is_birth).then(value).otherwise(name).cast(types[name]).alias(name) for name, value in new.items()
    ).select(types.names())
