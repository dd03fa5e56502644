"""The checks of concordance: each code once, with what is wrong, what can be done, and an example.

They leave nothing out by themselves: a study says which of them exclude (`cohort.exclude: [discordant:sex]`).
"""

from __future__ import annotations

from unibase.groundwork.reasons import Reason

_LOOK = "Ask the hospitals whose records these are; `unibase ledger review` shows the pairs that may be wrong links."

SEX = Reason("sex", "Two sources tell two sexes of one person.", _LOOK, "Male in the records, female in the header of a CT.")
DATES = Reason("dates", "An image or a sample lies before birth or after death.", _LOOK, "A PET a month after the death.")
AGE = Reason("age", "The age in a header does not fit the date of birth.", _LOOK, "61 years in the header, 43 by the records.")
BODY_PART = Reason(
    "body-part",
    "No image shows the site of the tumour.",
    "Check that all series were exported.",
    "A lung tumour, and images of the knee alone.",
)
LATERALITY = Reason(
    "laterality", "A region lies on the other side than the record says.", "Look at the image, and correct the wrong one.",
    "A region `Poumon_D` where the diagnosis is of the left lung.",
)  # fmt: skip
WEIGHT = Reason(
    "weight", "The weight in a header does not fit the record of those weeks.", _LOOK, "52 kg and 96 kg within a month."
)
DUPLICATE = Reason(
    "duplicate",
    "One sample stands under the names of two persons.",
    "Ask the laboratory whose it is.",
    "Two columns of counts, alike to the last read.",
)
GENOTYPE = Reason(
    "genotype",
    "Two samples of one person are not of one person.",
    "Ask the laboratory.",
    "Relatedness 0.1 between a tumour and its blood.",
)
BIRTHS = Reason(
    "births",
    "The records tell two dates of birth, a month or more apart.",
    _LOOK,
    "Born in 1951 at one hospital, in 1962 at another.",
)
DEATHS = Reason("deaths", "The records tell two dates of death, a month or more apart.", _LOOK, "Two deaths 400 days apart.")
AFTER_DEATH = Reason(
    "after-death", "Results are dated a week or more after death.", _LOOK, "A blood count 40 days after the death."
)
ORGAN = Reason("organ", "An organ of the other sex is named.", _LOOK, "A tumour of the prostate of a woman.")
SAMPLE_DATE = Reason(
    "sample-date",
    "A tumour sample was taken two years or more before the first diagnosis of cancer.",
    "Check the date of the sample, and whose it is.",
    "Tumour of 2009, diagnosis of 2016.",
)
FOREIGN_SERIES = Reason(
    "foreign-series", "One series of a person says another sex or age than all the others do.", "Look at who the series is of.",
    "Four CT of a man born in 1950, and one of a woman born in 1977.",
)  # fmt: skip
SHARED_SERIES = Reason(
    "shared-series", "One series stands under two persons.", "Ask the hospital whose it is, and remove the other copy.",
    "The same SeriesInstanceUID in the folders of two patients.",
)  # fmt: skip
MASK = Reason(
    "mask", "A mask looks wrong on its image.", "Look at it on the contact sheet, and write a verdict.",
    "A kidney of which a part of the border has no edge of the image.",
)  # fmt: skip
TWO_PLACES = Reason(
    "two-places",
    "The person was in two hospitals on the same days.",
    _LOOK,
    "Two stays of a week, in the same week, in two cities.",
)
