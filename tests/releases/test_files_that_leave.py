"""Every file of a release and of its records: what it tells of persons, and that the ones that tell nothing do so."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

import polars as pl
import pytest

from tests.releases import judged
from tests.releases.judged import Shape, published

ROWS, WEIGHED, NOTHING = "rows of subjects", "weighed", "nothing"
FILES = (
    # file, what it tells of persons: their rows, for who may see these; numbers that the disclosure program weighed; nothing
    ("tables/*.parquet", ROWS),
    ("csv/*.csv", ROWS),
    ("timeline/data/*.parquet", ROWS),
    ("timeline/metadata/subject_splits.parquet", ROWS),
    ("cohort.h5mu", ROWS),
    ("cohort.zarr/*", ROWS),
    ("report.html", WEIGHED),
    ("dictionary/dictionary.*", WEIGHED),
    ("dictionary/define.xml", WEIGHED),
    ("manifest.json", WEIGHED),
    ("disclosure.parquet", WEIGHED),
    ("cube.parquet", WEIGHED),
    ("preparation.json", WEIGHED),
    ("croissant.json", WEIGHED),
    ("healthdcat.*", WEIGHED),
    ("datasheet.md", WEIGHED),
    ("methods.txt", NOTHING),
    ("timeline/metadata/dataset.json", NOTHING),
    ("timeline/metadata/codes.parquet", NOTHING),
    ("ro-crate-metadata.json", NOTHING),
    ("datacite.json", NOTHING),
    ("datapackage.json", NOTHING),
    ("load_release.R", NOTHING),
    ("load_release.py", NOTHING),
    ("baseline.ipynb", NOTHING),
)
_OF_BYTES = re.compile(r'"contentSize": "\d+"|[0-9a-f]{64}')
"""Sizes (in steps) and digests of files differ with what is in these."""


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A cohort of 80, and one of 83 drawn otherwise."""
    found = []
    for size in (80, 83):
        shape = Shape(size, {"lyon": 0.5, "CHU-été": 0.5})
        with pytest.MonkeyPatch.context() as patched:
            patched.setitem(judged.SHAPES, "drawn", shape)  # type: ignore[arg-type]
            found.append(published("drawn", size, tmp_path_factory.mktemp("drawn")))
    return found


def _files(release: Path) -> dict[str, Path]:
    records = release.parents[2] / "records"
    return {
        path.relative_to(home).as_posix(): path
        for home in (release, records)
        for path in sorted(home.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def test_every_file_is_known(releases: list[Path]) -> None:
    told = {name: [what for form, what in FILES if fnmatch(name, form)] for name in _files(releases[0])}
    assert {name: what for name, what in told.items() if not what} == {}
    # No count of a few stands in a file that no attack reads.
    assert {name for name, what in told.items() if WEIGHED in what and not name.startswith("dictionary/")} == {
        "report.html", "manifest.json", "disclosure.parquet", "cube.parquet", "croissant.json", "healthdcat.ttl",
        "healthdcat.jsonld", "datasheet.md",
    }  # fmt: skip


@pytest.mark.parametrize("form", [form for form, what in FILES if what == NOTHING])
def test_a_file_that_tells_nothing_is_the_same_whoever_is_in_the_cohort(releases: list[Path], form: str) -> None:
    one, other = ({n: p.read_bytes() for n, p in _files(r).items() if fnmatch(n, form)} for r in releases)
    assert one and set(one) == set(other)
    for name in one:
        texts = [_OF_BYTES.sub("", content.decode("utf-8", "replace")) for content in (one[name], other[name])]
        assert texts[0] == texts[1], name


def test_define_xml_tells_of_empty_cells_what_the_dictionary_does(releases: list[Path]) -> None:
    for release in releases:
        words = pl.read_parquet(release / "dictionary" / "dictionary.parquet")
        text = (release / "dictionary" / "define.xml").read_text(encoding="utf-8")
        never = set(re.findall(r'ItemOID="IT\.([^"]+)" OrderNumber="\d+" Mandatory="Yes"', text))
        full = {f"{table}.{column}" for table, column in words.filter(missing=0).select("table", "column").iter_rows()}
        assert never <= full and never
