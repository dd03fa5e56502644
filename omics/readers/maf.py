"""MAF of every dialect to variants: what is somatic and passed, once each, and nothing else; what is not understood is refused."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from unibase.groundwork.problems import Unusable, UserError
from unibase.groundwork.reasons import NOT_A_NUMBER
from unibase.omics.assays.genome import LENGTHS
from unibase.omics.genes import ENSEMBL, NO_NAME, current_symbols, gene_table
from unibase.omics.readers.consequences import class_of, severity
from unibase.omics.readers.filter_words import PASSED, known_to_fail
from unibase.omics.readers.maf_blocks import MafHead, maf_blocks
from unibase.omics.readers.profiles import profiled_samples, read_panel
from unibase.omics.readers.variants import LAST_POSITION, SCHEMA, MutationData, alike, substitutions_of
from unibase.omics.reasons import MIXED_BUILDS, NOT_A_MAF, OTHER_BUILD, UNKNOWN_WORD
from unibase.omics.recognise.names import plain

_SOMATIC = frozenset(
    map(plain, ("somatic", "", "unknown", "na", "n/a", "untested", ".", "confirmed somatic", "likely somatic", "unk"))
)
_NOT_SOMATIC = frozenset(
    map(
        plain,
        ("germline", "loh", "wildtype", "none", "Post-transcriptional modification", "likely germline", "artifact", "artefact"),
    )
)
_BUILDS = {"37": "hg19", "grch37": "hg19", "hg19": "hg19", "b37": "hg19", "grch37lite": "hg19", "hs37d5": "hg19", "19": "hg19",
           "38": "hg38", "grch38": "hg38", "hg38": "hg38", "b38": "hg38", "hs38": "hg38", "hs38dh": "hg38", "grch38d1vd1": "hg38",
           "36": "hg18", "hg18": "hg18", "361": "hg18", "ncbi36": "hg18"}  # fmt: skip
_PATCH = re.compile(r"(?i)^((?:GRCh|NCBI|b)?\d+)[._ -]?p(?:atch)?[._ -]?\d+$")
"""A patch (GRCh38.p14) moves no position of a chromosome."""


_OTHER_SPECIES = re.compile(r"(grcm|mm|rn|mratbn|canfam|danrer|rhemac|susscr)\d")


def _build(word: str) -> str:
    """Return the genome that a word of NCBI_Build stands for."""
    bare = plain(_PATCH.sub(r"\1", word.strip()))
    return _BUILDS.get(bare, bare)


def read_maf(
    path: Path | str,
    profiled: Path | str | Sequence[str] | None = None,
    panel: Path | str | None = None,
    *,
    rename_aliases: bool = True,
    substitutions: bool = False,
) -> MutationData:
    """Read a MAF (plain or packed).

    Args:
        path: Tab-separated, with Hugo_Symbol, Chromosome, Start_Position, Variant_Classification and
            Tumor_Sample_Barcode at least.
        profiled: Names of all sequenced samples, or a file of them. Without it the file's own `#sequenced_samples` line; without
            that, only samples with a variant are known to be profiled, and `notes` says so.
        panel: File of the genes the assay covers, one per line.
        rename_aliases: Replace outdated symbols by approved ones, so that one gene has one name (MLL2 is KMT2D).
        substitutions: Keep the changes of one base, those without a gene too, for signatures.

    Left out, and counted in `notes`: rows whose Mutation_Status is not somatic, whose FILTER did not pass, whose alleles are the
    reference, and rows without a gene. A variant listed for several transcripts is one. Variants of samples that the list of
    profiled samples does not have are an error of the list: they are added to it, and `notes` counts them.

    Raises:
        Unusable: `not-a-maf`, `truncated-file`, `not-a-number`, `unknown-word` (a class, status or filter that is in no dialect),
            `mixed-builds`, `other-build` of another species.
        UserError: If there is nothing at `path`.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"There is no MAF at {path}. Check the path in the study file.")
    found = _found(path, substitutions)
    notes = found.said()
    distinct = _once_in_all(found.variants(), found.left_out["repeated"], notes)
    renamed = current_symbols(distinct["gene"].unique().drop_nulls().to_list()) if rename_aliases else {}
    if renamed:
        distinct = distinct.with_columns(pl.col("gene").replace(renamed))
        notes.append(f"{len(renamed)} outdated gene symbols replaced")
    names = profiled_samples(profiled, found.head.sequenced, found.carriers, notes)
    notes += [f"genome {build}, as the MAF's own NCBI_Build says" for build in found.builds.values()]
    genes = None if panel is None else read_panel(panel, rename_aliases=rename_aliases)
    single = pl.concat(found.single).unique(maintain_order=True) if found.single else None
    return MutationData(
        distinct, tuple(sorted(names)), genes, tuple(notes), renamed, substitutions=single, build=next(iter(found.builds), "")
    )


@dataclass
class _Found:
    """What the blocks of a MAF held together.

    Attributes:
        head: What stands above the rows.
        blocks: Variants of each block, texts as categories.
        carriers: Samples of all rows, those that are left out too.
        builds: Genomes that rows name, and how they are told.
        left_out: Rows by why they are left out.
        unknown: Words of no dialect, by column: the first row, and how many rows have one.
        single: Changes of one base of each block, where they are asked for.
        fails: Whether a word of FILTER is known to say that a variant failed.
    """

    head: MafHead
    substitutions: bool = False
    blocks: list[pl.DataFrame] = field(default_factory=list)
    carriers: set[str] = field(default_factory=set)
    builds: dict[str, str] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    unknown: dict[str, tuple[int, int]] = field(default_factory=dict)
    single: list[pl.DataFrame] = field(default_factory=list)
    fails: bool = False

    def take(self, block: pl.DataFrame) -> None:
        """Take in the rows of a block.

        Raises:
            Unusable: `not-a-maf`, `not-a-number`, `mixed-builds`, `other-build`, `unknown-word` when a row has no class.
        """
        frame = _checked(block)
        self.carriers |= set(frame["sample"].unique().to_list())
        for word in sorted(frame["build"].drop_nulls().unique().to_list()):
            if _OTHER_SPECIES.match(plain(word)):
                raise Unusable(OTHER_BUILD, "The MAF's NCBI_Build is a genome of another species.", "Give variants of patients.")
            self.builds.setdefault(_build(word), _build(word) if _build(word) in _BUILDS.values() else word)
        if len(self.builds) > 1:
            raise Unusable(MIXED_BUILDS, "The MAF has positions of several genomes (NCBI_Build).", "Split it, or lift one over.")
        _refuse_past_ends(frame, next(iter(self.builds), ""))
        somatic = _somatic(frame, self)
        passed = _passed(somatic, self)
        self.left_out["somatic"] += somatic.height
        self.left_out["passed"] += passed.height
        changed = _changed(_read_at_all(passed, self), self)
        self.single += [substitutions_of(changed)] if self.substitutions else []
        classified = _classified(_named_genes(changed, self), self)
        self.blocks.append(_once(classified, self).select(list(SCHEMA)).cast(pl.Schema(SCHEMA)))

    def leave(self, why: str, before: pl.DataFrame, kept: pl.DataFrame) -> pl.DataFrame:
        """Count the rows that are left out of a block, and return those that are kept."""
        self.left_out[why] += before.height - kept.height
        return kept

    def meet(self, what: str, frame: pl.DataFrame, column: str, words: list[str]) -> None:
        """Remember words of no dialect."""
        if words:
            rows = frame.filter(pl.col(column).is_in(words))
            first, count = self.unknown.get(what, (int(rows["source_row"][0]), 0))
            self.unknown[what] = first, count + rows.height

    def variants(self) -> pl.DataFrame:
        """Return the variants of all blocks, and let go of the blocks."""
        whole = pl.concat(self.blocks, rechunk=False)
        self.blocks = []
        return whole

    def said(self) -> list[str]:
        """Return the notes on what was left out.

        Raises:
            Unusable: `unknown-word`.
        """
        for what in ("Mutation_Status", "FILTER", "Variant_Classification"):
            somatic, passed = self.left_out["somatic"], self.left_out["passed"]
            if what == "FILTER" and somatic and not passed and (somatic >= 20 or not self.fails):
                raise Unusable(
                    UNKNOWN_WORD,
                    "No row of the MAF passed its FILTER.",
                    "Look whether the column holds PASS; leave it out if it holds no filters, and the rows if they failed.",
                )
            if what in self.unknown:
                raise _unknown(what, *self.unknown[what])
        return [f"{self.left_out[why]} {said}" for why, said in _SAID.items() if self.left_out[why]]


_SAID = {
    "status": "rows left out: their Mutation_Status is not somatic",
    "filter": "rows left out: they did not pass their FILTER",
    "no read": "rows left out: no read of the tumour has the variant, as where variants of others were counted in it",
    "unchanged": "rows left out: both alleles are the reference",
    "dates": "rows name a date, as a spreadsheet writes a gene: their NCBI number is taken",
    "no gene": "rows left out: they name no gene",
    "several genes": "rows name several genes: the variant is of each",
}


def _found(path: Path, substitutions: bool) -> _Found:
    """Read a MAF block by block, as UTF-8, or as Windows-1252 where it is none."""
    for encoding in ("utf-8", "cp1252"):
        try:
            head, blocks = maf_blocks(path, encoding)
            found = _Found(head, substitutions)
            for block in blocks:
                found.take(block)
            return found
        except UnicodeDecodeError:
            continue
    raise Unusable(NOT_A_MAF, "The file is no text.", "Give a text table or a workbook.")


def _checked(frame: pl.DataFrame) -> pl.DataFrame:
    """Return positions as numbers; refuse rows without a sample or a place."""
    blank = frame.filter(pl.col("sample").is_null())
    if blank.height:
        raise Unusable(NOT_A_MAF, f"Row {blank['source_row'][0]} of the MAF names no sample.", "Fill in Tumor_Sample_Barcode.")
    for name in ("start", "end"):
        found = frame[name].cast(pl.Float64(), strict=False)
        _refuse_rounded(frame, name)
        bad = frame.filter(
            (pl.col(name).is_not_null() & found.is_null()) | (found.floor() != found) | (found > LAST_POSITION) | (found < 0)
        )
        if bad.height or (name == "start" and frame[name].null_count()):
            row = bad["source_row"][0] if bad.height else frame.filter(pl.col("start").is_null())["source_row"][0]
            raise Unusable(NOT_A_NUMBER, f"Row {row} of the MAF has no whole number as its {name} position.", "Correct the row.")
        frame = frame.with_columns(found.cast(pl.Int64()))
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


def _refuse_past_ends(frame: pl.DataFrame, build: str) -> None:
    """Refuse variants that lie past the end of their chromosome in the genome that the MAF names.

    Raises:
        Unusable: `other-build`.
    """
    ends = {str(name): of for name, of in LENGTHS.items()}.get(build, {})
    last = frame.group_by("chromosome").agg(pl.col("start").max())
    past = [name for name, start in last.iter_rows() if start > ends.get(str(name).upper(), start)]
    if past:
        raise Unusable(
            OTHER_BUILD,
            f"Variants lie past the end of chromosome {min(past)} in {build}, which NCBI_Build names.",
            "Correct NCBI_Build, or the positions.",
        )


def _unknown(what: str, row: int, rows: int) -> Unusable:
    return Unusable(
        UNKNOWN_WORD,
        f"Row {row} of the MAF has a word in {what} that is in no dialect ({rows} such rows).",
        "Use the words of the MAF specification, of the Sequence Ontology or of ANNOVAR.",
    )


def _somatic(frame: pl.DataFrame, found: _Found) -> pl.DataFrame:
    words = frame["status"].drop_nulls().unique().to_list()
    found.meet("Mutation_Status", frame, "status", [word for word in words if plain(word) not in _SOMATIC | _NOT_SOMATIC])
    other = [word for word in words if plain(word) in _NOT_SOMATIC and word != "."]
    # `None` as a status says that there is no mutation; an empty cell says nothing.
    return found.leave("status", frame, frame.filter(pl.col("status").is_null() | ~pl.col("status").is_in(other)))


def _passed(frame: pl.DataFrame, found: _Found) -> pl.DataFrame:
    good = pl.col("filter").is_null() | pl.col("filter").str.to_lowercase().is_in(sorted(PASSED))
    if not found.fails:
        found.fails = any(map(known_to_fail, frame.filter(~good)["filter"].unique().to_list()))
    return found.leave("filter", frame, frame.filter(good))


def _read_at_all(frame: pl.DataFrame, found: _Found) -> pl.DataFrame:
    """Leave out rows of which the tumour has reads, and none with the variant; counts that are 0 beside 0 say nothing."""
    count = {name: pl.col(name).cast(pl.Float64(), strict=False) for name in ("alt_reads", "ref_reads", "depth")}
    looked_at = (count["ref_reads"].fill_null(0) > 0) | (count["depth"].fill_null(0) > 0)
    return found.leave("no read", frame, frame.filter(~((count["alt_reads"] == 0) & looked_at).fill_null(False)))


def _changed(frame: pl.DataFrame, found: _Found) -> pl.DataFrame:
    same = (pl.col("reference") == pl.col("allele")) & (
        pl.col("other_allele").is_null() | (pl.col("other_allele") == pl.col("reference"))
    )
    kept = found.leave("unchanged", frame, frame.filter(~same.fill_null(False)))
    # Where the first allele is the changed one.
    swapped = (pl.col("allele") == pl.col("reference")) & pl.col("other_allele").is_not_null()
    return kept.with_columns(pl.when(swapped).then(pl.col("other_allele")).otherwise(pl.col("allele")).alias("allele"))


def _named_genes(frame: pl.DataFrame, found: _Found) -> pl.DataFrame:
    """Take the gene's name from its NCBI number where it is blank, and its symbol where it is Ensembl's; leave out rows without either."""
    table = gene_table()
    stable = {
        name: gene.symbol
        for name in frame["gene"].unique().drop_nulls()
        if ENSEMBL.match(name) and (gene := table.match(name).gene)
    }
    frame = frame.with_columns(pl.col("gene").replace(stable)) if stable else frame
    # No symbol is a number: it is NCBI's, in the other's column.
    number = pl.when(pl.col("gene").str.contains(r"^\d+$")).then(pl.col("gene"))
    frame = frame.with_columns(
        pl.when(number.is_null()).then("gene").alias("gene"), pl.coalesce(number, "entrez").alias("entrez")
    )
    dates = [name for name in frame["gene"].drop_nulls().unique().to_list() if table.match(name).how == "spreadsheet-date"]
    of_dates = pl.col("gene").is_in(dates)
    found.left_out["dates"] += frame.filter(of_dates).height if dates else 0
    blank = pl.col("gene").is_null() | pl.col("gene").str.to_uppercase().is_in(sorted(NO_NAME)) | of_dates
    numbers = frame.filter(blank)["entrez"].drop_nulls().unique().to_list()
    known = {number: gene.symbol for number in numbers if number.isdigit() and (gene := table.match(number).gene)}
    by_number = (
        pl.col("entrez").replace_strict(known, default=None, return_dtype=pl.String()) if known else pl.lit(None, pl.String())
    )
    named = _each_gene(frame.with_columns(pl.when(blank).then(by_number).otherwise(pl.col("gene")).alias("gene")), found)
    return found.leave("no gene", named, named.filter(pl.col("gene").is_not_null()))


def _each_gene(frame: pl.DataFrame, found: _Found) -> pl.DataFrame:
    """Give a variant that names several genes in one cell (ANNOVAR's `TP53;WRAP53`) a row of each: no gene is of that name."""
    several = frame["gene"].str.contains("[;,]").fill_null(False)
    if not several.any():
        return frame
    found.left_out["several genes"] += int(several.sum())
    each = frame.with_columns(pl.col("gene").str.replace_all(",", ";").str.split(";")).explode("gene")
    named = each.with_columns(pl.col("gene").str.strip_chars())
    return named.filter(pl.col("gene").is_null() | ~pl.col("gene").str.to_uppercase().is_in(["", *sorted(NO_NAME)]))


def _classified(frame: pl.DataFrame, found: _Found) -> pl.DataFrame:
    """Return classes in the words of the MAF specification; null where a word is in no dialect.

    Raises:
        Unusable: `unknown-word` when a row has no class.
    """
    words = frame["classification"].unique().to_list()
    if any(word is None for word in words):
        row = frame.filter(pl.col("classification").is_null())["source_row"][0]
        raise Unusable(UNKNOWN_WORD, f"Row {row} of the MAF has no Variant_Classification.", "Annotate the variants again.")
    found.meet("Variant_Classification", frame, "classification", [word for word in words if class_of(word, "", "") is None])
    plain_words = {word: told for word in words if (told := class_of(word, "AA", "A")) == class_of(word, "A", "AA")}
    if len(plain_words) == len(words):
        return frame.with_columns(pl.col("classification").replace_strict(plain_words, return_dtype=pl.String()))
    pairs = frame.select("classification", "reference", "allele").unique()
    of_pairs = pairs.with_columns(
        pl.Series("told", [class_of(word, ref or "", alt or "") for word, ref, alt in pairs.iter_rows()], dtype=pl.String())
    )
    joined = frame.join(
        of_pairs, on=["classification", "reference", "allele"], how="left", nulls_equal=True, maintain_order="left"
    )
    return joined.with_columns(pl.col("told").alias("classification")).drop("told")


_PLACE = ["gene", "chromosome", "start", "end", "reference", "allele", "sample"]
"""What makes a variant of a sample; a row of each transcript has the same."""


def _worst(frame: pl.DataFrame) -> pl.DataFrame:
    """Keep one row for a variant and a gene: that of the worst class, the first of equals."""
    ranks = {name: severity(name) for name in frame["classification"].unique().drop_nulls().to_list()}
    rank = pl.col("classification").replace_strict(ranks, default=99, return_dtype=pl.Int64()).alias("rank")
    ordered = frame.with_columns(rank).sort("rank", "source_row")
    return ordered.unique(subset=_PLACE, keep="first", maintain_order=True).sort("source_row").drop("rank")


def _once(frame: pl.DataFrame, found: _Found) -> pl.DataFrame:
    """Keep each variant of a block once."""
    return found.leave("repeated", frame, _worst(frame))


def _once_in_all(frame: pl.DataFrame, merged: int, notes: list[str]) -> pl.DataFrame:
    """Keep each variant of all blocks once, of which `merged` rows of single blocks went before.

    Rows that nothing resembles are known by a hash of their codes; the few others are compared in full.
    """
    may_repeat = alike(frame, _PLACE)
    distinct = frame
    if may_repeat.any():
        some = frame.filter(may_repeat)
        others = set(some["source_row"]) - set(_worst(some)["source_row"])
        distinct = frame.filter(~pl.col("source_row").is_in(sorted(others)))
    if merged + frame.height > distinct.height:
        notes.append(f"{merged + frame.height - distinct.height} repeated variants merged")
    return distinct
