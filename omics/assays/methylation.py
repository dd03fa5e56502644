"""DNA methylation arrays: beta values to M-values, with detection p-values and probe masks.

Sources: Du et al., BMC Bioinformatics 2010, 11:587 (M-values); Zhou, Laird and Shen, Nucleic Acids Research 2017, 45:e22
(which probes to mask). The lists of probes to mask depend on the array and are given by the user.
"""

from __future__ import annotations

import gzip
import itertools
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl

from unibase.groundwork.problems import Unusable, UserError
from unibase.groundwork.reasons import REPEATED_SAMPLE
from unibase.methods.compiled.exact import FloatArray
from unibase.omics.assays.gates import GateReport, Refusal
from unibase.omics.readers.counts import frame_of
from unibase.omics.readers.numeric_tables import Reading, check_measured, read_numeric
from unibase.omics.readers.probe_blocks import StoredTable, Values, first_samples, folded, in_beta, store_table
from unibase.omics.reasons import FAILED_ARRAY, NO_COMMON_PROBE, NOT_BETA, REPEATED_PROBE
from unibase.omics.recognise.scales import methylation_unit
from unibase.omics.stores.store import chunk_samples, column_parts

if TYPE_CHECKING:
    from anndata import AnnData

OFFSET = 1e-6
"""Beta values of exactly 0 and 1 are moved in by this much before the logit."""
DETECTION = 0.01
MAX_MISSING_SAMPLE = 0.1
MAX_MISSING_PROBE = 0.2
_PROBE = ("IlmnID", "probeID", "Probe_ID", "probe", "Name")
_CHROMOSOME = ("CHR", "CpG_chrm", "CHR_hg38", "chromosome", "Chromosome", "chrm", "seqnames", "chr")
_PREAMBLE = 50
"""Lines in which the titles must come: Illumina's stand in the eighth."""


def read_beta(path: Path | str, reading: Reading | None = None, scratch: Path | None = None) -> AnnData:
    """Read a table of beta values, M-values or percent of methylation as beta values.

    Suffixes of EPIC v2's probes (`cg00000029_TC21`) are folded: replicates of a probe become their mean, as sesame's
    `betasCollapseToPfx` makes them.

    Args:
        path: The table, probes on either side.
        reading: What the study file says of it; else it is recognised.
        scratch: Where the values of a table that is larger than memory lie while they are used.

    Returns:
        AnnData, samples x probes, float64; missing values are NaN. Of a large text with probes in rows, X is a Dask array over a
        file, and the probes are in order of name.

    Raises:
        Unusable: `not-beta` when the values are none of the three.
        Unusable, UserError: As `numeric_tables.read_numeric`.
    """
    reading = reading or Reading()
    table = store_table(Path(path), "probe", reading, scratch)
    if table is not None:
        return _stored_beta(table, reading)
    adata = read_numeric(path, "probe", reading)
    values = np.asarray(adata.X, dtype=np.float64)
    unit, said = _unit(values, reading)
    adata.X = in_beta(values, unit)
    adata.uns["evidence"] = [*adata.uns["evidence"], said]
    return _fold_replicates(adata)


def _stored_beta(table: StoredTable, reading: Reading) -> AnnData:
    """Return the beta values of a table in a file, probes in order of name."""
    unit, said = _unit(table.shown(), reading)
    members: dict[str, list[int]] = {}
    for row, name in enumerate(table.features):
        members.setdefault(_short(name), []).append(row)
    adata = _in_file(table, members, unit)
    written = [f"table written with {', '.join(table.traits)}"] if table.traits else []
    adata.uns["evidence"] = [*written, *table.evidence, said, *_folding(len(table.features), len(members))]
    return adata


def _in_file(table: StoredTable, members: Mapping[str, list[int]], unit: str) -> AnnData:
    """Return samples x probes of a table in a file, probes in order of name.

    Raises:
        Unusable: `repeated-probe`, `repeated-sample`.
    """
    import anndata
    import dask.array as da

    if len(set(table.features)) < len(table.features):
        raise Unusable(REPEATED_PROBE, "A probe is listed twice.", "Keep one row per probe.")
    if len(set(table.samples)) < len(table.samples):
        raise Unusable(REPEATED_SAMPLE, "Two columns have one name.", "Give each sample a name of its own.")
    names = sorted(members)
    values = Values(table, [members[name] for name in names], unit)
    step = min(chunk_samples(len(table.samples), 8), len(names))
    return anndata.AnnData(
        X=da.from_array(values, chunks=(len(table.samples), step), name=False, fancy=False),
        obs=pd.DataFrame({"sample": table.samples}, index=pd.Index(table.samples, dtype=object)),
        var=pd.DataFrame({"symbol": names}, index=pd.Index(names, name="probe", dtype=object)),
    )


def read_detection(path: Path | str, scratch: Path | None = None) -> AnnData:
    """Read a table of detection p-values, samples x probes, large ones as `read_beta` does.

    Args:
        path: The table, probes on either side.
        scratch: As `read_beta` takes it.

    Raises:
        Unusable, UserError: As `numeric_tables.read_numeric`.
    """
    table = store_table(Path(path), "probe", Reading(), scratch)
    if table is None:
        return read_numeric(path, "probe")
    return _in_file(table, {name: [row] for row, name in enumerate(table.features)}, "beta")


def beta_samples(path: Path, reading: Reading) -> list[str]:
    """Return the samples of a table of methylation; of a large one its first lines are read alone.

    Args:
        path, reading: As `read_beta` takes them.

    Raises:
        Unusable, UserError: As `read_beta`.
    """
    names = first_samples(path, "probe", reading)
    return names if names is not None else [str(name) for name in read_beta(path, reading).obs_names]


def _unit(values: FloatArray, reading: Reading) -> tuple[str, str]:
    """Return what values are, and why.

    Raises:
        Unusable: `not-beta`.
    """
    told = methylation_unit(values)
    unit = reading.unit or told.unit
    if unit not in ("beta", "M", "percent") or not _can_be(values, unit):
        raise Unusable(
            NOT_BETA,
            f"The values are {told.unit}: {'; '.join(told.evidence)}.",
            "Give beta values, M-values or percent; if they are, say unit: beta, M or percent.",
        )
    said = "as the study file says" if reading.unit else "; ".join(told.evidence)
    return unit, f"unit: {unit} ({said})"


def _can_be(values: FloatArray, unit: str) -> bool:
    known = values[np.isfinite(values)]
    return unit == "M" or not known.size or (known.min() >= 0 and known.max() <= (1 if unit == "beta" else 100))


_EPIC2 = re.compile(r"^(cg\d+|ch\.[\dX]+\.\d+[FR]?|rs\d+|nv-[\w-]+)_[TB][CO]\d+$")


def _short(name: str) -> str:
    match = _EPIC2.match(name)
    return match[1] if match else name


def _folding(probes: int, names: int) -> list[str]:
    return [f"{probes - names} replicate probes of EPIC v2 folded into means"] if probes > names else []


def _fold_replicates(adata: AnnData) -> AnnData:
    """Return probes named without EPIC v2's suffixes; several of one name become their mean, missing left aside."""
    import anndata

    names = [str(name) for name in adata.var_names]
    short = [_short(name) for name in names]
    if short == names:
        return adata
    unique = list(dict.fromkeys(short))
    place = {name: i for i, name in enumerate(unique)}
    where = np.array([place[name] for name in short])
    order = np.argsort(where, kind="stable")
    mean = folded(np.asarray(adata.X, dtype=np.float64).T[order], np.bincount(where).tolist()).T
    index = pd.Index(unique, name="probe", dtype=object)
    out = anndata.AnnData(
        X=np.ascontiguousarray(mean), obs=frame_of(adata.obs), var=pd.DataFrame({"symbol": unique}, index=index)
    )
    out.uns["evidence"] = [*adata.uns["evidence"], *_folding(len(names), len(unique))]
    return out


def read_chromosomes(path: Path | str) -> dict[str, str]:
    """Read on which chromosome each probe lies, from a manifest (CSV, TSV; gzip): Illumina's, with or without its preamble, or
    Zhou's annotation; any table with a column of probes and one of chromosomes.

    Raises:
        UserError: If there is nothing at `path`, or no such columns are found.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"There is no table of probes at {path}. Check the path in the study file.")
    try:
        with gzip.open(path, "rt", encoding="utf-8-sig") if path.suffix == ".gz" else path.open(encoding="utf-8-sig") as file:
            head = _head(path, itertools.islice(file, _PREAMBLE))
        # What follows the probes in Illumina's file are controls: their rows have other columns.
        frame = pl.read_csv(
            path,
            separator=head.separator,
            skip_lines=head.line,
            columns=[head.titles.index(name) for name in (*head.probes, head.chromosome)],
            infer_schema_length=0,
            truncate_ragged_lines=True,
        )
    except (OSError, EOFError, UnicodeDecodeError, pl.exceptions.PolarsError) as error:
        raise UserError(
            f"The table of probes {path} cannot be read to its end ({type(error).__name__}). Copy it again."
        ) from None
    frame = frame.rename(str.strip)
    # A matrix may bear the one name of a probe or the other.
    named = (frame.select(title, head.chromosome).drop_nulls().iter_rows() for title in head.probes)
    return {name: where.removeprefix("chr") for rows in named for name, where in rows}


class _Head(NamedTuple):
    """Where the titles of a manifest stand, and which of them name probes and their chromosome."""

    line: int
    separator: str
    titles: list[str]
    probes: list[str]
    chromosome: str


def _head(path: Path, lines: Iterable[str]) -> _Head:
    for place, line in enumerate(lines):
        separator = max("\t,;", key=line.count)
        titles = [title.strip().strip('"') for title in line.rstrip("\r\n").split(separator)]
        probes = [name for name in _PROBE if name in titles]
        chromosome = next((name for name in _CHROMOSOME if name in titles), "")
        if probes and chromosome:
            return _Head(place, separator, titles, probes, chromosome)
    raise UserError(
        f"{path} has no column of probes ({', '.join(_PROBE)}) and of chromosomes ({', '.join(_CHROMOSOME)}). "
        "Give the manifest of the array."
    )


def mask(adata: AnnData, *, detection: Any = None, probes: Iterable[str] = (), threshold: float = DETECTION) -> AnnData:
    """Make values missing whose detection p-value is above `threshold`, and leave out `probes`.

    `uns["masked"]` counts both.

    Args:
        adata: Beta values, samples x probes.
        detection: p-values, samples x probes; an array in memory, or one of Dask as X.
        probes, threshold: Probes to leave out; the largest p-value of what is detected.
    """
    out = adata.copy()
    failed = 0
    if detection is not None:
        for columns in column_parts(out):
            bad = ~(np.asarray(detection[:, columns]) <= threshold)
            failed += int((bad & np.isfinite(np.asarray(out[:, columns].X))).sum())
        out.X = np.where(detection <= threshold, out.X, np.nan)  # type: ignore[arg-type]  # a Dask array answers, too
    unwanted = set(probes)
    keep = np.array([str(name) not in unwanted for name in out.var_names])
    kept = out[:, keep].copy()
    kept.uns["masked"] = {"values_not_detected": failed, "probes_left_out": int((~keep).sum())}
    return kept


def check_beta(adata: AnnData) -> GateReport:
    """Refuse samples of `adata` (beta, samples x probes) of which too much is missing, or whose column repeats another's.

    Reasons: `empty-sample`, `failed-array` (more than a tenth of the probes missing), `duplicate-sample`.
    """
    gaps = np.zeros(adata.n_obs, dtype=np.int64)
    for columns in column_parts(adata):
        gaps += np.isnan(np.asarray(adata[:, columns].X)).sum(axis=1)
    missing = gaps / max(adata.n_vars, 1)
    failed = {
        str(name): Refusal(
            str(name), FAILED_ARRAY, f"More than {MAX_MISSING_SAMPLE:.0%} of its probes failed.", "Run the array again."
        )
        for name, share in zip(adata.obs_names, missing, strict=True)
        if share > MAX_MISSING_SAMPLE
    }
    return check_measured(adata, "fraction", failed)


def m_values(beta: FloatArray) -> FloatArray:
    """log2(beta / (1 - beta)); 0 and 1 are moved in by `OFFSET`.

    >>> m_values(np.array([0.5, 0.8])).tolist()
    [0.0, 2.0000000000000004]
    """
    inside = np.clip(np.asarray(beta, dtype=np.float64), OFFSET, 1 - OFFSET)
    return np.asarray(np.log2(inside / (1 - inside)))


def no_common_probe() -> Unusable:
    """Return what is said when the arrays of the centres share no probe.

    >>> no_common_probe().reason
    'no-common-probe'
    """
    return Unusable(
        NO_COMMON_PROBE,
        "The arrays of the centres share no probe.",
        "Look whether all name probes alike (cg00000029), and leave out what is no methylation array.",
    )


def to_m_values(adata: AnnData) -> AnnData:
    """Return M-values of `adata` (beta) in X and beta in `layers["beta"]`.

    Probes missing in more than a fifth of the samples are left out.

    Raises:
        Unusable: `no-common-probe` when no probe is left of the arrays that were put together.
    """
    if not adata.n_vars:
        raise no_common_probe()
    values = np.asarray(adata.X, dtype=np.float64)
    keep = np.isnan(values).mean(axis=0) <= MAX_MISSING_PROBE
    out = adata[:, keep].copy()
    out.layers["beta"] = values[:, keep]
    out.X = m_values(values[:, keep])
    out.uns["methylation"] = {"unit": "M-value", "probes_left_out_for_gaps": int((~keep).sum())}
    return out
