"""ValueSets of FHIR R4: what each form of a definition holds, by hand from the specification of `compose` and `expansion`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.clinical.test_derivations import events
from unibase.clinical.words.concepts import Concepts
from unibase.clinical.words.value_sets import ValueSets
from unibase.groundwork.problems import UserError

ICD, OWN, SNOMED = "http://hl7.org/fhir/sid/icd-10", "http://chu.example/cs/tumeurs", "http://snomed.info/sct"
TREE = {
    "resourceType": "CodeSystem",
    "url": OWN,
    "content": "complete",
    "concept": [
        {"code": "K", "concept": [{"code": "K1", "concept": [{"code": "K11"}]}, {"code": "K2"}]},
        {"code": "K3", "property": [{"code": "parent", "valueCode": "K"}]},
        {"code": "Z"},
    ],
}
LUNG = {"resourceType": "ValueSet", "url": "http://chu.example/vs/lung", "id": "lung", "name": "Lung"}


def codes(folder: Path, **said: Any) -> set[str]:
    other = {**LUNG, "url": "http://chu.example/vs/other", "id": "other", "name": "Other"}
    other["compose"] = {"include": [{"system": ICD, "concept": [{"code": "C34.1"}, {"code": "C50"}]}]}
    bundle = {"resourceType": "Bundle", "entry": [{"resource": TREE}, {"resource": other}]}
    (folder / "bundle.json").write_text(json.dumps(bundle), encoding="utf-8")
    (folder / "lung.json").write_text(json.dumps({**LUNG, **said}), encoding="utf-8")
    return ValueSets.open(folder).codes("lung")


def included(*parts: dict[str, Any], exclude: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {"compose": {"include": list(parts), **({"exclude": exclude} if exclude else {})}}


def below(operation: str, value: str) -> dict[str, Any]:
    return {"system": OWN, "filter": [{"property": "concept", "op": operation, "value": value}]}


LISTED = {"system": ICD, "concept": [{"code": "C341"}, {"code": "C34.9"}]}
K = {f"TUMEURS//{code}" for code in ("K1", "K11", "K2", "K3")}


@pytest.mark.parametrize(
    ("said", "right"),
    [
        (included(LISTED), {"ICD10//C34.1", "ICD10//C34.9"}),
        (included({"system": ICD}), {"ICD10//*"}),
        (included({"system": OWN}), {*K, "TUMEURS//K", "TUMEURS//Z"}),
        (included(below("is-a", "K")), {*K, "TUMEURS//K"}),
        (included(below("descendent-of", "K")), K),
        (included(below("is-a", "K1")), {"TUMEURS//K1", "TUMEURS//K11"}),
        (included({"valueSet": ["http://chu.example/vs/other|1.0"]}), {"ICD10//C34.1", "ICD10//C50"}),
        (included({**LISTED, "valueSet": ["http://chu.example/vs/other"]}), {"ICD10//C34.1"}),
        (included(LISTED, below("is-a", "Z")), {"ICD10//C34.1", "ICD10//C34.9", "TUMEURS//Z"}),
        (included(LISTED, exclude=[{"valueSet": ["other"]}]), {"ICD10//C34.9"}),
        (included(below("is-a", "K"), exclude=[below("is-a", "K1")]), {"TUMEURS//K", "TUMEURS//K2", "TUMEURS//K3"}),
        (included(LISTED, below("is-a", "Z"), exclude=[{"system": ICD}]), {"TUMEURS//Z"}),
        ({"expansion": {"total": 2, "contains": [{"system": ICD, "code": "C34", "abstract": True, "contains": [
            {"system": ICD, "code": "C34.0"}, {"system": SNOMED, "code": "363358000"}]}]}}, {"ICD10//C34.0", "SNOMED//363358000"}),
        ({**included(LISTED), "expansion": {"total": 9, "contains": [{"system": ICD, "code": "C34.0"}]}}, {"ICD10//C34.1", "ICD10//C34.9"}),
    ],
)  # fmt: skip
def test_what_a_value_set_holds(said: dict[str, Any], right: set[str], tmp_path: Path) -> None:
    assert codes(tmp_path, **said) == right


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({}, "neither a whole expansion nor a definition"),
        ({"expansion": {"total": 9, "contains": []}}, "neither a whole expansion"),
        (included({"valueSet": ["lung"]}), "includes itself"),
        (included({"valueSet": ["http://elsewhere"]}), "is not in the vocabulary folder"),
        (included({"system": SNOMED, "filter": [{"property": "concept", "op": "is-a", "value": "1"}]}), "Athena's tables"),
        (
            included({"system": OWN, "filter": [{"property": "concept", "op": "regex", "value": "K.*"}]}),
            "regex, which is not read",
        ),
        (included({"system": ICD}, exclude=[LISTED]), "leaves codes out of a whole system"),
    ],
)
def test_what_cannot_be_worked_out_is_refused_by_name(said: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=told):
        codes(tmp_path, **said)


def test_a_concept_takes_the_codes_of_a_value_set(tmp_path: Path) -> None:
    codes(tmp_path, **included(LISTED))
    own = tmp_path / "concepts.yaml"
    own.write_text('concepts: 1\nversion: "1"\nconcept:\n  lung_cancer: {value_sets: [Lung]}\n', encoding="utf-8")
    concepts = Concepts.read(own)
    with pytest.raises(UserError, match="names a value set"):
        concepts.with_value_sets(None)
    found = concepts.with_value_sets(ValueSets.open(tmp_path)).with_vocabulary(None)
    timeline = pl.concat([events((1, "ICD10//C34.1", "2020-01-01")), events((1, "ICD10//C50", "2020-01-01"))])
    assert found.select(timeline, "lung_cancer")["code"].to_list() == ["ICD10//C34.1"]


def test_a_file_that_is_no_json_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match=r"x.json in the vocabulary folder is not JSON"):
        ValueSets.open(tmp_path)
