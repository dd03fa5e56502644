"""Fetching by DICOMweb: what an archive may do, and what must come of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import httpx
import pytest

from tests.imaging.fetching.web_archive import NOON, Night, WebArchive, encoded, instance
from unibase.groundwork.problems import SourceAway, UserError
from unibase.imaging.fetching.answers import Query, StudyAnswer
from unibase.imaging.fetching.options import DicomSource, Pace
from unibase.imaging.fetching.parts import boundary_of, parts
from unibase.imaging.fetching.polite import IN_A_ROW, Again, Asking

pytestmark = pytest.mark.usefixtures("no_flush")

STUDIES = ["1.2.3.1", "1.2.3.2"]


@pytest.fixture
def archive() -> WebArchive:
    """Two studies of two persons, each of two series with three instances."""
    people = {"1.2.3.1": "IPP1", "1.2.3.2": "IPP2"}
    return WebArchive([instance(uid, s, n, PatientID=people[uid]) for uid in STUDIES for s in (1, 2) for n in (1, 2, 3)])


def held(archive: WebArchive) -> dict[str, bytes]:
    return {ds.SOPInstanceUID: encoded(ds) for ds in archive.held}


def test_everything_comes_byte_for_byte_and_nothing_is_asked_for_again(archive: WebArchive, tmp_path: Path) -> None:
    night = Night(archive, tmp_path)
    first = night.run()
    assert [one.status for one in first.values()] == ["done", "done"] and night.files() == held(archive)
    assert sum(path.count("/") == 3 and "series" in path for path in archive.asked) == 4
    second = night.run(first)
    assert archive.asked == ["studies", "studies"] and not any(one.repeated for one in second.values())
    assert second == first


def once(part: str, answer: Callable[[], httpx.Response | Exception]) -> Callable[[httpx.Request], httpx.Response | None]:
    """Return a fault of the first request whose path holds a text."""

    def fault(request: httpx.Request) -> httpx.Response | None:
        if part not in request.url.path:
            return None
        told = answer()
        if isinstance(told, Exception):
            raise told
        return told

    return fault


def compressed(content: bytes) -> httpx.Response:
    """Return an answer that calls itself compressed by gzip."""
    kind = "multipart/related; boundary=x"
    return httpx.Response(200, headers={"content-encoding": "gzip", "content-type": kind}, stream=httpx.ByteStream(content))


BUSY = {
    "503": (lambda: httpx.Response(503), 0.8, 1.2),
    "429 with seconds": (lambda: httpx.Response(429, headers={"retry-after": "7"}), 7, 7),
    "429 with a date gone by": (lambda: httpx.Response(429, headers={"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}), 0, 0),
    "429 with nonsense": (lambda: httpx.Response(429, headers={"retry-after": "soon"}), 0.8, 1.2),
    "gateway": (lambda: httpx.Response(502), 0.8, 1.2),
    "timeout": (lambda: httpx.ReadTimeout("no"), 0.8, 1.2),
    "cut": (lambda: httpx.RemoteProtocolError("no"), 0.8, 1.2),
    "refused": (lambda: httpx.ConnectError("no"), 0.8, 1.2),
    "error": (lambda: httpx.Response(500), 0.8, 1.2),
    "not compressed as it says": (lambda: compressed(b"plain"), 0.8, 1.2),
}


@pytest.mark.parametrize("where", ["studies", "instances", "series"])
@pytest.mark.parametrize("kind", BUSY)
def test_a_busy_archive_is_asked_again_after_a_pause(archive: WebArchive, tmp_path: Path, where: str, kind: str) -> None:
    answer, least, most = BUSY[kind]
    archive.faults.append(once(where, answer))
    night = Night(archive, tmp_path)
    assert {one.status for one in night.run().values()} == {"done"} and night.files() == held(archive)
    assert len(night.pauses) == 1 and least <= night.pauses[0] <= most


def test_an_archive_that_stays_away_ends_the_run_and_keeps_what_came(archive: WebArchive, tmp_path: Path) -> None:
    def down(request: httpx.Request) -> httpx.Response | None:
        if "1.2.3.2" in request.url.path:
            archive.faults.append(down)
            return httpx.Response(503)
        return None

    archive.faults.append(down)
    night = Night(archive, tmp_path, Pace(quiet_minutes=0, tries=3))
    with pytest.raises(SourceAway, match=r"The PACS answers 503 Service Unavailable\. Nothing is published"):
        night.run()
    assert len(night.files()) == 6 and len(night.pauses) == 2 and night.pauses[1] > night.pauses[0]
    archive.faults.clear()
    night.run()
    # Instances of the first study are there: no series of it is asked for again.
    assert not [path for path in archive.asked if "1.2.3.1/series" in path] and night.files() == held(archive)


def test_one_study_that_the_archive_cannot_give_holds_up_nobody(archive: WebArchive, tmp_path: Path) -> None:
    def broken(request: httpx.Request) -> httpx.Response | None:
        if "1.2.3.1/series" in request.url.path:
            archive.faults.append(broken)
            return httpx.Response(500)
        return None

    archive.faults.append(broken)
    ends = Night(archive, tmp_path, Pace(quiet_minutes=0, tries=2)).run()
    assert [(one.status, one.reason) for one in ends.values()] == [("quarantined", "not-retrieved"), ("done", "")]
    assert ends["1.2.3.1"].message == "The archive answers 500 Internal Server Error, 2 times."


def always(part: str, answer: Callable[[], httpx.Response | Exception]) -> Callable[[WebArchive], None]:
    """Return what plants a fault of every request whose path holds a text."""

    def plant(archive: WebArchive) -> None:
        def fault(request: httpx.Request) -> httpx.Response | None:
            if part not in request.url.path:
                return None
            plant(archive)
            told = answer()
            if isinstance(told, Exception):
                raise told
            return told

        archive.faults.append(fault)

    return plant


OF_THE_STUDY = {
    "cut": lambda: httpx.RemoteProtocolError("no"),
    "timeout": lambda: httpx.ReadTimeout("no"),
    "gateway timeout": lambda: httpx.Response(504),
    "ends too early": lambda: WebArchive([]).sent([b"DICM" * 99], whole=False),
}


@pytest.mark.parametrize("kind", OF_THE_STUDY)
def test_a_study_on_which_the_archive_breaks_off_each_time_holds_up_nobody(
    archive: WebArchive, tmp_path: Path, kind: str
) -> None:
    always("1.2.3.1/series", OF_THE_STUDY[kind])(archive)
    night = Night(archive, tmp_path, Pace(quiet_minutes=0, tries=2))
    ends = night.run()
    assert [(one.status, one.reason) for one in ends.values()] == [("quarantined", "not-retrieved"), ("done", "")]
    assert len(night.pauses) == 1 and ends["1.2.3.1"].message.endswith(", 2 times.")
    archive.faults.clear()
    assert {one.status for one in night.run(ends).values()} == {"done"} and night.files() == held(archive)


def test_an_archive_that_breaks_off_on_study_after_study_or_is_busy_is_away(tmp_path: Path) -> None:
    studies = WebArchive([instance(f"1.2.4.{number}", 1, 1) for number in range(1, 9)])
    always("/series", OF_THE_STUDY["cut"])(studies)
    night = Night(studies, tmp_path, Pace(quiet_minutes=0, tries=1))
    with pytest.raises(SourceAway, match=r"cut the connection"):
        night.run()
    assert {path.split("/")[1] for path in studies.asked if "series" in path} == {f"1.2.4.{n}" for n in range(1, IN_A_ROW + 2)}
    studies.faults.clear()
    always("/series", lambda: httpx.Response(503))(studies)
    with pytest.raises(SourceAway, match="answers 503"):
        night.run()


def test_an_archive_that_does_not_know_any_syntax_is_asked_for_the_plain_one(archive: WebArchive, tmp_path: Path) -> None:
    archive.plain = True
    night = Night(archive, tmp_path)
    assert {one.status for one in night.run().values()} == {"done"} and night.files() == held(archive)
    # It is told once that it need not be asked so.
    assert sum("series" in path for path in archive.asked) == 5


def test_an_answer_that_breaks_off_leaves_no_half_file(archive: WebArchive, tmp_path: Path) -> None:
    bodies = [encoded(ds) for ds in archive.held[:3]]
    archive.faults.append(once("1.2.3.1/series", lambda: archive.sent(bodies, whole=False)))
    night = Night(archive, tmp_path)
    assert {one.status for one in night.run().values()} == {"done"} and night.files() == held(archive)
    # Two came before it broke off: the third alone is asked for then.
    assert [path for path in archive.asked if "1.2.3.1.1/instances" in path] == [
        "studies/1.2.3.1/series/1.2.3.1.1/instances/1.2.3.1.1.3"
    ]
    assert not list(tmp_path.rglob(".tmp-*"))


WRONG = {
    "another study": (lambda a: a.sent([encoded(instance("9.9", 1, 1))]), "another-study-sent"),
    "another instance": (lambda a: a.sent([encoded(instance("1.2.3.1", 1, 77))]), "another-study-sent"),
    "no DICOM": (lambda a: a.sent([b"<html>log in</html>"]), "not-retrieved"),
    "an empty part": (lambda a: a.sent([b""]), "not-retrieved"),
    "a page": (lambda a: httpx.Response(200, headers={"content-type": "text/html"}, text="log in"), "not-retrieved"),
    "gone": (lambda a: httpx.Response(404), "not-retrieved"),
    "not a type": (lambda a: httpx.Response(415), "not-retrieved"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_was_not_asked_for_is_not_kept(archive: WebArchive, tmp_path: Path, kind: str) -> None:
    make, reason = WRONG[kind]
    archive.faults.append(once("1.2.3.1/series", lambda: make(archive)))
    night = Night(archive, tmp_path)
    first = night.run()
    assert (first["1.2.3.1"].status, first["1.2.3.1"].reason) == ("quarantined", reason) and first["1.2.3.2"].status == "done"
    assert night.files().keys() <= held(archive).keys() and all(
        held(archive)[name] == body for name, body in night.files().items()
    )
    assert night.run(first)["1.2.3.1"].status == "done" and night.files() == held(archive)


@pytest.mark.parametrize(("counted", "said"), [(7, "counts 7 instances and lists 6"), (5, "counts 5 instances and lists 6")])
def test_a_count_that_is_not_proven_is_told(archive: WebArchive, tmp_path: Path, counted: int, said: str) -> None:
    archive.counts["1.2.3.1"] = counted
    end = Night(archive, tmp_path).run()["1.2.3.1"]
    assert (end.status, end.reason) == ("quarantined", "count-differs") and said in end.message


def test_a_series_that_lacks_an_instance_is_asked_for_it_alone(archive: WebArchive, tmp_path: Path) -> None:
    archive.faults.append(once("1.2.3.1/series", lambda: archive.sent([encoded(ds) for ds in archive.held[:2]])))
    night = Night(archive, tmp_path)
    assert {one.status for one in night.run().values()} == {"done"} and night.files() == held(archive)


@pytest.mark.parametrize("most", [1, 2, 5, 6, 7])
def test_pages_of_any_size_are_read_to_the_end(archive: WebArchive, tmp_path: Path, most: int) -> None:
    archive.most = most
    night = Night(archive, tmp_path)
    night.run()
    assert night.files() == held(archive)


def test_an_archive_that_passes_over_a_key_gives_nobody_elses_studies(archive: WebArchive, tmp_path: Path) -> None:
    archive.ignores = ("PatientID", "AccessionNumber")
    night = Night(archive, tmp_path, queries=[Query(patient="IPP2")])
    assert list(night.run()) == ["1.2.3.2"] and night.others == 1
    of_list = Night(archive, tmp_path, queries=[Query(accession="ACC7788991")], persons=frozenset({"IPP1"}))
    assert list(of_list.run()) == ["1.2.3.1"] and of_list.others == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.Response(401), "refuses us (401 Unauthorized). Look at `credentials`"),
        (httpx.Response(403), "refuses us (403 Forbidden)"),
        (httpx.Response(302, headers={"location": "http://elsewhere"}), "says that it has moved"),
        (httpx.Response(200, headers={"content-type": "text/html; x"}, text="<html>"), "answers with text/html, not DICOM JSON"),
        (httpx.Response(200, text='{"error": 1}'), "not DICOM JSON"),
        (httpx.Response(400), "cannot be asked for studies. The archive answers 400 Bad Request."),
    ],
)
def test_what_the_operator_must_mend_ends_the_run_at_once(
    archive: WebArchive, tmp_path: Path, answer: httpx.Response, said: str
) -> None:
    archive.faults.append(lambda request: answer)
    night = Night(archive, tmp_path)
    with pytest.raises(UserError) as told:
        night.run()
    assert said in str(told.value) and not night.pauses and "pacs/dicom-web/?" not in str(told.value)


def test_the_next_night_sees_what_came_what_went_and_who_was_corrected(archive: WebArchive, tmp_path: Path) -> None:
    night = Night(archive, tmp_path)
    first = night.run()
    archive.held.append(instance("1.2.3.1", 2, 4, PatientID="IPP1"))
    archive.held = [ds for ds in archive.held if ds.SOPInstanceUID != "1.2.3.1.1.1"]
    second = night.run(first)
    # As many as before: the archive's count alone does not tell, and this archive tells no time of update.
    assert second["1.2.3.1"] == first["1.2.3.1"]
    archive.held.append(instance("1.2.3.1", 2, 5, PatientID="IPP1"))
    third = night.run(second)
    assert third["1.2.3.1"].repeated and night.files() == held(archive)
    for ds in archive.held[:5]:
        ds.PatientID = "IPP9" if ds.StudyInstanceUID == "1.2.3.1" else ds.PatientID
    for ds in archive.held:
        if ds.StudyInstanceUID == "1.2.3.1":
            ds.PatientID = "IPP9"
    night.run(third)
    assert night.files() == held(archive)


def test_a_study_waits_until_it_is_quiet_and_its_last_whole_state_is_used(archive: WebArchive, tmp_path: Path) -> None:
    for ds in archive.held:
        ds.StudyDate = "20240601"
    night = Night(archive, tmp_path, Pace(quiet_minutes=60))
    first = night.run()
    assert {one.reason for one in first.values()} == {"still-arriving"} and not night.files()
    night.now = NOON + timedelta(minutes=30)
    again = night.run(first)
    assert {one.reason for one in again.values()} == {"still-arriving"}
    archive.held.append(instance("1.2.3.1", 1, 9, PatientID="IPP1", StudyDate="20240601"))
    night.now = NOON + timedelta(minutes=61)
    later = night.run(again)
    assert [one.reason for one in later.values()] == ["still-arriving", ""]
    night.now = NOON + timedelta(minutes=122)
    whole = night.run(later)
    assert {one.status for one in whole.values()} == {"done"} and night.files() == held(archive)
    archive.held.append(instance("1.2.3.2", 1, 9, PatientID="IPP2", StudyDate="20240601"))
    growing = night.run(whole)
    assert growing["1.2.3.2"].status == "done" and growing["1.2.3.2"].result["instances"] == 6 and not growing["1.2.3.2"].repeated
    night.now += timedelta(hours=2)
    assert night.run(growing)["1.2.3.2"].result["instances"] == 7


@pytest.mark.parametrize(
    ("clock", "hours", "may"),
    [
        ("20:00", "20:00-06:00", True),
        ("05:59", "20:00-06:00", True),
        ("06:00", "20:00-06:00", False),
        ("12:00", "08:00-18:00", True),
        ("19:59", "20:00-06:00", False),
    ],
)
def test_hours_are_kept(clock: str, hours: str, may: bool) -> None:
    hour, minute = map(int, clock.split(":"))
    asking = Asking(Pace(hours=hours), "The PACS", now=lambda: NOON.replace(hour=hour, minute=minute))
    if may:
        assert asking.ask(lambda: 1) == 1
        return
    with pytest.raises(SourceAway, match=r"may be asked from 20:00 to 06:00 only\. .* after 20:00"):
        asking.ask(lambda: 1)


def test_no_more_requests_than_allowed_and_no_pause_without_end() -> None:
    pauses: list[float] = []
    asking = Asking(Pace(requests_per_second=2), "The PACS", pauses.append)
    for _ in range(3):
        asking.ask(lambda: 1)
    assert len(pauses) == 2 and all(0.4 < one <= 0.5 for one in pauses)

    def long() -> int:
        raise Again("answers 429", 86400)

    with pytest.raises(SourceAway, match="asks to wait 86400 s"):
        asking.ask(long)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
def test_parts_are_cut_wherever_chunks_end(tmp_path: Path, size: int) -> None:
    bodies = [b"", b"\r\n", b"--mark", b"\r\n--mar", bytes(range(256)) * 3]
    content = b"preamble\r\n" + b"".join(b"--mark\r\nA: b\r\n\r\n" + one + b"\r\n" for one in bodies) + b"--mark--\r\nepilogue"
    chunks = [content[start : start + size] for start in range(0, len(content), size)]
    assert [part.read() for part in parts(chunks, b"mark", tmp_path)] == bodies
    with pytest.raises(Again):
        list(parts([content[: content.index(b"--mark--") + 7]], b"mark", tmp_path))


def test_boundaries_stand_in_quotes_or_not() -> None:
    for said in ("boundary=abc; type=x", 'boundary="abc"', "boundary='abc'", 'type="a/b"; BOUNDARY = "abc"', "boundary= abc"):
        assert boundary_of(f"multipart/related; {said}") == b"abc"
    assert boundary_of('multipart/related; boundary="a;b=c, d"') == b"a;b=c, d"
    assert boundary_of("text/html") == boundary_of("multipart/related; myboundary=x") == b""


@pytest.mark.parametrize(
    ("query", "day", "yes"),
    [
        ("2020-01-02/", "20200102", True),
        ("2020-01-02/", "20200101", False),
        ("/2020-01-02", "20200103", False),
        ("/", "", True),
        ("2020-01-02/", "", False),
    ],
)
def test_days_are_looked_at_in_answers_too(query: str, day: str, yes: bool) -> None:
    first, last = (date.fromisoformat(one) if one else None for one in query.split("/"))
    assert Query(first_day=first, last_day=last).answers(StudyAnswer("1", day=day)) is yes


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ({"path": "a", "dicomweb": "https://b"}, "exactly one of"),
        ({}, "exactly one of"),
        ({"dicomweb": "https://me:secret@b"}, "no password"),
        ({"dicomweb": "ftp://b"}, "begins with https"),
        ({"dicomweb": "https://b", "studies": {"persons": "any"}}, "the whole archive"),
        ({"dicomweb": "https://b", "pace": {"hours": "8-18"}}, "20:00-06:00"),
        ({"dicomweb": "https://b", "credentials": {"user_env": "U"}}, "wants one of password_env"),
        ({"dimse": {"host": "h", "port": 104, "called": "A" * 17}}, "1 to 16 characters"),
        ({"dimse": {"host": "h", "port": 104, "called": "  "}}, "1 to 16 characters"),
    ],
)
def test_a_source_that_contradicts_itself_is_refused_with_the_study_file(said: dict[str, object], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        DicomSource.model_validate(said)


def told_by(status: int, rows: list[dict[str, object]] | None = None, **headers: str) -> Callable[[], httpx.Response]:
    return lambda: httpx.Response(status, json=rows, headers={"content-type": "application/dicom+json", **headers})


def test_an_instance_that_was_replaced_under_its_own_uid_comes_again(archive: WebArchive, tmp_path: Path) -> None:
    night = Night(archive, tmp_path)
    archive.updated = {STUDIES[0]: "20240101120000"}
    first = night.run()
    archive.held[0].PixelData = bytes(len(archive.held[0].PixelData))
    archive.updated = {STUDIES[0]: "20240102120000"}
    second = night.run(first)
    assert night.files() == held(archive) and second[STUDIES[0]].status == "done"
    assert sum("series" in path for path in archive.asked) == 2, "of the other study nothing is asked for"
    third = night.run(second)
    assert not any("series" in path for path in archive.asked) and third == second


def test_a_run_killed_while_it_replaces_goes_on(archive: WebArchive, tmp_path: Path) -> None:
    night = Night(archive, tmp_path, Pace(tries=1, quiet_minutes=0))
    first = night.run()
    archive.updated = {STUDIES[0]: "20240102120000"}
    archive.faults.append(once("series/1.2.3.1.2", lambda: httpx.Response(503)))
    with pytest.raises(SourceAway):
        night.run(first)
    assert night.run(first)[STUDIES[0]].status == "done" and night.files() == held(archive)
    assert [path.rsplit("/", 1)[-1] for path in archive.asked if "series" in path] == ["1.2.3.1.2"]


ROWS = [{"0020000D": {"vr": "UI", "Value": [f"1.2.9.{n}"]}} for n in range(500)]
CUT_LISTS = {
    "a page that is full, twice": [told_by(200, ROWS), told_by(200, ROWS)],
    "a warning, and the same again": [
        told_by(200, ROWS[:3], warning='299 x "more"'),
        told_by(200, ROWS[:3], warning='299 x "m"'),
    ],
    "a row without a UID": [told_by(200, [{"00100020": {"vr": "LO", "Value": ["IPP1"]}}])],
}


@pytest.mark.parametrize("kind", CUT_LISTS)
def test_a_list_of_studies_that_is_not_whole_ends_the_run(archive: WebArchive, tmp_path: Path, kind: str) -> None:
    archive.faults += [once("studies", answer) for answer in CUT_LISTS[kind]]
    with pytest.raises(UserError, match=r"cannot be asked for studies\. The archive (gives|answers)"):
        Night(archive, tmp_path).run()


ODD_ROWS = {
    "tags in small letters": {"0020000d": ["1.2.3.1"], "00100020": ["IPP1"], "00201208": [6]},
    "a count with a fraction": {"0020000D": ["1.2.3.1"], "00100020": ["IPP1"], "00201208": [6.0]},
    "a count as a text": {"0020000D": ["1.2.3.1"], "00100020": ["IPP1"], "00201208": ["6 "]},
    "a day with hyphens": {"0020000D": ["1.2.3.1"], "00100020": ["IPP1"], "00080020": ["2019-03-12"]},
    "modalities padded": {"0020000D": ["1.2.3.1"], "00100020": ["IPP1"], "00080061": ["PT ", "CT "]},
    "modalities in one text": {"0020000D": ["1.2.3.1"], "00100020": ["IPP1"], "00080061": ["PT\\CT"]},
    "modalities in small letters": {"0020000D": ["1.2.3.1"], "00100020": ["IPP1"], "00080061": ["ct"]},
    "a day as before DICOM 3": {"0020000D": ["1.2.3.1"], "00100020": ["IPP1"], "00080020": ["2019.03.12"]},
    "texts padded as in a file": {"0020000D": ["1.2.3.1\0"], "00100020": ["IPP1 "], "00201208": ["6\0"]},
    "values without their lists": {"0020000D": "1.2.3.1", "00100020": "IPP1", "00201208": 6},
    "nulls": {"0020000D": ["1.2.3.1"], "00100020": [None], "0008041F": [None]},
}


def accented(charset: str, declared: str) -> httpx.Response:
    rows = [{"0020000D": {"Value": ["1.2.3.1"]}, "00100020": {"Value": ["IPP1"]}, "00100010": {"Value": [{"Alphabetic": "Zoé"}]}}]
    content = json.dumps(rows, ensure_ascii=False).encode(charset)
    return httpx.Response(200, content=content, headers={"content-type": f"application/dicom+json{declared}"})


@pytest.mark.parametrize(
    ("charset", "declared"), [("utf-8", ""), ("utf-8-sig", ""), ("latin-1", "; charset=ISO-8859-1"), ("latin-1", "")]
)
def test_an_encoding_is_the_declared_one_and_else_utf_8(archive: WebArchive, tmp_path: Path, charset: str, declared: str) -> None:
    archive.faults.append(once("studies", lambda: accented(charset, declared)))
    night = Night(archive, tmp_path, persons=frozenset({"IPP1"}))
    if charset == "latin-1" and not declared:
        with pytest.raises(UserError, match=r"an encoding that it does not declare; DICOM JSON is UTF-8"):
            night.run()
    else:
        assert night.run()["1.2.3.1"].status == "done"


@pytest.mark.parametrize("kind", ODD_ROWS)
def test_odd_answers_mean_what_they_say(archive: WebArchive, tmp_path: Path, kind: str) -> None:
    row: dict[str, object] = {tag: {"vr": "XX", "Value": values} for tag, values in ODD_ROWS[kind].items()}
    archive.faults.append(once("studies", told_by(200, [row])))
    asked = [Query(first_day=date(2019, 3, 12) if "day" in kind else None, modality="CT" if "modalities" in kind else "")]
    night = Night(archive, tmp_path, queries=asked, persons=None if "nulls" in kind else frozenset({"IPP1"}))
    assert night.run()["1.2.3.1"].status == "done"
    if "00201208" in row:
        archive.held.pop(0)
        archive.faults.append(once("studies", told_by(200, [row])))
        assert night.run()["1.2.3.1"].reason == "count-differs"
