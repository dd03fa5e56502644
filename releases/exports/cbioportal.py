"""A release as a cBioPortal study folder: clinical data, survival, expression, mutated genes, features and timelines.

Follows cBioPortal's File Formats (study, clinical, timeline, expression, generic assay, case lists). Days are counted
from the index; no date leaves, and no birth, which would give the age to the day. A patient is a subject; the one sample of a patient stands for what the release joined.
Mutated genes go as a generic assay of yes and no; where the release holds variants, these go as a MAF beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import polars as pl

from unibase.groundwork.outputs import Ours, replaced_folder
from unibase.releases.content import manifest
from unibase.releases.exports.cbioportal_files import MISSING, sample_name, write_clinical, write_meta, write_timelines
from unibase.releases.exports.cbioportal_mutations import genome_of, released_variants, write_mutations

if TYPE_CHECKING:
    import pandas as pd

GENES_AT_ONCE = 500
_OURS = Ours(("*.txt", "case_lists"), "meta_study.txt", "description: Release ")


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
    variants = released_variants(release)
    genome = _genome(about) or genome_of(variants) or "hg38"
    with replaced_folder(target, _OURS) as folder:
        write_meta(
            folder / "meta_study.txt",
            type_of_cancer=cancer_type,
            cancer_study_identifier=study,
            name=f"{about['title']} ({about['version']})",
            description=f"Release {about['study']} {about['version']}; {about['status']}.",
            reference_genome=genome,
            add_global_case_list="true",
        )
        write_clinical(folder, study, release, subjects, words)
        write_timelines(folder, study, release, subjects)
        for modality in sorted(set(about["modalities"]) - {"clinical"}):
            called = "mutated_genes" if modality == "mutations" and variants is not None else modality
            _matrix(folder, study, release, modality, called)
        if variants is not None and "mutations" in about["modalities"]:
            write_mutations(folder, study, variants, genome, _sequenced(release))
    return Path(target)


def _sequenced(release: Path) -> list[str]:
    """Return the subjects whose tumour was sequenced, as the matrix of mutations names them."""
    import zarr

    return _names(zarr.open_group(release / "cohort.zarr", mode="r")["mod/mutations/obs"])


def _genome(about: Mapping[str, Any]) -> str | None:
    """Return the reference genome of the positions in a release, as the study's settings name it."""
    rules = dict(dict(about.get("settings", {})).get("assays") or {}).get("copy_number")
    build = dict(rules or {}).get("build") if "copy_number" in about["modalities"] else None
    return str(build) if build else None


def _matrix(folder: Path, study: str, release: Path, modality: str, called: str) -> None:
    import zarr

    group: Any = zarr.open_group(release / "cohort.zarr", mode="r")[f"mod/{modality}"]
    names, subjects = (_names(group[part]) for part in ("var", "obs"))
    if not names or not subjects:
        return
    symbols = _symbols(group["var"], names)
    expression = modality == "rna"
    heading = ["Hugo_Symbol"] if expression else ["ENTITY_STABLE_ID", "NAME", "DESCRIPTION"]
    path = folder / f"data_{called}.txt"
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("\t".join([*heading, *(sample_name(s) for s in subjects)]) + "\n")
        for place, row in _columns(group["X"], len(names)):
            left = [symbols[place]] if expression else [names[place], symbols[place], f"{modality} {symbols[place]}"]
            file.write("\t".join([*left, *(_value(v, modality) for v in row)]) + "\n")
    common = {
        "cancer_study_identifier": study,
        "stable_id": called if not expression else "rna_seq_mrna",
        "data_filename": path.name,
    }
    if expression:
        write_meta(
            folder / f"meta_{modality}.txt",
            genetic_alteration_type="MRNA_EXPRESSION",
            datatype="CONTINUOUS",
            show_profile_in_analysis_tab="false",
            profile_name="Expression",
            profile_description=f"Normalised expression, as settings of the release say ({modality}).",
            **common,
        )
        return
    binary = modality in _BINARY
    write_meta(
        folder / f"meta_{called}.txt",
        genetic_alteration_type="GENERIC_ASSAY",
        generic_assay_type=_BINARY.get(modality, modality.upper()),
        datatype="BINARY" if binary else "LIMIT-VALUE",
        show_profile_in_analysis_tab="true",
        profile_name=called.capitalize().replace("_", " "),
        profile_description=f"Variables of the modality {modality}; NA where not measured.",
        generic_entity_meta_properties="NAME,DESCRIPTION",
        **common,
    )


_BINARY = {"mutations": "MUTATED_GENE", "rearrangements": "REARRANGED_GENE"}
"""Assays of ones and zeros, and what cBioPortal is to call them."""


def _value(value: float, modality: str) -> str:
    if not np.isfinite(value):
        return MISSING
    if modality in _BINARY:
        return "true" if value == 1 else "false"
    return repr(float(value))


def _columns(matrix: Any, width: int) -> Iterator[tuple[int, np.ndarray]]:
    for start in range(0, width, GENES_AT_ONCE):
        block = np.asarray(matrix[:, start : start + GENES_AT_ONCE])
        for place in range(block.shape[1]):
            yield start + place, block[:, place]


def _symbols(var: object, names: list[str]) -> list[str]:
    from anndata.io import read_elem

    frame = cast("pd.DataFrame", read_elem(var))
    column = next((c for c in ("symbol", "gene_name") if c in frame), None)
    if column is None:
        return names
    return [str(s) if isinstance(s, str) and s else n for s, n in zip(frame[column].astype(object), names, strict=True)]


def _names(group: Any) -> list[str]:
    return [str(name) for name in group[group.attrs["_index"]][:]]
