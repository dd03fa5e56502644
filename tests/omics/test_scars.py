"""Scars of deficient repair: each rule by hand, and generated genomes beside the numbers of scarHRD's own functions."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from unibase.omics.assays import registry
from unibase.omics.assays.genome import CENTROMERES, LENGTHS
from unibase.omics.assays.registry import AssayFiles
from unibase.omics.assays.scars import scar_scores
from unibase.omics.options import Assays, CopyNumberOptions

SCARHRD = [  # LOH, TAI, LST of scarHRD's functions, its columns as its own preprocessing of Sequenza's files leaves them
    (4, 15, 16),
    (6, 15, 20),
    (10, 15, 19),
    (10, 6, 16),
    (12, 4, 13),
    (10, 6, 23),
    (3, 17, 16),
    (24, 13, 30),
    (7, 20, 23),
    (4, 8, 14),
    (5, 20, 15),
    (21, 19, 17),
]


def generated(samples: int = 12) -> pl.DataFrame:
    """Return genomes with gaps, small pieces, cuts around one place, ploidies 1 to 4, and chromosomes of one piece."""
    rng = np.random.default_rng(5)
    rows = []
    for sample in range(samples):
        base = int(rng.integers(1, 5))
        for chromosome, last in list(LENGTHS["hg38"].items())[:22]:
            count = int(rng.integers(1, 14))
            near = rng.integers(1, last, 1) + rng.integers(-8_000_000, 8_000_000, count - 1)
            cuts = rng.integers(1, last, count - 1) if rng.random() < 0.7 else np.clip(near, 2, last - 1)
            edges = [0, *np.unique(cuts).tolist(), last]
            for start, end in pairwise(edges):
                major = int(rng.integers(0, max(2, base) + 1))
                minor = int(rng.integers(0, major + 1))
                if rng.random() < 0.4:
                    major, minor = (base + 1) // 2, base // 2
                if rng.random() > 0.07 and end > start + 1:
                    rows.append((f"s{sample:02d}", chromosome, start + 1, end, float(major + minor), float(minor)))
    return pl.DataFrame(rows, schema=["sample", "chromosome", "start", "end", "total", "minor"], orient="row")


def test_generated_genomes_have_the_numbers_of_scarhrd() -> None:
    found = scar_scores(generated(), "hg38")
    assert [tuple(map(int, row)) for row in found.select("hrd_loh", "hrd_tai", "hrd_lst").iter_rows()] == SCARHRD
    assert (found["hrd_sum"] == found["hrd_loh"] + found["hrd_tai"] + found["hrd_lst"]).all()


WHOLE = [(0, 159, 1, 1)]
RULES = [
    # Pieces of chromosome 7 (Mb from and to, major, minor; centromere 58.1 to 62.1), and LOH, TAI, LST.
    ("nothing", WHOLE, (0, 0, 0)),
    ("LOH of the whole chromosome counts nowhere", [(0, 159, 2, 0)], (0, 0, 0)),
    ("LOH of exactly 15 Mb", [(70, 85, 1, 0), (85, 159, 1, 1)], (0, 0, 1)),
    ("LOH of 16 Mb that two copy numbers share", [(100, 108, 2, 0), (108, 116, 1, 0), (116, 159, 1, 1)], (1, 0, 0)),
    ("both copies lost are no LOH", [(0, 20, 0, 0), (20, 159, 1, 1)], (0, 0, 1)),
    ("imbalance at both ends", [(0, 20, 2, 1), (20, 130, 1, 1), (130, 159, 2, 1)], (0, 2, 2)),
    ("imbalance across the centromere", [(0, 70, 2, 1), (70, 159, 1, 1)], (0, 0, 0)),
    ("imbalance inside", [(0, 20, 1, 1), (20, 40, 3, 1), (40, 159, 1, 1)], (0, 0, 2)),
    ("an end below 1 Mb", [(0, 0.9, 2, 1), (0.9, 159, 1, 1)], (0, 0, 0)),
    ("three copies are balance where most are three", [(0, 20, 1, 1), (20, 159, 2, 1)], (0, 1, 1)),
    ("a small piece is smoothed away", [(0, 20, 1, 1), (20, 22.9, 5, 1), (22.9, 159, 1, 1)], (0, 0, 0)),
    ("a small piece between two that differ", [(0, 20, 1, 1), (20, 22.9, 5, 1), (22.9, 159, 2, 2)], (0, 0, 1)),
    ("a gap of 3 Mb is no transition", [(0, 20, 1, 1), (23.1, 159, 2, 2)], (0, 0, 0)),
    ("a side below 10 Mb", [(0, 9.9, 1, 1), (9.9, 159, 2, 2)], (0, 0, 0)),
]


@pytest.mark.parametrize(("said", "pieces", "scores"), RULES, ids=[rule[0] for rule in RULES])
def test_each_rule_by_hand(said: str, pieces: list[tuple[float, float, int, int]], scores: tuple[int, int, int]) -> None:
    assert CENTROMERES["hg38"]["7"] == (58_100_000, 62_100_000)
    rows = [("s", "7", int(a * 1e6), int(b * 1e6), float(x + y), float(y)) for a, b, x, y in pieces]
    frame = pl.DataFrame(rows, schema=["sample", "chromosome", "start", "end", "total", "minor"], orient="row")
    assert scar_scores(frame, "hg38").row(0) == ("s", *map(float, scores), float(sum(scores))), said
    # The rarer allele may be either, and rows come in any order.
    turned = frame.reverse().with_columns((pl.col("total") - pl.col("minor")).alias("minor"))
    assert scar_scores(turned, "hg38").equals(scar_scores(frame, "hg38"))


@pytest.mark.parametrize("minor", [None, 0.5])
def test_alleles_that_are_not_told_apart_have_no_scores(minor: float | None) -> None:
    frame = pl.DataFrame(
        {"sample": ["s", "s"], "chromosome": ["7", "X"], "start": [1, 1], "end": [9_000_000, 9], "total": [2.0, 1.0]}
    ).with_columns(pl.lit(minor, pl.Float64()).alias("minor"))
    assert scar_scores(frame, "hg38").row(0) == ("s", None, None, None, None)
    assert scar_scores(frame.drop("minor"), "hg38").height == 0


def test_a_doubled_genome_is_not_altered_all_over(tmp_path: Path) -> None:
    """Copies by hand: 100 Mb of 4, 50 Mb of 6, so that the ploidy is 14/3."""
    rows = ["sample chr startpos endpos nMajor nMinor", "S1 1 1 100000000 2 2", "S1 2 1 50000000 4 2"]
    (tmp_path / "S1.txt").write_text("\n".join(rows).replace(" ", "\t") + "\n")

    def read(relative_to: str) -> registry.Gated:
        study = Assays(copy_number=CopyNumberOptions.model_validate({"relative_to": relative_to}))
        return registry.read("copy_number", AssayFiles.of(tmp_path / "S1.txt", study))

    plain, corrected = read("diploid"), read("ploidy")
    assert plain.adata.obs["fraction_altered"].item() == 1.0 and corrected.adata.obs["fraction_altered"].item() == 1.0
    np.testing.assert_allclose(plain.adata[:, "1p"].X, [[1.0]])
    np.testing.assert_allclose(corrected.adata[:, "1p"].X, [[np.log2(4 / (14 / 3))]])
    assert corrected.notes[-1] == "unit: log2 of copies over each sample's ploidy"
    (tmp_path / "S1.txt").write_text("ID\tchrom\tloc.start\tloc.end\tseg.mean\nS1\t1\t1\t9000000\t-0.5\n")
    assert "as the caller centred them" in read("ploidy").notes[-1]
