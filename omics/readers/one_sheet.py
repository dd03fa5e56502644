"""The one sheet of a workbook that holds a matrix, as text that the reader of tables reads."""

from __future__ import annotations

import csv
import io

from unibase.groundwork.problems import Unusable
from unibase.groundwork.workbook_bounds import refuse_odd_workbook
from unibase.omics.readers.numerals import cell_text
from unibase.omics.reasons import NOT_A_MATRIX


def sheet_as_text(data: bytes) -> bytes:
    """Return the one sheet of a workbook that holds something, its cells between tabs.

    Args:
        data: All bytes of the workbook.

    Raises:
        Unusable: `not-a-matrix` when it is no workbook, or several sheets hold something; as `refuse_odd_workbook`.
    """
    filled = [rows for rows in _sheets(data) if rows]
    if len(filled) != 1:
        raise Unusable(
            NOT_A_MATRIX, f"The workbook has {len(filled)} sheets with content.", "Save the one sheet of the table by itself."
        )
    lines = io.StringIO()
    writer = csv.writer(lines, delimiter="\t", lineterminator="\n")
    writer.writerows([[cell_text(cell) for cell in row] for row in filled[0]])
    return lines.getvalue().encode()


def _sheets(data: bytes) -> list[list[list[object]]]:
    from python_calamine import CalamineWorkbook  # a library of its own, for few sources

    try:
        refuse_odd_workbook(data)
        book = CalamineWorkbook.from_filelike(io.BytesIO(data))
        return [list(map(list, book.get_sheet_by_name(name).to_python(skip_empty_area=True))) for name in book.sheet_names]
    except Unusable:
        raise
    except Exception as error:  # the library raises classes of its own for each kind of damage
        raise Unusable(
            NOT_A_MATRIX,
            f"The file is packed, and no workbook that can be read ({type(error).__name__}).",
            "Unpack it, and give the table itself.",
        ) from None
