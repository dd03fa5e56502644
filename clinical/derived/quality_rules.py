"""Thresholds of the checks of data quality, and ranges of analytes: the packaged YAML, and a study's own over it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML

from unibase.groundwork.problems import UserError
from unibase.groundwork.study_yaml import read_yaml

CAN_KEEP_OUT = (
    "plausibility/before-birth",
    "plausibility/value-range",
    "plausibility/sentinel-value",
    "plausibility/dose-far-off",
    "plausibility/impossible-tnm",
    "plausibility/sex-against-site",
    "plausibility/unit-by-distribution",
    "conformance/unit-mixed",
)
"""Checks that can keep what they flag out of tables, in the order in which they are asked."""


class Threshold(BaseModel):
    """What share of violations passes, what a failure means, and whether what is flagged enters tables (as packaged, where not said)."""

    model_config = ConfigDict(extra="forbid")

    threshold: float = Field(ge=0, le=100)
    stop: bool = False
    enters: bool | None = None


class Range(BaseModel):
    """Values of an analyte that can occur.

    Attributes:
        unit: UCUM code, in which the numbers are.
        low: The least value of a living person.
        high: The greatest one.
        typical: Between which the median of a centre's patients lies.
        units: Other units that laboratories report it in.
    """

    model_config = ConfigDict(extra="forbid")

    unit: str
    low: float
    high: float
    typical: tuple[float, float] | None = None
    units: list[str] = Field(default_factory=list)


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

    def kept_out(self) -> list[str]:
        """Return the checks of which what is flagged enters no table.

        >>> "plausibility/value-range" in QualityRules.default().kept_out()
        True
        """
        return [name for name in CAN_KEEP_OUT if (rule := self.checks.get(name)) is not None and rule.enters is False]

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
        own, base = _parsed(read_yaml(path, "quality rules"), Path(path).name), cls.default()
        unknown = sorted(set(own.checks) - set(base.checks))
        if unknown:
            raise UserError(f"{path}: no check is named {', '.join(unknown)}. Known are {', '.join(sorted(base.checks))}.")
        return cls({**base.checks, **_with_entry(own.checks, base.checks, str(path))}, {**base.ranges, **own.ranges})


def _with_entry(own: dict[str, Threshold | None], base: dict[str, Threshold | None], path: str) -> dict[str, Threshold | None]:
    """Return a study's thresholds: what they do not say of entry is as packaged, so that a threshold alone lets nothing in."""
    wrong = [name for name, rule in own.items() if rule is not None and rule.enters is False and name not in CAN_KEEP_OUT]
    if wrong:
        raise UserError(f"{path}: {wrong[0]} keeps nothing out. `enters: false` is for {', '.join(CAN_KEEP_OUT)}.")
    found = dict(own)
    for name, rule in own.items():
        packaged = base[name]
        if rule is not None and rule.enters is None and packaged is not None:
            found[name] = rule.model_copy(update={"enters": packaged.enters})
    return found


def _parsed(content: object, place: str) -> _File:
    try:
        return _File.model_validate(content)
    except ValidationError as error:
        lines = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()]
        raise UserError(f"The quality rules {place} are not usable:\n  " + "\n  ".join(lines)) from None
