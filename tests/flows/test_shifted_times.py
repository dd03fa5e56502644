"""From the row of a source to the Parquet of a release: every time of every event moved by exactly its subject's shift.

A month or a year alone keeps its shifted bounds apart by more than its own days, so that they do not tell the shift; what the
source says still lies between them.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from tests.flows.small_study import MAPPING, write_study
from tests.flows.test_objections import STAGES
from unibase.flows.runs.pipeline import stage
from unibase.flows.runs.run import open_run
from unibase.flows.study.validation import read_study
from unibase.releases.content.released_timeline import write_timeline

EVENT = '{code: "ACT//{act}", date: day}'
TIMES = {"day": "time", "until": "end_time", "entered": "recorded_time"}
STAYS = [
    ("IPP001", "2019-03-02 08:30:00", "2019-03-09 17:00:00", "2019-03-11 09:15:00"),
    ("IPP001", "2019-08-01 00:30:00", "2019-08-01 23:59:59", "2019-08-02 12:00:00"),
    ("IPP002", "2020-02-29 12:00:00", "2020-03-01 12:00:00", "2020-03-31 01:00:00"),
    ("IPP003", "2018-12-31 23:00:00", "2019-01-02 06:45:00", "2019-01-03 07:00:00"),
]

FORMS = {"day": "%Y-%m-%d", "minute": "%Y-%m-%d %H:%M", "second": "%Y-%m-%dT%H:%M:%S", "microsecond": "%Y-%m-%dT%H:%M:%S.%f"}
LAST = timedelta(days=1) - timedelta(microseconds=1)


def drawn(count: int) -> list[tuple[str, str, str, str]]:
    """Return rows of the four persons, with begin, end and entry in drawn precision; the begin may be a month or a year alone."""
    draw, rows = random.Random(1130), []
    for _ in range(count):
        begin = datetime(1990, 1, 1) + timedelta(days=draw.randrange(11_000), seconds=draw.randrange(86_400), microseconds=1)
        texts = [begin.strftime(draw.choice([*FORMS.values(), "%Y-%m", "%Y"]))]
        for most in (40, 90):
            later = begin + timedelta(days=draw.randrange(1, most), seconds=draw.randrange(86_400))
            texts.append(later.strftime(draw.choice(list(FORMS.values()))))
        rows.append((draw.choice(["IPP001", "IPP002", "IPP003"]), *texts))
    return rows


def bounds(text: str) -> tuple[datetime, datetime]:
    """Return the first and last moment that a text of a source may mean, by the calendar."""
    if len(text) == 4:
        return datetime(int(text), 1, 1), datetime(int(text), 12, 31) + LAST
    if len(text) == 7:
        first = datetime.fromisoformat(f"{text}-01")
        return first, (first + timedelta(days=31)).replace(day=1) - timedelta(microseconds=1)
    first = datetime.fromisoformat(text)
    return first, first + LAST if len(text) == 10 else first


def test_every_time_of_every_event_moves_by_its_subjects_shift(tmp_path: Path) -> None:
    home = write_study(tmp_path)
    assert EVENT in MAPPING
    mapping = MAPPING.replace(EVENT, '{code: "STAY//{number}", date: day, end: until, recorded: entered}')
    (home / "mapping.yaml").write_text(mapping, encoding="utf-8")
    stays = [*STAYS, *drawn(200)]
    rows = [f"{ipp},{day},{until},{entered},{number}" for number, (ipp, day, until, entered) in enumerate(stays)]
    (home / "records" / "acts.csv").write_text("\n".join(["ipp,day,until,entered,number", *rows]) + "\n", encoding="utf-8")
    study = read_study(home / "study.yaml")
    study.work.create()
    with open_run(study, say=lambda _: None) as run:
        for name in STAGES:
            stage(name)(run)
        subjects = {ipp: run.lookup.by_identifier[("A", "ipp", ipp)] for ipp, *_ in stays}
    ids = pl.Series([subject.subject_id for subject in subjects.values()])
    write_timeline(study.work.staging / "timeline", ids, home / "released")
    released = pl.read_parquet(home / "released" / "data" / "**" / "*.parquet", hive_partitioning=False)
    assert len({subject.shift_days for subject in subjects.values()}) > 1
    events = {row["code"]: row for row in released.with_columns(pl.col("code").cast(pl.String)).iter_rows(named=True)}
    for number, (ipp, *said) in enumerate(stays):
        event, moved = events[f"STAY//{number}"], timedelta(days=subjects[ipp].shift_days)
        assert event["subject_id"] == subjects[ipp].subject_id
        for column, text in zip(TIMES.values(), said, strict=True):
            expected = datetime.fromisoformat(text) + moved if len(text) >= 10 else None
            assert event[column] == expected, (column, text)
        first, last = (moment + moved for moment in bounds(said[0]))
        if len(said[0]) >= 10:
            assert (event["time_min"], event["time_max"]) == (first, last), said[0]
        else:
            assert event["time_min"] <= first and last <= event["time_max"], said[0]
