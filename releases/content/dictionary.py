"""The data dictionary of a release: a row for every column of every table and modality, or no release.

Descriptions come from the rooms that made the columns (pieces), from the table schemas of the house, and from the
standards (MEDS, CDISC ADaM). Missingness and completeness are counted here, from the data released.
"""

from __future__ import annotations

import fnmatch
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import polars as pl

from unibase.groundwork import tables
from unibase.groundwork.problems import UserError
from unibase.releases.content.stability_words import Stability
from unibase.releases.disclosure.small_counts import shares

TEXT_FIELDS = ("label", "type", "unit", "codes", "derivation", "source")

SCHEMA = pl.Schema(
    {
        "table": pl.String(),
        "column": pl.String(),
        "label": pl.String(),
        "type": pl.String(),
        "unit": pl.String(),
        "codes": pl.String(),
        "derivation": pl.String(),
        "source": pl.String(),
        "icc_2_1": pl.Float64(),
        "icc_2_1_low": pl.Float64(),
        "rows": pl.Int64(),
        "missing": pl.Int64(),
        "missing_by_reason": pl.String(),
        "completeness_by_centre": pl.String(),
    }
)

COUNTS = ("rows", "missing", "missing_by_reason", "completeness_by_centre", "icc_2_1", "icc_2_1_low")
"""The columns that are counted or measured in the data released; all others describe them."""

_HOUSE = {
    "subjects": (tables.SUBJECT, tables.CENTRE),
    "analysis": (tables.SUBJECT, tables.CENTRE),
    "timeline": tables.EVENTS.columns,
    "features": tables.FEATURES.columns,
    "sample_map": (
        *tables.SAMPLE_MAP.columns,
        tables.Column("chosen", pl.Boolean(), "Whether the sample is the row of its subject in the cohort file."),
    ),
    "quarantine": tables.QUARANTINE.columns,
    "splits": (
        tables.SUBJECT,
        tables.Column("scheme", pl.String(), "parts (by subject), folds (cross-validation), centre (leave one out) or time."),
        tables.Column("held_out", pl.String(), "Fold or centre that is tested on; empty for parts and time."),
        tables.Column(
            "part",
            pl.String(),
            "Part of the subject: by keyed draw for parts and folds; by true index date for time, of which it tells one bit.",
        ),
    ),
}

_ADTTE = {
    "STUDYID": ("Study identifier", "Name of the study.", ""),
    "subject_id": ("Subject", "Keyed pseudonym of the person; positive.", ""),
    "centre": ("Centre", "Name of the centre, as in the study file.", ""),
    "USUBJID": ("Unique subject identifier", "subject_id as text.", ""),
    "PARAMCD": ("Parameter code", "Endpoint: OS, PFS, ...", ""),
    "PARAM": ("Parameter", "Endpoint in words.", ""),
    "AVAL": ("Analysis value", "Time from STARTDT to ADT.", ""),
    "AVALU": ("Analysis value unit", "Unit of AVAL.", ""),
    "STARTDT": ("Time-to-event origin date", "Index date of the subject, shifted.", ""),
    "ADT": ("Analysis date", "Date of event or censoring, shifted.", ""),
    "CNSR": ("Censor", "0 when the event was observed, else 1 or more.", ""),
    "EVNTDESC": ("Event or censoring description", "What ended the follow-up.", ""),
    "CNSDTDSC": ("Censor date description", "What the censoring date is.", ""),
    "STARTDT_MIN": ("Earliest origin date", "Earliest day the index can be.", ""),
    "STARTDT_MAX": ("Latest origin date", "Latest day the index can be.", ""),
    "ADT_MIN": ("Earliest analysis date", "Earliest day of event or censoring.", ""),
    "ADT_MAX": ("Latest analysis date", "Latest day of event or censoring.", ""),
    "AVAL_MIN": ("Least analysis value", "Shortest time that the known dates allow.", ""),
    "AVAL_MAX": ("Greatest analysis value", "Longest time that the known dates allow.", ""),
    "ENTRYDT": ("Date of entry", "First image or sample that the cohort asks for, the latest when several; shifted.", ""),
    "ENTRY": ("Time of entry", "Days from STARTDT at which the subject comes under observation (left truncation).", "d"),
    "problem": ("Problem", "Code of what contradicts the row; empty when nothing does.", ""),
    "SRCDOM": ("Source data", "Table the analysis date was read from.", ""),
    "SRCVAR": ("Source variable", "Column the analysis date was read from.", ""),
    "SRCSEQ": ("Source sequence number", "Row the analysis date was read from.", ""),
}

_ADRS = {
    "subject_id": ("Subject", "Keyed pseudonym of the person; positive.", ""),
    "PARAMCD": ("Parameter code", "OVR: overall response at a visit; BOR, CBOR, ...: the best of them.", ""),
    "PARAM": ("Parameter", "Response in words.", ""),
    "STARTDT": ("Origin date", "Day from which responses count, shifted; empty when known in part.", ""),
    "ADT": ("Analysis date", "Day of the response, shifted: for progression the first of its visit, else the last.", ""),
    "AVALC": ("Analysis value (C)", "Response; MISSING without an assessment, empty where none can be given.", ""),
    "AVAL": ("Analysis value", "Number of the response from 1 (CR) to 7 (MISSING), as admiralonco has it.", ""),
    "TRGRESP": ("Target response", "Response of the target lesions by RECIST 1.1.", ""),
    "NTRGRESP": ("Non-target response", "Response of the non-target lesions by RECIST 1.1.", ""),
    "NEWLPROG": ("New lesion progression", "Y when an unequivocal new lesion was seen.", ""),
    "SUMDIAM": ("Sum of diameters", "Longest diameters of the target lesions, short axes of nodes.", "mm"),
    "SRCDOM": ("Source data", "Table the first row of the visit was read from.", ""),
    "SRCSEQ": ("Source sequence number", "First row of the visit in that table.", ""),
    "problem": ("Problem", "Code of what stands against the row; empty when nothing does.", ""),
}

_BDS = {
    "subject_id": ("Subject", "Keyed pseudonym of the person; positive."),
    "PARAMCD": ("Parameter code", "Variable of the analysis table, in at most 8 characters."),
    "PARAM": ("Parameter", "Variable of the analysis table, with its unit when the study asks for one."),
    "AVAL": ("Analysis value", "The value as a number; empty when it is a text or a code."),
    "AVALC": ("Analysis value (C)", "The value as text or code, where it is no number."),
    "AVALU": ("Analysis value unit", "Unit of AVAL."),
    "ADT": ("Analysis date", "Shifted date of the measure."),
    "ADY": ("Analysis relative day", "Day from the index; the index day is 1, the day before it -1."),
    "ABLFL": ("Baseline record flag", "Y for the row that the analysis table holds."),
    "BASE": ("Baseline value", "AVAL of the row flagged by ABLFL."),
    "CHG": ("Change from baseline", "AVAL less BASE, after the baseline."),
    "SRCDOM": ("Source data", "Table the value was read from."),
    "SRCSEQ": ("Source sequence number", "Row the value was read from."),
}

_TRACE = {
    "subject_id": "Keyed pseudonym of the person; positive.",
    "variable": "Column of the analysis table; a name that ends in * stands for all columns that begin so.",
    "kind": "clinical, sample or imaging.",
    "source": "Centre and table the value comes from, such as A/omop/measurement.",
    "source_row": "Row in that table, header not counted, from 1.",
    "code": "Code of the event the value was read from.",
    "StudyInstanceUID": "Keyed pseudonym of the study.",
    "SeriesInstanceUID": "Keyed pseudonym of the series.",
    "roi_name": "Cleaned name of the region.",
    "sample": "Keyed pseudonym of the sample: colname of the sample map.",
    "time": "Shifted time of the source row.",
    "time_min": "Earliest instant the source row can have happened.",
    "time_max": "Latest instant the source row can have happened.",
    "recorded_time": "When the source learned of it; null when unknown.",
    "days_from_index": "Time of the source row in days from the index.",
}

_MODALITY = {
    "subject_id": ("Subject", "Keyed pseudonym of the person, as text: the row of the subject in every modality."),
    "sample": ("Sample", "Keyed pseudonym of the sample chosen for the subject: `colname` of the sample map."),
    "centre": ("Centre", "Name of the centre, as in the study file."),
    "sample_time": ("Time of the sample", "Shifted date of collection, ISO 8601 text."),
    "sample_type": ("Sample type", "tumour, normal, metastasis or empty."),
    "status": ("Status of the sample", "used, or quarantined."),
    "reason": ("Reason", "Why the sample is quarantined; empty when used."),
    "library_size": ("Library size", "Sum of the counts of the sample."),
    "norm_factor": ("Normalisation factor", "Factor of the library size, as the method of the assay gives it."),
    "size_factor": ("Size factor", "What the counts of the sample are divided by."),
    "in_fit": ("In the fit", "Whether the frozen model was learned on this sample too, or only applied to it."),
    "profiled": ("Profiled", "Whether the sample was sequenced."),
    "variants": ("Variants", "Number of variants counted for the mutational burden."),
    "tmb": ("Tumour mutational burden", "Variants per callable megabase."),
    "fraction_altered": ("Fraction of the genome altered", "Share of the profiled autosomal bases in altered segments."),
    "segments": ("Segments", "Number of segments on the autosomes."),
    "symbol": ("Gene symbol", "Symbol of the gene, as the source names it."),
    "chromosome": ("Chromosome", "Chromosome of the probe, as the table of probes says; empty where it does not."),
    "cell_type": ("Cell type", "Type of the cells that the feature was summed over."),
    "cells": ("Cells", "Cells of the sample, in the types with enough of them."),
    "length": ("Gene length", "Length of the gene in bases, as the source gives it."),
    "gene_id_source": ("Gene identifier of the source", "Identifier with its version, as the source writes it."),
    "mutated_samples": (
        "Mutated samples",
        "Samples of the whole assay, before the cohort was chosen, in which the gene is mutated.",
    ),
    "icc_2_1": ("Agreement over perturbations", "ICC(2,1) of the feature over perturbed copies; NaN when it was not measured."),
    "icc_2_1_low": ("Agreement, lower limit", "Lower end of the 95 % confidence interval of icc_2_1."),
    "stable": ("Stable", "Whether icc_2_1_low reaches the least value that the settings ask for; false when not measured."),
    "series_time": ("Time of the image", "Shifted date and time of the image, ISO 8601 text."),
    "layers/combat": (
        "Harmonised values",
        "X after ComBat, as harmonisation in the manifest says; NaN where a subject or variable was left out.",
    ),
    "layers/beta": ("Beta values", "Share of methylated molecules at the probe, 0 to 1, that X was made from."),
    "layers/counts": ("Counts", "Whole counts that X was made from."),
    "layers/weights": ("Weights", "Precision weights of voom."),
}


@dataclass(frozen=True)
class ModalityNames:
    """The names a reader meets in a modality of the cohort file.

    Attributes:
        variables: Names of the variables (genes, features).
        annotations: Columns of obs and var.
        measured: Whether the variables are those of an assay, which one description holds for.
    """

    variables: Iterable[str]
    annotations: Iterable[str]
    measured: bool = False


class Tally:
    """What the dictionary counts of one table, added up block by block.

    Attributes:
        schema: Columns and types.
        rows: Number of rows.
        missing: Nulls of each column.
        reasons: Of those, how many for each reason, where it is known.
    """

    def __init__(
        self,
        centres: pl.DataFrame | None = None,
        why: Callable[[pl.DataFrame], Mapping[str, Mapping[str, int]]] = lambda _: {},
    ) -> None:
        """Start at nothing.

        Args:
            centres: `subject_id` and `centre` of the subjects, for tables that have no column `centre`.
            why: Gives, for a block, the reasons of the empty cells of its columns; see `missingness.Reasons`.
        """
        self._why = why
        self.reasons: dict[str, Counter[str]] = {}
        self.schema = pl.Schema()
        self.rows = 0
        self.missing: Counter[str] = Counter()
        self._centres = centres.select("subject_id", "centre") if centres is not None and "centre" in centres.columns else None
        self._sizes: Counter[str] = Counter()
        self._present: dict[str, Counter[str]] = {}

    def add(self, block: pl.DataFrame) -> None:
        """Count a further block of the table."""
        self.schema = block.schema
        self.rows += block.height
        if not block.width or not block.height:
            return
        for name, nulls in zip(block.columns, block.null_count().row(0), strict=True):
            self.missing[name] += nulls
        for name, reasons in self._why(block).items():
            self.reasons.setdefault(name, Counter()).update(reasons)
        if "centre" not in block.columns:
            if self._centres is None or "subject_id" not in block.columns:
                return
            block = block.join(self._centres, on="subject_id", how="left")
        names = [name for name in block.columns if name != "centre"]
        counts = block.group_by(pl.col("centre").fill_null("")).agg(
            pl.len().alias("__rows"), *[pl.col(name).count().alias(f"__{name}") for name in names]
        )
        for centre, size, *present in counts.iter_rows():
            self._sizes[centre] += size
            found = self._present.setdefault(centre, Counter())
            for name, count in zip(names, present, strict=True):
                found[name] += count

    def completeness(self, min_cell: int) -> dict[str, str]:
        """Return, per column, JSON of centre to [rows with a value, rows], null where a count is too small to show."""
        centres = sorted(self._sizes)
        sizes = [self._sizes[centre] for centre in centres]
        found: dict[str, str] = {}
        seen: dict[tuple[int, ...], str] = {}
        for name in self.schema if centres else ():
            if name == "centre":
                continue
            present = tuple(self._present[centre][name] for centre in centres)
            if present not in seen:
                pairs = dict(zip(centres, shares(present, sizes, min_cell), strict=True))
                seen[present] = json.dumps(pairs, sort_keys=True, ensure_ascii=False)
            found[name] = seen[present]
        return found


def tally(frame: pl.DataFrame, centres: pl.DataFrame | None = None) -> Tally:
    """Count one whole table."""
    counted = Tally(centres)
    counted.add(frame)
    return counted


def build(
    counted: Mapping[str, Tally],
    pieces: Sequence[pl.DataFrame],
    min_cell: int,
    modalities: Mapping[str, ModalityNames] | None = None,
    stability: Stability | None = None,
) -> pl.DataFrame:
    """Describe every column of the counted tables and of `modalities`.

    Args:
        counted: Table name to what was counted of it.
        pieces: See `ReleaseInputs.dictionary`. The first that fits wins; one for the table goes before one for all,
            a full name before a pattern.
        min_cell: Smallest count of rows shown in `completeness_by_centre`.
        modalities: Modalities of the cohort file; a name described for a table keeps that description.
        stability: What is known of how stable the columns of the analysis table are: `icc_2_1` and its lower limit.

    Returns:
        The dictionary, ordered by table as given and by column as the table has it.

    Raises:
        UserError: If a column has no description; the text names table and columns.
    """
    exact, patterns = _index(pieces)
    rows: list[dict[str, Any]] = []
    undescribed: list[str] = []
    for table, found in counted.items():
        complete = found.completeness(min_cell)
        for column, dtype in found.schema.items():
            text = _describe(table, column, exact, patterns)
            if text is None:
                undescribed.append(f"{table}.{column}")
                continue
            text["type"] = text["type"] or _type_name(dtype)
            rows.append({"table": table, "column": column, **text, "rows": found.rows, "missing": found.missing[column]})
            reasons = found.reasons.get(column)
            rows[-1]["missing_by_reason"] = json.dumps(reasons, sort_keys=True) if reasons else ""
            rows[-1]["completeness_by_centre"] = complete.get(column, "")
    known = {row["column"]: {name: row[name] for name in TEXT_FIELDS} for row in reversed(rows)}
    for modality, names in (modalities or {}).items():
        variables = dict.fromkeys(str(name) for name in names.variables)
        for column in dict.fromkeys([*variables, *(str(name) for name in names.annotations)]):
            text = _describe(modality, column, exact, patterns) or known.get(column)
            if text is None:
                text = _describe_value(modality, column) if names.measured and column in variables else _describe_modality(column)
            if text is None:
                undescribed.append(f"{modality}.{column}")
                continue
            rows.append(
                {
                    "table": modality,
                    "column": column,
                    **text,
                    "rows": None,
                    "missing": None,
                    "missing_by_reason": "",
                    "completeness_by_centre": "",
                }
            )
    if undescribed:
        some = ", ".join(undescribed[:20]) + (f" and {len(undescribed) - 20} more" if len(undescribed) > 20 else "")
        raise UserError(
            f"The data dictionary says nothing of {len(undescribed)} columns: {some}. Describe them in a dictionary piece."
        )
    for row in rows:
        if row["table"] in ("analysis", "radiomics") and row["column"] in (stability or {}):
            row["icc_2_1"], row["icc_2_1_low"], _ = (stability or {})[row["column"]]
    return pl.DataFrame(rows, schema=SCHEMA)


def to_json(dictionary: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the dictionary as JSON objects, reasons and completeness as objects."""
    rows = dictionary.to_dicts()
    for row in rows:
        for name in ("missing_by_reason", "completeness_by_centre"):
            row[name] = json.loads(row[name] or "{}")
    return rows


def _index(pieces: Sequence[pl.DataFrame]) -> tuple[dict[tuple[str, str], dict[str, str]], list[tuple[str, str, dict[str, str]]]]:
    exact: dict[tuple[str, str], dict[str, str]] = {}
    patterns: list[tuple[str, str, dict[str, str]]] = []
    for piece in pieces:
        for row in piece.to_dicts():
            text = {name: str(row.get(name) or "") for name in TEXT_FIELDS}
            table, column = str(row.get("table") or ""), str(row["column"])
            if "*" in column:
                patterns.append((table, column, text))
            else:
                exact.setdefault((table, column), text)
    return exact, patterns


def _describe(
    table: str, column: str, exact: Mapping[tuple[str, str], dict[str, str]], patterns: Sequence[tuple[str, str, dict[str, str]]]
) -> dict[str, str] | None:
    own = exact.get((table, column))
    if own is None:
        own = next((t for where, p, t in patterns if where == table and fnmatch.fnmatchcase(column, p)), None)
    if own is None:
        own = _house(table).get(column) or exact.get(("", column))
    if own is None:
        own = next((t for where, p, t in patterns if not where and fnmatch.fnmatchcase(column, p)), None)
    return dict(own) if own is not None else None


@cache
def _house(table: str) -> dict[str, dict[str, str]]:
    blank = dict.fromkeys(TEXT_FIELDS, "")
    if table == "adtte":
        return {
            name: {**blank, "label": label, "derivation": text, "unit": unit, "source": "CDISC ADaM ADTTE"}
            for name, (label, text, unit) in _ADTTE.items()
        }
    if table == "adrs":
        return {
            name: {**blank, "label": label, "derivation": text, "unit": unit, "source": "CDISC ADaM ADRS"}
            for name, (label, text, unit) in _ADRS.items()
        }
    if table == "bds":
        return {
            name: {**blank, "label": label, "derivation": text, "source": "CDISC ADaM BDS"}
            for name, (label, text) in _BDS.items()
        }
    if table == "trace":
        return {
            name: {**blank, "label": name.replace("_", " "), "derivation": text, "source": "unibase"}
            for name, text in _TRACE.items()
        }
    source = "MEDS 0.4.1" if table == "timeline" else "unibase"
    return {
        c.name: {**blank, "label": c.name.replace("_", " "), "unit": c.unit, "derivation": c.text, "source": source}
        for c in _HOUSE.get(table, ())
    }


def _describe_value(assay: str, variable: str) -> dict[str, str]:
    # One sentence holds for all variables of an assay; where the settings say more, the settings are in the manifest.
    return {
        **dict.fromkeys(TEXT_FIELDS, ""),
        "label": variable,
        "type": "float",
        "derivation": f"Value of {variable} in the assay {assay}, prepared as settings, assays, {assay} of the manifest say.",
        "source": f"assay {assay}",
    }


def _describe_modality(column: str) -> dict[str, str] | None:
    code, _, kind = column.rpartition("_")
    if code and kind in ("AVAL", "CNSR", "ENTRY"):
        label, text = f"{code} {_ADTTE[kind][0].lower()}", f"{kind} of {code} in the table adtte. {_ADTTE[kind][1]}"
    elif code and kind == "AVALC":
        label, text = f"{code} {_ADRS[kind][0].lower()}", f"{kind} of {code} in the table adrs. {_ADRS[kind][1]}"
    elif column in _MODALITY:
        label, text = _MODALITY[column]
    else:
        return None
    return {**dict.fromkeys(TEXT_FIELDS, ""), "label": label, "derivation": text, "source": "unibase"}


def _type_name(dtype: pl.DataType) -> str:
    if dtype.is_integer():
        return "integer"
    if dtype.is_float():
        return "float"
    if dtype == pl.Boolean:
        return "boolean"
    if dtype == pl.Date:
        return "date"
    if isinstance(dtype, pl.Datetime):
        return "datetime"
    return "string"
