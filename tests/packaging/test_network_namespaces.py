"""Workers on hosts of their own, as namespaces of the network make them: one whose cable is pulled during a build loses nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from distributed import Security

from tests.known_keys import known_key
from tests.packaging.test_deploy_dask import BIN, manifests, release
from unibase.privacy.keys import write_key_file
from unibase.simulation.cohort import simulate

HERE = f"{os.getpid()}"
SCHEDULER, WORKERS = f"ub-s-{HERE}", [f"ub-1-{HERE}", f"ub-2-{HERE}"]


def ip(*words: str) -> bool:
    """Run `ip`; return whether it did what it was asked."""
    return subprocess.run(["ip", *words], capture_output=True, check=False).returncode == 0


@contextmanager
def hosts() -> Iterator[bool]:
    """Make three hosts on one switch, and remove them; yield whether this user may."""
    made = os.geteuid() == 0 and shutil.which("ip") is not None and ip("netns", "add", SCHEDULER)
    try:
        made = made and ip("-n", SCHEDULER, "link", "add", "switch", "type", "bridge")
        made = made and ip("-n", SCHEDULER, "address", "add", "10.77.0.1/24", "dev", "switch")
        for number, name in enumerate(WORKERS, 2):
            cable = f"cable{number}"
            made = made and ip("netns", "add", name)
            made = made and ip("-n", SCHEDULER, "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", name)
            made = made and ip("-n", SCHEDULER, "link", "set", cable, "master", "switch", "up")
            made = made and ip("-n", name, "address", "add", f"10.77.0.{number}/24", "dev", "eth0")
            made = made and ip("-n", name, "link", "set", "eth0", "up") and ip("-n", name, "link", "set", "lo", "up")
        yield (made and ip("-n", SCHEDULER, "link", "set", "switch", "up") and ip("-n", SCHEDULER, "link", "set", "lo", "up"))
    finally:
        for name in (SCHEDULER, *WORKERS):
            ip("netns", "delete", name)


def certified(folder: Path) -> dict[str, str]:
    """Write certificates into a folder; return the environment that names them to Dask."""
    folder.mkdir()
    authority = Security.temporary()
    parts = {"ca.pem": authority.tls_ca_file, "tls.pem": authority.tls_client_cert, "tls.key": authority.tls_client_key}
    for name, content in parts.items():
        (folder / name).write_text(content, encoding="utf-8")
    (settings,) = [one["data"] for one in manifests() if one["kind"] == "ConfigMap"]
    return os.environ | {name: value.replace("/tls/", f"{folder}/") for name, value in settings.items()}


@contextmanager
def on(host: str, words: list[str], folder: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run a command on a host until the block ends."""
    command = ["ip", "netns", "exec", host, str(BIN / words[0]), *words[1:]]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def built_with_a_cut(study: Path, scratch: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Build with two workers on two hosts; pull the cable of one when the first stage over images has ended."""
    address = "tls://10.77.0.1:8786"
    words = ["dask", "scheduler", "--host", "10.77.0.1", "--port", "8786", "--no-dashboard"]
    said = ""
    with ExitStack() as last:
        last.enter_context(on(SCHEDULER, words, scratch, environment | {"PYTHONUNBUFFERED": "1"}))
        for host in WORKERS:
            last.enter_context(on(host, ["dask", "worker", address, "--nthreads", "1", "--no-dashboard"], scratch, environment))
        words = ["unibase", "build", str(study), "--no-prefect", "--scheduler", address]
        build = last.enter_context(on(SCHEDULER, words, scratch, environment | {"PYTHONUNBUFFERED": "1"}))
        assert build.stdout is not None
        for line in build.stdout:
            if line.startswith("deidentify") and "cable" not in said:
                assert ip("-n", SCHEDULER, "link", "set", "cable2", "down")
                said += "the cable is pulled\n"
            said += line
        return build.wait(), said


@pytest.mark.slow
def test_a_build_ends_as_undisturbed_when_the_cable_of_a_worker_is_pulled(tmp_path: Path) -> None:
    with hosts() as made:
        if not made:
            pytest.skip("needs root and namespaces of the network")
        releases = []
        for name in ("alone", "hosts"):
            simulate(tmp_path / name, persons=4, genes=200, centres=1, broken=False)
            write_key_file(known_key("hosts"), tmp_path / name / "vault.key")
            study = tmp_path / name / "study.yaml"
            if name == "alone":
                subprocess.run([BIN / "unibase", "build", study, "--no-prefect", "--quiet"], check=True)
            else:
                code, said = built_with_a_cut(study, tmp_path, certified(tmp_path / "tls"))
                assert code == 0, said
                assert "the cable is pulled" in said
            releases.append(release(tmp_path / name))
    assert releases[0] and releases[0] == releases[1]
