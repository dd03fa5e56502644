"""Files that a study writes: a few lines that stand for millions of values are refused by every reader, by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from unibase.clinical.derived.endpoint_definitions import Endpoints
from unibase.clinical.derived.quality_rules import QualityRules
from unibase.clinical.formats.mapping_rules import read_mapping
from unibase.clinical.words.concepts import Concepts
from unibase.flows.study.validation import read_study
from unibase.groundwork.problems import UserError
from unibase.groundwork.study_yaml import read_yaml


def bomb(levels: int, kind: str = "list") -> str:
    """Return YAML of `levels` + 1 short lines that stands for ten to the power of `levels` + 1 values."""
    names = ["*a{}"] * 10
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for n in range(1, levels + 1):
        many = [name.format(n - 1) for name in names]
        pairs = ", ".join(f"k{place}: {name}" for place, name in enumerate(many))
        lines.append(f"a{n}: &a{n} " + (f"[{', '.join(many)}]" if kind == "list" else f"{{{pairs}}}"))
    return "\n".join(lines)


READERS: list[Callable[[Path], object]] = [
    read_study,
    read_mapping,
    Concepts.read,
    Endpoints.read,
    QualityRules.read,
    lambda path: read_yaml(path, "file"),
]


@pytest.mark.parametrize("kind", ["list", "mapping"])
@pytest.mark.parametrize("reader", READERS)
def test_every_reader_refuses_a_file_that_unfolds_without_end(
    reader: Callable[[Path], object], kind: str, tmp_path: Path
) -> None:
    path = tmp_path / "étude.yaml"
    path.write_text(bomb(12, kind), encoding="utf-8")
    with pytest.raises(UserError, match=r"étude\.yaml: it unfolds to more than 100000 values by its aliases"):
        reader(path)


def test_a_few_aliases_are_let_be(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(bomb(2), encoding="utf-8")
    assert len(read_yaml(tmp_path / "own.yaml", "file")["a2"]) == 10  # type: ignore[index]
