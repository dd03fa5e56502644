"""What `ibsi` mode gives when it chooses as a peer does: shows why a value differs, for `radiomics_agreement.py`.

Each function takes a region prepared by our engine and returns the features that one choice of the peer changes. The surface
of the peer is measured in its own environment, by the package that it uses or takes its mesh from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from unibase.imaging.boxed import Boxed
from unibase.imaging.engine import ibsi, intensity, morphology
from unibase.imaging.engine.compiled import value_sums, voxels
from unibase.imaging.engine.options import IbsiOptions
from unibase.imaging.engine.prepared import Prepared

Array = np.ndarray
Explained = dict[str, tuple[float, str]]
"""Tag to its value under a choice of the peer, and the choice in words."""

WHOLE = 1e4
"""A margin in mm that keeps the whole image."""


def mirp_choices(image: Array, mask: Array, spacing: Array, options: IbsiOptions, mesh: tuple[float, float]) -> Explained:
    """Every feature as MIRP's choices change it.

    Args:
        image: float32 (z, y, x).
        mask: bool of the same shape.
        spacing: (z, y, x) in mm.
        options: Processing of the scene.
        mesh: Volume and area of the surface that scikit-image makes of the region.
    """
    prepared = ibsi.resegmented(ibsi.prepare(image.astype(np.float64), Boxed.of(mask), tuple(spacing), options, WHOLE), options)
    found: Explained = {}
    if options.spacing is not None:
        prepared = interpolated_in_32_bits(image, mask, spacing, options)
        why = "MIRP interpolates in 32 bits: a voxel half-way between two whole numbers is rounded to the other one"
        found |= _told(ibsi.features(prepared, options), why)
    core = prepared.cropped()
    found |= _told(statistics_in_32_bits(core.image[core.intensities]), "MIRP keeps intensities and their sums in 32 bits")
    levels, _ = intensity.discretise(
        core.image[core.intensities],
        options.discretisation,
        options.bins,
        options.bin_size,
        (options.resegment_range or [None])[0],
    )
    found["ih_rmad"] = (robust_deviation_in_32_bits(levels), "MIRP averages grey levels in 32 bits")
    found["morph_com"] = (centre_shift_in_32_bits(prepared), "MIRP adds up intensities in 32 bits")
    if options.ivh_discretisation == "fbs" and (options.resegment_range or (None, None))[1] is None:
        why = "with no upper end of the range MIRP counts one more, empty bin, so 90 % of the axis lies further"
        found |= _told(open_ended_histogram(core.image[core.intensities], options), why)
    why = "MIRP's surface is scikit-image's (Lewiner): other triangles in ambiguous cells"
    return found | _told(on_mesh(ibsi.morphological(core, core.image[core.intensities]), mesh), why)


def pictologics_choices(image: Array, mask: Array, spacing: Array, options: IbsiOptions, mesh: tuple[float, float]) -> Explained:
    """Every feature as Pictologics' choices change it; arguments as in `mirp_choices`, the surface being PyMCubes'."""
    plain = ibsi.resegmented(ibsi.prepare(image.astype(np.float64), Boxed.of(mask), tuple(spacing), options), options)
    prepared = replace(plain, region=plain.intensities)
    found: Explained = {}
    if not np.array_equal(plain.region, plain.intensities):
        why = "Pictologics takes voxels outside the range of intensities out of the region's shape too"
        found |= _told(ibsi.features(prepared, options), why)
    core = prepared.cropped()
    values = core.image[core.intensities]
    lower = (options.resegment_range or [None])[0]
    levels, _ = intensity.discretise(values, options.discretisation, options.bins, options.bin_size, lower)
    why = "Pictologics takes percentiles by nearest rank, we between ranks"
    for prefix, vector in (("stat", values), ("ih", levels.astype(float))):
        found |= _told({f"{prefix}_{name}": value for name, value in nearest_rank(vector).items()}, why)
    grid = np.zeros(core.image.shape, dtype=np.uint16)
    # Levels from 1 on: the highest one is then their span.
    grid[core.intensities] = levels - levels.min() + 1
    only = replace(options, families=("glcm",), aggregations=("3D_comb",))
    spans = ibsi.textures(grid, core.region, only)
    why = "Pictologics normalises by the span of the levels that occur, we by the highest"
    found |= _told({tag: spans[tag] for tag in ("cm_inv_diff_norm_3D_comb", "cm_inv_diff_mom_norm_3D_comb")}, why)
    shape = on_mesh(ibsi.morphological(core, core.image[core.intensities]), mesh)
    found |= _told(shape, "Pictologics' surface is PyMCubes' (Lorensen and Cline): other triangles in ambiguous cells")
    points = _hull(core).corners
    box = ibsi.box_measures(principal_box(core, points))
    why = "Pictologics lays the box along the principal axes, we take the smallest on a facet"
    found |= _told(_densities("ombb", mesh, box), why)
    semi = loose_ellipsoid(points)
    body = ibsi.ellipsoid_volume(semi), morphology.ellipsoid_area(*semi)
    return found | _told(_densities("mvee", mesh, body), "Pictologics stops the search for the ellipsoid at 3e-3, we at 1e-10")


def _told(values: Mapping[str, float], why: str) -> Explained:
    return {tag: (float(value), why) for tag, value in values.items()}


def _densities(name: str, mesh: tuple[float, float], body: tuple[float, float]) -> dict[str, float]:
    return {f"morph_vol_dens_{name}": mesh[0] / body[0], f"morph_area_dens_{name}": mesh[1] / body[1]}


def on_mesh(shape: Mapping[str, float], mesh: tuple[float, float]) -> dict[str, float]:
    """Features of volume and area with those of another surface (mm3, mm2)."""
    volume, area = mesh
    sphere = (36 * np.pi * volume**2) ** (1 / 3)
    more, wider = volume / shape["morph_volume"], area / shape["morph_area_mesh"]
    return {
        **{tag: value * more for tag, value in shape.items() if tag.startswith("morph_vol_dens_")},
        **{tag: value * wider for tag, value in shape.items() if tag.startswith("morph_area_dens_")},
        "morph_integ_int": shape["morph_integ_int"] * more,
        "morph_volume": volume,
        "morph_area_mesh": area,
        "morph_av": area / volume,
        "morph_comp_1": volume / (np.sqrt(np.pi) * area**1.5),
        "morph_comp_2": 36 * np.pi * volume**2 / area**3,
        "morph_sph_dispr": area / sphere,
        "morph_sphericity": sphere / area,
        "morph_asphericity": area / sphere - 1,
    }


def interpolated_in_32_bits(image: Array, mask: Array, spacing: Array, options: IbsiOptions) -> Prepared:
    """The region on the new grid with intensities interpolated and rounded in 32 bits, by scipy.ndimage as MIRP does."""
    from scipy.ndimage import map_coordinates

    whole = ibsi.prepare(image.astype(np.float64), Boxed.of(mask), tuple(spacing), options, WHOLE)
    step = np.array(options.spacing) / spacing
    origin = (np.array(image.shape) - 1 - (np.array(whole.image.shape) - 1) * step) / 2
    lines = [first + width * np.arange(n) for first, width, n in zip(origin, step, whole.image.shape, strict=True)]
    coarse = map_coordinates(image, np.meshgrid(*lines, indexing="ij"), order=1, mode="nearest")
    return ibsi.resegmented(replace(whole, image=np.round(coarse).astype(np.float64)), options)


def statistics_in_32_bits(values: Array) -> dict[str, float]:
    """The moments of intensities that are kept, and added up, as float32."""
    short = values.astype(np.float32)
    mean, spread = np.mean(short), np.std(short)
    centred = short - mean
    return {
        "stat_mean": float(mean),
        "stat_var": float(spread**2),
        "stat_skew": float(np.sum(centred**3.0) / (len(short) * spread**3.0)),
        "stat_kurt": float(np.sum(centred**4.0) / (len(short) * spread**4.0) - 3.0),
        "stat_cov": float(spread / mean),
        "stat_mad": float(np.mean(np.abs(centred))),
        "stat_rmad": robust_deviation_in_32_bits(values),
    }


def robust_deviation_in_32_bits(values: Array) -> float:
    """Robust mean absolute deviation of float32 values."""
    short = values.astype(np.float32)
    low, high = np.percentile(short, [10, 90])
    kept = short[(short >= low) & (short <= high)]
    return float(np.mean(np.abs(kept - np.mean(kept))))


def centre_shift_in_32_bits(whole: Prepared) -> float:
    """Centre-of-mass shift in mm with float32 intensities; an error in their sum counts the more, the larger the indices."""
    weights = whole.image[whole.intensities].astype(np.float32)
    centre = (np.argwhere(whole.intensities) * weights[:, None]).sum(axis=0) / weights.sum()
    return float(np.linalg.norm((np.argwhere(whole.region).mean(axis=0) - centre) * whole.spacing))


def open_ended_histogram(values: Array, options: IbsiOptions) -> dict[str, float]:
    """Intensity-volume histogram whose axis has one bin more than the highest intensity needs."""
    step = options.ivh_bin_size
    start = float((options.resegment_range or (None, None))[0] or 0.0)
    levels, top = intensity.discretise(values, "fbs", 1, step, start)
    axis = start + 0.5 * step, start + (top + 0.5) * step
    wider = intensity.volume_histogram_features(start + (levels - 0.5) * step, *axis, step)
    return {f"ivh_{name}": value for name, value in wider.items()}


def nearest_rank(values: Array) -> dict[str, float]:
    """What depends on percentiles, with the smallest value that has at least the fraction of all at or below it."""
    p10, p25, p75, p90 = (float(p) for p in np.percentile(values, [10, 25, 75, 90], method="inverted_cdf"))
    return {
        "p10": p10,
        "p90": p90,
        "iqr": p75 - p25,
        "qcod": (p75 - p25) / (p75 + p25),
        "rmad": float(value_sums.deviation_within(values, p10, p90)),
    }


def _hull(core: Prepared) -> morphology.Hull:
    surface = voxels.row_extremes(morphology.padded_mask(core.region))
    return morphology.convex_hull(morphology.planar_corners(surface, 0, core.spacing)[0])


def principal_box(core: Prepared, points: Array) -> Array:
    """Edges in mm of the box around points (n, 3) along the principal axes of the voxel centres."""
    axes = np.linalg.eigh(morphology.position_covariance(core.region, core.spacing))[1]
    return np.asarray(np.ptp(points @ axes, axis=0))


def loose_ellipsoid(points: Array, tolerance: float = 3e-3) -> Array:
    """Semi-axes, longest first, where the iteration of Todd and Yildirim (2007) with away steps stops."""
    lifted = np.column_stack([points, np.ones(len(points))])
    d = lifted.shape[1]
    u = np.full(len(points), 1.0 / len(points))
    while True:
        leverage = np.einsum("ij,ji->i", lifted, np.linalg.solve((lifted * u[:, None]).T @ lifted, lifted.T))
        far, near = int(leverage.argmax()), int(np.where(u > 0, leverage, np.inf).argmin())
        above, below = leverage[far] / d - 1, 1 - leverage[near] / d
        if max(above, below) <= tolerance:
            break
        k = far if above >= below else near
        step = (leverage[k] - d) / (d * (leverage[k] - 1)) if leverage[k] > 1 else -np.inf
        step = max(step, -u[k] / (1 - u[k]))
        u *= 1 - step
        u[k] = max(u[k] + step, 0.0)
    middle = u @ points
    spread = ((points * u[:, None]).T @ points - np.outer(middle, middle)) * 3
    return np.asarray(np.sqrt(np.linalg.eigvalsh(spread)[::-1]))
