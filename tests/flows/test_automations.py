"""What the Prefect server of a node does by itself: a run whose worker died does not block the nights after it."""

from __future__ import annotations

from pathlib import Path

from prefect.automations import Automation  # noqa: TID251  # it is what reads the file
from prefect.events.schemas.automations import EventTrigger  # noqa: TID251  # as above
from ruamel.yaml import YAML


def test_a_run_that_fell_silent_is_marked_and_runs_say_that_they_live() -> None:
    (told,) = YAML(typ="safe").load(Path("deploy/automations.yaml"))["automations"]
    automation = Automation.model_validate(told)
    trigger = automation.trigger
    assert isinstance(trigger, EventTrigger)
    assert trigger.posture == "Proactive"
    heartbeat = "prefect.flow-run.heartbeat"
    assert trigger.after == {heartbeat} and heartbeat in trigger.expect
    definitions = YAML(typ="safe").load(Path("prefect.yaml"))["definitions"]
    every = int(definitions["work_pool"]["job_variables"]["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"])
    assert 2 * every < trigger.within.total_seconds()
    assert [action.type for action in automation.actions] == ["change-flow-run-state"]
