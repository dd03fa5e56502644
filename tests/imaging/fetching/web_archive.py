"""A DICOMweb archive inside the test: it answers as PS3.18 says, or as faults that are planted in it say."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pydicom
from pydicom.dataset import Dataset

from tests.imaging.deidentify_help import ct
from unibase.groundwork.work import Outcome
from unibase.imaging.fetching.answers import Query
from unibase.imaging.fetching.dicomweb import DicomWeb
from unibase.imaging.fetching.fetched import Fetching, choose
from unibase.imaging.fetching.options import Pace
from unibase.imaging.fetching.polite import Asking

Fault = Callable[[httpx.Request], httpx.Response | None]
NOON = datetime.fromisoformat("2024-06-01T12:00:00+02:00")


def instance(study: str, series: int, number: int, **attributes: object) -> Dataset:
    uid = f"{study}.{series}"
    return ct(StudyInstanceUID=study, SeriesInstanceUID=uid, SOPInstanceUID=f"{uid}.{number}", **attributes)


def encoded(ds: Dataset) -> bytes:
    stream = io.BytesIO()
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    pydicom.dcmwrite(stream, ds, enforce_file_format=True)
    return stream.getvalue()


@dataclass
class WebArchive:
    """What it holds, what it was asked, and its faults, each of which answers once."""

    held: list[Dataset]
    faults: list[Fault] = field(default_factory=list)
    most: int = 1000
    boundary: str = "the mark"
    pads: str = ""
    plain: bool = False
    asked: list[str] = field(default_factory=list)
    ignores: tuple[str, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)
    updated: dict[str, str] = field(default_factory=dict)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path.removeprefix("/dicom-web/"))
        for fault in list(self.faults):
            try:
                answer = fault(request)
            except httpx.HTTPError:
                self.faults.remove(fault)
                raise
            if answer is not None:
                self.faults.remove(fault)
                return answer
        parts = self.asked[-1].split("/")
        mine = [ds for ds in self.held if len(parts) < 2 or ds.StudyInstanceUID == parts[1]]
        if parts[-1] in ("studies", "instances"):
            return self._rows(request, mine, "study" if parts[-1] == "studies" else "instance")
        if self.plain and "transfer-syntax=*" in request.headers["accept"]:
            return httpx.Response(406)
        wanted = {3: 1, 5: 2}.get(len(parts) - 1, 0)
        mine = [ds for ds in mine if ds.SeriesInstanceUID == parts[3]] if wanted else mine
        mine = [ds for ds in mine if ds.SOPInstanceUID == parts[5]] if wanted == 2 else mine
        return self.sent([encoded(ds) for ds in mine]) if mine else httpx.Response(404)

    def sent(self, bodies: list[bytes], whole: bool = True) -> httpx.Response:
        mark = b"--" + self.boundary.encode()
        content = self.pads.encode()
        for body in bodies:
            content += mark + b"\r\nContent-Type: application/dicom\r\n\r\n" + body + b"\r\n"
        content = content + mark + b"--" if whole else content[: -len(bodies[-1]) // 2]
        kind = f'multipart/related; type="application/dicom"; boundary="{self.boundary}"'
        return httpx.Response(200, headers={"content-type": kind}, content=content)

    def _rows(self, request: httpx.Request, mine: list[Dataset], level: str) -> httpx.Response:
        rows = {}
        for ds in mine:
            about = request.url.params
            if any(
                about.get(key, getattr(ds, key)) != getattr(ds, key) for key in {"PatientID", "AccessionNumber"} - {*self.ignores}
            ):
                continue
            tags = (
                "StudyInstanceUID",
                "SeriesInstanceUID",
                "SOPInstanceUID",
                "SOPClassUID",
                "PatientID",
                "AccessionNumber",
                "StudyDate",
            )
            row = {pydicom.datadict.keyword_dict[tag]: str(getattr(ds, tag)) for tag in tags}
            count = self.counts.get(ds.StudyInstanceUID, sum(one.StudyInstanceUID == ds.StudyInstanceUID for one in self.held))
            tagged = {f"{tag:08X}": {"vr": "UI", "Value": [value]} for tag, value in row.items()}
            key = str(ds.StudyInstanceUID if level == "study" else ds.SOPInstanceUID)
            moment = {"0008041F": {"vr": "DT", "Value": [self.updated.get(ds.StudyInstanceUID)]}}
            rows[key] = {**tagged, **moment, "00201208": {"vr": "IS", "Value": [count]}}
        first = int(about["offset"]) if mine else 0
        page = list(rows.values())[first : first + self.most]
        return httpx.Response(200, text=json.dumps(page)) if page else httpx.Response(204)


@dataclass
class Night:
    """One run over an archive: what was waited for, what came, how each study ended."""

    archive: WebArchive
    folder: Path
    pace: Pace = field(default_factory=lambda: Pace(quiet_minutes=0))
    persons: frozenset[str] | None = None
    queries: list[Query] = field(default_factory=lambda: [Query()])
    now: datetime = NOON
    pauses: list[float] = field(default_factory=list)
    others: int = 0

    def run(self, before: dict[str, Outcome] | None = None) -> dict[str, Outcome]:
        self.archive.asked.clear()
        http = httpx.Client(base_url="http://pacs/dicom-web/", transport=httpx.MockTransport(self.archive))
        asking = Asking(self.pace, "The PACS", self.pauses.append, lambda: self.now)
        pacs = DicomWeb(http, self.folder)
        chosen = choose(pacs, asking, self.queries, self.persons)
        self.others = chosen.others
        fetching = Fetching(pacs, asking, self.folder / "studies", timedelta(minutes=self.pace.quiet_minutes), self.now)
        return {uid: fetching.fetch(study, (before or {}).get(uid)) for uid, study in chosen.studies.items()}

    def files(self) -> dict[str, bytes]:
        return {path.stem: path.read_bytes() for path in sorted((self.folder / "studies").glob("*/*.dcm"))}
