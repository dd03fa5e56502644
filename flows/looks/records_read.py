"""What was read of the records of each centre, what was not and why, and what entered no table."""

from __future__ import annotations

from collections.abc import Iterator

from unibase.clinical.timelines.account_words import Account
from unibase.flows.study.places import RECORDS
from unibase.flows.study.study_file import Study
from unibase.groundwork.tables import QUARANTINE


def records_text(study: Study) -> str:
    """Return the account of the records that were read last, by file, field and code system; and what is kept out of tables.

    Args:
        study: The study.
    """
    return "\n".join([*_accounts(study), *_kept_out(study)])


def _accounts(study: Study) -> Iterator[str]:
    for name in study.centres:
        folder = RECORDS.of(study.work.root, centre=name)
        if (folder / "data").is_dir():
            yield f"{name}:"
            yield from (f"  {line}" for line in Account.of(folder).lines())


def _kept_out(study: Study) -> Iterator[str]:
    """Yield what stands apart as impossible: check, count and code; never a value."""
    path = study.work.staging / "quarantine" / "timeline.parquet"
    if path.exists():
        yield from (f"{centre}: {message}" for centre, message in QUARANTINE.read(path).select("centre", "message").iter_rows())
