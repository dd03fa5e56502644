"""What the custodian of identities does with the ledger of a study: look, decide, look back, rotate the key, share custody.

Everything here reads and writes in the vault. What is returned to the screen holds counts and file names, no person.
"""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from unibase.flows.study.places import PEOPLE as PEOPLE_TABLE
from unibase.flows.study.study_file import Study
from unibase.flows.study.validation import read_study
from unibase.flows.vault.reidentify import Reason
from unibase.groundwork.files import write_text
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import PEOPLE
from unibase.privacy import pseudonyms
from unibase.privacy.audit import AuditLog
from unibase.privacy.custody import custodians
from unibase.privacy.keys import new_key, read_key_file, write_key_file
from unibase.privacy.ledger import persons, review_page
from unibase.privacy.ledger.people_file import read_links


def history(study_file: Path) -> str:
    """Return the revisions of the ledger in words, oldest first.

    Args:
        study_file: The study file.
    """
    study = _with_ledger(study_file)
    lines = ["revision  records  persons  merges  splits  review  links made"]
    for about in persons.revisions(study.work.identity):
        counts = about["counts"]
        made = ", ".join(f"{rule} {count}" for rule, count in counts["links"].items()) or "none"
        changes = counts["changes"]
        lines.append(
            f"{about['revision']:8}  {counts['records']:7}  {counts['persons']:7}  {changes.get('merge', 0):6}  "
            f"{changes.get('split', 0):6}  {counts['review']:6}  {made}"
        )
    lines.append("Build as of one of them: `ledger_revision` in the study file. Merges and splits are counted in records.")
    return "\n".join(lines)


def review(study_file: Path) -> str:
    """Write the page of open pairs into the vault; return where it is and what to do with it. `study_file`: the study file."""
    study = _with_ledger(study_file)
    page = study.work.vault / "review.html"
    count = review_page.write_review_page(study.work.identity, page)
    _audit(study).append(getpass.getuser(), "identity-review", 0, {"pairs": count})
    if not count:
        return f"No pair waits for a decision. {page} says so."
    return f"{page}: pairs to decide: {count}. Open it, save links.csv into the vault, then: unibase ledger decide {study_file} links.csv"


def decide(study_file: Path, decisions: Path) -> str:
    """Take decisions on pairs into a new revision of the ledger; return what changed.

    Args:
        study_file: The study file.
        decisions: CSV of decided pairs.

    Raises:
        UserError: If the table cannot be used, or names a record that is not in the ledger.
    """
    study = _with_ledger(study_file)
    links = read_links(decisions)
    people = PEOPLE.read(PEOPLE_TABLE.of(study.work.root))
    before = len(persons.revisions(study.work.identity))
    with study.work.owned():
        report = persons.update_ledger(
            study.work.identity, people, study.read_key(), max_shift_days=study.deidentification.max_shift_days, links=links
        )
        new = report.revision > before
        _audit(study).append(
            getpass.getuser(),
            "identity-decisions",
            len(report.changed_subjects) + len(report.gone_subjects) if new else 0,
            {"pairs": links.height, "revision": report.revision, "merges": report.merges, "splits": report.splits},
        )
    if not new:
        return f"Nothing new: the ledger stays at revision {report.revision}. Pairs to decide: {report.review}."
    refused = "".join(f"\nnot made, {reason}: {count}" for reason, count in report.refused.items())
    return (
        f"revision {report.revision}: {report.merges} persons merged into another, {report.splits} split off; "
        f"pairs to decide: {report.review}.{refused}\nNext: unibase build {study_file} --nightly"
    )


def rotate(study_file: Path, key_file: Path) -> str:
    """Make a new key and write, in the vault, which pseudonym becomes which; links are not touched.

    Args:
        study_file: The study file.
        key_file: File of the new key, made here.

    Raises:
        UserError: If the key file exists, or the pseudonyms do not depend on the study's key.
    """
    study = _with_ledger(study_file)
    if study.custodians:
        raise UserError(
            "This study has two custodians, on whose keys its pseudonyms hang. For new ones the study custodian makes a new key, and "
            "subjects anew from the same tokens: unibase key new FILE, unibase custodian subjects TOKENS OUT --key-file FILE. "
            "The column token of the old file and of the new one says which pseudonym became which."
        )
    old, new = study.read_key(), new_key()
    write_key_file(new, key_file)
    names = sorted(set(persons.persons(study.work.identity)["person"]))
    rows = [(pseudonyms.subject_id(old, name), pseudonyms.subject_id(new, name)) for name in names]
    table = pl.DataFrame(rows, schema={"old_subject_id": pl.Int64, "new_subject_id": pl.Int64}, orient="row")
    out = study.work.vault / f"pseudonyms-{old.fingerprint}-to-{new.fingerprint}.csv"
    write_text(out, table.sort("old_subject_id").write_csv(), mode=0o600)
    _audit(study).append(getpass.getuser(), "rotate-key", len(rows), {"old": old.fingerprint, "new": new.fingerprint})
    return (
        f"{key_file}: new key, fingerprint {new.fingerprint}; {len(rows)} pseudonyms old and new in {out}.\n"
        f"Next: name {key_file} under `key` in {study_file}, raise `release: version`, and build. Keep the old key as long as its releases."
    )


def tokens(study_file: Path, key_file: Path, out: Path) -> str:
    """Identity custodian: write a token per record for staging (vault only), and the tokens alone for the study custodian.

    Args:
        study_file: The study file.
        key_file: Key of the custodian.
        out: Folder or file to write to.
    """
    study = _with_ledger(study_file)
    made = custodians.person_tokens(study.work.identity, read_key_file(key_file), revision=study.ledger_revision)
    kept = study.work.vault / "tokens.csv"
    custodians.write_tokens(made, kept)
    distinct = set(made.values())
    custodians.write_token_list(distinct, out)
    _audit(study).append(getpass.getuser(), "custodian-tokens", len(distinct))
    return f"{out}: {len(distinct)} tokens for the study custodian, without any identity. {kept} stays in the vault: `custodians: tokens`."


def subjects(token_file: Path, key_file: Path, out: Path, max_shift_days: int) -> str:
    """Study custodian: write pseudonym and shift of every token.

    Args:
        token_file: CSV of tokens.
        key_file: Key of the custodian.
        out: Folder or file to write to.
        max_shift_days: Longest shift, in days.

    Raises:
        UserError: If the file has no column `token`.
    """
    found = custodians.subjects_of_tokens(custodians.read_token_list(token_file), read_key_file(key_file), max_shift_days)
    custodians.write_subjects(found, out)
    return f"{out}: pseudonyms of {len(found)} persons, for staging: `custodians: subjects` in the study file."


def reveal(subject_file: Path, out: Path, pseudonyms: Sequence[int], reason: Reason) -> str:
    """Study custodian: write token, pseudonym and shift of single pseudonyms; the audit log beside the file says so first.

    Args:
        subject_file: Table of tokens, pseudonyms and shifts.
        out: Folder or file to write to.
        pseudonyms: The pseudonyms asked for.
        reason: Why, which the audit log keeps.

    Raises:
        UserError: If a pseudonym is not in the file, or none is named.
    """
    found = custodians.only(custodians.read_subjects(subject_file), pseudonyms)
    missing = len(set(pseudonyms)) - len(found)
    if missing or not pseudonyms:
        raise UserError(
            f"{missing} of these are no pseudonyms of {subject_file}. Copy them from the release."
            if missing
            else "Name at least one subject_id: unibase custodian reveal SUBJECTS OUT SUBJECT_ID --reason care"
        )
    log = AuditLog(subject_file.parent / "custodian.audit.jsonl")
    log.append(getpass.getuser(), "custodian-reveal", len(found), {"reason": reason, "pseudonyms": sorted(map(str, pseudonyms))})
    custodians.write_subjects(found, out)
    return (
        f"{out}: {len(found)} of the pseudonyms, for the identity custodian: unibase reidentify STUDY PSEUDONYM --subjects {out}"
    )


def _with_ledger(study_file: Path) -> Study:
    study = read_study(study_file)
    if not persons.revisions(study.work.identity):
        raise UserError(f"The study has no identity ledger yet. Make it: unibase run people {study_file}")
    return study


def _audit(study: Study) -> AuditLog:
    return study.audit
