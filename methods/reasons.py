"""Why a statistical method cannot be used on what it is given: each code once, with its meaning, its way out and an example."""

from __future__ import annotations

from unibase.groundwork.reasons import Reason

ONE_BATCH = Reason(
    "one-batch",
    "All samples are of one batch.",
    "There is nothing to correct: leave the correction out.",
    "A table of batches with one value.",
)
SINGLETON_BATCH = Reason(
    "singleton-batch",
    "A batch has one sample: nothing can be learned of it.",
    "Merge it with a like batch, or leave it out.",
    "A last plate with one tube.",
)
CONFOUNDED_BATCH = Reason(
    "confounded-batch",
    "Batches and kept effects cannot be told apart.",
    "Leave the effect out, or do not correct.",
    "All tumours in one batch and all normals in the other.",
)
TOO_FEW_SAMPLES = Reason(
    "too-few-samples",
    "A method has fewer samples than it can learn from.",
    "Add samples, or use another method.",
    "voom with as many samples as coefficients.",
)
TOO_FEW_GENES = Reason(
    "too-few-genes",
    "A method has fewer genes than it can learn from.",
    "Use a method that needs fewer.",
    "`vst-fast` on 200 genes.",
)
TOO_FEW_COUNTS = Reason(
    "too-few-counts",
    "The genes have too few counts to learn a dispersion.",
    "Leave rare genes out, or use another method.",
    "A batch of almost empty libraries.",
)
NO_DISPERSION_TREND = Reason(
    "no-dispersion-trend",
    "No trend of dispersion over the mean can be fitted.",
    "Use tmm, or add samples.",
    "Counts without any variation between samples.",
)
SINGULAR_DESIGN = Reason(
    "singular-design",
    "A design has columns that follow from others.",
    "Leave one of them out.",
    "Age and year of birth in one design.",
)
