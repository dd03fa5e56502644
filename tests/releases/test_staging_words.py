"""T, N, M and stage in one vocabulary: the categories of UICC's and AJCC's 8th edition, as centres write them."""

from __future__ import annotations

import polars as pl
import pytest

from unibase.releases.content.multimodal import _ordered
from unibase.releases.content.staging_words import in_one_vocabulary, rank, read_category

WRITTEN = """
T cT3 T3 c
T pT3 T3 p
T T3 T3
T 3 T3
T ypT2a_(m) T2a yp
T Tis(DCIS) Tis
T pT1mi T1mi p
T tx TX
T rpT4d T4d rp
T T1a1 T1a1
N N0 N0
N pN0(i+)(sn) N0 p
N cN2b N2b c
N 1 N1
N NX NX
M cM0 M0 c
M 0 M0
M M1c(1) M1c
M pM1 M1 p
STAGE IIIA IIIA
STAGE Stage_iv IV
STAGE stade_IVB IVB
STAGE 0is 0is
"""


@pytest.mark.parametrize("row", WRITTEN.strip().splitlines())
def test_a_category_as_centres_write_it(row: str) -> None:
    kind, text, level, *prefix = row.split()
    found = read_category(kind, text.replace("_", " "))
    assert (found.level, found.prefix) == (level, prefix[0] if prefix else None)


@pytest.mark.parametrize(("kind", "text"), [("T", "T5"), ("T", "N1"), ("T", "T2 N0"), ("N", "4"), ("M", "2"), ("T", "inconnu"), ("T", ""), ("STAGE", "3"), ("STAGE", "V")])  # fmt: skip
def test_what_is_no_category_is_not_guessed(kind: str, text: str) -> None:
    assert read_category(kind, text).level is None


def test_the_text_is_kept_beside_and_other_columns_stay() -> None:
    subjects = pl.DataFrame(
        {"subject_id": [1, 2, 3], "T": ["cT3", "unclear", None], "STAGE": ["IIA", None, "?"], "AGE": [50, 60, 70]}
    )
    found = in_one_vocabulary(subjects)
    assert found.columns == ["subject_id", "T", "T_prefix", "T_text", "STAGE", "STAGE_text", "AGE"]
    assert found.rows() == [
        (1, "T3", "c", "cT3", "IIA", "IIA", 50),
        (2, None, None, "unclear", None, None, 60),
        (3, None, None, None, None, "?", 70),
    ]


def test_categories_are_in_the_order_of_the_disease() -> None:
    import pandas as pd

    assert list(_ordered("T", pd.Series(["TX", "T2a", "Tis", "T2", "T1", "T0"])).categories) == [
        "T0",
        "Tis",
        "T1",
        "T2",
        "T2a",
        "TX",
    ]
    assert sorted(["IV", "IIIA", "I", "III", "II", "0"], key=lambda level: rank("STAGE", level)) == [
        "0",
        "I",
        "II",
        "III",
        "IIIA",
        "IV",
    ]
