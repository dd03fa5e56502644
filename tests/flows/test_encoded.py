"""A study of several centres that show one another no clear text, from the command line, over simulated hospitals."""

from __future__ import annotations

import shlex
import shutil
import zipfile
from pathlib import Path

import polars as pl
import pytest

from tests.conftest import CHECKOUT
from tests.flows.demo import unibase
from tests.flows.test_custody import lookup, people
from tests.known_keys import known_key
from unibase.flows.cli.everything import app
from unibase.flows.runs.demo import write_demo
from unibase.flows.vault import encoded_linkage
from unibase.groundwork.problems import UserError
from unibase.privacy.keys import write_key_file
from unibase.privacy.leaks.leak_scan import Needle, scan
from unibase.privacy.ledger import persons
from unibase.simulation.tree import Options

CENTRES = {
    "A": ("centre_a/people.csv", "people"),
    "B": ("centre_b/fhir", "fhir"),
    "C": ("centre_c/people.csv", "people"),
}
STUDY = """\
study: trial
release: {version: 1.0.0}
key: {file: vault.key}
centres:
  A: {people: A.keys/people.csv}
  B: {people: B.keys/people.csv}
  C: {people: C.keys/people.csv}
links: answer/links.csv
index: {concept: treatment_start}
"""
CLEAR = """\
study: trial
release: {version: 1.0.0}
key: {file: vault.key}
workspace: clear
centres:
  A: {people: centre_a/people.csv}
  B: {clinical: {format: fhir, path: centre_b/fhir}}
  C: {people: centre_c/people.csv}
index: {concept: treatment_start}
"""


def said(*arguments: object, code: int = 0) -> str:
    ended = unibase(*arguments)
    assert ended.returncode == code, ended.stderr
    return ended.stdout if code == 0 else ended.stderr


def made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def groups(ledger: Path) -> set[frozenset[tuple[str, str]]]:
    """The persons of a ledger, each as its records."""
    return {frozenset(part.select("centre", "person_key").iter_rows()) for part in persons.persons(ledger).partition_by("person")}


def steps_of_the_page() -> list[list[str]]:
    """The commands of docs/privacy.md after the simulation, as words."""
    section = (CHECKOUT / "docs/privacy.md").read_text(encoding="utf-8").partition("### Without clear text")[2]
    block = section.partition("```bash\n")[2].partition("```")[0]
    lines = [shlex.split(line, comments=True) for line in block.splitlines()]
    return [words[1:] for words in lines if words[:1] == ["unibase"] and words[1] != "simulate"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulated hospitals, over which all was done that the page says."""
    home = tmp_path_factory.mktemp("encoded") / "home"
    write_demo(home, Options(seed=7, persons=150, broken=False, imaging=False))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        for words in steps_of_the_page():
            app(words, result_action="return_value")
    return home


def test_the_page_shows_every_command_of_the_exchange() -> None:
    assert {(words[0], words[1]) for words in steps_of_the_page()} == {
        ("key", "new"),
        *(("encoded", step) for step in ("people", "keys", "link", "answer")),
    }


def test_the_study_holds_the_persons_that_clear_text_gives(home: Path) -> None:
    (home / "trial.yaml").write_text(STUDY)
    (home / "clear.yaml").write_text(CLEAR)
    people(home / "trial.yaml")
    people(home / "clear.yaml")
    blind, clear = groups(home / "work/vault/identity"), groups(home / "clear/vault/identity")
    truth = pl.read_parquet(home / "truth/persons.parquet")
    assert (truth["centres"] > 1).sum() >= 10
    assert sum(len({centre for centre, _ in person}) > 1 for person in clear) >= 10
    assert blind == clear
    # So every number of a record leads to the same pseudonym and shift, and all that is built after is the same.
    found, known = (lookup(home / name).by_identifier for name in ("trial.yaml", "clear.yaml"))
    assert len(found) > 300
    assert {where: known[where] for where in found} == found


def test_nothing_that_is_exchanged_names_a_person(home: Path, tmp_path: Path) -> None:
    identifiers = pl.read_parquet(home / "truth/identifiers.parquet").filter(pl.col("distinctive"))
    known = pl.concat(
        [
            pl.read_csv(home / path, infer_schema=False).drop("person_key")
            for path, source in CENTRES.values()
            if source == "people"
        ]
    )
    needles = {Needle("name", value) for value in identifiers.filter(pl.col("kind").str.starts_with("name"))["value"]}
    needles |= {Needle("ins", value) for value in known["ins"].drop_nulls()}
    needles |= {Needle("birth", value) for value in known["birth_date"].drop_nulls()}
    needles |= {Needle("birth", value.replace("-", "")) for value in known["birth_date"].drop_nulls()}
    numbers = identifiers.filter(pl.col("kind").str.starts_with("number"))
    assert len(needles) > 400 and numbers.height > 150
    # What the study is given holds the numbers of records, which it needs to find them; the unit is given none.
    given = {"to-unit": [*home.glob("*.encoded"), home / "links"], "to-study": [*home.glob("*.keys"), home / "answer"]}
    for name, paths in given.items():
        for path in paths:
            (shutil.copytree if path.is_dir() else shutil.copy)(path, made(tmp_path / name) / path.name)
        hidden = needles | ({Needle("number", value) for value in numbers["value"]} if name == "to-unit" else set())
        content = b"".join(file.read_bytes() for file in (tmp_path / name).rglob("*") if file.is_file())
        assert [needle.kind for needle in hidden if len(needle.value) >= 6 and needle.value.encode() in content] == []
        assert scan(tmp_path / name, sorted(hidden)) == []
    # The scan looks into the tables of an encoded file: what a centre knows is found where it is put there.
    planted = pl.DataFrame({"person": [b"Lefebvre-Ostrowski"]})
    with zipfile.ZipFile(tmp_path / "planted.encoded", "w") as archive, archive.open("records.parquet", "w") as member:
        planted.write_parquet(member)
    assert scan(tmp_path / "planted.encoded", [Needle("name", "LEFEBVRE-OSTROWSKI")])


def test_the_links_are_the_same_bytes_whatever_the_order_of_files(home: Path, tmp_path: Path) -> None:
    encoded_linkage.link([home / f"{centre}.encoded" for centre in "CAB"], tmp_path / "links")
    encoded_linkage.answer(tmp_path / "links", [home / f"{centre}.keys" for centre in "BCA"], tmp_path / "answer")
    for one in ("links/links.csv", "links/review.csv", "links/about.json", "answer/links.csv", "answer/review.csv"):
        assert (tmp_path / one).read_bytes() == (home / one).read_bytes(), one


def test_mistakes_of_the_exchange_are_told(home: Path, tmp_path: Path) -> None:
    assert "Name the encoded files" in said("encoded", "link", home / "A.encoded", code=1)
    assert "Name the centres' folders" in said("encoded", "answer", home / "links", home / "A.keys", code=1)
    write_key_file(known_key("other.key"), tmp_path / "other.key")
    encoded_linkage.encode(home / "centre_a/people.csv", tmp_path / "A.encoded", "A", tmp_path / "other.key", "people")
    with pytest.raises(UserError, match="different linkage keys"):
        encoded_linkage.link([tmp_path / "A.encoded", home / "B.encoded"], tmp_path / "links")
    assert not (tmp_path / "links").exists()
