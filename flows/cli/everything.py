"""All commands on the one command line: what its help, its completion and its manual page show."""

from __future__ import annotations

from unibase.flows.cli import plain_radiomics  # noqa: F401  # before the list, which only names its command
from unibase.flows.cli.overview import app

__all__ = ["app"]
