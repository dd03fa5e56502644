"""De-identified images to an archive for research: each once, in clear nobody, what is not taken is told."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pydicom
import pytest

from tests.flows import orthanc as real
from tests.flows.test_fetch import CENTRE, PEOPLE, Night, instances
from tests.imaging.deidentify_help import ct, save
from tests.imaging.dicom_maker import write_rtstruct, write_series
from tests.known_keys import known_key
from unibase.flows.runs.run import open_run
from unibase.flows.stages import features
from unibase.flows.stages.index import index_series
from unibase.flows.vault.sending import send_study
from unibase.groundwork.problems import SourceAway, UserError
from unibase.groundwork.work import Outcome
from unibase.imaging.fetching.options import DicomTarget, Pace
from unibase.imaging.fetching.polite import Asking
from unibase.imaging.sending import archive_batches
from unibase.imaging.sending.archive_batches import Leaving, send
from unibase.imaging.sending.web_sender import WebSender
from unibase.privacy.audit import AuditLog
from unibase.privacy.keys import write_key_file


@pytest.fixture(scope="module")
def research(tmp_path_factory: pytest.TempPathFactory) -> Iterator[real.Orthanc]:
    if not real.PROGRAM:
        pytest.skip("no Orthanc on this machine (Debian: orthanc, orthanc-dicomweb)")
    with real.orthanc(tmp_path_factory.mktemp("research"), title="RESEARCH") as one:
        yield one


@pytest.fixture
def home(tmp_path: Path) -> Path:
    instances(tmp_path / "dicom")
    (tmp_path / "people.csv").write_text("identifier\n" + "\n".join(PEOPLE) + "\n")
    write_key_file(known_key("vault.key"), tmp_path / "vault.key")
    return tmp_path


WAYS = {
    "stow": "{{dicomweb: '{web}', pace: {{tries: 1}}}}",
    "store": "{{dimse: {{host: 127.0.0.1, port: {dicom}, called: RESEARCH}}, pace: {{tries: 1}}}}",
}


@pytest.mark.parametrize("way", WAYS)
def test_what_is_de_identified_goes_to_orthanc_once_and_in_its_bytes(home: Path, research: real.Orthanc, way: str) -> None:
    night = Night(home, "dicom", f"research_pacs: {WAYS[way].format(web=research.web, dicom=research.dicom)}\n")
    night.run()
    said = send_study(night.study)
    assert said == "4 de-identified instances: 4 sent now, 0 were there, 0 not taken."
    assert send_study(night.study) == "4 de-identified instances: 0 sent now, 4 were there, 0 not taken."
    ours = {str(pydicom.dcmread(path).SOPInstanceUID): path.read_bytes() for path in night.study.work.staging.rglob("*.dcm")}
    theirs = {}
    for uid in research.get("/instances"):
        content = httpx.get(f"http://127.0.0.1:{research.http}/instances/{uid}/file").content
        theirs[research.get(f"/instances/{uid}/tags?simplify")["SOPInstanceUID"]] = content
    assert ours.keys() <= theirs.keys() and not any(number.encode() in b"".join(theirs.values()) for number in PEOPLE)
    if way == "stow":
        assert all(theirs[uid] == content for uid, content in ours.items())
    assert [entry["details"] for entry in AuditLog(night.study.work.audit_log).entries() if entry["action"] == "images-sent"] == [
        {"sent": 4, "not_taken": 0}
    ]
    night = Night(
        home, "dicom, objections: ['IPP2']", f"research_pacs: {WAYS[way].format(web=research.web, dicom=research.dicom)}\n"
    )
    night.run()
    assert "2 that were sent before are no longer in staging" in send_study(night.study)


def test_a_study_without_a_target_is_told(home: Path) -> None:
    night = Night(home, "dicom")
    with pytest.raises(UserError, match="names no research_pacs"):
        send_study(night.study)
    with pytest.raises(ValueError, match="exactly one of"):
        DicomTarget.model_validate({})
    assert night.study.centres[CENTRE].dicom is not None


def leaving(folder: Path, count: int) -> list[Leaving]:
    files = []
    for number in range(count):
        path = save(ct(SOPInstanceUID=f"1.{number}"), folder / f"{number}.dcm")
        files.append(Leaving(path.name, "digest", f"9.{number % 2}", f"1.{number}", path))
    return files


def stored(answer: httpx.Response, folder: Path, count: int = 4) -> tuple[list[Outcome], list[httpx.Request]]:
    """Send files to an archive that answers so."""
    asked: list[httpx.Request] = []

    def archive(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return answer

    http = httpx.Client(base_url="http://pacs/", transport=httpx.MockTransport(archive))
    ended: list[Outcome] = []
    asking = Asking(Pace(tries=2), "The research PACS", lambda seconds: None)
    send(WebSender(http), asking, leaving(folder, count), ended.extend)
    return ended, asked


FAILED = {"00081198": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["1.2"]}}]}}
UID = '<DicomAttribute tag="00081155" vr="UI"><Value number="1">{}</Value></DicomAttribute>'
LISTED = '<DicomAttribute tag="{}" vr="SQ"><Item number="1">{}</Item></DicomAttribute>'
XML = f"""<?xml version="1.0" encoding="UTF-8"?><NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM">
{LISTED.format("00081198", UID.format("1.2"))}{LISTED.format("00081199", UID.format("1.0"))}</NativeDicomModel>"""
AS_XML = {"content-type": "application/dicom+xml"}
EVERY = {"0.dcm", "1.dcm", "2.dcm", "3.dcm"}
ANSWERS = {
    "all": (httpx.Response(200), set()),
    "a part, as XML": (httpx.Response(202, text=XML, headers=AS_XML), {"2.dcm"}),
    "a part, as XML, and all well": (httpx.Response(200, text=XML, headers=AS_XML), {"2.dcm"}),
    "a part, which cannot be read": (httpx.Response(202, text="<dicom", headers=AS_XML), EVERY),
    "a part, and no word of which": (httpx.Response(202, text="some were not stored"), EVERY),
    "all, with warnings": (httpx.Response(202, text=json.dumps({"00081199": {}})), set()),
    "all, in words": (httpx.Response(200, text=json.dumps({"00081190": {}})), set()),
    "a part": (httpx.Response(202, text=json.dumps(FAILED)), {"2.dcm"}),
    "a part, as a list": (httpx.Response(202, text=json.dumps([FAILED])), {"2.dcm"}),
    "none": (httpx.Response(409), EVERY),
    "not this type": (httpx.Response(415), EVERY),
    "an answer that is none": (httpx.Response(200, text="ok"), set()),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_what_an_archive_does_not_take_is_told_one_by_one(tmp_path: Path, kind: str) -> None:
    answer, refused = ANSWERS[kind]
    ended, asked = stored(answer, tmp_path)
    assert {one.key for one in ended if one.status == "quarantined"} == refused and len(ended) == 4
    # What is refused as a whole is tried in halves.
    times = 3 if answer.status_code == 415 else 1
    assert {one.reason for one in ended} <= {"", "not-taken"}
    assert [one.url.path for one in asked] == ["/studies/9.0"] * times + ["/studies/9.1"] * times


# What an archive refuses as a whole, and what is left over then.
WHOLE = {
    "a front takes two at most": (lambda content: content.count(b"Content-Type") > 2, set()),
    "it stores no object of one kind": (lambda content: b"1.2.33" in content, {"3.dcm"}),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_one_object_that_is_refused_takes_no_other_with_it(tmp_path: Path, kind: str) -> None:
    refused, left = WHOLE[kind]
    files = [
        Leaving(f"{n}.dcm", "d", "9", f"1.2.3{n}", save(ct(SOPInstanceUID=f"1.2.3{n}"), tmp_path / f"{n}")) for n in range(7)
    ]
    http = httpx.Client(
        base_url="http://pacs/", transport=httpx.MockTransport(lambda r: httpx.Response(413 if refused(r.content) else 200))
    )
    ended: list[Outcome] = []
    send(WebSender(http), Asking(Pace(tries=1), "The research PACS", lambda seconds: None), files, ended.extend)
    assert len(ended) == 7 and {one.key for one in ended if one.status == "quarantined"} == left


def test_an_archive_that_is_away_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(SourceAway, match="The research PACS answers 503"):
        stored(httpx.Response(503), tmp_path)


@pytest.mark.parametrize(("files", "size", "sizes"), [(2, 10**9, [2, 1, 2]), (64, 1, [1, 1, 1, 1, 1]), (64, 10**9, [3, 2])])
def test_batches_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int, size: int, sizes: list[int]) -> None:
    monkeypatch.setattr(archive_batches, "MOST_FILES", files)
    monkeypatch.setattr(archive_batches, "MOST_BYTES", size)
    assert [len(one) for one in archive_batches.batches(leaving(tmp_path, 5))] == sizes


def test_regions_and_features_go_with_their_images(home: Path, research: real.Orthanc) -> None:
    image = np.random.default_rng(1).integers(-100, 400, (10, 40, 40)).astype(np.int16)
    shutil.rmtree(home / "dicom")
    write_series(home / "dicom/ct", image, spacing=(1, 1, 2), patient="IPP1", study=700, number=701)
    square = [np.array([[10.0, 12, 2 * z], [20, 12, 2 * z], [20, 22, 2 * z], [10, 22, 2 * z]]) for z in range(3, 7)]
    write_rtstruct(home / "dicom/rs.dcm", [("GTV", square)], series=701, patient="IPP1", study=700, number=702)
    (home / "params.yaml").write_text("imageType: {Original: {}}\nfeatureClass: {shape: [], firstorder: []}\n")
    target = f"research_pacs: {{dicomweb: '{research.web}', results: true, pace: {{tries: 1}}}}\n"
    night = Night(home, "dicom", target + "features: {settings: params.yaml, regions: {GTV: [gtv]}}\n")
    night.run()
    with pytest.raises(UserError, match="nothing was yet"):
        send_study(night.study)
    with open_run(night.study) as run:
        index_series(run)
        features.STAGE(run)
    assert send_study(night.study) == "13 de-identified instances: 13 sent now, 0 were there, 0 not taken."
    assert send_study(night.study) == "13 de-identified instances: 0 sent now, 13 were there, 0 not taken."
    held = [research.get(f"/instances/{one}/tags?simplify") for one in research.get("/instances")]
    (seg,), (report,) = ([one for one in held if one["Modality"] == modality] for modality in ("SEG", "SR"))
    ours = [one for one in held if one["Modality"] == "CT" and one["StudyInstanceUID"] == seg["StudyInstanceUID"]]
    assert len(ours) == 10 and {one["PatientID"] for one in (*ours, seg, report)} == {ours[0]["PatientID"]} != {"IPP1"}
    assert seg["SegmentSequence"][0]["SegmentLabel"] == "GTV" and "IPP1" not in json.dumps([seg, report])
    shown = json.dumps(report)
    assert "shape_MeshVolume" in shown and seg["SOPInstanceUID"] in shown
