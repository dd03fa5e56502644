"""somalier's tables, as `somalier relate` 0.3 writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from unibase.groundwork.problems import Unusable
from unibase.omics.samples.genotypes import pair_findings, read_pairs, read_sexes

PAIRS = """\
#sample_a\tsample_b\trelatedness\tibs0\tibs2\thom_concordance\thets_a\thets_b\tn
T1\tN1\t0.98\t0\t16000\t0.99\t5000\t5000\t16500
T2\tN2\t0.01\t1700\t6500\t0.08\t5000\t5000\t16500
T1\tN2\t0.97\t0\t16000\t0.98\t5000\t5000\t16500
T3\tN3\t0.55\t3\t12000\t0.97\t900\t5000\t16500
N3\tN4\t0.53\t500\t9000\t0.6\t5000\t5000\t16500
T4\tN4\t0.02\t1\t20\t0.1\t5\t5\t60
T4\tN1\tnan\t0\t0\tnan\t0\t0\t500
T1\tX\t0.9\t0\t16000\t0.9\t5000\t5000\t16500
"""
PERSONS = {f"{kind}{number}": number for kind in "TN" for number in range(1, 5)}


def test_swaps_and_second_names_are_found_and_siblings_and_lossy_tumours_are_not(tmp_path: Path) -> None:
    path = tmp_path / "x.pairs.tsv"
    path.write_text(PAIRS)
    findings = pair_findings(read_pairs(path), PERSONS)
    # T3 lost heterozygosity, 3 and 4 are siblings, T4 has too few sites, X is nobody's.
    assert findings.select("sample", "other", "finding", "value").rows() == [
        ("N2", "T1", "duplicate-suspected", 0.97),
        ("N2", "T2", "swap-suspected", 0.01),
    ]


def test_tables_of_the_first_versions_lack_columns(tmp_path: Path) -> None:
    path = tmp_path / "x.pairs.tsv"
    path.write_text("sample_a\tsample_b\trelatedness\nT1\tN1\t0.1\nT1\tN2\t0.69\n")
    assert pair_findings(read_pairs(path), PERSONS)["finding"].to_list() == ["swap-suspected"]


def test_what_is_no_table_of_somaliers_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    for text, said in (
        ("a\tb\n1\t2\n", "lacks sample_a, sample_b, relatedness"),
        ("sample_a\tsample_b\trelatedness\nT1\tN1\t0.9\nT1\tN2\thigh\n", "Row 2 has no number"),
        ("", "cannot be read"),
    ):
        path.write_text(text)
        with pytest.raises(Unusable, match=said):
            read_pairs(path)


def test_sexes_are_those_that_somalier_tells(tmp_path: Path) -> None:
    path = tmp_path / "x.samples.tsv"
    path.write_text("#family_id\tsample_id\tsex\toriginal_pedigree_sex\nf\tT1\t1\t2\nf\tT2\t2\t2\nf\tT3\t-9\t1\n")
    assert read_sexes(path).rows() == [("T1", "M"), ("T2", "F"), ("T3", "indeterminate")]
