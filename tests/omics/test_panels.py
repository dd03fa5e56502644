"""What was sequenced decides what is a negative: a generated GENIE of twenty panels beside a count by hand, as cBioPortal counts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from unibase.groundwork.problems import UserError
from unibase.omics.assays.mutations import combine_tables
from unibase.omics.assays.registry import AssayFiles, read
from unibase.omics.genes import gene_table
from unibase.omics.readers.panels import Panel, read_panels, read_sample_panels

GENES = sorted(gene.symbol for gene in gene_table()._symbol.values() if gene.locus_type == "gene with protein product")[:400]

COUNTED = ("Frame_Shift_Del", "Frame_Shift_Ins", "Splice_Site", "Translation_Start_Site", "Nonsense_Mutation", "Nonstop_Mutation",
           "In_Frame_Del", "In_Frame_Ins", "Missense_Mutation")  # fmt: skip
"""The nine classes that maftools counts in `tmb` (its vc_nonSyn), over megabases of the capture."""
OTHERS = ("Silent", "Intron", "3'UTR", "5'Flank", "RNA", "IGR", "Splice_Region")


@dataclass(frozen=True)
class Genie:
    """A generated GENIE, and its truth."""

    covered: dict[str, set[str]]
    bases: dict[str, int]
    panel_of: dict[str, str]
    variants: list[tuple[str, str, int]]
    """Sample, gene, position; those of `silent` places change no protein."""
    silent: frozenset[int] = frozenset()

    def files(self, folder: Path) -> AssayFiles:
        intervals = ["Chromosome\tStart_Position\tEnd_Position\tHugo_Symbol\tID\tSEQ_ASSAY_ID\tFeature_Type\tincludeInPanel"]
        for panel, genes in self.covered.items():
            length = self.bases[panel] // len(genes)
            for i, gene in enumerate(sorted(genes)):
                start = 1 + i * 10_000
                row = f"1\t{{}}\t{{}}\t{gene}\tx\t{panel}\t{{}}\t{{}}"
                # Each base of the exon twice; an intron and a gene outside the panel, where no mutation is looked for.
                intervals += [
                    row.format(start, start + length - 1, "exon", "True"),
                    row.format(start, start + length // 2, "exon", "True"),
                ]
                intervals.append(row.format(start + 5000, start + 5100, "intron", "True"))
            intervals.append(f"2\t1\t900\t{min(set(GENES) - genes)}\tx\t{panel}\texon\tFalse")
        (folder / "genomic_information.txt").write_text("\n".join(intervals) + "\n")
        matrix = [f"{sample}\t{panel or 'NA'}\t{panel or 'NA'}" for sample, panel in self.panel_of.items()]
        (folder / "data_gene_matrix.txt").write_text("\n".join(["SAMPLE_ID\tmutations\tcna", *matrix]) + "\n")
        rows = [f"{gene}\t1\t{place}\t{self.word(place)}\tC\tT\t{sample}" for sample, gene, place in self.variants]
        titles = "Hugo_Symbol\tChromosome\tStart_Position\tVariant_Classification\tReference_Allele\tTumor_Seq_Allele2\tTumor_Sample_Barcode"
        (folder / "m.maf").write_text("\n".join([titles, *rows]) + "\n")
        said = {"panels": str(folder / "data_gene_matrix.txt"), "panel_genes": str(folder / "genomic_information.txt")}
        files = AssayFiles.of(folder / "m.maf", None, megabases=40.0, **said)
        return AssayFiles(files.matrix, files.said, files.study, tuple(read_sample_panels(said["panels"])))

    def word(self, place: int) -> str:
        words = OTHERS if place in self.silent else COUNTED
        return words[place % len(words)]

    def changing(self) -> list[tuple[str, str, int]]:
        return [one for one in self.variants if one[2] not in self.silent]


def genie(seed: int) -> Genie:
    rng = np.random.default_rng(seed)
    covered = {f"LYON-v{i}": set(rng.choice(GENES, rng.integers(20, 200), replace=False)) for i in range(20)}
    bases = {panel: len(genes) * int(rng.integers(200, 4000)) for panel, genes in covered.items()}
    choice = [*covered, "WES", ""]
    panel_of = {f"GENIE-CHU-{i:04d}": str(rng.choice(choice)) for i in range(300)}
    variants = [
        (str(rng.choice(list(panel_of))), str(rng.choice(GENES[:60])), int(place))
        for place in rng.choice(10**6, 900, replace=False)
    ]
    return Genie(covered, bases, panel_of, variants, frozenset(place for _, _, place in variants[::3]))


def covers(world: Genie, sample: str, gene: str) -> bool:
    panel = world.panel_of[sample]
    return panel == "WES" or (panel != "" and gene in world.covered[panel])


@pytest.mark.parametrize("seed", range(3))
def test_profiled_and_mutated_are_counted_as_cbioportal_counts(tmp_path: Path, seed: int) -> None:
    world = genie(seed)
    adata = combine_tables([read("mutations", world.files(tmp_path)).adata])
    frame = adata.to_df()
    assert sorted(frame.index) == sorted(sample for sample, panel in world.panel_of.items() if panel)
    carried = {(sample, gene) for sample, gene, _ in world.changing()}
    for gene in frame.columns:
        expected = {s: float((s, gene) in carried) if covers(world, s, gene) else np.nan for s in frame.index}
        np.testing.assert_array_equal(frame[gene].to_numpy(), np.array([expected[s] for s in frame.index]), gene)
    sizes = {
        "WES": 40.0,
        **{panel: world.bases[panel] // len(genes) * len(genes) / 1e6 for panel, genes in world.covered.items()},
    }
    burden = {s: sum(covers(world, s, gene) for name, gene, _ in world.changing() if name == s) for s in frame.index}
    np.testing.assert_array_equal(adata.obs["variants"], [burden[s] for s in frame.index])
    np.testing.assert_allclose(adata.obs["tmb"], [burden[s] / sizes[world.panel_of[s]] for s in frame.index], rtol=1e-12)


def test_another_centre_s_genes_are_missing_off_a_panel(tmp_path: Path) -> None:
    world = Genie(
        {"P": {"TP53", "KRAS"}},
        {"P": 4000},
        {"a": "P", "b": "WES", "c": ""},
        [("a", "TP53", 1), ("b", "EGFR", 9), ("c", "TP53", 5)],
    )
    other = Genie({"Q": {"BRAF"}}, {"Q": 1000}, {"d": "Q"}, [("d", "BRAF", 3)])
    for name in ("lyon", "CHU-été"):
        (tmp_path / name).mkdir()
    gated = [read("mutations", w.files(tmp_path / name)) for w, name in ((world, "lyon"), (other, "CHU-été"))]
    frame = combine_tables([part.adata for part in gated]).to_df()
    nan = np.nan
    expected = {"a": [nan, nan, 1], "b": [0, 1, 0], "d": [1, nan, nan]}
    assert list(frame.columns) == ["BRAF", "EGFR", "TP53"]
    for sample, values in expected.items():
        np.testing.assert_array_equal(frame.loc[sample], values)
    assert "1 panels of 2 samples: genes off a sample's panel are missing in it" in gated[0].notes


FORMS = {
    "cBioPortal": ("stable_id: P\ndescription: x\ngene_list: TP53\tMLL2\n\nstable_id: Q\ngene_list: KRAS\n", None),
    "with sizes": ("panel;gene;megabases\nP;TP53;1,5\nP;MLL2;1,5\nQ;KRAS;0,25\n", (1.5, 0.25)),
    "without": ("panel,gene\nP,TP53\nP,MLL2\nQ,KRAS\n", None),
}


@pytest.mark.parametrize("form", FORMS)
def test_panels_in_every_form(tmp_path: Path, form: str) -> None:
    text, sizes = FORMS[form]
    (tmp_path / "genes.txt").write_text(text)
    (tmp_path / "samples.csv").write_text("sample,panel\nlyon-1,P\nlyon-2,Q\nlyon-3,WGS\nlyon-4,\n")
    found = read_panels(tmp_path / "samples.csv", tmp_path / "genes.txt")
    first, second = sizes or (None, None)
    assert found.of == {"lyon-1": "P", "lyon-2": "Q", "lyon-3": ""}
    assert found.covered == {"P": Panel(frozenset({"TP53", "KMT2D"}), first), "Q": Panel(frozenset({"KRAS"}), second)}


@pytest.mark.parametrize(
    ("samples", "genes", "said"),
    [
        ("sample,panel\na,P\n", "panel,gene\nQ,TP53\n", "no genes of the panel P"),
        ("sample,panel\na,P\na,Q\n", "panel,gene\nP,TP53\n", "Row 2 of .* another panel"),
        ("name,panel\na,P\n", "panel,gene\nP,TP53\n", "lacks a column of samples"),
        ("sample,panel\na,P\n", "panel,symbols\nP,TP53\n", "lacks a column of panels or of genes"),
        ("sample,panel\na,P\n", "panel,gene,megabases\nP,TP53,1.5\nP,KRAS,2\n", "Row 2 of .* megabases"),
    ],
)
def test_panels_that_cannot_be_read_are_refused(tmp_path: Path, samples: str, genes: str, said: str) -> None:
    (tmp_path / "samples.csv").write_text(samples)
    (tmp_path / "genes.csv").write_text(genes)
    with pytest.raises(UserError, match=said):
        read_panels(tmp_path / "samples.csv", tmp_path / "genes.csv")
