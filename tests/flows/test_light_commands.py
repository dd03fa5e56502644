"""A command that does little loads little: what each may not load, read from the interpreter that ran it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from tests.flows.small_study import write_study

HEAVY = frozenset(
    ["polars", "pandas", "numpy", "scipy", "numba", "anndata", "SimpleITK", "dask", "distributed", "prefect", "pyarrow", "duckdb"]
)
"""Each costs a tenth of a second to two seconds of CPU."""
READS_THEM = (
    "import atexit, sys; atexit.register(lambda: print('LOADED', *sorted({m.partition('.')[0] for m in sys.modules})));"
    "from unibase.flows.cli.main import main; sys.argv = ['unibase', *sys.argv[1:]]; main()"
)


@pytest.mark.parametrize(
    ("words", "may_load"),
    [
        (["--version"], set()),
        (["check", "study.yaml"], set()),
        (["init", "new"], set()),
        (["check", "--help"], set()),
        (["build", "--help"], set()),
        (["verify", "--help"], set()),
        (["person", "find", "--help"], set()),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, list) else "",
)
def test_a_command_that_speaks_loads_no_heavy_library(words: list[str], may_load: set[str], tmp_path: Path) -> None:
    write_study(tmp_path)
    (tmp_path / "study.yaml").write_text((tmp_path / "study.yaml").read_text() + "endpoints: [OS]\nquality: quality.yaml\n")
    (tmp_path / "quality.yaml").write_text("quality: 1\n", encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(
        [sys.executable, "-c", READS_THEM, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    loaded = set(ended.stdout.rpartition("LOADED")[2].split())
    assert "cyclopts" in loaded, ended.stderr
    assert loaded & HEAVY <= may_load


WHOLE_LINE = READS_THEM.replace("cli.main import main", "cli.everything import app as main")


def test_the_list_of_all_commands_loads_no_model_of_options_and_lacks_no_command() -> None:
    said, loaded = {}, {}
    for name, program in (("list", READS_THEM), ("whole", WHOLE_LINE)):
        ended = subprocess.run([sys.executable, "-c", program, "--help"], capture_output=True, text=True, check=False)
        said[name], _, modules = ended.stdout.rpartition("LOADED")
        loaded[name] = set(modules.split())
    assert said["list"] == said["whole"]
    assert "features" in said["list"]
    assert "pydantic" in loaded["whole"] - loaded["list"]


def test_features_of_files_without_dicom_do_not_load_what_reads_dicom(tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(np.arange(6**3, dtype=np.int16).reshape(6, 6, 6))
    mask = sitk.GetImageFromArray(np.pad(np.ones((4, 4, 4), np.uint8), 1))
    (tmp_path / "in").mkdir()
    sitk.WriteImage(image, str(tmp_path / "in" / "a_image.nii.gz"))
    sitk.WriteImage(mask, str(tmp_path / "in" / "a_mask.nii.gz"))
    ended = subprocess.run(
        [sys.executable, "-c", READS_THEM, "features", "in", "out.parquet"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    loaded = set(ended.stdout.rpartition("LOADED")[2].split())
    assert (tmp_path / "out.parquet").exists(), ended.stderr
    assert "SimpleITK" in loaded and "pydicom" not in loaded
