"""One hospital's tables without a fault, and 40 faults that hospitals have.

What must be told of each, in each format, is a table of docs/clinical-rules.md: a reason of a problem, or a check of quality that
the clean tables pass.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from tests.clinical.hospital_formats import WRITERS, Tables
from unibase.clinical.derived.kept_apart import Judgement, keep_apart
from unibase.clinical.derived.quality_checks import check_quality, failures
from unibase.clinical.derived.quality_rules import QualityRules
from unibase.clinical.derived.spread_of_values import spread_of
from unibase.clinical.derived.staging import one_vocabulary
from unibase.clinical.timelines.centre import TimelineTask, convert
from unibase.clinical.timelines.meds import read_dataset
from unibase.clinical.words.concepts import Concepts

PERSONS = 40
MAPPING = """mapping: 1
name: hospital
systems: [ipp]
tables:
  - {name: patients, persons: true, person: IPP, events: [
      {code: MEDS_BIRTH, date: Birth}, {code: "SEX//{Sex}", static: true}, {code: MEDS_DEATH, date: Death}]}
  - {name: diagnoses, person: IPP, events: [{code: "ICD10//{Code}", date: Date}]}
  - {name: labs, person: IPP, events: [{code: "LOINC//{Code}", date: Date, number: Value, unit: "{Unit}"}]}
  - {name: drugs, person: IPP, events: [{code: "ATC//{Code}", date: Date, number: Dose, unit: "{Unit}"}]}
  - {name: staging, person: IPP, events: [{code: "LOINC//{Code}", date: Date, text: Value}]}
  - {name: visits, person: IPP, events: [{code: "VISIT//{Kind}", date: From, end: To}]}
"""


def hospital(seed: int = 18) -> Tables:
    """Return the tables of 40 persons in whom nothing contradicts anything."""
    drawn = random.Random(seed)
    out: Tables = {name: [] for name in ("patients", "diagnoses", "labs", "drugs", "staging", "visits")}
    for number in range(1, PERSONS + 1):
        ipp, sex = f"{number:05d}", "FM"[number % 2]
        first = date(2018, 1, 3) + timedelta(days=drawn.randrange(500))
        last = first + timedelta(days=300 + drawn.randrange(300))
        born = date(1940 + drawn.randrange(40), 1 + drawn.randrange(12), 2 + drawn.randrange(26))
        died = last + timedelta(days=9) if number % 3 == 0 else None
        out["patients"].append({"IPP": ipp, "Birth": f"{born}", "Sex": sex, "Death": f"{died or ''}"})
        out["diagnoses"].append({"IPP": ipp, "Date": f"{first}", "Code": ("C56", "C61")[number % 2] if number < 9 else "C34.1"})
        out["staging"] += [
            {"IPP": ipp, "Date": f"{first}", "Code": code, "Value": value}
            for code, value in (("21905-5", "T2"), ("21906-3", "N1"), ("21907-1", "M0"), ("21908-9", "IIIA"))
        ]
        for step in range(4):
            day = first + timedelta(days=7 + 21 * step + drawn.randrange(5))
            near = {"IPP": ipp, "Date": f"{day}"}
            out["labs"] += [
                {**near, "Code": "718-7", "Value": f"{10 + 4 * drawn.random():.1f}", "Unit": "g/dL"},
                {**near, "Code": "2039-6", "Value": f"{1 + 9 * drawn.random():.1f}", "Unit": "ng/mL"},
                {**near, "Code": "29463-7", "Value": f"{55 + 30 * drawn.random():.1f}", "Unit": "kg"},
                {**near, "Code": "89247-1", "Value": f"{drawn.randrange(3)}", "Unit": ""},
            ]
            out["drugs"].append({**near, "Code": "L01XA02", "Dose": f"{380 + drawn.randrange(90)}", "Unit": "mg"})
            out["visits"].append({"IPP": ipp, "From": f"{day}", "To": f"{day + timedelta(days=2)}", "Kind": "IP"})
        out["visits"].append({"IPP": ipp, "From": f"{last}", "To": f"{last}", "Kind": "OP"})
    return out


@dataclass(frozen=True)
class Fault:
    """A fault: its name, and what it does to the tables."""

    name: str
    plant: Callable[[Tables], object]


def _set(table: str, row: int, **cells: str) -> Callable[[Tables], object]:
    return lambda tables: tables[table][row].update(cells)


def _add(table: str, **cells: str) -> Callable[[Tables], object]:
    """Add a row like the first, with other cells."""
    return lambda tables: tables[table].append({**tables[table][0], **cells})


def _every(table: str, code: str, **change: Callable[[str], str]) -> Callable[[Tables], object]:
    def plant(tables: Tables) -> None:
        for row in tables[table]:
            if code in ("", row.get("Code")):
                row.update({name: how(row[name]) for name, how in change.items()})

    return plant


def _share(table: str, step: int, **cells: str) -> Callable[[Tables], object]:
    return lambda tables: [row.update(cells) for row in tables[table][::step]]


def _of(code: str, row: int = 0, **cells: str) -> Callable[[Tables], object]:
    return lambda tables: [one for one in tables["labs"] if one["Code"] == code][row].update(cells)


def _staged(person: int, *values: str) -> Callable[[Tables], object]:
    """Give a person, by its place, other values of T, N, M and stage."""
    return lambda tables: [row.update(Value=value) for row, value in zip(tables["staging"][4 * person :], values, strict=False)]


FAULTS = (
    Fault("ovary in a man", _set("diagnoses", 0, Code="C56")),
    Fault("prostate in a woman", _set("diagnoses", 1, Code="C61")),
    Fault("dose times 1,000", _set("drugs", 3, Dose="410000")),
    Fault("dose in grams as mg", _set("drugs", 3, Dose="0.41")),
    Fault("T9", _set("staging", 0, Value="T9")),
    Fault("N7", _set("staging", 1, Value="N7")),
    Fault("M1 in stage IIIA", _set("staging", 2, Value="M1a")),
    Fault("999 for none", _of("2039-6", Value="999")),
    Fault("-9 for none", _of("2039-6", 2, Value="-9")),
    Fault("weight of 999", _of("29463-7", Value="999")),
    Fault("haemoglobin in g/L as g/dL", _of("718-7", Value="132")),
    Fault("ECOG 9", _of("89247-1", Value="9")),
    Fault("visits on the first", _every("visits", "", From=lambda d: d[:8] + "01", To=lambda d: d)),
    Fault("drugs years before", _every("drugs", "", Date=lambda d: "2015" + d[4:])),
    Fault("all in mmol/L as g/dL", _every("labs", "718-7", Value=lambda v: f"{float(v) / 1.6114:.1f}")),
    Fault("all weights in pounds", _every("labs", "29463-7", Value=lambda v: f"{float(v) * 2.2046:.0f}")),
    Fault("some without a unit", _of("718-7", 7, Unit="")),
    Fault("unit of no system", _of("718-7", 5, Unit="furlong")),
    Fault("drugs exported twice", lambda tables: tables["drugs"].extend(tables["drugs"])),
    Fault("visit in 2099", _set("visits", 0, From="2099-03-04", To="2099-03-04")),
    Fault("visit before the birth", _set("visits", 6, From="1920-03-04", To="1920-03-04")),
    Fault("death before the birth", _set("patients", 0, Death="1920-03-04")),
    Fault("death before all visits", _set("patients", 0, Death="2017-03-04")),
    Fault("born in 1880", _set("patients", 0, Birth="1880-03-04")),
    Fault("two births", _add("patients", Birth="1933-03-04")),
    Fault("two sexes", _add("patients", Birth="", Sex="F")),
    Fault("two deaths", _add("patients", IPP="00003", Birth="", Sex="", Death="2024-05-06")),
    Fault("30 February", _set("diagnoses", 12, Date="2019-02-30")),
    Fault("date in words", _set("diagnoses", 13, Date="bientôt")),
    Fault("end before begin", _share("visits", 20, To="2001-01-01")),
    Fault("code in words", _set("diagnoses", 0, Code="voir lettre")),
    Fault("number in words", _of("718-7", 3, Value="12,,5")),
    Fault("comma in doubt", _of("2039-6", 3, Value="1,234")),
    Fault("no birth", _set("patients", 0, Birth="")),
    Fault("no sex", _set("patients", 0, Sex="")),
    Fault("drug after the death", lambda tables: tables["drugs"].append({**tables["drugs"][8], "Date": "2024-01-05"})),
    Fault("T1 N0 M0 in stage IV", _staged(9, "T1", "N0", "M0", "IV")),
    Fault("result of nobody", _set("labs", 40, IPP="")),
    Fault("result of a stranger", _set("labs", 44, IPP="09999")),
    Fault("diagnoses to the year", _every("diagnoses", "", Date=lambda d: d[:4])),
)  # fmt: skip


def told_of(tables: Tables, folder: Path, form: str = "csv") -> set[str]:
    """Return the reasons and checks that the build of some tables tells, written in a format, `form`, below a `folder`."""
    source = folder / "hospital"
    source.mkdir(parents=True, exist_ok=True)
    WRITERS[form](tables, source)
    (folder / "mapping.yaml").write_text(MAPPING, encoding="utf-8")
    mapping = folder / "mapping.yaml" if form == "csv" else None
    account = convert(TimelineTask(form, source, "CHU-été", mapping=mapping), folder / "out").account
    problems = pl.read_parquet(folder / "out" / "metadata" / "problems.parquet")
    rules, concepts = QualityRules.default(), Concepts.default()
    found = read_dataset(folder / "out")
    judgement = Judgement(rules, spread_of([found.lazy()]), concepts)
    events, kept = keep_apart(one_vocabulary(found, concepts), judgement)
    checks = failures(check_quality(events, rules, problems=problems, account=account))
    failed = {f"{category}/{check}" for category, check in checks.select("category", "check").iter_rows()}
    return set(problems["reason"]) | failed | set(kept["check"])


def with_faults(*faults: Fault) -> Tables:
    """Return the tables with some `faults` in them."""
    tables = deepcopy(hospital())
    for fault in faults:
        fault.plant(tables)
    return tables


if __name__ == "__main__":
    # What is told of each fault alone: python -m tests.clinical.planted_faults [FORMAT]
    form = sys.argv[1] if len(sys.argv) > 1 else "csv"
    with TemporaryDirectory() as name:
        clean = told_of(hospital(), Path(name), form)
    sys.stdout.write(f"clean: {sorted(clean)}\n")
    for one in FAULTS:
        with TemporaryDirectory() as name:
            found = told_of(with_faults(one), Path(name), form) - clean
        sys.stdout.write(f"{one.name}: {sorted(found)}\n")
