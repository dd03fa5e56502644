"""The commands of the rights desk: `unibase person ...`."""

from __future__ import annotations

import getpass
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path

from cyclopts import Parameter

from unibase.flows.cli.app import app
from unibase.flows.cli.command_answers import CommandLine
from unibase.groundwork.problems import UserError

person_app = CommandLine(
    name="person", help="The rights desk: find a person, let them leave, erase them, tell who holds their data."
)
app.command(person_app)


def _asked(what: str, option: str) -> str:
    """Return what is typed at the terminal, unseen."""
    try:
        return getpass.getpass(f"{what} (not shown): ")
    except EOFError:
        raise UserError(f"Nobody typed it: there is no terminal. Give {option}.") from None


@Parameter(name="*")
@dataclass(frozen=True)
class Named:
    """Whom the desk is asked about.

    Attributes:
        number: Hospital number, another number of a source, or the INS; asked for, unseen, where it is left out.
        centre: The hospital whose number it is, where several have it.
    """

    number: str | None = None
    centre: str | None = None

    def told(self) -> str:
        """Return the number; ask for it where it should not stand in the history of a shell."""
        return self.number if self.number is not None else _asked("Number of the person", "--number")


_NOBODY = Named()


@person_app.command(name="find")
def person_find(study: Path, *, named: Named = _NOBODY) -> None:
    """Show who has a number: all their records, the pseudonym, and whether they object. Audited.

    Example: `unibase person find study.yaml --centre lyon`

    Args:
        study: The study file.
    """
    from unibase.flows.vault.rights_desk import find

    print(find(study, named.told(), named.centre))


@person_app.command(name="history")
def person_history(study: Path, *, named: Named = _NOBODY) -> None:
    """Show what happened in the ledger to the records of who is named: linked, parted, corrected, given away. Audited.

    Example: `unibase person history study.yaml --centre lyon`

    Args:
        study: The study file.
    """
    from unibase.flows.vault.rights_desk import history

    print(history(study, named.told(), named.centre))


@person_app.command(name="exclude")
def person_exclude(study: Path, *, named: Named = _NOBODY) -> None:
    """Write down that a person objects, or withdraws a consent: they leave on the next night and stay out.

    Example: `unibase person exclude study.yaml --centre lyon`

    Args:
        study: The study file.
    """
    from unibase.flows.vault.rights_desk import exclude

    print(exclude(study, named.told(), named.centre))


@person_app.command(name="readmit")
def person_readmit(study: Path, *, named: Named = _NOBODY) -> None:
    """Take an objection that this desk wrote down back; what a hospital's source says stays.

    Example: `unibase person readmit study.yaml --centre lyon`

    Args:
        study: The study file.
    """
    from unibase.flows.vault.rights_desk import readmit

    print(readmit(study, named.told(), named.centre))


@Parameter(name="*")
@dataclass(frozen=True)
class RightValues:
    """The right values; `none` where one is not known, `?` to be asked for it unseen.

    Attributes:
        ins: Matricule INS, 15 digits.
        birth_date: Date of birth, YYYY-MM-DD, cut to what is known.
        family_name: Family name at birth.
        used_name: Family name in use.
        given_names: Given names, the first one first.
        sex: F or M.
        birth_place: INSEE code of the commune or country of birth.
    """

    ins: str | None = None
    birth_date: str | None = None
    family_name: str | None = None
    used_name: str | None = None
    given_names: str | None = None
    sex: str | None = None
    birth_place: str | None = None

    def told(self) -> dict[str, str]:
        """Return the values that are given, by column of PEOPLE; ask for those that should not stand in the history of a shell."""
        named = {"family_name": "birth_family_name", "used_name": "used_family_name", "birth_place": "birth_place_code"}
        given = {name: value for name, value in asdict(self).items() if value is not None}
        asked = {name: _asked(name, f"--{name.replace('_', '-')}") if value == "?" else value for name, value in given.items()}
        return {named.get(name, name): value for name, value in asked.items()}


_NO_VALUES = RightValues()


@person_app.command(name="correct")
def person_correct(study: Path, *, named: Named = _NOBODY, right: RightValues = _NO_VALUES, take_back: bool = False) -> None:
    """Correct the identity that a hospital has wrong, until its own export does: an INS, a birth, a name, a number given away.

    The next night judges the links of the record again; images, features and releases follow, and earlier releases are marked.

    Example: `unibase person correct study.yaml --centre lyon --number 80106744 --birth-date 1956-03-12`

    Args:
        study: The study file.
        take_back: Take all corrections of the number back: what its hospital says counts again.
    """
    from unibase.flows.vault import correcting

    if take_back:
        print(correcting.take_back(study, named.told(), named.centre))
    else:
        print(correcting.correct(study, named.told(), named.centre, right.told()))


@person_app.command(name="register")
def person_register(study: Path, *, named: Named = _NOBODY, key_file: tuple[Path, ...] = (), notice: Path | None = None) -> None:
    """Show which releases and extracts hold a person, and write the notice to their recipients.

    Example: `unibase person register study.yaml --centre lyon --notice notice.txt`

    Args:
        study: The study file.
        key_file: Earlier keys, under which older releases were made.
        notice: Text file for the recipients: which subject to delete, and nothing of the person.
    """
    from unibase.flows.vault.rights_desk import register, write_notice
    from unibase.privacy.keys import read_key_file

    number = named.told()
    print(register(study, number, named.centre, [read_key_file(file) for file in key_file]))
    if notice is not None:
        print(write_notice(study, number, named.centre, notice))


@person_app.command(name="recipient")
def person_recipient(study: Path, version: str, given_to: str) -> None:
    """Write down who received a release: the register and the notice name them. Extracts name theirs by `given_to`.

    Example: `unibase person recipient study.yaml 1.0.0 "INSERM U1234, dpo@example.org"`

    Parameters
    ----------
    study
        The study file.
    version
        Version of the release.
    given_to
        Who received it, and how they are reached.
    """
    from unibase.flows.vault.rights_desk import recipient

    print(recipient(study, version, given_to))


@person_app.command(name="of-age")
def person_of_age(study: Path, *, since: date | None = None, until: date | None = None) -> None:
    """List who comes of age, to be informed and asked: until then the parents decided. Audited.

    Example: `unibase person of-age study.yaml --until 2026-12-31`

    Args:
        study: The study file.
        since: First day (YYYY-MM-DD); a year ago by default.
        until: Last day; in ninety days by default.
    """
    from unibase.flows.vault.coming_of_age import coming_of_age

    today = date.today()
    print(coming_of_age(study, since or today - timedelta(days=365), until or today + timedelta(days=90)))


@person_app.command(name="erase")
def person_erase(study: Path, *, named: Named = _NOBODY) -> None:
    """Erase a person from the vault, in every revision of the ledger; a number of theirs that comes back stays out.

    Releases and extracts that hold them are named; they are not changed.

    Example: `unibase person erase study.yaml --centre lyon`

    Args:
        study: The study file.
    """
    from unibase.flows.vault.rights_desk import erase

    print(erase(study, named.told(), named.centre))
