"""De-identified images to the archive for research that a study names."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from pathlib import Path

from unibase.flows.runs.run import Run, open_run
from unibase.flows.runs.stopping import check
from unibase.flows.study.places import DICOM
from unibase.flows.study.study_file import Study
from unibase.flows.study.who_asks import certificates, who_asks
from unibase.flows.vault.sending_results import results_of
from unibase.groundwork.problems import UserError
from unibase.groundwork.work import Outcome
from unibase.imaging.fetching.dicomweb import connect
from unibase.imaging.fetching.options import DicomTarget
from unibase.imaging.fetching.polite import Asking
from unibase.imaging.sending.archive_batches import Leaving, Sender, send
from unibase.imaging.sending.node_sender import NodeSender
from unibase.imaging.sending.web_sender import WebSender

STAGE = "send"


def send_study(study: Study) -> str:
    """Send what de-identification left and the archive does not have; return what was sent, in words.

    Args:
        study: The study.

    Raises:
        UserError: If the study names no archive, or it refuses us.
        SourceAway: If it is away; what went is known.
    """
    target = study.research_pacs
    if target is None:
        raise UserError(f"{study.file} names no research_pacs. Add that section: where de-identified images go.")
    with study.work.owned(), open_run(study) as run:
        ready = {one.key: one for name in study.centres for one in _ready(run, name)}
        if target.results:
            ready |= {one.key: one for one in results_of(run)}
        known = {key: outcome for key, (_, outcome) in run.ledger.known(STAGE).items()}
        todo = [one for key, one in sorted(ready.items()) if not _went(known.get(key), one)]
        ended: list[Outcome] = []

        def write(outcomes: list[Outcome]) -> None:
            run.ledger.record(STAGE, [("", outcome) for outcome in outcomes])
            ended.extend(outcomes)
            check()

        try:
            send(_sender(study, target), Asking(target.pace, "The research PACS"), todo, write)
        finally:
            _say_in_audit(study, ended)
        return _in_words(len(ready), ended, sorted(known.keys() - ready.keys()))


def _went(known: Outcome | None, one: Leaving) -> bool:
    return known is not None and known.status == "done" and known.input_digest == one.digest


def _ready(run: Run, centre: str) -> Iterator[Leaving]:
    """Yield the de-identified files of a centre; what left staging, for an objection or else, is not among them."""
    root = DICOM.of(run.study.work.root)
    for _, one in run.ledger.known(f"deidentify-{centre}").values():
        if one.status == "done":
            result = one.result
            path: Path = root / result["path"]
            yield Leaving(result["path"], result["blake3"], result["StudyInstanceUID"], result["SOPInstanceUID"], path)


def _sender(study: Study, target: DicomTarget) -> Sender:
    tls = certificates(study, target.tls)
    if target.dimse is not None:
        return NodeSender(target.dimse, target.pace.timeout, tls if target.dimse.encrypted else None)
    who = dict(who_asks(study, target.credentials).headers)
    return WebSender(connect(target.dicomweb or "", study.work.vault, tls, target.pace.timeout, who).http)


def _say_in_audit(study: Study, ended: list[Outcome]) -> None:
    sent = sum(one.status == "done" for one in ended)
    if ended:
        log = study.audit
        log.append(getpass.getuser(), "images-sent", 0, {"sent": sent, "not_taken": len(ended) - sent})


def _in_words(ready: int, ended: list[Outcome], gone: list[str]) -> str:
    sent = sum(one.status == "done" for one in ended)
    lines = [f"{ready} de-identified instances: {sent} sent now, {ready - len(ended)} were there, {len(ended) - sent} not taken."]
    if gone:
        lines.append(
            f"{len(gone)} that were sent before are no longer in staging (objection, or taken back by their hospital): "
            "remove them from the research PACS. Their names there: unibase status --files, stage send."
        )
    return "\n".join(lines)
