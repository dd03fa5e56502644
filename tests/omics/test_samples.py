from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import polars as pl
import pytest

from unibase.groundwork.problems import UserError
from unibase.omics.samples.sheet_file import collection_interval, read_samples
from unibase.omics.samples.sheets import column_name, sample_events, sample_map, stage
from unibase.privacy.keys import Key
from unibase.privacy.subjects import Subject, SubjectLookup

KEY = Key(bytes(range(32)))
LOOKUP = SubjectLookup({("A", "ipp", "H1"): Subject(11, -10), ("A", "ipp", "H2"): Subject(22, -400)})


def sheet(tmp_path: Path) -> pl.DataFrame:
    path = tmp_path / "samples.csv"
    path.write_text(
        "sample,patient,collected,sample_type\nS1,H1,2020-03-11,Tumor\nS2,H2,2020-03,normal\nS3,H9,2020,tumour\nS4,H1,,\nS5,H2,2021-01-05,tumour\n"
    )
    return read_samples(path)


def test_sheet_and_dates(tmp_path: Path) -> None:
    frame = sheet(tmp_path)
    assert frame["sample_type"].to_list() == ["tumour", "normal", "tumour", None, "tumour"]
    assert collection_interval("2020-02") == (datetime(2020, 2, 1), datetime(2020, 2, 29, 23, 59, 59, 999_999))
    assert collection_interval("2020-02-30") is None
    assert collection_interval(None) is None
    for text, message in (
        ("sample\nS1\n", "lacks the column patient"),
        ("sample,patient\nS1,H1\nS1,H2\n", "second time"),
        ("sample,patient\nS1,\n", "Row 1"),
    ):
        path = tmp_path / "bad.csv"
        path.write_text(text)
        with pytest.raises(UserError, match=message):
            read_samples(path)


def test_sample_map_shifts_and_hides(tmp_path: Path) -> None:
    mapping = sample_map("rna", sheet(tmp_path), "A", LOOKUP, KEY, {"S5": "empty-sample"})
    rows = {row["colname"]: row for row in mapping.iter_rows(named=True)}
    one = rows[column_name(KEY, "rna", "A", "S1")]
    assert one["primary"] == 11
    assert one["sample_time"] == datetime(2020, 3, 11) - timedelta(days=10)
    two = rows[column_name(KEY, "rna", "A", "S2")]
    assert two["sample_time"] is None
    assert two["sample_time_min"] < datetime(2020, 3, 1) - timedelta(days=399)
    assert two["sample_time_max"] >= datetime(2020, 3, 31) - timedelta(days=400)
    assert rows[column_name(KEY, "rna", "A", "S5")]["status"] == "quarantined"
    assert mapping.height == 4
    events = sample_events(mapping)
    assert events.height == 3
    assert set(events["code"]) == {"SAMPLE//rna"}
    assert column_name(KEY, "rna", "A", "S1") != column_name(KEY, "rna", "B", "S1") != column_name(KEY, "mutations", "A", "S1")


def test_stage_accounts_for_everyone_and_leaves_no_source_name(tmp_path: Path) -> None:
    samples = sheet(tmp_path)
    adata = anndata.AnnData(
        X=np.arange(10).reshape(5, 2),
        obs=pd.DataFrame(
            {"sample": ["S1", "S2", "S3", "S9", "S5"], "patient": ["H1", "H2", "H9", "H9", "H2"]},
            index=["S1", "S2", "S3", "S9", "S5"],
        ),
        var=pd.DataFrame(index=["g1", "g2"]),
    )
    staged = stage(
        adata, samples, assay="rna", centre="A", lookup=LOOKUP, key=KEY, refused={"S5": ("empty-sample", "No count.", "")}
    )
    assert dict(zip(staged.adata.obs_names, staged.adata.obs["subject_id"], strict=True)) == {
        column_name(KEY, "rna", "A", "S1"): 11,
        column_name(KEY, "rna", "A", "S2"): 22,
    }
    assert list(staged.adata.obs_names) == sorted(staged.adata.obs_names)
    by_reason = dict(staged.quarantine.group_by("reason").len().iter_rows())
    assert by_reason == {"empty-sample": 1, "not-on-sheet": 1, "unknown-patient": 1, "not-in-matrix": 1}
    text = staged.adata.obs.to_csv() + staged.sample_map.write_csv() + staged.quarantine.write_csv()
    for needle in ("S1", "S9", "H1", "H9", "2020-03-11"):
        assert needle not in text
    row = int(np.flatnonzero(staged.adata.obs_names == column_name(KEY, "rna", "A", "S2"))[0])
    np.testing.assert_array_equal(staged.adata.X[row], [2, 3])


DATES = [
    ("20/05/2021 3/4/2021", ["2021-05-20", "2021-04-03"]),
    ("05/20/2021 3/4/2021", ["2021-05-20", "2021-03-04"]),
    ("20.05.2021 20210520 2021-05 ND", ["2021-05-20", "2021-05-20", "2021-05", None]),
    ("03/04/2021 05/06/2021", "Row 1 of .* tells the day"),
    ("20/05/2021 05/20/2021", "Row 1 of .* tells the day"),
]


@pytest.mark.parametrize(("cells", "told"), DATES)
def test_days_of_collection_are_read_or_refused_never_lost(tmp_path: Path, cells: str, told: list[str | None] | str) -> None:
    path = tmp_path / "CHU-été.csv"
    rows = "".join(f"S{i};H{i};{cell};Métastase\r\n" for i, cell in enumerate(cells.split()))
    path.write_bytes(("Échantillon;IPP;Date de prélèvement;Type échantillon\r\n" + rows).encode("cp1252"))
    if isinstance(told, str):
        with pytest.raises(UserError, match=told):
            read_samples(path)
    else:
        assert read_samples(path)["collected"].to_list() == told
        assert set(read_samples(path)["sample_type"]) == {"metastasis"}


TYPES = [
    ("Tumeur", "tumour", ""),
    ("Primary Tumor", "tumour", ""),
    ("Solid Tissue Normal", "normal", ""),
    ("tissu sain", "normal", ""),
    ("MÉTASTASE", "metastasis", ""),
    ("", None, ""),
    ("NA", None, ""),
    # Not known: it may be normal tissue, which no study takes for a tumour unless it says so.
    ("01A", None, "unknown-sample-type"),
    ("foie", None, "unknown-sample-type"),
]


@pytest.mark.parametrize(("word", "kind", "problem"), TYPES)
def test_words_for_the_type_of_a_sample(tmp_path: Path, word: str, kind: str | None, problem: str) -> None:
    path = tmp_path / "lyon.csv"
    path.write_text(f"sample,patient,sample_type\nS1,H1,{word}\n", encoding="utf-8")
    assert read_samples(path).select("sample_type", "problem").row(0) == (kind, problem)


@pytest.mark.parametrize("cell", ["soon", "2021-02-30", "43467", "31/11/2021"])
def test_a_sample_with_what_is_no_day_of_collection_is_set_aside_alone(tmp_path: Path, cell: str) -> None:
    path = tmp_path / "lyon.csv"
    path.write_text(
        f"sample,patient,collected,sample_type\nS1,H1,{cell},normal\nS2,H2,20/05/2021,foie\nS3,H2,,\n", encoding="utf-8"
    )
    adata = anndata.AnnData(X=np.ones((3, 2)), obs=pd.DataFrame(index=["S1", "S2", "S3"]))
    staged = stage(adata, read_samples(path), assay="rna", centre="A", lookup=LOOKUP, key=KEY)
    assert list(staged.adata.obs_names) == [column_name(KEY, "rna", "A", "S3")]
    why = dict(staged.quarantine.select("unit", "reason").iter_rows())
    assert why == {
        column_name(KEY, "rna", "A", "S1"): "no-collection-date",
        column_name(KEY, "rna", "A", "S2"): "unknown-sample-type",
    }
    assert staged.sample_map.filter(pl.col("status") == "quarantined").height == 2
    assert cell not in staged.quarantine.write_csv()


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("2021-05-20 00:00:00", "2021-05-20"),  # midnight is a day whose clock nobody knows
        ("2021-05-20 00:00:00.000000", "2021-05-20"),
        ("20/05/2021 00:00", "2021-05-20"),
        ("2021-05-20T10:30:00Z", "2021-05-20T10:30:00"),
        ("2021-05-20 10:30:00.5+02:00", "2021-05-20T10:30:00"),
        ("2021-05-20 10:30", "2021-05-20T10:30"),
    ],
)
def test_clocks_of_a_day_of_collection(tmp_path: Path, cell: str, told: str) -> None:
    path = tmp_path / "lyon.csv"
    path.write_text(f"sample|patient|Sampling date\nS1|H1|{cell}\n", encoding="utf-8")
    assert read_samples(path).select("collected", "problem").row(0) == (told, "")


def test_a_sheet_in_parquet_keeps_its_days(tmp_path: Path) -> None:
    days = [datetime(2021, 5, 20), datetime(2021, 5, 21, 9, 15)]
    pl.DataFrame({"sample": ["S1", "S2"], "patient": [800123, 7], "collected": days}).write_parquet(tmp_path / "s.parquet")
    found = read_samples(tmp_path / "s.parquet")
    assert found["collected"].to_list() == ["2021-05-20", "2021-05-21T09:15:00"] and set(found["problem"]) == {""}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sample,patient\nS1,800123,more\n", "is no table"),
        ('sample,patient\n"S1,800123\nS2,800124\n', "is no table"),
        ("", "is no table"),
        ("sample,patient,patient\nS1,800123,800124\n", "two columns of one title"),
    ],
)
def test_what_is_no_sheet_is_refused_without_a_value(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "lyon.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=said) as error:
        read_samples(path)
    assert "8001" not in str(error.value)


COLUMNS = [
    # Titles of a sheet beside sample and patient, a row, and what is read of it or said.
    ("biopsy_date", "2021-05-20", ("2021-05-20", None)),
    ("Specimen Date,sequencing_date", "2021-05-20,2021-07-01", ("2021-05-20", None)),
    ("tumor_normal", "normal", (None, "normal")),
    ("received_date,birth_date,status", "2021-05-20,1950-01-01,alive", (None, None)),
    ("date,collected", "2021-07-01,2021-05-20", ("2021-05-20", None)),
    ("date", "", (None, None)),
    ("sex,stade", "M,N", (None, None)),
    ("date", "2021-05-20", "whether date is the day of collection"),
    ("Jour", "2021-05-20", "whether Jour is the day of collection"),
    ("sample_dates", "2021-05-20", "whether sample_dates is"),
    ("class", "Solid Tissue Normal", "class says it"),
    ("sampling_date,date_of_biopsy", "2021-05-20,2021-05-21", "two columns that may be collected"),
]


@pytest.mark.parametrize(("titles", "cells", "told"), COLUMNS)
def test_no_column_of_a_day_or_a_type_is_passed_over(
    tmp_path: Path, titles: str, cells: str, told: tuple[str | None, str | None] | str
) -> None:
    path = tmp_path / "CHU-été.csv"
    path.write_text(f"sample,patient,{titles}\nS1,H1,{cells}\n", encoding="utf-8")
    if isinstance(told, str):
        with pytest.raises(UserError, match=told) as error:
            read_samples(path)
        assert "2021" not in str(error.value)
    else:
        assert read_samples(path).select("collected", "sample_type").row(0) == told
