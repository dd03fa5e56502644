"""What some blocks of the pages need around them, and a page names: `<!-- run with: NAME -->` above the block.

Each gives the block back as its reader would type it here: with the address of a server that is there, say.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

from tests.clinical.test_databases import fill, typed
from tests.conftest import CHECKOUT
from tests.flows.small_study import write_study
from tests.flows.test_objections import night
from tests.flows.test_rights_desk import published
from tests.postgres_server import postgres_server

if TYPE_CHECKING:
    from tests.docs.blocks import Block, Reader

RUNS = """
import asyncio
from prefect.client.orchestration import get_client
from prefect.flow_runs import wait_for_flow_run

async def main():
    async with get_client() as client:
        for run in await client.read_flow_runs():
            if not run.auto_scheduled:
                ended = await wait_for_flow_run(run.id, timeout=600, poll_interval=1, client=client)
                print(ended.state.type.value)

asyncio.run(main())
"""
"""Waits for every run that was asked for, and says how it ended."""

DUCKDB = """#!{python}
import sys
import duckdb
duckdb.connect(sys.argv[1]).execute(sys.stdin.read())
"""
"""Stands in for DuckDB's command line, which is in no package of the lock."""


@contextmanager
def terminal(reader: Reader, block: Block) -> Iterator[Block]:
    """A custodian who is asked for a number unseen, in a study of the centre lyon that has published once."""
    desk, before = reader.home / "desk", reader.folder
    desk.mkdir()
    study = write_study(desk) / "study.yaml"
    study.write_text(study.read_text(encoding="utf-8").replace("\n  A:\n", "\n  lyon:\n"), encoding="utf-8")
    known, _ = night(desk)
    published(desk, "1.0.0", sorted(known.values()))
    reader.folder = desk
    with patch("getpass.getpass", return_value="IPP002") as asked:
        yield block
    assert asked.call_count >= 5, f"{block.place}: who is asked for a number {asked.call_count} times"
    reader.folder = before


@contextmanager
def omop_server(reader: Reader, block: Block) -> Iterator[Block]:
    """A server with the OMOP tables of the demo's first centre, in the schema cdm."""
    tables = {name: frame for name, frame in typed(reader.home / "demo" / "centre_a" / "omop").items() if frame.height}
    with postgres_server() as directory:
        address = f"postgresql://omop@/postgres?host={directory}"
        asyncio.run(fill(address, tables))
        (reader.folder / "study.key").unlink(missing_ok=True)
        reader.unibase(["unibase", "key", "new", "study.key"], block)
        written = block.text.replace("postgresql://reader@server/omop?schema=cdm", f"{address}&schema=cdm")
        assert written != block.text, block.place
        yield dataclasses.replace(block, text=written)


@contextmanager
def two_databases(reader: Reader, block: Block) -> Iterator[Block]:
    """A release as OMOP, a server with an empty database cdm, and a command `duckdb`."""
    release = next((reader.home / "demo" / "releases").glob("*/1.0.0"))
    folder, before = reader.home / "as-omop", (reader.folder, dict(reader.exported))
    reader.unibase(["unibase", "omop", str(release), str(folder)], block)
    command = folder / "bin" / "duckdb"
    command.parent.mkdir()
    command.write_text(DUCKDB.format(python=sys.executable), encoding="utf-8")
    command.chmod(0o755)
    with postgres_server() as directory:
        subprocess.run(["createdb", "-h", directory, "-U", "omop", "cdm"], check=True)
        reader.folder = folder
        reader.exported |= {"PGHOST": str(directory), "PGUSER": "omop", "PGOPTIONS": "", "BASH_ENV": str(folder / "bin" / "path")}
        (folder / "bin" / "path").write_text(f"PATH={command.parent}:$PATH\n", encoding="utf-8")
        yield block
    reader.folder, reader.exported = before


@contextmanager
def prefect_server(reader: Reader, block: Block) -> Iterator[Block]:
    """A Prefect server on PostgreSQL and, where the block starts one, a worker: in the background, to the end of the page.

    What the page starts `in a terminal or service of its own` is started so. Runs that the block asks for are waited for.
    """
    before = reader.folder
    reader.folder = CHECKOUT
    _serve(reader)
    lines = [line for line in block.text.splitlines() if "PREFECT_API_URL=http" not in line and "server start" not in line]
    for line in lines:
        if "of its own" in line:
            _background(reader, line.partition("#")[0])
    kept = "\n".join(line for line in lines if "of its own" not in line)
    yield dataclasses.replace(block, text=kept.replace("/path/study.yaml", str(reader.home / "demo" / "study.yaml")))
    _wait_for_runs(reader, block)
    reader.folder = before


def _serve(reader: Reader) -> None:
    home = reader.home / "prefect"
    if home.exists():
        return
    home.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    reader.exported |= {"PREFECT_HOME": str(home), "PREFECT_API_URL": f"http://127.0.0.1:{port}/api", "DO_NOT_TRACK": "1"}
    reader.exported |= {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "PREFECT_UI_ENABLED": "0"}
    # By SQLite a command may end with "database is locked" on a machine that has other work.
    database = f"postgresql+asyncpg://omop@/postgres?host={reader.servers.enter_context(postgres_server())}"
    reader.exported["PREFECT_API_DATABASE_CONNECTION_URL"] = database
    _background(reader, f"prefect server start --host 127.0.0.1 --port {port}")
    waits = "import sys; from urllib3 import PoolManager, Retry; PoolManager().request('GET', sys.argv[1], retries=Retry(60, backoff_factor=0.1, backoff_max=1))"
    _python(reader, waits, f"http://127.0.0.1:{port}/api/health")


def _background(reader: Reader, line: str) -> None:
    with (reader.home / "prefect" / "log").open("ab") as log:
        reader.background.append(
            subprocess.Popen(["bash", "-c", f"exec {line}"], env=_environment(reader), cwd=CHECKOUT, stdout=log, stderr=log)
        )


def _wait_for_runs(reader: Reader, block: Block) -> None:
    ended = _python(reader, RUNS)
    assert set(ended.split()) <= {"COMPLETED"}, f"{block.place}: {ended}"


def _python(reader: Reader, program: str, *arguments: str) -> str:
    command = [sys.executable, "-c", program, *arguments]
    ended = subprocess.run(command, env=_environment(reader), cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"{ended.stderr[-2000:]}\n{(reader.home / 'prefect' / 'log').read_text()[-2000:]}"
    return ended.stdout


def _environment(reader: Reader) -> dict[str, str]:
    return {**os.environ, **reader.exported, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


@contextmanager
def release_folder(reader: Reader, block: Block) -> Iterator[Block]:
    """Whoever stands in the folder of the demo's release: its programs are found there."""
    before = reader.folder
    reader.folder = next((reader.home / "demo" / "releases").glob("*/1.0.0"))
    with patch.object(sys, "path", [str(reader.folder), *sys.path]):
        yield block
    reader.folder = before


SURROUNDINGS: dict[str, Callable[[Reader, Block], AbstractContextManager[Block]]] = {
    "a terminal": terminal,
    "an OMOP server": omop_server,
    "two databases": two_databases,
    "a Prefect server": prefect_server,
    "the folder of a release": release_folder,
}
