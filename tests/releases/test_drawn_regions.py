"""A subject's regions on its images: the slice, its greys and the outlines are those of the store, for those entitled alone."""

from __future__ import annotations

import base64
import io
import json
import re
from http import HTTPStatus
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.releases.browser import browser
from tests.releases.examples import make_inputs
from tests.releases.test_images import staged
from unibase.groundwork.problems import UserError
from unibase.releases.content.publish import publish_release
from unibase.releases.explore.cohort_filter import Columns
from unibase.releases.explore.drawn_regions import _outline, drawable, drawn
from unibase.releases.explore.explorer_server import answer, make_server


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, dict[str, np.ndarray]]:
    folder = tmp_path_factory.mktemp("drawn")
    subjects = sorted(make_inputs(folder / "in", subjects=12).subjects["subject_id"].to_list())[:2]
    voxels, arrays = staged(folder / "stores", subjects)
    made = make_inputs(folder / "again", subjects=12, voxels=voxels)
    return publish_release(made, folder / "out"), subjects[0], arrays


def test_each_region_of_each_image_can_be_drawn(release: tuple[Path, int, dict[str, np.ndarray]]) -> None:
    folder, subject, _ = release
    found = drawable(folder, subject)
    assert [(one.image, one.modality, one.region) for one in found] == [
        (0, "CT", "GTV"), (0, "CT", "NODE"), (1, "PT", "GTV"), (1, "PT", "NODE")
    ]  # fmt: skip
    assert drawable(folder, 12345) == []


def test_the_slice_and_the_outlines_are_those_of_the_store(release: tuple[Path, int, dict[str, np.ndarray]]) -> None:
    folder, subject, arrays = release
    svg = drawn(folder, subject, 0, "NODE")
    coded = re.search(r"data:image/png;base64,([^\"]+)", svg)
    assert coded is not None
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(coded[1]))), dtype=float)
    whole = arrays[f"2.25.{subject}0/volume.ome.zarr"].astype(float)
    # NODE lies in slices 6 to 13, as large in each: the first. The greys are of -160 to 240 HU.
    np.testing.assert_array_equal(picture, np.round(255 * np.clip((whole[6] + 160) / 400, 0, 1)))
    assert 'viewBox="0 0 33 35"' in svg and "scale(0.5 0.5)" in svg
    # GTV is in slices 5 to 12, so in this one, too: its box is 10 to 18 by 20 to 28.
    gtv, node = re.findall(r'<path d="([^"]+)"[^>]*><title>(\w+)</title>', svg)
    assert gtv == ("M20 10h8M20 18h8M20 10v8M28 10v8", "GTV")
    assert node == ("M30 12h8M30 20h8M30 12v8M38 12v8", "NODE")


@given(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=4))
def test_an_outline_is_every_edge_between_inside_and_outside(rows: list[list[bool]]) -> None:
    mask = np.array(rows)
    found = set()
    for x, y, way, length in re.findall(r"M(\d+) (\d+)([hv])(\d+)", _outline(mask)):
        for step in range(int(length)):
            found.add((int(x) + step * (way == "h"), int(y) + step * (way == "v"), way))
    inside = {(x, y) for y, row in enumerate(rows) for x, on in enumerate(row) if on}
    expected = {(x, y, "h") for x in range(5) for y in range(6) if ((x, y) in inside) != ((x, y - 1) in inside)}
    expected |= {(x, y, "v") for x in range(6) for y in range(5) if ((x, y) in inside) != ((x - 1, y) in inside)}
    assert found == expected


def test_a_picture_is_given_with_the_token_alone_and_none_of_elsewhere(
    release: tuple[Path, int, dict[str, np.ndarray]],
) -> None:
    folder, subject, _ = release
    columns = Columns(folder)
    assert answer(columns, "t", f"/x/picture.svg?id={subject}&image=0&region=GTV")[0] == HTTPStatus.FORBIDDEN
    status, found = answer(columns, "t", f"/t/picture.svg?id={subject}&image=0&region=GTV")
    assert (status, found.kind) == (HTTPStatus.OK, "image/svg+xml")
    for asked, words in (
        ("image=0&region=LIVER", "no such region"),
        ("image=9&region=GTV", "no such image"),
        ("image=x&region=GTV", "number"),
    ):
        status, found = answer(columns, "t", f"/t/picture.svg?id={subject}&{asked}")
        assert status == HTTPStatus.BAD_REQUEST and words in json.loads(found.body)["problem"]


def test_a_path_that_leads_out_of_the_release_is_refused(
    release: tuple[Path, int, dict[str, np.ndarray]], tmp_path: Path
) -> None:
    folder, subject, _ = release
    (tmp_path / "tables").symlink_to(folder / "tables")
    (tmp_path / "images").symlink_to(folder / "images")
    with pytest.raises(UserError, match="not in the folder of the release"):
        drawn(tmp_path, subject, 0, "GTV")


def test_the_page_draws_the_regions_of_a_subject(release: tuple[Path, int, dict[str, np.ndarray]], tmp_path: Path) -> None:
    server, address = make_server(release[0])
    Thread(target=server.serve_forever, daemon=True).start()
    settled = "new Promise(done => { const look = () => %s ? done(true) : setTimeout(look, 30); look(); })"
    with browser(tmp_path / "profile") as page:
        page.send("Page.navigate", url=address)
        assert page.run(settled % "globalThis.subject && document.querySelectorAll('#subjects button').length > 1")
        page.run(f"subject('{release[1]}')")
        drawn_all = "[...document.querySelectorAll('#pictures img')]"
        assert page.run(settled % f"{drawn_all}.length === 4 && {drawn_all}.every(one => one.complete)")
        assert page.run(f"{drawn_all}.every(one => one.naturalWidth > 0)")
        assert page.axe() == [] and page.errors == []
        asked = [one for one in page.requests if not one.startswith("data:")]
        assert {one.split("/")[2] for one in asked} == {address.split("/")[2]}
    server.shutdown()
