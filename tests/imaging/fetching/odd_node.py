"""A DIMSE node inside the test, through pynetdicom: it takes the services, sends the classes and tells the keys that it is given."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pynetdicom
from pydicom.dataset import Dataset

from tests.flows.orthanc import free_port
from unibase.imaging.fetching.dimse import PLAIN
from unibase.imaging.fetching.node_refusals import FIND, GET, MOVE

UNIQUE = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}


@dataclass
class OddNode:
    """What it holds, which services and classes it takes, which keys it does not tell, and which instance it cannot send."""

    held: list[Dataset]
    services: tuple[str, ...] = (FIND, GET, MOVE)
    classes: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()
    broken: str = ""
    port: int = field(default_factory=free_port)
    ours: int = field(default_factory=free_port)
    sent: list[str] = field(default_factory=list)

    def _meant(self, asked: Dataset) -> list[Dataset]:
        wanted = {key: asked.get(key) for key in ("PatientID", *UNIQUE.values()) if asked.get(key)}
        return [ds for ds in self.held if all(ds[key].value in ([v] if isinstance(v, str) else v) for key, v in wanted.items())]

    def _find(self, event: Any) -> Iterator[tuple[int, Dataset]]:
        asked = event.identifier
        found = {ds[UNIQUE[asked.QueryRetrieveLevel]].value: ds for ds in self._meant(asked)}
        for ds in found.values():
            row = Dataset()
            row.QueryRetrieveLevel = asked.QueryRetrieveLevel
            for key in ("PatientID", "StudyDate", "SOPClassUID", *UNIQUE.values()):
                if key in asked and key not in self.untold:
                    setattr(row, key, ds.get(key))
            yield 0xFF00, row

    def _send(self, event: Any) -> Iterator[Any]:
        found = self._meant(event.identifier)
        yield len(found)
        for ds in found:
            self.sent.append(ds.SOPInstanceUID)
            yield 0xFF00, _of_no_class(ds) if ds.SOPInstanceUID == self.broken else ds

    def _move(self, event: Any) -> Iterator[Any]:
        yield "127.0.0.1", self.ours
        yield from self._send(event)

    @contextmanager
    def open(self) -> Iterator[OddNode]:
        entity = pynetdicom.AE(ae_title="PACS")
        for uid in self.services:
            entity.add_supported_context(uid, list(PLAIN))
        for uid in self.classes:
            entity.add_supported_context(uid, list(PLAIN), scu_role=True, scp_role=True)
            entity.add_requested_context(uid, list(PLAIN))
        kinds = pynetdicom.evt
        handlers = [(kinds.EVT_C_FIND, self._find), (kinds.EVT_C_GET, self._send), (kinds.EVT_C_MOVE, self._move)]
        server = entity.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers)
        try:
            yield self
        finally:
            server.shutdown()


def _of_no_class(ds: Dataset) -> Dataset:
    """Return an instance of a class that nobody takes: sending it fails, and the rest goes on."""
    odd = copy.deepcopy(ds)
    odd.SOPClassUID = odd.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.9999"
    return odd
