"""What a release is made from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from unibase.groundwork.problems import UserError
from unibase.releases.content.leaving import AS_THEY_ARE, Leaving
from unibase.releases.content.missingness import REASONS
from unibase.releases.content.wide_tables import Source, scan
from unibase.releases.disclosure.disclosure_policy import DisclosurePolicy
from unibase.releases.images.shipped import Voxels

NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
HARMONISED = "combat_"
"""Beginning of the columns of the analysis table that hold harmonised values."""
TIMES = ("AVAL", "AVAL_MIN", "AVAL_MAX", "ENTRY")
"""Columns of `adtte` that are days from the index, where it has them."""
VERSION = re.compile(r"[0-9]+(\.[0-9]+)*([-+.][0-9A-Za-z.-]+)?")


@dataclass(frozen=True)
class ReleaseInputs:
    """All that goes into one release; nothing else does, so equal inputs give equal bytes.

    Attributes:
        study: Name of the study: lower case, digits, hyphens. Also the folder of its releases.
        title: One line for people.
        version: Version of the release, such as 1.0.0.
        subjects: One row per subject of the cohort: `subject_id`, `centre`, and what else describes the subject.
            Only these subjects are released; rows of others are left out of every table.
        events: EVENTS frame, or the folder of a MEDS dataset.
        features: FEATURES table: all regions, series and image types. This, `analysis` and `trace` may be Parquet files instead
            of frames; they are then read by blocks of subjects, so that memory does not grow with the cohort.
        analysis: One row per subject, the values the join chose.
        trace: Where each value of `analysis` comes from; may have no row.
        adtte: Time-to-event rows: `subject_id`, `PARAMCD`, `AVAL`, `CNSR` (0 event, else censored) and further ADTTE columns.
        sample_map: SAMPLE_MAP frame.
        assays: Assay name to AnnData zarr folder, rows named by `colname` of the sample map.
        quarantine: QUARANTINE frame.
        flow: Steps from all known subjects to the cohort, each a mapping with `step`, `kept`, `excluded` and `reason`.
        dictionary: Frames that describe columns: `column`, `label`, `type`, `unit`, `derivation`, `source`, and, where a
            description holds for one table only, `table`. A `column` may be a pattern with `*`.
        settings: Settings of the study as JSON; no path and no secret in it.
        source_digests: What was read, by digest; keys name sources without naming a person or a path.
        software: Package to version.
        key_fingerprint: Fingerprint of the study's key.
        ledger_revision: Revision of the identity ledger that says who is who in it.
        min_cell: Smallest count of persons that a page may show.
        description: A few sentences on the study, for the page and the catalogue.
        concepts: What the timelines of the page draw (`treatment`, `progression`, `death`, ...) to beginnings of codes.
        policy: What is made coarser, and how alike subjects must be; a release that fails it is not published.
        evidence: Further tables that only the page is drawn from, such as `quality`, by the name its section asks for. They
            are not released as tables; the page shows aggregates of them.
        adrs: Tumour responses in the manner of ADaM's ADRS, or None.
        bds: Repeated measures in the manner of ADaM's BDS, or None.
        missing: Why cells of `analysis` are empty, as the rooms know: `subject_id`, `variable` (a name that ends in `*` stands
            for all that begin so) and `reason`, one of `missingness.REASONS`.
        splits: Which subject is in which part of which split: `subject_id`, `scheme`, `held_out`, `part`.
        harmonisation: By group of values (such as CT_GTV or rna): `record`, what was done, and `parameters`, to bring in
            further subjects; each becomes a file of the release.
        previous: Folder of the release this one follows; the page says what changed since.
        subject_codes: Column of `subjects` to the codes of the events that it is read from; a code may end in `*`.
        leaving: What is made of numbers of source rows and of births before they leave.
        attack_limits: Attack to the share of subjects, 0 to 1, that it may single out; a release over one is not published.
        lanes: Whether the page draws single subjects' timelines, which only who may see the tables may see.
        voxels: The stores of voxels that staging holds, or None where no image is released.
        mask_agreement: How far masks of models agree with people's, as `MASK_AGREEMENT`; None where no model made any.
        volumes: What each image volume is, and how good, as `IMAGES`; None where there are no images.
        maf: Somatic variants, as `MAF`; None where the study releases none.
        maf_places: Whether place, alleles and protein change leave of variants that fewer than `min_cell` subjects share, too.
        report_values: What reports hold as numbers, codes and cleaned texts, as `REPORT_VALUES`; None where there are none.
        robustness: How stable each radiomic feature is, by `kind` (perturbation, retest), `Modality`, `region`, `image_type`
            and `feature`: `persons`, `icc_2_1`, `icc_2_1_low`, `stable` and further columns; None when it was not measured.
    """

    study: str
    title: str
    version: str
    subjects: pl.DataFrame
    events: pl.DataFrame | Path
    features: Source
    analysis: Source
    trace: Source
    adtte: pl.DataFrame
    sample_map: pl.DataFrame
    assays: Mapping[str, Path]
    quarantine: pl.DataFrame
    flow: Sequence[Mapping[str, Any]]
    dictionary: Sequence[pl.DataFrame] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    source_digests: Mapping[str, str] = field(default_factory=dict)
    software: Mapping[str, str] = field(default_factory=dict)
    key_fingerprint: str = ""
    ledger_revision: int | None = None
    min_cell: int = 11
    description: str = ""
    concepts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    policy: DisclosurePolicy = field(default_factory=DisclosurePolicy)
    evidence: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    adrs: pl.DataFrame | None = None
    bds: Source | None = None
    missing: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(schema={"subject_id": pl.Int64, "variable": pl.String, "reason": pl.String})
    )
    splits: pl.DataFrame | None = None
    harmonisation: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    previous: Path | None = None
    robustness: pl.DataFrame | None = None
    volumes: pl.DataFrame | None = None
    report_values: pl.DataFrame | None = None
    voxels: Voxels | None = None
    mask_agreement: pl.DataFrame | None = None
    maf: pl.DataFrame | None = None
    maf_places: bool = False
    lanes: bool = False
    subject_codes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    leaving: Leaving = AS_THEY_ARE
    attack_limits: Mapping[str, float] = field(default_factory=dict)

    def check(self) -> None:
        """Check what every later step leans on.

        Raises:
            UserError: With what is wrong and what is allowed.
        """
        unknown = set(self.missing["reason"].unique()) - set(REASONS)
        if unknown:
            raise UserError(f"The reasons of missing values are {', '.join(REASONS)}; other ones were given. Use these.")
        if not NAME.fullmatch(self.study):
            raise UserError("The study name has other characters than lower case letters, digits and hyphens. Rename the study.")
        if not VERSION.fullmatch(self.version):
            raise UserError(f"The version {self.version!r} is not like 1.0.0. Change `release: version` in the study file.")
        if self.min_cell < 1:
            raise UserError("min_cell is below 1. Give the smallest count that may be shown, such as 11.")
        if "subject_id" not in self.subjects.columns:
            raise UserError("The subjects table has no column subject_id. Build the cohort again.")
        if not self.subjects.height:
            raise UserError("The cohort is empty, so there is nothing to release. Look at the flow of `unibase join`.")
        for name, frame in (("subjects", self.subjects), ("analysis", self.analysis)):
            ids = scan(frame).select("subject_id").collect()["subject_id"]
            twice = len(ids) - ids.n_unique()
            if twice:
                raise UserError(f"The {name} table repeats {twice} subjects; it has one row per subject. Build it again.")
        self._check_endpoints()
        self._check_numbers()
        _check_centres(self.subjects)
        if slashed := [column for column in self.subjects.columns if "/" in column]:
            raise UserError(
                f"The subjects table names columns with a slash, which no cohort file can hold: {', '.join(slashed)}. Rename them."
            )
        reserved = {"clinical", "radiomics"} & set(self.assays)
        if reserved:
            raise UserError(f"An assay may not be named {', '.join(sorted(reserved))}: the release has a modality of that name.")

    def _check_endpoints(self) -> None:
        """Check that a subject has at most one row of an endpoint: a second one would count the person twice.

        Raises:
            UserError: With the endpoints that repeat subjects.
        """
        rows = scan(self.adtte).select("subject_id", "PARAMCD").collect()
        twice = rows.filter(rows.is_duplicated())["PARAMCD"].unique().sort().to_list()
        if twice:
            raise UserError(
                f"The adtte table repeats subjects in {', '.join(twice)}; a subject has one row of an endpoint. Build it again."
            )

    def _check_numbers(self) -> None:
        """Check that no number is infinite and no time is below 0: means, curves and JSON have no place for them.

        What is no number (NaN), and a feature that is infinite, is written as an empty cell.

        Raises:
            UserError: With the columns, or the endpoints.
        """
        numbers: dict[str, Source] = {"analysis": self.analysis, "subjects": self.subjects}
        numbers |= {} if self.bds is None else {"bds": self.bds}
        for name, table in numbers.items():
            _check_finite(name, table)
        times = [column for column in TIMES if column in self.adtte.columns]
        wrong = pl.any_horizontal((pl.col(times) < 0) | ~pl.col(times).is_finite())
        rows = scan(self.adtte).with_columns(pl.col(times).cast(pl.Float64)).filter(wrong).select("PARAMCD").unique().collect()
        if rows.height:
            raise UserError(
                f"The adtte table holds times below 0 or without end in {', '.join(rows['PARAMCD'].sort())}. "
                f"Correct them, or leave {' or '.join(times)} empty."
            )


def _check_finite(name: str, table: Source) -> None:
    """Refuse a table that holds infinite values: an empty cell says that a value is missing, and has its reason.

    Raises:
        UserError: With the columns.
    """
    floats = [column for column, kind in scan(table).collect_schema().items() if kind.is_float()]
    found = scan(table).select(pl.col(floats).is_infinite().any()).collect(engine="streaming")
    if endless := [column for column in floats if found[column][0]]:
        raise UserError(
            f"The {name} table holds infinite values in {', '.join(endless[:5])}. Leave these cells empty and build it again."
        )


def _check_centres(subjects: pl.DataFrame) -> None:
    """Refuse names of centres with the signs that part the names of several centres.

    Raises:
        UserError: With how many centres have one.
    """
    names = subjects["centre"].cast(pl.String).unique() if "centre" in subjects.columns else pl.Series([], dtype=pl.String)
    if parted := names.str.contains("[;|]").sum():
        raise UserError(f"{parted} centres have ; or | in their names, which part the names of several centres. Rename them.")
