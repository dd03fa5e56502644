"""What a study file may say of its assays; apart, because the modules that read them take seconds to import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from unibase.groundwork.sections import LATER, Section, StudyFile
from unibase.omics.choices import AssayName as AssayName
from unibase.omics.choices import Method as Method

Orientation = Literal["auto", "genes-in-rows", "features-in-rows", "samples-in-rows"]
Unit = Literal[
    "counts", "expected counts", "log2 counts", "beta", "M", "percent", "log2 ratio", "ratio", "absolute copies", "calls",
    "intensities", "log2 intensities", "NPX",
]  # fmt: skip
"""What the numbers of a matrix may be said to be."""
SampleFrom = Literal["file name"]
Strand = Literal["unstranded", "forward", "reverse"]
LISTED: frozenset[AssayName] = frozenset(("mutations", "rearrangements"))
"""Assays whose files name what was found alone: a list, or panels, say which samples were looked at."""
View = Literal["gene", "truncating", "hotspot"]
SetScore = Literal["ssgsea", "ulm"]

CAPTURE_MEGABASES = 50.0
"""Callable size when a study gives none: what MAF summaries assume of an exome."""
MIN_CELLS = 10


@dataclass(frozen=True)
class CellColumns:
    """Where a file of single cells says what is needed.

    Attributes:
        sample, cell_type: Columns of `obs`.
        layer: Layer of the raw counts; None as `pseudobulk` says.
        min_cells: Fewest cells of a type in a sample.
    """

    sample: str = "sample"
    cell_type: str = "cell_type"
    layer: str | None = None
    min_cells: int = MIN_CELLS


"""As `omics.models.normalised.normalise` takes them; listed here because importing that module takes seconds."""


class AssaySource(Section):
    """One assay of a centre."""

    matrix: Annotated[str, LATER]
    """The file; a pattern (`counts*.tsv.gz`, `*.vcf.gz`) names several, so that a night's batch is one more file. `rna`: counts, or a
    folder of files of one sample each; `mutations`: MAF or VCF; `methylation`: beta values, M-values or percent; `copy_number`:
    segments, or calls and ratios by gene; `proteomics`: intensities or their logarithms; `single_cell`: cells with their raw counts, h5ad or zarr;
    `rearrangements`: fusions or structural variants (data_sv.txt, Arriba, STAR-Fusion, FusionCatcher, VCF); `nanostring`: RCC files of the nCounter, a lane each; `results`: a row a sample of what others computed (MSI, HLA, fractions of cells). What a table holds is told by evidence (docs/omics.md); `unibase recognise FILE` shows it."""
    samples: Annotated[str, LATER]
    """Sample sheet: sample, patient, collected, sample_type."""
    strand: Literal["unstranded", "forward", "reverse"] = "unstranded"
    """For `rna` from STAR's ReadsPerGene.out.tab (a file, or a folder of them): which of its columns holds the counts."""
    transcripts: StudyFile = None
    """For `rna` from salmon's quant.sf (a folder of samples' folders): two-column table of transcripts and their genes."""
    profiled: Annotated[str | None, LATER] = None
    """For mutations and rearrangements: list of profiled samples, one a line; a sample not on it is missing, never wild type."""
    panel: StudyFile = None
    """For mutations and rearrangements: list of the genes that the assay covers, one a line; other genes are missing, never wild type. An exome or genome
    needs none."""
    panels: StudyFile = None
    """For mutations and rearrangements whose samples were sequenced with several panels: table of samples and their panels (GENIE's `data_gene_matrix.txt`, or
    sample, panel). A sample without one is missing; `WES` and `WGS` cover all genes. Needs `panel_genes`."""
    panel_genes: StudyFile = None
    """For mutations with `panels`: genes of each panel (GENIE's `genomic_information.txt`, cBioPortal's gene panel files, or panel, gene,
    megabases). Genes off a sample's panel are missing in it, and neither in its burden; megabases are those of its panel."""
    megabases: float = Field(default=CAPTURE_MEGABASES, gt=0)
    """For mutations: size in megabases of the region in which a variant could have been found; the mutational burden is per megabase of it."""
    detection: StudyFile = None
    """For methylation: detection p-values, rows and columns as in the matrix; values above 0.01 become missing."""
    masked: StudyFile = None
    """For methylation: list of probes to leave out, one a line."""
    probes: StudyFile = None
    """For methylation: table of probes and their chromosomes (the array's manifest, Illumina's or Zhou's; CSV or TSV, gzip). From it the
    sex of each sample is told and compared with the records; without it the check is not made, and the build says so."""
    channels: StudyFile = None
    """For proteomics by isobaric labels (TMT): table sample, plex, reference (yes or no) of the matrix's columns. Values become
    ratios to the reference channels of their plex; a sample without one is quarantined."""
    sample_column: str = "sample"
    """For single cells: column of `obs` with the sample's name, as the sample sheet has it."""
    cell_type_column: str = "cell_type"
    """For single cells: column of `obs` with the cell type."""
    layer: str | None = None
    """For `single_cell`, and `rna` in h5ad or zarr: layer of the raw counts, or `raw` for `raw.X`; `null` takes a layer named `counts`,
    else X. Of cells anything but whole counts is refused."""
    unit: Unit | None = None
    """What the numbers are, where recognition does not tell it or is wrong. `rna`: `counts`, `expected counts` (rounded), `log2 counts`
    (turned back); `methylation`: `beta`, `M`, `percent`; `copy_number`: `log2 ratio`, `absolute copies`, `ratio`, `calls` (of genes); `proteomics`:
    `intensities`, `log2 intensities`, `log2 ratio`, `NPX`. `null` tells it from the values, and refuses what it cannot tell."""
    orientation: Orientation = "auto"
    """Which side of a table names its features: `features-in-rows` (or `genes-in-rows`) or `samples-in-rows`; `auto` looks for known names."""
    sample_from: SampleFrom | None = None
    """`file name`: each file holds one sample, and its name up to the first dot is the sample's; for files that do not name it."""
    min_cells: int = Field(default=MIN_CELLS, ge=1)
    """For single cells: a type with fewer cells in a sample is missing in it."""


class Genotypes(Section):
    """What somalier found of a centre's sequenced samples: whether samples of one person are one person's, and of two are two's."""

    pairs: str
    """The `*.pairs.tsv` of `somalier relate`; a pattern names several."""
    samples: str
    """Sample sheet of the names that somalier's tables bear: sample, patient; it may be that of an assay."""
    sexes: str | None = None
    """The `*.samples.tsv` of `somalier relate`, for the sex that the genotypes tell; a pattern names several."""


class RnaOptions(Section):
    """How counts become values. What differs between centres stays in them; `harmonise: rna` takes it out, beside them."""

    method: Annotated[Method, LATER] = "tmm"
    """Normalisation method; factors of `tmm`, `tmmwsp`, `rle`, `upperquartile` are applied to log2 counts per million."""
    model: Annotated[Literal["frozen", "refit"], LATER] = "frozen"
    """`frozen`: learned on the samples of the first build and kept, so that later samples change no earlier value; a new
    fit is asked for with `unibase refit`. `refit`: learned again in every build that has other samples, and all values change."""
    gene_sets: StudyFile = None
    """Sets of genes (GMT, by symbol, Ensembl or NCBI) of which each chosen sample gets scores, as `rna_ssgsea_HYPOXIA`, from its own values
    alone. Their licence is yours to look at: none are shipped."""
    scores: Annotated[list[SetScore], Field(min_length=1), LATER] = Field(default=["ssgsea"])
    """Which scores: `ssgsea` (GSVA's, over the number of genes in place of the cohort's range) and `ulm` (decoupleR's t values)."""
    centroids: StudyFile = None
    """Table of your centroids (PAM50, CMS and the like): gene, centre, and a column a class. Each chosen sample gets its Spearman correlation with
    each, as `rna_centroid_LumA`, its genes less their `centre`, which is frozen in the file. Their licence is yours to look at: none are shipped."""


class MutationOptions(Section):
    """Which genes the mutation table holds, and what it tells of them."""

    min_samples: Annotated[int, Field(ge=1), LATER] = 1
    """Genes mutated in fewer samples are left out of the analysis table (they stay in the assay)."""
    truncating: bool = False
    """Tell beside each gene, as `TP53:truncating`, whether a variant truncates the protein (frame shift, splice site, start lost, stop gained
    or lost)."""
    hotspots: StudyFile = None
    """Table with the columns gene and position (place in the protein): tell, as `KRAS:hotspot`, whether a variant lies at one of them."""
    maf: Literal["none", "frequent", "all"] = "none"
    """Whether a release holds somatic variants as a MAF. `frequent`: place, alleles and protein change of the variants that at least
    `release: min_cell` subjects share; of the others gene and class alone. `all`: of every variant. Germline variants never."""
    signatures: StudyFile = None
    """Signatures of single-base substitutions (COSMIC's SBS matrix, of exomes or genomes as your data are): tell, as `mutations_signature_SBS1`,
    how many of a sample's substitutions each explains. Their licence is yours to look at: none are shipped. Needs `genome`."""
    genome: StudyFile = None
    """For `signatures`: FASTA of the genome that positions refer to, with the index of `samtools faidx` beside it."""
    least_substitutions: Annotated[int, Field(ge=1)] = 50
    """For `signatures`: a sample with fewer substitutions has none."""


class RearrangementOptions(Section):
    """Which fusions and structural variants enter the analysis table."""

    min_samples: Annotated[int, Field(ge=1), LATER] = 1
    """Genes and pairs of genes rearranged in fewer samples are left out of the analysis table (they stay in the assay)."""
    genes: StudyFile = None
    """Table of genes with the columns gene, chromosome, start, end: a break in a VCF lies in the genes whose positions hold it. Without it the
    VCF's own annotation (CSQ, ANN) says so."""


class CopyNumberOptions(Section):
    """How segments become levels of chromosome arms."""

    build: Literal["hg19", "hg38"] = "hg38"
    """The genome that the positions refer to, the same in all centres."""
    relative_to: Literal["diploid", "ploidy"] = "diploid"
    """What log2 ratios of absolute copies are taken to: two copies, or the sample's own ploidy (mean autosomal copies), by which a doubled
    genome is not altered all over. Levels that come as log2 ratios stay as their caller centred them."""
    genes: StudyFile = None
    """Table of genes with the columns gene, chromosome, start, end (positions of that genome): the mean log2 ratio of each stands beside
    those of the arms."""


class Assays(Section):
    """Options by assay."""

    rna: RnaOptions = RnaOptions()
    mutations: MutationOptions = MutationOptions()
    rearrangements: RearrangementOptions = RearrangementOptions()
    copy_number: CopyNumberOptions = CopyNumberOptions()
    genes: Annotated[list[str], Field(), LATER] = Field(default=[])
    """Features whose values enter the analysis table as columns, from every assay that has one of the name: symbols of genes
    (expression, and copy number where it has genes), probes (M-values), chromosome arms such as 1p (log2 ratio), proteins (log2, centred; NPX as they are), genes of a cell type such as B_cell:CD19
    (log2). Mutations enter by `min_samples`."""
