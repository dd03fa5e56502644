"""The multimodal file of a release: MuData, as `cohort.h5mu` and `cohort.zarr`.

Rows of every modality are subjects, named by `subject_id` as text, one row a subject at most. Where a modality is
measured on samples, `obs["sample"]` names the sample chosen, and `uns["sample_map"]` holds all samples of all
assays, so that the two levels are never confused. Matrices are copied in blocks of rows; memory does not grow with
the number of subjects.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import polars as pl

from unibase.groundwork.problems import UserError
from unibase.releases.content import staging_words

if TYPE_CHECKING:
    import h5py
    import pandas as pd

CHUNK = (1024, 256)
"""One gene of 63,000 subjects is 62 chunks, one subject of 20,000 genes 79: both open at once."""
ROWS_PER_BLOCK = CHUNK[0]
"""A block fills whole chunks, so that each is compressed once: 82 MB for 20,000 genes in float32."""


@dataclass
class Modality:
    """One modality: names and descriptions in memory, the matrix by blocks of rows.

    Attributes:
        name: Name of the modality.
        obs: One row per subject, index `subject_id` as text.
        var: One row per variable.
        table: Parquet file with a column per variable, or None when `source` is given.
        source: AnnData zarr folder to read rows from.
        rows: The row of each subject in `table`, in rising order, or in `source`.
        layers: Further matrices of `source`, such as `counts`, that go along.
        table_layers: Further matrices of `table`, by name of the layer: for each variable the column that holds it, or None.
    """

    name: str
    obs: pd.DataFrame
    var: pd.DataFrame
    table: Path | None = None
    source: Path | None = None
    rows: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    layers: tuple[str, ...] = ()
    table_layers: dict[str, list[str | None]] = field(default_factory=dict)

    def add_layer(self, name: str, columns: list[str | None]) -> None:
        """Add the layer `name` of `table`: for each variable one of the `columns`, or None where there is none (NaN)."""
        self.table_layers[name] = columns
        self.layers = (*self.layers, name)

    @property
    def shape(self) -> tuple[int, int]:
        """Subjects and variables."""
        return len(self.obs), len(self.var)

    def blocks(self, matrix: str = "X", size: int = ROWS_PER_BLOCK) -> Iterator[tuple[int, np.ndarray]]:
        """Yield `(first row, values)` of blocks of `size` rows of a `matrix`: `X` or `layers/<name>`."""
        if self.table is not None:
            for start in range(0, len(self.obs), size):
                yield start, self._columns(self.table, matrix, self.rows[start : start + size])
            return
        reader = self._reader(matrix)
        for start in range(0, len(self.obs), size):
            yield start, reader.take(self.rows[start : start + size])

    def dtype(self, matrix: str = "X") -> np.dtype[np.generic]:
        """The type of a matrix as its source has it; whole numbers below 64 bits stay so."""
        return np.dtype(np.float64 if self.table is not None else self._reader(matrix).dtype)

    def _columns(self, table: Path, matrix: str, rows: np.ndarray) -> np.ndarray:
        if not len(self.var.index):
            return np.empty((len(rows), 0))
        low, high = int(rows[0]), int(rows[-1]) + 1
        held = self.var.index.to_list() if matrix == "X" else self.table_layers[matrix.removeprefix("layers/")]
        none = pl.lit(None, pl.Float64)
        wanted = [(pl.col(c) if c else none).alias(str(n)) for n, c in enumerate(held)]
        block = pl.scan_parquet(table).slice(low, high - low).select(wanted).collect()
        return block[rows - low].with_columns(pl.all().cast(pl.Float64).fill_null(float("nan"))).to_numpy()

    def _reader(self, matrix: str) -> _Rows:
        if self.source is None:
            raise ValueError(f"modality {self.name} has no values")
        return _Rows(self.source, matrix)


class _Rows:
    """Rows of one matrix of an AnnData zarr, dense or CSR."""

    def __init__(self, folder: Path, matrix: str) -> None:
        import zarr

        x: Any = zarr.open_group(folder, mode="r")[matrix]
        self.x = x
        self.sparse = isinstance(x, zarr.Group)
        if self.sparse:
            if self.x.attrs.get("encoding-type") != "csr_matrix":
                raise UserError(f"The assay {folder.name} stores {matrix} by columns. Write it dense or as CSR.")
            self.indptr = np.asarray(self.x["indptr"][:])
            self.width = int(self.x.attrs["shape"][1])
            self.dtype = self.x["data"].dtype
        else:
            self.width = int(self.x.shape[1])
            self.dtype = self.x.dtype

    def take(self, rows: np.ndarray) -> np.ndarray:
        if not len(rows):
            return np.empty((0, self.width), dtype=self.dtype)
        if not self.sparse:
            # One contiguous read is far faster than one per row when the rows lie close together.
            low, high = int(rows.min()), int(rows.max()) + 1
            if high - low <= 4 * len(rows):
                found: np.ndarray = np.asarray(self.x[low:high])[rows - low]
                return found
            return np.asarray(self.x.oindex[rows, slice(None)])
        out = np.zeros((len(rows), self.width), dtype=self.dtype)
        for place, row in enumerate(rows):
            start, end = int(self.indptr[row]), int(self.indptr[row + 1])
            out[place, np.asarray(self.x["indices"][start:end])] = self.x["data"][start:end]
        return out


def choose_samples(sample_map: pl.DataFrame, analysis: pl.DataFrame) -> pl.DataFrame:
    """Return the sample that stands for each subject in each assay.

    The join's choice, where the analysis table has the column `<assay>_sample`: a subject without a sample in the
    window has none. For other assays: used samples of the subjects; one known to be of tumour goes before others, one
    collected by the index before a later one, then the latest, then the name: a total order, so that the choice never
    depends on the order of rows.

    Args:
        sample_map: SAMPLE_MAP frame of the released subjects.
        analysis: One row per subject; `index_time` and `<assay>_sample` if known.

    Returns:
        `assay`, `subject_id`, `colname`, `centre`, `sample_time`, `sample_type`, ordered by assay and subject.
    """
    used = sample_map.filter(pl.col("status") == "used").rename({"primary": "subject_id"})
    told = sorted(a for a in used["assay"].unique() if f"{a}_sample" in analysis.columns)
    picked = [
        analysis.select("subject_id", pl.lit(assay).alias("assay"), pl.col(f"{assay}_sample").alias("colname")).drop_nulls()
        for assay in told
    ]
    joined = used.filter(pl.col("assay").is_in(told)).join(
        pl.concat(picked) if picked else used.select("subject_id", "assay", "colname").clear(),
        on=["subject_id", "assay", "colname"],
        how="semi",
    )
    rest = _first_by_rule(used.filter(~pl.col("assay").is_in(told)), analysis)
    names = ["assay", "subject_id", "colname", "centre", "sample_time", "sample_type"]
    return pl.concat([joined.select(names), rest.select(names)]).sort("assay", "subject_id")


def _first_by_rule(used: pl.DataFrame, analysis: pl.DataFrame) -> pl.DataFrame:
    """Return the first sample of each subject in each assay: of tumour, by the index, the latest, by name."""
    index = (
        analysis.select("subject_id", pl.col("index_time").cast(pl.Datetime("us")))
        if "index_time" in analysis.columns
        else pl.DataFrame(schema={"subject_id": pl.Int64, "index_time": pl.Datetime("us")})
    )
    return (
        used.join(index, on="subject_id", how="left")
        .with_columns(
            (pl.col("sample_type").fill_null("") != "tumour").alias("not_tumour"),
            (pl.col("sample_time") > pl.col("index_time")).fill_null(False).alias("late"),
        )
        .sort(
            ["assay", "subject_id", "not_tumour", "late", "sample_time", "colname"],
            descending=[False, False, False, False, True, False],
            nulls_last=True,
        )
        .unique(["assay", "subject_id"], keep="first", maintain_order=True)
    )


def assay_modality(name: str, folder: Path, chosen: pl.DataFrame) -> Modality:
    """Return the modality of the assay `name`: the `chosen` sample of each subject, in order of subject.

    `folder` is the store of the assay.

    Raises:
        UserError: If a chosen sample has no row in the assay.
    """
    from anndata.io import read_elem

    group = _open(folder)
    obs = cast("pd.DataFrame", read_elem(group["obs"]))
    var = cast("pd.DataFrame", read_elem(group["var"]))
    place = {str(label): row for row, label in enumerate(obs.index)}
    chosen = chosen.filter(pl.col("assay") == name).sort("subject_id")
    absent = [c for c in chosen["colname"] if c not in place]
    if absent:
        raise UserError(
            f"The assay {name} lacks {len(absent)} samples that the sample map calls used. Run `unibase normalise` again."
        )
    rows = np.array([place[c] for c in chosen["colname"]], dtype=np.int64)
    obs = obs.iloc[rows].copy()
    for position, (column, values) in enumerate(
        {
            "subject_id": [str(s) for s in chosen["subject_id"]],
            "sample": chosen["colname"].to_list(),
            "centre": chosen["centre"].to_list(),
            "sample_time": _iso(chosen["sample_time"]),
            "sample_type": chosen["sample_type"].to_list(),
        }.items()
    ):
        if column in obs.columns:
            del obs[column]
        obs.insert(position, column, values)
    obs.index = obs["subject_id"].to_list()
    layers = tuple(sorted(group["layers"].keys())) if "layers" in group else ()
    return Modality(name, obs, var, source=folder, rows=rows, layers=layers)


def table_modality(name: str, table: Path, rows: np.ndarray, variables: list[str], obs: pl.DataFrame) -> Modality:
    """Return a modality of float64 variables held in a Parquet file with one row per subject.

    The row numbers have the shape (subjects,).

    Args:
        name: Name of the modality.
        table: The file: `subject_id` and the variables.
        rows: Which rows of the file make the modality, in rising order.
        variables: Columns that make the matrix; nulls become NaN.
        obs: `subject_id` and what describes the rows; rows follow the file.
    """
    import pandas as pd

    subjects = pl.read_parquet(table, columns=["subject_id"])[rows]
    described_rows = subjects.join(obs, on="subject_id", how="left", maintain_order="left")
    described = pd.DataFrame({"subject_id": [str(s) for s in described_rows["subject_id"]]})
    for column in described_rows.columns:
        if column != "subject_id":
            described[column] = _pandas(described_rows[column])
    described.index = pd.Index(described["subject_id"].to_list(), dtype=object)
    return Modality(name, described, pd.DataFrame(index=pd.Index(variables, dtype=object)), table=table, rows=rows)


def write_cohort(modalities: list[Modality], subjects: pl.DataFrame, tables: Mapping[str, pl.DataFrame], folder: Path) -> None:
    """Write `cohort.h5mu` and `cohort.zarr` below `folder`.

    Args:
        modalities: In the order to keep.
        subjects: One row per subject; its columns become `obs` of the whole.
        tables: Further tables for `uns`, such as `sample_map`.
        folder: Where to write.
    """
    import h5py
    import zarr
    from zarr.codecs import ZstdCodec

    skeleton = _skeleton(modalities, subjects, tables)
    hdf5, store = folder / "cohort.h5mu", folder / "cohort.zarr"
    skeleton.write_h5mu(hdf5)
    with h5py.File(hdf5, "r+") as file:
        for modality in modalities:
            group = file["mod"][modality.name]
            del group["X"]
            for matrix in ("X", *(f"layers/{layer}" for layer in modality.layers)):
                _fill(_hdf5_matrix(group, modality, matrix), modality, matrix)
    skeleton.write_zarr(store)
    root = zarr.open_group(store, mode="r+")
    for modality in modalities:
        shutil.rmtree(store / "mod" / modality.name / "X")
        for matrix in ("X", *(f"layers/{layer}" for layer in modality.layers)):
            array = root.create_array(
                f"mod/{modality.name}/{matrix}",
                shape=modality.shape,
                chunks=tuple(max(1, min(c, n)) for c, n in zip(CHUNK, modality.shape, strict=True)),
                dtype=modality.dtype(matrix),
                compressors=ZstdCodec(level=3),
                fill_value=0,
                attributes={"encoding-type": "array", "encoding-version": "0.2.0"},
            )
            _fill(array, modality, matrix)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(store)


def _fill(array: Any, modality: Modality, matrix: str) -> None:
    for start, values in modality.blocks(matrix):
        array[start : start + len(values)] = values.astype(array.dtype, copy=False)


def _hdf5_matrix(group: h5py.Group, modality: Modality, matrix: str) -> h5py.Dataset:
    rows, columns = modality.shape
    chunks = (min(CHUNK[0], rows), min(CHUNK[1], columns)) if rows and columns else None
    # Deflate, because R's rhdf5 reads it without a further plug-in.
    compression: dict[str, Any] = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if chunks else {}
    array = group.create_dataset(
        matrix, shape=modality.shape, dtype=modality.dtype(matrix), chunks=chunks, track_times=False, **compression
    )
    array.attrs["encoding-type"] = "array"
    array.attrs["encoding-version"] = "0.2.0"
    return array


def _skeleton(modalities: list[Modality], subjects: pl.DataFrame, tables: Mapping[str, pl.DataFrame]) -> Any:
    import anndata
    import mudata
    import pandas as pd

    parts = {}
    for modality in modalities:
        obs, var = _plain(modality.obs), _plain(modality.var)
        parts[modality.name] = anndata.AnnData(obs=obs, var=var)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = mudata.MuData(parts)
        subjects = subjects.sort("subject_id")
        described = pd.DataFrame(
            {name: _pandas(subjects[name]) for name in subjects.columns if name != "subject_id"},
            index=pd.Index([str(s) for s in subjects["subject_id"]], dtype=object),
        )
        described.insert(0, "subject_id", described.index.to_list())
        described = _plain(described.reindex(whole.obs_names))
        whole.obs = described
        for name, table in tables.items():
            frame = pd.DataFrame({column: _pandas(table[column]) for column in table.columns})
            frame.index = pd.Index([str(i) for i in range(len(frame))], dtype=object)
            whole.uns[name] = _plain(frame)
    return whole


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Return `frame` in encodings that every reader of the format knows: text as categories, dates as ISO text."""
    import pandas as pd

    frame = frame.copy()
    for name in frame.columns:
        column = frame[name]
        if name in staging_words.ORDER:
            frame[name] = _ordered(name, column.astype(object))
        elif isinstance(column.dtype, pd.CategoricalDtype):
            text = column.astype(object)
            frame[name] = _categories(text)
        elif pd.api.types.is_datetime64_any_dtype(column.dtype):
            frame[name] = _categories(column.dt.strftime("%Y-%m-%dT%H:%M:%S").astype(object))
        elif column.dtype == object or pd.api.types.is_string_dtype(column.dtype):
            frame[name] = _categories(column.astype(object))
        elif pd.api.types.is_extension_array_dtype(column.dtype):
            frame[name] = column.astype("float64")
    frame.index = pd.Index([str(label) for label in frame.index], dtype=object)
    frame.index.name = None
    return frame


def _ordered(kind: str, values: pd.Series) -> pd.Categorical:
    """Return T, N, M or stage as ordered categories."""
    plain = _categories(values)
    return plain.set_categories(sorted(plain.categories, key=lambda level: staging_words.rank(kind, level)), ordered=True)


def _categories(values: pd.Series) -> pd.Categorical:
    import pandas as pd

    text = [None if pd.isna(v) else str(v) for v in values]
    return pd.Categorical(text, categories=sorted({t for t in text if t is not None}))


def _pandas(series: pl.Series) -> Any:
    if series.dtype == pl.Date or isinstance(series.dtype, pl.Datetime):
        return _iso(series)
    if series.dtype.is_integer() and series.null_count():
        return series.cast(pl.Float64).to_numpy()
    if series.dtype == pl.Boolean and series.null_count():
        return series.cast(pl.Int8).cast(pl.Float64).to_numpy()
    if series.dtype == pl.String or not (series.dtype.is_numeric() or series.dtype == pl.Boolean):
        return np.array(series.cast(pl.String).to_list(), dtype=object)
    if series.name in ("subject_id", "primary"):
        return np.array(series.cast(pl.String).to_list(), dtype=object)
    return series.to_numpy()


def _iso(series: pl.Series) -> list[str | None]:
    if series.dtype == pl.Date:
        return series.dt.strftime("%Y-%m-%d").to_list()
    return series.dt.strftime("%Y-%m-%dT%H:%M:%S").to_list()


def _open(folder: Path) -> Any:
    import zarr

    return zarr.open_group(folder, mode="r")
