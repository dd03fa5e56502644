"""The DICOM files of a centre, wherever they came from, by the names that the work ledger knows them by.

A file of a folder is named by its path there. A member of an archive is named by the archive's path, `!`, and its path
inside; a file that came from a PACS by its study and its SOPInstanceUID.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unibase.flows.runs.run import files_below
from unibase.flows.study.places import FETCHED
from unibase.flows.study.study_file import Study
from unibase.groundwork.problems import Unusable
from unibase.groundwork.work import WorkLedger
from unibase.imaging.fetching.archives import is_archive
from unibase.imaging.fetching.fetched import files_of
from unibase.imaging.fetching.media import media_below, read_medium


@dataclass(frozen=True)
class Images:
    """Where the images of a centre are on this machine.

    Attributes:
        centre: The centre.
        root: Folder that names of files are relative to.
        fetched: Where the stage `fetch` keeps what it brings.
        one_file: The archive or DICOMDIR that the study file names, or None for a folder.
        from_pacs: Whether they come from a PACS.
    """

    centre: str
    root: Path
    fetched: Path
    one_file: Path | None = None
    from_pacs: bool = False

    @property
    def unpacked(self) -> Path:
        """Where archives are unpacked to."""
        return self.fetched / "unpacked"

    def path(self, key: str) -> Path:
        """Return where a file is.

        Args:
            key: Its name in the work ledger.
        """
        plain = self.root / key
        return plain if plain.exists() or "!/" not in key else self.unpacked / key

    def there(self) -> list[Path]:
        """Return the files of the source, archives among them; of a DICOMDIR those that it names.

        Raises:
            SourceAway: If a folder cannot be listed.
        """
        if self.one_file is None:
            return files_below(self.root) if self.root.exists() else []
        if media_below([self.one_file]):
            try:
                return list(read_medium(self.one_file).there)
            except Unusable:
                return []  # the stage `fetch` tells it
        return [self.one_file]

    def files(self, ledger: WorkLedger) -> dict[str, Path]:
        """Return the DICOM files by their names: those of folders, of unpacked archives, and of studies that came whole.

        Args:
            ledger: How each archive and study ended.
        """
        ends = [outcome for _, outcome in ledger.known(f"fetch-{self.centre}").values()]
        if self.from_pacs:
            return {path.relative_to(self.root).as_posix(): path for path in files_of(self.root, ends)}
        done = {outcome.key for outcome in ends if outcome.status == "done"}
        found: dict[str, Path] = {}
        for path in self.there():
            name = path.relative_to(self.root).as_posix()
            if not is_archive(path):
                found[name] = path
            elif name in done:
                inside = self.unpacked / f"{name}!"
                found |= {f"{name}!/{one.relative_to(inside).as_posix()}": one for one in files_below(inside)}
        return dict(sorted(found.items()))


def images_of(study: Study, centre: str) -> Images | None:
    """Return where the images of a centre are, or None where it has none.

    Args:
        study: The study.
        centre: Name of the centre.
    """
    source = study.centres[centre].dicom
    if source is None:
        return None
    fetched = FETCHED.of(study.work.root, centre=centre)
    if source.local is None:
        return Images(centre, fetched / ("store" if source.store else "studies"), fetched, from_pacs=source.store is None)
    path = study.path(source.local)
    return Images(centre, path.parent, fetched, path) if path.is_file() else Images(centre, path, fetched)
