"""Words that announce a person: the name after them goes, though it is a word of the trade; what states something stays.

One table, in French and English: what announces, between it and the name what people type, and the name in three cases.
`Grand`, `Masse`, `Rose`, `Rocher` and `Blanc` are family names that the INSEE counted over 500 times; `Green` is one of
the commonest of the United States.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.imaging.deidentify_help import ct, run, save
from unibase.imaging.confidentiality.identifiers import Identifiers
from unibase.imaging.confidentiality.texts.known import Knowledge
from unibase.imaging.options import DeidentifyOptions

NOBODY = Identifiers(Knowledge())
PERSONS = (
    "patient",
    "pt",
    "pat.",
    "nom",
    "name",
    "nom du patient",
    "patient name",
    "prénom",
    "née",
    "malade",
    "mère",
    "conjoint",
    "fille",
)
STAFF = (
    "opérateur", "tech", "manip", "MER", "IDE", "radiologue", "interne", "prescripteur", "demandeur", "ref", "chir", "user", "reader",
    "lu par", "relu par", "validé par", "vu par", "revu avec", "réalisé par", "injecté par", "contouré par", "adressé par", "demandé par",
    "ref by", "referred by", "signed by", "performed by", "read by", "reported by", "checked by", "seg by", "drawn by",
)  # fmt: skip
NAMES = ("Grand", "LE GRAND", "Masse", "Green", "J. Rose", "Kerbrat Grand", "Grand-Masse", "GRAND^JEAN", "Blanc, Rose")
GAPS = (" ", ": ", " : ", ":", "=", "^", "_", "-", " - ", "/", "\t", "; ", " n° ", " (", " #")
STAYS = (
    "patient prone", "patient supine", "patient debout", "patient orientation", "Patient: prone", "patient feet first", "pt head first supine",
    "patient petit bassin", "grand axe de la masse", "tech notes", "tech: axial", "nom du protocole", "nom de la série", "protocol name: masse",
    "series name target", "lu par radiologue", "validé par médecin", "adressé par urgences", "réalisé par voie veineuse", "injecté par bras gauche",
    "injecté avec Xenetix", "réalisé sans et avec injection", "fait avec bobine", "checked by physicist", "scanned by SIEMENS", "read by AI",
    "operator: system", "ref: foie", "technique axiale", "contrôle patient. Masse du foie", "masse (patient obese)", "name of series",
)  # fmt: skip


@pytest.mark.parametrize("announcer", [*PERSONS, *STAFF])
def test_no_name_stays_after_what_announces_it(announcer: str) -> None:
    left = []
    for gap, name, change in itertools.product(GAPS, NAMES, (str, str.upper, str.lower)):
        written = f"scanner thorax {announcer}{gap}{name}"
        clean = NOBODY.clean(change(written)).lower()
        if any(word in clean for word in ("grand", "masse", "green", "rose", "blanc", "kerbrat")) or not clean.startswith(
            "scanner thorax"
        ):
            left.append((change(written), clean))
    assert left == []


@pytest.mark.parametrize("text", STAYS)
def test_what_states_something_stays(text: str) -> None:
    assert NOBODY.clean(text) == text


BESIDE = {
    "Dr. med. Grand foie": "foie",
    "Prof. Dr. med. Gross": "",
    "Herr Lang thorax": "thorax",
    "PatientGrand foie": "foie",
    "DrMasse foie": "foie",
    "Grand (tech) foie": "(tech) foie",
    "Jean Grand foie": "foie",
    "GRAND^MARIE": "",
    "petit bassin Jean": "petit bassin",
    "Nom : Bordure": "Nom",
    "Name: Hand": "Name",
}


@pytest.mark.parametrize(("text", "kept"), BESIDE.items())
def test_degrees_glued_words_and_given_names(text: str, kept: str) -> None:
    assert NOBODY.clean(text) == kept


@pytest.mark.parametrize("policy", ["research", "longitudinal", "strict"])
def test_under_every_policy(policy: str, tmp_path: Path) -> None:
    source = save(
        ct(SeriesDescription="thorax Pt: Grand", ImageComments="lu par Masse", StudyDescription="TDM tech Blanc"),
        tmp_path / "a.dcm",
    )
    content = run(source, tmp_path / "out", options=DeidentifyOptions(policy=policy))[2].lower()
    assert not [name for name in (b"grand", b"masse", b"blanc") if name in content]
