"""Mistakes in a study file and what `unibase check` says of each: where it is, what is wrong, what mends it; none is accepted.

The table is specification and test at once. Files that the study names are those of `small_study`.
"""

from __future__ import annotations

import gzip
import re
import shutil
from pathlib import Path

import pytest

from tests.flows.small_study import STUDY, write_study
from unibase.flows.cli import everything  # noqa: F401  # all commands, in the order that the manual shows
from unibase.flows.cli import main as command_line

FEATURES = "index: {concept: surgery}\nfeatures: {settings: params.yaml, regions: {GTV: [gtv]}"

MISTAKES = [
    # where                what stands there                       and what is said
    ("study: trial", "study: Trial 1", r"study\.yaml:1: study: 'Trial 1' is not allowed; it must match"),
    ("study: trial", "study: [trial", r"no valid YAML.*Mend that line"),
    ("study: trial", "\tstudy: trial", r"study\.yaml:1: this is no valid YAML"),
    ("study: trial", "study: trial\nstudy: again", r"found duplicate key"),
    ("study: trial", "studdy: trial", r"studdy: unknown key.*Did you mean study"),
    ("study: trial", "- trial", r"no valid YAML|is a mapping of keys"),
    ("study: trial", "study: trial\ntitle: \x07", r"no YAML may hold|no valid YAML"),
    ("version: 1.0.0", "version: 1.0", r"study\.yaml:2: release\.version: must be a text\. Put it in quotes"),
    ("version: 1.0.0", "version: v1.0.0", r"release\.version: 'v1\.0\.0' is not allowed"),
    ("{version: 1.0.0}", "{}", r"release\.version: this key is missing"),
    ("{version: 1.0.0}", "1.0.0", r"release: must be a section of keys; allowed here: .*version"),
    ("version: 1.0.0", "version: 1.0.0, min_cell: 0", r"release\.min_cell: .*greater than or equal to 1"),
    ("version: 1.0.0", "version: 1.0.0, min_cell: few", r"release\.min_cell: must be a whole number"),
    ("version: 1.0.0", "version: 1.0.0, images: all", r"'all' is not allowed; allowed: 'none', 'regions' or 'volumes'"),
    ("version: 1.0.0", "version: 1.0.0, images: volumes", r"add that section"),
    ("{file: vault.key}", "vault.key", r"key: must be a section of keys; allowed here: env, file, prefect_secret"),
    ("{file: vault.key}", "{file: no.key}", r"key\.file: nothing at .*unibase key new"),
    ("{file: vault.key}", "{file: dicom}", r"No key at .*unibase key new"),
    ("{file: vault.key}", "{file: people.csv}", r"Others can read the key|no hexadecimal key"),
    ("{file: vault.key}", "{env: NO_SUCH_KEY}", r"NO_SUCH_KEY is not set\. Put the key in it"),
    ("{file: vault.key}", "{file: vault.key, env: KEY}", r"name exactly one of file, env, prefect_secret"),
    ("  A:", "  ../A:", r"'\.\./A' is no name of a centre"),
    ("  A:", "  '':", r"'' is no name of a centre"),
    # what parts names elsewhere: `centres` of a subject, `source` of an event
    ("  A:", "  'lyon;CHU-été':", r"'lyon;CHU-été' is no name of a centre"),
    ("  A:", "  'lyon|CHU-été':", r"'lyon\|CHU-été' is no name of a centre"),
    ("  A:", "  'lyon/CHU-été':", r"'lyon/CHU-été' is no name of a centre"),
    ("  A:", '  "lyon\\n":', r"'lyon\\n' is no name of a centre"),
    ("  A:", "  1:", r"centres\.1: must be a text\. Put it in quotes"),
    ("  A:", "  A:\n    hospital: lyon", r"centres\.A\.hospital: unknown key; allowed here"),
    ("dicom: dicom", "dicom: dicm", r"centres\.A\.dicom: nothing at .*dicm"),
    ("dicom: dicom", "dicom: people.csv", r"people\.csv is no folder, archive, DICOMDIR or DICOM file"),
    ("dicom: dicom", "dicom: dicom\n    omics: {rnaseq: {matrix: a, samples: b}}", r"'rnaseq' is not allowed; allowed: 'rna'"),
    (
        "dicom: dicom",
        "dicom: dicom\n    omics: {rna: {matrix: a, samples: b}}",
        r"rna\.matrix: nothing at(?s:.*)rna\.samples: nothing",
    ),
    # seen from the chair of a new operator: each of these was accepted before
    (
        "index: {concept: surgery}",
        "index: {concept: surgery}\nendpoints: [OS, OS]",
        r"endpoints: OS: named twice\. Name each once",
    ),
    ("study: trial", "study: trial\nworkspace: releases", r"releases lie inside the workspace, where the vault is"),
    ("study: trial", "study: trial\nreleases: work/out", r"releases lie inside the workspace.*Name a folder beside it"),
    ("study: trial", "study: trial\nreleases: people.csv", r"releases: .*people\.csv is a file"),
    ("index: {concept: surgery}", f"{FEATURES}, modalities: [PET]}}", r"'PET' is no DICOM modality of images\. Write PT"),
    ("index: {concept: surgery}", f"{FEATURES}, modalities: [CD]}}", r"'CD' is no DICOM modality.*PET is PT"),
    ("index: {concept: surgery}", f"{FEATURES}, modalities: []}}", r"features\.modalities: must name at least one"),
    (
        "index: {concept: surgery}",
        "index: {concept: surgery}\nfeatures: {settings: a, regions: {}}",
        r"features\.regions: .*at least",
    ),
    (
        "format: csv, path: records, mapping: mapping.yaml",
        "format: omop, path: bundles",
        r"holds records of fhir, and omop is named",
    ),
    (
        "format: csv, path: records, mapping: mapping.yaml",
        "format: fhir, path: tables",
        r"holds records of omop, and fhir is named",
    ),
    (
        "format: csv, path: records, mapping: mapping.yaml",
        "format: osiris-rwd, path: pivot",
        r"holds records of osiris, and osiris-rwd is named",
    ),
    (
        "format: csv, path: records, mapping: mapping.yaml",
        "format: osiris-rwd, path: records",
        r"holds no table of osiris-rwd\. Name the folder that holds them",
    ),
    (
        "concepts: concepts.yaml",
        "  A.B:\n    clinical: {format: csv, path: records, mapping: mapping.yaml}\nconcepts: concepts.yaml",
        r"centres\.A\.B\.clinical\.path: .* is centres\.A\.clinical\.path already",
    ),
    ("dicom: dicom", "dicom: dicom\n  lyon:\n    dicom: ./dicom", r"lyon\.dicom: .* is centres\.A\.dicom already"),
    (
        "people: people.csv",
        "people: people.csv\n  lyon:\n    people: people.csv",
        r"lyon\.people: .* is centres\.A\.people already",
    ),
    (
        "dicom: dicom",
        "dicom: dicom\n    omics: {rna: {matrix: people.csv, samples: people.csv}}",
        r"rna\.samples: .*no columns `sample` and `patient`",
    ),
    (
        "dicom: dicom",
        "dicom: dicom\n    omics: {rna: {matrix: calls.maf.gz, samples: sheet.csv}}",
        r"rna\.matrix: .*calls\.maf\.gz holds mutations\. Name it as the matrix of `mutations`",
    ),
    ("people: people.csv", "people: [people.csv]", r"centres\.A\.people: must be one text"),
    ("people: people.csv", "people: dicom", r"centres\.A\.people: .* is a folder\. Name the CSV"),
    ("people: people.csv", "people: study.yaml", r"no column `identifier`.*Add it"),
    ("people: people.csv", "people: persons.csv", r"centres\.A\.people: nothing at"),
    ("people: people.csv", "people: people.csv\n    objections: '12'", r"objections: must be a list\. Put it in square brackets"),
    ("format: csv", "format: excel", r"'excel' is not allowed; allowed: 'csv', 'fhir'"),
    (", mapping: mapping.yaml", "", r"clinical\.mapping: tables need a mapping\. Draft one: unibase map"),
    ("mapping: mapping.yaml", "mapping: study.yaml", r"clinical\.mapping: The mapping .* is not usable"),
    ("mapping: mapping.yaml", "mapping: other.yaml", r"clinical\.mapping: nothing at"),
    ("concepts: concepts.yaml", "concepts: other.yaml", r"concepts: nothing at"),
    ("concepts: concepts.yaml", "concepts: study.yaml", r"The concepts .* are not usable"),
    ("concepts: concepts.yaml", "concepts: ${NO_SUCH}/c.yaml", r"environment variable NO_SUCH, which is not set"),
    (
        "{concept: surgery}",
        "{concept: surgry}",
        r"study\.yaml:\d+: index\.concept: there is no concept 'surgry'\. Did you mean surgery\? Known: ",
    ),
    ("{concept: surgery}", "{}", r"index\.concept: this key is missing"),
    ("{concept: surgery}", "surgery", r"index: must be a section of keys; allowed here: concept"),
    ("{concept: surgery}", "{concept: surgery, which: middle}", r"index\.which: 'middle' is not allowed"),
]
MORE = [
    ("endpoints: [0S]", r"endpoints: '0S' is not allowed; allowed: CSS"),
    ("endpoints: OS", r"endpoints: must be a list\. Put it in square brackets"),
    ("cutoff: 31/12/2020", r"cutoff: must be a day, written as 2020-12-31"),
    ("cutoff: 2020-13-01", r"study\.yaml:11: there is no such day\. Write days as"),
    ("dask: {workers: 0}", r"dask\.workers: .*greater than or equal to 1"),
    ("dask: {workers: two}", r"dask\.workers: must be a whole number"),
    ("dask: {address: localhost}", r"dask\.address: 'localhost' is not allowed"),
    ("windows: {imaging: {from_days: 10}}", r"windows\.imaging\.from_days: .*less than or equal to 0"),
    ("windows: {imaging: {from_days: '-3O'}}", r"from_days: must be a number"),
    (
        "windows: {clinical: {subject_id: {concept: surgery, from_days: -10, to_days: 0}}}",
        r"clinical\.subject_id: the release has",
    ),
    (
        "windows: {clinical: {T_text: {concept: surgery, from_days: -10, to_days: 0}}}",
        r"clinical\.T_text: the release has a column",
    ),
    (
        "windows: {rna: {from_days: -9, to_days: 0}, clinical: {rna_sample: {concept: surgery, from_days: -10, to_days: 0}}}",
        r"rna_sample: the release has a column of that name\. Call the variable otherwise",
    ),
    (
        "windows: {clinical: {crp: {concept: surgery}, CRP: {concept: surgery}}}",
        r"clinical\.CRP: crp differs from it by no more than capitals",
    ),
    ("windows: {mri: {from_days: -10}}", r"mri is no assay; allowed: imaging"),
    ("splits: {parts: {train: 0.9, test: 0.3}}", r"must add up to 1, not 1\.2"),
    ("splits: {parts: {train: -0.1, test: 1.1}}", r"splits\.parts\.train: .*greater than 0"),
    ("deidentification: {max_shift_days: 0}", r"max_shift_days: .*greater than or equal to 1"),
    ("deidentification: {policy: strickt}", r"'strickt' is not allowed; allowed: 'strict'"),
    ("workspace: dicom/work", r"workspace lies inside centres\.A\.dicom"),
    ("workspace: /proc/unibase", r"/proc is no place for files"),
    ("workspace: people.csv", r"people\.csv is a file, and the workspace should be a folder"),
    ("workspace: /", r"lies inside the workspace\. Keep sources elsewhere"),
    ("releases: dicom", r"releases lies inside centres\.A\.dicom"),
    ("ledger_revision: 99", r"ledger_revision: the ledger has 0 revisions"),
    ("links: links.csv", r"links: nothing at"),
    ("features: {settings: p.yaml, regions: {GTV: ['gtv(']}}", r"is no regular expression"),
    ("features: {regions: {GTV: [gtv]}}", r"features\.settings: this key is missing"),
    ("vault: {}", r"name exactly one of file, env, command, prefect_secret"),
    ("vault: true", r"vault: must be a section of keys; allowed here: command, env, file, memory"),
    ("harmonise: {imaging: {method: combat}}", r"harmonise\.imaging\.method: unknown key; allowed here"),
]


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = write_study(tmp_path_factory.mktemp("mistakes") / "étude")
    tables = ["person.csv", "measurement.csv", "death.csv"]
    pivot = ["Patient.csv", "OSIRIS_pivot_TNM.csv", "Drug.csv"]
    for name, files in (("bundles", ["Patient.ndjson"]), ("tables", tables), ("pivot", pivot)):
        (home / name).mkdir()
        for file in files:
            (home / name / file).write_text('{"resourceType": "Patient"}\n', encoding="utf-8")
    (home / "calls.maf.gz").write_bytes(gzip.compress(b"#version 2.4\nHugo_Symbol\tChromosome\tTumor_Sample_Barcode\n"))
    (home / "sheet.csv").write_text("sample;patient;collected\nS1;7;2020-01-01\n", encoding="utf-16")
    return home


@pytest.fixture
def check(right: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> object:
    """`unibase check` of the study with another study file; returns the exit code and what was said."""

    def run(content: bytes) -> tuple[int, str]:
        home = shutil.copytree(right, tmp_path / "étude")
        (home / "study.yaml").write_bytes(content)
        monkeypatch.setattr("sys.argv", ["unibase", "check", str(home / "study.yaml")])
        code: int | str | None = 0
        try:
            command_line.main()
        except SystemExit as ended:
            code = ended.code
        told = capfd.readouterr()
        return int(code or 0), told.out + told.err

    return run


def test_the_file_without_a_mistake_is_right(check: object) -> None:
    assert callable(check)
    code, said = check(STUDY.encode())
    assert code == 0 and "is right" in said


def refused(check: object, content: bytes, said: str) -> None:
    """Assert that a study file is refused with these words, and with nothing of ours or of a library's inside."""
    assert callable(check)
    code, told = check(content)
    assert code in (1, 3), told
    assert re.search(said, told), told
    assert not re.search("Unexpected|Traceback|BaseModel|valid dictionary|instance of|Input should be a valid", told), told


@pytest.mark.parametrize(("stands", "instead", "said"), MISTAKES)
def test_a_mistake_is_named_with_its_place_and_its_remedy(check: object, stands: str, instead: str, said: str) -> None:
    assert stands in STUDY
    refused(check, STUDY.replace(stands, instead, 1).encode(), said)


@pytest.mark.parametrize(("line", "said"), MORE)
def test_a_wrong_line_is_named_with_its_place_and_its_remedy(check: object, line: str, said: str) -> None:
    refused(check, f"{STUDY}{line}\n".encode(), said)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", r"is a mapping of keys"),
        (bytes(range(256)), r"no text in UTF-8"),
        ((STUDY + "title: été\n").encode("latin-1"), r"study\.yaml:11: this is no text in UTF-8\. Save"),
        (STUDY.encode("utf-16"), r"no text in UTF-8"),
        (b"\x1f\x8b\x08" + bytes(40), r"no text in UTF-8"),
    ],
)
def test_a_file_that_is_no_study_file_says_so(check: object, content: bytes, said: str) -> None:
    refused(check, content, said)


def test_two_centres_may_take_their_rows_of_one_folder_by_mappings_of_their_own(right: Path, check: object) -> None:
    shutil.copyfile(right / "mapping.yaml", right / "lyon.yaml")
    own = "  lyon:\n    clinical: {format: csv, path: records, mapping: lyon.yaml}\nconcepts:"
    assert callable(check)
    code, said = check(STUDY.replace("concepts:", own, 1).encode())
    assert code == 0, said
