"""What a study file may say of its index event, windows and cohort. The texts of the fields are the user's manual."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Choice = Literal["latest", "first", "closest"]
Aggregate = Literal["count", "mean", "min", "max", "slope", "any"]
NOT_PREDICTORS = ("death", "last_contact", "vital_status")
"""Concepts that tell the outcome or how long someone was followed, whatever their date says; never predictors."""


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class IndexRule(_Options):
    """The event from which days are counted, one per subject."""

    concept: str
    """Name of the concept whose event is the index, such as treatment_start."""
    which: Literal["first", "last"] = "first"
    """The subject's first or last such event."""
    same_day: Literal["exclude", "include"] = "exclude"
    """What of the index day itself counts when hours are not known: `exclude` uses nothing that could lie after
    the index (a date-only event of the same day could); `include` says that what is dated on the index day was
    there before it (the usual baseline rule of ADaM), and counts whole days."""


class Window(_Options):
    """Where, relative to the index, a value may come from and which one is taken. Days may be fractions."""

    from_days: Annotated[float, Field(le=0)] | None = None
    """First day of the window, zero or negative; empty for no limit."""
    to_days: Annotated[float, Field(le=0)] = 0
    """Last day of the window, zero or negative: nothing after the index is ever used. 0 is the index itself."""
    closed: Literal["both", "left", "right", "none"] = "both"
    """Which bounds belong to the window."""
    choose: Choice | Aggregate | Literal["delta"] = "latest"
    """Which value is taken."""
    max_gap_days: Annotated[float, Field(ge=0)] | None = None
    """A chosen value further than this from the index is not used; empty for no limit."""

    @model_validator(mode="after")
    def _ordered(self) -> Window:
        if self.from_days is not None and self.from_days > self.to_days:
            raise ValueError("from_days must not be after to_days")
        return self


class ImagingWindow(Window):
    """Window of imaging features. One series is taken per modality and region."""

    choose: Literal["latest", "first", "closest", "delta"] = "latest"
    """latest, first, closest (to the index); delta: latest minus first, of two studies in the window."""
    modalities: tuple[str, ...] | None = None
    """DICOM modalities whose features are joined; empty for all."""
    lesions: Literal["largest", "mean", "first"] = "largest"
    """When one series has several regions of one name (lesions): the largest by shape_MeshVolume, the mean of each
    feature, or the first by name."""


class SampleWindow(Window):
    """Window of the samples of one assay. One sample is taken."""

    choose: Choice = "latest"
    """latest, first or closest (to the index)."""
    sample_types: tuple[str, ...] = ("tumour", "metastasis", "unknown")
    """Types of sample that may be taken, the preferred first; a sample of a later type is taken only when there is
    none of an earlier one. `unknown` stands for samples without a type."""


class ClinicalWindow(Window):
    """Window of one clinical variable."""

    concept: str
    """Name of the concept whose events give the value."""
    choose: Choice | Aggregate = "latest"
    """latest, first, closest (to the index); or count, mean, min, max, slope (per day), any, over the window."""
    unit: str | None = None
    """UCUM unit that counts; events in other units are not used. Needed when a concept comes in several units."""
    value: Literal["auto", "numeric", "text", "code"] = "auto"
    """What of the event is the value: numeric_value, text_value or its code; auto takes the numbers when every
    chosen event has one, else the texts, else the codes."""


class Windows(_Options):
    """The windows of a study: `imaging`, one per assay under the assay's name, and `clinical` by variable."""

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)
    __pydantic_extra__: dict[str, SampleWindow]

    imaging: ImagingWindow | None = None
    """Window of radiomic features; empty to leave them out."""
    clinical: dict[str, ClinicalWindow] = Field(default_factory=dict)
    """Clinical variables: name of the column, and where its value comes from."""

    @property
    def assays(self) -> dict[str, SampleWindow]:
        """Windows of the assays by name, in order of name."""
        return dict(sorted((self.__pydantic_extra__ or {}).items()))

    @model_validator(mode="after")
    def _no_outcomes(self) -> Windows:
        for name, window in self.clinical.items():
            if window.concept in NOT_PREDICTORS:
                raise ValueError(
                    f"clinical.{name}: {window.concept} tells the outcome or the length of follow-up and cannot be a predictor; "
                    "it belongs under endpoints"
                )
        return self


class CohortRules(_Options):
    """Who is in the cohort, rule by rule in this order; each rule's losses are counted."""

    include: tuple[str, ...] = ("index",)
    """What a subject must have: `index`; `imaging` or `imaging:CT` (a series); `features` or `features:CT`; the name
    of an assay (a usable sample); `discordant` or `discordant:sex` (a finding of a cross-modal check); or the name of a concept (an event that can have happened by the end of the index day)."""
    exclude: tuple[str, ...] = ()
    """What a subject must not have, in the same words."""
    min_age: Annotated[float, Field(ge=0)] | None = None
    """Least age in years at the index; subjects of unknown age are left out when it is set."""
    max_age: Annotated[float, Field(ge=0)] | None = None
    """Greatest age in years at the index; subjects of unknown age are left out when it is set."""
