"""Why something is not used: a code that is declared once, with its meaning, its way out and an example.

Each room declares its codes in its `reasons` module; here stand the class, and the codes that several rooms use.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType


class Reason(str):
    """A short stable code in kebab case, which knows what it means.

    A reason is its code: it stands in tables, ledgers and counts as the text that it is. Pickled or copied it becomes
    plain text, so that no stored value depends on this class.

    Args:
        code: The code, such as `missing-slice`.
        meaning: What is wrong, in one sentence that holds for every unit refused so; a message may say it closer.
        remedy: What can be done about it.
        example: When it is met, told by one case.

    Example:
        >>> missing = Reason("missing-slice", "A slice is not there.", "Export the series again.", "Slices 1, 2 and 4.")
        >>> missing, missing.remedy
        ('missing-slice', 'Export the series again.')
    """

    __slots__ = ("example", "meaning", "remedy")

    meaning: str
    remedy: str
    example: str

    def __new__(cls, code: str, meaning: str, remedy: str, example: str) -> Reason:
        """Make the text of the code, and give it what it means."""
        reason = super().__new__(cls, code)
        reason.meaning, reason.remedy, reason.example = meaning, remedy, example
        return reason

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)


def declared(module: ModuleType) -> Mapping[str, Reason]:
    """Return the reasons that a module declares, by their names there.

    Args:
        module: A room's `reasons` module, such as `unibase.imaging.reasons`.
    """
    return {name: value for name, value in vars(module).items() if isinstance(value, Reason)}


TRUNCATED_FILE = Reason(
    "truncated-file",
    "The file ends before the bytes that it declares.",
    "Copy or export it again, and compare its size at the source.",
    "A DICOM file whose pixel data are shorter than Rows x Columns asks for, or a gzip file without its end.",
)
MISSING_COLUMN = Reason(
    "missing-column",
    "A table lacks a column that it cannot be read without.",
    "Add the column, or say in the study file which column stands for it.",
    "A sample sheet without a column of persons.",
)
NOT_A_NUMBER = Reason(
    "not-a-number",
    "A cell that should hold a number holds something else.",
    "Correct the cell at the source.",
    "`n.d.` in a column of counts.",
)
UNKNOWN_UNIT = Reason(
    "unknown-unit",
    "The unit of a value is not told, or not one that is understood.",
    "Say the unit in the study file or in the source.",
    "A laboratory value in `G/L2`.",
)
IDENTITY_CONFLICT = Reason(
    "identity-conflict",
    "What identifies the person says two things.",
    "Find out at the source whose it is, and correct the wrong one.",
    "A record whose two numbers belong to two persons of the ledger.",
)
REPEATED_SAMPLE = Reason(
    "repeated-sample",
    "A sample is named twice.",
    "Keep the sample that is right, or give each a name of its own.",
    "Two columns of one matrix with the same name.",
)
EMPTY_SAMPLE = Reason(
    "empty-sample",
    "A sample holds no count.",
    "Leave the sample out, or quantify it again.",
    "A column of zeros in a count matrix.",
)
MISSING_VALUES = Reason(
    "missing-values",
    "A method that needs every value meets one that is missing.",
    "Fill or leave out what is missing before this step.",
    "A matrix with empty cells that is to be normalised by quantiles.",
)
NO_COMMON_GENE = Reason(
    "no-common-gene",
    "No gene is left that all samples can be compared on.",
    "Check that the identifiers are of one kind, and that the samples are of one assay.",
    "Ensembl identifiers in the model, symbols in the matrix.",
)
ZERO_QUANTILE = Reason(
    "zero-quantile",
    "The quantile that scales a sample is zero.",
    "Use another normalisation, or leave the sample out.",
    "Upper quartile of a sample in which three of four genes have no count.",
)
CHANGED_MODEL = Reason(
    "changed-model",
    "A frozen model is not the file that was written.",
    "Use the file as it was written, or learn the model again.",
    "A model edited by hand, whose digest no longer fits.",
)
UNEXPECTED_ERROR = Reason(
    "unexpected-error",
    "A unit ended in an error that nobody foresaw; its text is not told, for it may hold a patient's value.",
    "Report the place that the message names; the next run tries again.",
    "A file whose reader meets a structure that no test of ours has.",
)
UNUSABLE_INPUT = Reason(
    "unusable-input",
    "A unit cannot be used for what its input says, as the message tells.",
    "Mend what the message names, then start the same command again.",
    "A sample sheet with a row that names no sample.",
)
WORKER_DIED = Reason(
    "worker-died",
    "The worker that ran a unit died over and over, also when the unit ran alone.",
    "Give workers more memory if it persists; the next run tries again.",
    "A compressed image that unpacks to more than the worker's memory.",
)
OUT_OF_MEMORY = Reason(
    "out-of-memory",
    "A unit asks for more memory than a worker has, again and again and alone.",
    "Give workers more memory if it persists; the next run tries again.",
    "A matrix of 60,000 samples on a worker of 1 GB.",
)
MACHINE_IMPORT = Reason(
    "machine-import",
    "A worker cannot import a module that this process can.",
    "Install the same versions of unibase and its libraries on every worker.",
    "A worker of a cluster in an environment of last year.",
)
MACHINE_SCHEDULER = Reason(
    "machine-scheduler",
    "The Dask scheduler of this run ended, or cannot be reached any more.",
    "Look why it ended and start it again, then start the same command again.",
    "A job of a cluster that ran out of its time with the scheduler in it.",
)
WRONG_COLUMN_COUNT = Reason(
    "wrong-column-count",
    "The row has another number of fields than the header.",
    "Quote the field that holds the delimiter, or complete the row.",
    "A comment with a comma in a CSV without quotes.",
)
UNKNOWN_PATIENT = Reason(
    "unknown-patient",
    "The person is not in the identity ledger, or nothing says who it is.",
    "Add the person to the centre's list of people and run again.",
    "Images, or a sample, of a person who is in no list of people; a DICOM file with an empty PatientID.",
)
INFLATES_TOO_FAR = Reason(
    "inflates-too-far",
    "The packed file inflates to more than 256 MiB and to more than 250 times its own size, as none of its kind does.",
    "Look at who made it. If it is right, bring it unpacked.",
    "A deflated DICOM file of 2 MB that holds 2 GB of zeros.",
)
STRAY_CELL = Reason(
    "stray-cell",
    "A cell of the workbook stands so far from all others that its sheet would take all memory.",
    "Delete that cell with its row and column and save, or save the sheet as CSV.",
    "A blank that was typed into the last row of the last column.",
)
