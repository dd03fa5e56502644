"""What a reviewer decided of masks: to keep one, to refuse it, or that it lies on the wrong side.

A verdict names a region by its `source_digest` (contact sheet, `looks.parquet`): a mask that is drawn anew has another, so
an old verdict never falls on it. Verdicts are obeyed when the tables of all series are put together; nothing is measured again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import polars as pl

from unibase.groundwork.problems import Unusable, UserError
from unibase.groundwork.reasons import Reason
from unibase.imaging.options import VerdictWord
from unibase.imaging.reasons import REFUSED_BY_REVIEWER, WRONG_SIDE

SHORTEST = 12
"""How many characters of a digest name a region at least."""

KEPT = "kept-by-reviewer"
"""Note of a region that a reviewer keeps."""

_REFUSING: dict[str, Reason] = {"refuse": REFUSED_BY_REVIEWER, "wrong-side": WRONG_SIDE}


@dataclass(frozen=True)
class Verdict:
    """What was decided of one region.

    Attributes:
        row: Row of the file, from 1.
        digest: The `source_digest` of the region, or how it begins.
        word: `keep`, `refuse` or `wrong-side`.
    """

    row: int
    digest: str
    word: VerdictWord

    @property
    def problem(self) -> Unusable | None:
        """Why the region is not used; None for one that is kept."""
        reason = _REFUSING.get(self.word)
        return None if reason is None else Unusable(reason, reason.meaning, reason.remedy)


def read_verdicts(path: Path | str) -> list[Verdict]:
    """Read a file of verdicts.

    Args:
        path: CSV with the columns `source_digest` and `verdict`; further ones (reviewer, date, comment) are the reviewer's own.

    Raises:
        UserError: If the file is absent or no table of verdicts, a word is unknown, a digest too short, or two verdicts on one
            region contradict each other; the text names the row.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"No verdicts at {path}. Name a CSV file with the columns source_digest and verdict.")
    try:
        table = pl.read_csv(path, infer_schema=False)
    except (pl.exceptions.PolarsError, UnicodeDecodeError):
        raise UserError(f"{path} cannot be read as CSV in UTF-8. Save it again as such.") from None
    missing = {"source_digest", "verdict"} - set(table.columns)
    if missing:
        raise UserError(f"{path} lacks the column {', '.join(sorted(missing))}. Copy source_digest from the contact sheet.")
    verdicts: list[Verdict] = []
    for row, (digest, said) in enumerate(table.select("source_digest", "verdict").iter_rows(), start=1):
        word = next((one for one in get_args(VerdictWord) if one == (said or "").strip().lower().replace(" ", "-")), None)
        if word is None:
            raise UserError(f"{path}, row {row}: verdict must be one of {', '.join(get_args(VerdictWord))}.")
        verdicts.append(Verdict(row, (digest or "").strip().lower(), word))
        if len(verdicts[-1].digest) < SHORTEST:
            raise UserError(f"{path}, row {row}: source_digest needs at least {SHORTEST} characters of the region's digest.")
        for other in verdicts[:-1]:
            if other.word != word and (
                other.digest.startswith(verdicts[-1].digest) or verdicts[-1].digest.startswith(other.digest)
            ):
                raise UserError(
                    f"{path}, rows {other.row} and {row}: two verdicts on one region contradict each other. Keep one."
                )
    return verdicts


@dataclass(frozen=True)
class Judged:
    """A FEATURES frame after the verdicts.

    Attributes:
        features: Without the regions that a reviewer refused, those kept with a note.
        refused: Each region that was refused and why, in the order of the frame.
        unmatched: Rows of the file whose region the frame does not have.
    """

    features: pl.DataFrame
    refused: list[tuple[RefusedRegion, Unusable]]
    unmatched: list[int]


@dataclass(frozen=True)
class RefusedRegion:
    """A region that a reviewer refused: its series, its target and its name in the file."""

    series: str
    region: str
    roi_name: str


def judged(features: pl.DataFrame, verdicts: Sequence[Verdict]) -> Judged:
    """Return what verdicts leave of a FEATURES or MAPS frame. A shell or habitat goes with its region.

    Args:
        features: The frame.
        verdicts: What was decided.
    """
    words = words_of(features["source_digest"], verdicts)
    problems: dict[str | None, Unusable | None] = {verdict.word: verdict.problem for verdict in verdicts}
    refused: dict[RefusedRegion, Unusable] = {}
    columns = features.select("SeriesInstanceUID", "region", "roi_name").iter_rows()
    for word, (series, region, name) in zip(words, columns, strict=True):
        if (problem := problems.get(word)) is not None:
            refused.setdefault(RefusedRegion(series or "", region, name or ""), problem)
    kept = pl.Series(words, dtype=pl.String) == "keep"
    noted = pl.concat_str([pl.col("mask_notes"), pl.lit(KEPT)], separator=", ", ignore_nulls=True)
    left = features.with_columns(mask_notes=pl.when(kept.fill_null(False)).then(noted).otherwise(pl.col("mask_notes")))
    found = set(features["source_digest"])
    unmatched = [one.row for one in verdicts if not any(digest.startswith(one.digest) for digest in found)]
    return Judged(
        left.filter(~pl.Series(words, dtype=pl.String).is_in(list(_REFUSING)).fill_null(False)), [*refused.items()], unmatched
    )


def words_of(digests: pl.Series, verdicts: Sequence[Verdict]) -> list[str | None]:
    """Return the word of the verdict on each region, None where there is none.

    `digests`: `source_digest` of each region; `verdicts`: what was decided.
    """
    known = {digest: next((one.word for one in verdicts if digest.startswith(one.digest)), None) for digest in digests.unique()}
    return [known[digest] for digest in digests]
