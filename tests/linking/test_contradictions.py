"""Contradictions planted in the records of one person are found, and what is only odd is not."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest

from benchmarks.planted_links import EACH, KINDS, run
from unibase.groundwork.tables import EVENTS, FEATURES, SAMPLE_MAP, SERIES
from unibase.linking.concordance import check_concordance
from unibase.linking.options import CHECKS
from unibase.linking.series_checks import foreign_series, shared_series, suspect_masks

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


def stays(*spans: tuple[str, int, int]) -> pl.DataFrame:
    rows = [
        {
            "subject_id": 7,
            "code": "VISIT//IP",
            "time": DAY + timedelta(days=a),
            "end_time": DAY + timedelta(days=b),
            "source": f"{centre}/x",
        }
        for centre, a, b in spans
    ]
    return EVENTS.conform(pl.DataFrame(rows))


@pytest.mark.parametrize(
    ("spans", "found"),
    [
        ((("lyon", 0, 7), ("CHU-été", 2, 6)), {"two-places"}),
        ((("lyon", 0, 7), ("CHU-été", 7, 9)), set()),  # a transfer
        ((("lyon", 0, 7), ("lyon", 2, 6)), set()),  # two wards of one hospital
        ((("lyon", 0, 7), ("CHU-été", 3, 4)), set()),  # a day elsewhere
    ],
)
def test_stays_in_two_hospitals(spans: tuple[tuple[str, int, int], ...], found: set[str]) -> None:
    said = check_concordance(stays(*spans), centres=["lyon", "CHU-été"])
    assert set(said["check"]) == found <= set(CHECKS)


def series(*headers: tuple[str | None, float | None]) -> pl.DataFrame:
    rows = [
        {
            "subject_id": 7,
            "SeriesInstanceUID": f"2.25.{n}",
            "PatientSex": sex,
            "PatientAge": age,
            "series_time": DAY,
            "Modality": "CT",
        }
        for n, (sex, age) in enumerate(headers)
    ]
    types = {**SERIES.schema(), "PatientAge": pl.Float64()}
    table = pl.DataFrame(rows, schema_overrides={name: dtype for name, dtype in types.items() if name in rows[0]})
    return table.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in types.items() if name not in rows[0])


@pytest.mark.parametrize(
    ("headers", "item"),
    [
        ([("M", 60.0), ("M", 60.0), ("F", 60.0)], "2.25.2"),
        ([(None, 60.0), (None, 61.0), (None, 33.0)], "2.25.2"),
        ([("M", 60.0), ("F", 60.0)], None),  # which of two is foreign?
        ([(None, 60.0), (None, 47.0), (None, 33.0)], None),
        ([("M", 60.0), ("M", 61.0), (None, None)], None),
    ],
)
def test_one_foreign_series_among_right_ones(headers: list[tuple[str | None, float | None]], item: str | None) -> None:
    found = foreign_series(series(*headers))
    assert found["item"].to_list() == ([item] if item else [])
    assert set(found["check"]) <= set(CHECKS)


def test_one_series_under_two_persons_is_told_of_both() -> None:
    table = series(("M", 60.0), ("M", 60.0))
    both = pl.concat([table, table.head(1).with_columns(pl.lit(8, pl.Int64).alias("subject_id"))])
    assert shared_series(both).select("subject_id", "item").rows() == [(7, "2.25.0"), (8, "2.25.0")]
    assert shared_series(table).is_empty()


def regions(*names: str) -> pl.DataFrame:
    """Return the features of regions of one series of subject 7."""
    rows = [{"subject_id": 7, "roi_name": name, "SeriesInstanceUID": "2.25.1"} for name in names]
    return pl.concat([FEATURES.empty(), pl.DataFrame(rows)], how="diagonal_relaxed")


@pytest.mark.parametrize(
    ("code", "names", "found"),
    [
        ("ICD10CM//C34.11", ["Lung_L"], {"laterality"}),
        ("ICD10CM//C34.12", ["Lung_L"], set()),
        ("ICD10CM//C50.411", ["sein gauche"], {"laterality"}),
        ("ICD10CM//C34.11", ["Poumon_G"], {"laterality"}),
        ("ICD10CM//C34.11", ["Poumon_D", "GTV D"], set()),
        ("ICD10CM//C34.12", ["GTV_D"], {"laterality"}),
        ("ICD10CM//C34.12", ["GTV_A", "GTV_B", "GTV_D"], set()),  # the fourth of four
        ("ICD10CM//C34.11", ["ROI-G", "ROI-F"], set()),
        ("ICD10//C34.1", ["Lung_L"], set()),  # this vocabulary tells no side
    ],
)
def test_the_side_of_a_diagnosis_against_that_of_a_region(code: str, names: list[str], found: set[str]) -> None:
    assert checks(records(fact(code, 0)), features=regions(*names)) == found


@pytest.mark.parametrize("seed", [19, 77])
def test_wrong_links_of_ten_kinds_are_found_and_what_is_odd_and_right_is_not(seed: int) -> None:
    told = run(200, seed)
    assert told.found == dict.fromkeys(KINDS, EACH) and told.false.is_empty()


def test_a_mask_that_looks_wrong_is_a_finding_until_a_reviewer_decides() -> None:
    rows = [
        # subject, series, suspicion, verdict
        (7, "2.25.0", 6.0, None),
        (7, "2.25.0", 9.0, None),
        (7, "2.25.1", 4.9, None),
        (8, "2.25.2", 9.0, "keep"),
        (9, "2.25.3", 5.0, None),
        (None, "2.25.4", 9.0, None),
    ]
    looks = pl.DataFrame(rows, schema=["subject_id", "SeriesInstanceUID", "suspicion", "verdict"], orient="row")
    found = suspect_masks(looks)
    assert found.select("subject_id", "item", "check").rows() == [(7, "2.25.0", "mask"), (9, "2.25.3", "mask")]
    assert suspect_masks(looks.clear()).is_empty()
