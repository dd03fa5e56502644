"""The fast path: one walk over the header with the policy compiled to a table, then a list of edits on its bytes.

It takes little-endian headers that are in order and well formed. Whatever it does not fully understand raises
`NotFast`, and the complete path decides; a property test holds that both give the same bytes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from functools import lru_cache
from itertools import accumulate
from typing import Any, NamedTuple

from unibase.imaging.confidentiality.actions import CHARACTER_SET, Job, stand_in
from unibase.imaging.confidentiality.attributes import STAND_INS
from unibase.imaging.confidentiality.gathering import Gatherer, wants
from unibase.imaging.confidentiality.policy import Action, Policy, dictionary_vr
from unibase.imaging.confidentiality.structure import (
    LONG_VRS,
    MAX_DEPTH,
    PIXEL_TAGS,
    SHORT_VRS,
    UNDEFINED,
    Encoding,
    private_vr,
    write,
)

_ITEM, _ITEM_END, _SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0\0\0\0\0", b"\xfe\xff\xdd\xe0\0\0\0\0"
_KEEP, _NOTE, _VALUE, _REMOVE, _SEQUENCE, _PRIVATE, _PIXELS, _REFUSE, _CHARSET = range(9)


_IDENTITY, _NOTED = 1, 2


class NotFast(Exception):
    """The header has something that only the complete path treats."""


class _Entry(NamedTuple):
    """What the compiled table says of one tag and VR."""

    kind: int
    tag: int
    vr: str
    action: Action
    long: bool
    wanted: int


class _Event(NamedTuple):
    """One element that may change: where it starts, its value, where it ends, and what is done."""

    start: int
    value: int
    end: int
    action: Action
    tag: int
    vr: str


class _Table(dict[bytes, _Entry]):
    """The policy compiled for one SOP class and level, filled as tags are met.

    Keys are the first bytes of an element as the file holds them: tag and VR (6 bytes) or the tag alone (4 bytes).
    """

    def __init__(self, policy: Policy, sop_class: str, nested: bool, noted: frozenset[int]) -> None:
        super().__init__()
        self._policy = policy
        self._sop_class = sop_class
        self._nested = nested
        self._noted = noted

    def __missing__(self, key: bytes) -> _Entry:
        if len(key) < 4:
            raise NotFast
        tag = int.from_bytes(key[0:2], "little") << 16 | int.from_bytes(key[2:4], "little")
        entry = self._entry(tag, key[4:6].decode("latin-1"), len(key) == 4)
        if entry.kind != _REFUSE or tag >> 16 == 0xFFFE:
            self[key] = entry
        return entry

    def _entry(self, tag: int, written: str, implicit: bool) -> _Entry:
        refused = _Entry(_REFUSE, tag, "", "remove", False, 0)
        if not implicit and written not in SHORT_VRS and written not in LONG_VRS:
            return refused
        long = written in LONG_VRS
        if tag in PIXEL_TAGS and not self._nested:
            return _Entry(_PIXELS, tag, written, "keep", long, 0)
        if tag >> 16 == 0xFFFE or 0x6000 <= tag >> 16 <= 0x60FF:
            return refused
        if tag >> 16 & 1:
            return _Entry(_PRIVATE, tag, written, "remove", long, 0)
        vr = dictionary_vr(tag) if implicit else written
        if vr == "UN" and dictionary_vr(tag) != "UN":
            # It may hide any other VR, a sequence even; an attribute that is UN by the standard hides nothing.
            return refused
        action = self._policy.action(self._sop_class, tag, vr, self._nested)
        if self._nested and tag == CHARACTER_SET:
            return _Entry(_CHARSET, tag, vr, action, long, 0)
        wanted = _IDENTITY * wants(tag, vr) + _NOTED * (tag in self._noted)
        if vr == "SQ":
            if action == "dummy" and tag not in STAND_INS:
                action = "empty"
            return _Entry(_SEQUENCE, tag, vr, action if action in ("recurse", "empty", "dummy") else "remove", long, 0)
        if action in ("remove", "recurse"):
            return _Entry(_REMOVE, tag, vr, "remove", long, wanted)
        if action == "keep":
            return _Entry(_NOTE if tag in self._noted else _KEEP, tag, vr, action, long, 0)
        return _Entry(_VALUE, tag, vr, action, long, wanted)


@lru_cache(maxsize=64)
def _tables(policy: Policy, sop_class: str, noted: frozenset[int]) -> tuple[_Table, _Table]:
    return _Table(policy, sop_class, False, noted), _Table(policy, sop_class, True, frozenset())


@lru_cache(maxsize=16384)
def _private_meaning(tag: int, creator: str) -> str:
    return private_vr(tag, creator)


class _Layout(NamedTuple):
    """What a walk found, in places relative to the start of the data set; all but the values themselves.

    A walk depends on nothing but tags, VRs, lengths, delimiters and private creators. A file in which those bytes are the
    same at the same places would be walked the same way: it takes the layout of the file before it in its series.

    Attributes:
        size: Length of the header.
        structure: Places of the bytes that the walk depended on.
        content: Those bytes.
        top: `(tag, value, end)` of the noted values.
        gathered: `(tag, VR, value, end)` of the identifying values.
        program: Elements that may change, and insertions (`tag` of the statement, `value` and `end` at `start`), in order.
        removed: `(action, tag)` of all removals; in `program`, those that touch are one.
        containers: `(place of the length, start, end)` of sequences and items of defined length.
    """

    size: int
    structure: Any
    content: bytes
    top: list[tuple[int, int, int]]
    gathered: list[tuple[int, str, int, int]]
    program: list[_Event]
    removed: list[tuple[str, int]]
    containers: list[tuple[int, int, int]]


_LAYOUTS: OrderedDict[tuple[Any, ...], list[_Layout]] = OrderedDict()
_MOST_LAYOUTS, _MOST_ALIKE, _MOST_ELEMENTS = 512, 8, 4000


class FastHeader:
    """A header walked once.

    Args:
        buffer: The whole file, or the inflated data set.
        start: Where the data set begins.
        encoding: Its encoding; little endian.
        policy: The study's policy.
        sop_class: SOP class, as the file meta information has it.
        noted: Tags of the top level whose values are needed.
        anchors: Tags of the elements that will be inserted.

    Attributes:
        top: Values of the noted tags.
        pixels: Where the pixel element, or the end, is.
    """

    def __init__(
        self,
        buffer: Any,
        start: int,
        encoding: Encoding,
        policy: Policy,
        sop_class: str,
        noted: frozenset[int],
        anchors: tuple[int, ...],
    ) -> None:
        if not encoding.little:
            raise NotFast
        self._encoding = encoding
        key = (policy, sop_class, encoding.implicit, len(buffer) - start)
        layout = _alike(key, buffer, start) if isinstance(buffer, bytes) else None
        if layout is None:
            walk = _Walk(buffer, start, encoding, policy, sop_class, noted, anchors)
            layout = walk.layout()
            if walk.repeatable and isinstance(buffer, bytes):
                _remember(key, layout)
        self._layout = layout
        self.pixels = start + layout.size
        self._header = bytes(buffer[start : self.pixels])
        self.top = {tag: self._header[value:end] for tag, value, end in layout.top}

    def gather(self, gatherer: Gatherer) -> None:
        """Give the identifying values of the header to `gatherer`."""
        for tag, vr, value, end in self._layout.gathered:
            gatherer.add(tag, vr, self._header[value:end])

    def clean(self, job: Job, encodings: tuple[str, ...]) -> bytes:
        """Return the bytes of the de-identified header.

        Raises:
            NotFast: When a new value does not fit the element's length field.
        """
        header, implicit = self._header, self._encoding.implicit
        memo, tally = job.memo, job.tally
        tally += self._layout.removed
        statements = dict(job.statements())
        edits: list[tuple[int, int, bytes]] = []
        for start, value, end, action, tag, vr in self._layout.program:
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
            new = memo.get((action, vr, raw))
            if new is None:
                new = memo[action, vr, raw] = job.value(action, vr, raw, encodings)
            elif action == "uid" or action == "reference":
                job.source_uids.add(raw)
            elif action == "date":
                job.written_dates.add(new)
            if new == raw:
                continue
            tally.append((action, tag))
            size = len(new)
            if implicit or value - start == 12:
                edits.append((start, end, header[start : value - 4] + size.to_bytes(4, "little") + new))
            elif size > 0xFFFF:
                raise NotFast
            else:
                edits.append((start, end, header[start : value - 2] + size.to_bytes(2, "little") + new))
        return self._apply(edits)

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


def _merged(program: list[_Event], ends: set[int]) -> list[_Event]:
    """Return the program with removals that touch each other as one, such as those of a private block.

    Where an item or sequence ends, one removal is inside and the next outside: they change different lengths.
    """
    result: list[_Event] = []
    for event in program:
        last = result[-1] if result else None
        if last is not None and last.action == event.action == "remove" and last.end == event.start not in ends:
            result[-1] = last._replace(end=event.end)
        else:
            result.append(event)
    return result


def _place(edit: tuple[int, int, Any]) -> tuple[int, bool]:
    # An insertion stands before what is replaced at the same place; sorting keeps the order of insertions.
    return edit[0], edit[1] > edit[0]


def _alike(key: tuple[Any, ...], buffer: bytes, start: int) -> _Layout | None:
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


def _remember(key: tuple[Any, ...], layout: _Layout) -> None:
    known = _LAYOUTS.setdefault(key, [])
    known.insert(0, layout)
    del known[_MOST_ALIKE:]
    while len(_LAYOUTS) > _MOST_LAYOUTS:
        _LAYOUTS.popitem(last=False)


class _Walk:
    """One walk over a header; `repeatable` tells whether its layout holds for another file of the same structure."""

    def __init__(
        self,
        buffer: Any,
        start: int,
        encoding: Encoding,
        policy: Policy,
        sop_class: str,
        noted: frozenset[int],
        anchors: tuple[int, ...],
    ) -> None:
        self._buffer = buffer
        self._start = start
        self._encoding = encoding
        self._policy = policy
        self._top_table, self._nested_table = _tables(policy, sop_class, noted)
        self._anchors = anchors
        self._charset = b""
        self._top: list[tuple[int, int, int]] = []
        self._gathered: list[tuple[int, str, int, int]] = []
        self._events: list[_Event] = []
        self._containers: list[tuple[int, int, int]] = []
        self._places: list[int] = []
        self._structure: list[tuple[int, int]] = []
        self.repeatable = True
        self._pixels = self._data_set(start, len(buffer), 0, False)
        while len(self._places) < len(anchors):
            self._places.append(self._pixels)
        self.repeatable = self.repeatable and len(self._structure) <= _MOST_ELEMENTS

    def layout(self) -> _Layout:
        """Return what was found, in relative places."""
        import numpy as np

        at = self._start
        program = [
            _Event(start - at, value - at, end - at, action, tag, vr) for start, value, end, action, tag, vr in self._events
        ]
        program += [
            _Event(place - at, place - at, place - at, "keep", tag, "")
            for tag, place in zip(self._anchors, self._places, strict=True)
        ]
        program.sort(key=lambda event: (event.start, event.end > event.start))
        structure, content = None, b""
        if self.repeatable:
            ranges = [*self._structure, (self._pixels, min(self._pixels + 8, len(self._buffer)))]
            structure = np.concatenate([np.arange(start - at, end - at) for start, end in ranges])
            content = np.frombuffer(self._buffer, np.uint8, offset=at)[structure].tobytes()
        return _Layout(
            self._pixels - at,
            structure,
            content,
            [(tag, value - at, end - at) for tag, value, end in self._top],
            [(tag, vr, value - at, end - at) for tag, vr, value, end in self._gathered],
            _merged(program, {end - at for _, _, end in self._containers}),
            [("remove", event.tag) for event in program if event.action == "remove" and event.tag >= 0],
            [(place - at, start - at, end - at) for place, start, end in self._containers],
        )

    def _data_set(self, pos: int, end: int, depth: int, delimited: bool) -> int:
        """Walk one data set; return where it ends (at its delimiter, at the pixels, or at `end`)."""
        if depth > MAX_DEPTH:
            raise NotFast
        buf = self._buffer
        implicit = self._encoding.implicit
        width = 4 if implicit else 6
        table = self._nested_table if depth else self._top_table
        anchors = self._anchors if depth == 0 else ()
        next_anchor = anchors[0] if anchors else 0xFFFFFFFF
        events, structure = self._events, self._structure
        creators: dict[int, tuple[int, int, str]] = {}
        used: set[int] = set()
        last = -1
        while pos < end:
            kind, tag, vr, action, long, wanted = table[buf[pos : pos + width]]
            if kind == _REFUSE:
                if delimited and buf[pos : pos + 8] == _ITEM_END:
                    structure.append((pos, pos + 8))
                    self._close_creators(creators, used)
                    return pos
                raise NotFast
            if tag <= last:
                raise NotFast
            last = tag
            while tag > next_anchor:
                self._places.append(pos)
                done = len(self._places)
                next_anchor = anchors[done] if done < len(anchors) else 0xFFFFFFFF
            if kind == _PIXELS:
                break
            if implicit:
                value = pos + 8
                length = int.from_bytes(buf[pos + 4 : value], "little")
            elif long:
                value = pos + 12
                length = int.from_bytes(buf[pos + 8 : value], "little")
            else:
                value = pos + 8
                length = buf[pos + 6] | buf[pos + 7] << 8 if value <= end else end
            after = value + length
            structure.append((pos, value))
            if kind == _SEQUENCE:
                pos = self._sequence(pos, value, length, action, tag, end, depth)
                continue
            if kind == _PRIVATE:
                pos = self._private(pos, value, length, tag, vr, end, depth, creators, used)
                continue
            if after > end or length == UNDEFINED:  # In a file over 4 GB an undefined length does not point behind its end.
                raise NotFast
            if kind == _KEEP:
                pos = after
                continue
            if kind == _NOTE:
                self._top.append((tag, value, after))
                pos = after
                continue
            if kind == _CHARSET:
                if buf[value:after] != self._charset:
                    # Only the complete path changes its character set inside a sequence.
                    raise NotFast
                structure.append((value, after))
            if wanted:
                if wanted & _NOTED:
                    self._top.append((tag, value, after))
                if wanted & _IDENTITY:
                    self._gathered.append((tag, vr, value, after))
                if tag == CHARACTER_SET:
                    self._charset = buf[value:after]
                    structure.append((value, after))
            events.append(_Event(pos, value, after, action, tag, vr))
            pos = after
        if delimited:
            raise NotFast
        self._close_creators(creators, used)
        return pos

    def _sequence(self, start: int, value: int, length: int, action: Action, tag: int, end: int, depth: int) -> int:
        mark = len(self._events), len(self._containers)
        if length == UNDEFINED:
            after = self._items(value, end, depth, True)
        else:
            after = value + length
            if after > end:
                raise NotFast
            self._containers.append((value - 4, value, after))
            self._items(value, after, depth, False)
        if action != "recurse":
            # Walked for the identities inside; what would be done to them does not matter any more.
            del self._events[mark[0] :]
            del self._containers[mark[1] :]
            self._events.append(_Event(start, value, after, action, tag, "SQ"))
        return after

    def _items(self, pos: int, end: int, depth: int, delimited: bool) -> int:
        buf = self._buffer
        while pos < end:
            head = buf[pos : pos + 8]
            self._structure.append((pos, pos + 8))
            if delimited and head == _SEQUENCE_END:
                return pos + 8
            if head[:4] != _ITEM or len(head) < 8:
                raise NotFast
            length = int.from_bytes(head[4:], "little")
            pos += 8
            if length == UNDEFINED:
                pos = self._data_set(pos, end, depth + 1, True) + 8
            else:
                after = pos + length
                if after > end:
                    raise NotFast
                self._containers.append((pos - 4, pos, after))
                if self._data_set(pos, after, depth + 1, False) != after:
                    raise NotFast
                pos = after
        if delimited or pos != end:
            raise NotFast
        return pos

    def _private(
        self,
        start: int,
        value: int,
        length: int,
        tag: int,
        written: str,
        end: int,
        depth: int,
        creators: dict[int, tuple[int, int, str]],
        used: set[int],
    ) -> int:
        element = tag & 0xFFFF
        creator = creators[tag >> 8][2] if element > 0xFF and tag >> 8 in creators else ""
        vr = written
        if written in ("", "UN"):
            vr = "LO" if 0x10 <= element <= 0xFF else _private_meaning(tag, creator)
        if length == UNDEFINED or vr == "SQ":
            if written == "UN" or vr not in ("SQ", ""):
                raise NotFast
            action: Action = "remove"
            if creator and self._policy.keeps_private(creator, tag >> 16, tag & 0xFF):
                action = "recurse"
                used.add(tag >> 8)
            return self._sequence(start, value, length, action, tag & 0xFFFF0000 if action == "remove" else tag, end, depth)
        after = value + length
        if after > end:
            raise NotFast
        if 0x10 <= element <= 0xFF:
            name = bytes(self._buffer[value:after]).decode("latin-1").strip(" \0")
            # The block of an element is its group and the high byte of its number: the creator's own number.
            creators[(tag >> 16) << 8 | element] = (start, after, name)
            self._structure.append((value, after))
            return after
        if wants(tag, vr):
            self._gathered.append((tag, vr, value, after))
        if creator and self._policy.keeps_private(creator, tag >> 16, tag & 0xFF):
            action = self._policy.private_action(vr)
            if action == "recurse":
                raise NotFast
            if action != "remove":
                used.add(tag >> 8)
            if action != "keep":
                self._events.append(_Event(start, value, after, action, tag, vr))
            return after
        self._events.append(_Event(start, value, after, "remove", tag & 0xFFFF0000 if element > 0xFF else -1, vr))
        return after

    def _close_creators(self, creators: dict[int, tuple[int, int, str]], used: set[int]) -> None:
        for block, (start, after, _) in creators.items():
            if block not in used:
                self._events.append(_Event(start, start, after, "remove", -1, "LO"))
