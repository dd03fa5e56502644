"""Every fenced block of the pages, run as its reader would run it, beside one demo; what it shows is compared."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT
from tests.docs.blocks import Reader, blocks_of, pages

WITH_BLOCKS = [page for page in pages() if blocks_of(page)]
# One worker process builds the demo once, for these and for the tests of the demo.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo"), pytest.mark.timeout(900)]


@pytest.mark.parametrize("page", WITH_BLOCKS, ids=lambda page: page.relative_to(CHECKOUT).as_posix())
def test_the_page_does_what_it_says(page: Path, readers_demo: Path, tmp_path: Path) -> None:
    (tmp_path / "demo").symlink_to(readers_demo)
    reader = Reader(tmp_path)
    try:
        for block in blocks_of(page):
            reader.follow(block)
    finally:
        reader.leave()
    if reader.skipped:
        pytest.skip("; ".join(reader.skipped))


def test_make_demo_does_what_the_session_did() -> None:
    said = subprocess.run(["make", "-C", CHECKOUT, "--dry-run", "demo"], capture_output=True, text=True, check=True).stdout
    assert [line.split("unibase ", 1)[1] for line in said.splitlines() if "unibase " in line] == [
        "simulate demo --resume",
        "build demo/study.yaml",
    ]
