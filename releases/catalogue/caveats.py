"""What whoever uses a release should know first: how its subjects are spread, and where a naive analysis would go wrong.

All counts are those that the release's own record shows (`disclosure.parquet`).
"""

from __future__ import annotations

import polars as pl

from unibase.releases.catalogue.described_release import Release
from unibase.releases.disclosure import cohort_counts, decisions

USES = (
    "Research on cancer by teams whose access was approved: description, survival analysis, models checked on held-out centres."
)
MISUSES = "Not for decisions on single patients, nor for comparing centres as to their care; nobody may be identified."

_OF_CENTRE = "centre "


def centres_shown(release: Release) -> dict[str, int]:
    """Return the subjects of each centre whose number the page shows.

    Args:
        release: The release.
    """
    record = decisions.read(release.folder)
    if record is None:
        return {}
    told = record.filter(pl.col("shown") & pl.col("value").is_not_null() & (pl.col("output") == cohort_counts.OUTPUT))
    sizes = told.filter(pl.col("number").str.starts_with(_OF_CENTRE) & ~pl.col("number").str.contains("; with "))
    return {name.removeprefix(_OF_CENTRE): n for name, n in sizes.select("number", "value").iter_rows()}


def biases(release: Release) -> list[str]:
    """Return how the subjects are spread over centres and sex, as far as the release shows it.

    Args:
        release: The release.
    """
    record = decisions.read(release.folder)
    if record is None:
        return []
    # A block of the cube may bear the same name, and count the version before.
    told = record.filter(pl.col("shown") & pl.col("value").is_not_null() & (pl.col("output") == "characteristics"))
    shown = dict(told.select("number", "value").iter_rows())
    centres = [f"{name} {n}" for name, n in centres_shown(release).items()]
    sexes = [f"{name.split(' ')[1]} {n}" for name, n in shown.items() if name.split(" ")[0].upper() == "SEX" and ";" not in name]
    return [
        *([f"Subjects by centre: {', '.join(centres)}. Larger centres weigh more in every pooled number."] if centres else []),
        *([f"Subjects by sex: {', '.join(sexes)}."] if sexes else []),
    ]


def traps(release: Release) -> list[str]:
    """Return what a naive analysis of this release would get wrong.

    Args:
        release: The release.
    """
    tables = release.folder / "tables"
    adtte = pl.scan_parquet(tables / "adtte.parquet")
    names = adtte.collect_schema().names()
    found = ["Dates are shifted by subject: intervals are exact, seasons and calendar years are not."]
    if "ENTRY" in names and adtte.select(pl.col("ENTRY").is_not_null().any()).collect().item():
        found.append("Subjects enter late (ENTRY): a survival model without left truncation gives too long a survival.")
    unassessed = adtte.filter((pl.col("CNSR") != 0) & (pl.col("AVAL") <= 1)).select("PARAMCD").unique().sort("PARAMCD")
    if codes := unassessed.collect()["PARAMCD"].to_list() if "CNSR" in names else []:
        found.append(f"Of {', '.join(codes)}, some subjects are censored at the index, for nothing is known of them after it.")
    if (tables / "splits.parquet").is_file():
        found.append("Fit scalers, imputers and harmonisation on training subjects of the table splits alone.")
    if len(release.about.get("harmonisation", {})):
        found.append(
            "Columns combat_* are harmonised across centres; a model across centres should use these or the raw ones, not both."
        )
    return found
