"""The persons of a cohort: latent variables, clinical course, and their registrations in the centres.

Person `i` of a seed is a function of the seed and `i` alone, so a person can be added to a tree later without
changing the others. Four latent variables drive everything that a correct pipeline can find again:

- `burden`: tumour size on CT, stage, LDH, size genes, hazard;
- `heterogeneity`: texture amplitude on CT and PET, uptake, signature genes, TP53, hazard;
- `inflammation`: CRP, albumin, haemoglobin;
- `immunity`: immune genes, lower hazard.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np

from unibase.simulation.invented_identities import FAMILY_NAMES, Identity, as_twin, draw_identity, with_typo, without_accents
from unibase.simulation.seeds import stream

STUDY_END = date(2025, 6, 30)
FORMATS = ("omop", "fhir", "osiris-rwd")
CYCLE_DAYS = 21
ROLES = 20
"""Special roles (two centres, a missing modality) repeat every so many persons."""


@dataclass(frozen=True)
class Latents:
    """The hidden variables of one person, each standard normal."""

    burden: float
    heterogeneity: float
    inflammation: float
    immunity: float

    @property
    def log_hazard(self) -> float:
        """Log hazard ratio of death, against a person whose latent variables are all 0."""
        return 0.9 * self.burden + 0.7 * self.heterogeneity - 0.4 * self.immunity


@dataclass(frozen=True)
class Lab:
    """One laboratory result."""

    loinc: str
    day: date
    value: float
    unit: str


@dataclass(frozen=True)
class Course:
    """What happened to one person, in true dates; None is: it did not happen, or not before the last contact."""

    diagnosis: date
    icd10: str
    morphology: str
    laterality: str
    stage: str
    tnm: tuple[str, str, str]
    tumour_mm: float
    imaging: date | None
    has_pet: bool
    follow_up_imaging: date | None
    sample: date | None
    later_sample: date | None
    has_rna: bool
    has_mutations: bool
    treatment: date | None
    cycles: tuple[date, ...]
    drugs: tuple[str, ...]
    progression: date | None
    death: date | None
    last_contact: date
    height_cm: float
    weight_kg: float
    labs: tuple[Lab, ...]
    late_labs: tuple[Lab, ...]


@dataclass(frozen=True)
class Registration:
    """One person in one centre.

    Attributes:
        centre: Name of the centre.
        ipp: Hospital number, as every file of the centre writes it.
        identity: The traits as this centre writes them.
        primary: Whether the person's main course is recorded here; else a second centre with a few records.
        variant: How the identity differs from the true one; empty when it does not.
    """

    centre: str
    ipp: str
    identity: Identity
    primary: bool
    variant: str


@dataclass(frozen=True)
class Person:
    """One invented person with everything that is true of it."""

    index: int
    twin_of: int | None
    identity: Identity
    latents: Latents
    course: Course
    registrations: tuple[Registration, ...]

    @property
    def name(self) -> str:
        """Name of the person in the truth tables."""
        return f"P{self.index:06d}"


DRUGS = {
    "L01FF02": "pembrolizumab",
    "L01XA01": "cisplatin",
    "L01XA02": "carboplatin",
    "L01BA04": "pemetrexed",
    "L01CD01": "paclitaxel",
}
LABS = {
    "14804-9": ("LDH", "U/L"),
    "718-7": ("Hémoglobine", "g/dL"),
    "1751-7": ("Albumine", "g/L"),
    "1988-5": ("Protéine C réactive", "mg/L"),
}
STAGES = {
    "IA": ("cT1", "cN0", "cM0"),
    "IB": ("cT2a", "cN0", "cM0"),
    "IIA": ("cT2b", "cN0", "cM0"),
    "IIB": ("cT3", "cN0", "cM0"),
    "IIIA": ("cT3", "cN1", "cM0"),
    "IIIB": ("cT4", "cN2", "cM0"),
    "IVA": ("cT4", "cN2", "cM1a"),
    "IVB": ("cT4", "cN3", "cM1c"),
}


def centre_names(count: int) -> tuple[str, ...]:
    """Return A, B, ..., Z, AA, AB, ... for `count` centres.

    >>> centre_names(28)[-3:]
    ('Z', 'AA', 'AB')
    """
    letters = [chr(ord("A") + k) for k in range(26)]
    return tuple((letters + [a + b for a in letters for b in letters])[:count])


def centre_format(centre: str) -> str:
    """Return the clinical format of a centre: the three formats in turn.

    >>> [centre_format(centre) for centre in ("A", "B", "C")]
    ['omop', 'fhir', 'osiris-rwd']
    """
    letters = [ord(letter) - ord("A") for letter in centre]
    position = letters[0] if len(letters) == 1 else 26 + 26 * letters[0] + letters[1]
    return FORMATS[position % len(FORMATS)]


def _hospital_number(centre: str, index: int) -> str:
    """Return the hospital number of a person in a centre, each format of centre with its own habits (leading zeros too).

    `centre`: name of the centre; `index`: number of the person in the centre.
    """
    serial = (index * 7919 + 104_729 + 31 * sum(ord(c) for c in centre)) % 9_999_991
    match centre_format(centre):
        case "omop":
            return f"8{serial:07d}"
        case "fhir":
            return f"IPP-{serial:08d}"
        case _:
            return f"00{serial:08d}"


def make_person(seed: int, index: int, centres: tuple[str, ...], home: str | None = None) -> Person:
    """Return person `index` of the cohort of `seed`.

    Args:
        seed: Seed of the cohort.
        index: Number of the person, from 0.
        centres: Names of the centres.
        home: Centre of the main course; by default the centres take turns.
    """
    rng = stream(seed, "person", index)
    role = index % ROLES
    identity = draw_identity(rng)
    twin = index - 1 if role == 18 and home is None else None
    if twin is not None:
        # Twins in two hospitals: all that records share but the given names and the INS.
        identity = as_twin(identity, draw_identity(stream(seed, "person", twin)))
    latents = Latents(*(float(value) for value in rng.standard_normal(4).clip(-2.5, 2.5)))
    course = _draw_course(rng, role, latents)
    centre = home or centres[index % len(centres)]
    registrations = [Registration(centre, _hospital_number(centre, index), identity, True, "")]
    if len(centres) > 1 and home is None and role in (3, 7, 11):
        other = centres[(centres.index(centre) + 1) % len(centres)]
        variant = {3: "same-ins", 7: "used-name-no-ins", 11: "typo-no-ins"}[role]
        registrations.append(Registration(other, _hospital_number(other, index), _spell(identity, variant, rng), False, variant))
    return Person(index, twin, identity, latents, course, tuple(registrations))


def _spell(identity: Identity, variant: str, rng: np.random.Generator) -> Identity:
    if variant == "same-ins":
        return replace(identity, given_names=without_accents(identity.first_name).upper())
    if variant == "used-name-no-ins":
        # A second centre that knows the person under another name in use, without accents, and holds no qualified INS.
        used = FAMILY_NAMES[int(rng.integers(len(FAMILY_NAMES)))]
        plain = without_accents(identity.birth_family_name)
        return replace(identity, ins="", birth_family_name=plain, used_family_name=without_accents(used))
    return replace(identity, ins="", given_names=with_typo(identity.first_name, rng))


@dataclass(frozen=True)
class _Ends:
    """How a course goes: when it starts, progresses and ends; None for what never happens."""

    diagnosis: date
    treatment: date
    imaging: date
    sample: date
    progression: date | None
    death: date | None
    last_contact: date


def _draw_ends(rng: np.random.Generator, latents: Latents) -> _Ends:
    diagnosis = date(2018, 1, 1) + _days(rng, 0, 365 * 5)
    treatment = diagnosis + _days(rng, 28, 49)
    imaging = treatment - _days(rng, 5, 26)
    sample = diagnosis - _days(rng, 0, 11)
    survival = rng.exponential(900.0 * np.exp(-latents.log_hazard))
    survival = int(np.clip(survival, 45, 6000))
    progressed = int(np.clip(survival * rng.uniform(0.35, 0.85), 30, 5500))
    end = min(treatment + timedelta(days=int(rng.integers(420, 1900))), STUDY_END)
    death = treatment + timedelta(days=survival)
    last_contact = min(death, end)
    progression = treatment + timedelta(days=progressed)
    progresses = progression + timedelta(days=4) < last_contact
    return _Ends(
        diagnosis,
        treatment,
        imaging,
        sample,
        progression if progresses else None,
        death if death <= end else None,
        last_contact,
    )


def _days(rng: np.random.Generator, low: int, high: int) -> timedelta:
    return timedelta(days=int(rng.integers(low, high)))


def _draw_course(rng: np.random.Generator, role: int, latents: Latents) -> Course:
    ends = _draw_ends(rng, latents)
    treatment, last_contact = ends.treatment, ends.last_contact
    treated = role != 15
    stage = _draw_stage(rng, latents)
    icd10 = ("C34.1", "C34.2", "C34.3", "C34.9")[int(rng.choice(4, p=[0.5, 0.1, 0.3, 0.1]))]
    adenocarcinoma = rng.random() < 0.65
    platinum = "L01XA01" if rng.random() < 0.5 else "L01XA02"
    drugs = ("L01FF02", platinum, "L01BA04" if adenocarcinoma else "L01CD01") if treated else ()
    cycles = _cycles(treatment, last_contact) if treated else ()
    height = float(np.round(rng.normal(170, 8)))
    weight = float(np.round(np.clip(rng.normal(72, 12), 42, 120), 1))
    labs = _draw_series(rng, latents, treatment, cycles)
    late = _draw_labs(rng, latents, min(treatment + timedelta(days=120), last_contact), 3.5)
    seen_again = role in (1, 12) and treatment + timedelta(days=95) < last_contact
    # A biopsy at progression lies after the index: a join that looks ahead would take it, for it is the latest.
    sampled_again = role in (6, 16) and treated and ends.progression is not None
    return Course(
        diagnosis=ends.diagnosis,
        icd10=icd10,
        morphology="8140/3" if adenocarcinoma else "8070/3",
        laterality="R" if rng.random() < 0.6 else "L",
        stage=stage,
        tnm=STAGES[stage],
        tumour_mm=round(2 * tumour_radius_mm(latents), 1),
        imaging=None if role == 5 else ends.imaging,
        has_pet=role not in (5, 13),
        follow_up_imaging=treatment + timedelta(days=90) if seen_again else None,
        sample=None if role == 9 else ends.sample,
        later_sample=ends.progression + timedelta(days=3) if sampled_again and ends.progression else None,
        has_rna=role not in (9, 19),
        has_mutations=role not in (9, 17),
        treatment=treatment if treated else None,
        cycles=cycles,
        drugs=drugs,
        progression=ends.progression,
        death=ends.death,
        last_contact=last_contact,
        height_cm=height,
        weight_kg=weight,
        labs=tuple(labs),
        late_labs=tuple(late),
    )


def _cycles(treatment: date, last_contact: date) -> tuple[date, ...]:
    return tuple(day for k in range(4) if (day := treatment + timedelta(days=CYCLE_DAYS * k)) < last_contact)


def _draw_stage(rng: np.random.Generator, latents: Latents) -> str:
    return list(STAGES)[int(np.clip(round(3.5 + 1.7 * latents.burden + rng.normal(0, 0.6)), 0, len(STAGES) - 1))]


def _draw_series(rng: np.random.Generator, latents: Latents, treatment: date, cycles: tuple[date, ...]) -> list[Lab]:
    labs = [*_draw_labs(rng, latents, treatment - _days(rng, 2, 13), 1.0)]
    # After the index LDH and CRP drift away from baseline: a join that looks ahead is caught by its values.
    for k, day in enumerate(cycles[1:], start=1):
        labs += _draw_labs(rng, latents, day - timedelta(days=1), 1.0 + 0.6 * k)
    return labs


def tumour_radius_mm(latents: Latents) -> float:
    """Return the radius of the tumour, in mm: log-linear in the burden.

    Args:
        latents: What the person is made of.

    >>> tumour_radius_mm(Latents(0.0, 0.0, 0.0, 0.0)) > 0
    True
    """
    return float(np.clip(16.0 * np.exp(0.25 * latents.burden), 9.0, 27.5))


def _draw_labs(rng: np.random.Generator, latents: Latents, day: date, drift: float) -> list[Lab]:
    ldh = 230.0 * np.exp(0.35 * latents.burden + 0.08 * rng.normal()) * drift
    crp = 12.0 * np.exp(0.8 * latents.inflammation + 0.2 * rng.normal()) * drift
    haemoglobin = 12.8 - 0.8 * latents.inflammation + 0.3 * rng.normal()
    albumin = 38.0 - 3.0 * latents.inflammation + 1.0 * rng.normal()
    values = {"14804-9": round(ldh), "718-7": round(haemoglobin, 1), "1751-7": round(albumin, 1), "1988-5": round(crp, 1)}
    return [Lab(loinc, day, float(value), LABS[loinc][1]) for loinc, value in values.items()]
