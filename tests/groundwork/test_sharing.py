from __future__ import annotations

from unibase.groundwork.cluster import dask_client, each


def _look_up(shared: dict[str, int], name: str) -> int:
    return shared[name]


def test_a_mapping_reaches_the_workers_whole() -> None:
    with dask_client(None, 1) as client:
        assert list(each(client, _look_up, {"a": 1, "b": 2}, ["b", "a", "b"])) == [2, 1, 2]
    assert list(each(None, _look_up, {"a": 1}, ["a"])) == [1]
