"""Read count matrices as hospitals hold them: samples x genes AnnData with the values as the file has them.

Readers know every table that `tabular` reads, files of one sample each (`per_sample`), h5ad and zarr. What the values are is found
out by `gates`, not believed here: integer values become integers, all others stay float64.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from unibase.groundwork.inflating import gunzip
from unibase.groundwork.problems import Unusable, UserError
from unibase.groundwork.reasons import NO_COMMON_GENE, TRUNCATED_FILE
from unibase.omics import genes as gene_names
from unibase.omics.options import Orientation, SampleFrom, Strand
from unibase.omics.readers.alignments import are_alignments, samples_of_alignments
from unibase.omics.readers.maf_blocks import is_annovar, is_maf
from unibase.omics.readers.per_sample import PerSample, Wanted, read_files, read_folder, tool_of
from unibase.omics.readers.rearrangements import is_rearrangements
from unibase.omics.readers.tabular import Table, is_gzip, read_table, unique
from unibase.omics.reasons import DIFFERENT_GENES, NOT_A_MATRIX, NOT_COUNTS, NOT_RECOGNISED, REPEATED_GENE
from unibase.omics.recognise.layout import understand
from unibase.omics.recognise.matrix import Matrix

if TYPE_CHECKING:
    from anndata import AnnData

_FEATURE_COUNTS = ("Geneid", "Chr", "Start", "End", "Strand", "Length")
_SYMBOL_COLUMNS = {"gene_name", "symbol", "gene_symbol", "hugo_symbol", "external_gene_name", "description", "feature_name"}


def read_counts(
    path: Path | str,
    *,
    orientation: Orientation = "auto",
    layer: str | None = None,
    strand: Strand = "unstranded",
    transcripts: Path | str | None = None,
    sample_from: SampleFrom | None = None,
) -> AnnData:
    """Read one matrix of one assay.

    Args:
        path: A file, or a folder of files of one sample each (`per_sample`).
        orientation: Which way a plain table lies; `auto` looks on which side the names are genes.
        layer: Layer of an h5ad or zarr that holds the counts; `raw` is its `raw.X`; without it, a layer named `counts`, else X.
        strand: Column of STAR's tables.
        transcripts: Two-column table (transcript, gene) for salmon's and kallisto's tables.
        sample_from: `file name`: the file holds one sample and its name names it.

    Returns:
        AnnData, samples x genes. `obs_names` are the sample names of the source; `var_names` Ensembl identifiers
        without version, or what the source has where the gene table knows none; `var` holds `gene_id_source`, `symbol` (empty when unknown) and
        `length` where the file gives it; `uns["source_format"]` says which reader was used, `uns["evidence"]` how the table was understood.
        Repeated sample names are kept for the gates to refuse: `obs["sample"]` has the name of the source, and
        `obs_names` get a suffix `#2`, `#3`, ...

    Raises:
        Unusable: `not-a-matrix`, `not-recognised`, `not-a-number`, `truncated-file`, ... with the place.
        UserError: If there is nothing at `path`.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"There is no count matrix at {path}. Check the path in the study file.")
    name = path.name.lower().removesuffix(".gz")
    if name.endswith((".h5ad", ".zarr")):
        return _from_anndata(path, layer)
    wanted = Wanted(strand, transcripts, sample_from)
    if is_10x(path):
        raise cells_of_10x()
    if path.is_dir():
        return _from_samples(read_folder(path, wanted))
    return _from_table(path, orientation, wanted)


def _refuse_variants(table: Table) -> None:
    """Refuse a list of mutations or of structural variants: its genes are genes, and its positions and reads are whole numbers."""
    held = "mutations" if is_maf(table.titles) or is_annovar(table.titles) else ""
    held = held or ("rearrangements" if is_rearrangements(table.titles) else "")
    if held:
        raise Unusable(
            NOT_A_MATRIX, f"The table is a list of {held}, not of values of samples.", f"Give it as the assay `{held}`."
        )


def _from_table(path: Path, orientation: Orientation, wanted: Wanted) -> AnnData:
    """Read a table of one tool's sample, or a matrix."""
    table = read_table(path)
    if table.titles[0] == "Status" and path.name.lower().removesuffix(".gz").endswith(".summary"):
        raise Unusable(NOT_A_MATRIX, "This is the summary that featureCounts writes beside its table.", "Give the table itself.")
    if any(line.startswith("##annotation=") for line in table.rows_above):
        raise Unusable(
            NOT_COUNTS,
            "The lines above the table are recount3's: its values are sums of covered bases, not reads.",
            "Give what compute_read_counts of the R package recount3 makes of them.",
        )
    _refuse_variants(table)
    tool = tool_of(path, table)
    if tool:
        return _from_samples(read_files([path], tool, wanted))
    return _from_matrix(understand(table, "gene", orientation, file_sample(path) if wanted.sample_from else None), table)


def is_10x(path: Path) -> bool:
    """Whether `path` is 10x Genomics' format of single cells: a folder of matrix.mtx, such a file, or HDF5 of theirs.

    >>> is_10x(Path("filtered_feature_bc_matrix.h5"))
    True
    """
    if path.is_dir():
        return (path / "matrix.mtx").exists() or (path / "matrix.mtx.gz").exists()
    return path.name.lower().removesuffix(".gz").endswith((".h5", ".mtx"))


def cells_of_10x() -> Unusable:
    """Return what is said of 10x Genomics' format of single cells."""
    return Unusable(
        NOT_A_MATRIX,
        "This is 10x Genomics' format of single cells, which names no samples and no cell types.",
        "Read it with scanpy, add both as columns of obs, and give the h5ad as single_cell.",
    )


def file_sample(path: Path) -> str:
    """Return the name of the file at `path` up to its first dot, which names the only sample in it.

    >>> file_sample(Path("S12.genes.results.gz"))
    'S12'
    """
    return path.name.split(".")[0]


def _from_matrix(matrix: Matrix, table: Table) -> AnnData:
    titles = tuple(table.titles)
    kind = "featurecounts" if set(_FEATURE_COUNTS) <= set(titles) else "table"
    if matrix.system == "transcripts":
        raise Unusable(
            NOT_RECOGNISED,
            "The rows are transcripts, not genes.",
            "Sum them by gene (tximport), or give the tool's own files (quant.sf, abundance.tsv) with the key transcripts.",
        )
    samples, said = _named_by_alignments(matrix.samples, of_files=kind == "featurecounts")
    adata = _build(matrix.values, unique(samples), matrix.features, matrix.symbols, kind)
    if matrix.lengths is not None:
        adata.var["length"] = matrix.lengths
    adata.uns["evidence"] = [
        *_written(table),
        *matrix.evidence,
        *said,
        f"names of genes: {matrix.system or 'of no known system'}",
    ]
    return _named(adata, samples)


def _written(table: Table) -> list[str]:
    return [f"table written with {', '.join(table.traits)}"] if table.traits else []


def _named_by_alignments(titles: list[str], *, of_files: bool) -> tuple[list[str], tuple[str, ...]]:
    """Return the samples of columns, by their files where their maker or every title says that they are; and what is said of it."""
    if not of_files and not are_alignments(titles):
        return titles, ()
    samples = samples_of_alignments(titles)
    return samples, (("samples named by the files of aligned reads in the titles",) if samples != titles else ())


def _build(values: np.ndarray, samples: list[str], genes: list[str], symbols: list[str] | None, kind: str) -> AnnData:
    import anndata

    if not values.size:
        raise Unusable(NOT_A_MATRIX, "The matrix has no row or no column of values.", "Give a table of genes x samples.")
    source = [gene.strip() for gene in genes]
    stable = gene_names.identifiers(source)
    if symbols is None:
        symbols = gene_names.symbols(source)
    var = pd.DataFrame({"gene_id_source": source, "symbol": symbols}, index=pd.Index(stable, name="gene_id"), dtype=object)
    obs = pd.DataFrame(
        {"sample": [re.sub(r"#\d+$", "", s).strip() for s in samples]}, index=pd.Index([s.strip() for s in samples]), dtype=object
    )
    adata = anndata.AnnData(X=as_counts(np.ascontiguousarray(values)), obs=obs, var=var)
    adata.uns["source_format"] = kind
    return adata


def as_counts(values: np.ndarray) -> np.ndarray:
    """Return whole non-negative values, of any shape, as the smallest of int32 and int64, all others as float64 as they are.

    >>> as_counts(np.array([[3.0, 0.0]])).dtype, as_counts(np.array([[3.5]])).dtype
    (dtype('int32'), dtype('float64'))
    """
    if np.issubdtype(values.dtype, np.integer):
        return values
    finite = np.isfinite(values)
    if not finite.all() or (values != np.rint(values)).any() or np.abs(values).max(initial=0) >= 2**53:
        return values.astype(np.float64, copy=False)
    return values.astype(np.int32 if np.abs(values).max(initial=0) < 2**31 else np.int64)


def _named(adata: AnnData, names: list[str]) -> AnnData:
    adata.obs["sample"] = names
    adata.obs_names = unique(names)
    return adata


def _from_samples(read: PerSample) -> AnnData:
    return _named(_build(read.values, unique(read.samples), read.genes, None, read.source), read.samples)


def _from_anndata(path: Path, layer: str | None) -> AnnData:
    import anndata
    from scipy import sparse

    try:
        source = anndata.read_zarr(path) if path.is_dir() else _read_h5ad(path)
    except Exception as error:
        raise Unusable(
            TRUNCATED_FILE, f"The file cannot be read as AnnData ({type(error).__name__}).", "Write it again from its source."
        ) from None
    if layer == "raw" and "raw" not in source.layers:
        return _from_raw(source)
    chosen = layer or ("counts" if "counts" in source.layers else None)
    if chosen is not None and chosen not in source.layers:
        raise UserError(
            f"{path} has no layer {chosen}. It has: {', '.join(sorted(map(str, set(source.layers.keys()) - {None}))) or 'none'}."
        )
    matrix: Any = source.X if chosen is None else source.layers[chosen]
    if matrix is None:
        raise Unusable(NOT_A_MATRIX, "The AnnData has no X and no layer named counts.", "Name the layer that holds the counts.")
    values = np.asarray(matrix.toarray() if sparse.issparse(matrix) else matrix)
    symbol = next((c for c in source.var.columns if str(c).lower() in _SYMBOL_COLUMNS), None)
    symbols = None if symbol is None else [str(s) for s in source.var[symbol]]
    adata = _build(values, [str(n) for n in source.obs_names], [str(n) for n in source.var_names], symbols, "anndata")
    for column in source.obs.columns:
        if column not in adata.obs:
            adata.obs[column] = source.obs[column].to_numpy()
    return adata


def _from_raw(source: AnnData) -> AnnData:
    """Take `raw.X`, where cellxgene's files and scanpy keep the counts."""
    if source.raw is None:
        raise UserError("The AnnData has no raw. Name the layer that holds the counts.")
    raw = source.raw.to_adata()
    values: Any = raw.X
    dense = np.asarray(values.toarray() if hasattr(values, "toarray") else values)
    return _build(dense, [str(n) for n in raw.obs_names], [str(n) for n in raw.var_names], None, "anndata")


def _read_h5ad(path: Path) -> AnnData:
    import anndata

    if not is_gzip(path):
        return anndata.read_h5ad(path)
    import h5py
    from anndata.io import read_elem

    # In memory: nothing of it may stay behind outside the study's folders.
    with h5py.File(io.BytesIO(gunzip(path.read_bytes())), "r") as file:
        content = read_elem(file)
    return cast("AnnData", content)


def combine(matrices: list[AnnData]) -> AnnData:
    """Stack matrices of several centres over the genes that all of them measured.

    A gene that one centre did not measure is left out, never filled with zeros; `uns["genes_left_out"]` counts
    them. Samples end up ordered by name, genes as in the first matrix ordered by identifier.

    Raises:
        Unusable: `no-common-gene`, `repeated-gene`.
    """
    import anndata

    genes, left_out = common_genes([matrix.var_names for matrix in matrices])
    values = np.concatenate([np.asarray(matrix[:, genes].X) for matrix in matrices])
    obs = pd.concat([frame_of(matrix.obs) for matrix in matrices], join="inner")
    combined = anndata.AnnData(X=as_counts(values), obs=obs, var=frame_of(matrices[0][:, genes].var))
    combined = combined[np.argsort(np.asarray(obs.index, dtype=str), kind="stable")].copy()
    combined.uns["genes_left_out"] = left_out
    return combined


def common_genes(indices: Sequence[pd.Index]) -> tuple[list[str], int]:
    """Return the genes that all matrices measured, by the `indices` of their genes, sorted, and how many others there are.

    Raises:
        Unusable: `no-common-gene`, `repeated-gene`.

    >>> common_genes([pd.Index(["b", "a", "c"]), pd.Index(["a", "b"])])
    (['a', 'b'], 1)
    """
    if not all(index.is_unique for index in indices):
        raise Unusable(REPEATED_GENE, "A matrix lists a gene more than once.", "Merge its rows with genes.merge_repeated first.")
    genes = [set(map(str, index)) for index in indices]
    common = set.intersection(*genes)
    if not common:
        raise Unusable(
            NO_COMMON_GENE, "The matrices share no gene identifier.", "Map them to Ensembl with genes.to_ensembl first."
        )
    return sorted(common), len(set.union(*genes)) - len(common)


def stack(matrices: list[AnnData]) -> AnnData:
    """Put transformed matrices of the same genes one below the other, samples ordered by name; no value is changed.

    Layers and columns of `obs` that not all of them have are left out.

    Raises:
        Unusable: `different-genes`.
    """
    import anndata

    first = matrices[0]
    if any(not matrix.var_names.equals(first.var_names) for matrix in matrices):
        raise Unusable(DIFFERENT_GENES, "The matrices do not list the same genes in the same order.", "Use one model for all.")
    obs = pd.concat([frame_of(matrix.obs) for matrix in matrices], join="inner")
    order = np.argsort(np.asarray(obs.index, dtype=str), kind="stable")
    layers = [
        {str(name): np.asarray(values) for name, values in matrix.layers.items() if name is not None} for matrix in matrices
    ]
    shared = [name for name in layers[0] if all(name in held for held in layers)]
    return anndata.AnnData(
        X=np.concatenate([np.asarray(matrix.X) for matrix in matrices])[order],
        obs=obs.iloc[order],
        var=frame_of(first.var),
        layers={name: np.concatenate([held[name] for held in layers])[order] for name in shared},
        uns=dict(first.uns),
    )


def frame_of(table: object) -> pd.DataFrame:
    """Copy `obs` or `var` of an AnnData in memory, `table`.

    Raises:
        TypeError: If the AnnData is not in memory.
    """
    if not isinstance(table, pd.DataFrame):
        raise TypeError("the AnnData is not in memory")
    return table.copy()
