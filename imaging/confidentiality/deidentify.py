"""De-identification of one DICOM instance: the door of staging for images.

`deidentify_file` reads a source file, finds its subject in the ledger, writes a pseudonymised copy by PS3.15 Annex E
and proves the copy clean before it is given a name. Pixel bytes are copied, never decoded. What cannot be cleaned with
certainty raises `Unusable`.
"""

from __future__ import annotations

import mmap
import os
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from blake3 import blake3

from unibase.groundwork.problems import Unusable
from unibase.imaging.confidentiality import objects, verify
from unibase.imaging.confidentiality.actions import CHARACTER_SET, STATEMENT_TAGS, TIME_ZONE, Job, meta_information
from unibase.imaging.confidentiality.fast import FastHeader, NotFast
from unibase.imaging.confidentiality.identifiers import Gatherer, Identifiers, decode, encodings_of
from unibase.imaging.confidentiality.policy import Policy, keyword_of, policy_of
from unibase.imaging.confidentiality.slow import TreeHeader
from unibase.imaging.confidentiality.structure import Element, Encoding, Reader, malformed
from unibase.imaging.confidentiality.values import UidMap, is_zone, pad, shift_date
from unibase.imaging.options import DeidentifyOptions
from unibase.privacy.keys import Key
from unibase.privacy.subjects import Subject, SubjectLookup

__all__ = ["DeidentifyOptions", "DeidentifyTask", "IndexEvent", "batch_report", "deidentify_file"]

_WHOLE = 64 * 2**20
"""Files up to this size are read whole; of larger ones only the header, and the pixels are copied in blocks."""
_BLOCK = 2**20
_MAX_INFLATED = 2 * 2**30
_OVERLAP = 256

_IMPLICIT = "1.2.840.10008.1.2"
_DEFLATED = "1.2.840.10008.1.2.1.99"
_NATIVE = {
    _IMPLICIT: Encoding(True, True),
    "1.2.840.10008.1.2.1": Encoding(False, True),
    "1.2.840.10008.1.2.2": Encoding(False, False),
}
_ENCAPSULATED_PREFIXES = ("1.2.840.10008.1.2.4.", "1.2.840.10008.1.2.5")
_STREAMED = ("1.2.840.10008.1.2.4.94", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.10")
STUDY, SERIES, INSTANCE = 0x0020000D, 0x0020000E, 0x00080018
PATIENT_ID, STUDY_DATE = 0x00100020, 0x00080020
_NOTED = frozenset(objects.FACTS) | {STUDY, SERIES, INSTANCE, PATIENT_ID, STUDY_DATE, CHARACTER_SET, TIME_ZONE}


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
    """

    source: Path | str
    destination_root: Path | str
    centre: str
    options: DeidentifyOptions
    key: Key
    lookup: SubjectLookup
    index: Mapping[int, IndexEvent] = field(default_factory=dict, repr=False)
    identifiers: tuple[str, ...] = field(default=(), repr=False)


def deidentify_file(task: DeidentifyTask) -> dict[str, Any]:
    """Write the pseudonymised copy of one instance.

    The copy stands at `<destination_root>/<subject_id>/<StudyInstanceUID>/<SeriesInstanceUID>/<SOPInstanceUID>.dcm`,
    all pseudonyms. The same input, key and options give the same bytes.

    Returns:
        `path`, `subject_id`, `blake3` of the copy, `StudyInstanceUID`, `SeriesInstanceUID`, `SOPInstanceUID` (pseudonyms),
        `SOPClassUID`, `Modality`, and `actions`: `{action: {keyword: count}}`.

    Raises:
        Unusable: `not-dicom`, `truncated-file`, `malformed-file`, `unsupported-object`, `burned-in-annotation`,
            `unknown-patient`, `residual-identifier`.
    """
    try:
        with _Source(task.source) as source:
            return _deidentify(task, source)
    except (ValueError, LookupError, OverflowError, RecursionError, zlib.error) as error:
        # The text of such an error may quote a value; its kind cannot.
        raise malformed(f"The file could not be understood ({type(error).__name__}).") from None


def _deidentify(task: DeidentifyTask, source: _Source) -> dict[str, Any]:
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
    study, series, instance = (_identity(source.top, tag, policy, job) for tag in (STUDY, SERIES, INSTANCE))
    meta = meta_information(job.sop_class.encode(), instance, source.transfer_syntax.encode())
    names = (os.fspath(task.destination_root), job.subject_id.decode(), study.decode(), series.decode(), instance.decode())
    path = "/".join(names) + ".dcm"
    digest = _write(path, meta, header, source, job.identifiers.strong)
    return {
        "path": path,
        "subject_id": int(job.subject_id),
        "blake3": digest,
        "StudyInstanceUID": study.decode(),
        "SeriesInstanceUID": series.decode(),
        "SOPInstanceUID": instance.decode(),
        "SOPClassUID": job.sop_class,
        "Modality": facts.get("Modality", ""),
        "actions": _actions(job.tally),
    }


def _clean(
    task: DeidentifyTask, policy: Policy, source: _Source, header: FastHeader | TreeHeader
) -> tuple[bytes, Job, dict[str, str]]:
    """Return the de-identified header, what was known when it was cleaned, and what decided that it may pass."""
    top = source.take(header)
    charset = top.get(CHARACTER_SET, b"")
    encodings = encodings_of(charset) if charset else ("iso8859",)
    facts = source.facts()
    objects.refuse_unsupported(facts, "structured" in policy.enabled)
    source.refuse_incomplete(facts)
    if isinstance(header, TreeHeader):  # The fast path takes no overlays.
        _refuse_embedded_overlay(top, source.encoding)
    subject = _subject(task, top.get(PATIENT_ID, b""), encodings)
    gatherer = Gatherer(policy.enabled)
    header.gather(gatherer)
    known = _known_identifiers(task.lookup).get(subject.subject_id, ()) + task.identifiers
    zone = top.get(TIME_ZONE, b"")
    job = Job(
        policy=policy,
        sop_class=facts["SOPClassUID"],
        encoding=source.encoding,
        subject_id=str(subject.subject_id).encode(),
        shift_days=subject.shift_days,
        uids=_uid_map(task.key),
        identifiers=gatherer.identifiers(encodings, known),
        local_zone=zone.strip(b" \0") if is_zone(zone) else b"",
        offset=_offset(task.index.get(subject.subject_id), top.get(STUDY_DATE, b""), subject.shift_days, policy),
    )
    return header.clean(job, encodings), job, facts


def source_elements(path: Path | str) -> list[Element]:
    """Return the header of a source file as a tree, in every encoding that `deidentify_file` reads.

    Raises:
        Unusable: `not-dicom`, `truncated-file`, `malformed-file`, `unsupported-object`.
    """
    try:
        with _Source(path) as source:
            return source.tree_header().elements
    except (ValueError, LookupError, OverflowError, RecursionError, zlib.error, OSError) as error:
        raise malformed(f"The file could not be understood ({type(error).__name__}).") from None


def batch_report(results: Iterable[Mapping[str, Any]], quarantined: Iterable[str] = ()) -> dict[str, Any]:
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


class _Source:
    """A source file: its encoding, its header as a tree, and where its pixels are."""

    def __init__(self, path: Path | str) -> None:
        self._path = path

    def __enter__(self) -> _Source:
        # Without a buffer of its own: what is read is read at once.
        self._file = open(self._path, "rb", buffering=0)
        self._map: mmap.mmap | None = None
        try:
            self._open()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._map is not None:
            self._map.close()
        self._file.close()

    def _open(self) -> None:
        size = os.fstat(self._file.fileno()).st_size
        if size < 132:
            raise _not_dicom()
        self.buffer: Any
        if size <= _WHOLE:
            self.buffer = self._file.read(size)
            while len(self.buffer) < size:
                more = self._file.read(size - len(self.buffer))
                if not more:
                    raise _incomplete("The file became shorter while it was read.")
                self.buffer += more
        else:
            self.buffer = self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        if self.buffer[128:132] != b"DICM":
            raise _not_dicom()
        self.transfer_syntax, self._sop_class, start = _read_meta(self.buffer)
        self.deflated = self.transfer_syntax == _DEFLATED
        if self.deflated:
            inflater = zlib.decompressobj(-15)
            self.buffer = inflater.decompress(self.buffer[start:], _MAX_INFLATED)
            if not inflater.eof:
                raise Unusable(
                    "truncated-file", "The deflated data set ends early or is larger than 2 GB.", "Export the file again."
                )
            start = 0
        self._start = start
        self.encoding = _encoding(self.transfer_syntax)

    def fast_header(self, policy: Policy) -> FastHeader:
        """Walk the header with the compiled policy; raises `NotFast` for what only the complete path treats."""
        header = FastHeader(self.buffer, self._start, self.encoding, policy, self._sop_class, _NOTED, STATEMENT_TAGS)
        if header.top.get(objects.SOP_CLASS, b"").strip(b" \0") != self._sop_class.encode():
            raise NotFast
        return header

    def tree_header(self) -> TreeHeader:
        """Read the header as a tree."""
        return TreeHeader(self.buffer, self._start, self.encoding)

    def take(self, header: FastHeader | TreeHeader) -> Mapping[int, bytes]:
        """Use `header` as this file's; return the values of its top level."""
        self.top = header.top
        self.pixels = header.pixels
        self.pixel_tag, self.pixel_end, self.pixel_length = self._pixel_extent()
        return self.top

    def facts(self) -> dict[str, str]:
        """Return the values of `objects.FACTS` as texts."""
        result = {}
        order = "little" if self.encoding.little else "big"
        for tag, keyword in objects.FACTS.items():
            raw = self.top.get(tag)
            if raw:
                if tag in objects.BINARY_FACTS:
                    result[keyword] = str(int.from_bytes(raw[:2], order))  # type: ignore[arg-type]
                else:
                    result[keyword] = raw.decode("latin-1").strip(" \0")
        return result

    def refuse_incomplete(self, facts: Mapping[str, str]) -> None:
        """Raise when the pixels that the header announces are not all there."""
        if "Rows" not in facts:
            return
        if self.pixel_tag is None:
            raise _incomplete("The header describes pixels and the file has none.")
        wanted = objects.pixel_bytes(facts)
        if self.pixel_length is not None and wanted is not None and self.pixel_length < wanted:
            raise _incomplete("There are fewer pixels than rows, columns and frames say.")

    def _pixel_extent(self) -> tuple[int | None, int, int | None]:
        """Return the tag of the pixel element, where it ends, and its length when it is native."""
        position, end = self.pixels, len(self.buffer)
        if position >= end:
            return None, end, None
        reader = Reader(self.buffer, position, self.encoding)
        tag = reader._tag(position, end, self.encoding)
        _, length, start = reader._prefix(tag, end, self.encoding)
        if length != 0xFFFFFFFF:
            if length > end - start:
                raise _incomplete("The file ends inside its pixels.")
            return tag, start + length, length
        position = start
        while True:
            if end - position < 8:
                raise _incomplete("The file ends inside its pixels.")
            fragment = bytes(self.buffer[position : position + 8])
            position += 8
            if fragment == b"\xfe\xff\xdd\xe0\0\0\0\0":
                return tag, position, None
            size = int.from_bytes(fragment[4:], "little")
            if fragment[:4] != b"\xfe\xff\x00\xe0" or size == 0xFFFFFFFF:
                raise malformed("The fragments of the pixels are not well formed.")
            position += size

    def pixel_blocks(self) -> Iterator[bytes | memoryview]:
        """Yield the bytes of the pixel element, its tag and length included, in blocks."""
        if self.pixel_tag is None:
            return
        if self._map is None:
            yield memoryview(self.buffer)[self.pixels : self.pixel_end]
            return
        # Read, not mapped: mapped pages would count as memory of this process.
        self._file.seek(self.pixels)
        left = self.pixel_end - self.pixels
        while left:
            block = self._file.read(min(left, _BLOCK))
            if not block:
                raise _incomplete("The file became shorter while it was read.")
            left -= len(block)
            yield block


def _write(path: str, meta: bytes, header: bytes, source: _Source, strong: Identifiers) -> str:
    """Write a copy whole or not at all, after its pixels were searched too; return its BLAKE3.

    As `groundwork.files.atomic_file`, with the fewest calls to the system, for it runs once per instance. The folder is
    not flushed: should power fail in the seconds after, the name may be missing, never a part of the content, and the
    next run writes it again.
    """
    folder = os.path.dirname(path)  # noqa: PTH120
    temporary = f"{folder}/.tmp-{os.urandom(16).hex()}.dcm"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileNotFoundError:
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        digest = blake3()
        for part in _parts(meta, header, source, strong):
            digest.update(part)
            _write_all(descriptor, part)
        os.fsync(descriptor)
        os.close(descriptor)
        descriptor = -1
        os.replace(temporary, path)  # noqa: PTH105
    except BaseException:
        if descriptor >= 0:
            os.close(descriptor)
        with suppress(FileNotFoundError):
            os.unlink(temporary)  # noqa: PTH108
        raise
    return digest.hexdigest()


def _parts(meta: bytes, header: bytes, source: _Source, strong: Identifiers) -> Iterator[bytes | memoryview]:
    """Yield the bytes of a copy; the pixels only after they were searched."""
    if source.deflated:
        compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
        body = compressor.compress(header)
        for block in source.pixel_blocks():
            verify.search_pixels(block, strong)
            body += compressor.compress(block)
        yield meta + pad(body + compressor.flush(), "UN")
        return
    yield meta + header
    tail = b""
    for block in source.pixel_blocks():
        verify.search_pixels(block, strong)
        if tail:
            verify.search_pixels(tail + bytes(block[:_OVERLAP]), strong)
        tail = bytes(block[-_OVERLAP:])
        yield block


def _write_all(descriptor: int, content: bytes | memoryview) -> None:
    written = os.write(descriptor, content)
    if written < len(content):
        view = memoryview(content)
        while written < len(content):
            written += os.write(descriptor, view[written:])


def _read_meta(buffer: Any) -> tuple[str, str, int]:
    """Return the transfer syntax, the SOP class and where the data set begins."""
    position, end = 132, len(buffer)
    found = {b"\x10\0": "", b"\x02\0": ""}
    while buffer[position : position + 2] == b"\x02\0":
        head = buffer[position : position + 12]
        if len(head) < 8:
            break
        if head[4:6] in (b"OB", b"UN", b"OW", b"UT"):
            start = position + 12
            length = int.from_bytes(head[8:12], "little")
        else:
            start = position + 8
            length = head[6] | head[7] << 8
        position = start + length
        if position > end:
            raise Unusable("truncated-file", "The file ends inside its meta information.", "Copy or export the file again.")
        if head[2:4] in found:
            found[head[2:4]] = bytes(buffer[start:position]).decode("latin-1").strip(" \0")
    if not found[b"\x10\0"]:
        raise malformed("The file meta information names no transfer syntax.")
    return found[b"\x10\0"], found[b"\x02\0"], position


def _encoding(syntax: str) -> Encoding:
    if syntax in _NATIVE:
        return _NATIVE[syntax]
    if syntax.startswith(_STREAMED) or not (syntax.startswith(_ENCAPSULATED_PREFIXES) or syntax == _DEFLATED):
        raise Unusable(
            "unsupported-object",
            "The transfer syntax is a video, a reference to a server, or not of the standard.",
            "Export the images in a transfer syntax for still images.",
        )
    return Encoding(False, True)


def _subject(task: DeidentifyTask, patient_id: bytes, encodings: tuple[str, ...]) -> Subject:
    text = decode(patient_id, "LO", encodings)
    subject = task.lookup.find(task.centre, "ipp", text.strip(" \0")) if text else None
    if text and task.lookup.objects(task.centre, "ipp", text.strip(" \0")):
        raise Unusable("objects", "The person objects to the use of their records.", "Nothing; the file is left out.")
    if subject is None:
        raise Unusable(
            "unknown-patient",
            "PatientID (0010,0020) is empty or not an `ipp` of this centre in the identity ledger.",
            "Add the person to the centre's list of people and run again.",
        )
    return subject


@lru_cache(maxsize=4)
def _uid_map_of(secret: bytes) -> UidMap:
    return UidMap(Key(secret))


def _uid_map(key: Key) -> UidMap:
    return _uid_map_of(key.secret)


_KNOWN: dict[int, tuple[SubjectLookup, dict[int, tuple[str, ...]]]] = {}


def _known_identifiers(lookup: SubjectLookup) -> dict[int, tuple[str, ...]]:
    """Return all identifiers that the ledger knows of each subject, built once per lookup and process."""
    known = _KNOWN.get(id(lookup))
    if known is None or known[0] is not lookup:
        by_subject: dict[int, set[str]] = {}
        for (_, _, identifier), subject in lookup.by_identifier.items():
            by_subject.setdefault(subject.subject_id, set()).add(identifier)
        _KNOWN.clear()
        known = _KNOWN[id(lookup)] = (lookup, {subject: tuple(sorted(names)) for subject, names in by_subject.items()})
    return known[1]


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


def _refuse_embedded_overlay(top: Mapping[int, bytes], encoding: Encoding) -> None:
    """Raise for overlays drawn in unused bits of the pixels: copying the pixels would copy them."""
    order = "little" if encoding.little else "big"
    for group in range(0x6000, 0x6100, 2):
        if int.from_bytes(top.get(group << 16 | 0x0102, b"")[:2], order):  # type: ignore[arg-type]
            raise Unusable(
                "burned-in-annotation",
                "An overlay is drawn in unused bits of the pixels.",
                "Export the images with overlays removed.",
            )


def _actions(tally: list[tuple[str, int]]) -> dict[str, dict[str, int]]:
    # Instances of a series are treated alike, so the counts of one are mostly those of the one before.
    return {action: dict(counts) for action, counts in _counted(tuple(tally)).items()}


@lru_cache(maxsize=1024)
def _counted(tally: tuple[tuple[str, int], ...]) -> dict[str, dict[str, int]]:
    result: dict[str, dict[str, int]] = {}
    for (action, tag), count in sorted(Counter(tally).items()):
        result.setdefault(action, {})[keyword_of(tag)] = count
    return result


def _not_dicom() -> Unusable:
    return Unusable("not-dicom", "The file has no DICOM prefix.", "Leave it out, or export it as a DICOM file (PS3.10).")


def _incomplete(what: str) -> Unusable:
    return Unusable("truncated-file", what, "Copy or export the file again: a part of it is missing.")
