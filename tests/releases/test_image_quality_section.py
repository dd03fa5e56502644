"""What image volumes are and how good, from the table of the release to its page: no value of few persons is shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl

from tests.releases.examples import make_inputs
from unibase.groundwork.image_tables import IMAGES
from unibase.releases.content.publish import publish_release


def volumes(subjects: pl.DataFrame) -> pl.DataFrame:
    """A CT of each subject; three have a kernel that nobody else has."""
    rows = [
        {
            "subject_id": subject,
            "centre": centre,
            "StudyInstanceUID": f"1.2.{place}",
            "SeriesInstanceUID": f"1.2.{place}.3",
            "Modality": "CT",
            "volume": "",
            "unit": "HU",
            "spacing_z": 3.0 if place % 2 else 1.25,
            "noise": 10.0 + place,
            "ConvolutionKernel": "RARE99" if place < 3 else "B30f",
        }
        for place, (subject, centre) in enumerate(subjects.select("subject_id", "centre").iter_rows())
    ]
    return IMAGES.conform(pl.DataFrame(rows, infer_schema_length=None))


def test_volumes_are_released_and_their_quality_is_told(tmp_path: Path) -> None:
    inputs = make_inputs(tmp_path / "assays", subjects=60)
    table = volumes(inputs.subjects)
    stranger = table.head(1).with_columns(pl.lit(99, dtype=pl.Int64).alias("subject_id"))
    folder = publish_release(replace(inputs, volumes=pl.concat([table, stranger]), min_cell=5), tmp_path / "releases")
    released = pl.read_parquet(folder / "tables/volumes.parquet")
    assert released.height == inputs.subjects.height and set(released["subject_id"]) == set(inputs.subjects["subject_id"])
    words = pl.read_parquet(folder / "dictionary/dictionary.parquet").filter(pl.col("table") == "volumes")
    assert set(words["column"]) == set(released.columns)
    assert "inside the body" in str(words.filter(pl.col("column") == "noise").to_dicts())
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert 'id="image_quality"' in page and "B30f" in page and "Slice distance (mm)" in page
    assert "RARE99" not in page
    assert "SeriesInstanceUID" in released.columns and "PatientWeight" not in released.columns


def test_without_images_there_is_neither_table_nor_section(tmp_path: Path) -> None:
    inputs = make_inputs(tmp_path / "assays", subjects=20)
    folder = publish_release(replace(inputs, volumes=IMAGES.empty()), tmp_path / "releases")
    assert not (folder / "tables/volumes.parquet").exists()
    assert 'id="image_quality"' not in (folder / "report.html").read_text(encoding="utf-8")
