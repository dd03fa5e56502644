"""A drafted mapping: what the cells say is in it, what they do not say is asked, and it reads its own tables."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from unibase.clinical.formats.mapping_draft import draft_mapping
from unibase.clinical.formats.mapping_rules import read_mapping
from unibase.clinical.sources.reading import find_tables
from unibase.clinical.timelines.centre import TimelineTask, convert

TUMOURS = "IPP;Date naissance;Code CIM10;Date diagnostic;Date décès\n00123;21/02/1950;C34.1;04/03/2021;\n00124;01/12/1961;C50.9;14/03/2021;23/05/2022\n"
LABORATORY = "séjour;examen;valeur\nS1;718-7;12,5\nS2;14804-9;210\n"
DRUGS = "patient_id;atc;debut;fin\n00123;L01XA01;04/05/2021;05/06/2021\n00124;L01CD01;06/07/2021;08/09/2021\n"


def test_a_draft_says_what_is_sure_and_asks_the_rest(tmp_path: Path) -> None:
    source = tmp_path / "CHU-été"
    source.mkdir()
    for name, text in (("tumeurs", TUMOURS), ("bio", LABORATORY), ("traitements", DRUGS)):
        (source / f"{name}.csv").write_text(text, encoding="utf-8")
    draft = draft_mapping(find_tables(source), "CHU-été")
    (tmp_path / "mapping.yaml").write_text(draft.mapping, encoding="utf-8")
    mapping = read_mapping(tmp_path / "mapping.yaml")
    assert mapping.date_order == "dmy"
    made = {(rule.name, event.code, event.date) for rule in mapping.tables for event in rule.events}
    assert made == {
        ("tumeurs", "MEDS_BIRTH", "date naissance"), ("tumeurs", "MEDS_DEATH", "date décès"),
        ("tumeurs", "ICD10//{code cim10}", "date diagnostic"), ("traitements", "ATC//{atc}", "debut"),
    }  # fmt: skip
    asked = " ".join(draft.asked)
    assert "bio: no column is called like a person" in asked and "traitements.atc: which of debut, fin is its date?" in asked
    # No cell of the source is in what is printed.
    assert not any(cell in asked + " ".join(draft.sure) for cell in ("00123", "1950", "12,5"))
    written = convert(TimelineTask("csv", source, "CHU-été", mapping=tmp_path / "mapping.yaml", cutoff="none"), tmp_path / "out")
    codes = set(pl.read_parquet(tmp_path / "out" / "data" / "*.parquet")["code"])
    assert written.events == 7 and {"ICD10//C34.1", "ATC//L01XA01", "MEDS_DEATH"} <= codes


def test_dates_that_read_in_two_ways_are_asked(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("ipp,seen,icd\n1,04/03/2021,C34\n2,05/06/2021,C50\n")
    asked = draft_mapping(find_tables(tmp_path), "a").asked
    assert asked[0] == "date_order: the dates read as dmy and as mdy; say which one it is."


def test_no_column_is_passed_over(tmp_path: Path) -> None:
    """What is empty in the first rows, or dates of nothing said, is asked: a column of deaths is nearly empty by nature."""
    lines = ["ipp;date_naissance;Date de décès;remarque;date visite", *(f"{n};1950-01-0{n};;;2020-01-0{n}" for n in range(1, 9))]
    (tmp_path / "suivi.csv").write_text("\n".join(lines), encoding="utf-8")
    draft = draft_mapping(find_tables(tmp_path), "a")
    told = " ".join((*draft.sure, *draft.asked))
    assert all(f"suivi.{name}:" in told for name in ("ipp", "date_naissance", "date de décès", "remarque", "date visite")), told
    asked = {line.partition(":")[0]: line for line in draft.asked}
    assert "dates of MEDS_DEATH: add that event" in asked["suivi.date de décès"]
    assert "what does it say" in asked["suivi.remarque"]
    assert "of what?" in asked["suivi.date visite"]
