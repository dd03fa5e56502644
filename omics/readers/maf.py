"""MAF of every dialect to variants: what is somatic and passed, once each, and nothing else; what is not understood is refused."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from unibase.groundwork.problems import Unusable, UserError
from unibase.groundwork.reasons import NOT_A_NUMBER, TRUNCATED_FILE
from unibase.omics.genes import NO_NAME, current_symbols, gene_table
from unibase.omics.readers.consequences import class_of, severity
from unibase.omics.readers.profiles import read_panel, read_profiled
from unibase.omics.readers.tabular import content
from unibase.omics.readers.variants import SCHEMA, MutationData
from unibase.omics.reasons import MIXED_BUILDS, NOT_A_MAF, OTHER_NAMES, UNKNOWN_WORD
from unibase.omics.recognise.names import plain

_COLUMNS = {
    "gene": ("Hugo_Symbol",),
    "entrez": ("Entrez_Gene_Id",),
    "chromosome": ("Chromosome",),
    "start": ("Start_Position",),
    "end": ("End_Position",),
    "reference": ("Reference_Allele",),
    "allele": ("Tumor_Seq_Allele2",),
    "classification": ("Variant_Classification",),
    "variant_type": ("Variant_Type",),
    "sample": ("Tumor_Sample_Barcode",),
    "protein_change": ("HGVSp_Short", "Protein_Change", "amino_acid_change", "AAChange"),
}
_BESIDE = {"status": "Mutation_Status", "filter": "FILTER", "build": "NCBI_Build", "other_allele": "Tumor_Seq_Allele1"}
_REQUIRED = ("gene", "chromosome", "start", "classification", "sample")
_SOMATIC = frozenset(
    map(plain, ("somatic", "", "unknown", "na", "n/a", "untested", ".", "confirmed somatic", "likely somatic", "unk"))
)
_NOT_SOMATIC = frozenset(
    map(
        plain,
        ("germline", "loh", "wildtype", "none", "Post-transcriptional modification", "likely germline", "artifact", "artefact"),
    )
)
_PASSED = frozenset(("pass", ".", "", "na", "none"))
_BUILDS = {"37": "hg19", "grch37": "hg19", "hg19": "hg19", "b37": "hg19", "grch37lite": "hg19", "hs37d5": "hg19", "19": "hg19",
           "38": "hg38", "grch38": "hg38", "hg38": "hg38", "36": "hg18", "hg18": "hg18", "361": "hg18", "ncbi36": "hg18"}  # fmt: skip


def read_maf(
    path: Path | str,
    profiled: Path | str | Sequence[str] | None = None,
    panel: Path | str | None = None,
    *,
    rename_aliases: bool = True,
) -> MutationData:
    """Read a MAF (plain or packed).

    Args:
        path: Tab-separated, with Hugo_Symbol, Chromosome, Start_Position, Variant_Classification and
            Tumor_Sample_Barcode at least.
        profiled: Names of all sequenced samples, or a file of them. Without it the file's own `#sequenced_samples` line; without
            that, only samples with a variant are known to be profiled, and `notes` says so.
        panel: File of the genes the assay covers, one per line.
        rename_aliases: Replace outdated symbols by approved ones, so that one gene has one name (MLL2 is KMT2D).

    Left out, and counted in `notes`: rows whose Mutation_Status is not somatic, whose FILTER did not pass, whose alleles are the
    reference, and rows without a gene. A variant listed for several transcripts is one. Variants of samples that the list of
    profiled samples does not have are an error of the list: they are added to it, and `notes` counts them.

    Raises:
        Unusable: `not-a-maf`, `truncated-file`, `not-a-number`, `unknown-word` (a class, status or filter that is in no dialect),
            `mixed-builds`.
        UserError: If there is nothing at `path`.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"There is no MAF at {path}. Check the path in the study file.")
    frame, sequenced = _rows(path)
    carriers_of_all = set(frame["sample"].to_list())
    notes: list[str] = []
    kept = _named_genes(_changed(_passed(_somatic(frame, notes), notes), notes), notes)
    distinct = _once(_classified(kept), notes)
    renamed = current_symbols(distinct["gene"].to_list()) if rename_aliases else {}
    if renamed:
        distinct = distinct.with_columns(pl.col("gene").replace(renamed))
        notes.append(f"{len(renamed)} outdated gene symbols replaced")
    names = _profiled(profiled, sequenced, carriers_of_all, notes)
    if builds := frame["build"].drop_nulls().unique().to_list():
        notes.append(f"genome {_BUILDS.get(plain(builds[0]), builds[0])}, as the MAF's own NCBI_Build says")
    genes = None if panel is None else read_panel(panel, rename_aliases=rename_aliases)
    return MutationData(distinct.select(list(SCHEMA)), tuple(sorted(names)), genes, tuple(notes), renamed)


def _rows(path: Path) -> tuple[pl.DataFrame, tuple[str, ...] | None]:
    """Return the cells that are needed, stripped, null where empty, and the samples that the file says were sequenced."""
    data, _ = content(path)
    data = tabbed(data.replace(b"\r\n", b"\n"))
    head = _head(data)
    where = _places(head.titles)
    last = max(at for at in where.values() if at is not None)
    _check_widths(data, head.skipped, len(head.titles), last)
    frame = pl.read_csv(
        io.BytesIO(data),
        has_header=False,
        skip_lines=head.skipped + 1,
        separator="\t",
        quote_char=None,
        schema={f"c{i}": pl.String() for i in range(len(head.titles))},
        columns=sorted({at for at in where.values() if at is not None}),
        truncate_ragged_lines=True,
    )
    cells = [
        (pl.lit(None, pl.String()) if at is None else pl.col(f"c{at}").str.strip_chars().replace("", None)).alias(name)
        for name, at in where.items()
    ]
    frame = frame.select(cells) if frame.height else pl.DataFrame(schema=dict.fromkeys(where, pl.String()))
    frame = frame.filter(~pl.all_horizontal(pl.all().is_null())).with_row_index("source_row", offset=1)
    return _checked(frame.with_columns(pl.col("source_row").cast(pl.Int64()))), head.sequenced


def tabbed(data: bytes) -> bytes:
    """Return a MAF that a spreadsheet wrote (commas, semicolons, quotes) with tabs and without quotes; any other as it is.

    Args:
        data: Its bytes, UTF-8, lines ended by a line feed.
    """
    title = next((line for line in io.BytesIO(data) if line.strip() and not line.startswith(b"#")), b"")
    separator = max((b"\t", b";", b","), key=title.count)
    if separator == b"\t" and b'"' not in title:
        return data
    out = io.StringIO()
    for cells in csv.reader(io.StringIO(data.decode()), delimiter=separator.decode()):
        out.write("\t".join(cell.replace("\t", " ").replace("\n", " ") for cell in cells) + "\n")
    return out.getvalue().encode()


@dataclass(frozen=True)
class _Head:
    """What stands above the rows: lines before the titles, the titles, and the samples of `#sequenced_samples`."""

    skipped: int
    titles: tuple[str, ...]
    sequenced: tuple[str, ...] | None


def _head(data: bytes) -> _Head:
    sequenced = None
    for skipped, line in enumerate(io.BytesIO(data)):
        text = line.decode().rstrip("\n")
        if text.strip() and not text.startswith("#"):
            return _Head(skipped, tuple(text.split("\t")), sequenced)
        if re.match(r"#\s*sequenced_samples", text, re.IGNORECASE):
            sequenced = tuple(text.partition(":")[2].split())
    raise Unusable(NOT_A_MAF, "The MAF has no header line.", "Give a file with MAF columns.")


def _places(header: Sequence[str]) -> dict[str, int | None]:
    """Return where each column that is needed stands; None where the file lacks it."""
    titles = [plain(title) for title in header]
    where = {name: next((titles.index(plain(t)) for t in known if plain(t) in titles), None) for name, known in _COLUMNS.items()}
    missing = [_COLUMNS[name][0] for name in _REQUIRED if where[name] is None]
    if missing:
        raise Unusable(
            NOT_A_MAF, f"The MAF lacks the column {', '.join(missing)}.", "Give a tab-separated file with MAF columns."
        )
    return where | {name: titles.index(plain(title)) if plain(title) in titles else None for name, title in _BESIDE.items()}


def _check_widths(data: bytes, skipped: int, width: int, last: int) -> None:
    for number, line in enumerate(io.BytesIO(data)):
        if number > skipped and line.strip() and line.count(b"\t") < min(width - 1, last):
            raise Unusable(
                TRUNCATED_FILE, f"Row {number - skipped} of the MAF has fewer cells than the header.", "Copy it again."
            )


def _checked(frame: pl.DataFrame) -> pl.DataFrame:
    """Return positions as numbers; refuse rows without a sample or a place, and positions of several genomes."""
    blank = frame.filter(pl.col("sample").is_null())
    if blank.height:
        raise Unusable(NOT_A_MAF, f"Row {blank['source_row'][0]} of the MAF names no sample.", "Fill in Tumor_Sample_Barcode.")
    for name in ("start", "end"):
        found = frame[name].cast(pl.Float64(), strict=False)
        _refuse_rounded(frame, name)
        bad = frame.filter((pl.col(name).is_not_null() & found.is_null()) | (found.floor() != found))
        if bad.height or (name == "start" and frame[name].null_count()):
            row = bad["source_row"][0] if bad.height else frame.filter(pl.col("start").is_null())["source_row"][0]
            raise Unusable(NOT_A_NUMBER, f"Row {row} of the MAF has no whole number as its {name} position.", "Correct the row.")
        frame = frame.with_columns(found.cast(pl.Int64()))
    builds = {_BUILDS.get(plain(word), plain(word)) for word in frame["build"].drop_nulls().unique().to_list()}
    if len(builds) > 1:
        raise Unusable(MIXED_BUILDS, "The MAF has positions of several genomes (NCBI_Build).", "Split it, or lift one over.")
    return frame.with_columns(pl.col("chromosome").str.replace("(?i)^chr", ""))


_ROUNDED = r"^\d[.,]?\d*[eE]\+?\d+$"


def _refuse_rounded(frame: pl.DataFrame, name: str) -> None:
    """Refuse positions of which a spreadsheet kept the first digits: `7.68E+06` is another place, and merges variants.

    Raises:
        Unusable: `not-a-number`.
    """
    for row, cell in frame.filter(pl.col(name).str.contains(_ROUNDED)).select("source_row", name).iter_rows():
        digits, _, power = cell.lower().partition("e")
        if len(re.sub(r"\D", "", digits)) - 1 < int(power):
            raise Unusable(
                NOT_A_NUMBER,
                f"Row {row} of the MAF has a {name} position of which a spreadsheet kept the first digits alone.",
                "Export the file again from the caller, and do not save it from a spreadsheet.",
            )


def _unknown(what: str, frame: pl.DataFrame, column: str, words: list[str]) -> Unusable:
    rows = frame.filter(pl.col(column).is_in(words))
    return Unusable(
        UNKNOWN_WORD,
        f"Row {rows['source_row'][0]} of the MAF has a word in {what} that is in no dialect ({rows.height} such rows).",
        "Use the words of the MAF specification, of the Sequence Ontology or of ANNOVAR.",
    )


def _somatic(frame: pl.DataFrame, notes: list[str]) -> pl.DataFrame:
    words = frame["status"].drop_nulls().unique().to_list()
    unclear = [word for word in words if plain(word) not in _SOMATIC | _NOT_SOMATIC]
    if unclear:
        raise _unknown("Mutation_Status", frame, "status", unclear)
    other = [word for word in words if plain(word) in _NOT_SOMATIC and word != "."]
    # `None` as a status says that there is no mutation; an empty cell says nothing.
    kept = frame.filter(pl.col("status").is_null() | ~pl.col("status").is_in(other))
    if kept.height < frame.height:
        left = frame.height - kept.height
        notes.append(f"{left} rows left out: their Mutation_Status is not somatic")
    return kept


def _passed(frame: pl.DataFrame, notes: list[str]) -> pl.DataFrame:
    good = pl.col("filter").is_null() | pl.col("filter").str.to_lowercase().is_in(sorted(_PASSED))
    kept = frame.filter(good)
    if frame.height >= 20 and not kept.height:
        raise Unusable(
            UNKNOWN_WORD,
            "No row of the MAF passed its FILTER.",
            "Look whether the column holds PASS; leave it out if it holds no filters.",
        )
    if kept.height < frame.height:
        notes.append(f"{frame.height - kept.height} rows left out: they did not pass their FILTER")
    return kept


def _changed(frame: pl.DataFrame, notes: list[str]) -> pl.DataFrame:
    same = (pl.col("reference") == pl.col("allele")) & (
        pl.col("other_allele").is_null() | (pl.col("other_allele") == pl.col("reference"))
    )
    kept = frame.filter(~same.fill_null(False))
    if kept.height < frame.height:
        notes.append(f"{frame.height - kept.height} rows left out: both alleles are the reference")
    # Where the first allele is the changed one.
    swapped = (pl.col("allele") == pl.col("reference")) & pl.col("other_allele").is_not_null()
    return kept.with_columns(pl.when(swapped).then(pl.col("other_allele")).otherwise(pl.col("allele")).alias("allele"))


def _named_genes(frame: pl.DataFrame, notes: list[str]) -> pl.DataFrame:
    """Take the gene's name from its NCBI number where it is blank; leave out rows without either."""
    table = gene_table()
    dates = [name for name in frame["gene"].drop_nulls().unique().to_list() if table.match(name).how == "spreadsheet-date"]
    of_dates = pl.col("gene").is_in(dates)
    if dates:
        notes.append(
            f"{frame.filter(of_dates).height} rows name a date, as a spreadsheet writes a gene: their NCBI number is taken"
        )
    blank = pl.col("gene").is_null() | pl.col("gene").str.to_uppercase().is_in(sorted(NO_NAME)) | of_dates
    numbers = frame.filter(blank)["entrez"].drop_nulls().unique().to_list()
    known = {number: gene.symbol for number in numbers if number.isdigit() and (gene := table.match(number).gene)}
    by_number = (
        pl.col("entrez").replace_strict(known, default=None, return_dtype=pl.String()) if known else pl.lit(None, pl.String())
    )
    named = frame.with_columns(pl.when(blank).then(by_number).otherwise(pl.col("gene")).alias("gene"))
    kept = named.filter(pl.col("gene").is_not_null())
    if kept.height < frame.height:
        notes.append(f"{frame.height - kept.height} rows left out: they name no gene")
    return kept


def _classified(frame: pl.DataFrame) -> pl.DataFrame:
    """Return classes in the words of the MAF specification.

    Raises:
        Unusable: `unknown-word`.
    """
    words = frame["classification"].unique().to_list()
    if any(word is None for word in words):
        row = frame.filter(pl.col("classification").is_null())["source_row"][0]
        raise Unusable(UNKNOWN_WORD, f"Row {row} of the MAF has no Variant_Classification.", "Annotate the variants again.")
    unclear = [word for word in words if class_of(word, "", "") is None]
    if unclear:
        raise _unknown("Variant_Classification", frame, "classification", unclear)
    pairs = frame.select("classification", "reference", "allele").unique()
    plain_words = {word: found for word in words if (found := class_of(word, "AA", "A")) == class_of(word, "A", "AA")}
    if len(plain_words) == len(words):
        return frame.with_columns(pl.col("classification").replace_strict(plain_words, return_dtype=pl.String()))
    told = pairs.with_columns(
        pl.Series("told", [class_of(word, ref or "", alt or "") for word, ref, alt in pairs.iter_rows()], dtype=pl.String())
    )
    joined = frame.join(told, on=["classification", "reference", "allele"], how="left", nulls_equal=True, maintain_order="left")
    return joined.with_columns(pl.col("told").alias("classification")).drop("told")


def _once(frame: pl.DataFrame, notes: list[str]) -> pl.DataFrame:
    """Keep one row for a variant and a gene: that of the worst class, the first of equals."""
    ranks = {name: severity(name) for name in frame["classification"].unique().to_list()}
    place = ["gene", "chromosome", "start", "end", "reference", "allele", "sample"]
    ordered = frame.with_columns(
        pl.col("classification").replace_strict(ranks, default=99, return_dtype=pl.Int64()).alias("rank")
    )
    distinct = ordered.sort("rank", "source_row").unique(subset=place, keep="first", maintain_order=True).sort("source_row")
    if distinct.height < frame.height:
        notes.append(f"{frame.height - distinct.height} repeated variants merged")
    return distinct


def _profiled(
    profiled: Path | str | Sequence[str] | None, sequenced: tuple[str, ...] | None, carriers: set[str], notes: list[str]
) -> set[str]:
    if profiled is None and sequenced is None:
        notes.append("no list of profiled samples: only samples with a variant count as profiled")
        return carriers
    if profiled is None:
        listed = set(sequenced or ())
        notes.append(f"{len(listed)} samples sequenced, as the MAF's own line sequenced_samples says")
    else:
        listed = set(read_profiled(profiled) if isinstance(profiled, str | Path) else profiled)
    if len(carriers) > 1 and not carriers & listed:
        raise Unusable(
            OTHER_NAMES,
            f"None of the {len(carriers)} samples with variants is on the list of profiled samples.",
            "Name samples in the list as the MAF does (Tumor_Sample_Barcode).",
        )
    _refuse_longer(carriers - listed, listed)
    if carriers - listed:
        notes.append(f"{len(carriers - listed)} samples with variants were not on the list of profiled samples")
    return listed | carriers


def _refuse_longer(strange: set[str], listed: set[str]) -> None:
    """Refuse samples that are listed by a shorter name: the listed one would pass for wild type.

    Raises:
        Unusable: `other-names`.
    """
    short = [
        name
        for name in strange
        if any(name[:at] in listed for at in range(4, len(name)) if name[at] in "-._" or name[at].isalpha())
    ]
    if short:
        raise Unusable(
            OTHER_NAMES,
            f"{len(short)} samples of the MAF are on the list of profiled samples by a shorter name.",
            "Name samples in the list as the MAF does (Tumor_Sample_Barcode).",
        )
