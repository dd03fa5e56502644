"""What `deploy/dask` ships starts workers that end a build as local ones do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from distributed import Client, Security

from tests.flows.small_study import write_study

DASK = Path("deploy/dask").resolve()
BIN = Path(sys.executable).parent


def release(home: Path) -> dict[str, bytes]:
    """Return the files of the release of the small study."""
    return {path.relative_to(home).as_posix(): path.read_bytes() for path in (home / "releases").rglob("*.parquet")}


def manifests() -> list[dict[str, Any]]:
    """Return the documents of the Kubernetes file."""
    return list(yaml.safe_load_all((DASK / "kubernetes.yaml").read_text(encoding="utf-8")))


def containers() -> list[dict[str, Any]]:
    """Return the pods' specifications that the Kubernetes file asks for."""
    return [one["spec"]["template"]["spec"] for one in manifests() if one["kind"] == "Deployment"]


@contextmanager
def running(words: list[str], folder: Path, tls: Path) -> Iterator[None]:
    """Run a container's command as this user, with the certificates of `tls`, in `folder`."""
    (settings,) = [one["data"] for one in manifests() if one["kind"] == "ConfigMap"]
    environment = {name: value.replace("/tls/", f"{tls}/") for name, value in settings.items()}
    with subprocess.Popen(
        [str(BIN / words[0]), *words[1:]],
        cwd=folder,
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield
        finally:
            process.kill()


@pytest.fixture(scope="module")
def by_jobs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The release that workers of a batch system build, whose certificates are gone afterwards."""
    folder = tmp_path_factory.mktemp("jobs")
    home = write_study(folder / "home")
    command = [sys.executable, DASK / "jobqueue_build.py", home / "study.yaml", "--kind", "local", "--jobs", "2"]
    ended = subprocess.run(
        [*command, "--shared", folder, "--no-prefect"], capture_output=True, text=True, check=False, timeout=300, cwd=folder
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert not [path for path in folder.rglob("*") if b"PRIVATE KEY" in (path.read_bytes() if path.is_file() else b"")]
    return release(home)


@pytest.mark.slow
def test_the_commands_of_kubernetes_build_the_same_release_as_jobs_of_a_batch_system(
    tmp_path: Path, by_jobs: dict[str, bytes]
) -> None:
    home = write_study(tmp_path / "home")
    tls = tmp_path / "tls"
    tls.mkdir()
    authority = Security.temporary()
    for name, content in (("ca.pem", authority.tls_ca_file), ("tls.pem", authority.tls_client_cert)):
        (tls / name).write_text(content, encoding="utf-8")
    (tls / "tls.key").write_text(authority.tls_client_key, encoding="utf-8")
    scheduler, worker = ([*one["containers"][0]["command"]] for one in containers())
    file = tmp_path / "scheduler.json"
    with ExitStack() as last:
        words = [word.replace("8786", "0") for word in scheduler]
        last.enter_context(running([*words, "--host", "127.0.0.1", "--scheduler-file", str(file)], tmp_path, tls))
        words = [word for word in worker if not word.startswith("tls://")]
        for _ in range(2):
            last.enter_context(running([*words, "--host", "127.0.0.1", "--scheduler-file", str(file)], tmp_path, tls))
        with Client(scheduler_file=str(file), security=authority, timeout=120) as client:
            client.wait_for_workers(2, timeout=120)
            address = str(client.scheduler_info()["address"])
            assert address.startswith("tls://")
        (settings,) = [one["data"] for one in manifests() if one["kind"] == "ConfigMap"]
        environment = os.environ | {name: value.replace("/tls/", f"{tls}/") for name, value in settings.items()}
        build = [BIN / "unibase", "build", home / "study.yaml", "--no-prefect", "--scheduler", address]
        ended = subprocess.run(build, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert release(home) == by_jobs


def test_pods_are_closed() -> None:
    for spec in containers():
        assert spec["securityContext"]["runAsNonRoot"] and not spec["automountServiceAccountToken"]
        assert not spec["enableServiceLinks"]
        (container,) = spec["containers"]
        closed = container["securityContext"]
        assert not closed["allowPrivilegeEscalation"] and closed["readOnlyRootFilesystem"]
        assert closed["capabilities"] == {"drop": ["ALL"]}
    (policy,) = [one for one in manifests() if one["kind"] == "NetworkPolicy"]
    assert policy["spec"]["policyTypes"] == ["Ingress"]
    kinds = {one["kind"] for one in manifests()}
    assert kinds == {"ConfigMap", "Service", "Deployment", "NetworkPolicy"}


def test_what_a_slurm_job_asks_for_is_known_to_the_library() -> None:
    import dask.config
    from dask_jobqueue import SLURMCluster
    from dask_jobqueue.slurm import SLURMJob

    asked = yaml.safe_load((DASK / "jobqueue.yaml").read_text(encoding="utf-8"))["jobqueue"]
    with dask.config.set({"jobqueue": dask.config.merge(dask.config.get("jobqueue"), asked)}):
        assert SLURMCluster.job_cls is SLURMJob
        script = SLURMJob("tls://10.0.0.5:8786", name="one").job_script()
    assert "#SBATCH --cpus-per-task=4" in script and "#SBATCH --mem=15G" in script and "#SBATCH -t 12:00:00" in script
    assert "--nthreads 1 --memory-limit 3.73GiB --nworkers 4" in script and "--lifetime 11h" in script
