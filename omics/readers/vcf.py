"""Somatic VCF with annotations (VEP `CSQ` or SnpEff `ANN`) to variants: each tumour by its own genotypes, and missing stays missing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from unibase.groundwork.problems import Unusable, UserError
from unibase.omics.genes import current_symbols
from unibase.omics.readers.annotations import Annotation, Fields, annotation_of
from unibase.omics.readers.consequences import NONSYNONYMOUS
from unibase.omics.readers.filter_words import PASSED, known_to_fail
from unibase.omics.readers.lines import text_lines
from unibase.omics.readers.variants import LAST_POSITION, SCHEMA, SUBSTITUTIONS, MutationData, substitutions_of
from unibase.omics.readers.vcf_refusals import GENOTYPE_LIKELIHOODS, refuse_germline, refuse_what_says_nothing
from unibase.omics.reasons import NO_GENE, NO_GENOTYPES, NO_TUMOUR, NOT_A_VCF, SEVERAL_SAMPLES

_NORMAL_NAME = re.compile(
    r"^(normal|norm|germline|pon|panel.?of.?normals|blood|control|ctrl|wbc|pbmc|n|nl|healthy|buffy.?coat|saliva)$|[-_.](n|normal|germline|blood|wbc|pbmc|control|nl)\d?$"
    r"|^TCGA-\w{2}-\w{4}-1[0-4]",
    re.IGNORECASE,
)
_TUMOUR_NAME = re.compile(r"^(tumou?r|t|primary|cancer|sample\d*)$", re.IGNORECASE)
_ROLE_BEFORE = re.compile(
    r"^(tumou?r|t|primary|met|normal|n|blood|germline|ctrl|control)(?:[-_. ](?=.)|(?=\d))(.+)$", re.IGNORECASE
)


@dataclass
class Header:
    """What the lines above the records say.

    Attributes:
        columns: Samples, in order.
        tumours, normals: Names that are declared so.
        renamed: Sample behind a column that bears a role (`TUMOR`).
        fields: Declared fields of annotations.
        lines: The lines themselves that say who called the variants.
        filters: Words of FILTER that are declared.
    """

    columns: list[str] = field(default_factory=list)
    tumours: set[str] = field(default_factory=set)
    normals: set[str] = field(default_factory=set)
    renamed: dict[str, str] = field(default_factory=dict)
    fields: Fields = field(default_factory=Fields)
    lines: list[str] = field(default_factory=list)
    filters: set[str] = field(default_factory=set)

    def take(self, line: str) -> None:
        """Take in a line that begins with ##."""
        if not line.startswith(("##INFO=", "##FORMAT=", "##FILTER=", "##contig=")):
            self.lines.append(line)
        self.filters |= set(re.findall(r"^##FILTER=<ID=([^,>]+)", line)) - {"PASS"}
        if line.startswith("##INFO="):
            self.fields.take(line)
        elif match := re.match(r"##(tumor|tumour|normal)_sample=(.+)", line):
            (self.normals if match[1] == "normal" else self.tumours).add(match[2].strip())
        elif line.startswith("##SAMPLE="):
            self._sample(dict(re.findall(r"(\w+)=\"?([^,>\"]+)", line[9:])))
        elif line.startswith("##PEDIGREE="):
            said = dict(re.findall(r"(\w+)=([^,>]+)", line[11:]))
            if "Derived" in said and "Original" in said:
                self.tumours.add(said["Derived"])
                self.normals.add(said["Original"])

    def _sample(self, said: dict[str, str]) -> None:
        name = said.get("ID", "")
        real = said.get("SampleName") or said.get("NAME") or said.get("Individual")
        if real and (_TUMOUR_NAME.match(name) or _NORMAL_NAME.match(name)):
            self.renamed[name] = real

    def chosen(self) -> list[int]:
        """Return the places of the tumours among the columns: those declared, else all that are not a normal by name or word.

        Raises:
            Unusable: `no-tumour`.
        """
        places = [i for i, name in enumerate(self.columns) if name in self.tumours]
        if not places:
            normals = self.normals | normals_of_pairs(self.columns)
            places = [i for i, name in enumerate(self.columns) if name not in normals and not _NORMAL_NAME.search(name)]
            if self.normals and 1 < len(places) == len(self.columns):
                raise Unusable(
                    NO_TUMOUR,
                    "The header names a normal, and no column is it: the columns were renamed.",
                    "Mend the lines ##normal_sample and ##tumor_sample, or call the column NORMAL.",
                )
        if self.columns and not places:
            raise Unusable(NO_TUMOUR, "Every column of the VCF is a normal.", "Give the VCF of the tumour.")
        return places


def normals_of_pairs(names: Sequence[str]) -> set[str]:
    """Return the names that say a normal before what names a tumour, too: `N_01` beside `T_01`.

    Args:
        names: Columns of a VCF.

    >>> normals_of_pairs(["T_01", "N_01", "N_02"])
    {'N_01'}
    """
    told = {
        match[2]: name for name in names if (match := _ROLE_BEFORE.match(name)) and match[1].lower().startswith(("t", "p", "m"))
    }
    others = [(name, match[2]) for name in names if (match := _ROLE_BEFORE.match(name)) and name not in told.values()]
    return {name for name, rest in others if rest in told}


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
        Unusable: `not-a-vcf`, `not-annotated`, `no-gene`, `unknown-word`, `no-tumour`, `no-genotypes`, `germline-calls`,
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
    notes = [f"{len(renamed)} outdated gene symbols replaced"] if renamed else []
    for count, said in (
        (found.records - found.passed, "records left out: they did not pass their FILTER"),
        (found.in_normal, "variants left out: the normal has them, too"),
        (
            found.pairs,
            "files of two columns without roles: the one with every variant is the tumour, the one without any its normal",
        ),
        (found.structural, "structural or symbolic alleles left out"),
        (len(found.unknown), "genotypes missing in genes: missing in the table, not wild type"),
    ):
        notes += [f"{count} {said}"] if count else []
    unknown = tuple(sorted({(sample, renamed.get(gene, gene)) for sample, gene in found.unknown}))
    distinct = variants.with_columns(pl.col("gene").replace(renamed)).unique(
        subset=["gene", "chromosome", "start", "end", "reference", "allele", "sample"], keep="first", maintain_order=True
    )
    kept = found.single
    single = None if kept is None else substitutions_of(pl.DataFrame(kept, schema=[*SUBSTITUTIONS], orient="row"))
    return MutationData(distinct, tuple(sorted(names)), None, tuple(notes), renamed, unknown, substitutions=single)


def _read_one(path: Path, named: str | None, found: _Found) -> set[str]:
    header = Header()
    tumours: list[tuple[int, str]] = []
    before = (found.records, found.passed, found.annotated, found.structural)
    found.carriers.clear()
    started = fails = likelihoods = False
    for line in text_lines(path):
        if line.startswith("##"):
            header.take(line)
            continue
        cells = line.split("\t")
        if line.startswith("#CHROM"):
            if started or len(set(cells[9:])) < len(cells[9:]):
                what = "several lines #CHROM: files were put behind one another" if started else "two columns of one name"
                raise Unusable(NOT_A_VCF, f"The file has {what}.", "Give each by itself, or merge them (bcftools merge).")
            header.columns = [cell.strip() for cell in cells[9:]]
            tumours = named_tumours(header, path, named)
            started = True
            continue
        if not line.strip():
            continue
        placed = len(cells) > 1 and cells[1].isdigit() and int(cells[1]) <= LAST_POSITION
        if not started or not placed or len(cells) < (9 + len(header.columns) if header.columns else 8):
            raise Unusable(NOT_A_VCF, "The file is no VCF, or a record is cut.", "Copy it again.")
        found.records += 1
        if cells[6].lower() in PASSED:
            found.passed += 1
            likelihoods = likelihoods or (len(cells) > 8 and not GENOTYPE_LIKELIHOODS.isdisjoint(cells[8].split(":")))
            _take_record(cells, header, tumours, found)
        elif not fails:
            fails = known_to_fail(cells[6]) or not header.filters.isdisjoint(cells[6].split(";"))
    if not started:
        raise Unusable(NOT_A_VCF, "The file has no #CHROM line.", "Give a VCF.")
    refuse_germline(header.lines, bool(header.tumours) or len(tumours) < len(header.columns), likelihoods)
    after = (found.records, found.passed, found.annotated, found.structural)
    records, passed, annotated, structural = (now - then for now, then in zip(after, before, strict=True))
    refuse_what_says_nothing(records, passed, annotated, structural, fails)
    silent = _silent_of_pair(header, tumours, found)
    return {name for _, name in tumours if name not in silent}


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


def named_tumours(header: Header, path: Path, named: str | None) -> list[tuple[int, str]]:
    """Return place and name of each tumour among the columns; a place of -1 where the VCF has none.

    Args:
        header: What the lines above the records say.
        path: The file, by which a column is named that bears only a role.
        named: Name of the only tumour, where the study says so.

    Raises:
        Unusable: `no-tumour`, `several-samples`.
    """
    places = header.chosen()
    if named is not None and len(places) > 1:
        raise Unusable(
            SEVERAL_SAMPLES, "The VCF holds several tumours; the file's name cannot name them all.", "Leave sample_from out."
        )
    by_file = named or path.name.split(".")[0]
    if not header.columns:
        return [(-1, by_file)]
    told = []
    for place in places:
        column = header.columns[place]
        name = header.renamed.get(column, column)
        told.append((place, by_file if named is not None or (_TUMOUR_NAME.match(name) and len(places) == 1) else name))
    return told


def _take_record(cells: list[str], header: Header, tumours: list[tuple[int, str]], found: _Found) -> None:
    info = dict(part.split("=", 1) for part in cells[7].split(";") if "=" in part)
    if re.fullmatch(r"(?i)germline|loh|strongloh|likelyloh|absent|sample.?specific", info.get("STATUS", "")) or info.get(
        "SS"
    ) in ("0", "1", "3"):
        found.in_normal += 1
        return
    alleles = cells[4].split(",")
    form = cells[8].split(":") if len(cells) > 8 else []
    normals = {
        a for i in range(len(header.columns)) if i not in {p for p, _ in tumours} for a in genotype(cells[9 + i], form) or ()
    }
    several = len(alleles) > 1
    for number, allele in enumerate(alleles, start=1):
        if allele in (".", "*") or allele.startswith("<") or "[" in allele or "]" in allele:
            found.structural += allele not in (".", "*")
            continue
        carriers, missing = _carriers(cells, form, tumours, number)
        if not carriers and not missing:
            found.annotated += header.fields.key(info) is not None
            continue
        if found.single is not None and number not in normals and len(cells[3]) == len(allele) == 1:
            found.single += [(name, re.sub("(?i)^chr", "", cells[0]), int(cells[1]), cells[3], allele) for name in carriers]
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
    return re.sub("(?i)^chr", "", cells[0]), start, end, ref, alt, kind
