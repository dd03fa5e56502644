"""The rows of a FEATURES table: what names a region, what is known of its mask, and its features."""

from __future__ import annotations

from collections.abc import Mapping

from unibase.imaging.dicom.volume import Volume
from unibase.imaging.radiomics.extraction import engine_name
from unibase.imaging.radiomics.selection import Region
from unibase.imaging.radiomics.task import FeatureTask, region_name
from unibase.imaging.regions.mask import Mask


def region_rows(
    task: FeatureTask, volume: Volume, region: Region, features: Mapping[str, Mapping[str, float | None]], mask: Mask
) -> list[dict[str, object]]:
    """Return the rows of one region: what names it and what is known of its mask, then its `features`, one row per image type.

    Args:
        task, volume: The unit, and the image.
        region, mask: The region, and its mask on the image.
    """
    identity = {
        "subject_id": task.subject_id,
        "centre": task.centre,
        "StudyInstanceUID": volume.study_uid or None,
        "SeriesInstanceUID": volume.series_uid or task.series_uid,
        "Modality": volume.modality or None,
        "volume": volume.name or None,
        "unit": volume.unit or None,
        "series_time": task.series_time,
        "region": region_name(region.target, volume.name),
        "roi_name": region.roi_name,
        "engine": engine_name(task.choices.engine),
        "mode": task.choices.mode,
        "settings_digest": task.settings_digest,
        "image_notes": ", ".join(volume.notes) or None,
        "mask_label": region.about.label or None,
        "mask_approval": region.about.approval or None,
        "mask_reader": region.about.reader or None,
        "mask_time": region.about.time,
        "mask_algorithm": region.about.algorithm or None,
        "mask_model": region.about.model or None,
        "mask_coverage": mask.coverage,
        "mask_notes": ", ".join(mask.notes) or None,
        "source_digest": region.source_digest,
    }
    return [{**identity, "image_type": image_type, **values} for image_type, values in sorted(features.items())]
