"""The wheel, built through the sdist and installed far from the checkout: what is in it, and that its commands work from an empty folder."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel")]
ROOMS = sorted(path.name for path in (CHECKOUT / "src" / "unibase").iterdir())


def run(*command: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder with nothing of the checkout in its environment."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST_", "VIRTUAL_ENV"))}
    return subprocess.run([*map(str, command)], cwd=folder, env=clean, capture_output=True, text=True, check=False, timeout=300)


@dataclass(frozen=True)
class Installed:
    """A wheel and where it was installed."""

    wheel: Path
    home: Path

    def unibase(self, *arguments: object, folder: Path) -> str:
        ended = run(self.home / "bin" / "unibase", *arguments, folder=folder)
        assert ended.returncode == 0, ended.stderr[-3000:]
        return ended.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel in an environment of its own that borrows the dependencies of ours, but not the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    _build("sdist", CHECKOUT, folder)
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    _build("wheel", folder / sdist.name.removesuffix(".tar.gz"), folder)
    (wheel,) = folder.glob("*.whl")
    home = folder / "environment"
    venv.create(home, symlinks=True)
    (site,) = (home / "lib").glob("python*/site-packages")
    # A folder that a .pth names is searched, but no .pth inside it is read: ours, which leads to the checkout, stays out.
    dependencies = Path(pytest.__file__).parents[1]
    (site / "dependencies.pth").write_text(f"{dependencies}\n")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    _write_entry_point(home)
    return Installed(wheel, home)


def _build(kind: str, source: Path, out: Path) -> None:
    ended = run(sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", out, folder=source)
    assert ended.returncode == 0, ended.stderr


def _write_entry_point(home: Path) -> None:
    """Write the command that an installer writes from the wheel's entry point."""
    (entry,) = importlib.metadata.entry_points(group="console_scripts", name="unibase")
    script = home / "bin" / "unibase"
    script.write_text(f"#!{home}/bin/python\nimport sys\nfrom {entry.module} import {entry.attr}\nsys.exit({entry.attr}())\n")
    script.chmod(0o755)


def test_every_file_of_the_rooms_is_inside_and_nothing_beside(installed: Installed) -> None:
    tracked = run("git", "ls-files", *ROOMS, folder=CHECKOUT).stdout.splitlines()
    assert len(tracked) > 300
    with zipfile.ZipFile(installed.wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert names == {f"unibase/{name}" for name in tracked}
        assert {f"unibase/{room}/py.typed" for room in ROOMS} <= names
        (meta,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
        assert "unibase = unibase.flows.cli.start:start" in archive.read(meta).decode()


def test_every_module_is_imported_from_the_wheel(installed: Installed, tmp_path: Path) -> None:
    code = """
import importlib, pkgutil, unibase
names = [one.name for one in pkgutil.walk_packages(unibase.__path__, "unibase.")]
modules = [importlib.import_module(name) for name in names if not name.endswith("__main__")]
print(len(modules), *{module.__file__.split("/unibase/")[0] for module in modules})
"""
    ended = run(installed.home / "bin" / "python", "-c", code, folder=tmp_path)
    assert ended.returncode == 0, ended.stderr[-3000:]
    count, *places = ended.stdout.split()
    assert int(count) > 300
    assert places == [str(next((installed.home / "lib").glob("python*/site-packages")))]


def test_every_command_says_what_it_does_from_an_empty_folder(installed: Installed, tmp_path: Path) -> None:
    code = """
from unibase.flows.cli.everything import app
def commands(above):
    for name in sorted(above):
        if not name.startswith("-"):
            inner = [[name, *words] for words in commands(above[name])]
            yield from inner or [[name]]
for words in commands(app):
    app([*words, "--help"], result_action="return_value")
    print("HELPED", *words)
"""
    ended = run(installed.home / "bin" / "python", "-c", code, folder=tmp_path)
    assert ended.returncode == 0, ended.stderr[-3000:]
    helped = [line for line in ended.stdout.splitlines() if line.startswith("HELPED")]
    assert len(helped) > 50 and ended.stdout.count("Usage: ") >= len(helped)


def test_commands_work_from_an_empty_folder(installed: Installed, tmp_path: Path) -> None:
    def unibase(*arguments: object) -> str:
        return installed.unibase(*arguments, folder=tmp_path)

    assert "deidentify" in unibase("--help")
    assert "fingerprint" in unibase("key", "new", "study.key")
    unibase("simulate", "demo", "--persons", 6, "--no-imaging", "--no-broken")
    assert "is right" in unibase("check", "demo/study.yaml")
    # These read what the wheel holds beside code: mappings, concepts, the table of genes.
    assert "fields" in unibase("records", "fields", "osiris-rwd", "fields.csv")
    assert "events of" in unibase("timeline", "demo/centre_a/omop", "timeline", "--from", "omop", "--key-file", "study.key")
    assert "samples" in unibase("normalise", "demo/centre_a/omics/counts.tsv.gz", "normalised.tsv")
    assert not list(tmp_path.rglob("__pycache__"))
