"""C-STORE: instances to a node of DIMSE (DICOM PS3.4, annex B), each in the transfer syntax that it has."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pydicom

from unibase.groundwork.problems import Unusable
from unibase.imaging.fetching.dimse import Node
from unibase.imaging.fetching.options import Dimse
from unibase.imaging.fetching.polite import Again


@dataclass
class NodeSender:
    """A node that takes instances.

    Attributes:
        node: What the study file says of it.
        timeout: Seconds without an answer.
        tls: Certificates, or None for a connection in clear.
    """

    node: Dimse
    timeout: float
    tls: ssl.SSLContext | None = None

    def send(self, study: str, files: Sequence[tuple[str, Path]]) -> set[str]:
        """Send instances of one study; return the SOPInstanceUIDs that the node did not take.

        Args:
            study: StudyInstanceUID.
            files: SOPInstanceUID and file of each.

        Raises:
            Again: If nobody answers, or the association was cut.
            UserError: If the node refuses us.
        """
        del study  # an instance says itself which study it is of
        kinds = sorted({_kind(path) for _, path in files})
        try:
            return self._sent(files, kinds)
        except Unusable:  # it takes none of these classes
            return {uid for uid, _ in files}

    def _sent(self, files: Sequence[tuple[str, Path]], kinds: Sequence[tuple[str, str]]) -> set[str]:
        failed: set[str] = set()
        with Node(self.node, Path(), self.timeout, self.tls).associated([(uid, (syntax,)) for uid, syntax in kinds]) as link:
            accepted = {(one.abstract_syntax, one.transfer_syntax[0]) for one in link.accepted_contexts}
            for uid, path in files:
                if _kind(path) not in accepted:
                    failed.add(uid)
                    continue
                status = link.send_c_store(pydicom.dcmread(path))
                if "Status" not in status:
                    raise Again("does not answer in time, or cut the association")
                if status.Status != 0x0000 and not 0xB000 <= status.Status <= 0xBFFF:
                    failed.add(uid)
        return failed


def _kind(path: Path) -> tuple[str, str]:
    """Return SOP class and transfer syntax of a file."""
    meta = pydicom.filereader.read_file_meta_info(path)
    return str(meta.MediaStorageSOPClassUID), str(meta.TransferSyntaxUID)
