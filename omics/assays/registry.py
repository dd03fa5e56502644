"""The assays that a study may name: how one file of each is read and gated, and how all centres' samples come together.

Bulk RNA counts are put on one scale by `omics.models.frozen`; the other assays need nothing learned from other samples: each row
is the same whatever came later. Single cells are summed up per sample and cell type; a gene of a cell type is a feature.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl

from unibase.groundwork.problems import Unusable
from unibase.groundwork.sections import Section
from unibase.omics.assays import copy_number, gene_copies, methylation, proteomics, pseudobulk
from unibase.omics.assays.listed import mutations_of, named, rearrangements_of
from unibase.omics.assays.scars import scar_scores
from unibase.omics.options import LISTED, AssayName, Assays, AssaySource, CellColumns, View
from unibase.omics.readers import numeric_tables
from unibase.omics.readers.rcc import read_lane
from unibase.omics.readers.segments import read_segments
from unibase.omics.reasons import FAILED_LANE, NO_DETECTION_P, TOO_FEW_CELLS

if TYPE_CHECKING:
    from anndata import AnnData


type Refused = Mapping[str, tuple[str, str, str]]


def _nothing_said() -> AssaySource:
    return AssaySource(matrix="", samples="")


@dataclass(frozen=True)
class AssayFiles:
    """The files of one matrix, and what is said of how to read them. An option of an assay is a key of one of the two sections.

    Attributes:
        matrix: The file, or None for samples that are in no file (`profiled` names them).
        said: What the study file says of the centre's assay; its files are absolute paths.
        study: What it says of the assays of all centres; likewise.
        profiled: Mutations: samples that were sequenced; None when the file's own samples are all.
        scratch: Where values of a matrix that is larger than memory lie while they are used.
    """

    matrix: Path | None
    said: AssaySource = field(default_factory=_nothing_said)
    study: Assays = field(default_factory=Assays)
    profiled: tuple[str, ...] | None = None
    scratch: Path | None = None

    @classmethod
    def of(cls, matrix: Path | None, study: Assays | None = None, **said: Any) -> AssayFiles:
        """Return the files of a matrix of which keys of the study file are given by name.

        Args:
            matrix: The file.
            study: The section `assays`.
            said: Keys of the centre's assay; paths are absolute.

        >>> AssayFiles.of(Path("counts.tsv"), strand="reverse").said.strand
        'reverse'
        """
        return cls(matrix, AssaySource(matrix="", samples="", **said), study or Assays())

    @property
    def reading(self) -> numeric_tables.Reading:
        """What is said of a table, which else is recognised."""
        return numeric_tables.Reading(self.said.orientation, self.said.unit, self.said.sample_from)

    @property
    def cells(self) -> CellColumns:
        """Where a file of single cells says what is needed."""
        return CellColumns(self.said.sample_column, self.said.cell_type_column, self.said.layer, self.said.min_cells)

    def files(self, assay: AssayName) -> list[Path]:
        """Return the files that `assay` is read from.

        Args:
            assay: Name of the assay.
        """
        general = self._general(assay)
        return [*([self.matrix] if self.matrix else []), *self.said.files(), *(general.files() if general else [])]

    def told(self, assay: AssayName) -> list[dict[str, object]]:
        """Return what beside the files the reading of `assay` depends on, as JSON values.

        Args:
            assay: Name of the assay.
        """
        general = self._general(assay)
        return [self.said.told(), general.told() if general else {}]

    def _general(self, assay: AssayName) -> Section | None:
        found: Section | None = getattr(self.study, assay, None)
        return found


@dataclass(frozen=True)
class Gated:
    """One matrix behind its gates.

    Attributes:
        adata: Samples that can be used x features, under their source names; `var["symbol"]` names the features.
        refused: The other samples, as `samples.stage` takes them.
        notes: Ledger lines on the matrix as a whole.
        keep: Columns of `obs` that hold computed values.
        variants: Mutations, where the study asks for it: rows of `MAF` by the samples' own names.
    """

    adata: AnnData
    refused: Refused
    notes: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    variants: pl.DataFrame | None = None


def sample_names(assay: AssayName, files: AssayFiles) -> list[str]:
    """Return the names of the samples that the `files` of an `assay` hold; reference channels are none."""
    assert files.matrix is not None
    if assay in LISTED:
        own = replace(files, profiled=None, said=files.said.model_copy(update={"panel": None, "panels": None}))
        return list((mutations_of(own) if assay == "mutations" else rearrangements_of(own)).profiled)
    if assay == "copy_number":
        table = gene_copies.by_gene(files.matrix)
        if table is not None:
            return [str(name) for name in gene_copies.read_gene_copies(table, files.reading, named(files)).obs_names]
        return sorted(read_segments(files.matrix, files.study.copy_number.build, files.reading).frame["sample"].unique())
    if assay == "results":
        from unibase.omics.readers.sample_results import read_results

        return list(map(str, read_results(files.matrix, named(files)).obs_names))
    if assay == "nanostring":
        return [read_lane(files.matrix, named(files)).sample]
    if assay == "single_cell":
        return pseudobulk.sample_names(files.matrix, files.cells)
    if assay == "methylation":
        return methylation.beta_samples(files.matrix, files.reading)
    names = [str(name) for name in _MATRICES[assay](files).obs_names]
    channels = proteomics.read_channels(files.said.channels) if files.said.channels else {}
    return [name for name in names if not proteomics.is_reference(name, channels)]


def read(assay: AssayName, files: AssayFiles, patients: Mapping[str, str] | None = None) -> Gated:
    """Read one matrix and gate its samples.

    Args:
        assay: Name of the assay.
        files: What to read.
        patients: Patient of each sample, for the gates that compare samples of one patient.

    Raises:
        Unusable: If the matrix as a whole cannot be used; reasons are those of the assay's module.
    """
    if files.matrix is None and assay not in LISTED:
        return Gated(_empty(), {})
    return _READERS[assay](files, patients or {})


def together(assay: AssayName, parts: Sequence[AnnData]) -> AnnData:
    """Return the samples of all centres, `parts` of one `assay`, as one matrix, ordered by name.

    Mutations and rearrangements: genes of all. Methylation: M-values of the probes that all arrays have, beta in `layers["beta"]`.
    Copy number, proteomics and single cells: regions, proteins and genes of cell types of all, missing where a centre lacks
    them. RNA is `omics.models.frozen`'s.
    """
    if assay in LISTED:
        from unibase.omics.assays.mutations import combine_tables

        return combine_tables(parts)
    joined = numeric_tables.together(parts, shared=assay == "methylation")
    if assay == "results":
        from unibase.omics.readers.sample_results import results_together

        return results_together(joined)
    return methylation.to_m_values(joined) if assay == "methylation" else joined


def _empty() -> AnnData:
    import anndata

    return anndata.AnnData(X=np.zeros((0, 0), dtype=np.int32))


def _read_counts(files: AssayFiles) -> AnnData:
    from unibase.omics.assays.gates import counts_as_said
    from unibase.omics.readers.counts import read_counts

    adata = read_counts(
        _matrix(files),
        layer=files.said.layer,
        strand=files.said.strand,
        transcripts=files.said.transcripts,
        orientation=files.reading.orientation,
        sample_from=files.reading.sample_from,
    )
    return counts_as_said(adata, files.reading.unit)


def _matrix(files: AssayFiles) -> Path:
    assert files.matrix is not None
    return files.matrix


_MATRICES: Mapping[str, Callable[[AssayFiles], AnnData]] = {
    "rna": _read_counts,
    "proteomics": lambda files: proteomics.read_intensities(_matrix(files), files.reading),
}


def _rna(files: AssayFiles, patients: Mapping[str, str]) -> Gated:
    from unibase.omics.assays.gates import check_counts

    adata = _read_counts(files)
    unit = "counts" if files.reading.unit == "log2 counts" else files.reading.unit
    mine = {name: patients[name] for name in adata.obs_names if name in patients}
    report = check_counts(adata, mine, unit=unit, named=_matrix(files).name)
    return Gated(report.apply(adata), report.staging_reasons(), (*adata.uns.get("evidence", ()), *report.notes))


def _lane(files: AssayFiles, _: Mapping[str, str]) -> Gated:
    from unibase.omics.assays.nanostring import quality, ratios_of

    lane = read_lane(_matrix(files), named(files))
    faults, adata = quality(lane).faults(), ratios_of(lane)
    failed = (FAILED_LANE, f"{'; '.join(faults)}.".capitalize(), "Measure it again, or leave it out.")
    notes = ("unit: log2 ratio (counts over the lane's housekeeping genes, those at the background raised to it)",)
    return Gated(adata[[] if faults else [lane.sample]].copy(), {lane.sample: failed} if faults else {}, notes)


def _rearranged(files: AssayFiles, _: Mapping[str, str]) -> Gated:
    from unibase.omics.assays.fusions import UNIT, rearranged

    data = rearrangements_of(files)
    return Gated(rearranged(data), {}, (UNIT, *data.notes), ("profiled", "events", *(("panel",) if data.panels else ())))


def _gene_table(files: AssayFiles, _: Mapping[str, str]) -> Gated:
    from unibase.omics.assays.exposures import COLUMN, add_exposures
    from unibase.omics.assays.mutations import UNIT, view_table
    from unibase.omics.assays.variants_told import released_maf
    from unibase.omics.readers.profiles import read_hotspots

    data, options = mutations_of(files), files.study.mutations
    hotspots = read_hotspots(options.hotspots) if options.hotspots else ()
    asked: list[tuple[View, object]] = [("gene", True), ("truncating", options.truncating), ("hotspot", options.hotspots)]
    table = view_table(data, [view for view, wanted in asked if wanted], hotspots, files.said.megabases)
    notes = (UNIT, *data.notes, *add_exposures(table, data, options))
    refitted = tuple(str(name) for name in table.obs if str(name).startswith(COLUMN))
    keep = ("profiled", "variants", "tmb", *(("panel",) if data.panels else ()), *refitted)
    variants, said = released_maf(data) if options.maf != "none" else (None, ())
    return Gated(table, {}, (*notes, *said), keep, variants)


def _methylation(files: AssayFiles, _: Mapping[str, str]) -> Gated:
    assert files.matrix is not None
    adata = methylation.read_beta(files.matrix, files.reading, files.scratch)
    detection = None
    if files.said.detection:
        p_values = methylation.read_detection(files.said.detection, files.scratch)
        if set(adata.var_names) - set(p_values.var_names) or set(adata.obs_names) - set(p_values.obs_names):
            raise Unusable(
                NO_DETECTION_P,
                "The table of detection p-values lacks probes or samples of the matrix.",
                "Export both from the same arrays.",
            )
        detection = p_values[adata.obs_names][:, adata.var_names].X
    probes = Path(files.said.masked).read_text(encoding="utf-8-sig").split() if files.said.masked else []
    cleaned = methylation.mask(adata, detection=detection, probes=probes)
    if files.said.probes:
        chromosomes = methylation.read_chromosomes(files.said.probes)
        cleaned.var["chromosome"] = np.array([chromosomes.get(str(name), "") for name in cleaned.var_names], dtype=object)
    report = methylation.check_beta(cleaned)
    counts = cleaned.uns["masked"]
    notes = tuple(f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count)
    return Gated(cleaned[list(report.kept)].copy(), report.staging_reasons(), (*adata.uns["evidence"], *notes))


def _copy_number(files: AssayFiles, _: Mapping[str, str]) -> Gated:
    assert files.matrix is not None
    table = gene_copies.by_gene(files.matrix)
    if table is not None:
        genes = gene_copies.read_gene_copies(table, files.reading, named(files))
        report = numeric_tables.check_named(genes)
        return Gated(genes[list(report.kept)].copy(), report.staging_reasons(), tuple(genes.uns["evidence"]))
    options = files.study.copy_number
    read = read_segments(files.matrix, options.build, files.reading)
    segments = copy_number.against_ploidy(read.frame) if options.relative_to == "ploidy" else read.frame
    adata = copy_number.arm_levels(segments, options.build)
    if options.genes:
        adata = copy_number.beside(adata, copy_number.gene_levels(segments, copy_number.read_genes(options.genes)))
    adata.var["symbol"] = adata.var_names.astype(object)
    told = copy_number.fraction_altered(segments)
    for beside in (copy_number.alleles(segments), scar_scores(segments, options.build)):
        told = told.join(beside, on="sample", how="left")
    altered = pd.DataFrame(told.to_dict(as_series=False)).set_index("sample")
    for column in altered.columns:
        adata.obs[column] = altered[column].reindex(adata.obs_names).to_numpy()
    return Gated(adata, {}, (*read.evidence, *copy_number.levels_are(segments, options.relative_to)), tuple(altered.columns))


def _proteomics(files: AssayFiles, _: Mapping[str, str]) -> Gated:
    assert files.matrix is not None
    adata = proteomics.read_intensities(files.matrix, files.reading)
    channels = proteomics.read_channels(files.said.channels) if files.said.channels else None
    report = proteomics.check_intensities(adata, channels)
    references = [str(name) for name in adata.obs_names if channels and proteomics.is_reference(str(name), channels)]
    used = adata[[*report.kept, *references]].copy()
    values = np.asarray(used.X, dtype=np.float64)
    logarithms = adata.uns["unit"] == "log2"
    notes = list(adata.uns["evidence"])
    values = values if logarithms else proteomics.log_intensities(values)
    if channels:
        mine = [channels[str(name)] for name in used.obs_names]
        # A plex of which no sample is left needs no reference either.
        values = proteomics.to_reference(values, [c.plex for c in mine], [c.reference for c in mine])
        notes.append(f"ratios to {len(references)} reference channels of {len({c.plex for c in mine})} plexes")
    kept = used[list(report.kept)].copy()
    # NPX are what they are: controls of the plate have normalised them, and a panel's median is no constant of a sample.
    kept.X = values[: kept.n_obs] if adata.uns["plate_normalised"] else proteomics.median_centre(values[: kept.n_obs])
    return Gated(kept, report.staging_reasons(), tuple(notes))


def _single_cell(files: AssayFiles, patients: Mapping[str, str]) -> Gated:
    from unibase.omics.assays.gates import check_counts

    assert files.matrix is not None
    bulk = pseudobulk.read(files.matrix, files.cells)
    # How many cells a sample has is no sign of failure.
    report = check_counts(pseudobulk.totals(bulk), patients, compare_libraries=False)
    profiles = pseudobulk.profiles(bulk, report.kept, files.cells.min_cells)
    few = [name for name in report.kept if name not in set(profiles.obs_names)]
    message = f"No cell type of it has {files.cells.min_cells} cells."
    lost = {name: (TOO_FEW_CELLS, message, "Lower min_cells, or leave it out.") for name in few}
    small = int((bulk.obs["cells"] < files.cells.min_cells).sum())
    untyped = bulk.uns["left_out"]["cells_without_patient_or_type"]
    notes = [f"{small} cell types of samples with fewer than {files.cells.min_cells} cells left out"] if small else []
    notes += [f"{untyped} cells without sample or type left out"] if untyped else []
    return Gated(profiles, {**report.staging_reasons(), **lost}, (*report.notes, *notes), ("cells",))


def _results(files: AssayFiles, _: Mapping[str, str]) -> Gated:
    from unibase.omics.readers.sample_results import UNIT, read_results

    adata = read_results(_matrix(files), named(files))
    report = numeric_tables.check_named(adata)
    return Gated(adata[list(report.kept)].copy(), report.staging_reasons(), (UNIT,))


_READERS: Mapping[str, Callable[[AssayFiles, Mapping[str, str]], Gated]] = {
    "rna": _rna,
    "mutations": _gene_table,
    "methylation": _methylation,
    "copy_number": _copy_number,
    "proteomics": _proteomics,
    "single_cell": _single_cell,
    "rearrangements": _rearranged,
    "nanostring": _lane,
    "results": _results,
}
