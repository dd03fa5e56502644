"""Contradictions planted in the records of one person are found, and what is only odd is not."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest

from unibase.groundwork.tables import EVENTS, FEATURES, SAMPLE_MAP
from unibase.linking.concordance import check_concordance
from unibase.linking.options import CHECKS

DAY = datetime(2015, 3, 2)
type Fact = tuple[str, datetime | None, float | None]


def records(*facts: Fact) -> pl.DataFrame:
    rows = [
        {
            "subject_id": 7,
            "code": code,
            "time": time,
            "time_min": time,
            "numeric_value": value,
            "source": source,
            "source_row": row,
        }
        | {"time_max": time + timedelta(days=1) if time else None}
        for row, ((code, time, value), source) in enumerate(zip(facts, ["lyon/omop/x", "CHU-été/fhir/y"] * 9, strict=False), 1)
    ]
    return EVENTS.conform(
        pl.DataFrame(
            rows, schema_overrides={"time": pl.Datetime("us"), "time_min": pl.Datetime("us"), "time_max": pl.Datetime("us")}
        )
    )


def checks(events: pl.DataFrame, **tables: pl.DataFrame) -> set[str]:
    found = check_concordance(events, **tables)  # type: ignore[arg-type]
    assert set(found["check"]) <= set(CHECKS)
    return set(found["check"])


def fact(code: str, days: int | None = None, value: float | None = None) -> Fact:
    return code, None if days is None else DAY + timedelta(days=days), value


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        ((fact("SEX//F"), fact("SEX//M")), {"sex"}),
        ((fact("SEX//F"), fact("SEX//F")), set()),
        ((fact("MEDS_BIRTH", -20000), fact("MEDS_BIRTH", -16000)), {"births"}),
        ((fact("MEDS_BIRTH", -20000), fact("MEDS_BIRTH", -19990)), set()),  # a slip of the pen
        ((fact("MEDS_DEATH", 0), fact("MEDS_DEATH", 400)), {"deaths"}),
        ((fact("MEDS_DEATH", 0), fact("MEDS_DEATH", 3)), set()),
        ((fact("MEDS_DEATH", 0), fact("LOINC//718-7", 60, 12.0)), {"after-death"}),
        ((fact("MEDS_DEATH", 0), fact("LOINC//718-7", 4, 12.0)), set()),  # came in late
        ((fact("SEX//F"), fact("ICD10//C61", 0)), {"organ"}),
        ((fact("SEX//M"), fact("ICD10//C54.1", 0)), {"organ"}),
        ((fact("SEX//M"), fact("ICD10//C50.9", 0)), set()),  # men have breast cancer, too
        ((fact("SEX//M"), fact("SEX//F"), fact("ICD10//C61", 0)), {"sex"}),  # which sex is not known
    ],
)
def test_records(facts: tuple[Fact, ...], found: set[str]) -> None:
    assert checks(records(*facts)) == found


@pytest.mark.parametrize(
    ("sex", "region", "found"),
    [("M", "uterus", {"organ"}), ("F", "Prostate", {"organ"}), ("F", "uterus", set()), ("M", "GTV", set())],
)
def test_regions(sex: str, region: str, found: set[str]) -> None:
    row = {
        "subject_id": 7,
        "region": region,
        "image_type": "original",
        "roi_name": region,
        "SeriesInstanceUID": "2.25.1",
        "engine": "x",
    }
    features = pl.DataFrame([row]).with_columns(
        pl.lit(None, dtype).alias(name) for name, dtype in FEATURES.schema().items() if name not in row
    )
    assert checks(records(fact(f"SEX//{sex}")), features=features) == found


@pytest.mark.parametrize(
    ("days", "kind", "found"), [(-1500, "tumour", {"sample-date"}), (-30, "tumour", set()), (-1500, "normal", set())]
)
def test_samples(days: int, kind: str, found: set[str]) -> None:
    taken = DAY + timedelta(days=days)
    row = {"assay": "rna", "primary": 7, "colname": "a", "centre": "lyon", "sample_type": kind, "status": "used", "reason": ""}
    sample = SAMPLE_MAP.conform(pl.DataFrame([row | {"sample_time": taken, "sample_time_min": taken, "sample_time_max": taken}]))
    assert checks(records(fact("ICD10//C34.1", 0)), samples=sample) == found
