"""Scars that a deficient repair by homologous recombination leaves in a genome: LOH, TAI and LST, and their sum.

Sources: Abkevich et al., Br J Cancer 2012, 107:1776 (LOH); Birkbak et al., Cancer Discov 2012, 2:366 (TAI); Popova et al., Cancer Res
2012, 72:5454 (LST); as Sztupinszki et al., npj Breast Cancer 2018, 4:16 count them (scarHRD). The copies of most of a
chromosome, which TAI is told against, are total copies, as there for Sequenza's files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

import polars as pl

from unibase.omics.assays.genome import CENTROMERES, Build

MIN_LOH, MIN_TAI = 15_000_000, 1_000_000
MIN_STABLE, MAX_SMALL = 10_000_000, 3_000_000
"""Bases: of a region of LOH (more than), of a segment for TAI, of both sides of a transition, and of what is smoothed away (less than)."""
MIN_KNOWN = 0.9
"""A sample has scores where alleles are told apart on this share, at least, of the autosomal bases that segments cover."""


@dataclass(frozen=True)
class Piece:
    """A piece of a chromosome of one copy number: bases from start to end, copies of the commoner and the rarer allele."""

    start: int
    end: int
    major: int
    minor: int

    @property
    def size(self) -> int:
        """Bases between its ends, as scarHRD measures it."""
        return self.end - self.start

    @property
    def total(self) -> int:
        """Copies of both alleles."""
        return self.major + self.minor


def scar_scores(segments: pl.DataFrame, build: Build) -> pl.DataFrame:
    """Count the scars of each sample.

    Args:
        segments: As `read_segments` gives them: sample, chromosome, start, end, total and minor copies.
        build: Which genome the positions are of.

    Returns:
        sample, hrd_loh, hrd_tai, hrd_lst, hrd_sum: null where alleles are told apart on less than nine tenths of the bases, or copies
        are no whole numbers. Without columns of copies, `sample` alone and no row.
    """
    if not {"total", "minor"} <= set(segments.columns):
        return pl.DataFrame(schema={"sample": pl.String()})
    autosomes = segments.filter(pl.col("chromosome").is_in(list(CENTROMERES[build])))
    rows = [(str(key[0]), *_scores(part, build)) for key, part in autosomes.group_by("sample", maintain_order=True)]
    names = ("hrd_loh", "hrd_tai", "hrd_lst", "hrd_sum")
    return pl.DataFrame(rows, schema={"sample": pl.String(), **dict.fromkeys(names, pl.Float64())}, orient="row").sort("sample")


def _scores(sample: pl.DataFrame, build: Build) -> tuple[float | None, ...]:
    """Return the three scores of the segments of one sample, and their sum."""
    bases = int((sample["end"] - sample["start"] + 1).sum())
    told = sample.filter(pl.col("minor").is_not_null() & pl.col("total").is_not_null())
    known = int((told["end"] - told["start"] + 1).sum())
    if not known or known < MIN_KNOWN * bases or told.filter((pl.col("total") % 1 != 0) | (pl.col("minor") % 1 != 0)).height:
        return (None,) * 4
    genome = dict(_chromosomes(told))
    loh = sum(count_loh(pieces) for pieces in genome.values())
    order = list(dict.fromkeys(piece.total for pieces in genome.values() for piece in _long(pieces)))
    tai = sum(count_tai(pieces, CENTROMERES[build][name], order) for name, pieces in genome.items())
    lst = sum(count_lst(pieces, CENTROMERES[build][name]) for name, pieces in genome.items())
    return (float(loh), float(tai), float(lst), float(loh + tai + lst))


def _chromosomes(told: pl.DataFrame) -> Iterator[tuple[str, list[Piece]]]:
    """Yield each chromosome and its pieces in order, neighbours of the same copies as one."""
    found: dict[str, list[Piece]] = {}
    ordered = told.with_columns(pl.col("chromosome").cast(pl.Int64()).alias("number")).sort("number", "start", "end")
    for name, start, end, total, minor in ordered.select("chromosome", "start", "end", "total", "minor").iter_rows():
        less = min(int(minor), int(total) - int(minor))
        found.setdefault(name, []).append(Piece(start, end, int(total) - less, less))
    yield from ((name, merged(pieces)) for name, pieces in found.items())


def merged(pieces: Iterable[Piece]) -> list[Piece]:
    """Return pieces of which neighbours of the same copies are one, whatever lies between them.

    `pieces`: of one chromosome, in order.

    >>> [(one.start, one.end) for one in merged([Piece(1, 5, 1, 1), Piece(9, 12, 1, 1), Piece(13, 20, 2, 1)])]
    [(1, 12), (13, 20)]
    """
    return [_spanning(list(same)) for _, same in groupby(pieces, key=lambda one: (one.major, one.minor))]


def _spanning(same: list[Piece]) -> Piece:
    return replace(same[0], end=max(piece.end for piece in same))


def count_loh(pieces: Sequence[Piece]) -> int:
    """Count regions of lost heterozygosity above 15 Mb; a chromosome of which nothing is heterozygous has none.

    Args:
        pieces: Of one chromosome, merged.

    >>> count_loh([Piece(1, 20_000_000, 2, 0), Piece(20_000_001, 90_000_000, 1, 1)])
    1
    """
    regions = merged(replace(piece, major=min(piece.major, 1)) for piece in pieces)
    found = sum(_is_loh(one) for one in regions)
    return found if any(piece.minor for piece in pieces) else 0


def _is_loh(piece: Piece) -> bool:
    return piece.minor == 0 and piece.major > 0 and piece.size > MIN_LOH


def _long(pieces: Sequence[Piece]) -> list[Piece]:
    return merged(piece for piece in pieces if piece.size >= MIN_TAI)


def count_tai(pieces: Sequence[Piece], centromere: tuple[int, int], order: Sequence[int] = ()) -> int:
    """Count ends of a chromosome, 0 to 2, that are in allelic imbalance up to before the centromere.

    Where the copies of most of the chromosome are odd and not 1, balance is that number with both alleles there.

    Args:
        pieces: Of one chromosome, merged.
        centromere: Its first and last base.
        order: Copies, those first that are taken of two that cover as much.

    >>> count_tai([Piece(1, 20_000_000, 2, 1), Piece(20_000_001, 90_000_000, 1, 1)], (40_000_000, 44_000_000))
    1
    """
    long = _long(pieces)
    covered: dict[int, int] = {total: 0 for total in order if total}
    for piece in long:
        if piece.total:
            covered[piece.total] = covered.get(piece.total, 0) + piece.size
    if len(long) < 2 or not covered:
        return 0
    most = max(covered, key=lambda total: covered[total])
    return (_imbalanced(long[0], most) and long[0].end < centromere[0]) + (
        _imbalanced(long[-1], most) and long[-1].start > centromere[1]
    )


def _imbalanced(piece: Piece, most: int) -> bool:
    if most == 1 or most % 2 == 0:
        return piece.major != piece.minor
    return not (piece.total == most and piece.minor > 0)


def count_lst(pieces: Sequence[Piece], centromere: tuple[int, int]) -> int:
    """Count breaks between pieces of 10 Mb and more, less than 3 Mb apart, in either arm, pieces below 3 Mb smoothed away.

    Args:
        pieces: Of one chromosome, merged.
        centromere: Its first and last base.

    >>> count_lst([Piece(1, 20_000_000, 2, 1), Piece(20_000_001, 60_000_000, 1, 1)], (40_000_000, 44_000_000))
    1
    """
    arms = _arms(pieces, centromere) if len(pieces) > 1 else ()
    return sum(_transitions(arm) for arm in arms)


def _arms(pieces: Sequence[Piece], centromere: tuple[int, int]) -> tuple[list[Piece], list[Piece]]:
    short = merged(piece for piece in pieces if piece.start <= centromere[0])
    long = merged(piece for piece in pieces if piece.end >= centromere[1])
    short[-1:] = [replace(piece, end=centromere[0]) for piece in short[-1:]]
    long[:1] = [replace(piece, start=centromere[1]) for piece in long[:1]]
    return short, long


def _transitions(arm: list[Piece]) -> int:
    while small := [piece for piece in arm if piece.size < MAX_SMALL]:
        arm = merged(piece for piece in arm if piece is not small[0])
    return sum(a.size >= MIN_STABLE and b.size >= MIN_STABLE and b.start - a.end < MAX_SMALL for a, b in pairwise(arm))
