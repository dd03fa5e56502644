"""What is asked of a DIMSE node for instances of a series, and what its odd answers mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from unibase.groundwork.problems import Unusable, UserError
from unibase.imaging.fetching.answers import InstanceAnswer, Query
from unibase.imaging.fetching.dimse import UIDS_AT_ONCE, Node
from unibase.imaging.fetching.options import Dimse
from unibase.imaging.fetching.polite import Again

LONG = "1.2.826.0.1.3680043.8.498.12345678901234567890123456789012345"


class Scripted(Node):
    """A node whose answers are given: a status and a row, or a status alone."""

    def __init__(self, answers: Sequence[tuple[int | None, dict[str, str] | None]]) -> None:
        super().__init__(Dimse(host="pacs", port=104, called="PACS"), Path(), 1)
        self.answers, self.asked = answers, []

    @contextmanager
    def associated(self, *contexts: Any) -> Iterator[Any]:
        """Yield what answers."""
        yield self

    def send_c_find(self, identifier: Dataset, _: str) -> Iterator[tuple[Dataset, Dataset | None]]:
        """Answer as scripted."""
        for code, held in self.answers:
            status, row = Dataset(), None if held is None else Dataset()
            if code is not None:
                status.Status = code
            for keyword, value in (held or {}).items():
                setattr(row, keyword, value)
            yield status, row

    def _by_get(self, identifier: Dataset, classes: Sequence[str]) -> Iterator[Any]:
        self.asked.append(identifier)
        yield from ()


@pytest.mark.parametrize("count", [1, UIDS_AT_ONCE, UIDS_AT_ONCE + 1, 1500])
def test_a_list_of_instances_fits_into_its_element(count: int) -> None:
    node = Scripted([])
    wanted = [InstanceAnswer("1.2.3", f"{LONG}.{n}", "1.2.840.10008.5.1.4.1.1.2") for n in range(count)]
    assert list(node.retrieve("1.2", wanted, whole=False)) == []
    lists = [one["SOPInstanceUID"].value for one in node.asked]
    asked = [uid for held in lists for uid in ([held] if isinstance(held, str) else held)]
    assert asked == [one.sop for one in wanted]
    assert all(len("\\".join(held)) < 2**16 for held in lists)


STATUS = {
    "refused for good": (0x0122, Unusable, "0x0122"),
    "a key is not supported": (0xA900, Unusable, "0xA900"),
    "cannot process": (0xC001, Unusable, "0xC001"),
    "cancelled, as where a limit of answers was met": (0xFE00, Unusable, "0xFE00"),
    "out of resources": (0xA700, Again, "out of resources"),
    "no status at all": (None, Again, "does not answer in time"),
    "the destination is not known": (0xA801, UserError, "where to send to"),
}


@pytest.mark.parametrize("kind", STATUS)
def test_a_list_that_ends_otherwise_than_well_is_no_list(kind: str) -> None:
    code, error, said = STATUS[kind]
    node = Scripted([(0xFF00, {"StudyInstanceUID": "1.2.3"}), (code, None)])
    with pytest.raises(error) as told:
        node.studies(Query())
    assert said in str(told.value)


def test_an_answer_without_its_series_is_of_the_series_that_was_asked_for() -> None:
    rows = [(0xFF01, {"SeriesInstanceUID": "1.2.3"}), (0x0000, None)]
    node = Scripted(rows)
    assert node.instances("1.2") == []
    node.answers = [(0xFF00, {"SOPInstanceUID": "1.2.3.1", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"}), *rows]
    (one,) = node.instances("1.2")
    assert one == InstanceAnswer("1.2.3", "1.2.3.1", "1.2.840.10008.5.1.4.1.1.2")


@pytest.mark.parametrize(("day", "told"), [("20190312", "20190312"), ("2019.03.12", "20190312"), ("", "")])
@pytest.mark.parametrize(("count", "instances"), [("6", 6), ("", None), ("0", 0)])
def test_a_study_is_read_as_it_is_told(day: str, told: str, count: str, instances: int | None) -> None:
    row = {"StudyInstanceUID": "1.2", "PatientID": "IPP1", "StudyDate": day, "NumberOfStudyRelatedInstances": count}
    (study,) = Scripted([(0xFF00, row), (0x0000, None)]).studies(Query())
    assert (study.day, study.instances, study.modalities) == (told, instances, ())
