"""Whom linkage serves worse, counted by hand on a few pairs; and on the page that the custodian reads."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.privacy.test_identity import KEY, people, row
from unibase.privacy.ledger import persons
from unibase.privacy.ledger.fairness import PAIR, Fairness, Share, counted, decided_pairs, groups_of_records
from unibase.privacy.ledger.people_file import DECISIONS
from unibase.privacy.ledger.review_page import write_review_page

ROWS = people(
    row("lyon", "1", sex="F", birth_place_code="99352", birth_family_name="Sow"),
    row("lyon", "2", sex="M", birth_place_code="69123", birth_family_name="de La Fontaine"),
    row("CHU-été", "3", sex="F", birth_place_code=None, birth_family_name="Garand"),
    row("CHU-été", "4", sex="M", birth_place_code="69123", birth_family_name="INCONNU"),
)
GROUPS = {
    "1": ("female", "abroad", "4 letters or fewer"),
    "2": ("male", "in France", "9 letters or more"),
    "3": ("female", "not told", "5 to 8 letters"),
    "4": ("male", "in France", "not told"),
}


@pytest.mark.parametrize("record", GROUPS)
def test_a_record_is_in_the_groups_that_its_rows_say(record: str) -> None:
    (found,) = groups_of_records(ROWS).filter(pl.col("person_key") == record).rows()
    assert found[2:] == GROUPS[record]


def test_a_pair_counts_once_in_each_group_of_its_two_records() -> None:
    pairs = pl.DataFrame(
        [
            ("lyon", "1", "CHU-été", "3", True, False),  # two women, linked, and two persons
            ("lyon", "1", "CHU-été", "4", False, True),  # a woman and a man, one person, not linked
            ("lyon", "2", "CHU-été", "4", True, True),
        ],
        schema=[*PAIR, "linked", "one"],
        orient="row",
    )
    found = {(one.trait, one.value): (one.false, one.missed) for one in counted(pairs, groups_of_records(ROWS))}
    assert found[("all", "all")] == (Share(1, 2), Share(1, 2))
    assert found[("sex", "female")] == (Share(1, 1), Share(1, 1))
    assert found[("sex", "male")] == (Share(0, 1), Share(1, 2))
    assert found[("birth", "abroad")] == (Share(1, 1), Share(1, 1))
    assert found[("birth", "in France")] == (Share(0, 1), Share(1, 2))
    assert found[("family name", "9 letters or more")] == (Share(0, 1), Share(0, 1))


@pytest.mark.parametrize(("hits", "of", "low", "high"), [(0, 0, 0.0, 1.0), (0, 10, 0.0, 0.27753), (5, 10, 0.23659, 0.76341)])
def test_intervals_are_wilsons(hits: int, of: int, low: float, high: float) -> None:
    """R: `prop.test(hits, of, correct = FALSE)$conf.int`."""
    assert Share(hits, of).interval() == pytest.approx((low, high), abs=1e-5)


def test_what_persons_decided_says_which_links_were_false_and_which_were_missed() -> None:
    def frame(*keys: str) -> pl.DataFrame:
        return pl.DataFrame([("A", one, "B", one) for one in keys], schema=dict.fromkeys(PAIR, pl.String), orient="row")

    said = {"1": "same", "2": "different", "3": "same", "4": "different", "5": "same"}
    decisions = pl.DataFrame([("A", one, "B", one, word) for one, word in said.items()], schema=DECISIONS, orient="row")
    found = decided_pairs(frame("1", "2"), frame("2", "3", "4"), decisions)
    assert found.select("left_key", "one", "linked").rows() == [
        ("1", True, True),
        ("2", False, True),
        ("3", True, False),
        ("4", False, False),
    ]  # of pair 5 no rule had said anything


def test_the_page_tells_it_by_group_once_persons_have_decided(tmp_path: Path) -> None:
    one, two = row("A", "1"), row("B", "2")
    persons.update_ledger(tmp_path / "l", people(one, two), KEY)
    page = tmp_path / "review.html"
    write_review_page(tmp_path / "l", page)
    assert "Nobody has decided a pair yet" in page.read_text(encoding="utf-8")
    links = pl.DataFrame([("A", "1", "B", "2", "different")], schema=DECISIONS, orient="row")
    persons.update_ledger(tmp_path / "l", people(one, two), KEY, links=links)
    write_review_page(tmp_path / "l", page)
    text = page.read_text(encoding="utf-8")
    assert "<td>1 of 1</td><td>20.7 to 100.0 %</td>" in text and "in France" in text
    assert isinstance(
        counted(
            pl.DataFrame(schema={**dict.fromkeys(PAIR, pl.String), "linked": pl.Boolean, "one": pl.Boolean}),
            groups_of_records(ROWS),
        )[0],
        Fairness,
    )
