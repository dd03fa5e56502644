"""What a study file may say of perturbed copies: which they are, and when a feature withstands them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from unibase.groundwork.problems import UserError
from unibase.groundwork.sections import Section, accepted


class Perturbation(BaseModel):
    """One way to perturb; zeros leave things as they are, and several kinds may be joined.

    Attributes:
        rotation: Degrees around the normal of the slices, through the centre of the region.
        translation: Shift along x, y, z as parts of a voxel.
        noise: Add Gaussian noise, this many times the noise that the image has itself.
        volume: Grow (above 0) or shrink (below 0) the region by this part of its volume.
        contour: Standard deviation in mm by which a random contour leaves the drawn one.
        contour_length: Distance in mm over which the random contour is correlated.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rotation: float = 0.0
    translation: tuple[float, float, float] = (0.0, 0.0, 0.0)
    noise: Annotated[float, Field(ge=0)] = 0.0
    volume: Annotated[float, Field(ge=-0.9, le=5)] = 0.0
    contour: Annotated[float, Field(ge=0)] = 0.0
    contour_length: Annotated[float, Field(gt=0)] = 10.0

    @property
    def name(self) -> str:
        """Short text that tells the perturbation, such as `rotation -6, volume 0.1`."""
        parts = [f"{key} {getattr(self, key):g}" for key in ("rotation", "noise", "volume", "contour") if getattr(self, key)]
        if any(self.translation):
            parts.insert(0, "translation " + "/".join(f"{item:g}" for item in self.translation))
        return ", ".join(parts) or "none"


DEFAULT_PERTURBATIONS: tuple[Perturbation, ...] = (
    Perturbation(),
    *(Perturbation(rotation=angle, volume=change) for angle, change in ((-6.0, 0.1), (-3.0, -0.1), (3.0, 0.1), (6.0, -0.1))),
    *(Perturbation(translation=shift, noise=1.0) for shift in ((0.25, 0.25, 0.25), (0.75, 0.25, 0.25), (0.25, 0.75, 0.25))),
    *(Perturbation(contour=1.0, rotation=angle) for angle in (-3.0, 0.0, 3.0)),
)
"""Eleven copies, the unperturbed one among them, that mix the kinds as the published chains do."""


def check_perturbations(perturbations: Sequence[Perturbation]) -> None:
    """Check a plan.

    Args:
        perturbations: The plan.

    Raises:
        UserError: If there are fewer than two, or two are equal.
    """
    if len(perturbations) < 2 or len(set(perturbations)) != len(perturbations):
        raise UserError("Give at least two different perturbations.")


class Robustness(Section):
    """Which features withstand a perturbed image and contour, and a second scan. The release says it of every feature."""

    perturbations: list[Perturbation] = Field(default=list(DEFAULT_PERTURBATIONS), min_length=2)
    """Copies of every region to extract; by default the region as it is and ten that mix rotation with growth and shrinkage,
    translation with noise, and redrawn contours."""
    least: float = Field(default=0.75, ge=0, le=1)
    """A feature is stable when the lower 95 % limit of its ICC(2,1) reaches this."""
    retest_days: float | None = Field(default=None, gt=0)
    """Two studies of a person with the same modality and target, at most this many days apart, are test and retest; `null`
    leaves the retest table out."""

    @field_validator("perturbations")
    @classmethod
    def _different(cls, plan: list[Perturbation]) -> list[Perturbation]:
        return accepted(plan, check_perturbations)
