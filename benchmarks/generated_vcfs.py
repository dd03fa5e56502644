"""VCFs of several callers' conventions, made at random: the carriers that we read beside those of `bcftools query`.

    python -m benchmarks.generated_vcfs --files 1000

Each file has a caller's header (Mutect2, Strelka, VarDict, DRAGEN, a pedigree, bare names), one tumour or several, with and without a
normal; records of one and of several alleles, phased, half and wholly missing genotypes, cells cut behind GT, filters, breakends. Every
allele has a gene of its own, so that a carrier is a pair of sample and gene. bcftools says the genotypes; what counts as mutated
(passed, an allele that the normal lacks) is told here from them anew.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from unibase.omics.genes import gene_table
from unibase.omics.readers.vcf import read_vcf

GENES = sorted(gene.symbol for gene in gene_table()._symbol.values() if gene.locus_type == "gene with protein product")
HEAD = (
    '##fileformat=VCFv4.2\n##contig=<ID=chr1>\n##contig=<ID=chr2>\n##FILTER=<ID=weak,Description="w">\n'
    '##INFO=<ID=CSQ,Number=.,Type=String,Description="From VEP. Format: Allele|Consequence|SYMBOL|Gene|ALLELE_NUM">\n'
    '##INFO=<ID=SVTYPE,Number=1,Type=String,Description="s">\n##INFO=<ID=STATUS,Number=1,Type=String,Description="s">\n'
    '##INFO=<ID=SOMATIC,Number=0,Type=Flag,Description="s">\n##FORMAT=<ID=GT,Number=1,Type=String,Description="g">\n'
    '##FORMAT=<ID=AD,Number=R,Type=Integer,Description="a">\n##FORMAT=<ID=DP,Number=1,Type=Integer,Description="d">\n'
)
FORMS = ("mutect2", "strelka", "vardict", "dragen", "pedigree", "named")


@dataclass
class Generated:
    """A file, and who is who in it.

    Attributes:
        text: The VCF.
        tumours: Sample of each column that is a tumour.
        normals: Columns that are normals.
        genes: Genes of each record's alleles, by its place.
    """

    text: str = ""
    tumours: dict[str, str] = field(default_factory=dict)
    normals: tuple[str, ...] = ()
    genes: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Truth:
    """Pairs of sample and gene, from bcftools' genotypes: those that are mutated, and those of which nobody knows."""

    carried: set[tuple[str, str]]
    unknown: set[tuple[str, str]]


def generated(seed: int, stem: str = "lyon-1") -> Generated:
    """Return a VCF of `seed`, whose file will be named `stem`."""
    rng = np.random.default_rng(seed)
    form = FORMS[seed % len(FORMS)]
    made, head, columns = Generated(), HEAD, []
    if form in ("mutect2", "pedigree", "named"):
        count = int(rng.integers(1, 4))
        tumours, normals = [f"CHU-été-{i}" for i in range(count)], ["blood-x" if form != "named" else "x_normal"]
        normals = normals if rng.random() < 0.7 else []
        columns = [str(name) for name in rng.permutation(tumours + normals)]
        made.tumours = {name: name for name in tumours}
        if form == "mutect2":
            head += "".join(f"##tumor_sample={name}\n" for name in tumours) + "".join(f"##normal_sample={n}\n" for n in normals)
        if form == "pedigree":
            normals = normals or ["other-x"]
            columns += [name for name in normals if name not in columns]
            head += "".join(f"##PEDIGREE=<Derived={name},Original={normals[0]}>\n" for name in tumours)
        made.normals = tuple(normals)
    else:
        columns = ["NORMAL", "TUMOR"] if rng.random() < 0.7 else ["TUMOR", "NORMAL"]
        made.tumours, made.normals = {"TUMOR": stem}, ("NORMAL",)
    if form == "named" and not made.normals and len(columns) == 2:
        columns, made.tumours = columns[:1], {columns[0]: columns[0]}  # a pair without roles is told by its records
    titles = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t" + "\t".join(columns) + "\n"
    records = [_record(rng, form, columns, made, i) for i in range(int(rng.integers(5, 40)))]
    made.text = head + titles + "".join(records)
    return made


def _record(rng: np.random.Generator, form: str, columns: list[str], made: Generated, number: int) -> str:
    several = rng.random() < 0.25
    reference = str(rng.choice(["C", "CA", "CAT"]))
    alleles = [str(a) for a in rng.choice(["G", "T", "CAGG", "GTT"], 1 + several, replace=False)]
    breakend = rng.random() < 0.1
    place = 100 * (number + 1)
    genes = [GENES[(number * 3 + i) % len(GENES)] for i in range(len(alleles))]
    info = ["SOMATIC"] if rng.random() < 0.5 else []
    if breakend:
        alleles, genes = [f"{reference}]chr2:{place}]"], []
        info.append("SVTYPE=BND")
    info.append(
        "CSQ="
        + ",".join(f"{a}|missense_variant|{g}||{i}" for i, (a, g) in enumerate(zip(alleles, genes or ["X"], strict=True), 1))
    )
    if form == "vardict" and rng.random() < 0.3:
        info.append("STATUS=Germline")
        genes = []
    made.genes[f"chr1:{place}"] = genes
    said = str(rng.choice(["PASS", "PASS", ".", "weak", "weak;PASS"], p=[0.6, 0.1, 0.1, 0.1, 0.1]).replace("weak;PASS", "weak"))
    cells = [_cell(rng, form, len(alleles), column in made.normals) for column in columns]
    form_cell = "DP:AD" if form == "strelka" else "GT:AD:DP"
    return "\t".join(["chr1", str(place), ".", reference, ",".join(alleles), ".", said, ";".join(info), form_cell, *cells]) + "\n"


def _cell(rng: np.random.Generator, form: str, alleles: int, normal: bool) -> str:
    if form == "strelka":
        return str(rng.choice(["30:20,10", ".:.", "30"]))
    mark = "|" if rng.random() < 0.3 else "/"
    likely = [0.9, *[0.1 / alleles] * alleles] if normal else [0.4, *[0.6 / alleles] * alleles]
    called = [str(v) for v in rng.choice(alleles + 1, 2, p=likely)]
    if rng.random() < 0.12:
        called[int(rng.integers(2))] = "."
    genotype = str(rng.choice([mark.join(called), ".", "./.", called[0]], p=[0.85, 0.05, 0.05, 0.05]))
    return genotype + str(rng.choice([":20,10:30", "", ":.:."]))


def truth(made: Generated, path: Path) -> Truth:
    """Return what the genotypes that bcftools reads from `path` say."""
    without = "\tDP:AD\t" in made.text  # Strelka's: the only tumour has every record
    asked = ["bcftools", "query", "-f", rf"%CHROM:%POS\t%FILTER[\t%SAMPLE={'1' if without else '%GT'}]\n", str(path)]
    said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    found = Truth(set(), set())
    for place, passed, *calls in (line.split("\t") for line in said.splitlines()):
        if passed not in ("PASS", "."):
            continue
        of = {name: call.replace("|", "/").split("/") for name, _, call in (call.rpartition("=") for call in calls)}
        _carriers(made, place, of, without, found)
    return found


def _carriers(made: Generated, place: str, of: dict[str, list[str]], without: bool, found: Truth) -> None:
    in_normal = set() if without else {a for name in made.normals for a in of.get(name, [])}
    for number, gene in enumerate(made.genes[place], start=1):
        for column, sample in made.tumours.items():
            carries = without or str(number) in of[column]
            if str(number) in in_normal:
                continue
            if carries:
                found.carried.add((sample, gene))
            elif "." in of[column]:
                found.unknown.add((sample, gene))


def differences(seed: int, folder: Path) -> tuple[int, int]:
    """Return how many pairs of sample and gene of the file of `seed` are compared, and how many differ from bcftools'."""
    made = generated(seed)
    path = folder / "lyon-1.vcf"
    path.write_text(made.text)
    expected, read = truth(made, path), read_vcf([path])
    carried = set(read.variants.select("sample", "gene").iter_rows())
    names = set(read.profiled) ^ set(made.tumours.values())
    differ = len(carried ^ expected.carried) + len(set(read.unknown) ^ expected.unknown) + len(names)
    return len(expected.carried) + len(expected.unknown), differ


def main() -> None:
    """Compare, and print how many files, pairs and differences there were."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--first-seed", type=int, default=0)
    arguments = parser.parse_args()
    first = arguments.first_seed
    with tempfile.TemporaryDirectory() as folder:
        found = [differences(seed, Path(folder)) for seed in range(first, first + arguments.files)]
    wrong = [seed for seed, (_, count) in enumerate(found, first) if count]
    pairs = sum(count for count, _ in found)
    print(json.dumps({"files": len(found), "pairs": pairs, "files_that_differ": len(wrong), "first": wrong[:5]}))


if __name__ == "__main__":
    main()
