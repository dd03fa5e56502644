"""The page against the tables: numbers and steps of a page that are one person's are found, and those of a release are not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from tests.releases.examples import make_inputs
from unibase.groundwork.problems import UserError
from unibase.releases.attack.of_page import PAGE, page_against_tables
from unibase.releases.content.publish import publish_release

SUBJECTS = 130


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    inputs = make_inputs(folder / "in", subjects=SUBJECTS, seed=5)
    named = dict(zip("ABC", ("lyon", "CHU-été", "derived"), strict=True))
    subjects = inputs.subjects.with_columns(pl.col("centre").replace(named))
    analysis = inputs.analysis.with_columns(pl.col("centre").replace(named))  # type: ignore[union-attr]
    return publish_release(replace(inputs, subjects=subjects, analysis=analysis), folder / "out")


def with_page(release: Path, folder: Path, more: str) -> Path:
    """Return the tables of a release beside its page with `more` in it."""
    (folder / "tables").symlink_to(release / "tables")
    text = (release / PAGE).read_text(encoding="utf-8")
    (folder / PAGE).write_text(text.replace("</main>", more + "</main>"), encoding="utf-8")
    assert more in (folder / PAGE).read_text(encoding="utf-8")
    return folder


def test_a_page_of_a_release_tells_nobody(release: Path) -> None:
    found = page_against_tables(release)
    assert (found.name, found.of) == ("page", SUBJECTS)
    assert found.singled_out <= 2  # of 130: the numbers beside agree as often


def values_of(release: Path) -> list[float]:
    table = pl.read_parquet(release / "tables" / "analysis.parquet")
    column = next(name for name, kind in table.schema.items() if kind.is_float() and table[name].n_unique() > 40)
    return table.filter(pl.col(column).is_unique())[column].drop_nulls().head(40).to_list()


@pytest.mark.parametrize("comma", [".", ","])
def test_values_of_persons_that_a_page_prints_are_found(release: Path, comma: str, tmp_path: Path) -> None:
    printed = " ; ".join(f"{value:.5f}".replace(".", comma) for value in values_of(release))
    assert page_against_tables(with_page(release, tmp_path, f"<p>{printed}</p>")).singled_out >= 30


def test_values_of_a_script_are_not_what_the_page_prints(release: Path, tmp_path: Path) -> None:
    printed = ";".join(f"{value:.5f}" for value in values_of(release))
    found = page_against_tables(with_page(release, tmp_path, f"<script>{printed}</script>"))
    assert found.singled_out == page_against_tables(release).singled_out


def test_days_of_events_are_read_from_the_steps_of_a_curve(release: Path, tmp_path: Path) -> None:
    times = pl.read_parquet(release / "tables" / "adtte.parquet").filter(CNSR=0)
    of = times["PARAMCD"][0]
    days = times.filter(PARAMCD=of)["AVAL"].unique().sort().to_list()
    last = max(days) / 30.4375
    corners = " ".join(f"{44 + 362 * day / 30.4375 / last:.1f},{n}" for n, day in enumerate(days))
    axis = "".join(f'<text x="{44 + 362 * m / last:.1f}" y="248.0">{m}</text>' for m in range(0, int(last), 12))
    found = page_against_tables(with_page(release, tmp_path, f'<svg>{axis}<polyline points="{corners}"/></svg>'))
    assert found.singled_out >= 0.5 * len(days)


def test_a_pseudonym_on_the_page_is_found(release: Path, tmp_path: Path) -> None:
    one = pl.read_parquet(release / "tables" / "subjects.parquet")["subject_id"][0]
    before = page_against_tables(release).singled_out
    assert page_against_tables(with_page(release, tmp_path, f"<p>{one}</p>")).singled_out == before + 1


def test_a_page_over_the_limit_of_a_study_is_not_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = make_inputs(tmp_path / "in", subjects=40, seed=5)
    told = " ".join(map(str, inputs.subjects["subject_id"].to_list()))
    page = "unibase.releases.content.publish.attack"

    def attacked(folder: Path) -> list[object]:
        text = (folder / PAGE).read_text(encoding="utf-8")
        (folder / PAGE).write_text(text.replace("</main>", f"<p>{told}</p></main>"), encoding="utf-8")
        return [page_against_tables(folder)]

    monkeypatch.setattr(page, attacked)
    with pytest.raises(UserError, match=r"page: 40 of 40 subjects, 5\.0% allowed"):
        publish_release(replace(inputs, attack_limits={"page": 0.05}), tmp_path / "out")
    assert not (tmp_path / "out" / inputs.study / inputs.version).exists()
