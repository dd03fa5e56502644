"""Wrong links planted in sample sheets and image headers, through a whole build: which of them the checks across modalities find.

    python -m benchmarks.wrong_links PERSONS [SHARE] [SEED] [imaging]

Simulates hospitals (without other errors) of which a share (0.05 without) of the samples is written to another patient, builds the
study, and compares its table of findings with the truth. With `imaging` DICOM is simulated too, and the same share of the image
series, with their masks, bears another patient's number; features are cut down to those of first order, for no check reads them.

A wrong link is one that a check could see when

- a sample: the two patients' sexes differ and the sample has expression, or it was taken after the death, or before the birth,
  of the patient it is written to;
- a series: the sex in its header is not that of the patient whose number it bears, or the age in whole years is two or more from that
  patient's age on that day, or the day is after the death or before the birth.

False alarms are findings of that modality in subjects whom no wrong link of it touches.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
from pydicom import dcmread

from unibase.privacy import pseudonyms
from unibase.privacy.keys import read_key_file
from unibase.privacy.ledger import persons as identity

UNIBASE = Path(sys.executable).with_name("unibase")


def truth_table(home: Path, name: str) -> pl.DataFrame:
    return pl.read_parquet(home / "truth" / f"{name}.parquet")


def subjects_of_persons(home: Path) -> dict[str, int]:
    """Return the pseudonym of every simulated person, by the ledger that the build made."""
    key = read_key_file(home / "vault.key")
    ledger = identity.persons(home / "work" / "vault" / "identity")
    people = pl.read_parquet(home / "work" / "vault" / "people.parquet").select("centre", "system", "identifier", "person_key")
    known = people.join(ledger.rename({"person": "ledger"}), on=["centre", "person_key"])
    found = truth_table(home, "links").drop("person_key").join(known, on=["centre", "system", "identifier"])
    return {person: pseudonyms.subject_id(key, name) for person, name in found.select("person", "ledger").unique().iter_rows()}


def visible(home: Path) -> set[str]:
    """Return the persons who bear another's sample that some check could see is not theirs."""
    persons = truth_table(home, "persons").unique("person").select("person", "sex", "birth_date")
    timeline = truth_table(home, "timeline")
    deaths = timeline.filter(pl.col("event") == "death").group_by("person").agg(pl.col("date").max().alias("death"))
    samples = truth_table(home, "samples").select("sample", "in_rna", "collected")
    links = (
        truth_table(home, "wrong_links")
        .join(samples, on="sample")
        .join(persons, on="person")
        .join(persons.rename({"person": "linked_to"}), on="linked_to", suffix="_linked")
        .join(deaths.rename({"person": "linked_to"}), on="linked_to", how="left")
        .with_columns(pl.col("collected", "death", "birth_date_linked").str.to_date("%Y-%m-%d", strict=False))
    )
    # The days after a death in which it may have been written down are no contradiction.
    late = (pl.col("collected") > pl.col("death") + timedelta(days=3)).fill_null(False)
    early = (pl.col("collected") < pl.col("birth_date_linked")).fill_null(False)
    seen = ((pl.col("sex") != pl.col("sex_linked")) & pl.col("in_rna")) | late | early
    return set(links.filter(seen)["linked_to"])


def visible_series(home: Path) -> set[str]:
    """Return the persons whose number stands on another's image series that some check could see is not theirs."""
    persons = {row["person"]: row for row in truth_table(home, "persons").unique("person").iter_rows(named=True)}
    timeline = truth_table(home, "timeline").filter(pl.col("event") == "death")
    deaths = dict(timeline.group_by("person").agg(pl.col("date").max()).iter_rows())
    folders = dict(truth_table(home, "imaging").select("SeriesInstanceUID", "folder").iter_rows())
    seen = set()
    for link in truth_table(home, "wrong_series").iter_rows(named=True):
        header = dcmread(min((home / folders[link["SeriesInstanceUID"]]).glob("*.dcm")), stop_before_pixels=True)
        day, other = datetime.strptime(header.StudyDate, "%Y%m%d").date(), persons[link["linked_to"]]
        born = date.fromisoformat(other["birth_date"])
        age = day.year - born.year - ((day.month, day.day) < (born.month, born.day))
        # The days after a death in which it may have been written down are no contradiction.
        died = deaths.get(link["linked_to"])
        late = died is not None and day > date.fromisoformat(died) + timedelta(days=3)
        if header.PatientSex != other["sex"] or abs(int(header.PatientAge[:3]) - age) >= 2 or late or day < born:
            seen.add(link["linked_to"])
    return seen


def outcome(home: Path, imaging: bool = False) -> dict[str, float]:
    """Return the numbers of a built study: what was planted, could be seen and was found, and the false alarms.

    Args:
        home: The tree, built.
        imaging: Of image series, else of samples.
    """
    subject = subjects_of_persons(home)
    wrong = {subject[person] for person in truth_table(home, "wrong_series" if imaging else "wrong_links")["linked_to"]}
    could = {subject[person] for person in (visible_series if imaging else visible)(home)}
    findings = pl.read_parquet(home / "work" / "linked" / "concordance.parquet")
    found = set(findings.filter((pl.col("modality") == "imaging") == imaging)["subject_id"])
    everyone = pl.read_parquet(home / "work" / "linked" / "cohort.parquet").height
    return {
        "subjects": everyone,
        "planted": len(wrong),
        "visible": len(could),
        "found": len(found & could),
        "share found": len(found & could) / max(len(could), 1),
        "false alarms": len(found - wrong),
        "false-alarm rate": len(found - wrong) / max(everyone - len(wrong), 1),
    }


def prepare(home: Path, imaging: bool) -> None:
    """Let the study exclude the discordant, and spare it the features that no check reads."""
    study = home / "study.yaml"
    text = study.read_text(encoding="utf-8")
    rule = "  include: [cancer_diagnosis, index]\n"
    study.write_text(text.replace(rule, rule + '  exclude: ["discordant:sex", "discordant:dates"]\n'), encoding="utf-8")
    if imaging:
        parameters = (
            "imageType: {Original: {}}\nfeatureClass: {firstorder: }\nsetting: {binCount: 32, geometryTolerance: 0.001}\n"
        )
        (home / "params.yaml").write_text(parameters, encoding="utf-8")


def main() -> None:
    words = [word for word in sys.argv[1:] if word != "imaging"]
    imaging, share = "imaging" in sys.argv[1:], words[1] if len(words) > 1 else "0.05"
    with tempfile.TemporaryDirectory() as place:
        home = Path(place) / "tree"
        options = ["--persons", words[0], "--no-broken", "--wrong-links", share]
        options += ["--seed", words[2]] if len(words) > 2 else []
        options += [] if imaging else ["--no-imaging"]
        subprocess.run([UNIBASE, "simulate", home, *options], check=True, stdout=subprocess.DEVNULL)
        prepare(home, imaging)
        subprocess.run(
            [UNIBASE, "build", home / "study.yaml", "--no-prefect"],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        report(home, imaging)


def report(home: Path, imaging: bool) -> None:
    """Print the numbers of each modality, and how the cohort came about."""
    for kind in [False, True] if imaging else [False]:
        print("image series" if kind else "samples")
        for name, value in outcome(home, kind).items():
            print(f"  {name:20} {value:g}")
    for row in pl.read_parquet(home / "work" / "linked" / "flow.parquet").iter_rows(named=True):
        print(f"{row['rule']:24} {row['reason']:24} removed {row['removed']:5}  left {row['after']:5}")


if __name__ == "__main__":
    main()
