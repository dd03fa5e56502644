"""Two records that belong together: what the matching finds, and what the ledger keeps. Light: loads nothing compiled."""

from __future__ import annotations

from dataclasses import dataclass

from unibase.privacy.ledger.comparable import RecordKey

ACCEPT_BITS = 9.0
"""Score from which two records are one person: odds of 512 to 1 after the prior of the pair is taken off."""


@dataclass(frozen=True, order=True)
class Edge:
    """Two records held to be one person (or, for review, that may be), by which rule and with what score."""

    rank: float
    left: RecordKey
    right: RecordKey
    rule: str
    score: float
