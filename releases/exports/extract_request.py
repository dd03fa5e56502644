"""Requests for extracts: what an approval names, and whose rows it means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from unibase.groundwork.files import digest_of
from unibase.groundwork.problems import UserError
from unibase.releases.content.declared_yaml import read_declared

DateRule = Literal["relative", "month", "year", "none"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Condition(_Strict):
    """One condition on a column of `subjects` or `analysis`; all conditions of a request hold together."""

    column: str
    is_in: Annotated[list[str | int | float] | None, Field(alias="in")] = None
    min: float | None = None
    max: float | None = None
    known: bool | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Condition:
        if self.is_in is None and self.min is None and self.max is None and self.known is None:
            raise ValueError("a condition needs one of: in, min, max, known")
        return self


class Request(_Strict):
    """A request as approved; the keys of `unibase extract REQUEST.yaml`.

    Attributes:
        project: Name of the project: lower case, digits, hyphens. Its pseudonyms depend on it.
        approval: Reference of the approval.
        recipients: Public age keys (`age1...`) the extract is encrypted for.
        expires: Last day of the approval.
        subjects: Conditions, all of which a subject meets.
        variables: Table (`subjects`, `analysis`, `adtte`) to columns.
        matrices: Modality of the cohort file (`rna`, `mutations`, `radiomics`) to variables.
        version: 1, and one more for each further request of the project; its pseudonyms stay the same.
        given_to: Who receives it, and how they are reached, such as `INSERM U1234, dpo@example.org`: the rights desk names them.
        endpoints: Endpoints (PARAMCD) whose rows of `adtte` leave; all of them where none is named.
        images: Modalities of the images whose voxels leave, of those that the release holds; each store under the project's names.
        head_images: Why images that may show a face leave as well; empty keeps them out.
        noise: Most noise in measured numbers, as a share of a column's spread, within what a measurement repeats to; days from the
            index move by up to a week. It is the project's own, so that two projects share no value. 0 leaves values exact.
        joins: Why rows may leave that can be joined with those of an earlier extract, such as the approval that allows it. Without
            it such a request is refused; a limit that the release sets stands whatever is said here.
        dates: `relative` gives days from the index; `month` and `year` the first day; `none` leaves dates out.
    """

    project: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    approval: str = Field(min_length=1)
    recipients: list[str] = Field(min_length=1)
    expires: date
    subjects: list[Condition] = []
    variables: dict[Literal["subjects", "analysis", "adtte"], list[str]]
    matrices: dict[str, list[str]] = {}
    dates: DateRule = "relative"
    version: int = Field(default=1, ge=1)
    endpoints: list[str] = []
    images: list[str] = []
    head_images: str = ""
    given_to: str = ""
    noise: float = Field(default=0.1, ge=0, le=1)
    joins: str = ""

    @property
    def name(self) -> str:
        """Name of the extract: the project, and its version from the second on."""
        return self.project if self.version == 1 else f"{self.project}-v{self.version}"

    @property
    def digest(self) -> str:
        """Digest of all that the request asks for; to whom it is encrypted does not count."""
        # Exact values are what was given before there was noise: such a request is the same one.
        apart = {"recipients", "given_to", "joins"} | ({"noise"} if self.noise == 0 else set())
        return digest_of(self.model_dump(mode="json", by_alias=True, exclude=apart))


def read_request(path: Path | str) -> Request:
    """Read the request file at `path`.

    Raises:
        UserError: Naming each key that is missing or wrong.
    """
    return read_declared(path, Request, "request")


def subjects_of(release: Path, conditions: Sequence[Condition]) -> pl.Series:
    """Return the subjects of a release who meet all conditions.

    Raises:
        UserError: If a column is unknown, or `min` or `max` is asked of what is no number.
    """
    frame = pl.read_parquet(release / "tables" / "subjects.parquet")
    analysis = pl.read_parquet(release / "tables" / "analysis.parquet")
    frame = frame.join(analysis.select("subject_id", pl.exclude(frame.columns)), on="subject_id", how="left")
    for place, condition in enumerate(conditions):
        name = condition.column
        if name not in frame.columns:
            raise UserError(
                f"subjects.{place}.column: neither subjects nor analysis has {name}. dictionary/dictionary.csv lists all."
            )
        if (condition.min is not None or condition.max is not None) and not frame.schema[name].is_numeric():
            raise UserError(f"subjects.{place}: {name} is no number, so min and max do not fit. Use `in`.")
        for test in _tests(condition, frame.schema[name]):
            frame = frame.filter(test)
    return frame["subject_id"]


def _tests(condition: Condition, dtype: pl.DataType) -> Iterator[pl.Expr]:
    column = pl.col(condition.column)
    if condition.is_in is not None:
        yield column.cast(pl.String).is_in([str(v) for v in condition.is_in])
    if condition.min is not None:
        yield column >= condition.min
    if condition.max is not None:
        yield column <= condition.max
    if condition.known is not None:
        yield column.is_not_null() if condition.known else column.is_null()
