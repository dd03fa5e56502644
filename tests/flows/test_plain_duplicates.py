"""Files of one SOP Instance UID on the command line: the same content twice is one file, other content is set aside."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from tests.imaging.deidentify_help import KEY, LOOKUP, ct, save
from unibase.flows.cli.plain_files import _apart
from unibase.flows.stages.deidentify import deidentify_to
from unibase.groundwork.work import Outcome
from unibase.imaging.confidentiality.deidentified import DeidentifyTask
from unibase.imaging.options import DeidentifyOptions


def test_neither_of_two_contents_is_taken_for_the_right_one(tmp_path: Path) -> None:
    out, outcomes = tmp_path / "out", []
    pixels = ct().PixelData
    made = {
        "a.dcm": ct(),
        "b.dcm": ct(PixelData=pixels[::-1]),
        "c.dcm": ct(SOPInstanceUID="1.2.3.4.55.6.7.1002"),
        "d/c.dcm": ct(SOPInstanceUID="1.2.3.4.55.6.7.1002"),
    }
    for name, ds in made.items():
        task = DeidentifyTask(save(ds, tmp_path / "in" / name), out, "A", DeidentifyOptions(), KEY, LOOKUP)
        outcomes.append(Outcome(name, "digest", "done", asdict(deidentify_to(task))))
    apart = _apart(outcomes, out)
    assert [outcome.status for outcome in apart] == ["quarantined", "quarantined", "done", "done"]
    assert {outcome.reason for outcome in apart[:2]} == {"conflicting-duplicate"}
    assert len(list(out.rglob("*.dcm"))) == 1
    assert _apart(outcomes[2:], out) == outcomes[2:]
