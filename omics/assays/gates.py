"""Gates before arithmetic: what a matrix really is, and which samples can be used.

Every sample that enters leaves as kept or as refused with a reason: `GateReport.kept` and `.refused` add up to the
samples of the matrix.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from unibase.groundwork.problems import Unusable
from unibase.groundwork.reasons import EMPTY_SAMPLE, MISSING_VALUES
from unibase.omics.genes import ledger, merge_repeated
from unibase.omics.options import Unit
from unibase.omics.readers.counts import as_counts
from unibase.omics.reasons import DUPLICATE_SAMPLE, FAILED_LIBRARY, NO_SAMPLE_LEFT, NOT_COUNTS, OTHER_UNIT
from unibase.omics.recognise.counting_noise import stray_samples
from unibase.omics.recognise.expression_unit import Told, rna_unit
from unibase.omics.recognise.names import look_at_genes

if TYPE_CHECKING:
    from anndata import AnnData

type Kind = str
"""What values are: `counts`, `noisy-counts`, `estimated-counts` can be used as counts; others name another unit."""
COUNTS = ("counts", "noisy-counts", "estimated-counts")

LIBRARY_SHARE = 0.05
"""A library below this share of the median library has failed."""
GENES_SHARE = 0.25
"""A sample that detects fewer than this share of the median number of genes has failed."""


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
        """Return the kept samples of `adata`, the matrix that was checked, with whole counts; genes listed twice are added up."""
        kept = adata[list(self.kept)].copy()
        values = np.asarray(kept.X)
        if self.kind in ("noisy-counts", "estimated-counts"):
            values = np.rint(values)
        kept.X = as_counts(values)
        return merge_repeated(kept)


def check_counts(
    adata: AnnData,
    patients: Mapping[str, str] | None = None,
    *,
    compare_libraries: bool = True,
    unit: Unit | None = None,
    named: str = "",
) -> GateReport:
    """Check a count matrix.

    Args:
        adata: Samples x genes, as `counts.read_counts` gives it.
        patients: Patient of each sample, when known. Identical columns of one patient are one sample given twice
            and the first by name is kept; of different patients, none is kept, for nobody can tell whose it is.
            Without `patients`, the first by name is kept.
        compare_libraries: Refuse libraries far below the cohort's median (`failed-library`).
        unit: What the values are, where the study file says it: `counts` or `expected counts`.
        named: Name of the file, which may say another unit than the values do.

    Reasons of refused samples: `empty-sample`, `other-unit`, `failed-library`, `duplicate-sample`, `missing-values`.

    Raises:
        Unusable: `not-counts` when the matrix as a whole holds no counts (the text says what it looks like).
    """
    values = np.asarray(adata.X)
    names = [str(name) for name in adata.obs_names]
    sources = [str(name) for name in adata.obs["sample"]] if "sample" in adata.obs else names
    refused: dict[str, Refusal] = {}
    _refuse_gaps(values, names, refused)
    told = rna_unit(values)
    kind = _usable_kind(told, values, unit, named)
    notes = [f"unit: {unit}, as the study file says" if unit else f"unit: {told.unit} ({'; '.join(told.evidence)})"]
    if kind != "counts":
        notes.append(f"values rounded to whole counts ({kind})")
    sizes = np.atleast_1d(np.nansum(values, axis=1, dtype=np.float64))
    for name, size in zip(names, sizes, strict=True):
        if size == 0 and name not in refused:
            refused[name] = Refusal(name, EMPTY_SAMPLE, "The sample has no count at all.", "Sequence or count it again.")
    _refuse_duplicates(values, names, sources, patients, refused)
    if compare_libraries:
        _refuse_failed(names, sizes, np.atleast_1d((values > 0).sum(axis=1)), refused)
    if compare_libraries and unit is None:
        _refuse_strays(values, names, refused)
    notes += _gene_notes(adata)
    kept = tuple(name for name in names if name not in refused)
    return GateReport(kind, kept, tuple(refused[name] for name in sorted(refused)), tuple(notes))


def _refuse_gaps(values: np.ndarray, names: list[str], refused: dict[str, Refusal]) -> None:
    if np.issubdtype(values.dtype, np.floating):
        holes = ~np.isfinite(values).all(axis=1)
        for name in (n for n, hole in zip(names, holes, strict=True) if hole):
            refused[name] = Refusal(
                name, MISSING_VALUES, "The sample lacks values for some genes.", "Count it again; write 0 if empty is none."
            )


def _refuse_strays(values: np.ndarray, names: list[str], refused: dict[str, Refusal]) -> None:
    """Ask about a sample that may be of another unit than the others: nobody can tell that from another tissue."""
    usable = [place for place, name in enumerate(names) if name not in refused]
    for stray in stray_samples(np.asarray(values, dtype=np.float64)[usable]):
        name = names[usable[stray]]
        refused[name] = Refusal(name, OTHER_UNIT, OTHER_UNIT.meaning, OTHER_UNIT.remedy)


def _refuse_failed(names: list[str], sizes: np.ndarray, detected: np.ndarray, refused: dict[str, Refusal]) -> None:
    """Refuse libraries far below the median of those that can be used; fewer than three have none."""
    usable = np.array([name not in refused for name in names])
    if usable.sum() < 3:
        return
    size_floor = LIBRARY_SHARE * float(np.median(sizes[usable]))
    gene_floor = GENES_SHARE * float(np.median(detected[usable]))
    for name, size, genes, ok in zip(names, sizes, detected, usable, strict=True):
        if ok and (size < size_floor or genes < gene_floor):
            what = "total count" if size < size_floor else "number of detected genes"
            share = LIBRARY_SHARE if size < size_floor else GENES_SHARE
            refused[name] = Refusal(
                name,
                FAILED_LIBRARY,
                f"Its {what} is below {share:.0%} of the cohort's median.",
                "Sequence it again, or leave it out.",
            )


_NO_WAY_BACK = "Give raw counts, which cannot be had back from these values"
_BACK = {
    "raised": "Subtract 1",
    "coverage": "Divide by the length of a read (recount3: transform_counts or compute_read_counts)",
    "combed": "Give raw counts; StringTie's prepDE makes such values of coverage, by the length of a read and by both reads of a pair",
}
"""What is said of values from which counts can be had back."""


def _usable_kind(told: Told, values: np.ndarray, unit: Unit | None, named: str) -> Kind:
    """Return which counts the values are, by their evidence or by the user's word; what can be none is refused.

    Raises:
        Unusable: `not-counts`.
    """
    if unit is None:
        if told.kind == "unclear":
            raise Unusable(
                NOT_COUNTS,
                f"The matrix holds {told.unit}, and nothing shows which: {'; '.join(told.evidence)}.",
                "If they are counts, say unit: counts; else give the raw counts.",
            )
        if told.kind not in COUNTS:
            raise Unusable(
                NOT_COUNTS,
                f"The matrix holds {told.unit}, not counts: {'; '.join(told.evidence)}.",
                _BACK.get(told.kind, _NO_WAY_BACK) + "; if they are counts, say unit: counts or expected counts.",
            )
        other = _NAMES.search(named)
        if other and not re.search(r"(?i)count|raw", named):
            raise Unusable(
                NOT_COUNTS,
                f"The file's name says {other[1].lower()}, and its values look like counts.",
                "If they are counts, say unit: counts; else give the raw counts.",
            )
        return told.kind
    known = values[np.isfinite(values)]
    whole = bool((known == np.rint(known)).all())
    possible = unit in ("counts", "expected counts") and not (known < 0).any()
    if not possible or (unit == "counts" and not whole and told.kind not in COUNTS):
        raise Unusable(
            NOT_COUNTS,
            f"The study file says unit: {unit}, and the values are none: {'; '.join(told.evidence)}.",
            "Give raw counts, or mend the key.",
        )
    return "counts" if whole else "estimated-counts"


_NAMES = re.compile(r"(?i)(fpkm|rpkm|tpm|cpm|normali[sz]ed|(?<![a-z])norm(?![a-z])|vst|rlog|log2|zscore|z-score)")


def counts_as_said(adata: AnnData, unit: Unit | None) -> AnnData:
    """Return `adata` with log2(count + 1) turned back into counts, where the study says the `unit` `log2 counts`; else as it is.

    Raises:
        Unusable: `not-counts` when 2^value - 1 is not whole.
    """
    if unit != "log2 counts":
        return adata
    back = 2.0 ** np.asarray(adata.X, dtype=np.float64) - 1
    if not (np.abs(back - np.rint(back)) <= np.maximum(0.01, back * 2e-4)).all():
        raise Unusable(NOT_COUNTS, "2^value - 1 is not whole: these are no log2(count + 1).", "Give raw counts.")
    out = adata.copy()
    out.X = as_counts(np.rint(back))
    return out


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
        ("ambiguous", "that stand for several genes, or for one that has a row of its own,"),
    ):
        names = unclear.filter(pl.col("how") == how)["source"].to_list()
        if names:
            notes.append(f"{len(names)} names {text} left as they are: {_some(names)}")
    unknown = set(unclear.filter(pl.col("how") == "unknown")["source"].to_list())
    if unknown:
        looks = look_at_genes(sorted(unknown)[:2000])
        of_mouse = ": they look like genes of the mouse" if looks.system == "mouse" and looks.share > 0.5 else ""
        notes.append(
            f"{len(unknown)} of {len(set(source))} names are no human gene that is known{of_mouse}; they stay as they are"
        )
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
                refused[names[i]] = Refusal(names[i], DUPLICATE_SAMPLE, f"Its column {text}.", "Find out which of them is right.")
    for group in by_source.values():
        alive = [i for i in group if names[i] not in refused]
        if len(alive) > 1:
            for i in alive:
                refused[names[i]] = Refusal(
                    names[i],
                    DUPLICATE_SAMPLE,
                    "Its name heads several columns with different values.",
                    "Give each sample a name of its own.",
                )


def no_sample_left() -> Unusable:
    """Return what is said when every sample of an assay was refused.

    >>> no_sample_left().reason
    'no-sample-left'
    """
    return Unusable(NO_SAMPLE_LEFT, "No centre has a sample of this assay that can be used.", "Look at the quarantine.")
