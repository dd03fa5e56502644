"""The simulated source tree: hospitals of a multi-centre study, and the truth about them.

The story is that of UNIRIV: PET/CT before the first treatment of lung cancer, linked to biology and outcome. See
`docs/simulation.md` for the tree and `simulation.invented_persons` for what is planted.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from unibase.simulation import omop_export
from unibase.simulation.assay_files import (
    make_genes,
)
from unibase.simulation.breaking import Breaker
from unibase.simulation.invented_persons import Person, centre_names, make_person
from unibase.simulation.planting import plant_misplaced, plant_wrong_links
from unibase.simulation.tree import DEFAULT, Options, Tree
from unibase.simulation.truth import ASSOCIATIONS
from unibase.simulation.written_study import ask_for_volumes, write_study


def simulate(out: Path, options: Options = DEFAULT, **changes: Any) -> None:
    """Write a simulated source tree, with its study file and its truth.

    Args:
        out: Folder to make; it must not exist, or be empty.
        options: What the tree holds.
        changes: Fields of `Options`, by name, that are other than in `options`.

    Raises:
        FileExistsError: If `out` holds files already.
        ValueError: If an option is out of range.

    Example:
        >>> simulate(getfixture("tmp_path") / "tree", persons=2, genes=20, imaging=False, broken=False)
        >>> (getfixture("tmp_path") / "tree" / "study.yaml").exists()
        True
    """
    options = replace(options, **changes)
    if options.persons < 1 or not 1 <= options.centres <= 702 or options.genes < 1 or not 0 <= options.wrong_links <= 1:
        raise ValueError("persons and genes are at least 1, centres from 1 to 702, wrong links from 0 to 1")
    out = Path(out)
    if out.exists() and any(out.iterdir()):
        raise FileExistsError(f"{out} is not empty; name a new folder")
    out.mkdir(parents=True, exist_ok=True)
    _fill(Tree(out, options))
    write_study(out, centre_names(options.centres), options.imaging, options.misplaced)
    if options.imaging and options.acquisitions:
        ask_for_volumes(out)
    (out / "truth" / "simulation.json").write_text(json.dumps({**asdict(options), "added": 0}, indent=2) + "\n", encoding="utf-8")


def _fill(tree: Tree) -> None:
    """Write all persons of a tree, what is broken and planted in it, and its truth."""
    options = tree.options
    for name in tree.names:
        centre = tree.centre(name)
        if centre.format == "omop":
            centre.clinical.write(omop_export.concept_rows(name))
    # A person is a function of seed and number, so none needs to stay in memory but those that get broken inputs.
    early: list[Person] = []
    for index in range(options.persons):
        person = make_person(options.seed, index, tree.names)
        tree.add(person)
        if index < 60:
            early.append(person)
        else:
            tree.truth.settle(person)
    for latent, modality, variable, direction, effect, scale in ASSOCIATIONS:
        tree.truth.add(
            "associations", latent=latent, modality=modality, variable=variable, direction=direction, effect=effect, scale=scale
        )
    if options.broken:
        Breaker(tree, early).break_inputs()
    if options.wrong_links:
        plant_wrong_links(tree)
    if options.misplaced:
        plant_misplaced(tree)
    tree.close()


def add_person(out: Path, seed: int | None = None) -> str:
    """Add exactly one new patient of centre A to a tree, as a night brings: new DICOM files, rows and matrices.

    CSV files grow at their end; counts and mutations come as a file more (`counts_2.tsv.gz`, `mutations_2.maf.gz`), which
    the patterns of the study file include. The person has every modality and is nobody of before.

    Args:
        out: A tree that `simulate` made.
        seed: Seed of the new person; by default the tree's.

    Returns:
        The person's name in the truth tables.
    """
    record_path = Path(out) / "truth" / "simulation.json"
    record = json.loads(record_path.read_text(encoding="utf-8"))
    added = record.pop("added")
    options = Options(**record)
    if seed is not None:
        options = Options(**{**record, "seed": seed})
    index = -(-(options.persons + added) // 20) * 20 + added * 20
    # Multiples of 20 have no special role: an ordinary patient with every modality.
    tree = Tree(Path(out), options)
    tree.genes = make_genes(record["seed"], options.genes)
    person = make_person(options.seed, index, tree.names, home=tree.names[0])
    tree.add(person)
    tree.close(f"_{added + 2}")
    record_path.write_text(json.dumps({**record, "added": added + 1}, indent=2) + "\n", encoding="utf-8")
    return person.name
