"""Bases of a genome beside given positions, from a FASTA and the index that `samtools faidx` writes beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from unibase.groundwork.problems import UserError


class IndexedGenome:
    """A FASTA whose chromosomes are found by its index; it stays on disk.

    Args:
        path: The FASTA, not packed; its index is `<path>.fai`.

    Raises:
        UserError: If one of the two is not there, the FASTA is packed, or the index is none of it.
    """

    def __init__(self, path: Path | str) -> None:
        path = Path(path)
        index = path.with_name(f"{path.name}.fai")
        if not path.exists():
            raise UserError(f"There is no genome at {path}. Check the path in the study file.")
        if not index.exists():
            raise UserError(f"The genome {path} has no index beside it. Write it: samtools faidx {path.name}")
        with path.open("rb") as file:
            if file.read(1) != b">":
                raise UserError(f"The genome {path} is packed, or no FASTA. Unpack it (bgzip -d), and index it again.")
        self._bases = np.memmap(path, dtype=np.uint8, mode="r")
        self._places: dict[str, tuple[int, int, int, int]] = {}
        for line in index.read_text(encoding="utf-8").splitlines():
            name, *cells = line.split("\t")
            if len(cells) < 4 or not all(cell.isdecimal() for cell in cells[:4]):
                raise UserError(f"The index {index} is none of samtools faidx. Write it again.")
            length, offset, bases, width = map(int, cells[:4])
            if offset + length > len(self._bases):
                raise UserError(f"The index {index} is of another genome: it ends past the file. Write it again.")
            self._places[name.lower().removeprefix("chr")] = (length, offset, bases, width)

    def triplets(self, chromosome: str, positions: np.ndarray) -> np.ndarray:
        """Return the base before, at and after each position.

        Args:
            chromosome: With or without `chr`.
            positions: (positions,), from 1.

        Returns:
            (positions, 3), letters as bytes; N where the genome has no such place.
        """
        name = chromosome.lower().removeprefix("chr")
        place = self._places.get("m" if name == "mt" and "mt" not in self._places else name)
        found = np.full((len(positions), 3), ord("N"), dtype=np.uint8)
        if place is None:
            return found
        length, offset, bases, width = place
        wanted = np.asarray(positions, dtype=np.int64)[:, None] + np.array([-2, -1, 0])
        inside = (wanted >= 0) & (wanted < length)
        at = wanted[inside]
        found[inside] = self._bases[offset + at // bases * width + at % bases]
        return found
