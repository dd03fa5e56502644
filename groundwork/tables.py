"""One description per table that passes from room to room: columns, types, units, meaning and checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from unibase.groundwork.files import atomic_file

if TYPE_CHECKING:
    import pyarrow

CELLS_PER_GROUP = 4_000_000
"""Cells of a Parquet row group: 32 MB of float64."""


@dataclass(frozen=True)
class Column:
    """One column: its name in the field's standard terms, type, meaning, unit, and whether it may be null."""

    name: str
    dtype: pl.DataType
    text: str
    unit: str = ""
    nullable: bool = True


@dataclass(frozen=True)
class Table:
    """One table of the house.

    Attributes:
        name: File stem and name in messages.
        text: What one row is.
        columns: The declared columns, in order.
        key: Columns that together identify a row; also the order rows are written in.
        open: Whether further columns may follow the declared ones.
    """

    name: str
    text: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    open: bool = False

    def schema(self) -> pl.Schema:
        """Return the Polars schema of the declared columns."""
        return pl.Schema({column.name: column.dtype for column in self.columns})

    def of(self, names: Sequence[str], key: tuple[str, ...]) -> Table:
        """Return the table with some of its columns, in the order of `names`, sorted by `key`."""
        known = {column.name: column for column in self.columns}
        return Table(self.name, self.text, tuple(known[name] for name in names), key, self.open)

    def empty(self) -> pl.DataFrame:
        """Return a frame with the declared columns and no row.

        >>> Table("VISITS", "One row a visit.", (Column("day", pl.Date, "Its day."),)).empty().schema
        Schema({'day': Date})
        """
        return pl.DataFrame(schema=self.schema())

    def conform(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return `frame` with declared columns first, cast to their types, sorted by key; check it on the way.

        Raises:
            ValueError: If a declared column that may not be null is missing or holds nulls, a closed table has
                further columns, or a key occurs twice. The text names columns and counts, never values.
        """
        required = [c.name for c in self.columns if not c.nullable]
        missing = [name for name in required if name not in frame.columns]
        if missing:
            raise ValueError(f"table {self.name}: missing columns {', '.join(missing)}")
        declared = {column.name for column in self.columns}
        further = [name for name in frame.columns if name not in declared]
        if further and not self.open:
            raise ValueError(f"table {self.name}: unknown columns {', '.join(further)}")
        have = set(frame.columns)
        frame = frame.select(
            *[
                pl.col(c.name).cast(c.dtype) if c.name in have else pl.lit(None, dtype=c.dtype).alias(c.name)
                for c in self.columns
            ],
            *further,
        )
        holes = [name for name in required if frame[name].null_count()]
        if holes:
            raise ValueError(f"table {self.name}: nulls in {', '.join(holes)}")
        if self.key:
            frame = frame.sort(self.key, nulls_last=False, maintain_order=True)
            twice = frame.height - frame.select(self.key).unique().height
            if twice:
                raise ValueError(f"table {self.name}: {twice} rows repeat a key ({', '.join(self.key)})")
        return frame

    def write(self, frame: pl.DataFrame, path: Path | str) -> pl.DataFrame:
        """Conform a frame, write it as Parquet, and return what was written.

        `frame`: the frame; `path`: the file.

        Raises:
            ValueError: As `conform`.
        """
        frame = self.conform(frame)
        write_parquet(frame, path)
        return frame

    def read(self, path: Path | str) -> pl.DataFrame:
        """Read the table from Parquet; an absent file is an empty table.

        Args:
            path: The file.
        """
        return pl.read_parquet(path) if Path(path).exists() else self.empty()


def write_parquet(frame: pl.DataFrame, path: Path | str) -> None:
    """Write `frame` as Parquet atomically: equal frames give equal bytes, strings in the plain Arrow type.

    A row group holds at most `CELLS_PER_GROUP` cells, so that a wide table can be read a part at a time.

    Args:
        frame: The frame.
        path: The file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrow = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    for place, name in enumerate(arrow.column_names):
        if pa.types.is_large_string(arrow.schema.field(place).type):
            plain = pa.chunked_array([_plain_text(chunk) for chunk in arrow.column(place).chunks], pa.string())
            arrow = arrow.set_column(place, name, plain)
    rows = max(1024, min(131_072, CELLS_PER_GROUP // max(1, frame.width)))
    with atomic_file(path) as temporary:
        pq.write_table(arrow, temporary, compression="zstd", row_group_size=rows)


def _plain_text(chunk: pyarrow.Array) -> pyarrow.Array:
    """Return texts with offsets of 32 bits; as `cast` does, whose library of functions takes long to load."""
    import pyarrow as pa

    if not len(chunk):
        return pa.array([], pa.string())
    validity, offsets, data = chunk.buffers()
    wide = np.frombuffer(offsets, dtype=np.int64, count=chunk.offset + len(chunk) + 1)
    if wide[-1] > np.iinfo(np.int32).max:
        return chunk.cast(pa.string())
    narrow = pa.py_buffer(wide.astype(np.int32))
    return pa.Array.from_buffers(pa.string(), len(chunk), [validity, narrow, data], chunk.null_count, chunk.offset)


TIMESTAMP = pl.Datetime("us")
"""All times: naive local time of the subject after the date shift, in microseconds."""

SUBJECT = Column("subject_id", pl.Int64(), "Keyed pseudonym of the person; positive.", nullable=False)
CENTRE = Column("centre", pl.String(), "Name of the centre, as in the study file.")

PEOPLE = Table(
    "people",
    "One identifier of one person in one centre, with what that source knows of the person. Vault only.",
    (
        Column("centre", pl.String(), "Name of the centre.", nullable=False),
        Column(
            "person_key", pl.String(), "The centre's own key of the person: rows that share it are one person.", nullable=False
        ),
        Column("system", pl.String(), "Kind of identifier: ipp, ins, omop, fhir, osiris, dicom, ...", nullable=False),
        Column("identifier", pl.String(), "The identifier as the sources write it.", nullable=False),
        Column("ins", pl.String(), "Matricule INS (15 digits) when qualified, else null."),
        Column("birth_family_name", pl.String(), "Family name at birth."),
        Column("used_family_name", pl.String(), "Family name in use."),
        Column("given_names", pl.String(), "Given names, first name first."),
        Column("birth_date", pl.String(), "ISO date of birth, cut to what is known (1961, 1961-04, 1961-04-02)."),
        Column("sex", pl.String(), "M, F or null."),
        Column("birth_place_code", pl.String(), "INSEE code of the commune (2A004) or country (99...) of birth."),
        Column("address", pl.String(), "Number and street of residence, where the centre gives it; evidence of who is who."),
        Column("postcode", pl.String(), "Postal code of residence, likewise."),
        Column("commune", pl.String(), "Commune of residence, by name or INSEE code, likewise."),
        Column("phone", pl.String(), "Telephone number, likewise."),
        Column("source", pl.String(), "File the row comes from."),
        Column("source_row", pl.Int64(), "Row number in that file, header not counted, from 1."),
    ),
    key=("centre", "system", "identifier"),
)

EVENTS = Table(
    "events",
    "One event of one subject: MEDS 0.4.1 columns first, then ours.",
    (
        SUBJECT,
        Column("time", TIMESTAMP, "When it happened; null for static facts and for partial dates."),
        Column("code", pl.String(), "Vocabulary//code, such as ICD10//C34.1, LOINC//718-7, MEDS_DEATH.", nullable=False),
        Column("numeric_value", pl.Float32(), "Numeric value, if any."),
        Column("text_value", pl.String(), "Coded or controlled text value, if any; never free text."),
        Column("time_min", TIMESTAMP, "Earliest instant the event can have happened; null for static facts."),
        Column("time_max", TIMESTAMP, "Latest instant the event can have happened; null for static facts."),
        Column("end_time", TIMESTAMP, "End of an interval, if it has one."),
        Column("unit", pl.String(), "UCUM unit of numeric_value."),
        Column("recorded_time", TIMESTAMP, "When the source learned of it; null when unknown."),
        Column("source", pl.String(), "Centre and table the event comes from, such as A/omop/measurement."),
        Column("source_row", pl.Int64(), "Row in that table, header not counted, from 1."),
    ),
)

DERIVED = "derived/treatments"
"""`source` of the events that we derive ourselves, over all centres: they come from none."""


def centre_of() -> pl.Expr:
    """Return the column `centre` of EVENTS by their `source`: null for what we derived ourselves, whatever a centre is called.

    Example:
        >>> events = pl.DataFrame({"source": ["CHU-été/omop/person", "derived/omop/person", "derived/treatments"]})
        >>> events.select(centre_of())["centre"].to_list()
        ['CHU-été', 'derived', None]
    """
    source = pl.col("source").cast(pl.String)
    # No name of a centre holds a stroke: the study file is refused.
    return pl.when(source != DERIVED).then(source.str.split("/").list.first()).alias("centre")


SERIES = Table(
    "series",
    "One de-identified DICOM series in staging.",
    (
        SUBJECT,
        CENTRE,
        Column("StudyInstanceUID", pl.String(), "Keyed pseudonym of the study.", nullable=False),
        Column("SeriesInstanceUID", pl.String(), "Keyed pseudonym of the series.", nullable=False),
        Column("Modality", pl.String(), "DICOM Modality."),
        Column("SOPClassUID", pl.String(), "SOP class of its instances."),
        Column("FrameOfReferenceUID", pl.String(), "Keyed pseudonym of the frame of reference."),
        Column("series_time", TIMESTAMP, "Shifted acquisition date and time (Series, else Study, else Acquisition)."),
        Column("PatientSex", pl.String(), "Sex as the DICOM header says, kept for concordance checks."),
        Column("PatientAge", pl.Float64(), "Age as the DICOM header says, kept for concordance checks.", unit="a"),
        Column("PatientWeight", pl.Float64(), "Weight as the DICOM header says, kept for concordance checks.", unit="kg"),
        Column("Manufacturer", pl.String(), "Maker of the scanner."),
        Column("ManufacturerModelName", pl.String(), "Model of the scanner."),
        Column("BodyPartExamined", pl.String(), "DICOM BodyPartExamined."),
        Column("SeriesDescription", pl.String(), "Cleaned series description."),
        Column("ReferencedSeriesInstanceUID", pl.String(), "For RTSTRUCT and SEG: the image series it marks."),
        Column("instances", pl.Int64(), "Number of instances."),
        Column("folder", pl.String(), "Folder of the series relative to the staging folder.", nullable=False),
        Column("input_digest", pl.String(), "Digest over the BLAKE3 of its files.", nullable=False),
    ),
    key=("subject_id", "StudyInstanceUID", "SeriesInstanceUID"),
)

FEATURES = Table(
    "features",
    "Radiomic features of one region of one series under one image type; a Float64 column per feature follows.",
    (
        Column("subject_id", pl.Int64(), "Keyed pseudonym of the person; null when run on plain files."),
        CENTRE,
        Column("StudyInstanceUID", pl.String(), "Study of the image."),
        Column("SeriesInstanceUID", pl.String(), "Series of the image."),
        Column("Modality", pl.String(), "DICOM Modality of the image."),
        Column("volume", pl.String(), "Which volume of a series that holds several, such as `phase 2 of 3`; else null."),
        Column("unit", pl.String(), "Unit of the intensities, as the header tells it; null for plain images."),
        Column("series_time", TIMESTAMP, "Shifted date and time of the image."),
        Column(
            "region",
            pl.String(),
            "Target the region was mapped to, such as GTV; of a series of several volumes with its volume: GTV_phase_2_of_3.",
            nullable=False,
        ),
        Column("image_type", pl.String(), "original, wavelet-LLH, log-sigma-3-0-mm-3D, ...", nullable=False),
        Column("roi_name", pl.String(), "Cleaned name of the region in its RTSTRUCT or SEG."),
        Column("engine", pl.String(), "pyradiomics or unibase, with version.", nullable=False),
        Column("mode", pl.String(), "pyradiomics or ibsi.", nullable=False),
        Column("settings_digest", pl.String(), "SHA-256 of the extraction settings.", nullable=False),
        Column(
            "image_notes",
            pl.String(),
            "What to know of the image, as short codes: tilt-resampled, slices-filled, weight-from-table, ...",
        ),
        Column("mask_label", pl.String(), "StructureSetLabel or ContentLabel of the mask file."),
        Column("mask_approval", pl.String(), "ApprovalStatus of the structure set: APPROVED, UNAPPROVED or REJECTED."),
        Column("mask_reader", pl.String(), "Who reviewed or drew the mask, as its file names them after cleaning."),
        Column("mask_time", TIMESTAMP, "Shifted date and time of the structure set or segmentation."),
        Column(
            "mask_algorithm",
            pl.String(),
            "How the mask was made, as its file says: MANUAL, SEMIAUTOMATIC or AUTOMATIC, which is by a machine alone.",
        ),
        Column("mask_model", pl.String(), "What made a mask that no person drew alone: name, version, digest of the weights."),
        Column(
            "mask_coverage", pl.Float64(), "Share of what was drawn that lies within the image; 1 when nothing is cut off.", "1"
        ),
        Column(
            "mask_notes", pl.String(), "What to know of the mask, as short codes: cut-off-at-edge, contour-outside-slices, ..."
        ),
        Column("source_digest", pl.String(), "Digest of image and mask files.", nullable=False),
    ),
    key=("subject_id", "SeriesInstanceUID", "region", "image_type", "source_digest"),
    open=True,
)

SAMPLE_MAP = Table(
    "sample_map",
    "One sample of one assay and the subject it comes from, as in MultiAssayExperiment.",
    (
        Column("assay", pl.String(), "Assay: rna, mutations, ...", nullable=False),
        Column("primary", pl.Int64(), "subject_id of the sample's subject.", nullable=False),
        Column("colname", pl.String(), "Keyed pseudonym of the sample, name of its row in the assay.", nullable=False),
        CENTRE,
        Column("sample_time", TIMESTAMP, "Shifted date of collection; null when partial or unknown."),
        Column("sample_time_min", TIMESTAMP, "Earliest instant of collection."),
        Column("sample_time_max", TIMESTAMP, "Latest instant of collection."),
        Column("sample_type", pl.String(), "tumour, normal, metastasis or null."),
        Column("status", pl.String(), "used, or quarantined.", nullable=False),
        Column("reason", pl.String(), "Why it is quarantined; empty when used.", nullable=False),
    ),
    key=("assay", "colname"),
)

QUARANTINE = Table(
    "quarantine",
    "One unit that was not used, and why; holds no source name and no value of a patient.",
    (
        Column("stage", pl.String(), "Stage that refused it.", nullable=False),
        Column("centre", pl.String(), "Centre it came from."),
        Column(
            "unit", pl.String(), "Keyed token of the unit; `unibase quarantine` shows the file to the custodian.", nullable=False
        ),
        Column("reason", pl.String(), "Short stable code.", nullable=False),
        Column("message", pl.String(), "What is wrong, without a value.", nullable=False),
        Column("remedy", pl.String(), "What can be done."),
    ),
    key=("stage", "unit", "reason"),
)

MAF = Table(
    "maf",
    "One somatic variant of a sample in a gene, in the columns of GDC's MAF. A sample without a row was sequenced where the sample map says so.",
    (
        Column("subject_id", pl.Int64(), "Keyed pseudonym of the person.", nullable=False),
        Column("Tumor_Sample_Barcode", pl.String(), "Keyed pseudonym of the sample: colname of the sample map.", nullable=False),
        Column("Hugo_Symbol", pl.String(), "Approved symbol of the gene, or its name in the source.", nullable=False),
        Column("Entrez_Gene_Id", pl.Int64(), "NCBI number of the gene, by the pinned table of genes."),
        Column(
            "NCBI_Build", pl.String(), "GRCh37 or GRCh38, as the MAF of the source says; empty where it does not, and for VCF."
        ),
        Column(
            "Chromosome",
            pl.String(),
            "Chromosome without chr. Empty where too few subjects share the variant for its place to be told.",
        ),
        Column("Start_Position", pl.Int64(), "First base of the variant, from 1; empty as Chromosome is."),
        Column("End_Position", pl.Int64(), "Last base of the variant; empty as Chromosome is."),
        Column(
            "Variant_Classification",
            pl.String(),
            "What the variant does to the gene, in words of the MAF specification.",
            nullable=False,
        ),
        Column("Variant_Type", pl.String(), "SNP, DNP, TNP, ONP, INS or DEL, by the alleles."),
        Column("Reference_Allele", pl.String(), "Bases of the genome; - for an insertion. Empty as Chromosome is."),
        Column("Tumor_Seq_Allele2", pl.String(), "Bases of the tumour; - for a deletion. Empty as Chromosome is."),
        Column(
            "HGVSp_Short",
            pl.String(),
            "Change of the protein, such as p.G12D; empty as Chromosome is, and where it is no such change.",
        ),
        Column(
            "Mutation_Status",
            pl.String(),
            "Somatic: what the source calls germline is left out; what it does not call anything is taken as somatic.",
            nullable=False,
        ),
    ),
)
"""Variants as a release may hold them: the names are those of GDC's MAF."""
