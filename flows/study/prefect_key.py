"""Secrets from Prefect Secret blocks: the study's key, and who asks an archive."""

from __future__ import annotations

from unibase.groundwork.problems import UserError
from unibase.privacy.keys import Key


def read_key_secret(name: str) -> Key:
    """Return the key, in hexadecimal, of a Prefect Secret block.

    Args:
        name: Name of the block.

    Raises:
        UserError: If there is no such block, or it holds no key.
    """
    text = read_secret(name)
    try:
        return Key(bytes.fromhex(text.strip()))
    except ValueError:
        raise UserError(f"The Prefect Secret {name!r} holds no hexadecimal key. Put 64 hexadecimal digits in it.") from None


def read_secret(name: str) -> str:
    """Return the text of a Prefect Secret block, without the line end that a copied secret often brings.

    Args:
        name: Name of the block.

    Raises:
        UserError: If Prefect does not answer, has no such block, or the block holds no text.
    """
    value = _value(name)
    # A number has lost its leading zeros, and a mapping is no password.
    if not isinstance(value, str) or not value.strip():
        raise UserError(f"The Prefect Secret {name!r} holds no text. Put the secret in it as text; digits alone in quotes.")
    return value.rstrip("\r\n")


def _value(name: str) -> object:
    import httpx
    from prefect.blocks.system import Secret
    from prefect.settings import PREFECT_API_URL

    where = PREFECT_API_URL.value() or "its own database"
    try:
        return Secret.load(name).get()  # type: ignore[union-attr]
    except ValueError:
        raise UserError(
            f"Prefect has no Secret block {name!r} ({where}). Make it there, set PREFECT_API_URL to the server that has it, "
            "or name a file or variable."
        ) from None
    except (httpx.HTTPError, RuntimeError) as error:
        raise UserError(
            f"Prefect, which is asked for the Secret {name!r}, does not answer ({where}, {type(error).__name__}). "
            "Start the server, or set PREFECT_API_URL and PREFECT_API_KEY."
        ) from None
