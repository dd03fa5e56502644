"""The rights desk: who a person is in the study, where they are released, and how they leave it.

A person is named by a hospital number. What is found goes to the screen of the custodian; the audit log keeps who asked,
why and for which pseudonym, and nothing of the person.
"""

from __future__ import annotations

import getpass
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from unibase.flows.study.places import OBJECTIONS
from unibase.flows.study.study_file import Study
from unibase.flows.study.validation import read_study
from unibase.flows.vault.holders import holders
from unibase.flows.vault.who_objects import objecting
from unibase.groundwork.files import write_text
from unibase.groundwork.problems import UserError
from unibase.privacy import pseudonyms
from unibase.privacy.custody.erasing import finish, note_down
from unibase.privacy.custody.objections import (
    ANY_SYSTEM,
    REGISTER,
    add_to_register,
    read_register,
    remove_from_register,
    stands_for,
)
from unibase.privacy.keys import Key
from unibase.privacy.ledger import persons, record_history
from unibase.privacy.ledger.comparable import RecordKey
from unibase.releases.catalogue.site import published
from unibase.releases.content import manifest
from unibase.releases.exports.extract_request import Condition, subjects_of

CHANNEL = "custodian"
"""How the register of objections names this desk."""
GIVEN = "release-given"
"""How the audit log names that a release was handed to somebody."""
_NEXT = "Next: unibase build {} --nightly, which leaves them out of everything that is made from then on."


@dataclass(frozen=True)
class Asked:
    """One person of a study, as the ledger knows them now.

    Attributes:
        study: The study.
        name: Name of the person in the ledger.
        records: All records of the person.
        people: PEOPLE rows of these.
        subject_id: The pseudonym under the study's key.
    """

    study: Study
    name: str
    records: tuple[RecordKey, ...]
    people: pl.DataFrame
    subject_id: int

    @property
    def numbers(self) -> list[tuple[str, str, str]]:
        """Centre, system and identifier of every number."""
        rows = self.people.filter(~persons.is_same_as())
        return list(rows.select("centre", "system", "identifier").unique().sort(pl.all()).iter_rows())


@dataclass(frozen=True)
class Held:
    """A release or an extract that holds a person, under which pseudonym, and who received it."""

    what: str
    subject_id: int
    certain: bool = True
    given_to: tuple[str, ...] = ()

    def told(self, unsure: str) -> str:
        """Return what the register and the notice say of it. `unsure`: what is said where the person may not be in it."""
        to = f"; received by {'; '.join(self.given_to)}" if self.given_to else "; nobody is known to have received it"
        return f"{self.what}: subject {self.subject_id}{'' if self.certain else f' ({unsure})'}{to}"


def find(study_file: Path, number: str, centre: str | None) -> str:
    """Return who has a number, all that the ledger knows of them, and whether they object.

    Args:
        study_file: The study file.
        number: A hospital number, another number of a source, or the INS.
        centre: Where it is a number of; None where one hospital alone has it.

    Raises:
        UserError: If nobody has it, or several persons have.
    """
    asked = person_of(study_file, number, centre)
    objects = asked.subject_id in objecting(asked.study)
    log_asked(asked, "person-find")
    lines = [f"subject_id {asked.subject_id}; {len(asked.records)} records; {'objects' if objects else 'does not object'}"]
    for row in asked.people.filter(~persons.is_same_as()).sort("centre", "system", "identifier").iter_rows(named=True):
        said = [row["birth_family_name"], row["used_family_name"], row["given_names"], row["birth_date"], row["sex"]]
        told = " ".join(dict.fromkeys(text for text in said if text))
        lines.append(f"  {row['centre']}: {row['system']} {row['identifier']}  {told}")
    return "\n".join(lines)


def exclude(study_file: Path, number: str, centre: str | None) -> str:
    """Bring a person into the register of objections: they leave on the next night, whatever number they come under.

    Args:
        study_file: The study file.
        number: As `find`; where the ledger does not know it yet, `centre` must say whose hospital number it is.
        centre: As `find`.

    Raises:
        UserError: If several persons have the number, or it is unknown and no centre is named.
    """
    study = with_ledger(study_file)
    known = _persons_with(study, number, centre)
    if not known:
        _check_centre(study, centre)
        found = [(centre, ANY_SYSTEM, number.strip(), CHANNEL)]
        with study.work.owned():
            add_to_register(OBJECTIONS.of(study.work.root), pl.DataFrame(found, schema=REGISTER, orient="row"))
        study.audit.append(getpass.getuser(), "person-exclude", 0)
        return "The ledger knows nobody of that number. It is in the register: whoever comes under it stays out."
    asked = _one(study, known)
    found = [(*number_, CHANNEL) for number_ in asked.numbers]
    with study.work.owned():
        add_to_register(OBJECTIONS.of(study.work.root), pl.DataFrame(found, schema=REGISTER, orient="row"))
    log_asked(asked, "person-exclude")
    return "\n".join(["In the register of objections.", *register_lines(asked), _NEXT.format(study_file)])


def readmit(study_file: Path, number: str, centre: str | None) -> str:
    """Take an objection that this desk wrote down back; what a hospital's source says stays.

    Args:
        study_file: The study file.
        number: As `find`.
        centre: As `find`.

    Raises:
        UserError: If nobody has the number, or several persons have.
    """
    asked = person_of(study_file, number, centre)
    path = OBJECTIONS.of(asked.study.work.root)
    with asked.study.work.owned():
        remove_from_register(path, asked.numbers, CHANNEL)
    left = sorted({entry.channel for entry in objecting(asked.study).get(asked.subject_id, ())})
    log_asked(asked, "person-readmit")
    if left:
        return (
            f"Still out: the sources say so ({', '.join(left)}). The hospital must change it there, and the register be cleared."
        )
    return f"No objection is left. Next: unibase build {study_file} --nightly"


def register(study_file: Path, number: str, centre: str | None, key_files: Sequence[Key] = ()) -> str:
    """Return which releases and extracts hold a person, and under which pseudonym.

    Args:
        study_file: The study file.
        number: As `find`.
        centre: As `find`.
        key_files: Earlier keys of the study, under which older releases were made.

    Raises:
        UserError: If nobody has the number, or several persons have.
    """
    asked = person_of(study_file, number, centre)
    log_asked(asked, "person-register")
    return "\n".join(register_lines(asked, key_files))


def history(study_file: Path, number: str, centre: str | None) -> str:
    """Return what happened to the records of a number over the revisions of the ledger, for the screen alone.

    Args:
        study_file, centre: As `find`.
        number: As `find`; also one that its hospital has taken back or given to another person.

    Raises:
        UserError: If the ledger never knew the number, or was changed by hand.
    """
    study = with_ledger(study_file)
    records = record_history.records_of_number(study.work.identity, number, centre)
    if not records:
        raise UserError("The ledger never knew this number. Look at it and at the centre; of an erased person nothing is kept.")
    study.audit.append(getpass.getuser(), "person-history", 1, {"reason": "rights", "records": len(records)})
    lines = [one.told() for one in record_history.history(study.work.identity, records)]
    mine = persons.ledger_people(study.work.identity).select("centre", "system", "identifier", "person_key").iter_rows()
    numbers = [(at, kind, one) for at, kind, one, person_key in mine if (at, person_key) in records]
    for at, kind, one, channel in read_register(OBJECTIONS.of(study.work.root)).iter_rows():
        if any(stands_for((at, kind, one), known) for known in numbers):
            lines.append(f"objects: {at} {one}, told by {channel}")
    return "\n".join(lines)


def write_notice(study_file: Path, number: str, centre: str | None, out: Path) -> str:
    """Write what the recipients of releases and extracts are told: which subject to delete, and nothing of the person.

    Args:
        study_file: The study file.
        number: As `find`.
        centre: As `find`.
        out: The text file to write.

    Raises:
        UserError: If nobody has the number, or several persons have.
    """
    asked = person_of(study_file, number, centre)
    held = list(_held(asked, ()))
    lines = [
        f"Study {asked.study.study}: a person has used their right to leave it.",
        "Delete all rows of the subject named here, in all copies and in what was derived from them per person, and confirm it.",
        "",
        *(f"- {one.told('if it is there')}" for one in held),
    ]
    write_text(out, "\n".join(lines) + "\n", mode=0o600)
    log_asked(asked, "person-notice")
    return f"{out}: {len(held)} releases and extracts."


def recipient(study_file: Path, version: str, given_to: str) -> str:
    """Write down who received a release, so that the register names them when a person leaves. Audited.

    Args:
        study_file: The study file.
        version: Version of the release.
        given_to: Who received it, and how they are reached; not a patient.

    Raises:
        UserError: If the version is not published, or nobody is named.
    """
    study = read_study(study_file)
    versions = [path.name for path in _releases(study)]
    if version not in versions:
        raise UserError(f"{study.study} has no release {version}. Published are: {', '.join(versions) or 'none'}.")
    if not given_to.strip():
        raise UserError("Name who received it, and how they are reached.")
    details = {"release": f"{study.study} {version}", "given_to": given_to.strip()}
    study.audit.append(getpass.getuser(), GIVEN, 0, details)
    return f"Release {version}: received by {given_to.strip()}."


def erase(study_file: Path, number: str, centre: str | None) -> str:
    """Erase a person from the vault: rows, links and decisions in every revision of the ledger; numbers stay as digests only.

    Args:
        study_file: The study file.
        number: As `find`.
        centre: As `find`.

    Raises:
        UserError: If nobody has the number, or several persons have, or the ledger was changed by hand.
    """
    asked = person_of(study_file, number, centre)
    lines = register_lines(asked)
    # Logged first: a kill leaves a log of what the next start completes, never an erasure without a log.
    asked.study.audit.append(getpass.getuser(), "person-erase", 1, {"records": len(asked.records)})
    with asked.study.work.owned():
        held = holders(asked.study.work.root)
        note_down(held, asked.people)
        finish(held)
    backups = "Backups of the vault hold them still; erase them there too."
    return "\n".join(
        ["Erased from the vault; who comes back under one of the numbers stays out.", *lines, backups, _NEXT.format(study_file)]
    )


def with_ledger(study_file: Path) -> Study:
    """Return the study of `study_file`; refuse one without a ledger, or of two custodians. An erasure that was killed is ended first."""
    study = read_study(study_file)
    if study.work.erasing.exists():
        with study.work.owned():
            pass
    if not study.work.identity.is_dir():
        raise UserError(f"{study_file}: there is no identity ledger yet. Build the study first: unibase build {study_file}")
    if study.custodians:
        raise UserError(
            "This study has two custodians: the desk of each centre's hospital names the person, and both act together."
        )
    return study


def _check_centre(study: Study, centre: str | None) -> None:
    if centre not in study.centres:
        raise UserError(
            f"The ledger knows nobody of that number. Say whose number it is with --centre: {', '.join(study.centres)}. "
            "It is then kept, and whoever comes under it stays out."
        )


def person_of(study_file: Path, number: str, centre: str | None) -> Asked:
    """Return who has a number. `study_file`, `number`, `centre`: as `find`.

    Raises:
        UserError: If nobody has it, or several persons have.
    """
    study = with_ledger(study_file)
    known = _persons_with(study, number, centre)
    if not known:
        raise UserError(
            "The ledger knows nobody of that number. Look at the number and the centre; an erased person is not known."
        )
    return _one(study, known)


def _persons_with(study: Study, number: str, centre: str | None) -> list[Asked]:
    """Return the persons who have a number."""
    if centre is not None and centre not in study.centres:
        raise UserError(f"--centre: the study has {', '.join(study.centres)}.")
    people = persons.ledger_people(study.work.identity)
    wanted = number.strip()
    mine = people.filter((pl.col("identifier") == wanted) | (pl.col("ins") == wanted), ~persons.is_same_as())
    mine = mine if centre is None else mine.filter(pl.col("centre") == centre)
    who = persons.persons(study.work.identity)
    names = mine.join(who, on=["centre", "person_key"])["person"].unique().sort()
    found = []
    for name in names:
        records = who.filter(pl.col("person") == name).select("centre", "person_key")
        rows = people.join(records, on=["centre", "person_key"], how="semi")
        found.append(Asked(study, name, tuple(records.iter_rows()), rows, pseudonyms.subject_id(study.read_key(), name)))
    return found


def _one(study: Study, known: Sequence[Asked]) -> Asked:
    if len(known) > 1:
        centres = sorted({centre for one in known for centre, _ in one.records})
        raise UserError(f"{len(known)} persons have that number. Name the hospital with --centre: {', '.join(centres)}.")
    return known[0]


def register_lines(asked: Asked, earlier: Sequence[Key] = ()) -> list[str]:
    """Return what holds a person. `asked`: the person; `earlier`: earlier keys of the study."""
    held = list(_held(asked, earlier))
    lines = [f"  {one.told('may be in it')}" for one in held]
    unread = _other_keys(asked, earlier)
    lines += [f"  {release.parent.name} {release.name}: made under another key; name it with --key-file" for release in unread]
    return [f"Releases and extracts that hold the person: {len(held)}", *lines]


def _releases(study: Study) -> list[Path]:
    folder = study.path(study.releases)
    return [path for path in published(folder) if path.parent.name == study.study]


def _keys(asked: Asked, earlier: Sequence[Key]) -> dict[str, Key]:
    return {key.fingerprint: key for key in (*earlier, asked.study.read_key())}


def _other_keys(asked: Asked, earlier: Sequence[Key]) -> list[Path]:
    keys = _keys(asked, earlier)
    return [path for path in _releases(asked.study) if manifest.read(path).get("key_fingerprint") not in keys]


def _held(asked: Asked, earlier: Sequence[Key]) -> Iterator[Held]:
    """Yield the releases whose subjects hold the person, each with the extracts that were made of it."""
    keys = _keys(asked, earlier)
    log = asked.study.audit.entries()
    extracts = [one["details"] for one in log if one["action"] == "extract"]
    given = [one["details"] for one in log if one["action"] == GIVEN]
    for release in _releases(asked.study):
        about = manifest.read(release)
        key = keys.get(str(about.get("key_fingerprint")))
        if key is None:
            continue
        number = pseudonyms.subject_id(key, asked.name)
        subjects = pl.read_parquet(release / "tables" / "subjects.parquet", columns=["subject_id"])["subject_id"]
        if number not in subjects.to_list():
            continue
        named = f"{about['study']} {about['version']}"
        to = tuple(dict.fromkeys(str(one["given_to"]) for one in given if one["release"] == named))
        yield Held(f"release {named}", number, given_to=to)
        yield from _extracts(release, number, key, [one for one in extracts if one["release"] == named])


def _extracts(release: Path, number: int, key: Key, extracts: Sequence[Mapping[str, Any]]) -> Iterator[Held]:
    """Yield the extracts of a release that hold a subject of it, or may hold it."""
    for one in extracts:
        conditions = one.get("subjects")
        if conditions is not None:
            chosen = subjects_of(release, [Condition.model_validate(condition) for condition in conditions])
            if number not in chosen.to_list():
                continue
        project = Key(key.derive(f"extract/{one['project']}"))
        what = f"extract {one['project']} version {one.get('version', 1)}, approval {one['approval']}"
        to = (str(one["given_to"]),) if one.get("given_to") else ()
        yield Held(what, pseudonyms.subject_id(project, str(number)), certain=conditions is not None, given_to=to)


def log_asked(asked: Asked, action: str) -> None:
    """Write down who asked for what, and of which pseudonym. `asked`: the person; `action`: what for."""
    asked.study.audit.append(getpass.getuser(), action, 1, {"reason": "rights", "pseudonyms": [str(asked.subject_id)]})
