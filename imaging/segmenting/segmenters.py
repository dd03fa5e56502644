"""What a study file may say of a model that makes masks."""

from __future__ import annotations

from typing import Self

from pydantic import Field, field_validator, model_validator

from unibase.groundwork.sections import Section

PLACES = ("{image}", "{image_folder}", "{mask}", "{mask_folder}")
"""What a command may name: the image and its mask, or the folders that they are in."""


class Segmenter(Section):
    """A model that makes masks: exactly one of command and folder."""

    command: list[str] = Field(default=[])
    """The program and its arguments, run once for each volume, without a shell. `{image}` is the volume as NIfTI
    (`case_0000.nii.gz`), `{mask}` where the label image is to go (`case.nii.gz`); `{image_folder}` and `{mask_folder}` are
    the folders that they are in, as nnU-Net wants them. A file beside the study file may be named by its name alone."""
    folder: str | None = None
    """Label images that were made elsewhere: `<SeriesInstanceUID>.nii.gz`, or any name in a folder `<SeriesInstanceUID>`, the
    UID being that of staging and of releases. Of a series of several volumes each file bears the name of its volume."""
    version: str = Field(min_length=1)
    """Version of the model, for people."""
    weights: str | None = None
    """File or folder with the weights: their SHA-256 is recorded, and other weights make the masks anew."""
    labels: dict[int, str] = Field(min_length=1)
    """Value in the label image: name of what it marks. Its region is named `<segmenter>:<name>` in `features.regions`. Where a
    name fits the patterns of a target that people drew, the two are compared."""
    ignore_others: bool = False
    """Pass over values that `labels` does not name; otherwise a mask that has one is refused."""
    modalities: list[str] = Field(default=["CT"])
    """DICOM modalities of the images that the model is for."""
    minutes: float = Field(default=60, gt=0)
    """How long the command may take for one volume."""
    environment: list[str] = Field(default=[])
    """Environment variables that the command gets beside PATH, HOME, LANG, TMPDIR and those that begin with CUDA_, NVIDIA_,
    OMP_, LD_, PYTHON, nnUNet_ or TOTALSEG_. It does not get the study's key."""

    @field_validator("labels")
    @classmethod
    def _names_of_marks(cls, labels: dict[int, str]) -> dict[int, str]:
        if min(labels) < 1 or max(labels) > 65_535:
            raise ValueError("labels are numbers from 1 to 65535; 0 is background")
        if len(set(labels.values())) < len(labels) or any(not name.strip() or "," in name for name in labels.values()):
            raise ValueError("each label has a name of its own, without a comma")
        return labels

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.command) == bool(self.folder):
            raise ValueError("name exactly one of command and folder")
        words = " ".join(self.command)
        if self.command and not (any(one in words for one in PLACES[:2]) and any(one in words for one in PLACES[2:])):
            raise ValueError("the command names neither {image} nor {image_folder}, or neither {mask} nor {mask_folder}")
        return self
