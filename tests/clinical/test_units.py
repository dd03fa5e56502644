"""Units: UCUM's grammar, conversions with and without a molar mass, and what never converts. Oracle: the definitions of UCUM by hand."""

from __future__ import annotations

import polars as pl
import pytest

from unibase.clinical.sources.problem_rows import RowProblem
from unibase.clinical.words.ucum_units import factor
from unibase.clinical.words.units import SAME_UNIT, UNKNOWN, convert_expressions


@pytest.mark.parametrize(
    ("code", "unit", "value", "kept", "target"),
    [
        ("718-7", "mmol/L", 8.0, 12.8916, "g/dL"),  # 8 mmol/L x 16,114.5 g/mol = 128.916 g/L
        ("718-7", "kg/m3", 125.0, 12.5, "g/dL"),
        ("718-7", "10*9/L", 8.0, 8.0, "10*9/L"),  # a count is no mass: left as it is
        ("2160-0", "umol/L", 88.4, 1.0, "mg/dL"),
        ("14682-9", "mg/dL", 1.0, 88.4, "umol/L"),
        ("2345-7", "mmol/L", 5.55, 99.99, "mg/dL"),
        ("1975-2", "umol/L", 17.1, 1.0, "mg/dL"),
        ("17861-6", "mmol/L", 2.5, 10.02, "mg/dL"),
        ("26515-7", "10*6/mL", 250.0, 250.0, "10*9/L"),
        ("26515-7", "[IU]/L", 250.0, 250.0, "[IU]/L"),  # an arbitrary unit is no count, though both are 1/L
        ("2532-0", "UI/L", 210.0, 210.0, "U/L"),
        ("2532-0", "nmol/s/L", 3500.0, 210.0, "U/L"),
        ("29463-7", "[oz_av]", 2469.2, 70.0, "kg"),
        ("1988-5", "ng/mL", 5000.0, 5.0, "mg/L"),
    ],
)  # fmt: skip
def test_a_value_in_the_unit_of_its_analyte(code: str, unit: str, value: float, kept: float, target: str) -> None:
    problems: list[RowProblem] = []
    frame = pl.DataFrame({"source_row": [1], "code": [f"LOINC//{code}"], "numeric_value": [value], "unit": [unit]})
    row = convert_expressions(frame, problems).row(0, named=True)
    assert (row["numeric_value"], row["unit"], problems) == (pytest.approx(kept, rel=2e-3), target, [])


@pytest.mark.parametrize(("pair", "known"), list(SAME_UNIT.items()))
def test_our_factors_are_those_of_ucum(pair: tuple[str, str], known: float) -> None:
    assert factor(*pair) == pytest.approx(known, rel=1e-9)


@pytest.mark.parametrize("unit", ["furlong", "sachet", "UI", "g par litre", "Giga", "mg/dl/x"])
def test_what_is_no_unit_is_told(unit: str) -> None:
    problems: list[RowProblem] = []
    frame = pl.DataFrame({"source_row": [4], "code": ["LOINC//1-8"], "numeric_value": [1.0], "unit": [unit]})
    assert convert_expressions(frame, problems)["unit"].to_list() == [UNKNOWN]
    assert [(one.row, one.reason) for one in problems] == [(4, "unknown-unit")]
