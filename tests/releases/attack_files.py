"""What an attacker reads in the record of disclosure and in `preparation.json`, beside the page and the dictionary."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import polars as pl

Kind = tuple[object, ...]
"""What an attacker tells persons apart by in one line of attack, such as centre and stage."""


@dataclass(frozen=True)
class Said:
    """One number of those for whom `of` holds: a version shows it, masks it (None), or says `between` which values it is.

    What is not `drawn` stands nowhere, but nobody shall find it out either; or it stands elsewhere too, and counts once.
    """

    name: str
    of: Callable[[Kind], bool]
    value: int | None
    between: tuple[float, float] | None = None
    drawn: bool = True


def decided(record: pl.DataFrame, output: str) -> Iterator[tuple[str, str, int | None]]:
    """Yield of an output of the record what is counted, in which centre (empty for all), and the number."""
    for number, shown, value in record.filter(output=output).select("number", "shown", "value").iter_rows():
        assert shown or value is None, number
        what, _, centre = number.partition("; centre ")
        yield what, centre, value


def cohort_decided(record: pl.DataFrame, place: Mapping[str, int]) -> list[Said]:
    """What the record says of the cohort; a kind is `(centre, *has)`, `place` says where a modality stands in it."""
    said = []
    for number, _, value in decided(record, "cohort"):
        found = re.fullmatch(r"(?:centre ([^;]+))?(?:; )?(?:with ([a-z_, ]+?))?( alone)?", number)
        if number == "with no modality":
            found = re.fullmatch(r"(x)?(\\w)?( alone)", " alone")
        elif number == "all subjects" or found is None or number.startswith("years"):
            continue
        assert found is not None
        names = set(found[2].split(", ")) if found[2] else set()
        said.append(Said(f"record {number}", _of_cohort(found[1], names, bool(found[3]), place), value, drawn=False))
    return said


def _of_cohort(centre: str | None, names: set[str], alone: bool, place: Mapping[str, int]) -> Callable[[Kind], bool]:
    def holds(kind: Kind) -> bool:
        has = {name for name, at in place.items() if kind[at]}
        return centre in (None, kind[0]) and (has == names if alone else names <= has)

    return holds


def levels_decided(record: pl.DataFrame, column: str) -> list[Said]:
    """What the record says of a characteristic; a kind is `(centre, level)`, None for no value."""
    said = []
    for number, centre, value in decided(record, "characteristics"):
        name, _, level = number.partition(" ")
        if name == column and not level.startswith("quantiles"):
            wanted = None if level == "missing" else level
            of = lambda k, v=wanted, c=centre: c in ("", k[0]) and k[1] == v  # noqa: E731
            said.append(Said(f"record {number} {centre}", of, value, drawn=False))
    return said


def empty_decided(record: pl.DataFrame, column: str, filled: Callable[[Kind], bool]) -> list[Said]:
    """What the record says of the empty cells of a column, such as `analysis.crp`."""
    rows = [value for number, _, value in decided(record, "dictionary") if number == f"{column} missing"]
    return [Said(f"record {column} missing", lambda k: not filled(k), value, drawn=False) for value in rows]


@dataclass(frozen=True)
class Share:
    """A flag, or a mean, of the training subjects when a centre is held out.

    Attributes:
        centre: The centre that is held out.
        known: Between how many of the others have a value.
        upper: Between which shares of these have the upper value of a flag; None of other variables.
    """

    centre: str
    known: tuple[float, float]
    upper: tuple[float, float] | None = None


def shares_told(
    prepared: Mapping[str, Mapping[str, Mapping[str, float]]], flag: str, size: int, min_cell: int
) -> Iterator[Share]:
    """Yield what can be made of the means of all variables, by who knows the program that wrote them.

    Args:
        prepared: Held out and variable to what is told of it.
        flag: The variable of two values, 0 and 1.
        size: Subjects of the release.
        min_cell: Smallest count that may be told.
    """
    for centre, variables in prepared.items():
        for name, told in variables.items():
            if "known" in told:
                yield Share(centre, (told["known"], told["known"]))
            # A mean of numbers of one digit after the point is a whole number over ten times as many as have a value.
            fits = [n for n in range(2, size + 1) if abs(told["mean"] * n * 10 - round(told["mean"] * n * 10)) < 1e-6 * n]
            if name == flag:
                yield from _of_flag(centre, told["mean"], size, min_cell)
            elif fits:
                yield Share(centre, (min(fits), max(fits)))


def _of_flag(centre: str, mean: float, size: int, min_cell: int) -> Iterator[Share]:
    steps = [Fraction(digit, 10**power) for power in range(4) for digit in (1, 2, 5)]
    rarer = Fraction(str(mean)) if mean <= 0.5 else 1 - Fraction(str(mean))
    fits = []
    for low, step in zip([Fraction(0), *sorted(steps)], sorted(steps), strict=False):
        place = rarer / step - Fraction(1, 2)
        # The step is the next one to the smallest count over those who have a value, and at most one half of them count.
        many = (float(min_cell / step) if step < Fraction(1, 2) else 1.0, float(min_cell / low) if low else float(size))
        if step <= Fraction(1, 2) and many[0] <= size and (place.denominator == 1 or rarer == Fraction(1, 2)):
            part = (max(0.0, float(rarer - step / 2)), min(0.5, float(rarer + step / 2)))
            fits.append((many, part if rarer < Fraction(1, 2) else (0.0, 0.5)))
    if not fits:
        fits = [((1.0, float(size)), (mean, mean))]
    known = (min(many[0] for many, _ in fits), min(float(size), max(many[1] for many, _ in fits)))
    low_, high_ = min(part[0] for _, part in fits), max(part[1] for _, part in fits)
    if rarer == Fraction(1, 2):
        yield Share(centre, known)
    else:
        yield Share(centre, known, (low_, high_) if mean < 0.5 else (1 - high_, 1 - low_))


def lay_shares(
    of: Callable[[Callable[[Kind], bool]], dict[int, float]], shares: Sequence[Share]
) -> Iterator[tuple[dict[int, float], float, float]]:
    """Yield rows of a program, with their bounds, that say what shares say; `of` gives the row of those for whom something holds."""
    for one in shares:
        known = of(lambda k, c=one.centre: k[0] != c and k[1] is not None)  # type: ignore[misc]
        yield known, *one.known
        if one.upper is not None:
            upper = of(lambda k, c=one.centre: k[0] != c and k[1] == 1.0)  # type: ignore[misc]
            for bound, low, high in ((one.upper[0], -1e-6, float("inf")), (one.upper[1], -float("inf"), 1e-6)):
                yield {at: upper.get(at, 0.0) - bound * weight for at, weight in known.items()}, low, high
