"""What a run may say when it fails: the user's errors as they are, all others without their text."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

from unibase.groundwork.faults import fault_of
from unibase.groundwork.problems import Unusable, UserError


def explain(error: BaseException, log: Path | None) -> str:
    """Return what may be shown, logged and stored of an error.

    The text of an unexpected error can hold a patient's value, so only its type and place are given; the whole goes to
    `log` in the vault, mode 0600. What the machine did is no unexpected error: it is named with what to do.
    """
    if isinstance(error, UserError | Unusable):
        return str(error)
    fault = fault_of(error)
    if fault is not None:
        return f"{fault.reason}: {fault.message} {fault.remedy}"
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {frames[-1].name} ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    said = f"Unexpected {type(error).__name__}{place}."
    if log is None:
        return f"{said} Report it with this place."
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a", encoding="utf-8") as file:
        file.write("".join(traceback.format_exception(error)) + "\n")
    return f"{said} The details, which may name patients, are in the vault: {log}"
