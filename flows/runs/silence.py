"""Nothing phones home: telemetry of the libraries below is off before they are imported.

`pyproject.toml` holds the same Prefect settings for commands that do not come through here (`prefect server start`).
"""

from __future__ import annotations

import os

SETTINGS = {
    # Read by Prefect's client-side analytics, and by others that honour the convention.
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    # No version check, no usage statistics from what SCons-, Dask- or scverse-like tools may add one day.
    "SCARF_NO_ANALYTICS": "true",
    # One thread per worker process: Dask is what makes use of the cores, and sums keep one order.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


def silence() -> None:
    """Set the variables above for this process and all it starts.

    The first four are forced, whatever the environment says; thread counts only fill in what is not set.
    """
    for name, value in SETTINGS.items():
        if name.endswith("_THREADS"):
            os.environ.setdefault(name, value)
        else:
            os.environ[name] = value
