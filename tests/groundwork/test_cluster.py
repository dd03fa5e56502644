"""A cluster of our own takes work from the process that started it, and from nobody else on the machine."""

from __future__ import annotations

import pytest

from unibase.groundwork.cluster import dask_client


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
