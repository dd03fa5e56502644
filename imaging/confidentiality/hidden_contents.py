"""What an object must not hold beside what its header says: overlays in bits of the pixels, voices among waveforms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from unibase.groundwork.problems import Unusable
from unibase.imaging import reasons
from unibase.imaging.confidentiality.structure import Element, Encoding

_SAMPLES, _FREQUENCY, _INTERPRETATION = 0x54001010, 0x003A001A, 0x54001006
_OF_VOICES = frozenset({"MB", "AB"})
_MOST_SAMPLES = 1000.0
"""Samples a second that PS3.3 A.34 permits an ECG; a voice that is understood needs about 4,000 (ITU-T G.711: 8,000)."""


def refuse_embedded_overlay(top: Mapping[int, bytes], encoding: Encoding) -> None:
    """Raise for overlays drawn in unused bits of the pixels: copying the pixels would copy them.

    Args:
        top: Values of the top level by tag.
        encoding: Their encoding.

    Raises:
        Unusable: `burned-in-annotation`.
    """
    order = "little" if encoding.little else "big"
    for group in range(0x6000, 0x6100, 2):
        if int.from_bytes(top.get(group << 16 | 0x0102, b"")[:2], order):  # type: ignore[arg-type]
            raise Unusable(
                reasons.BURNED_IN_ANNOTATION,
                "An overlay is drawn in unused bits of the pixels.",
                "Export the images with overlays removed.",
            )


def refuse_voices(elements: list[Element]) -> None:
    """Raise for waveforms that may be a voice: samples of telephony, or more of them a second than an ECG has.

    Args:
        elements: The header of an object whose samples would be kept, at the top level. Samples at any depth count.

    Raises:
        Unusable: `unsupported-object`.
    """
    for group in _data_sets(elements):
        held = {one.tag: one.value or b"" for one in group}
        if _SAMPLES not in held:
            continue
        said = {tag: held[tag].decode("latin-1").strip(" \0") for tag in (_FREQUENCY, _INTERPRETATION) if tag in held}
        if said.get(_INTERPRETATION) in _OF_VOICES or not _is_slow(said.get(_FREQUENCY, "")):
            raise Unusable(
                reasons.UNSUPPORTED_OBJECT,
                "Its waveforms may be a voice: samples as in telephony, or more than 1,000 a second, or no frequency is given.",
                "Leave it out, or export the waveforms again at 1,000 samples a second or fewer.",
            )


def _data_sets(elements: list[Element]) -> Iterator[list[Element]]:
    """Yield a data set and those of its items, at every depth."""
    yield elements
    for item in (item for one in elements for item in one.items):
        yield from _data_sets(item.elements)


def _is_slow(frequency: str) -> bool:
    try:
        return 0 < float(frequency) <= _MOST_SAMPLES
    except ValueError:
        return False
