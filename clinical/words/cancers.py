"""Which codes say a cancer: the concept `cancer_diagnosis` of the package, for what must be decided while a source is read."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import polars as pl

from unibase.clinical.words.concepts import Concepts


@cache
def _test() -> pl.Expr:
    # The packaged concepts are copied for whoever asks for them, which costs more than the question.
    return Concepts.default().matches("cancer_diagnosis")


@cache
def _says_cancer(code: str) -> bool:
    return bool(pl.DataFrame({"code": [code]}).select(_test()).item())


def is_cancer(codes: Iterable[str]) -> bool:
    """Tell whether one of the codes of a diagnosis says a cancer.

    Example:
        >>> is_cancer(["ICD10//I10"]), is_cancer(["ICD10//C34.1"])
        (False, True)
    """
    return any(_says_cancer(code) for code in codes)
