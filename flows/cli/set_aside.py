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
    """Show the custodian which source files were not used, and why; names come from the vault. The audit log says who looked.

    Example: `unibase quarantine list study.yaml`

    Args:
        study: The study file.
        json: As JSON, a row a unit.
    """
    from unibase.flows.cli.printing import print_json
    from unibase.flows.looks.quarantine import note_look, quarantine_text, set_aside
    from unibase.flows.study.validation import read_study

    content = read_study(study)
    if json:
        print_json(set_aside(content))
    else:
        print(quarantine_text(content))
    note_look(content, "quarantine-listed")


@quarantine_app.command(name="show")
def quarantine_show(study: Path, what: str) -> None:
    """Say what one reason means, or why one unit is in quarantine, and what to do.

    Example: `unibase quarantine show study.yaml unknown-person`

    Args:
        study: The study file.
        what: Code of a reason, or a part of the name of a unit.
    """
    from unibase.flows.looks.quarantine import note_look, told_of
    from unibase.flows.study.validation import read_study

    content = read_study(study)
    print(told_of(content, what))
    note_look(content, "quarantine-shown", what)


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
