"""A look at the pixels of a folder: every image at risk, the boxes proposed, and the page on which a person decides."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from unibase.flows.runs.run import files_below
from unibase.groundwork.problems import Unusable, UserError
from unibase.imaging.pixel_text import finder, recognition
from unibase.imaging.pixel_text.look import Look, look_at
from unibase.imaging.pixel_text.look_page import write_look_page
from unibase.imaging.pixel_text.pixel_decisions import Decision, read_decisions, write_decisions

MOST_ON_A_PAGE = 200
"""Images on one page: more are spread over several."""


def look_at_folder(source: Path, review: Path, read: bool) -> str:
    """Look at every image at risk below a folder; return a summary in words.

    What was decided before stays decided. The review folder has mode 0700: it shows patients.

    Args:
        source: Folder with DICOM files.
        review: Folder to write: `pixels.csv` and pages.
        read: Whether texts are sought by the extra `ocr`; without it only the regions that headers give are proposed.

    Raises:
        UserError: If there is no source, or the extra is not installed.
    """
    if not source.is_dir():
        raise UserError(f"No folder at {source}. Name the folder that holds the DICOM files.")
    if read and not recognition.is_installed():
        raise UserError(
            "Texts in pixels are found by an extra that is not installed: pip install 'unibase[ocr]'. "
            "Or look without it, and draw every box yourself: unibase pixels SOURCE REVIEW --no-read"
        )
    review.mkdir(parents=True, exist_ok=True)
    review.chmod(0o700)
    listed = review / "pixels.csv"
    before = dict(read_decisions(listed)) if listed.exists() else {}
    found: dict[str, Decision] = {}
    unread: list[str] = []
    page: list[Look] = []
    pages = 0
    for look in _looks(source, read, unread):
        found[look.decision.image] = before.get(look.decision.image, look.decision)
        if not found[look.decision.image].verdict:
            page.append(look)
        if len(page) == MOST_ON_A_PAGE:
            pages += 1
            write_look_page(page, review / f"page-{pages:03d}.html")
            page = []
    if page:
        pages += 1
        write_look_page(page, review / f"page-{pages:03d}.html")
    write_decisions({**before, **found}.values(), listed)
    open_ones = sum(not one.verdict for one in found.values())
    lines = [f"{review}: {len(found)} images at risk, {open_ones} to decide, on {pages} pages"]
    lines += [f"{len(unread)} files could not be looked at; they stay in quarantine: {', '.join(unread[:5])}"] if unread else []
    if open_ones:
        lines.append(
            "Open the pages, decide, save pixels.csv over the one in this folder; then: deidentification.pixels, or --pixels."
        )
    return "\n".join(lines)


def _looks(source: Path, read: bool, unread: list[str]) -> Iterator[Look]:
    for path in files_below(source):
        name = path.relative_to(source).as_posix()
        try:
            look = look_at(path, name, finder.to_blank if read else None)
        except Unusable as problem:
            if problem.reason != "not-dicom":
                unread.append(name)
            continue
        if look is not None:
            yield look
