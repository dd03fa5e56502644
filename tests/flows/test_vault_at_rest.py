"""A vault at rest: nothing of it in clear on disk while no command runs; a killed run goes on; nobody else's folder is used."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.small_study import write_study
from tests.flows.test_machine_faults import digests
from tests.flows.test_sources import night
from unibase.flows.cli import main as command_line
from unibase.flows.runs.run import workforce
from unibase.flows.study import vault_at_rest
from unibase.flows.study.validation import read_study
from unibase.groundwork.problems import UserError
from unibase.privacy.audit import AuditLog
from unibase.privacy.custody.sealed_folder import LIST, SealedFolder, new_identity


@pytest.fixture(autouse=True)
def nothing_stays_open() -> Iterator[None]:
    yield
    vault_at_rest.let_go()


def seal_study(home: Path, how: str = "file: vault.identity") -> Path:
    """Have a study seal its vault; return its folder in memory's stead."""
    memory = home / "memory"
    memory.mkdir()
    if not (home / "vault.identity").exists():
        new_identity(home / "vault.identity")
    with (home / "study.yaml").open("a", encoding="utf-8") as file:
        file.write(f"vault: {{{how}, memory: '{memory}'}}\n")
    return memory


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A study whose vault is sealed, and holds one entry."""
    home = write_study(tmp_path / "lyon")
    seal_study(home)
    enter(home, "first")
    vault_at_rest.let_go()
    return home


def enter(home: Path, action: str) -> None:
    """Read the study as a command does, and leave an entry in its audit log."""
    work = read_study(home / "study.yaml").work
    work.create()
    AuditLog(work.audit_log).append("été", action, 0)


def entered_elsewhere(home: Path, action: str, then: str) -> int:
    """Leave an entry from a process of its own, which then does something more; return how it ended."""
    code = (
        "import sys; from unibase.flows.study.validation import read_study; from unibase.privacy.audit import AuditLog\n"
        f"AuditLog(read_study(sys.argv[1]).work.audit_log).append('été', '{action}', 0)\n{then}"
    )
    return subprocess.run([sys.executable, "-c", code, home / "study.yaml"], check=False).returncode


def actions(home: Path) -> list[str]:
    """Return what the audit log tells."""
    return [entry["action"] for entry in AuditLog(read_study(home / "study.yaml").work.audit_log).entries()]


def in_clear(folder: Path, word: bytes) -> list[Path]:
    """Return the files below a folder that hold a word."""
    return [path for path in folder.rglob("*") if path.is_file() and word in path.read_bytes()]


def test_nothing_stands_in_clear_while_no_command_runs(home: Path) -> None:
    assert not in_clear(home, b"first") and not list((home / "memory").iterdir()) and not (home / "work" / "vault").exists()
    assert actions(home) == ["first"]
    assert in_clear(home / "memory", b"first"), "and it is in clear in memory while one does"
    assert (home / "memory").iterdir().__next__().stat().st_mode & 0o777 == 0o700


@pytest.mark.slow
def test_a_night_under_seal_publishes_the_same_bytes(tmp_path: Path) -> None:
    open_, sealed = write_study(tmp_path / "open"), write_study(tmp_path / "sealed")
    seal_study(sealed)
    assert digests(night(sealed)[0]) == digests(night(open_)[0])
    vault_at_rest.let_go()
    assert not in_clear(sealed / "work", b"IPP001") and in_clear(open_ / "work", b"IPP001")
    _, said = night(sealed)
    assert "release: trial 1.0.0 stands as it was published: nothing changed" in said


def test_a_vault_in_clear_is_sealed_when_the_study_file_says_so(tmp_path: Path) -> None:
    home = write_study(tmp_path / "lyon")
    enter(home, "before")
    (home / "work" / "vault" / "fetched" / "A").mkdir(parents=True)
    (home / "work" / "vault" / "fetched" / "A" / "1.dcm").write_bytes(b"large")
    seal_study(home)
    assert actions(home) == ["before"]
    assert (home / "work" / "vault" / "fetched" / "A" / "1.dcm").read_bytes() == b"large", "images stay where they are"
    vault_at_rest.let_go()
    assert not in_clear(home, b"before")


def test_what_a_killed_command_left_in_memory_is_taken_up(home: Path) -> None:
    assert entered_elsewhere(home, "unsealed", "import os; os._exit(9)") == 9
    assert actions(home) == ["first", "unsealed"]


def test_after_the_machine_stopped_the_vault_is_as_it_was_sealed_last(home: Path) -> None:
    enter(home, "sealed by its stage")
    vault_at_rest.keep(home / "work")
    enter(home, "lost")
    lock = vault_at_rest._HELD.pop(home / "work").lock
    lock.close()
    shutil.rmtree(next((home / "memory").iterdir()))
    assert actions(home) == ["first", "sealed by its stage"]


def test_the_last_to_leave_seals(home: Path) -> None:
    enter(home, "build")
    assert entered_elsewhere(home, "status", "") == 0
    assert actions(home) == ["first", "build", "status"], "another command left, and took nothing away"
    vault_at_rest.let_go()
    assert not (home / "work" / "vault").exists()


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def swap(file: Path) -> None:
    other = next(path for path in file.parent.iterdir() if path.name not in (LIST, file.name))
    one, two = file.read_bytes(), other.read_bytes()
    file.write_bytes(two)
    other.write_bytes(one)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (flip, "was changed"),
        (Path.unlink, "is lost"),
        (swap, "in another's place"),
        (lambda file: file.write_bytes(b""), "cannot be"),
    ],
)
def test_a_sealed_file_that_was_harmed_is_named(home: Path, harm: object, said: str) -> None:
    assert callable(harm)
    harm(next(path for path in sorted((home / "work" / "vault.sealed").iterdir()) if path.name != LIST))
    with pytest.raises(UserError, match=f"(?s)vault.sealed.*{said}.*backup|{said}.*[Rr]estore"):
        read_study(home / "study.yaml")
    assert not (home / "work" / "vault").exists()


def test_another_identity_opens_nothing(home: Path) -> None:
    (home / "vault.identity").unlink()
    new_identity(home / "vault.identity")
    with pytest.raises(UserError, match="another identity"):
        read_study(home / "study.yaml")


def test_a_sealed_vault_is_never_begun_anew(home: Path) -> None:
    text = (home / "study.yaml").read_text(encoding="utf-8")
    (home / "study.yaml").write_text(text[: text.index("vault: {file: vault.identity")], encoding="utf-8")
    with pytest.raises(UserError, match="is sealed"):
        read_study(home / "study.yaml")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("file: none.identity", "Make one: unibase key vault"),
        ("env: NO_SUCH_IDENTITY", "NO_SUCH_IDENTITY is not set"),
        ("command: [no-such-program]", "no program no-such-program"),
        ('command: ["false"]', "CalledProcessError"),
        ("command: [echo, nothing]", "is no age identity"),
        ("file: study.yaml", "Others can read|no age identity"),
    ],
)
def test_an_identity_that_cannot_be_had_is_said(tmp_path: Path, how: str, said: str) -> None:
    home = write_study(tmp_path / "CHU-été")
    seal_study(home, how)
    with pytest.raises(UserError, match=said):
        read_study(home / "study.yaml")
    assert not list((home / "memory").iterdir())


def test_the_identity_comes_from_environment_and_command(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study, secret = home / "study.yaml", (home / "vault.identity").read_text(encoding="utf-8")
    text = study.read_text(encoding="utf-8")
    monkeypatch.setenv("IDENTITY", secret)
    for how in ("env: IDENTITY", f"command: [cat, '{home / 'vault.identity'}']"):
        study.write_text(text.replace("file: vault.identity", how), encoding="utf-8")
        assert actions(home) == ["first"]
        vault_at_rest.let_go()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder to another user")
def test_a_folder_in_memory_of_another_user_is_not_used(home: Path) -> None:
    actions(home)
    plain = next((home / "memory").iterdir())
    vault_at_rest.let_go()
    plain.mkdir()
    os.chown(plain, 65534, 65534)
    with pytest.raises(UserError, match="belongs to somebody else"):
        read_study(home / "study.yaml")


def test_a_vault_that_cannot_be_sealed_fails_the_command(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command did its work, and must not end with 0: the vault stands in clear."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(sys, "argv", ["unibase", "audit", "verify", str(home / "study.yaml")])
    with monkeypatch.context() as broken, pytest.raises(SystemExit) as ended:
        broken.setattr(SealedFolder, "seal", full)
        command_line.main()
    assert ended.value.code == 4
    assert "The vault is not sealed and stands in" in capsys.readouterr().err
    # The next command takes it up from memory, and seals it.
    enter(home, "second")
    vault_at_rest.let_go()
    assert actions(home) == ["first", "second"]
    vault_at_rest.let_go()
    assert not list((home / "memory").iterdir())


def test_only_what_changed_is_encrypted_again(tmp_path: Path) -> None:
    new_identity(tmp_path / "identity")
    sealed = SealedFolder(tmp_path / "sealed", (tmp_path / "identity").read_text(encoding="utf-8"))
    plain = tmp_path / "plain"
    plain.mkdir()
    for name in ("a", "b", "c"):
        (plain / name).write_text(name, encoding="utf-8")
    assert (sealed.seal(plain), sealed.seal(plain)) == (3, 0)
    (plain / "b").write_text("other", encoding="utf-8")
    (plain / "c").unlink()
    assert sealed.seal(plain) == 1
    assert len(list((tmp_path / "sealed").iterdir())) == 3, "what is no more is kept no longer"
    again = SealedFolder(tmp_path / "sealed", sealed.secret)
    again.open(tmp_path / "out")
    assert {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "out").iterdir()} == {"a": "a", "b": "other"}


def test_workers_elsewhere_do_not_find_fetched_images_in_memory(tmp_path: Path) -> None:
    home = write_study(tmp_path / "lyon")
    file = home / "study.yaml"
    file.write_text(
        file.read_text().replace("dicom: dicom", "dicom: {dicomweb: 'https://pacs.example/dicom-web'}"), encoding="utf-8"
    )
    assert workforce(read_study(file), "tcp://127.0.0.1:8786") is not None
    seal_study(home)
    with pytest.raises(UserError, match=r"centres\.A\.dicom comes over a network"):
        workforce(read_study(file), "tcp://127.0.0.1:8786")
    assert workforce(read_study(file)) is not None
