"""What an attacker with an integer program makes of what a release shows: no masked count, and no time of one person."""

from __future__ import annotations

import itertools
import random
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp

from tests.releases import attacker
from tests.releases.examples import make_inputs
from unibase.methods.survival import kaplan_meier
from unibase.releases.content.publish import publish_release
from unibase.releases.content.weighing import read_people
from unibase.releases.disclosure import cohort_counts, column_counts, level_counts, row_counts
from unibase.releases.disclosure.cohort_counts import Before, Cell, CohortCounts, People, Person
from unibase.releases.disclosure.column_counts import Filled, ground_of, pack
from unibase.releases.disclosure.small_counts import is_small
from unibase.releases.disclosure.steps import stepped

CENTRES = ("lyon", "Paris", "CHU-été", "derived")
ASSAYS = ("rna", "mutations", "copy_number")


def random_people(rng: random.Random, size: int) -> People:
    shares = [rng.uniform(0.2, 0.95) for _ in ASSAYS]
    centres = CENTRES[: rng.randint(2, 4)]
    weights = [rng.uniform(0.1, 1) for _ in centres]
    return People(
        ASSAYS,
        {i: Person(rng.choices(centres, weights)[0], "", tuple(rng.random() < share for share in shares)) for i in range(size)},
    )


def later(rng: random.Random, people: People) -> People:
    """A second version: a few came, left, or got a further modality; or nothing changed at all."""
    of = dict(people.of)
    for _ in range(rng.choice([0, 0, 1, 3, 8])):
        of[len(people.of) + len(of)] = rng.choice(list(people.of.values()))
    for one in rng.sample(sorted(people.of), rng.choice([0, 0, 2])):
        del of[one]
    for one in rng.sample(sorted(set(of) & set(people.of)), rng.choice([0, 3])):
        of[one] = replace(of[one], has=(True, *of[one].has[1:]))
    return People(people.modalities, of)


def small_cells(counts: CohortCounts, min_cell: int) -> list[Cell]:
    tally = Counter(counts.people.of.values())
    return [
        cell
        for cell in counts.counts
        if is_small(sum(n for p, n in tally.items() if cell.holds(p, counts.people.modalities)), min_cell)
    ]


def bounds(rows: list[np.ndarray], values: list[int], goal: np.ndarray) -> tuple[float, float]:
    kept = LinearConstraint(np.array(rows), values, values)
    ends = []
    for sign in (1, -1):
        found = milp(sign * goal, constraints=kept, integrality=np.ones(len(goal)), bounds=Bounds(0, np.inf))
        ends.append(sign * found.fun if found.status == 0 else np.inf)
    return ends[0], ends[1]


def two_versions_recovered(seed: int) -> tuple[int, int]:
    """Attack the cohort's counts of two versions of a random study: how many hidden small counts there are, and are found out."""
    rng = random.Random(seed)
    min_cell, first = rng.randint(5, 20), random_people(rng, rng.randint(30, 250))
    second = later(rng, first)
    then = cohort_counts.weigh(first, min_cell)
    shown = {cell.text(first.modalities): n for cell, n in then.counts.items() if n is not None}
    now = cohort_counts.weigh(second, min_cell, Before(first, shown))
    kinds = sorted({*first.of.values(), *second.of.values()}, key=repr)
    size = len(kinds)
    # Unknown: who stayed alike, who left or changed, who came or changed. All of version 1 are the first two, of 2 the outer two.
    rows, values, attacked = [], [], []
    # Without anybody who came or left, and with the table of changes silent, the two versions are of the same numbers.
    fixed = now.added == 0 and now.removed == 0 and all(second.of.get(i) == p for i, p in first.of.items())
    for counts, parts in ((then, (1, 1, 0)), (now, (1, 0, 1))):
        tally = Counter(counts.people.of.values())
        for cell, value in counts.counts.items():
            inside = np.array([cell.holds(kind, ASSAYS) for kind in kinds], dtype=float)
            row = np.concatenate([part * inside for part in parts])
            if value is not None:
                rows.append(row)
                values.append(value)
            elif is_small(sum(n for p, n in tally.items() if cell.holds(p, ASSAYS)), min_cell):
                attacked.append(row)
    if fixed:
        rows += list(np.eye(3 * size)[size:])
        values += [0] * (2 * size)
    recovered = 0
    for row in attacked:
        low, high = bounds(rows, values, row)
        recovered += high - low < min_cell - 1
    return len(attacked), recovered


@pytest.mark.parametrize("seed", range(6))
def test_no_hidden_count_of_two_versions_is_recovered(seed: int) -> None:
    _, recovered = two_versions_recovered(seed)
    assert recovered == 0


def test_the_attack_finds_what_is_not_protected() -> None:
    # Of 90, 57 with mutations, 70 with copy number, and the combinations of 20 and 13: 7 are left.
    kinds = [(True, True), (True, False), (False, True), (False, False)]
    rows = [np.ones(4), *(np.array([float(k[m]) for k in kinds]) for m in (0, 1)), np.eye(4)[2], np.eye(4)[3]]
    assert bounds(rows, [90, 57, 70, 20, 13], np.eye(4)[1]) == (7, 7)


@pytest.mark.parametrize("seed", range(8))
def test_a_column_tells_of_nobody_who_has_the_modality_and_yet_no_value(seed: int) -> None:
    rng = random.Random(seed)
    min_cell, people = rng.randint(5, 20), random_people(rng, rng.randint(60, 250))
    counts = cohort_counts.weigh(people, min_cell)
    ids = sorted(people.of)
    gap = rng.sample([i for i in ids if people.of[i].has[0]], rng.randint(1, 3))
    has = [people.of[i].has[0] and i not in gap for i in ids]
    missing = len(ids) - sum(has)
    outside = sum(not people.of[i].has[0] for i in ids)
    ground = ground_of(counts, min_cell)
    whole = Filled(pack(people.of[i].has[0] for i in ids), (("not done", outside),))
    part = Filled(pack(has), (("not done", outside), ("not known", missing - outside)) if outside else (("not known", missing),))
    shown = column_counts.weigh({"rna_sample": whole, "rna_TP53": part}, ground)["rna_TP53"]
    # With the modality shown, one of the missing cells and their reasons must be hidden; by centre, no difference is of a few.
    assert shown.missing is None
    assert dict(shown.reasons).get("not known") is None
    parent = dict(column_counts.weigh({"rna_sample": whole}, ground)["rna_sample"].by_centre)
    for centre, pair in shown.by_centre:
        if pair is not None:
            above = parent[centre]
            assert above is not None and not is_small(above[0] - pair[0], min_cell) and not is_small(pair[1] - pair[0], min_cell)


@pytest.mark.parametrize("seed", range(6))
def test_a_table_of_characteristics_holds_against_all_tables(seed: int) -> None:
    rng = random.Random(seed)
    min_cell, people = rng.randint(5, 20), random_people(rng, rng.randint(60, 200))
    counts = cohort_counts.weigh(people, min_cell)
    level_of = [rng.choices(["I", "II", "III", ""], [6, 3, 1, 0.3])[0] for _ in people.of]
    found = level_counts.weigh(level_of, counts, min_cell)
    groups = [(centre, level) for centre in counts.centres for level in found.levels]
    truth = Counter(zip([people.of[i].centre for i in sorted(people.of)], level_of, strict=True))

    def row(centre: str, level: str | None) -> np.ndarray:
        return np.array([centre in ("", c) and level in (None, v) for c, v in groups], dtype=float)

    rows, values = [row("", None)], [len(people.of)]
    for centre in counts.centres:
        if (size := counts.counts[Cell(centre=centre)]) is not None:
            rows.append(row(centre, None))
            values.append(size)
    for (centre, level), count in found.counts.items():
        if count is not None:
            rows.append(row(centre, level))
            values.append(count)
    for centre, level in found.counts:
        goal = row(centre, level)
        if is_small(int(goal @ np.array([truth[g] for g in groups])), min_cell):
            low, high = bounds(rows, values, goal)
            assert high - low >= min_cell - 1


def levels_of_two_versions_recovered(seed: int) -> tuple[int, int]:
    """Attack a characteristic of two versions of a random study: how many hidden small counts there are, and are found out."""
    rng = random.Random(seed)
    min_cell, first = rng.randint(5, 20), random_people(rng, rng.randint(60, 200))
    second = later(rng, first)
    level = {i: rng.choices(["I", "II", "III", ""], [6, 3, 1, 0.3])[0] for i in {**first.of, **second.of}}
    corrected = {**level, **{i: "II" for i in rng.sample(sorted(level), rng.choice([0, 2, 4]))}}
    then, now = ({i: (p.centre, of[i]) for i, p in people.of.items()} for people, of in ((first, level), (second, corrected)))
    sizes = cohort_counts.weigh(first, min_cell)
    shown = {cell.text(first.modalities): n for cell, n in sizes.counts.items() if n is not None}
    later_sizes = cohort_counts.weigh(second, min_cell, Before(first, shown))
    old = level_counts.weigh([then[i][1] for i in sorted(then)], sizes, min_cell)
    seen = frozenset(kind for kind, n in old.counts.items() if n is not None)
    centres = frozenset(c for c in sizes.centres if sizes.counts[Cell(centre=c)] is not None)
    before = level_counts.LevelsBefore(then, seen, centres)
    new = level_counts.weigh([now[i][1] for i in sorted(now)], later_sizes, min_cell, before)
    kinds = sorted({*then.values(), *now.values()})
    rows, values, attacked = [], [], []
    given: list[bool] = []
    if all(now.get(i, kind) == kind for i, kind in then.items()):
        # The table of changes names no column of the subjects: who is in both versions is as before.
        for part, moved in ((2, later_sizes.added), (1, later_sizes.removed)):
            if moved is not None:
                rows.append(np.repeat(np.eye(3)[part], len(kinds)))
                values.append(moved)
                given.append(True)
    for of, counts, cohort, parts in ((then, old, sizes, (1, 1, 0)), (now, new, later_sizes, (1, 0, 1))):
        known = [((c, None), cohort.counts[Cell(centre=c)]) for c in cohort.centres]
        for (centre, named), value in [(("", None), len(of)), *known, *counts.counts.items()]:
            inside = np.array([centre in ("", c) and named in (None, v) for c, v in kinds], dtype=float)
            row = np.concatenate([part * inside for part in parts])
            truth = sum(centre in ("", c) and named in (None, v) for c, v in of.values())
            if value is not None:
                rows.append(row)
                values.append(value)
                given.append(of is then or named is None)
            elif is_small(truth, min_cell):
                attacked.append(row)
    recovered = 0
    for row in attacked:
        low, high = bounds(rows, values, row)
        if high - low < min_cell - 1:
            # What the sizes of both versions and the numbers of the first leave open cannot be widened by the second.
            least, most = bounds(
                [r for r, g in zip(rows, given, strict=True) if g], [v for v, g in zip(values, given, strict=True) if g], row
            )
            recovered += high - low < most - least or high == low
    return len(attacked), recovered


@pytest.mark.parametrize("seed", range(6))
def test_no_hidden_characteristic_of_two_versions_is_recovered(seed: int) -> None:
    assert levels_of_two_versions_recovered(seed)[1] == 0


def endpoints_of_two_versions_recovered(seed: int) -> tuple[int, int]:
    """Attack the events of an endpoint in two versions: how many hidden small counts there are, and are found out."""
    rng = random.Random(seed)
    min_cell, size = rng.randint(5, 20), rng.randint(20, 120)
    then = {i: (True, rng.random() < 0.3) for i in range(size)}
    now = {**then, **{i: (True, True) for i in rng.sample(range(size), rng.choice([0, 1, 3]))}}
    now |= {size + i: (True, rng.random() < 0.5) for i in range(rng.choice([0, 0, 2, 12]))}
    asked = [
        row_counts.Count("followed", pl.col("followed"), 5),
        row_counts.Count("events", pl.col("followed") & pl.col("event"), 4),
        row_counts.Count("censored", pl.col("followed") & ~pl.col("event"), drawn=False),
    ]

    def rows_of(of: dict[int, tuple[bool, bool]]) -> row_counts.Rows:
        rows = [(i, "OS", followed, event, None if event else "x") for i, (followed, event) in of.items()]
        frame = pl.DataFrame(rows, ["subject_id", "PARAMCD", "followed", "event", "CNSDTDSC"], orient="row")
        why = frame.select(pl.when(pl.col("CNSDTDSC").is_null()).then(pl.lit("not applicable")).alias("CNSDTDSC"))
        return row_counts.Rows(frame, why, ["PARAMCD", "followed", "event"])

    first = row_counts.weigh(rows_of(then), asked, min_cell)
    cells = [("CNSDTDSC", None), *(("CNSDTDSC", reason) for reason, n in first.reasons["CNSDTDSC"] if n is not None)]
    shown = [name for name, n in first.counts.items() if n is not None] + (
        cells if first.missing["CNSDTDSC"] is not None else cells[1:]
    )
    added = None if is_small(len(now) - size, min_cell) else len(now) - size
    before = row_counts.RowsBefore(rows_of(then), asked, frozenset(shown), added, 0)
    second = row_counts.weigh(rows_of(now), asked, min_cell, before)
    # Unknown: events and censored, who stayed alike, left or changed, came or changed.
    known: list[np.ndarray] = []
    values, attacked = [], []
    if all(now[i] == kind for i, kind in then.items()):
        known, values = [np.repeat([0.0, 1.0, 0.0], 2)], [0]
    for of, counts, parts in ((then, first, (1, 1, 0)), (now, second, (1, 0, 1))):
        events = sum(event for _, event in of.values())
        empty = counts.missing["CNSDTDSC"]
        for inside, truth, value in (
            ((1, 1), len(of), len(of)),
            ((1, 0), events, counts.counts["events"]),
            ((1, 0), events, empty),
            ((0, 1), len(of) - events, None),
        ):
            row = np.concatenate([part * np.array(inside, dtype=float) for part in parts])
            if value is not None:
                known.append(row)
                values.append(value)
            elif is_small(truth, min_cell):
                attacked.append(row)
    found = [bounds(known, values, row) for row in attacked]
    return len(found), sum(high - low < min_cell - 1 for low, high in found)


@pytest.mark.parametrize("seed", range(6))
def test_no_hidden_event_of_two_versions_is_recovered(seed: int) -> None:
    assert endpoints_of_two_versions_recovered(seed)[1] == 0


@pytest.mark.parametrize("seed", range(6))
def test_no_step_of_a_curve_stands_at_the_time_of_a_person(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size, min_cell = int(rng.integers(40, 400)), int(rng.integers(5, 21))
    days = np.ceil(rng.exponential(600, size)) + 1
    followed = rng.integers(100, 1800, size)
    curve = kaplan_meier(np.minimum(days, followed) / 30.4375, days <= followed)
    drawn = stepped(curve, 0, min_cell)
    assert drawn is not None
    ends = [0, *(step.month for step in drawn.steps)]
    events = [int(curve.events[(curve.time > a) & (curve.time <= b)].sum()) for a, b in itertools.pairwise(ends)]
    assert all(n >= min_cell for n in events)
    # What is drawn is Kaplan-Meier's estimate but for the rounding of the counts.
    assert all(abs(step.survival - curve.at(step.month)) < 1.5 * min_cell / size for step in drawn.steps)


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("attacked")
    inputs = make_inputs(folder / "in", subjects=130, seed=5)
    named = dict(zip("ABC", ("lyon", "CHU-été", "derived"), strict=True))
    inputs = replace(
        inputs,
        subjects=inputs.subjects.with_columns(pl.col("centre").replace(named)),
        analysis=inputs.analysis.with_columns(pl.col("centre").replace(named)),  # type: ignore[union-attr]
    )
    first = publish_release(inputs, folder / "out")
    fewer = replace(inputs, version="1.1.0", previous=first, subjects=inputs.subjects.head(127))
    return [first, publish_release(fewer, folder / "out")]


def test_the_files_of_a_release_give_no_masked_count_away(versions: list[Path]) -> None:
    for release in versions:
        unknown, masked = attacker.read(release)
        assert len(unknown.rows) > 10 and masked
        assert [found for found in attacker.solve(unknown, masked) if found.low == found.high] == []
        # Combinations that are not drawn and that a few persons have: the attacker cannot narrow them.
        people = read_people(release)
        drawn = attacker.Tables((release / "report.html").read_text(encoding="utf-8")).sections["modalities"][0][:-1]
        order = [people.modalities.index(name) for name in drawn]
        alike = Counter(tuple(person.has[place] for place in order) for person in people.of.values())
        few = [pattern for pattern, count in alike.items() if is_small(count, 11)]
        ends = [unknown.bounds(unknown.of(pattern=pattern)) for pattern in few]
        assert few and all(high - low >= 10 for low, high in ends)


def test_three_who_left_are_not_told(versions: list[Path]) -> None:
    text = versions[1].joinpath("report.html").read_text(encoding="utf-8")
    assert re.search(r"• subjects added, • removed|0 subjects added, • removed", text)
    record = pl.read_parquet(versions[1] / "disclosure.parquet")
    assert not record.filter((pl.col("output") == "changes") & (pl.col("number") == "removed"))["shown"].item()
    assert record.filter(~pl.col("shown") & pl.col("value").is_not_null()).is_empty()


def test_no_time_of_a_person_is_on_the_page(versions: list[Path]) -> None:
    text = versions[0].joinpath("report.html").read_text(encoding="utf-8")
    adtte = pl.read_parquet(versions[0] / "tables" / "adtte.parquet")
    assert 'class="censor"' not in text and 'class="lane"' not in text
    points = re.search(r'class="curve" points="([^"]+)"', text)
    assert points is not None
    places = sorted({float(point.split(",")[0]) for point in points[1].split()})
    deaths = adtte.filter(pl.col("CNSR") == 0).height
    assert len(places) <= 1 + deaths // 11 + 1
