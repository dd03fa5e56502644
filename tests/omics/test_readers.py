"""Count matrices as their tools write them: STAR, featureCounts, salmon, nf-core, R, spreadsheets, h5ad, Parquet; gzip of each."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from unibase.groundwork.problems import Unusable, UserError
from unibase.omics.assays.gates import check_counts
from unibase.omics.readers.counts import read_counts

SAMPLES = [f"P{i}_T" for i in range(4)]
GENES = [f"ENSG{i:011d}.{i % 9 + 1}" for i in range(1, 41)]
COUNTS = np.random.default_rng(0).negative_binomial(2, 0.01, (4, 40))


def rows(separator: str, write: Callable[[int], str] = str, quote: str = "") -> str:
    lines = [separator.join([f"{quote}{gene}{quote}", *map(write, COUNTS[:, i])]) for i, gene in enumerate(GENES)]
    return "\n".join(lines) + "\n"


def packed(path: Path) -> Path:
    """Return the file, packed, under its own name and .gz in a folder of its own."""
    folder = path.parent / "packed"
    folder.mkdir(exist_ok=True)
    (folder / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    return folder / f"{path.name}.gz"


def as_it_is(path: Path, **options: object) -> anndata.AnnData:
    adata = read_counts(path, **options)  # type: ignore[arg-type]
    assert list(adata.obs_names) == SAMPLES
    assert list(adata.var_names) == [gene.split(".")[0] for gene in GENES]
    np.testing.assert_array_equal(np.asarray(adata.X), COUNTS)
    report = check_counts(adata)
    assert report.kind == "counts" and not report.refused
    return adata


def test_star_folders(tmp_path: Path) -> None:
    head = "N_unmapped\t120\t120\t120\nN_multimapping\t50\t50\t50\nN_noFeature\t9\t900\t20\nN_ambiguous\t3\t1\t2\n"
    for sample, counts in zip(SAMPLES, COUNTS, strict=True):
        text = head + "".join(f"{g}\t{v}\t{v // 2}\t{v - v // 2}\n" for g, v in zip(GENES, counts, strict=True))
        for folder, name in (("flat", f"{sample}.ReadsPerGene.out.tab"), (f"deep/{sample}", "ReadsPerGene.out.tab")):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / name).write_text(text)
        packed(tmp_path / "flat" / f"{sample}.ReadsPerGene.out.tab")
    (tmp_path / "flat" / "packed").rename(tmp_path / "packed")
    for folder in ("flat", "deep", "packed"):
        as_it_is(tmp_path / folder)
    reverse = read_counts(tmp_path / "flat", strand="reverse")
    np.testing.assert_array_equal(reverse.X, COUNTS - COUNTS // 2)
    assert list(read_counts(tmp_path / "flat" / "P1_T.ReadsPerGene.out.tab").obs_names) == ["P1_T"]
    # Two libraries of one name are both refused, never the last one taken.
    (tmp_path / "deep" / "again" / "P0_T").mkdir(parents=True)
    again = tmp_path / "deep" / "again" / "P0_T" / "ReadsPerGene.out.tab"
    again.write_text((tmp_path / "deep" / "P1_T" / "ReadsPerGene.out.tab").read_text().replace("\t1", "\t2"))
    assert set(check_counts(read_counts(tmp_path / "deep")).reasons()) == {"P0_T", "P0_T#2"}
    cut = tmp_path / "flat" / "P2_T.ReadsPerGene.out.tab"
    cut.write_text(cut.read_text()[:700])
    with pytest.raises(Unusable, match=r"(different-genes|truncated-file): File 3 of 4") as caught:
        read_counts(tmp_path / "flat")
    assert "P2_T" not in str(caught.value)


@pytest.mark.parametrize("name", [
    "/data/x/{}.bam", "../bam/{}Aligned.sortedByCoord.out.bam", "{}.Aligned.sortedByCoord.out.bam", "{}.markdup.sorted.bam",
    "{}.umi_dedup.sorted.bam", "{}.sam", "{}",
])  # fmt: skip
def test_featurecounts(tmp_path: Path, name: str) -> None:
    head = '# Program:featureCounts v2.0.3; Command:"featureCounts" "-T" "8" "-a" "genes.gtf" "-o" "counts.txt"\n'
    titles = "\t".join(["Geneid", "Chr", "Start", "End", "Strand", "Length", *(name.format(sample) for sample in SAMPLES)])
    body = "".join(
        "\t".join([gene, "chr1;chr1", "11869;12613", "12227;12721", "+;+", str(1000 + i), *map(str, COUNTS[:, i])]) + "\n"
        for i, gene in enumerate(GENES)
    )
    path = tmp_path / "counts.txt"
    path.write_text(f"{head}{titles}\n{body}")
    for file in (path, packed(path)):
        assert list(as_it_is(file).var["length"]) == [1000.0 + i for i in range(40)]
    summary = tmp_path / "counts.txt.summary"
    summary.write_text("Status\t" + "\t".join(SAMPLES) + "\nAssigned\t5\t5\t5\t5\n")
    with pytest.raises(Unusable, match="summary that featureCounts writes"):
        read_counts(summary)


def test_salmon_folders(tmp_path: Path) -> None:
    for sample, counts in zip(SAMPLES, COUNTS, strict=True):
        lines = ["Name\tLength\tEffectiveLength\tTPM\tNumReads"]
        for i, value in enumerate(counts):
            for k, part in ((1, value // 3), (2, value - value // 3)):
                lines.append(f"ENST{i:010d}{k}.{k}\t1500\t1300.5\t{part / 7:.6f}\t{part}.000")
        folder = tmp_path / "salmon" / sample
        folder.mkdir(parents=True)
        (folder / "quant.sf").write_text("\n".join(lines) + "\n")
        (folder / "quant.genes.sf").write_text("Name\n")
        (tmp_path / "packed" / sample).mkdir(parents=True)
        (tmp_path / "packed" / sample / "quant.sf.gz").write_bytes(gzip.compress((folder / "quant.sf").read_bytes()))
    pairs = "".join(f"ENST{i:010d}{k}.{k}\t{gene}\tNAME{i}\n" for i, gene in enumerate(GENES) for k in (1, 2))
    with_titles, without = tmp_path / "tx2gene.tsv", tmp_path / "bare.tsv"
    with_titles.write_text(f"transcript_id\tgene_id\tgene_name\n{pairs}")
    without.write_text(pairs)
    for folder in ("salmon", "packed"):
        for table in (with_titles, without, packed(with_titles)):
            as_it_is(tmp_path / folder, transcripts=table)
    one = read_counts(tmp_path / "salmon" / "P3_T" / "quant.sf", transcripts=with_titles)
    assert list(one.obs_names) == ["P3_T"]
    # Its columns are no samples.
    with pytest.raises(UserError, match="transcript -> gene"):
        read_counts(tmp_path / "salmon" / "P3_T" / "quant.sf")
    other = tmp_path / "other.tsv"
    other.write_text("a\tb\nx\ty\n")
    with pytest.raises(Unusable, match="unknown-transcripts: File 1 of 4, by name: 80 of 80 transcripts"):
        read_counts(tmp_path / "salmon", transcripts=other)


def test_tables_of_pipelines_r_and_spreadsheets(tmp_path: Path) -> None:
    tab, named = "\t".join(SAMPLES), "".join(
        "\t".join([gene, f"NAME{i}", *(f"{v:.1f}" for v in COUNTS[:, i])]) + "\n" for i, gene in enumerate(GENES)
    )  # fmt: skip
    quoted = [f'"{sample}"' for sample in SAMPLES]
    tables = {
        "salmon.merged.gene_counts.tsv": f"gene_id\tgene_name\t{tab}\n{named}",
        "tximport.csv": '"",' + ",".join(quoted) + "\n" + rows(",", quote='"'),
        "write.table.txt": " ".join(quoted) + "\n" + rows(" ", quote='"'),
        "excel.csv": "\ufeffgene;" + ";".join(SAMPLES) + "\r\n" + rows(";").replace("\n", "\r\n"),
        "french.csv": "gene;" + ";".join(SAMPLES) + "\n" + rows(";", lambda value: str(value) if value % 2 else f"{value},0"),
        "htseq.tsv": f"gene\t{tab}\n{rows(chr(9))}__no_feature\t9\t9\t9\t9\n__ambiguous\t9\t9\t9\t9\n",
        "gtex.gct": f"#1.2\n40\t4\nName\tDescription\t{tab}\n{named}",
    }
    for name, text in tables.items():
        path = tmp_path / name
        path.write_text(text, encoding="utf-8", newline="")
        for file in (path, packed(path)):
            adata = as_it_is(file)
            if "NAME3" in text:
                assert adata.var["symbol"].iloc[3] == "NAME3"


def test_anndata_and_parquet(tmp_path: Path) -> None:
    index = pd.DataFrame(index=SAMPLES)
    plain = anndata.AnnData(X=sparse.csr_matrix(COUNTS.astype(np.float32)), obs=index, var=pd.DataFrame(index=GENES))
    plain.write_h5ad(tmp_path / "plain.h5ad", compression="gzip")
    layered = plain.copy()
    layered.layers["counts"], layered.layers["raw"], layered.X = plain.X.copy(), plain.X.copy(), np.log1p(plain.X.toarray())
    layered.write_h5ad(tmp_path / "layered.h5ad")
    as_it_is(tmp_path / "layered.h5ad", layer="raw")
    with pytest.raises(UserError, match=r"no layer reads\. It has: counts, raw"):
        read_counts(tmp_path / "layered.h5ad", layer="reads")
    genes_down = pd.DataFrame(COUNTS.T, columns=SAMPLES, index=pd.Index(GENES, name="gene_id"))
    genes_down.reset_index().to_parquet(tmp_path / "down.parquet")
    genes_down.to_parquet(tmp_path / "index.parquet")
    genes_down.T.rename_axis("sample").reset_index().to_parquet(tmp_path / "across.parquet")
    for name in ("plain.h5ad", "layered.h5ad", "down.parquet", "index.parquet", "across.parquet"):
        for file in (tmp_path / name, packed(tmp_path / name)):
            as_it_is(file)
    for name in ("plain.h5ad", "down.parquet"):
        (tmp_path / f"cut-{name}").write_bytes((tmp_path / name).read_bytes()[:700])
        with pytest.raises(Unusable, match="truncated-file"):
            read_counts(tmp_path / f"cut-{name}")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PK\x03\x04" + bytes(200), "not-a-matrix"),
        (b"", "not-a-matrix: The first line has no"),
        (b"gene\tA\tB\n", "not-a-matrix: The matrix has no row"),
        (b"gene\tA\tB\ng1\t1\n\tg2", "truncated-file|not-a-number"),
    ],
)
def test_what_is_no_matrix_is_said(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "wrong.tsv").write_bytes(content)
    with pytest.raises(Unusable, match=said):
        read_counts(tmp_path / "wrong.tsv")


def test_old_symbols_are_listed_and_never_added_to_another_row(tmp_path: Path) -> None:
    genes = ["MLL2", "KMT2D", "TP53", "1-Mar", "7157", "SEPT2", "2026-03-01", "P16"]
    values = np.arange(24).reshape(8, 3) ** 2 + 3
    pd.DataFrame(values, index=genes, columns=list("ABC")).to_csv(tmp_path / "old.tsv", sep="\t")
    adata = read_counts(tmp_path / "old.tsv")
    report = check_counts(adata)
    merged = report.apply(adata)
    # MLL2 was KMT2D's symbol: beside it, it is another row, and nobody knows whose.
    assert list(merged.var["symbol"]) == ["MLL2", "KMT2D", "TP53", "1-Mar", "7157", "SEPTIN2", "2026-03-01", "P16"]
    np.testing.assert_array_equal(merged.X.T, values)
    assert report.notes[1].startswith("2 names that a spreadsheet turned into dates left as they are: 1-Mar, 2026-03-01")
    assert "MLL2" in report.notes[2]


def per_sample(sample: str, counts: np.ndarray, form: str) -> tuple[str, str]:
    """Return the path of a sample's file, and its text, as a tool writes it."""
    lines = [f"{gene}\t{count}\n" for gene, count in zip(GENES, counts, strict=True)]
    wide = [f"{gene}\t1;1\t1;9\t5;20\t+;+\t900\t{count}\n" for gene, count in zip(GENES, counts, strict=True)]
    named = [f"{gene}\tX{i}\t{count}\n" for i, (gene, count) in enumerate(zip(GENES, counts, strict=True))]
    salmon = [f"{gene}\t900\t850\t1.5\t{count}\n" for gene, count in zip(GENES, counts, strict=True)]
    none = "__no_feature\t9\n__ambiguous\t3\n"
    return {
        "htseq under another name": (f"{sample}.counts.txt", "".join(lines) + none),
        "htseq as text": (f"{sample}.txt", "".join(lines) + none),
        "htseq with names": (f"{sample}_htseq_counts.txt", "".join(named) + none.replace("\t", "\t\t")),
        "two titled columns": (f"{sample}_gene_counts.tsv", "gene_id\tcount\n" + "".join(lines)),
        "featureCounts": (
            f"{sample}.featureCounts.txt",
            f"# featureCounts\nGeneid\tChr\tStart\tEnd\tStrand\tLength\t/bam/{sample}.bam\n" + "".join(wide),
        ),
        "salmon's genes": (f"{sample}/quant.genes.sf", "Name\tLength\tEffectiveLength\tTPM\tNumReads\n" + "".join(salmon)),
    }[form]


@pytest.mark.parametrize(
    "form",
    ["htseq under another name", "htseq as text", "htseq with names", "two titled columns", "featureCounts", "salmon's genes"],
)
def test_folders_of_files_that_bear_any_name(tmp_path: Path, form: str) -> None:
    for sample, counts in zip(SAMPLES, COUNTS, strict=True):
        name, text = per_sample(sample, counts, form)
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
        if form == "featureCounts":
            (tmp_path / f"{name}.summary").write_text("Status\tx\nAssigned\t9\n")
    as_it_is(tmp_path)


def test_alignments_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    head = "Geneid\tChr\tStart\tEnd\tStrand\tLength\t" + "\t".join(f"/bam/{s}/Aligned.sortedByCoord.out.bam" for s in SAMPLES)
    body = [f"{gene}\t1\t1\t9\t+\t9\t" + "\t".join(map(str, COUNTS[:, i])) for i, gene in enumerate(GENES)]
    (tmp_path / "x.txt").write_text("\n".join([head, *body]) + "\n")
    as_it_is(tmp_path / "x.txt")


TITLES = [
    # Titles of a plain matrix, and the samples that they name: the rule of featureCounts' own tables.
    (["/data/run/lyon.bam", "/data/run/CHU-été.bam"], ["lyon", "CHU-été"]),
    (["/data/lyon.sorted.bam", "/data/CHU-été.markdup.sorted.bam"], ["lyon", "CHU-été"]),
    (["lyonAligned.sortedByCoord.out.bam", "CHU-étéAligned.sortedByCoord.out.bam"], ["lyon", "CHU-été"]),
    ([r"D:\runs\lyon.cram", r"D:\runs\CHU-été.cram"], ["lyon", "CHU-été"]),
    (["/star/lyon/Aligned.out.bam", "/star/CHU-été/Aligned.out.bam"], ["lyon", "CHU-été"]),
    # One title that is none leaves all as they are.
    (["lyon.sorted.bam", "CHU-été"], ["lyon.sorted.bam", "CHU-été"]),
    (["lyon.sorted", "CHU-été.sorted"], ["lyon.sorted", "CHU-été.sorted"]),
]


@pytest.mark.parametrize(("titles", "samples"), TITLES)
def test_titles_of_a_plain_matrix_that_are_files_of_aligned_reads(titles: list[str], samples: list[str], tmp_path: Path) -> None:
    path = tmp_path / "matrix.tsv"
    rows = ["\t".join(["gene_id", *titles]), *("\t".join([gene, *map(str, COUNTS[:2, i])]) for i, gene in enumerate(GENES))]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    adata = read_counts(path)
    assert list(map(str, adata.obs_names)) == samples
    assert any("files of aligned reads" in line for line in adata.uns["evidence"]) == (samples != titles)
