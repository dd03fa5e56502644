"""A small multi-centre study as the rooms before would hand it over, with shared latent causes and known numbers."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import polars as pl

from unibase.groundwork.tables import EVENTS, FEATURES, QUARANTINE, SAMPLE_MAP
from unibase.releases.content.inputs import ReleaseInputs

FEATURE_NAMES = (
    "original_shape_MeshVolume",
    "original_shape_Sphericity",
    "original_firstorder_Mean",
    "original_firstorder_Entropy",
    "original_glcm_JointEntropy",
    "original_glrlm_RunEntropy",
)
CENTRES = ("A", "B", "C")


def subject_number(place: int) -> int:
    """A pseudonym too large for a double, as real ones are."""
    return 4_611_686_018_427_387_904 + 7919 * place + 1


def make_inputs(folder: Path, subjects: int = 120, seed: int = 1, genes: int = 30, **changes: Any) -> ReleaseInputs:
    """Build release inputs below `folder` (the assays); equal arguments give equal inputs."""
    rng = np.random.default_rng(seed)
    ids = [subject_number(i) for i in range(subjects)]
    centre = [CENTRES[i] for i in rng.choice(3, subjects, p=[0.45, 0.35, 0.2])]
    latent = rng.normal(size=subjects)
    index = [datetime(2015, 3, 1) + timedelta(days=int(d)) for d in rng.integers(0, 1500, subjects)]
    has_image = rng.random(subjects) < 0.9
    has_rna = rng.random(subjects) < 0.75
    has_mutations = rng.random(subjects) < 0.6
    follow_up = np.ceil(rng.exponential(900 * np.exp(-0.5 * latent))).astype(int)
    censoring = rng.integers(200, 1800, subjects)
    event = follow_up <= censoring
    days = np.minimum(follow_up, censoring)

    subject_frame = pl.DataFrame(
        {
            "subject_id": ids,
            "centre": centre,
            "index_time": index,
            "sex": [["F", "M"][i] for i in rng.integers(0, 2, subjects)],
            "age_at_index": np.round(rng.normal(64, 9, subjects)).astype(int),
        }
    ).with_columns(pl.col("index_time").cast(pl.Datetime("us")))

    events: list[dict[str, Any]] = []
    features: list[dict[str, Any]] = []
    samples: list[dict[str, Any]] = []

    def happen(place: int, days_from_index: float, code: str, **more: Any) -> None:
        time = index[place] + timedelta(days=float(days_from_index), hours=9)
        source = f"{centre[place]}/omop/table"
        events.append(
            {
                "subject_id": ids[place],
                "time": time,
                "time_min": time,
                "time_max": time,
                "code": code,
                "source": source,
                "source_row": len(events) + 1,
                **more,
            }
        )

    rad = np.column_stack(
        [
            np.exp(9.5 + 0.8 * latent + 0.3 * rng.normal(size=subjects)),
            0.7 - 0.05 * latent + 0.05 * rng.normal(size=subjects),
            40 + 12 * latent + 10 * rng.normal(size=subjects) + np.array([{"A": 0, "B": 12, "C": -6}[c] for c in centre]),
            4.2 + 0.3 * latent + 0.2 * rng.normal(size=subjects),
            9.1 + 0.5 * latent + 0.3 * rng.normal(size=subjects),
            4.9 + 0.2 * latent + 0.2 * rng.normal(size=subjects),
        ]
    )
    for i in range(subjects):
        events.append(
            {"subject_id": ids[i], "time": None, "code": "GENDER//F", "source": f"{centre[i]}/omop/person", "source_row": i + 1}
        )
        happen(i, -40, "ICD10//C34.1")
        happen(i, 0, "TREATMENT//chemotherapy", end_time=index[i] + timedelta(days=int(min(150, days[i]))))
        for when in (-20, 90, 210):
            if has_image[i] and when < days[i]:
                happen(i, when, "IMAGING//CT")
        if has_rna[i] or has_mutations[i]:
            happen(i, -15, "SAMPLE//rna")
        if latent[i] > 0.3 and days[i] > 200:
            happen(i, int(days[i] * 0.6), "PROGRESSION//RECIST")
        if event[i]:
            happen(i, int(days[i]), "MEDS_DEATH")
        else:
            happen(i, int(days[i]), "LAST_CONTACT")
        happen(i, -10, "LOINC//718-7", numeric_value=float(np.round(12 + rng.normal(), 1)), unit="g/dL")
        if has_image[i]:
            features.append(
                {
                    "subject_id": ids[i],
                    "centre": centre[i],
                    "StudyInstanceUID": f"2.25.{1000 + i}",
                    "SeriesInstanceUID": f"2.25.{5000 + i}",
                    "Modality": "CT",
                    "series_time": index[i] - timedelta(days=20),
                    "region": "GTV",
                    "image_type": "original",
                    "roi_name": "GTV",
                    "engine": "pyradiomics 3.0.1",
                    "mode": "pyradiomics",
                    "settings_digest": "5" * 64,
                    "source_digest": f"{i:064x}",
                    **dict(zip(FEATURE_NAMES, (float(v) for v in rad[i]), strict=True)),
                }
            )
        for assay, has in (("rna", has_rna[i]), ("mutations", has_mutations[i])):
            if not has:
                continue
            for kind, name in (("tumour", f"s{assay}{i:05d}t"), *((("normal", f"s{assay}{i:05d}n"),) if i % 7 == 0 else ())):
                samples.append(
                    {
                        "assay": assay,
                        "primary": ids[i],
                        "colname": name,
                        "centre": centre[i],
                        "sample_time": index[i] - timedelta(days=15),
                        "sample_type": kind,
                        "status": "used",
                        "reason": "",
                    }
                )
    sample_map = SAMPLE_MAP.conform(pl.DataFrame(samples))
    feature_frame = FEATURES.conform(pl.DataFrame(features))
    wide = feature_frame.select("subject_id", *(pl.col(n).alias(f"CT_GTV_{n}") for n in FEATURE_NAMES))
    labs = pl.DataFrame({"subject_id": ids, "ldh": np.where(rng.random(subjects) < 0.8, np.round(200 + 60 * latent), np.nan)})
    analysis = (
        subject_frame.select("subject_id", "centre", "index_time")
        .join(labs.fill_nan(None), on="subject_id")
        .join(wide, on="subject_id", how="left")
    )
    adtte = pl.DataFrame(
        {
            "subject_id": ids,
            "PARAMCD": ["OS"] * subjects,
            "PARAM": ["Overall survival"] * subjects,
            "AVAL": days.astype(float),
            "AVALU": ["DAYS"] * subjects,
            "CNSR": (~event).astype(int),
            "STARTDT": [t.date() for t in index],
            "ADT": [t.date() + timedelta(days=int(d)) for t, d in zip(index, days, strict=True)],
            "EVNTDESC": ["Death" if e else "Last contact" for e in event],
            "SRCDOM": ["timeline"] * subjects,
        }
    )
    trace = wide.select("subject_id", pl.lit("CT_GTV").alias("variable"), pl.lit("features").alias("source_table"))
    quarantine = QUARANTINE.conform(
        pl.DataFrame(
            [
                {"stage": s, "centre": c, "unit": f"{s}-{n:04d}", "reason": r, "message": "Refused.", "remedy": m}
                for s, c, r, m, count in (
                    ("deidentify", "A", "truncated-file", "Ask the archive to send the instance again.", 14),
                    ("features", "B", "missing-slice", "Retrieve the whole series.", 23),
                    ("normalise", "C", "empty-sample", "Sequence the sample again, or drop it.", 2),
                )
                for n in range(count)
            ]
        )
    )
    folder.mkdir(parents=True, exist_ok=True)
    assays = {}
    for assay, size in (("rna", genes), ("mutations", 12)):
        names = sample_map.filter(pl.col("assay") == assay)["colname"].to_list()
        place = {ids[i]: i for i in range(subjects)}
        owner = [place[s] for s in sample_map.filter(pl.col("assay") == assay)["primary"]]
        if assay == "rna":
            values = 5 + rng.normal(size=(len(names), size))
            values[:, 0] += 1.5 * latent[owner]
        else:
            values = (rng.random((len(names), size)) < 0.2).astype(float)
            values[rng.random(values.shape) < 0.05] = np.nan
        data = anndata.AnnData(
            X=values.astype(np.float32),
            obs=pd.DataFrame(
                {"library_size": rng.integers(10**6, 10**7, len(names)), "sequenced": rng.random(len(names)) < 0.7}, index=names
            ),
            var=pd.DataFrame({"gene_name": [f"GENE{k}" for k in range(size)]}, index=[f"ENSG{k:011d}" for k in range(size)]),
        )
        path = folder / f"{assay}.zarr"
        data.write_zarr(path)
        assays[assay] = path
    pieces = pl.DataFrame(
        [
            {"column": "index_time", "label": "Index", "type": "datetime", "derivation": "First treatment, shifted."},
            {"column": "sex", "label": "Sex", "codes": "F, M", "derivation": "As the record says."},
            {"column": "age_at_index", "label": "Age at index", "unit": "a", "derivation": "Whole years."},
            {
                "column": "ldh",
                "label": "Lactate dehydrogenase",
                "unit": "U/L",
                "derivation": "Latest in 60 days before the index.",
            },
            {"column": "*original_*", "label": "Radiomic feature", "derivation": "PyRadiomics."},
            {"table": "trace", "column": "*", "label": "Trace", "derivation": "Where the value comes from."},
            {"column": "library_size", "label": "Library size", "derivation": "Sum of counts."},
            {"column": "sequenced", "label": "Sequenced", "derivation": "Whether the sample was sequenced."},
            {"column": "gene_name", "label": "Gene symbol", "derivation": "HGNC."},
        ]
    )
    inputs = ReleaseInputs(
        study="uniriv-demo",
        title="PET/CT radiomics before treatment, linked to biology and outcome",
        version="1.0.0",
        subjects=subject_frame,
        events=EVENTS.conform(pl.DataFrame(events, infer_schema_length=None)),
        features=feature_frame,
        analysis=analysis,
        trace=trace,
        adtte=adtte,
        sample_map=sample_map,
        assays=assays,
        quarantine=quarantine,
        flow=[
            {"step": "has a cancer diagnosis", "kept": subjects + 31, "excluded": 19, "reason": "no cancer diagnosis"},
            {"step": "has an index date", "kept": subjects, "excluded": 31, "reason": "no treatment start"},
        ],
        dictionary=[pieces],
        settings={"assays": {"rna": {"method": "tmm"}}, "index": {"concept": "treatment_start", "which": "first"}},
        source_digests={"A/omop": "a" * 64, "B/fhir": "b" * 64},
        software={"unibase": "0.1.0", "pyradiomics": "3.0.1"},
        key_fingerprint="0123456789abcdef",
        min_cell=11,
    )
    return replace(inputs, **changes)
