"""Arguments that are wrong, and what each command says: what, where and the way on. None is accepted, none is "unexpected".

The table is specification and test at once. What stands in the folder is made by `place`; nothing in it may change.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.flows.small_study import write_study
from unibase.flows.cli import everything  # noqa: F401  # all commands, in the order that the manual shows
from unibase.flows.cli import main as command_line
from unibase.groundwork.files import sha256_folder

KEY = "--key-file vault.key"
DEIDENTIFY = [
    # what is typed                                     code  and what is said
    (f"deidentify nosuch clean {KEY}", 1, r"No folder at nosuch\. Name the folder"),
    (f"deidentify empty clean {KEY}", 3, r"empty holds no files\. Look whether the share is mounted"),
    (f"deidentify dicom dicom {KEY}", 1, r"not apart: what is written would be read as a source"),
    (f"deidentify dicom dicom/clean {KEY}", 1, r"not apart"),
    (f"deidentify dicom . {KEY}", 1, r"not apart"),
    (f"deidentify dicom people.csv {KEY}", 1, r"people\.csv is a file, and a folder is written"),
    (f"deidentify dicom clean {KEY} --workers 0", 2, r'Invalid value "0" for --workers'),
    (f"deidentify dicom clean {KEY} --workers -2", 2, r'Invalid value "-2" for --workers'),
    ("deidentify dicom clean --key-file no.key", 1, r"No key at no\.key\. Make one"),
    (f"deidentify dicom clean {KEY} --people records/acts.csv", 1, r"no column `identifier`"),
]
PLAIN = [
    ("features dicom features.xyz", 1, r"the name of this file ends in \.parquet or \.csv"),
    ("features dicom empty", 1, r"empty is a folder, and a file is written"),
    ("features dicom f.parquet --pictures people.csv", 1, r"people\.csv is a file, and pictures go to a folder"),
    ("features dicom f.parquet --verdicts records/acts.csv", 1, r"lacks the column source_digest"),
    ("features dicom f.parquet --region GTV=(", 1, r"the pattern is no regular expression"),
    ("index dicom --out x.xlsx", 1, r"ends in \.parquet or \.csv"),
    ("reports dicom x.xlsx", 1, r"ends in \.parquet or \.csv"),
    ("timeline records t --from csv --mapping mapping.yaml --centre lyon;paris", 1, r"'lyon;paris' is no name of a centre"),
    (f"link people.csv records/acts.csv {KEY}", 1, r"records/acts\.csv is a file, and a folder is needed"),
    ("explore empty --port 99999", 2, r'Invalid value "99999" for --port'),
    ("features dicom f.parquet --workers 0", 2, r'Invalid value "0" for --workers'),
    ("normalise records/acts.csv out.txt", 1, r"ends in \.h5ad"),
    (
        f"timeline records people.csv --from csv --mapping mapping.yaml {KEY}",
        1,
        r"people\.csv is a file, and a folder is written",
    ),
    (f"timeline records dicom --from csv --mapping mapping.yaml {KEY}", 1, r"dicom holds files, which would be lost"),
    (f"timeline records records --from csv --mapping mapping.yaml {KEY}", 1, r"holds files, which would be lost"),
    (f"timeline nosuch timeline --from omop {KEY}", 1, r"There is nothing at nosuch"),
    (f"timeline empty timeline --from omop {KEY}", 1, r"no PERSON table in this OMOP source\. Name the folder"),
    ("records fields cobol fields.csv", 1, r"There is no mapping at cobol"),
    ("map empty mapping-2.yaml", 1, r"empty holds no table: CSV"),
    ("map records mapping.yaml", 1, r"mapping\.yaml is there already"),
]
RELEASES = [
    ("baseline empty", 1, r"empty is no release: it holds no manifest\.json"),
    ("omop empty out", 1, r"empty is no release"),
    (f"extract study.yaml out --release empty {KEY}", 1, r"unknown keys: study, release, .*; known: project, approval"),
    (f"extract broken.yaml out --release empty {KEY}", 1, r"The request broken\.yaml, line 2, cannot be read as YAML"),
    ("catalogue study.yaml site --releases empty", 1, r"No release in empty\. Build one"),
]
STUDY = [
    ("build study.yaml --no-prefect --scheduler 10.0.0.1", 1, r"'10\.0\.0\.1' is no address of a Dask scheduler\. Write it as"),
    ("run features study.yaml --scheduler 10.0.0.1", 1, r"is no address of a Dask scheduler"),
    ("join study.yaml people.csv", 1, r"people\.csv is a file, and a folder is written"),
    ("status study.yaml --files empty", 1, r"empty is a folder, and a file is written"),
    ("status study.yaml --page empty", 1, r"empty is a folder, and a file is written"),
    ("person find study.yaml", 1, r"Nobody typed it: there is no terminal\. Give --number"),
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study, an empty folder and a broken YAML; commands run there, without a terminal."""
    home = write_study(tmp_path / "lyon")
    (home / "empty").mkdir()
    (home / "broken.yaml").write_text("a: [1,\n", encoding="utf-8")
    monkeypatch.chdir(home)
    monkeypatch.setattr("getpass.getpass", _nobody)
    return home


def _nobody(prompt: str) -> str:
    raise EOFError


@pytest.mark.parametrize(("typed", "code", "said"), [*DEIDENTIFY, *PLAIN, *RELEASES, *STUDY])
def test_a_wrong_argument_is_named_with_the_way_on_and_nothing_is_lost(
    typed: str, code: int, said: str, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = [place / name for name in ("dicom", "records")]
    before = [sha256_folder(one) for one in sources]
    monkeypatch.setattr(sys, "argv", ["unibase", *typed.split()])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    told = "".join(capsys.readouterr())
    assert ended.value.code == code, told
    assert re.search(said, told), told
    assert "Unexpected" not in told and "Traceback" not in told
    assert [sha256_folder(one) for one in sources] == before
    assert not any((place / name).exists() for name in ("clean", "out", "site", "out.txt", "features.xyz", "timeline"))


def test_a_folder_in_the_place_of_a_file_is_named_where_no_command_looks(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["unibase", "key", "fingerprint", "empty"])
    with pytest.raises(SystemExit):
        command_line.main()
    assert "Unexpected" not in capsys.readouterr().err
    error = IsADirectoryError(21, "Is a directory", "empty")
    assert "empty is a folder, and a file is needed" in str(command_line._of_a_given_path(error))
    assert command_line._of_a_given_path(IsADirectoryError(21, "Is a directory", "/vault/DUPONT")) is None
