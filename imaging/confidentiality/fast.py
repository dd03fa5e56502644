"""The fast path: one walk over the header with the policy compiled to a table, then a list of edits on its bytes.

It takes little-endian headers that are in order and well formed. Whatever it does not fully understand raises
`NotFast`, and the complete path decides; a property test holds that both give the same bytes.
"""

from __future__ import annotations

import mmap
from bisect import bisect_left
from collections import OrderedDict
from itertools import accumulate

from unibase.imaging.confidentiality.actions import Job, stand_in
from unibase.imaging.confidentiality.attributes import CODING_SCHEME
from unibase.imaging.confidentiality.fast_table import NotFast
from unibase.imaging.confidentiality.fast_walk import Layout, Purpose, Walk
from unibase.imaging.confidentiality.gathering import Gatherer
from unibase.imaging.confidentiality.policy import Action
from unibase.imaging.confidentiality.structure import Encoding, write

__all__ = ["FastHeader", "NotFast", "Purpose"]

_LAYOUTS: OrderedDict[tuple[object, ...], list[Layout]] = OrderedDict()
_MOST_LAYOUTS, _MOST_ALIKE = 512, 8


class FastHeader:
    """A header walked once.

    Args:
        buffer: The whole file, or the inflated data set.
        start: Where the data set begins.
        encoding: Its encoding; little endian.
        purpose: The policy, and what of the header is needed.

    Attributes:
        top: Values of the noted tags.
        pixels: Where the pixel element, or the end, is.
    """

    def __init__(self, buffer: bytes | mmap.mmap, start: int, encoding: Encoding, purpose: Purpose) -> None:
        if not encoding.little:
            raise NotFast
        self._encoding = encoding
        key = (purpose.policy, purpose.sop_class, encoding.implicit, len(buffer) - start)
        layout = _alike(key, buffer, start) if isinstance(buffer, bytes) else None
        if layout is None:
            walk = Walk(buffer, start, encoding, purpose)
            layout = walk.layout()
            if walk.repeatable and isinstance(buffer, bytes):
                _remember(key, layout)
        self._layout = layout
        self.pixels = start + layout.size
        self._header = bytes(buffer[start : self.pixels])
        self.top = {tag: self._header[value:end] for tag, value, end in layout.top}

    def gather(self, gatherer: Gatherer) -> None:
        """Give the identifying values of the header to `gatherer`.

        Args:
            gatherer: Collects them.
        """
        for tag, vr, value, end in self._layout.gathered:
            gatherer.add(tag, vr, self._header[value:end])

    def clean(self, job: Job, encodings: tuple[str, ...]) -> bytes:
        """Return the bytes of the de-identified header.

        Args:
            job: What is known of the file.
            encodings: Python encodings of its Specific Character Set.

        Raises:
            NotFast: When a new value does not fit the element's length field.
        """
        header, memo, tally = self._header, job.memo, job.tally
        tally += self._layout.removed
        statements = dict(job.statements())
        edits: list[tuple[int, int, bytes]] = []
        for place, (start, value, end, action, tag, vr) in enumerate(self._layout.program):
            if action == "remove":
                edits.append((start, end, b""))
                continue
            if not vr:
                if tag in statements:
                    edits.append((start, start, statements[tag]))
                continue
            if vr == "SQ":
                edits.append((start, end, self._emptied(start, action, tag)))
                tally.append((action, tag))
                continue
            raw = header[value:end]
            scheme = self._scheme(place, end) if action == "coded" else b""
            key = (action, vr, raw + b"\\" + scheme if scheme else raw)
            new = memo.get(key)
            if new is None:
                new = memo[key] = job.value(action, vr, raw, encodings, scheme)
            elif action == "uid" or action == "reference":
                job.source_uids.add(raw)
            elif action == "date":
                job.written_dates.add(new)
            if new == raw:
                continue
            tally.append((action, tag))
            edits.append((start, end, self._with_length(start, value, new)))
        return self._apply(edits)

    def _with_length(self, start: int, value: int, new: bytes) -> bytes:
        """Return an element with a new value, behind its tag, its representation and the length of that value."""
        wide = self._encoding.implicit or value - start == 12
        if len(new) > 0xFFFF and not wide:
            raise NotFast
        size = 4 if wide else 2
        return self._header[start : value - size] + len(new).to_bytes(size, "little") + new

    def _scheme(self, place: int, end: int) -> bytes:
        """Return the coding scheme that stands right after a code. `place`: of the code in the program; `end`: where it ends."""
        program = self._layout.program
        after = program[place + 1] if place + 1 < len(program) else None
        found = after is not None and after.tag == CODING_SCHEME and after.start == end
        return self._header[after.value : after.end] if after is not None and found else b""

    def _emptied(self, start: int, action: Action, tag: int) -> bytes:
        if action == "dummy":
            written = "" if self._encoding.implicit else "SQ"
            return write([stand_in(tag, written, self._encoding)], self._encoding)
        return self._header[start : start + (4 if self._encoding.implicit else 8)] + b"\0\0\0\0"

    def _apply(self, edits: list[tuple[int, int, bytes]]) -> bytes:
        if self._layout.containers:
            starts = [edit[0] for edit in edits]
            deltas = [0, *accumulate(len(new) - (end - start) for start, end, new in edits)]
            lengths = []
            for place, inside, after in self._layout.containers:
                delta = deltas[bisect_left(starts, after)] - deltas[bisect_left(starts, inside)]
                if delta:
                    lengths.append((place, place + 4, (after - inside + delta).to_bytes(4, "little")))
            if lengths:
                edits = sorted(edits + lengths, key=_place)
        parts, position, header = [], 0, self._header
        for start, end, new in edits:
            if start > position:
                parts.append(header[position:start])
            elif start < position:
                raise NotFast
            parts.append(new)
            position = end
        parts.append(header[position:])
        return b"".join(parts)


def _place(edit: tuple[int, int, object]) -> tuple[int, bool]:
    # An insertion stands before what is replaced at the same place; sorting keeps the order of insertions.
    return edit[0], edit[1] > edit[0]


def _alike(key: tuple[object, ...], buffer: bytes, start: int) -> Layout | None:
    import numpy as np

    known = _LAYOUTS.get(key)
    if not known:
        return None
    _LAYOUTS.move_to_end(key)
    content = np.frombuffer(buffer, np.uint8, offset=start)
    for layout in known:
        if content[layout.structure].tobytes() == layout.content:
            return layout
    return None


def _remember(key: tuple[object, ...], layout: Layout) -> None:
    known = _LAYOUTS.setdefault(key, [])
    known.insert(0, layout)
    del known[_MOST_ALIKE:]
    while len(_LAYOUTS) > _MOST_LAYOUTS:
        _LAYOUTS.popitem(last=False)
