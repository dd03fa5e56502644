"""What an attacker reads in the record of disclosure and in `preparation.json`, beside the page and the dictionary."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

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
    """What can be made of what is told of a variable of the training subjects when a centre is held out.

    Attributes:
        centre: The centre that is held out.
        known: How many of the others have a value, if that is told or worked out.
        upper: Whether most of these have the upper value of a flag; None of other variables.
    """

    centre: str
    known: tuple[float, float] | None
    upper: bool | None = None


def shares_told(prepared: Mapping[str, Mapping[str, Mapping[str, float]]], flag: str, size: int) -> Iterator[Share]:
    """Yield what can be made of the means of all variables, by who knows the program that wrote them.

    Args:
        prepared: Held out and variable to what is told of it.
        flag: The variable of two values, 0 and 1.
        size: Subjects of the release.
    """
    for centre, variables in prepared.items():
        for name, told in variables.items():
            if "known" in told:
                yield Share(centre, (told["known"], told["known"]))
            elif name == flag:
                yield Share(centre, None, told["mean"] == 1.0)
            else:
                # A mean of numbers of one digit after the point is a whole number over ten times as many as have a value.
                fits = [n for n in range(2, size + 1) if abs(told["mean"] * n * 10 - round(told["mean"] * n * 10)) < 1e-6 * n]
                yield Share(centre, (min(fits), max(fits)) if fits else None)


Row = tuple[dict[int, float], float, float]
"""A row of a program, and between what it is."""


def lay_shares(of: Callable[[Callable[[Kind], bool]], dict[int, float]], shares: Sequence[Share]) -> Iterator[Row]:
    """Yield rows of a program that say what shares say; `of` gives the row of those for whom something holds."""
    for one in shares:
        others = of(lambda k, c=one.centre: k[0] != c)  # type: ignore[misc]
        known = of(lambda k, c=one.centre: k[0] != c and k[1] is not None)  # type: ignore[misc]
        # What is told of a variable says that half of the training subjects have it.
        yield {at: 2 * known.get(at, 0.0) - weight for at, weight in others.items()}, 0, float("inf")
        if one.known is not None:
            yield known, *one.known
        if one.upper is not None:
            upper = of(lambda k, c=one.centre: k[0] != c and k[1] == 1.0)  # type: ignore[misc]
            bounds = (0.0, float("inf")) if one.upper else (-float("inf"), 0.0)
            yield {at: 2 * upper.get(at, 0.0) - weight for at, weight in known.items()}, *bounds
