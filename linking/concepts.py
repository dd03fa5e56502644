"""Concepts as plain data here: a name and the code prefixes that mean it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from groundwork.problems import UserError

ConceptCodes = Mapping[str, Sequence[str]]
"""`{concept: [code prefix, ...]}`; a prefix that ends in `$` means that code alone."""


def is_concept(concepts: ConceptCodes, name: str, where: str) -> pl.Expr:
    """Return the condition that a row's `code` means the concept `name`.

    Raises:
        UserError: If the concept is unknown; the text names it, the place that asked and what is known.
    """
    if name not in concepts:
        raise UserError(f"{where}: there is no concept {name!r}. Known: {', '.join(sorted(concepts))}.")
    conditions = [matches(prefix) for prefix in concepts[name]]
    return pl.any_horizontal(conditions) if conditions else pl.lit(False)


def matches(prefix: str) -> pl.Expr:
    """Return the condition that `code` begins with `prefix`, or is it when the prefix ends in `$`."""
    if prefix.endswith("$"):
        return pl.col("code") == prefix[:-1]
    return pl.col("code").cast(pl.String).str.starts_with(prefix.removesuffix("*"))


def codes_of(concepts: ConceptCodes, name: str, codes: Sequence[str], where: str) -> list[str]:
    """Return those of `codes` that mean the concept, in their order."""
    frame = pl.DataFrame({"code": list(codes)}, schema={"code": pl.String})
    return frame.filter(is_concept(concepts, name, where))["code"].to_list()
