from __future__ import annotations

import io
import json
import runpy
import tarfile
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import polars as pl
import pyrage
import pytest
import zarr

from tests.releases.examples import make_inputs
from tests.releases.test_images import staged
from unibase.groundwork.files import sha256_folder
from unibase.groundwork.problems import UserError
from unibase.privacy.audit import AuditLog
from unibase.privacy.keys import Key
from unibase.releases.content.inputs import ReleaseInputs
from unibase.releases.content.publish import publish_release
from unibase.releases.exports.extract import Request, extract, read_request
from unibase.releases.exports.extract_overlap import cuts_few
from unibase.releases.exports.extract_request import Condition

KEY = Key(bytes(range(32)))
TODAY = date(2026, 2, 1)

REQUEST = """\
project: lung-os
approval: CESREES 26-001
recipients: [{recipient}]
expires: 2027-01-31
subjects:
  - {{column: centre, in: [A, B]}}
  - {{column: age_at_index, min: 50}}
variables:
  subjects: [centre, sex]
  analysis: [index_time, ldh, CT_GTV_original_shape_MeshVolume]
  adtte: [PARAMCD, AVAL, CNSR, ADT]
matrices:
  rna: [ENSG00000000003, ENSG00000000000]
"""


@dataclass
class Setting:
    inputs: ReleaseInputs
    folder: Path
    identity: pyrage.x25519.Identity
    request: Request


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    folder = tmp_path_factory.mktemp("extract")
    inputs = make_inputs(folder / "in", subjects=80)
    identity = pyrage.x25519.Identity.generate()
    path = folder / "request.yaml"
    path.write_text(REQUEST.format(recipient=identity.to_public()))
    return Setting(inputs, publish_release(inputs, folder / "out"), identity, read_request(path))


def open_extract(path: Path, identity: pyrage.x25519.Identity) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(pyrage.decrypt(path.read_bytes(), [identity]))) as archive:
        return {m.name: archive.extractfile(m).read() for m in archive.getmembers()}  # type: ignore[union-attr]


def test_an_extract_holds_what_was_asked_and_no_more(setting: Setting, tmp_path: Path) -> None:
    audit = AuditLog(tmp_path / "audit.jsonl")
    path = extract(setting.folder, setting.request, KEY, tmp_path / "out", today=TODAY, actor="dpo", audit=audit)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["lung-os.tar.age"]
    files = open_extract(path, setting.identity)
    assert sorted(files) == [
        "csv/adtte.csv",
        "csv/analysis.csv",
        "csv/rna.csv",
        "csv/subjects.csv",
        "dictionary.csv",
        "extract.json",
        "tables/adtte.parquet",
        "tables/analysis.parquet",
        "tables/rna.parquet",
        "tables/subjects.parquet",
    ]
    expected = setting.inputs.subjects.filter(pl.col("centre").is_in(["A", "B"]) & (pl.col("age_at_index") >= 50))
    subjects = pl.read_parquet(files["tables/subjects.parquet"])
    assert subjects.columns == ["subject_id", "centre", "sex"]
    assert subjects.height == expected.height
    everything = b"".join(files.values())
    for one in setting.inputs.subjects["subject_id"]:
        assert str(one).encode() not in everything
    assert not set(subjects["subject_id"]) & set(setting.inputs.subjects["subject_id"])
    analysis = pl.read_parquet(files["tables/analysis.parquet"])
    assert analysis.columns == ["subject_id", "ldh", "CT_GTV_original_shape_MeshVolume", "index_time_days_from_index"]
    assert set(analysis["index_time_days_from_index"]) == {0}
    adtte = pl.read_parquet(files["tables/adtte.parquet"])
    assert (adtte["ADT_days_from_index"] == adtte["AVAL"]).all()
    rna = pl.read_parquet(files["tables/rna.parquet"])
    assert rna.columns == ["subject_id", "ENSG00000000003", "ENSG00000000000"]
    entry = audit.entries()[0]
    assert (entry["actor"], entry["action"], entry["subject_count"]) == ("dpo", "extract", expected.height)
    assert json.loads(files["extract.json"])["expires"] == "2027-01-31"


def test_the_dictionary_tells_of_the_extract_alone(setting: Setting, tmp_path: Path) -> None:
    path = extract(setting.folder, setting.request, KEY, tmp_path, today=TODAY, actor="dpo")
    files = open_extract(path, setting.identity)
    words = pl.read_csv(files["dictionary.csv"], infer_schema_length=0)
    assert not {"missing_by_reason", "completeness_by_centre"} & set(words.columns)
    for row in words.iter_rows(named=True):
        frame = pl.read_parquet(files[f"tables/{row['table']}.parquet"])
        assert (int(row["rows"]), int(row["missing"])) == (frame.height, frame[row["column"]].null_count())
    assert "ADT_days_from_index" in words.filter(pl.col("table") == "adtte")["column"].to_list()


def test_endpoints_leave_one_by_one(tmp_path: Path) -> None:
    inputs = make_inputs(tmp_path / "in", subjects=40)
    both = pl.concat([inputs.adtte, inputs.adtte.with_columns(PARAMCD=pl.lit("PFS"))])
    release = publish_release(replace(inputs, adtte=both), tmp_path / "out")
    identity = pyrage.x25519.Identity.generate()
    asked = {"project": "p", "approval": "x", "recipients": [str(identity.to_public())], "expires": "2027-01-01"}
    request = Request.model_validate({**asked, "variables": {"adtte": ["AVAL", "PARAMCD"]}, "endpoints": ["PFS"]})
    files = open_extract(extract(release, request, KEY, tmp_path / "x", today=TODAY, actor="dpo"), identity)
    assert set(pl.read_parquet(files["tables/adtte.parquet"])["PARAMCD"]) == {"PFS"}
    with pytest.raises(UserError, match=r"endpoints: the release has no EFS\. It has: OS, PFS"):
        extract(release, request.model_copy(update={"endpoints": ["EFS"]}), KEY, tmp_path / "x", today=TODAY, actor="dpo")


def test_a_second_request_of_one_name_and_one_that_differs_by_a_few_are_refused(setting: Setting, tmp_path: Path) -> None:
    audit = AuditLog(tmp_path / "audit.jsonl")

    def give(**changes: object) -> Path:
        request = setting.request.model_copy(update=changes)
        return extract(setting.folder, request, KEY, tmp_path / "out", today=TODAY, actor="dpo", audit=audit)

    age = setting.request.subjects[1]
    first = give()
    assert give() == first, "the same request again, for who lost the file"
    with pytest.raises(UserError, match=r"Give `version: 2`"):
        give(dates="none")
    assert give(dates="none", version=2).name == "lung-os-v2.tar.age"
    ages = setting.inputs.subjects.filter(pl.col("centre").is_in(["A", "B"]))["age_at_index"].sort()
    near = next(a for a in range(51, 90) if 0 < ages.filter((ages >= 50) & (ages < a)).len() < 11)
    with pytest.raises(UserError, match="differ by fewer than 11 from those of the extract of lung-os"):
        give(project="other", subjects=[setting.request.subjects[0], age.model_copy(update={"min": float(near)})])
    assert all("subject_id" not in json.dumps(entry) for entry in audit.entries())


@pytest.mark.parametrize(
    ("earlier", "mine", "few"),
    [
        ([], range(100), False),
        ([], range(96), True),
        ([], range(60), False),
        ([range(60)], range(60), False),
        ([range(60)], range(57), True),
        ([range(60)], range(45), False),
        ([range(60)], range(63), True),
        # Two that differ by many from each other, and with the third leave three persons alone.
        ([range(60), range(30)], range(27, 60), True),
        ([range(60), range(30)], range(30, 60), False),
        # A part that is small already is not cut again.
        ([range(97)], range(50), False),
        ([range(97)], [*range(50), 99], True),
    ],
)
def test_a_further_extract_cuts_off_no_few(earlier: list[range], mine: range, few: bool) -> None:
    assert cuts_few(range(100), earlier, mine, 11) is few


def test_three_extracts_together_are_weighed(setting: Setting, tmp_path: Path) -> None:
    audit = AuditLog(tmp_path / "audit.jsonl")
    everybody = setting.inputs.subjects
    ages = everybody.filter(pl.col("sex") == "M")["age_at_index"].sort()
    few = next(a for a in range(91, 30, -1) if 0 < (ages >= a).sum() < 11 and (everybody["age_at_index"] < a).sum() > 11)

    def give(project: str, *conditions: Condition) -> None:
        request = setting.request.model_copy(update={"project": project, "subjects": list(conditions), "joins": "26-001 c"})
        extract(setting.folder, request, KEY, tmp_path / "out", today=TODAY, actor="dpo", audit=audit)

    sex = {one: Condition.model_validate({"column": "sex", "in": [one]}) for one in "FM"}
    give("all")
    give("women", sex["F"])
    with pytest.raises(UserError, match="earlier extracts of the release"):
        give("younger-men", sex["M"], Condition(column="age_at_index", max=float(few - 1)))
    give("men", sex["M"])
    with pytest.raises(UserError, match=r"differ by fewer than 11|leaves out fewer than 11"):
        give("nearly-all", Condition(column="age_at_index", max=float(everybody["age_at_index"].max() - 1)))  # type: ignore[operator]


def test_values_follow_their_subject(setting: Setting, tmp_path: Path) -> None:
    exact = setting.request.model_copy(update={"noise": 0.0})
    files = open_extract(extract(setting.folder, exact, KEY, tmp_path, today=TODAY, actor="dpo"), setting.identity)
    joined = pl.read_parquet(files["tables/analysis.parquet"]).join(
        pl.read_parquet(files["tables/adtte.parquet"]), on="subject_id"
    )
    joined = joined.join(pl.read_parquet(files["tables/rna.parquet"]), on="subject_id", how="left")
    got = {(v, t, c) for v, t, c in joined.select("CT_GTV_original_shape_MeshVolume", "AVAL", "CNSR").iter_rows()}
    truth = setting.inputs.analysis.join(setting.inputs.adtte, on="subject_id").join(setting.inputs.subjects, on="subject_id")
    truth = truth.filter(pl.col("centre").is_in(["A", "B"]) & (pl.col("age_at_index") >= 50))
    assert got == set(truth.select("CT_GTV_original_shape_MeshVolume", "AVAL", "CNSR").iter_rows())


def test_pseudonyms_of_two_projects_have_nothing_in_common_and_are_stable(setting: Setting, tmp_path: Path) -> None:
    def ids(project: str, place: str) -> set[int]:
        request = setting.request.model_copy(update={"project": project})
        files = open_extract(extract(setting.folder, request, KEY, tmp_path / place, today=TODAY, actor="dpo"), setting.identity)
        return set(pl.read_parquet(files["tables/subjects.parquet"])["subject_id"])

    assert ids("lung-os", "a") == ids("lung-os", "b")
    assert not ids("lung-os", "a") & ids("other", "c")


def test_another_key_does_not_open_it(setting: Setting, tmp_path: Path) -> None:
    path = extract(setting.folder, setting.request, KEY, tmp_path, today=TODAY, actor="dpo")
    with pytest.raises(pyrage.DecryptError):
        open_extract(path, pyrage.x25519.Identity.generate())


def test_what_may_not_leave_does_not(setting: Setting, tmp_path: Path) -> None:
    def refuse(match: str, **changes: object) -> None:
        with pytest.raises(UserError, match=match):
            extract(setting.folder, setting.request.model_copy(update=changes), KEY, tmp_path / "x", today=TODAY, actor="dpo")
        assert not list((tmp_path / "x").rglob("*")) if (tmp_path / "x").exists() else True

    refuse("ended on 2026-01-31", expires=date(2026, 1, 31))
    refuse("has no mystery", variables={"analysis": ["mystery"]})
    refuse("cannot leave it", variables={"adtte": ["AVAL", "SRCSEQ"]})
    refuse("cannot leave it", variables={"analysis": ["rna_sample"]})
    refuse("no age public key", recipients=["ssh-rsa AAAA"])
    refuse(
        "fewer than 11 subjects",
        subjects=[*setting.request.subjects, setting.request.subjects[1].model_copy(update={"min": 90.0})],
    )
    refuse("modality rna has no GENEX", matrices={"rna": ["GENEX"]})


def test_a_request_names_its_wrong_keys(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("project: Lung OS\napproval: x\nrecipients: []\nvariables: {trace: [a]}\nsubjects: [{column: a}]\n")
    with pytest.raises(UserError, match=r"(?s)project.*recipients.*expires.*subjects.*variables"):
        read_request(path)


@pytest.fixture(scope="module")
def with_images(tmp_path_factory: pytest.TempPathFactory, setting: Setting) -> tuple[Path, pl.DataFrame]:
    """A release with a CT and a PET of six subjects; one CT may show a face."""
    folder = tmp_path_factory.mktemp("extract-images")
    asked = setting.inputs.subjects.filter(pl.col("centre").is_in(["A", "B"]), pl.col("age_at_index") >= 50)
    subjects = asked["subject_id"].sort().to_list()[:6]
    other = setting.inputs.subjects.filter(pl.col("centre") == "C")["subject_id"][0]
    voxels, _ = staged(folder / "stores", [*subjects, other])
    face = (pl.col("subject_id") == subjects[0]) & (pl.col("Modality") == "CT")
    voxels = replace(voxels, copies=(), table=voxels.table.with_columns(face.alias("may_show_a_face")))
    inputs = make_inputs(folder / "in", subjects=80, voxels=voxels)
    return publish_release(inputs, folder / "out"), pl.DataFrame({"subject_id": subjects})


# What a request says of images, and how many stores leave: six CT, one of which may show a face, and six PET.
IMAGES: dict[str, tuple[dict[str, object], int]] = {
    "none": ({}, 0),
    "one modality": ({"images": ["CT"]}, 5),
    "two": ({"images": ["CT", "PT"]}, 11),
    "heads as well": ({"images": ["CT"], "head_images": "approval 26-001 b"}, 6),
}


@pytest.mark.parametrize("kind", IMAGES)
def test_images_leave_under_the_projects_names(
    setting: Setting, with_images: tuple[Path, pl.DataFrame], tmp_path: Path, kind: str
) -> None:
    release, subjects = with_images
    more, count = IMAGES[kind]
    path = extract(release, setting.request.model_copy(update=more), KEY, tmp_path, today=TODAY, actor="dpo")
    assert [one.name for one in tmp_path.iterdir()] == ["lung-os.tar.age"] and path.stat().st_mode & 0o777 == 0o600
    files = open_extract(path, setting.identity)
    if not count:
        assert not any(name.startswith(("images/", "dataset.py")) for name in files)
        return
    for name, content in files.items():
        there = tmp_path / "x" / name
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_bytes(content)
    table = pl.read_parquet(tmp_path / "x/tables/images.parquet")
    assert not {"centre", "Manufacturer", "ConvolutionKernel", "noise"} & set(table.columns), "nobody asked for it"
    assert table.height == count
    assert set(table["subject_id"]) <= set(pl.read_parquet(tmp_path / "x/tables/subjects.parquet")["subject_id"])
    for store, digest in table.select("path", "digest").iter_rows():
        assert sha256_folder(tmp_path / "x" / store) == digest
    named = [*(str(one) for one in subjects["subject_id"]), *(f"2.25.{one}" for one in subjects["subject_id"])]
    told = b"".join(
        [*(name.encode() for name in files), *(one for name, one in files.items() if name.endswith((".json", ".csv")))]
    )
    assert not [one for one in named if one.encode() in told]
    assert ("left_out.json" in files) == (kind in ("one modality", "two"))
    data = runpy.run_path(str(tmp_path / "x/dataset.py"))["Patches"](tmp_path / "x", "CT", size=(4, 8, 8))
    before = zarr.open_group(release / pl.read_parquet(release / "tables/images.parquet")["path"][0], mode="r")
    assert data[0]["image"].shape == (1, 4, 8, 8) and data.whole(0)["image"].shape[1:] == before["0"].shape  # type: ignore[union-attr]


def test_images_that_the_release_has_not_are_refused(setting: Setting, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no voxels of MR\. It has: none"):
        extract(setting.folder, setting.request.model_copy(update={"images": ["MR"]}), KEY, tmp_path, today=TODAY, actor="dpo")
