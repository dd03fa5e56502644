"""Data quality as a table, in the manner of OHDSI's DataQualityDashboard: many small checks of one form.

Each check counts the rows it looks at and those that violate it, by centre, table and year, and passes when the share of
violations is not above its threshold. Kinds follow Kahn et al., eGEMs 2016: conformance, completeness, plausibility
(temporal checks included). Thresholds are in YAML, and a study can set its own and say which failures stop a release.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import polars as pl

from unibase.clinical import tables
from unibase.clinical.derived.kept_apart import Judgement, restored
from unibase.clinical.derived.quality_rules import CAN_KEEP_OUT, QualityRules
from unibase.clinical.derived.row_contradictions import FEWEST_ROWS, Check, contradiction_checks
from unibase.clinical.derived.spread_of_values import scores, spread_of
from unibase.clinical.reasons import FUTURE_DATE, UNKNOWN_CODE
from unibase.clinical.words.acts import REFUTED
from unibase.clinical.words.concepts import Concepts
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import DERIVED, EVENTS, centre_of

CHECKS = tables.CHECKS.schema()
"""One row per check, centre, table, field and year; `share` and `threshold` in percent; `year` is null for all years."""

_WHOLE = ["centre", "table"]
_AFTER_DEATH_DAYS = 30
_BY_FIELD = tuple(name for name in CAN_KEEP_OUT if name not in ("plausibility/before-birth", "plausibility/sex-against-site"))
"""Checks that are told by code."""
_COUNTED = (("violated", "violations"), ("out", "kept_out"))
_OLDEST = 120
_WHOLE_DAY = pl.duration(days=1)
_OF_ENQUIRIES = r"^OSIRIS_RWD//4\.[12]$"
"""Vital status and its source, dated by the day of the enquiry, which comes after many deaths."""
_OFTEN = r"^(?:PLANNED//)?(?:SPECIMEN|DISPENSED|PRESCRIBED)//"
"""What may be there several times in one moment: tubes, packs, orders."""


def check_quality(
    events: pl.DataFrame | Iterable[pl.DataFrame],
    rules: QualityRules | None = None,
    *,
    problems: pl.DataFrame | None = None,
    account: pl.DataFrame | None = None,
    spread: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Return CHECKS over a timeline.

    Args:
        events: EVENTS of all centres; or blocks of them, whole subjects each: counts add up.
        rules: Thresholds and ranges; the packaged ones by default.
        problems: Problem rows of the sources: checks what never became an event.
        account: Accounts of the source tables.
        spread: `spread_of_values.SPREAD` of all that is judged; of one frame it is counted here, of blocks it must be given.
    """
    rules = rules or QualityRules.default()
    if spread is None:
        spread = spread_of([restored(events).lazy()] if isinstance(events, pl.DataFrame) else [])
    judgement = Judgement(rules, spread, Concepts.default())
    blocks = [events] if isinstance(events, pl.DataFrame) else events
    counted: dict[str, list[pl.DataFrame]] = {}
    for block in blocks:
        for name, counts in _counts_of_events(block, judgement):
            counted.setdefault(name, []).append(counts)
    results = [_judged(_added_up(parts, FEWEST_ROWS.get(name, 0)), name, rules) for name, parts in counted.items()]
    if problems is not None and account is not None:
        results += _source_checks(problems, account, rules)
    found = pl.concat([pl.DataFrame(schema=CHECKS), *[one for one in results if one.height]])
    return found.sort("category", "check", "centre", "table", "field", "year", nulls_last=False)


def _counts_of_events(events: pl.DataFrame, judgement: Judgement) -> Iterator[tuple[str, pl.DataFrame]]:
    # What we derived ourselves is no centre's record: its quality is ours.
    everything = restored(events.filter(pl.col("source") != DERIVED)).with_columns(
        centre_of(),
        pl.col("source").str.split("/").list.slice(2).list.join("/").alias("table"),
        pl.col("time_min").dt.year().cast(pl.Int64).alias("year"),
    )
    # The number of a dose that cannot be stands beside the drug, which was given once.
    frame = everything.filter(pl.col("kept_out").ne_missing("dose-far-off"))
    for name, looked_at, violated, by_year in [*_event_checks(frame, judgement), *_judged_values(everything, judgement)]:
        yield name, _count(looked_at, violated, name, by_year)
    yield from _person_checks(frame)


def _added_up(parts: list[pl.DataFrame], fewest: int) -> pl.DataFrame:
    whole = pl.concat(parts).group_by(*_WHOLE, "field", "year").agg(pl.col("rows", "violations", "kept_out").sum())
    return whole.filter(pl.col("rows") >= fewest)


def failures(checks: pl.DataFrame) -> pl.DataFrame:
    """Return the checks over all years that did not pass."""
    return checks.filter(~pl.col("passed") & pl.col("year").is_null())


def stop_if_poor(checks: pl.DataFrame) -> None:
    """Refuse to go on when a check failed that a study lets stop a release.

    Raises:
        UserError: Naming the checks, centres and shares.
    """
    bad = failures(checks).filter(pl.col("stops_release"))
    if bad.height:
        lines = [
            f"{row['category']}/{row['check']} in {row['centre']}/{row['table'] or 'all tables'}{row['field'] and ' ' + row['field']}: "
            f"{row['violations']} of {row['rows']} rows ({row['share']:.2f} %, allowed {row['threshold']:.2f} %)"
            for row in bad.iter_rows(named=True)
        ]
        text = "\n  ".join(lines)
        raise UserError(
            f"The data quality does not allow a release:\n  {text}\nCorrect the sources, or set the checks in the file that `quality` names."
        )


def _event_checks(frame: pl.DataFrame, judgement: Judgement) -> list[Check]:
    values = _value_checks(frame, judgement)
    return [*_form_checks(frame), *_time_checks(frame), *values, *contradiction_checks(frame)]


def _form_checks(frame: pl.DataFrame) -> list[Check]:
    """Return the checks of what each row holds."""
    moving = frame.filter(~pl.col("code").str.contains(r"^(SEX|RACE|ETHNICITY)//|^MEDS_BIRTH$|FAMILY|//3\.1//|^OSIRIS_RWD//5"))
    dated = pl.col("time_min").is_not_null()
    ended = frame.filter(pl.col("end_time").is_not_null())
    # An end without a clock is that of its day.
    day_ends = pl.when(pl.col("end_time").dt.truncate("1d") == pl.col("end_time")).then(_WHOLE_DAY).otherwise(pl.duration())
    return [
        ("conformance/end-before-start", ended, pl.col("end_time") + day_ends < pl.col("time_min"), True),
        ("conformance/code-unmapped", frame, pl.col("code").str.contains("UNMAPPED$|//UNKNOWN$"), True),
        ("completeness/date", moving, pl.col("time_min").is_null(), False),
        ("completeness/day-known", moving.filter(dated), pl.col("time").is_null(), True),
        ("plausibility/duplicate", frame.filter(dated & ~pl.col("code").str.contains(_OFTEN)), _again(), True),
    ]


def _again() -> pl.Expr:
    """Whether an event stands in a row whose events all stand in a row before it: two drugs of one day share an origin and are two."""
    keys = [name for name in EVENTS.schema() if name != "source_row"]
    row = pl.struct(keys).hash().sum().over("subject_id", "source", "source_row")
    return ~pl.struct(*keys, row.alias("_row")).is_first_distinct()


def _time_checks(frame: pl.DataFrame) -> list[Check]:
    """Return the checks of births, deaths and what lies between them."""
    dated = frame.filter(pl.col("time_min").is_not_null())
    born = _one(frame, "MEDS_BIRTH", "time_min", "born")
    died = _one(frame, "MEDS_DEATH", "time_max", "died")
    living = dated.filter(pl.col("code") != "MEDS_BIRTH").join(born, on="subject_id")
    mortal = dated.filter((pl.col("code") != "MEDS_DEATH") & ~pl.col("code").str.contains(_OF_ENQUIRIES)).join(
        died, on="subject_id"
    )
    deaths = frame.filter(pl.col("code").is_in(["MEDS_DEATH", REFUTED]))
    years = pl.col("time_min").dt.year() - pl.col("born").dt.year()
    days = pl.duration(days=_AFTER_DEATH_DAYS)
    return [
        ("plausibility/before-birth", living, pl.col("time_max") < pl.col("born"), True),
        ("plausibility/refuted-death", deaths, pl.col("code") == REFUTED, False),
        ("plausibility/after-death", mortal, pl.col("time_min") > pl.col("died") + days, True),
        ("plausibility/age-over-120", living, years > _OLDEST, True),
    ]


def _judged_values(frame: pl.DataFrame, judgement: Judgement) -> list[Check]:
    """Return the checks of values by which a build keeps events out of tables, as far as no other check counts them."""
    looks = judgement.looks(frame)
    names = [name for name in looks if name not in ("plausibility/before-birth", "plausibility/value-range")]
    return [(name, looks[name].looked_at, pl.col("row").is_in(looks[name].flagged["row"].implode()), False) for name in names]


def _value_checks(frame: pl.DataFrame, judgement: Judgement) -> list[Check]:
    """Return the checks of measured values; a score needs no unit."""
    rules = judgement.rules
    unitless = [code for code in scores(judgement.spread) if code not in rules.ranges]
    measured = frame.filter(pl.col("numeric_value").is_not_null() & pl.col("code").str.starts_with("LOINC//"))
    ranged = measured.filter(pl.col("code").is_in(list(rules.ranges)))
    low = pl.col("code").replace_strict({c: r.low for c, r in rules.ranges.items()}, default=None, return_dtype=pl.Float64)
    high = pl.col("code").replace_strict({c: r.high for c, r in rules.ranges.items()}, default=None, return_dtype=pl.Float64)
    unit = pl.col("code").replace_strict({c: r.unit for c, r in rules.ranges.items()}, default=None, return_dtype=pl.String)
    same_unit = pl.col("unit").fill_null("") == unit
    return [
        (
            "conformance/unit-missing",
            measured.filter((unit.fill_null("x") != "") & ~pl.col("code").is_in(unitless)),
            pl.col("unit").is_null(),
            True,
        ),
        ("plausibility/value-range", ranged, ~same_unit | ~pl.col("numeric_value").is_between(low, high), True),
    ]


def _one(frame: pl.DataFrame, code: str, column: str, name: str) -> pl.DataFrame:
    own = frame.filter((pl.col("code") == code) & pl.col(column).is_not_null())
    return own.group_by("subject_id").agg(
        pl.col(column).max().alias(name) if name == "died" else pl.col(column).min().alias(name)
    )


def _died_twice() -> pl.Expr:
    """Whether two dates of death exclude one another: a day and the stay around it are one."""
    first, last = (pl.when(pl.col("code") == "MEDS_DEATH").then(name) for name in ("time_min", "time_max"))
    return (first.max().dt.date() > last.min().dt.date()).fill_null(False)


def _person_checks(frame: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """Count checks of subjects, by centre: what each should have once."""
    persons = frame.group_by("centre", "subject_id").agg(
        (pl.col("code") == "MEDS_BIRTH").sum().alias("births"),
        pl.col("code").str.starts_with("SEX//").sum().alias("sexes"),
        pl.col("code").filter(pl.col("code").str.starts_with("SEX//")).n_unique().alias("different_sexes"),
        pl.when(pl.col("code") == "MEDS_BIRTH").then("time_min").n_unique().alias("birth_dates"),
        pl.when(pl.col("code") == "MEDS_DEATH").then("time_min").drop_nulls().n_unique().alias("death_dates"),
        _died_twice().alias("died_twice"),
        (~pl.col("code").str.contains("^(MEDS_BIRTH$|SEX//)")).sum().alias("others"),
    )
    persons = persons.with_columns(
        pl.lit("").alias("table"), pl.lit("").alias("field"), pl.lit(None, dtype=pl.Int64).alias("year")
    )
    checks: Sequence[tuple[str, pl.Expr]] = (
        ("completeness/birth", pl.col("births") == 0),
        ("completeness/sex", pl.col("sexes") == 0),
        ("completeness/events", pl.col("others") == 0),
        ("plausibility/several-sexes", pl.col("different_sexes") > 1),
        ("plausibility/several-births", pl.col("births") > 1),
        ("plausibility/several-deaths", pl.col("died_twice")),
    )
    for name, violated in checks:
        yield name, _count(persons, violated, name, by_year=False)
    # A person whom two centres report dead has one row at each; the dates must be able to be one.
    dated = frame.filter((pl.col("code") == "MEDS_DEATH") & pl.col("time_min").is_not_null() & pl.col("time_max").is_not_null())
    deaths = dated.group_by("subject_id").agg(
        pl.col("centre").n_unique().alias("reporters"), (pl.col("time_min").max() > pl.col("time_max").min()).alias("apart")
    )
    twice = persons.filter(pl.col("death_dates") > 0).join(deaths.filter(pl.col("reporters") > 1), on="subject_id")
    yield "plausibility/deaths-of-centres", _count(twice, pl.col("apart"), "plausibility/deaths-of-centres", by_year=False)


def _source_checks(problems: pl.DataFrame, account: pl.DataFrame, rules: QualityRules) -> list[pl.DataFrame]:
    parts = pl.col("source").str.split("/").list
    tables = account.with_columns(parts.first().alias("centre"), parts.slice(2).list.join("/").alias("table"))
    place = problems.with_columns(pl.col("unit").str.split("#").list.first().alias("source"))
    for reason, column in ((UNKNOWN_CODE, "unknown"), (FUTURE_DATE, "future")):
        told = place.filter(pl.col("reason") == reason).group_by("source").agg(pl.len().cast(pl.Int64).alias(column))
        tables = tables.join(told, on="source", how="left").with_columns(pl.col(column).fill_null(0))
    return [
        _judged(tables.select(*_WHOLE, "rows", pl.col(column).alias("violations")).filter(pl.col("rows") > 0), name, rules)
        for name, column in (
            ("conformance/row-refused", "refused"),
            ("conformance/code-unknown", "unknown"),
            ("plausibility/in-future", "future"),
        )
    ]


def _count(frame: pl.DataFrame, violated: pl.Expr, name: str, by_year: bool) -> pl.DataFrame:
    """Return `centre, table, field, year, rows, violations`; `year` is null for all years."""
    out = pl.col("kept_out") == name.split("/")[1] if "kept_out" in frame.columns else pl.lit(False)
    flagged = frame.with_columns(violated.fill_null(False).alias("violated"), out.fill_null(False).alias("out"))
    if name in _BY_FIELD:
        flagged = flagged.with_columns(pl.col("code").alias("field"))
    elif "field" not in flagged.columns:
        flagged = flagged.with_columns(pl.lit("").alias("field"))
    counts = [pl.len().cast(pl.Int64).alias("rows"), *(pl.col(a).sum().cast(pl.Int64).alias(b) for a, b in _COUNTED)]
    found = [flagged.group_by(*_WHOLE, "field").agg(counts).with_columns(pl.lit(None, dtype=pl.Int64).alias("year"))]
    if by_year:
        found.append(flagged.filter(pl.col("year").is_not_null()).group_by(*_WHOLE, "field", "year").agg(counts))
    return pl.concat(part.select(*_WHOLE, "field", "year", "rows", "violations", "kept_out") for part in found)


def _judged(counts: pl.DataFrame, name: str, rules: QualityRules) -> pl.DataFrame:
    rule = rules.checks.get(name)
    if rule is None:
        return pl.DataFrame(schema=CHECKS)
    category, check = name.split("/")
    share = pl.col("violations") * 100.0 / pl.col("rows")
    have = set(counts.columns)
    frame = counts.with_columns(
        pl.lit(category).alias("category"),
        pl.lit(check).alias("check"),
        (pl.col("field") if "field" in have else pl.lit("")).alias("field"),
        (pl.col("year") if "year" in have else pl.lit(None)).cast(pl.Int64).alias("year"),
        (pl.col("kept_out") if "kept_out" in have else pl.lit(0)).alias("kept_out"),
        share.alias("share"),
        pl.lit(rule.threshold).alias("threshold"),
        (share <= rule.threshold).alias("passed"),
        pl.lit(rule.stop).alias("stops_release"),
    )
    return frame.select(pl.col(column).cast(dtype) for column, dtype in CHECKS.items())
