"""One walk over the bytes of a header, and the layout that it leaves for other files of the same structure."""

from __future__ import annotations

import mmap
import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from unibase.imaging.confidentiality import fast_table
from unibase.imaging.confidentiality.actions import CHARACTER_SET
from unibase.imaging.confidentiality.fast_table import NotFast, private_meaning, tables
from unibase.imaging.confidentiality.gathering import wants
from unibase.imaging.confidentiality.policy import Action, Policy
from unibase.imaging.confidentiality.structure import MAX_DEPTH, UNDEFINED, Encoding

_ITEM, _ITEM_END, _SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0\0\0\0\0", b"\xfe\xff\xdd\xe0\0\0\0\0"
_KEEP, _NOTE, _SEQUENCE, _PRIVATE = fast_table.KEEP, fast_table.NOTE, fast_table.SEQUENCE, fast_table.PRIVATE
_PIXELS, _REFUSE, _CHARSET = fast_table.PIXELS, fast_table.REFUSE, fast_table.CHARSET
_NONE = 0xFFFFFFFF
_MOST_ELEMENTS = 4000
_IN_NUMBERS = re.compile(rb"[\d+\-.eE\\ \0]*")
_LEAST_NUMBER = 5
"""Bytes of a number in digits from which on it may be a day or a number of the person."""


@dataclass(frozen=True)
class Purpose:
    """What a header is walked for.

    Attributes:
        policy: The study's policy.
        sop_class: SOP class, as the file meta information has it.
        noted: Tags of the top level whose values are needed.
        anchors: Tags of the elements that will be inserted, in order.
    """

    policy: Policy
    sop_class: str
    noted: frozenset[int]
    anchors: tuple[int, ...]


class Event(NamedTuple):
    """One element that may change: where it starts, its value, where it ends, and what is done."""

    start: int
    value: int
    end: int
    action: Action
    tag: int
    vr: str


class Layout(NamedTuple):
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
    program: list[Event]
    removed: list[tuple[str, int]]
    containers: list[tuple[int, int, int]]


@dataclass(slots=True)
class _Level:
    """One data set while it is walked: where it may end, how deep it lies, its private creators and which of them are used."""

    end: int
    depth: int
    creators: dict[int, tuple[int, int, str]] = field(default_factory=dict)
    used: set[int] = field(default_factory=set)


class _Element(NamedTuple):
    """One element as the file holds it: where it starts, its value and length."""

    start: int
    value: int
    length: int
    tag: int
    vr: str


class Walk:
    """One walk over a header; `repeatable` tells whether its layout holds for another file of the same structure.

    Args:
        buffer: The whole file, or the inflated data set.
        start: Where the data set begins.
        encoding: Its encoding; little endian.
        purpose: What it is walked for.

    Raises:
        NotFast: When the header has something that only the complete path treats.
    """

    def __init__(self, buffer: bytes | mmap.mmap, start: int, encoding: Encoding, purpose: Purpose) -> None:
        self._buffer = buffer
        self._start = start
        self._encoding = encoding
        self._policy = purpose.policy
        self._top_table, self._nested_table = tables(purpose.policy, purpose.sop_class, purpose.noted)
        self._anchors = purpose.anchors
        self._charset = b""
        self._top: list[tuple[int, int, int]] = []
        self._gathered: list[tuple[int, str, int, int]] = []
        self._events: list[Event] = []
        self._containers: list[tuple[int, int, int]] = []
        self._places: list[int] = []
        self._structure: list[tuple[int, int]] = []
        self.repeatable = True
        self._pixels = self._data_set(start, len(buffer), 0, False)
        while len(self._places) < len(self._anchors):
            self._places.append(self._pixels)
        self.repeatable = self.repeatable and len(self._structure) <= _MOST_ELEMENTS

    def layout(self) -> Layout:
        """Return what was found, in relative places."""
        import numpy as np

        at = self._start
        program = [
            Event(start - at, value - at, end - at, action, tag, vr) for start, value, end, action, tag, vr in self._events
        ]
        program += [
            Event(place - at, place - at, place - at, "keep", tag, "")
            for tag, place in zip(self._anchors, self._places, strict=True)
        ]
        program.sort(key=lambda event: (event.start, event.end > event.start))
        structure, content = None, b""
        if self.repeatable:
            ranges = [*self._structure, (self._pixels, min(self._pixels + 8, len(self._buffer)))]
            structure = np.concatenate([np.arange(start - at, end - at) for start, end in ranges])
            content = np.frombuffer(self._buffer, np.uint8, offset=at)[structure].tobytes()
        return Layout(
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
        buf, structure = self._buffer, self._structure
        implicit = self._encoding.implicit
        width = 4 if implicit else 6
        table = self._nested_table if depth else self._top_table
        level = _Level(end, depth)
        next_anchor = self._anchors[0] if self._anchors and not depth else _NONE
        last = -1
        while pos < end:
            kind, tag, vr, action, long, wanted = table[buf[pos : pos + width]]
            if kind == _REFUSE:
                if delimited and buf[pos : pos + 8] == _ITEM_END:
                    structure.append((pos, pos + 8))
                    self._close_creators(level)
                    return pos
                raise NotFast
            if tag <= last:
                raise NotFast
            last = tag
            if tag > next_anchor:
                next_anchor = self._pass_anchors(tag, pos)
            if kind == _PIXELS:
                break
            value = pos + (12 if long and not implicit else 8)
            if long or implicit:
                length = int.from_bytes(buf[value - 4 : value], "little")
            else:
                length = buf[pos + 6] | buf[pos + 7] << 8 if value <= end else end
            after = value + length
            structure.append((pos, value))
            if kind == _SEQUENCE:
                pos = self._sequence(_Element(pos, value, length, tag, vr), level, action)
            elif kind == _PRIVATE:
                pos = self._private(_Element(pos, value, length, tag, vr), level)
            elif after > end or length == UNDEFINED:
                raise NotFast  # In a file over 4 GB an undefined length does not point behind its end.
            else:
                if kind == _NOTE:
                    self._top.append((tag, value, after))
                elif kind != _KEEP:
                    self._note(kind, wanted, Event(pos, value, after, action, tag, vr))
                pos = after
        if delimited:
            raise NotFast
        self._close_creators(level)
        return pos

    def _pass_anchors(self, tag: int, pos: int) -> int:
        """Note where the insertions before `tag` go; return the next one that is open."""
        while len(self._places) < len(self._anchors) and tag > self._anchors[len(self._places)]:
            self._places.append(pos)
        done = len(self._places)
        return self._anchors[done] if done < len(self._anchors) else _NONE

    def _note(self, kind: int, wanted: int, event: Event) -> None:
        """Take an element that may change, and what its value is wanted for."""
        _, value, after, action, tag, vr = event
        if kind == _CHARSET:
            if self._buffer[value:after] != self._charset:
                # Only the complete path changes its character set inside a sequence.
                raise NotFast
            self._structure.append((value, after))
        if wanted & fast_table.NOTED:
            self._top.append((tag, value, after))
        if wanted & fast_table.IDENTITY:
            self._gathered.append((tag, vr, value, after))
        if wanted and tag == CHARACTER_SET:
            self._charset = self._buffer[value:after]
            self._structure.append((value, after))
        if action != "number" or self._may_tell(value, after):
            self._events.append(event)

    def _sequence(self, element: _Element, level: _Level, action: Action) -> int:
        start, value, length, tag, _ = element
        mark = len(self._events), len(self._containers)
        if length == UNDEFINED:
            after = self._items(value, level.end, level.depth, True)
        else:
            after = value + length
            if after > level.end:
                raise NotFast
            self._containers.append((value - 4, value, after))
            self._items(value, after, level.depth, False)
        if action != "recurse":
            # Walked for the identities inside; what would be done to them does not matter any more.
            del self._events[mark[0] :]
            del self._containers[mark[1] :]
            self._events.append(Event(start, value, after, action, tag, "SQ"))
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

    def _private(self, element: _Element, level: _Level) -> int:
        """Treat a private element, or the creator of a private block; return where it ends."""
        start, value, length, tag, written = element
        number = tag & 0xFFFF
        creator = level.creators[tag >> 8][2] if number > 0xFF and tag >> 8 in level.creators else ""
        kept = bool(creator) and self._policy.keeps_private(creator, tag >> 16, tag & 0xFF)
        vr = written
        if written in ("", "UN"):
            vr = "LO" if 0x10 <= number <= 0xFF else private_meaning(tag, creator)
        if length == UNDEFINED or vr == "SQ":
            if written == "UN" or vr not in ("SQ", ""):
                raise NotFast
            if kept:
                level.used.add(tag >> 8)
                return self._sequence(element, level, "recurse")
            return self._sequence(element._replace(tag=tag & 0xFFFF0000), level, "remove")
        after = value + length
        if after > level.end:
            raise NotFast
        if 0x10 <= number <= 0xFF:
            name = bytes(self._buffer[value:after]).decode("latin-1").strip(" \0")
            # The block of an element is its group and the high byte of its number: the creator's own number.
            level.creators[(tag >> 16) << 8 | number] = (start, after, name)
            self._structure.append((value, after))
            return after
        if wants(tag, vr):
            self._gathered.append((tag, vr, value, after))
        if kept:
            self._kept_private(Event(start, value, after, "keep", tag, vr), level)
        else:
            self._events.append(Event(start, value, after, "remove", tag & 0xFFFF0000 if number > 0xFF else -1, vr))
        return after

    def _kept_private(self, event: Event, level: _Level) -> None:
        action = self._policy.private_action(event.vr)
        if action == "recurse":
            raise NotFast
        if action != "remove":
            level.used.add(event.tag >> 8)
        if action != "keep" and (action != "number" or self._may_tell(event.value, event.end)):
            self._events.append(event._replace(action=action))

    def _may_tell(self, value: int, after: int) -> bool:
        """Return whether a number in digits may be a day or a number of the person, or is no number at all."""
        return after - value >= _LEAST_NUMBER or not _IN_NUMBERS.fullmatch(self._buffer, value, after)

    def _close_creators(self, level: _Level) -> None:
        for block, (start, after, _) in level.creators.items():
            if block not in level.used:
                self._events.append(Event(start, start, after, "remove", -1, "LO"))


def _merged(program: list[Event], ends: set[int]) -> list[Event]:
    """Return the program with removals that touch each other as one, such as those of a private block.

    Where an item or sequence ends, one removal is inside and the next outside: they change different lengths.
    """
    result: list[Event] = []
    for event in program:
        last = result[-1] if result else None
        if last is not None and last.action == event.action == "remove" and last.end == event.start not in ends:
            result[-1] = last._replace(end=event.end)
        else:
            result.append(event)
    return result
