"""Wrong links planted in the sample sheets, through a whole build: which of them the checks across modalities find.

    python -m benchmarks.wrong_links PERSONS [SHARE] [SEED]

Simulates hospitals (without images, without other errors) of which a share (0.05 without) of the samples is written to another patient, builds the
study, and compares its table of findings with the truth. A wrong link is one that a check could see when the
two patients' sexes differ and the sample has expression, or when the sample was taken after the death, or before the birth,
of the patient it is written to. False alarms are counted in subjects that no wrong link touches.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

import polars as pl

from privacy import identity, pseudonyms
from privacy.keys import read_key_file

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


def outcome(home: Path) -> dict[str, float]:
    """Return the numbers of a built study: what was planted, could be seen and was found, and the false alarms."""
    subject = subjects_of_persons(home)
    wrong = {subject[person] for person in truth_table(home, "wrong_links")["linked_to"]}
    could = {subject[person] for person in visible(home)}
    findings = pl.read_parquet(home / "work" / "linked" / "concordance.parquet")
    found = set(findings["subject_id"])
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


def main() -> None:
    share = sys.argv[2] if len(sys.argv) > 2 else "0.05"
    with tempfile.TemporaryDirectory() as place:
        home = Path(place) / "tree"
        options = ["--persons", sys.argv[1], "--no-imaging", "--no-broken", "--wrong-links", share]
        options += ["--seed", sys.argv[3]] if len(sys.argv) > 3 else []
        subprocess.run([UNIBASE, "simulate", home, *options], check=True, stdout=subprocess.DEVNULL)
        study = home / "study.yaml"
        text = study.read_text(encoding="utf-8")
        rule = "  include: [cancer_diagnosis, index]\n"
        study.write_text(text.replace(rule, rule + '  exclude: ["discordant:sex", "discordant:dates"]\n'), encoding="utf-8")
        subprocess.run(
            [UNIBASE, "build", study, "--no-prefect"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for name, value in outcome(home).items():
            print(f"{name:20} {value:g}")
        for row in pl.read_parquet(home / "work" / "linked" / "flow.parquet").iter_rows(named=True):
            print(f"{row['rule']:24} {row['reason']:24} removed {row['removed']:5}  left {row['after']:5}")


if __name__ == "__main__":
    main()
