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
import csv
import gzip
import html
import io
import itertools
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
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from unibase.groundwork.problems import UserError

CHUNK = 8 << 20
"""Bytes searched at a time."""

_LONGEST_INNER = 1 << 31
_SUBJECT_COLUMNS = ("subject_id", "primary", "PatientID")
_WHOLE_DIGITS, _WHOLE_TEXT = 14, 8
_LEAST_RAW, _LEAST_INTEGER = 4, 100_000

_COUNTED = frozenset({"source_row", "SRCSEQ", "data", "indices", "indptr", "codes", "obsmap", "varmap"})
"""Columns and arrays whose whole numbers we count ourselves: rows of a source, positions in a matrix or among categories.

In a large cohort some count always equals some short hospital number.
"""

_COMPUTED = re.compile(
    rb"(?=[0-9]*[a-f])(?:[0-9a-f]{16}|[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{128})|ens[a-z]{0,6}[0-9]{11}"
)
"""Words made of digits by no hospital: hexadecimal digests and tokens, Ensembl's ids. Digits inside one are no number of a patient."""

_WORD = re.compile(rb"[0-9a-z]*")
_LONGEST_WORD = 128
_MARGIN = 2 * (_LONGEST_WORD + 2)

_FOLD = bytes(b" "[0] if byte in b"-_^'" else byte for byte in range(256)).lower()
"""Bytes as they are searched: lower case, and one sign for all that may stand between the parts of a name."""

_CSV_ROWS = 50_000

_UTF_16 = re.compile(rb"\0[^\0]\0[^\0]\0[^\0]\0")


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


class _Searcher:
    """The compiled needles and what was found so far."""

    def __init__(self, needles: list[Needle]) -> None:
        import ahocorasick_rs

        self.needles = needles
        self.bound_subjects = {needle.subject_id for needle in needles if needle.subject_id is not None}
        patterns: dict[bytes, list[_Pattern]] = defaultdict(list)
        self.short: dict[str, list[int]] = defaultdict(list)
        self.integers: dict[int, list[int]] = defaultdict(list)
        self.days: dict[date, list[int]] = defaultdict(list)
        for number, needle in enumerate(needles):
            texts = _forms(needle.value)
            if not texts or not all(texts):
                raise ValueError(f"needle {number} of kind {needle.kind} is empty")
            if isinstance(needle.value, date):
                self.days[_day(needle.value)].append(number)
            else:
                digits = str(needle.value).strip()
                if digits.isascii() and digits.isdigit() and _LEAST_INTEGER <= int(digits) < 1 << 63:
                    self.integers[int(digits)].append(number)
            if min(len(text) for text in texts) < _LEAST_RAW:
                for folded in {text.casefold() for text in texts}:
                    self.short[folded].append(number)
                continue
            for text in texts:
                all_digits = not re.search(r"[^\W\d_]", text)
                length = len(text.lstrip("0")) if all_digits else len(text)
                whole = length < (_WHOLE_DIGITS if all_digits else _WHOLE_TEXT) or isinstance(needle.value, date)
                for content, step in _encodings(text):
                    pattern = _Pattern(number, step, whole, all_digits)
                    if pattern not in patterns[content]:
                        patterns[content].append(pattern)
        self.patterns = list(patterns.items())
        self.longest = max((len(content) for content, _ in self.patterns), default=1)
        self._automaton = ahocorasick_rs.BytesAhoCorasick([content for content, _ in self.patterns]) if self.patterns else None
        self._found: dict[tuple[str, str, str], dict[int, int]] = defaultdict(lambda: defaultdict(int))

    def findings(self) -> list[Finding]:
        return sorted(
            Finding(path, kind, place, sum(hits.values()), tuple(sorted(hits)))
            for (path, kind, place), hits in self._found.items()
        )

    def bytes_(self, path: str, place: str, content: bytes | memoryview) -> None:
        """Search bytes."""
        self._record(path, place, self.hits(content), None)

    def hits(self, content: bytes | memoryview) -> Iterator[tuple[int, int]]:
        """Yield `(position, needle)` of every hit, whomever it concerns."""
        if self._automaton is None:
            return
        for start in range(0, max(len(content), 1), CHUNK):
            # The chunk overlaps its neighbours, so that a hit is seen whole and with the word that it stands in.
            low = max(0, start - _MARGIN)
            part = bytes(content[low : start + CHUNK + 2 * self.longest + _MARGIN]).translate(_FOLD)
            views = [(part, 1, 0)]
            if _UTF_16.search(part):
                # Each second byte of UTF-16 text is the text in Latin-1.
                views += [(part[0::2], 2, 0), (part[1::2], 2, 1)]
            for view, stride, offset in views:
                for index, begin, end in self._automaton.find_matches_as_indexes(view, overlapping=True):
                    position = low + begin * stride + offset
                    if start <= position < start + CHUNK:
                        for pattern in self.patterns[index][1]:
                            if _counts(view, begin, end, pattern):
                                yield position, pattern.needle

    def texts(self, path: str, place: str, values: Iterable[str], rows: _Rows | None = None) -> None:
        """Search decoded strings."""
        values = list(values)
        found: list[tuple[int, int]] = []
        if self.short:
            found += [(at, number) for at, value in enumerate(values) for number in self.short.get(value.strip().casefold(), ())]
        pieces = [value.encode("utf-8", "surrogatepass") for value in values]
        starts = np.cumsum([0, *(len(piece) + 1 for piece in pieces)])
        for position, number in self.hits(b"\n".join(pieces)):
            found.append((int(np.searchsorted(starts, position, side="right")) - 1, number))
        self._record(path, place, found, rows)

    def numbers(self, path: str, place: str, values: np.ndarray, rows: _Rows | None = None) -> None:
        """Search whole numbers."""
        self._record(path, place, _among(values, self.integers, np.int64), rows)

    def dates(self, path: str, place: str, values: np.ndarray, rows: _Rows | None = None) -> None:
        """Search days."""
        self._record(path, place, _among(values.astype("datetime64[D]"), self.days, "datetime64[D]"), rows)

    def _record(self, path: str, place: str, found: Iterable[tuple[int, int]], rows: _Rows | None) -> None:
        """Record hits `(value or position, needle)`; one bound to a subject counts in a row or under a path of the subject."""
        for at, number in found:
            needle = self.needles[number]
            bound = needle.subject_id
            times = 1 if bound is None or str(bound) in path else rows.count(at, bound) if rows else 0
            if times:
                self._found[(path, needle.kind, place)][number] += times


@dataclass(frozen=True)
class _Rows:
    """In which rows of which subjects the values of a column stand."""

    subjects: np.ndarray
    """Per row."""
    value_of: np.ndarray | None = None
    """Per row, which of the distinct values stands there; None when every row has a value of its own."""

    def count(self, at: int, subject: int) -> int:
        """Return in how many rows of `subject` the value numbered `at` stands."""
        if self.value_of is None:
            return int(self.subjects[at] == subject)
        return int(((self.value_of == at) & (self.subjects == subject)).sum())


def _among(values: np.ndarray, wanted: Mapping[Any, list[int]], dtype: Any) -> Iterator[tuple[int, int]]:
    """Yield `(value's place, needle)` for the values that are wanted."""
    if not wanted or values.size == 0:
        return
    (places,) = np.nonzero(np.isin(values, np.array(list(wanted), dtype=dtype)))
    for place in places.tolist():
        for number in wanted[values[place].item()]:
            yield place, number


def _scan_file(searcher: _Searcher, name: str, path: Path) -> None:
    searcher.texts(name, "file name", [name])
    if path.stat().st_size == 0:
        return
    if path.suffix == ".csv" and _scan_csv(searcher, name, path):
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


def _scan_csv(searcher: _Searcher, name: str, path: Path) -> bool:
    """Search the cells of a CSV that has a column of counts, save those counts; return whether it has one."""
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = csv.reader(file)
        counted = [column in _COUNTED for column in next(rows, [])]
        if not any(counted):
            return False
        file.seek(0)
        for block in itertools.batched(csv.reader(file), _CSV_ROWS):
            cells = (
                cell
                for row in block
                for column, cell in enumerate(row)
                if not (column < len(counted) and counted[column] and cell.isdigit())
            )
            searcher.bytes_(name, "bytes", "\n".join(cells).encode("utf-8", "surrogateescape"))
    return True


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
        field = next((column for column in _SUBJECT_COLUMNS if column in columns), None)
        subjects = _subject_numbers(table.column(field).to_pylist()) if field and searcher.bound_subjects else None
        for column in columns:
            _scan_arrow(searcher, name, f"{inside}parquet column {column}", column, table.column(column), subjects)


def _subject_numbers(values: Iterable[Any]) -> np.ndarray:
    return np.array([_integer(value) for value in values], dtype=np.int64)


def _integer(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return -1


def _scan_arrow(searcher: _Searcher, name: str, place: str, field: str, column: Any, subjects: np.ndarray | None) -> None:
    """Search one Arrow column, whose rows are of `subjects` when they are told."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        encoded = column.combine_chunks().dictionary_encode()
        rows = None
        if subjects is not None:
            rows = _Rows(subjects, encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False))
        searcher.texts(name, place, encoded.dictionary.to_pylist(), rows)
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        searcher.bytes_(name, place, b"\n".join(value for value in column.unique().to_pylist() if value))
    elif pa.types.is_integer(kind):
        if field not in _COUNTED:
            searcher.numbers(name, place, column.fill_null(0).to_numpy(), None if subjects is None else _Rows(subjects))
    elif pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        days = column.cast("timestamp[us]").to_numpy().astype("datetime64[D]")
        searcher.dates(name, place, days, None if subjects is None else _Rows(subjects))
    elif pa.types.is_nested(kind):
        strings: set[str] = set()
        for value in column.to_pylist():
            strings.update(_strings(value))
        searcher.texts(name, place, sorted(strings))


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


def _scan_array(searcher: _Searcher, name: str, place: str, values: np.ndarray, subjects: np.ndarray | None = None) -> None:
    """Search an array, whose values are of `subjects` when they are told."""
    values = np.atleast_1d(values)
    if values.dtype.kind in "OSUT":
        texts = [
            value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in values.ravel().tolist()
        ]
        distinct = {text: number for number, text in enumerate(dict.fromkeys(texts))}
        rows = None if subjects is None else _Rows(subjects, np.array([distinct[text] for text in texts], dtype=np.int64))
        searcher.texts(name, place, list(distinct), rows)
    elif values.dtype.kind in "iu" and values.ndim == 1:
        searcher.numbers(name, place, values, None if subjects is None else _Rows(subjects))
    elif values.dtype.kind == "M" and values.ndim == 1:
        searcher.dates(name, place, values, None if subjects is None else _Rows(subjects))


def _is_searched(dtype: np.dtype[Any], ndim: int, place: str) -> bool:
    """Whether an array can hold identifiers: texts, dates, and columns of whole numbers that are no counts of ours."""
    return dtype.kind in "OSUTM" or (dtype.kind in "iu" and ndim <= 1 and not _COUNTED & set(place.split("/")))


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
                if _is_searched(thing.dtype, thing.ndim, where):
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
    subjects = _subject_numbers(columns[field].tolist())
    for column, values in columns.items():
        if column != field and len(values) == len(subjects) and _is_searched(values.dtype, values.ndim, column):
            _scan_array(searcher, name, f"{place}/{column}", values, subjects)


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
        elif _is_searched(opened.dtype, opened.ndim, name):
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
    if re.search(r"[\s\-']", plain):
        forms |= {re.sub(r"[\s\-']+", sign, plain) for sign in (" ", "")}
    return sorted(forms)


def _encodings(text: str) -> Iterator[tuple[bytes, int]]:
    """Yield `(bytes, bytes per character)` of the ways to store a text; UTF-16 of Latin-1 text is found as Latin-1."""
    seen = set()
    beyond_latin_1 = any(ord(sign) > 255 for sign in text)
    for encoding, step in (("utf-8", 1), ("cp1252", 1), *((("utf-16-le", 2), ("utf-16-be", 2)) if beyond_latin_1 else ())):
        with contextlib.suppress(UnicodeEncodeError):
            content = text.encode(encoding).translate(_FOLD)
            if content not in seen:
                seen.add(content)
                yield content, step


def _counts(content: bytes, begin: int, end: int, pattern: _Pattern) -> bool:
    """Whether a hit is a finding: short values must stand alone, and digits must not be part of a computed word."""
    if pattern.whole and not _stands_alone(content, begin, end, pattern):
        return False
    return not (pattern.digits and pattern.step == 1 and _is_computed(content, begin, end))


def _is_computed(content: bytes, begin: int, end: int) -> bool:
    before = _WORD.match(content[max(0, begin - _LONGEST_WORD) : begin][::-1])
    after = _WORD.match(content, end, end + _LONGEST_WORD)
    left, right = begin - len(before.group() if before else b""), after.end() if after else end
    return _COMPUTED.fullmatch(content, left, right) is not None


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
