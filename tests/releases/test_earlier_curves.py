"""Curves of two versions: drawn anew when enough persons changed, and until then as they were."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.releases import attack_cohorts
from unibase.releases.disclosure import decisions
from unibase.releases.disclosure.earlier_curves import basis_of, changed

ROWS = pl.DataFrame({"subject_id": range(30), "PARAMCD": ["OS"] * 30, "AVAL": range(100, 130), "CNSR": [0, 1] * 15})


def other_times(count: int) -> pl.DataFrame:
    """The rows with the times of the first persons longer by a day."""
    return ROWS.with_columns(AVAL=pl.when(pl.col("subject_id") < count).then(pl.col("AVAL") + 1).otherwise("AVAL"))


def in_part(low: int = 90, high: int | None = 140) -> pl.DataFrame:
    """The rows with the time of the first two persons, one dead and one censored, known in part."""
    part = pl.col("subject_id") < 2
    bounds = {"AVAL_MIN": pl.when(part).then(low).otherwise("AVAL"), "AVAL_MAX": pl.when(part).then(high).otherwise("AVAL")}
    return ROWS.with_columns(AVAL=pl.when(~part).then("AVAL"), **bounds)


@pytest.mark.parametrize(
    ("name", "now", "before", "count"),
    [
        ("the same interval", in_part(), in_part(), 0),
        ("another first day", in_part(low=91), in_part(), 2),
        ("another last day: who is censored has none", in_part(high=150), in_part(), 1),
        ("no last day: the death is not drawn", in_part(high=None), in_part(), 1),
        ("known to the day before", in_part(), ROWS, 2),
        ("bounds of known times alone", ROWS.with_columns(AVAL_MIN="AVAL", AVAL_MAX="AVAL"), ROWS, 0),
        ("bounds that the version before lacks", in_part(), in_part().drop("AVAL_MIN", "AVAL_MAX"), 2),
        ("late entry that the version before lacks", ROWS.with_columns(ENTRY=pl.lit(20)), ROWS, 30),
    ],
)
def test_who_has_another_time_known_in_part(name: str, now: pl.DataFrame, before: pl.DataFrame, count: int) -> None:
    assert (changed(now, before), changed(before, now)) == (count, count), name


@pytest.mark.parametrize(
    ("name", "rows", "count"),
    [
        ("the same", ROWS, 0),
        ("in another order", ROWS.reverse(), 0),
        ("another time", other_times(3), 3),
        ("censored in place of an event", ROWS.with_columns(CNSR=1 - pl.col("CNSR")), 30),
        ("one left", ROWS.tail(29), 1),
        ("one came", pl.concat([ROWS, ROWS.head(1).with_columns(subject_id=pl.lit(99, pl.Int64))]), 1),
        ("a time that is not known now", ROWS.with_columns(AVAL=pl.when(pl.col("subject_id") > 1).then("AVAL")), 2),
        ("times as numbers with a fraction", ROWS.with_columns(pl.col("AVAL").cast(pl.Float64)), 0),
        ("a text changed", ROWS.with_columns(PARAM=pl.lit("Overall survival")), 0),
    ],
)
def test_who_has_other_times(name: str, rows: pl.DataFrame, count: int) -> None:
    assert changed(rows, ROWS) == count, name


def published(folder: Path, version: str, rows: pl.DataFrame, previous: Path | None) -> Path:
    """A version with these rows, and the record of what its curve was drawn from."""
    (folder / version / "tables").mkdir(parents=True)
    rows.write_parquet(folder / version / "tables" / "adtte.parquet")
    basis = basis_of("OS", rows, previous, 5)
    decisions.frame([basis.decision("OS", version)]).write_parquet(folder / version / decisions.FILE)
    return folder / version


def test_a_curve_stays_until_enough_persons_changed(tmp_path: Path) -> None:
    # Three, and then three more: six have other times than in the version whose curve is drawn.
    first = published(tmp_path, "1.0.0", ROWS, None)
    assert basis_of("OS", other_times(3), first, 5).version == "1.0.0"
    second = published(tmp_path, "1.0.1", other_times(3), first)
    assert basis_of("OS", other_times(4), second, 5).version == "1.0.0"
    anew = basis_of("OS", other_times(6), second, 5)
    assert anew.version is None and anew.rows.equals(other_times(6))


def test_without_the_version_that_a_curve_was_drawn_from_the_one_before_counts(tmp_path: Path) -> None:
    second = published(tmp_path, "1.0.1", other_times(3), published(tmp_path / "elsewhere", "1.0.0", ROWS, None))
    assert basis_of("OS", other_times(4), second, 5).version == "1.0.1"


@pytest.mark.parametrize("seed", [9, 7028, 30006, 30018])
def test_the_pages_of_two_versions_give_nobody_away(seed: int, tmp_path: Path) -> None:
    tally = attack_cohorts.Tally()
    attack_cohorts.attack(seed, tmp_path, tally)
    assert tally.shown > 30 and tally.small > 5
    assert (tally.small_recovered, tally.narrowed, tally.early_steps) == ([], [], [])
