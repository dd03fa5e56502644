"""Units of measurement: written as UCUM codes, and one unit per analyte where the conversion is certain."""

from __future__ import annotations

import re
from functools import cache

import polars as pl

from unibase.clinical.sources.problem_rows import RowProblem
from unibase.clinical.words.ucum_units import factor, is_ucum
from unibase.groundwork.reasons import NOT_A_NUMBER, UNKNOWN_UNIT

UCUM_SPELLINGS: dict[str, str] = {
    **{
        code: code
        for code in ["g/L", "g/dL", "mg/L", "mg/dL", "ug/L", "ug/mL", "ng/mL", "ng/L", "pg/mL", "U/L", "U/mL", "k[IU]/L", "[IU]/L", "m[IU]/L", "[IU]/mL", "mmol/L", "umol/L", "ukat/L", "mkat/L", "nkat/L", "nmol/L", "pmol/L", "meq/L", "%", "kg", "g", "mg", "ug", "mm", "cm", "m", "mL", "L", "mm[Hg]", "Cel", "[degF]", "/min", "s", "min", "h", "d", "wk", "mo", "a", "10*9/L", "10*12/L", "10*3/uL", "10*6/uL", "/uL", "fL", "pg", "kg/m2", "m2", "mL/min", "mL/min/{1.73_m2}", "[lb_av]", "[in_i]", "Gy", "cGy", "MBq", "{score}", "{ratio}", "1", "ug/dL", "mm/h", "mosm/kg", "{INR}", "mL/h", "mL/d"]
    },
    "g/l": "g/L", "gm/dl": "g/dL", "g/dl": "g/dL", "mg/l": "mg/L", "mg/dl": "mg/dL", "ui/l": "[IU]/L", "iu/l": "[IU]/L",
    "u/l": "U/L", "units/l": "U/L", "mmol/l": "mmol/L", "µmol/l": "umol/L", "umol/l": "umol/L", "ng/ml": "ng/mL",
    "µg/l": "ug/L", "pct": "%", "percent": "%", "mmhg": "mm[Hg]", "°c": "Cel", "bpm": "/min", "g/100ml": "g/dL",
    "10^9/l": "10*9/L", "g/l ": "g/L", "giga/l": "10*9/L", "k/ul": "10*3/uL", "10e9/l": "10*9/L", "ml": "mL", "gm": "g",
    "meq/l": "meq/L", "µkat/l": "ukat/L", "ukat/l": "ukat/L", "mkat/l": "mkat/L", "nkat/l": "nkat/L", "iu/ml": "[IU]/mL",
    "ui/ml": "[IU]/mL", "mui/l": "m[IU]/L", "miu/l": "m[IU]/L", "u/ml": "U/mL", "kui/l": "k[IU]/L", "µg/dl": "ug/dL",
    "µg/ml": "ug/mL", "nmol/l": "nmol/L", "pmol/l": "pmol/L", "pg/ml": "pg/mL", "ng/l": "ng/L", "kg/m²": "kg/m2", "m²": "m2",
    "10^12/l": "10*12/L", "10^6/ul": "10*6/uL", "10e3/ul": "10*3/uL", "10*9/l": "10*9/L", "10³/µl": "10*3/uL", "/µl": "/uL",
    "10^3/ul": "10*3/uL", "years": "a", "ans": "a", "jours": "d", "days": "d", "mm de hg": "mm[Hg]",
}  # fmt: skip
"""Spellings met in sources and the UCUM code that each certainly means (compared as written, then in lower case)."""

_REGULAR: dict[str, str] = {
    "g%": "g/dL", "g/100ml": "g/dL", "mg/100ml": "mg/dL", "ug/dl": "ug/dL", "ug/l": "ug/L", "ug/ml": "ug/mL", "umol/l": "umol/L",
    "10*3/ul": "10*3/uL", "k/ul": "10*3/uL", "10*6/ul": "10*6/uL", "10*9/l": "10*9/L", "10*12/l": "10*12/L", "/ul": "/uL",
    "tera/l": "10*12/L", "m[iu]/ml": "m[IU]/mL", "u[iu]/ml": "u[IU]/mL", "[iu]/ml": "[IU]/mL", "[iu]/l": "[IU]/L",
    "m[iu]/l": "m[IU]/L", "k[iu]/l": "k[IU]/L", "degc": "Cel", "degf": "[degF]", "lb": "[lb_av]", "lbs": "[lb_av]",
    "pound": "[lb_av]", "pounds": "[lb_av]", "in": "[in_i]", "inch": "[in_i]", "inches": "[in_i]", "mois": "mo", "months": "mo",
    "month": "mo", "semaines": "wk", "weeks": "wk", "year": "a", "an": "a", "day": "d", "jour": "d", "sec": "s", "secondes": "s",
    "mg/24h": "mg/d", "g/24h": "g/d", "ml/24h": "mL/d", "ml/min/1.73m2": "mL/min/{1.73_m2}", "ml/mn/1.73m2": "mL/min/{1.73_m2}",
    "ml/min/1,73m2": "mL/min/{1.73_m2}", "ml/mn/1,73m2": "mL/min/{1.73_m2}", "ml/mn": "mL/min", "ratio": "{ratio}",
    "inr": "{INR}", "score": "{score}", "bpm": "/min", "batt/min": "/min", "kgs": "kg", "cms": "cm",
}  # fmt: skip
"""The same of spellings in their regular form (`_regular`)."""

_NONE_SAID = frozenset(
    [
        "",
        "-",
        "?",
        "na",
        "n/a",
        "nd",
        "nc",
        "ns",
        "none",
        "null",
        "unk",
        "unknown",
        "inconnu",
        "inconnue",
        "sans",
        "sans unite",
        "sans unité",
    ]
)
"""Words in the place of a unit that say that none is known."""

_CASE_SAYS = {"G/L": ("10*9/L", "g/L"), "G/l": ("10*9/L", "g/L"), "T/L": ("10*12/L", None), "T/l": ("10*12/L", None)}
"""Units of French laboratories, and what they are of a count, and of a mass: giga a litre is g/L only where capitals are all there is."""

UNKNOWN = "{unknown}"
"""The unit of a value whose unit nobody could read: it is not that of its analyte, and no table mixes the two."""


def _regular(text: str) -> str:
    """Return a spelling in one form: small letters, no blanks, `u` for micro, `[iu]` for international units, `10*9` for a power."""
    folded = text.replace("\u00b5", "u").replace("\u00b3", "3").replace("\u00b2", "2").replace("\u2079", "9").lower()
    folded = re.sub(r"\s+", "" if not re.match(r"^[x\u00d7]?\s*10\s+\d", folded) else "*", folded)
    folded = re.sub(r"^[x\u00d7]?\*?10(?:e|\^|\*\*|\*)?(3|6|9|12)(?=/)", r"10*\1", folded)
    folded = re.sub(r"(?:mm3|cmm|microl|microlitre)$", "ul", folded).replace("micro", "u").replace("mcg", "ug")
    return re.sub(r"(?<![a-z])([mku]?)(?:ui|iu)(?=/)", r"\1[iu]", folded)


SAME_UNIT: dict[tuple[str, str], float] = {
    ("g/dL", "g/L"): 10.0,
    ("mg/dL", "mg/L"): 10.0,
    ("mg/L", "mg/dL"): 0.1,
    ("g/L", "g/dL"): 0.1,
    ("10*3/uL", "10*9/L"): 1.0,
    ("10*6/uL", "10*12/L"): 1.0,
    ("m", "cm"): 100.0,
    ("mm", "cm"): 0.1,
    ("cm", "mm"): 10.0,
    ("g", "kg"): 0.001,
    ("ng/mL", "ug/L"): 1.0,
    ("ug/mL", "mg/L"): 1.0,
    ("[lb_av]", "kg"): 0.45359237,
    ("[in_i]", "cm"): 2.54,
    # 1 kat is 1 mol/s, 1 U is 1 umol/min.
    ("ukat/L", "U/L"): 60.0,
    ("nkat/L", "U/L"): 0.06,
    ("mkat/L", "U/L"): 60_000.0,
    ("U/mL", "U/L"): 1000.0,
}
"""Conversions that hold whatever the analyte: factor from the first unit to the second (UCUM definitions)."""

_ENZYMES = ("2532-0", "14804-9", "14805-6", "1742-6", "1920-8", "6768-6", "2324-2")
"""LDH by three methods, ALAT, ASAT, alkaline phosphatase, gamma-GT: their catalytic activity, for which laboratories write
UI/L as well as U/L."""

_SAME_FOR_ENZYMES = {("[IU]/L", "U/L"): 1.0, ("[IU]/mL", "U/L"): 1000.0, ("k[IU]/L", "U/L"): 1000.0}

TARGET_UNIT: dict[str, str] = {
    "LOINC//718-7": "g/dL",
    "LOINC//1751-7": "g/L",
    "LOINC//1988-5": "mg/L",
    "LOINC//29463-7": "kg",
    "LOINC//8302-2": "cm",
    "LOINC//26515-7": "10*9/L",
    "LOINC//777-3": "10*9/L",
    "LOINC//6690-2": "10*9/L",
    "LOINC//751-8": "10*9/L",
    "LOINC//789-8": "10*12/L",
    "LOINC//731-0": "10*9/L",
    "LOINC//742-7": "10*9/L",
    **{f"LOINC//{code}": "U/L" for code in _ENZYMES},
    "LOINC//2160-0": "mg/dL",
    "LOINC//14682-9": "umol/L",
    "LOINC//2345-7": "mg/dL",
    "LOINC//14749-6": "mmol/L",
    "LOINC//1975-2": "mg/dL",
    "LOINC//14631-6": "umol/L",
    "LOINC//17861-6": "mg/dL",
    "LOINC//2000-8": "mmol/L",
    "LOINC//2857-1": "ng/mL",
    "LOINC//2039-6": "ng/mL",
}
"""The unit in which an analyte is kept; a value in another unit is converted where UCUM, or the molar mass, says how, else left."""

MOLAR_MASS: dict[str, float] = {
    "LOINC//718-7": 16_114.5,  # haemoglobin, by monomer with one iron, as laboratories report mmol/L (IFCC)
    "LOINC//1751-7": 66_438.0,  # albumin
    **dict.fromkeys(("LOINC//2160-0", "LOINC//14682-9"), 113.12),  # creatinine
    **dict.fromkeys(("LOINC//2345-7", "LOINC//14749-6"), 180.156),  # glucose
    **dict.fromkeys(("LOINC//1975-2", "LOINC//14631-6"), 584.66),  # bilirubin
    **dict.fromkeys(("LOINC//17861-6", "LOINC//2000-8"), 40.078),  # calcium
}
"""Molar mass of an analyte in g/mol: what a source reports in moles is known in grams, and the other way round."""


def ucum(text: str) -> str | None:
    """Return the UCUM code that a unit certainly means: of a spelling that is known, or a `text` that is one; else None.

    Example:
        >>> ucum("G/DL"), ucum("10*6/mL"), ucum("furlong")
        ('g/dL', '10*6/mL', None)
    """
    # The micro sign and the Greek letter look the same.
    written = text.strip().replace("\u03bc", "\u00b5")
    if written in _CASE_SAYS:
        return None
    known = UCUM_SPELLINGS.get(written) or UCUM_SPELLINGS.get(written.lower()) or _REGULAR.get(_regular(written))
    plain = written.replace("\u00b5", "u").replace("\u00b2", "2").replace("\u00b3", "3")
    return known or next((one for one in (written, plain) if is_ucum(one)), None)


@cache
def contradict(text: str, code: str) -> bool:
    """Return whether the words of a unit and its code are two units of one kind, so that a value has two meanings.

    Args:
        text: As people read it.
        code: As UCUM has it.

    Example:
        >>> contradict("g/L", "g/dL"), contradict("beats per minute", "/min"), contradict("G/DL", "g/dL")
        (True, False, False)
    """
    if text == code:
        return False
    said, meant = ucum(text), ucum(code)
    if not said or not meant:
        return False
    ratio = factor(said, meant)
    # Of moles and grams both cannot be right.
    return ratio != 1.0 if ratio is not None else factor(said, meant, molar_mass=100.0) is not None


@cache
def _meant(code: str, text: str) -> str | None:
    """Return the unit that a spelling means for an analyte; None where it says none, `UNKNOWN` where nobody can read it."""
    written = text.strip()
    if written.lower() in _NONE_SAID:
        return None
    if written not in _CASE_SAYS:
        return ucum(written) or UNKNOWN
    count, mass = _CASE_SAYS[written]
    target = TARGET_UNIT.get(code)
    if target is None:
        return count if mass is None else UNKNOWN
    return count if target.startswith("10*") else mass or UNKNOWN


@cache
def factor_of(code: str, unit: str, target: str) -> float | None:
    """Return what one of a `unit` is in another, `target`, for the analyte `code`; None where nothing certain says it.

    >>> factor_of("LOINC//718-7", "g/L", "g/dL"), factor_of("LOINC//718-7", "g/dL", "g/dL")
    (0.1, 1.0)
    """
    if unit == target:
        return 1.0
    enzyme = code.removeprefix("LOINC//") in _ENZYMES
    known = SAME_UNIT | _SAME_FOR_ENZYMES if enzyme else SAME_UNIT
    return known.get((unit, target)) or factor(unit, target, MOLAR_MASS.get(code))


def _finite(frame: pl.DataFrame, problems: list[RowProblem]) -> pl.DataFrame:
    """Return `frame` without infinity and NaN, which programs write where there is no number; they are told."""
    no_number = ~pl.col("numeric_value").cast(pl.Float64).is_finite().fill_null(True)
    rows = frame.filter(no_number)["source_row"]
    problems += [RowProblem(row, NOT_A_NUMBER, "The value is not a number.", "value", refused=False) for row in rows]
    return frame.with_columns(pl.when(~no_number).then("numeric_value").alias("numeric_value")) if len(rows) else frame


def _read_units(frame: pl.DataFrame) -> pl.DataFrame:
    """Return `frame` with `unit` as UCUM, each spelling of each analyte read once."""
    said = frame.select("code", "unit").filter(pl.col("unit").is_not_null()).unique(maintain_order=True)
    meant = said.with_columns(pl.Series("_meant", [_meant(*pair) for pair in said.iter_rows()], dtype=pl.String))
    return frame.join(meant, on=["code", "unit"], how="left", maintain_order="left").with_columns(unit="_meant").drop("_meant")


def convert_expressions(frame: pl.DataFrame, problems: list[RowProblem]) -> pl.DataFrame:
    """Return `frame` with `unit` as UCUM and `numeric_value` in the analyte's unit where the conversion is certain.

    Args:
        frame: Rows with `source_row`, `code`, `numeric_value` and `unit`.
        problems: Where to tell of units that are not known as UCUM; their values get the unit `UNKNOWN`.
    """
    frame = _finite(frame, problems)
    if frame["unit"].null_count() == frame.height:
        return frame
    frame = _read_units(frame)
    for row in frame.filter(pl.col("unit") == UNKNOWN)["source_row"]:
        message = f"The unit is not known as a UCUM code: the value is kept with the unit {UNKNOWN}."
        problems.append(RowProblem(row, UNKNOWN_UNIT, message, "unit", refused=False))
    target = pl.col("code").replace_strict(list(TARGET_UNIT), list(TARGET_UNIT.values()), default=None, return_dtype=pl.String)
    frame = frame.with_columns(target.alias("_target"))
    other = (pl.col("unit") != pl.col("_target")).fill_null(False)
    if not frame.select(other.any()).item():
        return frame.drop("_target")
    pairs = frame.filter(other).select("code", "unit", "_target").unique(maintain_order=True)
    factors = pl.Series([factor_of(*pair) for pair in pairs.iter_rows()], dtype=pl.Float64)
    frame = frame.join(
        pairs.with_columns(factors.alias("_factor")), on=["code", "unit", "_target"], how="left", maintain_order="left"
    )
    known = pl.col("_factor").is_not_null()
    return frame.with_columns(
        pl.when(known).then(pl.col("numeric_value") * pl.col("_factor")).otherwise("numeric_value").alias("numeric_value"),
        pl.when(known).then("_target").otherwise("unit").alias("unit"),
    ).drop("_target", "_factor")
