"""What a run may say when it fails: the user's errors as they are, all others without their text."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

from unibase.groundwork.faults import fault_of
from unibase.groundwork.problems import Busy, MachineFault, RefusedByPolicy, SourceAway, Unusable, UserError
from unibase.groundwork.reasons import MACHINE_IMPORT

KINDS: dict[type[UserError], str] = {
    SourceAway: "Source away",
    MachineFault: "Machine fault",
    Busy: "Busy",
    RefusedByPolicy: "Refused by policy",
    UserError: "Failed",
}
"""Kinds of errors, and how Prefect names the state of a run that ended so."""


_TOLD = {"machine-ENOENT", MACHINE_IMPORT}
"""What an error of a room tells by itself: a file that is not there, a library that is not installed."""


def kind(error: BaseException) -> str:
    """Return the kind of an error, as `KINDS` names it.

    Args:
        error: What ended a run.

    >>> kind(MachineFault("the disk is full")), kind(ValueError("no such thing"))
    ('Machine fault', 'Failed')
    """
    return next((name for one, name in KINDS.items() if isinstance(error, one)), "Failed")


def of_kind(name: str | None, message: str) -> UserError:
    """Return the error whose kind Prefect's state names: what ended a flow, for the command that waits for it.

    `name`: name of the state; `message`: its message.

    Example:
        >>> type(of_kind("Busy", "Another run is working.")).__name__
        'Busy'
    """
    return next((one for one, known in KINDS.items() if known == name), UserError)(message)


def explained(error: Exception, log: Path | None) -> UserError:
    """Return what a run may end with: the user's error as it is, all others without their text.

    A room that cannot read a file says so as it knows it; where the machine is why, that is said with it.

    Args:
        error: What ended the run.
        log: File of the vault that takes the whole text of what nobody expected; None keeps it nowhere.
    """
    if isinstance(error, UserError):
        return _with_the_machine(error)
    told = explain(error, log)
    return MachineFault(told) if fault_of(error) is not None else UserError(told)


def _with_the_machine(error: UserError) -> UserError:
    fault = fault_of(error)
    if type(error) is not UserError or fault is None or fault.reason in _TOLD:
        return error
    return MachineFault(f"{error} {fault.reason}: {fault.message} {fault.remedy}")


def explain(error: BaseException, log: Path | None) -> str:
    """Return what may be shown, logged and stored of an error.

    The text of an unexpected error can hold a patient's value, so only its type and place are given; the whole goes to
    `log` in the vault, mode 0600. What the machine did is no unexpected error: it is named with what to do.

    Args:
        error: The error.
        log: File of the vault, or None.

    >>> explain(UserError("There is no study file at study.yaml."), None)
    'There is no study file at study.yaml.'
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
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a", encoding="utf-8") as file:
            file.write("".join(traceback.format_exception(error)) + "\n")
    except OSError as problem:
        why = fault_of(problem)
        return f"{said} Its details could not be written to the vault: {why.message if why else problem.strerror}"
    return f"{said} The details, which may name patients, are in the vault: {log}"
