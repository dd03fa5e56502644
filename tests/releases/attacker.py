"""An attacker who has the page, the dictionary, the manifest and the record of a release, and integer programming.

Independent of the disclosure program: it reads the files, writes down what they say of unknown counts, and asks the
solver for the least and greatest value of every count that is masked.
"""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

MASK = "•"


class Tables(HTMLParser):
    """The tables of a page by the section they stand in, as rows of texts in English; a dot that is on is `x`, one that is off `-`."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sections: dict[str, list[list[str]]] = {}
        self._section, self._row, self._hidden, self._depth = "", [""], 0, 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        if tag == "section":
            self._section = known["id"]
        if tag == "tr":
            self._row = []
        if tag in ("td", "th"):
            self._row.append("")
            if "dot" in known.get("class", "").split():
                self._row[-1] = "x" if "on" in known["class"].split() else "-"
        if tag == "span":
            self._depth += 1
            if known.get("lang") == "fr" and not self._hidden:
                self._hidden = self._depth

    def handle_endtag(self, tag: str) -> None:
        if tag == "span":
            self._hidden = 0 if self._hidden == self._depth else self._hidden
            self._depth -= 1
        if tag == "tr":
            self.sections.setdefault(self._section, []).append(self._row)
            self._row = []

    def handle_data(self, data: str) -> None:
        if not self._hidden and self._row:
            self._row[-1] += data.strip()


@dataclass
class Unknowns:
    """Counts of persons alike in centre and modalities, and what is known of their sums."""

    atoms: list[tuple[str, tuple[bool, ...]]]
    rows: list[np.ndarray] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def of(self, centre: str | None = None, pattern: tuple[bool, ...] | None = None, has: int | None = None) -> np.ndarray:
        """The persons of a centre, with a combination, with a modality, as a row of 0 and 1."""
        chosen = [centre in (None, c) and pattern in (None, p) and (has is None or p[has]) for c, p in self.atoms]
        return np.array(chosen, dtype=float)

    def says(self, row: np.ndarray, value: float) -> None:
        """Note what a sum is."""
        self.rows.append(row)
        self.values.append(value)

    def bounds(self, row: np.ndarray) -> tuple[float, float]:
        """The least and greatest whole value that a sum can have."""
        kept = LinearConstraint(np.array(self.rows), self.values, self.values)
        ends = []
        for sign in (1, -1):
            found = milp(sign * row, constraints=kept, integrality=np.ones(len(row)), bounds=Bounds(0, np.inf))
            assert found.status in (0, 4, 3), found.message
            ends.append(sign * found.fun if found.status == 0 else np.inf)
        return ends[0], ends[1]


@dataclass(frozen=True)
class Found:
    """What the attacker made of one masked count."""

    name: str
    low: float
    high: float


def read(release: Path) -> tuple[Unknowns, dict[str, np.ndarray]]:
    """Read all that a release tells of the combinations of modalities: what is known, and the masked counts by name."""
    manifest = json.loads((release / "manifest.json").read_text(encoding="utf-8"))
    rows = Tables((release / "report.html").read_text(encoding="utf-8")).sections["modalities"]
    names = rows[0][:-1]
    assert sorted(names) == sorted(manifest["modalities"])
    by_centre = rows[next(i for i, row in enumerate(rows) if row[0] == "Centre") + 1 :]
    unknown = Unknowns(
        list(itertools.product([row[0] for row in by_centre], itertools.product((False, True), repeat=len(names))))
    )
    masked: dict[str, np.ndarray] = {}

    def told(name: str, row: np.ndarray, text: str | int | None) -> None:
        if text in (MASK, None):
            masked[name] = row
        else:
            unknown.says(row, float(str(text).replace("\u202f", "")))

    told("all", unknown.of(), manifest["subjects"])
    drawn = [row for row in rows if len(row) == len(names) + 1 and set(row[:-1]) <= {"x", "-"}]
    for row in drawn:
        told(f"pattern {row[:-1]}", unknown.of(pattern=tuple(cell == "x" for cell in row[:-1])), row[-1])
    for place, name in enumerate(names):
        told(name, unknown.of(has=place), manifest["modalities"][name]["subjects"])
    for row in by_centre:
        told(row[0], unknown.of(row[0]), row[1])
        for place, cell in enumerate(row[2:]):
            share = re.fullmatch(r"(\d+) %", cell)
            if share and row[1] != MASK:
                count = round(int(share[1]) * int(row[1]) / 100)
                # A share is rounded: it says the count where one whole number alone fits.
                if sum(round(100 * n / int(row[1])) == int(share[1]) for n in range(int(row[1]) + 1)) == 1:
                    unknown.says(unknown.of(row[0], has=place), count)
            elif cell == MASK:
                masked[f"{row[0]} {names[place]}"] = unknown.of(row[0], has=place)
    _read_dictionary(release, names, unknown)
    return unknown, masked


def _read_dictionary(release: Path, names: list[str], unknown: Unknowns) -> None:
    """Note what the dictionary says of the sample of each assay: who has none lacks the assay."""
    for row in json.loads((release / "dictionary" / "dictionary.json").read_text(encoding="utf-8")):
        assay = row["column"].removesuffix("_sample")
        if row["table"] != "analysis" or assay not in names or assay == row["column"] or row["rows"] is None:
            continue
        place = names.index(assay)
        missing = [
            row["missing"],
            sum(row["missing_by_reason"].values()) if None not in row["missing_by_reason"].values() else None,
        ]
        for count in missing:
            if count is not None and (count or not row["missing_by_reason"]):
                unknown.says(unknown.of() - unknown.of(has=place), float(count))
        for centre, pair in row["completeness_by_centre"].items():
            if pair is not None:
                unknown.says(unknown.of(centre, has=place), float(pair[0]))


def solve(unknown: Unknowns, masked: dict[str, np.ndarray]) -> list[Found]:
    """Return what can be said of each masked count."""
    return [Found(name, *unknown.bounds(row)) for name, row in masked.items()]
