"""A mapping from the data dictionary of a REDCap project: each form dated by its first date, each field an event `REDCAP//<field>`.

Choices become their labels, whether the export holds codes or labels. Left out by name are notes, files, fields marked as identifiers,
and forms without a date. REDCap exports dates as YYYY-MM-DD whatever a form shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import polars as pl
from ruamel.yaml import YAML

from unibase.clinical.formats.mapped_objections import plain
from unibase.clinical.formats.mapping_draft import Draft
from unibase.clinical.formats.mapping_rules import is_word_for_dead
from unibase.clinical.sources.reading import read_tables
from unibase.groundwork.problems import UserError

_HEADERS = {
    "name": "Variable / Field Name",
    "form": "Form Name",
    "kind": "Field Type",
    "choices": "Choices, Calculations, OR Slider Labels",
    "validation": "Text Validation Type OR Show Slider Number",
    "identifier": "Identifier?",
}
"""Headers of the data dictionary as REDCap downloads it in English."""
_SEX = {
    "m": "M",
    "male": "M",
    "homme": "M",
    "masculin": "M",
    "man": "M",
    "f": "F",
    "female": "F",
    "femme": "F",
    "feminin": "F",
    "woman": "F",
}
_BIRTH, _DEATH = ("birth", "naiss", "dob"), ("death", "deces", "dod")
_NUMBERS = ("integer", "number", "float")
_FREE = {"notes": "free text", "file": "a file", "signature": "a signature", "descriptive": "no data"}
_TEXTS = ("text", "sql")
_YES_NO = {"yesno": {"1": "Yes", "0": "No"}, "truefalse": {"1": "True", "0": "False"}}


@dataclass(frozen=True)
class Field:
    """A field of the dictionary: name, form, kind, choices (code to label), validation, and whether it names a person."""

    name: str
    form: str
    kind: str
    choices: dict[str, str]
    validation: str
    identifier: bool

    @property
    def is_date(self) -> bool:
        """Whether the field holds a date."""
        return self.validation.startswith(("date_", "datetime_"))


@dataclass
class _Form:
    """The rule of one form, as it grows; `sure` and `asked` are lines for people."""

    name: str
    events: list[dict[str, object]] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


def read_dictionary(path: Path) -> list[Field]:
    """Return the fields of the data dictionary at `path`, a CSV.

    Raises:
        UserError: If it is no data dictionary of REDCap.
    """
    try:
        frame = pl.read_csv(path, infer_schema=False).fill_null("")
    except (OSError, pl.exceptions.PolarsError):
        raise UserError(
            f"The data dictionary {path} cannot be read as CSV. Download it in REDCap under Data Dictionary."
        ) from None
    missing = [header for header in _HEADERS.values() if header not in frame.columns]
    if missing:
        raise UserError(f"{path} is no data dictionary of REDCap: it has no column {missing[0]!r}. Download it in English.")
    return [
        Field(
            name.strip().lower(),
            form.strip(),
            kind.strip(),
            _YES_NO.get(kind) or dict(_choices(choices)),
            validation.strip(),
            bool(who.strip()),
        )
        for name, form, kind, choices, validation, who in frame.select(_HEADERS.values()).iter_rows()
        if name.strip()
    ]


def _choices(text: str) -> Iterator[tuple[str, str]]:
    """Yield code and label of choices, `1, Male | 2, Female`."""
    parts = [one.split(",", 1) for one in text.split("|") if "," in one]
    yield from ((code.strip(), re.sub(r"<[^>]*>", "", label).strip()) for code, label in parts)


def draft_of_dictionary(fields: Sequence[Field], tables: Sequence[str], name: str) -> Draft:
    """Return the mapping of an export of a REDCap project.

    Args:
        fields: Of `read_dictionary`, in order; the first is that of the record.
        tables: Names of the tables of the export.
        name: Name of the mapping.

    Raises:
        UserError: If the dictionary has no field.
    """
    if not fields:
        raise UserError("The data dictionary has no field.")
    record, forms = fields[0], list(dict.fromkeys(one.form for one in fields[1:]))
    made = [_form(form, [one for one in fields[1:] if one.form == form]) for form in forms]
    rules = [
        {
            "name": one.name,
            "files": [table.lower() for table in tables],
            "person": record.name,
            "events": one.events,
            "not_mapped": one.left,
        }
        for one in made
    ]
    labels = sorted({label for one in fields if not one.identifier for label in one.choices.values()})
    content = {"mapping": 1, "name": name, "systems": ["ipp"], "date_order": "ymd", "texts": labels, "tables": rules}
    text, yaml = StringIO(), YAML()
    yaml.default_flow_style = None
    yaml.dump(content, text)
    sure = [f"{record.name}: the record, which is taken for the hospital's number."]
    sure += [f"{one.name}: {len(one.events)} rules of events, {len(one.left)} fields left out." for one in made if one.events]
    return Draft(text.getvalue(), tuple(sure), tuple(line for one in made for line in one.asked))


def refuse_labelled(fields: Sequence[Field], tables: Mapping[str, Sequence[Path]]) -> None:
    """Refuse an export whose columns have the labels of the fields, by which no rule finds them.

    Args:
        fields: Of `read_dictionary`.
        tables: Files of each table of the export.

    Raises:
        UserError: If no table has a column with the name of the first field.
    """
    record = fields[0].name
    columns = [{name.strip().lower() for name in read_tables(paths, name).frame.columns} for name, paths in tables.items()]
    if columns and not any(record in names for names in columns):
        raise UserError(
            f"No table has a column {record!r}, the first field of the dictionary. Export in REDCap as `CSV / Microsoft Excel (raw data)`:"
            " an export with labels has labels for names of columns, too."
        )


def _form(name: str, fields: Sequence[Field]) -> _Form:
    form = _Form(name, left={f"{name}_complete": "the state of the form"})
    date = next((one.name for one in fields if one.is_date and not _person_date(one)), None)
    for one in fields:
        reason = "an identifier" if one.identifier and not _person_date(one) else _FREE.get(one.kind, "")
        if reason:
            form.left[one.name] = reason
            continue
        events = list(_events(one, date))
        form.events += events
        if not events and one.name != date:
            form.left[one.name] = "a free text" if one.kind in _TEXTS and date else "no date"
    _say_who_died(form, fields)
    undated = [one for one, reason in form.left.items() if reason == "no date"]
    if undated:
        form.asked.append(f"{name}: no field is a date; {len(undated)} fields are left out. Say what dates them.")
    texts = [one for one, reason in form.left.items() if reason == "a free text"]
    form.asked += [f"{name}.{one}: a text without validation, left out; give it a rule if it holds codes." for one in texts]
    return form


def _say_who_died(form: _Form, fields: Sequence[Field]) -> None:
    """Let the answers that say dead go with the date of death of their form: the dead of whom no date is known stay dead."""
    dead = {
        one.name: [word for code, label in one.choices.items() if is_word_for_dead(label) for word in (code, label)]
        for one in fields
        if one.kind in ("radio", "dropdown") and not one.identifier
    }
    said = {name: words for name, words in dead.items() if words}
    deaths = [event for event in form.events if event["code"] == "MEDS_DEATH"]
    for event in deaths:
        event["happened"] = said
    if not deaths:
        form.asked += [
            f"{form.name}.{name}: says who died, and no field of its form is the date; give deaths a rule." for name in said
        ]


def _person_date(one: Field) -> str:
    """Return the code of a date that is of the person as such; nothing for others."""
    if not one.is_date:
        return ""
    words = plain(one.name)
    return "MEDS_BIRTH" if any(w in words for w in _BIRTH) else "MEDS_DEATH" if any(w in words for w in _DEATH) else ""


def _events(one: Field, date: str | None) -> Iterator[dict[str, object]]:
    """Yield the rules of a field of a form that is dated by `date`."""
    sexes = {code: _SEX[plain(label)] for code, label in one.choices.items() if plain(label) in _SEX}
    if code := _person_date(one):
        yield {"code": code, "date": one.name}
    elif len(sexes) >= 2 and any(word in plain(one.name) for word in ("sex", "gender", "genre")):
        labels = {label: sexes[code] for code, label in one.choices.items() if code in sexes}
        yield {"code": f"SEX//{{{one.name}}}", "static": True, "values": {one.name: {**sexes, **labels}}}
    elif one.is_date and one.name != date:
        yield {"code": f"REDCAP//{one.name}", "date": one.name}
    elif date is None or one.is_date:
        return
    elif one.kind == "checkbox":
        for code, label in one.choices.items():
            column = f"{one.name}___{code.lower().replace('-', '_')}"
            yield {"code": f"REDCAP//{one.name}//{code}", "date": date, "when": {column: ["1", "Checked", label]}}
    elif one.choices and one.kind in ("radio", "dropdown", "yesno", "truefalse"):
        both = {**one.choices, **{label: label for label in one.choices.values()}}
        yield {"code": f"REDCAP//{one.name}", "date": date, "text": one.name, "values": {one.name: both}}
    elif one.kind in ("calc", "slider") or one.validation.startswith(_NUMBERS):
        yield {"code": f"REDCAP//{one.name}", "date": date, "number": one.name}
