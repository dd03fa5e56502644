"""Texts in the character sets of DICOM, from bytes and back (PS3.5 6.1)."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=1024)
def encodings_of(charset: bytes) -> tuple[str, ...]:
    """Return the Python encodings of a Specific Character Set value; an unknown one is read as Latin-1.

    Args:
        charset: Value of (0008,0005), several terms separated by backslashes.

    >>> encodings_of(b"ISO_IR 100"), encodings_of(b"ISO_IR 192")
    (('latin_1',), ('UTF8',))
    """
    from pydicom.charset import convert_encodings

    terms = charset.decode("latin-1").rstrip(" \0").split("\\")
    try:
        return tuple(convert_encodings(terms if len(terms) > 1 else terms[0]))
    except (LookupError, ValueError):
        return ("iso8859",)


def decode(raw: bytes, vr: str, encodings: tuple[str, ...]) -> str | None:
    """Return the text of a value, or None when its bytes are not of its character set.

    Args:
        raw: The value as the file holds it.
        vr: Its VR.
        encodings: Python encodings in force.

    >>> decode("MÜLLER".encode("latin-1"), "LO", encodings_of(b"ISO_IR 100"))
    'MÜLLER'
    """
    from pydicom.charset import decode_bytes
    from pydicom.valuerep import TEXT_VR_DELIMS

    if raw.isascii() and b"\x1b" not in raw:
        return raw.decode("ascii")
    try:
        return decode_bytes(raw, list(encodings), TEXT_VR_DELIMS)
    except (LookupError, UnicodeError, ValueError):
        return None


def encode(text: str, encodings: tuple[str, ...]) -> bytes | None:
    r"""Return the bytes of a text in a character set, or None when it cannot hold it.

    Args:
        text: The text.
        encodings: Python encodings in force.

    >>> encode("MÜLLER", encodings_of(b"ISO_IR 100"))
    b'M\xdcLLER'
    """
    from pydicom.charset import encode_string

    if text.isascii():
        return text.encode("ascii")
    try:
        return encode_string(text, list(encodings))
    except (LookupError, UnicodeError, ValueError):
        return None
