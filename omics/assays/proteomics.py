"""Protein abundances: log2, reference channel, median centring. Missing stays missing; zero intensity is missing.

Median centring after log2 is the usual first step of label-free and TMT data (Välikangas, Suomi and Elo, Briefings in
Bioinformatics 2018, 19:1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from unibase.groundwork.problems import Unusable, UserError
from unibase.groundwork.reasons import EMPTY_SAMPLE, UNKNOWN_UNIT
from unibase.methods.compiled.exact import FloatArray
from unibase.omics.assays.gates import GateReport, Refusal
from unibase.omics.readers.numeric_tables import Reading, check_measured, read_numeric
from unibase.omics.reasons import NEGATIVE_INTENSITY, NO_PLEX, NO_REFERENCE
from unibase.omics.recognise.expression_unit import Told
from unibase.omics.recognise.scales import LOST, TO_COHORT, protein_unit

if TYPE_CHECKING:
    from anndata import AnnData


def read_intensities(path: Path | str, reading: Reading | None = None) -> AnnData:
    """Read a table of protein abundances.

    Args:
        path: The table, proteins on either side.
        reading: What the study file says of it; else it is recognised.

    Returns:
        AnnData, samples x proteins; `uns["unit"]` is `intensities` or, for logarithms already, `log2`; `uns["plate_normalised"]`
        whether they are NPX, which Olink has brought to one scale.

    Raises:
        Unusable: `unknown-unit` when nobody can tell whether the values are logarithms.
        Unusable, UserError: As `numeric_tables.read_numeric`.
    """
    reading = reading or Reading()
    adata = read_numeric(path, "protein", reading)
    told = protein_unit(np.asarray(adata.X, dtype=np.float64), Path(path).name)
    if adata.uns.get("titled") == "NPX":
        told = Told("NPX", "log2", ("the title of the values says NPX",))
    unit = reading.unit or told.unit
    if unit not in ("intensities", "log2 intensities", "log2 ratio", "NPX"):
        raise Unusable(
            UNKNOWN_UNIT,
            f"The values are {told.unit}: {'; '.join(told.evidence)}.",
            "Give the values that they were made of: they do not tell them."
            if told.unit in LOST
            else "Give the values before they were centred on these samples; or say unit: log2 ratio, which keeps them as they are."
            if told.unit == TO_COHORT
            else "Say unit: intensities, log2 intensities, log2 ratio or NPX in the study file.",
        )
    adata.uns["unit"] = "intensities" if unit == "intensities" else "log2"
    adata.uns["plate_normalised"] = unit == "NPX"
    said = "as the study file says" if reading.unit else "; ".join(told.evidence)
    adata.uns["evidence"] = [*adata.uns["evidence"], f"unit: {unit} ({said})"]
    return adata


class Channel(NamedTuple):
    """One channel of an isobaric label (TMT, iTRAQ): the plex it was measured in, and whether it holds the reference."""

    plex: str
    reference: bool


_YES, _NO = ("yes", "true", "1", "reference", "pool"), ("no", "false", "0", "", "sample")


def read_channels(path: Path | str) -> dict[str, Channel]:
    """Read which plex each column of a matrix of isobaric labels belongs to, and which columns are reference channels.

    Args:
        path: CSV or TSV with columns `sample` (as the matrix names it), `plex` and `reference` (yes or no).

    Raises:
        UserError: With the row, when a column is missing, a cell is empty or not yes or no, or a sample is listed twice.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"There is no table of channels at {path}. Check the path in the study file.")
    header = path.read_text(encoding="utf-8-sig").partition("\n")[0]
    frame = pl.read_csv(path, separator=max("\t,;", key=header.count), infer_schema_length=0, null_values=[""])
    missing = [name for name in Channel._fields if name not in frame.columns] + ["sample"] * ("sample" not in frame.columns)
    if missing:
        raise UserError(f"{path} lacks the column {', '.join(missing)}. It needs sample, plex, reference.")
    channels: dict[str, Channel] = {}
    for row, (sample, plex, reference) in enumerate(frame.select("sample", "plex", "reference").iter_rows(), start=1):
        said = (reference or "").strip().lower()
        if not sample or not plex or said not in _YES + _NO:
            raise UserError(f"Row {row} of {path} must name a sample, a plex, and say yes or no for reference. Mend it.")
        if sample.strip() in channels:
            raise UserError(f"Row {row} of {path} lists a sample a second time. Keep one row per channel.")
        channels[sample.strip()] = Channel(plex.strip(), said in _YES)
    return channels


def check_intensities(adata: AnnData, channels: Mapping[str, Channel] | None = None) -> GateReport:
    """Refuse samples of `adata` without a quantified protein (`empty-sample`) or that repeat another (`duplicate-sample`).

    With `channels`, samples that are in no plex (`no-plex`), or whose plex has no reference with a value (`no-reference`), are
    refused too. Reference channels are no samples: they are neither kept nor refused.
    """
    measured = adata.copy()
    values = np.asarray(adata.X, dtype=np.float64)
    measured.X = np.where(values == 0, np.nan, values)
    if channels is None:
        return check_measured(measured, "intensities")
    names = [str(name) for name in adata.obs_names]
    known = np.isfinite(np.asarray(measured.X)).any(axis=1)
    served = {channels[name].plex for name, some in zip(names, known, strict=True) if some and is_reference(name, channels)}
    failed = {}
    for name in names:
        if name not in channels:
            failed[name] = Refusal(name, NO_PLEX, "The table of channels does not list it.", "Add its row, with its plex.")
        elif channels[name].plex not in served:
            failed[name] = Refusal(
                name, NO_REFERENCE, "Its plex has no reference channel with a value.", "Mark the reference of the plex."
            )
    samples = [name for name in names if not is_reference(name, channels)]
    return check_measured(measured[samples], "intensities", failed)


def is_reference(name: str, channels: Mapping[str, Channel]) -> bool:
    """Whether a column of the matrix, `name`, is a reference channel by the table of `channels`.

    >>> is_reference("126", {"126": Channel("plex-1", True)}), is_reference("127N", {})
    (True, False)
    """
    return name in channels and channels[name].reference


def log_intensities(intensities: FloatArray) -> FloatArray:
    """log2 of samples x proteins intensities; zeros, which say `not quantified`, become NaN.

    Raises:
        Unusable: `negative-intensity` when values lie below zero: they are logarithms already, or background corrected.

    >>> log_intensities(np.array([[8.0, 0.0]])).tolist()
    [[3.0, nan]]
    """
    values = np.asarray(intensities, dtype=np.float64)
    below = int((values < 0).sum())
    if below:
        raise Unusable(NEGATIVE_INTENSITY, f"{below} intensities lie below zero.", "Give raw intensities, or skip the logarithm.")
    return np.asarray(np.log2(np.where(values > 0, values, np.nan)))


def to_reference(values: FloatArray, plex: Sequence[str], is_reference: Sequence[bool]) -> FloatArray:
    """Subtract, within each plex, the mean of its reference channels (log values); references are kept in the result.

    Args:
        values: Logarithms, samples x proteins.
        plex, is_reference: Of each sample: its plex, and whether it is a reference channel.

    Raises:
        Unusable: `no-reference` when a plex has none.

    >>> to_reference(np.array([[3.0], [5.0], [4.0]]), ["a", "a", "a"], [True, False, True]).tolist()
    [[-0.5], [1.5], [0.5]]
    """
    x = np.asarray(values, dtype=np.float64)
    out = np.full_like(x, np.nan)
    plexes = np.asarray(plex, dtype=str)
    reference = np.asarray(is_reference, dtype=bool)
    for name in sorted(set(plexes.tolist())):
        rows = plexes == name
        if not (rows & reference).any():
            raise Unusable(NO_REFERENCE, "A plex has no reference channel.", "Name its reference, or leave the plex out.")
        known = x[rows & reference]
        count = np.isfinite(known).sum(axis=0)
        mean = np.divide(np.nansum(known, axis=0), count, out=np.full(x.shape[1], np.nan), where=count > 0)
        out[rows] = x[rows] - mean
    return out


def median_centre(values: FloatArray, target: float | None = None) -> FloatArray:
    """Move each sample of `values` (log, samples x proteins) so that its median is `target`; without one, zero.

    Each sample is moved by its own median: later samples change no earlier row.

    Raises:
        Unusable: `empty-sample` when a sample has no value.

    >>> median_centre(np.array([[1.0, 2.0, 9.0]])).tolist()
    [[-1.0, 0.0, 7.0]]
    """
    x = np.asarray(values, dtype=np.float64)
    empty = int((~np.isfinite(x).any(axis=1)).sum())
    if empty:
        raise Unusable(EMPTY_SAMPLE, f"{empty} samples have no protein quantified.", "Leave them out.")
    return np.asarray(x - np.nanmedian(x, axis=1, keepdims=True) + (0.0 if target is None else target))
