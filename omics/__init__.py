"""Omics assays: read, gate, normalise, identify, freeze.

Knows count matrices, variants, segments and beta values; knows subjects by pseudonym only.
"""

from unibase.omics.commands import Design, normalise_file

__all__ = ["Design", "normalise_file"]
