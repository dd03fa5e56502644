"""Exports of a release: Define-XML, a cBioPortal study, and a dataset for training."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import mudata
import numpy as np
import polars as pl
import pytest

from tests.releases.examples import make_inputs
from unibase.groundwork.problems import UserError
from unibase.releases.content.publish import publish_release
from unibase.releases.exports.cbioportal import write_study
from unibase.releases.read.dataset import ReleaseDataset

ODM = "{http://www.cdisc.org/ns/odm/v1.3}"


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exports")
    return publish_release(make_inputs(folder / "in", subjects=60), folder / "out")


def test_define_xml_names_every_column_and_each_reference_ends_somewhere(release: Path) -> None:
    root = ET.parse(release / "dictionary" / "define.xml").getroot()
    oids = [e.attrib["OID"] for e in root.iter() if "OID" in e.attrib]
    assert len(oids) == len(set(oids))
    references = [
        value
        for element in root.iter()
        for name, value in element.attrib.items()
        if name.endswith(("ItemOID", "MethodOID", "CodeListOID"))
    ]
    assert set(references) <= set(oids)
    for path in (release / "tables").glob("*.parquet"):
        group = next(g for g in root.iter(f"{ODM}ItemGroupDef") if g.attrib["Name"] == path.stem)
        columns = [r.attrib["ItemOID"].split(".", 2)[2] for r in group.iter(f"{ODM}ItemRef")]
        assert columns == list(pl.read_parquet_schema(path))
    sex = next(i for i in root.iter(f"{ODM}ItemDef") if i.attrib["OID"] == "IT.subjects.sex")
    codes = next(c for c in root.iter(f"{ODM}CodeList") if c.attrib["OID"] == sex.find(f"{ODM}CodeListRef").attrib["CodeListOID"])  # type: ignore[union-attr]
    assert [c.attrib["CodedValue"] for c in codes.iter(f"{ODM}CodeListItem")] == ["F", "M"]


def test_define_xml_keeps_to_the_schema_of_cdisc(release: Path) -> None:
    import odmlib
    import xmlschema

    schema = xmlschema.XMLSchema(Path(odmlib.__file__).parent / "schemas" / "define" / "2.1" / "define2-1-0.xsd")
    document = ET.parse(release / "dictionary" / "define.xml")
    assert [error.reason for error in schema.iter_errors(document)] == []
    version = next(document.getroot().iter(f"{ODM}MetaDataVersion"))
    version.attrib.pop("OID")
    assert any("OID" in str(error.reason) for error in schema.iter_errors(document))


def table(path: Path) -> tuple[list[str], pl.DataFrame]:
    lines = path.read_text(encoding="utf-8").splitlines()
    heads = [line for line in lines if line.startswith("#")]
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    return heads, pl.DataFrame(rows[1:], schema=rows[0], orient="row")


def test_a_cbioportal_study_holds_what_the_release_holds(release: Path, tmp_path: Path) -> None:
    study = write_study(release, tmp_path / "study", "nsclc")
    metas = {
        p.name: dict(line.split(": ", 1) for line in p.read_text(encoding="utf-8").splitlines()) for p in study.glob("meta_*")
    }
    assert {m["cancer_study_identifier"] for m in metas.values()} == {"uniriv_demo_1_0_0"}
    for name, meta in metas.items():
        assert name == "meta_study.txt" or (study / meta["data_filename"]).is_file()
    heads, patients = table(study / "data_clinical_patient.txt")
    assert [len(h.split("\t")) for h in heads] == [patients.width] * 4
    adtte = pl.read_parquet(release / "tables" / "adtte.parquet")
    deaths = {str(s) for s, c in adtte.select("subject_id", "CNSR").iter_rows() if c == 0}
    assert set(patients.filter(pl.col("OS_STATUS") == "1:DECEASED")["PATIENT_ID"]) == deaths
    months = dict(zip(patients["PATIENT_ID"], patients["OS_MONTHS"].cast(float), strict=True))
    for subject, days in adtte.select("subject_id", "AVAL").iter_rows():
        assert abs(months[str(subject)] - days / 30.4375) < 1e-4
    _, samples = table(study / "data_clinical_sample.txt")
    assert set(samples["PATIENT_ID"]) == set(patients["PATIENT_ID"])
    _, genes = table(study / "data_rna.txt")
    whole = mudata.read_h5mu(release / "cohort.h5mu")
    rna = whole["rna"]
    assert genes.columns == ["Hugo_Symbol", *(f"{s}-01" for s in rna.obs_names)]
    np.testing.assert_array_equal(genes.select(pl.exclude("Hugo_Symbol").cast(float)).to_numpy().T.astype(np.float32), rna.X)
    _, mutated = table(study / "data_mutations.txt")
    assert set(mutated.select(pl.exclude("ENTITY_STABLE_ID", "NAME", "DESCRIPTION")).to_numpy().ravel()) == {
        "true",
        "false",
        "NA",
    }
    timeline = pl.read_csv(study / "data_timeline_status.txt", separator="\t", infer_schema_length=0)
    deaths_at = timeline.filter(pl.col("CODE") == "MEDS_DEATH").select("PATIENT_ID", pl.col("START_DATE").cast(int))
    assert {s: d for s, d in deaths_at.iter_rows()} == {
        str(s): int(a) for s, a, c in adtte.select("subject_id", "AVAL", "CNSR").iter_rows() if c == 0
    }
    text = "".join(p.read_text(encoding="utf-8") for p in study.iterdir())
    assert "2015-" not in text


def test_a_dataset_gives_each_subject_its_own_values(release: Path) -> None:
    data = ReleaseDataset(release)
    whole = mudata.read_h5mu(release / "cohort.h5mu")
    adtte = {
        s: (a, c) for s, a, c in pl.read_parquet(release / "tables" / "adtte.parquet").select("subject_id", "AVAL", "CNSR").rows()
    }
    assert len(data) == 60
    together = data.__getitems__(list(range(59, -1, -1)))[::-1]
    for place, item in enumerate(together):
        subject = item["subject_id"]
        assert (item["time"], item["event"]) == (adtte[subject][0], adtte[subject][1] == 0)
        for name in whole.mod:
            part = whole[name]
            if str(subject) not in part.obs_names:
                assert not item[f"{name}_known"].any()
                continue
            row = np.asarray(part[str(subject)].X, dtype=np.float32).ravel()
            np.testing.assert_array_equal(np.where(item[f"{name}_known"], item[name], np.nan), row)
        for key, value in data[place].items():
            np.testing.assert_array_equal(value, item[key])
    complete = ReleaseDataset(release, ["radiomics", "rna"], complete=True)
    assert set(complete.subject_ids.astype(str)) == set(whole["radiomics"].obs_names) & set(whole["rna"].obs_names)
    with pytest.raises(UserError, match=r"no endpoint PFS\. It has: OS"):
        ReleaseDataset(release, endpoint="PFS")
    with pytest.raises(UserError, match="no modality pet"):
        ReleaseDataset(release, ["pet"])


def test_pytorch_loads_batches(release: Path) -> None:
    if importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch is not installed (pip install torch); the dataset itself is tested without it")
    import torch  # type: ignore[import-not-found, unused-ignore]
    from torch.utils.data import DataLoader  # type: ignore[import-not-found, unused-ignore]

    data = ReleaseDataset(release, ["rna"])
    loader: Any = DataLoader(data, batch_size=16, shuffle=False)
    batches = list(loader)
    assert torch.cat([b["subject_id"] for b in batches]).tolist() == data.subject_ids.tolist()
    assert batches[0]["rna"].shape == (16, 30)
    assert batches[0]["rna"].dtype == torch.float32
