"""Which genes are expressed enough to be analysed.

Source: Chen, Lun and Smyth, F1000Research 2016, 5:1438. Oracle: edgeR 3.40.2 `filterByExpr`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unibase.methods.compiled.exact import AnyArray, FloatArray
from unibase.methods.factors import library_sizes


def expressed_enough(
    counts: AnyArray,
    *,
    group: Sequence[object] | None = None,
    design: FloatArray | None = None,
    library_size: FloatArray | None = None,
    min_count: float = 10,
    min_total_count: float = 15,
    large_n: int = 10,
    min_proportion: float = 0.7,
) -> NDArray[np.bool_]:
    """Return, per gene, whether enough samples reach the CPM that `min_count` reads make in a median library.

    Args:
        counts: Samples x genes.
        group: Group of each sample: as many samples as the smallest group has must reach it.
        design: Design matrix, samples x coefficients, in place of groups: the smallest group is one over the
            largest leverage (a constant counts as one of its columns). Without both, all samples are one group.
        library_size: Effective library sizes; row sums by default.
        min_count: Reads in a median library.
        min_total_count: Least total over all samples.
        large_n: Above this group size only a proportion of the further samples is asked for.
        min_proportion: That proportion.
    """
    sizes = library_sizes(counts) if library_size is None else np.asarray(library_size, dtype=np.float64)
    if group is not None:
        smallest = float(min(np.unique(np.asarray(group, dtype=str), return_counts=True)[1]))
    elif design is not None:
        smallest = 1.0 / float(_leverages(np.asarray(design, dtype=np.float64)).max())
    else:
        smallest = float(counts.shape[0])
    if smallest > large_n:
        smallest = large_n + (smallest - large_n) * min_proportion
    cutoff = min_count / float(np.median(sizes)) * 1e6
    # The sample of median size with exactly `min_count` reads stands on the limit: edgeR's order of operations decides.
    reached = (np.asarray(counts, dtype=np.float64) * (1e6 / sizes[:, None]) >= cutoff).sum(axis=0)
    return np.asarray((reached >= smallest - 1e-14) & (counts.sum(axis=0, dtype=np.float64) >= min_total_count - 1e-14))


def _leverages(design: FloatArray) -> FloatArray:
    """Leverage of each sample: diagonal of the projection on the columns of `design` and a constant, which may depend on each other."""
    columns = np.column_stack([np.ones(len(design)), design])
    left, singular, _ = np.linalg.svd(columns, full_matrices=False)
    basis = left[:, singular > 1e-7 * singular[0]]
    return np.asarray((basis**2).sum(axis=1))
