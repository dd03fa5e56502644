"""Minors who come of age: the desk names them, and not those who object."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from tests.flows.small_study import write_study
from unibase.flows.runs.pipeline import stage
from unibase.flows.runs.run import open_run
from unibase.flows.study.validation import read_study
from unibase.flows.vault.coming_of_age import coming_of_age
from unibase.flows.vault.rights_desk import exclude
from unibase.groundwork.problems import UserError
from unibase.privacy.custody.minors import day_of_age
from unibase.privacy.ledger.traits import PartialDate

DAYS = (
    ((2008, 3, 1), "2026-03-01", "2026-03-01"),
    ((2008, 2, 29), "2026-03-01", "2026-03-01"),
    ((2008, 12, 31), "2026-12-31", "2026-12-31"),
    ((2008, 2, 0), "2026-02-01", "2026-02-28"),
    ((2008, 12, 0), "2026-12-01", "2026-12-31"),
    ((2008, 0, 0), "2026-01-01", "2026-12-31"),
)


@pytest.mark.parametrize(("born", "first", "last"), DAYS)
def test_the_day_of_age_of_whole_and_partial_dates(born: tuple[int, int, int], first: str, last: str) -> None:
    assert day_of_age(PartialDate(*born)) == (date.fromisoformat(first), date.fromisoformat(last))


def test_the_desk_names_who_comes_of_age_and_not_who_objects(tmp_path: Path) -> None:
    home = write_study(tmp_path)
    rows = ["IPP001,2008-05-04", "IPP002,2008", "IPP003,2008-05-04", "IPP004,1956-05-04"]
    (home / "people.csv").write_text("\n".join(["identifier,birth_date", *rows]) + "\n", encoding="utf-8")
    study = home / "study.yaml"
    read = read_study(study)
    read.work.create()
    with open_run(read, say=lambda _: None) as run:
        stage("people")(run)
    exclude(study, "IPP003", None)
    said = coming_of_age(study, date(2026, 5, 1), date(2026, 5, 31)).splitlines()
    assert [line.strip() for line in said[1:-1]] == ["A: ipp IPP002  2026-01-01 to 2026-12-31", "A: ipp IPP001  2026-05-04"]
    assert "Nobody" in coming_of_age(study, date(2024, 1, 1), date(2025, 12, 31))
    logged = [entry for entry in read.audit.entries() if entry["action"] == "person-of-age"]
    assert [entry["subject_count"] for entry in logged] == [2, 0] and "IPP" not in str(logged)
    with pytest.raises(UserError, match="Exchange"):
        coming_of_age(study, date(2026, 2, 1), date(2026, 1, 1))
