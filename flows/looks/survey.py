"""What a folder of hospital files holds, told by what stands in the files, and a first study file made of it."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

OMOP_TABLES = frozenset({"person", "visit_occurrence", "condition_occurrence", "drug_exposure", "measurement", "death"})
_TABLE_ENDS = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz", ".maf", ".maf.gz")
_RECORD_ENDS = (".xlsx", ".xls", ".ods", ".sas7bdat", ".xpt", ".sav", ".zsav", ".dta", ".parquet")
"""Tables that are opened by `unibase map`, not here."""
_OF_MEDS = ("dataset.json", "codes.parquet", "subject_splits.parquet")
LOOKED_AT = 400
"""Files of a folder that are opened to tell what it is; more of a kind tell no more."""


@dataclass
class Found:
    """What one folder of a hospital holds.

    Attributes:
        name: Of the folder: the centre.
        dicom: Folder of its images.
        modalities: How many of the files that were looked at have each Modality.
        clinical: Format and folder of its records.
        people: Its people file.
        samples: Its sample sheet.
        matrices: Assay to matrix.
        profiled: The list of profiled samples.
        tables: Tables that no rule knows.
        unknown: What could not be told, in words.
    """

    name: str
    dicom: Path | None = None
    modalities: Counter[str] = field(default_factory=Counter)
    clinical: tuple[str, Path] | None = None
    people: Path | None = None
    samples: Path | None = None
    matrices: dict[str, Path] = field(default_factory=dict)
    profiled: Path | None = None
    tables: list[Path] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.dicom or self.clinical or self.people or self.matrices)

    def fills(self, folder: Path) -> bool:
        """Return whether the images or the records are a folder as a whole: then nothing else should be written into it.

        Args:
            folder: The folder.
        """
        return folder in (self.dicom, self.clinical[1] if self.clinical else None)


def survey(folder: Path) -> list[Found]:
    """Look at a folder; return what each centre of it holds, and what is false as a centre and has something unknown.

    Each subfolder that holds sources is a centre; where none does by itself, the whole folder is one.

    Args:
        folder: The folder.
    """
    below = [_look(one) for one in sorted(folder.iterdir()) if one.is_dir() and one.name not in ("work", "releases", "truth")]
    whole = _look(folder)
    alone = [one for one in below if one]
    kinds = [_kinds(one) for one in alone]
    # Subfolders of one kind each, and no kind twice (dicom/, omop/, omics/), are one hospital; all others are one each.
    one_hospital = all(len(mine) == 1 for mine in kinds) and len({mine[0] for mine in kinds}) == len(kinds)
    if not alone or one_hospital:
        return [whole] if whole or whole.unknown else []
    return [one for one in below if one or one.unknown]


def _kinds(found: Found) -> list[str]:
    held = {"dicom": found.dicom, "clinical": found.clinical, "people": found.people, "omics": found.matrices}
    return [kind for kind, value in held.items() if value]


def _look(folder: Path) -> Found:
    found = Found(folder.resolve().name)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith(".")]
    images = [path for path in files[: LOOKED_AT * 10] if _is_dicom(path)][:LOOKED_AT]
    if images:
        found.dicom = _above(images, folder)
        found.modalities = Counter(_modality(path) for path in images)
    for parent, mine in _by_folder(files):
        _records(found, parent, mine)
    for path in files:
        if path.name.lower().endswith(_TABLE_ENDS):
            _table(found, path)
        elif path.name.lower().endswith(_RECORD_ENDS) and not (found.clinical and found.clinical[1] in path.parents):
            found.tables.append(path)
    if found.tables:
        found.unknown.append(_of_tables(folder, found.tables))
    if found.matrices and found.samples is None:
        found.unknown.append(
            "there are matrices and no sample sheet (columns sample, patient): whose the samples are is not known"
        )
        found.matrices.clear()
    if found and not found.people and not found.clinical:
        found.unknown.append("no people file (column identifier) and no records: who the persons are is not known")
    return found


def _above(files: list[Path], folder: Path) -> Path:
    parents = {path.parent for path in files}
    common = next(one for one in (files[0].parent, *files[0].parents) if all(one == p or one in p.parents for p in parents))
    inside = common.relative_to(folder).parts[:1]
    return folder.joinpath(*inside)


def _by_folder(files: Iterable[Path]) -> Iterator[tuple[Path, list[Path]]]:
    groups: dict[Path, list[Path]] = {}
    for path in files:
        groups.setdefault(path.parent, []).append(path)
    yield from sorted(groups.items())


def _of_tables(folder: Path, tables: Sequence[Path]) -> str:
    names = ", ".join(path.name for path in tables[:5]) + (", ..." if len(tables) > 5 else "")
    return (
        f"no rule knows the tables {names}. Records: draft a mapping with `unibase map {folder} mapping.yaml`, then name them as "
        "`clinical: {format: csv, path: ..., mapping: ...}`. Values of an assay: `unibase recognise FILE`"
    )


def _records(found: Found, folder: Path, files: list[Path]) -> None:
    told = format_of_records(files)
    if any(path.name in _OF_MEDS for path in files) and folder.name == "metadata" and (folder.parent / "data").is_dir():
        found.clinical = ("meds", folder.parent)
    elif told:
        found.clinical = (told, folder)


@cache  # a folder of images is looked at for records too, and there are thousands
def tables_of(name: str) -> frozenset[str]:
    """Return how the tables of a format are called, in small letters: what its packaged mapping reads, or OMOP's.

    >>> "01_identification" in tables_of("osiris-rwd"), "osiris_pivot_tnm" in tables_of("osiris")
    (True, True)
    """
    if name == "omop":
        return OMOP_TABLES
    from unibase.clinical.formats.mapping_rules import packaged_mapping

    return frozenset(file.lower() for table in packaged_mapping(name).tables for file in table.files)


def tables_there(folder: Path, name: str) -> bool:
    """Return whether anything in a folder is called as a table of a format, files and folders of parts alike.

    Args:
        folder: The folder.
        name: Name of the format.
    """
    return not tables_of(name).isdisjoint(_stems(folder.iterdir()))


def format_of_records(files: Sequence[Path]) -> str:
    """Tell OMOP and OSIRIS by their tables, and FHIR by what its files say they are; nothing of what is none of these.

    Args:
        files: The files of one folder.
    """
    stems = _stems(files)
    if "person" in stems and len(stems & OMOP_TABLES) > 1:
        return "omop"
    if any(_resource(path) for path in files[:LOOKED_AT]):
        return "fhir"
    if not stems:
        return ""
    # Some names are in both; more than one is needed, and the more.
    found = {name: len(stems & tables_of(name)) for name in ("osiris-rwd", "osiris")}
    best = max(found, key=lambda name: found[name])
    return best if found[best] > 1 else ""


def _stems(files: Iterable[Path]) -> set[str]:
    return {path.name.split(".")[0].lower() for path in files}


def _resource(path: Path) -> str:
    if path.suffix not in (".json", ".ndjson"):
        return ""
    try:
        with path.open(encoding="utf-8") as file:
            content = json.loads(file.readline() if path.suffix == ".ndjson" else file.read())
    except (OSError, ValueError):
        return ""
    return str(content.get("resourceType", "")) if isinstance(content, dict) else ""


def _table(found: Found, path: Path) -> None:
    """Tell people, sample sheets and matrices by their header."""
    header = _header(path)
    names = {name.strip().strip('"').lower() for name in re.split(r"[,;\t]", header)}
    if found.clinical and path.parent == found.clinical[1]:
        return
    if "hugo_symbol" in names:
        found.matrices.setdefault("mutations", path)
    elif {"sample", "patient"} <= names:
        found.samples = found.samples or path
    elif "identifier" in names:
        found.people = found.people or path
    elif path.name.lower().startswith("profiled"):
        found.profiled = path
    elif {"gene_id", "gene_name"} & names and len(names) > 3:
        found.matrices.setdefault("rna", path)
    elif len(names) > 1:
        found.tables.append(path)


def _header(path: Path) -> str:
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
            text = io.TextIOWrapper(stream, "utf-8", "replace")
            return next((line.rstrip("\n") for line in text if not line.startswith("#")), "")
    except (OSError, EOFError):
        return ""


def _is_dicom(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(132)[128:] == b"DICM"
    except OSError:
        return False


def _modality(path: Path) -> str:
    import pydicom  # heavy: a quarter of a second, and only where there are images

    try:
        return str(pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["Modality"]).get("Modality", "")) or "unknown"
    except Exception:  # whatever is wrong of one file, the survey goes on; the build says what it is
        return "unknown"


def study_text(folder: Path, found: list[Found], concept: str, home: Path | None = None) -> str:
    """Return a commented study file over what was found.

    Args:
        folder: The folder that was looked at.
        found: What `survey` returned.
        concept: Concept of the index event.
        home: Where the study file will stand; the folder itself when None.
    """
    home = home or folder
    found = [one for one in found if one]
    several = len(found) > 1 or found[0].name != folder.resolve().name
    told = "each is a folder here" if several else "all of this folder is one hospital"
    lines = [
        f"# Made by `unibase init {folder}`: look at every line that ends in a comment. All keys: docs/study-file.md",
        f"study: {re.sub(r'[^a-z0-9-]+', '-', folder.resolve().name.lower()).strip('-') or 'study'}",
        "release: {version: 1.0.0}",
        "key: {file: study.key}   # keep a copy elsewhere: without it no pseudonym can be made again",
        f"centres:   # {told}: mend it where that is wrong",
    ]
    for one in found:
        lines += [f"  {_name(one.name)}:", *(f"    {line}" for line in _centre(home, one))]
    assays = sorted({assay for one in found for assay in one.matrices})
    lines += [f"index: {{concept: {concept}, which: first}}   # the moment that everything is joined at: choose yours"]
    if assays:
        lines.append("windows:")
        lines += [f"  {assay}: {{from_days: -365, to_days: 0, choose: latest}}   # days around the index" for assay in assays]
    return "\n".join([*lines, "endpoints: [OS]   # or PFS, DFS, ...: docs/study-file.md", ""])


def _centre(folder: Path, found: Found) -> Iterator[str]:
    def relative(path: Path) -> str:
        return json.dumps(Path(os.path.relpath(path, folder)).as_posix(), ensure_ascii=False)

    if found.people:
        yield f"people: {relative(found.people)}   # it has a column `identifier`"
    if found.dicom:
        seen = ", ".join(f"{modality} {count}" for modality, count in found.modalities.most_common())
        yield f"dicom: {relative(found.dicom)}   # Modality of the files looked at: {seen}"
    if found.clinical:
        kind, path = found.clinical
        yield f"clinical: {{format: {kind}, path: {relative(path)}}}   # told by its tables or resources"
    if found.matrices and found.samples:
        yield "omics:"
        for assay, path in sorted(found.matrices.items()):
            profiled = f", profiled: {relative(found.profiled)}" if assay == "mutations" and found.profiled else ""
            yield f"  {assay}: {{matrix: {relative(path)}, samples: {relative(found.samples)}{profiled}}}   # told by its header"
    yield from (f"# could not be told: {text}" for text in found.unknown)


def _name(name: str) -> str:
    clean = re.sub(r"[^\w .'-]", "-", name).strip(" .-") or "centre"
    return json.dumps(clean, ensure_ascii=False) if not re.fullmatch(r"[A-Za-z]\w*", clean) else clean
