"""Lists beside variants: which samples were sequenced, which genes a panel covers, which places are hotspots."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from unibase.groundwork.problems import Unusable, UserError
from unibase.omics.genes import current_symbols
from unibase.omics.reasons import OTHER_NAMES


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


def profiled_samples(
    profiled: Path | str | Sequence[str] | None,
    sequenced: tuple[str, ...] | None,
    carriers: set[str],
    notes: list[str],
    held: Literal["variants", "rearrangements"] = "variants",
) -> set[str]:
    """Return the samples that were sequenced: those of a list, else of the MAF's own header, else those with a row.

    Args:
        profiled: Names, or a file of them.
        sequenced: Names in the header.
        carriers: Samples of the rows.
        notes: Ledger lines, to which is added where the samples are from.
        held: What the rows are.

    Raises:
        Unusable: `other-names`.
    """
    if profiled is None and sequenced is None:
        notes.append(f"no list of profiled samples: only samples with {held} count as profiled")
        return carriers
    if profiled is None:
        listed = set(sequenced or ())
        notes.append(f"{len(listed)} samples sequenced, as the MAF's own header says")
    else:
        listed = set(read_profiled(profiled) if isinstance(profiled, str | Path) else profiled)
    if len(carriers) > 1 and not carriers & listed:
        raise Unusable(
            OTHER_NAMES,
            f"None of the {len(carriers)} samples with {held} is on the list of profiled samples.",
            "Name samples in the list as the table does (in a MAF: Tumor_Sample_Barcode).",
        )
    _refuse_longer(carriers - listed, listed)
    if carriers - listed:
        notes.append(f"{len(carriers - listed)} samples with {held} were not on the list of profiled samples")
    return listed | carriers


def _refuse_longer(strange: set[str], listed: set[str]) -> None:
    """Refuse samples that are listed by a shorter name: the listed one would pass for wild type.

    Raises:
        Unusable: `other-names`.
    """
    short = [
        name
        for name in strange
        if any(name[:at] in listed for at in range(4, len(name)) if name[at] in "-._" or name[at].isalpha())
    ]
    if short:
        raise Unusable(
            OTHER_NAMES,
            f"{len(short)} samples of the table are on the list of profiled samples by a shorter name.",
            "Name samples in the list as the table does (in a MAF: Tumor_Sample_Barcode).",
        )
