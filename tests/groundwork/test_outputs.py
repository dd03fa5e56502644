"""Places that a user has a command write to: what is there and not ours stays, to the byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from unibase.groundwork.outputs import Ours, check_apart, check_file, check_folder, replaced_folder
from unibase.groundwork.problems import UserError

OMOP = Ours(("*.csv", "*.sql"), "ddl.sql", "CREATE TABLE")

FOLDERS = [
    # what stands there                                       what may replace it  is it replaced
    ({}, OMOP, True),
    ({}, Ours(), True),
    ({"ddl.sql": "-- CREATE TABLE person", "person.csv": ""}, OMOP, True),
    ({"person.csv": ""}, OMOP, False),  # a hospital's own export: no mark
    ({"ddl.sql": "-- other", "person.csv": ""}, OMOP, False),  # a mark of somebody else
    ({"ddl.sql": "-- CREATE TABLE person", "notes.docx": ""}, OMOP, False),  # something was added by hand
    ({"ddl.sql": "-- CREATE TABLE person", ".git": ""}, OMOP, False),
    ({"01_identification.csv": ""}, Ours(), False),  # only an empty folder
    ({"table.parquet": ""}, Ours(("table.parquet",)), True),  # names that tell enough
]


@pytest.mark.parametrize(("there", "ours", "replaced"), FOLDERS)
def test_what_a_folder_may_replace(tmp_path: Path, there: dict[str, str], ours: Ours, replaced: bool) -> None:
    folder = tmp_path / "CHU-été"
    folder.mkdir()
    for name, text in there.items():
        (folder / name).write_text(text, encoding="utf-8")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    if replaced:
        with replaced_folder(folder, ours) as made:
            (made / "new").write_text("", encoding="utf-8")
        assert [path.name for path in folder.iterdir()] == ["new"]
        return
    with pytest.raises(UserError, match="holds files, which would be lost"), replaced_folder(folder, ours):
        pytest.fail("the work began")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_file_is_never_replaced_by_a_folder(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match="is a file, and a folder is written"):
        check_folder(tmp_path / "notes.txt", Ours(("*",)))
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("source", ["lyon/dicom"])
@pytest.mark.parametrize(
    ("destination", "apart"),
    [
        ("lyon/dicom", False),
        ("lyon/dicom/clean", False),
        ("lyon", False),
        ("lyon/dicom/../dicom", False),
        ("lyon/link", False),
        ("lyon/clean", True),
        ("lyon/dicom-clean", True),
    ],
)
def test_what_is_read_and_what_is_written_are_apart(tmp_path: Path, source: str, destination: str, apart: bool) -> None:
    (tmp_path / source).mkdir(parents=True)
    (tmp_path / "lyon" / "link").symlink_to(tmp_path / source)
    if apart:
        check_apart(tmp_path / source, tmp_path / destination)
        return
    with pytest.raises(UserError, match="not apart"):
        check_apart(tmp_path / source, tmp_path / destination)


def test_a_name_that_promises_another_format_is_refused_before_the_work(tmp_path: Path) -> None:
    check_file(tmp_path / "a.CSV", (".parquet", ".csv"))
    with pytest.raises(UserError, match=r"ends in \.parquet or \.csv"):
        check_file(tmp_path / "a.xlsx", (".parquet", ".csv"))
    with pytest.raises(UserError, match="is a folder, and a file is written"):
        check_file(tmp_path)
