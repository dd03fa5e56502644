"""Counts that a tool writes in one file per sample: STAR's `ReadsPerGene.out.tab`, salmon's `quant.sf` summed to genes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from unibase.groundwork.problems import Unusable, UserError
from unibase.omics.options import Strand
from unibase.omics.readers.text_tables import guarded, header_of

SALMON = ("Name", "Length", "EffectiveLength", "TPM", "NumReads")
SUMMARY_ROWS = ("N_unmapped", "N_multimapping", "N_noFeature", "N_ambiguous", "__no_feature", "__ambiguous",
                 "__too_low_aQual", "__not_aligned", "__alignment_not_unique")  # fmt: skip


class PerSample(NamedTuple):
    """One column per file.

    Attributes:
        samples: Names, which may come again.
        genes: Those of every file, in the order of the first.
        values: Samples x genes.
        source: `star` or `salmon`.
    """

    samples: list[str]
    genes: list[str]
    values: NDArray[np.float64]
    source: str


def read_folder(folder: Path, strand: Strand, transcripts: Path | str | None) -> PerSample:
    """Read all files below a folder; arguments and errors as `counts.read_counts` says."""
    star = sorted(p for p in folder.rglob("*ReadsPerGene.out.tab*") if p.name.endswith((".tab", ".tab.gz")))
    if star:
        return read_files(star, strand, None)
    quants = sorted(p for p in folder.rglob("quant.sf*") if p.name in ("quant.sf", "quant.sf.gz"))
    if quants:
        return read_files(quants, strand, transcript_table(transcripts))
    raise UserError(f"{folder} holds neither STAR ReadsPerGene.out.tab nor salmon quant.sf files. Give the matrix file itself.")


def read_files(files: list[Path], strand: Strand, mapping: dict[str, str] | None) -> PerSample:
    """Put files of one sample each (salmon's with `mapping`, else STAR's) into one matrix."""
    columns: list[dict[str, float]] = []
    names = [_star_name(path) if mapping is None else path.parent.name for path in files]
    for place, path in enumerate(files, start=1):
        try:
            column = _read_star(path, strand) if mapping is None else _read_salmon(path, mapping)
        except Unusable as problem:
            raise Unusable(problem.reason, f"File {place} of {len(files)}, by name: {problem.message}", problem.remedy) from None
        if columns and column.keys() != columns[0].keys():
            raise Unusable(
                "different-genes",
                f"File {place} of {len(files)}, by name, lists {len(column)} genes, and not those of the first ({len(columns[0])}).",
                "Copy it again if it is cut short, or count all samples with one annotation.",
            )
        columns.append(column)
    genes = list(columns[0])
    values = np.array([[column[gene] for gene in genes] for column in columns], dtype=np.float64)
    return PerSample(names, genes, values, "star" if mapping is None else "salmon")


def _star_name(path: Path) -> str:
    name = re.sub(r"ReadsPerGene\.out\.tab(\.gz)?$", "", path.name).rstrip("._-")
    return name or path.parent.name


def _read_star(path: Path, strand: Strand) -> dict[str, float]:
    frame = guarded(
        lambda: pl.read_csv(
            path,
            has_header=False,
            separator="\t",
            schema={"gene": pl.String(), "unstranded": pl.Float64(), "forward": pl.Float64(), "reverse": pl.Float64()},
        )
    ).filter(~pl.col("gene").is_in(list(SUMMARY_ROWS)))
    return dict(zip(frame["gene"].to_list(), frame[strand].to_list(), strict=True))


def transcript_table(path: Path | str | None) -> dict[str, str]:
    """Read which gene a transcript is of; a line of titles does no harm, for no transcript has such a name."""
    if path is None:
        raise UserError("Salmon tables count transcripts. Give the table transcript -> gene (two columns) as `transcripts`.")
    path = Path(path)
    if not path.exists():
        raise UserError(f"There is no table of transcripts at {path}. Check the path.")
    _, skip, separator = header_of(path)
    frame = guarded(lambda: pl.read_csv(path, separator=separator, has_header=False, skip_rows=skip, infer_schema_length=0))
    pairs = frame.select(frame.columns[:2]).drop_nulls()
    return {t.split(".")[0]: g for t, g in pairs.iter_rows()}


def _read_salmon(path: Path, mapping: dict[str, str]) -> dict[str, float]:
    frame = guarded(lambda: pl.read_csv(path, separator="\t", schema_overrides={"Name": pl.String(), "NumReads": pl.Float64()}))
    if tuple(frame.columns) != SALMON:
        raise Unusable("not-a-matrix", "The file is no quant.sf of salmon.", "Give salmon's own table.")
    total: dict[str, float] = {}
    unknown = 0
    for name, reads in zip(frame["Name"].to_list(), frame["NumReads"].to_list(), strict=True):
        gene = mapping.get(name.split("|")[0].split(".")[0])
        if gene is None:
            unknown += 1
        else:
            total[gene] = total.get(gene, 0.0) + float(reads)
    if not total or unknown > len(frame) // 2:
        raise Unusable(
            "unknown-transcripts",
            f"{unknown} of {len(frame)} transcripts are not in the table.",
            "Give the table of the index that salmon used.",
        )
    return total
