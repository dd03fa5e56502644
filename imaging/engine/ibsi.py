"""`ibsi` mode: image processing and features as the IBSI reference manual (v11) defines them, columns named by its tags."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import or_

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.imaging import reasons
from unibase.imaging.boxed import Boxed, bounding_box
from unibase.imaging.engine import filters, intensity, mesh_table, morphology
from unibase.imaging.engine.compiled import texture_counts
from unibase.imaging.engine.compiled import voxels as kernels
from unibase.imaging.engine.enclosing import enclosing_axes
from unibase.imaging.engine.ibsi_textures import textures
from unibase.imaging.engine.levels import MAX_LEVELS
from unibase.imaging.engine.near import Box, neighbours, union, within
from unibase.imaging.engine.options import ByImageType, IbsiOptions, Values
from unibase.imaging.engine.prepared import PEAK_RADIUS, Prepared, prepare, resegmented
from unibase.imaging.engine.setting import FilterSettings

Array = np.ndarray


def features(prepared: Prepared, options: IbsiOptions) -> Values:
    """All features of the chosen families, by IBSI tag.

    Args:
        prepared: Image and masks, with the margin that local peaks need.
        options: Processing choices.

    Raises:
        Unusable: `too-many-grey-levels`.
    """
    result: Values = {}
    families = options.families
    core = prepared.cropped()
    values = core.image[core.intensities]
    if "morphology" in families:
        result.update(morphological(core, values))
        if options.spatial_autocorrelation:
            result.update(_autocorrelation(core))
    if "local_intensity" in families:
        result.update(_local_intensity(prepared))
    if "intensity_statistics" in families:
        result.update({f"stat_{name}": value for name, value in intensity.statistics(values).items()})
    lower = options.resegment_range[0] if options.resegment_range is not None else None
    binned, n_levels = intensity.discretise(values, options.discretisation, options.bins, options.bin_size, lower)
    if "intensity_histogram" in families:
        result.update({f"ih_{name}": value for name, value in intensity.histogram_features(binned, n_levels).items()})
    if "intensity_volume_histogram" in families:
        result.update({f"ivh_{name}": value for name, value in _volume_histogram(values, options).items()})
    if set(families) & {"glcm", "glrlm", "glszm", "gldzm", "ngtdm", "ngldm"}:
        if int(binned.max()) > MAX_LEVELS:
            raise Unusable(
                reasons.TOO_MANY_GREY_LEVELS,
                f"Discretisation gives more than {MAX_LEVELS} grey levels.",
                "Choose wider bins or a fixed number of bins.",
            )
        levels = np.zeros(core.image.shape, dtype=np.uint16)
        levels[core.intensities] = binned
        result.update(textures(levels, core.region, options))
    return result


def morphological(core: Prepared, values: Array) -> Values:
    """Morphological features of a region cropped to its bounding box, but for spatial autocorrelation.

    Args:
        core: The region without margin.
        values: Its intensities, shape (voxels,).
    """
    mask = morphology.padded_mask(core.region)
    volume, area = morphology.mesh_measures(mask, core.spacing, mesh_table.symmetric_triangles())
    voxels = int(np.count_nonzero(core.region))
    # The published values come from the covariance with divisor N - 1.
    moments = morphology.principal_moments(core.region, core.spacing)[::-1] * (voxels / max(voxels - 1, 1))
    points = morphology.hull_candidates(kernels.row_extremes(mask), core.spacing)
    hull = morphology.convex_hull(points)
    diameter = float(np.sqrt(kernels.largest_distance(np.ascontiguousarray(hull.corners))))
    box = points.max(axis=0) - points.min(axis=0)
    semi = 2 * np.sqrt(moments)
    shift = morphology.centre_shift(core.region, np.where(core.intensities, core.image, 0.0), core.spacing)
    box_volume, box_area = box_measures(box)
    minimal = minimum_box(hull)
    outer = enclosing_axes(hull.corners)
    ratio = _ratio
    return {
        "morph_volume": volume,
        "morph_vol_approx": float(voxels * core.spacing.prod()),
        "morph_area_mesh": area,
        "morph_av": ratio(area, volume),
        "morph_comp_1": ratio(volume, np.sqrt(np.pi) * area**1.5),
        "morph_comp_2": ratio(36 * np.pi * volume**2, area**3),
        "morph_sph_dispr": ratio(area, (36 * np.pi * volume**2) ** (1 / 3)),
        "morph_sphericity": ratio((36 * np.pi * volume**2) ** (1 / 3), area),
        "morph_asphericity": ratio(area, (36 * np.pi * volume**2) ** (1 / 3)) - 1,
        "morph_com": shift,
        "morph_diam": diameter,
        "morph_pca_maj_axis": float(4 * np.sqrt(moments[0])),
        "morph_pca_min_axis": float(4 * np.sqrt(moments[1])),
        "morph_pca_least_axis": float(4 * np.sqrt(moments[2])),
        "morph_pca_elongation": float(np.sqrt(ratio(moments[1], moments[0]))),
        "morph_pca_flatness": float(np.sqrt(ratio(moments[2], moments[0]))),
        "morph_vol_dens_aabb": ratio(volume, box_volume),
        "morph_area_dens_aabb": ratio(area, box_area),
        "morph_vol_dens_ombb": ratio(volume, minimal[0]),
        "morph_area_dens_ombb": ratio(area, minimal[1]),
        "morph_vol_dens_aee": ratio(volume, ellipsoid_volume(semi)),
        "morph_area_dens_aee": ratio(area, morphology.ellipsoid_area(*semi)),
        "morph_vol_dens_mvee": ratio(volume, ellipsoid_volume(outer)),
        "morph_area_dens_mvee": ratio(area, morphology.ellipsoid_area(*outer)),
        "morph_vol_dens_conv_hull": ratio(volume, hull.volume),
        "morph_area_dens_conv_hull": ratio(area, hull.area),
        "morph_integ_int": float(values.mean() * volume),
    }


def _autocorrelation(core: Prepared) -> Values:
    """Moran's I and Geary's C of a region cropped to its bounding box."""
    moran, geary = morphology.spatial_autocorrelation(core.image, core.intensities, core.spacing)
    return {"morph_moran_i": moran, "morph_geary_c": geary}


def _ratio(a: float, b: float) -> float:
    return float(a / b) if b > 0 else float("nan")


def box_measures(edges: Array) -> tuple[float, float]:
    """Volume and area of a box whose `edges`, shape (3,), are given in mm.

    >>> box_measures(np.array([1.0, 2.0, 3.0]))
    (6.0, 22.0)
    """
    a, b, c = edges
    return float(a * b * c), float(2 * (a * b + b * c + a * c))


def ellipsoid_volume(semi: Array) -> float:
    """Volume of an ellipsoid with these semi-axes, shape (3,), in mm.

    >>> round(ellipsoid_volume(np.array([1.0, 1.0, 1.0])), 4)
    4.1888
    """
    return float(4 / 3 * np.pi * semi.prod())


def minimum_box(hull: morphology.Hull) -> tuple[float, float]:
    """Volume and area of the smallest box with one face on a facet of the convex hull."""
    return box_measures(kernels.smallest_box(hull.corners, hull.facets, hull.edges, hull.sides, hull.normals))


def _local_intensity(prepared: Prepared) -> Values:
    """Local and global intensity peak: means in a sphere of 1 cm3, which may reach beyond the region."""
    half = intensity.sphere_rows(prepared.spacing, PEAK_RADIUS)
    box = bounding_box(prepared.intensities)
    reach = (half.shape[0] // 2, half.shape[1] // 2, int(half.max()))
    wide = tuple(slice(max(0, b.start - r), b.stop + r) for b, r in zip(box, reach, strict=True))
    # Beyond the image there is nothing: those places do not enter a mean.
    missing = [(max(0, r - b.start), max(0, b.stop + r - n)) for b, r, n in zip(box, reach, prepared.image.shape, strict=True)]
    image = np.pad(prepared.image[wide], missing)
    known = np.pad(np.isfinite(prepared.image[wide]), missing)
    inside = np.pad(prepared.intensities[wide], missing)
    extents = texture_counts.row_extents(inside.astype(np.uint16))
    complete = bool(known.all())
    sums = kernels.sphere_sums(image if complete else np.where(known, image, 0.0), extents, half)[inside]
    number = (2 * half[half >= 0] + 1).sum() if complete else kernels.sphere_sums(known.astype(float), extents, half)[inside]
    means = sums / number
    values = image[inside]
    return {"loc_peak_loc": float(means[values == values.max()].max()), "loc_peak_glob": float(means.max())}


def _volume_histogram(values: Array, options: IbsiOptions) -> Values:
    """Intensity-volume histogram on the axis that the options give it."""
    low, high = options.resegment_range or (None, None)
    if options.ivh_discretisation == "fbn":
        levels, _ = intensity.discretise(values, "fbn", options.ivh_bins, 1.0, None)
        counts = np.bincount(levels, minlength=options.ivh_bins + 1)[1:]
        return intensity.volume_features_of_counts(counts, len(levels), 1.0, 1.0)
    if options.ivh_discretisation == "fbs":
        step = options.ivh_bin_size
        start = values.min() if low is None else low
        levels, top = intensity.discretise(values, "fbs", 1, step, start)
        last = top if high is None else round((high - start) / step)
        return intensity.volume_histogram_features(
            start + (levels - 0.5) * step, start + 0.5 * step, start + (last - 0.5) * step, step
        )
    first = float(values.min() if low is None else low)
    return intensity.volume_histogram_features(values, first, float(values.max() if high is None else high), 1.0)


def extract_ibsi_regions(
    image: Array, masks: Sequence[Boxed], spacing: tuple[float, ...], options: IbsiOptions
) -> list[ByImageType | Unusable]:
    """Features of the image as it is, under the image type `original`, and of each filtered image under its name.

    The intensity mask is decided on the image as it is. Filtered images have arbitrary units: their bins start at the
    minimum, and their intensity-volume histogram has 1000 bins. Regions that lie near one another share the responses of
    those filters that give the same bytes wherever the image is cut (see `_one_for_all`).

    Args:
        image: float64 (z, y, x).
        masks: The regions of that image.
        spacing: (z, y, x) in mm.
        options: Processing choices.

    Returns:
        For each region its features by image type, or the reason why it cannot be described.
    """
    grid = np.array(options.spacing or spacing, dtype=float)
    margin = max([PEAK_RADIUS, *(filters.reach_mm(p, grid) for p in options.filters.values())])
    shared = {name for name, parameters in options.filters.items() if _one_for_all(parameters, spacing, options)}
    boxes = {number: mask.box for number, mask in enumerate(masks) if shared and not mask.empty}
    groups = neighbours(boxes, [int(np.ceil(margin / step)) + 1 for step in grid])
    groups += [[number] for number in range(len(masks)) if number not in boxes]

    def prepared_around(numbers: Sequence[int]) -> Prepared:
        mask = reduce(or_, (masks[number] for number in numbers))
        return prepare(image, mask, spacing, options, margin)

    work = _Regions(options, boxes, shared, prepared_around)
    for group in groups:
        work.describe(group)
    return [work.results[number] for number in range(len(masks))]


@dataclass
class _Regions:
    """Regions of one image on their way to features.

    Attributes:
        options: Processing choices.
        boxes: Box of each region that may share responses.
        shared: Names of the filters whose responses are shared.
        prepared_around: Prepares the image around regions, given by their numbers.
        results: Features by image type of each region, or why it has none; filled by `describe`.
    """

    options: IbsiOptions
    boxes: Mapping[int, Box]
    shared: set[str]
    prepared_around: Callable[[Sequence[int]], Prepared]
    results: dict[int, ByImageType | Unusable] = field(default_factory=dict)

    def describe(self, group: Sequence[int]) -> None:
        """Add the features of regions that lie near one another."""
        cores: dict[int, Prepared] = {}
        source = None
        for number in group:
            try:
                source = resegmented(self.prepared_around([number]), self.options)
                self.results[number] = {"original": features(source, self.options)}
                if self.options.filters and not np.isfinite(source.image).all():
                    raise Unusable(
                        reasons.NOT_FINITE_IN_IMAGE,
                        "Missing values lie within the reach of a filter.",
                        "Fill them, or leave filters out.",
                    )
                cores[number] = source.cropped() if len(group) == 1 else source.cropped().alone()
            except Unusable as problem:
                self.results[number] = problem
        # A region alone is already prepared.
        around = source if len(group) == 1 else None
        for name, parameters in self.options.filters.items():
            for members in [list(cores)] if name in self.shared else [[number] for number in cores]:
                if members:
                    self._respond(name, parameters, {number: cores[number] for number in members}, around)

    def _respond(self, name: str, parameters: FilterSettings, cores: Mapping[int, Prepared], around: Prepared | None) -> None:
        """Add the features of one filter's response around some regions."""
        members = list(cores)
        around = around or self.prepared_around(members)
        box = bounding_box(around.region)
        response = filters.apply(around.image, around.spacing, box, self.options.by_slice, parameters)
        outer = union([self.boxes[number] for number in members]) if len(members) > 1 else box
        for number in members:
            part = response if len(members) == 1 else response[within(self.boxes[number], outer)]
            core = replace(cores[number], image=np.ascontiguousarray(part))
            _add_response(self.results, number, name, core, self.options)


def _add_response(
    results: dict[int, ByImageType | Unusable], number: int, name: str, response: Prepared, options: IbsiOptions
) -> None:
    """Add the features of a filtered image to those of its region, or put the reason why it cannot be described there."""
    result = results[number]
    if isinstance(result, Unusable):
        return
    chosen = replace(
        options,
        families=tuple(f for f in options.families if f not in ("morphology", "local_intensity")),
        resegment_range=None,
        discretisation="fbn" if options.discretisation == "none" else options.discretisation,
        ivh_discretisation="fbn",
        ivh_bins=1000,
    )
    try:
        result[name] = features(response, chosen)
    except Unusable as problem:
        results[number] = problem


def _one_for_all(parameters: Mapping[str, object], spacing: tuple[float, ...], options: IbsiOptions) -> bool:
    """Whether a response has the same bytes wherever the image is cut: sums over a few voxels on the image's own grid.

    Interpolation rounds by where the cut begins; Fourier transforms take in all that was cut out; and a periodic image
    ends where it was cut.
    """
    own_grid = options.spacing is None or tuple(options.spacing) == tuple(spacing)
    periodic = parameters.get("boundary", "mirror") == "periodic"
    return own_grid and parameters["filter"] in filters.LOCAL and not periodic
