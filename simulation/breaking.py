"""Breaks inputs of a tree on purpose: which, and under what reason a pipeline should quarantine them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np

from unibase.simulation import broken as broken_inputs
from unibase.simulation import fhir_export, omop_export
from unibase.simulation.assay_files import (
    sample_name,
)
from unibase.simulation.dicom import Study
from unibase.simulation.invented_persons import Person, Registration, centre_format
from unibase.simulation.phantom import make_chest
from unibase.simulation.tables import Row
from unibase.simulation.tree import Tree

IMPOSSIBLE_DAY = "2021-02-30"


class Broken(NamedTuple):
    """The unit that is broken, how, and the reason it should be quarantined under."""

    unit: str
    kind: str
    reason: str


class Breaker:
    """Breaks inputs of a tree on purpose; every one is in the truth with the reason it should be quarantined under."""

    def __init__(self, tree: Tree, persons: list[Person]) -> None:
        self.tree = tree
        self.persons = persons
        self.taken: set[int] = set()

    def break_inputs(self) -> None:
        """Break one input of every kind that the tree has."""
        if self.tree.options.imaging:
            self._truncate()
            self._remove_slice()
            self._foreign_objects()
            self._phantom()
        self._empty_sample()
        self._swap_samples()
        self._impossible_dates()

    def _note(self, person: Person | None, centre: str, path: Path, broken: Broken) -> None:
        name = person.name if person else ""
        where = path.relative_to(self.tree.out).as_posix()
        self.tree.truth.add(
            "broken", centre=centre, person=name, path=where, unit=broken.unit, kind=broken.kind, reason=broken.reason
        )

    def _pick(self, kind: str, imaging: bool = False) -> tuple[Person, Registration] | None:
        for person in self.persons:
            registration = person.registrations[0]
            ordinary = person.index % 20 not in (1, 3, 5, 7, 11, 12, 13, 14, 15)
            if ordinary and person.index not in self.taken and centre_format(registration.centre) == kind:
                if imaging and person.course.imaging is None:
                    continue
                self.taken.add(person.index)
                return person, registration
        return None

    def _study(self, person: Person, registration: Registration) -> Study:
        assert person.course.imaging is not None
        return self.tree.study(person, registration, person.course.imaging, "baseline")

    def _truncate(self) -> None:
        if chosen := self._pick("omop", imaging=True):
            person, registration = chosen
            study = self._study(person, registration)
            seen = self.tree.see(person, registration.centre)
            path = broken_inputs.write_truncated_topogram(study, seen)
            broken = Broken("instance", "truncated-dicom", "truncated-file")
            self._note(person, registration.centre, path, broken)

    def _phantom(self) -> None:
        if chosen := self._pick("omop", imaging=True):
            person, registration = chosen
            self.taken.discard(person.index)
            centre = registration.centre
            study, seen = self._study(person, registration), self.tree.see(None, centre)
            path = broken_inputs.write_phantom(study, seen)
            broken = Broken("instance", "quality-control-phantom", "unknown-patient")
            self._note(None, centre, path, broken)

    def _remove_slice(self) -> None:
        if chosen := self._pick("osiris-rwd", imaging=True):
            person, registration = chosen
            study = self._study(person, registration)
            chest = make_chest(self.tree.options.seed, person, study.scanner)
            k = round((chest.tumour.centre[2] - chest.ct.origin[2]) / chest.ct.spacing[2])
            path = study.folder / "ct" / f"CT{k + 1:05d}.dcm"
            path.unlink()
            self._note(
                person, registration.centre, path.parent, Broken(str(study.uid("series", "ct")), "missing-slice", "missing-slice")
            )

    def _foreign_objects(self) -> None:
        for kind, write, name, reason in (
            ("omop", broken_inputs.write_secondary_capture, "secondary-capture", "burned-in-annotation"),
            ("fhir", broken_inputs.write_dose_screen, "dose-screen", "burned-in-annotation"),
            ("fhir", broken_inputs.write_ultrasound, "ultrasound", "burned-in-annotation"),
            ("osiris-rwd", broken_inputs.write_pdf_report, "pdf-report", "unsupported-object"),
        ):
            if chosen := self._pick(kind, imaging=True):
                person, registration = chosen
                path = write(self._study(person, registration), self.tree.see(person, registration.centre))
                self._note(person, registration.centre, path, Broken("instance", name, reason))

    def _empty_sample(self) -> None:
        person = self.persons[0]
        registration = person.registrations[0]
        centre = self.tree.centre(registration.centre)
        assert person.course.sample is not None
        # A second tube, newer than the good one: a join that does not know of the quarantine would choose it.
        name = sample_name(person, registration.centre, person.course.sample) + "-2"
        collected = str(person.course.sample + timedelta(days=6))
        samples = centre.samples
        samples.sheet.append({"sample": name, "patient": registration.ipp, "collected": collected, "sample_type": "tumour"})
        samples.names.append(name)
        samples.counts.append(np.zeros(len(self.tree.genes.ids), dtype=np.int32))
        truth = self.tree.truth
        truth.identifier(person, centre.name, "sample", name, "samples.csv")
        truth.identifier(person, centre.name, "date", collected, "samples.csv")
        truth.add("samples", sample=name, person=person.name, centre=centre.name, sample_type="tumour", in_rna=True, in_mutations=False,
                  collected=collected, swapped_with="")  # fmt: skip
        self._note(person, centre.name, centre.folder / "omics" / "counts.tsv.gz", Broken(name, "empty-sample", "empty-sample"))

    def _swap_samples(self) -> None:
        names = [name for name in self.tree.names if centre_format(name) == "fhir"] or list(self.tree.names)
        centre = self.tree.centre(names[0])
        first: dict[str, Person] = {}
        for person in self.persons:
            if person.registrations[0].centre == centre.name and person.course.sample and person.course.has_rna and person.index:
                first.setdefault(person.identity.sex, person)
        if len(first) < 2:
            return
        pair = [first["F"], first["M"]]
        labels = [sample_name(person, centre.name, person.course.sample) for person in pair if person.course.sample]
        one, two = (centre.samples.names.index(label) for label in labels)
        counts = centre.samples.counts
        counts[one], counts[two] = counts[two], counts[one]
        rows = {row["sample"]: row for row in self.tree.truth.rows["samples"]}
        for person, label, other in zip(pair, labels, reversed(labels), strict=True):
            rows[label]["swapped_with"] = other
            self._note(
                person,
                centre.name,
                centre.folder / "omics" / "counts.tsv.gz",
                Broken(label, "swapped-samples", "swapped-samples"),
            )

    def _impossible_dates(self) -> None:
        if chosen := self._pick("omop"):
            person, registration = chosen
            who = omop_export.person_id(person)
            result = omop_export.Result("14804-9", IMPOSSIBLE_DAY, value=240.0, unit="U/L")
            row = omop_export.measurement_row(omop_export.row_id(person, 990), who, result)
            self._row(person, registration, ("measurement", row), "impossible-day")
        alive = next(
            (
                p
                for p in self.persons
                if not p.course.death and len(p.registrations) == 1 and centre_format(p.registrations[0].centre) == "omop"
            ),
            None,
        )
        if alive:
            day = alive.course.diagnosis - timedelta(days=400)
            row = {"person_id": omop_export.person_id(alive), "death_date": day, "death_datetime": f"{day} 00:00:00",
                   "death_type_concept_id": omop_export.EHR, "cause_concept_id": 0, "cause_source_value": ""}  # fmt: skip
            self._row(alive, alive.registrations[0], ("death", row), "death-before-diagnosis")
        if chosen := self._pick("fhir"):
            person, registration = chosen
            wrong = fhir_export.Result("14804-9", IMPOSSIBLE_DAY, 240.0, "U/L")
            resource = fhir_export.lab_resource(self.tree.options.seed, person, registration, wrong)
            self._row(person, registration, ("Observation", resource), "impossible-day")
        if chosen := self._pick("osiris-rwd"):
            person, registration = chosen
            row = {"numero_patient": registration.ipp, "type_mesure": "14804-9", "nomenclature": "LOINC", "unite": "U/L",
                   "date_mesure": IMPOSSIBLE_DAY.replace("-", "/"), "valeur": 240.0, "source_information": "Structuré"}  # fmt: skip
            self._row(person, registration, ("19_mesure", row), "impossible-day")

    def _row(self, person: Person, registration: Registration, row: Row, kind: str) -> None:
        centre = self.tree.centre(registration.centre)
        centre.clinical.write([self.tree.truth.clinical(person, centre.name, row)])
        table = row[0]
        number = centre.clinical.rows[table]
        broken = Broken(f"{table} row {number}", kind, "impossible-date")
        self._note(person, centre.name, centre.clinical.path(table), broken)
