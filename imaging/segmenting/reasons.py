"""Why a model's mask is not used."""

from __future__ import annotations

from unibase.groundwork.reasons import Reason

MODEL_FAILED = Reason(
    "model-failed",
    "The model ended with an error, or left no mask that can be told from others.",
    "Read what it said (staging/imaging/segmented/<segmenter>/logs), mend it, and start again.",
    "A model that wants more memory than its card has.",
)
MODEL_TOO_SLOW = Reason(
    "model-too-slow",
    "The model took longer than the study allows.",
    "Raise `segmenters.<name>.minutes`, or run it on a faster machine.",
    "A whole-body CT on a processor.",
)
MODEL_LABELS = Reason(
    "model-labels",
    "The model's mask has values that the study file does not name.",
    "Name them in `segmenters.<name>.labels`, or set `ignore_others`.",
    "A probability map in place of labels.",
)
