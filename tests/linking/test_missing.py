"""Reasons of empty cells and repeated measures, on records whose story is told here."""

from __future__ import annotations

from datetime import date, datetime

import polars as pl

from unibase.groundwork.tables import EVENTS, SAMPLE_MAP, SERIES
from unibase.linking.asof.join import join
from unibase.linking.missing import why_missing
from unibase.linking.options import Windows
from unibase.linking.repeated import parameter_codes, repeated_measures

INDEX = datetime(2020, 6, 15)
WINDOWS = Windows.model_validate(
    {
        "imaging": {"from_days": -60},
        "rna": {"from_days": -365},
        "clinical": {"ldh": {"concept": "ldh", "from_days": -60, "unit": "U/L"}, "stage": {"concept": "stage"}},
    }
)
CONCEPTS = {"ldh": ["LOINC//14804-9"], "stage": ["STAGE//*"]}


def events(*rows: tuple[int, datetime | None, str, float | None, str | None]) -> pl.DataFrame:
    return EVENTS.conform(
        pl.DataFrame(
            [
                {"subject_id": s, "time": t, "code": c, "numeric_value": v, "unit": u, "source": "A/omop/m", "source_row": i}
                for i, (s, t, c, v, u) in enumerate(rows, 1)
            ],
            schema_overrides={"time": pl.Datetime("us"), "numeric_value": pl.Float32, "unit": pl.String},
        )
    )


LDH = "LOINC//14804-9"
TOLD = events(
    (1, datetime(2020, 6, 1), LDH, 250.0, "U/L"),
    (1, datetime(2020, 6, 10), LDH, 300.0, "U/L"),
    (1, datetime(2020, 6, 15), LDH, 310.0, "U/L"),
    (1, datetime(2020, 7, 1), LDH, 200.0, "U/L"),
    (2, datetime(2020, 6, 1), LDH, None, None),  # in the window, without a number
    (3, datetime(2020, 7, 1), LDH, 180.0, "U/L"),  # only after
    (4, datetime(2019, 1, 1), LDH, 180.0, "U/L"),  # long before the window
    (5, None, LDH, 180.0, "U/L"),  # undated
    (1, datetime(2020, 1, 1), "STAGE//II", None, None),
)
INDEXED = pl.DataFrame({"subject_id": [1, 2, 3, 4, 5, 6]}).with_columns(
    pl.lit(INDEX).alias("index_time"), pl.lit(INDEX).alias("lower"), pl.lit(INDEX).alias("upper")
)
SAMPLES = SAMPLE_MAP.conform(
    pl.DataFrame(
        [
            {"assay": "rna", "primary": s, "colname": f"c{s}", "sample_time": t, "status": status, "reason": ""}
            for s, t, status in (
                (1, datetime(2020, 6, 1), "used"),
                (2, datetime(2020, 6, 1), "quarantined"),
                (3, datetime(2020, 8, 1), "used"),
            )
        ]
    )
)


def series() -> pl.DataFrame:
    rows = [
        {
            "subject_id": s,
            "StudyInstanceUID": f"2.25.{s}",
            "SeriesInstanceUID": f"2.25.1{s}",
            "Modality": "CT",
            "series_time": t,
            "folder": "x",
            "input_digest": "0",
        }
        for s, t in ((1, datetime(2020, 6, 1)), (3, datetime(2021, 1, 1)))
    ]
    return SERIES.conform(pl.DataFrame(rows))


def test_each_reason_follows_from_the_records() -> None:
    found = why_missing(TOLD, series(), SAMPLES, INDEXED, WINDOWS, CONCEPTS)
    assert {(s, v): r for s, v, r in found.iter_rows()} == {
        (1, "ldh"): "not known",
        (1, "stage"): "not known",
        (2, "ldh"): "not known",
        (3, "ldh"): "not yet",
        (5, "ldh"): "not known",
        (1, "rna_*"): "not known",
        (2, "rna_*"): "withheld",
        (3, "rna_*"): "not yet",
        (1, "CT_*"): "not known",
        (3, "CT_*"): "not yet",
    }


def test_repeated_measures_flag_the_value_that_the_join_chose() -> None:
    clinical = Windows.model_validate({"clinical": {"ldh": WINDOWS.clinical["ldh"], "stage": WINDOWS.clinical["stage"]}})
    joined = join(TOLD, None, None, INDEXED, clinical, CONCEPTS)
    bds = repeated_measures(TOLD, INDEXED, clinical, CONCEPTS, joined.trace)
    ldh = bds.filter((pl.col("PARAMCD") == "LDH") & (pl.col("subject_id") == 1))
    assert ldh.select("ADT", "ADY", "AVAL", "ABLFL", "BASE", "CHG").rows() == [
        (date(2020, 6, 1), -14, 250.0, None, 300.0, None),
        (date(2020, 6, 10), -5, 300.0, "Y", 300.0, None),
        (date(2020, 6, 15), 1, 310.0, None, 300.0, 10.0),
        (date(2020, 7, 1), 17, 200.0, None, 300.0, -100.0),
    ]
    flagged = bds.filter(pl.col("ABLFL") == "Y").sort("subject_id")
    chosen = {s: v for s, v in joined.analysis.select("subject_id", "ldh").iter_rows() if v is not None}
    assert {s: v for s, v in flagged.filter(pl.col("PARAMCD") == "LDH").select("subject_id", "AVAL").iter_rows()} == chosen
    assert flagged.filter(pl.col("PARAMCD") == "STAGE")["AVALC"].to_list() == ["STAGE//II"]
    assert bds.filter(pl.col("ADT").is_null()).height == 0


def test_parameter_codes_are_short_and_each_its_own() -> None:
    codes = parameter_codes(["haemoglobin", "haemoglobin_2", "2nd line", "µ"])
    assert codes == {"haemoglobin": "HAEMOGLO", "haemoglobin_2": "HAEMOGL2", "2nd line": "P2NDLINE", "µ": "P"}
