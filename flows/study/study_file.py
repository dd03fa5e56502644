"""The study file: one YAML that says where sources are and what the release holds, checked line by line."""

from __future__ import annotations

import difflib
import glob
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError

from unibase.clinical.derived.endpoints import Endpoints
from unibase.clinical.derived.quality import QualityRules
from unibase.clinical.derived.treatments import CYCLE_DAYS
from unibase.flows.study.methods import Method
from unibase.flows.study.workspace import Workspace
from unibase.groundwork.files import digest_of
from unibase.groundwork.problems import UserError
from unibase.imaging.confidentiality.deidentify import DeidentifyOptions
from unibase.imaging.radiomics.perturbations import DEFAULT_PERTURBATIONS, Perturbation, check_perturbations
from unibase.imaging.regions.habitats import check_habitats
from unibase.imaging.regions.shells import check_shells
from unibase.imaging.regions.targets import check_regions
from unibase.linking.options import CohortRules, Harmonise, IndexRule, SplitRules, Windows
from unibase.omics.options import CAPTURE_MEGABASES, MIN_CELLS, AssayName
from unibase.privacy.dates import DEFAULT_MAX_SHIFT_DAYS
from unibase.privacy.keys import Key, read_key_environment, read_key_file

_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


def _variable(match: re.Match[str]) -> str:
    value = os.environ.get(match[1]) or match[2]
    if value is None:
        raise UserError(f"The study file uses the environment variable {match[1]}, which is not set. Set it and start again.")
    return value


class Section(BaseModel):
    """A part of the study file; a key it does not know is an error, not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class KeySource(Section):
    """Where the secret key of the study comes from: exactly one of the three."""

    file: str | None = None
    """A key file of mode 0600 (`unibase key new FILE`), relative to the study file."""
    env: str | None = None
    """Name of the environment variable that holds the key in hexadecimal."""
    prefect_secret: str | None = None
    """Name of a Prefect Secret block that holds the key in hexadecimal."""

    @field_validator("prefect_secret")
    @classmethod
    def _exactly_one(cls, value: str | None, info: Any) -> str | None:
        if sum(bool(v) for v in (*info.data.values(), value)) != 1:
            raise ValueError("name exactly one of file, env, prefect_secret")
        return value

    # Runs also when the key is absent, so that an empty section is refused.
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class ClinicalSource(Section):
    """Clinical records of a centre."""

    format: Literal["omop", "fhir", "osiris", "osiris-rwd", "csv"]
    """Format of the records."""
    path: str
    """Folder (or file) of the records, relative to the study file. For `omop` also a DuckDB file, or a PostgreSQL server
    (`postgresql://user@host/database?schema=cdm`; the password by PGPASSFILE), which is read at every build."""
    mapping: str | None = None
    """For `csv`: the YAML file that says which column means what."""


class AssaySource(Section):
    """One assay of a centre."""

    matrix: str
    """The file; a pattern (`counts*.tsv.gz`, `*.vcf.gz`) names several, so that a night's batch is one more file. `rna`: counts;
    `mutations`: MAF or VCF; `methylation`: beta values, probes in rows; `copy_number`: a SEG file; `proteomics`: intensities, proteins in rows;
    `single_cell`: cells with their raw counts, h5ad or zarr."""
    samples: str
    """Sample sheet: sample, patient, collected, sample_type."""
    strand: Literal["unstranded", "forward", "reverse"] = "unstranded"
    """For `rna` from STAR's ReadsPerGene.out.tab (a file, or a folder of them): which of its columns holds the counts."""
    transcripts: str | None = None
    """For `rna` from salmon's quant.sf (a folder of samples' folders): two-column table of transcripts and their genes."""
    profiled: str | None = None
    """For mutations: list of profiled samples, one a line; a sample not on it is missing, never wild type."""
    panel: str | None = None
    """For mutations: list of the genes that the assay covers, one a line; other genes are missing, never wild type. An exome or genome
    needs none."""
    megabases: float = Field(default=CAPTURE_MEGABASES, gt=0)
    """For mutations: size in megabases of the region in which a variant could have been found; the mutational burden is per megabase of it."""
    detection: str | None = None
    """For methylation: detection p-values, rows and columns as in the matrix; values above 0.01 become missing."""
    masked: str | None = None
    """For methylation: list of probes to leave out, one a line."""
    probes: str | None = None
    """For methylation: table of probes and their chromosomes (the array's manifest, Illumina's or Zhou's; CSV or TSV, gzip). From it the
    sex of each sample is told and compared with the records; without it the check is not made, and the build says so."""
    channels: str | None = None
    """For proteomics by isobaric labels (TMT): table sample, plex, reference (yes or no) of the matrix's columns. Values become
    ratios to the reference channels of their plex; a sample without one is quarantined."""
    sample_column: str = "sample"
    """For single cells: column of `obs` with the sample's name, as the sample sheet has it."""
    cell_type_column: str = "cell_type"
    """For single cells: column of `obs` with the cell type."""
    layer: str | None = None
    """For `single_cell`, and `rna` in h5ad or zarr: layer of the raw counts; `null` takes a layer named `counts`, else X. Of cells
    anything but whole counts is refused."""
    min_cells: int = Field(default=MIN_CELLS, ge=1)
    """For single cells: a type with fewer cells in a sample is missing in it."""


class Genotypes(Section):
    """What somalier found of a centre's sequenced samples: whether samples of one person are one person's, and of two are two's."""

    pairs: str
    """The `*.pairs.tsv` of `somalier relate`; a pattern names several."""
    samples: str
    """Sample sheet of the names that somalier's tables bear: sample, patient; it may be that of an assay."""
    sexes: str | None = None
    """The `*.samples.tsv` of `somalier relate`, for the sex that the genotypes tell; a pattern names several."""


class Centre(Section):
    """One hospital and its sources; each may be absent."""

    finess: str | None = None
    """FINESS number of the hospital."""
    people: str | None = None
    """CSV or Parquet with columns of the people table; not needed where the clinical format holds identities."""
    dicom: str | None = None
    """Folder with DICOM files at any depth."""
    clinical: ClinicalSource | None = None
    omics: dict[AssayName, AssaySource] = Field(default_factory=dict)
    """Assays by name: rna, mutations, methylation, copy_number, proteomics, single_cell."""
    genotypes: Genotypes | None = None
    """Relatedness of the centre's samples, where it has genotypes."""


class Robustness(Section):
    """Which features withstand a perturbed image and contour, and a second scan. The release says it of every feature."""

    perturbations: list[Perturbation] = Field(default=list(DEFAULT_PERTURBATIONS), min_length=2)
    """Copies of every region to extract; by default the region as it is and ten that mix rotation with growth and shrinkage,
    translation with noise, and redrawn contours."""
    least: float = Field(default=0.75, ge=0, le=1)
    """A feature is stable when the lower 95 % limit of its ICC(2,1) reaches this."""
    retest_days: float | None = Field(default=None, gt=0)
    """Two studies of a person with the same modality and target, at most this many days apart, are test and retest; `null`
    leaves the retest table out."""

    @field_validator("perturbations")
    @classmethod
    def _different(cls, plan: list[Perturbation]) -> list[Perturbation]:
        return _accepted(plan, check_perturbations)


class Features(Section):
    """Radiomic features to extract."""

    settings: str
    """A PyRadiomics parameter file, relative to the study file."""
    modalities: list[str] = ["CT", "PT", "MR"]
    """DICOM modalities of the images to measure."""
    regions: dict[str, list[str]]
    """Target name: patterns (regular expressions, whole name, case-blind) of the ROI names that mean it."""
    engine: Literal["pyradiomics", "unibase"] = "pyradiomics"
    """Which engine computes."""
    mode: Literal["pyradiomics", "ibsi"] = "pyradiomics"
    """Which definitions hold."""
    several: Literal["refuse", "each", "union"] = "refuse"
    """When several ROIs of one file match one target: refuse the target, a row for each (lesions; `windows.imaging.lesions`
    says which enters the analysis), or their union."""
    shells: list[tuple[float, float]] = []
    """Peritumoral shells beside every target, each from and to a distance in mm: `[[0, 5], [5, 10]]`."""
    habitats: int = 0
    """Cut every target, beside itself, into this many parts of like intensity (2 to 9); 0 for none."""
    gaps: Literal["keep", "fill", "refuse"] = "keep"
    """Slices between contours that carry none: keep them empty, as drawn, fill them in shape, or refuse the region."""
    resample: bool = False
    """Resample masks that lie on another grid than the image (nearest neighbour); otherwise they are refused."""
    threshold: float = Field(default=0.5, gt=0, le=1)
    """Least fraction at which a voxel of a fractional SEG is inside."""
    robustness: Robustness | None = None
    """Measure which features are stable; `{}` takes the defaults. Takes as long as the features, once for each perturbation."""

    @field_validator("regions")
    @classmethod
    def _patterns(cls, regions: dict[str, list[str]]) -> dict[str, list[str]]:
        return _accepted(regions, check_regions)

    @field_validator("shells")
    @classmethod
    def _distances(cls, shells: list[tuple[float, float]]) -> list[tuple[float, float]]:
        return _accepted(shells, check_shells)

    @field_validator("habitats")
    @classmethod
    def _parts(cls, habitats: int) -> int:
        return _accepted(habitats, check_habitats)

    @model_validator(mode="after")
    def _together(self) -> Features:
        if self.mode == "ibsi" and self.engine != "unibase":
            raise ValueError("PyRadiomics does not compute IBSI's definitions; give engine: unibase with mode: ibsi")
        return self


def _accepted[T](value: T, check: Callable[[Any], None]) -> T:
    """Return a value that a room's own check accepts; what it says is a fault of the study file."""
    try:
        check(value)
    except UserError as error:
        raise ValueError(str(error)) from None
    return value


class RnaOptions(Section):
    """How counts become values. What differs between centres stays in them; `harmonise: rna` takes it out, beside them."""

    method: Method = "tmm"
    """Normalisation method; factors of `tmm`, `tmmwsp`, `rle`, `upperquartile` are applied to log2 counts per million."""
    model: Literal["frozen", "refit"] = "frozen"
    """`frozen`: learned on the samples of the first build and kept, so that later samples change no earlier value; a new
    fit is asked for with `unibase refit`. `refit`: learned again in every build that has other samples, and all values change."""


class MutationOptions(Section):
    """Which genes the mutation table holds, and what it tells of them."""

    min_samples: int = Field(default=1, ge=1)
    """Genes mutated in fewer samples are left out of the analysis table (they stay in the assay)."""
    truncating: bool = False
    """Tell beside each gene, as `TP53:truncating`, whether a variant truncates the protein (frame shift, splice site, start lost, stop gained
    or lost)."""
    hotspots: str | None = None
    """Table with the columns gene and position (place in the protein): tell, as `KRAS:hotspot`, whether a variant lies at one of them."""


class CopyNumberOptions(Section):
    """How segments become levels of chromosome arms."""

    build: Literal["hg19", "hg38"] = "hg38"
    """The genome that the positions refer to, the same in all centres."""
    genes: str | None = None
    """Table of genes with the columns gene, chromosome, start, end (positions of that genome): the mean log2 ratio of each stands beside
    those of the arms."""


class Assays(Section):
    """Options by assay."""

    rna: RnaOptions = RnaOptions()
    mutations: MutationOptions = MutationOptions()
    copy_number: CopyNumberOptions = CopyNumberOptions()
    genes: list[str] = []
    """Features whose values enter the analysis table as columns, from every assay that has one of the name: symbols of genes
    (expression, and copy number where it has genes), probes (M-values), chromosome arms such as 1p (log2 ratio), proteins (log2, centred), genes of a cell type such as B_cell:CD19
    (log2). Mutations enter by `min_samples`."""


class Disclosure(Section):
    """What a release must keep to; one that does not is not published."""

    quasi_identifiers: tuple[str, ...] = ()
    """Columns of the subjects table by which an outsider could know a person, such as SEX and AGE."""
    min_k: int = Field(default=1, ge=1)
    """Smallest number of subjects that share the same quasi-identifiers."""
    sensitive: tuple[str, ...] = ()
    """Columns whose value such a group must not tell."""
    min_l: int = Field(default=1, ge=1)
    """Fewest different values of each sensitive column in a group."""
    bands: dict[str, float] = Field(default_factory=dict)
    """Numeric column: width of the bands its values are cut to."""
    dates: dict[str, Literal["month", "year"]] = Field(default_factory=dict)
    """Date column: what is kept of it."""
    rare: dict[str, int] = Field(default_factory=dict)
    """Text column: fewest subjects that a value needs; rarer ones become OTHER."""


class Release(Section):
    """The release to publish."""

    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    """Major.minor.patch; a published version never changes."""
    min_cell: int = Field(default=11, ge=1)
    """Counts below this are masked in every report."""
    true_years: bool = False
    """Count subjects by the true year of their index on the page, in bands of at least `min_cell`. It says something of the
    shift of dates: where all are of one year, within how many months a subject's shift lies."""
    disclosure: Disclosure = Disclosure()


class Deidentification(DeidentifyOptions):
    """De-identification of DICOM, and the shift of all dates."""

    max_shift_days: int = Field(default=DEFAULT_MAX_SHIFT_DAYS, ge=1)
    """Each subject's dates move 1 to this many days into the past."""


class Treatments(Section):
    """How lines and changes of treatment are told apart (`DERIVED//LINE`, `DERIVED//TREATMENT_CHANGE` in the timeline)."""

    cycle_days: int = Field(default=CYCLE_DAYS, ge=1)
    """Molecules that start within so many days of a regimen's first day belong to it."""
    protocols: list[list[str]] = []
    """Sets of ATC codes planned together, in whatever sequence: changes inside one are none."""


class Custodians(Section):
    """Two custodians: where pseudonyms and shifts come from instead of the study's own key, which then serves UIDs and splits."""

    tokens: str
    """The identity custodian's token of each record (`unibase custodian tokens`), kept in the vault."""
    subjects: str
    """The study custodian's answer (`unibase custodian subjects`)."""


class Dask(Section):
    """Where the work runs."""

    address: str | None = None
    """Address of an existing scheduler; null starts a local cluster."""
    workers: int | None = Field(default=None, ge=1)
    """Processes of the local cluster; the number of cores by default."""


class Study(Section):
    """The whole study file."""

    study: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    """Name of the study: lower case, digits, hyphens."""
    title: str = ""
    """One line for the release page."""
    description: str = ""
    """A paragraph for the release page."""
    notice: str = ""
    """Said at the top of the release page, for instance that this is a plumbing trial."""
    workspace: str = "work"
    """Folder of vault and staging, relative to the study file."""
    releases: str = "releases"
    """Folder of releases, relative to the study file."""
    release: Release
    key: KeySource
    centres: dict[str, Centre] = Field(min_length=1)
    ledger_revision: int | None = Field(default=None, ge=1)
    """Build with the identity ledger as of this revision, to make a past release again; null takes the newest. A release names
    its own in `manifest.json`."""
    custodians: Custodians | None = None
    links: str | None = None
    """CSV of records known to be one person, or not: left_centre, left_key, right_centre, right_key, relation. Without clear text it
    comes from `unibase encoded answer`."""
    deidentification: Deidentification = Deidentification()
    features: Features | None = None
    assays: Assays = Assays()
    concepts: str | None = None
    """YAML of concepts that adds to the packaged one."""
    quality: str | None = None
    """YAML of data-quality thresholds over the packaged `clinical/quality.yaml`. When it is named, a failed check marked
    `stop: true` stops the release; without it the table is made and shown, and stops nothing."""
    definitions: str | None = None
    """YAML of endpoints and tumour responses over the packaged `clinical/endpoints.yaml`: a study's own, or changed ones."""
    treatments: Treatments = Treatments()
    index: IndexRule
    windows: Windows = Windows.model_validate({})
    cohort: CohortRules = CohortRules()
    endpoints: list[str] = ["OS"]
    """Time-to-event endpoints from the index: OS, PFS, PFS_CONTACT, DFS, RFS, TNT or DOR, as `clinical/endpoints.yaml` defines
    them, or those of `definitions`."""
    responses: list[str] = []
    """Best tumour responses: BOR and CBOR (confirmed) by RECIST 1.1, IBOR and ICBOR by iRECIST, from lesion measurements; BORREP
    and CBORREP as the centre reports them; or those of `definitions`. The table `adrs` holds them, with the response at every visit."""
    splits: SplitRules = SplitRules()
    harmonise: Harmonise = Harmonise()
    dask: Dask = Dask()

    @field_validator("endpoints", "responses")
    @classmethod
    def _known_definitions(cls, codes: list[str], info: ValidationInfo) -> list[str]:
        if info.data.get("definitions"):
            return codes  # `check_sources` looks into that file
        packaged = Endpoints.default()
        known = packaged.by_code if info.field_name == "endpoints" else packaged.best
        for code in codes:
            if code not in known:
                raise ValueError(f"{code!r} is not allowed; allowed: {', '.join(sorted(known))}")
        return codes

    @field_validator("windows")
    @classmethod
    def _known_assays(cls, windows: Windows) -> Windows:
        unknown = sorted(set(windows.assays) - set(get_args(AssayName)))
        if unknown:
            raise ValueError(f"{', '.join(unknown)} is no assay; allowed: imaging, clinical, {', '.join(get_args(AssayName))}")
        return windows

    @field_validator("harmonise")
    @classmethod
    def _harmonise_what_there_is(cls, rules: Harmonise, info: Any) -> Harmonise:
        known = info.data
        if not {"windows", "splits", "assays", "endpoints"} <= set(known):
            return rules  # one of them has a fault of its own
        windows = known["windows"]
        allowed = ["SEX", "AGE", *windows.clinical, *known["endpoints"]]
        for key, rule in (("imaging", rules.imaging), ("rna", rules.rna)):
            if rule is None:
                continue
            window = windows.imaging if key == "imaging" else windows.assays.get(key)
            if window is None:
                raise ValueError(f"{key}: the study has no windows.{key}, so there is nothing to harmonise")
            if window.choose == "delta":
                raise ValueError("imaging: a difference of two studies is not harmonised; choose one study, or remove the key")
            if key == "rna" and rule.batch == "scanner":
                raise ValueError("rna: batch must be centre; samples have no scanner")
            if key == "rna" and known["assays"].rna.method in ("cpm", "tpm"):
                raise ValueError(
                    f"rna: ComBat needs values on a log scale, and {known['assays'].rna.method} is not; take logcpm or tmm"
                )
            if rule.parameters is None and rule.fit_on != "all" and rule.fit_on not in known["splits"].parts:
                parts = ", ".join(known["splits"].parts) or "none"
                raise ValueError(
                    f"{key}: fit_on names the part {rule.fit_on!r} and splits.parts has {parts}; "
                    "write `splits: {parts: {train: 0.7, test: 0.3}}`, or `fit_on: all`"
                )
            for name in rule.covariates:
                if name not in allowed:
                    raise ValueError(f"{key}: covariate {name!r} is not allowed; allowed: {', '.join(dict.fromkeys(allowed))}")
                if name in known["endpoints"] and not rule.outcome_as_covariate:
                    raise ValueError(
                        f"{key}: {name} is an outcome of the study: as a covariate it would be written into the features; "
                        "leave it out, or set outcome_as_covariate"
                    )
        return rules

    file: Path = Field(exclude=True)
    """Where the study file is; set when it is read, not a key of the file."""

    @property
    def home(self) -> Path:
        """Folder that relative paths start from."""
        return self.file.parent

    def path(self, relative: str) -> Path:
        """Return a path of the study file as an absolute one; `${NAME}` and `${NAME:-default}` are filled in."""
        return (self.home / _VARIABLE.sub(_variable, relative)).resolve()

    def records(self, source: ClinicalSource) -> Path | str:
        """Return where clinical records are: an absolute path, or the address of a server."""
        from unibase.clinical.sources.databases import is_server

        return _VARIABLE.sub(_variable, source.path) if is_server(source.path) else self.path(source.path)

    def paths(self, pattern: str) -> list[Path]:
        """Return the files that a pattern names, sorted; a plain name is returned as it is. Only the file name may be a pattern."""
        path = self.path(pattern)
        return sorted(path.parent.glob(path.name)) if glob.has_magic(path.name) else [path]

    @property
    def work(self) -> Workspace:
        """The study's folders."""
        return Workspace(self.path(self.workspace))

    def read_key(self) -> Key:
        """Return the secret key of the study."""
        if self.key.file:
            return read_key_file(self.path(self.key.file))
        if self.key.env:
            return read_key_environment(self.key.env)
        from unibase.flows.study.prefect_key import read_key_secret

        return read_key_secret(self.key.prefect_secret or "")

    def settings(self) -> dict[str, Any]:
        """Return the study as JSON: what the manifest of the release holds."""
        return self.model_dump(mode="json")

    def digest(self) -> str:
        """Return the digest of the settings."""
        return digest_of(self.settings())


def read_study(path: Path | str) -> Study:
    """Read and check a study file.

    Raises:
        UserError: If the file is absent, no YAML, or breaks a rule; one line per fault with file, line, key, what is
            wrong and what is allowed.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"No study file at {path}. Make an example: unibase simulate FOLDER")
    try:
        content = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserError(f"{path}:{line}: this is no valid YAML ({error.problem}). Mend that line.") from None
    if not isinstance(content, CommentedMap):
        raise UserError(f"{path}:1: a study file is a mapping of keys. See docs/study-file.md")
    if "file" in content:
        raise UserError(f"{path}:{content.lc.key('file')[0] + 1}: file: unknown key. Remove it.")
    try:
        return Study.model_validate({**content, "file": path.resolve()})
    except ValidationError as error:
        faults = [_fault(path, content, detail) for detail in _merged(error)]
        raise UserError("\n".join([*faults, f"{len(faults)} to mend. Every key is explained in docs/study-file.md"])) from None


def missing_sources(study: Study) -> list[str]:
    """Return one line for each source that the study names and that is not there."""
    named: list[tuple[str, str]] = []
    for name, centre in study.centres.items():
        named += [(f"centres.{name}.people", centre.people or ""), (f"centres.{name}.dicom", centre.dicom or "")]
        if centre.clinical:
            if isinstance(study.records(centre.clinical), Path):
                named.append((f"centres.{name}.clinical.path", centre.clinical.path))
            named.append((f"centres.{name}.clinical.mapping", centre.clinical.mapping or ""))
        for assay, source in centre.omics.items():
            named += [
                (f"centres.{name}.omics.{assay}.{key}", getattr(source, key) or "")
                for key in ("matrix", "samples", "profiled", "panel", "detection", "masked", "probes", "channels", "transcripts")
            ]
        if centre.genotypes:
            named += [
                (f"centres.{name}.genotypes.{key}", getattr(centre.genotypes, key) or "") for key in ("pairs", "samples", "sexes")
            ]
    named += [("assays.mutations.hotspots", study.assays.mutations.hotspots or "")]
    named += [("assays.copy_number.genes", study.assays.copy_number.genes or "")]
    named += [("features.settings", study.features.settings if study.features else "")]
    for key, rule in (("imaging", study.harmonise.imaging), ("rna", study.harmonise.rna)):
        named.append((f"harmonise.{key}.parameters", (rule.parameters if rule else None) or ""))
    if study.custodians:
        named += [("custodians.tokens", study.custodians.tokens), ("custodians.subjects", study.custodians.subjects)]
    named += [(key, getattr(study, key) or "") for key in ("links", "concepts", "quality", "definitions")]
    named += [("key.file", study.key.file or "")]
    return [
        f"{key}: nothing at {study.path(value)}"
        for key, value in named
        if value and not any(path.exists() for path in study.paths(value))
    ]


def check_sources(study: Study) -> None:
    """Raise a UserError that lists every source that is not there, every concept or endpoint that is not known, or what is
    wrong in a file of parameters: what would else stop a build at its end."""
    missing = missing_sources(study)
    if missing:
        said = f"{len(missing)} sources are missing: nothing is published, a last release stays."
        raise UserError("\n".join([*missing, f"{said} Look whether the share is mounted, or mend the paths in {study.file}"]))
    if study.features:
        from unibase.imaging.radiomics.settings import read_settings

        read_settings(study.path(study.features.settings))
    if study.quality:
        QualityRules.read(study.path(study.quality))
    unknown = [*_unknown_concepts(study), *_unknown_definitions(study)]
    if unknown:
        raise UserError("\n".join([*unknown, f"{len(unknown)} to mend in {study.file}"]))


def _unknown_concepts(study: Study) -> list[str]:
    """Return where the study names a concept that its concepts file and ours do not have."""
    from unibase.clinical.words.concepts import Concepts

    known = (Concepts.read(study.path(study.concepts)) if study.concepts else Concepts.default()).names()
    asked = [("index.concept", study.index.concept)]
    asked += [(f"windows.clinical.{name}.concept", window.concept) for name, window in study.windows.clinical.items()]
    others = {"index", "imaging", "features", "discordant", *get_args(AssayName)}
    for key, rules in (("include", study.cohort.include), ("exclude", study.cohort.exclude)):
        asked += [(f"cohort.{key}", rule) for rule in rules if rule.partition(":")[0] not in others]
    return [f"{where}: there is no concept {name!r}. Known: {', '.join(known)}." for where, name in asked if name not in known]


def _unknown_definitions(study: Study) -> list[str]:
    """Return which endpoints and responses the study names and neither its own definitions nor ours have."""
    if not study.definitions:
        return []
    known = Endpoints.read(study.path(study.definitions))
    asked = (("endpoints", study.endpoints, sorted(known.by_code)), ("responses", study.responses, sorted(known.best)))
    return [
        f"{key}: there is no {code!r}. Known: {', '.join(allowed)}."
        for key, codes, allowed in asked
        for code in codes
        if code not in allowed
    ]


def _merged(error: ValidationError) -> list[Any]:
    """Return the faults of a file, the branches of one choice (`latest` or `count`) put together as one fault."""
    merged: dict[tuple[Any, ...], Any] = {}
    for detail in error.errors():
        location = tuple(part for part in detail["loc"] if not _is_branch(part))
        known = merged.get((location, detail["type"]))
        if known is not None and detail["type"] == "literal_error":
            known["ctx"]["expected"] = f"{known['ctx']['expected'].replace(' or ', ', ')}, {detail['ctx']['expected']}"
        else:
            merged[location, detail["type"]] = {**detail, "loc": location}
    return list(merged.values())


def _is_branch(part: Any) -> bool:
    return isinstance(part, str) and ("[" in part or part.startswith("function-"))


def _fault(path: Path, content: CommentedMap, detail: Any) -> str:
    """Say one fault: where (line and key), what is wrong, what is allowed."""
    location = list(detail["loc"])
    line = _line(content, location)
    key = ".".join(str(part) for part in location) or "study"
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        said = f"unknown key; allowed here: {', '.join(_allowed(location[:-1]))}"
        near = difflib.get_close_matches(str(location[-1]), _allowed(location[:-1]), 1)
        said += f". Did you mean {near[0]}?" if near else "."
    elif kind == "missing":
        said = "this key is missing. Add it."
    elif kind == "literal_error":
        said = f"{detail['input']!r} is not allowed; allowed: {context['expected']}."
    elif kind == "string_pattern_mismatch":
        said = f"{detail['input']!r} is not allowed; it must match {context['pattern']}."
    else:
        said = f"{detail['msg'].removeprefix('Value error, ')}."
    return f"{path}:{line}: {key}: {said}"


def _line(content: Any, location: list[Any]) -> int:
    """Return the line, from 1, of the deepest key of `location` that the file has."""
    line = 1
    for part in location:
        if isinstance(content, CommentedMap) and part in content:
            line = content.lc.key(part)[0] + 1
        elif isinstance(content, CommentedSeq) and isinstance(part, int) and part < len(content):
            line = content.lc.item(part)[0] + 1
        else:
            return line
        content = content[part]
    return line


def _allowed(location: list[Any]) -> list[str]:
    """Return the keys allowed in the section at `location`."""
    model: Any = Study
    for part in location:
        fields = getattr(model, "model_fields", {})
        model = _section_of(fields[part].annotation) if part in fields else model
    return sorted(set(getattr(model, "model_fields", {})) - {"file"})


def _section_of(annotation: Any) -> Any:
    """Return the section class inside an annotation such as `Window | None` or `dict[str, Centre]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in reversed(getattr(annotation, "__args__", ())):
        found = _section_of(argument)
        if found is not None:
            return found
    return None
