"""What cannot be true enters no table and is lost nowhere: a row of the table a case, judged over a cohort of plain values."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.clinical.test_derivations import events
from unibase.clinical.derived.kept_apart import Judgement, keep_apart, kept_problems, restored
from unibase.clinical.derived.quality_checks import check_quality
from unibase.clinical.derived.quality_rules import QualityRules
from unibase.clinical.derived.spread_of_values import spread_of
from unibase.clinical.words.concepts import Concepts
from unibase.groundwork.problems import UserError

HB, T, CARBOPLATIN, CEA = "LOINC//718-7", "LOINC//21905-5", "ATC//L01XA02", "LOINC//2039-6"
Number = tuple[str, float, str | None]


def numbers(*rows: Number, centre: str = "lyon") -> pl.DataFrame:
    """Return a person born in 1950 with these codes, numbers and units, a day apart."""
    days = [f"2020-{1 + n // 28:02d}-{1 + n % 28:02d}" for n in range(len(rows))]
    made = events((1, "MEDS_BIRTH", "1950-01-01"), *((1, row[0], day) for row, day in zip(rows, days, strict=True)))
    return made.with_columns(
        numeric_value=pl.Series([None, *(row[1] for row in rows)], dtype=pl.Float32),
        unit=pl.Series([None, *(row[2] for row in rows)], dtype=pl.String),
        source=pl.lit(f"{centre}/csv/lab"),
    )


def judged(frame: pl.DataFrame, rules: QualityRules | None = None) -> tuple[pl.DataFrame, dict[tuple[str, str], int]]:
    one = Judgement(rules or QualityRules.default(), spread_of([frame.lazy()]), Concepts.default())
    out, kept = keep_apart(frame, one)
    return out, {(code, check): count for _, code, check, count in kept.iter_rows()}


PLAIN = [(HB, 12.0 + n / 10, "g/dL") for n in range(20)] + [(CEA, 3.0 + n, "ng/mL") for n in range(9)]
DOSES = [(CARBOPLATIN, 450.0 + n, "mg") for n in range(10)]


@pytest.mark.parametrize(
    ("row", "check"),
    [
        ((HB, 130.0, "g/dL"), "plausibility/value-range"),
        ((HB, 999.0, "g/dL"), "plausibility/value-range"),
        ((HB, 33.9, "g/dL"), None),
        ((CEA, 999.0, "ng/mL"), "plausibility/sentinel-value"),
        ((CEA, -1.0, "ng/mL"), "plausibility/sentinel-value"),
        ((CEA, 800.0, "ng/mL"), None),  # a marker may be far from the others
        ((CEA, 4.0, None), "conformance/unit-mixed"),
        ((CARBOPLATIN, 450_000.0, "mg"), "plausibility/dose-far-off"),
        ((CARBOPLATIN, 0.45, "mg"), "plausibility/dose-far-off"),
        ((CARBOPLATIN, 45.0, "mg"), None),
        ((CARBOPLATIN, 0.45, "g"), None),  # another unit is another number
    ],
)
@pytest.mark.parametrize("centre", ["CHU-été", "derived"])
def test_a_value_is_kept_apart_under_the_check_that_flags_it(centre: str, row: Number, check: str | None) -> None:
    frame = numbers(*PLAIN, *DOSES, row, centre=centre)
    out, kept = judged(frame)
    assert kept == ({} if check is None else {(row[0], check): 1})
    assert sorted(restored(out)["numeric_value"].drop_nulls()) == sorted(frame["numeric_value"].drop_nulls())
    # Of a dose that cannot be, the drug was given all the same.
    given = out.filter(pl.col("code") == CARBOPLATIN).height
    assert given == len(DOSES) + (row[0] == CARBOPLATIN)
    checks = check_quality(out).filter(pl.col("year").is_null() & (pl.col("kept_out") > 0))
    assert {f"{a}/{b}": c for a, b, c in checks.select("category", "check", "kept_out").iter_rows()} == (
        {check: 1} if check else {}
    )


@pytest.mark.parametrize(
    ("centre", "unit", "values"),
    [("g/L", None, 132.0), ("g/dL", None, 13.2), ("left", None, 9.4), ("left", None, 40.0)],
)
def test_a_unit_is_given_only_where_one_alone_fits(centre: str, unit: str | None, values: float) -> None:
    """13.2 may be g/dL, and no patients have a median of 13.2 mmol/L (21 g/dL); 9.4 may be either; 40 is none."""
    bare = numbers(*[(HB, values + n / 100, unit) for n in range(20)], centre="CHU-été")
    out, kept = judged(pl.concat([numbers(*PLAIN), bare]))
    mine = out.filter((pl.col("source") == "CHU-été/csv/lab") & pl.col("numeric_value").is_not_null())
    if centre == "left":
        assert kept == {(HB, "conformance/unit-mixed"): 20}
    else:
        assert kept == {} and set(mine["unit"]) == {"g/dL"}
        assert mine["numeric_value"].median() == pytest.approx(13.3, abs=0.1)


def test_values_of_another_unit_are_told_by_their_median() -> None:
    other = numbers(*[(HB, 7.5 + n / 100, "g/dL") for n in range(20)], centre="CHU-été")
    found = check_quality(pl.concat([numbers(*PLAIN), other])).filter(pl.col("check") == "unit-by-distribution")
    assert found.select("centre", "violations", "passed").rows() == [("CHU-été", 20, False), ("lyon", 0, True)]


def test_before_birth_and_impossible_categories_enter_no_table() -> None:
    frame = events(
        (1, "MEDS_BIRTH", "1950-01-01"), (1, "VISIT//IP", "1949-12-31"), (1, T, "2020-01-05", "T9"), (1, T, "2020-01-05", "T2a"),
        (1, "VISIT//IP", "1950-01-01"),
    )  # fmt: skip
    out, kept = judged(frame)
    assert kept == {("VISIT//IP", "plausibility/before-birth"): 1, (T, "plausibility/impossible-tnm"): 1}
    concepts = Concepts.default()
    assert concepts.select(out, "tnm_t")["text_value"].to_list() == ["T2a"]
    assert concepts.select(out, "last_contact").height == 3  # the category that cannot be was written on a day alive
    assert kept_problems(judged_kept(frame), [])["reason"].unique().to_list() == ["impossible-value"]


@pytest.mark.parametrize(
    ("sexes", "code", "out"),
    [
        (["M"], "ICD10//C56", True), (["F"], "ICD10GM//C61", True), (["F"], "ICDO3//8140/3-C61.9", True), (["F"], "ICDO3//C61.9", True),
        (["F"], "ICD10//C56", False), (["M"], "ICD10//C62.1", False), (["M"], "ICD10//C50.9", False), (["M", "F"], "ICD10//C56", False),
        ([], "ICD10//C61", False),
    ],
)  # fmt: skip
def test_a_cancer_of_the_other_sexs_organ_enters_no_table_unless_the_study_says_so(
    sexes: list[str], code: str, out: bool
) -> None:
    frame = events(*((1, f"SEX//{sex}", "2019-01-01") for sex in sexes), (1, code, "2020-01-05"))
    assert judged(frame)[1] == ({(code, "plausibility/sex-against-site"): 1} if out else {})
    rules = QualityRules.default()
    check = rules.checks["plausibility/sex-against-site"]
    assert check is not None
    entering = {**rules.checks, "plausibility/sex-against-site": check.model_copy(update={"enters": True})}
    assert judged(frame, QualityRules(entering, rules.ranges))[1] == {}


def judged_kept(frame: pl.DataFrame) -> pl.DataFrame:
    return keep_apart(frame, Judgement(QualityRules.default(), spread_of([frame.lazy()]), Concepts.default()))[1]


def test_a_study_lets_values_in_by_check(tmp_path: Path) -> None:
    own = tmp_path / "quality.yaml"
    own.write_text("quality: 1\nchecks:\n  plausibility/value-range: {threshold: 2, enters: true}\n", encoding="utf-8")
    frame = numbers(*PLAIN, (HB, 130.0, "g/dL"))
    out, kept = judged(frame, QualityRules.read(own))
    assert kept == {} and out.equals(frame)
    own.write_text("quality: 1\nchecks:\n  plausibility/value-range: {threshold: 2}\n", encoding="utf-8")
    assert judged(frame, QualityRules.read(own))[1] == {(HB, "plausibility/value-range"): 1}
    own.write_text("quality: 1\nchecks:\n  completeness/sex: {threshold: 2, enters: false}\n", encoding="utf-8")
    with pytest.raises(UserError, match="completeness/sex keeps nothing out"):
        QualityRules.read(own)


def test_judgement_does_not_depend_on_blocks() -> None:
    frame = pl.concat([numbers(*PLAIN, (CEA, 999.0, "ng/mL")), numbers(*PLAIN).with_columns(subject_id=pl.lit(2, pl.Int64))])
    one = Judgement(QualityRules.default(), spread_of([frame.lazy()]), Concepts.default())
    whole = keep_apart(frame, one)[0]
    parts = [keep_apart(frame.filter(pl.col("subject_id") == subject), one)[0] for subject in (1, 2)]
    assert pl.concat(parts).equals(whole.sort("subject_id", maintain_order=True))
