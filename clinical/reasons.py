"""Why a row, a field or a file of clinical records is not used: each code once, with its meaning, its way out and an example."""

from __future__ import annotations

from unibase.groundwork.reasons import Reason

IMPOSSIBLE_DATE = Reason(
    "impossible-date",
    "The date is none that can be.",
    "Correct the date in the source, or write its unknown parts as unknown.",
    "30 February, or a death before the birth.",
)
UNREADABLE_DATE = Reason(
    "unreadable-date",
    "The text is not a date.",
    "Write dates as YYYY-MM-DD, or declare their order in the mapping.",
    "`soon` in a column of dates.",
)
UNKNOWN_PERSON = Reason(
    "unknown-person",
    "The row's person is not in the identity ledger.",
    "Add the person to the people of the centre and run again.",
    "A laboratory result of a number that no people file has.",
)
COMMENT_LINE = Reason(
    "comment-line",
    "The row holds one field of prose, or one field only.",
    "Nothing, when it is a comment.",
    "A line of explanation below the header of an OSIRIS file.",
)
NOT_UTF_8 = Reason(
    "not-utf-8",
    "The file is not UTF-8; it was read in another encoding.",
    "Save the file as UTF-8.",
    "A CSV saved by a spreadsheet in Windows-1252.",
)
TITLE_LINE = Reason(
    "title-line",
    "Lines above the header are not read.",
    "Nothing, when they are titles; else take them out of the file.",
    "`Export of 4 March` above the names of the columns.",
)
REPEATED_COLUMN = Reason(
    "repeated-column",
    "Several columns have one name; each is called by its place behind it.",
    "Name the one that is meant in the mapping: the second column `Date` is `Date_2`.",
    "Two columns `Date`, one of the sample and one of the result.",
)
UNREAD_CELL = Reason(
    "unread-cell",
    "Cells of a workbook hold an error, or a formula whose result was not saved.",
    "Correct the formula; or open the workbook in a program that works it out, save it, and start the same command again.",
    "`#N/A`, or a formula that a script wrote.",
)
DATE_SHOWN_IN_PART = Reason(
    "date-shown-in-part",
    "Dates are shown without their day, and the day that is kept is the first: they are known to the month or year only.",
    "Nothing, when the day is not known; else show the column with its days, and start the same command again.",
    "`03/2020` in a sheet, which keeps it as 1 March 2020.",
)
MERGED_CELLS = Reason(
    "merged-cells",
    "Cells of a workbook are merged over several rows: each of the rows is read with their value.",
    "Nothing, when the value is that of each row; else part the cells.",
    "A patient number that is written once for three visits.",
)
TABLE_TWICE = Reason(
    "table-twice",
    "Files of different kinds have the name of one table: the rows of all of them are read.",
    "Take one of them out of the source, when they hold the same rows.",
    "`visits.xlsx` beside the `visits.csv` that was saved from it.",
)
ZONED_TIME = Reason(
    "zoned-time",
    "Times of a column are kept with a zone: they are read as the clock of that zone shows them.",
    "Nothing, when it is the hospital's zone; else export local times: in UTC what happened at midnight stands on the day before.",
    "A column `timestamp with time zone` of a database, written as Parquet.",
)
ROUNDED_NUMBER = Reason(
    "rounded-number",
    "The number of a person was rounded by a spreadsheet, which shows long numbers so and saves them as shown.",
    "Export again from the source; or give the column a format of text in the spreadsheet before it is saved.",
    "`1.85058E+14` in a column of patient numbers.",
)
STATUS_AGAINST_DATE = Reason(
    "status-against-date",
    "A date of death stands beside a status that says alive; the death counts.",
    "Correct the status or the date in the source.",
    "A status of the last visit that nobody changed.",
)
NOT_CLINICAL = Reason(
    "not-clinical",
    "The table is not read, for the reason that the message gives.",
    "Nothing; the reason is said.",
    "A table of billing.",
)
UNKNOWN_TABLE = Reason(
    "unknown-table",
    "Nothing reads this table.",
    "Add the table to the mapping when it holds events.",
    "A file beside those of the mapping.",
)
EMPTY_ROW = Reason(
    "empty-row",
    "The row is empty.",
    "Nothing.",
    "A line of delimiters at the end of a file.",
)
UNKNOWN_CODE = Reason(
    "unknown-code",
    "The row holds no code of the vocabulary that is expected.",
    "Map the code in the vocabulary tables of the source, or in the mapping.",
    "`see letter` in a column of ICD-10 codes.",
)
MISSING_CODE = Reason(
    "missing-code",
    "The row or resource has no coding.",
    "Complete the code in the source.",
    "A FHIR Condition with a text alone.",
)
MISSING_PERSON = Reason(
    "missing-person",
    "The row does not say whom it is about.",
    "Complete the person in the source.",
    "A row without a patient number.",
)
MISSING_DATE = Reason(
    "missing-date",
    "What happened has no date.",
    "Complete the date in the source, or write it as unknown.",
    "A death without a day.",
)
END_BEFORE_START = Reason(
    "end-before-start",
    "An interval ends before it starts.",
    "Correct the dates in the source.",
    "A stay that ends the day before its admission.",
)
PARTIAL_END = Reason(
    "partial-end",
    "The end of an interval, or the day of the record, is known in part only.",
    "Nothing; the end of the interval is not known to the day.",
    "A treatment that ended in 2021.",
)
TEXT_WITHHELD = Reason(
    "text-withheld",
    "A text is not one of the closed lists that may travel.",
    "Declare the texts that are controlled in the mapping.",
    "A sentence in a column of results.",
)
MALFORMED_JSON = Reason(
    "malformed-json",
    "A line or file is not a FHIR resource in JSON.",
    "Export the file again.",
    "A line that was cut short.",
)
MALFORMED_RESOURCE = Reason(
    "malformed-resource",
    "A field of a resource is not shaped as FHIR R4 says.",
    "Correct the resource in the source; FHIR R4 says how its fields are shaped.",
    "A text where an object is due.",
)
UNKNOWN_RESOURCE = Reason(
    "unknown-resource",
    "Resources of this type are not read.",
    "Nothing, when the resource is not clinical.",
    "An Appointment.",
)
UNKNOWN_EXTENSION = Reason(
    "unknown-extension",
    "An extension is not read.",
    "Nothing, when the study does not need it.",
    "An extension of a hospital's own.",
)
UNKNOWN_REFERENCE = Reason(
    "unknown-reference",
    "What a resource refers to is not in the export.",
    "Export the resource that is referred to as well.",
    "A MedicationRequest whose Medication was not exported.",
)
NOT_COLLECTED = Reason(
    "not-collected",
    "The source says that there is no value.",
    "Nothing; the source says it was not collected.",
    "`Not Collected` in a field of OSIRIS-RWD.",
)
UNKNOWN_VALUE = Reason(
    "unknown-value",
    "A value is none of those that are declared.",
    "Correct the value in the source, or declare it in the mapping.",
    "A sex that is neither M nor F.",
)
ENTERED_IN_ERROR = Reason(
    "entered-in-error",
    "The source withdrew the record.",
    "Nothing; the source withdrew it.",
    "An Observation with the status `entered-in-error`.",
)
NOT_DONE = Reason(
    "not-done",
    "The source says that the act was not done, or the diagnosis refuted.",
    "Nothing; the source says that it was not done.",
    "A Procedure with the status `not-done`.",
)
AMBIGUOUS_NUMBER = Reason(
    "ambiguous-number",
    "A comma in a number may part thousands or decimals.",
    'Say `decimal: ","` or `decimal: "."` in the mapping.',
    "`1,234` in a column of values.",
)
AMBIGUOUS_KEY = Reason(
    "ambiguous-key",
    "Rows of a table that others refer to have one key and differ.",
    "Keep one row for each key in the source, or join by more columns.",
    "Two patients of one stay number.",
)
UNKNOWN_KEY = Reason(
    "unknown-key",
    "A row refers to a row of another table that is not there.",
    "Export the other table whole.",
    "A laboratory result of a stay that was not exported.",
)
FUTURE_DATE = Reason(
    "future-date",
    "The date lies after the day of the export.",
    "Correct the date in the source, or set `cutoff` of the centre.",
    "A visit in 2099.",
)
AFTER_CUTOFF = Reason(
    "after-cutoff",
    "The row lies after the data cut-off of the study.",
    "Nothing; the study's data end before.",
    "A visit in July of a study that ends in June.",
)
END_AFTER_CUTOFF = Reason(
    "end-after-cutoff",
    "The row ends after the data cut-off of the study; its end is left out.",
    "Nothing; the study's data end before.",
    "A stay that goes on beyond the cut-off.",
)
IMPOSSIBLE_VALUE = Reason(
    "impossible-value",
    "What a check of quality flags as impossible enters no table; it stays in the timeline.",
    "Correct the values in the source; or let them in, by `enters: true` of the check in the file that `quality` names.",
    "A haemoglobin of 999, or a T of `T9`.",
)
UNIT_BY_DISTRIBUTION = Reason(
    "unit-by-distribution",
    "Values without a unit got the only one in which they are what patients have.",
    "Write the unit in the source or the mapping; or add the analyte to `ranges` in the file that `quality` names, without `typical`.",
    "A haemoglobin of 132 in a column without a unit: g/L.",
)
NUMBER_AS_FLOAT = Reason(
    "number-as-float",
    "Numbers of persons are written as floating-point numbers.",
    "Nothing, when `1.0` is person 1; else write the numbers as text. Zeros before a number count: `00123` and `123` are two persons.",
    "`1.0` in a column person_id that pandas wrote.",
)
UNREAD_COLUMN = Reason(
    "unread-column",
    "Columns of a table are read by no rule of the mapping.",
    "Write a rule for them; or name them under `not_mapped`, with the reason.",
    "A column `Poids` that was added to an export.",
)
COLUMN_AS_TEXT = Reason(
    "column-as-text",
    "A mapping writes a word on every event, and the table has a column of that name.",
    "Write the column in braces, if its values are meant.",
    '`unit: unite`, where `unit: "{unite}"` was meant.',
)
UNREAD_FIELD = Reason(
    "unread-field",
    "A field of FHIR resources is not read.",
    "Nothing, when the study does not need it.",
    "`Observation.interpretation`.",
)
UNKNOWN_CONCEPT = Reason(
    "unknown-concept",
    "The CONCEPT table does not hold the concept of rows: their code is its number, which no concept of a study takes.",
    "Export CONCEPT with all concepts in use, and start the same command again.",
    "A concept of a hospital's own, above 2,000,000,000.",
)
UNREAD_VALUE = Reason(
    "unread-value",
    "A value is of a type that no column of an event holds.",
    "Nothing, when the study does not need it.",
    "An Observation with a `valueRatio`.",
)
UNKNOWN_CODE_SYSTEM = Reason(
    "unknown-code-system",
    "The code system is not known; its codes keep its name.",
    "Name the codes in the study's concepts as they are, or export a known code system.",
    "An address of a hospital's own.",
)
UNKNOWN_STATUS = Reason(
    "unknown-status",
    "A status is none of FHIR R4 for the resource.",
    "Nothing, when the act took place; else correct the status in the source.",
    "A word of another version of FHIR.",
)
SECOND_CODING = Reason(
    "second-coding",
    "Further codes of one code system for the same thing are left out.",
    "Nothing; the first coding of each code system counts.",
    "A Condition with two codes of ICD-10.",
)
OLDER_VERSION = Reason(
    "older-version",
    "The export holds a newer version of the resource.",
    "Nothing; the newest version counts.",
    "An Observation that was corrected between two exports of one folder.",
)
NOT_A_CANCER = Reason(
    "not-a-cancer",
    "A stage is one of a condition that no code says is a cancer.",
    "Nothing, when the condition is no cancer; else add its code to the concept `cancer_diagnosis`.",
    "The stage of a hypertension.",
)
UNKNOWN_MODIFIER = Reason(
    "unknown-modifier",
    "A `modifierExtension` changes what the resource means, and is not read: FHIR forbids to use such a resource.",
    "Ask the source what the extension says, and export without it what may be used.",
    "A result marked as not of this patient.",
)
ABOUT_ANOTHER = Reason(
    "about-another",
    "The resource is about a group, a device or a relative, not about its patient.",
    "Nothing; the resource says nothing of the patient.",
    "A blood group of the newborn in the record of the mother (`focus`).",
)
REPLACED_PERSON = Reason(
    "replaced-person",
    "A Patient was replaced by another one: the records of one person stand under two numbers.",
    "Name both numbers as one person in the people of the centre.",
    "A `link` of type `replaced-by` after two records were merged.",
)
DELETED = Reason(
    "deleted",
    "The history of the export says that the resource was deleted.",
    "Nothing; a deleted resource does not count.",
    "An entry `DELETE` of a Bundle of type history.",
)
MISSING_PAGE = Reason(
    "missing-page",
    "A Bundle names a next page that is not in the export.",
    "Export all pages, and start the same command again.",
    "A search of which the first page was saved.",
)
SERVER_ERROR = Reason(
    "server-error",
    "The server wrote into the export that something failed: what it could not give is missing.",
    "Read the OperationOutcome in the file, and export again.",
    "A time-out in the middle of an export.",
)
MISSING_TABLE = Reason(
    "missing-table",
    "The source has no file for a table of the mapping.",
    "Put the file there, or take the table out of the mapping.",
    "An export that broke off.",
)
UNREAD_FILE = Reason(
    "unread-file",
    "Files of the source are not read.",
    "Convert the file to a format that is read, or move it elsewhere.",
    "A PDF beside CSV files.",
)
UNUSABLE_CLINICAL_SOURCE = Reason(
    "unusable-clinical-source",
    "The clinical source of a centre cannot be used at all.",
    "Correct what the message names, and start the same command again.",
    "A folder without a table of persons.",
)
UNMEASURABLE_TARGET = Reason(
    "unmeasurable-target",
    "A target lesion is below what RECIST 1.1 calls measurable: nodes 15 mm, others 10 mm.",
    "Record it as a non-target lesion.",
    "A target node of 12 mm.",
)
TOO_MANY_TARGETS = Reason(
    "too-many-targets",
    "RECIST 1.1 follows at most five target lesions.",
    "Choose five of them.",
    "A baseline with seven target lesions.",
)
UNKNOWN_RESPONSE = Reason(
    "unknown-response",
    "A response is none of RECIST 1.1, nor iUPD.",
    "Write CR, PR, SD, NON-CR/NON-PD, PD or NE.",
    "A response `MR`.",
)
