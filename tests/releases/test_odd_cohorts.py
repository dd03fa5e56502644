"""Odd cohorts: each is published whole, and read back as it was, or refused with what to change."""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mudata
import numpy as np
import polars as pl
import pytest

from tests.releases.examples import make_inputs
from unibase.groundwork.problems import UserError
from unibase.releases.content import manifest
from unibase.releases.content.inputs import ReleaseInputs
from unibase.releases.content.publish import publish_release

ODD_NAMES = (
    'a "quoted" one',
    "it's",
    "émoji 🧬",
    "semi;colon",
    "new\nline",
    "tab\there",
    "comma,too",
    "=1+1",
    "a/b",
    "   ",
    "<b>",
    "x" * 300,
)


def frame(table: object) -> pl.DataFrame:
    assert isinstance(table, pl.DataFrame)
    return table


def times(**columns: pl.Expr) -> Callable[[ReleaseInputs], ReleaseInputs]:
    return lambda inputs: replace(inputs, adtte=inputs.adtte.with_columns(**columns))


def centres(*names: str) -> Callable[[ReleaseInputs], ReleaseInputs]:
    def changed(inputs: ReleaseInputs) -> ReleaseInputs:
        names_of = pl.col("centre").replace(dict(zip("ABC", names, strict=True)))
        subjects, analysis = inputs.subjects.with_columns(names_of), frame(inputs.analysis).with_columns(names_of)
        return replace(inputs, subjects=subjects, analysis=analysis)

    return changed


def columns(*names: str) -> Callable[[ReleaseInputs], ReleaseInputs]:
    def changed(inputs: ReleaseInputs) -> ReleaseInputs:
        numbers = np.random.default_rng(1).normal(size=(len(names), inputs.subjects.height))
        more = [pl.Series(name, values) for name, values in zip(names, numbers, strict=True)]
        words = pl.DataFrame([{"column": name, "label": name, "derivation": "As named."} for name in names])
        return replace(inputs, analysis=frame(inputs.analysis).with_columns(more), dictionary=[*inputs.dictionary, words])

    return changed


def without(*what: str) -> Callable[[ReleaseInputs], ReleaseInputs]:
    def changed(inputs: ReleaseInputs) -> ReleaseInputs:
        empty: dict[str, Any] = {name: frame(getattr(inputs, name)).head(0) for name in what if name != "assays"}
        return replace(inputs, **empty, **({"assays": {}} if "assays" in what else {}))

    return changed


def first_of(table: str, column: str, value: float) -> Callable[[ReleaseInputs], ReleaseInputs]:
    def changed(inputs: ReleaseInputs) -> ReleaseInputs:
        rows = frame(getattr(inputs, table))
        put = pl.when(pl.int_range(pl.len()) == 0).then(value).otherwise(column).alias(column)
        return replace(inputs, **{table: rows.with_columns(put)})  # type: ignore[arg-type]

    return changed


def measure(value: float) -> Callable[[ReleaseInputs], ReleaseInputs]:
    def changed(inputs: ReleaseInputs) -> ReleaseInputs:
        rows = {"subject_id": inputs.subjects["subject_id"], "PARAMCD": "CRP", "AVAL": value}
        return replace(inputs, bds=pl.DataFrame(rows, schema_overrides={"AVAL": pl.Float64}))

    return changed


def in_subjects(name: str) -> Callable[[ReleaseInputs], ReleaseInputs]:
    def changed(inputs: ReleaseInputs) -> ReleaseInputs:
        words = pl.DataFrame([{"column": name, "label": "As named", "derivation": "As named."}])
        levels = pl.Series(name, [ODD_NAMES[n % 3] for n in range(inputs.subjects.height)])
        return replace(inputs, subjects=inputs.subjects.with_columns(levels), dictionary=[*inputs.dictionary, words])

    return changed


COHORTS: dict[str, tuple[int, Callable[[ReleaseInputs], ReleaseInputs]]] = {
    "one centre": (60, centres("lyon", "lyon", "lyon")),
    "centres with signs": (60, centres('CHU "é" 🧬', "l\nyon", "=Paris")),
    "a centre of nobody known": (60, lambda i: replace(i, subjects=i.subjects.with_columns(centre=pl.lit(None, pl.String)))),
    "all of one sex": (60, lambda i: replace(i, subjects=i.subjects.with_columns(sex=pl.lit("F")))),
    "nobody dead": (60, times(CNSR=pl.lit(1), EVNTDESC=pl.lit(None, pl.String))),
    "everybody dead on one day": (60, times(CNSR=pl.lit(0), AVAL=pl.lit(30.0))),
    "everybody dead on the first day": (60, times(CNSR=pl.lit(0), AVAL=pl.lit(0.0))),
    "no time known": (60, times(CNSR=pl.lit(None, pl.Int64), AVAL=pl.lit(None, pl.Float64))),
    "five subjects": (5, lambda inputs: inputs),
    "no endpoint": (60, without("adtte")),
    "300 columns": (60, columns(*(f"column{n}" for n in range(300)))),
    "columns with signs": (60, columns(*ODD_NAMES)),
    "a characteristic with signs": (60, in_subjects('semi;"colon"\n🧬')),
    "no modality at all": (60, without("features", "sample_map", "trace", "quarantine", "assays")),
}


@pytest.mark.parametrize("name", COHORTS)
def test_an_odd_cohort_is_read_back_as_it_was(name: str, tmp_path: Path) -> None:
    size, changed = COHORTS[name]
    inputs = changed(make_inputs(tmp_path / "in", subjects=size))
    release = publish_release(inputs, tmp_path / "out")
    assert manifest.verify(release) == []
    given = {"subjects": inputs.subjects, "analysis": frame(inputs.analysis), "adtte": inputs.adtte}
    for table, before in given.items():
        after = pl.read_parquet(release / "tables" / f"{table}.parquet")
        assert set(before.columns) <= set(after.columns)
        key = [column for column in ("subject_id", "PARAMCD") if column in before.columns]
        mine = before.columns if table != "subjects" else [c for c in before.columns if c not in ("index_time",)]
        assert after.select(mine).sort(key).equals(before.select(mine).sort(key)), table
        with (release / "csv" / f"{table}.csv").open(encoding="utf-8", newline="") as stream:
            heads, *rows = csv.reader(stream)
        assert heads == after.columns and len(rows) == after.height
    assert mudata.read_h5mu(release / "cohort.h5mu").n_obs == size
    spec = importlib.util.spec_from_file_location("load_release", release / "load_release.py")
    assert spec is not None and spec.loader is not None
    loader = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loader)
    loaded = loader.Release(str(release))
    known = inputs.adtte.drop_nulls("AVAL").height if inputs.adtte.height else 0
    if known:
        assert len(loaded.outcome("OS")) == known
    else:
        with pytest.raises(KeyError, match="no time of OS is known" if inputs.adtte.height else "no endpoint OS"):
            loaded.outcome("OS")


REFUSED: dict[str, tuple[Callable[[ReleaseInputs], ReleaseInputs], str]] = {
    "nobody": (without("subjects"), "The cohort is empty"),
    "a person twice": (
        lambda i: replace(i, subjects=pl.concat([i.subjects, i.subjects.head(1)])),
        "subjects table repeats 1 subjects",
    ),
    "an endpoint twice": (
        lambda i: replace(i, adtte=pl.concat([i.adtte, i.adtte.head(1)])),
        "adtte table repeats subjects in OS",
    ),
    "an infinite value": (first_of("analysis", "ldh", float("inf")), "analysis table holds infinite values in ldh"),
    "a value below all": (first_of("analysis", "ldh", float("-inf")), "analysis table holds infinite values in ldh"),
    "a time before the index": (first_of("adtte", "AVAL", -5.0), "times below 0 or without end in OS"),
    "a time without end": (first_of("adtte", "AVAL", float("inf")), "times below 0 or without end in OS"),
    "a time that is no number": (first_of("adtte", "AVAL", float("nan")), "times below 0 or without end in OS"),
    "an infinite age": (first_of("subjects", "age_at_index", float("inf")), "subjects table holds infinite .* age_at_index"),
    "an infinite measure": (measure(float("-inf")), "bds table holds infinite values in AVAL"),
    "an entry before the index": (times(ENTRY=pl.lit(-1.0)), "times below 0 or without end in OS.*AVAL or ENTRY empty"),
    "an entry that is no number": (times(ENTRY=pl.lit(float("nan"))), "times below 0 or without end in OS"),
    "a bound without end": (times(AVAL_MAX=pl.lit(float("inf"))), "times below 0 or without end in OS.*AVAL_MAX"),
    "a bound before the index": (times(AVAL_MIN=pl.lit(-3.0)), "times below 0 or without end in OS"),
    "a centre of two names": (centres("lyon;Paris", "CHU-été", "C"), "1 centres have ; or [|]"),
    "a centre with a bar": (centres("lyon", "CHU|été", "a;b"), "2 centres have ; or [|]"),
    "a slash in a characteristic": (in_subjects("g/dL"), r"columns with a slash.*g/dL\. Rename"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_released_is_refused_with_the_way_on(name: str, tmp_path: Path) -> None:
    changed, words = REFUSED[name]
    with pytest.raises(UserError, match=words):
        publish_release(changed(make_inputs(tmp_path / "in", subjects=20)), tmp_path / "out")


NO_NUMBERS = (
    ("analysis", "ldh", np.nan),
    ("features", "original_shape_MeshVolume", np.nan),
    ("bds", "AVAL", np.nan),
    ("features", "original_shape_MeshVolume", np.inf),
)


@pytest.mark.parametrize(("table", "column", "value"), NO_NUMBERS)
def test_what_is_no_number_is_an_empty_cell_with_its_reason(table: str, column: str, value: float, tmp_path: Path) -> None:
    inputs = measure(1.0)(make_inputs(tmp_path / "in", subjects=40))
    before = frame(getattr(inputs, table))
    release = publish_release(first_of(table, column, value)(inputs), tmp_path / "out")
    after = pl.read_parquet(release / "tables" / f"{table}.parquet")
    assert after[column].drop_nulls().is_finite().all() and after[column].null_count() == before[column].null_count() + 1
    assert not {"nan", "inf"} & set((release / "csv" / f"{table}.csv").read_text(encoding="utf-8").lower().split(","))
    words = pl.read_parquet(release / "dictionary" / "dictionary.parquet").filter(table=table, column=column)
    assert words["missing"][0] in (None, after[column].null_count())
    assert (words["missing_by_reason"][0] != "") == (table != "features")
