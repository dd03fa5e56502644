"""Which images may show a face: they leave only where the study says why."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

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


def says_of_visual_features(paths: Sequence[Path], series: str | None) -> str | None:
    """Return what the headers of a series say of recognizable features: NO where every one does, YES or None as the first.

    Args:
        paths: The files of the series; others among them do not count.
        series: Its SeriesInstanceUID.
    """
    said: str | None = None
    for path in paths:
        header = read_dataset(path, ["SeriesInstanceUID", _VISUAL])
        if series is not None and header.get("SeriesInstanceUID") != series:
            continue
        said = str(header.get(_VISUAL, "") or "").strip().upper() or None
        if said != "NO":
            return said
    return said
