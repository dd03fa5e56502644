"""Deaths that FHIR tells outside Patient: a stay that ended with death, an observation or a condition that is death."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from unibase.clinical.formats.fhir_fields import Resource, codings, text_or_none
from unibase.clinical.words.acts import is_death_word

DEATH = "MEDS_DEATH"
DEATH_CODES = frozenset({"SNOMED//419099009", "SNOMED//397709008", "SNOMED//419620001"})
"""Dead, Patient died, Death: a Condition or an Observation of these says that its person died."""
_NO = frozenset({"false", "SNOMED//373067005", "LOINC//LA32-8"})
"""Answers that are No."""
_ALMOST_DAY = pl.duration(days=1) - pl.duration(microseconds=1)


def ended_with_death(encounter: Resource) -> bool:
    """Tell whether an `encounter` ended with death: `exp` of HL7's dispositions, or the word of a source.

    >>> ended_with_death({"hospitalization": {"dischargeDisposition": {"coding": [{"code": "exp"}]}}})
    True
    """
    said = (encounter.get("hospitalization") or {}).get("dischargeDisposition") or {}
    words = [one.get(name) for one in said.get("coding") or [] for name in ("code", "display")]
    return any(word == "exp" or is_death_word(word) for word in [*words, said.get("text")] if isinstance(word, str))


def is_deceased(patient: Resource) -> bool:
    """Tell whether `deceasedBoolean` of a `patient` says so; some systems write it as a text or a number.

    Raises:
        ValueError: If it is neither true nor false.

    Example:
        >>> is_deceased({"deceasedBoolean": "false"}), is_deceased({"deceasedBoolean": True})
        (False, True)
    """
    said = str(patient.get("deceasedBoolean") or "false").strip().lower()
    if said not in ("true", "false", "1", "0"):
        raise ValueError("neither true nor false")
    return said in ("true", "1")


def says_death(codes: Sequence[str], number: float | None = None, text: str | None = None) -> bool:
    """Tell whether a resource says that its person died.

    Args:
        codes: Its codes.
        number, text: Its value; 0 and No say that the person did not.

    Example:
        >>> says_death(["SNOMED//419099009"]), says_death(["SNOMED//419099009"], text="false")
        (True, False)
    """
    return not DEATH_CODES.isdisjoint(codes) and number != 0 and text not in _NO


VITAL_STATUS, DEATH_DATE = "LOINC//67162-8", "LOINC//81956-5"
"""Observations of the vital status, and of the date of death."""
DEATH_CAUSES = frozenset({"LOINC//69453-9", "SNOMED//184305005"})
"""Observations of the cause of death."""
_DATED_BY_DEATH = "mii-pr-onko-tod"
"""Profile of MII Onkologie in which the date of the cause is the day of the death."""


def implied_death(observation: Resource, codes: Sequence[str]) -> tuple[bool, str | None]:
    """Tell whether an `observation` implies that its person died before it was made, and the date that it gives.

    Args:
        observation: The resource.
        codes: Its codes.

    Example:
        >>> implied_death({"valueCodeableConcept": {"text": "Deceased"}}, ["LOINC//67162-8"])
        (True, None)
    """
    value = observation.get("valueCodeableConcept") or {}
    if VITAL_STATUS in codes:
        words = [value.get("text"), *(one.get("display") for one in value.get("coding") or [])]
        named = any(isinstance(word, str) and is_death_word(word) for word in [*words, observation.get("valueString")])
        return named or not DEATH_CODES.isdisjoint(codings(value)), None
    if DEATH_DATE in codes:
        return True, text_or_none(observation.get("valueDateTime"))
    profiles = (observation.get("meta") or {}).get("profile") or []
    dated = any(_DATED_BY_DEATH in str(one) for one in profiles)
    return not DEATH_CAUSES.isdisjoint(codes) and bool(value), text_or_none(
        observation.get("effectiveDateTime")
    ) if dated else None


def within_stays(frame: pl.DataFrame) -> pl.DataFrame:
    """Return events in which a death at the end of a stay, and a begin that is told by a period, lie within it.

    The day is certain where the period is of one day. R4 has `onsetPeriod` for a begin that is not known to the day.

    Args:
        frame: Events with the bounds of their begin and their end, and whether they are `within` these.
    """
    ended = (pl.col("end_time_max") >= pl.col("time_min")).fill_null(False)
    stay = ((pl.col("code") == DEATH) | pl.col("within")) & ended
    first, last = pl.col("time_min").dt.truncate("1d"), pl.col("end_time_max").dt.truncate("1d")
    new = {
        "time": pl.when(first == last).then(first),
        "time_min": first,
        "time_max": last + _ALMOST_DAY,
        "end_time": pl.lit(None, pl.Datetime("us")),
    }
    return frame.with_columns(pl.when(stay).then(new[name]).otherwise(name).alias(name) for name in new)
