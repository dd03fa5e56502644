"""Where a number of a release comes from, in plain words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from unibase.groundwork import tables
from unibase.groundwork.problems import UserError
from unibase.releases.content import manifest
from unibase.releases.read.open import read_annotation, read_layers, read_variables
from unibase.releases.read.origins import subject_sources, why_empty

TABLES = ("analysis", "subjects", "adtte", "adrs", "bds", "features")
SEVERAL = ("adrs", "bds", "features")
"""Tables with several rows a subject; each row is said with where it was read."""
"""The tables whose cells can be explained; each cell of the matrices can be as well."""

IDENTITY_OF_SOURCE = ("source", "source_row", "code", "StudyInstanceUID", "SeriesInstanceUID", "roi_name", "sample")
IDENTITY_OF_FEATURES = ("Modality", "region", "image_type", "roi_name", "StudyInstanceUID", "SeriesInstanceUID")


@dataclass(frozen=True)
class Cells:
    """The cells of one subject in one column.

    Attributes:
        table: Table, or modality of the cohort file.
        column: Column of the table, variable of the modality, or column of its `obs`.
        name: What the reader asked for, such as LDH for the column AVAL of `bds`.
        rows: The rows of the subject; one where the table has a row a subject.
    """

    table: str
    column: str
    name: str
    rows: list[dict[str, Any]]


def explain(folder: Path | str, subject_id: int, variable: str) -> str:
    """Say where the values of one subject in one column of a release come from.

    Args:
        folder: Folder of the release.
        subject_id: The subject.
        variable: A column of `analysis` or `subjects`; an endpoint (`OS`, `OS_CNSR`); a gene or other variable of an assay,
            with its assay before it where several have it (`rna_ENSG00000141510`); a column of the assay's `obs`
            (`rna_library_size`); a parameter of `bds` (`LDH`, `LDH_CHG`) or a column of `features`
            (`original_firstorder_Mean`), of which a subject has several rows. They are looked up in this order;
            `bds/LDH` looks in one table or modality alone.

    Returns:
        Text for the person who asked; it holds the value, and belongs in the same zone as the release.

    Raises:
        UserError: If the folder is no release, or it has no such subject or variable.
    """
    folder = Path(folder)
    about = manifest.read(folder)
    cells = _find(folder, about, subject_id, variable)
    words = _words(folder, cells.table, cells.column)
    release = f"{about['study']} {about['version']}"
    lines = [
        *_said(cells, words, subject_id, release),
        f"It is in the {'table' if cells.table in TABLES else 'modality'} {cells.table}"
        + (f": {words['label']}." if words.get("label") else "."),
    ]
    if words.get("derivation"):
        lines.append(f"How it was made: {words['derivation']}")
    lines += _sources(folder, about, cells, subject_id)
    digests = _own_digests(folder, cells, subject_id, dict(about.get("source_digests", {})))
    if digests:
        lines.append(
            "Source data, by digest: " + ", ".join(f"{name} {digest[:16]}" for name, digest in sorted(digests.items())) + "."
        )
    software = dict(about.get("software", {}))
    if software:
        lines.append("Software: " + ", ".join(f"{name} {version}" for name, version in sorted(software.items())) + ".")
    lines.append(
        f"Settings {str(about.get('settings_digest', ''))[:16]}, key {about.get('key_fingerprint') or 'not recorded'}; all in manifest.json."
    )
    return "\n".join(lines) + "\n"


def _find(folder: Path, about: Mapping[str, Any], subject_id: int, variable: str) -> Cells:
    known = pl.read_parquet(folder / "tables" / "subjects.parquet", columns=["subject_id"])
    if subject_id not in known["subject_id"]:
        raise UserError(f"The release has no such subject. It has {known.height}; see tables/subjects.parquet.")
    finders: dict[str, Callable[[Path, str, int, str], Cells | None]] = {
        "analysis": _in_columns,
        "subjects": _in_columns,
        "adtte": _in_parameters,
        "adrs": _in_parameters,
        **dict.fromkeys(about["modalities"], _in_matrix),
        "bds": _in_parameters,
        "features": _in_features,
    }
    place, _, name = variable.partition("/")
    asked = {place: finders[place]} if name and place in finders else finders
    for table, find in asked.items():
        if table in TABLES and not (folder / "tables" / f"{table}.parquet").exists():
            continue
        cells = find(folder, table, subject_id, name if asked is not finders else variable)
        if cells is not None:
            return cells
    raise UserError(
        f"The release has no variable {variable!r}. dictionary/dictionary.csv lists all; for endpoints write OS or OS_CNSR, "
        "for tumour responses and repeated measures the PARAMCD of tables/adrs.parquet and tables/bds.parquet."
    )


def _in_columns(folder: Path, table: str, subject_id: int, variable: str) -> Cells | None:
    """Find a column of a table with one row per subject."""
    rows = pl.scan_parquet(folder / "tables" / f"{table}.parquet")
    if variable not in rows.collect_schema().names():
        return None
    own = rows.filter(pl.col("subject_id") == subject_id).collect()
    return Cells(table, variable, variable, own.to_dicts())


def _in_parameters(folder: Path, table: str, subject_id: int, variable: str) -> Cells | None:
    """Find a column, AVAL (of `adrs` AVALC) when none is named, of the rows of a parameter in an ADaM table: `OS`, `OS_CNSR`, `LDH_CHG`."""
    rows = pl.scan_parquet(folder / "tables" / f"{table}.parquet")
    code, _, column = variable.partition("_")
    column = column or ("AVALC" if table == "adrs" else "AVAL")
    names = rows.collect_schema().names()
    if "PARAMCD" not in names or column not in names:
        return None
    of_code = rows.filter(pl.col("PARAMCD") == code)
    if not of_code.select(pl.len()).collect().item():
        return None
    found = of_code.filter(pl.col("subject_id") == subject_id).collect().to_dicts()
    return Cells(table, column, variable, found)


def _in_features(folder: Path, table: str, subject_id: int, variable: str) -> Cells | None:
    """Find a radiomic feature: a row for every region of every series, those the join did not choose too."""
    rows = pl.scan_parquet(folder / "tables" / f"{table}.parquet")
    names = rows.collect_schema().names()
    column = variable
    if variable not in names:
        # With its image type before it, as in the analysis table.
        for image_type in rows.select(pl.col("image_type").unique().sort()).collect()["image_type"].drop_nulls():
            feature = variable.removeprefix(f"{image_type}_")
            if feature != variable and feature in names:
                column, rows = feature, rows.filter(pl.col("image_type") == image_type)
                break
        else:
            return None
    wanted = [declared.name for declared in tables.FEATURES.columns]
    mine = rows.filter(pl.col("subject_id") == subject_id).select(*wanted, *([column] if column not in wanted else []))
    return Cells(table, column, variable, mine.collect().to_dicts())


def _in_matrix(folder: Path, modality: str, subject_id: int, variable: str) -> Cells | None:
    """Find a variable of a modality, with its layers, or a column of its `obs`."""
    for name in (variable, variable.removeprefix(f"{modality}_")):
        if not _words(folder, modality, name):
            continue
        annotation = read_annotation(folder, modality, name, subject_id)
        if annotation is not None:
            return Cells(modality, name, name, [{name: annotation.value}] if annotation.found else [])
        values = read_variables(folder, modality, [name]).filter(pl.col("subject_id") == subject_id)
        row = {name: values[name][0], "layers": read_layers(folder, modality, name, subject_id)} if values.height else {}
        return Cells(modality, name, name, [row] if row else [])
    return None


def _words(folder: Path, table: str, column: str) -> dict[str, object]:
    scan = pl.scan_parquet(folder / "dictionary" / "dictionary.parquet")
    rows = scan.filter((pl.col("table") == table) & (pl.col("column") == column)).collect().to_dicts()
    return rows[0] if rows else {}


def _said(cells: Cells, words: Mapping[str, object], subject_id: int, release: str) -> list[str]:
    """Say the values: one sentence, or a line for each row of a table that has several."""
    if cells.table in SEVERAL:
        count = f"{len(cells.rows)} row{'s' if len(cells.rows) != 1 else ''}"
        first = f"{cells.name} of subject {subject_id} in {release} has {count}{':' if cells.rows else '.'}"
        return [first, *(f"- {_row(cells, row, words)}" for row in cells.rows)]
    row = cells.rows[0] if cells.rows else {}
    said = f"{cells.column} of subject {subject_id} in {release} is {_value(cells, row, words)}."
    return [said, *(f"In its layer {layer} it is {value}." for layer, value in row.get("layers", {}).items())]


def _value(cells: Cells, row: Mapping[str, object], words: Mapping[str, object]) -> str:
    value = row.get(cells.column)
    if value is None and cells.column == "AVAL" and row.get("AVALC") is not None:
        return str(row["AVALC"])
    unit = row.get("AVALU") if cells.column in ("AVAL", "BASE", "CHG") else words.get("unit")
    return "missing" if value is None else f"{value} {unit}" if unit else str(value)


def _row(cells: Cells, row: Mapping[str, object], words: Mapping[str, object]) -> str:
    """Say one row of a table with several rows a subject, and where this very row was read."""
    value = _value(cells, row, words)
    if cells.table == "features":
        identity = ", ".join(f"{name} {row[name]}" for name in IDENTITY_OF_FEATURES if row.get(name))
        return f"{value}. {identity}. {_extracted(row)}"
    if cells.table == "adrs":
        return f"{value}{_response(row)}"
    day = f"{row['ADT']} (day {row['ADY']})" if row.get("ADT") is not None else "no date"
    baseline = ", the baseline: the row that the analysis table holds" if row.get("ABLFL") == "Y" else ""
    return f"{value}, {day}{baseline}. Read from: {row.get('SRCDOM')}, row {row.get('SRCSEQ')}."


def _response(row: Mapping[str, object]) -> str:
    """Say what a response was made of, and where its visit was read."""
    parts = {"target": "TRGRESP", "non-target": "NTRGRESP", "new lesion": "NEWLPROG", "sum of diameters in mm": "SUMDIAM"}
    said = "".join(f", {name} {row[column]}" for name, column in parts.items() if row.get(column) is not None)
    day = f", {row['ADT']}" if row.get("ADT") is not None else ""
    problem = f" Problem: {row['problem']}." if row.get("problem") else ""
    source = f" Visit read from: {row['SRCDOM']}, row {row['SRCSEQ']} on." if row.get("SRCDOM") else ""
    return f"{day}{said}.{problem}{source}"


def _extracted(row: Mapping[str, Any]) -> str:
    return (
        f"Extracted by {row['engine']} (mode {row['mode']}) under settings {row['settings_digest'][:16]} "
        f"from files {row['source_digest'][:16]}."
    )


def _trace_rows(folder: Path | str, subject_id: int, column: str) -> pl.DataFrame:
    """Return the trace rows of one cell of the analysis table; a variable that ends in `*` stands for all that begin so."""
    trace = pl.scan_parquet(Path(folder) / "tables" / "trace.parquet")
    names = trace.collect_schema().names()
    if "subject_id" not in names or "variable" not in names:
        return pl.DataFrame()
    starts = pl.col("variable").str.ends_with("*") & pl.lit(column).str.starts_with(pl.col("variable").str.strip_suffix("*"))
    return trace.filter((pl.col("subject_id") == subject_id) & ((pl.col("variable") == column) | starts)).collect()


def _sources(folder: Path, about: Mapping[str, object], cells: Cells, subject_id: int) -> list[str]:
    """Say which rows of the sources the value was read from, or why there is none; rows of `SEVERAL` have said it themselves."""
    if cells.table in SEVERAL:
        return []
    row = cells.rows[0] if cells.rows else {}
    empty = cells.table != "adtte" and row.get(cells.column) is None
    why = [why_empty(folder, cells.table, _traced(cells), subject_id, row)] if empty else []
    if cells.table == "subjects":
        return why + subject_sources(folder, about, subject_id, cells.column, row)
    if cells.table == "adtte":
        return [_end_of_follow_up(cells.rows[0])] if cells.rows else []
    found = _trace_rows(folder, subject_id, _traced(cells))
    lines = why + ([_source(row) for row in found.to_dicts()] or ["The trace names no source row for it."])
    return lines + _extractions(folder, found) if cells.table == "analysis" else lines


def _end_of_follow_up(row: Mapping[str, object]) -> str:
    place = f"{row['SRCDOM']}" if row.get("SRCDOM") else "the index itself"
    number = f", row {row['SRCSEQ']}" if row.get("SRCSEQ") is not None else ""
    ended = row.get("EVNTDESC") or row.get("CNSDTDSC") or "not said"
    contradicted = f" The row is contradicted: {row['problem']}." if row.get("problem") else ""
    return f"Follow-up ended with: {ended}. Source: {place}{number}.{contradicted}"


def _source(row: Mapping[str, object]) -> str:
    parts = [f"{name} {row[name]}" for name in IDENTITY_OF_SOURCE if row.get(name) not in (None, "")]
    days = row.get("days_from_index")
    when = f", {days:g} days from the index" if days is not None else ""
    return f"Read from: {', '.join(parts)}{when}."


def _extractions(folder: Path, found: pl.DataFrame) -> list[str]:
    """Say how the features of the traced series were extracted."""
    if "SeriesInstanceUID" not in found.columns:
        return []
    series = found["SeriesInstanceUID"].drop_nulls().unique().to_list()
    features = pl.scan_parquet(folder / "tables" / "features.parquet")
    mine = features.filter(pl.col("SeriesInstanceUID").is_in(series))
    rows = mine.select("engine", "mode", "settings_digest", "source_digest").unique()
    return [_extracted(row) for row in rows.sort("source_digest").collect().to_dicts()]


def _traced(cells: Cells) -> str:
    """Return the name under which the trace knows a column: a variable of an assay has the assay's name before it."""
    return cells.column if cells.table in ("analysis", "subjects") else f"{cells.table}_{cells.column}"


def _own_digests(folder: Path, cells: Cells, subject_id: int, digests: dict[str, str]) -> dict[str, str]:
    """Return the digests of the sources the value was read from; all of its centre where they are not told apart."""
    if cells.table in ("adtte", "adrs", "bds"):
        named = [str(row["SRCDOM"]) for row in cells.rows if row.get("SRCDOM")]
    elif cells.table == "features":
        named = [f"{row['centre']}/dicom" for row in cells.rows]
    else:
        found = _trace_rows(folder, subject_id, _traced(cells)) if cells.table != "subjects" else pl.DataFrame()
        named = found["source"].drop_nulls().to_list() if "source" in found.columns else []
    own = {name: digests[name] for source in named if (name := _staged(source, digests))}
    centres = {name.split("/")[0] for name in named}
    if own or cells.table != "subjects":
        return own or {name: digest for name, digest in digests.items() if name.split("/")[0] in centres}
    return digests


def _staged(source: str, digests: Mapping[str, str]) -> str | None:
    """Return the name of the digest of what a source such as `A/omop/measurement`, `A/imaging` or `A/rna` was read from."""
    centre, _, rest = source.partition("/")
    kind = rest.partition("/")[0]
    names = [f"{centre}/{kind}", f"{centre}/dicom" if kind == "imaging" else f"{centre}/clinical"]
    return next((name for name in names if name in digests), None)
