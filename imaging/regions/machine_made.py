"""How a mask that a model made is marked: a `dataset.json` beside it, in nnU-Net's words for the labels and ours for the rest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from unibase.groundwork.files import write_json
from unibase.imaging.dicom.volume import Volume
from unibase.imaging.regions.about import MACHINE, About
from unibase.imaging.regions.mask import Roi

FILE = "dataset.json"
_KEY = "made_by"


@dataclass(frozen=True)
class Made:
    """What made the masks of a folder.

    Attributes:
        segmenter: Name of the model in the study file.
        version: Its version, as the study file says it.
        weights: SHA-256 of its weights; empty where the study file names none.
        labels: Name of each value.
        volumes: File of the folder to the digest of the volume that it was made on.
    """

    segmenter: str
    version: str
    weights: str
    labels: Mapping[int, str]
    volumes: Mapping[str, str] = field(default_factory=dict)

    @property
    def model(self) -> str:
        """Name, version and weights in a line.

        Example:
            >>> Made("liver-net", "1.2", "ab" * 32, {}).model
            'liver-net 1.2 (weights abababababab)'
        """
        return f"{self.segmenter} {self.version}" + (f" (weights {self.weights[:12]})" if self.weights else "")

    def name_of(self, label: int) -> str:
        """Return how the region of a `label` is named: never as people name theirs."""
        return f"{self.segmenter}:{self.labels[label]}"


def write_made(made: Made, folder: Path) -> None:
    """Write what made the masks of a folder.

    Args:
        made: What made them.
        folder: The folder.
    """
    labels = {"background": 0, **{made.name_of(value): value for value in sorted(made.labels)}}
    write_json(folder / FILE, {"labels": labels, _KEY: asdict(made)})


def made_of(mask: Path) -> Made | None:
    """Return what made a mask; None for one that is not of a model that we ran.

    Args:
        mask: The mask file.
    """
    file = mask.parent / FILE
    if not file.is_file():
        return None
    told = json.loads(file.read_text(encoding="utf-8")).get(_KEY)
    return None if told is None else Made(**{**told, "labels": {int(key): name for key, name in told["labels"].items()}})


def marked(roi: Roi, made: Made, mask: Path, volume: Volume) -> Roi:
    """Return a region with the mark of the model that made it.

    Args:
        roi: The region.
        made: What made it.
        mask: Its file.
        volume: The image that it is opened on.
    """
    about = About(label=made.segmenter, algorithm=MACHINE, model=made.model)
    return replace(roi, about=about, drawn_here=made.volumes.get(mask.name) == volume.digest)
