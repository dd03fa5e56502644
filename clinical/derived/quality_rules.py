"""Thresholds of the checks of data quality, and ranges of analytes: the packaged YAML, and a study's own over it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from unibase.groundwork.problems import UserError


class Threshold(BaseModel):
    """What share of violations passes, and what a failure means."""

    model_config = ConfigDict(extra="forbid")

    threshold: float = Field(ge=0, le=100)
    stop: bool = False


class Range(BaseModel):
    """Values of an analyte that can occur."""

    model_config = ConfigDict(extra="forbid")

    unit: str
    low: float
    high: float


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    quality: Literal[1]
    checks: dict[str, Threshold | None] = Field(default_factory=dict)
    ranges: dict[str, Range] = Field(default_factory=dict)


@dataclass(frozen=True)
class QualityRules:
    """Thresholds by `category/check`, and ranges by code."""

    checks: dict[str, Threshold | None]
    ranges: dict[str, Range]

    @classmethod
    def default(cls) -> Self:
        """Return the rules that come with the package."""
        text = files("unibase.clinical.derived").joinpath("quality.yaml").read_text(encoding="utf-8")
        parsed = _parsed(YAML(typ="safe").load(text), "unibase")
        return cls(parsed.checks, parsed.ranges)

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """Read a study's rules, the YAML file at `path`, over the packaged ones.

        Raises:
            UserError: Naming the key that is wrong, or a check that does not exist.
        """
        try:
            content = YAML(typ="safe").load(Path(path).read_text(encoding="utf-8"))
        except (OSError, YAMLError) as error:
            raise UserError(f"The quality rules {path} cannot be read as YAML: {type(error).__name__}.") from None
        own, base = _parsed(content, Path(path).name), cls.default()
        unknown = sorted(set(own.checks) - set(base.checks))
        if unknown:
            raise UserError(f"{path}: no check is named {', '.join(unknown)}. Known are {', '.join(sorted(base.checks))}.")
        return cls({**base.checks, **own.checks}, {**base.ranges, **own.ranges})


def _parsed(content: Any, place: str) -> _File:
    try:
        return _File.model_validate(content)
    except ValidationError as error:
        lines = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()]
        raise UserError(f"The quality rules {place} are not usable:\n  " + "\n  ".join(lines)) from None
