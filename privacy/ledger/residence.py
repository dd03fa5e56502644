"""Where a person lives and is called, as evidence: for some persons all that tells two of one name and one day apart.

Nobody is kept apart by it, for people move, and nobody is linked by it alone: a household shares it. So it adds to the score,
within bounds, and takes away no doubt about given names, which is where twins differ.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

COLUMNS = ("postcode", "commune", "phone", "address")
"""Columns of PEOPLE that tell it; a hospital may give any of them."""
PLACES = 3
"""Columns of `Residence.places`: postal code, commune, telephone."""
MOST_WORDS = 6
"""Words of an address that are compared."""
MOST_RESIDENCE = 10.0
"""Bits that where a person lives and is called gives at most."""
AT_HOME_BITS = 5.0
"""Bits of one address or telephone from which two records are of one household."""
_DIFFERS, _LEAST = -2.0, -3.0
_MOST_ADDRESS = 8.0
_ENOUGH = 0.6
"""Share of the words of the poorer address, by their weight, that the other one has if the two are one."""
_WRITTEN = {
    "AV": "AVENUE", "AVE": "AVENUE", "BD": "BOULEVARD", "BLD": "BOULEVARD", "BVD": "BOULEVARD", "R": "RUE", "PL": "PLACE", "CHE": "CHEMIN", "CH": "CHEMIN",
    "CHEM": "CHEMIN", "IMP": "IMPASSE", "ALL": "ALLEE", "RTE": "ROUTE", "SQ": "SQUARE", "RES": "RESIDENCE", "BAT": "BATIMENT", "ST": "SAINT", "STE": "SAINTE",
}  # fmt: skip
_SAY_NOTHING = frozenset({"DE", "DU", "DES", "LA", "LE", "LES", "L", "D", "ET", "AU", "AUX"})
_NOT_KNOWN = frozenset(
    {"INCONNU", "INCONNUE", "SDF", "NC", "ND", "NR", "NULL", "DOMICILE", "UNKNOWN", "XXX", "NEANT", "RENSEIGNE"}
)
_NOT_A_WORD = re.compile(r"[^A-Z0-9]+")
_FRENCH_CODE = re.compile(r"(?:FR?)?(\d{5})(?:CEDEX\d*)?$")
_PHONE_DIGITS = 9


class Residence(NamedTuple):
    """The numbered values of each row, -1 for none.

    Attributes:
        places: (rows, 3) postal code, commune and telephone.
        words: (rows, 6) words of the address.
    """

    places: np.ndarray
    words: np.ndarray


class ResidenceWeights(NamedTuple):
    """Bits of the values of a `Residence`, in its shapes."""

    places: np.ndarray
    words: np.ndarray


def address_words(text: str | None) -> tuple[str, ...]:
    """Return the words of an address, `text`, that are compared, each once; none where it says that none is known.

    >>> address_words("12 bis, av. de l'Église"), address_words("SANS DOMICILE FIXE")
    (('12', 'BIS', 'AVENUE', 'EGLISE'), ())
    """
    words = [_WRITTEN.get(word, word.lstrip("0") or word) for word in _words(text)]
    told = [word for word in dict.fromkeys(words) if word not in _SAY_NOTHING]
    return () if _NOT_KNOWN & set(told) else tuple(told[:MOST_WORDS])


def commune_name(text: str | None) -> str | None:
    """Return a commune, `text`, as it is compared, without the number of a district or CEDEX: names or INSEE codes.

    >>> commune_name("Saint-Étienne cedex 2"), commune_name("LYON 3EME"), commune_name("inconnue")
    ('SAINTETIENNE', 'LYON', None)
    """
    words = [_WRITTEN.get(word, word) for word in _words(text)]
    name = [word for word in words if not word[0].isdigit() and word not in {"CEDEX", "ARRONDISSEMENT"}]
    told = name or words
    return "".join(told) if told and not _NOT_KNOWN & set(told) else None


def postal_code(text: str | None) -> str | None:
    """Return a postal code, `text`, as it is compared; none where it stands for none.

    >>> postal_code("69 003"), postal_code("1000.0"), postal_code("F-69483 Cedex 03"), postal_code("99999"), postal_code("SW1A 1AA")
    ('69003', '01000', '69483', None, 'SW1A1AA')
    """
    # A spreadsheet makes a decimal of it; CEDEX follows it, the country stands before it.
    code = "".join(_words(re.sub(r"^(\d+)[.,]0+$", r"\1", (text or "").strip())))
    french = _FRENCH_CODE.match(code)
    code = french[1] if french else code
    # A spreadsheet takes the zero away.
    code = code.zfill(5) if code.isdigit() and len(code) == 4 else code
    return code if len(code) > 2 and len(set(code)) > 1 and not _NOT_KNOWN & {code} else None


def phone_number(text: str | None) -> str | None:
    """Return the last nine digits of a telephone number, `text`, which is written with and without its country; none of a placeholder.

    >>> phone_number("+33 6 12 34 56 78") == phone_number("06.12.34.56.78"), phone_number("0600000000")
    (True, None)
    """
    digits = "".join(sign for sign in text or "" if sign.isascii() and sign.isdigit())[-_PHONE_DIGITS:]
    return digits if len(digits) == _PHONE_DIGITS and len(set(digits[1:])) > 1 else None


READ: dict[str, Callable[[str | None], str | None]] = {"postcode": postal_code, "commune": commune_name, "phone": phone_number}
"""How the value of each column of `Residence.places` is brought to one form."""


def residence_bits(
    of: Residence, weights: ResidenceWeights, left: np.ndarray, right: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the bits of where two records live and are called, and whether they are of one household.

    Args:
        of: All rows.
        weights: What their values weigh.
        left, right: (pairs,) rows.
    """
    if not known(of):
        return np.zeros(len(left)), np.zeros(len(left), dtype=np.bool_)
    one, two = of.places[left], of.places[right]
    both = (one >= 0) & (two >= 0)
    shared = np.where(both & (one == two), np.minimum(weights.places[left], weights.places[right]), 0.0)
    place, phone = shared[:, :2].max(axis=1), shared[:, 2]
    elsewhere = both[:, :2].any(axis=1) & (place == 0.0)
    address = _address_bits(of, weights, left, right)
    bits = np.where(elsewhere, _DIFFERS, place) + address + phone
    return np.clip(bits, _LEAST, MOST_RESIDENCE), (address >= AT_HOME_BITS) | (phone >= AT_HOME_BITS)


def known(of: Residence) -> bool:
    """Return whether any row of `of` tells where a person lives or is called."""
    return bool((of.places >= 0).any() or (of.words >= 0).any())


def _address_bits(of: Residence, weights: ResidenceWeights, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the bits of the words that two addresses share, where these are most of the poorer one."""
    one, two = of.words[left], of.words[right]
    in_both = ((one[:, :, None] == two[:, None, :]) & (one[:, :, None] >= 0)).any(axis=2)
    shared = np.where(in_both, weights.words[left], 0.0).sum(axis=1)
    whole = np.minimum(weights.words[left].sum(axis=1), weights.words[right].sum(axis=1))
    there = (one[:, 0] >= 0) & (two[:, 0] >= 0)
    alike = shared >= _ENOUGH * whole
    found: np.ndarray = np.where(there, np.where(alike, np.minimum(shared, _MOST_ADDRESS), _DIFFERS), 0.0)
    return found


def _words(text: str | None) -> list[str]:
    plain = unicodedata.normalize("NFKD", (text or "").replace("œ", "oe").replace("Œ", "OE"))
    return [word for word in _NOT_A_WORD.split("".join(s for s in plain if not unicodedata.combining(s)).upper()) if word]
