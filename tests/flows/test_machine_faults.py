"""A machine's fault is no datum: nothing with a hole is published, and once the fault is gone the bytes are as if it never was."""

from __future__ import annotations

import builtins
import errno
import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.flows.small_study import write_study
from tests.flows.test_sources import night
from unibase.flows.looks.status import status_text
from unibase.flows.study.validation import read_study
from unibase.groundwork import work
from unibase.groundwork.problems import UserError

pytestmark = [pytest.mark.slow]
HIT = "IPP001-20190402.dcm"


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def failing(number: int, original: Callable[..., Any]) -> Callable[..., Any]:
    """Return `open` of a share that drops under one file."""

    def opened(file: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(file, str | os.PathLike) and os.fspath(file).endswith(HIT):
            raise OSError(number, os.strerror(number), file)
        return original(file, *args, **kwargs)

    return opened


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EACCES, errno.ENOENT])
def test_a_share_that_drops_under_one_image_stops_the_night(tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    home = write_study(tmp_path / "study")
    monkeypatch.setattr(work.time, "sleep", lambda seconds: None)
    with monkeypatch.context() as broken:
        for module in (builtins, io):
            broken.setattr(module, "open", failing(number, open))
        broken.setattr(os, "open", failing(number, os.open))
        with pytest.raises(UserError, match=f"machine-{errno.errorcode[number]}") as caught:
            night(home)
    assert "IPP001" not in str(caught.value), "names of files may be patients'"
    assert "Nothing is published" in str(caught.value)
    assert not list((home / "releases").rglob("manifest.json"))
    assert "failed" in status_text(read_study(home / "study.yaml"))
    mended, said = night(home)
    assert "1 processed now" in "\n".join(said), "what was done is kept"
    other = write_study(tmp_path / "other")
    (other / "vault.key").write_bytes((home / "vault.key").read_bytes())
    undisturbed, _ = night(other)
    assert digests(mended) == digests(undisturbed)


def test_a_folder_that_cannot_be_listed_is_not_one_whose_files_were_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = write_study(tmp_path / "study")
    late = home / "dicom" / "later"
    late.mkdir()
    (home / "dicom" / HIT).rename(late / HIT)
    first, _ = night(home)
    original = os.scandir

    def scandir(path: Any = ".") -> Any:
        if str(path).endswith("later"):  # a folder being removed is listed by its number
            raise OSError(errno.ESTALE, "Stale file handle", path)
        return original(path)

    with monkeypatch.context() as broken:
        broken.setattr(os, "scandir", scandir)
        with pytest.raises(UserError, match="cannot be listed"):
            night(home)
    assert night(home)[0] == first
