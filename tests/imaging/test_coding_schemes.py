"""Values of codes: those of a public scheme stay, whatever they look like; others stay when they are words, numbers or short codes."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.sr._concepts_dict import concepts

from tests.imaging.deidentify_help import LOOKUP, both_paths, ct, run, save
from unibase.imaging.confidentiality.coding_schemes import forms, gives
from unibase.imaging.confidentiality.identifiers import Identifiers
from unibase.imaging.confidentiality.texts.known import Knowledge
from unibase.imaging.options import DeidentifyOptions

CODES = [  # scheme, value, what stays of it
    ("CCAM", "ZBQK002", "ZBQK002"),
    ("99CHU", "ZBQK002", "REMOVED"),
    ("NCIt", "C123456", "C123456"),
    ("", "C123456", "REMOVED"),
    ("RADLEX", "RID10321", "RID10321"),
    ("IBSI", "HDEZ", "HDEZ"),
    ("99CHU", "HDEZ", "REMOVED"),
    ("UCUM", "g/ml{SUVlbm(Janma)}", "g/ml{SUVlbm(Janma)}"),
    ("UCUM", "10*-3.umol/ml", "10*-3.umol/ml"),
    ("UCUM", "Kerbrat", "REMOVED"),
    ("DCM", "XK29ZQ", "REMOVED"),
    ("99CHU", "XK29ZQ", "REMOVED"),
    ("L", "XK29ZQ", "REMOVED"),
    ("", "XK29ZQ", "REMOVED"),
    ("99CHU", "KM77319", "REMOVED"),
    ("99CHU", "CTTHORAX", "REMOVED"),
    ("99CHU", "CT_THORAX", "CT_THORAX"),
    ("99CHU", "TDM12", "TDM12"),
    ("99CHU", "4110", "4110"),
    ("I10C", "C34.11", "C34.11"),
    ("ICDO3", "8140/3", "8140/3"),
    ("SCT", "39607008", "39607008"),
    ("SCPECG", "5.6.3-9-61", "5.6.3-9-61"),
    ("NCIt", "IPP0081234", "REMOVED"),
    ("NCIt", "C67447 Dupontel", "C67447"),
    ("NCIt Dupontel", "C67447", "C67447"),
    ("CCAM", "DUPO123", "DUPO123"),
]


def coded(scheme: str, value: str) -> Dataset:
    item = Dataset()
    item.CodeValue = value
    if scheme:
        item.CodingSchemeDesignator = scheme
    item.CodeMeaning = "thorax"
    return item


@pytest.mark.parametrize(("scheme", "value", "kept"), CODES)
def test_a_code_stays_by_its_scheme_on_both_paths(scheme: str, value: str, kept: str, tmp_path: Path) -> None:
    # The same value of a local scheme beside it: what is remembered of one is not used for the other.
    source = save(ct(ProcedureCodeSequence=Sequence([coded(scheme, value), coded("99X", "XK29ZQ")])), tmp_path / "a.dcm")
    fast, slow = both_paths(source, LOOKUP, DeidentifyOptions())
    assert fast == slow
    copy = run(source, tmp_path / "out")[1]
    assert [item.CodeValue for item in copy.ProcedureCodeSequence] == [kept, "REMOVED"]


def test_one_value_of_two_schemes_is_judged_by_each(tmp_path: Path) -> None:
    both = [coded("99CHU", "C123456"), coded("NCIt", "C123456"), coded("99CHU", "C123456")]
    source = save(ct(ProcedureCodeSequence=Sequence(both)), tmp_path / "a.dcm")
    fast, slow = both_paths(source, LOOKUP, DeidentifyOptions())
    assert fast == slow
    kept = [item.CodeValue for item in run(source, tmp_path / "out")[1].ProcedureCodeSequence]
    assert kept == ["REMOVED", "C123456", "REMOVED"]


@pytest.mark.parametrize("scheme", sorted(concepts))
def test_every_code_of_the_standard_stays(scheme: str) -> None:
    nobody = Identifiers(Knowledge())
    lost = [
        code
        for codes in concepts[scheme].values()
        for code in codes
        if code and not gives(scheme.encode(), code.encode()) and nobody.clean(code, "term") != code
    ]
    assert lost == []


def test_every_public_scheme_keeps_its_name() -> None:
    assert [one for one in forms() if Identifiers(Knowledge()).clean(one, "term") != one] == []


def test_no_form_takes_a_family_name_for_a_code() -> None:
    names = ["Dupont", "Kerbrat", "Masse", "LeGoff", "Quemeneur", "Diallo", "Grand", "Petit"]
    taken = {
        (scheme, form)
        for scheme in forms()
        for name in names
        for form in (name, name.upper(), name.lower())
        if gives(scheme.encode(), form.encode())
    }
    assert taken == set()
