"""A chest with a textured lung tumour, sampled on the grids of CT and PET.

The tumour is star-shaped in every axial plane, so its outline is known in closed form: the contours of an RTSTRUCT
and the voxels of a mask come from one function, not from each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unibase.simulation.invented_persons import Person, tumour_radius_mm
from unibase.simulation.seeds import stream

TEXTURE_CORRELATION_MM = 4.0


@dataclass(frozen=True)
class Grid:
    """Axial grid: `shape` (z, y, x), `spacing` and `origin` (x, y, z) in mm of the DICOM patient system."""

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]

    def axis(self, which: int) -> np.ndarray:
        """Return the voxel centres along x (0), y (1) or z (2), in mm.

        Args:
            which: 0 for x, 1 for y, 2 for z.

        >>> Grid((3, 2, 2), (1.0, 1.0, 3.0), (0.0, 0.0, -3.0)).axis(2).tolist()
        [-3.0, 0.0, 3.0]
        """
        return self.origin[which] + self.spacing[which] * np.arange(self.shape[2 - which])


@dataclass(frozen=True)
class Region:
    """A region that is star-shaped around `centre` in every axial plane.

    Attributes:
        centre: Centre (x, y, z) in mm.
        half_height: Extent above and below the centre, in mm.
        semi_axes: Semi-axes in x and y at the centre's plane, in mm.
        waves: Amplitude and phase of the second, third and fifth harmonic of the outline.
    """

    centre: tuple[float, float, float]
    half_height: float
    semi_axes: tuple[float, float]
    waves: tuple[tuple[int, float, float], ...] = ()

    def radius(self, angle: np.ndarray, z: float) -> np.ndarray:
        """Return the distance of the outline from the centre at `angle` (any shape) in the plane `z`; 0 outside its height."""
        relative = (z - self.centre[2]) / self.half_height
        if abs(relative) >= 1.0:
            return np.zeros_like(angle)
        a, b = self.semi_axes
        ellipse = a * b / np.hypot(b * np.cos(angle), a * np.sin(angle))
        wave = 1.0 + sum(amplitude * np.cos(order * angle + phase) for order, amplitude, phase in self.waves)
        return np.asarray(ellipse * wave * np.sqrt(1.0 - relative**2))

    def outline(self, z: float, points: int = 48) -> np.ndarray | None:
        """Return the polygon (points, 2) of x and y in the plane `z`, or None where the region does not reach."""
        angle = np.linspace(0.0, 2 * np.pi, points, endpoint=False)
        radius = self.radius(angle, z)
        if radius.max() < 0.5:
            return None
        return np.column_stack([self.centre[0] + radius * np.cos(angle), self.centre[1] + radius * np.sin(angle)])

    def mask(self, grid: Grid) -> np.ndarray:
        """Return the voxels (z, y, x) whose centres lie inside.

        Args:
            grid: Grid of the image, shape (z, y, x).
        """
        dx = grid.axis(0)[None, :] - self.centre[0]
        dy = grid.axis(1)[:, None] - self.centre[1]
        angle, distance = np.arctan2(dy, dx), np.hypot(dx, dy)
        return np.stack([distance < self.radius(angle, z) for z in grid.axis(2)])


@dataclass(frozen=True)
class Scanner:
    """What differs between the scanners of centres: grids, noise, kernel, names in the header."""

    manufacturer: str
    model: str
    kernel: str
    pixel_mm: float
    slice_mm: float
    slices: int
    noise_hu: float
    feet_first_numbering: bool
    character_set: str | list[str]
    implicit_vr: bool


SCANNERS = (
    Scanner("SIEMENS", "Biograph128_mCT", "B31f", 1.953125, 3.0, 28, 12.0, False, "ISO_IR 100", False),
    Scanner(
        "GE MEDICAL SYSTEMS", "Discovery 710", "STANDARD", 2.0, 3.0, 28, 18.0, True, ["ISO 2022 IR 6", "ISO 2022 IR 100"], True
    ),
    Scanner("Philips Medical Systems", "GEMINI TF TOF 64", "B", 1.875, 2.75, 30, 9.0, False, "ISO_IR 192", False),
)


@dataclass(frozen=True)
class Chest:
    """The anatomy of one examination: tumour and left lung as regions, and where the field of view is."""

    tumour: Region
    left_lung: Region
    right_lung: Region
    ct: Grid
    pet: Grid


def make_chest(seed: int, person: Person, scanner: Scanner, growth: float = 1.0) -> Chest:
    """Return the anatomy of a person; `growth` scales the tumour for a later examination.

    Args:
        seed: Seed of the tree.
        person: The simulated person.
        scanner: The scanner of the centre.
        growth: Factor on the radius of the tumour.
    """
    rng = stream(seed, "chest", person.index)
    middle = (float(rng.uniform(-8, 8)), float(rng.uniform(-195, -165)), float(rng.uniform(-420, -180)))
    ct, pet = _grids(scanner, middle)
    side = -1.0 if person.course.laterality == "R" else 1.0
    radius = tumour_radius_mm(person.latents) * growth
    waves = tuple(
        (order, float(rng.uniform(0.02, high)), float(rng.uniform(0, 2 * np.pi)))
        for order, high in ((2, 0.1), (3, 0.08), (5, 0.04))
    )
    offset = (side * 42.0 + float(rng.uniform(-5, 5)), float(rng.uniform(-12, 12)), float(rng.uniform(-6, 6)))
    centre = (middle[0] + offset[0], middle[1] + offset[1], middle[2] + offset[2])
    left, right = (Region((middle[0] + side, middle[1], middle[2]), 140.0, (36.0, 55.0)) for side in (42.0, -42.0))
    return Chest(Region(centre, radius, (radius, radius), waves), left, right, ct, pet)


def _grids(scanner: Scanner, middle: tuple[float, float, float]) -> tuple[Grid, Grid]:
    """Return the grids of CT and PET around a point (x, y, z) in mm."""
    size = 96
    height = scanner.slice_mm * (scanner.slices - 1)
    ct = Grid(
        (scanner.slices, size, size),
        (scanner.pixel_mm, scanner.pixel_mm, scanner.slice_mm),
        tuple(
            round(v, 3)
            for v in (middle[0] - scanner.pixel_mm * 47.5, middle[1] - scanner.pixel_mm * 47.5, middle[2] - height / 2)
        ),  # type: ignore[arg-type]
    )
    pixel = 2 * scanner.pixel_mm
    slices = int(height // 4.0) + 1
    pet = Grid(
        (slices, 48, 48),
        (pixel, pixel, 4.0),
        tuple(round(v, 3) for v in (middle[0] - pixel * 23.5, middle[1] - pixel * 23.5, middle[2] - 2.0 * (slices - 1))),  # type: ignore[arg-type]
    )
    return ct, pet


def render_ct(seed: int, person: Person, scanner: Scanner, chest: Chest, visit: str) -> np.ndarray:
    """Return Hounsfield units, int16 (z, y, x).

    Args:
        seed: Seed of the tree.
        person: The simulated person.
        scanner: The scanner of the centre.
        chest: The person's anatomy.
        visit: Name of the visit: baseline or progression.
    """
    grid = chest.ct
    rng = stream(seed, "ct", person.index, visit)
    body = np.full(grid.shape, -1000.0)
    body[_ellipse(chest, grid, 91.0, 68.0)] = 35.0
    body[chest.right_lung.mask(grid) | chest.left_lung.mask(grid)] = -820.0
    spine = Region(
        (chest.right_lung.centre[0] + 42.0, chest.right_lung.centre[1] + 50.0, chest.right_lung.centre[2]), 1e4, (14.0, 12.0)
    )
    body[spine.mask(grid)] = 320.0
    body = _smooth(body, grid, 1.2)
    tumour = chest.tumour.mask(grid)
    amplitude = 28.0 * np.exp(0.45 * person.latents.heterogeneity)
    body[tumour] = (25.0 + amplitude * _texture(rng, grid))[tumour]
    body += rng.normal(0.0, scanner.noise_hu, grid.shape)
    return np.asarray(np.rint(body.clip(-1024, 3000)), dtype=np.int16)


def render_pet(seed: int, person: Person, chest: Chest, visit: str) -> np.ndarray:
    """Return standardised uptake values (body weight), float64 (z, y, x).

    Args:
        seed: Seed of the tree.
        person: The simulated person.
        chest: The person's anatomy.
        visit: Name of the visit: baseline or progression.
    """
    grid = chest.pet
    rng = stream(seed, "pet", person.index, visit)
    uptake = np.full(grid.shape, 0.02)
    uptake[_ellipse(chest, grid, 91.0, 68.0)] = 1.3
    uptake[chest.right_lung.mask(grid) | chest.left_lung.mask(grid)] = 0.45
    peak = 6.0 * np.exp(0.35 * person.latents.heterogeneity)
    contrast = 0.22 * np.exp(0.35 * person.latents.heterogeneity)
    tumour = chest.tumour.mask(grid)
    uptake[tumour] = (peak * (1.0 + contrast * _texture(rng, grid)).clip(0.2))[tumour]
    uptake = _smooth(uptake, grid, 2.5)
    return np.asarray((uptake * (1.0 + 0.05 * rng.standard_normal(grid.shape))).clip(0.0))


def _ellipse(chest: Chest, grid: Grid, a: float, b: float) -> np.ndarray:
    middle = (chest.right_lung.centre[0] + 42.0, chest.right_lung.centre[1], chest.right_lung.centre[2])
    return Region(middle, 1e5, (a, b)).mask(grid)


def _smooth(volume: np.ndarray, grid: Grid, sigma_mm: float) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    x, y, z = grid.spacing
    return np.asarray(gaussian_filter(volume, (sigma_mm / z, sigma_mm / y, sigma_mm / x)))


def _texture(rng: np.random.Generator, grid: Grid) -> np.ndarray:
    """Return noise of unit variance with a correlation length in mm, the same on every grid."""
    noise = _smooth(rng.standard_normal(grid.shape), grid, TEXTURE_CORRELATION_MM / 2)
    return np.asarray(noise / noise.std())
