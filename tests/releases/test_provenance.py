from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import mudata
import polars as pl
import pytest

from tests.releases.examples import make_inputs
from unibase.flows.cli.releases import verify as verify_command
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import EVENTS
from unibase.releases.content import manifest, signing
from unibase.releases.content.inputs import ReleaseInputs
from unibase.releases.content.methods_text import methods_paragraph
from unibase.releases.content.publish import publish_release
from unibase.releases.read.explain import explain


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
    measures = pl.DataFrame(
        [
            {"AVAL": 240.0, "ADT": date(2016, 1, 2), "ADY": -3, "ABLFL": "Y", "BASE": 240.0, "CHG": None, "SRCSEQ": 17},
            {"AVAL": 260.5, "ADT": date(2016, 2, 2), "ADY": 29, "ABLFL": None, "BASE": 240.0, "CHG": 20.5, "SRCSEQ": 21},
        ]
    ).select(
        pl.lit(with_image).alias("subject_id"),
        pl.lit("LDH").alias("PARAMCD"),
        pl.lit("ldh (U/L)").alias("PARAM"),
        "AVAL",
        pl.lit(None, dtype=pl.String).alias("AVALC"),
        pl.lit("U/L").alias("AVALU"),
        "ADT",
        "ADY",
        "ABLFL",
        "BASE",
        "CHG",
        pl.lit("A/omop/measurement").alias("SRCDOM"),
        "SRCSEQ",
    )
    # As the imaging room names them: the image type is a column of its own.
    features = inputs.features.rename(lambda name: name.removeprefix("original_"))
    words = pl.DataFrame({"column": ["*_Mean", "*_MeshVolume", "*_Sphericity", "*Entropy"], "label": ["Feature"] * 4})
    inputs = replace(inputs, trace=trace, bds=measures, features=features, dictionary=[*inputs.dictionary, words])
    return inputs, publish_release(inputs, folder / "out")


def test_every_cell_can_be_explained(published: tuple[ReleaseInputs, Path]) -> None:
    inputs, folder = published
    subject = inputs.features["subject_id"][0]
    text = explain(folder, subject, "CT_GTV_original_firstorder_Mean")
    value = inputs.features["firstorder_Mean"][0]
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


def test_every_row_of_a_repeated_measure_is_explained(published: tuple[ReleaseInputs, Path]) -> None:
    inputs, folder = published
    subject = inputs.features["subject_id"][0]
    text = explain(folder, subject, "LDH")
    assert "LDH of subject" in text and "has 2 rows:" in text
    assert "- 240.0 U/L, 2016-01-02 (day -3), the baseline" in text
    assert "- 260.5 U/L, 2016-02-02 (day 29). Read from: A/omop/measurement, row 21." in text
    assert "in the table bds" in text
    assert "A/omop aaaa" in text and "B/fhir" not in text
    assert "- 20.5 U/L, 2016-02-02" in explain(folder, subject, "LDH_CHG")
    assert explain(folder, subject, "bds/LDH") == text
    other = next(s for s in inputs.subjects["subject_id"] if s != subject)
    assert "LDH of subject" in explain(folder, other, "LDH") and "has 0 rows." in explain(folder, other, "LDH")
    with pytest.raises(UserError, match="no variable 'subjects/LDH'"):
        explain(folder, subject, "subjects/LDH")


@pytest.mark.parametrize("name", ["firstorder_Mean", "original_firstorder_Mean", "features/firstorder_Mean"])
def test_every_row_of_a_feature_is_explained(published: tuple[ReleaseInputs, Path], name: str) -> None:
    inputs, folder = published
    row = inputs.features.row(0, named=True)
    text = explain(folder, row["subject_id"], name)
    assert "has 1 row:" in text
    assert f"- {row['firstorder_Mean']}. Modality CT, region GTV, image_type original" in text
    assert f"SeriesInstanceUID {row['SeriesInstanceUID']}. Extracted by pyradiomics 3.0.1 (mode pyradiomics)" in text
    assert f"from files {row['source_digest'][:16]}" in text
    with pytest.raises(UserError, match="no variable"):
        explain(folder, row["subject_id"], "wavelet-LLH_firstorder_Mean")


def test_the_annotations_of_a_sample_are_explained(published: tuple[ReleaseInputs, Path]) -> None:
    inputs, folder = published
    subject = inputs.sample_map.filter(pl.col("assay") == "rna")["primary"][0]
    obs = mudata.read_h5mu(folder / "cohort.h5mu")["rna"].obs.loc[str(subject)]
    text = explain(folder, subject, "rna_library_size")
    assert f"library_size of subject {subject}" in text and f"is {obs['library_size']}." in text
    assert "source B/rna, sample s1" in text
    assert f"is {obs['sample']}." in explain(folder, subject, "rna/sample")
    others = set(inputs.subjects["subject_id"]) - set(inputs.sample_map.filter(pl.col("assay") == "rna")["primary"])
    assert "is missing." in explain(folder, min(others), "rna_library_size")


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


def test_a_forged_release_beside_an_old_signature_is_refused(
    published: tuple[ReleaseInputs, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The forger changes a file and the manifest with it; the signature beside it is a true one, of another manifest."""
    forged, key = tmp_path / "forged", tmp_path / "site.key"
    shutil.copytree(published[1], forged)
    signing.new_signing_key(key)
    signing.sign(forged, key)
    about = {key: value for key, value in manifest.read(forged).items() if key not in ("files", "manifest_sha256")}
    manifest.write(forged, {**about, "settings": {"forged": True}})
    assert manifest.verify(forged) == []  # by its own manifest all is well
    with pytest.raises(UserError, match=r"nothing says whose it is.*--public-key"):
        verify_command(forged)
    with pytest.raises(UserError, match="1 differences"):
        verify_command(forged, public_key=Path(f"{key}.pub"))
    assert "not this key's signature" in capsys.readouterr().out
    signing.sign(forged, key)
    verify_command(forged, public_key=Path(f"{key}.pub"))
    assert f"Signed by the key {signing.fingerprint(f'{key}.pub')}" in capsys.readouterr().out
    with pytest.raises(UserError, match="No public key at"):
        verify_command(forged, public_key=tmp_path / "no.pub")


def test_what_describes_a_subject_and_what_is_empty_is_explained(tmp_path: Path) -> None:
    inputs = make_inputs(tmp_path / "in", subjects=30, seed=2)
    ids = inputs.subjects["subject_id"].to_list()
    index = dict(inputs.subjects.select("subject_id", "index_time").iter_rows())
    staged = [
        {"subject_id": ids[n], "time": index[ids[n]] + timedelta(days=days), "code": code, "text_value": text, "source": "lyon/csv/suivi", "source_row": 40 + place}
        for place, (n, days, code, text) in enumerate(
            [(0, -30, "LOINC//21905-5", "cT2"), (0, -3, "LOINC//21905-5", "pT3"), (0, 9, "LOINC//21905-5", "pT4"), (1, -5, "LOINC//21905-5", "unclear")]
        )
    ]  # fmt: skip
    born = {
        "subject_id": ids[0],
        "time": datetime(1950, 5, 1),
        "code": "MEDS_BIRTH",
        "source": "lyon/csv/people",
        "source_row": 3,
    }
    events = pl.concat([inputs.events, EVENTS.conform(pl.DataFrame([*staged, born]))])  # type: ignore[list-item]
    staging = pl.Series("T", ["pT3", "unclear", *[None] * 28], dtype=pl.String)
    missing = pl.DataFrame({"subject_id": [ids[4]], "variable": ["ldh"], "reason": ["not yet"]})
    subjects = inputs.subjects.with_columns(staging, pl.lit(70).alias("AGE"))
    analysis = inputs.analysis.with_columns(pl.lit(None, dtype=pl.Float64).alias("ldh"))  # type: ignore[union-attr]
    words = pl.DataFrame({"column": ["T", "AGE"], "label": ["T at the index", "Age"]})
    codes = {"T": ["LOINC//21905-5"], "AGE": ["MEDS_BIRTH"]}
    given = replace(
        inputs, events=events, subjects=subjects, analysis=analysis, missing=missing, subject_codes=codes, dictionary=[*inputs.dictionary, words]
    )  # fmt: skip
    folder = publish_release(given, tmp_path / "out")
    found = explain(folder, ids[0], "T")
    assert "is T3." in found
    assert "source lyon/csv/suivi, source_row 41, code LOINC//21905-5, written pT3, -3 days from the index" in found
    assert "source_row 42" not in found and "source_row 40" not in found
    assert "source lyon/csv/people, source_row 3, code MEDS_BIRTH." in explain(folder, ids[0], "AGE")
    assert "the source writes 'unclear', which is no category" in explain(folder, ids[1], "T")
    assert "It is empty (not known): no record" in explain(folder, ids[2], "T")
    assert "It is empty (not yet): it was recorded only after the index." in explain(folder, ids[4], "ldh")
    assert "It is empty (not done)" in explain(folder, ids[5], "ldh")
