"""Faults of the machine over nights of a small study: `python benchmarks/fault_campaign.py --faults 60 --seed 1`.

Each fault is drawn from the seed, over a copy of one built study whose hospital sent something new: a file of the workspace
flipped, cut or lost; an errno at a random call that opens a file; a build killed at a random moment. A fault is survived when
the disturbed night ends in the bytes of the undisturbed release, or refuses by name; and when the night after it, undisturbed,
has those bytes. Prints a line a kind, and each fault that was not survived.
"""

from __future__ import annotations

import argparse
import builtins
import errno
import hashlib
import io
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from tests.flows.small_study import write_study
from unibase.flows.runs.guard import explained
from unibase.flows.runs.pipeline import STAGES
from unibase.flows.runs.run import open_run
from unibase.flows.runs.versions import publish_next
from unibase.flows.study.named_sources import check_sources
from unibase.flows.study.validation import read_study
from unibase.groundwork import work

ERRNOS = (errno.EIO, errno.ESTALE, errno.ENOSPC, errno.EACCES, errno.EROFS)
KINDS = ("flip", "cut", "lost", "errno", "errno", "kill")


def night(home: Path) -> dict[str, str]:
    """Run one night in this process; return the digests of the release's files."""
    study = read_study(home / "study.yaml")
    check_sources(study)
    with study.work.owned(), open_run(study) as run:
        for one in STAGES:
            one(run)
        return digests(publish_next(run))


def digests(folder: Path) -> dict[str, str]:
    """Return the digest of each file of a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def new_day(home: Path) -> None:
    """Have the hospital send a further record, and take an image back."""
    with (home / "records" / "acts.csv").open("a", encoding="utf-8") as file:
        file.write("IPP002,2019-09-02,VISIT\n")
    (home / "dicom" / "IPP001-20190402.dcm").unlink()


@contextmanager
def failing(home: Path, number: int, at: int) -> Iterator[list[int]]:
    """Have the `at`-th opening of a file of the study fail, once."""
    calls = [0]

    def wrapped(original: Callable[..., Any]) -> Callable[..., Any]:
        def opened(file: Any, *args: Any, **kwargs: Any) -> Any:
            if isinstance(file, str | os.PathLike) and os.fspath(file).startswith(str(home)):
                calls[0] += 1
                if calls[0] == at:
                    raise OSError(number, os.strerror(number), file)
            return original(file, *args, **kwargs)

        return opened

    with (
        mock.patch.object(builtins, "open", wrapped(builtins.open)),
        mock.patch.object(io, "open", wrapped(io.open)),
        mock.patch.object(os, "open", wrapped(os.open)),
        mock.patch.object(work.time, "sleep", lambda seconds: None),
    ):
        yield calls


def disturbed(home: Path, kind: str, draw: random.Random) -> tuple[str, dict[str, str] | str]:
    """Run one disturbed night; return what was done, and the release's digests or how the night refused."""
    if kind == "kill":
        command = [Path(sys.executable).with_name("unibase"), "build", home / "study.yaml", "--no-prefect", "--nightly"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        moment = draw.uniform(0.5, 15)
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.wait()
        return f"after {moment:.1f} s", "killed"
    if kind == "errno":
        number, at = draw.choice(ERRNOS), draw.randint(1, 400)
        said = f"{errno.errorcode[number]} at call {at}"
        try:
            with failing(home, number, at):
                return said, night(home)
        except Exception as error:
            return said, str(explained(error, None))
    files = sorted(path for path in (home / "work").rglob("*") if path.is_file() and path.name != "lock" and path.stat().st_size)
    path = draw.choice(files)
    harm(path, kind, draw)
    try:
        return path.relative_to(home).as_posix(), night(home)
    except Exception as error:
        told = str(explained(error, None))
        return path.relative_to(home).as_posix(), told if path.name in told else f"Unexpected: does not name {path.name}: {told}"


def harm(path: Path, kind: str, draw: random.Random) -> None:
    """Flip a bit of a file, cut it, or remove it."""
    content = bytearray(path.read_bytes())
    place = draw.randrange(len(content))
    if kind == "lost":
        path.unlink()
    elif kind == "cut":
        path.write_bytes(bytes(content[:place]))
    else:
        content[place] ^= 1 << draw.randrange(8)
        path.write_bytes(bytes(content))


def survives(built: Path, home: Path, kind: str, draw: random.Random, right: dict[str, str]) -> str:
    """Return an empty text when a fault is survived, else what went wrong."""
    shutil.copytree(built, home)
    said, ended = disturbed(home, kind, draw)
    if isinstance(ended, dict) and ended != right:
        return f"{kind} {said}: published another release"
    if isinstance(ended, str) and "Unexpected" in ended:
        return f"{kind} {said}: {ended}"
    mends = isinstance(ended, str) and ("Restore" in ended or "damaged" in ended)
    if mends:
        return ""  # refused by name, with the command that mends it: that is for a person
    try:
        after = night(home)
    except Exception as error:
        return f"{kind} {said}: the night after it: {explained(error, None)}"
    return "" if after == right else f"{kind} {said}: the night after it has other bytes"


def main() -> None:
    """Run the campaign."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--faults", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    draw, counts, lost = random.Random(asked.seed), Counter[str](), []
    with tempfile.TemporaryDirectory() as scratch:
        built = write_study(Path(scratch) / "built")
        night(built)
        new_day(built)
        undisturbed = shutil.copytree(built, Path(scratch) / "undisturbed")
        right = night(undisturbed)
        for number in range(asked.faults):
            kind = draw.choice(KINDS)
            home = Path(scratch) / f"fault-{number}"
            wrong = survives(built, home, kind, draw, right)
            counts[f"{kind}: {'lost' if wrong else 'survived'}"] += 1
            if wrong:
                lost.append(wrong)
                print(wrong, flush=True)
            shutil.rmtree(home)
    for key, count in sorted(counts.items()):
        print(f"{key} {count}")
    print(f"{asked.faults - len(lost)} of {asked.faults} survived")


if __name__ == "__main__":
    main()
