"""Build a release on workers that a batch system starts: `python deploy/dask/jobqueue_build.py study.yaml --jobs 8`.

Needs dask-jobqueue beside unibase (`uv pip install dask-jobqueue`). What a job asks for stands in `jobqueue.yaml` beside
this file; copy it to `~/.config/dask/` and adapt it. The scheduler lives in this process: start it on a node that the jobs
can reach, or in a job of its own. All speak TLS with a certificate of this run. The jobs read it from `--shared`, where it
lies in files for this user alone until the run ends.

The environment, the study file, the sources and the workspace have the same paths on every node. A job that ends early, or
a node that dies, costs the units it worked on: they are done again elsewhere.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import dask.config
from distributed import Client, Security

from unibase.flows.cli.main import main as unibase

if TYPE_CHECKING:
    from dask_jobqueue.core import JobQueueCluster

KINDS = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "lsf": "LSFCluster", "sge": "SGECluster", "local": "LocalCluster"}
"""Batch systems, and their classes in dask-jobqueue; `local` starts the jobs on this machine, to try the script."""


def started(kind: str, shared: Path, security: Security) -> JobQueueCluster:
    """Return a cluster of no worker yet.

    Args:
        kind: Of the batch system, as in `KINDS`.
        shared: Folder that every node sees; takes the certificate.
        security: Of this run.
    """
    import dask_jobqueue
    from dask_jobqueue.local import LocalCluster

    of_kind = LocalCluster if kind == "local" else getattr(dask_jobqueue, KINDS[kind])
    asked = {"cores": 1, "memory": "2GB"} if kind == "local" else {}
    return of_kind(
        security=security,
        protocol="tls://",
        shared_temp_directory=str(shared),
        scheduler_options={"dashboard_address": "127.0.0.1:0", **({"host": "127.0.0.1"} if kind == "local" else {})},
        **asked,
    )


def main() -> None:
    """Start the cluster, wait for its first worker, build, and end it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("--kind", choices=KINDS, default="slurm")
    parser.add_argument("--jobs", type=int, default=4, help="jobs of the batch system, each with what jobqueue.yaml asks for")
    parser.add_argument("--shared", type=Path, default=Path.cwd(), help="folder that every node sees")
    parser.add_argument("--wait", type=float, default=3600, help="seconds until the first job has to run")
    asked, words = parser.parse_known_args()
    os.umask(0o077)  # the certificate is for this user alone
    security = Security.temporary()
    of_run = {"ca-file": security.tls_ca_file, "client.key": security.tls_client_key, "client.cert": security.tls_client_cert}
    known = dask.config.set({f"distributed.comm.tls.{name}": text for name, text in of_run.items()})
    with started(asked.kind, asked.shared, security) as cluster, known:
        cluster.scale(jobs=asked.jobs)
        with Client(cluster) as client:
            client.wait_for_workers(1, timeout=asked.wait)
        sys.argv = ["unibase", "build", str(asked.study), "--scheduler", cluster.scheduler_address, *words]
        unibase()


if __name__ == "__main__":
    main()
