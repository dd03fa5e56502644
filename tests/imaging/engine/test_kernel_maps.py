"""Maps of features per voxel against live PyRadiomics (`voxelBased=True`) on a small lesion."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from unibase.groundwork.problems import UserError
from unibase.imaging.boxed import Boxed
from unibase.imaging.engine.kernel_maps import COLUMNS, FeatureMaps, Kernel, check_maps, feature_maps
from unibase.imaging.grid import Array
from unibase.imaging.radiomics.settings import make_settings

SPACING = (2.5, 0.9, 1.1)
CLASSES = dict.fromkeys(("firstorder", "glcm", "gldm", "glrlm", "glszm", "ngtdm"))


class _Silent:
    """A reporter of progress: PyRadiomics' own one does not take the arguments that it is given."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def __enter__(self) -> _Silent:
        return self

    def __exit__(self, *_: object) -> None: ...

    def update(self, _: int) -> None: ...


@pytest.fixture(autouse=True)
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radiomics.base.getProgressReporter", _Silent)


def lesion(kind: str = "int16", block: bool = False) -> tuple[Array, Array]:
    """A lesion of 120 voxels with a thin tail, a lone voxel and a flat part, near the image's edge; or a block of 180."""
    random = np.random.default_rng(4)
    image = np.round(random.normal(60, 40, (8, 12, 12)) + 6 * np.indices((8, 12, 12))[2])
    image[2:4, 2:5, 2:5] = 80
    z, y, x = np.indices(image.shape)
    mask = (z - 3) ** 2 + (y - 4) ** 2 + (x - 4) ** 2 <= 9
    mask[3, 4, 7:11] = True
    mask[6, 10, 10] = True
    if block:
        mask[...] = False
        mask[1:6, 2:8, 3:9] = True
    return (image / 7 if kind == "float64" else image).astype(kind), mask


def reference(image: Array, mask: Array, content: dict[str, Any], kernel: Kernel) -> dict[str, tuple[Array, tuple[int, ...]]]:
    """Return PyRadiomics' maps, and where their first voxel lies in the image (z, y, x)."""
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    logging.getLogger("radiomics").setLevel(logging.CRITICAL + 1)
    voxel = {"kernelRadius": kernel.radius, "maskedKernel": kernel.masked, "initValue": float(kernel.outside)}
    extractor = RadiomicsFeatureExtractor({**content, "voxelSetting": voxel}, additionalInfo=False)
    pictures = []
    for array in (image, mask.astype(np.uint8)):
        pictures.append(sitk.GetImageFromArray(array))
        pictures[-1].SetSpacing(SPACING[::-1])
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        found = extractor.execute(*pictures, voxelBased=True)
    maps = {}
    for name, picture in found.items():
        if isinstance(picture, sitk.Image):
            first = [round(o / s) for o, s in zip(picture.GetOrigin(), picture.GetSpacing(), strict=True)]
            maps[name] = (sitk.GetArrayFromImage(picture), tuple(first[::-1]))
    return maps


def ours(image: Array, mask: Array, content: dict[str, Any], kernel: Kernel) -> list[FeatureMaps]:
    settings = make_settings(content)
    return list(feature_maps(image.astype(np.float64), Boxed.of(mask), SPACING, settings, kernel, str(image.dtype)))


CASES: list[tuple[str, dict[str, Any], Kernel, str]] = [
    ("as PyRadiomics does", {"binWidth": 25}, Kernel(), "int16"),
    ("bins of their own number", {"binCount": 6, "gldm_a": 1, "symmetricalGLCM": False}, Kernel(), "float64"),
    ("all of the image around it", {"binWidth": 40, "voxelArrayShift": 300}, Kernel(masked=False, outside=-1.0), "int16"),
    ("slice by slice", {"binWidth": 25, "force2D": True}, Kernel(), "int16"),
    ("wider", {"binWidth": 25}, Kernel(radius=2), "int16"),
]


@pytest.mark.parametrize(("setting", "kernel", "kind"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_maps_are_pyradiomics(setting: dict[str, Any], kernel: Kernel, kind: str) -> None:
    image, mask = lesion(kind)
    content: dict[str, Any] = {"setting": setting, "featureClass": CLASSES}
    want = reference(image, mask, content, kernel)
    (maps,) = ours(image, mask, content, kernel)
    assert {f"original_{column}" for column in maps.columns} == set(want) and len(maps.columns) == 93
    inside = mask[maps.box]
    for column, got in zip(maps.columns, maps.array, strict=True):
        array, first = want[f"original_{column}"]
        assert first == tuple(part.start for part in maps.box) and array.shape == got.shape
        assert (got[~inside] == kernel.outside).all()
        close = np.isclose(got[inside], array[inside], rtol=1e-9, atol=1e-9, equal_nan=True)
        if column == "glcm_MCC" and kernel.masked:
            # One kernel with a direction without pairs, and PyRadiomics has no map of it at all.
            assert (array[inside] == kernel.outside).all() and np.isfinite(got[inside]).sum() > 100
            continue
        if column == "glcm_MCC":
            close |= np.isclose(got[inside], array[inside], atol=1e-8)  # The root of its rounding error.
        if column == "glcm_JointAverage":
            # Of this feature alone PyRadiomics takes the mean with the directions that hold no pair, which is no number.
            close |= np.isnan(array[inside])
        assert close.all(), (column, got[inside][~close][:3], array[inside][~close][:3])


@pytest.mark.parametrize("setting", [{"binWidth": 25}, {"binWidth": 5}, {"binWidth": 25, "symmetricalGLCM": False}], ids=str)
def test_the_maximal_correlation_of_a_block(setting: dict[str, Any]) -> None:
    """Where every kernel has pairs in every direction; a second eigenvalue of 0 is a rounding error of 1e-17 in PyRadiomics."""
    image, mask = lesion("float64", block=True)
    content = {"setting": setting, "featureClass": {"glcm": ["MCC"]}}
    want, _ = reference(image, mask, content, Kernel())["original_glcm_MCC"]
    (maps,) = ours(image, mask, content, Kernel())
    assert maps.columns == ("glcm_MCC",) and np.allclose(maps.array[0], want, atol=1e-8)
    assert want[mask[maps.box]].std() > 0.05


def test_maps_of_filtered_images_are_pyradiomics() -> None:
    image, mask = lesion("int16", block=True)
    content = {"imageType": {"LoG": {"sigma": [1.0]}, "Wavelet": {}}, "featureClass": {"firstorder": ["Entropy", "Mean"]}}
    want = reference(image, mask, content, Kernel())
    found = {
        f"{maps.image_type}_{column}": array
        for maps in ours(image, mask, content, Kernel())
        for column, array in zip(maps.columns, maps.array, strict=True)
    }
    assert set(found) == set(want) and len(found) == 18
    assert all(np.allclose(found[name], want[name][0], atol=1e-4 if "log" in name else 1e-9) for name in want)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"setting": {"weightingNorm": "euclidean"}}, "setting.weightingNorm"),
        ({"setting": {"distances": [1, 2]}}, "setting.distances"),
        ({"featureClass": {"shape": None}}, "Shape has no maps"),
    ],
)
def test_what_maps_do_not_take_is_refused(content: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        check_maps(make_settings(content))


def test_the_columns_are_those_of_the_dictionary() -> None:
    from unibase.imaging.radiomics.feature_words import pyradiomics_columns

    assert sorted(COLUMNS) == sorted(name for name in pyradiomics_columns(deprecated=False) if not name.startswith("shape"))
