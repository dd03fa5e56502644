"""Cross-modal checks that catch wrong links: what two modalities say of one subject must be possible together.

Every check yields findings with a score from 0 (odd) to 1 (impossible for one person). A finding names modalities and
the check, no value. A study sets which findings exclude (`CohortRules.exclude: [discordant:sex]`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from unibase.groundwork.numbers import as_written
from unibase.linking.contradictions import contradictions
from unibase.linking.reasons import AGE, BODY_PART, DATES, LATERALITY, SEX, WEIGHT
from unibase.linking.series_checks import foreign_series
from unibase.linking.tables import FINDINGS

ORDER = ("subject_id", "check", "modality", "item", "message", "score")
"""One sample may have several findings of a check: the message and score decide, so that equal findings give equal bytes."""

_SITES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"C(0\d|1[0-4]|3[0-2]|73)", ("HEAD", "NECK", "SKULL", "JAW", "ORL", "THYROID", "CHEST", "THORAX")),
    (r"C(15)", ("CHEST", "THORAX", "ESOPHAGUS", "ABDOMEN", "NECK")),
    (r"C(1[6-9]|2[0-6]|48)", ("ABDOMEN", "ABDO", "PELVIS", "LIVER", "PANCREAS", "COLON", "RECTUM", "STOMACH")),
    (r"C(3[3-9])", ("CHEST", "THORAX", "LUNG", "MEDIASTINUM", "HEART")),
    (r"C50", ("BREAST", "CHEST", "THORAX", "SEIN")),
    (r"C(5[1-8]|6[0-3])", ("PELVIS", "ABDOMEN", "PROSTATE", "UTERUS", "OVARY")),
    (r"C(6[4-8]|74)", ("ABDOMEN", "ABDO", "KIDNEY", "PELVIS", "BLADDER")),
    (r"C7[0-2]", ("HEAD", "BRAIN", "SKULL", "SPINE", "NEURO")),
)
"""Parts of the body that an image of a tumour site (ICD-10) shows, as DICOM's Body Part Examined names them (PS3.16 L)."""

_LATERALITY = r"laterality|^osiris_rwd//8\.10$"
_SIDE_OF_CODE = r"^ICD10CM//(?:C34\.[0-9]|C50\.[0-9]1|C56\.|C57\.0|C62\.[019]|C64\.|C65\.|C66\.|C69\.[0-9]|C74\.[019])([12])$"
"""Where ICD-10-CM tells the side of a paired organ by its last digit: 1 right, 2 left."""
_WHOLE_BODY = ("WHOLEBODY", "WHOLE BODY", "WB", "CAP", "TAP", "BODY", "TRUNK")
_LEFT, _RIGHT = (
    re.compile(r"(^|[^a-z])(left|gauche|lt|l)([^a-z]|$)", re.I),
    re.compile(r"(^|[^a-z])(right|droite?|rt|r)([^a-z]|$)", re.I),
)
_LETTER = re.compile(r"^(.*[a-z0-9])[ _-]+([a-z])$", re.I)
"""A name that ends in a letter of its own, which may be French for a side: gauche, droite."""


def check_concordance(
    events: pl.DataFrame,
    series: pl.DataFrame | None = None,
    samples: pl.DataFrame | None = None,
    *,
    features: pl.DataFrame | None = None,
    sample_sex: Mapping[str, str] | None = None,
    further: pl.DataFrame | None = None,
    centres: Sequence[str] = (),
) -> pl.DataFrame:
    """Return the findings of all checks that the tables allow, sorted by subject and check.

    Checks: `sex` (clinical records against DICOM and expression, and DICOM against expression), `dates` (an image or
    sample before birth or after death), `age` (`PatientAge` in years, when the series table has it), `body-part`
    (no image of the subject shows the tumour's site), `laterality` (side of the region's name against the record),
    `weight` (`PatientWeight` in kg against the record within 90 days). `duplicate` and `genotype` are made where the samples
    are (`of_samples`) and come as `further`.

    What the records of one subject cannot all be is checked by `contradictions`: `births`, `deaths`, `after-death`, `organ`,
    `sample-date`, and two sexes as `sex`.

    Args:
        events: EVENTS of all subjects.
        series: SERIES; may have the further columns `PatientAge` and `PatientWeight`.
        samples: SAMPLE_MAP.
        features: FEATURES, for the names of regions.
        sample_sex: Sex by `colname`, where a sample tells one.
        further: FINDINGS of samples compared with one another.
        centres: Names of the centres of the study, for stays in two of them at once.
    """
    told = _told_sexes(events)
    sex = told.filter(pl.col("subject_id").is_unique()).sort("subject_id")
    findings = [pl.DataFrame(schema=FINDINGS.schema()) if further is None else further]
    findings.append(contradictions(events, told, samples, features, centres))
    known = pl.DataFrame(schema={"subject_id": pl.Int64, "sex": pl.String})
    if series is not None:
        dicom = _sexes_of_images(series)
        findings += _image_findings(events, series, sex, dicom)
        known = dicom.group_by("subject_id").agg(pl.col("other").unique()).filter(pl.col("other").list.len() == 1)
        known = known.select("subject_id", pl.col("other").list.first().alias("sex"))
    if samples is not None:
        findings.append(_date_findings(events, _sample_times(samples)))
        if sample_sex:
            expressed = _sexes_of_samples(samples, sample_sex)
            findings.append(_sex_findings(sex, expressed, "clinical records"))
            findings.append(_sex_findings(known.join(sex, on="subject_id", how="anti"), expressed, "images"))
    if features is not None:
        findings.append(_laterality_findings(events, features))
    return pl.concat(findings).unique().sort(ORDER)


def _image_findings(events: pl.DataFrame, series: pl.DataFrame, sex: pl.DataFrame, dicom: pl.DataFrame) -> list[pl.DataFrame]:
    """Return what the headers of images say against the records, as far as the series table has them."""
    found = [_sex_findings(sex, dicom, "clinical records")]
    found += [_date_findings(events, _image_times(series)), _body_part_findings(events, series), foreign_series(series)]
    found += [_age_findings(events, series)] if "PatientAge" in series.columns else []
    return found + ([_weight_findings(events, series)] if "PatientWeight" in series.columns else [])


def _sexes_of_images(series: pl.DataFrame) -> pl.DataFrame:
    return series.filter(pl.col("PatientSex").is_in(["M", "F"])).select(
        "subject_id",
        pl.col("PatientSex").alias("other"),
        pl.col("SeriesInstanceUID").alias("item"),
        pl.lit("imaging").alias("modality"),
    )


def _sexes_of_samples(samples: pl.DataFrame, sample_sex: Mapping[str, str]) -> pl.DataFrame:
    return samples.select(
        pl.col("primary").alias("subject_id"),
        pl.col("colname").replace_strict(dict(sample_sex), default=None, return_dtype=pl.String).alias("other"),
        pl.col("colname").alias("item"),
        pl.col("assay").alias("modality"),
    ).filter(pl.col("other").is_in(["M", "F"]))


_MESSAGES = {
    "duplicate-suspected": "a sample of {modality} is like that of another person",
    "swap-suspected": "two samples of {modality} are not of one person",
}


def of_samples(pairs: pl.DataFrame, subjects: Mapping[str, int], modality: str) -> pl.DataFrame:
    """Return FINDINGS of pairs of samples that do not fit: one for each person of a pair.

    Args:
        pairs: `check`, `sample`, `other`, `finding` (`duplicate-suspected`: of two persons and alike; `swap-suspected`: of one
            person and not alike), `value` (how alike, 0 to 1), as `omics.tables.SAMPLE_FINDINGS`.
        subjects: Subject of each sample.
        modality: Assay of the samples.

    The score is the likeness; of samples that should be alike, what it lacks of 1.
    """
    rows = []
    for pair in pairs.iter_rows(named=True):
        message = _MESSAGES[pair["finding"]].format(modality=modality)
        alike = min(max(pair["value"], 0.0), 1.0)
        score = 1.0 - alike if pair["finding"] == "swap-suspected" else alike
        rows += [(subjects[pair[which]], pair["check"], score, modality, pair[which], message) for which in ("sample", "other")]
    return pl.DataFrame(rows, schema=FINDINGS.schema(), orient="row").unique().sort(ORDER)


def _finding(frame: pl.DataFrame, check: str, score: pl.Expr, message: pl.Expr) -> pl.DataFrame:
    return frame.select(
        "subject_id",
        pl.lit(str(check)).alias("check"),
        score.cast(pl.Float64).alias("score"),
        pl.col("modality").cast(pl.String),
        pl.col("item").cast(pl.String),
        message.alias("message"),
    )


def _told_sexes(events: pl.DataFrame) -> pl.DataFrame:
    """Return `subject_id, sex`, a row per subject and sex that its records tell."""
    said = events.select(
        "subject_id", pl.col("code").cast(pl.String).str.extract(r"^(?:SEX|GENDER)//(?:.*//)?([MF])(?:EMALE|ALE)?$").alias("sex")
    )
    return said.drop_nulls().unique().sort(pl.all())


def _sex_findings(sex: pl.DataFrame, other: pl.DataFrame, against: str) -> pl.DataFrame:
    wrong = other.join(sex, on="subject_id").filter(pl.col("other") != pl.col("sex"))
    return _finding(
        wrong, SEX, pl.lit(1.0), pl.concat_str(pl.lit("sex in "), pl.col("modality"), pl.lit(f" is not that of {against}"))
    )


def _spans(events: pl.DataFrame, code: str) -> pl.DataFrame:
    rows = events.filter(pl.col("code").cast(pl.String).str.starts_with(code)).select(
        "subject_id",
        pl.coalesce("time_min", "time").alias("first"),
        pl.coalesce("time_max", pl.col("time") + pl.duration(days=1)).alias("last"),
    )
    return rows.group_by("subject_id").agg(pl.col("first").min(), pl.col("last").max()).drop_nulls()


def _image_times(series: pl.DataFrame) -> pl.DataFrame:
    return series.filter(~pl.col("Modality").is_in(["RTSTRUCT", "SEG"]) | pl.col("Modality").is_null()).select(
        "subject_id",
        pl.col("series_time").alias("earliest"),
        pl.col("series_time").alias("latest"),
        pl.col("SeriesInstanceUID").alias("item"),
        pl.lit("imaging").alias("modality"),
    )


def _sample_times(samples: pl.DataFrame) -> pl.DataFrame:
    return samples.select(
        pl.col("primary").alias("subject_id"),
        pl.coalesce("sample_time_min", "sample_time").alias("earliest"),
        pl.coalesce("sample_time_max", "sample_time").alias("latest"),
        pl.col("colname").alias("item"),
        pl.col("assay").alias("modality"),
    )


def _date_findings(events: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    """Only what cannot be: all that the item's date can mean lies before all that birth can mean, or after death."""
    births, deaths = _spans(events, "MEDS_BIRTH"), _spans(events, "MEDS_DEATH")
    before = items.join(births, on="subject_id").filter(pl.col("latest") < pl.col("first"))
    # A specimen may be taken in the day after death; an image is dated by clocks that run wrong.
    after = items.join(deaths, on="subject_id").filter(pl.col("earliest") > pl.col("last") + pl.duration(days=2))
    return pl.concat(
        [
            _finding(before, DATES, pl.lit(1.0), pl.concat_str(pl.col("modality"), pl.lit(" before birth"))),
            _finding(after, DATES, pl.lit(1.0), pl.concat_str(pl.col("modality"), pl.lit(" after death"))),
        ]
    )


def _body_part_findings(events: pl.DataFrame, series: pl.DataFrame) -> pl.DataFrame:
    sites = (
        events.select("subject_id", pl.col("code").cast(pl.String).str.extract(r"^ICD(?:10|10CM|10GM|O3)//(C\d\d)").alias("site"))
        .drop_nulls()
        .unique()
    )
    parts = (
        series.filter(pl.col("BodyPartExamined").is_not_null() & (pl.col("BodyPartExamined") != ""))
        .select(
            "subject_id", pl.col("BodyPartExamined").str.to_uppercase().alias("part"), pl.col("SeriesInstanceUID").alias("item")
        )
        .unique()
    )
    by_subject: dict[int, set[str]] = {}
    for subject, site in sites.iter_rows():
        by_subject.setdefault(subject, set()).add(site)
    rows = []
    for (subject, *_), group in parts.group_by("subject_id"):
        wanted = {
            part
            for site in by_subject.get(int(str(subject)), ())
            for pattern, parts_ in _SITES
            if re.match(pattern, site)
            for part in parts_
        }
        seen = group["part"].to_list()
        if wanted and not any(word in part for part in seen for word in (*wanted, *_WHOLE_BODY)):
            rows.append((subject, str(BODY_PART), 0.5, "imaging", min(group["item"]), "no image shows the site of the tumour"))
    return pl.DataFrame(rows, schema=FINDINGS.schema(), orient="row")


def _age_findings(events: pl.DataFrame, series: pl.DataFrame) -> pl.DataFrame:
    births = _spans(events, "MEDS_BIRTH")
    year = 365.25 * 86_400_000_000
    rows = series.filter(pl.col("PatientAge").is_not_null() & pl.col("series_time").is_not_null()).join(births, on="subject_id")
    youngest = (pl.col("series_time") - pl.col("last")).dt.total_microseconds() / year
    oldest = (pl.col("series_time") - pl.col("first")).dt.total_microseconds() / year
    # Ages are written in whole years, and typed in by some consoles.
    gap = pl.max_horizontal(youngest - 1 - pl.col("PatientAge"), pl.col("PatientAge") - oldest, pl.lit(0.0))
    wrong = rows.with_columns(
        gap.alias("gap"), pl.col("SeriesInstanceUID").alias("item"), pl.lit("imaging").alias("modality")
    ).filter(pl.col("gap") > 1)
    return _finding(wrong, AGE, (pl.col("gap") / 5).clip(0.2, 1), pl.lit("age in imaging does not fit the date of birth"))


def _weight_findings(events: pl.DataFrame, series: pl.DataFrame) -> pl.DataFrame:
    weights = events.filter(pl.col("code").cast(pl.String).str.starts_with("LOINC//29463-7") & (pl.col("unit").fill_null("kg") == "kg")).select(
        "subject_id", pl.col("time"), as_written("numeric_value").alias("weight")
    ).drop_nulls()  # fmt: skip
    rows = series.filter(pl.col("PatientWeight") > 0).join(weights, on="subject_id")
    near = rows.filter((pl.col("series_time") - pl.col("time")).abs() <= pl.duration(days=90))
    apart = (pl.col("PatientWeight") / pl.col("weight")).log().abs()
    closest = (
        near.with_columns(apart.alias("apart"))
        .group_by("subject_id", "SeriesInstanceUID")
        .agg(pl.col("apart").min())
        .sort("subject_id", "SeriesInstanceUID")
    )
    wrong = (
        closest.filter(pl.col("apart") > np.log(1.2))
        .rename({"SeriesInstanceUID": "item"})
        .with_columns(pl.lit("imaging").alias("modality"))
    )
    return _finding(
        wrong, WEIGHT, (pl.col("apart") / np.log(2)).clip(0.2, 0.9), pl.lit("weight in imaging does not fit the record")
    )


def _laterality_findings(events: pl.DataFrame, features: pl.DataFrame) -> pl.DataFrame:
    said = events.select(
        "subject_id",
        pl.when(pl.col("code").cast(pl.String).str.to_lowercase().str.contains(_LATERALITY))
        .then(pl.coalesce("text_value", pl.col("code").cast(pl.String).str.split("//").list.last()))
        .alias("said"),
    ).drop_nulls()
    sides: dict[int, set[str]] = {}
    coded = events.select("subject_id", pl.col("code").cast(pl.String).str.extract(_SIDE_OF_CODE).alias("digit")).drop_nulls()
    for subject, digit in coded.unique().iter_rows():
        sides.setdefault(subject, set()).add("R" if digit == "1" else "L")
    for subject, text in said.iter_rows():
        side = _side(text.rpartition("//")[2])
        if side:
            sides.setdefault(subject, set()).add(side)
    rows = []
    regions = features.select("subject_id", "roi_name", "SeriesInstanceUID").drop_nulls("roi_name").unique().sort(pl.all())
    names: dict[int, set[str]] = {}
    for subject, name, _ in regions.iter_rows():
        names.setdefault(subject, set()).add(name)
    for subject, name, item in regions.iter_rows():
        side = _side_of_region(name, names[subject])
        if side and len(sides.get(subject, ())) == 1 and side not in sides[subject]:
            rows.append((subject, str(LATERALITY), 0.7, "imaging", item, "the region's name has the other side than the record"))
    return pl.DataFrame(rows, schema=FINDINGS.schema(), orient="row")


def _side_of_region(name: str, others: set[str]) -> str | None:
    """Return the side that the name of a region tells; `Poumon_G` is left, but not where there is a `Poumon_A` (or B, C) as well.

    Args:
        name: The name.
        others: Names of all regions of the subject.
    """
    letter = _LETTER.match(name)
    if _side(name) or letter is None or letter[2].upper() not in "GD":
        return _side(name)
    alike = [found for found in map(_LETTER.match, others) if found and found[1].lower() == letter[1].lower()]
    return None if any(found[2].upper() not in "GD" for found in alike) else {"G": "L", "D": "R"}[letter[2].upper()]


def _side(text: str) -> str | None:
    text = {"24028007": "right", "7771000": "left", "G": "left", "D": "right"}.get(text, text).replace("_", " ")
    left, right = bool(_LEFT.search(text)), bool(_RIGHT.search(text))
    return None if left == right else ("L" if left else "R")
