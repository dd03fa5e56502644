"""R beside us, as an oracle."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache

import pytest


@cache
def _missing(packages: tuple[str, ...]) -> str:
    program = shutil.which("Rscript")
    if program is None:
        return "no Rscript on the path; install r-base-core"
    for package in packages:
        found = subprocess.run([program, "-e", f'quit(status = !requireNamespace("{package}", quietly = TRUE))'], check=False)
        if found.returncode:
            return f"R has no package {package}; install r-bioc-{package} or r-cran-{package}"
    return ""


def rscript(*packages: str) -> str:
    """Path of Rscript, or a skip that says what to install."""
    missing = _missing(packages or ("survival",))
    if missing:
        pytest.skip(missing)
    return str(shutil.which("Rscript"))
