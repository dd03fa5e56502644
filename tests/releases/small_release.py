"""The parts of a release that exports read, of 12 persons, with the events that are hard to write elsewhere."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl

from tests.releases.examples import make_inputs
from unibase.groundwork.tables import EVENTS
from unibase.releases.content.manifest import MANIFEST

SEVERAL = "LONG//" + "x" * 60


def made(folder: Path, births: int = 12) -> Path:
    """The parts of a release that the export reads, of 12 persons of whom some have a birth."""
    inputs = make_inputs(folder / "in", subjects=12, genes=2)
    ids = inputs.subjects["subject_id"]
    day, moment, line = datetime(1950, 2, 28), datetime(2016, 1, 2, 23, 30), datetime(2018, 4, 1)
    more = [
        *({"subject_id": i, "time": day, "time_min": day, "time_max": day, "code": "MEDS_BIRTH"} for i in ids[:births]),
        {"subject_id": ids[0], "time": None, "time_min": moment, "time_max": moment, "code": "ICD10//C50.9"},
        {
            "subject_id": ids[0],
            "time": None,
            "time_min": moment,
            "time_max": moment,
            "code": "LOINC//718-7",
            "numeric_value": 9.0,
        },
        {"subject_id": ids[0], "time": moment, "code": SEVERAL, "text_value": "positive"},
        {"subject_id": ids[0], "time": moment, "code": "OMOP//4130307", "numeric_value": 0.1, "unit": "mg/L"},
        {"subject_id": ids[0], "time": moment, "end_time": datetime(2016, 1, 9), "code": "VISIT//OMOP//9201"},
        {"subject_id": ids[0], "time": moment, "code": "VISIT//AMB"},
        {"subject_id": ids[0], "time": moment, "code": "VISIT//PRENC"},
        {"subject_id": ids[0], "time": moment, "code": "LOINC//21908-9", "text_value": "stade IIIA, révisé: " + "y" * 90},
        {"subject_id": ids[0], "time": moment, "code": "ICD10//C50.9", "numeric_value": 2.0},
        {"subject_id": ids[0], "time": line, "code": "ATC//L01XA02", "end_time": line},
        {"subject_id": ids[0], "time": line.replace(hour=10), "code": "ATC//L01BA04", "end_time": line},
        {"subject_id": ids[0], "time": moment, "code": 'LOCAL//a;b, "c"', "text_value": 'd,"e"'},
        {"subject_id": ids[0], "time": line, "end_time": line, "code": "DERIVED//LINE", "numeric_value": 1.0},
    ]
    assert isinstance(inputs.events, pl.DataFrame)
    events = pl.concat([inputs.events, EVENTS.conform(pl.DataFrame(more, infer_schema_length=None))])
    assert isinstance(inputs.analysis, pl.DataFrame)
    rna = inputs.sample_map.filter(assay="rna", sample_type="tumour").sort("primary")
    chosen = rna.select(
        pl.col("primary").alias("subject_id"), pl.col("colname").alias("rna_sample"), pl.lit(2.5).alias("rna_MKI67")
    )
    analysis = inputs.analysis.join(chosen, on="subject_id", how="left")
    # Of the first sample no day is known.
    known = pl.when(pl.col("colname") != rna["colname"][0]).then("sample_time").alias("sample_time")
    samples = inputs.sample_map.with_columns(known)
    tables = {"subjects": inputs.subjects, "analysis": analysis, "features": inputs.features}
    for name, frame in {**tables, "sample_map": samples}.items():
        (folder / "release" / "tables").mkdir(parents=True, exist_ok=True)
        frame.write_parquet(folder / "release" / "tables" / f"{name}.parquet")  # type: ignore[union-attr]
    (folder / "release" / "timeline" / "data").mkdir(parents=True)
    events.write_parquet(folder / "release" / "timeline" / "data" / "0.parquet")
    (folder / "release" / MANIFEST).write_text("{}", encoding="utf-8")
    return folder / "release"
