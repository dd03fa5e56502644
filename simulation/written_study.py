"""The study file and the PyRadiomics parameters of a simulated tree."""

from __future__ import annotations

from pathlib import Path

from unibase.simulation.invented_persons import centre_format

CLINICAL_FOLDERS = {"omop": "omop", "fhir": "fhir", "osiris-rwd": "osiris_rwd"}

PARAMETERS = """\
# PyRadiomics parameters of the demo: every class on the original image.
imageType:
  Original: {}
featureClass:
  shape:
  firstorder:
  glcm:
  glrlm:
  glszm:
  gldm:
  ngtdm:
setting:
  # One file serves CT (HU) and PET (SUV): a fixed number of bins suits both, a fixed width would not.
  binCount: 32
  label: 1
  geometryTolerance: 0.001
"""


STUDY = """\
study: uniriv-demo
title: PET/CT radiomics before treatment, linked to biology and outcome
workspace: work
releases: releases
release: {version: 1.0.0, min_cell: 1, true_years: true, images: regions}   # simulated persons: nobody to protect; the default is 11
key: {file: vault.key}
centres:
CENTRES
deidentification: {policy: research, max_shift_days: 1826}
features:
  settings: params.yaml
  modalities: [CT, PT]
  regions: {GTV: ["gtv.*", "tumeur.*"]}
assays:
  rna: {method: tmm}
  mutations: {min_samples: 2}
  genes: [MKI67, TOP2A, CA9, LDHA, CD8A, CD274]
index: {concept: treatment_start, which: first}
windows:
  imaging: {from_days: -60, to_days: 0, choose: latest}
  rna: {from_days: -365, to_days: 0, choose: latest}
  mutations: {from_days: -365, to_days: 0, choose: latest}
  clinical:
    ldh: {concept: ldh, from_days: -60, to_days: 0, choose: latest}
    crp: {concept: crp, from_days: -60, to_days: 0, choose: latest}
    haemoglobin: {concept: haemoglobin, from_days: -60, to_days: 0, choose: latest}
    albumin: {concept: albumin, from_days: -60, to_days: 0, choose: latest}
    stage: {concept: stage, from_days: -365, to_days: 0, choose: latest}
cohort:
  include: [cancer_diagnosis, index]
endpoints: [OS, PFS]
dask: {address: null, workers: 2}
"""


def centre_folder(centre: str) -> str:
    """Return the folder of a centre in the tree.

    >>> centre_folder("A")
    'centre_a'
    """
    return f"centre_{centre.lower()}"


def _centre(centre: str, imaging: bool, misplaced: bool) -> str:
    """Return the block of one centre."""
    folder, kind = centre_folder(centre), centre_format(centre)
    lines = [f"  {centre}:"]
    if kind != "fhir":
        lines.append(f"    people: {folder}/people.csv")
    if imaging:
        lines.append(f"    dicom: {folder}/dicom")
    omics = f"{folder}/omics"
    lines += [
        f"    clinical: {{format: {kind}, path: {folder}/{CLINICAL_FOLDERS[kind]}}}",
        "    omics:",
        f'      rna: {{matrix: "{omics}/counts*.tsv.gz", samples: {omics}/samples.csv}}',
        f'      mutations: {{matrix: "{omics}/mutations*.maf.gz", samples: {omics}/samples.csv, profiled: {omics}/profiled.txt}}',
    ]
    if misplaced:
        array = f"matrix: {omics}/methylation.csv.gz, samples: {omics}/samples.csv, probes: {omics}/probes.csv"
        tables = f"pairs: {omics}/somalier.pairs.tsv, sexes: {omics}/somalier.samples.tsv, samples: {omics}/genotypes.csv"
        lines += [f"      methylation: {{{array}}}", f"    genotypes: {{{tables}}}"]
    return "\n".join(lines)


def write_study(out: Path, centres: tuple[str, ...], imaging: bool, misplaced: bool = False) -> None:
    """Write `study.yaml` and `params.yaml`; with `misplaced` methylation arrays and genotypes are sources as well.

    Args:
        out: Folder or file to write to.
        centres: Names of the centres.
        imaging: Whether images are written.
        misplaced: Whether methylation arrays and genotypes are written.
    """
    (out / "params.yaml").write_text(PARAMETERS, encoding="utf-8")
    blocks = [_centre(centre, imaging, misplaced) for centre in centres]
    text = STUDY.replace("CENTRES", "\n".join(blocks))
    if misplaced:
        text = text.replace(
            "  clinical:\n    ldh", "  methylation: {from_days: -365, to_days: 0, choose: latest}\n  clinical:\n    ldh"
        )
    if not imaging:
        features = text[text.index("features:\n") : text.index("assays:\n")]
        text = text.replace(features, "").replace("  imaging: {from_days: -60, to_days: 0, choose: latest}\n", "")
        text = text.replace(", images: regions", "")
    (out / "study.yaml").write_text(text, encoding="utf-8")


def ask_for_volumes(out: Path) -> None:
    """Make a written study file ask for MR too, and for each volume of a series that holds several. `out`: the tree."""
    path = out / "study.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("modalities: [CT, PT]\n", "modalities: [CT, PT, MR]\n  volumes: all\n  changes: true\n"), encoding="utf-8"
    )
