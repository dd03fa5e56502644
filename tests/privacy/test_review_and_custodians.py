"""The page for open pairs, and pseudonyms that take two."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tests.privacy.test_identity import INS_ONE, KEY, people, row
from unibase.groundwork.problems import UserError
from unibase.privacy.custody import custodians
from unibase.privacy.keys import Key
from unibase.privacy.ledger import matching, persons
from unibase.privacy.ledger.pair_weights import weigh_pairs
from unibase.privacy.ledger.people_file import read_links
from unibase.privacy.ledger.review_page import write_review_page

FIRST, SECOND = Key(b"1" * 32), Key(b"2" * 32)


def test_open_pairs_are_shown_and_leave_when_they_are_decided(tmp_path: Path) -> None:
    ledger, page = tmp_path / "l", tmp_path / "review.html"
    rows = people(
        row("A", "1", ins=INS_ONE, birth_family_name="<b>Garandeau</b>"),
        row("B", "2", ins=INS_ONE, birth_date="1990-12-30", birth_family_name="Ostrowski"),
    )
    persons.update_ledger(ledger, rows, KEY)
    assert write_review_page(ledger, page) == 1
    text = page.read_text(encoding="utf-8")
    assert page.stat().st_mode & 0o777 == 0o600
    assert "&lt;b&gt;Garandeau" in text and "<b>Garandeau" not in text
    assert "one INS, other traits" in text and 'class="differs"' in text
    assert "http" not in text.replace("http-equiv", "") and "default-src 'none'" in text
    # The CSV that the page saves.
    (tmp_path / "links.csv").write_text('left_centre,left_key,right_centre,right_key,relation\n"A","1","B","2","different"\n')
    persons.update_ledger(ledger, rows, KEY, links=read_links(tmp_path / "links.csv"))
    assert write_review_page(ledger, page) == 0


def test_the_weights_of_a_pair_are_those_of_its_score(tmp_path: Path) -> None:
    rows = people(row("A", "1"), row("B", "2", birth_place_code=None), row("C", "3", given_names="Luc", sex="F"))
    persons.update_ledger(tmp_path / "l", rows, KEY)
    (edge,) = matching.edges_between(rows, [("A", "1"), ("B", "2")])[0]
    one, other = weigh_pairs(rows, [(edge.left, edge.right), (("A", "1"), ("C", "3"))])
    assert one.total == pytest.approx(edge.score)
    assert one.place == 0 < one.birth and one.sex == 1 and one.prior < 0
    assert other.given == -math.inf and other.sex == -9
    # The page shows links that were made as well: who says that they are two undoes one.
    assert write_review_page(tmp_path / "l", tmp_path / "page.html") == 0
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Links made by their score" in text and f"<td>{one.birth:+.1f}</td>" in text and "<p hidden>" not in text


def test_two_custodians_make_one_pseudonym_that_neither_can_make_alone(tmp_path: Path) -> None:
    ledger = tmp_path / "l"
    rows = people(row("A", "1"), row("B", "2"), row("C", "3", given_names="Luc"))
    persons.update_ledger(ledger, rows, KEY)
    tokens = custodians.person_tokens(ledger, FIRST)
    subjects = custodians.subjects_of_tokens(tokens.values(), SECOND)
    lookup = custodians.assemble(ledger, tokens, subjects)
    one = lookup.find("A", "ipp", "1")
    assert one is not None and one == lookup.find("B", "ipp", "2") != lookup.find("C", "ipp", "3")
    # On the way back the study custodian gives the token of one person, and no more is found.
    answer = custodians.only(subjects, [one.subject_id])
    assert len(answer) == 1
    back = custodians.revealed(ledger, tokens, answer)
    assert back.by_identifier == {("A", "ipp", "1"): one, ("B", "ipp", "2"): one}
    # Another key of either custodian gives other pseudonyms: neither key alone determines them.
    for first, second in ((FIRST, KEY), (KEY, SECOND)):
        other = custodians.person_tokens(ledger, first)
        again = custodians.assemble(ledger, other, custodians.subjects_of_tokens(other.values(), second))
        assert again.find("A", "ipp", "1") != one
    # Neither side's message holds an identity, or the pseudonym that is the other's to make.
    assert not any("A/1" in token or str(one.subject_id) in token for token in tokens.values())
    assert one.subject_id not in {s.subject_id for s in persons.open_lookup(ledger, FIRST).by_identifier.values()}
    assert one.subject_id not in {s.subject_id for s in persons.open_lookup(ledger, SECOND).by_identifier.values()}


def test_a_damaged_answer_names_its_row_and_no_value(tmp_path: Path) -> None:
    path = tmp_path / "subjects.csv"
    path.write_text("token,subject_id,shift_days\nab,4611686018427387905,12\ncd,Dupont,12\n", encoding="utf-8")
    with pytest.raises(UserError, match="row 2") as problem:
        custodians.read_subjects(path)
    assert "Dupont" not in str(problem.value)


def test_a_person_that_the_study_custodian_has_not_seen_is_missed(tmp_path: Path) -> None:
    persons.update_ledger(tmp_path / "l", people(row("A", "1")), KEY)
    with pytest.raises(UserError, match="1 persons have no pseudonym yet"):
        custodians.assemble(tmp_path / "l", custodians.person_tokens(tmp_path / "l", FIRST), {})
