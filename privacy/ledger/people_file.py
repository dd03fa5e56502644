"""People files of the centres and tables of links, read row by row: what is certain is read, the rest set aside and named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import PEOPLE
from unibase.privacy import reasons
from unibase.privacy.ledger.people_csv import PeopleProblem, read_rows
from unibase.privacy.ledger.traits import valid_ins
from unibase.privacy.ledger.written_dates import iso_dates

_SEXES = {
    "M": "M", "H": "M", "1": "M", "MALE": "M", "HOMME": "M", "MASCULIN": "M", "MASC": "M", "G": "M", "GARCON": "M", "8507": "M",
    "F": "F", "2": "F", "FEMALE": "F", "FEMME": "F", "FEMININ": "F", "FEM": "F", "FILLE": "F", "8532": "F",
    "": None, "U": None, "I": None, "O": None, "UNKNOWN": None, "OTHER": None, "INCONNU": None, "INDETERMINE": None, "0": None,
    "9": None, "3": None, "8551": None,
    "1.0": "M", "1,0": "M", "MR": "M", "M.": "M", "MR.": "M", "MONSIEUR": "M", "2.0": "F", "2,0": "F", "MME": "F", "MME.": "F", "MLLE": "F", "MLLE.": "F",
    "MADAME": "F", "MADEMOISELLE": "F", "FEMELLE": "F",
}  # fmt: skip

_NO_NUMBER = (
    r"(?i)^(?:identifier|person_key|null|\(null\)|none|nan|#?n/?a|#[a-zé]+[!?]|n\.a\.|nc|nd|nr|\\n|inconnue?|unknown|x{2,}|0+|[-?._*#/ ]+"
    r"|total(?: *:)?(?: *\d+)?|\(?\d+ (?:rows?|lignes?)\b.*)$"
)
"""What stands in a column of numbers and is none: words for nothing, zeros, signs, errors of a spreadsheet, the line of column
names once more, and the last line of a report."""
_ROUNDED = r"^\d+(?:[.,]\d+)?[Ee]\+?\d+$"
_KEPT_AS_TEXT = r"^(?:=\"([^\"]*)\"|'([^']+))$"
"""How a number is kept from a spreadsheet: `="0012"`, `'0012`."""
_OF_A_SPREADSHEET = r"^\d+(?:[.,]\d+)?[Ee]\+?\d+$|^\d+[.,]0+$"
"""A number that a spreadsheet rounded or wrote as a decimal: 1.23457E+11, 123.0."""

_PLACE = r"(?i)^(?:[0-9]{4,5}|2[AB][0-9]{3}|99)$"
"""A code of a place of birth, the zero at its beginning perhaps lost, or 99 for a country that is not told."""

DECISIONS = pl.Schema(
    {
        "left_centre": pl.String(),
        "left_key": pl.String(),
        "right_centre": pl.String(),
        "right_key": pl.String(),
        "relation": pl.String(),
    }
)
"""A decision on two records: `relation` is `same`, `different`, or `related` (two persons of one family); keys are person_key."""


@dataclass(frozen=True)
class PeopleFile:
    """A people file: PEOPLE rows of one centre, and what was wrong, by row and column."""

    people: pl.DataFrame
    problems: tuple[PeopleProblem, ...]

    @property
    def set_aside(self) -> int:
        """How many rows are not in the ledger."""
        return len({problem.row for problem in self.problems if not problem.kept})


def read_people(path: Path | str, centre: str) -> PeopleFile:
    """Read the persons a centre knows from CSV or Parquet with columns of the PEOPLE table.

    `identifier` must be there. `system` is `ipp` where absent, `person_key` the identifier, `centre` the argument. CSV may use
    commas, semicolons, tabs or bars, and UTF-8, UTF-16 or Windows-1252; other encodings are told by their letters, and said. Dates may be ISO or French, cut to what is
    known. A row that cannot be used is set aside, a value that is not certain left out; both are told by row and column.

    `path` is the file, `centre` the centre whose persons it lists.

    Raises:
        UserError: If the file is absent, is no table, or has no column `identifier`.

    Example:
        >>> folder = getfixture("tmp_path")
        >>> _ = (folder / "lyon.csv").write_text("identifier;birth_date;sex\\n12;12/03/1956;Femme\\n;1960;M\\n")
        >>> file = read_people(folder / "lyon.csv", "lyon")
        >>> file.people.select("identifier", "birth_date", "sex").rows()
        [('12', '1956-03-12', 'F')]
        >>> [(problem.row, problem.reason) for problem in file.problems]
        [(2, 'no-identifier')]
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"No people file at {path}. Check the key `people` of centre {centre} in the study file.")
    frame, problems = _table(path)
    if "identifier" not in frame.columns:
        raise UserError(f"{path}: there is no column `identifier` (the hospital number). Add it.")
    frame = _with_defaults(_known_columns(frame, problems), path, centre)
    frame = _with_keys(_with_numbers(frame, problems), problems)
    other = "Put each centre's people in a file of its own."
    frame = _set_aside(frame, pl.col("centre") != centre, problems, "centre", reasons.OTHER_CENTRE, other)
    frame = _read_places(_read_dates(_read_sexes(frame, problems), problems), problems)
    problems += _wrong_ins(frame)
    frame = _once(frame, problems)
    return PeopleFile(PEOPLE.conform(frame), tuple(sorted(problems, key=lambda one: (one.row, one.column, one.reason))))


def _known_columns(frame: pl.DataFrame, problems: list[PeopleProblem]) -> pl.DataFrame:
    """Return the columns of a people file; the others are problems."""
    known = {column.name for column in PEOPLE.columns}
    for name in frame.columns:
        if name not in known and name != "source_row":
            message = "This column is none of a people file and is not read."
            problems.append(
                PeopleProblem(0, name, reasons.UNKNOWN_COLUMN, message, f"Columns: {', '.join(sorted(known))}.", kept=True)
            )
    return frame.select([name for name in frame.columns if name in known or name == "source_row"])


def in_words(file: PeopleFile, most: int = 20) -> list[str]:
    """Return what was wrong in a people file, a line a problem and at most `most`; no value of a person.

    Example:
        >>> in_words(PeopleFile(PEOPLE.empty(), (PeopleProblem(3, "sex", "unknown-sex", "Left out.", "Write M.", kept=True),)))
        ['row 3, column sex: unknown-sex. Left out. Write M.']
    """
    lines = []
    for one in file.problems[:most]:
        place = ", ".join([f"row {one.row}"] * bool(one.row) + [f"column {one.column}"] * bool(one.column))
        lines.append(f"{place or 'the file'}: {one.reason}. {one.message} {one.remedy}")
    more = len(file.problems) - most
    return [*lines, f"and {more} more"] if more > 0 else lines


def read_links(path: Path | str) -> pl.DataFrame:
    """Read decisions on pairs of records from CSV at `path`, in the columns of `DECISIONS`; without `relation` it is `same`.

    Raises:
        UserError: If a column is missing, a cell empty or a row of another length; names file, row and column.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"No table of links at {path}. Check its name.")
    frame, problems = read_rows(path)
    if ragged := [one for one in problems if one.reason != reasons.OTHER_LETTERS]:
        raise UserError(f"{path}, row {ragged[0].row}: {ragged[0].message} {ragged[0].remedy}")
    frame = frame.rename({"source_row": "row"})
    for name in ("left_centre", "left_key", "right_centre", "right_key"):
        if name not in frame.columns:
            raise UserError(f"{path}: there is no column `{name}`. A table of links has {', '.join(DECISIONS)}.")
    if "relation" not in frame.columns:
        frame = frame.with_columns(pl.lit("same").alias("relation"))
    frame = frame.with_columns(
        pl.col("relation").fill_null("same").str.to_lowercase(),
        *(pl.col(name).str.strip_chars() for name in DECISIONS if name != "relation"),
    )
    for name in DECISIONS:
        empty = frame.filter(pl.col(name).is_null() | (pl.col(name) == ""))
        if empty.height:
            raise UserError(f"{path}, row {empty['row'][0]}, column {name}: is empty. Fill it or remove the row.")
    wrong = frame.filter(~pl.col("relation").is_in(["same", "different", "related"]))
    if wrong.height:
        raise UserError(f"{path}, row {wrong['row'][0]}, column relation: must be `same`, `different` or `related`.")
    return frame.select(DECISIONS.names())


def _table(path: Path) -> tuple[pl.DataFrame, list[PeopleProblem]]:
    if path.suffix.lower() != ".parquet":
        return read_rows(path)
    frame = pl.read_parquet(path)
    return (frame if "source_row" in frame.columns else frame.with_row_index("source_row", offset=1)), []


def _with_defaults(frame: pl.DataFrame, path: Path, centre: str) -> pl.DataFrame:
    frame = frame.with_columns(
        pl.col(name)
        .cast(pl.String())
        # Marks that nobody sees (zero width, direction, line ends inside a field) make two of one number or name.
        .str.replace_all(r"\p{Cf}+", "")
        .str.replace_all(r"\p{Cc}+", " ")
        .str.strip_chars()
        .str.replace(_KEPT_AS_TEXT, "$1$2")
        .replace("", None)
        for name in frame.columns
        if name != "source_row"
    )
    defaults = {
        "centre": pl.lit(centre),
        "system": pl.lit("ipp"),
        "person_key": pl.col("identifier"),
        "source": pl.lit(path.name),
    }
    for name, value in defaults.items():
        # A word for nothing as the key of several rows would make one person of all.
        said = pl.col(name) if name in ("centre", "source") else pl.when(~pl.col(name).str.contains(_NO_NUMBER)).then(name)
        there = pl.coalesce(said, value) if name in frame.columns else value
        frame = frame.with_columns(there.alias(name))
    return frame


def _set_aside(
    frame: pl.DataFrame, wrong: pl.Expr, problems: list[PeopleProblem], column: str, reason: str, remedy: str
) -> pl.DataFrame:
    """Return the rows that are not wrong; the others are problems."""
    message = f"The row has no usable {column}; it is set aside."
    rows = frame.filter(wrong.fill_null(value=False))["source_row"].to_list()
    problems += [PeopleProblem(row, column, reason, message, remedy, kept=False) for row in rows]
    return frame.filter(~wrong.fill_null(value=False))


def _with_numbers(frame: pl.DataFrame, problems: list[PeopleProblem]) -> pl.DataFrame:
    """Return the rows that have a hospital number as the hospital writes it."""
    number = pl.col("identifier")
    none = number.is_null() | number.str.contains(_NO_NUMBER)
    frame = _set_aside(frame, none, problems, "identifier", reasons.NO_IDENTIFIER, "Give the hospital number.")
    changed = number.str.contains(_OF_A_SPREADSHEET)
    remedy = "Export the column as text: a spreadsheet changed the number."
    return _set_aside(frame, changed, problems, "identifier", reasons.SPREADSHEET_NUMBER, remedy)


def _with_keys(frame: pl.DataFrame, problems: list[PeopleProblem]) -> pl.DataFrame:
    """Return the rows whose key of the person no spreadsheet rounded: two persons may have come under one."""
    remedy = "Export the column as text: a spreadsheet changed the number."
    changed = pl.col("person_key").str.contains(_ROUNDED)
    return _set_aside(frame, changed, problems, "person_key", reasons.SPREADSHEET_NUMBER, remedy)


def _read_places(frame: pl.DataFrame, problems: list[PeopleProblem]) -> pl.DataFrame:
    """Return the frame without places of birth that are no INSEE code, which are problems; others as they are written."""
    if "birth_place_code" not in frame.columns:
        return frame
    place = pl.col("birth_place_code")
    told = frame.filter(place.is_not_null() & ~place.str.contains(_PLACE))
    message = "The place of birth is no INSEE code and is left out."
    remedy = "Write the INSEE code (69123, 2A004, 99352)."
    rows = told["source_row"].to_list()
    problems += [PeopleProblem(row, "birth_place_code", reasons.UNKNOWN_PLACE, message, remedy, kept=True) for row in rows]
    return frame.with_columns(pl.when(place.str.contains(_PLACE)).then(place))


def _read_sexes(frame: pl.DataFrame, problems: list[PeopleProblem]) -> pl.DataFrame:
    if "sex" not in frame.columns:
        return frame
    folded = frame.with_columns(
        pl.col("sex").str.to_uppercase().str.replace_all("[ÉÈ]", "E").str.replace_all("Ç", "C").fill_null("")
    )
    for row in folded.filter(~pl.col("sex").is_in(list(_SEXES)))["source_row"].to_list():
        message = "The sex is not understood and is left out."
        problems.append(PeopleProblem(row, "sex", reasons.UNKNOWN_SEX, message, "Write M, F or leave it empty.", kept=True))
    return folded.with_columns(pl.col("sex").replace_strict(_SEXES, default=None, return_dtype=pl.String()))


def _read_dates(frame: pl.DataFrame, problems: list[PeopleProblem]) -> pl.DataFrame:
    if "birth_date" not in frame.columns:
        return frame
    read = iso_dates(frame["birth_date"].to_list())
    for row, one in zip(frame["source_row"].to_list(), read, strict=True):
        if one.problem:
            remedy = "Write YYYY-MM-DD, or YYYY-MM or YYYY when no more is known."
            problems.append(PeopleProblem(row, "birth_date", reasons.UNCERTAIN_DATE, one.problem, remedy, kept=True))
    return frame.with_columns(pl.Series("birth_date", [one.iso for one in read], dtype=pl.String))


def _wrong_ins(frame: pl.DataFrame) -> list[PeopleProblem]:
    """Return the rows whose INS is not 15 characters with a right key."""
    if "ins" not in frame.columns:
        return []
    wrong = [text for text in frame["ins"].drop_nulls().unique() if valid_ins(text) is None]
    message = "The INS is not 15 characters with a right key; it links nobody."
    rows = frame.filter(pl.col("ins").is_in(wrong))["source_row"].to_list()
    return [PeopleProblem(row, "ins", reasons.WRONG_INS, message, "Correct it at its source.", kept=True) for row in rows]


def _once(frame: pl.DataFrame, problems: list[PeopleProblem]) -> pl.DataFrame:
    """Return each identifier once: equal rows are one; of rows that differ the first counts, and the others are set aside."""
    key = ["centre", "system", "identifier"]
    distinct = frame.unique([c for c in frame.columns if c != "source_row"], keep="first", maintain_order=True)
    once = distinct.unique(key, keep="first", maintain_order=True)
    message = "The identifier stands in an earlier row with other content; that row counts, and this one is set aside."
    for row in distinct.join(once, on="source_row", how="anti", maintain_order="left")["source_row"].to_list():
        remedy = "Keep the row that is right."
        problems.append(PeopleProblem(row, "identifier", reasons.REPEATED_IDENTIFIER, message, remedy, kept=False))
    return once
