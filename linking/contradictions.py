"""What the records of one person cannot all be: two sexes, two births, two deaths, results of the dead, another sex's organ.

Where several hospitals, or several files of one, are taken for one person, such contradictions are what a wrong link leaves.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from unibase.linking.reasons import AFTER_DEATH, BIRTHS, DEATHS, ORGAN, SAMPLE_DATE, SEX, TWO_PLACES
from unibase.linking.subject_table import with_centre
from unibase.linking.tables import FINDINGS

RECORDS = "clinical records"
"""Modality of these findings."""


_SLACK_DAYS = 31
"""Two dates of birth or death further apart than this, beyond what either can mean, are two dates."""
_LATE_DAYS = 7
"""Results come in some days after death; later ones are another person's."""
_EARLY_DAYS = 730
"""A tumour sample this long before the first diagnosis of a cancer is of another person, or of another disease."""
_BOTH_DAYS = 2
"""Days in two hospitals at once that a transfer, or a visit during a stay elsewhere, does not explain."""
_FEMALE_SITES = r"^ICD(?:10|10CM|10GM|O3)//C5[1-8]"
_MALE_SITES = r"^ICD(?:10|10CM|10GM|O3)//C6[0-3]"
_CANCER = r"^ICD(?:10|10CM|10GM|O3)//C\d\d"
_FEMALE_ORGANS = r"(?i)uterus|uterin|ovar|ovaire|cervix|vagin|vulv|endomet"
_MALE_ORGANS = r"(?i)prostat|seminal|testic|testis|penis|penile_bulb|bulbe_penien"


def contradictions(
    events: pl.DataFrame,
    sex: pl.DataFrame,
    samples: pl.DataFrame | None,
    features: pl.DataFrame | None,
    centres: Sequence[str] = (),
) -> pl.DataFrame:
    """Return the findings of all these checks, in the columns of `tables.FINDINGS`.

    Args:
        events: EVENTS of the subjects.
        sex: `subject_id, sex` (M, F): a row per subject and sex recorded.
        samples: SAMPLE_MAP.
        features: FEATURES, for the names of regions.
        centres: Names of the centres, for stays in two of them at once; without them stays are not compared.
    """
    one = sex.filter(pl.col("subject_id").is_unique())
    found = [_two_sexes(sex), _two_dates(events, "MEDS_BIRTH", BIRTHS), _two_dates(events, "MEDS_DEATH", DEATHS)]
    found += [_after_death(events), _organs(one, _sites(events), RECORDS)]
    found.append(_two_places(events, centres))
    if features is not None:
        regions = features.select("subject_id", pl.col("roi_name").alias("said"), pl.col("SeriesInstanceUID").alias("item"))
        found.append(_organs(one, _of_organs(regions, _FEMALE_ORGANS, _MALE_ORGANS), "imaging"))
    if samples is not None:
        found.append(_early_samples(events, samples))
    return pl.concat([FINDINGS.empty(), *found]).unique()


def _rows(frame: pl.DataFrame, check: str, score: pl.Expr, message: str, modality: str = RECORDS) -> pl.DataFrame:
    item = pl.col("item") if "item" in frame.columns else pl.lit(None, pl.String)
    return frame.select(
        "subject_id", pl.lit(str(check)).alias("check"), score.cast(pl.Float64).alias("score"), pl.lit(modality).alias("modality"),
        item.cast(pl.String).alias("item"), pl.lit(message).alias("message"),
    )  # fmt: skip


def _two_sexes(sex: pl.DataFrame) -> pl.DataFrame:
    both = sex.group_by("subject_id").agg(pl.col("sex").n_unique().alias("sexes")).filter(pl.col("sexes") > 1)
    return _rows(both, SEX, pl.lit(1.0), "the records tell two sexes")


def _bounds(events: pl.DataFrame, code: str) -> pl.DataFrame:
    """Return `subject_id, first, last`: what each event of a code can mean."""
    return events.filter(pl.col("code").cast(pl.String).str.starts_with(code)).select(
        "subject_id",
        pl.coalesce("time_min", "time").alias("first"),
        pl.coalesce("time_max", pl.col("time") + pl.duration(days=1)).alias("last"),
    ).drop_nulls()  # fmt: skip


def _two_dates(events: pl.DataFrame, code: str, check: str) -> pl.DataFrame:
    spread = _bounds(events, code).group_by("subject_id").agg(pl.col("first").max(), pl.col("last").min())
    days = (pl.col("first") - pl.col("last")).dt.total_days()
    word = "birth" if check == BIRTHS else "death"
    wrong = spread.filter(days > _SLACK_DAYS)
    return _rows(wrong, check, (days / 365.25).clip(0.2, 1.0), f"the records tell two dates of {word}")


def _after_death(events: pl.DataFrame) -> pl.DataFrame:
    deaths = _bounds(events, "MEDS_DEATH").group_by("subject_id").agg(pl.col("last").max().alias("dead"))
    results = events.filter(pl.col("code").cast(pl.String).str.starts_with("LOINC//") & pl.col("numeric_value").is_not_null())
    late = (
        results.select("subject_id", pl.coalesce("time_min", "time").alias("taken"))
        .drop_nulls()
        .join(deaths, on="subject_id")
        .filter(pl.col("taken") > pl.col("dead") + pl.duration(days=_LATE_DAYS))
        .select("subject_id")
        .unique()
    )
    return _rows(late, AFTER_DEATH, pl.lit(0.9), "results are dated after death")


def _two_places(events: pl.DataFrame, centres: Sequence[str]) -> pl.DataFrame:
    """Return who stayed in two hospitals on the same days; the day of a transfer is one of both."""
    stays = events.filter(pl.col("code").cast(pl.String).str.starts_with("VISIT//"), pl.col("end_time") > pl.col("time"))
    stays = with_centre(stays, centres).select("subject_id", "centre", "time", "end_time").drop_nulls().unique()
    pairs = stays.join(stays, on="subject_id", suffix="_other").filter(pl.col("centre") < pl.col("centre_other"))
    both = pl.min_horizontal("end_time", "end_time_other") - pl.max_horizontal("time", "time_other")
    days = pairs.group_by("subject_id").agg((both.clip(lower_bound=pl.duration()).sum()).alias("both"))
    return _rows(
        days.filter(pl.col("both") >= pl.duration(days=_BOTH_DAYS)),
        TWO_PLACES,
        pl.lit(0.6),
        "stays in two hospitals on the same days",
    )


def _sites(events: pl.DataFrame) -> pl.DataFrame:
    said = events.select("subject_id", pl.col("code").cast(pl.String).alias("said"), pl.lit(None, pl.String).alias("item"))
    return _of_organs(said, _FEMALE_SITES, _MALE_SITES)


def _of_organs(said: pl.DataFrame, female: str, male: str) -> pl.DataFrame:
    """Return `subject_id, item, of`: the sex whose organ is named."""
    of = pl.when(pl.col("said").str.contains(female)).then(pl.lit("F")).when(pl.col("said").str.contains(male)).then(pl.lit("M"))
    return said.select("subject_id", "item", of.alias("of")).drop_nulls("of").unique()


def _organs(sex: pl.DataFrame, organs: pl.DataFrame, modality: str) -> pl.DataFrame:
    wrong = organs.join(sex, on="subject_id").filter(pl.col("of") != pl.col("sex"))
    return _rows(wrong, ORGAN, pl.lit(0.9), "an organ of the other sex is named", modality)


def _early_samples(events: pl.DataFrame, samples: pl.DataFrame) -> pl.DataFrame:
    cancers = events.filter(pl.col("code").cast(pl.String).str.contains(_CANCER))
    first = cancers.select("subject_id", pl.coalesce("time_min", "time").alias("diagnosed")).drop_nulls()
    first = first.group_by("subject_id").agg(pl.col("diagnosed").min())
    taken = samples.filter(pl.col("sample_type").is_in(["tumour", "metastasis"])).select(
        pl.col("primary").alias("subject_id"),
        pl.coalesce("sample_time_max", "sample_time").alias("taken"),
        pl.col("colname").alias("item"),
    )
    early = taken.join(first, on="subject_id").filter(pl.col("taken") + pl.duration(days=_EARLY_DAYS) < pl.col("diagnosed"))
    return _rows(early, SAMPLE_DATE, pl.lit(0.5), "a tumour sample was taken years before the first diagnosis", "samples")
