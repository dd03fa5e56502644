"""What is known of the copy that de-identification wrote."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Deidentified:
    """The pseudonymised copy of one instance; its identifiers are pseudonyms.

    Attributes:
        path: Where the copy stands.
        subject_id: Whose it is.
        blake3: Digest of the copy.
        StudyInstanceUID, SeriesInstanceUID, SOPInstanceUID: Its identifiers.
        SOPClassUID: What kind of object it is.
        Modality: As the source says it.
        met: Words of its texts that are names too (of the vault).
        dates_before: What the source says of its dates (0028,0303).
        actions: How often each action was taken on each attribute, `{action: {keyword: count}}`.
    """

    path: str
    subject_id: int
    blake3: str
    StudyInstanceUID: str
    SeriesInstanceUID: str
    SOPInstanceUID: str
    SOPClassUID: str
    Modality: str
    met: list[str]
    dates_before: str
    actions: dict[str, dict[str, int]]
