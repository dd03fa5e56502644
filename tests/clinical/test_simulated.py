"""The three simulated centres against the truth written beside them."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.clinical.conftest import lookup_of
from tests.clinical.whole import Told, read_events
from unibase.clinical.derived.endpoints import derive
from unibase.clinical.formats.registrations import read_people
from unibase.clinical.timelines import meds
from unibase.clinical.timelines.centre import TimelineTask
from unibase.clinical.words.concepts import Concepts
from unibase.groundwork.files import sha256_folder

CENTRES: list[tuple[str, str, str]] = [
    ("A", "omop", "centre_a/omop"),
    ("B", "fhir", "centre_b/fhir"),
    ("C", "osiris-rwd", "centre_c/osiris_rwd"),
]


def read(simulated: Path, centre: str, format: str, folder: str) -> tuple[Told, pl.DataFrame]:
    people = read_people(format, simulated / folder, centre)
    result = read_events(TimelineTask(format, simulated / folder, centre, lookup_of(people)))
    subjects = people.select("identifier", "person_key", "system").filter(pl.col("system") == "ipp")
    numbers = {key: number for number, key in enumerate(sorted(people["person_key"].unique()), start=1001)}
    return result, subjects.with_columns(pl.col("person_key").replace_strict(numbers).alias("subject_id"))


def truth_of(simulated: Path, centre: str, subjects: pl.DataFrame) -> pl.DataFrame:
    timeline = pl.read_parquet(simulated / "truth" / "timeline.parquet").filter(pl.col("centre") == centre)
    links = pl.read_parquet(simulated / "truth" / "links.parquet")
    ipp = links.filter((pl.col("system") == "ipp") & (pl.col("centre") == centre)).select("person", "identifier")
    return timeline.join(ipp, on="person").join(subjects.select("identifier", "subject_id"), on="identifier")


@pytest.mark.parametrize(("centre", "format", "folder"), CENTRES)
def test_every_interval_is_exact_to_the_day(simulated: Path, centre: str, format: str, folder: str) -> None:
    result, subjects = read(simulated, centre, format, folder)
    truth = truth_of(simulated, centre, subjects).filter(
        (pl.col("precision") == "day") & pl.col("days_from_treatment").is_not_null()
    )
    concepts = Concepts.default()
    first = {
        name: concepts.select(result.events, name)
        .filter(pl.col("time").is_not_null())
        .group_by("subject_id")
        .agg(pl.col("time").min().dt.date())
        for name in ("treatment_start", "cancer_diagnosis", "progression", "death")
    }
    starts = dict(first["treatment_start"].iter_rows())
    partial_start = set(concepts.select(result.events, "treatment_start").filter(pl.col("time").is_null())["subject_id"])
    checked = 0
    for event, concept in (("diagnosis", "cancer_diagnosis"), ("progression", "progression"), ("death", "death")):
        found = dict(first[concept].iter_rows())
        for row in truth.filter(pl.col("event") == event).iter_rows(named=True):
            if row["subject_id"] in partial_start:
                continue
            assert (found[row["subject_id"]] - starts[row["subject_id"]]).days == row["days_from_treatment"]
            checked += 1
    assert checked > 20


@pytest.mark.parametrize(("centre", "format", "folder"), CENTRES)
def test_overall_survival_is_the_truth(simulated: Path, centre: str, format: str, folder: str) -> None:
    result, subjects = read(simulated, centre, format, folder)
    truth = truth_of(simulated, centre, subjects)
    concepts = Concepts.default()
    treated = concepts.select(result.events, "treatment_start")
    index = treated.filter(pl.col("time").is_not_null()).group_by("subject_id").agg(pl.col("time").min())
    index = index.join(treated.filter(pl.col("time").is_null()), on="subject_id", how="anti")
    survival = {row["subject_id"]: row for row in derive(result.events, index, "OS").iter_rows(named=True)}
    two_centres = _in_two_centres(simulated)
    compared = 0
    for subject, row in survival.items():
        facts: dict[str, dict[str, Any]] = {
            one["event"]: one for one in truth.filter(pl.col("subject_id") == subject).iter_rows(named=True)
        }
        if facts["treatment"]["person"] in two_centres:
            continue
        if "death" in facts:
            assert row["CNSR"] == 0
            assert row["AVAL"] == facts["death"]["days_from_treatment"] + 1
        else:
            last = facts["last_contact"]
            assert row["CNSR"] == 1
            assert row["AVAL_MIN"] <= last["days_from_treatment"] + 1 <= row["AVAL_MAX"]
            assert (row["AVAL"] is not None) == (last["precision"] == "day")
        compared += 1
    assert compared > 10


def _in_two_centres(simulated: Path) -> set[str]:
    links = pl.read_parquet(simulated / "truth" / "links.parquet")
    return set(links.group_by("person").agg(pl.col("centre").n_unique()).filter(pl.col("centre") > 1)["person"])


@pytest.mark.parametrize(("centre", "format", "folder"), CENTRES)
def test_broken_rows_are_reported_and_every_row_is_accounted_for(simulated: Path, centre: str, format: str, folder: str) -> None:
    result, _ = read(simulated, centre, format, folder)
    broken = pl.read_parquet(simulated / "truth" / "broken.parquet")
    broken = broken.filter((pl.col("centre") == centre) & pl.col("path").str.contains(folder.split("/")[1]))
    assert broken.height
    for unit, reason in broken.select("unit", "reason").iter_rows():
        number = unit.split()[-1]
        hits = result.problems.filter(pl.col("unit").str.contains(f"#{number}/") & (pl.col("reason") == reason))
        assert hits.height == 1, unit
    account = result.account
    assert account.filter(pl.col("rows") != pl.col("used") + pl.col("refused") + pl.col("silent")).is_empty()
    assert account["silent"].sum() == 0
    assert set(account["events"]) == set(result.events.group_by("source").len()["len"]) | ({0} & set(account["events"]))


@pytest.mark.parametrize(("centre", "format", "folder"), CENTRES)
def test_no_identifier_passes(simulated: Path, centre: str, format: str, folder: str, tmp_path: Path) -> None:
    result, subjects = read(simulated, centre, format, folder)
    meds.write_dataset(result.events, tmp_path / "meds", problems=result.problems, account=result.account)
    assert meds.validate_dataset(tmp_path / "meds") == []
    identifiers = pl.read_parquet(simulated / "truth" / "identifiers.parquet").filter(pl.col("centre") == centre)
    texts: set[str] = set()
    for frame in (result.events, result.problems):
        for column in frame.select(pl.col(pl.String)):
            texts |= set(column.drop_nulls().unique())
    everything = "\n".join(sorted(texts))
    for kind, value in identifiers.select("kind", "value").unique().iter_rows():
        if len(value) >= 6:
            assert value not in everything, kind
    births = {
        row["identifier"]: row["birth_date"]
        for row in read_people(format, simulated / folder, centre).filter(pl.col("system") == "ipp").iter_rows(named=True)
    }
    shifted = dict(
        result.events.filter(pl.col("code") == "MEDS_BIRTH").select("subject_id", pl.col("time").dt.date()).iter_rows()
    )
    assert shifted
    for identifier, subject in subjects.select("identifier", "subject_id").iter_rows():
        assert shifted[subject] != date.fromisoformat(births[identifier])


def test_reading_twice_gives_the_same_bytes(simulated: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        result, _ = read(simulated, *CENTRES[2])
        meds.write_dataset(
            result.events.sample(fraction=1.0, shuffle=True, seed=len(name)), tmp_path / name, subjects_per_shard=5
        )
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*.parquet"))
    assert len(files) > 3
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_a_dataset_written_and_read_by_blocks_is_the_same(simulated: Path, tmp_path: Path) -> None:
    result, _ = read(simulated, *CENTRES[2])
    subjects = result.events["subject_id"].unique().sort()
    cuts = [subjects[start : start + 10] for start in range(0, len(subjects), 10)]
    assert len(cuts) > 2
    blocks = (result.events.filter(pl.col("subject_id").is_between(cut[0], cut[-1])) for cut in cuts)
    meds.write_dataset(result.events, tmp_path / "whole", subjects_per_shard=5)
    meds.write_dataset(blocks, tmp_path / "blocks", subjects_per_shard=5)
    assert sha256_folder(tmp_path / "whole") == sha256_folder(tmp_path / "blocks")
    events = meds.read_dataset(tmp_path / "whole")
    for rows in (1, 300, 10**9):
        parts = list(meds.read_blocks(tmp_path / "whole", rows))
        assert pl.concat(part.events for part in parts).equals(events)
        elsewhere = pl.DataFrame({"primary": [-(2**63) + 1, *subjects, 2**63 - 1]})
        assert pl.concat(part.of(elsewhere, "primary") for part in parts).equals(elsewhere)
    assert len(list(meds.read_blocks(tmp_path / "whole", 1))) == len(list((tmp_path / "whole" / "data").iterdir()))


def test_the_same_stage_and_laboratory_values_in_every_format(simulated: Path) -> None:
    concepts = Concepts.default()
    values: dict[str, set[str]] = {}
    for centre, format, folder in CENTRES:
        result, _ = read(simulated, centre, format, folder)
        values[centre] = set(concepts.select(result.events, "stage")["text_value"].drop_nulls())
        for name, unit in (("ldh", "U/L"), ("haemoglobin", "g/dL"), ("albumin", "g/L"), ("crp", "mg/L")):
            found = concepts.select(result.events, name)
            assert found.height > 20
            assert found["unit"].unique().to_list() == [unit]
            assert found["numeric_value"].null_count() == 0
    assert all(stage <= {"IA", "IB", "IIA", "IIB", "IIIA", "IIIB", "IVA", "IVB"} for stage in values.values())


def test_people_of_a_fhir_source(simulated: Path) -> None:
    people = read_people("fhir", simulated / "centre_b" / "fhir", "B")
    assert {"ipp", "fhir", "ins"} == set(people["system"])
    ins = people.filter(pl.col("system") == "ins")
    assert (ins["ins"] == ins["identifier"]).all()
    assert ins["identifier"].str.len_chars().unique().to_list() == [15]
    persons = pl.read_parquet(simulated / "truth" / "persons.parquet")
    assert people["birth_date"].str.contains(r"^\d{4}-\d{2}-\d{2}$").all()
    assert set(people["sex"]) <= set(persons["sex"])
    assert people["birth_family_name"].null_count() == people["given_names"].null_count() == 0
