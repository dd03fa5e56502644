"""NIR, INS and IPP in text. Oracle: keys computed by the published rule (97 minus the number modulo 97) by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unibase.privacy import french_identifiers as french


@pytest.mark.parametrize(
    ("thirteen", "key"),
    [
        # The example of INSEE's own documentation: 2 55 08 14 168 025, key 38.
        ("2550814168025", 38),
        # Corsica: 2A counts as 19, 2B as 18 (97 - 1840719123456 % 97 and 97 - 1840718123456 % 97).
        ("184072A123456", 97 - 1840719123456 % 97),
        ("184072B123456", 97 - 1840718123456 % 97),
    ],
)
def test_key(thirteen: str, key: int) -> None:
    assert french.nir_key(thirteen) == key
    assert french.is_nir(f"{thirteen}{key:02d}")
    assert not french.is_nir(f"{thirteen}{key % 97 + 1:02d}")


@pytest.mark.parametrize("text", ["", "955081416802538", "25508141680253", "2550814C6802538"])
def test_not_of_the_form(text: str) -> None:
    assert not french.is_nir(text)


@given(
    st.from_regex(r"\A[12][0-9]{2}(0[1-9]|1[0-2])(2[AB]|[0-9][1-9])[0-9]{2}[1-9][0-9]{3}\Z"),
    st.sampled_from(["", " ", ".", "-"]),
    st.text("abcxyz ,;:()", max_size=12),
)
def test_found_wherever_it_stands(thirteen: str, gap: str, around: str) -> None:
    key = f"{french.nir_key(thirteen):02d}"
    groups = [thirteen[0], thirteen[1:3], thirteen[3:5], thirteen[5:7], thirteen[7:10], thirteen[10:13], key]
    number = gap.join(groups)
    text = f"{around} {number} {around}"
    assert any(one.kind == "nir" and text[one.start : one.end] == number for one in french.find(text))


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("IPP: 8001234567", {"ipp"}),
        ("IPP n° 12 345", {"ipp"}),
        ("ipp=ABC123", {"ipp"}),
        ("matricule 2550814168025", {"ipp", "nir"}),
        ("assigné par 1.2.250.1.213.1.4.8", {"ins-oid"}),
        ("INS-C 1234567890123456789012", {"ins-c", "ipp"}),
        ("CT thorax 1.25 mm 512x512", set()),
        ("pipper 12", set()),
        ("2550814168025999", set()),
        ("1.2.840.2550814168025", set()),
    ],
)
def test_kinds(text: str, kinds: set[str]) -> None:
    assert {one.kind for one in french.find(text)} == kinds


@pytest.mark.parametrize(
    ("month", "is_one"),
    [
        ("00", False), ("01", True), ("12", True), ("13", False), ("19", False),
        # The codes of INSEE for a month of birth that is not known.
        ("20", True), ("42", True), ("43", False), ("49", False), ("50", True), ("99", True),
    ],
)  # fmt: skip
def test_a_number_without_key_is_one_by_its_month(month: str, is_one: bool) -> None:
    assert {one.kind for one in french.find(f"n° 255{month}14168025.")} == ({"nir"} if is_one else set())


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("n° 2550814168025", True),
        ("n° 2550800168025", False),  # no department 00
        ("n° 2550814000025", False),  # no commune 000
        ("n° 2550010168025", False),  # no month 00, with a department and a commune that may be
        ("n° 255081416802538", True),
        ("n° 255081416802539", False),  # a key that is not its own: another number of fifteen digits
    ],
)
def test_what_makes_a_number_one(text: str, is_one: bool) -> None:
    assert bool(french.find(text)) == is_one
