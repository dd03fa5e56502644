"""Identities of invented persons as French hospitals write them: names, births, INS, addresses, and how they go wrong.

The matricule INS is the NIR: sex, year, month, five characters of the birth place (INSEE commune, 2A and 2B in
Corsica, 99 and a country abroad), three of order, and a key of two digits, 97 minus the number modulo 97 where
2A counts as 19 and 2B as 18 (instruction of INSEE; Référentiel INS of the Agence du numérique en santé).
All persons are invented; any likeness is chance.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace

import numpy as np

FAMILY_NAMES = (
    "MARTIN", "BERNARD", "THOMAS", "PETIT", "ROBERT", "RICHARD", "DURAND", "DUBOIS", "MOREAU", "LAURENT", "SIMON", "MICHEL",
    "LEFÈVRE", "LEROY", "DAVID", "BERTRAND", "MOREL", "FOURNIER", "GIRARD", "BONNET", "DUPONT", "LAMBERT", "FONTAINE",
    "ROUSSEAU", "VINCENT", "MULLER", "LEFEBVRE", "FAURE", "ANDRÉ", "MERCIER", "BLANC", "GUÉRIN", "BOYER", "GARNIER",
    "CHEVALIER", "FRANÇOIS", "LEGRAND", "GAUTHIER", "GARCIA", "PERRIN", "CLÉMENT", "MORIN", "NICOLAS", "HENRY", "ROUSSEL",
    "MATHIEU", "GAUTIER", "MASSON", "MARCHAND", "DUVAL", "DUMONT", "LEMAIRE", "MEYER", "DUFOUR", "MEUNIER", "BLANCHARD",
    "GIRAUD", "RIVIÈRE", "LUCAS", "BRUNET", "GAILLARD", "BARBIER", "ARNAUD", "MARTINEZ", "GÉRARD", "ROCHE", "RENARD", "SCHMITT",
    "LEROUX", "COLIN", "VIDAL", "CARON", "PICARD", "ROGER", "FABRE", "AUBERT", "LEMOINE", "RENAUD", "DUMAS", "LACROIX",
    "OLIVIER", "PHILIPPE", "BOURGEOIS", "PIERRE", "BENOÎT", "LECLERC", "PAYET", "ROLLAND", "LECLERCQ", "GUILLAUME", "LECOMTE",
    "LOPEZ", "DUPUY", "GUILLOT", "HUBERT", "BERGER", "CARPENTIER", "SANCHEZ", "DUPUIS", "MOULIN", "LOUIS", "DESCHAMPS",
    "VASSEUR", "PEREZ", "BOUCHER", "FLEURY", "ROYER", "KLEIN", "JACQUET", "POIRIER", "MARTY", "AUBRY", "GUYOT", "CARRÉ",
    "CHARLES", "RENAULT", "CHARPENTIER", "MÉNARD", "MAILLARD", "BARON", "BERTIN", "BAILLY", "HERVÉ", "SCHNEIDER", "FERNANDEZ",
    "COLLET", "LÉGER", "BOUVIER", "JULIEN", "PRÉVOST", "MILLET", "PERROT", "COUSIN", "GERMAIN", "BRETON", "BESSON", "LANGLOIS",
    "PELLETIER", "LÉVÊQUE", "PERRIER", "LEBLANC", "BARRÉ", "LEBRUN", "MARCHAL", "WEBER", "MALLET", "HAMON", "BOULANGER",
    "JACOB", "MONNIER", "MICHAUD", "RODRIGUEZ", "GUICHARD", "GILLET", "ÉTIENNE", "GRONDIN", "POULAIN", "TESSIER", "CHEVALLIER",
    "COLLIN", "DA-SILVA", "BENALI", "TRAORÉ", "NGUYEN", "DIALLO", "BENSAÏD", "O'BRIEN", "D'ALMEIDA", "LE-GOFF", "LE-GALL",
    "DE-LA-FUENTE", "SAINT-AUBIN", "MAÇON", "BJÖRKSTRÖM",
)  # fmt: skip
GIVEN_FEMALE = (
    "Marie", "Jeanne", "Françoise", "Monique", "Catherine", "Nathalie", "Isabelle", "Jacqueline", "Anne", "Sylvie", "Martine",
    "Madeleine", "Nicole", "Suzanne", "Hélène", "Christine", "Marguerite", "Denise", "Louise", "Christiane", "Valérie",
    "Sophie", "Sandrine", "Stéphanie", "Véronique", "Céline", "Chantal", "Renée", "Brigitte", "Simone", "Andrée", "Germaine",
    "Zoé", "Élodie", "Joëlle", "Danièle", "Geneviève", "Agnès", "Thérèse", "Maëlle", "Fatima", "Aïcha", "Inès", "Lucie",
    "Camille", "Pauline", "Anne-Marie", "Marie-Thérèse", "Marie-Hélène",
)  # fmt: skip
GIVEN_MALE = (
    "Jean", "Pierre", "Michel", "André", "Philippe", "René", "Louis", "Alain", "Jacques", "Bernard", "Marcel", "Daniel",
    "Roger", "Robert", "Paul", "Claude", "Henri", "Christian", "Nicolas", "Georges", "Patrick", "Gérard", "Christophe",
    "Joseph", "Julien", "Laurent", "Éric", "Frédéric", "Stéphane", "Sébastien", "Guy", "Jérôme", "Loïc", "François", "Benoît",
    "Raphaël", "Gaël", "Noël", "Mohamed", "Karim", "Camille", "Dominique", "Thibault", "Jean-Pierre", "Jean-François",
    "Jean-Noël", "Pierre-Yves",
)  # fmt: skip
COMMUNES = (
    ("75056", "PARIS"), ("13055", "MARSEILLE"), ("69123", "LYON"), ("31555", "TOULOUSE"), ("06088", "NICE"), ("44109", "NANTES"),
    ("34172", "MONTPELLIER"), ("67482", "STRASBOURG"), ("33063", "BORDEAUX"), ("59350", "LILLE"), ("35238", "RENNES"),
    ("51454", "REIMS"), ("42218", "SAINT-ÉTIENNE"), ("76351", "LE HAVRE"), ("83137", "TOULON"), ("38185", "GRENOBLE"),
    ("21231", "DIJON"), ("49007", "ANGERS"), ("30189", "NÎMES"), ("63113", "CLERMONT-FERRAND"), ("87085", "LIMOGES"),
    ("37261", "TOURS"), ("80021", "AMIENS"), ("57463", "METZ"), ("25056", "BESANÇON"), ("66136", "PERPIGNAN"), ("45234", "ORLÉANS"),
    ("76540", "ROUEN"), ("14118", "CAEN"), ("54395", "NANCY"), ("29019", "BREST"), ("86194", "POITIERS"), ("64445", "PAU"),
    ("2A004", "AJACCIO"), ("2B033", "BASTIA"), ("97411", "SAINT-DENIS"), ("97105", "BASSE-TERRE"), ("97209", "FORT-DE-FRANCE"),
    ("01004", "AMBÉRIEU-EN-BUGEY"), ("88160", "ÉPINAL"),
)  # fmt: skip
COUNTRIES = (
    ("99350", "MAROC"), ("99351", "TUNISIE"), ("99352", "ALGÉRIE"), ("99139", "PORTUGAL"), ("99134", "ESPAGNE"), ("99127", "ITALIE"),
    ("99243", "VIET NAM"), ("99341", "SÉNÉGAL"), ("99335", "MALI"), ("99122", "POLOGNE"),
)  # fmt: skip
STREETS = (
    "rue de la République", "avenue Jean-Jaurès", "rue Victor-Hugo", "place de l'Église", "chemin des Écoliers", "rue du Général-Leclerc",
    "boulevard Gambetta", "impasse des Lilas", "rue Pasteur", "allée des Tilleuls",
)  # fmt: skip


@dataclass(frozen=True)
class Identity:
    """The traits of one person as one source writes them.

    Attributes:
        ins: Matricule INS with key, 15 characters, or empty when the source has none that is qualified.
        birth_family_name: Family name at birth.
        used_family_name: Family name in use.
        given_names: Given names, first name first, separated by blanks.
        birth_date: ISO date of birth.
        sex: M or F.
        birth_place_code: INSEE code of commune or country of birth.
        birth_place_name: Its name.
        address: Postal address in one line.
        phone: Telephone number.
    """

    ins: str
    birth_family_name: str
    used_family_name: str
    given_names: str
    birth_date: str
    sex: str
    birth_place_code: str
    birth_place_name: str
    address: str
    phone: str

    @property
    def first_name(self) -> str:
        """The first of the given names."""
        return self.given_names.split(" ")[0]


def ins_key(body: str) -> str:
    """Return the two-digit key of the 13 characters of a NIR.

    `body`: the first 13 characters.

    >>> ins_key("1560369123456")
    '72'
    """
    corsican = {"2A": "19", "2B": "18"}.get(body[5:7].upper())
    digits = f"{body[:5]}{corsican}{body[7:]}" if corsican else body
    return f"{97 - int(digits) % 97:02d}"


def make_ins(sex: str, birth_date: str, birth_place_code: str, order: int) -> str:
    """Return the matricule INS with key: `birth_date` in ISO, `order` from 1 to 999.

    Births in Corsica before 1976 keep the former département 20 in the number.

    Args:
        sex: M or F.
        birth_date: Day of birth, ISO 8601.
        birth_place_code: INSEE code of the place of birth.
        order: Number in the register of births, 1 to 999.

    >>> make_ins("F", "1956-03-12", "69123", 456)
    '256036912345622'
    """
    place = birth_place_code
    if place[:2] in ("2A", "2B") and birth_date < "1976":
        place = "20" + place[2:]
    body = f"{1 if sex == 'M' else 2}{birth_date[2:4]}{birth_date[5:7]}{place}{order:03d}"
    return body + ins_key(body)


def without_accents(text: str) -> str:
    """Return `text` as an old system writes it: no accents, no ligatures.

    >>> without_accents("Élodie Lecœur")
    'Elodie Lecoeur'
    """
    plain = text.replace("Œ", "OE").replace("œ", "oe")
    return "".join(c for c in unicodedata.normalize("NFD", plain) if not unicodedata.combining(c))


def with_typo(text: str, rng: np.random.Generator) -> str:
    """Return `text` with one slip of a typist: two letters exchanged, one dropped, one doubled or one replaced.

    Args:
        text: The text.
        rng: Generator that decides.
    """
    if len(text) < 4:
        return text + text[-1]
    at = int(rng.integers(1, len(text) - 2))
    kind = int(rng.integers(4))
    if kind == 0 and text[at] != text[at + 1]:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    if kind == 1:
        return text[:at] + text[at + 1 :]
    if kind == 2:
        return text[:at] + text[at] + text[at:]
    other = "e" if text[at].lower() != "e" else "a"
    return text[:at] + (other.upper() if text[at].isupper() else other) + text[at + 1 :]


def as_twin(own: Identity, other: Identity) -> Identity:
    """Return `own` as the twin of `other`: family, birth and the next order in the INS; given names and life stay its own."""
    given = own.given_names if own.first_name != other.first_name else f"{own.first_name}-Dominique"
    married = own.used_family_name != own.birth_family_name
    return replace(
        own,
        ins=make_ins(own.sex, other.birth_date, other.birth_place_code, int(other.ins[10:13]) % 999 + 1),
        birth_family_name=other.birth_family_name,
        used_family_name=own.used_family_name if married else other.birth_family_name,
        given_names=given,
        birth_date=other.birth_date,
        birth_place_code=other.birth_place_code,
        birth_place_name=other.birth_place_name,
    )


def draw_identity(rng: np.random.Generator) -> Identity:
    """Draw one adult's identity, with a valid INS.

    Args:
        rng: Generator that decides.
    """
    sex = "F" if rng.random() < 0.5 else "M"
    year, month, day = int(rng.integers(1938, 1985)), int(rng.integers(1, 13)), int(rng.integers(1, 29))
    birth_date = f"{year:04d}-{month:02d}-{day:02d}"
    place = COUNTRIES[int(rng.integers(len(COUNTRIES)))] if rng.random() < 0.12 else COMMUNES[int(rng.integers(len(COMMUNES)))]
    family = FAMILY_NAMES[int(rng.integers(len(FAMILY_NAMES)))]
    if rng.random() < 0.08:
        family = f"{family}-{FAMILY_NAMES[int(rng.integers(len(FAMILY_NAMES)))]}"
    married = sex == "F" and rng.random() < 0.6
    used = FAMILY_NAMES[int(rng.integers(len(FAMILY_NAMES)))] if married else family
    pool = GIVEN_FEMALE if sex == "F" else GIVEN_MALE
    given = [pool[k] for k in rng.choice(len(pool), size=int(rng.integers(1, 4)), replace=False)]
    home = COMMUNES[int(rng.integers(len(COMMUNES)))]
    address = f"{int(rng.integers(1, 200))} {STREETS[int(rng.integers(len(STREETS)))]}, {home[0][:2]}{int(rng.integers(1, 99)) * 10:03d} {home[1]}"
    phone = "0" + "".join(str(d) for d in (int(rng.integers(1, 8)), *rng.integers(0, 10, 8)))
    return Identity(
        make_ins(sex, birth_date, place[0], int(rng.integers(1, 1000))),
        family, used, " ".join(given), birth_date, sex, place[0], place[1], address, phone,
    )  # fmt: skip
