"""Fusions and structural variants from tables: cBioPortal's and GENIE's, Arriba's, STAR-Fusion's, FusionCatcher's, and plain ones.

Titles are those that the tools' manuals give (Arriba 2, STAR-Fusion 1.10, FusionCatcher 1.33) and cBioPortal's page of file formats.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from unibase.groundwork.problems import Unusable, UserError
from unibase.omics.genes import NO_NAME, current_symbols
from unibase.omics.readers.lines import text_lines
from unibase.omics.readers.panels import Panels
from unibase.omics.readers.profiles import profiled_samples
from unibase.omics.readers.tabular import Table, is_packed_sheet, read_table
from unibase.omics.reasons import NO_SAMPLE_NAMES, NOT_REARRANGEMENTS, UNKNOWN_WORD
from unibase.omics.recognise.names import plain

EVENTS: dict[str, pl.DataType] = {"sample": pl.String(), "gene1": pl.String(), "gene2": pl.String()}
_TITLES = {
    "sample": ("sampleid", "sample", "tumorsamplebarcode", "modelid", "depmapid", "samplename", "patientid", "patient"),
    "gene1": ("site1hugosymbol", "gene1", "leftgene", "gene1symbol5endfusionpartner", "5gene", "genea", "fiveprimegene"),
    "gene2": ("site2hugosymbol", "gene2", "rightgene", "gene2symbol3endfusionpartner", "3gene", "geneb", "threeprimegene"),
    "status": ("svstatus", "fusionstatus", "status"),
    "confidence": ("confidence", "classification"),
    "fusion": ("fusion",),
    "joined": ("fusiongenes", "fusionname", "genefusion", "fusiongene"),
    "gene": ("hugosymbol",),
}
_GENERIC = re.compile(r"(?i)^(fusions?|star-?fusion|final-list.*|arriba|fusion_?catcher)$")
"""Names that a tool gives all of its files: the folder names the sample."""
_SOMATIC, _GERMLINE = frozenset(("somatic", "", "na", "unknown")), frozenset(("germline",))


@dataclass(frozen=True)
class Rearrangements:
    """Genes that were joined or broken, in profiled samples.

    Attributes:
        events: A row an event: sample and its two genes (`EVENTS`); a side without a gene is empty, and a gene that is broken within
            itself stands on both.
        profiled: Every sample that was looked at, those without an event too; in order of name.
        panel: Genes the assay covers, or None for all.
        panels: Panel of each sample, where there are several.
        notes: Ledger lines.
        unknown: Pairs (sample, gene) of which nobody knows: a genotype is missing.
    """

    events: pl.DataFrame
    profiled: tuple[str, ...]
    panel: frozenset[str] | None = None
    panels: Panels | None = None
    notes: tuple[str, ...] = field(default=())
    unknown: tuple[tuple[str, str], ...] = ()


def events_of(rows: Sequence[tuple[str, str, str]], notes: list[str]) -> tuple[pl.DataFrame, dict[str, str]]:
    """Return events by approved symbols, the two genes in order of the alphabet, each pair once in a sample; and what was renamed.

    Args:
        rows: Sample and its two genes; empty where a side has none.
        notes: Ledger lines, to which what was left out or merged is added.
    """
    renamed = current_symbols(sorted({gene for row in rows for gene in row[1:] if gene}))
    named = [(sample, *sorted(renamed.get(gene, gene) for gene in genes)) for sample, *genes in rows]
    some = [row for row in named if row[1] or row[2]]
    frame = pl.DataFrame(some, schema=EVENTS, orient="row")
    distinct = frame.unique(maintain_order=True)
    for count, said in (
        (len(named) - len(some), "rearrangements left out: no gene lies at either end"),
        (frame.height - distinct.height, "rows of events that were listed before merged"),
        (len(renamed), "outdated gene symbols replaced"),
    ):
        notes += [f"{count} {said}"] if count else []
    return distinct, renamed


def read_rearrangements(
    path: Path, profiled: Sequence[str] | Path | str | None = None, named: str | None = None
) -> Rearrangements:
    """Read a table of fusions or structural variants.

    Left out, and counted: what is germline, what Arriba has low confidence in, rows without a gene. A table without a column of
    samples holds one, which its name names (or its folder, where the tool names all files alike); it is profiled, with and without an
    event.

    Args:
        path: The table.
        profiled: Names of all profiled samples, or a file of them; without it, of a table of several samples those with a row are known.
        named: Name of the only sample, where the study says so.

    Raises:
        Unusable: `not-rearrangements` when columns are missing, `unknown-word` for a status that is none, `other-names` when the
            list of profiled samples has none of the table's.
        UserError: If there is nothing at `path`.
    """
    if not path.exists():
        raise UserError(f"There is no table of rearrangements at {path}. Check the path in the study file.")
    if "discarded" in path.name.lower():
        raise Unusable(
            NOT_REARRANGEMENTS,
            "The file's name says that these are the events that were discarded.",
            "Give the others (fusions.tsv).",
        )
    table = _table(path)
    places = _places(table.titles)
    single = named or ("" if "sample" in places else _sample_of(path, table.titles))
    notes: list[str] = []
    cells = {name: table.texts(at) for name, at in places.items()}
    height = table.frame.height
    samples = [single] * height if single else cells["sample"]
    if not all(samples):
        raise Unusable(NO_SAMPLE_NAMES, f"Row {samples.index('') + 1} names no sample.", "Fill it in, or remove the row.")
    confident = set(_confident(cells, height, notes))
    kept = [row for row in _somatic(cells, height, notes) if row in confident]
    events, _ = events_of(_pairs(cells, samples, kept), notes)
    told = {single} if single else profiled_samples(profiled, None, set(samples), notes, "rearrangements")
    return Rearrangements(events, tuple(sorted(told)), notes=tuple(notes))


def _table(path: Path) -> Table:
    """Return the table; one of titles alone has no event, and titles may stand behind a `#`."""
    lines = [] if is_packed_sheet(path) else [line for line in text_lines(path) if line.strip()]
    titles = tuple(lines[0].lstrip("#").split("\t")) if lines else ()
    if not is_rearrangements(titles):
        return read_table(path)
    names = [f"c{i}" for i in range(len(titles))]
    rows = [(line.split("\t") + [""] * len(titles))[: len(titles)] for line in lines[1:]]
    return Table(titles, pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String()), orient="row"))


def _places(titles: Sequence[str]) -> dict[str, int]:
    plain_titles = [plain(title) for title in titles]
    found = {name: next((plain_titles.index(t) for t in known if t in plain_titles), None) for name, known in _TITLES.items()}
    places = {name: at for name, at in found.items() if at is not None}
    if {"gene1", "gene2"} <= set(places) or {"gene", "fusion", "sample"} <= set(places) or {"joined", "sample"} <= set(places):
        return places
    raise Unusable(
        NOT_REARRANGEMENTS,
        "The table has no two columns of genes that are joined.",
        "Give data_sv.txt, the table of Arriba, STAR-Fusion or FusionCatcher, a VCF, or a table sample, gene1, gene2.",
    )


def is_rearrangements(titles: Sequence[str]) -> bool:
    """Whether the titles are those of a table of fusions or structural variants.

    Args:
        titles: Of a table's columns.

    >>> is_rearrangements(["#FusionName", "LeftGene", "RightGene"]), is_rearrangements(["Hugo_Symbol", "S1"])
    (True, False)
    """
    try:
        _places(titles)
    except Unusable:
        return False
    return True


_NAMES_ROWS = re.compile(
    r"(?i)(tumou?r[ _.-]?)?(sample|patient|case|specimen|barcode|model|profile|library|[ée]chantillon)[ _.-]?(ids?|names?|noms?|code|barcode)?$"
)


def _sample_of(path: Path, titles: Sequence[str]) -> str:
    """Return the only sample of a table, which its file names.

    Raises:
        Unusable: `no-sample-names` when a column that is not known seems to name samples: they would all become one.
    """
    if any(_NAMES_ROWS.match(title.lstrip("#").strip()) for title in titles):
        raise Unusable(
            NO_SAMPLE_NAMES,
            "No column of the table has a title that is known to name samples, and one seems to.",
            "Call it sample; of a table of one sample, say sample_from: file name.",
        )
    stem = path.name.split(".")[0]
    return path.parent.name if _GENERIC.match(stem) else stem


def _somatic(cells: dict[str, list[str]], height: int, notes: list[str]) -> list[int]:
    said = [plain(word) for word in cells.get("status", [""] * height)]
    unclear = [row for row, word in enumerate(said) if word not in _SOMATIC | _GERMLINE]
    if unclear:
        raise Unusable(
            UNKNOWN_WORD, f"Row {unclear[0] + 1} has a status that is neither SOMATIC nor GERMLINE.", "Use one of the two words."
        )
    kept = [row for row in range(height) if said[row] not in _GERMLINE]
    notes += [f"{height - len(kept)} rows left out: their status is germline"] if len(kept) < height else []
    return kept


def _confident(cells: dict[str, list[str]], height: int, notes: list[str]) -> list[int]:
    said = [word.lower() for word in cells.get("confidence", [""] * height)]
    kept = [row for row in range(height) if said[row] not in ("low", "discarded", "lowconfidence", "potentialtranssplicing")]
    notes += [f"{height - len(kept)} rows left out: their confidence is low"] if len(kept) < height else []
    return kept


def _gene(cell: str) -> str:
    """Return the gene that a cell names; Arriba writes the nearest genes and their distances where a break lies between genes."""
    name = re.sub(r"\s*\(ENSG\d+(\.\d+)?\)$", "", cell.split("^")[0].strip())
    return "" if name.upper() in NO_NAME or re.search(r"\(\d+\)", name) else name


def _both(cell: str, row: int) -> tuple[str, str]:
    """Return the two genes of a cell such as `EML4:ALK` or `EML4--ALK`.

    Raises:
        Unusable: `not-rearrangements`.
    """
    genes = re.split(r"::|--|:|>>", cell.strip())
    if len(genes) != 2:
        raise Unusable(
            NOT_REARRANGEMENTS,
            f"Row {row + 1} does not name two genes that are joined.",
            "Write them as EML4--ALK, or in two columns.",
        )
    return _gene(genes[0]), _gene(genes[1])


def _pairs(cells: dict[str, list[str]], samples: list[str], rows: list[int]) -> list[tuple[str, str, str]]:
    if "gene1" in cells:
        return [(samples[row], _gene(cells["gene1"][row]), _gene(cells["gene2"][row])) for row in rows]
    if "joined" in cells:
        return [(samples[row], *_both(cells["joined"][row], row)) for row in rows]
    # GENIE's and cBioPortal's older form: a row a gene; the rows of one event bear one text.
    told: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        told.setdefault((samples[row], cells["fusion"][row] or f"row {row}"), []).append(_gene(cells["gene"][row]))
    pairs = []
    for (sample, _), genes in told.items():
        distinct = sorted(set(genes) - {""})
        whole = len(distinct) <= 2
        pairs += [(sample, distinct[0], distinct[-1])] if distinct and whole else [(sample, gene, "") for gene in distinct]
    return pairs


def rearrangements_on_panels(data: Rearrangements, panels: Panels) -> Rearrangements:
    """Return the data of the samples that have a panel; what others have is missing, and said.

    Args:
        data: Events of profiled samples.
        panels: Panel of each sample, and what each covers.
    """
    kept = tuple(name for name in data.profiled if name in panels.of)
    mine = Panels({name: panels.of[name] for name in kept}, panels.covered)
    used = len({name for name in mine.of.values() if name})
    notes = [*data.notes, f"{used} panels of {len(kept)} samples: genes off a sample's panel are missing in it"]
    if len(kept) < len(data.profiled):
        notes.append(f"{len(data.profiled) - len(kept)} samples without a panel are missing, not wild type")
    events = data.events.filter(pl.col("sample").is_in(kept))
    unknown = tuple(pair for pair in data.unknown if pair[0] in mine.of)
    return replace(data, events=events, profiled=kept, panels=mine, notes=tuple(notes), unknown=unknown)
