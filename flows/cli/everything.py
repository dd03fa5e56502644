"""All commands on the one command line: what its help, its completion and its manual page show."""

from __future__ import annotations

from unibase.flows.cli import (  # noqa: F401  # each puts its commands on `app`
    attack,
    audit_log,
    begin,
    custody,
    encoded,
    person,
    plain,
    plain_radiomics,
    records,
    releases,
    set_aside,
    study,
    vault,
)
from unibase.flows.cli.app import app

__all__ = ["app"]
