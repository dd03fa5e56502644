"""Attacks on a release, tried on simulated subjects whose truth is known, and what is done against them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.releases.examples import make_inputs
from unibase.groundwork.files import write_json
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import EVENTS, write_parquet
from unibase.releases.attack.attackers import order_of_export, rare_codes
from unibase.releases.attack.between import attack_pair
from unibase.releases.attack.found import Attack
from unibase.releases.attack.life_spans import LifeSpans, among_all_dead, among_members, life_spans
from unibase.releases.content.leaving import AS_THEY_ARE, Leaving, siphash
from unibase.releases.content.publish import publish_release

DAY = datetime(2020, 1, 1)


def lives(subjects: int, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return births and deaths of persons of about 70 years, shifted, and their sexes."""
    rng = np.random.default_rng(seed)
    born = rng.integers(-30_000, -20_000, subjects)
    died = born + rng.normal(25_500, 1_200, subjects).astype(int)
    shift = -rng.integers(1, 366, subjects)
    rows = [
        {
            "subject_id": n + 1,
            "code": code,
            "time": DAY + timedelta(days=int(day + shift[n])),
            "source": "lyon/a",
            "source_row": n + 1,
        }
        for code, days in (("MEDS_BIRTH", born), ("MEDS_DEATH", died))
        for n, day in enumerate(days)
    ]
    sexes = pl.DataFrame({"subject_id": range(1, subjects + 1), "SEX": rng.choice(["M", "F"], subjects)})
    return EVENTS.conform(pl.DataFrame(rows)), sexes


def test_days_lived_single_out_most_of_the_dead_and_births_to_the_year_almost_none() -> None:
    events, sexes = lives(2_000, 7)
    said = among_members(life_spans(events, sexes))
    # By hand: the days from birth to death that occur once in a sex.
    days = events.filter(pl.col("code") == "MEDS_DEATH").join(
        events.filter(pl.col("code") == "MEDS_BIRTH"), on="subject_id", suffix="_birth"
    )
    lived = days.join(sexes, on="subject_id").select("SEX", (pl.col("time") - pl.col("time_birth")).dt.total_days().alias("days"))
    # Days that are known to a day leave two open: who lived a day more or less is half a candidate.
    alone = 0
    for sex, day in lived.iter_rows():
        apart = (lived.filter(pl.col("SEX") == sex)["days"] - day).abs()
        alone += int((apart == 0).sum()) - 1 + 0.5 * int((apart == 1).sum()) < 1
    assert said == Attack("life-span", alone, 2_000, said.with_what)
    assert said.share > 0.6
    assert among_members(life_spans(Leaving(birth="year").apply(events), sexes)).share <= 0.01


SPANS = (
    # least and most days lived; a list that all stand in; who has fewer than one other in the span.
    ("alone", [(100, 101), (300, 301)], 2),
    ("two of one day", [(100, 101), (100, 101)], 0),
    ("one of two years in which the other lies whole", [(0, 730), (100, 101)], 1),
    ("half in the span of the other", [(0, 10), (5, 15)], 2),
    ("three who share a year", [(0, 365), (0, 365), (0, 365)], 0),
)


@pytest.mark.parametrize(("spans", "alone"), [row[1:] for row in SPANS], ids=[row[0] for row in SPANS])
def test_who_is_alone_among_the_dead_of_a_study(spans: list[tuple[int, int]], alone: int) -> None:
    least, most = np.array(spans, dtype=float).T
    assert among_members(LifeSpans(np.full(len(spans), "F"), least, most)).singled_out == alone


def test_a_list_of_deaths_drawn_by_chance_singles_out_as_many_as_are_expected() -> None:
    # The oracle draws the list: ages at death by Gompertz's law, and counts whose span nobody else of it fits.
    rng = np.random.default_rng(5)
    listed = 6_300 * 1_826 / 365.25 / 7 / 2
    ages = 85.0 + 10.5 * np.log(np.exp(-85.0 / 10.5) - np.log(rng.random(round(listed))))
    days = np.sort(ages[np.isfinite(ages)] * 365.25)
    least = rng.integers(14_000, 33_000, 2_000).astype(float)
    for width, bound in ((1.0, 0.03), (30.0, 0.03), (365.0, 0.01)):
        others = np.searchsorted(days, least + width) - np.searchsorted(days, least)
        said = among_all_dead(LifeSpans(np.full(2_000, "M"), least, least + width), 1_826)
        assert said.share == pytest.approx((others == 0).mean(), abs=bound)


def test_an_age_and_a_year_of_birth_are_taken_together() -> None:
    # Of 60 years on 2 July 2020 and born in 1960: before 2 July of that year.
    events, _ = lives(1, 1)
    events = events.filter(pl.col("code") == "MEDS_DEATH").with_columns(pl.lit(datetime(2020, 12, 31)).alias("time"))
    born = pl.DataFrame({"subject_id": [1], "code": ["MEDS_BIRTH"], "time": [datetime(1960, 3, 1)], "source": ["a"]})
    events = pl.concat([events, Leaving(birth="year").apply(EVENTS.conform(born))])
    subjects = pl.DataFrame({"subject_id": [1], "SEX": ["F"], "INDEXDT": [datetime(2020, 7, 2).date()], "AGE": [60.0]})
    apart, both = life_spans(events, subjects.drop("AGE")), life_spans(events, subjects)
    assert (apart.most - apart.least)[0] == pytest.approx(367, abs=1)
    assert (both.most - both.least)[0] == pytest.approx(184, abs=3)


def test_the_end_of_a_follow_up_by_death_is_read_as_well() -> None:
    events, sexes = lives(40, 2)
    weeks = events.with_columns(
        pl.when(pl.col("code") == "MEDS_DEATH").then(pl.col("time").dt.offset_by("30d")).otherwise("time_max").alias("time_max")
    )
    died = events.filter(pl.col("code") == "MEDS_DEATH")
    adtte = died.select("subject_id", pl.lit("DEATH").alias("EVNTDESC"), pl.col("time").dt.date().alias("ADT"))
    wide, narrow = life_spans(weeks, sexes), life_spans(weeks, sexes, adtte)
    assert ((narrow.most - narrow.least) < (wide.most - wide.least)).all()


def exported(order: str, seed: int = 3) -> tuple[pl.DataFrame, dict[int, int]]:
    """Return visits of 120 subjects with the numbers of an export in the order of dates, or of patients."""
    rng = np.random.default_rng(seed)
    shift = {n: -int(rng.integers(1, 366)) for n in range(1, 121)}
    visits = [(n, int(day)) for n in shift for day in np.sort(rng.integers(0, 1_500, 12))]
    visits.sort(key=(lambda one: one[1]) if order == "date" else (lambda one: one[0]))
    rows = [
        {"subject_id": n, "code": "VISIT", "time": DAY + timedelta(days=day + shift[n]), "source": "CHU-été/v", "source_row": row}
        for row, (n, day) in enumerate(visits, start=1)
    ]
    return EVENTS.conform(pl.DataFrame(rows)), shift


def test_an_export_in_order_of_date_tells_shifts_and_keyed_rows_do_not() -> None:
    in_order, _ = exported("date")
    assert order_of_export(in_order).share >= 0.9
    assert order_of_export(exported("patient")[0]).singled_out == 0
    assert order_of_export(Leaving(rows_key=b"k").apply(in_order)).singled_out == 0


def test_rows_in_no_order_tell_no_shift_however_near_the_days_of_a_subject_lie() -> None:
    # Four labs of each subject within a month: a median of many near days is no shift.
    rng = np.random.default_rng(8)
    rows = [
        {
            "subject_id": n,
            "code": "LAB",
            "time": DAY + timedelta(days=int(40 * n + day)),
            "source": "lyon/labs",
            "source_row": n * 9 + day,
        }
        for n in range(1, 41)
        for day in range(4)
    ]
    events = EVENTS.conform(pl.DataFrame(rows))
    keyed = [order_of_export(Leaving(rows_key=bytes(rng.bytes(4))).apply(events)).singled_out for _ in range(5)]
    assert keyed == [0] * 5


def test_a_code_of_one_subject_alone_singles_it_out() -> None:
    rows = [(1, "ICD10//C34"), (2, "ICD10//C34"), (2, "ICD10//C37"), (3, "ICD10//C34")]
    events = EVENTS.conform(pl.DataFrame(rows, schema=["subject_id", "code"], orient="row"))
    found = rare_codes(events, pl.DataFrame({"subject_id": [1, 2, 3]}))
    assert (found.singled_out, found.of) == (1, 3)


def test_the_keyed_rows_are_siphash() -> None:
    # The authors' own vector for 8 bytes, 00 to 07, under the key 00 to 0f (SipHash reference, vectors.h).
    word = np.array([int.from_bytes(bytes(range(8)), "little")], dtype=np.uint64)
    assert siphash(word, bytes(range(16)))[0].tobytes() == bytes.fromhex("6224939a79f5f593")


def standing(folder: Path, key: str, subjects: list[int], leaving: Leaving = AS_THEY_ARE) -> Path:
    """Write what the attackers of two releases read: persons 1 to n under these numbers, with their rows and values."""
    rng = np.random.default_rng(1)
    rows = [(number, "LDH", "lyon/labs", 10 * person + n) for person, number in enumerate(subjects) for n in range(3)]
    events = pl.DataFrame(rows, schema=["subject_id", "code", "source", "source_row"], orient="row")
    write_parquet(leaving.apply(EVENTS.conform(events)), folder / "timeline" / "data" / "0.parquet")
    values = {"subject_id": subjects, "ldh": rng.normal(300, 50, len(subjects)), "volume": rng.normal(40, 9, len(subjects))}
    for table in ("subjects", "analysis"):
        write_parquet(pl.DataFrame(values), folder / "tables" / f"{table}.parquet")
    write_json(folder / "manifest.json", {"key_fingerprint": key, "files": {}})
    return folder


def test_two_keys_do_not_part_what_source_rows_and_values_join(tmp_path: Path) -> None:
    first = standing(tmp_path / "first", "a", list(range(100, 140)))
    second = standing(tmp_path / "second", "b", list(range(900, 940)))
    found = {one.name: (one.singled_out, one.of) for one in attack_pair(first, second, 11)}
    assert found == {"source-rows": (40, 40), "shared-texts": (0, 40), "row-order": (0, 40), "exact-values": (40, 40)}
    keyed = standing(tmp_path / "keyed", "c", list(range(500, 540)), Leaving(rows_key=b"k"))
    assert {one.name: one.singled_out for one in attack_pair(first, keyed, 11)}["source-rows"] == 0


def test_two_versions_that_differ_by_a_few_tell_of_these(tmp_path: Path) -> None:
    one = standing(tmp_path / "one", "a", list(range(100, 140)))
    two = standing(tmp_path / "two", "a", list(range(100, 137)))
    assert [(found.name, found.singled_out) for found in attack_pair(one, two, 11)] == [("difference", 3)]
    assert attack_pair(one, two, 3)[0].singled_out == 0


def test_all_tables_of_a_release_name_a_source_row_alike() -> None:
    leaving = Leaving(rows_key=b"k")
    rows = pl.DataFrame({"source": ["lyon/a", "lyon/b"], "source_row": [4, 4]})
    timeline, bds = leaving.apply(rows), leaving.apply(rows.rename({"source": "SRCDOM", "source_row": "SRCSEQ"}))
    assert timeline["source_row"].to_list() == bds["SRCSEQ"].to_list()
    assert timeline["source_row"].n_unique() == 2 and timeline["source_row"].min() > 0  # type: ignore[operator]
    assert Leaving(rows_key=b"other").apply(rows)["source_row"].to_list() != timeline["source_row"].to_list()


def test_a_release_over_a_limit_is_not_published(tmp_path: Path) -> None:
    inputs = make_inputs(tmp_path / "in", subjects=40, genes=3)
    assert isinstance(inputs.events, pl.DataFrame)
    rare = inputs.events.filter(pl.col("time").is_not_null()).head(1).with_columns(pl.lit("ICD10//C37").alias("code"))
    inputs = replace(inputs, events=pl.concat([inputs.events, rare]), attack_limits={"rare-codes": 0.01})
    with pytest.raises(UserError, match=r"attacks .*rare-codes: 1 of 40 subjects, 1\.0% allowed"):
        publish_release(inputs, tmp_path / "out")
    assert not list((tmp_path / "out").rglob("manifest.json"))


def test_the_dictionary_says_what_was_made_of_rows_and_births() -> None:
    rows = [("trace", "source_row"), ("bds", "SRCSEQ"), ("timeline", "time"), ("analysis", "time")]
    words = pl.DataFrame([(*row, "Row.") for row in rows], schema=["table", "column", "derivation"], orient="row")
    told = Leaving(rows_key=b"k", birth="year").told(words)["derivation"].to_list()
    assert all("keyed number" in text for text in told[:2]) and told[2].endswith("Of births the year alone.")
    assert told[3] == "Row." and Leaving().told(words).equals(words)
