"""How an archive is asked: never faster than it allows, at its hours, again after a pause when it is busy."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from datetime import time as clock_time

from unibase.groundwork.problems import SourceAway, Unusable
from unibase.imaging.fetching.options import Pace
from unibase.imaging.fetching.reasons import NOT_RETRIEVED

LONGEST_PAUSE = 300.0
"""Seconds: an archive that asks for a longer pause is away."""
IN_A_ROW = 5
"""Requests that an archive may fail on one after the other while it answers other questions; after one more it is away."""


class Again(Exception):
    """A request failed for what may pass: a busy server, a cut connection.

    Args:
        said: What happened, without a value of a patient.
        after: Seconds that the server asks to wait, or None.
        of_the_study: Whether it may lie in what was asked for: then, in the end, that is set aside and the rest goes on.
        busy: Whether the archive says of itself that it has no time.
    """

    def __init__(self, said: str, after: float | None = None, of_the_study: bool = False, busy: bool = False) -> None:
        super().__init__(said)
        self.said = said
        self.after = after
        self.of_the_study = of_the_study
        self.busy = busy


def _now() -> datetime:
    return datetime.now().astimezone()


@dataclass
class Asking:
    """Asks in one run.

    Attributes:
        pace: What the study file allows.
        archive: What the archive is called in messages.
        pause: Waits for seconds.
        now: The time of day here.
        requests: How many requests were made.
        failed: How many requests failed, one after the other, while the archive answered other questions.
    """

    pace: Pace
    archive: str
    pause: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = _now
    requests: int = 0
    failed: int = 0
    _last: float = field(default=0.0, repr=False)

    def ask[R](self, request: Callable[[], R]) -> R:
        """Make a request, again after a pause that doubles where it raises `Again`.

        Args:
            request: Makes it.

        Raises:
            SourceAway: If the archive does not answer, or it is not the hour to ask.
            Unusable: If it fails again and again on what was asked for.
        """
        try:
            return self._tried(request)
        except Again as failed:
            if failed.of_the_study:
                raise self._not_given(failed) from None
            raise self._away(failed.said) from None

    def ask_of_study[R](self, request: Callable[[], R], other: Callable[[], object]) -> R:
        """Make a request for objects of a study. Where it fails and the archive answers another question, the study is at fault.

        Args:
            request: Makes it.
            other: Asks the archive something else.

        Raises:
            SourceAway: If the archive does not answer, or fails on study after study.
            Unusable: If it fails on this study alone.
        """
        try:
            answer = self._tried(request)
        except Again as failed:
            if failed.of_the_study:
                raise self._not_given(failed) from None
            if failed.busy or self.failed >= IN_A_ROW or not self._answers(other):
                raise self._away(failed.said) from None
            answer = self._last_try(request)
        self.failed = 0
        return answer

    def _last_try[R](self, request: Callable[[], R]) -> R:
        """Ask once more an archive that answers: it may have been the network."""
        try:
            return self._once(request)
        except Again as failed:
            self.failed += 1
            raise self._not_given(failed) from None

    def _answers(self, request: Callable[[], object]) -> bool:
        try:
            self._once(request)
        except Again:
            return False
        return True

    def _tried[R](self, request: Callable[[], R]) -> R:
        for attempt in range(1, self.pace.tries):
            try:
                return self._once(request)
            except Again as failed:
                self._wait(attempt, failed)
        return self._once(request)

    def _once[R](self, request: Callable[[], R]) -> R:
        self.refuse_wrong_hour()
        self._keep_rate()
        self.requests += 1
        return request()

    def _not_given(self, failed: Again) -> Unusable:
        return Unusable(NOT_RETRIEVED, f"The archive {failed.said}, {self.pace.tries} times.")

    def _keep_rate(self) -> None:
        """Wait until the next request is due."""
        if self.pace.requests_per_second is not None:
            due = self._last + 1 / self.pace.requests_per_second
            if (left := due - time.monotonic()) > 0:
                self.pause(left)
        self._last = time.monotonic()

    def _wait(self, attempt: int, failed: Again) -> None:
        if failed.after is not None and failed.after > LONGEST_PAUSE:
            raise self._away(f"{failed.said}, and asks to wait {failed.after:.0f} s")
        # A little chance, so that many who wait for one server do not come back at one moment.
        usual = min(2.0 ** (attempt - 1), 60.0) * random.uniform(0.8, 1.2)
        self.pause(usual if failed.after is None else max(failed.after, 0.0))

    def _away(self, said: str) -> SourceAway:
        return SourceAway(
            f"{self.archive} {said}. Nothing is published, what came is kept. "
            "Look at the archive and the network, then start the same command again: it goes on where it stopped."
        )

    def refuse_wrong_hour(self) -> None:
        """Stop where the hospital does not want to be asked now.

        Raises:
            SourceAway: With the hour at which to start again.
        """
        if self.pace.hours is None:
            return
        first, last = (clock_time.fromisoformat(one) for one in self.pace.hours.split("-"))
        now = self.now().time()
        inside = first <= now < last if first < last else now >= first or now < last
        if not inside:
            raise SourceAway(
                f"{self.archive} may be asked from {self.pace.hours.replace('-', ' to ')} only. Nothing is published, what came is "
                f"kept. Start the same command again after {first:%H:%M}: it goes on where it stopped."
            )
