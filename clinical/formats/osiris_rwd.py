"""Back from the timeline to OSIRIS-RWD files: the inverse of the packaged mapping.

What the mapping reads comes out as it went in, partial dates included (three fields, `UN` for unknown), provided that
dates were not shifted: a shifted partial date is widened on purpose, so that it does not tell the shift. Numbers come
back in MEDS's 32 bits (7 significant digits). The patient number is the subject_id.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from unibase.clinical.formats.mapping_rules import BRACES, EventRule, TableMapping, TableRule, packaged_mapping
from unibase.clinical.words import partial_dates
from unibase.groundwork.outputs import Ours, replaced_folder

_KEYS = ["source", "source_row", "subject_id"]


def write_osiris_rwd(events: pl.DataFrame, folder: Path | str, mapping: TableMapping | None = None) -> Path:
    """Write one CSV per table that occurs in `events`; rows in the order of source and source row.

    Args:
        events: EVENTS that were read from OSIRIS-RWD (their `source` ends in the name of a table).
        folder: Where the files go: not there yet, or empty. A hospital's own export has the same names.
        mapping: The mapping they were read with; the packaged one by default.
    """
    rules = mapping or packaged_mapping("osiris-rwd")
    with replaced_folder(folder, Ours()) as temporary:
        for rule in rules.tables:
            own = events.filter(pl.col("source").str.ends_with(f"/{rule.name}"))
            if own.height:
                _table_of(own, rule).write_csv(temporary / f"{rule.name}.csv")
    return Path(folder)


def _table_of(events: pl.DataFrame, rule: TableRule) -> pl.DataFrame:
    """Return the table that a rule would read as these events: its columns as text, one row per source row."""
    rows = events.select(_KEYS).unique().sort(_KEYS)
    columns: list[str] = [rule.person]
    for event in rule.events:
        fields = _fields(events, event)
        fresh = [name for name in fields.columns if name not in _KEYS]
        rows = rows.join(fields, on=_KEYS, how="left", maintain_order="left", suffix="__again")
        for name in fresh:
            again = f"{name}__again"
            if again in rows.columns:
                rows = rows.with_columns(pl.coalesce(name, again).alias(name)).drop(again)
        columns += [name for name in fresh if name not in columns]
    return rows.with_columns(pl.col("subject_id").cast(pl.String).alias(rule.person)).select(columns)


def _fields(events: pl.DataFrame, event: EventRule) -> pl.DataFrame:
    """Return the fields that one event rule had read, by source row."""
    placeholders = BRACES.findall(event.code)
    prefix = event.code.split("{", 1)[0]
    shaped = pl.col("code").str.starts_with(prefix) & _shaped(event) if placeholders else pl.col("code") == event.code
    own = events.filter(shaped)
    made: list[pl.Expr] = []
    if placeholders:
        value = pl.col("code").str.strip_prefix(prefix)
        back = {new: old for old, new in reversed(event.values.get(placeholders[0], {}).items())}
        made.append((value.replace(back) if back else value).alias(placeholders[0]))
    made += [pl.lit(values[0]).alias(name) for name, values in event.when.items()]
    if event.date:
        names = {"year": f"{event.date}Year", "month": f"{event.date}Month", "day": f"{event.date}Day"}
        made += [one.alias(names[part]) for one, part in zip(partial_dates.render_parts(), names, strict=True)]
    if event.clock:
        exact = pl.col("time").is_not_null() & (pl.col("time_min") == pl.col("time_max"))
        made.append(pl.when(exact).then(pl.col("time").dt.strftime("%H - %M")).alias(event.clock))
    if event.number:
        number = pl.col("numeric_value").cast(pl.String).str.strip_suffix(".0")
        made.append(number.alias(event.number))
    if event.text:
        made.append(pl.col("text_value").alias(event.text))
    unit = BRACES.findall(event.unit or "")
    if unit:
        made.append(pl.col("unit").alias(unit[0]))
    return own.select(*_KEYS, *made).unique(_KEYS, keep="first", maintain_order=True)


def _shaped(event: EventRule) -> pl.Expr:
    """Tell topography (C34.1) from morphology (8140/3), which share the vocabulary ICD-O-3."""
    name = BRACES.findall(event.code)[0]
    value = pl.col("code").str.replace(r"^.*//", "")
    if event.code.startswith("ICDO3//"):
        return value.str.contains(r"^\d") if "Morphology" in name else value.str.contains("^C")
    return pl.lit(True)
