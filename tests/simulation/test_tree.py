"""The tree as a whole: same bytes, what contracts ask, truth that agrees with the files."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from ruamel.yaml import YAML

from unibase.simulation.cohort import add_person, simulate
from unibase.simulation.invented_persons import ROLES, make_person
from unibase.simulation.truth import SCHEMAS


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def truth(folder: Path, table: str) -> pl.DataFrame:
    return pl.read_parquet(folder / "truth" / f"{table}.parquet")


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_counts(path: Path) -> pl.DataFrame:
    return pl.read_csv(gzip.decompress(path.read_bytes()), separator="\t")


def test_same_seed_and_options_give_the_same_bytes(tmp_path: Path) -> None:
    options = {"persons": 8, "genes": 60}
    simulate(tmp_path / "one", **options)  # type: ignore[arg-type]
    simulate(tmp_path / "two", **options)  # type: ignore[arg-type]
    simulate(tmp_path / "other", seed=7, imaging=False, **options)  # type: ignore[arg-type]
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    one, other = digests(tmp_path / "one"), digests(tmp_path / "other")
    assert one["centre_a/people.csv"] != other["centre_a/people.csv"]


def test_a_folder_with_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("mine")
    with pytest.raises(FileExistsError):
        simulate(tmp_path, persons=1)
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]


@pytest.mark.parametrize("options", [{"persons": 0}, {"centres": 0}, {"genes": 0}, {"centres": 703}])
def test_options_out_of_range_are_refused(tmp_path: Path, options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        simulate(tmp_path / "x", **options)  # type: ignore[arg-type]
    assert not (tmp_path / "x").exists()


def test_the_study_file_names_what_is_there(tree: Path) -> None:
    study = YAML(typ="safe").load(tree / "study.yaml")
    assert list(study["centres"]) == ["A", "B", "C"]
    for centre in study["centres"].values():
        for path in (centre.get("people"), centre["dicom"], centre["clinical"]["path"]):
            assert path is None or (tree / path).exists()
        for assay in centre["omics"].values():
            for pattern in assay.values():
                assert list(tree.glob(pattern)), pattern
    assert [c["clinical"]["format"] for c in study["centres"].values()] == ["omop", "fhir", "osiris-rwd"]
    rois = truth(tree, "imaging")["target_roi"].unique().to_list()
    patterns = study["features"]["regions"]["GTV"]
    assert all(any(re.fullmatch(p, roi, re.IGNORECASE) for p in patterns) for roi in rois)
    assert not any(re.fullmatch(p, other, re.IGNORECASE) for p in patterns for other in ("Lung_L", "Poumon G"))
    assert YAML(typ="safe").load(tree / study["features"]["settings"])["setting"]["binCount"] == 32


def test_every_truth_table_is_there(tree: Path) -> None:
    for name, schema in SCHEMAS.items():
        frame = truth(tree, name)
        assert frame.columns == schema.names
        # Wrong links are planted, and series of several volumes written, only where they are asked for.
        assert frame.height or name in ("wrong_links", "wrong_series", "misplaced", "volumes"), name


def test_hospital_numbers_tie_the_sources_together(tree: Path) -> None:
    links = truth(tree, "links")
    ipp = {(c, i) for c, i in links.filter(pl.col("system") == "ipp").select("centre", "identifier").iter_rows()}
    for centre in "ABC":
        folder = tree / f"centre_{centre.lower()}"
        sheet = {(centre, row["patient"]) for row in read_csv(folder / "omics" / "samples.csv")}
        assert sheet <= ipp
        archive = {(centre, path.name) for path in (folder / "dicom").iterdir()}
        assert archive - ipp == ({("A", "QC-FANTOME-A")} if centre == "A" else set())
    people = read_csv(tree / "centre_a" / "people.csv")
    persons = {row["person_id"]: row["person_source_value"] for row in read_csv(tree / "centre_a" / "omop" / "person.csv")}
    by_key = {row["person_key"]: row["identifier"] for row in people if row["system"] == "omop"}
    assert {number: key for key, number in by_key.items()} == persons
    patients = [
        json.loads(line) for line in (tree / "centre_b" / "fhir" / "Patient.ndjson").read_text(encoding="utf-8").splitlines()
    ]
    assert {("B", p["identifier"][0]["value"]) for p in patients} == {pair for pair in ipp if pair[0] == "B"}
    osiris = {("C", row["numero_patient"]) for row in read_csv(tree / "centre_c" / "osiris_rwd" / "01_identification.csv")}
    assert osiris == {pair for pair in ipp if pair[0] == "C"}
    assert all(number.startswith("00") for _, number in osiris), "leading zeros are a trap that must stay"


def test_some_persons_attend_two_centres(tree: Path) -> None:
    links = truth(tree, "links").filter(pl.col("system") == "ipp")
    several = links.group_by("person").agg(pl.col("centre").n_unique(), pl.col("variant")).filter(pl.col("centre") == 2)
    assert several.height == 3
    assert set(several["variant"].explode()) == {"", "same-ins", "used-name-no-ins", "typo-no-ins"}


def test_modalities_lack_where_the_truth_says_so(tree: Path) -> None:
    persons = truth(tree, "persons")
    for column in ("has_ct", "has_pet", "has_rna", "has_mutations", "treated"):
        assert persons[column].sum() < persons.height, column
        assert persons[column].sum() >= 14, column
    images = truth(tree, "imaging").filter(pl.col("visit") == "baseline")
    for modality, column in (("CT", "has_ct"), ("PT", "has_pet")):
        seen = set(images.filter(pl.col("modality") == modality)["person"])
        assert seen == set(persons.filter(pl.col(column))["person"])


def test_counts_are_as_the_samples_say(tree: Path) -> None:
    samples = truth(tree, "samples")
    broken = truth(tree, "broken")
    empty = set(broken.filter(pl.col("reason") == "empty-sample")["unit"])
    for centre in "ABC":
        counts = read_counts(tree / f"centre_{centre.lower()}" / "omics" / "counts.tsv.gz")
        assert counts.columns[:2] == ["gene_id", "gene_name"]
        assert counts["gene_id"].n_unique() == counts.height == 200
        expected = set(samples.filter((pl.col("centre") == centre) & pl.col("in_rna"))["sample"])
        assert set(counts.columns[2:]) == expected
        totals = counts.select(pl.col(counts.columns[2:]).sum()).row(0, named=True)
        assert {name for name, total in totals.items() if total == 0} == {s for s in empty if s in totals}


def test_sex_genes_tell_the_swapped_samples_and_no_others(tree: Path) -> None:
    samples = truth(tree, "samples").join(truth(tree, "persons").select("person", "sex"), on="person")
    broken = truth(tree, "broken")
    swapped = set(broken.filter(pl.col("reason") == "swapped-samples")["unit"])
    assert len(swapped) == 2
    called = {}
    for centre in "ABC":
        counts = read_counts(tree / f"centre_{centre.lower()}" / "omics" / "counts.tsv.gz")
        genes = dict(zip(counts["gene_name"], counts.select(counts.columns[2:]).iter_rows(), strict=True))
        for k, name in enumerate(counts.columns[2:]):
            if sum(row[k] for row in genes.values()):
                called[name] = "F" if genes["XIST"][k] > sum(genes[g][k] for g in ("RPS4Y1", "DDX3Y", "KDM5D")) else "M"
    recorded = dict(samples.select("sample", "sex").iter_rows())
    assert {name for name, sex in called.items() if recorded[name] != sex} == swapped


def test_mutations_are_of_profiled_samples(tree: Path) -> None:
    samples = truth(tree, "samples")
    for centre in "ABC":
        folder = tree / f"centre_{centre.lower()}" / "omics"
        lines = gzip.decompress((folder / "mutations.maf.gz").read_bytes()).decode().splitlines()
        assert lines[0] == "#version 2.4"
        rows = list(csv.DictReader(lines[1:], delimiter="\t"))
        profiled = set((folder / "profiled.txt").read_text(encoding="utf-8").split())
        assert profiled == set(samples.filter((pl.col("centre") == centre) & pl.col("in_mutations"))["sample"])
        assert {row["Tumor_Sample_Barcode"] for row in rows} <= profiled
        for row in rows:
            assert int(row["t_ref_count"]) + int(row["t_alt_count"]) == int(row["t_depth"])
            assert int(row["End_Position"]) >= int(row["Start_Position"])


def test_true_dates_are_in_the_sources(tree: Path) -> None:
    timeline = truth(tree, "timeline").join(truth(tree, "persons").select("person"), on="person")
    at = {(p, e): d for p, e, d in timeline.select("person", "event", "date").iter_rows()}
    numbers = {
        (centre, identifier): person
        for person, centre, identifier in truth(tree, "links")
        .filter(pl.col("system").is_in(["omop", "osiris"]))
        .select("person", "centre", "identifier")
        .iter_rows()
    }
    first: dict[str, str] = {}
    for row in read_csv(tree / "centre_a" / "omop" / "drug_exposure.csv"):
        person = numbers["A", row["person_id"]]
        first[person] = min(first.get(person, "9"), row["drug_exposure_start_date"])
    assert first
    assert all(at[person, "treatment"] == day for person, day in first.items())
    precise = dict(timeline.filter(pl.col("event") == "diagnosis").select("person", "precision").iter_rows())
    cut = {"day": 10, "month": 7, "month-un": 7, "year": 4}
    for row in read_csv(tree / "centre_c" / "osiris_rwd" / "08_tumeur_primitive.csv"):
        person = numbers["C", row["numero_patient"]]
        shown = row["date_diagnostic"].removesuffix("/UN").replace("/", "-")
        assert shown == at[person, "diagnosis"][: cut[precise[person]]]
    assert set(precise.values()) == {"day", "month", "month-un", "year"}


def test_broken_inputs_are_really_broken(tree: Path) -> None:
    broken = truth(tree, "broken")
    assert set(broken["reason"]) == {
        "truncated-file", "missing-slice", "empty-sample", "swapped-samples", "impossible-date", "burned-in-annotation",
        "unsupported-object", "unknown-patient",
    }  # fmt: skip
    for row in broken.iter_rows(named=True):
        path = tree / row["path"]
        assert path.exists()
        if row["reason"] == "impossible-date":
            number = int(row["unit"].split(" row ")[1])
            line = path.read_text(encoding="utf-8").splitlines()[number - (path.suffix == ".ndjson")]
            if row["kind"] == "impossible-day":
                assert re.search(r"2021[-/]02[-/]30", line)
            else:
                diagnosed = truth(tree, "timeline").filter(
                    (pl.col("person") == row["person"]) & (pl.col("event") == "diagnosis")
                )["date"]
                assert line.split(",")[1] < diagnosed.item()


def test_without_broken_inputs_nothing_is_broken(tmp_path: Path) -> None:
    simulate(tmp_path / "whole", persons=6, genes=50, imaging=False, broken=False)
    assert truth(tmp_path / "whole", "broken").is_empty()
    assert "2021-02-30" not in (tmp_path / "whole" / "centre_a" / "omop" / "measurement.csv").read_text(encoding="utf-8")


def test_one_night_adds_one_person_and_only_appends(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "night"
    shutil.copytree(tree, out)
    before = digests(out)
    name = add_person(out)
    after = digests(out)
    persons = truth(out, "persons")
    assert persons.height == truth(tree, "persons").height + 1
    assert persons["person"][-1] == name
    assert (
        persons.filter(pl.col("person") == name).select("has_ct", "has_pet", "has_rna", "has_mutations", "treated").row(0)
        == (True,) * 5
    )
    for path in (p for p in before if before[p] != after[p] and not p.startswith("truth/")):
        assert (out / path).read_bytes().startswith((tree / path).read_bytes()), path
        assert path.startswith("centre_a/")
    new = {path for path in after if path not in before}
    assert {path for path in new if "/dicom/" not in path} == {
        "centre_a/omics/counts_2.tsv.gz",
        "centre_a/omics/mutations_2.maf.gz",
    }
    assert len({path.split("/")[2] for path in new if "/dicom/" in path}) == 1
    assert read_counts(out / "centre_a/omics/counts_2.tsv.gz").width == 3
    second = add_person(out)
    assert second != name
    assert (out / "centre_a/omics/counts_3.tsv.gz").exists()
    identifiers = truth(out, "links").filter(pl.col("system") == "ipp").select("centre", "identifier")
    assert identifiers.n_unique() == identifiers.height


def test_a_person_is_a_function_of_seed_and_number() -> None:
    assert make_person(1, 5, ("A", "B")) == make_person(1, 5, ("A", "B"))
    assert make_person(1, 5, ("A", "B")) != make_person(2, 5, ("A", "B"))


def test_courses_make_sense() -> None:
    centres = ("A", "B", "C")
    for index in range(300):
        course = make_person(3, index, centres).course
        for later, earlier in (
            (course.treatment, course.diagnosis), (course.treatment, course.imaging), (course.diagnosis, course.sample),
            (course.progression, course.treatment), (course.death, course.progression), (course.last_contact, course.progression),
            (course.last_contact, course.follow_up_imaging),
        ):  # fmt: skip
            assert later is None or earlier is None or later >= earlier
        assert course.death in (None, course.last_contact)
        assert all(course.diagnosis <= lab.day <= course.last_contact for lab in (*course.labs, *course.late_labs))
        assert (course.treatment is None) == (index % ROLES == 15)


def test_planted_associations_hold_in_the_large() -> None:
    """At 1,500 persons Spearman's rho of what was planted has the sign and is far from 0, and unplanted pairs are not."""
    from scipy.stats import spearmanr

    people = [make_person(11, k, ("A", "B", "C")) for k in range(1500)]
    latent = {name: np.array([getattr(p.latents, name) for p in people]) for name in ("burden", "heterogeneity", "inflammation")}
    ldh = np.array([p.course.labs[0].value for p in people])
    crp = np.array([p.course.labs[3].value for p in people])
    size = np.array([p.course.tumour_mm for p in people])
    assert spearmanr(latent["burden"], ldh).statistic > 0.9
    assert spearmanr(latent["burden"], size).statistic > 0.95
    assert spearmanr(latent["inflammation"], crp).statistic > 0.9
    assert abs(spearmanr(latent["heterogeneity"], ldh).statistic) < 0.1
    hazard = np.array([p.latents.log_hazard for p in people])
    died = np.array([p.course.death is not None for p in people])
    assert hazard[died].mean() - hazard[~died].mean() > 0.8


def test_twins_attend_two_hospitals(tree: Path) -> None:
    persons = truth(tree, "persons")
    (twin,) = persons.filter(pl.col("twin_of") != "").iter_rows(named=True)
    other = persons.filter(pl.col("person") == twin["twin_of"]).row(0, named=True)
    assert twin["birth_date"] == other["birth_date"]
    assert twin["centre"] != other["centre"]
    assert twin["ins"] != other["ins"]


def test_something_newer_than_the_index_waits_in_every_modality(tree: Path) -> None:
    """Look-ahead must have something to fall for: images, samples and results after the treatment began."""
    start = dict(truth(tree, "timeline").filter(pl.col("event") == "treatment").select("person", "date").iter_rows())
    samples = truth(tree, "samples")
    assert any(row["collected"] > start.get(row["person"], "9") for row in samples.iter_rows(named=True))
    assert truth(tree, "imaging").filter(pl.col("visit").is_in(["follow-up", "elsewhere"])).height >= 2
    people = [make_person(2026, k, ("A", "B", "C")) for k in range(20)]
    assert all(p.course.treatment is None or p.course.labs[-1].day > p.course.treatment for p in people)


def test_identifiers_leave_memory_without_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"persons": 90, "genes": 40, "imaging": False}
    simulate(tmp_path / "at-once", **options)  # type: ignore[arg-type]
    monkeypatch.setattr("unibase.simulation.truth.IDENTIFIERS_IN_MEMORY", 50)
    simulate(tmp_path / "streamed", **options)  # type: ignore[arg-type]
    at_once, streamed = (set(truth(tmp_path / name, "identifiers").iter_rows()) for name in ("at-once", "streamed"))
    assert streamed == at_once
    assert truth(tmp_path / "streamed", "identifiers").height == len(streamed)


def test_eighteen_centres_take_turns(tmp_path: Path) -> None:
    simulate(tmp_path / "many", persons=40, genes=40, centres=18, imaging=False)
    folders = sorted(path.name for path in (tmp_path / "many").iterdir() if path.name.startswith("centre_"))
    assert len(folders) == 18
    study = YAML(typ="safe").load(tmp_path / "many" / "study.yaml")
    assert len(study["centres"]) == 18
    assert "features" not in study
    assert not list((tmp_path / "many").rglob("*.dcm"))
