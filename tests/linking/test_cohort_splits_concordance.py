"""Who is in, in which part, and whether what modalities say of one subject fits together."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import EVENTS, SAMPLE_MAP, SERIES
from unibase.linking import splits
from unibase.linking.concordance import check_concordance, of_samples
from unibase.linking.inclusion import Cohort, build_cohort
from unibase.linking.index_event import index_events
from unibase.linking.options import CohortRules, IndexRule, SplitRules
from unibase.privacy.keys import Key

CONCEPTS = {"start": ["TX"], "cancer": ["ICD10//C"], "pregnancy": ["ICD10//Z33"]}
DAY = timedelta(days=1)
INDEX = datetime(2020, 3, 1)
KEY = Key(b"s" * 32)


def event(subject: int, code: str, time: datetime | None, **more: Any) -> dict[str, Any]:
    high = None if time is None else time + DAY - timedelta(microseconds=1)
    return {
        "subject_id": subject,
        "code": code,
        "time": time,
        "time_min": time,
        "time_max": high,
        "source": "A",
        "source_row": 1,
        **more,
    }


def events(*rows: dict[str, Any]) -> pl.DataFrame:
    return EVENTS.conform(pl.DataFrame(list(rows), schema=EVENTS.schema()))


def sample(subject: int, name: str, time: datetime, status: str = "used") -> dict[str, Any]:
    return {"assay": "rna", "primary": subject, "colname": name, "sample_time": time, "status": status, "reason": ""}


def sample_map(*rows: dict[str, Any]) -> pl.DataFrame:
    return SAMPLE_MAP.conform(pl.DataFrame(list(rows), schema=SAMPLE_MAP.schema()))


def image(subject: int, uid: str, time: datetime, **more: Any) -> dict[str, Any]:
    return {
        "subject_id": subject, "StudyInstanceUID": uid, "SeriesInstanceUID": uid, "Modality": "CT", "series_time": time,
        "folder": uid, "input_digest": uid, **more,
    }  # fmt: skip


def series(*rows: dict[str, Any]) -> pl.DataFrame:
    return SERIES.conform(pl.DataFrame(list(rows), schema=SERIES.schema()))


def cohort(rules: dict[str, Any], rows: pl.DataFrame, **tables: Any) -> Cohort:
    index = index_events(rows, CONCEPTS, IndexRule(concept="start"))
    tables = {"series": None, "sample_map": None} | tables
    return build_cohort(rows, rules=CohortRules.model_validate(rules), index=index, concepts=CONCEPTS, **tables)


BASE = events(
    event(1, "TX//1", INDEX), event(1, "ICD10//C34.1", INDEX - 30 * DAY), event(1, "MEDS_BIRTH", datetime(1950, 3, 2)),
    event(2, "TX//1", INDEX), event(2, "ICD10//C34.1", INDEX + 30 * DAY), event(2, "MEDS_BIRTH", datetime(1990, 1, 1)),
    event(3, "ICD10//C34.1", INDEX),
    event(4, "TX//1", INDEX), event(4, "ICD10//C50", INDEX), event(4, "ICD10//Z33", INDEX - DAY),
)  # fmt: skip


def test_every_subject_leaves_at_one_step_and_the_flow_counts_them() -> None:
    found = cohort({"include": ["cancer", "index"], "exclude": ["pregnancy"]}, BASE)
    assert found.flow.rows() == [
        (0, "known", "", 4, 0, 4),
        (1, "cancer", "no cancer", 4, 1, 3),
        (2, "index", "no index", 3, 1, 2),
        (3, "not pregnancy", "pregnancy", 2, 1, 1),
    ]
    assert found.subjects.filter("included")["subject_id"].to_list() == [1]
    assert dict(found.subjects.select("subject_id", "reason").iter_rows()) == {
        1: "",
        2: "no cancer",
        3: "no index",
        4: "pregnancy",
    }


def test_what_happens_after_the_index_makes_nobody_a_member() -> None:
    # Subject 2's diagnosis comes after the index: whether it comes must not decide.
    assert not cohort({"include": ["cancer"]}, BASE).subjects.filter(pl.col("subject_id") == 2)["included"][0]


def test_age_is_that_at_the_index() -> None:
    found = cohort({"include": ["index"], "min_age": 60}, BASE)
    assert found.subjects["age"].to_list() == [69.0, 30.0, None, None]
    assert found.subjects.filter("included")["subject_id"].to_list() == [1]


def test_a_sample_taken_later_delays_the_entry() -> None:
    samples = sample_map(sample(1, "a", INDEX + 50 * DAY), sample(4, "b", INDEX - DAY), sample(2, "c", INDEX, "quarantined"))
    found = cohort({"include": ["index", "rna"]}, BASE, sample_map=samples)
    entries = dict(found.subjects.filter("included").select("subject_id", "entry_time").iter_rows())
    assert entries == {1: INDEX + 50 * DAY, 4: INDEX}


def test_imaging_by_modality_and_findings_as_rules() -> None:
    images = series(image(1, "1", INDEX), image(4, "4", INDEX, Modality="MR"))
    assert cohort({"include": ["imaging:CT"]}, BASE, series=images).subjects.filter("included")["subject_id"].to_list() == [1]
    findings = pl.DataFrame({"subject_id": [1], "check": ["sex"]})
    rules = {"include": ["index"], "exclude": ["discordant:sex"]}
    assert cohort(rules, BASE, findings=findings).subjects.filter("included")["subject_id"].to_list() == [2, 4]


def test_an_unknown_rule_is_named_with_what_is_allowed() -> None:
    with pytest.raises(UserError, match=r"cohort\.include: unknown rule 'imagin'\. Allowed: index, imaging.*cancer"):
        cohort({"include": ["imagin"]}, BASE)


SUBJECTS = pl.DataFrame({"subject_id": np.random.default_rng(1).integers(1, 2**62, 4000)}).unique().sort("subject_id")
SHARES = {"train": 0.7, "validation": 0.1, "test": 0.2}


def test_a_check_that_nobody_makes_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no check 'sexx'; discordant:CHECK takes after-death, age, births"):
        CohortRules.model_validate({"exclude": ["discordant:sexx"]})


def test_a_split_is_fixed_by_the_key_and_stays_when_subjects_come() -> None:
    whole = splits.split_by_subject(SUBJECTS, KEY, SHARES)
    half = splits.split_by_subject(SUBJECTS.sample(2000, seed=3), KEY, SHARES)
    assert half.equals(whole.join(half.select("subject_id"), on="subject_id", how="semi"))
    assert not splits.split_by_subject(SUBJECTS, Key(b"t" * 32), SHARES).equals(whole)
    counts = dict(whole.group_by("split").len().iter_rows())
    assert all(abs(counts[part] / SUBJECTS.height - share) < 0.03 for part, share in SHARES.items())


@pytest.mark.parametrize("seed", range(8))
def test_folds_are_balanced_within_one_in_size_and_events_and_spread_centres(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count, folds = int(rng.integers(6, 90)), int(rng.integers(2, 6))
    ids = sorted({int(one) for one in rng.integers(1, 2**62, count)})
    events = {one for one in ids if rng.random() < 0.4}
    centre = {one: str(rng.choice(["lyon", "CHU-été", "Tours"])) for one in ids}
    arrival = {one: int(rng.integers(1, 4)) for one in ids}
    dealing = splits.Dealing(events, centre, arrival)
    table = pl.DataFrame({"subject_id": ids})
    dealt = splits.folds_by_subject(table.sample(fraction=1, shuffle=True, seed=seed), KEY, folds, dealing)

    def spread(among: set[int]) -> int:
        counts = [dealt.filter(pl.col("subject_id").is_in(list(among)), pl.col("fold") == fold).height for fold in range(folds)]
        return max(counts) - min(counts)

    assert dealt["subject_id"].to_list() == ids
    assert spread(set(ids)) <= 1 and spread(events) <= 1
    assert all(spread({one for one in ids if centre[one] == name}) <= 4 for name in set(centre.values()))
    # Who comes in a later revision of the ledger moves nobody.
    late = splits.Dealing({*events, 7}, centre | {7: "lyon"}, arrival | {7: 4})
    more = splits.folds_by_subject(pl.DataFrame({"subject_id": [7, *ids]}), KEY, folds, late)
    assert more.filter(pl.col("subject_id") != 7).equals(dealt)


def test_folds_are_even_and_independent_of_the_split() -> None:
    folds = splits.folds_by_subject(SUBJECTS, KEY, 5)
    counts = folds.group_by("fold").len()["len"]
    assert counts.len() == 5 and counts.max() - counts.min() <= 1  # type: ignore[operator]
    parts = splits.split_by_subject(SUBJECTS, KEY, SHARES).join(folds, on="subject_id")
    trained = parts.group_by("fold").agg((pl.col("split") == "train").mean())["split"]
    assert trained.max() - trained.min() < 0.1  # type: ignore[operator]
    with pytest.raises(UserError, match="add up to 1"):
        splits.split_by_subject(SUBJECTS, KEY, {"train": 0.5, "test": 0.4})


def test_a_person_of_two_centres_is_in_no_part_when_one_is_held_out() -> None:
    table = pl.DataFrame({"subject_id": [1, 2, 2, 3, 4], "centre": ["A", "A", "B", "B", "C"]})
    folds = splits.leave_one_centre_out(table)
    held = {c: dict(folds.filter(pl.col("held_out") == c).select("subject_id", "split").iter_rows()) for c in "ABC"}
    assert held["A"] == {1: "test", 3: "train", 4: "train"}
    assert held["B"] == {1: "train", 3: "test", 4: "train"}
    assert held["C"] == {1: "train", 2: "train", 3: "train", 4: "test"}


def test_a_split_by_time_is_by_true_time() -> None:
    index = pl.DataFrame({"subject_id": [1, 2], "index_time": [datetime(2018, 1, 1), datetime(2017, 1, 1)]})
    split = splits.split_by_time(index, {1: -10, 2: -1000}, datetime(2019, 1, 1))
    assert split.rows() == [(1, "train"), (2, "test")]
    # An index at the very beginning of the day that parts them is tested on.
    assert splits.split_by_time(index, {1: -365, 2: 0}, datetime(2019, 1, 1))["split"].to_list() == ["test", "train"]
    with pytest.raises(UserError, match="1 subjects have no known date shift"):
        splits.split_by_time(index, {1: -10}, datetime(2019, 1, 1))


def test_a_part_of_no_share_takes_nobody_and_a_draw_on_a_bound_goes_to_the_next_part(monkeypatch: pytest.MonkeyPatch) -> None:
    four = pl.DataFrame({"subject_id": [1, 2, 3, 4]})
    # The greatest draw is 1 as a float: it is in the last part.
    monkeypatch.setattr(splits, "_draw", lambda key, name, subject: {1: 0.0, 2: 0.5, 3: 0.75, 4: 1.0}[subject])
    found = splits.split_by_subject(four, KEY, {"none": 0.0, "train": 0.5, "test": 0.5})
    assert found.rows() == [(1, "train"), (2, "test"), (3, "test"), (4, "test")]
    with pytest.raises(UserError, match="add up to 1"):
        splits.split_by_subject(four, KEY, {"train": 1.5, "test": -0.5})


def test_who_arrived_first_is_dealt_first_and_ties_are_broken_by_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splits, "_draw", lambda key, name, subject: 0.99 if name.endswith("/tie") else subject / 100)
    four = pl.DataFrame({"subject_id": [1, 2, 3, 4]})
    # 3 came first; 4 is in no revision, so it comes after all others, 1 and 2 of revision 2 included.
    dealing = splits.Dealing(arrival={1: 2, 2: 2, 3: 1})
    dealt = dict(splits.folds_by_subject(four, KEY, 4, dealing).iter_rows())
    # The key points at fold 3; whoever finds it taken goes on to the next.
    assert dealt == {3: 3, 1: 0, 2: 1, 4: 2}


def test_a_study_gets_the_splits_that_it_asks_for_and_no_others() -> None:
    subjects = pl.DataFrame({"subject_id": [1, 2, 3, 4], "centres": ["lyon", "lyon;CHU-été", "CHU-été", "CHU-été"]})
    index = subjects.select("subject_id", pl.lit(datetime(2020, 1, 1)).alias("index_time"))
    shifts = dict.fromkeys([1, 2, 3, 4], 0)
    asked: dict[str, Any] = {"parts": SHARES, "folds": 2, "by_centre": True, "by_time": "2020-06-01"}
    schemes = {"parts": {""}, "folds": {"0", "1"}, "by_centre": {"lyon", "CHU-été"}, "by_time": {""}}
    for key, value in asked.items():
        found = splits.make_splits(subjects, index, SplitRules.model_validate({"folds": None, key: value}), KEY, shifts)
        assert found["scheme"].unique().to_list() == [key.removeprefix("by_")]
        assert set(found["held_out"]) == schemes[key]
    folds = splits.make_splits(subjects, index, SplitRules(folds=2), KEY, shifts)
    tested = folds.filter(pl.col("part") == "test")
    assert sorted(tested["subject_id"]) == [1, 2, 3, 4]
    assert folds.filter(pl.col("held_out") == "0")["part"].to_list().count("test") == 2
    four = splits.make_splits(subjects, index, SplitRules(folds=4), KEY, shifts)
    assert [four.filter(pl.col("held_out") == str(n))["part"].to_list().count("test") for n in range(4)] == [1, 1, 1, 1]
    both = splits.make_splits(subjects, index, SplitRules(folds=2, parts=SHARES), KEY, shifts)
    named = splits.with_split(subjects, both)
    assert (
        named.select("subject_id", "fold").sort("subject_id").rows()
        == tested.select("subject_id", pl.col("held_out").cast(pl.Int64)).sort("subject_id").rows()
    )
    assert named["split"].to_list() == splits.split_by_subject(subjects, KEY, SHARES)["split"].to_list()
    assert splits.with_split(subjects, both.clear()).equals(subjects)


def checks(*args: Any, **kwargs: Any) -> set[tuple[int, str]]:
    return set(check_concordance(*args, **kwargs).select("subject_id", "check").iter_rows())


def test_each_check_sees_its_contradiction_and_nothing_else() -> None:
    facts = events(
        event(1, "SEX//F", None), event(1, "MEDS_BIRTH", datetime(1950, 1, 1)), event(1, "MEDS_DEATH", datetime(2020, 1, 1)),
        event(1, "ICD10//C50.1", datetime(2019, 1, 1)), event(1, "OSIRIS_RWD//8.10", datetime(2019, 1, 1), text_value="Gauche"),
        event(1, "LOINC//29463-7", datetime(2019, 1, 1), numeric_value=60.0, unit="kg"),
    )  # fmt: skip
    good = image(1, "1", datetime(2019, 1, 5), PatientSex="F", BodyPartExamined="BREAST")
    assert checks(facts, series(good)) == set()
    assert checks(facts, series(good | {"PatientSex": "M"})) == {(1, "sex")}
    assert checks(facts, series(good | {"PatientSex": "O"})) == set()
    assert checks(facts, series(good | {"series_time": datetime(1949, 1, 1)})) == {(1, "dates")}
    assert checks(facts, series(good | {"series_time": datetime(2020, 2, 1)})) == {(1, "dates")}
    assert checks(facts, series(good | {"BodyPartExamined": "KNEE"})) == {(1, "body-part")}
    assert (
        checks(
            facts, series(good | {"BodyPartExamined": "KNEE"}, image(1, "2", datetime(2019, 2, 1), BodyPartExamined="WHOLEBODY"))
        )
        == set()
    )
    further = series(good).with_columns(pl.lit(90.0).alias("PatientWeight"), pl.lit(69.0).alias("PatientAge"))
    assert checks(facts, further) == {(1, "weight")}
    assert checks(facts, further.with_columns(pl.lit(61.0).alias("PatientWeight"), pl.lit(40.0).alias("PatientAge"))) == {
        (1, "age")
    }
    features = pl.DataFrame({"subject_id": [1], "roi_name": ["GTV_right"], "SeriesInstanceUID": ["1"]})
    assert checks(facts, features=features) == {(1, "laterality")}
    assert checks(facts, features=features.with_columns(pl.lit("GTV_L").alias("roi_name"))) == set()
    late = sample_map(sample(1, "s", datetime(2021, 1, 1)))
    assert checks(facts, samples=late) == {(1, "dates")}
    early = sample_map(sample(1, "s", datetime(2019, 1, 1)))
    assert checks(facts, samples=early, sample_sex={"s": "M"}) == {(1, "sex")}
    assert checks(facts, samples=early, sample_sex={"s": "F"}) == set()


def planted(generator: np.random.Generator, count: int, share: float) -> tuple[pl.DataFrame, pl.DataFrame, set[int], set[int]]:
    """Persons with images, of whom a share have their images exchanged; return what was exchanged and what can be seen."""
    sex = generator.choice(["F", "M"], count)
    site = generator.choice(["C34.1", "C50.1", "C61", "C71.9", "C18.2"], count)
    # No woman has a prostate; that would be found as what it is.
    site = np.where((sex == "F") & (site == "C61"), "C18.2", site)
    part = {"C34.1": "CHEST", "C50.1": "BREAST", "C61": "PELVIS", "C71.9": "BRAIN", "C18.2": "ABDOMEN"}
    birth = [datetime(1930, 1, 1) + int(d) * DAY for d in generator.integers(0, 20000, count)]
    imaged = [datetime(2015, 1, 1) + int(d) * DAY for d in generator.integers(0, 2000, count)]
    death = [moment + int(d) * DAY for moment, d in zip(imaged, generator.integers(10, 1500, count), strict=True)]
    owner = np.arange(count)
    wrong = generator.choice(count, int(count * share), replace=False)
    owner[wrong] = np.roll(wrong, 1)
    # Headers are not perfect: sex is missing in 5 %, the body part in 10 %, and 0.5 % of sexes are mistyped.
    header_sex = [None if generator.random() < 0.05 else s for s in sex]
    header_sex = [("M" if s == "F" else "F") if s and generator.random() < 0.005 else s for s in header_sex]
    header_part = [None if generator.random() < 0.1 else part[s] for s in site]
    rows = []
    for person in range(count):
        rows += [event(person + 1, f"SEX//{sex[person]}", None), event(person + 1, "MEDS_BIRTH", birth[person])]
        rows += [event(person + 1, f"ICD10//{site[person]}", imaged[person]), event(person + 1, "MEDS_DEATH", death[person])]
    images = [
        image(person + 1, str(person), imaged[o], PatientSex=header_sex[o], BodyPartExamined=header_part[o])
        for person, o in enumerate(owner)
    ]
    near = {("C34.1", "BREAST"): 0, ("C50.1", "CHEST"): 0, ("C61", "ABDOMEN"): 0, ("C18.2", "PELVIS"): 0}
    visible = {
        int(p) + 1
        for p in wrong
        if (header_sex[owner[p]] not in (None, sex[p]))
        or (header_part[owner[p]] not in (None, part[site[p]]) and (site[p], header_part[owner[p]]) not in near)
        or imaged[owner[p]] > death[p] + 3 * DAY
    }
    return events(*rows), series(*images), {int(p) + 1 for p in wrong}, visible


def test_planted_wrong_links_are_found() -> None:
    facts, images, wrong, visible = planted(np.random.default_rng(5), 2000, 0.05)
    found = set(check_concordance(facts, images)["subject_id"])
    assert len(visible) > 70
    assert len(found & visible) / len(visible) >= 0.95
    assert len(found - wrong) / (2000 - len(wrong)) < 0.01


def test_pairs_of_samples_are_findings_of_both_persons() -> None:
    columns = ["check", "sample", "other", "finding", "value"]
    rows = [
        ("duplicate", "s1", "s2", "duplicate-suspected", 0.99),
        ("genotype", "s3", "s4", "swap-suspected", -0.02),
        ("genotype", "s3", "s5", "duplicate-suspected", 1.01),
    ]
    subjects = {"s1": 2, "s2": 1, "s3": 3, "s4": 3, "s5": 4}
    findings = of_samples(pl.DataFrame(rows, schema=columns, orient="row"), subjects, "rna")
    assert findings.select("subject_id", "check", "score", "item").rows() == [
        (1, "duplicate", 0.99, "s2"),
        (2, "duplicate", 0.99, "s1"),
        (3, "genotype", 1.0, "s3"),
        (3, "genotype", 1.0, "s3"),
        (3, "genotype", 1.0, "s4"),
        (4, "genotype", 1.0, "s5"),
    ]
    nobody = pl.DataFrame(schema=EVENTS.schema())
    assert check_concordance(nobody, further=findings).equals(findings)
