"""Read count matrices as hospitals hold them: samples x genes AnnData with the values as the file has them.

Readers know plain tables (TSV, CSV, R's `write.table`, GCT, Parquet), featureCounts, nf-core/rnaseq (gene_id, gene_name), STAR
`ReadsPerGene.out.tab` and salmon `quant.sf` (summed to genes), alone or a folder of them, h5ad and zarr; gzip of each file. What the
values are is found out by `gates`, not believed here: integer values become integers, all others stay float64.
"""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import pandas as pd
import polars as pl

from unibase.groundwork.problems import Unusable, UserError
from unibase.omics import genes as gene_names
from unibase.omics.options import Strand
from unibase.omics.readers.per_sample import SALMON, SUMMARY_ROWS, PerSample, read_files, read_folder, transcript_table
from unibase.omics.readers.text_tables import first_row_width, guarded, header_of, is_gzip, numbers, unique

if TYPE_CHECKING:
    from anndata import AnnData

Orientation = Literal["auto", "genes-in-rows", "samples-in-rows"]

_ENSEMBL_OTHER = re.compile(r"^ENS[A-Z]{0,6}G\d{11}(\.\d+)?$")
_FEATURE_COUNTS = ("Geneid", "Chr", "Start", "End", "Strand", "Length")
_SYMBOL_COLUMNS = {"gene_name", "symbol", "gene_symbol", "hugo_symbol", "external_gene_name", "description"}
_ALIGNER_WORDS = re.compile(
    r"(Aligned|[._](Aligned|sortedByCoord|sorted|sort|markdup|markdup_sorted|mkdup|dedup|umi_dedup|rmdup|out|toTranscriptome))$"
)


def read_counts(
    path: Path | str,
    *,
    orientation: Orientation = "auto",
    layer: str | None = None,
    strand: Strand = "unstranded",
    transcripts: Path | str | None = None,
) -> AnnData:
    """Read one matrix of one assay.

    Args:
        path: A file, or a folder of STAR or salmon outputs (one sample each).
        orientation: Which way a plain table lies; `auto` looks where the gene identifiers are, and takes genes in
            rows when neither side shows them.
        layer: Layer of an h5ad or zarr that holds the counts; without it, a layer named `counts`, else X.
        strand: Column of STAR's tables.
        transcripts: Two-column table (transcript, gene) for salmon's tables.

    Returns:
        AnnData, samples x genes. `obs_names` are the sample names of the source; `var_names` Ensembl identifiers
        without version, or what the source has where the gene table knows none; `var` holds `gene_id_source`, `symbol` (empty when unknown) and
        `length` where the file gives it; `uns["source_format"]` says which reader was used.
        Repeated sample names are kept for the gates to refuse: `obs["sample"]` has the name of the source, and
        `obs_names` get a suffix `#2`, `#3`, ...

    Raises:
        Unusable: `not-a-matrix`, `not-a-number`, `truncated-file`, ... with the place.
        UserError: If there is nothing at `path`.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"There is no count matrix at {path}. Check the path in the study file.")
    name = path.name.lower().removesuffix(".gz")
    if name.endswith(".h5ad") or name.endswith(".zarr"):
        return _from_anndata(path, layer)
    if path.is_dir():
        return _from_samples(read_folder(path, strand, transcripts))
    if name.endswith(".parquet"):
        frame = guarded(lambda: pl.read_parquet(gzip.decompress(path.read_bytes()) if is_gzip(path) else path))
        return _from_frame(frame, orientation, "parquet")
    if name.endswith("readspergene.out.tab"):
        return _from_samples(read_files([path], strand, None))
    if tuple(header_of(path)[0]) == SALMON:
        return _from_samples(read_files([path], strand, transcript_table(transcripts)))
    return _from_text(path, orientation)


def _from_text(path: Path, orientation: Orientation) -> AnnData:
    header, skip, separator = header_of(path)
    if header[0] == "Status" and path.name.lower().removesuffix(".gz").endswith(".summary"):
        raise Unusable(
            "not-a-matrix", "This is the summary that featureCounts writes beside its table.", "Give the table itself."
        )
    width = first_row_width(path, skip, separator)
    if width == len(header) + 1:  # as R writes a table: no name above the row names
        header = ["", *header]
    if len(header) < 2:
        raise Unusable(
            "not-a-matrix",
            "The header has fewer than two columns.",
            "Give a table of genes x samples, separated by tabs or commas.",
        )
    names = [f"column_{i}" for i in range(len(header))]
    lead = 6 if tuple(header[:6]) == _FEATURE_COUNTS else 1
    if lead == 1:
        while lead < len(header) - 1 and header[lead].lower() in _SYMBOL_COLUMNS | {
            "length",
            "gene_length",
            "gene_type",
            "gene_biotype",
        }:
            lead += 1
    schema: dict[str, Any] = {name: pl.String() if i < lead else pl.Float64() for i, name in enumerate(names)}

    def read(schema: dict[str, Any]) -> pl.DataFrame:
        return pl.read_csv(
            path,
            has_header=False,
            skip_rows=skip + 1,
            separator=separator,
            schema=schema,
            null_values=["NA", "", "NaN", "nan"],
            quote_char='"',
        )

    try:
        frame = read(schema)
    except (pl.exceptions.PolarsError, OSError, EOFError):
        text = guarded(lambda: read(dict.fromkeys(names, pl.String())))
        frame = numbers(text, names[lead:], decimal_comma=separator == ";")
    frame = frame.rename(dict(zip(names, unique(header), strict=True)))
    kind = "featurecounts" if lead == 6 else "table"
    if kind == "featurecounts":
        lengths = frame.get_column("Length")
        frame = frame.drop(*[c for c in _FEATURE_COUNTS[1:5]])
        adata = _from_frame(frame.drop("Length"), "genes-in-rows", kind)
        by_gene = dict(zip(frame.get_column("Geneid").to_list(), lengths.cast(pl.Float64()).to_list(), strict=True))
        adata.var["length"] = [by_gene[g] for g in adata.var["gene_id_source"]]
        return _named(adata, [_sample_of_alignment(name) for name in adata.obs["sample"]])
    return _from_frame(frame, orientation, kind)


def _sample_of_alignment(file: str) -> str:
    """Return the sample's name in the name of a BAM file, without the words that aligners and sorters append."""
    name = re.sub(r"\.(bam|sam|cram)$", "", Path(file).name)
    while (shorter := _ALIGNER_WORDS.sub("", name)) and shorter != name:
        name = shorter
    return name


def _gene_like(names: list[str]) -> float:
    sample = names[:2000]
    return sum(bool(gene_names.ENSEMBL.match(n) or _ENSEMBL_OTHER.match(n)) for n in sample) / max(len(sample), 1)


def _from_frame(frame: pl.DataFrame, orientation: Orientation, kind: str) -> AnnData:
    text_columns = [c for c, t in frame.schema.items() if t == pl.String()]
    first = text_columns[0] if text_columns else frame.columns[0]
    value_columns = [c for c in frame.columns if c != first and frame.schema[c] != pl.String()]
    symbol_column = next((c for c in text_columns[1:] if c.lower() in _SYMBOL_COLUMNS), None)
    rows = frame.get_column(first).cast(pl.String()).fill_null("").to_list()
    if orientation == "auto":
        across = _gene_like(value_columns) > max(_gene_like(rows), 0.5)
        genes_in_rows = not (across or (first.lower() in {"sample", "sample_id", "patient", "barcode"}))
    else:
        genes_in_rows = orientation == "genes-in-rows"
    values = frame.select(pl.col(value_columns).cast(pl.Float64())).to_numpy()
    if not values.size:
        raise Unusable("not-a-matrix", "The matrix has no row or no column of values.", "Give a table of genes x samples.")
    if genes_in_rows:
        symbols = frame.get_column(symbol_column).fill_null("").to_list() if symbol_column else None
        keep = np.array([row not in SUMMARY_ROWS for row in rows])
        genes = [row for row, k in zip(rows, keep, strict=True) if k]
        kept_symbols = None if symbols is None else [s for s, k in zip(symbols, keep, strict=True) if k]
        return _build(values[keep].T, value_columns, genes, kept_symbols, kind)
    return _build(values, unique(rows), value_columns, None, kind)


def _build(values: np.ndarray, samples: list[str], genes: list[str], symbols: list[str] | None, kind: str) -> AnnData:
    import anndata

    if not values.size:
        raise Unusable("not-a-matrix", "The matrix has no row or no column of values.", "Give a table of genes x samples.")
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
    """Return whole non-negative values as the smallest of int32 and int64, all others as float64 as they are."""
    if np.issubdtype(values.dtype, np.integer):
        return values
    finite = np.isfinite(values)
    if not finite.all() or (values != np.rint(values)).any() or np.abs(values).max() >= 2**53:
        return values.astype(np.float64, copy=False)
    return values.astype(np.int32 if np.abs(values).max() < 2**31 else np.int64)


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
            "truncated-file", f"The file cannot be read as AnnData ({type(error).__name__}).", "Write it again from its source."
        ) from None
    chosen = layer or ("counts" if "counts" in source.layers else None)
    if chosen is not None and chosen not in source.layers:
        raise UserError(
            f"{path} has no layer {chosen}. It has: {', '.join(sorted(map(str, set(source.layers.keys()) - {None}))) or 'none'}."
        )
    matrix: Any = source.X if chosen is None else source.layers[chosen]
    if matrix is None:
        raise Unusable("not-a-matrix", "The AnnData has no X and no layer named counts.", "Name the layer that holds the counts.")
    values = np.asarray(matrix.toarray() if sparse.issparse(matrix) else matrix)
    symbol = next((c for c in source.var.columns if str(c).lower() in _SYMBOL_COLUMNS), None)
    symbols = None if symbol is None else [str(s) for s in source.var[symbol]]
    adata = _build(values, [str(n) for n in source.obs_names], [str(n) for n in source.var_names], symbols, "anndata")
    for column in source.obs.columns:
        if column not in adata.obs:
            adata.obs[column] = source.obs[column].to_numpy()
    return adata


def _read_h5ad(path: Path) -> AnnData:
    import anndata

    if not is_gzip(path):
        return anndata.read_h5ad(path)
    import h5py
    from anndata.io import read_elem

    # In memory: nothing of it may stay behind outside the study's folders.
    with gzip.open(path) as packed, h5py.File(io.BytesIO(packed.read()), "r") as file:
        content: Any = read_elem(file)
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
    """Return the genes that all matrices measured, sorted, and how many others there are.

    Raises:
        Unusable: `no-common-gene`, `repeated-gene`.
    """
    if not all(index.is_unique for index in indices):
        raise Unusable(
            "repeated-gene", "A matrix lists a gene more than once.", "Merge its rows with genes.merge_repeated first."
        )
    genes = [set(map(str, index)) for index in indices]
    common = set.intersection(*genes)
    if not common:
        raise Unusable(
            "no-common-gene", "The matrices share no gene identifier.", "Map them to Ensembl with genes.to_ensembl first."
        )
    return sorted(common), len(set.union(*genes)) - len(common)


def stack(matrices: list[AnnData]) -> AnnData:
    """Put transformed matrices of the same genes one below the other, samples ordered by name; no value is changed.

    Layers and columns of `obs` that not all of them have are left out.
    """
    import anndata

    first = matrices[0]
    if any(not matrix.var_names.equals(first.var_names) for matrix in matrices):
        raise Unusable("different-genes", "The matrices do not list the same genes in the same order.", "Use one model for all.")
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


def frame_of(table: Any) -> pd.DataFrame:
    """Copy `obs` or `var` of an AnnData in memory."""
    if not isinstance(table, pd.DataFrame):
        raise TypeError("the AnnData is not in memory")
    return table.copy()
