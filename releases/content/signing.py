"""The signature of a release: Ed25519 (RFC 8032) over the bytes of its manifest, which name every file.

Who holds the public key can tell that the release is the one published, on any machine and without us.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from unibase.groundwork.files import write_bytes, write_text
from unibase.groundwork.problems import UserError
from unibase.releases.content.manifest import MANIFEST, SIGNATURE, verify


def new_signing_key(path: Path | str) -> None:
    """Write a new private key (PEM, mode 0600) to `path` and its public key to `<path>.pub`.

    Raises:
        UserError: If the file exists.
    """
    path = Path(path)
    if path.exists():
        raise UserError(f"{path} exists and is not overwritten. Choose another name, or sign with that key.")
    key = Ed25519PrivateKey.generate()
    write_bytes(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), mode=0o600)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    write_bytes(path.with_name(path.name + ".pub"), public)


def sign(folder: Path | str, private_key: Path | str) -> Path:
    """Sign the manifest of the release in `folder` with the `private_key` file; equal ones give equal signatures.

    Raises:
        UserError: If the release is not as its manifest says, or the file holds no Ed25519 private key.
    """
    folder, path = Path(folder), Path(private_key)
    problems = verify(folder)
    if problems:
        raise UserError(f"The release is not signed, because it is not as published: {problems[0]}. Publish it again.")
    if path.stat().st_mode & 0o077:
        raise UserError(f"Others can read the signing key {path}. Close it: chmod 600 {path}")
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise UserError(f"{path} holds another kind of key than Ed25519. Make one: unibase key signing FILE.")
    write_text(folder / SIGNATURE, key.sign((folder / MANIFEST).read_bytes()).hex() + "\n")
    return folder / SIGNATURE


def refuse_unknown_signer(folder: Path | str) -> None:
    """Refuse to check a signed release without the key of who signed it: an old signature may stand beside a forged manifest.

    Args:
        folder: Folder of the release.

    Raises:
        UserError: If a signature stands in it.
    """
    if (Path(folder) / SIGNATURE).exists():
        raise UserError(
            f"{SIGNATURE} stands beside the manifest, and nothing says whose it is: it may belong to another release. Name the "
            "publisher's key, from the publisher and not from this folder: --public-key FILE.pub. Or check the bytes alone: "
            "--bytes-alone."
        )


def fingerprint(public_key: Path | str) -> str:
    """Return the fingerprint of a public key, to be compared by voice or letter: SHA-256 of its 32 bytes.

    Args:
        public_key: The file.

    Raises:
        UserError: If it holds no Ed25519 public key.

    >>> path = getfixture("tmp_path") / "site.key"
    >>> new_signing_key(path)
    >>> len(fingerprint(f"{path}.pub"))
    71
    """
    raw = _public(Path(public_key)).public_bytes(Encoding.Raw, PublicFormat.Raw)
    return f"SHA256:{hashlib.sha256(raw).hexdigest()}"


def _public(path: Path) -> Ed25519PublicKey:
    """Return the public key in a file."""
    try:
        key = load_pem_public_key(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"No public key at {path}. Ask the publisher for the file that ends in .pub.") from None
    except ValueError:
        raise UserError(f"{path} holds no public key in PEM. Ask the publisher for the file that ends in .pub.") from None
    if not isinstance(key, Ed25519PublicKey):
        raise UserError(f"{path} holds another kind of key than Ed25519. Ask the publisher for the file that ends in .pub.")
    return key


def verify_signed(folder: Path | str, public_key: Path | str) -> list[str]:
    """Check signature, by the `public_key` file, and files of the release in `folder`; return one sentence per problem.

    Raises:
        UserError: If there is no manifest, or the file holds no Ed25519 public key.
    """
    folder = Path(folder)
    key = _public(Path(public_key))
    problems = verify(folder)
    signature = folder / SIGNATURE
    if not signature.exists():
        return [f"{SIGNATURE}: missing", *problems]
    try:
        text = signature.read_text(encoding="utf-8")
        # As it was written, to the byte: another case of a digit would be the same number.
        if not re.fullmatch(r"[0-9a-f]{128}\n", text):
            raise ValueError
        key.verify(bytes.fromhex(text.strip()), (folder / MANIFEST).read_bytes())
    except (InvalidSignature, ValueError):
        problems.insert(0, f"{SIGNATURE}: is not this key's signature of the manifest")
    return problems
