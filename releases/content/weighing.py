"""The disclosure program of a release: every number that leaves is weighed here, with all others and with the version before.

The cohort's counts come first, for they stand on the page, in the catalogue, the manifest and the dictionary; then what
stands on them: columns, characteristics, endpoints, responses. What was decided of each is in the record.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from unibase.releases.content.missingness import row_reasons
from unibase.releases.content.wide_tables import CELLS
from unibase.releases.disclosure import (
    cohort_counts,
    column_counts,
    decisions,
    flow_counts,
    level_counts,
    response_counts,
    row_counts,
)
from unibase.releases.disclosure.cohort_counts import Before, Cell, CohortCounts, People
from unibase.releases.disclosure.column_counts import Filled, ShownColumn
from unibase.releases.disclosure.decisions import Decision, decide
from unibase.releases.disclosure.level_counts import EVERYWHERE, MISSING, LevelCounts, LevelsBefore
from unibase.releases.disclosure.response_counts import ResponsesBefore
from unibase.releases.disclosure.row_counts import Rows, RowsBefore
from unibase.releases.read.known_times import with_known_times

OF_SUBJECTS = ("subjects", "analysis")
"""Tables with a row for each subject: their rows are persons."""
COUNTED = (*OF_SUBJECTS, "adtte", "adrs", "timeline", "robustness")
"""Tables of which the dictionary tells the number of rows; of others it could tell of hidden counts of persons."""
MOST_LEVELS = 12
NOT_CHARACTERISTIC = ("subject_id", "centre", "centres", "split", "fold")


@dataclass(frozen=True)
class Characteristic:
    """A row of the table of characteristics: a column of `subjects`, its counts by level, and its numbers by centre if it is one.

    Attributes:
        column: Name of the column.
        numeric: Whether it is a number, of which quantiles are drawn rather than levels.
        counts: Subjects by centre and level; of a number, with and without a value.
    """

    column: str
    numeric: bool
    counts: LevelCounts


@dataclass(frozen=True)
class EndpointCounts:
    """Subjects of one endpoint; None is hidden.

    Attributes:
        followed: With a time after entry that is known at least in part.
        events: Of those, with the event.
        unassessed: Censored at the index: nothing is known of them after it.
        lacks: Whether there is any of these, shown or not.
    """

    followed: int | None
    events: int | None
    unassessed: int | None
    lacks: bool


@dataclass(frozen=True)
class Weighed:
    """All counts of a release as they may be shown."""

    cohort: CohortCounts
    flow: Sequence[flow_counts.FlowStep]
    dictionary: pl.DataFrame
    characteristics: Sequence[Characteristic] = ()
    endpoints: Mapping[str, EndpointCounts] = field(default_factory=dict)
    responses: Sequence[response_counts.ResponseCounts] = ()
    decisions: Sequence[Decision] = ()


@dataclass(frozen=True)
class Subject:
    """What is weighed: the tables of a release in `folder`, who has which modality, and the version before."""

    folder: Path
    modalities: Mapping[str, Sequence[str]]
    years: Mapping[int, str]
    flow: Sequence[Mapping[str, Any]]
    dictionary: pl.DataFrame
    best_responses: Sequence[str]
    min_cell: int
    previous: Path | None = None


def weigh(of: Subject) -> Weighed:
    """Weigh all numbers of a release."""
    subjects = pl.read_parquet(of.folder / "tables" / "subjects.parquet")
    counts = cohort_counts.weigh(cohort_counts.people_of(subjects, of.modalities, of.years), of.min_cell, _before(of.previous))
    characteristics = _characteristics(subjects, counts, of)
    shown = _columns(of, counts)
    for one in characteristics:
        shown[f"subjects.{one.column}"] = _as_levels(shown[f"subjects.{one.column}"], one.counts, counts)
    earlier = _responses_before(of.previous, counts)
    best = response_counts.weigh(_adrs(of.folder), of.best_responses, of.min_cell, earlier) if of.best_responses else []
    endpoints, rows = _endpoints(of, counts)
    of_rows = {"adtte": rows, "adrs": _response_rows(of.folder, best, of.min_cell) if best else None}
    dictionary = _masked(of.dictionary, shown, of_rows)
    decided = [
        *counts.decisions,
        *(d for one in characteristics for d in _of_levels(one, of.min_cell)),
        *(d for code, one in endpoints.items() for d in _of_endpoint(code, one, of.min_cell)),
        *_of_dictionary(dictionary, of.min_cell),
    ]
    return Weighed(counts, flow_counts.weigh(of.flow, of.min_cell), dictionary, characteristics, endpoints, best, decided)


def read_people(folder: Path) -> People:
    """Return the persons of the published release in `folder`."""
    import zarr  # Heavy, and only a release with one before it asks.

    subjects = pl.read_parquet(folder / "tables" / "subjects.parquet")
    root: Any = zarr.open_group(folder / "cohort.zarr", mode="r")
    order = [str(name) for name in root["mod"].attrs["mod-order"]]
    rows = {name: root[f"mod/{name}/obs"] for name in order}
    have = {name: list(map(str, of[of.attrs["_index"]][:])) for name, of in rows.items()}
    return cohort_counts.people_of(subjects, have)


def _before(previous: Path | None) -> Before | None:
    if previous is None:
        return None
    kept = decisions.read(previous)
    if kept is None:
        return Before(read_people(previous), None)
    drawn = kept.filter(pl.col("shown") & (pl.col("output") == cohort_counts.OUTPUT))
    shown = dict(drawn.select("number", "value").iter_rows())
    return Before(read_people(previous), shown)


def _columns(of: Subject, counts: CohortCounts) -> dict[str, ShownColumn]:
    reasons = {
        f"{row['table']}.{row['column']}": tuple(sorted(json.loads(row["missing_by_reason"] or "{}").items()))
        for row in of.dictionary.filter(pl.col("table").is_in(OF_SUBJECTS)).iter_rows(named=True)
    }
    found: dict[str, Filled] = {}
    for table in OF_SUBJECTS:
        path = of.folder / "tables" / f"{table}.parquet"
        names = list(pl.read_parquet_schema(path))
        at_once = max(1, CELLS // max(1, len(counts.people.of)))
        for start in range(0, len(names), at_once):
            frame = pl.read_parquet(path, columns=names[start : start + at_once])
            for name, bits in column_counts.filled(frame).items():
                found[f"{table}.{name}"] = Filled(bits, reasons.get(f"{table}.{name}", ()))
    before = _columns_before(of.previous) if of.previous is not None else None
    return column_counts.weigh(found, column_counts.ground_of(counts, of.min_cell), before)


def _columns_before(previous: Path) -> dict[str, ShownColumn]:
    """Return what the dictionary of the version before shows."""
    words = pl.read_parquet(previous / "dictionary" / "dictionary.parquet").filter(pl.col("table").is_in(OF_SUBJECTS))
    return {
        f"{row['table']}.{row['column']}": ShownColumn(
            row["missing"],
            (),
            tuple(
                (centre, None if pair is None else (pair[0], pair[1]))
                for centre, pair in json.loads(row["completeness_by_centre"] or "{}").items()
            ),
        )
        for row in words.iter_rows(named=True)
    }


def _characteristics(subjects: pl.DataFrame, counts: CohortCounts, of: Subject) -> list[Characteristic]:
    """Return the columns of `subjects` that describe persons: few levels, or a number."""
    found = []
    ordered = subjects.sort("subject_id")
    old = None if of.previous is None else pl.read_parquet(of.previous / "tables" / "subjects.parquet")
    for name, dtype in subjects.schema.items():
        numeric = dtype.is_numeric()
        if (
            name in NOT_CHARACTERISTIC
            or name.startswith("has_")
            or name.endswith(("_text", "_prefix"))
            or not (numeric or dtype == pl.String)
        ):
            continue
        if not numeric and not 0 < ordered[name].drop_nulls().n_unique() <= MOST_LEVELS:
            continue
        before = _levels_before(of.previous, old, name) if of.previous is not None and old is not None else None
        found.append(Characteristic(name, numeric, level_counts.weigh(_levels(ordered[name]), counts, of.min_cell, before)))
    return found


def _levels(values: pl.Series) -> list[str]:
    """Return the level of each value: of a number, whether it is known."""
    numeric = values.dtype.is_numeric()
    return [MISSING if value is None else ("known" if numeric else str(value)) for value in values.to_list()]


def _levels_before(previous: Path, subjects: pl.DataFrame, column: str) -> LevelsBefore | None:
    """Return what the version before tells of a characteristic; None where it has no such column."""
    if column not in subjects.columns:
        return None
    centres = subjects["centre"].fill_null("?").to_list() if "centre" in subjects.columns else [""] * subjects.height
    kinds = zip(centres, _levels(subjects[column]), strict=True)
    known = dict(zip(subjects["subject_id"].to_list(), kinds, strict=True))
    kept = decisions.read(previous)
    if kept is None:
        return LevelsBefore(known)
    shown = {(output, number) for output, number in kept.filter("shown").select("output", "number").iter_rows()}
    every = {kind for centre, level in known.values() for kind in ((EVERYWHERE, level), (centre, level))}
    return LevelsBefore(
        known,
        frozenset(kind for kind in every if ("characteristics", _number(column, *kind)) in shown),
        frozenset(c for c in centres if (cohort_counts.OUTPUT, Cell(centre=c).text(())) in shown),
    )


def _number(column: str, centre: str, level: str) -> str:
    """Return how the record names a count of a characteristic."""
    return f"{column} {level or 'missing'}" + (f"; centre {centre}" if centre else "")


def _as_levels(shown: ShownColumn, counts: LevelCounts, of: CohortCounts) -> ShownColumn:
    """Return what the dictionary says of a column whose counts stand in the table of characteristics, too: the same."""

    def empty(place: str) -> int | None:
        return counts.counts.get((place, MISSING), 0)

    missing = empty(EVERYWHERE)
    if missing is None or shown.missing is None:
        return ShownColumn(None, tuple((reason, None) for reason, _ in shown.reasons), tuple((c, None) for c in of.centres))
    pairs: list[tuple[str, tuple[int, int] | None]] = []
    for centre in of.centres:
        size, lacking = of.counts[Cell(centre=centre)], empty(centre if len(of.centres) > 1 else EVERYWHERE)
        pairs.append((centre, None if size is None or lacking is None else (size - lacking, size)))
    return replace(shown, missing=missing, by_centre=tuple(pairs))


def _endpoints(of: Subject, counts: CohortCounts) -> tuple[dict[str, EndpointCounts], row_counts.RowCounts | None]:
    rows = _endpoint_rows(of.folder)
    if rows is None:
        return {}, None
    codes = rows.frame["PARAMCD"].unique().sort().to_list()
    found = row_counts.weigh(rows, _asked(codes), of.min_cell, _endpoints_before(of.previous, counts))
    return {
        code: EndpointCounts(
            found.counts[f"{code} followed"],
            found.counts[f"{code} events"],
            found.counts[f"{code} unassessed"],
            not rows.frame.filter((pl.col("PARAMCD") == code) & pl.col("unassessed")).is_empty(),
        )
        for code in codes
    }, found


def _endpoint_rows(folder: Path) -> Rows | None:
    """Return the rows of the endpoints of a release; None where it has none."""
    adtte = pl.read_parquet(folder / "tables" / "adtte.parquet")
    if not adtte.height:
        return None
    placed = adtte.with_row_index("_row")
    followed = with_known_times(placed)["_row"].implode()
    first = pl.coalesce(name for name in ("AVAL", "AVAL_MIN") if name in adtte.columns)
    rows = placed.with_columns(
        pl.col("_row").is_in(followed).alias("followed"),
        (pl.col("CNSR") == 0).fill_null(False).alias("event"),
        ((pl.col("CNSR") != 0) & (first >= 0) & (first <= 1)).fill_null(False).alias("unassessed"),
    )
    return Rows(rows, row_reasons(adtte), ["PARAMCD", "followed", "event", "unassessed"])


def _endpoints_before(previous: Path | None, counts: CohortCounts) -> RowsBefore | None:
    """Return the endpoints of the version before, and which of their numbers it shows."""
    rows = None if previous is None else _endpoint_rows(previous)
    kept = None if previous is None else decisions.read(previous)
    if previous is None or rows is None or kept is None:
        return None
    asked = _asked(rows.frame["PARAMCD"].unique().sort().to_list())
    shown = kept.filter(pl.col("shown") & (pl.col("output") == "endpoints"))["number"].to_list()
    known = frozenset([*shown, *_empty_cells_before(previous, "adtte")])
    return RowsBefore(rows, asked, known, counts.added, counts.removed)


def _empty_cells_before(previous: Path, table: str) -> list[tuple[str, str | None]]:
    """Return the empty cells, by column and reason, that the dictionary of the version before shows of a table."""
    words = pl.read_parquet(previous / "dictionary" / "dictionary.parquet").filter(pl.col("table") == table)
    found: list[tuple[str, str | None]] = []
    for column, missing, reasons in words.select("column", "missing", "missing_by_reason").iter_rows():
        found += [(column, None)] if missing is not None else []
        found += [(column, reason) for reason, count in json.loads(reasons or "{}").items() if count is not None]
    return found


def _asked(codes: Sequence[str]) -> list[row_counts.Count]:
    return [count for code in codes for count in _asked_of(code)]


def _asked_of(code: str) -> list[row_counts.Count]:
    mine, event = pl.col("PARAMCD") == code, pl.col("event")
    followed = mine & pl.col("followed")
    return [
        row_counts.Count(f"{code} followed", followed, 5),
        row_counts.Count(f"{code} events", followed & event, 4),
        row_counts.Count(f"{code} censored", followed & ~event, drawn=False),
        row_counts.Count(f"{code} unassessed", mine & pl.col("unassessed"), 3),
    ]


def _responses_before(previous: Path | None, counts: CohortCounts) -> ResponsesBefore | None:
    """Return the tumour responses of the version before, and which of their numbers it shows; None where it has none."""
    kept = None if previous is None else decisions.read(previous)
    if previous is None or kept is None or not (previous / "tables" / "adrs.parquet").is_file():
        return None
    told = kept.filter(pl.col("shown") & (pl.col("output") == "responses"))["number"]
    shown = frozenset((code, value) for code, value in (number.split(" ", 1) for number in told))
    return ResponsesBefore(_adrs(previous), shown, counts.added, counts.removed)


def _adrs(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "tables" / "adrs.parquet")


def _response_rows(folder: Path, best: Sequence[response_counts.ResponseCounts], min_cell: int) -> row_counts.RowCounts:
    """Return the empty cells of the columns of `adrs` that may be shown beside the counts of responses."""
    adrs = _adrs(folder)
    rows = adrs.with_columns(pl.col("AVALC").fill_null(response_counts.NONE))
    asked = [
        row_counts.Count(
            f"{one.code} {value}", (pl.col("PARAMCD") == one.code) & (pl.col("AVALC") == value), decided=count is not None
        )
        for one in best
        for value, count in one.values
    ]
    return row_counts.weigh(Rows(rows, row_reasons(adrs), ["PARAMCD", "AVALC"]), asked, min_cell)


def _masked(
    dictionary: pl.DataFrame, shown: Mapping[str, ShownColumn], of_rows: Mapping[str, row_counts.RowCounts | None]
) -> pl.DataFrame:
    """Return the dictionary with the counts that may be shown, null where hidden; JSON null in the counts by reason and centre."""
    changed = []
    for row in dictionary.iter_rows(named=True):
        table, column = row["table"], row["column"]
        if (one := shown.get(f"{table}.{column}")) is not None:
            centres = dict(one.by_centre) if column != "centre" else {}
            row |= asdict(_counted(one.missing, dict(one.reasons), centres))
        elif table in of_rows and (found := of_rows[table]) is not None:
            row |= asdict(_counted(found.missing.get(column, 0), dict(found.reasons.get(column, ())), {}))
        elif table in COUNTED and table not in of_rows:
            row |= {"completeness_by_centre": ""}
        else:
            row |= asdict(_counted(None, dict.fromkeys(json.loads(row["missing_by_reason"] or "{}")), {}))
        if table not in COUNTED:
            row["rows"] = None
        changed.append(row)
    return pl.DataFrame(changed, schema=dictionary.schema)


@dataclass(frozen=True)
class _Counted:
    """What the dictionary counts of a column; by reason and by centre as JSON texts, empty where there is nothing."""

    missing: int | None
    missing_by_reason: str
    completeness_by_centre: str


def _counted(missing: int | None, reasons: Mapping[str, int | None], centres: Mapping[str, object]) -> _Counted:
    by_centre = json.dumps(centres, sort_keys=True, ensure_ascii=False) if centres else ""
    return _Counted(missing, json.dumps(reasons, sort_keys=True) if reasons else "", by_centre)


def _of_levels(one: Characteristic, min_cell: int) -> list[Decision]:
    return [
        decide("characteristics", _number(one.column, centre, level), count, min_cell)
        for (centre, level), count in one.counts.counts.items()
    ]


def _of_endpoint(code: str, one: EndpointCounts, min_cell: int) -> list[Decision]:
    named = {"followed": one.followed, "events": one.events, "unassessed": one.unassessed}
    return [decide("endpoints", f"{code} {name}", count, min_cell) for name, count in named.items()]


def _of_dictionary(dictionary: pl.DataFrame, min_cell: int) -> list[Decision]:
    rows = dictionary.filter(pl.col("table").is_in([*OF_SUBJECTS, "adtte", "adrs"]))
    return [
        decide("dictionary", f"{table}.{column} missing", missing, min_cell)
        for table, column, missing in rows.select("table", "column", "missing").iter_rows()
    ]
