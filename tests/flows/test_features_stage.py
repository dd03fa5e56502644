"""The stage `features` over a small study: lesions, shells, what was matched and missed, and what is stable."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.imaging.dicom_maker import uid, write_rtstruct, write_series
from tests.imaging.test_dose import dose_file
from tests.known_keys import known_key
from unibase.flows.looks.matches import in_words, read_matches
from unibase.flows.runs.run import Run, open_run
from unibase.flows.stages.deidentify import deidentify_centre
from unibase.flows.stages.features import extract_features, stability
from unibase.flows.stages.index import index_series
from unibase.flows.stages.people import resolve_people
from unibase.flows.stages.release_words import describe_columns
from unibase.flows.study.validation import read_study
from unibase.groundwork.files import sha256_folder
from unibase.groundwork.tables import FEATURES, QUARANTINE
from unibase.imaging.tables import DIAGNOSTICS, MAPS, STABILITY
from unibase.privacy.keys import write_key_file

STUDY = """\
study: regions
release: {version: 1.0.0}
key: {file: vault.key}
centres:
  A: {people: people.csv, dicom: dicom}
features:
  settings: params.yaml
  engine: unibase
  regions: {GTV: ["gtv.*"], NODE: ["node.*"]}
  several: each
  shells: [[0, 4]]
  dose: true
  dose_metrics: [Dmean, V20Gy]
  diagnostics: true
  maps: {settings: maps.yaml, form: ome-zarr}
  robustness: {retest_days: 40, perturbations: [{}, {rotation: 5, volume: 0.1}, {noise: 1, contour: 0.5}]}
index: {concept: treatment_start}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    home = tmp_path_factory.mktemp("study")
    random = np.random.default_rng(4)
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)

    def ball(x: float, radius: float) -> list[np.ndarray]:
        return [
            np.stack([x + radius * np.cos(angles), 20 + radius * np.sin(angles), np.full(60, 2.0 * z)], axis=1)
            for z in range(3, 7)
        ]

    for person in range(1, 5):
        for scan in (1, 2):
            number = 10 * person + scan
            image = random.normal(100 * person, 10, (10, 40, 40)).astype(np.int16)
            own = {"patient": f"IPP{person}", "study": 100 + number, "number": number, "SeriesDate": f"202001{10 * scan:02d}"}
            write_series(home / f"dicom/{number}/ct", image, spacing=(1, 1, 2), **own)
            rois = [("GTV left", ball(12, 5)), ("GTV right", ball(28, 4 + person)), ("Heart", ball(20, 3))]
            if person == 4:
                rois = rois[2:]
            marks = {"patient": f"IPP{person}", "study": 100 + number, "number": 500 + number}
            write_rtstruct(home / f"dicom/{number}/rs.dcm", rois, series=number, **marks)
    # The planning CT of two persons has a dose; a dose of another frame of reference goes with nothing.
    for person, frame in ((1, 900), (2, 900), (3, 901)):
        marks = {"PatientID": f"IPP{person}", "SOPInstanceUID": uid(person, 700), "SeriesInstanceUID": uid(person, 600)}
        marks |= {"StudyInstanceUID": uid(100 + 10 * person + 1), "FrameOfReferenceUID": uid(frame)}
        dose_file(home / f"dicom/{10 * person + 1}/rd.dcm", **marks)
    (home / "people.csv").write_text("identifier\n" + "".join(f"IPP{person}\n" for person in range(1, 5)))
    (home / "params.yaml").write_text("featureClass: {firstorder: [Mean, Maximum], shape: [MeshVolume]}\n")
    (home / "maps.yaml").write_text("featureClass: {firstorder: [Mean, Range]}\nvoxelSetting: {kernelRadius: 2}\n")
    (home / "study.yaml").write_text(STUDY)
    write_key_file(known_key("vault.key"), home / "vault.key")
    study = read_study(home / "study.yaml")
    study.work.create()
    with open_run(study) as opened:
        resolve_people(opened)
        deidentify_centre(opened, "A")
        index_series(opened)
        extract_features(opened)
        yield opened


def test_lesions_share_the_name_of_their_target_and_have_shells(run: Run) -> None:
    features = FEATURES.read(run.study.work.staging / "imaging/features.parquet")
    counted = features.filter(Modality="CT").group_by("region", "roi_name").len().sort("region", "roi_name").rows()
    assert counted == [(region, name, 6) for region in ("GTV", "GTV shell 0-4 mm") for name in ("GTV left", "GTV right")]


def test_every_match_and_miss_is_shown_even_where_nothing_matched(run: Run) -> None:
    matches = read_matches(run.study)
    # Two series of the fourth person hold no target at all: they are in quarantine, and still tell their names.
    unmatched = matches.group_by("SeriesInstanceUID").agg((pl.col("status") == "done").any().alias("used"))
    assert unmatched.filter(~pl.col("used")).height == 2
    assert matches.filter(pl.col("status") == "missing")["target"].value_counts().sort("target").rows() == [
        ("GTV", 2),
        ("NODE", 8),
    ]
    said = in_words(matches)
    assert "GTV: 12 done, 2 missing\n    GTV left (6)\n    GTV right (6)" in said
    assert "NODE: 8 missing" in said
    assert "names that no target asked for: 1\n    Heart (8)" in said


def test_stability_over_copies_and_scans_of_the_cohort(run: Run) -> None:
    features = FEATURES.read(run.study.work.staging / "imaging/features.parquet")
    members = features.select("subject_id").unique()
    table = stability(run, members)
    assert table.group_by("kind", "region").len().sort("kind", "region").rows() == [
        ("perturbation", "GTV", 3),
        ("perturbation", "GTV shell 0-4 mm", 3),
    ]
    assert table["persons"].unique().to_list() == [3]
    assert table.filter(pl.col("region") == "GTV")["subjects"].to_list() == [12] * 3
    means = table.filter(pl.col("feature") == "firstorder_Mean")
    assert means["stable"].to_list() == [True, True]
    assert stability(run, members.clear()).equals(STABILITY.empty())


def test_the_dose_of_every_region_stands_in_the_same_table(run: Run) -> None:
    dose = FEATURES.read(run.study.work.staging / "imaging/features.parquet").filter(Modality="RTDOSE")
    assert dose["subject_id"].n_unique() == 2
    assert dose["dose_V20Gy"].is_between(0, 100).all() and dose["dose_Dmean"].is_between(30, 90).all()
    aside = QUARANTINE.read(run.quarantine_file("features")).filter(pl.col("reason") == "no-dose")
    assert aside.height == 1


def test_maps_and_diagnostics_stand_beside_the_features(run: Run) -> None:
    folder = run.study.work.staging / "imaging"
    features, maps = FEATURES.read(folder / "features.parquet"), MAPS.read(folder / "maps.parquet")
    drawn = features.filter(Modality="CT", region="GTV")
    assert maps.height == 2 * drawn.height and maps["kernel_radius"].unique().to_list() == [2]
    assert set(maps.select("subject_id", "source_digest").rows()) == set(drawn.select("subject_id", "source_digest").rows())
    for file, digest in maps.select("file", "digest").unique().rows():
        assert sha256_folder(folder / file) == digest
    told = DIAGNOSTICS.read(folder / "diagnostics.parquet")
    with_shells = features.filter(Modality="CT")
    assert set(told.select("region", "source_digest").rows()) == set(with_shells.select("region", "source_digest").rows())
    volume = drawn.join(told, on=["region", "source_digest"])
    assert volume.filter(pl.col("diagnostics_Mask-original_VoxelNum") < 50).is_empty()


def test_what_is_no_more_asked_for_is_removed(run: Run) -> None:
    folder = run.study.work.staging / "imaging"
    assert run.study.features is not None
    less = run.study.features.model_copy(update={"diagnostics": False, "maps": None})
    extract_features(replace(run, study=run.study.model_copy(update={"features": less})))
    assert not list((folder / "features").glob("*/*")) and not (folder / "maps.parquet").exists()
    assert not (folder / "diagnostics.parquet").exists() and list((folder / "features").glob("*.parquet"))
    extract_features(run)
    assert MAPS.read(folder / "maps.parquet").height


def test_a_second_run_does_nothing_again(run: Run) -> None:
    assert not any(outcome.repeated for outcome in extract_features(run))


def test_columns_of_ibsi_mode_are_described(run: Run, tmp_path: Path) -> None:
    windows = run.study.windows.model_validate({"imaging": {}})
    study = run.study.model_copy(update={"windows": windows, "workspace": str(tmp_path)})
    frame = FEATURES.read(run.study.work.staging / "imaging/features.parquet")
    FEATURES.write(frame.with_columns(cm_joint_entr_3D_avg=1.0), tmp_path / "staging/imaging/features.parquet")
    analysis = pl.DataFrame({"CT_GTV_original_cm_joint_entr_3D_avg": [1.0], "CT_GTV_original_shape_MeshVolume": [2.0]})
    (words,) = describe_columns(Run(study, run.key, run.ledger), analysis.columns)
    told = dict(words.filter(pl.col("table") == "analysis").select("column", "codes").iter_rows())
    assert told["CT_GTV_original_cm_joint_entr_3D_avg"] == "IBSI TU9B"
    assert told["CT_GTV_original_shape_MeshVolume"] == "IBSI RNU0"


def test_what_a_reviewer_refuses_leaves_the_features_and_nothing_is_measured_again(run: Run) -> None:
    before = FEATURES.read(run.study.work.staging / "imaging/features.parquet")
    digest = before.filter(pl.col("roi_name") == "GTV left")["source_digest"][0]
    (run.study.file.parent / "verdicts.csv").write_text(f"source_digest,verdict\n{digest},refuse\n{'f' * 20},keep\n")
    assert run.study.features is not None
    decided = run.study.model_copy(update={"features": run.study.features.model_copy(update={"verdicts": "verdicts.csv"})})
    said: list[str] = []
    outcomes = extract_features(replace(run, study=decided, say=said.append))
    assert not any(outcome.repeated for outcome in outcomes)
    after = FEATURES.read(run.study.work.staging / "imaging/features.parquet")
    # With its shell, and the dose of both.
    assert after.equals(before.filter(pl.col("source_digest") != digest)) and before.height - after.height == 4
    aside = pl.read_parquet(run.quarantine_file("features")).filter(pl.col("reason") == "refused-by-reviewer")
    assert aside["centre"].to_list() == ["A"] * 4
    assert read_matches(run.study).filter(pl.col("reason") == "refused-by-reviewer")["status"].to_list() == ["refused"] * 2
    assert any("verdicts that name no region" in line and "rows 2" in line for line in said)
    extract_features(run)
