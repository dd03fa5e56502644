"""Fetched files are flushed to disk one by one; whether a disk does that is not tried here."""

from __future__ import annotations

import pytest

from unibase.groundwork import files


@pytest.fixture
def no_flush(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_flush", lambda path: None)
