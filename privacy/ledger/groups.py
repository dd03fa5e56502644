"""Records joined into persons, and the links that must not be made."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from unibase.privacy.ledger.comparable import RecordKey
from unibase.privacy.ledger.edges import Edge

_TIE_BITS = 6.0
"""A record that fits two persons fits one of them better only from this difference (64 to 1) on."""
_CERTAIN = frozenset({"decision", "centre-merge", "ins"})
"""Rules whose links are made before the others are weighed."""
FITS_TWO = "fits-two"
"""Rule of a pair for review: the record fits another person, which must not be joined to this one, as well."""


class Groups:
    """Records joined into persons, unless that would put two INS or two records said to be different together."""

    def __init__(self, records: Mapping[RecordKey, set[str]], apart: Iterable[tuple[RecordKey, RecordKey]]) -> None:
        self._parent = {record: record for record in records}
        self._ins = dict(records)
        self._apart: dict[RecordKey, set[RecordKey]] = defaultdict(set)
        for one, two in apart:
            if one in self._parent and two in self._parent:
                self._apart[one].add(two)
                self._apart[two].add(one)

    def root(self, record: RecordKey) -> RecordKey:
        """Return the record that stands for the person of this one."""
        parent = self._parent
        while parent[record] != record:
            parent[record] = parent[parent[record]]
            record = parent[record]
        return record

    def conflict(self, one: RecordKey, two: RecordKey) -> str | None:
        """Return why two records must not be one person, or None."""
        left, right = self.root(one), self.root(two)
        if left == right:
            return None
        if self._ins[left] and self._ins[right] and self._ins[left] != self._ins[right]:
            return "two-ins"
        if any(self.root(other) == right for other in self._apart[left]):
            return "said-to-be-different"
        return None

    def join(self, one: RecordKey, two: RecordKey) -> str | None:
        """Make two persons one; return None, or why it must not be."""
        problem = self.conflict(one, two)
        if problem is None:
            self.join_known([one, two])
        return problem

    def join_known(self, records: Sequence[RecordKey]) -> None:
        """Make one the `records` that an earlier revision held to be one person."""
        for other in records[1:]:
            left, right = sorted((self.root(records[0]), self.root(other)))
            if left != right:
                self._parent[right] = left
                self._ins[left] = self._ins[left] | self._ins[right]
                self._apart[left] |= self._apart.pop(right, set())

    def members(self) -> dict[RecordKey, list[RecordKey]]:
        """Return the records of each person, in order."""
        groups: dict[RecordKey, list[RecordKey]] = defaultdict(list)
        for record in sorted(self._parent):
            groups[self.root(record)].append(record)
        return groups


@dataclass(frozen=True)
class Joined:
    """What became of links: those made, those refused because they contradict (rule: the reason), how many by reason."""

    made: list[Edge]
    refused: list[Edge] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)


def join_all(groups: Groups, edges: Iterable[Edge]) -> Joined:
    """Join what the links say, the strongest first; a record that fits two persons who must stay two goes to neither.

    Args:
        groups: Changed in place.
        edges: Links; decisions of people and INS before scores.
    """
    result = Joined([])
    ordered = sorted(edges)
    _join(groups, [edge for edge in ordered if edge.rule in _CERTAIN], result)
    scored = [edge for edge in ordered if edge.rule not in _CERTAIN]
    torn = _torn_records(groups, scored)
    _join(groups, [edge for edge in scored if edge.left not in torn and edge.right not in torn], result)
    left = [edge for edge in scored if edge.left in torn or edge.right in torn]
    # The others are joined now: who is still torn between two persons belongs to neither.
    doubtful = _torn_edges(groups, left)
    for edge in left:
        if edge in doubtful:
            result.reasons[FITS_TWO] += 1
            result.refused.append(replace(edge, rule=FITS_TWO))
    _join(groups, [edge for edge in left if edge not in doubtful], result)
    return result


def links_that_hold(records: Mapping[RecordKey, set[str]], links: Iterable[Edge]) -> tuple[list[Edge], list[Edge]]:
    """Return (links that hold together, links that would put two INS into one person or leave a record between two).

    Args:
        records: Every record with its INS, or tokens of them.
        links: Links, the strongest first.
    """
    joined = join_all(Groups(records, ()), links)
    return joined.made, joined.refused


def _join(groups: Groups, edges: Iterable[Edge], result: Joined) -> None:
    for edge in edges:
        problem = groups.join(edge.left, edge.right)
        if problem is None:
            result.made.append(edge)
        else:
            result.reasons[problem] += 1
            result.refused.append(replace(edge, rule=problem))


def _torn_records(groups: Groups, edges: Iterable[Edge]) -> set[RecordKey]:
    return {record for record, _ in _torn(groups, edges)}


def _torn_edges(groups: Groups, edges: Iterable[Edge]) -> set[Edge]:
    return {edge for _, edge in _torn(groups, edges)}


def _torn(groups: Groups, edges: Iterable[Edge]) -> list[tuple[RecordKey, Edge]]:
    """Return the links of each record to persons of whom two must not be joined, and of whom none fits it clearly better."""
    of: dict[RecordKey, list[Edge]] = defaultdict(list)
    for edge in edges:
        of[edge.left].append(edge)
        of[edge.right].append(edge)
    found: list[tuple[RecordKey, Edge]] = []
    for record, mine in sorted(of.items()):
        if len(mine) > 1:
            found += [(record, edge) for edge in _ties(groups, record, mine)]
    return found


def _ties(groups: Groups, record: RecordKey, edges: Sequence[Edge]) -> list[Edge]:
    best: dict[RecordKey, float] = {}
    root = {edge: groups.root(edge.right if edge.left == record else edge.left) for edge in edges}
    for edge in edges:
        best[root[edge]] = max(edge.score, best.get(root[edge], edge.score))
    home = groups.root(record)
    tied = {
        one
        for one in best
        for two in best
        if home not in (one, two) and groups.conflict(one, two) and abs(best[one] - best[two]) < _TIE_BITS
    }
    return [edge for edge in edges if root[edge] in tied]
