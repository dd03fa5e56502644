"""Maps of features as files: where each voxel lies in the patient, what the table says, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import SimpleITK as sitk
import zarr

from unibase.groundwork.files import sha256_file, sha256_folder
from unibase.groundwork.problems import UserError
from unibase.imaging.radiomics.maps import MapRun, gather_maps, write_maps
from unibase.imaging.radiomics.settings import make_settings
from unibase.imaging.radiomics.task import MapWay
from unibase.imaging.radiomics.verdicts import Verdict
from unibase.imaging.tables import MAPS

SHAPE = (9, 14, 16)
SLOPE = np.array([3.0, -2.0, 5.0])
"""Of an image that rises evenly through the room: the mean of a whole kernel is the value at its middle."""


def scans(folder: Path) -> Path:
    """An oblique image that is linear in the room, and a mask of a block in it."""
    turn = np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
    image = sitk.Image([16, 14, 9], sitk.sitkFloat64)
    image.SetSpacing((0.9, 1.1, 2.0))
    image.SetOrigin((-30.0, 12.0, 7.0))
    image.SetDirection(turn.ravel().tolist())
    values = np.empty(SHAPE)
    for z, y, x in np.ndindex(SHAPE):
        values[z, y, x] = SLOPE @ image.TransformIndexToPhysicalPoint((x, y, z))
    mask = np.zeros(SHAPE, np.uint8)
    mask[3:6, 4:9, 5:11] = 1
    for name, array in (("image", values), ("mask", mask)):
        picture = sitk.GetImageFromArray(array)
        picture.CopyInformation(image)
        (folder / name).mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(picture, str(folder / name / "CHU-été.nrrd"))
    return folder


def run(form: str = "nrrd", **setting: object) -> MapRun:
    content = {
        "setting": {"interpolator": "sitkLinear", **setting},
        "voxelSetting": {"maskedKernel": False},
        "featureClass": {"firstorder": ["Mean", "Range"]},
    }
    return MapRun(MapWay(make_settings(content), form))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "setting", [{}, {"resampledPixelSpacing": [1.3, 1.3, 1.7]}, {"preCrop": True, "padDistance": 2}], ids=str
)
def test_every_voxel_of_a_map_lies_where_its_value_is_from(tmp_path: Path, setting: dict[str, object]) -> None:
    frame, refused = write_maps(scans(tmp_path / "in"), tmp_path / "out", run(**setting))
    assert not refused and frame.height == 2
    row = frame.filter(pl.col("feature") == "firstorder_Mean").row(0, named=True)
    assert row["region"] == "CHU-été:1" and "CHU" not in row["file"] and row["channel"] is None
    picture = sitk.ReadImage(str(tmp_path / "out" / row["file"]))
    assert row["digest"] == sha256_file(tmp_path / "out" / row["file"])
    array = sitk.GetArrayFromImage(picture)
    inside = np.argwhere(array != 0)
    assert len(inside) > 40
    for z, y, x in inside:
        point = picture.TransformIndexToPhysicalPoint((int(x), int(y), int(z)))
        assert array[z, y, x] == pytest.approx(SLOPE @ point, abs=1e-6)


def test_a_store_holds_the_same_maps(tmp_path: Path) -> None:
    source = scans(tmp_path / "in")
    write_maps(source, tmp_path / "a", run())
    for _ in range(2):  # A second run replaces the first.
        frame, _ = write_maps(source, tmp_path / "b", run("ome-zarr"))
    assert frame["channel"].to_list() == [0, 1] and frame["digest"].n_unique() == 1
    assert sha256_folder(tmp_path / "b" / frame["file"][0]) == frame["digest"][0]
    store = zarr.open_group(tmp_path / "b" / frame["file"][0], mode="r")
    mean = sitk.GetArrayFromImage(sitk.ReadImage(str(next((tmp_path / "a").rglob("original_firstorder_Mean.nrrd")))))
    assert np.array_equal(store["0"][0], mean)  # type: ignore[index]
    ome = store.attrs["ome"]
    assert [axis["name"] for axis in ome["multiscales"][0]["axes"]] == ["c", "z", "y", "x"]  # type: ignore[index, call-overload]
    assert [one["label"] for one in ome["omero"]["channels"]] == ["firstorder_Mean", "firstorder_Range"]  # type: ignore[index, call-overload]


def test_a_region_that_cannot_be_measured_is_told(tmp_path: Path) -> None:
    source = scans(tmp_path / "in")
    (source / "image/broken.nrrd").write_bytes((source / "image/CHU-été.nrrd").read_bytes()[:900])
    (source / "mask/broken.nrrd").write_bytes((source / "mask/CHU-été.nrrd").read_bytes())
    frame, refused = write_maps(source, tmp_path / "out", run())
    assert frame.height == 2 and [(place, str(why.reason)) for place, why in refused] == [("image/broken.nrrd", "truncated-file")]
    (source / "image/CHU-été.nrrd").unlink()
    with pytest.raises(UserError, match="No region has a map"):
        write_maps(source, tmp_path / "none", run())


def test_maps_of_a_refused_region_are_not_listed(tmp_path: Path) -> None:
    digests = {"GTV": "a" * 64, "node": "b" * 64, "kidney": "c" * 64}
    same = {"SeriesInstanceUID": "2.25.1", "image_type": "original", "feature": "x", "digest": "d", "kernel_radius": 1}
    rows = [
        same
        | {
            "region": name,
            "roi_name": name,
            "source_digest": digest,
            "file": f"{name}.nrrd",
            "masked": True,
            "settings_digest": "s",
        }
        for name, digest in digests.items()
    ]
    MAPS.write(pl.DataFrame(rows, schema=MAPS.schema()), tmp_path / "one.parquet")
    verdicts = [Verdict(1, "a" * 12, "refuse"), Verdict(2, "b" * 12, "keep")]
    found = gather_maps([tmp_path / "one.parquet"], tmp_path / "maps.parquet", "maps", verdicts)
    assert found.select("file", "mask_notes").rows() == [("maps/node.nrrd", "kept-by-reviewer"), ("maps/kidney.nrrd", None)]
    assert pl.read_parquet(tmp_path / "maps.parquet").equals(found)
