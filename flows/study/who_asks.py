"""Who asks an archive: secrets from files, the environment and Prefect, and certificates; none is written anywhere."""

from __future__ import annotations

import base64
import os
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from unibase.flows.study.study_file import Study
from unibase.groundwork.problems import UserError
from unibase.imaging.fetching.options import Credentials, DicomSource, Tls


@dataclass(frozen=True)
class Who:
    """Who asks: a user with a password, or a token; nobody where all are empty."""

    user: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The headers that tell a web service who asks."""
        if self.token:
            return [("Authorization", f"Bearer {self.token}")]
        pair = f"{self.user}:{self.password}".encode()
        return [("Authorization", f"Basic {base64.b64encode(pair).decode()}")] if self.user else []


def who_asks(study: Study, who: Credentials) -> Who:
    """Return who asks, with the secrets from where they are.

    Args:
        study: The study, which relative paths start from.
        who: Where the secrets are.

    Raises:
        UserError: If one is not where the study file says.
    """
    if who.token_prefect_secret or who.token_env:
        return Who(token=_of_header(_from_prefect(who.token_prefect_secret) or _variable(who.token_env or "")))
    return Who(_variable(who.user_env), _password(study, who)) if who.user_env else Who()


def _password(study: Study, who: Credentials) -> str:
    if who.password_prefect_secret or who.password_env:
        return _from_prefect(who.password_prefect_secret) or _variable(who.password_env or "")
    return _first_line(study.path(who.password_file or ""))


def _from_prefect(name: str | None) -> str:
    if not name:
        return ""
    from unibase.flows.study.prefect_key import read_secret  # imports Prefect

    return read_secret(name)


def _of_header(token: str) -> str:
    """Return a token, or raise where no header can hold it: the client's own error would show it."""
    if not (token.isascii() and token.isprintable()) or token != token.strip():
        raise UserError("The token of `credentials` holds spaces at an end, or characters that no token has. Copy it again.")
    return token


def store_options(study: Study, source: DicomSource) -> dict[str, object]:
    """Return what fsspec opens the store of a source with: who asks, where, and which certificates are trusted.

    Args:
        study: The study, which relative paths start from.
        source: A source whose images are in a store.

    Raises:
        UserError: If a secret or certificate is not where the study file says, or this kind of store takes them otherwise.
    """
    scheme, who = (source.store or "").partition("://")[0].lower(), who_asks(study, source.credentials)
    if scheme in ("s3", "s3a"):
        keys = {"key": who.user, "secret": who.password} if who.user else {}
        ca = {"client_kwargs": {"verify": str(study.path(source.tls.ca))}} if source.tls.ca else {}
        return {**keys, **ca, **({"endpoint_url": source.endpoint} if source.endpoint else {})}
    if scheme in ("http", "https"):
        # Proxies of the environment would see patients.
        return {"client_kwargs": {"headers": dict(who.headers), "trust_env": False}, "ssl": certificates(study, source.tls)}
    if scheme in ("sftp", "ssh") and who.user:
        return {"username": who.user, "password": who.password}
    if who != Who():
        raise UserError(f"`credentials` are not taken for {scheme}://. Give this process what the store's own client reads.")
    return {}


def _variable(name: str) -> str:
    value = os.environ.get(name, "").rstrip("\r\n")
    if not value:
        raise UserError(f"The environment variable {name}, which `credentials` names, is not set. Set it and start again.")
    return value


def _first_line(path: Path) -> str:
    if not path.is_file():
        raise UserError(f"There is no password file {path}. Write the password into it, mode 0600.")
    if path.stat().st_mode & 0o077:
        raise UserError(f"{path} can be read by others. Run: chmod 600 {path}")
    if not (line := path.read_text(encoding="utf-8").partition("\n")[0].strip("\r")):
        raise UserError(f"The first line of {path} is empty. Write the password into it.")
    return line


def listening(study: Study, tls: Tls) -> ssl.SSLContext:
    """Return what we show and trust where an archive opens a connection to us.

    Args:
        study: The study, which relative paths start from.
        tls: The files; with `ca`, the archive must show a certificate that it signed.

    Raises:
        UserError: If there is no certificate of ours, or a file cannot be used.
    """
    if not tls.certificate:
        raise UserError(
            "With dimse.retrieve: move and dimse.encrypted the archive opens an encrypted connection to us, and asks for our "
            "certificate: name tls.certificate and tls.key, or use retrieve: get."
        )
    context = _context(study, tls, ssl.Purpose.CLIENT_AUTH)
    if tls.ca:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def certificates(study: Study, tls: Tls) -> ssl.SSLContext:
    """Return what an encrypted connection trusts and shows.

    Args:
        study: The study, which relative paths start from.
        tls: The files.

    Raises:
        UserError: If one cannot be used.
    """
    return _context(study, tls, ssl.Purpose.SERVER_AUTH)


def _context(study: Study, tls: Tls, purpose: ssl.Purpose) -> ssl.SSLContext:
    try:
        authority = str(study.path(tls.ca)) if tls.ca else None
        context = ssl.create_default_context(purpose, cafile=authority)
        if tls.certificate:
            context.load_cert_chain(study.path(tls.certificate), study.path(tls.key) if tls.key else None)
    except (ssl.SSLError, OSError) as error:
        raise UserError(f"The files of `tls` cannot be used ({type(error).__name__}): PEM files are asked for.") from None
    return context
