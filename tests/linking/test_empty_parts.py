"""Small and odd cohorts: which parts of their splits hold nobody, and that this is said."""

from __future__ import annotations

from datetime import datetime

import polars as pl
import pytest

from tests.known_keys import known_key
from unibase.linking.options import SplitRules
from unibase.linking.splits import Dealing, empty_parts, make_splits, places_of

SCHEMA = {"subject_id": pl.Int64, "centres": pl.String}
FIVE, OUT = SplitRules(folds=5), SplitRules(by_centre=True)
HALVES = SplitRules(parts={"train": 0.5, "test": 0.5})
KIN = Dealing(family=dict.fromkeys(range(1, 21), 0))


def empty(centres: list[str | None], rules: SplitRules, dealing: Dealing) -> list[str]:
    subjects = pl.DataFrame({"subject_id": range(1, len(centres) + 1), "centres": centres}, schema=SCHEMA)
    index = subjects.select("subject_id", pl.lit(datetime(2020, 1, 1)).alias("index_time"))
    splits = make_splits(subjects, index, rules, known_key("splits"), dict.fromkeys(subjects["subject_id"], 0), dealing)
    return empty_parts(splits, rules, set(places_of(subjects)["centre"]))


@pytest.mark.parametrize(
    ("centres", "rules", "dealing", "nobody"),
    [
        (["lyon"] * 20, FIVE, Dealing(), 0),
        (["lyon"] * 20, FIVE, Dealing(events={7}), 0),
        (["lyon"] * 3, FIVE, Dealing(), 2),  # fewer subjects than folds
        (["lyon"] * 20, FIVE, KIN, 5),  # one family: a fold trains on nobody, four test nobody
        ([], FIVE, Dealing(), 10),
        (["lyon", "CHU-été", "derived"], OUT, Dealing(), 0),
        (["lyon", "CHU-été", None], OUT, Dealing(), 0),
        (["lyon"] * 3, OUT, Dealing(), 1),  # one centre: nobody to train on
        (["derived", "lyon;derived"], OUT, Dealing(), 2),  # lyon has nobody of its own; without derived nobody is left
        (["lyon;derived"] * 2, OUT, Dealing(), 4),  # all are known to both
        ([], OUT, Dealing(), 0),
        (["lyon"] * 20, HALVES, KIN, 1),
    ],
)
def test_parts_that_hold_nobody_are_named(centres: list[str | None], rules: SplitRules, dealing: Dealing, nobody: int) -> None:
    found = empty(centres, rules, dealing)
    assert len(found) == nobody, found


def test_the_words_name_fold_centre_and_part() -> None:
    assert empty(["lyon;CHU-été", "CHU-été"], OUT, Dealing()) == [
        "centre CHU-été: nobody in train",
        "centre lyon: nobody in test",
    ]
