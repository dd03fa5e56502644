"""Methylation of all centres in one store: the probes that all arrays have, a few samples in memory at a time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unibase.omics.assays.gates import no_sample_left
from unibase.omics.assays.methylation import MAX_MISSING_PROBE, m_values, no_common_probe
from unibase.omics.stores import blocks
from unibase.omics.stores.blocks import Stored, X

_BETA = "layers/beta"
_TYPE = np.dtype(np.float64)


@dataclass(frozen=True)
class _Part:
    """Samples of one store, ascending, and where they stand among those of all."""

    stored: Stored
    rows: NDArray[np.int64]
    places: NDArray[np.int64]


def put_together(paths: Sequence[Path], excluded: Collection[str], target: Path) -> tuple[int, int]:
    """Write M-values, and beta values beside them, of samples of several stores of beta values; samples and probes by name.

    What comes out is what `methylation.to_m_values` gives of all samples in memory.

    Args:
        paths: The stores.
        excluded: Samples that are left out.
        target: Where to write.

    Returns:
        Numbers of samples and probes.

    Raises:
        Unusable: `no-sample-left`, `no-common-probe`.
    """
    some = [(stored, stored.rows_of(lambda name: name not in excluded)) for stored in map(blocks.open_store, paths)]
    used = [(stored, rows) for stored, rows in some if len(rows)]
    if not used:
        raise no_sample_left()
    probes = sorted(set.intersection(*(set(map(str, stored.var.index)) for stored, _ in used)))
    if not probes:
        raise no_common_probe()
    obs = pd.concat([stored.obs.iloc[rows] for stored, rows in used], join="inner")
    order = np.argsort(np.asarray(obs.index, dtype=str), kind="stable")
    places = np.split(np.argsort(order), np.cumsum([len(rows) for _, rows in used])[:-1])
    parts = [_Part(stored, rows, place) for (stored, rows), place in zip(used, places, strict=True)]
    described = pd.concat([stored.var for stored, _ in used], join="inner").groupby(level=0).first().reindex(probes)
    described.index.name = used[0][0].var.index.name
    with blocks.scratch_files(target.parent, [X]) as files:
        gaps = _gather(parts, probes, files[X])
        keep = gaps / len(obs) <= MAX_MISSING_PROBE
        _write(files[X], keep, obs.iloc[order], described[keep], target)
    return len(obs), int(keep.sum())


def _gather(parts: Sequence[_Part], probes: Sequence[str], file: IO[bytes]) -> NDArray[np.int64]:
    """Write the beta values of all samples to a file, in their order; return in how many each probe is missing."""
    gaps = np.zeros(len(probes), dtype=np.int64)
    for part in parts:
        columns = part.stored.var.index.get_indexer(pd.Index(list(probes)))
        whole = len(columns) == len(part.stored.var) and bool((np.diff(columns) == 1).all())
        alone = Stored(part.stored.obs, part.stored.var, {}, {X: part.stored.arrays[X]})
        for some in blocks.parts(np.arange(len(part.rows)), len(part.stored.var)):
            values = alone.read(part.rows[some])[X]
            beta = np.asarray(values if whole else values[:, columns], dtype=_TYPE)
            gaps += np.isnan(beta).sum(axis=0)
            blocks.put_rows(file, beta, part.places[some])
    return gaps


def _write(file: IO[bytes], keep: NDArray[np.bool_], obs: pd.DataFrame, var: pd.DataFrame, target: Path) -> None:
    with blocks.new_store(target, obs.index, var, {X: _TYPE, _BETA: _TYPE}) as new:
        for rows in blocks.parts(np.arange(len(obs)), len(keep)):
            beta = blocks.next_rows(file, _TYPE, rows, len(keep))[:, keep]
            new.append({X: m_values(beta), _BETA: beta})
        new.describe(obs, {"methylation": {"unit": "M-value", "probes_left_out_for_gaps": int((~keep).sum())}})
