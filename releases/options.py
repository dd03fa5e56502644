"""What a study file may say of its release."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from unibase.groundwork.sections import Section

AttackName = Literal["life-span", "list-of-deaths", "rare-codes", "order-of-export", "page", "extracts"]
"""An attack on a single release (`unibase attack`), and of a request for an extract beside the ones given before."""


class Disclosure(Section):
    """What a release must keep to; one that does not is not published."""

    quasi_identifiers: tuple[str, ...] = ()
    """Columns of the subjects table by which an outsider could know a person, such as SEX and AGE."""
    min_k: int = Field(default=1, ge=1)
    """Smallest number of subjects that share the same quasi-identifiers."""
    sensitive: tuple[str, ...] = ()
    """Columns whose value such a group must not tell."""
    min_l: int = Field(default=1, ge=1)
    """Fewest different values of each sensitive column in a group."""
    bands: dict[str, float] = Field(default_factory=dict)
    """Numeric column: width of the bands its values are cut to."""
    dates: dict[str, Literal["month", "year"]] = Field(default_factory=dict)
    """Date column: what is kept of it."""
    rare: dict[str, int] = Field(default_factory=dict)
    """Text column: fewest subjects that a value needs; rarer ones become OTHER."""


class Release(Section):
    """The release to publish."""

    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    """Major.minor.patch; a published version never changes."""
    min_cell: int = Field(default=11, ge=1)
    """Counts below this are masked in every report."""
    true_years: bool = False
    """Count subjects by the true year of their index on the page, in bands of at least `min_cell`. It says something of the
    shift of dates: where all are of one year, within how many months a subject's shift lies."""
    lanes: bool = False
    """Draw single subjects' timelines, in whole weeks, and altered genes on the page: only where the page stays with those who may
    see the tables. Otherwise it draws how many subjects have images, samples and treatments, over time."""
    images: Literal["none", "regions", "volumes"] = "none"
    """Voxels to release as OME-Zarr: none, the box around each region of `features.regions`, or whole volumes. Of the modalities
    and volumes that `features` names."""
    image_margin: float = Field(default=20, ge=0)
    """What a box keeps around its region on each side, in mm."""
    image_copies: tuple[Literal["nifti", "nnunet"], ...] = ()
    """Further copies of the voxels: NIfTI files beside the stores, and a folder that nnU-Net v2 trains on."""
    head_images: str = ""
    """Why images that may show a face may be released, such as the approval that allows it; empty keeps them out. An image
    may show a face unless its BodyPartExamined rules that out, no description names the head, and it is shorter than 800 mm.
    Where every header of a series says RecognizableVisualFeatures NO, as who removed a face writes, none is shown; YES is
    believed too."""
    disclosure: Disclosure = Disclosure()
    provenance: Literal["rows", "keyed"] = "keyed"
    """What is told of the rows of sources: their numbers, or pseudonyms of them that no export and no other key shares.
    `unibase explain --key-file` tells the custodian the number again."""
    birth: Literal["day", "month", "year"] = "year"
    """What the timeline tells of dates of birth. Days lived, from birth to death, are true days: a list of deaths knows them.
    Ages, windows and endpoints are worked out before, from the day."""
    ages: Literal["bands", "years"] = "bands"
    """Where births are told to the year: ages from 20 to 39 in bands of ten years and from 40 to 54 of five, by the middle, for a list
    of deaths holds few who died young; or all in single years. A birth is then what the told age leaves open."""
    attack_limits: dict[AttackName, Annotated[float, Field(ge=0, le=1)]] = Field(default_factory=dict)
    """Attack to the share of subjects that it may single out, such as `life-span: 0.05`; a release over one is not published. `unibase
    attack RELEASE` shows the shares. `extracts` holds for `unibase extract`: a request by which more could be joined with an
    earlier extract of the study is refused; without it one that joins more than 3 rows, unless it says why it may."""
