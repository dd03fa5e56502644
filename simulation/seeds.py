"""Seeded randomness and UIDs: everything simulated is a function of the seed and of what it is for."""

from __future__ import annotations

import hashlib

import numpy as np
from pydicom.uid import PYDICOM_ROOT_UID, UID


def stream(seed: int, *purpose: str | int) -> np.random.Generator:
    """Return the generator of one purpose, independent of every other and of the order they are asked in.

    Args:
        seed: Seed of the tree.
        purpose: Words and numbers that name the purpose.
    """
    text = "/".join(str(part) for part in (seed, *purpose))
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big"))


def source_uid(seed: int, *purpose: str | int) -> UID:
    """Return a DICOM UID under pydicom's root, as long as real scanners write them (at most 64 characters).

    Args:
        seed: Seed of the tree.
        purpose: Words and numbers that name the purpose.

    >>> source_uid(1, "study") == source_uid(1, "study")
    True
    """
    text = "/".join(str(part) for part in (seed, *purpose))
    number = int.from_bytes(hashlib.sha256(b"uid/" + text.encode()).digest()[:15], "big")
    return UID(f"{PYDICOM_ROOT_UID}{number}"[:64])


def source_uuid(seed: int, *purpose: str | int) -> str:
    """Return a UUID in text, as record systems give to their resources.

    Args:
        seed: Seed of the tree.
        purpose: Words and numbers that name the purpose.

    >>> source_uuid(1, "patient") == source_uuid(1, "patient") != source_uuid(2, "patient")
    True
    """
    text = "/".join(str(part) for part in (seed, *purpose))
    digits = hashlib.sha256(b"uuid/" + text.encode()).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:32]}"
