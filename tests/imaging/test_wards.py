"""Rooms, beds and extensions, the work of several, codes in labels: what goes, and what only looks like it."""

from __future__ import annotations

import re

import pytest

from unibase.imaging.confidentiality.identifiers import Identifiers
from unibase.imaging.confidentiality.texts.cleaner import Kind
from unibase.imaging.confidentiality.texts.known import Knowledge

NOBODY = Identifiers(Knowledge())
OF_GRAND = Identifiers(Knowledge(staff_names=("GRAND^Solenn",)))

NUMBERS = {
    "foie chambre 412 lit 2": "foie chambre",
    "Chambre B412, masse du foie 12 mm": "Chambre masse du foie 12 mm",
    "chambre n° 412 bis": "chambre n°",
    "ch.412/2": "ch",
    "CH 412-2 TAP": "CH TAP",
    "chambre: A 12": "chambre",
    "chambre 12 lit A": "chambre",
    "room 12B bed 2": "room",
    "Room: 7": "Room",
    "hospitalisée en B412": "hospitalisée en",
    "lit 12": "lit",
    "salle 3": "salle",
    "tel 7733": "tel",
    "Ext. 7733": "Ext",
    "tel. 02.98.40.12.77.": "tel",
    "au 06.81.22.90.17.": "au",
    "chambre implantable 3 mm": "chambre implantable 3 mm",
    "chambre 3 mm": "chambre 3 mm",
    "chambre 0.6 cc": "chambre 0.6 cc",
    "CTV lit 2": "CTV lit 2",
    "lit tumoral 2": "lit tumoral 2",
    "bed 2": "bed 2",
    "16 ch 64": "16 ch 64",
    "tel 12": "tel 12",
}


@pytest.mark.parametrize(("written", "kept"), NUMBERS.items())
def test_numbers_of_rooms_and_telephones_go(written: str, kept: str) -> None:
    assert NOBODY.clean(written) == kept


AUTHORS = {
    "Contours: Masse/Grand": "Contours",
    "Contours: Grand/Masse": "Contours",
    "CONTOURS : MASSE / GRAND": "CONTOURS",
    "contourage= grand & masse": "contourage",
    "Relecture: Kerbrat/Masse": "Relecture",
    "Drs Masse et Blanc": "et",
    "Docteurs Masse, Blanc": "",
    "Équipe Masse/Blanc": "",
    "M. le Pr Y. Grand-Rocher": "",
    "vu avec Mme A. L.-M.": "vu avec",
    "foie, signé: PM": "foie, signé",
    "signé par KB.": "signé par",
    "sign. MIP thorax": "sign. MIP thorax",
    "Contours: Masse/Foie": "Contours: Masse/Foie",
    "Segmentation: masse": "Segmentation: masse",
    "contours masse/foie": "contours masse/foie",
}


@pytest.mark.parametrize(("written", "kept"), AUTHORS.items())
def test_the_work_of_several_is_signed_by_names_in_both_orders(written: str, kept: str) -> None:
    assert NOBODY.clean(written) == kept


FORMS = {
    "Phone (617) 555-0123": "Phone",
    "foie 617.555.0123": "foie",
    "SSN 123-45-6789": "",
    "foie n° d'examen 21-4477": "foie n° d'examen",
    "CR n° 4127": "CR n°",
    "inclusion n°77": "inclusion n°",
    "patient 014": "patient",
    "patient 59 ans, 70 kg": "patient 59 ans, 70 kg",
    "Ward 7": "",
    "P. Grand, IDE": "",
    "L. Rocher - manip": "manip",
    "foie - manip": "foie - manip",
    "interne : P.G.": "interne",
    "foie (02) 98 40 12 77": "foie",
    "tél zéro deux 98 40 12 77": "tél",
    "4970 1012 3456 7890": "",
    "foie plaque 1234 AB 29": "foie",
    "foie GPS 48.3904,-4.4861": "foie",
    "48°23'N 4°29'O foie": "foie",
    "\\\\pacs01\\foie": "\\foie",
    "box 4 des urgences": "box des urgences",
    "service 4127": "service",
    "coupe le 25/2, foie": "coupe foie",
    "foie on 2/25": "foie",
    "le 1/3 moyen": "le 1/3 moyen",
    "on 2/3 of the lung": "on 2/3 of the lung",
    "lat 0.5 mm": "lat 0.5 mm",
    "pH 7.05": "pH 7.05",
}


@pytest.mark.parametrize(("written", "kept"), FORMS.items())
def test_telephones_cards_places_and_servers_go(written: str, kept: str) -> None:
    assert NOBODY.clean(written) == kept


DAYS = ("27/02/21", "27.02.21", "27/02", "27 février", "27FEV21", "27.II.21", "samedi 27", "né en 61", "2021-02-27", "02/2021")
AROUND = ("{}.", "{},", "({})", "foie,{},rein", "foie/{}/rein", "{}_foie", "{} ?", "«{}»", "foie {}. rein")


@pytest.mark.parametrize("around", AROUND)
def test_what_stands_around_a_day_does_not_keep_it(around: str) -> None:
    left = {day: re.findall(r"\d+|v", NOBODY.clean(around.format(day))) for day in DAYS}
    assert not {day: found for day, found in left.items() if found}


INITIALS = {
    "QUE-ANA foie": "foie",
    "ana_que": "",
    "foie QA61": "foie",
    "foie qa-1961": "foie",
    "foie QA62": "foie QA62",
    "QA foie": "QA foie",
    "A.Q. foie": "foie",
    "q. a., foie": "foie",
    "injection i.v.": "injection i.v.",
    "A.B. foie": "A.B. foie",
}


@pytest.mark.parametrize(("written", "kept"), INITIALS.items())
def test_initials_of_the_patient_go_with_their_points(written: str, kept: str) -> None:
    assert (
        Identifiers(Knowledge(patient_names=("QUEMENEUR^Anais^Ines", "VIDAL^Ines"), birth_dates=("19610709",))).clean(written)
        == kept
    )


BESIDE_GRAND = {
    "GTV Masse/Grand": "GTV",
    "GTV Grand & Masse": "GTV",
    "GTV Grand/Foie": "GTV Foie",
    "masse/Grand axe": "masse/Grand axe",
    "GTV Masse": "GTV Masse",
}


@pytest.mark.parametrize(("written", "kept"), BESIDE_GRAND.items())
def test_a_word_in_one_list_with_a_name_of_the_file_is_a_name(written: str, kept: str) -> None:
    assert OF_GRAND.clean(written) == kept


LABELS: list[tuple[str, Kind, str]] = [
    ("XK29ZQ", "label", ""),
    ("Stack XK29ZQ", "label", "Stack"),
    ("FDG lot KM77319", "label", "FDG lot"),
    ("KM77319", "term", ""),
    ("H0042317", "term", ""),
    ("V_XK29ZQ.2", "term", "V 2"),
    ("build20341", "term", "build20341"),
    ("VA48A_02_P12", "term", "VA48A_02_P12"),
    ("DV25.0_R02_1549.b", "term", "DV25.0_R02_1549.b"),
    ("V4.86ER003", "term", "V4.86ER003"),
    ("GT450 converted by com.pixelmed.convert.TIFFToDicom", "term", "GT450 converted by com.pixelmed.convert.TIFFToDicom"),
    ("SIGNA Artist", "term", "SIGNA Artist"),
    ("Mortara Instrument, Inc.", "term", "Mortara Instrument, Inc."),
    ("Lead I (Einthoven)", "label", "Lead I (Einthoven)"),
    ("vu par Einthoven", "text", "vu par"),
    ("vu par Artist", "text", "vu par"),
    ("Optima CT660", "term", "Optima CT660"),
    ("*tse2d1_15", "label", "*tse2d1_15"),
    ("tir2d1rs15rb", "label", "tir2d1rs15rb"),
    ("Br40d", "label", "Br40d"),
    ("8HRBRAIN", "label", "8HRBRAIN"),
    ("BQML", "label", "BQML"),
    ("60059", "label", "60059"),
]


@pytest.mark.parametrize(("written", "kind", "kept"), LABELS)
def test_codes_that_no_list_explains_go_from_labels_and_terms(written: str, kind: Kind, kept: str) -> None:
    assert NOBODY.clean(written, kind) == kept


@pytest.mark.parametrize(
    ("code", "kept"),
    [
        (b"XK29ZQ", b"REMOVED "),
        (b"GRUVO7", b"REMOVED "),
        (b"FFS\\HFP2", b"FFS\\HFP2"),
        (b"GB18030 ", b"GB18030 "),
        (b"ISO 2022 IR 149 ", b"ISO 2022 IR 149 "),
        (b"ITERATIVE", b"ITERATIVE"),
    ],
)
def test_unknown_codes_with_digits_go_from_code_strings_of_the_standard(code: bytes, kept: bytes) -> None:
    assert NOBODY.clean_code(code, ("latin-1",)) == kept
