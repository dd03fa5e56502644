"""Where simulated persons live and are called, as hospitals write it: what linkage has beside names where these say little.

Rates are assumptions. Some live where they are known to live no more, twins and some of a family name share a home, and
persons born abroad live beside one another more than others do.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import polars as pl

from unibase.simulation.invented_identities import with_typo
from unibase.simulation.seeds import stream

_KINDS = ("rue", "avenue", "boulevard", "place", "chemin", "impasse", "allée", "route")
_SHORT = {"avenue": "av", "boulevard": "bd", "place": "pl", "chemin": "che"}
_STREETS = (
    "de l'Église", "de la Gare", "des Lilas", "Victor Hugo", "Jean Jaurès", "Pasteur", "de la République", "du Moulin", "des Écoles", "de Verdun",
    "du Stade", "des Acacias", "Gambetta", "de la Mairie", "des Vignes", "du Château", "Émile Zola", "des Tilleuls", "de la Fontaine", "Jules Ferry",
)  # fmt: skip
_TOWNS = ("Lons", "Vaux", "Cery", "Mons", "Bray", "Auber", "Ville", "Saint-Aubin", "Fontenay", "Montfort", "Châtel", "Roche")
_ENDS = ("", "-sur-Orne", "-le-Vieux", "-les-Bois", "-la-Ville", "-en-Plaine", "-sous-Mont", "-lès-Dames")


@dataclass(frozen=True)
class Homes:
    """How registrations tell where a person lives; shares of registrations where nothing else is said.

    Attributes:
        towns: How many there are; the k-th is as large as 1/(k + 3).
        towns_abroad: In how many of them most persons born abroad live.
        kin: Of persons, who share the home of another of their family name.
        moved: Who has moved since, or not yet.
        town, address, phone: With postal code and commune, with a street, with a telephone.
        other_phone: With another telephone than elsewhere.
        slips: With a slip in the address, and in the commune.
    """

    towns: int = 600
    towns_abroad: int = 60
    kin: float = 0.15
    moved: float = 0.2
    town: float = 0.9
    address: float = 0.8
    phone: float = 0.6
    other_phone: float = 0.25
    slips: float = 0.1


@dataclass(frozen=True)
class _Home:
    town: int
    number: int
    street: int
    phone: int


def with_homes(people: pl.DataFrame, truth: pl.DataFrame, seed: int, habits: Homes | None = None) -> pl.DataFrame:
    """Return registrations with address, postal code, commune and telephone.

    Args:
        people, truth: Of `french_persons`, in one order.
        seed: Same arguments, same frame.
        habits: How homes are written; the usual ones without.
    """
    rng, how = stream(seed, "homes", people.height), habits or Homes()
    homes: dict[int, _Home] = {}
    of_name: dict[str, list[_Home]] = defaultdict(list)
    rows = []
    who = truth.select("person", "twin_of", "abroad").with_columns(family=people["birth_family_name"])
    for person, twin, abroad, family in who.iter_rows():
        if person not in homes:
            kin = of_name[family]
            shared = kin[int(rng.integers(len(kin)))] if kin and rng.random() < how.kin else None
            homes[person] = homes.get(twin) or shared or _home(rng, how, abroad)
            kin.append(homes[person])
        home = _home(rng, how, abroad) if rng.random() < how.moved else homes[person]
        rows.append(_registered(rng, how, home))
    return people.with_columns(pl.DataFrame(rows, schema=dict.fromkeys(("address", "postcode", "commune", "phone"), pl.String)))


def _home(rng: np.random.Generator, how: Homes, abroad: bool) -> _Home:
    towns = how.towns_abroad if abroad and rng.random() < 0.8 else how.towns
    # Drawn by rank, as `french_persons` draws names.
    town = min(int(3.0 * (np.exp(rng.random() * np.log((towns + 3.0) / 3.0)) - 1)), towns - 1)
    return _Home(town, int(rng.integers(1, 120)), int(rng.integers(len(_KINDS) * len(_STREETS))), int(rng.integers(10**8)))


def _registered(rng: np.random.Generator, how: Homes, home: _Home) -> dict[str, str | None]:
    kind, street = _KINDS[home.street % len(_KINDS)], _STREETS[home.street // len(_KINDS)]
    kind = _SHORT.get(kind, kind) if rng.random() < 0.3 else kind
    address = f"{home.number} {kind} {street}"
    commune = f"{_TOWNS[home.town % len(_TOWNS)]}{_ENDS[home.town // len(_TOWNS) % len(_ENDS)]}"
    postcode = f"{1 + home.town * 7 % 95:02d}{home.town * 10 % 1000:03d}"
    in_town = rng.random() < how.town
    number = int(rng.integers(10**8)) if rng.random() < how.other_phone else home.phone
    return {
        "address": _typed(rng, address.upper() if rng.random() < 0.5 else address, how) if rng.random() < how.address else None,
        "postcode": postcode if in_town else None,
        "commune": _typed(rng, commune.upper() if rng.random() < 0.5 else commune, how) if in_town else None,
        "phone": f"06{number:08d}" if rng.random() < how.phone else None,
    }


def _typed(rng: np.random.Generator, text: str, how: Homes) -> str:
    return with_typo(text, rng) if rng.random() < how.slips else text
