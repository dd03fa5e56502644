"""The dictionary against PyRadiomics' own list of features and IBSI's own list of codes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.imaging.engine.one_region import extract_ibsi
from unibase.groundwork.tables import FEATURES
from unibase.imaging.engine.options import AGGREGATIONS_2D, AGGREGATIONS_3D, IbsiOptions
from unibase.imaging.radiomics.feature_words import COLUMNS, feature_dictionary, feature_names, pyradiomics_columns


def test_every_feature_of_pyradiomics_is_described() -> None:
    from radiomics import getFeatureClasses

    theirs = {name: features.getFeatureNames() for name, features in getFeatureClasses().items()}
    assert {name: set(feature_names(name)) for name in theirs} == {name: set(features) for name, features in theirs.items()}
    for name, features in theirs.items():
        assert set(feature_names(name, deprecated=False)) == {
            feature for feature, deprecated in features.items() if not deprecated
        }
    frame = feature_dictionary(pyradiomics_columns())
    assert frame.columns == list(COLUMNS)
    assert frame["column"].n_unique() == frame.height == 127
    assert frame.filter(pl.col("definition").is_null() | pl.col("unit").is_null() | pl.col("family").is_null()).height == 0
    # What has no IBSI code says so.
    assert frame.filter(pl.col("ibsi_code").is_null() & pl.col("difference").is_null()).height == 0


def test_every_feature_of_ibsi_mode_is_defined() -> None:
    options = IbsiOptions(aggregations=AGGREGATIONS_2D + AGGREGATIONS_3D, bins=4)
    mask = np.zeros((5, 6, 7), dtype=bool)
    mask[1:4, 1:5, 1:6] = True
    columns = extract_ibsi(np.arange(210.0).reshape(5, 6, 7), mask, (1.0, 1.0, 1.0), options)["original"]
    frame = feature_dictionary(columns)
    assert frame.height == len(columns) == 486
    for needed in ("family", "ibsi_code", "unit", "definition"):
        assert frame[needed].null_count() == 0
    joined = ("glcm", "glrlm", "glszm", "gldzm", "ngtdm", "ngldm")
    assert frame.filter(pl.col("aggregation").is_not_null() != pl.col("family").is_in(joined)).is_empty()
    # No two features of a family are defined alike.
    defined = frame.select("family", "ibsi_code", "definition").unique()
    assert defined.height == defined["ibsi_code"].n_unique() == defined.select("family", "definition").n_unique() == 171


def test_codes_are_those_of_the_reference_values(real_data: Path) -> None:
    reference = pl.read_csv(real_data / "ibsi/ibsi1_reference_values.csv")
    # The table gives small zone emphasis the code of its family (9SAK); DICOM (PS3.16, CID 7476) and MIRP have 5QRC.
    reference = reference.with_columns(pl.col("ibsi_code").replace({"9SAK": "5QRC"}))
    codes = dict(reference.select("ibsi_code", "family").unique().iter_rows())
    frame = feature_dictionary(pyradiomics_columns()).filter(pl.col("ibsi_code").is_not_null())
    assert {(row["ibsi_code"], row["family"]) for row in frame.iter_rows(named=True)} <= set(codes.items())
    ibsi = feature_dictionary(reference["tag"].unique(maintain_order=True))
    assert ibsi.height == 482
    joined = ibsi.join(reference.select("tag", "ibsi_code", "aggregation").unique(), left_on="column", right_on="tag")
    assert joined.filter(pl.col("ibsi_code") != pl.col("ibsi_code_right")).height == 0
    assert joined.filter(pl.col("aggregation").ne_missing(pl.col("aggregation_right"))).height == 0


def test_identity_columns_are_described_and_strangers_are_not() -> None:
    names = [column.name for column in FEATURES.columns]
    frame = feature_dictionary(names)
    assert frame["column"].to_list() == names
    assert set(frame["family"]) == {"identity"}
    with pytest.raises(KeyError, match="firstorder_Meen"):
        feature_dictionary(["firstorder_Meen"])
