"""What an operator types beside `build`: each command on one small study, as a user runs it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.flows.demo import UNIBASE, environment
from tests.flows.small_study import STUDIES, write_study
from unibase.flows.cli import main as command_line
from unibase.flows.runs.alone import build_alone
from unibase.privacy.audit import AuditLog


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that was built once, with a file that is no DICOM, under an umask that would let everybody in."""
    home = write_study(tmp_path_factory.mktemp("operator") / "study")
    (home / "dicom" / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"nothing that follows")
    before = os.umask(0)
    try:
        build_alone(home / "study.yaml", None, nightly=False)
    finally:
        os.umask(before)
    return home


@pytest.fixture
def home(built: Path, tmp_path: Path) -> Path:
    return shutil.copytree(built, tmp_path / "study")


class Said:
    """What a command printed, and its exit code."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    def call(*words: object) -> Said:
        monkeypatch.setattr("sys.argv", ["unibase", *map(str, words)])
        code: int | str | None = 0
        try:
            command_line.main()
        except SystemExit as ended:
            code = ended.code
        told = capfd.readouterr()
        return Said(int(code or 0), told.out, told.err)

    return call


@pytest.mark.slow
def test_nothing_that_a_build_leaves_is_open_to_others(built: Path) -> None:
    opened = [path for path in (built / "work").rglob("*") if path.stat().st_mode & 0o007]
    assert not opened, opened[:5]
    assert (built / "work").stat().st_mode & 0o777 == 0o700
    assert not [path for path in (built / "releases").rglob("*") if path.stat().st_mode & 0o007]


@pytest.mark.slow
def test_status_and_quarantine_speak_json_and_agree(run: Any, home: Path) -> None:
    status = run("status", home / "study.yaml", "--json").json
    assert status["release"] == "1.0.0" and status["running"] is False
    aside = run("quarantine", "list", home / "study.yaml", "--json").json
    assert sum(stage["quarantined"] for stage in status["stages"]) == len(aside) >= 1
    listed = run("quarantine", home / "study.yaml").out
    assert "broken.dcm" in listed
    reason = next(one["reason"] for one in aside if one["unit"].endswith("broken.dcm"))
    assert reason in run("quarantine", "show", home / "study.yaml", reason).out
    assert run("quarantine", "show", home / "study.yaml", "no-such-thing").code == 1


@pytest.mark.slow
def test_quarantine_is_tried_again_or_accepted_on_request(run: Any, home: Path) -> None:
    study = home / "study.yaml"
    assert "1 units are tried again" in run("quarantine", "retry", study, "broken.dcm").out
    assert all(not one["unit"].endswith("broken.dcm") for one in run("quarantine", "list", study, "--json").json)
    build_alone(study, None, nightly=True)
    assert run("quarantine", "accept", study, "broken.dcm", "--why", " ").code == 1
    assert run("quarantine", "accept", study, "broken.dcm", "--why", "a phantom").code == 0
    (one,) = [one for one in run("quarantine", "list", study, "--json").json if one["unit"].endswith("broken.dcm")]
    assert one["accepted"].endswith(": a phantom")
    entries = [one for one in run("audit", "show", study, "--json").json if one["action"].startswith("quarantine-")]
    assert [one["action"] for one in entries[-4:]] == [
        "quarantine-retried",
        "quarantine-listed",
        "quarantine-accepted",
        "quarantine-listed",
    ]
    assert entries[-4]["details"] == {"asked": "a name", "units": 1}, "the name of a file stays out of the log"


@pytest.mark.slow
def test_any_byte_of_the_audit_log_that_changes_is_found(run: Any, home: Path) -> None:
    log = home / "work" / "vault" / "audit.jsonl"
    for number in range(3):
        AuditLog(log).append("operator", "look", number)
    whole = log.read_bytes()
    assert "each follows from the one before" in run("audit", "verify", home / "study.yaml").out
    for place in range(0, len(whole), 7):
        changed = bytearray(whole)
        changed[place] ^= 1
        log.write_bytes(changed)
        assert run("audit", "verify", home / "study.yaml").code == 1, place
    log.write_bytes(b"".join(whole.splitlines(keepends=True)[:-1]))
    assert "cut off" in run("audit", "verify", home / "study.yaml").err
    log.write_bytes(whole[:-9])
    AuditLog(log).append("operator", "look", 0)
    assert AuditLog(log).entries()[-1]["details"]["torn_line_removed"] > 0


@pytest.mark.slow
def test_a_dry_run_says_what_would_run_and_does_nothing(run: Any, home: Path, built: Path) -> None:
    before = {path: path.read_bytes() for path in (home / "releases").rglob("*") if path.is_file()}
    (home / "dicom" / f"{next(iter(STUDIES))}-20190312.dcm").unlink()
    plan = run("build", home / "study.yaml", "--dry-run", "--json").json
    (change,) = [one for one in plan["changes"] if one["source"] == "deidentify-A" and one["gone"]]
    assert change["gone"] == 1 and change["new"] == 0
    assert plan["stages"]["deidentify"] == "its sources changed" and plan["stages"]["link"] == "what it reads changes"
    assert {path: path.read_bytes() for path in before} == before
    quiet = run("build", built / "study.yaml", "--dry-run").out
    assert "would stand link" in quiet and "would stand timeline" in quiet


@pytest.mark.slow
def test_doctor_finds_what_would_stop_a_build(run: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    study = home / "study.yaml"
    well = run("doctor", study, "--json")
    assert well.code == 0 and {one["status"] for one in well.json} <= {"right", "warning"}
    (home / "work").chmod(0o755)
    (home / "vault.key").chmod(0o644)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    ill = run("doctor", study)
    assert ill.code == 1 and "chmod 600" in ill.out and "chmod 700" in ill.out
    (home / "vault.key").chmod(0o600)
    assert run("doctor", study).code == 4, "what is left is the machine's"
    (home / "dicom").rename(home / "away")
    assert run("doctor", study).code == run("build", study, "--no-prefect").code == 3
    (home / "away").rename(home / "dicom")
    assert "unset PYTHONDONTWRITEBYTECODE" in ill.out


MISTAKES = {
    "a key that others can read": (lambda home: (home / "vault.key").chmod(0o644), "chmod 600", 1),
    "a binary key": (lambda home: (home / "vault.key").write_bytes(bytes(range(256))), "no hexadecimal key", 1),
    "an empty key": (lambda home: (home / "vault.key").write_bytes(b""), "unibase key new", 1),
    "a source that is away": (lambda home: shutil.rmtree(home / "dicom"), "mounted", 3),
    "a centre that leaves its folder": (lambda home: change(home, "  A:", "  ../A:"), "no name of a centre", 1),
    "a workspace inside a source": (
        lambda home: change(home, "index:", "workspace: dicom/work\nindex:"),
        "read what it wrote",
        1,
    ),
    "a workspace that is a file": (lambda home: change(home, "index:", "workspace: people.csv\nindex:"), "is a file", 1),
    "a key from nowhere": (lambda home: change(home, "{file: vault.key}", "{env: UNIBASE_NO_SUCH_KEY}"), "is not set", 1),
}


def change(home: Path, old: str, new: str) -> None:
    file = home / "study.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


@pytest.mark.parametrize("mistake", MISTAKES)
def test_check_refuses_what_a_build_would(run: Any, tmp_path: Path, mistake: str) -> None:
    home = write_study(tmp_path / "study")
    harm, said, code = MISTAKES[mistake]
    harm(home)
    ended = run("check", home / "study.yaml")
    assert ended.code == code, ended.err
    assert said in ended.err and "Unexpected" not in ended.err


def test_exit_codes_tell_kinds(run: Any, tmp_path: Path) -> None:
    home = write_study(tmp_path / "study")
    assert run("chek", home / "study.yaml").code == 2
    assert run("check").code == 2
    assert run("check", home / "study.yaml", "--json").json["study"] == "trial"
    from unibase.flows.study.validation import read_study

    with read_study(home / "study.yaml").work.owned():
        assert run("build", home / "study.yaml", "--no-prefect").code == 5


def test_each_first_word_is_of_the_module_that_holds_its_command() -> None:
    from unibase.flows.cli.everything import app

    found: dict[str, set[str]] = defaultdict(set)
    for word in (name for name in app if not name.startswith("-")):
        command = app[word].default_command or next(app[word][inner].default_command for inner in app[word] if inner[0] != "-")
        found[command.__module__.rpartition(".")[2]].add(word)
    assert found == {module: set(words.split()) for module, words in command_line.WORDS.items()}


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_ends_nothing_badly(home: Path) -> None:
    command = f"set -o pipefail; {UNIBASE} quarantine {home / 'study.yaml'} | head -c 1"
    ended = subprocess.run(["bash", "-c", command], env=environment(), capture_output=True, text=True, check=False)
    assert ended.returncode == 0 and not ended.stderr


def test_init_writes_a_study_file_that_check_passes(run: Any, tmp_path: Path) -> None:
    home = tmp_path / "hospital"
    write_study(home / "CHU-été")
    for name in ("study.yaml", "mapping.yaml", "concepts.yaml", "vault.key"):
        (home / "CHU-été" / name).unlink()
    shutil.rmtree(home / "CHU-été" / "records")
    omop = home / "lyon" / "omop"
    omop.mkdir(parents=True)
    for table in ("person", "visit_occurrence", "death"):
        (omop / f"{table}.csv").write_text("person_id\n1\n", encoding="utf-8")
    (home / "lyon" / "bio").mkdir()
    (home / "lyon" / "bio" / "expression.tsv").write_text("gene_id\tS1\tS2\tS3\nENSG1\t1\t2\t3\n", encoding="utf-8")
    said = run("init", home)
    assert said.code == 0 and "no sample sheet" in said.out, said.err
    text = (home / "study.yaml").read_text(encoding="utf-8")
    assert 'dicom: "CHU-été/dicom"   # Modality of the files looked at: CT' in text
    assert "format: omop" in text and "could not be told" in text and "rna" not in text
    assert (home / "study.key").stat().st_mode & 0o777 == 0o600
    assert run("check", home / "study.yaml").code == 0
    assert run("init", home).code == 1, "what is there is not written over"


@pytest.mark.parametrize(
    ("kind", "files"),
    [
        ("omop", ("person.csv", "death.csv", "measurement.csv")),
        ("fhir", ("patients.json",)),
        ("osiris", ("OSIRIS_pivot_Patient.csv", "OSIRIS_pivot_TNM.csv")),
        ("osiris-rwd", ("01_identification.csv", "04_statut_vital.csv")),
        ("meds", ("metadata/dataset.json", "data/0.parquet")),
    ],
)
def test_records_that_fill_a_folder_get_a_study_beside_it(run: Any, tmp_path: Path, kind: str, files: tuple[str, ...]) -> None:
    home = tmp_path / "CHU-été"
    for name in files:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text('{"resourceType": "Patient"}\n', encoding="utf-8")
    before = sorted(home.rglob("*"))
    assert run("init", home).code == 0
    study = tmp_path / "CHU-été-study" / "study.yaml"
    assert f"format: {kind}, path: " in study.read_text(encoding="utf-8")
    assert run("check", study).code == 0
    assert sorted(home.rglob("*")) == before, "nothing is written into what is read"


def test_the_folder_that_one_stands_in_gives_the_centre_its_name(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lyon").mkdir()
    (tmp_path / "lyon" / "patients.json").write_text('{"resourceType": "Patient"}\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path / "lyon")
    assert run("init", ".").out.count("written for lyon") == 1
    assert "\n  lyon:\n" in (tmp_path / "lyon-study" / "study.yaml").read_text(encoding="utf-8")


def test_tables_that_no_rule_knows_are_named_with_the_way_on(run: Any, tmp_path: Path) -> None:
    (tmp_path / "suivi.csv").write_text("IPP;Code CIM10\n1;C50.9\n", encoding="utf-8")
    (tmp_path / "export.xlsx").write_bytes(b"PK")
    said = run("init", tmp_path)
    assert said.code == 1 and "export.xlsx, suivi.csv" in said.err and "unibase map" in said.err


def test_a_study_file_that_unfolds_without_end_is_refused(run: Any, tmp_path: Path) -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    (tmp_path / "study.yaml").write_text("\n".join([*levels, "study: trial"]), encoding="utf-8")
    ended = run("check", tmp_path / "study.yaml")
    assert ended.code == 1 and "unfolds" in ended.err


@pytest.mark.slow
def test_the_morning_look_counts_what_changed_and_names_nobody(home: Path) -> None:
    from unibase.flows.runs.artifacts import artifacts_of
    from unibase.flows.study.validation import read_study

    study = read_study(home / "study.yaml")
    first = artifacts_of(study, str(home / "releases" / "trial" / "1.0.0"), True)
    assert {row["since the last run"] for row in first.quarantine} == {1}
    second = artifacts_of(study, f"centres.A.dicom: It gives nothing. {home}/dicom", False)
    assert {row["since the last run"] for row in second.quarantine} == {0}
    assert second.end.startswith("# Red") and "1.0.0, stays" in second.end and first.end.startswith("# Green")
    assert all(row["in"] == row["done"] + row["quarantined"] + row["failed"] for row in first.stages)
    shown = json.dumps([first.stages, first.quarantine, first.end, second.end])
    assert "IPP" not in shown and str(home) not in shown


def test_a_quiet_build_speaks_by_its_end_alone(run: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNIBASE_QUIET", "")  # what the command sets goes away with the test
    said = run("build", home / "study.yaml", "--no-prefect", "--quiet")
    assert said.err == ""
    assert [line.split(":")[0] for line in said.out.splitlines()] == ["release", "page"]
