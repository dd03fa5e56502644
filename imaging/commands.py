"""Features of plain files, without a study: a folder of DICOM, or of NIfTI and NRRD images with masks beside them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from unibase.groundwork.files import sha256_file
from unibase.groundwork.problems import Unusable, UserError
from unibase.imaging.options import Regions
from unibase.imaging.radiomics.features import collect, extract_series, list_regions, plan_units
from unibase.imaging.radiomics.robustness import STABILITY, RobustnessTask, extract_perturbed, stability_table
from unibase.imaging.radiomics.selection import Engine, FeatureTask, Mode, Several
from unibase.imaging.radiomics.settings import FeatureSettings
from unibase.imaging.regions.rtstruct import Gaps

IMAGE_SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
MASK_WORDS = frozenset({"mask", "masks", "label", "labels", "seg", "segmentation", "segmentations", "roi", "rois"})
IMAGE_WORDS = frozenset({"image", "images", "img", "volume", "volumes"})

Progress = Callable[[int, int], None]
"""Called as `progress(finished, total)`."""


def extract_plain(
    source: Path | str | tuple[Path | str, Path | str],
    destination: Path | str,
    settings: FeatureSettings,
    *,
    regions: Regions | None = None,
    engine: Engine = "pyradiomics",
    mode: Mode = "pyradiomics",
    several: Several = "each",
    resample: bool = False,
    shells: tuple[tuple[float, float], ...] = (),
    gaps: Gaps = "keep",
    habitats: int = 0,
    robustness: Path | str | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Extract the features of plain files into one Parquet table.

    Args:
        source: A folder of DICOM (any layout, with RTSTRUCT or SEG), a folder of NIfTI or NRRD images and masks, or
            one pair `(image, mask)`; the image of a pair may be a DICOM folder.
        destination: The Parquet file to write.
        settings: Extraction settings.
        regions: Target to patterns of ROI names; None makes every ROI its own region.
        engine: Which engine.
        mode: Which definitions.
        several: What to do when several ROIs of one file match a target.
        resample: Resample masks on other grids.
        shells: Peritumoral shells beside every region, as (inner, outer) in mm.
        gaps: What to do with slices between contours that carry none.
        habitats: Parts of every region by intensity; 0 for none.
        robustness: Perturb every region too, and write the table of how stable each feature is to this Parquet file.
        progress: Told after each series.

    Returns:
        `rows`, `sha256`, `series` (results of `extract_series`, each with its `unit`), `quarantined` (`unit`, `reason`,
        `message`, `remedy`) and `regions`, the frame of `features.list_regions`. `unit` is a path relative to the source.

    Raises:
        UserError: If the source holds no image, or no series could be used at all.
    """
    destination = Path(destination)
    done: list[dict[str, Any]] = []
    refused: list[dict[str, str]] = []
    scratch = Path(tempfile.mkdtemp(prefix="unibase-features-"))
    try:
        options: dict[str, Any] = {"several": several, "resample": resample, "shells": shells, "gaps": gaps, "habitats": habitats}
        tasks = _tasks(source, scratch, settings, regions, engine, mode, options)
        matches: dict[str, Any] = {}
        perturbed: list[Path] = []
        for number, (unit, task) in enumerate(tasks, start=1):
            try:
                result = extract_series(task)
            except Unusable as problem:
                refused.append({"unit": unit, "reason": problem.reason, "message": problem.message, "remedy": problem.remedy})
                if problem.found:
                    matches[unit] = problem.found
            else:
                done.append({"unit": unit, **result})
                matches[unit] = result
                if robustness is not None:
                    perturbed += _perturbed(task)
            if progress is not None:
                progress(number, len(tasks))
        if not done:
            first = refused[0]
            raise UserError(f"No features: {first['unit']}: {first['message']} {first['remedy']}")
        frame = collect([result.pop("path") for result in done], destination)
        if robustness is not None:
            STABILITY.write(stability_table(perturbed, frame), robustness)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    written = {"rows": frame.height, "sha256": sha256_file(destination)}
    return {**written, "series": done, "quarantined": refused, "regions": list_regions(matches)}


def _perturbed(task: FeatureTask) -> list[Path]:
    """Extract the perturbed copies of a series; one whose copies cannot be had has no part in the table."""
    destination = task.destination.with_suffix(".perturbed.parquet")
    try:
        extract_perturbed(RobustnessTask(replace(task, destination=destination)))
    except Unusable:
        return []
    return [destination]


def _tasks(
    source: Path | str | tuple[Path | str, Path | str],
    scratch: Path,
    settings: FeatureSettings,
    regions: Regions | None,
    engine: Engine,
    mode: Mode,
    options: dict[str, Any],
) -> list[tuple[str, FeatureTask]]:
    def task(name: str, number: int, image: Path, masks: tuple[Path, ...]) -> tuple[str, FeatureTask]:
        return name, FeatureTask(
            image,
            masks,
            settings,
            regions,
            scratch / f"{number:06d}.parquet",
            # A DICOM folder names its series itself; a plain image is named by its path.
            series_uid=None if image.is_dir() else name,
            engine=engine,
            mode=mode,
            **options,
        )

    if isinstance(source, tuple):
        image, mask = Path(source[0]), Path(source[1])
        return [task(image.name, 0, image, (mask,))]
    source = Path(source)
    if not source.is_dir():
        raise UserError(f"{source} is no folder. Name a folder of DICOM, NIfTI or NRRD files, or an image and a mask.")
    pairs = find_pairs(source)
    tasks = [task(name, number, source / name, masks) for number, (name, masks) in enumerate(sorted(pairs.items()))]
    from unibase.imaging.dicom.series import read_index

    # Plain DICOM carries no pseudonym: one stand-in lets the index group it, and no row tells it.
    series = read_index(source, subject_of=lambda _: 1).series
    for unit in plan_units(series, source, scratch, settings, regions, engine=engine, mode=mode, **options):
        arguments: FeatureTask = unit.arguments
        name = arguments.image_folder.relative_to(source).as_posix()
        tasks.append((name, replace(arguments, subject_id=None)))
    if not tasks:
        raise UserError(f"{source} holds no DICOM series and no NIfTI or NRRD image with a mask. Check the folder.")
    return tasks


def find_pairs(folder: Path) -> dict[str, tuple[Path, ...]]:
    """Return `{image, relative: masks}` of the NIfTI and NRRD files below a folder.

    A file is a mask when a word of its name or of its folder says so (`mask`, `label`, `seg`, `roi`, ...). It goes with
    the image of the same name without such words (`a_image` and `a_label`; `image/a` and `mask/a`), else with the only
    image of its folder.

    Raises:
        UserError: If a mask goes with no image, or with several.
    """
    images: dict[tuple[str, str], list[str]] = {}
    masks: list[tuple[tuple[str, str], Path]] = []
    for path in sorted(folder.rglob("*")):
        if not path.name.lower().endswith(IMAGE_SUFFIXES) or path.name.startswith("."):
            continue
        relative = PurePosixPath(path.relative_to(folder).as_posix())
        stem = relative.name.lower()
        for suffix in sorted(IMAGE_SUFFIXES, key=len, reverse=True):
            stem = stem.removesuffix(suffix)
        words = stem.replace("-", "_").replace(".", "_").split("_")
        parents = [part for part in relative.parts[:-1] if part.lower() not in MASK_WORDS | IMAGE_WORDS]
        key = "/".join(parents), "_".join(word for word in words if word not in MASK_WORDS | IMAGE_WORDS)
        is_mask = bool(MASK_WORDS & set(words)) or any(part.lower() in MASK_WORDS for part in relative.parts[:-1])
        if is_mask:
            masks.append((key, path))
        else:
            images.setdefault(key, []).append(relative.as_posix())
    pairs: dict[str, list[Path]] = {name: [] for names in images.values() for name in names}
    for key, path in masks:
        found = images.get(key) or [name for (place, _), names in images.items() if place == key[0] for name in names]
        if len(found) != 1:
            count = "no image" if not found else f"{len(found)} images"
            raise UserError(f"The mask {path.name} goes with {count}. Name them alike, such as a_image.nrrd and a_mask.nrrd.")
        pairs[found[0]].append(path)
    return {name: tuple(paths) for name, paths in pairs.items()}
