"""DICOM SEG of regions over a series, written with highdicom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import SegmentationStorage

from unibase.simulation.dicom import NewSeries, Seen, SeriesFiles, Study, base_dataset, physician, save
from unibase.simulation.phantom import Grid, Region


def write_seg(study: Study, series: SeriesFiles, regions: dict[str, Region], grid: Grid, seen: Seen) -> Path:
    """Write the voxels of regions as a binary, multi-segment SEG that refers to `series`.

    Args:
        study: The examination that the file belongs to.
        series: Files of the series that was drawn on.
        regions: Regions by their names.
        grid: Grid of the image.
        seen: Notes the identifiers of the header that is written.
    """
    import highdicom as hd  # takes seconds

    name = f"seg-{series.modality.lower()}"
    shared = base_dataset(study, NewSeries(SegmentationStorage, "SEG", name, 20, 86_400))
    mask = np.stack([region.mask(grid) for region in regions.values()], axis=-1)
    segmentation: Any = hd.seg.Segmentation(
        source_images=series.datasets,
        pixel_array=mask,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=_descriptions(regions),
        series_instance_uid=shared.SeriesInstanceUID,
        series_number=shared.SeriesNumber if series.modality == "CT" else 21,
        sop_instance_uid=study.uid(name),
        instance_number=1,
        manufacturer=study.scanner.manufacturer,
        manufacturer_model_name="Contour station",
        software_versions="1.2",
        device_serial_number=shared.DeviceSerialNumber,
        content_description=f"Segmentation {study.registration.identity.used_family_name}"[:64],
        content_creator_name=physician(study.seed, study.registration.centre, "reading"),
        series_description=f"Segmentation {series.modality}",
        omit_empty_frames=True,
    )
    _without_clock(segmentation, shared, study, name)
    segmentation.InstitutionName = shared.InstitutionName
    segmentation.OperatorsName = shared.OperatorsName
    path = study.folder / name / f"SEG{series.modality}.dcm"
    save(segmentation, path)
    seen(segmentation)
    return path


def _descriptions(regions: dict[str, Region]) -> list[Any]:
    """Return what each segment is: the first a neoplasm, the others lung."""
    import highdicom as hd  # takes seconds
    from highdicom.sr.coding import CodedConcept

    tissue = CodedConcept("49755003", "SCT", "Morphologically Abnormal Structure")
    organ = CodedConcept("123037004", "SCT", "Anatomical Structure")
    kinds = {
        True: (tissue, CodedConcept("108369006", "SCT", "Neoplasm")),
        False: (organ, CodedConcept("44029006", "SCT", "Left lung")),
    }
    return [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=label,
            segmented_property_category=kinds[number == 1][0],
            segmented_property_type=kinds[number == 1][1],
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
        )
        for number, label in enumerate(regions, start=1)
    ]


def _without_clock(segmentation: Dataset, shared: Dataset, study: Study, name: str) -> None:
    """Replace what highdicom asks the clock and random numbers for; the simulation may not."""
    for keyword in ("InstanceCreationDate", "InstanceCreationTime", "ContentDate", "ContentTime", "SeriesDate", "SeriesTime"):
        setattr(segmentation, keyword, getattr(shared, keyword))
    for item in segmentation.get("ContributingEquipmentSequence", ()):
        if "ContributionDateTime" in item:
            item.ContributionDateTime = f"{shared.ContentDate}{shared.ContentTime}"
    organisation = study.uid(name, "dimension")
    for item in segmentation.DimensionOrganizationSequence:
        item.DimensionOrganizationUID = organisation
    for item in segmentation.DimensionIndexSequence:
        item.DimensionOrganizationUID = organisation
    for number, item in enumerate(segmentation.SegmentSequence, start=1):
        if "TrackingUID" in item:
            item.TrackingUID = study.uid(name, "tracking", number)
