"""An erasure killed at any step: the next start ends it, whoever starts, and nothing else of the ledger changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.flows.small_study import write_study
from unibase.flows.runs.pipeline import stage
from unibase.flows.runs.run import open_run
from unibase.flows.study.validation import read_study
from unibase.flows.vault import rights_desk
from unibase.flows.vault.holders import holders
from unibase.groundwork.problems import UserError
from unibase.privacy.custody import erasing
from unibase.privacy.ledger import erasure, persons
from unibase.privacy.ledger.revisions import State


class Killed(BaseException):
    """What stands for a kill: nothing may catch it."""


def kill(*_: object, **__: object) -> None:
    raise Killed


def after(step: Callable[..., object]) -> Callable[..., None]:
    """Return a step that is done, and then killed."""

    def done(*args: object, **named: object) -> None:
        step(*args, **named)
        raise Killed

    return done


def second_rename(monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def killed(self: Path, target: Path) -> Path:
        if self.name.endswith(".erasing"):
            raise Killed
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", killed)


STEPS: dict[str, Callable[[pytest.MonkeyPatch], object]] = {
    "before the digests": lambda patch: patch.setattr(erasing, "remember", kill),
    "after the digests": lambda patch: patch.setattr(erasing, "remember", after(erasing.remember)),
    "while revisions are written": lambda patch: patch.setattr(erasure, "write_parquet", kill),
    "between the two renames": second_rename,
    "before the old ledger is removed": lambda patch: patch.setattr(erasure.shutil, "rmtree", kill),
    "after the ledger": lambda patch: patch.setattr(erasing, "erase_records", after(erasing.erase_records)),
    "after the register": lambda patch: patch.setattr(erasing, "remove_from_register", after(erasing.remove_from_register)),
    "after the table of people": lambda patch: patch.setattr(erasing, "erase_from_table", after(erasing.erase_from_table)),
}


def people_night(home: Path) -> dict[str, int]:
    study = read_study(home / "study.yaml")
    study.work.create()
    with study.work.owned(), open_run(study, say=lambda _: None) as run:
        stage("people")(run)
        return {identifier: one.subject_id for (_, _, identifier), one in run.lookup.by_identifier.items()}


@pytest.mark.parametrize(
    ("step", "who"),
    [*((step, "a night") for step in STEPS), ("between the two renames", "the desk"), ("after the ledger", "the desk")],
)
def test_the_next_start_ends_what_a_kill_left(step: str, who: str, tmp_path: Path) -> None:
    home = write_study(tmp_path)
    study = home / "study.yaml"
    rows = [f"IPP00{n},ERASABLE{n}" for n in range(1, 5)]
    (home / "people.csv").write_text("\n".join(["identifier,birth_family_name", *rows]) + "\n", encoding="utf-8")
    before = people_night(home)
    rights_desk.exclude(study, "IPP002", None)
    with pytest.MonkeyPatch.context() as patch:
        STEPS[step](patch)
        with pytest.raises(Killed):
            rights_desk.erase(study, "IPP002", None)
    if who == "the desk":
        with pytest.raises(UserError, match="nobody"):
            rights_desk.find(study, "IPP002", None)
    assert people_night(home) == {name: one for name, one in before.items() if name != "IPP002"}
    work = read_study(study).work
    held = holders(work.root)
    assert not held.note.exists() and State.load(work.identity).people.height == 3
    left = [
        path for path in work.vault.rglob("*") if path.is_file() and path.name != "lock" and b"ERASABLE2" in path.read_bytes()
    ]
    assert left == [] and not list(work.vault.glob("identity.*"))
    assert "IPP002" not in persons.ledger_people(work.identity)["identifier"]


def test_an_erasure_that_is_asked_for_in_peace_leaves_no_note(tmp_path: Path) -> None:
    home = write_study(tmp_path)
    people_night(home)
    assert "Erased" in rights_desk.erase(home / "study.yaml", "IPP001", None)
    assert not holders(read_study(home / "study.yaml").work.root).note.exists()
