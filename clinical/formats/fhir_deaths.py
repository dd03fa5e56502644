"""Deaths that FHIR tells outside Patient: a stay that ended with death, an observation or a condition that is death."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from unibase.clinical.formats.fhir_fields import Resource
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


def within_stays(frame: pl.DataFrame) -> pl.DataFrame:
    """Return events in which a death at the end of a stay lies within it: its day is certain where the stay is of one day.

    Args:
        frame: Events with the bounds of their begin and their end.
    """
    stay = (pl.col("code") == DEATH) & pl.col("end_time_max").is_not_null()
    first, last = pl.col("time_min").dt.truncate("1d"), pl.col("end_time_max").dt.truncate("1d")
    new = {
        "time": pl.when(first == last).then(first),
        "time_min": first,
        "time_max": last + _ALMOST_DAY,
        "end_time": pl.lit(None, pl.Datetime("us")),
    }
    return frame.with_columns(pl.when(stay).then(new[name]).otherwise(name).alias(name) for name in new)
