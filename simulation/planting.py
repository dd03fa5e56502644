"""Plants what links wrongly: samples, series and libraries under the wrong person."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from unibase.simulation.misplaced import Donor, Planted, same_sex, sequenced_again, write_genotypes, write_methylation
from unibase.simulation.tree import Tree
from unibase.simulation.wrong_links import exchange_patients, exchange_series


def plant_wrong_links(tree: Tree) -> None:
    """Give a share of the samples and series of each centre to another patient; the truth lists them.

    Args:
        tree: The tree that is being written.
    """
    person_of = {row["sample"]: row["person"] for row in tree.truth.rows["samples"]}
    for number, name in enumerate(tree.names):
        generator = np.random.default_rng([tree.options.seed, 7, number])
        for link in exchange_patients(tree.centre(name).samples.sheet, person_of, tree.options.wrong_links, generator):
            tree.truth.add("wrong_links", centre=name, **link._asdict())
        images = [row for row in tree.truth.rows["imaging"] if row["centre"] == name]
        generator = np.random.default_rng([tree.options.seed, 8, number])
        for series in exchange_series(tree.out, images, tree.options.wrong_links, generator):
            tree.truth.add("wrong_series", centre=name, **series._asdict())


def plant_misplaced(tree: Tree) -> None:
    """Plant, in each centre, a library under two names, exchanged arrays and exchanged tumours; and a library under names of two centres.

    Args:
        tree: The tree that is being written.
    """
    seed, truth = tree.options.seed, tree.truth.rows
    persons = {row["person"]: row for row in truth["persons"]}
    twins = {frozenset((name, row["twin_of"])) for name, row in persons.items() if row["twin_of"]}
    free = {row["sample"]: row["person"] for row in truth["samples"] if row["in_rna"] and not row["swapped_with"]}
    planted: list[Planted] = []
    spare: list[tuple[str, Donor]] = []
    for name in tree.names:
        samples, folder = tree.centre(name).samples, tree.centre(name).folder / "omics"
        folder.mkdir(parents=True, exist_ok=True)
        place = {sample: at for at, sample in enumerate(samples.names)}
        donors = [
            Donor(row["sample"], free[row["sample"]], persons[free[row["sample"]]]["sex"], row["patient"], place[row["sample"]])
            for row in samples.sheet
            if row["sample"] in free and row["sample_type"] == "tumour" and samples.counts[place[row["sample"]]].any()
        ]
        pairs = same_sex(donors)
        if pair := next(pairs, None):
            of, under = pair
            samples.counts[under.place] = sequenced_again(samples.counts[of.place], under, seed)
            planted.append(Planted("duplicate", under.sample, under.person, of.sample, of.person))
        spare += [(name, donor) for pair in pairs for donor in pair[:1]]
        planted += write_methylation(folder, donors, seed)
        planted += write_genotypes(folder, donors, twins, seed)
    planted += _across_centres(tree, spare)
    for one in planted:
        tree.truth.add("misplaced", **asdict(one))


def _across_centres(tree: Tree, spare: list[tuple[str, Donor]]) -> list[Planted]:
    """Put a library of one centre among those of another, under the name of a patient of the same sex."""
    for at, (centre, of) in enumerate(spare):
        for other, under in spare[at + 1 :]:
            if other != centre and of.sex == under.sex:
                library = tree.centre(centre).samples.counts[of.place]
                tree.centre(other).samples.counts[under.place] = sequenced_again(library, under, tree.options.seed)
                return [Planted("duplicate", under.sample, under.person, of.sample, of.person)]
    return []
