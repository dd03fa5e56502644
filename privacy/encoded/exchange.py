"""The files of linkage without clear text: what centres, linkage unit and study hand to one another.

    centre       encodes its people            A.encoded  to the linkage unit: tokens (`identity_encoded`), no key
    centre       names its records             A.keys/    to the study: hospital numbers and tokens of records, no trait
    linkage unit links all encoded files       links/     to the study: pairs of tokens
    study        reads tokens as person keys   answer/    links.csv for the study file, review.csv for a person

Every file says under which linkage key, by its fingerprint, and with which encoding it was made: what was made with
others is refused, for it would link nothing and say nothing. All are written whole or not at all, mode 0600; equal
content gives equal bytes.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from unibase.groundwork.files import json_text, write_bytes, write_json
from unibase.groundwork.outputs import Ours, replaced_folder
from unibase.groundwork.problems import UserError
from unibase.privacy.encoded.encoding import (
    BIRTH_PARTS,
    FILTER_BYTES,
    NAMES,
    PARAMETERS,
    RECORDS,
    TOKEN_BYTES,
    Encoded,
    encode_people,
    tokens_of_records,
)
from unibase.privacy.encoded.linkage import link_encoded
from unibase.privacy.keys import Key
from unibase.privacy.ledger.comparable import RecordKey
from unibase.privacy.ledger.decided import SAME_AS
from unibase.privacy.ledger.edges import Edge
from unibase.privacy.ledger.groups import links_that_hold
from unibase.privacy.ledger.residence import READ
from unibase.privacy.ledger.traits import valid_ins

VERSION = 1
"""Version of these files; another one is refused."""

_ENCODED, _KEYS, _LINKS = "encoded people", "encoded keys", "encoded links"
_MADE_BY = {
    _ENCODED: "unibase encoded people PEOPLE OUT --centre CENTRE --key-file FILE",
    _KEYS: "unibase encoded keys PEOPLE OUT --centre CENTRE --key-file FILE",
    _LINKS: "unibase encoded link ENCODED... OUT",
}
_NAMED = {_ENCODED: {"linkage_key", "centre"}, _KEYS: {"linkage_key", "centre"}, _LINKS: {"linkage_key", "centres"}}
_ABOUT = "about.json"
_TOKEN_PAIR = ("left_centre", "left_token", "right_centre", "right_token", "rule", "score")
_KEY_PAIR = ("left_centre", "left_key", "right_centre", "right_key")


class Linked(NamedTuple):
    """What a linkage unit found: pairs of person tokens, `centre, token, centre, token, rule, score`."""

    links: pl.DataFrame
    review: pl.DataFrame


def write_encoded(people: pl.DataFrame, linkage_key: Key, path: Path | str) -> Encoded:
    """Encode the PEOPLE rows `people` of one centre by the `linkage_key` into a file, `path`; return what was written."""
    encoded = encode_people(people, linkage_key)
    about = _about(_ENCODED, linkage_key.fingerprint, centre=_one_centre(people), parameters=PARAMETERS)
    members = {
        _ABOUT: json_text(about).encode(),
        "names.parquet": _parquet(encoded.names),
        "records.parquet": _parquet(encoded.records),
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for name, member in members.items():
            # A ZipInfo of its own carries no time of day.
            archive.writestr(zipfile.ZipInfo(name), member)
    write_bytes(path, content.getvalue(), mode=0o600)
    return encoded


def write_keys(people: pl.DataFrame, linkage_key: Key, folder: Path | str) -> int:
    """Write, for the study, which records of a centre its tokens stand for; return how many records there are.

    The folder holds `people.csv` (`system, identifier, person_key`: a people file without any trait of a person) and `keys.csv`
    (`person_key, token`).

    `people` are PEOPLE rows; the tokens are those that `write_encoded` makes of them under the same `linkage_key`.

    Raises:
        UserError: If a person_key is an INS, or a record has no other number than its INS: that tells sex and birth.
    """
    centre = _one_centre(people)
    bare = people.select("system", "identifier", "person_key").filter(~_is_ins("identifier"), pl.col("system") != "ins")
    if people.filter(_is_ins("person_key")).height:
        raise UserError(
            f"A person_key of centre {centre} is an INS, which tells sex and birth. Give the centre's own number instead."
        )
    lost = set(people["person_key"]) - set(bare.filter(pl.col("system") != SAME_AS)["person_key"])
    if lost:
        raise UserError(f"{len(lost)} records of centre {centre} have no number but their INS. Give each its hospital number.")
    keys = pl.DataFrame(
        [(person_key, token) for token, (_, person_key) in tokens_of_records(people, linkage_key).items()],
        schema={"person_key": pl.String, "token": pl.String},
        orient="row",
    )
    with _folder(folder, (_ABOUT, "people.csv", "keys.csv")) as temporary:
        write_json(temporary / _ABOUT, _about(_KEYS, linkage_key.fingerprint, centre=centre))
        bare.unique().sort(pl.all()).write_csv(temporary / "people.csv")
        keys.sort("token").write_csv(temporary / "keys.csv")
    return keys.height


def link_files(paths: Sequence[Path], folder: Path | str) -> Linked:
    """Linkage unit: link the encoded files of any number of centres, in any order, and write what was found.

    The folder holds `links.csv` and `review.csv`: `left_centre, left_token, right_centre, right_token, rule, score`. A link that
    would put two INS into one person is for review.

    Args:
        paths: The encoded files, one of each centre.
        folder: Where to write; replaced if it stands.

    Raises:
        UserError: If a file cannot be read, two are of one centre, or they differ in linkage key or encoding.
    """
    files = [_read_encoded(path) for path in paths]
    abouts = [about for about, _ in files]
    _of_one_key(list(zip(paths, abouts, strict=True)))
    _each_centre_once(list(zip(paths, abouts, strict=True)))
    encoded = [part for _, part in files]
    links, review = link_encoded(encoded)
    made, refused = links_that_hold(_ins_of_tokens(encoded), links)
    found = Linked(*(_pairs_of_tokens(edges) for edges in (made, [*refused, *review])))
    about = _about(_LINKS, abouts[0]["linkage_key"], centres=sorted(one["centre"] for one in abouts))
    with _folder(folder, (_ABOUT, "links.csv", "review.csv")) as temporary:
        write_json(temporary / _ABOUT, about)
        found.links.write_csv(temporary / "links.csv")
        found.review.write_csv(temporary / "review.csv")
    return found


def read_answer(links: Path, keys: Sequence[Path]) -> Linked:
    """Study: return what the linkage unit found as pairs of records, by what the centres say of their tokens.

    `links` has the columns of a table of links (`privacy.ledger.people_file.read_links`), `review` too, with rule, score and an empty relation.

    Raises:
        UserError: If a folder cannot be read, one centre's keys are missing, or they are of another linkage key.
    """
    about = _read_about(links, _LINKS)
    abouts = [_read_about(folder, _KEYS) for folder in keys]
    _of_one_key([(links, about), *zip(keys, abouts, strict=True)])
    _each_centre_once(list(zip(keys, abouts, strict=True)))
    missing = sorted(set(about["centres"]) - {one["centre"] for one in abouts})
    if missing:
        raise UserError(f"{links} links centre {missing[0]}, whose keys are not there. Ask it for them: {_MADE_BY[_KEYS]}")
    known = pl.concat(
        _read_csv(folder / "keys.csv", ("person_key", "token")).with_columns(pl.lit(one["centre"]).alias("centre"))
        for folder, one in zip(keys, abouts, strict=True)
    )
    pairs, review = (_as_keys(links / name, known) for name in ("links.csv", "review.csv"))
    return Linked(
        pairs.select(*_KEY_PAIR, pl.lit("same").alias("relation")),
        review.select(*_KEY_PAIR, pl.lit(None, dtype=pl.String).alias("relation"), "rule", "score"),
    )


def write_answer(answer: Linked, folder: Path | str) -> None:
    """Write what `read_answer` returned as `links.csv` and `review.csv`, for the vault of the study.

    Raises:
        UserError: If the folder holds an answer already: a person may have decided pairs in it.
    """
    with _folder(folder, ()) as temporary:
        answer.links.write_csv(temporary / "links.csv")
        answer.review.write_csv(temporary / "review.csv")


def _about(kind: str, fingerprint: str, **further: Any) -> dict[str, Any]:
    return {"format": f"unibase {kind}", "version": VERSION, "linkage_key": fingerprint, **further}


def _one_centre(people: pl.DataFrame) -> str:
    centres = people["centre"].unique().to_list()
    if len(centres) != 1:
        raise UserError("There is nobody in this people file." if not centres else "Encode each centre's people by themselves.")
    return str(centres[0])


def _is_ins(column: str) -> pl.Expr:
    return pl.col(column).map_elements(lambda text: valid_ins(text) is not None, return_dtype=pl.Boolean).fill_null(value=False)


def _parquet(frame: pl.DataFrame) -> bytes:
    content = io.BytesIO()
    frame.write_parquet(content, compression="zstd", statistics=False)
    return content.getvalue()


@contextmanager
def _folder(folder: Path | str, names: Collection[str]) -> Iterator[Path]:
    """Yield a folder that appears as a whole, mode 0700; raise UserError where it would replace one that holds something else."""
    with replaced_folder(folder, Ours(tuple(names))) as temporary:
        temporary.chmod(0o700)
        yield temporary
        for file in temporary.iterdir():
            file.chmod(0o600)


def _read_encoded(path: Path) -> tuple[dict[str, Any], Encoded]:
    """Read an encoded file and check that it is what `write_encoded` writes."""
    if not path.is_file():
        raise UserError(f"No encoded people at {path}. Ask the centre for them: {_MADE_BY[_ENCODED]}")
    try:
        with zipfile.ZipFile(path) as archive:
            # Stored, as they were written: what comes from outside unpacks to no more than it is.
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                raise zipfile.BadZipFile
            members = {name: archive.read(name) for name in (_ABOUT, "records.parquet", "names.parquet")}
        about = _checked(path, json.loads(members[_ABOUT]), _ENCODED)
        records, names = (pl.read_parquet(io.BytesIO(members[f"{name}.parquet"])) for name in ("records", "names"))
    except (zipfile.BadZipFile, KeyError, ValueError, pl.exceptions.PolarsError):
        # The text of a library's error may hold a cell.
        raise UserError(f"{path} is no encoded people file, or not whole. Ask the centre for it again.") from None
    fault = _fault(about["centre"], records, names)
    if fault:
        raise UserError(f"{path}: {fault}. Ask the centre to encode again.")
    return about, Encoded(records, names)


def _fault(centre: str, records: pl.DataFrame, names: pl.DataFrame) -> str | None:
    """Return what is wrong in the tables of an encoded file, if anything is."""
    if records.schema != RECORDS or names.schema != NAMES:
        return "its columns are not those of this version"
    if records.height and records["centre"].unique().to_list() != [centre]:
        return f"it holds records of another centre than {centre}"
    wide = [pl.col(name).bin.size() != TOKEN_BYTES for name in ("person", "ins", "stem", "bag", "place", "department", *READ)]
    wide += [
        pl.col(name).list.eval(pl.element().bin.size() != TOKEN_BYTES).list.any()
        for name in ("family", "given", "birth", "address")
    ]
    if records.filter(pl.any_horizontal(*wide, pl.col("person").is_null(), pl.col("birth").list.len() != BIRTH_PARTS)).height:
        return f"a token has not {TOKEN_BYTES} bytes"
    if names.filter(pl.col("bits").bin.size().fill_null(0) != FILTER_BYTES).height:
        return f"a name's filter has not {FILTER_BYTES} bytes"
    for kind in ("family", "given"):
        used = records.select(pl.col(kind).explode(empty_as_null=True, keep_nulls=True).drop_nulls().unique().alias("token"))
        if used.join(names.filter(pl.col("kind") == kind), on="token", how="anti").height:
            return f"a {kind} name of its records is not among its names"
    return None


def _read_about(folder: Path, kind: str) -> dict[str, Any]:
    path = folder / _ABOUT
    if not path.is_file():
        raise UserError(f"{folder} holds no {kind}. Make them: {_MADE_BY[kind]}")
    try:
        return _checked(folder, json.loads(path.read_text(encoding="utf-8")), kind)
    except ValueError:
        raise UserError(f"{path} cannot be read. Ask for {folder} again.") from None


def _checked(path: Path, about: object, kind: str) -> dict[str, Any]:
    """Return what a file says of itself; raise UserError where it is of another kind, version or encoding."""
    if not isinstance(about, dict) or about.get("format") != f"unibase {kind}" or not _is_told(about, kind):
        raise UserError(f"{path} holds no {kind}. Make them: {_MADE_BY[kind]}")
    if about.get("version") != VERSION:
        raise UserError(
            f"{path} is of version {about.get('version')} and this unibase reads {VERSION}. Use one release everywhere."
        )
    if kind == _ENCODED and about.get("parameters") != PARAMETERS:
        raise UserError(f"{path} was encoded with other parameters: its tokens cannot be compared. Use one release everywhere.")
    return about


def _is_told(about: dict[str, object], kind: str) -> bool:
    """Return whether a file names its centre or centres and its linkage key, as texts."""
    if not _NAMED[kind] <= set(about):
        return False
    centres = about["centres"] if kind == _LINKS else [about["centre"]]
    return isinstance(centres, list) and all(isinstance(text, str) for text in (about["linkage_key"], *centres))


def _of_one_key(abouts: Sequence[tuple[Path, dict[str, object]]]) -> None:
    keys = {about["linkage_key"] for _, about in abouts}
    if len(keys) > 1:
        said = ", ".join(f"{path} {about['linkage_key']}" for path, about in abouts)
        raise UserError(
            f"These were made under different linkage keys: {said}. Nothing could be linked between them; compare "
            "`unibase key fingerprint FILE` among the centres, and have those with another key encode again."
        )


def _each_centre_once(abouts: Sequence[tuple[Path, dict[str, Any]]]) -> None:
    seen: dict[str, Path] = {}
    for path, about in abouts:
        other = seen.setdefault(about["centre"], path)
        if other != path or [one for one, _ in abouts].count(path) > 1:
            raise UserError(f"{other} and {path} are both of centre {about['centre']}. Give one of each centre.")


def _ins_of_tokens(encoded: Iterable[Encoded]) -> dict[RecordKey, set[str]]:
    found: dict[RecordKey, set[str]] = {}
    for part in encoded:
        for centre, person, ins in part.records.select("centre", "person", "ins").iter_rows():
            mine = found.setdefault((centre, person.hex()), set())
            if ins is not None:
                mine.add(ins.hex())
    return found


def _pairs_of_tokens(edges: Iterable[Edge]) -> pl.DataFrame:
    rows = sorted((*edge.left, *edge.right, edge.rule, round(edge.score, 1)) for edge in edges)
    return pl.DataFrame(rows, schema=dict(zip(_TOKEN_PAIR, (*[pl.String] * 5, pl.Float64), strict=True)), orient="row")


def _read_csv(path: Path, columns: Sequence[str]) -> pl.DataFrame:
    if not path.is_file():
        raise UserError(f"No file at {path}. Ask for {path.parent} again.")
    try:
        frame = pl.read_csv(path, infer_schema=False)
    except pl.exceptions.PolarsError:
        # Without its text, which may hold a cell.
        raise UserError(f"{path} cannot be read as CSV. Ask for {path.parent} again.") from None
    if frame.columns != list(columns):
        raise UserError(f"{path}: its columns are not {', '.join(columns)}. Ask for {path.parent} again.")
    return frame


def _as_keys(path: Path, known: pl.DataFrame) -> pl.DataFrame:
    """Return pairs of tokens as pairs of records."""
    pairs = _read_csv(path, _TOKEN_PAIR)
    for side in ("left", "right"):
        mine = known.rename({"centre": f"{side}_centre", "token": f"{side}_token", "person_key": f"{side}_key"})
        pairs = pairs.join(mine, on=[f"{side}_centre", f"{side}_token"], how="left", maintain_order="left")
        unknown = pairs.with_row_index("row", 1).filter(pl.col(f"{side}_key").is_null())
        if unknown.height:
            raise UserError(
                f"{path}, row {unknown['row'][0]}: centre {unknown[f'{side}_centre'][0]} does not know this token of its own "
                f"(nor {unknown.height - 1} more). Its keys are of other people than it encoded; ask it for both again."
            )
    # By records and not by tokens, whose order another linkage key changes.
    return pairs.sort(_KEY_PAIR)
