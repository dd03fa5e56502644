"""Keys, pseudonyms and date shifts: what holds for every input."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from unibase.groundwork.problems import UserError
from unibase.privacy import dates, keys, pseudonyms
from unibase.privacy.keys import Key

KEY = Key(bytes(range(32)))
secrets_ = st.binary(min_size=32, max_size=32)
days = st.dates(date(1920, 1, 1), date(2090, 1, 1))


def test_a_key_file_comes_back_and_is_closed_to_others(tmp_path: Path) -> None:
    path = tmp_path / "vault.key"
    keys.write_key_file(KEY, path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert keys.read_key_file(path) == KEY
    with pytest.raises(UserError, match="not overwritten"):
        keys.write_key_file(keys.new_key(), path)
    path.chmod(0o640)
    with pytest.raises(UserError, match="chmod 600"):
        keys.read_key_file(path)


@pytest.mark.parametrize("content", ["", "xyz", "00" * 31])
def test_what_is_no_key_is_refused_without_being_shown(content: str, tmp_path: Path) -> None:
    path = tmp_path / "vault.key"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(UserError) as error:
        keys.read_key_file(path)
    assert not content or content not in str(error.value)


def test_a_key_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNIBASE_KEY", KEY.secret.hex() + "\n")
    assert keys.read_key_environment("UNIBASE_KEY") == KEY
    monkeypatch.delenv("UNIBASE_KEY")
    with pytest.raises(UserError, match="not set"):
        keys.read_key_environment("UNIBASE_KEY")


def test_a_key_shows_nothing_of_itself() -> None:
    assert KEY.secret.hex() not in repr(KEY) + KEY.fingerprint
    assert "secret" not in repr(KEY)


def test_derived_keys_are_hkdf_expand() -> None:
    # RFC 5869, 2.3: T(1) = HMAC(PRK, info | 0x01), which is the whole output for 32 bytes.
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

    assert KEY.derive("subject") == HKDFExpand(SHA256(), 32, b"subject").derive(KEY.secret)
    assert KEY.mac("uid", "1.2") == hmac.new(KEY.derive("uid"), b"1.2", hashlib.sha256).digest()


@given(secrets_, st.text(min_size=1))
def test_a_subject_id_is_a_positive_int64(secret: bytes, person: str) -> None:
    assume(person.isprintable())
    assert 0 < pseudonyms.subject_id(Key(secret), person) < 2**63


@given(secrets_, st.from_regex(r"[0-2](\.(0|[1-9][0-9]{0,8})){1,9}", fullmatch=True))
def test_a_uid_is_valid_and_ignores_padding(secret: bytes, source: str) -> None:
    key = Key(secret)
    uid = pseudonyms.uid(key, source)
    number = int(uid.removeprefix("2.25."))
    # PS3.5 9.1: at most 64 characters; RFC 9562: version 8, variant 10.
    assert len(uid) <= 64 and 0 <= number < 2**128
    assert number >> 76 & 0xF == 8 and number >> 62 & 0x3 == 2
    assert pseudonyms.uid(key, source + "\0") == uid == pseudonyms.uid(key, source + " ")


@given(secrets_, secrets_, st.sampled_from([pseudonyms.subject_id, pseudonyms.uid]))
def test_pseudonyms_hang_on_the_key(one: bytes, two: bytes, make: Callable[[Key, str], object]) -> None:
    assume(one != two)
    assert make(Key(one), "1.2.3") != make(Key(two), "1.2.3")


def test_tokens_of_two_purposes_differ() -> None:
    assert pseudonyms.token(KEY, "sample", "S1") != pseudonyms.token(KEY, "file", "S1")


@given(secrets_, st.integers(1, 2**63 - 1), st.integers(1, 4000))
def test_a_shift_is_into_the_past_and_never_zero(secret: bytes, subject: int, most: int) -> None:
    assert -most <= dates.shift_days(Key(secret), subject, most) <= -1


def test_shifts_are_spread_evenly() -> None:
    drawn = [dates.shift_days(KEY, subject, 10) for subject in range(1, 5001)]
    # 500 expected in each of 10 classes; chi-squared with 9 degrees of freedom exceeds 27.9 once in 1,000.
    assert sum((drawn.count(-day) - 500) ** 2 / 500 for day in range(1, 11)) < 27.9


@given(
    st.datetimes(datetime(1920, 1, 1), datetime(2090, 1, 1)),
    st.datetimes(datetime(1920, 1, 1), datetime(2090, 1, 1)),
    st.integers(-1826, -1),
)
def test_intervals_stay_exact(one: datetime, two: datetime, shift: int) -> None:
    assert dates.shift(two, shift) - dates.shift(one, shift) == two - one
    assert dates.shift(one.date(), shift) == dates.shift(one, shift).date()


def _month(day: date) -> tuple[datetime, datetime]:
    after = date(day.year + day.month // 12, day.month % 12 + 1, 1)
    return datetime(day.year, day.month, 1), datetime(after.year, after.month, after.day) - timedelta(microseconds=1)


@given(days, st.integers(-1826, -1), st.sampled_from(["day", "month", "year"]))
def test_a_shifted_interval_holds_the_shifted_date(day: date, shift: int, precision: str) -> None:
    moment = datetime(day.year, day.month, day.day, 12)
    first, last = {
        "day": (datetime(day.year, day.month, day.day), datetime(day.year, day.month, day.day, 23, 59, 59, 999_999)),
        "month": _month(day),
        "year": (datetime(day.year, 1, 1), datetime(day.year, 12, 31, 23, 59, 59, 999_999)),
    }[precision]
    low, high = dates.shift_interval(first, last, shift)
    assert low <= moment + timedelta(days=shift) <= high
    assert low <= first + timedelta(days=shift) and last + timedelta(days=shift) <= high


@given(days, st.integers(-1826, -1), st.booleans())
def test_a_shifted_partial_date_tells_no_day_of_the_shift(day: date, shift: int, whole_year: bool) -> None:
    # Whoever knows that a partial date began on the first of a month or year, and sees a shifted one, must see a
    # whole month or year again: its bounds say nothing of the days of the shift.
    first, last = (datetime(day.year, 1, 1), datetime(day.year, 12, 31, 23, 59, 59, 999_999)) if whole_year else _month(day)
    low, high = dates.shift_interval(first, last, shift)
    assert low.day == 1 and (low.hour, low.minute, low.second, low.microsecond) == (0, 0, 0, 0)
    assert (high + timedelta(microseconds=1)).day == 1
    assert not whole_year or (low.month == 1 and high.month == 12)
    months = (high.year - low.year) * 12 + high.month - low.month + 1
    assert months == (24 if whole_year else 3)


ONE_US = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("earliest", "latest", "shifted"),
    [
        # All of a day moves exactly; at 24 hours it is no day any more, and becomes three months.
        (datetime(2024, 3, 1), datetime(2024, 3, 2) - ONE_US, (datetime(2024, 1, 21), datetime(2024, 1, 22) - ONE_US)),
        (datetime(2024, 3, 1), datetime(2024, 3, 2), (datetime(2024, 1, 1), datetime(2024, 4, 1) - ONE_US)),
        # Up to 31 days three months, beyond them years: one more than it spans.
        (datetime(2024, 3, 1), datetime(2024, 4, 1), (datetime(2024, 1, 1), datetime(2024, 4, 1) - ONE_US)),
        (datetime(2024, 3, 1), datetime(2024, 4, 1) + ONE_US, (datetime(2024, 1, 1), datetime(2026, 1, 1) - ONE_US)),
        # A leap year spans one year, an instant more two.
        (datetime(2024, 1, 1), datetime(2025, 1, 1), (datetime(2023, 1, 1), datetime(2025, 1, 1) - ONE_US)),
        (datetime(2024, 1, 1), datetime(2025, 1, 1) + ONE_US, (datetime(2023, 1, 1), datetime(2026, 1, 1) - ONE_US)),
    ],
)
def test_how_wide_a_shifted_interval_is(earliest: datetime, latest: datetime, shifted: tuple[datetime, datetime]) -> None:
    assert dates.shift_interval(earliest, latest, -40) == shifted


class _Constant:
    """A key whose every code is the same bytes."""

    def __init__(self, code: bytes) -> None:
        self._code = code

    def mac(self, purpose: str, text: str) -> bytes:
        """Return the bytes, whatever is asked."""
        return self._code


@pytest.mark.parametrize(
    ("code", "subject"),
    [
        (bytes(32), 1),  # 0 is no pseudonym
        (bytes(7) + b"\x05" + bytes([255] * 24), 5),  # the first eight bytes count, and no further one
        (bytes([255] * 32), 2**63 - 1),  # never negative
    ],
)
def test_a_subject_id_is_the_first_63_bits_of_its_code(code: bytes, subject: int) -> None:
    assert pseudonyms.subject_id(cast(Key, _Constant(code)), "P1") == subject


def test_a_token_is_sixteen_digits_of_its_code() -> None:
    assert pseudonyms.token(cast(Key, _Constant(bytes(range(32)))), "sample", "S1") == "0001020304050607"
