"""What a room promises: names that its `__init__` offers, loaded when they are first asked for.

A room's options must be light to import, and importing them imports the room's `__init__`. So `__init__` says where each
name stands and loads nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def promise(package: str, names: Mapping[str, str]) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` of a package (PEP 562) that loads each name from its module when asked.

    Args:
        package: The package's `__name__`.
        names: Each promised name, and the module below the package that defines it.

    Returns:
        The two functions, to be bound to these names in the package's `__init__`.

    Raises:
        AttributeError: By what is returned, for a name that the package does not promise.

    Example:
        >>> load, known = promise("unibase.privacy", {"Key": "keys"})
        >>> known()
        ['Key']
        >>> load("Key").__module__
        'unibase.privacy.keys'
    """

    def load(name: str) -> object:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{names[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return load, lambda: sorted(names)
