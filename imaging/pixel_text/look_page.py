"""The page on which a person decides of pixels: vault only, one HTML file and its pictures, no connection.

Each image stands before and after. A click chooses; a box is drawn with the mouse, or taken away with a click on it. The
decisions are saved as the CSV that `pixel_decisions.read_decisions` reads.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Sequence
from pathlib import Path

from unibase.groundwork.files import write_text
from unibase.imaging.pixel_text.look import Look

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>Pixels to decide</title><style>
body{font:16px/1.5 system-ui,sans-serif;max-width:90rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b}
section{border:1px solid #767676;border-radius:6px;margin:1rem 0;padding:.5rem 1rem}
h2{font-size:1rem;margin:.3rem 0}.pair{display:flex;gap:1rem;flex-wrap:wrap}figure{margin:0}
.drawn{position:relative;display:inline-block;cursor:crosshair;line-height:0}.drawn img{display:block}
.box{position:absolute;background:rgba(0,0,0,.75);outline:2px solid #d00000;cursor:pointer}
fieldset{border:0;padding:.5rem 0}label{margin-right:1.5rem}button,input{font:inherit;padding:.3rem .8rem}
</style></head><body><main><h1>Pixels to decide</h1>
<p>Images: COUNT. This page shows patients: it stays in the vault. Black boxes on the left picture are made black in every frame.
Draw a box with the mouse; click a box to take it away. The right picture shows the boxes as they were proposed.</p>
<p><label>Who decides <input id="by" autocomplete="off"></label>
<button id="save">Save decisions (pixels.csv)</button> <span id="state" role="status"></span></p>
SECTIONS
</main><script>
const images = IMAGES;
const sections = [...document.querySelectorAll("section")];
function show(number) {
  const holder = sections[number].querySelector(".drawn"), one = images[number];
  holder.querySelectorAll(".box").forEach(box => box.remove());
  const scale = holder.querySelector("img").width / one.columns;
  one.boxes.forEach((box, place) => {
    const drawn = document.createElement("div");
    drawn.className = "box"; drawn.title = "take this box away";
    ["left", "top", "width", "height"].forEach((key, at) => { drawn.style[key] = box[at] * scale + "px"; });
    drawn.addEventListener("click", event => { event.stopPropagation(); one.boxes.splice(place, 1); show(number); });
    drawn.addEventListener("pointerdown", event => event.stopPropagation());
    holder.append(drawn);
  });
}
sections.forEach((section, number) => {
  const holder = section.querySelector(".drawn"), one = images[number]; let start = null;
  const at = event => { const edge = holder.getBoundingClientRect(); return [event.clientX - edge.left, event.clientY - edge.top]; };
  holder.addEventListener("pointerdown", event => { start = at(event); event.preventDefault(); });
  holder.addEventListener("pointerup", event => {
    if (!start) return;
    const end = at(event), scale = holder.querySelector("img").width / one.columns;
    const [x, y] = [0, 1].map(side => Math.round(Math.min(start[side], end[side]) / scale));
    const [width, height] = [0, 1].map(side => Math.round(Math.abs(start[side] - end[side]) / scale));
    start = null;
    if (width > 1 && height > 1) { one.boxes.push([Math.max(0, x), Math.max(0, y), width, height]); show(number); }
  });
  show(number);
});
document.getElementById("save").addEventListener("click", () => {
  const by = document.getElementById("by").value.trim(), state = document.getElementById("state");
  if (!by) { state.textContent = "Say who decides first."; return; }
  const quote = text => '"' + String(text).replaceAll('"', '""') + '"';
  const lines = ["image,source,device,columns,rows,frames,boxes,decision,by"]; let decided = 0;
  images.forEach((one, number) => {
    const chosen = document.querySelector(`input[name="p${number}"]:checked`), verdict = chosen ? chosen.value : "";
    if (verdict) decided += 1;
    const boxes = one.boxes.map(box => box.join(",")).join(";");
    lines.push([one.image, one.source, one.device, one.columns, one.rows, one.frames, boxes, verdict, verdict ? by : ""].map(quote).join(","));
  });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([lines.join("\\n") + "\\n"], {type: "text/csv"}));
  link.download = "pixels.csv"; link.click();
  state.textContent = `${decided} of ${images.length} images decided`;
});
</script></body></html>
"""


def write_look_page(looks: Sequence[Look], path: Path) -> None:
    """Write the page of images to decide, in the order given.

    Args:
        looks: What was seen.
        path: The HTML file, written with mode 0600.
    """
    sections, images = [], []
    for number, look in enumerate(looks):
        one = look.decision
        columns, rows, frames = one.size
        images.append({"image": one.image, "source": one.source, "device": one.device, "columns": columns, "rows": rows}
                      | {"frames": frames, "boxes": [list(box) for box in one.boxes]})  # fmt: skip
        choices = "".join(
            f'<label><input type="radio" name="p{number}" value="{value}"{" checked" if not value else ""}> {label}</label>'
            for value, label in (
                ("blank", "blank the boxes and release"),
                ("accept", "release as it is: it names nobody"),
                ("reject", "leave out"),
                ("", "not decided"),
            )
        )
        sections.append(
            f"<section><h2>{html.escape(one.source)}</h2><p>{html.escape(one.device)}; {columns} x {rows}, {frames} frames; "
            f"{len(one.boxes)} boxes proposed</p><div class='pair'><figure class='drawn'>{_picture(look.before, 'before')}</figure>"
            f"<figure>{_picture(look.after, 'with the proposed boxes')}</figure></div><fieldset><legend>Decision</legend>{choices}</fieldset></section>"
        )
    # Inside a script only `</` and `<!` could end it.
    script = json.dumps(images).replace("<", "\\u003c")
    page = _PAGE.replace("COUNT", str(len(looks))).replace("IMAGES", script).replace("SECTIONS", "\n".join(sections))
    write_text(path, page, mode=0o600)


def _picture(png: bytes, what: str) -> str:
    return f'<img alt="the image {what}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'
