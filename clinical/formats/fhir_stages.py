"""The stages that a FHIR Condition holds itself."""

from __future__ import annotations

from collections.abc import Iterator

from unibase.clinical.formats.fhir_fields import Context, Resource, answer_of, codings
from unibase.clinical.reasons import NOT_A_CANCER, TEXT_WITHHELD, UNREAD_FIELD
from unibase.clinical.words.tnm import category

_STAGING = ("AJCC//", "UICC//")


def stages_of(resource: Resource, is_of_cancer: bool, context: Context) -> Iterator[str]:
    """Yield the stages of a Condition; one that an Observation holds is read from that, and told here.

    Args:
        resource: The Condition.
        is_of_cancer: Whether something else than the stage says that it is a cancer.
        context: Told of what is not read.
    """
    for stage in resource.get("stage") or []:
        for field in ("type", "assessment"):
            if stage.get(field):
                context.count(UNREAD_FIELD, f"Condition.stage.{field}")
        if stage.get("assessment"):
            continue
        summary = stage.get("summary") or {}
        said, text = codings(summary), answer_of(summary)
        if text is None and summary.get("text"):
            group = category("STAGE", str(summary["text"]))
            text = group.value if group else None
            if text is None:
                context.report(TEXT_WITHHELD, "The stage is a text that is none of the stages.", "stage", refused=False)
        if text is None:
            continue
        if is_of_cancer or any(code.startswith(_STAGING) or "//" not in text for code in said):
            yield text
        else:
            context.report(NOT_A_CANCER, "The stage is one of a condition that no code says is a cancer.", "stage", refused=False)
