"""The disclosure policy of a release: what is made coarser, and how alike subjects must be for it to be published.

k-anonymity: every combination of the quasi-identifiers is shared by at least k subjects (Sweeney 2002). l-diversity:
among them, every sensitive column has at least l distinct values (Machanavajjhala et al. 2007, distinct form). Both are
computed on the subjects table as released, nulls counting as a value of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from unibase.groundwork.problems import UserError

ROUNDING, DIGITS = 1e-9, 9
"""0.3 is of the band that begins with 0.3, though 0.3 / 0.1 is a little less than 3 in binary."""
OTHER = "OTHER"
"""What rare codes are rolled up to."""
NAMES_OF_ROWS = frozenset({"subject_id", "PARAMCD"})
FOR = {
    "bands": "Bands are of numbers: take `dates` for a date, `rare` for a text.",
    "dates": "A date is cut to its month or year: take `bands` for a number, `rare` for a text.",
    "rare": "Rare texts are rolled up: take `bands` for a number, `dates` for a date.",
}
"""What each rule is for."""


@dataclass(frozen=True)
class DisclosurePolicy:
    """What a study asks of its releases.

    Attributes:
        quasi_identifiers: Columns of the subjects table by which an outsider could know a person.
        min_k: Smallest class allowed; 1 measures and refuses nothing.
        sensitive: Columns of which a class must not tell the value.
        min_l: Fewest distinct values of each sensitive column in a class.
        bands: Numeric column to the width of the bands it is cut to; the lower end is kept (67 in bands of 5 is 65).
        dates: Date column to `month` or `year`, of which the first day is kept.
        rare: Text column to the fewest subjects a value needs; rarer ones become `OTHER`.
    """

    quasi_identifiers: Sequence[str] = ()
    min_k: int = 1
    sensitive: Sequence[str] = ()
    min_l: int = 1
    bands: Mapping[str, float] = field(default_factory=dict)
    dates: Mapping[str, Literal["month", "year"]] = field(default_factory=dict)
    rare: Mapping[str, int] = field(default_factory=dict)

    def coarser(self) -> dict[str, str]:
        """Return each column that is made coarser, and what is kept of it.

        >>> DisclosurePolicy(bands={"AGE": 10}, dates={"INDEXDT": "year"}).coarser()
        {'AGE': 'bands of 10', 'INDEXDT': 'year'}
        """
        bands = {name: f"bands of {width:g}" for name, width in self.bands.items()}
        rare = {name: f"values of at least {least} subjects" for name, least in self.rare.items()}
        return {**bands, **self.dates, **rare}


def check_columns(policy: DisclosurePolicy, schemas: Mapping[str, pl.Schema]) -> None:
    """Refuse a policy that a release cannot keep to: a name that no table has would make nothing coarser, unseen.

    Args:
        policy: The policy.
        schemas: Name of each table of the release to its columns.

    Raises:
        UserError: If a column is in no table, is not of the type that the rule is for, or names rows.
    """
    for rule, wanted, fits in (
        ("bands", policy.bands, lambda dtype: dtype.is_numeric()),
        ("dates", policy.dates, lambda dtype: dtype.is_temporal()),
        ("rare", policy.rare, lambda dtype: dtype == pl.String),
    ):
        for name in wanted:
            types = [schema[name] for schema in schemas.values() if name in schema]
            if not types or name in NAMES_OF_ROWS:
                raise UserError(
                    f"release.disclosure.{rule} names {name}, which {'names the rows' if types else 'no table of the release has'}. "
                    f"Columns of subjects: {', '.join(schemas['subjects'])}."
                )
            if not all(map(fits, types)):
                raise UserError(f"release.disclosure.{rule}: {name} is of type {types[0]}. {FOR[rule]}")
    narrow = [name for name, width in policy.bands.items() if not width > 0]
    if narrow:
        raise UserError(f"release.disclosure.bands: the width of {', '.join(narrow)} is not above 0. Give one, such as 10.")


def rare_values(rows: pl.LazyFrame, policy: DisclosurePolicy) -> dict[str, list[str]]:
    """Return, for each column the policy rolls up, the values that too few subjects of the whole table have.

    Rolled up, they must be of enough subjects themselves: else the next rarest values go along.

    Args:
        rows: The table, with `subject_id` where a subject has several rows.
        policy: What is made coarser.
    """
    schema = rows.collect_schema()
    who = pl.col("subject_id").n_unique() if "subject_id" in schema else pl.len()
    return {
        name: _rare(rows.filter(pl.col(name).is_not_null()).group_by(name).agg(who.alias("__of")).collect(), name, least)
        for name, least in policy.rare.items()
        if name in schema
    }


def _rare(counted: pl.DataFrame, name: str, least: int) -> list[str]:
    """Return the values of fewer subjects than `least`, and as many of the next as make `least` together."""
    ordered = counted.sort("__of", name)
    small = ordered.filter(pl.col("__of") < least)
    if small.is_empty():
        return []
    together = ordered.with_columns((pl.col("__of").cum_sum() - pl.col("__of")).alias("__before"))
    chosen = together.filter((pl.col("__of") < least) | (pl.col("__before") < least))
    return chosen[name].sort().to_list()


def coarsen(frame: pl.DataFrame, policy: DisclosurePolicy, rare: Mapping[str, Sequence[str]] | None = None) -> pl.DataFrame:
    """Return `frame` with the policy's bands, dates and rare codes applied to the columns it has.

    Args:
        frame: A table, or a block of one.
        policy: What is made coarser.
        rare: What `rare_values` found in the whole table; counted in `frame` when not given.
    """
    rare = rare_values(frame.lazy(), policy) if rare is None else rare
    changes: list[pl.Expr] = []
    for name, width in policy.bands.items():
        if name in frame.columns:
            lower = ((pl.col(name) / width + ROUNDING).floor() * width).round(DIGITS)
            changes.append(lower.cast(frame.schema[name]).alias(name))
    for name, unit in policy.dates.items():
        if name in frame.columns:
            changes.append(pl.col(name).dt.truncate("1mo" if unit == "month" else "1y"))
    for name, values in rare.items():
        told = [beside for beside in (name, f"{name}_text") if name in frame.columns and beside in frame.columns]
        rolled_up = pl.col(name).is_in(list(values)) if name in frame.columns else pl.lit(False)
        changes += [pl.when(rolled_up).then(pl.lit(OTHER)).otherwise(pl.col(beside)).alias(beside) for beside in told]
    return frame.with_columns(changes)


@dataclass(frozen=True)
class Measured:
    """How far a table keeps to its policy.

    Attributes:
        quasi_identifiers: Columns by which subjects are alike.
        min_k: Fewest subjects that must be alike.
        k: Subjects of the smallest class.
        classes: Number of classes.
        subjects_below_min_k: Subjects in classes of fewer than `min_k`.
        min_l: Fewest values of a sensitive column that each class must have.
        l: Fewest values that a class has, by sensitive column.
    """

    quasi_identifiers: list[str]
    min_k: int
    k: int
    classes: int
    subjects_below_min_k: int
    min_l: int
    l: dict[str, int]  # noqa: E741


@dataclass(frozen=True)
class Promised:
    """What a release that was published keeps to.

    Attributes:
        quasi_identifiers: Columns by which subjects are alike.
        min_k: Fewest subjects that are alike.
        min_l: Fewest values of each sensitive column among them.
        sensitive: The sensitive columns.
    """

    quasi_identifiers: list[str]
    min_k: int
    min_l: int
    sensitive: list[str]


def measure(subjects: pl.DataFrame, policy: DisclosurePolicy) -> Measured | None:
    """Return k, l per sensitive column, and how many subjects stand in classes below `min_k`; None without a policy.

    Raises:
        UserError: If the policy names a column that the subjects table lacks.
    """
    wanted = [*policy.quasi_identifiers, *policy.sensitive]
    absent = [name for name in wanted if name not in subjects.columns]
    if absent:
        raise UserError(
            f"The disclosure policy names {', '.join(absent)}, which the subjects table lacks. It has: {', '.join(subjects.columns)}."
        )
    if not policy.quasi_identifiers:
        return None
    classes = subjects.group_by(list(policy.quasi_identifiers)).agg(
        pl.len().alias("__size"), *[pl.col(name).n_unique().alias(f"__{name}") for name in policy.sensitive]
    )
    small = classes.filter(pl.col("__size") < policy.min_k)
    return Measured(
        quasi_identifiers=list(policy.quasi_identifiers),
        min_k=policy.min_k,
        k=int(classes["__size"].min()),  # type: ignore[arg-type]
        classes=classes.height,
        subjects_below_min_k=int(small["__size"].sum()),
        min_l=policy.min_l,
        l={name: int(classes[f"__{name}"].min()) for name in policy.sensitive},  # type: ignore[arg-type]
    )


def promised(policy: DisclosurePolicy) -> Promised | None:
    """Return what a release that was published keeps to, for its page and manifest; None without quasi-identifiers.

    The size of the smallest class is a count of persons like any other, often of a few: it is told to whoever publishes,
    and never leaves.

    Args:
        policy: The policy.

    Example:
        >>> promised(DisclosurePolicy(["SEX", "AGE"], min_k=5))
        Promised(quasi_identifiers=['SEX', 'AGE'], min_k=5, min_l=1, sensitive=[])
    """
    if not policy.quasi_identifiers:
        return None
    return Promised(list(policy.quasi_identifiers), policy.min_k, policy.min_l, list(policy.sensitive))


def enforce(measured: Measured | None) -> None:
    """Refuse a release that fails its policy, by what `measure` found, `measured`.

    Raises:
        UserError: With how far it is from the policy, and what can be made coarser.
    """
    if measured is None:
        return
    columns = ", ".join(measured.quasi_identifiers)
    if measured.k < measured.min_k:
        raise UserError(
            f"The release is not published: {measured.subjects_below_min_k} subjects share {columns} with fewer than "
            f"{measured.min_k} (k is {measured.k}). Cut ages to wider bands, dates to years, or roll up rare codes."
        )
    low = [name for name, value in measured.l.items() if value < measured.min_l]
    if low:
        raise UserError(
            f"The release is not published: among subjects alike in {columns}, {', '.join(low)} has fewer than "
            f"{measured.min_l} values, and so can be told. Make {columns} coarser."
        )
