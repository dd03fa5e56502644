"""The page on which a person decides pairs that the rules leave open: vault only, one HTML file, no connection.

The page shows both records of each pair with their differences marked, and saves the decisions as the CSV that
`privacy.ledger.people_file.read_links` reads.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from unibase.groundwork.files import write_text
from unibase.privacy.ledger.comparable import RecordKey
from unibase.privacy.ledger.persons import ledger_people, persons

_TRAITS = {
    "ins": "INS",
    "birth_family_name": "Nom de naissance",
    "used_family_name": "Nom utilisé",
    "given_names": "Prénoms",
    "birth_date": "Naissance",
    "sex": "Sexe",
    "birth_place_code": "Lieu de naissance",
}
_REASONS = {
    "two-ins": "would join two INS",
    "ins-with-other-traits": "one INS, other traits",
    "scored": "evidence between the thresholds",
}
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>Identity review</title><style>
body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b}
section{border:1px solid #767676;border-radius:6px;margin:1rem 0;padding:.5rem 1rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.15rem .6rem;vertical-align:top}
tr.differs td{background:#fff3c4}tr.differs th::after{content:" ≠"}
fieldset{border:0;padding:.5rem 0}label{margin-right:1.5rem}button{font:inherit;padding:.4rem 1rem}
</style></head><body><h1>Identity review</h1>
<p>Pairs to decide: COUNT. This page holds identities: it stays in the vault. Lines with ≠ differ.</p>
SECTIONS
<p SAVE><button id="save">Save decisions (links.csv)</button> <span id="state" role="status"></span></p>
<script>
const pairs = PAIRS;
document.getElementById("save").addEventListener("click", () => {
  const quote = text => '"' + String(text).replaceAll('"', '""') + '"';
  const lines = ["left_centre,left_key,right_centre,right_key,relation"];
  pairs.forEach((pair, number) => {
    const chosen = document.querySelector(`input[name="p${number}"]:checked`);
    if (chosen && chosen.value) lines.push([...pair, chosen.value].map(quote).join(","));
  });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([lines.join("\\n") + "\\n"], {type: "text/csv"}));
  link.download = "links.csv";
  link.click();
  document.getElementById("state").textContent = `${lines.length - 1} of ${pairs.length} pairs decided`;
});
</script></body></html>
"""


def write_review_page(folder: Path | str, path: Path | str, *, most: int = 500) -> int:
    """Write the page of open pairs of a ledger, the likeliest first; return how many there are.

    A pair is open when some revision asked for a decision and its records are still two persons.

    Args:
        folder: The ledger.
        path: The HTML file, written with mode 0600.
        most: Pairs on one page.
    """
    folder = Path(folder)
    open_pairs = _open_pairs(folder)
    traits = (
        ledger_people(folder)
        .sort("source_row")
        .group_by("centre", "person_key", maintain_order=True)
        .agg(pl.col(list(_TRAITS)).drop_nulls().unique(maintain_order=True))
    )
    known = {(row["centre"], row["person_key"]): row for row in traits.iter_rows(named=True)}
    sections, keys = [], []
    for number, row in enumerate(open_pairs.head(most).iter_rows(named=True)):
        keys.append([row["left_centre"], row["left_key"], row["right_centre"], row["right_key"]])
        sections.append(_section(number, row, known))
    # Inside a script only `</` and `<!` could end it.
    script = json.dumps(keys).replace("<", "\\u003c")
    page = _PAGE.replace("COUNT", str(open_pairs.height)).replace("PAIRS", script).replace("SECTIONS", "\n".join(sections))
    # Nothing to decide is nothing to save.
    page = page.replace("<p SAVE>", "<p>" if open_pairs.height else "<p hidden>")
    write_text(path, page, mode=0o600)
    return open_pairs.height


def _open_pairs(folder: Path) -> pl.DataFrame:
    """Return the pairs that some revision asked for and that are undecided and still two persons, the likeliest first."""
    asked = pl.concat([pl.read_parquet(file) for file in sorted(folder.glob("revision-*/review.parquet"))])
    decided = pl.concat([pl.read_parquet(file) for file in sorted(folder.glob("revision-*/decisions.parquet"))])
    pair = ["left_centre", "left_key", "right_centre", "right_key"]
    who = persons(folder)
    for side in ("left", "right"):
        named = who.rename({"centre": f"{side}_centre", "person_key": f"{side}_key", "person": f"{side}_person"})
        asked = asked.join(named, on=[f"{side}_centre", f"{side}_key"], how="left")
    return (
        asked.filter(pl.col("left_person") != pl.col("right_person"))
        .join(decided, on=pair, how="anti")
        .unique(pair, keep="last", maintain_order=True)
        .sort(["score", *pair], descending=[True, False, False, False, False])
    )


def _section(number: int, row: Mapping[str, Any], known: Mapping[RecordKey, Mapping[str, list[str]]]) -> str:
    """Return one pair as HTML: both records line by line, why it is asked, and the choices."""
    left, right = (row["left_centre"], row["left_key"]), (row["right_centre"], row["right_key"])
    lines = "".join(_line(label, known[left][name], known[right][name]) for name, label in _TRAITS.items())
    reason = html.escape(_REASONS.get(row["rule"], row["rule"]))
    choices = "".join(
        f'<label><input type="radio" name="p{number}" value="{value}"{" checked" if not value else ""}> {label}</label>'
        for value, label in (("same", "one person"), ("different", "two persons"), ("", "leave open"))
    )
    return (
        f"<section><h2>Pair {number + 1}</h2><p>{reason}; {row['score']:.1f} bits of evidence</p><table>"
        f"<tr><th></th><th>{html.escape(left[0])}, {html.escape(left[1])}</th><th>{html.escape(right[0])}, {html.escape(right[1])}</th></tr>"
        f"{lines}</table><fieldset><legend>Decision</legend>{choices}</fieldset></section>"
    )


def _line(label: str, left: list[str], right: list[str]) -> str:
    one, two = "; ".join(left), "; ".join(right)
    differs = ' class="differs"' if one != two and one and two else ""
    return f"<tr{differs}><th>{label}</th><td>{html.escape(one)}</td><td>{html.escape(two)}</td></tr>"
