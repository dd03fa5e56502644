"""Where `unibase` begins: what can be said without the command line is said before it is imported."""

from __future__ import annotations

import sys


def start() -> None:
    """Run the command line; `unibase --version` alone needs none of it."""
    if sys.argv[1:] == ["--version"]:
        from importlib import metadata

        print(metadata.version("unibase"))
        return
    from unibase.flows.cli.main import main  # takes several times as long as the answer above

    main()
