"""What a study file may say of images: how they are de-identified, and which features are extracted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from unibase.groundwork.problems import UserError
from unibase.groundwork.sections import Section, accepted
from unibase.imaging.confidentiality.study_rules import Rule
from unibase.imaging.dicom.body import SuvKind
from unibase.imaging.dose.metric_names import USUAL_METRICS, check_metrics
from unibase.imaging.named_modalities import IMAGE_MODALITIES, SPOKEN_MODALITIES
from unibase.imaging.perturbation_options import Robustness
from unibase.privacy.options import DEFAULT_MAX_SHIFT_DAYS

PolicyName = Literal["strict", "longitudinal", "research"]


_POLICIES: dict[str, frozenset[str]] = {
    "strict": frozenset(),
    "longitudinal": frozenset({"modified_dates", "patient"}),
    "research": frozenset({"modified_dates", "patient", "private", "descriptors", "structured"}),
}


class DeidentifyOptions(BaseModel):
    """How a study de-identifies its images: a named policy, and options of PS3.15 Annex E that override it.

    Attributes:
        policy: `strict` is the Basic Profile alone. `longitudinal` adds shifted dates and patient characteristics.
            `research`, the default, adds safe private attributes, cleaned descriptors and structured content: all
            that radiomics and SUV need.
        max_shift_days: Largest date shift of the study; drawn by the identity ledger, named here so that one block of
            the study file says all.
        retain_safe_private, retain_uids, retain_device_identity, retain_institution_identity,
        retain_patient_characteristics, retain_full_dates, modify_dates, clean_descriptors, clean_structured_content,
        clean_graphics: The options by name; None leaves what the policy says.
        words: Words that texts may hold beside the vocabulary, such as those of the study's protocols. A name that the header
            or the ledger tells still goes. `unibase words` lists what the archive shows to name nobody.
        rules: Rules of the study's own, each with its reason.
        pixels: The decisions of `unibase pixels`: a `pixels.csv`, relative to the study file. Images that it decides are
            blanked and released, or refused; others at risk wait in quarantine.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    policy: PolicyName = "research"
    max_shift_days: int = Field(default=1826, ge=1)
    retain_safe_private: bool | None = None
    retain_uids: bool | None = None
    retain_device_identity: bool | None = None
    retain_institution_identity: bool | None = None
    retain_patient_characteristics: bool | None = None
    retain_full_dates: bool | None = None
    modify_dates: bool | None = None
    clean_descriptors: bool | None = None
    clean_structured_content: bool | None = None
    clean_graphics: bool | None = None
    words: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    pixels: str | None = None

    @model_validator(mode="after")
    def _dates_one_way(self) -> Self:
        if self.retain_full_dates and self.modify_dates:
            raise ValueError("retain_full_dates and modify_dates contradict each other: choose one")
        return self

    def enabled(self) -> frozenset[str]:
        """Return the names of the options in force, in the terms of `standard.OPTION_NAMES`."""
        chosen = {
            "private": self.retain_safe_private,
            "uids": self.retain_uids,
            "device": self.retain_device_identity,
            "institution": self.retain_institution_identity,
            "patient": self.retain_patient_characteristics,
            "full_dates": self.retain_full_dates,
            "modified_dates": self.modify_dates,
            "descriptors": self.clean_descriptors,
            "structured": self.clean_structured_content,
            "graphics": self.clean_graphics,
        }
        names = set(_POLICIES[self.policy])
        for name, value in chosen.items():
            if value is not None:
                (names.add if value else names.discard)(name)
        if chosen["full_dates"]:
            names.discard("modified_dates")
        return frozenset(names)


class Deidentification(DeidentifyOptions):
    """De-identification of DICOM, and the shift of all dates."""

    max_shift_days: int = Field(default=DEFAULT_MAX_SHIFT_DAYS, ge=1)
    """Each subject's dates move 1 to this many days into the past."""


Tilt = Literal["refuse", "resample"]
"""What to do with slices that a tilted gantry shifts against one another: refuse the volume, or resample each in its plane."""

MissingSlices = Literal["refuse", "fill"]
"""What to do with single missing slices: refuse the volume, or interpolate them between their neighbours."""

StructureSets = Literal["all", "newest-approved"]
"""Which mask files of a series count: all, or for each target only the structure set that was approved last."""

Regions = Mapping[str, Sequence[str]]
"""Target to its patterns: regular expressions that match a whole ROI name, upper and lower case alike."""


def check_regions(regions: Regions) -> None:
    """Check the patterns of a study file.

    Args:
        regions: Target to its patterns.

    Raises:
        UserError: If a name is empty or holds a comma, a target has no pattern, or a pattern is no regular expression.
    """
    for target, patterns in regions.items():
        if "," in target or not target.strip():
            raise UserError(f"regions: {target!r} is no name for a region. Write one without a comma.")
        if isinstance(patterns, str) or not patterns:
            raise UserError(f"regions.{target} must be a list of patterns, such as {target}: ['gtv.*'].")
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise UserError(f"regions.{target}: {pattern!r} is no regular expression ({error}). Correct it.") from None


DRAWN = ("drawn",)
"""Of a series of several volumes: measure each region on the volume it was drawn on, and on all when that is not said."""

ALL = ("all",)
"""Of a series of several volumes: measure each region on all of them."""


def volume_choice(volumes: str | Sequence[str]) -> tuple[str, ...]:
    """Return the volumes that a study asks for as a task names them: a word, or patterns.

    >>> volume_choice("all"), volume_choice(["arterial.*"])
    (('all',), ('arterial.*',))
    """
    return (volumes,) if isinstance(volumes, str) else tuple(volumes)


def check_volumes(volumes: Sequence[str]) -> None:
    """Check which volumes of a series are asked for.

    Raises:
        UserError: If there is none, or a pattern is no regular expression.
    """
    if isinstance(volumes, str) or not volumes:
        raise UserError("volumes must be drawn, all, or a list of patterns, such as volumes: ['b=800'].")
    for pattern in volumes:
        try:
            re.compile(pattern)
        except re.error as error:
            raise UserError(f"volumes: {pattern!r} is no regular expression ({error}). Correct it.") from None


def check_shells(shells: tuple[tuple[float, float], ...]) -> None:
    """Check shells given as (inner, outer) distances in mm.

    Raises:
        UserError: If a distance is negative or the outer one is not the larger.
    """
    for inner, outer in shells:
        if not 0 <= inner < outer:
            raise UserError("A shell is (inner, outer) in mm with 0 <= inner < outer, such as (0, 5).")


def check_habitats(count: int) -> None:
    """Check a number of habitats; 0 asks for none.

    Args:
        count: Number of parts.

    Raises:
        UserError: If it is negative, one, or more than 9.
    """
    if count != 0 and not 2 <= count <= 9:
        raise UserError("habitats must be 0, for none, or from 2 to 9.")


Engine = Literal["unibase", "pyradiomics"]
Mode = Literal["pyradiomics", "ibsi"]
Several = Literal["refuse", "each", "union"]
"""What to do when several ROIs match one target: refuse the target, a row for each, or their union."""
Gaps = Literal["keep", "fill", "refuse"]
"""What to do with slices between contours that carry none: leave them empty, interpolate the shape, or refuse."""
VerdictWord = Literal["keep", "refuse", "wrong-side"]
"""What a reviewer decides of a mask."""
CutOff = Literal["keep", "refuse"]
"""What to do with regions that the image cuts off: measure what is left, and say so, or refuse them."""


def _shells_of(given: object) -> object:
    """Return shells with those that were written as `FROM-TO` as pairs of distances."""
    if not isinstance(given, list | tuple):
        return given
    pairs = [tuple(one.split("-", 1)) if isinstance(one, str) else one for one in given]
    for one, pair in zip(given, pairs, strict=True):
        if len(pair) != 2:
            raise ValueError(f"{one!r} is no shell. Give FROM-TO in mm, such as 0-5")
    return tuple(pairs)


class Choices(Section):
    """What is chosen about regions and features, beside the parameter file.

    A field here is a key of `features` in the study file and an option of `unibase features`; it is named nowhere else but
    where it acts.
    """

    engine: Engine = "unibase"
    """Which engine computes: ours, or PyRadiomics, which it is tested against and which takes many times as long."""
    mode: Mode = "pyradiomics"
    """Which definitions hold: PyRadiomics' or IBSI's."""
    several: Several = "refuse"
    """When several ROIs of a series match one target, in one file or in several: refuse the target, a row for each (lesions;
    `windows.imaging.lesions` says which enters the analysis), or their union."""
    structure_sets: StructureSets = "all"
    """Which structure sets of a series count: all, or of each target only the one that was approved last."""
    cut_off: CutOff = "keep"
    """Regions that the image cuts off at its edge or for want of slices: measure what is left, as the columns mask_coverage and
    mask_notes say, or refuse them."""
    components: bool = False
    """Measure every connected part of a label of a label image as a region of its own."""
    shells: Annotated[tuple[tuple[float, float], ...], BeforeValidator(_shells_of)] = ()
    """Peritumoral shells beside every target, each from and to a distance in mm: `0-5`, `5-10`."""
    habitats: int = 0
    """Cut every target, beside itself, into this many parts of like intensity (2 to 9); 0 for none."""
    gaps: Gaps = "keep"
    """Slices between contours that carry none: keep them empty, as drawn, fill them in shape, or refuse the region."""
    resample: bool = False
    """Resample masks that lie on another grid than the image (nearest neighbour); otherwise they are refused.
    `correctMask: true` in the parameter file asks for it too."""
    threshold: float = Field(default=0.5, gt=0, le=1)
    """Least fraction at which a voxel of a fractional SEG is inside."""
    volumes: Literal["drawn", "all"] | tuple[str, ...] = "drawn"
    """Of a series that holds several volumes (phases, b-values, echoes): measure each region on the volume it was `drawn`
    on (on every one when its file does not say it), on `all`, or on those whose whole name matches a pattern:
    `b=800`, `phase 2 of .*`. `unibase index` lists the names."""
    tilt: Tilt = "refuse"
    """CT with a tilted gantry, whose slices are shifted against one another: refuse it, or resample each slice in its plane
    (linear). The column image_notes says so."""
    missing_slices: MissingSlices = "refuse"
    """Up to three missing slices in a row, and no more than a fifth of all: refuse the volume, or interpolate them between
    their neighbours (linear). The columns image_notes and mask_notes say so."""
    suv: SuvKind = "bw"
    """What the uptake of PET is divided by: body weight, lean body mass (Janmahasatian or James), body surface area or ideal
    body weight. All but the first need PatientSize, and sex but for the surface. The column unit says it."""
    changes: bool = False
    """Beside each later volume of a series that holds several, give its features less those of the first: phase 2 less phase 1,
    b=800 less b=0. The rows name both volumes; shape is left out."""
    deep_model: str = ""
    """An ONNX model, relative to the study file: its features of a box of 50 mm around each region's centre stand in a row of
    image type `onnx-<digest>`. It takes float32 (1, 1, z, y, x). Needs the extra `deep`."""
    deep_low: float = -1024.0
    """Intensity that the model gets as 0."""
    deep_high: float = 2048.0
    """Intensity that the model gets as 1; between and beyond it is linear."""
    enhancement: bool = False
    """Measure how each region's mean intensity changes over the phases of its series (DCE): wash-in, wash-out, time to peak, as a
    row of image type `enhancement`. The times are those of the headers."""
    dose: bool = False
    """Measure the dose (RTDOSE of the same frame of reference) of every region of a CT, or of the images it was drawn on: rows of
    Modality RTDOSE with the features of the dose in Gy and its metrics (`dose_D95`)."""
    dose_metrics: tuple[str, ...] = USUAL_METRICS
    """Which metrics: Dmean, Dmin, Dmax, D95 (percent of the volume), D2cc, V20Gy."""
    dose_bin_width: float = Field(default=1.0, gt=0)
    """Width in Gy of the bins of the features of a dose; what the parameter file says of bins and resegmentation is for images."""
    dose_fractions: int = Field(default=0, ge=0)
    """Number of fractions in which the dose is given: it is turned voxel by voxel to EQD2, the dose in 2 Gy fractions of the same
    effect. 0 leaves it as it is."""
    dose_alpha_beta: float = Field(default=10.0, gt=0)
    """Alpha over beta in Gy, for EQD2."""
    diagnostics: bool = False
    """Write PyRadiomics' `diagnostics_` of every region (versions, settings, hashes, sizes, counts), in a table beside the
    features."""
    pictures: bool = False
    """Draw each region on its image, and write a contact sheet in the staging zone, the most suspect first."""

    @field_validator("shells")
    @classmethod
    def _distances(cls, shells: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        return accepted(shells, check_shells)

    @field_validator("volumes")
    @classmethod
    def _names(cls, volumes: str | tuple[str, ...]) -> str | tuple[str, ...]:
        accepted(volume_choice(volumes), check_volumes)
        return volumes[0] if volumes in (DRAWN, ALL) else volumes

    @field_validator("dose_metrics")
    @classmethod
    def _metrics(cls, metrics: tuple[str, ...]) -> tuple[str, ...]:
        return accepted(metrics, check_metrics)

    @field_validator("habitats")
    @classmethod
    def _parts(cls, habitats: int) -> int:
        return accepted(habitats, check_habitats)

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.deep_high <= self.deep_low:
            raise ValueError("deep_high must be above deep_low")
        if self.mode == "ibsi" and self.diagnostics:
            raise ValueError("diagnostics tell what PyRadiomics' way makes of image and mask; leave them out with mode: ibsi")
        if self.mode == "ibsi" and self.engine != "unibase":
            raise ValueError("PyRadiomics does not compute IBSI's definitions; give engine: unibase with mode: ibsi")
        return self


MapFormat = Literal["nrrd", "ome-zarr"]
"""One NRRD file a feature, or one OME-Zarr store a region and image type, with a channel for each feature."""


class Maps(Section):
    """Maps of features to make of each region."""

    settings: str | None = None
    """A PyRadiomics parameter file of the maps, relative to the study file; `voxelSetting` is the kernel. That of the features by
    default."""
    form: MapFormat = "nrrd"
    """nrrd: a file for each feature; ome-zarr: a store for each region and image type, with a channel for each feature."""


class Features(Choices):
    """Radiomic features to extract."""

    settings: str
    """A PyRadiomics parameter file, relative to the study file."""
    modalities: list[str] = Field(default=["CT", "PT", "MR"], min_length=1)
    """DICOM modalities of the images to measure; PET is `PT`."""
    regions: dict[str, list[str]] = Field(min_length=1)
    """Target name: patterns (regular expressions, whole name, case-blind) of the ROI names that mean it."""
    pet_table: str | None = None
    """A CSV beside the study file with weight, dose and time of injection of PET whose header lacks them: a row names a centre
    and a SeriesInstanceUID, a StudyInstanceUID or a PatientID as the hospital writes them. The column image_notes says what
    was taken from it."""
    verdicts: str | None = None
    """A CSV of what a reviewer decided of masks, relative to the study file: `source_digest` (of the contact sheet) and `verdict`:
    keep, refuse or wrong-side. What is refused leaves the features; nothing is measured again."""
    maps: Maps | None = None
    """At each voxel of a region the features of the voxels around it, as files in the staging zone; `{}` takes the defaults."""
    robustness: Robustness | None = None
    """Measure which features are stable; `{}` takes the defaults. Takes as long as the features, once for each perturbation."""

    @field_validator("modalities")
    @classmethod
    def _defined(cls, modalities: list[str]) -> list[str]:
        for name in modalities:
            if name not in IMAGE_MODALITIES:
                meant = SPOKEN_MODALITIES.get(name.upper())
                raise ValueError(
                    f"{name!r} is no DICOM modality of images. {f'Write {meant}' if meant else 'PET is PT, MRI is MR'}"
                )
        return modalities

    @field_validator("regions")
    @classmethod
    def _patterns(cls, regions: dict[str, list[str]]) -> dict[str, list[str]]:
        return accepted(regions, check_regions)

    @property
    def choices(self) -> Choices:
        """What is chosen about every region, apart from the targets."""
        return Choices(**{name: getattr(self, name) for name in Choices.model_fields})
