"""A whole build over clinical records of any size: OMOP in Parquet to a published release, time and memory of all its processes.

    .venv/bin/python benchmarks/build_of_records.py --subjects 6300 63000

One study per size over the invented records of `benchmarks/clinical.py`: an index, three variables, overall survival, the
checks of quality, the page and the timeline. Memory is asked every tenth of a second; the table gives that of the largest
process and that of all of them together.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

STUDY = """\
study: records
release: {version: 1.0.0}
key: {file: vault.key}
centres:
  A:
    clinical: {format: omop, path: omop}
concepts: concepts.yaml
index: {concept: first_drug, which: first}
windows:
  clinical:
    latest: {concept: laboratory_3, from_days: -365, choose: latest}
    mean: {concept: laboratory_4_5, from_days: -365, choose: mean}
    visits: {concept: visits, from_days: -365, choose: count}
endpoints: [OS]
"""
CONCEPTS = """\
concepts: 1
version: "1"
concept:
  first_drug: {codes: ["RxNorm//DRU1-1", "RxNorm//DRU2-2"]}
  laboratory_3: {codes: ["LOINC//MEA3-3"]}
  laboratory_4_5: {codes: ["LOINC//MEA4-4", "LOINC//MEA5-5"]}
  death: {codes: [MEDS_DEATH]}
  last_contact: {codes: ["Visit//*"]}
  visits: {codes: ["Visit//*"]}
"""


def build(folder: Path) -> dict[str, float]:
    """Build the study in a process of its own; return seconds, CPU seconds and MB."""
    command = [Path(sys.executable).with_name("unibase"), "build", folder / "study.yaml", "--no-prefect"]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    process = psutil.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    largest = together = 0
    while process.poll() is None:
        sizes = [size for one in [process, *_children(process)] if (size := _size(one))]
        largest, together = max([largest, *sizes]), max(together, sum(sizes))
        time.sleep(0.1)
    if process.returncode:
        raise SystemExit(process.stderr.read())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": time.perf_counter() - began, "cpu": used, "largest": largest / 1e6, "together": together / 1e6}


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _size(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def main() -> None:
    from benchmarks.clinical import make
    from unibase.privacy.keys import new_key, write_key_file

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, nargs="+", default=[6300])
    parser.add_argument("--events", type=int, default=500)
    parser.add_argument("--folder", type=Path, help="keep the files here")
    given = parser.parse_args()
    print("| subjects x events | seconds | CPU s | MB of the largest process | MB of all |\n|---|---|---|---|---|")
    for subjects in given.subjects:
        folder = Path(given.folder or tempfile.mkdtemp()) / f"records-{subjects}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        make(folder / "omop", subjects, given.events)
        (folder / "study.yaml").write_text(STUDY, encoding="utf-8")
        (folder / "concepts.yaml").write_text(CONCEPTS, encoding="utf-8")
        write_key_file(new_key(), folder / "vault.key")
        found = build(folder)
        figures = " | ".join(f"{found[name]:.0f}" for name in ("seconds", "cpu", "largest", "together"))
        print(f"| {subjects} x {given.events} | {figures} |", flush=True)
        if not given.folder:
            shutil.rmtree(folder.parent)


if __name__ == "__main__":
    main()
