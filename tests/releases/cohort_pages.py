"""Random cohorts of a few centres, written as a release shows them: page, manifest, dictionary and record, no whole build.

The tables, the disclosure program and the page are those of a release; only the cohort file is left out.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import zarr

from tests.releases.describe_example import DESCRIPTION
from unibase.clinical.derived.code_counts import COVERAGE
from unibase.groundwork.files import sha256_file
from unibase.groundwork.tables import EVENTS, FEATURES, QUARANTINE
from unibase.releases import report
from unibase.releases.catalogue.description import read_description
from unibase.releases.catalogue.site import write_site
from unibase.releases.content import dictionary, released_cube, weighing
from unibase.releases.content.manifest import MANIFEST
from unibase.releases.content.manifest import read as read_manifest
from unibase.releases.content.missingness import Reasons
from unibase.releases.content.preparation import write_preparation
from unibase.releases.disclosure import cohort_counts, decisions
from unibase.releases.read.difference import compare

CENTRES = ("lyon", "Paris", "CHU-été", "derived")
STUDY = "attacked"
ASSAYS = ("rna", "mutations", "copy_number")
RESPONSES = ("CR", "PR", "SD", "PD", "NE")
HIGH = 32.0
START = date(2019, 3, 1)
_WORDS = pl.DataFrame([{"column": "*", "label": "As named", "derivation": "Drawn at random.", "unit": ""}])


@dataclass(frozen=True)
class Patient:
    """One invented person: what of it the outputs count."""

    centre: str
    has: tuple[bool, ...]
    sex: str
    stage: str | None
    age: int | None
    crp: float | None
    days: int
    event: bool
    response: str

    @property
    def high(self) -> float | None:
        """1 where CRP is high, 0 where it is not, None where it is not known."""
        return None if self.crp is None else float(self.crp > HIGH)


@dataclass(frozen=True)
class Study:
    """A version of a study: its persons by number, and the smallest count that may be shown."""

    version: str
    min_cell: int
    patients: Mapping[int, Patient]


CONCEPTS: Mapping[str, Callable[[Patient], bool]] = {"crp": lambda p: p.crp is not None, "death": lambda p: p.event}
"""What the section on coverage counts."""


def random_study(rng: random.Random) -> Study:
    """A first version: 2 to 4 centres, 30 to 200 persons, 5 to 20 as the smallest count."""
    centres = rng.sample(CENTRES, rng.randint(2, 4))
    weights = [rng.uniform(0.1, 1) for _ in centres]
    shares = [rng.uniform(0.2, 0.95) for _ in ASSAYS]
    stages = [rng.uniform(0.02, 1) for _ in range(5)]
    people = {1000 + i: _person(rng, rng.choices(centres, weights)[0], shares, stages) for i in range(rng.randint(30, 200))}
    return Study("1.0.0", rng.randint(5, 20), people)


def _person(rng: random.Random, centre: str, shares: list[float], stages: list[float]) -> Patient:
    time, followed = int(rng.expovariate(1 / 500)) + 2, rng.choice([1, *range(90, 1500, 15)])
    return Patient(
        centre,
        tuple(rng.random() < share for share in shares),
        rng.choice("FM"),
        rng.choices(["I", "II", "III", "IV", None], stages)[0],
        rng.randint(40, 85) if rng.random() < 0.95 else None,
        round(rng.uniform(0.1, 40), 1) if rng.random() < 0.7 else None,
        min(time, followed),
        time <= followed,
        rng.choices(RESPONSES, [0.1, 0.3, 0.3, 0.2, 0.1])[0],
    )


def later(rng: random.Random, first: Study) -> Study:
    """A second version: a few came, left or are told of anew; or nothing changed at all."""
    people = dict(first.patients)
    for number in range(rng.choice([0, 0, 1, 3, 8])):
        people[5000 + number] = rng.choice(list(first.patients.values()))
    for one in rng.sample(sorted(first.patients), rng.choice([0, 0, 1, 2])):
        del people[one]
    for one in rng.sample(sorted(set(people) & set(first.patients)), rng.choice([0, 2, 4])):
        old = people[one]
        more = rng.choice([{"has": (True, *old.has[1:])}, {"stage": "II"}, {"crp": 5.0}, {"event": True}, {"response": "PD"}])
        people[one] = replace(old, **more)  # type: ignore[arg-type]
    return Study("1.1.0", first.min_cell, people)


def _subjects(study: Study) -> pl.DataFrame:
    rows = [{"subject_id": i, "centre": p.centre, "sex": p.sex, "STAGE": p.stage, "AGE": p.age} for i, p in _ordered(study)]
    return pl.DataFrame(rows, schema_overrides={"STAGE": pl.String, "AGE": pl.Int64})


def _ordered(study: Study) -> list[tuple[int, Patient]]:
    return sorted(study.patients.items())


def _analysis(study: Study) -> pl.DataFrame:
    rows = [
        {"subject_id": i, "centre": p.centre, "crp": p.crp, "high_crp": p.high}
        | {f"{name}_sample": f"s{i}{name}" if p.has[n] else None for n, name in enumerate(ASSAYS)}
        for i, p in _ordered(study)
    ]
    texts = {f"{name}_sample": pl.String() for name in ASSAYS}
    return pl.DataFrame(rows, schema_overrides={"crp": pl.Float64(), "high_crp": pl.Float64(), **texts})


def _splits(study: Study) -> pl.DataFrame:
    centres = sorted({p.centre for p in study.patients.values()})
    rows = [(i, "centre", c, "test" if p.centre == c else "train") for i, p in _ordered(study) for c in centres]
    return pl.DataFrame(rows, ["subject_id", "scheme", "held_out", "part"], orient="row")


def _adtte(study: Study) -> pl.DataFrame:
    rows = [
        {
            "subject_id": i,
            "PARAMCD": "OS",
            "PARAM": "Overall survival",
            "AVAL": p.days,
            "AVALU": "DAYS",
            "CNSR": int(not p.event),
            "STARTDT": START,
            "ADT": START + timedelta(days=p.days),
            "EVNTDESC": "Death" if p.event else None,
            "CNSDTDSC": None if p.event else "Last contact",
        }
        for i, p in _ordered(study)
    ]
    return pl.DataFrame(rows, schema_overrides={"EVNTDESC": pl.String, "CNSDTDSC": pl.String})


def _adrs(study: Study) -> pl.DataFrame:
    rows = [
        {"subject_id": i, "PARAMCD": "BOR", "PARAM": "Best response", "ADT": START, "AVALC": p.response}
        for i, p in _ordered(study)
    ]
    return pl.DataFrame(rows)


def write(study: Study, folder: Path, previous: Path | None = None) -> Path:
    """Write what a release of the study shows to `folder`, beside the version before, and return it."""
    tables = {"subjects": _subjects(study), "analysis": _analysis(study), "adtte": _adtte(study), "adrs": _adrs(study)}
    counted = {name: _write(name, frame, study, folder) for name, frame in tables.items()}
    (folder / "timeline" / "data").mkdir(parents=True)
    EVENTS.empty().write_parquet(folder / "timeline" / "data" / "0.parquet")
    FEATURES.empty().write_parquet(folder / "tables" / "features.parquet")
    QUARANTINE.empty().write_parquet(folder / "tables" / "quarantine.parquet")
    have = {name: [str(i) for i, p in _ordered(study) if p.has[n]] for n, name in enumerate(ASSAYS)}
    _write_rows_of_modalities(have, folder)
    _splits(study).write_parquet(folder / "tables" / "splits.parquet")
    write_preparation(folder, study.min_cell)
    described = dictionary.build(counted, [_WORDS])
    size = len(study.patients)
    flow = [{"step": "has an index", "kept": size, "excluded": 40, "reason": "none"}]
    weighed = weighing.weigh(weighing.Subject(folder, have, {}, flow, described, ["BOR"], study.min_cell, previous))
    released_cube.write(folder, weighed, study.min_cell, study.version, previous)
    counts = weighed.cohort.counts
    about = {
        "version": study.version,
        "subjects": counts[cohort_counts.Cell()],
        "min_cell": study.min_cell,
        "study": STUDY,
        "status": "pseudonymised",
        "settings_digest": "0" * 64,
        "modalities": {name: {"subjects": counts[cohort_counts.Cell(has=name)], "variables": 1} for name in ASSAYS},
        "previous": "" if previous is None else "1.0.0",
        "smallest": study.min_cell,
    }
    _write_outputs(study, folder, weighed, about, previous)
    return folder


def _write(name: str, frame: pl.DataFrame, study: Study, folder: Path) -> dictionary.Tally:
    (folder / "tables").mkdir(parents=True, exist_ok=True)
    frame.write_parquet(folder / "tables" / f"{name}.parquet")
    lacking = [(i, f"{n}_sample", "not done") for i, p in _ordered(study) for k, n in enumerate(ASSAYS) if not p.has[k]]
    why = pl.DataFrame(lacking, schema={"subject_id": pl.Int64, "variable": pl.String, "reason": pl.String}, orient="row")
    nothing = pl.DataFrame(schema={"subject_id": pl.Int64, "variable": pl.String})
    reasons = Reasons(why, nothing)
    tally = dictionary.Tally(lambda block: reasons.count(name, block))
    tally.add(frame)
    return tally


def _write_rows_of_modalities(have: Mapping[str, list[str]], folder: Path) -> None:
    root = zarr.open_group(folder / "cohort.zarr", mode="w")
    root.create_group("mod").attrs["mod-order"] = list(have)
    for name, rows in have.items():
        root.create_array(f"mod/{name}/X", data=np.zeros((len(rows), 1)))
        for axis, names in (("obs", [int(row) for row in rows]), ("var", [0])):
            group = root.create_group(f"mod/{name}/{axis}")
            group.attrs["_index"] = "_index"
            group.create_array("_index", data=np.array(names, dtype=np.int64))


def _coverage(study: Study) -> pl.DataFrame:
    people = study.patients.values()
    rows = [
        (concept, centre, 0, sum(p.centre == centre and has(p) for p in people), "")
        for concept, has in CONCEPTS.items()
        for centre in sorted({p.centre for p in people})
    ]
    return pl.DataFrame(rows, schema=COVERAGE, orient="row")


def _write_outputs(
    study: Study, folder: Path, weighed: weighing.Weighed, about: Mapping[str, object], previous: Path | None
) -> None:
    (folder / "dictionary").mkdir(exist_ok=True)
    weighed.dictionary.write_parquet(folder / "dictionary" / "dictionary.parquet")
    (folder / "dictionary" / "dictionary.json").write_text(json.dumps(dictionary.to_json(weighed.dictionary)), encoding="utf-8")
    changes = None if previous is None else compare(previous, folder, read_manifest(previous), about)
    page = report.ReportData(
        STUDY,
        "Attacked",
        study.version,
        "",
        folder,
        weighed,
        about,
        study.min_cell,
        evidence={"coverage": _coverage(study)},
        changes=changes,
        previous=previous,
    )
    (folder / "report.html").write_text(report.render(page), encoding="utf-8")
    decisions.frame([*weighed.decisions, *page.record]).write_parquet(folder / decisions.FILE)
    weighed.dictionary.write_csv(folder / WORDS)
    _write_manifest(folder, about)


WORDS = "dictionary/dictionary.csv"


def _write_manifest(folder: Path, about: Mapping[str, object]) -> None:
    """Write the manifest, with the tables in both forms, as those who describe a release find them."""
    (folder / "csv").mkdir()
    for path in sorted((folder / "tables").glob("*.parquet")):
        pl.read_parquet(path).write_csv(folder / "csv" / f"{path.stem}.csv")
    paths = [*(folder / "tables").iterdir(), *(folder / "csv").iterdir(), folder / WORDS]
    files = {path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256_file(path)} for path in paths}
    (folder / MANIFEST).write_text(json.dumps({**about, "files": files}), encoding="utf-8")


def write_catalogue(releases: Path, target: Path) -> Path:
    """Write the catalogue of all versions below `releases` to `target`, and return it."""
    words = target.with_suffix(".yaml")
    words.write_text(DESCRIPTION, encoding="utf-8")
    return write_site(releases, {STUDY: read_description(words)}, target)
