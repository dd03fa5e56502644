"""What a monitoring system can watch of a study: Prometheus text of counts, durations and moments, by stage and reason.

Made of counts, codes and names of stages alone, as the artifacts of a run are: what leaves for a monitoring system names
no file and no person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from unibase.flows.looks.status import read_ledger, status_of
from unibase.flows.runs.pipeline import ALL
from unibase.flows.runs.stage_cost import last_cost
from unibase.flows.study.study_file import Study
from unibase.groundwork.files import write_text
from unibase.groundwork.work import WorkLedger

METRICS = {
    "unibase_units": ("Units of work, by stage and by how they ended", ("stage", "status")),
    "unibase_quarantined_units": ("Units in quarantine, by stage and reason", ("stage", "reason")),
    "unibase_last_unit_timestamp_seconds": ("When the last unit of a stage ended", ("stage",)),
    "unibase_stage_began_timestamp_seconds": ("When a stage that worked last began", ("stage",)),
    "unibase_stage_duration_seconds": ("How long a stage took when it last worked", ("stage",)),
    "unibase_stage_cpu_seconds": ("Processor time of a stage when it last worked", ("stage",)),
    "unibase_stage_peak_bytes": ("Most memory that one process held until a stage ended", ("stage",)),
    "unibase_running": ("Whether a run holds the workspace now", ()),
    "unibase_last_run_timestamp_seconds": ("When the last run ended", ("run",)),
    "unibase_last_run_succeeded": ("Whether the last run ended well; a killed one did not", ("run", "kind")),
    "unibase_release_info": ("The last release that was published", ("version",)),
}
"""Name of each metric: what it says, and its labels beside `study`."""


def metrics_text(study: Study) -> str:
    """Return the state of a study in the text format of Prometheus, as the textfile collector of its node exporter reads it.

    Args:
        study: The study.

    Raises:
        UserError: If nothing was built yet.
    """
    registry = CollectorRegistry()
    gauges = {name: Gauge(name, text, ("study", *labels), registry=registry) for name, (text, labels) in METRICS.items()}
    for name, labels, value in (*_units(study), *_costs(study)):
        gauges[name].labels(study.study, *labels).set(value)
    return generate_latest(registry).decode()


def write_metrics(study: Study, out: Path) -> None:
    """Write the metrics of a study to a file that every user can read, whole at any moment.

    Args:
        study: The study.
        out: The file, such as `unibase.prom` in the folder of the textfile collector.

    Raises:
        UserError: If nothing was built yet.
    """
    write_text(out, metrics_text(study), 0o644)


def _units(study: Study) -> Iterable[tuple[str, tuple[str, ...], float]]:
    status = status_of(study)
    for one in status.stages:
        for kind, count in (("done", one.done), ("quarantined", one.quarantined), ("failed", one.failed)):
            yield "unibase_units", (one.stage, kind), count
    yield "unibase_running", (), status.running
    if status.last_run and (status.last_run.ended or not status.running):
        yield "unibase_last_run_succeeded", (status.last_run.run, status.last_run.kind or "Killed"), status.last_run.right
    if status.last_run and status.last_run.ended:
        ended = datetime.fromisoformat(status.last_run.ended).timestamp()
        yield "unibase_last_run_timestamp_seconds", (status.last_run.run,), ended
    if status.release:
        yield "unibase_release_info", (status.release,), 1
    outcomes, moments = read_ledger(study)
    reasons = Counter((stage, one.reason) for stage, one in outcomes if one.status == "quarantined")
    for of_stage, count in sorted(reasons.items()):
        yield "unibase_quarantined_units", of_stage, count
    for stage, moment in sorted(moments.items()):
        yield "unibase_last_unit_timestamp_seconds", (stage,), moment


def _costs(study: Study) -> Iterable[tuple[str, tuple[str, ...], float]]:
    with WorkLedger(study.work.work_ledger) as ledger:
        costs = [(one.name, last_cost(ledger, one.name)) for one in ALL]
    for name, cost in costs:
        if cost:
            yield "unibase_stage_began_timestamp_seconds", (name,), cost.began
            yield "unibase_stage_duration_seconds", (name,), cost.seconds
            yield "unibase_stage_cpu_seconds", (name,), cost.cpu_seconds
            yield "unibase_stage_peak_bytes", (name,), cost.peak_mib * 2**20
