"""A small study with clinical records and images of four persons, whose dates are known."""

from __future__ import annotations

from pathlib import Path

from tests.imaging.deidentify_help import ct, save
from tests.known_keys import known_key
from unibase.privacy.keys import write_key_file

STUDY = """\
study: trial
release: {version: 1.0.0}
key: {file: vault.key}
centres:
  A:
    people: people.csv
    dicom: dicom
    clinical: {format: csv, path: records, mapping: mapping.yaml}
concepts: concepts.yaml
index: {concept: surgery}
"""
MAPPING = """\
mapping: 1
name: ours
systems: [ipp]
tables:
  - name: acts
    files: [acts]
    person: ipp
    persons: true
    events: [{code: "ACT//{act}", date: day}]
"""
CONCEPTS = """\
concepts: 1
version: "1"
concept:
  surgery: {codes: [ACT//SURGERY]}
  any_image: {codes: [ACT//SURGERY, "IMAGING//*"]}
"""
# Anne has two studies, Zoé one; nobody operated on Paul, and of Ida only the month is known.
STUDIES = {"IPP001": ["20190312", "20190402"], "IPP002": ["20190226"], "IPP003": ["20190312"], "IPP004": ["20190312"]}


def write_study(folder: Path) -> Path:
    """Write the study and its sources; return its folder."""
    write_key_file(known_key("vault.key"), folder / "vault.key")
    for name, text in (("study", STUDY), ("mapping", MAPPING), ("concepts", CONCEPTS)):
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    (folder / "people.csv").write_text("identifier\n" + "\n".join(STUDIES) + "\n", encoding="utf-8")
    write_records(folder, "2019-03-02")
    for number, days in STUDIES.items():
        for day in days:
            uid = f"1.2.3.4.55.{int(number[3:])}.{day}"
            ds = ct(PatientID=number, PatientName="Dupontel^X", StudyDate=day, StudyInstanceUID=uid)
            ds.SeriesInstanceUID, ds.SOPInstanceUID = f"{uid}.1", f"{uid}.1.1"
            save(ds, folder / "dicom" / f"{number}-{day}.dcm")
    return folder


def write_records(home: Path, surgery_of_first: str) -> None:
    """Write the clinical records."""
    rows = [f"IPP001,{surgery_of_first},SURGERY", "IPP001,2019-08-01,SURGERY", "IPP002,2019-03-01,SURGERY"]
    rows += ["IPP003,2019-03-01,VISIT", "IPP004,2019-03,SURGERY"]
    (home / "records").mkdir(exist_ok=True)
    (home / "records" / "acts.csv").write_text("\n".join(["ipp,day,act", *rows]) + "\n", encoding="utf-8")
