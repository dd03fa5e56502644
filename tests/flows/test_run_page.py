"""The page of runs and the metrics: what an operator and a monitoring system see of a study, without a name of anybody."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.flows.small_study import STUDIES, write_study
from unibase.flows.cli import main as command_line
from unibase.flows.looks.metrics import METRICS, metrics_text
from unibase.flows.looks.run_page import write_run_page
from unibase.flows.looks.status import status_of
from unibase.flows.runs.alone import run_alone
from unibase.flows.runs.stage_cost import last_cost, weighed
from unibase.flows.study.study_file import Study
from unibase.flows.study.validation import read_study
from unibase.groundwork.problems import UserError
from unibase.groundwork.work import WorkLedger


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    home = write_study(tmp_path_factory.mktemp("runs") / "study")
    (home / "dicom" / "Dupontel.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"nothing that follows")
    file = home / "study.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("  A:", "  CHU-été:"), encoding="utf-8")
    for stage in ("people", "clinical", "deidentify"):
        run_alone(file, stage, None, None)
    return read_study(file)


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Return what a scraper of Prometheus reads: name and values of labels to value."""
    return {
        (one.name, *(value for label, value in sorted(one.labels.items()) if label != "study")): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def test_the_metrics_are_the_counts_of_status(study: Study) -> None:
    found = samples(metrics_text(study))
    for one in status_of(study).stages:
        for kind, count in (("done", one.done), ("quarantined", one.quarantined), ("failed", one.failed)):
            assert found["unibase_units", one.stage, kind] == count
    assert found["unibase_units", "deidentify-CHU-été", "done"] == sum(map(len, STUDIES.values()))
    assert sum(value for key, value in found.items() if key[0] == "unibase_quarantined_units") == 1
    assert found["unibase_running",] == 0
    assert found["unibase_stage_peak_bytes", "deidentify"] > 2**20
    assert {key[0] for key in found} | {"unibase_release_info"} == set(METRICS)


def test_page_and_metrics_name_no_file_and_no_person(study: Study, tmp_path: Path) -> None:
    write_run_page(study, tmp_path / "run.html")
    page = (tmp_path / "run.html").read_text(encoding="utf-8")
    for text in (page, metrics_text(study)):
        assert not re.search(r"Dupontel|IPP00|\.dcm|/study", text)
    assert "http" not in page.replace("http-equiv", "")
    assert page.count("<rect") == 3
    assert "CHU-été" in page


def test_the_bars_stand_in_the_order_of_time(study: Study, tmp_path: Path) -> None:
    write_run_page(study, tmp_path / "run.html")
    places = [float(one) for one in re.findall(r'<rect class="bar" x="([\d.]+)"', (tmp_path / "run.html").read_text("utf-8"))]
    assert places == sorted(places)
    assert "&#34;" not in (tmp_path / "run.html").read_text("utf-8"), "what is markup is not escaped"
    assert places[0] == 130


def test_the_command_writes_both(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["status", str(study.file), "--page", str(tmp_path / "r.html"), "--prometheus", str(tmp_path / "unibase.prom")]
    monkeypatch.setattr("sys.argv", ["unibase", *words])
    command_line.main()
    assert (tmp_path / "r.html").stat().st_size > 1000
    assert (tmp_path / "unibase.prom").stat().st_mode & 0o777 == 0o644


def test_a_stage_that_ends_in_an_error_keeps_the_cost_of_the_run_before(tmp_path: Path) -> None:
    with WorkLedger(tmp_path / "work.sqlite") as ledger:
        with weighed(ledger, "link"):
            pass
        before = last_cost(ledger, "link")
        with pytest.raises(UserError), weighed(ledger, "link"):
            raise UserError("stopped")
        assert last_cost(ledger, "link") == before
