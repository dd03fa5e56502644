"""Compile loops with numba and keep the machine code on disk, also where the installation is read-only.

Numba keeps compiled code in `NUMBA_CACHE_DIR`, beside the source, or in the user's cache, whichever can be written. An
installation that is read-only when it runs is filled once when it is built: `python -m imaging.engine` compiles everything
beside the source, and this module reads it from there. Where nothing can be written and nothing was compiled, code is
compiled in memory (half a minute per process) rather than refused.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numba.core.config
from numba.core.caching import InTreeCacheLocator


class PrecompiledLocator(InTreeCacheLocator):
    """Code compiled beside the source, where that folder can be read but not written."""

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> PrecompiledLocator | None:
        """Return a locator of `py_func`, which stands in `py_file`, or None to let numba look elsewhere."""
        self = cls(py_func, py_file)
        folder = Path(self.get_cache_path())  # type: ignore[no-untyped-call]
        if not folder.is_dir() or os.access(folder, os.W_OK):
            return None
        return self if any(folder.glob(f"{Path(py_file).stem}.{py_func.__qualname__}-*.nbi")) else None


_LOCATORS = ",".join([f"{__name__}.PrecompiledLocator", "UserProvidedCacheLocator", "InTreeCacheLocator", "UserWideCacheLocator"])
_KNOWN: list[Any] = []


def compiled(function: Callable[..., Any]) -> Any:
    """Decorate a function so that numba compiles it once per machine; it never uses fast-math or threads."""
    config: Any = numba.core.config
    chosen = config.CACHE_LOCATOR_CLASSES
    config.CACHE_LOCATOR_CLASSES = chosen or _LOCATORS
    dispatcher: Any
    try:
        dispatcher = numba.njit(cache=True)(function)
    except RuntimeError:
        dispatcher = numba.njit(function)
    else:
        if isinstance(dispatcher._cache._impl.locator, PrecompiledLocator):
            # A processor that the code was not compiled for compiles in memory; it has nowhere to keep it.
            dispatcher._cache.save_overload = _keep_nothing
    finally:
        config.CACHE_LOCATOR_CLASSES = chosen
    _KNOWN.append(dispatcher)
    return dispatcher


def _keep_nothing(signature: Any, data: Any) -> None:
    return None


def compilations() -> dict[str, int]:
    """Number of signatures of each loop that this process had to compile, not load."""
    return {d.py_func.__name__: sum(d.stats.cache_misses.values()) for d in _KNOWN if d.stats.cache_misses}
