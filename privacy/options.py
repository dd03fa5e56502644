"""What a study file may say of its key and of its custodians."""

from __future__ import annotations

from pydantic import ConfigDict, ValidationInfo, field_validator

from unibase.groundwork.sections import Section
from unibase.privacy.longest_shift import DEFAULT_MAX_SHIFT_DAYS as DEFAULT_MAX_SHIFT_DAYS


class KeySource(Section):
    """Where the secret key of the study comes from: exactly one of the three."""

    file: str | None = None
    """A key file of mode 0600 (`unibase key new FILE`), relative to the study file."""
    env: str | None = None
    """Name of the environment variable that holds the key in hexadecimal."""
    prefect_secret: str | None = None
    """Name of a Prefect Secret block that holds the key in hexadecimal."""

    @field_validator("prefect_secret")
    @classmethod
    def _exactly_one(cls, value: str | None, info: ValidationInfo) -> str | None:
        if sum(bool(v) for v in (*info.data.values(), value)) != 1:
            raise ValueError("name exactly one of file, env, prefect_secret")
        return value

    # Runs also when the key is absent, so that an empty section is refused.
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class VaultAtRest(Section):
    """The vault encrypted on disk (age), and where its identity comes from: exactly one of the four."""

    file: str | None = None
    """A file of mode 0600 (`unibase key vault FILE`), relative to the study file; best on a disk of its own."""
    env: str | None = None
    """Name of the environment variable that holds the identity."""
    command: list[str] | None = None
    """Words of a command that prints the identity, such as an agent or the tool of a hardware token."""
    memory: str = "/dev/shm"
    """Folder in memory where the vault stands in clear while a command uses it."""
    prefect_secret: str | None = None
    """Name of a Prefect Secret block that holds the identity."""

    @field_validator("prefect_secret")
    @classmethod
    def _exactly_one(cls, value: str | None, info: ValidationInfo) -> str | None:
        if sum(bool(v) for v in (info.data.get("file"), info.data.get("env"), info.data.get("command"), value)) != 1:
            raise ValueError("name exactly one of file, env, command, prefect_secret")
        return value

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class Custodians(Section):
    """Two custodians: where pseudonyms and shifts come from instead of the study's own key, which then serves UIDs and splits."""

    tokens: str
    """The identity custodian's token of each record (`unibase custodian tokens`), kept in the vault."""
    subjects: str
    """The study custodian's answer (`unibase custodian subjects`)."""
