"""The tables that the imaging room leaves: columns, types, words and keys."""

from __future__ import annotations

import polars as pl

from unibase.groundwork.image_tables import IMAGES, REPORT_VALUES, VOLUMES, VOXELS
from unibase.groundwork.tables import FEATURES, SERIES, TIMESTAMP, Column, Table
from unibase.methods.agreement import COLUMNS

LOOKS = Table(
    "looks",
    "One region of one image, what tells a right mask from a wrong one, and how suspect it is.",
    (
        Column("subject_id", pl.Int64(), "Keyed pseudonym of the person; null when run on plain files."),
        Column("centre", pl.String(), "Name of the centre."),
        Column("SeriesInstanceUID", pl.String(), "Series of the image, or the path of a plain image.", nullable=False),
        Column("Modality", pl.String(), "DICOM Modality of the image."),
        Column("series_time", TIMESTAMP, "Shifted date and time of the image."),
        Column("region", pl.String(), "Target, such as GTV.", nullable=False),
        Column("roi_name", pl.String(), "Cleaned name of the region in its file."),
        Column("source_digest", pl.String(), "Digest of image and mask files.", nullable=False),
        Column("picture", pl.String(), "File of its picture."),
        Column("mask_notes", pl.String(), "What to know of the mask, as short codes."),
        Column("volume_ml", pl.Float64(), "Volume of the voxels.", "mL"),
        Column("median", pl.Float64(), "Median intensity.", "intensity"),
        Column("contrast", pl.Float64(), "Median inside less median outside, in standard deviations.", "1"),
        Column("local_contrast", pl.Float64(), "Contrast of the weaker parts of its border, in standard deviations inside.", "1"),
        Column("edge", pl.Float64(), "Gradient across the border over that around it.", "1"),
        Column("air_share", pl.Float64(), "Share of voxels below -500 HU; CT alone.", "1"),
        Column("floor_share", pl.Float64(), "Share of voxels with the image's lowest value.", "1"),
        Column("components", pl.Int64(), "Connected parts."),
        Column(
            "flat_face",
            pl.Float64(),
            "Largest end over largest section, less where the image has an edge; near 1 where cut straight.",
            "1",
        ),
        Column("slices", pl.Int64(), "Slices in which it lies."),
        Column("edges", pl.String(), "Axes on which it reaches the end of the image."),
        Column("x", pl.Float64(), "Centre towards the patient's left.", "mm"),
        Column("y", pl.Float64(), "Centre towards the patient's back.", "mm"),
        Column("z", pl.Float64(), "Centre towards the patient's head.", "mm"),
        Column(
            "across", pl.Float64(), "Centre left of the body's middle, in widths of the body; null where no body is seen.", "1"
        ),
        Column("depth", pl.Float64(), "Centre behind the body's middle, in depths of the body; null where no body is seen.", "1"),
        Column("height", pl.Float64(), "Centre above the foot end of the image, in heights of the image.", "1"),
        Column("side", pl.String(), "Side of the body on which it lies: L, R or empty."),
        Column("coverage", pl.Float64(), "Share of what was drawn that the image holds.", "1"),
        Column("suspicion", pl.Float64(), "How suspect it is; 0 is not at all.", nullable=False),
        Column("why", pl.String(), "What makes it suspect, the weightiest first."),
        Column("verdict", pl.String(), "What a reviewer decided: keep, refuse, wrong-side; null before."),
    ),
    key=("SeriesInstanceUID", "region", "source_digest"),
)

PERTURBED = Table(
    "perturbed_features",
    "Radiomic features of one perturbed copy of one region of one series; a Float64 column per feature follows.",
    (
        *FEATURES.columns,
        Column("perturbation", pl.Int64(), "Number of the perturbation in its plan, from 0.", nullable=False),
        Column("perturbation_name", pl.String(), "What was done, such as `rotation -6, volume 0.1`.", nullable=False),
    ),
    key=("subject_id", "SeriesInstanceUID", "region", "image_type", "source_digest", "perturbation"),
    open=True,
)

STABILITY = Table(
    "robustness",
    "How well one feature of one target agrees over perturbed copies, or over two scans of the same persons.",
    (
        Column(
            "kind",
            pl.String(),
            "perturbation: over perturbed copies of image and region; retest: over two scans.",
            nullable=False,
        ),
        Column("Modality", pl.String(), "DICOM Modality of the images."),
        Column("region", pl.String(), "Target, such as GTV.", nullable=False),
        Column("image_type", pl.String(), COLUMNS["image_type"], nullable=False),
        Column("feature", pl.String(), COLUMNS["feature"], nullable=False),
        Column("persons", pl.Int64(), "Number of persons whose regions are compared; null on plain files."),
        *(
            Column(name, pl.Int64() if name in ("subjects", "repetitions") else pl.Float64(), text)
            for name, text in COLUMNS.items()
            if name not in ("image_type", "feature")
        ),
        Column("bias", pl.Float64(), "Of two scans: mean of the second minus the first."),
        Column("concordance", pl.Float64(), "Of two scans: Lin's concordance correlation coefficient."),
        Column("stable", pl.Boolean(), "Whether icc_2_1_low reaches the least value that the study asks for.", nullable=False),
    ),
    key=("kind", "Modality", "region", "image_type", "feature"),
)

PET_FACTS = Table(
    "pet_facts",
    "What a study's own table says of one PET series whose header lacks it.",
    (
        Column("SeriesInstanceUID", pl.String(), "The series.", nullable=False),
        Column("StudyInstanceUID", pl.String(), "Its study.", nullable=False),
        Column("row", pl.Int64(), "Row of the study's table, header not counted, from 1.", nullable=False),
        Column("weight", pl.Float64(), "Body weight.", "kg"),
        Column("height", pl.Float64(), "Height.", "m"),
        Column("sex", pl.String(), "M or F; empty when the table does not tell it.", nullable=False),
        Column("dose", pl.Float64(), "Administered activity.", "Bq"),
        Column("start", TIMESTAMP, "Shifted date and time of the injection."),
        Column("nuclide", pl.String(), "Such as F-18; empty when the table does not tell it.", nullable=False),
    ),
    key=("SeriesInstanceUID",),
)

DOSE_METRICS = Table(
    "dose_metrics",
    "One metric of the dose that one region of one image gets from one RTDOSE.",
    (
        Column("StudyInstanceUID", pl.String(), "Study of the image."),
        Column("SeriesInstanceUID", pl.String(), "Series of the image.", nullable=False),
        Column("DoseSOPInstanceUID", pl.String(), "The RTDOSE.", nullable=False),
        Column("DoseSummationType", pl.String(), "What the dose sums: PLAN, FRACTION, BEAM, ..."),
        Column("region", pl.String(), "Target, such as PTV.", nullable=False),
        Column("roi_name", pl.String(), "Name of the region in its file.", nullable=False),
        Column("source_digest", pl.String(), "Digest of image and mask files.", nullable=False),
        Column("volume_cc", pl.Float64(), "Volume of the voxels of the region.", "cm3"),
        Column(
            "dose_coverage", pl.Float64(), "Share of its voxels that lie in the grid of the dose; the others do not count.", "1"
        ),
        Column("kind", pl.String(), "physical, or EQD2 (dose in 2 Gy fractions of the same effect).", nullable=False),
        Column("metric", pl.String(), "Such as Dmean, D95 (percent of the volume), D2cc, V20Gy.", nullable=False),
        Column("value", pl.Float64(), "Its value; NaN where the region is smaller than the volume of the metric."),
        Column("unit", pl.String(), "Gy, or % of the volume.", nullable=False),
        Column("mask_notes", pl.String(), "What to know of the mask, as short codes."),
    ),
    key=("SeriesInstanceUID", "DoseSOPInstanceUID", "source_digest", "metric"),
)

MAPS = Table(
    "maps",
    "One map of one feature of one region of one image: at each voxel the feature of the kernel around it.",
    (
        Column("subject_id", pl.Int64(), "Keyed pseudonym of the person; null when run on plain files."),
        Column("centre", pl.String(), "Name of the centre."),
        Column("SeriesInstanceUID", pl.String(), "Series of the image, or the path of a plain image.", nullable=False),
        Column("region", pl.String(), "Target, such as GTV.", nullable=False),
        Column("roi_name", pl.String(), "Name of the region in its file.", nullable=False),
        Column("source_digest", pl.String(), "Digest of image and mask files.", nullable=False),
        Column("image_type", pl.String(), "original, wavelet-LLH, ...", nullable=False),
        Column("feature", pl.String(), "Column of the FEATURES table.", nullable=False),
        Column("file", pl.String(), "NRRD file, or OME-Zarr store, relative to this table.", nullable=False),
        Column(
            "digest", pl.String(), "SHA-256 of the file; of a store over the names and contents of its files.", nullable=False
        ),
        Column("channel", pl.Int64(), "Channel of the store; null for a file of its own."),
        Column("kernel_radius", pl.Int64(), "Voxels on each side of the kernel.", nullable=False),
        Column("masked", pl.Boolean(), "Only voxels of the region count.", nullable=False),
        Column("mask_notes", pl.String(), "What to know of the mask, as short codes."),
        Column("settings_digest", pl.String(), "Digest of the extraction settings.", nullable=False),
    ),
    ("source_digest", "region", "image_type", "feature"),
)


def _diagnostic_columns() -> list[Column]:
    """Return a column for each of PyRadiomics' `diagnostics_`, in its order."""
    numbers = {"VoxelNum": pl.Int64(), "VolumeNum": pl.Int64()} | dict.fromkeys(("Mean", "Minimum", "Maximum"), pl.Float64())
    intensities = ("Mean", "Minimum", "Maximum")
    mask = ("Spacing", "Size", "BoundingBox", "VoxelNum", "VolumeNum", "CenterOfMassIndex", "CenterOfMass")
    parts = {
        "Versions": ("PyRadiomics", "Numpy", "SimpleITK", "PyWavelet", "Python"),
        "Configuration": ("Settings", "EnabledImageTypes"),
        "Image-original": ("Hash", "Dimensionality", "Spacing", "Size", *intensities),
        "Mask-original": ("Hash", *mask),
        "Image-interpolated": ("Spacing", "Size", *intensities),
        "Mask-interpolated": (*mask, *intensities),
        "Mask-resegmented": (*mask, *intensities),
    }
    return [
        Column(f"diagnostics_{part}_{name}", numbers.get(name, pl.String()), "As PyRadiomics names and writes it.")
        for part, names in parts.items()
        for name in names
    ]


DIAGNOSTICS = Table(
    "diagnostics",
    "What PyRadiomics tells of one region, its image and the settings beside the features; null where a step was not asked for.",
    (
        Column("SeriesInstanceUID", pl.String(), "Series of the image, or the path of a plain image.", nullable=False),
        Column("volume", pl.String(), "Which volume of a series that holds several, such as `phase 2 of 3`; else null."),
        Column("region", pl.String(), "Target, as in the features.", nullable=False),
        Column("roi_name", pl.String(), "Name of the region in its file.", nullable=False),
        Column("source_digest", pl.String(), "Digest of image and mask files.", nullable=False),
        *_diagnostic_columns(),
    ),
    ("SeriesInstanceUID", "region", "source_digest"),
)

TABLES = (
    SERIES,
    VOLUMES,
    FEATURES,
    LOOKS,
    PERTURBED,
    STABILITY,
    PET_FACTS,
    IMAGES,
    VOXELS,
    REPORT_VALUES,
    DOSE_METRICS,
    MAPS,
    DIAGNOSTICS,
)
"""Every table of the room; those that other rooms read are declared in `groundwork.tables`."""
