"""Single stages over plain files, without a study."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from unibase.clinical.formats.format_names import Format
from unibase.flows.cli.app import app
from unibase.groundwork.problems import UserError
from unibase.omics.choices import AssayName, Method


@app.command
def deidentify(
    source: Path,
    destination: Path,
    *,
    key_file: Path,
    people: Path | None = None,
    policy: Literal["strict", "research", "longitudinal"] = "research",
    rules: Path | None = None,
    pixels: Path | None = None,
    workers: Annotated[int, Parameter(validator=Number(gte=1))] | None = None,
) -> None:
    """De-identify a folder of DICOM, without a study.

    Without a people file every PatientID is one person, and so is every exam whose files have none.

    Example: `unibase deidentify hospital/dicom clean --key-file study.key`

    Args:
        source: Folder with DICOM files at any depth.
        destination: Folder to write to, apart from the source.
        key_file: The secret key (unibase key new FILE).
        people: CSV of people, where one person has several PatientIDs.
        policy: Named policy.
        rules: YAML with keys of the study file's block `deidentification`, such as `words` and `rules`.
        pixels: The decisions that `unibase pixels` asked for (REVIEW/pixels.csv): images at risk are blanked and
            written.
        workers: Processes; the number of cores by default. Up to 64 files are done without any.
    """
    from unibase.flows.cli.plain_files import PlainDeidentification, deidentify_folder

    print(deidentify_folder(PlainDeidentification(source, destination, key_file, people, policy, workers, rules, pixels)))


@app.command
def pixels(source: Path, review: Path, *, read: bool = True) -> None:
    """Look at the pixels of every image at risk, and make the pages on which a person decides what is blanked.

    The review folder shows patients: keep it in the vault. What was decided before stays decided.

    Example: `unibase pixels hospital/dicom vault/review`

    Args:
        source: Folder with DICOM files at any depth.
        review: Folder to write: pixels.csv and pages.
        read: Seek texts with the extra `ocr`; `--no-read` proposes only what headers tell, and a person draws the
            rest.
    """
    from unibase.flows.looks.burned_in import look_at_folder

    print(look_at_folder(source, review, read))


@app.command
def words(source: Path, *, people: Path | None = None, least: int = 10, out: Path | None = None) -> None:
    """List words of a folder of DICOM that stand with many persons and name nobody, for the custodian to allow.

    Example: `unibase words hospital/dicom --people people.csv --least 10`

    Args:
        source: Folder with DICOM files at any depth.
        people: CSV of people: their names are never listed.
        least: Persons with whom a word must stand.
        out: CSV to write with all words and their numbers of persons.
    """
    from unibase.flows.looks.words import words_of_archive

    print(words_of_archive(source, people, least, out))


@app.command
def index(source: Path, *, out: Path | None = None) -> object:
    """List what series and volumes a folder of DICOM holds, before anything is extracted.

    Example: `unibase index scans/ --out volumes.csv`

    Args:
        source: Folder with DICOM files at any depth.
        out: Table to write, a row a volume: Parquet, or CSV when the name ends in .csv.
    """
    from unibase.flows.looks.volumes import in_lines
    from unibase.imaging.commands import index_plain

    volumes = index_plain(source, out)
    print("\n".join(in_lines(volumes)))
    if out:
        print(f"{out}: {volumes.height} rows")
    return volumes


@app.command
def reports(source: Path, out: Path) -> object:
    """Write the measurements, doses and codes of the reports (SR) in a folder of DICOM as a table, a row an item.

    Texts are written only of files that unibase de-identified.

    Example: `unibase reports clean/ reports.csv`

    Parameters
    ----------
    source
        Folder with DICOM files at any depth.
    out
        Table to write: Parquet, or CSV when the name ends in .csv.
    """
    from unibase.imaging.commands import reports_plain

    rows = reports_plain(source, out)
    print(f"{out}: {rows.height} rows of {rows['SOPInstanceUID'].n_unique()} reports")
    return {"rows": rows.height, "reports": rows["SOPInstanceUID"].n_unique()}


@app.command
def maps(
    source: Path,
    out: Path,
    mask: Path | None = None,
    *,
    settings: Path | None = None,
    region: list[str] | None = None,
    form: Literal["nrrd", "ome-zarr"] = "nrrd",
) -> object:
    """Write maps of features: at each voxel of a region the features of the voxels around it, as PyRadiomics' voxel-based ones.

    Example: `unibase maps scans/ maps --settings params.yaml --region "GTV=gtv.*"`

    Args:
        source: Folder of DICOM or plain images, a list, or an image; as of `features`.
        out: Folder to write to: the maps, and maps.parquet, which says what each file is.
        mask: The mask of an image.
        settings: A PyRadiomics parameter file; voxelSetting holds kernelRadius, maskedKernel and initValue.
        region: TARGET=PATTERN, as of `features`.
        form: nrrd: a file for each feature; ome-zarr: a store for each image type, with a channel for each feature.
    """
    from unibase.flows.cli.plain_features import maps_asked, maps_of

    return maps_of((source, mask) if mask else source, out, maps_asked(settings, region, form))


@app.command
def dose(
    source: Path,
    out: Path,
    *,
    region: list[str] | None = None,
    metric: list[str] | None = None,
    eqd2: tuple[int, float] | None = None,
) -> object:
    """Measure the dose of regions: DICOM with RTDOSE beside the image and its RTSTRUCT or SEG.

    Example: `unibase dose plans/ doses.csv --region "PTV=ptv.*" --metric D95 --metric V20Gy`

    Args:
        source: Folder of DICOM files.
        out: Table to write, a row a region, dose and metric: Parquet, or CSV when the name ends in .csv.
        region: TARGET=PATTERN, as of `features`.
        metric: Dmean, Dmin, Dmax, D95 (percent of the volume), D2cc, V20Gy; several times. By default Dmin, Dmean,
            Dmax, D2, D50, D95, D98.
        eqd2: Number of fractions and alpha over beta in Gy: metrics are those of the dose in 2 Gy fractions of the
            same effect.
    """
    from unibase.flows.cli.plain_features import doses_of

    return doses_of((source, out), region, metric, eqd2)


@app.command
def recognise(file: Path, *, assay: AssayName | None = None) -> object:
    """Tell what a file of an assay is (unit, orientation, names, genome) and by what evidence; refuse it as a build would.

    Example: `unibase recognise counts.tsv.gz`

    Args:
        file: The file, or a folder of files of one sample each (STAR, GDC, RSEM, salmon, kallisto, htseq).
        assay: Its assay; told from the file by default.
    """
    from unibase.omics.commands import recognise_file

    found = recognise_file(file, assay)
    if found.refused:
        raise UserError(f"{file}: {found.assay}: refused. {found.refused}")
    print(f"{file}: {found.assay}")
    for line in found.lines:
        print(f"  {line}")
    return {"assay": found.assay, "evidence": found.lines}


@app.command
def normalise(
    matrix: Path,
    out: Path,
    *,
    method: Method = "tmm",
    batches: Path | None = None,
    batch_method: Literal["combat", "combat-seq"] = "combat",
    groups: Path | None = None,
    filter_by_expression: bool = False,
) -> object:
    """Normalise a count matrix; samples that cannot be used are set aside and named.

    Example: `unibase normalise counts.tsv.gz normalised.h5ad --method tmm --batches batches.tsv`

    Args:
        matrix: STAR, featureCounts, salmon, nf-core, h5ad, Parquet, TSV or CSV; gzip as it is.
        out: .h5ad, .zarr, .parquet, .tsv or .csv.
        method: Normalisation.
        batches: CSV or TSV with the columns sample and batch: batch effects are taken out.
        batch_method: combat: of the normalised values, as sva's ComBat. combat-seq: of the counts, before they are
            normalised, as sva's ComBat_seq.
        groups: CSV or TSV with the columns sample and group: what batch correction keeps, and the groups that the
            filter looks at.
        filter_by_expression: Leave out genes that too few samples express, as edgeR's filterByExpr.
    """
    from unibase.omics.commands import Design, normalise_file

    report = normalise_file(matrix, out, method, Design(batches, batch_method, groups, filter_by_expression))
    for refused in report.refused:
        print(f"set aside: {refused.sample}: {refused.reason}. {refused.message} {refused.remedy}", file=sys.stderr)
    for note in report.notes:
        print(note, file=sys.stderr)
    print(f"{out}: {len(report.kept)} samples; {len(report.refused)} set aside")
    return {"kept": report.kept, "refused": report.refused, "notes": report.notes}


@app.command
def timeline(
    source: str,
    out: Path,
    *,
    from_: Annotated[Format, Parameter(name="--from")],
    mapping: Path | None = None,
    key_file: Path | None = None,
    centre: str = "centre",
) -> object:
    """Turn clinical records into a MEDS dataset.

    Example: `unibase timeline omop/ timeline/ --from omop --key-file study.key`

    Args:
        source: Folder (or CSV file) of the records; for omop also a DuckDB file or
            `postgresql://user@host/database?schema=cdm`.
        out: Folder of the dataset.
        from_: Format of the records.
        mapping: Mapping file, for csv.
        key_file: Pseudonymise and shift dates under this key; without it subjects keep local numbers and dates are as
            in the source.
        centre: Name of the centre, for the column `source`.
    """
    from unibase.clinical.sources.databases import is_server
    from unibase.clinical.timelines.centre import TimelineTask, convert
    from unibase.flows.study.centre_names import no_centre_name
    from unibase.privacy.keys import read_key_file

    if wrong := no_centre_name(centre):
        raise UserError(f"--centre: {wrong}. Give another name.")
    place = source if is_server(source) else Path(source)
    written = convert(TimelineTask(from_, place, centre, None, mapping), out, read_key_file(key_file) if key_file else None)
    print(f"{out}: {written.events} events of {written.subjects} subjects; {written.problems} rows or fields set aside")
    for name in written.unread:
        print(f"not read: {name}", file=sys.stderr)
    if key_file is None:
        print("This dataset is not pseudonymised. Give --key-file to pseudonymise it.", file=sys.stderr)
    return written


@app.command
def link(*paths: Path, key_file: Path, links: Path | None = None) -> None:
    """Resolve who is who across people files into an identity ledger. Each file is one centre, named by its stem.

    Example: `unibase link centre_a.csv centre_b.csv ledger/ --key-file study.key`

    Args:
        paths: CSV or Parquet files of people, then the folder of the ledger.
        key_file: The secret key.
        links: CSV of decisions on pairs.
    """
    from unibase.flows.cli.plain_files import link_people

    if len(paths) < 2:
        raise UserError("Name at least one people file, then the folder of the ledger: unibase link PEOPLE... OUT")
    print(link_people(list(paths[:-1]), paths[-1], key_file, links))
