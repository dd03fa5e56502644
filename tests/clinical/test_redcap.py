"""A REDCap project: its dictionary makes the mapping, and every field of the export is accounted for."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from unibase.clinical.formats.mapping_rules import field_table, read_mapping
from unibase.clinical.formats.redcap_dictionary import draft_of_dictionary, read_dictionary, refuse_labelled
from unibase.clinical.timelines.centre import TimelineTask, convert
from unibase.clinical.timelines.meds import read_dataset
from unibase.groundwork.problems import UserError

HEAD = '"Variable / Field Name","Form Name","Field Type","Field Label","Choices, Calculations, OR Slider Labels","Text Validation Type OR Show Slider Number","Identifier?"\n'
FIELDS = """record_id,demographics,text,Record,,,
last_name,demographics,text,Name,,,y
dob,demographics,text,Birth,,date_dmy,y
sexe,demographics,radio,Sexe,"1, Homme | 2, Femme",,
visit_date,visit,text,Visit,,date_ymd,
hb,visit,text,Haemoglobin (g/dL),,number_1dp,
ecog,visit,dropdown,ECOG,"0, Fully active | 1, Restricted | 9, <b>Unknown</b>",,
smoker,visit,yesno,Smoker,,,
symptoms,visit,checkbox,Symptoms,"1, Pain | 2, Fever",,
comment,visit,notes,Comment,,,
icd,visit,text,Diagnosis code,,,
stop_date,visit,text,End of treatment,,datetime_ymd,
consented,consent,yesno,Consented,,,
"""
RAW = """record_id,redcap_event_name,last_name,dob,sexe,demographics_complete,visit_date,hb,ecog,smoker,symptoms___1,symptoms___2,comment,icd,stop_date,visit_complete,consented,consent_complete
1,base_arm_1,Dupontel,1950-02-21,1,2,,,,,,,,,,,1,2
1,v1_arm_1,,,,,2021-03-04,12.1,1,1,1,0,goes well,C34.1,2021-06-04,2,,
2,base_arm_1,Martinel,1961-12-01,2,2,,,,,,,,,,,0,2
2,v1_arm_1,,,,,2021-04-05,10.9,9,0,0,1,,C50,,1,,
"""
LABELS = RAW.replace("1950-02-21,1,", "1950-02-21,Homme,").replace("12.1,1,1,1,0", "12.1,Restricted,Yes,Checked,Unchecked")
RIGHT = {
    ("MEDS_BIRTH", None, None), ("SEX//M", None, None), ("REDCAP//hb", 12.1, None), ("REDCAP//ecog", None, "Restricted"),
    ("REDCAP//smoker", None, "Yes"), ("REDCAP//symptoms//1", None, None), ("REDCAP//stop_date", None, None),
}  # fmt: skip


def mapped(folder: Path, export: str, fields: str = FIELDS) -> tuple[Path, tuple[str, ...]]:
    (folder / "dictionary.csv").write_text(HEAD + fields, encoding="utf-8")
    (folder / "export").mkdir()
    (folder / "export" / "Study_DATA.csv").write_text(export, encoding="utf-8")
    draft = draft_of_dictionary(read_dictionary(folder / "dictionary.csv"), ["Study_DATA"], "study")
    (folder / "mapping.yaml").write_text(draft.mapping, encoding="utf-8")
    return folder / "mapping.yaml", draft.asked


@pytest.mark.parametrize("export", [RAW, LABELS], ids=["codes", "labels"])
def test_an_export_is_read_by_its_dictionary(export: str, tmp_path: Path) -> None:
    mapping, _ = mapped(tmp_path, export)
    convert(TimelineTask("csv", tmp_path / "export", "CHU-été", mapping=mapping, cutoff="none"), tmp_path / "out")
    events = read_dataset(tmp_path / "out")
    first = events.filter(pl.col("subject_id") == 1).select(
        "code", pl.col("numeric_value").cast(pl.Float64).round(2), "text_value"
    )
    assert set(first.rows()) == RIGHT
    assert events.filter(pl.col("code") == "SEX//F").height == 1
    assert events.filter(pl.col("code") == "REDCAP//ecog")["text_value"].to_list() == ["Restricted", "Unknown"]
    assert not any("Dupontel" in str(row) or "goes well" in str(row) for row in events.rows())
    problems = pl.read_parquet(tmp_path / "out" / "metadata" / "problems.parquet")
    assert problems.select("reason", "message").rows() == [
        ("unread-column", "1 columns are read by no rule: redcap_event_name. The row is kept.")
    ]


def test_what_is_left_out_is_asked_or_said(tmp_path: Path) -> None:
    mapping, asked = mapped(tmp_path, RAW)
    assert asked == (
        "visit.icd: a text without validation, left out; give it a rule if it holds codes.",
        "consent: no field is a date; 1 fields are left out. Say what dates them.",
    )
    known = field_table(read_mapping(mapping))
    said = dict(known.select("field", "use").iter_rows())
    assert said["last_name"] == "not mapped: an identifier" and said["comment"] == "not mapped: free text"
    named = set(known["field"])
    assert set(pl.Series(RAW.splitlines()[0].split(","))) - named == {"redcap_event_name"}


@pytest.mark.parametrize(("text", "told"), [("a,b\n1,2\n", "no column 'Variable / Field Name'"), (HEAD, "no field")])
def test_what_is_no_dictionary_is_told(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=told):
        draft_of_dictionary(read_dictionary(tmp_path / "d.csv"), ["x"], "x")


FOLLOW_UP = """record_id,enrol,text,Record,,,
vital,followup,radio,Vital status,"0, Alive | 1, Deceased | 2, Not known",,
death_date,followup,text,Death,,date_ymd,
seen,followup,text,Seen,,date_ymd,
code,followup,sql,Code,select code from codes,,
status,end,dropdown,Status,"0, Vivant | 1, Décédé(e)",,
last,end,text,Last,,date_ymd,
"""


def test_the_dead_of_whom_no_date_is_known_stay_dead(tmp_path: Path) -> None:
    export = "record_id,vital,death_date,seen,code,status,last\n1,1,,2021-08-01,C34,,\n2,0,,2021-08-01,C34,,\n3,Deceased,2021-09-01,2021-08-01,C34,,\n"
    mapping, asked = mapped(tmp_path, export, FOLLOW_UP)
    convert(TimelineTask("csv", tmp_path / "export", "lyon", mapping=mapping, cutoff="none"), tmp_path / "out")
    dead = read_dataset(tmp_path / "out").filter(pl.col("code") == "MEDS_DEATH")
    assert sorted(dead["subject_id"]) == [1, 3]
    problems = pl.read_parquet(tmp_path / "out" / "metadata" / "problems.parquet")
    assert ("lyon/csv/followup#1/death_date", "missing-date") in problems.select("unit", "reason").rows()
    assert asked == (
        "followup.code: a text without validation, left out; give it a rule if it holds codes.",
        "end.status: says who died, and no field of its form is the date; give deaths a rule.",
    )


def test_an_export_with_labels_for_names_of_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dictionary.csv").write_text(HEAD + FIELDS, encoding="utf-8")
    fields = read_dictionary(tmp_path / "dictionary.csv")
    export = tmp_path / "Study_DATA_LABELS.csv"
    export.write_text('Record,"Event Name",Name\n1,Base,Dupontel\n', encoding="utf-8")
    with pytest.raises(UserError, match="raw data"):
        refuse_labelled(fields, {"study_data_labels": [export]})
    export.write_text("record_id,redcap_event_name\n1,base\n", encoding="utf-8")
    refuse_labelled(fields, {"study_data_labels": [export]})
