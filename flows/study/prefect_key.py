"""The study's key from a Prefect Secret block."""

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
    """Return the text of a Prefect Secret block.

    Args:
        name: Name of the block.

    Raises:
        UserError: If there is no such block.
    """
    from prefect.blocks.system import Secret

    try:
        return str(Secret.load(name).get())  # type: ignore[union-attr]
    except ValueError:
        raise UserError(f"Prefect has no Secret block {name!r}. Make it in Prefect, or name a file or variable.") from None
