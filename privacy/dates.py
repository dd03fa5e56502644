"""One shift in whole days per subject, the same in every modality, so intervals stay exact to the day.

An interval that says a partial date (1961, 1961-04) begins on the first of a year or month. Shifted by days it
would begin elsewhere and tell the shift to anyone who reads it; so the shifted interval is widened outward to
whole months or years, of a width that does not depend on the shift, before it leaves the vault.
"""

from __future__ import annotations

import calendar
from datetime import date, datetime, timedelta

from unibase.privacy.keys import Key
from unibase.privacy.options import DEFAULT_MAX_SHIFT_DAYS


def shift_days(key: Key, subject_id: int, max_days: int = DEFAULT_MAX_SHIFT_DAYS) -> int:
    """Return the subject's shift in days: keyed, uniform over -max_days to -1, never 0.

    Args:
        key: Key of the study.
        subject_id: Pseudonym of the person.
        max_days: Largest shift, in days.
    """
    return -1 - int.from_bytes(key.mac("date-shift", str(subject_id)), "big") % max_days


def shift[DateOrTime: (date, datetime)](moment: DateOrTime, days: int) -> DateOrTime:
    """Return `moment` moved by `days`; the time of day is kept.

    Args:
        moment: A date or time.
        days: Days to move it by.

    >>> shift(datetime(2024, 3, 1, 8, 30), -2)
    datetime.datetime(2024, 2, 28, 8, 30)
    """
    return moment + timedelta(days=days)


def shift_interval(earliest: datetime, latest: datetime, days: int) -> tuple[datetime, datetime]:
    """Return what is known of a date after the shift, telling no more of the shift than its precision.

    An interval within one day moves exactly. A longer one, such as a month or a year that is all that is known,
    is moved and then widened outward: to three whole calendar months when it spans at most 31 days, else to whole
    calendar years, one more than it spans. The width never depends on the shift: if a shifted month gave two
    calendar months, and one only when the shift is a whole number of months, its width would tell those few.

    Args:
        earliest: Begin of what is known.
        latest: Its end.
        days: Days to move it by.

    >>> shift_interval(datetime(2024, 3, 1), datetime(2024, 3, 31, 23, 59, 59, 999_999), -40)
    (datetime.datetime(2024, 1, 1, 0, 0), datetime.datetime(2024, 3, 31, 23, 59, 59, 999999))
    """
    first, last = shift(earliest, days), shift(latest, days)
    span = latest - earliest
    if span < timedelta(days=1):
        return first, last
    if span <= timedelta(days=31):
        # A month of 31 days that begins on 30 January ends in March.
        months = first.year * 12 + first.month - 1 + 2
        end_year, end_month = months // 12, months % 12 + 1
        end_day = calendar.monthrange(end_year, end_month)[1]
        return datetime(first.year, first.month, 1), _end_of_day(date(end_year, end_month, end_day))
    years = -(-span // timedelta(days=366))
    return datetime(first.year, 1, 1), _end_of_day(date(max(first.year + years, last.year), 12, 31))


def _end_of_day(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 23, 59, 59, 999_999)
