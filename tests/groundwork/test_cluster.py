"""A cluster of our own takes work from the process that started it, and from nobody else on the machine."""

from __future__ import annotations

import errno

import pytest

from unibase.groundwork.cluster import client_of_worker, dask_client
from unibase.groundwork.faults import fault_of
from unibase.groundwork.problems import Unusable


def test_a_stranger_on_the_machine_cannot_speak_to_scheduler_or_worker() -> None:
    from distributed import Client, Security

    with dask_client(workers=1) as client:
        address = str(client.scheduler_info()["address"])
        (worker,) = client.scheduler_info()["workers"]
        assert client.submit(int, "5").result() == 5
        for place in (address, worker):
            assert place.startswith("tls://127.0.0.1:")
            for stranger in (None, Security.temporary()):
                with pytest.raises(OSError):
                    Client(place if stranger else place.replace("tls", "tcp"), security=stranger, timeout=2)


def test_the_process_that_started_a_cluster_joins_it_by_its_address() -> None:
    with dask_client(workers=1) as client:
        address = str(client.scheduler_info()["address"])
        with dask_client(address) as other:
            assert other.submit(int, "7").result() == 7


def test_what_the_machine_did_stays_known_where_work_may_be_shared_out() -> None:
    def read() -> None:
        try:
            raise OSError(errno.EMFILE, "Too many open files")
        except OSError:
            raise Unusable("unusable-clinical-source", "It cannot be read.") from None

    with pytest.raises(Unusable) as told, client_of_worker():
        read()
    fault = fault_of(told.value)
    assert fault is not None and fault.reason == "machine-EMFILE"
