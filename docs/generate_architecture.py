"""Write docs/architecture.md from what the stages declare: `python docs/generate_architecture.py`."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

from unibase.flows.runs.pipeline import ALL
from unibase.flows.runs.stage import Stage
from unibase.flows.study.places import Place

PAGE = Path(__file__).with_name("architecture.md")
ROOMS = sorted(path.name for path in (PAGE.parents[1] / "src" / "unibase").iterdir() if path.is_dir() and path.name[0] != "_")

HEAD = """\
# Architecture

A build goes through stages. Each stage has units: a file, a series, a matrix, a block of subjects. A unit is done once
and recorded in the work ledger, or quarantined with a reason. When its inputs, its options or the code that it runs
change, it is done again. Prefect runs the stages, Dask the units inside them. What a stage computes is a plain function
of a room, and knows neither.

## The stages of a build

A stage declares what it reads and what it leaves. The order of a build follows from that, and so does this page, which
`docs/generate_architecture.py` writes. A running stage that reaches for a place it did not declare ends the build.
`unibase run STAGE study.yaml` runs one stage alone.

"""

AFTER = """\
## Three zones

| zone | holds | who may see it |
|---|---|---|
| vault | names, numbers, the key, the identity ledger, the work ledger, the audit log | the custodian |
| staging | pseudonymised images, features, matrices, timelines | who builds |
| releases | tables, matrices, timeline, dictionary, page, manifest | who is entitled to them |

The way from the vault to staging is one door: a lookup from an identifier to a pseudonym and a shift of dates. Nothing
behind it knows a person.

## What holds everywhere

- **Same inputs, same bytes**, whatever the order of files, the number of workers or the day. There is no clock and no
  random number in an output.
- **Nothing is lost.** For each stage, units in are units done plus units quarantined. Rows add up the same way inside a
  source.
- **Memory is bounded** by a unit or a block, never by the cohort.
- **Nothing is written in place.** A file or folder is made beside its place and renamed into it.

What one room may ask of another is on the page of the [contracts](contracts.md). Each method has its page:
[de-identification](deidentification.md), [imaging](imaging.md), [the radiomics engine](radiomics-engine.md),
[omics](omics.md), [clinical](clinical.md), [linking](linking.md), [releases](releases.md).
"""


def page() -> str:
    """Return the text of the page: a picture of the stages, then a table of what each reads and leaves."""
    rows = [f"| `{one.name}` | {one.text} | {_places(one.reads)} | {_places(one.leaves)} |" for one in ALL]
    table = ["| stage | does | reads | leaves |", "|---|---|---|---|", *rows]
    places = sorted({place for one in ALL for place in (*one.reads, *one.leaves)}, key=lambda place: place.path)
    words = [
        "| place, below the workspace | holds |",
        "|---|---|",
        *(f"| `{place.path}` | {place.meaning} |" for place in places),
    ]
    return HEAD + "\n".join(["```mermaid", "flowchart TD", *_arrows(), "```", "", *table, "", *words, "", *_rooms(), "", AFTER])


def _rooms() -> list[str]:
    lines = ["## The rooms", "", "| room | what it is |", "|---|---|"]
    for room in ROOMS:
        said = (inspect.getdoc(importlib.import_module(f"unibase.{room}")) or "").split("\n\n")[0]
        lines.append(f"| `{room}/` | {' '.join(said.split())} |")
    return lines


def _arrows() -> list[str]:
    makers = {place: one for one in ALL for place in one.leaves}
    pairs = [(makers[place], one) for one in ALL for place in one.reads]
    lines = [f'    {one.name}["{one.name}: {one.text}"]' for one in ALL]
    return lines + [f"    {before.name} --> {after.name}" for before, after in dict.fromkeys(_near(pairs))]


def _near(pairs: list[tuple[Stage, Stage]]) -> list[tuple[Stage, Stage]]:
    """Return the pairs that no chain of others already says."""
    after: dict[str, set[str]] = {}
    for before, one in pairs:
        after.setdefault(before.name, set()).add(one.name)

    def reach(name: str) -> set[str]:
        return set().union(*({other} | reach(other) for other in after.get(name, ())))

    return [(a, b) for a, b in pairs if not any(b.name in reach(other) for other in after[a.name] - {b.name})]


def _places(places: tuple[Place, ...]) -> str:
    return "<br>".join(f"`{place.path}`" for place in places)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
