"""Two more kinds of persons, and of registrations: who knows no day of birth, and who has no family name by birth.

Drawn to try the linkage on what it was not made on. Names and rates are assumptions.
"""

from __future__ import annotations

from dataclasses import replace

from unibase.simulation.habits_of_names import ORIGINS, Habits, Origin

_COMORIAN_MEN = (
    "Said", "Ali", "Mohamed", "Ahmed", "Abdou", "Ibrahim", "Soilihi", "Youssouf", "Attoumani", "Combo", "Madi", "Bacar", "Houmadi",
    "Moussa", "Assani", "Hamada", "Salim", "Daoud", "Nassur", "Mze",
)  # fmt: skip
_COMORIAN_WOMEN = (
    "Fatima", "Zaïnaba", "Echati", "Moinaecha", "Anziza", "Halima", "Roukia", "Mariama", "Sitti", "Hadidja", "Nadjati", "Riziki",
    "Zalihata", "Chaharzadi",
)  # fmt: skip
_TAMIL_MEN = (
    "Sivakumar", "Rajendran", "Kandasamy", "Selvarajah", "Nadarajah", "Ganesh", "Suresh", "Mahendran", "Thirukumar", "Balasingham",
    "Kumar", "Ramesh", "Vijayakumar", "Ravichandran", "Sritharan",
)  # fmt: skip
_TAMIL_WOMEN = (
    "Lakshmi", "Saraswathy", "Parameswary", "Rajeswary", "Kamala", "Vasantha", "Thilaga", "Nirmala", "Sivagami", "Selvamalar",
    "Malar", "Shanthi",
)  # fmt: skip
_MIDYEAR = ((1, 1), (7, 1), (12, 31))


def _upper(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.upper().replace("Ï", "I") for name in names)


_OVERSEAS = {
    # The family name is the father's given name: men's given names and family names are one list.
    "Comoros": Origin(
        0.10, ("99397", "99397", "99333"), 0.6, _upper(_COMORIAN_MEN), _COMORIAN_WOMEN, _COMORIAN_MEN, flat=2.0, second=0.35,
        first_of_january=0.35, vague_days=_MIDYEAR,
    ),
    "Tamil": Origin(
        0.05, ("99235", "99223"), 0.7, _upper(_TAMIL_MEN), _TAMIL_WOMEN, _TAMIL_MEN, flat=3.0, second=0.25, first_of_january=0.08,
    ),
    "Afghanistan": Origin(
        0.03, ("99212",), 0.9,
        ("AHMADI", "MOHAMMADI", "HUSSAINI", "NOORI", "RAHIMI", "HAIDARI", "KARIMI", "STANEKZAI", "SAFI", "AMIRI"),
        ("Fatima", "Zahra", "Maryam", "Zainab", "Masoma", "Shukria"),
        ("Mohammad", "Ali", "Ahmad", "Abdul", "Hussain", "Reza", "Najib", "Sayed"),
        second=0.5, first_of_january=0.6, vague_days=((1, 1), (1, 1), (3, 21)),
    ),
    "Haiti": Origin(
        0.04, ("99410",), 0.6,
        ("JEAN", "PIERRE", "JOSEPH", "LOUIS", "CHARLES", "AUGUSTE", "SAINT-LOUIS", "DORVAL", "EXANTUS", "JEAN-BAPTISTE"),
        ("Marie", "Rose", "Guerda", "Yolande", "Mirlande", "Nadège", "Islande"),
        ("Jean", "Wilner", "Frantz", "Pierre", "Joseph", "Ronald", "Jocelyn"),
        second=0.5, first_of_january=0.03,
    ),
}  # fmt: skip


def overseas_habits() -> Habits:
    """Return habits of a territory where many know the year of their birth alone, and bear their father's name after theirs.

    Days that stand for none are 1 July and 31 December as well, and 21 March among those born in Afghanistan. One registration in
    fifty has given names where the family name belongs. Placeholders are others than those of the usual habits.
    """
    origins = {name: replace(one, share=one.share * 0.7) for name, one in ORIGINS.items()}
    return Habits(
        {**origins, **_OVERSEAS}, twins=0.02, slips=1.2, ins=0.55, only_first=0.3, no_place=0.07, fields_exchanged=0.02,
        no_births=("1904-04-04", "1911-11-11", "1900-01-01"), no_families=("NE SOUS X", "NON COMMUNIQUE", "XX"), no_given=0.002,
    )  # fmt: skip


def usual_name_habits() -> Habits:
    """Return habits of hospitals that ask for the name in use: second given names come first, and women's names by marriage too.

    Two Turkish, Vietnamese and Tamil persons in five bear a family name that one in six of their country bears.
    """
    more = {
        "Turkey": Origin(
            0.06, ("99208",), 0.55,
            ("YILMAZ", "KAYA", "DEMIR", "SAHIN", "CELIK", "YILDIZ", "YILDIRIM", "OZTURK", "AYDIN", "OZDEMIR", "ARSLAN", "DOGAN"),
            ("Fatma", "Ayşe", "Emine", "Hatice", "Zeynep", "Elif", "Meryem", "Şerife", "Zehra", "Sultan"),
            ("Mehmet", "Mustafa", "Ahmet", "Ali", "Hüseyin", "Hasan", "İbrahim", "İsmail", "Osman", "Yusuf"),
            flat=0.6, second=0.3, first_of_january=0.18,
        ),
        "Viet Nam": Origin(
            0.05, ("99243",), 0.6, ORIGINS["Asia"].families[:10], ORIGINS["Asia"].female, ORIGINS["Asia"].male, flat=0.3,
            middle=("Thi", "Van"), second=0.25, first_of_january=0.08,
        ),
        "Tamil": replace(_OVERSEAS["Tamil"], flat=0.5),
    }  # fmt: skip
    return Habits(
        {**ORIGINS, **more}, twins=0.025, slips=1.0, ins=0.5, only_first=0.3, used_for_birth=0.10, no_place=0.06, usual_first=0.04,
        fields_exchanged=0.006, no_births=("1901-01-01", "1900-01-01"), no_given=0.001,
    )  # fmt: skip
