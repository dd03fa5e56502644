"""Our own results as DICOM: masks as a Segmentation, features as a report of template 1500 that points at it.

The objects belong to the study of their images. Their UIDs follow from what they hold, and their date is that of the
series: the same masks and features give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from unibase.groundwork.files import atomic_file, digest_of
from unibase.groundwork.problems import Unusable
from unibase.imaging.dicom.volume import Volume
from unibase.imaging.radiomics.feature_words import feature_dictionary
from unibase.imaging.reasons import UNSUPPORTED_IMAGE
from unibase.imaging.regions.mask import Mask
from unibase.imaging.sending.anatomy import meant_by

MAKER = "unibase"
_SCHEME = "99UNIBASE"
_UNITS = {"1": "1", "mm": "mm", "mm^2": "mm2", "mm^3": "mm3", "1/mm": "/mm"}
_SERIES_NUMBER = {"SEG": 9001, "SR": 9002}
_MOST_TEXT = 64
PEOPLE: Mapping[str, str] = {}
"""No mask is of a model."""


@dataclass(frozen=True)
class Measured:
    """The features of one region.

    Attributes:
        region: Name of the region, as its mask has it.
        values: Feature by its column of the FEATURES table, such as `shape_MeshVolume`.
        image_type: Such as `original`; features of other image types carry it in their code.
    """

    region: str
    values: Mapping[str, float]
    image_type: str = "original"


def derived_uid(*parts: object) -> str:
    """Return a UID that follows from what is told.

    Args:
        parts: What it depends on.

    Example:
        >>> derived_uid("SEG", 1) == derived_uid("SEG", 1) != derived_uid("SEG", 2)
        True
    """
    return f"2.25.{int(digest_of(list(map(str, parts)))[:32], 16)}"


def segmentation(
    volume: Volume, images: Sequence[Dataset], masks: Sequence[Mask], machine: Mapping[str, str] = PEOPLE
) -> Dataset:
    """Return masks of a volume as a binary DICOM Segmentation.

    Args:
        volume: The image that the masks lie on.
        images: Its files, in any order: a classic series of one plane a file.
        masks: The masks, boolean (z, y, x); each becomes a segment, and none may be empty.
        machine: Name of a mask to the name and version of the model that made it; masks that people drew are not in it.

    Raises:
        Unusable: If the volume is no classic series of one plane a file, for its planes are pointed at one by one.
    """
    import highdicom as hd  # slow to import, and only here

    ordered = _ordered(volume, images)
    voxels = np.stack([mask.array for mask in masks], axis=-1).astype(np.uint8)
    uid = derived_uid(
        "SEG",
        volume.digest,
        sorted(machine.items()),
        [(mask.roi_name, mask.region.box, digest_of(mask.region.part(mask.region.box).tobytes().hex())) for mask in masks],
    )
    described = [
        _described(hd, number, mask.roi_name, machine.get(mask.roi_name, ""), uid) for number, mask in enumerate(masks, 1)
    ]
    made = hd.seg.Segmentation(
        ordered,
        voxels,
        hd.seg.SegmentationTypeValues.BINARY,
        described,
        series_instance_uid=derived_uid("series", uid),
        series_number=_SERIES_NUMBER["SEG"],
        sop_instance_uid=uid,
        instance_number=1,
        manufacturer=MAKER,
        manufacturer_model_name=MAKER,
        software_versions=version("unibase"),
        device_serial_number="0",
        content_label="REGIONS",
    )
    return _dated(made, ordered[0], uid)


def _ordered(volume: Volume, images: Sequence[Dataset]) -> list[Dataset]:
    by_uid = {str(one.SOPInstanceUID): one for one in images}
    if len(volume.instance_uids) != volume.grid.size[2] or not set(volume.instance_uids) <= by_uid.keys():
        raise Unusable(UNSUPPORTED_IMAGE, "Its planes are not one a file, as a Segmentation of ours points at them.")
    return [by_uid[uid] for uid in volume.instance_uids]


def _described(hd: ModuleType, number: int, name: str, machine: str, uid: str) -> Any:
    meant = meant_by(name)
    algorithm = None
    if machine:
        family = hd.sr.CodedConcept("123110", "DCM", "Artificial Intelligence")
        algorithm = hd.AlgorithmIdentificationSequence(machine[:_MOST_TEXT], family, version=version("unibase"))
    one = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=name[:_MOST_TEXT],
        segmented_property_category=hd.sr.CodedConcept(meant.category[0], "SCT", meant.category[1]),
        segmented_property_type=hd.sr.CodedConcept(meant.kind[0], "SCT", meant.kind[1]),
        algorithm_type="AUTOMATIC" if machine else "MANUAL",
        algorithm_identification=algorithm,
        tracking_uid=derived_uid("tracking", uid, number),
        tracking_id=name[:_MOST_TEXT],
    )
    if meant.side:
        modifier = hd.sr.CodedConcept(meant.side[0], "SCT", meant.side[1])
        one.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [modifier]
    return one


def report(seg: Dataset, images: Sequence[Dataset], measured: Sequence[Measured]) -> Dataset:
    """Return features as a Comprehensive 3D SR of template 1500, each region as a segment of a Segmentation.

    Features that IBSI defines carry its code, others their name. A feature without a value is left out.

    Args:
        seg: What `segmentation` returned.
        images: The files of the image that was measured.
        measured: Features of regions, by the names of the segments.

    Raises:
        KeyError: If a region is no segment, or a column is no feature.
    """
    import highdicom as hd  # slow to import, and only here

    segments = {str(one.SegmentLabel): one for one in seg.SegmentSequence}
    uid = derived_uid("SR", seg.SOPInstanceUID, [(one.region, one.image_type, sorted(one.values.items())) for one in measured])
    groups = [_group(hd, seg, segments[one.region[:_MOST_TEXT]], one) for one in measured]
    device = hd.sr.DeviceObserverIdentifyingAttributes(derived_uid("device", MAKER), name=MAKER, model_name=MAKER)
    observer = hd.sr.ObserverContext(hd.sr.CodedConcept("121007", "DCM", "Device"), device)
    content = hd.sr.MeasurementReport(
        hd.sr.ObservationContext(observer_device_context=observer),
        hd.sr.CodedConcept("363679005", "SCT", "Imaging procedure"),
        groups,
        title=hd.sr.CodedConcept("126000", "DCM", "Imaging Measurement Report"),
    )
    made = hd.sr.Comprehensive3DSR(
        [seg, *images],
        content,
        series_instance_uid=derived_uid("series", uid),
        series_number=_SERIES_NUMBER["SR"],
        sop_instance_uid=uid,
        instance_number=1,
        manufacturer=MAKER,
        is_complete=True,
        is_final=False,
    )
    return _dated(made, images[0], uid)


def _group(hd: ModuleType, seg: Dataset, segment: Dataset, one: Measured) -> Any:
    """Return the measurements of one region."""
    kind = segment.SegmentedPropertyTypeCodeSequence[0]
    source = hd.sr.SourceSeriesForSegmentation(str(seg.ReferencedSeriesSequence[0].SeriesInstanceUID))
    place = (str(seg.SOPClassUID), str(seg.SOPInstanceUID), int(segment.SegmentNumber))
    referenced = hd.sr.ReferencedSegment(*place, source_series=source)
    return hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        hd.sr.TrackingIdentifier(str(segment.TrackingUID), str(segment.TrackingID)),
        referenced_segment=referenced,
        finding_type=hd.sr.CodedConcept(kind.CodeValue, kind.CodingSchemeDesignator, kind.CodeMeaning),
        measurements=list(_measurements(hd, one)),
    )


def _measurements(hd: ModuleType, one: Measured) -> Iterator[object]:
    told = feature_dictionary(one.values)
    for row in told.iter_rows(named=True):
        value = float(one.values[row["column"]])
        if not np.isfinite(value):
            continue
        plain = one.image_type == "original" and row["ibsi_code"] and not row["aggregation"]
        name = row["column"] if one.image_type == "original" else f"{one.image_type} {row['column']}"
        code = (row["ibsi_code"], "IBSI") if plain else (digest_of(name)[:16], _SCHEME)
        unit = _UNITS.get(row["unit"] or "1")
        # A unit that depends on the image, such as HU squared, has no code that holds for all: it is told as it is.
        coded = hd.sr.CodedConcept(unit, "UCUM", unit) if unit else hd.sr.CodedConcept("1", "UCUM", "no units")
        yield hd.sr.Measurement(hd.sr.CodedConcept(*code, name[:_MOST_TEXT]), _decimal(value), coded)


def _decimal(value: float) -> float:
    """Return a value as the 16 characters of a DS can hold it; the SR holds the double beside it."""
    return float(f"{value:.10g}")


def _dated(made: Dataset, image: Dataset, uid: str) -> Dataset:
    """Give an object the date of its series, and UIDs that follow from its own where the library drew them."""
    day = image.get("SeriesDate") or image.get("StudyDate") or ""
    time = image.get("SeriesTime") or image.get("StudyTime") or ""
    for name in ("ContentDate", "InstanceCreationDate", "SeriesDate"):
        if name in made:
            setattr(made, name, day)
    for name in ("ContentTime", "InstanceCreationTime", "SeriesTime"):
        if name in made:
            setattr(made, name, time)
    organisation = derived_uid("dimensions", uid)
    for element in made.iterall():
        if element.keyword == "DimensionOrganizationUID":
            element.value = organisation
        elif element.keyword == "ContributionDateTime":
            element.value = f"{day}{time}" if day else ""
    return made


def write_object(made: Dataset, folder: Path) -> Path:
    """Write an object to a folder, named by its UID; return the file.

    Args:
        made: What `segmentation` or `report` returned.
        folder: The folder.
    """
    path = folder / f"{made.SOPInstanceUID}.dcm"
    with atomic_file(path) as temporary:
        pydicom.dcmwrite(temporary, made, enforce_file_format=True)
    return path
