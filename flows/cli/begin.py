"""Commands to begin with: a study file for what a hospital has, and a simulated tree to try."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from unibase.flows.cli.app import app
from unibase.groundwork.problems import UserError


@app.command
def init(folder: Path, *, index: str = "treatment_start") -> None:
    """Look at a folder of hospital files, and write a commented study file and a key for it.

    What it is sure of it writes, with why; what it could not tell it says. It changes nothing that is there. Where records or
    images fill the folder as a whole, the study stands beside it, in `FOLDER-study`.

    Example: `unibase init hospital/`

    Args:
        folder: Folder with DICOM, OMOP, FHIR, MEDS, OSIRIS or OSIRIS-RWD, people files, sample sheets and matrices at any depth.
        index: Concept of the index event.
    """
    from unibase.flows.looks.survey import study_text, survey
    from unibase.groundwork.files import write_text
    from unibase.privacy.keys import new_key, write_key_file

    if not folder.is_dir():
        raise UserError(f"No folder at {folder}. Name the folder that holds the hospital's files.")
    found = survey(folder)
    if not any(found):
        told = [text for one in found for text in one.unknown]
        raise UserError(
            "\n".join(
                [
                    *told,
                    f"{folder} holds no DICOM, no records, no people file and no matrix that can be told. Name another folder.",
                ]
            )
        )
    # What is read may not be written into: there the study stands beside.
    full = folder.resolve()
    home = full.with_name(f"{full.name}-study") if any(one.fills(folder) for one in found) else folder
    study = home / "study.yaml"
    if study.exists():
        raise UserError(f"{study} is there already. Look at it with: unibase check {study}")
    home.mkdir(mode=0o700, exist_ok=True)
    write_text(study, study_text(folder, found, index, home))
    if not (home / "study.key").exists():
        write_key_file(new_key(), home / "study.key")
    for one in found:
        for text in one.unknown:
            print(f"{one.name}: {text}")
    centres = ", ".join(one.name for one in found if one)
    print(f"{study} and {home / 'study.key'} are written for {centres}. Next: unibase check {study}")


@dataclass(frozen=True)
class Tree:
    """What a simulated tree holds."""

    persons: int = 20
    """How many persons, up to thousands; at least 20 with broken inputs, which take so many to be of every kind."""
    seed: int = 2026
    """Same seed and options, same bytes."""
    centres: int = 3
    """How many centres; the source formats take turns."""
    broken: bool = True
    """Break some inputs on purpose."""
    imaging: bool = True
    """Write DICOM; without it thousands of persons take seconds."""
    wrong_links: float = 0.0
    """Share of the samples, 0 to 1, that the sample sheets give to another patient, and of the image series that bear another
    patient's number."""
    misplaced: bool = False
    """Write methylation arrays and somalier's tables as well, and plant samples that are not their person's."""
    acquisitions: bool = False
    """Give each person with images series of several volumes as well: CT in three phases, diffusion, dynamic MR, gated PET."""


DEFAULT_TREE = Tree()
WITH_BROKEN = 20
"""Fewest persons that hold every kind of broken input."""


@app.command
def simulate(out: Path, *, tree: Annotated[Tree, Parameter(name="*")] = DEFAULT_TREE, resume: bool = False) -> None:
    """Write simulated hospitals with known truth, and a study file ready to build.

    Example: `unibase simulate demo`

    Args:
        out: Folder to make.
        tree: What it holds.
        resume: Leave an existing tree as it is.
    """
    if resume and (out / "study.yaml").exists():
        print(f"{out} is there already.", file=sys.stderr)
        return
    if tree.broken and tree.persons < WITH_BROKEN:
        raise UserError(
            f"{tree.persons} persons cannot hold every kind of broken input. Ask for {WITH_BROKEN} or more (--persons), or for none "
            "broken (--no-broken)."
        )
    from unibase.flows.runs.demo import write_demo
    from unibase.simulation.tree import Options

    try:
        write_demo(out, Options(**asdict(tree)))
    except FileExistsError:
        way = "give --resume to leave it as it is" if (out / "study.yaml").exists() else "empty this one"
        raise UserError(f"{out} holds files already. Choose another folder, or {way}.") from None
    except ValueError as error:
        raise UserError(f"{error}. Mend the option.") from None
    print(f"{out}/study.yaml is ready. Next: unibase build {out}/study.yaml")
