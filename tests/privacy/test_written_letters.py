"""In which encoding a people file is: names as French hospitals write them, in every encoding their programs may write."""

from __future__ import annotations

from pathlib import Path

import pytest

from unibase.groundwork.problems import UserError
from unibase.privacy.ledger.people_file import in_words, read_links, read_people
from unibase.privacy.ledger.written_letters import decoded

NAMES = {
    "small letters": "Léger Noël Zoé Françoise Gérald Hélène Benoît",
    "capitals": "LÉGER NOËL ZOÉ FRANÇOISE GÉRALD HÉLÈNE BENOÎT",
    "one accent": "Dupont Martin Zoé Durand",
    "one capital with an accent": "DUPONT MARTIN ZOÉ DURAND",
    "of other countries": "Muñoz João Müller Gonçalves Sørensen",
    "small accents in capitals": "LéGER FRANçOISE",
    "no accent": "Dupont Martin",
}
NOT_TOLD = {
    ("small accents in capitals", "cp850"),
    ("small accents in capitals", "mac_roman"),
    # Muñoz of an old Mac is Muûoz of a DOS program.
    ("of other countries", "mac_roman"),
}
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "iso8859_15", "cp850", "mac_roman")


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_names_are_read_as_they_were_written(names: str, encoding: str) -> None:
    if (names, encoding) in NOT_TOLD:
        pytest.skip("two encodings make words of it")
    text = "identifier;birth_family_name\n" + "".join(f"{n};{one}\n" for n, one in enumerate(NAMES[names].split()))
    assert decoded(text.encode(encoding)).text == text


def test_the_oe_of_latin_9_is_no_half() -> None:
    text = "Zœé Sœur Œuvrard"
    assert decoded(text.encode("iso8859_15")).text == decoded(text.encode("cp1252")).text == text


@pytest.mark.parametrize(("encoding", "told"), [("utf-8", 0), ("cp1252", 0), ("cp850", 1), ("mac_roman", 1), ("utf-16-le", 1)])
def test_another_encoding_is_said_once_and_costs_no_row(encoding: str, told: int, tmp_path: Path) -> None:
    (tmp_path / "lyon.csv").write_bytes("identifier;given_names\n12;Zoé\n13;Noël\n".encode(encoding))
    file = read_people(tmp_path / "lyon.csv", "lyon")
    assert file.people["given_names"].to_list() == ["Zoé", "Noël"]
    assert [problem.reason for problem in file.problems] == ["other-letters"] * told and file.set_aside == 0
    assert all("the file: other-letters" in line for line in in_words(file))


def test_a_table_of_links_in_another_encoding_is_read(tmp_path: Path) -> None:
    text = "left_centre,left_key,right_centre,right_key\nCHU-été,1,lyon,2\n"
    (tmp_path / "links.csv").write_bytes(text.encode("cp850"))
    assert read_links(tmp_path / "links.csv")["left_centre"].to_list() == ["CHU-été"]


@pytest.mark.parametrize(("begin", "word"), [(b"PK\x03\x04", "workbook"), (b"\x1f\x8b", "packed"), (b"%PDF-1.4", "PDF")])
def test_what_is_no_text_is_refused_by_name(begin: bytes, word: str, tmp_path: Path) -> None:
    (tmp_path / "lyon.csv").write_bytes(begin + bytes(40))
    with pytest.raises(UserError, match=f"{word}.*Save it as CSV"):
        read_people(tmp_path / "lyon.csv", "lyon")
