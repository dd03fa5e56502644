"""How each archive, file and study of a centre ended, written down as it ends: what a killed run goes on from."""

from __future__ import annotations

from unibase.flows.runs.run import Run
from unibase.flows.runs.stopping import check
from unibase.groundwork.work import Outcome


class Book:
    """How each archive, file and study of a centre ended: before this run, and in it, written down one by one.

    Args:
        run: The run.
        centre: The centre.
    """

    def __init__(self, run: Run, centre: str) -> None:
        self.run, self.centre, self.stage = run, centre, f"fetch-{centre}"
        self.before = {key: outcome for key, (_, outcome) in run.ledger.known(self.stage).items()}
        self.now: dict[str, Outcome] = {}

    def write(self, outcome: Outcome, total: int) -> None:
        """Write down how one ended.

        `outcome`: how; `total`: how many there are, as far as is known.
        """
        self.now[outcome.key] = outcome
        if outcome != self.before.get(outcome.key):
            self.run.ledger.record(self.stage, [("", outcome)])
        if self.run.progress is not None:
            refused = sum(one.status == "quarantined" for one in self.now.values())
            self.run.progress(self.stage, len(self.now), max(total, len(self.now)), refused)
        check()

    def close(self) -> list[Outcome]:
        """Forget what the source has no more; return all outcomes by key."""
        self.run.ledger.forget_others(self.stage, list(self.now))
        return [self.now[key] for key in sorted(self.now)]
