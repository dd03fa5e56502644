"""STOW-RS: instances to a DICOMweb archive (DICOM PS3.18, chapter 10.5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

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
        if answer.status_code == 409:  # none was taken; the answer says so one by one, or not at all
            return _failed(answer) or {uid for uid, _ in files}
        refuse(answer)
        return _failed(answer) & {uid for uid, _ in files}


def _mark(bodies: Iterable[bytes]) -> bytes:
    """Return a boundary that stands in no body: a digest of them."""
    return sha256_bytes(b"".join(sha256_bytes(body).encode() for body in bodies))[:40].encode()


def _failed(answer: httpx.Response) -> set[str]:
    """Return the SOPInstanceUIDs that an answer says were not stored."""
    try:
        content: object = answer.json() if answer.content else {}
    except ValueError:
        return set()
    rows = content if isinstance(content, list) else [content]
    items = [item for row in rows if isinstance(row, Mapping) for item in row.get(_FAILED, {}).get("Value", [])]
    return {str(value) for item in items for value in item.get(_SOP, {}).get("Value", [])}
