"""Shape features in PyRadiomics' definitions and names, of a volume and of a plane."""

from __future__ import annotations

import numpy as np

from unibase.imaging.engine import mesh_table, morphology
from unibase.imaging.engine.compiled import voxels
from unibase.imaging.engine.options import Values

Array = np.ndarray


def shape(mask: Array, spacing: Array) -> Values:
    """Shape features of a mask cropped to its bounding box; spacing (z, y, x) in mm."""
    closed = morphology.padded_mask(mask)
    volume, area = morphology.mesh_measures(closed, spacing, mesh_table.pyradiomics_triangles())
    moments = morphology.principal_moments(mask, spacing)
    points = voxels.row_extremes(closed)
    crossed = voxels.row_extremes(np.ascontiguousarray(closed.transpose(2, 0, 1)))[:, [1, 2, 0]]
    slice_corners, slice_diameter = morphology.planar_corners(points, 0, spacing)
    with np.errstate(divide="ignore", invalid="ignore"):
        sphericity = (36 * np.pi * volume**2) ** (1.0 / 3.0) / area
        features = {
            "MeshVolume": volume,
            "VoxelVolume": mask.sum() * (spacing[0] * spacing[2] * spacing[1]),
            "SurfaceArea": area,
            "SurfaceVolumeRatio": np.float64(area) / volume,
            "Sphericity": sphericity,
            "Compactness1": volume / (area ** (3.0 / 2.0) * np.sqrt(np.pi)),
            "Compactness2": 36.0 * np.pi * volume**2.0 / area**3.0,
            "SphericalDisproportion": 1 / sphericity,
            "Maximum3DDiameter": morphology.largest_diameter(slice_corners),
            "Maximum2DDiameterSlice": slice_diameter,
            "Maximum2DDiameterColumn": morphology.planar_corners(points, 1, spacing)[1],
            "Maximum2DDiameterRow": morphology.planar_corners(crossed, 2, spacing)[1],
            "MajorAxisLength": np.sqrt(moments[2]) * 4,
            "MinorAxisLength": np.sqrt(moments[1]) * 4,
            "LeastAxisLength": np.sqrt(moments[0]) * 4,
            "Elongation": np.sqrt(moments[1] / moments[2]),
            "Flatness": np.sqrt(moments[0] / moments[2]),
        }
    return {name: float(value) for name, value in features.items()}


def shape_2d(mask: Array, spacing: Array) -> Values:
    """Shape features of a region in one slice, cropped to its bounding box.

    Args:
        mask: bool (2 axes).
        spacing: Spacing of the two axes in mm.
    """
    closed = np.pad(mask, 1).astype(np.int64)
    cells = closed[:-1, :-1] | closed[:-1, 1:] << 1 | closed[1:, :-1] << 2 | closed[1:, 1:] << 3
    counts = np.bincount(cells.ravel(), minlength=16)
    a, b = spacing / 2
    corner = np.hypot(a, b)
    inside = np.array([cell.bit_count() for cell in range(16)])
    # Cut corners: one for one or three voxels of a cell, two for a diagonal pair, kept apart.
    lengths = np.where(np.isin(inside, (1, 3)), corner, 0.0)
    lengths[[3, 12]] = 2 * b
    lengths[[5, 10]] = 2 * a
    lengths[[6, 9]] = 2 * corner
    shares = np.array([0, 1 / 8, 1 / 2, 7 / 8, 1])[inside]
    shares[[6, 9]] = 1 / 4
    perimeter, surface = float(counts @ lengths), float(counts @ shares * spacing.prod())
    moments = morphology.principal_moments(mask[None], np.array([1.0, *spacing]))[1:]
    points = voxels.row_extremes(morphology.padded_mask(mask[None]))
    flat = points[points[:, 0] == 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        sphericity = 2 * np.sqrt(np.pi * surface) / perimeter
        features = {
            "MeshSurface": surface,
            "PixelSurface": mask.sum() * (spacing[1] * spacing[0]),
            "Perimeter": perimeter,
            "PerimeterSurfaceRatio": perimeter / surface,
            "Sphericity": sphericity,
            "SphericalDisproportion": 1.0 / sphericity,
            "MaximumDiameter": morphology.planar_corners(flat, 0, np.array([1.0, *spacing]))[1],
            "MajorAxisLength": np.sqrt(moments[1]) * 4,
            "MinorAxisLength": np.sqrt(moments[0]) * 4,
            "Elongation": np.sqrt(moments[0] / moments[1]),
        }
    return {name: float(value) for name, value in features.items()}
