"""All commands on the one command line: what its help, its completion and its manual page show."""

from __future__ import annotations

from unibase.flows.cli import attack, begin, plain, releases, study, vault  # noqa: F401  # each puts its commands on `app`
from unibase.flows.cli.app import app
from unibase.flows.cli.audit_log import audit_app
from unibase.flows.cli.custody import custodian_app, ledger_app
from unibase.flows.cli.encoded import encoded_app
from unibase.flows.cli.person import person_app
from unibase.flows.cli.records import records_app
from unibase.flows.cli.set_aside import quarantine_app

__all__ = ["app"]

for group in (quarantine_app, audit_app, ledger_app, custodian_app, encoded_app, person_app, records_app):
    app.command(group)
