"""`ibsi` mode beside MIRP and Pictologics on a real tumour; the peers live in an environment of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).resolve().parents[3] / "benchmarks/radiomics_agreement.py"


@pytest.mark.slow
@pytest.mark.parametrize("peer", ["mirp", "pictologics"])
def test_every_difference_from_a_peer_is_explained(real_data: Path, peer: str) -> None:
    python = os.environ.get("UNIBASE_PEERS_PYTHON")
    if not python:
        pytest.skip("no peers; set UNIBASE_PEERS_PYTHON to a Python that has them ({peer} for mirp or pictologics)")
    command = [sys.executable, BENCHMARK, "--data", real_data, "--patients", "STS_002", "--peers", peer, "--python", python]
    ended = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr[-2000:]
    assert f"{peer}, CT 2 mm: 1 tumours, " in ended.stdout
    assert ended.stdout.endswith("not explained: 0\n")
