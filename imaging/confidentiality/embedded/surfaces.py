"""Surfaces for 3D printing (encapsulated STL, OBJ and MTL): their numbers stay, written anew; no text of the source does.

Formats: STL as PS3.3 A.85.1 asks for it, binary, and as text; Wavefront OBJ and MTL (PS3.3 A.85.2 and A.85.3) as their
specification of 1995 gives their statements. A statement that is not read here refuses the file: nothing is passed by.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.imaging import reasons

_HEAD, _FACET, _TOKENS = 80, 50, 21
_TRIANGLE = np.dtype([("numbers", "<f4", 12), ("attribute", "<u2")])
_FIXED = {
    0: b"facet",
    1: b"normal",
    5: b"outer",
    6: b"loop",
    7: b"vertex",
    11: b"vertex",
    15: b"vertex",
    19: b"endloop",
    20: b"endfacet",
}
_PLACES = tuple(place for place in range(_TOKENS) if place not in _FIXED)
_NUMBER = re.compile(rb"[+\-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+\-]?\d{1,3})?")
_COORDINATES = {b"v": (3, 7), b"vt": (1, 3), b"vn": (3, 3), b"vp": (1, 3)}
_INDEXED = frozenset({b"f", b"l", b"p"})
_INDEX = re.compile(rb"-?\d{1,9}(?:/(?:-?\d{1,9})?){0,2}")
_GROUPS = {b"g": b"group", b"o": b"object"}
_COLOURS = frozenset({b"Ka", b"Kd", b"Ks", b"Ke", b"Tf"})
_SHADES = frozenset(b"Ns Ni d Tr illum sharpness Pr Pm Ps Pc Pcr aniso anisor".split())
_PICTURES = frozenset(
    b"map_Ka map_Kd map_Ks map_Ke map_Ns map_d map_bump map_Bump bump disp decal refl norm map_Pr map_Pm map_Ps".split()
)
_MOST = 1e5
"""Millimetres: a coordinate beyond is none of a person, and its digits might number one."""

Renamed = Callable[[bytes], bytes]


def stl(content: bytes) -> bytes:
    """Return a binary STL of the same triangles: an empty header, no attributes, nothing after the last triangle.

    Args:
        content: An STL, binary or of text.

    Raises:
        Unusable: `unsupported-object`, when it is none, or holds what is no finite number of a surface.
    """
    triangles = _binary(content)
    if triangles is None:
        triangles = _of_text(content)
    _check(triangles)
    made = np.zeros(len(triangles), _TRIANGLE)
    made["numbers"] = triangles
    return bytes(_HEAD) + struct.pack("<I", len(triangles)) + made.tobytes()


def _binary(content: bytes) -> np.ndarray | None:
    """Return the numbers of a binary STL, shape (triangles, 12): normal and three corners; None where its size says another form."""
    if len(content) < _HEAD + 4:
        return None
    count = int.from_bytes(content[_HEAD : _HEAD + 4], "little")
    size = _HEAD + 4 + _FACET * count
    if size > len(content) or (content[:5].lower() == b"solid" and size < len(content) - 1):
        return None
    return np.array(np.frombuffer(content, _TRIANGLE, count, _HEAD + 4)["numbers"])


def _of_text(content: bytes) -> np.ndarray:
    """Return the numbers of an STL of text, shape (triangles, 12)."""
    first, _, rest = content.partition(b"\n")
    body, mark, _ = rest.lower().rpartition(b"endsolid")
    tokens = body.split()
    if first[:5].lower() != b"solid" or not mark or len(tokens) % _TOKENS:
        raise _unread("It is no STL, neither binary nor of text")
    table = [tokens[place::_TOKENS] for place in range(_TOKENS)]
    numbers = [one for place in _PLACES for one in table[place]]
    if any(set(table[place]) - {word} for place, word in _FIXED.items()) or not all(map(_NUMBER.fullmatch, numbers)):
        raise _unread("Its triangles are not written as an STL of text writes them")
    return np.array([[float(one) for one in table[place]] for place in _PLACES], np.float32).T.reshape(-1, len(_PLACES))


def _check(numbers: np.ndarray) -> None:
    # A number that is none, or of no body, may carry anything in its bits.
    if not np.isfinite(numbers).all() or (np.abs(numbers) > _MOST).any():
        raise _unread("A coordinate is no number, or is more than 100 m away")


def obj(content: bytes, renamed: Renamed) -> bytes:
    """Return an OBJ of the same points and faces, without comments; groups are numbered, materials renamed.

    Args:
        content: An OBJ.
        renamed: Gives a material its new name, the same one in the MTL.

    Raises:
        Unusable: `unsupported-object`, for a statement that is not of points, lines and faces.
    """
    groups: dict[tuple[bytes, bytes], bytes] = {}
    points, lines = 0, []
    for word, values in _statements(content):
        points += word == b"v"
        if word in _COORDINATES:
            least, most = _COORDINATES[word]
            lines.append(word + b" " + b" ".join(_numbers(values, least, most)))
        elif word in _INDEXED and all(map(_INDEX.fullmatch, values)):
            lines.append(b" ".join((word, *values)))
        elif word in _GROUPS:
            names = [groups.setdefault((word, one), _GROUPS[word] + b"%d" % (len(groups) + 1)) for one in values]
            lines.append(b" ".join((word, *names)))
        elif word == b"s" and len(values) == 1 and re.fullmatch(rb"off|\d{1,4}", values[0]):
            lines.append(b"s " + values[0])
        elif word == b"usemtl":
            lines.append(b"usemtl " + renamed(b" ".join(values)))
        elif word != b"mtllib":  # The name of a file: in DICOM the objects refer to each other.
            raise _unread("A statement is not of points, lines and faces")
    if not points or any(
        abs(int(one)) > len(lines) for line in lines if line[:2] in (b"f ", b"l ", b"p ") for one in re.findall(rb"\d+", line)
    ):
        raise _unread("It has no points, or a face of points that are not there")
    return b"\n".join(lines) + b"\n"


def mtl(content: bytes, renamed: Renamed) -> bytes:
    """Return an MTL of the same colours, without comments and names of pictures; materials are renamed.

    Args:
        content: An MTL.
        renamed: Gives a material its new name.

    Raises:
        Unusable: `unsupported-object`, for a statement that is not of materials.
    """
    lines = []
    for word, values in _statements(content):
        if word == b"newmtl":
            lines.append(b"newmtl " + renamed(b" ".join(values)))
        elif word in _COLOURS or word in _SHADES:
            lines.append(word + b" " + b" ".join(_numbers(values, 1, 3 if word in _COLOURS else 1)))
        elif word not in _PICTURES:
            raise _unread("A statement is not of colours and shades")
    if not any(line.startswith(b"newmtl") for line in lines):
        raise _unread("It describes no material")
    return b"\n".join(lines) + b"\n"


def _statements(content: bytes) -> Iterator[tuple[bytes, list[bytes]]]:
    """Yield word and values of each line; comments and what only pads are left out, a line that goes on is one."""
    for line in content.strip(b" \0\r\n").replace(b"\\\r\n", b" ").replace(b"\\\n", b" ").splitlines():
        words = line.partition(b"#")[0].split()
        if words:
            yield words[0], words[1:]


def _numbers(values: list[bytes], least: int, most: int) -> list[bytes]:
    """Return numbers written anew, as precise as 32 bits are."""
    if not least <= len(values) <= most or not all(map(_NUMBER.fullmatch, values)):
        raise _unread("A line holds something else than its numbers")
    numbers = np.array([float(one) for one in values], np.float32)
    _check(numbers)
    return [b"%.9g" % float(one) for one in numbers]


def _unread(what: str) -> Unusable:
    return Unusable(
        reasons.UNSUPPORTED_OBJECT,
        f"{what}: what it holds beside a surface cannot be told.",
        "Export the surface again as a binary STL of triangles, or as a segmentation.",
    )
