"""What a mask file says of itself: who drew it, when, whether it is approved, and which image it was drawn on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from unibase.groundwork.problems import Unusable
from unibase.groundwork.reasons import TRUNCATED_FILE
from unibase.imaging import reasons
from unibase.imaging.dicom.volume import Volume

if TYPE_CHECKING:
    from pydicom import Dataset

MACHINE = "AUTOMATIC"
"""What DICOM says of a region that an algorithm made alone (SegmentAlgorithmType, ROIGenerationAlgorithm)."""


@dataclass(frozen=True)
class About:
    """What a mask file says of itself; a plain image says nothing.

    Attributes:
        label: StructureSetLabel or ContentLabel.
        approval: ApprovalStatus (APPROVED, UNAPPROVED, REJECTED); empty when the file says none.
        reader: ReviewerName, else OperatorsName or ContentCreatorName.
        time: Date and time of the structure set or of the content.
        series: SeriesInstanceUIDs that it says it was drawn on.
        instances: SOPInstanceUIDs that it says it was drawn on.
        patient: PatientID, to be compared and never shown.
        algorithm: How the region was made: MANUAL, SEMIAUTOMATIC, AUTOMATIC; empty when the file does not say.
        model: The algorithm that made it, with its version; empty when the file names none.
    """

    label: str = ""
    approval: str = ""
    reader: str = ""
    time: datetime | None = None
    series: frozenset[str] = frozenset()
    instances: frozenset[str] = frozenset()
    patient: str = field(default="", repr=False)
    algorithm: str = ""
    model: str = ""

    @property
    def approved(self) -> bool:
        """Whether the file says that it is approved."""
        return self.approval == "APPROVED"

    @property
    def by_machine(self) -> bool:
        """Whether a machine alone made the region, or a part of it."""
        return MACHINE in self.algorithm.split(" + ")

    def drawn_on(self, volume: Volume) -> bool | None:
        """Return whether the file says it was drawn on this `volume`; None when it does not say, or the image has no UIDs."""
        if not volume.series_uid:
            return None
        if self.instances and volume.instance_uids:
            # All images of the series: which of its volumes a region was drawn on is asked contour by contour.
            images = {*volume.instance_uids, *(uid for uid, _ in volume.others)}
            return self.instances <= images or (volume.series_uid in self.series and not self.instances.isdisjoint(images))
        return volume.series_uid in self.series if self.series else None


def together(several: Sequence[About]) -> About:
    """Return what `several` mask files of a union say of themselves.

    Values that differ are joined by ` + `, times that differ are none.
    """
    distinct = list(dict.fromkeys(several))
    if len(distinct) == 1:
        return distinct[0]
    label, approval, *others = (
        " + ".join(dict.fromkeys(getattr(one, name) or "?" for one in distinct))
        for name in ("label", "approval", "reader", "algorithm", "model")
    )
    reader, algorithm, model = (text if set(text) - set("? +") else "" for text in others)
    times = {one.time for one in distinct}
    return About(label, approval, reader, times.pop() if len(times) == 1 else None, algorithm=algorithm, model=model)


def made_by(about: About, item: Dataset, kind: str, model: str) -> About:
    """Return what a mask file says of one of its regions.

    Args:
        about: What it says of itself.
        item: The item of the region.
        kind: Keyword that says how it was made.
        model: Keyword that names the algorithm.
    """
    algorithm = _text(item, kind).upper()
    return replace(about, algorithm=algorithm, model=_text(item, model) if algorithm not in ("", "MANUAL") else "")


NOTHING = About()
"""What a plain image says of itself."""


def about_structure_set(dataset: Dataset) -> About:
    """Return what an RTSTRUCT, `dataset`, says of itself."""
    series, instances = set(), set()
    for frame in dataset.get("ReferencedFrameOfReferenceSequence") or []:
        for study in frame.get("RTReferencedStudySequence") or []:
            for item in study.get("RTReferencedSeriesSequence") or []:
                series.add(_text(item, "SeriesInstanceUID"))
                instances |= {_text(one, "ReferencedSOPInstanceUID") for one in item.get("ContourImageSequence") or []}
    return About(
        _text(dataset, "StructureSetLabel"),
        _text(dataset, "ApprovalStatus").upper(),
        _text(dataset, "ReviewerName") or _text(dataset, "OperatorsName"),
        _moment(dataset, "StructureSet"),
        frozenset(series - {""}),
        frozenset(instances - {""}),
        _text(dataset, "PatientID"),
    )


def about_segmentation(dataset: Dataset) -> About:
    """Return what a SEG, `dataset`, says of itself."""
    series, instances = set(), set()
    for item in dataset.get("ReferencedSeriesSequence") or []:
        series.add(_text(item, "SeriesInstanceUID"))
        instances |= {_text(one, "ReferencedSOPInstanceUID") for one in item.get("ReferencedInstanceSequence") or []}
    if not instances:
        instances = _sources_of_frames(dataset)
    return About(
        _text(dataset, "ContentLabel"),
        _text(dataset, "ApprovalStatus").upper(),
        _text(dataset, "ContentCreatorName") or _text(dataset, "OperatorsName"),
        _moment(dataset, "Content"),
        frozenset(series - {""}),
        frozenset(instances - {""}),
        _text(dataset, "PatientID"),
    )


def _sources_of_frames(dataset: Dataset) -> set[str]:
    """Return the instances that the frames of a SEG say they were made from."""
    groups = [*(dataset.get("SharedFunctionalGroupsSequence") or []), *(dataset.get("PerFrameFunctionalGroupsSequence") or [])]
    return {
        _text(source, "ReferencedSOPInstanceUID")
        for group in groups
        for derivation in group.get("DerivationImageSequence") or []
        for source in derivation.get("SourceImageSequence") or []
    }


def check_complete(dataset: Dataset) -> None:
    """Check that every element of a `dataset` has the length that it declares; pydicom reads what is there without a word.

    Raises:
        Unusable: `truncated-file`.
    """
    from pydicom.dataelem import RawDataElement

    for element in dataset._dict.values():
        if isinstance(element, RawDataElement) and element.length != 0xFFFFFFFF and len(element.value or b"") != element.length:
            raise Unusable(TRUNCATED_FILE, "The mask file ends too early.", "Copy or export the file again.")


def notes_of_reference(about: About, volume: Volume, frame: str) -> tuple[str, ...]:
    """Return what a user should know of how a mask file refers to an image, as short codes.

    Args:
        about: The mask file.
        volume: The image.
        frame: Frame of reference of the region; empty when it has none.

    Raises:
        Unusable: `frame-of-reference` when the region lies in another frame of reference and its references do not name
            this image.
    """
    other = ("patient-id-differs",) if about.patient and volume.patient and about.patient != volume.patient else ()
    return (*other, *_notes_of_frame(about, volume, frame))


def _notes_of_frame(about: About, volume: Volume, frame: str) -> tuple[str, ...]:
    """Return the notes on frame of reference, series and instances; arguments and errors are those of `notes_of_reference`."""
    drawn = about.drawn_on(volume)
    mine = volume.frame_of_reference_uid
    if not volume.series_uid and not mine:
        # A plain image has no UID: that the two lie in one place of the folder is all that is known.
        return ("frame-not-checked",) if frame else ()
    if frame and frame == mine:
        if drawn is None:
            return ("image-not-named",)
        return () if drawn else ("drawn-on-another-series",)
    if not (frame and mine) and (drawn or volume.series_uid in about.series):
        return ()
    if drawn and about.instances:
        return ("frame-of-reference-of-its-own",)
    message = "The region is drawn in another frame of reference than the image's."
    raise Unusable(
        reasons.FRAME_OF_REFERENCE, message, "Give the structure set or segmentation of this image, or register the two."
    )


def _text(item: Dataset, keyword: str) -> str:
    return str(item.get(keyword, "") or "").strip()


def _moment(dataset: Dataset, stem: str) -> datetime | None:
    day, clock = _text(dataset, f"{stem}Date"), _text(dataset, f"{stem}Time").partition(".")[0]
    for text, layout in ((day + clock.ljust(6, "0"), "%Y%m%d%H%M%S"), (day, "%Y%m%d")):
        try:
            return datetime.strptime(text, layout)
        except ValueError:
            continue
    return None
