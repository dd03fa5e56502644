"""The code that makes a cohort again, with polars and mudata alone: what was chosen by hand can be repeated and reviewed."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from unibase.releases.explore.cohort_filter import EVENT, Columns, Condition, value_of

_HEAD = '''"""The subjects of {study} {version} with {what}: {count} of {of}."""

import polars as pl

RELEASE = "."  # the folder of the release
table = pl.read_parquet(f"{{RELEASE}}/tables/subjects.parquet").sort("subject_id")
'''
_ANALYSIS = """table = table.join(
    pl.read_parquet(f"{{RELEASE}}/tables/analysis.parquet", columns=["subject_id", *{names}]), on="subject_id", how="left"
)
"""
_MODALITY = """
import mudata

matrix = mudata.read_h5mu(f"{{RELEASE}}/cohort.h5mu")[{modality}][:, {names}].to_df()
columns = {{{modality} + ":" + name: matrix[name].to_numpy() for name in matrix.columns}}
values = pl.DataFrame({{"subject_id": matrix.index.astype("int64").to_numpy(), **columns}}).fill_nan(None)
table = table.join(values, on="subject_id", how="left")
"""
_EVENT = """events = pl.scan_parquet(f"{{RELEASE}}/timeline/data/**/*.parquet", hive_partitioning=False)
have = events.filter(pl.col("code") == {code}).select("subject_id").unique().collect()["subject_id"]
table = table.with_columns(pl.col("subject_id").is_in(have.implode()).alias({name}))
"""
_TAIL = """
chosen = table.filter({conditions})
chosen.select("subject_id").write_csv("subjects.csv")
print(chosen.height, "subjects")
"""


def code_of(columns: Columns, conditions: Sequence[Condition]) -> str:
    """Return a Python script that writes the subjects of a cohort to `subjects.csv`.

    Args:
        columns: Of the release.
        conditions: Who is in it.

    Raises:
        UserError: If a column is not there, or cannot be compared so.
    """
    chosen = columns.chosen(conditions)
    what = "; ".join(map(str, conditions)).replace("\\", "").replace('"', "'") or "no condition"
    study, version = (str(columns.about.get(name, "")) for name in ("study", "version"))
    parts = [_HEAD.format(study=study, version=version, what=what, count=int(chosen.sum()), of=len(chosen))]
    wanted = list(dict.fromkeys(condition.name for condition in conditions if condition.name not in columns.subjects.columns))
    if analysis := [name for name in wanted if name in columns.analysis]:
        parts.append(_ANALYSIS.format(names=analysis))
    others = [name for name in wanted if name not in columns.analysis]
    parts += [_EVENT.format(code=repr(name.removeprefix(EVENT)), name=repr(name)) for name in others if name.startswith(EVENT)]
    by_modality: dict[str, list[str]] = {}
    for name in others:
        if not name.startswith(EVENT):
            modality, variable = columns.variable(name)
            by_modality.setdefault(modality, []).append(variable)
    parts += [_MODALITY.format(modality=repr(modality), names=found) for modality, found in by_modality.items()]
    tests = [_written(condition, _name(columns, condition.name), columns.of(condition.name).dtype) for condition in conditions]
    return "".join(parts) + _TAIL.format(conditions=", ".join(tests) or "pl.lit(True)")


def _name(columns: Columns, name: str) -> str:
    """Return the name of a column in the script, which knows genes by the names that the cohort file gives them."""
    plain = name in columns.subjects.columns or name in columns.analysis or name.startswith(EVENT)
    return name if plain else ":".join(columns.variable(name))


def _written(condition: Condition, name: str, dtype: pl.DataType) -> str:
    column = f"pl.col({name!r})"
    if condition.sign in ("known", "unknown"):
        there = column if dtype == pl.Boolean else f"{column}.is_not_null()"
        return there if condition.sign == "known" else f"~{there}"
    value = value_of(condition, dtype)
    literal = f"pl.date({value:%Y, %m, %d})".replace(" 0", " ") if dtype.is_temporal() else repr(value)
    return f"{column} {'==' if condition.sign == '=' else condition.sign} {literal}"
