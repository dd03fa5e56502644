from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import mudata
import polars as pl
import pytest

from groundwork.problems import UserError
from releases import manifest, signing
from releases.inputs import ReleaseInputs
from releases.provenance import explain, methods_paragraph
from releases.publish import publish_release
from tests.releases.examples import make_inputs


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[ReleaseInputs, Path]:
    folder = tmp_path_factory.mktemp("provenance")
    inputs = make_inputs(folder / "in", subjects=30)
    with_rna = inputs.sample_map.filter(pl.col("assay") == "rna")["primary"][0]
    with_image = inputs.features["subject_id"][0]
    series = inputs.features["SeriesInstanceUID"][0]
    trace = pl.DataFrame(
        [
            {
                "subject_id": with_image,
                "variable": "CT_GTV_original_*",
                "kind": "imaging",
                "SeriesInstanceUID": series,
                "days_from_index": -20.0,
            },
            {
                "subject_id": with_image,
                "variable": "ldh",
                "kind": "clinical",
                "source": "A/omop/measurement",
                "source_row": 17,
                "code": "LOINC//2532-0",
                "days_from_index": -3.5,
            },
            {
                "subject_id": with_rna,
                "variable": "rna_*",
                "kind": "sample",
                "source": "B/rna",
                "sample": "s1",
                "days_from_index": -7.0,
            },
        ]
    )
    inputs = replace(inputs, trace=trace)
    return inputs, publish_release(inputs, folder / "out")


def test_every_cell_can_be_explained(published: tuple[ReleaseInputs, Path]) -> None:
    inputs, folder = published
    subject = inputs.features["subject_id"][0]
    text = explain(folder, subject, "CT_GTV_original_firstorder_Mean")
    value = inputs.features["original_firstorder_Mean"][0]
    assert str(value) in text
    assert f"SeriesInstanceUID {inputs.features['SeriesInstanceUID'][0]}, -20 days from the index" in text
    assert "pyradiomics 3.0.1" in text
    assert inputs.features["source_digest"][0][:16] in text
    lab = explain(folder, subject, "ldh")
    assert "source A/omop/measurement, source_row 17, code LOINC//2532-0, -3.5 days from the index" in lab
    assert "U/L" in lab
    assert "A/omop aaaa" in lab and "B/fhir" not in lab, "only the sources of the centre it was read in"
    assert "settings" in lab.lower()
    assert "0123456789abcdef" in lab
    survival = explain(folder, subject, "OS")
    assert "DAYS" in survival
    assert str(inputs.adtte.filter(pl.col("subject_id") == subject)["AVAL"][0]) in survival
    for column in pl.read_parquet(folder / "tables" / "analysis.parquet").columns:
        assert explain(folder, subject, column)


def test_what_is_not_there_is_said(published: tuple[ReleaseInputs, Path]) -> None:
    inputs, folder = published
    with pytest.raises(UserError, match="no such subject"):
        explain(folder, 5, "ldh")
    with pytest.raises(UserError, match="no variable 'nothing'"):
        explain(folder, inputs.subjects["subject_id"][0], "nothing")


def test_a_gene_that_is_only_in_a_matrix_can_be_explained(published: tuple[ReleaseInputs, Path]) -> None:
    inputs, folder = published
    subject = inputs.sample_map.filter(pl.col("assay") == "rna")["primary"][0]
    value = mudata.read_h5mu(folder / "cohort.h5mu")["rna"][str(subject), "ENSG00000000003"].X.item()
    text = explain(folder, subject, "rna_ENSG00000000003")
    assert f"is {value}." in text
    assert "in the modality rna" in text
    assert "source B/rna, sample s1, -7 days from the index" in text
    assert "B/fhir bbbb" in text and "A/omop" not in text, "only the sources of the centre of the sample"
    others = set(inputs.subjects["subject_id"]) - set(inputs.sample_map.filter(pl.col("assay") == "rna")["primary"])
    assert "is missing." in explain(folder, min(others), "rna_ENSG00000000003")
    with pytest.raises(UserError, match="no variable"):
        explain(folder, subject, "rna_nothing")


def test_the_methods_say_what_ran_and_no_more(published: tuple[ReleaseInputs, Path]) -> None:
    inputs, folder = published
    text = (folder / "methods.txt").read_text(encoding="utf-8")
    assert "pyradiomics 3.0.1 (van Griethuysen" in text
    assert "rna (30 variables) was normalised by tmm (Robinson" in text
    assert "first treatment_start" in text
    about = {**manifest.read(folder), "settings": {}, "modalities": {}}
    bare = methods_paragraph(about, {"features": inputs.features.clear().lazy(), "adtte": inputs.adtte.clear().lazy()})
    assert "Griethuysen" not in bare
    assert "Kaplan" not in bare
    assert "normalised" not in bare


def test_a_signature_holds_until_a_byte_changes(published: tuple[ReleaseInputs, Path], tmp_path: Path) -> None:
    _, folder = published
    key, other = tmp_path / "site.key", tmp_path / "other.key"
    signing.new_signing_key(key)
    signing.new_signing_key(other)
    assert key.stat().st_mode & 0o077 == 0
    assert signing.verify_signed(folder, tmp_path / "site.key.pub") == ["manifest.json.sig: missing"]
    first = signing.sign(folder, key).read_bytes()
    assert signing.sign(folder, key).read_bytes() == first
    assert signing.verify_signed(folder, tmp_path / "site.key.pub") == []
    assert manifest.verify(folder) == []
    assert signing.verify_signed(folder, tmp_path / "other.key.pub")[0].endswith("is not this key's signature of the manifest")
    signature = folder / "manifest.json.sig"
    for place in range(0, len(first), 5):
        broken = bytearray(first)
        broken[place] ^= 0x20  # of a letter, its case
        signature.write_bytes(broken)
        assert signing.verify_signed(folder, tmp_path / "site.key.pub") != [], place
    signature.write_bytes(first)
    path = folder / "manifest.json"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("1.0.0", "1.0.1", 1))
    assert signing.verify_signed(folder, tmp_path / "site.key.pub") != []
    path.write_text(text)
    with pytest.raises(UserError, match="exists and is not overwritten"):
        signing.new_signing_key(key)
    with pytest.raises(UserError, match="no public key"):
        signing.verify_signed(folder, path)
