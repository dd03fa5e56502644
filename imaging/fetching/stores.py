"""Files of a store that fsspec opens (an object store, a web folder, SFTP), copied to a folder, each once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from unibase.groundwork.faults import fault_of
from unibase.groundwork.files import atomic_file, digest_of
from unibase.groundwork.outcomes import quarantined
from unibase.groundwork.problems import Unusable, UserError
from unibase.groundwork.work import Outcome, Unit
from unibase.imaging.fetching.archives import safe_name
from unibase.imaging.fetching.polite import Again, Asking
from unibase.imaging.fetching.reasons import NOT_RETRIEVED, UNSAFE_MEMBER

if TYPE_CHECKING:
    import fsspec

_TOKENS = ("ETag", "etag", "checksum", "md5", "mtime", "LastModified", "last_modified", "modified", "created", "size")
"""What stores say of a file that changes with its content."""
_BLOCK = 2**20
NO_OPTIONS: Mapping[str, object] = {}
"""What a client is opened with that finds all it needs itself."""
_REFUSING = (401, 403)
"""Answers of a web server that does not let us in."""


@dataclass(frozen=True)
class Store:
    """A store.

    Attributes:
        files: The opened file system.
        root: The folder in it.
        asking: How it is asked.
        taken: Names here, with the file of the store that has each.
    """

    files: fsspec.AbstractFileSystem
    root: str
    asking: Asking
    taken: dict[PurePosixPath, str] = field(default_factory=dict, repr=False)

    def listed(self) -> Mapping[str, Mapping[str, object]]:
        """Return what the store says of each file below the root, by its name there, sorted.

        Raises:
            SourceAway: If it does not answer.
        """
        found = self.asking.ask(partial(self._asked, partial(self.files.find, self.root, detail=True, **self._aloud())))
        start = self.root.rstrip("/") + "/"
        # An object store's "folders" are empty objects whose names end in a slash.
        return {path.removeprefix(start): about for path, about in sorted(found.items()) if not path.endswith("/")}

    def _aloud(self) -> dict[str, Callable[[Exception], None]]:
        """Return what makes a client that lists folder by folder tell of one that it cannot list; it would pass over it."""
        from fsspec.asyn import AsyncFileSystem  # slow to import, and only where a study has a store
        from fsspec.spec import AbstractFileSystem

        kind = type(self.files)
        walks = kind._find is AsyncFileSystem._find if self.files.async_impl else kind.find is AbstractFileSystem.find
        return {"on_error": _raise_but_absent} if walks else {}

    def copy(self, name: str, about: Mapping[str, object], folder: Path, known: Outcome | None) -> Outcome:
        """Copy a file that is not there as the store has it now; return how it ended.

        Args:
            name: Its name below the root.
            about: What the store says of it.
            folder: Where it goes.
            known: How it ended in the run before, or None.

        Raises:
            SourceAway: If the store does not answer.
        """
        unit = Unit(name, digest_of({key: str(about[key]) for key in _TOKENS if key in about}))
        try:
            target = folder / self._own_name(name)
            there = target.is_file() and known is not None and known.status == "done"
            if there and known is not None and known.input_digest == unit.input_digest:
                return Outcome(name, unit.input_digest, "done", known.result)
            size = self.asking.ask(partial(self._asked, partial(self._copied, name, target)))
        except Unusable as problem:
            return quarantined(unit, problem.reason, problem.message, problem.remedy)
        if about.get("size") not in (None, size):
            target.unlink()
            return quarantined(unit, NOT_RETRIEVED, "It came with another size than the store says.", NOT_RETRIEVED.remedy)
        return Outcome(name, unit.input_digest, "done", {"size": size}, repeated=True)

    def _own_name(self, name: str) -> PurePosixPath:
        """Return the name of a file here.

        Raises:
            Unusable: If another file of the store has it as well, or lies in a folder of that name.
        """
        place = safe_name(name)
        others = self.taken.setdefault(place, name), *(self.taken.get(one, name) for one in place.parents)
        if any(one != name for one in others):
            raise Unusable(UNSAFE_MEMBER, "Another file of the store has its name here, or is in place of its folder.")
        return place

    def _copied(self, name: str, target: Path) -> int:
        size = 0
        path = f"{self.root.rstrip('/')}/{name}"
        with self.files.open(path, "rb") as source, atomic_file(target) as temporary, temporary.open("wb") as out:
            while block := source.read(_BLOCK):
                size += out.write(block)
        return size

    def _refused(self) -> UserError:
        said = "Name who asks under `credentials`, or give this process what the store's client reads."
        return UserError(f"{self.asking.archive} refuses us. {said}")

    def _asked(self, request: Callable[[], Any]) -> Any:
        """Make a request; tell what may pass from what is wrong of a file. Texts of libraries stay out: they hold addresses."""
        try:
            return request()
        except FileNotFoundError:
            raise Unusable(NOT_RETRIEVED, "It was listed and is gone.") from None
        except PermissionError:
            raise self._refused() from None
        except Exception as error:
            if getattr(error, "status", None) in _REFUSING or type(error).__name__ == "NoCredentialsError":
                raise self._refused() from None
            if _untrusted(error):
                said = "shows a certificate that is not trusted. Name the authority that signed it: tls.ca"
                raise UserError(f"{self.asking.archive} {said}") from None
            if isinstance(error, OSError) and (fault := fault_of(error)) and "ENOSPC" in fault.reason:
                raise
            raise Again(f"fails ({type(error).__name__})", of_the_study=False) from None


def _raise_but_absent(error: Exception) -> None:
    """Raise an error of listing a folder; one that is not there holds nothing."""
    if not isinstance(error, FileNotFoundError):
        raise error


def _untrusted(error: BaseException | None) -> bool:
    """Return whether an error, or one below it, is of a certificate; each client wraps it in its own."""
    return error is not None and (
        "CERTIFICATE_VERIFY_FAILED" in str(error) or _untrusted(error.__cause__) or _untrusted(error.__context__)
    )


def open_store(address: str, asking: Asking, options: Mapping[str, object] = NO_OPTIONS) -> Store:
    """Open a store.

    Args:
        address: Such as `s3://bucket/folder`.
        asking: How it is asked.
        options: What its client is opened with: who asks, certificates.

    Raises:
        UserError: If no package here opens such an address.
    """
    import fsspec  # slow to import, and only where a study has a store

    try:
        files, root = fsspec.core.url_to_fs(address, **{**options, "skip_instance_cache": True, "use_listings_cache": False})
    except (ImportError, ValueError):
        scheme = address.partition("://")[0]
        wants = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs", "https": "aiohttp", "http": "aiohttp", "sftp": "paramiko"}
        raise UserError(
            f"Addresses of {scheme}:// are opened by {wants.get(scheme, 'a package that is')}, not installed here. Install it beside unibase."
        ) from None
    return Store(files, root, asking)
