"""A client of DICOMweb: QIDO-RS to ask, WADO-RS to retrieve (DICOM PS3.18, chapters 10.4 and 10.6)."""

from __future__ import annotations

import json
import ssl
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO

import httpx

from unibase.groundwork.problems import Unusable, UserError
from unibase.imaging.fetching.answers import InstanceAnswer, Query, StudyAnswer, day_of, modalities_of
from unibase.imaging.fetching.parts import IN_MEMORY, boundary_of, parts
from unibase.imaging.fetching.polite import Again
from unibase.imaging.fetching.reasons import NOT_RETRIEVED

PAGE = 500
"""Answers asked for at once; an archive may give fewer."""
JSON = "application/dicom+json"
_PLAIN = 'multipart/related; type="application/dicom"'
_AS_STORED = f"{_PLAIN}; transfer-syntax=*"
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_LATER = frozenset({429, 503})
"""Answers that speak of the archive, whatever it was asked for."""
_STUDY_ID, _PATIENT, _ACCESSION, _DAY = "0020000D", "00100020", "00080050", "00080020"
_MODALITIES, _INSTANCES, _UPDATED = "00080061", "00201208", "0008041F"
_SERIES, _SOP, _CLASS = "0020000E", "00080018", "00080016"


type _Row = dict[str, object]
"""An answer of DICOM JSON: what a tag holds, which is looked at before it is used."""


@dataclass(frozen=True)
class _Page:
    """A page of answers: `more` where the archive warns that there are others (PS3.18, 8.3.4.4)."""

    rows: list[_Row]
    more: bool


def _refuse_repeated(page: _Page, known: int) -> None:
    """Refuse a list that an archive cuts off, where the page after it brings the same answers again.

    Raises:
        Unusable: If there is more than can be asked for.
    """
    if page.more or (page.rows and known == PAGE):
        raise Unusable(
            NOT_RETRIEVED,
            f"The archive gives {known} answers at most, and the same ones again where it is asked for the next (`offset`).",
            "Have paging switched on there, or ask for fewer at once: name modalities, days or accessions under `studies`.",
        )


@dataclass
class DicomWeb:
    """A DICOMweb archive.

    Attributes:
        http: The client; knows the root, certificates and who asks.
        folder: Where what is on its way waits.
        accept: In which form objects are asked for: as they are stored, until the archive says that it does not know that.
    """

    http: httpx.Client
    folder: Path
    accept: str = _AS_STORED

    def studies(self, query: Query) -> list[StudyAnswer]:
        """Return the studies that answer a query. `query`: what is asked for."""
        asked = {
            "PatientID": query.patient,
            "AccessionNumber": query.accession,
            "ModalitiesInStudy": query.modality,
            "StudyDate": query.days,
            "includefield": f"{_MODALITIES},{_INSTANCES},{_UPDATED}",
        }
        rows = self._pages("studies", {key: value for key, value in asked.items() if value}, _STUDY_ID)
        return [_study(row) for row in rows]

    def instances(self, study: str) -> list[InstanceAnswer]:
        """Return the instances of a study.

        Args:
            study: StudyInstanceUID.
        """
        rows = self._pages(f"studies/{study}/instances", {}, _SOP)
        return [InstanceAnswer(_text(row, _SERIES), _text(row, _SOP), _text(row, _CLASS)) for row in rows]

    def _pages(self, path: str, asked: Mapping[str, str], key: str) -> list[_Row]:
        """Return all answers, page by page until one brings nothing new: an archive may give fewer than asked at once."""
        found: dict[str, _Row] = {}
        while True:
            page = self._json(path, {**asked, "limit": str(PAGE), "offset": str(len(found))})
            new = {_text(row, key): row for row in page.rows if _text(row, key) not in found}
            if "" in new:
                raise Unusable(NOT_RETRIEVED, "The archive answers without the UID of what it holds.")
            if not new:
                _refuse_repeated(page, len(found))
                return list(found.values())
            found |= new

    def _json(self, path: str, asked: Mapping[str, str]) -> _Page:
        with as_passing():
            answer = self.http.get(path, params=dict(asked), headers={"Accept": JSON})
        if answer.status_code == 204:
            return _Page([], False)
        refuse(answer)
        content = _content(answer)
        if not isinstance(content, list):
            kind = answer.headers.get("content-type", "nothing").partition(";")[0]
            raise UserError(
                f"{self.http.base_url} answers with {kind}, not DICOM JSON. Is this the root of the DICOMweb service?"
            )
        rows = [{str(tag).upper(): held for tag, held in row.items()} for row in content if isinstance(row, Mapping)]
        return _Page(rows, "299" in answer.headers.get("warning", ""))

    def retrieve(self, study: str, wanted: Sequence[InstanceAnswer], whole: bool) -> Iterator[IO[bytes]]:
        """Yield instances of one series as they come.

        Args:
            study: StudyInstanceUID.
            wanted: The instances.
            whole: They are all of the series, which is then asked for at once.

        Raises:
            Again: If the archive is busy or the connection was cut.
            Unusable: If it says that it cannot give them.
        """
        series = f"studies/{study}/series/{wanted[0].series}"
        paths = [series] if whole else [f"{series}/instances/{one.sop}" for one in wanted]
        for path in paths:
            yield from self._objects(path)

    def _objects(self, path: str) -> Iterator[IO[bytes]]:
        with as_passing(), self.http.stream("GET", path, headers={"Accept": self.accept}) as answer:
            if not answer.is_success:
                answer.read()
            if answer.status_code == 406 and self.accept == _AS_STORED:
                self.accept = _PLAIN  # an archive that does not know `*` gives what is packed without loss unpacked
                yield from self._objects(path)
                return
            refuse(answer)
            kind = answer.headers.get("content-type", "")
            if kind.lower().startswith("application/dicom"):
                yield from _alone(answer.iter_bytes(), self.folder)
                return
            boundary = boundary_of(kind)
            if not boundary:
                raise Unusable(NOT_RETRIEVED, f"The archive sent {kind.partition(';')[0] or 'nothing'} in place of DICOM.")
            yield from parts(answer.iter_bytes(), boundary, self.folder)


def _content(answer: httpx.Response) -> object:
    """Return what the JSON of an answer holds, in UTF-8 unless it declares another encoding; None where it is no JSON."""
    try:
        return json.loads(answer.content.decode(answer.charset_encoding or "utf-8-sig"))
    except UnicodeDecodeError:
        raise UserError(
            "The archive answers in an encoding that it does not declare; DICOM JSON is UTF-8. Look at the character set of the archive."
        ) from None
    except (ValueError, LookupError):
        return None


def _alone(chunks: Iterator[bytes], folder: Path) -> Iterator[IO[bytes]]:
    """Yield the one object of an answer that has no parts."""
    with tempfile.SpooledTemporaryFile(IN_MEMORY, dir=str(folder)) as body:
        for block in chunks:
            body.write(block)
        body.seek(0)
        yield body


class as_passing:
    """Says of what may pass in the network that it may be tried again; the text of the library, which holds addresses, stays out."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, httpx.TimeoutException):
            raise Again("does not answer in time") from None
        if isinstance(error, httpx.ConnectError) and "CERTIFICATE" in str(error).upper():
            raise UserError("The archive's certificate is not trusted. Name the authority that signed it: tls.ca") from None
        if isinstance(error, httpx.DecodingError):
            raise Again("sent an answer that is not compressed as it says") from None
        if isinstance(error, httpx.TransportError):
            raise Again(f"cannot be reached, or cut the connection ({type(error).__name__})") from None


def refuse(answer: httpx.Response) -> None:
    """Raise what an answer other than success means.

    Args:
        answer: The answer.

    Raises:
        Again: If it may pass.
        UserError: If the operator must mend it.
        Unusable: If the archive cannot do what was asked.
    """
    code = answer.status_code
    if answer.is_success:
        return
    if code in _BUSY:
        after = _seconds(answer.headers.get("retry-after"), datetime.now(UTC))
        raise Again(f"answers {code} {answer.reason_phrase}", after, of_the_study=code == 500, busy=code in _LATER)
    if code in (401, 403):
        raise UserError(f"The archive refuses us ({code} {answer.reason_phrase}). Look at `credentials` of the centre's dicom.")
    if answer.is_redirect:
        raise UserError("The archive says that it has moved. Write its new root into the study file, if you trust it.")
    raise Unusable(NOT_RETRIEVED, f"The archive answers {code} {answer.reason_phrase}.")


def _seconds(header: str | None, now: datetime) -> float | None:
    """Return the seconds of a Retry-After, which is a number or a date; None where there is none that can be read."""
    if not header:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        return max((parsedate_to_datetime(header) - now).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None


def _study(row: _Row) -> StudyAnswer:
    count = _text(row, _INSTANCES).strip().removesuffix(".0")
    return StudyAnswer(
        _text(row, _STUDY_ID),
        _text(row, _PATIENT),
        _text(row, _ACCESSION),
        modalities_of(_values(row, _MODALITIES)),
        day_of(_text(row, _DAY)),
        int(count) if count.isdigit() else None,
        _text(row, _UPDATED),
    )


def _values(row: _Row, tag: str) -> list[object]:
    found = row.get(tag, {})
    values = found.get("Value", []) if isinstance(found, Mapping) else []
    # A value alone, without its list, is that value; a text is no list of letters.
    values = values if isinstance(values, list) else [values]
    return [one for one in values if one is not None]


def _text(row: _Row, tag: str) -> str:
    """Return the first value of a tag, without what pads it to an even length in a file (PS3.5, 6.2)."""
    return next((str(one).strip(" \0\r\n") for one in _values(row, tag)), "")


def connect(root: str, folder: Path, certificates: ssl.SSLContext, timeout: float, who: Mapping[str, str]) -> DicomWeb:
    """Return a client of an archive.

    Args:
        root: Root of the service.
        folder: Where what is on its way waits.
        certificates: What an encrypted connection trusts and shows.
        timeout: Seconds without an answer.
        who: Headers that say who asks.
    """
    http = httpx.Client(
        base_url=root.rstrip("/") + "/",
        headers=dict(who),
        verify=certificates,
        timeout=timeout,
        follow_redirects=False,
        # Proxies of the environment would see patients.
        trust_env=False,
    )
    return DicomWeb(http, folder)
