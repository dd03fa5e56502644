"""What the methods tell of assays: a table of what the manifest says, and the sentence that comes of it."""

import pytest

from unibase.releases.content.assay_methods import assay_sources

WINDOW = {"choose": "latest", "from_days": -365.0, "to_days": 0.0, "sample_types": ["tumour", "metastasis"]}
ROWS = [
    ("nothing is known", {}, []),
    (
        "all centres say one thing",
        {"recognised": {"lyon/rna": ["unit: counts"], "CHU-été/rna": ["unit: counts"]}},
        ["Sources of rna: unit: counts (all centres)."],
    ),
    (
        "two units, one rounded",
        {
            "recognised": {
                "lyon/rna": ["unit: counts"],
                "CHU-été/rna": ["unit: expected counts", "values rounded to whole counts"],
            }
        },
        ["Sources of rna: unit: counts (lyon); unit: expected counts (CHU-été); values rounded to whole counts (CHU-été)."],
    ),
    ("another assay", {"recognised": {"lyon/mutations": ["genome hg38"]}}, []),
    (
        "a window",
        {"windows": {"rna": WINDOW}},
        ["Of the samples of rna of type tumour, metastasis, the latest one counts, from day -365 up to day 0 around the index."],
    ),
    (
        "a window without ends or types",
        {"windows": {"rna": {"choose": "nearest", "from_days": None, "to_days": 90.5, "sample_types": []}}},
        ["Of the samples of rna, the nearest one counts, up to day 90.5 around the index."],
    ),
]


@pytest.mark.parametrize(("settings", "sentences"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_sources_and_windows(settings: dict[str, object], sentences: list[str]) -> None:
    assert assay_sources(settings, ["rna"]) == sentences
