"""The clock of a PET: when the tracer was given, and to which moment decay was corrected.

A moment is one of the clock on the wall where the scan was made. A date-time with an offset from UTC is brought to
that clock when the file says its own offset (TimezoneOffsetFromUTC, 0008,0201), and refused when it does not.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from unibase.imaging.dicom.header import Header
from unibase.imaging.dicom.private import private_value
from unibase.imaging.dicom.tracers import Nuclide, refuse

SUV_TOLERANCE = 0.02
"""Two moments of one header may differ by as much as changes SUV by this fraction; beyond, they contradict each other."""

CLOCK_TOLERANCE = timedelta(seconds=120)
"""How far a date-time and the time beside it may be apart: clocks are read to the minute."""

UNEXPLAINED = timedelta(minutes=15)
"""How long a series may begin before its first slice where no Frame Reference Time tells why."""

CLOCK_CHANGES = ((3, 2, 5), (4, 1, 1), (9, 4, 5), (10, 1, 5), (11, 1, 1))
"""When the clock is changed in Europe, America and Australia, on a Sunday: month, first and last Sunday of it that may be it."""

_NIGHT = (timedelta(hours=1), timedelta(hours=3))

_EXPLICIT = (("SIEMENS MED PT", 0x0071, 0x22), ("GEMS_PETD_01", 0x0009, 0x0D))
"""Private date-times of the moment to which decay is corrected: Siemens' decay correction, GE's scan."""


@dataclass(frozen=True)
class Moment:
    """A moment of the clock on the wall, and its offset from UTC when it has one."""

    clock: datetime
    offset: timedelta | None = None


def scan_start(slices: Sequence[Header], half_life: float) -> datetime:
    """Return the moment to which decay is corrected (Decay Correction START).

    Args:
        slices: Headers of all slices of one volume.
        half_life: Of the nuclide, in seconds.

    Raises:
        Unusable: `suv-not-computable` when it is not known, or the header tells two moments.
    """
    first = slices[0]
    series = _moment(first.get("SeriesDate"), first.get("SeriesTime"))
    known = acquisitions(slices)
    explicit = _explicit(first)
    if series is not None and series <= min(known):
        others = [explicit] if explicit is not None else _starts_by_frame(slices, known, half_life)[:1]
        if not others and min(known) - series > UNEXPLAINED:
            raise refuse(
                "Series Time is long before Acquisition Time, and no Frame Reference Time tells to which of them decay is corrected."
            )
        if any(_changes(series - other, half_life) for other in others):
            raise refuse(
                "Series Time and the time of decay correction or Frame Reference Time tell different starts of the scan."
            )
        return explicit or series
    # The series was written after the scan (reconstructed again): its own time is not the time of decay correction.
    if explicit is not None:
        return explicit
    starts = _starts_by_frame(slices, known, half_life)
    if len(starts) < len(slices):
        raise refuse("Series Time is after Acquisition Time, and Frame Reference Time or Actual Frame Duration is missing.")
    if max(starts) - min(starts) > timedelta(seconds=60):
        raise refuse("The slices tell different starts of the scan.")
    return min(starts)


def acquisitions(slices: Sequence[Header]) -> list[datetime]:
    """Return when each slice was acquired; refuse when one does not say it.

    Args:
        slices: Headers of all slices of one volume.

    Raises:
        Unusable: If one has no date or time of acquisition.
    """
    known = []
    for header in slices:
        exact = parse(header.get("FrameAcquisitionDateTime") or header.get("AcquisitionDateTime"))
        moment = _moment(header.get("AcquisitionDate"), header.get("AcquisitionTime")) or (exact.clock if exact else None)
        if moment is None:
            raise refuse("Acquisition Date or Time (0008,0022), (0008,0032) is missing.")
        known.append(moment)
    return known


def _starts_by_frame(slices: Sequence[Header], known: Sequence[datetime], half_life: float) -> list[datetime]:
    """Return the start of the scan that each slice tells by Frame Reference Time, earliest first; none without it.

    Args:
        slices: Headers of all slices of one volume.
        known: When each slice was acquired.
        half_life: Of the nuclide, in seconds.
    """
    starts = []
    for header, moment in zip(slices, known, strict=True):
        frame_ms, reference_ms = header.get("ActualFrameDuration"), header.get("FrameReferenceTime")
        # A reference of 0 is what exports write that do not know it.
        if frame_ms and reference_ms and float(frame_ms) > 0 and float(reference_ms) > 0:
            average = average_time(float(frame_ms) / 1000, half_life)
            starts.append(moment - timedelta(seconds=float(reference_ms) / 1000 - average))
    return sorted(starts)


def average_time(seconds: float, half_life: float) -> float:
    """Return when, in seconds from its start, the activity of a frame equals its mean over the frame.

    `seconds`: duration of the frame; `half_life`: of the nuclide, in seconds.

    >>> round(average_time(600.0, 6586.2), 1)
    298.4
    """
    rate = math.log(2) / half_life
    within = rate * seconds
    return math.log(within / -math.expm1(-within)) / rate


def injection(header: Header, tracer: Header, scan: datetime, nuclide: Nuclide) -> datetime:
    """Return when the tracer was given, on the clock of the scan.

    Args:
        header: Header slice of the series.
        tracer: Item of the Radiopharmaceutical Information Sequence.
        scan: The scan, for the day of a time without one: an injection after midnight or the evening before.
        nuclide: The nuclide; one that lives for days has no day to guess.

    Raises:
        Unusable: `suv-not-computable` when it is missing, in a zone that the file does not tell, or contradicted.
    """
    exact, clock = parse(tracer.get("RadiopharmaceuticalStartDateTime")), _clock(tracer.get("RadiopharmaceuticalStartTime"))
    if exact is None:
        if clock is None:
            raise refuse("Radiopharmaceutical Start DateTime (0018,1078) and Start Time (0018,1072) are missing.")
        if nuclide.uptake > 86400:
            raise refuse("Radiopharmaceutical Start DateTime (0018,1078) is missing, and the uptake may take days.")
        moment = datetime.combine(scan.date(), datetime.min.time()) + clock
        return moment if moment <= scan else moment - timedelta(days=1)
    zone = _zone_of(header)
    if exact.offset is None:
        local = exact.clock
    elif zone is not None:
        local = exact.clock - exact.offset + zone
    elif clock is not None and _is_offset(_apart(exact.clock - exact.offset, clock)):
        # The time beside it is that of the clock on the wall: the two tell the zone.
        shift = _apart(exact.clock - exact.offset, clock)
        return exact.clock - exact.offset + shift
    else:
        raise refuse("Radiopharmaceutical Start DateTime (0018,1078) has an offset from UTC, and the scan does not tell its own.")
    changed = exact.offset is not None and abs(_apart(exact.clock, clock or timedelta())) <= CLOCK_TOLERANCE
    if changed and abs(_apart(local, clock or timedelta())) <= timedelta(hours=1) + CLOCK_TOLERANCE and _changing(local, scan):
        # The clock was changed after the injection: the time beside it is that of the wall at the time.
        return local
    if clock is not None and abs(_apart(local, clock)) > CLOCK_TOLERANCE:
        raise refuse("Radiopharmaceutical Start DateTime (0018,1078) and Start Time (0018,1072) contradict each other.")
    return local


def _zone_of(header: Header) -> timedelta | None:
    """Return the offset from UTC of the times of a file; None when it does not say it. `header`: header of a slice."""
    text = str(header.get("TimezoneOffsetFromUTC") or "").strip()
    own = _offset(text)
    if own is not None:
        return own
    acquired = parse(header.get("FrameAcquisitionDateTime") or header.get("AcquisitionDateTime"))
    return acquired.offset if acquired is not None else None


def parse(value: object) -> Moment | None:
    """Return a DT value (PS3.5 6.2) to the second or better; None when it is absent, partial or none.

    >>> parse("20240301083000.5").clock
    datetime.datetime(2024, 3, 1, 8, 30, 0, 500000)
    """
    found = re.fullmatch(r"(\d{8})(\d{4,6})(\.\d{1,6})?\s*([+-]\d{4})?", str(value or "").strip())
    if found is None:
        return None
    moment = _moment(found[1], found[2] + (found[3] or ""))
    offset = _offset(found[4] or "")
    return None if moment is None or (found[4] and offset is None) else Moment(moment, offset)


def decay_corrected_to(header: Header) -> datetime | None:
    """Return Decay Correction DateTime (0018,9701) of enhanced PET. `header`: header of a slice."""
    moment = parse(header.get("DecayCorrectionDateTime"))
    return None if moment is None else _on_the_wall(moment, header)


def _explicit(header: Header) -> datetime | None:
    standard = decay_corrected_to(header)
    if standard is not None:
        return standard
    for creator, group, element in _EXPLICIT:
        value = private_value(header, group, creator, element)
        if isinstance(value, bytes):
            value = value.decode("ascii", "replace").strip(" \0")
        moment = parse(value)
        if moment is not None:
            return _on_the_wall(moment, header)
    return None


def is_static(header: Header) -> bool:
    """Whether a PET is neither dynamic nor gated. `header`: header of a slice."""
    return not {"DYNAMIC", "GATED"} & set(str(header.get("SeriesType") or "").upper().replace("'", " ").replace(",", " ").split())


def check_clock_change(header: Header, tracer: Header, span: tuple[datetime, datetime], half_life: float) -> None:
    """Refuse an injection and a scan between which the clock may have been changed, where no offset from UTC tells it.

    Dates that were shifted tell no such night: what is read after that is not refused for it.

    Args:
        header: Header of a slice.
        tracer: Item of the Radiopharmaceutical Information Sequence.
        span: Injection and scan, on the clock of the wall.
        half_life: Of the nuclide, in seconds.

    Raises:
        Unusable: `suv-not-computable`.
    """
    exact = parse(tracer.get("RadiopharmaceuticalStartDateTime"))
    told = exact is not None and exact.offset is not None and _zone_of(header) is not None
    if not told and _changes(timedelta(hours=1), half_life) and _changing(*span):
        raise refuse("The clock may have been changed between injection and scan, and no offset from UTC tells it.")


def _changing(start: datetime, end: datetime) -> bool:
    """Whether the night of a Sunday on which clocks are changed, from 1 to 3 o'clock, touches a span of time of a day or less."""
    nights = {start.date(), end.date()} if end - start <= timedelta(days=1) else set()
    for day in nights:
        sunday = (day.day - 1) // 7 + 1
        if day.weekday() == 6 and any(month == day.month and first <= sunday <= last for month, first, last in CLOCK_CHANGES):
            midnight = datetime.combine(day, datetime.min.time())
            if start <= midnight + _NIGHT[1] and end >= midnight + _NIGHT[0]:
                return True
    return False


def _on_the_wall(moment: Moment, header: Header) -> datetime:
    """Return a moment on the clock of the file; as it stands where one of the two offsets is not told."""
    zone = _zone_of(header)
    return moment.clock if moment.offset is None or zone is None else moment.clock - moment.offset + zone


def _changes(difference: timedelta, half_life: float) -> bool:
    return abs(difference.total_seconds()) * math.log(2) / half_life > SUV_TOLERANCE


def _apart(moment: datetime, clock: timedelta) -> timedelta:
    """Return the shortest way from the time of a moment to a time of day."""
    own = timedelta(hours=moment.hour, minutes=moment.minute, seconds=moment.second, microseconds=moment.microsecond)
    return (clock - own + timedelta(hours=12)) % timedelta(days=1) - timedelta(hours=12)


def _is_offset(difference: timedelta) -> bool:
    """Whether a difference is that of two zones, which lie a quarter of an hour apart, to the minute."""
    minutes = difference.total_seconds() / 60
    return abs(minutes - 15 * round(minutes / 15)) * 60 <= CLOCK_TOLERANCE.total_seconds() / 2


def _offset(text: str) -> timedelta | None:
    found = re.fullmatch(r"([+-])(\d{2})(\d{2})", text.strip())
    if found is None or int(found[2]) > 14 or int(found[3]) > 59:
        return None
    size = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return -size if found[1] == "-" else size


def _clock(value: object) -> timedelta | None:
    moment = _moment("20000101", value)
    return None if moment is None else moment - datetime(2000, 1, 1)


def _moment(date: object, time: object) -> datetime | None:
    day, clock = str(date or "").strip(), str(time or "").strip()
    if len(day) != 8 or len(clock) < 4:
        return None
    whole, _, fraction = clock.partition(".")
    try:
        return datetime.strptime(day + whole.ljust(6, "0"), "%Y%m%d%H%M%S") + timedelta(seconds=float(f"0.{fraction or 0}"))
    except ValueError:
        return None
