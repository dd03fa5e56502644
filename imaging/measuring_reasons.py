"""Why a dose, a course over time or a model says nothing of a region: each code once, as of the room's `reasons`."""

from __future__ import annotations

from unibase.groundwork.reasons import Reason

UNSUPPORTED_DOSE = Reason(
    "unsupported-dose",
    "The dose is not in Gy, is the error of one, or does not say where its planes lie.",
    "Export the physical or effective dose in Gy, as a grid.",
    "An RTDOSE with Dose Units RELATIVE.",
)
NO_DOSE = Reason(
    "no-dose",
    "No dose has the frame of reference of the image on which the region lies.",
    "Put the dose of this plan beside it, or register the two.",
    "The dose of a plan that was made on another CT.",
)
OUTSIDE_DOSE = Reason(
    "outside-dose",
    "No voxel of the region lies in the grid of the dose.",
    "Compute the dose on a grid that holds the region, or leave the region out.",
    "A brain in the plan of a prostate.",
)
NO_PHASE_TIMES = Reason(
    "no-phase-times",
    "The course over time cannot be told: the series holds no phases, lacks one, or does not say when they were acquired.",
    "Export the whole series with its acquisition times, or leave the course over time out.",
    "Five phases of a breast MR with one AcquisitionTime.",
)
MODEL_UNFIT = Reason(
    "model-unfit",
    "The deep model gives no features of the region.",
    "Give a model that takes one box of 50 mm, float32 (1, 1, z, y, x), and returns numbers.",
    "A model of three colours.",
)
