"""Counts that a tool writes in one file per sample: STAR, GDC's augmented STAR, RSEM, htseq-count, and salmon and kallisto summed to genes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unibase.groundwork.problems import Unusable, UserError
from unibase.groundwork.reasons import NOT_A_NUMBER
from unibase.omics.options import SampleFrom, Strand
from unibase.omics.readers.tabular import Table, read_table
from unibase.omics.reasons import DIFFERENT_GENES, NO_SAMPLE_NAMES, NOT_A_MATRIX, NOT_COUNTS, UNKNOWN_TRANSCRIPTS
from unibase.omics.recognise.names import SUMMARY_ROWS, look

_GDC_COLUMNS: Mapping[Strand, str] = {"unstranded": "unstranded", "forward": "stranded_first", "reverse": "stranded_second"}
_STAR_COLUMNS: Mapping[Strand, int] = {"unstranded": 1, "forward": 2, "reverse": 3}


@dataclass(frozen=True)
class PerSample:
    """One column per file.

    Attributes:
        samples: Names, which may come again.
        genes: Those of every file, in the order of the first.
        values: Samples x genes.
        source: The tool: `star`, `gdc-star`, `rsem`, `htseq`, `salmon`, `salmon-genes`, `kallisto`, `featurecounts`, or `genes and counts`
            for tables of two columns.
    """

    samples: list[str]
    genes: list[str]
    values: NDArray[np.float64]
    source: str


@dataclass(frozen=True)
class Wanted:
    """What is needed to read files of one sample each.

    Attributes:
        strand: Column of STAR's tables.
        transcripts: Two-column table (transcript, gene) for salmon and kallisto.
        sample_from: `file name` takes the sample's name from the file.
    """

    strand: Strand = "unstranded"
    transcripts: Path | str | None = None
    sample_from: SampleFrom | None = None


@dataclass(frozen=True)
class _Tool:
    """How one tool names its files and columns.

    Attributes:
        files: Form of a file's name.
        titles: Titles that its table has; empty for tables without titles.
        gene, value: Titles of the columns taken.
        by_transcript: Whether a row is a transcript.
    """

    name: str
    files: re.Pattern[str]
    titles: frozenset[str]
    gene: str
    value: str
    by_transcript: bool = False


_PLAIN_FILE = re.compile(r"^(?!MANIFEST|gdc_|md5|readme)([^.].*?)([._-](feature_?counts?|gene_?counts?|read_?counts?|counts?|htseq|genes?))*"
                         r"\.(txt|tsv|csv|tab|counts?|out)(\.gz)?$", re.IGNORECASE)  # fmt: skip
"""A table of any name; its sample is the name without what says that it holds counts."""
_BY_CONTENT = ("featurecounts", "genes and counts")
"""Tools that are told by a table's content, for their files bear any name."""
_TOOLS = (
    _Tool("star", re.compile(r"^(.*?)[._-]*ReadsPerGene\.out\.tab(\.gz)?$"), frozenset(), "", ""),
    _Tool("gdc-star", re.compile(r"^(.+?)\.rna_seq\.augmented_star_gene_counts\.tsv(\.gz)?$"),
          frozenset({"gene_id", "unstranded", "stranded_first", "stranded_second"}), "gene_id", "unstranded"),
    _Tool("rsem", re.compile(r"^(.+?)\.genes\.results(\.gz)?$"), frozenset({"gene_id", "expected_count"}), "gene_id", "expected_count"),
    _Tool("salmon", re.compile(r"^quant\.sf(\.gz)?$"), frozenset({"Name", "Length", "EffectiveLength", "TPM", "NumReads"}), "Name", "NumReads", True),
    _Tool("kallisto", re.compile(r"^abundance\.tsv(\.gz)?$"), frozenset({"target_id", "est_counts", "tpm"}), "target_id", "est_counts", True),
    _Tool("salmon-genes", re.compile(r"^quant\.genes\.sf(\.gz)?$"), frozenset({"Name", "Length", "EffectiveLength", "TPM", "NumReads"}), "Name", "NumReads"),
    _Tool("htseq", re.compile(r"^(.+?)[._-](htseq[._-]counts?(\.txt|\.tsv)?|htseq(\.txt|\.tsv)?)(\.gz)?$"), frozenset(), "", ""),
    _Tool("featurecounts", _PLAIN_FILE, frozenset({"Geneid", "Chr", "Start", "End", "Strand", "Length"}), "Geneid", ""),
    _Tool("genes and counts", _PLAIN_FILE, frozenset(), "", ""),
)  # fmt: skip
_REFUSED = (
    (frozenset({"transcript_id", "gene_id", "IsoPct"}), "RSEM's table of transcripts", "Give its genes.results."),
    (frozenset({"tracking_id", "FPKM"}), "Cufflinks' table of FPKM", "Give raw counts: they cannot be had back from FPKM."),
    (frozenset({"Gene ID", "FPKM", "TPM"}), "StringTie's table of FPKM and TPM", "Give raw counts (prepDE.py writes them)."),
)


def tool_of(path: Path, table: Table) -> str:
    """Return which tool wrote the `table` of one sample at `path`; empty when none is known.

    Raises:
        Unusable: `not-counts`, `not-a-matrix` when it is a table of a tool that holds no counts of genes.
    """
    titles = set(table.titles)
    for known, said, remedy in _REFUSED:
        if known <= titles:
            raise Unusable(NOT_COUNTS, f"This is {said}: it holds no counts of genes.", remedy)
    for tool in _TOOLS:
        if tool.titles and tool.titles <= titles and tool.name not in _BY_CONTENT:
            return tool.name
    by_name = next((t.name for t in _TOOLS if not t.titles and t.name not in _BY_CONTENT and t.files.match(path.name)), "")
    return by_name if not table.titled and len(table.titles) in (2, 4) else ""


def read_folder(folder: Path, wanted: Wanted) -> PerSample:
    """Read all files of one tool below a folder; `wanted` and errors as `counts.read_counts` says.

    Raises:
        UserError: If no file there is of a known tool.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for tool in _TOOLS:
        mine = [path for path in files if tool.files.match(path.name)]
        if mine and (tool.name not in _BY_CONTENT or _all_of(tool, mine)):
            return read_files(mine, tool.name, wanted, dict(_gdc_names(files)))
    raise UserError(
        f"{folder} holds no files of one sample each that are known: STAR ReadsPerGene.out.tab, GDC augmented_star_gene_counts, RSEM "
        "genes.results, htseq counts, featureCounts, salmon quant.sf, kallisto abundance.tsv, or tables of genes and counts. Give the "
        "matrix file itself."
    )


def _all_of(tool: _Tool, files: list[Path]) -> bool:
    """Whether the first and the last of files are tables of a tool: those of two columns, of genes and their counts."""
    for table in (read_table(path) for path in {files[0], files[-1]}):
        if tool.titles:
            if not tool.titles <= set(table.titles) or len(table.titles) != len(tool.titles) + 1:
                return False
        elif (
            len(table.titles) not in (2, 3)
            or not table.is_number(len(table.titles) - 1)
            or table.is_number(0)
            or look(table.texts(0), "gene").share < 0.3
        ):
            return False
    return True


def read_files(files: list[Path], tool_name: str, wanted: Wanted, listed: Mapping[str, str] | None = None) -> PerSample:
    """Put files of one sample each into one matrix.

    Args:
        files: The files.
        tool_name: Who wrote them.
        wanted: What is needed to read them.
        listed: Sample of each file by GDC's sample sheet.

    Raises:
        Unusable: `different-genes` when the files do not list the same genes, and as a file cannot be read; names its
            place.
    """
    tool = next(tool for tool in _TOOLS if tool.name == tool_name)
    mapping = _transcript_table(wanted.transcripts) if tool.by_transcript else None
    names = [_sample_name(path, tool, wanted, listed or {}) for path in files]
    genes: list[str] = []
    rows: list[NDArray[np.float64]] = []
    for place, path in enumerate(files, start=1):
        try:
            column = _column(read_table(path), tool, wanted.strand, mapping)
        except Unusable as problem:
            raise Unusable(problem.reason, f"File {place} of {len(files)}, by name: {problem.message}", problem.remedy) from None
        if rows and column.keys() != set(genes):
            raise Unusable(
                DIFFERENT_GENES,
                f"File {place} of {len(files)}, by name, lists {len(column)} genes, and not those of the first ({len(genes)}).",
                "Copy it again if it is cut short, or count all samples with one annotation.",
            )
        genes = genes or list(column)
        rows.append(np.array([column[gene] for gene in genes], dtype=np.float64))
    return PerSample(names, genes, np.array(rows), tool_name)


def _sample_name(path: Path, tool: _Tool, wanted: Wanted, listed: Mapping[str, str]) -> str:
    if path.name in listed and wanted.sample_from is None:
        return listed[path.name]
    match = tool.files.match(path.name)
    stem = match[1] if match and match.groups() and match[1] else ""
    if tool.by_transcript or tool.name == "salmon-genes" or (tool.name == "star" and not stem):
        return path.parent.name
    if tool.name in ("gdc-star", "htseq") and wanted.sample_from is None and (tool.name == "gdc-star" or _is_uuid(stem)):
        raise Unusable(
            NO_SAMPLE_NAMES,
            "GDC's files do not say whose they are, and no gdc_sample_sheet.tsv beside them does.",
            "Put GDC's sample sheet into the folder of the files, or say sample_from: file name.",
        )
    if tool.name == "featurecounts" and len(stem) < 2:
        return path.parent.name
    return stem or path.name.split(".")[0]


def _is_uuid(text: str) -> bool:
    return bool(re.match(r"^[0-9a-f]{8}-[0-9a-f]{1,4}(-[0-9a-f-]*)?$", text))


def _gdc_names(files: list[Path]) -> Iterator[tuple[str, str]]:
    """Yield each file and its sample, by GDC's sample sheets among the files."""
    for path in files:
        if not re.match(r"^gdc_sample_sheet.*\.(tsv|csv|txt)$", path.name, re.IGNORECASE):
            continue
        table = read_table(path)
        if not {"File Name", "Sample ID"} <= set(table.titles):
            continue
        columns = [table.texts(table.titles.index(title)) for title in ("File Name", "Sample ID")]
        yield from zip(*columns, strict=True)


def _column(table: Table, tool: _Tool, strand: Strand, mapping: Mapping[str, str] | None) -> dict[str, float]:
    if tool.titles:
        if not tool.titles <= set(table.titles):
            raise Unusable(NOT_A_MATRIX, f"The file is no table of {tool.name}.", "Give the tool's own table.")
        gene = table.titles.index(tool.gene)
        titled = _GDC_COLUMNS[strand] if tool.name == "gdc-star" else tool.value
        value = table.titles.index(titled) if titled else len(table.titles) - 1
    else:
        gene, value = 0, _place_of_counts(table, tool, strand)
    if not table.is_number(value):
        raise Unusable(NOT_A_NUMBER, "A cell of its counts is no number.", "Copy it again.")
    rows = dict(zip(table.texts(gene), table.values([value])[:, 0].tolist(), strict=True))
    if mapping is not None:
        return _to_genes(rows, mapping)
    return {name: count for name, count in rows.items() if name and not SUMMARY_ROWS.match(name)}


def _place_of_counts(table: Table, tool: _Tool, strand: Strand) -> int:
    """Return the column of counts of a table without titles; htseq may write names of genes before it."""
    width = len(table.titles)
    if width not in ((4,) if tool.name == "star" else (2, 3)):
        raise Unusable(NOT_A_MATRIX, f"The file is no table of {tool.name}.", "Give the tool's own table.")
    return _STAR_COLUMNS[strand] if tool.name == "star" else width - 1


def _to_genes(rows: Mapping[str, float], mapping: Mapping[str, str]) -> dict[str, float]:
    total: dict[str, float] = {}
    unknown = 0
    for name, reads in rows.items():
        gene = mapping.get(name.split("|")[0].split(".")[0])
        if gene is None:
            unknown += 1
        else:
            total[gene] = total.get(gene, 0.0) + reads
    if not total or unknown > len(rows) // 2:
        raise Unusable(
            UNKNOWN_TRANSCRIPTS,
            f"{unknown} of {len(rows)} transcripts are not in the table.",
            "Give the table of the index that the tool used.",
        )
    return total


def _transcript_table(path: Path | str | None) -> dict[str, str]:
    """Read which gene a transcript is of; a line of titles does no harm, for no transcript has such a name."""
    if path is None:
        raise UserError(
            "Salmon and kallisto count transcripts. Give the table transcript -> gene (two columns) as `transcripts`."
        )
    path = Path(path)
    if not path.exists():
        raise UserError(f"There is no table of transcripts at {path}. Check the path.")
    table = read_table(path)
    # What was taken for titles may be the first pair of a table without.
    pairs = [(table.titles[0], table.titles[1]), *zip(table.texts(0), table.texts(1), strict=True)]
    return {transcript.split(".")[0]: gene for transcript, gene in pairs if transcript and gene}
