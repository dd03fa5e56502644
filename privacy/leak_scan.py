"""Searches everything that leaves for what must not: names, numbers, UIDs and dates of patients.

Every byte of every file is searched, in the encodings a value may be written in; and what compression or binary
columns hide from such a search is decoded first: Parquet, HDF5 (`.h5`, `.h5ad`, `.h5mu`), zarr, gzip, zip, PNG text,
images and data inside HTML, SQLite, deflated DICOM. The search is one pass for any number of values (Aho and
Corasick 1975, from the `ahocorasick-rs` library).

A finding names the file, the place and the kind of value, and the value's number in the list that was searched
for: never the value.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import html
import io
import json
import mmap
import re
import sqlite3
import struct
import tempfile
import unicodedata
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from groundwork.problems import UserError

CHUNK = 8 << 20
"""Bytes searched at a time."""

_LONGEST_INNER = 1 << 31
_SUBJECT_COLUMNS = ("subject_id", "primary", "PatientID")
_WHOLE_DIGITS, _WHOLE_TEXT = 10, 8
_LEAST_RAW, _LEAST_INTEGER = 4, 100_000


class Needle(NamedTuple):
    """One value that must not be found.

    Attributes:
        kind: What it is (`name`, `ipp`, `ins`, `uid`, `date`); named in findings.
        value: The text, whole number or date.
        subject_id: When given, the value is a leak only beside this subject: a shifted date of one patient may
            well be a true date of another. It is then searched in table rows of the subject and in files whose path
            holds the pseudonym.
    """

    kind: str
    value: str | int | date
    subject_id: int | None = None


@dataclass(frozen=True, order=True)
class Finding:
    """A value was found. `place` says where in the file; `needles` the numbers of the values in the list given."""

    path: str
    kind: str
    place: str
    count: int
    needles: tuple[int, ...] = field(compare=False)


def scan(folder: Path | str, needles: Iterable[Needle]) -> list[Finding]:
    """Search a folder (or file) for values; return the findings, sorted by path.

    Values shorter than 8 characters (10 when all digits) count only as words of their own, since they occur by chance
    inside others. Values of fewer than 4 characters are searched in decoded text only, as whole values. Whole numbers
    from 100,000 are also searched in integer columns, dates in date columns.

    Args:
        folder: What is about to leave.
        needles: Values of the vault. Numbers in findings count from 0 in this order.

    Raises:
        ValueError: If a value is empty.
    """
    root = Path(folder)
    searcher = _Searcher(list(needles))
    files = [root] if root.is_file() else sorted(path for path in root.rglob("*") if path.is_file())
    base = root.parent if root.is_file() else root
    for path in files:
        _scan_file(searcher, path.relative_to(base).as_posix(), path)
    for folder_of_array in sorted({path.parent for path in files if path.name == "zarr.json"}):
        _scan_zarr(searcher, folder_of_array, base)
    return searcher.findings()


class _Pattern(NamedTuple):
    needle: int
    step: int
    """Bytes per character."""
    whole: bool
    """Whether characters of its own kind beside it make it another word."""
    digits: bool


_Found = dict[tuple[str, str, str], dict[int, int]]


class _Searcher:
    """The compiled needles and what was found so far."""

    def __init__(self, needles: list[Needle], only: set[int] | None = None, found: _Found | None = None) -> None:
        import ahocorasick_rs

        self.needles = needles
        self._views: dict[int, _Searcher] = {}
        patterns: dict[bytes, list[_Pattern]] = defaultdict(list)
        self.short: dict[str, list[int]] = defaultdict(list)
        self.integers: dict[int, list[int]] = defaultdict(list)
        self.days: dict[date, list[int]] = defaultdict(list)
        for number, needle in enumerate(needles):
            if only is not None and number not in only:
                continue
            texts = _forms(needle.value)
            if not texts or not all(texts):
                raise ValueError(f"needle {number} of kind {needle.kind} is empty")
            if isinstance(needle.value, date):
                self.days[_day(needle.value)].append(number)
            else:
                digits = str(needle.value).strip()
                if digits.isascii() and digits.isdigit() and int(digits) >= _LEAST_INTEGER:
                    self.integers[int(digits)].append(number)
            if min(len(text) for text in texts) < _LEAST_RAW:
                for folded in {text.casefold() for text in texts}:
                    self.short[folded].append(number)
                continue
            for text in texts:
                all_digits = not re.search(r"[^\W\d_]", text)
                whole = len(text) < (_WHOLE_DIGITS if all_digits else _WHOLE_TEXT) or isinstance(needle.value, date)
                for content, step in _encodings(text):
                    pattern = _Pattern(number, step, whole, all_digits)
                    if pattern not in patterns[content]:
                        patterns[content].append(pattern)
        self.patterns = list(patterns.items())
        self.longest = max((len(content) for content, _ in self.patterns), default=1)
        self._automaton = ahocorasick_rs.BytesAhoCorasick([content for content, _ in self.patterns]) if self.patterns else None
        self._found: _Found = found if found is not None else defaultdict(lambda: defaultdict(int))

    def record(self, path: str, place: str, number: int, count: int = 1) -> None:
        self._found[(path, self.needles[number].kind, place)][number] += count

    def findings(self) -> list[Finding]:
        return sorted(
            Finding(path, kind, place, sum(hits.values()), tuple(sorted(hits)))
            for (path, kind, place), hits in self._found.items()
        )

    def bytes_(self, path: str, place: str, content: bytes | memoryview, subject: int | None = None) -> None:
        """Search bytes; needles bound to a subject count only when `subject` is theirs or the path names it."""
        if self._automaton is None:
            return
        for start in range(0, max(len(content), 1), CHUNK):
            # The chunk overlaps the next one, by a character at each side more than the longest pattern.
            low = max(0, start - 4)
            part = bytes(content[low : start + CHUNK + self.longest + 4]).lower()
            for index, begin, end in self._automaton.find_matches_as_indexes(part, overlapping=True):
                if not start <= low + begin < start + CHUNK:
                    continue
                for pattern in self.patterns[index][1]:
                    if pattern.whole and not _stands_alone(part, begin, end, pattern):
                        continue
                    if self.concerns(pattern.needle, path, subject):
                        self.record(path, place, pattern.needle)

    def concerns(self, number: int, path: str, subject: int | None) -> bool:
        bound = self.needles[number].subject_id
        return bound is None or bound == subject or str(bound) in path

    def texts(self, path: str, place: str, values: Iterable[str], subject: int | None = None) -> None:
        """Search decoded strings."""
        values = list(values)
        if self.short:
            for value in values:
                for number in self.short.get(value.strip().casefold(), ()):
                    if self.concerns(number, path, subject):
                        self.record(path, place, number)
        self.bytes_(path, place, "\n".join(values).encode("utf-8", "surrogatepass"), subject)

    def numbers(self, path: str, place: str, values: np.ndarray, subject: int | None = None) -> None:
        """Search whole numbers."""
        if not self.integers or values.size == 0:
            return
        wanted = np.fromiter(self.integers, dtype=np.int64, count=len(self.integers))
        present, counts = np.unique(values[np.isin(values, wanted)], return_counts=True)
        for value, count in zip(present.tolist(), counts.tolist(), strict=True):
            for number in self.integers[int(value)]:
                if self.concerns(number, path, subject):
                    self.record(path, place, number, count)

    def dates(self, path: str, place: str, values: Iterable[date], subject: int | None = None) -> None:
        """Search days."""
        for value in values:
            for number in self.days.get(_day(value), ()):
                if self.concerns(number, path, subject):
                    self.record(path, place, number)

    def bound_to(self, subject: int) -> _Searcher:
        """Return a searcher for the values bound to `subject` alone, that records into the same findings."""
        if subject not in self._views:
            mine = {number for number, needle in enumerate(self.needles) if needle.subject_id == subject}
            self._views[subject] = _Searcher(self.needles, mine, self._found)
        return self._views[subject]

    @property
    def bound_subjects(self) -> set[int]:
        return {needle.subject_id for needle in self.needles if needle.subject_id is not None}


def _scan_file(searcher: _Searcher, name: str, path: Path) -> None:
    searcher.texts(name, "file name", [name])
    if path.stat().st_size == 0:
        return
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content, memoryview(content) as view:
        searcher.bytes_(name, "bytes", view)
        head = bytes(view[:4096])
        if _is_container(head):
            _scan_content(searcher, name, "", bytes(view), depth=0)
    if head.startswith(b"PAR1"):
        _scan_parquet(searcher, name, path)
    elif head.startswith(b"\x89HDF\r\n\x1a\n"):
        _scan_hdf5(searcher, name, path)
    elif head.startswith(b"SQLite format 3\0"):
        _scan_sqlite(searcher, name, path)


def _is_container(head: bytes) -> bool:
    start = head.lstrip()[:256].lower()
    is_html = start.startswith((b"<!doctype html", b"<html", b"<svg", b"<?xml"))
    return is_html or head.startswith((b"\x1f\x8b", b"PK\x03\x04", b"\x89PNG\r\n\x1a\n", b"%PDF")) or head[128:132] == b"DICM"


def _scan_content(searcher: _Searcher, name: str, place: str, content: bytes, depth: int) -> None:
    """Search what is packed inside `content`, and what is packed inside that, to a depth of 4."""
    if depth > 4:
        return
    for inner_place, inner in _unpack(content):
        where = f"{place}/{inner_place}" if place else inner_place
        searcher.texts(name, f"{where} (name)", [inner_place])
        searcher.bytes_(name, where, inner)
        if inner.startswith((b"PAR1", b"\x89HDF\r\n\x1a\n", b"SQLite format 3\0")):
            with tempfile.TemporaryDirectory() as folder:
                copy = Path(folder) / "inner"
                copy.write_bytes(inner)
                scanner = {b"PAR1": _scan_parquet, b"\x89HDF": _scan_hdf5, b"SQLi": _scan_sqlite}[inner[:4]]
                scanner(searcher, name, copy, f"{where}/")
        elif _is_container(inner[:4096]):
            _scan_content(searcher, name, where, inner, depth + 1)


def _unpack(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield (place, decoded bytes) of what is packed directly inside `content`."""
    if content.startswith(b"\x1f\x8b"):
        with contextlib.suppress(OSError, EOFError, zlib.error):
            yield "gzip", gzip.decompress(content)
    elif content.startswith(b"PK\x03\x04"):
        with contextlib.suppress(zipfile.BadZipFile), zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.namelist():
                with contextlib.suppress(RuntimeError, zlib.error, NotImplementedError, zipfile.BadZipFile):
                    yield f"zip:{member}", archive.read(member)
    elif content.startswith(b"\x89PNG\r\n\x1a\n"):
        yield from _png_texts(content)
    elif content[128:132] == b"DICM":
        deflated = _deflated_dataset(content)
        if deflated is not None:
            yield "deflated dataset", deflated
    elif content.startswith(b"%PDF"):
        for number, stream in enumerate(re.findall(rb"stream\r?\n(.*?)endstream", content, re.DOTALL)):
            with contextlib.suppress(zlib.error):
                yield f"pdf stream {number}", zlib.decompressobj().decompress(stream)
    else:
        for number, encoded in enumerate(re.findall(rb"base64,\s*([A-Za-z0-9+/=\s]{16,})", content)):
            with contextlib.suppress(ValueError):
                yield f"base64 {number}", base64.b64decode(re.sub(rb"\s", b"", encoded))


def _png_texts(content: bytes) -> Iterator[tuple[str, bytes]]:
    position = 8
    while position + 12 <= len(content):
        length, kind = struct.unpack(">I4s", content[position : position + 8])
        data = content[position + 8 : position + 8 + length]
        position += 12 + length
        if kind == b"tEXt":
            yield "png tEXt", data
        elif kind == b"zTXt":
            key, _, rest = data.partition(b"\0")
            with contextlib.suppress(zlib.error):
                yield "png zTXt", key + b" " + zlib.decompress(rest[1:])
        elif kind == b"iTXt":
            key, _, rest = data.partition(b"\0")
            fields = rest[2:].split(b"\0", 2)
            with contextlib.suppress(zlib.error):
                text = zlib.decompress(fields[-1]) if rest[:1] == b"\1" else fields[-1]
                yield "png iTXt", key + b" " + text


def _deflated_dataset(content: bytes) -> bytes | None:
    """Return the inflated data set of a DICOM file in deflated explicit little endian (PS3.5 A.5), else None."""
    meta = content[132:4096]
    if b"1.2.840.10008.1.2.1.99" not in meta or meta[:8] != b"\x02\0\0\0UL\4\0":
        return None
    start = 132 + 12 + struct.unpack("<I", meta[8:12])[0]
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(content[start:], _LONGEST_INNER)
    except zlib.error:
        return None


def _scan_parquet(searcher: _Searcher, name: str, path: Path, inside: str = "") -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError):
        return
    columns = list(file.schema_arrow.names)
    searcher.texts(name, f"{inside}parquet column names", columns)
    metadata = file.schema_arrow.metadata or {}
    searcher.texts(
        name, f"{inside}parquet metadata", [part.decode("utf-8", "replace") for item in metadata.items() for part in item]
    )
    for batch in file.iter_batches(batch_size=1 << 17):
        table = pa.Table.from_batches([batch])
        for column in columns:
            _scan_arrow(searcher, name, f"{inside}parquet column {column}", table.column(column), None)
        subject_field = next((column for column in _SUBJECT_COLUMNS if column in columns), None)
        if subject_field and searcher.bound_subjects:
            _scan_subject_rows(searcher, name, inside, table, subject_field)


def _scan_subject_rows(searcher: _Searcher, name: str, inside: str, table: Any, subject_field: str) -> None:
    import pyarrow.compute as pc

    subjects = table.column(subject_field)
    for subject in sorted(searcher.bound_subjects & {_integer(value) for value in pc.unique(subjects).to_pylist()}):
        rows = table.filter(pc.equal(subjects.cast("string"), str(subject)))
        for column in rows.schema.names:
            if column != subject_field:
                _scan_arrow(searcher, name, f"{inside}parquet column {column}", rows.column(column), subject)


def _integer(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return -1


def _scan_arrow(searcher: _Searcher, name: str, place: str, column: Any, subject: int | None) -> None:
    """Search one Arrow column; with a subject, only for the needles bound to it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    view = searcher if subject is None else searcher.bound_to(subject)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        view.texts(name, place, [value for value in pc.unique(column).to_pylist() if value is not None], subject)
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        view.bytes_(name, place, b"\n".join(value for value in pc.unique(column).to_pylist() if value), subject)
    elif pa.types.is_integer(kind):
        view.numbers(name, place, column.drop_null().to_numpy(), subject)
    elif pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        if view.days:
            view.dates(
                name,
                place,
                [value for value in pc.unique(column.cast("date32", safe=False)).to_pylist() if value is not None],
                subject,
            )
    elif pa.types.is_nested(kind):
        strings: set[str] = set()
        for value in pc.unique(column).to_pylist() if not pa.types.is_nested(kind) else column.to_pylist():
            strings.update(_strings(value))
        view.texts(name, place, sorted(strings), subject)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from _strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner)
    elif value is not None:
        yield str(value)


def _scan_array(searcher: _Searcher, name: str, place: str, values: np.ndarray, subject: int | None = None) -> None:
    view = searcher if subject is None else searcher.bound_to(subject)
    if values.dtype.kind in "OSUT":
        texts = {
            value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in values.ravel().tolist()
        }
        view.texts(name, place, sorted(texts), subject)
    elif values.dtype.kind in "iu" and values.ndim <= 1:
        view.numbers(name, place, np.atleast_1d(values), subject)
    elif values.dtype.kind == "M":
        days = np.unique(values[~np.isnat(values)].astype("datetime64[D]"))
        view.dates(name, place, days.tolist(), subject)


_MATRIX_PARTS = ("data", "indices", "indptr")
"""Datasets of a sparse matrix: counts and positions, never identifiers."""


def _scan_hdf5(searcher: _Searcher, name: str, path: Path, inside: str = "") -> None:
    import h5py

    def attributes(thing: Any, place: str) -> None:
        for key, value in thing.attrs.items():
            searcher.texts(name, f"{place} attribute", [key])
            _scan_array(searcher, name, f"{place} attribute {key}", np.asarray(value))

    with contextlib.suppress(OSError), h5py.File(path, "r") as file:
        attributes(file, f"{inside}hdf5 /")

        def visit(where: str, thing: Any) -> None:
            place = f"{inside}hdf5 /{where}"
            searcher.texts(name, f"{place} (name)", [where.rpartition("/")[2]])
            attributes(thing, place)
            if isinstance(thing, h5py.Dataset) and thing.shape is not None:
                if thing.dtype.kind in "OSUM" or (
                    thing.dtype.kind in "iu" and thing.ndim <= 1 and where.rpartition("/")[2] not in _MATRIX_PARTS
                ):
                    _scan_array(searcher, name, place, np.asarray(thing[()]))
            elif isinstance(thing, h5py.Group):
                columns = {key: thing[key] for key in thing if isinstance(thing[key], h5py.Dataset) and thing[key].ndim == 1}
                _scan_rows(
                    searcher,
                    name,
                    place,
                    {key: np.asarray(value[()]) for key, value in columns.items()} if _has_subject(columns) else {},
                )

        file.visititems(visit)


def _has_subject(columns: dict[str, Any]) -> bool:
    return any(column in columns for column in _SUBJECT_COLUMNS)


def _scan_rows(searcher: _Searcher, name: str, place: str, columns: dict[str, np.ndarray]) -> None:
    """Search columns that stand beside a column of subjects, row by row for the needles bound to those subjects."""
    field = next((column for column in _SUBJECT_COLUMNS if column in columns), None)
    if field is None or not searcher.bound_subjects:
        return
    subjects = np.array([_integer(value) for value in columns[field].tolist()])
    for subject in sorted(searcher.bound_subjects & set(subjects.tolist())):
        rows = subjects == subject
        for column, values in columns.items():
            if column != field and len(values) == len(subjects):
                _scan_array(searcher, name, f"{place}/{column}", values[rows], subject)


def _scan_zarr(searcher: _Searcher, folder: Path, base: Path) -> None:
    """Search the decoded chunks of one zarr array, or of the columns of one zarr group that tell subjects."""
    import zarr

    name = folder.relative_to(base).as_posix()
    try:
        about = json.loads((folder / "zarr.json").read_text(encoding="utf-8"))
        searcher.texts(name, "zarr attributes", sorted(set(_strings(about.get("attributes", {})))))
        opened: Any = zarr.open(folder.as_posix(), mode="r")
        if about.get("node_type") == "group":
            arrays = {key: array for key, array in opened.arrays() if array.ndim == 1}
            if _has_subject(arrays):
                _scan_rows(searcher, name, "zarr", {key: np.asarray(array[:]) for key, array in arrays.items()})
        elif opened.dtype.kind in "OSUTM" or (
            opened.dtype.kind in "iu" and opened.ndim <= 1 and folder.name not in _MATRIX_PARTS
        ):
            _scan_array(searcher, name, "zarr array", np.asarray(opened[...]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{name}: this zarr array cannot be read ({type(error).__name__}), so it cannot be searched. Write it again."
        ) from None


def _scan_sqlite(searcher: _Searcher, name: str, path: Path, inside: str = "") -> None:
    with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            cursor = connection.execute('SELECT * FROM "' + table.replace('"', '""') + '"')
            fields = [column[0] for column in cursor.description]
            while rows := cursor.fetchmany(50_000):
                for field, column in zip(fields, zip(*rows, strict=True), strict=True):
                    place = f"{inside}sqlite {table}.{field}"
                    searcher.texts(name, place, [value for value in column if isinstance(value, str)])
                    searcher.bytes_(name, place, b"\n".join(value for value in column if isinstance(value, bytes)))
                    numbers = [value for value in column if isinstance(value, int)]
                    searcher.numbers(name, place, np.array(numbers, dtype=np.int64))


def _day(value: date) -> date:
    return value.date() if isinstance(value, datetime) else value


def _forms(value: str | int | date) -> list[str]:
    """Return the ways a value may be written."""
    if isinstance(value, date):
        day = _day(value)
        return [
            day.strftime(form)
            for form in ("%Y-%m-%d", "%Y%m%d", "%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y", "%Y/%m/%d", "%d%m%Y", "%m/%d/%Y")
        ]
    text = unicodedata.normalize("NFC", str(value).strip())
    plain = "".join(sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign))
    forms = {text, text.lower(), text.upper(), text.title(), plain, unicodedata.normalize("NFD", text)}
    forms |= {json.dumps(text)[1:-1], html.escape(text)}
    if re.search(r"\s|-|'", plain):
        forms |= {re.sub(r"[\s\-']+", sign, plain) for sign in (" ", "-", "_", "^", "")}
    return sorted(forms)


def _encodings(text: str) -> Iterator[tuple[bytes, int]]:
    seen = set()
    for encoding, step in (("utf-8", 1), ("cp1252", 1), ("utf-16-le", 2), ("utf-16-be", 2)):
        with contextlib.suppress(UnicodeEncodeError):
            content = text.encode(encoding).lower()
            if content not in seen:
                seen.add(content)
                yield content, step


def _stands_alone(content: bytes, begin: int, end: int, pattern: _Pattern) -> bool:
    """Whether the characters before and after a hit are of another kind: no digit beside digits, no letter beside letters."""
    before = content[max(0, begin - pattern.step) : begin]
    after = content[end : end + pattern.step]
    return not (_continues(before, pattern) or _continues(after, pattern))


def _continues(character: bytes, pattern: _Pattern) -> bool:
    if pattern.step == 2:
        if len(character) < 2 or 0 not in character:
            return False
        character = character.replace(b"\0", b"")
    if not character:
        return False
    byte = character[0]
    return 48 <= byte <= 57 if pattern.digits else 97 <= byte <= 122 or byte >= 0xC3
