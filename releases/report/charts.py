"""The pictures of a release page as inline SVG: no script, no font and no file from elsewhere.

Every picture is drawn 420 units wide, so that its text stays legible on a phone, and says in `<title>` and `<desc>`
what it shows. Texts come in French and in English; the page shows one of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from unibase.releases.disclosure.quantiles import Quantiles
from unibase.releases.disclosure.steps import SteppedCurve

WIDTH = 420
MONTH = 15.0
"""Width of a month in the timelines."""


def both(fr: str, en: str) -> str:
    """Return HTML that holds a text in both languages, `fr` and `en`; arguments are plain text.

    >>> both("Âge < 40", "Age < 40")
    '<span class="fr" lang="fr">Âge &lt; 40</span><span class="en" lang="en">Age &lt; 40</span>'
    """
    return f'<span class="fr" lang="fr">{escape(fr)}</span><span class="en" lang="en">{escape(en)}</span>'


def _text(at: tuple[float, float], fr: str, en: str | None = None, anchor: str = "start", kind: str = "") -> str:
    """Return SVG text at (x, y), in both languages when they differ."""
    common = f'x="{at[0]:.1f}" y="{at[1]:.1f}" text-anchor="{anchor}"'
    if en is None or en == fr:
        return f'<text {common} class="{kind}">{escape(fr)}</text>'
    return (
        f'<text {common} class="fr {kind}" lang="fr">{escape(fr)}</text>'
        f'<text {common} class="en {kind}" lang="en">{escape(en)}</text>'
    )


def _svg(identity: str, height: float, title: tuple[str, str], body: Sequence[str], width: float = 0) -> str:
    """Wrap `body` as an accessible picture; it fits its place, unless a `width` fixes its scale."""
    size = f'0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}' if width else f"0 0 {WIDTH} {height:.0f}"
    return (
        f'<svg viewBox="{size}" role="img" aria-labelledby="{identity}-t" class="{"drawn" if width else "chart"}">'
        f'<title id="{identity}-t">{escape(title[0])} / {escape(title[1])}</title>{"".join(body)}</svg>'
    )


def _ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return round tick positions inside `[low, high]`, about `count` of them."""
    if not high > low:
        return [low]
    raw = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [k * step for k in range(first, last + 1)]


def month_ticks(high: float) -> list[float]:
    """Return tick positions of a time axis in months up to `high`: every 3, 6, 12, ... months, at most 7.

    >>> month_ticks(30.0)
    [0.0, 6.0, 12.0, 18.0, 24.0, 30.0]
    """
    step = next((s for s in (1, 3, 6, 12, 24, 36, 60, 120, 240) if high / s <= 6), 480)
    return [float(k * step) for k in range(int(high // step) + 1)]


def number(value: float) -> str:
    """Return a `value` as a number of three significant digits, without an exponent where it can be.

    >>> number(0.012345), number(1234.5), number(2.5e7)
    ('0.0123', '1234', '2.5e7')
    """
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "–"
    size = abs(value)
    if size >= 1e6 or size < 1e-3:
        return f"{value:.1e}".replace("e+0", "e").replace("e-0", "e-").replace("e+", "e")
    digits = max(0, 2 - math.floor(math.log10(size)))
    shown = f"{value:.{digits}f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


@dataclass(frozen=True)
class SurvivalPicture:
    """What a survival picture shows; times in whole months."""

    identity: str
    name: str
    curve: SteppedCurve
    risk: Sequence[tuple[float, str]]


@dataclass(frozen=True)
class _Frame:
    """Where a survival picture stands, and how time and level are drawn in it."""

    end: float
    left: float = 44.0
    right: float = WIDTH - 14.0
    top: float = 12.0
    bottom: float = 232.0

    def x(self, time: float) -> float:
        return self.left + (self.right - self.left) * time / self.end

    def y(self, level: float) -> float:
        return self.bottom - (self.bottom - self.top) * level

    def stairs(self, months: Sequence[float], levels: Sequence[float]) -> list[str]:
        """Return the corners of a line that holds each level from its month to the next one."""
        spans = zip(months, months[1:], levels, strict=False)
        return [f"{self.x(month):.1f},{self.y(level):.1f}" for start, end, level in spans for month in (start, end)]


def survival(picture: SurvivalPicture) -> str:
    """Draw a curve with its band and the numbers at risk. `picture`: what is drawn."""
    frame = _Frame(picture.curve.end)
    body = [*_levels(frame), *_steps(frame, picture.curve)]
    body += _risk_table(frame, picture.risk)
    title = (f"{picture.name} : courbe de survie par paliers", f"{picture.name}: survival curve in steps")
    return _svg(picture.identity, frame.bottom + 80, title, body)


def _levels(frame: _Frame) -> list[str]:
    body = []
    for level in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = frame.y(level)
        body.append(f'<line class="grid" x1="{frame.left}" x2="{frame.right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        body.append(_text((frame.left - 6, y + 4), f"{level * 100:.0f} %", f"{level * 100:.0f}%", "end"))
    return body


def _steps(frame: _Frame, curve: SteppedCurve) -> list[str]:
    """Return the band and the curve; where the upper limit is not known, the band holds the one before."""
    months = [curve.start, *(step.month for step in curve.steps), curve.end]
    upper = [1.0]
    for step in curve.steps:
        upper.append(step.upper if math.isfinite(step.upper) else upper[-1])
    lower, level = ([1.0, *(getattr(step, name) for step in curve.steps)] for name in ("lower", "survival"))
    band = [*frame.stairs(months, upper), *reversed(frame.stairs(months, lower))]
    return [
        f'<polygon class="band" points="{" ".join(band)}"/>',
        f'<polyline class="curve" points="{" ".join(frame.stairs(months, level))}"/>',
    ]


def _risk_table(frame: _Frame, risk: Sequence[tuple[float, str]]) -> list[str]:
    body = []
    for time, count in risk:
        body.append(_text((frame.x(time), frame.bottom + 16), f"{time:.0f}", anchor="middle"))
        body.append(_text((frame.x(time), frame.bottom + 70), count, anchor="middle", kind="strong"))
    middle = (frame.left + frame.right) / 2
    body.append(_text((middle, frame.bottom + 33), "mois depuis l'index", "months since index", "middle", "muted"))
    body.append(_text((8, frame.bottom + 54), "Sujets à risque, arrondis", "Subjects at risk, rounded", kind="muted"))
    return body


MARKS = {
    "imaging": ("Imagerie", "Imaging"),
    "sample": ("Prélèvement", "Sample"),
    "treatment": ("Traitement", "Treatment"),
    "progression": ("Progression", "Progression"),
    "death": ("Décès", "Death"),
}


def mark(kind: str, x: float, y: float) -> str:
    """Draw one mark of a timeline, of a `kind`, around `x` and `y` (pixels); shapes differ as well as colours.

    >>> mark("sample", 10.0, 5.0)
    '<circle class="m-sample" cx="10.0" cy="5.0" r="4.2"/>'
    """
    if kind == "imaging":
        return f'<rect class="m-imaging" x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8"/>'
    if kind == "sample":
        return f'<circle class="m-sample" cx="{x:.1f}" cy="{y:.1f}" r="4.2"/>'
    if kind == "treatment":
        return f'<path class="m-treatment" d="M{x:.1f} {y - 5:.1f}l5 9h-10z"/>'
    if kind == "progression":
        return f'<path class="m-progression" d="M{x:.1f} {y - 5.5:.1f}l5 5.5l-5 5.5l-5 -5.5z"/>'
    return f'<path class="m-death" d="M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8"/>'


@dataclass(frozen=True)
class Lane:
    """One subject of the timeline picture: label, follow-up and marks, all in months from the index."""

    label: tuple[str, str]
    start: float
    end: float
    treatments: Sequence[tuple[float, float]]
    marks: Sequence[tuple[str, float]]


def swimmer(lanes: Sequence[Lane]) -> tuple[str, str]:
    """Draw one lane per subject: follow-up, treatment intervals, and marks.

    Returns:
        The names of the lanes, and the lanes, as two pictures of the same height: the lanes are drawn at a fixed scale,
        as wide as it takes, and scroll beside their names.
    """
    top, row, left = 14.0, 34.0, 14.0
    low = min(0.0, *(lane.start for lane in lanes))
    high = max(1.0, *(lane.end for lane in lanes))
    width = max(560.0, 2 * left + MONTH * (high - low))
    bottom = top + row * len(lanes)
    height = bottom + 42

    def x(time: float) -> float:
        return left + (width - 2 * left) * (time - low) / (high - low)

    names = [_text((4, top + row * (n + 0.5) + 4), *lane.label) for n, lane in enumerate(lanes)]
    body = []
    for tick in _ticks(low, high, max(6, int(width / 110))):
        body.append(f'<line class="grid" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{top - 4}" y2="{bottom + 4}"/>')
        body.append(_text((x(tick), bottom + 17), number(tick), anchor="middle"))
    body.append(f'<line class="index" x1="{x(0):.1f}" x2="{x(0):.1f}" y1="{top - 4}" y2="{bottom}"/>')
    for place, lane in enumerate(lanes):
        y = top + row * (place + 0.5)
        body.append(f'<line class="lane" x1="{x(lane.start):.1f}" x2="{x(lane.end):.1f}" y1="{y:.1f}" y2="{y:.1f}"/>')
        for start, end in lane.treatments:
            span = max(x(end) - x(start), 1.5)
            body.append(f'<rect class="dose" x="{x(start):.1f}" y="{y - 3:.1f}" width="{span:.1f}" height="6" rx="3"/>')
        body += [mark(kind, x(time), y - (9 if kind in ("imaging", "sample") else 0)) for kind, time in lane.marks]
    body.append(_text((left, bottom + 34), "mois depuis l'index", "months since index", kind="muted"))
    title = ("Parcours de quelques sujets", "Timelines of a few subjects")
    size = f'viewBox="0 0 84 {height:.0f}" width="84" height="{height:.0f}"'
    beside = f'<svg {size} aria-hidden="true">{"".join(names)}</svg>'
    return beside, _svg("swimmer", height, title, body, width)


ALTERATIONS: dict[str, tuple[str, str]] = {
    "mutated": ("muté", "mutated"),
    "truncating": ("tronquant", "truncating"),
    "amplified": ("amplifié", "amplified"),
    "deleted": ("délétion profonde", "deep deletion"),
    "rearranged": ("réarrangé", "rearranged"),
}
"""Kinds of alterations of a gene, in French and in English."""
_DRAWN = {
    "amplified": ("#c0392b", 0, 18),
    "deleted": ("#2c5d9b", 0, 18),
    "rearranged": ("#7d3c98", 2, 14),
    "mutated": ("#2e8b57", 6, 6),
    "truncating": ("#1b1b1b", 6, 6),
}
"""Colour, distance from the top and height of each kind, those behind first."""


def oncoprint(genes: Sequence[tuple[str, Mapping[str, Collection[str]]]]) -> str:
    """Draw who has which alteration: a row a gene, a column a subject with any, ordered so that alike ones stand together.

    Args:
        genes: Name of each gene, and by kind of alteration who has it.
    """
    left, top, row, column = 90.0, 6.0, 24.0, 5.0
    people = sorted({person for _, kinds in genes for group in kinds.values() for person in group})
    has = {person: tuple(-sum(person in group for group in kinds.values()) for _, kinds in genes) for person in people}
    order = sorted(people, key=lambda person: has[person])
    width, height = left + column * len(order) + 6, top + row * len(genes) + 6
    body = []
    for place, (gene, kinds) in enumerate(genes):
        y = top + row * place
        body.append(_text((4, y + 14), gene))
        body.append(f'<rect class="empty" x="{left}" y="{y}" width="{column * len(order):.0f}" height="18" fill-opacity="0.08"/>')
        for kind, (colour, down, size) in _DRAWN.items():
            for at in (n for n, person in enumerate(order) if person in kinds.get(kind, ())):
                x = left + column * at
                body.append(f'<rect x="{x:.0f}" y="{y + down:.0f}" width="{column - 1:.0f}" height="{size}" fill="{colour}"/>')
    return _svg("oncoprint", height, ("Altérations par sujet", "Alterations by subject"), body, width)


@dataclass(frozen=True)
class Band:
    """One kind of event over time: how many subjects have one in each span, in steps of a few persons; 0 where too few."""

    label: tuple[str, str]
    kind: str
    shares: Sequence[float]


def density(bands: Sequence[Band], first: float, width: float) -> str:
    """Draw when subjects have events: a row for each kind, the darker the more subjects; nobody can be told apart.

    Args:
        bands: Rows; a share from 0 to 1 for each span.
        first: Weeks from the index at which the first span begins.
        width: Weeks of a span.
    """
    left, right, top, row = 96.0, WIDTH - 14.0, 8.0, 30.0
    count = max(len(band.shares) for band in bands)
    bottom = top + row * len(bands)

    def x(week: float) -> float:
        return left + (right - left) * (week - first) / (width * count)

    body = [f'<line class="index" x1="{x(0):.1f}" x2="{x(0):.1f}" y1="{top}" y2="{bottom}"/>']
    for place, band in enumerate(bands):
        y = top + row * place
        body.append(_text((4, y + row / 2 + 4), *band.label))
        for span, share in enumerate(band.shares):
            if share > 0:
                start = x(first + span * width)
                size = max(x(first + (span + 1) * width) - start, 1.0)
                body.append(
                    f'<rect class="m-{band.kind}" x="{start:.1f}" y="{y + 4:.1f}" width="{size:.1f}" height="{row - 8:.0f}" '
                    f'fill-opacity="{0.2 + 0.8 * share:.2f}"/>'
                )
    for tick in _ticks(first, first + width * count, 5):
        body.append(_text((x(tick), bottom + 15), number(tick), anchor="middle"))
    body.append(_text(((left + right) / 2, bottom + 33), "semaines depuis l'index", "weeks since index", "middle", "muted"))
    return _svg("density", bottom + 42, ("Événements au cours du temps", "Events over time"), body)


DIGIT_WIDTH = 8.0
"""Of a digit of 13 px, in px."""


@dataclass(frozen=True)
class Labelled:
    """A picture below what heads it.

    Attributes:
        label: In French and in English.
        svg: The picture.
    """

    label: tuple[str, str]
    svg: str


@dataclass(frozen=True)
class Box:
    """Quantiles of one centre; None when the centre has too few subjects to show. A label may be in French and in English."""

    label: str | tuple[str, str]
    quantiles: Quantiles | None


def boxes(identity: str, name: str, rows: Sequence[Box]) -> str:
    """Draw 10-25-50-75-90 % quantiles of one feature, a row per centre; those that are not shown are left out.

    `identity` is the drawing's id, `name` the feature, `rows` label and quantiles of each centre.
    """
    labels = [box.label if isinstance(box.label, tuple) else (box.label, box.label) for box in rows]
    wide = max((len(word) for pair in labels for word in pair), default=0)
    shown = [q for box in rows if box.quantiles for q in box.quantiles.known]
    low, high = (min(shown), max(shown)) if shown else (0.0, 1.0)
    if high <= low:
        low, high = low - 0.5, high + 0.5
    ticks = [(tick, number(tick)) for tick in _ticks(low, high, 4)] if shown else []
    left, right, top, row = max(74.0, 12.0 + 6.8 * wide), WIDTH - _half_width(ticks), 8.0, 30.0
    bottom = top + row * len(rows)

    def x(value: float) -> float:
        return left + (right - left) * (value - low) / (high - low)

    body = []
    for tick, label in ticks:
        body.append(f'<line class="grid" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{top}" y2="{bottom}"/>')
        body.append(_text((x(tick), bottom + 15), label, anchor="middle"))
    for place, box in enumerate(rows):
        y = top + row * (place + 0.5)
        body.append(_text((4, y + 4), *labels[place]))
        body += (
            [_text((left, y + 4), "effectif masqué", "too few to show", kind="muted")]
            if box.quantiles is None
            else _box(box.quantiles, x, y)
        )
    return _svg(identity, bottom + 22, (f"{name} par centre", f"{name} by centre"), body)


def _half_width(ticks: Sequence[tuple[float, str]]) -> float:
    """Return the room that half of the widest label needs beside the last tick, at the size of type of a narrow screen."""
    return max((DIGIT_WIDTH * len(label) / 2 for _, label in ticks), default=0.0) + 4.0


def _box(found: Quantiles, x: Callable[[float], float], y: float) -> list[str]:
    body = []
    if found.p10 is not None and found.p90 is not None:
        body.append(f'<line class="whisker" x1="{x(found.p10):.1f}" x2="{x(found.p90):.1f}" y1="{y}" y2="{y}"/>')
    if found.q1 is not None and found.q3 is not None:
        width = max(x(found.q3) - x(found.q1), 1)
        body.append(f'<rect class="box" x="{x(found.q1):.1f}" y="{y - 8}" width="{width:.1f}" height="16" rx="2"/>')
    middle = x(found.median)
    body.append(f'<line class="median" x1="{middle:.1f}" x2="{middle:.1f}" y1="{y - 8}" y2="{y + 8}"/>')
    return body
