"""What a unit leaves beside its features where it is asked for: how its masks look, PyRadiomics' diagnostics, and maps of features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from unibase.imaging.dicom.volume import Volume
from unibase.imaging.looks.unit import look_at, write_looks
from unibase.imaging.radiomics.diagnostics import diagnostic_rows, write_diagnostics
from unibase.imaging.radiomics.maps import map_rows, write_map_rows
from unibase.imaging.radiomics.selection import Region
from unibase.imaging.radiomics.task import FeatureTask
from unibase.imaging.regions.mask import Mask

Rows = list[dict[str, object]]


@dataclass
class Beside:
    """Rows of the tables beside the features of one series.

    Attributes:
        task: The unit.
        looks: Rows of LOOKS.
        diagnostics: Rows of DIAGNOSTICS.
        maps: Rows of MAPS.
    """

    task: FeatureTask
    looks: Rows = field(default_factory=list)
    diagnostics: Rows = field(default_factory=list)
    maps: Rows = field(default_factory=list)

    def add(self, volume: Volume, regions: Sequence[tuple[Region, Mask]], told: Rows) -> None:
        """Add what is asked for of the regions of one volume.

        Args:
            volume: The image.
            regions: What was read on it.
            told: What cannot be had is added, as entries of the unit's result.
        """
        if self.task.choices.pictures:
            self.looks += look_at(self.task, volume, regions, len(self.looks))
        if self.task.choices.diagnostics:
            self.diagnostics += diagnostic_rows(self.task, volume, regions, told)
        if self.task.maps is not None:
            self.maps += map_rows(self.task, volume, regions, told)

    def write(self) -> list[str]:
        """Write the tables that are asked for; return all files of the unit but its features, relative to their folder."""
        files: list[Path] = []
        if self.task.choices.pictures:
            files += write_looks(self.task, self.looks)
        if self.task.choices.diagnostics:
            files.append(write_diagnostics(self.task, self.diagnostics))
        if self.task.maps is not None:
            files += write_map_rows(self.task, self.maps)
        return sorted(path.relative_to(self.task.destination.parent).as_posix() for path in files)
