"""One run of a model's command on one volume, without a shell, with a bound of time and without the study's secrets."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from unibase.groundwork.problems import Unusable
from unibase.imaging.reasons import MODEL_FAILED, MODEL_TOO_SLOW
from unibase.imaging.segmenting.segmenters import PLACES

_PASSED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT")
_PASSED_FAMILIES = ("CUDA_", "NVIDIA_", "OMP_", "LD_", "PYTHON", "nnUNet_", "TOTALSEG_")
_IMAGE, _MASK = "case_0000.nii.gz", "case.nii.gz"
_SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".mha")


@dataclass(frozen=True)
class Command:
    """A model's command.

    Attributes:
        words: Program and arguments, with places.
        seconds: How long it may take.
        environment: Names of variables that it gets beside the usual ones.
    """

    words: tuple[str, ...]
    seconds: float
    environment: tuple[str, ...] = ()


def image_of(folder: Path) -> Path:
    """Return where the image of a run goes, its folder made. `folder`: of the run."""
    path = folder / "image" / _IMAGE
    path.parent.mkdir(parents=True)
    return path


def run_model(command: Command, folder: Path) -> Path:
    """Run a command on the image of a folder, and return the mask that it wrote.

    Args:
        command: The command.
        folder: Of the run; `image_of` says where its image is.

    Raises:
        Unusable: `model-failed` when it ends with an error or leaves no mask, `model-too-slow`.
        MemoryError: When the machine killed it.
    """
    masks = folder / "mask"
    masks.mkdir()
    places = dict(zip(PLACES, (folder / "image" / _IMAGE, folder / "image", masks / _MASK, masks), strict=True))
    code = _ended([_filled(word, places) for word in command.words], command, folder)
    if code == -signal.SIGKILL:
        raise MemoryError("the model was killed")
    if code:
        raise Unusable(MODEL_FAILED, f"The model ended with code {code}.")
    return _only_mask(masks)


def _filled(word: str, places: Mapping[str, Path]) -> str:
    for name, path in places.items():
        word = word.replace(name, str(path))
    return word


def _ended(words: Sequence[str], command: Command, folder: Path) -> int:
    """Run a program to its end and return its code; with it end the programs that it started."""
    with (folder / "log.txt").open("wb") as log:
        started = subprocess.Popen(
            words,
            cwd=folder,
            env=dict(_environment(command.environment)),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return started.wait(command.seconds)
        except subprocess.TimeoutExpired:
            raise Unusable(MODEL_TOO_SLOW, f"The model took more than {command.seconds / 60:g} minutes.") from None
        finally:
            # What it left running would write into a folder that is judged, or hold the processor card.
            with suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGKILL)
            started.wait()


def _environment(further: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the variables that a model gets: none that may hold a key or a password, unless the study names it."""
    for name, text in os.environ.items():
        if name in (*_PASSED, *further) or name.startswith(_PASSED_FAMILIES):
            yield name, text


def _only_mask(folder: Path) -> Path:
    """Return the mask that a run left: where it was asked to go, else the one image that is there.

    Raises:
        Unusable: `model-failed`.
    """
    if (folder / _MASK).is_file():
        return folder / _MASK
    found = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name.lower().endswith(_SUFFIXES)]
    if len(found) != 1:
        raise Unusable(MODEL_FAILED, f"The model ended well and left {len(found) or 'no'} label images; one was expected.")
    return found[0]
