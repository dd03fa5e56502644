from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import mudata
import numpy as np
import polars as pl
import pytest

from tests.releases.examples import FEATURE_NAMES, make_inputs, subject_number
from unibase.groundwork.files import sha256_folder
from unibase.groundwork.problems import UserError
from unibase.releases.content import manifest, publish
from unibase.releases.content.inputs import ReleaseInputs
from unibase.releases.content.publish import Following, publish_release
from unibase.releases.read.open import describe


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> ReleaseInputs:
    return make_inputs(tmp_path_factory.mktemp("assays"))


@pytest.fixture(scope="session")
def release(inputs: ReleaseInputs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish_release(inputs, tmp_path_factory.mktemp("releases"))


def test_a_release_has_its_parts(release: Path) -> None:
    for name in (
        "manifest.json",
        "report.html",
        "load_release.R",
        "cohort.h5mu",
        "cohort.zarr/zarr.json",
        "dictionary/dictionary.json",
        "timeline/metadata/dataset.json",
        "tables/analysis.parquet",
        "csv/adtte.csv",
    ):
        assert (release / name).is_file(), name
    assert release.parts[-2:] == ("uniriv-demo", "1.0.0")


def test_same_inputs_give_same_bytes_whatever_the_order_of_rows(inputs: ReleaseInputs, release: Path, tmp_path: Path) -> None:
    def shuffled(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.sample(fraction=1, shuffle=True, seed=5)

    other = replace(
        inputs,
        subjects=shuffled(inputs.subjects),
        analysis=shuffled(inputs.analysis),
        features=shuffled(inputs.features),
        adtte=shuffled(inputs.adtte),
        sample_map=shuffled(inputs.sample_map),
        quarantine=shuffled(inputs.quarantine),
    )
    again = publish_release(other, tmp_path)
    assert sha256_folder(again) == sha256_folder(release)


def test_publishing_the_same_again_returns_and_other_content_is_refused(inputs: ReleaseInputs, release: Path) -> None:
    before = sha256_folder(release)
    assert publish_release(inputs, release.parent.parent) == release
    with pytest.raises(UserError, match=r"tables/subjects\.parquet|give a new version"):
        publish_release(replace(inputs, analysis=inputs.analysis.with_columns(pl.col("ldh") + 1)), release.parent.parent)
    assert sha256_folder(release) == before
    assert [p.name for p in release.parent.iterdir()] == ["1.0.0"]


def test_a_flipped_byte_is_found_in_every_file(release: Path, tmp_path: Path) -> None:
    assert manifest.verify(release) == []
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(release, copy)
    names = sorted(manifest.read(copy)["files"])
    for name in names[:: max(1, len(names) // 25)]:
        content = (copy / name).read_bytes()
        broken = bytearray(content)
        broken[len(broken) // 2] ^= 1
        (copy / name).write_bytes(broken)
        assert manifest.verify(copy) == [f"{name}: content differs from the manifest"]
        (copy / name).write_bytes(content)
    whole = (copy / manifest.MANIFEST).read_bytes()
    for place in range(0, len(whole), len(whole) // 40):
        broken = bytearray(whole)
        broken[place] ^= 1 << place % 7
        (copy / manifest.MANIFEST).write_bytes(broken)
        try:
            found = manifest.verify(copy)
        except UserError:
            continue
        assert "manifest.json: differs from its own digest" in found, place
    (copy / manifest.MANIFEST).write_bytes(whole)
    (copy / "extra").write_text("x")
    (copy / "csv" / "adtte.csv").unlink()
    assert manifest.verify(copy) == ["csv/adtte.csv: missing", "extra: not in the manifest"]
    (copy / "__pycache__").mkdir()
    (copy / "__pycache__" / "load_release.cpython-312.pyc").write_bytes(b"")
    (told,) = (one for one in manifest.verify(copy) if "pycache" in one)
    assert "delete the folder" in told


def test_mudata_opens_both_files_alike_with_values_of_the_sources(inputs: ReleaseInputs, release: Path) -> None:
    import anndata

    whole = mudata.read_h5mu(release / "cohort.h5mu")
    store = mudata.read_zarr(release / "cohort.zarr")
    assert list(whole.mod) == ["radiomics", "mutations", "rna", "clinical"]
    for name in whole.mod:
        np.testing.assert_array_equal(whole[name].X, store[name].X)
        assert list(whole[name].obs_names) == list(store[name].obs_names)
    rna = whole["rna"]
    source = anndata.read_zarr(inputs.assays["rna"])
    np.testing.assert_array_equal(rna.X, source[rna.obs["sample"].astype(str).tolist()].X)
    owner = dict(zip(inputs.sample_map["colname"], inputs.sample_map["primary"], strict=True))
    assert [str(owner[s]) for s in rna.obs["sample"]] == list(rna.obs_names)
    assert all(s.endswith("t") for s in rna.obs["sample"]), "the tumour sample goes before the normal one"
    samples = whole.uns["sample_map"]
    assert len(samples) == inputs.sample_map.height
    assert set(samples.loc[samples["chosen"] & (samples["assay"] == "rna"), "colname"]) == set(rna.obs["sample"])
    radiomics = whole["radiomics"].to_df()
    expected = inputs.features.sort("subject_id").select(FEATURE_NAMES).to_numpy()
    np.testing.assert_array_equal(radiomics[[f"CT_GTV_{n}" for n in FEATURE_NAMES]].to_numpy(), expected)
    assert "OS_AVAL" in whole["clinical"].obs
    assert whole.obs.loc[str(subject_number(0)), "centre"] in "ABC"


def test_every_column_is_in_the_dictionary_or_there_is_no_release(inputs: ReleaseInputs, release: Path, tmp_path: Path) -> None:
    words = pl.read_parquet(release / "dictionary" / "dictionary.parquet")
    known = set(zip(words["table"], words["column"], strict=True))
    for path in (release / "tables").glob("*.parquet"):
        for column in pl.scan_parquet(path).collect_schema().names():
            assert (path.stem, column) in known
    whole = mudata.read_h5mu(release / "cohort.h5mu")
    for name, part in whole.mod.items():
        for column in [*part.var_names, *part.obs.columns, *part.var.columns]:
            assert (name, column) in known
    assert len(json.loads((release / "dictionary" / "dictionary.json").read_text(encoding="utf-8"))) == words.height
    with pytest.raises(UserError, match=r"analysis\.mystery"):
        publish_release(replace(inputs, analysis=inputs.analysis.with_columns(mystery=1)), tmp_path)
    assert not (tmp_path / "uniriv-demo" / "1.0.0").exists()


def test_only_subjects_of_the_cohort_are_released(inputs: ReleaseInputs, tmp_path: Path) -> None:
    kept = inputs.subjects.head(40)
    nobody = inputs.features.head(1).with_columns(pl.lit(None, dtype=pl.Int64).alias("subject_id"))
    folder = publish_release(replace(inputs, subjects=kept, features=pl.concat([inputs.features, nobody])), tmp_path)
    ids = set(kept["subject_id"])
    for path in (folder / "tables").glob("*.parquet"):
        frame = pl.read_parquet(path)
        for column in {"subject_id", "primary"} & set(frame.columns):
            assert set(frame[column]) <= ids, path.name
    events = pl.read_parquet(folder / "timeline" / "data" / "*.parquet")
    assert set(events["subject_id"]) == ids
    assert {int(s) for s in mudata.read_h5mu(folder / "cohort.h5mu").obs_names} == ids


def test_the_timeline_is_what_meds_asks_for(release: Path) -> None:
    import pyarrow.parquet as pq
    from meds import CodeMetadataSchema, DataSchema

    for path in (release / "timeline" / "data").glob("*.parquet"):
        table = pq.read_table(path)
        DataSchema.validate(table)
        frame = pl.read_parquet(path)
        assert frame.equals(frame.sort("subject_id", "time", nulls_last=False, maintain_order=True))
    CodeMetadataSchema.validate(pq.read_table(release / "timeline" / "metadata" / "codes.parquet"))


def test_describe_says_who_and_what_on_one_screen(release: Path) -> None:
    text = describe(release)
    assert "120 subjects" in text
    assert "radiomics" in text
    assert len(text.splitlines()) <= 40


def test_a_folder_that_is_no_release_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no release"):
        describe(tmp_path)


@pytest.mark.slow
def test_another_process_with_another_hash_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    import os
    import subprocess
    import sys

    script = (
        "import sys; from pathlib import Path; from tests.releases.examples import make_inputs;"
        "from unibase.releases.content.publish import publish_release; out = Path(sys.argv[1]);"
        "publish_release(make_inputs(out / 'in', subjects=40), out / 'out')"
    )
    digests = set()
    for seed in ("1", "2"):
        folder = tmp_path / seed
        environment = {**os.environ, "PYTHONHASHSEED": seed, "TZ": "Asia/Tokyo" if seed == "2" else "UTC"}
        root = Path(__file__).resolve().parents[2]
        subprocess.run([sys.executable, "-W", "ignore", "-c", script, str(folder)], cwd=root, env=environment, check=True)
        digests.add(sha256_folder(folder / "out"))
    assert len(digests) == 1


def test_a_night_that_changed_writes_its_content_once_and_the_same_bytes(
    inputs: ReleaseInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    content = publish._write_content

    def counted(given: ReleaseInputs, folder: Path) -> object:
        written.append(given.version)
        return content(given, folder)

    monkeypatch.setattr(publish, "_write_content", counted)
    here = tmp_path / "nights"
    first = publish_release(inputs, here)
    following = Following("1.0.1", first)
    assert publish_release(inputs, here, following=following) == first, "the same bytes are no new version"
    changed = replace(inputs, analysis=inputs.analysis.with_columns(pl.col("ldh") + 1))
    titled = replace(inputs, title="Another title")  # No table tells it.
    assert written == [inputs.version] * 2
    for place, given in (("values", changed), ("words", titled)):
        shutil.copytree(first, tmp_path / place / inputs.study / inputs.version)
        before = len(written)
        folder = publish_release(given, tmp_path / place, following=replace(following, previous=first))
        assert len(written) == before + 1 and folder.name == "1.0.1"
        alone = publish_release(replace(given, version="1.0.1", previous=first), tmp_path / f"{place}-alone")
        assert (folder / "manifest.json").read_bytes() == (alone / "manifest.json").read_bytes()
        assert manifest.verify(folder) == []
