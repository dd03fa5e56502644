"""What a study calls its endpoints and responses: versioned definitions in YAML, the packaged ones and its own over them."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML

from unibase.clinical.derived.response_rules import BestOf, VisitResponse
from unibase.groundwork.problems import UserError
from unibase.groundwork.study_yaml import read_yaml


class Named(BaseModel):
    """A concept, and what the table says of it.

    Attributes:
        concept: Name of the concept.
        text: Words for EVNTDESC or CNSDTDSC.
    """

    model_config = ConfigDict(extra="forbid")

    concept: str
    text: str


class EventOf(Named):
    """A concept that ends the time.

    Attributes:
        competing: It ends the time without being what is waited for (CNSR 2).
        after: Only its events after the first one of this concept count.
    """

    competing: bool = False
    after: str | None = None


class CensorOf(Named):
    """The concept whose latest event censors.

    Attributes:
        otherwise: The concept that takes its place for subjects of whom no centre reports a response (`reported_response`).
    """

    otherwise: str | None = None


class Definition(BaseModel):
    """One endpoint; see `endpoints.yaml`.

    Attributes:
        version: Of the definition; a change makes a new one.
        text: PARAM.
        origin: `index`, or the concept whose first event begins the time.
        origin_before: An origin counts only up to the first event of this concept.
        events: What ends the time; of one day the first named counts.
        censor: What censors it.
        stop_at: Nothing counts after the first event of these concepts.
        missed_days: An event so many days after the last sign of `censor` before it does not count: visits were missed.
    """

    model_config = ConfigDict(extra="forbid")

    version: str
    text: str
    origin: str = "index"
    origin_before: str | None = None
    events: list[EventOf] = Field(min_length=1)
    censor: CensorOf
    stop_at: list[Named] = Field(default_factory=list)
    missed_days: int | None = Field(default=None, ge=1)

    def concepts(self) -> list[str]:
        """Return the concepts that the endpoint looks for, each once."""
        named = [event.concept for event in (*self.events, self.censor, *self.stop_at)]
        further = [event.after for event in self.events] + [self.origin_before, None if self.origin == "index" else self.origin]
        return list(dict.fromkeys([*named, *(name for name in further if name)]))


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    endpoints: Literal[1]
    endpoint: dict[str, Definition] = Field(default_factory=dict)
    response: dict[str, VisitResponse] = Field(default_factory=dict)
    best_response: dict[str, BestOf] = Field(default_factory=dict)


@dataclass(frozen=True)
class Endpoints:
    """Definitions by PARAMCD: of times to an event, of responses at visits, and of the best of these."""

    by_code: dict[str, Definition] = field(default_factory=dict)
    responses: dict[str, VisitResponse] = field(default_factory=dict)
    best: dict[str, BestOf] = field(default_factory=dict)

    @classmethod
    def default(cls) -> Self:
        """Return the definitions that come with the package: OS, PFS, DFS, ...; responses OVR, IOVR; BOR, CBOR, IBOR, ...

        >>> "OS" in Endpoints.default().by_code
        True
        """
        text = files("unibase.clinical.derived").joinpath("endpoints.yaml").read_text(encoding="utf-8")
        return cls()._with(YAML(typ="safe").load(text), "unibase")

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """Read a study's definitions, the YAML file at `path`, over the packaged ones.

        Raises:
            UserError: Naming the key that is wrong.
        """
        return cls.default()._with(read_yaml(path, "endpoints"), Path(path).name)

    def _with(self, content: object, place: str) -> Self:
        """Return these definitions with those of a file over them; best responses refer to responses that there are."""
        own = _parsed(content, place)
        merged = type(self)(
            {**self.by_code, **own.endpoint}, {**self.responses, **own.response}, {**self.best, **own.best_response}
        )
        for code, best in merged.best.items():
            if best.of not in merged.responses:
                known = ", ".join(sorted(merged.responses))
                raise UserError(
                    f"The endpoints {place} are not usable:\n  best_response.{code}.of: no response {best.of}; known: {known}."
                )
        return merged

    def definition(self, code: str) -> Definition:
        """Return the definition of an endpoint by its `code`: `OS`, `PFS`.

        Raises:
            UserError: If there is none of this name.
        """
        if code not in self.by_code:
            raise UserError(
                f"No endpoint is named {code}. Known are {', '.join(sorted(self.by_code))}; more can be declared in YAML."
            )
        return self.by_code[code]


def _parsed(content: object, place: str) -> _File:
    try:
        return _File.model_validate(content)
    except ValidationError as error:
        lines = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()]
        raise UserError(f"The endpoints {place} are not usable:\n  " + "\n  ".join(lines)) from None
