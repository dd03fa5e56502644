"""Bulk RNA-seq counts, somatic mutations and sample sheets of the centres.

Counts are negative binomial (dispersion falls with the mean), with a library size per sample, a centre effect per gene,
sex genes, and signatures that follow the latent variables. A sample's counts are a function of the seed and its
person, so the matrix of one night can be written without the others.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TextIO

import numpy as np

from unibase.simulation.invented_persons import Person
from unibase.simulation.seeds import stream

GENES_KNOWN = (
    # Ensembl gene, symbol, mean count of a typical sample, what moves it
    ("ENSG00000229807", "XIST", 900.0, "female"), ("ENSG00000129824", "RPS4Y1", 700.0, "male"),
    ("ENSG00000067048", "DDX3Y", 500.0, "male"), ("ENSG00000012817", "KDM5D", 350.0, "male"),
    ("ENSG00000198692", "EIF1AY", 200.0, "male"), ("ENSG00000183878", "UTY", 150.0, "male"),
    ("ENSG00000114374", "USP9Y", 150.0, "male"), ("ENSG00000067646", "ZFY", 100.0, "male"),
    ("ENSG00000148773", "MKI67", 400.0, "heterogeneity"), ("ENSG00000131747", "TOP2A", 400.0, "heterogeneity"),
    ("ENSG00000134057", "CCNB1", 250.0, "heterogeneity"), ("ENSG00000170312", "CDK1", 220.0, "heterogeneity"),
    ("ENSG00000087586", "AURKA", 180.0, "heterogeneity"), ("ENSG00000134690", "CDCA8", 150.0, "heterogeneity"),
    ("ENSG00000117399", "CDC20", 260.0, "heterogeneity"), ("ENSG00000076382", "SPAG5", 140.0, "heterogeneity"),
    ("ENSG00000107159", "CA9", 200.0, "burden"), ("ENSG00000112715", "VEGFA", 800.0, "burden"),
    ("ENSG00000117394", "SLC2A1", 900.0, "burden"), ("ENSG00000134333", "LDHA", 2500.0, "burden"),
    ("ENSG00000102144", "PGK1", 2000.0, "burden"), ("ENSG00000148926", "ADM", 400.0, "burden"),
    ("ENSG00000153563", "CD8A", 200.0, "immunity"), ("ENSG00000145649", "GZMA", 150.0, "immunity"),
    ("ENSG00000180644", "PRF1", 160.0, "immunity"), ("ENSG00000111537", "IFNG", 40.0, "immunity"),
    ("ENSG00000138755", "CXCL9", 300.0, "immunity"), ("ENSG00000120217", "CD274", 120.0, "immunity"),
    ("ENSG00000111640", "GAPDH", 20000.0, ""), ("ENSG00000075624", "ACTB", 25000.0, ""), ("ENSG00000166710", "B2M", 15000.0, ""),
    ("ENSG00000141510", "TP53", 600.0, ""), ("ENSG00000133703", "KRAS", 500.0, ""), ("ENSG00000146648", "EGFR", 700.0, ""),
    ("ENSG00000118046", "STK11", 400.0, ""), ("ENSG00000079999", "KEAP1", 500.0, ""), ("ENSG00000136352", "NKX2-1", 900.0, ""),
)  # fmt: skip
SIGNATURE_SLOPE = 0.8
"""Change of log2 expression of a signature gene per standard deviation of its latent variable."""

MUTATIONS = (
    # symbol, Entrez, chromosome, position (GRCh38), reference, alternative, protein change, class, probability, latent, slope
    ("TP53", 7157, "chr17", 7675088, "C", "T", "p.R175H", "Missense_Mutation", 0.50, "heterogeneity", 2.0),
    ("KRAS", 3845, "chr12", 25245351, "C", "A", "p.G12C", "Missense_Mutation", 0.30, "", 0.0),
    ("EGFR", 1956, "chr7", 55191822, "T", "G", "p.L858R", "Missense_Mutation", 0.15, "", 0.0),
    ("STK11", 6794, "chr19", 1220487, "G", "T", "p.D194Y", "Missense_Mutation", 0.20, "immunity", -1.0),
    ("KEAP1", 9817, "chr19", 10491657, "G", "A", "p.R470C", "Missense_Mutation", 0.20, "burden", 1.0),
    ("CDKN2A", 1029, "chr9", 21971153, "G", "A", "p.R80*", "Nonsense_Mutation", 0.20, "", 0.0),
    ("BRAF", 673, "chr7", 140753336, "A", "T", "p.V600E", "Missense_Mutation", 0.08, "", 0.0),
    ("PIK3CA", 5290, "chr3", 179218303, "G", "A", "p.E545K", "Missense_Mutation", 0.12, "", 0.0),
    ("TTN", 7273, "chr2", 178591239, "G", "A", "p.T21074=", "Silent", 0.40, "", 0.0),
    ("RB1", 5925, "chr13", 48367512, "C", "T", "p.R320*", "Nonsense_Mutation", 0.10, "", 0.0),
    ("NF1", 4763, "chr17", 31229155, "-", "A", "p.Y628fs", "Frame_Shift_Ins", 0.10, "", 0.0),
    ("SMARCA4", 6597, "chr19", 11034869, "GC", "-", "p.A1186fs", "Frame_Shift_Del", 0.08, "", 0.0),
)  # fmt: skip
MAF_COLUMNS = (
    "Hugo_Symbol", "Entrez_Gene_Id", "Center", "NCBI_Build", "Chromosome", "Start_Position", "End_Position", "Strand",
    "Variant_Classification", "Variant_Type", "Reference_Allele", "Tumor_Seq_Allele1", "Tumor_Seq_Allele2", "dbSNP_RS",
    "Tumor_Sample_Barcode", "Matched_Norm_Sample_Barcode", "HGVSp_Short", "t_depth", "t_ref_count", "t_alt_count",
)  # fmt: skip
SAMPLE_COLUMNS = ("sample", "patient", "collected", "sample_type")


@dataclass(frozen=True)
class Genes:
    """What is true of every gene: identifiers, typical mean, dispersion, and slopes on sex and the latent variables."""

    ids: tuple[str, ...]
    symbols: tuple[str, ...]
    mean: np.ndarray
    dispersion: np.ndarray
    driver: tuple[str, ...]
    base_seed: int

    def centre_effect(self, centre: str) -> np.ndarray:
        """Return the factor of each gene in one centre: kits and sequencers differ."""
        return np.exp(0.25 * stream(self.base_seed, "centre-effect", centre).standard_normal(len(self.ids)))


def make_genes(seed: int, count: int) -> Genes:
    """Return `count` genes: the known ones first, the rest invented beyond the range Ensembl uses today.

    Args:
        seed: Seed of the tree.
        count: How many genes.
    """
    rng = stream(seed, "genes")
    known = GENES_KNOWN[:count]
    rest = max(0, count - len(known))
    mean = np.concatenate([[gene[2] for gene in known], np.exp(rng.normal(4.3, 1.9, rest)).clip(0.05, 2e5)])
    return Genes(
        ids=(*(gene[0] for gene in known), *(f"ENSG00000{900_000 + k:06d}" for k in range(rest))),
        symbols=(*(gene[1] for gene in known), *(f"SIM{k + 1:05d}" for k in range(rest))),
        mean=mean,
        dispersion=0.03 + 0.6 / np.sqrt(mean + 1.0),
        driver=(*(gene[3] for gene in known), *("" for _ in range(rest))),
        base_seed=seed,
    )


def counts_of(genes: Genes, person: Person, centre_effect: np.ndarray, visit: str = "baseline") -> np.ndarray:
    """Return the counts of one sample of a person, int32 per gene; at progression heterogeneity has grown.

    Args:
        genes: The genes.
        person: The simulated person.
        centre_effect: Factor of the centre on each gene, shape (genes,).
        visit: Name of the visit: baseline or progression.
    """
    rng = stream(genes.base_seed, "rna", person.index, visit)
    latents = person.latents if visit == "baseline" else replace(person.latents, heterogeneity=person.latents.heterogeneity + 2.0)
    library = float(np.exp(rng.normal(0.0, 0.35)))
    factor = np.ones(len(genes.ids))
    for k, driver in enumerate(genes.driver[: len(GENES_KNOWN)]):
        if driver in ("female", "male"):
            present = (driver == "female") == (person.identity.sex == "F")
            factor[k] = 1.0 if present else 0.004
        elif driver:
            factor[k] = 2.0 ** (SIGNATURE_SLOPE * getattr(latents, driver))
    mean = genes.mean * factor * centre_effect * library
    shape = 1.0 / genes.dispersion
    return rng.negative_binomial(shape, shape / (shape + mean)).astype(np.int32)


def sample_name(person: Person, centre: str, collected: date) -> str:
    """Return the laboratory's number of a sample: year of collection and a serial, as on the tube.

    `person`: the simulated person; `centre`: name of the centre; `collected`: day of collection.
    """
    serial = (person.index * 613 + 20_011 + (50_000 if collected != person.course.sample else 0)) % 99_991
    return f"{centre}{collected:%y}-{serial:05d}"


def mutation_rows(seed: int, person: Person, centre: str, sample: str) -> list[dict[str, object]]:
    """Return the MAF rows of one profiled sample; a sample may have none.

    Args:
        seed: Seed of the tree.
        person: The simulated person.
        centre: Name of the centre.
        sample: Name of the sample.
    """
    rng = stream(seed, "maf", person.index)
    rows: list[dict[str, object]] = []
    for symbol, entrez, chromosome, position, ref, alt, protein, kind, probability, latent, slope in MUTATIONS:
        logit = np.log(probability / (1 - probability)) + (slope * getattr(person.latents, latent) if latent else 0.0)
        if rng.random() >= 1 / (1 + np.exp(-logit)):
            continue
        depth = int(rng.integers(60, 300))
        alternative = int(rng.binomial(depth, rng.uniform(0.1, 0.5)))
        variant = "INS" if ref == "-" else "DEL" if alt == "-" else "SNP"
        end = position + (1 if variant == "INS" else len(ref) - 1)
        rows.append(dict(zip(MAF_COLUMNS, (
            symbol, entrez, f"hopital-{centre.lower()}.example", "GRCh38", chromosome, position, end, "+", kind, variant, ref, ref, alt, "",
            sample, "", protein, depth, depth - alternative, alternative,
        ), strict=True)))  # fmt: skip
    return rows


def write_counts(path: Path, genes: Genes, samples: list[str], columns: list[np.ndarray]) -> None:
    """Write genes x samples as gzipped TSV: gene_id, gene_name, one column a sample; rows go out in blocks.

    Args:
        path: The file.
        genes: The genes.
        samples: Names of the samples.
        columns: Counts of each sample, shape (genes,) each.
    """
    matrix = np.column_stack(columns) if columns else np.zeros((len(genes.ids), 0), dtype=np.int32)
    with _gzip_text(path) as file:
        file.write("\t".join(("gene_id", "gene_name", *samples)) + "\n")
        for k, (gene, symbol) in enumerate(zip(genes.ids, genes.symbols, strict=True)):
            file.write("\t".join((gene, symbol, *map(str, matrix[k].tolist()))) + "\n")


def write_maf(path: Path, rows: list[dict[str, object]]) -> None:
    """Write a gzipped MAF with its version line.

    Args:
        path: The file.
        rows: The rows.
    """
    with _gzip_text(path) as file:
        file.write("#version 2.4\n")
        writer = csv.DictWriter(file, MAF_COLUMNS, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


@contextmanager
def _gzip_text(path: Path) -> Iterator[TextIO]:
    path.parent.mkdir(parents=True, exist_ok=True)
    # No name and no time in the gzip header: same rows, same bytes.
    with (
        path.open("wb") as file,
        gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=4, mtime=0) as packed,
        io.TextIOWrapper(packed, encoding="utf-8", newline="") as text,
    ):
        yield text
