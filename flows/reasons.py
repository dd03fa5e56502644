"""Reasons of the flows: what happens to whole sources, and to copies that contradict one another."""

from __future__ import annotations

from unibase.groundwork.reasons import Reason

UNREADABLE_SOURCE = Reason(
    "unreadable-source",
    "A whole source cannot be read: the people, images or records of a centre, or an assay of it.",
    "Look whether the share is mounted and the export whole, mend it, and start the same command again.",
    "A CSV of people whose copy broke off inside its header.",
)
SOURCE_GIVES_NOTHING = Reason(
    "source-gives-nothing",
    "A source gave something before and gives nothing now.",
    "Mount the share or repeat the export; if the hospital gives it no more, take it out of the study file.",
    "An empty folder of images, because the share is not mounted.",
)
CONFLICTING_DUPLICATE = Reason(
    "conflicting-duplicate",
    "Two source files have one SOP Instance UID and different content; neither is used.",
    "Keep the right one in the source folder and run again.",
    "A slice that was sent twice, the second time with other pixels.",
)
