"""Where the names of simulated persons come from, how common each is there, and how registrations are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from unibase.simulation.invented_identities import FAMILY_NAMES, GIVEN_FEMALE, GIVEN_MALE

_ROOTS = [
    "BER",
    "CHAR",
    "DU",
    "MON",
    "GAU",
    "LAM",
    "PER",
    "ROU",
    "VIL",
    "COU",
    "BEL",
    "MAR",
    "FON",
    "GRA",
    "CAS",
    "PEL",
    "TRI",
    "VAL",
    "BRI",
    "SAU",
    "LAU",
    "MOR",
    "TAR",
    "POU",
    "RIB",
]
_MIDDLES = ("", "A", "I", "LE", "NE", "TI", "RO", "DE", "GUE", "CHE")
_ENDS = ["TIN", "BERT", "VEL", "LOT", "RAND", "GON", "MEL", "RIN", "DIER", "NET", "TEAU", "SSON", "QUIN", "CHET", "LLARD", "MONT"]


@dataclass(frozen=True)
class Origin:
    """Where the names of a part of the population come from.

    Attributes:
        share: Of the population.
        countries: Codes of countries of birth.
        abroad: Share born abroad.
        families, female, male: Names, the most common first; the k-th is as common as 1/(k + flat).
        middle: Words that stand before the given name proper, by sex (F, M).
        second: Share of persons with a second given name.
        first_of_january: Share of those born abroad on a day that is given to who does not know theirs.
        vague_days: Months and days that are given so.
    """

    share: float
    countries: tuple[str, ...]
    abroad: float
    families: tuple[str, ...]
    female: tuple[str, ...]
    male: tuple[str, ...]
    flat: float = 1.0
    middle: tuple[str, str] = ("", "")
    second: float = 0.3
    first_of_january: float = 0.05
    vague_days: tuple[tuple[int, int], ...] = ((1, 1),)


def _made_families() -> tuple[str, ...]:
    made = tuple(a + b + c for a in _ROOTS for b in _MIDDLES for c in _ENDS)
    particles = tuple(f"{before} {name}" for before in ("DE", "LE", "DE LA", "D'") for name in made[7::97])
    return (*FAMILY_NAMES, *made, *particles)


ORIGINS = {
    "France": Origin(0.80, ("99109",), 0.01, _made_families(), GIVEN_FEMALE, GIVEN_MALE, flat=60.0, second=0.6),
    "Maghreb": Origin(
        0.08, ("99350", "99351", "99352"), 0.55,
        tuple(["BENALI", "BELKACEM", "HADDAD", "SAIDI", "MANSOURI", "BOUZID", "KHELIFI", "AMRANI", "TOUMI", "CHERIF", "ZIANI", "MEBARKI", "BRAHIMI", "SLIMANI", "RAHMANI", "HAMIDI", "BOUAZIZ", "GHARBI", "TRABELSI", "JAZIRI", "ALAOUI", "IDRISSI", "TAZI", "BENNANI", "FASSI", "BERRADA", "CHRAIBI", "NACIRI"]),
        ("Fatima", "Khadija", "Aïcha", "Zohra", "Leïla", "Nadia", "Samira", "Malika", "Naïma", "Yasmina", "Karima", "Houria"),
        ("Mohamed", "Ahmed", "Ali", "Youssef", "Karim", "Rachid", "Saïd", "Hussein", "Hassan", "Omar", "Abdelkader", "Mustapha", "Brahim"),
        second=0.35, first_of_january=0.12,
    ),
    "Sahel": Origin(
        0.035, ("99335", "99341", "99331", "99326"), 0.65,
        tuple(["TRAORE", "DIALLO", "COULIBALY", "DIARRA", "KEITA", "SOW", "BA", "DIOP", "NDIAYE", "FALL", "CAMARA", "SISSOKO", "TOURE", "KONATE", "OUEDRAOGO", "KONE", "CISSE", "SYLLA"]),
        ("Fatoumata", "Aminata", "Mariam", "Awa", "Kadiatou", "Aïssatou", "Oumou", "Ramata", "Bintou", "Djeneba"),
        ("Mamadou", "Moussa", "Ibrahima", "Souleymane", "Ousmane", "Abdoulaye", "Amadou", "Boubacar", "Issa", "Cheikh", "Seydou"),
        second=0.1, first_of_january=0.3,
    ),
    "Portugal": Origin(
        0.03, ("99139",), 0.5,
        tuple(["DA SILVA", "DOS SANTOS", "FERREIRA", "PEREIRA", "OLIVEIRA", "COSTA", "RODRIGUES", "MARTINS", "FERNANDES", "GONCALVES", "GOMES", "LOPES", "MARQUES"]),
        ("Maria", "Ana", "Isabel", "Teresa", "Fátima", "Lurdes", "Cristina", "Paula", "Helena"),
        ("José", "António", "Manuel", "João", "Carlos", "Luís", "Paulo", "Fernando", "Joaquim", "Jorge"),
        second=0.7, first_of_january=0.005,
    ),
    "Asia": Origin(
        0.025, ("99243", "99234", "99216"), 0.55,
        tuple(["NGUYEN", "TRAN", "LE", "PHAM", "HUYNH", "VO", "DANG", "BUI", "DO", "HO", "CHEN", "WANG", "LI", "ZHANG", "LIN"]),
        ("Hoa", "Lan", "Mai", "Hong", "Thanh", "Huong", "Linh", "Ngoc", "Phuong", "Thu"),
        ("Thanh", "Minh", "Hai", "Duc", "Long", "Hung", "Tuan", "Nam", "Quang", "Anh"),
        flat=0.4, middle=("Thi", "Van"), second=0.1, first_of_january=0.06,
    ),
    "Turkey, Poland": Origin(
        0.03, ("99208", "99122"), 0.5,
        tuple(["YILMAZ", "KAYA", "DEMIR", "CELIK", "SAHIN", "KOWALSKI", "NOWAK", "WISNIEWSKI", "LEWANDOWSKI", "ZIELINSKI", "OZTURK", "ARSLAN"]),
        ("Ayse", "Fatma", "Zeynep", "Anna", "Katarzyna", "Maria", "Emine", "Agnieszka"),
        ("Mehmet", "Mustafa", "Ahmet", "Piotr", "Jan", "Andrzej", "Ali", "Tomasz"),
        first_of_january=0.08,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Habits:
    """Who the persons are, and how registrations are written; as shares of registrations where nothing else is said.

    Attributes:
        origins: Where the names of the parts of the population come from.
        twins: Share of persons born in France who have a twin in the file.
        slips: How often something is typed, heard or read wrongly, as a multiple of what is usual.
        ins: With an INS.
        only_first: With the first given name alone.
        used_for_birth: With the name in use where the name at birth should stand.
        no_place: Without a place of birth.
        usual_first: With the second given name first, for it is the one in use.
        fields_exchanged: With given names where the family name belongs, and the other way round.
        no_births: Dates that stand for none.
        no_families: Words that stand for no family name.
        no_given: With a word that stands for no given name.
        words_for_no_given: Which.
    """

    origins: Mapping[str, Origin] = field(default_factory=lambda: ORIGINS)
    twins: float = 0.015
    slips: float = 1.0
    ins: float = 0.6
    only_first: float = 0.4
    used_for_birth: float = 0.04
    no_place: float = 0.08
    usual_first: float = 0.0
    fields_exchanged: float = 0.003
    no_births: tuple[str, ...] = ("1900-01-01",)
    no_families: tuple[str, ...] = ("INCONNU",)
    no_given: float = 0.0
    words_for_no_given: tuple[str, ...] = ("BEBE", "X", "MADAME", "SANS PRENOM")


def other_habits() -> Habits:
    """Return habits that no rule was made on: twice as many born abroad, names as even as they are uneven, more slips."""
    origins = {
        name: replace(
            one, share=one.share * (0.8 if name == "France" else 2.0), flat=one.flat * (0.3 if name == "France" else 3.0)
        )
        for name, one in ORIGINS.items()
    }
    return Habits(origins, twins=0.03, slips=1.5, ins=0.7, only_first=0.25, used_for_birth=0.06, no_place=0.05)
