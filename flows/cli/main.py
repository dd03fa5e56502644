"""The command line: a study from check to release, and every stage alone on plain files."""

from __future__ import annotations

import os
import sys
from importlib import import_module

from cyclopts import App, CycloptsError

from unibase.flows.runs.guard import explained
from unibase.flows.runs.stopping import end, exit_code, stoppable
from unibase.groundwork.problems import Busy, MachineFault, RefusedByPolicy, SourceAway, Unusable

EXIT_CODES: dict[type[Exception], int] = {SourceAway: 3, MachineFault: 4, Busy: 5, RefusedByPolicy: 6}
"""Exit code by kind of error; what else the user can mend is 1, an argument that is wrong 2, a signal 130 or 143."""

OF_A_STUDY = frozenset(
    {"check", "init", "build", "fetch", "send", "run", "simulate", "status", "doctor", "codes", "regions", "refit", "join"}
)
"""Commands that need no more than the two modules of a study: they start without the options of all rooms."""

OF_PLAIN_FILES = frozenset({"deidentify"})
"""Commands on plain files that are often called for one file."""


def _command_line(words: list[str]) -> App:
    """Return the command line with at least the command that the words ask for: others need not be imported.

    Args:
        words: What stands after `unibase`.
    """
    app: App = import_module("unibase.flows.cli.app").app
    if words == ["--version"]:
        return app
    if words and words[0] in OF_A_STUDY:
        import_module("unibase.flows.cli.begin")
        import_module("unibase.flows.cli.study")
        return app
    if words and words[0] in OF_PLAIN_FILES:
        import_module("unibase.flows.cli.plain")
        of_files: App = import_module("unibase.flows.cli.app").app
        return of_files
    whole: App = import_module("unibase.flows.cli.everything").app
    return whole


def main() -> None:
    """Run the command line; what the user can mend is shown without a traceback."""
    try:
        with stoppable():
            _command_line(sys.argv[1:])(exit_on_error=False, result_action="return_value")
            end()
            sys.stdout.flush()
    except CycloptsError:
        sys.exit(2)  # it was printed
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
