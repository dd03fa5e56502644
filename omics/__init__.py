"""Omics assays: read, gate, normalise, identify, freeze.

Knows count matrices, variants, segments and beta values; knows subjects by pseudonym only.
"""

from typing import TYPE_CHECKING

from unibase.groundwork.promises import promise

if TYPE_CHECKING:
    from unibase.omics.commands import Design, Recognised, normalise_file, recognise_file
    from unibase.omics.models.normalised import log_cpm

__all__ = ["Design", "Recognised", "log_cpm", "normalise_file", "recognise_file"]

__getattr__, __dir__ = promise(__name__, dict.fromkeys(__all__, "commands") | {"log_cpm": "models.normalised"})
