"""The custodian's commands: `unibase ledger ...`, `unibase custodian ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from unibase.flows.cli.app import app
from unibase.flows.cli.command_answers import CommandLine
from unibase.privacy.longest_shift import DEFAULT_MAX_SHIFT_DAYS

ledger_app = CommandLine(name="ledger", help="Who is who: history, review and decisions of the identity ledger of a study.")
custodian_app = CommandLine(name="custodian", help="Two custodians, two keys: neither can go from a pseudonym to a person alone.")
app.command(ledger_app)
app.command(custodian_app)


@ledger_app.command(name="history")
def ledger_history(study: Path) -> None:
    """Show every revision of the identity ledger: records, persons, merges, splits.

    Example: `unibase ledger history study.yaml`

    Args:
        study: The study file.
    """
    from unibase.flows.vault.custodian import history

    print(history(study))


@ledger_app.command(name="review")
def ledger_review(study: Path) -> None:
    """Write the page on which a person decides the pairs that the rules leave open; it stays in the vault.

    Example: `unibase ledger review study.yaml`

    Args:
        study: The study file.
    """
    from unibase.flows.vault.custodian import review

    print(review(study))


@ledger_app.command(name="decide")
def ledger_decide(study: Path, decisions: Path) -> None:
    """Take decisions on pairs into the ledger, as a new revision.

    Example: `unibase ledger decide study.yaml links.csv`

    Args:
        study: The study file.
        decisions: CSV that the review page saved: left_centre, left_key, right_centre, right_key, relation (same,
            different or related).
    """
    from unibase.flows.vault.custodian import decide

    print(decide(study, decisions))


@custodian_app.command(name="tokens")
def custodian_tokens(study: Path, out: Path, *, key_file: Path) -> None:
    """Identity custodian: make a token per person, under the first key.

    Example: `unibase custodian tokens study.yaml tokens-to-send.csv --key-file first.key`

    Args:
        study: The study file; its ledger is there.
        out: File for the study custodian: tokens, no identity.
        key_file: The identity custodian's key.
    """
    from unibase.flows.vault.custodian import tokens

    print(tokens(study, key_file, out))


@custodian_app.command(name="subjects")
def custodian_subjects(tokens: Path, out: Path, *, key_file: Path, max_shift_days: int = DEFAULT_MAX_SHIFT_DAYS) -> None:
    """Study custodian: make the pseudonym and date shift of every token, under the second key.

    Example: `unibase custodian subjects tokens-to-send.csv subjects.csv --key-file second.key`

    Args:
        tokens: File of the identity custodian.
        out: File for staging.
        key_file: The study custodian's key.
        max_shift_days: Each subject's dates move 1 to this many days into the past.
    """
    from unibase.flows.vault.custodian import subjects

    print(subjects(tokens, key_file, out, max_shift_days))


@custodian_app.command(name="reveal")
def custodian_reveal(
    subjects: Path, out: Path, *pseudonyms: int, reason: Literal["care", "rights", "correction", "check"]
) -> None:
    """Study custodian: give the identity custodian the tokens of single pseudonyms, to find the persons; audited.

    Example: `unibase custodian reveal subjects.csv one.csv 355940857260635191 --reason care`

    Args:
        subjects: The study custodian's own file of all.
        out: File for the identity custodian: `unibase reidentify study.yaml PSEUDONYM --reason care --subjects FILE`.
        pseudonyms: Values of subject_id.
        reason: care: a finding concerns their care. rights: they use a right. correction: a source is to be corrected.
            check: a check of the pipeline.
    """
    from unibase.flows.vault.custodian import reveal

    print(reveal(subjects, out, pseudonyms, reason))
