"""Forms of days, names and numbers that people invent: one table of what goes, and one of what is like it and stays.

The exam is of Saturday 27 February 2021, the person was born on 9 July 1961. What may not be left is told by hand.
"""

from __future__ import annotations

import re

import pytest

from unibase.imaging.confidentiality.identifiers import Identifiers
from unibase.imaging.confidentiality.texts.cleaner import Kind
from unibase.imaging.confidentiality.texts.known import Knowledge

WHO = Identifiers(
    Knowledge(
        patient_names=("QUÉMÉNEUR^Anaïs", "LE GO", "DE ROSNAY"), numbers=("P00318842",), birth_dates=("19610709",), days=("20210227",)
    )
)  # fmt: skip
GOES = {
    "sam 27": "27",
    "Sat. 27": "27",
    "wk8": "8",
    "TAP S08": "08",
    "W8 2021": "2021",
    "Q1-21": "21",
    "T1-21": "21",
    "21Q1": "21",
    "058/21": "058",
    "2021.058": "058",
    "21058": "21058",
    "TAP 196107": "196107",
    "27 Fbr 21": "27",
    "F94": "94",
    "age: 95": "95",
    "1614384000000000": "1614384",
    "132588576000000000": "1325885",
    "637499808000000000": "6374998",
    "<name use='L'>Masse</name>": "masse",
    '"family":"Grand"': "grand",
    "Fam. Rocher": "rocher",
    "MER YK": "yk",
    "sec: MLB": "mlb",
    "valid. PK": "pk",
    "QUE-AN-61": "que",
    "QUAN61": "quan",
    "06 1234 5678": "1234",
    "48.3904,-4.4861": "3904",
    "AB 123 CD": "123",
    "TRIAL-029-0451": "0451",
    "inc 29-045": "045",
    "2,61,07,29,019,142": "019",
    "2 6107 29 019142": "019",
    "2 61 07 29 019-142 44": "019",
    "06,12,34,56,78": "345",
    "vu en 2021.2.": "2021",
    "27.2": "272",
    "27 2": "272",
    "TAP 27.2 portal": "272",
    "GTV-27.2": "272",
    "27.2_TAP": "272",
    "TAP 9.7": "97",
    "vu le 9.7": "97",
    "vu 9/7": "97",
    "TAP 9-7": "97",
    "TAP 7/9": "79",
    "CT9-7 thorax": "97",
    "2.27": "227",
    "27 - 2": "272",
    "27. 2": "272",
    "27'2": "272",
    "27:2": "272",
    "27e 2": "272",
    "27/II": "27ii",
    "9 VII": "9vii",
    "27.02-28.02": "2702",
    "01.02-27.02": "2702",
    "298 22 33 44": "298",
    "00.04.65.29.16": "0465",
    "TRX 0931 K": "0931",
    "H21-447": "447",
    "P21/00447": "447",
}
IN_TERMS = {
    "Queme neu": "neu",
    "QUE MENE": "mene",
    "queme.neu": "neu",
    "2021227": "2021227",
    "2722021": "2722021",
    "2272021": "2272021",
    "27221": "27221",
    "1961709": "1961709",
    "27.2.": "27",
    "9-7.": "9",
    "A-Q": "aq",
    "Q/A": "qa",
    "q_a": "qa",
    "261072901914": "107290",
    "LE GO": "lego",
    "TAP LE GO portal": "lego",
    "legO": "lego",
    "ROI DE ROSN": "ros",
    "DE R.": "der",
    "02 98 223 344": "98223",
    "+33.2.98.22.33.44": "2982",
    "Der osnay": "osnay",
    "02-9822-3344": "9822",
    "0298 22 33 44": "2233",
    "+33 298223344": "2982",
    "TRX-0931-K": "0931",
    "TRX_0931_K": "0931",
    "WW 415 KL": "415",
}
"""What names a person or a day in a model, a version, a kernel or a code too, where short words and numbers stay."""
LIKE_IN_TERMS = (
    "VE11.2.27",
    "27.2.1",
    "28.2.",
    "2021228",
    "2021.2",
    "A-P",
    "R/L",
    "n/a",
    "Que 3D",
    "T-Q",
    "27222",
    "261082901914",
    "27.2",
    "27 2",
    "Discovery CT 750 HD",
    "01 02 03",
    "02 98 22",
    "TRX-931-K",
    "0407-2707-03",
    "de la tete",
)
STAYS = (
    "1,OPA,GE,LSQX,STANDARD,387,2.5,120,72,0.1,1.5", "0,OPL,SE,SEN4,T20s,512,1,120,486,486,1",
    "TAP S8 S12 S4a", "fat sat 2", "te 100 ms", "TE 100 MS", "KV 120 MA", "T1 21 coupes", "T2-2", "coupes 27 mm 21",
    "famille BRCA", "family history", "rad: CT", "patient HFS", "tech WB", "0.5 x 0.9998", "MIP 2.5 mm", "1-001", "F9", "H50",
    "T9-7", "discopathie D7-9", "nodule 7-9 mm", "7/9 ganglions", "9/7 sup", "grade 9-7", "9-7 fractions", "27-2 mm", "de 7-9 lesions",
    "PSA 12 ng/ml", "PSA 27.2 ng/mL", "TSH 2 µg/l", "12 µmol/L", "3 nmol/l", "2 Gy/fr", "dose 4 mSv", "12 meq/l",
    "SUVmax à 27.2", "glycémie à 9.7", "27.2 mUI/L", "somme des diamètres 27.2", "de 27.2 à 30 mm", "27.2 pct",
    "27.2 mm", "27.2mm", "SUVmax 27.2", "SUVmax: 9.7", "TE 27.2", "TT=27.2s", "27.2 x 3", "3 27.2", "27.2.1", "27.3", "T2 27.2 %", "9 7 3", "coupes 9 7",
    "TE 080 MS", "H22-447", "TE21-100", "25 x 2", "1.25", "foie 2.9 cm", "dose 27.2", "27.2-30 Gy",
)  # fmt: skip
CODES = {
    "UXELNOR": False,
    "KVLX": False,
    "KERVOAL": False,
    "NDA 210458712": False,
    "2610729": False,
    "W8 2021": False,
    "06 1234 5678": False,
    "MER YK": False,
    "CONTAINS": True,
    "SMR_BORELOCAL": True,
    "PER_NERVE_STIM": True,
    "PORTRAIT": True,
    "HFS": True,
    "GB18030": True,
    "T2_STAR": True,
    "ISO 2022 IR 100": True,
    "MGMINML": True,
    "SLSENS": True,
}


@pytest.mark.parametrize(("form", "secret"), GOES.items())
def test_nothing_is_left_of_a_form(form: str, secret: str) -> None:
    assert secret not in re.sub(r"[\W_]", "", WHO.clean(form).lower())


@pytest.mark.parametrize("kind", ["text", "label", "term"])
@pytest.mark.parametrize(("form", "secret"), IN_TERMS.items())
def test_nothing_is_left_of_a_form_in_a_term(form: str, secret: str, kind: Kind) -> None:
    assert secret not in re.sub(r"[\W_]", "", WHO.clean(form, kind).lower())


@pytest.mark.parametrize("text", LIKE_IN_TERMS)
def test_what_is_like_one_stays_in_a_term(text: str) -> None:
    assert WHO.clean(text, "term") == text


@pytest.mark.parametrize("text", STAYS)
def test_what_is_like_one_stays(text: str) -> None:
    assert WHO.clean(text) == text


SIGNS = {
    "RE- XQZV HER2-": "RE- HER2-",
    "HER2- QUEMENEUR": "HER2-",
    "QUEMENEUR -30 %": "-30 %",
    "QUEMENEUR-30 %": "30 %",
    "-30 % QUEMENEUR": "-30 %",
    "T-score -2.5 QUEMENEUR": "T-score -2.5",
    "TAP - QUEMENEUR - foie": "TAP foie",
    "TAP-QUEMENEUR-foie": "TAP foie",
    "- QUEMENEUR": "",
    "QUEMENEUR -": "",
}
"""A minus of a value stays where a name is cut out beside it, and a hyphen of the name makes none."""


@pytest.mark.parametrize(("text", "left"), SIGNS.items())
def test_the_sign_of_a_value_stays(text: str, left: str) -> None:
    assert WHO.clean(text) == left


@pytest.mark.parametrize("word", ["sans", "pas", "non", "no", "without", "aucune", "negatif", "droit", "gauche", "left", "plus"])
def test_a_negation_or_side_stays_whatever_the_person_is_called(word: str) -> None:
    who = Identifiers(Knowledge(patient_names=(f"{word.upper()}^Anaïs",)))
    assert who.clean(f"{word} de metastase") == f"{word} de metastase"
    assert word not in who.clean(f"TAP {word.upper()} ANAIS").lower(), "with the given name beside it, it is the name"


def test_a_unit_is_no_initials_and_a_name_no_unit() -> None:
    """Of Laure Goff `12 g/L` is no `G/L`; Ng is a name where nothing is measured by it."""
    goff = Identifiers(Knowledge(patient_names=("GOFF^Laure",)))
    assert [goff.clean(one) for one in ("albumine 12 g/L", "vu G/L", "lit 12 Ng", "chambre Ng")] == [
        "albumine 12 g/L",
        "vu",
        "lit",
        "chambre",
    ]


@pytest.mark.parametrize("text", ["masse TE 100", "masse te", "TAP masse T"])
def test_words_that_together_begin_a_name_stay(text: str) -> None:
    """A name is not cut where all that stands there are words: Massetel beside `masse TE`."""
    massetel = Identifiers(Knowledge(patient_names=("MASSETEL^Anaïs",)))
    assert massetel.clean(text) == text
    assert massetel.clean("TAP Masset el") == massetel.clean("TAP mas sete") == "TAP"


@pytest.mark.parametrize("number", ["B21.04512", "E21-02712345", "21-P-12345", "HC-2021-0451", "RPPS 10003456789", "Mme Q."])
def test_numbers_of_samples_and_staff_go_from_labels(number: str) -> None:
    assert not re.search(r"\d{4}|Q", WHO.clean(number, "label"))


@pytest.mark.parametrize(("code", "kept"), CODES.items())
def test_a_code_string_holds_words_of_the_standard(code: str, kept: bool) -> None:
    assert (WHO.clean_code(code.encode(), ("latin-1",)) == code.encode()) is kept
