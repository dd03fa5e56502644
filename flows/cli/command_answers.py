"""What every command answers: lines for people, with `--json` an object for programs, with `--quiet` nothing but errors.

A command prints its lines and returns what it found. Here the lines are kept back where they are not wanted, so a command
need not ask who listens.
"""

from __future__ import annotations

import functools
import inspect
import io
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Annotated, Any, get_type_hints

from cyclopts import App, Group, Parameter

from unibase.flows.cli.printing import print_json

ANSWER = Group("Answer", sort_key=99)
"""Where `--help` shows the two options."""

QUIET = "UNIBASE_QUIET"
"""Set for a command that is to show no progress."""

_OPTIONS = {
    "json": "Print the answer as JSON: what was found, and the lines that are said otherwise.",
    "quiet": "Say nothing but errors.",
}


class Ended(SystemExit):
    """A command that ends with a status of its own and has an answer all the same.

    Args:
        code: The status.
        found: What was found.
    """

    def __init__(self, code: int, found: object) -> None:
        super().__init__(code)
        self.found = found


class CommandLine(App):
    """A command line each of whose commands takes `--json` and `--quiet`."""

    def default(self, obj: Any = None, **options: Any) -> Any:
        """Take a function, `obj`, as the command; see `answering`."""
        ours = inspect.isfunction(obj) and not obj.__module__.startswith("cyclopts")
        return super().default(answering(obj) if ours else obj, **options)


def answering(command: Callable[..., object]) -> Callable[..., object]:
    """Return a command with the options `--json` and `--quiet`, where it has none of its own.

    Args:
        command: Prints lines, and returns what it found or nothing.

    Example:
        >>> def count() -> list[int]:
        ...     print("three")
        ...     return [3]
        >>> answering(count)(json=True)
        {
          "found": [
            3
          ],
          "said": [
            "three"
          ]
        }
        >>> answering(count)(quiet=True)
    """
    signature = inspect.signature(command)
    hints = get_type_hints(command, include_extras=True)
    own = [one.replace(annotation=hints.get(one.name, one.annotation)) for one in signature.parameters.values()]
    missing = [name for name in _OPTIONS if name not in signature.parameters]
    further = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=False,
            annotation=Annotated[bool, Parameter(help=_OPTIONS[name], group=ANSWER, negative=())],
        )
        for name in missing
    ]

    @functools.wraps(command)
    def answer(*arguments: object, **given: object) -> None:
        wanted = {name: bool(given.get(name)) for name in _OPTIONS}
        passed = {name: value for name, value in given.items() if name not in missing}
        kept_back = any(wanted[name] for name in missing) and not ("json" not in missing and wanted["json"])
        with _Silence(wanted["quiet"]):
            if kept_back:
                _answered(functools.partial(command, *arguments, **passed), wanted["json"])
            else:
                command(*arguments, **passed)

    answer.__signature__ = signature.replace(parameters=[*own, *further])  # type: ignore[attr-defined]  # read by inspect
    answer.__annotations__ = {one.name: one.annotation for one in [*own, *further]} | {"return": None}
    return answer


def _answered(command: Callable[[], object], as_json: bool) -> None:
    """Run a command and give its answer as JSON, or not at all; what it said before it failed is told even so."""
    lines = io.StringIO()
    found, ended = None, False
    try:
        with redirect_stdout(lines):
            found = command()
        ended = True
    except Ended as end:
        found, ended = end.found, True
        raise
    finally:
        said = lines.getvalue()
        if as_json and (ended or said):
            print_json({"found": found, "said": said.splitlines()})
        elif not ended:
            sys.stderr.write(said)


class _Silence:
    """Hides progress for the time of a command, where it is asked for."""

    def __init__(self, wanted: bool) -> None:
        self._wanted, self._before = wanted, os.environ.get(QUIET)

    def __enter__(self) -> None:
        if self._wanted:
            os.environ[QUIET] = "1"

    def __exit__(self, *error: object) -> None:
        if self._wanted and self._before is None:
            os.environ.pop(QUIET, None)
