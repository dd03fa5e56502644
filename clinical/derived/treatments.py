"""Changes and lines of treatment, by the rule of the OSIRIS-RWD implementation guide (V2, May 2025, annex).

A change is a molecule that was not given before in the current regimen, replacing or joining the others. No change are:
stopping one of several molecules (A + B + C, then A + B; A + B, then A: maintenance), another dose, any interval between
cycles of the same molecules (re-challenge). Molecules that start within one cycle of a regimen's start belong to it.

The guide leaves lines to the analysis. The rule here: a change opens a new line, unless every new molecule is of a class
(ATC 4th level) that the regimen has already. So cisplatin to carboplatin is a change, not a line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import polars as pl

from unibase.clinical.options import CYCLE_DAYS
from unibase.groundwork.tables import DERIVED, EVENTS

CHANGE = "DERIVED//TREATMENT_CHANGE"
LINE = "DERIVED//LINE"


@dataclass(frozen=True)
class Regimen:
    """One regimen of one subject.

    Attributes:
        start: First day.
        last: Last day on which one of its molecules was given.
        molecules: ATC codes, sorted.
        change: Number of the change of treatment that began it; 0 for the first regimen.
        line: Number of the line, from 1.
    """

    start: date
    last: date
    molecules: tuple[str, ...]
    change: int
    line: int


@dataclass(frozen=True)
class LineRule:
    """What an analysis decides.

    Attributes:
        cycle_days: Molecules that start within so many days of a regimen's start belong to it.
        anticancer: Prefixes of the ATC codes that count; supportive drugs do not.
        protocols: Sets of molecules planned together, in whatever sequence: changes inside one are none.
    """

    cycle_days: int = CYCLE_DAYS
    anticancer: tuple[str, ...] = ("L01", "L02", "L03AB", "L03AC", "L03AX")
    protocols: tuple[frozenset[str], ...] = field(default_factory=tuple)


def regimens(given: Sequence[tuple[date, str]], rule: LineRule | None = None) -> list[Regimen]:
    """Return the regimens of one subject from the days on which each molecule (ATC code) was given."""
    rule = rule or LineRule()
    days = sorted({(day, code) for day, code in given if code.startswith(rule.anticancer)})
    out: list[Regimen] = []
    for day, code in days:
        if not out:
            out.append(Regimen(day, day, (code,), 0, 1))
            continue
        current = out[-1]
        known = set(current.molecules)
        if (
            code in known
            or (day - current.start).days < rule.cycle_days
            or any(known | {code} <= protocol for protocol in rule.protocols)
        ):
            out[-1] = _with(current, day, code)
        else:
            # Whatever else is given on this day or within its cycle is looked at when it comes.
            going_on = _still_given(days, current, day, rule)
            molecules = tuple(sorted({code, *going_on}))
            out.append(Regimen(day, day, molecules, current.change + 1, current.line))
    return _with_lines(out)


def _with(regimen: Regimen, day: date, code: str) -> Regimen:
    molecules = tuple(sorted({*regimen.molecules, code}))
    return Regimen(regimen.start, day, molecules, regimen.change, regimen.line)


def _still_given(days: Sequence[tuple[date, str]], current: Regimen, start: date, rule: LineRule) -> set[str]:
    """Return the molecules of the old regimen that go on into the new one: given again within its first cycle."""
    end = start + timedelta(days=rule.cycle_days)
    return {code for day, code in days if code in current.molecules and start <= day < end}


def _with_lines(found: list[Regimen]) -> list[Regimen]:
    """Number lines by all molecules that a regimen brings: one of a new class is enough for a new line."""
    out: list[Regimen] = []
    for regimen in found:
        if not out:
            out.append(regimen)
            continue
        before = out[-1]
        classes = {_atc_class(code) for code in before.molecules}
        new = [code for code in regimen.molecules if code not in before.molecules]
        line = before.line + (0 if all(_atc_class(code) in classes for code in new) else 1)
        out.append(Regimen(regimen.start, regimen.last, regimen.molecules, regimen.change, line))
    return out


def _atc_class(code: str) -> str:
    return code[:5]


def treatment_events(events: pl.DataFrame, rule: LineRule | None = None) -> pl.DataFrame:
    """Return derived EVENTS: one `DERIVED//TREATMENT_CHANGE` per change and one `DERIVED//LINE` per line.

    `numeric_value` is the number of the change or line, `end_time` the last administration of the regimen or line.
    Administrations whose day is not known do not count. Add the result to the timeline before deriving TNT.
    """
    drugs = events.filter(pl.col("code").str.starts_with("ATC//") & pl.col("time").is_not_null())
    drugs = drugs.select(
        "subject_id", pl.col("time").dt.date().alias("day"), pl.col("code").str.strip_prefix("ATC//").alias("atc")
    )
    rows = []
    for (subject,), own in drugs.sort("subject_id", "day", "atc").group_by("subject_id", maintain_order=True):
        found = regimens(list(own.select("day", "atc").iter_rows()), rule)
        rows += [(subject, one.start, CHANGE, one.change, one.last) for one in found if one.change]
        for line in sorted({one.line for one in found}):
            parts = [one for one in found if one.line == line]
            rows.append((subject, parts[0].start, LINE, line, parts[-1].last))
    schema = {"subject_id": pl.Int64, "day": pl.Date, "code": pl.String, "numeric_value": pl.Float32, "last": pl.Date}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    day = pl.col("day").cast(pl.Datetime("us"))
    almost = pl.duration(days=1) - pl.duration(microseconds=1)
    return EVENTS.conform(
        frame.select(
            "subject_id",
            day.alias("time"),
            "code",
            "numeric_value",
            day.alias("time_min"),
            (day + almost).alias("time_max"),
            pl.col("last").cast(pl.Datetime("us")).alias("end_time"),
            pl.lit(DERIVED).alias("source"),
        )
    )
