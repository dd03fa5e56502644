"""Why a cell of a release is empty: each reason once, with its meaning, what can be done, and an example.

A release quarantines nothing of its own: what the rooms before set aside stands in its table `quarantine`, under their codes.
"""

from __future__ import annotations

from unibase.groundwork.reasons import Reason

NOT_DONE = Reason(
    "not done",
    "No record says anything of it.",
    "Nothing, if it was not done; else add the source that holds it, and build again.",
    "No sample was sequenced.",
)
NOT_KNOWN = Reason(
    "not known",
    "A record lies in the window, or may by its partial date, and gives no value.",
    "Look at the row that `unibase explain` names.",
    "A stage group recorded without a value.",
)
NOT_APPLICABLE = Reason(
    "not applicable",
    "The row cannot have it.",
    "Nothing.",
    "The description of an event in a row that is censored.",
)
NOT_YET = Reason(
    "not yet",
    "It was recorded only after the index.",
    "Nothing; a value known only later is no predictor.",
    "A biopsy taken a month after the index.",
)
WITHHELD = Reason(
    "withheld",
    "A sample of the subject exists and was refused by a gate.",
    "Look in the table `quarantine` for what the gate found, and mend it at the source.",
    "A tumour sample whose counts were set aside as duplicated.",
)
