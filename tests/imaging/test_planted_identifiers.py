"""A few of the forms of `benchmarks/planted_identifiers.py`, in its hundred places; and that its places hold what they are given."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.planted_identifiers import FORMS, POLICIES, bare, objects, places, plant_and_clean, secret
from tests.imaging.deidentify_help import LOOKUP, both_paths, ct, save
from unibase.imaging.confidentiality.identifiers import Identifiers
from unibase.imaging.confidentiality.texts.known import Knowledge
from unibase.imaging.options import DeidentifyOptions


def test_the_campaign_is_as_wide_as_it_says() -> None:
    assert len(places()) == 100 and len(FORMS) >= 75 + 49 and len(set(FORMS)) == len(FORMS)
    assert secret("né le 9/7/61") == "9761" and secret("Dr. med. Gross") == "gross" and bare("Quéméneur-X") == "quemeneurx"


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    "form", ["27/02/2021", "27FEV21", "MARTINEZLEGOFF", "CT_318842_L1", "lu par Rocher", "née en 1961", "ykerbrat"]
)
def test_nothing_is_left(form: str, policy: str, tmp_path: Path) -> None:
    assert plant_and_clean(form, policy, objects()[0], tmp_path) == ("written", [])


def test_a_word_of_the_trade_is_left_in_most_places(tmp_path: Path) -> None:
    left = [len(plant_and_clean("thorax", policy, objects()[0], tmp_path)[1]) for policy in POLICIES]
    assert left[0] > 50 and left[2] > 30


NUMBERS = {
    b"1.5": b"1.5",
    b"-2e3 ": b"-2e3 ",
    b"1\\2\\3 ": b"1\\2\\3 ",
    b"27/02/2021": b"",
    b"LEGOFF": b"",
    b"1.5\\27.02.2021": b"1.5\\",
    b"12 mm ": b"12 mm ",
    b"20210227": b"0 ",
    b"0298223344": b"0 ",
    b"+33298223344": b"0 ",
    b"2610729019142": b"0 ",
    b"261072901914244": b"0 ",
    b"261072901914": b"0 ",
    b"261082901914": b"261082901914",
    b"1234567890": b"1234567890",
    b"Kervoal ": b"",
}


@pytest.mark.parametrize(("written", "kept"), NUMBERS.items())
def test_a_number_that_is_none_is_a_text(written: bytes, kept: bytes) -> None:
    assert Identifiers(Knowledge(("LE GOFF",), birth_dates=("19610709",), days=("20210227",))).clean_number(written) == kept


CODES = {
    b"27 2": b"REMOVED ",
    b"9 7 ": b"REMOVED ",
    b"27_II ": b"REMOVED ",
    b"27\\02 ": b"REMOVED\\REMOVED ",
    b"1961": b"REMOVED ",
    b"1024": b"1024",
    b"27 3": b"27 3",
    b"1 2 ": b"1 2 ",
    b"27\\03 ": b"27\\03 ",
}
"""A day in a code string, which a backslash may divide into two values."""


@pytest.mark.parametrize(("written", "kept"), CODES.items())
def test_a_day_in_a_code_string(written: bytes, kept: bytes) -> None:
    who = Identifiers(Knowledge(birth_dates=("19610709",), days=("20210227",)))
    assert who.clean_code(written, ("latin-1",)) == kept


@pytest.mark.parametrize("written", [b"27\\02", b"27\\02\\2021", b"2021\\2\\27"])
def test_a_day_that_backslashes_divide_goes_whole(written: bytes) -> None:
    who = Identifiers(Knowledge(days=("20210227",)))
    assert set(who.clean_value(written, "LO", ("latin-1",)).strip().split(b"\\")) == {b"REMOVED"}
    assert who.clean_value(b"27\\03 ", "LO", ("latin-1",)) == b"27\\03 "


@pytest.mark.parametrize("typed", ["Jean", "12/3", "Kervoal", "27/02/2021"])
def test_what_is_typed_into_a_number_goes_on_both_paths(typed: str, tmp_path: Path) -> None:
    ds = ct()
    ds.add_new(0x00180050, "LO", typed)
    source = save(ds, tmp_path / "a.dcm")
    raw = source.read_bytes()
    source.write_bytes(raw.replace(b"\x18\x00\x50\x00LO", b"\x18\x00\x50\x00DS"))

    fast, slow = both_paths(source, LOOKUP, DeidentifyOptions())
    assert fast == slow and typed.encode() not in slow
