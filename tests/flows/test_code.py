"""Which sources a stage depends on."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata

import pytest

from unibase.flows.runs.code import ROOMS, ROOT, _distributions, code_digest, libraries, sources


@pytest.mark.parametrize(
    "name",
    [
        "unibase.imaging.confidentiality.deidentified",
        "unibase.imaging.dicom.series",
        "unibase.omics.readers.counts",
        "unibase.clinical.timelines.centre",
    ],
)
def test_all_that_python_loads_is_among_the_sources(name: str) -> None:
    """The oracle is the interpreter: what importing the module really loads, read from sys.modules."""
    code = f"import {name}, sys; print(*(m.__file__ for m in sys.modules.values() if getattr(m, '__file__', None)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()
    ours = {file for file in map(str, map(os.path.realpath, loaded)) if any(file.startswith(f"{ROOT / room}/") for room in ROOMS)}
    assert ours and ours <= {str(file) for file in sources(name)}


def test_lazy_imports_and_data_count_and_strangers_do_not() -> None:
    names = {file.relative_to(ROOT).as_posix() for file in sources("unibase.imaging.confidentiality.deidentified")}
    assert {"imaging/confidentiality/data/table_e1_1.csv", "privacy/keys.py", "imaging/__init__.py"} <= names
    assert not {"privacy/leaks/leak_scan.py", "privacy/ledger/persons.py", "imaging/radiomics/series_features.py"} & names
    assert "omics/data/hgnc_2024-07-23.tsv.gz" in {file.relative_to(ROOT).as_posix() for file in sources("unibase.omics")}
    assert not [name for name in names if "__pycache__" in name or name.endswith((".nbi", ".nbc"))]


def test_a_name_that_is_none_of_ours_is_refused() -> None:
    with pytest.raises(ValueError, match="no modules of ours"):
        code_digest("pydicom")


def test_packages_of_distributions_are_those_that_python_says() -> None:
    """The oracle is `importlib.metadata`, which takes five times as long."""
    told = metadata.packages_distributions()
    assert {name: set(_distributions()[name]) for name in told} == {name: set(found) for name, found in told.items()}


def test_a_new_version_of_a_library_counts_where_it_is_used() -> None:
    used = libraries(sources("unibase.imaging.dicom.series"))
    assert {"pydicom", "polars"} <= used.keys()
    assert not {"SimpleITK", "anndata", "unibase"} & used.keys()
    assert used["pydicom"] == metadata.version("pydicom")
