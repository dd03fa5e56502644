"""Plain masks on plain images: what a folder or a list holds, masks on the image's own lattice, labels, planes."""

from __future__ import annotations

import json
import weakref
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import SimpleITK as sitk
from scipy.ndimage import find_objects

from tests.imaging.rearranged_masks import image_of, oblique, rearranged
from unibase.groundwork.problems import Unusable, UserError
from unibase.imaging.boxed import Boxed, label_boxes
from unibase.imaging.commands import PlainRun, extract_plain
from unibase.imaging.dicom.volume import Volume
from unibase.imaging.grid import Array, Grid
from unibase.imaging.options import Choices
from unibase.imaging.plain.image import plain_volumes, read_image
from unibase.imaging.plain.label_names import label_names
from unibase.imaging.plain.listing import read_listing
from unibase.imaging.plain.paired_by_name import find_pairs
from unibase.imaging.radiomics.extraction import extract_region
from unibase.imaging.radiomics.selection import Selection
from unibase.imaging.radiomics.settings import for_a_plane, make_settings
from unibase.imaging.radiomics.told import Told
from unibase.imaging.regions.lattice import GridRule, align, place
from unibase.imaging.regions.mask import MaskRules
from unibase.imaging.regions.masks import open_masks, read_masks

SHAPE = (7, 9, 11)
SPACING, ORIGIN = (0.9, 1.1, 2.5), (-20.0, 14.0, 7.0)
RNG = np.random.default_rng(22)
IMAGE = RNG.integers(-100, 300, SHAPE).astype(np.int16)
LABELS = np.zeros(SHAPE, dtype=np.uint8)
LABELS[2:5, 2:6, 3:8] = 1
LABELS[5:6, 6:8, 8:10] = 2
FIRST = make_settings({"featureClass": {"firstorder": ["Mean"], "shape": ["VoxelVolume"]}})
UNIBASE = Choices(engine="unibase", several="each")


def picture(array: Array, spacing: tuple[float, ...] = SPACING, origin: tuple[float, ...] = ORIGIN) -> Any:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing[: image.GetDimension()])
    image.SetOrigin(origin[: image.GetDimension()])
    return image


def write(image: Any, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image if not isinstance(image, np.ndarray) else picture(image), str(path))
    return path


def volume() -> Volume:
    image = picture(IMAGE)
    return Volume(IMAGE.astype(np.float64), Grid.of(image), stored_type="int16")


def measured(source: Any, tmp_path: Path, settings: Any = FIRST, **choices: Any) -> tuple[pl.DataFrame, Any]:
    run = PlainRun(Choices(**{"engine": "unibase", "several": "each", **choices}))
    result = extract_plain(source, tmp_path / "out.parquet", settings, run)
    return pl.read_parquet(tmp_path / "out.parquet"), result


# The lattice: 48 orders and signs of axes, times crops, against index arithmetic on the whole array.


def test_every_order_and_sign_of_axes_pastes_to_the_bit() -> None:
    mask = RNG.random(SHAPE) < 0.3
    target = volume().grid
    for order, signs in product(permutations(range(3)), product((1, -1), repeat=3)):
        moved = sitk.PermuteAxes(picture(mask.astype(np.uint8)), list(order))
        moved = sitk.Flip(moved, [sign < 0 for sign in signs])
        array = sitk.GetArrayFromImage(moved) > 0
        placed = place(Boxed.of(array), Grid.of(moved), target, GridRule())
        assert np.array_equal(placed.region.full(), mask), (order, signs)
        assert placed.coverage == 1 and placed.notes == ()


def test_random_crops_and_padding_paste_to_the_bit_or_say_what_is_cut() -> None:
    target = volume().grid
    whole = picture(LABELS)
    for _ in range(40):
        low = [int(RNG.integers(0, n - 1)) for n in whole.GetSize()]
        size = [int(RNG.integers(1, n - begin + 1)) for n, begin in zip(whole.GetSize(), low, strict=True)]
        cut = sitk.RegionOfInterest(whole, size, low)
        padded = sitk.ConstantPad(
            cut, [int(RNG.integers(0, 4)) for _ in range(3)], [int(RNG.integers(0, 4)) for _ in range(3)], 1
        )
        array = sitk.GetArrayFromImage(padded)
        grid = Grid.of(padded)
        placed = place(Boxed.of(array == 1), grid, target, GridRule())
        want = np.zeros(SHAPE, dtype=bool)
        kept = 0
        for z, y, x in np.argwhere(array == 1):
            index = whole.TransformPhysicalPointToIndex(padded.TransformIndexToPhysicalPoint((int(x), int(y), int(z))))
            if all(0 <= i < n for i, n in zip(index, whole.GetSize(), strict=True)):
                want[index[::-1]] = True
                kept += 1
        assert np.array_equal(placed.region.full(), want)
        assert placed.coverage == pytest.approx(kept / max((array == 1).sum(), 1))
        assert ("cut-off-at-edge" in placed.notes) == (kept < (array == 1).sum())


@pytest.mark.parametrize(("off", "one"), [(0.0, True), (0.09, True), (0.11, False), (0.5, False)])
def test_a_drift_of_a_tenth_of_a_voxel_at_the_far_end_is_one_lattice(off: float, one: bool) -> None:
    grid = volume().grid
    far = Grid(grid.size, (*grid.spacing[:2], grid.spacing[2] * (1 + off / (grid.size[2] - 1))), grid.origin, grid.direction)
    assert (align(far, grid) is not None) is one
    moved = Grid(grid.size, grid.spacing, (grid.origin[0] + off * grid.spacing[0], *grid.origin[1:]), grid.direction)
    assert (align(moved, grid) is not None) is one


def test_another_spacing_or_a_turn_is_no_lattice_and_is_named() -> None:
    grid = volume().grid
    finer = Grid((22, 18, 14), (0.45, 0.55, 1.25), grid.origin, grid.direction)
    coarser = Grid((5, 4, 3), (1.8, 2.2, 5.0), grid.origin, grid.direction)
    c, s = np.cos(0.1), np.sin(0.1)
    turned = Grid(grid.size, grid.spacing, grid.origin, (c, -s, 0, s, c, 0, 0, 0, 1))
    for other in (finer, coarser, turned):
        with pytest.raises(Unusable, match="mask-geometry"):
            place(Boxed.of(np.ones(other.shape, dtype=bool)), other, grid, GridRule())
    assert place(Boxed.of(np.ones(finer.shape, dtype=bool)), finer, grid, GridRule(resample=True)).notes == ("resampled",)


def test_geometry_tolerance_acts_as_it_does_in_simpleitk() -> None:
    grid = volume().grid
    mask = Boxed.of(LABELS == 1)
    moved = Grid(grid.size, grid.spacing, (grid.origin[0] + 0.3 * grid.spacing[0], *grid.origin[1:]), grid.direction)
    placed = place(mask, moved, grid, GridRule(tolerance=0.31))
    assert np.array_equal(placed.region.full(), LABELS == 1) and placed.notes == ("within-geometry-tolerance",)
    with pytest.raises(Unusable, match="mask-geometry"):
        place(mask, moved, grid, GridRule(tolerance=0.29))
    near = Grid(grid.size, grid.spacing, (grid.origin[0] + 1e-4, *grid.origin[1:]), grid.direction)
    with pytest.raises(Unusable, match="mask-geometry"):
        place(mask, near, grid, GridRule(tolerance=1e-6))


def test_boxes_are_what_whole_masks_are() -> None:
    for _ in range(20):
        one, other = (RNG.random(SHAPE) < share for share in (0.02, 0.1))
        a, b = Boxed.of(one), Boxed.of(other)
        assert np.array_equal((a | b).full(), one | other) and np.array_equal((a & b).full(), one & other)
        assert a.voxels == one.sum() and np.array_equal(a.values(IMAGE), IMAGE[one])
        box = tuple(slice(1, n - 2) for n in SHAPE)
        assert np.array_equal(a.part(box), one[box])
    assert Boxed.of(np.zeros(SHAPE, dtype=bool)).empty


# Labels of label images.


@pytest.mark.parametrize("kind", ["uint8", "int16", "int32", "uint16", "float32", "float64"])
def test_labels_of_every_number_type_and_background_below_zero(tmp_path: Path, kind: str) -> None:
    values = LABELS.astype(kind)
    if kind != "uint8" and not kind.startswith("u"):
        values[LABELS == 0] = -1
    masks = read_masks(write(values, tmp_path / "m.nrrd"), volume())
    assert [(mask.roi_name, mask.number) for mask in masks] == [("m:1", 1), ("m:2", 2)]
    assert all(np.array_equal(mask.array, mask.number == LABELS) for mask in masks)
    negative = "negative-values-are-background" in masks[0].notes
    assert negative is not kind.startswith("u")


def test_label_and_channel_choose_and_an_absent_one_is_refused(tmp_path: Path) -> None:
    path = write(LABELS, tmp_path / "m.nrrd")
    (only,) = open_masks(path, volume(), MaskRules(label=2))
    assert only.number == 2
    with pytest.raises(Unusable, match="label-absent"):
        open_masks(path, volume(), MaskRules(label=7))
    both = sitk.Compose([picture((n == LABELS).astype(np.uint8)) for n in (1, 2)])
    layered = write(both, tmp_path / "l.nrrd")
    (second,) = read_masks_of(layered, MaskRules(label_channel=1))
    assert np.array_equal(second, LABELS == 2)
    with pytest.raises(Unusable, match="label-absent"):
        open_masks(layered, volume(), MaskRules(label_channel=2))


def read_masks_of(path: Path, rules: MaskRules) -> list[Array]:
    return [roi.read().array for roi in open_masks(path, volume(), rules)]


def test_components_are_regions_from_the_largest(tmp_path: Path) -> None:
    labels = np.zeros(SHAPE, dtype=np.uint8)
    labels[0, 0, 0:2] = labels[2:4, 2:4, 2:4] = labels[4, 4, 4] = labels[6, 8, 8:11] = 1
    rois = open_masks(write(labels, tmp_path / "mets.nrrd"), volume(), MaskRules(components=True))
    # The voxel that touches a cube at a corner belongs to it.
    assert [(roi.roi_name, roi.read().region.voxels) for roi in rois] == [
        ("mets:1 part 1 of 3", 9),
        ("mets:1 part 2 of 3", 3),
        ("mets:1 part 3 of 3", 2),
    ]
    lines = make_settings({"featureClass": {"firstorder": ["Mean"]}, "setting": {"minimumROIDimensions": 1}})
    pair = write(IMAGE, tmp_path / "i.nrrd"), tmp_path / "mets.nrrd"
    result = extract_plain(
        pair, tmp_path / "o.parquet", lines, PlainRun(UNIBASE.model_copy(update={"components": True}), {"METS": ["mets.*"]})
    )
    # Parts of one target are told apart by their digest.
    assert result.rows == 3 and pl.read_parquet(tmp_path / "o.parquet")["source_digest"].n_unique() == 3


def test_names_of_labels_from_data_sets(tmp_path: Path) -> None:
    (tmp_path / "nn/labelsTr").mkdir(parents=True)
    (tmp_path / "nn/dataset.json").write_text(json.dumps({"labels": {"background": 0, "tumour": 1, "whole": [1, 2], "node": 2}}))
    assert label_names(tmp_path / "nn/labelsTr/a.nii.gz", {}) == {(0, 0): "background", (0, 1): "tumour", (0, 2): "node"}
    (tmp_path / "msd").mkdir()
    (tmp_path / "msd/dataset.json").write_text(json.dumps({"labels": {"0": "background", "1": "liver", "2": "cancer"}}))
    assert label_names(tmp_path / "msd/a.nii.gz", {})[0, 2] == "cancer"
    # A NIfTI-1 extension as TotalSegmentator writes it: 4 bytes flag, size, code, XML.
    xml = b'<CaretExtension><LabelTable><Label Key="5" Red="1"><![CDATA[liver]]></Label></LabelTable></CaretExtension>'
    plain = write(LABELS, tmp_path / "t/x.nii").read_bytes()
    table = b"\1\0\0\0" + (8 + len(xml)).to_bytes(4, "little") + (0).to_bytes(4, "little") + xml
    (tmp_path / "t/x.nii").write_bytes(plain[:348] + table + plain[352:])
    assert label_names(tmp_path / "t/x.nii", {}) == {(0, 5): "liver"}


# Folders.


def folder(root: Path, images: list[str], masks: list[str]) -> dict[str, list[str]]:
    for name in images:
        write(IMAGE, root / name)
    for name in masks:
        write(LABELS, root / name)
    layout = find_pairs(root)
    told = {name: [mask.relative_to(root).as_posix() for mask in found] for name, found in layout.pairs.items()}
    return told | {"unplaced": [one.place for one in layout.unplaced]}


LAYOUTS: list[tuple[str, list[str], list[str], dict[str, list[str]]]] = [
    (
        "brats",
        ["S1/S1-t1c.nii.gz", "S1/S1-t2f.nii.gz", "S2/S2-t1c.nii.gz"],
        ["S1/S1-seg.nii.gz", "S2/S2-seg.nii.gz"],
        {
            "S1/S1-t1c.nii.gz": ["S1/S1-seg.nii.gz"],
            "S1/S1-t2f.nii.gz": ["S1/S1-seg.nii.gz"],
            "S2/S2-t1c.nii.gz": ["S2/S2-seg.nii.gz"],
        },
    ),
    (
        "nnU-Net",
        ["imagesTr/c1_0000.nii.gz", "imagesTr/c1_0001.nii.gz", "imagesTr/c2_0000.nii.gz", "imagesTs/c3_0000.nii.gz"],
        ["labelsTr/c1.nii.gz", "labelsTr/c2.nii.gz"],
        {
            "imagesTr/c1_0000.nii.gz": ["labelsTr/c1.nii.gz"],
            "imagesTr/c1_0001.nii.gz": ["labelsTr/c1.nii.gz"],
            "imagesTr/c2_0000.nii.gz": ["labelsTr/c2.nii.gz"],
            "imagesTs/c3_0000.nii.gz": [],
        },
    ),
    (
        "kits",
        ["case_1/imaging.nii.gz"],
        ["case_1/segmentation.nii.gz"],
        {"case_1/imaging.nii.gz": ["case_1/segmentation.nii.gz"]},
    ),
    (
        "TotalSegmentator",
        ["s1/ct.nii.gz", "s2/ct.nii.gz"],
        ["s1/segmentations/liver.nii.gz", "s2/segmentations/liver.nii.gz"],
        {"s1/ct.nii.gz": ["s1/segmentations/liver.nii.gz"], "s2/ct.nii.gz": ["s2/segmentations/liver.nii.gz"]},
    ),
    (
        "HECKTOR",
        ["imagesTr/CHUM-001__CT.nii.gz", "imagesTr/CHUM-001__PT.nii.gz"],
        ["labelsTr/CHUM-001.nii.gz"],
        {
            "imagesTr/CHUM-001__CT.nii.gz": ["labelsTr/CHUM-001.nii.gz"],
            "imagesTr/CHUM-001__PT.nii.gz": ["labelsTr/CHUM-001.nii.gz"],
        },
    ),
    (
        "organs by name",
        ["images/p1.nii.gz", "images/p12.nii.gz"],
        ["masks/p1_liver.nii.gz", "masks/p12_GTV.nii.gz", "masks/p1_2.nii.gz", "masks/p3.nii.gz"],
        {
            "images/p1.nii.gz": ["masks/p1_liver.nii.gz"],
            "images/p12.nii.gz": ["masks/p12_GTV.nii.gz"],
            "unplaced": ["masks/p1_2.nii.gz", "masks/p3.nii.gz"],
        },
    ),
    (
        "an orphan among one pair",
        ["image/a.nii.gz"],
        ["mask/a.nii.gz", "mask/c.nii.gz"],
        {"image/a.nii.gz": ["mask/a.nii.gz"], "unplaced": ["mask/c.nii.gz"]},
    ),
    ("no image at all", [], ["x/mask.nii.gz"], {"unplaced": ["x/mask.nii.gz"]}),
    (
        "BIDS and its derivatives",
        ["sub-1/anat/sub-1_T1w.nii", "sub-2/anat/sub-2_T1w.nii"],
        ["derivatives/us/sub-1/anat/sub-1_label-tumor_mask.nii", "derivatives/us/sub-2/anat/sub-2_dseg.nii"],
        {
            "sub-1/anat/sub-1_T1w.nii": ["derivatives/us/sub-1/anat/sub-1_label-tumor_mask.nii"],
            "sub-2/anat/sub-2_T1w.nii": ["derivatives/us/sub-2/anat/sub-2_dseg.nii"],
        },
    ),
    (
        "UPENN-GBM",
        ["images_structural/G-01_11/G-01_11_T1.nii", "images_structural/G-01_21/G-01_21_T1.nii"],
        ["images_segm/G-01_11_segm.nii"],
        {
            "images_structural/G-01_11/G-01_11_T1.nii": ["images_segm/G-01_11_segm.nii"],
            "images_structural/G-01_21/G-01_21_T1.nii": [],
        },
    ),
    ("PI-CAI", ["imgs/10/10_7_adc.mha"], ["labels/10_7.nii"], {"imgs/10/10_7_adc.mha": ["labels/10_7.nii"]}),
    (
        "HECKTOR 2025",
        ["C1/C1__CT.nii", "C1/C1__PT.nii"],
        ["C1/C1.nii"],
        {key: ["C1/C1.nii"] for key in ("C1/C1__CT.nii", "C1/C1__PT.nii")},
    ),
    ("autoPET", ["p1/CTres.nii", "p1/SUV.nii"], ["p1/SEG.nii"], {key: ["p1/SEG.nii"] for key in ("p1/CTres.nii", "p1/SUV.nii")}),
    (
        "Prostate158",
        ["20/t2.nii", "20/adc.nii"],
        ["20/t2_anatomy_reader1.nii", "20/adc_tumor_reader1.nii"],
        {"20/t2.nii": ["20/t2_anatomy_reader1.nii"], "20/adc.nii": ["20/adc_tumor_reader1.nii"]},
    ),
    (
        "readers",
        ["img/A1.nii", "img/A2.nii"],
        ["reader1/A1.nii", "reader2/A1.nii"],
        {"img/A1.nii": ["reader1/A1.nii", "reader2/A1.nii"], "img/A2.nii": []},
    ),
    (
        "lesions of an image",
        ["P1_CT.nii", "P1_PT.nii"],
        ["P1_CT_lesion1.nii", "P1_CT_lesion2.nii"],
        {"P1_CT.nii": ["P1_CT_lesion1.nii", "P1_CT_lesion2.nii"], "P1_PT.nii": []},
    ),
    ("numbers", ["img1.nii", "img2.nii"], ["mask2.nii"], {"img1.nii": [], "img2.nii": ["mask2.nii"]}),
    ("a number that no image has", ["img1.nii"], ["mask2.nii"], {"img1.nii": [], "unplaced": ["mask2.nii"]}),
    ("French folders", ["images/é 1.nii"], ["masques/é 1.nii"], {"images/é 1.nii": ["masques/é 1.nii"]}),
    (
        "before and after",
        ["images_before/P1.nii", "images_after/P1.nii"],
        ["masks_before/P1.nii"],
        {"images_before/P1.nii": ["masks_before/P1.nii"], "images_after/P1.nii": []},
    ),
    ("another day", ["images/day2/P1.nii"], ["masks/day1/P1.nii"], {"images/day2/P1.nii": [], "unplaced": ["masks/day1/P1.nii"]}),
    (
        "test and training",
        ["imagesTs/c3_0000.nii"],
        ["labelsTr/c3.nii"],
        {"imagesTs/c3_0000.nii": [], "unplaced": ["labelsTr/c3.nii"]},
    ),
    (
        "a class of cases",
        ["lesion/P1/ct.nii", "control/P2/ct.nii"],
        ["lesion/P1/mask.nii"],
        {"lesion/P1/ct.nii": ["lesion/P1/mask.nii"], "control/P2/ct.nii": []},
    ),
    (
        "two cases and a mask without a name",
        ["a.nii.gz", "b.nii.gz"],
        ["mask.nii.gz"],
        {"a.nii.gz": [], "b.nii.gz": [], "unplaced": ["mask.nii.gz"]},
    ),
]


@pytest.mark.parametrize(("images", "masks", "want"), [case[1:] for case in LAYOUTS], ids=[case[0] for case in LAYOUTS])
def test_layouts(tmp_path: Path, images: list[str], masks: list[str], want: dict[str, list[str]]) -> None:
    assert folder(tmp_path, images, masks) == {"unplaced": []} | want


def test_of_several_images_a_mask_serves_those_of_its_lattice(tmp_path: Path) -> None:
    write(IMAGE, tmp_path / "P1/CT.nii.gz")
    write(picture(IMAGE, (4.0, 4.0, 4.0)), tmp_path / "P1/PET.nii.gz")
    write(LABELS, tmp_path / "P1/mask.nii.gz")
    assert {name: len(masks) for name, masks in find_pairs(tmp_path).pairs.items()} == {"P1/CT.nii.gz": 1, "P1/PET.nii.gz": 0}
    assert {name: len(masks) for name, masks in find_pairs(tmp_path, resample=True).pairs.items()} == dict.fromkeys(
        ("P1/CT.nii.gz", "P1/PET.nii.gz"), 1
    )


def test_orphans_and_broken_files_are_told_and_stop_nothing(tmp_path: Path) -> None:
    home = tmp_path / "in"
    for name in ("lyon", "CHU-été", "broken"):
        write(IMAGE, home / f"image/{name}.nii.gz")
        write(LABELS, home / f"mask/{name}.nii.gz")
    write(LABELS, home / "mask/nobody.nii.gz")
    whole = (home / "mask/broken.nii.gz").read_bytes()
    (home / "mask/broken.nii.gz").write_bytes(whole[: len(whole) // 2])
    (home / "x.dcm").write_bytes(b"\0" * 128 + b"DICM")
    frame, result = measured(home, tmp_path)
    assert frame.group_by("SeriesInstanceUID").len().sort("SeriesInstanceUID").rows() == [
        ("image/CHU-été.nii.gz", 2),
        ("image/lyon.nii.gz", 2),
    ]
    assert sorted((one["unit"], one["reason"]) for one in result.quarantined) == [
        ("image/broken.nii.gz", "truncated-file"),
        ("mask/nobody.nii.gz", "mask-without-image"),
        ("x.dcm", "unreadable-dicom"),
    ]
    listed = result.regions.filter(pl.col("status") == "refused")
    assert sorted(set(listed["unit"])) == ["image/broken.nii.gz", "mask/nobody.nii.gz", "x.dcm"]
    # The mask that is broken is named, as its image is not.
    assert "broken.nii.gz" in listed["roi_name"].to_list()
    assert any("The mask cannot be used" in message for message in listed["message"])
    # The folder of what is done goes when the table is whole.
    assert not (tmp_path / "out.parquet.work").exists()


def test_a_killed_run_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from unibase.imaging import commands

    home = tmp_path / "in"
    for name in ("a", "b"):
        write(IMAGE, home / f"image/{name}.nrrd")
        write(LABELS, home / f"mask/{name}.nrrd")
    began = []
    real = commands.extract_series

    def extract(task: Any) -> Any:
        began.append(task.series_uid)
        if len(began) == 2:
            raise KeyboardInterrupt
        return real(task)

    monkeypatch.setattr(commands, "extract_series", extract)
    with pytest.raises(KeyboardInterrupt):
        measured(home, tmp_path)
    frame, _ = measured(home, tmp_path)
    assert began == ["image/a.nrrd", "image/b.nrrd", "image/b.nrrd"]
    assert frame.height == 4


# Lists.


def test_a_list_chooses_labels_and_keeps_its_columns(tmp_path: Path) -> None:
    write(IMAGE, tmp_path / "x/i.nrrd")
    write(LABELS, tmp_path / "x/m.nrrd")
    rows = [
        "ID;Image;MASK;Label;region;note",
        "p1;x/i.nrrd;x/m.nrrd;2;left;é",
        "p2;x/i.nrrd;x/m.nrrd;1;;",
        "p3;x/none.nrrd;x/m.nrrd;1;;",
    ]
    rows += ["p4;x/i.nrrd;x/m.nrrd;9;;", "p5;x/i.nrrd;;1;;", "p6;x/i.nrrd;x/m.nrrd;one;;", "p7;x/i.nrrd;x/m.nrrd;2;;"]
    (tmp_path / "list.csv").write_bytes(("\n".join(rows) + "\n").encode("utf-8-sig"))
    frame, result = measured(tmp_path / "list.csv", tmp_path)
    assert frame.columns[:4] == ["list_row", "ID", "list_region", "note"]
    assert frame.select("list_row", "ID", "list_region", "note", "roi_name").rows() == [
        (1, "p1", "left", "é", "m:2"),
        (2, "p2", None, None, "m:1"),
        (7, "p7", None, None, "m:2"),
    ]
    assert frame["firstorder_Mean"].to_list() == pytest.approx([IMAGE[n == LABELS].mean() for n in (2, 1, 2)])
    assert [(one["unit"].split(":")[0], one["reason"]) for one in result.quarantined] == [
        ("row 3", "unreadable-image"),
        ("row 4", "label-absent"),
        ("row 5", "unreadable-row"),
        ("row 6", "unreadable-row"),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [("a,b\n1,2\n", "no column Image or Mask"), ("Image,Mask\n", "lists no image"), ("Image,Mask,ID,id\n", "twice")],
)
def test_what_is_no_list_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "l.csv").write_text(text)
    with pytest.raises(UserError, match=words):
        read_listing(tmp_path / "l.csv")


@pytest.mark.parametrize(
    ("text", "columns", "problems"),
    [
        ("Image,Mask,Age,,\na,b,61,,\n", {"Age": "61"}, ""),
        (",Image,Mask\n0,a,b\n", {"column_1": "0"}, ""),
        ("Image,Mask,,Age\na,b,,61\n", {"column_3": None, "Age": "61"}, ""),
        ("Image,Mask,Age\na,b,61,,\n", {"Age": "61"}, ""),
        ("Image,Mask,Age\na,b,6,1\n", {"Age": "6"}, "more cells"),
        ("Image,Mask,,\na,b,,x\n", {}, "more cells"),
        ('Image,Mask,Age\na,b,"6,1"\n', {"Age": "6,1"}, ""),
    ],
)
def test_columns_of_a_list_without_a_name_and_rows_with_more_cells(
    tmp_path: Path, text: str, columns: dict[str, str | None], problems: str
) -> None:
    (tmp_path / "l.csv").write_text(text)
    (row,) = read_listing(tmp_path / "l.csv")
    assert row.kept == columns and problems in row.problem and bool(row.problem) == bool(problems)
    assert (row.image.name, row.mask.name) == ("a", "b")


def test_columns_of_a_list_that_are_named_as_features_or_as_ours_stand_beside_them(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(IMAGE), str(tmp_path / "i.nrrd"))
    sitk.WriteImage(sitk.GetImageFromArray(LABELS), str(tmp_path / "m.nrrd"))
    names = "firstorder_Mean,region,list_region,list_row,shape_VoxelVolume,Age"
    (tmp_path / "l.csv").write_text(f"Image,Mask,Label,{names}\ni.nrrd,m.nrrd,1,a,b,c,d,e,f\n")
    frame, _ = measured(tmp_path / "l.csv", tmp_path)
    (row,) = frame.to_dicts()
    assert row["firstorder_Mean"] == pytest.approx(IMAGE[LABELS == 1].mean()) and (row["list_row"], row["region"]) == (1, "m:1")
    theirs = ["list_firstorder_Mean", "list_region", "list_list_region", "list_list_row", "list_shape_VoxelVolume", "Age"]
    assert [row[name] for name in theirs] == list("abcdef")


@pytest.mark.parametrize(
    ("kind", "value", "words"), [("uint8", 0, "no voxel."), ("int8", -1, "are negative"), ("float32", -3, "negative")]
)
def test_a_mask_without_labels_says_whether_it_holds_negative_values(tmp_path: Path, kind: str, value: int, words: str) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(IMAGE), str(tmp_path / "i.nrrd"))
    sitk.WriteImage(sitk.GetImageFromArray(np.where(LABELS == 1, value, 0).astype(kind)), str(tmp_path / "m.nrrd"))
    with pytest.raises(Unusable, match=words):
        open_masks(tmp_path / "m.nrrd", read_image(tmp_path / "i.nrrd"))


def test_what_is_told_of_a_volume_keeps_none_of_its_voxels() -> None:
    selection = Selection(
        Volume(np.zeros(SHAPE), Grid(SHAPE[::-1], SPACING, ORIGIN, tuple(np.eye(3).ravel()))), [], missing_targets=["GTV"]
    )
    told = Told()
    told.on("", selection)
    alive = weakref.ref(selection.volume)
    del selection
    assert alive() is None and told.listed().missing_targets == ["GTV"]


def test_a_mask_that_is_refused_is_told_of_once(tmp_path: Path) -> None:
    for name, array in (("i", IMAGE), ("m", LABELS), ("e", np.zeros_like(LABELS))):
        sitk.WriteImage(sitk.GetImageFromArray(array), str(tmp_path / f"{name}.nrrd"))
    (tmp_path / "l.csv").write_text("Image,Mask,Label\ni.nrrd,m.nrrd,1\ni.nrrd,e.nrrd,\ni.nrrd,absent.nrrd,\ni.nrrd,m.nrrd,x\n")
    _, result = measured(tmp_path / "l.csv", tmp_path)
    rows = result.regions.select(pl.col("unit").str.split(":").list.first(), "status", "reason").rows()
    assert rows == [
        ("row 1", "done", None),
        ("row 2", "refused", "empty-region"),
        ("row 3", "refused", "unreadable-image"),
        ("row 4", "refused", "unreadable-row"),
    ]


@pytest.mark.parametrize("suffix", ["nii", "nii.gz", "hdr", "nrrd", "mha"])
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_what_is_no_number_stays_none_in_every_format(tmp_path: Path, suffix: str, kind: str) -> None:
    image = IMAGE.astype(kind)
    image[0, 1, 2], image[3, 4, 5], image[6, 8, 10] = np.inf, np.nan, -np.inf
    sitk.WriteImage(sitk.GetImageFromArray(image), str(tmp_path / f"i.{suffix}"))
    assert np.array_equal(read_image(tmp_path / f"i.{suffix}").array, image, equal_nan=True)
    both = [sitk.GetImageFromArray(one) for one in (IMAGE.astype(kind), image)]
    sitk.WriteImage(sitk.JoinSeries(both), str(tmp_path / f"four.{suffix}"))
    (_, first), (_, second) = plain_volumes(tmp_path / f"four.{suffix}")
    assert np.array_equal(first().array, IMAGE) and np.array_equal(second().array, image, equal_nan=True)


# Planes.


@pytest.mark.parametrize("engine", ["pyradiomics", "unibase"])
def test_a_plane_has_an_area_and_no_thickness(tmp_path: Path, engine: str) -> None:
    write(picture(IMAGE[3]), tmp_path / "image.nii.gz")
    write(picture((LABELS[3] == 1).astype(np.uint8)), tmp_path / "mask.nii.gz")
    every = make_settings({"featureClass": {"firstorder": ["Mean"], "shape": None, "glcm": ["Contrast"]}})
    frame, _ = measured((tmp_path / "image.nii.gz", tmp_path / "mask.nii.gz"), tmp_path, every, engine=engine)
    assert not [name for name in frame.columns if name.startswith("shape_")]
    # 20 pixels of 0.9 x 1.1 mm.
    assert frame["shape2D_PixelSurface"].item() == pytest.approx(20 * 0.9 * 1.1, rel=1e-6)
    assert frame["firstorder_Mean"].item() == pytest.approx(IMAGE[3][LABELS[3] == 1].mean())
    with pytest.raises(Unusable, match="no-feature-left"):
        for_a_plane(make_settings({"featureClass": {"shape": ["VoxelVolume"]}}))


def test_two_spacings_are_for_planes_alone() -> None:
    with pytest.raises(UserError, match="three spacings"):
        make_settings({"setting": {"resampledPixelSpacing": [1]}})
    with pytest.raises(Unusable, match="wrong-dimensions"):
        extract_region(volume(), LABELS == 1, make_settings({"setting": {"resampledPixelSpacing": [1, 1]}}), "unibase")


# What one region throws.


@pytest.mark.parametrize("engine", ["pyradiomics", "unibase"])
def test_grey_levels_beyond_memory_are_refused_before_by_both_engines(engine: str) -> None:
    loud = Volume(IMAGE * 40_000.0, volume().grid)
    settings = make_settings({"featureClass": {"glcm": ["Contrast"]}})
    with pytest.raises(Unusable, match="too-many-grey-levels"):
        extract_region(loud, LABELS == 1, settings, engine)  # type: ignore[arg-type]
    endless = Volume(IMAGE * 1e15, volume().grid)
    with pytest.raises(Unusable, match="too-many-grey-levels"):
        extract_region(endless, LABELS == 1, make_settings({"featureClass": {"firstorder": ["Entropy"]}}), engine)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "reason"), [(MemoryError, "out-of-memory"), (RuntimeError, "engine-failed"), (AssertionError, "engine-failed")]
)
def test_what_an_engine_throws_is_the_reason_of_its_region(monkeypatch: pytest.MonkeyPatch, error: type, reason: str) -> None:
    from unibase.imaging.radiomics import reference
    from unibase.imaging.radiomics.extraction import extract_regions

    real = reference.extract

    def sometimes(image: Any, region: Boxed, settings: Any) -> Any:
        if region.voxels == int((LABELS == 1).sum()):
            raise error("a value of a patient")
        return real(image, region, settings)

    monkeypatch.setattr(reference, "extract", sometimes)
    first, second = extract_regions(volume(), [LABELS == 1, LABELS == 2], FIRST, "pyradiomics")
    assert isinstance(first, Unusable) and first.reason == reason and "patient" not in str(first)
    assert not isinstance(second, Unusable)


def test_a_rearranged_mask_is_the_same_mask_to_the_bit(tmp_path: Path) -> None:
    """Sixty of the thousand that were run by hand: order, signs, crops, padding, RAS, bytes, types and formats."""
    random = np.random.default_rng(2207)
    for number in range(60):
        spacing = tuple(float(item) for item in random.choice([0.9765625, 1.0, 1.17, 3.0], 3))
        grid = image_of(IMAGE, spacing, tuple(random.normal(0, 200, 3).tolist()), oblique(random))
        mask = sitk.GetImageFromArray((random.random(SHAPE) < 0.3).astype(np.uint8))
        mask.CopyInformation(grid)
        moved = rearranged(mask, tmp_path, number, random)
        on = Volume(IMAGE.astype(np.float64), Grid.of(grid), stored_type="int16")
        if moved.want.any():
            (read,) = read_masks(moved.path, on)
            assert np.array_equal(read.region.full(), moved.want), moved.how
        else:
            with pytest.raises(Unusable, match="marks no voxel"):
                read_masks(moved.path, on)


@pytest.mark.parametrize("kind", ["uint8", "int8", "uint16", "int16", "int32", "uint64", "int64"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.6, 1.0])
def test_boxes_of_labels_are_those_that_scipy_finds(kind: str, share: float) -> None:
    rng = np.random.default_rng(4)
    for shape in ((1, 1, 1), (1, 6, 1), (4, 5, 6), (3, 1, 40)):
        labels = np.where(rng.random(shape) < share, rng.integers(-2 if kind[0] == "i" else 0, 90, shape), 0).astype(kind)
        for given in (labels, labels.transpose(2, 0, 1), labels[:, ::-1, ::2]):
            oracle = find_objects(np.maximum(given, 0).astype(np.int32))
            assert label_boxes(given) == {number: box for number, box in enumerate(oracle, start=1) if box is not None}
