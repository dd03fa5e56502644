"""Every code that is met, and which concept takes it; which centre has no event of a concept."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.clinical.test_derivations import events
from unibase.clinical.derived.code_counts import code_table, coverage
from unibase.clinical.timelines import meds
from unibase.clinical.words.concepts import Concepts
from unibase.flows.looks.codes import codes_text
from unibase.groundwork.problems import UserError


@pytest.fixture
def datasets(tmp_path: Path) -> dict[str, Path]:
    own = {
        "lyon": events((1, "ICD10//C34.1", "2020-01-01"), (2, "ICD10//C34.1", "2020-01-01"), (2, "ICD10//C34.1", "2020-02-01"), (3, "ATC//L04AX03", "2020-01-01"),
                       (3, "RECIST//OVRLRESP", "2020-01-01", "SD")),
        "CHU-été": events((9, "ICD10//C34.1", "2020-01-01"), (9, "LABO//7", "2020-01-01"), (9, "RECIST//OVRLRESP", "2020-01-01", "pd")),
    }  # fmt: skip
    return {name: meds.write_dataset(frame, tmp_path / name, subjects_per_shard=1) for name, frame in own.items()}


def test_every_code_is_there_once_a_centre(datasets: dict[str, Path]) -> None:
    table = code_table(datasets, Concepts.default())
    assert table.row(0) == ("ICD10//C34.1", "lyon", 3, 2, "cancer_diagnosis", "")
    rows = {(code, centre): row for code, centre, *row in table.iter_rows()}
    assert len(rows) == table.height == 6
    assert rows["ICD10//C34.1", "CHU-été"][:2] == [1, 1]
    assert rows["LABO//7", "CHU-été"] == [1, 1, "", ""]
    # An immunosuppressant is no anticancer drug; its code begins like one.
    assert rows["ATC//L04AX03", "lyon"] == [1, 1, "", "anticancer_drug (ATC//L01*)"]
    assert "progression" in rows["RECIST//OVRLRESP", "lyon"][2]
    assert table["events"].sum() == 8
    text = codes_text(table)
    assert text.startswith("4 codes in 8 events; a concept takes 75.0 % of the events.")
    assert "ATC//L04AX03  lyon: 1 events, 1 persons  nearest: anticancer_drug (ATC//L01*)" in text


def test_a_concept_without_an_event_counts_zero(datasets: dict[str, Path]) -> None:
    found = coverage(datasets, Concepts.default(), ["progression", "cancer_diagnosis"])
    assert found.drop("asked_by").rows() == [
        ("cancer_diagnosis", "CHU-été", 1, 1), ("cancer_diagnosis", "lyon", 3, 2), ("progression", "CHU-été", 1, 1), ("progression", "lyon", 0, 0)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "taken"),
    [("ICDO3//8140/3-C34.1", True), ("ICDO3//8140/0-C34.1", False), ("ICDO3//8140/3", False), ("ICD10GM//C50.9", True), ("ICD10//D05.1", False)],
)  # fmt: skip
def test_which_codes_say_a_cancer(code: str, taken: bool) -> None:
    frame = pl.DataFrame({"code": [code]})
    assert frame.select(Concepts.default().matches("cancer_diagnosis")).item() == taken


SAID = [
    # code, concepts that must take it, concepts that must not
    ("STATED//ATC//L01XA02", "anticancer_drug treatment_start", "living_act last_contact"),
    ("ASSERTED//ATC//L01XA02", "", "anticancer_drug treatment_start last_contact"),
    ("STATED//ATC//C07AB02", "", "anticancer_drug treatment_start last_contact"),
    ("PRESCRIBED//ATC//L01XA02", "", "anticancer_drug treatment_start last_contact"),
    ("RxNorm//1736854", "anticancer_drug", "supportive_drug"),
    ("ATC//V03AF03", "supportive_drug", "anticancer_drug"),
    ("OPS//8-542.11", "systemic_therapy treatment_start last_contact", "anticancer_drug radiotherapy"),
    ("OPS//8-54", "systemic_therapy", "radiotherapy"),
    ("OPS//8-548.0", "last_contact", "systemic_therapy treatment_start"),   # antiretroviral
    ("OPS//8-522.d0", "radiotherapy treatment_start", "systemic_therapy"),
    ("CPT4//96413", "systemic_therapy treatment_start", "radiotherapy"),
    ("CPT4//77412", "radiotherapy treatment_start", "systemic_therapy"),
    ("CPT4//77263", "", "radiotherapy treatment_start"),   # planning
    ("OPS//1-853.2", "diagnostic_procedure", "biopsy treatment_start"),
    ("OPS//1-430.1", "biopsy diagnostic_procedure", "surgery"),
    ("OPS//3-222", "imaging_procedure", "imaging_examination"),
    ("LOINC//89243-0", "karnofsky living_act", "performance_status"),
    ("LOINC//89247-1", "performance_status", "karnofsky"),
    ("SNOMED//385361009", "other_stage", "stage"),
    ("SNOMED//1287652008", "cancer_history", "cancer_diagnosis"),
    ("ICD10//Z85.3", "cancer_history", "cancer_diagnosis"),
    ("ICD10//D05.1", "cancer_in_situ", "cancer_diagnosis uncertain_neoplasm"),
    ("ICD10//D47.1", "uncertain_neoplasm", "cancer_diagnosis cancer_in_situ"),
    ("ICD10//D50.9", "", "uncertain_neoplasm cancer_in_situ"),   # anaemia
    ("SNOMED//126906006", "uncertain_neoplasm", "cancer_diagnosis"),
    ("LOINC//2857-1", "psa tumour_marker", "cea"),
    ("LOINC//69548-6", "genetic_variant", "variant_detail"),
    ("LOINC//48018-6", "variant_detail", "genetic_variant"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "takes", "leaves"), SAID)
def test_what_concepts_take_of_the_codes_of_oncology(code: str, takes: str, leaves: str) -> None:
    frame, concepts = events((1, code, "2020-01-01")), Concepts.default()
    assert {name for name in takes.split() if not frame.select(concepts.matches(name)).item()} == set()
    assert {name for name in leaves.split() if frame.select(concepts.matches(name)).item()} == set()


@pytest.mark.parametrize(
    ("code", "nearest"),
    [
        ("PRESCRIBED//ATC//L01XA02", "anticancer_drug, but it is PRESCRIBED"),
        ("PLANNED//PRESCRIBED//RxNorm//2555", "anticancer_drug, but it is PLANNED//PRESCRIBED"),
        ("SUSPECTED//ICD10//C34.1", "cancer_diagnosis, but it is SUSPECTED"),
        ("ASSERTED//ATC//L01XA02", "anticancer_drug, but it is ASSERTED"),
        ("IMPOSSIBLE//value-range//LOINC//718-7", "haemoglobin, but it is IMPOSSIBLE//value-range"),
        ("PRESCRIBED//ATC//C07AB02", ""),
        ("PRESCRIBED//", ""),
    ],
)
def test_what_is_no_act_is_named_by_the_concept_of_the_act(tmp_path: Path, code: str, nearest: str) -> None:
    folder = meds.write_dataset(events((1, code, "2020-01-01")), tmp_path / "lyon")
    assert code_table({"lyon": folder}, Concepts.default()).select("concepts", "nearest").row(0) == ("", nearest)


def test_a_concept_of_a_study_may_include_others_but_not_itself(tmp_path: Path) -> None:
    own = tmp_path / "concepts.yaml"
    head = "concepts: 1\nversion: '1'\nconcept:\n"
    own.write_text(head + "  bad: {include: [worse]}\n  worse: {include: [bad]}\n", encoding="utf-8")
    with pytest.raises(UserError, match="bad > worse > bad includes itself"):
        Concepts.read(own)
    own.write_text(head + "  bad: {include: [nothing]}\n", encoding="utf-8")
    with pytest.raises(UserError, match="nothing is not known"):
        Concepts.read(own)
    own.write_text(head + "  act: {include: [death], codes: ['A//*'], unless: ['A//1*']}\n", encoding="utf-8")
    frame = pl.DataFrame({"code": ["A//2", "A//12", "MEDS_DEATH", "B"]})
    assert frame.select(Concepts.read(own).matches("act")).to_series().to_list() == [True, False, True, False]
