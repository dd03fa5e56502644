"""Names of metrics of a dose: what may be asked, how it is written, and what it means."""

from __future__ import annotations

import re
from collections.abc import Iterable

from unibase.groundwork.problems import UserError

USUAL_METRICS = ("Dmin", "Dmean", "Dmax", "D2", "D50", "D95", "D98")
"""What is measured when nothing is asked."""

PREFIX = "dose_"
"""What the columns of metrics begin with in a FEATURES table."""

FORM = re.compile(r"(?P<what>[DV])(?:(?P<named>min|mean|max)|(?P<number>\d+(?:\.\d+)?)(?P<unit>cc|Gy|%)?)", re.IGNORECASE)

_NAMED = {"min": "Least", "mean": "Mean", "max": "Largest"}


def check_metric(metric: str) -> str:
    """Return a metric if it is one: `Dmean`, `D95` or `D95%` (percent), `D2cc`, `V20Gy` (percent).

    Args:
        metric: As a user writes it.

    Raises:
        UserError: If it is none.

    Example:
        >>> check_metric("D2cc"), check_metric("V20")
        ('D2cc', 'V20')
    """
    found = FORM.fullmatch(metric)
    wrong = found is None or (found["what"].upper() == "V" and (found["named"] or found["unit"] in ("cc", "%")))
    if wrong or (found is not None and found["what"].upper() == "D" and (found["unit"] or "").lower() == "gy"):
        raise UserError(f"{metric} is no metric of a dose. Write Dmean, Dmin, Dmax, D95 (percent), D2cc, or V20Gy.")
    return metric


def check_metrics(metrics: Iterable[str]) -> None:
    """Check metrics, each as `check_metric` does.

    Args:
        metrics: As a user writes them.

    Raises:
        UserError: If one is none.
    """
    for metric in metrics:
        check_metric(metric)


def metric_column(metric: str) -> str:
    """Return the column of a metric in a FEATURES table, one for every way to write it.

    Args:
        metric: As `check_metric` takes it.

    Example:
        >>> metric_column("d95%"), metric_column("V20"), metric_column("Dmean")
        ('dose_D95', 'dose_V20Gy', 'dose_Dmean')
    """
    found = FORM.fullmatch(check_metric(metric))
    assert found is not None
    what = found["what"].upper()
    if found["named"]:
        return f"{PREFIX}{what}{found['named'].lower()}"
    unit = "Gy" if what == "V" else "cc" if (found["unit"] or "").lower() == "cc" else ""
    return f"{PREFIX}{what}{float(found['number']):g}{unit}"


def metric_words(column: str) -> tuple[str, str] | None:
    """Return unit and meaning of the column of a metric; None for other columns.

    Args:
        column: Of a FEATURES table.

    Example:
        >>> metric_words("dose_D95"), metric_words("firstorder_Mean")
        (('Gy', 'Dose that 95 % of the volume gets at least.'), None)
    """
    found = FORM.fullmatch(column.removeprefix(PREFIX)) if column.startswith(PREFIX) else None
    if found is None:
        return None
    if found["named"]:
        return "Gy", f"{_NAMED[found['named']]} dose of the voxels."
    if found["what"] == "V":
        return "%", f"Share of the volume that gets at least {found['number']} Gy."
    volume = f"{found['number']} cm3" if found["unit"] else f"{found['number']} % of the volume"
    return "Gy", f"Dose that {volume} {'get' if found['unit'] else 'gets'} at least."
