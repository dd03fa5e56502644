"""The files and folders that stages leave for one another, each named once.

A stage declares which of these it reads and leaves (`flows.runs.stage.Stage`); the order of a build, `unibase status` and
the picture of the architecture follow from that.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Place:
    """A file or folder of the workspace.

    Attributes:
        path: Below the workspace; `{centre}` and `{assay}` stand for names.
        meaning: What it holds, for people.
    """

    path: str
    meaning: str

    def of(self, root: Path, **names: str) -> Path:
        """Return the place in a workspace.

        Args:
            root: The workspace.
            names: What stands in the path: `centre`, `assay`.

        Example:
            >>> Place("staging/clinical/{centre}", "Records").of(Path("work"), centre="lyon").as_posix()
            'work/staging/clinical/lyon'
        """
        return root / self.path.format(**names)


PEOPLE = Place("vault/people.parquet", "Who the sources name, in clear")
OBJECTIONS = Place("vault/objections.parquet", "Who objects to the use of their records, in clear")
CORRECTIONS = Place("vault/corrections.parquet", "What the custodian corrected of persons, in clear")
ERASED = Place("vault/erased.json", "Keyed digests of the numbers of persons who were erased")
LEDGER = Place("vault/identity", "The identity ledger: who is who")
FETCHED = Place("vault/fetched/{centre}", "Images as an archive or a store gave them, in clear")
RECORDS = Place("staging/clinical/{centre}", "Clinical events of a centre, as a MEDS dataset, with problems and account")
DICOM = Place("staging/imaging/dicom", "De-identified DICOM")
SERIES = Place("staging/imaging/series.parquet", "One row an image series")
VOLUMES = Place("staging/imaging/volumes.parquet", "One row a volume of an image series, with what it is and its quality")
REPORT_VALUES = Place("staging/imaging/report_values.parquet", "One row an item of a report that has a value")
PET_FACTS = Place("staging/imaging/pet_facts.parquet", "What the study's own table says of PET whose header lacks it")
FEATURES = Place("staging/imaging/features.parquet", "Radiomic features, one row a region")
IMAGES = Place("staging/imaging/images.parquet", "One row a volume that is used: what it is, and how good")
FEATURE_FILES = Place("staging/imaging/features", "Features of each series")
REGIONS = Place("staging/imaging/regions.parquet", "Every match and miss of names of regions")
LOOKS = Place("staging/imaging/looks.parquet", "What makes each mask suspect, the most suspect first")
MAPS = Place("staging/imaging/maps.parquet", "One row a map of a feature of a region; the maps lie below the features")
DIAGNOSTICS = Place("staging/imaging/diagnostics.parquet", "PyRadiomics' diagnostics of every region")
CONTACT_SHEET = Place("staging/imaging/contact-sheet.html", "Pictures of all masks on their images, the most suspect first")
SEGMENTED = Place("staging/imaging/segmented.parquet", "One row a volume that a model segmented")
SEGMENTED_MASKS = Place("staging/imaging/segmented", "Masks that models made, a folder a model and series")
MASK_AGREEMENT = Place("staging/imaging/mask_agreement.parquet", "How far masks of models agree with those that people drew")
RESULTS = Place("staging/imaging/results", "Regions as DICOM SEG and features as DICOM SR, to be sent")
VOXELS = Place("staging/imaging/voxels.parquet", "One row a store of voxels")
VOXEL_STORES = Place("staging/imaging/voxels", "Voxels and label maps as OME-Zarr, a folder a series")
PERTURBED = Place("staging/imaging/perturbed", "Features of perturbed copies, one file a series")
MATRICES = Place("staging/omics/{assay}/{centre}", "Gated matrices of a centre")
IDENTITY = Place("staging/identity", "Samples that are not their person's, and what genotypes say")
MODELS = Place("staging/models", "Frozen normalisation models")
NORMALISED = Place("staging/normalised", "Expression on one scale, a store a matrix")
ASSAYS = Place("staging/omics/{assay}/all.zarr", "All samples of an assay")
SAMPLES = Place("staging/omics/sample_map.parquet", "Samples and their subjects")
TIMELINE = Place("staging/timeline", "One timeline a subject, as a MEDS dataset")
LINKED = Place("linked", "Cohort, index, analysis table, its trace, endpoints, splits")
HARMONISATION = Place("linked/harmonisation", "Parameters of each harmonisation, and what is said of it")
HARMONISED = Place("linked/harmonised", "Stores of the chosen samples with a harmonised layer")
RELEASE = Place("releases", "The published folder")

EVERY = tuple(value for value in vars().values() if isinstance(value, Place))
"""All places."""
