"""Section: how many subjects there would be with some characteristics, answered on the page from the safe cube alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from unibase.releases.content import released_cube
from unibase.releases.content.released_cube import CENTRE, MODALITIES, OLDEST, UNKNOWN
from unibase.releases.disclosure import safe_cube
from unibase.releases.disclosure.safe_cube import SafeCube
from unibase.releases.read.how_many import is_band, levels_of, years
from unibase.releases.report.data import Contents, ReportData
from unibase.releases.report.section import Section

_WORDS = {
    CENTRE: ("Centre", "Centre"),
    MODALITIES: ("Modalités, toutes à la fois", "Modalities, all of them"),
    "SEX": ("Sexe", "Sex"),
    "AGE": ("Âge à l'index", "Age at the index"),
    "STAGE": ("Stade", "Stage"),
}
_LEVELS = {UNKNOWN: ("non connu", "not known"), released_cube.NONE: ("aucune", "none")}


def _words(name: str, level: str) -> str:
    """Return how a level is written: the open bands of ages by their one end."""
    first, _, last = level.partition("–")
    if name != "AGE" or not last:
        return level
    return f"< {int(last) + 1}" if first == "0" else f"≥ {first}" if last == str(OLDEST) else level


def in_page(cube: SafeCube) -> str:
    """Return a cube as the JSON that the page counts with: no more than `cube.parquet` holds, levels by number.

    Args:
        cube: Of the release.
    """
    levels = levels_of(cube)
    names = [name for name in levels if name != CENTRE]
    blocks = [[one.persons, *([levels[name].index(v) for v in one.levels[name]] for name in names)] for one in cube.blocks]
    margins = [[one.centre, one.dimension, one.level, one.persons] for one in cube.margins]
    content = {"levels": levels, "names": names, "blocks": blocks, "margins": margins}
    # What could end the element that holds it is written otherwise.
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def asked_of_all(cubes: Sequence[SafeCube]) -> dict[str, tuple[str, ...]]:
    """Return what may be asked of several cubes at once: all their levels, and bands of ages cut wherever one of them cuts.

    Args:
        cubes: Of releases.
    """
    found: dict[str, list[str]] = {}
    for cube in cubes:
        for name, levels in levels_of(cube).items():
            own = found.setdefault(name, [])
            own += [level for level in levels if level not in own]
    if "AGE" in found:
        bands = [level for level in found["AGE"] if is_band(level)]
        firsts = sorted({years(band)[0] for band in bands})
        lasts = [first - 1 for first in firsts[1:]] + [OLDEST]
        cut = [f"{first}–{last}" for first, last in zip(firsts, lasts, strict=True)]
        found["AGE"] = cut + [level for level in found["AGE"] if level not in bands]
    # Centres and combinations stand last, as on the page of a release.
    order = sorted(found, key=lambda name: (name == CENTRE, name == MODALITIES))
    return {name: tuple(found[name]) for name in order}


def contents(data: ReportData) -> Contents | None:
    """Return what the template shows; nothing where the cohort is too small for a cube.

    Args:
        data: The data of the page.
    """
    cube = safe_cube.read(data.folder)
    if cube is None or len(cube.blocks) < 2:
        return None
    data.record.extend(released_cube.decisions(cube))
    stale = cube.version if cube.version != data.version else None
    return {"fields": fields_of(levels_of(cube)), "cube": in_page(cube), "blocks": len(cube.blocks), "stale": stale}


@dataclass(frozen=True)
class Field:
    """A row of boxes to tick: the dimension, its title, and each level with its words; titles and words are (French, English)."""

    name: str
    title: tuple[str, str]
    levels: Sequence[tuple[str, tuple[str, str]]]


def fields_of(levels: Mapping[str, Sequence[str]]) -> list[Field]:
    """Return what may be asked, a row of boxes for each dimension; combinations of modalities are asked one by one.

    Args:
        levels: Dimension to levels.
    """
    modalities = sorted({name for level in levels.get(MODALITIES, ()) for name in level.split(" + ")})
    modalities = [name for name in modalities if name not in (released_cube.NONE, released_cube.OTHERS)]
    fields = [(name, _WORDS.get(name, (name, name)), modalities if name == MODALITIES else own) for name, own in levels.items()]
    return [
        Field(name, title, [(level, _LEVELS.get(level, (_words(name, level),) * 2)) for level in own])
        for name, title, own in fields
    ]


SECTION = Section(
    "how_many",
    ("Combien y en aurait-il ?", "How many would there be?"),
    ("Combien", "How many"),
    contents,
    after="modalities",
)
