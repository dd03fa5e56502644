"""Re-identification by the custodian: from what a release shows back to the person and the source files.

What is found goes to the screen of who asked and nowhere else. The audit log of the vault keeps who asked for which
pseudonyms, why and when; it holds nothing of the person.
"""

from __future__ import annotations

import getpass
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from unibase.flows.cli.plain_persons import CENTRE
from unibase.flows.runs.dicom_files import images_of
from unibase.flows.study.study_file import Study
from unibase.flows.study.validation import read_study
from unibase.groundwork.problems import UserError
from unibase.groundwork.work import WorkLedger
from unibase.imaging.confidentiality.source_uids import source_uids
from unibase.privacy.audit import AuditLog
from unibase.privacy.custody.custodians import read_subjects, read_tokens, revealed
from unibase.privacy.custody.reidentification import Person, person_of
from unibase.privacy.keys import Key, read_key_file
from unibase.privacy.ledger.persons import open_lookup
from unibase.privacy.subjects import SubjectLookup

Reason = Literal["care", "rights", "correction", "check"]
"""Why a person is re-identified: a finding that concerns their care, a right they use (access, objection), a source that is
to be corrected, or a check of the pipeline."""

_SUBJECT = re.compile(r"[1-9][0-9]{0,18}")
_UID = re.compile(r"2\.25\.[0-9]{1,39}")
_LEVELS = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")


@dataclass(frozen=True)
class Vault:
    """What the way back needs: the key, the ledgers, where the source files are, by stage of the work ledger, and of two
    custodians the tokens of the one and the answer of the other; and the second place of the audit log, where there is one."""

    folder: Path
    key: Key
    sources: Mapping[str, Callable[[str], Path]]
    custodians: tuple[Path, Path] | None = None
    audit_copy: Path | None = None

    @property
    def audit(self) -> AuditLog:
        """The audit log of the vault."""
        return AuditLog(self.folder / "audit.jsonl", self.audit_copy)

    def lookup(self) -> SubjectLookup:
        """The way from identifiers to pseudonyms; of two custodians, of those persons whom the study custodian revealed."""
        if self.custodians is None:
            return open_lookup(self.folder / "identity", self.key)
        tokens, subjects = self.custodians
        return revealed(self.folder / "identity", read_tokens(tokens), read_subjects(subjects))


def vault_of_study(file: Path, subjects: Path | None = None) -> Vault:
    """Return the vault of a study; raises UserError where the key cannot be read.

    Args:
        file: The study file.
        subjects: What the study custodian revealed, where the study's own `custodians: subjects` is not there any more.

    Raises:
        UserError: If the key cannot be read, or `subjects` is given and the study has no custodians.
    """
    study: Study = read_study(file)
    sources = {f"deidentify-{name}": images.path for name in study.centres if (images := images_of(study, name))}
    shared = study.custodians
    if subjects and not shared:
        raise UserError(f"{file} has no custodians: its pseudonyms depend on its key alone. Leave --subjects out.")
    custodians = (study.path(shared.tokens), subjects or study.path(shared.subjects)) if shared else None
    return Vault(study.work.vault, study.read_key(), sources, custodians, study.audit.copy)


def vault_of_folder(folder: Path, key_file: Path | None, source: Path | None) -> Vault:
    """Return the vault that `unibase deidentify` left beside its destination.

    Args:
        folder: Folder of the copies.
        key_file: The secret key, or None.
        source: Folder of the sources, or None.

    Raises:
        UserError: If no key is named.
    """
    if key_file is None:
        raise UserError("Without the key nobody can go back. Name the key that de-identified this folder: --key-file FILE")
    return Vault(folder, read_key_file(key_file), {"deidentify": source.joinpath} if source else {})


def reidentify(vault: Vault, asked: Sequence[str], reason: Reason) -> str:
    """Return, in words, who and what stands behind pseudonyms; the audit log is written before anything is returned.

    Args:
        vault: Key, ledgers and sources.
        asked: Values of subject_id, or UIDs of de-identified DICOM.
        reason: Why, for the audit log.

    Raises:
        UserError: If there is no ledger, or something asked for is no pseudonym; it is not repeated in the message,
            for it may be a patient's number.
    """
    if not (vault.folder / "identity").is_dir():
        raise UserError(f"There is no identity ledger in {vault.folder}. Only who holds the vault can go back.")
    for place, one in enumerate(asked, start=1):
        if not _SUBJECT.fullmatch(one) and not _UID.fullmatch(one):
            raise UserError(f"Number {place} is neither a subject_id nor a UID that begins with 2.25. Copy it from the release.")
    files = _find_files(vault, {one for one in asked if _UID.fullmatch(one)})
    subjects = {one: int(one) if _SUBJECT.fullmatch(one) else files[one].subject_id if one in files else 0 for one in asked}
    lookup = vault.lookup()
    persons = {number: person_of(vault.folder / "identity", lookup, number) for number in set(subjects.values()) if number}
    known = [one for one in asked if persons.get(subjects[one])]
    vault.audit.append(
        getpass.getuser(),
        "re-identify",
        len({subjects[one] for one in known}),
        # What was not found may have been a patient's number, put here by mistake.
        {"reason": reason, "pseudonyms": known, "not_found": len(asked) - len(known), "key": vault.key.fingerprint},
    )
    lines = _said(vault, asked, known, files)
    for number in dict.fromkeys(subjects[one] for one in known):
        person = persons[number]
        if person is not None:
            lines += _person_lines(number, person)
    return "\n".join(lines)


def _said(vault: Vault, asked: Sequence[str], known: Sequence[str], files: Mapping[str, _Files]) -> list[str]:
    """Return what stands behind each pseudonym, or why nothing was found."""
    lines: list[str] = []
    for one in asked:
        if one not in known:
            where = "among those revealed" if vault.custodians else f"under the key {vault.key.fingerprint}"
            lines.append(f"{one}: not found {where}.{_advice(vault, one)}")
        elif one in files:
            lines += files[one].lines(one)
    return lines


def _advice(vault: Vault, one: str) -> str:
    if _UID.fullmatch(one) and not vault.sources:
        return " To search the source files name their folder: --source FOLDER"
    if vault.custodians:
        return " The study custodian reveals one: unibase custodian reveal"
    return " It is of another study, or its person became another one."


@dataclass(frozen=True)
class _Files:
    """The source of a UID."""

    subject_id: int
    keyword: str
    source_uid: str
    paths: tuple[Path, ...]

    def lines(self, pseudonym: str) -> list[str]:
        more = f" and {len(self.paths) - 1} more" if len(self.paths) > 1 else ""
        return [
            f"{pseudonym} is {self.keyword} {self.source_uid}",
            f"  of subject_id {self.subject_id}, in {self.paths[0]}{more}",
        ]


def _find_files(vault: Vault, wanted: set[str]) -> dict[str, _Files]:
    """Return the source of UIDs: what the work ledger says was made of each file, else a search over all of them."""
    if not wanted or not vault.sources or not (vault.folder / "work.sqlite").exists():
        return {}
    done = []
    with WorkLedger(vault.folder / "work.sqlite") as ledger:
        for stage, place in vault.sources.items():
            done += [(place(key), one.result) for key, (_, one) in sorted(ledger.known(stage).items()) if one.status == "done"]
    found: dict[str, _Files] = {}
    for level in _LEVELS:
        for uid in sorted(wanted - set(found)):
            mine = [(path, result) for path, result in done if result[level] == uid]
            for path, result in mine:
                source = source_uids(path, vault.key, {uid}).get(uid)
                if source is not None:
                    found[uid] = _Files(result["subject_id"], *source, tuple(path for path, _ in mine))
                    break
    # A frame of reference, an object that is only referred to: no table has it, any file may.
    for path, result in done:
        if wanted <= set(found):
            break
        for uid, source in source_uids(path, vault.key, wanted - set(found)).items():
            found[uid] = _Files(result["subject_id"], *source, (path,))
    return found


def _person_lines(subject_id: int, person: Person) -> list[str]:
    lines = [
        f"subject_id {subject_id}",
        f"  dates: the true date is the shifted one {-person.shift_days:+d} days",
    ]
    for row in person.records.iter_rows(named=True):
        names = [row["birth_family_name"], row["used_family_name"], row["given_names"]]
        said = [
            " ".join(name for name in dict.fromkeys(names) if name),
            row["birth_date"],
            row["sex"],
            row["ins"] and f"INS {row['ins']}",
        ]
        centre = "" if row["centre"] == CENTRE else f"{row['centre']}: "
        lines.append("  " + ", ".join([f"{centre}{row['system']} {row['identifier']}", *(one for one in said if one)]))
    return lines
