"""What one unit of radiomics is: an image, the files that hold its regions, and all that is chosen about them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, get_args

from unibase.groundwork.problems import UserError
from unibase.imaging.options import DRAWN, Regions, StructureSets, check_habitats, check_regions, check_shells, check_volumes
from unibase.imaging.radiomics.settings import FeatureSettings
from unibase.imaging.regions.lattice import GridRule
from unibase.imaging.regions.mask import Gaps, MaskRules

Engine = Literal["pyradiomics", "unibase"]
Mode = Literal["pyradiomics", "ibsi"]
Several = Literal["refuse", "each", "union"]
"""What to do when several ROIs match one target: refuse the target, a row for each, or their union."""
CutOff = Literal["keep", "refuse"]
"""What to do with regions that the image cuts off: measure what is left, and say so, or refuse them."""


@dataclass(frozen=True)
class Choices:
    """What is chosen about regions and features, beside the parameter file.

    Attributes:
        engine, mode: Which engine, and which definition of the features.
        several: What to do when several ROIs match one target, over all mask files of the series.
        structure_sets: `all` mask files of a series, or of each target only the one that was approved last.
        resample: Resample masks that lie on another lattice; `correctMask: true` in the settings asks for it too.
        threshold: Least fraction at which a voxel of a fractional SEG is inside.
        shells: Peritumoral shells to extract beside every region, as (inner, outer) in mm.
        gaps: What to do with slices between contours that carry none: `keep`, `fill` or `refuse`.
        habitats: Cut every region, beside itself, into this many parts by intensity; 0 for none.
        cut_off: What to do with regions that the image cuts off.
        components: Measure every connected part of a label of a label image as a region of its own.
        volumes: Which volumes of a series that holds several: `DRAWN`, `ALL`, or patterns of their names.
        pictures: Draw a picture of each region and tell what makes it suspect.
    """

    engine: Engine = "pyradiomics"
    mode: Mode = "pyradiomics"
    several: Several = "refuse"
    structure_sets: StructureSets = "all"
    resample: bool = False
    threshold: float = 0.5
    shells: tuple[tuple[float, float], ...] = ()
    gaps: Gaps = "keep"
    habitats: int = 0
    cut_off: CutOff = "keep"
    components: bool = False
    volumes: tuple[str, ...] = DRAWN
    pictures: bool = False

    def check(self) -> None:
        """Check what the types cannot say.

        Raises:
            UserError: If engine and mode do not go together, a shell is wrong, or an option is unknown.
        """
        if self.engine not in get_args(Engine) or self.mode not in get_args(Mode):
            raise UserError("engine must be pyradiomics or unibase, and mode pyradiomics or ibsi.")
        if self.engine == "pyradiomics" and self.mode == "ibsi":
            raise UserError("PyRadiomics does not compute IBSI's definitions. Choose engine: unibase for mode: ibsi.")
        allowed = {"several": Several, "gaps": Gaps, "structure_sets": StructureSets, "cut_off": CutOff}
        for name, kind in allowed.items():
            if getattr(self, name) not in get_args(kind):
                raise UserError(f"{name} must be one of {', '.join(get_args(kind))}.")
        check_shells(self.shells)
        check_habitats(self.habitats)
        check_volumes(self.volumes)


USUAL = Choices()
"""What holds when nothing is chosen."""


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

    def check(self) -> None:
        """Check what the types cannot say; raises `UserError` as `Choices.check`, and for wrong patterns."""
        self.choices.check()
        if self.regions is not None:
            check_regions(self.regions)

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
