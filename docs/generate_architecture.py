"""Write docs/architecture.md from what the stages declare: `python docs/generate_architecture.py`."""

from __future__ import annotations

from pathlib import Path

from unibase.flows.runs.pipeline import ALL
from unibase.flows.runs.stage import Stage
from unibase.flows.study.places import Place

PAGE = Path(__file__).with_name("architecture.md")

HEAD = """\
# The stages of a build

A stage declares what it reads and what it leaves. The order of a build follows from that, and so does this page, which
`docs/generate_architecture.py` writes. A running stage that reaches for a place it did not declare ends the build.

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
    return HEAD + "\n".join(["```mermaid", "flowchart TD", *_arrows(), "```", "", *table, "", *words, ""])


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
