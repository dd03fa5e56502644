"""What a region is, in codes of SNOMED CT: told by its name where that is plain, else as tissue and by its label alone."""

from __future__ import annotations

import re
from dataclasses import dataclass

_STRUCTURE = ("123037004", "Anatomical Structure")
_ALTERED = ("49755003", "Morphologically Abnormal Structure")
_TISSUE = ("85756007", "Tissue")
_NAMES: dict[str, tuple[str, str]] = {
    r"heart|coeur|cœur": ("80891009", "Heart"),
    r"liver|foie": ("10200004", "Liver"),
    r"spleen|rate": ("78961009", "Spleen"),
    r"brain|cerveau|encephale|encéphale": ("12738006", "Brain"),
    r"spinal.?cord|moelle( epiniere| épinière)?": ("2748008", "Spinal cord"),
    r"(urinary.?)?bladder|vessie": ("89837001", "Urinary bladder"),
    r"prostate": ("41216001", "Prostate"),
    r"(o?esophagus|oesophage|œsophage)": ("32849002", "Esophagus"),
    r"lungs?|poumons?": ("39607008", "Lung"),
    r"kidneys?|reins?": ("64033007", "Kidney"),
    r"stomach|estomac": ("69695003", "Stomach"),
    r"pancreas|pancréas": ("15776009", "Pancreas"),
}
_NEOPLASM = re.compile(r"(i?gtv|tumou?r|tumeur|lesion|lésion|neoplasm)([ _-]?[\w-]*)?", re.IGNORECASE)
_SIDES = {"24028007": r"right|droite?|_r$|^r_", "7771000": r"left|gauche|_l$|^l_"}


@dataclass(frozen=True)
class Meant:
    """What a region is; each a code of SNOMED CT and its meaning.

    Attributes:
        category: Segmented Property Category.
        kind: Segmented Property Type.
        side: Laterality, or None.
    """

    category: tuple[str, str]
    kind: tuple[str, str]
    side: tuple[str, str] | None = None


def meant_by(name: str) -> Meant:
    """Return what the name of a region says plainly; nothing is guessed of a name that is not on the list.

    Args:
        name: Such as `GTV`, `Lung_L` or `foie`.

    Example:
        >>> meant_by("Poumon gauche").kind[1], meant_by("Poumon gauche").side[1], meant_by("Ring 3").kind[1]
        ('Lung', 'Left', 'Tissue')
    """
    if _NEOPLASM.fullmatch(name.strip()):
        return Meant(_ALTERED, ("108369006", "Neoplasm"))
    found = {code for code, pattern in _SIDES.items() if re.search(pattern, name, re.IGNORECASE)}
    side = None
    if len(found) == 1:
        code = found.pop()
        side = (code, "Right" if code == "24028007" else "Left")
    bare = name
    for pattern in _SIDES.values():
        bare = re.sub(pattern, " ", bare, flags=re.IGNORECASE)
    bare = bare.strip(" _-")
    for pattern, kind in _NAMES.items():
        if re.fullmatch(pattern, bare, re.IGNORECASE):
            return Meant(_STRUCTURE, kind, side)
    return Meant(_TISSUE, _TISSUE)
