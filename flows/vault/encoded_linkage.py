"""Linkage without clear text: what a centre, the linkage unit and the study do with their files.

What is returned to the screen holds counts and file names, no person.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from unibase.clinical.options import PeopleFormat
from unibase.privacy.encoded import exchange
from unibase.privacy.keys import read_key_file
from unibase.privacy.ledger.people_file import read_people as read_people_file


def encode(people: Path, out: Path, centre: str, key_file: Path, source: PeopleFormat) -> str:
    """Centre: encode its people for the linkage unit.

    Args:
        people: People file.
        out: Folder or file to write to.
        centre: Name of the centre.
        key_file: The linkage key that the centres share.
        source: Format of the people.
    """
    key = read_key_file(key_file)
    encoded = exchange.write_encoded(_people(people, centre, source), key, out)
    persons = encoded.records["person"].n_unique()
    return (
        f"{out}: {persons} records of {centre}, {encoded.names.height} names, {out.stat().st_size / 1e6:.1f} MB, linkage key "
        f"{key.fingerprint}. For the linkage unit alone: it is personal data, and the unit must not have the key."
    )


def keys(people: Path, out: Path, centre: str, key_file: Path, source: PeopleFormat) -> str:
    """Centre: tell the study which of its records the tokens stand for.

    Args:
        people: People file.
        out: Folder or file to write to.
        centre: Name of the centre.
        key_file: The linkage key that the centres share.
        source: Format of the people.
    """
    count = exchange.write_keys(_people(people, centre, source), read_key_file(key_file), out)
    return (
        f"{out}: tokens and numbers of {count} records of {centre}, no name, date, sex or place. For the study alone, never for the "
        f"linkage unit. {out / 'people.csv'} is what the study takes for `centres: {centre}: people`."
    )


def link(files: Sequence[Path], out: Path) -> str:
    """Linkage unit: link the encoded files of all centres.

    Args:
        files: Encoded files of the centres.
        out: Folder or file to write to.
    """
    found = exchange.link_files(files, out)
    return (
        f"{out}: {found.links.height} links between records of {len(files)} centres, {found.review.height} pairs that a person should "
        "decide; tokens only. For the study. Then delete the encoded files."
    )


def answer(links: Path, key_folders: Sequence[Path], out: Path) -> str:
    """Study: bring the answer of the linkage unit back to the records of its centres.

    Args:
        links: Answer of the linkage unit.
        key_folders: What each centre told the study.
        out: Folder or file to write to.
    """
    found = exchange.read_answer(links, key_folders)
    exchange.write_answer(found, out)
    return (
        f"{out / 'links.csv'}: {found.links.height} pairs of records, for `links` in the study file. {out / 'review.csv'}: "
        f"{found.review.height} pairs to decide; fill the column relation (same, different) and add those rows to links.csv."
    )


def _people(path: Path, centre: str, source: PeopleFormat) -> pl.DataFrame:
    if source == "people":
        return read_people_file(path, centre).people
    from unibase.clinical.formats.registrations import read_people

    return read_people(source, path, centre)
