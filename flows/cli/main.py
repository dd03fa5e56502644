"""The command line: a study from check to release, and every stage alone on plain files."""

from __future__ import annotations

import os
import sys

from unibase.flows.cli import plain, release, study, vault  # noqa: F401  # each puts its commands on `app`
from unibase.flows.cli.app import app
from unibase.flows.cli.custody import custodian_app, ledger_app
from unibase.flows.cli.encoded import encoded_app
from unibase.flows.cli.records import records_app
from unibase.flows.runs.guard import explained
from unibase.flows.runs.stopping import exit_code, stoppable
from unibase.groundwork.problems import Busy, MachineFault, RefusedByPolicy, SourceAway, Unusable

app.command(ledger_app)
app.command(custodian_app)
app.command(encoded_app)
app.command(records_app)


EXIT_CODES: dict[type[Exception], int] = {SourceAway: 3, MachineFault: 4, Busy: 5, RefusedByPolicy: 6}
"""Exit code by kind of error; what else the user can mend is 1, an argument that is wrong 2, a signal 130 or 143."""


def main() -> None:
    """Run the command line; what the user can mend is shown without a traceback."""
    try:
        with stoppable():
            app()
    except BrokenPipeError:
        # Who reads our output has seen enough (`| head`). Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        # Libraries quote what they cannot read: the text of an error of theirs may be a patient's value.
        told = error if isinstance(error, Unusable) else explained(error, None)
        print(told, file=sys.stderr)
        sys.exit(next((code for one, code in EXIT_CODES.items() if isinstance(told, one)), 1))
    except KeyboardInterrupt:
        print("Stopped. Start the same command again to go on where it stopped.", file=sys.stderr)
        sys.exit(exit_code())
