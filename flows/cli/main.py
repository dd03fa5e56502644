"""The command line: a study from check to release, and every stage alone on plain files."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path

from cyclopts import App, CycloptsError

from unibase.flows.runs.guard import explained
from unibase.flows.runs.stopping import end, exit_code, stoppable
from unibase.groundwork.problems import Busy, MachineFault, RefusedByPolicy, SourceAway, Unusable, UserError

EXIT_CODES: dict[type[Exception], int] = {SourceAway: 3, MachineFault: 4, Busy: 5, RefusedByPolicy: 6}
"""Exit code by kind of error; what else the user can mend is 1, an argument that is wrong 2, a signal 130 or 143."""

WORDS: dict[str, str] = {
    "attack": "attack",
    "audit_log": "audit",
    "begin": "init simulate",
    "custody": "custodian ledger",
    "encoded": "encoded",
    "person": "person",
    "plain": "deidentify dose index link maps normalise pixels recognise reports timeline words",
    "plain_radiomics": "features",
    "records": "map records",
    "releases": "baseline catalogue cbioportal diff explain explore extract fhir howmany omop open sign verify",
    "set_aside": "quarantine",
    "study": "build check codes doctor fetch join refit regions run send status",
    "vault": "key reidentify",
}
"""First words of the commands of each module: it alone is imported for them, and what it needs."""
ALL_COMMANDS: tuple[list[str], ...] = ([], ["--help"], ["-h"])
"""What shows the list of all commands, without their options."""


def _command_line(words: list[str]) -> App:
    """Return the command line with at least the command that the words ask for: others need not be imported.

    Args:
        words: What stands after `unibase`.
    """
    whole = "overview" if words in ALL_COMMANDS else "everything"
    module = next((name for name, known in WORDS.items() if words and words[0] in known.split()), whole)
    if words != ["--version"]:
        import_module(f"unibase.flows.cli.{module}")
    app: App = import_module("unibase.flows.cli.app").app
    return app


def _of_a_given_path(error: Exception) -> UserError | None:
    """Return what is said of a folder in the place of a file, or a file in the place of a folder, where the user named it."""
    if not isinstance(error, IsADirectoryError | NotADirectoryError | FileExistsError):
        return None
    named = {str(one) for one in (error.filename, error.filename2) if one is not None}
    given = next((word for word in sys.argv[1:] if str(Path(word)) in named), None)
    kinds = ("folder", "file") if isinstance(error, IsADirectoryError) else ("file", "folder")
    return UserError(f"{given} is a {kinds[0]}, and a {kinds[1]} is needed. Name one.") if given else None


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
        told = error if isinstance(error, Unusable) else _of_a_given_path(error) or explained(error, None)
        print(told, file=sys.stderr)
        sys.exit(next((code for one, code in EXIT_CODES.items() if isinstance(told, one)), 1))
    except KeyboardInterrupt:
        print("Stopped. Start the same command again to go on where it stopped.", file=sys.stderr)
        sys.exit(exit_code())
