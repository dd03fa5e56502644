"""What cBioPortal's validator asks of a study folder, as its page File Formats states it, rule by rule."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from tests.releases.examples import make_inputs
from tests.releases.test_alterations import of_mutations
from unibase.releases.content.publish import publish_release
from unibase.releases.exports.cbioportal import write_study
from unibase.releases.exports.cbioportal_mutations import genome_of, write_mutations

Table = list[list[str]]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("portal")
    inputs = make_inputs(folder / "in", subjects=40, seed=8)
    stages = pl.Series("STAGE", ["IIA", "IV", 'III "b"', None] * 10)
    subjects = inputs.subjects.with_columns(stages, pl.Series("ldh", range(40)))
    # `stage` of the analysis table is STAGE of the subjects under another spelling; a label stands twice.
    analysis = inputs.analysis.with_columns(pl.Series("stage", ["x\ty"] * 40))  # type: ignore[union-attr]
    piece = pl.DataFrame([{"column": "stage", "label": "Sex"}, {"column": "STAGE", "label": "Stage"}])
    births = inputs.events.head(40).with_columns(  # type: ignore[union-attr]
        pl.lit("MEDS_BIRTH").alias("code"),
        pl.Series("subject_id", subjects["subject_id"]),
        pl.lit(None).cast(inputs.events.schema["numeric_value"]).alias("numeric_value"),  # type: ignore[union-attr]
        pl.datetime(1950, 1, 2).cast(pl.Datetime("us")).alias("time"),
    )
    events = pl.concat([inputs.events, births.select(inputs.events.columns)])  # type: ignore[union-attr, list-item]
    given = replace(inputs, subjects=subjects, analysis=analysis, dictionary=[*inputs.dictionary, piece], events=events)
    return write_study(publish_release(given, folder / "out"), folder / "study", "nsclc")


def meta(path: Path) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in path.read_text(encoding="utf-8").splitlines())


def clinical(study: Path, level: str) -> Table:
    return [line.split("\t") for line in (study / f"data_clinical_{level}.txt").read_text(encoding="utf-8").splitlines()]


def columns(study: Path) -> dict[str, list[str]]:
    """Every attribute of both files with its values."""
    return {
        name: [row[place] for row in table[5:]]
        for table in (clinical(study, "patient"), clinical(study, "sample"))
        for place, name in enumerate(table[4])
    }


def test_the_study_names_its_genome_and_each_meta_file_its_data(study: Path) -> None:
    assert meta(study / "meta_study.txt")["reference_genome"] in ("hg19", "hg38")
    for path in study.glob("meta_*.txt"):
        told = meta(path)
        assert told["cancer_study_identifier"] == meta(study / "meta_study.txt")["cancer_study_identifier"]
        if path.name != "meta_study.txt":
            assert (study / told["data_filename"]).is_file()
            assert told["genetic_alteration_type"] in ("CLINICAL", "MRNA_EXPRESSION", "GENERIC_ASSAY")
    stable = [told["stable_id"] for path in study.glob("meta_*.txt") if "stable_id" in (told := meta(path))]
    assert len(stable) == len(set(stable))


def test_patient_and_sample_share_the_patient_alone(study: Path) -> None:
    patient, sample = (clinical(study, level)[4] for level in ("patient", "sample"))
    assert set(patient) & set(sample) == {"PATIENT_ID"}
    assert patient[0] == sample[0] == "PATIENT_ID" and "SAMPLE_ID" in sample
    assert "STAGE" in patient and "STAGE_AT_INDEX" in sample


@pytest.mark.parametrize("level", ["patient", "sample"])
def test_four_heads_describe_every_column(study: Path, level: str) -> None:
    table = clinical(study, level)
    labels, texts, kinds, priorities, names = table[:5]
    assert all(head[0].startswith("#") for head in table[:4]) and not names[0].startswith("#")
    assert {len(row) for row in table} == {len(names)}
    assert all(cell.strip("# ") for cell in [*labels, *texts])
    assert {cell.lstrip("#") for cell in kinds} <= {"STRING", "NUMBER", "BOOLEAN"}
    assert all(cell.lstrip("#").isdigit() for cell in priorities)
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]*", name) for name in names)
    for place, kind in enumerate(kinds):
        if kind.lstrip("#") == "NUMBER":
            [float(row[place]) for row in table[5:] if row[place] != "NA"]


def test_no_two_attributes_have_one_label(study: Path) -> None:
    labels = [cell.lstrip("#") for level in ("patient", "sample") for cell in clinical(study, level)[0]]
    assert sorted(label for label in set(labels) if labels.count(label) > 1) == ["Patient"]


RULES: dict[str, Callable[[dict[str, list[str]]], bool]] = {
    "a patient stands once": lambda c: len(c["SAMPLE_ID"]) == len(set(c["SAMPLE_ID"])),
    "identifiers have no odd sign": lambda c: all(re.fullmatch(r"[A-Za-z0-9._-]+", v) for v in c["SAMPLE_ID"]),
    "no cell is empty or quoted": lambda c: all(v and '"' not in v and v == v.strip() for values in c.values() for v in values),
    "a status is 0 or 1 and its word": lambda c: all(re.fullmatch(r"[01]:\S+|NA", v) for v in c["OS_STATUS"]),
    "OS is alive or dead": lambda c: set(c["OS_STATUS"]) <= {"0:LIVING", "1:DECEASED", "NA"},
    "status and months come together": lambda c: all(
        (s == "NA") == (m == "NA") for s, m in zip(c["OS_STATUS"], c["OS_MONTHS"], strict=True)
    ),
    "months are not negative": lambda c: all(float(m) >= 0 for m in c["OS_MONTHS"] if m != "NA"),
    "what the portal counts itself is not given": lambda c: not {"MUTATION_COUNT", "FRACTION_GENOME_ALTERED"} & set(c),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_of_values(study: Path, rule: str) -> None:
    assert RULES[rule](columns(study))


def test_each_track_has_its_columns_and_no_birth(study: Path) -> None:
    tracks = {path.name: pl.read_csv(path, separator="\t", infer_schema_length=0) for path in study.glob("data_timeline_*.txt")}
    assert {"data_timeline_treatment.txt", "data_timeline_lab_test.txt", "data_timeline_imaging.txt"} <= set(tracks)
    known = set(columns(study)["PATIENT_ID"])
    for rows in tracks.values():
        assert rows.columns[:4] == ["PATIENT_ID", "START_DATE", "STOP_DATE", "EVENT_TYPE"]
        assert rows["EVENT_TYPE"].n_unique() == 1
        assert set(rows["PATIENT_ID"]) <= known
        rows["START_DATE"].cast(pl.Int64)
    assert "AGENT" in tracks["data_timeline_treatment.txt"].columns
    assert {"TEST", "RESULT"} <= set(tracks["data_timeline_lab_test.txt"].columns)
    assert "MEDS_BIRTH" not in "".join(path.read_text(encoding="utf-8") for path in study.glob("data_timeline_*"))


@pytest.mark.parametrize(("places", "written"), [(False, 12), (True, 20)])
def test_released_variants_are_a_maf_of_the_portal(places: bool, written: int, tmp_path: Path) -> None:
    made = of_mutations(tmp_path / "assays", maf_places=places)
    study = write_study(publish_release(made, tmp_path / "out"), tmp_path / "study")
    told = meta(study / "meta_mutations.txt")
    kind = (told["genetic_alteration_type"], told["datatype"], told["stable_id"])
    assert kind == ("MUTATION_EXTENDED", "MAF", "mutations")
    assert f"; {20 - written} rows" in told["profile_description"]
    # The rows are of GRCh37, and the study has no copy number that says another genome.
    assert meta(study / "meta_study.txt")["reference_genome"] == "hg19"
    head, *rows = [line.split("\t") for line in (study / "data_mutations.txt").read_text(encoding="utf-8").splitlines()]
    asked = ("Hugo_Symbol", "NCBI_Build", "Chromosome", "Variant_Classification", "Reference_Allele", "Tumor_Seq_Allele2")
    assert set(asked) | {"Tumor_Sample_Barcode", "HGVSp_Short"} <= set(head) and "subject_id" not in head
    assert len(rows) == written and {len(row) for row in rows} == {len(head)}
    samples = {row[0] for row in clinical(study, "sample")[5:]} | {row[1] for row in clinical(study, "sample")[5:]}
    listed = meta(study / "case_lists" / "cases_sequenced.txt")["case_list_ids"].split("\t")
    mutated = {row[head.index("Tumor_Sample_Barcode")] for row in rows}
    assert mutated <= set(listed) <= samples and len(listed) == len(set(listed))
    genes = meta(study / "meta_mutated_genes.txt")
    assert (genes["genetic_alteration_type"], genes["stable_id"]) == ("GENERIC_ASSAY", "mutated_genes")


def test_variants_of_another_genome_than_the_studys_stay_out(tmp_path: Path) -> None:
    made = of_mutations(tmp_path / "assays", maf_places=True)
    assert made.maf is not None and genome_of(made.maf) == "hg19" and genome_of(None) is None
    write_mutations(tmp_path, "lyon", made.maf, "hg38", ["7"])
    assert len((tmp_path / "data_mutations.txt").read_text(encoding="utf-8").splitlines()) == 1
    assert "20 rows" in meta(tmp_path / "meta_mutations.txt")["profile_description"]
