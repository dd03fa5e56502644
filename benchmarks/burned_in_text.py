"""Texts burned into images: found, made unreadable, and nothing else changed. Needs the extra `ocr` and `tesseract`.

    python -m benchmarks.burned_in_text OUT.jsonl --images 1000 [--kinds CT,US] [--read-whole 10] [--first 0]
    python -m benchmarks.burned_in_text OUT.jsonl --sum

Each image of `drawn_texts` is looked at and de-identified with the boxes that were proposed, as `unibase pixels` and
`unibase deidentify --pixels` do it. Then its copy is compared with the values that were drawn:

- a line is found when the boxes hold 98 in 100 of its ink, in pixels;
- a token is unreadable when none of its ink is left, or neither RapidOCR nor Tesseract reads it where ink is left
  (three times as large; tokens of three characters and more). Every so many images the whole copy is read by both, too;
- a mark is kept when none of its ink changed;
- values outside the boxes that differ from those drawn are counted.

One line of JSON an image, written at once: a run that was stopped goes on where it was. Intervals are Clopper-Pearson's.
"""

from __future__ import annotations

import argparse
import collections
import io
import json
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from blake3 import blake3
from PIL import Image
from scipy.stats import binomtest

from benchmarks.drawn_texts import KINDS, DrawnImage, Inscription, drawn
from unibase.imaging.confidentiality.deidentified import DeidentifyTask, deidentify_file
from unibase.imaging.options import DeidentifyOptions
from unibase.imaging.pixel_text import finder
from unibase.imaging.pixel_text.boxes import Box
from unibase.imaging.pixel_text.look import look_at
from unibase.imaging.pixel_text.pixel_decisions import Decision
from unibase.imaging.pixel_text.recognition import lines_in
from unibase.privacy.keys import Key
from unibase.privacy.subjects import Subject, SubjectLookup

FOUND = 0.98
LOOKUP = SubjectLookup({("A", "ipp", "IPP0081234"): Subject(9_001, -731)})


def one_image(kind: str, number: int, whole: bool) -> dict[str, Any]:
    """Return what came of one image."""
    image = drawn(kind, number)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        source = Path(folder) / "image.dcm"
        source.write_bytes(image.content)
        started = time.process_time()
        look = look_at(source, "image.dcm", finder.to_blank)
        looked = time.process_time() - started
        assert look is not None, "every image drawn is one at risk"
        boxes = look.decision.boxes
        copy = _copy(source, Path(folder) / "out", image, boxes)
    black = _within(boxes, image.values.shape)
    stored = image.values if image.values.dtype.kind == "u" else image.values.view(np.uint16)
    changed = (copy != stored).any(axis=(0, 3))
    lines = [_line(copy, changed, black, one) for one in image.inscriptions]
    return {
        "kind": kind, "number": number, "colour": image.colour, "syntax": image.syntax, "shape": image.values.shape,
        "cpu": round(looked, 3), "boxes": len(boxes), "share": round(float(black.mean()), 4), "outside": int((changed & ~black).sum()),
        "needless": sum(not _ink_in(one, image) for one in boxes), "lines": lines,
        "read_in_whole": _read_in_whole(copy, image) if whole else None,
    }  # fmt: skip


def _copy(source: Path, folder: Path, image: DrawnImage, boxes: tuple[Box, ...]) -> np.ndarray:
    """Return the stored values of the de-identified copy, shape (frames, rows, columns, samples)."""
    name = blake3(image.content).hexdigest()
    decision = Decision(name, "image.dcm", "", (1, 1, 1), boxes, "blank" if boxes else "accept", "script")
    done = deidentify_file(
        DeidentifyTask(source, folder, "A", DeidentifyOptions(), Key(bytes(range(32))), LOOKUP, decisions={name: decision})
    )
    ds = pydicom.dcmread(done["path"])
    values = pydicom.pixels.pixel_array(ds, raw=True).reshape(image.values.shape)
    return values if values.dtype.kind == "u" else values.view(np.uint16)


def _within(boxes: tuple[Box, ...], shape: tuple[int, ...]) -> np.ndarray:
    inside = np.zeros(shape[1:3], bool)
    for box in boxes:
        part = box.within(shape[2], shape[1])
        if part is not None:
            inside[part.y : part.y + part.height, part.x : part.x + part.width] = True
    return inside


def _ink_in(box: Box, image: DrawnImage) -> bool:
    inside = _within((box,), image.values.shape)
    return any(bool(one.ink[inside].any()) for one in image.inscriptions)


def _line(copy: np.ndarray, changed: np.ndarray, black: np.ndarray, one: Inscription) -> dict[str, Any]:
    covered = float(black[one.ink].mean())
    about: dict[str, Any] = {
        "text": one.text, "mark": one.mark, "size": one.size, "contrast": one.contrast, "over": one.over_anatomy,
        "turned": one.turned, "dark": one.dark, "covered": round(covered, 4),
    }  # fmt: skip
    if one.mark:
        return about | {"kept": not bool(changed[one.ink].any())}
    tokens = _tokens(one.text)
    readable = _readable(copy, one, tokens) if covered < 1 else []
    return about | {"tokens": len(tokens), "readable": readable}


def _tokens(text: str) -> list[str]:
    return [plain for plain in map(_plain, text.split()) if len(plain) >= 3]


def _plain(text: str) -> str:
    return re.sub(r"[^0-9a-zà-ÿ]", "", text.lower())


def _readable(copy: np.ndarray, one: Inscription, tokens: list[str]) -> list[str]:
    """Return the tokens that an engine reads where the line stood, in a frame that shows it."""
    rows, columns = np.nonzero(one.ink)
    part = np.s_[max(0, rows.min() - 12) : rows.max() + 12, max(0, columns.min() - 30) : columns.max() + 30]
    picture = finder.as_shown(copy[one.frames[0]][part])
    picture = np.rot90(picture) if one.turned else picture
    return _found_in(picture, tokens, enlarged=3)


def _read_in_whole(copy: np.ndarray, image: DrawnImage) -> list[str]:
    shown = copy.max() - copy[0] if image.colour == "MONOCHROME1" else copy[0]
    tokens = [token for one in image.inscriptions if not one.mark for token in _tokens(one.text)]
    return _found_in(finder.as_shown(shown if image.colour != "YBR_FULL" else shown[:, :, :1]), tokens, enlarged=1)


def _found_in(picture: np.ndarray, tokens: list[str], enlarged: int) -> list[str]:
    large = Image.fromarray(np.ascontiguousarray(picture))
    large = large.resize((large.width * enlarged, large.height * enlarged), Image.Resampling.BICUBIC)
    said = _plain(" ".join(line.text for line in lines_in(np.asarray(large)))) + " " + _plain(_tesseract(large))
    return [token for token in tokens if token in said]


def _tesseract(picture: Image.Image) -> str:
    out = io.BytesIO()
    picture.save(out, "PNG")
    command = ["tesseract", "stdin", "stdout", "--psm", "11"]
    return subprocess.run(
        command, input=out.getvalue(), capture_output=True, check=True, env={"OMP_THREAD_LIMIT": "1"}
    ).stdout.decode()


def summary(path: Path) -> str:
    """Return the figures of a run as lines of a table."""
    images = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    said = ["| kind | images | lines found | marks kept | tokens unreadable | values changed outside | CPU-s an image (median) |"]
    for kind in (*KINDS, "all"):
        some = [one for one in images if kind in (one["kind"], "all")]
        lines = [line for one in some for line in one["lines"] if not line["mark"]]
        marks = [line["kept"] for one in some for line in one["lines"] if line["mark"]]
        found, tokens = [line["covered"] >= FOUND for line in lines], sum(line["tokens"] for line in lines)
        left = sum(len(line["readable"]) for line in lines)
        cpu = float(np.median([one["cpu"] for one in some])) if some else 0.0
        outside = sum(one["outside"] for one in some)
        said.append(
            f"| {kind} | {len(some)} | {_share(sum(found), len(found))} | {_share(sum(marks), len(marks))} | "
            f"{_share(tokens - left, tokens)} | {outside} | {cpu:.2f} |"
        )
    by = collections.Counter[str](), collections.Counter[str]()
    for one in images:
        for line in one["lines"]:
            if not line["mark"]:
                for cell in (
                    _size(line),
                    _contrast(line),
                    f"turned {line['turned']}",
                    f"over anatomy {line['over']}",
                    one["colour"],
                    one["syntax"],
                ):
                    by[0][cell] += 1
                    by[1][cell] += line["covered"] >= FOUND
    said += [f"{cell}: {_share(by[1][cell], by[0][cell])}" for cell in sorted(by[0])]
    whole = [one["read_in_whole"] for one in images if one["read_in_whole"] is not None]
    said.append(f"copies read whole: {len(whole)}, with a token read: {sum(map(bool, whole))}")
    said.append(f"boxes without ink: {sum(one['needless'] for one in images)} in {len(images)} images")
    return "\n".join(said)


def _size(line: dict[str, Any]) -> str:
    return f"size {line['size'] // 8 * 8:02d}+"


def _contrast(line: dict[str, Any]) -> str:
    return f"contrast {min(line['contrast'] // 40 * 40, 200):03d}+"


def _share(part: int, of: int) -> str:
    if not of:
        return "-"
    low, high = binomtest(part, of).proportion_ci(method="exact")
    return f"{part} of {of} ({part / of:.4f}; {low:.4f} to {high:.4f})"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--read-whole", type=int, default=10)
    parser.add_argument("--sum", action="store_true")
    options = parser.parse_args()
    if options.sum:
        print(summary(options.out))
        return
    assert shutil.which("tesseract"), "the second engine: apt-get install tesseract-ocr"
    done = {(one["kind"], one["number"]) for one in map(json.loads, options.out.open())} if options.out.exists() else set()
    with options.out.open("a", encoding="utf-8") as out:
        for number in range(options.first, options.first + options.images):
            for kind in options.kinds.split(","):
                if (kind, number) not in done:
                    whole = bool(options.read_whole) and number % options.read_whole == 0
                    out.write(json.dumps(one_image(kind, number, whole), ensure_ascii=False) + "\n")
                    out.flush()


if __name__ == "__main__":
    main()
