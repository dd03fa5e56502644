"""Image series under another patient's number: what is exchanged, and that nothing else of a file changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from unibase.simulation.wrong_links import exchange_series


def write(path: Path, number: str) -> None:
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, "1.2.3"
    ds.PatientID, ds.PatientSex, ds.PatientName = number, "F", f"NAME^{number}"
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)


@pytest.fixture
def images(tmp_path: Path) -> list[dict[str, Any]]:
    """Ten persons with a CT and a PET each, a mask on either."""
    rows = []
    for person in range(10):
        for modality in ("CT", "PT"):
            folder = tmp_path / f"dicom/{person:03d}/study/{modality.lower()}"
            for k in range(2):
                write(folder / f"{modality}{k}.dcm", f"{person:03d}")
            write(folder.parent / f"seg{modality}" / f"SEG{modality}.dcm", f"{person:03d}")
            uid = f"1.2.{person}.{modality == 'CT':d}"
            where = folder.relative_to(tmp_path).as_posix()
            rows.append({"person": f"P{person}", "modality": modality, "SeriesInstanceUID": uid, "folder": where})
    return rows


def numbers(root: Path) -> dict[str, str]:
    return {path.relative_to(root).as_posix(): str(dcmread(path).PatientID) for path in sorted(root.rglob("*.dcm"))}


def test_the_series_and_its_masks_bear_the_number_of_another(tmp_path: Path, images: list[dict[str, Any]]) -> None:
    before = numbers(tmp_path)
    made = exchange_series(tmp_path, images, 0.2, np.random.default_rng(1))
    assert len(made) == 4
    assert all(link.person != link.linked_to for link in made)
    assert sorted(link.person for link in made) == sorted(link.linked_to for link in made)
    after = numbers(tmp_path)
    changed = {path for path in before if before[path] != after[path]}
    of = {row["SeriesInstanceUID"]: row for row in images}
    # Two slices and the mask of that modality, of every series.
    assert len(changed) == 12
    for link in made:
        row = of[link.SeriesInstanceUID]
        study = str(Path(row["folder"]).parent)
        mine = {path for path in changed if path.startswith(study)}
        assert {Path(path).stem for path in mine} == {f"{row['modality']}0", f"{row['modality']}1", f"SEG{row['modality']}"}
        assert {after[path] for path in mine} == {f"{int(link.linked_to[1:]):03d}"}
        assert {str(dcmread(tmp_path / path).PatientName) for path in mine} == {f"NAME^{int(link.person[1:]):03d}"}


def test_one_series_alone_is_not_exchanged(tmp_path: Path, images: list[dict[str, Any]]) -> None:
    before = numbers(tmp_path)
    assert exchange_series(tmp_path, images, 0.05, np.random.default_rng(1)) == []
    assert numbers(tmp_path) == before
