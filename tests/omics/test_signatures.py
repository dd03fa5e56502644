"""Signatures: types of substitutions, spectra from MAF and VCF, and the refit beside a twin that tries every set of signatures."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from unibase.groundwork.problems import Unusable, UserError
from unibase.methods.signatures import TYPES, refit, types_of
from unibase.omics.assays.exposures import read_signatures, spectra_of
from unibase.omics.assays.registry import AssayFiles, read
from unibase.omics.options import Assays, MutationOptions
from unibase.omics.readers.indexed_genome import IndexedGenome
from unibase.omics.readers.maf import read_maf

MATE = dict(zip("ACGT", "TGCA", strict=True))
WIDTH = 60
NAMES = ["SBS1", "SBS4", "SBS13", "SBS44"]
MAF = "Hugo_Symbol\tChromosome\tStart_Position\tEnd_Position\tReference_Allele\tTumor_Seq_Allele2\tVariant_Classification\tTumor_Sample_Barcode\n"


def profiles(seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(96, 0.15), len(NAMES)).T


def genome(folder: Path, bases: int = 5000) -> tuple[Path, str]:
    """Write a chromosome of lines of 60 bases, small letters among them, with its index."""
    text = "".join(np.random.default_rng(3).choice(list("ACGTacgt"), bases))
    head = ">chr7 a chromosome\n"
    path = folder / "genome.fa"
    path.write_text(head + "".join(text[i : i + WIDTH] + "\n" for i in range(0, bases, WIDTH)))
    (folder / "genome.fa.fai").write_text(f"chr7\t{bases}\t{len(head)}\t{WIDTH}\t{WIDTH + 1}\n")
    return path, text.upper()


def matrix(folder: Path, shares: np.ndarray, order: np.ndarray | None = None) -> Path:
    path = folder / "signatures.txt"
    rows = [f"{TYPES[i]}\t" + "\t".join(repr(float(v)) for v in shares[i]) for i in (range(96) if order is None else order)]
    path.write_text("\t".join(["Type", *NAMES]) + "\n" + "\n".join(rows) + "\n")
    return path


def substitutions(text: str, number: int, seed: int = 9) -> list[tuple[int, str, str]]:
    """Return places (from 1), references and alleles drawn on a chromosome, no place twice."""
    rng = np.random.default_rng(seed)
    places = rng.choice(np.arange(2, len(text) - 2), number, replace=False)
    return [(int(at), text[at - 1], str(rng.choice(sorted(set("ACGT") - {text[at - 1]})))) for at in places]


def by_hand(text: str, at: int, allele: str) -> str:
    """Return the type of a substitution, letter by letter."""
    before, reference, after = text[at - 2], text[at - 1], text[at]
    if reference in "AG":
        before, reference, after, allele = MATE[after], MATE[reference], MATE[before], MATE[allele]
    return f"{before}[{reference}>{allele}]{after}"


def maf(folder: Path, rows: list[tuple[int, str, str]], sample: str = "CHU-été-1", gene: str = "EGFR") -> Path:
    path = folder / "x.maf"
    lines = [f"{gene}\tchr7\t{at}\t{at}\t{ref}\t{alt}\tIntron\t{sample}\n" for at, ref, alt in rows]
    path.write_text(MAF + "".join(lines))
    return path


def test_the_96_types_are_each_there_once_and_both_strands_are_one() -> None:
    assert len(set(TYPES)) == 96
    for seed in range(3):
        _, text = "", "".join(np.random.default_rng(seed).choice(list("ACGT"), 400))
        drawn = substitutions(text, 200, seed)
        triplets = np.array([list(text[at - 2 : at + 1].encode()) for at, _, _ in drawn], dtype=np.uint8)
        found = types_of(triplets, np.frombuffer("".join(alt for _, _, alt in drawn).encode(), dtype=np.uint8))
        assert [TYPES[i] for i in found] == [by_hand(text, at, alt) for at, _, alt in drawn]
    unknown = np.array([list(b"ANC"), list(b"ACC"), list(b"NCA")], dtype=np.uint8)
    assert types_of(unknown, np.array(list(b"TCT"), dtype=np.uint8)).tolist() == [-1, -1, -1]


@pytest.mark.parametrize("seed", range(6))
def test_the_refit_is_the_best_of_all_sets_of_signatures(seed: int) -> None:
    shares, rng = profiles(seed), np.random.default_rng(seed)
    spectra = rng.poisson(shares @ (rng.gamma(0.5, 200, len(NAMES)) * (rng.random(len(NAMES)) < 0.7)) + 0.3, (3, 96)).astype(
        float
    )
    found = refit(spectra, shares)
    for row, spectrum in enumerate(spectra):
        best, kept = float((spectrum**2).sum()), np.zeros(len(NAMES))
        for size in range(1, len(NAMES) + 1):
            for some in map(list, combinations(range(len(NAMES)), size)):
                values = np.linalg.lstsq(shares[:, some], spectrum, rcond=None)[0]
                rest = float(((spectrum - shares[:, some] @ values) ** 2).sum())
                if (values >= 0).all() and rest < best - 1e-9:
                    best, kept = rest, np.zeros(len(NAMES))
                    kept[some] = values
        np.testing.assert_allclose(found.substitutions[row], kept, rtol=1e-9, atol=1e-9)
        explained = shares @ kept
        cosine = explained @ spectrum / np.linalg.norm(explained) / np.linalg.norm(spectrum)
        assert found.cosine[row] == pytest.approx(cosine, rel=1e-9)


def test_spectra_have_each_substitution_once_whatever_its_gene(tmp_path: Path) -> None:
    path, text = genome(tmp_path)
    drawn = substitutions(text, 150)
    expected = np.zeros(96)
    for at, _, alt in drawn:
        expected[TYPES.index(by_hand(text, at, alt))] += 1
    twice = [*drawn, *drawn[:40], (30, "CA", "C"), (31, "-", "T")]
    data = read_maf(maf(tmp_path, twice, gene="Unknown"), substitutions=True)
    spectra, left_out = spectra_of(data, IndexedGenome(path))
    np.testing.assert_array_equal(spectra, [expected])
    assert left_out == 0
    assert read_maf(maf(tmp_path, twice)).substitutions is None
    records = "".join(
        f"chr7\t{at}\t.\t{ref}\t{alt}\t.\tPASS\tCSQ={alt}|intron_variant||\tGT\t0/1\t0/0\n" for at, ref, alt in drawn
    )
    head = '##fileformat=VCFv4.2\n##tumor_sample=CHU-T\n##INFO=<ID=CSQ,Description="Format: Allele|Consequence|SYMBOL|Gene">\n'
    titles = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tCHU-T\tCHU-N\n"
    called = "chr7\t70\t.\tA\tC\t.\tPASS\tCSQ=C|intron_variant||\tGT\t0/1\t0/1\nchr7\t71\t.\tA\tC\t.\tweak\tCSQ=C|intron_variant||\tGT\t0/1\t0/0\n"
    (tmp_path / "x.vcf").write_text(head + titles + records + records[: records.index("\n") + 1] + called)
    study = Assays(
        mutations=MutationOptions(signatures=str(matrix(tmp_path, profiles())), genome=str(path), least_substitutions=20)
    )
    of_vcf = read("mutations", AssayFiles.of(tmp_path / "x.vcf", study)).adata.obs
    (tmp_path / "m").mkdir()
    of_maf = read("mutations", AssayFiles.of(maf(tmp_path / "m", drawn), study)).adata.obs
    columns = [f"signature_{name}" for name in (*NAMES, "cosine")]
    np.testing.assert_array_equal(of_vcf.loc["CHU-T", columns], of_maf.loc["CHU-été-1", columns])
    np.testing.assert_allclose(
        of_maf.loc["CHU-été-1", columns[:-1]].astype(float), refit(expected[None], profiles()).substitutions[0], rtol=1e-9
    )


def test_too_few_substitutions_are_missing_and_a_new_sample_changes_no_other(tmp_path: Path) -> None:
    path, text = genome(tmp_path)
    study = Assays(mutations=MutationOptions(signatures=str(matrix(tmp_path, profiles())), genome=str(path)))
    drawn = substitutions(text, 120)
    alone = read("mutations", AssayFiles.of(maf(tmp_path, drawn), study)).adata.obs
    more = maf(tmp_path, drawn).read_text() + "".join(
        f"EGFR\tchr7\t{at}\t{at}\t{ref}\t{alt}\tIntron\tLY-2\n" for at, ref, alt in drawn[:49]
    )
    (tmp_path / "x.maf").write_text(more)
    gated = read("mutations", AssayFiles.of(tmp_path / "x.maf", study))
    columns = [f"signature_{name}" for name in (*NAMES, "cosine")]
    assert set(columns) <= set(gated.keep)
    np.testing.assert_array_equal(gated.adata.obs.loc["CHU-été-1", columns], alone.loc["CHU-été-1", columns])
    assert gated.adata.obs.loc["LY-2", columns].isna().all()
    assert "1 samples have fewer than 50 substitutions: no signatures" in gated.notes


def test_another_genome_is_refused_and_a_reference_that_differs_left_out(tmp_path: Path) -> None:
    path, text = genome(tmp_path)
    drawn = substitutions(text, 200)
    at, reference, allele = drawn[0]
    other = next(base for base in "ACGT" if base not in (reference, allele))
    spectra, left_out = spectra_of(
        read_maf(maf(tmp_path, [(at, other, allele), *drawn[1:]]), substitutions=True), IndexedGenome(path)
    )
    assert (spectra.sum(), left_out) == (199, 1)
    shifted = [(at + 7, ref, alt) for at, ref, alt in substitutions(text, 100)]
    with pytest.raises(Unusable, match="other-build"):
        spectra_of(read_maf(maf(tmp_path, shifted), substitutions=True), IndexedGenome(path))
    elsewhere = maf(tmp_path, substitutions(text, 100)).read_text().replace("chr7", "chrUn")
    (tmp_path / "x.maf").write_text(elsewhere)
    spectra, left_out = spectra_of(read_maf(tmp_path / "x.maf", substitutions=True), IndexedGenome(path))
    assert spectra.sum() == 0
    assert left_out == 100


def test_a_matrix_in_any_order_is_one_and_what_is_none_is_refused(tmp_path: Path) -> None:
    shares = profiles()
    path = matrix(tmp_path, shares, np.random.default_rng(1).permutation(96))
    np.testing.assert_array_equal(read_signatures(path).profiles, shares)
    assert read_signatures(path).names == tuple(NAMES)
    whole = path.read_text()
    for text, word in (
        (whole.replace("A[C>A]A", "A[C>A]G"), "96 types"),
        (whole.replace("SBS1\t", "SBS1\tcount\t").replace("]A\t", "]A\t5\t").replace("]C\t", "]C\t5\t").replace("]G\t", "]G\t5\t").replace("]T\t", "]T\t5\t"), "adds? up to 1"),
    ):  # fmt: skip
        path.write_text(text)
        with pytest.raises(UserError, match=word):
            read_signatures(path)
    with pytest.raises(UserError, match="no table of signatures"):
        read_signatures(tmp_path / "none.txt")


def test_a_genome_without_index_packed_or_of_another_index_is_refused(tmp_path: Path) -> None:
    path, _ = genome(tmp_path)
    index = tmp_path / "genome.fa.fai"
    told = index.read_text()
    for text, word in ((told.replace("5000", "9000"), "another genome"), ("chr7 5000", "none of samtools")):
        index.write_text(text)
        with pytest.raises(UserError, match=word):
            IndexedGenome(path)
    index.unlink()
    with pytest.raises(UserError, match=r"samtools faidx genome\.fa"):
        IndexedGenome(path)
    index.write_text(told)
    path.write_bytes(b"\x1f\x8b")
    with pytest.raises(UserError, match="bgzip -d"):
        IndexedGenome(path)
    with pytest.raises(UserError, match="needs genome"):
        read("mutations", AssayFiles.of(maf(tmp_path, [(5, "A", "C")]), Assays(mutations=MutationOptions(signatures="x"))))
