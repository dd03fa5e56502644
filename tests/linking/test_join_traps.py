"""The traps of joining in time, one test each, by name; and how images and samples are chosen."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import EVENTS, FEATURES, SAMPLE_MAP
from unibase.linking.asof.join import Joined, join, trace_of
from unibase.linking.index_event import index_events
from unibase.linking.options import IndexRule, Windows

CONCEPTS = {"start": ["TX"], "lab": ["LAB"], "sex": ["SEX//"], "vital": ["VITAL"], "death": ["MEDS_DEATH"], "all": [""]}
INDEX = datetime(2020, 3, 1, 9)
NIGHT = timedelta(hours=23, minutes=59, seconds=59, microseconds=999_999)


def events(*rows: dict[str, Any]) -> pl.DataFrame:
    full = [{"subject_id": 1, "source": "A/lab", "source_row": number, **row} for number, row in enumerate(rows, start=1)]
    return EVENTS.conform(pl.DataFrame(full, schema=EVENTS.schema()))


def at(moment: datetime, **more: Any) -> dict[str, Any]:
    return {"time": moment, "time_min": moment, "time_max": moment, "code": "LAB//1", **more}


def on(day: datetime, **more: Any) -> dict[str, Any]:
    return {"time": day, "time_min": day, "time_max": day + NIGHT, "code": "LAB//1", **more}


def start(moment: datetime = INDEX) -> dict[str, Any]:
    return at(moment, code="TX//1")


def run(rows: pl.DataFrame, rule: dict[str, Any] | None = None, **window: Any) -> Joined:
    windows = Windows.model_validate({"clinical": {"x": {"concept": "lab", **window}}})
    index = index_events(rows, CONCEPTS, IndexRule.model_validate({"concept": "start", **(rule or {})}))
    return join(rows, None, None, index, windows, CONCEPTS)


def value(rows: pl.DataFrame, rule: dict[str, Any] | None = None, **window: Any) -> Any:
    return run(rows, rule, **window).analysis["x"][0]


def test_tie_at_the_index_instant() -> None:
    rows = events(start(), at(INDEX, numeric_value=1.0), at(INDEX + timedelta(microseconds=1), numeric_value=9.0))
    assert value(rows) == 1.0
    assert value(rows, closed="left") is None


def test_two_values_of_one_instant_are_taken_in_the_order_of_their_source() -> None:
    rows = events(start(), at(INDEX, numeric_value=1.0), at(INDEX, numeric_value=2.0))
    assert value(rows) == 2.0 and value(rows, choose="first") == 1.0
    assert value(rows.reverse()) == 2.0 and value(rows.reverse(), choose="first") == 1.0


def test_index_long_after_the_last_event() -> None:
    rows = events(start(datetime(2035, 1, 1)), on(datetime(2020, 1, 1), numeric_value=1.0))
    assert value(rows) == 1.0
    assert value(rows, from_days=-365) is None
    assert value(rows, max_gap_days=3000) is None


def test_single_event_days() -> None:
    # The day of the index known by the hour; a date-only value of that day may have been measured in the evening.
    rows = events(start(), on(datetime(2020, 3, 1), numeric_value=9.0), on(datetime(2020, 2, 29), numeric_value=1.0))
    assert value(rows) == 1.0
    assert value(rows, {"same_day": "include"}) == 9.0


def test_a_date_only_index_and_a_date_only_value_of_its_day() -> None:
    rows = events(on(datetime(2020, 3, 1), code="TX//1"), on(datetime(2020, 3, 1), numeric_value=9.0))
    assert value(rows) is None
    assert value(rows, {"same_day": "include"}) == 9.0


def test_an_instant_of_the_day_of_a_date_only_index() -> None:
    # The treatment may have begun before 8 o'clock.
    rows = events(on(datetime(2020, 3, 1), code="TX//1"), at(datetime(2020, 3, 1, 8), numeric_value=9.0))
    assert value(rows) is None


def test_partial_date_straddling_the_index() -> None:
    month = {"code": "LAB//1", "time_min": datetime(2020, 2, 15), "time_max": datetime(2020, 3, 15), "numeric_value": 9.0}
    assert value(events(start(), month)) is None
    february = month | {"time_min": datetime(2020, 2, 1), "time_max": datetime(2020, 2, 29) + NIGHT}
    assert value(events(start(), february)) == 9.0
    # It may lie before the window, too.
    assert value(events(start(), february), from_days=-20) is None


def test_result_dated_before_but_recorded_after() -> None:
    before = INDEX - timedelta(days=2)
    assert value(events(start(), at(before, numeric_value=9.0, recorded_time=INDEX + timedelta(minutes=1)))) is None
    assert value(events(start(), at(before, numeric_value=1.0, recorded_time=INDEX))) == 1.0


def test_a_record_dated_to_the_day_of_the_index_may_have_been_made_in_the_evening() -> None:
    row = at(INDEX - timedelta(days=2), numeric_value=9.0, recorded_time=datetime(2020, 3, 1))
    assert value(events(start(), row)) is None


def test_the_value_of_an_interval_that_has_not_ended() -> None:
    course = at(INDEX - timedelta(days=2), numeric_value=60.0, end_time=INDEX + timedelta(days=20))
    assert value(events(start(), course)) is None
    assert value(events(start(), course), choose="count") == 1


def test_no_event_counts_zero_and_is_not_any() -> None:
    assert value(events(start()), choose="count") == 0
    assert value(events(start()), choose="any") is False
    assert value(events(start()), choose="mean") is None


def test_an_index_that_a_partial_date_makes_doubtful_is_no_index() -> None:
    earlier = {"code": "TX//1", "time_min": datetime(2020, 1, 1), "time_max": datetime(2020, 12, 31)}
    rows = events(start(), earlier)
    assert index_events(rows, CONCEPTS, IndexRule(concept="start")).height == 0
    later = {"code": "TX//1", "time_min": datetime(2020, 6, 1), "time_max": datetime(2020, 6, 30)}
    assert index_events(events(start(), later), CONCEPTS, IndexRule(concept="start")).height == 1


def test_values_without_time_are_used_only_when_true_of_the_whole_life() -> None:
    rows = events(start(), {"code": "SEX//F"}, {"code": "VITAL//dead"})
    assert join_one(rows, "sex") == "SEX//F"
    assert join_one(rows, "vital") is None


def join_one(rows: pl.DataFrame, concept: str) -> Any:
    windows = Windows.model_validate({"clinical": {"x": {"concept": concept}}})
    return join(rows, None, None, index_events(rows, CONCEPTS, IndexRule(concept="start")), windows, CONCEPTS).analysis["x"][0]


@pytest.mark.parametrize("concept", ["death", "vital_status", "last_contact"])
def test_outcomes_cannot_be_predictors(concept: str) -> None:
    with pytest.raises(ValidationError, match="cannot be a predictor"):
        Windows.model_validate({"clinical": {"x": {"concept": concept}}})


def test_a_death_hidden_in_another_concept_is_not_used() -> None:
    rows = events(start(), at(INDEX - timedelta(days=1), code="MEDS_DEATH"))
    windows = Windows.model_validate({"clinical": {"x": {"concept": "all", "choose": "count"}}})
    joined = join(rows, None, None, index_events(rows, CONCEPTS, IndexRule(concept="start")), windows, CONCEPTS)
    assert joined.analysis["x"][0] == 1  # the index event itself


def test_no_window_reaches_past_the_index() -> None:
    with pytest.raises(ValidationError, match="less than or equal to 0"):
        Windows.model_validate({"clinical": {"x": {"concept": "lab", "to_days": 1}}})


def test_values_in_two_units_are_refused_unless_one_is_chosen() -> None:
    other = at(INDEX - timedelta(days=1), subject_id=2, numeric_value=4.0, unit="ukat/L")
    rows = events(start(), start() | {"subject_id": 2}, at(INDEX, numeric_value=200.0, unit="U/L"), other)
    with pytest.raises(UserError, match=r"windows\.clinical\.x: its values come in the units U/L, ukat/L"):
        run(rows)
    assert run(rows, unit="U/L").analysis["x"].to_list() == [200.0, None]


def test_an_unknown_concept_is_named_with_its_place() -> None:
    with pytest.raises(UserError, match=r"windows\.clinical\.x\.concept: there is no concept 'glucose'"):
        join_one(events(start()), "glucose")


def test_every_cell_can_be_traced() -> None:
    rows = events(start(), at(INDEX, numeric_value=1.0), on(datetime(2020, 2, 1), numeric_value=3.0))
    trace = trace_of(run(rows, choose="mean").trace, 1, "x")
    assert trace["source_row"].to_list() == [3, 2] and trace["source"].to_list() == ["A/lab", "A/lab"]
    assert trace["days_from_index"].to_list() == [-29.375, 0.0]


def series(uid: str, moment: datetime, volume: float, **more: Any) -> dict[str, Any]:
    return {
        "subject_id": 1, "centre": "A", "StudyInstanceUID": f"{uid}.0", "SeriesInstanceUID": uid, "Modality": "CT", "series_time": moment,
        "region": "GTV", "image_type": "original", "roi_name": "GTV", "engine": "pyradiomics 3", "mode": "pyradiomics",
        "settings_digest": "s", "source_digest": f"d{uid}", "original_shape_MeshVolume": volume, "original_firstorder_Mean": volume / 10,
        **more,
    }  # fmt: skip


def imaging(rows: list[dict[str, Any]], **window: Any) -> Joined:
    features = FEATURES.conform(pl.DataFrame(rows, infer_schema_length=None))
    base = events(start(), start() | {"subject_id": 2})
    index = index_events(base, CONCEPTS, IndexRule(concept="start"))
    return join(base, features, None, index, Windows.model_validate({"imaging": {"from_days": -60, **window}}), CONCEPTS)


VOLUME, MEAN = "CT_GTV_original_shape_MeshVolume", "CT_GTV_original_firstorder_Mean"


def test_the_image_of_the_index_day_taken_after_it_is_not_used() -> None:
    rows = [
        series("1", INDEX - timedelta(days=30), 10.0),
        series("2", INDEX - timedelta(hours=1), 20.0),
        series("3", INDEX + timedelta(hours=1), 90.0),
    ]
    joined = imaging(rows)
    assert joined.analysis[VOLUME].to_list() == [20.0, None]
    assert imaging(rows, choose="first").analysis[VOLUME][0] == 10.0
    assert imaging(rows, choose="delta").analysis[f"delta_{VOLUME}"][0] == 10.0
    assert trace_of(joined.trace, 1, VOLUME)["SeriesInstanceUID"].to_list() == ["2"]
    assert set(imaging(rows, choose="delta").trace["SeriesInstanceUID"]) == {"1", "2"}


def test_image_types_and_modalities_become_columns() -> None:
    wavelet = series("1", INDEX - timedelta(days=3), 1.0, image_type="wavelet-LLH")
    del wavelet["original_shape_MeshVolume"], wavelet["original_firstorder_Mean"]
    wavelet["wavelet-LLH_firstorder_Mean"] = 7.0
    pet = series("2", INDEX - timedelta(days=2), 5.0, Modality="PT")
    joined = imaging([series("1", INDEX - timedelta(days=3), 3.0), wavelet, pet])
    found = set(joined.analysis.columns) - {"subject_id", "index_time"}
    assert found == {
        VOLUME,
        MEAN,
        "CT_GTV_wavelet-LLH_firstorder_Mean",
        VOLUME.replace("CT", "PT", 1),
        MEAN.replace("CT", "PT", 1),
    }
    only = imaging([series("1", INDEX - timedelta(days=3), 3.0), pet], modalities=["CT"])
    assert not any(name.startswith("PT") for name in only.analysis.columns)


def test_of_several_lesions_one_rule_is_followed() -> None:
    lesions = [
        series("1", INDEX - timedelta(days=3), 3.0, roi_name="GTV_a", source_digest="a"),
        series("1", INDEX - timedelta(days=3), 5.0, roi_name="GTV_b", source_digest="b"),
    ]
    assert imaging(lesions).analysis[VOLUME][0] == 5.0
    assert imaging(lesions, lesions="mean").analysis[VOLUME][0] == 4.0
    assert imaging(lesions, lesions="first").analysis[VOLUME][0] == 3.0
    assert imaging(lesions[::-1]).analysis.equals(imaging(lesions).analysis)


def sample(name: str, moment: datetime | None, kind: str | None = "tumour", **more: Any) -> dict[str, Any]:
    return {
        "assay": "rna",
        "primary": 1,
        "colname": name,
        "centre": "A",
        "sample_time": moment,
        "sample_type": kind,
        "status": "used",
        "reason": "",
        **more,
    }


def chosen_sample(*rows: dict[str, Any], **window: Any) -> Any:
    table = SAMPLE_MAP.conform(pl.DataFrame(list(rows), schema=SAMPLE_MAP.schema()))
    base = events(start())
    index = index_events(base, CONCEPTS, IndexRule(concept="start"))
    joined = join(base, None, table, index, Windows.model_validate({"rna": {"from_days": -365, **window}}), CONCEPTS)
    return joined.analysis["rna_sample"][0]


def test_which_sample_is_taken() -> None:
    early, late = INDEX - timedelta(days=100), INDEX - timedelta(days=10)
    assert chosen_sample(sample("a", early), sample("b", late)) == "b"
    assert chosen_sample(sample("a", early), sample("b", late), choose="first") == "a"
    assert chosen_sample(sample("a", early), sample("b", late, "metastasis")) == "a"
    assert chosen_sample(sample("a", early), sample("b", late, "metastasis"), sample_types=["metastasis"]) == "b"
    assert chosen_sample(sample("b", late, "normal")) is None
    assert chosen_sample(sample("a", early), sample("b", late, status="quarantined", reason="empty")) == "a"
    assert chosen_sample(sample("a", early), sample("b", INDEX + timedelta(days=1))) == "a"
    assert chosen_sample(sample("a", None)) is None


@pytest.mark.parametrize("window", [{"rna": {"sample_types": ["tumor"]}}, {"imaging": {"modalities": ["ct"]}}])
def test_a_word_that_no_source_writes_is_refused(window: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"sample_types|modalities"):
        Windows.model_validate(window)


def test_an_assay_that_is_not_there_is_named() -> None:
    with pytest.raises(UserError, match=r"windows\.wgs: no such assay in the sample map. Known: rna"):
        table = SAMPLE_MAP.conform(pl.DataFrame([sample("a", INDEX)], schema=SAMPLE_MAP.schema()))
        base = events(start())
        join(
            base,
            None,
            table,
            index_events(base, CONCEPTS, IndexRule(concept="start")),
            Windows.model_validate({"wgs": {}}),
            CONCEPTS,
        )
