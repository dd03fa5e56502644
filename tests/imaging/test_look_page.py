"""The page on which a person decides of pixels, in a browser: what is drawn and chosen is what `read_decisions` reads."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from tests.releases.browser import browser
from unibase.imaging.pixel_text.look import Look
from unibase.imaging.pixel_text.look_page import write_look_page
from unibase.imaging.pixel_text.pixel_decisions import Decision, read_decisions

# The page is shown at half the size of the image: boxes are in pixels of the image.
COLUMNS, ROWS, SHOWN = 400, 300, 200
SAVE = """new Promise(done => {
  HTMLAnchorElement.prototype.click = () => {};
  URL.createObjectURL = blob => { blob.text().then(done); return "#"; };
  document.getElementById("save").click();
  setTimeout(() => done(document.getElementById("state").textContent), 300);
})"""


def look(number: int, boxes: tuple[tuple[int, int, int, int], ...]) -> Look:
    picture = io.BytesIO()
    Image.new("L", (SHOWN, SHOWN * ROWS // COLUMNS), 90).save(picture, "PNG")
    device = 'Ultrasound, "ACME" <b>5</b>'
    decision = Decision(f"{number:064x}", f"a/{number}, é.dcm", device, (COLUMNS, ROWS, 3), boxes)
    return Look(decision, picture.getvalue(), picture.getvalue())


def drag(number: int, start: tuple[int, int], end: tuple[int, int]) -> str:
    """JavaScript that draws a box on an image, in CSS pixels from its corner."""
    return f"""(() => {{
      const holder = document.querySelectorAll(".drawn")[{number}], edge = holder.getBoundingClientRect();
      for (const [kind, [x, y]] of [["pointerdown", {list(start)}], ["pointerup", {list(end)}]])
        holder.dispatchEvent(new PointerEvent(kind, {{clientX: edge.left + x, clientY: edge.top + y, bubbles: true}}));
    }})()"""


@pytest.mark.slow
def test_boxes_and_decisions_of_the_page_are_read_back(tmp_path: Path) -> None:
    page = tmp_path / "page-001.html"
    write_look_page([look(1, ((0, 0, 100, 20), (10, 200, 60, 30))), look(2, ()), look(3, ()), look(4, ())], page)
    with browser(tmp_path / "profile") as shown:
        shown.open(page)
        assert shown.run(SAVE) == "Say who decides first."
        shown.run('document.getElementById("by").value = "Anne, \\"AL\\""')
        shown.run('document.querySelectorAll(".drawn")[0].querySelectorAll(".box")[1].click()')  # takes the second box away
        shown.run(drag(0, (150, 100), (110, 90)))  # from the lower right to the upper left
        shown.run(drag(1, (5, 5), (5, 5)))  # a click is no box
        for number, verdict in enumerate(("blank", "accept", "reject")):
            shown.run(f'document.querySelector(\'input[name="p{number}"][value="{verdict}"]\').click()')
        said = shown.run(SAVE)
        assert shown.errors == []
        assert all(one.startswith(("file:", "data:", "blob:")) for one in shown.requests), json.dumps(shown.requests)
        assert shown.axe() == []
        shown.picture(tmp_path / "page.png")
    (tmp_path / "pixels.csv").write_text(said, encoding="utf-8")
    read = read_decisions(tmp_path / "pixels.csv")
    first, second, third, fourth = (read[f"{number:064x}"] for number in (1, 2, 3, 4))
    assert [tuple(box) for box in first.boxes] == [(0, 0, 100, 20), (220, 180, 80, 20)]
    assert (first.verdict, first.by, first.size, first.device) == (
        "blank",
        'Anne, "AL"',
        (COLUMNS, ROWS, 3),
        'Ultrasound, "ACME" <b>5</b>',
    )
    assert (second.verdict, second.boxes, third.verdict) == ("accept", (), "reject")
    assert (fourth.verdict, fourth.by) == ("", "")
