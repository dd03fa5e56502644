"""Commands over a study: check, build, run, simulate, look at it."""

from __future__ import annotations

import getpass
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from unibase.flows.cli.app import app


@app.command
def check(study: Path, *, recognise: bool = False, json: bool = False) -> None:
    """Check a study file, that its sources are there, and that its key can be read and its workspace written.

    Example: `unibase check study.yaml`

    Args:
        study: The study file.
        recognise: Read every matrix of every assay as well, and tell what it is and by what evidence.
        json: As JSON, for programs.
    """
    from unibase.flows.cli.printing import print_json
    from unibase.flows.study.named_sources import check_sources
    from unibase.flows.study.surroundings import check_surroundings
    from unibase.flows.study.unlike_named import check_contents
    from unibase.flows.study.validation import read_study

    content = read_study(study)
    check_sources(content)
    check_contents(content)
    check_surroundings(content)
    if json:
        print_json({"study": content.study, "version": content.release.version, "centres": list(content.centres)})
        return
    if recognise:
        from unibase.flows.looks.recognised import recognised

        for line in recognised(content):
            print(line)
    print(f"{study} is right: {content.study} {content.release.version}, centres {', '.join(content.centres)}.")
    if any(content.work.staging.glob("clinical/*/data")):
        from unibase.flows.looks.codes import coverage_text  # reads events: polars
        from unibase.flows.looks.records_read import records_text

        print(f"What was read of the records:\n{records_text(content)}")
        print(f"Events of each concept, in the records that were read last:\n{coverage_text(content)}")
    print(f"Next: unibase build {study}")


@app.command
def build(
    study: Path,
    *,
    scheduler: str | None = None,
    prefect: bool = True,
    nightly: bool = False,
    verify_sources: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
    json: bool = False,
) -> None:
    """Build a study from its sources to its release; started again, it goes on where it stopped.

    Example: `unibase build study.yaml`

    Args:
        study: The study file.
        scheduler: Address of an existing Dask scheduler, such as tcp://127.0.0.1:8786.
        prefect: Run as a Prefect flow (on the server that PREFECT_API_URL names, else one that goes away with the
            run); with --no-prefect the same stages run without it.
        nightly: Publish as the next patch version when anything changed.
        verify_sources: Read the content of every source and of all that is staged again, whatever sizes and times say;
            once a week is often enough.
        dry_run: Say what would run and why, how long and how much disk it takes, and do nothing.
        quiet: Say nothing on the way.
        json: Print where the release is, or with --dry-run the plan, as JSON.
    """
    from unibase.flows.cli.printing import print_json

    if dry_run:
        _print_plan(study, json)
        return
    if quiet:
        os.environ["UNIBASE_QUIET"] = "1"
    if verify_sources:
        from unibase.flows.runs.alone import forget_contents  # imports every room

        forget_contents(study)
    release = _build_with_prefect(study, scheduler, nightly) if prefect else _build_alone(study, scheduler, nightly)
    said = {"release": str(release), "page": str(release / "report.html")}
    print_json({**said, "version": release.name}) if json else print("release: {release}\npage:    {page}".format(**said))


def _print_plan(study: Path, json: bool) -> None:
    """Say what a build would do."""
    from unibase.flows.cli.printing import print_json
    from unibase.flows.looks.dry_run import in_words, plan_build
    from unibase.flows.study.validation import read_study

    plan = plan_build(read_study(study))
    print_json(plan) if json else print(in_words(plan))


def _build_with_prefect(study: Path, scheduler: str | None, nightly: bool) -> Path:
    from unibase.flows.runs.guard import of_kind
    from unibase.flows.runs.server import prefect_api
    from unibase.flows.study.validation import read_study

    content = read_study(study)
    # Our own lines say what happens; Prefect's would say it twice, and print pages where its server is gone.
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")
    content.work.create()
    if not os.environ.get("UNIBASE_QUIET"):
        print("Starting Prefect ...", file=sys.stderr)
    with prefect_api(content.work.root / "prefect", lambda: import_module("unibase.flows.build")):
        from unibase.flows.build import build_flow, nightly_flow  # reads the server's URL

        state: Any = (nightly_flow if nightly else build_flow)(str(content.file), scheduler, return_state=True)
    if not state.is_completed():
        raise of_kind(state.name, state.message or "The flow did not complete.")
    return Path(state.message)


def _build_alone(study: Path, scheduler: str | None, nightly: bool) -> Path:
    from unibase.flows.runs.alone import build_alone

    return build_alone(study, scheduler, nightly)


@app.command
def run(stage: str, study: Path, *, centre: str | None = None, scheduler: str | None = None) -> None:
    """Run one stage of a build, without Prefect, over what the stages before it left.

    Example: `unibase run features study.yaml`

    Args:
        stage: people, clinical, fetch, deidentify, index, segment, features, images, omics, identity, normalise,
            timeline, link or release.
        study: The study file.
        centre: Only this centre, for stages that work by centre.
        scheduler: Address of an existing Dask scheduler.
    """
    from unibase.flows.runs.alone import run_alone

    run_alone(study, stage, centre, scheduler)


@app.command
def fetch(study: Path, *, centre: str | None = None) -> None:
    """Bring images from archives, stores and PACS to the vault of a study; started again, it goes on where it stopped.

    `unibase build` does the same as one of its stages. Who is asked for comes from the identity ledger, which is brought up to
    date first.

    Example: `unibase fetch study.yaml --centre lyon`

    Args:
        study: The study file.
        centre: Only this centre.
    """
    from unibase.flows.runs.alone import run_alone

    run_alone(study, "people", None, None)
    run_alone(study, "fetch", centre, None)


@app.command
def send(study: Path) -> None:
    """Send de-identified images to the archive that the study names as `research_pacs`; each goes once.

    Example: `unibase send study.yaml`

    Args:
        study: The study file; `unibase build`, or its stage `deidentify`, has run.
    """
    from unibase.flows.study.validation import read_study
    from unibase.flows.vault.sending import send_study

    print(send_study(read_study(study)))


@app.command
def status(
    study: Path, *, files: Path | None = None, page: Path | None = None, prometheus: Path | None = None, json: bool = False
) -> None:
    """Show what every stage took in, finished and refused, and the last release; also while a run goes on.

    Example: `unibase status study.yaml --files files.csv`

    Args:
        study: The study file.
        files: Also write what happened to every file to this CSV; it holds source names and belongs to the custodian.
        page: Also write an HTML page: a timeline of the stages, what each cost, quarantine by reason. It names no file.
        prometheus: Also write counts and durations in the text format of Prometheus, for a textfile collector.
        json: As JSON.
    """
    from unibase.flows.cli.printing import print_json
    from unibase.flows.looks.status import status_of, status_text, write_files
    from unibase.flows.study.validation import read_study
    from unibase.groundwork.outputs import check_file

    for file in filter(None, (files, page, prometheus)):
        check_file(file)
    content = read_study(study)
    print_json(status_of(content)) if json else print(status_text(content))
    if page:
        from unibase.flows.looks.run_page import write_run_page  # Knows all stages: slow to import.

        write_run_page(content, page)
    if prometheus:
        from unibase.flows.looks.metrics import write_metrics  # As above.

        write_metrics(content, prometheus)
    if files and json:
        write_files(content, files)
    elif files:
        print(f"{files}: {write_files(content, files)} rows. It names source files: keep it in the vault.")


@app.command
def doctor(study: Path, *, scheduler: str | None = None, json: bool = False) -> None:
    """Look at all that a build needs: software, sources, key, workspace, room, modes, ledgers, lock, workers, Prefect.

    When something is wrong, it ends with the status that a build would end with.

    Example: `unibase doctor study.yaml`

    Args:
        study: The study file.
        scheduler: Address of a Dask scheduler whose workers are looked at as well.
        json: As JSON.
    """
    from unibase.flows.cli.printing import print_json
    from unibase.flows.looks.doctor import end_of, examine
    from unibase.flows.study.validation import read_study

    found = examine(read_study(study), scheduler)
    if json:
        print_json(found)
    else:
        for one in found:
            print(f"{one.status:<8} {one.what}: {one.said}")
    if end := end_of(found):
        raise end


@app.command
def codes(study: Path, *, csv: Path | None = None) -> object:
    """Show every code that the records hold: how often, in how many persons, and which concept takes it or is nearest.

    Example: `unibase codes study.yaml --csv codes.csv`

    Args:
        study: The study file; its records must have been read (`unibase run clinical study.yaml`).
        csv: Also write all of it as CSV.
    """
    from unibase.flows.looks.codes import codes_of, codes_text
    from unibase.flows.study.validation import read_study
    from unibase.groundwork.plain_csv import write_plain_csv

    table = codes_of(read_study(study))
    if csv is not None:
        write_plain_csv(table, csv)
    print(codes_text(table))
    return table


@app.command
def regions(study: Path, *, csv: Path | None = None) -> object:
    """Show which names of regions each target matched, what was refused or missed, and names that no target asked for.

    Example: `unibase regions study.yaml`

    Args:
        study: The study file.
        csv: Write the list, region by region, to this file.
    """
    from unibase.flows.looks.matches import in_words, read_matches
    from unibase.flows.study.validation import read_study
    from unibase.groundwork.plain_csv import write_plain_csv

    matches = read_matches(read_study(study))
    if csv:
        write_plain_csv(matches, csv)
    print(in_words(matches) + (f"\n{csv}: region by region" if csv else ""))
    return matches


@app.command
def refit(study: Path, *, assay: Literal["rna"] = "rna") -> None:
    """Have the next build learn the normalisation of an assay again, on all samples it then has; every value changes.

    Until then values stay on the frozen model of the first build. The release says which model it rests on, and the audit
    log who asked for a new one.

    Example: `unibase refit study.yaml`

    Args:
        study: The study file.
        assay: The assay to fit again.
    """
    from unibase.flows.runs.kept import accept
    from unibase.flows.stages.normalise_models import ask_for_refit
    from unibase.flows.study.places import MODELS
    from unibase.flows.study.validation import read_study
    from unibase.groundwork.work import WorkLedger

    content = read_study(study)
    with content.work.owned():
        if not ask_for_refit(MODELS.of(content.work.root), assay):
            print(f"There is no model of {assay} yet: the first build fits one.")
            return
        with WorkLedger(content.work.work_ledger) as ledger:
            accept(ledger, content.work.root, MODELS)
            ledger.remember("stage normalise", "")
        content.audit.append(getpass.getuser(), "refit-asked", 0, {"assay": assay})
    print(f"The next build fits the model of {assay} again; all its values will change. Next: unibase build {study}")


@app.command(name="join")
def join_(study: Path, out: Path) -> None:
    """Join what staging holds at the study's index event; write the analysis table and the trace of its cells.

    Example: `unibase join study.yaml analysis/`

    Args:
        study: The study file; its stages up to timeline have run.
        out: Folder to write to.
    """
    from unibase.flows.runs.alone import join_alone

    print(join_alone(study, out))
