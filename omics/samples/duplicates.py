"""One sample under two persons' names: every pair of a cohort that may be larger than memory, compared.

Two samples are too alike to be two persons' when both correlations over the most variable features are high: that of the
values, and that of what is left of them when each feature's mean over the cohort is taken away. The first is high for
every pair of one tissue; the second is high for every pair of one group where a cohort is made of two. Equal columns
never come here: the gates refuse them.

The work grows with the square of the number of samples, memory does not: values are read chunk by chunk, what is
compared goes through a scratch file, and pairs are looked at block by block. Sums over samples are kept in whole
numbers and a pair's correlation comes from its two rows alone, so the same samples give the same bytes in any order and
any chunk size.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from unibase.groundwork.problems import Unusable
from unibase.methods.compiled.exact import FloatArray
from unibase.omics.compiled.log_counts import FIXED_POINT, log1p_rows
from unibase.omics.reasons import ALL_ALIKE
from unibase.omics.stores.chunks import chunks_of, names_of, open_x
from unibase.omics.tables import SAMPLE_FINDINGS

if TYPE_CHECKING:
    pass

CORRELATION = 0.985
"""Of the values. Different persons of TCGA's lung adenocarcinomas reach 0.955; one library at a fiftieth of its reads 0.997."""
CENTRED_CORRELATION = 0.93
"""Of what is left without each feature's mean: different persons at most 0.85, or 0.89 of methylation; that library 0.989."""
SCALE = 1e5
"""Counts are compared as log(CPM + 10), up to a constant: what a few reads tell of a gene is noise."""
VARIABLE_FEATURES = 1000
MIN_FEATURES = 200
"""Few features are alike by chance: over the 33 proteins of TCGA's adrenal carcinomas two persons reach 0.93."""
MIN_SAMPLES = 3
"""With two samples nothing is left of them but their difference."""
MAX_MISSING = 0.2
"""A feature missing in more of the samples is not compared; other gaps count as the feature's mean, so that a sample with a tenth of
gaps is no longer recognised."""
MOST_PAIRS = 100_000
BLOCK = 2048
"""Samples in a block: two blocks and their products take 35 MB."""
_MARGIN = 1e-3
"""Above the error of a product in single precision: what it finds is a superset, decided in double precision."""
_DECIMALS = 6
_CELLS = 1_000_000
"""Values looked at together while a store is read: 8 MB in double precision."""


@dataclass(frozen=True)
class Alike:
    """What a search found: `SAMPLE_FINDINGS`, over how many samples and features, and why nothing was compared, if so."""

    findings: pl.DataFrame
    samples: int
    features: int
    note: str = ""


def find_duplicates(
    stores: Sequence[Path], subjects: Mapping[str, int], scratch: Path, *, counts: bool, block: int = BLOCK
) -> Alike:
    """Find pairs of samples of two persons that are too alike to be two samples.

    Args:
        stores: AnnData stores, whole samples in a chunk; features that one of them lacks are not compared.
        subjects: Person of each sample; samples without one are left aside.
        scratch: Folder of the scratch file (4 bytes a sample and compared feature), which goes at the end.
        counts: Whether X holds counts, which are compared as log(CPM + 10), or values to compare as they are.
        block: Samples looked at together.

    Returns:
        A finding `duplicate-suspected` for each pair; `value` is the smaller of the two correlations.

    Raises:
        Unusable: `all-alike` when more than 100,000 pairs are.
    """
    names, shared = _common(stores)
    known = [name for name in names if name in subjects]
    if len(known) < MIN_SAMPLES or len(shared) < MIN_FEATURES:
        return _nothing(len(known), len(shared))
    source = _Source(stores, shared, frozenset(known), counts)
    chosen, means = _most_variable(source)
    if len(chosen) < MIN_FEATURES:
        return _nothing(len(known), len(chosen))
    with tempfile.TemporaryFile(dir=scratch) as file:
        order: list[str] = []
        levels: list[FloatArray] = []
        for rows, values in source:
            left = values[:, chosen].astype(np.float64) - means
            z, level, length = _standardised(np.where(np.isnan(left), 0.0, left))
            z.astype(np.float32).tofile(file)
            levels.append(np.hstack([level, length]))
            order += rows
        compared = _Rows(file, len(chosen), np.concatenate(levels), means)
        persons = np.array([subjects[name] for name in order], dtype=np.int64)
        pairs = _candidates(compared, persons, block)
        return Alike(_decided(pairs, compared, order), len(order), len(chosen))


def _nothing(samples: int, features: int) -> Alike:
    few, needed = f"{features} features that all have and that differ", MIN_FEATURES
    if samples < MIN_SAMPLES:
        few, needed = f"{samples} samples", MIN_SAMPLES
    said = f"not compared: {few}, and {needed} are needed"
    return Alike(pl.DataFrame(schema=SAMPLE_FINDINGS.schema()), samples, features, said)


def _common(stores: Sequence[Path]) -> tuple[list[str], list[str]]:
    """Return the samples of all stores, and the features that each has, sorted."""
    names: list[str] = []
    shared: set[str] | None = None
    for store in stores:
        samples, features = names_of(store)
        names += samples
        shared = set(features) if shared is None else shared & set(features)
    return names, sorted(shared or ())


@dataclass(frozen=True)
class _Source:
    """Chunks of `(names, float32 values of the shared features)` of the samples that are known, store by store."""

    stores: Sequence[Path]
    features: Sequence[str]
    known: frozenset[str]
    counts: bool

    def __iter__(self) -> Iterator[tuple[list[str], NDArray[np.float32]]]:
        for store in self.stores:
            names, features = names_of(store)
            place = {name: i for i, name in enumerate(features)}
            columns = np.array([place[name] for name in self.features], dtype=np.int64)
            x = open_x(store)
            for chunk in chunks_of([store]):
                values = np.asarray(x[chunk.start : chunk.stop])
                step = max(1, _CELLS // max(1, len(features)))
                for start in range(0, len(values), step):
                    own = names[chunk.start + start : min(chunk.start + start + step, chunk.stop)]
                    rows = [i for i, name in enumerate(own) if name in self.known]
                    if rows:
                        yield [own[i] for i in rows], self._logs(values[start : start + step])[rows][:, columns]

    def _logs(self, values: np.ndarray) -> NDArray[np.float32]:
        if self.counts:
            return np.asarray(log1p_rows(np.ascontiguousarray(values), SCALE)[0])
        return values.astype(np.float32)


def _most_variable(source: _Source) -> tuple[NDArray[np.int64], FloatArray]:
    """Return the places of the most variable features, in their order, and their means."""
    width = len(source.features)
    counted, sums, squares = (np.zeros(width, dtype=np.int64) for _ in range(3))
    samples = 0
    for rows, values in source:
        present = np.isfinite(values)
        filled = np.where(present, values, 0).astype(np.float64)
        counted += present.sum(axis=0)
        sums += np.rint(filled * FIXED_POINT).astype(np.int64).sum(axis=0)
        squares += np.rint(filled * filled * FIXED_POINT).astype(np.int64).sum(axis=0)
        samples += len(rows)
    means = sums / FIXED_POINT / np.maximum(counted, 1)
    variance = squares / FIXED_POINT / np.maximum(counted, 1) - means**2
    variance[(counted < (1 - MAX_MISSING) * samples) | (variance < 1e-9)] = -1.0
    first = np.argsort(-variance, kind="stable")[:VARIABLE_FEATURES]
    chosen = np.sort(first[variance[first] > 0])
    return chosen, means[chosen]


@dataclass(frozen=True)
class _Rows:
    """The scratch file: of each sample what is left of its values without the features' means, as a row of float32 of mean 0
    and length 1, so that products of rows are correlations. `levels` has the mean and length that each row had."""

    file: IO[bytes]
    width: int
    levels: FloatArray
    means: FloatArray

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        self.file.seek(start * self.width * 4)
        return np.fromfile(self.file, np.float32, (stop - start) * self.width).reshape(-1, self.width)

    def values(self, at: int) -> FloatArray:
        """Return the values of one sample, with the features' means."""
        level, length = self.levels[at]
        return np.asarray(self.read(at, at + 1)[0].astype(np.float64) * length + level + self.means)


def _standardised(rows: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return rows of mean 0 and length 1, and the means and lengths that they had, as columns."""
    level = rows.mean(axis=1, keepdims=True)
    centred = rows - level
    length = np.sqrt((centred**2).sum(axis=1, keepdims=True))
    return np.divide(centred, length, out=np.zeros_like(centred), where=length > 0), level, length


def _candidates(rows: _Rows, persons: NDArray[np.int64], block: int) -> NDArray[np.int64]:
    """Return pairs of places of two persons whose centred correlation is high in single precision."""
    found: list[NDArray[np.int64]] = []
    count = 0
    starts = range(0, len(persons), block)
    for start in starts:
        one = rows.read(start, min(start + block, len(persons)))
        for other_start in (s for s in starts if s >= start):
            other = one if other_start == start else rows.read(other_start, min(other_start + block, len(persons)))
            hits = np.argwhere(one @ other.T >= CENTRED_CORRELATION - _MARGIN)
            pairs = hits + np.array([start, other_start])
            pairs = pairs[(pairs[:, 0] < pairs[:, 1]) & (persons[pairs[:, 0]] != persons[pairs[:, 1]])]
            count += len(pairs)
            if count > MOST_PAIRS:
                raise Unusable(
                    ALL_ALIKE,
                    f"More than {MOST_PAIRS:,} pairs of samples of two persons are alike: the comparison tells nothing.",
                )
            found.append(pairs)
    return np.concatenate(found)


def _decided(pairs: NDArray[np.int64], rows: _Rows, names: Sequence[str]) -> pl.DataFrame:
    """Compare each pair in double precision, from its two rows alone."""
    out = []
    for i, j in pairs:
        left = [rows.read(at, at + 1)[0].astype(np.float64) for at in (i, j)]
        whole = _standardised(np.vstack([rows.values(int(i)), rows.values(int(j))]))[0]
        centred, plain = (round(float((one * other).sum()), _DECIMALS) for one, other in (left, whole))
        if centred >= CENTRED_CORRELATION and plain >= CORRELATION:
            a, b = sorted((names[i], names[j]))
            out.append(("duplicate", a, b, "two persons", "one sample", "duplicate-suspected", min(centred, plain)))
    return pl.DataFrame(sorted(out), schema=SAMPLE_FINDINGS.schema(), orient="row")
