"""Fetching by DIMSE from nodes that lack a service, do not tell a class, or cannot send: right, or told with the way on."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from tests.imaging.fetching.odd_node import OddNode
from tests.imaging.fetching.web_archive import NOON, encoded, instance
from unibase.groundwork.problems import UserError
from unibase.groundwork.work import Outcome
from unibase.imaging.fetching.answers import Query
from unibase.imaging.fetching.dimse import Node
from unibase.imaging.fetching.fetched import Fetching, choose, held
from unibase.imaging.fetching.node_refusals import FIND, GET, MOVE
from unibase.imaging.fetching.options import Dimse, Pace
from unibase.imaging.fetching.polite import Asking

pytestmark = pytest.mark.usefixtures("no_flush")

CT, CR, US = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.6.1"
STUDY = "1.2.3.1"


def images(sop_class: str = CT, count: int = 2) -> list[Dataset]:
    found = [instance(STUDY, 1, number, PatientID="IPP1", SOPClassUID=sop_class) for number in range(1, count + 1)]
    for ds in found:
        encoded(ds)  # writes the file's meta information
    return found


def fetched(node: OddNode, folder: Path, retrieve: str = "get") -> Outcome:
    """Fetch the study of a node."""
    about = {"retrieve": retrieve, "listen_host": "127.0.0.1", "listen_port": node.ours}
    asking = Asking(Pace(tries=2), "The PACS", lambda seconds: None, lambda: NOON)
    with node.open():
        client = Node(Dimse(host="127.0.0.1", port=node.port, called="PACS", **about), folder, 10)
        (study,) = choose(client, asking, [Query(patient="IPP1")]).studies.values()
        return Fetching(client, asking, folder / "studies", timedelta(0), NOON).fetch(study, None)


# Services that the node takes, how it is asked, and what is said.
LACKING = {
    "no C-GET": ((FIND, MOVE), "get", "takes no C-GET of us. Write retrieve: move under `dimse`"),
    "no C-MOVE": ((FIND, GET), "move", "takes no C-MOVE of us. Write retrieve: get under `dimse`"),
    "no C-FIND": ((GET, MOVE), "get", "takes no C-FIND (study root) of us. Have it allowed there"),
}


@pytest.mark.parametrize("kind", LACKING)
def test_a_service_that_a_node_does_not_take_is_told_with_the_other_way(tmp_path: Path, kind: str) -> None:
    services, way, said = LACKING[kind]
    with pytest.raises(UserError) as told:
        fetched(OddNode(images(), services, (CT,)), tmp_path, way)
    assert said in str(told.value)


@pytest.mark.parametrize(("sop_class", "way"), [(CT, "get"), (US, "get"), (US, "move")])
def test_images_come_from_a_node_that_does_not_tell_their_class(tmp_path: Path, way: str, sop_class: str) -> None:
    node = OddNode(images(sop_class), classes=(sop_class,), untold=("SOPClassUID",))
    assert fetched(node, tmp_path, way).status == "done" and len(held(tmp_path / "studies" / STUDY)) == 2
    # What came with the most usual classes is not asked for with the others.
    assert len(node.sent) == (4 if (sop_class, way) == (US, "get") else 2)


def test_what_a_node_cannot_send_is_told_and_the_rest_kept(tmp_path: Path) -> None:
    node = OddNode(images(count=3), classes=(CT,), broken=f"{STUDY}.1.2")
    ended = fetched(node, tmp_path)
    assert ended.reason == "not-retrieved" and "may not send objects of this class" in ended.message
    assert len(held(tmp_path / "studies" / STUDY)) == 2
