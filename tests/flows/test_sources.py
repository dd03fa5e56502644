"""One rule for a source that cannot be read, in every room: the night stops, the last release stays, nothing is mixed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from tests.flows.small_study import write_records, write_study
from tests.known_keys import known_key
from unibase.flows.looks.quarantine import quarantine_text
from unibase.flows.looks.status import status_text
from unibase.flows.runs.pipeline import STAGES, stage
from unibase.flows.runs.run import open_run
from unibase.flows.runs.versions import publish_next
from unibase.flows.stages.release import publish
from unibase.flows.study.named_sources import check_sources
from unibase.flows.study.validation import read_study
from unibase.groundwork.problems import UserError
from unibase.privacy.keys import write_key_file
from unibase.simulation.cohort import simulate

pytestmark = [pytest.mark.slow]


def night(home: Path) -> tuple[Path, list[str]]:
    """Build as the scheduled flow does; return the release and what was said."""
    said: list[str] = []
    study = read_study(home / "study.yaml")
    study.work.create()
    check_sources(study)
    with open_run(study, say=said.append) as run:
        for one in STAGES:
            one(run)
        return publish_next(run), said


def cut_records(home: Path) -> None:
    """An export that broke off inside its header."""
    (home / "records" / "acts.csv").write_text("ip", encoding="utf-8")


def cut_table(home: Path) -> None:
    """A Parquet file of which the copy broke off."""
    cut = home / "records" / "acts.parquet"
    pl.DataFrame({"ipp": ["IPP001"], "day": ["2019-03-02"], "act": ["SURGERY"]}).write_parquet(cut)
    cut.write_bytes(cut.read_bytes()[:100])
    (home / "records" / "acts.csv").unlink()


def no_records(home: Path) -> None:
    shutil.rmtree(home / "records")


def header_alone(home: Path) -> None:
    (home / "records" / "acts.csv").write_text("ipp,day,act\n", encoding="utf-8")


def unmount(home: Path) -> None:
    """A share that is not mounted: the folder is there and holds nothing."""
    shutil.rmtree(home / "dicom")
    (home / "dicom").mkdir()


def cut_images(home: Path) -> None:
    for file in (home / "dicom").iterdir():
        file.write_bytes(file.read_bytes()[:200])


def no_people(home: Path) -> None:
    (home / "people.csv").write_text("identifier\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (cut_records, r"centres\.A\.clinical: Table acts has no column ipp"),
        (cut_table, r"centres\.A\.clinical: "),
        (header_alone, r"centres\.A\.clinical: It gives nothing, and gave something before"),
        (no_records, r"centres\.A\.clinical\.path: nothing at .*records"),
        (unmount, r"centres\.A\.dicom: It gives nothing, and gave something before"),
        (cut_images, r"centres\.A\.dicom: It gives nothing, and gave something before"),
        (no_people, r"centres\.A\.people: It gives nothing, and gave something before"),
    ],
)
def test_a_source_that_gives_nothing_stops_the_night(tmp_path: Path, harm: Callable[[Path], None], said: str) -> None:
    home = write_study(tmp_path / "study")
    first, _ = night(home)
    kept = shutil.copytree(home, tmp_path / "kept", ignore=shutil.ignore_patterns("work", "releases"))
    harm(home)
    for _ in range(2):  # The second night knows no less than the first one.
        with pytest.raises(UserError, match=said) as caught:
            night(home)
        assert "nothing is published" in str(caught.value) and "last release stays" in str(caught.value)
        assert [path.parent.name for path in (home / "releases").rglob("manifest.json")] == ["1.0.0"]
    if harm is not no_records:
        study = read_study(home / "study.yaml")
        # Nor can what is left in staging be published alone.
        with open_run(study) as run, pytest.raises(UserError, match=said):
            publish(run)
        assert "sources" in status_text(study)
    for name in ("records", "dicom", "people.csv"):
        whole = kept / name
        if whole.is_dir():
            shutil.rmtree(home / name, ignore_errors=True)
            shutil.copytree(whole, home / name)
        else:
            shutil.copy2(whole, home / name)
    again, lines = night(home)
    assert again == first, "mended, it is what it was"
    if harm is unmount:
        assert "5 in = 5 done + 0 quarantined; 0 processed now" in "\n".join(lines)
    if harm is cut_records:
        write_records(home, "2019-03-03")
        later, _ = night(home)
        assert later.name == "1.0.1"


def test_a_source_that_is_taken_out_of_the_study_leaves_nothing_behind(tmp_path: Path) -> None:
    home = write_study(tmp_path)
    night(home)
    cut_records(home)
    with pytest.raises(UserError, match=r"take it out of the study file"):
        night(home)
    text = (home / "study.yaml").read_text(encoding="utf-8")
    (home / "study.yaml").write_text(text.replace("    clinical: {format: csv, path: records, mapping: mapping.yaml}\n", ""))
    (home / "concepts.yaml").write_text('concepts: 1\nversion: "1"\nconcept:\n  surgery: {codes: ["IMAGING//*"]}\n')
    later, _ = night(home)
    assert later.name == "1.0.1"
    codes = pl.read_parquet(sorted((later / "timeline" / "data").rglob("*.parquet")))["code"].unique().to_list()
    assert codes and not [code for code in codes if code.startswith("ACT//")]
    assert not (home / "work" / "staging" / "clinical" / "A").exists()
    assert not (home / "work" / "staging" / "quarantine" / "clinical-A.parquet").exists()


def test_a_source_that_never_gave_anything_holds_up_nobody(tmp_path: Path) -> None:
    home = write_study(tmp_path)
    concepts = 'concepts: 1\nversion: "1"\nconcept:\n  surgery: {codes: ["IMAGING//*", "ACT//SURGERY"]}\n'
    (home / "concepts.yaml").write_text(concepts, encoding="utf-8")
    cut_records(home)
    first, said = night(home)
    assert any("clinical: A/csv: quarantined" in line for line in said)
    reasons = pl.read_parquet(first / "tables" / "quarantine.parquet").filter(pl.col("stage") == "clinical")["reason"].to_list()
    assert len(reasons) == 1
    write_records(home, "2019-03-02")
    later, _ = night(home)
    assert later.name == "1.0.1"
    cut_records(home)
    with pytest.raises(UserError, match=r"centres\.A\.clinical: "):
        night(home)


def test_a_people_file_is_always_needed(tmp_path: Path) -> None:
    home = write_study(tmp_path)
    (home / "people.csv").write_text("nothing\n1\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"centres\.A\.people: "):
        night(home)


def stage_to_omics(home: Path) -> None:
    study = read_study(home / "study.yaml")
    study.work.create()
    with open_run(study) as run:
        for name in ("people", "omics", "clinical", "normalise"):
            stage(name)(run)


def test_matrices_and_sample_sheets_follow_the_same_rule(tmp_path: Path) -> None:
    home = tmp_path / "hospitals"
    simulate(home, persons=20, imaging=False)
    write_key_file(known_key("vault.key"), home / "vault.key")
    omics = home / "centre_a" / "omics"
    person = next((home / "centre_a" / "omop").rglob("person.*"))
    whole_person, whole_counts, whole_sheet = (
        person.read_bytes(),
        (omics / "counts.tsv.gz").read_bytes(),
        (omics / "samples.csv").read_bytes(),
    )
    # Nothing of centre A was ever read: the others are staged, and quarantine says what it lacks.
    quarantine = home / "work" / "staging" / "quarantine"
    person.write_bytes(b"")
    (omics / "samples.csv").write_bytes(b"sample\n")
    stage_to_omics(home)
    assert set(pl.read_parquet(quarantine / "omics-A.parquet")["reason"]) == {"unusable-sample-sheet"}
    (omics / "samples.csv").write_bytes(whole_sheet)
    (omics / "counts.tsv.gz").write_bytes(whole_counts[: len(whole_counts) // 2])
    stage_to_omics(home)
    assert "truncated-file" in pl.read_parquet(quarantine / "omics-A.parquet")["reason"].to_list()
    assert pl.read_parquet(quarantine / "clinical-A.parquet").height
    person.write_bytes(whole_person)
    (omics / "counts.tsv.gz").write_bytes(whole_counts)
    stage_to_omics(home)
    for file, said in (
        ("counts.tsv.gz", r"centres\.A\.omics\.rna: None of its matrices \(1\) can be used: truncated-file"),
        ("samples.csv", r"centres\.A\.omics\.[a-z]+: The sample sheet samples\.csv: The file holds bytes that are no text\."),
    ):
        whole = (omics / file).read_bytes()
        (omics / file).write_bytes(whole[: len(whole) // 2] if file.endswith("gz") else b"sample,\x00\xff\xfe")
        with pytest.raises(UserError, match=said):
            stage_to_omics(home)
        told = quarantine_text(read_study(home / "study.yaml"))
        assert "  unreadable-source (1): " in told and "    A.omics." in told
        (omics / file).write_bytes(whole)
        stage_to_omics(home)
    # One matrix of two is a part of its source: it is left out, with a reason, and the night goes on.
    (omics / "counts_2.tsv.gz").write_bytes((omics / "counts.tsv.gz").read_bytes()[:3000])
    stage_to_omics(home)
    staging = home / "work" / "staging"
    refused = pl.read_parquet(staging / "quarantine" / "omics-A.parquet").filter(pl.col("reason") == "truncated-file")
    used = pl.read_parquet(staging / "omics" / "sample_map.parquet").filter(centre="A", assay="rna", status="used")
    assert refused.height == 1 and used.height
