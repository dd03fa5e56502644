"""The words of columns that every release has: of the house, of MEDS and of CDISC ADaM, and of the annotations of a modality."""

from __future__ import annotations

from functools import cache

import polars as pl

from unibase.groundwork import tables

TEXT_FIELDS = ("label", "type", "unit", "codes", "derivation", "source")

_STAGING = (
    *(
        tables.Column(
            f"{kind}_prefix",
            pl.String(),
            f"What stands before {kind} in the source: c clinical, p pathological, y after treatment, r recurrence.",
        )
        for kind in ("T", "N", "M")
    ),
    *(tables.Column(f"{kind}_text", pl.String(), f"{kind} as the source writes it.") for kind in ("T", "N", "M", "STAGE")),
)

_HOUSE = {
    "subjects": (tables.SUBJECT, tables.CENTRE, *_STAGING),
    "analysis": (tables.SUBJECT, tables.CENTRE),
    "timeline": tables.EVENTS.columns,
    "features": tables.FEATURES.columns,
    "images": (
        *tables.VOXELS.columns,
        tables.Column("days_from_index", pl.Int64(), "Whole days from the subject's index to the image.", "d"),
    ),
    "sample_map": (
        *tables.SAMPLE_MAP.columns,
        tables.Column("chosen", pl.Boolean(), "Whether the sample is the row of its subject in the cohort file."),
    ),
    "quarantine": tables.QUARANTINE.columns,
    "missing": (
        tables.SUBJECT,
        tables.Column(
            "variable", pl.String(), "Column of the analysis table; a name that ends in * stands for all that begin so."
        ),
        tables.Column("reason", pl.String(), "Why its cell is empty, where no row of the trace and no other rule says it."),
    ),
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


@cache
def house(table: str) -> dict[str, dict[str, str]]:
    """Return the words of the columns that the house or a standard defines, for one table."""
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


def of_value(assay: str, variable: str) -> dict[str, str]:
    """Return the words of a variable of an assay that no piece describes."""
    # One sentence holds for all variables of an assay; where the settings say more, the settings are in the manifest.
    return {
        **dict.fromkeys(TEXT_FIELDS, ""),
        "label": variable,
        "type": "float",
        "derivation": f"Value of {variable} in the assay {assay}, prepared as settings, assays, {assay} of the manifest say.",
        "source": f"assay {assay}",
    }


def of_annotation(column: str) -> dict[str, str] | None:
    """Return the words of a column of obs or var, or of a layer; None where there are none."""
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
