"""Searches everything that leaves for what must not: names, numbers, UIDs and dates of patients.

Every byte of every file is searched, in the encodings a value may be written in; and what compression or binary
columns hide from such a search is decoded first: Parquet, HDF5 (`.h5`, `.h5ad`, `.h5mu`), zarr, gzip, zip, PNG text,
images and data inside HTML, SQLite, deflated DICOM. The search is one pass for any number of values (Aho and
Corasick 1975, from the `ahocorasick-rs` library).

A finding names the file, the place and the kind of value, and the value's number in the list that was searched
for: never the value.
"""

from __future__ import annotations

import csv
import itertools
import mmap
import tempfile
from collections.abc import Iterable
from pathlib import Path

from unibase.privacy.leaks.needles import Finding, Needle
from unibase.privacy.leaks.packed import is_container, unpack
from unibase.privacy.leaks.searcher import CHUNK, Searcher
from unibase.privacy.leaks.stored import COUNTED, scan_hdf5, scan_parquet, scan_sqlite, scan_zarr

__all__ = ["CHUNK", "Finding", "Needle", "scan"]

_CSV_ROWS = 50_000
_SEPARATORS = {".csv": ",", ".maf": "\t"}
"""What stands between the cells of the tables of text that may hold counts of ours."""


def scan(folder: Path | str, needles: Iterable[Needle]) -> list[Finding]:
    r"""Search a folder (or file) for values; return the findings, sorted by path.

    Values shorter than 8 characters (14 when all digits, leading zeros not counted) count only as words of their own,
    since they occur by chance inside others: a hospital's number of 10 digits stands somewhere in 100,000 UIDs. Digits
    inside a digest or an Ensembl id are no finding. Values of fewer than 4 characters are searched in decoded text only,
    as whole values. Whole numbers from 100,000 are also searched in integer columns, save those that hold counts and
    positions of ours (`source_row`, `codes` and the like); dates in date columns.

    Args:
        folder: What is about to leave.
        needles: Values of the vault. Numbers in findings count from 0 in this order.

    Raises:
        ValueError: If a value is empty.

    >>> folder = getfixture("tmp_path") / "release"
    >>> folder.mkdir()
    >>> _ = (folder / "table.csv").write_text("subject_id,name\n7,ZQVIBE\n")
    >>> [(finding.path, finding.place) for finding in scan(folder, [Needle("name", "ZQVIBE")])]
    [('table.csv', 'bytes')]
    """
    root = Path(folder)
    searcher = Searcher(list(needles))
    files = [root] if root.is_file() else sorted(path for path in root.rglob("*") if path.is_file())
    base = root.parent if root.is_file() else root
    for path in files:
        _scan_file(searcher, path.relative_to(base).as_posix(), path)
    for folder_of_array in sorted({path.parent for path in files if path.name == "zarr.json"}):
        scan_zarr(searcher, folder_of_array, base)
    return searcher.findings()


def _scan_file(searcher: Searcher, name: str, path: Path) -> None:
    searcher.texts(name, "file name", [name])
    if path.stat().st_size == 0:
        return
    if path.suffix in _SEPARATORS and _scan_csv(searcher, name, path):
        return
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content, memoryview(content) as view:
        searcher.bytes_(name, "bytes", view)
        head = bytes(view[:4096])
        if is_container(head):
            _scan_content(searcher, name, "", bytes(view), depth=0)
    if head.startswith(b"PAR1"):
        scan_parquet(searcher, name, path)
    elif head.startswith(b"\x89HDF\r\n\x1a\n"):
        scan_hdf5(searcher, name, path)
    elif head.startswith(b"SQLite format 3\0"):
        scan_sqlite(searcher, name, path)


def _scan_csv(searcher: Searcher, name: str, path: Path) -> bool:
    """Search the cells of a table of text that has a column of counts, save those counts; return whether it has one."""
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        above = 0
        while file.readline().startswith("#"):
            above += 1
        file.seek(0)
        searcher.bytes_(
            name, "bytes", "".join(itertools.islice(iter(file.readline, ""), above)).encode("utf-8", "surrogateescape")
        )
        rows = csv.reader(iter(file.readline, ""), delimiter=_SEPARATORS[path.suffix])
        titles = next(rows, [])
        counted = [column in COUNTED for column in titles]
        if not any(counted):
            return False
        for block in itertools.chain([(titles,)], itertools.batched(rows, _CSV_ROWS)):
            cells = (
                cell
                for row in block
                for column, cell in enumerate(row)
                if not (column < len(counted) and counted[column] and cell.isdigit())
            )
            searcher.bytes_(name, "bytes", "\n".join(cells).encode("utf-8", "surrogateescape"))
    return True


def _scan_content(searcher: Searcher, name: str, place: str, content: bytes, depth: int) -> None:
    """Search what is packed inside `content`, and what is packed inside that, to a depth of 4."""
    if depth > 4:
        return
    for inner_place, inner in unpack(content):
        where = f"{place}/{inner_place}" if place else inner_place
        searcher.texts(name, f"{where} (name)", [inner_place])
        searcher.bytes_(name, where, inner)
        if inner.startswith((b"PAR1", b"\x89HDF\r\n\x1a\n", b"SQLite format 3\0")):
            with tempfile.TemporaryDirectory() as folder:
                copy = Path(folder) / "inner"
                copy.write_bytes(inner)
                scanner = {b"PAR1": scan_parquet, b"\x89HDF": scan_hdf5, b"SQLi": scan_sqlite}[inner[:4]]
                scanner(searcher, name, copy, f"{where}/")
        elif is_container(inner[:4096]):
            _scan_content(searcher, name, where, inner, depth + 1)
