"""Texture features of `ibsi` mode: co-occurrence, runs, zones, distance zones and neighbourhoods, by IBSI's tags."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from unibase.imaging.engine import morphology, texture
from unibase.imaging.engine.compiled import texture_counts, voxels
from unibase.imaging.engine.options import IbsiOptions, Values

Array = np.ndarray


def textures(levels: Array, region: Array, options: IbsiOptions) -> Values:
    """Features of all texture matrices in all aggregations asked for.

    Args:
        levels: uint16 (z, y, x), 0 outside the intensity mask.
        region: bool, the morphological mask, to whose border zone distances are measured.
        options: Processing choices.
    """
    result: Values = {}
    wanted = options.texture_aggregations
    families = options.families
    flat, solid = any(a.startswith("2") for a in wanted), any(a.startswith("3") for a in wanted)
    if "glcm" in families or "glrlm" in families:
        result.update(_lines(levels, wanted, options.glcm_distance, families))
    padded = texture.padded(levels)
    extents = texture_counts.row_extents(padded)
    for planar in [p for p, asked in ((True, flat), (False, solid)) if asked]:
        names = [n for n in (("2D", "2_5D") if planar else ("3D",)) if any(a.startswith(n + "_") for a in wanted)]
        asked = _Asked(planar, names, families)
        if "glszm" in families or "gldzm" in families:
            result.update(_zones(padded, extents, region, asked))
        if "ngtdm" in families or "ngldm" in families:
            result.update(_neighbourhood(padded, extents, int(levels.max()), asked, options.ngldm_alpha))
    return result


def _named(prefix: str, names: tuple[str, ...], values: Array, suffix: str) -> Values:
    return {f"{prefix}_{name}_{suffix}": float(value) for name, value in zip(names, values, strict=True)}


def _mean_over(rows: list[Array]) -> Array:
    """Mean of each column over the rows that have a value; NaN where none has."""
    table = np.array(rows)
    filled = ~np.isnan(table)
    n = filled.sum(axis=0)
    return np.where(n > 0, np.where(filled, table, 0.0).sum(axis=0) / np.maximum(n, 1), np.nan)


_RUN = (
    "sre", "lre", "lgre", "hgre", "srlge", "srhge", "lrlge", "lrhge", "glnu", "glnu_norm", "rlnu", "rlnu_norm", "r_perc",
    "gl_var", "rl_var", "rl_entr",
)  # fmt: skip
_SIZE = (
    "sze", "lze", "lgze", "hgze", "szlge", "szhge", "lzlge", "lzhge", "glnu", "glnu_norm", "zsnu", "zsnu_norm", "z_perc",
    "gl_var", "zs_var", "zs_entr",
)  # fmt: skip
_DISTANCE = (
    "sde", "lde", "lgze", "hgze", "sdlge", "sdhge", "ldlge", "ldhge", "glnu", "glnu_norm", "zdnu", "zdnu_norm", "z_perc",
    "gl_var", "zd_var", "zd_entr",
)  # fmt: skip
_DEPENDENCE = (
    "lde", "hde", "lgce", "hgce", "ldlge", "ldhge", "hdlge", "hdhge", "glnu", "glnu_norm", "dcnu", "dcnu_norm", "dc_perc",
    "gl_var", "dc_var", "dc_entr", "dc_energy",
)  # fmt: skip


@dataclass(frozen=True)
class _Kind:
    """A matrix that is counted by direction: its place among the counts, the tags of its features, and their formula."""

    place: int
    prefix: str
    names: tuple[str, ...]
    values: Callable[[Array, int], Array]

    def each(self, counts: Array, voxels: int) -> list[Array]:
        """Return the values of every direction."""
        return [self.values(table, voxels) for table in counts]

    def merged(self, counts: Array, voxels: int) -> Array:
        """Return the values of the matrix over all directions."""
        return self.values(counts.sum(axis=0), voxels * len(counts))


def _lines(levels: Array, wanted: tuple[str, ...], distance: int, families: tuple[str, ...]) -> Values:
    """Features of co-occurrence and of runs: the two matrices that are counted by direction."""
    result: Values = {}
    n = int(levels.max())

    def occurrence(table: Array, voxels: int) -> Array:
        return texture.glcm(table, n)

    def run(table: Array, voxels: int) -> Array:
        return texture.emphasis(*texture.nonzero_counts(table), voxels)

    kinds = {"glcm": _Kind(0, "cm", texture.GLCM, occurrence), "glrlm": _Kind(1, "rlm", _RUN, run)}
    asked = [kind for family, kind in kinds.items() if family in families]
    if any(a.startswith("3D") for a in wanted):
        counts = _line_counts(levels, n, 3, distance)
        voxels = int(np.count_nonzero(levels))
        for kind in asked:
            result.update(_joined(kind, counts[kind.place], voxels, "3D", wanted))
    if any(a.startswith("2") for a in wanted):
        result.update(_lines_by_slice(levels, wanted, distance, asked))
    return result


def _joined(kind: _Kind, counts: Array, voxels: int, dimensions: str, wanted: tuple[str, ...]) -> Values:
    """Features of the directions of a volume, or of all slices together: the mean over directions, and of their sum."""
    result: Values = {}
    if f"{dimensions}_avg" in wanted:
        result.update(_named(kind.prefix, kind.names, _mean_over(kind.each(counts, voxels)), f"{dimensions}_avg"))
    if f"{dimensions}_comb" in wanted:
        result.update(_named(kind.prefix, kind.names, kind.merged(counts, voxels), f"{dimensions}_comb"))
    return result


def _lines_by_slice(levels: Array, wanted: tuple[str, ...], distance: int, kinds: list[_Kind]) -> Values:
    """Features of matrices that are counted within slices."""
    result: Values = {}
    n = int(levels.max())
    single: dict[str, list[Array]] = {kind.prefix: [] for kind in kinds}
    joined: dict[str, list[Array]] = {kind.prefix: [] for kind in kinds}
    totals: list[Any] = [0, 0]
    for z in range(levels.shape[0]):
        counts = _line_counts(levels[z : z + 1], n, 2, distance)
        voxels = int(np.count_nonzero(levels[z]))
        for kind in kinds:
            if "2D_avg" in wanted:
                single[kind.prefix].extend(kind.each(counts[kind.place], voxels))
            if "2D_comb" in wanted:
                joined[kind.prefix].append(kind.merged(counts[kind.place], voxels))
            totals[kind.place] = totals[kind.place] + counts[kind.place]
    voxels = int(np.count_nonzero(levels))
    for kind in kinds:
        if "2D_avg" in wanted:
            result.update(_named(kind.prefix, kind.names, _mean_over(single[kind.prefix]), "2D_avg"))
        if "2D_comb" in wanted:
            result.update(_named(kind.prefix, kind.names, _mean_over(joined[kind.prefix]), "2D_comb"))
        result.update(_joined(kind, totals[kind.place], voxels, "2_5D", wanted))
    return result


def _line_counts(levels: Array, n: int, dimensions: int, distance: int) -> tuple[Array, Array]:
    """Co-occurrence (k, n, n) at a distance and runs (k, n, lengths) of neighbours, by direction."""
    padded = texture.padded(levels)
    extents = texture_counts.row_extents(padded)
    longest = max(levels.shape)
    occurrences = np.bincount(levels.ravel(), minlength=n + 1)[1:]
    pairs, runs = texture_counts.pairs_and_runs(padded, extents, texture.steps_between(dimensions), occurrences, longest)
    if distance > 1:
        wide = np.pad(padded, distance - 1)
        steps = texture.steps_between(dimensions, distance)
        extents = texture_counts.row_extents(wide)
        pairs = texture_counts.co_occurrence(wide, extents, steps, n)[:, 1:, 1:].astype(np.int64)
    return pairs, runs


@dataclass(frozen=True)
class _Asked:
    """Whether voxels have neighbours in their slice alone, the ways of putting slices together, and the families."""

    planar: bool
    names: list[str]
    families: tuple[str, ...]


def _zones(padded: Array, extents: Array, region: Array, asked: _Asked) -> Values:
    result: Values = {}
    distance = None
    if "gldzm" in asked.families:
        distance = voxels.border_distance(morphology.padded_mask(region).view(np.bool_), asked.planar)
    level, size, near, where = texture_counts.zones(padded, extents, asked.planar, distance)
    filled = np.count_nonzero(padded[1:-1], axis=(1, 2))
    for family, prefix, tags, lengths in (("glszm", "szm", _SIZE, size), ("gldzm", "dzm", _DISTANCE, near)):
        if family not in asked.families:
            continue
        for name in asked.names:
            if name == "2D":
                rows = [
                    texture.emphasis(*texture.grouped_counts(level[where == z], lengths[where == z]), filled[z])
                    for z in np.nonzero(filled)[0]
                ]
                values = _mean_over(rows)
            else:
                values = texture.emphasis(*texture.grouped_counts(level, lengths), filled.sum())
            result.update(_named(prefix, tags, values, name))
    return result


def _neighbourhood(padded: Array, extents: Array, n: int, asked: _Asked, alpha: int) -> Values:
    result: Values = {}
    half = texture.steps_between(2 if asked.planar else 3)
    steps = np.concatenate([half, -half])
    voxels, differences, dependence = texture_counts.neighbourhoods(padded, extents, steps, 1, alpha, n, asked.planar)

    def depend(table: Array) -> Array:
        i, j, counts = texture.nonzero_counts(table)
        values = texture.emphasis(i, j, counts, counts.sum())
        return np.append(values, ((counts / counts.sum()) ** 2).sum() if counts.sum() else np.nan)

    for name in asked.names:
        slices = np.nonzero(dependence.sum(axis=(1, 2)))[0]
        if "ngtdm" in asked.families:
            if name == "2D":
                values = _mean_over([texture.ngtdm(voxels[s], differences[s]) for s in slices])
            else:
                values = texture.ngtdm(voxels.sum(axis=0), differences.sum(axis=0))
            result.update(_named("ngt", texture.NGTDM, values, name))
        if "ngldm" in asked.families:
            values = _mean_over([depend(dependence[s]) for s in slices]) if name == "2D" else depend(dependence.sum(axis=0))
            result.update(_named("ngl", _DEPENDENCE, values, name))
    return result
