"""Wrong masks among right ones: how many stand in the first twentieth of the contact sheet, and what a look costs.

    python -m benchmarks.planted_masks --series 500 --seeds 5

Each simulated CT is a trunk with two lungs, a spine, a liver with a lesion and two kidneys, of another size, place and noise in
every person. One mask a series is drawn as readers do, up to 1.5 mm off: a kidney, or the lesion. In 4 % of the series it is
wrong, in one of ten ways. The truth is known, so that a seed tells what the flags of `imaging/looks/suspicion.py` are worth.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import polars as pl
from scipy.ndimage import distance_transform_edt, gaussian_filter, shift

from unibase.imaging.boxed import Boxed
from unibase.imaging.dicom.volume import Volume
from unibase.imaging.grid import Array, Grid
from unibase.imaging.looks.marks import marks_of
from unibase.imaging.looks.picture import picture_of
from unibase.imaging.looks.suspicion import suspected
from unibase.imaging.regions.mask import Mask
from unibase.imaging.tables import LOOKS

SHAPE, SPACING = (44, 112, 132), (5.0, 3.0, 3.0)
TARGETS = ("Kidney left", "Kidney right", "GTV")
WRONG_SHARE = 0.04
FIRST = 0.05


@dataclass(frozen=True)
class Person:
    """A simulated CT and its true regions by name."""

    image: Array
    regions: dict[str, Array]


def ellipsoid(centre: Array, radii: Array) -> Array:
    """Return an ellipsoid (z, y, x), centre and radii in mm from the middle of the image."""
    axes = [(np.arange(n) - (n - 1) / 2) * step for n, step in zip(SHAPE, SPACING, strict=True)]
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    away = sum(((axis - c) / r) ** 2 for axis, c, r in zip((z, y, x), centre, radii, strict=True))
    inside: Array = away < 1
    return inside


def person(random: np.random.Generator) -> Person:
    """Return a person; in LPS x grows to the left."""
    size = random.uniform(0.85, 1.15)

    def part(z: float, y: float, x: float, *radii: float, wide: float = 0.12) -> Array:
        place = np.array([z, y, x]) * size + random.normal(0, 4, 3)
        return ellipsoid(place, np.array(radii) * size * random.uniform(1 - wide, 1 + wide, 3))

    body = ellipsoid(np.zeros(3), np.array([400, 115, 165]) * size)
    liver, spine = part(20, -10, -75, 55, 60, 55), part(0, 70, 0, 400, 18, 20)
    lungs = part(95, 0, -70, 60, 70, 50) | part(95, 0, 70, 60, 70, 50)
    regions = {"Kidney left": part(-25, 45, 62, 48, 24, 22), "Kidney right": part(-32, 45, -62, 48, 24, 22)}
    radius = float(np.exp(random.normal(np.log(17), 0.3)))
    regions["GTV"] = ellipsoid(np.array([20, -10, -75]) * size + random.uniform(-18, 18, 3), np.full(3, radius))
    image = np.full(SHAPE, -1000.0)
    for inside, mean, spread in (
        (body, -90, 10),
        (ellipsoid(np.zeros(3), np.array([400, 95, 145]) * size), 45, 8),
        (lungs & body, -820, 30),
        (liver, 105, 10),
        (spine, 260, 40),
        (regions["Kidney left"] | regions["Kidney right"], 175, 20),
        (regions["GTV"], 60, 12),
    ):
        image[inside] = random.normal(mean, spread)
    image = gaussian_filter(image, [0.4, 0.8, 0.8]) + random.normal(0, random.uniform(8, 20), SHAPE)
    return Person(np.maximum(image, -1024).round(), regions)


def drawn(mask: Array, random: np.random.Generator) -> Array:
    """Return a region as a reader draws it: its border up to 1.5 mm off, smoothly."""
    signed = distance_transform_edt(mask, SPACING) - distance_transform_edt(~mask, SPACING)
    off = gaussian_filter(random.normal(0, 1, SHAPE), 3)
    again: Array = signed + off / off.std() * 0.75 > 0
    return again


Wrong = Callable[[Array, str, Person, Person, np.random.Generator], Array]


def _half(mask: Array, random: np.random.Generator) -> Array:
    axis = int(random.integers(3))
    line = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
    cut = mask.copy()
    cut[tuple(slice(int(line[len(line) // 2]), None) if other == axis else slice(None) for other in range(3))] = False
    return cut


def _moved(mask: Array, random: np.random.Generator) -> Array:
    way = random.normal(size=3)
    step = way / np.linalg.norm(way) * random.uniform(20, 40) / SPACING
    moved: Array = shift(mask.astype(np.float32), step, order=1) > 0.5
    return moved


def _one_slice(mask: Array) -> Array:
    kept = np.zeros_like(mask)
    middle = int(mask.sum(axis=(1, 2)).argmax())
    kept[middle] = mask[middle]
    return kept


def _axes_swapped(mask: Array) -> Array:
    side = min(SHAPE[1:])
    swapped = np.zeros_like(mask)
    swapped[:, :side, :side] = mask[:, :side, :side].transpose(0, 2, 1)
    return swapped


def _swapped(name: str, mine: Person) -> Array:
    return mine.regions["GTV" if name != "GTV" else "Kidney right"]


WRONG: dict[str, Wrong] = {
    "flipped head to feet": lambda mask, name, mine, other, random: mask[::-1],
    "flipped front to back": lambda mask, name, mine, other, random: mask[:, ::-1],
    "flipped left to right": lambda mask, name, mine, other, random: mask[:, :, ::-1],
    "shifted 20 to 40 mm": lambda mask, name, mine, other, random: _moved(mask, random),
    "of another patient": lambda mask, name, mine, other, random: other.regions[name],
    "other side": lambda mask, name, mine, other, random: mine.regions[
        {"Kidney left": "Kidney right", "Kidney right": "Kidney left", "GTV": "Kidney left"}[name]
    ],
    "one slice": lambda mask, name, mine, other, random: _one_slice(mask),
    "label of another region": lambda mask, name, mine, other, random: _swapped(name, mine),
    "half cut": lambda mask, name, mine, other, random: _half(mask, random),
    "axes swapped": lambda mask, name, mine, other, random: _axes_swapped(mask),
}
"""Ten ways in which masks are wrong."""


@dataclass(frozen=True)
class Found:
    """What the sheet of one seed shows: wrong masks by kind, those among the first, and CPU seconds of a region."""

    planted: Counter[str]
    first: Counter[str]
    seconds: float


def one_sheet(series: int, seed: int) -> Found:
    """Return what the contact sheet of a seed shows.

    Args:
        series: How many.
        seed: Of all that is drawn.
    """
    random = np.random.default_rng(seed)
    count = round(series * WRONG_SHARE)
    kinds = dict(zip(random.permutation(series)[:count].tolist(), list(WRONG) * count, strict=False))
    rows, spent, before = [], 0.0, person(random)
    for number in range(series):
        mine, name = person(random), TARGETS[number % 3]
        mask = drawn(mine.regions[name], random)
        if number in kinds:
            mask = WRONG[kinds[number]](mask, name, mine, before, random)
        began = time.process_time()
        row = _looked(number, name, mine.image, mask)
        spent += time.process_time() - began
        if row is not None:
            rows.append(row)
        before = mine
    began = time.process_time()
    sheet = suspected(pl.DataFrame(rows, schema={column.name: column.dtype for column in LOOKS.columns[:-3]}))
    spent += time.process_time() - began
    first = {int(uid) for uid in sheet["SeriesInstanceUID"].head(round(series * FIRST))}
    for row in sheet.with_row_index("rank").iter_rows(named=True):
        number = int(row["SeriesInstanceUID"])
        if number in kinds and number not in first:
            print(
                f"  seed {seed}, missed: {kinds[number]} ({row['region']}): place {row['rank'] + 1}, {row['suspicion']}, {row['why']}"
            )
    hits = Counter(kind for number, kind in kinds.items() if number in first)
    return Found(Counter(kinds.values()), hits, spent / series)


def _looked(number: int, name: str, image: Array, mask: Array) -> dict[str, object]:
    z, y, x = SPACING
    origin = tuple(-(n - 1) / 2 * step for n, step in zip(SHAPE[::-1], (x, y, z), strict=True))
    grid = Grid(SHAPE[::-1], (x, y, z), (origin[0], origin[1], origin[2]), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    volume = Volume(image, grid, "CT", "HU", "int16")
    region = Boxed.of(mask)
    picture_of(volume, region)
    told = asdict(marks_of(volume, Mask(name, region), float(image.min())))
    same = {"SeriesInstanceUID": f"{number:06d}", "Modality": "CT", "region": name, "roi_name": name, "source_digest": "0"}
    return {**dict.fromkeys(column.name for column in LOOKS.columns[:-3]), **same, **told}


def main() -> None:
    """Print how many wrong masks stand first, by kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=1)
    given = parser.parse_args()
    planted: Counter[str] = Counter()
    first: Counter[str] = Counter()
    seconds = []
    for seed in range(given.first_seed, given.first_seed + given.seeds):
        found = one_sheet(given.series, seed)
        planted, first = planted + found.planted, first + found.first
        seconds.append(found.seconds)
    for kind, count in sorted(planted.items()):
        print(f"{kind:28}{first[kind]:4} of {count}")
    share = first.total() / planted.total()
    print(
        f"all: {first.total()} of {planted.total()} ({share:.1%}) in the first {FIRST:.0%}; {np.mean(seconds):.3f} CPU s a region"
    )


if __name__ == "__main__":
    main()
