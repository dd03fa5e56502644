"""Tables of copy-number segments, of every caller: columns by their titles, values by their evidence, positions by the genome named."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import polars as pl

from unibase.groundwork.problems import Unusable, UserError
from unibase.omics.assays.genome import ARMS, LENGTHS, Build
from unibase.omics.readers.numeric_tables import Reading
from unibase.omics.readers.segment_refusals import refuse_what_is_no_segment
from unibase.omics.readers.tabular import Table, read_table
from unibase.omics.reasons import NO_SAMPLE_NAMES, NOT_A_SEG, OTHER_BUILD
from unibase.omics.recognise.expression_unit import Told
from unibase.omics.recognise.names import plain
from unibase.omics.recognise.scales import segment_unit

LOWEST_COPIES = 0.1
"""What a level of no copy is taken for, whose logarithm has no end."""


def _titles(*names: str) -> tuple[str, ...]:
    return tuple(map(plain, names))


_SAMPLE = _titles(
    "sample", "id", "tumor_sample_barcode", "sampleid", "sample_id", "GDC_Aliquot", "aliquot", "name", "patient", "patient_id"
)
_PLACE = {
    "chromosome": _titles("chromosome", "chrom", "chr", "contig", "seqnames", "chromosomes"),
    "start": _titles(
        "start",
        "loc.start",
        "start.bp",
        "start_position",
        "startpos",
        "start.pos",
        "segment_start",
        "loc_start",
        "Start_Position.bp.",
    ),
    "end": _titles(
        "end", "loc.end", "end.bp", "end_position", "endpos", "end.pos", "stop", "segment_end", "loc_end", "End_Position.bp."
    ),
}
_LEVELS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    # Maker, unit, and titles; the first whose titles are all there is taken.
    ("GDC or ASCAT", "absolute copies", _titles("Copy_Number", "Major_Copy_Number", "Minor_Copy_Number")),
    ("ASCAT", "absolute copies", _titles("nMajor", "nMinor")),
    ("Sequenza", "absolute copies", _titles("CNt", "depth.ratio")),
    ("PureCN or GISTIC", "log2 ratio", _titles("seg.mean")),
    ("GDC", "log2 ratio", _titles("Segment_Mean")),
    ("FACETS", "absolute copies", _titles("tcn.em")),
    ("CNVkit", "log2 ratio", _titles("log2")),
    ("GATK", "log2 ratio", _titles("MEAN_LOG2_COPY_RATIO")),
    ("a SEG file", "log2 ratio", _titles("seg.cn")),
    ("a SEG file", "log2 ratio", _titles("mean")),
    ("a SEG file", "log2 ratio", _titles("log2_ratio")),
    ("a SEG file", "log2 ratio", _titles("log2ratio")),
    ("a SEG file", "log2 ratio", _titles("logR")),
    ("PURPLE", "absolute copies", _titles("copyNumber", "minorAlleleCopyNumber")),
    ("a table of copies", "absolute copies", _titles("copy_number")),
    ("a table of copies", "absolute copies", _titles("total_cn")),
    ("a table of copies", "absolute copies", _titles("cn")),
)
_MINOR = _titles("Minor_Copy_Number", "nMinor", "lcn.em", "minor_cn", "minorAlleleCopyNumber", "MinorCN", "B")
"""Copies of the rarer allele; Sequenza's B counts beside its CNt alone."""
_BY_FILE = ("CNVkit", "FACETS", "Sequenza", "GATK", "PURPLE")
"""Callers whose tables hold one sample, named by the file."""


@dataclass(frozen=True)
class Segments:
    """Segments and how they were understood.

    Attributes:
        frame: sample, chromosome (1 to 22, X, Y), start, end, log2, source_row; where the table has copies, total, and where it
            tells alleles apart, minor.
        evidence: Sentences for a person.
    """

    frame: pl.DataFrame
    evidence: tuple[str, ...] = field(default=())


def read_segments(path: Path | str, build: Build | None = None, reading: Reading | None = None) -> Segments:
    """Read a table of segments.

    Args:
        path: The file.
        build: Genome that the study's positions refer to; None does not compare.
        reading: What the study file says of it.

    Raises:
        Unusable: `not-a-seg` (a column is missing, a segment ends before it starts, levels of an unknown unit), `no-sample-names`,
            `other-build` (a segment ends past its chromosome), `truncated-file`.
        UserError: If there is nothing at `path`.
    """
    path, reading = Path(path), reading or Reading()
    if not path.exists():
        raise UserError(f"There is no segment file at {path}. Check the path in the study file.")
    table = _with_titles(read_table(path))
    found = _columns_of(table)
    frame = _frame(table, found.places, _level(table, found.titles, found.levels, found.maker))
    frame = frame.with_columns(_samples(table, found.titles, found.maker, path, reading), *_minor(table, found.titles))
    _check_rows(frame)
    refuse_what_is_no_segment(frame, _gene_column(table, found.titles))
    frame, told = _as_log2(frame.with_columns(pl.col("log2").alias("total")), reading.unit or "", found.unit)
    if (reading.unit or told.unit) != "absolute copies":
        frame = frame.drop("total", "minor", strict=False)
    said = [f"segments of {found.maker}", f"unit: {reading.unit or told.unit} ({'; '.join(told.evidence)})"]
    unknown = frame.filter(~pl.col("chromosome").is_in([*ARMS["hg38"], "Y", "MT", "M"])).height
    if unknown == frame.height:
        raise Unusable(NOT_A_SEG, "No segment lies on a human chromosome.", "Name chromosomes 1 to 22, X and Y.")
    if unknown:
        said.append(f"{unknown} segments of other contigs are in no arm")
    if build:
        said.append(_check_build(frame, build))
    return Segments(frame, tuple(said))


def are_segments(table: Table) -> bool:
    """Whether a table has the columns of segments: chromosome, start, end and a level, or those of a SEG file without titles.

    Args:
        table: As `tabular.read_table` gives it.
    """
    try:
        _columns_of(_with_titles(table))
    except Unusable:
        return False
    return True


_CHROMOSOME = re.compile(r"(?i)^(chr)?(\d{1,2}|[XYM]|MT)$")
_SEG = ("ID", "chrom", "loc.start", "loc.end", "num.mark", "seg.mean")


def _with_titles(table: Table) -> Table:
    """Return a table of six columns that has none with the titles of a SEG file, as GISTIC takes it, where its cells are those of one."""
    if table.titled or len(table.titles) != len(_SEG) or not all(map(table.is_number, range(2, 6))):
        return table
    start, end, marks, _ = table.values([2, 3, 4, 5]).T
    whole = all((column == np.rint(column)).all() for column in (start, end, marks))
    placed = whole and (start >= 0).all() and (end >= start).all() and all(map(_CHROMOSOME.match, table.texts(1)))
    return replace(table, titles=_SEG, titled=True) if placed else table


@dataclass(frozen=True)
class _Columns:
    """What the titles of a table of segments say.

    Attributes:
        titles: Plain titles.
        places: Where chromosome, start and end stand.
        maker, unit: Who wrote it, and what its levels are by their title.
        levels: Titles of the level.
    """

    titles: list[str]
    places: Mapping[str, int]
    maker: str
    unit: str
    levels: tuple[str, ...]


def _columns_of(table: Table) -> _Columns:
    titles = [plain(title) for title in table.titles]
    where = {key: next((titles.index(name) for name in names if name in titles), None) for key, names in _PLACE.items()}
    maker, unit, levels = next(((m, u, names) for m, u, names in _LEVELS if set(names) <= set(titles)), ("", "", ()))
    missing = [key for key, at in where.items() if at is None] + ([] if levels else ["the level"])
    if missing:
        raise Unusable(
            NOT_A_SEG,
            f"The file has no column for {', '.join(missing)}.",
            "Give a SEG file (sample, chromosome, start, end, mean) or the table of a caller of copy number.",
        )
    return _Columns(titles, {key: at for key, at in where.items() if at is not None}, maker, unit, levels)


def _level(table: Table, titles: list[str], levels: tuple[str, ...], maker: str) -> pl.Series:
    columns = [titles.index(name) for name in levels]
    values = table.values([i for i in columns if table.is_number(i)])
    if values.shape[1] < len(columns):
        raise Unusable(NOT_A_SEG, "The level of a segment is no number.", "Correct it; missing values are written NA.")
    return pl.Series("level", values.sum(axis=1) if maker == "ASCAT" else values[:, 0])


def _frame(table: Table, where: Mapping[str, int], level: pl.Series) -> pl.DataFrame:
    positions = []
    for key in ("start", "end"):
        if not table.is_number(where[key]):
            raise Unusable(NOT_A_SEG, f"A cell of the {key} positions is no number.", "Correct it.")
        values = table.values([where[key]])[:, 0]
        if (values[np.isfinite(values)] % 1 != 0).any():
            raise Unusable(NOT_A_SEG, f"A {key} position is no whole number.", "Write positions in bases.")
        positions.append(pl.Series(key, values).fill_nan(None).cast(pl.Int64()))
    chromosome = pl.Series("chromosome", table.texts(where["chromosome"]))
    frame = pl.DataFrame([chromosome, *positions, level.alias("log2")]).with_row_index("source_row", offset=1)
    return frame.with_columns(
        pl.col("source_row").cast(pl.Int64()),
        pl.col("chromosome").str.replace("(?i)^chr", "").replace({"23": "X", "24": "Y", "x": "X", "y": "Y"}),
        pl.col("log2").fill_nan(None),
    )


def _minor(table: Table, titles: list[str]) -> list[pl.Series]:
    """Return the copies of the rarer allele, where the table has them."""
    known = set(titles) if "cnt" in titles else set(titles) - {"b"}
    place = next((titles.index(name) for name in _MINOR if name in known), None)
    if place is None or not table.is_number(place):
        return []
    return [pl.Series("minor", table.values([place])[:, 0]).fill_nan(None)]


def _gene_column(table: Table, titles: list[str]) -> list[str]:
    """Return the cells of the column that names genes; nothing without one."""
    place = next(
        (titles.index(name) for name in _titles("gene.symbol", "gene", "hugo_symbol", "gene_name") if name in titles), None
    )
    return table.texts(place) if place is not None else []


def _samples(table: Table, titles: list[str], maker: str, path: Path, reading: Reading) -> pl.Series:
    column = next((titles.index(name) for name in _SAMPLE if name in titles), None)
    if reading.sample_from is not None or (column is None and maker in _BY_FILE):
        return pl.Series("sample", [path.name.split(".")[0]] * table.frame.height)
    if column is None:
        message = "The segments have no column of samples, and their maker is none that names the file by its sample."
        remedy = "Add the column sample, or say sample_from: file name."
        raise Unusable(NO_SAMPLE_NAMES, message, remedy)
    return pl.Series("sample", table.texts(column))


def _check_rows(frame: pl.DataFrame) -> None:
    blank = pl.any_horizontal(pl.col("sample", "start", "end").is_null()) | (pl.col("sample") == "")
    bad = frame.filter(blank | (pl.col("end") < pl.col("start")))
    if bad.height:
        raise Unusable(
            NOT_A_SEG,
            f"Row {bad['source_row'][0]} has no sample or place, or ends before it starts ({bad.height} such rows).",
            "Correct them.",
        )
    if frame["log2"].null_count() == frame.height:
        raise Unusable(NOT_A_SEG, "No segment has a level.", "Give the table with its levels.")


def _as_log2(frame: pl.DataFrame, said: str, titled: str) -> tuple[pl.DataFrame, Told]:
    """Return levels as log2 ratios; what they are is told by the values, and the titles must not contradict them.

    Raises:
        Unusable: `not-a-seg`.
    """
    frame = _with_finite_levels(frame)
    values = frame["log2"].to_numpy()
    told = _unit_by_values(frame)
    unit = said or told.unit
    if not said and _are_callers_copies(told, titled, values):
        unit, told = "absolute copies", _as_titled(told)
    _refuse_unknown_unit(unit, told, contradicted=not said and titled == "absolute copies" and unit == "log2 ratio")
    if unit != "log2 ratio":
        _refuse_below_zero(values)
        frame = frame.with_columns(pl.Series("log2", _log2_of(values, unit)))
    return frame, told


def _with_finite_levels(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the segments that have a level; the log2 of no copies at all becomes that of `LOWEST_COPIES`."""
    frame = frame.filter(pl.col("log2").is_not_null())
    if (frame["log2"] == float("inf")).any():
        raise Unusable(NOT_A_SEG, "A level is infinite.", "Correct it; missing values are written NA.")
    return frame.with_columns(pl.col("log2").replace(float("-inf"), float(np.log2(LOWEST_COPIES / 2))))


def _unit_by_values(frame: pl.DataFrame) -> Told:
    lengths = (frame["end"] - frame["start"] + 1).to_numpy().astype(float)
    samples = frame["sample"].cast(pl.Categorical()).to_physical().to_numpy().astype(np.int64)
    return segment_unit(frame["log2"].to_numpy(), lengths, samples)


def _are_callers_copies(told: Told, titled: str, values: np.ndarray) -> bool:
    """Whether levels are a caller's own copies: whole numbers whose middle is not 2 are of a tumour of another ploidy."""
    unclear = told.unit in ("copies, ratios or calls", "log2 ratio")
    return titled == "absolute copies" and unclear and bool(values.min() >= 0)


def _as_titled(told: Told) -> Told:
    return Told("absolute copies", "absolute copies", (*told.evidence, "the column's title says copies"))


def _refuse_unknown_unit(unit: str, told: Told, contradicted: bool) -> None:
    if contradicted or unit not in ("log2 ratio", "absolute copies", "ratio"):
        raise Unusable(
            NOT_A_SEG,
            f"The levels are {told.unit}: {'; '.join(told.evidence)}.",
            "Say unit: log2 ratio, absolute copies or ratio in the study file.",
        )


def _refuse_below_zero(values: np.ndarray) -> None:
    if (values < 0).any():
        raise Unusable(NOT_A_SEG, "Copies or ratios lie below zero.", "Say the unit that they are of.")


def _log2_of(values: np.ndarray, unit: str) -> np.ndarray:
    """Return the log2 ratios of copies or ratios."""
    normal = 2.0 if unit == "absolute copies" else 1.0
    ratios: np.ndarray = np.log2(np.maximum(values, LOWEST_COPIES * normal / 2) / normal)
    return ratios


def _check_build(frame: pl.DataFrame, build: Build) -> str:
    """Refuse segments that end past a chromosome's end, or exactly at its ends in the other genome.

    Raises:
        Unusable: `other-build`.
    """
    other: Build = "hg19" if build == "hg38" else "hg38"
    ends = dict(frame.group_by("chromosome").agg(pl.col("end").max()).iter_rows())
    past = sorted(name for name, end in ends.items() if name in LENGTHS[build] and end > LENGTHS[build][name])
    exact = [name for name, end in ends.items() if LENGTHS[other].get(name) == end and LENGTHS[build].get(name) != end]
    fits = all(end <= LENGTHS[other][name] for name, end in ends.items() if name in LENGTHS[other])
    if past or len(exact) > 1:
        where = f"end past the end of chromosome {past[0]}" if past else f"end where chromosomes end in {other}"
        raise Unusable(
            OTHER_BUILD,
            f"Segments {where}, and the study says {build}" + (f"; all fit into {other}." if fits else "."),
            f"Give segments of {build}, or say build: {other} if all centres have it; nothing here lifts positions over.",
        )
    return f"genome {build}: no segment ends past its chromosome" + (
        f"; {other} is excluded" if not fits else f"; {other} fits as well"
    )
