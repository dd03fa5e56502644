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
from unibase.clinical.words.concepts import Concepts
from unibase.groundwork.tables import DERIVED, EVENTS

CHANGE = "DERIVED//TREATMENT_CHANGE"
ATC_OF_RXNORM = {f"RxNorm//{number}": f"ATC//{atc}" for number, atc in (
    ("56946", "L01CD01"), ("72962", "L01CD02"), ("2555", "L01XA01"), ("40048", "L01XA02"), ("32592", "L01XA03"), ("3002", "L01AA01"),
    ("3639", "L01DB01"), ("3995", "L01DB03"), ("4179", "L01CB01"), ("4492", "L01BC02"), ("12574", "L01BC05"), ("39541", "L01CA04"),
    ("11202", "L01CA02"), ("51499", "L01CE02"), ("194000", "L01BC06"), ("68446", "L01BA04"), ("224905", "L01FD01"),
    ("253337", "L01FG01"), ("318341", "L01FE01"), ("121191", "L01FA01"), ("282388", "L01EA01"), ("328134", "L01EB01"),
    ("337525", "L01EB02"), ("1721560", "L01EB04"), ("1547545", "L01FF02"), ("1597876", "L01FF01"), ("1792776", "L01FF05"),
    ("1919503", "L01FF03"), ("10324", "L02BA01"), ("72965", "L02BG04"), ("84857", "L02BG03"), ("258494", "L02BG06"),
    ("5650", "L01DB06"), ("1736776", "L01XA03"), ("1736854", "L01XA01"), ("309311", "L01XA01"), ("583214", "L01CD01"),
    ("1734919", "L01AA01"), ("1790099", "L01DB01"), ("1732186", "L01DB03"), ("1734340", "L01CB01"), ("198240", "L02BA01"),
    ("310261", "L02BG06"), ("727762", "L02BA03"), ("1601380", "L01EF01"), ("1873983", "L01EF02"), ("1940648", "L01EH02"),
    ("2119714", "L01FD01"), ("349472", "L01EB01"),
)}  # fmt: skip
"""Ingredients and products of RxNorm that the concept `anticancer_drug` names, and their ATC code of 2024 (WHO Collaborating Centre)."""
LINE = "DERIVED//LINE"
STOP = "DERIVED//TREATMENT_STOP"
STOP_DAYS = 120
"""A line has ended when the person was on record so many days after its last administration (Friends of Cancer Research, 2018)."""


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
    """Return the regimens of one subject from the days on which each molecule was given.

    Args:
        given: Day and molecule: an ATC code, or `VOCABULARY//code` of a molecule or regimen of another vocabulary.
        rule: What the analysis decides. Its ATC prefixes choose among ATC codes; codes of other vocabularies all count.
    """
    rule = rule or LineRule()
    days = sorted({(day, code) for day, code in given if "//" in code or code.startswith(rule.anticancer)})
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
    return code if "//" in code else code[:5]


def treatment_events(events: pl.DataFrame, rule: LineRule | None = None, concepts: Concepts | None = None) -> pl.DataFrame:
    """Return derived EVENTS: one `DERIVED//TREATMENT_CHANGE` per change, one `DERIVED//LINE` per line, one stop per line that ended.

    `numeric_value` is the number of the change or line, `end_time` the last administration of the regimen or line.
    Molecules are those of the concept `anticancer_drug`; an ingredient of RxNorm counts as its ATC code where `ATC_OF_RXNORM` knows
    it, so that two centres that code one drug differently make no change. Administrations whose day is not known do not count. A line
    has ended where another follows, or where the person is on record `STOP_DAYS` after it; `DERIVED//TREATMENT_STOP` is the day of its
    last administration. Add the result to the timeline before deriving TNT or TTD.

    Args:
        events: EVENTS of any number of subjects, whole.
        rule: What the analysis decides.
        concepts: What an `anticancer_drug` and a `last_contact` are.
    """
    concepts = concepts or Concepts.default()
    given = (pl.col("code").str.starts_with("ATC//") | concepts.matches("anticancer_drug")) & pl.col("time").is_not_null()
    # A drug that was stated is the molecule that is given elsewhere.
    molecule = (
        pl.col("code").str.strip_prefix("STATED//").replace({**concepts.molecules, **ATC_OF_RXNORM}).str.strip_prefix("ATC//")
    )
    drugs = events.filter(given).select("subject_id", pl.col("time").dt.date().alias("day"), molecule.alias("atc"))
    on_record = dict(_last_days(events, concepts, drugs).iter_rows())
    rows: list[tuple[int, date, str, int, date]] = []
    for (subject,), own in drugs.sort("subject_id", "day", "atc").group_by("subject_id", maintain_order=True):
        found = regimens(list(own.select("day", "atc").iter_rows()), rule)
        rows += [(subject, one.start, CHANGE, one.change, one.last) for one in found if one.change]
        lines = [[one for one in found if one.line == line] for line in sorted({one.line for one in found})]
        for number, parts in enumerate(lines, start=1):
            last = max(one.last for one in parts)
            rows.append((subject, parts[0].start, LINE, parts[0].line, parts[-1].last))
            if number < len(lines) or on_record[subject] - last > timedelta(days=STOP_DAYS):
                rows.append((subject, last, STOP, parts[0].line, last))
    return _as_events(rows)


def _last_days(events: pl.DataFrame, concepts: Concepts, drugs: pl.DataFrame) -> pl.DataFrame:
    """Return `subject_id, day`: the last day on which each person who was given a drug was seen alive."""
    seen = concepts.select(events.join(drugs.select("subject_id").unique(), on="subject_id", how="semi"), "last_contact")
    days = seen.filter(pl.col("time_min").is_not_null()).select("subject_id", pl.col("time_min").dt.date().alias("day"))
    return pl.concat([days, drugs.select("subject_id", "day")]).group_by("subject_id").agg(pl.col("day").max())


def _as_events(rows: Sequence[tuple[int, date, str, int, date]]) -> pl.DataFrame:
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
