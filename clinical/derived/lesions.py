"""Lesions in the timeline: which events measure them, and the visits of a subject that RECIST compares.

| code | number | text | says |
|---|---|---|---|
| `LESION//TARGET//<name>` | longest diameter | `NE` when it could not be measured | a target lesion; 0 when it has disappeared |
| `LESION//SHORT_AXIS//<name>` | short axis | `NE` | the same of a lymph node |
| `LESION//NODE//<name>` | | | the target is a lymph node: its short axis counts (with a date or without) |
| `LESION//NON_TARGET//<name>` | | `ABSENT`, `PRESENT`, `INCREASED`, `UNEQUIVOCAL`, `NE`, or RECIST's own words | non-target lesions, one or all |
| `LESION//NEW//<name>` | diameter, where measured | `EQUIVOCAL` and `ABSENT` do not count; `INCREASED` | a new lesion |
| `LESION//PRODUCT//<name>` | product of two diameters, mm2 or cm2 | `NE` | an enhancing lesion (RANO) |
| `LESION//FLAIR`, `LESION//STEROIDS`, `LESION//CLINICAL` | | `STABLE`, `IMPROVED`, `INCREASED`, ..., `NONE` | T2/FLAIR, dose of corticosteroids, clinical state (RANO) |
| `LESION//M_SERUM`, `M_URINE`, `FLC_INVOLVED`, ... | with its unit | | a marker of myeloma (IMWG); `_UNITS` has all |
| `LESION//BONE_NEW` | lesions new since baseline | `NED` without any lesion, `NE` | a bone scan (PCWG3) |
| `LESION//PSA` | ng/mL or ug/L | | PSA (PCWG3) |
| `LESION//DEAUVILLE` | score 1 to 5 | uptake against baseline: `LESS`, `SAME`, `MORE` | PET of lymphoma (Lugano) |

`<name>` is any short label that stays the same from visit to visit; it may be left out for the non-target lesions as a whole.
Sizes are in mm or cm (UCUM), in mm where no unit is given. MEDS keeps numbers as float32: sizes are taken to a micrometre.
The words are those of SDTM's TR and TU domains (controlled terms of TUMSTATE).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from unibase.clinical.derived.recist import Lesion, NonTarget, Visit, check_baseline
from unibase.groundwork.problems import Unusable

PREFIX = "LESION//"
KINDS = ("TARGET", "SHORT_AXIS", "NODE", "NON_TARGET", "NEW")
OTHER_KINDS = ("PRODUCT", "FLAIR", "STEROIDS", "CLINICAL", "DEAUVILLE")
"""Of RANO and Lugano alone."""
_UNITS: dict[str, dict[str, float]] = {
    "M_SERUM": {"g/L": 1, "g/dL": 10}, "M_URINE": {"mg/(24.h)": 1, "mg/d": 1, "g/(24.h)": 1000, "g/d": 1000},
    "FLC_INVOLVED": {"mg/L": 1, "mg/dL": 10}, "FLC_UNINVOLVED": {"mg/L": 1, "mg/dL": 10}, "MARROW": {"%": 1},
    "PSA": {"ng/mL": 1, "ug/L": 1},
}  # fmt: skip
"""Units of markers of myeloma and of prostate cancer, in g/L, mg in 24 hours, mg/L, % and ng/mL; a value without one is no measurement."""
MARKER_KINDS = (*_UNITS, "FLC_RATIO", "IF_SERUM", "IF_URINE", "CLONAL_CELLS", "PLASMACYTOMA", "BONE_NEW")
_FACTORS = {f"{kind}|{unit}": factor for kind, units in _UNITS.items() for unit, factor in units.items()}
_MM = {"mm": 1.0, "cm": 10.0, "mm2": 1.0, "cm2": 100.0, "{score}": 1.0, "1": 1.0, None: 1.0}

_STATES: dict[str, NonTarget] = {
    "CR": "CR", "ABSENT": "CR",
    "NON-CR/NON-PD": "NON-CR/NON-PD", "PRESENT": "NON-CR/NON-PD", "INCREASED": "NON-CR/NON-PD", "EQUIVOCAL": "NON-CR/NON-PD",
    "PD": "PD", "UNEQUIVOCAL": "PD", "UNEQUIVOCAL PROGRESSION": "PD",
    "NE": "NE", "NOT EVALUABLE": "NE", "INEVALUABLE": "NE",
}  # fmt: skip
_WORST = ("PD", "NON-CR/NON-PD", "NE", "CR")
_NOT_NEW = {"EQUIVOCAL", "ABSENT", "NE", "NOT EVALUABLE"}


@dataclass(frozen=True)
class Measurement:
    """One event about a lesion; `size` in mm, None when it was not measured."""

    day: date
    exact: bool
    kind: str
    lesion: str
    size: float | None
    state: str | None
    source: str | None
    source_row: int | None


@dataclass(frozen=True)
class DatedVisit:
    """One assessment: its first and last day, what was seen, and the row of a source it begins with."""

    first: date
    last: date
    seen: Visit
    source: str | None
    source_row: int | None


@dataclass(frozen=True)
class Course:
    """The lesions of one subject from baseline on; `problem` says what stands against it."""

    targets: tuple[Lesion, ...] = ()
    visits: tuple[DatedVisit, ...] = ()
    problem: str | None = None
    usable: bool = True


def measurements(events: pl.DataFrame) -> tuple[dict[int, list[Measurement]], dict[int, set[str]]]:
    """Return the measurements of each subject of EVENTS, `events`, in order of day and source row, and the names of its nodes.

    A day known in part counts as its latest, and is marked. What has no day, or a size in a unit that is no length, is no
    measurement.
    """
    own = events.filter(pl.col("code").str.starts_with(PREFIX))
    parts = pl.col("code").str.strip_prefix(PREFIX).str.splitn("//", 2).struct.rename_fields(["kind", "lesion"])
    own = own.with_columns(parts.alias("_parts")).unnest("_parts").with_columns(pl.col("lesion").fill_null(""))
    nodes: dict[int, set[str]] = {}
    for subject, lesion in own.filter(pl.col("kind") == "NODE").select("subject_id", "lesion").unique().iter_rows():
        nodes.setdefault(subject, set()).add(lesion)
    length = pl.col("unit").replace_strict(_MM, default=None, return_dtype=pl.Float64)
    marker = pl.format("{}|{}", "kind", "unit").replace_strict(_FACTORS, default=None, return_dtype=pl.Float64)
    factor = pl.when(pl.col("kind").is_in(list(_UNITS))).then(marker).otherwise(length)
    own = own.filter(
        pl.col("kind").is_in([*KINDS, *OTHER_KINDS, *MARKER_KINDS])
        & (pl.col("kind") != "NODE")
        & pl.col("time_max").is_not_null()
    )
    own = own.with_columns((pl.col("numeric_value").cast(pl.Float64) * factor).round(3).alias("size"))
    own = own.filter(pl.col("size").is_not_null() | pl.col("numeric_value").is_null())
    found: dict[int, list[Measurement]] = {}
    rows = own.sort("subject_id", "time_max", "source", "source_row", "code").select(
        "subject_id",
        pl.col("time_max").dt.date(),
        pl.col("time_min").dt.date() == pl.col("time_max").dt.date(),
        "kind",
        "lesion",
        "size",
        pl.col("text_value").str.to_uppercase(),
        "source",
        "source_row",
    )
    for subject, *rest in rows.iter_rows():
        found.setdefault(subject, []).append(Measurement(*rest))
    return found, nodes


def course(of_subject: Sequence[Measurement], nodes: set[str], origin: date, *, baseline_days: int, visit_days: int) -> Course:
    """Return the lesions of one subject at baseline and its visits after it.

    Args:
        of_subject: Its measurements in order of day.
        nodes: Names of its targets that are lymph nodes.
        origin: The day treatment starts; a visit of that day belongs to the baseline.
        baseline_days: Baseline is the last measurement of each lesion in so many days up to the origin (RECIST 1.1, section
            3.2: never more than 4 weeks before the beginning of treatment).
        visit_days: What is measured within so many days of a visit's first day belongs to it.

    Returns:
        `problem`: `no-baseline`, `unmeasurable-target`, `too-many-targets` (then there are no visits); `partial-date`,
        `lesion-without-baseline` or `unknown-state` (what is meant is left out, not evaluable for an unknown state).
    """
    of_subject = [one for one in of_subject if one.kind in KINDS]
    begin = origin - timedelta(days=baseline_days)
    before = [one for one in of_subject if begin <= one.day <= origin]
    after = [one for one in of_subject if one.day > origin]
    targets = _targets(before, nodes)
    hidden = {one.lesion for one in before if one.kind == "NON_TARGET" and _STATES.get(one.state or "") != "CR"}
    if not targets and not hidden:
        return Course(problem="no-baseline" if of_subject else None, usable=not of_subject)
    try:
        check_baseline(targets)
    except Unusable as error:
        return Course(problem=error.reason, usable=False)
    axis = {lesion.name: "SHORT_AXIS" if lesion.node else "TARGET" for lesion in targets}
    visits = tuple(
        DatedVisit(group[0].day, group[-1].day, _seen(group, axis, hidden), group[0].source, group[0].source_row)
        for group in by_visit(after, visit_days)
    )
    return Course(tuple(targets), visits, _problem(before, after, axis, hidden))


def _targets(before: Sequence[Measurement], nodes: set[str]) -> list[Lesion]:
    """Return the target lesions with their last size at baseline; one with short axes alone is a node."""
    last: dict[tuple[str, str], float] = {}
    for one in before:
        if one.kind in {"TARGET", "SHORT_AXIS"} and one.size is not None:
            last[one.lesion, one.kind] = one.size
    lesions = sorted({lesion for lesion, _ in last})
    is_node = {name: name in nodes or (name, "TARGET") not in last for name in lesions}
    sizes = {name: last.get((name, "SHORT_AXIS" if is_node[name] else "TARGET")) for name in lesions}
    return [Lesion(name, size, is_node[name]) for name, size in sizes.items() if size is not None]


def by_visit(after: Sequence[Measurement], visit_days: int) -> list[list[Measurement]]:
    """Return the measurements `after` the origin by visit of at most `visit_days`; those of a day known in part are a visit of their own."""
    groups: list[list[Measurement]] = []
    for one in after:
        first = groups[-1][0] if groups else None
        near = first is not None and (one.day - first.day).days <= visit_days
        groups += [] if first and near and one.exact == first.exact else [[]]
        groups[-1].append(one)
    return groups


@dataclass(frozen=True)
class DatedResponse:
    """The response of one visit, its first and last day, and the row of a source it begins with."""

    first: date
    last: date
    value: str
    source: str | None
    source_row: int | None
    exact: bool


def dated(groups: Sequence[Sequence[Measurement]], values: Sequence[str]) -> list[DatedResponse]:
    """Return the `values` of some visits, whose measurements are `groups`, with their days."""
    return [
        DatedResponse(group[0].day, group[-1].day, value, group[0].source, group[0].source_row, group[0].exact)
        for group, value in zip(groups, values, strict=True)
    ]


def seen_new(group: Sequence[Measurement]) -> bool:
    """Return whether a new lesion is seen at a visit, whose measurements are `group`; equivocal ones are none."""
    return any(one.kind == "NEW" and (one.state or "") not in _NOT_NEW for one in group)


def non_target_state(group: Sequence[Measurement], hidden: set[str]) -> NonTarget:
    """Return the response of the non-target lesions, `hidden` at baseline, at a visit, whose measurements are `group`."""
    return _non_target({one.lesion: one.state or "" for one in group if one.kind == "NON_TARGET"}, hidden)


def _seen(group: Sequence[Measurement], axis: Mapping[str, str], hidden: set[str]) -> Visit:
    """Return what one visit shows: of a lesion measured twice, the later measurement."""
    sizes = {one.lesion: one.size for one in group if one.kind == axis.get(one.lesion)}
    states = {one.lesion: one.state or "" for one in group if one.kind == "NON_TARGET"}
    new = {one.lesion: one for one in group if one.kind == "NEW" and (one.state or "") not in _NOT_NEW}
    return Visit(
        sizes,
        _non_target(states, hidden),
        bool(new),
        len(new),
        sum(one.size or 0.0 for one in new.values()),
        non_target_worse="INCREASED" in states.values(),
        new_unmeasured_worse=any(one.state == "INCREASED" for one in new.values()),
    )


def _non_target(states: Mapping[str, str], hidden: set[str]) -> NonTarget:
    """Return the response of the non-target lesions: the worst of them, NE when one of the baseline was not looked at."""
    if not hidden:
        return "NA"
    found = {_STATES.get(state, "NE") for state in states.values()}
    if not found or ("" not in states and hidden - set(states) - {""}):
        found.add("NE")
    return min(found, key=_WORST.index)


def _problem(
    before: Sequence[Measurement], after: Sequence[Measurement], axis: Mapping[str, str], hidden: set[str]
) -> str | None:
    known = {"TARGET": set(axis), "SHORT_AXIS": set(axis), "NON_TARGET": hidden}
    if not all(one.exact for one in (*before, *after)):
        return "partial-date"
    if any(one.kind in known and one.lesion and one.lesion not in known[one.kind] | {""} for one in after):
        return "lesion-without-baseline"
    if any(one.kind == "NON_TARGET" and (one.state or "") not in _STATES for one in after):
        return "unknown-state"
    return None
