"""Compiled filters and order statistics against the libraries whose values they must equal to the last bit."""

from __future__ import annotations

import numpy as np
import pytest

from unibase.imaging.engine import intensity
from unibase.imaging.engine.compiled import recursive_gaussian, stationary_wavelet


@pytest.mark.parametrize("kind", ["int16", "float32", "float64"])
@pytest.mark.parametrize("sigma", [0.7, 1.0, 3.0])
def test_laplacian_equals_itk(kind: str, sigma: float) -> None:
    import SimpleITK as sitk

    spacing = np.array([1.5, 0.977, 0.7])
    rng = np.random.default_rng(4)
    for shape in ((4, 5, 6), (9, 70, 31), (30, 41, 140)):
        if not (np.array(shape) >= np.ceil(sigma / spacing) + 1).all():
            continue
        array = (rng.normal(0, 100, shape) + 50).astype(kind)
        image = sitk.GetImageFromArray(array)
        image.SetSpacing([float(s) for s in spacing[::-1]])
        oracle = sitk.LaplacianRecursiveGaussianImageFilter()
        oracle.SetSigma(sigma)
        oracle.SetNormalizeAcrossScale(True)
        expected = sitk.GetArrayFromImage(oracle.Execute(image))
        # The whole image, and a part of it: what lies beyond the support changes nothing that 32 bits show.
        for box in (tuple(slice(0, n) for n in shape), tuple(slice(n // 3, n // 3 + max(1, n // 5)) for n in shape)):
            given = recursive_gaussian.laplacian(array, box, spacing, sigma)
            assert given.dtype == expected.dtype
            assert np.array_equal(given, expected[box])


@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("wavelet", ["haar", "coif1", "db3", "bior2.2"])
def test_bands_equal_pywavelets(kind: str, wavelet: str) -> None:
    import pywt

    filters = stationary_wavelet.decomposition_filters(wavelet, np.dtype(kind))
    rng = np.random.default_rng(5)
    for shape in ((2, 4, 6), (12, 30, 16)):
        for array in (rng.normal(0, 100, shape).astype(kind), np.full(shape, 40.1, kind)):
            for axis in range(3):
                expected = pywt.swt(array, wavelet, level=1, start_level=0, axis=axis)[0]
                for start, stop in ((0, shape[axis]), (1, shape[axis] - 1), (shape[axis] // 2, shape[axis])):
                    given = stationary_wavelet.split(array, filters, axis, start, stop)
                    for band, oracle in zip(given, expected, strict=True):
                        assert band.dtype == oracle.dtype
                        assert np.array_equal(band, oracle.take(range(start, stop), axis))


@pytest.mark.parametrize("n", [1, 2, 11, 8193, 100_000])
def test_quantiles_equal_numpy(n: int) -> None:
    rng = np.random.default_rng(n)
    fractions = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
    for values in (
        rng.normal(0, 50, n),
        rng.integers(-20, 20, n).astype(float),
        rng.standard_cauchy(n) ** 3,
        np.full(n, 0.1),
        np.where(np.arange(n) % 2, 5e-324, 0.0),
    ):
        assert np.array_equal(intensity.quantiles(values, fractions), np.percentile(values, np.array(fractions) * 100))
