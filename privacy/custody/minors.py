"""Who comes of age: a minor's parents decided on the use of the records, and from that day the person does."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

from unibase.privacy.ledger.traits import PartialDate, parse_date

ADULT_YEARS = 18
"""Age of majority in France (Code civil, art. 414)."""


def day_of_age(born: PartialDate) -> tuple[date, date]:
    """Return the first and the last day on which a person can come of age.

    Who was born on 29 February comes of age on 1 March.

    Args:
        born: Date of birth, cut to what is known.

    >>> day_of_age(PartialDate(2008, 2, 29))[0].isoformat(), [day.isoformat() for day in day_of_age(PartialDate(2008, 4, 0))]
    ('2026-03-01', ['2026-04-01', '2026-04-30'])
    """
    year, month, day = born.year + ADULT_YEARS, born.month, born.day
    if not month:
        return date(year, 1, 1), date(year, 12, 31)
    if not day:
        following = date(year + month // 12, month % 12 + 1, 1)
        return date(year, month, 1), following - timedelta(days=1)
    one = date(year, 3, 1) if (month, day) == (2, 29) else date(year, month, day)
    return one, one


def of_age_between(people: pl.DataFrame, since: date, until: date) -> pl.DataFrame:
    """Return who can come of age between two days, both included.

    Args:
        people: PEOPLE rows.
        since: First day.
        until: Last day.

    Returns:
        `centre`, `system`, `identifier`, `first`, `last`: the days between which each comes of age; in order of `first`.
    """
    found = []
    for centre, system, identifier, text in people.select("centre", "system", "identifier", "birth_date").unique().iter_rows():
        born = parse_date(text)
        first, last = day_of_age(born) if born else (date.max, date.min)
        if born and first <= until and last >= since:
            found.append((centre, system, identifier, first, last))
    schema = {"centre": pl.String, "system": pl.String, "identifier": pl.String, "first": pl.Date, "last": pl.Date}
    return pl.DataFrame(found, schema=schema, orient="row").sort("first", "last", "centre", "system", "identifier")
