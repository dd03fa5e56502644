"""Twenty persons object in each of five channels: what of them the next night leaves, and what it changes for the others.

    python -m benchmarks.five_channels [PERSONS] [SEED]

Simulates three hospitals (OMOP, FHIR, OSIRIS-RWD) without images, builds the study, lets 20 persons object in each channel (the
study file, a column of a table, FHIR Consent, OSIRIS-RWD `non_opposition`, the rights desk), and builds the next night.
Counted are rows, names of files and bytes that hold the pseudonym or a number of who objects, in all of the workspace but the vault and
in the new release; entries of the register; rows of the others that differ between the two releases.
"""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from unibase.privacy import pseudonyms
from unibase.privacy.keys import read_key_file
from unibase.privacy.ledger import persons as identity

UNIBASE = Path(sys.executable).with_name("unibase")
EACH = 20
type Numbers = dict[str, list[str]]
"""Identifiers of who objects, by channel."""


def unibase(*words: object) -> str:
    """Run a command and return what it printed."""
    done = subprocess.run([str(UNIBASE), *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"unibase {words}: {done.stderr[-2000:]}")
    return done.stdout


def chosen(home: Path) -> Numbers:
    """Return twenty persons a channel: two channels of the hospitals that have people files, and one of each format."""
    links = pl.read_parquet(home / "truth" / "links.parquet").sort("person", "centre", "system")
    links = links.filter(pl.col("centre").n_unique().over("person") == 1)
    of = {key[0]: part["identifier"].to_list() for key, part in links.group_by("system", maintain_order=True)}
    ipp = {
        key[0]: part["identifier"].to_list() for key, part in links.filter(system="ipp").group_by("centre", maintain_order=True)
    }
    return {
        "study-file": ipp["A"][:EACH],
        "column": of["omop"][EACH : 2 * EACH],
        "fhir-consent": of["fhir"][:EACH],
        "osiris-rwd": of["osiris"][:EACH],
        "custodian": ipp["C"][EACH : 2 * EACH],
    }


def object_(home: Path, numbers: Numbers) -> None:
    """Say of each that they object, as their channel says it."""
    study = home / "study.yaml"
    text = study.read_text(encoding="utf-8")
    listed = ", ".join(f'"{number}"' for number in numbers["study-file"])
    column = "objection: {table: refusals, person: person_id, column: accord, values: [non], system: omop}"
    text = text.replace("path: centre_a/omop}", f"path: centre_a/omop, {column}}}\n    objections: [{listed}]")
    study.write_text(text, encoding="utf-8")
    rows = "".join(f"{number},non\n" for number in numbers["column"])
    (home / "centre_a" / "omop" / "refusals.csv").write_text("person_id,accord\n" + rows, encoding="utf-8")
    _consents(home / "centre_b" / "fhir", numbers["fhir-consent"])
    _refusals(home / "centre_c" / "osiris_rwd", numbers["osiris-rwd"])
    for number in numbers["custodian"]:
        unibase("person", "exclude", study, "--number", number, "--centre", "C")


def _consents(folder: Path, numbers: list[str]) -> None:
    lines = [
        {
            "resourceType": "Consent",
            "id": f"c{at}",
            "status": "active",
            "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "research"}]},
            "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
            "patient": {"reference": f"Patient/{number}"},
            "dateTime": "2020-12-01",
            "provision": {"type": "deny"},
        }
        for at, number in enumerate(numbers)
    ]
    (folder / "Consent.ndjson").write_text("".join(json.dumps(one) + "\n" for one in lines), encoding="utf-8")


def _refusals(folder: Path, numbers: list[str]) -> None:
    """Add a refusal of each to what the hospital wrote of others."""
    path = folder / "02_information_non_opposition.csv"
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        header, others = list(rows.fieldnames or ()), [row for row in rows if row["numero_patient"] not in numbers]
    refusal = {
        "information_patient": "OUI",
        "date_information": "2020/12/01",
        "non_opposition": "NON",
        "date_opposition": "2021/02/03",
    }
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, header, restval="")
        writer.writeheader()
        writer.writerows([*others, *({"numero_patient": one} | refusal for one in numbers)])


def subjects(home: Path) -> dict[str, int]:
    """Return the pseudonym of every identifier, as the ledger has it."""
    key, ledger = read_key_file(home / "vault.key"), home / "work" / "vault" / "identity"
    known = identity.ledger_people(ledger).join(identity.persons(ledger), on=["centre", "person_key"])
    return {number: pseudonyms.subject_id(key, name) for number, name in known.select("identifier", "person").iter_rows()}


def traces(root: Path, gone: set[int], numbers: set[str]) -> Iterator[str]:
    """Yield each row, name and run of bytes below a folder that holds a pseudonym or a number of somebody."""
    words = [str(one) for one in gone] + [number for number in numbers if len(number) >= 6]
    pattern = re.compile("|".join(rf"(?<![0-9]){re.escape(word)}(?![0-9])" for word in words).encode())
    for path in sorted(root.rglob("*")):
        if "vault" in path.relative_to(root).parts or not path.is_file():
            continue
        if pattern.search(path.relative_to(root).as_posix().encode()):
            yield f"name {path}"
        if path.suffix == ".parquet":
            yield from (f"row {path}" for _ in range(_rows(pl.read_parquet(path), gone, pattern)))
        elif pattern.search(path.read_bytes()):
            yield f"bytes {path}"


def _rows(frame: pl.DataFrame, gone: set[int], pattern: re.Pattern[bytes]) -> int:
    hits = [frame[name].is_in(list(gone)) for name in frame.columns if frame.schema[name] == pl.Int64]
    text = [name for name in frame.columns if frame.schema[name] in (pl.String, pl.Categorical)]
    expression = pattern.pattern.decode().replace("(?<![0-9])", "").replace("(?![0-9])", "")
    hits += [frame[name].cast(pl.String).str.contains(expression).fill_null(value=False) for name in text]
    return int(pl.select(pl.any_horizontal(*hits)).to_series().sum()) if hits and frame.height else 0


def of_others(release: Path, gone: set[int]) -> dict[str, pl.DataFrame]:
    """Return the rows of everybody else, by table; without what is made of all subjects together."""
    found = {"timeline": pl.read_parquet(release / "timeline" / "data" / "**" / "*.parquet", hive_partitioning=False)}
    found |= {name: pl.read_parquet(release / "tables" / f"{name}.parquet") for name in ("subjects", "analysis", "adtte")}
    return {name: _sorted(frame.filter(~pl.col("subject_id").is_in(list(gone)))) for name, frame in found.items()}


def _sorted(frame: pl.DataFrame) -> pl.DataFrame:
    frame = frame.with_columns(pl.col(pl.Categorical).cast(pl.String))
    return frame.sort([name for name in frame.columns if not isinstance(frame.schema[name], pl.List | pl.Struct)])


def main() -> None:
    count, seed = (sys.argv[1:] + ["240", "7"][len(sys.argv) - 1 :])[:2]
    with tempfile.TemporaryDirectory() as place:
        home = Path(place) / "tree"
        unibase("simulate", home, "--persons", count, "--seed", seed, "--no-imaging", "--no-broken")
        unibase("build", home / "study.yaml", "--no-prefect")
        report(home)


def report(home: Path) -> None:
    """Let them object, build the next night, and print what is left of them."""
    numbers, known = chosen(home), subjects(home)
    gone = {channel: {known[number] for number in mine} for channel, mine in numbers.items()}
    everyone = set().union(*gone.values())
    before = home / "releases" / "uniriv-demo" / "1.0.0"
    stood = set(pl.read_parquet(before / "tables" / "subjects.parquet")["subject_id"])
    object_(home, numbers)
    unibase("build", home / "study.yaml", "--no-prefect", "--nightly")
    after = max(path.parent for path in before.parent.glob("*/manifest.json"))
    register = pl.read_parquet(home / "work" / "vault" / "objections.parquet")
    print(f"{'channel':<14}{'object':>8}{'released before':>17}{'in the register':>17}{'traces':>8}")
    for channel, mine in gone.items():
        left = [*traces(home / "work", mine, set(numbers[channel])), *traces(after, mine, set(numbers[channel]))]
        entries = register.filter(channel=channel)["identifier"].to_list()
        written = sum(number in entries for number in numbers[channel])
        print(f"{channel:<14}{len(mine):>8}{len(mine & stood):>17}{written:>17}{len(left):>8}  {' '.join(sorted(set(left))[:4])}")
    one, two = of_others(before, everyone), of_others(after, everyone)
    for name, frame in one.items():
        same = [column for column in frame.columns if column in two[name].columns and frame[column].equals(two[name][column])]
        changed = sorted(set(frame.columns) - set(same))
        print(f"others, {name}: {frame.height} rows before, {two[name].height} after; columns that differ: {changed or 'none'}")
    marks = json.loads((before.parent / "marks.json").read_text(encoding="utf-8"))
    print(f"{before.name} is marked: {marks.get(before.name)}; published after: {after.name}")


if __name__ == "__main__":
    main()
