"""Blocks of text files end where records end, as a reader character by character says."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unibase.clinical.sources import record_bounds
from unibase.groundwork.problems import UserError


def last_end_by_character(text: str) -> int:
    """The automaton of Arrow's CSV reader: at the start of a field, inside one, inside quotes."""
    state, end, at = "start", 0, 0
    while at < len(text):
        character = text[at]
        if state == "quoted":
            if character == '"' and text[at + 1 : at + 2] == '"':
                at += 1
            elif character == '"':
                state = "inside"
        elif character in "\r\n":
            state, end = "start", at + 1
        elif character == ",":
            state = "start"
        else:
            state = "quoted" if state == "start" and character == '"' else "inside"
        at += 1
    return end


@given(st.text(alphabet='ab,""\n\r', max_size=30))
def test_the_last_end_of_a_record(text: str) -> None:
    assert record_bounds.last_end(text.encode(), ",") == last_end_by_character(text)


@given(st.lists(st.text(alphabet='ab,"\n\r', max_size=12), max_size=12), st.integers(1, 20), st.booleans())
def test_blocks_are_the_file(tmp_path_factory: pytest.TempPathFactory, parts: list[str], size: int, compressed: bool) -> None:
    content = "\n".join(parts).encode()
    path = tmp_path_factory.mktemp("cut") / ("a.csv.gz" if compressed else "a.csv")
    path.write_bytes(gzip.compress(content) if compressed else content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record_bounds, "BLOCK", size)
        with record_bounds.open_binary(path) as file:
            found = list(record_bounds.cut(file, path, ","))
        assert b"".join(found) == content
        lines = [block for stretch in record_bounds.line_stretches(path) for block in record_bounds.blocks(path, stretch, None)]
        assert b"".join(lines) == content
        assert all(block.endswith(b"\n") for block in lines[:-1])


def test_a_quote_that_stays_open_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_bounds, "LONGEST", 100)
    monkeypatch.setattr(record_bounds, "BLOCK", 50)
    path = tmp_path / "a.csv"
    path.write_text('a,b\n1,"2\n' + "3,4\n" * 100, encoding="utf-8")
    with path.open("rb") as file, pytest.raises(UserError, match="quote may be open"):
        list(record_bounds.cut(file, path, ","))
