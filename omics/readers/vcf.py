"""Somatic VCF with annotations (VEP `CSQ` or SnpEff `ANN`) to variants: each tumour by its own genotypes, and missing stays missing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from unibase.groundwork.problems import Unusable, UserError
from unibase.omics.genes import current_symbols
from unibase.omics.readers.annotations import Annotation, annotation_of
from unibase.omics.readers.consequences import NONSYNONYMOUS
from unibase.omics.readers.filter_words import PASSED, known_to_fail
from unibase.omics.readers.lines import text_lines
from unibase.omics.readers.variants import LAST_POSITION, SCHEMA, SUBSTITUTIONS, MutationData, substitutions_of
from unibase.omics.readers.vcf_header import Header, columns_of, named_tumours
from unibase.omics.readers.vcf_refusals import form_of_germline, refuse_germline, refuse_other_species, refuse_what_says_nothing
from unibase.omics.reasons import NO_GENE, NO_GENOTYPES, NOT_A_VCF


@dataclass
class _Found:
    """Variants of a file, and what was seen on the way."""

    rows: list[tuple[object, ...]] = field(default_factory=list)
    frames: list[pl.DataFrame] = field(default_factory=list)
    carriers: Counter[str] = field(default_factory=Counter)
    """Variants of each tumour of the file that is read."""
    unknown: list[tuple[str, str]] = field(default_factory=list)
    records: int = 0
    passed: int = 0
    annotated: int = 0
    structural: int = 0
    in_normal: int = 0
    pairs: int = 0
    single: list[tuple[str, str, int, str, str]] | None = None
    """Changes of one base, where they are asked for."""

    def take(self, row: tuple[object, ...], sample: str) -> None:
        """Take in a variant of a sample; texts of many are held once."""
        self.rows.append(row)
        self.carriers[sample] += 1
        if len(self.rows) >= _TOGETHER:
            self.settle()

    def counts(self) -> tuple[int, int, int, int]:
        """Return how many records there were, how many passed, and how many alleles were annotated or structural."""
        return self.records, self.passed, self.annotated, self.structural

    def settle(self) -> None:
        """Put the variants that wait into a frame."""
        self.frames.append(pl.DataFrame(self.rows, schema=SCHEMA, orient="row"))
        self.rows = []

    def variants(self) -> pl.DataFrame:
        """Return all variants."""
        self.settle()
        return pl.concat(self.frames)


_TOGETHER = 100_000
"""Variants that wait as rows."""


def read_vcf(paths: Sequence[Path | str], samples: Sequence[str] | None = None, substitutions: bool = False) -> MutationData:
    """Read annotated somatic VCFs (plain, gzip or bgzip); every tumour read is profiled.

    Tumours and normals are told apart by the header (`##tumor_sample`, `##SAMPLE`, `##PEDIGREE`), else by the names of the columns;
    a column that bears only a role (`TUMOR`) is named by the header, else by the file. Only records whose FILTER is PASS or `.`
    count. A tumour has an allele that its GT names; without GT (Strelka) the only tumour has it. A missing genotype leaves the
    gene missing in that sample. What the normal has, too, is no somatic variant. Of several annotations of one allele the worst
    is taken, those on the canonical transcript first where VEP marks it.

    Args:
        paths: The files.
        samples: Name of the only tumour of each file; by default as told above.
        substitutions: Keep the changes of one base, those without a gene too, for signatures.

    Raises:
        Unusable: `not-a-vcf`, `not-annotated`, `no-gene`, `unknown-word`, `no-tumour`, `no-genotypes`, `germline-calls`, `other-build`,
            `truncated-file`.
        UserError: If a file is not there.
    """
    found = _Found(single=[] if substitutions else None)
    names: set[str] = set()
    for i, path in enumerate(map(Path, paths)):
        if not path.exists():
            raise UserError(f"There is no VCF at {path}. Check the path in the study file.")
        names |= _read_one(path, samples[i] if samples is not None else None, found)
    variants = found.variants()
    renamed = current_symbols([*variants["gene"].unique().to_list(), *(gene for _, gene in found.unknown)])
    unknown = tuple(sorted({(sample, renamed.get(gene, gene)) for sample, gene in found.unknown}))
    distinct, notes = _distinct(variants, renamed), _notes(found, len(renamed))
    return MutationData(distinct, tuple(sorted(names)), None, notes, renamed, unknown, substitutions=_substitutions(found))


def _notes(found: _Found, renamed: int) -> tuple[str, ...]:
    """Return what a person should know of the files, where it happened."""
    counted = (
        (renamed, "outdated gene symbols replaced"),
        (found.records - found.passed, "records left out: they did not pass their FILTER"),
        (found.in_normal, "variants left out: the normal has them, too"),
        (
            found.pairs,
            "files of two columns without roles: the one with every variant is the tumour, the one without any its normal",
        ),
        (found.structural, "structural or symbolic alleles left out"),
        (len(found.unknown), "genotypes missing in genes: missing in the table, not wild type"),
    )
    return tuple(f"{count} {said}" for count, said in counted if count)


def _distinct(variants: pl.DataFrame, renamed: Mapping[str, str]) -> pl.DataFrame:
    """Return each variant of a sample once, under the gene's symbol of today."""
    one = ["gene", "chromosome", "start", "end", "reference", "allele", "sample"]
    return variants.with_columns(pl.col("gene").replace(renamed)).unique(subset=one, keep="first", maintain_order=True)


def _substitutions(found: _Found) -> pl.DataFrame | None:
    if found.single is None:
        return None
    return substitutions_of(pl.DataFrame(found.single, schema=[*SUBSTITUTIONS], orient="row"))


@dataclass
class _File:
    """One VCF as it is read.

    Attributes:
        header: What the lines above the records say.
        tumours: Place and name of each.
        started: Whether the line #CHROM was there.
        fails: Whether a word of FILTER is known to say that a record failed.
        form: What of a record callers of germline variants alone write.
    """

    header: Header = field(default_factory=Header)
    tumours: list[tuple[int, str]] = field(default_factory=list)
    started: bool = False
    fails: bool = False
    form: str = ""

    def start(self, names: list[str], path: Path, named: str | None) -> None:
        """Take in the columns of samples that the line #CHROM names."""
        if self.started or len(set(names)) < len(names):
            what = "several lines #CHROM: files were put behind one another" if self.started else "two columns of one name"
            raise Unusable(NOT_A_VCF, f"The file has {what}.", "Give each by itself, or merge them (bcftools merge).")
        self.header.columns = columns_of(names)
        self.tumours = named_tumours(self.header, path, named)
        self.started = True

    def check(self, cells: list[str]) -> None:
        """Refuse a record that is cut, or stands above the line #CHROM."""
        placed = len(cells) > 1 and cells[1].isdigit() and int(cells[1]) <= LAST_POSITION
        columns = len(self.header.columns)
        if not self.started or not placed or len(cells) < (9 + columns if columns else 8):
            raise Unusable(NOT_A_VCF, "The file is no VCF, or a record is cut.", "Copy it again.")

    def take(self, cells: list[str], found: _Found) -> None:
        """Take in a record."""
        found.records += 1
        if cells[6].lower() in PASSED:
            found.passed += 1
            self.form = self.form or form_of_germline(cells)
            _take_record(cells, self.header, self.tumours, found)
        elif not self.fails:
            self.fails = known_to_fail(cells[6]) or not self.header.filters.isdisjoint(cells[6].split(";"))

    def refuse_germline(self) -> None:
        """Refuse calls of germline variants, and of another species."""
        told_apart = bool(self.header.tumours) or len(self.tumours) < len(self.header.columns)
        refuse_other_species(self.header.lines)
        refuse_germline(self.header.lines, told_apart, self.form)


def _read_one(path: Path, named: str | None, found: _Found) -> set[str]:
    """Take the variants of a file into `found`, and return its tumours."""
    before = found.counts()
    found.carriers.clear()
    file = _read_lines(path, named, found)
    file.refuse_germline()
    records, passed, annotated, structural = (now - then for now, then in zip(found.counts(), before, strict=True))
    refuse_what_says_nothing(records, passed, annotated, structural, file.fails)
    silent = _silent_of_pair(file.header, file.tumours, found)
    return {name for _, name in file.tumours if name not in silent}


def _read_lines(path: Path, named: str | None, found: _Found) -> _File:
    """Take every line of a file in, by its kind."""
    file = _File()
    for line in text_lines(path):
        if line.startswith("##"):
            file.header.take(line)
            continue
        cells = line.split("\t")
        if line.startswith("#CHROM"):
            file.start(cells[9:], path, named)
        elif line.strip():
            file.check(cells)
            file.take(cells, found)
    if not file.started:
        raise Unusable(NOT_A_VCF, "The file has no #CHROM line.", "Give a VCF.")
    return file


_TELLING = 5
"""Records from which a pair of columns without a role tells its normal."""


def _silent_of_pair(header: Header, tumours: list[tuple[int, str]], found: _Found) -> set[str]:
    """Return the normal of a pair of which nothing says the roles: the other has every variant of the file, and it has none.

    Callers of somatic variants write such files; two tumours of one file never look so.
    """
    if len(header.columns) != 2 or len(tumours) != 2:
        return set()
    if found.carriers.total() < _TELLING or len(found.carriers) != 1:
        return set()
    silent = {name for _, name in tumours} - set(found.carriers)
    found.unknown = [pair for pair in found.unknown if pair[0] not in silent]
    found.pairs += 1
    return silent


_NOT_SOMATIC = re.compile(r"(?i)germline|loh|strongloh|likelyloh|absent|sample.?specific")


def _is_said_not_somatic(info: Mapping[str, str]) -> bool:
    """Whether the caller says it of a record, as VarDict and VarScan do."""
    return bool(_NOT_SOMATIC.fullmatch(info.get("STATUS", ""))) or info.get("SS") in ("0", "1", "3")


def _is_structural(allele: str) -> bool:
    return allele.startswith("<") or "[" in allele or "]" in allele


def _without_chr(chromosome: str) -> str:
    return re.sub("(?i)^chr", "", chromosome)


def _take_record(cells: list[str], header: Header, tumours: list[tuple[int, str]], found: _Found) -> None:
    info = dict(part.split("=", 1) for part in cells[7].split(";") if "=" in part)
    if _is_said_not_somatic(info):
        found.in_normal += 1
        return
    alleles = cells[4].split(",")
    form = cells[8].split(":") if len(cells) > 8 else []
    normals = {
        a for i in range(len(header.columns)) if i not in {p for p, _ in tumours} for a in genotype(cells[9 + i], form) or ()
    }
    several = len(alleles) > 1
    for number, allele in enumerate(alleles, start=1):
        if allele in (".", "*"):
            continue
        if _is_structural(allele):
            found.structural += 1
            continue
        carriers, missing = _carriers(cells, form, tumours, number)
        if not carriers and not missing:
            found.annotated += header.fields.key(info) is not None
            continue
        if found.single is not None and number not in normals and len(cells[3]) == len(allele) == 1:
            found.single += [(name, _without_chr(cells[0]), int(cells[1]), cells[3], allele) for name in carriers]
        told = annotation_of(header.fields, info, cells[3], allele, number if several else None)
        found.annotated += told is not None
        if told is None:
            continue
        if number in normals:
            found.in_normal += 1
            continue
        _take_variant(cells, allele, told, found, carriers, missing)


def _take_variant(
    cells: list[str], allele: str, told: Annotation, found: _Found, carriers: list[str], missing: list[str]
) -> None:
    if not told.gene:
        if told.classification in NONSYNONYMOUS:
            raise Unusable(
                NO_GENE,
                "A variant that changes a protein names no gene.",
                "Annotate the VCF with gene names (VEP --symbol), or give a MAF.",
            )
        return
    if told.classification in NONSYNONYMOUS:
        found.unknown += [(sample, told.gene) for sample in missing]
    place = _place(cells, allele)
    for sample in carriers:
        row = (told.gene, None, *place[:5], told.classification, place[5], sample, told.protein_change, found.records)
        found.take(row, sample)


def _carriers(cells: list[str], form: list[str], tumours: list[tuple[int, str]], number: int) -> tuple[list[str], list[str]]:
    """Return the tumours that have an allele, and those of which nobody knows.

    Raises:
        Unusable: `no-genotypes` when several tumours stand beside each other without GT.
    """
    if "GT" not in form:
        if len(tumours) > 1:
            raise Unusable(
                NO_GENOTYPES,
                "The VCF holds several tumours and no genotypes (GT).",
                "Call one file a tumour, or with genotypes.",
            )
        return [name for _, name in tumours], []
    carriers, missing = [], []
    for place, name in tumours:
        called = genotype(cells[9 + place], form)
        if called is not None and number in called:
            carriers.append(name)
        elif called is None or -1 in called:
            missing.append(name)
    return carriers, missing


def genotype(cell: str, form: list[str]) -> set[int] | None:
    """Return the alleles of a genotype, -1 for a missing one; None without a genotype.

    Args:
        cell: What a record says of a sample.
        form: Names of its parts, as FORMAT has them.

    >>> sorted(genotype("0/1:12", ["GT", "DP"]) or ())
    [0, 1]
    """
    if "GT" not in form:
        return None
    values = cell.split(":")
    at = form.index("GT")
    if at >= len(values) or not values[at].strip("./|"):
        return None
    return {int(part) if part.isdigit() else -1 for part in re.split(r"[/|]", values[at])}


def _place(cells: list[str], allele: str) -> tuple[str, int, int, str, str, str]:
    """Return chromosome, start, end, reference, allele and kind as a MAF has them."""
    reference, position = cells[3], int(cells[1])
    shared = 0
    while shared < min(len(reference), len(allele)) and reference[shared] == allele[shared] and len(reference) != len(allele):
        shared += 1
    ref, alt = reference[shared:] or "-", allele[shared:] or "-"
    kind = "INS" if ref == "-" else "DEL" if alt == "-" else "SNP" if len(ref) == len(alt) == 1 else "ONP"
    start = position + shared - (1 if kind == "INS" else 0)
    end = start + (1 if kind == "INS" else len(ref) - 1)
    return _without_chr(cells[0]), start, end, ref, alt, kind
