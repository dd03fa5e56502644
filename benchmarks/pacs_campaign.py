"""Kills on the way from one Orthanc to another: `python -m benchmarks.pacs_campaign --instances 10000 --kills 20`, as root.

Both archives live in a network namespace of their own. `unibase fetch`, `unibase run deidentify` and `unibase send` run as
processes. On the way the client is killed, an archive is killed and started again, or the network goes down for a while; each
command is then started again, as an operator would, until it ends well. Said at the end: whether the workspace holds the files
of an undisturbed run; whether what was there at a kill was left alone; whether the second archive has each instance once;
the CPU time of the client; and where a password, a name or a hospital number stands outside the first archive and the vault.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pydicom

from tests.flows.orthanc import Orthanc, orthanc
from tests.imaging.deidentify_help import ct
from tests.known_keys import known_key
from unibase.privacy.keys import write_key_file

PASSWORD, NAME, SPACE = "Tr0ub4dor-cheval", "Zwartjes", "unibase-pacs"
HERE, THERE = "10.213.7.1", "10.213.7.2"
STUDIES = 3
SETTINGS = "orthanc.json"
STUDY = """\
study: campaign
release: {{version: 1.0.0}}
key: {{file: vault.key}}
centres:
  lyon:
    people: people.csv
    dicom: {{dicomweb: '{source}', credentials: {who}, pace: {{tries: 3, quiet_minutes: 0, timeout: 10}}}}
index: {{concept: treatment_start}}
research_pacs: {{dicomweb: '{target}', credentials: {who}, pace: {{tries: 3, timeout: 10}}}}
"""
WHO = "{user_env: PACS_USER, password_env: PACS_PASSWORD}"


def ip(*words: str) -> None:
    """Run `ip`."""
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextmanager
def network() -> Iterator[None]:
    """Make a network namespace with one line to it, and take it away."""
    ip("netns", "add", SPACE)
    try:
        ip("link", "add", "upacs0", "type", "veth", "peer", "name", "upacs1", "netns", SPACE)
        ip("addr", "add", f"{HERE}/30", "dev", "upacs0")
        ip("-n", SPACE, "addr", "add", f"{THERE}/30", "dev", "upacs1")
        for words in (("link", "set", "upacs0", "up"), ("-n", SPACE, "link", "set", "upacs1", "up")):
            ip(*words)
        yield
    finally:
        ip("netns", "del", SPACE)


def fill(archive: Orthanc, persons: int, instances: int) -> None:
    """Store instances: three studies of two series a person, small images."""
    each = instances // persons
    with httpx.Client(auth=(archive.user, archive.password)) as http:
        for number in range(persons * each):
            person, place = divmod(number, each)
            study = f"1.2.840.99.{person + 1}.{place % STUDIES + 1}"
            series = f"{study}.{place // STUDIES % 2 + 1}"
            about = {"StudyInstanceUID": study, "SeriesInstanceUID": series, "SOPInstanceUID": f"{series}.{place + 1}"}
            ds = ct(PatientID=f"IPP{person:04}", PatientName=f"{NAME}^P{person}", InstanceNumber=place + 1, **about)
            ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
            stream = io.BytesIO()
            pydicom.dcmwrite(stream, ds, enforce_file_format=True)
            http.post(f"http://{archive.host}:{archive.http}/instances", content=stream.getvalue()).raise_for_status()


def write_home(home: Path, persons: int, source: Orthanc, target: Orthanc) -> Path:
    """Write a study; return its file."""
    home.mkdir()
    (home / "people.csv").write_text("identifier\n" + "".join(f"IPP{person:04}\n" for person in range(persons)))
    write_key_file(known_key("campaign.key"), home / "vault.key")
    (home / "study.yaml").write_text(STUDY.format(source=source.web, target=target.web, who=WHO))
    return home / "study.yaml"


def command(*words: str, log: Path) -> subprocess.Popen[bytes]:
    """Start a command of unibase; what it says goes to a log."""
    about = {**os.environ, "PACS_USER": "unibase", "PACS_PASSWORD": PASSWORD}
    with log.open("ab") as said:
        return subprocess.Popen([Path(sys.executable).with_name("unibase"), *words], stdout=said, stderr=said, env=about)


def cpu() -> float:
    """Return the CPU seconds of ended child processes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def whole(*words: str, log: Path) -> tuple[float, float]:
    """Run a command to its end; return CPU seconds and seconds."""
    before, start = cpu(), time.monotonic()
    if command(*words, log=log).wait():
        raise SystemExit(log.read_text()[-3000:])
    return cpu() - before, time.monotonic() - start


def files_of(folder: Path) -> dict[str, str]:
    """Return the digest of each instance below a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.dcm"))
        if not path.name.startswith(".tmp-")
    }


@dataclass
class Campaign:
    """One disturbed way from archive to archive.

    Attributes:
        draw: What faults are drawn from.
        study: The study file.
        log: Where commands write.
        starts: How often each command was started.
        faults: How often each fault was done.
        stood: The fetched files that were there at a fault, and which file on the disk each was.
    """

    draw: random.Random
    study: Path
    log: Path
    starts: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    stood: dict[Path, int] = field(default_factory=dict)

    def go(self, words: Sequence[str], progress: Callable[[], int], plan: Plan) -> None:
        """Run a command until it ends well; at each mark of its progress a fault is done."""
        left = list(plan.marks)
        while True:
            self.starts[" ".join(words)] += 1
            process = command(*words, str(self.study), log=self.log)
            while process.poll() is None:
                if left and progress() >= left[0]:
                    left.pop(0)
                    self._disturb(self.draw.choice(plan.kinds), process, plan.archive)
                time.sleep(0.05)
            if process.returncode == 0:
                if left:
                    raise SystemExit(f"{words} ended before {len(left)} of {len(plan.marks)} faults struck")
                return
            if self.starts[" ".join(words)] > 10 + 5 * len(plan.marks):
                raise SystemExit(f"{words} does not end: {self.log.read_text()[-3000:]}")

    def _disturb(self, kind: str, process: subprocess.Popen[bytes], archive: Orthanc) -> None:
        self.faults[kind] += 1
        pause = self.draw.choice([0.3, 1.0, 3.0])
        if kind == "client":
            process.send_signal(signal.SIGKILL)
            process.wait()
        elif kind == "archive":
            archive.kill()
            time.sleep(pause)
            archive.start()
        else:
            ip("link", "set", "upacs0", "down")
            time.sleep(3 * pause)
            ip("link", "set", "upacs0", "up")
        self.stood |= {path: path.stat().st_ino for path in fetched_of(self.study)}

    def asked_again(self) -> int:
        """Return how many files that stood at a fault are other files now."""
        return sum(path.stat().st_ino != number for path, number in self.stood.items())


@dataclass(frozen=True)
class Plan:
    """What disturbs one command: at how many instances, what of it, and which archive."""

    marks: list[int]
    kinds: tuple[str, ...]
    archive: Orthanc


def fetched_of(study: Path) -> list[Path]:
    """Return the instances that a study has fetched."""
    return [path for path in study.parent.glob("work/vault/fetched/lyon/studies/*/*.dcm") if not path.name.startswith(".tmp-")]


def leaks(folder: Path) -> Counter[str]:
    """Return where a password, a name or a hospital number stands that should not, by the file that holds it.

    The first archive and the vault hold names and numbers; Orthanc's settings hold the password.
    """
    found: Counter[str] = Counter()
    basic = base64.b64encode(f"unibase:{PASSWORD}".encode()).decode()
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        if not path.is_file() or "fetched" in parts or parts[:2] in (("a", "storage"), ("a", "index")) or path.name == SETTINGS:
            continue
        words = [PASSWORD, basic, NAME, *(() if "vault" in parts or path.name == "people.csv" else ("IPP0",))]
        content = path.read_bytes()
        found.update(f"{word[:3]}... in {path.name}" for word in words if word.encode() in content)
    return found


def main() -> None:
    """Run the campaign and print what came of it."""
    parser = argparse.ArgumentParser()
    for name, default in (("--instances", 10_000), ("--persons", 200), ("--kills", 20), ("--seed", 1)):
        parser.add_argument(name, type=int, default=default)
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="pacs-campaign-"))
    about = {"user": "unibase", "password": PASSWORD, "host": THERE, "within": ("ip", "netns", "exec", SPACE)}
    with network(), orthanc(folder / "a", **about) as source, orthanc(folder / "b", title="RESEARCH", **about) as target:
        fill(source, asked.persons, asked.instances)
        right, wrong = (write_home(folder / name, asked.persons, source, target) for name in ("right", "disturbed"))
        undisturbed(right, folder / "right.log")
        disturbed(wrong, folder / "disturbed.log", asked, (source, target))
        compare(right.parent, wrong.parent, target)
    print(f"passwords, names and hospital numbers outside the first archive and the vault: {dict(leaks(folder)) or 0}")
    shutil.rmtree(folder)


def undisturbed(study: Path, log: Path) -> None:
    """Fetch and de-identify without a fault; print the CPU time of the client."""
    used, took = whole("fetch", str(study), log=log)
    idle, _ = whole("fetch", str(study), log=log)
    count = len(fetched_of(study))
    print(f"undisturbed: {count} instances, {used:.1f} CPU-s, {took:.0f} s; a second night {idle:.1f} CPU-s")
    print(f"client: {1000 * used / count:.2f} ms CPU an instance, {1000 * (used - idle) / count:.2f} beyond a second night")
    used, took = whole("run", "deidentify", str(study), log=log)
    print(f"deidentify: {used:.1f} CPU-s, {took:.0f} s", flush=True)


def marks_of(draw: random.Random, instances: int, count: int) -> list[int]:
    """Return after how many instances faults strike: one in each equal part of the first nine tenths.

    The last tenth is spared: a command that needs no more than a glance for it would end before its fault.
    """
    part = 0.9 * instances / count
    return [1 + int(part * (place + draw.random())) for place in range(count)]


def disturbed(study: Path, log: Path, asked: argparse.Namespace, archives: tuple[Orthanc, Orthanc]) -> None:
    """Fetch, de-identify and send with faults."""
    draw = random.Random(asked.seed)
    source, target = archives
    campaign = Campaign(draw, study, log)
    every = ("client", "archive", "network")
    of_fetch, staged = asked.kills // 2, study.parent / "work" / "staging"

    def marks(count: int) -> list[int]:
        return marks_of(draw, asked.instances, count)

    campaign.go(["fetch"], lambda: len(fetched_of(study)), Plan(marks(of_fetch), every, source))
    ways = Plan(marks(2), ("client",), source)
    campaign.go(["run", "deidentify"], lambda: sum(1 for _ in staged.rglob("*.dcm")), ways)
    campaign.go(["send"], lambda: held(target), Plan(marks(asked.kills - of_fetch - 2), every, target))
    print(f"faults: {dict(campaign.faults)}; starts: {dict(campaign.starts)}")
    print(f"instances that stood at a fault and were fetched again: {campaign.asked_again()} of {len(campaign.stood)}")


def compare(right: Path, wrong: Path, target: Orthanc) -> None:
    """Print whether both ways ended in the same files, and the second archive has them."""
    for what in ("vault/fetched", "staging/imaging/dicom"):
        two = [files_of(home / "work" / what) for home in (right, wrong)]
        print(f"{what}: {len(two[0])} files undisturbed, {len(two[1])} disturbed, equal: {two[0] == two[1]}")
    sent = sorted(str(pydicom.dcmread(path).SOPInstanceUID) for path in (wrong / "work/staging/imaging/dicom").rglob("*.dcm"))
    uids = sorted(one["MainDicomTags"]["SOPInstanceUID"] for one in target.get("/instances?expand"))
    print(f"second archive: {len(uids)} instances, each of the {len(sent)} de-identified once: {uids == sent}")


def held(archive: Orthanc) -> int:
    """Return how many instances an archive holds; none while it is away."""
    try:
        return int(archive.get("/statistics")["CountInstances"])
    except httpx.HTTPError:
        return 0


if __name__ == "__main__":
    main()
