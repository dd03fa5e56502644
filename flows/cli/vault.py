"""Commands for who holds the vault: keys, and the way back to persons."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from unibase.flows.cli.app import app, key_app
from unibase.groundwork.problems import UserError


@app.command
def reidentify(
    vault: Path,
    *pseudonyms: str,
    reason: Literal["care", "rights", "correction", "check"],
    key_file: Path | None = None,
    source: Path | None = None,
    subjects: Path | None = None,
) -> None:
    """Show the custodian the person, and the source files, behind pseudonyms; each use is in the audit log of the vault.

    Example: `unibase reidentify study.yaml 355940857260635191 --reason care`

    Args:
        vault: The study file; or the folder NAME.vault that `unibase deidentify` left.
        pseudonyms: Values of subject_id, or UIDs of de-identified DICOM.
        reason: care: a finding concerns their care. rights: they use a right. correction: a source is to be corrected.
            check: a check of the pipeline.
        key_file: The secret key, where no study file names it.
        source: Folder of the source DICOM, where no study file names it.
        subjects: Of two custodians: what the study custodian revealed (unibase custodian reveal).
    """
    from unibase.flows.vault.reidentify import reidentify as go_back
    from unibase.flows.vault.reidentify import vault_of_folder, vault_of_study

    if not pseudonyms:
        raise UserError("Name at least one subject_id or UID: unibase reidentify study.yaml SUBJECT_ID --reason care")
    found = vault_of_folder(vault, key_file, source) if vault.is_dir() else vault_of_study(vault, subjects)
    print(go_back(found, pseudonyms, reason))


@key_app.command(name="new")
def key_new(file: Path) -> None:
    """Make a new secret key, mode 0600.

    Example: `unibase key new study.key`

    Args:
        file: The file to write; it must not exist.
    """
    from unibase.privacy.keys import new_key, write_key_file

    key = new_key()
    write_key_file(key, file)
    print(f"{file}: fingerprint {key.fingerprint}. Keep it in the vault; without it nobody can build the same release again.")


@key_app.command(name="vault")
def key_vault(file: Path) -> None:
    """Make an age identity that a vault is sealed with, mode 0600; `vault: {file: FILE}` in the study file names it.

    Example: `unibase key vault vault.identity`

    Args:
        file: The file to write; it must not exist.
    """
    from unibase.privacy.custody.sealed_folder import new_identity

    print(f"{file}: {new_identity(file)}. Keep a copy elsewhere: without it nobody opens a vault that it sealed.")


@key_app.command(name="signing")
def key_signing(file: Path) -> None:
    """Make a key that signs releases, mode 0600, and its public half; `signing_key: FILE` in the study file names it.

    Example: `unibase key signing site.pem`

    Args:
        file: The file to write; it must not exist. The public half stands beside it as NAME.pub.
    """
    from unibase.releases.content.signing import fingerprint, new_signing_key

    new_signing_key(file)
    print(f"{file}.pub is for recipients. Tell them its fingerprint another way: {fingerprint(f'{file}.pub')}")


@key_app.command(name="rotate")
def key_rotate(study: Path, file: Path) -> None:
    """Make a new key for a study and list, in the vault, which pseudonym becomes which; no link changes.

    Example: `unibase key rotate study.yaml new.key`

    Args:
        study: The study file, still with the old key.
        file: The key file to write; it must not exist.
    """
    from unibase.flows.vault.custodian import rotate

    print(rotate(study, file))


@key_app.command(name="fingerprint")
def key_fingerprint(file: Path) -> None:
    """Show the fingerprint of a key, which may be published.

    Example: `unibase key fingerprint study.key`

    Args:
        file: The key file.
    """
    from unibase.privacy.keys import read_key_file

    print(read_key_file(file).fingerprint)
