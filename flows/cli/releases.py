"""Commands over a release: open, verify, compare, explain, extract, catalogue."""

from __future__ import annotations

import getpass
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from unibase.flows.cli.app import app
from unibase.groundwork.problems import UserError


@app.command(name="open")
def open_(release: Path) -> None:
    """Show in one screen what a release holds.

    Example: `unibase open releases/uniriv-demo/1.0.0`

    Args:
        release: Folder of the release.
    """
    from unibase.releases.read.open import describe

    print(describe(release))


@app.command
def sign(release: Path, *, signing_key: Path) -> None:
    """Sign the manifest of a release (Ed25519); makes the signing key, and its public half, when it is not there.

    Example: `unibase sign releases/uniriv-demo/1.0.0 --signing-key signing.pem`

    Args:
        release: Folder of the release.
        signing_key: Private key; the public one stands beside it as NAME.pub.
    """
    from unibase.releases.content import signing

    if not signing_key.exists():
        signing.new_signing_key(signing_key)
    print(f"{signing.sign(release, signing_key)} is written. Check: unibase verify {release} --public-key {signing_key}.pub")
    print(f"Tell recipients the key's fingerprint another way: {signing.fingerprint(f'{signing_key}.pub')}")


@app.command
def verify(release: Path, *, public_key: Path | None = None, bytes_alone: bool = False) -> None:
    """Check every byte of a release against its manifest, and the signature of the manifest.

    A release that is signed is refused without the key of who signed it.

    Example: `unibase verify releases/uniriv-demo/1.0.0`

    Args:
        release: Folder of the release.
        public_key: Public key of who signed it, from the publisher and not from the release's folder.
        bytes_alone: Do not ask who signed it; whoever forges a release writes its manifest as well.
    """
    from unibase.releases.content import manifest, signing

    if public_key is None and not bytes_alone:
        signing.refuse_unknown_signer(release)
    problems = signing.verify_signed(release, public_key) if public_key else manifest.verify(release)
    for line in problems:
        print(line)
    if problems:
        raise UserError(f"{len(problems)} differences. Do not use this copy; fetch the release again.")
    print("Every file is as it was published.")
    if public_key:
        print(f"Signed by the key {signing.fingerprint(public_key)}.")


@app.command
def diff(old: Path, new: Path) -> None:
    """Show what changed between two releases of one study, and why.

    Example: `unibase diff releases/uniriv-demo/1.0.0 releases/uniriv-demo/1.0.1`

    Args:
        old: Folder of the earlier release.
        new: Folder of the later release.
    """
    from unibase.releases.read.difference import diff as compare

    print(compare(old, new))


@app.command
def extract(request: Path, out: Path, *, release: Path, key_file: Path) -> None:
    """Write what an approved request names, under pseudonyms of its own, encrypted for its recipients.

    Example: `unibase extract REQUEST.yaml extracts/ --release releases/uniriv-demo/1.0.0 --key-file study.key`

    Args:
        request: The approved request.
        out: Folder for the encrypted file.
        release: Folder of the release.
        key_file: The study's key.
    """
    from datetime import date

    from unibase.privacy.audit import AuditLog
    from unibase.privacy.keys import read_key_file
    from unibase.releases.exports.extract import extract as write_extract
    from unibase.releases.exports.extract import read_request

    audit = AuditLog(key_file.parent / "extracts.audit.jsonl")
    written = write_extract(
        release, read_request(request), read_key_file(key_file), out, today=date.today(), actor=getpass.getuser(), audit=audit
    )
    for words in audit.entries()[-1]["details"]["joins"]:
        print(f"Look at it: {words}.")
    print(f"{written} is written; only its recipients can read it.")


@app.command
def catalogue(description: Path, out: Path, *, releases: Path) -> None:
    """Write a catalogue of releases: HealthDCAT-AP, Croissant, RO-Crate, data package, datasheet and pages.

    Example: `unibase catalogue description.yaml site/ --releases releases/`

    Args:
        description: YAML that describes the releases (docs/releases.md).
        out: Folder to write: not there yet, empty, or one that this command wrote, which is replaced.
        releases: Folder of releases.
    """
    from unibase.releases.catalogue.description import read_description
    from unibase.releases.catalogue.site import published, write_site

    studies = sorted({folder.parent.name for folder in published(releases)})
    if not studies:
        raise UserError(f"No release in {releases}. Build one: unibase build study.yaml")
    content = read_description(description)
    print(f"{write_site(releases, dict.fromkeys(studies, content), out)}: {len(published(releases))} releases; open index.html")


@app.command
def howmany(releases: Path, *, where: list[str]) -> object:
    """Say how many subjects there would be over all releases, from their safe cubes alone: between which two numbers.

    For those not entitled to the tables: nothing but `cube.parquet` is read, and questions that overlap tell nothing more.
    Of each study the newest version counts. Who is in two studies is counted in both.

    Example: `unibase howmany releases/ --where "AGE >= 60" --where "SEX = F" --where "rna known"`

    Args:
        releases: Folder of releases, or of a catalogue of them.
        where: A condition; may be given several times. `STAGE = III|IV` asks for any of several, `rna known` for who has a
            modality, `centre = lyon` for a centre.
    """
    from rich.console import Console
    from rich.table import Table

    from unibase.releases.catalogue.site import with_cubes
    from unibase.releases.read.how_many import over_releases, total

    newest = with_cubes(releases)
    if not newest:
        raise UserError(f"No release and no catalogue in {releases}. Write one: unibase catalogue description.yaml site/")
    found = over_releases(newest, where)
    table = Table("study", "version", "subjects")
    for one in found:
        table.add_row(one.study, one.version, f"does not tell of {one.lacks}" if one.bounds is None else str(one.bounds))
    Console().print(table)
    print(f"All that tell: {total(found)} subjects.")
    return found


@app.command
def cbioportal(release: Path, out: Path, *, cancer_type: str = "mixed") -> None:
    """Write a release as a cBioPortal study folder, days counted from the index.

    Example: `unibase cbioportal releases/uniriv-demo/1.0.0 portal/ --cancer-type nsclc`

    Args:
        release: Folder of the release.
        out: Folder to write: not there yet, empty, or one that this command wrote, which is replaced.
        cancer_type: OncoTree code in lower case that the portal knows; mixed for several.
    """
    from unibase.releases.exports.cbioportal import write_study

    print(f"{write_study(release, out, cancer_type)}: import it with metaImport.py")


@app.command
def omop(release: Path, out: Path, *, earliest_days: bool = False) -> object:
    """Write a release as OMOP CDM 5.4 in CSV, with the imaging extension MI-CDM, and the SQL that makes and fills its tables.

    Example: `unibase omop releases/uniriv-demo/1.0.0 omop/`

    Args:
        release: Folder of the release.
        out: Folder to write: not there yet, empty, or one that this command wrote, which is replaced.
        earliest_days: Write diagnoses of which only the month or year is known on their earliest day, with the type concept
            32880 (Standard algorithm); they are left out by default, since OMOP asks for a day.
    """
    from unibase.releases.exports.omop_cdm import write_omop

    written = write_omop(release, out, earliest=earliest_days)
    print(
        f"{out}: {sum(written.rows.values())} rows in {len(written.rows)} tables; make them by ddl.sql and ddl_imaging.sql there"
    )
    if written.without_birth:
        print(f"{written.without_birth} subjects without a year of birth are left out: OMOP asks for it.")
    if written.earliest:
        print(f"{written.earliest} diagnoses known by month or year alone stand on their earliest day, of type 32880.")
    if written.without_day:
        remedy = "" if earliest_days else " --earliest-days writes diagnoses of which the month or year is known."
        print(f"{written.without_day} events or values without a day are left out: OMOP asks for it.{remedy}")
    return written


@app.command
def fhir(release: Path, out: Path) -> object:
    """Write a release as FHIR R4 in NDJSON, a file for each type of resource, as a bulk export has them.

    Example: `unibase fhir releases/uniriv-demo/1.0.0 fhir/`

    Args:
        release: Folder of the release.
        out: Folder to write: not there yet, empty, or one that this command wrote, which is replaced.
    """
    from unibase.releases.exports.bulk_fhir import write_fhir

    written = write_fhir(release, out)
    print(f"{out}: " + ", ".join(f"{count} {kind}" for kind, count in written.rows.items()))
    if written.between:
        print(f"{written.between} events lie between bounds that are no month and no year: they are written without a date.")
    return written


@app.command
def explore(
    release: Path, *, port: Annotated[int, Parameter(validator=Number(gte=0, lte=65535))] = 0, json: bool = False
) -> None:
    """Look at cohorts in a release, exact and by person, on a web page of this machine; Ctrl-C ends it.

    For those entitled to the tables. The address has a token, is on the loopback alone, and ends with the command.

    Example: `unibase explore releases/uniriv-demo/1.0.0`

    Args:
        release: Folder of the release.
        port: Port of the page; 0 takes any that is free.
        json: Print the address as JSON.
    """
    from unibase.flows.cli.printing import print_json
    from unibase.releases.explore.explorer_server import make_server

    server, address = make_server(release, port)
    print_json({"address": address}) if json else print(f"Open {address} on this machine; Ctrl-C ends it.")
    sys.stdout.flush()
    with suppress(KeyboardInterrupt), server:
        server.serve_forever()


@app.command
def explain(release: Path, subject: int, variable: str, *, key_file: Path | None = None) -> None:
    """Say in plain words where one value of a release comes from.

    Example: `unibase explain releases/uniriv-demo/1.0.0 355940857260635191 ldh`

    Args:
        release: Folder of the release.
        subject: subject_id.
        variable: Column of the analysis or subjects table; OS or OS_CNSR; rna_ENSG00000141510 for a gene; the PARAMCD
            of repeated measures, as LDH, or a radiomic feature, as firstorder_Mean, for all rows of the subject.
            bds/LDH looks in one table or modality alone.
        key_file: Key of the study. A release names rows of the sources by keyed numbers; with the key the custodian gets the
            numbers of the hospital's export.
    """
    from unibase.releases.read.explain import explain as say

    said = say(release, subject, variable)
    if key_file is not None:
        from unibase.privacy.keys import read_key_file
        from unibase.releases.content.leaving import rows_key
        from unibase.releases.read.source_rows import with_row_numbers

        said = with_row_numbers(said, rows_key(read_key_file(key_file)))
    print(said)


@app.command
def baseline(release: Path, *, endpoint: str = "OS") -> object:
    """Learn survival on all centres but one, and say how well it holds in that one: the result to beat.

    Cox's model and a forest, for each modality and for all together; C with its 95 % limits, and C of shuffled outcomes,
    which is about one half unless something leaks.

    Example: `unibase baseline releases/uniriv-demo/1.0.0 --endpoint OS`

    Args:
        release: Folder of the release.
        endpoint: Endpoint (PARAMCD).
    """
    from rich.console import Console
    from rich.table import Table

    from unibase.releases.baseline.held_out import baseline as scores_of

    table = Table("model", "modality", "held out", "subjects", "events", "C", "95 % limits", "shuffled")
    scores = scores_of(release, endpoint)
    for one in scores:
        numbers = (f"{one.c:.2f}", f"{one.low:.2f} to {one.high:.2f}", f"{one.permuted:.2f}")
        table.add_row(one.model, one.modality, one.centre, str(one.subjects), str(one.events), *numbers)
    Console().print(table)
    return scores
