"""The way out of quarantine as an operator walks it: look, decide, run again; or a rule of the study with its reason."""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
from pathlib import Path

import pydicom
import pytest

from tests.imaging.deidentify_help import ct, save
from tests.imaging.test_pixels import BOXES, image
from tests.known_keys import known_key
from unibase.flows.cli import plain_files
from unibase.flows.cli.plain_files import PlainDeidentification, deidentify_folder
from unibase.flows.looks.burned_in import look_at_folder
from unibase.groundwork.problems import UserError
from unibase.imaging.pixel_text.boxes import written
from unibase.privacy.keys import write_key_file


@pytest.fixture
def hospital(tmp_path: Path) -> Path:
    save(ct(), tmp_path / "CHU-été" / "ct.dcm")
    save(image(SOPInstanceUID="1.2.3.4.55.6.7.2001"), tmp_path / "CHU-été" / "echo.dcm")
    save(image(SOPInstanceUID="1.2.3.4.55.6.7.2002", Modality="OT"), tmp_path / "CHU-été" / "other.dcm")
    write_key_file(known_key("study.key"), tmp_path / "study.key")
    return tmp_path / "CHU-été"


def run(hospital: Path, name: str = "clean", **more: Path) -> str:
    home = hospital.parent
    return deidentify_folder(PlainDeidentification(hospital, home / name, home / "study.key", **more))


def test_look_decide_and_run_again(hospital: Path) -> None:
    home = hospital.parent
    assert "3 in = 1 written + 2 quarantined" in run(hospital)
    refused = list(csv.DictReader((home / "clean.vault" / "quarantine.csv").open(encoding="utf-8")))
    assert {row["reason"] for row in refused} == {"burned-in-annotation"}
    assert all("unibase pixels" in row["remedy"] and "deidentification.rules" in row["remedy"] for row in refused)

    review = home / "review"
    said = look_at_folder(hospital, review, read=False)
    assert "2 images at risk, 2 to decide, on 1 pages" in said
    assert review.stat().st_mode & 0o077 == 0 and (review / "page-001.html").stat().st_mode & 0o077 == 0
    rows = list(csv.DictReader((review / "pixels.csv").open(encoding="utf-8")))
    assert [row["source"] for row in rows] == ["echo.dcm", "other.dcm"]
    rows[0] |= {"decision": "blank", "boxes": written(BOXES), "by": "garde"}
    rows[1] |= {"decision": "reject", "by": "garde"}
    with (review / "pixels.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)

    assert "3 in = 2 written + 1 quarantined" in run(hospital, pixels=review / "pixels.csv")
    copies = [pydicom.dcmread(path) for path in (home / "clean").rglob("*.dcm")]
    echo = next(one for one in copies if one.Modality == "US")
    assert echo.BurnedInAnnotation == "NO"
    assert len({int(value) for value in echo.pixel_array[: BOXES[0].height].ravel()}) == 1
    again = look_at_folder(hospital, review, read=False)
    assert "2 images at risk, 0 to decide" in again, "what was decided stays decided"


def decide(review: Path, verdict: str) -> Path:
    """Write one verdict for every image of a review, with boxes, by one person; an empty one takes back what was decided."""
    rows = list(csv.DictReader((review / "pixels.csv").open(encoding="utf-8")))
    with (review / "pixels.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        for row in rows:
            writer.writerow(row | {"decision": verdict, "boxes": written(BOXES), "by": "garde" if verdict else ""})
    return review / "pixels.csv"


@pytest.mark.parametrize("later", ["reject", "", "blank"])
def test_a_decision_that_is_changed_changes_the_copy(hospital: Path, later: str) -> None:
    review = hospital.parent / "review"
    look_at_folder(hospital, review, read=False)
    assert "3 in = 3 written + 0 quarantined" in run(hospital, pixels=decide(review, "accept"))
    kept = 3 if later == "blank" else 1
    said = run(hospital, pixels=decide(review, later))
    assert f"3 in = {kept} written + {3 - kept} quarantined" in said and ("2 copies of an earlier run" in said) == (kept == 1)
    copies = [pydicom.dcmread(path) for path in (hospital.parent / "clean").rglob("*.dcm")]
    assert len(copies) == kept, "what was accepted once and is no more is taken back"
    assert all(one.BurnedInAnnotation == "NO" for one in copies if one.Modality != "CT")


def test_a_rule_in_a_file_of_its_own(hospital: Path) -> None:
    rules = hospital.parent / "rules.yaml"
    rules.write_text("rules:\n- {images: {Modality: US}, action: accept, reason: seen by the custodian}\n", encoding="utf-8")
    assert "3 in = 2 written + 1 quarantined" in run(hospital, rules=rules)
    rules.write_text("rules:\n- {images: {Modality: US}, action: accept}\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"rules\.0\.reason"):
        run(hospital, rules=rules)


def test_what_was_decided_counts_for_one_content_alone(hospital: Path) -> None:
    review = hospital.parent / "review"
    look_at_folder(hospital, review, read=False)
    text = (review / "pixels.csv").read_text(encoding="utf-8").replace('"",""\n', '"accept","garde"\n')
    (review / "pixels.csv").write_text(text, encoding="utf-8")
    save(image(SOPInstanceUID="1.2.3.4.55.6.7.2001", InstanceNumber=2), hospital / "echo.dcm")
    assert "3 in = 2 written + 1 quarantined" in run(hospital, pixels=review / "pixels.csv"), "a changed file waits again"
    assert "1 to decide" in look_at_folder(hospital, review, read=False)


def test_without_the_extra_the_way_is_told(hospital: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unibase.imaging.pixel_text.recognition.is_installed", lambda: False)
    with pytest.raises(UserError, match=r"unibase\[ocr\].*--no-read"):
        look_at_folder(hospital, hospital.parent / "review", read=True)


KILLED = """
import os, signal, sys
from pathlib import Path
from unibase.flows.cli import plain_files
plain_files.{point} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
home = Path(sys.argv[1])
asked = plain_files.PlainDeidentification(home / "CHU-été", home / "clean", home / "study.key", pixels=Path(sys.argv[2]))
plain_files.deidentify_folder(asked)
"""


@pytest.mark.parametrize("point", ["stop_if_failed", "_take_back"])
def test_a_killed_run_leaves_no_copy_that_was_taken_back(hospital: Path, point: str) -> None:
    """Killed after the ledger holds the refusals and before the copies are deleted; the next run deletes them."""
    home, review = hospital.parent, hospital.parent / "review"
    look_at_folder(hospital, review, read=False)
    run(hospital, pixels=decide(review, "accept"))
    note = home / "clean.vault" / "earlier_copies.json"
    assert not note.exists(), "a run that ended leaves no note"
    rejected = decide(review, "reject")
    killed = subprocess.run([sys.executable, "-c", KILLED.format(point=point), home, rejected], check=False)
    assert killed.returncode == -signal.SIGKILL and len(list((home / "clean").rglob("*.dcm"))) == 3
    assert note.exists() and note.stat().st_mode & 0o077 == 0, "it names source files"
    assert "2 copies of an earlier run" in run(hospital, pixels=rejected)
    assert len(list((home / "clean").rglob("*.dcm"))) == 1 and not note.exists()


def test_a_machine_that_fails_hides_no_copy_that_is_to_go(hospital: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise UserError("the disk is full")

    review = hospital.parent / "review"
    look_at_folder(hospital, review, read=False)
    run(hospital, pixels=decide(review, "accept"))
    with monkeypatch.context() as patched, pytest.raises(UserError, match="full"):
        patched.setattr("unibase.flows.cli.plain_files.stop_if_failed", fails)
        run(hospital, pixels=decide(review, ""))
    assert "2 copies of an earlier run" in run(hospital, pixels=review / "pixels.csv")


def test_a_mistake_in_the_rules_is_said_before_anything_is_read(hospital: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object) -> None:
        raise AssertionError("files were read before the rules")

    monkeypatch.setattr(plain_files, "told_by", read)
    rules = hospital.parent / "rules.yaml"
    rules.write_text("polcy: research\n", encoding="utf-8")
    with pytest.raises(UserError, match="polcy"):
        run(hospital, rules=rules)
