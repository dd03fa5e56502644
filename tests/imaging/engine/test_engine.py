"""What holds for the engine as a whole: compiled once, the same each time, refusals by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.imaging.engine.oracle import Settings
from unibase.groundwork.problems import Unusable
from unibase.imaging.engine import extract, extract_regions, precompile
from unibase.imaging.engine.compiled import recursive_gaussian
from unibase.imaging.engine.compiled.machine_code import _KNOWN
from unibase.imaging.engine.options import IbsiOptions


def _scene() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(11)
    image = rng.normal(0, 60, (14, 15, 16)).round()
    mask = np.zeros(image.shape, dtype=bool)
    mask[3:11, 2:13, 3:14] = rng.random((8, 11, 11)) < 0.9
    return image, mask


def test_precompiling_covers_every_call() -> None:
    precompile()
    before = [len(loop.signatures) for loop in _KNOWN]
    image, mask = _scene()
    types = {"Original": {}, "Wavelet": {}, "LoG": {"sigma": [1.0]}, "Gradient": {}, "Square": {}}
    for setting in (
        {},
        {"force2D": True, "force2Ddimension": 2},
        {"distances": [1, 2]},
        {"binCount": 9},
        {"resampledPixelSpacing": [2, 2, 2]},
    ):
        for stored in ("int16", "float64"):
            extract(image, mask, (1.0, 1.0, 1.0), Settings(types, setting), "pyradiomics", stored)
    for chosen in (
        IbsiOptions(by_slice=True, bins=6),
        IbsiOptions(spacing=(2, 2, 2), discretisation="fbs", filters={"log": {"filter": "log"}}),
        IbsiOptions(resegment_sigma=2, interpolation="cubic", spacing=(1.5, 1, 1)),
    ):
        extract(image, mask, (1.0, 1.0, 1.0), Settings(ibsi=chosen), "ibsi")
    grown = {loop.py_func.__name__: loop.signatures for loop, n in zip(_KNOWN, before, strict=True) if len(loop.signatures) != n}
    assert not grown


def test_importing_the_engine_imports_nothing_heavy() -> None:
    code = "import sys, imaging.engine; print([m for m in ('numba', 'scipy', 'SimpleITK', 'pywt', 'radiomics', 'numpy') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).resolve().parents[3]
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("mode", ["pyradiomics", "ibsi"])
def test_the_same_region_gives_the_same_bits(mode: str) -> None:
    image, mask = _scene()
    chosen = Settings({"Original": {}, "Wavelet": {}}, ibsi={"bins": 8, "filters": {"laws": {"filter": "laws"}}})
    first = extract(image, mask, (1.0, 1.0, 2.0), chosen, mode)  # type: ignore[arg-type]
    second = extract(image.copy(order="F"), mask.copy(order="F"), (1.0, 1.0, 2.0), chosen, mode)  # type: ignore[arg-type]
    assert str(first) == str(second)


def test_pyradiomics_mode_padding_changes_nothing_with_filters() -> None:
    image, mask = _scene()
    types = {"Original": {}, "LoG": {"sigma": [1.0]}, "Wavelet": {}}
    wide = np.pad(image, 24, mode="reflect")
    inner = np.pad(mask, 24)
    a = extract(wide, inner, (1.0, 1.0, 1.0), Settings(types), "pyradiomics")
    b = extract(np.pad(wide, 100), np.pad(inner, 100), (1.0, 1.0, 1.0), Settings(types), "pyradiomics")
    for image_type, features in a.items():
        for name, value in features.items():
            assert b[image_type][name] == pytest.approx(value, rel=1e-9, abs=1e-9), (image_type, name)


@pytest.mark.parametrize("setting", [{}, {"resampledPixelSpacing": [1.5, 1.5, 1.5]}, {"normalize": True, "binWidth": 0.2}])
def test_several_regions_equal_one_after_the_other(setting: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    image = rng.normal(0, 60, (40, 44, 300)).round()
    masks = [np.zeros(image.shape, dtype=bool) for _ in range(5)]
    masks[0][10:20, 10:20, 10:22] = True
    masks[1][8:22, 8:22, 8:24] = ~masks[0][8:22, 8:22, 8:24]
    masks[2][5, 5, 5] = True
    masks[4][30:36, 30:36, 280:286] = True
    runs: list[float] = []
    laplacian = recursive_gaussian.laplacian
    monkeypatch.setattr(recursive_gaussian, "laplacian", lambda *given: (runs.append(given[3]), laplacian(*given))[1])
    chosen = Settings({"Original": {}, "LoG": {"sigma": [1.0]}, "Wavelet": {}}, setting)
    together = extract_regions(image, masks, (1.0, 1.0, 1.0), chosen, "pyradiomics", "int16")
    # The region and its shell share their filtered images; the one far off, or any on a grid of its own, does not.
    assert len(runs) == (3 if "resampledPixelSpacing" in setting else 2)
    for mask, given in zip(masks, together, strict=True):
        try:
            alone = extract(image, mask, (1.0, 1.0, 1.0), chosen, "pyradiomics", "int16")
        except Unusable as problem:
            assert isinstance(given, Unusable)
            assert given.reason == problem.reason
        else:
            assert given == alone
    assert [isinstance(given, Unusable) for given in together] == [False, False, True, True, False]


@pytest.mark.parametrize("spacing", [None, [1.5, 1.5, 1.5]])
def test_regions_together_in_ibsi_mode_are_the_same_bytes_and_share_filters(
    spacing: list[float] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from unibase.imaging.engine import filters

    image = np.random.default_rng(2).normal(0, 60, (24, 26, 90)).round()
    masks = [np.zeros(image.shape, dtype=bool) for _ in range(4)]
    masks[0][8:14, 8:14, 8:16] = True
    masks[1][6:16, 6:16, 6:18] = ~masks[0][6:16, 6:16, 6:18]
    masks[3][15:20, 12:18, 78:86] = True
    chosen = SimpleNamespace(
        setting={},
        image_types={},
        feature_classes={},
        ibsi={
            "bins": 8,
            "spacing": spacing,
            "round_intensities": True,
            "filters": {
                "log": {"filter": "log", "sigma": 1.0},
                "LLH": {"filter": "wavelet", "band": "LLH"},
                "gabor": {"filter": "gabor", "sigma": 1.0},
                "laws": {"filter": "laws", "kernel": "L3E3S3", "energy_distance": 1, "boundary": "zero"},
            },
        },
    )
    runs: list[str] = []
    apply = filters.apply
    monkeypatch.setattr(filters, "apply", lambda *given: (runs.append(given[4]["filter"]), apply(*given))[1])
    together = extract_regions(image, masks, (1.0, 1.0, 1.0), chosen, "ibsi")
    assert [runs.count(kind) for kind in ("log", "wavelet", "laws", "gabor")] == ([3] * 4 if spacing else [2, 2, 2, 3])
    assert isinstance(together[2], Unusable)
    for number in (0, 1, 3):
        # As text, for a NaN to equal itself.
        assert repr(together[number]) == repr(extract(image, masks[number], (1.0, 1.0, 1.0), chosen, "ibsi"))


def test_refusals_have_names() -> None:
    image, mask = _scene()
    one = np.zeros_like(mask)
    one[5, 5, 5] = True
    for region, setting, reason in (
        (np.zeros_like(mask), {}, "empty-region"),
        (one, {}, "region-too-small"),
        (mask, {"minimumROISize": 10_000}, "region-too-small"),
        (mask, {"resegmentRange": [1000, 2000]}, "empty-after-resegmentation"),
        (mask, {"binWidth": 0.001}, "too-many-grey-levels"),
    ):
        with pytest.raises(Unusable, match=reason):
            extract(image + 0.001 * np.arange(16), region, (1.0, 1.0, 1.0), Settings(setting=setting), "pyradiomics")
    narrow = np.where(np.arange(16) % 2 == 0, 1.0, np.nextafter(1.0, 2.0)) * np.ones_like(image)
    with pytest.raises(Unusable, match="range-too-narrow-for-bins"):
        extract(narrow, mask, (1.0, 1.0, 1.0), Settings(setting={"binCount": 7}), "pyradiomics")
    spoiled = np.where(mask, np.nan, image)
    with pytest.raises(Unusable, match="not-finite-in-region"):
        extract(spoiled, mask, (1.0, 1.0, 1.0), Settings(), "pyradiomics")
    with pytest.raises(ValueError, match="one shape"):
        extract(image, mask[1:], (1.0, 1.0, 1.0), Settings(), "pyradiomics")
    with pytest.raises(ValueError, match="unknown ibsi options binz"):
        extract(image, mask, (1.0, 1.0, 1.0), Settings(ibsi={"binz": 3}), "ibsi")
