"""The rasteriser against a brute-force twin, and structure sets of twelve kinds against their analytic truth."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.imaging.dicom_maker import write_rtstruct, write_series
from unibase.groundwork.problems import Unusable
from unibase.imaging.dicom.read_as import Reading
from unibase.imaging.dicom.volume import Volume, read_series
from unibase.imaging.regions.masks import Mask, open_masks, read_masks
from unibase.imaging.regions.rasterise import fill

ANGLES = np.linspace(0, 2 * np.pi, 1440, endpoint=False)


def disc(centre: tuple[float, float], radius: float, z: float = 0.0) -> np.ndarray:
    """A disc as an outline so fine that no voxel centre lies between it and the circle (radii are chosen so)."""
    x, y = centre[0] + radius * np.cos(ANGLES), centre[1] + radius * np.sin(ANGLES)
    return np.stack([x, y, np.full_like(x, z)], axis=1)


def inside_by_definition(outlines: list[list[tuple[int, int]]], column: int, row: int) -> bool:
    """Even-odd in exact arithmetic: count the edges left of the centre, lower end in and upper end out."""
    count = 0
    for outline in outlines:
        for (x0, y0), (x1, y1) in zip(outline, outline[1:] + outline[:1], strict=True):
            if (y0 <= row) != (y1 <= row):
                crossing = Fraction(x0) + Fraction(row - y0) * Fraction(x1 - x0, y1 - y0)
                count += crossing <= column
    return count % 2 == 1


points = st.tuples(st.integers(-2, 9), st.integers(-2, 9))
quarters = st.tuples(st.integers(-8, 36), st.integers(-8, 36))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(points, min_size=3, max_size=7), min_size=1, max_size=3))
def test_fill_equals_the_definition_where_edges_run_through_centres(outlines: list[list[tuple[int, int]]]) -> None:
    got = fill([np.array(outline, dtype=float) for outline in outlines], (8, 7))
    want = [[inside_by_definition(outlines, column, row) for column in range(7)] for row in range(8)]
    assert np.array_equal(got, np.array(want))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(quarters, min_size=3, max_size=7), min_size=1, max_size=3))
def test_fill_equals_the_definition_at_quarter_pixels(outlines: list[list[tuple[int, int]]]) -> None:
    got = fill([np.array(outline, dtype=float) / 4 for outline in outlines], (8, 7))
    want = [[inside_by_definition(outlines, 4 * column, 4 * row) for column in range(7)] for row in range(8)]
    assert np.array_equal(got, np.array(want))


def test_regions_that_share_an_edge_share_no_voxel_and_leave_no_gap() -> None:
    left = fill([np.array([[0, 0], [4, 0], [4, 8], [0, 8]], dtype=float)], (8, 8))
    right = fill([np.array([[4, 0], [8, 0], [8, 8], [4, 8]], dtype=float)], (8, 8))
    assert not (left & right).any()
    assert (left | right).all()


SPACING = (1.0, 1.0, 3.0)
SIZE = (40, 48, 5)


def volume_of(folder: Path, **options: object) -> Volume:
    size = options.pop("size", SIZE)
    array = np.zeros((size[2], size[1], size[0]), dtype=np.int16)  # type: ignore[index]
    write_series(folder, array, **{"spacing": SPACING, **options})  # type: ignore[arg-type]
    return read_series(folder, reading=Reading(even="offsets" not in options))


def mask_of(tmp_path: Path, volume: Volume, contours: list[object], **options: object) -> Mask:
    path = write_rtstruct(tmp_path / "rs.dcm", [("GTV", contours)], **options)  # type: ignore[arg-type]
    (mask,) = read_masks(path, volume)
    return mask


def distances(centre: tuple[float, float], spacing: tuple[float, float] = (1.0, 1.0), size: tuple[int, ...] = SIZE) -> np.ndarray:
    y, x = np.mgrid[: size[1], : size[0]]
    return np.hypot(x * spacing[0] - centre[0], y * spacing[1] - centre[1])


def stack(planes: dict[int, np.ndarray], slices: int = SIZE[2]) -> np.ndarray:
    array = np.zeros((slices, *next(iter(planes.values())).shape), dtype=bool)
    for index, plane in planes.items():
        array[index] = plane
    return array


CENTRE = (19.3, 22.6)


def test_disc_of_30_mm(tmp_path: Path) -> None:
    mask = mask_of(tmp_path, volume_of(tmp_path / "ct"), [disc(CENTRE, 15.01, 3.0 * k) for k in (1, 2, 3)])
    assert np.array_equal(mask.array, stack({k: distances(CENTRE) < 15.01 for k in (1, 2, 3)}))
    assert mask.notes == ()


def test_contour_data_beyond_64_kib(tmp_path: Path) -> None:
    fine = np.repeat(disc(CENTRE, 15.01, 3.0), 4, axis=0)
    with pytest.warns(UserWarning, match="64 kByte"):
        mask = mask_of(tmp_path, volume_of(tmp_path / "ct"), [fine])
    assert np.array_equal(mask.array, stack({1: distances(CENTRE) < 15.01}))


def test_disc_of_2_mm_is_not_widened(tmp_path: Path) -> None:
    mask = mask_of(tmp_path, volume_of(tmp_path / "ct"), [disc(CENTRE, 2.2, 3.0)])
    assert np.array_equal(mask.array, stack({1: distances(CENTRE) < 2.2}))


def test_ring_of_two_contours(tmp_path: Path) -> None:
    mask = mask_of(tmp_path, volume_of(tmp_path / "ct"), [disc(CENTRE, 15.01, 3.0), disc(CENTRE, 7.03, 3.0)])
    away = distances(CENTRE)
    assert np.array_equal(mask.array, stack({1: (away < 15.01) & ~(away < 7.03)}))


@pytest.mark.parametrize("kind", ["CLOSED_PLANAR", "CLOSEDPLANAR_XOR"])
def test_key_hole_ring(tmp_path: Path, kind: str) -> None:
    outer, inner = disc(CENTRE, 15.01, 3.0)[::2], disc(CENTRE, 7.03, 3.0)[::2]
    outline = np.concatenate([outer, outer[:1], inner[:1], inner[::-1], outer[:1]])
    mask = mask_of(tmp_path, volume_of(tmp_path / "ct"), [outline], geometric_type=kind)
    away = distances(CENTRE)
    assert np.array_equal(mask.array, stack({1: (away < 15.01) & ~(away < 7.03)}))


def test_island_in_a_hole(tmp_path: Path) -> None:
    rings = [disc(CENTRE, radius, 3.0) for radius in (15.01, 10.02, 4.03)]
    mask = mask_of(tmp_path, volume_of(tmp_path / "ct"), rings)
    away = distances(CENTRE)
    assert np.array_equal(mask.array, stack({1: (away < 15.01) & ~(away < 10.02) | (away < 4.03)}))


def test_contours_that_overlap_in_part_are_said(tmp_path: Path) -> None:
    second = (CENTRE[0] + 6.0, CENTRE[1])
    mask = mask_of(tmp_path, volume_of(tmp_path / "ct"), [disc(CENTRE, 7.03, 3.0), disc(second, 7.03, 3.0)])
    assert np.array_equal(mask.array, stack({1: (distances(CENTRE) < 7.03) ^ (distances(second) < 7.03)}))
    assert mask.notes == ("contours-overlap",)


def test_a_copied_contour_counts_once(tmp_path: Path) -> None:
    ring, other = disc(CENTRE, 7.03, 3.0), disc(CENTRE, 7.03, 6.0)
    closed = np.concatenate([ring, ring[:1]])
    mask = mask_of(tmp_path, volume_of(tmp_path / "ct"), [ring, np.roll(ring, 300, axis=0)[::-1], closed, other])
    assert np.array_equal(mask.array, stack({k: distances(CENTRE) < 7.03 for k in (1, 2)}))
    assert mask.notes == ("copied-contour",)


def test_a_second_version_of_a_contour_is_no_hole(tmp_path: Path) -> None:
    ring = disc(CENTRE, 7.03, 3.0)
    for other in (ring + np.array([1e-4, 0.0, 0.0]), np.round(ring, 1)):
        mask = mask_of(tmp_path, volume_of(tmp_path / "ct"), [ring, other])
        assert np.array_equal(mask.array, stack({1: distances(CENTRE) < 7.03}))
        assert mask.notes == ("copied-contour",)


def test_a_thin_wall_stays_a_wall(tmp_path: Path) -> None:
    mask = mask_of(tmp_path, volume_of(tmp_path / "ct"), [disc(CENTRE, 15.51, 3.0), disc(CENTRE, 14.97, 3.0)])
    away = distances(CENTRE)
    assert np.array_equal(mask.array, stack({1: (away < 15.51) & ~(away < 14.97)}))
    assert mask.notes == ("contour-within-contour",)


def test_contours_off_the_slice_planes(tmp_path: Path) -> None:
    mask = mask_of(tmp_path, volume_of(tmp_path / "ct"), [disc(CENTRE, 15.01, 3.0 * k + 1.2) for k in (1, 2)])
    assert np.array_equal(mask.array, stack({k: distances(CENTRE) < 15.01 for k in (1, 2)}))
    assert mask.notes == ("contours-between-slices",)


def test_contours_on_a_finer_grid_take_the_nearest_plane_whole(tmp_path: Path) -> None:
    contours = [disc(CENTRE, 10.02 + 0.37 * n, 3.0 + n) for n in range(4)]
    mask = mask_of(tmp_path, volume_of(tmp_path / "ct"), contours)
    assert np.array_equal(mask.array, stack({1: distances(CENTRE) < 10.02, 2: distances(CENTRE) < 10.02 + 0.37 * 3}))
    assert mask.notes == ("finer-contours-than-slices",)


def test_every_second_slice_is_left_as_drawn_and_said(tmp_path: Path) -> None:
    mask = mask_of(tmp_path, volume_of(tmp_path / "ct"), [disc(CENTRE, 15.01, 3.0 * k) for k in (0, 2, 4)])
    assert np.array_equal(mask.array, stack({k: distances(CENTRE) < 15.01 for k in (0, 2, 4)}))
    assert mask.notes == ("gap-between-contours",)


def test_gaps_are_filled_or_refused_on_request(tmp_path: Path) -> None:
    volume = volume_of(tmp_path / "ct")
    cylinder = write_rtstruct(tmp_path / "a.dcm", [("GTV", [disc(CENTRE, 15.01, 3.0 * k) for k in (0, 2, 4)])])
    (mask,) = read_masks(cylinder, volume, gaps="fill")
    assert np.array_equal(mask.array, stack({k: distances(CENTRE) < 15.01 for k in range(5)}))
    assert mask.notes == ("gaps-filled",)
    with pytest.raises(Unusable, match="gap-between-contours"):
        read_masks(cylinder, volume, gaps="refuse")
    cone = write_rtstruct(tmp_path / "b.dcm", [("GTV", [disc(CENTRE, 5.0 + 4.0 * k, 3.0 * k) for k in (0, 2)])])
    (mask,) = read_masks(cone, volume, gaps="fill")
    # Half-way between radii 5 and 13 lies 9, to within the voxels that distances are measured between.
    assert mask.array[1][distances(CENTRE) < 8.0].all()
    assert not mask.array[1][distances(CENTRE) > 10.0].any()


def test_edge_of_the_field(tmp_path: Path) -> None:
    centre = (1.3, 44.6)
    mask = mask_of(tmp_path, volume_of(tmp_path / "ct"), [disc(centre, 15.01, 3.0)])
    assert np.array_equal(mask.array, stack({1: distances(centre) < 15.01}))
    assert mask.notes == ("cut-off-at-edge",)


def test_non_square_pixels(tmp_path: Path) -> None:
    volume = volume_of(tmp_path / "ct", spacing=(0.7, 1.9, 3.0))
    centre = (14.13, 47.77)
    mask = mask_of(tmp_path, volume, [disc(centre, 12.11, 3.0)])
    assert np.array_equal(mask.array, stack({1: distances(centre, (0.7, 1.9)) < 12.11}))


def test_oblique_slices(tmp_path: Path) -> None:
    turn = np.linalg.qr(np.array([[0.9, 0.3, 0.1], [-0.2, 0.8, 0.4], [0.1, -0.3, 0.9]]))[0]
    turn *= np.sign(np.linalg.det(turn))
    orientation, origin = (*turn[:, 0], *turn[:, 1]), (-31.7, 12.9, 88.1)
    volume = volume_of(tmp_path / "mr", orientation=orientation, origin=origin, modality="MR")
    contours = [np.array(origin) + disc(CENTRE, 15.01, 3.0 * k) @ turn.T for k in (1, 2, 3)]
    mask = mask_of(tmp_path, volume, list(contours))
    assert np.array_equal(mask.array, stack({k: distances(CENTRE) < 15.01 for k in (1, 2, 3)}))


def test_uneven_slices_take_their_own_contours(tmp_path: Path) -> None:
    offsets = [0.0, 3.0, 6.0, 12.0, 15.0]
    volume = volume_of(tmp_path / "ct", offsets=offsets)
    contours = [disc(CENTRE, 10.02 + k, offsets[k]) for k in range(5)]
    mask = mask_of(tmp_path, volume, list(contours))
    assert np.array_equal(mask.array, stack({k: distances(CENTRE) < 10.02 + k for k in range(5)}))


def test_no_contour_image_sequence_is_needed(tmp_path: Path) -> None:
    path = write_rtstruct(tmp_path / "rs.dcm", [("GTV", [disc(CENTRE, 15.01, 6.0)])])
    from tests.imaging.dicom_maker import read

    assert not any("ContourImageSequence" in item for item in read(path).ROIContourSequence[0].ContourSequence)
    (mask,) = read_masks(path, volume_of(tmp_path / "ct"))
    assert np.array_equal(mask.array, stack({2: distances(CENTRE) < 15.01}))


def test_slices_that_run_downwards(tmp_path: Path) -> None:
    volume = volume_of(tmp_path / "ct", orientation=(1.0, 0, 0, 0, -1.0, 0), origin=(0.0, 47.0, 12.0))
    mask = mask_of(tmp_path, volume, [disc(CENTRE, 15.01, 12.0 - 3.0)])
    away = np.hypot(np.arange(40)[None, :] - CENTRE[0], (47.0 - np.arange(48))[:, None] - CENTRE[1])
    assert np.array_equal(mask.array, stack({1: away < 15.01}))


# What cannot be rasterised is refused by name, region by region.


def refusal(tmp_path: Path, contours: list[object], **options: object) -> str:
    volume = volume_of(tmp_path / "ct")
    path = write_rtstruct(tmp_path / "rs.dcm", [("GTV", contours)], **options)  # type: ignore[arg-type]
    (roi,) = open_masks(path, volume)
    with pytest.raises(Unusable) as caught:
        roi.read()
    return caught.value.reason


def test_refusals(tmp_path: Path) -> None:
    ring = disc(CENTRE, 15.01, 3.0)
    tilted = ring + np.stack([np.zeros(1440), np.zeros(1440), 0.2 * ring[:, 0]], axis=1)
    assert refusal(tmp_path, [tilted]) == "contour-not-in-slice-plane"
    assert refusal(tmp_path, [disc(CENTRE, 15.01, 300.0)]) == "region-outside-image"
    assert refusal(tmp_path, [disc((-60.0, 0.0), 15.01, 3.0)]) == "empty-region"
    assert refusal(tmp_path, [disc((5.5, 5.5), 0.3, 3.0)]) == "empty-region"
    assert refusal(tmp_path, []) == "empty-region"
    assert refusal(tmp_path, [("POINT", ring[:1])]) == "no-closed-contour"
    assert refusal(tmp_path, [("OPEN_PLANAR", ring)]) == "no-closed-contour"
    assert refusal(tmp_path, [ring], frame=901, series=2) == "frame-of-reference"


def test_a_contour_of_other_than_its_declared_points_is_refused(tmp_path: Path) -> None:
    path = write_rtstruct(tmp_path / "rs.dcm", [("GTV", [disc(CENTRE, 7.03, 3.0)])])
    dataset = pydicom.dcmread(path)
    contour = dataset.ROIContourSequence[0].ContourSequence[0]
    contour.ContourData = list(contour.ContourData)[:-30]
    dataset.save_as(path)
    (roi,) = open_masks(path, volume_of(tmp_path / "ct"))
    with pytest.raises(Unusable, match="broken-contour"):
        roi.read()


def test_open_contours_beside_closed_ones_are_ignored_and_said(tmp_path: Path) -> None:
    contours = [disc(CENTRE, 15.01, 3.0), ("OPEN_PLANAR", disc(CENTRE, 5.0, 3.0)), ("POINT", disc(CENTRE, 5.0, 3.0)[:1])]
    mask = mask_of(tmp_path, volume_of(tmp_path / "ct"), list(contours))
    assert np.array_equal(mask.array, stack({1: distances(CENTRE) < 15.01}))
    assert mask.notes == ("open-contour-ignored",)


def test_several_frames_of_reference_and_overlapping_structures(tmp_path: Path) -> None:
    volume = volume_of(tmp_path / "ct")
    rois = [(name, [disc((19.3 + shift, 22.6), 10.02, 3.0)]) for name, shift in (("A", 0.0), ("B", 6.0), ("OTHER", 0.0))]
    path = write_rtstruct(tmp_path / "rs.dcm", rois, frames={"OTHER": 902})
    first, second, other = open_masks(path, volume)
    assert (first.read().array & second.read().array).any()
    assert np.array_equal(second.read().array, stack({1: distances((25.3, 22.6)) < 10.02}))
    with pytest.raises(Unusable, match="frame-of-reference"):
        other.read()
