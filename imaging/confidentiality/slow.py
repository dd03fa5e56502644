"""The complete path: every element of the tree is decided on its own, whatever the encoding."""

from __future__ import annotations

import mmap

from unibase.imaging.confidentiality.actions import CHARACTER_SET, Job, stand_in
from unibase.imaging.confidentiality.attributes import CODING_SCHEME, STAND_INS
from unibase.imaging.confidentiality.charsets import encodings_of
from unibase.imaging.confidentiality.gathering import Gatherer, wants
from unibase.imaging.confidentiality.policy import Action
from unibase.imaging.confidentiality.residual import residual
from unibase.imaging.confidentiality.structure import Element, Encoding, Item, Reader, walk, write


class TreeHeader:
    """A header read as a tree.

    Args:
        buffer: The whole file, or the inflated data set.
        start: Where the data set begins.
        encoding: Its encoding.

    Attributes:
        elements: The tree.
        top: Values of the top level.
        pixels: Where the pixel element, or the end, is.
    """

    def __init__(self, buffer: bytes | mmap.mmap, start: int, encoding: Encoding) -> None:
        self.elements, self.pixels = Reader(buffer, start, encoding).header()
        self.top = {one.tag: one.value for one in self.elements if one.value is not None}

    def gather(self, gatherer: Gatherer) -> None:
        """Give the identifying values of the header to `gatherer`.

        Args:
            gatherer: Collects them.
        """
        for element in walk(self.elements):
            if element.value is not None and wants(element.tag, element.vr):
                gatherer.add(element.tag, element.vr, element.value)

    def clean(self, job: Job, encodings: tuple[str, ...]) -> bytes:
        """Return the bytes of the de-identified header.

        Args:
            job: What is known of the file.
            encodings: Python encodings of its Specific Character Set.
        """
        return _clean_header(self.elements, job, encodings)


def _clean_header(elements: list[Element], job: Job, encodings: tuple[str, ...]) -> bytes:
    """Return the bytes of a de-identified header.

    Args:
        elements: The source header, at the top level.
        job: What is known of the file.
        encodings: Python encodings of its Specific Character Set.
    """
    kept = _data_set(elements, job, encodings, nested=False)
    parts = [(one.tag, write([one], job.encoding)) for one in kept]
    return b"".join(part for _, part in sorted([*parts, *job.statements()], key=lambda pair: pair[0]))


def _data_set(elements: list[Element], job: Job, encodings: tuple[str, ...], nested: bool) -> list[Element]:
    for element in elements:
        if element.tag == CHARACTER_SET and element.value is not None and nested:
            encodings = encodings_of(element.value)
    result: list[Element] = []
    used_blocks: set[tuple[int, int]] = set()
    for place, element in enumerate(elements):
        if element.private:
            treated = _private(element, job, encodings)
            if treated is not None:
                used_blocks.add((element.tag >> 16, element.tag >> 8 & 0xFF))
        else:
            action = job.policy.action(job.sop_class, element.tag, element.vr, nested)
            beside = elements[place + 1] if action == "coded" and place + 1 < len(elements) else None
            scheme = beside.value or b"" if beside is not None and beside.tag == CODING_SCHEME else b""
            treated = _treat(element, action, job, encodings, scheme)
        if treated is not None:
            result.append(treated)
    creators = [
        element
        for element in elements
        if element.private and element.value is not None and (element.tag >> 16, element.tag & 0xFFFF) in used_blocks
    ]
    return sorted(result + creators, key=lambda one: one.tag) if creators else result


def _private(element: Element, job: Job, encodings: tuple[str, ...]) -> Element | None:
    if not element.creator or not job.policy.keeps_private(element.creator, element.tag >> 16, element.tag & 0xFF):
        if element.tag & 0xFFFF > 0xFF:
            job.tally.append(("remove", element.tag & 0xFFFF0000))
        return None
    return _treat(element, job.policy.private_action(element.vr), job, encodings)


def _treat(element: Element, action: Action, job: Job, encodings: tuple[str, ...], scheme: bytes = b"") -> Element | None:
    if action == "remove":
        job.tally.append(("remove", element.tag))
        return None
    if element.value is None:
        return _sequence(element, action, job, encodings)
    if action == "recurse":
        # Decided as a sequence but its content was not read as one.
        job.tally.append(("remove", element.tag))
        return None
    if action == "bytes" and job.identifiers.in_binary(element.value):
        raise residual("identifier", element.tag)
    value = job.value(action, element.vr, element.value, encodings, scheme)
    if value == element.value:
        return element
    job.tally.append((action, element.tag))
    return Element(element.tag, element.written_vr, element.vr, value, [], False, element.creator, element.inner)


def _sequence(element: Element, action: Action, job: Job, encodings: tuple[str, ...]) -> Element | None:
    if action == "recurse":
        items = [Item(_data_set(item.elements, job, encodings, nested=True), item.undefined) for item in element.items]
        return Element(element.tag, element.written_vr, "SQ", None, items, element.undefined, element.creator, element.inner)
    job.tally.append((action, element.tag))
    if action == "dummy" and element.tag in STAND_INS:
        return stand_in(element.tag, element.written_vr, element.inner)
    if action in ("empty", "dummy"):
        return Element(element.tag, element.written_vr, "SQ", None, [], False, element.creator, element.inner)
    job.tally.append(("remove", element.tag))
    return None
