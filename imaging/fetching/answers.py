"""What an archive answers, whatever language it speaks, and what any client of one can do."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import IO, Protocol

from unibase.groundwork.files import digest_of, sha256_bytes
from unibase.groundwork.problems import UserError

_UID = re.compile(r"[0-9.]{1,64}")


@dataclass(frozen=True)
class Query:
    """One question for studies; an empty attribute asks for all.

    Attributes:
        patient: PatientID.
        accession: AccessionNumber.
        modality: One of ModalitiesInStudy.
        first_day: Earliest StudyDate.
        last_day: Latest StudyDate.
    """

    patient: str = ""
    accession: str = ""
    modality: str = ""
    first_day: date | None = None
    last_day: date | None = None

    @property
    def days(self) -> str:
        """The days as DICOM's range, such as `20200101-`; empty for all."""
        first, last = (f"{day:%Y%m%d}" if day else "" for day in (self.first_day, self.last_day))
        return f"{first}-{last}" if first or last else ""

    def answers(self, study: StudyAnswer) -> bool:
        """Return whether a study is one that was asked for: there are archives that pass over keys which they do not know.

        Args:
            study: What the archive answered.
        """
        return (
            (not self.patient or study.patient.strip() == self.patient.strip())
            and (not self.accession or study.accession.strip() == self.accession.strip())
            and (not self.modality or not study.modalities or self.modality.strip().upper() in study.modalities)
            and self._within(study.day)
        )

    def _within(self, day: str) -> bool:
        first, _, last = self.days.partition("-")
        # A study without a day cannot be said to lie within days.
        return not self.days or (bool(day) and first <= day and (not last or day <= last))


@dataclass(frozen=True)
class StudyAnswer:
    """A study, as an archive answers.

    Attributes:
        uid: StudyInstanceUID.
        patient: PatientID.
        accession: AccessionNumber.
        modalities: ModalitiesInStudy.
        day: StudyDate, `YYYYMMDD`.
        instances: NumberOfStudyRelatedInstances, or None where the archive does not tell it.
        updated: StudyUpdateDateTime, or nothing.
    """

    uid: str
    patient: str = ""
    accession: str = ""
    modalities: tuple[str, ...] = ()
    day: str = ""
    instances: int | None = None
    updated: str = ""

    @property
    def told(self) -> str:
        """Digest of all that the archive says of the study: where it changes the study is looked at again."""
        names = [self.uid, self.patient, self.accession, sorted(self.modalities)]
        return digest_of([*names, self.day, self.instances, self.updated])

    @property
    def owner(self) -> str:
        """Digest of whose and of which request the study is: where it changes every instance is asked for again."""
        return digest_of([self.patient, self.accession, self.day])


@dataclass(frozen=True)
class InstanceAnswer:
    """An instance, as an archive answers: `series` and `sop` are UIDs, `sop_class` is empty where it was not told."""

    series: str
    sop: str
    sop_class: str = ""


def day_of(told: str) -> str:
    """Return a StudyDate as YYYYMMDD, as DICOM writes it; archives also write 2020.01.02, as before DICOM 3, and 2020-01-02.

    `told`: as the archive answers.

    >>> day_of("2020.01.02"), day_of("2020-01-02T10:00"), day_of("20200102"), day_of("")
    ('20200102', '20200102', '20200102', '')
    """
    return re.sub(r"[.\-/]", "", told.strip())[:8]


def modalities_of(told: Iterable[object]) -> tuple[str, ...]:
    """Return ModalitiesInStudy as codes, whether they are padded, joined by backslashes or in small letters.

    `told`: the values as the archive answers.

    >>> modalities_of(["CT ", "pt"]), modalities_of(["CT\\\\PT"])
    (('CT', 'PT'), ('CT', 'PT'))
    """
    codes = (code.strip(" \0").upper() for value in told for code in str(value).split("\\"))
    return tuple(code for code in codes if code)


class Pacs(Protocol):
    """A client of an archive. Methods raise `polite.Again` for what may pass, `Unusable` for what is wrong of a study."""

    def studies(self, query: Query) -> list[StudyAnswer]:
        """Return the studies that answer a query."""
        ...

    def instances(self, study: str) -> list[InstanceAnswer]:
        """Return the instances of a study."""
        ...

    def retrieve(self, study: str, wanted: Sequence[InstanceAnswer], whole: bool) -> Iterator[IO[bytes]]:
        """Yield instances of one series as DICOM files, each open at its beginning.

        `whole` says that `wanted` is all of the series, which may then be asked for at once.
        """
        ...


def file_name(uid: str) -> str:
    """Return a UID as the name of a file: itself, or a digest where an archive sends something else.

    `uid`: as it came.

    >>> file_name("1.2.840.1"), file_name("../x")[:2]
    ('1.2.840.1', 'x-')
    """
    return uid if _UID.fullmatch(uid) and uid.strip(".") else f"x-{sha256_bytes(uid.encode())[:32]}"


def read_accessions(path: Path) -> list[str]:
    """Return the accession numbers of a CSV, each once, as they stand.

    Args:
        path: A CSV in UTF-8 with a column `accession`; separated by comma or semicolon.

    Raises:
        UserError: If there is no such column, or no number in it.
    """
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    first = text.partition("\n")[0]
    rows = csv.DictReader(text.splitlines(), delimiter=";" if first.count(";") > first.count(",") else ",")
    column = next((name for name in rows.fieldnames or () if name.strip().lower() == "accession"), None)
    if column is None:
        raise UserError(f"{path.name} has no column `accession`. Name its column so, one number a row.")
    found = dict.fromkeys(value for row in rows if (value := (row[column] or "").strip()))
    if not found:
        raise UserError(f"{path.name} holds no accession number. Write one a row below `accession`.")
    return list(found)
