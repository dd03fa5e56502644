"""OSIRIS-RWD 2025-2 minimum data set of one centre: one CSV per item group, dates YYYY/MM/DD, some of them partial.

Columns are the items of the groups in the guide's order, in ASCII. A partial date is written 2021/03, 2021 or
2021/03/UN. Laboratory results are group 19 (measures), with their LOINC code and the nomenclature named.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from unibase.simulation.invented_persons import DRUGS, Person, Registration
from unibase.simulation.tables import Row

COLUMNS: dict[str, tuple[str, ...]] = {
    "01_identification": ("numero_patient", "finess", "date_naissance", "sexe"),
    "02_information_non_opposition": ("numero_patient", "information_patient", "date_information", "non_opposition", "date_opposition"),
    "04_statut_vital": (
        "numero_patient", "statut_vital", "source_statut_vital", "date_mise_a_jour", "date_derniere_venue", "date_dernier_contact",
        "date_deces",
    ),
    "08_tumeur_primitive": (
        "numero_patient", "occurrence_cancer", "prise_en_charge", "date_diagnostic", "methode_diagnostic", "lieu_diagnostic",
        "code_cim10", "code_topographique", "code_morphologique", "lateralite", "taille_mm", "date_taille", "methode_taille", "t", "n", "m",
        "type_tnm", "type_stade", "stade",
    ),
    "09_evenement_tumoral": (
        "numero_patient", "type_evenement", "date_evocation", "date_diagnostic", "code_morphologique", "code_topographique_metastase",
        "date_metastase", "investigations",
    ),
    "10_etat_general": ("numero_patient", "type_mesure", "valeur", "date_mesure"),
    "12_traitement_medical": (
        "numero_patient", "code_atc", "nom_molecule", "lieu_administration", "source_information", "date_administration", "essai_clinique",
        "acces_precoce",
    ),
    "14_progression": ("numero_patient", "progression", "date_progression"),
    "15_imagerie": ("numero_patient", "date_examen", "heure_examen", "modalite", "topographie", "lieu", "source_information", "lien_dicom"),
    "16_prelevement": (
        "numero_patient", "identifiant_prelevement", "lieu_conservation", "date_prelevement", "type_prelevement", "nature_prelevement",
        "topographie",
    ),
    "19_mesure": ("numero_patient", "type_mesure", "nomenclature", "unite", "date_mesure", "valeur", "source_information"),
}  # fmt: skip


def _written(day: date, precision: str) -> str:
    """Return a date as the data set writes it, cut to what is known: day, month, year, or month with an unknown day.

    Args:
        day: The day.
        precision: How much is known: day, month, year, or month with an unknown day.
    """
    match precision:
        case "day":
            return f"{day:%Y/%m/%d}"
        case "month":
            return f"{day:%Y/%m}"
        case "month-un":
            return f"{day:%Y/%m}/UN"
        case "year":
            return f"{day:%Y}"
    raise ValueError(precision)


def precision_of(person: Person, event: str) -> str:
    """Return how precisely the centre knows an event's date; which persons are vague is fixed by their number.

    Args:
        person: The simulated person.
        event: Name of the event.
    """
    vague: dict[tuple[int, str], str] = {
        (2, "diagnosis"): "month", (8, "diagnosis"): "year", (11, "diagnosis"): "month-un", (14, "treatment"): "month-un",
        (17, "progression"): "month", (5, "last_contact"): "month", (2, "lab"): "month",
    }  # fmt: skip
    return vague.get((person.index % 20, event), "day")


def person_rows(
    person: Person, registration: Registration, sample: str | None, finess: str, study_uid: str | None
) -> Iterator[Row]:
    """Yield every row of one person in one centre.

    Args:
        person: The simulated person.
        registration: The person's registration in the centre.
        sample: Name of the sample, or None without one.
        finess: FINESS number of the hospital.
        study_uid: Study Instance UID of the image, or None.
    """
    course, who = person.course, {"numero_patient": registration.ipp}
    birth = registration.identity.birth_date.replace("-", "/")
    yield "01_identification", {**who, "finess": finess, "date_naissance": birth, "sexe": registration.identity.sex}
    first = course.diagnosis if registration.primary else course.late_labs[0].day
    yield "02_information_non_opposition", {
        **who, "information_patient": "OUI", "date_information": _written(first, "day"), "non_opposition": "OUI",
    }  # fmt: skip
    last = _written(course.last_contact, precision_of(person, "last_contact"))
    yield "04_statut_vital", {
        **who, "statut_vital": 1 if course.death else 0, "source_statut_vital": "INSEE" if course.death else "établissement",
        "date_mise_a_jour": "2025/07/01", "date_derniere_venue": last, "date_dernier_contact": last,
        "date_deces": _written(course.death, "day") if course.death else "",
    }  # fmt: skip
    for k, lab in enumerate(course.labs if registration.primary else course.late_labs):
        # Only one early result is vague: the values before the index stay dated to the day.
        precision = precision_of(person, "lab") if k == 5 else "day"
        yield "19_mesure", {
            **who, "type_mesure": lab.loinc, "nomenclature": "LOINC", "unite": lab.unit, "date_mesure": _written(lab.day, precision),
            "valeur": lab.value, "source_information": "Structuré",
        }  # fmt: skip
    if not registration.primary:
        return
    yield from _tumour(person, who)
    yield from _treatments(person, who)
    if course.progression:
        yield from _progression(person, who, course.progression)
    yield from _image_and_sample(person, who, sample, study_uid)


def _image_and_sample(person: Person, who: dict[str, str], sample: str | None, study_uid: str | None) -> Iterator[Row]:
    """Yield the examination and the sample before treatment, where the person has them."""
    course = person.course
    if course.imaging and study_uid:
        for modality in ("CT", "PT") if course.has_pet else ("CT",):
            yield "15_imagerie", {
                **who, "date_examen": _written(course.imaging, "day"), "heure_examen": "10 - 15", "modalite": modality, "topographie": "C34",
                "lieu": "in", "source_information": "Structuré", "lien_dicom": study_uid,
            }  # fmt: skip
    if course.sample and sample:
        yield "16_prelevement", {
            **who, "identifiant_prelevement": sample, "lieu_conservation": "Dans l'établissement",
            "date_prelevement": _written(course.sample, "day"), "type_prelevement": "Biopsie", "nature_prelevement": "Tissu tumoral",
            "topographie": course.icd10,
        }  # fmt: skip


def _tumour(person: Person, who: dict[str, str]) -> Iterator[Row]:
    """Yield the primary tumour and the general state at its treatment."""
    course = person.course
    t, n, m = (part[1:] for part in course.tnm)
    diagnosed = _written(course.diagnosis, precision_of(person, "diagnosis"))
    yield "08_tumeur_primitive", {
        **who, "occurrence_cancer": 1, "prise_en_charge": "OUI", "date_diagnostic": diagnosed,
        "methode_diagnostic": 7, "lieu_diagnostic": "in", "code_cim10": course.icd10, "code_topographique": course.icd10,
        "code_morphologique": course.morphology, "lateralite": "Droit" if course.laterality == "R" else "Gauche",
        "taille_mm": course.tumour_mm, "date_taille": _written(course.imaging, "day") if course.imaging else "",
        "methode_taille": "imagerie" if course.imaging else "", "t": t, "n": n, "m": 1 if m.startswith("M1") else 0, "type_tnm": "c",
        "type_stade": "TNM", "stade": course.stage,
    }  # fmt: skip
    weighed = _written(course.labs[0].day, "day")
    yield "10_etat_general", {**who, "type_mesure": "Poids", "valeur": f"{course.weight_kg:.1f}", "date_mesure": weighed}
    yield "10_etat_general", {**who, "type_mesure": "Taille", "valeur": f"{course.height_cm:.0f}", "date_mesure": weighed}
    yield (
        "10_etat_general",
        {**who, "type_mesure": "PS", "valeur": 0 if person.latents.inflammation < 0 else 1, "date_mesure": weighed},
    )


def _treatments(person: Person, who: dict[str, str]) -> Iterator[Row]:
    course = person.course
    for k, cycle in enumerate(course.cycles):
        for atc in course.drugs:
            given = _written(cycle, precision_of(person, "treatment") if k == 0 else "day")
            yield "12_traitement_medical", {
                **who, "code_atc": atc, "nom_molecule": DRUGS[atc], "lieu_administration": "in", "source_information": "Structuré",
                "date_administration": given, "essai_clinique": "NON", "acces_precoce": "NON",
            }  # fmt: skip


def _progression(person: Person, who: dict[str, str], day: date) -> Iterator[Row]:
    course = person.course
    seen = _written(day, precision_of(person, "progression"))
    yield "09_evenement_tumoral", {
        **who, "type_evenement": "Métastase", "date_evocation": seen, "date_diagnostic": seen,
        "code_morphologique": course.morphology[:-1] + "6", "code_topographique_metastase": "C22.0", "date_metastase": seen,
        "investigations": 2,
    }  # fmt: skip
    yield "14_progression", {**who, "progression": "Yes", "date_progression": seen}
