"""MIMIC-IV demo: the same 100 patients from OMOP and from FHIR; every difference between them is explained here.

The oracle is the pair of releases itself: what one holds and the other does not is traced to rows of the files.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.clinical.compare import difference_table
from tests.clinical.whole import Told, read_events
from unibase.clinical.derived.vital import death_of
from unibase.clinical.formats.registrations import read_people
from unibase.clinical.timelines.centre import TimelineTask
from unibase.privacy.subjects import Subject, SubjectLookup

# Each side takes seconds to read.
pytestmark = pytest.mark.slow

BASE = "clinical/mimic_iv_demo"
OMOP = f"{BASE}/mimiciv_demo_omop/mimic-iv-demo-omop/0.9/1_omop_data_csv"
FHIR = f"{BASE}/mimiciv_fhir/mimic-iv-fhir-demo/2.1.0/fhir"


@pytest.fixture(scope="module")
def both(real_data: Path) -> tuple[Told, Told]:
    """Both timelines under one lookup: the hospital number is person_source_value and the FHIR identifier."""
    people = pl.concat([read_people("omop", real_data / OMOP, "O"), read_people("fhir", real_data / FHIR, "F")])
    numbers = people.filter(pl.col("system") == "ipp").select(
        "centre", "person_key", pl.col("identifier").cast(pl.Int64).alias("number")
    )
    people = people.join(numbers, on=["centre", "person_key"])
    known = people.select("centre", "system", "identifier", "number").iter_rows()
    lookup = SubjectLookup({(centre, system, value): Subject(number, -100) for centre, system, value, number in known})
    omop, fhir = TimelineTask("omop", real_data / OMOP, "O", lookup), TimelineTask("fhir", real_data / FHIR, "F", lookup)
    return read_events(omop), read_events(fhir)


def resources(folder: Path, name: str) -> list[dict[str, Any]]:
    with gzip.open(folder / f"{name}.ndjson.gz") as file:
        return [json.loads(line) for line in file]


def table(folder: Path, name: str) -> pl.DataFrame:
    return pl.read_csv(folder / f"{name}.csv", infer_schema=False)


def test_no_row_is_lost(both: tuple[Told, Told]) -> None:
    for result in both:
        account = result.account
        assert account.filter(pl.col("rows") != pl.col("used") + pl.col("refused") + pl.col("silent")).is_empty()
        refused = account["refused"].sum()
        rows = (
            result.problems.filter(~pl.col("message").str.ends_with("The row is kept."))["unit"]
            .str.replace("/[^/#]*$", "")
            .n_unique()
        )
        assert refused == rows
    omop, fhir = both
    assert omop.account["refused"].sum() == 0
    # The 36 refused rows of FHIR: dispensed or stated medications that name no coding.
    assert set(fhir.problems.filter(~pl.col("message").str.ends_with("The row is kept."))["reason"]) == {"missing-code"}
    assert fhir.account["refused"].sum() == 36


def test_a_stay_that_ended_with_death_holds_the_day_of_it(both: tuple[Told, Told]) -> None:
    deaths = both[0].events.filter(pl.col("code") == "MEDS_DEATH")
    known = death_of(deaths)
    assert known.height == deaths.filter(pl.col("source").str.ends_with("visit_occurrence"))["subject_id"].n_unique() == 15
    assert not known["death_conflict"].any() and set(known["death_source"]) == {"O/omop/death"}
    deaths = both[1].events.filter(pl.col("code") == "MEDS_DEATH")
    known = death_of(deaths)
    stays = deaths.filter(pl.col("source").str.contains("/Encounter"))
    assert (known.height, stays.height, stays["subject_id"].n_unique()) == (31, 15, 15)
    assert not known["death_conflict"].any() and set(known["death_source"]) == {"F/fhir/Patient"}


def test_difference_table(both: tuple[Told, Told]) -> None:
    omop, fhir = both
    source = pl.col("source")
    # Admissions: OMOP adds a visit for every day with a laboratory result outside an admission (concept 38004207).
    lab_day = pl.col("code") == "VISIT//OMOP//38004207"
    alive = pl.col("code") != "MEDS_DEATH"
    stay, encounter = (source == "O/omop/visit_occurrence") & alive, (source == "F/fhir/Encounter") & alive
    counts = {
        "deaths": (pl.col("code") == "MEDS_DEATH",) * 2,
        "visits": (stay, encounter),
        "admissions": (stay & ~lab_day, encounter),
        "hospital diagnoses": (source == "O/omop/condition_occurrence", source == "F/fhir/Condition"),
    }
    found = difference_table(omop.events, fhir.events, counts)
    assert found.select("count", "left", "right").rows() == [
        ("subjects", 100, 100),
        ("deaths", 30, 46),  # of each that ended a stay two rows: the day, and the stay
        ("visits", 852, 275),
        ("admissions", 270, 275),
        ("hospital diagnoses", 16441, 4506),
    ]
    assert found.row(0)[-1] == 0


def test_deaths_of_omop_are_those_in_hospital(both: tuple[Told, Told]) -> None:
    omop, fhir = (
        dict(r.events.filter(pl.col("code") == "MEDS_DEATH").select("subject_id", pl.col("time").dt.date()).iter_rows())
        for r in both
    )
    assert set(omop) < set(fhir)
    assert all(fhir[subject] == day for subject, day in omop.items())
    # The 16 others died after their last discharge: MIMIC takes them from the state registry, the OMOP release does not.
    stays = both[1].events.filter(pl.col("source") == "F/fhir/Encounter")
    last = dict(stays.group_by("subject_id").agg(pl.col("end_time").max().dt.date()).iter_rows())
    others = set(fhir) - set(omop)
    assert len(others) == 16
    assert all(fhir[subject] > last[subject] for subject in others)


def test_admissions_are_the_same_275(real_data: Path) -> None:
    visits = table(real_data / OMOP, "visit_occurrence")["visit_source_value"].str.split("|").list.last()
    admissions = {number for number in visits if "-" not in number}
    encounters = {one["identifier"][0]["value"] for one in resources(real_data / FHIR, "MimicEncounter")}
    assert admissions == encounters
    assert len(visits) - len(admissions) == 577  # days of a laboratory result
    # Five admissions carry concept 38004207, too, which is why a count by concept finds 270.
    concepts = table(real_data / OMOP, "visit_occurrence").filter(~pl.col("visit_source_value").str.contains("-"))
    assert (concepts["visit_concept_id"] == "38004207").sum() == 5


def test_diagnoses_of_omop_are_those_of_fhir_in_the_condition_domain(real_data: Path) -> None:
    conditions = table(real_data / OMOP, "condition_occurrence")
    # Chart events that map to the condition domain are observations in FHIR.
    chart = conditions.filter(pl.col("condition_type_concept_id") == "32817")
    assert chart.height == 12_608
    billed = conditions.filter(pl.col("condition_type_concept_id") == "32821")
    visits = table(real_data / OMOP, "visit_occurrence").select("visit_occurrence_id", "visit_source_value").iter_rows()
    admission = {visit: text.split("|")[1] for visit, text in visits}
    omop = Counter(
        (admission[v], code.strip()) for v, code in billed.select("visit_occurrence_id", "condition_source_value").iter_rows()
    )
    encounter = {one["id"]: one["identifier"][0]["value"] for one in resources(real_data / FHIR, "MimicEncounter")}
    fhir = Counter(
        (encounter[one["encounter"]["reference"].split("/")[1]], one["code"]["coding"][0]["code"].strip())
        for one in resources(real_data / FHIR, "MimicCondition")
    )
    assert set(omop) <= set(fhir)
    # 193 rows more: an ICD code that maps to several standard concepts makes several rows.
    assert sum((omop - fhir).values()) == 193
    several = billed.group_by("visit_occurrence_id", "condition_source_value").agg(
        pl.len().alias("rows"), pl.col("condition_concept_id").n_unique().alias("concepts")
    )
    repeated = several.filter(pl.col("rows") > 1)
    assert repeated.select((pl.col("rows") - pl.col("concepts")).sum()).item() <= sum(n - 1 for n in fhir.values())
    # 866 rows less: codes of other domains (V, E, Z, Y and such), whose tables this release does not hold.
    missing = fhir - omop
    assert sum(missing.values()) == 866
    assert 16_441 == 12_608 + 4506 + 193 - 866
    # No code is in both groups, but for two texts that ICD-9 (falls, E880.9 and E888.1) and ICD-10 (E88.09, E88.81) share.
    assert {code for _, code in missing} & {code for _, code in omop} == {"E8809", "E8881"}
    kinds = Counter("number" if code[0].isdigit() else code[0] for _, code in missing.elements())
    assert kinds["Z"] + kinds["V"] + kinds["E"] + kinds["Y"] == 807
