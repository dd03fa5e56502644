"""Samples whose columns bear the names of files of aligned reads: BAM, SAM or CRAM."""

from __future__ import annotations

import re
from collections.abc import Sequence

_ALIGNMENT = re.compile(r"(?i)\.(bam|sam|cram)$")
_ALIGNER_WORDS = re.compile(
    r"(Aligned|[._](Aligned|sortedByCoord|sorted|sort|markdup|markdup_sorted|mkdup|dedup|umi_dedup|rmdup|out|toTranscriptome))$"
)


def are_alignments(titles: Sequence[str]) -> bool:
    """Whether all `titles` are names of files of aligned reads.

    >>> are_alignments(["/data/S1.bam", "S2.cram"]), are_alignments(["S1.bam", "S2"]), are_alignments([])
    (True, False, False)
    """
    return bool(titles) and all(_ALIGNMENT.search(title) for title in titles)


def samples_of_alignments(files: Sequence[str]) -> list[str]:
    """Return the samples of BAM files: by their names, or by their folders where all files bear one name.

    Args:
        files: Paths as featureCounts writes them above its columns.
    """
    parts = [re.split(r"[\\/]", file) for file in files]
    names = [_sample_of_alignment(part[-1]) for part in parts]
    if len(names) > 1 and len(set(names)) == 1:
        folders = [part[-2] if len(part) > 1 else "" for part in parts]
        return folders if all(folders) and len(set(folders)) == len(folders) else names
    return names


def _sample_of_alignment(file: str) -> str:
    """Return the sample's name in the name of a BAM file, without the words that aligners and sorters append."""
    name = _ALIGNMENT.sub("", file)
    while (shorter := _ALIGNER_WORDS.sub("", name)) and shorter != name:
        name = shorter
    return name
