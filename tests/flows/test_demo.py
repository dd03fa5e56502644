"""The whole main job on the simulated hospitals, against the truth that the simulation wrote beside them."""

from __future__ import annotations

import shutil
import signal
import sqlite3
from functools import partial
from pathlib import Path

import polars as pl
import psutil
import pydicom
import pytest

from tests.conftest import Built
from tests.flows import demo
from unibase.clinical.timelines.meds import read_blocks, read_dataset, write_dataset
from unibase.flows.runs.run import open_run
from unibase.flows.stages import link, link_quality, timeline
from unibase.flows.study.places import TIMELINE
from unibase.flows.study.validation import read_study
from unibase.linking.options import COLUMNS
from unibase.privacy.keys import read_key_file
from unibase.privacy.leaks.leak_scan import Needle, scan
from unibase.privacy.ledger.persons import open_lookup
from unibase.simulation.cohort import add_person

# One worker process builds the demo once for all of these.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo"), pytest.mark.timeout(1500)]


def truth(built: Built, table: str) -> pl.DataFrame:
    return pl.read_parquet(built.home / "truth" / f"{table}.parquet")


def linked(built: Built, table: str) -> pl.DataFrame:
    return pl.read_parquet(built.home / "work" / "linked" / f"{table}.parquet")


def subjects_of_persons(built: Built) -> dict[str, int]:
    lookup = open_lookup(built.home / "work" / "vault" / "identity", read_key_file(built.home / "vault.key"))
    return {
        row["person"]: found.subject_id
        for row in truth(built, "links").to_dicts()
        if (found := lookup.find(row["centre"], row["system"], row["identifier"]))
    }


def test_the_run_ends_with_a_release_and_its_page(built: Built) -> None:
    assert (demo.release(built.home) / "report.html").exists()
    assert str(demo.release(built.home)) in built.said
    shown = demo.unibase("open", demo.release(built.home))
    assert shown.returncode == 0 and "cohort.h5mu" in shown.stdout
    assert demo.unibase("verify", demo.release(built.home)).returncode == 0


def test_no_variable_may_bear_the_name_of_a_column_of_subjects(built: Built) -> None:
    own = {
        name
        for name in pl.read_parquet_schema(built.home / "releases" / "uniriv-demo" / "1.0.0" / "tables" / "subjects.parquet")
        if not name.startswith("has_")
    }
    assert own <= COLUMNS


def test_nothing_speaks_to_anyone_outside(built: Built) -> None:
    hosts = {line.split(" ", 1)[1] for line in built.connections}
    assert hosts, "the watch saw no connection at all, not even Dask's"
    assert hosts <= {"127.0.0.1", "localhost", "::1", "b'127.0.0.1'", "None"}, hosts


def test_no_process_stays_behind(built: Built) -> None:
    mine = str(built.home)
    left = [
        process.info["cmdline"]
        for process in psutil.process_iter(["cmdline", "environ"])
        if any(mine in value for value in (process.info["environ"] or {}).values() if isinstance(value, str))
        and "unibase" in " ".join(process.info["cmdline"] or [])
    ]
    assert left == []


def test_the_same_persons_are_linked(built: Built) -> None:
    lookup = open_lookup(built.home / "work" / "vault" / "identity", read_key_file(built.home / "vault.key"))
    pairs = set()
    for row in truth(built, "links").to_dicts():
        found = lookup.find(row["centre"], row["system"], row["identifier"])
        assert found is not None
        pairs.add((row["person"], found.subject_id))
    assert len(pairs) == len({person for person, _ in pairs}) == len({subject for _, subject in pairs})


def test_intervals_are_exact_to_the_day(built: Built) -> None:
    subjects = subjects_of_persons(built)
    index = dict(linked(built, "index").select("subject_id", pl.col("index_time").dt.date()).iter_rows())
    events = read_dataset(built.home / "work" / "staging" / "timeline").filter(pl.col("time").is_not_null())
    codes = {"imaging": "IMAGING//", "sample": "SAMPLE//", "death": "MEDS_DEATH"}
    seen: dict[tuple[int, str], set[int]] = {}
    for subject, code, day in events.select("subject_id", "code", pl.col("time").dt.date()).iter_rows():
        for kind, prefix in codes.items():
            if subject in index and code.startswith(prefix):
                seen.setdefault((subject, kind), set()).add((day - index[subject]).days)
    refused = set(truth(built, "broken").filter(pl.col("kind") == "death-before-diagnosis")["person"])
    checked = 0
    for row in truth(built, "timeline").filter(pl.col("precision") == "day").to_dicts():
        subject = subjects[row["person"]]
        if row["event"] not in codes or subject not in index or (row["event"] == "death" and row["person"] in refused):
            continue
        if (subject, row["event"]) not in seen and row["event"] == "sample":
            continue  # set aside, as another test says
        assert row["days_from_treatment"] in seen[subject, row["event"]], row["event"]
        checked += 1
    assert checked > 40


def test_images_say_their_days_from_the_index(built: Built) -> None:
    subjects = subjects_of_persons(built)
    staging = built.home / "work" / "staging"
    said: dict[int, set[float]] = {}
    for study in pl.read_parquet(staging / "imaging" / "series.parquet").unique("StudyInstanceUID").to_dicts():
        image = pydicom.dcmread(next((staging / study["folder"]).glob("*.dcm")), stop_before_pixels=True)
        if "LongitudinalTemporalOffsetFromEvent" in image:
            assert image.LongitudinalTemporalEventType == "TREATMENT_START"
            said.setdefault(study["subject_id"], set()).add(image.LongitudinalTemporalOffsetFromEvent)
    assert set(said) <= set(linked(built, "index")["subject_id"])
    rows = truth(built, "timeline").filter((pl.col("event") == "imaging") & (pl.col("precision") == "day")).to_dicts()
    checked = [row["days_from_treatment"] in said[subjects[row["person"]]] for row in rows if subjects[row["person"]] in said]
    assert len(checked) > 15 and all(checked)


def test_every_broken_input_is_in_quarantine_under_its_reason(built: Built) -> None:
    quarantine = pl.read_parquet(built.home / "work" / "staging" / "quarantine.parquet")
    wanted = truth(built, "broken").group_by("centre", "reason").len().to_dicts()
    # A series without a slice can neither be measured nor stored: each stage tells it.
    found = dict(quarantine.filter(pl.col("stage") != "images").group_by("reason").len().iter_rows())
    for row in wanted:
        in_centre = quarantine.filter((pl.col("reason") == row["reason"]) & (pl.col("centre") == row["centre"])).height
        assert in_centre >= row["len"], (row, found)
    for kind in (
        "truncated-file",
        "missing-slice",
        "burned-in-annotation",
        "unsupported-object",
        "empty-sample",
        "swapped-samples",
    ):
        expected = truth(built, "broken").filter(pl.col("reason") == kind).height
        assert found.get(kind, 0) == expected, kind


def test_in_is_out_and_quarantined(built: Built) -> None:
    with sqlite3.connect(built.home / "work" / "vault" / "work.sqlite") as ledger:
        for centre in "ABC":
            folder = built.home / f"centre_{centre.lower()}" / "dicom"
            total = sum(path.is_file() for path in folder.rglob("*"))
            rows = dict(
                ledger.execute("SELECT status, count(*) FROM units WHERE stage = ? GROUP BY status", (f"deidentify-{centre}",))
            )
            assert rows["done"] + rows.get("quarantined", 0) == total


def test_planted_associations_are_found(built: Built) -> None:
    subjects = subjects_of_persons(built)
    persons = truth(built, "persons").with_columns(pl.col("person").replace_strict(subjects).alias("subject_id"))
    table = linked(built, "analysis").join(persons, on="subject_id", how="inner")

    def rank_correlation(one: str, two: str) -> float:
        pair = table.select(one, two).drop_nulls()
        assert pair.height >= 10
        return float(pair.select(pl.corr(one, two, method="spearman")).item())

    assert rank_correlation("CT_GTV_original_shape_MeshVolume", "burden") > 0.9
    assert rank_correlation("CT_GTV_original_firstorder_Variance", "heterogeneity") > 0.6
    assert rank_correlation("PT_GTV_original_firstorder_Mean", "heterogeneity") > 0.6
    assert rank_correlation("rna_MKI67", "heterogeneity") > 0.5
    assert rank_correlation("ldh", "burden") > 0.3


def test_measured_volumes_are_those_of_the_phantom(built: Built) -> None:
    subjects = subjects_of_persons(built)
    volumes = truth(built, "imaging").filter((pl.col("visit") == "baseline") & (pl.col("modality") == "CT"))
    volumes = volumes.with_columns(pl.col("person").replace_strict(subjects).alias("subject_id"))
    table = linked(built, "analysis").join(volumes, on="subject_id").drop_nulls("CT_GTV_original_shape_VoxelVolume")
    ratio = table["CT_GTV_original_shape_VoxelVolume"] / table["tumour_mm3"]
    assert table.height >= 10
    assert ((ratio - 1).abs() < 0.06).all()


def test_no_source_identifier_is_in_the_release(built: Built) -> None:
    subjects = subjects_of_persons(built)
    needles = []
    for row in truth(built, "identifiers").to_dicts():
        if row["distinctive"]:
            needles.append(Needle(row["kind"], row["value"]))
    births = truth(built, "persons").select("person", "birth_date").drop_nulls()
    for person, text in births.iter_rows():
        if len(text) == 10:
            needles.append(Needle("date", pl.Series([text]).str.to_date().item(), subjects[person]))
    assert len(needles) > 1000
    findings = scan(demo.release(built.home), needles)
    assert findings == []


def test_the_search_would_have_found_them(built: Built, tmp_path: Path) -> None:
    copy = tmp_path / "release"
    shutil.copytree(demo.release(built.home), copy)
    name = truth(built, "identifiers").filter(pl.col("kind") == "number:ipp")["value"][0]
    frame = pl.read_parquet(copy / "tables" / "subjects.parquet").with_columns(pl.lit(f"seen as {name}").alias("note"))
    frame.write_parquet(copy / "tables" / "subjects.parquet")
    assert scan(copy, [Needle("ipp", name)])


def test_a_log_line_holds_no_identifier(built: Built) -> None:
    distinctive = truth(built, "identifiers").filter("distinctive")["value"].to_list()
    assert [value for value in distinctive if value in built.said] == []


def test_another_day_another_folder_one_worker_the_same_bytes(built: Built, tmp_path: Path) -> None:
    home = demo.copy_sources(built.home, tmp_path / "again")
    study = (home / "study.yaml").read_text(encoding="utf-8")
    (home / "study.yaml").write_text(study.replace("workers: 2", "workers: 1"))
    demo.build(home, "--no-prefect")
    assert demo.files(demo.release(home)) == demo.files(demo.release(built.home))


def test_killed_half_way_it_goes_on_and_ends_the_same(built: Built, tmp_path: Path) -> None:
    home = demo.copy_sources(built.home, tmp_path / "killed")
    with demo.started("build", home / "study.yaml", "--no-prefect") as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("features: ") and not line.startswith(("features: 0 of", "features: 1 of")):
                process.send_signal(signal.SIGKILL)
                break
    before = _finished(home)
    assert any(stage == "features" for stage, _ in before)
    assert not demo.release(home).exists()
    demo.build(home, "--no-prefect")
    after = _finished(home)
    retried = {"unknown-patient"}
    repeated = {unit for unit, (moment, reason) in before.items() if after[unit][0] != moment and reason not in retried}
    assert repeated == set()
    assert demo.files(demo.release(home)) == demo.files(demo.release(built.home))


def _finished(home: Path) -> dict[tuple[str, str], tuple[float, str]]:
    with sqlite3.connect(home / "work" / "vault" / "work.sqlite") as ledger:
        rows = ledger.execute("SELECT stage, key, finished, reason FROM units").fetchall()
    return {(stage, key): (finished, reason) for stage, key, finished, reason in rows}


def test_a_night_processes_only_the_new_patient(built: Built, tmp_path: Path) -> None:
    home = tmp_path / "night"
    shutil.copytree(built.home, home)
    same = demo.build(home, "--no-prefect", "--nightly")
    assert "1.0.0" in same and not demo.release(home, "1.0.1").exists()
    before = _finished(home)
    add_person(home)
    demo.build(home, "--no-prefect", "--nightly")
    after = _finished(home)
    new = {unit for unit, (moment, _) in after.items() if unit not in before or before[unit][0] != moment}
    of_files = {unit for unit in new if unit[0].startswith("deidentify") and after[unit][1] != "unknown-patient"}
    assert of_files and all(stage == "deidentify-A" and (stage, key) not in before for stage, key in of_files)
    assert len([unit for unit in new if unit[0] == "features"]) == 2
    assert not any(unit[0].startswith(("omics-B", "omics-C", "clinical-B", "clinical-C")) for unit in new)
    old = pl.read_parquet(demo.release(home) / "tables" / "features.parquet")
    later = pl.read_parquet(demo.release(home, "1.0.1") / "tables" / "features.parquet")
    assert later["subject_id"].n_unique() == old["subject_id"].n_unique() + 1
    assert later.filter(pl.col("subject_id").is_in(old["subject_id"].implode())).equals(old)
    compared = demo.unibase("diff", demo.release(home), demo.release(home, "1.0.1"))
    assert compared.returncode == 0, compared.stderr


def test_a_patient_that_a_hospital_takes_back_is_in_no_later_release(built: Built, tmp_path: Path) -> None:
    home = tmp_path / "taken-back"
    shutil.copytree(built.home, home)
    features = pl.read_parquet(demo.release(home) / "tables" / "features.parquet")
    mine = features.filter(pl.col("centre") == "A")["subject_id"].min()
    patient = next(
        row["identifier"]
        for row in truth(built, "links").filter((pl.col("centre") == "A") & (pl.col("system") == "ipp")).to_dicts()
        if subjects_of_persons(built)[row["person"]] == mine
    )
    files = sum(path.is_file() for path in (home / "centre_a" / "dicom" / patient).rglob("*"))
    shutil.rmtree(home / "centre_a" / "dicom" / patient)
    said = demo.build(home, "--no-prefect", "--nightly")
    assert f"deidentify-A: {files} no longer in the source" in said
    assert not any((home / "work" / "staging" / "imaging" / "dicom" / str(mine)).rglob("*.dcm"))
    later = pl.read_parquet(demo.release(home, "1.0.1") / "tables" / "features.parquet")
    assert later.equals(features.filter(pl.col("subject_id") != mine))


def test_status_tells_of_every_file(built: Built, tmp_path: Path) -> None:
    shown = demo.unibase("status", built.home / "study.yaml", "--files", tmp_path / "files.csv")
    assert shown.returncode == 0, shown.stderr
    assert "A run is going on: no.   Last release: 1.0.0." in shown.stdout
    files = pl.read_csv(tmp_path / "files.csv")
    assert (tmp_path / "files.csv").stat().st_mode & 0o777 == 0o600
    for centre in "ABC":
        folder = built.home / f"centre_{centre.lower()}" / "dicom"
        sources = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        assert set(files.filter(pl.col("stage") == f"deidentify-{centre}")["unit"]) == sources
    refused = files.filter(pl.col("status") == "quarantined")
    assert refused.height and refused["reason"].null_count() == 0


def test_the_linked_tables_do_not_hang_on_the_blocks_of_subjects(
    built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = shutil.copytree(built.home, tmp_path / "demo", ignore=shutil.ignore_patterns("releases", "dicom"))
    monkeypatch.setattr(timeline, "SUBJECTS_PER_BLOCK", 6)
    monkeypatch.setattr(timeline, "write_dataset", partial(write_dataset, subjects_per_shard=3))
    small = partial(read_blocks, rows=1)
    for stage in (link_quality, link):
        monkeypatch.setattr(stage, "read_blocks", lambda folder, rows=0: small(folder))
    study = read_study(home / "study.yaml")
    with open_run(study) as run:
        timeline.build_timeline(run)
        assert len(list(small(TIMELINE.of(study.work.root)))) > 5
        link.link(run)
    whole, again = (folder / "work" / "linked" for folder in (built.home, home))
    names = [path.name for path in sorted(whole.glob("*.parquet"))]
    assert "quality.parquet" in names and "analysis.parquet" in names
    assert [name for name in names if (whole / name).read_bytes() != (again / name).read_bytes()] == []
