"""Deep features of regions: a tiny model made here, whose output is worked out by NumPy on a box that is read by a loop."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import polars as pl
import pytest
from onnx import TensorProto, helper

from tests.imaging.dicom_maker import write_rtstruct, write_series
from unibase.groundwork.problems import Unusable, UserError
from unibase.imaging.boxed import Boxed
from unibase.imaging.commands import PlainRun, extract_plain
from unibase.imaging.dicom.volume import Volume
from unibase.imaging.grid import Grid
from unibase.imaging.options import Choices
from unibase.imaging.radiomics.deep import SIDE, box_around, read_model
from unibase.imaging.radiomics.feature_words import feature_dictionary
from unibase.imaging.radiomics.settings import make_settings

SETTINGS = make_settings({"featureClass": {"firstorder": ["Mean"]}})
SIZE = (5, 6, 10)


def model(path: Path, size: tuple[Any, ...] = (1, 1, *SIZE), operator: str = "ReduceMean") -> Path:
    """A model that returns the mean, and the largest value, of each plane across x."""
    given = helper.make_tensor_value_info("box", TensorProto.FLOAT, size)
    told = helper.make_tensor_value_info("features", TensorProto.FLOAT, None)
    axes = helper.make_tensor("axes", TensorProto.INT64, [3], [0, 2, 3])
    nodes = [
        helper.make_node(operator, ["box", "axes"] if operator == "ReduceMean" else ["box"], ["mean"]),
        *([helper.make_node("ReduceMax", ["box", "axes"], ["most"])] if operator == "ReduceMean" else []),
        helper.make_node("Concat", ["mean", "most"] if operator == "ReduceMean" else ["mean"], ["features"], axis=0),
    ]
    graph = helper.make_graph(nodes, "tiny", [given], [told], [axes])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), str(path))
    return path


def scan(folder: Path) -> np.ndarray:
    image = np.random.default_rng(6).integers(-200, 200, (30, 60, 60)).astype(np.int16)
    write_series(folder / "ct", image, spacing=(1.0, 1.0, 2.0))
    square = [np.array([(27.5, 27.5, z), (32.5, 27.5, z), (32.5, 32.5, z), (27.5, 32.5, z)]) for z in (28.0, 30.0, 32.0)]
    write_rtstruct(folder / "rs.dcm", [("GTV", square)])
    return image


def by_loop(image: np.ndarray, centre: tuple[float, float, float]) -> np.ndarray:
    """The twin: the box voxel by voxel, trilinear by hand, on a grid of 1 x 1 x 2 mm at 0."""
    box = np.zeros(SIZE)
    for place in np.ndindex(*SIZE):
        at = [c + (n + 0.5) * SIDE / count - SIDE / 2 for c, n, count in zip(centre, place, SIZE, strict=True)]
        index = np.array(at) / (2.0, 1.0, 1.0)
        low = np.floor(index).astype(int)
        part = index - low
        for corner in np.ndindex(2, 2, 2):
            weight = np.prod([p if up else 1 - p for p, up in zip(part, corner, strict=True)])
            box[place] += weight * image[tuple(np.minimum(low + corner, np.array(image.shape) - 1))]
    return box


def test_a_row_holds_what_the_model_returns_and_which_it_is(tmp_path: Path) -> None:
    image = scan(tmp_path)
    path = model(tmp_path / "tiny.onnx")
    run = PlainRun(Choices(several="each", deep_model=str(path), deep_low=-200, deep_high=200, shells=((0, 3),)))
    extract_plain(tmp_path, tmp_path / "o.parquet", SETTINGS, run)
    (row,) = pl.read_parquet(tmp_path / "o.parquet").filter(pl.col("image_type").str.starts_with("onnx-")).to_dicts()
    box = (by_loop(image, (30.0, 30.0, 30.0)) + 200) / 400
    want = [*box.mean(axis=(0, 1)), *box.max(axis=(0, 1))]
    assert [row[f"deep_{number:04d}"] for number in range(20)] == pytest.approx(want, abs=1e-5)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert row["image_type"] == f"onnx-{digest[:16]}" and f"model-{digest}" in row["image_notes"]
    assert row["mask_notes"] is None and feature_dictionary(["deep_0003"])["family"].to_list() == ["deep"]


@pytest.mark.parametrize("turn", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, -1)])
def test_the_axes_are_those_of_the_patient_however_it_was_scanned(turn: tuple[int, ...], signs: tuple[int, ...]) -> None:
    """An image whose values are the places in the patient: the box must rise along each axis in its turn."""
    matrix = np.zeros((3, 3))
    for axis, (place, sign) in enumerate(zip(turn, signs, strict=True)):
        matrix[place, axis] = sign
    origin = tuple(float(item) for item in -matrix @ np.full(3, 40.0))
    grid = Grid((81, 81, 81), (1.0, 1.0, 1.0), (origin[0], origin[1], origin[2]), tuple(matrix.ravel().tolist()))
    index = np.argwhere(np.ones((81, 81, 81), bool))
    places = grid.centres(index[:, ::-1]) @ [1.0, 1000.0, 1000000.0]
    region = Boxed.of(np.ones((1, 1, 1), bool), (40, 40, 40), (81, 81, 81))
    box, whole = box_around(Volume(places.reshape(81, 81, 81), grid), region, (5, 5, 5))
    steps = [float(np.diff(box, axis=axis).mean()) for axis in (2, 1, 0)]
    assert whole and steps == pytest.approx([10, 10000, 10000000])
    assert box[2, 2, 2] == pytest.approx(0, abs=1e-6)


def test_beyond_the_image_stands_its_lowest_value_and_a_note(tmp_path: Path) -> None:
    array = np.full((10, 60, 60), 7.0)
    array[0, 0, 0] = -5
    region = Boxed.of(np.ones((1, 1, 1), bool), (5, 30, 30), array.shape)
    box, whole = box_around(Volume(array, Grid((60, 60, 10), (1, 1, 1), (0, 0, 0), (1, 0, 0, 0, 1, 0, 0, 0, 1))), region, SIZE)
    assert not whole and set(np.unique(box)) == {-5.0, 7.0}


def test_why_there_is_no_deep_feature(tmp_path: Path) -> None:
    scan(tmp_path)
    failing = model(tmp_path / "log.onnx", operator="Log")
    run = PlainRun(Choices(several="each", deep_model=str(failing)))
    result = extract_plain(tmp_path, tmp_path / "o.parquet", SETTINGS, run)  # the log of what is below 0 is no number
    assert result.regions.filter(status="refused").select("target", "reason").rows() == []
    run = PlainRun(Choices(several="each", deep_model=str(failing), deep_low=100, deep_high=200))
    result = extract_plain(tmp_path, tmp_path / "o.parquet", SETTINGS, run)
    assert result.regions.filter(status="refused").select("target", "reason").rows() == [("GTV (deep)", "model-unfit")]
    with pytest.raises(UserError, match="No model at"):
        extract_plain(tmp_path, tmp_path / "o.parquet", SETTINGS, PlainRun(Choices(deep_model=str(tmp_path / "gone.onnx"))))


@pytest.mark.parametrize(("size", "words"), [((1, 3, 5, 5, 5), "does not take one box"), ((1, 1, 5, 5), "does not take one box")])
def test_a_model_of_something_else_is_refused(tmp_path: Path, size: tuple[int, ...], words: str) -> None:
    with pytest.raises(UserError, match=words):
        read_model(model(tmp_path / "m.onnx", size, "Log"))
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(UserError, match="no ONNX model"):
        read_model(tmp_path / "text.onnx")


def test_an_open_size_is_50_voxels_and_a_plane_has_no_box(tmp_path: Path) -> None:
    assert read_model(model(tmp_path / "m.onnx", (1, 1, None, None, None), "Log")).size == (50, 50, 50)
    flat = Volume(np.zeros((1, 9, 9)), Grid((9, 9, 1), (1, 1, 1), (0, 0, 0), (1, 0, 0, 0, 1, 0, 0, 0, 1)), dimensions=2)
    with pytest.raises(Unusable, match="two dimensions"):
        box_around(flat, Boxed.of(np.ones((1, 9, 9), bool)), SIZE)
