"""The tables of volumes: what a series holds, what a release says of each, and where their voxels stand."""

from __future__ import annotations

import polars as pl

from unibase.groundwork.tables import CENTRE, SUBJECT, TIMESTAMP, Column, Table

VOLUMES = Table(
    "volumes",
    "One volume that a DICOM image series holds, or what is set aside in it.",
    (
        Column("subject_id", pl.Int64(), "Keyed pseudonym of the person; null when run on plain files."),
        CENTRE,
        Column("StudyInstanceUID", pl.String(), "Study of the series."),
        Column("SeriesInstanceUID", pl.String(), "The series.", nullable=False),
        Column("Modality", pl.String(), "DICOM Modality."),
        Column("volume", pl.String(), "Name of the volume in its series; empty when it holds one.", nullable=False),
        Column(
            "status",
            pl.String(),
            "volume, image (one plane without a place, such as a radiograph), aside (no volume to measure), or refused.",
            nullable=False,
        ),
        Column("reason", pl.String(), "Why it is refused; empty otherwise.", nullable=False),
        Column("message", pl.String(), "What is wrong, without a value of a person; empty otherwise.", nullable=False),
        Column("remedy", pl.String(), "What can be done; empty otherwise.", nullable=False),
        Column("volume_time", TIMESTAMP, "Shifted date and time of its first plane."),
        Column("unit", pl.String(), "Unit of the intensities, as the header tells it."),
        Column("slices", pl.Int64(), "Number of slices."),
        Column("Rows", pl.Int64(), "Rows of a slice."),
        Column("Columns", pl.Int64(), "Columns of a slice."),
        Column("spacing_x", pl.Float64(), "Distance of neighbouring columns.", unit="mm"),
        Column("spacing_y", pl.Float64(), "Distance of neighbouring rows.", unit="mm"),
        Column("spacing_z", pl.Float64(), "Distance of neighbouring slices.", unit="mm"),
        Column("coverage", pl.Float64(), "Extent along the normal of the slices.", unit="mm"),
        Column("SliceThickness", pl.Float64(), "Thickness of a slice, which may differ from their distance.", unit="mm"),
        Column("ConvolutionKernel", pl.String(), "Reconstruction kernel of CT."),
        Column("KVP", pl.Float64(), "Tube voltage.", unit="kV"),
        Column("MagneticFieldStrength", pl.Float64(), "Field strength of MR.", unit="T"),
        Column("EchoTime", pl.Float64(), "Echo time of MR.", unit="ms"),
        Column("RepetitionTime", pl.Float64(), "Repetition time of MR.", unit="ms"),
        Column(
            "motion", pl.String(), "What the header tells of motion: breath hold, respiratory gating, ...; null when nothing."
        ),
        Column("nuclide", pl.String(), "Nuclide of PET, such as F-18."),
        Column("uptake", pl.Float64(), "Time from injection to scan of PET.", unit="min"),
        Column("PatientWeight", pl.Float64(), "Weight that the SUV of PET was computed with.", unit="kg"),
        Column("RadionuclideTotalDose", pl.Float64(), "Activity that the SUV of PET was computed with.", unit="Bq"),
        Column("filled_slices", pl.Int64(), "Missing slices that were interpolated, when the study asks for it."),
        Column("notes", pl.String(), "What to know of the volume, as short codes: tilt-resampled, weight-from-table, ..."),
        Column("folder", pl.String(), "Folder of the series relative to what was indexed.", nullable=False),
    ),
    key=("subject_id", "StudyInstanceUID", "SeriesInstanceUID", "volume", "folder"),
)

_NOT_OF_IMAGES = ("status", "reason", "message", "remedy", "folder", "PatientWeight", "RadionuclideTotalDose")
"""What is no word on an image, and what tells more of a person than a release has to."""

IMAGES = Table(
    "images",
    "One image volume that is used: what it is, and how good.",
    (
        *(column for column in VOLUMES.columns if column.name not in _NOT_OF_IMAGES),
        Column(
            "noise", pl.Float64(), "Standard deviation of the noise inside the body, in the unit of the image; of a measured one."
        ),
        Column(
            "truncation",
            pl.Float64(),
            "Of a measured CT: share of the border of the field of view at which tissue lies; 0 when it holds the whole body.",
            "1",
        ),
    ),
    key=("subject_id", "SeriesInstanceUID", "volume"),
)

VOXELS = Table(
    "voxels",
    "One store of voxels (OME-Zarr 0.5): a volume, or the box around a region, with its label maps.",
    (
        SUBJECT,
        CENTRE,
        Column("StudyInstanceUID", pl.String(), "Study of the image."),
        Column("SeriesInstanceUID", pl.String(), "Series of the image.", nullable=False),
        Column("Modality", pl.String(), "DICOM Modality."),
        Column(
            "volume",
            pl.String(),
            "Which volume of a series that holds several, such as `phase 2 of 3`; else empty.",
            nullable=False,
        ),
        Column("region", pl.String(), "The region that the box was cut around; empty for a whole volume.", nullable=False),
        Column("regions", pl.String(), "Names of all regions that its label maps hold, joined by `, `."),
        Column(
            "unknown_regions",
            pl.String(),
            "Names of regions that are asked for and of which the image does not say where they lie, joined by `, `: nobody drew "
            "them, or what was drawn cannot be used. Outside of the label maps they may be anywhere.",
        ),
        Column("machine_regions", pl.String(), "Names of those regions that a machine alone made, joined by `, `."),
        Column("path", pl.String(), "Folder of the store, below the folder of all stores.", nullable=False),
        Column("digest", pl.String(), "SHA-256 over the names and contents of its files.", nullable=False),
        Column("series_time", TIMESTAMP, "Shifted date and time of the image."),
        Column("unit", pl.String(), "Unit of the values, such as HU or SUVbw."),
        Column("data_type", pl.String(), "NumPy type of the values."),
        Column("size_x", pl.Int64(), "Voxels towards the patient's left."),
        Column("size_y", pl.Int64(), "Voxels towards the patient's back."),
        Column("size_z", pl.Int64(), "Voxels towards the patient's head."),
        Column("spacing_x", pl.Float64(), "Distance of neighbouring voxels along x.", "mm"),
        Column("spacing_y", pl.Float64(), "Distance of neighbouring voxels along y.", "mm"),
        Column("spacing_z", pl.Float64(), "Distance of neighbouring voxels along z.", "mm"),
        Column("oblique", pl.Boolean(), "Whether the axes are not the patient's; the store tells their direction."),
        Column("BodyPartExamined", pl.String(), "DICOM BodyPartExamined."),
        Column(
            "may_show_a_face",
            pl.Boolean(),
            "Whether the image may show a face: its BodyPartExamined does not rule that out, a description names the head, or it is 800 mm or longer.",
        ),
        Column("Manufacturer", pl.String(), "Maker of the scanner."),
        Column("ManufacturerModelName", pl.String(), "Model of the scanner."),
    ),
    key=("subject_id", "SeriesInstanceUID", "path"),
    open=True,
)

SEGMENTED = Table(
    "segmented",
    "One volume that a model segmented.",
    (
        SUBJECT,
        CENTRE,
        Column("SeriesInstanceUID", pl.String(), "Series of the image.", nullable=False),
        Column("volume", pl.String(), "Name of the volume in its series; empty when it holds one.", nullable=False),
        Column("segmenter", pl.String(), "Name of the model in the study file.", nullable=False),
        Column("version", pl.String(), "Its version, as the study file says it."),
        Column("weights", pl.String(), "SHA-256 of its weights; null where the study file names none."),
        Column("found", pl.String(), "Names of the labels that it marked, joined by `, `; empty when it marked nothing."),
        Column("path", pl.String(), "The label image, below the folder of all.", nullable=False),
    ),
    key=("subject_id", "SeriesInstanceUID", "segmenter", "volume"),
)

MASK_AGREEMENT = Table(
    "mask_agreement",
    "How far one label of a model agrees with a mask of the same image that people drew.",
    (
        SUBJECT,
        CENTRE,
        Column("SeriesInstanceUID", pl.String(), "Series of the image.", nullable=False),
        Column("Modality", pl.String(), "DICOM Modality of the image."),
        Column("volume", pl.String(), "Name of the volume in its series; empty when it holds one.", nullable=False),
        Column("segmenter", pl.String(), "Name of the model in the study file.", nullable=False),
        Column("model", pl.String(), "Name, version and digest of the weights of the model."),
        Column("label", pl.String(), "Name of the label of the model.", nullable=False),
        Column("target", pl.String(), "Target that people drew.", nullable=False),
        Column("roi_name", pl.String(), "Cleaned name of the region that people drew.", nullable=False),
        Column("mask_label", pl.String(), "StructureSetLabel or ContentLabel of its file."),
        Column("mask_reader", pl.String(), "Who reviewed or drew it, as its file names them after cleaning."),
        Column("dice", pl.Float64(), "Dice coefficient: twice the common voxels over all voxels.", "1"),
        Column(
            "mean_distance",
            pl.Float64(),
            "Mean distance of the surface voxels of both masks to the other's surface; null where one is empty.",
            "mm",
        ),
        Column("hausdorff_95", pl.Float64(), "The greater of the two 95th percentiles of these distances.", "mm"),
        Column("hausdorff", pl.Float64(), "The greatest of these distances.", "mm"),
        Column("volume_machine", pl.Float64(), "Voxels that the model marked, as a volume.", "mm^3"),
        Column("volume_people", pl.Float64(), "Voxels that people marked, as a volume.", "mm^3"),
        Column("source_digest", pl.String(), "Digest of the two masks.", nullable=False),
    ),
    key=("subject_id", "SeriesInstanceUID", "volume", "segmenter", "label", "target", "source_digest"),
)

REPORT_VALUES = Table(
    "report_values",
    "One item of a DICOM report that has a value: a measurement, a dose, a code, a cleaned text.",
    (
        Column("subject_id", pl.Int64(), "Keyed pseudonym of the person; null when run on plain files."),
        CENTRE,
        Column("StudyInstanceUID", pl.String(), "Study of the report."),
        Column("SeriesInstanceUID", pl.String(), "Series of the report."),
        Column("SOPInstanceUID", pl.String(), "The report.", nullable=False),
        Column("Modality", pl.String(), "SR (report) or PR (presentation state)."),
        Column("series_time", TIMESTAMP, "Shifted date and time of its series."),
        Column("title", pl.String(), "Code of the document title, such as DCM//126000."),
        Column("template", pl.String(), "Number of its root template (PS3.16), such as 1500."),
        Column("item", pl.String(), "Place of the item in the tree, such as 1.6.1.4.", nullable=False),
        Column("container", pl.String(), "Place of its container: items of one belong together.", nullable=False),
        Column("container_code", pl.String(), "What the container is, such as DCM//125007 (Measurement Group)."),
        Column("container_meaning", pl.String(), "The same in words."),
        Column("code", pl.String(), "What the item says something about, such as SCT//118565006 (Volume)."),
        Column("meaning", pl.String(), "The same in words."),
        Column("value_type", pl.String(), "NUM, CODE, TEXT, UIDREF, DATE or DATETIME.", nullable=False),
        Column("value", pl.Float64(), "The number, in `unit`."),
        Column("unit", pl.String(), "UCUM unit of `value`; of another scheme with its name before."),
        Column("missing_code", pl.String(), "Why there is no number, such as DCM//114006."),
        Column("value_code", pl.String(), "Code that the item holds."),
        Column("value_meaning", pl.String(), "The same in words."),
        Column("text", pl.String(), "Text, of files that unibase cleaned alone; or a pseudonymous UID."),
        Column("time", TIMESTAMP, "Shifted day or moment that the item holds."),
        Column("modifiers", pl.String(), "What qualifies the item: `code=code` or `code=number unit`, by `; `."),
    ),
    key=("subject_id", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "item"),
)
