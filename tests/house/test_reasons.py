"""The reasons of the rooms: declared once, used where they are declared, and each told in full."""

from __future__ import annotations

import ast
import importlib
import pickle
from collections import Counter

import pytest

from tests.house.literal_reasons import literal_reasons
from tests.house.source import CHECKOUT, ROOMS, Module
from unibase.groundwork.problems import Unusable
from unibase.groundwork.reasons import Reason, declared

WITH_REASONS = [room for room in ROOMS if (CHECKOUT / room / "reasons.py").exists()]
LATE_SLICE = Reason("late-slice", "A slice came late.", "Wait for it.", "Slice 7 after the others.")


def test_a_reason_gives_what_a_refusal_does_not_say() -> None:
    bare, closer = Unusable(LATE_SLICE), Unusable(LATE_SLICE, "Slice 3 came late.", "Ask for it.")
    assert (bare.reason, bare.message, bare.remedy) == ("late-slice", "A slice came late.", "Wait for it.")
    assert (closer.message, closer.remedy) == ("Slice 3 came late.", "Ask for it.")
    assert type(bare.reason) is str


def test_a_reason_travels_as_plain_text() -> None:
    assert type(pickle.loads(pickle.dumps(LATE_SLICE))) is str
    assert str(pickle.loads(pickle.dumps(Unusable(LATE_SLICE)))) == "late-slice: A slice came late. Wait for it."


@pytest.mark.parametrize("room", WITH_REASONS)
def test_every_reason_is_told_in_full_and_used(room: str) -> None:
    module = f"unibase.{room}.reasons"
    reasons = declared(importlib.import_module(module))
    assert all(one.meaning.endswith(".") and one.remedy.endswith(".") and one.example for one in reasons.values())
    assert all(name == str(one).upper().replace("-", "_").replace(" ", "_") for name, one in reasons.items())
    assert [code for code, times in Counter(reasons.values()).items() if times > 1] == []
    spoken = _names(room)
    assert {name for name, one in reasons.items() if not {name, str(one)} & spoken} == set()


def test_a_code_is_declared_once() -> None:
    found = [one for room in WITH_REASONS for one in declared(importlib.import_module(f"unibase.{room}.reasons")).values()]
    assert [code for code, times in Counter({id(one): str(one) for one in found}.values()).items() if times > 1] == []


def test_a_literal_code_is_seen() -> None:
    text = """
class Refusal:
    reason: str
    message: str
Refusal("no-such-thing", "Nothing is there.")
Refusal(reasons.NO_SUCH_THING, "Nothing is there.")
PAIR = ("also-this", "It is not there.")
"""
    module = Module("omics/some.py", text, "")
    assert literal_reasons([module]) == ["omics/some.py:5 no-such-thing", "omics/some.py:7 also-this"]


def _names(room: str) -> set[str]:
    """Names that the files of a room and of the flows speak of, reasons aside; those of every room for the codes in common."""
    rooms = ROOMS if room in ("groundwork", "linking") else (room, "flows")
    files = [file for one in rooms for file in (CHECKOUT / one).glob("**/*.py")]
    nodes = [node for file in files if file.name != "reasons.py" for node in ast.walk(ast.parse(file.read_text("utf-8")))]
    spoken = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    # A check of concordance is named in tables of rooms that may not import it.
    written = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return spoken | written | {node.id for node in nodes if isinstance(node, ast.Name)}
