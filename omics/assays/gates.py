"""Gates before arithmetic: what a matrix really is, and which samples can be used.

Every sample that enters leaves as kept or as refused with a reason: `GateReport.kept` and `.refused` add up to the
samples of the matrix.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from unibase.groundwork.problems import Unusable
from unibase.omics.genes import ledger, merge_repeated
from unibase.omics.readers.counts import as_counts

if TYPE_CHECKING:
    from anndata import AnnData

Kind = Literal[
    "counts", "noisy-counts", "estimated-counts", "per-million", "log", "negative", "constant", "fraction", "intensities"
]

LIBRARY_SHARE = 0.05
"""A library below this share of the median library has failed."""
GENES_SHARE = 0.25
"""A sample that detects fewer than this share of the median number of genes has failed."""
NOISE = 1e-3
"""Largest distance from a whole number that counts as noise of a float format."""


@dataclass(frozen=True)
class Refusal:
    """One sample that is not used. `sample` is its name in the matrix; `message` holds no name."""

    sample: str
    reason: str
    message: str
    remedy: str = ""


@dataclass(frozen=True)
class GateReport:
    """What the gates found.

    Attributes:
        kind: What the values are.
        kept: Names of the samples that can be used, in the order of the matrix.
        refused: The others, with reasons, by name.
        notes: Ledger lines on the matrix as a whole, such as genes merged or values rounded.
    """

    kind: Kind
    kept: tuple[str, ...]
    refused: tuple[Refusal, ...]
    notes: tuple[str, ...] = field(default=())

    def reasons(self) -> dict[str, str]:
        """Return `{sample: reason}` of the refused samples."""
        return {refusal.sample: refusal.reason for refusal in self.refused}

    def staging_reasons(self) -> dict[str, tuple[str, str, str]]:
        """Return `{sample: (reason, message, remedy)}`, as `samples.stage` takes it."""
        return {refusal.sample: (refusal.reason, refusal.message, refusal.remedy) for refusal in self.refused}

    def apply(self, adata: AnnData) -> AnnData:
        """Return the kept samples with whole counts; genes listed twice are added up."""
        kept = adata[list(self.kept)].copy()
        values = np.asarray(kept.X)
        if self.kind in ("noisy-counts", "estimated-counts"):
            values = np.rint(values)
        kept.X = as_counts(values)
        return merge_repeated(kept)


def kind_of(values: np.ndarray) -> Kind:
    """Tell what a samples x genes matrix holds from its values alone (non-finite cells are left aside).

    Integers are counts. Floats within `NOISE` of integers are counts that a format made noisy. Values below zero
    are log ratios or centred data. Non-negative fractions with equal row sums near a million are TPM or CPM; with a
    small maximum they are logarithms, or fractions when none exceeds one; else they are estimated counts, as
    tximport and salmon give.
    """
    finite = np.isfinite(values)
    known = values if finite.all() else values[finite]
    if known.size == 0 or (known.min() == known.max() and known.min() != 0):
        return "constant"
    if known.min() < 0:
        return "negative"
    if np.issubdtype(values.dtype, np.integer):
        return "counts"
    whole = np.rint(known)
    if (whole == known).all():
        return "counts"
    # A log or a fraction is near a whole number by chance only.
    if np.abs(known - whole).max() <= NOISE and known.max() > 1:
        return "noisy-counts"
    if known.max() <= 1:
        return "fraction"
    sums = np.where(finite, values, 0).sum(axis=1)
    positive = sums[sums > 0]
    if positive.size and np.abs(positive / 1e6 - 1).max() < 0.02:
        return "per-million"
    if known.max() < 40:
        return "log"
    near = np.abs(known - whole) <= NOISE
    # Estimated counts are whole for every gene whose reads are unique and zero for the silent ones.
    return "estimated-counts" if near.mean() > 0.2 else "per-million"


_LOOKS = {
    "per-million": "values per million (TPM, CPM, FPKM)",
    "log": "logarithms",
    "negative": "values below zero (logarithms or centred data)",
    "constant": "one value in all cells",
    "fraction": "fractions between 0 and 1",
}


def check_counts(adata: AnnData, patients: Mapping[str, str] | None = None, *, compare_libraries: bool = True) -> GateReport:
    """Check a count matrix.

    Args:
        adata: Samples x genes, as `counts.read_counts` gives it.
        patients: Patient of each sample, when known. Identical columns of one patient are one sample given twice
            and the first by name is kept; of different patients, none is kept, for nobody can tell whose it is.
            Without `patients`, the first by name is kept.
        compare_libraries: Refuse libraries far below the cohort's median (`failed-library`).

    Reasons of refused samples: `empty-sample`, `failed-library`, `duplicate-sample`, `missing-values`.

    Raises:
        Unusable: `not-counts` when the matrix as a whole holds no counts (the text says what it looks like).
    """
    values = np.asarray(adata.X)
    names = [str(name) for name in adata.obs_names]
    sources = [str(name) for name in adata.obs["sample"]] if "sample" in adata.obs else names
    refused: dict[str, Refusal] = {}
    notes: list[str] = []
    if np.issubdtype(values.dtype, np.floating):
        holes = ~np.isfinite(values).all(axis=1)
        for name in (n for n, hole in zip(names, holes, strict=True) if hole):
            refused[name] = Refusal(name, "missing-values", "The sample lacks values for some genes.", "Count the sample again.")
    kind = kind_of(values)
    if kind in _LOOKS:
        raise Unusable(
            "not-counts",
            f"The matrix holds {_LOOKS[kind]}, not counts.",
            "Give raw counts: they cannot be had back from these values.",
        )
    if kind != "counts":
        notes.append(f"values rounded to whole counts ({kind})")

    sizes = np.atleast_1d(np.nansum(values, axis=1, dtype=np.float64))
    detected = np.atleast_1d((values > 0).sum(axis=1))
    for name, size in zip(names, sizes, strict=True):
        if size == 0 and name not in refused:
            refused[name] = Refusal(name, "empty-sample", "The sample has no count at all.", "Sequence or count it again.")

    _refuse_duplicates(values, names, sources, patients, refused)

    usable = np.array([name not in refused for name in names])
    if compare_libraries and usable.sum() >= 3:
        size_floor = LIBRARY_SHARE * float(np.median(sizes[usable]))
        gene_floor = GENES_SHARE * float(np.median(detected[usable]))
        for name, size, genes, ok in zip(names, sizes, detected, usable, strict=True):
            if ok and (size < size_floor or genes < gene_floor):
                what = "total count" if size < size_floor else "number of detected genes"
                share = LIBRARY_SHARE if size < size_floor else GENES_SHARE
                refused[name] = Refusal(
                    name,
                    "failed-library",
                    f"Its {what} is below {share:.0%} of the cohort's median.",
                    "Sequence it again, or leave it out.",
                )
    notes += _gene_notes(adata)
    kept = tuple(name for name in names if name not in refused)
    return GateReport(kind, kept, tuple(refused[name] for name in sorted(refused)), tuple(notes))


def _gene_notes(adata: AnnData) -> list[str]:
    """Ledger lines on genes: which names were added up, and which stay as they are because nobody knows their gene."""
    notes = []
    source = [str(name) for name in adata.var.get("gene_id_source", adata.var_names)]
    repeated = adata.var_names.duplicated()
    if repeated.any():
        together: dict[str, list[str]] = {str(gene): [] for gene in adata.var_names[repeated]}
        for gene, name in zip(adata.var_names, source, strict=True):
            if gene in together:
                together[str(gene)].append(name)
        said = [" + ".join(names) for names in together.values()]
        notes.append(f"{int(repeated.sum())} rows of genes listed more than once added to the first: {_some(said)}")
    unclear = ledger(source)
    for how, text in (
        ("spreadsheet-date", "that a spreadsheet turned into dates"),
        ("ambiguous", "that stand for several genes"),
    ):
        names = unclear.filter(pl.col("how") == how)["source"].to_list()
        if names:
            notes.append(f"{len(names)} names {text} left as they are: {_some(names)}")
    return notes


def _some(names: list[str], most: int = 20) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _refuse_duplicates(
    values: np.ndarray, names: list[str], sources: list[str], patients: Mapping[str, str] | None, refused: dict[str, Refusal]
) -> None:
    by_source: dict[str, list[int]] = defaultdict(list)
    by_content: dict[bytes, list[int]] = defaultdict(list)
    for i, (name, source) in enumerate(zip(names, sources, strict=True)):
        if name not in refused:
            by_source[source].append(i)
            by_content[hashlib.sha256(np.ascontiguousarray(values[i]).tobytes()).digest()].append(i)
    for group in by_content.values():
        if len(group) > 1:
            group = sorted(group, key=lambda i: names[i])
            one_patient = patients is None or len({patients.get(sources[i], names[i]) for i in group}) == 1
            for i in group[1:] if one_patient else group:
                text = "is the same as another sample's" if one_patient else "is the same as that of another patient's sample"
                refused[names[i]] = Refusal(
                    names[i], "duplicate-sample", f"Its column {text}.", "Find out which of them is right."
                )
    for group in by_source.values():
        alive = [i for i in group if names[i] not in refused]
        if len(alive) > 1:
            for i in alive:
                refused[names[i]] = Refusal(
                    names[i],
                    "duplicate-sample",
                    "Its name heads several columns with different values.",
                    "Give each sample a name of its own.",
                )


def no_sample_left() -> Unusable:
    """Return what is said when every sample of an assay was refused."""
    return Unusable("no-sample-left", "No centre has a sample of this assay that can be used.", "Look at the quarantine.")
