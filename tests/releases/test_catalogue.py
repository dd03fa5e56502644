from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from tests.releases.describe_example import DESCRIPTION
from tests.releases.examples import make_inputs
from tests.releases.test_report import Page
from unibase.groundwork.files import sha256_folder
from unibase.groundwork.problems import UserError
from unibase.releases.catalogue.catalogue_records import write_records
from unibase.releases.catalogue.croissant import croissant
from unibase.releases.catalogue.described_release import open_release
from unibase.releases.catalogue.description import Description, read_description
from unibase.releases.catalogue.healthdcat import health_dcat
from unibase.releases.catalogue.marked_versions import write_marks
from unibase.releases.catalogue.site import version_key, write_site
from unibase.releases.content.publish import publish_release


@pytest.fixture(scope="module")
def description(tmp_path_factory: pytest.TempPathFactory) -> Description:
    path = tmp_path_factory.mktemp("description") / "catalogue.yaml"
    path.write_text(DESCRIPTION)
    return read_description(path)


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("catalogue")
    inputs = make_inputs(folder / "in", subjects=40)
    publish_release(inputs, folder / "out")
    publish_release(replace(inputs, version="1.1.0", subjects=inputs.subjects.head(9), flow=[]), folder / "out")
    return folder / "out"


@pytest.mark.parametrize("shapes", ["hdh_fr_hdap-validator-sensitivity-shape.ttl", "r8_non-public-shapes.retyped.ttl"])
def test_the_record_conforms_to_both_health_profiles(
    real_data: Path, releases: Path, description: Description, shapes: str
) -> None:
    from pyshacl import validate

    folder = real_data / "clinical" / "healthdcat"
    if not (folder / shapes).exists():
        pytest.skip(f"no {shapes} in the real data")
    for version in ("1.0.0", "1.1.0"):
        record = health_dcat(open_release(releases / "uniriv-demo" / version), description)
        conforms, _, text = validate(record, shacl_graph=str(folder / shapes), inference="none", allow_warnings=False)
        assert conforms, text


def test_the_shapes_would_find_what_is_missing(real_data: Path, releases: Path, description: Description) -> None:
    from pyshacl import validate
    from rdflib import DCAT, RDF, URIRef

    record = health_dcat(open_release(releases / "uniriv-demo" / "1.0.0"), description)
    dataset = next(record.subjects(RDF.type, DCAT.Dataset))
    record.remove((dataset, URIRef("http://healthdataportal.eu/ns/health#hdab"), None))
    for shapes in ("hdh_fr_hdap-validator-sensitivity-shape.ttl", "r8_non-public-shapes.retyped.ttl"):
        path = real_data / "clinical" / "healthdcat" / shapes
        if not path.exists():
            pytest.skip(f"no {shapes} in the real data")
        assert not validate(record, shacl_graph=str(path), inference="none")[0]


def test_the_dcat_ap_shapes_hold_too(real_data: Path, releases: Path, description: Description) -> None:
    from pyshacl import validate

    shapes = real_data / "clinical" / "healthdcat" / "dcat-ap-3.0.1" / "dcat-ap-SHACL.ttl"
    if not shapes.exists():
        pytest.skip("no DCAT-AP shapes in the real data")
    record = health_dcat(open_release(releases / "uniriv-demo" / "1.0.0"), description)
    conforms, _, text = validate(record, shacl_graph=str(shapes), inference="none")
    assert conforms, text


def test_croissant_is_valid_and_reads_the_tables(
    releases: Path, description: Description, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import mlcroissant

    release = releases / "uniriv-demo" / "1.0.0"
    folder = write_records(release, description, tmp_path / "records")
    for name in ("csv", "tables", "cohort.h5mu"):
        (folder / name).symlink_to(release / name)
    dataset = mlcroissant.Dataset(jsonld=folder / "croissant.json")
    assert list(dataset.metadata.ctx.issues.errors) == []
    assert list(dataset.metadata.ctx.issues.warnings) == []
    assert caplog.messages == [], "the validator logs what is not standard in the context"
    rows = list(dataset.records("adtte"))
    assert len(rows) == 40


def crate_issues(folder: Path, profile: str) -> list[str]:
    command = [sys.executable, "-m", "tests.releases.crate_validator", str(folder), profile]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    found: list[str] = json.loads(ended.stdout)
    return found


@pytest.mark.parametrize("profile", ["ro-crate-1.1", "process-run-crate-0.5"])
def test_the_crates_own_validator_finds_nothing(releases: Path, description: Description, tmp_path: Path, profile: str) -> None:
    release = releases / "uniriv-demo" / "1.0.0"
    folder = write_records(release, description, tmp_path / "records")
    for path in release.iterdir():
        if not (folder / path.name).exists():
            (folder / path.name).symlink_to(path)
    assert crate_issues(folder, profile) == []
    file = folder / "ro-crate-metadata.json"
    crate = json.loads(file.read_text(encoding="utf-8"))
    next(entity for entity in crate["@graph"] if entity["@id"] == "./").pop("name")
    file.write_text(json.dumps(crate), encoding="utf-8")
    assert crate_issues(folder, profile) != []


def test_other_records_hold_together(releases: Path, description: Description, tmp_path: Path) -> None:
    folder = write_records(releases / "uniriv-demo" / "1.0.0", description, tmp_path / "records")
    crate = json.loads((folder / "ro-crate-metadata.json").read_text(encoding="utf-8"))["@graph"]
    known = {entity["@id"] for entity in crate}
    assert len(known) == len(crate)

    def references(value: object) -> list[str]:
        if isinstance(value, dict):
            own = [value["@id"]] if set(value) == {"@id"} else []
            return own + [r for inner in value.values() for r in references(inner)]
        return [r for inner in value for r in references(inner)] if isinstance(value, list) else []

    for entity in crate:
        for reference in references({k: v for k, v in entity.items() if k != "@id"}):
            assert reference in known or reference == "https://w3id.org/ro/crate/1.1", reference
    package = json.loads((folder / "datapackage.json").read_text(encoding="utf-8"))
    for resource in package["resources"]:
        header = (releases / "uniriv-demo" / "1.0.0" / resource["path"]).read_text(encoding="utf-8").splitlines()[0]
        assert header.split(",") == [f["name"] for f in resource["schema"]["fields"]]
    assert "tmm (Robinson" in (folder / "datasheet.md").read_text(encoding="utf-8")


def test_records_are_the_same_each_time_and_hide_small_counts(releases: Path, description: Description, tmp_path: Path) -> None:
    release = releases / "uniriv-demo" / "1.0.0"
    one, two = (write_records(release, description, tmp_path / n) for n in ("one", "two"))
    assert sha256_folder(one) == sha256_folder(two)
    assert "numberOfUniqueIndividuals" in (one / "healthdcat.ttl").read_text(encoding="utf-8")
    small = write_records(releases / "uniriv-demo" / "1.1.0", description, tmp_path / "small")
    assert "numberOfUniqueIndividuals" not in (small / "healthdcat.ttl").read_text(encoding="utf-8")
    assert "Subjects: fewer than" in (small / "datasheet.md").read_text(encoding="utf-8")


def test_the_site_lists_all_releases(releases: Path, description: Description, tmp_path: Path) -> None:
    site = write_site(releases, {"uniriv-demo": description}, tmp_path / "site")
    text = (site / "index.html").read_text(encoding="utf-8")
    page = Page(text)
    cards = [a for t, a in page.elements if t == "article"]
    assert [c["data-name"] for c in cards] == ["uniriv-demo 1.0.0", "uniriv-demo 1.1.0"]
    assert [c["data-subjects"] for c in cards] == ["40", "•"]
    for tag, attributes in page.elements:
        link = attributes.get("href") or ""
        if tag == "a" and not link.startswith(("#", "mailto:")):
            assert (site / link).is_file()
    assert text.count('class="fr"') == text.count('class="en"')
    assert version_key("1.10.0") > version_key("1.9.0")
    assert 'class="mark"' not in text


def test_a_catalogue_is_written_again_and_replaces_no_other_site(
    releases: Path, description: Description, tmp_path: Path
) -> None:
    site = write_site(releases, {"uniriv-demo": description}, tmp_path / "site")
    before = (site / "index.html").read_bytes()
    assert (write_site(releases, {"uniriv-demo": description}, site) / "index.html").read_bytes() == before
    (site / "team.html").write_text("ours", encoding="utf-8")
    with pytest.raises(UserError, match="holds files, which would be lost"):
        write_site(releases, {"uniriv-demo": description}, site)
    assert (site / "team.html").read_text(encoding="utf-8") == "ours"


def test_the_catalogue_names_a_centre_that_the_page_hides_no_more_than_the_page(tmp_path: Path, description: Description) -> None:
    # The page hides Paris, with 5, and a large centre beside it. Who names that one says that Paris is the small one.
    inputs = make_inputs(tmp_path / "in", subjects=70)
    names = pl.Series("centre", ["Paris"] * 5 + ["lyon"] * 25 + ["CHU-été"] * 40)
    inputs = replace(inputs, subjects=inputs.subjects.with_columns(names), analysis=inputs.analysis.with_columns(names))  # type: ignore[union-attr]
    release = publish_release(inputs, tmp_path / "out")
    record = pl.read_parquet(release / "disclosure.parquet").filter(pl.col("output") == "cohort")
    sizes = record.filter(pl.col("number").is_in(["centre Paris", "centre lyon", "centre CHU-été"]))
    (shown,) = sizes.filter("shown")["number"].to_list()
    assert sizes.height == 3 and shown != "centre Paris"
    site = write_site(tmp_path / "out", {"uniriv-demo": description}, tmp_path / "site") / "index.html"
    assert re.findall(r'data-centre="([^"]*)"', site.read_text(encoding="utf-8")) == [shown.removeprefix("centre ")]


def test_a_record_tells_the_size_of_a_file_as_a_power_of_two(releases: Path, description: Description, tmp_path: Path) -> None:
    # One person more or less, or a longer word in one row, must not be told by the size of a table.
    folder = write_records(releases / "uniriv-demo" / "1.0.0", description, tmp_path / "records")
    texts = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    sizes = [
        *re.findall(r'"contentSize": "(\d+)', texts["croissant.json"] + texts["ro-crate-metadata.json"]),
        *re.findall(r"byteSize \"?(\d+)", texts["healthdcat.ttl"]),
    ]
    assert len(sizes) > 20 and all(int(size).bit_count() == 1 for size in sizes)
    assert "bytes" not in texts["datapackage.json"]


def test_a_record_tells_the_sexes_of_this_version_whatever_a_block_of_the_cube_counts(
    releases: Path, description: Description, tmp_path: Path
) -> None:
    # A block may bear the name of a number of the page, and count the version before.
    folder = tmp_path / "release"
    shutil.copytree(releases / "uniriv-demo" / "1.0.0", folder)
    record = pl.read_parquet(folder / "disclosure.parquet")
    shown = record.filter(pl.col("shown") & (pl.col("output") == "characteristics") & (pl.col("number") == "sex F"))
    block = shown.with_columns(pl.lit("cube").alias("output"), pl.col("value") + 5)
    pl.concat([record, block]).write_parquet(folder / "disclosure.parquet")
    sheet = write_records(folder, description, tmp_path / "records") / "datasheet.md"
    assert f"F {shown['value'].item()}" in sheet.read_text(encoding="utf-8")


def test_a_release_that_holds_a_person_who_left_is_marked(releases: Path, description: Description, tmp_path: Path) -> None:
    marked = tmp_path / "marked"
    shutil.copytree(releases, marked)
    write_marks(marked / "uniriv-demo", {"1.0.0": ("identity", "left"), "1.1.0": ()})
    text = (write_site(marked, {"uniriv-demo": description}, tmp_path / "site") / "index.html").read_text(encoding="utf-8")
    assert text.count('class="mark"') == 2
    assert "A person has left the study since" in text.partition('data-name="uniriv-demo 1.1.0"')[0]


def test_a_wrong_description_names_its_keys(tmp_path: Path) -> None:
    path = tmp_path / "d.yaml"
    path.write_text(DESCRIPTION.replace("email: hdab@example.org", "email: nobody").replace("issued: 2026-01-15\n", ""))
    with pytest.raises(UserError, match=r"(?s)hdab\.email.*issued"):
        read_description(path)
    with pytest.raises(UserError, match="no description"):
        read_description(tmp_path / "none.yaml")


def test_a_record_names_the_version_before_and_counts_that_may_be_shown(tmp_path: Path, description: Description) -> None:
    inputs = make_inputs(tmp_path / "in", subjects=40)
    splits = inputs.subjects.select(
        "subject_id", scheme=pl.lit("parts"), held_out=pl.lit(""), part=pl.Series(["train"] * 30 + ["test"] * 10)
    )
    first = publish_release(replace(inputs, splits=splits), tmp_path / "out")
    second = publish_release(replace(inputs, splits=splits, version="1.1.0", previous=first), tmp_path / "out")
    release = open_release(second)
    text = health_dcat(release, description).serialize(format="turtle")
    assert "dcat:previousVersion <" in text and "/uniriv-demo/1.0.0>" in text
    assert "numberOfUniqueIndividuals" in text and release.individuals == 40
    assert release.records is not None and release.records % 11 == 0
    assert f'numberOfRecords "{release.records}"' in text
    sets = {one["@id"]: one for one in croissant(release, description)["recordSet"]}
    assert sets["parts"]["data"] == [
        {"parts/name": "test", "parts/url": "cr:TestSplit"},
        {"parts/name": "train", "parts/url": "cr:TrainingSplit"},
    ]
    part = next(field for field in sets["splits"]["field"] if field["name"] == "splits/part")
    assert part["references"] == {"field": {"@id": "parts/name"}}
    import mlcroissant

    (tmp_path / "croissant.json").write_text(json.dumps(croissant(release, description)), encoding="utf-8")
    issues = mlcroissant.Dataset(tmp_path / "croissant.json").metadata.ctx.issues
    assert (list(issues.errors), list(issues.warnings)) == ([], [])
    few = publish_release(replace(make_inputs(tmp_path / "few", subjects=8), version="0.1.0"), tmp_path / "out")
    assert open_release(few).individuals is None
    assert "numberOfUniqueIndividuals" not in health_dcat(open_release(few), description).serialize(format="turtle")
