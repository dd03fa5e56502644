"""The second place of an audit log: a copy elsewhere that who can write the vault cannot undo.

The log proves itself against a change of its lines, not against whoever rewrites it whole. A copy on another machine's
share, best one that only takes appends, does: its bytes are always a beginning of the log's.
"""

from __future__ import annotations

import os
from pathlib import Path

from unibase.groundwork.faults import fault_of
from unibase.groundwork.problems import MachineFault, UserError


def bring_up_to_date(log: Path, copy: Path) -> int:
    """Append to the copy the bytes of the log that it lacks; return how many entries those are.

    Args:
        log: The audit log.
        copy: The second place; made when it is not there, mode 0600. Its folder must be there: a share that is not
            mounted is not taken for an empty one.

    Raises:
        UserError: If the copy is no beginning of the log: one of the two was changed.
        MachineFault: If the copy cannot be read or written. The log keeps the entry, and the next one brings both.

    >>> log, copy = getfixture("tmp_path") / "audit.jsonl", getfixture("tmp_path") / "copy.jsonl"
    >>> _ = log.write_text("first\\nsecond\\n")
    >>> bring_up_to_date(log, copy), bring_up_to_date(log, copy)
    (2, 0)
    """
    missing = lacking(log, copy)
    if missing:
        try:
            descriptor = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(descriptor, "ab") as file:
                file.write(missing)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _away(copy, error) from None
    return missing.count(b"\n")


def lacking(log: Path, copy: Path) -> bytes:
    """Return the bytes of the log that the copy does not hold yet.

    Args:
        log: The audit log.
        copy: The second place.

    Raises:
        UserError: If the copy is no beginning of the log, or holds more than it: one of the two was changed.
        MachineFault: If the copy cannot be read.
    """
    held = _read(copy)
    entries = log.read_bytes() if log.exists() else b""
    whole = entries[: entries.rfind(b"\n") + 1]
    if not whole.startswith(held):
        line = _first_other_line(whole, held)
        raise UserError(
            f"{log} and its second place {copy} differ from line {line} on: one of them was changed after it was written. "
            "Compare both with a backup, and keep the copy as it is."
        )
    return whole[len(held) :]


def _read(copy: Path) -> bytes:
    try:
        return copy.read_bytes()
    except FileNotFoundError as error:
        if copy.parent.is_dir():
            return b""
        raise _away(copy, error) from None
    except OSError as error:
        raise _away(copy, error) from None


def _away(copy: Path, error: OSError) -> MachineFault:
    fault = fault_of(error)
    said = f"{fault.message} {fault.remedy}" if fault else f"{error.strerror or type(error).__name__}."
    return MachineFault(f"The second place of the audit log, {copy}, cannot be reached: {said} The entry stays in the vault.")


def _first_other_line(log: bytes, copy: bytes) -> int:
    pairs = zip(log.splitlines(), copy.splitlines(), strict=False)
    same = next((place for place, (one, other) in enumerate(pairs) if one != other), None)
    return 1 + (same if same is not None else min(log.count(b"\n"), copy.count(b"\n")))
