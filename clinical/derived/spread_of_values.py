"""How the numbers of each code and unit are spread in each centre: what a value that stands apart is judged against.

It is counted once over all subjects, before any of them is judged: no judgement depends on the blocks that a build reads.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from unibase.clinical.derived.quality_rules import Range
from unibase.clinical.words.units import factor_of
from unibase.groundwork.tables import DERIVED, centre_of

SENTINELS = (-1.0, -9.0, -99.0, -999.0, -9999.0, 999.0, 9999.0, 99999.0, 999999.0)
"""Numbers that forms write where there is no value (SEER, REDCap and SAS exports)."""
DRUGS = r"^(?:ATC|RxNorm|RxNorm Extension|HemOnc|UCD|CIP13|CIP7|NDC)//"
"""Codes of drugs, whose numbers are doses."""
FEWEST = 20
"""Values of a centre by which a unit is judged."""
_FEWEST_OTHERS, _FEWEST_DOSES = 8, 8
_FAR, _FAR_DOSE = 3.0, 300.0
_DIMENSIONLESS = r"^\{.*\}$|^1$|^$"

SPREAD = pl.Schema(
    {
        "centre": pl.String(),
        "code": pl.String(),
        "unit": pl.String(),
        "values": pl.Int64(),
        "median": pl.Float64(),
        "least": pl.Float64(),
        "most": pl.Float64(),
        "others": pl.Int64(),
        "sentinels": pl.List(pl.Float64()),
    }
)
"""One row per centre, code and unit (empty where there is none); `least`, `most` and `others` are of the numbers that are no sentinels."""


def spread_of(tables: Iterable[pl.LazyFrame]) -> pl.DataFrame:
    """Return SPREAD of all numbers in some EVENTS, `tables`, of any number of centres."""
    number = pl.col("numeric_value").cast(pl.Float64)
    other = pl.when(~number.is_in(SENTINELS)).then(number)
    numbers = [
        table.filter(pl.col("numeric_value").is_not_null() & (pl.col("source") != DERIVED)).select(
            centre_of(), "code", pl.col("unit").fill_null(""), "numeric_value"
        )
        for table in tables
    ]
    if not numbers:
        return pl.DataFrame(schema=SPREAD)
    counted = (
        pl.concat(numbers)
        .group_by("centre", "code", "unit")
        .agg(
            pl.len().alias("values"),
            number.median().alias("median"),
            other.min().alias("least"),
            other.max().alias("most"),
            other.count().alias("others"),
            number.filter(number.is_in(SENTINELS)).unique().sort().alias("sentinels"),
        )
    )
    return counted.collect().cast(SPREAD).sort("centre", "code", "unit")


def scores(spread: pl.DataFrame) -> list[str]:
    """Return the codes of SPREAD, `spread`, whose numbers are whole and of which no value has a unit: scores and counts need none.

    >>> rows = [("lyon", code, "", 20, 5.0, least, 9.0, 20, []) for code, least in (("LOINC//1", 3.0), ("LOINC//2", 3.5))]
    >>> scores(pl.DataFrame(rows, schema=SPREAD, orient="row"))
    ['LOINC//1']
    """
    whole = pl.all_horizontal((pl.col(name) % 1 == 0).fill_null(True) for name in ("least", "most"))
    by_code = spread.group_by("code").agg(((pl.col("unit") == "") & whole).all().alias("score"))
    return sorted(by_code.filter("score")["code"])


def sentinels(spread: pl.DataFrame) -> pl.DataFrame:
    """Return `code, unit, numeric_value`: the sentinels of SPREAD, `spread`, that stand apart from all other values of the code.

    >>> row = ("lyon", "LOINC//1", "g/L", 20, 5.0, 3.0, 9.0, 19, [999.0])
    >>> sentinels(pl.DataFrame([row], schema=SPREAD, orient="row"))["numeric_value"].to_list()
    [999.0]
    """
    together = spread.group_by("code", "unit").agg(
        pl.col("least").min(), pl.col("most").max(), pl.col("others").sum(), pl.col("sentinels").explode().unique().drop_nulls()
    )
    each = together.explode("sentinels").drop_nulls("sentinels").filter(pl.col("others") >= _FEWEST_OTHERS)
    value = pl.col("sentinels")
    below = (value < 0) & (pl.col("least") >= 0)
    above = (value > 0) & (value > _FAR * pl.max_horizontal("most", -pl.col("least")))
    return each.filter(below | above).select("code", "unit", value.cast(pl.Float32).alias("numeric_value")).sort(pl.all())


def dose_limits(spread: pl.DataFrame) -> pl.DataFrame:
    """Return `code, unit, low, high` of the drugs of SPREAD, `spread`: a 300th of the median dose over all centres, and 300 times it.

    A centre's median stands for its values, so that one that is wrong throughout does not hide in its own number.

    >>> row = ("lyon", "ATC//L01XA02", "mg", 20, 300.0, 3.0, 9.0, 19, [])
    >>> dose_limits(pl.DataFrame([row], schema=SPREAD, orient="row")).row(0)
    ('ATC//L01XA02', 'mg', 1.0, 90000.0)
    """
    drugs = spread.filter(pl.col("code").str.contains(DRUGS) & (pl.col("median") > 0))
    middle = drugs.sort("median").group_by("code", "unit").agg(pl.col("values").sum(), pl.col("median").median())
    known = middle.filter(pl.col("values") >= _FEWEST_DOSES)
    return known.select("code", "unit", (pl.col("median") / _FAR_DOSE).alias("low"), (pl.col("median") * _FAR_DOSE).alias("high"))


@dataclass(frozen=True)
class UnitFound:
    """What the numbers of a centre say of their unit.

    Attributes:
        centre, code: Whose numbers.
        said: The unit that stands there; empty where there is none.
        unit: The only one in which they are what patients have.
        factor: What one of it is in the unit of the analyte.
    """

    centre: str
    code: str
    said: str
    unit: str
    factor: float


def units_found(spread: pl.DataFrame, ranges: dict[str, Range]) -> list[UnitFound]:
    """Return the units that the medians of SPREAD, `spread`, say for certain, of analytes with `typical` medians among `ranges`.

    Certain is what fits one unit alone: haemoglobin of 132 is g/L; of 9.5 it may be g/dL or mmol/L, and is left. Numbers with the
    unit of the analyte whose median fits stay out.
    """
    found = []
    for row in spread.filter(pl.col("values") >= FEWEST).iter_rows(named=True):
        rule = ranges.get(row["code"])
        if rule is None or rule.typical is None or row["unit"] not in ("", rule.unit):
            continue
        low, high = rule.typical
        factors = {unit: factor_of(row["code"], unit, rule.unit) for unit in (rule.unit, *rule.units)}
        fitting = [(unit, f) for unit, f in factors.items() if f is not None and low <= row["median"] * f <= high]
        said_fits = any(unit == row["unit"] for unit, _ in fitting)
        if len(fitting) == 1 and not said_fits:
            unit, factor = fitting[0]
            found.append(UnitFound(row["centre"], row["code"], row["unit"], unit, factor))
    return found


def mixed_codes(spread: pl.DataFrame) -> list[str]:
    """Return the codes of LOINC in SPREAD, `spread`, of which some values have a unit with a dimension, and some have none.

    >>> mixed_codes(pl.DataFrame({"code": ["LOINC//1", "LOINC//1", "LOINC//2"], "unit": ["g/L", "", ""]}))
    ['LOINC//1']
    """
    united = spread.filter(~pl.col("unit").str.contains(_DIMENSIONLESS))["code"]
    loinc = pl.col("code").str.starts_with("LOINC//")
    bare = spread.filter((pl.col("unit") == "") & loinc)["code"]
    return sorted(set(united) & set(bare))
