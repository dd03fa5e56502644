"""The command line on plain files, as a user runs it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from cyclopts import App

from tests.flows.demo import unibase
from tests.imaging.dicom_maker import write_rtstruct, write_series
from unibase.flows.cli.everything import app
from unibase.groundwork.tables import FEATURES


def commands(above: App, prefix: str = "") -> dict[str, App]:
    """Every command by its words, those of groups (`key new`) too."""
    found: dict[str, App] = {}
    for name in sorted(above):
        if not name.startswith("-"):
            inner = commands(above[name], f"{prefix}{name} ")
            found |= inner or {f"{prefix}{name}": above[name]}
    return found


COMMANDS = commands(app)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    made = unibase("key", "new", tmp_path / "study.key")
    assert made.returncode == 0 and (tmp_path / "study.key").stat().st_mode & 0o777 == 0o600
    return tmp_path / "study.key"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_an_example_of_itself(name: str) -> None:
    assert f"unibase {name}" in (COMMANDS[name].help or "")


def test_a_key_in_use_is_never_overwritten(key: Path) -> None:
    before = key.read_bytes()
    again = unibase("key", "new", key)
    assert again.returncode == 1 and "exists" in again.stderr and "Traceback" not in again.stderr
    assert key.read_bytes() == before


def test_an_error_ends_with_the_next_step_and_without_a_traceback(tmp_path: Path) -> None:
    ended = unibase("build", tmp_path / "none.yaml")
    assert ended.returncode == 1
    assert "unibase simulate" in ended.stderr and "Traceback" not in ended.stderr


def test_an_error_of_a_library_is_not_quoted(tmp_path: Path, key: Path) -> None:
    # What no reader expects: the text of the library's error would hold the cell.
    (tmp_path / "tokens.csv").write_text('token\n"Dupont\n', encoding="utf-8")
    ended = unibase("custodian", "subjects", tmp_path / "tokens.csv", tmp_path / "out.csv", "--key-file", key)
    assert ended.returncode == 1, ended.stdout
    assert "Dupont" not in ended.stderr and "Traceback" not in ended.stderr
    assert "Unexpected ComputeError" in ended.stderr and "Report it with this place." in ended.stderr


def test_people_are_linked_across_files(tmp_path: Path, key: Path) -> None:
    head = "identifier,birth_family_name,given_names,birth_date,sex,birth_place_code\n"
    (tmp_path / "north.csv").write_text(head + "1001,LÉVÊQUE,Zoé,1961-04-02,F,75056\n1002,MARTIN,Paul,1950-01-01,M,2A004\n")
    (tmp_path / "south.csv").write_text(head + "77,LEVEQUE,Zoe,1961-04-02,F,75056\n")
    ended = unibase("link", tmp_path / "north.csv", tmp_path / "south.csv", tmp_path / "ledger", "--key-file", key)
    assert ended.returncode == 0, ended.stderr
    assert "3 records are 2 persons" in ended.stdout
    assert "QUE" not in ended.stdout + ended.stderr


def test_regions_shells_and_stability_of_plain_files(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    for number in range(1, 4):
        image = random.normal(100 * number, 10, (10, 32, 32)).astype(np.int16)
        write_series(tmp_path / f"scans/{number}/ct", image, spacing=(1, 1, 2), number=number)
        ring = [np.stack([16 + 6 * np.cos(angles), 16 + 6 * np.sin(angles), np.full(60, 2.0 * z)], axis=1) for z in range(3, 7)]
        write_rtstruct(
            tmp_path / f"scans/{number}/rs.dcm", [("GTV 1", ring), ("Heart", ring)], series=number, number=100 + number
        )
    (tmp_path / "params.yaml").write_text("featureClass: {firstorder: [Mean, Maximum]}\n")
    options = ["--settings", tmp_path / "params.yaml", "--region", "GTV=gtv.*", "--region", "LIVER=liver", "--shell", "0-4"]
    files = ["--regions-csv", tmp_path / "regions.csv", "--robustness", tmp_path / "icc.parquet"]
    ended = unibase("features", tmp_path / "scans", tmp_path / "f.parquet", "--engine", "unibase", *options, *files)
    assert ended.returncode == 0, ended.stderr
    assert "regions: 6 done, 3 missing, 3 not asked for" in ended.stdout
    assert "Heart" not in ended.stdout + ended.stderr
    assert set(pl.read_parquet(tmp_path / "f.parquet")["region"]) == {"GTV", "GTV shell 0-4 mm"}
    listed = pl.read_csv(tmp_path / "regions.csv")
    assert listed.filter(pl.col("status") == "missing")["target"].to_list() == ["LIVER"] * 3
    assert listed.filter(pl.col("status") == "unused")["roi_name"].to_list() == ["Heart"] * 3
    table = pl.read_parquet(tmp_path / "icc.parquet")
    assert table.select("kind", "Modality", "region", "feature").rows() == [
        ("perturbation", "CT", region, feature)
        for region in ("GTV", "GTV shell 0-4 mm")
        for feature in ("firstorder_Maximum", "firstorder_Mean")
    ]
    # Means 100 HU apart withstand the perturbations.
    assert table.filter(pl.col("feature") == "firstorder_Mean")["stable"].to_list() == [True, True]
    wrong = unibase("features", tmp_path / "scans", tmp_path / "f.parquet", "--region", "GTV")
    assert wrong.returncode == 1 and "TARGET=PATTERN" in wrong.stderr


def test_counts_are_normalised_and_what_is_set_aside_is_named(tmp_path: Path) -> None:
    rows = [f"ENSG{g:011d}\t{g * 37 % 101}\t0\t{g * 53 % 211}" for g in range(1, 60)]
    (tmp_path / "counts.tsv").write_text("gene\ta\tempty\tb\n" + "\n".join(rows) + "\n")
    ended = unibase("normalise", tmp_path / "counts.tsv", tmp_path / "out.tsv", "--method", "cpm")
    assert ended.returncode == 0, ended.stderr
    assert "empty-sample" in ended.stderr and "2 samples; 1 set aside" in ended.stdout
    values = pl.read_csv(tmp_path / "out.tsv", separator="\t")
    assert values["a"].sum() == pytest.approx(1e6)


def test_batches_and_the_filter_are_options_of_normalise(tmp_path: Path) -> None:
    names = [f"s{i}" for i in range(8)]
    rows = [f"ENSG{g:011d}\t" + "\t".join(str((g * 7 + i * 13) % 90 + (i > 3) * g) for i in range(8)) for g in range(1, 80)]
    silent = "ENSG00000009999\t" + "\t".join("10000000")
    (tmp_path / "counts.tsv").write_text("\n".join(["gene\t" + "\t".join(names), *rows, silent]) + "\n")
    (tmp_path / "batches.tsv").write_text("sample\tbatch\n" + "".join(f"{n}\t{'ab'[i > 3]}\n" for i, n in enumerate(names)))
    for method in ("combat", "combat-seq"):
        options = ("--batches", tmp_path / "batches.tsv", "--batch-method", method, "--filter-by-expression")
        ended = unibase("normalise", tmp_path / "counts.tsv", tmp_path / f"{method}.tsv", "--method", "logcpm", *options)
        assert ended.returncode == 0, ended.stderr
        values = pl.read_csv(tmp_path / f"{method}.tsv", separator="\t")
        assert "ENSG00000009999" not in values["gene_id"].to_list() and values.columns[1:] == names
    (tmp_path / "batches.tsv").write_text("sample\tbatch\ns0\ta\ns1\ta\n")
    ended = unibase("normalise", tmp_path / "counts.tsv", tmp_path / "no.tsv", "--batches", tmp_path / "batches.tsv")
    assert ended.returncode == 1 and "6 of 8 samples have no batch, s2 the first" in ended.stderr
    assert not (tmp_path / "no.tsv").exists()


def test_features_of_an_image_and_its_mask(tmp_path: Path, real_data: Path) -> None:
    folder = real_data / "pyradiomics"
    out = tmp_path / "features.parquet"
    ended = unibase("features", folder / "breast1_image.nrrd", out, "--mask", folder / "breast1_label.nrrd")
    assert ended.returncode == 0, ended.stderr
    table = pl.read_parquet(out)
    assert table.height == 1 and set(FEATURES.schema()) <= set(table.columns)
    assert table["shape_MeshVolume"][0] > 0


@pytest.mark.slow
def test_a_folder_of_dicom_is_de_identified_and_the_second_run_repeats_nothing(
    tmp_path: Path, key: Path, real_data: Path
) -> None:
    source = real_data / "dicom" / "sts" / "STS_008" / "CT"
    first = unibase("deidentify", source, tmp_path / "clean", "--key-file", key)
    assert first.returncode == 0, first.stderr
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "clean").rglob("*.dcm")}
    assert len(files) == 52 and "52 in = 52 written + 0 quarantined" in first.stdout
    assert unibase("deidentify", source, tmp_path / "clean", "--key-file", key).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "clean").rglob("*.dcm")} == files
    assert b"STS_008" not in b"".join(path.read_bytes() for path in files)


@pytest.mark.slow
def test_clinical_records_become_a_valid_meds_dataset(tmp_path: Path, key: Path, real_data: Path) -> None:
    source = real_data / "clinical/mimic_iv_demo/mimiciv_demo_omop/mimic-iv-demo-omop/0.9/1_omop_data_csv"
    ended = unibase("timeline", source, tmp_path / "timeline", "--from", "omop", "--key-file", key)
    assert ended.returncode == 0, ended.stderr
    assert "of 100 subjects" in ended.stdout
    valid = unibase("records", "validate", tmp_path / "timeline")
    assert (valid.returncode, "valid MEDS 0.4.1" in valid.stdout) == (0, True), valid.stderr
    (tmp_path / "timeline" / "metadata" / "codes.parquet").unlink()
    wrong = unibase("records", "validate", tmp_path / "timeline")
    assert wrong.returncode != 0
    assert "metadata/codes.parquet is absent" in wrong.stderr
    refused = unibase("records", "osiris-rwd", tmp_path / "timeline", tmp_path / "rwd")
    assert "was not read from OSIRIS-RWD" in refused.stderr


def test_every_field_of_a_format_is_told(tmp_path: Path) -> None:
    told = unibase("records", "fields", "osiris-rwd", tmp_path / "fields.csv")
    assert told.returncode == 0, told.stderr
    lines = (tmp_path / "fields.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("table,field,")
    assert any("not mapped" in line for line in lines)


def test_osiris_rwd_comes_back_by_command(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    patients = (
        "PatientId,PatientBirthDateYear,PatientBirthDateMonth,PatientBirthDateDay,PatientGender\n1,1950,03,UN,F\n2,1961,04,02,M\n"
    )
    (tmp_path / "in" / "patient.csv").write_text(patients, encoding="utf-8")
    assert unibase("timeline", tmp_path / "in", tmp_path / "timeline", "--from", "osiris-rwd").returncode == 0
    back = unibase("records", "osiris-rwd", tmp_path / "timeline", tmp_path / "out")
    assert back.returncode == 0, back.stderr
    assert "1,1950,03,UN" in (tmp_path / "out" / "patient.csv").read_text(encoding="utf-8")
