"""A Siemens mosaic stays readable after de-identification: four numbers are kept of a header that holds texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from tests.imaging.deidentify_help import PATIENT_ID, run, save
from tests.imaging.odd_series import Maker
from tests.imaging.test_stacks import mosaic
from unibase.groundwork.problems import Unusable
from unibase.imaging.dicom.mosaic import OWN_CREATOR, OWN_GROUP
from unibase.imaging.dicom.volume import read_files
from unibase.imaging.options import DeidentifyOptions

SECRET = b"DUPONTEL^ELEONORE protocol of 1948"


@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian]
)
@pytest.mark.parametrize("normal", [1.0, -1.0])
def test_a_mosaic_reads_alike_before_and_after(tmp_path: Path, syntax: str, normal: float) -> None:
    dataset = mosaic(Maker(1), normal=normal)
    dataset.PatientID = PATIENT_ID
    dataset.private_block(0x0029, "SIEMENS CSA HEADER").add_new(0x20, "OB", SECRET)
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = dataset.pixel_array.astype(">i2").tobytes()
    source = save(dataset, tmp_path / "source.dcm", syntax)
    result, copy, content = run(source, tmp_path / "out")
    before, after = read_files([source]), read_files([Path(result["path"])])
    assert np.array_equal(before.array, after.array) and before.grid == after.grid and before.array.shape[0] == 5
    assert SECRET not in content and not [element for element in copy if element.tag.group == 0x0029]
    kept = [element.tag for element in copy if element.tag.group == OWN_GROUP]
    assert len(kept) == 3 and copy.private_block(OWN_GROUP, OWN_CREATOR)


def test_a_policy_without_private_elements_keeps_none(tmp_path: Path) -> None:
    dataset = mosaic(Maker(1))
    dataset.PatientID = PATIENT_ID
    result, copy, _ = run(save(dataset, tmp_path / "source.dcm"), tmp_path / "out", options=DeidentifyOptions(policy="strict"))
    assert not [element for element in copy if element.tag.is_private]
    with pytest.raises(Unusable, match="mosaic"):
        read_files([Path(result["path"])])


def test_a_mosaic_that_tells_nothing_is_left_as_it_is(tmp_path: Path) -> None:
    dataset = mosaic(Maker(1))
    dataset.PatientID = PATIENT_ID
    del dataset[0x0029, 0x0010]
    result, _, _ = run(save(dataset, tmp_path / "source.dcm"), tmp_path / "out")
    assert OWN_CREATOR not in str(pydicom.dcmread(result["path"], stop_before_pixels=True))
