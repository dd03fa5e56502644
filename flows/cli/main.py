"""The command line: a study from check to release, and every stage alone on plain files."""

from __future__ import annotations

import getpass
import os
import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from unibase.flows.cli.custody import custodian_app, ledger_app
from unibase.flows.cli.encoded import encoded_app
from unibase.flows.cli.records import records_app
from unibase.flows.runs.guard import explain as explain_error
from unibase.groundwork.problems import Unusable, UserError
from unibase.omics.options import Method

app = App(
    name="unibase",
    help="From hospital files to released, pseudonymised, analysis-ready multimodal datasets.",
    help_format="markdown",
    version=metadata.version("unibase"),
)
key_app = App(name="key", help="Make and show keys.")
app.command(key_app)
app.command(ledger_app)
app.command(custodian_app)
app.command(encoded_app)
app.command(records_app)


def main() -> None:
    """Run the command line; what the user can mend is shown without a traceback."""
    try:
        app()
    except (UserError, Unusable) as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    except Exception as error:
        # Libraries quote what they cannot read: the text of an error of theirs may be a patient's value.
        print(explain_error(error, None), file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("Stopped. Start the same command again to go on where it stopped.", file=sys.stderr)
        sys.exit(130)


@app.command
def check(study: Path) -> None:
    """Check a study file and that its sources are there.

    Example: `unibase check study.yaml`

    Parameters
    ----------
    study
        The study file.
    """
    from unibase.flows.study.reading import read_study
    from unibase.flows.study.sources import check_sources

    content = read_study(study)
    check_sources(content)
    print(f"{study} is right: {content.study} {content.release.version}, centres {', '.join(content.centres)}.")
    print(f"Next: unibase build {study}")


@app.command
def build(study: Path, *, scheduler: str | None = None, prefect: bool = True, nightly: bool = False) -> None:
    """Build a study from its sources to its release; started again, it goes on where it stopped.

    Example: `unibase build study.yaml`

    Parameters
    ----------
    study
        The study file.
    scheduler
        Address of an existing Dask scheduler, such as tcp://127.0.0.1:8786.
    prefect
        Run as a Prefect flow (on the server that PREFECT_API_URL names, else one that goes away with the run); with
        --no-prefect the same stages run without it.
    nightly
        Publish as the next patch version when anything changed.
    """
    release = _build_with_prefect(study, scheduler, nightly) if prefect else _build_alone(study, scheduler, nightly)
    print(f"release: {release}\npage:    {release / 'report.html'}")


def _build_with_prefect(study: Path, scheduler: str | None, nightly: bool) -> Path:
    from unibase.flows.runs.server import prefect_api
    from unibase.flows.study.reading import read_study

    content = read_study(study)
    # Our own lines say what happens; Prefect's would say it twice.
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")
    content.work.create()
    print("Starting Prefect ...", file=sys.stderr)
    with prefect_api(content.work.root / "prefect"):
        from unibase.flows.build import build_flow, nightly_flow

        state: Any = (nightly_flow if nightly else build_flow)(str(content.file), scheduler, return_state=True)
    if not state.is_completed():
        raise UserError(state.message or "The flow did not complete.")
    return Path(state.message)


def _build_alone(study: Path, scheduler: str | None, nightly: bool) -> Path:
    from unibase.flows.runs.alone import build_alone

    return build_alone(study, scheduler, nightly)


@app.command
def run(stage: str, study: Path, *, centre: str | None = None, scheduler: str | None = None) -> None:
    """Run one stage of a build, without Prefect, over what the stages before it left.

    Example: `unibase run features study.yaml`

    Parameters
    ----------
    stage
        people, clinical, deidentify, index, features, omics, identity, normalise, timeline, link or release.
    study
        The study file.
    centre
        Only this centre, for stages that work by centre.
    scheduler
        Address of an existing Dask scheduler.
    """
    from unibase.flows.runs.alone import run_alone

    run_alone(study, stage, centre, scheduler)


@app.command
def simulate(
    out: Path,
    *,
    persons: int = 20,
    seed: int = 2026,
    centres: int = 3,
    broken: bool = True,
    imaging: bool = True,
    wrong_links: float = 0.0,
    misplaced: bool = False,
    resume: bool = False,
) -> None:
    """Write simulated hospitals with known truth, and a study file ready to build.

    Example: `unibase simulate demo`

    Parameters
    ----------
    out
        Folder to make.
    persons
        How many persons, from 20 to thousands.
    seed
        Same seed and options, same bytes.
    centres
        How many centres; the source formats take turns.
    broken
        Break some inputs on purpose.
    imaging
        Write DICOM; without it thousands of persons take seconds.
    wrong_links
        Share of the samples, 0 to 1, that the sample sheets give to another patient, and of the image series that bear
        another patient's number.
    misplaced
        Write methylation arrays and somalier's tables as well, and plant samples that are not their person's.
    resume
        Leave an existing tree as it is.
    """
    if resume and (out / "study.yaml").exists():
        print(f"{out} is there already.", file=sys.stderr)
        return
    from unibase.flows.runs.demo import write_demo

    try:
        write_demo(
            out,
            persons=persons,
            seed=seed,
            centres=centres,
            broken=broken,
            imaging=imaging,
            wrong_links=wrong_links,
            misplaced=misplaced,
        )
    except FileExistsError:
        raise UserError(f"{out} holds files already. Choose another folder, or give --resume.") from None
    print(f"{out}/study.yaml is ready. Next: unibase build {out}/study.yaml")


@app.command(name="open")
def open_(release: Path) -> None:
    """Show in one screen what a release holds.

    Example: `unibase open releases/uniriv-demo/1.0.0`

    Parameters
    ----------
    release
        Folder of the release.
    """
    from unibase.releases.read.open import describe

    print(describe(release))


@app.command
def sign(release: Path, *, signing_key: Path) -> None:
    """Sign the manifest of a release (Ed25519); makes the signing key, and its public half, when it is not there.

    Example: `unibase sign releases/uniriv-demo/1.0.0 --signing-key signing.pem`

    Parameters
    ----------
    release
        Folder of the release.
    signing_key
        Private key; the public one stands beside it as NAME.pub.
    """
    from unibase.releases.content import signing

    if not signing_key.exists():
        signing.new_signing_key(signing_key)
    print(f"{signing.sign(release, signing_key)} is written. Check: unibase verify {release} --public-key {signing_key}.pub")


@app.command
def verify(release: Path, *, public_key: Path | None = None) -> None:
    """Check every byte of a release against its manifest, and the signature of the manifest.

    Example: `unibase verify releases/uniriv-demo/1.0.0`

    Parameters
    ----------
    release
        Folder of the release.
    public_key
        Public key of who signed it.
    """
    from unibase.releases.content.manifest import verify as verify_files
    from unibase.releases.content.signing import verify_signed

    problems = verify_signed(release, public_key) if public_key else verify_files(release)
    for line in problems:
        print(line)
    if problems:
        raise UserError(f"{len(problems)} differences. Do not use this copy; fetch the release again.")
    print("Every file is as it was published.")


@app.command
def diff(old: Path, new: Path) -> None:
    """Show what changed between two releases of one study, and why.

    Example: `unibase diff releases/uniriv-demo/1.0.0 releases/uniriv-demo/1.0.1`

    Parameters
    ----------
    old
        Folder of the earlier release.
    new
        Folder of the later release.
    """
    from unibase.releases.read.difference import diff as compare

    print(compare(old, new))


@app.command
def extract(request: Path, out: Path, *, release: Path, key_file: Path) -> None:
    """Write what an approved request names, under pseudonyms of its own, encrypted for its recipients.

    Example: `unibase extract REQUEST.yaml extracts/ --release releases/uniriv-demo/1.0.0 --key-file study.key`

    Parameters
    ----------
    request
        The approved request.
    out
        Folder for the encrypted file.
    release
        Folder of the release.
    key_file
        The study's key.
    """
    import getpass
    from datetime import date

    from unibase.privacy.audit import AuditLog
    from unibase.privacy.keys import read_key_file
    from unibase.releases.exports.extract import extract as write_extract
    from unibase.releases.exports.extract import read_request

    audit = AuditLog(key_file.parent / "extracts.audit.jsonl")
    written = write_extract(
        release, read_request(request), read_key_file(key_file), out, today=date.today(), actor=getpass.getuser(), audit=audit
    )
    print(f"{written} is written; only its recipients can read it.")


@app.command
def catalogue(description: Path, out: Path, *, releases: Path) -> None:
    """Write a catalogue of releases: HealthDCAT-AP, Croissant, RO-Crate, data package, datasheet and pages.

    Example: `unibase catalogue description.yaml site/ --releases releases/`

    Parameters
    ----------
    description
        YAML that describes the releases (docs/releases.md).
    out
        Folder to write, replaced as a whole.
    releases
        Folder of releases.
    """
    from unibase.releases.catalogue.description import read_description
    from unibase.releases.catalogue.site import published, write_site

    studies = sorted({folder.parent.name for folder in published(releases)})
    if not studies:
        raise UserError(f"No release in {releases}. Build one: unibase build study.yaml")
    content = read_description(description)
    print(f"{write_site(releases, dict.fromkeys(studies, content), out)}: {len(published(releases))} releases; open index.html")


@app.command
def cbioportal(release: Path, out: Path, *, cancer_type: str = "mixed") -> None:
    """Write a release as a cBioPortal study folder, days counted from the index.

    Example: `unibase cbioportal releases/uniriv-demo/1.0.0 portal/ --cancer-type nsclc`

    Parameters
    ----------
    release
        Folder of the release.
    out
        Folder to write, replaced as a whole.
    cancer_type
        OncoTree code in lower case that the portal knows; mixed for several.
    """
    from unibase.releases.exports.cbioportal import write_study

    print(f"{write_study(release, out, cancer_type)}: import it with metaImport.py")


@app.command
def explain(release: Path, subject: int, variable: str) -> None:
    """Say in plain words where one value of a release comes from.

    Example: `unibase explain releases/uniriv-demo/1.0.0 355940857260635191 ldh`

    Parameters
    ----------
    release
        Folder of the release.
    subject
        subject_id.
    variable
        Column of the analysis or subjects table; OS or OS_CNSR; rna_ENSG00000141510 for a gene; the PARAMCD of
        repeated measures, as LDH, or a radiomic feature, as firstorder_Mean, for all rows of the subject.
        bds/LDH looks in one table or modality alone.
    """
    from unibase.releases.read.explain import explain as say

    print(say(release, subject, variable))


@app.command
def status(study: Path, *, files: Path | None = None) -> None:
    """Show what every stage took in, finished and refused, and the last release; also while a run goes on.

    Example: `unibase status study.yaml --files files.csv`

    Parameters
    ----------
    study
        The study file.
    files
        Also write what happened to every file to this CSV; it holds source names and belongs to the custodian.
    """
    from unibase.flows.looks.status import status_text, write_files
    from unibase.flows.study.reading import read_study

    content = read_study(study)
    print(status_text(content))
    if files:
        print(f"{files}: {write_files(content, files)} rows. It names source files: keep it in the vault.")


@app.command
def quarantine(study: Path) -> None:
    """Show the custodian which source files were not used, and why; names come from the vault.

    Example: `unibase quarantine study.yaml`

    Parameters
    ----------
    study
        The study file.
    """
    from unibase.flows.looks.quarantine import quarantine_text
    from unibase.flows.study.reading import read_study

    print(quarantine_text(read_study(study)))


@app.command
def reidentify(
    vault: Path,
    *pseudonyms: str,
    reason: Literal["care", "rights", "correction", "check"],
    key_file: Path | None = None,
    source: Path | None = None,
    subjects: Path | None = None,
) -> None:
    """Show the custodian the person, and the source files, behind pseudonyms; each use is in the audit log of the vault.

    Example: `unibase reidentify study.yaml 355940857260635191 --reason care`

    Parameters
    ----------
    vault
        The study file; or the folder NAME.vault that `unibase deidentify` left.
    pseudonyms
        Values of subject_id, or UIDs of de-identified DICOM.
    reason
        care: a finding concerns their care. rights: they use a right. correction: a source is to be corrected.
        check: a check of the pipeline.
    key_file
        The secret key, where no study file names it.
    source
        Folder of the source DICOM, where no study file names it.
    subjects
        Of two custodians: what the study custodian revealed (unibase custodian reveal).
    """
    from unibase.flows.vault.reidentify import reidentify as go_back
    from unibase.flows.vault.reidentify import vault_of_folder, vault_of_study

    if not pseudonyms:
        raise UserError("Name at least one subject_id or UID: unibase reidentify study.yaml SUBJECT_ID --reason care")
    found = vault_of_folder(vault, key_file, source) if vault.is_dir() else vault_of_study(vault, subjects)
    print(go_back(found, pseudonyms, reason))


@app.command
def regions(study: Path, *, csv: Path | None = None) -> None:
    """Show which names of regions each target matched, what was refused or missed, and names that no target asked for.

    Example: `unibase regions study.yaml`

    Parameters
    ----------
    study
        The study file.
    csv
        Write the list, region by region, to this file.
    """
    from unibase.flows.looks.matches import in_words, read_matches
    from unibase.flows.study.reading import read_study

    matches = read_matches(read_study(study))
    if csv:
        matches.write_csv(csv)
    print(in_words(matches) + (f"\n{csv}: region by region" if csv else ""))


@app.command
def deidentify(
    source: Path,
    destination: Path,
    *,
    key_file: Path,
    people: Path | None = None,
    policy: Literal["strict", "research", "longitudinal"] = "research",
    workers: int | None = None,
) -> None:
    """De-identify a folder of DICOM, without a study.

    Without a people file every PatientID is one person.

    Example: `unibase deidentify hospital/dicom clean --key-file study.key`

    Parameters
    ----------
    source
        Folder with DICOM files at any depth.
    destination
        Folder to write to.
    key_file
        The secret key (unibase key new FILE).
    people
        CSV of people, where one person has several PatientIDs.
    policy
        Named policy.
    workers
        Processes; the number of cores by default.
    """
    from unibase.flows.cli.plain_files import deidentify_folder

    print(deidentify_folder(source, destination, key_file, people, policy, workers))


@app.command
def features(
    source: Path,
    out: Path,
    *,
    settings: Path | None = None,
    mask: Path | None = None,
    engine: Literal["pyradiomics", "unibase"] = "pyradiomics",
    mode: Literal["pyradiomics", "ibsi"] = "pyradiomics",
    region: list[str] | None = None,
    several: Literal["refuse", "each", "union"] = "each",
    shell: list[str] | None = None,
    habitats: int = 0,
    gaps: Literal["keep", "fill", "refuse"] = "keep",
    resample: bool = False,
    regions_csv: Path | None = None,
    robustness: Path | None = None,
) -> None:
    """Extract radiomic features from DICOM with RTSTRUCT or SEG, or from NIfTI/NRRD images with masks.

    Example: `unibase features scans/ features.parquet --settings params.yaml --region "GTV=gtv.*" --shell 0-5`

    Parameters
    ----------
    source
        Folder of files, or one image when --mask is given.
    out
        Parquet table to write.
    settings
        A PyRadiomics parameter file; PyRadiomics' defaults when absent.
    mask
        Mask of the one image.
    engine
        Which engine computes.
    mode
        PyRadiomics' definitions or IBSI's.
    region
        TARGET=PATTERN: the regions whose whole name matches, whatever the case; may be given several times. Without it every
        region is measured under its own name.
    several
        When several regions of one file match one target: refuse it, a row for each, or their union.
    shell
        FROM-TO in mm: a peritumoral shell beside every region; may be given several times.
    habitats
        Cut every region, beside itself, into this many parts of like intensity (2 to 9).
    gaps
        Slices between contours that carry none: keep them empty, fill them in shape, or refuse the region.
    resample
        Resample masks that lie on another grid; otherwise they are refused.
    regions_csv
        CSV to write with every match and miss of names of regions. It holds names as the files have them.
    robustness
        Measure on perturbed copies how stable each feature is, and write the table to this Parquet file.
    """
    from unibase.flows.looks.matches import in_words, parse_regions, parse_shells
    from unibase.flows.runs.progress import ProgressBoard
    from unibase.imaging.commands import extract_plain
    from unibase.imaging.radiomics.settings import default_settings, read_settings

    options = read_settings(settings) if settings else default_settings()
    with ProgressBoard() as board:
        result = extract_plain(
            (source, mask) if mask else source,
            out,
            options,
            regions=parse_regions(region) if region else None,
            engine=engine,
            mode=mode,
            several=several,
            resample=resample,
            shells=parse_shells(shell or []),
            habitats=habitats,
            gaps=gaps,
            robustness=robustness,
            progress=board.of("features"),
        )
    for refused in result["quarantined"]:
        print(f"quarantined: {refused['unit']}: {refused['reason']}. {refused['message']} {refused['remedy']}", file=sys.stderr)
    print(f"{out}: {result['rows']} rows; {len(result['quarantined'])} series quarantined")
    # Names of plain files may tell a person: they go to a file that is asked for, never to the screen.
    print(in_words(result["regions"], names=False))
    if regions_csv:
        result["regions"].write_csv(regions_csv)
        print(f"{regions_csv}: every match and miss")
    if robustness:
        print(f"{robustness}: ICC of every feature over eleven perturbed copies of each region")


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
) -> None:
    """Normalise a count matrix; samples that cannot be used are set aside and named.

    Example: `unibase normalise counts.tsv.gz normalised.h5ad --method tmm --batches batches.tsv`

    Parameters
    ----------
    matrix
        STAR, featureCounts, salmon, nf-core, h5ad, Parquet, TSV or CSV; gzip as it is.
    out
        .h5ad, .zarr, .parquet, .tsv or .csv.
    method
        Normalisation.
    batches
        CSV or TSV with the columns sample and batch: batch effects are taken out.
    batch_method
        combat: of the normalised values, as sva's ComBat. combat-seq: of the counts, before they are normalised, as sva's ComBat_seq.
    groups
        CSV or TSV with the columns sample and group: what batch correction keeps, and the groups that the filter looks at.
    filter_by_expression
        Leave out genes that too few samples express, as edgeR's filterByExpr.
    """
    from unibase.omics.commands import Design, normalise_file

    report = normalise_file(matrix, out, method, Design(batches, batch_method, groups, filter_by_expression))
    for refused in report.refused:
        print(f"set aside: {refused.sample}: {refused.reason}. {refused.message} {refused.remedy}", file=sys.stderr)
    for note in report.notes:
        print(note, file=sys.stderr)
    print(f"{out}: {len(report.kept)} samples; {len(report.refused)} set aside")


@app.command
def refit(study: Path, *, assay: Literal["rna"] = "rna") -> None:
    """Have the next build learn the normalisation of an assay again, on all samples it then has; every value changes.

    Until then values stay on the frozen model of the first build. The release says which model it rests on, and the audit
    log who asked for a new one.

    Example: `unibase refit study.yaml`

    Parameters
    ----------
    study
        The study file.
    assay
        The assay to fit again.
    """
    from unibase.flows.stages.normalise_models import ask_for_refit
    from unibase.flows.study.reading import read_study
    from unibase.privacy.audit import AuditLog

    content = read_study(study)
    with content.work.owned():
        if not ask_for_refit(content.work.staging, assay):
            print(f"There is no model of {assay} yet: the first build fits one.")
            return
        AuditLog(content.work.audit_log).append(getpass.getuser(), "refit-asked", 0, {"assay": assay})
    print(f"The next build fits the model of {assay} again; all its values will change. Next: unibase build {study}")


@app.command
def timeline(
    source: str,
    out: Path,
    *,
    from_: Annotated[Literal["omop", "fhir", "osiris", "osiris-rwd", "csv"], Parameter(name="--from")],
    mapping: Path | None = None,
    key_file: Path | None = None,
    centre: str = "centre",
) -> None:
    """Turn clinical records into a MEDS dataset.

    Example: `unibase timeline omop/ timeline/ --from omop --key-file study.key`

    Parameters
    ----------
    source
        Folder (or CSV file) of the records; for omop also a DuckDB file or `postgresql://user@host/database?schema=cdm`.
    out
        Folder of the dataset.
    from_
        Format of the records.
    mapping
        Mapping file, for csv.
    key_file
        Pseudonymise and shift dates under this key; without it subjects keep local numbers and dates are as in the source.
    centre
        Name of the centre, for the column `source`.
    """
    from unibase.clinical.sources.databases import is_server
    from unibase.clinical.timelines.centre import TimelineTask, convert
    from unibase.privacy.keys import read_key_file

    place = source if is_server(source) else Path(source)
    written = convert(TimelineTask(from_, place, centre, None, mapping), out, read_key_file(key_file) if key_file else None)
    print(f"{out}: {written.events} events of {written.subjects} subjects; {written.problems} rows or fields set aside")
    if key_file is None:
        print("This dataset is not pseudonymised. Give --key-file to pseudonymise it.", file=sys.stderr)


@app.command
def link(*paths: Path, key_file: Path, links: Path | None = None) -> None:
    """Resolve who is who across people files into an identity ledger. Each file is one centre, named by its stem.

    Example: `unibase link centre_a.csv centre_b.csv ledger/ --key-file study.key`

    Parameters
    ----------
    paths
        CSV or Parquet files of people, then the folder of the ledger.
    key_file
        The secret key.
    links
        CSV of decisions on pairs.
    """
    from unibase.flows.cli.plain_files import link_people

    if len(paths) < 2:
        raise UserError("Name at least one people file, then the folder of the ledger: unibase link PEOPLE... OUT")
    print(link_people(list(paths[:-1]), paths[-1], key_file, links))


@app.command(name="join")
def join_(study: Path, out: Path) -> None:
    """Join what staging holds at the study's index event; write the analysis table and the trace of its cells.

    Example: `unibase join study.yaml analysis/`

    Parameters
    ----------
    study
        The study file; its stages up to timeline have run.
    out
        Folder to write to.
    """
    from unibase.flows.runs.alone import join_alone

    print(join_alone(study, out))


@key_app.command(name="new")
def key_new(file: Path) -> None:
    """Make a new secret key, mode 0600.

    Example: `unibase key new study.key`

    Parameters
    ----------
    file
        The file to write; it must not exist.
    """
    from unibase.privacy.keys import new_key, write_key_file

    key = new_key()
    write_key_file(key, file)
    print(f"{file}: fingerprint {key.fingerprint}. Keep it in the vault; without it nobody can build the same release again.")


@key_app.command(name="rotate")
def key_rotate(study: Path, file: Path) -> None:
    """Make a new key for a study and list, in the vault, which pseudonym becomes which; no link changes.

    Example: `unibase key rotate study.yaml new.key`

    Parameters
    ----------
    study
        The study file, still with the old key.
    file
        The key file to write; it must not exist.
    """
    from unibase.flows.vault.custody import rotate

    print(rotate(study, file))


@key_app.command(name="fingerprint")
def key_fingerprint(file: Path) -> None:
    """Show the fingerprint of a key, which may be published.

    Example: `unibase key fingerprint study.key`

    Parameters
    ----------
    file
        The key file.
    """
    from unibase.privacy.keys import read_key_file

    print(read_key_file(file).fingerprint)
