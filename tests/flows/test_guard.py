"""What a run may end with."""

from __future__ import annotations

import errno
import os

import pytest

from unibase.flows.runs.guard import explained
from unibase.groundwork.problems import Busy, MachineFault, SourceAway, UserError

ERRORS = [
    # raised by a room, from what, kind it ends as, what its text names
    (UserError, OSError(errno.EIO, os.strerror(errno.EIO)), MachineFault, "machine-EIO"),
    (UserError, OSError(errno.ESTALE, os.strerror(errno.ESTALE)), MachineFault, "machine-ESTALE"),
    (UserError, OSError(errno.EMFILE, os.strerror(errno.EMFILE)), MachineFault, "ulimit"),
    (UserError, PermissionError(errno.EACCES, os.strerror(errno.EACCES)), MachineFault, "machine-EACCES"),
    (UserError, FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)), UserError, "The concepts"),
    (UserError, ModuleNotFoundError("No module named 'onnx'", name="onnx"), UserError, "The concepts"),
    (UserError, ValueError("no YAML"), UserError, "The concepts"),
    (SourceAway, OSError(errno.EIO, os.strerror(errno.EIO)), SourceAway, "The concepts"),
    (Busy, OSError(errno.EIO, os.strerror(errno.EIO)), Busy, "The concepts"),
]


@pytest.mark.parametrize(("raised", "cause", "kind", "named"), ERRORS)
def test_what_the_machine_did_is_told_beside_what_a_room_could_not_read(
    raised: type[UserError], cause: Exception, kind: type[UserError], named: str
) -> None:
    with pytest.raises(UserError) as error:
        try:
            raise cause
        except Exception:
            raise raised("The concepts c.yaml cannot be read as YAML.") from None
    ended = explained(error.value, None)
    assert type(ended) is kind
    assert str(ended).startswith("The concepts c.yaml cannot be read as YAML.") and named in str(ended)
