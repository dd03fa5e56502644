"""Structural variants from VCF: breakends whose mates are one event, symbolic alleles, and the genes that are broken.

The form of breakends is that of the VCF specification 4.3, section 5.4; callers differ in what they declare beside it (Manta and
GRIDSS MATEID, DELLY CHR2 and POS2).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from unibase.groundwork.problems import Unusable, UserError
from unibase.omics.readers.lines import text_lines
from unibase.omics.readers.rearrangements import Rearrangements, events_of
from unibase.omics.readers.vcf import genotype
from unibase.omics.readers.vcf_header import Header, columns_of, named_tumours
from unibase.omics.readers.vcf_refusals import form_of_germline, refuse_germline
from unibase.omics.reasons import NO_GENE, NO_GENOTYPES, NOT_A_VCF

_MATE = re.compile(r"[\[\]](.+):(\d+)[\[\]]")
_KINDS = ("DEL", "DUP", "INV", "INS", "TRA", "BND")
_BESIDE = ("upstream", "downstream", "intergenic", "ablation", "amplification", "regulatory", "sequence_variant", "tfbs")
"""Consequences of genes that no break lies in: beside them, or whole genes lost or gained, which are copy number's."""

type End = tuple[str, int]
"""Chromosome without `chr`, and position."""


@dataclass(frozen=True)
class Record:
    """One record of a structural variant.

    Attributes:
        key: What the records of one event share.
        ends: Where it breaks; one end where the other is unknown.
        genes: Genes that its annotation says are broken.
        carriers, missing: Tumours that have it, and those of which nobody knows.
    """

    key: tuple[object, ...]
    ends: tuple[End, ...]
    genes: tuple[str, ...]
    carriers: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass
class _Read:
    """What was read of a file, and what was left."""

    header: Header = field(default_factory=Header)
    tumours: list[tuple[int, str]] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    failed: int = 0
    in_normal: int = 0
    annotated: int = 0


def read_breakends(path: Path, named: str | None = None, genes: pl.DataFrame | None = None) -> Rearrangements:
    """Read a VCF of structural variants; every tumour in it is profiled.

    Records that did not pass their FILTER or that the normal has are left out and counted. The two records of a breakend and its
    mate are one event. Without genotypes (Manta, or GRIDSS, which leaves them missing) the only tumour has each record.

    Args:
        path: The file.
        named: Name of the only tumour, where the study says so.
        genes: Positions of genes (region, chromosome, start, end), by which the genes at each end are told; without them by CSQ or ANN,
            which must not call the gene whole (ablated, amplified) nor beside the break.

    Raises:
        Unusable: `not-a-vcf`, `no-tumour`, `no-genotypes`, `germline-calls`, `no-gene` when nothing tells the genes.
        UserError: If the file is not there.
    """
    if not path.exists():
        raise UserError(f"There is no VCF at {path}. Check the path in the study file.")
    read = _records(path, named)
    if read.records and genes is None and not read.annotated:
        raise Unusable(
            NO_GENE,
            "Nothing in the VCF says which genes are broken.",
            "Annotate it with VEP or SnpEff, or name positions of genes (assays.rearrangements.genes).",
        )
    rows, unknown = _rows(read, None if genes is None else _Spans(genes))
    merged = len(read.records) - len({record.key for record in read.records})
    notes = [f"structural variants of a VCF, {merged} records joined with their mates"]
    for count, said in (
        (read.failed, "rows left out: they did not pass their FILTER"),
        (read.in_normal, "rows left out: the normal has them, too"),
    ):
        notes += [f"{count} {said}"] if count else []
    events, renamed = events_of(rows, notes)
    missing = tuple(sorted({(sample, renamed.get(gene, gene)) for sample, gene in unknown}))
    notes += [f"{len(missing)} genotypes missing in genes: missing in the table, not wild type"] if missing else []
    return Rearrangements(events, tuple(sorted(name for _, name in read.tumours)), notes=tuple(notes), unknown=missing)


def _records(path: Path, named: str | None) -> _Read:
    read = _Read()
    structural = [cells for cells in _lines(path, named, read) if _ends(cells)]
    passed = [cells for cells in structural if cells[6] in ("PASS", ".", "")]
    read.failed = len(structural) - len(passed)
    told_apart = bool(read.header.tumours) or len(read.tumours) < len(read.header.columns)
    refuse_germline(read.header.lines, told_apart, next(filter(None, map(form_of_germline, passed)), ""))
    called = _called(passed, read)
    for cells in passed:
        _take(cells, read, called)
    return read


def _lines(path: Path, named: str | None, read: _Read) -> Iterator[list[str]]:
    """Yield the cells of each record, and take in the header on the way."""
    started = False
    for line in text_lines(path):
        if line.startswith("##"):
            read.header.take(line)
        elif line.startswith("#CHROM"):
            read.header.columns = columns_of(line.split("\t")[9:])
            read.tumours, started = named_tumours(read.header, path, named), True
        elif line.strip():
            yield _cells(line, started, len(read.header.columns))
    if not started:
        raise Unusable(NOT_A_VCF, "The file has no #CHROM line.", "Give a VCF.")


def _called(passed: list[list[str]], read: _Read) -> bool:
    """Whether a tumour has a genotype anywhere: some callers write none."""
    called = any(genotype(cells[9 + i], _form(cells)) for cells in passed for i, _ in read.tumours if i >= 0)
    if passed and not called and len(read.tumours) > 1:
        said = "The VCF holds several tumours and no genotypes (GT)."
        raise Unusable(NO_GENOTYPES, said, "Call one file a tumour, or with genotypes.")
    return called


def _cells(line: str, started: bool, columns: int) -> list[str]:
    cells = line.split("\t")
    if not started or len(cells) < 8 or not cells[1].isdigit() or len(cells) < 9 * bool(columns) + columns:
        raise Unusable(NOT_A_VCF, "The file is no VCF, or a record is cut.", "Copy it again.")
    return cells


def _form(cells: Sequence[str]) -> list[str]:
    return cells[8].split(":") if len(cells) > 8 else []


def _info(cells: Sequence[str]) -> dict[str, str]:
    return dict(part.split("=", 1) for part in cells[7].split(";") if "=" in part)


def _end(chromosome: str, position: str | int) -> End:
    return re.sub("(?i)^chr", "", chromosome), int(position)


def _ends(cells: Sequence[str]) -> tuple[End, ...]:
    """Return where a record breaks; none when it is no structural variant."""
    info, here = _info(cells), _end(cells[0], cells[1])
    if mate := _MATE.search(cells[4]):
        return here, _end(mate[1], mate[2])
    kind = info.get("SVTYPE", cells[4].strip("<>").split(":")[0])
    if (cells[4].startswith("<") and kind in _KINDS) or (re.fullmatch(r"\.?[ACGTN]+\.?", cells[4]) and "." in cells[4]):
        if "CHR2" in info or "END" in info:
            return here, _end(info.get("CHR2", cells[0]), info.get("POS2") or info.get("END", cells[1]))
        return (here,)
    long = len(cells[3]) >= _LONG or len(cells[4]) >= _LONG
    return (here, _end(cells[0], int(cells[1]) + len(cells[3]) - 1)) if kind in _KINDS and "SVTYPE" in info and long else ()


_LONG = 50
"""Bases from which callers of structural variants call a written-out allele one."""


def _take(cells: list[str], read: _Read, called: bool) -> None:
    if _in_normal(cells, read):
        read.in_normal += 1
        return
    form, info = _form(cells), _info(cells)
    told = {name: genotype(cells[9 + place], form) if place >= 0 else None for place, name in read.tumours}
    carriers = [name for name, alleles in told.items() if not called or _carries(alleles)]
    missing = [name for name, alleles in told.items() if name not in carriers and (alleles is None or -1 in alleles)]
    read.annotated += read.header.fields.key(info) is not None
    genes = _annotated(read.header, info)
    read.records.append(Record(_key(cells, info), _ends(cells), genes, tuple(carriers), tuple(missing)))


def _carries(alleles: set[int] | None) -> bool:
    return bool((alleles or set()) - {0, -1})


def _in_normal(cells: list[str], read: _Read) -> bool:
    tumours = {place for place, _ in read.tumours}
    others = [i for i in range(len(read.header.columns)) if i not in tumours]
    return any(_carries(genotype(cells[9 + i], _form(cells))) for i in others)


def _key(cells: list[str], info: Mapping[str, str]) -> tuple[object, ...]:
    """Return what a breakend and its mate share: their names, else their places."""
    mate = info.get("MATEID") or info.get("PARID") or info.get("PARTNERID")
    return tuple(sorted((cells[2], mate))) if mate else (cells[4].startswith("<"), *sorted(_ends(cells)))


def _annotated(header: Header, info: Mapping[str, str]) -> tuple[str, ...]:
    """Return the genes that the annotation says a break lies in, in order of name."""
    key = header.fields.key(info)
    found: set[str] = set()
    for entry in info[key].split(",") if key else ():
        said = dict(zip(header.fields.by_key[str(key)], entry.split("|"), strict=False))
        words = said.get("Consequence", "").lower().split("&")
        if any(word and not any(part in word for part in _BESIDE) for word in words):
            found |= {gene for gene in re.split("[&-]{1,2}" if "fusion" in words[0] else "&", said.get("SYMBOL", "")) if gene}
    return tuple(sorted(found))


class _Spans:
    """Genes by their places."""

    def __init__(self, genes: pl.DataFrame) -> None:
        self._of: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
        for gene, chromosome, start, end in genes.select("region", "chromosome", "start", "end").iter_rows():
            self._of[chromosome].append((start, end, gene))

    def at(self, end: End) -> list[str]:
        """Return the genes that hold an `end`, in order of name."""
        return sorted(gene for start, last, gene in self._of.get(end[0], ()) if start <= end[1] <= last)


def _rows(read: _Read, spans: _Spans | None) -> tuple[list[tuple[str, str, str]], set[tuple[str, str]]]:
    events: dict[tuple[object, ...], list[Record]] = defaultdict(list)
    for record in read.records:
        events[record.key].append(record)
    rows: list[tuple[str, str, str]] = []
    unknown: set[tuple[str, str]] = set()
    for records in events.values():
        pairs = list(_joined(records, spans))
        carriers = {name for record in records for name in record.carriers}
        rows += [(name, *pair) for name in sorted(carriers) for pair in pairs]
        missing = {name for record in records for name in record.missing} - carriers
        unknown |= {(name, gene) for name in missing for pair in pairs for gene in pair if gene}
    return rows, unknown


def _joined(records: Sequence[Record], spans: _Spans | None) -> Iterator[tuple[str, str]]:
    """Yield the genes on both sides of one event; a side without a gene is empty."""
    if spans is not None:
        ends = [spans.at(end) for end in records[0].ends]
        yield from _products(ends)
    elif len(records) > 1:
        yield from _products([record.genes for record in records[:2]])
    else:
        genes = records[0].genes
        yield from [(gene, "") for gene in genes] if len(genes) > 2 else [(genes[0], genes[-1])] if genes else [("", "")]


def _products(sides: Sequence[Iterable[str]]) -> Iterator[tuple[str, str]]:
    first, second = ([list(side) or [""] for side in sides] + [[""]])[:2]
    yield from ((one, other) for one in first for other in second)
