"""STOW-RS: instances to a DICOMweb archive (DICOM PS3.18, chapter 10.5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import httpx

from unibase.groundwork.files import sha256_bytes
from unibase.imaging.fetching.dicomweb import JSON, as_passing, refuse

_FAILED, _SOP = "00081198", "00081155"


@dataclass
class WebSender:
    """A DICOMweb archive that takes instances.

    Attributes:
        http: The client; knows the root, certificates and who asks.
    """

    http: httpx.Client

    def send(self, study: str, files: Sequence[tuple[str, Path]]) -> set[str]:
        """Send instances of one study; return the SOPInstanceUIDs that the archive did not take.

        Args:
            study: StudyInstanceUID.
            files: SOPInstanceUID and file of each.

        Raises:
            Again: If the archive is busy or the connection was cut.
            UserError: If it refuses us.
            Unusable: If it answers that it cannot take them, without saying which.
        """
        bodies = [path.read_bytes() for _, path in files]
        mark = _mark(bodies)
        head = b"--" + mark + b"\r\nContent-Type: application/dicom\r\n\r\n"
        content = b"".join(head + body + b"\r\n" for body in bodies) + b"--" + mark + b"--\r\n"
        kind = f'multipart/related; type="application/dicom"; boundary={mark.decode()}'
        with as_passing():
            answer = self.http.post(f"studies/{study}", content=content, headers={"Content-Type": kind, "Accept": JSON})
        sent = {uid for uid, _ in files}
        failed = _failed(answer)
        if answer.status_code == 409:  # none was taken; the answer says so one by one, or not at all
            return (failed or set()) & sent or sent
        refuse(answer)
        # 202 says that some were not taken, or changed. Where it cannot be read which, all go again.
        return sent if failed is None and answer.status_code == 202 else (failed or set()) & sent


def _mark(bodies: Iterable[bytes]) -> bytes:
    """Return a boundary that stands in no body: a digest of them."""
    return sha256_bytes(b"".join(sha256_bytes(body).encode() for body in bodies))[:40].encode()


def _failed(answer: httpx.Response) -> set[str] | None:
    """Return the SOPInstanceUIDs that an answer says were not stored, in JSON or XML; None where it cannot be read."""
    if "xml" in answer.headers.get("content-type", ""):
        return _failed_of_xml(answer.content)
    try:
        content: object = answer.json() if answer.content else {}
    except ValueError:
        return None
    rows = content if isinstance(content, list) else [content]
    items = [item for row in rows if isinstance(row, Mapping) for item in row.get(_FAILED, {}).get("Value", [])]
    return {str(value) for item in items for value in item.get(_SOP, {}).get("Value", [])}


def _failed_of_xml(content: bytes) -> set[str] | None:
    """Return the same of the Native DICOM Model (PS3.19, A.1), which older archives answer with whatever is accepted."""
    try:
        root = ElementTree.fromstring(content)
    except ElementTree.ParseError:
        return None
    lists = [one for one in root.iter() if one.get("tag") == _FAILED]
    uids = [one for found in lists for one in found.iter() if one.get("tag") == _SOP]
    return {(value.text or "").strip() for uid in uids for value in uid}
