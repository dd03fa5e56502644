"""From the row of a source to the Parquet of a release: every time of every event moved by exactly its subject's shift."""

from __future__ import annotations

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


def test_every_time_of_every_event_moves_by_its_subjects_shift(tmp_path: Path) -> None:
    home = write_study(tmp_path)
    assert EVENT in MAPPING
    mapping = MAPPING.replace(EVENT, '{code: "STAY//{number}", date: day, end: until, recorded: entered}')
    (home / "mapping.yaml").write_text(mapping, encoding="utf-8")
    rows = [f"{ipp},{day},{until},{entered},{number}" for number, (ipp, day, until, entered) in enumerate(STAYS)]
    (home / "records" / "acts.csv").write_text("\n".join(["ipp,day,until,entered,number", *rows]) + "\n", encoding="utf-8")
    study = read_study(home / "study.yaml")
    study.work.create()
    with open_run(study, say=lambda _: None) as run:
        for name in STAGES:
            stage(name)(run)
        subjects = {ipp: run.lookup.by_identifier[("A", "ipp", ipp)] for ipp, *_ in STAYS}
    ids = pl.Series([subject.subject_id for subject in subjects.values()])
    write_timeline(study.work.staging / "timeline", ids, home / "released")
    released = pl.read_parquet(home / "released" / "data" / "**" / "*.parquet", hive_partitioning=False)
    assert len({subject.shift_days for subject in subjects.values()}) > 1
    for number, (ipp, *said) in enumerate(STAYS):
        event = released.filter(pl.col("code").cast(pl.String) == f"STAY//{number}").to_dicts()
        assert len(event) == 1 and event[0]["subject_id"] == subjects[ipp].subject_id
        moved = timedelta(days=subjects[ipp].shift_days)
        for column, text in zip(TIMES.values(), said, strict=True):
            assert event[0][column] - datetime.fromisoformat(text) == moved, column
        for column in ("time_min", "time_max"):
            assert event[0][column] is None or abs(event[0][column] - event[0]["time"]) < timedelta(days=1), column
