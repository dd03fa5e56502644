"""Numbers and texts from and to Arrow by way of Polars.

Arrow's own converters (`Array.to_numpy`, `pa.array`) first import pandas, which takes a third of a second of every process
that needs it for nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    import pyarrow as pa


def to_numpy(array: pa.Array) -> np.ndarray:
    """Return an `array` without nulls as numpy has it, shape (length,); numbers are not copied.

    >>> import pyarrow as pa
    >>> to_numpy(pa.array([1, 2])).tolist()
    [1, 2]
    """
    return pl.Series(array).to_numpy()


def to_arrow(values: pl.Series | Iterable[object], dtype: pa.DataType) -> pa.Array:
    """Return values as an Arrow array of a type.

    Args:
        values: The values.
        dtype: Arrow type.

    >>> import pyarrow as pa
    >>> to_arrow(["lyon", None], pa.large_string()).to_pylist()
    ['lyon', None]
    """
    return pl.Series(values).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(dtype)
