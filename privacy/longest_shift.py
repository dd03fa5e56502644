"""How far dates are moved where a study says nothing; apart, because the command line shows it and it costs nothing to import."""

from __future__ import annotations

DEFAULT_MAX_SHIFT_DAYS = 1826
"""Five years: shifts are drawn from 1 to this many days into the past."""
