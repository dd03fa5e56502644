"""The page on which a person decides pairs that the rules leave open: vault only, one HTML file, no connection.

The page shows both records of each pair with their differences marked, and saves the decisions as the CSV that
`privacy.ledger.people_file.read_links` reads.
"""

from __future__ import annotations

import html
import json
from collections.abc import Collection, Mapping
from math import isinf
from pathlib import Path
from typing import Any

import polars as pl

from unibase.groundwork.files import write_text
from unibase.privacy.ledger.comparable import RecordKey
from unibase.privacy.ledger.fairness import Fairness, Share, counted, decided_pairs, groups_of_records
from unibase.privacy.ledger.pair_weights import PairWeights, weigh_pairs
from unibase.privacy.ledger.persons import ledger_people, persons
from unibase.privacy.ledger.revisions import State

_TRAITS = {
    "ins": "INS",
    "birth_family_name": "Nom de naissance",
    "used_family_name": "Nom utilisé",
    "given_names": "Prénoms",
    "birth_date": "Naissance",
    "sex": "Sexe",
    "birth_place_code": "Lieu de naissance",
    "address": "Adresse",
    "postcode": "Code postal",
    "commune": "Commune de résidence",
    "phone": "Téléphone",
}
_REASONS = {
    "two-ins": "would join two INS",
    "ins-with-other-traits": "one INS, other traits",
    "ins-of-other-sex": "two INS that differ in the sex alone: changed in the civil register?",
    "scored": "linked or asked by the weight of the evidence",
    "same-traits": "all traits are equal",
    "fits-two": "fits another person as well, who is not this one",
    "said-to-be-different": "a person said that they are two",
    "decision-on-other-rows": "a person decided it, and then the number was given to somebody else",
    "second-names": "further given names contradict: twins?",
    "letter-apart": "given names a letter apart: twins?",
    "other-name": "one given name may be another: twins?",
    "sounds-alike": "given names that sound alike",
    "beginning": "one given name is the beginning of the other",
    "no-given-name": "a given name is missing",
    "no-family-name": "a family name is missing",
    "no-birth": "a date of birth is missing, or stands for none",
    "years-apart": "born on one day, years apart: parent and child?",
    "half-name": "half of a compound given name: twins?",
    "other-family-name": "other family names",
    "name-and-date": "family name and date of birth both differ",
}
_WEIGHED = {
    "family": "Family name", "given": "Given name", "birth": "Birth", "sex": "Sex", "place": "Place", "residence": "Residence", "prior": "Before any trait",
}  # fmt: skip
_PAIR = ["left_centre", "left_key", "right_centre", "right_key"]
_MOST_BITS = 20
"""Bits that fill half of the chart."""
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>Identity review</title><style>
body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b}
section{border:1px solid #767676;border-radius:6px;margin:1rem 0;padding:.5rem 1rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.15rem .6rem;vertical-align:top}
.bits td:last-child{width:60%}.bits i{display:block;height:.8rem;background:#2b6cb0}.bits i.against{background:#b0492b}
tr.differs td{background:#fff3c4}tr.differs th::after{content:" ≠"}
fieldset{border:0;padding:.5rem 0}label{margin-right:1.5rem}button{font:inherit;padding:.4rem 1rem}
</style></head><body><h1>Identity review</h1>
<p>Pairs to decide: COUNT. This page holds identities: it stays in the vault. Lines with ≠ differ.</p>
SECTIONS
FAIRNESS
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


def write_review_page(folder: Path | str, path: Path | str, *, most: int = 500, links: int = 50) -> int:
    """Write the page of open pairs of a ledger, the likeliest first; return how many there are.

    A pair is open when some revision asked for a decision and its records are still two persons. After them come links that
    were made by their score, the doubtful first: who says `two persons` undoes one. A chart says what each trait weighs.

    Args:
        folder: The ledger.
        path: The HTML file, written with mode 0600.
        most: Pairs on one page.
        links: Links shown after them.
    """
    folder = Path(folder)
    open_pairs = _open_pairs(folder)
    made = _made_links(folder).head(links)
    people = ledger_people(folder)
    shown = [*open_pairs.head(most).iter_rows(named=True), *made.iter_rows(named=True)]
    ends = [((row["left_centre"], row["left_key"]), (row["right_centre"], row["right_key"])) for row in shown]
    known = _known_traits(people, {record for pair in ends for record in pair})
    charts = [_chart(weights) for weights in weigh_pairs(people, ends)]
    sections = [_section(at, row, known, chart) for at, (row, chart) in enumerate(zip(shown, charts, strict=True))]
    if made.height:
        sections.insert(len(shown) - made.height, "<h2>Links made by their score, the doubtful first</h2>")
    # Inside a script only `</` and `<!` could end it.
    script = json.dumps([[*left, *right] for left, right in ends]).replace("<", "\\u003c")
    page = _PAGE.replace("COUNT", str(open_pairs.height)).replace("PAIRS", script).replace("SECTIONS", "\n".join(sections))
    page = page.replace("FAIRNESS", _fairness(folder, people))
    # Nothing to decide is nothing to save.
    page = page.replace("<p SAVE>", "<p>" if shown else "<p hidden>")
    write_text(path, page, mode=0o600)
    return open_pairs.height


def _known_traits(people: pl.DataFrame, records: Collection[RecordKey]) -> dict[RecordKey, Mapping[str, list[str]]]:
    """Return all that the rows of some records say of each trait."""
    wanted = pl.DataFrame(sorted(records), schema={"centre": pl.String, "person_key": pl.String}, orient="row")
    traits = (
        people.join(wanted, on=["centre", "person_key"], how="semi")
        .sort("source_row")
        .group_by("centre", "person_key", maintain_order=True)
        .agg(pl.col(list(_TRAITS)).drop_nulls().unique(maintain_order=True))
    )
    return {(row["centre"], row["person_key"]): row for row in traits.iter_rows(named=True)}


def _made_links(folder: Path) -> pl.DataFrame:
    """Return the links that were made by their score and stand, the doubtful first."""
    edges = State.load(folder).edges
    rows = [(*edge.left, *edge.right, edge.rule, edge.score) for edge in edges if edge.rule in ("scored", "same-traits")]
    schema = {**dict.fromkeys([*_PAIR, "rule"], pl.String), "score": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row").sort("score", *_PAIR)


def _open_pairs(folder: Path) -> pl.DataFrame:
    """Return the pairs that some revision asked for and that are undecided and still two persons, the likeliest first."""
    asked = pl.concat([pl.read_parquet(file) for file in sorted(folder.glob("revision-*/review.parquet"))])
    decided = pl.concat([pl.read_parquet(file) for file in sorted(folder.glob("revision-*/decisions.parquet"))])
    pair = _PAIR
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


def _fairness(folder: Path, people: pl.DataFrame) -> str:
    """Return what the decisions say of false and missed links, group by group, as HTML."""
    files = {name: sorted(folder.glob(f"revision-*/{name}.parquet")) for name in ("edges", "review")}
    made, asked = (pl.concat([pl.read_parquet(file) for file in some]) for some in files.values())
    by_rules = made.filter(pl.col("rule").is_in(["scored", "same-traits", "ins"]))
    pairs = decided_pairs(by_rules, asked, State.load(folder).decisions)
    title = "<h2>Whom the rules serve worse</h2>"
    if not pairs.height:
        return f"{title}<p>Nobody has decided a pair yet: decisions tell how often the rules are wrong, and for whom.</p>"
    rows = "".join(_fairness_row(one) for one in counted(pairs, groups_of_records(people)))
    return (
        f"{title}<p>Of the pairs that persons have decided. They look at the doubtful first: the shares of all links are "
        "lower. False: links that were said to be two persons. Missed: pairs of one person that were asked about.</p>"
        '<table class="fairness"><tr><th>Trait</th><th>Group</th><th>False</th><th>95 %</th><th>Missed</th><th>95 %</th></tr>'
        f"{rows}</table>"
    )


def _fairness_row(one: Fairness) -> str:
    return f"<tr><td>{one.trait}</td><td>{one.value}</td>{_share(one.false)}{_share(one.missed)}</tr>"


def _share(share: Share) -> str:
    """Return a share and its interval as two cells."""
    if not share.of:
        return "<td>0 of 0</td><td></td>"
    low, high = share.interval()
    return f"<td>{share.hits} of {share.of}</td><td>{low * 100:.1f} to {high * 100:.1f} %</td>"


def _chart(weights: PairWeights) -> str:
    """Return what each trait weighs as rows with a bar, to the right of the middle where it speaks for one person."""
    rows = []
    for name, label in _WEIGHED.items():
        bits = getattr(weights, name)
        width = 50 * min(abs(bits), _MOST_BITS) / _MOST_BITS
        side = f'class="against" style="width:{width:.1f}%;margin-left:{50 - width:.1f}%"'
        bar = f'<i style="width:{width:.1f}%;margin-left:50%"></i>' if bits >= 0 else f"<i {side}></i>"
        told = "excludes" if isinf(bits) else f"{bits:+.1f}"
        rows.append(f"<tr><th>{label}</th><td>{told}</td><td>{bar}</td></tr>")
    return f'<details><summary>What each trait weighs, in bits</summary><table class="bits">{"".join(rows)}</table></details>'


def _section(number: int, row: Mapping[str, Any], known: Mapping[RecordKey, Mapping[str, list[str]]], chart: str) -> str:
    """Return one pair as HTML: both records line by line, why it is asked, and the choices."""
    left, right = (row["left_centre"], row["left_key"]), (row["right_centre"], row["right_key"])
    lines = "".join(_line(label, known[left][name], known[right][name]) for name, label in _TRAITS.items())
    reason = html.escape(_REASONS.get(row["rule"], row["rule"]))
    choices = "".join(
        f'<label><input type="radio" name="p{number}" value="{value}"{" checked" if not value else ""}> {label}</label>'
        for value, label in (
            ("same", "one person"),
            ("different", "two persons"),
            ("related", "two of one family"),
            ("", "leave open"),
        )
    )
    return (
        f"<section><h2>Pair {number + 1}</h2><p>{reason}; {row['score']:.1f} bits of evidence</p><table>"
        f"<tr><th></th><th>{html.escape(left[0])}, {html.escape(left[1])}</th><th>{html.escape(right[0])}, {html.escape(right[1])}</th></tr>"
        f"{lines}</table>{chart}<fieldset><legend>Decision</legend>{choices}</fieldset></section>"
    )


def _line(label: str, left: list[str], right: list[str]) -> str:
    one, two = "; ".join(left), "; ".join(right)
    differs = ' class="differs"' if one != two and one and two else ""
    return f"<tr{differs}><th>{label}</th><td>{html.escape(one)}</td><td>{html.escape(two)}</td></tr>"
