"""Which codes the records of each centre hold, how often, in how many persons, and which concept takes each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import polars as pl

from unibase.clinical import tables
from unibase.clinical.words.concepts import Concepts, code_matches
from unibase.groundwork.tables import centre_of

CODES = tables.CODES.schema()
"""One row a code and centre. `concepts` are those that take it, with some value or with any; `nearest` is one that would with a few
letters less, where none takes it."""

COVERAGE = tables.COVERAGE.schema()
"""One row a concept and centre; 0 where a centre has none."""

_UMBRELLAS = ("last_contact", "living_act", "contradicts_death", "stay")
"""Concepts that say of nearly every code that a person was alive: they explain no code."""

_BY_LETTERS = ("ICD10", "ICD10CM", "ICD10GM", "ICDO3", "ATC", "CCAM", "OPS")
"""Vocabularies in which codes that begin alike are alike."""
_MODALITY = re.compile(r"((?:PRESCRIBED|DISPENSED|STATED|ASSERTED|PLANNED|SUSPECTED|REPORT|IMPOSSIBLE//[^/]+)//)+(.+)")
"""Codes that say more than an act: that it was ordered, planned, suspected, stated, or cannot be true."""
_ALIKE = 2
"""So many letters, at least, must be the same for a concept to be near."""


def code_table(datasets: Mapping[str, Path], concepts: Concepts) -> pl.DataFrame:
    """Return CODES of the datasets of some centres, the most common codes first; one shard is in memory at a time.

    Args:
        datasets: Folder of the MEDS dataset of each centre.
        concepts: Concepts of the study.
    """
    table = _counted(datasets)
    said = [name for name in concepts.names() if name not in _UMBRELLAS]
    taken = table.select("code").unique().with_columns(_takes(concepts, name).alias(name) for name in said)
    named = pl.concat_list(pl.when(name).then(pl.lit(name)) for name in said).list.drop_nulls().list.join(", ")
    explained = taken.select("code", named.alias("concepts"))
    free = explained.filter(pl.col("concepts") == "")["code"].to_list()
    near = {code: _nearest(code, concepts, said) for code in free} | _held_back(free, concepts, said)
    nearest = pl.col("code").replace_strict(near, default=None, return_dtype=pl.String).fill_null("")
    table = table.join(explained.with_columns(nearest.alias("nearest")), on="code", how="left")
    ordered = table.sort("persons", "events", "code", "centre", descending=[True, True, False, False])
    return ordered.select(pl.col(name).cast(dtype) for name, dtype in CODES.items())


def _counted(datasets: Mapping[str, Path]) -> pl.DataFrame:
    """Return `code, centre, events, persons` of the datasets; one shard is in memory at a time."""
    counted = [pl.DataFrame(schema={"code": pl.String, "centre": pl.String, "events": pl.Int64, "persons": pl.Int64})]
    for centre, folder in datasets.items():
        parts = []
        for shard in sorted((folder / "data").glob("*.parquet")):
            events = pl.read_parquet(shard, columns=["subject_id", "code"])
            parts.append(events.group_by("code").agg(pl.len().cast(pl.Int64).alias("events"), _persons()))
        if parts:
            # A subject is in one shard.
            total = pl.concat(parts).group_by("code").agg(pl.col("events", "persons").sum())
            counted.append(total.select("code", pl.lit(centre).alias("centre"), "events", "persons"))
    return pl.concat(counted)


def coverage(datasets: Mapping[str, Path], concepts: Concepts, names: Sequence[str]) -> pl.DataFrame:
    """Return COVERAGE of some concepts: how many events each centre has of them, and in how many persons.

    Args:
        datasets: Folder of the MEDS dataset of each centre.
        concepts: Concepts of the study.
        names: Those that are looked for.
    """
    rows: list[tuple[str, str, int, int, None]] = []
    for centre, folder in datasets.items():
        found = dict.fromkeys(names, (0, 0))
        for shard in sorted((folder / "data").glob("*.parquet")):
            events = pl.read_parquet(shard, columns=["subject_id", "code", "numeric_value", "text_value"])
            for name in names:
                own = concepts.select(events, name)
                found[name] = (found[name][0] + own.height, found[name][1] + own["subject_id"].n_unique())
        rows += [(name, centre, *counts, None) for name, counts in found.items()]
    return pl.DataFrame(rows, schema=COVERAGE, orient="row").sort("concept", "centre", maintain_order=True)


def coverage_of(
    blocks: Iterable[pl.DataFrame], concepts: Concepts, asked: Mapping[str, str], centres: Sequence[str]
) -> pl.DataFrame:
    """Return COVERAGE of a timeline: of records, images and samples together.

    Args:
        blocks: EVENTS, whole subjects each.
        concepts: Concepts of the study.
        asked: Those that are looked for, and by what they are asked for.
        centres: Names of the centres.
    """
    parts = [pl.DataFrame(schema={"concept": pl.String, "centre": pl.String, "events": pl.Int64, "persons": pl.Int64})]
    for block in blocks:
        own = block.with_columns(centre_of())
        for name in asked:
            counted = concepts.select(own, name).group_by("centre").agg(pl.len().cast(pl.Int64).alias("events"), _persons())
            parts.append(counted.select(pl.lit(name).alias("concept"), "centre", "events", "persons"))
    total = pl.concat(parts).group_by("concept", "centre").agg(pl.col("events", "persons").sum())
    every = pl.DataFrame({"concept": list(asked)}, schema={"concept": pl.String}).join(
        pl.DataFrame({"centre": list(centres)}, schema={"centre": pl.String}), how="cross"
    )
    found = every.join(total, on=["concept", "centre"], how="left").with_columns(
        pl.col("events", "persons").fill_null(0), pl.col("concept").replace_strict(dict(asked)).alias("asked_by")
    )
    return found.select(*COVERAGE).sort("concept", "centre")


def _persons() -> pl.Expr:
    return pl.col("subject_id").n_unique().cast(pl.Int64).alias("persons")


def _takes(concepts: Concepts, name: str) -> pl.Expr:
    """Return the expression that is true for codes which a concept takes, with whatever value."""
    concept = concepts.by_name[name]
    test = code_matches([*concept.codes, *(one.code for one in concept.coded_values)])
    for included in concept.include:
        test = test | _takes(concepts, included)
    return test & ~code_matches(concept.unless) if concept.unless else test


def _held_back(codes: Sequence[str], concepts: Concepts, names: Sequence[str]) -> dict[str, str]:
    """Return, of those `codes` that say more than the bare act, the concepts that would take the act itself.

    A prescription, a plan or a suspicion is no act, so no concept takes it; a study may name the whole code in its own file.
    """
    bare = {code: found[2] for code in codes if (found := _MODALITY.match(code))}
    frame = pl.DataFrame({"code": sorted(set(bare.values()))}, schema={"code": pl.String})
    takers: dict[str, str] = {}
    for name in names:
        for code in frame.filter(_takes(concepts, name))["code"]:
            takers.setdefault(code, name)
    return {code: f"{takers[act]}, but it is {code[: -len(act) - 2]}" for code, act in bare.items() if act in takers}


def _nearest(code: str, concepts: Concepts, names: Sequence[str]) -> str:
    vocabulary, _, value = code.partition("//")
    if vocabulary not in _BY_LETTERS:
        return ""
    best, most = "", _ALIKE - 1
    for name in names:
        for known in concepts.by_name[name].codes:
            other, _, prefix = known.partition("//")
            alike = _common(value, prefix.split("*", 1)[0]) if other == vocabulary else 0
            if alike > most:
                best, most = f"{name} ({known})", alike
    return best


def _common(left: str, right: str) -> int:
    return next((place for place, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
