"""Lines of a MAF to blocks of rows: a file of any size goes through a few megabytes at a time, and texts are held as categories."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import batched, chain
from pathlib import Path

import polars as pl

from unibase.groundwork.problems import Unusable
from unibase.groundwork.reasons import TRUNCATED_FILE
from unibase.omics.readers.tabular import is_packed_sheet, read_table
from unibase.omics.readers.text_blocks import text_blocks
from unibase.omics.reasons import NOT_A_MAF
from unibase.omics.recognise.names import plain

_ANNOVAR = {
    field: tuple(f"{field}.{genes}" for genes in ("refGene", "refGeneWithVer", "ensGene", "knownGene"))
    for field in ("Gene", "Func", "ExonicFunc")
}
COLUMNS = {
    "gene": ("Hugo_Symbol", "gene", "gene_affected", *_ANNOVAR["Gene"]),
    "entrez": ("Entrez_Gene_Id",),
    "chromosome": ("Chromosome", "Chrom", "chr"),
    "start": ("Start_Position", "chromosome_start", "Pos", "start"),
    "end": ("End_Position", "chromosome_end", "end"),
    "reference": ("Reference_Allele", "reference_genome_allele", "Ref"),
    "allele": ("Tumor_Seq_Allele2", "mutated_to_allele", "Alt"),
    "classification": ("Variant_Classification", "consequence_type", "VariantInfo", "effect", *_ANNOVAR["Func"]),
    "variant_type": ("Variant_Type",),
    "sample": ("Tumor_Sample_Barcode", "icgc_sample_id", "ModelID", "DepMap_ID", "Sample_ID"),
    "protein_change": ("HGVSp_Short", "Protein_Change", "amino_acid_change", "AAChange", "aa_mutation"),
}
"""What is taken of a MAF, and how its dialects name it; after the MAF's own titles those of ICGC, DepMap, Xena and ANNOVAR."""
_BESIDE = {
    "status": ("Mutation_Status",),
    "filter": ("FILTER",),
    "build": ("NCBI_Build", "assembly_version"),
    "other_allele": ("Tumor_Seq_Allele1",),
    "alt_reads": ("t_alt_count",),
    "ref_reads": ("t_ref_count",),
    "depth": ("t_depth",),
    "exonic": _ANNOVAR["ExonicFunc"],
}
_REQUIRED = ("gene", "chromosome", "start", "classification", "sample")


@dataclass(frozen=True)
class MafHead:
    """What stands above the rows.

    Attributes:
        titles: Of the columns.
        sequenced: Samples of the line `#sequenced_samples` or `#tumor.aliquots.submitter_id`, None without one.
        places: Where each column that is needed stands; None where the file lacks it.
    """

    titles: tuple[str, ...]
    sequenced: tuple[str, ...] | None
    places: dict[str, int | None]


def maf_blocks(path: Path, encoding: str = "utf-8") -> tuple[MafHead, Iterator[pl.DataFrame]]:
    """Return what stands above the rows of a MAF, and its rows by blocks.

    Cells are stripped texts, null where empty, of the columns that are needed; `source_row` counts the rows that are not blank from 1.

    Args:
        path: Plain, gzip or bgzip, or a workbook; separated by tabs, or as a spreadsheet writes it.
        encoding: Of its text; a byte-order mark overrules it.

    Raises:
        Unusable: `not-a-maf`, `not-a-matrix` when it is no text, `truncated-file`.
        UnicodeDecodeError: If the file is not of this encoding.
    """
    blocks = _tabbed(_sheet(path) if is_packed_sheet(path) else text_blocks(path, encoding))
    start = b""
    for block in blocks:
        start += block
        if found := _head(start):
            head, rest = found
            return head, _rows(head, chain([rest], blocks))
    raise Unusable(NOT_A_MAF, "The MAF has no header line.", "Give a file with MAF columns.")


def _sheet(path: Path) -> Iterator[bytes]:
    table = read_table(path)
    cells = [table.texts(i) for i in range(len(table.titles))]
    return _joined(chain([table.titles], zip(*cells, strict=True)))


def _joined(rows: Iterable[Sequence[str]]) -> Iterator[bytes]:
    """Yield rows of cells as lines of cells with tabs between them."""
    for some in batched(rows, 20_000):
        lines = ("\t".join(cell.replace("\t", " ").replace("\n", " ") for cell in cells) for cells in some)
        yield ("\n".join(lines) + "\n").encode()


def _tabbed(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield a MAF that a spreadsheet wrote (commas, semicolons, quotes) with tabs and without quotes; any other as it is."""
    before: list[bytes] = []
    for block in blocks:
        before.append(block)
        title = next((line for line in io.BytesIO(block) if line.strip() and not line.startswith(b"#")), b"")
        if title:
            break
    else:
        return iter(before)
    separator = max((b"\t", b";", b","), key=title.count)
    whole = chain(before, blocks)
    if separator == b"\t" and b'"' not in title:
        return whole
    lines = (line for block in whole for line in io.StringIO(block.decode()))
    return _joined(csv.reader(lines, delimiter=separator.decode()))


_SEQUENCED = re.compile(r"#\s*(sequenced_samples|tumou?r\.aliquots\.submitter_id)\b", re.IGNORECASE)
"""Lines that say who was sequenced: cBioPortal's, and GDC's."""


def _head(start: bytes) -> tuple[MafHead, bytes] | None:
    """Return what stands above the rows, and what follows the titles; None where the titles are still to come."""
    sequenced = None
    lines = io.BytesIO(start)
    for line in lines:
        text = line.decode().rstrip("\n")
        if text.strip() and not text.startswith("#"):
            titles = tuple(text.split("\t"))
            return MafHead(titles, sequenced, _places(titles)), start[lines.tell() :]
        if listed := _SEQUENCED.match(text):
            sequenced = tuple(name for name in re.split(r"[\s,;:]+", text[listed.end() :]) if name)
    return None


def is_maf(titles: Sequence[str]) -> bool:
    """Whether `titles` are those of a table of mutations: a MAF, or one of ICGC, DepMap or Xena.

    >>> is_maf(["Sample_ID", "gene", "chrom", "start", "end", "ref", "alt", "effect"]), is_maf(["gene", "S1"])
    (True, False)
    """
    plain_titles = {plain(title) for title in titles}
    return all(plain_titles & set(map(plain, COLUMNS[name])) for name in _REQUIRED)


def is_annovar(titles: Sequence[str]) -> bool:
    """Whether `titles` are those of ANNOVAR's table of variants, which may name no samples.

    >>> is_annovar(["Chr", "Start", "Func.refGene", "Gene.refGene", "ExonicFunc.refGene"])
    True
    """
    return not {plain(title) for title in titles}.isdisjoint(map(plain, _ANNOVAR["ExonicFunc"]))


def _places(header: Sequence[str]) -> dict[str, int | None]:
    titles = [plain(title) for title in header]
    known = {**COLUMNS, **_BESIDE}
    where = {name: next((titles.index(plain(t)) for t in words if plain(t) in titles), None) for name, words in known.items()}
    missing = [COLUMNS[name][0] for name in _REQUIRED if where[name] is None]
    if where["sample"] is None and where["exonic"] is not None:
        raise Unusable(
            NOT_A_MAF,
            "This is ANNOVAR's table, which names no samples.",
            "Add a column Tumor_Sample_Barcode, or make a MAF of it (maftools' annovarToMaf, with the names of samples).",
        )
    if missing:
        raise Unusable(
            NOT_A_MAF, f"The MAF lacks the column {', '.join(missing)}.", "Give a tab-separated file with MAF columns."
        )
    return where


def _rows(head: MafHead, blocks: Iterator[bytes]) -> Iterator[pl.DataFrame]:
    """Yield the rows of each block; at least one, which may be empty."""
    lines = rows = 0
    yielded = False
    for block in blocks:
        lines = _check_widths(block, head, lines)
        frame = _cells(block, head) if block.strip() else None
        if frame is None or not frame.height:
            continue
        yield frame.with_row_index("source_row", offset=rows + 1).with_columns(pl.col("source_row").cast(pl.Int64()))
        rows, yielded = rows + frame.height, True
    if not yielded:
        yield pl.DataFrame(schema={"source_row": pl.Int64(), **dict.fromkeys(head.places, pl.String())})


def _check_widths(block: bytes, head: MafHead, before: int) -> int:
    """Refuse a row that is shorter than it must be; return how many lines were seen, of which `before` before this block."""
    least = min(len(head.titles) - 1, max(at for at in head.places.values() if at is not None))
    number = before
    for number, line in enumerate(io.BytesIO(block), start=before + 1):
        tabs = line.count(b"\t")
        if tabs < least and line.strip():
            raise Unusable(TRUNCATED_FILE, f"Row {number} of the MAF has fewer cells than the header.", "Copy it again.")
        if tabs >= len(head.titles) and any(cell.strip() for cell in line.split(b"\t")[len(head.titles) :]):
            raise Unusable(
                TRUNCATED_FILE,
                f"Row {number} of the MAF has more cells than the header: nobody can tell which are shifted.",
                "Write the file again; no cell may hold a tab.",
            )
    return number


def _cells(block: bytes, head: MafHead) -> pl.DataFrame:
    lines = block.lstrip(b"\n")
    widest = max(len(head.titles), max(line.count(b"\t") for line in io.BytesIO(lines)) + 1)  # empty cells may close a line
    frame = pl.read_csv(
        io.BytesIO(lines),
        has_header=False,
        separator="\t",
        quote_char=None,
        schema={f"c{i}": pl.String() for i in range(widest)},
        columns=sorted({at for at in head.places.values() if at is not None}),
        truncate_ragged_lines=True,
    )
    cells = [
        (pl.lit(None, pl.String()) if at is None else pl.col(f"c{at}").str.strip_chars().replace("", None)).alias(name)
        for name, at in head.places.items()
    ]
    frame = frame.select(cells).filter(~pl.all_horizontal(pl.all().is_null()))
    # ANNOVAR says where a variant lies (exonic), and beside it what that does; the worse of both is its class.
    both = pl.concat_str("classification", pl.col("exonic").replace({".": None, "NA": None}), separator=";", ignore_nulls=True)
    return frame.with_columns(both.alias("classification")) if _says_where(head) else frame


def _says_where(head: MafHead) -> bool:
    """Whether the column of classes is ANNOVAR's of places; a MAF made of its table has classes of its own."""
    at = head.places["classification"]
    return at is not None and plain(head.titles[at]) in map(plain, _ANNOVAR["Func"])
