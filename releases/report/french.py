"""What the pipeline's own English words are in French: checks of quality, steps of the cohort, endpoints, characteristics.

A word that stands here is shown in both languages; one that a study made itself, such as a concept, is shown as it is.
"""

from __future__ import annotations

from collections.abc import Mapping

CHECKS: Mapping[str, str] = {
    "completeness": "complétude",
    "conformance": "conformité",
    "plausibility": "plausibilité",
    "birth": "naissance",
    "date": "date",
    "day-known": "jour connu",
    "events": "événements",
    "sex": "sexe",
    "code-unknown": "code inconnu",
    "code-unmapped": "code sans correspondance",
    "end-before-start": "fin avant le début",
    "row-refused": "ligne refusée",
    "unit-missing": "unité absente",
    "unit-mixed": "unités mêlées",
    "after-death": "après le décès",
    "age-over-120": "âge de plus de 120 ans",
    "before-birth": "avant la naissance",
    "deaths-of-centres": "décès selon les centres",
    "dose-far-off": "dose très éloignée",
    "duplicate": "doublon",
    "first-of-month": "premier du mois",
    "impossible-tnm": "TNM impossible",
    "in-future": "dans le futur",
    "refuted-death": "décès démenti",
    "sentinel-value": "valeur sentinelle",
    "several-births": "plusieurs naissances",
    "several-deaths": "plusieurs décès",
    "several-sexes": "plusieurs sexes",
    "sex-against-site": "sexe contraire à l'organe",
    "stage-against-tnm": "stade contraire au TNM",
    "treatment-before-diagnosis": "traitement avant le diagnostic",
    "unit-by-distribution": "unité selon la distribution",
    "value-range": "bornes des valeurs",
}
"""Kinds of checks of data quality, and the checks of `clinical/derived/quality.yaml`."""

ENDPOINTS: Mapping[str, str] = {
    "Overall Survival": "Survie globale",
    "Progression Free Survival": "Survie sans progression",
    "Progression Free Survival, censored at the last contact": "Survie sans progression, censurée au dernier contact",
    "Progression Free Survival, censored at a new therapy and before missed visits": (
        "Survie sans progression, censurée à un nouveau traitement et avant des visites manquées"
    ),
    "Disease Free Survival": "Survie sans maladie",
    "Recurrence Free Survival": "Survie sans récidive",
    "Event Free Survival": "Survie sans événement",
    "Cancer Specific Survival, with other deaths as competing events": (
        "Survie spécifique du cancer, les autres décès étant des événements concurrents"
    ),
    "Time to Next Treatment or Death": "Délai jusqu'au traitement suivant ou au décès",
    "Duration of Response": "Durée de la réponse",
    "Time to Second Progression or Death": "Délai jusqu'à la deuxième progression ou au décès",
    "Time to Treatment Discontinuation": "Délai jusqu'à l'arrêt du traitement",
    "Time to Progression, with death as a competing event": (
        "Délai jusqu'à la progression, le décès étant un événement concurrent"
    ),
}
"""Endpoints of `clinical/derived/endpoints.yaml`."""

CAUSES: Mapping[str, str] = {
    "not in the manifests": "absente des manifestes",
    "new settings": "nouveaux réglages",
    "new software": "nouveaux logiciels",
    "new source data": "nouvelles données sources",
}
"""What can have changed a value between two versions."""

CHARACTERISTICS: Mapping[str, str] = {
    "Age at the index": "Âge à l'index",
    "Sex": "Sexe",
    "Stage at the index": "Stade à l'index",
    "T at the index": "T à l'index",
    "N at the index": "N à l'index",
    "M at the index": "M à l'index",
    "Charlson comorbidity index": "Indice de comorbidité de Charlson",
}
"""Labels of the columns of `subjects` that describe persons."""

STEPS: Mapping[str, str] = {
    "known": "personnes connues",
    "index": "index",
    "cancer diagnosis": "diagnostic de cancer",
    "imaging": "imagerie",
    "features": "caractéristiques d'image",
    "treatment start": "début de traitement",
    "systemic therapy": "traitement systémique",
    "anticancer drug": "médicament anticancéreux",
    "surgery": "chirurgie",
    "radiotherapy": "radiothérapie",
    "biopsy": "biopsie",
    "specimen": "prélèvement",
    "histology": "histologie",
    "stage": "stade",
    "progression": "progression",
    "recurrence": "récidive",
    "second cancer": "second cancer",
    "death": "décès",
    "last contact": "dernier contact",
    "too young, or age unknown": "trop jeunes, ou d'âge inconnu",
    "too old, or age unknown": "trop âgés, ou d'âge inconnu",
}
"""Rules of the cohort, and why they leave somebody out."""

_ALL: Mapping[str, str] = {
    **{check.replace("-", " "): words for check, words in CHECKS.items()},
    **ENDPOINTS,
    **CHARACTERISTICS,
    **STEPS,
    **CAUSES,
}


def french(words: str) -> str:
    """Return the pipeline's own `words` in French; others as they are.

    >>> french("Overall Survival"), french("no cancer diagnosis"), french("age >= 18"), french("rna")
    ('Survie globale', 'sans diagnostic de cancer', 'âge >= 18', 'rna')
    """
    for english, said in (("no ", "sans "), ("not ", "hors ")):
        if words.removeprefix(english) in _ALL and words.startswith(english):
            return said + _ALL[words.removeprefix(english)]
    if words.startswith(("age >= ", "age <= ")):
        return "âge" + words.removeprefix("age")
    return _ALL.get(words, words)


def french_cause(cause: str) -> str:
    """Return the possible `cause` of a change in French; the names in it stay.

    >>> french_cause("new source data A/omop or new settings endpoints, index")
    'nouvelles données sources A/omop ou nouveaux réglages endpoints, index'
    """
    for english, said in CAUSES.items():
        cause = cause.replace(english, said)
    return cause.replace(f" or {CAUSES['new settings']}", f" ou {CAUSES['new settings']}").replace(
        f" or {CAUSES['new software']}", f" ou {CAUSES['new software']}"
    )
