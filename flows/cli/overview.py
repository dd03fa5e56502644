"""What `unibase --help` alone shows: all commands with their first line, and no model of options is imported for it."""

from __future__ import annotations

from unibase.flows.cli import (  # noqa: F401  # each puts its commands on `app`
    attack,
    audit_log,
    begin,
    custody,
    encoded,
    person,
    plain,
    records,
    releases,
    set_aside,
    study,
    vault,
)
from unibase.flows.cli.app import app

__all__ = ["app"]

# Where the command itself is there already, it is the one.
if "features" not in app:
    app.command(
        "unibase.flows.cli.plain_radiomics:features",
        name="features",
        # The first line of that command; a test holds that it is.
        help="Extract radiomic features from DICOM with RTSTRUCT or SEG, or from NIfTI, NRRD or MetaImage files with masks.",
    )
