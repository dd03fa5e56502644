"""Commands over the audit log of a study: `unibase audit ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators

from unibase.flows.cli.app import app
from unibase.flows.cli.command_answers import CommandLine

audit_app = CommandLine(
    name="audit", help="The audit log of a study: who did what, when, to how many persons; whether it is whole."
)
app.command(audit_app)


@audit_app.command(name="verify")
def audit_verify(study: Path) -> None:
    """Check that no line of the audit log was changed, removed, inserted or cut off.

    Example: `unibase audit verify study.yaml`

    Args:
        study: The study file.
    """
    from unibase.flows.study.validation import read_study

    log = read_study(study).audit
    print(f"{log.path}: {log.verify()} entries, each follows from the one before.")
    if log.copy:
        behind = log.reach_copy()
        print(f"{log.copy}: the same" + (f", but for the last {behind}, which the next entry brings." if behind else "."))


@audit_app.command(name="show")
def audit_show(
    study: Path, *, last: Annotated[int, Parameter(validator=validators.Number(gte=1))] = 20, json: bool = False
) -> None:
    """Show the last entries of the audit log: when, who, what, how many persons, details.

    Example: `unibase audit show study.yaml --last 5`

    Args:
        study: The study file.
        last: How many entries.
        json: As JSON.
    """
    from unibase.flows.cli.printing import print_json
    from unibase.flows.study.validation import read_study

    entries = read_study(study).audit.entries()[-last:]
    if json:
        print_json(entries)
        return
    for one in entries:
        details = ", ".join(f"{name} {value}" for name, value in one["details"].items())
        print(f"{one['time']}  {one['actor']}  {one['action']}  {one['subject_count']} persons  {details}".rstrip())
