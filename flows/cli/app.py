"""The command line as an object: the modules beside this one put their commands on it."""

from __future__ import annotations

from importlib import metadata

from unibase.flows.cli.command_answers import CommandLine

app = CommandLine(
    name="unibase",
    help="From hospital files to released, pseudonymised, analysis-ready multimodal datasets.",
    help_format="markdown",
    # What a signal ends says so itself, with the exit code of that signal.
    suppress_keyboard_interrupt=False,
    version=metadata.version("unibase"),
)
key_app = CommandLine(name="key", help="Make and show keys.")
app.command(key_app)
