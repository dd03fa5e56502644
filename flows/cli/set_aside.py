"""Commands over what is in quarantine: `unibase quarantine ...`."""

from __future__ import annotations

import getpass
from pathlib import Path

from unibase.flows.cli.app import app
from unibase.flows.cli.command_answers import CommandLine

quarantine_app = CommandLine(
    name="quarantine", help="What was not used, and why; names come from the vault. `unibase quarantine STUDY` lists it."
)
app.command(quarantine_app)


@quarantine_app.default
@quarantine_app.command(name="list")
def quarantine_list(study: Path, *, json: bool = False) -> None:
    """Show the custodian which source files were not used, and why; names come from the vault.

    Example: `unibase quarantine list study.yaml`

    Args:
        study: The study file.
        json: As JSON, a row a unit.
    """
    from unibase.flows.cli.printing import print_json
    from unibase.flows.looks.quarantine import quarantine_text, set_aside
    from unibase.flows.study.validation import read_study

    content = read_study(study)
    if json:
        print_json(set_aside(content))
        return
    print(quarantine_text(content))


@quarantine_app.command(name="show")
def quarantine_show(study: Path, what: str) -> None:
    """Say what one reason means, or why one unit is in quarantine, and what to do.

    Example: `unibase quarantine show study.yaml unknown-person`

    Args:
        study: The study file.
        what: Code of a reason, or a part of the name of a unit.
    """
    from unibase.flows.looks.quarantine import told_of
    from unibase.flows.study.validation import read_study

    print(told_of(read_study(study), what))


@quarantine_app.command(name="retry")
def quarantine_retry(study: Path, what: str) -> None:
    """Have the next build try units again, though nothing of them changed.

    Example: `unibase quarantine retry study.yaml unknown-person`

    Args:
        study: The study file.
        what: Code of a reason, or a part of the name of a unit.
    """
    from unibase.flows.looks.quarantine import retry
    from unibase.flows.study.validation import read_study

    print(f"{retry(read_study(study), what)} units are tried again. Next: unibase build {study}")


@quarantine_app.command(name="accept")
def quarantine_accept(study: Path, what: str, *, why: str) -> None:
    """Note that units stay out and why; the list says so until their source or reason changes. It goes into the audit log.

    Example: `unibase quarantine accept study.yaml unknown-person --why "Test patients of the scanner."`

    Args:
        study: The study file.
        what: Code of a reason, or a part of the name of a unit.
        why: The grounds, without a value of a patient.
    """
    from unibase.flows.looks.quarantine import accept
    from unibase.flows.study.validation import read_study

    print(f"{accept(read_study(study), what, getpass.getuser(), why)} units stay out; the audit log says who accepted it.")
