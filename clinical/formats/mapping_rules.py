"""Any table by a declaration: a YAML mapping says which columns make which events.

OSIRIS pivot and OSIRIS-RWD are such mappings (in `clinical/formats/mappings`); a centre with other columns needs another file,
not other code.

```yaml
mapping: 1
name: our-registry
systems: [ipp]                      # kinds of identifier to look persons up by
date_order: dmy                     # how dates are written: ymd, dmy, mdy, or excel for serial days
two_digit_years: 30                 # years 00 to 30 are of the 2000s; without it years of two digits are refused
decimal: ","                        # 1,234 is a little more than one; without it such numbers are refused
complete: true                      # every table has every column named here; one that lacks a column is told
nulls: ["NA"]                       # texts that stand for an empty field
missing: ["Not Collected"]          # texts that say there is no value; each is reported
tables:
  - name: tumours
    files: [tumours, tumeurs]       # file names without suffix
    person: patient                 # column with the identifier
    joins:                          # further columns of each row, here the person, from another table of the source
      - {table: stays, on: {stay: number}, columns: [patient]}
    date_orders: {born: ymd}        # columns whose dates are written otherwise
    nulls: {pack_years: ["99"]}     # texts that stand for an empty field in one column
    widths: {patient: [1, 20], icd: [28, 35]}   # only for lines of fixed widths: first and last place of each column, from 1
    events:
      - code: "ICD10//{icd}"        # columns in braces
        date: diagnosis_date        # one column, or the three fields diagnosis_dateYear, ...Month, ...Day
      - code: "LOINC//21908-9"
        date: diagnosis_date
        text: stage                 # kept when it is a controlled text
      - code: "LOINC//718-7"
        date: sampled
        number: hb
        unit: g/dL                  # UCUM, or "{column}": without braces it is the unit itself, and told where a column has that name
        when: {status: [final]}     # only rows with these values
        unless: {state: [planned]}  # never rows with these values
        values: {status: {F: final}}  # texts read as others first
      - code: MEDS_DEATH
        date: died
        happened: {alive: ["0"]}    # these rows say that the person died, even where the date is missing or none that can be
      - code: "ATC//{drug}"
        date: START_DATE
        since: first_seen           # `date`, `end` and `recorded` count days since this column, or since a day such as "2000-01-01"
      - code: "ICD10//{Code CIM10}" # names of columns as they are, blanks and accents too
        date: seen
```

A rule for MEDS_DEATH whose `when` names death (`{statut: [décédé]}`) says so of its rows, too. In SDTM tables, rows whose `--STAT` is
NOT DONE, or whose `--OCCUR` is N, are no events unless the mapping itself looks at that column.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from ruamel.yaml import YAML

from unibase.clinical.sources.events import Identifier
from unibase.clinical.words.date_forms import Order
from unibase.groundwork.problems import UserError
from unibase.groundwork.study_yaml import read_yaml

BRACES = re.compile(r"\{([^{}]+)\}")
"""A column in a code or a unit."""
DATE_FIELDS = (("year", "month", "day"), ("_year", "_month", "_day"), ("_yyyy", "_mm", "_dd"), ("yyyy", "mm", "dd"))
"""Ends of the names of three columns that hold one date."""


def is_day(since: str) -> bool:
    """Tell whether what days count from, `since`, is a day, and no column.

    >>> is_day("2000-01-01"), is_day("first_seen")
    (True, False)
    """
    return re.fullmatch(r"\d{4}-\d{2}-\d{2}", since) is not None


class EventRule(BaseModel):
    """How one row becomes one event; see the module's example."""

    model_config = ConfigDict(extra="forbid")

    code: str
    date: str | None = None
    clock: str | None = None
    static: bool = False
    end: str | None = None
    recorded: str | None = None
    since: str | None = None
    number: str | None = None
    text: str | None = None
    unit: str | None = None
    when: dict[str, list[str]] = Field(default_factory=dict)
    unless: dict[str, list[str]] = Field(default_factory=dict)
    happened: dict[str, list[str]] = Field(default_factory=dict)
    values: dict[str, dict[str, str]] = Field(default_factory=dict)
    undated: bool = False
    item: str = ""

    @field_validator("date", "clock", "end", "recorded", "since", "number", "text")
    @classmethod
    def _without_braces(cls, name: str | None) -> str | None:
        # What these keys name is a column, in braces or not.
        whole = BRACES.fullmatch(name or "")
        return whole[1] if whole else name


class ObjectionRule(BaseModel):
    """Which column says whether a person objects to the use of their records, and in what words they do not."""

    model_config = ConfigDict(extra="forbid")

    column: str
    stays: list[str] = Field(min_length=1)
    date: str | None = None


class JoinRule(BaseModel):
    """Another table of the source that says more of each row, such as the person of a stay.

    Attributes:
        table: Name of the other table.
        on: Columns of this table, and the columns of the other that hold the same.
        columns: Columns to take; all by default.
    """

    model_config = ConfigDict(extra="forbid")

    table: str
    on: dict[str, str] = Field(min_length=1)
    columns: list[str] | None = None


class TableRule(BaseModel):
    """Which events one table holds."""

    model_config = ConfigDict(extra="forbid")

    name: str
    files: list[str] = Field(default_factory=list)
    columns: dict[str, str] = Field(default_factory=dict)
    person: str
    persons: bool = False
    events: list[EventRule] = Field(default_factory=list)
    objection: ObjectionRule | None = None
    not_mapped: dict[str, str] = Field(default_factory=dict)
    joins: list[JoinRule] = Field(default_factory=list)
    date_orders: dict[str, Order] = Field(default_factory=dict)
    nulls: dict[str, list[str]] = Field(default_factory=dict)
    widths: dict[str, tuple[int, int]] = Field(default_factory=dict)

    @field_validator("widths")
    @classmethod
    def _in_order(cls, widths: dict[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
        for name, (first, last) in widths.items():
            if not 1 <= first <= last:
                raise ValueError(f"{name}: give the first and the last place, counted from 1")
        return {name.lower(): places for name, places in widths.items()}


class TableMapping(BaseModel):
    """A whole mapping file."""

    model_config = ConfigDict(extra="forbid")

    mapping: Literal[1]
    name: str
    systems: list[str] = Field(min_length=1)
    date_order: Order = "ymd"
    two_digit_years: int | None = Field(default=None, ge=0, le=99)
    decimal: Literal[".", ","] | None = None
    nulls: list[str] = Field(default_factory=list)
    missing: list[str] = Field(default_factory=list)
    texts: list[str] = Field(default_factory=list)
    complete: bool = True
    tables: list[TableRule]
    other_tables: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True)
class Reading:
    """A table that is read by a rule of a mapping."""

    mapping: TableMapping
    table: TableRule

    @property
    def person(self) -> str:
        """Column of the person, as tables name it."""
        return self.table.person.lower()

    def order_of(self, column: str) -> Order:
        """Return how the dates of a `column` are written."""
        own = {name.lower(): order for name, order in self.table.date_orders.items()}
        return own.get(column.lower(), self.mapping.date_order)

    def nulls_of(self, column: str) -> list[str]:
        """Return the texts that stand for an empty field of a `column`."""
        own = {name.lower(): texts for name, texts in self.table.nulls.items()}
        return ["", *self.mapping.nulls, *own.get(column.lower(), [])]


ANY_CODE = r"^[A-Za-z0-9][A-Za-z0-9.+/_:^-]{0,63}$"


def read_mapping(path: Path) -> TableMapping:
    """Read and check the mapping file at `path`.

    Raises:
        UserError: Naming the key that is wrong, and what is allowed.
    """
    return _validated(read_yaml(path, "mapping"), str(path))


def packaged_names() -> list[str]:
    """Return the names of the mappings that come with the package.

    >>> "osiris-rwd" in packaged_names()
    True
    """
    folder = files("unibase.clinical.formats").joinpath("mappings")
    return sorted(path.name.removesuffix(".yaml") for path in folder.iterdir() if path.name.endswith(".yaml"))


def packaged_mapping(name: str) -> TableMapping:
    """Return the mapping of a `name` that comes with the package: `osiris` or `osiris-rwd`."""
    text = files("unibase.clinical.formats").joinpath("mappings").joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    return _validated(YAML(typ="safe").load(text), name)


def _validated(content: object, place: str) -> TableMapping:
    try:
        return TableMapping.model_validate(content)
    except ValidationError as error:
        lines = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()]
        raise UserError(f"The mapping {place} is not usable:\n  " + "\n  ".join(lines)) from None


def rules_of(mapping: TableMapping, names: Iterable[str]) -> list[tuple[TableRule, str]]:
    """Return the rules of a `mapping` that read a table of the source, which has `names`, and the table.

    A rule may read several tables, and a table have several rules.
    """
    wanted = [(rule, {name.lower() for name in (rule.files or [rule.name])}) for rule in mapping.tables]
    return [(rule, name) for rule, files in wanted for name in names if name in files]


def names_persons(mapping: TableMapping, rule: TableRule) -> bool:
    """Tell whether the persons of a source are those that the table of a `rule` names.

    That is every table, where none of the `mapping` is said to list them.
    """
    return rule.persons or not any(one.persons for one in mapping.tables)


def births_alone(rule: TableRule) -> list[TableRule]:
    """Return a rule of a table that makes births only; none where it makes none."""
    born = [event for event in rule.events if event.code == "MEDS_BIRTH"]
    return [rule.model_copy(update={"events": born})] if born else []


_DEATH = r"d[eé]c[eé]d|d[eé]c[eè]s|deceased|dead|death|died|\bmort(?:e|\(e\))?\b|verstorben|gestorben|\btot\b|\btod\b"
_DEATH_WORDS = re.compile(rf"{_DEATH}|mort|tod\b|vital|dthfl", re.IGNORECASE)


def is_word_for_dead(label: str) -> bool:
    """Tell whether the `label` of an answer says that a person died.

    >>> [is_word_for_dead(one) for one in ("1:DECEASED", "Décédé(e)", "Mort", "Alive", "Not dead", "Morton")]
    [True, True, True, False, False, False]
    """
    return bool(re.search(_DEATH, label, re.IGNORECASE)) and not re.search(r"\b(?:not|non|no|pas|nicht)\b", label, re.IGNORECASE)


def says_dead(event: EventRule) -> bool:
    """Tell whether the rows that `when` of an `event` chooses are those of the dead: its columns or values name death."""
    return any(_DEATH_WORDS.search(word) for column, values in event.when.items() for word in (column, *values))


def identifiers(mapping: TableMapping, persons: Iterable[str]) -> Iterator[tuple[str, list[Identifier]]]:
    """Yield each of `persons` and its identifiers in the systems of a `mapping`."""
    yield from ((person, [Identifier(system, person) for system in mapping.systems]) for person in sorted(persons))


FIELDS = pl.Schema({"table": pl.String(), "field": pl.String(), "item": pl.String(), "use": pl.String()})
"""One row per field of a mapping: where it goes, or why it does not."""


def field_table(mapping: TableMapping) -> pl.DataFrame:
    """Return what becomes of every field that a mapping knows."""
    rows: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for rule in mapping.tables:
        rows.setdefault((rule.name, rule.person), []).append(("", "the person: becomes subject_id"))
        for event in rule.events:
            uses = [(name, f"code {event.code}") for name in BRACES.findall(event.code)]
            named = {"date": "time", "since": "day from which days count", "clock": "time of day", "end": "end_time", "recorded": "recorded_time", "number": "numeric_value",
                     "text": "text_value"}  # fmt: skip
            uses += [(name, f"{use} of {event.code}") for key, use in named.items() if (name := getattr(event, key))]
            uses += [(name, f"unit of {event.code}") for name in BRACES.findall(event.unit or "")]
            uses += [(name, f"selects {event.code}") for name in event.when]
            for name, use in uses:
                rows.setdefault((rule.name, name), []).append((event.item, use))
        for name, reason in rule.not_mapped.items():
            rows.setdefault((rule.name, name), []).append(("", f"not mapped: {reason}"))
    out = []
    for (table, name), uses in rows.items():
        items = " ".join(dict.fromkeys(part for item, _ in uses for part in item.split()))
        out.append((table, name, items, "; ".join(dict.fromkeys(use for _, use in uses))))
    return pl.DataFrame(out, schema=FIELDS, orient="row")
