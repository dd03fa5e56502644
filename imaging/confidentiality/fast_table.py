"""The policy compiled to a table that is asked by the first bytes of an element, for the fast path."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from unibase.imaging.confidentiality.actions import CHARACTER_SET
from unibase.imaging.confidentiality.attributes import STAND_INS
from unibase.imaging.confidentiality.gathering import wants
from unibase.imaging.confidentiality.policy import Action, Policy, dictionary_vr
from unibase.imaging.confidentiality.structure import LONG_VRS, PIXEL_TAGS, SHORT_VRS, private_vr

KEEP, NOTE, VALUE, REMOVE, SEQUENCE, PRIVATE, PIXELS, REFUSE, CHARSET = range(9)
"""Kinds of elements, as the walk treats them."""
IDENTITY, NOTED = 1, 2
"""What a value is wanted for: it may identify a person, or decides what is done."""


class NotFast(Exception):
    """The header has something that only the complete path treats."""


class Entry(NamedTuple):
    """What the compiled table says of one tag and VR."""

    kind: int
    tag: int
    vr: str
    action: Action
    long: bool
    wanted: int


class Table(dict[bytes, Entry]):
    """The policy compiled for one SOP class and level, filled as tags are met.

    Keys are the first bytes of an element as the file holds them: tag and VR (6 bytes) or the tag alone (4 bytes).
    """

    def __init__(self, policy: Policy, sop_class: str, nested: bool, noted: frozenset[int]) -> None:
        super().__init__()
        self._policy = policy
        self._sop_class = sop_class
        self._nested = nested
        self._noted = noted

    def __missing__(self, key: bytes) -> Entry:
        if len(key) < 4:
            raise NotFast
        tag = int.from_bytes(key[0:2], "little") << 16 | int.from_bytes(key[2:4], "little")
        entry = self._entry(tag, key[4:6].decode("latin-1"), len(key) == 4)
        if entry.kind != REFUSE or tag >> 16 == 0xFFFE:
            self[key] = entry
        return entry

    def _entry(self, tag: int, written: str, implicit: bool) -> Entry:
        refused = Entry(REFUSE, tag, "", "remove", False, 0)
        if not implicit and written not in SHORT_VRS and written not in LONG_VRS:
            return refused
        long = written in LONG_VRS
        if tag in PIXEL_TAGS and not self._nested:
            return Entry(PIXELS, tag, written, "keep", long, 0)
        if tag >> 16 == 0xFFFE or 0x6000 <= tag >> 16 <= 0x60FF:
            return refused
        if tag >> 16 & 1:
            return Entry(PRIVATE, tag, written, "remove", long, 0)
        vr = dictionary_vr(tag) if implicit else written
        if vr == "UN" and dictionary_vr(tag) != "UN":
            # It may hide any other VR, a sequence even; an attribute that is UN by the standard hides nothing.
            return refused
        action = self._policy.action(self._sop_class, tag, vr, self._nested)
        if self._nested and tag == CHARACTER_SET:
            return Entry(CHARSET, tag, vr, action, long, 0)
        wanted = IDENTITY * wants(tag, vr) + NOTED * (tag in self._noted)
        if vr == "SQ":
            if action == "dummy" and tag not in STAND_INS:
                action = "empty"
            return Entry(SEQUENCE, tag, vr, action if action in ("recurse", "empty", "dummy") else "remove", long, 0)
        if action in ("remove", "recurse"):
            return Entry(REMOVE, tag, vr, "remove", long, wanted)
        if action == "keep":
            return Entry(NOTE if tag in self._noted else KEEP, tag, vr, action, long, 0)
        return Entry(VALUE, tag, vr, action, long, wanted)


@lru_cache(maxsize=64)
def tables(policy: Policy, sop_class: str, noted: frozenset[int]) -> tuple[Table, Table]:
    """Return the tables of the top level and of what is nested, for a policy, a SOP class and the tags noted at the top.

    `policy`: the policy; `sop_class`: SOP class of the object; `noted`: tags of the top level whose values are needed.
    """
    return Table(policy, sop_class, False, noted), Table(policy, sop_class, True, frozenset())


@lru_cache(maxsize=16384)
def private_meaning(tag: int, creator: str) -> str:
    """Return the VR of a private element by its tag and the name of its creator, where the dictionary knows it.

    Args:
        tag: The element.
        creator: Name of its block.
    """
    return private_vr(tag, creator)
