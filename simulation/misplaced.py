"""Samples that are not their person's, planted: one library under two names, arrays exchanged, tumours exchanged.

Beside the counts of every centre this writes methylation arrays of its tumour samples and the tables of `somalier
relate` over tumour and normal DNA of some patients. What is planted keeps to persons of one sex where the sex would tell it,
so that each check is tried alone.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unibase.simulation.seeds import stream

PROBES = 1200
X_PROBES = 300
MOST_GENOTYPED = 30
"""Patients of a centre with genotypes: pairs grow with the square."""
REREAD = 0.6
"""Share of the reads that a second sequencing of a library brings."""
ARRAY_NOISE = 0.015
"""Standard deviation of beta between two arrays of one sample."""


@dataclass(frozen=True)
class Planted:
    """A sample that is not what its sheet says, and the sample whose material it is."""

    kind: str
    sample: str
    person: str
    other: str
    other_person: str


@dataclass(frozen=True)
class Donor:
    """A tumour sample with expression: its name, person, the person's sex and number at the hospital, and its place among the counts."""

    sample: str
    person: str
    sex: str
    patient: str
    place: int


def sequenced_again(library: np.ndarray, under: Donor, seed: int) -> np.ndarray:
    """Return the counts of a second sequencing of a library, to stand under another's name.

    `library`: counts of the library, shape (genes,); `under`: whose name it gets; `seed`: seed of the tree.
    """
    drawn = stream(seed, "duplicate", under.sample).binomial(library, REREAD)
    return drawn.astype(np.int32)


def same_sex(donors: Sequence[Donor]) -> Iterator[tuple[Donor, Donor]]:
    """Yield pairs of donors of one sex; no donor twice."""
    waiting: dict[str, Donor] = {}
    for donor in donors:
        first = waiting.pop(donor.sex, None)
        if first is None:
            waiting[donor.sex] = donor
        else:
            yield first, donor


def write_methylation(folder: Path, donors: Sequence[Donor], seed: int) -> list[Planted]:
    """Write `methylation.csv.gz` (beta values) and `probes.csv`; two arrays of opposite sexes are exchanged, one is a second array
    of another's sample.

    Args:
        folder: The folder.
        donors: Who gave the samples.
        seed: Seed of the tree.
    """
    betas = {donor.sample: _betas(donor, seed) for donor in donors}
    planted = []
    woman = next((donor for donor in donors if donor.sex == "F"), None)
    man = next((donor for donor in donors if donor.sex == "M"), None)
    if woman and man:
        betas[woman.sample], betas[man.sample] = betas[man.sample], betas[woman.sample]
        for one, other in ((woman, man), (man, woman)):
            planted.append(Planted("methylation-sex", one.sample, one.person, other.sample, other.person))
    pair = next(same_sex([donor for donor in donors if donor not in (woman, man)]), None)
    if pair:
        of, under = pair
        noise = stream(seed, "array", under.sample).normal(0, ARRAY_NOISE, PROBES)
        betas[under.sample] = np.clip(betas[of.sample] + noise, 0.001, 0.999)
        planted.append(Planted("methylation-duplicate", under.sample, under.person, of.sample, of.person))
    _write_arrays(folder, betas)
    return planted


def _write_arrays(folder: Path, betas: dict[str, np.ndarray]) -> None:
    """Write beta values, shape (probes,) a sample, and where each probe lies."""
    names = list(betas)
    with gzip.GzipFile(folder / "methylation.csv.gz", "wb", compresslevel=4, mtime=0) as file:
        file.write(("probe," + ",".join(names) + "\n").encode())
        for probe, row in enumerate(np.column_stack(list(betas.values()))):
            file.write((f"cg{probe:08d}," + ",".join(f"{value:.4f}" for value in row) + "\n").encode())
    with (folder / "probes.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("IlmnID", "CHR"))
        writer.writerows((f"cg{probe:08d}", "X" if probe < X_PROBES else str(probe % 22 + 1)) for probe in range(PROBES))


def _betas(donor: Donor, seed: int) -> np.ndarray:
    """Return beta values: probes are on, off or between, each person departs from that; one X of a woman is silent, half methylated."""
    common = stream(seed, "probes")
    level = common.choice([-2.5, 0.0, 2.5], PROBES, p=[0.4, 0.2, 0.4])
    spread = common.gamma(2.0, 0.6, PROBES)
    rng = stream(seed, "beta", donor.sample)
    logit = level + spread * rng.standard_normal(PROBES)
    if donor.sex == "F":
        logit[:X_PROBES] = rng.normal(0.0, 0.6, X_PROBES)
    else:
        logit[:X_PROBES] = np.where(level[:X_PROBES] > 0, 2.5, -2.5) + rng.normal(0.0, 0.6, X_PROBES)
    return np.asarray(np.clip(1 / (1 + np.exp(-logit)), 0.001, 0.999))


def write_genotypes(folder: Path, donors: Sequence[Donor], twins: set[frozenset[str]], seed: int) -> list[Planted]:
    """Write what `somalier relate` writes of tumour and normal DNA (`somalier.pairs.tsv`, `somalier.samples.tsv`) and their sheet
    (`genotypes.csv`); the tumours of two patients of one sex are exchanged.

    Args:
        folder: The folder.
        donors: Who gave the samples.
        twins: Pairs of identifiers that are identical twins.
        seed: Seed of the tree.
    """
    chosen = list(donors[:MOST_GENOTYPED])
    is_of = {f"{donor.sample}{kind}": donor for donor in chosen for kind in ("-T", "-N")}
    planted = []
    pair = next(same_sex(chosen), None)
    if pair:
        one, other = pair
        is_of[f"{one.sample}-T"], is_of[f"{other.sample}-T"] = other, one
        planted.append(Planted("genotype", f"{one.sample}-T", one.person, f"{other.sample}-T", other.person))
        planted.append(Planted("genotype", f"{other.sample}-T", other.person, f"{one.sample}-T", one.person))
    with (folder / "genotypes.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("sample", "patient"))
        writer.writerows((f"{donor.sample}{kind}", donor.patient) for donor in chosen for kind in ("-T", "-N"))
    _write_pairs(folder / "somalier.pairs.tsv", is_of, twins, stream(seed, "genotypes", folder.parent.name))
    with (folder / "somalier.samples.tsv").open("w", encoding="utf-8") as file:
        file.write("#family_id\tsample_id\tpaternal_id\tmaternal_id\tsex\tphenotype\n")
        for name, donor in is_of.items():
            file.write(f"{name}\t{name}\t-9\t-9\t{1 if donor.sex == 'M' else 2}\t-9\n")
    return planted


def _write_pairs(path: Path, is_of: dict[str, Donor], twins: set[frozenset[str]], rng: np.random.Generator) -> None:
    names = list(is_of)
    with path.open("w", encoding="utf-8") as file:
        file.write("#sample_a\tsample_b\trelatedness\tibs0\tibs2\thom_concordance\tn\n")
        for i, a in enumerate(names):
            for b in names[i + 1 :]:
                persons = frozenset((is_of[a].person, is_of[b].person))
                if len(persons) == 1:
                    related, ibs0, ibs2, concordance = rng.normal(0.97, 0.01), 0, 16000, rng.normal(0.98, 0.005)
                else:
                    related = rng.normal(0.5 if persons in twins else 0.0, 0.03)
                    ibs0, ibs2, concordance = (500, 9000, 0.6) if persons in twins else (1700, 6500, rng.normal(0.1, 0.05))
                file.write(f"{a}\t{b}\t{related:.3f}\t{ibs0}\t{ibs2}\t{concordance:.3f}\t16500\n")
