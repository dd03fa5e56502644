"""`unibase features` over plain files, without a study; apart, because its options are those that imaging declares."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from unibase.flows.cli.app import app
from unibase.flows.cli.declared import options_of, takes_options
from unibase.imaging.options import Choices


@app.command
@takes_options(Choices, several="each")
def features(
    source: Path,
    out: Path,
    *,
    settings: Path | None = None,
    mask: Path | None = None,
    region: list[str] | None = None,
    regions_csv: Path | None = None,
    robustness: Path | None = None,
    pictures: Path | None = None,
    diagnostics: Path | None = None,
    verdicts: Path | None = None,
    pet_table: Path | None = None,
    workers: Annotated[int, Parameter(validator=Number(gte=1))] = 1,
    **chosen: object,
) -> object:
    """Extract radiomic features from DICOM with RTSTRUCT or SEG, or from NIfTI, NRRD or MetaImage files with masks.

    Example: `unibase features scans/ features.parquet --settings params.yaml --region "GTV=gtv.*" --shell 0-5`

    Args:
        source: Folder of files; a list (CSV with the columns Image and Mask, and Label; others are kept); or one image
            when --mask is given.
        out: Table to write: Parquet, or CSV when the name ends in .csv. A run that was killed goes on where it stopped, from what `<out>.work` holds.
        settings: A PyRadiomics parameter file; PyRadiomics' defaults when absent.
        mask: Mask of the one image.
        region: TARGET=PATTERN: regions whose whole name matches, whatever the case; several times. Without it each has
            its own name.
        regions_csv: CSV to write with every match and miss of names of regions. It holds names as the files have them.
        robustness: Measure on perturbed copies how stable each feature is, and write the table to this Parquet file.
        pictures: Folder for a picture of each region on its image and a contact sheet, the most suspect first.
        diagnostics: Write PyRadiomics' `diagnostics_` of every region to this table: Parquet, or CSV by its name.
        verdicts: CSV of what a reviewer decided of masks: source_digest (of the contact sheet) and verdict (keep,
            refuse, wrong-side).
        pet_table: CSV with weight, dose and time of injection of PET whose header lacks them (docs/imaging.md).
        workers: Processes that measure; 1 measures in this one.
    """
    from unibase.flows.cli.plain_features import FeatureCommand, features_of

    asked = FeatureCommand(
        out, settings, options_of(Choices, chosen), region, regions_csv, robustness, pictures, verdicts, workers
    )
    return features_of((source, mask) if mask else source, replace(asked, pet_table=pet_table, diagnostics=diagnostics))
