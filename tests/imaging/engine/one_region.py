"""One region of an image through the engine's IBSI mode, with its options as they are."""

from __future__ import annotations

from typing import Any

from unibase.groundwork.problems import Unusable
from unibase.imaging.boxed import Boxed
from unibase.imaging.engine.ibsi import extract_ibsi_regions
from unibase.imaging.engine.options import IbsiOptions
from unibase.imaging.grid import Array


def extract_ibsi(image: Array, mask: Array, spacing: tuple[float, ...], options: IbsiOptions) -> dict[str, dict[str, Any]]:
    (result,) = extract_ibsi_regions(image, [Boxed.of(mask)], spacing, options)
    if isinstance(result, Unusable):
        raise result
    return result
