"""The command line: a study from check to release, and every stage alone on plain files."""

from __future__ import annotations

import sys

from unibase.flows.cli import plain, release, study, vault  # noqa: F401  # each puts its commands on `app`
from unibase.flows.cli.app import app
from unibase.flows.cli.custody import custodian_app, ledger_app
from unibase.flows.cli.encoded import encoded_app
from unibase.flows.cli.records import records_app
from unibase.flows.runs.guard import explain
from unibase.flows.runs.stopping import exit_code, stoppable
from unibase.groundwork.problems import Unusable, UserError

app.command(ledger_app)
app.command(custodian_app)
app.command(encoded_app)
app.command(records_app)


def main() -> None:
    """Run the command line; what the user can mend is shown without a traceback."""
    try:
        with stoppable():
            app()
    except (UserError, Unusable) as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    except Exception as error:
        # Libraries quote what they cannot read: the text of an error of theirs may be a patient's value.
        print(explain(error, None), file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("Stopped. Start the same command again to go on where it stopped.", file=sys.stderr)
        sys.exit(exit_code())
