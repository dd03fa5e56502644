"""What becomes of links when a centre corrects what they rested on: undone, in review or refused, never silent."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.privacy.test_identity import INS_ONE, INS_TWO, KEY, Row, groups, people, row
from unibase.groundwork.files import sha256_folder
from unibase.privacy.ledger import persons
from unibase.privacy.ledger.people_file import DECISIONS

OTHER = {"birth_family_name": "Kowalski", "given_names": "Bruno", "birth_date": "1971-12-24", "birth_place_code": "59350"}


def nights(folder: Path, *rows: list[Row], links: pl.DataFrame | None = None) -> persons.LinkReport:
    """Bring the rows of each night into the ledger; decisions come with the last."""
    report = persons.LinkReport(0, 0, 0)
    for number, night in enumerate(rows, start=1):
        last = number == len(rows)
        report = persons.update_ledger(folder, people(*night), KEY, links=links if last else None)
    return report


def decided(*pairs: tuple[str, str, str, str, str]) -> pl.DataFrame:
    return pl.DataFrame(pairs, schema=DECISIONS, orient="row")


@pytest.mark.parametrize(
    ("first", "now", "partner"),
    [
        ({"ins": INS_TWO}, {"ins": INS_ONE}, {"ins": INS_TWO}),  # an INS typed wrongly
        ({}, OTHER, {}),  # the identity of another patient typed
        ({}, {"birth_date": "1984-11-02", "birth_place_code": "80021"}, {}),  # date and place of somebody else
        ({}, {"given_names": "Luc"}, {}),  # the twin's given name
        ({"ins": INS_TWO}, {"ins": INS_ONE, **OTHER}, {"ins": INS_TWO}),
    ],
)
def test_a_correction_undoes_the_links_that_rested_on_what_was_wrong(first: Row, now: Row, partner: Row, tmp_path: Path) -> None:
    other = row("CHU-été", "9", **partner)
    report = nights(tmp_path / "l", [row("lyon", "1", **first), other])
    assert report.persons == 1
    before = persons.open_lookup(tmp_path / "l", KEY)
    report = nights(tmp_path / "l", [row("lyon", "1", **now), other])
    assert report.persons == 2 and report.undone == 1 and report.changed_subjects
    after = persons.open_lookup(tmp_path / "l", KEY)
    assert after.find("lyon", "ipp", "1") != after.find("CHU-été", "ipp", "9")
    # The link stays undone, and nobody's pseudonym moves, on the nights that follow.
    again = nights(tmp_path / "l", [row("lyon", "1", **now), other, row("Tours", "5", **OTHER, ins=None)])
    lookup = persons.open_lookup(tmp_path / "l", KEY)
    assert all(lookup.by_identifier[where] == subject for where, subject in after.by_identifier.items())
    assert again.undone == 0
    # Any past state can be opened again.
    assert persons.open_lookup(tmp_path / "l", KEY, revision=1).by_identifier == before.by_identifier


def test_a_correction_that_leaves_the_evidence_leaves_the_link(tmp_path: Path) -> None:
    report = nights(
        tmp_path / "l", [row("lyon", "1"), row("B", "2")], [row("lyon", "1", birth_family_name="GARANDEAUX"), row("B", "2")]
    )
    assert report.persons == 1 and report.undone == 0 and report.revision == 2


def test_a_number_given_to_another_person_gets_a_new_pseudonym_and_the_old_one_never_comes_back(tmp_path: Path) -> None:
    nights(tmp_path / "l", [row("lyon", "1", ins=INS_ONE)])
    old = persons.open_lookup(tmp_path / "l", KEY).find("lyon", "ipp", "1")
    report = nights(tmp_path / "l", [row("lyon", "1", ins=INS_TWO, **OTHER)])
    new = persons.open_lookup(tmp_path / "l", KEY).find("lyon", "ipp", "1")
    assert report.replaced == 1 and old is not None and new is not None and new != old
    assert report.gone_subjects == (old.subject_id,) and report.changed_subjects == (new.subject_id,)
    # A merge and a split bring back this person's name, not the one before.
    rows = [row("lyon", "1", ins=INS_TWO, **OTHER), row("A", "7", given_names="Zoé")]
    nights(tmp_path / "l", rows, links=decided(("A", "7", "lyon", "1", "same")))
    nights(tmp_path / "l", rows, links=decided(("A", "7", "lyon", "1", "different")))
    assert persons.open_lookup(tmp_path / "l", KEY).find("lyon", "ipp", "1") == new


def test_a_decision_on_a_number_that_now_is_another_persons_waits_again(tmp_path: Path) -> None:
    partner = row("B", "9", given_names="Luc")
    nights(tmp_path / "l", [row("lyon", "1"), partner], links=decided(("lyon", "1", "B", "9", "same")))
    report = nights(tmp_path / "l", [row("lyon", "1", **OTHER), partner])
    assert report.persons == 2 and report.review == 1
    review = pl.read_parquet(tmp_path / "l" / "revision-000002" / "review.parquet")
    assert review["rule"].to_list() == [persons.OTHER_ROWS]


def test_an_identifier_that_its_centre_takes_back_says_nothing_of_the_person_any_longer(tmp_path: Path) -> None:
    # FHIR lists an INS as an identifier of its own: the corrected patient comes with another row, not with a changed one.
    partner = row("B", "9", ins=INS_TWO)
    wrong = [row("F", "p1", ins=INS_TWO), row("F", INS_TWO, person_key="p1", system="ins", ins=INS_TWO)]
    right = [row("F", "p1", ins=INS_ONE), row("F", INS_ONE, person_key="p1", system="ins", ins=INS_ONE)]
    assert nights(tmp_path / "l", [*wrong, partner]).persons == 1
    report = nights(tmp_path / "l", [*right, partner])
    assert report.persons == 2 and report.undone == 1
    # What a centre leaves out without saying otherwise (another source, another night) is kept.
    omop = row("F", "77", person_key="p1", system="omop", birth_family_name=None, given_names=None, birth_date=None)
    assert nights(tmp_path / "l", [omop]).persons == 2
    known = persons.ledger_people(tmp_path / "l").filter(pl.col("identifier") == "p1")
    assert known["ins"].to_list() == [INS_ONE] and known["given_names"].to_list() == ["Paul"]


def test_a_third_record_that_fits_two_who_are_different_goes_to_neither(tmp_path: Path) -> None:
    two = [row("lyon", "1"), row("B", "9")]
    nights(tmp_path / "l", two)
    nights(tmp_path / "l", two, links=decided(("lyon", "1", "B", "9", "different")))
    report = nights(tmp_path / "l", [*two, row("C", "4"), row("D", "5")])
    # The two newcomers are one person, and which of the two others they are is asked.
    assert groups(tmp_path / "l") == {frozenset({"lyon1"}), frozenset({"B9"}), frozenset({"C4", "D5"})}
    assert report.review == 4 and report.refused == {"fits-two": 4}
    # The same when all three were one, and two of them are said to be different later.
    three = [*two, row("C", "4")]
    nights(tmp_path / "m", three)
    report = nights(tmp_path / "m", three, links=decided(("lyon", "1", "B", "9", "different")))
    assert report.persons == 3 and report.review == 2


def test_a_person_of_three_loses_only_the_record_that_was_corrected(tmp_path: Path) -> None:
    rows = [row(centre, centre) for centre in ("A", "B", "C")]
    nights(tmp_path / "l", rows)
    report = nights(tmp_path / "l", [row("A", "A", **OTHER), *rows[1:]])
    assert groups(tmp_path / "l") == {frozenset({"AA"}), frozenset({"BB", "CC"})}
    assert report.undone == 2 and report.replaced == 1


def test_order_of_rows_and_repetition_change_no_byte(tmp_path: Path) -> None:
    first = [row(centre, centre) for centre in ("A", "B", "C")]
    second = [row("A", "A", **OTHER), row("B", "B", given_names="Luc"), first[2]]
    nights(tmp_path / "l", first, second, second)
    nights(tmp_path / "m", first[::-1], second[::-1])
    assert sha256_folder(tmp_path / "l") == sha256_folder(tmp_path / "m")


@pytest.mark.parametrize(
    ("other", "asked"),
    [
        ({"given_names": "Arnaud", "sex": "M"}, True),  # the sex changed in the civil register, and the given name with it
        ({"given_names": "Arnaud", "sex": "M", "birth_date": "1971-12-24"}, False),
        ({"given_names": "Arnaud", "sex": "M", "birth_family_name": "Kowalski"}, False),
    ],
)
def test_an_ins_that_differs_in_the_sex_alone_is_asked_about(other: Row, asked: bool, tmp_path: Path) -> None:
    stem = INS_ONE[1:13]
    first = "2" if INS_ONE[0] == "1" else "1"
    changed = f"{first}{stem}{97 - int(first + stem) % 97:02d}"
    report = nights(tmp_path, [row("A", "1", ins=INS_ONE), row("B", "9", ins=changed, **other)])
    assert report.persons == 2 and report.review == asked
