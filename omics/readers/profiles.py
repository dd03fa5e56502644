"""Lists beside variants: which samples were sequenced, which genes a panel covers, which places are hotspots."""

from __future__ import annotations

import re
from pathlib import Path

from unibase.groundwork.problems import UserError
from unibase.omics.genes import current_symbols


def read_profiled(path: Path | str) -> tuple[str, ...]:
    r"""Read the list of sequenced samples at `path`: one per line, or the column `sample` of a table.

    Raises:
        UserError: If there is nothing at `path`.

    >>> path = getfixture("tmp_path") / "profiled.txt"
    >>> _ = path.write_text("sample\nS2\nS1\n")
    >>> read_profiled(path)
    ('S1', 'S2')
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"There is no list of profiled samples at {path}. Check the path in the study file.")
    lines = [
        line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip() and not line.startswith("#")
    ]
    cells = [re.split(r"[\t,;]", line) for line in lines]
    header = [cell.lower().strip('"') for cell in cells[0]] if cells else []
    column = next((i for i, name in enumerate(header) if name in ("sample", "tumor_sample_barcode", "sample_id")), None)
    rows = cells if column is None else cells[1:]
    return tuple(sorted({row[column or 0].strip('" ') for row in rows}))


def read_panel(path: Path | str, *, rename_aliases: bool = True) -> frozenset[str]:
    r"""Read the genes that an assay covers from `path`, one a line; with `rename_aliases` outdated symbols become approved ones.

    Raises:
        UserError: If there is nothing at `path`, or no gene in it.

    >>> path = getfixture("tmp_path") / "panel.txt"
    >>> _ = path.write_text("TP53\nHER2\n")
    >>> sorted(read_panel(path))
    ['ERBB2', 'TP53']
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"There is no list of the panel's genes at {path}. Check the path in the study file.")
    genes = frozenset(path.read_text(encoding="utf-8-sig").split())
    if not genes:
        raise UserError(f"The list of the panel's genes {path} is empty. Write one gene a line, or leave the key out.")
    outdated = current_symbols(genes) if rename_aliases else {}
    return frozenset(outdated.get(gene, gene) for gene in genes)


def read_hotspots(path: Path | str) -> frozenset[tuple[str, int]]:
    r"""Read hotspots: a table (CSV, TSV) with the columns `gene` and `position`, the place in the protein.

    Raises:
        UserError: If there is nothing at `path`, a column is missing, or a position is no whole number; names the row.

    >>> path = getfixture("tmp_path") / "hotspots.csv"
    >>> _ = path.write_text("gene,position\nBRAF,600\n")
    >>> read_hotspots(path)
    frozenset({('BRAF', 600)})
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"There is no table of hotspots at {path}. Check the path in the study file.")
    lines = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip() and not line.startswith("#")]
    rows = [[cell.strip().strip('"') for cell in re.split(r"[\t,;]", line)] for line in lines]
    titles = rows[0] if rows else []
    if "gene" not in titles or "position" not in titles:
        raise UserError(f"The table of hotspots {path} lacks gene or position. It needs both columns, as in: KRAS,12")
    found: set[tuple[str, int]] = set()
    for number, row in enumerate(rows[1:], start=1):
        cells = dict(zip(titles, row, strict=False))
        gene, position = cells.get("gene", ""), cells.get("position", "")
        if not gene or not position.isdecimal():
            raise UserError(f"Row {number} of {path} has no gene, or no whole number as its position. Mend it.")
        found.add((gene, int(position)))
    outdated = current_symbols([gene for gene, _ in found])
    return frozenset((outdated.get(gene) or gene, position) for gene, position in found)
