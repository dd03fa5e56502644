"""Altered genes on the page, and the MAF that a release holds: what is told of few persons, and what never leaves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import polars as pl
import pytest

from tests.releases.examples import make_inputs
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import MAF
from unibase.privacy.leaks.leak_scan import Needle, scan
from unibase.releases.catalogue.described_release import distributions, open_release
from unibase.releases.content.inputs import ReleaseInputs
from unibase.releases.content.publish import publish_release
from unibase.releases.report.sections.alterations import Alteration, Altered, altered_genes, drawn_genes

CELL = 5


def some(number: int) -> frozenset[str]:
    return frozenset(map(str, range(number)))


@pytest.mark.parametrize(
    ("has", "looked_at", "told"),
    [
        (0, 40, "•"),
        (4, 40, "•"),
        (5, 40, "≥ 5"),
        (9, 40, "≥ 5"),
        (10, 40, "≥ 10"),
        (34, 40, "≥ 30"),
        (35, 40, "≥ 35"),
        (36, 40, "≥ 35"),  # Four lack it: no more is told than of five who do.
        (40, 40, "≥ 35"),  # Nor where nobody does.
        (7, 9, "•"),  # Of nine, five may lack it.
    ],
)
def test_what_is_told_of_an_alteration(has: int, looked_at: int, told: str) -> None:
    assert Alteration(some(has), looked_at).told(CELL) == told


@pytest.mark.parametrize("size", [12, 23, 40])
def test_no_number_that_is_told_tells_of_fewer_than_the_smallest_count(size: int) -> None:
    told: dict[str, list[int]] = {}
    for number in range(size + 1):
        told.setdefault(Alteration(some(number), size).told(CELL), []).append(number)
    for numbers in told.values():
        assert len(numbers) >= CELL and (numbers[0] >= CELL or numbers[0] == 0)
        assert size - numbers[0] >= CELL or numbers == [0]


def test_exact_counts_order_no_genes_and_choose_none() -> None:
    found = {
        name: Altered(name, {"mutated": Alteration(some(n), 60)}) for name, n in (("ZZ", 14), ("AA", 10), ("BB", 20), ("CC", 4))
    }
    assert [one.gene for one in drawn_genes(found, CELL)] == ["BB", "AA", "ZZ"]


def of_mutations(folder: Path, **changes: object) -> ReleaseInputs:
    """A study of which KRAS is mutated in 12 subjects, TP53 in 8 and truncated in 3 of them, BRAF in 2."""
    inputs = make_inputs(folder, subjects=60, min_cell=CELL)
    store = inputs.assays["mutations"]
    data = anndata.read_zarr(store)
    genes = {"KRAS": 12, "TP53": 8, "TP53:truncating": 3, "BRAF": 2}
    x = np.zeros((data.n_obs, len(genes)), dtype=np.float32)
    used = inputs.sample_map.filter((pl.col("assay") == "mutations") & (pl.col("status") == "used"))
    primary = dict(used.filter(~pl.col("primary").is_duplicated()).select("colname", "primary").iter_rows())
    people = [(primary[name], name) for name in map(str, data.obs_names) if name in primary]
    for place, number in enumerate(genes.values()):
        x[data.obs_names.isin([name for _, name in people[:number]]), place] = 1
    var = pd.DataFrame({"symbol": list(genes)}, index=list(genes))
    anndata.AnnData(X=x, obs=data.obs, var=var).write_zarr(store)
    maf = [row(people[n], "KRAS", 25398284, "p.G12D") for n in range(12)] + [
        row(people[n], "TP53", 7577000 + n, None) for n in range(8)
    ]
    return replace(inputs, maf=MAF.conform(pl.DataFrame(maf, schema=MAF.schema())), **changes)  # type: ignore[arg-type]


def row(person: tuple[int, str], gene: str, start: int, change: str | None) -> dict[str, object]:
    return {
        "subject_id": person[0], "Tumor_Sample_Barcode": person[1], "Hugo_Symbol": gene,
        "Entrez_Gene_Id": 1, "NCBI_Build": "GRCh37", "Chromosome": "12", "Start_Position": start, "End_Position": start,
        "Variant_Classification": "Missense_Mutation", "Variant_Type": "SNP", "Reference_Allele": "C", "Tumor_Seq_Allele2": "T",
        "HGVSp_Short": change, "Mutation_Status": "Somatic",
    }  # fmt: skip


def test_the_page_tells_altered_genes_and_nobody_alone(tmp_path: Path) -> None:
    folder = publish_release(of_mutations(tmp_path / "assays"), tmp_path / "releases")
    found = altered_genes(folder / "cohort.zarr")
    assert {name: len(one.kinds["mutated"].subjects) for name, one in found.items()} == {"KRAS": 12, "TP53": 8, "BRAF": 2}
    page = (folder / "report.html").read_text(encoding="utf-8")
    section = page[page.index('id="alterations"') :].partition("</section>")[0]
    assert "KRAS" in section and "≥ 10" in section and "TP53" in section and "BRAF" not in section
    assert 'data-label="tronquant" data-label-en="truncating">•' in section
    assert "oncoprint" not in section and "12" not in section.split("KRAS", 1)[1]
    told = pl.read_parquet(folder / "disclosure.parquet").filter(pl.col("output") == "alterations")
    assert dict(told.select("number", "shown").iter_rows()) == {"genes": True, "single subjects": False}


def test_columns_of_subjects_are_drawn_where_the_page_stays_with_those_who_see_the_tables(tmp_path: Path) -> None:
    folder = publish_release(of_mutations(tmp_path / "assays", lanes=True), tmp_path / "releases")
    page = (folder / "report.html").read_text(encoding="utf-8")
    drawn = page[page.index('aria-labelledby="oncoprint-t"') :].partition("</svg>")[0]
    assert drawn.count('fill="#2e8b57"') == 12 + 8 and drawn.count('fill="#1b1b1b"') == 3
    assert not any(str(subject) in drawn for subject in pl.read_parquet(folder / "tables/subjects.parquet")["subject_id"])


@pytest.mark.parametrize(("places", "of_tp53"), [(False, 0), (True, 8)])
def test_a_maf_tells_the_place_of_rare_variants_only_where_the_study_says_so(places: bool, of_tp53: int, tmp_path: Path) -> None:
    folder = publish_release(of_mutations(tmp_path / "assays", maf_places=places), tmp_path / "releases")
    table = pl.read_parquet(folder / "tables/maf.parquet")
    assert table.columns == list(MAF.schema()) and table.height == 20
    of = table.group_by("Hugo_Symbol").agg(pl.col("Start_Position").count(), pl.col("HGVSp_Short").count()).sort("Hugo_Symbol")
    assert of.rows() == [("KRAS", 12, 12), ("TP53", of_tp53, 0)]
    lines = (folder / "mutations.maf").read_text(encoding="utf-8").splitlines()
    used = pl.read_parquet(folder / "tables/sample_map.parquet").filter(
        (pl.col("assay") == "mutations") & (pl.col("status") == "used")
    )
    assert lines[0] == "#version 2.4" and lines[1].split()[1:] == sorted(used["colname"])
    assert (
        lines[2].split("\t")[:3] == ["Hugo_Symbol", "Entrez_Gene_Id", "Tumor_Sample_Barcode"] and len(lines) == 3 + 12 + of_tp53
    )
    words = pl.read_parquet(folder / "dictionary/dictionary.parquet").filter(pl.col("table") == "maf")
    assert words["column"].to_list() == table.columns
    assert "csv/maf.csv" in (folder / "manifest.json").read_text() and "mutations.maf" in (folder / "manifest.json").read_text()
    offered = {one.name: one.media for one in distributions(open_release(folder))}
    assert offered["mutations.maf"] == "text/tab-separated-values" and "csv/maf.csv" in offered
    shown = pl.read_parquet(folder / "disclosure.parquet").filter(pl.col("output") == "maf")
    assert shown["shown"].to_list() == [places]


def test_subjects_outside_the_release_and_samples_set_aside_have_no_variant(tmp_path: Path) -> None:
    inputs = of_mutations(tmp_path / "assays", maf_places=True)
    assert inputs.maf is not None
    aside = inputs.maf["Tumor_Sample_Barcode"][0]
    mapped = inputs.sample_map.with_columns(
        pl.when(pl.col("colname") == aside).then(pl.lit("quarantined")).otherwise("status").alias("status")
    )
    stranger = inputs.maf.head(1).with_columns(pl.lit(99, pl.Int64()).alias("subject_id"))
    made = replace(inputs, sample_map=mapped, maf=pl.concat([inputs.maf, stranger]))
    released = pl.read_parquet(publish_release(made, tmp_path / "releases") / "tables/maf.parquet")
    assert aside not in set(released["Tumor_Sample_Barcode"]) and 99 not in set(released["subject_id"])


def test_a_place_is_no_hospital_number_and_a_name_in_a_cell_is_found(tmp_path: Path) -> None:
    made = of_mutations(tmp_path / "assays", maf_places=True)
    folder = publish_release(made, tmp_path / "releases", [Needle("number", "7577003"), Needle("number", "25398284")])
    assert scan(folder, [Needle("name", "p.G12D")])
    assert made.maf is not None
    leaky = replace(made, version="1.1.0", maf=made.maf.with_columns(pl.lit("ZQVIBERT").alias("HGVSp_Short")))
    with pytest.raises(UserError, match="identifiers of the sources"):
        publish_release(leaky, tmp_path / "releases", [Needle("name", "ZQVIBERT")])


def test_a_study_without_a_maf_releases_none(tmp_path: Path) -> None:
    folder = publish_release(replace(of_mutations(tmp_path / "assays"), maf=None), tmp_path / "releases")
    assert not (folder / "mutations.maf").exists() and not (folder / "tables/maf.parquet").exists()
