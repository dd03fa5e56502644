"""Concepts: the few names a study uses (`death`, `stage`, `ldh`), and the codes of every vocabulary that say them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache, reduce
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML

from unibase.clinical.words.vocabularies import MARKS
from unibase.groundwork.problems import UserError
from unibase.groundwork.study_yaml import read_yaml

if TYPE_CHECKING:
    import polars as pl

    from unibase.clinical.words.athena import Vocabulary
    from unibase.clinical.words.value_sets import ValueSets


def code_matches(codes: list[str], column: pl.Expr | None = None) -> pl.Expr:
    """Return the expression that is true for events with one of some codes; a `*` stands for any letters.

    A code of ICD-10 stands for itself with dagger or asterisk, one of CCAM for itself with extension and activity.

    Args:
        codes: Codes, or texts.
        column: Where they are looked for; the codes of events by default.
    """
    import polars as pl  # half a second; `unibase check` needs the names of concepts alone

    column = pl.col("code") if column is None else column
    exact = sorted({code for code in codes if "*" not in code})
    acts = [f"{code}-" for code in exact if code.startswith("CCAM//")]
    tests = [column.is_in(exact + [code + mark for code in exact if code.startswith("ICD10") for mark in MARKS])] if exact else []
    if acts:
        tests.append(column.str.starts_with("CCAM//") & column.str.replace("-.*$", "-").is_in(acts))
    for code in (code for code in codes if "*" in code):
        if code.index("*") == len(code) - 1:
            tests.append(column.str.starts_with(code[:-1]))
        else:
            tests.append(column.str.contains("^" + ".*".join(re.escape(part) for part in code.split("*")) + "$"))
    return reduce(lambda a, b: a | b, tests, pl.lit(False)).fill_null(False)


class CodedValue(BaseModel):
    """A code that says the concept only with one of these texts (whatever their case), or with a number in a range (ends included)."""

    model_config = ConfigDict(extra="forbid")

    code: str
    text: list[str] = Field(default_factory=list)
    number_from: float | None = None
    number_to: float | None = None

    @model_validator(mode="after")
    def _says_a_value(self) -> Self:
        if not self.text and self.number_from is None and self.number_to is None:
            raise ValueError("give `text`, `number_from` or `number_to`; a code alone belongs under `codes`")
        return self

    def matches(self) -> pl.Expr:
        """Return the expression that is true for events with this code and value."""
        import polars as pl  # half a second; `unibase check` needs the names of concepts alone

        test = code_matches([self.code])
        if self.text:
            test = test & code_matches([text.lower() for text in self.text], pl.col("text_value").str.to_lowercase())
        if self.number_from is not None:
            test = test & (pl.col("numeric_value") >= self.number_from)
        if self.number_to is not None:
            test = test & (pl.col("numeric_value") <= self.number_to)
        return test.fill_null(False)


class Concept(BaseModel):
    """The codes of one concept, in which a `*` stands for any letters.

    Attributes:
        codes: Codes that say it whatever their value.
        coded_values: Codes that say it with some values only.
        include: Other concepts whose events are events of this one.
        unless: Codes whose events are none of this concept, whatever else holds.
        unless_values: The same for codes with some values.
        ancestors: Codes whose descendants say it, by the vocabulary folder of the study.
        unless_ancestors: Codes whose descendants say it not.
        value_sets: ValueSets of FHIR, by url, id or name, whose codes say it.
    """

    model_config = ConfigDict(extra="forbid")

    codes: list[str] = Field(default_factory=list)
    coded_values: list[CodedValue] = Field(default_factory=list)
    include: list[str] = Field(default_factory=list)
    unless: list[str] = Field(default_factory=list)
    unless_values: list[CodedValue] = Field(default_factory=list)
    ancestors: list[str] = Field(default_factory=list)
    unless_ancestors: list[str] = Field(default_factory=list)
    value_sets: list[str] = Field(default_factory=list)

    def with_descendants(self, vocabulary: Vocabulary, all_known: bool) -> Concept:
        """Return the concept with the codes that a `vocabulary` has below its ancestors; `all_known` refuses those it does not hold."""
        if not self.ancestors and not self.unless_ancestors:
            return self
        below = [vocabulary.descendants(named, all_known=all_known) for named in (self.ancestors, self.unless_ancestors) if named]
        codes = below.pop(0) if self.ancestors else []
        unless = below.pop() if below else []
        further = {"codes": [*self.codes, *codes], "unless": [*self.unless, *unless], "ancestors": [], "unless_ancestors": []}
        return self.model_copy(update=further)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    concepts: Literal[1]
    version: str
    concept: dict[str, Concept]


@cache
def _packaged() -> _File:
    text = files("unibase.clinical.words").joinpath("concepts.yaml").read_text(encoding="utf-8")
    return _File.model_validate(YAML(typ="safe").load(text))


@dataclass(frozen=True)
class Concepts:
    """Concepts by name, with the version of each file they come from.

    Attributes:
        by_name: The concepts.
        versions: Each file and its version.
        molecules: Codes of drugs and the code of ATC of their molecule, where a vocabulary says it.
    """

    by_name: dict[str, Concept] = field(default_factory=dict)
    versions: tuple[str, ...] = ()
    molecules: Mapping[str, str] = field(default_factory=dict)

    def with_vocabulary(self, vocabulary: Vocabulary | None) -> Concepts:
        """Return the concepts with the codes below their ancestors, as a `vocabulary` has them.

        Raises:
            UserError: If a study's own concept names ancestors, and there is no vocabulary; or one that it does not hold.
        """
        packaged = _packaged().concept
        own = {name for name, one in self.by_name.items() if one != packaged.get(name)}
        if vocabulary is None:
            needing = [name for name in own if self.by_name[name].ancestors or self.by_name[name].unless_ancestors]
            if needing:
                told = "Say in the study file where the vocabulary is: `vocabulary: folder`."
                raise UserError(f"The concept {min(needing)} names ancestors. {told}")
            return self
        by_name = {name: one.with_descendants(vocabulary, name in own) for name, one in self.by_name.items()}
        return replace(self, by_name=by_name, molecules=vocabulary.molecules())

    def with_value_sets(self, sets: ValueSets | None) -> Concepts:
        """Return the concepts with the codes of the ValueSets that they name, as the vocabulary folder, `sets`, has them.

        Raises:
            UserError: If a concept names one that is not there, or cannot be worked out.
        """
        naming = {name: one for name, one in self.by_name.items() if one.value_sets}
        if not naming:
            return self
        if sets is None:
            told = "Say in the study file where it lies: `vocabulary: folder`."
            raise UserError(f"The concept {min(naming)} names a value set. {told}")
        found = {
            name: one.model_copy(
                update={"codes": [*one.codes, *sorted(set().union(*(sets.codes(v) for v in one.value_sets)))], "value_sets": []}
            )
            for name, one in naming.items()
        }
        return replace(self, by_name={**self.by_name, **found})

    @classmethod
    def default(cls) -> Self:
        """Return the concepts that come with the package."""
        packaged = _packaged()
        return cls(
            {name: concept.model_copy(deep=True) for name, concept in packaged.concept.items()}, (f"unibase {packaged.version}",)
        )

    @classmethod
    def read(cls, path: Path | str, base: Concepts | None = None) -> Self:
        """Read a study's concepts over those of `base`, by default the packaged ones.

        Args:
            path: YAML of concepts.
            base: What it adds to.

        Raises:
            UserError: Naming the key that is wrong.
        """
        own = cls._of(read_yaml(path, "concepts"), Path(path).name)
        under = base or cls.default()
        merged = cls({**under.by_name, **own.by_name}, (*under.versions, *own.versions))
        for name in own.by_name:
            merged._check_included(name, (), Path(path).name)
        return merged

    def _check_included(self, name: str, before: tuple[str, ...], place: str) -> None:
        """Refuse a concept that includes one there is not, or itself."""
        if name not in self.by_name or name in before:
            what = "includes itself" if name in before else "is not known"
            raise UserError(f"The concepts {place} are not usable: {' > '.join((*before, name))} {what}.")
        for included in self.by_name[name].include:
            self._check_included(included, (*before, name), place)

    @classmethod
    def _of(cls, content: object, place: str) -> Self:
        try:
            parsed = _File.model_validate(content)
        except ValidationError as error:
            lines = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()]
            raise UserError(f"The concepts {place} are not usable:\n  " + "\n  ".join(lines)) from None
        return cls(parsed.concept, (f"{place} {parsed.version}",))

    def names(self) -> list[str]:
        """Return the names of all concepts.

        >>> "living_act" in Concepts.default().names()
        True
        """
        return sorted(self.by_name)

    def matches(self, name: str) -> pl.Expr:
        """Return the expression, over EVENTS, that is true for events of a concept.

        Raises:
            UserError: If no concept has this name.
        """
        if name not in self.by_name:
            raise UserError(f"No concept is named {name}. Known are {', '.join(self.names())}; more can be declared in YAML.")
        concept = self.by_name[name]
        test = code_matches(concept.codes)
        for one in concept.coded_values:
            test = test | one.matches()
        for included in concept.include:
            test = test | self.matches(included)
        if concept.unless:
            test = test & ~code_matches(concept.unless)
        for one in concept.unless_values:
            test = test & ~one.matches()
        return test

    def codes(self, name: str) -> list[str]:
        """Return the codes of the concept `name`, in order; one that ends in `*` stands for all that begin so.

        >>> Concepts.default().codes("death")
        ['MEDS_DEATH']
        """
        concept = self.by_name[name]
        return list(dict.fromkeys([*concept.codes, *(one.code for one in concept.coded_values)]))

    def may_match(self, name: str, prefix: str) -> bool:
        """Return whether an event whose code begins with `prefix` can belong to the concept `name`; see `matches`."""
        concept = self.by_name[name]
        if any(code.endswith("*") and prefix.startswith(code[:-1]) for code in concept.unless):
            return False
        for code in [*concept.codes, *(one.code for one in concept.coded_values)]:
            literal = code.split("*", 1)[0]
            if code.startswith(prefix) or ("*" in code and (prefix.startswith(literal) or literal.startswith(prefix))):
                return True
        return any(self.may_match(included, prefix) for included in concept.include)

    def select(self, events: pl.DataFrame, name: str) -> pl.DataFrame:
        """Return those of the `events` (EVENTS) that are of the concept `name`, in their order."""
        return events.filter(self.matches(name))
