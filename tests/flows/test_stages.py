"""Stages declare what they read and leave; the order, the page and what a run may reach follow from that."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from unibase.flows.runs.pipeline import ALL, STAGES
from unibase.flows.runs.run import Run
from unibase.flows.runs.stage import Stage, in_order
from unibase.flows.study.places import DICOM, SERIES, Place
from unibase.flows.study.workspace import Workspace
from unibase.groundwork.work import WorkLedger

A, B, C = Place("a", "a"), Place("b", "b"), Place("c", "c")


def test_the_build_runs_in_this_order() -> None:
    names = [
        "people",
        "clinical",
        "fetch",
        "deidentify",
        "index",
        "segment",
        "features",
        "images",
        "omics",
        "identity",
        "normalise",
        "timeline",
        "link",
    ]
    assert [stage.name for stage in STAGES] == names
    assert [stage.name for stage in ALL] == [*names, "release"]


def test_a_stage_comes_after_those_that_leave_what_it_reads_and_else_as_given() -> None:
    last, first, free = (
        Stage("last", "", reads=(A,), leaves=(B,)),
        Stage("first", "", leaves=(A,)),
        Stage("free", "", leaves=(C,)),
    )
    assert [stage.name for stage in in_order([last, first, free])] == ["first", "last", "free"]


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        ([Stage("one", "", reads=(A,))], "one reads a, which no stage leaves"),
        ([Stage("one", "", leaves=(A,)), Stage("two", "", leaves=(A,))], "two and one both leave a"),
        ([Stage("one", "", reads=(A,), leaves=(B,)), Stage("two", "", reads=(B,), leaves=(A,))], "wait for each other"),
    ],
)
def test_what_cannot_be_ordered_is_said(stages: list[Stage], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        in_order(stages)


def test_a_stage_reaches_no_place_that_it_did_not_declare(tmp_path: Path) -> None:
    study: Any = SimpleNamespace(work=Workspace(tmp_path), centres={}, log=None, study="trial")
    with WorkLedger(tmp_path / "work.sqlite") as ledger:
        run = Run(study, None, ledger)  # type: ignore[arg-type]
        reached: list[Path] = []
        Stage("good", "", reads=(SERIES,), run=lambda run: reached.append(run.place(SERIES)))(run)
        assert reached == [tmp_path / "staging/imaging/series.parquet"]
        with pytest.raises(LookupError, match="did not declare staging/imaging/dicom"):
            Stage("bad", "", reads=(SERIES,), run=lambda run: run.place(DICOM))(run)
        assert run.place(DICOM)  # outside a stage everything may be looked at


def test_the_page_is_what_the_stages_declare() -> None:
    docs = Path(__file__).resolve().parents[2] / "docs"
    made = runpy.run_path(str(docs / "generate_architecture.py"))["page"]()
    assert made == (docs / "architecture.md").read_text(encoding="utf-8")
