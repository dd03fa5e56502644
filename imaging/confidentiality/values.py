"""Actions on the raw bytes of one value, shared by both paths so that they cannot differ.

Values of the VRs treated here are text: their bytes do not depend on the byte order of the file.
"""

from __future__ import annotations

import calendar
import re
from datetime import date, datetime, timedelta

from unibase.privacy import pseudonyms
from unibase.privacy.keys import Key

REMOVED = "REMOVED"
"""What stands where a text was and may not be empty."""

STANDARD_ROOT = b"1.2.840.10008."
_UID = re.compile(rb"[0-9.]+")
_TIME = re.compile(rb"(?:[01][0-9]|2[0-3])(?::?[0-5][0-9](?::?(?:[0-5][0-9]|60)(?:\.[0-9]{1,6})?)?)?")
_DATE = re.compile(rb"([0-9]{4})([.\-]?)([0-9]{2})\2([0-9]{2})")
_DATETIME = re.compile(
    rb"([0-9]{4})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2}(?:[0-9]{2}(?:[0-9]{2}(?:\.[0-9]{1,6})?)?)?))?)?)?([+-][0-9]{4})?"
)
_AGE = re.compile(rb"([0-9]{3})([DWMY])")
_DUMMIES = {
    "DA": b"19000101",
    "TM": b"000000",
    "DT": b"19000101000000",
    "AS": b"000Y",
    "DS": b"0",
    "IS": b"0",
    "AE": b"REMOVED",
    "UR": b"urn:removed",
}
_SIZES = {
    "US": 2,
    "SS": 2,
    "OW": 2,
    "UL": 4,
    "SL": 4,
    "FL": 4,
    "OF": 4,
    "OL": 4,
    "AT": 4,
    "FD": 8,
    "OD": 8,
    "OV": 8,
    "UV": 8,
    "SV": 8,
}


def pad(value: bytes, vr: str) -> bytes:
    """Return `value` with an even length, as its VR pads.

    `value`: the bytes of a value; `vr`: its VR.

    >>> pad(b"ABC", "LO")
    b'ABC '
    """
    if len(value) % 2 == 0:
        return value
    return value + (b"\0" if vr in ("UI", "OB", "UN") else b" ")


def dummy(vr: str) -> bytes:
    """Return a value that says nothing, valid for `vr`.

    Args:
        vr: The VR.
    """
    if vr in _SIZES:
        return bytes(_SIZES[vr])
    if vr in ("OB", "UN"):
        return b"\0\0"
    return pad(_DUMMIES.get(vr, REMOVED.encode()), vr)


class UidMap:
    """Keyed pseudonyms of UIDs, remembered as long as the process lives: a UID comes back in every file of its study."""

    def __init__(self, key: Key) -> None:
        self._key = key
        self._known: dict[bytes, bytes] = {}

    def one(self, source: bytes) -> bytes:
        """Return the pseudonym of one UID (no padding); what is no UID becomes a pseudonym too.

        `source`: the UID, without padding.
        """
        known = self._known.get(source)
        if known is None:
            if len(self._known) > 200_000:
                self._known.clear()
            known = self._known[source] = pseudonyms.uid(self._key, source.decode("latin-1")).encode()
        return known

    def replace(self, raw: bytes) -> bytes:
        """Return the pseudonyms of all UIDs of a value, padded; empty stays empty.

        Args:
            raw: The value; backslashes separate UIDs.
        """
        return pad(b"\\".join(self.one(one) if one else b"" for one in split_uids(raw)), "UI")

    def refer(self, raw: bytes) -> bytes:
        """Return `raw` with every UID outside the standard's root replaced.

        Args:
            raw: The value; backslashes separate UIDs.
        """
        parts = split_uids(raw)
        if all(not one or names_standard(one) for one in parts):
            return raw if raw.rstrip(b" \0") == b"\\".join(parts) else pad(b"\\".join(parts), "UI")
        return pad(b"\\".join(one if not one or names_standard(one) else self.one(one) for one in parts), "UI")


def split_uids(raw: bytes) -> list[bytes]:
    r"""Return the UIDs of a value without padding.

    Args:
        raw: The value; backslashes separate UIDs.

    >>> split_uids(b"1.2.3\\1.2.4\0")
    [b'1.2.3', b'1.2.4']
    """
    return [one.strip(b" \0") for one in raw.split(b"\\")]


def names_standard(one: bytes) -> bool:
    """Return whether a UID is one of the standard itself (a SOP class, a transfer syntax), not of an instance.

    >>> names_standard(b"1.2.840.10008.1.2"), names_standard(b"1.2.826.0.1")
    (True, False)
    """
    return one.startswith(STANDARD_ROOT) and _UID.fullmatch(one) is not None


def shift_date(raw: bytes, days: int) -> bytes:
    """Return the dates of a DA value shifted; what is no date becomes empty.

    The form of the ACR-NEMA standard (1999.12.31) is understood and written as DICOM writes it.

    Args:
        raw: A DA value.
        days: Days to move it by.

    >>> shift_date(b"20240301", -1), shift_date(b"soon", -1)
    (b'20240229', b'')
    """
    return pad(b"\\".join(_shift_date(one, days) for one in raw.rstrip(b" \0").split(b"\\")), "DA")


def _shift_date(one: bytes, days: int) -> bytes:
    match = _DATE.fullmatch(one.strip(b" \0"))
    if match is None:
        return b""
    try:
        moved = date(int(match[1]), int(match[3]), int(match[4])) + timedelta(days=days)
    except (ValueError, OverflowError):
        return b""
    return _compact(moved)


def _compact(day: date) -> bytes:
    # strftime would write years before 1000 with fewer digits.
    return b"%04d%02d%02d" % (day.year, day.month, day.day)


def shift_datetime(raw: bytes, days: int, local_zone: bytes = b"") -> bytes:
    """Return the times of a DT value shifted by whole days; the time of day is kept.

    A partial value (a month, a year) would tell the shift if it were moved as it is: it is cut to the part that is
    the same at both its ends after the move, or emptied. A zone equal to the file's own, `local_zone`, is left out,
    another one is converted to it, and without `local_zone` it stays: intervals are exact in every case.

    Args:
        raw: A DT value.
        days: Days to move it by.
        local_zone: Zone of the file, such as `+0100`, or empty.

    >>> shift_datetime(b"20240301083000", -1)
    b'20240229083000'
    """
    return pad(b"\\".join(_shift_datetime(one, days, local_zone) for one in raw.rstrip(b" \0").split(b"\\")), "DT")


def _shift_datetime(one: bytes, days: int, local_zone: bytes) -> bytes:
    match = _DATETIME.fullmatch(one.strip(b" \0"))
    if match is None:
        return b""
    year, month, day, clock, zone = match.groups()
    try:
        if day is None:
            first = date(int(year), int(month or 1), 1)
            last_month = int(month or 12)
            last = date(int(year), last_month, calendar.monthrange(int(year), last_month)[1])
            first, last = first + timedelta(days=days), last + timedelta(days=days)
            if first.year != last.year:
                return b""
            same_month = month is not None and first.month == last.month
            return b"%04d%02d" % (first.year, first.month) if same_month else b"%04d" % first.year
        moved = date(int(year), int(month), int(day)) + timedelta(days=days)
        clock = clock or b""
        if clock and _TIME.fullmatch(clock) is None:
            return b""
        if not zone or zone == local_zone:
            return _compact(moved) + clock
        if not local_zone or len(clock) < 4:
            return _compact(moved) + clock + zone
        there = datetime(moved.year, moved.month, moved.day, int(clock[:2]), int(clock[2:4]))
        here = there + timedelta(minutes=_minutes(local_zone) - _minutes(zone))
        return _compact(here.date()) + b"%02d%02d" % (here.hour, here.minute) + clock[4:]
    except (ValueError, OverflowError):
        return b""


def _minutes(zone: bytes) -> int:
    sign = -1 if zone[:1] == b"-" else 1
    return sign * (int(zone[1:3]) * 60 + int(zone[3:5]))


def is_zone(raw: bytes) -> bool:
    """Return whether a value is a time zone as (0008,0201) writes it.

    Args:
        raw: A value of (0008,0201).

    >>> is_zone(b"+0200"), is_zone(b"Paris")
    (True, False)
    """
    return re.fullmatch(rb"[+-][0-9]{4}", raw.strip(b" \0")) is not None


def check(raw: bytes, vr: str) -> bytes:
    """Return `raw` when every value in it is of the form of `vr` (DA, TM, DT), else an empty value.

    >>> check(b"20240301", "DA"), check(b"Smith", "DA")
    (b'20240301', b'')
    """
    form = {"DA": _DATE, "TM": _TIME, "DT": _DATETIME}[vr]
    parts = [one.strip(b" \0") for one in raw.rstrip(b" \0").split(b"\\")]
    return raw if all(not one.strip() or form.fullmatch(one) for one in parts) else b""


def age(raw: bytes) -> bytes:
    """Return an AS value with ages over 89 years as 090Y, and an empty value for what is no age.

    Args:
        raw: An AS value.

    >>> age(b"093Y"), age(b"061Y"), age(b"old")
    (b'090Y', b'061Y', b'')
    """
    parts = raw.rstrip(b" \0").split(b"\\")
    result = []
    for one in parts:
        match = _AGE.fullmatch(one.strip())
        if match is None:
            result.append(b"")
            continue
        years = int(match[1]) / {b"D": 365.25, b"W": 52.18, b"M": 12, b"Y": 1}[match[2]]
        result.append(b"090Y" if years >= 90 else one.strip())
    return pad(b"\\".join(result), "AS")
