"""Images say how many days they are from the index event; a changed event writes the files of its subject again, no other."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest

from tests.flows.small_study import STUDY, write_records, write_study
from unibase.flows.runs.pipeline import stage
from unibase.flows.runs.run import Run, open_run
from unibase.flows.stages.deidentify import deidentify_centre
from unibase.flows.stages.deidentify_index_event import event_kind
from unibase.flows.study.validation import read_study
from unibase.groundwork.problems import UserError


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return write_study(tmp_path)


def stages(home: Path, *names: str) -> tuple[dict[str, float | None], set[str]]:
    """Run stages; return the offset that each source file's copy says, and which files were worked on in the last stage."""
    study = read_study(home / "study.yaml")
    study.work.create()
    with open_run(study) as run:
        for name in names:
            stage(name)(run)
        outcomes = deidentify_centre(run, "A")
        return {outcome.key: offset(run, outcome.result["path"]) for outcome in outcomes}, {
            outcome.key for outcome in outcomes if outcome.repeated
        }


def offset(run: Run, path: str) -> float | None:
    copy = pydicom.dcmread(run.study.work.staging / "imaging" / "dicom" / path)
    if "LongitudinalTemporalOffsetFromEvent" not in copy:
        assert "LongitudinalTemporalEventType" not in copy
        return None
    assert copy.LongitudinalTemporalEventType == "SURGERY"
    return float(copy.LongitudinalTemporalOffsetFromEvent)


def test_days_from_the_index_are_those_of_the_sources(home: Path) -> None:
    said, worked = stages(home, "people", "clinical")
    assert said == {
        "IPP001-20190312.dcm": 10,
        "IPP001-20190402.dcm": 31,
        "IPP002-20190226.dcm": -3,
        "IPP003-20190312.dcm": None,
        "IPP004-20190312.dcm": None,
    }
    assert worked == set(said)
    assert stages(home, "people", "clinical") == (said, set())


def test_a_changed_index_writes_the_files_of_its_subject_again(home: Path) -> None:
    before, _ = stages(home, "people", "clinical")
    write_records(home, "2019-02-20")
    after, worked = stages(home, "people", "clinical")
    assert worked == {"IPP001-20190312.dcm", "IPP001-20190402.dcm"}
    assert after == {**before, "IPP001-20190312.dcm": 20, "IPP001-20190402.dcm": 41}


def test_without_the_records_no_image_is_written(home: Path) -> None:
    with pytest.raises(UserError, match="unibase run clinical"):
        stages(home, "people")
    assert not (home / "work" / "staging" / "imaging").exists()


@pytest.mark.parametrize(
    "change",
    [("concept: surgery", "concept: any_image"), ("index:", "deidentification: {policy: strict}\nindex:")],
    ids=["an index that an image may be", "a policy without dates"],
)
def test_no_days_where_they_are_not_known_or_not_to_be_told(home: Path, change: tuple[str, str]) -> None:
    (home / "study.yaml").write_text(STUDY.replace(*change), encoding="utf-8")
    said, _ = stages(home, "people", "clinical")
    assert set(said.values()) == {None}


def test_the_kind_of_event_is_a_code_string() -> None:
    assert event_kind("treatment_start") == "TREATMENT_START"
    assert event_kind("première chirurgie") == "INDEX"
    assert event_kind("tumour-board") == "TUMOUR_BOARD"


def test_a_workspace_of_an_earlier_version_is_refused_with_the_remedy(home: Path) -> None:
    stages(home, "people", "clinical")
    study = read_study(home / "study.yaml")
    with open_run(study) as run:
        rows = run.ledger.known("deidentify-A")
        for _, outcome in rows.values():
            outcome.result["sha256"] = outcome.result.pop("blake3", "")
        run.ledger.record("deidentify-A", rows.values())
        with pytest.raises(UserError, match=r"centre A were de-identified by an earlier version.*Run `unibase build`"):
            stage("index")(run)
