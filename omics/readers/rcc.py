"""NanoString's RCC files: one lane, one sample. Sections of text between marks, as nCounter's Digital Analyzer writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unibase.groundwork.problems import Unusable, UserError
from unibase.groundwork.reasons import NOT_A_NUMBER, TRUNCATED_FILE
from unibase.omics.readers.lines import text_lines
from unibase.omics.reasons import NOT_AN_RCC, REPEATED_GENE

_TABLE = "CodeClass,Name,Accession,Count"


@dataclass(frozen=True)
class Lane:
    """What one lane holds.

    Attributes:
        sample: `ID` of the sample, else the name of the file.
        reagents: Name of the code set (`GeneRLF`).
        fields_asked, fields_counted: Fields of view.
        binding_density: Spots per square micrometre.
        classes, names: Of each probe.
        counts: Of each probe, of shape (probes,).
    """

    sample: str
    reagents: str
    fields_asked: float
    fields_counted: float
    binding_density: float
    classes: tuple[str, ...]
    names: tuple[str, ...]
    counts: NDArray[np.float64]

    def of(self, kind: str) -> NDArray[np.float64]:
        """Return the counts of the probes of a `kind`, as the file orders them."""
        return self.counts[[name.lower().startswith(kind) for name in self.classes]]


def is_rcc(path: Path) -> bool:
    """Whether the file at `path` is an RCC, by its first lines."""
    return path.is_file() and any("<Header>" in line for line, _ in zip(text_lines(path), range(3), strict=False))


def read_lane(path: Path, named: str | None = None) -> Lane:
    """Read an RCC.

    Args:
        path: The file.
        named: Name of its sample, where the study says so.

    Raises:
        Unusable: `not-an-rcc` without a table of counts, `truncated-file` when it is not closed, `not-a-number`, `repeated-gene`.
        UserError: If there is nothing at `path`.
    """
    if not path.exists():
        raise UserError(f"There is no RCC at {path}. Check the path in the study file.")
    said, rows = _sections(path)
    if any(key.startswith("ngs_processing_attributes.") for key in said):
        raise Unusable(
            NOT_AN_RCC,
            "This is a DCC of the GeoMx, which counts probes of one area of a slide.",
            "The nCounter alone is read as nanostring.",
        )
    probes = [row.split(",") for row in rows]
    if any(len(row) != 4 or not row[3].strip().isdigit() for row in probes):
        raise Unusable(NOT_A_NUMBER, "A probe of the RCC has no whole count.", "Copy the file again.")
    names = [row[1] for row in probes]
    if len(set(names)) < len(names):
        raise Unusable(REPEATED_GENE, "The RCC lists a gene twice.", "Name its probes apart, in every lane alike.")
    return Lane(
        named or said.get("sample_attributes.id") or path.name.rsplit(".", 1)[0],
        said.get("sample_attributes.generlf", ""),
        _number(said, "lane_attributes.fovcount"),
        _number(said, "lane_attributes.fovcounted"),
        _number(said, "lane_attributes.bindingdensity"),
        tuple(row[0] for row in probes),
        tuple(names),
        np.array([float(row[3]) for row in probes]),
    )


def _sections(path: Path) -> tuple[dict[str, str], list[str]]:
    """Return what is said by section and key, and the rows of the table of counts."""
    said: dict[str, str] = {}
    rows: list[str] = []
    inside, closed = "", False
    for line in map(str.strip, text_lines(path)):
        if mark := re.fullmatch(r"<(/?)(\w+)>", line):
            inside = "" if mark[1] else mark[2].lower()
            closed = closed or (bool(mark[1]) and mark[2].lower() == "code_summary")
        elif inside == "code_summary":
            rows += [line] if line and line != _TABLE else []
        elif inside and "," in line:
            key, _, value = line.partition(",")
            said[f"{inside}.{key.lower()}"] = value.strip()
    if not rows:
        raise Unusable(NOT_AN_RCC, "The file has no table of counts (Code_Summary).", "Give an RCC of the nCounter.")
    if not closed:
        raise Unusable(TRUNCATED_FILE, "The table of counts of the RCC is not closed.", "Copy the file again from its source.")
    return said, rows


def _number(said: dict[str, str], key: str) -> float:
    try:
        return float(said.get(key, "nan").replace(",", "."))
    except ValueError:
        return float("nan")
