"""A study with every assay, from the files of two centres to the release."""

from __future__ import annotations

import gzip
from pathlib import Path

import anndata
import mudata
import numpy as np
import pandas as pd
import polars as pl
import pytest
from ruamel.yaml import YAML
from scipy import sparse

from tests.flows import demo
from tests.known_keys import known_key
from tests.omics.test_nanostring import rcc
from tests.omics.test_signatures import genome
from unibase.flows.runs.pipeline import stage
from unibase.flows.runs.run import open_run
from unibase.flows.study.validation import read_study
from unibase.methods.signatures import TYPES
from unibase.omics.readers.counts import read_counts
from unibase.omics.readers.maf import read_maf
from unibase.omics.readers.profiles import read_profiled
from unibase.omics.samples.sheet_file import read_samples
from unibase.privacy.keys import write_key_file
from unibase.simulation.cohort import simulate

pytestmark = [pytest.mark.slow]
ASSAYS = ("methylation", "copy_number", "proteomics", "single_cell", "rearrangements", "nanostring", "results")
UNITS = {
    "rna": "counts", "mutations": "1 where a variant changes the gene's protein", "methylation": "beta", "copy_number": "log2 ratio",
    "proteomics": "intensities", "single_cell": "counts", "rearrangements": "1 where a gene or a pair of genes is joined or broken",
    "nanostring": "log2 ratio", "results": "results of others",
}  # fmt: skip


def write_assays(home: Path) -> dict[str, int]:
    """Write the files of four more assays for the centres' own tumour samples; return how many samples each has."""
    generator = np.random.default_rng(11)
    yaml = YAML()
    study = yaml.load((home / "study.yaml").read_text(encoding="utf-8"))
    counts = dict.fromkeys(ASSAYS, 0)
    for centre in "AB":
        omics = home / f"centre_{centre.lower()}" / "omics"
        sheet = read_samples(omics / "samples.csv")
        names = sheet["sample"].to_list()
        for name, feature, low, high in (("methylation", "cg{:08d}", 0.0, 1.0), ("proteomics", "P{:05d}", 1.0, 900.0)):
            table = {"feature": [feature.format(i) for i in range(30)]}
            table |= {sample: generator.uniform(low, high, 30).round(4).tolist() for sample in names}
            pl.DataFrame(table).write_csv(omics / f"{name}.csv")
        rows = ["ID\tchrom\tloc.start\tloc.end\tseg.mean"]
        rows += [f"{sample}\t{c}\t1\t150000000\t{generator.normal(0, 0.3):.3f}" for sample in names for c in (1, 7)]
        (omics / "copy.seg").write_text("\n".join(rows) + "\n")
        # The last column of proteins is the pool that the others are compared with, and no sample.
        proteins = pl.read_csv(omics / "proteomics.csv").with_columns(pl.lit(100.0).alias("pool"))
        proteins.write_csv(omics / "proteomics.csv")
        plexes = ["sample,plex,reference", *(f"{sample},1,no" for sample in names), "pool,1,yes"]
        (omics / "channels.csv").write_text("\n".join(plexes) + "\n")
        write_cells(omics / "cells.h5ad", names, generator)
        events = ["Sample_Id\tSV_Status\tSite1_Hugo_Symbol\tSite2_Hugo_Symbol", f"{names[0]}\tSOMATIC\tEML4\tALK"]
        (omics / "data_sv.txt").write_text("\n".join([*events, f"{names[0]}\tGERMLINE\tBRCA1\tBRCA1"]) + "\n")
        (omics / "looked_at.txt").write_text("\n".join(names) + "\n")
        for lane, sample in enumerate(names):
            rcc(omics / f"lane{lane:03d}.RCC", sample)
        typed = [f"{sample};{'MSI-H' if i % 3 == 0 else 'MSS'};{3 + i},5;A*02:01;A*01:01" for i, sample in enumerate(names)]
        (omics / "results.csv").write_text("\n".join(["sample;MSI status;TMB;A1;A2", *typed]) + "\n")
        files = {
            "copy_number": "copy.seg",
            "single_cell": "cells.h5ad",
            "rearrangements": "data_sv.txt",
            "nanostring": "lane*.RCC",
        }
        for name in ASSAYS:
            counts[name] += len(names)
            folder = f"centre_{centre.lower()}/omics"
            source = {"matrix": f"{folder}/{files.get(name, f'{name}.csv')}", "samples": f"{folder}/samples.csv"}
            source |= {"channels": f"{folder}/channels.csv"} if name == "proteomics" else {}
            source |= {"profiled": f"{folder}/looked_at.txt"} if name == "rearrangements" else {}
            source |= {"sample_column": "biopsy", "layer": "raw"} if name == "single_cell" else {}
            study["centres"][centre]["omics"][name] = source
    study["assays"]["genes"] = [*study["assays"].get("genes", []), "cg00000003", "7q", "P00002", "B_cell:CD19", "HLA-A*02:01"]
    study["assays"]["mutations"]["maf"] = "all"
    # Genes of the simulated counts, and of a set that they lack.
    (home / "sets.gmt").write_text("IMMUNE\tsimulated\tCD8A\tCD274\tCA9\tLDHA\tMKI67\nMOUSE\t\tTrp53\tKras\n")
    genes = read_counts(home / "centre_a" / "omics" / "counts.tsv.gz").var["symbol"].tolist()[:12]
    rows = [f"{gene},{2 + i % 5},{i},{12 - i}" for i, gene in enumerate(genes)]
    (home / "classes.csv").write_text("gene,centre,rising,falling\n" + "\n".join(rows) + "\n")
    study["assays"]["rna"] |= {"gene_sets": "sets.gmt", "scores": ["ssgsea", "ulm"], "centroids": "classes.csv"}
    write_signatures(home)
    study["assays"]["mutations"] |= {"signatures": "sbs.txt", "genome": "genome.fa", "least_substitutions": 40}
    for name in ASSAYS:
        study["windows"][name] = {"from_days": -365, "to_days": 0, "choose": "latest"}
    with open(home / "study.yaml", "w", encoding="utf-8") as file:
        yaml.dump(study, file)
    return counts


def write_signatures(home: Path) -> None:
    """Write two signatures, a genome of one short chromosome, and 60 substitutions of the first on it in each sample of centre A."""
    path, text = genome(home)
    rows = [(at, text[at - 1], "A") for at in range(3, 4000) if text[at - 1] == "C"][:60]
    first = [float(kind[2:5] == "C>A") / 16 for kind in TYPES]
    second = [float(kind[2:5] == "T>G") / 16 for kind in TYPES]
    lines = [f"{kind}\t{a!r}\t{b!r}" for kind, a, b in zip(TYPES, first, second, strict=True)]
    (home / "sbs.txt").write_text("Type\tSBS4\tSBS17\n" + "\n".join(lines) + "\n")
    file = home / "centre_a" / "omics" / "mutations.maf.gz"
    head, titles, *others = gzip.decompress(file.read_bytes()).decode().splitlines()
    for name in read_profiled(home / "centre_a" / "omics" / "profiled.txt"):
        for at, reference, allele in rows:
            said = {
                "Hugo_Symbol": "Unknown",
                "Chromosome": "chr7",
                "Start_Position": at,
                "End_Position": at,
                "NCBI_Build": "GRCh38",
            }
            said |= {"Variant_Classification": "IGR", "Reference_Allele": reference, "Tumor_Seq_Allele1": reference}
            said |= {"Tumor_Seq_Allele2": allele, "Tumor_Sample_Barcode": name}
            others.append("\t".join(str(said.get(title, "")) for title in titles.split("\t")))
    assert path.name == "genome.fa"
    file.write_bytes(gzip.compress("\n".join([head, titles, *others, ""]).encode(), mtime=0))


def write_cells(path: Path, samples: list[str], generator: np.random.Generator) -> None:
    """Write 30 cells of each sample: logarithms in X, counts in a layer, and one type of too few cells."""
    names = np.repeat(samples, 30)
    counts = generator.poisson(3.0, (len(names), 12))
    obs = pd.DataFrame({"biopsy": names, "cell_type": (["B cell"] * 14 + ["T cell"] * 14 + ["mast cell"] * 2) * len(samples)})
    obs.index = obs.index.astype(str)
    var = pd.DataFrame(index=["CD19", "MS4A1", *(f"GENE{i}" for i in range(10))])
    anndata.AnnData(X=np.log1p(counts), obs=obs, var=var, layers={"raw": sparse.csr_matrix(counts)}).write_h5ad(path)


def test_every_assay_reaches_the_release(tmp_path: Path) -> None:
    home = tmp_path / "assays"
    assert demo.unibase("simulate", home, "--no-imaging").returncode == 0
    counts = write_assays(home)
    assert demo.unibase("check", home / "study.yaml").returncode == 0
    said = demo.build(home, "--no-prefect")
    assert "omics: A/proteomics/proteomics.csv: ratios to 1 reference channels of 1 plexes" in said
    release = demo.release(home)
    cohort = mudata.read_h5mu(release / "cohort.h5mu")
    mapping = pl.read_parquet(home / "work" / "staging" / "omics" / "sample_map.parquet")
    analysis = pl.read_parquet(release / "tables" / "analysis.parquet")
    dictionary = pl.read_parquet(release / "dictionary" / "dictionary.parquet")
    for name in ASSAYS:
        assert name in cohort.mod
        assert mapping.filter(pl.col("assay") == name).height == counts[name], "every sample that enters is in the map"
        assert analysis[f"{name}_sample"].drop_nulls().len() >= 5
    assert "1 gene sets scored; 5 of their 5 genes are measured" in said and ": MOUSE" in said
    methods = (release / "methods.txt").read_text(encoding="utf-8")
    assert "Gene sets of sets.gmt were scored by ssgsea (Barbie" in methods
    sources = {line.partition(":")[0]: line for line in methods.replace("Sources of ", "\nSources of ").splitlines()}
    for name, unit in UNITS.items():
        assert f"unit: {unit}" in sources[f"Sources of {name}"], name
    assert "1 rows left out: their status is germline" in sources["Sources of rearrangements"]
    columns = (
        "rna_ssgsea_IMMUNE",
        "rna_ulm_IMMUNE",
        "methylation_cg00000003",
        "copy_number_7q",
        "proteomics_P00002",
        "copy_number_fraction_altered",
        "results_MSI:MSS",
        "results_TMB",
        "results_HLA-A*02:01",
    )
    for column in (*columns, "single_cell_B_cell:CD19"):
        assert analysis[column].drop_nulls().len() >= 5, column
        assert dictionary.filter((pl.col("table") == "analysis") & (pl.col("column") == column))["derivation"].item()
    # What is like a centroid is as unlike one that runs the other way.
    likeness = analysis.select("rna_centroid_rising", "rna_centroid_falling").drop_nulls()
    assert likeness.height >= 5 and likeness["rna_centroid_rising"].to_list() == pytest.approx(
        [-v for v in likeness["rna_centroid_falling"]]
    )
    assert likeness["rna_centroid_rising"].n_unique() > 3 and "centroid_rising" in cohort.mod["rna"].obs
    assert dictionary.filter(pl.col("column") == "rna_centroid_rising")["derivation"].item().startswith("Spearman")
    assert "With centroids of classes.csv a sample was compared" in methods
    # Signatures are refitted where substitutions suffice: in the samples of centre A.
    refitted = analysis.select("mutations_signature_SBS4", "mutations_signature_SBS17").drop_nulls()
    assert refitted.height >= 5
    assert refitted["mutations_signature_SBS4"].to_list() == pytest.approx([60.0] * refitted.height, rel=0.5)
    assert refitted["mutations_signature_SBS17"].to_list() == pytest.approx([0.0] * refitted.height)
    with_exposures = cohort.mod["mutations"].obs.dropna(subset=["signature_SBS4", "signature_cosine"])
    assert len(with_exposures) == refitted.height and set(with_exposures["centre"]) == {"A"}
    told = dictionary.filter((pl.col("table") == "analysis") & pl.col("column").str.starts_with("mutations_signature_"))
    assert told.height == 3 and told["derivation"].str.contains("fewer than 40 substitutions").all()
    assert "Mutational signatures of sbs.txt were refitted" in methods
    scored = cohort.mod["rna"].obs["ssgsea_IMMUNE"]
    table = dict(analysis.select(pl.col("subject_id").cast(pl.String), "rna_ssgsea_IMMUNE").drop_nulls().iter_rows())
    assert {name: table[name] for name in scored.dropna().index} == scored.dropna().to_dict() and len(scored.dropna()) >= 5
    assert_maf(release, analysis)
    # Cell types of too few cells are no feature, and the pool of the proteins is no sample.
    cells = cohort.mod["single_cell"]
    assert set(cells.var["cell_type"]) == {"B_cell", "T_cell"} and set(cells.obs["cells"]) == {28}
    quarantine = pl.read_parquet(home / "work" / "staging" / "quarantine" / "omics-A.parquet")
    assert not quarantine.filter(pl.col("stage").is_in(["omics/proteomics", "omics/single_cell"])).height
    # What is in the table is what is in the matrix of the subject's chosen sample.
    beta = cohort.mod["methylation"]
    table = dict(analysis.select("subject_id", "methylation_cg00000003").drop_nulls().iter_rows())
    matrix = {int(subject): float(row["cg00000003"]) for subject, row in beta.to_df().iterrows()}
    assert {subject: matrix[subject] for subject in table} == pytest.approx(table)


def assert_maf(release: Path, analysis: pl.DataFrame) -> None:
    """The MAF of a release has the variants that the gene table counts, in our own reader's eyes, and no name of a source."""
    table = pl.read_parquet(release / "tables" / "maf.parquet")
    sample_map = pl.read_parquet(release / "tables" / "sample_map.parquet").filter(pl.col("assay") == "mutations")
    used = sample_map.filter(pl.col("status") == "used")
    read = read_maf(release / "mutations.maf")
    assert set(table["Tumor_Sample_Barcode"]) <= set(used["colname"]) == set(read.profiled)
    genes = [
        name
        for name in analysis.columns
        if name.startswith("mutations_") and name.removeprefix("mutations_") in set(table["Hugo_Symbol"])
    ]
    carriers = set(read.nonsynonymous().select("sample", "gene").iter_rows())
    assert len(genes) >= 3
    for subject, sample, *values in (
        analysis.select("subject_id", "mutations_sample", *genes).drop_nulls("mutations_sample").iter_rows()
    ):
        for name, value in zip(genes, values, strict=True):
            if value is not None:
                assert ((sample, name.removeprefix("mutations_")) in carriers) == (value == 1), (subject, name)
    page = (release / "report.html").read_text(encoding="utf-8")
    assert 'id="alterations"' in page


def test_a_window_of_no_assay_is_an_error(tmp_path: Path) -> None:
    home = tmp_path / "typo"
    assert demo.unibase("simulate", home, "--no-imaging").returncode == 0
    text = (home / "study.yaml").read_text(encoding="utf-8").replace("windows:\n", "windows:\n  rnaseq: {to_days: 0}\n")
    (home / "study.yaml").write_text(text)
    ended = demo.unibase("check", home / "study.yaml")
    assert ended.returncode == 1 and "rnaseq is no assay; allowed: imaging, clinical, rna" in ended.stderr


def staged_counts(home: Path) -> dict[str, np.ndarray]:
    """Stage persons and omics; return the counts of each sample of centre A."""
    study = read_study(home / "study.yaml")
    study.work.create()
    with open_run(study, say=lambda line: None) as run:
        for name in ("people", "omics"):
            stage(name)(run)
    stores = (home / "work" / "staging" / "omics" / "rna" / "A").glob("*/matrix.zarr")
    parts = [anndata.read_zarr(path) for path in stores]
    return {str(name): np.asarray(part[name].X)[0] for part in parts for name in part.obs_names}


def test_files_of_one_patient_each_are_not_named_in_what_a_run_says(tmp_path: Path) -> None:
    home = tmp_path / "files"
    simulate(home, persons=20, imaging=False)
    write_key_file(known_key("vault.key"), home / "vault.key")
    omics = home / "centre_a" / "omics"
    counts = pd.read_csv(omics / "counts.tsv.gz", sep="\t", index_col="gene_id").drop(columns="gene_name")
    for place, sample in enumerate(counts.columns):
        counts[[sample]].to_csv(omics / f"dupont-{place}.tsv", sep="\t")
    text = (home / "study.yaml").read_text(encoding="utf-8")
    (home / "study.yaml").write_text(
        text.replace("counts.tsv.gz", "dupont-*.tsv", 1).replace("counts*.tsv.gz", "dupont-*.tsv", 1)
    )
    said: list[str] = []
    study = read_study(home / "study.yaml")
    study.work.create()
    with open_run(study, say=said.append) as run:
        for name in ("people", "omics"):
            stage(name)(run)
    of_a = [line for line in said if line.startswith("omics: A/rna/")]
    assert len(of_a) >= len(counts.columns) > 1 and "dupont" not in "\n".join(said)
    assert any(f"A/rna/matrix 2 of {len(counts.columns)}, by name" in line for line in of_a)


def test_star_and_salmon_folders_stand_in_the_study(tmp_path: Path) -> None:
    home = tmp_path / "pipelines"
    simulate(home, persons=20, imaging=False)
    write_key_file(known_key("vault.key"), home / "vault.key")
    expected = staged_counts(home)
    omics = home / "centre_a" / "omics"
    counts = pd.read_csv(omics / "counts.tsv.gz", sep="\t", index_col="gene_id").drop(columns="gene_name")
    for sample in counts.columns:
        (omics / "star" / sample).mkdir(parents=True)
        (omics / "salmon" / sample).mkdir(parents=True)
        lines = [f"{gene}\t9\t9\t{value}\n" for gene, value in counts[sample].items()]
        (omics / "star" / sample / "ReadsPerGene.out.tab").write_text("N_unmapped\t1\t1\t1\n" + "".join(lines))
        lines = [f"T{gene}\t900\t800\t1\t{value}.000\n" for gene, value in counts[sample].items()]
        (omics / "salmon" / sample / "quant.sf").write_text("Name\tLength\tEffectiveLength\tTPM\tNumReads\n" + "".join(lines))
    (omics / "genes.tsv").write_text("".join(f"T{gene}\t{gene}\n" for gene in counts.index))
    yaml = YAML()
    study = yaml.load((home / "study.yaml").read_text(encoding="utf-8"))
    source = study["centres"]["A"]["omics"]["rna"]
    for keys in ({"matrix": "star", "strand": "reverse"}, {"matrix": "salmon", "transcripts": "genes.tsv"}):
        source.update({key: value if key == "strand" else f"centre_a/omics/{value}" for key, value in keys.items()})
        with open(home / "study.yaml", "w", encoding="utf-8") as file:
            yaml.dump(study, file)
        found = staged_counts(home)
        assert found.keys() == expected.keys()
        for name, values in found.items():
            np.testing.assert_array_equal(values, expected[name])


def test_panels_views_and_genes_stand_in_the_study(tmp_path: Path) -> None:
    home = tmp_path / "views"
    simulate(home, persons=24, imaging=False, broken=False)
    write_key_file(known_key("vault.key"), home / "vault.key")
    omics = home / "centre_a" / "omics"
    (omics / "panel.txt").write_text("KRAS\nTP53\nRB1\n")
    (home / "hotspots.csv").write_text("gene,position\nKRAS,12\nTP53,1\n")
    sheet = read_samples(omics / "samples.csv")
    rows = ["ID\tchrom\tloc.start\tloc.end\tseg.mean"]
    rows += [
        f"{sample}\t{c}\t1\t{end}\t{c / 10 - 1:.1f}" for sample in sheet["sample"] for c, end in ((7, 159000000), (17, 83000000))
    ]
    (omics / "copy.seg").write_text("\n".join(rows) + "\n")
    (home / "genes.tsv").write_text("gene\tchromosome\tstart\tend\nTP53\tchr17\t7661779\t7687538\nMYC\t8\t1\t9\n")
    yaml = YAML()
    study = yaml.load((home / "study.yaml").read_text(encoding="utf-8"))
    source = study["centres"]["A"]["omics"]
    source["mutations"].update({"panel": "centre_a/omics/panel.txt", "megabases": 2.0})
    of_b = study["centres"]["B"]["omics"]["mutations"]
    sequenced = sorted(read_profiled(home / of_b.pop("profiled")))
    panels = ["sample,panel", *(f"{sample},{'P' if i % 2 else 'WES'}" for i, sample in enumerate(sequenced))]
    (home / "panels.csv").write_text("\n".join(panels) + "\n")
    (home / "covered.csv").write_text("panel,gene,megabases\nP,KRAS,1.5\nP,TP53,1.5\n")
    of_b.update({"panels": "panels.csv", "panel_genes": "covered.csv"})
    source["copy_number"] = {"matrix": "centre_a/omics/copy.seg", "samples": "centre_a/omics/samples.csv"}
    joined = sorted(sheet["sample"])[0]
    (omics / "data_sv.txt").write_text(
        f"Sample_Id\tSV_Status\tSite1_Hugo_Symbol\tSite2_Hugo_Symbol\n{joined}\tSOMATIC\tEML4\tALK\n"
    )
    source["rearrangements"] = {
        "matrix": "centre_a/omics/data_sv.txt",
        "samples": "centre_a/omics/samples.csv",
        "profiled": source["mutations"]["profiled"],
    }
    study["assays"]["mutations"].update({"truncating": True, "hotspots": "hotspots.csv"})
    study["assays"]["copy_number"] = {"genes": "genes.tsv"}
    with open(home / "study.yaml", "w", encoding="utf-8") as file:
        yaml.dump(study, file)
    content = read_study(home / "study.yaml")
    content.work.create()
    with open_run(content, say=lambda line: None) as run:
        for name in ("people", "omics", "clinical", "normalise"):
            stage(name)(run)
    levels = anndata.read_zarr(home / "work" / "staging" / "omics" / "copy_number" / "all.zarr").to_df()
    assert levels["TP53"].to_numpy() == pytest.approx(0.7) and levels["7q"].to_numpy() == pytest.approx(-0.3)
    assert levels["MYC"].isna().all()
    table = anndata.read_zarr(home / "work" / "staging" / "omics" / "mutations" / "all.zarr")
    values, of_a = table.to_df(), (table.obs["centre"] == "A").to_numpy()
    # KRAS G12C is no truncation and stands at a hotspot; TP53 R175H is neither; RB1 R320* truncates.
    assert values["KRAS:hotspot"].equals(values["KRAS"].rename("KRAS:hotspot")) and values["KRAS"].sum() > 0
    assert values["RB1:truncating"].equals(values["RB1"].rename("RB1:truncating"))
    assert not {"KRAS:truncating", "TP53:hotspot", "TP53:truncating"} & set(values)
    # Outside of the panel of centre A nothing is known, and nothing is wild type.
    on_panel = (table.obs["panel"] == "P").to_numpy()
    assert 0 < on_panel.sum() < (~of_a).sum() and set(table.obs.loc[on_panel, "centre"]) == {"B"}
    assert values.loc[of_a | on_panel, "STK11"].isna().all() and values.loc[~of_a & ~on_panel, "STK11"].notna().all()
    assert values.loc[on_panel, "KRAS"].notna().all()
    assert values.loc[of_a, "NF1:truncating"].isna().all() and values.loc[of_a, "KRAS"].notna().any()
    burden = table.obs["variants"] / table.obs["tmb"]
    assert set(burden[of_a].dropna()) == {2.0} and set(burden[~of_a & ~on_panel].dropna()) == {50.0}
    np.testing.assert_allclose(burden[on_panel].dropna(), 1.5, rtol=1e-12)
    pairs = anndata.read_zarr(home / "work" / "staging" / "omics" / "rearrangements" / "all.zarr").to_df()
    assert list(pairs) == ["ALK", "ALK::EML4", "EML4"] and pairs["ALK::EML4"].sum() == 1 and len(pairs) > 3
