"""The files of a simulated tree while it is written: centres, samples, and what is noted of them."""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from unibase.simulation import fhir_export, omop_export, osiris_rwd_export
from unibase.simulation.acquisitions import names_of, write_acquisitions
from unibase.simulation.assay_files import (
    SAMPLE_COLUMNS,
    Genes,
    counts_of,
    make_genes,
    mutation_rows,
    sample_name,
    write_counts,
    write_maf,
)
from unibase.simulation.dicom import SeriesFiles, Study, study_start, write_ct, write_rtstruct
from unibase.simulation.dicom_pet import write_pet
from unibase.simulation.invented_persons import Person, Registration, centre_format, centre_names
from unibase.simulation.phantom import SCANNERS, Scanner, make_chest, render_ct, render_pet
from unibase.simulation.seeds import source_uuid
from unibase.simulation.tables import TableFiles
from unibase.simulation.truth import Truth
from unibase.simulation.written_study import CLINICAL_FOLDERS, centre_folder

PEOPLE_COLUMNS = (
    "person_key", "system", "identifier", "ins", "birth_family_name", "used_family_name", "given_names", "birth_date", "sex",
    "birth_place_code",
)  # fmt: skip
ROI_NAMES = {"omop": ("GTV_1", "Lung_L"), "fhir": ("GTV primary", "Lung_L"), "osiris-rwd": ("Tumeur", "Poumon G")}


@dataclass(frozen=True)
class Options:
    """What a tree was made with; written beside the truth, so that a night can add to it.

    Attributes:
        seed: Same seed and options, same bytes in every file.
        persons: How many persons.
        centres: How many centres; formats OMOP, FHIR and OSIRIS-RWD take turns.
        genes: Genes of the count matrices.
        broken: Whether some inputs are broken on purpose (`truth/broken.parquet` lists them).
        imaging: Whether to write DICOM; without it thousands of persons take seconds.
        wrong_links: Share of the samples that each centre's sheet gives to another patient (`truth/wrong_links.parquet`),
            and of the image series that bear another patient's number (`truth/wrong_series.parquet`).
        misplaced: Whether to write methylation arrays and genotypes as well, and plant samples that are not their person's
            (`truth/misplaced.parquet`).
        acquisitions: Whether each person with images has series of several volumes as well: CT in three phases, diffusion,
            dynamic MR and gated PET (`truth/volumes.parquet`).
    """

    seed: int = 2026
    persons: int = 20
    centres: int = 3
    genes: int = 2000
    broken: bool = True
    imaging: bool = True
    wrong_links: float = 0.0
    misplaced: bool = False
    acquisitions: bool = False


DEFAULT = Options()


@dataclass
class Samples:
    """The samples of one centre, before they are written."""

    sheet: list[dict[str, str]]
    names: list[str]
    counts: list[np.ndarray]
    maf: list[dict[str, object]]
    profiled: list[str]


class Centre:
    """One hospital: its files, opened once, and what has been written to them."""

    def __init__(self, out: Path, name: str, genes: Genes) -> None:
        self.name = name
        self.format = centre_format(name)
        self.folder = out / centre_folder(name)
        columns = {"omop": omop_export.COLUMNS, "fhir": None, "osiris-rwd": osiris_rwd_export.COLUMNS}[self.format]
        self.clinical = TableFiles(self.folder / CLINICAL_FOLDERS[self.format], columns)
        self.people = TableFiles(self.folder, {"people": PEOPLE_COLUMNS}) if self.format != "fhir" else None
        self.scanner: Scanner = SCANNERS[("omop", "fhir", "osiris-rwd").index(self.format)]
        self.samples = Samples([], [], [], [], [])
        self.genes = genes
        self.effect = genes.centre_effect(name)

    def close(self, suffix: str) -> None:
        """Write what is pending; matrices get `suffix` in their names."""
        self.clinical.close()
        if self.people:
            self.people.close()
        samples = self.samples
        folder = self.folder / "omics"
        write_counts(folder / f"counts{suffix}.tsv.gz", self.genes, samples.names, samples.counts)
        write_maf(folder / f"mutations{suffix}.maf.gz", samples.maf)
        new = not (folder / "samples.csv").exists()
        with (folder / "samples.csv").open("a", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, SAMPLE_COLUMNS, lineterminator="\n")
            if new:
                writer.writeheader()
            writer.writerows(samples.sheet)
        with (folder / "profiled.txt").open("a", encoding="utf-8") as file:
            file.writelines(f"{name}\n" for name in samples.profiled)


class Tree:
    """A source tree being written."""

    def __init__(self, out: Path, options: Options) -> None:
        self.out = out
        self.options = options
        self.names = centre_names(options.centres)
        self.truth = Truth(out / "truth")
        self.genes = make_genes(options.seed, options.genes)
        self._centres: dict[str, Centre] = {}

    def centre(self, name: str) -> Centre:
        """Return a centre, opened when first asked for.

        Args:
            name: The name.
        """
        if name not in self._centres:
            self._centres[name] = Centre(self.out, name, self.genes)
        return self._centres[name]

    def close(self, suffix: str = "") -> None:
        """Write all that is pending, in the order of the centres' names.

        Args:
            suffix: Put after the names of the files.
        """
        for name in sorted(self._centres):
            self._centres[name].close(suffix)
        self.truth.write()

    def add(self, person: Person) -> None:
        """Write one person to every centre that knows them."""
        course = person.course
        self.truth.add(
            "persons", person=person.name, centre=person.registrations[0].centre, sex=person.identity.sex,
            birth_date=person.identity.birth_date, ins=person.identity.ins, **asdict(person.latents),
            log_hazard=person.latents.log_hazard, tumour_mm=course.tumour_mm, stage=course.stage, icd10=course.icd10,
            has_ct=self.options.imaging and course.imaging is not None,
            has_pet=self.options.imaging and course.imaging is not None and course.has_pet,
            has_rna=course.sample is not None and course.has_rna, has_mutations=course.sample is not None and course.has_mutations,
            treated=course.treatment is not None, died=course.death is not None, progressed=course.progression is not None,
            centres=len(person.registrations), twin_of="" if person.twin_of is None else f"P{person.twin_of:06d}",
        )  # fmt: skip
        for registration in person.registrations:
            self._register(person, registration)
            study = self._imaging(person, registration)
            sample = self._sample(person, registration)
            self._clinical(person, registration, sample, study)
        self._timeline(person)

    def study(self, person: Person, registration: Registration, day: date, visit: str) -> Study:
        """Return an examination of a person in a centre, in a folder as an archive exports it.

        Args:
            person: The simulated person.
            registration: The person's registration in the centre.
            day: The day.
            visit: Name of the visit: baseline or progression.
        """
        when = study_start(self.options.seed, person, day, visit)
        centre = self.centre(registration.centre)
        folder = centre.folder / "dicom" / registration.ipp / f"{when:%Y%m%d}_{visit}"
        return Study(self.options.seed, person, registration, centre.scanner, when, visit, folder)

    def see(self, person: Person | None, centre: str) -> Any:
        """Return what notes the identifiers of a written DICOM header of a person.

        Args:
            person: The simulated person; None for nobody.
            centre: Name of the centre.
        """

        def seen(ds: Dataset) -> None:
            self.truth.dicom(person, centre, ds)

        return seen

    def _register(self, person: Person, registration: Registration) -> None:
        centre, identity = self.centre(registration.centre), registration.identity
        keys = {"ipp": registration.ipp}
        if centre.format == "omop":
            keys["omop"] = str(omop_export.person_id(person))
        elif centre.format == "osiris-rwd":
            keys["osiris"] = registration.ipp
        if centre.people:
            traits = {
                "ins": identity.ins, "birth_family_name": identity.birth_family_name, "used_family_name": identity.used_family_name,
                "given_names": identity.given_names, "birth_date": identity.birth_date, "sex": identity.sex,
                "birth_place_code": identity.birth_place_code,
            }  # fmt: skip
            centre.people.write(
                ("people", {"person_key": registration.ipp, "system": system, "identifier": key, **traits})
                for system, key in keys.items()
            )
        else:
            keys["fhir"] = source_uuid(self.options.seed, "fhir", registration.centre, person.index, "Patient")
        self.truth.registration(person, registration, keys)

    def _imaging(self, person: Person, registration: Registration) -> Study | None:
        course = person.course
        if course.imaging is None:
            return None
        visits: list[tuple[str, date, bool, float]] = []
        if registration.primary:
            visits.append(("baseline", course.imaging, course.has_pet, 1.0))
            if course.follow_up_imaging:
                visits.append(("follow-up", course.follow_up_imaging, False, 0.7))
        elif registration.variant == "same-ins" and course.treatment:
            # The second centre examines after the index: a join that looks ahead would take this one.
            later = course.treatment + timedelta(days=60)
            if course.death is None or later < course.death:
                visits.append(("elsewhere", later, False, 0.8))
        first: Study | None = None
        for visit, day, with_pet, growth in visits:
            study = self.study(person, registration, day, visit)
            first = first or study
            if self.options.imaging:
                self._examination(study, with_pet, growth)
                if self.options.acquisitions and visit == "baseline":
                    self._acquisitions(person, registration, day)
        return first

    def _examination(self, study: Study, with_pet: bool, growth: float) -> None:
        from unibase.simulation.dicom_seg import write_seg

        seed, person, centre = self.options.seed, study.person, self.centre(study.registration.centre)
        chest = make_chest(seed, person, study.scanner, growth)
        target, organ = ROI_NAMES[centre.format]
        regions = {target: chest.tumour, organ: chest.left_lung}
        seen = self.see(person, centre.name)
        ct = render_ct(seed, person, study.scanner, chest, study.visit)
        images: list[tuple[SeriesFiles, Any, np.ndarray]] = [(write_ct(study, chest, ct, seen), chest.ct, ct)]
        if with_pet:
            pet = render_pet(seed, person, chest, study.visit)
            images.append((write_pet(study, chest, pet, seen), chest.pet, pet))
        for series, grid, values in images:
            write_mask = write_seg if centre.format == "fhir" else write_rtstruct
            write_mask(study, series, regions, grid, seen)
            inside = values[chest.tumour.mask(grid)].astype(float)
            self.truth.add(
                "imaging", person=person.name, centre=centre.name, visit=study.visit, modality=series.modality,
                StudyInstanceUID=study.uid("study"), SeriesInstanceUID=series.uid, instances=len(series.paths),
                folder=series.paths[0].parent.relative_to(self.out).as_posix(), target_roi=target, tumour_voxels=inside.size,
                tumour_mm3=inside.size * float(np.prod(grid.spacing)), tumour_mean=float(inside.mean()), tumour_sd=float(inside.std()),
                tumour_max=float(inside.max()),
            )  # fmt: skip

    def _acquisitions(self, person: Person, registration: Registration, day: date) -> None:
        """Write series that hold several volumes, each kind as a study of its own on one day."""
        centre = self.centre(registration.centre)
        chest = make_chest(self.options.seed, person, centre.scanner)
        target, _ = ROI_NAMES[centre.format]
        written = write_acquisitions(
            lambda visit: self.study(person, registration, day, visit), chest, target, self.see(person, centre.name)
        )
        for one in written:
            self.truth.add(
                "volumes", person=person.name, centre=centre.name, kind=one.kind, modality=one.series.modality,
                SeriesInstanceUID=one.series.uid, volume=names_of(one.kind)[one.number - 1], tumour_mean=one.tumour_mean,
            )  # fmt: skip

    def _sample(self, person: Person, registration: Registration) -> str | None:
        course = person.course
        if course.sample is None or not registration.primary:
            return None
        centre = self.centre(registration.centre)
        samples, name = centre.samples, sample_name(person, registration.centre, course.sample)
        collected = f"{course.sample:%Y-%m}" if person.index % 20 == 17 else str(course.sample)
        samples.sheet.append({"sample": name, "patient": registration.ipp, "collected": collected, "sample_type": "tumour"})
        if course.has_rna:
            samples.names.append(name)
            samples.counts.append(counts_of(self.genes, person, centre.effect))
        if course.has_mutations:
            samples.profiled.append(name)
            samples.maf += mutation_rows(self.options.seed, person, centre.name, name)
        self.truth.identifier(person, centre.name, "sample", name, "samples.csv")
        self.truth.identifier(person, centre.name, "date", collected, "samples.csv")
        self.truth.add(
            "samples", sample=name, person=person.name, centre=centre.name, sample_type="tumour", in_rna=course.has_rna,
            in_mutations=course.has_mutations, collected=str(course.sample), swapped_with="",
        )  # fmt: skip
        if course.later_sample:
            self._later_sample(person, registration, course.later_sample)
        return name

    def _later_sample(self, person: Person, registration: Registration, day: date) -> None:
        centre = self.centre(registration.centre)
        samples, name = centre.samples, sample_name(person, registration.centre, day)
        samples.sheet.append({"sample": name, "patient": registration.ipp, "collected": str(day), "sample_type": "metastasis"})
        samples.names.append(name)
        samples.counts.append(counts_of(self.genes, person, centre.effect, "progression"))
        self.truth.identifier(person, centre.name, "sample", name, "samples.csv")
        self.truth.identifier(person, centre.name, "date", day, "samples.csv")
        self.truth.add(
            "samples", sample=name, person=person.name, centre=centre.name, sample_type="metastasis", in_rna=True, in_mutations=False,
            collected=str(day), swapped_with="",
        )  # fmt: skip

    def _clinical(self, person: Person, registration: Registration, sample: str | None, study: Study | None) -> None:
        centre = self.centre(registration.centre)
        uid = str(study.uid("study")) if study and self.options.imaging else None
        rows: Any
        match centre.format:
            case "omop":
                rows = omop_export.person_rows(person, registration, sample)
            case "fhir":
                image = fhir_export.Image(uid, study.accession) if study and uid else None
                rows = fhir_export.person_rows(self.options.seed, person, registration, sample, image)
            case _:
                rows = osiris_rwd_export.person_rows(person, registration, sample, _finess(centre.name), uid)
        centre.clinical.write(self.truth.clinical(person, centre.name, row) for row in rows)

    def _timeline(self, person: Person) -> None:
        course, centre = person.course, person.registrations[0].centre
        events: list[tuple[str, str, date | None]] = [
            ("diagnosis", course.icd10, course.diagnosis), ("imaging", "CT", course.imaging if self.options.imaging else None),
            ("imaging_follow_up", "CT", course.follow_up_imaging if self.options.imaging else None), ("sample", "", course.sample),
            ("treatment", "L01", course.treatment), ("progression", "", course.progression), ("death", "", course.death),
            ("last_contact", "", course.last_contact),
        ]  # fmt: skip
        for event, code, day in events:
            if day is None:
                continue
            precision = osiris_rwd_export.precision_of(person, event) if centre_format(centre) == "osiris-rwd" else "day"
            if event == "sample" and person.index % 20 == 17:
                precision = "month"
            self.truth.add(
                "timeline", person=person.name, centre=centre, event=event, code=code, date=str(day), precision=precision,
                days_from_treatment=(day - course.treatment).days if course.treatment else None,
            )  # fmt: skip


def _finess(centre: str) -> str:
    """Return the invented FINESS number of a centre."""
    return f"35{sum(ord(c) for c in centre) * 7919 % 9_999_999:07d}"
