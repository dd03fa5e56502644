"""The pages in a real browser: no error, no request, nothing axe-core objects to, room enough at 380 px, keys and paper."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from tests.releases.browser import Browser, browser
from tests.releases.describe_example import DESCRIPTION
from tests.releases.examples import make_inputs
from unibase.releases.catalogue.description import read_description
from unibase.releases.catalogue.site import write_site
from unibase.releases.content.publish import publish_release
from unibase.releases.disclosure.disclosure_policy import DisclosurePolicy

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    inputs = make_inputs(folder / "in")
    first = publish_release(inputs, folder / "out")
    # A release that has every section: a policy, and a version before it.
    second = replace(
        inputs,
        version="1.1.0",
        previous=first,
        analysis=inputs.analysis.with_columns(pl.col("ldh") + 1),  # type: ignore[union-attr]
        policy=DisclosurePolicy(["sex"], 2),
    )
    report = publish_release(second, folder / "out") / "report.html"
    (folder / "description.yaml").write_text(DESCRIPTION, encoding="utf-8")
    site = write_site(folder / "out", {"uniriv-demo": read_description(folder / "description.yaml")}, folder / "site")
    words = report.parent / "dictionary" / "dictionary.html"
    return {"report": report, "dictionary": words, "catalogue": site / "index.html"}


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.mark.parametrize("width", [1280, 380])
@pytest.mark.parametrize("name", ["report", "dictionary", "catalogue"])
def test_a_page_is_usable_by_all(pages: dict[str, Path], window: Browser, name: str, width: int) -> None:
    page = pages[name]
    window.errors.clear()
    window.requests.clear()
    window.open(page, width)
    for language in ("en", "fr"):
        window.run(f"document.querySelector('[data-to={language}]').click()")
        assert window.run("document.documentElement.lang") == language
        assert window.axe() == []
        assert window.overflow() == 0
    assert window.errors == []
    assert window.requests == [page.as_uri()]


def test_the_checks_find_a_fault(window: Browser, tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text(
        "<html><body><img src='x.png'><div style='width:2000px'>wide</div><script>nothing()</script></body></html>",
        encoding="utf-8",
    )
    window.errors.clear()
    window.requests.clear()
    window.open(page, 380)
    assert any(fault.startswith("image-alt") for fault in window.axe())
    assert window.errors
    assert len(window.requests) == 2
    assert window.overflow() > 0
    window.errors.clear()


def test_the_keyboard_reaches_all_that_can_be_used(pages: dict[str, Path], window: Browser) -> None:
    window.open(pages["report"])
    window.press("Tab")
    assert window.run("document.activeElement.className") == "skip"
    window.press("Enter")
    assert window.run("location.hash") == "#main"
    window.open(pages["report"])
    wanted = set(window.run("[...document.querySelectorAll('a, button, input, [tabindex]')].map((e, i) => e.dataset.n = '' + i)"))
    reached = set()
    for _ in range(len(wanted) + 5):
        window.press("Tab")
        reached.add(window.run("document.activeElement.dataset.n"))
    assert wanted <= reached


def test_the_dictionary_can_be_searched(pages: dict[str, Path], window: Browser) -> None:
    window.open(pages["dictionary"])
    shown = window.run(
        "(() => { const f = document.getElementById('find'); f.value = 'dehydrogenase'; f.dispatchEvent(new Event('input'));"
        " return [...document.querySelectorAll('#words tr:not([hidden]) code')].map(c => c.textContent); })()"
    )
    assert shown == ["ldh"]


def test_a_page_prints(pages: dict[str, Path], window: Browser) -> None:
    window.open(pages["report"])
    paper = window.pdf()
    assert paper.startswith(b"%PDF")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", paper)) <= 8


MORE_ROWS = """(() => { for (const body of document.querySelectorAll('tbody'))
  for (const row of [...body.rows]) for (let i = 0; i < 3; i++) body.append(row.cloneNode(true)); })()"""


def test_a_page_of_a_release_with_many_rows_prints_as_short_and_says_what_it_left(
    pages: dict[str, Path], window: Browser
) -> None:
    window.open(pages["report"])
    window.run(MORE_ROWS)
    assert len(re.findall(rb"/Type\s*/Page\b", window.pdf())) <= 8
    window.run(MORE_ROWS)
    window.send("Emulation.setEmulatedMedia", media="print")
    said = "[...document.querySelectorAll('table')].filter(t => t.tBodies[0].rows.length > 40).map(t => getComputedStyle(t, '::after').content)"
    for language, told in (("en", "Rows beyond these are on the screen."), ("fr", "La suite des lignes est à l’écran.")):
        window.run(f"document.documentElement.dataset.language = '{language}'")
        assert set(window.run(said)) == {f'"{told}"'}
    window.send("Emulation.setEmulatedMedia", media="")


def test_the_catalogue_filters_by_facet_and_compares(pages: dict[str, Path], window: Browser) -> None:
    window.open(pages["catalogue"])
    everything = "[...document.querySelectorAll('article:not([hidden])')].length"
    assert window.run(everything) == 2
    kinds = window.run("[...new Set([...document.querySelectorAll('[data-facet]')].map(b => b.dataset.facet))]")
    assert kinds == ["axis", "site", "modality", "centre"]
    window.run("document.querySelectorAll('[data-compare]').forEach(box => box.click())")
    assert window.run("document.getElementById('compare').hidden") is False
    assert window.run("document.querySelectorAll('#compare-head th').length") == 3
    window.run(
        "(() => { const f = document.getElementById('find'); f.value = 'nothing is called so';"
        " f.dispatchEvent(new Event('input')); })()"
    )
    assert window.run(everything) == 0
