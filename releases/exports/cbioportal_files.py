"""The clinical and timeline files of a cBioPortal study: what its validator asks of names, labels, types and values.

Patient and sample files share PATIENT_ID alone, and no two attributes of a study have one label. Days are counted from
the index. Source of the rules: cBioPortal, File Formats (clinical data, timeline data).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from unibase.groundwork.files import write_text
from unibase.releases.content import manifest
from unibase.releases.content.released_timeline import read_timeline
from unibase.releases.read.index_day import INDEX, days_from_index, index_days

DAYS_PER_MONTH = 30.4375
MISSING = "NA"
STATUS = {
    "OS": ("0:LIVING", "1:DECEASED"),
    "PFS": ("0:CENSORED", "1:PROGRESSION"),
    "DFS": ("0:DiseaseFree", "1:Recurred/Progressed"),
}
"""What the portal calls censored and event, by endpoint."""
TRACKS: Mapping[str, tuple[str, ...]] = {
    "TREATMENT": ("ATC//", "TREATMENT//", "CCAM//ZZNL", "RXNORM//"),
    "IMAGING": ("IMAGING//",),
    "SPECIMEN": ("SAMPLE//",),
    "STATUS": ("MEDS_DEATH", "PROGRESSION//", "RECIST//", "LAST_CONTACT"),
    "DIAGNOSIS": ("ICD10//", "ICDO3//"),
}
"""Beginnings of codes of each track; a code with a number is a laboratory test, another one is named by its own head."""
BIRTH = "MEDS_BIRTH"
"""Left out: its day would give the age to the day."""


@dataclass(frozen=True)
class Attribute:
    """A column of a clinical file: name, label, description, and whether it is a number."""

    name: str
    label: str
    description: str
    is_number: bool = False


def write_meta(path: Path, **entries: str) -> None:
    r"""Write a meta file to `path`, a line for each of the `entries`.

    >>> write_meta(getfixture("tmp_path") / "meta_study.txt", cancer_study_identifier="demo")
    >>> (getfixture("tmp_path") / "meta_study.txt").read_text()
    'cancer_study_identifier: demo\n'
    """
    write_text(path, "".join(f"{name}: {value}\n" for name, value in entries.items()))


def sample_name(subject: object) -> str:
    """Return the sample that stands for what the release joined of a subject.

    >>> sample_name(7)
    '7-01'
    """
    return f"{subject}-01"


def _as_text(value: object) -> str:
    """Return a value as one cell: tabs, line ends and quotes would break the row, and the portal takes NA for missing."""
    if value is None or (isinstance(value, float) and not np.isfinite(value)):
        return MISSING
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return " ".join(str(value).replace('"', "'").split()) or MISSING


def _attribute_names(columns: Sequence[str], taken: set[str]) -> dict[str, str]:
    """Return the name of each column as the portal takes it: capitals, digits and underscores, none twice or in `taken`.

    Args:
        columns: Columns of a table.
        taken: Names of other files of the study; the new ones are added.
    """
    found = {}
    for column in columns:
        plain = re.sub(r"[^A-Z0-9_]", "_", column.upper())
        plain = plain if plain[:1].isalpha() else f"A_{plain}"
        name = next(
            n for n in (plain, f"{plain}_AT_INDEX", *(f"{plain}_{k}" for k in range(2, len(taken) + 3))) if n not in taken
        )
        taken.add(name)
        found[column] = name
    return found


def _distinct_label(label: str, name: str, taken: set[str]) -> str:
    """Return a label that no other attribute of the study has: with the attribute's name where it must be told apart."""
    found = label if label not in taken else f"{label} ({name})"
    taken.add(found)
    return found


def write_clinical(folder: Path, study: str, release: Path, subjects: pl.DataFrame, words: pl.DataFrame) -> None:
    """Write the patient and the sample file with their meta files.

    Args:
        folder: Folder of the study.
        study: Its identifier.
        release: Folder of the release.
        subjects: Its subjects table.
        words: Its dictionary.
    """
    dates = [name for name, dtype in subjects.schema.items() if dtype.is_temporal()]
    patients = subjects.drop(dates).join(_survival(release), on="subject_id", how="left").sort("subject_id")
    described = {
        (table, column): (label, text)
        for table, column, label, text in words.select("table", "column", "label", "derivation").iter_rows()
    }
    names, labels = {"PATIENT_ID", "SAMPLE_ID"}, {"Patient", "Sample"}
    for level, frame, table in (("patient", patients, "subjects"), ("sample", _at_index(release, words), "analysis")):
        columns = _attribute_names(frame.columns[1:], names)
        attributes = []
        for column, name in columns.items():
            label, text = described.get((table, column), (column, column))
            label = _distinct_label(_as_text(label or column), name, labels)
            attributes.append(Attribute(name, label, _as_text(text or label), frame.schema[column].is_numeric()))
        _write_table(folder / f"data_clinical_{level}.txt", frame, attributes, with_sample=level == "sample")
        write_meta(
            folder / f"meta_clinical_{level}.txt",
            cancer_study_identifier=study,
            genetic_alteration_type="CLINICAL",
            datatype=f"{level.upper()}_ATTRIBUTES",
            data_filename=f"data_clinical_{level}.txt",
        )


def _at_index(release: Path, words: pl.DataFrame) -> pl.DataFrame:
    """Return the columns of the analysis table that the sample file has: no radiomic feature, date, centre or name of a sample."""
    path = release / "tables" / "analysis.parquet"
    radiomics = words.filter(pl.col("table") == "radiomics")["column"]
    apart = {*radiomics, "subject_id", "centre"}
    kept = {n for n, t in pl.read_parquet_schema(path).items() if not t.is_temporal()}
    named = [n for n in pl.read_parquet_schema(path) if n in kept - apart]
    wanted = [n for n in named if not n.endswith("_sample")]
    return pl.read_parquet(path, columns=["subject_id", *wanted]).sort("subject_id")


def _write_table(path: Path, frame: pl.DataFrame, attributes: Sequence[Attribute], with_sample: bool) -> None:
    identities = [Attribute("PATIENT_ID", "Patient", "Pseudonym of the patient")]
    identities += [Attribute("SAMPLE_ID", "Sample", "What the release joined for the patient")] if with_sample else []
    every = [*identities, *attributes]
    lines = [
        "#" + "\t".join(one.label for one in every),
        "#" + "\t".join(one.description for one in every),
        "#" + "\t".join("NUMBER" if one.is_number else "STRING" for one in every),
        "#" + "\t".join("1" for _ in every),
        "\t".join(one.name for one in every),
    ]
    for subject, *values in frame.iter_rows():
        keys = [str(subject), *([sample_name(subject)] if with_sample else [])]
        lines.append("\t".join([*keys, *(_as_text(value) for value in values)]))
    write_text(path, "\n".join(lines) + "\n")


def _survival(release: Path) -> pl.DataFrame:
    """Return `subject_id`, and `<PARAMCD>_STATUS` and `<PARAMCD>_MONTHS` as the portal's survival tab reads them."""
    adtte = pl.read_parquet(release / "tables" / "adtte.parquet")
    found = pl.read_parquet(release / "tables" / "subjects.parquet", columns=["subject_id"])
    for code in adtte["PARAMCD"].unique().sort().to_list() if adtte.height else []:
        rows = adtte.filter(pl.col("PARAMCD") == code).unique("subject_id", keep="first", maintain_order=True)
        censored, event = STATUS.get(code, ("0:CENSORED", "1:EVENT"))
        timed = pl.col("AVAL").is_not_null()  # The portal asks for status and months together, or for neither.
        status = pl.when(~timed).then(None).when(pl.col("CNSR") == 0).then(pl.lit(event)).otherwise(pl.lit(censored))
        months = (pl.col("AVAL") / DAYS_PER_MONTH).round(4)
        part = rows.select("subject_id", status.alias(f"{code}_STATUS"), months.alias(f"{code}_MONTHS"), *_bounds(rows, code))
        found = found.join(part, on="subject_id", how="left")
    return found


def _bounds(rows: pl.DataFrame, code: str) -> list[pl.Expr]:
    """Return the bounds in months of events known in part, which the portal's curves leave out: it has no interval."""
    if "AVAL_MIN" not in rows.columns:
        return []
    part = (pl.col("CNSR") == 0) & pl.col("AVAL").is_null() & pl.col("AVAL_MIN").is_not_null()
    if not rows.select(part.any()).item():
        return []
    names = (("AVAL_MIN", "EVENT_NOT_BEFORE_MONTHS"), ("AVAL_MAX", "EVENT_NOT_AFTER_MONTHS"))
    return [pl.when(part).then((pl.col(a) / DAYS_PER_MONTH).round(4)).alias(f"{code}_{b}") for a, b in names]


def write_timelines(folder: Path, study: str, release: Path, subjects: pl.DataFrame) -> None:
    """Write dated events as a file for each track, in days from the index; agents and tests are named.

    None is written of a release that does not tell the index to the day.

    Args:
        folder: Folder of the study.
        study: Its identifier.
        release: Folder of the release.
        subjects: Its subjects table.
    """
    index = index_days(release, manifest.read(release))
    rows = _events(release, subjects.join(index, on="subject_id"))
    for (track,), part in sorted(rows.group_by("EVENT_TYPE", maintain_order=True), key=lambda pair: str(pair[0])):
        name = f"timeline_{str(track).lower()}"
        told = {"TREATMENT": {"CODE": "AGENT"}, "LAB_TEST": {"CODE": "TEST", "VALUE": "RESULT"}}.get(str(track), {})
        plain = part.rename(told).with_columns(pl.col(pl.String).str.replace_all(r'[\s"]+', " "))
        plain.write_csv(folder / f"data_{name}.txt", separator="\t", quote_style="never")
        write_meta(
            folder / f"meta_{name}.txt",
            cancer_study_identifier=study,
            genetic_alteration_type="CLINICAL",
            datatype="TIMELINE",
            data_filename=f"data_{name}.txt",
        )


def _events(release: Path, subjects: pl.DataFrame) -> pl.DataFrame:
    tested = pl.when(pl.col("numeric_value").is_not_null()).then(pl.lit("LAB_TEST"))
    tracks = [
        pl.when(pl.any_horizontal(*(pl.col("code").str.starts_with(begin) for begin in begins))).then(pl.lit(name))
        for name, begins in TRACKS.items()
    ]
    head = pl.col("code").str.split("//").list.first().str.to_uppercase().str.replace_all(r"[^A-Z0-9]+", "_")

    return (
        read_timeline(release / "timeline")
        .filter(pl.col("time").is_not_null() & (pl.col("code") != BIRTH))
        .select("subject_id", "time", "end_time", "code", "numeric_value", "text_value", "unit")
        .join(subjects.select("subject_id", INDEX).lazy(), on="subject_id")
        .with_columns(
            START_DATE=days_from_index("time"),
            STOP_DATE=days_from_index("end_time"),
            EVENT_TYPE=pl.coalesce(tested, *tracks, head),
        )
        .sort("subject_id", "START_DATE", "code", maintain_order=True)
        .select(
            pl.col("subject_id").cast(pl.String).alias("PATIENT_ID"),
            "START_DATE",
            "STOP_DATE",
            "EVENT_TYPE",
            pl.col("code").alias("CODE"),
            pl.coalesce(pl.col("numeric_value").cast(pl.String), "text_value").alias("VALUE"),
            pl.col("unit").alias("UNIT"),
        )
        .collect()
    )
