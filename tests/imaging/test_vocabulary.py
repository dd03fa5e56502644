"""Words that pass and names that do not: a table of both, and what a name may not pass by."""

from __future__ import annotations

import pytest

from unibase.imaging.confidentiality.texts.vocabulary import allowed, by_rule, vocabulary

WORDS = (
    "3mm b1000 W400 W1500 1T5 TE90 T2wi sT1W 3DSPGR dyn3d B50f Br40 I31s Qr44 FC08 B50fS 8it28sub 80kv10ma 40keV t1of3",
    "CheAbdPel ChestAbdPel biopsybonemarrow STAT con np wc nonenh survview p2 mbh caipi vibe",
    "visée positons diffuseur aiguille broche nœud métacarpophalangienne lymphonodal transcutanée néovessie rétinopexie",
    "adenocarcinoma glioblastome osimertinib pembrolizumab gadopiclenol flotufolastat totalsegmentator",
    "RBBB NSTEMI HVG préexcitation hyperkaliémie Linksschenkelblock Vorhofflimmern bradicardia ripolarizzazione DSCQX LSPWR",
    "microvolt millivolts kilogram nanosecond",
    "opóźniona kostne Brustkorb portalvenöse FFPE portacaval",
    "contrasto Niere riñones brzusznej estomago hersenen hyperfixantes",
)  # fmt: skip
NAMES = (
    "Fitzpatrick Schuller Grunwald Celestine Konrad Malfroid Malgrain Trapied Thonon Cornac Medart Simart Sansac",
    "Kerbrat Corinne Gautier Nguyen Branca Salvo Ruhe Bauch Mobitz Brugada Ramirez Kowalski Özdemir Diallo Benali LeGoff Zimmerman Shelly Loulou",
)  # fmt: skip


@pytest.mark.parametrize("token", [one for line in WORDS for one in line.split()])
def test_words_pass(token: str) -> None:
    assert allowed(token)


@pytest.mark.parametrize("token", [one for line in NAMES for one in line.split()])
def test_names_do_not_pass(token: str) -> None:
    assert not any(allowed(form) for form in (token, token.upper(), token.lower()))


@pytest.mark.parametrize(
    "token", ["ZQ07XSERIES", "A4711", "H42317", "V1204", "V1204Q", "W4071", "XK22Z", "JB", "CK", "B5012", "FC081", "t1of123"]
)
def test_codes_do_not_pass(token: str) -> None:
    assert not allowed(token)


def test_no_name_of_the_lists_is_a_word() -> None:
    """The lists of names and of words are apart, and no rule undoes it."""
    known = vocabulary()
    assert len(known.names) > 20_000 and known.names.isdisjoint(known.words)
    passed = [name for name in known.names if by_rule(name) and allowed(name)]
    assert [name for name in passed if name not in known.whole | known.combining | known.placeholders] == []
