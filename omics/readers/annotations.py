"""What VEP and SnpEff say of an allele, by the fields that the header of the VCF declares."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from unibase.groundwork.problems import Unusable
from unibase.omics.genes import ENSEMBL, NO_NAME, gene_table
from unibase.omics.readers.consequences import class_of, severity
from unibase.omics.reasons import NOT_ANNOTATED, UNKNOWN_WORD

_SNPEFF = {
    "annotation": "Consequence", "gene_name": "SYMBOL", "gene_id": "Gene", "hgvs.p": "HGVSp", "hgvs_p": "HGVSp", "allele": "Allele",
    "feature_id": "Feature", "feature_type": "Feature_type", "transcript_biotype": "BIOTYPE",
}  # fmt: skip
_ANN = ("Allele", "Consequence", "IMPACT", "SYMBOL", "Gene", "Feature_type", "Feature", "BIOTYPE", "EXON", "HGVSc", "HGVSp")
"""Order of SnpEff's ANN where the header does not declare it (the ANN specification 1.0)."""


@dataclass
class Fields:
    """Names of the fields of each annotation, in order."""

    by_key: dict[str, tuple[str, ...]] = field(default_factory=lambda: {"ANN": _ANN})

    def take(self, line: str) -> None:
        """Take in an `##INFO` line."""
        described = re.search(r"ID=(CSQ|ANN|vep),.*Description=\"(.*)\"", line)
        if not described:
            return
        key, text = described[1], described[2]
        listed = re.search(r"(?:Format:\s*|annotations:\s*)['\"]?([^'\"]+\|[^'\"]+)", text)
        if listed:
            names = [name.strip() for name in listed[1].split("|")]
            self.by_key[key] = tuple(_SNPEFF.get(name.lower(), name) if key == "ANN" else name for name in names)

    def key(self, info: Mapping[str, str]) -> str | None:
        """Return which annotation a record bears, by the keys of its `info`."""
        return next((key for key in ("CSQ", "vep", "ANN") if key in info and key in self.by_key), None)


@dataclass(frozen=True)
class Annotation:
    """The worst that is said of an allele."""

    gene: str
    classification: str
    protein_change: str | None


def annotation_of(fields: Fields, info: Mapping[str, str], reference: str, allele: str, number: int | None) -> Annotation | None:
    """Return what a record says of one allele; None when it bears no annotation.

    Args:
        fields: Declared fields.
        info: INFO of the record.
        reference, allele: REF and the allele.
        number: Place of the allele among several, from 1; None for the only one.

    Raises:
        Unusable: `unknown-word` when a consequence is none that is known; `not-annotated` when no annotation is of the allele.
    """
    key = fields.key(info)
    if key is None:
        return None
    if "Consequence" not in fields.by_key[key]:
        raise Unusable(
            NOT_ANNOTATED, f"The header declares {key} without Consequence.", "Annotate the VCF again with VEP or SnpEff."
        )
    entries = [dict(zip(fields.by_key[key], entry.split("|"), strict=False)) for entry in info[key].split(",")]
    own = entries if number is None else _of_allele(entries, reference, allele, number)
    marked = [e for e in own if e.get("CANONICAL") == "YES" or e.get("PICK") == "1"] or own
    told = []
    for entry in marked:
        words = entry.get("Consequence", "")
        name = class_of(words, reference, allele)
        if name is None:
            raise Unusable(
                UNKNOWN_WORD,
                "A consequence of the VCF is none of the Sequence Ontology that is known.",
                "Annotate it with VEP or SnpEff.",
            )
        told.append((severity(name), name, entry))
    _, name, entry = min(told, key=lambda item: (item[0], not _gene(item[2])))
    change = entry.get("HGVSp", "").split(":")[-1] or None
    return Annotation(_gene(entry), name, _one_letter(change))


def _of_allele(entries: list[dict[str, str]], reference: str, allele: str, number: int) -> list[dict[str, str]]:
    """Return the annotations of one of several alleles: by its number, else as VEP or SnpEff write the allele."""
    numbered = [e for e in entries if e.get("ALLELE_NUM") == str(number)]
    trimmed = allele[1:] or "-" if allele[:1] == reference[:1] else allele
    found = numbered or [e for e in entries if e.get("Allele") == allele] or [e for e in entries if e.get("Allele") == trimmed]
    if not found:
        raise Unusable(
            NOT_ANNOTATED,
            "One of several alleles of a record has no annotation.",
            "Annotate the VCF again, with --allele_number.",
        )
    return found


def _gene(entry: Mapping[str, str]) -> str:
    """Return the symbol, or that of the Ensembl gene where the symbol is blank."""
    said = entry.get("SYMBOL", "").strip()
    symbol = "" if said.upper() in NO_NAME or said in ("-", ".") else said
    if symbol and not ENSEMBL.match(symbol):
        return symbol
    stable = ENSEMBL.match(entry.get("Gene", "").strip() or symbol)
    if stable is None:
        return symbol
    gene = gene_table().match(stable.group(1)).gene
    return gene.symbol if gene else stable.group(1)


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
