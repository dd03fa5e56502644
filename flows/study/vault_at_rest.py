"""The vault of a study at rest: encrypted on disk, in clear in memory alone while commands use it.

The first process that reads the study file opens it to a folder in memory; `WORK/vault` is then a link to that. The last one
to leave seals it again. What a killed process leaves stands in memory and is taken up by the next one; after the machine
itself stopped, the vault is as it was sealed last, and units that ended since are done again.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import stat
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from unibase.flows.runs.stopping import at_the_end
from unibase.flows.study.prefect_key import read_secret
from unibase.flows.study.study_file import Study
from unibase.groundwork.files import closed_by_default, digest_of
from unibase.groundwork.problems import MachineFault, UserError
from unibase.privacy.custody.sealed_folder import SealedFolder
from unibase.privacy.options import VaultAtRest

SEALED = "vault.sealed"
"""Folder of the workspace that holds the vault at rest."""
FETCHED = "fetched"
"""What hospitals' archives gave: too large for memory, so it stands outside the sealed vault."""
SECONDS = 30.0
"""How long a command that must answer with the identity of the vault may take."""
_TRIES, _PAUSE = 1200, 0.05


@dataclass
class _Held:
    """A vault that this process has open."""

    link: Path
    plain: Path
    sealed: SealedFolder
    lock: IO[str]


_HELD: dict[Path, _Held] = {}


def hold(study: Study) -> None:
    """Open the vault of a study for this process, where the study file seals it; once for all.

    Args:
        study: The study.

    Raises:
        UserError: If the identity is missing or another, or the vault is sealed and the study file names no identity.
    """
    root = study.work.root
    if root in _HELD:
        return
    if study.vault is None:
        if (root / SEALED).exists() and not (root / "vault").exists():
            raise UserError(f"The vault {root / SEALED} is sealed. Name its identity in the study file: `vault: {{file: ...}}`.")
        return
    sealed = SealedFolder(root / SEALED, _identity(study, study.vault), apart=(FETCHED, "lock"))
    with closed_by_default():
        root.mkdir(parents=True, exist_ok=True)
        lock = open(root / "vault.lock", "w", encoding="utf-8")  # noqa: SIM115  # held while this process lives
        if not _HELD:
            atexit.register(_told_at_exit)
            at_the_end(let_go)
        held = _HELD[root] = _Held(root / "vault", _memory(study.vault, root), sealed, lock)
        try:
            _open_first(held)
        except BaseException:
            del _HELD[root]
            lock.close()
            raise


def keep(root: Path) -> None:
    """Seal what changed so far of a vault that this process has open: a machine that stops then takes no more than a stage.

    Args:
        root: The workspace.
    """
    if held := _HELD.get(root):
        held.sealed.seal(held.plain)


def let_go() -> None:
    """Seal the vaults that this process has open, and remove what is in clear where it is the last to use them.

    Raises:
        MachineFault: If one cannot be sealed; it stands in memory, and the next command takes it up from there.

    >>> let_go()  # none is open: nothing happens
    """
    left = []
    for root in list(_HELD):
        held = _HELD.pop(root)
        try:
            fcntl.flock(held.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held.lock.close()
            continue  # another command uses it, and will seal it
        try:
            held.sealed.seal(held.plain)
        except (OSError, UserError) as error:
            why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
            left.append(f"The vault is not sealed and stands in {held.plain}: {why}.")
        else:
            held.link.unlink(missing_ok=True)
            shutil.rmtree(held.plain)
        held.lock.close()
    if left:
        raise MachineFault("\n".join([*left, "Mend that, then start any command over the study: it is sealed at its end."]))


def _told_at_exit() -> None:
    """Seal where no command did: after an error, or in a program of others."""
    try:
        let_go()
    except MachineFault as fault:
        print(fault, file=sys.stderr)


def _open_first(held: _Held) -> None:
    """Open a vault unless it is, and hold it so that nobody else seals it."""
    for _ in range(_TRIES):
        try:
            fcntl.flock(held.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(held.lock, fcntl.LOCK_SH)
            if _is_open(held):
                return
            fcntl.flock(held.lock, fcntl.LOCK_UN)
            time.sleep(_PAUSE)
            continue
        if not _is_open(held):
            _unseal(held)
        fcntl.flock(held.lock, fcntl.LOCK_SH)
        return
    raise UserError("Other commands open and seal the vault all the time. Wait for them, then start the same command again.")


def _is_open(held: _Held) -> bool:
    return held.link.is_symlink() and held.plain.is_dir() and held.link.resolve() == held.plain.resolve()


def _unseal(held: _Held) -> None:
    _fresh(held.plain)
    before = held.link.is_dir() and not held.link.is_symlink()
    if before:  # in clear on disk, from before the study file sealed it
        _move_apart(held.link)
        shutil.copytree(held.link, held.plain, dirs_exist_ok=True)
        held.sealed.seal(held.plain)
        shutil.rmtree(held.link)
    elif held.sealed.exists():
        held.sealed.open(held.plain)
    apart = held.link.with_name(f"vault.{FETCHED}")
    apart.mkdir(exist_ok=True)
    (held.plain / FETCHED).symlink_to(apart)
    held.link.unlink(missing_ok=True)
    held.link.symlink_to(held.plain)


def _move_apart(vault: Path) -> None:
    fetched = vault / FETCHED
    if fetched.is_dir() and not fetched.is_symlink():
        fetched.rename(vault.with_name(f"vault.{FETCHED}"))


def _fresh(plain: Path) -> None:
    """Make the folder in memory anew; whatever stands there must be ours."""
    try:
        found = plain.lstat()
    except FileNotFoundError:
        pass
    else:
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            remedy = "Remove it, or name another folder in memory (vault.memory)."
            raise UserError(f"{plain} belongs to somebody else. {remedy}")
        shutil.rmtree(plain)
    plain.mkdir(mode=0o700)


def _memory(options: VaultAtRest, root: Path) -> Path:
    folder = Path(options.memory)
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder} to open the vault in. Name one in memory: `vault: {{memory: ...}}`.")
    return folder / f"unibase-{os.getuid()}-{digest_of(str(root))[:16]}"


def _identity(study: Study, options: VaultAtRest) -> str:
    """Return the identity of a vault as text, from where the study file says it is."""
    if options.file:
        return _of_file(study.path(options.file))
    if options.env:
        if options.env not in os.environ:
            told = f"The environment variable {options.env} is not set."
            raise UserError(f"{told} Put the vault's identity in it.")
        return os.environ[options.env]
    if options.command:
        return _of_command(options.command)
    return read_secret(options.prefect_secret or "")


def _of_file(path: Path) -> str:
    if not path.is_file():
        raise UserError(f"No identity of the vault at {path}. Make one: unibase key vault {path}")
    if path.stat().st_mode & 0o077:
        raise UserError(f"Others can read the vault's identity {path}. Close it: chmod 600 {path}")
    lines = path.read_bytes().decode("utf-8", "replace").splitlines()
    said = (line for line in lines if line.strip() and not line.startswith("#"))
    return next(said, "")


def _of_command(words: list[str]) -> str:
    try:
        told = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=True)
    except FileNotFoundError:
        raise UserError(f"There is no program {words[0]}. Mend vault.command.") from None
    except (subprocess.SubprocessError, OSError) as error:
        failed = f"{words[0]}, which should print the vault's identity, failed"
        raise UserError(f"{failed} ({type(error).__name__}). Run it by hand.") from None
    return told.stdout
