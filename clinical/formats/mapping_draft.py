"""A first mapping of tables that nobody has declared yet, with what is sure and what is asked.

Columns are judged by their cells, not by their names alone: dates by the forms of `clinical.words.date_forms`, codes by the shapes of
their vocabularies. What several readings fit is written down as a question, and left out of the mapping.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from io import StringIO
from pathlib import Path

import polars as pl
from ruamel.yaml import YAML

from unibase.clinical.formats.mapped_objections import plain
from unibase.clinical.sources.reading import read_tables
from unibase.clinical.words.date_forms import Order
from unibase.clinical.words.partial_dates import add_dates
from unibase.clinical.words.vocabularies import CODE_SHAPES

_SURE = 0.95
"""Share of the filled cells that must fit."""
_ROWS = 2_000
"""Rows of a table that are looked at."""
_ORDERS: tuple[Order, ...] = ("ymd", "dmy", "mdy")
_PERSON = ("ipp", "nip", "patient", "person", "subject", "usubjid", "pat", "mrn", "record_id")
_BIRTH, _DEATH = ("birth", "naiss", "born", "dob", "geburt"), ("death", "deces", "died", "mort", "sterbe")
_MOMENTS = ((_BIRTH, "MEDS_BIRTH"), (_DEATH, "MEDS_DEATH"))
_SHAPES = {"ATC": r"^[A-Z]\d{2}[A-Z]{2}\d{2}$", **{name: CODE_SHAPES[name] for name in ("ICD10", "ICDO3", "LOINC", "CCAM")}}
"""Vocabularies whose codes have a shape of their own; a whole code of ATC would do for one of ICD-10, so it comes first."""


@dataclass(frozen=True)
class Draft:
    """A mapping, and what is not sure of it.

    Attributes:
        mapping: The mapping file, as it is written.
        sure: What the cells themselves say, a line each.
        asked: What somebody who knows the source must decide, a line each.
    """

    mapping: str
    sure: tuple[str, ...]
    asked: tuple[str, ...]


@dataclass(frozen=True)
class _Column:
    """What the cells of a column are: `date`, a vocabulary, `number`, `text` or `empty`; for dates the orders that fit."""

    name: str
    kind: str
    orders: tuple[Order, ...] = ()
    distinct: int = 0


def draft_mapping(tables: Mapping[str, Sequence[Path]], name: str) -> Draft:
    """Return a mapping for some tables.

    Args:
        tables: Files of each table, by its name.
        name: Name of the mapping.

    Raises:
        UserError: If a file cannot be read as a table.
    """
    looked = {table: _columns(read_tables(paths, table).frame) for table, paths in sorted(tables.items())}
    dates = [column for columns in looked.values() for column in columns if column.kind == "date"]
    order = _order(dates)
    sure: list[str] = []
    asked: list[str] = []
    if order is None and dates:
        asked.append(f"date_order: the dates read as {' and as '.join(dates[0].orders)}; say which one it is.")
    rules = [_rule(table, columns, sure, asked) for table, columns in looked.items()]
    content: dict[str, object] = {
        "mapping": 1,
        "name": name,
        "systems": ["ipp"],
        "date_order": order or dates[0].orders[0] if dates else "ymd",
    }
    content["tables"] = [asdict(rule) for rule in rules if rule is not None]
    text = StringIO()
    yaml = YAML()
    yaml.default_flow_style = None
    yaml.dump(content, text)
    return Draft(text.getvalue(), tuple(sure), tuple(asked))


def _order(dates: Sequence[_Column]) -> Order | None:
    """Return the one order that fits all dates; None where several do, or none."""
    fitting = [order for order in _ORDERS if all(order in column.orders for column in dates)]
    # Texts in ISO order fit each: the first is as good as any.
    iso = all(set(column.orders) == set(_ORDERS) for column in dates)
    return fitting[0] if fitting and (iso or len(fitting) == 1) else None


def _columns(frame: pl.DataFrame) -> list[_Column]:
    return [_judged(frame[name].head(_ROWS).cast(pl.String).str.strip_chars()) for name in frame.columns if name != "source_row"]


def _judged(cells: pl.Series) -> _Column:
    filled = cells.filter(cells.is_not_null() & (cells != "")).alias("cells")
    if filled.is_empty():
        return _Column(cells.name, "empty")
    distinct = filled.n_unique()
    number = filled.str.replace(",", ".").cast(pl.Float64, strict=False).is_not_null().mean()
    for vocabulary, shape in _SHAPES.items():
        if _share(filled.str.contains(shape)) >= _SURE and not filled.str.contains(r"^\w$").all():
            return _Column(cells.name, vocabulary, distinct=distinct)
    orders = tuple(order for order in _ORDERS if _dated(filled, order) >= _SURE)
    if orders and _share(filled.str.contains(r"[-/.]|^\d{8}$")) >= _SURE and not _share(filled.str.contains(r"^\d+\.\d+$")):
        return _Column(cells.name, "date", orders, distinct)
    return _Column(cells.name, "number" if isinstance(number, float) and number >= _SURE else "text", distinct=distinct)


def _share(fits: pl.Series) -> float:
    return float(fits.sum()) / len(fits)


def _dated(cells: pl.Series, order: Order) -> float:
    found = add_dates(cells.to_frame(), cells.name, order)
    return _share(found["time_min"].is_not_null() & found["time_min"].dt.year().is_between(1880, 2100))


@dataclass(frozen=True)
class _Rule:
    """How the mapping says a table is read: its name, the column of the person, and a `code` and `date` for each event."""

    name: str
    person: str
    events: list[dict[str, str]]


def _rule(table: str, columns: Sequence[_Column], sure: list[str], asked: list[str]) -> _Rule | None:
    person = next((one for word in _PERSON for one in columns if plain(one.name).startswith(word)), None)
    if person is None:
        asked.append(f"{table}: no column is called like a person; name it under `person`, or join the table that has it.")
        return None
    sure.append(f"{table}.{person.name}: the person, by its name.")
    dates = [one for one in columns if one.kind == "date"]
    events: list[dict[str, str]] = []
    for one in dates:
        for words, code in _MOMENTS:
            if any(word in plain(one.name) for word in words):
                events.append({"code": code, "date": one.name})
                sure.append(f"{table}.{one.name}: dates, of {code} by its name.")
    moments = [one.name for one in dates if not any(event["date"] == one.name for event in events)]
    for one in columns:
        if one.kind in _SHAPES:
            sure.append(f"{table}.{one.name}: codes of {one.kind}, by their shape.")
            if moments:
                events.append({"code": f"{one.kind}//{{{one.name}}}", "date": moments[0]})
            if len(moments) != 1:
                asked.append(f"{table}.{one.name}: which of {', '.join(moments) or 'no date'} is its date?")
        elif one.kind in ("number", "text") and one is not person:
            asked.append(
                f"{table}.{one.name}: {one.kind}s, {one.distinct} different; what does it say? Give it a code, or leave it out."
            )
    asked += _unsaid(table, columns, {event["date"] for event in events})
    return _Rule(table, person.name, events) if events else None


def _unsaid(table: str, columns: Sequence[_Column], used: Collection[str]) -> Iterator[str]:
    """Yield what is asked of columns that no event reads and of whose cells nothing can be said."""
    for one in columns:
        where = f"{table}.{one.name}"
        if one.kind == "empty":
            said = next((code for words, code in _MOMENTS if any(word in plain(one.name) for word in words)), None)
            meant = f"by its name it holds dates of {said}: add that event" if said else "what does it say"
            yield f"{where}: nothing stands in its first {_ROWS:,} rows; {meant}, or leave it out."
        elif one.kind == "date" and one.name not in used:
            yield f"{where}: dates, and no event reads them; of what? Give it a code, or leave it out."
