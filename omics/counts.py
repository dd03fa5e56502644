"""Read count matrices as hospitals hold them: samples x genes AnnData with the values as the file has them.

Readers know plain tables (TSV, CSV, R's `write.table`, GCT, Parquet), featureCounts, nf-core/rnaseq (gene_id, gene_name), STAR
`ReadsPerGene.out.tab` and salmon `quant.sf` (summed to genes), alone or a folder of them, h5ad and zarr; gzip of each file. What the
values are is found out by `gates`, not believed here: integer values become integers, all others stay float64.
"""

from __future__ import annotations

import csv
import gzip
import re
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import polars as pl

from groundwork.problems import Unusable, UserError
from omics import genes as gene_names
from omics.names import Strand

if TYPE_CHECKING:
    from anndata import AnnData

Orientation = Literal["auto", "genes-in-rows", "samples-in-rows"]

_ENSEMBL_OTHER = re.compile(r"^ENS[A-Z]{0,6}G\d{11}(\.\d+)?$")
_SUMMARY_ROWS = ("N_unmapped", "N_multimapping", "N_noFeature", "N_ambiguous", "__no_feature", "__ambiguous",
                 "__too_low_aQual", "__not_aligned", "__alignment_not_unique")  # fmt: skip
_FEATURE_COUNTS = ("Geneid", "Chr", "Start", "End", "Strand", "Length")
_SYMBOL_COLUMNS = {"gene_name", "symbol", "gene_symbol", "hugo_symbol", "external_gene_name", "description"}
_SALMON = ("Name", "Length", "EffectiveLength", "TPM", "NumReads")
_ALIGNER_WORDS = re.compile(
    r"(Aligned|[._](Aligned|sortedByCoord|sorted|sort|markdup|markdup_sorted|mkdup|dedup|umi_dedup|rmdup|out|toTranscriptome))$"
)
_GENE_COLUMNS = {
    "gene_id",
    "geneid",
    "gene",
    "ensembl",
    "ensembl_id",
    "ensembl_gene_id",
    "hugo_symbol",
    "symbol",
    "feature",
    "id",
    "",
    "x",
}


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
        return _from_folder(path, strand, transcripts)
    if name.endswith(".parquet"):
        frame = _guard(lambda: pl.read_parquet(gzip.decompress(path.read_bytes()) if _is_gzip(path) else path))
        return _from_frame(frame, orientation, "parquet")
    if name.endswith("readspergene.out.tab"):
        return _from_files([path], strand, None)
    if tuple(_header(path)[0]) == _SALMON:
        return _from_files([path], strand, _transcript_table(transcripts))
    return _from_text(path, orientation)


def _guard(read: Any) -> pl.DataFrame:
    try:
        frame: pl.DataFrame = read()
    except (pl.exceptions.PolarsError, OSError, EOFError) as error:
        raise Unusable(
            "truncated-file",
            f"The matrix cannot be read to its end ({type(error).__name__}).",
            "Copy the file again from its source.",
        ) from None
    return frame


def _from_text(path: Path, orientation: Orientation) -> AnnData:
    header, skip, separator = _header(path)
    if header[0] == "Status" and path.name.lower().removesuffix(".gz").endswith(".summary"):
        raise Unusable(
            "not-a-matrix", "This is the summary that featureCounts writes beside its table.", "Give the table itself."
        )
    width = _first_row_width(path, skip, separator)
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
            decimal_comma=separator == ";" and _decimal_commas(path, skip),
        )

    try:
        frame = read(schema)
    except (pl.exceptions.PolarsError, OSError, EOFError):
        text = _guard(lambda: read(dict.fromkeys(names, pl.String())))
        frame = _numbers(text, names[lead:])
    frame = frame.rename(dict(zip(names, _unique(header), strict=True)))
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


def _header(path: Path) -> tuple[list[str], int, str]:
    """Return the titles of a table, the lines above them, and what separates cells."""
    skip = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8-sig") if _is_gzip(path) else path.open(encoding="utf-8-sig") as file:
            line = file.readline()
            if line.startswith(("#1.2", "#1.3")):  # GCT: a line with the numbers of rows and columns follows
                file.readline()
                skip, line = 2, file.readline()
            while line.startswith("#"):
                skip += 1
                line = file.readline()
    except UnicodeDecodeError:
        raise Unusable("not-a-matrix", "The file is no UTF-8 text.", "Save it as a text table in UTF-8.") from None
    except (OSError, EOFError) as error:
        raise Unusable(
            "truncated-file", f"The matrix cannot be read ({type(error).__name__}).", "Copy the file again from its source."
        ) from None
    separator = max("\t,;", key=line.count)
    separator = separator if separator in line else " "
    if not line.strip() or separator not in line.strip():
        raise Unusable(
            "not-a-matrix", "The first line has no tab, comma, semicolon or blank.", "Give a table with a header line."
        )
    return [cell.strip() for cell in next(csv.reader([line.rstrip("\r\n")], delimiter=separator))], skip, separator


def _first_row(path: Path, skip: int) -> str:
    try:
        with gzip.open(path, "rt", encoding="utf-8-sig") if _is_gzip(path) else path.open(encoding="utf-8-sig") as file:
            for _ in range(skip + 1):
                file.readline()
            return file.readline().rstrip("\r\n")
    except (OSError, EOFError, UnicodeDecodeError):
        return ""


def _first_row_width(path: Path, skip: int, separator: str) -> int:
    line = _first_row(path, skip)
    return len(next(csv.reader([line], delimiter=separator))) if line else 0


def _decimal_commas(path: Path, skip: int) -> bool:
    """Whether the first row has a comma in a number, as spreadsheets of French and German hospitals write them."""
    return any(re.fullmatch(r'"?-?\d+,\d+"?', cell.strip()) for cell in _first_row(path, skip).split(";")[1:])


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _numbers(text: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    out = []
    for position, name in enumerate(columns):
        stripped = text.get_column(name).str.strip_chars()
        numbers = stripped.cast(pl.Float64(), strict=False)
        bad = (stripped.is_not_null() & (stripped != "") & numbers.is_null()).arg_true()
        if bad.len():
            raise Unusable(
                "not-a-number",
                f"Row {int(bad[0]) + 1}, value column {position + 1} of the matrix is not a number ({bad.len()} such cells in it).",
                "Correct the cell; missing values are written NA.",
            )
        out.append(numbers)
    return text.with_columns(out)


def _unique(header: list[str]) -> list[str]:
    seen: Counter[str] = Counter()
    out = []
    for name in header:
        seen[name] += 1
        out.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return out


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
        keep = np.array([row not in _SUMMARY_ROWS for row in rows])
        genes = [row for row, k in zip(rows, keep, strict=True) if k]
        kept_symbols = None if symbols is None else [s for s, k in zip(symbols, keep, strict=True) if k]
        return _build(values[keep].T, value_columns, genes, kept_symbols, kind)
    return _build(values, _unique(rows), value_columns, None, kind)


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
    adata.obs_names = _unique(names)
    return adata


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

    if not _is_gzip(path):
        return anndata.read_h5ad(path)
    with tempfile.TemporaryDirectory() as folder, gzip.open(path) as packed:
        plain = Path(folder) / "matrix.h5ad"
        with plain.open("wb") as file:
            shutil.copyfileobj(packed, file)
        return anndata.read_h5ad(plain)


def _from_folder(folder: Path, strand: Strand, transcripts: Path | str | None) -> AnnData:
    star = sorted(p for p in folder.rglob("*ReadsPerGene.out.tab*") if p.name.endswith((".tab", ".tab.gz")))
    if star:
        return _from_files(star, strand, None)
    quants = sorted(p for p in folder.rglob("quant.sf*") if p.name in ("quant.sf", "quant.sf.gz"))
    if quants:
        return _from_files(quants, strand, _transcript_table(transcripts))
    raise UserError(f"{folder} holds neither STAR ReadsPerGene.out.tab nor salmon quant.sf files. Give the matrix file itself.")


def _from_files(files: list[Path], strand: Strand, mapping: dict[str, str] | None) -> AnnData:
    """Put files of one sample each (salmon's with `mapping`, else STAR's) into one matrix."""
    columns: list[dict[str, float]] = []
    names = [_star_name(path) if mapping is None else path.parent.name for path in files]
    for place, path in enumerate(files, start=1):
        try:
            column = _read_star(path, strand) if mapping is None else _read_salmon(path, mapping)
        except Unusable as problem:
            raise Unusable(problem.reason, f"File {place} of {len(files)}, by name: {problem.message}", problem.remedy) from None
        if columns and column.keys() != columns[0].keys():
            raise Unusable(
                "different-genes",
                f"File {place} of {len(files)}, by name, lists {len(column)} genes, and not those of the first ({len(columns[0])}).",
                "Copy it again if it is cut short, or count all samples with one annotation.",
            )
        columns.append(column)
    genes = list(columns[0])
    values = np.array([[column[gene] for gene in genes] for column in columns], dtype=np.float64)
    adata = _build(values, _unique(names), genes, None, "star" if mapping is None else "salmon")
    return _named(adata, names)


def _star_name(path: Path) -> str:
    name = re.sub(r"ReadsPerGene\.out\.tab(\.gz)?$", "", path.name).rstrip("._-")
    return name or path.parent.name


def _read_star(path: Path, strand: Strand) -> dict[str, float]:
    frame = _guard(
        lambda: pl.read_csv(
            path,
            has_header=False,
            separator="\t",
            schema={"gene": pl.String(), "unstranded": pl.Float64(), "forward": pl.Float64(), "reverse": pl.Float64()},
        )
    ).filter(~pl.col("gene").is_in(list(_SUMMARY_ROWS)))
    return dict(zip(frame["gene"].to_list(), frame[strand].to_list(), strict=True))


def _transcript_table(path: Path | str | None) -> dict[str, str]:
    """Read which gene a transcript is of; a line of titles does no harm, for no transcript has such a name."""
    if path is None:
        raise UserError("Salmon tables count transcripts. Give the table transcript -> gene (two columns) as `transcripts`.")
    path = Path(path)
    if not path.exists():
        raise UserError(f"There is no table of transcripts at {path}. Check the path.")
    _, skip, separator = _header(path)
    frame = _guard(lambda: pl.read_csv(path, separator=separator, has_header=False, skip_rows=skip, infer_schema_length=0))
    pairs = frame.select(frame.columns[:2]).drop_nulls()
    return {t.split(".")[0]: g for t, g in pairs.iter_rows()}


def _read_salmon(path: Path, mapping: dict[str, str]) -> dict[str, float]:
    frame = _guard(lambda: pl.read_csv(path, separator="\t", schema_overrides={"Name": pl.String(), "NumReads": pl.Float64()}))
    if tuple(frame.columns) != _SALMON:
        raise Unusable("not-a-matrix", "The file is no quant.sf of salmon.", "Give salmon's own table.")
    total: dict[str, float] = {}
    unknown = 0
    for name, reads in zip(frame["Name"].to_list(), frame["NumReads"].to_list(), strict=True):
        gene = mapping.get(name.split("|")[0].split(".")[0])
        if gene is None:
            unknown += 1
        else:
            total[gene] = total.get(gene, 0.0) + float(reads)
    if not total or unknown > len(frame) // 2:
        raise Unusable(
            "unknown-transcripts",
            f"{unknown} of {len(frame)} transcripts are not in the table.",
            "Give the table of the index that salmon used.",
        )
    return total


def combine(matrices: list[AnnData]) -> AnnData:
    """Stack matrices of several centres over the genes that all of them measured.

    A gene that one centre did not measure is left out, never filled with zeros; `uns["genes_left_out"]` counts
    them. Samples end up ordered by name, genes as in the first matrix ordered by identifier.

    Raises:
        Unusable: `no-common-gene`, `repeated-gene`.
    """
    import anndata

    common = set(matrices[0].var_names)
    for matrix in matrices:
        if not matrix.var_names.is_unique:
            raise Unusable(
                "repeated-gene", "A matrix lists a gene more than once.", "Merge its rows with genes.merge_repeated first."
            )
        common &= set(matrix.var_names)
    if not common:
        raise Unusable(
            "no-common-gene", "The matrices share no gene identifier.", "Map them to Ensembl with genes.to_ensembl first."
        )
    genes = sorted(common)
    everywhere = set().union(*(set(m.var_names) for m in matrices))
    values = np.concatenate([np.asarray(matrix[:, genes].X) for matrix in matrices])
    obs = pd.concat([frame_of(matrix.obs) for matrix in matrices], join="inner")
    combined = anndata.AnnData(X=as_counts(values), obs=obs, var=frame_of(matrices[0][:, genes].var))
    combined = combined[np.argsort(np.asarray(obs.index, dtype=str), kind="stable")].copy()
    combined.uns["genes_left_out"] = len(everywhere) - len(genes)
    return combined


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
