"""OSIRIS pivot 1.1.05, by the packaged mapping or a centre's own."""

from __future__ import annotations

from unibase.clinical.formats.packaged_format import format_of_mapping

FORMAT = format_of_mapping("osiris", "OSIRIS pivot 1.1.05")
