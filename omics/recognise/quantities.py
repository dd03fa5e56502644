"""Which columns hold one value a sample, where a table has several columns a sample: counts beside TPM, beta beside detection p-values."""

from __future__ import annotations

import re
from dataclasses import dataclass

from unibase.groundwork.problems import Unusable
from unibase.omics.readers.tabular import Table, mostly_numbers
from unibase.omics.reasons import NOT_RECOGNISED, SEVERAL_QUANTITIES
from unibase.omics.recognise.names import ANNOTATION_TITLES, Feature, plain

_DETECTION = re.compile(r"detection|(^|[ ._-])p[ ._-]?val(ue)?s?$", re.IGNORECASE)
_SAID = {
    # Suffixes or second titles of one quantity each; the first that a table has is taken.
    "gene": (
        ("raw_count", "raw_counts", "raw count", "rawcount", "count", "counts", "read_count", "readcount", "read counts", "raw counts", "raw reads", "gene counts", "reads", "numreads", "unique_gene_reads"),
        ("expected_count", "est_counts", "estcounts"),
        ("normalized_count", "scaled_estimate", "tpm", "fpkm", "rpkm", "cpm", "fpkm_uq", "rpm", "raw_fpkm"),
    ),
    "probe": (("beta_value", "avg_beta", "beta"), ("m_value", "mvalue"), ("signal_a", "signal_b", "methylated signal", "unmethylated signal", "intensity", "avg_nbeads", "avg_nbeads_a", "avg_nbeads_b", "nbeads", "bead_stderr")),
    "protein": (
        ("maxlfq intensity", "lfq intensity"),
        ("log ratio",),
        ("unshared log ratio",),
        ("intensity", "abundances (normalized)", "abundances (scaled)", "abundances (grouped)", "abundances", "abundance", "area", "quantity", "pg.log2quantity", "pg.quantity", "pg.maxlfq"),
        ("spectral count", "total spectral count", "unique spectral count", "unique intensity", "total intensity"),
    ),
}  # fmt: skip
_PREFIXES = ("LFQ intensity ", "Intensity ", "iBAQ ", "Reporter intensity corrected ")
_MAXQUANT_OTHERS = re.compile(
    r"^(Peptides|Razor|Unique peptides|Sequence coverage|MS/MS count|Identification type|Ratio|iBAQ|Intensity|Fraction|Top3)\b"
)

_OF_NO_SAMPLE = re.compile(r"(?i)^(abundance ratio|abundances? counts?\b|found in )|\b(variability|standard error|cv) \[%\]")
"""Columns of Proteome Discoverer that compare samples, or count what was found in one."""
RUN = re.compile(r"(?i)\.(raw|mzml|d|wiff2?|dia|htrms)$")
"""Titles that are files of a mass spectrometer: where some columns are named so, all others are none of a sample."""


@dataclass(frozen=True)
class Chosen:
    """Columns of values.

    Attributes:
        columns: Their places.
        named: Names of their samples, where these are not the titles.
        dropped: Columns of numbers that are another quantity of the same samples.
        said: What was taken and what left, for the evidence.
    """

    columns: list[int]
    named: dict[int, str]
    dropped: frozenset[int]
    said: tuple[str, ...]


def chosen_columns(table: Table, feature: Feature) -> Chosen:
    """Return the columns of numbers of `table` of one quantity; of several, that which a `feature` is measured by.

    Raises:
        Unusable: `several-quantities` when a table has several and none is the one that is needed, `not-recognised` when its rows are peptides.
    """
    numbers = _of_numbers(table)
    detection = [i for i in numbers if _DETECTION.search(table.titles[i])]
    numeric = _without(numbers, detection)
    said = (f"{len(detection)} columns of detection p-values left out",) if detection else ()
    if feature == "protein":
        none = [i for i in numeric if _OF_NO_SAMPLE.search(table.titles[i])]
        said = (*said, f"{len(none)} columns of ratios, counts and errors left out") if none else said
        detection, numeric = [*detection, *none], _without(numeric, none)
        _refuse_silac(table)
        _refuse_precursors(table)
        if chosen := _prefixed(table, numeric) or _by_runs(table, numeric, said):
            return chosen
    if table.subtitles:
        return _by_quantity(table, numeric, {i: (table.titles[i], table.subtitles[i]) for i in numeric}, feature, said)
    parts = {i: split for i in numeric if (split := _split(table.titles[i], feature))}
    if _are_quantities(table, numeric, parts, feature):
        return _by_quantity(table, numeric, parts, feature, said)
    return Chosen(numeric, {}, frozenset(detection), said)


def _of_numbers(table: Table) -> list[int]:
    """Return the columns that hold numbers, or mostly."""
    return [i for i in range(len(table.titles)) if table.is_number(i) or mostly_numbers(table.frame.get_column(f"c{i}"))]


def _without(columns: list[int], others: list[int]) -> list[int]:
    left_out = set(others)
    return [i for i in columns if i not in left_out]


def _refuse_silac(table: Table) -> None:
    if any(re.match(r"Ratio [HM]/[LM]( |$)", title) for title in table.titles):
        raise Unusable(
            SEVERAL_QUANTITIES,
            "The table has ratios of labels (SILAC), and intensities of each label: nobody can tell which are the samples.",
            "Keep one column a sample: logarithms of the ratios, or the intensities of one label.",
        )


def _refuse_precursors(table: Table) -> None:
    if {plain(title) for title in table.titles} & {"precursorid", "modifiedsequence", "strippedsequence", "peptidesequence"}:
        raise Unusable(
            NOT_RECOGNISED,
            "The rows are peptides or precursors, not proteins.",
            "Give the table of proteins (DIA-NN's report.pg_matrix.tsv, MaxQuant's proteinGroups.txt, FragPipe's combined_protein.tsv).",
        )


def _by_runs(table: Table, numeric: list[int], said: tuple[str, ...]) -> Chosen | None:
    """Return the columns named by files of a mass spectrometer, where some are and others not."""
    runs = [i for i in numeric if RUN.search(table.titles[i])]
    if not runs or len(runs) == len(numeric):
        return None
    told = f"columns named by files of runs taken, {len(numeric) - len(runs)} others left out"
    return Chosen(runs, {}, frozenset(numeric) - set(runs), (*said, told))


def _are_quantities(table: Table, numeric: list[int], parts: dict[int, tuple[str, str]], feature: Feature) -> bool:
    """Whether titles that split into sample and quantity tell several quantities, or one of all columns of values."""
    kinds = {_rank(quantity, feature) for _, quantity in parts.values()}
    if len(kinds) > 1:
        return True
    measured = [i for i in numeric if plain(table.titles[i]) not in ANNOTATION_TITLES]
    return bool(parts) and len(parts) == len(measured) and feature != "gene"


def _prefixed(table: Table, numeric: list[int]) -> Chosen | None:
    for prefix in _PREFIXES:
        mine = [i for i in numeric if table.titles[i].startswith(prefix) and table.titles[i] != "iBAQ peptides"]
        if mine and any(_MAXQUANT_OTHERS.match(title) for title in table.titles):
            named = {i: table.titles[i].removeprefix(prefix) for i in mine}
            others = frozenset(numeric) - set(mine)
            return Chosen(mine, named, others, (f"MaxQuant: columns {prefix.strip()} taken, {len(others)} others left out",))
    return None


def _split(title: str, feature: Feature) -> tuple[str, str] | None:
    # The longest first, whatever its rank: `Unshared Log Ratio` is no `Log Ratio` of a sample called Unshared.
    for quantity in sorted((quantity for group in _SAID[feature] for quantity in group), key=len, reverse=True):
        words = re.escape(quantity)
        for form in (rf"^(.+?)[ ._:|-]+{words}$", rf"^(.+?)\s*[(\[]{words}[)\]]$", rf"^{words}[ ._:|-]+(.+)$"):
            if match := re.match(form, title, re.IGNORECASE):
                return match[1], quantity
    return None


def _rank(quantity: str, feature: Feature) -> int:
    return next((rank for rank, group in enumerate(_SAID[feature]) if quantity.lower() in group), 99)


def _by_quantity(
    table: Table, numeric: list[int], parts: dict[int, tuple[str, str]], feature: Feature, said: tuple[str, ...]
) -> Chosen:
    ranks = {i: (_rank(quantity, feature), quantity.lower()) for i, (_, quantity) in parts.items()}
    best = min(ranks.values(), default=(99, ""))
    taken = [i for i, rank in ranks.items() if rank == best]
    if best[0] == 99 or len({parts[i][0] for i in taken}) < len(taken):
        raise Unusable(
            SEVERAL_QUANTITIES,
            "The table has several columns a sample, and none is known to hold the values of the assay.",
            "Keep one column of values a sample.",
        )
    others = frozenset(numeric) - set(taken)
    return Chosen(
        taken,
        {i: parts[i][0] for i in taken},
        others,
        (*said, f"columns {best[1]} taken" + (f", {len(others)} of other quantities left out" if others else "")),
    )
