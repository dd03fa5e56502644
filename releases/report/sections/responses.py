"""Section: best tumour responses, how many subjects have each, and the rate of objective response."""

from __future__ import annotations

from dataclasses import dataclass

from unibase.releases.disclosure.response_counts import NONE, OBJECTIVE_RATE, ResponseCounts
from unibase.releases.report.data import Contents, ReportData, text
from unibase.releases.report.section import Section


@dataclass(frozen=True)
class Drawn:
    """What is shown of the best responses by one rule.

    Attributes:
        code: PARAMCD of the rule.
        name: Its PARAM.
        rows: Each response and how many subjects have it, as it may be shown.
        rate: Share of CR and PR with its limits; None where it is hidden.
    """

    code: str
    name: str
    rows: list[tuple[str, str]]
    rate: str | None


def drawn(one: ResponseCounts) -> Drawn:
    """Return the counts of each best response in `one`, and the share of CR and PR with its exact 95 % limits.

    The limits are those of Clopper and Pearson (Biometrika 1934;26:404).
    """
    rows = [(value, text(count)) for value, count in one.values]
    return Drawn(one.code, one.name, rows, _rate(one.objective, one.subjects))


def _rate(count: int | None, total: int) -> str | None:
    from scipy.stats import binomtest  # Heavy, and few pages show a rate.

    if count is None or not total:
        return None
    limits = binomtest(count, total).proportion_ci(confidence_level=0.95, method="exact")
    return f"{count / total:.1%} ({limits.low:.1%}, {limits.high:.1%})".replace("%", " %")


def contents(data: ReportData) -> Contents | None:
    """Return what the template shows; nothing where no response was asked for.

    Args:
        data: The data of the page.
    """
    for one in data.weighed.responses:
        for value, count in (*one.values, (OBJECTIVE_RATE, one.objective)):
            data.told("responses", f"{one.code} {value}", count)
    found = [drawn(one) for one in data.weighed.responses]
    return {"responses": found, "none": NONE} if found else None


SECTION = Section("responses", ("Réponse tumorale", "Tumour response"), ("Réponse", "Response"), contents, after="survival")
