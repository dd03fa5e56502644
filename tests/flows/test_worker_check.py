"""Workers that would make other numbers, or holes: each is named before a unit is given to it. No cluster is started."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from distributed import Client

from tests.flows.small_study import write_study
from unibase.flows.runs.worker_check import LIBRARIES, Expected, Look, look, refuse_unlike
from unibase.flows.study.study_file import Study
from unibase.flows.study.validation import read_study
from unibase.groundwork.problems import MachineFault


class Workers:
    """What a client gives whose workers see what `change` makes of what this process sees."""

    def __init__(self, *changes: Callable[[Look], Look]) -> None:
        self._changes = changes

    def run(self, function: Callable[..., Look], *arguments: Any) -> dict[str, Look]:
        """Return the look of each worker, by its address."""
        return {f"tcp://{n}": change(function(*arguments)) for n, change in enumerate(self._changes)}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    content = read_study(write_study(tmp_path_factory.mktemp("workers") / "étude") / "study.yaml")
    content.work.create()
    return content


def same(one: Look) -> Look:
    """Return the look of a worker like this process."""
    return one


def other_version(name: str) -> Callable[[Look], Look]:
    """Return how a worker looks on which one library has another version."""
    place = LIBRARIES.index(name)
    return lambda one: replace(one, host="node7", versions=(*one.versions[:place], "0.0.1", *one.versions[place + 1 :]))


def blind(*numbers: int) -> Callable[[Look], Look]:
    """Return how a worker looks that does not see some sources; -1 stands for the workspace."""
    return lambda one: replace(one, host="node8", missing=numbers)


@pytest.mark.parametrize("name", LIBRARIES)
def test_another_version_is_named_with_both(name: str, study: Study) -> None:
    own = look([], str(study.work.root)).versions[LIBRARIES.index(name)]
    with pytest.raises(MachineFault, match=f"node7: {name} 0.0.1, and here {own}: install the same version"):
        refuse_unlike(cast(Client, Workers(same, other_version(name))), study)


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ((0,), r"node8: centres\.A\.\w+ cannot be read: mount it there"),
        ((-1,), "node8: the workspace cannot be written: mount it there"),
        ((0, -1), "(?s)cannot be read.*cannot be written"),
    ],
)
def test_a_worker_without_the_mount_is_refused(numbers: tuple[int, ...], said: str, study: Study) -> None:
    with pytest.raises(MachineFault, match=said) as error:
        refuse_unlike(cast(Client, Workers(same, blind(*numbers))), study)
    assert str(study.path("")) not in str(error.value)  # the key of the study file is told, not a path
    assert "No unit was given" in str(error.value)


def test_workers_like_this_process_are_let_be(study: Study) -> None:
    refuse_unlike(cast(Client, Workers(same, same)), study)


def test_a_scheduler_without_workers_is_refused(study: Study) -> None:
    with pytest.raises(MachineFault, match="no workers"):
        refuse_unlike(cast(Client, Workers()), study)


def test_a_look_numbers_what_it_cannot_read(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    there, gone = Expected.at(tmp_path / "there"), Expected(str(tmp_path / "gone"))
    assert look([there, gone], str(tmp_path / "no such workspace")).missing == (1, -1)


@pytest.mark.parametrize(
    ("names", "left", "same"),
    [
        (("a.dcm", "b.dcm", "c.dcm"), ("a.dcm", "c.dcm", "sent since.dcm"), True),  # the hospital goes on sending
        (("a.dcm", "b.dcm"), (), False),  # the folder that a share is mounted on
        (("a.dcm", "b.dcm"), ("a.dcm",), False),
        (("a.dcm",), ("other.dcm",), False),
        ((), (), True),
    ],
)
def test_the_empty_folder_of_a_share_is_not_the_share(
    names: tuple[str, ...], left: tuple[str, ...], same: bool, tmp_path: Path
) -> None:
    for name in names:
        (tmp_path / name).touch()
    here = Expected.at(tmp_path)
    for name in names:
        (tmp_path / name).unlink()
    for name in left:
        (tmp_path / name).touch()
    assert (look([here], str(tmp_path)).other == ()) is same


def test_a_file_of_another_length_is_another_file(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("a\n", encoding="utf-8")
    here = Expected.at(tmp_path / "people.csv")
    (tmp_path / "people.csv").write_text("", encoding="utf-8")
    assert look([here], str(tmp_path)).other == (0,)


def test_what_is_something_else_there_is_named_by_its_key(study: Study) -> None:
    with pytest.raises(MachineFault, match=r"worker on node9: centres\.A\.\w+ is something else there"):
        refuse_unlike(cast(Client, Workers(same, lambda one: replace(one, host="node9", other=(0,)))), study)
