"""What a person decided of the pixels of each image at risk: `pixels.csv`, in the vault."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from unibase.groundwork.files import write_text
from unibase.groundwork.problems import UserError
from unibase.imaging.pixel_text.boxes import Box, parsed, written

Verdict = Literal["blank", "accept", "reject", ""]
_VERDICTS = ("blank", "accept", "reject", "")
_COLUMNS = ("image", "source", "device", "columns", "rows", "frames", "boxes", "decision", "by")


@dataclass(frozen=True)
class Decision:
    """One image at risk.

    Attributes:
        image: BLAKE3 of the source file.
        source: Its name below the source folder, for the custodian.
        device: SOP class, maker and model.
        size: Columns, rows and frames.
        boxes: What is made black, in every frame.
        verdict: `blank` the boxes and release; `accept` the pixels as they are; `reject`; or empty while nobody decided.
        by: Who decided.
    """

    image: str
    source: str
    device: str
    size: tuple[int, int, int]
    boxes: tuple[Box, ...]
    verdict: Verdict = ""
    by: str = ""


def write_decisions(decisions: Iterable[Decision], path: Path) -> None:
    """Write decisions as a CSV of mode 0600, sorted by source.

    Args:
        decisions: The decisions.
        path: The file.
    """
    lines = [",".join(_COLUMNS)]
    for one in sorted(decisions, key=lambda one: (one.source, one.image)):
        cells = (one.image, one.source, one.device, *one.size, written(one.boxes), one.verdict, one.by)
        lines.append(",".join('"' + str(cell).replace('"', '""') + '"' for cell in cells))
    write_text(path, "\n".join(lines) + "\n", mode=0o600)


def read_decisions(path: Path) -> Mapping[str, Decision]:
    """Return the decisions of a CSV by the BLAKE3 of their image.

    Args:
        path: The file, as `unibase pixels` wrote it and a person changed it.

    Raises:
        UserError: If it is absent, or a row is not of its form; names the row, no value.
    """
    if not path.is_file():
        raise UserError(f"No decisions at {path}. Make the list first: unibase pixels SOURCE REVIEW")
    found: dict[str, Decision] = {}
    with open(path, encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        missing = {"image", "boxes", "decision"} - set(rows.fieldnames or ())
        if missing:
            raise UserError(
                f"{path.name} lacks the columns {', '.join(sorted(missing))}. Take the file that unibase pixels wrote."
            )
        for number, row in enumerate(rows, start=2):
            one = _decision(row, f"{path.name}, line {number}")
            if one.image in found and found[one.image] != one:
                raise UserError(
                    f"{path.name}, line {number}: the image was decided before, in another way. Keep one line for it."
                )
            found[one.image] = one
    return found


def _decision(row: Mapping[str, str | None], place: str) -> Decision:
    said = {key: (value or "").strip() for key, value in row.items() if key}
    verdict = said["decision"].lower()
    if verdict not in _VERDICTS:
        raise UserError(f"{place}: the decision is blank, accept, reject or empty. Correct it.")
    try:
        boxes = parsed(said["boxes"])
        size = tuple(int(said.get(key) or 0) for key in ("columns", "rows", "frames"))
    except (TypeError, ValueError):
        raise UserError(f"{place}: boxes are x,y,width,height in pixels, separated by semicolons. Correct them.") from None
    if verdict == "blank" and not boxes:
        raise UserError(f"{place}: the decision is blank and there is no box. Draw one, or write accept.")
    if verdict and not said.get("by"):
        raise UserError(f"{place}: the decision has no name in the column `by`. Write who decided.")
    return Decision(
        said["image"],
        said.get("source", ""),
        said.get("device", ""),
        cast(tuple[int, int, int], size),
        boxes,
        cast(Verdict, verdict),
        said.get("by", ""),
    )
