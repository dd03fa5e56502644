"""What the command line calls on plain files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unibase.groundwork.problems import Unusable, UserError
from unibase.omics.options import AssayName
from unibase.omics.readers.batches import BatchMethod, correct_counts, correct_values, labels_of, read_labels
from unibase.omics.reasons import NO_GENE_LEFT

if TYPE_CHECKING:
    from anndata import AnnData

    from unibase.omics.assays.gates import GateReport
    from unibase.omics.assays.registry import AssayFiles
    from unibase.omics.options import Method


@dataclass(frozen=True)
class Recognised:
    """What a file is, and why; no name of a sample is in it.

    Attributes:
        assay: The assay.
        lines: Sentences for a person: sizes, unit, orientation, names, genome, what was left out.
        refused: Why the file cannot be used, and the next step; empty when it can.
    """

    assay: str
    lines: tuple[str, ...]
    refused: str = ""


def recognise_file(path: Path | str, assay: AssayName | None = None, files: AssayFiles | None = None) -> Recognised:
    """Tell what a file is by its evidence, as a build would read it.

    Args:
        path: A file, or a folder of files of one sample each.
        assay: Its assay; told from the file when None.
        files: What a study says of it, beside its path.

    Raises:
        UserError: If there is nothing at `path`.
    """
    from unibase.omics.assays.registry import AssayFiles, read
    from unibase.omics.recognise.which_assay import assay_of

    path = Path(path)
    try:
        assay = assay or assay_of(path)
        gated = read(assay, replace(files or AssayFiles(None), matrix=path))
    except Unusable as problem:
        return Recognised(assay or "unknown", (), str(problem))
    samples = f"{gated.adata.n_obs} samples that can be used, {len(gated.refused)} set aside, {gated.adata.n_vars} features"
    reasons = sorted({reason for reason, _, _ in gated.refused.values()})
    return Recognised(assay, (samples + (f" ({', '.join(reasons)})" if reasons else ""), *gated.notes))


@dataclass(frozen=True)
class Design:
    """What is said of the samples beside their counts.

    Attributes:
        batches: Table with the columns sample, batch: batch effects are taken out.
        batch_method: `combat` on the values, or `combat-seq` on the counts.
        groups: Table with the columns sample, group: effects that are kept, and the groups that the filter looks at.
        filter_by_expression: Leave out genes that too few samples express (`methods.expressed_genes.expressed_enough`).
    """

    batches: Path | str | None = None
    batch_method: BatchMethod = "combat"
    groups: Path | str | None = None
    filter_by_expression: bool = False

    def __post_init__(self) -> None:
        if self.groups and not (self.batches or self.filter_by_expression):
            raise UserError(
                "Groups say what batch correction keeps and what the filter looks at. Add --batches or --filter-by-expression."
            )
        if self.batch_method != "combat" and not self.batches:
            raise UserError(f"--batch-method {self.batch_method} needs --batches: a table with the columns sample and batch.")


def normalise_file(matrix: Path | str, out: Path | str, method: Method = "tmm", design: Design | None = None) -> GateReport:
    """Read a count matrix, set aside the samples that cannot be used, normalise the others and write them.

    Args:
        matrix: What `counts.read_counts` reads.
        out: .h5ad, .zarr (all of it), .parquet, .tsv or .csv (values only, genes x samples).
        method: As `normalise.normalise` takes it.
        design: Batches, groups and filter. Genes are filtered on the counts as they came; ComBat-seq corrects what is
            left; ComBat corrects the normalised values.

    Returns:
        What the gates found; the caller shows it.

    Raises:
        UserError: As `batches` says of tables, of samples without a batch and of batches of one sample.
        Unusable: As the gates, the method and the correction say.
    """
    from unibase.omics.assays.gates import check_counts
    from unibase.omics.models.normalised import normalise
    from unibase.omics.readers.counts import read_counts
    from unibase.omics.stores.store import check_written, write

    check_written(out)
    design = design or Design()
    adata = read_counts(matrix)
    report = check_counts(adata, named=Path(matrix).name)
    usable = report.apply(adata)
    names = [str(name) for name in usable.obs_names]
    groups = labels_of(names, read_labels(design.groups, "group"), "group") if design.groups else None
    if design.filter_by_expression:
        usable = _expressed(usable, groups)
        usable.uns["genes_filtered_out"] = adata.n_vars - usable.n_vars
    batch = labels_of(names, read_labels(design.batches, "batch"), "batch") if design.batches else None
    if batch and design.batch_method == "combat-seq":
        usable = correct_counts(usable, batch, groups)
    result = normalise(usable, method)
    if batch and design.batch_method == "combat":
        result = correct_values(result, method, batch, groups)
    write(result, out)
    return report


def _expressed(adata: AnnData, groups: list[str] | None) -> AnnData:
    from unibase.methods.expressed_genes import expressed_enough

    keep = expressed_enough(np.asarray(adata.X), group=groups)
    if not keep.any():
        raise Unusable(NO_GENE_LEFT, "No gene is expressed enough in enough samples.", "Normalise without the filter.")
    return adata[:, keep].copy()
