"""The words of an archive that name nobody, shown to the custodian for approval."""

from __future__ import annotations

from pathlib import Path

from unibase.flows.runs.run import files_below
from unibase.groundwork.files import write_text
from unibase.groundwork.problems import UserError
from unibase.imaging.confidentiality.texts.archive_words import ArchiveWords
from unibase.privacy.ledger.people_file import read_people

_SHOWN = 40


def words_of_archive(source: Path, people: Path | None, least: int, out: Path | None) -> str:
    """Return the words of a folder of DICOM that stand with many persons and name nobody, in words for the custodian.

    Args:
        source: Folder with DICOM files.
        people: CSV of people, whose names are never listed and who may have several numbers.
        least: Persons with whom a word must stand.
        out: CSV to write, mode 0600, with all words; or None.

    Raises:
        UserError: If there is no source, or `least` is below 2.
    """
    if not source.is_dir():
        raise UserError(f"No folder at {source}. Name the folder that holds the DICOM files.")
    if least < 2:
        raise UserError("A word of one person may name that person: --least is 2 or more.")
    words = ArchiveWords()
    if people is not None:
        rows = read_people(people, "centre").people
        words = ArchiveWords(dict(zip(rows["identifier"], rows["person_key"], strict=True)))
        for column in ("birth_family_name", "used_family_name", "given_names"):
            words.know(name for name in rows[column] if name)
    for path in files_below(source):
        words.read(path)
    found = words.found(least)
    if out is not None:
        write_text(out, "word,persons\n" + "".join(f"{word},{count}\n" for word, count in found), mode=0o600)
    lines = [f"{len(found)} words that the vocabulary does not know stand with {least} persons or more, and are nobody's name:"]
    lines += [f"  {word} ({count})" for word, count in found[:_SHOWN]]
    lines += (
        [f"  and {len(found) - _SHOWN} more" + (f" in {out}" if out else "; --out writes all")] if len(found) > _SHOWN else []
    )
    if found:
        lines.append("Look at each, and allow what names nobody in the study file:")
        lines.append(f"deidentification: {{words: [{', '.join(word for word, _ in found[:_SHOWN])}]}}")
    return "\n".join(lines)
