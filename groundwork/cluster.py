"""A Dask client: an existing scheduler by its address, or a local cluster that goes away with the run."""

from __future__ import annotations

import logging
import os
import re
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Self

from unibase.groundwork.problems import MachineFault, UserError

if TYPE_CHECKING:
    from distributed import Client, LocalCluster, Security

_STARTED_HERE: dict[str, Security] = {}
"""Certificates of the clusters that this process started, by address of their scheduler; they stand in memory alone."""


_WORKERS = {
    # Memory that files are read into is kept for the next file: Dask gives it back after each, and the system clears it again.
    "distributed.nanny.pre-spawn-environ": {
        "MALLOC_TRIM_THRESHOLD_": 2**28,
        "MALLOC_MMAP_THRESHOLD_": 2**25,
        "OMP_NUM_THREADS": 1,
        "MKL_NUM_THREADS": 1,
        "OPENBLAS_NUM_THREADS": 1,
    },
    # Its samples of the stack are for a dashboard.
    "distributed.worker.profile.enabled": False,
}
"""How Dask starts workers here, where it differs from Dask's own way (and the threads of libraries, which are the same)."""


@contextmanager
def dask_client(address: str | None = None, workers: int | None = None, memory_limit: str = "auto") -> Iterator[Client]:
    """Yield a Dask client, and close what was started here when the block ends.

    Args:
        address: An existing scheduler (`tcp://host:8786`, `tls://host:8786`); nothing is started then. The certificates of a
            `tls://` one are those of Dask's configuration (`distributed.comm.tls`), or of the cluster that this process started.
        workers: Local worker processes of one thread each; the number of cores by default.
        memory_limit: Memory per local worker, as Dask writes it ("4GiB", "auto").
    """
    import dask.config
    from distributed import Client, Security

    _hush()
    if address:
        _check_address(address)
        with _client_of(address) as client:
            yield client
        return
    # Without it any user of this machine could have the workers run code as this user.
    security = Security.temporary()
    with (
        # A worker that died is started again by its nanny. On a busy machine that takes longer than the cluster waits before
        # it gives both up, and without workers the run would wait for ever.
        dask.config.set({"distributed.deploy.lost-worker-timeout": "1 hour", **_WORKERS}),
        _local_cluster(workers or os.cpu_count() or 1, memory_limit, security) as cluster,
        Client(cluster, security=security) as client,
    ):
        _hush()
        _STARTED_HERE[cluster.scheduler_address] = security
        try:
            yield client
        finally:
            del _STARTED_HERE[cluster.scheduler_address]


def _check_address(address: str) -> None:
    """Refuse what is no address of a scheduler."""
    if not re.fullmatch(r"(tcp|tls|ws|wss|ucx|inproc)://\S+", address):
        raise UserError(f"{address!r} is no address of a Dask scheduler. Write it as tls://host:8786 or tcp://host:8786.")


def _client_of(address: str) -> Client:
    from distributed import Client

    try:
        return Client(address, security=_STARTED_HERE.get(address))
    except OSError as error:  # a time-out is one as well
        raise MachineFault(
            f"No Dask scheduler answers at {address} ({type(error).__name__}). Start it, or look at the address and its "
            "certificates; then start the same command again."
        ) from error


def _local_cluster(workers: int, memory_limit: str, security: Security) -> LocalCluster:
    from distributed import LocalCluster

    try:
        return LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=memory_limit,
            host="127.0.0.1",
            protocol="tls",
            security=security,
            # The scheduler always has an HTTP server; on loopback, on whatever port is free.
            dashboard_address="127.0.0.1:0",
            silence_logs=40,
        )
    except (RuntimeError, TimeoutError):  # whatever kept one from starting: its nanny says no more
        raise MachineFault(
            f"A Dask worker died, or did not answer, while it started on {socket.gethostname()}. Look at memory and at what ends "
            "processes (dmesg), then start the same command again."
        ) from None


class Workforce:
    """Workers that are there when there is work: a cluster starts, or is asked for, at the first unit, and not for none.

    Args:
        address: Of an existing scheduler; None starts a local cluster.
        workers: Processes of the local cluster; the number of cores by default.
        look: Called once with the client of an existing scheduler, before its first work; raises when they must not work.
    """

    def __init__(
        self, address: str | None = None, workers: int | None = None, look: Callable[[Client], None] | None = None
    ) -> None:
        if address:
            _check_address(address)  # now, and not after the stages that need no workers
        self._address, self._workers, self._look = address, workers, look
        self._opened = ExitStack()
        self._client: Client | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def __call__(self) -> Client:
        """Return the client of the workers."""
        if self._client is None:
            client = self._opened.enter_context(dask_client(self._address, self._workers))
            if self._address and self._look:
                self._look(client)
            self._client = client
        return self._client


@contextmanager
def client_of_worker() -> Iterator[Client | None]:
    """Yield a client of the cluster on one of whose workers this runs, so that a task can share its work out; None elsewhere.

    The worker takes other tasks meanwhile.
    """
    from distributed import worker_client

    # Not inside an `except`: what is raised there loses what it was raised from, and with it what the machine did.
    if not _on_a_worker():
        yield None
        return
    with worker_client() as client:
        yield client


def _on_a_worker() -> bool:
    from distributed import get_worker

    try:
        get_worker()
    except ValueError:
        return False
    return True


def each[Item, Result](
    client: Client | None, function: Callable[[Any, Item], Result], shared: object, items: Iterable[Item]
) -> Iterator[Result]:
    """Yield `function(shared, item)` of every item, in their order; the workers of a client work ahead.

    Args:
        client: Dask client, or None to work here.
        function: What is done to each item.
        shared: What all calls need; sent once.
        items: The items.

    Example:
        >>> list(each(None, pow, 2, [1, 2, 3]))
        [2, 4, 8]
    """
    if client is None:
        yield from (function(shared, item) for item in items)
        return
    # In a list, for a mapping would be scattered value by value. Not by content: a copy scattered for the map before may
    # just be on its way out.
    (sent,) = client.scatter([shared], broadcast=True, hash=False)
    futures = deque(client.submit(function, sent, item, pure=False) for item in items)
    while futures:
        # Forgotten at once: its result need not stay on a worker.
        yield futures.popleft().result()


def _hush() -> None:
    # Other libraries may set up logging after Dask did; its lines on connections are no news to an operator.
    for name in ("distributed", "distributed.scheduler", "distributed.core", "distributed.nanny", "distributed.worker"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # What it says of a scheduler that is gone, in pages, the run says in a line.
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
