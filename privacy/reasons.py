"""Why a row of a people file, or a value in it, is not used: each code once, with its meaning, its way out and an example."""

from __future__ import annotations

from unibase.groundwork.reasons import Reason

NO_IDENTIFIER = Reason(
    "no-identifier",
    "A row of people has no hospital number.",
    "Give the hospital number.",
    "A row with a name and an empty `identifier`.",
)
OTHER_CENTRE = Reason(
    "other-centre",
    "A row of people is of another centre than its file.",
    "Put each centre's people in a file of its own.",
    "A row of `lyon` in the file of `paris`.",
)
UNKNOWN_SEX = Reason(
    "unknown-sex",
    "The sex of a row of people is not understood; the row is used without it.",
    "Write M, F or leave it empty.",
    "`9` in the column `sex`.",
)
UNCERTAIN_DATE = Reason(
    "uncertain-date",
    "A birth date can be read in more than one way, or in none; the row is used without it.",
    "Write YYYY-MM-DD, or YYYY-MM or YYYY when no more is known.",
    "`03/04/56`.",
)
UNKNOWN_PLACE = Reason(
    "unknown-place",
    "A place of birth is no INSEE code of a commune or country; the row is used without it.",
    "Write the INSEE code (69123, 2A004, 99352).",
    "`Lyon` in the column `birth_place_code`.",
)
UNKNOWN_COLUMN = Reason(
    "unknown-column",
    "A column of a people file is none that is read.",
    "Rename it to the column that it stands for, or leave it out.",
    "A column `surname2`.",
)
REPEATED_IDENTIFIER = Reason(
    "repeated-identifier",
    "An identifier stands in an earlier row with other content; that row counts.",
    "Keep the row that is right.",
    "One number with two birth dates.",
)
OPEN_QUOTATION = Reason(
    "open-quotation",
    "A quotation mark in a line of a people file is not closed; the line is set aside, and those after it are read.",
    "Close it, or double it inside a field.",
    '`12,"DUPONT,Jean`.',
)
OTHER_LETTERS = Reason(
    "other-letters",
    "A people file is in neither UTF-8 nor Windows-1252; it is read in the encoding that makes words of its letters.",
    "Look at names with accents, and save the file as UTF-8.",
    "A file of a DOS program, in which `é` is byte 82.",
)
SPREADSHEET_NUMBER = Reason(
    "spreadsheet-number",
    "A spreadsheet rounded a hospital number or wrote it as a decimal; the row is set aside.",
    "Export the column as text.",
    "`1.23457E+11` or `123.0` in the column `identifier`.",
)
WRONG_INS = Reason(
    "wrong-ins",
    "An INS is not 15 characters with a right key; the row is used, and its INS links nobody.",
    "Correct it at its source.",
    "A NIR without its key.",
)
