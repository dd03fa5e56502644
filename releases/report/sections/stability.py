"""Section: how many image features withstand perturbation and repetition."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

import polars as pl

from unibase.releases.report.data import Contents, ReportData, at_least
from unibase.releases.report.section import Section


def summary(robustness: pl.DataFrame | None, min_cell: int) -> list[dict[str, object]]:
    """Return, by kind, modality and target, how many features are stable in each family; nothing of too few persons.

    Args:
        robustness: The robustness table of a release.
        min_cell: Fewest persons of whom anything is told.
    """
    found = []
    for part in [] if robustness is None else robustness.partition_by("kind", "Modality", "region", maintain_order=True):
        persons = part["persons"].cast(pl.Int64).to_list()
        most = max((one for one in persons if one is not None), default=0)
        hidden = most < max(1, min_cell)
        families = part.with_columns(family=pl.col("feature").str.split("_").list.first())
        found.append(
            {
                "kind": part["kind"][0],
                "name": f"{part['Modality'][0]} {part['region'][0]}",
                "persons": None if hidden else at_least(most, min_cell),
                "families": [] if hidden else [_family(name, rows) for name, rows in _groups(families)],
            }
        )
    return found


@dataclass(frozen=True)
class _Family:
    """How many features of a family are stable: `width` in percent, `median` of their ICC(2,1)."""

    name: str
    stable: int
    total: int
    width: int
    median: str


def _groups(frame: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    keys = ["image_type", "family"]
    parts = frame.partition_by(keys, maintain_order=True)
    return [(" ".join(str(part[key][0]) for key in keys), part) for part in parts]


def _family(name: str, rows: pl.DataFrame) -> _Family:
    known = rows["icc_2_1"].drop_nulls().to_list()
    stable, total = int(rows["stable"].sum()), rows.height
    return _Family(name, stable, total, round(100 * stable / total), f"{median(known):.2f}" if known else "–")


def contents(data: ReportData) -> Contents | None:
    """Return what the template shows; nothing where stability was not measured.

    Args:
        data: The data of the page.
    """
    groups = summary(data.table("robustness") if data.has("robustness") else None, data.min_cell)
    return {"stability": groups} if groups else None


SECTION = Section(
    "stability",
    ("Stabilité des caractéristiques d'image", "Stability of image features"),
    ("Stabilité", "Stability"),
    contents,
    after="features",
)
