"""DNA methylation arrays: beta values to M-values, with detection p-values and probe masks.

Sources: Du et al., BMC Bioinformatics 2010, 11:587 (M-values); Zhou, Laird and Shen, Nucleic Acids Research 2017, 45:e22
(which probes to mask). The lists of probes to mask depend on the array and are given by the user.
"""

from __future__ import annotations

import gzip
import itertools
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import polars as pl

from unibase.groundwork.problems import Unusable, UserError
from unibase.methods.compiled.exact import FloatArray
from unibase.omics.assays.gates import GateReport, Refusal
from unibase.omics.readers.counts import frame_of
from unibase.omics.readers.numeric_tables import Reading, check_measured, read_numeric
from unibase.omics.reasons import FAILED_ARRAY, NO_COMMON_PROBE, NOT_BETA
from unibase.omics.recognise.scales import methylation_unit

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


def read_beta(path: Path | str, reading: Reading | None = None) -> AnnData:
    """Read a table of beta values, M-values or percent of methylation as beta values.

    Suffixes of EPIC v2's probes (`cg00000029_TC21`) are folded: replicates of a probe become their mean, as sesame's
    `betasCollapseToPfx` makes them.

    Args:
        path: The table, probes on either side.
        reading: What the study file says of it; else it is recognised.

    Returns:
        AnnData, samples x probes, float64; missing values are NaN.

    Raises:
        Unusable: `not-beta` when the values are none of the three.
        Unusable, UserError: As `numeric_tables.read_numeric`.
    """
    reading = reading or Reading()
    adata = read_numeric(path, "probe", reading)
    values = np.asarray(adata.X, dtype=np.float64)
    told = methylation_unit(values)
    unit = reading.unit or told.unit
    if unit not in ("beta", "M", "percent") or not _can_be(values, unit):
        raise Unusable(
            NOT_BETA,
            f"The values are {told.unit}: {'; '.join(told.evidence)}.",
            "Give beta values, M-values or percent; if they are, say unit: beta, M or percent.",
        )
    if unit != "beta":
        adata.X = values / 100 if unit == "percent" else 1 / (1 + np.exp2(-values))
    said = "as the study file says" if reading.unit else "; ".join(told.evidence)
    adata.uns["evidence"] = [*adata.uns["evidence"], f"unit: {unit} ({said})"]
    return _fold_replicates(adata)


def _can_be(values: FloatArray, unit: str) -> bool:
    known = values[np.isfinite(values)]
    return unit == "M" or not known.size or (known.min() >= 0 and known.max() <= (1 if unit == "beta" else 100))


_EPIC2 = re.compile(r"^(cg\d+|ch\.[\dX]+\.\d+[FR]?|rs\d+|nv-[\w-]+)_[TB][CO]\d+$")


def _fold_replicates(adata: AnnData) -> AnnData:
    """Return probes named without EPIC v2's suffixes; several of one name become their mean, missing left aside."""
    import anndata

    names = [str(name) for name in adata.var_names]
    short = [match[1] if (match := _EPIC2.match(name)) else name for name in names]
    if short == names:
        return adata
    folded = list(dict.fromkeys(short))
    place = {name: i for i, name in enumerate(folded)}
    where = np.array([place[name] for name in short])
    values = np.asarray(adata.X, dtype=np.float64)
    known = np.isfinite(values)
    sums, counts = np.zeros((adata.n_obs, len(folded))), np.zeros((adata.n_obs, len(folded)))
    np.add.at(sums.T, where, np.where(known, values, 0).T)
    np.add.at(counts.T, where, known.T)
    mean = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    index = pd.Index(folded, name="probe", dtype=object)
    out = anndata.AnnData(X=mean, obs=frame_of(adata.obs), var=pd.DataFrame({"symbol": folded}, index=index))
    said = f"{len(names) - len(folded)} replicate probes of EPIC v2 folded into means"
    out.uns["evidence"] = [*adata.uns["evidence"], said]
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


def mask(
    adata: AnnData, *, detection: FloatArray | None = None, probes: Iterable[str] = (), threshold: float = DETECTION
) -> AnnData:
    """Make values missing whose detection p-value is above `threshold`, and leave out `probes`.

    `uns["masked"]` counts both.

    Args:
        adata: Beta values, samples x probes.
        detection: p-values, samples x probes.
        probes, threshold: Probes to leave out; the largest p-value of what is detected.
    """
    out = adata.copy()
    values = np.array(out.X, dtype=np.float64)
    failed = 0
    if detection is not None:
        bad = ~(np.asarray(detection) <= threshold)
        failed = int((bad & np.isfinite(values)).sum())
        values[bad] = np.nan
    out.X = values
    unwanted = set(probes)
    keep = np.array([str(name) not in unwanted for name in out.var_names])
    kept = out[:, keep].copy()
    kept.uns["masked"] = {"values_not_detected": failed, "probes_left_out": int((~keep).sum())}
    return kept


def check_beta(adata: AnnData) -> GateReport:
    """Refuse samples of `adata` (beta, samples x probes) of which too much is missing, or whose column repeats another's.

    Reasons: `empty-sample`, `failed-array` (more than a tenth of the probes missing), `duplicate-sample`.
    """
    values = np.asarray(adata.X, dtype=np.float64)
    missing = np.isnan(values).mean(axis=1)
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


def to_m_values(adata: AnnData) -> AnnData:
    """Return M-values of `adata` (beta) in X and beta in `layers["beta"]`.

    Probes missing in more than a fifth of the samples are left out.

    Raises:
        Unusable: `no-common-probe` when no probe is left of the arrays that were put together.
    """
    if not adata.n_vars:
        raise Unusable(
            NO_COMMON_PROBE,
            "The arrays of the centres share no probe.",
            "Look whether all name probes alike (cg00000029), and leave out what is no methylation array.",
        )
    values = np.asarray(adata.X, dtype=np.float64)
    keep = np.isnan(values).mean(axis=0) <= MAX_MISSING_PROBE
    out = adata[:, keep].copy()
    out.layers["beta"] = values[:, keep]
    out.X = m_values(values[:, keep])
    out.uns["methylation"] = {"unit": "M-value", "probes_left_out_for_gaps": int((~keep).sum())}
    return out
