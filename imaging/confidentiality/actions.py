"""One job: what both paths know of the file they clean, and the actions on a single value."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from functools import lru_cache

from unibase.imaging.confidentiality import coding_schemes, colour_profile, values
from unibase.imaging.confidentiality.embedded import clinical_document, surfaces
from unibase.imaging.confidentiality.identifiers import Identifiers
from unibase.imaging.confidentiality.objects import CLINICAL_DOCUMENT, EMBEDDED, OBJ, STL
from unibase.imaging.confidentiality.policy import Action, Policy
from unibase.imaging.confidentiality.residual import residual
from unibase.imaging.confidentiality.standard import EDITION
from unibase.imaging.confidentiality.structure import Element, Encoding, Item, prefix, write
from unibase.imaging.confidentiality.values import UidMap, pad

CHARACTER_SET = 0x00080005
TIME_ZONE = 0x00080201
_CLEAN_PIXELS = ("113101", "Clean Pixel Data Option")
STATEMENT_TAGS = (0x00120052, 0x00120053, 0x00120062, 0x00120063, 0x00120064, 0x00280303)
"""Attributes that say what was done, in order; those of the source are replaced."""


@dataclass
class Job:
    """What is known of one file when its values are treated.

    Attributes:
        policy: The study's policy.
        sop_class: SOP class of the object.
        encoding: Encoding of the data set.
        subject_id: Pseudonym of the subject, as text.
        shift_days: Shift of the subject's dates.
        uids: Keyed pseudonyms of UIDs.
        identifiers: What identifies the subject.
        local_zone: Time zone of the file, `+0100`, or empty.
        blanked: Whether texts in the pixels were made black.
        offset: Days from the subject's index event to the study, and the kind of the event; or None.
        source_uids: Values of UIDs that were replaced, for the verifier.
        written_dates: Values that the shift wrote.
        tally: `(action, tag)` of every element that was changed.
    """

    policy: Policy
    sop_class: str
    encoding: Encoding
    subject_id: bytes
    shift_days: int
    uids: UidMap
    identifiers: Identifiers
    local_zone: bytes = b""
    blanked: bool = False
    offset: tuple[int, str] | None = None
    source_uids: set[bytes] = field(default_factory=set)
    written_dates: set[bytes] = field(default_factory=set)
    tally: list[tuple[str, int]] = field(default_factory=list)

    def value(self, action: Action, vr: str, raw: bytes, encodings: tuple[str, ...], scheme: bytes = b"") -> bytes:
        """Return the bytes that `action` (neither `remove` nor `recurse`) makes of a value.

        Args:
            action: What is done; neither `remove` nor `recurse`.
            vr: VR of the value.
            raw: The value as the file holds it.
            encodings: Python encodings of the Specific Character Set in force.
            scheme: The coding scheme that stands beside a code (`coded`).

        Raises:
            AssertionError: If `action` is none on a value.
        """
        if action == "keep":
            return raw
        if action == "number":
            return self.identifiers.clean_number(raw)
        if action == "text" or action == "term" or action == "label" or action == "retained":
            return self.identifiers.clean_value(raw, vr, encodings, action)
        if action == "coded":
            return self._coded(vr, raw, encodings, scheme)
        if action == "bytes":
            return self._bytes(raw)
        if action == "profile":
            return colour_profile.SRGB
        if action == "code" or action == "free code":
            return self.identifiers.clean_code(raw, encodings, action == "free code")
        if action == "registered":
            return self._registered(raw)
        if action == "uid" or action == "reference":
            self.source_uids.add(raw)
            return self.uids.replace(raw) if action == "uid" else self.uids.refer(raw)
        if action == "date":
            return self._date(vr, raw)
        if action == "check":
            return values.check(raw, vr)
        if action == "age":
            return values.age(raw)
        if action == "subject":
            return pad(self.subject_id, "LO")
        if action == "empty" or action == "dummy":
            return b"" if action == "empty" else values.dummy(vr)
        if action == "document":
            return self._document(vr, raw)
        raise AssertionError(f"{action} is not an action on a value")

    def _coded(self, vr: str, raw: bytes, encodings: tuple[str, ...], scheme: bytes) -> bytes:
        """Return the value of a code without what is known of the persons, and without unknown codes unless its scheme is public."""
        clean = self.identifiers.clean_value
        said, named = clean(scheme, "SH", encodings, "term"), clean(raw, vr, encodings, "retained")
        return named if coding_schemes.gives(said, named) else clean(raw, vr, encodings, "term")

    def _document(self, vr: str, raw: bytes) -> bytes:
        """Return a document written anew, or what is true of it: its MIME type, and that no name stands in it."""
        if vr != "OB":
            return pad(b"NO" if vr == "CS" else EMBEDDED[self.sop_class], vr)
        if self.sop_class == CLINICAL_DOCUMENT:
            return pad(clinical_document.clean(raw, self), "LT")
        made = surfaces.stl(raw) if self.sop_class == STL else self._wavefront(raw)
        return self._bytes(pad(made, "LT" if self.sop_class != STL else "OB"))

    def _wavefront(self, raw: bytes) -> bytes:
        written = surfaces.obj if self.sop_class == OBJ else surfaces.mtl
        # Objects that refer to each other name a material alike.
        return written(raw, lambda name: b"material" + self.uids.one(b"material " + name).rpartition(b".")[2][:12])

    def _registered(self, raw: bytes) -> bytes:
        if not any(self.identifiers.number_tells(arc) for arc in raw.decode("latin-1").strip(" \0").split(".")):
            return raw
        self.source_uids.add(raw)
        return self.uids.replace(raw)

    def _bytes(self, raw: bytes) -> bytes:
        if self.identifiers.in_binary(raw):
            raise residual("identifier", None)
        return raw

    def _date(self, vr: str, raw: bytes) -> bytes:
        if vr == "DA":
            result = values.shift_date(raw, self.shift_days)
        else:
            result = values.shift_datetime(raw, self.shift_days, self.local_zone)
        self.written_dates.add(result)
        return result

    @property
    def memo(self) -> dict[tuple[str, str, bytes], bytes]:
        """Values already treated under the same policy, key, subject and character set, by action, VR and value."""
        memo = self.identifiers.memo
        key = (self.policy, self.uids, self.shift_days, self.subject_id, self.local_zone)
        if len(memo) > 8:
            memo.clear()
        known = memo.setdefault(key, {})
        if len(known) > 20_000:
            known.clear()
        return known

    def statements(self) -> tuple[tuple[int, bytes], ...]:
        """Return the elements that say what was done, encoded, by tag and in order."""
        return _statements(self.policy, self.encoding, self.offset, self.blanked)


def stand_in(tag: int, written_vr: str, inner: Encoding) -> Element:
    """Return a sequence of `STAND_INS` with one valid item that says that its content was removed.

    Args:
        tag: The sequence, one of `STAND_INS`.
        written_vr: Its VR as the file writes it; empty in an implicit one.
        inner: Encoding of its items.
    """

    def text(tag: int, vr: str, value: bytes) -> Element:
        return Element(tag, "" if inner.implicit else vr, vr, pad(value, vr))

    def sequence(tag: int, elements: list[Element]) -> Element:
        items = [Item(elements, False)] if elements else []
        return Element(tag, "" if inner.implicit else "SQ", "SQ", None, items, False, "", inner)

    removed = values.REMOVED.encode()
    code = [text(0x00080100, "SH", removed), text(0x00080102, "SH", b"99UNIBASE"), text(0x00080104, "LO", removed)]
    content = {
        0x00081072: [sequence(0x00401101, code)],
        0x0040A073: [
            text(0x0040A027, "LO", removed),
            text(0x0040A030, "DT", values.dummy("DT")),
            text(0x0040A075, "PN", removed),
            sequence(0x0040A088, []),
        ],
    }.get(tag, code)
    return Element(tag, written_vr, "SQ", None, [Item(content, False)], False, "", inner)


@lru_cache(maxsize=256)
def _statements(
    policy: Policy, encoding: Encoding, offset: tuple[int, str] | None, blanked: bool
) -> tuple[tuple[int, bytes], ...]:
    explicit = not encoding.implicit

    def text(tag: int, vr: str, value: str) -> Element:
        return Element(tag, vr if explicit else "", vr, pad(value.encode(), vr))

    codes = [
        Item([text(0x00080100, "SH", code), text(0x00080102, "SH", "DCM"), text(0x00080104, "LO", meaning)], False)
        for code, meaning in [*policy.methods[:1], *sorted([*policy.methods[1:], *([_CLEAN_PIXELS] if blanked else [])])]
    ]
    result = []
    if offset is not None:
        days, kind = offset
        packed = struct.pack("<d" if encoding.little else ">d", float(days))
        result.append(Element(0x00120052, "FD" if explicit else "", "FD", packed))
        result.append(text(0x00120053, "CS", kind))
    result += [
        text(0x00120062, "CS", "YES"),
        text(0x00120063, "LO", f"unibase: {EDITION}, keyed pseudonyms"),
        Element(0x00120064, "SQ" if explicit else "", "SQ", None, codes, False, "", encoding),
        text(0x00280303, "CS", policy.temporal_information),
    ]
    return tuple((one.tag, write([one], encoding)) for one in result)


def meta_information(sop_class: bytes, instance: bytes, transfer_syntax: bytes) -> bytes:
    """Return preamble, prefix and file meta information, written anew: nothing of the source's stays.

    Args:
        sop_class: SOP class of the copy.
        instance: SOP Instance UID of the copy.
        transfer_syntax: Its transfer syntax.
    """
    before, after = _meta_around(sop_class, transfer_syntax)
    media = prefix(0x00020003, "UI", len(instance) + len(instance) % 2, _EXPLICIT) + pad(instance, "UI")
    size = (len(before) + len(media) + len(after)).to_bytes(4, "little")
    return b"".join((bytes(128), b"DICM", prefix(0x00020000, "UL", 4, _EXPLICIT), size, before, media, after))


_EXPLICIT = Encoding(False, True)


@lru_cache(maxsize=256)
def _meta_around(sop_class: bytes, transfer_syntax: bytes) -> tuple[bytes, bytes]:
    from pydicom.uid import PYDICOM_IMPLEMENTATION_UID

    before = [Element(0x00020001, "OB", "OB", b"\0\1"), Element(0x00020002, "UI", "UI", pad(sop_class, "UI"))]
    after = [
        Element(0x00020010, "UI", "UI", pad(transfer_syntax, "UI")),
        Element(0x00020012, "UI", "UI", pad(PYDICOM_IMPLEMENTATION_UID.encode(), "UI")),
        Element(0x00020013, "SH", "SH", pad(b"UNIBASE", "SH")),
    ]
    return write(before, _EXPLICIT), write(after, _EXPLICIT)
