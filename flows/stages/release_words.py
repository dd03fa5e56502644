"""The words of the dictionary for the columns that a build makes: what the rooms know, put under the columns' names."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from unibase.flows.runs.run import Run
from unibase.flows.study.places import FEATURES as FEATURES_TABLE
from unibase.groundwork.tables import FEATURES
from unibase.imaging.radiomics.feature_words import feature_dictionary
from unibase.imaging.tables import STABILITY
from unibase.linking.harmonised.beside_raw import PREFIX
from unibase.linking.options import ClinicalWindow, HarmoniseRule, ImagingWindow, SampleWindow, Window

PIECE = pl.Schema({name: pl.String() for name in ("table", "column", "label", "type", "unit", "codes", "derivation", "source")})

SUBJECTS = (
    ("centre", "Centre", "First by name of the centres that know the subject.", "", ""),
    ("centres", "All centres", "Every centre that knows the subject, separated by semicolons.", "", ""),
    ("SEX", "Sex", "Administrative sex in the clinical records.", "M male; F female", ""),
    ("AGE", "Age at the index", "Whole years from birth to the index date.", "", "a"),
    (
        "T",
        "T at the index",
        "Last T of a TNM staging up to the index, one vocabulary for all centres: T0, Tis, T1 to T4, TX, and finer.",
        "",
        "",
    ),
    (
        "N",
        "N at the index",
        "Last N of a TNM staging up to the index, one vocabulary for all centres: N0 to N3, NX, and finer.",
        "",
        "",
    ),
    (
        "M",
        "M at the index",
        "Last M of a TNM staging up to the index, one vocabulary for all centres: M0, M1, MX, and finer.",
        "",
        "",
    ),
    ("STAGE", "Stage at the index", "Last stage group up to the index: 0, I to IV, and finer.", "", ""),
    (
        "CHARLSON",
        "Charlson comorbidity index",
        "ICD-10 diagnoses up to the index (Quan 2005), weights of 1987, cancer and metastasis left out.",
        "",
        "",
    ),
    ("LSTALVDT", "Last date known alive", "Latest event of the concept last_contact.", "", ""),
    ("INDEXDT", "Index date", "Shifted date of the index event.", "", ""),
    ("split", "Part of the split", "Part by keyed draw, as `splits: parts` of the settings says.", "", ""),
    ("fold", "Fold", "Fold, by keyed draw, in which the subject is tested.", "", ""),
    ("has_*", "Modality present", "Whether the subject has data of this modality, inside or outside the windows.", "", ""),
)


PER_SAMPLE = {
    "mutations": [("mutations_tmb", "Tumour mutational burden", "Protein-changing variants per callable megabase.", "1/Mb")],
    "rearrangements": [
        (
            "rearrangements_events",
            "Rearrangements",
            "Fusions or structural variants with a gene, each pair of genes once in a sample.",
            "",
        ),
    ],
    "copy_number": [
        (
            "copy_number_fraction_altered",
            "Fraction of the genome altered",
            "Share of the profiled autosomal bases in segments whose log2 ratio is 0.2 or more from zero.",
            "1",
        ),
        (
            "copy_number_ploidy",
            "Ploidy",
            "Mean copies over the profiled autosomal bases; null where the segments are ratios.",
            "1",
        ),
        (
            "copy_number_loh",
            "Fraction with loss of heterozygosity",
            "Share of the profiled autosomal bases of which one allele alone is left; null where alleles are not told apart.",
            "1",
        ),
        (
            "copy_number_hrd_loh",
            "HRD-LOH",
            "Regions of lost heterozygosity above 15 Mb, whole chromosomes left out (Abkevich 2012); null where alleles are not told apart.",
            "1",
        ),
        (
            "copy_number_hrd_tai",
            "Telomeric allelic imbalances",
            "Ends of chromosomes in allelic imbalance up to before the centromere (Birkbak 2012); null where alleles are not told apart.",
            "1",
        ),
        (
            "copy_number_hrd_lst",
            "Large-scale transitions",
            "Breaks between pieces of 10 Mb and more within an arm (Popova 2012), not corrected for ploidy; null where alleles are not told apart.",
            "1",
        ),
        (
            "copy_number_hrd_sum",
            "HRD sum",
            "HRD-LOH, telomeric allelic imbalances and large-scale transitions together, as scarHRD counts them.",
            "1",
        ),
    ],
}
"""Columns of the analysis table that an assay gives beside its features: column, label, derivation, unit."""


@dataclass(frozen=True)
class _Piece:
    """What the dictionary says of one column; the fields are those of `PIECE`."""

    column: str
    label: str
    derivation: str
    table: str = ""
    type: str = ""
    unit: str = ""
    codes: str = ""
    source: str = ""


def describe_columns(run: Run, analysis: list[str]) -> list[pl.DataFrame]:
    """Return dictionary pieces for subjects, features and the columns of the `analysis` table of `run`."""
    rows = [
        _Piece(name, label, derivation, table="subjects", codes=codes, unit=unit)
        for name, label, derivation, codes, unit in SUBJECTS
    ]
    rows += _features(run)
    rows += [
        _Piece(column.name, column.name.replace("_", " "), column.text, table=STABILITY.name) for column in STABILITY.columns
    ]
    rows += _analysis(run, analysis)
    return [pl.DataFrame([asdict(row) for row in rows], schema=PIECE)]


def _features(run: Run) -> Iterator[_Piece]:
    path = _features_file(run)
    engines = pl.scan_parquet(path).select(pl.col("engine").unique().sort()).collect()["engine"] if path.exists() else None
    for row in feature_dictionary(_feature_columns(run)).to_dicts():
        yield _Piece(
            row["column"],
            row["column"].replace("_", " "),
            _derivation(row),
            table="features",
            unit=row["unit"] or "",
            codes=_ibsi(row),
            source=", ".join(engines) if engines is not None else "",
        )


def _features_file(run: Run) -> Path:
    return run.place(FEATURES_TABLE)


def _feature_columns(run: Run) -> list[str]:
    path = _features_file(run)
    return list(pl.read_parquet_schema(path)) if path.exists() else list(FEATURES.schema())


def _derivation(row: dict[str, Any]) -> str:
    parts = [row["definition"], f"Aggregation: {row['aggregation']}." if row["aggregation"] else "", row["difference"] or ""]
    return " ".join(part for part in parts if part)


def _ibsi(row: dict[str, object]) -> str:
    return f"IBSI {row['ibsi_code']}" if row["ibsi_code"] else ""


def _analysis(run: Run, analysis: list[str]) -> Iterator[_Piece]:
    index = run.study.index
    yield _Piece("index_time", "Index", f"Time of the index event: {index.which} {index.concept}.", table="analysis")
    yield from _clinical_variables(run)
    for assay, window in run.study.windows.assays.items():
        yield from _assay_variables(run, assay, window, analysis)
    yield from _image_variables(run, analysis)


def _clinical_variables(run: Run) -> Iterator[_Piece]:
    units = _units(run)
    for name, window in run.study.windows.clinical.items():
        slope = window.choose == "slope"
        yield _Piece(
            name,
            f"Slope of {window.concept} up to the index" if slope else f"{window.concept} at the index",
            _clinical(window),
            table="analysis",
            unit=_with_day(window.unit or units.get(name, ""), slope),
            source="events",
        )


def _assay_variables(run: Run, assay: str, window: SampleWindow, analysis: list[str]) -> Iterator[_Piece]:
    yield _Piece(f"{assay}_sample", f"Chosen sample of {assay}", _sample(window), table="analysis", source="sample_map")
    yield _Piece(f"{assay}_*", f"Value of {assay} in the chosen sample", _value(run, assay), table="analysis", source=assay)
    if assay == "rna":
        yield from _set_scores(run, analysis)
        yield from _centroids(run, analysis)
    if assay == "mutations":
        yield from _signatures(run, analysis)
    for name, label, derivation, unit in (words for words in PER_SAMPLE.get(assay, ()) if words[0] in analysis):
        yield _Piece(name, label, derivation, table="analysis", unit=unit)
    if assay == "rna" and run.study.harmonise.rna is not None:
        yield _Piece(
            f"{PREFIX}{assay}_*",
            f"Harmonised value of {assay} in the chosen sample",
            f"{_value(run, assay)} {_combat(run.study.harmonise.rna)}",
            table="analysis",
            source=assay,
        )


SET_SCORES = {
    "ssgsea": "Single-sample gene set enrichment (Barbie 2009) of the normalised expression: GSVA's score without its division by the "
    "range of the cohort, over the number of genes.",
    "ulm": "t value of the slope of the normalised expression of all genes on membership in the set (decoupleR's univariate linear "
    "model, not centred).",
}
"""How a score of a set of genes is derived, by its name."""


def _set_scores(run: Run, analysis: list[str]) -> Iterator[_Piece]:
    """Yield the words of the scores of sets of genes, each computed from the chosen sample alone."""
    if not run.study.assays.rna.gene_sets:
        return
    file = Path(run.study.assays.rna.gene_sets).name
    for score in run.study.assays.rna.scores:
        start = f"rna_{score}_"
        for column in (column for column in analysis if column.startswith(start)):
            name = column.removeprefix(start)
            derivation = f"{SET_SCORES[score]} Genes of the set {name} of {file} that the frozen model has."
            yield _Piece(column, f"{score} of {name}", derivation, table="analysis", unit="1", source="rna")


def _centroids(run: Run, analysis: list[str]) -> Iterator[_Piece]:
    """Yield the words of the likeness to centroids."""
    file, start = Path(run.study.assays.rna.centroids or "").name, "rna_centroid_"
    for column in (column for column in analysis if column.startswith(start)):
        name = column.removeprefix(start)
        text = f"Spearman correlation of the normalised expression, less the centres of {file}, with its centroid {name}."
        yield _Piece(column, f"Likeness to {name}", text, table="analysis", unit="1", source="rna")


def _signatures(run: Run, analysis: list[str]) -> Iterator[_Piece]:
    """Yield the words of the refitted mutational signatures."""
    options = run.study.assays.mutations
    start = "mutations_signature_"
    for column in (column for column in analysis if column.startswith(start)):
        name = column.removeprefix(start)
        what = (
            "Cosine of the sample's spectrum of substitutions and what all signatures explain of it."
            if name == "cosine"
            else f"Substitutions that {name} of {Path(options.signatures or '').name} explains (least squares, none below zero)."
        )
        few = f"Null with fewer than {options.least_substitutions} substitutions."
        yield _Piece(column, f"Signature {name}", f"{what} {few}", table="analysis", unit="1", source="mutations")


def _image_variables(run: Run, analysis: list[str]) -> Iterator[_Piece]:
    """Yield the words of the radiomic columns; a name that another window took keeps the words of that."""
    windows = run.study.windows
    if windows.imaging is None:
        return
    taken = {"subject_id", "centre", *windows.clinical, *(f"{assay}_sample" for assay in windows.assays)}
    described = {row["column"]: row for row in _feature_rows(run)}
    for column in analysis:
        prefix, name = _parted(column, described)
        if name and column not in taken:
            row = described[name]
            derivation = f"{_derivation(row)} {_imaging(windows.imaging)}"
            if column.startswith(PREFIX) and run.study.harmonise.imaging is not None:
                derivation += f" {_combat(run.study.harmonise.imaging)}"
            yield _Piece(
                column,
                f"{name} of {prefix}",
                derivation,
                table="analysis",
                unit=row["unit"] or "",
                codes=_ibsi(row),
                source="features",
            )


def _units(run: Run) -> dict[str, str]:
    """Return the unit of each clinical variable whose values all have one and the same."""
    path = run.study.work.linked / "bds.parquet"
    if not path.exists():
        return {}
    rows = pl.scan_parquet(path).filter(pl.col("AVAL").is_not_null()).group_by("PARAM").agg(pl.col("AVALU").unique())
    found = {param: values for param, values in rows.collect().iter_rows() if len(values) == 1 and values[0]}
    return {str(param).split(" (")[0]: str(values[0]) for param, values in found.items()}


def _with_day(unit: str, slope: bool) -> str:
    return f"{unit}/d" if unit and slope else unit


def _parted(column: str, names: Container[str]) -> tuple[str, str]:
    """Return what stands before the feature in a column's name, and the feature: the longest end that is one, or nothing.

    IBSI's tags have underscores of their own (`cm_joint_entr_3D_avg`), so no pattern of two words finds them.
    """
    parts = column.split("_")
    for place in range(1, len(parts)):
        if (name := "_".join(parts[place:])) in names:
            return "_".join(parts[:place]), name
    return column, ""


def _feature_rows(run: Run) -> list[dict[str, Any]]:
    identity: set[str] = {column.name for column in FEATURES.columns}
    return [row for row in feature_dictionary(_feature_columns(run)).to_dicts() if row["column"] not in identity]


def _span(window: Window) -> str:
    start = "any time" if window.from_days is None else f"day {window.from_days:g}"
    return f"from {start} to day {window.to_days:g} of the index"


def _clinical(window: ClinicalWindow) -> str:
    how = "slope (least squares, per day)" if window.choose == "slope" else window.choose
    return f"{how} of concept {window.concept}, {_span(window)}; nothing known only after the index is used."


def _sample(window: SampleWindow) -> str:
    return f"{window.choose} sample, {_span(window)}, of type {', then '.join(window.sample_types)}."


def _imaging(window: ImagingWindow) -> str:
    which = "the latest series less that of the first" if window.choose == "delta" else f"the {window.choose} series"
    return f"Of {which}, {_span(window)}."


def _combat(rule: HarmoniseRule) -> str:
    kept = f", effects of {', '.join(rule.covariates)} kept" if rule.covariates else ""
    return f"Harmonised by ComBat over {rule.batch}s{kept}; the raw value is in the column of the same name without {PREFIX}."


def _value(run: Run, assay: str) -> str:
    words = {
        "rna": f"Normalised expression (method {run.study.assays.rna.method}) of the gene.",
        "mutations": "1 when the gene has a protein-changing variant, 0 when it was sequenced and has none, null when it was not sequenced. After a colon: only truncating variants, or only those at a hotspot.",
        "rearrangements": "1 when the gene, or the pair of genes, is joined or broken by a fusion or structural variant, 0 when the sample was looked at and has none, null when it was not.",
        "nanostring": "log2 of the gene's count over the geometric mean of the lane's housekeeping genes; counts at the background are raised to it.",
        "results": "Result of another tool or laboratory, as its table gives it: a number; behind a colon 1 where the sample is of the class and 0 where of another; of an HLA allele its copies. Null where the table says none.",
        "methylation": "M-value, log2(beta / (1 - beta)), of the probe; null where it was masked or not detected.",
        "copy_number": "Mean log2 ratio of tumour to normal over the chromosome arm or gene; null where no segment covers it, or less than half of the arm. Before :call, the call of the gene from -2 (deep loss) to 2 (amplification).",
        "proteomics": "log2 abundance of the protein (of a plex with reference channels, their ratio) less the median of the sample; null when it was not quantified.",
        "single_cell": "log2(counts per million + 1) of the gene, summed over the cells of the type before the colon; null where the sample has too few of them.",
    }
    return words[assay]
