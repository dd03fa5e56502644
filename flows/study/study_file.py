"""The study file: one YAML that says where sources are and what the release holds, checked line by line."""

from __future__ import annotations

import glob
import os
import re
from datetime import date
from pathlib import Path
from typing import Any, get_args

from pydantic import Field, ValidationInfo, field_validator

from unibase.clinical.options import ClinicalSource, Treatments
from unibase.flows.study.centre_names import no_centre_name
from unibase.flows.study.workspace import Workspace
from unibase.groundwork.files import digest_of
from unibase.groundwork.problems import UserError
from unibase.groundwork.sections import Section
from unibase.imaging.fetching.options import DicomSource, DicomTarget
from unibase.imaging.options import Deidentification, Features
from unibase.imaging.segmenting.segmenters import Segmenter
from unibase.linking.options import CohortRules, Harmonise, IndexRule, SplitRules, Windows
from unibase.omics.options import AssayName, Assays, AssaySource, Genotypes
from unibase.privacy.audit import AuditLog
from unibase.privacy.keys import Key, read_key_environment, read_key_file
from unibase.privacy.options import Custodians, KeySource, VaultAtRest
from unibase.releases.options import Release

_MODEL = re.compile(r"^[a-z0-9][a-z0-9-]*$")
_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


NO_VALUE = frozenset({"dask", "workspace", "releases", "key", "vault", "audit_copy", "log", "signing_key", "research_pacs"})
"""Keys of the study file that change no value of a release."""


def _variable(match: re.Match[str]) -> str:
    value = os.environ.get(match[1]) or match[2]
    if value is None:
        raise UserError(f"The study file uses the environment variable {match[1]}, which is not set. Set it and start again.")
    return value


class Centre(Section):
    """One hospital and its sources; each may be absent."""

    finess: str | None = None
    """FINESS number of the hospital."""
    people: str | None = None
    """CSV or Parquet with columns of the people table; not needed where the clinical format holds identities."""
    objections: list[str] = Field(default=[])
    """Numbers of persons who object to the use of their records, in quotes: any number of the hospital's, or the INS. Each leaves
    staging and later releases, whatever else the sources say. Objections that clinical records hold are obeyed without this."""
    keep_unlisted: bool = False
    """Persons whom the hospital lists no more stay: for one that sends only what is new. Else they leave on the next night."""
    dicom: DicomSource | None = None
    """Where images are: a folder with DICOM files at any depth, a zip or tar file, a DICOMDIR, or the address of a store, as one
    text; or a section that names a PACS (`dicomweb`, `dimse`) and which of its studies are fetched."""
    clinical: ClinicalSource | None = None
    omics: dict[AssayName, AssaySource] = Field(default_factory=dict)
    """Assays by name: rna, mutations, methylation, copy_number, proteomics, single_cell, rearrangements, nanostring, results."""
    genotypes: Genotypes | None = None
    """Relatedness of the centre's samples, where it has genotypes."""

    @field_validator("dicom", mode="before")
    @classmethod
    def _one_text(cls, dicom: object) -> object:
        return {"path": dicom} if isinstance(dicom, str) else dicom


class Dask(Section):
    """Where the work runs."""

    address: str | None = Field(default=None, pattern=r"^(tcp|tls|ws|wss|ucx)://\S+$")
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
    vault: VaultAtRest | None = None
    audit_copy: str | None = None
    """File that gets every entry of the audit log as well, best on a share of another machine that takes appends alone. While it
    cannot be reached, nothing that is audited goes on."""
    log: str | None = None
    """File that gets what runs do as lines of JSON, for a collector of logs: time, run, stage, centre, units by their token."""
    centres: dict[str, Centre] = Field(min_length=1)
    ledger_revision: int | None = Field(default=None, ge=1)
    """Build with the identity ledger as of this revision, to make a past release again; null takes the newest. A release names
    its own in `manifest.json`."""
    custodians: Custodians | None = None
    research_pacs: DicomTarget | None = None
    signing_key: str | None = None
    """Private key (`unibase key signing FILE`) that signs every release when it is published."""
    links: str | None = None
    """CSV of records known to be one person (relation `same`), two (`different`), or two of one family (`related`: splits keep them
    together): left_centre, left_key, right_centre, right_key, relation. Without clear text it comes from `unibase encoded answer`."""
    deidentification: Deidentification = Deidentification()
    features: Features | None = Field(default=None, validate_default=True)
    segmenters: dict[str, Segmenter] = Field(default_factory=dict, validate_default=True)
    """Models that make masks, by name: lower case, digits, hyphens."""
    assays: Assays = Assays()
    cutoff: date | None = None
    """The data cut-off: the last day that counts, in all centres that set none of their own, and for images and samples. What lies
    after it is no event, and no sign of life."""
    concepts: str | None = None
    """YAML of concepts that adds to the packaged one."""
    vocabulary: str | None = None
    """Folder of OMOP vocabularies from athena.ohdsi.org (CONCEPT, CONCEPT_ANCESTOR, CONCEPT_RELATIONSHIP). Concepts may then name
    `ancestors` and `unless_ancestors`, and drugs of RxNorm are known by their molecule of ATC."""
    quality: str | None = None
    """YAML of data-quality thresholds over the packaged `clinical/derived/quality.yaml`. When it is named, a failed check marked
    `stop: true` stops the release; without it the table is made and shown, and stops nothing."""
    definitions: str | None = None
    """YAML of endpoints and tumour responses over the packaged `clinical/derived/endpoints.yaml`: a study's own, or changed ones."""
    treatments: Treatments = Treatments()
    index: IndexRule
    windows: Windows = Windows.model_validate({})
    cohort: CohortRules = CohortRules()
    endpoints: list[str] = Field(default=["OS"])
    """Time-to-event endpoints from the index: OS, PFS, PFS_CONTACT, PFS_NT, PFS2, TTP, EFS, DFS, RFS, CSS, TNT, TTD or DOR, as
    `clinical/derived/endpoints.yaml` defines them, or those of `definitions`."""
    responses: list[str] = Field(default=[])
    """Best tumour responses: BOR and CBOR (confirmed) by RECIST 1.1, IBOR and ICBOR by iRECIST, from lesion measurements; BORREP
    and CBORREP as the centre reports them; or those of `definitions`. The table `adrs` holds them, with the response at every visit."""
    splits: SplitRules = SplitRules()
    harmonise: Harmonise = Harmonise()
    dask: Dask = Dask()

    @field_validator("centres")
    @classmethod
    def _names_of_folders(cls, centres: dict[str, Centre]) -> dict[str, Centre]:
        for name in centres:
            if wrong := no_centre_name(name):
                raise ValueError(wrong)
        return centres

    @field_validator("endpoints", "responses")
    @classmethod
    def _known_definitions(cls, codes: list[str], info: ValidationInfo) -> list[str]:
        twice = sorted({code for code in codes if codes.count(code) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)}: named twice. Name each once")
        if info.data.get("definitions"):
            return codes  # `check_sources` looks into that file
        from unibase.clinical.derived.endpoint_definitions import Endpoints  # imports polars

        packaged = Endpoints.default()
        known = packaged.by_code if info.field_name == "endpoints" else packaged.best
        for code in codes:
            if code not in known:
                raise ValueError(f"{code!r} is not allowed; allowed: {', '.join(sorted(known))}")
        return codes

    @field_validator("features")
    @classmethod
    def _images_have_regions(cls, features: Features | None, info: ValidationInfo) -> Features | None:
        release = info.data.get("release")
        if features is None and release is not None and release.images != "none":
            raise ValueError("release.images takes the modalities and regions that `features` names; add that section")
        return features

    @field_validator("segmenters")
    @classmethod
    def _models_have_regions(cls, segmenters: dict[str, Segmenter], info: ValidationInfo) -> dict[str, Segmenter]:
        if segmenters and info.data.get("features") is None:
            raise ValueError("the masks of models are measured and released as `features` names them; add that section")
        for name in segmenters:
            if not _MODEL.match(name):
                raise ValueError(f"{name!r} is no name of a model: lower case, digits and hyphens")
        return segmenters

    @field_validator("windows")
    @classmethod
    def _known_assays(cls, windows: Windows) -> Windows:
        unknown = sorted(set(windows.assays) - set(get_args(AssayName)))
        if unknown:
            raise ValueError(f"{', '.join(unknown)} is no assay; allowed: imaging, clinical, {', '.join(get_args(AssayName))}")
        return windows

    @field_validator("harmonise")
    @classmethod
    def _harmonise_what_there_is(cls, rules: Harmonise, info: ValidationInfo) -> Harmonise:
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
        """Return a path of the study file as an absolute one; `${NAME}` and `${NAME:-default}` are filled in.

        Args:
            relative: The path, as the study file writes it.
        """
        return (self.home / _VARIABLE.sub(_variable, relative)).resolve()

    def records(self, source: ClinicalSource) -> Path | str:
        """Return where clinical records are: an absolute path, or the address of a server.

        `source`: the clinical source of a centre.
        """
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

    @property
    def audit(self) -> AuditLog:
        """The audit log of the study, with its second place where the study names one."""
        return AuditLog(self.work.audit_log, self.path(self.audit_copy) if self.audit_copy else None)

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
