"""A client of DIMSE: C-FIND to ask, C-GET or C-MOVE to retrieve (DICOM PS3.4, annex C), through pynetdicom."""

from __future__ import annotations

import queue
import ssl
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pydicom.dataset import Dataset
from pydicom.uid import (
    JPEG2000,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from unibase.groundwork.problems import UserError
from unibase.imaging.fetching.answers import InstanceAnswer, Query, StudyAnswer, day_of, modalities_of
from unibase.imaging.fetching.node_refusals import FIND, GET, MOVE, PENDING, Asked, refuse_association, refuse_status
from unibase.imaging.fetching.options import Dimse
from unibase.imaging.fetching.parts import IN_MEMORY
from unibase.imaging.fetching.polite import Again

COMPRESSED = (
    JPEG2000Lossless,
    JPEGLSLossless,
    JPEGLosslessSV1,
    JPEGLossless,
    RLELossless,
    JPEG2000,
    JPEGLSNearLossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
)
"""Transfer syntaxes that we take as they are: each in a context of its own, so that the archive need not unpack what it holds."""
PLAIN = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
CLASSES_AT_ONCE = 12
"""An association has at most 128 contexts: so many classes, each with all transfer syntaxes."""
UIDS_AT_ONCE = 200
"""Instances that one question lists: an element of type UI holds 64 KiB, and some archives less."""
USUAL_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.2",
    "1.2.840.10008.5.1.4.1.1.4",
    "1.2.840.10008.5.1.4.1.1.128",
    "1.2.840.10008.5.1.4.1.1.7",
    "1.2.840.10008.5.1.4.1.1.481.3",
    "1.2.840.10008.5.1.4.1.1.66.4",
    "1.2.840.10008.5.1.4.1.1.2.1",
    "1.2.840.10008.5.1.4.1.1.4.1",
    "1.2.840.10008.5.1.4.1.1.88.33",
    "1.2.840.10008.5.1.4.1.1.481.2",
    "1.2.840.10008.5.1.4.1.1.1",
    "1.2.840.10008.5.1.4.1.1.1.1",
    "1.2.840.10008.5.1.4.1.1.6.1",
    "1.2.840.10008.5.1.4.1.1.3.1",
    "1.2.840.10008.5.1.4.1.1.1.2",
    "1.2.840.10008.5.1.4.1.1.13.1.3",
    "1.2.840.10008.5.1.4.1.1.20",
    "1.2.840.10008.5.1.4.1.1.12.1",
    "1.2.840.10008.5.1.4.1.1.481.5",
    "1.2.840.10008.5.1.4.1.1.88.22",
    "1.2.840.10008.5.1.4.1.1.88.11",
    "1.2.840.10008.5.1.4.1.1.11.1",
)
"""Storage classes that are taken of an archive that does not tell the class of its instances, the most usual first: CT, MR, PET,
SC, RTSTRUCT, SEG, enhanced CT and MR, SR, RTDOSE, CR, DX; then ultrasound of one and of many frames, mammography and breast
tomosynthesis, NM, XA, RTPLAN, SR enhanced and basic, presentation states."""


type _Untyped = Any
"""What pynetdicom, which has no types, makes and takes: entities, associations, events."""


@dataclass
class Node:
    """An archive that speaks DIMSE, with the study root.

    Attributes:
        node: What the study file says of it.
        folder: Where what is on its way waits.
        timeout: Seconds without an answer.
        tls: Certificates, or None for a connection in clear.
        listening: Certificates of the connection that an archive opens to us (C-MOVE), or None for one in clear.
    """

    node: Dimse
    folder: Path
    timeout: float
    tls: ssl.SSLContext | None = None
    listening: ssl.SSLContext | None = None

    def studies(self, query: Query) -> list[StudyAnswer]:
        """Return the studies that answer a query. `query`: what is asked for."""
        asked = {
            "QueryRetrieveLevel": "STUDY",
            "PatientID": query.patient,
            "AccessionNumber": query.accession,
            "ModalitiesInStudy": query.modality,
            "StudyDate": query.days,
            "StudyInstanceUID": "",
            "NumberOfStudyRelatedInstances": "",
        }
        return [_study(row) for row in self._find([asked])]

    def instances(self, study: str) -> list[InstanceAnswer]:
        """Return the instances of a study, series by series over one association.

        Args:
            study: StudyInstanceUID.
        """
        series = {"QueryRetrieveLevel": "SERIES", "StudyInstanceUID": study, "SeriesInstanceUID": ""}
        uids = sorted({str(row.SeriesInstanceUID) for row in self._find([series]) if row.get("SeriesInstanceUID")})
        image = {"QueryRetrieveLevel": "IMAGE", "StudyInstanceUID": study, "SOPInstanceUID": "", "SOPClassUID": ""}
        rows = self._find([{**image, "SeriesInstanceUID": uid} for uid in uids]) if uids else []
        found = {row.SOPInstanceUID: _instance(row) for row in rows if row.get("SOPInstanceUID")}
        return list(found.values())

    def _find(self, questions: Sequence[dict[str, str]]) -> list[Dataset]:
        """Return the answers to questions; what a question fixes and an answer leaves out is taken from the question."""
        found: list[Dataset] = []
        with self.associated([(FIND, PLAIN)]) as association:
            for question in questions:
                for status, row in association.send_c_find(_identifier(question), FIND):
                    refuse_status(status, "C-FIND")
                    if row is not None and status.Status in PENDING:
                        if not row.get("SeriesInstanceUID"):
                            row.SeriesInstanceUID = question.get("SeriesInstanceUID", "")
                        found.append(row)
        return found

    def retrieve(self, study: str, wanted: Sequence[InstanceAnswer], whole: bool) -> Iterator[IO[bytes]]:
        """Yield instances of one series as they come.

        Args:
            study: StudyInstanceUID.
            wanted: The instances.
            whole: They are all of the series, which is then asked for at once.

        Raises:
            Again: If the archive does not answer or the connection was cut.
            Unusable: If it says that it cannot give them.
        """
        told = sorted({one.sop_class for one in wanted if one.sop_class})
        for question in _questions(study, wanted, whole):
            left = len(wanted) if whole else question["SOPInstanceUID"].count("\\") + 1
            yield from self._by_classes(_identifier(question), told or USUAL_CLASSES, left)

    def _by_classes(self, identifier: Dataset, classes: Sequence[str], left: int) -> Iterator[IO[bytes]]:
        """Yield what a question brings, asked with some classes at once until as many objects came as are `left`."""
        if self.node.retrieve == "move":
            yield from self._by_move(identifier, classes)
            return
        for start in range(0, len(classes), CLASSES_AT_ONCE):
            try:
                for body in self._by_get(identifier, classes[start : start + CLASSES_AT_ONCE]):
                    left -= 1
                    yield body
            except Again as failed:
                # Nothing may be of the first classes; whether it is of the others shows when they are asked for.
                if not failed.of_the_study or start + CLASSES_AT_ONCE >= len(classes):
                    raise
            if left <= 0:
                return

    def _by_get(self, identifier: Dataset, classes: Sequence[str]) -> Iterator[IO[bytes]]:
        """Yield what comes over our own connection."""
        import pynetdicom  # of the extra `pacs`

        came: queue.SimpleQueue[IO[bytes]] = queue.SimpleQueue()
        contexts = [(uid, (syntax,)) for uid in classes for syntax in COMPRESSED] + [(uid, PLAIN) for uid in classes]
        roles = [pynetdicom.build_role(uid, scp_role=True) for uid in classes]
        handlers = [(pynetdicom.evt.EVT_C_STORE, self._keeper(came))]
        with self.associated([(GET, PLAIN), *contexts], roles, handlers) as association:
            for status, _ in association.send_c_get(identifier, GET):
                yield from _drained(came)
                refuse_status(status, "C-GET")
        yield from _drained(came)

    def _by_move(self, identifier: Dataset, classes: Sequence[str]) -> Iterator[IO[bytes]]:
        """Yield what the archive sends over a connection that it opens to us."""
        import pynetdicom  # of the extra `pacs`

        came: queue.SimpleQueue[IO[bytes]] = queue.SimpleQueue()
        ours = pynetdicom.AE(ae_title=self.node.calling)
        ours.require_called_aet = True
        for uid in classes:
            ours.add_supported_context(uid, [*COMPRESSED, *PLAIN])
        handlers = [(pynetdicom.evt.EVT_C_STORE, self._keeper(came))]
        server = self._listening(ours, handlers)
        try:
            with self.associated([(MOVE, PLAIN)]) as association:
                for status, _ in association.send_c_move(identifier, self.node.calling, MOVE):
                    yield from _drained(came)
                    refuse_status(status, "C-MOVE")
        finally:
            server.shutdown()
        yield from _drained(came)

    def _listening(self, ours: _Untyped, handlers: _Untyped) -> _Untyped:
        place = (self.node.listen_host, self.node.listen_port)
        try:
            return ours.start_server(place, block=False, evt_handlers=handlers, ssl_context=self.listening)
        except OSError as error:
            raise UserError(
                f"The port {place[1]} cannot be listened on ({error.strerror}). Free it, or set dimse.listen_port."
            ) from None

    def _keeper(self, came: queue.SimpleQueue[IO[bytes]]) -> Callable[[_Untyped], int]:
        """Return what takes an instance that is sent to us, as it was encoded."""

        def take(event: _Untyped) -> int:
            body = tempfile.SpooledTemporaryFile(IN_MEMORY, dir=str(self.folder))  # noqa: SIM115  # closed where it is drained
            body.write(event.encoded_dataset())
            body.seek(0)
            came.put(body)
            return 0x0000

        return take

    @contextmanager
    def associated(
        self, contexts: Sequence[tuple[str, Sequence[str]]], roles: Sequence[_Untyped] = (), handlers: Sequence[_Untyped] = ()
    ) -> Iterator[_Untyped]:
        """Yield an association.

        Args:
            contexts: SOP class and transfer syntaxes of each presentation context.
            roles: Roles that are negotiated.
            handlers: What takes instances that are sent over it.

        Raises:
            Again: If nobody answers, or it was cut.
            UserError: If the archive refuses us for good, with what to mend; or pynetdicom is not installed.
            Unusable: If it takes nothing of what would be stored there.
        """
        entity = _entity(self.node, self.timeout)
        for uid, syntaxes in contexts:
            entity.add_requested_context(uid, list(syntaxes))
        host = self.node.host
        association = entity.associate(
            host,
            self.node.port,
            ae_title=self.node.called,
            ext_neg=list(roles),
            evt_handlers=list(handlers),
            tls_args=(self.tls, host) if self.tls else None,
        )
        refuse_association(association, Asked(contexts[0][0], self.node, self.timeout, self.tls))
        try:
            yield association
            if association.is_aborted or not association.is_established:
                raise Again("cut the association")
        finally:
            if association.is_established:
                association.release()


def _entity(node: Dimse, timeout: float) -> _Untyped:
    """Return our application entity."""
    try:
        import pynetdicom  # of the extra `pacs`, and slow to import
    except ImportError:
        raise UserError("DIMSE needs pynetdicom. Install it: pip install 'unibase[pacs]'") from None
    entity = pynetdicom.AE(ae_title=node.calling)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = entity.connection_timeout = timeout
    return entity


def _questions(study: str, wanted: Sequence[InstanceAnswer], whole: bool) -> Iterator[dict[str, str]]:
    """Yield what is asked for to have instances of one series: the series, or lists that an element of type UI can hold."""
    series = {"QueryRetrieveLevel": "SERIES", "StudyInstanceUID": study, "SeriesInstanceUID": wanted[0].series}
    if whole:
        yield series
        return
    for start in range(0, len(wanted), UIDS_AT_ONCE):
        uids = "\\".join(one.sop for one in wanted[start : start + UIDS_AT_ONCE])
        yield {**series, "QueryRetrieveLevel": "IMAGE", "SOPInstanceUID": uids}


def _instance(row: Dataset) -> InstanceAnswer:
    return InstanceAnswer(str(row.SeriesInstanceUID), str(row.SOPInstanceUID), str(row.get("SOPClassUID", "") or ""))


def _identifier(asked: dict[str, str]) -> Dataset:
    """Return a question; a value in UTF-8 says so."""
    identifier = Dataset()
    if not all(value.isascii() for value in asked.values()):
        identifier.SpecificCharacterSet = "ISO_IR 192"
    for keyword, value in asked.items():
        setattr(identifier, keyword, value)
    return identifier


def _drained(came: queue.SimpleQueue[IO[bytes]]) -> Iterator[IO[bytes]]:
    while not came.empty():
        with came.get() as body:
            yield body


def _study(row: Dataset) -> StudyAnswer:
    told = row.get("NumberOfStudyRelatedInstances")
    count = "" if told is None else str(told)
    modalities = row.get("ModalitiesInStudy") or ()
    return StudyAnswer(
        str(row.get("StudyInstanceUID", "")),
        str(row.get("PatientID", "") or ""),
        str(row.get("AccessionNumber", "") or ""),
        modalities_of([modalities] if isinstance(modalities, str) else modalities),
        day_of(str(row.get("StudyDate", "") or "")),
        int(count) if count.isdigit() else None,
    )
