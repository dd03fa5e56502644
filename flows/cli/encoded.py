"""The commands of linkage without clear text: `unibase encoded ...`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from unibase.clinical.formats.format_names import PeopleFormat
from unibase.flows.cli.app import app
from unibase.flows.cli.command_answers import CommandLine
from unibase.groundwork.problems import UserError

encoded_app = CommandLine(
    name="encoded", help="Who is who across centres that show one another no clear text: tokens under a shared key."
)
app.command(encoded_app)


@Parameter(name="*")
@dataclass(frozen=True)
class Sender:
    """Who encodes, and what its file is.

    Attributes:
        centre: Name of the centre, as in the study file.
        key_file: The linkage key: the same in all centres, not known to the linkage unit or the study.
        from_: Format of `people`: people, or the clinical records that say who the persons are.
    """

    centre: str
    key_file: Path
    from_: Annotated[PeopleFormat, Parameter(name="--from")] = "people"


@encoded_app.command(name="people")
def encoded_people(people: Path, out: Path, *, sender: Sender) -> None:
    """Centre: encode its people under the linkage key that the centres share. The file goes to the linkage unit.

    Example: `unibase encoded people people.csv A.encoded --centre A --key-file linkage.key`

    Args:
        people: CSV or Parquet of people; with --from, the clinical records that say who the persons are.
        out: File for the linkage unit.
    """
    from unibase.flows.vault.encoded_linkage import encode

    print(encode(people, out, sender.centre, sender.key_file, sender.from_))


@encoded_app.command(name="keys")
def encoded_keys(people: Path, out: Path, *, sender: Sender) -> None:
    """Centre: say which of its records its tokens stand for. The folder goes to the study.

    Example: `unibase encoded keys people.csv A.keys --centre A --key-file linkage.key`

    Args:
        people: What was encoded.
        out: Folder for the study: numbers and tokens of records, no trait of a person.
    """
    from unibase.flows.vault.encoded_linkage import keys

    print(keys(people, out, sender.centre, sender.key_file, sender.from_))


@encoded_app.command(name="link")
def encoded_link(*paths: Path) -> None:
    """Linkage unit: link the encoded people of any number of centres, in any order; needs no key.

    Example: `unibase encoded link A.encoded B.encoded C.encoded links/`

    Args:
        paths: Encoded files, one a centre, then the folder for the study: pairs of tokens with rule and score.
    """
    from unibase.flows.vault.encoded_linkage import link

    if len(paths) < 2:
        raise UserError("Name the encoded files, then the folder to write: unibase encoded link ENCODED... OUT")
    print(link(paths[:-1], paths[-1]))


@encoded_app.command(name="answer")
def encoded_answer(links: Path, *paths: Path) -> None:
    """Study: turn the linkage unit's pairs of tokens into the table of links of the study file.

    Example: `unibase encoded answer links/ A.keys B.keys C.keys work/vault/answer`

    Args:
        links: Folder of the linkage unit.
        paths: Folders of the centres, then the folder to write, in the vault.
    """
    from unibase.flows.vault.encoded_linkage import answer

    if len(paths) < 2:
        raise UserError("Name the centres' folders, then the folder to write: unibase encoded answer LINKS KEYS... OUT")
    print(answer(links, paths[:-1], paths[-1]))
