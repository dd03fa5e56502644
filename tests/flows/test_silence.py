"""Nothing phones home: what the libraries below believe after importing us."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.flows.demo import environment

PROBES = {
    "prefect's server": "import flows; from prefect.settings import get_current_settings as s; assert not s().server.analytics_enabled",
    "prefect's client": "import flows; from prefect._internal.analytics.enabled import is_telemetry_enabled as on; assert not on()",
    "prefect's cloud": "import flows; from prefect.settings import get_current_settings as s; assert not s().cloud.enable_orchestration_telemetry",
}


@pytest.mark.parametrize("name", list(PROBES))
def test_telemetry_is_off_whatever_the_environment_says(name: str) -> None:
    loud = environment(
        PREFECT_SERVER_ANALYTICS_ENABLED="true", DO_NOT_TRACK="0", PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY="true"
    )
    ended = subprocess.run([sys.executable, "-c", PROBES[name]], env=loud, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_without_us_the_probe_would_say_on() -> None:
    loud = environment(PREFECT_SERVER_ANALYTICS_ENABLED="true", DO_NOT_TRACK="0")
    probe = PROBES["prefect's server"].replace("import flows; ", "")
    ended = subprocess.run([sys.executable, "-c", probe], env=loud, capture_output=True, text=True, check=False)
    assert ended.returncode != 0
