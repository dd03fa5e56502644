"""The page's counts of tumour responses, against counts by hand and R's binom.test, and what is hidden of them."""

from __future__ import annotations

import polars as pl
import pytest

from unibase.releases.disclosure.response_counts import weigh
from unibase.releases.disclosure.small_counts import MASK_TEXT
from unibase.releases.report.sections.responses import Drawn, drawn


def found_of(best: dict[str, list[str | None]], min_cell: int) -> list[Drawn]:
    rows = [(n, code, f"Best, {code}", value) for code, values in best.items() for n, value in enumerate(values)]
    schema = {"subject_id": pl.Int64, "PARAMCD": pl.String, "PARAM": pl.String, "AVALC": pl.String}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    visits = frame.with_columns(PARAMCD=pl.lit("OVR"))
    return [drawn(one) for one in weigh(pl.concat([frame, visits]), list(best), min_cell)]


def test_counts_and_exact_limits() -> None:
    values: list[str | None] = ["CR"] * 20 + ["PR"] * 30 + ["SD"] * 40 + ["MISSING"] * 15 + [None] * 12
    (found,) = found_of({"BOR": values}, 11)
    assert found.rows == [("CR", "20"), ("PR", "30"), ("SD", "40"), ("MISSING", "15"), ("none", "12")]
    # R: binom.test(50, 117)$conf.int is 0.3363377 to 0.5221307.
    assert found.rate == "42.7 % (33.6 %, 52.2 %)"


def test_a_confirmed_response_does_not_tell_of_the_few_that_were_not() -> None:
    first: list[str | None] = ["PR"] * 30 + ["SD"] * 40
    confirmed: list[str | None] = ["PR"] * 27 + ["SD"] * 43
    found = found_of({"BOR": first, "CBOR": confirmed}, 11)
    shown = {one.code: [count for _, count in one.rows if count != MASK_TEXT] for one in found}
    rates = [one.code for one in found if one.rate is not None]
    # Three persons lie between the two: only one parameter's numbers can be there.
    assert sum(bool(counts) for counts in shown.values()) + len(set(rates) - {c for c, counts in shown.items() if counts}) <= 1


@pytest.mark.parametrize("counted", [("CR", 5), ("PD", 5)])
def test_a_small_count_hides_what_would_give_it_away(counted: tuple[str, int]) -> None:
    value, count = counted
    (found,) = found_of({"BOR": [value] * count + ["SD"] * 60}, 11)
    assert all(text == MASK_TEXT for _, text in found.rows)
    assert found.rate is None or found.rate.startswith("0.0")
