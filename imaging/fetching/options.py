"""What a study file may say of where a centre's images are fetched from."""

from __future__ import annotations

import re
from datetime import date
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from unibase.groundwork.sections import Section, StudyFile

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_AE_TITLE = re.compile(r"[ -\[\]-~]{1,16}")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def is_url(path: str) -> bool:
    """Return whether a `path` of the study file is the address of a store and no place on a disk.

    Args:
        path: As the study file writes it.

    Example:
        >>> is_url("s3://bucket/lyon"), is_url("../lyon/dicom"), is_url("C:/export")
        (True, False, False)
    """
    return bool(_URL.match(path))


def without_password(address: str) -> str:
    """Return an address, or raise where a password stands in it.

    Raises:
        ValueError: If it holds one: study files are shown and stored in releases.
    """
    if "@" in urlsplit(address).netloc and urlsplit(address).password:
        raise ValueError("write no password into an address: name it under `credentials`")
    return address


class Credentials(Section):
    """Who asks. Nothing secret stands in the study file: each key names where it is."""

    user_env: str | None = None
    """Environment variable with the user's name (HTTP Basic)."""
    password_env: str | None = None
    """Environment variable with the password."""
    password_file: StudyFile = None
    """File of mode 0600 with the password in its first line, relative to the study file."""
    password_prefect_secret: str | None = None
    """Prefect Secret block with the password."""
    token_env: str | None = None
    """Environment variable with a bearer token; instead of user and password."""
    token_prefect_secret: str | None = None
    """Prefect Secret block with a bearer token."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        passwords = sum(bool(one) for one in (self.password_env, self.password_file, self.password_prefect_secret))
        if passwords != bool(self.user_env):
            raise ValueError(
                "user_env wants one of password_env, password_file, password_prefect_secret, and each of them user_env"
            )
        if sum(bool(one) for one in (self.user_env, self.token_env, self.token_prefect_secret)) > 1:
            raise ValueError("name one of user_env, token_env, token_prefect_secret")
        return self


class Tls(Section):
    """Certificates of an encrypted connection."""

    ca: StudyFile = None
    """PEM file of the authority that signed the archive's certificate; by default those of the system."""
    certificate: StudyFile = None
    """PEM file of our own certificate, where the archive asks for one."""
    key: StudyFile = None
    """PEM file of its private key, mode 0600."""


class Dimse(Section):
    """A node that speaks DIMSE: C-FIND, and C-GET or C-MOVE. Needs the extra `pacs`."""

    host: str
    """Name or address of the archive."""
    port: int = Field(ge=1, le=65535)
    """Its port: 104, 11112 or 4242 as a rule."""
    called: str
    """Its AE title."""
    calling: str = "UNIBASE"
    """Our AE title, as the archive knows us."""
    retrieve: Literal["get", "move"] = "get"
    """`get`: the archive sends over our connection. `move`: it opens one to us, and must know our title, address and port."""
    listen_port: int = Field(default=11113, ge=1, le=65535)
    """For `move`: the port that we listen on while we fetch."""
    listen_host: str = "0.0.0.0"
    """For `move`: the address that we listen on."""
    encrypted: bool = False
    """Speak TLS; certificates under `tls`."""

    @field_validator("called", "calling")
    @classmethod
    def _titles(cls, title: str) -> str:
        if not _AE_TITLE.fullmatch(title) or not title.strip():
            raise ValueError("an AE title has 1 to 16 characters of ASCII without a backslash")
        return title


class StudyChoice(Section):
    """Which studies of an archive are fetched; what is named narrows further."""

    persons: Literal["ledger", "any"] = "ledger"
    """`ledger`: studies of the hospital numbers in the identity ledger, asked for number by number. `any`: of whoever the rest
    names; images of persons who are not in the ledger are then quarantined."""
    accessions: StudyFile = None
    """CSV with a column `accession`: only these accession numbers."""
    modalities: list[str] = Field(default=[])
    """Only studies that hold one of these modalities, such as CT."""
    first_day: date | None = None
    """Only studies of this day or later."""
    last_day: date | None = None
    """Only studies of this day or earlier."""

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.persons == "any" and not (self.accessions or self.modalities or self.first_day or self.last_day):
            raise ValueError("persons: any would ask for the whole archive; name accessions, modalities or days")
        return self


class Pace(Section):
    """How much we ask of an archive."""

    requests_per_second: float | None = Field(default=None, gt=0)
    """At most so many requests in a second; null asks as fast as it is answered."""
    hours: str | None = None
    """Hours of the day at which we may ask, such as `20:00-06:00`; outside of them the run stops and says when to go on."""
    tries: int = Field(default=5, ge=1, le=50)
    """How often a request is made before the archive counts as away; pauses between them double."""
    timeout: float = Field(default=60, gt=0)
    """Seconds without an answer after which a request has failed."""
    quiet_minutes: float = Field(default=60, ge=0)
    """A study is fetched when the archive received nothing of it for so long."""

    @field_validator("hours")
    @classmethod
    def _hours(cls, hours: str | None) -> str | None:
        if hours is not None and (not _HOURS.fullmatch(hours) or len(set(hours.split("-"))) == 1):
            raise ValueError("write hours as 20:00-06:00")
        return hours


class DicomSource(Section):
    """Where a centre's images are: exactly one of path, dicomweb and dimse."""

    path: str | None = None
    """Folder, zip or tar file, DICOMDIR, or address of a store that fsspec opens (`s3://bucket/folder`, `https://host/folder/`,
    `sftp://host/folder`). A text alone in the place of this section means the same."""
    dicomweb: str | None = None
    """Root of a DICOMweb service (QIDO-RS, WADO-RS), such as https://pacs.example/dicom-web."""
    dimse: Dimse | None = None
    endpoint: str | None = None
    """Of an S3-like store that is not Amazon's, its address, such as https://minio.example."""
    studies: StudyChoice = StudyChoice()
    credentials: Credentials = Credentials()
    tls: Tls = Tls()
    pace: Pace = Pace()

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(bool(one) for one in (self.path, self.dicomweb, self.dimse)) != 1:
            raise ValueError("name exactly one of path, dicomweb, dimse")
        if self.endpoint and not (self.path or "").lower().startswith(("s3://", "s3a://")):
            raise ValueError("endpoint is of an address that begins with s3://")
        for address in (self.path, self.dicomweb, self.endpoint):
            without_password(address or "")
        if self.dicomweb and urlsplit(self.dicomweb).scheme not in ("http", "https"):
            raise ValueError("dicomweb is an address that begins with https:// or http://")
        return self

    @property
    def local(self) -> str | None:
        """The path on this machine, or None where images come over a network."""
        return self.path if self.path and not is_url(self.path) else None

    @property
    def store(self) -> str | None:
        """The address of a store that fsspec opens, or None."""
        return self.path if self.path and is_url(self.path) else None


class DicomTarget(Section):
    """Where de-identified images go (`unibase send`): exactly one of dicomweb and dimse."""

    dicomweb: str | None = None
    """Root of a DICOMweb service that takes STOW-RS."""
    dimse: Dimse | None = None
    """A node that takes C-STORE; of its keys those of retrieving do not count."""
    results: bool = False
    """Send the regions that `features` names as DICOM SEG, and their features as reports of template 1500, as well."""
    credentials: Credentials = Credentials()
    tls: Tls = Tls()
    pace: Pace = Pace()

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if bool(self.dicomweb) == bool(self.dimse):
            raise ValueError("name exactly one of dicomweb, dimse")
        without_password(self.dicomweb or "")
        return self
