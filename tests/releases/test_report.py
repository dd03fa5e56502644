"""The page: self-contained, accessible, in two languages, and silent on small groups."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest

from tests.releases.examples import make_inputs
from unibase.releases.content.publish import publish_release
from unibase.releases.disclosure.flow_counts import weigh
from unibase.releases.disclosure.small_counts import MASK_TEXT
from unibase.releases.read.known_times import with_known_times
from unibase.releases.report.data import DAYS_PER_MONTH
from unibase.releases.report.sections.flow import flow_steps
from unibase.releases.report.sections.survival_curves import _curve

VOID = {"meta", "link", "br", "input", "img", "hr"}


class Page(HTMLParser):
    """Elements with their attributes, checked for nesting on the way."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    return publish_release(make_inputs(folder / "in"), folder / "out") / "report.html"


def test_the_page_asks_for_nothing_from_elsewhere(page_path: Path) -> None:
    text = page_path.read_text(encoding="utf-8")
    assert not re.search(r"https?://|//[a-z]+\.[a-z]|@import|url\((?!data:)", text.replace("IMAGING//", ""))
    for tag, attributes in Page(text).elements:
        for name in ("src", "href", "action", "srcset"):
            value = attributes.get(name) or "#"
            assert value.startswith(("#", "data:", "dictionary/")), (tag, value)
    assert "default-src 'none'" in text


def test_the_page_can_be_read_by_a_machine_that_reads_aloud(page_path: Path) -> None:
    page = Page(page_path.read_text(encoding="utf-8"))
    identities = [a["id"] for _, a in page.elements if "id" in a]
    assert len(identities) == len(set(identities))
    assert next(a for t, a in page.elements if t == "html")["lang"]
    labels = {a.get("for") for t, a in page.elements if t == "label"}
    for tag, attributes in page.elements:
        for name in ("aria-labelledby", "aria-describedby"):
            assert all(i in identities for i in (attributes.get(name) or "").split())
        if tag == "input":
            assert attributes["id"] in labels
        if tag == "svg":
            assert attributes.get("aria-hidden") or (attributes.get("role") == "img" and attributes.get("aria-labelledby"))
        if tag == "th":
            assert attributes.get("scope") in ("col", "row")
        if (attributes.get("href") or "").startswith("#"):
            assert str(attributes["href"])[1:] in identities
    levels = [int(t[1]) for t, _ in page.elements if re.fullmatch(r"h[1-6]", t)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_stands_out_as_wcag_asks(page_path: Path) -> None:
    colours = dict(re.findall(r"--([a-z-]+):\s*(#[0-9a-f]{6})", page_path.read_text(encoding="utf-8")))
    for text in ("ink", "soft", "teal"):
        for ground in ("paper", "card"):
            light, dark = sorted((luminance(colours[text]), luminance(colours[ground])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground)


def test_every_sentence_is_there_in_both_languages(page_path: Path) -> None:
    text = page_path.read_text(encoding="utf-8")
    assert text.count('class="fr') == text.count('class="en')
    assert text.count('class="fr') > 60


def test_a_label_of_a_narrow_screen_is_of_one_language(page_path: Path) -> None:
    text = page_path.read_text(encoding="utf-8")
    labels = set(re.findall(r'data-label="([^"]*)"(?: data-label-en="([^"]*)")?', text))
    assert ("Tous", "All") in labels
    assert not [label for label, _ in labels if " / " in label]
    # What the style draws in English is the English label, where there is one.
    assert re.search(r"html\[data-language=en\][^{}]*\[data-label-en\]::before \{ content: attr\(data-label-en\); \}", text)


def test_no_pseudonym_and_no_date_is_on_the_page(page_path: Path) -> None:
    text = page_path.read_text(encoding="utf-8")
    ids = pl.read_parquet(page_path.parent / "tables" / "subjects.parquet")["subject_id"]
    assert not any(str(i) in text for i in ids)
    assert not re.search(r"\b(19|20)\d\d-\d\d-\d\d\b", text)


def test_a_small_cohort_shows_no_curve_no_timeline_and_no_count(tmp_path: Path) -> None:
    inputs = make_inputs(tmp_path / "in", subjects=9)
    text = (publish_release(inputs, tmp_path / "out") / "report.html").read_text(encoding="utf-8")
    assert 'class="curve"' not in text
    assert 'class="lane"' not in text and 'id="density-t"' not in text
    assert f"<dd>{MASK_TEXT}</dd>" in text
    assert ">9<" not in text


def test_the_curve_begins_where_enough_are_at_risk(tmp_path: Path) -> None:
    inputs = make_inputs(tmp_path / "in", subjects=120)
    # Everybody enters late: one after the other in the first 400 days, who dies at once among a few would end the curve.
    late = (pl.int_range(pl.len()) * 400 // pl.len()).cast(pl.Int64) + 1
    early = pl.when(pl.int_range(pl.len()) < 3).then(8).otherwise("AVAL").cast(pl.Float64)
    adtte = inputs.adtte.with_columns(AVAL=early, ENTRY=late, ENTRYDT=pl.col("STARTDT"))
    text = (publish_release(replace(inputs, adtte=adtte), tmp_path / "out") / "report.html").read_text(encoding="utf-8")
    assert re.search(r"Curve given survival to [\d.]+ months: before, too few are at risk", text)
    rows = adtte.filter(pl.col("ENTRY") < pl.col("AVAL"))
    found = _curve(with_known_times(rows), inputs.min_cell)
    assert found is not None
    curve, start = found
    times, entries = (rows[name].to_numpy() * (1.0 / DAYS_PER_MONTH) for name in ("AVAL", "ENTRY"))
    at_risk = {t: int(((entries < t) & (times >= t)).sum()) for t in times}
    assert start > 0
    assert curve.at_risk[0] >= inputs.min_cell and (curve.time > start).all()
    assert all(at_risk[t] == n for t, n in zip(curve.time, curve.at_risk, strict=True))
    assert any(n < inputs.min_cell for t, n in at_risk.items() if t <= start)


def test_the_flow_never_shows_a_step_of_a_few() -> None:
    flow = [
        {"step": "all", "kept": 200, "excluded": 0},
        {"step": "a", "kept": 197, "excluded": 3},
        {"step": "b", "kept": 150, "excluded": 47},
        {"step": "c", "kept": 145, "excluded": 5},
    ]
    shown = [(s["kept"], s.get("excluded")) for s in flow_steps(weigh(flow, 11))]
    assert shown == [(MASK_TEXT, MASK_TEXT), ("197", MASK_TEXT), (MASK_TEXT, MASK_TEXT), ("145", MASK_TEXT)]


def test_a_release_without_images_samples_or_endpoints_still_has_a_page(tmp_path: Path) -> None:
    inputs = make_inputs(tmp_path / "in", subjects=30)
    bare = replace(
        inputs,
        features=inputs.features.clear(),
        sample_map=inputs.sample_map.clear(),
        assays={},
        adtte=inputs.adtte.clear(),
        trace=inputs.trace.clear(),
        quarantine=inputs.quarantine.clear(),
        analysis=inputs.analysis.select("subject_id", "ldh"),
        subjects=inputs.subjects.drop("centre", "index_time"),
        flow=[],
    )
    Page((publish_release(bare, tmp_path / "out") / "report.html").read_text(encoding="utf-8"))
