"""What one unit of radiomics is: an image, the files that hold its regions, and all that is chosen about them."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

from unibase.groundwork.files import digest_of
from unibase.imaging.dicom.read_as import PetFacts, Reading
from unibase.imaging.options import Choices, MapFormat, Regions, check_regions
from unibase.imaging.radiomics.settings import FeatureSettings
from unibase.imaging.regions.lattice import GridRule
from unibase.imaging.regions.mask import MaskRules

USUAL = Choices()
"""What holds when nothing is chosen."""


@dataclass(frozen=True)
class MapWay:
    """How maps of features are made.

    Attributes:
        settings: A PyRadiomics parameter file; `voxelSetting` is the kernel.
        form: One NRRD file a feature, or one OME-Zarr store a region and image type, a channel for each feature.
    """

    settings: FeatureSettings
    form: MapFormat = "nrrd"

    @property
    def digest(self) -> str:
        """Digest of all that changes the maps of a unit beside its input."""
        return digest_of([self.settings.digest, dict(self.settings.voxel), self.form])


@dataclass(frozen=True)
class Asked:
    """What is asked of every unit.

    Attributes:
        settings: Extraction settings.
        regions: Target to patterns of ROI names; None makes every ROI its own target.
        choices: What is chosen beside the settings.
        maps: How maps are made; None makes none.
    """

    settings: FeatureSettings
    regions: Regions | None = None
    choices: Choices = USUAL
    maps: MapWay | None = None


@dataclass(frozen=True)
class FeatureTask:
    """One unit: a series, the files that hold its regions, and how to extract.

    Attributes:
        image_folder: Folder of the DICOM series, or a plain image file.
        mask_paths: RTSTRUCT, SEG, NIfTI, NRRD or MetaImage files of its regions.
        settings: Extraction settings.
        regions: Target to patterns of ROI names; None makes every ROI its own target.
        destination: The FEATURES Parquet file to write.
        choices: What is chosen beside the settings.
        subject_id, centre, series_time: What the row says of the subject; None on plain files.
        series_uid: The series to read, when the folder holds several.
        image_files: The files of the image, when they lie in several folders.
        pet: What the study's table says of the image, when it is a PET.
        doses: RTDOSE files of its frame of reference, when doses are asked for.
        maps: How maps are made; None makes none.
    """

    image_folder: Path
    mask_paths: tuple[Path, ...]
    settings: FeatureSettings
    regions: Regions | None
    destination: Path
    choices: Choices = USUAL
    subject_id: int | None = None
    centre: str | None = None
    series_time: datetime | None = None
    series_uid: str | None = None
    image_files: tuple[Path, ...] = ()
    pet: PetFacts | None = None
    doses: tuple[Path, ...] = ()
    maps: MapWay | None = None

    def check(self) -> None:
        """Check what the types cannot say.

        Raises:
            UserError: If a pattern of a target is no regular expression.
        """
        if self.regions is not None:
            check_regions(self.regions)

    @property
    def reading(self) -> Reading:
        """How the image is read."""
        return Reading(self.choices.suv, self.choices.tilt, self.choices.missing_slices, pet=self.pet)

    @property
    def settings_digest(self) -> str:
        """Digest of the extraction settings, and of how the image is read where that is not the usual way."""
        asked = replace(self.reading, pet=None)
        return self.settings.digest if asked == Reading() else digest_of([self.settings.digest, asdict(asked)])

    @property
    def mask_rules(self) -> MaskRules:
        """How masks are read: the choices, and what the parameter file says of masks."""
        setting = self.settings.setting
        return MaskRules(
            GridRule(self.choices.resample or bool(setting.get("correctMask")), setting.get("geometryTolerance")),
            self.choices.threshold,
            self.choices.gaps,
            self.settings.label,
            setting.get("label_channel"),
            self.choices.components,
        )


def region_name(target: str, volume: str) -> str:
    """Return what a target is called on a volume of a series that holds several: phases are never one column.

    Args:
        target: Name of the target.
        volume: Name of the volume; empty when the series holds one alone.

    >>> region_name("GTV", "phase 2 of 3"), region_name("GTV", "b=800"), region_name("GTV", "")
    ('GTV_phase_2_of_3', 'GTV_b800', 'GTV')
    """
    words = re.sub(r"[^A-Za-z0-9.*-]+", "_", volume.replace("=", "")).strip("_")
    return f"{target}_{words}" if words else target
