"""Validate an RO-Crate with the crates' own validator, in a process of its own and without a network.

    python -m tests.releases.crate_validator FOLDER PROFILE

Prints the issues, recommendations included, as a JSON list. The JSON-LD context comes from the `rocrate` package; any
other address raises, so that nothing the validator would fetch is passed over in silence.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import rocrate
from rocrate_validator import services
from rocrate_validator.utils.http import HttpRequester

CONTEXT = Path(rocrate.__file__).parent / "data" / "ro-crate.jsonld"


class Bundled:
    """What the validator asks of a response."""

    status_code = 200
    headers = {"Content-Type": "application/ld+json"}  # noqa: RUF012
    links: dict[str, Any] = {}  # noqa: RUF012
    text = CONTEXT.read_text(encoding="utf-8")
    content = CONTEXT.read_bytes()

    def json(self) -> Any:
        return json.loads(self.text)

    def raise_for_status(self) -> None:
        """Nothing to raise."""


def bundled(_: object, address: str, **__: object) -> Bundled:
    if not address.startswith("https://w3id.org/ro/crate/") or not address.endswith("/context"):
        raise AssertionError(f"the validator asks for {address}")
    return Bundled()


def issues(folder: Path, profile: str) -> list[str]:
    HttpRequester.get = bundled
    settings = {"rocrate_uri": str(folder), "profile_identifier": profile, "requirement_severity": "RECOMMENDED"}
    result = services.validate(settings)
    if not result.executed_checks:
        raise AssertionError("no check was run")
    return [f"{issue.check.identifier}: {issue.message}" for issue in result.get_issues()]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(issues(Path(sys.argv[1]), sys.argv[2])))
