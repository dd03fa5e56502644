"""Changes and lines of treatment, age, staging, Charlson, entry into the risk set, partial endpoints."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unibase.clinical.derived.at_index import age, charlson, staging
from unibase.clinical.derived.endpoint_definitions import Endpoints
from unibase.clinical.derived.endpoints import derive, with_entry
from unibase.clinical.derived.staging import one_vocabulary
from unibase.clinical.derived.treatments import LineRule, regimens, treatment_events
from unibase.clinical.words.concepts import Concepts
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import EVENTS

CIS, CARBO, VINO, GEM, PEM = "L01XA01", "L01XA02", "L01CA04", "L01BC05", "L01BA04"
EPI, CYCLO, DOCE = "L01DB03", "L01AA01", "L01CD02"
START = date(2020, 1, 1)


def cycles(*regimen: tuple[int, str], first: int = 0) -> list[tuple[date, str]]:
    """Give each `cycles, molecules` in turn, every 21 days; molecules are joined by +."""
    out, day = [], START + timedelta(days=first)
    for count, molecules in regimen:
        for _ in range(count):
            out += [(day, code) for code in molecules.split("+")]
            day += timedelta(days=21)
    return out


# The examples of the guide's annex, in its order.
@pytest.mark.parametrize(
    ("given_days", "changes", "lines"),
    [
        (cycles((4, f"{CIS}+{VINO}"), (2, f"{CARBO}+{VINO}")), 1, 1),  # a change, not a line
        (cycles((4, f"{CIS}+{VINO}"), (2, f"{CIS}+{GEM}")), 1, 2),  # a change and a line
        (cycles((4, f"{EPI}+{CYCLO}+{DOCE}"), (2, f"{EPI}+{CYCLO}")), 0, 1),  # A + B + C, then A + B
        (cycles((4, f"{CIS}+{PEM}"), (10, PEM)), 0, 1),  # maintenance
        (cycles((3, f"{EPI}+{CYCLO}"), (3, DOCE)), 1, 2),  # without the protocol it cannot be known
        (cycles((2, CIS)) + cycles((2, CIS), first=400), 0, 1),  # re-challenge after any interval
        (cycles((3, "L02BA01"), (3, "L02BG03"), (3, DOCE)), 2, 3),  # tamoxifen, anti-aromatase, chemotherapy
        (cycles((2, "A04AA01+" + CIS)), 0, 1),  # supportive drugs do not count
        ([], 0, 0),
    ],
)
def test_examples_of_the_guide(given_days: list[tuple[date, str]], changes: int, lines: int) -> None:
    found = regimens(given_days)
    assert max([one.change for one in found], default=0) == changes
    assert len({one.line for one in found}) == lines


def test_a_declared_protocol_is_one_regimen() -> None:
    rule = LineRule(protocols=(frozenset({EPI, CYCLO, DOCE}),))
    assert len(regimens(cycles((3, f"{EPI}+{CYCLO}"), (3, DOCE)), rule)) == 1


def test_molecules_of_one_cycle_belong_together() -> None:
    days = [
        (START, CIS),
        (START + timedelta(days=7), VINO),
        (START + timedelta(days=21), CIS),
        (START + timedelta(days=28), VINO),
    ]
    assert [one.molecules for one in regimens(days)] == [tuple(sorted((CIS, VINO)))]


@given(st.lists(st.tuples(st.integers(0, 900), st.sampled_from([CIS, CARBO, VINO, GEM, PEM, DOCE])), max_size=25))
def test_regimens_hold_every_administration_and_never_overlap(days: list[tuple[int, str]]) -> None:
    doses = [(START + timedelta(days=day), code) for day, code in days]
    found = regimens(doses)
    assert found == regimens(list(reversed(doses)))
    for day, code in doses:
        assert any(one.start <= day <= one.last and code in one.molecules for one in found)
    assert [one.change for one in found] == list(range(len(found)))
    for before, after in pairwise(found):
        assert before.last <= after.start
        assert set(after.molecules) - set(before.molecules)
        assert after.line - before.line in {0, 1}


def events(*rows: tuple[int, str, str] | tuple[int, str, str, Any]) -> pl.DataFrame:
    """EVENTS from `subject, code, date (cut to what is known), text`."""
    from unibase.clinical.words.partial_dates import add_dates

    frame = pl.DataFrame(
        [(row[0], row[1], row[2], row[3] if len(row) > 3 else None) for row in rows],
        schema={"subject_id": pl.Int64, "code": pl.String, "date": pl.String, "text_value": pl.String},
        orient="row",
    )
    frame = add_dates(frame, "date").drop("date", "problem").with_columns(pl.lit("T/test/x").alias("source"))
    return EVENTS.conform(frame.with_row_index("source_row", offset=1))


def index(*rows: tuple[int, str]) -> pl.DataFrame:
    return pl.DataFrame(
        [(s, datetime.fromisoformat(d)) for s, d in rows],
        schema={"subject_id": pl.Int64, "index_time": pl.Datetime("us")},
        orient="row",
    )


def one_row(frame: pl.DataFrame) -> dict[str, Any]:
    assert frame.height == 1
    return frame.row(0, named=True)


def test_time_to_next_treatment() -> None:
    drugs = events(
        (1, f"ATC//{CIS}", "2020-01-01"),
        (1, f"ATC//{VINO}", "2020-01-01"),
        (1, f"ATC//{GEM}", "2020-06-01"),
        (1, "MEDS_DEATH", "2021-01-01"),
    )
    everything = pl.concat([drugs, treatment_events(drugs)])
    row = one_row(derive(everything, index((1, "2020-01-01")), "TNT"))
    assert (row["CNSR"], row["EVNTDESC"], row["AVAL"]) == (0, "NEXT TREATMENT", 153)
    row = one_row(derive(drugs, index((1, "2020-01-01")), "TNT"))
    assert row["EVNTDESC"] == "DEATH"


@pytest.mark.parametrize(
    ("death", "expected"),
    [
        ("2020-03-04", (64, 64, 64, None)),
        ("2020-03", (None, 61, 91, None)),
        ("2020", (None, 1, 366, None)),
        ("2020-01", (None, 1, 31, None)),
        ("2020-01-01", (1, 1, 1, None)),
        ("2019-12-31", (None, None, None, "event-before-start")),
        ("2019", (None, None, None, "event-before-start")),
        ("UN-UN-UN", (None, 1, (date(2261, 12, 31) - date(2020, 1, 1)).days + 1, "event-may-precede-start")),
    ],
)
def test_bounds_of_overall_survival(death: str, expected: tuple[int | None, int | None, int | None, str | None]) -> None:
    row = one_row(derive(events((1, "MEDS_DEATH", death)), index((1, "2020-01-01")), "OS"))
    assert row["CNSR"] == 0
    found = (row["AVAL"], row["AVAL_MIN"], row["AVAL_MAX"], row["problem"])
    if death in {"2020", "2020-01"}:
        assert found[:3] == expected[:3]
    else:
        assert found == expected


def test_conflicts_are_resolved_by_the_stated_rule() -> None:
    at = index((1, "2020-01-01"))
    # Two dates that can be the same day: the narrower counts.
    row = one_row(derive(events((1, "MEDS_DEATH", "2020-03"), (1, "MEDS_DEATH", "2020-03-04")), at, "OS"))
    assert (row["AVAL"], row["problem"]) == (64, None)
    # Two that exclude one another: the earliest, and it is said.
    row = one_row(derive(events((1, "MEDS_DEATH", "2020-05-04"), (1, "MEDS_DEATH", "2020-03-04")), at, "OS"))
    assert (row["AVAL"], row["problem"]) == (64, "two-death-dates")
    # A result after death: death wins, and it is said.
    row = one_row(derive(events((1, "MEDS_DEATH", "2020-03-04"), (1, "LOINC//718-7", "2020-03-20")), at, "OS"))
    assert (row["AVAL"], row["CNSR"], row["problem"]) == (64, 0, "alive-after-death")
    # Nothing after the index: censored on the first day.
    row = one_row(derive(events((1, "LOINC//718-7", "2019-03-20")), at, "OS"))
    assert (row["AVAL"], row["CNSR"], row["CNSDTDSC"]) == (1, 1, "INDEX DATE")


@settings(max_examples=40)
@given(st.integers(1, 3000), st.sampled_from(["%Y-%m-%d", "%Y-%m", "%Y"]))
def test_bounds_hold_the_true_time(days: int, precision: str) -> None:
    start = datetime(2015, 6, 15)
    died = start + timedelta(days=days)
    row = one_row(derive(events((1, "MEDS_DEATH", died.strftime(precision))), index((1, start.isoformat())), "OS"))
    assert row["AVAL_MIN"] <= days + 1 <= row["AVAL_MAX"]
    assert row["AVAL"] is None or row["AVAL"] == days + 1
    assert row["AVAL_MIN"] >= 1


def test_duration_of_response_has_rows_for_responders_only() -> None:
    frame = events(
        (1, "RECIST//OVRLRESP", "2020-02-01", "PR"), (1, "RECIST//OVRLRESP", "2020-05-01", "PD"), (2, "RECIST//OVRLRESP", "2020-02-01", "SD"),
    )  # fmt: skip
    row = one_row(derive(frame, index((1, "2020-01-01"), (2, "2020-01-01")), "DOR"))
    assert (row["subject_id"], row["AVAL"], row["CNSR"]) == (1, 91, 0)


def test_disease_free_survival_counts_recurrences_and_second_cancers() -> None:
    frame = events((1, "OSIRIS_RWD//9.1", "2020-07-01", "Récidive locale"), (1, "MEDS_DEATH", "2021-01-01"))
    row = one_row(derive(frame, index((1, "2020-01-01")), "DFS"))
    assert (row["EVNTDESC"], row["AVAL"]) == ("RECURRENCE", 183)


def test_recurrence_free_survival_does_not_end_with_a_second_cancer() -> None:
    second = events((1, "OSIRIS_RWD//8.1", "2020-03-01"), (1, "MEDS_DEATH", "2021-01-01")).with_columns(
        pl.when(pl.col("code") == "OSIRIS_RWD//8.1").then(2.0).cast(pl.Float32).alias("numeric_value")
    )
    ends = {code: one_row(derive(second, index((1, "2020-01-01")), code))["EVNTDESC"] for code in ("DFS", "RFS")}
    assert ends == {"DFS": "SECOND PRIMARY CANCER", "RFS": "DEATH"}


def test_a_definition_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UserError, match=r"XYZ.*OS"):
        derive(EVENTS.empty(), index((1, "2020-01-01")), "XYZ")
    assert Endpoints.default().definition("OS").version == "2.0.0"


def test_left_truncation() -> None:
    frame = events((1, "MEDS_DEATH", "2020-12-31"), (2, "MEDS_DEATH", "2020-02-01"))
    survival = derive(frame, index((1, "2020-01-01"), (2, "2020-01-01")), "OS")
    image = pl.DataFrame({"subject_id": [1, 2], "time": [datetime(2020, 3, 1), datetime(2020, 3, 1)]})
    entered = with_entry(survival, image)
    assert entered["ENTRY"].to_list() == [60, 60]
    assert entered["problem"].to_list() == [None, "entry-after-end"]
    before = with_entry(survival, image.with_columns(time=datetime(2019, 12, 1)))
    assert before["ENTRY"].to_list() == [0, 0]


@settings(max_examples=30)
@given(st.dates(date(1930, 1, 1), date(2005, 1, 1)), st.dates(date(2006, 1, 1), date(2024, 1, 1)))
def test_age_against_the_calendar(born: date, now: date) -> None:
    years = now.year - born.year - ((now.month, now.day) < (born.month, born.day))
    for text, exact in ((f"{born:%Y-%m-%d}", True), (f"{born:%Y-%m}", False), (f"{born:%Y}", False)):
        row = one_row(age(events((1, "MEDS_BIRTH", text)), index((1, now.isoformat()))))
        assert row["AGE_MIN"] <= years <= row["AGE_MAX"] <= row["AGE_MIN"] + 1
        assert not exact or row["AGE"] == years


def test_staging_knows_nothing_of_the_future() -> None:
    frame = events(
        (1, "LOINC//21905-5", "2019-12-01", "cT2"), (1, "LOINC//21905-5", "2020-02-01", "cT4"), (1, "LOINC//21908-9", "2020-01", "IIIA"),
    )  # fmt: skip
    row = one_row(staging(frame, index((1, "2020-01-15"))))
    assert (row["T"], row["STAGE"]) == ("cT2", None)
    assert one_row(staging(frame, index((1, "2020-01-31"))))["STAGE"] == "IIIA"
    assert one_row(staging(frame, index((1, "2020-01-15")), grace_days=30))["T"] == "cT4"


def test_charlson() -> None:
    at = index((1, "2020-01-01"), (2, "2020-01-01"), (3, "2020-01-01"))
    frame = events(
        (1, "ICD10//I21.4", "2015-01-01"), (1, "ICD10//E11.9", "2016-01-01"), (1, "ICD10//E11.2", "2017-01-01"), (1, "ICD10//C34.1", "2019-12-01"),
        (2, "ICD10//C34.1", "2019-12-01"), (2, "ICD10//C78.0", "2019-12-15"), (2, "ICD10//K70.3", "2018"), (2, "ICD10//I85.9", "2020-06-01"),
    )  # fmt: skip
    rows = {row["subject_id"]: row for row in charlson(frame, at).iter_rows(named=True)}
    # Infarction 1, diabetes with complication 2 (and no plain diabetes beside it), malignancy 2.
    assert (rows[1]["CHARLSON"], rows[1]["diabetes"], rows[1]["diabetes_with_complication"]) == (5, 0, 1)
    # Metastasis 6 alone, mild liver disease 1; the varices came after the index.
    assert (rows[2]["CHARLSON"], rows[2]["malignancy"], rows[2]["severe_liver_disease"]) == (7, 0, 0)
    assert rows[3]["CHARLSON"] == 0
    assert charlson(frame, at, "quan2011")["CHARLSON"].to_list() == [3, 8, 0]
    assert charlson(frame, at, without=("malignancy", "metastatic_tumour"))["CHARLSON"].to_list() == [3, 1, 0]
    assert charlson(frame, at, look_back_days=365)["CHARLSON"].to_list() == [2, 6, 0]


def test_the_prefix_is_that_of_the_row_which_the_category_is_of() -> None:
    # pT2 was written after cT3: the last category up to the index counts, with its own prefix; an N without one has none.
    rows = [
        {"code": "LOINC//21905-5", "text_value": "cT3", "source_row": 1, "day": 1},
        {"code": "LOINC//21905-5", "text_value": "pT2", "source_row": 2, "day": 9},
        {"code": "OSIRIS//N", "text_value": "N1", "source_row": 3, "day": 9},
    ]
    events = EVENTS.conform(
        pl.DataFrame(
            {
                "subject_id": 1,
                "time": (when := datetime(2020, 1, row["day"])),
                "time_min": when,
                "time_max": when,
                "code": row["code"],
                "text_value": row["text_value"],
                "source": "lyon/csv/suivi",
                "source_row": row["source_row"],
            }
            for row in rows
        )
    )
    concepts = Concepts.default()
    index = pl.DataFrame({"subject_id": [1], "index_time": [datetime(2020, 2, 1)]})
    found = staging(one_vocabulary(events, concepts), index, concepts).row(0, named=True)
    assert [found[name] for name in ("T", "T_prefix", "N", "N_prefix", "M", "M_prefix")] == ["T2", "p", "N1", None, None, None]
