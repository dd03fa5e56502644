"""The rules of docs/confidentiality-rules.md, row by row: the page is the specification and the manual at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydicom.datadict import tag_for_keyword

from unibase.imaging.confidentiality import standard
from unibase.imaging.confidentiality.policy import Policy, dictionary_vr, policy_of
from unibase.imaging.options import DeidentifyOptions

PAGE = Path(__file__).resolve().parents[2] / "docs" / "confidentiality-rules.md"
CT = "1.2.840.10008.5.1.4.1.1.2"
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
UNLISTED = 0x00189999
"""Stands for any attribute that Table E.1-1 does not list."""


def rows(heading: str) -> list[list[str]]:
    """The rows of the table below a heading, without its head."""
    part = PAGE.read_text(encoding="utf-8").split(f"## {heading}", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in part.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def becomes(keyword: str, **options: Any) -> str:
    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword
    return policy_of(DeidentifyOptions.model_validate(options)).action(CT, tag, dictionary_vr(tag), False)


@pytest.mark.parametrize("row", rows("Under the three policies"), ids=lambda row: row[0])
def test_policies(row: list[str]) -> None:
    keyword, letter, *expected = row
    assert [becomes(keyword, policy=policy) for policy in ("strict", "longitudinal", "research")] == expected
    found = standard.table().get(tag_for_keyword(keyword) or 0)
    assert (found.basic if found else "-") == letter


@pytest.mark.parametrize("row", rows("With an option"), ids=" ".join)
def test_options(row: list[str]) -> None:
    option, keyword, expected = row
    assert becomes(keyword, **{option: True}) == expected


@pytest.mark.parametrize("row", rows("When two chosen"), ids=" ".join)
def test_cleaning_beats_keeping(row: list[str]) -> None:
    letter, device, descriptors, expected = row
    letters = {name: said for name, said in (("device", device), ("descriptors", descriptors)) if said}
    policy = Policy(DeidentifyOptions(policy="strict", retain_device_identity=True, clean_descriptors=True))
    made_up = standard.Row("Made up", "LO", letter, letters)
    assert policy._listed(made_up, CT, 0x00181030, "LO", False) == expected


@pytest.mark.parametrize("row", rows("With a rule"), ids=" ".join)
def test_rules_of_the_study(row: list[str]) -> None:
    keyword, action, expected = row
    rule = {"attribute": keyword, "action": action, "reason": "as the page says"}
    assert becomes(keyword, rules=[rule]) == expected


def policy(said: str) -> Policy:
    """The policy that words such as `research, retain_full_dates` name."""
    name, _, option = said.partition(", ")
    return policy_of(DeidentifyOptions.model_validate({"policy": name, **({option: True} if option else {})}))


FORMS = rows("What the table of the standard")
BYTES = next(place for place, row in enumerate(FORMS) if row[0] == "attribute")


@pytest.mark.parametrize("row", FORMS[:BYTES], ids=lambda row: row[0])
def test_by_the_form_of_the_value(row: list[str]) -> None:
    vr, *expected, _ = row
    found = [policy(name)._unlisted(UNLISTED, vr) for name in ("strict", "research")]
    assert [*found, policy("research").private_action(vr)] == expected


@pytest.mark.parametrize("row", FORMS[BYTES + 2 :], ids=lambda row: row[0])
def test_bytes_of_a_known_meaning(row: list[str]) -> None:
    tag = tag_for_keyword(row[0]) or 0
    found = [policy("research").action(sop_class, tag, dictionary_vr(tag), False) for sop_class in (CT, SEGMENTATION)]
    assert found == row[1:3]


@pytest.mark.parametrize("name", ["strict", "longitudinal", "research", "research, retain_full_dates"])
@pytest.mark.parametrize("row", rows("What goes whatever"), ids=lambda row: row[0])
def test_what_goes_whatever_the_options(row: list[str], name: str) -> None:
    assert policy(name).action(CT, int(row[0], 16), "LO", False) == row[1]


@pytest.mark.parametrize("row", rows("Days and their shift"), ids=lambda row: row[0])
def test_days(row: list[str]) -> None:
    said = policy(row[0])
    assert [said._unlisted(UNLISTED, "DA"), said.temporal_information] == row[1:]


def test_a_private_attribute_stays_when_it_is_safe_or_a_rule_keeps_it() -> None:
    creator, group, low = min(standard.safe_private())
    assert policy("research").keeps_private(creator, group, low) and not policy("strict").keeps_private(creator, group, low)
    assert not policy("research").keeps_private("MAKER OF NOTHING", group, low)
    for named, kept in (("(0099,xx01,MAKER)", [True, False]), ("(0099,xxxx,MAKER)", [True, True])):
        rule = {"attribute": named, "action": "keep", "reason": "as the test says"}
        found = policy_of(DeidentifyOptions.model_validate({"rules": [rule]}))
        assert [found.keeps_private("MAKER", 0x0099, low) for low in (1, 2)] == kept
        assert not found.keeps_private("OTHER", 0x0099, 1)
        assert found.keeps_private(creator, group, low)


def test_letters_are_those_of_the_standard(real_data: Path) -> None:
    """Oracle: another project's copy of Table E.1-1, attribute by attribute (2024b; the letters did not change since)."""
    text = (real_data / "ps315" / "innolitics_confidentiality_profile_attributes.json").read_text(encoding="utf-8")
    theirs = {row["id"].upper(): row["basicProfile"] for row in json.loads(text)}
    ours = {f"{tag:08X}": row.basic for tag, row in standard.table().items()}
    shared = theirs.keys() & ours.keys()
    assert len(shared) > 600
    assert {tag: ours[tag] for tag in shared} == {tag: theirs[tag] for tag in shared}
