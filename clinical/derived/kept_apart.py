"""What cannot be true enters no table: an impossible event stays in the timeline under a code that no concept takes.

The code says the check that flagged it: `IMPOSSIBLE//value-range//LOINC//718-7`. Of a dose that cannot be, the drug stays as given,
without its number, and the number stands apart beside it. A study lets in what a check flags by `enters: true` in its rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from unibase.clinical.derived.quality_rules import CAN_KEEP_OUT, QualityRules
from unibase.clinical.derived.spread_of_values import (
    DRUGS,
    UnitFound,
    dose_limits,
    mixed_codes,
    sentinels,
    units_found,
)
from unibase.clinical.reasons import IMPOSSIBLE_VALUE, UNIT_BY_DISTRIBUTION
from unibase.clinical.remedies import remedy_of
from unibase.clinical.words.acts import IMPOSSIBLE
from unibase.clinical.words.concepts import Concepts
from unibase.clinical.words.tnm import Kind, category
from unibase.groundwork.tables import DERIVED, EVENTS, QUARANTINE, centre_of

_DOSE = "plausibility/dose-far-off"
_LIMITS = pl.Schema({"code": pl.String(), "unit": pl.String(), "low": pl.Float64(), "high": pl.Float64()})
_TNM: tuple[tuple[str, Kind], ...] = (("tnm_t", "T"), ("tnm_n", "N"), ("tnm_m", "M"))
_BEYOND_IV = r"(?i)^(?:stage|stade|stadium)?\s*(?:VI{0,3}|[5-9])\s*[A-D]?\d?$"
_STAGE = "timeline"
_SITE = r"^(?:ICD10(?:CM|GM)?//|ICDO3//(?:\d{4}/\d-)?)"
_OF_WOMEN, _OF_MEN = _SITE + r"C5[1-8]", _SITE + r"C6[0-3]"
"""Cancers of the female and of the male genital organs (ICD-10, and the topography of ICD-O-3)."""

KEPT = pl.Schema({"centre": pl.String(), "code": pl.String(), "check": pl.String(), "events": pl.Int64()})
"""Events kept apart, by centre, code and check."""


@dataclass(frozen=True)
class Look:
    """The rows that a check looks at, and those that it flags; `row` is their number."""

    looked_at: pl.DataFrame
    flagged: pl.DataFrame


@dataclass(frozen=True)
class Judgement:
    """What single events are judged by.

    Attributes:
        rules: Ranges, and which checks keep what they flag out of tables.
        spread: SPREAD of all numbers of the study.
        concepts: What T, N and M are.
    """

    rules: QualityRules
    spread: pl.DataFrame
    concepts: Concepts

    def looks(self, events: pl.DataFrame) -> dict[str, Look]:
        """Return what each check looks at and flags among `events` (EVENTS, whole subjects), by the name of the check."""
        rows = events.with_row_index("row").with_columns(centre_of(), pl.col("unit").fill_null("").alias("unit"))
        numbers = rows.filter(pl.col("numeric_value").is_not_null() & (pl.col("source") != DERIVED))
        drugs = numbers.filter(pl.col("code").str.contains(DRUGS))
        judged = numbers.filter(pl.col("code").is_in([code for code, rule in self.rules.ranges.items() if rule.typical]))
        mixed = numbers.filter(pl.col("code").is_in(mixed_codes(self.spread)))
        values = ["code", "unit", "numeric_value"]
        return {
            "plausibility/before-birth": Look(rows, _before_birth(rows)),
            "plausibility/value-range": Look(numbers, _outside(numbers, self._ranges())),
            "plausibility/sentinel-value": Look(numbers, numbers.join(sentinels(self.spread), on=values, how="semi")),
            _DOSE: Look(drugs, _outside(drugs, dose_limits(self.spread))),
            "plausibility/impossible-tnm": self._no_category(rows),
            "plausibility/sex-against-site": _against_sex(rows),
            "plausibility/unit-by-distribution": Look(
                judged, judged.join(self._other_units(), on=["centre", "code", "unit"], how="semi")
            ),
            "conformance/unit-mixed": Look(mixed, mixed.filter(pl.col("unit") == "")),
        }

    def flagged(self, events: pl.DataFrame) -> pl.DataFrame:
        """Return `row, check` of the rows of `events` (EVENTS, whole subjects) that a check flags: the first that does."""
        found = self.looks(events)
        parts = [found[name].flagged.select("row", pl.lit(name).alias("check")) for name in CAN_KEEP_OUT]
        return pl.concat(parts).unique("row", keep="first", maintain_order=True).sort("row")

    def units(self) -> list[UnitFound]:
        """Return the units that numbers without one have for certain."""
        return [one for one in units_found(self.spread, self.rules.ranges) if not one.said]

    def with_units(self, events: pl.DataFrame) -> pl.DataFrame:
        """Return `events` in which numbers without a unit have that of their analyte, where their distribution says for certain."""
        known = self.units()
        if not known:
            return events
        rows = [(one.centre, one.code, one.factor, self.rules.ranges[one.code].unit) for one in known]
        named = pl.DataFrame(rows, schema=["centre", "code", "_factor", "_unit"], orient="row")
        joined = events.with_columns(centre_of()).join(named, on=["centre", "code"], how="left", maintain_order="left")
        meant = pl.col("_factor").is_not_null() & pl.col("unit").is_null() & pl.col("numeric_value").is_not_null()
        number = (pl.col("numeric_value").cast(pl.Float64) * pl.col("_factor")).cast(pl.Float32)
        return joined.with_columns(
            pl.when(meant).then(number).otherwise("numeric_value").alias("numeric_value"),
            pl.when(meant).then("_unit").otherwise("unit").alias("unit"),
        ).select(events.columns)

    def _ranges(self) -> pl.DataFrame:
        rows = [(code, rule.unit, rule.low, rule.high) for code, rule in self.rules.ranges.items()]
        return pl.DataFrame(rows, schema=_LIMITS, orient="row")

    def _other_units(self) -> pl.DataFrame:
        rows = [(one.centre, one.code, one.said) for one in units_found(self.spread, self.rules.ranges) if one.said]
        return pl.DataFrame(rows, schema={name: pl.String for name in ("centre", "code", "unit")}, orient="row")

    def _no_category(self, rows: pl.DataFrame) -> Look:
        looked, found = [rows.clear()], [rows.clear()]
        for concept, kind in _TNM:
            own = self.concepts.select(rows, concept).filter(pl.col("text_value").is_not_null())
            none = [text for text in own["text_value"].unique() if category(kind, text) is None]
            looked.append(own)
            found.append(own.filter(pl.col("text_value").is_in(none)))
        staged = self.concepts.select(rows, "stage").filter(pl.col("text_value").is_not_null())
        # Other systems of stages have words of their own; none goes beyond the fourth.
        beyond = staged.filter(pl.col("text_value").str.contains(_BEYOND_IV))
        return Look(pl.concat([*looked, staged]), pl.concat([*found, beyond]))


def _before_birth(rows: pl.DataFrame) -> pl.DataFrame:
    """Return what lies wholly before the day of birth; deaths have their own rule (`timelines.plausibility`)."""
    births = rows.filter((pl.col("code") == "MEDS_BIRTH") & pl.col("time_min").is_not_null())
    day = pl.col("time_min").min().dt.date().alias("born")
    born = births.group_by("subject_id").agg(day)
    life = pl.col("code").is_in(["MEDS_BIRTH", "MEDS_DEATH"])
    others = rows.filter(~life & pl.col("time_max").is_not_null())
    placed = others.join(born, on="subject_id", maintain_order="left")
    return placed.filter(pl.col("time_max").dt.date() < pl.col("born"))


def _against_sex(rows: pl.DataFrame) -> Look:
    """Return cancers of the genital organs of those whose sex is one, and those of the other sex's organ."""
    women, men = pl.col("code").str.contains(_OF_WOMEN), pl.col("code").str.contains(_OF_MEN)
    sexes = rows.filter(pl.col("code").str.starts_with("SEX//")).group_by("subject_id").agg(pl.col("code").unique().alias("sex"))
    one = sexes.filter(pl.col("sex").list.len() == 1).with_columns(pl.col("sex").list.first())
    sited = rows.filter(women | men).join(one, on="subject_id", how="left", maintain_order="left")
    wrong = (women & (pl.col("sex") == "SEX//M")) | (men & (pl.col("sex") == "SEX//F"))
    return Look(sited, sited.filter(wrong))


def _outside(numbers: pl.DataFrame, limits: pl.DataFrame) -> pl.DataFrame:
    own = numbers.join(limits, on=["code", "unit"], maintain_order="left")
    return own.filter(~pl.col("numeric_value").cast(pl.Float64).is_between("low", "high"))


def keep_apart(events: pl.DataFrame, judgement: Judgement) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return EVENTS in which what cannot be true stands apart, and how many of each centre, code and check (KEPT).

    Args:
        events: EVENTS of whole subjects.
        judgement: What they are judged by.
    """
    wanted = judgement.rules.kept_out()
    events = judgement.with_units(events)
    found = judgement.flagged(events).filter(pl.col("check").is_in(wanted))
    if found.is_empty():
        return events, pl.DataFrame(schema=KEPT)
    marked = events.with_row_index("row").join(found, on="row", how="left", maintain_order="left").drop("row")
    apart = pl.col("check").is_not_null()
    dose = (pl.col("check") == _DOSE).fill_null(False)
    named = pl.lit(IMPOSSIBLE) + pl.col("check").str.split("/").list.last() + pl.lit("//") + pl.col("code")
    doses = marked.filter(dose).with_columns(named.alias("code"))
    kept = marked.with_columns(
        pl.when(apart & ~dose).then(named).otherwise("code").alias("code"),
        pl.when(~dose).then("numeric_value").alias("numeric_value"),
    )
    counts = marked.filter(apart).with_columns(centre_of())
    told = counts.group_by("centre", "code", "check").agg(pl.len().cast(pl.Int64).alias("events")).sort("centre", "code", "check")
    return EVENTS.conform(pl.concat([kept, doses]).drop("check")), told


def restored[Frame: (pl.DataFrame, pl.LazyFrame)](events: Frame) -> Frame:
    """Return EVENTS with the codes of their sources, and in `kept_out` the check that keeps one out of tables.

    Args:
        events: Of a timeline, in which some stand apart.

    >>> restored(pl.DataFrame({"code": ["IMPOSSIBLE//value-range//LOINC//718-7"]})).row(0)
    ('LOINC//718-7', 'value-range')
    """
    check = pl.col("code").str.extract(rf"^{IMPOSSIBLE}([a-z-]+)//")
    own = pl.col("code").str.replace(rf"^{IMPOSSIBLE}[a-z-]+//", "")
    return events.with_columns(check.alias("kept_out"), own.alias("code"))


def kept_problems(kept: pl.DataFrame, units: list[UnitFound]) -> pl.DataFrame:
    """Return the QUARANTINE rows that tell what was kept apart, a row per centre, code and check, and which units were given.

    Args:
        kept: KEPT of all blocks.
        units: Units that numbers without one have for certain.

    >>> kept = pl.DataFrame([("lyon", "LOINC//718-7", "plausibility/value-range", 2)], schema=KEPT, orient="row")
    >>> kept_problems(kept, [])["reason"].to_list()
    ['impossible-value']
    """
    return pl.DataFrame([*_of_kept(kept), *_of_units(units)], schema=QUARANTINE.schema(), orient="row")


def _of_kept(kept: pl.DataFrame) -> Iterator[tuple[str, str, str, str, str, str]]:
    total = kept.group_by("centre", "code", "check").agg(pl.col("events").sum()).sort("centre", "code", "check")
    for centre, code, check, events in total.iter_rows():
        message = f"{check} flags {events} events of {code}: they stay in the timeline and enter no table."
        yield _STAGE, centre, f"{centre}/{code}/{check}", IMPOSSIBLE_VALUE, message, remedy_of(IMPOSSIBLE_VALUE)


def _of_units(units: list[UnitFound]) -> Iterator[tuple[str, str, str, str, str, str]]:
    for one in units:
        message = f"Values of {one.code} without a unit are {one.unit} by their distribution, and count as such."
        yield _STAGE, one.centre, f"{one.centre}/{one.code}/unit", UNIT_BY_DISTRIBUTION, message, remedy_of(UNIT_BY_DISTRIBUTION)
