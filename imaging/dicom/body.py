"""What an uptake is divided by beside body weight: lean body mass, body surface, ideal weight.

Formulas as DICOM names them in SUV Type (0054,1006), PS3.3 C.8.9.1.1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

SuvKind = Literal["bw", "lbm-janmahasatian", "lbm-james", "bsa", "ibw"]
"""What an uptake is divided by."""

WEIGHT = (1.0, 400.0)
"""Plausible body weight in kg."""

HEIGHT = (0.3, 2.6)
"""Plausible height in m."""


@dataclass(frozen=True)
class Body:
    """Size of a person.

    Attributes:
        weight: Body weight in kg.
        height: Height in m; None when it is not known.
        sex: `M`, `F`, or empty.
    """

    weight: float
    height: float | None = None
    sex: str = ""


def janmahasatian(body: Body) -> float:
    """Return lean body mass in kg by body mass index (Janmahasatian et al., Clin Pharmacokinet 2005;44:1051).

    `body`: with height and sex.

    >>> round(janmahasatian(Body(70.0, 1.75, "M")), 2)
    55.86
    """
    assert body.height is not None
    index = body.weight / body.height**2
    slope, constant = (216.0, 6680.0) if body.sex == "M" else (244.0, 8780.0)
    return 9270.0 * body.weight / (constant + slope * index)


def james(body: Body) -> float:
    """Return lean body mass in kg (James, Research on Obesity, 1976, with 128 for men: LBMJAMES128).

    Args:
        body: With height and sex.

    >>> round(james(Body(70.0, 1.75, "M")), 2)
    56.52
    """
    assert body.height is not None
    ratio = (body.weight / (100 * body.height)) ** 2
    return 1.10 * body.weight - 128 * ratio if body.sex == "M" else 1.07 * body.weight - 148 * ratio


def surface(body: Body) -> float:
    """Return body surface area in m2 (DuBois and DuBois, Arch Intern Med 1916;17:863).

    Args:
        body: With height.

    >>> round(surface(Body(70.0, 1.75)), 3)
    1.848
    """
    assert body.height is not None
    return float(0.007184 * body.weight**0.425 * (100 * body.height) ** 0.725)


def ideal(body: Body) -> float:
    """Return ideal body weight in kg (Zasadny and Wahl, Radiology 1993;189:847, after Devine).

    Args:
        body: With height and sex.

    >>> round(ideal(Body(70.0, 1.75, "M")), 2)
    72.38
    """
    assert body.height is not None
    above = 100 * body.height - 152
    return 48.0 + 1.06 * above if body.sex == "M" else 45.5 + 0.91 * above


@dataclass(frozen=True)
class Divisor:
    """What an uptake is divided by.

    Attributes:
        value: Its value for a person: kg, or for the surface area m2 times 10, so that a factor of 1000 gives g or cm2.
        unit: Unit as it stands in tables.
        words: What it is, in words.
        needs_sex: Whether it differs between men and women.
    """

    value: Callable[[Body], float]
    unit: str
    words: str
    needs_sex: bool = True


DIVISORS: dict[SuvKind, Divisor] = {
    "bw": Divisor(lambda body: body.weight, "SUVbw", "body weight", False),
    "lbm-janmahasatian": Divisor(janmahasatian, "SUVlbm (Janmahasatian)", "lean body mass"),
    "lbm-james": Divisor(james, "SUVlbm (James)", "lean body mass"),
    "bsa": Divisor(lambda body: 10 * surface(body), "SUVbsa", "body surface area", False),
    "ibw": Divisor(ideal, "SUVibw", "ideal body weight"),
}
"""What a study may ask for, by its word in the study file."""

DICOM_TYPES: dict[str, SuvKind] = {
    "BW": "bw",
    "LBMJANMA": "lbm-janmahasatian",
    "LBMJAMES128": "lbm-james",
    "BSA": "bsa",
    "IBW": "ibw",
}
"""SUV Type (0054,1006) to its word; `LBM` alone does not say which formula."""


def over_weight(kind: SuvKind, body: Body) -> float | None:
    """Return the factor from SUV by body weight to another SUV.

    Args:
        kind: The other SUV.
        body: Size of the person.

    Returns:
        Its divisor over the body weight; None when height or sex, which it needs, is not known or out of range.

    Example:
        >>> round(over_weight("lbm-janmahasatian", Body(70.0, 1.75, "M")), 4), over_weight("bsa", Body(70.0))
        (0.798, None)
    """
    if kind == "bw":
        return 1.0
    divisor = DIVISORS[kind]
    if body.height is None or not HEIGHT[0] <= body.height <= HEIGHT[1] or (divisor.needs_sex and body.sex not in ("M", "F")):
        return None
    value = divisor.value(body)
    return value / body.weight if math.isfinite(value) and value > 0 else None
