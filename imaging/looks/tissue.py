"""What the name of a region says of its median intensity on a CT: wide ranges, that only another tissue leaves.

HU of tissues with and without contrast medium: Bushberg et al., The Essential Physics of Medical Imaging, and what the names of
TotalSegmentator's regions mark. Names of tumours, margins and cavities say nothing of their tissue.
"""

from __future__ import annotations

import re

TISSUES: tuple[tuple[str, float, float], ...] = (
    (r"lungs?|poumons?|trachea|trachee", -1100, -300),
    (r"vertebrae?|sacrum|ribs?|femur|femoral|humerus|scapula|clavicula|hip|skull|sternum|mandible|mandibule", 60, 2500),
    (r"liver|foie|spleen|rate|kidneys?|reins?|pancreas", -40, 400),
    (r"heart|coeur|aorta|aorte|atrium|ventricle|vena cava|portal vein", -20, 700),
    (r"brain|cerveau|brainstem|tronc cerebral|cerebellum|spinal cord|moelle", -20, 150),
    (r"gluteus|iliopsoas|autochthon|psoas|muscles?", -100, 250),
    (r"bladder|vessie|prostate", -40, 2000),
)
"""Words of a name, and the least and the largest median in HU that are believed."""

_NO_TISSUE = re.compile(
    r"tumou?r|lesion|nodul|cyst|kyst|metas|gtv|ctv|ptv|itv|prv|margin|minus|sub|ring|vessel|wall|expan|shell|cavity|opt|bolus|-",
    re.IGNORECASE,
)
_RANGES = tuple((re.compile(rf"(?<![a-z])(?:{words})(?![a-z])", re.IGNORECASE), low, high) for words, low, high in TISSUES)


def believed(name: str) -> tuple[float, float] | None:
    """Return the least and the largest median in HU of the tissue that a name says; None where it says none.

    Args:
        name: Of a region, such as `kidney_left`.

    >>> believed("lung_upper_lobe_left")
    (-1100, -300)
    >>> believed("lung tumour") is None
    True
    """
    words = name.replace("_", " ")
    if _NO_TISSUE.search(words):
        return None
    found = [(low, high) for pattern, low, high in _RANGES if pattern.search(words)]
    return found[0] if len(found) == 1 else None
