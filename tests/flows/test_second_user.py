"""Another user of the machine, while a study is built: nothing of it can be read, written, asked or stopped."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.flows.demo import started
from tests.flows.small_study import write_study

STRANGER = 65534
"""The user `nobody`."""
ATTACKS = """
import json, os, signal, socket, sys, urllib.request
from pathlib import Path

home, numbers, ports = Path(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3])
work = home / "work"
build = numbers[0]

def asked(port, path, body=None):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/{path}", data=body, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return answer.read()

def of_prefect(path, body=None):
    refused = []
    for port in ports:
        try:
            return asked(port, path, body)
        except Exception as error:
            refused.append(error)
    raise OSError(refused)

def spoken(port):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as link:
        link.settimeout(5)
        link.sendall(b"\\0" * 64)
        answer = link.recv(64)
        # A TLS port may answer a stranger with an alert; anything longer is an answer.
        if len(answer) <= 7:
            raise OSError("an alert or nothing")
        return answer

def of_dask():
    for port in ports:
        try:
            found = spoken(port)
        except OSError:
            continue
        if b"HTTP" not in found:
            return found
    raise OSError("nobody speaks")

TRIED = {
    "list the workspace": lambda: os.listdir(work),
    "list the vault": lambda: os.listdir(work / "vault"),
    "read the key": lambda: (home / "vault.key").read_bytes(),
    "read the work ledger": lambda: (work / "vault" / "work.sqlite").read_bytes(),
    "read the audit log": lambda: (work / "vault" / "audit.jsonl").read_bytes(),
    "list staging": lambda: os.listdir(work / "staging"),
    "list what is linked": lambda: os.listdir(work / "linked"),
    "write into the workspace": lambda: (work / "mine").write_bytes(b"x"),
    "write into staging": lambda: (work / "staging" / "mine").write_bytes(b"x"),
    "take the lock": lambda: open(work / "vault" / "lock", "r+"),
    "put a link in the place of the vault": lambda: os.symlink("/tmp", work / "vault2"),
    "remove the workspace": lambda: os.rename(work, home / "mine"),
    "read Prefect's database": lambda: next(iter(home.glob("work/**/prefect.db"))).read_bytes(),
    "write into the releases": lambda: (home / "releases" / "mine").write_bytes(b"x"),
    "read the environment of the build": lambda: Path(f"/proc/{build}/environ").read_bytes(),
    "read the memory of the build": lambda: open(f"/proc/{build}/mem", "rb").read(1),
    "see its memory maps": lambda: Path(f"/proc/{build}/maps").read_bytes(),
    "see its open files": lambda: os.listdir(f"/proc/{build}/fd"),
    "reach its folder through its process": lambda: os.listdir(f"/proc/{build}/cwd/work"),
    "stop the build": lambda: os.kill(build, signal.SIGTERM),
    "stop a worker": lambda: [os.kill(number, signal.SIGKILL) for number in numbers[1:]],
    "read the environment of a worker": lambda: [Path(f"/proc/{number}/environ").read_bytes() for number in numbers[1:]],
    "ask Prefect for its runs": lambda: of_prefect("flow_runs/filter", b"{}"),
    "ask Prefect for its settings": lambda: of_prefect("admin/settings"),
    "empty Prefect's database": lambda: of_prefect("admin/database/clear", b'{"confirm": true}'),
    "speak to Dask in clear": of_dask,
}
ended = {}
for name, attack in TRIED.items():
    try:
        attack()
        ended[name] = "succeeded"
    except (OSError, StopIteration) as error:
        ended[name] = type(error).__name__
print(json.dumps(ended))
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """A study in a folder that every user can enter, as on a shared machine; its key is closed by `unibase key new` as always."""
    folder = Path(tempfile.mkdtemp(prefix="second-user-"))
    folder.chmod(0o755)
    yield write_study(folder)
    shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0, reason="only root can act as another user")
def test_nothing_of_a_study_is_within_reach(home: Path) -> None:
    with started("build", home / "study.yaml", TMPDIR=str(home)) as build:
        assert build.stderr is not None
        for line in build.stderr:
            if line.startswith("index"):
                break
        else:
            pytest.fail("the build ended before it was attacked")
        family = [psutil.Process(build.pid), *psutil.Process(build.pid).children(recursive=True)]
        ports = sorted({link.laddr.port for one in family for link in one.net_connections("tcp") if link.status == "LISTEN"})
        numbers = [one.pid for one in family]
        attacked = subprocess.run(
            ["/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable, "-c", ATTACKS, home, json.dumps(numbers), json.dumps(ports)],
            user=STRANGER, group=STRANGER, extra_groups=[], capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert attacked.returncode == 0, attacked.stderr
        ended = json.loads(attacked.stdout)
        assert len(ended) >= 25
        assert len(ports) >= 2 and len(numbers) >= 2, "Prefect's server and Dask were there to be attacked"
        assert not [name for name, how in ended.items() if how == "succeeded"]
        build.stderr.read()
        assert build.wait(timeout=300) == 0
