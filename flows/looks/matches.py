"""Names of regions and the targets they were asked for: every match and every miss, for the operator."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import polars as pl

from unibase.flows.study.places import REGIONS
from unibase.groundwork.problems import UserError

if TYPE_CHECKING:  # A command on plain files reads no study file, and its models are heavy.
    from unibase.flows.study.study_file import Study

PATTERN = "--region takes TARGET=PATTERN, such as --region GTV=gtv.*"


def parse_regions(given: list[str]) -> dict[str, list[str]]:
    """Return target to patterns of `TARGET=PATTERN` texts; a target given again has several patterns.

    Raises:
        UserError: If a text is none.

    >>> parse_regions(["tumour=gtv.*", "tumour=ptv"])
    {'tumour': ['gtv.*', 'ptv']}
    """
    regions: dict[str, list[str]] = {}
    for text in given:
        target, sign, pattern = text.partition("=")
        if not (target.strip() and sign and pattern):
            raise UserError(f"{text!r} is no region. {PATTERN}")
        try:
            re.compile(pattern)
        except re.error as error:
            raise UserError(f"{text!r}: the pattern is no regular expression ({error.msg}). {PATTERN}") from None
        regions.setdefault(target.strip(), []).append(pattern)
    return regions


def read_matches(study: Study) -> pl.DataFrame:
    """Return the list that the stage `features` left.

    Args:
        study: The study.

    Raises:
        UserError: If that stage has not run.
    """
    path = REGIONS.of(study.work.root)
    if not path.exists():
        raise UserError(f"No features were extracted yet. Build first: unibase build {study.file}")
    return pl.read_parquet(path)


def in_words(matches: pl.DataFrame, names: bool = True) -> str:
    """Return the list as lines: by target what was done, refused and missed, then the names that no target asked for.

    Args:
        matches: Columns of `imaging.radiomics.told.REGION_LIST`.
        names: Show names of regions; False counts them only.
    """
    lines = []
    for target in sorted(matches["target"].drop_nulls().unique().to_list()) if names else []:
        mine = matches.filter(pl.col("target") == target)
        lines.append(f"{target or '(no target: files that are no mask)'}: {_counts(mine)}")
        lines += [f"    {name} ({count})" for name, count in _tally(mine.filter(pl.col("status") == "done"), "roi_name")]
        lines += _refusals(mine)
        lines += [f"    note {note} ({count})" for note, count in _tally(mine, "notes")]
    if not names:
        lines.append(f"regions: {_counts(matches)}")
        lines += _refusals(matches)
    unused = _tally(matches.filter(pl.col("status") == "unused"), "roi_name")
    if names and unused:
        lines.append(f"names that no target asked for: {len(unused)}")
        lines += [f"    {name} ({count})" for name, count in unused]
    return "\n".join(lines)


def _counts(matches: pl.DataFrame) -> str:
    counts = dict(matches["status"].value_counts().iter_rows())
    words = {"done": "done", "refused": "refused", "missing": "missing", "unused": "not asked for"}
    return ", ".join(f"{counts[status]} {word}" for status, word in words.items() if status in counts) or "none"


def _refusals(matches: pl.DataFrame) -> list[str]:
    refused = matches.filter(pl.col("status") == "refused")
    rows = refused.group_by("reason").agg(pl.len().alias("count"), pl.col("message").first(), pl.col("remedy").first())
    return [
        f"    {row['reason']} ({row['count']}): {row['message']} {row['remedy'] or ''}".rstrip()
        for row in rows.sort("count", "reason", descending=[True, False]).iter_rows(named=True)
    ]


def _tally(matches: pl.DataFrame, column: str) -> list[tuple[str, int]]:
    counts = matches[column].drop_nulls().value_counts(name="count").sort("count", column, descending=[True, False])
    return [(str(name), int(count)) for name, count in counts.iter_rows()]
