"""Keyed pseudonyms: the same input gives the same output under one key, whatever the order, worker or day.

All are HMAC-SHA-256 under a key derived per purpose, so none can be computed, or tested against a guess, without
the key.
"""

from __future__ import annotations

from unibase.privacy.keys import Key


def subject_id(key: Key, person: str) -> int:
    """Return the positive int64 pseudonym of a person of the identity ledger.

    Args:
        key: Key of the study.
        person: The person, as the ledger names them.
    """
    number = int.from_bytes(key.mac("subject", person)[:8], "big") & 0x7FFF_FFFF_FFFF_FFFF
    return number or 1


def uid(key: Key, source_uid: str) -> str:
    """Return the DICOM UID that stands for `source_uid`: `2.25.` and a UUID in decimal (DICOM PS3.5 B.2).

    The UUID's version and variant bits are set as RFC 9562 asks of version 8 (vendor-specific).

    Args:
        key: Key of the study.
        source_uid: The UID of the source; padding does not count.

    >>> uid(Key(bytes(32)), "1.2.840.1").startswith("2.25.")
    True
    """
    number = int.from_bytes(key.mac("uid", source_uid.strip(" \0"))[:16], "big")
    number = number & ~(0xF << 76) | (0x8 << 76)
    number = number & ~(0x3 << 62) | (0x2 << 62)
    return f"2.25.{number}"


def token(key: Key, purpose: str, text: str) -> str:
    """Return 16 hexadecimal digits that stand for `text` (a sample, a file) among things of one purpose.

    Args:
        key: Key of the study.
        purpose: Kind of thing.
        text: Its name.

    >>> token(Key(bytes(32)), "sample", "A-1") != token(Key(bytes(32)), "file", "A-1")
    True
    """
    return key.mac(f"token/{purpose}", text)[:8].hex()
