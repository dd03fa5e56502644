"""Compiled filters and order statistics against the libraries whose values they must equal to the last bit."""

from __future__ import annotations

import numpy as np
import pytest

from unibase.imaging.engine import intensity, maximal_correlation
from unibase.imaging.engine.compiled import recursive_gaussian, stationary_wavelet
from unibase.imaging.engine.compiled.line_convolution import convolve_lines


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


@pytest.mark.parametrize("taps", [1, 2, 3, 4, 5, 6, 9, 25, 32])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_convolution_equals_scipy(taps: int, axis: int) -> None:
    from scipy.ndimage import convolve1d

    rng = np.random.default_rng(10 * taps + axis)
    kernel = rng.normal(size=taps)
    for shape in ((40, 41, 33), (1, 7, 600), (600, 1, 3), (35, 530, 2)):
        array = rng.normal(0, 100, shape)
        for lost in sorted({0, min(3, shape[axis] // 3), min(taps // 2, (shape[axis] - 1) // 2)}):
            expected = convolve1d(array, kernel, axis=axis, mode="constant").take(range(lost, shape[axis] - lost), axis)
            for given in (array, np.asfortranarray(array)):
                found = convolve_lines(given, kernel, axis, lost)
                np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13 * 100 * np.abs(kernel).sum())


def test_a_response_does_not_depend_on_what_lies_beyond_reach() -> None:
    rng = np.random.default_rng(8)
    array, kernel = rng.normal(size=(20, 21, 22)), rng.normal(size=7)
    part = array[4:15, 5:17, 3:18]
    for axis, place in enumerate((4, 5, 3)):
        whole = convolve_lines(array, kernel, axis, 0)[4:15, 5:17, 3:18]
        inner = convolve_lines(part, kernel, axis, 3)
        assert np.array_equal(inner, whole.take(range(3, whole.shape[axis] - 3), axis)), place


def _pairs(kind: str, n: int, rng: np.random.Generator) -> np.ndarray:
    """Matrices of pairs (n, n, 13): of textures as they are, and of some whose second eigenvalue is hard to tell."""
    level = np.arange(n)
    near = np.exp(-np.abs(level[:, None] - level) / 4) * np.exp(-(((level - n / 2) / (n / 4)) ** 2))[:, None]
    counts = rng.poisson({"sparse": 0.05, "dense": 500}.get(kind, 5) * near, (13, n, n)).astype(float)
    counts = counts + counts.transpose(0, 2, 1)
    if kind == "two islands":
        counts[:, :5, 5:] = counts[:, 5:, :5] = 0
    if kind == "alone":
        counts[3] = np.eye(n)
    if kind == "an empty level":
        counts[:, 7] = counts[:, :, 7] = 0
    if kind == "not symmetric":
        counts = np.triu(counts)
    counts[:, 0, 0] += 1
    return np.ascontiguousarray((counts / counts.sum((1, 2), keepdims=True)).transpose(1, 2, 0))


@pytest.mark.parametrize("n", [2, 3, 24, 25, 40, 90])
@pytest.mark.parametrize("kind", ["sparse", "dense", "textured", "two islands", "alone", "an empty level", "not symmetric"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_maximal_correlation_equals_the_general_method(kind: str, n: int) -> None:
    p = _pairs(kind, max(n, 8) if kind != "alone" else n, np.random.default_rng(n))
    px, py = p.sum(1), p.sum(0)
    for direction in range(p.shape[2]):
        # PyRadiomics' definition, one direction at a time and by the general method.
        one, rows, columns = p[:, :, direction], px[:, direction], py[:, direction]
        q = (one / (rows[:, None] * columns[None, :] + np.spacing(1))) @ one.T
        eigenvalues = np.sort(np.linalg.eigvals(q))
        found = maximal_correlation.maximal_correlation(p[:, :, [direction]], px[:, [direction]], py[:, [direction]])
        if eigenvalues[-2].real > 1e-12:
            assert abs(found[0] - np.sqrt(eigenvalues[-2].real)) < 1e-10


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
