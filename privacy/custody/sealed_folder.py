"""A folder at rest: each file encrypted by age (X25519, ChaCha20-Poly1305) under a name that tells nothing of it.

An encrypted list names the files; it is replaced last, so a machine that stops leaves the folder as it was sealed before. A
name is keyed and covers path and content: two sealed files that change places are found.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyrage  # type: ignore[import-untyped]

from unibase.groundwork.files import write_bytes, write_text
from unibase.groundwork.problems import UserError
from unibase.groundwork.seals import stamp_of

LIST = "list.age"
"""Name of the encrypted list of what is sealed."""


def new_identity(path: Path | str) -> str:
    """Write a new age identity, mode 0600; return its public recipient.

    Args:
        path: The file, which may not exist.

    Raises:
        UserError: If it exists.

    >>> new_identity(getfixture("tmp_path") / "vault.identity")[:4]
    'age1'
    """
    if Path(path).exists():
        raise UserError(f"{path} exists and is not overwritten. Choose another name, or use that identity.")
    identity = pyrage.x25519.Identity.generate()
    write_text(path, f"{identity}\n", mode=0o600)
    return str(identity.to_public())


@dataclass
class SealedFolder:
    """What a folder in clear is at rest.

    Attributes:
        path: Folder of the encrypted files.
        secret: The age identity as text (`AGE-SECRET-KEY-1...`).
        apart: Names at the top of the folder in clear that are not sealed.
    """

    path: Path
    secret: str = field(repr=False)
    apart: tuple[str, ...] = ()
    _seen: dict[str, tuple[str, str]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        try:
            self._identity = pyrage.x25519.Identity.from_str(self.secret.strip())
        except pyrage.IdentityError:
            raise UserError(
                "The vault's identity is no age identity (AGE-SECRET-KEY-1...). Make one: unibase key vault FILE"
            ) from None

    def exists(self) -> bool:
        """Return whether something was sealed here.

        >>> SealedFolder(getfixture("tmp_path") / "sealed", str(pyrage.x25519.Identity.generate())).exists()
        False
        """
        return (self.path / LIST).exists()

    def open(self, plain: Path) -> None:
        """Write all that is sealed to a folder, in clear.

        Args:
            plain: The folder; only this user may look into it.

        Raises:
            UserError: If the identity is another, or a file is changed or lost.
        """
        for name, sealed in self._list().items():
            content = self._decrypted(self.path / sealed)
            if sealed != self._name(name, content):
                raise _damaged(self.path / sealed)
            write_bytes(plain / name, content, mode=0o600)
            self._seen[name] = (stamp_of(plain / name), sealed)

    def seal(self, plain: Path) -> int:
        """Bring what is sealed to what a folder holds now; return how many files were encrypted.

        Args:
            plain: The folder in clear.

        >>> plain, sealed = getfixture("tmp_path") / "plain", getfixture("tmp_path") / "sealed"
        >>> plain.mkdir()
        >>> _ = (plain / "people.csv").write_text("Dupont")
        >>> folder = SealedFolder(sealed, str(pyrage.x25519.Identity.generate()))
        >>> folder.seal(plain), folder.seal(plain)
        (1, 0)
        >>> any(b"Dupont" in file.read_bytes() for file in sealed.iterdir())
        False
        """
        found: dict[str, str] = {}
        written = 0
        for file in self._files(plain):
            name = file.relative_to(plain).as_posix()
            stamp, known = stamp_of(file), self._seen.get(name)
            if known is None or known[0] != stamp:
                content = file.read_bytes()
                known = (stamp, self._name(name, content))
                if not (self.path / known[1]).exists():
                    write_bytes(self.path / known[1], self._encrypted(content), mode=0o600)
                    written += 1
            self._seen[name], found[name] = known, known[1]
        if not self.exists() or found != self._list():
            write_bytes(self.path / LIST, self._encrypted(json.dumps(found, sort_keys=True).encode()), mode=0o600)
            self._forget(set(found.values()))
        return written

    def _files(self, plain: Path) -> Iterator[Path]:
        for file in sorted(plain.rglob("*")):
            apart = file.relative_to(plain).parts[0] in self.apart
            if not apart and file.is_file() and not file.name.startswith(".tmp-"):
                yield file

    def _forget(self, used: set[str]) -> None:
        for file in self.path.iterdir():
            if file.name not in used and file.name != LIST:
                file.unlink()

    def _list(self) -> dict[str, str]:
        return dict(json.loads(self._decrypted(self.path / LIST)))

    def _name(self, name: str, content: bytes) -> str:
        message = name.encode() + b"\x00" + content
        return hmac.digest(self.secret.strip().encode(), message, "sha256").hex()[:40] + ".age"

    def _encrypted(self, content: bytes) -> bytes:
        return bytes(pyrage.encrypt(content, [self._identity.to_public()]))

    def _decrypted(self, file: Path) -> bytes:
        try:
            return bytes(pyrage.decrypt(file.read_bytes(), [self._identity]))
        except FileNotFoundError:
            raise _damaged(file) from None
        except pyrage.DecryptError:
            raise UserError(
                f"{file} cannot be opened: it is of another identity, or was changed. Name the identity that sealed it, or restore "
                "a backup of that folder."
            ) from None


def _damaged(file: Path) -> UserError:
    return UserError(f"{file} is lost or stands in another's place. Restore a backup of that folder.")
