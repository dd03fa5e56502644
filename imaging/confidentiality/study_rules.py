"""Rules of a study's own: what is done to an attribute, a private block or the images of a device, each with its reason."""

from __future__ import annotations

import re
from functools import cache
from typing import Literal, NamedTuple, Self

from pydantic import Field, field_validator, model_validator

from unibase.groundwork.sections import Section

RuleAction = Literal["keep", "clean", "remove", "accept", "blank"]
IMAGE_KEYWORDS = (
    "SOPClass",
    "SOPClassUID",
    "Modality",
    "Manufacturer",
    "ManufacturerModelName",
    "Rows",
    "Columns",
    "ImageType",
    "PhotometricInterpretation",
    "SeriesDescription",
    "ProtocolName",
    "BurnedInAnnotation",
    "ConversionType",
)
"""What a rule for images may ask for; `SOPClass` is the name of the class, such as `Ultrasound`."""
_PRIVATE = re.compile(r"\(?([0-9A-Fa-f]{4}),xx([0-9A-Fa-fx]{2}),([^)]+?)\)?")
_TAG = re.compile(r"\(?([0-9A-Fa-f]{4}),?([0-9A-Fa-f]{4})\)?")
_NEVER = frozenset(
    {
        0x00080018,  # SOP Instance UID
        0x00100010,  # Patient's Name
        0x00100020,  # Patient ID
        0x00100030,  # Patient's Birth Date
        0x00080005,  # Specific Character Set
        0x00080016,  # SOP Class UID
    }
)


class PrivateName(NamedTuple):
    """A private attribute, wherever its block stands: creator, group, and the low byte, or None for the whole block."""

    creator: str
    group: int
    low: int | None


class Rule(Section):
    """One rule of the study: for an attribute, or for images that say the same of where they come from."""

    attribute: str | None = None
    """A keyword (`ProtocolName`), a tag (`(0018,1030)`), or a private attribute by its creator (`(0019,xx0C,SIEMENS MR HEADER)`;
    `(0019,xxxx,SIEMENS MR HEADER)` is the whole block)."""
    images: dict[str, str] | None = None
    """Keyword to pattern: a regular expression, case-blind, for the whole value. `SOPClass` is the name of the class."""
    action: RuleAction
    """Of an attribute: `keep` (what is known of the persons still goes), `clean`, `remove`. Of images: `accept` (a person has
    seen that such images show nobody's identity) or `blank` (the `boxes` are made black)."""
    boxes: list[tuple[int, int, int, int]] = Field(default=[])
    """With `blank`: x and y of the left upper corner, width and height, in pixels."""
    reason: str = Field(min_length=4)
    """Why: it stands in the audit log and in the release's methods."""

    @field_validator("images")
    @classmethod
    def _known(cls, images: dict[str, str] | None) -> dict[str, str] | None:
        for keyword, pattern in (images or {}).items():
            if keyword not in IMAGE_KEYWORDS:
                known = ", ".join(IMAGE_KEYWORDS)
                raise ValueError(f"{keyword} cannot be asked of images; choose among {known}")
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"images.{keyword} is no regular expression ({error})") from None
        return images

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if (self.attribute is None) == (self.images is None):
            raise ValueError("a rule is for an attribute or for images: give one of the two")
        if self.attribute is not None:
            self._check_attribute(self.attribute)
        elif not self.images or not set(self.images) - {"Rows", "Columns"}:
            raise ValueError("images must say more than rows and columns: name a Modality, a SOPClass or a device")
        elif self.action not in ("accept", "blank"):
            raise ValueError("images are accepted or blanked: action: accept, or action: blank with boxes")
        if (self.action == "blank") != bool(self.boxes):
            raise ValueError("boxes belong to action: blank, and it needs them")
        if any(min(x, y) < 0 or min(width, height) < 1 for x, y, width, height in self.boxes):
            raise ValueError("a box is [x, y, width, height] in pixels, with a width and height of 1 or more")
        return self

    def _check_attribute(self, name: str) -> None:
        if self.action not in ("keep", "clean", "remove"):
            raise ValueError("an attribute is kept, cleaned or removed: action: keep, clean or remove")
        if private_name(name) is not None:
            return
        tag = tag_of(name)
        from pydicom.datadict import dictionary_VR  # Takes a third of a second; few studies have such a rule.

        vr = dictionary_VR(tag)
        if tag in _NEVER or vr == "PN" or tag >> 16 in (0x0002, 0x0028, 0x7FE0) or vr in ("UI", "AE"):
            raise ValueError(
                f"{name} names persons, or the file cannot be read without it: no rule may change what is done to it"
            )

    def __hash__(self) -> int:
        return hash((self.attribute, self.action, self.reason))

    @property
    def frozen(self) -> FrozenRule:
        """The rule as a value that can be compared and kept in sets."""
        return FrozenRule(self.attribute, tuple(sorted((self.images or {}).items())), self.action, tuple(self.boxes), self.reason)


class FrozenRule(NamedTuple):
    """A rule as a value: the fields of `Rule`, `images` as sorted pairs.

    Attributes:
        attribute: Keyword, tag or private name, or None.
        images: `(keyword, pattern)`.
        action: What is done.
        boxes: `(x, y, width, height)` in pixels.
        reason: Why.
    """

    attribute: str | None
    images: tuple[tuple[str, str], ...]
    action: RuleAction
    boxes: tuple[tuple[int, int, int, int], ...]
    reason: str

    def matches(self, said: dict[str, str]) -> bool:
        """Return whether a rule for images is for this one.

        Args:
            said: What its header says, by the keywords of `IMAGE_KEYWORDS`.
        """
        return bool(self.images) and all(_pattern(pattern).fullmatch(said.get(key, "")) for key, pattern in self.images)


@cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)


def private_name(name: str) -> PrivateName | None:
    """Return what a text such as `(0019,xx0C,SIEMENS MR HEADER)` names, or None where it names no private attribute.

    Args:
        name: The text of a rule.

    Example:
        >>> private_name("(0019,xx0C,SIEMENS MR HEADER)")
        PrivateName(creator='SIEMENS MR HEADER', group=25, low=12)
    """
    match = _PRIVATE.fullmatch(name.strip())
    if match is None or int(match[1], 16) % 2 == 0:
        return None
    return PrivateName(match[3].strip(), int(match[1], 16), None if "x" in match[2] else int(match[2], 16))


def tag_of(name: str) -> int:
    """Return the tag of a keyword, or of a text such as `(0018,1030)`.

    Args:
        name: The text of a rule.

    Raises:
        ValueError: If the standard has no such attribute.

    Example:
        >>> f"{tag_of('ProtocolName'):08X}"
        '00181030'
    """
    from pydicom.datadict import dictionary_has_tag, tag_for_keyword  # As above.

    match = _TAG.fullmatch(name.strip())
    tag = int(match[1] + match[2], 16) if match else tag_for_keyword(name.strip())
    if tag is None or not dictionary_has_tag(tag):
        raise ValueError(f"{name!r} is no attribute of the standard; a private one is written (gggg,xxee,CREATOR)")
    return int(tag)
