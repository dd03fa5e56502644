"""Forms of address: a title and the name after it go in any case, also where the name is a word of the trade (`dr masse`).

The names are given names and family names that the INSEE counted often. `MASSE`, `ROCHER`, `GRAND` and `GRAVES` are words
of findings and of French as well. After `dr`, `pr`, `mr` and `m`, which imaging writes too, a part of the body stays.
"""

from __future__ import annotations

import itertools

import pytest

from unibase.imaging.confidentiality.identifiers import Identifiers
from unibase.imaging.confidentiality.texts.known import Knowledge

NOBODY = Identifiers(Knowledge())
TITLES = ("Mr {}", "mr {}", "M. {}", "M {}", "Mme {}", "MME {}", "mlle {}", "Me {}", "Monsieur {}", "docteur {}", "Dr {}", "dr {}", "DR {}", "Dr.{}", "dr. {}", "Pr {}", "PR {}", "pr. {}", "prof {}", "Pr^{}")  # fmt: skip
NAMES = ("Masse", "Grand", "Graves", "Dupont-Lajoie", "Jean Masse")
SURE = ("Mme {}", "Me {}", "Mlle {}", "Monsieur {}", "Docteur {}")
STAYS = {
    "dr thorax face": "dr thorax face",
    "DR BASSIN": "DR BASSIN",
    "MR HEAD": "MR HEAD",
    "MR BODY": "MR BODY",
    "PR 180 ms": "PR 180 ms",
    "masse de 3 m": "masse de 3 m",
    "grand axe de la masse": "grand axe de la masse",
}


@pytest.mark.parametrize("title", TITLES)
def test_no_name_stays_after_a_title(title: str) -> None:
    for name, change in itertools.product(NAMES, (str, str.upper, str.lower)):
        written = f"scanner thorax, vu par {title.format(change(name))}"
        left = NOBODY.clean(written).lower()
        assert not [word for word in name.lower().split() if word in left], written
        assert left.startswith("scanner thorax")


@pytest.mark.parametrize("title", SURE)
def test_a_title_that_is_no_word_of_imaging_takes_names_of_the_body_too(title: str) -> None:
    assert NOBODY.clean(f"IRM rocher {title.format('Rocher')}") == "IRM rocher"


@pytest.mark.parametrize(("text", "kept"), STAYS.items())
def test_words_after_what_is_no_title_stay(text: str, kept: str) -> None:
    assert NOBODY.clean(text) == kept
