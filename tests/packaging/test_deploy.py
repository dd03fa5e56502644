"""What `deploy/` ships for a node: units that systemd takes, and commands and extras that exist."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from unibase.flows.cli.everything import app

DEPLOY = Path("deploy")
UNITS = sorted((DEPLOY / "systemd").iterdir())


def lines(key: str) -> list[str]:
    """Return the values of a key in all units."""
    return [found for unit in UNITS for found in re.findall(rf"^{key}=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE)]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: str(unit.name))
@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_systemd_takes_the_units(unit: Path, tmp_path: Path) -> None:
    for one in UNITS:
        told = re.sub(r"/opt/unibase/\.venv/bin/\w+", "/bin/true", one.read_text(encoding="utf-8"))
        (tmp_path / one.name).write_text(told.replace("User=unibase", "User=daemon"), encoding="utf-8")
    ended = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / unit.name], capture_output=True, text=True, check=False
    )
    assert not [line for line in ended.stderr.splitlines() if unit.name in line], ended.stderr


def test_the_units_call_commands_that_exist() -> None:
    called = [shlex.split(one)[1:] for key in ("ExecStart", "ExecStopPost") for one in lines(key) if "/unibase " in one]
    assert len(called) == 2
    for words in called:
        _, _, unused = app.parse_known_args(words)[:3]
        assert not unused, words


def test_every_service_is_closed() -> None:
    services = [unit for unit in UNITS if unit.suffix == ".service"]
    for key, value in (("User", "unibase"), ("UMask", "0077"), ("NoNewPrivileges", "yes"), ("ProtectSystem", "strict")):
        assert lines(key) == [value] * len(services)
    assert all("127.0.0.1" in one for one in lines("ExecStart") if "server start" in one)


def test_images_install_extras_that_exist_and_hold_no_secret() -> None:
    extras = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for name in ("Containerfile", "apptainer.def"):
        text = (DEPLOY / name).read_text(encoding="utf-8")
        asked = re.findall(r"--extra (\w+)", text)
        assert asked and set(asked) <= set(extras)
        assert "uv sync --locked" in text
        # Seen in a real build: `.python-version` had uv fetch a Python of another version than the base has. It stayed behind
        # in the first stage, or in root's home, and the image did not start.
        assert f"python:{Path('.python-version').read_text(encoding='utf-8').strip()}-slim" in text
        assert "UV_PYTHON_DOWNLOADS=never" in text
    kept_out = Path(".containerignore").read_text(encoding="utf-8").split()
    assert {".git", "*.key", "*.pem", "*.identity", "demo", "work"} <= set(kept_out)


def test_a_bill_of_materials_has_the_same_bytes_whenever_it_is_written(tmp_path: Path) -> None:
    written = []
    for serial, day in (("urn:uuid:1", "2026-11-30T22:33:03Z"), ("urn:uuid:2", "2026-12-01T02:00:00Z")):
        bill = {"serialNumber": serial, "metadata": {"timestamp": day}, "components": [{"name": "polars", "version": "1.30"}]}
        command = [sys.executable, DEPLOY / "bill_of_materials.py", tmp_path / "sbom.json"]
        subprocess.run(command, input=json.dumps(bill), text=True, check=True)
        written.append((tmp_path / "sbom.json").read_bytes())
    assert written[0] == written[1]
    assert b"polars" in written[0] and b"urn:uuid:" in written[0]
