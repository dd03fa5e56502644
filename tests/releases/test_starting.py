"""What a release brings for a first model: a program in Python, a notebook, and the numbers that prepare held-out subjects."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from unibase.releases.baseline.predictors import DESCRIBED, prepare
from unibase.releases.content import staging_words
from unibase.releases.content.preparation import write_preparation
from unibase.releases.content.publish import READERS

CENTRES = ("lyon", "CHU-été", "F")
PEOPLE = 240


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the tables of a release of three centres in which high `ldh` shortens life; one in eight of it is missing."""
    rng = np.random.default_rng(21)
    home = tmp_path_factory.mktemp("release")
    (home / "tables").mkdir()
    ids = pl.Series("subject_id", rng.permutation(np.arange(10_000, 10_000 + PEOPLE)))
    centre = [CENTRES[i % 3] for i in range(PEOPLE)]
    ldh = rng.normal(300, 60, PEOPLE)
    time = np.ceil(rng.exponential(500 * np.exp(-(ldh - 300) / 60))).astype(int)
    censored = rng.random(PEOPLE) < 0.2
    known = rng.random(PEOPLE) > 1 / 8
    stage = rng.choice(["I", "IIA", "IV"], PEOPLE).tolist()
    described = {"centre": centre, "SEX": ["F"] * PEOPLE, "STAGE": stage}
    tables = {
        "subjects": pl.DataFrame({"subject_id": ids, **described}),
        "analysis": pl.DataFrame({"subject_id": ids, "ldh": [v if k else None for v, k in zip(ldh, known, strict=True)]}),
        "adtte": pl.DataFrame({"subject_id": ids, "PARAMCD": "OS", "AVAL": time, "CNSR": censored.astype(int)}),
        "splits": pl.DataFrame(
            {
                "subject_id": [s for s in ids for _ in CENTRES],
                "scheme": "centre",
                "held_out": [c for _ in ids for c in CENTRES],
                "part": ["test" if c == own else "train" for own in centre for c in CENTRES],
            }
        ),
    }
    for name, frame in tables.items():
        frame.write_parquet(home / "tables" / f"{name}.parquet")
    write_preparation(home, 5)
    return home


@pytest.fixture
def release(folder: Path) -> Any:
    return runpy.run_path(str(READERS / "load_release.py"))["Release"](folder)


def test_nobody_is_on_both_sides_and_every_centre_is_held_out_once(release: Any) -> None:
    found = list(release.held_out("centre"))
    assert sorted(name for name, _, _ in found) == sorted(CENTRES)
    for name, train, test in found:
        assert not set(train) & set(test) and len(train) + len(test) == PEOPLE
        assert set(release.subjects.loc[test, "centre"]) == {name}
    split = release.splits
    release.splits = split.iloc[:0]
    for (name, *sides), (same, *computed) in zip(found, release.held_out("centre"), strict=True):
        assert name == same and all(set(a) == set(b) for a, b in zip(sides, computed, strict=True))
    release.subjects["centres"] = release.subjects["centre"].where(release.subjects.index != (moved := found[0][2][0]), "lyon;F")
    assert not any(moved in {*train, *test} for name, train, test in release.held_out("centre") if name in ("lyon", "F"))
    release.splits = split
    with pytest.raises(KeyError, match="no scheme time; the release has: centre"):
        next(release.held_out("time"))


def test_held_out_subjects_teach_nothing(release: Any, folder: Path) -> None:
    name, train, test = next(release.held_out("centre"))
    before = release.preparation(train)
    release.analysis.loc[test, "ldh"] = 1e9
    assert before.equals(release.preparation(train))
    # The same numbers by the baseline of the command line, and coarser ones in JSON.
    mean, sd = before.loc["ldh", ["mean", "sd"]]
    twin = prepare(release.analysis.loc[train, ["ldh"]].to_numpy(float), 10, 1)
    assert (twin.middle[0], twin.spread[0]) == pytest.approx((mean, sd), rel=1e-12)
    told = json.loads((folder / "preparation.json").read_text(encoding="utf-8"))["centre"][name]["ldh"]
    assert set(told) == {"mean", "sd"} and max(abs(told["mean"] - mean), abs(told["sd"] - sd)) <= 0.05 * sd
    x, unseen = release.predictors(train, test)
    assert x["ldh"].mean() == pytest.approx(0, abs=1e-9) and not x.isna().any().any() and not unseen.isna().any().any()
    main, other = release.predictors(train, test, components=1)
    assert main.columns.to_list() == ["component 1"] and other.shape == (len(test), 1)
    assert "SEX" not in x  # all are women: it does not vary
    assert sorted(release.values()["STAGE"].unique()) == [0.0, 1.0, 2.0]


def test_the_notebook_finds_the_planted_sign(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    pytest.importorskip("lifelines")
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(READERS))
    notebook = json.loads((READERS / "baseline.ipynb").read_text(encoding="utf-8"))
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    names: dict[str, Any] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    said = dict(line.rsplit(" ", 1) for line in capsys.readouterr().out.splitlines())
    scores = [float(one) for one in said.values()]
    assert set(said) == set(CENTRES) and min(scores) > 0.55 and sum(scores) / 3 > 0.6


def test_the_program_alone_knows_the_words_of_the_release() -> None:
    program = runpy.run_path(str(READERS / "load_release.py"))
    assert program["ORDER"] == staging_words.ORDER and program["DESCRIBED"] == DESCRIBED
    lines = (READERS / "load_release.py").read_text(encoding="utf-8").splitlines()
    assert not any("unibase" in line for line in lines)


def test_who_was_never_under_observation_is_no_outcome(release: Any) -> None:
    release.adtte = pd.DataFrame(
        {"subject_id": [1, 2, 3], "PARAMCD": "OS", "AVAL": [5.0, 5.0, None], "CNSR": [0, 1, 0], "ENTRY": [None, 9.0, 0.0]}
    )
    assert release.outcome("OS").to_dict("index") == {1: {"time": 5.0, "event": True, "entry": -1.0}}
    with pytest.raises(KeyError, match="no endpoint PFS; the release has: OS"):
        release.outcome("PFS")
