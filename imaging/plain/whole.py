"""Whether a file holds all the bytes that its header declares: libraries fill what is cut off, or read less, without a word.

Each format says in its header how many voxels of how many bytes follow: NIfTI-1 and -2 and Analyze (`dim`, `bitpix`,
`vox_offset`), NRRD (`sizes`, `type`, `encoding`), MetaImage (`DimSize`, `ElementType`, `CompressedDataSize`). A gzip member ends
with the CRC of what it holds (RFC 1952), so a compressed file is read to its last byte.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import BinaryIO

from unibase.groundwork.problems import Unusable
from unibase.groundwork.reasons import TRUNCATED_FILE
from unibase.imaging.reasons import UNREADABLE_IMAGE

NIFTI_SUFFIXES = (".nii", ".nii.gz", ".hdr")
NRRD_SUFFIXES = (".nrrd", ".nhdr")
META_SUFFIXES = (".mha", ".mhd")
PICTURE_SUFFIXES = (".png",)
"""Pictures: planes of grey values whose pixels have no size in mm."""

IMAGE_SUFFIXES = (*NIFTI_SUFFIXES, *NRRD_SUFFIXES, *META_SUFFIXES, *PICTURE_SUFFIXES)

_CHUNK = 1 << 20
_NRRD_BYTES = {
    **dict.fromkeys(("signed char", "int8", "int8_t", "uchar", "unsigned char", "uint8", "uint8_t"), 1),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), 2),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), 2),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t", "uint", "unsigned int", "uint32", "uint32_t", "float"), 4),
    **dict.fromkeys(("longlong", "long long", "long long int", "signed long long", "signed long long int"), 8),
    **dict.fromkeys(("int64", "int64_t", "ulonglong", "unsigned long long", "unsigned long long int"), 8),
    **dict.fromkeys(("uint64", "uint64_t", "double"), 8),
}
_META_BYTES = {
    **dict.fromkeys(("MET_CHAR", "MET_UCHAR"), 1),
    **dict.fromkeys(("MET_SHORT", "MET_USHORT"), 2),
    **dict.fromkeys(("MET_INT", "MET_UINT", "MET_FLOAT", "MET_LONG", "MET_ULONG"), 4),
    **dict.fromkeys(("MET_LONG_LONG", "MET_ULONG_LONG", "MET_DOUBLE"), 8),
}


def suffix_of(path: Path) -> str:
    """Return the suffix that names an image format, such as `.nii.gz`, in lower case; empty for other files.

    Args:
        path: Any file.

    >>> suffix_of(Path("LUNG1-001.NII.GZ"))
    '.nii.gz'
    """
    name = path.name.lower()
    return max((suffix for suffix in IMAGE_SUFFIXES if name.endswith(suffix)), key=len, default="")


def check_whole(path: Path) -> None:
    """Check that an image file, and the data file that it names, hold all bytes that the header declares.

    A header of a kind that is not known here is left to the library that reads the file.

    Args:
        path: File in NIfTI, NRRD or MetaImage.

    Raises:
        Unusable: `truncated-file` when bytes are missing, or a compressed stream does not end or fails its CRC.
    """
    suffix = suffix_of(path)
    try:
        if suffix in NIFTI_SUFFIXES:
            _check_nifti(path)
        elif suffix in NRRD_SUFFIXES:
            _check_nrrd(path)
        elif suffix in META_SUFFIXES:
            _check_meta(path)
        elif suffix in PICTURE_SUFFIXES:
            _check_picture(path)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        message = "The compressed data ends too early, or its checksum does not hold."
        raise Unusable(TRUNCATED_FILE, message, "Copy or export the file again.") from None
    except (FileNotFoundError, IsADirectoryError):  # A name that was cut off entirely is that of the folder.
        message = "The data file that the header names is absent."
        raise Unusable(TRUNCATED_FILE, message, "Copy the header and its data file together.") from None


def _check_picture(path: Path) -> None:
    """Walk the chunks of a PNG to its end, each with its CRC (PNG specification, 5.3)."""
    with path.open("rb") as stream:
        if stream.read(8) != b"\x89PNG\r\n\x1a\n":
            return
        while True:
            head = stream.read(8)
            if len(head) < 8:
                raise _short("The picture")
            content = head[4:] + stream.read(int.from_bytes(head[:4]))
            if stream.read(4) != zlib.crc32(content).to_bytes(4):
                raise _short("The picture")
            if head[4:] == b"IEND":
                return


def _short(what: str) -> Unusable:
    return Unusable(TRUNCATED_FILE, f"{what} ends too early.", "Copy or export the file again.")


def _count(stream: BinaryIO, needed: int | None = None) -> int:
    """Return how many bytes a stream still holds; a compressed one is read to its end, so that its CRC is checked."""
    total = 0
    while chunk := stream.read(_CHUNK):
        total += len(chunk)
    if needed is not None and total < needed:
        raise _short("The image data")
    return total


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def _check_nifti(path: Path) -> None:
    compressed = _is_gzip(path)
    with gzip.open(path, "rb") if compressed else path.open("rb") as stream:
        header = stream.read(540)
        declared = _nifti_bytes(header)
        if declared is None:
            return
        offset, size, single = declared
        if single and not compressed:
            if path.stat().st_size < offset + size:
                raise _short("The image data")
            return
        rest = len(header) + _count(stream)  # type: ignore[arg-type]
    if single:
        if rest < offset + size:
            raise _short("The image data")
        return
    _check_pair(path, offset + size)


def paired_file(header: Path) -> Path | None:
    """Return the data file of a header in a file of its own, such as `a.img` of `a.hdr`; None when it is absent.

    Args:
        header: The `.hdr` file.
    """
    stem = header.with_suffix("")
    candidates = [stem.with_suffix(suffix) for suffix in (".img", ".IMG")] + [stem.with_suffix(".img.gz")]
    return next((one for one in candidates if one.is_file()), None)


def _check_pair(header: Path, needed: int) -> None:
    """Check the data file of a header in a file of its own (`.hdr` and `.img`)."""
    data = paired_file(header)
    if data is None:
        raise FileNotFoundError
    if _is_gzip(data):
        with gzip.open(data, "rb") as stream:
            _count(stream, needed)  # type: ignore[arg-type]
    elif data.stat().st_size < needed:
        raise _short("The image data")


def _nifti_bytes(header: bytes) -> tuple[int, int, bool] | None:
    """Return offset and size of the data in bytes and whether header and data are one file; None for another kind of file.

    Layouts: nifti1.h and nifti2.h of the NIfTI data format working group.
    """
    if len(header) < 348:
        raise _short("The header")
    for order in "<>":
        (size,) = struct.unpack(f"{order}i", header[:4])
        if size == 348:
            dims = struct.unpack(f"{order}8h", header[40:56])
            (bits,) = struct.unpack(f"{order}h", header[72:74])
            (offset,) = struct.unpack(f"{order}f", header[108:112])
            magic = header[344:348]
            single = magic[:3] == b"n+1"
            return (int(offset) if magic[:2] in (b"n+", b"ni") else 0), _voxels(dims) * bits // 8, single
        if size == 540:
            if len(header) < 540:
                raise _short("The header")
            (bits,) = struct.unpack(f"{order}h", header[14:16])
            dims = struct.unpack(f"{order}8q", header[16:80])
            (start,) = struct.unpack(f"{order}q", header[168:176])
            return start, _voxels(dims) * bits // 8, header[4:7] == b"n+2"
    return None


def _voxels(dims: tuple[int, ...]) -> int:
    count = dims[0] if 1 <= dims[0] <= 7 else 0
    return prod(max(int(n), 1) for n in dims[1 : count + 1]) if count else 0


def _fields(stream: BinaryIO, separators: tuple[bytes, ...], last: bytes | None) -> dict[str, str]:
    """Return the fields of a text header, names in lower case; ends at a blank line, or after the field `last`."""
    fields: dict[str, str] = {}
    while True:
        line = stream.readline(1 << 16)
        if not line:
            if last is None:
                # Detached headers may end with the file; attached ones end with a blank line.
                fields["(ended)"] = ""
                return fields
            raise _short("The header")
        if last is None and not line.strip():
            return fields
        if line.startswith(b"#"):
            continue
        found = [(line.find(mark), mark) for mark in separators if mark in line]
        if not found:
            continue
        place, mark = min(found)
        name = line[:place].decode("latin-1").strip().lower()
        # A key and value of the file's own (`:=`) is no field of the format.
        if mark != b":=":
            fields.setdefault(name, line[place + len(mark) :].decode("latin-1").strip())
        if last is not None and name == last.decode():
            return fields


def _check_nrrd(path: Path) -> None:
    with path.open("rb") as stream:
        magic = stream.readline(64)
        if not magic.startswith(b"NRRD"):
            if len(magic) < 8:
                raise _short("The header")
            return
        fields = _fields(stream, (b":=", b":"), None)
        detached = fields.get("data file") or fields.get("datafile")
        if "sizes" not in fields or "type" not in fields or "encoding" not in fields:
            raise _short("The header")
        if detached is None:
            if "(ended)" in fields:
                raise _short("The header")
            _check_encoded(stream, fields, _nrrd_needed(fields, path))
            return
    _check_detached(path, fields, detached)


def _nrrd_needed(fields: Mapping[str, str], path: Path) -> int:
    width = _NRRD_BYTES.get(fields["type"].lower())
    try:
        sizes = [int(text) for text in fields["sizes"].split()]
    except ValueError:
        raise _short("The header") from None
    if width is None:
        raise Unusable(UNREADABLE_IMAGE, "The voxel type of the NRRD file is unknown.", "Write it again with a plain type.")
    if "dimension" in fields and fields["dimension"].strip() != str(len(sizes)):
        raise _short("The header")
    return prod(sizes) * width


def _check_encoded(stream: BinaryIO, fields: Mapping[str, str], needed: int) -> None:
    encoding = fields["encoding"].lower()
    skip = int(fields.get("line skip") or fields.get("lineskip") or 0)
    for _ in range(skip):
        stream.readline()
    if encoding in ("gzip", "gz"):
        with gzip.GzipFile(fileobj=stream) as data:
            _count(data, needed)  # type: ignore[arg-type]
    elif encoding in ("bzip2", "bz2"):
        import bz2

        with bz2.BZ2File(stream) as packed:
            _count(packed, needed)  # type: ignore[arg-type]
    elif encoding == "raw":
        offset = max(int(fields.get("byte skip") or fields.get("byteskip") or 0), 0)
        _count(stream, needed + offset)
    elif encoding in ("txt", "text", "ascii"):
        if len(stream.read().split()) < needed // _NRRD_BYTES[fields["type"].lower()]:
            raise _short("The image data")
    elif encoding == "hex" and len(b"".join(stream.read().split())) < 2 * needed:
        raise _short("The image data")


def _check_detached(path: Path, fields: Mapping[str, str], named: str) -> None:
    needed = _nrrd_needed(fields, path)
    if named.upper().startswith("LIST") or "%" in named:
        return  # One file a slice: SimpleITK refuses such a series when a file is short.
    with (path.parent / named).open("rb") as stream:
        _check_encoded(stream, fields, needed)


def _check_meta(path: Path) -> None:
    with path.open("rb") as stream:
        fields = _fields(stream, (b"=",), b"elementdatafile")
        width = _META_BYTES.get(fields.get("elementtype", ""))
        if width is None or "dimsize" not in fields:
            return
        channels = int(fields.get("elementnumberofchannels", 1))
        needed = prod(int(text) for text in fields["dimsize"].split()) * channels * width
        named = fields["elementdatafile"]
        if named.upper().startswith("LIST") or "%" in named:
            return
        if named.upper() == "LOCAL":
            _check_meta_data(stream, fields, needed)
            return
    with (path.parent / named).open("rb") as stream:
        _check_meta_data(stream, fields, needed)


def _check_meta_data(stream: BinaryIO, fields: Mapping[str, str], needed: int) -> None:
    if fields.get("compresseddata", "False").lower() != "true":
        _count(stream, needed + max(int(fields.get("headersize", 0)), 0))
        return
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 32)
    total = read = 0
    while chunk := stream.read(_CHUNK):
        total += len(unpack.decompress(chunk))
        read += len(chunk)
    # Readers take as many bytes as the header says, and hand out what was in memory where those are too few.
    if total < needed or not unpack.eof or int(fields.get("compresseddatasize", read)) < read - len(unpack.unused_data):
        raise _short("The image data")
