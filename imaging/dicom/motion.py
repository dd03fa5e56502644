"""What the header tells of motion: whether breath and heart were held, gated or left free while a volume was taken."""

from __future__ import annotations

from unibase.imaging.dicom.header import Header

RESPIRATORY = {
    "BREATH_HOLD": "breath hold",
    "NONE": "free breathing",
    "REALTIME": "respiratory gating",
    "GATING": "respiratory gating",
    "TRACKING": "respiratory tracking",
    "PHASE_ORDERING": "respiratory ordering",
    "PHASE_RESCANNING": "respiratory rescanning",
    "RETROSPECTIVE": "respiratory gating",
    "CORRECTION": "respiratory correction",
}
"""Respiratory Motion Compensation Technique (0018,9170), PS3.3 C.7.6.16.2.17."""

CARDIAC = {
    "NONE": "",
    "REALTIME": "cardiac gating",
    "PROSPECTIVE": "cardiac gating",
    "RETROSPECTIVE": "cardiac gating",
    "PACED": "cardiac gating",
}
"""Cardiac Synchronization Technique (0018,9037), PS3.3 C.7.6.18.1."""

OPTIONS = {"RG": "respiratory gating", "CG": "cardiac gating", "PPG": "cardiac gating"}
"""Values of Scan Options (0018,0022) of MR that tell of motion, PS3.3 C.8.3.1; PPG is gating by the pulse."""


def motion_of(header: Header) -> str | None:
    """Return what the header says of motion, such as `breath hold` or `cardiac gating, respiratory gating`.

    Args:
        header: Header of one plane of a volume.

    Returns:
        What is told, in alphabetical order; None when nothing is, which does not mean that nothing moved.

    Example:
        >>> motion_of({"RespiratoryMotionCompensationTechnique": "BREATH_HOLD", "CardiacSynchronizationTechnique": "NONE"})
        'breath hold'
        >>> motion_of({"ScanOptions": ["FS", "RG"], "Modality": "MR"}), motion_of({"ScanOptions": "HELICAL MODE"})
        ('respiratory gating', None)
    """
    said = {
        RESPIRATORY.get(str(header.get("RespiratoryMotionCompensationTechnique") or "").upper(), ""),
        CARDIAC.get(str(header.get("CardiacSynchronizationTechnique") or "").upper(), ""),
    }
    options = header.get("ScanOptions") or ()
    if header.get("Modality") == "MR":
        said |= {OPTIONS.get(str(item).upper(), "") for item in ([options] if isinstance(options, str) else options)}
    kinds = header.get("SeriesType") or ()
    if "GATED" in [str(item).upper() for item in kinds] and header.get("Modality") == "PT":
        said.add("gated")
    return ", ".join(sorted(said - {""})) or None
