"""Why a matrix, a sample or a variant is not used: each code once, with its meaning, its way out and an example."""

from __future__ import annotations

from unibase.groundwork.reasons import Reason

NOT_A_MATRIX = Reason(
    "not-a-matrix",
    "The file is no table of features and samples.",
    "Give a text table, a spreadsheet of one sheet, Parquet, h5ad or zarr.",
    "A PDF, or a workbook with two filled sheets.",
)
NOT_RECOGNISED = Reason(
    "not-recognised",
    "Nothing shows what the rows and columns of a table are, or of which assay it is.",
    "Name features by an approved system, or say `orientation` in the study file.",
    "A table whose rows are named `probe 1`, `probe 2`.",
)
NO_SAMPLE_NAMES = Reason(
    "no-sample-names",
    "The values of a file have no name of a sample.",
    "Add the names of the samples, or say `sample_from: file name`.",
    "A GDC file of counts without its sample sheet.",
)
NO_FEATURE_NAMES = Reason(
    "no-feature-names",
    "The columns of a table that hold the features have no titles.",
    "Add a first line with the names of the features.",
    "A headerless table with one row a sample.",
)
SEVERAL_SAMPLES = Reason(
    "several-samples",
    "A file that should hold one sample holds several.",
    "Leave `sample_from` out, or split the file.",
    "`sample_from: file name` beside a matrix of ten columns.",
)
SEVERAL_QUANTITIES = Reason(
    "several-quantities",
    "A table has several columns a sample, and none is known to be the one of the assay.",
    "Keep one column of values a sample.",
    "Three unnamed quantities of each sample side by side.",
)
STRANGE_COLUMN = Reason(
    "strange-column",
    "A column follows no other sample: it is no sample, or its rows are in another order.",
    "Take it out of the table, or quantify the sample again.",
    "A column of random numbers between samples of RNA.",
)
LONG_TABLE = Reason(
    "long-table",
    "Features come again in other rows: the table has one row a value.",
    "Give one row a feature and one column a sample.",
    "Columns sample, gene, count, one line each.",
)
RESULTS_TABLE = Reason(
    "results-table",
    "The table holds results of an analysis, not values of samples.",
    "Give the matrix that the analysis began with.",
    "DESeq2's table of log2FoldChange and padj.",
)
REPEATED_GENE = Reason(
    "repeated-gene",
    "A matrix lists a gene more than once where that cannot be added up.",
    "Keep one row a gene.",
    "Two rows of one gene in a matrix that is to be joined.",
)
REPEATED_PROBE = Reason(
    "repeated-probe",
    "A probe is listed twice.",
    "Keep one row a probe.",
    "A methylation table with two rows cg00000029.",
)
REPEATED_PROTEIN = Reason(
    "repeated-protein",
    "A protein is listed twice.",
    "Keep one row a protein.",
    "Two rows of one accession.",
)
NOT_COUNTS = Reason(
    "not-counts",
    "The values are no counts of reads.",
    "Give raw counts, or say `unit` if they are counts.",
    "TPM, FPKM, logarithms, or such values rounded to whole numbers.",
)
OTHER_UNIT = Reason(
    "other-unit",
    "The sample follows the others far less closely than they follow each other: it may be of another unit, or tissue.",
    "Look what it holds; if it is counts of reads as the others are, say unit: counts in the study file.",
    "A column of rounded FPKM among columns of counts.",
)
IMPOSSIBLE_RESULT = Reason(
    "impossible-result",
    "A table of results holds a number that the result cannot be: it is of another unit, or wrong.",
    "Correct the cell, or its unit; shares are from 0 to 1.",
    "A purity of 62, in percent.",
)
GERMLINE_CALLS = Reason(
    "germline-calls",
    "A VCF holds germline variants: its header names a caller of these, and no tumour.",
    "Give the somatic calls, or name the tumour in the header (`##tumor_sample=NAME`).",
    "HaplotypeCaller's VCF of blood, given as mutations.",
)
NOT_BETA = Reason(
    "not-beta",
    "The values are no beta values, M-values or percent.",
    "Give one of the three, or say `unit`.",
    "Detection p-values given as methylation.",
)
FAILED_LIBRARY = Reason(
    "failed-library",
    "The library is far smaller than those of the cohort.",
    "Sequence it again, or leave it out.",
    "A total below 5 % of the cohort's median.",
)
FAILED_ARRAY = Reason(
    "failed-array",
    "More than a tenth of the probes of an array failed.",
    "Run the array again.",
    "A sample with 30 % of its probes not detected.",
)
DUPLICATE_SAMPLE = Reason(
    "duplicate-sample",
    "A sample's values are those of another sample.",
    "Find out which of them is right.",
    "Two equal columns under the names of two patients.",
)
DIFFERENT_GENES = Reason(
    "different-genes",
    "Matrices or files do not list the same genes.",
    "Quantify all samples with one annotation.",
    "A file cut short in a folder of one file a sample.",
)
UNKNOWN_TRANSCRIPTS = Reason(
    "unknown-transcripts",
    "Most transcripts are not in the table of transcripts and genes.",
    "Give the table of the index that the tool used.",
    "salmon on Ensembl 110 with a table of RefSeq.",
)
MISSING_GENES = Reason(
    "missing-genes",
    "Samples lack genes of a frozen model.",
    "Quantify them with the annotation that the model was fitted on.",
    "A later batch counted with another GTF.",
)
NO_GENE_LENGTH = Reason(
    "no-gene-length",
    "TPM needs the lengths of the genes.",
    "Give counts as featureCounts writes them, with their lengths.",
    "`method: tpm` on a plain matrix.",
)
NO_GENE_LEFT = Reason(
    "no-gene-left",
    "No gene is expressed enough in enough samples.",
    "Normalise without the filter.",
    "`--filter-by-expression` on an almost empty matrix.",
)
NO_SAMPLE_LEFT = Reason(
    "no-sample-left",
    "No centre has a sample of the assay that can be used.",
    "Look at the quarantine.",
    "Every sample was refused at the gates.",
)
NOT_DENSE = Reason(
    "not-dense",
    "A store of counts is sparse where it must be dense.",
    "Write it again with dense X.",
    "A zarr written by another program.",
)
OTHER_FORMAT = Reason(
    "other-format",
    "Another version of unibase wrote the model.",
    "Go on with that version, or fit again.",
    "A frozen model of an earlier format.",
)
CHANGED_GENE_TABLE = Reason(
    "changed-gene-table",
    "The table of genes inside the package is not the one that was released.",
    "Install the package again.",
    "A file of the installation edited by hand.",
)
NOT_A_MAF = Reason(
    "not-a-maf",
    "The file is no MAF, or lacks columns that a MAF has.",
    "Give a tab-separated file with the columns of a MAF.",
    "A table of variants without Variant_Classification.",
)
NOT_A_VCF = Reason(
    "not-a-vcf",
    "The file is no VCF, or a record is cut.",
    "Copy it again.",
    "A record with fewer cells than the header line.",
)
NOT_ANNOTATED = Reason(
    "not-annotated",
    "The VCF says no consequences (CSQ or ANN).",
    "Annotate it with VEP or SnpEff, or give a MAF.",
    "The raw output of Mutect2.",
)
NO_GENE = Reason(
    "no-gene",
    "A variant that changes a protein names no gene.",
    "Annotate with gene names (VEP --symbol).",
    "CSQ without SYMBOL.",
)
NOT_AN_RCC = Reason(
    "not-an-rcc",
    "A file is no RCC of a lane with its controls.",
    "Give the RCC as the nCounter wrote it.",
    "A table exported from nSolver.",
)
FAILED_LANE = Reason(
    "failed-lane",
    "A lane of the nCounter is out of the limits of its quality.",
    "Measure it again, or leave it out.",
    "A tenth of the fields of view counted.",
)
NOT_REARRANGEMENTS = Reason(
    "not-rearrangements",
    "A table has no two columns of genes that are joined.",
    "Give data_sv.txt, the table of Arriba, STAR-Fusion or FusionCatcher, a VCF, or a table sample, gene1, gene2.",
    "A list of genes.",
)
NO_GENOTYPES = Reason(
    "no-genotypes",
    "Several tumours stand in one file without genotypes.",
    "Call one file a tumour, or with GT.",
    "Two tumours in a Strelka file.",
)
NO_TUMOUR = Reason(
    "no-tumour",
    "Every column of the VCF is a normal.",
    "Give the VCF of the tumour.",
    "A germline call set.",
)
UNKNOWN_WORD = Reason(
    "unknown-word",
    "A class, status or filter is in no dialect that is known.",
    "Use the words of the MAF specification, of the Sequence Ontology or of ANNOVAR.",
    "`Variant_Classification` in another language.",
)
OTHER_NAMES = Reason(
    "other-names",
    "A list of profiled samples names them otherwise than the file of variants does: listed samples would pass for wild type.",
    "Name samples in the list as the file does.",
    "TCGA-05-4244-01 on the list, TCGA-05-4244-01A-01D-1105-08 in the MAF.",
)
MIXED_BUILDS = Reason(
    "mixed-builds",
    "Positions of one file are of several genomes.",
    "Split the file, or lift one over.",
    "NCBI_Build with 37 and 38.",
)
OTHER_BUILD = Reason(
    "other-build",
    "Positions are of another genome than the study says.",
    "Give positions of that genome, or say the other build.",
    "A segment that ends past chromosome 1 of hg38.",
)
NOT_A_SEG = Reason(
    "not-a-seg",
    "The file is no table of segments, or their levels are of no known unit.",
    "Give a SEG file or the table of a caller; say `unit` where the levels are not told.",
    "Segments without a level.",
)
NO_PLEX = Reason(
    "no-plex",
    "The table of channels does not list a sample.",
    "Add its row, with its plex.",
    "A TMT channel that was forgotten.",
)
NO_REFERENCE = Reason(
    "no-reference",
    "A plex has no reference channel with a value.",
    "Mark the reference of the plex, or leave the plex out.",
    "A TMT plex without its pool.",
)
NEGATIVE_INTENSITY = Reason(
    "negative-intensity",
    "Intensities lie below zero.",
    "Give raw intensities, or say the unit.",
    "Background-corrected intensities.",
)
NO_DETECTION_P = Reason(
    "no-detection-p",
    "The table of detection p-values lacks probes or samples of the matrix.",
    "Export both from the same arrays.",
    "p-values of another batch.",
)
NO_COMMON_PROBE = Reason(
    "no-common-probe",
    "The arrays of the centres share no probe.",
    "Look whether all name probes alike, and leave out what is no methylation array.",
    "One centre's table named by gene.",
)
NO_RAW_COUNTS = Reason(
    "no-raw-counts",
    "No layer of the cells holds whole counts.",
    "Name the layer of raw counts.",
    "An h5ad with logarithms in X alone.",
)
TOO_FEW_CELLS = Reason(
    "too-few-cells",
    "No cell type of a sample has enough cells.",
    "Lower min_cells, or leave it out.",
    "A sample of seven cells.",
)
TOO_FEW_PROBES = Reason(
    "too-few-probes",
    "Too few probes lie on the chromosomes that tell sex.",
    "Give the manifest of the array.",
    "A panel of 40 probes.",
)
NOT_SOMALIER = Reason(
    "not-somalier",
    "The file is no table of somalier.",
    "Give the pairs.tsv and samples.tsv of somalier relate.",
    "The HTML page of somalier.",
)
NOT_ON_SHEET = Reason(
    "not-on-sheet",
    "A matrix has a sample that the sample sheet lacks.",
    "Add it to the sheet with its patient.",
    "A column named by the laboratory's number.",
)
UNKNOWN_SAMPLE_TYPE = Reason(
    "unknown-sample-type",
    "The sample sheet has a word for the type of a sample that is not known: it may be normal tissue.",
    "Write tumour, normal or metastasis; leave the cell empty when the type is not known.",
    "A column sample_type with 01A, or with the name of a tissue.",
)
NO_COLLECTION_DATE = Reason(
    "no-collection-date",
    "The sample sheet has something that is no date as the day of collection of a sample.",
    "Write it as 2021-05-20, 2021-05 or 2021; leave the cell empty when it is not known.",
    "The number 43467 of a spreadsheet.",
)
NOT_IN_MATRIX = Reason(
    "not-in-matrix",
    "The sample sheet lists a sample that the matrix lacks.",
    "Add its column, or remove the row.",
    "A sample that was not sequenced.",
)
UNREAD_MATRIX = Reason(
    "unread-matrix",
    "A sample was profiled, and the file that would say what it has could not be read.",
    "Mend the file in quarantine: until then the sample is missing, not wild type.",
    "A MAF with one broken row beside a list of 34 profiled samples.",
)
UNUSABLE_SAMPLE_SHEET = Reason(
    "unusable-sample-sheet",
    "A sample sheet cannot be read.",
    "Mend the sheet: sample, patient, collected, sample_type.",
    "A sheet that names a sample twice.",
)
UNUSABLE_PROFILED_LIST = Reason(
    "unusable-profiled-list",
    "The list of profiled samples cannot be read.",
    "Give one sample a line, or a table with the column sample.",
    "A path that does not exist.",
)
SEX_DISCORDANT = Reason(
    "sex-discordant",
    "The sex that an assay tells contradicts the subject's records.",
    "Compare the sample sheet with the laboratory's list.",
    "XIST expressed in a man's sample.",
)
SEX_MIXED = Reason(
    "sex-mixed",
    "A sample tells both sexes.",
    "Look whether two samples were mixed.",
    "XIST and the Y chromosome expressed in one tumour.",
)
SWAPPED_SAMPLES = Reason(
    "swapped-samples",
    "Two samples of one centre each tell the sex of the other's subject.",
    "Compare the sample sheet with the laboratory's list.",
    "Two tubes that changed places.",
)
ALL_ALIKE = Reason(
    "all-alike",
    "So many pairs of samples of two persons are alike that the comparison tells nothing.",
    "Look whether the matrices hold one sample many times.",
    "A matrix that was filled up with copies of one column.",
)
