"""The kept model of an assay: learned once, kept in staging with the list of the fits before it, learned again when asked.

It is learned on the samples of the first build; a later night transforms the matrices that are new and leaves every
earlier row as it was. A new fit is an explicit act, which the release records: the key `assays.rna.model: refit`, another
method, or `unibase refit`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unibase.flows.runs.run import Run
from unibase.flows.study.places import MODELS
from unibase.groundwork.files import digest_of, write_json
from unibase.groundwork.problems import Unusable, UserError
from unibase.groundwork.work import Job, Outcome, Unit
from unibase.omics.options import RnaOptions

FIRST = "first-fit"
CHANGED = "other-method"
ASKED = "asked-for"
EVERY_TIME = "refit-in-every-build"


@dataclass(frozen=True)
class FrozenModel:
    """Where the model of an assay is kept, and whether somebody asked for a new fit."""

    folder: Path

    @classmethod
    def of(cls, models: Path, assay: str) -> FrozenModel:
        """Return the model of an `assay` among the `models` of a study (`places.MODELS`)."""
        return cls(models / assay)

    @property
    def asked(self) -> Path:
        """A file that stands for a new fit that was asked for; it goes with the fit."""
        return self.folder.with_name(f"{self.folder.name}-refit.json")

    def record(self) -> dict[str, Any] | None:
        """Return what is written down of it, or None before the first fit."""
        path = self.folder / "frozen.json"
        found: dict[str, Any] | None = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
        return found


def ask_for_refit(models: Path, assay: str) -> bool:
    """Make the next build fit the model of an `assay` in `models` again; return whether there is one that this will replace."""
    model = FrozenModel.of(models, assay)
    record = model.record()
    if record is None:
        return False
    write_json(model.asked, {"replaces": record["digest"]})
    return True


def released_models(models: Path) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield what a release says of each of the frozen `models`: digest, method, samples of the fit, every fit before it."""
    for path in sorted(models.glob("*/frozen.json")):
        record = FrozenModel(path.parent).record() or {}
        yield path.parent.name, {name: record[name] for name in ("digest", "method", "samples", "history")}


def keep_model(run: Run, stores: list[Path], excluded: frozenset[str], inputs: str) -> Outcome | None:
    """Fit the model of expression when that is due.

    Args:
        run: The run.
        stores: The staged matrices.
        excluded: Samples that are set aside.
        inputs: Digest of both.

    Returns:
        The failed fit, or None when there is a model.

    Raises:
        UserError: If the model that is kept cannot be read.
    """
    options = run.study.assays.rna
    model = FrozenModel.of(run.place(MODELS), "rna")
    record = model.record()
    reason = _fit_is_due(model, record, options, inputs)
    if reason:
        before = record["digest"] if record else None
        unit = Unit("rna", digest_of([inputs, reason, before]), (stores, excluded, options, model.folder, reason, inputs))
        job = Job(
            "fit-rna",
            _fit_model,
            settings=options.model_dump(mode="json"),
            still_there=lambda result: (model.record() or {}).get("digest") == result["digest"],
        )
        (fitted,) = run.units(job, [unit], code=("unibase.omics",))
        if fitted.status != "done":
            return fitted
        model.asked.unlink(missing_ok=True)
        record = model.record()
        if fitted.result["digest"] != before:
            run.say(
                f"normalise: rna: model {fitted.result['digest'][:12]} fitted on {fitted.result['samples']} samples ({reason})"
            )
    assert record is not None
    _check_model(model, record)
    return None


def _check_model(model: FrozenModel, record: dict[str, object]) -> None:
    """Refuse to go on with a model that cannot be read: a release without the assay is not what anybody asked for.

    Raises:
        UserError: With what is wrong of it.
    """
    from unibase.omics.models import frozen

    try:
        frozen.load(model.folder, record)
    except Unusable as problem:
        raise UserError(
            f"The model of expression in {model.folder} cannot be used. {problem.message} {problem.remedy} "
            "To fit it on all samples there are now, which changes every value: unibase refit STUDY, then build."
        ) from None


def _fit_is_due(model: FrozenModel, record: dict[str, object] | None, options: RnaOptions, inputs: str) -> str:
    """Return why a fit is due; empty when the model stays."""
    if record is None:
        return FIRST
    if model.asked.exists():
        return ASKED
    if record["method"] != options.method:
        return CHANGED
    again = options.model == "refit" and record["inputs"] != inputs
    return EVERY_TIME if again else ""


type _FitWork = tuple[list[Path], frozenset[str], RnaOptions, Path, str, str]


@dataclass(frozen=True)
class _Fitted:
    """The digest of a model, and on how many samples it was fitted."""

    digest: str
    samples: int


def _fit_model(_: None, work: _FitWork) -> _Fitted:
    """Learn the model of all matrices together, and keep it with the list of the fits before it."""
    from unibase.omics.models import frozen

    stores, excluded, options, folder, reason, inputs = work
    model, left_out = frozen.fit_stores(stores, excluded, options.method, folder.with_name(f".tmp-{folder.name}-counts"))
    history = (FrozenModel(folder).record() or {}).get("history", [])
    samples = len(model.samples)
    if not history or history[-1]["digest"] != model.digest:
        entry = {"digest": model.digest, "method": options.method, "samples": samples, "reason": reason}
        history = [*history, entry]
    further = {
        "method": options.method,
        "samples": samples,
        "genes_left_out": left_out,
        "inputs": inputs,
        "history": history,
    }
    model.save(folder, further)
    return _Fitted(model.digest, samples)
