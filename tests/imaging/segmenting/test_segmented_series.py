"""What a model may leave on a volume, and what becomes of it; its models are two-line programs of any machine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from unibase.groundwork.problems import Unusable
from unibase.imaging.radiomics.settings import make_settings
from unibase.imaging.radiomics.task import FeatureTask
from unibase.imaging.regions.machine_made import Made, made_of
from unibase.imaging.segmenting.model_run import Command, _environment, image_of, run_model
from unibase.imaging.segmenting.segmented_series import Segmented, SegmentTask, segment_series

SHAPE = (6, 8, 10)
MADE = Made("net", "1.0", "ab" * 32, {1: "tumour", 2: "node"})


def image(array: np.ndarray, origin: tuple[float, float, float] = (1.0, 2.0, 3.0)) -> sitk.Image:
    made = sitk.GetImageFromArray(array)
    made.SetSpacing((0.5, 0.75, 2.0))
    made.SetOrigin(origin)
    return made


def labels(*values: float) -> np.ndarray:
    array = np.zeros(SHAPE, dtype=np.uint8 if all(value == int(value) for value in values) else np.float32)
    for place, value in enumerate(values):
        array[1 + 2 * place : 3 + 2 * place, 2:4, 3:7] = value
    return array


GOOD = labels(1)
COPY = ("cp", "{made}", "{mask}")
# What the model leaves as mask (None: nothing), its command, and what is found or why it is refused.
MODELS: dict[str, tuple[sitk.Image | None, tuple[str, ...], str]] = {
    "one label": (image(GOOD), COPY, "tumour"),
    "two labels": (image(labels(1, 2)), COPY, "tumour, node"),
    "whole numbers as floats": (image(GOOD.astype(np.float64)), COPY, "tumour"),
    "axes in another order": (sitk.DICOMOrient(image(GOOD), "RAS"), COPY, "tumour"),
    "nothing marked": (image(labels()), COPY, ""),
    "another name": (image(GOOD), ("cp", "{made}", "{mask_folder}/case_0000_trans.nii.gz"), "tumour"),
    "told on its output": (image(GOOD), ("sh", "-c", "echo from {image}; cp {made} {mask}"), "tumour"),
    "an unknown label": (image(labels(1, 3)), COPY, "model-labels"),
    "probabilities": (image(labels(0.5)), COPY, "unreadable-mask"),
    "another place": (image(GOOD, (1.2, 2.0, 3.0)), COPY, "mask-geometry"),
    "ends with an error": (None, ("sh", "-c", "exit 3", "{image}", "{mask}"), "model-failed"),
    "leaves nothing": (None, ("true", "{image}", "{mask}"), "model-failed"),
    "leaves two": (
        image(GOOD),
        ("sh", "-c", "cp {made} {mask_folder}/a.nii.gz; cp {made} {mask_folder}/b.nii.gz"),
        "model-failed",
    ),
    "leaves what is no image": (None, ("cp", "/etc/hostname", "{mask}"), "truncated-file"),
    "takes for ever": (None, ("sh", "-c", "sleep 1000 & wait", "{image}", "{mask}"), "model-too-slow"),
}


def task_of(folder: Path, command: tuple[str, ...], mask: sitk.Image | None) -> SegmentTask:
    array = np.random.default_rng(1).integers(-100, 400, SHAPE).astype(np.int16)
    sitk.WriteImage(image(array), str(folder / "image.nrrd"))
    if mask is not None:
        sitk.WriteImage(mask, str(folder / "made.nii.gz"))
    words = tuple(word.replace("{made}", str(folder / "made.nii.gz")) for word in command)
    series = FeatureTask(folder / "image.nrrd", (), make_settings({}), None, folder / "x.parquet")
    row: dict[str, object] = {"subject_id": 1, "centre": "CHU-été", "SeriesInstanceUID": "2.25.1"}
    return SegmentTask(series, row, MADE, folder / "out/net", Command(words, 0.2 if "sleep" in str(command) else 60))


@pytest.mark.parametrize("kind", MODELS)
def test_what_a_model_leaves_is_used_or_refused_by_name(tmp_path: Path, kind: str) -> None:
    mask, command, said = MODELS[kind]
    task = task_of(tmp_path, command, mask)
    if "-" in said:
        with pytest.raises(Unusable) as refused:
            segment_series(task)
        assert refused.value.reason == said
        assert (task.folder / "logs/2.25.1.txt").exists() and not task.place.exists()
        return
    (row,) = segment_series(task).masks
    assert (row["found"], row["weights"], row["version"]) == (said, "ab" * 32, "1.0")
    stored = sitk.ReadImage(str(tmp_path / "out" / str(row["path"])))
    assert np.array_equal(sitk.GetArrayFromImage(stored), labels(1, 2) if "," in said else labels(1) if said else labels())
    assert stored.GetOrigin() == (1.0, 2.0, 3.0)
    made = made_of(tmp_path / "out" / str(row["path"]))
    assert made is not None and made.model == "net 1.0 (weights abababababab)"


def test_values_without_a_name_are_passed_over_where_the_study_says_so(tmp_path: Path) -> None:
    task = task_of(tmp_path, COPY, image(labels(1, 3)))
    (row,) = segment_series(SegmentTask(**{**vars(task), "ignore_others": True})).masks
    assert row["found"] == "tumour"


def test_what_the_machine_killed_is_no_fault_of_the_image(tmp_path: Path) -> None:
    with pytest.raises(MemoryError):
        segment_series(task_of(tmp_path, ("sh", "-c", "kill -9 $$", "{image}", "{mask}"), None))


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for the process in /proc")
def test_what_a_model_leaves_running_ends_with_it(tmp_path: Path) -> None:
    sitk.WriteImage(image(GOOD), str(image_of(tmp_path)))
    run_model(Command(("sh", "-c", "sleep 1000 & echo $! > pid; cp {image} {mask}"), 60), tmp_path)
    state = Path("/proc", (tmp_path / "pid").read_text().strip(), "stat")
    until = time.monotonic() + 20
    while state.exists() and state.read_text().split()[2] != "Z":
        assert time.monotonic() < until, "it still runs"


# Files of the folder of masks made elsewhere, below the folder, and whether one is the mask.
ELSEWHERE: dict[str, tuple[list[str], bool]] = {
    "one": (["2.25.1.nii.gz"], True),
    "two": (["2.25.1/a.nii.gz", "2.25.1/b.nii.gz"], False),
    "none": ([], False),
}


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_a_mask_made_elsewhere_is_taken_where_it_is_one(tmp_path: Path, kind: str) -> None:
    names, taken = ELSEWHERE[kind]
    task = task_of(tmp_path, COPY, image(GOOD))
    files = tuple(tmp_path / "made.nii.gz" for _ in names)
    task = SegmentTask(**{**vars(task), "command": None, "files": files})
    run: Callable[[], Segmented] = lambda: segment_series(task)  # noqa: E731
    if taken:
        assert len(run().masks) == 1
    else:
        with pytest.raises(Unusable, match="files of the folder are the mask"):
            run()


def test_a_model_gets_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"PATH": "/bin", "UNIBASE_KEY": "secret", "CUDA_VISIBLE_DEVICES": "0", "LICENCE": "x"})
    assert dict(_environment(())) == {"PATH": "/bin", "CUDA_VISIBLE_DEVICES": "0"}
    assert "LICENCE" in dict(_environment(("LICENCE",)))
