"""What clinical sources say of objections, each form with what counts and what does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.clinical.whole import read_events
from tests.flows.small_study import MAPPING
from unibase.clinical.formats.stated_objections import may_tell_objections, read_objections
from unibase.clinical.options import ClinicalSource
from unibase.clinical.timelines.centre import TimelineTask
from unibase.groundwork.problems import UserError
from unibase.privacy.subjects import Subject, SubjectLookup

RWD = "numero_patient,information_patient,date_information,non_opposition,date_opposition"


def source(format: str, **more: Any) -> ClinicalSource:
    return ClinicalSource.model_validate({"format": format, "path": "x", **more})


def objecting(frame: pl.DataFrame) -> set[str]:
    return set(frame["identifier"])


@pytest.mark.parametrize(
    ("said", "day", "out"),
    [
        ("NON", "2020/12/15", True),
        ("Non", "", True),
        ("OUI", "", False),
        ("oui", "2020/12/15", False),
        ("", "", False),
        ("Non renseigné", "", False),
        ("", "2020/12/15", True),  # a date of objection says that there was one
        ("refus exprimé", "", True),  # a doubt is no consent
        ("O", "", False),
        ("True", "", False),
        ("1.0", "", False),
        ("0", "", True),
        ("false", "", True),
        ("Non opposé", "", False),
        ("pas d'opposition", "", False),
        ("Absence d’opposition", "", False),
        ("Opposé", "", True),
        ("Non : opposée le 12/03", "", True),
        ("NON", "2031/12/15", True),
    ],
)
def test_osiris_rwd_item_2_3(said: str, day: str, out: bool, tmp_path: Path) -> None:
    (tmp_path / "02_information_non_opposition.csv").write_text(
        f"{RWD}\nR1,OUI,2020/12/01,{said},{day}\nR2,OUI,2020/12/01,OUI,\n"
    )
    found = read_objections(source("osiris-rwd"), tmp_path, "lyon")
    assert objecting(found) == ({"R1"} if out else set())
    if out:
        assert found.select("centre", "system").rows() == [("lyon", "ipp"), ("lyon", "osiris")]


def test_an_objection_of_osiris_rwd_is_no_event(tmp_path: Path) -> None:
    (tmp_path / "02_information_non_opposition.csv").write_text(
        f"{RWD}\nR1,OUI,2020/12/01,NON,2020/12/15\nR2,OUI,2020/12/01,OUI,\n"
    )
    (tmp_path / "01_identification.csv").write_text("numero_patient,date_naissance,sexe\nR1,1940/02/10,M\nR2,1941/02/10,F\n")
    people = {("lyon", "osiris", "R1"): Subject(1, -5), ("lyon", "osiris", "R2"): Subject(2, -5)}
    read = read_events(TimelineTask("osiris-rwd", tmp_path, "lyon", SubjectLookup(people)))
    assert set(read.events["code"].cast(pl.String)) == {"MEDS_BIRTH", "SEX//M", "SEX//F", "OSIRIS_RWD//2.1"}
    # Nothing is told of the rows of who objects, not that they are about nobody.
    left = read_events(TimelineTask("osiris-rwd", tmp_path, "lyon", SubjectLookup(people).without([("lyon", "osiris", "R1")])))
    assert left.events["subject_id"].unique().to_list() == [2]
    assert "unknown-person" not in set(left.problems["reason"])


def consent(**changed: Any) -> dict[str, Any]:
    research = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "research"}]}
    whole = {"resourceType": "Consent", "id": "c", "status": "active", "scope": research, "patient": {"reference": "Patient/p1"}}
    return {key: value for key, value in (whole | {"provision": {"type": "deny"}} | changed).items() if value is not None}


CARE = {"coding": [{"code": "treatment"}]}
INS = {"system": "urn:oid:1.2.250.1.213.1.4.8", "value": "261047511204284"}
HELD = {"resourceType": "Patient", "id": "p", "identifier": [{"value": "IPP-9"}, INS]}


def rule(kind: str, *within: dict[str, Any], purpose: str = "") -> dict[str, Any]:
    """A provision, with provisions within it."""
    whole = {"type": kind, "provision": list(within), "purpose": [{"code": purpose}] if purpose else []}
    return {key: value for key, value in whole.items() if value}


@pytest.mark.parametrize(
    ("resource", "out"),
    [
        (consent(), {"p1"}),
        (consent(dateTime="2031-01-01"), {"p1"}),
        (consent(provision={"type": "permit"}), set()),
        (consent(provision=None), set()),
        (consent(status="inactive"), set()),
        (consent(status="entered-in-error"), set()),
        (consent(status="rejected", provision=None), {"p1"}),
        (consent(scope=CARE), set()),
        (consent(scope=None), {"p1"}),
        (consent(provision={"type": "permit", "provision": [{"type": "deny", "purpose": [{"code": "HRESCH"}]}]}), {"p1"}),
        (consent(provision={"type": "permit", "provision": [{"type": "deny", "purpose": [{"code": "HMARKT"}]}]}), set()),
        (consent(patient=None, subject={"reference": "Patient/p2"}, provision=None, decision="deny"), {"p2"}),  # R5
        (consent(patient={"reference": "https://fhir.example/Patient/p3/_history/2"}), {"p3"}),
        (consent(patient={"identifier": {"system": "urn:ipp", "value": "IPP-7"}}), {"IPP-7"}),
        # Exceptions of R4: one that permits research as a whole lifts a denial, one of a part of the records does not.
        (consent(provision=rule("deny", rule("permit", purpose="HRESCH"))), set()),
        (consent(provision=rule("deny", rule("permit", purpose="TREAT"))), {"p1"}),
        (consent(provision=rule("deny", rule("permit"))), {"p1"}),
        (consent(provision=rule("deny", rule("permit", purpose="HRESCH") | {"class": [{"code": "Observation"}]})), {"p1"}),
        (consent(provision=rule("deny", rule("permit", rule("deny"), purpose="HRESCH"))), {"p1"}),
        (consent(provision=rule("permit", rule("deny") | {"class": [{"code": "Observation"}]})), {"p1"}),
        (consent(provision=rule("Deny")), {"p1"}),
        (consent(provision=rule("deny") | {"period": {"start": "2040-01-01"}}), {"p1"}),
        (consent(provision=rule("permit", rule("deny", purpose="HRESCH")), scope=CARE), {"p1"}),  # the purpose decides
        (consent(provision={"type": "deny", "purpose": [{"coding": [{"code": "HRESCH"}]}]}, scope=CARE), {"p1"}),
        # What a consent starts from.
        (consent(provision=None, policyRule={"coding": [{"code": "OPTOUT"}]}), {"p1"}),
        (consent(provision=None, policyRule={"coding": [{"code": "OPTIN"}]}), set()),
        (consent(provision=None, policyRule="http://goldenhealth.org/consent/policy/opt-out"), {"p1"}),  # STU3
        (consent(provision=rule("permit", purpose="HRESCH"), policyRule={"coding": [{"code": "OPTOUT"}]}), set()),
        (consent(provision=rule("permit"), policy=[{"uri": "http://chu.example/opt-out"}]), set()),  # a law, no choice
        (consent(provision=None, **{"except": [rule("deny")]}), {"p1"}),
        (consent(provision=[{"purpose": [{"code": "HRESCH"}]}], decision="permit"), {"p1"}),  # R5: its exceptions have no type
        (consent(provision=[{"purpose": [{"code": "HRESCH"}]}], decision="deny"), set()),
        (consent(provision=[{"period": {"end": "2030-01-01"}}], decision="permit"), set()),
        # Status: what is not known to be out of force is in force.
        (consent(status=None), {"p1"}),
        (consent(status=" Active"), {"p1"}),
        (consent(status="unknown"), {"p1"}),
        (consent(status="not-done", provision=None), {"p1"}),
        (consent(status="draft"), set()),
        (consent(status="inactive", provision={"type": "permit"}), {"p1"}),  # a consent that was ended
        # Who it is about.
        (consent(patient={"reference": "#p"}, contained=[HELD]), {"IPP-9", "261047511204284"}),
        (consent(patient={"reference": "Patient?identifier=urn:oid:1.2%7CIPP-8"}), {"IPP-8"}),
        (consent(patient={"display": "nobody that a number names"}), {"Consent/c"}),
        (consent(patient={"reference": "urn:uuid:0f1"}), {"0f1"}),
    ],
)
def test_fhir_consent(resource: dict[str, Any], out: set[str], tmp_path: Path) -> None:
    (tmp_path / "Consent.ndjson").write_text(json.dumps(resource) + "\n")
    assert objecting(read_objections(source("fhir"), tmp_path, "F")) == out


@pytest.mark.parametrize("other", ["active", "inactive"])
def test_an_ended_consent_with_another_in_its_place_is_no_objection(other: str, tmp_path: Path) -> None:
    two = [consent(status=status, provision={"type": "permit"}) for status in ("inactive", other)]
    (tmp_path / "Consent.ndjson").write_text("".join(json.dumps(one) + "\n" for one in two))
    assert objecting(read_objections(source("fhir"), tmp_path, "F")) == ({"p1"} if other == "inactive" else set())


COLUMN = {"table": "person", "person": "person_id", "column": "opposition", "system": "omop"}


@pytest.mark.parametrize(
    ("values", "stays", "word", "out", "told"),
    [
        (["oui"], [], "O", True, False),
        (["oui"], [], "True", True, False),
        (["oui"], [], "x", True, False),
        (["oui"], [], "1.0", True, False),
        (["1"], [], "1.0", True, False),
        (["1"], [], "0", False, False),
        (["2"], [], "02", True, False),
        (["2"], [], "1", False, True),
        (["oui"], [], "Non.", False, False),
        (["non"], [], "refusé", True, False),
        (["oui"], [], "OPPOSITION orale", True, False),
        (["oui"], [], "non-opposition", False, False),
        (["nc"], [], "NC", True, False),  # a word for nothing, but for the one who named it
        (["oui"], [], "nc", False, False),
        (["retrait"], [], "à voir", False, True),
        (["retrait"], ["informé"], "à voir", True, False),
        (["retrait"], ["informé"], "Informé", False, False),
        (["retrait"], ["informé"], "", False, False),
    ],
)
def test_words_of_a_column_that_the_study_file_names(
    values: list[str], stays: list[str], word: str, out: bool, told: bool, tmp_path: Path
) -> None:
    (tmp_path / "person.csv").write_text(f"person_id,opposition\n1,{word}\n", encoding="utf-8")
    said: list[str] = []
    named = source("omop", objection=COLUMN | {"values": values, "stays": stays})
    found = read_objections(named, tmp_path, "lyon", None, said.append)
    assert (objecting(found) == {"1"}, bool(said)) == (out, told)
    assert all(f" {word} " not in line.replace("1 rows", "") for line in said)


def test_an_objection_in_a_row_without_a_number_is_told_as_nobodys(tmp_path: Path) -> None:
    (tmp_path / "person.csv").write_text("person_id,opposition\n,oui\n1,non\n", encoding="utf-8")
    (tmp_path / "02_information_non_opposition.csv").write_text(f"{RWD}\n,OUI,2020/12/01,NON,\n", encoding="utf-8")
    for named, table in (
        (source("omop", objection=COLUMN | {"values": ["oui"]}), "person"),
        (source("osiris-rwd"), "02_information_non_opposition"),
    ):
        assert objecting(read_objections(named, tmp_path, "lyon")) == {f"(a row of {table} without a number)"}


def test_a_column_of_omop_that_the_study_file_names(tmp_path: Path) -> None:
    (tmp_path / "person.csv").write_text("person_id,person_source_value,opposition\n1,A1,Oui\n2,A2,non\n3,A3,\n")
    told = {"table": "person", "person": "person_id", "column": "Opposition", "values": ["oui"], "system": "omop"}
    found = read_objections(source("omop", objection=told), tmp_path, "A")
    assert found.rows() == [("A", "omop", "1", "column")]


@pytest.mark.parametrize(
    ("source", "mapping", "needed"),
    [
        ({"format": "fhir"}, None, True),
        ({"format": "osiris-rwd"}, None, True),
        ({"format": "osiris"}, None, False),
        ({"format": "omop"}, None, False),
        ({"format": "meds"}, None, False),
        (
            {"format": "omop", "objection": {"table": "person", "person": "person_id", "column": "refus", "values": ["oui"]}},
            None,
            True,
        ),
        ({"format": "csv"}, MAPPING, False),
        ({"format": "csv"}, MAPPING + "    objection: {column: refus}\n", True),
        ({"format": "csv"}, "mapping: [", True),
    ],
)
def test_which_sources_are_needed_because_they_may_say_who_objects(
    source: dict[str, Any], mapping: str | None, needed: bool, tmp_path: Path
) -> None:
    mapped = tmp_path / "mapping.yaml" if mapping else None
    if mapped and mapping:
        mapped.write_text(mapping, encoding="utf-8")
    assert may_tell_objections(ClinicalSource.model_validate({"path": "records"} | source), mapped) is needed


@pytest.mark.parametrize(
    ("table", "columns", "said"),
    [
        ("refusals", "ipp,accord", None),
        ("refusals", "ipp,accords", "no column accord in table refusals"),
        ("refusal", "ipp,accord", "no table refusals"),
    ],
)
def test_a_column_of_objections_that_a_mapping_names_must_be_there(
    table: str, columns: str, said: str | None, tmp_path: Path
) -> None:
    rule = "  - {name: refusals, files: [refusals], person: ipp, objection: {column: accord, stays: [oui]}}\n"
    (tmp_path / "mapping.yaml").write_text(MAPPING + rule, encoding="utf-8")
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "acts.csv").write_text("ipp,day,act\nP1,2019-01-01,VISIT\n", encoding="utf-8")
    (tmp_path / "records" / f"{table}.csv").write_text(f"{columns}\nP1,non\n", encoding="utf-8")
    asked = source("csv"), tmp_path / "records", "CHU-été", tmp_path / "mapping.yaml"
    if said is None:
        assert objecting(read_objections(*asked)) == {"P1"}
        return
    with pytest.raises(UserError, match=said):
        read_objections(*asked)
