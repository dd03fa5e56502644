"""A release as a cBioPortal study folder: clinical data, survival, expression, mutated genes, features and timelines.

Follows cBioPortal's File Formats (study, clinical, timeline, expression, generic assay, case lists). Days are counted
from the index; no date leaves. A patient is a subject; the one sample of a patient stands for what the release joined.
Mutations are a gene by sample table in the release, so they go as a categorical generic assay, not as MAF.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from unibase.groundwork.files import atomic_folder, write_text
from unibase.releases.content import manifest
from unibase.releases.content.timeline import read_timeline

DAYS_PER_MONTH = 30.4375
GENES_AT_ONCE = 500
NO_PANEL = "NA"


def write_study(release: Path | str, target: Path | str, cancer_type: str = "mixed") -> Path:
    """Write the release in `release` as a cBioPortal study to `target`, which is replaced; return it.

    Args:
        release: Folder of a release.
        target: Folder of the study.
        cancer_type: OncoTree code in lower case that the portal knows, such as `nsclc`; `mixed` for several.

    Raises:
        UserError: If `release` is no release.
    """
    release = Path(release)
    about = manifest.read(release)
    study = f"{about['study']}_{about['version']}".replace(".", "_").replace("-", "_")
    words = pl.read_parquet(release / "dictionary" / "dictionary.parquet")
    subjects = pl.read_parquet(release / "tables" / "subjects.parquet")
    with atomic_folder(target) as folder:
        _meta(
            folder / "meta_study.txt",
            type_of_cancer=cancer_type,
            cancer_study_identifier=study,
            name=f"{about['title']} ({about['version']})",
            description=f"Release {about['study']} {about['version']}; {about['status']}.",
            add_global_case_list="true",
        )
        _clinical(folder, study, release, subjects, words)
        _timelines(folder, study, release, subjects)
        for modality in sorted(set(about["modalities"]) - {"clinical"}):
            _matrix(folder, study, release, modality)
    return Path(target)


def _meta(path: Path, **entries: str) -> None:
    write_text(path, "".join(f"{name}: {value}\n" for name, value in entries.items()))


def _sample(subject: Any) -> str:
    return f"{subject}-01"


def _text(value: Any) -> str:
    # Tabs and line ends would break the row; the portal takes NA for missing.
    if value is None or (isinstance(value, float) and not np.isfinite(value)):
        return NO_PANEL
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return " ".join(str(value).split())


def _clinical(folder: Path, study: str, release: Path, subjects: pl.DataFrame, words: pl.DataFrame) -> None:
    dates = [name for name, dtype in subjects.schema.items() if dtype.is_temporal()]
    patients = subjects.drop(dates).join(_survival(release), on="subject_id", how="left").sort("subject_id")
    labels = {(r["table"], r["column"]): r for r in words.iter_rows(named=True)}
    columns: dict[str, tuple[str, str]] = {}
    for name in patients.columns[1:]:
        known = labels.get(("subjects", name), {})
        columns[name] = (str(known.get("label") or name), str(known.get("derivation") or known.get("label") or name))
    _clinical_table(folder / "data_clinical_patient.txt", patients, columns, patients["subject_id"].to_list(), [])
    _meta(
        folder / "meta_clinical_patient.txt",
        cancer_study_identifier=study,
        genetic_alteration_type="CLINICAL",
        datatype="PATIENT_ATTRIBUTES",
        data_filename="data_clinical_patient.txt",
    )
    features = {r["column"] for r in words.filter(pl.col("table") == "radiomics").iter_rows(named=True)}
    schema = pl.read_parquet_schema(release / "tables" / "analysis.parquet")
    wanted = [
        n
        for n, t in schema.items()
        if n not in features and n not in ("subject_id", "centre") and not t.is_temporal() and not n.endswith("_sample")
    ]
    samples = pl.read_parquet(release / "tables" / "analysis.parquet", columns=["subject_id", *wanted]).sort("subject_id")
    described = {
        n: (str(labels["analysis", n]["label"]), str(labels["analysis", n]["derivation"] or n))
        for n in wanted
        if ("analysis", n) in labels
    }
    ids = samples["subject_id"].to_list()
    _clinical_table(folder / "data_clinical_sample.txt", samples, described, ids, [_sample(i) for i in ids])
    _meta(
        folder / "meta_clinical_sample.txt",
        cancer_study_identifier=study,
        genetic_alteration_type="CLINICAL",
        datatype="SAMPLE_ATTRIBUTES",
        data_filename="data_clinical_sample.txt",
    )


def _survival(release: Path) -> pl.DataFrame:
    """Return `<PARAMCD>_STATUS` and `<PARAMCD>_MONTHS` as the portal's survival tab reads them."""
    adtte = pl.read_parquet(release / "tables" / "adtte.parquet")
    found = pl.read_parquet(release / "tables" / "subjects.parquet", columns=["subject_id"])
    words = {
        "OS": ("0:LIVING", "1:DECEASED"),
        "PFS": ("0:CENSORED", "1:PROGRESSION"),
        "DFS": ("0:DiseaseFree", "1:Recurred/Progressed"),
    }
    for code in adtte["PARAMCD"].unique().sort().to_list() if adtte.height else []:
        rows = adtte.filter(pl.col("PARAMCD") == code).unique("subject_id", keep="first", maintain_order=True)
        censored, event = words.get(code, ("0:CENSORED", "1:EVENT"))
        part = rows.select(
            "subject_id",
            pl.when(pl.col("CNSR") == 0).then(pl.lit(event)).otherwise(pl.lit(censored)).alias(f"{code}_STATUS"),
            (pl.col("AVAL") / DAYS_PER_MONTH).round(4).alias(f"{code}_MONTHS"),
        )
        found = found.join(part, on="subject_id", how="left")
    return found


def _clinical_table(
    path: Path, frame: pl.DataFrame, columns: Mapping[str, tuple[str, str]], patients: list[Any], samples: list[str]
) -> None:
    identities = [("PATIENT_ID", "Patient", "Pseudonym of the patient", [str(p) for p in patients])]
    if samples:
        identities.append(("SAMPLE_ID", "Sample", "What the release joined for the patient", samples))
    names = [n for n, *_ in identities] + [n.upper() for n in columns]
    kinds = ["STRING"] * len(identities) + ["NUMBER" if frame.schema[n].is_numeric() else "STRING" for n in columns]
    lines = [
        "#" + "\t".join([i[1] for i in identities] + [_text(label) for label, _ in columns.values()]),
        "#" + "\t".join([i[2] for i in identities] + [_text(text) for _, text in columns.values()]),
        "#" + "\t".join(kinds),
        "#" + "\t".join(["1"] * len(names)),
        "\t".join(names),
    ]
    rows = frame.select(list(columns)).iter_rows()
    for place, row in enumerate(rows):
        lines.append("\t".join([i[3][place] for i in identities] + [_text(v) for v in row]))
    write_text(path, "\n".join(lines) + "\n")


def _timelines(folder: Path, study: str, release: Path, subjects: pl.DataFrame) -> None:
    """Write dated events as one timeline track for each head of a code, in days from the index."""
    schema = pl.read_parquet_schema(release / "tables" / "analysis.parquet")
    if "index_time" not in schema:
        return
    index = pl.read_parquet(release / "tables" / "analysis.parquet", columns=["subject_id", "index_time"]).drop_nulls()
    rows = (
        read_timeline(release / "timeline")
        .filter(pl.col("time").is_not_null() & pl.col("subject_id").is_in(subjects["subject_id"].implode()))
        .select("subject_id", "time", "end_time", "code", "numeric_value", "unit")
        .join(index.lazy(), on="subject_id")
        .with_columns(
            (pl.col("time") - pl.col("index_time")).dt.total_days().alias("START_DATE"),
            (pl.col("end_time") - pl.col("index_time")).dt.total_days().alias("STOP_DATE"),
            pl.col("code").str.split("//").list.first().str.to_uppercase().alias("EVENT_TYPE"),
        )
        .sort("subject_id", "START_DATE", "code", maintain_order=True)
        .select(
            pl.col("subject_id").cast(pl.String).alias("PATIENT_ID"),
            "START_DATE",
            "STOP_DATE",
            "EVENT_TYPE",
            pl.col("code").alias("CODE"),
            pl.col("numeric_value").alias("VALUE"),
            pl.col("unit").alias("UNIT"),
        )
        .collect()
    )
    if not rows.height:
        return
    rows.with_columns(pl.col("CODE", "UNIT").str.replace_all(r"\s+", " ")).write_csv(
        folder / "data_timeline.txt", separator="\t", quote_style="never"
    )
    _meta(
        folder / "meta_timeline.txt",
        cancer_study_identifier=study,
        genetic_alteration_type="CLINICAL",
        datatype="TIMELINE",
        data_filename="data_timeline.txt",
    )


def _matrix(folder: Path, study: str, release: Path, modality: str) -> None:
    import zarr

    group: Any = zarr.open_group(release / "cohort.zarr", mode="r")[f"mod/{modality}"]
    names, subjects = (_names(group[part]) for part in ("var", "obs"))
    if not names or not subjects:
        return
    symbols = _symbols(group["var"], names)
    expression = modality == "rna"
    heading = ["Hugo_Symbol"] if expression else ["ENTITY_STABLE_ID", "NAME", "DESCRIPTION"]
    path = folder / f"data_{modality}.txt"
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("\t".join([*heading, *(_sample(s) for s in subjects)]) + "\n")
        for place, row in _columns(group["X"], len(names)):
            left = [symbols[place]] if expression else [names[place], symbols[place], f"{modality} {symbols[place]}"]
            file.write("\t".join([*left, *(_value(v, modality) for v in row)]) + "\n")
    common = {
        "cancer_study_identifier": study,
        "stable_id": modality if not expression else "rna_seq_mrna",
        "data_filename": path.name,
    }
    if expression:
        _meta(
            folder / f"meta_{modality}.txt",
            genetic_alteration_type="MRNA_EXPRESSION",
            datatype="CONTINUOUS",
            show_profile_in_analysis_tab="false",
            profile_name="Expression",
            profile_description=f"Normalised expression, as settings of the release say ({modality}).",
            **common,
        )
        return
    binary = modality == "mutations"
    _meta(
        folder / f"meta_{modality}.txt",
        genetic_alteration_type="GENERIC_ASSAY",
        generic_assay_type="MUTATED_GENE" if binary else modality.upper(),
        datatype="BINARY" if binary else "LIMIT-VALUE",
        show_profile_in_analysis_tab="true",
        profile_name=modality.capitalize(),
        profile_description=f"Variables of the modality {modality}; NA where not measured.",
        generic_entity_meta_properties="NAME,DESCRIPTION",
        **common,
    )


def _value(value: float, modality: str) -> str:
    if not np.isfinite(value):
        return NO_PANEL
    if modality == "mutations":
        return "true" if value == 1 else "false"
    return repr(float(value))


def _columns(matrix: Any, width: int) -> Iterator[tuple[int, np.ndarray]]:
    for start in range(0, width, GENES_AT_ONCE):
        block = np.asarray(matrix[:, start : start + GENES_AT_ONCE])
        for place in range(block.shape[1]):
            yield start + place, block[:, place]


def _symbols(var: Any, names: list[str]) -> list[str]:
    from anndata.io import read_elem

    frame: Any = read_elem(var)
    column = next((c for c in ("symbol", "gene_name") if c in frame), None)
    if column is None:
        return names
    return [str(s) if isinstance(s, str) and s else n for s, n in zip(frame[column].astype(object), names, strict=True)]


def _names(group: Any) -> list[str]:
    return [str(name) for name in group[group.attrs["_index"]][:]]
