"""Mutations and rearrangements of one file, whatever wrote it: a MAF or a table, or a VCF by its first line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from unibase.groundwork.problems import Unusable, UserError
from unibase.omics.assays import copy_number
from unibase.omics.readers.counts import file_sample
from unibase.omics.reasons import OTHER_BUILD
from unibase.omics.recognise.names import look

if TYPE_CHECKING:
    from unibase.omics.assays.registry import AssayFiles
    from unibase.omics.readers.rearrangements import Rearrangements
    from unibase.omics.readers.variants import MutationData


def mutations_of(files: AssayFiles) -> MutationData:
    """Return the mutations of the `files` of one matrix, on its panels where the study names them.

    Raises:
        UserError: If panels are named without their genes.
        Unusable: As the readers.
    """
    from unibase.omics.readers.maf import read_maf
    from unibase.omics.readers.panels import read_panels
    from unibase.omics.readers.profiles import read_panel
    from unibase.omics.readers.variants import on_panels, without_variants
    from unibase.omics.readers.vcf import read_vcf

    single = files.study.mutations.signatures is not None
    if files.matrix is None:
        data = without_variants(files.profiled or ())
    elif is_vcf(files.matrix):
        name = named(files)
        data = read_vcf([files.matrix], [name] if name else None, single)
    else:
        data = read_maf(files.matrix, files.profiled, substitutions=single)
    refuse_other_species(data.variants["gene"].unique().drop_nulls().to_list())
    if files.said.panels:
        if not files.said.panel_genes:
            raise UserError("The key panels needs panel_genes: the genes that each panel covers. Add it to the study file.")
        return on_panels(data, read_panels(files.said.panels, files.said.panel_genes))
    return replace(data, panel=read_panel(files.said.panel)) if files.said.panel else data


def rearrangements_of(files: AssayFiles) -> Rearrangements:
    """Return the rearrangements of the `files` of one matrix, on its panels where the study names them.

    Raises:
        UserError: If panels are named without their genes.
        Unusable: As the readers.
    """
    from unibase.omics.readers.breakends import read_breakends
    from unibase.omics.readers.panels import read_panels
    from unibase.omics.readers.profiles import read_panel
    from unibase.omics.readers.rearrangements import EVENTS, Rearrangements, read_rearrangements, rearrangements_on_panels

    name = named(files)
    if files.matrix is None:
        data = Rearrangements(pl.DataFrame(schema=EVENTS), tuple(sorted(files.profiled or ())))
    elif is_vcf(files.matrix):
        places = files.study.rearrangements.genes
        data = read_breakends(files.matrix, name, copy_number.read_genes(places) if places else None)
    else:
        data = read_rearrangements(files.matrix, files.profiled, name)
    refuse_other_species([*data.events["gene1"], *data.events["gene2"]])
    if files.said.panels:
        if not files.said.panel_genes:
            raise UserError("The key panels needs panel_genes: the genes that each panel covers. Add it to the study file.")
        return rearrangements_on_panels(data, read_panels(files.said.panels, files.said.panel_genes, "structural_variants"))
    return replace(data, panel=read_panel(files.said.panel)) if files.said.panel else data


def refuse_other_species(genes: Sequence[str]) -> None:
    """Refuse events whose `genes` are the mouse's: no column of a patient would be one.

    Raises:
        Unusable: `other-build`.

    >>> refuse_other_species(["TP53", "KRAS"])
    """
    some = [gene for gene in genes if gene]
    found = look(some, "gene")
    if found.system == "mouse" and found.share >= 0.5:
        raise Unusable(
            OTHER_BUILD,
            "The genes are named as the mouse's (Trp53, ENSMUSG...), not a patient's.",
            "Give variants called against the human genome; of grafts, with the mouse's reads taken out first.",
        )


def named(files: AssayFiles) -> str | None:
    """Return the name of the only sample of the `files`, where the study says that the file's own name is it."""
    return file_sample(files.matrix) if files.matrix and files.reading.sample_from else None


def is_vcf(path: Path) -> bool:
    """Whether the file at `path` is a VCF: by its first line, whatever its name."""
    from unibase.omics.readers.lines import text_lines

    return path.is_file() and next(text_lines(path), "").startswith("##fileformat=VCF")
