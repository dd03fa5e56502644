"""The explorer: cohorts are those of polars on the same tables, its code makes them again, and nobody else is answered."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import polars as pl
import pytest

from tests.releases.browser import Browser, browser
from tests.releases.examples import make_inputs
from unibase.groundwork.problems import UserError
from unibase.methods.survival import kaplan_meier
from unibase.releases.content.publish import publish_release
from unibase.releases.explore.cohort_code import code_of
from unibase.releases.explore.cohort_filter import Columns, Condition, parse
from unibase.releases.explore.cohort_view import Line, names, timeline, view
from unibase.releases.explore.explorer_server import PATHS, answer, make_server
from unibase.releases.read.open import read_variables, variable_names

TOKEN = "a-token-of-a-test"


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explore")
    return publish_release(make_inputs(folder / "in", subjects=60, genes=8), folder / "releases")


@pytest.fixture(scope="module")
def columns(release: Path) -> Columns:
    return Columns(release)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("AGE >= 60", Condition("AGE", ">=", "60")),
        ("AGE>=60", Condition("AGE", ">=", "60")),
        ("centre = CHU-été", Condition("centre", "=", "CHU-été")),
        ("rna:MKI67 known", Condition("rna:MKI67", "known")),
        ("event:ICD10//C34.1 unknown", Condition("event:ICD10//C34.1", "unknown")),
        ("STAGE != IV A", Condition("STAGE", "!=", "IV A")),
    ],
)
def test_a_filter_is_read_as_it_is_written(text: str, told: Condition) -> None:
    assert parse(text) == told


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("AGE", "A filter is"),
        ("nothing = 1", "no column nothing"),
        ("rna:NOGENE > 1", "has no NOGENE"),
        ("age_at_index >= sixty", "a number"),
        ("age_at_index <= nan", "a number"),
        ("age_at_index <= inf", "a number"),
        ("sex > F", "no order"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_the_way_on(columns: Columns, text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        columns.chosen([parse(text)])


def asked_of(columns: Columns) -> list[tuple[list[str], pl.Series]]:
    """Filters over all modalities, and who meets them by polars on the tables of the release themselves."""
    folder = columns.folder
    subjects = pl.read_parquet(folder / "tables" / "subjects.parquet").sort("subject_id")
    gene = variable_names(folder, "rna")[-1]
    rna = read_variables(folder, "rna", [gene])
    events = pl.read_parquet(folder / "timeline" / "data" / "**" / "*.parquet")
    progressed = events.filter(code="PROGRESSION//RECIST")["subject_id"].unique().implode()
    analysis = pl.read_parquet(folder / "tables" / "analysis.parquet").select("subject_id", "ldh")
    table = subjects.join(rna, on="subject_id", how="left").join(analysis, on="subject_id", how="left").sort("subject_id")
    middle = float(table[gene].median())  # type: ignore[arg-type]
    old = table["age_at_index"] >= 64
    return [
        ([], pl.Series([True] * table.height)),
        (["age_at_index >= 64"], old),
        (["age_at_index >= 64", "sex = F"], old & (table["sex"] == "F")),
        ([f"rna:{gene} > {middle}"], (table[gene] > middle).fill_null(False)),
        ([f"rna:{gene} unknown"], table[gene].is_null()),
        (["ldh < 200"], (table["ldh"] < 200).fill_null(False)),
        (["event:PROGRESSION//RECIST known", "sex != F"], table["subject_id"].is_in(progressed) & (table["sex"] != "F")),
        (["event:PROGRESSION//RECIST unknown"], ~table["subject_id"].is_in(progressed)),
    ]


@pytest.mark.parametrize("case", range(8))
def test_a_cohort_is_that_of_the_tables(columns: Columns, case: int) -> None:
    texts, told = asked_of(columns)[case]
    found = columns.chosen([parse(text) for text in texts])
    assert found.to_list() == told.to_list()
    assert case == 0 or 0 < found.sum() < len(found)


def test_the_code_makes_the_list_again_without_us(columns: Columns, tmp_path: Path) -> None:
    for place, (texts, told) in enumerate(asked_of(columns)):
        if place not in (2, 3, 5, 6):
            continue
        script = code_of(columns, [parse(text) for text in texts])
        assert "unibase" not in script
        subprocess.run(
            [sys.executable, "-c", script.replace('RELEASE = "."', f'RELEASE = "{columns.folder}"')], cwd=tmp_path, check=True
        )
        assert (
            pl.read_csv(tmp_path / "subjects.csv")["subject_id"].to_list()
            == columns.subjects["subject_id"].filter(told).to_list()
        )


def test_a_gene_is_named_by_its_symbol_unless_two_have_it(release: Path, tmp_path: Path) -> None:
    own = Columns(release)
    first, second, third = own.variables["rna"][:3]
    own.__dict__["symbols"] = {"rna": {"MKI67": [first], "PAR1": [second, third]}}
    assert own.of("rna:MKI67").to_list() == own.of(f"rna:{first}").to_list()
    assert names(own, "mki67") == ["rna:MKI67"]
    with pytest.raises(UserError, match=f"PAR1 is the symbol of {second}, {third}"):
        own.chosen([parse("rna:PAR1 known")])
    assert f"pl.col('rna:{first}').is_not_null()" in code_of(own, [parse("rna:MKI67 known")])


def test_table_1_and_survival_by_group(columns: Columns) -> None:
    found = view(columns, [parse("ldh known")], "sex", "OS")
    table = columns.subjects.with_columns(columns.of("ldh")).filter(pl.col("ldh").is_not_null())
    assert (found.subjects, found.of, found.groups) == (table.height, 60, ("F", "M"))
    women = table.filter(sex="F")
    here = int((women["centre"] == "A").sum())
    line = next(one for one in found.table if (one.name, one.level) == ("centre", "A"))
    assert line.cells[0] == f"{here} ({here / women.height:.0%})"
    adtte = pl.read_parquet(columns.folder / "tables" / "adtte.parquet").filter(pl.col("PARAMCD") == "OS")
    own = adtte.filter(pl.col("subject_id").is_in(women["subject_id"].implode()))
    curve = kaplan_meier(own["AVAL"].to_numpy(), own["CNSR"].to_numpy() == 0)
    assert found.curves[0].survival == pytest.approx(curve.survival, abs=1e-6)
    assert found.curves[0].time == pytest.approx(curve.time)
    halves = view(columns, [], "ldh", "OS")
    assert len(halves.groups) == 3 and halves.groups[2] == "not known"
    assert any(isinstance(one, Line) and one.name == "ldh" and one.level == "" for one in halves.table)


def test_names_are_found_in_all_modalities(columns: Columns) -> None:
    assert "sex" in names(columns, "SEX")
    assert any(name.startswith("rna:") for name in names(columns, "rna:"))
    assert names(columns, "progression") == ["event:PROGRESSION//RECIST"]


def test_a_timeline_is_in_days_from_the_index(columns: Columns) -> None:
    subject = int(columns.subjects["subject_id"][0])
    found = timeline(columns, subject)
    assert ("TREATMENT//chemotherapy", 0.4) in {(one.code, one.day) for one in found}
    assert {one.day for one in found if one.code.startswith("GENDER")} == {None}
    with pytest.raises(UserError, match="no such subject"):
        timeline(columns, 1)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (f"/{TOKEN}/", HTTPStatus.OK),
        (f"/{TOKEN}/about", HTTPStatus.OK),
        (f"/{TOKEN}/cohort?where=sex+%3D+F&group=centre", HTTPStatus.OK),
        (f"/{TOKEN}/cohort?where=sex+%3E+F", HTTPStatus.BAD_REQUEST),
        (f"/{TOKEN}/subject?id=..%2F..", HTTPStatus.BAD_REQUEST),
        (f"/{TOKEN}/../manifest.json", HTTPStatus.NOT_FOUND),
        (f"/{TOKEN}/tables/subjects.parquet", HTTPStatus.NOT_FOUND),
        (f"/{TOKEN[:-1]}/about", HTTPStatus.FORBIDDEN),
        ("/", HTTPStatus.FORBIDDEN),
        ("/about", HTTPStatus.FORBIDDEN),
        ("/ét%C3%A9/", HTTPStatus.FORBIDDEN),
    ],
)
def test_who_has_the_token_is_answered(columns: Columns, target: str, status: HTTPStatus) -> None:
    assert answer(columns, TOKEN, target)[0] == status


@pytest.fixture
def address(release: Path) -> Iterator[str]:
    server, address = make_server(release)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield address
    server.shutdown()
    server.server_close()


def test_the_server_answers_on_the_loopback_under_its_own_name_alone(address: str, release: Path) -> None:
    assert address.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(address + "about") as reply:
        assert json.load(reply)["subjects"] == 60
        assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
    with urllib.request.urlopen(address + "subjects.csv?where=sex+%3D+F") as reply:
        assert reply.headers["Content-Disposition"] == 'attachment; filename="subjects.csv"'
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(urllib.request.Request(address, headers={"Host": "evil.example"}))
    with pytest.raises(UserError, match="Port"):
        make_server(release, int(address.split(":")[2].split("/")[0]))


def test_what_is_no_release_is_refused_before_anything_listens(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        make_server(tmp_path)


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


def test_the_page_filters_compares_and_opens_a_subject(address: str, window: Browser) -> None:
    settled = "new Promise(done => { const look = () => %s ? done(true) : setTimeout(look, 30); look(); })"
    window.send("Emulation.setDeviceMetricsOverride", width=380, height=800, deviceScaleFactor=1, mobile=True)
    window.send("Page.navigate", url=address)
    assert window.run(settled % "globalThis.show && document.getElementById('count').textContent === '60'")
    window.run(
        "(() => { const [name, sign, value] = document.querySelectorAll('#filters input, #filters select');"
        " name.value = 'sex'; sign.value = '='; value.value = 'F'; document.getElementById('group').value = 'centre'; show(); })()"
    )
    assert window.run(settled % "document.querySelectorAll('#medians tbody tr').length === 3")
    assert 0 < int(window.run("document.getElementById('count').textContent")) < 60
    window.run("document.querySelector('#subjects button').click()")
    assert window.run(settled % "document.querySelectorAll('#timeline tbody tr').length > 3")
    for language, words in {
        "fr": ["Filtres", "Survie", "Caractéristique"],
        "en": ["Filters", "Survival", "Characteristic"],
    }.items():
        window.run(f"document.querySelector('[data-to={language}]').click()")
        assert window.run(settled % "document.querySelectorAll('#medians tbody tr').length === 3")
        seen = str(window.run("document.body.innerText"))
        assert window.run("document.documentElement.lang") == language and all(word in seen for word in words)
        assert window.axe() == []
        assert window.overflow() <= 0
    assert {one.split("/")[2] for one in window.requests if one.startswith("http")} == {address.split("/")[2]}
    assert set(PATHS) >= {"cohort", "subjects", "subject"}
