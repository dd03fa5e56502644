"""The stages of a build, in the order that what they read and leave gives them; the command line and Prefect run these."""

from __future__ import annotations

from unibase.flows.runs.stage import Stage, in_order
from unibase.flows.stages import (
    clinical,
    deidentify,
    features,
    fetch,
    identity,
    images,
    index,
    link,
    normalise,
    omics,
    people,
    release,
    segment,
    timeline,
)

_BY_ROOM = (
    people,
    clinical,
    fetch,
    deidentify,
    index,
    segment,
    features,
    images,
    omics,
    identity,
    normalise,
    timeline,
    link,
    release,
)

ALL = in_order([module.STAGE for module in _BY_ROOM])
"""All stages, the release last."""

STAGES = tuple(one for one in ALL if one is not release.STAGE)
"""All stages but the release, which takes a version."""


def stage(name: str) -> Stage:
    """Return the stage of a `name`.

    Raises:
        KeyError: If there is none; with the known names.

    >>> stage("index").name
    'index'
    """
    for one in STAGES:
        if one.name == name:
            return one
    raise KeyError(f"unknown stage {name}; known: {', '.join(one.name for one in STAGES)}")
