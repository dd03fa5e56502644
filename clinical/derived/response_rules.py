"""What a definition says of responses: where those of visits come from, and what a protocol decides about the best of them.

Models alone, without tables: a study file is checked against them before anything heavy is loaded.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Criteria = Literal["RECIST 1.1", "iRECIST", "RANO", "Lugano 2014", "IMWG", "PCWG3", "PSA", "reported", "IMWG reported"]


class Rules(BaseModel):
    """What a protocol decides.

    Attributes:
        stable_days: Stable disease needs an assessment at least so many days after the reference date.
        confirm_days: A response is confirmed by another at least so many days later; None asks for no confirmation.
        max_not_evaluable: So many NE may lie between a response and its confirmation.
        accept_stable: Whether one SD may lie between a PR and its confirmation.
        missing_as_not_evaluable: Whether a subject without assessment is NE, not MISSING.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    stable_days: int = Field(default=42, ge=0)
    confirm_days: int | None = Field(default=None, ge=1)
    max_not_evaluable: int = Field(default=1, ge=0)
    accept_stable: bool = False
    missing_as_not_evaluable: bool = False


class VisitResponse(BaseModel):
    """Overall responses at visits."""

    model_config = ConfigDict(extra="forbid")

    version: str
    text: str
    criteria: Criteria
    origin: str = "index"
    baseline_days: int = Field(default=28, ge=0)
    visit_days: int = Field(default=14, ge=0)


class BestOf(Rules):
    """A best response, and the overall responses it is the best of."""

    version: str
    text: str
    of: str
