"""What reports hold as numbers and codes: measurements (TID 1500), doses (TID 10001, 10011, 10021), cleaned texts; a row each.

The tree of a report is kept by the place of each item (`1.3.2`, as PS3.3 C.17.3 counts items of Content Sequence) and of the
container that it stands in: rows of one `container` belong together, such as the measurements of one lesion with its tracking
UID, finding and site, or the dose of one irradiation. What qualifies an item (`HAS CONCEPT MOD`, `HAS PROPERTIES`, ...) stands in
its `modifiers`.
Source: PS3.3 C.17.3 and C.18; PS3.16 TID 300, 1419, 1501, 10013.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

import polars as pl

from unibase.groundwork.image_tables import REPORT_VALUES
from unibase.imaging.dicom.opened import read_dataset

REPORTING = frozenset({"SR", "PR"})
"""Modalities whose objects hold such items: structured reports and presentation states."""
_WITH_VALUE = frozenset({"NUM", "CODE", "TEXT", "UIDREF", "DATE", "DATETIME"})
_CLEANED_BY = "unibase"
_UCUM = "UCUM"
_MOMENTS = ("%Y%m%d%H%M%S", "%Y%m%d%H%M", "%Y%m%d")


class Element(Protocol):
    """What is needed of a data set."""

    def get(self, keyword: str, default: object = None) -> object:
        """Return the value of an attribute.

        Args:
            keyword: Its name in DICOM.
            default: What stands for one that is absent.
        """


@dataclass(frozen=True)
class ReportValue:
    """One item of a report that has a value; the columns of REPORT_VALUES that the object tells.

    Attributes:
        SOPInstanceUID: The report.
        title: Code of its document title.
        template: Number of its root template, such as 1500.
        item: Place of the item in the tree.
        container: Place of the container that it stands in.
        container_code, container_meaning: What that container is.
        code, meaning: What the item says something about.
        value_type: NUM, CODE, TEXT, UIDREF, DATE or DATETIME.
        value, unit: Number, and its unit in UCUM (another scheme is named).
        missing_code: Why there is no number (0040,A301).
        value_code, value_meaning: What a coded item says.
        text: A text that was cleaned, or a UID.
        time: A day or moment, shifted as all are.
        modifiers: What qualifies it: `code=code` or `code=number unit`, by `; `.
    """

    SOPInstanceUID: str
    item: str
    container: str
    value_type: str
    title: str | None = None
    template: str | None = None
    container_code: str | None = None
    container_meaning: str | None = None
    code: str | None = None
    meaning: str | None = None
    value: float | None = None
    unit: str | None = None
    missing_code: str | None = None
    value_code: str | None = None
    value_meaning: str | None = None
    text: str | None = None
    time: datetime | None = None
    modifiers: str | None = None


def values_of_report(report: Element) -> Iterator[ReportValue]:
    """Yield the items of one report, or the texts of one presentation state, that have a value, in the order of the tree.

    Texts are given only of a file that unibase cleaned, as its De-identification Method (0012,0063) says.

    Args:
        report: The object.
    """
    cleaned = _CLEANED_BY in str(report.get("DeidentificationMethod", "") or "")
    templates = _items(report, "ContentTemplateSequence")
    root = ReportValue(
        str(report.get("SOPInstanceUID", "")),
        "1",
        "1",
        "CONTAINER",
        title=_code(report, "ConceptNameCodeSequence")[0],
        template=_text(templates[0], "TemplateIdentifier") if templates else None,
    )
    root = replace(root, container_code=root.title, container_meaning=_code(report, "ConceptNameCodeSequence")[1])
    if str(report.get("Modality", "")) == "PR":
        yield from _annotations(report, root) if cleaned else ()
    else:
        yield from _below(report, root, cleaned)


def _below(parent: Element, place: ReportValue, texts: bool) -> Iterator[ReportValue]:
    """Yield what stands below an item; `place` tells where it stands, and in which container."""
    for number, item in enumerate(_items(parent, "ContentSequence"), 1):
        kind = str(item.get("ValueType", ""))
        here = replace(place, item=f"{place.item}.{number}")
        code, meaning = _code(item, "ConceptNameCodeSequence")
        if kind == "CONTAINER":
            here = replace(here, container=here.item, container_code=code, container_meaning=meaning)
        elif kind in _WITH_VALUE and (kind != "TEXT" or texts):
            yield _valued(item, replace(here, value_type=kind, code=code, meaning=meaning))
        yield from _below(item, here, texts)


def _valued(item: Element, row: ReportValue) -> ReportValue:
    """Return the row of one item, with its value and what qualifies it."""
    row = replace(row, modifiers="; ".join(_modifiers(item)) or None)
    if row.value_type == "NUM":
        return _numeric(item, row)
    if row.value_type == "CODE":
        code, meaning = _code(item, "ConceptCodeSequence")
        return replace(row, value_code=code, value_meaning=meaning)
    if row.value_type == "TEXT":
        return replace(row, text=_text(item, "TextValue"))
    if row.value_type == "UIDREF":
        return replace(row, text=_text(item, "UID"))
    return replace(row, time=_moment(_text(item, "DateTime") or _text(item, "Date")))


def _numeric(item: Element, row: ReportValue) -> ReportValue:
    missing = _code(item, "NumericValueQualifierCodeSequence")[0]
    for measured in _items(item, "MeasuredValueSequence"):
        unit = _code(measured, "MeasurementUnitsCodeSequence")[0]
        return replace(row, value=_number(measured), unit=unit and unit.removeprefix(f"{_UCUM}//"), missing_code=missing)
    return replace(row, missing_code=missing)


def _number(measured: Element) -> float | None:
    """Return the one number of a measured value; none where it holds several, or none that can be read."""
    value = measured.get("FloatingPointValue")
    try:
        return float(str(measured.get("NumericValue") if value is None else value))
    except ValueError:
        return None


def _modifiers(item: Element) -> Iterator[str]:
    """Yield what qualifies an item: coded and measured children that are no items of their own container."""
    for child in _items(item, "ContentSequence"):
        code, kind = _code(child, "ConceptNameCodeSequence")[0], str(child.get("ValueType", ""))
        if kind == "CODE":
            yield f"{code}={_code(child, 'ConceptCodeSequence')[0]}"
        elif kind == "NUM":
            own = _numeric(child, ReportValue("", "", "", "NUM"))
            yield f"{code}={own.value} {own.unit}"


def _annotations(state: Element, root: ReportValue) -> Iterator[ReportValue]:
    """Yield the texts that a presentation state shows; the place is that of the layer and of the text in it."""
    for number, layer in enumerate(_items(state, "GraphicAnnotationSequence"), 1):
        for place, one in enumerate(_items(layer, "TextObjectSequence"), 1):
            text = _text(one, "UnformattedTextValue")
            if text:
                yield replace(root, item=f"1.{number}.{place}", container=f"1.{number}", value_type="TEXT", text=text)


def report_values(series: Mapping[str, object], paths: Iterable[Path]) -> list[dict[str, object]]:
    """Return the REPORT_VALUES rows of one series, times as ISO texts; none where it holds no reports.

    Args:
        series: Its row of SERIES.
        paths: Its files.
    """
    if series["Modality"] not in REPORTING:
        return []
    said = {name: series[name] for name in ("subject_id", "centre", "StudyInstanceUID", "SeriesInstanceUID", "Modality")}
    moment = series["series_time"]
    when = moment.isoformat() if isinstance(moment, datetime) else moment
    rows: list[dict[str, object]] = []
    for path in sorted(paths):
        report = read_dataset(path)
        if str(report.get("SeriesInstanceUID", "")) == said["SeriesInstanceUID"]:
            for value in values_of_report(report):
                rows.append({**said, "series_time": when, **asdict(value), "time": value.time and value.time.isoformat()})
    return rows


def report_frame(rows: list[dict[str, object]]) -> pl.DataFrame:
    """Return REPORT_VALUES of rows whose times are texts. `rows`: what `report_values` returned."""
    times = ("series_time", "time")
    frame = pl.DataFrame(rows, schema={**REPORT_VALUES.schema(), **dict.fromkeys(times, pl.String)})
    return REPORT_VALUES.conform(frame.with_columns(pl.col(*times).str.to_datetime()))


def _items(parent: Element, keyword: str) -> list[Element]:
    found = parent.get(keyword)
    return list(found) if found else []  # type: ignore[call-overload]


def _text(parent: Element, keyword: str) -> str | None:
    return str(parent.get(keyword) or "").strip() or None


def _code(parent: Element, keyword: str) -> tuple[str | None, str | None]:
    """Return `scheme//code` and the meaning of a code, or nothing."""
    for one in _items(parent, keyword):
        value = _text(one, "CodeValue") or _text(one, "LongCodeValue") or _text(one, "URNCodeValue")
        scheme = _text(one, "CodingSchemeDesignator")
        return (f"{scheme}//{value}" if scheme else value), _text(one, "CodeMeaning")
    return None, None


def _moment(text: str | None) -> datetime | None:
    digits = (text or "").partition(".")[0].partition("+")[0].partition("-")[0]
    for form in _MOMENTS:
        try:
            return datetime.strptime(digits, form)
        except ValueError:
            continue
    return None
