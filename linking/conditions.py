"""Concepts, as this room knows them: a name, and the condition on a row that says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import polars as pl

from unibase.groundwork.problems import UserError


class ConceptRules(Protocol):
    """Concepts that say themselves which events mean them."""

    def names(self) -> list[str]:
        """Return the names of all concepts."""

    def matches(self, name: str) -> pl.Expr:
        """Return the condition over EVENTS for the concept `name`."""


type ConceptCodes = Mapping[str, Sequence[str]] | ConceptRules
"""`{concept: [code prefix, ...]}`, where a prefix may end in `*`, and one that ends in `$` is that code alone; or an
object with `names()` and `matches(name)`."""


def concept_names(concepts: ConceptCodes) -> list[str]:
    """Return the names of all concepts, sorted."""
    return sorted(concepts if isinstance(concepts, Mapping) else concepts.names())


def is_concept(concepts: ConceptCodes, name: str, where: str) -> pl.Expr:
    """Return the condition that a row means the concept `name`; never null.

    `concepts` say which codes it has; `where` names in the error what asked.

    Raises:
        UserError: If the concept is unknown; the text names it, the place that asked and what is known.
    """
    names = concept_names(concepts)
    if name not in names:
        raise UserError(f"{where}: there is no concept {name!r}. Known: {', '.join(names)}.")
    if not isinstance(concepts, Mapping):
        return concepts.matches(name)
    exact = [code[:-1] for code in concepts[name] if code.endswith("$")]
    prefixes = [code.removesuffix("*") for code in concepts[name] if not code.endswith("$")]
    code = pl.col("code").cast(pl.String)
    conditions = [code.str.starts_with(prefix) for prefix in prefixes] + ([code.is_in(exact)] if exact else [])
    return pl.any_horizontal(conditions).fill_null(False) if conditions else pl.lit(False)
