"""Units by UCUM's grammar: whether a text is one, and what one unit is in another.

Arbitrary units (`[IU]`, `[arb'U]`), equivalents (`eq`) and osmoles say how something is counted, which no factor changes: they convert
among themselves alone. Moles become grams only with a molar mass.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

_COUNTED = re.compile(r"\[[^\]]*[Uu]\]|eq|osm|\{[^}]*[0-9][^}]*\}|\[pH\]|\[CFU\]|\[PFU\]")
"""What a unit counts by: it must be the same on both sides. Of notes in braces only those with numbers, such as {1.73_m2}."""
_DIGITS = 12
"""Digits of a factor that floating-point numbers hold: 0.0999999999999 is 0.1."""


@cache
def _registry() -> Any:
    # Two seconds and two libraries, for units that no list of ours has.
    from ucumvert import PintUcumRegistry

    return PintUcumRegistry()


@cache
def _quantity(unit: str) -> Any:
    """Return a unit as a quantity, None for what is none of UCUM."""
    registry = _registry()
    try:
        found = registry.from_ucum(re.sub(r"\{[^}]*\}", "", unit) or "1")
    except Exception:  # of a parser and a registry, each with errors of its own, for texts of any content
        return None
    return found if hasattr(found, "to_base_units") else None


@cache
def is_ucum(text: str) -> bool:
    """Tell whether a `text` is a unit of UCUM, as case-sensitive codes write it.

    Example:
        >>> is_ucum("10*6/mL"), is_ucum("UI/L")
        (True, False)
    """
    return bool(re.search("[A-Za-z%]", text)) and _quantity(text) is not None


@cache
def factor(unit: str, target: str, molar_mass: float | None = None) -> float | None:
    """Return what one of a unit is in another; None where they measure different things, or the zero of one is elsewhere.

    Args:
        unit: UCUM code.
        target: UCUM code.
        molar_mass: Of what is measured, in g/mol: with it moles and grams measure the same.

    Example:
        >>> factor("umol/L", "mg/dL", 113.12), factor("mg/dL", "g/L"), factor("[IU]/L", "10*9/L")
        (0.011312, 0.01, None)
    """
    if sorted(_COUNTED.findall(unit)) != sorted(_COUNTED.findall(target)) or {"Cel", "[degF]"} & {unit, target}:
        return None
    left, right = _quantity(unit), _quantity(target)
    if left is None or right is None:
        return None
    if left.dimensionality != right.dimensionality:
        grams = None if molar_mass is None else _quantity("g/mol") * molar_mass
        if grams is None:
            return None
        left = left * grams if (left * grams).dimensionality == right.dimensionality else left / grams
        if left.dimensionality != right.dimensionality:
            return None
    ratio = (left / right).to_base_units().magnitude
    return float(f"{ratio:.{_DIGITS}g}")
