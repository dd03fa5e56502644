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
