"""The files of linkage without clear text: what is in them, what is refused, and that order changes no byte."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from tests.privacy.test_identity import INS_ONE, INS_TWO, people, row
from unibase.groundwork.files import sha256_file, sha256_folder
from unibase.groundwork.problems import UserError
from unibase.privacy.encoded.exchange import link_files, read_answer, write_answer, write_encoded, write_keys
from unibase.privacy.keys import Key
from unibase.privacy.ledger.people_file import read_links

KEY, OTHER = Key(b"l" * 32), Key(b"m" * 32)
FRAME = people(
    row("A", "A1", ins=INS_ONE),
    row("A", "A2", given_names="Luc", birth_date="1950-11-23"),
    row("B", "B1", birth_family_name="Garandaeu"),
    row("C", "C1", given_names="Luc", birth_date="1950-11-23"),
    row("C", "C2", birth_family_name="Lefebvre", given_names="Marie", birth_date="1961-04-02", sex="F", birth_place_code=None),
    row("B", "B2", birth_family_name="Lefevre", given_names="M", birth_date="1961-04-02", sex="F", birth_place_code=None),
)


def centre(name: str) -> pl.DataFrame:
    return FRAME.filter(pl.col("centre") == name)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    for name in "ABC":
        write_encoded(centre(name), KEY, tmp_path / f"{name}.encoded")
        write_keys(centre(name), KEY, tmp_path / f"{name}.keys")
    return [tmp_path / f"{name}.encoded" for name in "ABC"]


def keys(files: list[Path]) -> list[Path]:
    return [file.with_suffix(".keys") for file in files]


def rewritten(path: Path, change: Callable[[dict[str, bytes]], object]) -> None:
    """Change members of an encoded file."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def told(path: Path, **changes: object) -> None:
    """Change what an encoded file says of itself."""
    rewritten(path, lambda m: m.update({"about.json": json.dumps(json.loads(m["about.json"]) | changes).encode()}))


def table(path: Path, name: str, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """Change a table of an encoded file."""

    def apply(members: dict[str, bytes]) -> None:
        content = io.BytesIO()
        change(pl.read_parquet(io.BytesIO(members[name]))).write_parquet(content)
        members[name] = content.getvalue()

    rewritten(path, apply)


def test_the_answer_is_a_table_of_links_and_a_band_to_decide(files: list[Path], tmp_path: Path) -> None:
    link_files(files, tmp_path / "links")
    answer = read_answer(tmp_path / "links", keys(files))
    assert answer.links.rows() == [("A", "A1", "B", "B1", "same"), ("A", "A2", "C", "C1", "same")]
    assert answer.review.select("left_key", "right_key", "relation", "rule").rows() == [("B2", "C2", None, "no-given-name")]
    write_answer(answer, tmp_path / "answer")
    assert read_links(tmp_path / "answer" / "links.csv").equals(answer.links)
    # What a person decided in it is not written over.
    with pytest.raises(UserError, match="holds files, which would be lost"):
        write_answer(answer, tmp_path / "answer")
    # A pair that nobody decided is not taken for a link.
    with pytest.raises(UserError, match="row 1, column relation: is empty"):
        read_links(tmp_path / "answer" / "review.csv")
    modes = {path.stat().st_mode & 0o077 for path in tmp_path.rglob("*")}
    assert modes == {0}


def test_order_and_repetition_change_no_byte(files: list[Path], tmp_path: Path) -> None:
    link_files(files, tmp_path / "links")
    link_files(files[::-1], tmp_path / "again")
    assert sha256_folder(tmp_path / "links") == sha256_folder(tmp_path / "again")
    for turn in (keys(files), keys(files)[::-1]):
        write_answer(read_answer(tmp_path / "links", turn), tmp_path / f"answer-{turn[0].name}")
    assert sha256_folder(tmp_path / "answer-A.keys") == sha256_folder(tmp_path / "answer-C.keys")
    # Two writings of one person, in either order of the source's rows.
    twice = people(row("A", "A1"), {**row("A", "A1", birth_family_name="Ostrowski"), "system": "omop"})
    for name, frame in (("one", twice), ("two", twice.reverse())):
        write_encoded(frame, KEY, tmp_path / name)
    assert sha256_file(tmp_path / "one") == sha256_file(tmp_path / "two")


def test_another_linkage_key_changes_the_tokens_and_no_link(files: list[Path], tmp_path: Path) -> None:
    link_files(files, tmp_path / "links")
    before = read_answer(tmp_path / "links", keys(files)).links
    for name in "ABC":
        write_encoded(centre(name), OTHER, tmp_path / f"{name}.encoded")
        write_keys(centre(name), OTHER, tmp_path / f"{name}.keys")
    old = (tmp_path / "links" / "links.csv").read_text()
    link_files(files, tmp_path / "links")
    new = (tmp_path / "links" / "links.csv").read_text()
    assert {line.split(",")[1] for line in old.splitlines()[1:]}.isdisjoint(line.split(",")[1] for line in new.splitlines()[1:])
    assert read_answer(tmp_path / "links", keys(files)).links.equals(before)


def test_a_link_that_would_join_two_ins_is_for_a_person(tmp_path: Path) -> None:
    frame = people(row("A", "1", ins=INS_ONE), row("B", "2"), row("C", "3", ins=INS_TWO))
    for part in frame.partition_by("centre"):
        write_encoded(part, KEY, tmp_path / part["centre"][0])
    found = link_files([tmp_path / name for name in "ABC"], tmp_path / "links")
    # The record without INS fits both: it goes to neither.
    assert found.links.height == 0
    assert found.review["rule"].to_list() == ["fits-two", "fits-two"]


def test_what_was_made_under_other_terms_is_told(files: list[Path], tmp_path: Path) -> None:
    def refused(match: str, *paths: Path) -> None:
        with pytest.raises(UserError, match=match):
            link_files(paths or files, tmp_path / "links")
        assert not (tmp_path / "links").exists()

    a, b, c = files
    refused("both of centre A", a, b, a)
    refused("No encoded people at", a, tmp_path / "nothing")
    write_encoded(centre("B"), OTHER, b)
    refused(f"different linkage keys: .*A.encoded {KEY.fingerprint}, .*B.encoded {OTHER.fingerprint}")
    write_encoded(centre("B"), KEY, b)
    told(c, version=2)
    refused("C.encoded is of version 2 and this unibase reads 1")
    told(c, version=1, parameters={"bits": 512})
    refused("C.encoded was encoded with other parameters")
    told(c, format="unibase encoded keys")
    refused("holds no encoded people")


def test_what_is_not_whole_is_told(files: list[Path], tmp_path: Path) -> None:
    def refused(match: str) -> None:
        with pytest.raises(UserError, match=match):
            link_files(files, tmp_path / "links")
        write_encoded(centre("C"), KEY, c)

    c = files[2]
    content = c.read_bytes()
    c.write_bytes(content[: len(content) // 2])
    refused("no encoded people file, or not whole")
    c.write_bytes(content.replace(b"PAR1", b"PAR2"))
    refused("no encoded people file, or not whole")
    rewritten(c, lambda members: members.pop("names.parquet"))
    refused("no encoded people file, or not whole")
    with zipfile.ZipFile(c) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(c, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    refused("no encoded people file, or not whole")  # it could unpack to anything
    told(c, centre=["C"])
    refused("holds no encoded people")
    told(c, linkage_key=None)
    refused("holds no encoded people")
    table(c, "records.parquet", lambda frame: frame.with_columns(pl.lit("B").alias("centre")))
    refused("records of another centre than C")
    table(c, "records.parquet", lambda frame: frame.drop("sex"))
    refused("its columns are not those")
    table(c, "records.parquet", lambda frame: frame.with_columns(pl.lit(b"short").alias("place")))
    refused("a token has not 12 bytes")
    table(c, "names.parquet", lambda frame: frame.with_columns(pl.lit(b"").alias("bits")))
    refused("a name's filter has not 128 bytes")
    table(c, "names.parquet", lambda frame: frame.filter(pl.col("kind") == "family"))
    refused("a given name of its records is not among its names")


def test_keys_of_other_people_or_another_exchange_are_told(files: list[Path], tmp_path: Path) -> None:
    link_files(files, tmp_path / "links")
    with pytest.raises(UserError, match="links centre C, whose keys are not there"):
        read_answer(tmp_path / "links", keys(files)[:2])
    write_keys(centre("C"), OTHER, tmp_path / "C.keys")
    with pytest.raises(UserError, match="different linkage keys"):
        read_answer(tmp_path / "links", keys(files))
    write_keys(centre("C").filter(pl.col("person_key") == "C2"), KEY, tmp_path / "C.keys")
    with pytest.raises(UserError, match="centre C does not know this token of its own") as problem:
        read_answer(tmp_path / "links", keys(files))
    assert "A2" not in str(problem.value)
    (tmp_path / "C.keys" / "keys.csv").unlink()
    with pytest.raises(UserError, match="No file at"):
        read_answer(tmp_path / "links", keys(files))


def test_a_folder_that_holds_something_else_is_not_replaced(files: list[Path], tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    for write in (lambda out: link_files(files, out), lambda out: write_keys(centre("A"), KEY, out)):
        with pytest.raises(UserError, match="holds files, which would be lost"):
            write(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").exists()


def test_an_ins_does_not_go_to_the_study(tmp_path: Path) -> None:
    ins = row("A", "1") | {"system": "ins", "identifier": INS_ONE}
    write_keys(people(row("A", "1", ins=INS_ONE), ins), KEY, tmp_path / "k")
    assert (tmp_path / "k" / "people.csv").read_text() == "system,identifier,person_key\nipp,1,1\n"
    with pytest.raises(UserError, match="1 records of centre A have no number but their INS"):
        write_keys(people(ins), KEY, tmp_path / "k")
    with pytest.raises(UserError, match="person_key of centre A is an INS"):
        write_keys(people(row("A", INS_ONE)), KEY, tmp_path / "k")


def test_a_file_without_people_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nobody in this people file"):
        write_encoded(people(row("A", "1")).clear(), KEY, tmp_path / "x")
    with pytest.raises(UserError, match="by themselves"):
        write_encoded(FRAME, KEY, tmp_path / "x")
    assert not (tmp_path / "x").exists()
