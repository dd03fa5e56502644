"""Somatic VCF with annotations (VEP `CSQ` or SnpEff `ANN`) to the variants of a MAF."""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from unibase.groundwork.problems import Unusable, UserError
from unibase.omics.assays.mutations import MutationData
from unibase.omics.genes import current_symbols

_CLASSES = (
    # Sequence Ontology terms, worst first, and their MAF class; None waits for the kind of change.
    (("splice_acceptor_variant", "splice_donor_variant"), "Splice_Site"),
    (("stop_gained",), "Nonsense_Mutation"),
    (("frameshift_variant",), None),
    (("stop_lost",), "Nonstop_Mutation"),
    (("start_lost", "initiator_codon_variant"), "Translation_Start_Site"),
    (("inframe_insertion", "conservative_inframe_insertion", "disruptive_inframe_insertion"), "In_Frame_Ins"),
    (("inframe_deletion", "conservative_inframe_deletion", "disruptive_inframe_deletion"), "In_Frame_Del"),
    (("missense_variant", "protein_altering_variant"), "Missense_Mutation"),
    (("synonymous_variant", "stop_retained_variant"), "Silent"),
    (("3_prime_UTR_variant",), "3'UTR"),
    (("5_prime_UTR_variant",), "5'UTR"),
    (("splice_region_variant",), "Splice_Region"),
    (("intron_variant",), "Intron"),
)
_ANN = ("Allele", "Consequence", "IMPACT", "SYMBOL", "Gene", "Feature_type", "Feature", "BIOTYPE", "EXON", "HGVSc", "HGVSp")


def read_vcf(paths: Sequence[Path | str], samples: Sequence[str] | None = None) -> MutationData:
    """Read one annotated somatic VCF per sample (plain or gzip); every sample read is profiled.

    Only records whose FILTER is PASS or `.` count. Of several annotations of one allele the worst is taken, the one on
    the canonical transcript first where VEP marks it.

    Args:
        paths: The files.
        samples: Their sample names; the tumour column's name by default (the last column).

    Raises:
        Unusable: `not-a-vcf`, `not-annotated`, `truncated-file`.
    """
    rows: list[tuple[object, ...]] = []
    names: list[str] = []
    for i, path in enumerate(map(Path, paths)):
        if not path.exists():
            raise UserError(f"There is no VCF at {path}. Check the path in the study file.")
        name, found = _read_one(path)
        sample = samples[i] if samples is not None else name
        names.append(sample)
        rows += [(*row, sample, number) for number, row in enumerate(found, 1)]
    schema = {
        "gene": pl.String(), "chromosome": pl.String(), "start": pl.Int64(), "end": pl.Int64(), "reference": pl.String(),
        "allele": pl.String(), "classification": pl.String(), "variant_type": pl.String(), "protein_change": pl.String(),
        "sample": pl.String(), "source_row": pl.Int64(),
    }  # fmt: skip
    variants = pl.DataFrame(rows, schema=schema, orient="row").with_columns(pl.lit(None, pl.String()).alias("entrez"))
    renamed = current_symbols(variants["gene"].to_list())
    notes = (f"{len(renamed)} outdated gene symbols replaced",) if renamed else ()
    return MutationData(variants.with_columns(pl.col("gene").replace(renamed)), tuple(sorted(set(names))), None, notes, renamed)


def _read_one(path: Path) -> tuple[str, list[tuple[object, ...]]]:
    fields: dict[str, list[str]] = {"ANN": list(_ANN)}
    rows: list[tuple[object, ...]] = []
    sample = ""
    annotated = any_record = False
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            for line in file:
                if line.startswith("##"):
                    described = re.search(r'ID=CSQ,.*Format: ([^"]+)"', line)
                    if described:
                        fields["CSQ"] = described.group(1).strip().split("|")
                    continue
                cells = line.rstrip("\r\n").split("\t")
                if line.startswith("#CHROM"):
                    sample = cells[-1] if len(cells) > 9 else path.name.split(".")[0]
                    continue
                if len(cells) < 8 or not sample:
                    raise Unusable("not-a-vcf", "The file is no VCF, or a record is cut.", "Copy it again.")
                if cells[6] not in ("PASS", ".", ""):
                    continue
                any_record = True
                info = dict(part.split("=", 1) for part in cells[7].split(";") if "=" in part)
                key = next((k for k in ("CSQ", "ANN") if k in info and k in fields), None)
                annotated = annotated or key is not None
                if key is None:
                    continue
                entries = [dict(zip(fields[key], entry.split("|"), strict=False)) for entry in info[key].split(",")]
                for allele in cells[4].split(","):
                    row = _variant(cells[0], int(cells[1]), cells[3], allele, entries, single="," not in cells[4])
                    if row is not None:
                        rows.append(row)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise Unusable(
            "truncated-file", f"The VCF cannot be read to its end ({type(error).__name__}).", "Copy it again."
        ) from None
    if not sample:
        raise Unusable("not-a-vcf", "The file has no #CHROM line.", "Give a VCF.")
    if any_record and not annotated:
        raise Unusable("not-annotated", "The VCF has neither CSQ nor ANN.", "Annotate it with VEP or SnpEff, or give a MAF.")
    return sample, rows


def _variant(
    chromosome: str, position: int, reference: str, allele: str, entries: list[dict[str, str]], *, single: bool
) -> tuple[object, ...] | None:
    shared = 0
    while shared < min(len(reference), len(allele)) and reference[shared] == allele[shared] and len(reference) != len(allele):
        shared += 1
    ref, alt = reference[shared:] or "-", allele[shared:] or "-"
    kind = "INS" if ref == "-" else "DEL" if alt == "-" else "SNP" if len(ref) == len(alt) == 1 else "ONP"
    own = [e for e in entries if single or e.get("Allele") in (allele, alt)] or entries
    canonical = [e for e in own if e.get("CANONICAL") == "YES"] or own
    best: tuple[int, str, dict[str, str]] | None = None
    for entry in canonical:
        terms = set(entry.get("Consequence", "").split("&"))
        for rank, (names, title) in enumerate(_CLASSES):
            if terms & set(names):
                longer = len(allele) > len(reference)
                name = title or ("Frame_Shift_Ins" if longer else "Frame_Shift_Del")
                if best is None or rank < best[0]:
                    best = (rank, name, entry)
                break
    if best is None or not best[2].get("SYMBOL"):
        return None
    start = position + shared - (1 if kind == "INS" else 0)
    end = start + (1 if kind == "INS" else len(ref) - 1)
    change = best[2].get("HGVSp", "").split(":")[-1] or None
    return (best[2]["SYMBOL"], chromosome.removeprefix("chr"), start, end, ref, alt, best[1], kind, _one_letter(change))


_LETTERS = dict(
    zip(
        [
            "Ala",
            "Arg",
            "Asn",
            "Asp",
            "Cys",
            "Gln",
            "Glu",
            "Gly",
            "His",
            "Ile",
            "Leu",
            "Lys",
            "Met",
            "Phe",
            "Pro",
            "Ser",
            "Thr",
            "Trp",
            "Tyr",
            "Val",
            "Ter",
        ],
        ["A", "R", "N", "D", "C", "Q", "E", "G", "H", "I", "L", "K", "M", "F", "P", "S", "T", "W", "Y", "V", "*"],
        strict=True,
    )
)


def _one_letter(change: str | None) -> str | None:
    return None if change is None else re.sub("|".join(_LETTERS), lambda m: _LETTERS[m.group()], change.replace("%3D", "="))
