"""Secrets planted in every input of a build: none comes out in what it says, in Prefect's database, or outside the vault."""

from __future__ import annotations

import subprocess
from pathlib import Path

import psutil
import pydicom
import pytest

from tests.flows.demo import UNIBASE, environment
from tests.flows.small_study import write_study
from tests.known_keys import known_key

SECRETS = {
    "a family name of people.csv": "Zqarnaudel",
    "a given name that is no word": "Wqenceslava",
    "a NIR with a wrong key": "185057800608436",
    "a date of birth that is none": "31/02/1967-zq",
    "a number of a row without a person": "IPPZQ90210",
    "a cell beyond the header": "ZQBEYOND",
    "a date of an act that is none": "zq-2019-13-45",
    "a name in a header": "Zqheaderson",
    "a comment in a header": "appeler Zqvoisine au 0612349876",
    "a file name": "ZQFILENAMEDUPONT",
    "the text of a broken file": "ZQBROKENTEXT",
    "a folder name": "ZQFOLDER^MARTIN",
}
"""What is planted, by the place where it stands."""


def plant(home: Path) -> None:
    """Write every secret into the place that its name tells."""
    one = list(SECRETS.values())
    (home / "people.csv").write_text(
        "identifier,birth_family_name,given_names,birth_date,ins\n"
        f"IPP001,{one[0]},{one[1]},1967-02-01,{one[2]}\nIPP002,{one[0]},Anne,{one[3]},\nIPP003,{one[0]},Paul,1950-01-02,\n"
        f"IPP004,,,,\nIPP004,{one[1]},Ida,1940-05-06,\n",
        encoding="utf-8",
    )
    with (home / "records" / "acts.csv").open("a", encoding="utf-8") as file:
        file.write(f"{one[4]},2019-01-01,VISIT\nIPP001,2019-01-02,VISIT,{one[5]}\nIPP002,{one[6]},VISIT\n\x00\n")
    first = min((home / "dicom").glob("*.dcm"))
    header = pydicom.dcmread(first)
    header.PatientName, header.PatientComments = f"{one[7]}^Anne", one[8]
    header.add_new(0x00091010, "LO", one[8])
    header.save_as(first)
    folder = home / "dicom" / one[11]
    folder.mkdir()
    (folder / f"{one[9]}.dcm").write_bytes(b"\0" * 128 + b"DICM" + one[10].encode() * 9)
    (folder / f"{one[9]}.txt").write_text(one[10], encoding="utf-8")


def told_and_seen(home: Path) -> tuple[str, set[str]]:
    """Build the study by Prefect with its key in the environment; return all it said, and the words of all its processes."""
    key = known_key("planted").secret.hex()
    file = home / "study.yaml"
    text = file.read_text(encoding="utf-8").replace("{file: vault.key}", "{env: ZQKEY}")
    file.write_text("log: releases/logs/run.jsonl\n" + text, encoding="utf-8")
    further = {"ZQKEY": key, "PREFECT_HOME": str(home / "prefect"), "HOME": str(home / "prefect")}
    process = subprocess.Popen(
        [UNIBASE, "build", str(file)],
        env=environment(**further), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
    )  # fmt: skip
    assert process.stdout is not None
    said, words = [], set()
    for line in process.stdout:
        said.append(line)
        words |= _words_of(process.pid)
    process.wait(timeout=300)
    return "".join(said), words


def _words_of(process: int) -> set[str]:
    words: set[str] = set()
    try:
        family = [psutil.Process(process), *psutil.Process(process).children(recursive=True)]
        for one in family:
            words |= set(one.cmdline())
    except psutil.Error:
        pass  # it ended meanwhile
    return words


@pytest.mark.slow
def test_no_secret_comes_out(tmp_path: Path) -> None:
    home = write_study(tmp_path / "study")
    plant(home)
    said, words = told_and_seen(home)
    assert "quarantined" in said and words
    secrets = {**SECRETS, "the key": known_key("planted").secret.hex()}
    places = {"what the build says": said.encode(), "its processes": "\n".join(sorted(words)).encode()}
    kept = [*(home / "prefect").rglob("*"), *(home / "work").rglob("*"), *(home / "releases").rglob("*")]
    vault = home / "work" / "vault"
    places |= {str(one.relative_to(home)): one.read_bytes() for one in kept if one.is_file() and vault not in one.parents}
    assert any(place.endswith(".db") for place in places), "Prefect kept its database here"
    assert b"unit-refused" in places["releases/logs/run.jsonl"], "the log names units by their tokens"
    assert not [
        (what, place) for what, secret in secrets.items() for place, content in places.items() if secret.encode() in content
    ]
    assert SECRETS["a file name"].encode() in (vault / "work.sqlite").read_bytes(), "the custodian finds the file"
