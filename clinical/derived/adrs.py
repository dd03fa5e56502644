"""Tumour response in ADaM ADRS columns, from versioned definitions: at every visit, and the best of them.

A definition says where the responses of visits come from: from lesion measurements (`clinical.derived.lesions`) by RECIST 1.1 or
iRECIST, or as the centre reports them. Best responses refer to one of these. See `endpoints.yaml`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import NamedTuple

import polars as pl

from unibase.clinical.derived.brain_and_lymphoma import lugano_course, rano_course
from unibase.clinical.derived.lesions import Course, DatedResponse, Measurement, course, measurements
from unibase.clinical.derived.myeloma import Imwg, confirmed
from unibase.clinical.derived.myeloma_and_prostate import imwg_course, pcwg3_course, psa_course
from unibase.clinical.derived.recist import irecist, recist
from unibase.clinical.derived.response import AVAL, best_responses
from unibase.clinical.derived.response_rules import BestOf, Criteria, VisitResponse
from unibase.clinical.words.concepts import Concepts
from unibase.groundwork import analysis_tables
from unibase.groundwork.tables import EVENTS

ADRS = analysis_tables.ADRS.schema()
"""One row per subject and visit for overall responses, one per subject for best responses. SUMDIAM is in mm."""

DERIVED = "DERIVED//"

_PLAIN = {
    "iCR": "CR", "iPR": "PR", "iSD": "SD", "NON-iCR/NON-iUPD": "NON-CR/NON-PD", "iCPD": "PD",
}  # fmt: skip
_PENDING = {"PDu": "SD"}
"""Bone lesions that nothing has confirmed yet count as stable disease in the best response (admiralonco's choice)."""
_IMMUNE = {plain: immune for immune, plain in _PLAIN.items()}
_REPORTED = {
    **{value.lower(): value for value in (*AVAL, "ND") if value != "MISSING"},
    **{word.lower(): value for words, value in (
        (("LOINC//LA28366-5", "Complete Response"), "CR"), (("LOINC//LA28369-9", "Partial Response"), "PR"),
        (("LOINC//LA28371-5", "Stable Disease"), "SD"), (("LOINC//LA28370-7", "Progressive Disease"), "PD"),
        (("Not Evaluable", "Inevaluable"), "NE"),
    ) for word in words},
    **{f"mii_cs_onko_verlauf_gesamtbeurteilung//{letter}": value for letters, value in (
        ("vr", "CR"), ("t", "PR"), ("kb", "SD"), ("py", "PD"), ("u", "NE"),
    ) for letter in letters},
}  # fmt: skip
"""RECIST's own words, written out too, the answers of LOINC 88040-1, and the letters of oBDS (its minimal response B is stable); in lower case."""


_OF_MYELOMA: dict[str, Imwg] = {
    "scr": "sCR", "cr": "CR", "vgpr": "VGPR", "pr": "PR", "mr": "MR", "sd": "SD", "pd": "PD", "ne": "NE",
}  # fmt: skip


class _Row(NamedTuple):
    """A row of ADRS."""

    subject_id: int
    ADT: date | None = None
    AVALC: str | None = None
    TRGRESP: str | None = None
    NTRGRESP: str | None = None
    NEWLPROG: str | None = None
    SUMDIAM: float | None = None
    SRCDOM: str | None = None
    SRCSEQ: int | None = None
    problem: str | None = None


def overall_responses(
    events: pl.DataFrame, start: pl.DataFrame, code: str, definition: VisitResponse, concepts: Concepts
) -> pl.DataFrame:
    """Return ADRS of the overall response at each visit of each subject after its start.

    Args:
        events: EVENTS of any number of subjects.
        start: `subject_id`, `day` (null where it is not known: such a subject has no response).
        code: PARAMCD of the rows.
        definition: Where the responses come from.
        concepts: What `overall_response` means, for those that the centre reports.

    Returns:
        ADRS, by subject and day. Progression dates from the first day of its visit, other responses from its last. A subject
        that cannot be assessed has one row without a response, whose `problem` says why (`clinical.derived.lesions.course`).
    """
    known = start.filter(pl.col("day").is_not_null())
    if definition.criteria in ("reported", "IMWG reported"):
        rows = _reported(events, known, concepts, _REPORTED if definition.criteria == "reported" else _OF_MYELOMA)
        rows = rows if definition.criteria == "reported" else _confirmed_rows(rows)
    else:
        found, nodes = measurements(events)
        days = known.select("subject_id", "day").sort("subject_id").iter_rows()
        rows = [row for one, day in days for row in _of_subject(one, found.get(one, []), nodes.get(one, set()), day, definition)]
    frame = pl.DataFrame(rows, schema={name: ADRS[name] for name in _Row._fields}, orient="row")
    plain = pl.col("AVALC").replace(_PLAIN)
    frame = frame.with_columns(
        PARAMCD=pl.lit(code), PARAM=pl.lit(definition.text), AVAL=plain.replace_strict(AVAL, default=None, return_dtype=pl.Int64)
    )
    return _adrs(frame, start)


def _of_subject(subject: int, of_subject: list[Measurement], nodes: set[str], day: date, definition: VisitResponse) -> list[_Row]:
    if definition.criteria not in ("RECIST 1.1", "iRECIST"):
        return _of_other(subject, of_subject, nodes, day, definition)
    one = course(of_subject, nodes, day, baseline_days=definition.baseline_days, visit_days=definition.visit_days)
    return _of_course(subject, one, definition.criteria)


def _of_other(subject: int, of_subject: list[Measurement], nodes: set[str], day: date, definition: VisitResponse) -> list[_Row]:
    """Return the rows of one subject by other criteria than RECIST; where nothing was measured at baseline, one row that says so."""
    spans = (definition.baseline_days, definition.visit_days)
    read: dict[str, Callable[[], list[DatedResponse]]] = {
        "RANO": lambda: rano_course(of_subject, day, *spans),
        "Lugano 2014": lambda: lugano_course(of_subject, nodes, day, *spans),
        "IMWG": lambda: imwg_course(of_subject, day, definition),
        "PCWG3": lambda: pcwg3_course(of_subject, nodes, day, definition),
        "PSA": lambda: psa_course(of_subject, day, definition),
    }
    visits = read[definition.criteria]()
    if not visits and any(one.day > day for one in of_subject):
        return [_Row(subject, problem="no-baseline")]
    return [
        _Row(
            subject,
            one.first if one.value == "PD" else one.last,
            one.value,
            SRCDOM=one.source,
            SRCSEQ=one.source_row,
            problem=None if one.exact else "partial-date",
        )
        for one in visits
    ]


def _of_course(subject: int, one: Course, criteria: Criteria) -> list[_Row]:
    """Return the rows of one subject; of a course that is not usable, one row that says why."""
    if not one.usable:
        return [_Row(subject, problem=one.problem)]
    seen = [visit.seen for visit in one.visits]
    plain = recist(one.targets, seen)
    overall = irecist(one.targets, seen) if criteria == "iRECIST" else [response.overall for response in plain]
    return [
        _Row(
            subject,
            visit.first if value in {"PD", "iUPD", "iCPD"} else visit.last,
            value,
            response.target,
            response.non_target,
            "Y" if response.new_lesion else "N",
            response.total,
            visit.source,
            visit.source_row,
            one.problem,
        )
        for visit, response, value in zip(one.visits, plain, overall, strict=True)
    ]


def _confirmed_rows(rows: list[_Row]) -> list[_Row]:
    """Return the responses of myeloma that stand at each visit; those that are no response of IMWG stay as they are."""
    out = list(rows)
    for subject in {row.subject_id for row in rows}:
        own = [place for place, row in enumerate(rows) if row.subject_id == subject and row.AVALC]
        values = [_OF_MYELOMA[str(rows[place].AVALC).lower()] for place in own]
        for place, value in zip(own, confirmed(values, [False] * len(own)), strict=True):
            out[place] = rows[place]._replace(AVALC=value)
    return out


def _reported(events: pl.DataFrame, start: pl.DataFrame, concepts: Concepts, words: Mapping[str, str]) -> list[_Row]:
    own = concepts.select(events, "overall_response").filter(pl.col("time_max").is_not_null())
    own = own.join(start, on="subject_id").with_columns(pl.col("time_max").dt.date().alias("ADT"))
    own = own.filter(pl.col("ADT") > pl.col("day")).sort("subject_id", "ADT", "source", "source_row", "text_value")
    value = pl.col("text_value").str.to_lowercase().replace_strict(words, default=None, return_dtype=pl.String)
    partial = pl.col("time_min").dt.date() != pl.col("ADT")
    problem = pl.when(value.is_null()).then(pl.lit("unknown-response")).when(partial).then(pl.lit("partial-date"))
    rows = own.select("subject_id", "ADT", value.alias("v"), "source", "source_row", problem.alias("p")).iter_rows()
    return [_Row(s, day, v, SRCDOM=source, SRCSEQ=row, problem=p) for s, day, v, source, row, p in rows]


def best_overall(visits: pl.DataFrame, start: pl.DataFrame, code: str, definition: BestOf) -> pl.DataFrame:
    """Return ADRS of the best overall response, one row per subject of `start`.

    Args:
        visits: Overall responses at visits, of `overall_responses`.
        start: `subject_id`, `day`, as there.
        code: PARAMCD of the rows.
        definition: What the protocol decides.

    Returns:
        ADRS. AVALC is `MISSING` (ADaM; or NE, as the definition says) for a subject without any assessment, and null, with the
        reason in `problem`, for one that cannot be assessed.
    """
    known = visits.filter(pl.col("AVALC").is_not_null() & pl.col("ADT").is_not_null())
    plain = known.select("subject_id", pl.col("ADT").alias("day"), pl.col("AVALC").replace(_PLAIN | _PENDING).alias("response"))
    best = best_responses(plain, start, definition, code).rename({"AVALC": "response"})
    # Where the best response comes from: the first visit of that day that says it; stable disease may be said by a better one.
    at = known.select("subject_id", "ADT", "SRCDOM", "SRCSEQ", "SUMDIAM").unique(
        ["subject_id", "ADT"], keep="first", maintain_order=True
    )
    problems = visits.filter(pl.col("problem").is_not_null()).group_by("subject_id").agg(pl.col("problem").first())
    refused = visits.filter(pl.col("AVALC").is_null() & pl.col("ADT").is_null()).select("subject_id").unique()
    immune = known["AVALC"].is_in([*_PLAIN, "iUPD"]).any()
    said = pl.col("response").replace(_IMMUNE) if immune else pl.col("response")
    frame = (
        best.join(at, on=["subject_id", "ADT"], how="left", maintain_order="left")
        .join(problems, on="subject_id", how="left", maintain_order="left")
        .join(refused.with_columns(_refused=True), on="subject_id", how="left", maintain_order="left")
    )
    usable = pl.col("_refused").is_null()
    frame = frame.with_columns(
        PARAM=pl.lit(definition.text),
        AVALC=pl.when(usable).then(said),
        AVAL=pl.when(usable).then("AVAL"),
        **{name: pl.lit(None, dtype=pl.String) for name in ("TRGRESP", "NTRGRESP", "NEWLPROG")},
    )
    return _adrs(frame, start)


def _adrs(frame: pl.DataFrame, start: pl.DataFrame) -> pl.DataFrame:
    days = start.select("subject_id", pl.col("day").alias("STARTDT"))
    joined = frame.join(days, on="subject_id", how="left", maintain_order="left")
    ordered = joined.select(pl.col(name).cast(dtype) for name, dtype in ADRS.items())
    return ordered.sort("subject_id", "ADT", nulls_last=True, maintain_order=True)


def response_events(adrs: pl.DataFrame) -> pl.DataFrame:
    """Return overall responses of ADRS, `adrs`, as derived EVENTS (`DERIVED//<PARAMCD>`): endpoints may end with one.

    `text_value` is the response, `numeric_value` the sum of diameters in mm, the source that of the visit's first row.
    """
    day = pl.col("ADT").cast(pl.Datetime("us"))
    return EVENTS.conform(
        adrs.filter(pl.col("ADT").is_not_null() & pl.col("AVALC").is_not_null()).select(
            "subject_id",
            day.alias("time"),
            pl.concat_str(pl.lit(DERIVED), "PARAMCD").alias("code"),
            pl.col("SUMDIAM").cast(pl.Float32).alias("numeric_value"),
            pl.col("AVALC").alias("text_value"),
            day.alias("time_min"),
            (day + pl.duration(days=1) - pl.duration(microseconds=1)).alias("time_max"),
            pl.col("SRCDOM").alias("source"),
            pl.col("SRCSEQ").alias("source_row"),
        )
    )
