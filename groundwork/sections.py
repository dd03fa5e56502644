"""Sections of a study file: what every room's options are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict

from unibase.groundwork.problems import UserError


class Section(BaseModel):
    """A part of the study file; a key it does not know is an error, not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def accepted[T](value: T, check: Callable[[Any], None]) -> T:
    """Return a value that a room's own check accepts; what it says is a fault of the study file."""
    try:
        check(value)
    except UserError as error:
        raise ValueError(str(error)) from None
    return value
