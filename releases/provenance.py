"""Where a number comes from, in plain words; and the methods paragraph of a release, from what really ran."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from groundwork.problems import UserError
from releases import manifest
from releases.open import read_variables

TABLES = ("analysis", "subjects", "adtte")
"""Where `explain` looks before it looks in the matrices."""

IDENTITY_OF_SOURCE = ("source", "source_row", "code", "StudyInstanceUID", "SeriesInstanceUID", "roi_name", "sample")


def explain(folder: Path | str, subject_id: int, variable: str) -> str:
    """Say where the value of one subject in one column of a release comes from.

    Looks in `analysis`, then `subjects`, then `adtte` (as `OS` or `OS_AVAL`), then in the matrices of the assays, by the
    name of the variable (a gene) or, where several assays have it, as `rna_<variable>`.

    Returns:
        Text for the person who asked; it holds the value, and belongs in the same zone as the release.

    Raises:
        UserError: If the folder is no release, or it has no such subject or variable.
    """
    folder = Path(folder)
    about = manifest.read(folder)
    table, column, row = _find(folder, subject_id, variable)
    words = _words(folder, table, column)
    value = row.get(column)
    unit_name = row.get("AVALU") if column == "AVAL" else words.get("unit")
    unit = f" {unit_name}" if unit_name and value is not None else ""
    lines = [
        f"{column} of subject {subject_id} in {about['study']} {about['version']} is "
        + ("missing." if value is None else f"{value}{unit}."),
        f"It is in the {'table' if table in TABLES else 'modality'} {table}"
        + (f": {words['label']}." if words.get("label") else "."),
    ]
    if words.get("derivation"):
        lines.append(f"How it was made: {words['derivation']}")
    lines += _sources(folder, table, column, subject_id, row)
    lines += _feature_lines(folder, table, column, subject_id)
    digests = _own_digests(folder, table, column, subject_id, row, dict(about.get("source_digests", {})))
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


def _find(folder: Path, subject_id: int, variable: str) -> tuple[str, str, dict[str, Any]]:
    known = pl.read_parquet(folder / "tables" / "subjects.parquet", columns=["subject_id"])
    if subject_id not in known["subject_id"]:
        raise UserError(f"The release has no such subject. It has {known.height}; see tables/subjects.parquet.")
    for table in ("analysis", "subjects"):
        scan = pl.scan_parquet(folder / "tables" / f"{table}.parquet")
        if variable in scan.collect_schema().names():
            rows = scan.filter(pl.col("subject_id") == subject_id).collect().to_dicts()
            return table, variable, rows[0] if rows else {}
    adtte = pl.scan_parquet(folder / "tables" / "adtte.parquet")
    code, _, column = variable.partition("_")
    names = adtte.collect_schema().names()
    if "PARAMCD" in names and (column or "AVAL") in names:
        rows = adtte.filter((pl.col("subject_id") == subject_id) & (pl.col("PARAMCD") == code)).collect().to_dicts()
        if rows:
            return "adtte", column or "AVAL", rows[0]
    found = _in_matrices(folder, subject_id, variable)
    if found is not None:
        return found
    raise UserError(
        f"The release has no variable {variable!r}. dictionary/dictionary.csv lists all; for endpoints write OS or OS_CNSR."
    )


def _in_matrices(folder: Path, subject_id: int, variable: str) -> tuple[str, str, dict[str, Any]] | None:
    for modality in manifest.read(folder)["modalities"]:
        for name in (variable, variable.removeprefix(f"{modality}_")):
            words = _words(folder, modality, name)
            if not words:
                continue
            values = read_variables(folder, modality, [name]).filter(pl.col("subject_id") == subject_id)
            return modality, name, {name: values[name][0] if values.height else None}
    return None


def _words(folder: Path, table: str, column: str) -> dict[str, Any]:
    scan = pl.scan_parquet(folder / "dictionary" / "dictionary.parquet")
    rows = scan.filter((pl.col("table") == table) & (pl.col("column") == column)).collect().to_dicts()
    return rows[0] if rows else {}


def trace_rows(folder: Path | str, subject_id: int, column: str) -> pl.DataFrame:
    """Return the trace rows of one cell of the analysis table; a variable that ends in `*` stands for all that begin so."""
    trace = pl.scan_parquet(Path(folder) / "tables" / "trace.parquet")
    names = trace.collect_schema().names()
    if "subject_id" not in names or "variable" not in names:
        return pl.DataFrame()
    starts = pl.col("variable").str.ends_with("*") & pl.lit(column).str.starts_with(pl.col("variable").str.strip_suffix("*"))
    return trace.filter((pl.col("subject_id") == subject_id) & ((pl.col("variable") == column) | starts)).collect()


def _sources(folder: Path, table: str, column: str, subject_id: int, row: Mapping[str, Any]) -> list[str]:
    if table == "adtte":
        place = f"{row['SRCDOM']}" if row.get("SRCDOM") else "the index itself"
        number = f", row {row['SRCSEQ']}" if row.get("SRCSEQ") is not None else ""
        ended = row.get("EVNTDESC") or row.get("CNSDTDSC") or "not said"
        return [f"Follow-up ended with: {ended}. Source: {place}{number}."]
    found = trace_rows(folder, subject_id, _traced(table, column))
    if table == "subjects":
        return []
    lines = []
    for source in found.to_dicts():
        parts = [f"{name} {source[name]}" for name in IDENTITY_OF_SOURCE if source.get(name) not in (None, "")]
        days = source.get("days_from_index")
        when = f", {days:g} days from the index" if days is not None else ""
        lines.append(f"Read from: {', '.join(parts)}{when}.")
    return lines or ["The trace names no source row for it."]


def _traced(table: str, column: str) -> str:
    """Return the name under which the trace knows a column: a variable of an assay has the assay's name before it."""
    return column if table == "analysis" else f"{table}_{column}"


def _own_digests(
    folder: Path, table: str, column: str, subject_id: int, row: Mapping[str, Any], digests: dict[str, str]
) -> dict[str, str]:
    """Return the source digests of the centres the value was read in; all when it names none."""
    named = [str(row["SRCDOM"])] if table == "adtte" and row.get("SRCDOM") else []
    if table not in ("adtte", "subjects"):
        found = trace_rows(folder, subject_id, _traced(table, column))
        named = found["source"].drop_nulls().to_list() if "source" in found.columns else []
    centres = {name.split("/")[0] for name in named}
    own = {name: digest for name, digest in digests.items() if name.split("/")[0] in centres}
    return own or digests


def _feature_lines(folder: Path, table: str, column: str, subject_id: int) -> list[str]:
    if table != "analysis":
        return []
    found = trace_rows(folder, subject_id, column)
    if "SeriesInstanceUID" not in found.columns:
        return []
    series = found["SeriesInstanceUID"].drop_nulls().unique().to_list()
    features = pl.scan_parquet(folder / "tables" / "features.parquet").filter(pl.col("SeriesInstanceUID").is_in(series))
    rows = features.select("engine", "mode", "settings_digest", "source_digest").unique().sort("source_digest").collect()
    return [
        f"Extracted by {r['engine']} (mode {r['mode']}) under settings {r['settings_digest'][:16]} from files {r['source_digest'][:16]}."
        for r in rows.to_dicts()
    ]


CITATIONS: Mapping[str, str] = {
    "pyradiomics": "van Griethuysen et al., Cancer Res 2017;77:e104",
    "ibsi": "Zwanenburg et al., Radiology 2020;295:328",
    "tmm": "Robinson and Oshlack, Genome Biol 2010;11:R25",
    "tmmwsp": "Robinson and Oshlack, Genome Biol 2010;11:R25",
    "rle": "Anders and Huber, Genome Biol 2010;11:R106",
    "median-of-ratios": "Anders and Huber, Genome Biol 2010;11:R106",
    "vst": "Love et al., Genome Biol 2014;15:550",
    "voom": "Law et al., Genome Biol 2014;15:R29",
    "upperquartile": "Bullard et al., BMC Bioinformatics 2010;11:94",
    "quantile": "Bolstad et al., Bioinformatics 2003;19:185",
    "combat": "Johnson et al., Biostatistics 2007;8:118",
    "mudata": "Bredikhin et al., Genome Biol 2022;23:42",
    "kaplan-meier": "Kaplan and Meier, J Am Stat Assoc 1958;53:457",
}


def _model_sentences(model: Mapping[str, Any]) -> list[str]:
    """Say what the values of an assay were learned on, and whether earlier releases rest on another model."""
    if not model:
        return []
    corrected = model.get("corrected_for")
    text = f"Its model {str(model['digest'])[:12]} was learned on {model['samples']} samples"
    text += f", with the effects of the {corrected} (ComBat, {CITATIONS['combat']})," if corrected else ""
    fits = len(model.get("history", []))
    again = f" It is fit number {fits}; values of releases made with an earlier model differ." if fits > 1 else ""
    return [f"{text} and applied unchanged to those and to all later samples.{again}"]


def methods_paragraph(about: Mapping[str, Any], tables: Mapping[str, pl.LazyFrame]) -> str:
    """Return a methods paragraph in English, with versions and citations, of what this release really holds.

    Args:
        about: The manifest, without its files.
        tables: The released tables.
    """
    software = {str(k).lower(): str(v) for k, v in dict(about.get("software", {})).items()}
    settings = dict(about.get("settings", {}))
    sentences = [f"Data are version {about['version']} of {about['title']} ({about['study']})."]
    if "unibase" in software:
        sentences.append(f"They were prepared with unibase {software['unibase']}.")
    sentences.append("Identifiers were replaced by keyed pseudonyms and dates shifted by one number of days per subject.")
    found = _distinct(tables.get("features"), "engine")
    if found:
        engines = ", ".join(found)
        modalities = ", ".join(_distinct(tables.get("features"), "Modality")) or "images"
        cited = CITATIONS["pyradiomics"] if "pyradiomics" in engines.lower() else CITATIONS["ibsi"]
        sentences.append(f"Radiomic features of {modalities} were extracted with {engines} ({cited}).")
    for assay, shape in dict(about.get("modalities", {})).items():
        method = (
            dict(dict(settings.get("assays", {})).get(assay) or {}).get("method")
            if assay not in ("radiomics", "clinical")
            else None
        )
        if method:
            cited = f" ({CITATIONS[method]})" if method in CITATIONS else ""
            sentences.append(f"The assay {assay} ({shape['variables']} variables) was normalised by {method}{cited}.")
            sentences += _model_sentences(dict(dict(settings.get("models", {})).get(assay) or {}))
    sentences += [_harmonised(group, record) for group, record in dict(about.get("harmonisation", {})).items()]
    index = settings.get("index")
    if isinstance(index, Mapping) and index.get("concept"):
        sentences.append(
            f"The index date is the {index.get('which', 'first')} {index['concept']}; no value known only after it is used as a predictor."
        )
    endpoints = _distinct(tables.get("adtte"), "PARAMCD")
    if endpoints:
        codes = ", ".join(endpoints)
        sentences.append(
            f"Survival ({codes}) was estimated by Kaplan-Meier ({CITATIONS['kaplan-meier']}), with log-log confidence limits."
        )
    version = f" {software['mudata']}" if "mudata" in software else ""
    sentences.append(f"The data are stored as MuData{version} ({CITATIONS['mudata']}), Parquet and a MEDS 0.4.1 timeline.")
    return " ".join(sentences)


def _distinct(rows: pl.LazyFrame | None, column: str) -> list[str]:
    if rows is None:
        return []
    return rows.select(pl.col(column).drop_nulls().unique().sort()).collect()[column].to_list()


def _harmonised(group: str, record: Mapping[str, Any]) -> str:
    """Return the sentence on one harmonisation, from what was done."""
    options = [f"between {len(record['batches'])} {record['batch']}s"]
    options += [f"with {record['reference']} as reference"] if record["reference"] else []
    options += [f"keeping effects of {', '.join(record['covariates'])}"] if record["covariates"] else []
    options += ["shift only"] if record["mean_only"] else []
    options += [] if record["empirical_bayes"] else ["without empirical Bayes"]
    if not record["fitted_here"]:
        fitted = "with the parameters of an earlier fit"
    elif record["fit_on"] == "all":
        fitted = "fitted on the whole cohort, test subjects included"
    else:
        fitted = f"fitted on the subjects of the part {record['fit_on']} only"
    return (
        f"Values of {group} ({record['features']} variables) were harmonised by ComBat {', '.join(options)} ({CITATIONS['combat']}), "
        f"{fitted}, and stand beside the raw ones."
    )
