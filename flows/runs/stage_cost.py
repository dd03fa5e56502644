"""What a stage cost when it last ran: when it began, how long it took, processor time and memory of all our processes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from unibase.groundwork.work import WorkLedger


@dataclass(frozen=True)
class StageCost:
    """What one stage cost.

    Attributes:
        began: When it began, in seconds since 1970.
        seconds: How long it took.
        cpu_seconds: Processor time of this process and of the workers that it started; not of workers elsewhere.
        peak_mib: Most memory that one of these processes ever held until the stage ended, in MiB.
    """

    began: float
    seconds: float
    cpu_seconds: float
    peak_mib: float


@contextmanager
def weighed(ledger: WorkLedger, stage: str) -> Iterator[None]:
    """Write into the ledger what a stage costs that ends well.

    Args:
        ledger: The ledger of work.
        stage: Name of the stage.
    """
    began, at_start, before = time.time(), time.monotonic(), _cpu_seconds()
    yield
    spent = max(0.0, _cpu_seconds() - before)
    cost = StageCost(round(began, 1), round(time.monotonic() - at_start, 1), round(spent, 1), round(_peak_mib(), 1))
    ledger.remember(f"cost {stage}", asdict(cost))


def last_cost(ledger: WorkLedger, stage: str) -> StageCost | None:
    """Return what a stage cost when it last ran; None when it never did.

    Args:
        ledger: The ledger of work.
        stage: Name of the stage.

    >>> with WorkLedger(getfixture("tmp_path") / "work.sqlite") as ledger:
    ...     with weighed(ledger, "index"):
    ...         _ = sum(range(1000))
    ...     last_cost(ledger, "index").seconds < 60, last_cost(ledger, "link")
    (True, None)
    """
    found = ledger.remembered(f"cost {stage}")
    return StageCost(**found) if found else None


def _cpu_seconds() -> float:
    """Return the processor time of this process, of those it waited for, and of those it started that still live."""
    import psutil  # Slow to import, and only a stage that runs asks for it.

    own = psutil.Process()
    spent = sum(own.cpu_times()[:4])
    for one in own.children(recursive=True):
        with suppress(psutil.Error):
            spent += sum(one.cpu_times()[:2])
    return float(spent)


def _peak_mib() -> float:
    """Return the most memory that one of our living processes ever held, in MiB; 0 where the system does not say."""
    import psutil  # As above.

    own = psutil.Process()
    numbers = [own.pid, *(one.pid for one in own.children(recursive=True))]
    return max((_high_water_kib(number) for number in numbers), default=0) / 1024


def _high_water_kib(process: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return 0
