"""Responses of RECIST that a centre gives as codes of its own: `RECIST//pd` of a FHIR system that nobody knows is PD."""

from __future__ import annotations

_WORDS = {word.upper(): word for word in ("CR", "PR", "SD", "PD", "NE", "NON-CR/NON-PD", "iCR", "iPR", "iSD", "iUPD", "iCPD")}


def response_word(text: str) -> str | None:
    """Return the response that a coded `text` says, None where it says none, or is no code.

    >>> response_word("HOSPITAL_RECIST//pd"), response_word("LOINC//LA28370-7"), response_word("pd")
    ('PD', None, None)
    """
    vocabulary, _, word = text.strip().rpartition("//")
    return _WORDS.get(word.upper()) if vocabulary else None
