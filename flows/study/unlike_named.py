"""Files that the study names as what they are not: a table as images, a folder as a table, a study file as a mapping."""

from __future__ import annotations

import gzip
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from unibase.flows.looks.survey import format_of_records, tables_there
from unibase.flows.study.study_file import Centre, Study
from unibase.groundwork.problems import UserError

TOLD_BY_FILES = ("omop", "fhir", "osiris", "osiris-rwd")
"""Formats of records that the names or first lines of their files tell."""
OF_VARIANTS = ("mutations", "rearrangements", "copy_number")
"""Assays whose tables may look like a list of mutations."""


def check_contents(study: Study) -> None:
    """Look into the files that a study names, as far as tells whether each is what its key says.

    Args:
        study: The study.

    Raises:
        UserError: With each file that is something else.
    """
    wrong = [line for name, centre in study.centres.items() for line in _of_centre(study, name, centre)]
    wrong += [*_of_revision(study), *_shared(study)]
    if wrong:
        raise UserError("\n".join([*wrong, f"{len(wrong)} to mend in {study.file}"]))


def _of_centre(study: Study, name: str, centre: Centre) -> Iterator[str]:
    here = f"centres.{name}"
    if centre.dicom and centre.dicom.local is not None and not _may_hold_images(study.path(centre.dicom.local)):
        yield f"{here}.dicom: {study.path(centre.dicom.local)} is no folder, archive, DICOMDIR or DICOM file. Name one."
    if centre.people:
        yield from _of_people(study.path(centre.people), here)
    if centre.clinical and centre.clinical.format == "csv":
        yield from _of_mapping(study, centre.clinical.mapping, here)
    if centre.clinical:
        yield from _of_records(study.path(centre.clinical.path), centre.clinical.format, here)
    for assay, source in centre.omics.items():
        for path in study.paths(source.samples or ""):
            yield from _of_sheet(path, f"{here}.omics.{assay}")
        for path in study.paths(source.matrix) if assay not in OF_VARIANTS else ():
            yield from _of_matrix(path, f"{here}.omics.{assay}")


def _of_records(path: Path, named: str, here: str) -> Iterator[str]:
    """Yield what is wrong with a folder of records that holds those of another format than the study says."""
    if named not in TOLD_BY_FILES or not path.is_dir():
        return
    told = format_of_records(sorted(one for one in path.iterdir() if one.name[0] not in "._"))
    if told and told != named:
        yield f"{here}.clinical.format: {path} holds records of {told}, and {named} is named. Name {told}, or another folder."
    elif not told and named != "fhir" and not tables_there(path, named):
        yield f"{here}.clinical.path: {path} holds no table of {named}. Name the folder that holds them, or another format."


def _of_people(path: Path, here: str) -> Iterator[str]:
    """Yield what is wrong with a people file, told by its first bytes: a build reads the rest."""
    if path.is_dir():
        yield f"{here}.people: {path} is a folder. Name the CSV or Parquet file in it."
    elif path.is_file():
        with path.open("rb") as file:
            start = file.read(65536).replace(b"\0", b"").lower()  # of UTF-16 as well
        if not start.startswith(b"par1") and b"identifier" not in start:
            yield f"{here}.people: {path}: there is no column `identifier` (the hospital number). Add it."


def _of_sheet(path: Path, here: str) -> Iterator[str]:
    """Yield what is wrong with a sample sheet, told by its first bytes."""
    start = _beginning(path)
    if not start.startswith(b"par1") and not (b"sample" in start and b"patient" in start):
        yield f"{here}.samples: {path}: there are no columns `sample` and `patient`. Name the sample sheet."


def _of_matrix(path: Path, here: str) -> Iterator[str]:
    """Yield what is wrong with a matrix that is a list of mutations."""
    start = _beginning(path)
    if (b"hugo_symbol" in start and b"tumor_sample_barcode" in start) or start.startswith(b"##fileformat=vcf"):
        yield f"{here}.matrix: {path} holds mutations. Name it as the matrix of `mutations`, and a table of values here."


def _beginning(path: Path) -> bytes:
    """Return the first bytes of a file in small letters, unpacked; nothing of a folder, of a workbook or of what cannot be read."""
    if not path.is_file() or zipfile.is_zipfile(path):
        return b"par1"  # as a Parquet file: read by the build
    try:
        with gzip.open(path) if _magic(path) == b"\x1f\x8b" else path.open("rb") as file:
            return file.read(65536).replace(b"\0", b"").lower()
    except (OSError, EOFError, zlib.error):
        return b"par1"


def _magic(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(2)


def _shared(study: Study) -> Iterator[str]:
    """Yield each source that two centres name: a number means another person in another hospital."""
    named: dict[tuple[Path, str | None], tuple[str, str]] = {}
    for name, centre in study.centres.items():
        own = {"people": centre.people, "dicom": centre.dicom.local if centre.dicom else None}
        own |= {f"omics.{assay}.samples": source.samples for assay, source in centre.omics.items()}
        places: list[tuple[str, Path, str | None]] = [
            (key, study.path(value).resolve(), None) for key, value in own.items() if value
        ]
        if centre.clinical:  # by mappings of their own, two centres may each take their rows of one folder
            places.append(("clinical.path", study.path(centre.clinical.path).resolve(), centre.clinical.mapping))
        for key, path, mapping in places:
            other, first = named.setdefault((path, mapping), (name, key))
            if other != name:
                said = f"{path} is centres.{other}.{first} already, and a number may be another person here. Name its own."
                yield f"centres.{name}.{key}: {said}"


def _of_mapping(study: Study, mapping: str | None, here: str) -> Iterator[str]:
    if mapping is None:
        yield f"{here}.clinical.mapping: tables need a mapping. Draft one: unibase map FOLDER mapping.yaml"
        return
    path = study.path(mapping)
    try:
        content = YAML(typ="safe").load(path.read_bytes())
    except (YAMLError, OSError, ValueError):
        content = None
    if not isinstance(content, dict) or not {"mapping", "tables"} <= content.keys():
        yield f"{here}.clinical.mapping: The mapping {path} is not usable: it has no keys `mapping` and `tables`. Name another."


def _may_hold_images(path: Path) -> bool:
    """Return whether a path is a folder, an archive, a DICOMDIR or a DICOM file; what is not there is said elsewhere."""
    if not path.is_file() or path.name.upper() == "DICOMDIR":
        return True
    with path.open("rb") as file:
        if file.read(132)[128:] == b"DICM":
            return True
    return zipfile.is_zipfile(path) or tarfile.is_tarfile(path)


def _of_revision(study: Study) -> list[str]:
    if study.ledger_revision is None:
        return []
    from unibase.privacy.ledger.persons import revisions  # imports polars

    known = len(revisions(study.work.identity))
    if study.ledger_revision <= known:
        return []
    return [f"ledger_revision: the ledger has {known} revisions, and no {study.ledger_revision}. Name one of these, or none."]
