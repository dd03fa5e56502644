"""Splits for teams that train models: fixed by the key, by subject, by centre, or by time.

Which part a subject is in depends on the key and the subject alone, so a split stays as it is when subjects are added
later, and nobody without the key can steer it. Folds are dealt in the order in which the ledger came to know the
subjects, the key deciding among those of one revision: they are balanced, and who comes later moves nobody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

import polars as pl

from unibase.groundwork.analysis_tables import SPLITS
from unibase.groundwork.problems import UserError
from unibase.linking.options import SplitRules
from unibase.privacy.keys import Key

_SCALE = float(2**64)


def split_by_subject(
    subjects: pl.DataFrame, key: Key, shares: Mapping[str, float], *, name: str = "split", family: Mapping[int, int] | None = None
) -> pl.DataFrame:
    """Return `subject_id, split`: every subject in one part, by its keyed draw, or by that of the first of its family.

    Args:
        subjects: Has `subject_id`; a subject's rows all fall into one part.
        key: Fixes the draw; `name` makes independent splits under one key.
        family: Family of each subject that has known relatives.
        shares: Share of each part, adding up to 1, such as `{"train": 0.7, "validation": 0.1, "test": 0.2}`.

    Raises:
        UserError: If the shares do not add up to 1.

    >>> shares = {"train": 0.8, "test": 0.2}
    >>> parts = split_by_subject(pl.DataFrame({"subject_id": [1, 2, 3]}), Key(bytes(32)), shares)
    >>> parts.columns
    ['subject_id', 'split']
    """
    if abs(sum(shares.values()) - 1) > 1e-9 or min(shares.values(), default=0) < 0:
        raise UserError(
            f"The shares of a split must add up to 1; {name} has {', '.join(f'{k} {v:g}' for k, v in shares.items())}."
        )
    ids = subjects["subject_id"].unique().sort()
    family = family or {}
    first: dict[int, int] = {}
    for member in sorted(family):
        first.setdefault(family[member], member)
    parts = [_part(_draw(key, name, first[family[one]] if one in family else one), shares) for one in ids.to_list()]
    return pl.DataFrame({"subject_id": ids, "split": pl.Series(parts, dtype=pl.String)})


@dataclass(frozen=True)
class Dealing:
    """What folds are balanced by, beside their size.

    Attributes:
        events: Subjects with an event of the endpoint that counts.
        centre: Centre of each subject.
        arrival: Revision of the ledger that first knew each subject; who is not in it comes last.
        family: Family of each subject that has known relatives, by any name; a family stays together.
    """

    events: Collection[int] = ()
    centre: Mapping[int, str] = field(default_factory=dict)
    arrival: Mapping[int, int] = field(default_factory=dict)
    family: Mapping[int, int] = field(default_factory=dict)

    def come_together(self, subjects: Collection[int]) -> list[list[int]]:
        """Return the subjects by family and revision, each sorted; who has no known relative comes alone.

        Args:
            subjects: Pseudonyms.

        >>> Dealing(arrival={1: 1, 2: 1, 3: 1, 4: 2}, family={1: 0, 3: 0, 4: 0}).come_together([4, 3, 2, 1])
        [[1, 3], [2], [4]]
        """
        found: dict[tuple[bool, int, int], list[int]] = {}
        for one in sorted(subjects):
            found.setdefault((one in self.family, self.family.get(one, one), self.turn(one)), []).append(one)
        return sorted(found.values())

    def turn(self, subject: int) -> int:
        """Return when a `subject` is dealt: by its revision, after all others where it is in none.

        >>> Dealing(arrival={1: 4}).turn(1), Dealing(arrival={1: 4}).turn(2)
        (4, 5)
        """
        return self.arrival.get(subject, self._last)

    @cached_property
    def _last(self) -> int:
        return max(self.arrival.values(), default=0) + 1


def folds_by_subject(
    subjects: pl.DataFrame, key: Key, folds: int, dealing: Dealing = Dealing(), *, name: str = "folds"
) -> pl.DataFrame:
    """Return `subject_id, fold`, folds numbered from 0, their sizes and their numbers of events each within one.

    Each subject in turn goes to a fold with the fewest of those with (or without) an event, of these to the smallest, of
    these to that with the fewest subjects of its centre, and else where the key says. Sizes then differ by one at most:
    of two folds, one that is ahead in events is never ahead in the others as well. Centres are spread as far as that allows.
    Relatives of one revision go to one fold together, before those who are alone, who even out what they leave; those who
    come later go to the fold of their family.

    Args:
        subjects: Has `subject_id`.
        key: Decides the order among subjects of one revision, and ties.
        folds: How many.
        dealing: Events, centres, order of arrival and families.
        name: Makes independent folds under one key.
    """
    together = dealing.come_together(subjects["subject_id"].unique().to_list())
    together.sort(key=lambda few: (dealing.turn(few[0]), -len(few), _draw(key, name, few[0])))
    held = _Held(folds, dealing)
    dealt: dict[int, int] = {}
    of_family: dict[int, int] = {}
    for few in together:
        fold = held.emptiest(few, int(_draw(key, f"{name}/tie", few[0]) * folds))
        if few[0] in dealing.family:
            fold = of_family.setdefault(dealing.family[few[0]], fold)
        dealt |= dict.fromkeys(few, fold)
        held.add(few, fold)
    ids = sorted(dealt)
    return pl.DataFrame(
        {"subject_id": ids, "fold": [dealt[one] for one in ids]}, schema={"subject_id": pl.Int64, "fold": pl.Int64}
    )


class _Held:
    """What each fold holds so far."""

    def __init__(self, folds: int, dealing: Dealing) -> None:
        self._folds, self._events, self._centre = folds, frozenset(dealing.events), dealing.centre
        self._size, self._of_kind, self._of_centre = Counter[int](), Counter[tuple[bool, int]](), Counter[tuple[str, int]]()

    def add(self, few: list[int], fold: int) -> None:
        self._size[fold] += len(few)
        self._of_kind.update((one in self._events, fold) for one in few)
        self._of_centre.update((self._centre.get(one, ""), fold) for one in few)

    def emptiest(self, few: list[int], start: int) -> int:
        """Return the fold with the fewest of their kinds, of these the smallest, with the fewest of their centres, from `start` on."""
        kinds = [one in self._events for one in few]
        centres = [self._centre.get(one, "") for one in few]

        def fullness(fold: int) -> tuple[int, int, int, int]:
            of_kinds = sum(self._of_kind[(kind, fold)] for kind in kinds)
            of_centres = sum(self._of_centre[(centre, fold)] for centre in centres)
            return of_kinds, self._size[fold], of_centres, (fold - start) % self._folds

        return min(range(self._folds), key=fullness)


def leave_one_centre_out(subjects: pl.DataFrame, family: Mapping[int, int] | None = None) -> pl.DataFrame:
    """Return `held_out, subject_id, split`: for each centre, its subjects as `test` and the others as `train`.

    A subject known to the held-out centre and to another is in neither part of that fold: the model would have seen
    the person it is tested on. Relatives of those who are tested, at other centres, are in neither part of it either.

    Args:
        subjects: `subject_id, centre`, a row per subject and centre.
        family: Family of each subject that has known relatives.

    >>> leave_one_centre_out(pl.DataFrame({"subject_id": [1, 2], "centre": ["lyon", "CHU-été"]})).rows()
    [('CHU-été', 1, 'train'), ('CHU-été', 2, 'test'), ('lyon', 1, 'test'), ('lyon', 2, 'train')]
    """
    pairs = subjects.select("subject_id", "centre").drop_nulls().unique().sort("centre", "subject_id")
    several = pairs.filter(pl.col("subject_id").is_duplicated())["subject_id"].unique()
    family = family or {}
    folds = []
    for centre in pairs["centre"].unique().sort():
        here = pairs.filter(pl.col("centre") == centre)["subject_id"]
        both = here.filter(here.is_in(several.implode()))
        tested = {family[one] for one in here if one in family}
        kin = [one for one, of in family.items() if of in tested and one not in set(here)]
        both = pl.concat([both, pl.Series("subject_id", kin, pl.Int64)])
        fold = (
            pairs.select("subject_id")
            .unique()
            .sort("subject_id")
            .filter(~pl.col("subject_id").is_in(both.implode()))
            .select(
                pl.lit(centre).alias("held_out"),
                "subject_id",
                pl.when(pl.col("subject_id").is_in(here.implode()))
                .then(pl.lit("test"))
                .otherwise(pl.lit("train"))
                .alias("split"),
            )
        )
        folds.append(fold)
    schema = {"held_out": pl.String, "subject_id": pl.Int64, "split": pl.String}
    return pl.concat([pl.DataFrame(schema=schema), *folds])


def split_by_time(index: pl.DataFrame, shift_days: Mapping[int, int], cut: datetime) -> pl.DataFrame:
    """Return `subject_id, split`: `train` when the true index is before `cut`, else `test`.

    Shifted dates say nothing of the order of subjects in time, so this needs the shifts and runs in the vault. The
    split tells one bit of each subject's true date; a release says so.

    Args:
        index: `subject_id, index_time`, shifted.
        shift_days: The shift of every subject (see `privacy.subjects.Subject`).
        cut: In true time.

    Raises:
        UserError: If a subject's shift is not known.
    """
    missing = set(index["subject_id"].to_list()) - set(shift_days)
    if missing:
        raise UserError(f"{len(missing)} subjects have no known date shift. Open the ledger that they come from.")
    days = pl.Series([shift_days[subject] for subject in index["subject_id"].to_list()], dtype=pl.Int64)
    true_time = pl.col("index_time") - pl.duration(days="_shift")
    return (
        index.with_columns(days.alias("_shift"))
        .select("subject_id", pl.when(true_time < cut).then(pl.lit("train")).otherwise(pl.lit("test")).alias("split"))
        .sort("subject_id")
    )


def places_of(subjects: pl.DataFrame) -> pl.DataFrame:
    """Return `subject_id, centre`, a row per subject and centre that knows it.

    Args:
        subjects: `subject_id, centres`, the centres parted by semicolons.

    >>> places_of(pl.DataFrame({"subject_id": [1, 2], "centres": ["lyon;CHU-été", None]})).rows()
    [(1, 'lyon'), (1, 'CHU-été')]
    """
    return subjects.select("subject_id", pl.col("centres").str.split(";").alias("centre")).explode("centre").drop_nulls()


def make_splits(
    subjects: pl.DataFrame,
    index: pl.DataFrame,
    rules: SplitRules,
    key: Key,
    shift_days: Mapping[int, int],
    dealing: Dealing = Dealing(),
) -> pl.DataFrame:
    """Return the splits that a study file asks for, in the columns of `SPLITS`, sorted.

    Args:
        subjects: From `subjects.describe_subjects`: `subject_id`, `centres`.
        index: `subject_id, index_time`, shifted.
        rules: Of the study file.
        key: Fixes the draws.
        shift_days: The shift of every subject, for the split by true time.
        dealing: What folds are balanced by.

    Raises:
        UserError: If the shares do not add up to 1, or a shift is not known.
    """
    found = [SPLITS.empty()]

    def add(scheme: str, held_out: str | pl.Expr, table: pl.DataFrame) -> None:
        held = pl.lit(held_out) if isinstance(held_out, str) else held_out
        found.append(
            table.select("subject_id", pl.lit(scheme).alias("scheme"), held.alias("held_out"), pl.col("split").alias("part"))
        )

    if rules.parts:
        add("parts", "", split_by_subject(subjects, key, rules.parts, family=dealing.family))
    if rules.folds:
        folds = folds_by_subject(subjects, key, rules.folds, dealing)
        for fold in range(rules.folds):
            part = pl.when(pl.col("fold") == fold).then(pl.lit("test")).otherwise(pl.lit("train"))
            add("folds", str(fold), folds.with_columns(part.alias("split")))
    if rules.by_centre:
        add("centre", pl.col("held_out"), leave_one_centre_out(places_of(subjects), dealing.family))
    if rules.by_time:
        cut = datetime(rules.by_time.year, rules.by_time.month, rules.by_time.day)
        add("time", "", split_by_time(index, shift_days, cut))
    return pl.concat(found).sort(pl.all())


def empty_parts(splits: pl.DataFrame, rules: SplitRules, centres: Collection[str]) -> list[str]:
    """Return the parts of splits that hold nobody, in words: too few subjects, one centre alone, one large family.

    Args:
        splits: From `make_splits`.
        rules: Of the study file.
        centres: Of the subjects, where some are left out one by one.

    Example:
        >>> row = {"subject_id": 1, "scheme": "centre", "held_out": "lyon", "part": "test"}
        >>> empty_parts(pl.DataFrame([row]), SplitRules(by_centre=True), ["lyon"])
        ['centre lyon: nobody in train']
    """
    wanted = [("parts", "", part) for part in rules.parts]
    wanted += [("folds", str(fold), part) for fold in range(rules.folds or 0) for part in ("train", "test")]
    wanted += [("centre", centre, part) for centre in sorted(centres) if rules.by_centre for part in ("train", "test")]
    there = set(splits.select("scheme", "held_out", "part").iter_rows())
    return [
        f"{scheme} {name}".strip() + f": nobody in {part}" for scheme, name, part in wanted if (scheme, name, part) not in there
    ]


def with_split(subjects: pl.DataFrame, splits: pl.DataFrame) -> pl.DataFrame:
    """Return the subjects with their part (`split`) and the fold they are tested in (`fold`), where `splits` has such.

    >>> splits = pl.DataFrame({"scheme": ["parts"], "held_out": [None], "subject_id": [7], "part": ["train"]})
    >>> with_split(pl.DataFrame({"subject_id": [7]}), splits).rows()
    [(7, 'train')]
    """
    parts = splits.filter(pl.col("scheme") == "parts").select("subject_id", pl.col("part").alias("split"))
    folds = splits.filter((pl.col("scheme") == "folds") & (pl.col("part") == "test")).select(
        "subject_id", pl.col("held_out").cast(pl.Int64).alias("fold")
    )
    for table in (parts, folds):
        if table.height:
            subjects = subjects.join(table, on="subject_id", how="left", maintain_order="left")
    return subjects


def _draw(key: Key, name: str, subject: int) -> float:
    return int.from_bytes(key.mac(f"split/{name}", str(subject))[:8], "big") / _SCALE


def _part(draw: float, shares: Mapping[str, float]) -> str:
    total = 0.0
    for part, share in shares.items():
        total += share
        if draw < total:
            return part
    return list(shares)[-1]
