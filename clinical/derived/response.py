"""Best overall response from dated responses, with and without confirmation (RECIST 1.1, section 4.6 and Table 3).

The choices that RECIST leaves to a protocol are arguments, with the values of the pharmaverse example: stable disease
counts from 42 days after the reference date, confirmation takes 28 days. Unconfirmed progression by iRECIST (`iUPD`) ends
no course: iRECIST's best response looks at all visits up to the first confirmed one (Seymour et al. 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from unibase.clinical import reasons
from unibase.clinical.derived.response_rules import Rules
from unibase.groundwork.problems import Unusable

VALUES = ("sCR", "CR", "VGPR", "PR", "MR", "SD", "NON-CR/NON-PD", "PD", "iUPD", "NE", "ND", "MISSING")
"""Responses from best to worst, those of RECIST and of myeloma; progression once confirmed says more than the unconfirmed one before it."""
AVAL = {"CR": 1, "PR": 2, "SD": 3, "NON-CR/NON-PD": 4, "PD": 5, "NE": 6, "MISSING": 7}
"""Their numbers in ADRS, as admiralonco's `aval_resp` gives them; ND has none."""

_RESPONSES = frozenset(["sCR", "CR", "VGPR", "PR", "MR"])
_WORST_OF_DAY = ("NE", "ND", "sCR", "CR", "VGPR", "PR", "MR", "SD", "NON-CR/NON-PD", "iUPD", "PD")
"""Of two assessments of one day the one further to the right counts."""


@dataclass(frozen=True)
class BestResponse:
    """A best response and the assessment it comes from."""

    value: str
    day: date | None


def best_response(assessments: Sequence[tuple[date, str]], reference: date, rules: Rules | None = None) -> BestResponse:
    """Return the best overall response of one subject.

    Assessments before `reference` and after the first PD do not count; of several on one day the worst does.

    `assessments` are days and responses, in any order; `rules` say what confirms one, RECIST 1.1's by default.

    Raises:
        Unusable: `unknown-response`, when a response is none of RECIST 1.1, nor `iUPD`.

    >>> best_response([(date(2024, 3, 1), "PR"), (date(2024, 6, 1), "PD")], date(2024, 1, 1))
    BestResponse(value='PR', day=datetime.date(2024, 3, 1))
    """
    rules = rules or Rules()
    days: dict[date, str] = {}
    for day, value in assessments:
        if value not in _WORST_OF_DAY:
            raise Unusable(
                reasons.UNKNOWN_RESPONSE, "A response is none of RECIST 1.1.", f"Allowed are {', '.join(VALUES[:-1])}."
            )
        if day >= reference:
            days[day] = max(days.get(day, value), value, key=_WORST_OF_DAY.index)
    course = sorted(days.items())
    progressed = next((number for number, (_, value) in enumerate(course) if value == "PD"), len(course))
    course = course[: progressed + 1]
    late = reference + timedelta(days=rules.stable_days)
    found: list[tuple[int, date, str]] = []
    for number, (day, value) in enumerate(course):
        if value in _RESPONSES and (rules.confirm_days is None or _is_confirmed(course, number, rules)):
            found.append((VALUES.index(value), day, value))
        if value in _RESPONSES or value in {"SD", "NON-CR/NON-PD"}:
            stable = "SD" if value != "NON-CR/NON-PD" else value
            found.append((VALUES.index(stable), day, stable) if day >= late else (VALUES.index("NE"), day, "NE"))
        elif value in {"PD", "iUPD", "NE", "ND"}:
            found.append((VALUES.index(value), day, value))
    if not found:
        return BestResponse("NE" if rules.missing_as_not_evaluable else "MISSING", None)
    _, day, value = min(found)
    return BestResponse(value, day)


def _is_confirmed(course: Sequence[tuple[date, str]], number: int, rules: Rules) -> bool:
    day, value = course[number]
    assert rules.confirm_days is not None
    accepted = {"CR"} if value == "CR" else {"CR", "PR"}
    after = course[number + 1 :]
    enough = day + timedelta(days=rules.confirm_days)
    second = next((k for k, (other, seen) in enumerate(after) if other >= enough and seen in accepted), None)
    if second is None:
        return False
    between = [seen for _, seen in after[: second + 1]]
    if between.count("NE") > rules.max_not_evaluable:
        return False
    if value == "CR":
        return set(between) <= {"CR", "NE"}
    if not set(between) <= {"CR", "PR", "SD", "NE"} or between.count("SD") > int(rules.accept_stable):
        return False
    # A PR after a CR is no confirmation of the first PR: that course has progressed or was misread.
    return "CR" not in between or "PR" not in between or between.index("CR") > len(between) - 1 - between[::-1].index("PR")


def best_responses(
    assessments: pl.DataFrame, reference: pl.DataFrame, rules: Rules | None = None, parameter: str = "BOR"
) -> pl.DataFrame:
    """Return one ADRS row (`subject_id, PARAMCD, AVALC, AVAL, ADT`) per row of `reference`.

    Args:
        assessments: `subject_id, day, response`; a partial date must have been decided on before.
        reference: `subject_id, day`: randomisation, start of treatment or index; a null day counts no assessment.
        rules: What the protocol decides.
        parameter: PARAMCD of the rows.
    """
    by_subject: dict[int, list[tuple[date, str]]] = {}
    for subject, day, value in assessments.select("subject_id", "day", "response").iter_rows():
        by_subject.setdefault(subject, []).append((day, value))
    rows = []
    for subject, day in reference.select("subject_id", "day").sort("subject_id").iter_rows():
        best = best_response(by_subject.get(subject, []) if day is not None else [], day or date.min, rules)
        rows.append((subject, parameter, best.value, AVAL.get(best.value), best.day))
    schema = {"subject_id": pl.Int64, "PARAMCD": pl.String, "AVALC": pl.String, "AVAL": pl.Int64, "ADT": pl.Date}
    return pl.DataFrame(rows, schema=schema, orient="row")
