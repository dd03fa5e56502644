"""Sets of genes as GMT files name them: one a line, its name, a description, and its genes."""

from __future__ import annotations

import re
from pathlib import Path

from unibase.groundwork.problems import Unusable, UserError
from unibase.omics.readers.tabular import content

_WEIGHTED = re.compile(r"^(?P<gene>[^,]+),(?P<weight>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)$")


def read_gene_sets(path: Path | str) -> dict[str, tuple[str, ...]]:
    r"""Read the sets of genes at `path` (GMT; gzip): their genes as the file names them, each once, in the order of the file.

    Genes with a weight (`TP53,1.0`) are read where every weight is 1.

    Raises:
        UserError: If there is nothing at `path`, a line has no name or no gene, a set comes twice, or weights differ.

    >>> path = getfixture("tmp_path") / "sets.gmt"
    >>> _ = path.write_text("HYPOXIA\tof a centre\tCA9\tVEGFA\tCA9\n")
    >>> read_gene_sets(path)
    {'HYPOXIA': ('CA9', 'VEGFA')}
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"There is no file of gene sets at {path}. Check the path in the study file.")
    try:
        text = content(path)[0].decode()
    except Unusable as problem:
        raise UserError(f"The gene sets {path}: {problem.message} {problem.remedy}") from None
    found: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        cells = [cell.strip() for cell in line.split("\t")]
        genes = tuple(dict.fromkeys(_gene(cell, number, path) for cell in cells[2:] if cell))
        if not any(cells):
            continue
        if not genes or not cells[0]:
            raise UserError(
                f"Line {number} of {path} has no name or no gene. GMT is: name, description, genes, with tabs between."
            )
        if cells[0] in found:
            raise UserError(f"Line {number} of {path} names a set a second time. Give each set a name of its own.")
        found[cells[0]] = genes
    if not found:
        raise UserError(f"There is no gene set in {path}. GMT is: name, description, genes, with tabs between.")
    return found


def _gene(cell: str, number: int, path: Path) -> str:
    weighted = _WEIGHTED.match(cell)
    if weighted and float(weighted["weight"]) != 1:
        raise UserError(f"Line {number} of {path} weighs its genes, and scores here are of sets alone. Leave the weights out.")
    return weighted["gene"] if weighted else cell
