"""The simulated source tree: hospitals of a multi-centre study, and the truth about them.

The story is that of UNIRIV: PET/CT before the first treatment of lung cancer, linked to biology and outcome. See
`docs/simulation.md` for the tree and `simulation.persons` for what is planted.
"""

from __future__ import annotations

import csv
import json
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from unibase.simulation import broken as broken_inputs
from unibase.simulation import fhir, omop, osiris_rwd
from unibase.simulation.dicom import SeriesFiles, Study, study_start, write_ct, write_pet, write_rtstruct
from unibase.simulation.misplaced import Donor, Planted, same_sex, sequenced_again, write_genotypes, write_methylation
from unibase.simulation.omics import (
    SAMPLE_COLUMNS,
    Genes,
    counts_of,
    make_genes,
    mutation_rows,
    sample_name,
    write_counts,
    write_maf,
)
from unibase.simulation.persons import Person, Registration, centre_format, centre_names, make_person
from unibase.simulation.phantom import SCANNERS, Scanner, make_chest, render_ct, render_pet
from unibase.simulation.seeds import source_uuid
from unibase.simulation.study_file import CLINICAL_FOLDERS, centre_folder, write_study
from unibase.simulation.tables import Row, TableFiles
from unibase.simulation.truth import ASSOCIATIONS, Truth
from unibase.simulation.wrong_links import exchange_patients, exchange_series

PEOPLE_COLUMNS = (
    "person_key", "system", "identifier", "ins", "birth_family_name", "used_family_name", "given_names", "birth_date", "sex",
    "birth_place_code",
)  # fmt: skip
ROI_NAMES = {"omop": ("GTV_1", "Lung_L"), "fhir": ("GTV primary", "Lung_L"), "osiris-rwd": ("Tumeur", "Poumon G")}
IMPOSSIBLE_DAY = "2021-02-30"


@dataclass(frozen=True)
class Options:
    """What a tree was made with; written beside the truth, so that a night can add to it."""

    seed: int
    persons: int
    centres: int
    genes: int
    broken: bool
    imaging: bool
    wrong_links: float = 0.0
    misplaced: bool = False


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
        columns = {"omop": omop.COLUMNS, "fhir": None, "osiris-rwd": osiris_rwd.COLUMNS}[self.format]
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
        """Return a centre, opened when first asked for."""
        if name not in self._centres:
            self._centres[name] = Centre(self.out, name, self.genes)
        return self._centres[name]

    def close(self, suffix: str = "") -> None:
        """Write all that is pending, in the order of the centres' names."""
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
        """Return an examination of a person in a centre, in a folder as an archive exports it."""
        when = study_start(self.options.seed, person, day, visit)
        centre = self.centre(registration.centre)
        folder = centre.folder / "dicom" / registration.ipp / f"{when:%Y%m%d}_{visit}"
        return Study(self.options.seed, person, registration, centre.scanner, when, visit, folder)

    def see(self, person: Person | None, centre: str) -> Any:
        """Return what notes the identifiers of a written DICOM header of a person."""

        def seen(ds: Dataset) -> None:
            self.truth.dicom(person, centre, ds)

        return seen

    def _register(self, person: Person, registration: Registration) -> None:
        centre, identity = self.centre(registration.centre), registration.identity
        keys = {"ipp": registration.ipp}
        if centre.format == "omop":
            keys["omop"] = str(omop.person_id(person))
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
                rows = omop.person_rows(person, registration, sample)
            case "fhir":
                rows = fhir.person_rows(self.options.seed, person, registration, sample, uid, study.accession if study else None)
            case _:
                rows = osiris_rwd.person_rows(person, registration, sample, finess(centre.name), uid)
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
            precision = osiris_rwd.precision_of(person, event) if centre_format(centre) == "osiris-rwd" else "day"
            if event == "sample" and person.index % 20 == 17:
                precision = "month"
            self.truth.add(
                "timeline", person=person.name, centre=centre, event=event, code=code, date=str(day), precision=precision,
                days_from_treatment=(day - course.treatment).days if course.treatment else None,
            )  # fmt: skip


def finess(centre: str) -> str:
    """Return the invented FINESS number of a centre."""
    return f"35{sum(ord(c) for c in centre) * 7919 % 9_999_999:07d}"


def simulate(
    out: Path,
    persons: int = 20,
    seed: int = 2026,
    broken: bool = True,
    imaging: bool = True,
    centres: int = 3,
    genes: int = 2000,
    wrong_links: float = 0.0,
    misplaced: bool = False,
) -> None:
    """Write a simulated source tree, with its study file and its truth.

    Args:
        out: Folder to make; it must not exist, or be empty.
        persons: How many persons.
        seed: Same seed and options, same bytes in every file.
        broken: Whether some inputs are broken on purpose (`truth/broken.parquet` lists them).
        imaging: Whether to write DICOM; without it thousands of persons take seconds.
        centres: How many centres; formats OMOP, FHIR and OSIRIS-RWD take turns.
        genes: Genes of the count matrices.
        wrong_links: Share of the samples that each centre's sheet gives to another patient (`truth/wrong_links.parquet`),
            and of the image series that bear another patient's number (`truth/wrong_series.parquet`).
        misplaced: Whether to write methylation arrays and genotypes as well, and plant samples that are not their person's
            (`truth/misplaced.parquet`).

    Raises:
        FileExistsError: If `out` holds files already.
        ValueError: If an option is out of range.
    """
    if persons < 1 or not 1 <= centres <= 702 or genes < 1 or not 0 <= wrong_links <= 1:
        raise ValueError("persons and genes are at least 1, centres from 1 to 702, wrong links from 0 to 1")
    out = Path(out)
    if out.exists() and any(out.iterdir()):
        raise FileExistsError(f"{out} is not empty; name a new folder")
    out.mkdir(parents=True, exist_ok=True)
    options = Options(seed, persons, centres, genes, broken, imaging, wrong_links, misplaced)
    tree = Tree(out, options)
    for name in tree.names:
        centre = tree.centre(name)
        if centre.format == "omop":
            centre.clinical.write(omop.concept_rows(name))
    # A person is a function of seed and number, so none needs to stay in memory but those that get broken inputs.
    early: list[Person] = []
    for index in range(persons):
        person = make_person(seed, index, tree.names)
        tree.add(person)
        if index < 60:
            early.append(person)
        else:
            tree.truth.settle(person)
    for latent, modality, variable, direction, effect, scale in ASSOCIATIONS:
        tree.truth.add(
            "associations", latent=latent, modality=modality, variable=variable, direction=direction, effect=effect, scale=scale
        )
    if broken:
        _Breaker(tree, early).break_inputs()
    if wrong_links:
        _plant_wrong_links(tree)
    if misplaced:
        _plant_misplaced(tree)
    tree.close()
    write_study(out, tree.names, imaging, misplaced)
    (out / "truth" / "simulation.json").write_text(json.dumps({**asdict(options), "added": 0}, indent=2) + "\n", encoding="utf-8")


def _plant_wrong_links(tree: Tree) -> None:
    person_of = {row["sample"]: row["person"] for row in tree.truth.rows["samples"]}
    for number, name in enumerate(tree.names):
        generator = np.random.default_rng([tree.options.seed, 7, number])
        for link in exchange_patients(tree.centre(name).samples.sheet, person_of, tree.options.wrong_links, generator):
            tree.truth.add("wrong_links", centre=name, **link._asdict())
        images = [row for row in tree.truth.rows["imaging"] if row["centre"] == name]
        generator = np.random.default_rng([tree.options.seed, 8, number])
        for series in exchange_series(tree.out, images, tree.options.wrong_links, generator):
            tree.truth.add("wrong_series", centre=name, **series._asdict())


def _plant_misplaced(tree: Tree) -> None:
    """Plant, in each centre, a library under two names, exchanged arrays and exchanged tumours; and a library under names of two centres."""
    seed, truth = tree.options.seed, tree.truth.rows
    persons = {row["person"]: row for row in truth["persons"]}
    twins = {frozenset((name, row["twin_of"])) for name, row in persons.items() if row["twin_of"]}
    free = {row["sample"]: row["person"] for row in truth["samples"] if row["in_rna"] and not row["swapped_with"]}
    planted: list[Planted] = []
    spare: list[tuple[str, Donor]] = []
    for name in tree.names:
        samples, folder = tree.centre(name).samples, tree.centre(name).folder / "omics"
        folder.mkdir(parents=True, exist_ok=True)
        place = {sample: at for at, sample in enumerate(samples.names)}
        donors = [
            Donor(row["sample"], free[row["sample"]], persons[free[row["sample"]]]["sex"], row["patient"], place[row["sample"]])
            for row in samples.sheet
            if row["sample"] in free and row["sample_type"] == "tumour" and samples.counts[place[row["sample"]]].any()
        ]
        pairs = same_sex(donors)
        if pair := next(pairs, None):
            of, under = pair
            samples.counts[under.place] = sequenced_again(samples.counts[of.place], under, seed)
            planted.append(Planted("duplicate", under.sample, under.person, of.sample, of.person))
        spare += [(name, donor) for pair in pairs for donor in pair[:1]]
        planted += write_methylation(folder, donors, seed)
        planted += write_genotypes(folder, donors, twins, seed)
    planted += _across_centres(tree, spare)
    for one in planted:
        tree.truth.add("misplaced", **asdict(one))


def _across_centres(tree: Tree, spare: list[tuple[str, Donor]]) -> list[Planted]:
    """Put a library of one centre among those of another, under the name of a patient of the same sex."""
    for at, (centre, of) in enumerate(spare):
        for other, under in spare[at + 1 :]:
            if other != centre and of.sex == under.sex:
                library = tree.centre(centre).samples.counts[of.place]
                tree.centre(other).samples.counts[under.place] = sequenced_again(library, under, tree.options.seed)
                return [Planted("duplicate", under.sample, under.person, of.sample, of.person)]
    return []


def add_person(out: Path, seed: int | None = None) -> str:
    """Add exactly one new patient of centre A to a tree, as a night brings: new DICOM files, rows and matrices.

    CSV files grow at their end; counts and mutations come as a file more (`counts_2.tsv.gz`, `mutations_2.maf.gz`), which
    the patterns of the study file include. The person has every modality and is nobody of before.

    Args:
        out: A tree that `simulate` made.
        seed: Seed of the new person; by default the tree's.

    Returns:
        The person's name in the truth tables.
    """
    record_path = Path(out) / "truth" / "simulation.json"
    record = json.loads(record_path.read_text(encoding="utf-8"))
    added = record.pop("added")
    options = Options(**record)
    if seed is not None:
        options = Options(**{**record, "seed": seed})
    index = -(-(options.persons + added) // 20) * 20 + added * 20
    # Multiples of 20 have no special role: an ordinary patient with every modality.
    tree = Tree(Path(out), options)
    tree.genes = make_genes(record["seed"], options.genes)
    person = make_person(options.seed, index, tree.names, home=tree.names[0])
    tree.add(person)
    tree.close(f"_{added + 2}")
    record_path.write_text(json.dumps({**record, "added": added + 1}, indent=2) + "\n", encoding="utf-8")
    return person.name


class _Breaker:
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

    def _note(self, person: Person | None, centre: str, path: Path, unit: str, kind: str, reason: str) -> None:
        name = person.name if person else ""
        where = path.relative_to(self.tree.out).as_posix()
        self.tree.truth.add("broken", centre=centre, person=name, path=where, unit=unit, kind=kind, reason=reason)

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
            path = broken_inputs.write_truncated_topogram(study, self.tree.see(person, registration.centre))
            self._note(person, registration.centre, path, "instance", "truncated-dicom", "truncated-file")

    def _phantom(self) -> None:
        if chosen := self._pick("omop", imaging=True):
            person, registration = chosen
            self.taken.discard(person.index)
            path = broken_inputs.write_phantom(self._study(person, registration), self.tree.see(None, registration.centre))
            self._note(None, registration.centre, path, "instance", "quality-control-phantom", "unknown-patient")

    def _remove_slice(self) -> None:
        if chosen := self._pick("osiris-rwd", imaging=True):
            person, registration = chosen
            study = self._study(person, registration)
            chest = make_chest(self.tree.options.seed, person, study.scanner)
            k = round((chest.tumour.centre[2] - chest.ct.origin[2]) / chest.ct.spacing[2])
            path = study.folder / "ct" / f"CT{k + 1:05d}.dcm"
            path.unlink()
            self._note(person, registration.centre, path.parent, str(study.uid("series", "ct")), "missing-slice", "missing-slice")

    def _foreign_objects(self) -> None:
        for kind, write, name, reason in (
            ("omop", broken_inputs.write_secondary_capture, "secondary-capture", "unsupported-object"),
            ("fhir", broken_inputs.write_dose_screen, "dose-screen", "burned-in-annotation"),
            ("fhir", broken_inputs.write_ultrasound, "ultrasound", "unsupported-object"),
            ("osiris-rwd", broken_inputs.write_text_report, "structured-report", "unsupported-object"),
        ):
            if chosen := self._pick(kind, imaging=True):
                person, registration = chosen
                path = write(self._study(person, registration), self.tree.see(person, registration.centre))
                self._note(person, registration.centre, path, "instance", name, reason)

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
        self._note(person, centre.name, centre.folder / "omics" / "counts.tsv.gz", name, "empty-sample", "empty-sample")

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
                person, centre.name, centre.folder / "omics" / "counts.tsv.gz", label, "swapped-samples", "swapped-samples"
            )

    def _impossible_dates(self) -> None:
        if chosen := self._pick("omop"):
            person, registration = chosen
            who = omop.person_id(person)
            row = omop.measurement_row(omop.row_id(person, 990), who, "14804-9", IMPOSSIBLE_DAY, "", 240.0, "U/L", "")
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
            row = {"person_id": omop.person_id(alive), "death_date": day, "death_datetime": f"{day} 00:00:00",
                   "death_type_concept_id": omop.EHR, "cause_concept_id": 0, "cause_source_value": ""}  # fmt: skip
            self._row(alive, alive.registrations[0], ("death", row), "death-before-diagnosis")
        if chosen := self._pick("fhir"):
            person, registration = chosen
            resource = fhir.lab_resource(self.tree.options.seed, person, registration, "14804-9", IMPOSSIBLE_DAY, 240.0, "U/L")
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
        self._note(person, centre.name, centre.clinical.path(table), f"{table} row {number}", kind, "impossible-date")
