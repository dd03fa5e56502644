"""The safe cube: blocks that tell of nobody alone, answers that hold the truth, and a page that counts as the command does."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.releases.browser import browser
from tests.releases.cohort_pages import ASSAYS, Patient, Study, later, random_study, write
from tests.releases.describe_example import DESCRIPTION
from unibase.flows.cli.everything import app
from unibase.groundwork.problems import UserError
from unibase.releases.catalogue.description import read_description
from unibase.releases.catalogue.site import with_cubes, write_site
from unibase.releases.content.released_cube import OLDEST, OTHERS, age_bands, level_of_modalities
from unibase.releases.disclosure import safe_cube
from unibase.releases.disclosure.safe_cube import SafeCube
from unibase.releases.read.how_many import Bounds, ask, how_many, levels_of, over_releases

CONDITIONS = {
    "sex = F": lambda p: p.sex == "F",
    "STAGE = III|IV": lambda p: p.stage in ("III", "IV"),
    "STAGE != I": lambda p: p.stage not in ("I", None),
    "STAGE unknown": lambda p: p.stage is None,
    "AGE >= 60": lambda p: p.age is not None and p.age >= 60,
    "AGE < 65": lambda p: p.age is not None and p.age < 65,
    "AGE = 71": lambda p: p.age == 71,
    "AGE known": lambda p: p.age is not None,
    "rna known": lambda p: p.has[0],
    "mutations unknown": lambda p: not p.has[1],
    "centre = lyon": lambda p: p.centre == "lyon",
    "centre != derived": lambda p: p.centre != "derived",
}


def large(seed: int) -> Study:
    """A study of so many that each number of its page is shown."""
    study = random_study(random.Random(seed))
    people = [one for one in study.patients.values() for _ in range(20)]
    return Study("1.0.0", 5, dict(enumerate(people, 1)))


def cube_of(study: Study, folder: Path, previous: Path | None = None) -> tuple[SafeCube | None, Path]:
    made = write(study, folder / study.version, previous)
    return safe_cube.read(made), made


def levels_of_person(one: Patient, bands: list[str], modalities: list[str]) -> dict[str, str]:
    """What the cube says of a person, worked out by hand; one of the bands holds the age, if any does."""
    ends = {band: tuple(map(int, band.split("–"))) for band in bands if "–" in band}
    combination = level_of_modalities(one.has, ASSAYS)
    shown = modalities or [combination]
    held = [band for band, (first, last) in ends.items() if one.age is not None and first <= one.age <= last]
    age = "not known" if one.age is None else "".join(held)
    stage = one.stage or "not known"
    return {"sex": one.sex, "STAGE": stage, "AGE": age, "modalities": combination if combination in shown else OTHERS}


def inside(people: Mapping[int, Patient], levels: Mapping[str, tuple[str, ...]], cube: SafeCube) -> set[int]:
    bands, every = list(levels.get("AGE", ())), list(levels_of(cube).get("modalities", ()))
    known = {i: levels_of_person(one, bands, every) for i, one in people.items()}
    return {i for i, own in known.items() if all(own[name] in those for name, those in levels.items())}


def asked_of(cube: SafeCube, conditions: list[str]) -> Bounds:
    return how_many(cube, ask(conditions, cube))


@pytest.mark.parametrize("seed", range(300, 304))
def test_blocks_are_disjoint_hold_all_and_none_is_of_a_few(seed: int, tmp_path: Path) -> None:
    study = random_study(random.Random(seed))
    cube, _ = cube_of(study, tmp_path)
    assert cube is not None and cube.version == "1.0.0"
    parts = [inside(study.patients, block.levels, cube) for block in cube.blocks]
    assert [len(part) for part in parts] == [block.persons for block in cube.blocks]
    assert sum(map(len, parts)) == len(study.patients) == len(set().union(*parts))
    assert min(map(len, parts)) >= study.min_cell


@pytest.mark.parametrize("seed", range(300, 302))
def test_answers_hold_the_truth_and_one_condition_that_the_page_tells_is_exact(seed: int, tmp_path: Path) -> None:
    study = random_study(random.Random(seed))
    cube, _ = cube_of(study, tmp_path)
    assert cube is not None
    exact = 0
    for size in (0, 1, 2, 3):
        for chosen in itertools.combinations(CONDITIONS, size):
            try:
                found = asked_of(cube, list(chosen))
            except KeyError:
                continue  # What the cube does not tell of is said.
            truth = sum(all(CONDITIONS[one](p) for one in chosen) for p in study.patients.values())
            assert found.least <= truth <= found.most, (chosen, found, truth)
            exact += size == 1 and found.least == found.most
    assert asked_of(cube, []) == Bounds(len(study.patients), len(study.patients)) and exact


@pytest.mark.parametrize("seed", range(300, 310))
def test_beside_the_cube_before_no_block_tells_of_a_few_who_came_or_left(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    first = random_study(rng)
    old, folder = cube_of(first, tmp_path)
    more = {9000 + n: rng.choice(list(first.patients.values())) for n in range(rng.choice([0, 3, first.min_cell, 60]))}
    people = {**later(rng, first).patients, **more}
    second, _ = cube_of(Study("1.1.0", first.min_cell, people), tmp_path, folder)
    assert old is not None and second is not None
    moved = {i for i in {*people, *first.patients} if people.get(i) != first.patients.get(i)}
    if second.version == "1.0.0":
        assert second == old and len(moved) < 60
        return
    for block in second.blocks:
        changed = inside(people, block.levels, second) ^ inside(first.patients, block.levels, second)
        assert not changed or len(changed) >= first.min_cell


@pytest.mark.parametrize("seed", range(5))
def test_a_band_of_ages_is_of_enough_persons_and_every_age_is_in_one(seed: int) -> None:
    rng = random.Random(seed)
    ages = [rng.uniform(18, 99.9) ** rng.choice([1, 0.9]) for _ in range(rng.choice([1, 4, 30, 300]))]
    bands = age_bands(ages, 7)
    held = [sum(first <= age < last + 1 for age in ages) for first, last in bands]
    assert sum(held) == len(ages) and (min(held) >= 7 or len(bands) == 1)
    assert bands[0][0] == 0 and bands[-1][1] == OLDEST
    assert all(one[1] + 1 == other[0] for one, other in itertools.pairwise(bands))


def test_a_cohort_of_a_few_has_no_cube(tmp_path: Path) -> None:
    study = random_study(random.Random(1))
    few = Study("1.0.0", 20, dict(itertools.islice(study.patients.items(), 12)))
    assert cube_of(few, tmp_path)[0] is None


def test_a_cohort_of_which_nothing_may_be_told_apart_is_counted_as_a_whole(tmp_path: Path) -> None:
    cube, _ = cube_of(random_study(random.Random(8032)), tmp_path)
    assert cube is not None and [block.levels for block in cube.blocks] == [{}]
    assert asked_of(cube, []) == Bounds(46, 46) and asked_of(cube, ["centre = lyon"]).most <= 46


REFUSED = {
    "STAGE >= II": "have no order",
    "AGE >= sixty": "with a number",
    "rna = yes": "is a modality",
    "nothing": "A filter is a column",
}


@pytest.mark.parametrize("condition", REFUSED)
def test_what_cannot_be_asked_is_refused_with_the_way_on(condition: str, tmp_path: Path) -> None:
    cube, folder = cube_of(large(302), tmp_path / "study")
    assert cube is not None
    with pytest.raises(UserError, match=REFUSED[condition]):
        over_releases([folder], [condition])


def test_the_command_answers_over_all_releases_from_cubes_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = 0
    for name, seed in (("été", 302), ("lung", 303)):
        study = large(seed)
        _, folder = cube_of(study, tmp_path / name)
        truth += sum(p.sex == "F" for p in study.patients.values())
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name != safe_cube.FILE:
                path.unlink()
    app(["howmany", str(tmp_path), "--where", "sex = F"], result_action="return_value")
    assert f"All that tell: {truth} subjects." in capsys.readouterr().out
    app(["howmany", str(tmp_path), "--where", "sex = F", "--json"], result_action="return_value")
    told = [one["bounds"] for one in json.loads(capsys.readouterr().out)["found"]]
    assert sum(one["least"] for one in told) == sum(one["most"] for one in told) == truth
    app(["howmany", str(tmp_path), "--where", "GRADE = 3"], result_action="return_value")
    said = capsys.readouterr().out
    assert "does not tell of GRADE" in said and "All that tell: 0 subjects." in said


@pytest.mark.parametrize("study", [large(302), random_study(random.Random(307))], ids=["all is shown", "some is hidden"])
def test_the_page_counts_as_the_command_does_and_asks_nobody(study: Study, tmp_path: Path) -> None:
    study = replace(study, patients={i: replace(p, centre=f"{p.centre} <b>") for i, p in study.patients.items()})
    cube, folder = cube_of(study, tmp_path)
    assert cube is not None
    levels = [("sex", "F"), ("STAGE", "III"), ("AGE", "60–69"), ("modalities", "rna"), ("centre", "lyon <b>")]
    compared = 0
    with browser(tmp_path / "profile") as page:
        page.open(folder / "report.html")
        for chosen in itertools.chain.from_iterable(itertools.combinations(levels, n) for n in range(3)):
            ticked = [f"#how_many fieldset[data-name='{name}'] input[value='{level}']" for name, level in chosen]
            if not all(page.run(f'!!document.querySelector("{one}")') for one in ticked):
                continue
            page.run("document.querySelector('#how_many form').reset()")
            for one in ticked:
                page.run(f'document.querySelector("{one}").click()')
            said = page.run("new Promise(r => setTimeout(() => r(document.querySelector('#how_many .count').textContent), 5))")
            asked = [f"{level} known" if name == "modalities" else f"{name} = {level}" for name, level in chosen]
            assert str(said).replace("–", " to ") == str(asked_of(cube, asked)), chosen
            compared += 1
        assert compared > 5 and not page.errors and all(address.startswith("file:") for address in page.requests)


def test_the_catalogue_counts_over_all_studies_as_the_command_does(tmp_path: Path) -> None:
    for name, study in (("été", large(302)), ("lung", random_study(random.Random(307)))):
        folder = tmp_path / "out" / name / study.version
        write(study, folder)
        about = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        (folder / "manifest.json").write_text(json.dumps({**about, "study": name}), encoding="utf-8")
    (tmp_path / "catalogue.yaml").write_text(DESCRIPTION, encoding="utf-8")
    description = read_description(tmp_path / "catalogue.yaml")
    site = write_site(tmp_path / "out", dict.fromkeys(("été", "lung"), description), tmp_path / "site")
    folders = with_cubes(site)
    asked = {
        "sex = F": "fieldset[data-name='sex'] input[value='F']",
        "STAGE = III|IV": "fieldset[data-name='STAGE'] :is(input[value='III'], input[value='IV'])",
        "AGE >= 60": "fieldset[data-name='AGE'] input[value^='6'], fieldset[data-name='AGE'] :is([value^='7'], [value^='8'])",
        "rna known": "fieldset[data-name='modalities'] input[value='rna']",
        "centre = lyon": "fieldset[data-name='centre'] input[value='lyon']",
    }
    with browser(tmp_path / "profile") as page:
        page.open(site / "index.html")
        for chosen in itertools.chain.from_iterable(itertools.combinations(asked, n) for n in range(3)):
            page.run("document.querySelector('.ask form').reset()")
            for one in chosen:
                ticked = f"Array.from(document.querySelectorAll({json.dumps(asked[one])})).map(box => box.click()).length"
                assert page.run(ticked), one
            said = "Array.from(document.querySelectorAll('.answers li b')).map(b => b.textContent)"
            told = page.run(f"new Promise(r => setTimeout(() => r({said}), 5))")
            expected = ["" if one.bounds is None else str(one.bounds) for one in over_releases(folders, list(chosen))]
            assert [text.replace("–", " to ") for text in told] == expected, chosen
        assert not page.errors and all(address.startswith("file:") for address in page.requests)
        assert page.axe() == []
