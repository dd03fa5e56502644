"""What MEDS-extract is told of the OMOP tables that `benchmarks.clinical` makes: one event a row, as meds_etl_omop and ours give."""

from __future__ import annotations

from pathlib import Path

HEAD = """\
etl:
  dataset_name: OMOP
  raw_dataset_version: "1"
_defaults:
  subject_id: $person_id
person:
  birth:
    code: MEDS_BIRTH
    time: f"{$year_of_birth}-{$month_of_birth}-{$day_of_birth}" as "%Y-%m-%d"
  sex:
    code: f"Gender//{$gender_concept_id}"
    time:
"""
STARTS = {"drug": "drug_exposure_start", "condition": "condition_start", "visit": "visit_start"}
ENDS = {"drug": "drug_exposure_end", "condition": "condition_end", "visit": "visit_end"}


def write_spec(source: Path, path: Path) -> None:
    """Write the specification for the files below `source`; a file of a table is a block of its own."""
    blocks = [_block(file) for folder in sorted(source.iterdir()) if folder.is_dir() for file in sorted(folder.glob("*.parquet"))]
    path.write_text(HEAD + "".join(blocks), encoding="utf-8")


def _block(file: Path) -> str:
    table = file.parent.name
    stem = table.split("_")[0]
    fields = {
        "code": 'f"{$vocabulary_id}//{$concept_code}"',
        "time": f"${STARTS.get(stem, stem)}_datetime",
        # What tells two like rows apart: MEDS-extract keeps one of rows that are equal in all that is extracted.
        "row": f"${table}_id",
        **({"end": f"${ENDS[stem]}_datetime"} if stem in ENDS else {}),
        **({"visit_id": "$visit_occurrence_id"} if stem != "visit" else {}),
        **({"numeric_value": "$value_as_number", "unit": "$unit_source_value"} if stem == "measurement" else {}),
    }
    lines = [
        f"{table}/{file.stem}:",
        "  _table:",
        "    join:",
        f"      concept: {{left_on: {stem}_concept_id, right_on: concept_id, cols: [vocabulary_id, concept_code]}}",
        f"  {table}:",
        *(f"    {name}: {value}" for name, value in fields.items()),
    ]
    return "\n".join(lines) + "\n"
