"""One colour profile for all: sRGB, made here, so that it names no maker, no machine and no day.

A profile of a slide scanner holds texts (a description, a copyright) and a time. Where an object must have one (an optical
path of a colour slide, PS3.3 C.8.12.5), this one stands in; the colours are then those of sRGB as near as its values say.
The form is that of ICC.1:2010 (ICC version 2): header, tag table, description, copyright, white point, primaries and one curve.
Values: IEC 61966-2-1, adapted to the D50 of the profile connection space by Bradford, as the ICC publishes them.
"""

from __future__ import annotations

import struct

_WHITE = (0.9642, 1.0, 0.8249)
_PRIMARIES = {b"rXYZ": (0.4360, 0.2225, 0.0139), b"gXYZ": (0.3851, 0.7169, 0.0971), b"bXYZ": (0.1431, 0.0606, 0.7141)}
_POINTS = 256


def _xyz(values: tuple[float, float, float]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(one * 65536) for one in values))


def _curve() -> bytes:
    def linear(value: float) -> float:
        return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4

    points = [round(65535 * linear(number / (_POINTS - 1))) for number in range(_POINTS)]
    return b"curv\0\0\0\0" + struct.pack(f">I{_POINTS}H", _POINTS, *points)


def _description(text: bytes) -> bytes:
    return b"desc\0\0\0\0" + struct.pack(">I", len(text) + 1) + text + b"\0" + bytes(4 + 4 + 2 + 1 + 67)


def _made() -> bytes:
    curve = _curve()
    tags = {b"desc": _description(b"sRGB"), b"cprt": b"text\0\0\0\0No copyright\0", b"wtpt": _xyz(_WHITE)}
    tags |= {name: _xyz(values) for name, values in _PRIMARIES.items()}
    table, body, place = b"", b"", 128 + 4 + 12 * (len(tags) + 3)
    for name, content in (*tags.items(), (b"rTRC", curve)):
        table += name + struct.pack(">2I", place + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    shared = struct.pack(">2I", place + len(body) - len(curve) - (-len(curve) % 4), len(curve))
    table += b"gTRC" + shared + b"bTRC" + shared
    size = place + len(body)
    head = struct.pack(">I4sI4s4s4s", size, bytes(4), 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    head += struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + b"acsp" + bytes(4 + 4 + 4 + 4 + 8 + 4) + _xyz(_WHITE)[8:]
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags) + 3) + table + body


SRGB = _made()
"""The profile's bytes; an even number."""
