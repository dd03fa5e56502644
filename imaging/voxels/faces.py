"""Which images may show a face: they leave only where the study says why."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from unibase.imaging.confidentiality.texts.folding import fold
from unibase.imaging.dicom.opened import read_dataset

_TRUNK_AND_LIMBS = """
    CHEST THORAX LUNG HEART BREAST MEDIASTINUM RIB RIBS STERNUM ABDOMEN ABDOMENPELVIS ABDOPELVIS LIVER PANCREAS KIDNEY
    KIDNEYS SPLEEN STOMACH COLON RECTUM BOWEL PELVIS PROSTATE BLADDER UTERUS OVARY CERVIX TESTIS HIP HIPS FEMUR THIGH KNEE
    LEG CALF TIBIA ANKLE FOOT TOE SHOULDER HUMERUS ARM ELBOW FOREARM WRIST HAND FINGER EXTREMITY LEXTREMITY UEXTREMITY LSPINE
    LSSPINE SSPINE CHESTABDOMEN CHESTABDPELVIS CHESTABDOMENPELVIS LOWERLIMB UPPERLIMB LUMBARSPINE SACRUM GLUTEUS
"""
ELSEWHERE = frozenset(_TRUNK_AND_LIMBS.split())
"""Values of BodyPartExamined (PS3.16 annex L, and those that scanners join from them) whose image holds no head."""

_VISUAL = "RecognizableVisualFeatures"
DESCRIPTIONS = ("SeriesDescription", "ProtocolName", "StudyDescription", "RequestedProcedureDescription")
"""What people call an examination and its parts by (PS3.3 C.7.2.1, C.7.3.1)."""
_STEMS = (
    "brain neck headneck skull crani crane cerebr encephal orbit mandib maxill dentaire dentascan dental faci hypophys pituit carotid "
    "laryn pharyn oropharyn thyroid cervico neuro(?!endo) kopf schadel gehirn hirn hals cabe cuello encefal cerveau testa collo hoofd hersen "
    "pescoco ganzkorper wholebody"
)
_WHOLE = "face sinus nose nasal ears? temporal stroke avc willis tsa orl vads wb cavum rochers? visage hnc? h&n cervicale?s?"
_HEAD = re.compile(
    rf"(?<![a-z])(?:(?:{'|'.join(_STEMS.split())})"
    rf"|(?:{'|'.join(_WHOLE.split())}|whole body|total body|cuerpo entero|corpo intero|corps entier|h/n|cou(?! de pied)|(?<!femoral )(?<!humeral )(?<!radial )head(?! of)"
    r"|tete(?! du pancreas| pancrea| femorale| humerale| radiale))(?![a-z]))"
)
"""The head in a folded description: stems, whole words, and words that other parts of the body have as well."""
LONGEST = 800.0
"""Extent from foot to head, in mm, from which a trunk may be followed by a head whatever the header says."""


def may_show_a_face(body_part: str | None, height: float, visual: str | None = None) -> bool:
    """Return whether an image may show a face: where the header says so, says nothing, or the image is too tall to exclude it.

    Args:
        body_part: BodyPartExamined of its header.
        height: Extent of the image from foot to head, in mm.
        visual: RecognizableVisualFeatures (0028,0302): YES or NO decides, whatever part it is. Who removed a face says NO.

    >>> may_show_a_face("CHEST", 350), may_show_a_face("HEAD", 200), may_show_a_face(None, 200), may_show_a_face("CHEST", 1800)
    (False, True, True, True)
    >>> may_show_a_face("HEAD", 200, "NO"), may_show_a_face("CHEST", 350, "YES")
    (False, True)
    """
    if visual in ("YES", "NO"):
        return visual == "YES"
    said = re.sub(r"[^A-Z]", "", (body_part or "").upper())
    return said not in ELSEWHERE or height >= LONGEST


def names_the_head(text: str) -> bool:
    """Return whether a description, `text`, names the head, the neck or the whole body, in English or French.

    >>> [names_the_head(one) for one in ("CT Head Neck 2.0", "Scanner cérébral", "Thorax C+", "Onco corps entier")]
    [True, True, False, True]
    """
    return _HEAD.search(fold(text).plain) is not None


def says_of_faces(paths: Sequence[Path], series: str | None) -> str | None:
    """Return what the headers of a series say of faces: NO where every one does, YES or None as the first that does not.

    RecognizableVisualFeatures says it. Without it a description that names the head does: a scan of the neck and the
    chest is CHEST for many a scanner.

    Args:
        paths: The files of the series; others among them do not count.
        series: Its SeriesInstanceUID.
    """
    said: str | None = None
    for path in paths:
        header = read_dataset(path, ["SeriesInstanceUID", _VISUAL, *DESCRIPTIONS])
        if series is not None and header.get("SeriesInstanceUID") != series:
            continue
        said = str(header.get(_VISUAL, "") or "").strip().upper() or None
        if said is None and any(names_the_head(str(header.get(one, "") or "")) for one in DESCRIPTIONS):
            return "YES"
        if said != "NO":
            return said
    return said
