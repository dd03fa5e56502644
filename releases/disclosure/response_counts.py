"""Counts of best tumour responses that may be shown together."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

import polars as pl

from unibase.releases.disclosure.small_counts import Statistic, is_small, protect
from unibase.releases.disclosure.two_versions import moved, pairs

ORDER = ("CR", "iCR", "PR", "iPR", "SD", "iSD", "NON-CR/NON-PD", "NON-iCR/NON-iUPD", "PD", "iUPD", "iCPD", "NE", "ND", "MISSING")
OBJECTIVE = ("CR", "iCR", "PR", "iPR")
NONE = "none"
"""Who cannot be assessed: the table adrs says why."""


@dataclass(frozen=True)
class ResponseCounts:
    """The best responses of one parameter; None is hidden.

    Attributes:
        code: PARAMCD.
        name: Parameter in words.
        values: Response to subjects, from best to worst.
        objective: Subjects with a complete or partial response.
        subjects: All subjects.
    """

    code: str
    name: str
    values: tuple[tuple[str, int | None], ...]
    objective: int | None
    subjects: int


@dataclass(frozen=True)
class ResponsesBefore:
    """What is known of the best responses in the version before.

    Attributes:
        adrs: Its tumour responses.
        shown: `(PARAMCD, response)`, with `OBJECTIVE_RATE` for the objective ones, of the counts that it shows.
        added: Persons that it did not have, where the page tells how many.
        removed: Persons that it alone has, where the page tells how many.
    """

    adrs: pl.DataFrame
    shown: frozenset[tuple[str, str]]
    added: int | None = None
    removed: int | None = None


OBJECTIVE_RATE = "objective"


def weigh(adrs: pl.DataFrame, codes: Sequence[str], min_cell: int, before: ResponsesBefore | None = None) -> list[ResponseCounts]:
    """Decide which counts of responses may be shown together, and beside those of the version before.

    All parameters are of the same subjects: counts are hidden so that none of fewer than `min_cell` persons can be computed
    from those of another parameter, or of another version.

    Args:
        adrs: `subject_id`, `PARAMCD`, `PARAM`, `AVALC`.
        codes: The best responses, by PARAMCD.
        min_cell: Smallest count that may be shown.
        before: The version before, or None.
    """
    names = dict(adrs.filter(pl.col("PARAMCD").is_in(codes)).select("PARAMCD", "PARAM").unique().iter_rows())
    now = _kinds(adrs, codes)
    groups = pairs(now, _kinds(before.adrs, codes) if before else None)
    ordered = sorted(groups, key=repr)
    counts = [groups[pair] for pair in ordered]
    asked = _asked(codes, [kind for _, kind in ordered])
    rows = _statistics(asked, [kind for _, kind in ordered])
    rows += _rows_before(before, codes, ordered, counts, min_cell) if before else []
    visible = protect(counts, rows, min_cell)
    found = [
        (code, values, sum(counts[n] for n in row.members) if show else None)
        for (code, values), row, show in zip(asked, rows, visible, strict=False)
    ]
    return [
        ResponseCounts(
            code,
            names[code],
            tuple((values[0], n) for of, values, n in found if of == code and len(values) == 1),
            next((n for of, values, n in found if of == code and len(values) > 1), None),
            len(now),
        )
        for code in codes
    ]


Kind = tuple[str | None, ...]
"""The best response of a person by each parameter, in the order of the codes; None for one without a row."""
Asked = tuple[str, tuple[str, ...]]
"""A parameter, and the responses that a count adds up."""


def _kinds(adrs: pl.DataFrame, codes: Sequence[str]) -> dict[int, Kind]:
    rows = adrs.filter(pl.col("PARAMCD").is_in(codes)).with_columns(pl.col("AVALC").fill_null(NONE))
    wide = rows.pivot("PARAMCD", index="subject_id", values="AVALC")
    absent = [pl.lit(None, dtype=pl.String).alias(code) for code in codes if code not in wide.columns]
    ordered = wide.with_columns(absent).select("subject_id", *codes)
    return {row[0]: row[1:] for row in ordered.iter_rows()}


def _asked(codes: Sequence[str], kinds: Sequence[Kind | None]) -> list[Asked]:
    """Return what is drawn of each parameter: its responses from best to worst, each alone, and the objective ones together."""
    return [
        (code, values)
        for place, code in enumerate(codes)
        for values in _categories({kind[place] for kind in kinds if kind is not None})
    ]


def _members(place: int, values: Sequence[str], kinds: Sequence[Kind | None]) -> tuple[int, ...]:
    return tuple(n for n, kind in enumerate(kinds) if kind is not None and kind[place] in values)


def _statistics(asked: Sequence[Asked], kinds: Sequence[Kind | None]) -> list[Statistic]:
    """Return what is drawn, and what must not be computable from it.

    The size of the cohort is shown elsewhere, so a rate tells of those without an objective response, too; and two
    parameters tell of those whose responses differ.
    """
    codes = list(dict.fromkeys(code for code, _ in asked))
    places = [_members(codes.index(code), values, kinds) for code, values in asked]
    everybody = tuple(n for n, kind in enumerate(kinds) if kind is not None)
    rates = [set(place) for place, (_, values) in zip(places, asked, strict=True) if len(values) > 1]
    alike = [tuple(n for n in everybody if kinds[n] == kind) for kind in dict.fromkeys(k for k in kinds if k is not None)]
    unshown = [*(tuple(sorted(set(everybody) - rate)) for rate in rates), *alike]
    drawn = [Statistic(place, priority=int(len(values) > 1)) for place, (_, values) in zip(places, asked, strict=True)]
    return [*drawn, *(Statistic(place, shown=False) for place in unshown), Statistic(everybody, fixed=True)]


def _rows_before(
    before: ResponsesBefore,
    codes: Sequence[str],
    groups: Sequence[tuple[Kind | None, Kind | None]],
    counts: Sequence[int],
    min_cell: int,
) -> list[Statistic]:
    """Return the numbers of the version before: those it shows are known, its small ones must stay hidden."""
    kinds = [kind for kind, _ in groups]
    rows = [Statistic(tuple(n for n, kind in enumerate(kinds) if kind is not None), known=True)]
    for code, values in _asked(codes, kinds):
        members = _members(codes.index(code), values, kinds)
        name = OBJECTIVE_RATE if len(values) > 1 else values[0]
        if (code, name) in before.shown:
            rows.append(Statistic(members, known=True))
        elif is_small(sum(counts[n] for n in members), min_cell):
            rows.append(Statistic(members, shown=False))
    return [*rows, *moved(groups, before.added, before.removed)]


def _categories(known: Container[str | None]) -> list[tuple[str, ...]]:
    return [*((value,) for value in (*ORDER, NONE) if value in known), OBJECTIVE]
