"""How commands print what they found: as text for people, as JSON for programs."""

from __future__ import annotations

import sys
from dataclasses import asdict, is_dataclass

from unibase.groundwork.files import json_text


def print_json(value: object) -> None:
    """Print a dataclass, or a list of them, as JSON with sorted keys.

    Args:
        value: The value.

    Example:
        >>> print_json([1, 2])
        [
          1,
          2
        ]
    """
    plain = [asdict(one) for one in value] if isinstance(value, list) and value and is_dataclass(value[0]) else value
    sys.stdout.write(json_text(asdict(plain) if is_dataclass(plain) and not isinstance(plain, type) else plain))
