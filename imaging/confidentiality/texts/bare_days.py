"""A known day written as a number or as two: `27.2`, `27 2`, `9.07`, `27/II`, beside nothing that says what it measures.

Only days of the person's own are sought. Of 101,551 descriptions of series and studies in the index of the Imaging Data
Commons 24 hold a number of this form with a day over 12, and all but the `16.5` of a noise index stand beside a unit or a
sign of a setting. Of days up to 12 four fifths are `1.5` or `2.5`: halves and collimations stay, and so does `1.25`.
"""

from __future__ import annotations

import re

Span = tuple[int, int]

_UNITS = (
    r"[mcdµu]?m[23²³]?|ml|cc|c?l|c?gy|[kmg]?bq|ms|s|sec|min|h|mn|k?v|kvp|m?as?|k?g|[mµun]g|hu|uh|ui|m?mol|[mk]?hz|t|teslas?|deg|degres?|db|bpm|fps|"
    r"mmhg|[mku]?ui?|pmol|mol|pct|points?|suv|[a-zµ]{1,5}/[a-z]{1,3}|ans?|mois|jours?|semaines?|weeks?|years?|months?|days?|fois|coupes?|slices?|seances?|fractions?|cycles?|lesions?|ganglions?|px|pixels?"
)
_MEASURED = frozenset([
    "te", "tr", "ti", "fa", "ph", "b", "bval", "fov", "thk", "ep", "epaisseur", "thickness", "slice", "sl", "coupe",
    "coupes", "spacing", "gap", "pitch", "zoom", "scale", "facteur", "factor", "x", "y", "z", "w", "l", "wl", "ww", "kv",
    "kvp", "ma", "mas", "mag", "ctdi", "ctdivol", "dlp", "dap", "exp", "matrix", "mtx", "nex", "nsa", "nav", "bw", "snr",
    "cnr", "ni", "noise", "recon", "rec", "filter", "tt", "temp", "temps", "time", "delay", "delai", "fps", "v", "ver",
    "vers", "version", "rev", "release", "build", "rel", "vb", "va", "ve", "vd", "syngo", "numaris", "ps", "ge", "suv",
    "suvmax", "suvmean", "suvpeak", "suvbw", "sul", "tlg", "mtv", "adc", "ki", "ki67", "ktrans", "hu", "uh", "psa", "hb",
    "hemoglobine", "crp", "ca", "ace", "afp", "ldh", "tsh", "inr", "alb", "albumine", "creat", "creatinine", "clairance",
    "dfg", "gfr", "gly", "glyc", "glycemie", "hba1c", "k", "na", "gb", "pnn", "plaquettes", "plq", "score", "index",
    "indice", "ratio", "rapport", "gleason", "imc", "bmi", "poids", "weight", "taille", "height", "size", "mesure",
    "mesurant", "measuring", "mesures", "dim", "dimension", "diam", "diametre", "diameter", "axe", "axis", "vol", "volume",
    "dose", "somme", "total", "mean", "moyenne", "moy", "sd", "std", "max", "min", "median", "pic", "peak", "fevg", "lvef",
    "ef", "fe", "fc", "hr", "fr", "spo2", "ta", "pas", "pad", "qtc", "phase", "echo", "serie", "series", "se", "im", "image",
    "img", "n", "no", "nr", "num", "frame", "lot", "fraction", "seance", "session", "cycle", "cure", "lesion", "lesions",
    "nodule", "nodules", "target", "cible", "of", "sur", "est", "is", "environ", "about", "a", "at", "to", "was", "were",
    "de", "calcique", "attenuation", "distance", "fleche", "recist", "diametres", "injectee", "injecte", "surface",
    "gradient", "vitesse", "angle", "recul", "rehaussement", "densite", "activite", "duree", "hauteur", "largeur",
    "longueur", "profondeur", "width", "length", "depth", "debit", "flow", "pression", "pressure", "concentration", "taux",
    "rate", "valeur", "value", "values", "level", "levels", "signal", "contraste", "contrast", "uptake", "fixation",
    "retention", "captation", "delta", "variation", "augmentation", "diminution", "baisse", "hausse", "passant", "contre",
    "versus", "vs", "entre", "between", "from", "plus", "moins", "than", "egal", "egale", "grade", "grades", "stade",
    "stage", "type", "segment", "segments", "niveau", "niveaux", "vertebre", "vertebres", "disque", "discopathie", "classe",
    "class", "categorie", "category", "eva", "zone",
])  # fmt: skip
"""Words after which a number is a setting, a measure or a count."""
_DATED = frozenset(
    [
        "le",
        "du",
        "au",
        "des",
        "on",
        "since",
        "depuis",
        "avant",
        "apres",
        "vers",
        "dated",
        "date",
        "jour",
        "exam",
        "examen",
        "scan",
        "vu",
        "vue",
        "revu",
        "ctrl",
        "controle",
        "rdv",
        "fait",
        "pour",
    ]
)
_THICKNESS = (1, 25)
_COLLIMATIONS = frozenset({(1, 2), (2, 4), (4, 8), (9, 6)})
_NUMBER = re.compile(
    r"(?<![^\W_])(?<![.,/+=*<>~#])(?:(?<!-)|(?<=[a-z]-)|(?<=\.\d-)|(?<=\.\d\d-))(?<![\d.,x][ _])(?P<day>\d{1,2})(?:e|er|th|st|nd|rd)?"
    r"(?P<gap> ?[.\-·:'|~&] ?|[ _])(?P<month>\d{1,2})"
    rf"(?![^\W_]|[.,/+*]\d|-\d+(?!\d*\.\d\d?(?!\d))| ?[x*×%°/+±<>]|[ _]\d|[ _]?(?:{_UNITS})(?![^\W_]))"
)
_IN_ROMAN = re.compile(r"(?<![^\W_])(?<![.,=])(?P<day>\d{1,2})(?P<gap>[ ._/\-])(?P<month>[ivx]{1,4})(?![^\W_])")
_ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii")
_PARTS = r"tiers|thirds?|upper|lower|middle|mid|(?:sup|inf|moy|ant|post|prox|dist)[a-z]*"
_AFTER = re.compile(rf" ?(?:(?:{_UNITS}|{_PARTS}|ggl|adp|nodes?|n\+|biopsies|carottes?|cores?|cotes?|ribs?)(?![^\W_])|[%°])")
_OF_SPINE = re.compile(r"(?<![^\W\d_])(?:[lcdts]|th)\Z")
_BEFORE = re.compile(r"([^\W_]+)[\W_]*$")
_LAST_AMBIGUOUS = 12
"""A day up to the twelfth is a number of a header more often than a later one."""
_HALF = 5


def bare_days(plain: str, pairs: set[tuple[int, int]]) -> list[Span]:
    """Return where one of the days stands as a number in a folded text.

    Args:
        plain: The folded text.
        pairs: `(day, month)` of the days that are known.

    >>> [len(bare_days(one, {(27, 2)})) for one in ("TAP 27.2", "27 2", "27.2 mm", "suvmax 27.2", "b27.2", "27.2.1")]
    [1, 1, 0, 0, 0, 0]
    """
    roman = {(day, _ROMAN[month - 1]) for day, month in pairs}
    matches = [one for one in _IN_ROMAN.finditer(plain) if (int(one["day"]), one["month"]) in roman]
    # A letter alone is a sign: `25 x`, `2 V`.
    found = [one.span() for one in matches if len(one["month"]) > 1 or one["gap"] in "./-"]
    for one in _NUMBER.finditer(plain):
        first, second = int(one["day"]), int(one["month"])
        if ((first, second) in pairs and _dates(one)) or ((second, first) in pairs and _dates_in_english(one)):
            found.append(one.span())
    return found


def is_measured(plain: str, start: int, end: int) -> bool:
    """Return whether two small numbers are a range, a fraction or a level of the spine: `L4-5`, `2-3 mm`, `1/3 sup`.

    Args:
        plain: The folded text.
        start, end: Where the numbers stand.

    >>> is_measured("2-3 mm", 0, 3), is_measured("l4-5", 1, 4), is_measured("vu 4/5", 3, 6)
    (True, True, False)
    """
    before = _BEFORE.search(plain, 0, start)
    if _OF_SPINE.search(plain[:start]) or _AFTER.match(plain, end):
        return True
    return before is not None and before[1] in _MEASURED


def _word_before(match: re.Match[str]) -> str:
    before = _BEFORE.search(match.string, 0, match.start())
    return before[1] if before else ""


def _dates_in_english(match: re.Match[str]) -> bool:
    """Return whether a month and a day over 12 are a date, in the order of America: `2.27`; `1.25` is a thickness."""
    first, second, word = int(match["day"]), int(match["month"]), _word_before(match)
    if second <= _LAST_AMBIGUOUS or (first, second) == _THICKNESS or word in _MEASURED:
        return False
    return match["gap"] in ".-" or word in _DATED or match[0] == match.string.strip()


def _dates(match: re.Match[str]) -> bool:
    """Return whether nothing around a number that is a day and a month says that it is something else."""
    word = _word_before(match)
    if word in _MEASURED:
        return False
    day, month = int(match["day"]), int(match["month"])
    if day > _LAST_AMBIGUOUS or word in _DATED:
        return True
    if match["gap"].strip() != ".":
        return match[0] == match.string.strip()
    return month != _HALF and (day, month) not in _COLLIMATIONS
