"""An attacker who has pages, dictionaries and manifests of one or two versions, and nothing else, over many random cohorts.

`python -m tests.releases.attack_cohorts --cohorts 1000` prints what it made of them. What is read: the HTML tables and
sentences, the SVG curves, `dictionary.json`, `manifest.json`,
`preparation.json`, the record of disclosure, the safe cube, the records and the page of the catalogue. The truth is asked only afterwards, to judge.
"""

from __future__ import annotations

import argparse
import html
import itertools
import json
import math
import random
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import polars as pl
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, lil_array

from tests.releases.attack_files import (
    Kind,
    Said,
    cohort_decided,
    decided,
    empty_decided,
    lay_shares,
    levels_decided,
    shares_told,
)
from tests.releases.attacker import MASK, Tables
from tests.releases.cohort_pages import ASSAYS, STUDY, Patient, Study, later, random_study, write, write_catalogue
from unibase.releases.disclosure import safe_cube
from unibase.releases.disclosure.safe_cube import Margin, SafeCube


@dataclass(frozen=True)
class Page:
    """What the outputs of one version say, read once."""

    tables: Tables
    text: str
    words: list[dict[str, object]]
    manifest: dict[str, object]
    cube: SafeCube | None
    record: pl.DataFrame
    prepared: dict[str, dict[str, dict[str, dict[str, float]]]]
    records: Path | None = None

    @classmethod
    def read(cls, folder: Path, records: Path | None = None) -> Page:
        text = (folder / "report.html").read_text(encoding="utf-8")
        words = json.loads((folder / "dictionary" / "dictionary.json").read_text(encoding="utf-8"))
        about = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        prepared = json.loads((folder / "preparation.json").read_text(encoding="utf-8"))
        record = pl.read_parquet(folder / "disclosure.parquet")
        return cls(Tables(text), text, words, about, safe_cube.read(folder), record, prepared, records)

    def rows(self, section: str) -> list[list[str]]:
        return self.tables.sections.get(section, [])

    def word(self, table: str, column: str) -> dict[str, object]:
        return next(row for row in self.words if (row["table"], row["column"]) == (table, column))

    @property
    def centres(self) -> dict[str, int | None]:
        rows = self.rows("modalities")
        start = next((i for i, row in enumerate(rows) if row[0] == "Centre"), len(rows))
        return {row[0]: _number(row[1]) for row in rows[start + 1 :]}


def _number(text: object) -> int | None:
    return None if text in (MASK, None) else int(str(text).replace("\u202f", ""))


def cohort_said(page: Page) -> list[Said]:
    """The cohort's own counts; a kind is `(centre, rna, mutations, copy_number)`."""
    names = page.rows("modalities")[0][:-1]
    place = {name: 1 + ASSAYS.index(name) for name in names}
    said = [Said("all", lambda k: True, page.manifest["subjects"])]  # type: ignore[arg-type]
    for row in page.rows("modalities"):
        if len(row) == len(names) + 1 and set(row[:-1]) <= {"x", "-"}:
            pattern = [(place[n], cell == "x") for n, cell in zip(names, row, strict=False)]
            said.append(Said(f"only {pattern}", lambda k, p=pattern: all(k[i] == on for i, on in p), _number(row[-1])))
    shares = {row[0]: row[2:] for row in page.rows("modalities") if row[0] in page.centres and len(row) == len(names) + 2}
    for name in names:
        total = page.manifest["modalities"][name]["subjects"]  # type: ignore[index]
        said.append(Said(name, lambda k, i=place[name]: bool(k[i]), total))
        said += _column(page, "analysis", f"{name}_sample", lambda k, i=place[name]: bool(k[i]))
    for centre, size in page.centres.items():
        said.append(Said(centre, lambda k, c=centre: k[0] == c, size))
        for name, cell in zip(names, shares.get(centre, []), strict=False):
            said += _of_share(f"{centre} {name}", cell, size, lambda k, c=centre, i=place[name]: k[0] == c and bool(k[i]))
    return said + cohort_decided(page.record, place)


def _of_share(name: str, cell: str, size: int | None, of: Callable[[Kind], bool]) -> list[Said]:
    """A rounded share says the count where one whole number alone fits."""
    found = re.fullmatch(r"(\d+) %", cell)
    if not found or size is None:
        return [Said(name, of, None)] if cell == MASK else []
    fits = [n for n in range(size + 1) if round(100 * n / size) == int(found[1])]
    return [Said(name, of, fits[0])] if len(fits) == 1 else []


def _column(page: Page, table: str, column: str, filled: Callable[[Kind], bool]) -> list[Said]:
    """What the dictionary says of a column of subjects: empty cells, by reason, and by centre."""
    word = page.word(table, column)
    reasons: dict[str, int | None] = word["missing_by_reason"]  # type: ignore[assignment]
    said = [Said(f"{column} missing", lambda k: not filled(k), word["missing"])]  # type: ignore[arg-type]
    if reasons and None not in reasons.values():
        said.append(Said(f"{column} reasons", lambda k: not filled(k), sum(n or 0 for n in reasons.values())))
    for centre, pair in word["completeness_by_centre"].items():  # type: ignore[attr-defined]
        inside, there = (None, None) if pair is None else pair
        said.append(Said(f"{column} {centre}", lambda k, c=centre: k[0] == c and filled(k), inside))
        if there is not None:
            said.append(Said(f"{column} of {centre}", lambda k, c=centre: k[0] == c, there))
    return said


def level_said(page: Page, column: str, numeric: bool) -> list[Said]:
    """What the table of characteristics and the dictionary say of one column; a kind is `(centre, level)`, None for no value."""
    said = [Said("all", lambda k: True, page.manifest["subjects"])]  # type: ignore[arg-type]
    said += [Said(c, lambda k, c=c: k[0] == c, n) for c, n in page.centres.items()]
    said += _column(page, "subjects", column, lambda k: k[1] is not None)
    said += levels_decided(page.record, column) + empty_decided(page.record, f"subjects.{column}", lambda k: k[1] is not None)
    heads, *rows = page.rows("characteristics")
    start = next(i for i, row in enumerate(rows) if re.match(rf"As named|{column}", row[0]) and _opens(rows, i, column, numeric))
    for row in rows[start + 1 :]:
        if "median" in row[0] or not re.fullmatch(r"[•\d\u202f]+", row[1]):
            break
        level = None if row[0] == "missing" else row[0]
        for place, cell in zip(heads[1:], row[1:], strict=True):
            everywhere = place == heads[1]
            said.append(
                Said(
                    f"{column} {level} {place}",
                    lambda k, v=level, c=place, e=everywhere: (e or k[0] == c) and k[1] == v,
                    _number(cell),
                )
            )
    return said


def _opens(rows: Sequence[list[str]], place: int, column: str, numeric: bool) -> bool:
    """The columns stand in the order sex, STAGE, AGE: the heading is the n-th that opens one."""
    opening = [i for i, row in enumerate(rows) if not re.fullmatch(r"[•\d\u202f]+", row[1]) or "median" in row[0]]
    return opening.index(place) == ["sex", "STAGE", "AGE"].index(column) if place in opening else False


def coverage_said(page: Page, concept: str, has: Callable[[Kind], bool]) -> list[Said]:
    """What the section on coverage says of a concept by centre."""
    heads = next((row for row in page.rows("coverage") if row[0] == "Concept"), [])
    cells = next((row for row in page.rows("coverage") if row[0] == concept), [])
    enough = int(page.manifest["smallest"])  # type: ignore[call-overload]
    said = []
    for centre, cell in zip(heads[2:], cells[2:], strict=False):
        least = int(re.sub(r"\D", "", cell) or 0)
        between = (0.0, math.inf) if cell == MASK else (float(least), float(least + enough - 1 if least else 0))
        said.append(Said(f"coverage {concept} {centre}", lambda k, c=centre: k[0] == c and has(k), None, between))
        for name, having in (("coverage", True), ("lacks", False)):
            of = lambda k, c=centre, h=having: k[0] == c and has(k) == h  # noqa: E731
            said.append(Said(f"{name} {concept} {centre}", of, None, drawn=False))
    return said


def record_said(page: Page) -> list[Said]:
    """What the records of the catalogue say of all, of centres, and (as `F 40`) of sexes; a kind is `(centre, sex)`."""
    if page.records is None:
        return []
    croissant = json.loads((page.records / "croissant.json").read_text(encoding="utf-8"))
    health = (page.records / "healthdcat.ttl").read_text(encoding="utf-8")
    sheet = (page.records / "datasheet.md").read_text(encoding="utf-8")
    told = [*re.findall(r"numberOfUniqueIndividuals \"?(\d+)", health), *re.findall(r"^Subjects: (\d+)\.", sheet, re.M)]
    said = [Said("individuals", lambda k: True, int(n), drawn=False) for n in told]
    for text in [*croissant["rai:dataBiases"], *re.findall(r"^- (Subjects by .*)$", sheet, re.M)]:
        kinds, _, rest = text.partition(": ")
        place = {"Subjects by centre": 0, "Subjects by sex": 1}[kinds]
        for one in rest.split(". ")[0].rstrip(".").split(", "):
            name, _, count = one.rpartition(" ")
            said.append(Said(text, lambda k, i=place, v=name: k[i] == v, int(count), drawn=False))
    return said + site_said(page)


def site_said(page: Page) -> list[Said]:
    """The catalogue names centres: it says that they are no small ones."""
    assert page.records is not None
    site = (page.records.parents[1] / "index.html").read_text(encoding="utf-8")
    version = page.records.name.replace(".", "-")
    card = re.search(rf'<article aria-labelledby="[^"]*-{version}".*?>', site)
    assert card is not None
    named, size = (re.search(rf'data-{name}="([^"]*)"', card[0]) for name in ("centre", "subjects"))
    assert named is not None and size is not None
    enough = float(page.manifest["min_cell"])  # type: ignore[arg-type]
    centres = [one for one in html.unescape(named[1]).split("|") if one]
    said = [Said(f"{c} is named", lambda k, c=c: k[0] == c, None, (enough, math.inf)) for c in centres]
    return said + ([] if size[1] == MASK else [Said("subjects of the card", lambda k: True, int(size[1]), drawn=False)])


def hazard_said(page: Page, column: str, of: Callable[[Kind, str | None], bool]) -> list[Said]:
    """A ratio says that its group, and the one it is beside, have `min_cell` events and as many others."""
    enough = 2.0 * float(page.manifest["smallest"])  # type: ignore[arg-type]
    said = []
    for row in page.rows("hazards"):
        if row[0] != column or row[2] == MASK:
            continue
        level, _, reference = row[1].partition("against")
        for name in (level.strip(), reference.strip()) if reference else (None,):
            said.append(Said(f"hazard {column} {name}", lambda k, v=name: of(k, v), None, (enough, math.inf)))
    return said


def response_said(page: Page) -> list[Said]:
    """Best responses; a kind is `(response,)`."""
    said = [Said("all", lambda k: True, page.manifest["subjects"])]  # type: ignore[arg-type]
    said += [Said(f"BOR {v}", lambda k, v=v: k[0] == v, _number(n)) for v, n in page.rows("responses")[1:]]
    said += [
        Said(f"record {what}", lambda k, v=what: f"BOR {k[0]}" == v, value, drawn=False)
        for what, _, value in decided(page.record, "responses")
        if what != "BOR objective"
    ]
    rate = re.search(r'lang="en">Objective response ([\d.]+) %', page.text)
    size = page.manifest["subjects"]
    if rate and isinstance(size, int):
        fits = [n for n in range(size + 1) if f"{n / size:.1%}" == f"{rate[1]}%"]
        said += [Said("objective", lambda k: k[0] in ("CR", "PR"), fits[0])] if len(fits) == 1 else []
    return said


def endpoint_said(page: Page) -> list[Said]:
    """The endpoint; a kind is `(centre, event, unassessed)`."""
    said = [Said("all", lambda k: True, page.manifest["subjects"])]  # type: ignore[arg-type]
    said += [Said(c, lambda k, c=c: k[0] == c, n) for c, n in page.centres.items()]
    found = re.search(r'lang="en">([•\d\u202f]+) subjects, ([•\d\u202f]+) events', page.text)
    assert found is not None
    said += [Said("followed", lambda k: True, _number(found[1])), Said("events", lambda k: bool(k[1]), _number(found[2]))]
    share = re.search(r"Warning: (\d+) % of subjects", page.text)
    size = _number(found[1])
    if share and size:
        fits = [n for n in range(size + 1) if f"{100 * n / size:.0f}" == share[1]]
        said += [Said("unassessed", lambda k: bool(k[2]), fits[0])] if len(fits) == 1 else []
    elif "some subjects are censored at the index" in page.text:
        said.append(Said("unassessed", lambda k: bool(k[2]), None))
    if any(row[2:3] and re.fullmatch(r"[\d.e+-]+", row[2]) for row in page.rows("hazards")):
        enough = float(page.manifest["smallest"])  # type: ignore[arg-type]
        said += [Said(f"a ratio, {e}", lambda k, e=e: bool(k[1]) == e, None, (enough, math.inf)) for e in (True, False)]
    which: dict[str, Callable[[Kind], bool]] = {"OS followed": lambda k: True, "OS events": lambda k: bool(k[1])}
    for what, _, value in decided(page.record, "endpoints"):
        said.append(Said(f"record {what}", which.get(what, lambda k: bool(k[2])), value, drawn=False))
    for column, event in (("EVNTDESC", False), ("CNSDTDSC", True)):
        said.append(Said(f"{column} missing", lambda k, e=event: bool(k[1]) == e, page.word("adtte", column)["missing"]))  # type: ignore[arg-type]
    return said + coverage_said(page, "death", lambda k: bool(k[1]))


@dataclass
class Tally:
    """What came of the attacks: numbers shown, masked, masked ones of a few, those found out, and those narrowed."""

    shown: int = 0
    masked: int = 0
    small: int = 0
    recovered: list[str] = field(default_factory=list)
    small_recovered: list[str] = field(default_factory=list)
    narrowed: list[str] = field(default_factory=list)
    early_steps: list[str] = field(default_factory=list)

    def summary(self) -> str:
        large = self.shown + self.masked - self.small
        return (
            f"{self.shown} numbers shown ({self.shown / large:.1%} of those that are not of a few), {self.masked} masked, "
            f"{self.small} of these of a few: {len(self.small_recovered)} found out, {len(self.narrowed)} narrowed; "
            f"{len(self.early_steps)} curves told of a few"
        )


def _moved(second: Page) -> tuple[tuple[float, float], tuple[float, float], list[str]]:
    """Between how many came and left, and in which columns values changed."""
    text = re.sub(r"<[^>]+>", " ", second.text)
    said = re.search(r"([•\d]+) subjects added, ([•\d]+) removed", text)
    assert said is not None
    told = [(0, math.inf) if word == MASK else (float(word), float(word)) for word in (said[1], said[2])]
    return told[0], told[1], [row[0] for row in second.rows("changes")[1:]] + re.findall(r"(\w+): [^ ]+(?: \d+)? *rows", text)


@dataclass(frozen=True)
class Goal:
    """A sum that an attacker is after, what it is in truth, and the smallest count that may be shown."""

    name: str
    row: dict[int, float]
    truth: int
    min_cell: int
    drawn: bool


@dataclass
class Program:
    """What all outputs of the versions say together: rows of `low <= row @ x <= high` over the unknowns of all lines of attack."""

    size: int = 0
    rows: list[tuple[dict[int, float], float, float]] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)

    def unknowns(self, count: int) -> int:
        """Make room for some unknowns, and return the place of the first."""
        self.size += count
        return self.size - count

    def says(self, row: dict[int, float], low: float, high: float) -> None:
        """Note between which values a sum is."""
        self.rows.append((row, low, high))

    def dense(self, row: dict[int, float]) -> np.ndarray:
        """Return a sum as a row over all unknowns."""
        found = np.zeros(self.size)
        found[list(row)] = list(row.values())
        return found


@dataclass(frozen=True)
class Line:
    """One line of attack in the program: where its unknowns begin, and of whom they are.

    Unknown are, of each kind, those who stayed alike, those of the first version alone, and those of the second alone.
    """

    kinds: list[Kind]
    first: int
    versions: int

    def row(self, of: Callable[[Kind], bool], parts: Sequence[int]) -> dict[int, float]:
        """Return the sum of those for whom `of` holds, in some parts: 0 stayed, 1 left, 2 came."""
        inside = [n for n, kind in enumerate(self.kinds) if of(kind)]
        return {self.first + part * len(self.kinds) + n: 1.0 for part in parts for n in inside}

    def version(self, number: int) -> tuple[int, ...]:
        """Return the parts of which a version consists."""
        return (0, number + 1) if self.versions == 2 else (0,)


def lay_out(program: Program, name: str, read: Sequence[Sequence[Said]], studies: Sequence[Study], tally: Tally) -> Line:
    """Write one line of attack into the program: what is shown, and what is to be found out."""
    kind_of = LINES[name][1]
    known = {kind for study in studies for kind in map(kind_of, study.patients.values())}
    kinds = list(itertools.product(*(sorted(set(domain), key=repr) for domain in zip(*known, strict=True))))
    line = Line(kinds, program.unknowns(len(kinds) * (3 if len(read) == 2 else 1)), len(read))
    for number, (said, study) in enumerate(zip(read, studies, strict=True)):
        true = Counter(kind_of(p) for p in study.patients.values())
        for one in said:
            row = line.row(one.of, line.version(number))
            truth = sum(n for kind, n in true.items() if one.of(kind))
            if one.between is not None:
                assert one.between[0] <= truth <= one.between[1], (name, one.name, one.between, truth)
                program.says(row, *one.between)
            elif one.value is None:
                named = f"{name}: {one.name}, version {number + 1}"
                program.goals.append(Goal(named, row, truth, study.min_cell, one.drawn))
            else:
                assert one.value == truth, (name, one.name, one.value, truth)
                program.says(row, one.value, one.value)
                tally.shown += one.drawn
    return line


def lay_cube(
    program: Program, name: str, line: Line, number: int, cube: SafeCube, centres: Sequence[str]
) -> list[dict[int, float]]:
    """Share the persons of each kind out over the blocks of the cube of a version; return the rows of blocks by centre."""
    dimension, at, _ = CUBE_OF[name]
    size = len(line.kinds)
    first = program.unknowns(size * len(cube.blocks))
    for n, kind in enumerate(line.kinds):
        own = line.row(lambda k, kind=kind: k == kind, line.version(number))
        program.says(own | {first + b * size + n: -1.0 for b in range(len(cube.blocks))}, 0, 0)
    for b, block in enumerate(cube.blocks):
        program.says({first + b * size + n: 1.0 for n in range(size)}, block.persons, block.persons)
        for n, kind in enumerate(line.kinds):
            every: set[str] = {level for one in cube.blocks for level in one.levels.get(dimension, ())}
            possible = at(kind) & every or {"(others)"}
            if dimension in block.levels and possible.isdisjoint(block.levels[dimension]):
                program.says({first + b * size + n: 1.0}, 0, 0)
    return [
        {first + b * size + n: 1.0 for n, kind in enumerate(line.kinds) if kind[0] == centre}
        for b in range(len(cube.blocks))
        for centre in centres
    ]


def of_margin(margin: Margin, kind: Kind, levels: frozenset[str]) -> bool:
    """Whether the persons of a kind, who have one of some levels, are in a margin."""
    return margin.centre in (None, kind[0]) and (margin.dimension == safe_cube.WHOLE or margin.level in levels)


def lay_cubes(program: Program, lines: dict[str, Line], pages: Sequence[Page], centres: Sequence[str]) -> None:
    """Say what the cubes tell: of each line, and that the blocks are of the same persons in all of them."""
    for number, page in enumerate(pages):
        if page.cube is None or page.cube.version != page.manifest["version"]:
            continue
        rows = [lay_cube(program, name, lines[name], number, page.cube, centres) for name in CUBE_OF]
        for one in page.cube.margins:
            for name, (dimension, at, exact) in CUBE_OF.items():
                if one.dimension == safe_cube.WHOLE or (one.dimension == dimension and exact):
                    row = lines[name].row(lambda k, m=one, at=at: of_margin(m, k, at(k)), lines[name].version(number))
                    program.says(row, one.persons, one.persons)
        for other in rows[1:]:
            for ours, theirs in zip(rows[0], other, strict=True):
                program.says(ours | {place: -1.0 for place in theirs}, 0, 0)


def link(program: Program, lines: dict[str, Line], pages: Sequence[Page], centres: Sequence[str]) -> None:
    """Say that the lines are of the same persons: as many by centre, or in all, in each version; and who came and left."""
    whole = lines["cohort"]
    for name, line in lines.items():
        places = centres if name in OF_CENTRES else [None]
        for centre, number in itertools.product(places, range(len(pages))):
            of = (lambda k: True) if centre is None else (lambda k, c=centre: k[0] == c)
            ours, theirs = line.row(of, line.version(number)), whole.row(of, whole.version(number))
            program.says(ours | {place: -1.0 for place in theirs}, 0, 0) if line is not whole else None
    if len(pages) == 2:
        added, removed, changed = _moved(pages[1])
        for name, line in lines.items():
            if not any(column.startswith(COLUMNS_OF[name]) for column in changed):
                for part, told in ((1, removed), (2, added)):
                    program.says(line.row(lambda k: True, [part]), *told)


def attack_together(pages: Sequence[Page], studies: Sequence[Study], tally: Tally, seed: str) -> None:
    """Solve for each masked number with all that all outputs of the versions say."""
    program = Program()
    lines = {name: lay_out(program, name, [read(page) for page in pages], studies, tally) for name, (read, _) in LINES.items()}
    link(program, lines, pages, sorted({p.centre for study in studies for p in study.patients.values()}))
    lay_cubes(program, lines, pages, sorted({p.centre for study in studies for p in study.patients.values()}))
    for number, (page, study) in enumerate(zip(pages, studies, strict=True)):
        shares = list(shares_told(page.prepared["centre"], "high_crp", len(study.patients)))
        parts = lines["crp"].version(number)
        program.rows += lay_shares(lambda of, parts=parts: lines["crp"].row(of, parts), shares)  # type: ignore[misc]
    rows = lil_array((len(program.rows), program.size))
    for place, (row, _, _) in enumerate(program.rows):
        rows[[place], list(row)] = list(row.values())
    low, high = (np.array([told[place] for told in program.rows], dtype=float) for place in (1, 2))
    goals = {tuple(sorted(goal.row)): goal for goal in program.goals}.values()
    _judge(
        Constraints(rows, low, high),
        [(replace(goal, name=f"{seed}, {goal.name}"), program.dense(goal.row)) for goal in goals],
        tally,
    )


@dataclass(frozen=True)
class Constraints:
    """Rows and between which values each is."""

    rows: lil_array
    low: np.ndarray
    high: np.ndarray


def _judge(known: Constraints, goals: Sequence[tuple[Goal, np.ndarray]], tally: Tally) -> None:
    for goal, row in goals:
        small = 0 < goal.truth < goal.min_cell
        tally.masked += goal.drawn
        tally.small += small and goal.drawn
        low, high = _bounds(known, row, goal.min_cell)
        assert low - 0.5 < goal.truth < high + 0.5, (goal.name, low, goal.truth, high)
        if high - low < 0.5:
            tally.recovered.append(f"{goal.name} = {goal.truth}")
            tally.small_recovered += [f"{goal.name} = {goal.truth}"] if small else []
        elif small and high - low < goal.min_cell - 1:
            tally.narrowed.append(f"{goal.name} = {goal.truth} in {low:.0f} to {high:.0f} of {goal.min_cell}")


def _bounds(known: Constraints, goal: np.ndarray, enough: int) -> tuple[float, float]:
    """The least and greatest value: by linear programming, and in whole numbers where that leaves few."""
    kept = LinearConstraint(csr_array(known.rows), known.low, known.high)
    ends = [0.0, np.inf]
    for whole in (False, True):
        for place, sign in enumerate((1.0, -1.0)):
            kinds = np.full(len(goal), int(whole))
            found = milp(sign * goal, constraints=kept, integrality=kinds, bounds=Bounds(0, np.inf), options={"time_limit": 20})
            assert found.status in (0, 1, 3, 4), found.message
            ends[place] = sign * found.fun if found.status == 0 else ends[place]
        if ends[1] - ends[0] >= 2 * enough:
            break
    return ends[0], ends[1]


def step_months(page: Page) -> list[float]:
    """The months at which the curve steps, from the points of the SVG and the months under its axis."""
    points = re.search(r'class="curve" points="([^"]+)"', page.text)
    if points is None:
        return []
    drawn = page.text[: points.end()].rindex("<svg")
    picture = page.text[drawn : page.text.index("</svg>", drawn)]
    found = re.findall(r'<text x="([\d.]+)" y="[\d.]+" text-anchor="middle" class="">(\d+)<', picture)
    (x0, m0), (x1, m1) = [(float(x), int(month)) for x, month in found[:2]]
    places = [tuple(map(float, point.split(","))) for point in points[1].split()]
    falls = sorted({a[0] for a, b in itertools.pairwise(places) if a[0] == b[0] and b[1] > a[1]})
    return [round(m0 + (x - x0) * (m1 - m0) / (x1 - x0), 1) for x in falls]


def _curves(page: Page) -> list[str]:
    return re.findall(r'<svg[^>]*aria-labelledby="km-.*?</svg>', page.text, re.S)


def attack_curve(pages: Sequence[Page], studies: Sequence[Study], tally: Tally) -> None:
    """Look for steps of fewer events than `min_cell`, and for curves of two versions that differ by a few persons."""
    months = [step_months(page) for page in pages]
    if len(months) == 2 and _curves(pages[0]) == _curves(pages[1]):
        months.pop()  # The curve of the first version stands in the second, too.
    for steps, study in zip(months, studies, strict=False):
        days = [p.days / 30.4375 for p in study.patients.values() if p.event]
        for a, b in itertools.pairwise([0.0, *steps]):
            inside = sum(a < d <= b if a else d <= b for d in days)
            if inside < study.min_cell:
                tally.early_steps.append(f"{study.min_cell}: {inside} of {len(days)} events between months {a:.1f} and {b:.1f}")
            if abs(b - round(b)) > 0.1:
                tally.early_steps.append(f"a step at month {b}")
    if len(pages) == 2:
        first, second = (study.patients for study in studies)
        other = {
            i
            for i in {*first, *second}
            if (a := first.get(i)) is None or (b := second.get(i)) is None or (a.days, a.event) != (b.days, b.event)
        }
        curves = [_curves(page) for page in pages]
        if 0 < len(other) < studies[0].min_cell and curves[0] and curves[0] != curves[1]:
            tally.early_steps.append(f"seed: two curves differ by {len(other)} persons")


LINES: dict[str, tuple[Callable[[Page], list[Said]], Callable[[Patient], Kind]]] = {
    "cohort": (cohort_said, lambda p: (p.centre, *p.has)),
    "sex": (lambda page: level_said(page, "sex", False) + record_said(page), lambda p: (p.centre, p.sex)),
    "stage": (
        lambda page: level_said(page, "STAGE", False) + hazard_said(page, "STAGE", lambda k, v: k[1] == v),
        lambda p: (p.centre, p.stage),
    ),
    "age": (
        lambda page: level_said(page, "AGE", True) + hazard_said(page, "AGE", lambda k, v: k[1] is not None),
        lambda p: (p.centre, None if p.age is None else "known"),
    ),
    "crp": (
        lambda page: [
            *cohort_said(page)[:1],
            *(Said(c, lambda k, c=c: k[0] == c, n) for c, n in page.centres.items()),
            *_column(page, "analysis", "crp", lambda k: k[1] is not None),
            *(replace(one, drawn=False) for one in _column(page, "analysis", "high_crp", lambda k: k[1] is not None)),
            *empty_decided(page.record, "analysis.crp", lambda k: k[1] is not None),
            *coverage_said(page, "crp", lambda k: k[1] is not None),
        ],
        lambda p: (p.centre, p.high),
    ),
    "response": (response_said, lambda p: (p.response,)),
    "endpoint": (endpoint_said, lambda p: (p.centre, p.event, not p.event and p.days <= 1)),
}
"""Lines of attack: what is read, and what tells persons apart in it."""
BANDS = frozenset(f"{first}–{last}" for first in range(0, 200, 10) for last in (*range(9, 200, 10), 199))
CUBE_OF: dict[str, tuple[str, Callable[[Kind], frozenset[str]], bool]] = {
    "cohort": (
        "modalities",
        lambda k: frozenset([" + ".join(n for n, on in zip(ASSAYS, k[1:], strict=True) if on) or "none"]),
        True,
    ),
    "sex": ("sex", lambda k: frozenset([str(k[1])]), True),
    "stage": ("STAGE", lambda k: frozenset(["not known" if k[1] is None else str(k[1])]), True),
    "age": ("AGE", lambda k: frozenset(["not known"]) if k[1] is None else BANDS, False),
}
"""Dimension of the cube that a line tells apart, the levels that a kind may have, and whether that is one."""
OF_CENTRES = ("cohort", "sex", "stage", "age", "crp", "endpoint")
"""Lines that tell the persons of a centre apart."""
COLUMNS_OF = {
    "cohort": "analysis.",
    "sex": "subjects.sex",
    "stage": "subjects.STAGE",
    "age": "subjects.AGE",
    "crp": "analysis.crp",
    "response": "adrs",
    "endpoint": "adtte",
}
"""What the names of the columns begin with whose changes move persons within a line."""


def attack(seed: int, folder: Path, tally: Tally) -> None:
    """Attack two versions of one random study, each alone and both together."""
    rng = random.Random(seed)
    first = random_study(rng)
    studies = [first, later(rng, first)]
    folders = [write(first, folder / "out" / STUDY / first.version)]
    folders.append(write(studies[1], folder / "out" / STUDY / studies[1].version, folders[0]))
    site = write_catalogue(folder / "out", folder / "catalogue")
    pages = [Page.read(one, site / STUDY / one.name) for one in folders]
    attack_together(pages, studies, tally, f"seed {seed}")
    attack_curve(pages, studies, tally)


def main() -> None:
    """Print what an attacker made of many cohorts."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--cohorts", type=int, default=1000)
    asked.add_argument("--seed", type=int, default=0)
    given = asked.parse_args()
    tally = Tally()
    for seed in range(given.seed, given.seed + given.cohorts):
        with tempfile.TemporaryDirectory() as folder:
            attack(seed, Path(folder), tally)
        if (seed + 1) % 25 == 0:
            sys.stdout.write(f"{seed + 1} cohorts: {tally.summary()}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{tally.summary()}\n{tally.small_recovered}\n{tally.narrowed}\n{tally.early_steps}\n")


if __name__ == "__main__":
    main()
