"""Mutational signatures of the study's own matrix, refitted in each sample that has substitutions enough."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from unibase.groundwork.problems import Unusable, UserError
from unibase.methods.compiled.exact import FloatArray
from unibase.methods.signatures import TYPES, refit, types_of
from unibase.omics.options import MutationOptions
from unibase.omics.readers.indexed_genome import IndexedGenome
from unibase.omics.readers.tabular import read_table
from unibase.omics.readers.variants import MutationData
from unibase.omics.reasons import OTHER_BUILD

if TYPE_CHECKING:
    from anndata import AnnData

COLUMN = "signature_"
"""Beginning of the columns of `obs`: `signature_SBS1` is the number of substitutions that SBS1 explains."""
COSINE = f"{COLUMN}cosine"
_MISMATCHES = 0.01
"""Share of substitutions whose reference may differ from the genome, before it is another one."""


@dataclass(frozen=True)
class Signatures:
    """Signatures of a file: their names, and the share of each type, (types, signatures) in the order of `TYPES`."""

    names: tuple[str, ...]
    profiles: FloatArray


def read_signatures(path: Path | str) -> Signatures:
    """Read signatures as COSMIC and SigProfiler write them: a row a type (`A[C>A]A`), a column a signature.

    Args:
        path: The table (TSV, CSV; gzip).

    Raises:
        UserError: If there is nothing at `path`, it has not each of the 96 types once, or a column is no signature (adds up to 1).
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"There is no table of signatures at {path}. Check the path in the study file.")
    try:
        table = read_table(path)
    except Unusable as problem:
        raise UserError(f"The table of signatures {path}: {problem.message} {problem.remedy}") from None
    texts = [i for i in range(len(table.titles)) if not table.is_number(i)]
    rows = next((cells for i in texts if sorted(cells := table.texts(i)) == sorted(TYPES)), None)
    if rows is None:
        raise UserError(
            f"The table of signatures {path} does not list the 96 types once each, as A[C>A]A. Give COSMIC's SBS matrix."
        )
    columns = [i for i in range(len(table.titles)) if table.is_number(i)]
    values = table.values(columns)
    for at, column in enumerate(columns):
        total = float(values[:, at].sum())
        if not (values[:, at] >= 0).all() or abs(total - 1) > 0.01:
            raise UserError(f"Column {column + 1} of {path} is no signature: its shares must add up to 1. Leave it out.")
    order = [rows.index(kind) for kind in TYPES]
    return Signatures(tuple(table.titles[i].strip() for i in columns), values[order])


def spectra_of(data: MutationData, genome: IndexedGenome) -> tuple[FloatArray, int]:
    """Return the substitutions of each profiled sample by type, and how many could not be told.

    Args:
        data: Variants with their `substitutions`.
        genome: Of the positions.

    Returns:
        (samples, 96), in the order of `data.profiled` and of `TYPES`; and the number left out.

    Raises:
        Unusable: `other-build` when the references are not those of the genome.
    """
    row_of = {name: i for i, name in enumerate(data.profiled)}
    spectra = np.zeros((len(row_of), len(TYPES)))
    left_out = differ = 0
    assert data.substitutions is not None
    for (chromosome,), part in data.substitutions.group_by("chromosome"):
        triplets = genome.triplets(str(chromosome), part["start"].to_numpy())
        reference, allele = (_letters(part[name]) for name in ("reference", "allele"))
        same = (triplets[:, 1] & 0xDF) == reference  # capital letters
        differ += int((~same & (triplets[:, 1] != ord("N"))).sum())
        types = np.where(same, types_of(triplets, allele), -1)
        known = types >= 0
        left_out += int((~known).sum())
        rows = np.array([row_of[name] for name in part["sample"].cast(pl.String())], dtype=np.int64)
        np.add.at(spectra, (rows[known], types[known]), 1)
    if differ > _MISMATCHES * max(data.substitutions.height, 1):
        raise Unusable(
            OTHER_BUILD,
            f"The reference of {differ} of {data.substitutions.height} substitutions is not that of the genome given.",
            "Give the genome that the positions refer to as assays.mutations.genome.",
        )
    return spectra, left_out


def _letters(column: pl.Series) -> np.ndarray:
    """Return single letters as bytes, of shape (rows,)."""
    return np.frombuffer("".join(column.cast(pl.String()).to_list()).encode(), dtype=np.uint8)


def add_exposures(table: AnnData, data: MutationData, options: MutationOptions) -> tuple[str, ...]:
    """Add what signatures explain to `obs` of a table of genes; nothing where the study names no signatures.

    Args:
        table: Of the samples of `data`.
        data: Variants with their `substitutions`.
        options: Of the study; paths are absolute.

    Returns:
        Notes.

    Raises:
        UserError: If the genome is not named, or as `read_signatures` and `IndexedGenome`.
        Unusable: As `spectra_of`.
    """
    if not options.signatures:
        return ()
    if not options.genome:
        raise UserError("The key signatures needs genome: the FASTA of the positions. Add it to the study file.")
    signatures = read_signatures(options.signatures)
    spectra, left_out = spectra_of(data, IndexedGenome(options.genome))
    enough = spectra.sum(axis=1) >= options.least_substitutions
    fitted = refit(spectra[enough], signatures.profiles)
    values = np.full((len(spectra), len(signatures.names) + 1), np.nan)
    values[enough] = np.column_stack([fitted.substitutions, fitted.cosine])
    row_of = {name: i for i, name in enumerate(data.profiled)}
    rows = [row_of[str(name)] for name in table.obs_names]
    for at, name in enumerate((*(f"{COLUMN}{name}" for name in signatures.names), COSINE)):
        table.obs[name] = values[rows, at]
    notes = [f"{len(signatures.names)} signatures refitted in {int(enough.sum())} samples"]
    if not enough.all():
        notes.append(f"{int((~enough).sum())} samples have fewer than {options.least_substitutions} substitutions: no signatures")
    if left_out:
        notes.append(f"{left_out} substitutions left out of signatures: the genome does not tell their neighbours")
    return tuple(notes)
