"""The secret key of a study, and the keys derived from it for each purpose.

A key comes from a file (mode 0600) or an environment variable. It is never logged, never written beside the
data and shows nothing of itself in `repr`; its fingerprint may be published.
"""

from __future__ import annotations

import hmac
import os
import secrets
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from unibase.groundwork.files import write_text
from unibase.groundwork.problems import UserError

KEY_BYTES = 32


@dataclass(frozen=True)
class Key:
    """A secret of 32 bytes, from which a key per purpose is derived (HKDF-Expand with SHA-256, RFC 5869)."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != KEY_BYTES:
            raise UserError(f"A key has {KEY_BYTES} bytes ({2 * KEY_BYTES} hexadecimal digits). Make one: unibase key new FILE")

    @property
    def fingerprint(self) -> str:
        """First 16 hexadecimal digits of a one-way derivation: names the key without telling it.

        >>> Key(bytes(32)).fingerprint
        '311c9df38c2e3bbf'
        """
        return self.derive("fingerprint").hex()[:16]

    def derive(self, purpose: str) -> bytes:
        """Return the 32-byte key for `purpose`; keys of two purposes tell nothing of each other.

        Args:
            purpose: What the key is for.

        >>> Key(bytes(32)).derive("dates") != Key(bytes(32)).derive("names")
        True
        """
        return _derived(self.secret, purpose)

    def mac(self, purpose: str, message: str) -> bytes:
        """Return the HMAC-SHA-256 of `message` (UTF-8) under the key derived for `purpose`.

        Args:
            purpose: What the key is for.
            message: The text.

        >>> len(Key(bytes(32)).mac("dates", "a message"))
        32
        """
        return hmac.digest(self.derive(purpose), message.encode(), "sha256")


@lru_cache(maxsize=64)
def _derived(secret: bytes, purpose: str) -> bytes:
    # Purposes are few and their keys are asked for once per person.
    return hmac.digest(secret, purpose.encode() + b"\x01", "sha256")


def new_key() -> Key:
    """Return a fresh random key.

    >>> len(new_key().secret)
    32
    """
    return Key(secrets.token_bytes(KEY_BYTES))


def write_key_file(key: Key, path: Path | str) -> None:
    """Write `key` as hexadecimal text, mode 0600.

    Args:
        key: The key.
        path: The file, which may not exist.

    Raises:
        UserError: If the file exists already; a key in use must never be overwritten.

    >>> write_key_file(Key(bytes(32)), getfixture("tmp_path") / "study.key")
    >>> read_key_file(getfixture("tmp_path") / "study.key") == Key(bytes(32))
    True
    """
    if Path(path).exists():
        raise UserError(f"{path} exists and is not overwritten. Choose another name, or use that key.")
    write_text(path, key.secret.hex() + "\n", mode=0o600)


def read_key_file(path: Path | str) -> Key:
    """Read a key that `write_key_file` wrote.

    Args:
        path: The file.

    Raises:
        UserError: If the file is absent, others can read it, or it holds no key.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"No key at {path}. Make one: unibase key new {path}")
    if path.stat().st_mode & 0o077:
        raise UserError(f"Others can read the key {path}. Close it: chmod 600 {path}")
    # Of whatever bytes: a binary file is no key, and no reason for more than to say so.
    return _parse(path.read_bytes().decode("utf-8", "replace"), f"the file {path}")


def read_key_environment(variable: str) -> Key:
    """Read a key, in hexadecimal, from an environment variable.

    Args:
        variable: Its name.

    Raises:
        UserError: If the variable is not set or holds no key.
    """
    text = os.environ.get(variable)
    if text is None:
        raise UserError(f"The environment variable {variable} is not set. Put the key in it, or name a key file.")
    return _parse(text, f"the environment variable {variable}")


def _parse(text: str, place: str) -> Key:
    try:
        return Key(bytes.fromhex(text.strip()))
    except ValueError:
        raise UserError(f"There is no hexadecimal key in {place}. Make one: unibase key new FILE") from None
