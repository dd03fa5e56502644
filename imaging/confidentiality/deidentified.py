"""De-identification of one DICOM instance: the door of staging for images.

`deidentify_file` reads a source file, finds its subject in the ledger, writes a pseudonymised copy by PS3.15 Annex E
and proves the copy clean before it is given a name. Pixel bytes are copied, never decoded. What cannot be cleaned with
certainty raises `Unusable`.
"""

from __future__ import annotations

import os
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from blake3 import blake3

from unibase.groundwork.problems import Unusable
from unibase.groundwork.reasons import UNKNOWN_PATIENT
from unibase.imaging import reasons
from unibase.imaging.confidentiality import hidden_contents, objects, verify, whose
from unibase.imaging.confidentiality.actions import CHARACTER_SET, TIME_ZONE, Job, meta_information
from unibase.imaging.confidentiality.charsets import decode, encodings_of
from unibase.imaging.confidentiality.fast import FastHeader, NotFast
from unibase.imaging.confidentiality.gathering import Gatherer, knowledge_of
from unibase.imaging.confidentiality.mosaics import mosaic_elements
from unibase.imaging.confidentiality.policy import Policy, keyword_of, policy_of
from unibase.imaging.confidentiality.pseudonymised_copy import Deidentified
from unibase.imaging.confidentiality.slow import TreeHeader
from unibase.imaging.confidentiality.source import (
    BIRTH_DATE,
    INSTANCE,
    PATIENT_ID,
    PATIENT_NAME,
    SERIES,
    SEX,
    STUDY,
    STUDY_DATE,
    Source,
)
from unibase.imaging.confidentiality.structure import Element, malformed
from unibase.imaging.confidentiality.texts.known import Knowledge
from unibase.imaging.confidentiality.values import UidMap, is_zone, shift_date
from unibase.imaging.confidentiality.writing import write_copy
from unibase.imaging.options import DeidentifyOptions
from unibase.imaging.pixel_text.blanking import blanked
from unibase.imaging.pixel_text.boxes import Box
from unibase.imaging.pixel_text.pixel_decisions import Decision
from unibase.privacy.keys import Key
from unibase.privacy.subjects import Subject, SubjectLookup

__all__ = ["DeidentifyOptions", "DeidentifyTask", "IndexEvent", "batch_report", "deidentify_file", "said_of_dates"]


@dataclass(frozen=True)
class IndexEvent:
    """The event from which the days of a subject's studies are counted.

    Attributes:
        shifted_date: Its date, shifted as all dates of the subject are.
        kind: What it is, as (0012,0053) says it: at most 16 capitals, digits, blanks or underscores.
    """

    shifted_date: date
    kind: str = "INDEX"

    def __post_init__(self) -> None:
        if not _CODE_STRING.fullmatch(self.kind):
            raise ValueError("the kind of an index event is no code string (CS)")


BY_STUDY = "study"
"""System of the people file by which a person is found whose files have no PatientID: the identifier is a StudyInstanceUID."""
_CODE_STRING = re.compile(r"[A-Z0-9_ ]{1,16}")


@dataclass(frozen=True)
class DeidentifyTask:
    """One instance to de-identify; picklable.

    Attributes:
        source: The source file.
        destination_root: Folder below which the copy is written.
        centre: Name of the centre, as in the study file.
        options: Policy and options of the study.
        key: Key of the study.
        lookup: The door to the identity ledger.
        index: The index event by subject_id, to write the days from it to the study (0012,0052).
        identifiers: Further identifiers of the subject (names, numbers) that the header may not hold.
        decisions: What a person decided of the pixels of images at risk, by the BLAKE3 of the source file.
        taught: Names of staff and relatives that are words too, as the files of the centre teach them (`taught_names`), sorted.
    """

    source: Path | str
    destination_root: Path | str
    centre: str
    options: DeidentifyOptions
    key: Key
    lookup: SubjectLookup
    index: Mapping[int, IndexEvent] = field(default_factory=dict, repr=False)
    identifiers: tuple[str, ...] = field(default=(), repr=False)
    decisions: Mapping[str, Decision] = field(default_factory=dict, repr=False)
    taught: tuple[str, ...] = field(default=(), repr=False)


def deidentify_file(task: DeidentifyTask) -> dict[str, Any]:
    """Write the pseudonymised copy of one instance.

    The copy stands at `<destination_root>/<subject_id>/<StudyInstanceUID>/<SeriesInstanceUID>/<SOPInstanceUID>.dcm`,
    all pseudonyms. The same input, key and options give the same bytes.

    Args:
        task: The instance, where its copy goes, and what is known of its person.

    Returns:
        `path`, `subject_id`, `blake3` of the copy, `StudyInstanceUID`, `SeriesInstanceUID`, `SOPInstanceUID` (pseudonyms),
        `SOPClassUID`, `Modality`, `dates_before`: what the source says of its dates (0028,0303), `met`: words of its texts that
        are names too (of the vault), and `actions`: `{action: {keyword: count}}`.

    Raises:
        Unusable: `not-dicom`, `truncated-file`, `malformed-file`, `unsupported-object`, `burned-in-annotation`,
            `unknown-patient`, `identity-conflict`, `residual-identifier`.
    """
    return asdict(copy_of(task))


def copy_of(task: DeidentifyTask) -> Deidentified:
    """Write the copy that `deidentify_file` writes, and return what it is.

    Args:
        task: The instance, where its copy goes, and what is known of its person.

    Raises:
        Unusable: As `deidentify_file`.
    """
    try:
        with Source(task.source) as source:
            try:
                return _deidentify(task, source)
            except Unusable as problem:
                treated = _treated(task, source) if problem.reason == reasons.BURNED_IN_ANNOTATION else None
                if treated is None:
                    raise
        with treated as source:
            return _deidentify(task, source)
    except (ValueError, LookupError, OverflowError, RecursionError, zlib.error) as error:
        # The text of such an error may quote a value; its kind cannot.
        raise malformed(f"The file could not be understood ({type(error).__name__}).") from None


def _treated(task: DeidentifyTask, source: Source) -> Source | None:
    """Return the file with its pixels as a person or a rule of the study decided, or None where nobody did.

    Raises:
        Unusable: `burned-in-annotation`, when the image was looked at and is to be left out.
    """
    content = Path(task.source).read_bytes()
    decision = task.decisions.get(blake3(content).hexdigest()) if task.decisions else None
    if decision is not None and decision.verdict == "reject":
        raise Unusable(
            reasons.BURNED_IN_ANNOTATION, "Who looked at the pixels decided to leave the image out.", "Nothing; it is left out."
        )
    if decision is not None and decision.verdict == "accept":
        return Source(task.source, content, "accepted")
    boxes = decision.boxes if decision is not None and decision.verdict == "blank" else ()
    if not boxes:
        rule = objects.rule_for(source.facts(), policy_of(task.options).image_rules)
        boxes = tuple(Box(*one) for one in rule.boxes) if rule is not None else ()
    return Source(task.source, blanked(content, boxes), "blanked") if boxes else None


def _deidentify(task: DeidentifyTask, source: Source) -> Deidentified:
    policy = policy_of(task.options)
    try:
        header, job, facts = _clean(task, policy, source, source.fast_header(policy))
        if verify.first_look(header, job):
            # Something to clean in what the table keeps, or a chance likeness: the complete path cleans and judges.
            raise NotFast
    except (NotFast, Unusable):
        # Problems are named by the complete path, which knows what it reads.
        header, job, facts = _clean(task, policy, source, source.tree_header())
        found = verify.first_look(header, job)
        if found:
            verify.judge(header, source.encoding, job, found)
    if "MOSAIC" in facts.get("ImageType", "").split("\\") and "private" in policy.enabled:
        header += mosaic_elements(task.source, source.encoding)
    study, series, instance = (_identity(source.top, tag, policy, job) for tag in (STUDY, SERIES, INSTANCE))
    meta = meta_information(job.sop_class.encode(), instance, source.transfer_syntax.encode())
    names = (os.fspath(task.destination_root), job.subject_id.decode(), study.decode(), series.decode(), instance.decode())
    path = "/".join(names) + ".dcm"
    digest = write_copy(path, meta, header, source, job.identifiers)
    return Deidentified(
        path=path,
        subject_id=int(job.subject_id),
        blake3=digest,
        StudyInstanceUID=study.decode(),
        SeriesInstanceUID=series.decode(),
        SOPInstanceUID=instance.decode(),
        SOPClassUID=job.sop_class,
        Modality=facts.get("Modality", ""),
        met=sorted(job.identifiers.met),
        dates_before=facts.get("LongitudinalTemporalInformationModified", "").upper(),
        actions=_actions(job.tally),
    )


def _clean(
    task: DeidentifyTask, policy: Policy, source: Source, header: FastHeader | TreeHeader
) -> tuple[bytes, Job, dict[str, str]]:
    """Return the de-identified header, what was known when it was cleaned, and what decided that it may pass."""
    top = source.take(header)
    charset = top.get(CHARACTER_SET, b"")
    encodings = encodings_of(charset) if charset else ("iso8859",)
    facts = source.facts()
    objects.refuse_unsupported(
        facts, objects.Permits("structured" in policy.enabled, policy.image_rules, source.pixels != "copied")
    )
    source.settle_pixels(facts)
    _refuse_hidden(header, source, facts["SOPClassUID"])
    subject = _subject(task, top, encodings)
    person = task.lookup.persons.get(subject.subject_id)
    if person is not None:
        name, birth_date, sex = (decode(top.get(tag, b""), "PN", encodings) or "" for tag in (PATIENT_NAME, BIRTH_DATE, SEX))
        whose.refuse_another(whose.Header(name.strip(" \0"), birth_date, sex), person)
    gatherer = Gatherer(policy.enabled, policy.words)
    header.gather(gatherer)
    zone = top.get(TIME_ZONE, b"")
    job = Job(
        policy=policy,
        sop_class=facts["SOPClassUID"],
        encoding=source.encoding,
        subject_id=str(subject.subject_id).encode(),
        shift_days=subject.shift_days,
        uids=_uid_map(task.key),
        identifiers=gatherer.identifiers(encodings, _known(task, subject) + source.said_in_document(policy.enabled)),
        local_zone=zone.strip(b" \0") if is_zone(zone) else b"",
        blanked=source.pixels == "blanked",
        offset=_offset(task.index.get(subject.subject_id), top.get(STUDY_DATE, b""), subject.shift_days, policy),
    )
    return header.clean(job, encodings), job, facts


def _refuse_hidden(header: FastHeader | TreeHeader, source: Source, sop_class: str) -> None:
    """Raise for what an object must not hold beside its header; `NotFast` where only the complete path can tell."""
    if isinstance(header, TreeHeader):  # The fast path takes no overlays.
        hidden_contents.refuse_embedded_overlay(source.top, source.encoding)
        if sop_class in objects.WAVEFORMS:
            hidden_contents.refuse_voices(header.elements)
    elif sop_class in objects.WAVEFORMS or sop_class in objects.EMBEDDED:
        raise NotFast


def source_elements(path: Path | str) -> list[Element]:
    """Return the header of a source file as a tree, in every encoding that `deidentify_file` reads.

    Args:
        path: The source file.

    Raises:
        Unusable: `not-dicom`, `truncated-file`, `malformed-file`, `unsupported-object`.
    """
    try:
        with Source(path) as source:
            return source.tree_header().elements
    except (ValueError, LookupError, OverflowError, RecursionError, zlib.error, OSError) as error:
        raise malformed(f"The file could not be understood ({type(error).__name__}).") from None


def batch_report(results: Iterable[Mapping[str, Any]], quarantined: Iterable[str] = ()) -> dict[str, object]:
    """Return the report of a batch: how many files, actions by attribute, and quarantined files by reason.

    `conflicting` counts copies that two source files with one SOP Instance UID and different content were written to;
    the later one stands.

    Args:
        results: What `deidentify_file` returned.
        quarantined: The reason of each file that was refused.
    """
    actions: dict[str, Counter[str]] = {}
    digests: dict[str, set[str]] = {}
    files = 0
    for result in results:
        files += 1
        digests.setdefault(result["path"], set()).add(result["blake3"])
        for action, counts in result["actions"].items():
            actions.setdefault(action, Counter()).update(counts)
    reasons = Counter(quarantined)
    return {
        "files": files + sum(reasons.values()),
        "released": files,
        "conflicting": sum(len(one) > 1 for one in digests.values()),
        "quarantined": dict(sorted(reasons.items())),
        "actions": {action: dict(sorted(counts.items())) for action, counts in sorted(actions.items())},
    }


def said_of_dates(results: Iterable[Mapping[str, Any]]) -> str:
    """Return a sentence on files whose dates another tool changed before, or nothing.

    Their days are not those of the person's records: what is counted between both is wrong.

    Args:
        results: What `deidentify_file` returned.
    """
    changed = sum(result.get("dates_before") in ("MODIFIED", "REMOVED") for result in results)
    return f"{changed} files say (0028,0303) that their dates were changed before: they do not match records" if changed else ""


def _subject(task: DeidentifyTask, top: Mapping[int, bytes], encodings: tuple[str, ...]) -> Subject:
    """Return whose file it is: by its PatientID; where that is empty, by its exam, when the people file says whose that is."""
    written = top.get(PATIENT_ID, b"").strip(b" \0")
    number = (decode(written, "LO", encodings) or "").strip(" \0")
    # A number that cannot be decoded is not an empty one: no exam stands for it.
    system, identifier = ("ipp", number) if written else (BY_STUDY, top.get(STUDY, b"").decode("latin-1").strip(" \0"))
    subject = task.lookup.find(task.centre, system, identifier) if identifier else None
    if identifier and task.lookup.objects(task.centre, system, identifier):
        raise Unusable(reasons.OBJECTS, reasons.OBJECTS.meaning, reasons.OBJECTS.remedy)
    if subject is None and written:
        raise Unusable(
            UNKNOWN_PATIENT,
            "PatientID (0010,0020) is not an `ipp` of this centre in the identity ledger.",
            UNKNOWN_PATIENT.remedy,
        )
    if subject is None:
        raise Unusable(
            UNKNOWN_PATIENT,
            "PatientID (0010,0020) is empty." if identifier else "PatientID (0010,0020) and StudyInstanceUID are empty.",
            f"Say whose exam it is: a row of the people file with system `{BY_STUDY}` and the StudyInstanceUID as identifier."
            if identifier
            else "Export the file again from its source: nothing in it says whose it is, or of which exam.",
        )
    return subject


@lru_cache(maxsize=4)
def _uid_map_of(secret: bytes) -> UidMap:
    return UidMap(Key(secret))


def _uid_map(key: Key) -> UidMap:
    return _uid_map_of(key.secret)


_KNOWN: dict[int, tuple[SubjectLookup, dict[int, Knowledge]]] = {}


def _known(task: DeidentifyTask, subject: Subject) -> tuple[Knowledge, ...]:
    """Return what the ledger knows of a subject, made once per lookup and process, and what comes with the task."""
    lookup = task.lookup
    known = _KNOWN.get(id(lookup))
    if known is None or known[0] is not lookup:
        _KNOWN.clear()
        known = _KNOWN[id(lookup)] = (lookup, knowledge_of(lookup))
    found = known[1].get(subject.subject_id)
    told = Knowledge(numbers=task.identifiers, taught=task.taught)
    return (*((found,) if found else ()), *((told,) if task.identifiers or task.taught else ()))


def _identity(top: Mapping[int, bytes], tag: int, policy: Policy, job: Job) -> bytes:
    source = top.get(tag, b"").strip(b" \0")
    if not source:
        raise malformed(f"{keyword_of(tag)} is absent.")
    if "uids" not in policy.enabled:
        return job.uids.one(source)
    if not all(one in b"0123456789." for one in source) or source.startswith(b"."):
        raise malformed(f"{keyword_of(tag)} is no UID.")
    return source


def _offset(index: IndexEvent | None, study_date: bytes, shift_days: int, policy: Policy) -> tuple[int, str] | None:
    """Return the days from the index event to the study, and the kind of the event; None under a policy without dates."""
    if index is None or policy.temporal_information == "REMOVED":
        return None
    shifted = shift_date(study_date, shift_days).strip()
    if len(shifted) != 8:
        return None
    day = date(int(shifted[:4]), int(shifted[4:6]), int(shifted[6:]))
    return (day - index.shifted_date).days, index.kind


def _actions(tally: list[tuple[str, int]]) -> dict[str, dict[str, int]]:
    # Instances of a series are treated alike, so the counts of one are mostly those of the one before.
    return {action: dict(counts) for action, counts in _counted(tuple(tally)).items()}


@lru_cache(maxsize=1024)
def _counted(tally: tuple[tuple[str, int], ...]) -> dict[str, dict[str, int]]:
    result: dict[str, dict[str, int]] = {}
    for (action, tag), count in sorted(Counter(tally).items()):
        result.setdefault(action, {})[keyword_of(tag)] = count
    return result
