"""What a study file may say of its index event, windows and cohort. The texts of the fields are the user's manual."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from unibase.groundwork.reasons import declared
from unibase.linking import reasons

Choice = Literal["latest", "first", "closest"]
Aggregate = Literal["count", "mean", "min", "max", "slope", "any"]
NOT_PREDICTORS = ("death", "last_contact", "vital_status")
"""Concepts that tell the outcome or how long someone was followed, whatever their date says; never predictors."""


COLUMNS = frozenset(
    {"subject_id", "index_time", "centre", "centres", "SEX", "AGE", "INDEXDT", "LSTALVDT", "STAGE", "STAGE_text", "CHARLSON"}
    | {f"{letter}{end}" for letter in "TNM" for end in ("", "_prefix", "_text")}
)
"""Columns that a release has of each subject, whose names no clinical variable may bear."""

CHECKS = tuple(sorted(str(check) for check in declared(reasons).values()))
"""Checks across modalities whose findings a cohort may ask for, as `discordant:sex`."""


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
    modalities: tuple[Annotated[str, Field(pattern="^[A-Z]{2,}$")], ...] | None = None
    """DICOM modalities whose features are joined, in capitals as DICOM writes them (CT, PT, MR); empty for all."""
    lesions: Literal["largest", "mean", "first"] = "largest"
    """When one series has several regions of one name (lesions): the largest by shape_MeshVolume, the mean of each
    feature, or the first by name."""


class SampleWindow(Window):
    """Window of the samples of one assay. One sample is taken."""

    choose: Choice = "latest"
    """latest, first or closest (to the index)."""
    sample_types: tuple[Literal["tumour", "metastasis", "normal", "unknown"], ...] = ("tumour", "metastasis", "unknown")
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
        """Windows of the assays by name, in order of name.

        >>> sorted(Windows(methylation={}, rna={}).assays)
        ['methylation', 'rna']
        """
        return dict(sorted((self.__pydantic_extra__ or {}).items()))

    @model_validator(mode="after")
    def _names_of_their_own(self) -> Windows:
        """A variable is a column: it may not be called as one that the release has, or as another variable."""
        seen: dict[str, str] = {}
        taken = COLUMNS | {f"{assay}_sample" for assay in self.assays}
        for name in self.clinical:
            low = name.strip().lower()
            if name.strip() in taken or low.startswith("has_"):
                raise ValueError(f"clinical.{name}: the release has a column of that name. Call the variable otherwise")
            if low in seen:
                raise ValueError(f"clinical.{name}: {seen[low]} differs from it by no more than capitals. Call one otherwise")
            seen[low] = name
        return self

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
    of an assay (a usable sample); `discordant` or `discordant:sex` (a finding of a check of concordance: age, body-part, dates, duplicate,
    genotype, laterality, sex, weight, births, deaths, after-death, organ, sample-date, foreign-series, shared-series,
    two-places, mask); or the name of a concept (an event that can have happened by the end of the index day)."""
    exclude: tuple[str, ...] = ()
    """What a subject must not have, in the same words."""
    min_age: Annotated[float, Field(ge=0)] | None = None
    """Least age in years at the index; subjects of unknown age are left out when it is set."""
    max_age: Annotated[float, Field(ge=0)] | None = None
    """Greatest age in years at the index; subjects of unknown age are left out when it is set."""

    @field_validator("include", "exclude")
    @classmethod
    def _known_checks(cls, rules: tuple[str, ...]) -> tuple[str, ...]:
        for rule in rules:
            kind, colon, check = rule.partition(":")
            # A check that nobody makes would have no finding, and leave nobody out without a word.
            if kind == "discordant" and colon and check not in CHECKS:
                raise ValueError(f"there is no check {check!r}; discordant:CHECK takes {', '.join(CHECKS)}")
        return rules


class SplitRules(_Options):
    """Splits of the cohort for teams that train models, fixed by the key: table `splits` of the release."""

    parts: dict[str, Annotated[float, Field(gt=0, lt=1)]] = Field(default_factory=dict)
    """Share of each part by subject, adding up to 1, such as `{train: 0.7, test: 0.3}`. Who is in which part depends on the key
    and the subject alone, and stays as it is when subjects are added."""
    folds: Annotated[int, Field(ge=2)] | None = None
    """Number of folds of a cross-validation by subject."""
    by_centre: bool = False
    """Leave one centre out: for each centre its subjects as `test`, the others as `train`, and persons of two centres in neither."""
    by_time: date | None = None
    """True date: subjects whose index lies before it are `train`, the others `test`. Each subject's part tells one bit of
    its true date."""

    @model_validator(mode="after")
    def _whole(self) -> SplitRules:
        if self.parts and abs(sum(self.parts.values()) - 1) > 1e-9:
            raise ValueError(f"the shares of `parts` must add up to 1, not {sum(self.parts.values()):g}")
        return self


class HarmoniseRule(_Options):
    """ComBat for one kind of data; the harmonised values stand beside the raw ones."""

    batch: Literal["centre", "scanner"] = "centre"
    """What differs without meaning: the centre of the image or sample, or (imaging only) the scanner's maker and model."""
    covariates: tuple[str, ...] = ()
    """What may differ between centres for good reason and is kept: SEX, AGE, or clinical variables of the windows."""
    reference: str | None = None
    """Centre (or scanner) that stays as it is and that the others are brought to; else all move to their common mean."""
    empirical_bayes: bool = True
    """Draw each feature's shift and scale towards those of the centre's other features; off, each feature stands alone."""
    mean_only: bool = False
    """Adjust the shift and leave the scale."""
    least_per_centre: Annotated[int, Field(ge=1)] = 15
    """Fewest training subjects of a centre. With fewer than 15, centre effects of 0.2 SD were taken out at the price of larger
    errors (docs/how-to/when-not-to-harmonise.md). With 1, one centre of a single subject makes the whole fit `mean_only`."""
    others: Literal["refuse", "leave_out"] = "refuse"
    """Subjects of a centre with too few training subjects or none, or without a covariate: `refuse` ends the build and names
    the reason; `leave_out` leaves their harmonised values empty. They are never guessed."""
    fit_on: str = "train"
    """Part of `splits: parts` whose subjects the fit sees; `all` fits on the whole cohort, test subjects included."""
    parameters: str | None = None
    """Parameters of an earlier fit (`harmonisation/*.json` of a release), relative to the study file: applied, nothing is fitted."""
    outcome_as_covariate: bool = False
    """Allow an endpoint (such as OS: its event) as covariate. It writes the outcome into the features."""


class Harmonise(_Options):
    """Harmonisation across centres (ComBat): `imaging`, and assays with values on a log scale under the assay's name."""

    imaging: HarmoniseRule | None = None
    """Radiomic features, by modality and region: columns `combat_*` of the analysis table."""
    rna: HarmoniseRule | None = None
    """Expression: layer `combat` of the assay, and columns `combat_rna_*` for the study's genes."""
