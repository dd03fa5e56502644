"""What comes in is known by evidence: the same counts in every shape and every unit."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from tests.omics.conftest import random_counts
from unibase.groundwork.problems import Unusable
from unibase.omics.assays import methylation, proteomics
from unibase.omics.assays.gates import check_counts
from unibase.omics.commands import recognise_file
from unibase.omics.genes import gene_table
from unibase.omics.readers.counts import read_counts
from unibase.omics.readers.numeric_tables import Reading
from unibase.omics.readers.segments import read_segments
from unibase.omics.readers.tabular import read_table
from unibase.omics.recognise.counting_noise import combed, less_than_counting, parted_too_evenly, stray_samples
from unibase.omics.recognise.expression_unit import rna_unit
from unibase.omics.recognise.scales import methylation_unit

GENES = [gene for gene in gene_table()._symbol.values() if gene.ensembl and gene.entrez][100:3600:5]
SAMPLES = [f"CHU-été-{i}" for i in range(6)]
COUNTS = random_counts(np.random.default_rng(8), 6, len(GENES))
ENSEMBL = [f"{gene.ensembl}.{i % 9 + 1}" for i, gene in enumerate(GENES)]


def table(names: list[str], values: np.ndarray = COUNTS.T, left: dict[str, list[object]] | None = None) -> pd.DataFrame:
    frame = pd.DataFrame(values, columns=SAMPLES)
    for title, cells in reversed((left or {}).items()):
        frame.insert(0, title, cells)
    frame.insert(0, "gene_id", names)
    return frame


def grouped(mark: str) -> Callable[[pd.DataFrame], str]:
    return lambda frame: frame.map(lambda v: f"{v:,}".replace(",", mark) if isinstance(v, int) else v).to_csv(
        sep="\t", index=False
    )


def totals(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    return pd.concat([frame, pd.DataFrame([[name, *frame[SAMPLES].sum()]], columns=frame.columns)])


SYMBOLS = [gene.symbol for gene in GENES]
SHAPES: dict[str, Callable[[], bytes | str]] = {
    "plain": lambda: table(ENSEMBL).to_csv(sep="\t", index=False),
    "utf-16": lambda: table(ENSEMBL).to_csv(sep="\t", index=False).encode("utf-16"),
    "windows": lambda: table(ENSEMBL).to_csv(sep=";", index=False).replace("\n", "\r\n").encode("cp1252"),
    "byte-order mark": lambda: "\ufeff" + table(ENSEMBL).to_csv(index=False),
    "decimal commas": lambda: table(ENSEMBL).astype(dict.fromkeys(SAMPLES, float)).to_csv(sep=";", index=False, decimal=","),
    "thousands by comma": lambda: grouped(",")(table(ENSEMBL)),
    "thousands by blank": lambda: grouped("\u202f")(table(ENSEMBL)),
    "excel says its separator": lambda: "sep=;\n" + table(ENSEMBL).to_csv(sep=";", index=False),
    "preamble": lambda: "Project: lyon\nDate: 2024\n\n" + table(ENSEMBL).to_csv(sep="\t", index=False),
    "samples in rows": lambda: pd.DataFrame(COUNTS, index=pd.Index(SAMPLES, name="Patient_ID"), columns=SYMBOLS).to_csv(),
    "samples in rows, with clinic": lambda: pd.DataFrame(COUNTS, index=pd.Index(SAMPLES, name="id"), columns=SYMBOLS)
    .assign(age=60, batch=[1, 2] * 3)
    .to_csv(),
    "symbols and NCBI numbers": lambda: table(SYMBOLS, left={"id": [g.entrez for g in GENES]}).to_csv(sep="\t", index=False),
    "NCBI numbers": lambda: table([g.entrez for g in GENES]).to_csv(sep="\t", index=False),
    "firehose": lambda: table([f"{g.symbol}|{g.entrez}" for g in GENES]).to_csv(sep="\t", index=False),
    "depmap": lambda: pd.DataFrame(COUNTS, index=SAMPLES, columns=[f"{g.symbol} ({g.entrez})" for g in GENES]).to_csv(),
    "row numbers": lambda: table(SYMBOLS).reset_index().rename(columns={"index": ""}).to_csv(index=False),
    "sums": lambda: totals(table(ENSEMBL), "Total").to_csv(sep="\t", index=False),
    "sums without a word": lambda: totals(table(ENSEMBL), "xyz").to_csv(sep="\t", index=False),
    "a column of sums": lambda: table(ENSEMBL).assign(somme=COUNTS.sum(0)).to_csv(sep="\t", index=False),
    "annotation": lambda: table(ENSEMBL, left={"gene_type": ["protein_coding"] * len(GENES), "eff_length": list(range(500, 500 + len(GENES)))}).to_csv(
        sep="\t", index=False
    ),
    "counts beside tpm": lambda: pd.concat(
        [table(ENSEMBL).rename(columns={s: f"{s}_count" for s in SAMPLES}), pd.DataFrame(COUNTS.T / 7.3, columns=[f"{s}_tpm" for s in SAMPLES])], axis=1
    ).to_csv(sep="\t", index=False),
    "titles in French, means": lambda: table(SYMBOLS).rename(columns={"gene_id": "Gène"}).assign(moyenne=COUNTS.mean(0), **{"Écart-type": COUNTS.std(0)})
    .to_csv(sep=";", decimal=",", index=False),
    "tabs at the end": lambda: table(ENSEMBL).to_csv(sep="\t", index=False).replace("\n", "\t\n"),
    "quantities before the names": lambda: pd.concat(
        [table(ENSEMBL).rename(columns={s: f"Count_{s}" for s in SAMPLES}), pd.DataFrame(COUNTS.T / 7.3, columns=[f"FPKM_{s}" for s in SAMPLES])], axis=1
    ).to_csv(sep="\t", index=False),
    "quantities in brackets": lambda: pd.concat(
        [table(ENSEMBL).rename(columns={s: f"{s} (raw counts)" for s in SAMPLES}), pd.DataFrame(COUNTS.T / 7.3, columns=[f"{s} (TPM)" for s in SAMPLES])], axis=1
    ).to_csv(sep="\t", index=False),
    "gct 1.3": lambda: f"#1.3\n{len(GENES)}\t6\t1\t1\n"
    + table(ENSEMBL, left={"pr_gene_symbol": list(SYMBOLS)}).to_csv(sep="\t", index=False).replace("\n", "\nsex\tna\t" + "\t".join("FMFMFM") + "\n", 1),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_one_matrix_in_many_shapes(tmp_path: Path, shape: str) -> None:
    text = SHAPES[shape]()
    data = text if isinstance(text, bytes) else text.encode()
    (tmp_path / "matrix.txt").write_bytes(data)
    (tmp_path / "packed.txt").write_bytes(gzip.compress(data))
    for name in ("matrix.txt", "packed.txt"):
        adata = read_counts(tmp_path / name)
        report = check_counts(adata)
        assert list(adata.obs_names) == SAMPLES
        assert list(adata.var_names) == [gene.ensembl for gene in GENES]
        np.testing.assert_array_equal(report.apply(adata).X, COUNTS)


def test_a_spreadsheet_is_a_table(tmp_path: Path) -> None:
    frame = table(SYMBOLS).head(60)
    rows = [list(frame.columns), *frame.to_numpy().tolist()]
    cell = lambda v: f"<c><v>{v}</v></c>" if isinstance(v, int) else f'<c t="inlineStr"><is><t>{v}</t></is></c>'  # noqa: E731
    sheet = "".join(f"<row>{''.join(map(cell, row))}</row>" for row in rows)
    main, office = (
        "http://schemas.openxmlformats.org/spreadsheetml/2006/main",
        "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
    )
    package = "http://schemas.openxmlformats.org/package/2006"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="xml" ContentType="application/xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets><sheet name="a" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" Type="{office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{sheet}</sheetData></worksheet>',
    }  # fmt: skip
    with zipfile.ZipFile(tmp_path / "x.xlsx", "w") as book:
        for name, text in parts.items():
            book.writestr(name, text)
    np.testing.assert_array_equal(read_counts(tmp_path / "x.xlsx").X, COUNTS[:, :60])


REFUSED: dict[str, tuple[Callable[[], pd.DataFrame], str]] = {
    "clinical": (lambda: pd.DataFrame({"patient": SAMPLES, "weight": 60, "height": 170}), "not-recognised"),
    "results": (lambda: pd.DataFrame({"gene_id": ENSEMBL, "baseMean": 3.0, "log2FoldChange": 1.0, "pvalue": 0.1, "padj": 0.2}), "results-table"),
    "long": (lambda: table(ENSEMBL).melt("gene_id"), "long-table"),
    "a stranger": (lambda: table(ENSEMBL).assign(x7=np.random.default_rng(1).integers(500, 9000, len(GENES))), "strange-column"),
    "mutations": (lambda: pd.DataFrame({"Hugo_Symbol": SYMBOLS, "Chromosome": "12", "Start_Position": range(25_000, 25_000 + len(GENES)),
        "Reference_Allele": "C", "Tumor_Seq_Allele2": "A", "Variant_Classification": "Missense_Mutation", "Tumor_Sample_Barcode": "S1", "t_depth": 172,
        "t_alt_count": range(len(GENES))}), "not-a-matrix"),
    "fusions": (lambda: pd.DataFrame({"Sample_Id": "S1", "SV_Status": "SOMATIC", "Site1_Hugo_Symbol": SYMBOLS, "Site2_Hugo_Symbol": SYMBOLS[::-1],
        "Site1_Position": range(len(GENES)), "Site2_Position": range(7, 7 + len(GENES))}), "not-a-matrix"),
    "how often genes are mutated": (lambda: pd.DataFrame({"gene": SYMBOLS, "n_patients": COUNTS[0], "n_mutations": COUNTS[1]}), "not-recognised"),
    "a list of cancer genes": (lambda: pd.DataFrame({"Hugo Symbol": SYMBOLS, "# of occurrence within resources": COUNTS[0] % 8}), "not-recognised"),
    "coverage of a panel": (lambda: pd.DataFrame({"gene": SYMBOLS, "mean_coverage": COUNTS[0], "min_coverage": COUNTS[1]}), "not-recognised"),
    "places of genes": (lambda: pd.DataFrame({"gene": SYMBOLS, "chr_num": COUNTS[0] % 22 + 1, "start": COUNTS[1], "end": COUNTS[1] + 9}), "not-recognised"),
    "no title": (lambda: table(ENSEMBL).rename(columns={SAMPLES[2]: ""}), "no-sample-names"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_nothing_is_data_because_it_is_numeric(tmp_path: Path, what: str) -> None:
    make, reason = REFUSED[what]
    make().to_csv(tmp_path / "x.tsv", sep="\t", index=False)
    with pytest.raises(Unusable) as problem:
        read_counts(tmp_path / "x.tsv")
    assert problem.value.reason == reason and problem.value.remedy


def test_copies_of_a_few_genes_are_no_counts(tmp_path: Path) -> None:
    copies = np.random.default_rng(3).choice([0, 1, 2, 2, 2, 3, 4], (6, 30))
    pd.DataFrame(copies.T, columns=SAMPLES).assign(gene=SYMBOLS[:30]).set_index("gene").to_csv(tmp_path / "x.csv")
    with pytest.raises(Unusable, match="copies of genes"):
        check_counts(read_counts(tmp_path / "x.csv"))


def test_headerless_tables_have_no_sample_names_and_take_the_file_s(tmp_path: Path) -> None:
    path = tmp_path / "lyon-7.counts.tsv"
    path.write_text("".join(f"{gene}\t{value}\n" for gene, value in zip(ENSEMBL, COUNTS[0], strict=True)))
    with pytest.raises(Unusable, match="no-sample-names"):
        read_counts(path)
    adata = read_counts(path, sample_from="file name")
    assert list(adata.obs_names) == ["lyon-7"]
    np.testing.assert_array_equal(adata.X[0], COUNTS[0])


DEPTH = COUNTS.sum(axis=1, keepdims=True)
LENGTH = np.random.default_rng(3).integers(400, 9000, len(GENES))
TPM = COUNTS / LENGTH / (COUNTS / LENGTH).sum(axis=1, keepdims=True) * 1e6
QUARTILE = np.array([np.quantile(row[row > 0], 0.75) for row in COUNTS])[:, None]
SHALLOW = np.random.default_rng(9).poisson(np.random.default_rng(5).gamma(0.3, 9, (6, 2000)))
"""Reads of which many genes have none."""
UNITS: dict[str, tuple[np.ndarray, str]] = {
    "counts": (COUNTS, "counts"),
    "CPM": (COUNTS / DEPTH * 1e6, "CPM"),
    "TPM": (TPM, "TPM"),
    "TPM, rounded": (np.rint(TPM), "TPM or CPM, rounded"),
    "FPKM": (COUNTS / LENGTH / DEPTH * 1e9, "FPKM"),
    "RSEM": (COUNTS / QUARTILE * 1000, "RSEM values of TCGA"),
    "size factors": (COUNTS / np.linspace(0.6, 1.8, 6)[:, None], "counts divided by a size factor"),
    "size factors, rounded": (
        np.rint(np.tile(COUNTS, 4) / np.linspace(0.6, 1.8, 6)[:, None]),
        "counts divided by a factor, rounded",
    ),
    "log2 counts": (np.log2(COUNTS + 1.0), "log2(count + 1)"),
    "ln counts": (np.log1p(COUNTS), "ln(count + 1)"),
    "log2 TPM": (np.log2(TPM + 1), "log2(TPM + 1)"),
    "Toil": (np.log2(TPM + 0.001), "log2(value + 0.001)"),
    "coverage": (SHALLOW * 101, "sums of covered bases (recount3)"),
    "ones": ((COUNTS > 5).astype(int), "ones and zeros"),
    "mixed": (np.vstack([COUNTS[:3], TPM[3:]]), "samples of different units"),
}


@pytest.mark.parametrize("unit", UNITS)
def test_units_are_told_and_only_counts_are_counts(unit: str) -> None:
    values, said = UNITS[unit]
    told = rna_unit(values)
    assert told.unit.startswith(said)
    assert (told.kind == "counts") == (unit == "counts")


def test_real_counts_in_eight_units(real_data: Path) -> None:
    """TCGA-LUAD, 32 samples: raw counts pass, what is made of them does not. Gene lengths are invented."""
    counts = pd.read_csv(real_data / "omics" / "tcga_luad32" / "counts.csv.gz", index_col=0).iloc[::3].to_numpy(dtype=float).T
    for few in (counts, counts[:4], counts[:3], counts[:1]):
        for least in (0, 10):  # counts from which a filter took the rare genes are counts
            assert rna_unit(few[:, few.sum(axis=0) >= least]).unit == "counts"
    length = np.random.default_rng(3).integers(400, 9000, counts.shape[1])
    depth = counts.sum(axis=1, keepdims=True)
    rate = counts / length
    tpm = rate / rate.sum(axis=1, keepdims=True) * 1e6
    fpkm = rate / depth * 1e9
    forms = {
        "counts": counts, "CPM": counts / depth * 1e6, "TPM": tpm, "FPKM": fpkm, "log2(count + 1)": np.log2(counts + 1),
        "log2(TPM + 1)": np.log2(tpm + 1), "log2(FPKM + 1)": np.log2(fpkm + 1), "FPKM, TPM or normalised values, rounded": np.rint(fpkm),
    }  # fmt: skip
    for said, values in forms.items():
        assert rna_unit(values).unit.startswith(said)


def test_methylation_in_three_units_and_epic_v2(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    beta = np.clip(rng.beta(0.5, 0.5, (300, 4)), 1e-4, 1 - 1e-4)
    probes = [f"cg{i:08d}_{'TB'[i % 2]}C{1 + i % 3 // 2}1" for i in range(298)] + ["cg00000000_BC12", "cg00000000_BC13"]
    short = list(dict.fromkeys(name.split("_")[0] for name in probes))
    expected = pd.DataFrame(beta, index=[name.split("_")[0] for name in probes]).groupby(level=0, sort=False).mean().to_numpy()
    for name, values in {"beta": beta, "percent": beta * 100, "m": np.log2(beta / (1 - beta))}.items():
        pd.DataFrame(values, index=probes, columns=list("pqrs")).to_csv(tmp_path / f"{name}.csv")
        adata = methylation.read_beta(tmp_path / f"{name}.csv")
        assert list(adata.var_names) == short
        np.testing.assert_allclose(adata.X.T, expected, atol=1e-12)
    for wrong in (rng.random((300, 4)) * 1e-4, beta - 0.5, rng.normal(size=(300, 4))):
        pd.DataFrame(wrong, index=probes, columns=list("pqrs")).to_csv(tmp_path / "w.csv")
        with pytest.raises(Unusable, match="not-beta"):
            methylation.read_beta(tmp_path / "w.csv")


BETAS: dict[str, tuple[float, float]] = {"an array": (1.5, 15.0), "a narrow array": (2.0, 20.0), "another array": (3.0, 30.0)}
"""Shapes of beta distributions of what is not methylated; what is has them turned round."""


@pytest.mark.parametrize("shape", BETAS)
def test_logits_to_base_2_are_m_values_and_natural_ones_are_asked_about(shape: str) -> None:
    """Of one array, the same logits to base 2 and to base e: the latter are 0.69 of M-values, and would pass for those of another array."""
    low = np.random.default_rng(8).beta(*BETAS[shape], (4, 1500))
    beta = np.clip(np.concatenate([low, 1 - low], axis=1), 1e-3, 1 - 1e-3)
    logit = np.log(beta / (1 - beta))
    assert methylation_unit(logit / np.log(2)).unit == "M"
    assert methylation_unit(logit).unit == "M-values, or natural logarithms"


def test_real_logits_to_both_bases(real_data: Path) -> None:
    beta = (
        pd.read_csv(real_data / "omics" / "tcga_coad_meth" / "beta_chr21.csv.gz", index_col=0)
        .select_dtypes("number")
        .to_numpy()
        .T
    )
    logit = np.log(beta / (1 - beta))
    assert methylation_unit(logit / np.log(2)).unit == "M"
    assert methylation_unit(logit).kind == "other"


ANTIBODIES = [
    "14-3-3_beta",
    "p53",
    "p21",
    "Beclin",
    "Collagen_VI",
    "Fibronectin",
    "p38_MAPK",
    "Raptor",
    "Akt_pS473",
    "mTOR",
    "HER2",
]


def test_antibodies_named_in_small_letters_are_proteins_and_clinical_columns_are_not(tmp_path: Path) -> None:
    """TCPA's table of RPPA: samples in rows, antibodies by their own names."""
    values = pd.DataFrame(np.random.default_rng(3).normal(0, 1, (4, len(ANTIBODIES))), columns=ANTIBODIES)
    values.insert(0, "Age", [61, 70, 55, 48])
    values.insert(0, "days_to_death", [100, 200, 300, 400])
    values.insert(0, "Sample_ID", [f"LY-0{i}" for i in range(4)])
    values.to_csv(tmp_path / "rppa.csv", index=False)
    adata = proteomics.read_intensities(tmp_path / "rppa.csv")
    assert list(adata.var_names) == ANTIBODIES


def test_log_ratios_of_cptac_are_taken_and_the_unshared_left(tmp_path: Path) -> None:
    titles = [f"C3L-0000{i} {kind}Log Ratio" for i in range(3) for kind in ("", "Unshared ")]
    values = np.random.default_rng(6).normal(0, 1, (40, 6))
    genes = ["TP53", "KRAS", "EGFR", "BRAF", *(f"ABCA{i}" for i in range(1, 10)), *(f"ZNF{i}" for i in range(100, 127))]
    pd.DataFrame(values, index=pd.Index(genes, name="Gene"), columns=titles).to_csv(tmp_path / "tmt.tsv", sep="\t")
    adata = proteomics.read_intensities(tmp_path / "tmt.tsv")
    assert list(adata.obs_names) == ["C3L-00000", "C3L-00001", "C3L-00002"]
    np.testing.assert_array_equal(adata.X, values[:, ::2].T)


def test_natural_logarithms_of_intensities_are_asked_about(tmp_path: Path) -> None:
    raw = np.random.default_rng(4).lognormal(27 * np.log(2), 1.5, (200, 4))
    pd.DataFrame(np.log(raw), index=[f"P{i:05d}" for i in range(10_000, 10_200)], columns=list("pqrs")).to_csv(tmp_path / "p.csv")
    with pytest.raises(Unusable, match="unknown-unit"):
        proteomics.read_intensities(tmp_path / "p.csv")


def test_a_table_wider_than_a_cell_of_csv_is_read(tmp_path: Path) -> None:
    """DepMap's table: 19,000 genes across make a line of over 128 KiB, which has no tab."""
    names = [f"ENSG{i:011d} ({i})" for i in range(5000)]
    rows = [f"ACH-00000{r}," + ",".join(f"{r + i / 7:.18f}" for i in range(5000)) for r in range(2)]
    (tmp_path / "wide.csv").write_text("\n".join([",".join(["", *names]), *rows]) + "\n")
    assert read_table(tmp_path / "wide.csv").frame.shape == (2, 5001)


def test_an_empty_meet_of_arrays_is_refused() -> None:
    import anndata

    with pytest.raises(Unusable, match="no-common-probe"):
        methylation.to_m_values(anndata.AnnData(np.zeros((3, 0))))


def test_logarithms_of_proteins_are_told_or_asked_for(tmp_path: Path) -> None:
    raw = np.random.default_rng(4).lognormal(17, 2, (200, 4))
    names = [f"P{i:05d}" for i in range(10_000, 10_200)]
    for values, unit in ((raw, "intensities"), (np.log2(raw), "log2"), (np.log2(raw) - 24, "log2")):
        pd.DataFrame(values, index=names, columns=list("pqrs")).to_csv(tmp_path / "p.csv")
        assert proteomics.read_intensities(tmp_path / "p.csv").uns["unit"] == unit
    for values in (np.log10(raw), np.column_stack([raw[:, :2], np.log2(raw[:, 2:])])):
        pd.DataFrame(values, index=names, columns=list("pqrs")).to_csv(tmp_path / "p.csv")
        with pytest.raises(Unusable, match="unknown-unit"):
            proteomics.read_intensities(tmp_path / "p.csv")
    assert proteomics.read_intensities(tmp_path / "p.csv", Reading(unit="intensities")).uns["unit"] == "intensities"


@pytest.mark.parametrize(
    ("levels", "title", "expected"),
    [
        ([0.4, -0.3, 0.0], "Segment_Mean", [0.4, -0.3, 0.0]),
        ([3, 2, 1], "Segment_Mean", [0.584962500721156, 0.0, -1.0]),
        ([2.1, 1.9, 2.9], "Copy_Number", [0.0703893278913980, -0.0740005814437769, 0.5360529002402097]),
        ([2, 0, 2], "seg.mean", [0.0, -4.321928094887363, 0.0]),
        ([1.02, 0.97, 1.1], "log2", None),
        ([-1, 2, 0, -2], "seg.mean", None),
    ],
)
def test_segments_by_their_values(tmp_path: Path, levels: list[float], title: str, expected: list[float] | None) -> None:
    rows = [f"s1\t{c}\t1\t90000000\t{v}\n" for c, v in zip("1234", levels, strict=False)]
    (tmp_path / "x.seg").write_text(f"GDC_Aliquot\tChromosome\tStart\tEnd\t{title}\n" + "".join(rows))
    if expected is None:
        with pytest.raises(Unusable, match="not-a-seg"):
            read_segments(tmp_path / "x.seg", "hg38")
    else:
        np.testing.assert_allclose(read_segments(tmp_path / "x.seg", "hg38").frame["log2"].to_numpy(), expected)


def test_ends_past_a_chromosome_are_of_another_genome(tmp_path: Path) -> None:
    (tmp_path / "lyon.cns").write_text("chromosome\tstart\tend\tlog2\nchr1\t1\t249250621\t0.1\n")
    with pytest.raises(Unusable, match=r"other-build: .*chromosome 1.*all fit into hg19"):
        read_segments(tmp_path / "lyon.cns", "hg38")
    found = read_segments(tmp_path / "lyon.cns", "hg19")
    assert found.frame["sample"].to_list() == ["lyon"]
    assert "hg38 is excluded" in found.evidence[-1]


def test_what_is_shown_holds_no_name_of_a_sample(tmp_path: Path) -> None:
    table(ENSEMBL).to_csv(tmp_path / "a.tsv", sep="\t", index=False)
    found = recognise_file(tmp_path / "a.tsv")
    assert found.assay == "rna" and not found.refused
    assert any(line.startswith("unit: counts (") for line in found.lines)
    assert not any(name in line for name in SAMPLES for line in found.lines)
    table(ENSEMBL, TPM.T).to_csv(tmp_path / "b.tsv", sep="\t", index=False)
    assert "Give raw counts" in recognise_file(tmp_path / "b.tsv").refused


def reads(seed: int, samples: int = 8, genes: int = 9000, biology: float = 0.1) -> np.ndarray:
    """Reads as a laboratory counts them: Poisson of gamma of a mean by gene and a depth by sample."""
    rng = np.random.default_rng(seed)
    level = rng.gamma(0.6, 400.0, genes) * rng.uniform(0.5, 2.0, samples)[:, None] * (rng.random(genes) > 0.3)
    return rng.poisson(level * rng.gamma(1 / biology, biology, level.shape)).astype(float)


@pytest.mark.parametrize("seed", range(4))
def test_reads_scatter_as_reads_whatever_was_filtered(seed: int) -> None:
    x = reads(seed, biology=(0.01, 0.1, 0.4, 1.0)[seed])
    for kept in (x, x[:, x.sum(axis=0) >= 10], x[:, (x >= 1).all(axis=0)], x[:4], x[:, :900]):
        assert (combed(kept), less_than_counting(kept), parted_too_evenly(kept), stray_samples(kept)) == ("", "", "", [])


@pytest.mark.parametrize("factor", [1.5, 3, 7])
def test_a_division_is_told_where_persons_differ_more_than_reads_scatter(factor: float) -> None:
    """Only the most alike of persons tell it: two subtypes here, whose genes differ fourfold."""
    x = reads(7, 8, 20000, 0.3)
    x[::2, :12000] = np.random.default_rng(7).binomial(x[::2, :12000].astype(int), 0.25)
    copies = np.vstack([x[:5], x[0], np.random.default_rng(8).binomial(x[1].astype(int), 0.5)])
    assert not parted_too_evenly(x) and not parted_too_evenly(copies)
    assert parted_too_evenly(np.rint(x / factor)) and rna_unit(np.rint(x / factor)).kind in ("scaled", "combed")


@pytest.mark.parametrize(
    ("factor", "told"), [(1.3, combed), (1.7, combed), (2, combed), (2.5, combed), (3, less_than_counting), (5, less_than_counting), (0.6, combed)]
)  # fmt: skip
def test_counts_divided_and_rounded_are_no_counts(factor: float, told: Callable[[np.ndarray], str]) -> None:
    changed = np.rint(reads(5) / factor)
    assert told(changed)
    assert rna_unit(changed).kind in ("scaled", "combed")


def test_a_sample_of_another_unit_is_asked_about() -> None:
    x = reads(6, genes=3000)
    length = np.random.default_rng(6).lognormal(7.6, 0.8, x.shape[1])
    x[2] = np.rint(x[2] / length / (x[2] / length).sum() * x[2].sum())
    report = check_counts(matrix_of(x))
    assert report.reasons() == {"s2": "other-unit"}
    assert check_counts(matrix_of(x), unit="counts").reasons() == {}


def matrix_of(x: np.ndarray) -> anndata.AnnData:
    names = [f"s{i}" for i in range(len(x))]
    genes = [f"ENSG{i:011d}" for i in range(x.shape[1])]
    return anndata.AnnData(x.astype(np.int32), obs=pd.DataFrame({"sample": names}, index=names), var=pd.DataFrame(index=genes))


def test_a_sum_of_a_million_among_other_libraries_is_no_library() -> None:
    x = reads(6, genes=9000)
    by_length = x[2] / np.random.default_rng(6).lognormal(7.6, 0.2, x.shape[1])
    x[2] = np.rint(by_length / by_length.sum() * 1e6)
    assert check_counts(matrix_of(x)).reasons() == {"s2": "other-unit"}


def test_numbers_that_a_spreadsheet_rounded_are_said(tmp_path: Path) -> None:
    frame = table(ENSEMBL).astype(object)
    frame.iloc[4, 2] = "1.23E+05"
    frame.to_csv(tmp_path / "x.tsv", sep="\t", index=False)
    assert "1 numbers such as 1.23E+05" in read_counts(tmp_path / "x.tsv").uns["evidence"][0]
