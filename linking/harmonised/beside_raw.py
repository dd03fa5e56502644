"""Harmonised values beside the raw ones: which subjects the fit sees, which are brought in, and which are left out.

`harmonise` holds the method; here a study's rule meets a table. What cannot be harmonised (a centre without training
subjects, a missing covariate) is refused or left empty, as the rule says, and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from unibase.groundwork.problems import UserError
from unibase.linking.options import HarmoniseRule
from unibase.methods.combat import ComBat, fit_combat
from unibase.methods.feature_blocks import Array, Room, Table, Transposed, feature_blocks, in_memory, row_blocks
from unibase.methods.harmonised_table import centre_effect

PREFIX = "combat_"
"""Beginning of the names of harmonised columns."""


@dataclass(frozen=True)
class Harmonised:
    """Harmonised values and how they came about.

    Attributes:
        values: (subjects, features) as given; NaN for subjects that were left out and features that were not fitted.
        model: The fitted or given parameters.
        fitted: Names of the features that were harmonised.
        record: What a release says of it: counts, options and the share of variance that the centre explains before and after.
    """

    values: Array
    model: ComBat
    fitted: tuple[str, ...]
    record: dict[str, Any]


def training_subjects(analysis: pl.DataFrame, splits: pl.DataFrame, rule: HarmoniseRule) -> list[bool]:
    """Return which rows of `analysis` a fit may see: those of the part `rule.fit_on` in `splits`, or all."""
    if rule.fit_on == "all":
        return [True] * analysis.height
    part = splits.filter((pl.col("scheme") == "parts") & (pl.col("part") == rule.fit_on))["subject_id"]
    return analysis["subject_id"].is_in(part.implode()).to_list()


def covariate(name: str, analysis: pl.DataFrame, subjects: pl.DataFrame, adtte: pl.DataFrame) -> pl.Series:
    """Return the covariate `name` for each row of `analysis`: SEX or AGE of `subjects`, a column, or an endpoint of `adtte`."""
    ids = analysis.select("subject_id")
    if name in ("SEX", "AGE"):
        return ids.join(subjects.select("subject_id", name), on="subject_id", how="left", maintain_order="left")[name]
    if name in analysis.columns:
        return analysis[name]
    events = adtte.filter(pl.col("PARAMCD") == name).select(
        "subject_id", pl.when(pl.col("CNSR") == 0).then(pl.lit("event")).otherwise(pl.lit("censored")).alias(name)
    )
    once = events.unique("subject_id", keep="first", maintain_order=True)
    return ids.join(once, on="subject_id", how="left", maintain_order="left")[name]


def imaging_groups(columns: Sequence[str], features: pl.DataFrame) -> dict[str, tuple[str, ...]]:
    """Return, per modality and region of `features`, how the columns of its image types begin, where there are such."""
    groups: dict[str, list[str]] = {}
    kinds = features.select("Modality", "region", "image_type").drop_nulls().unique().sort(pl.all())
    for modality, region, image_type in kinds.iter_rows():
        prefix = f"{modality}_{region}_{image_type}_"
        if any(column.startswith(prefix) for column in columns):
            groups.setdefault(f"{modality}_{region}", []).append(prefix)
    return {name: tuple(prefixes) for name, prefixes in groups.items()}


def imaging_batch(trace: pl.DataFrame, prefixes: Sequence[str], series: pl.DataFrame, rule: HarmoniseRule) -> dict[int, str]:
    """Return the centre or scanner of the series, by the `rule`, that each subject's values were taken from.

    `trace` says which series that is, for the variables that begin with `prefixes`.
    """
    used = (
        trace.filter(pl.col("variable").is_in([f"{prefix}*" for prefix in prefixes]))
        .select("subject_id", "SeriesInstanceUID")
        .unique()
    )
    if rule.batch == "scanner":
        label = pl.concat_str(pl.col("Manufacturer").fill_null(""), pl.lit(" "), pl.col("ManufacturerModelName").fill_null(""))
        label = label.str.strip_chars().replace("", None)
    else:
        label = pl.col("centre")
    named = used.join(series.select("SeriesInstanceUID", label.alias("batch")), on="SeriesInstanceUID").drop_nulls()
    return dict(named.sort("subject_id", "SeriesInstanceUID").select("subject_id", "batch").iter_rows())


def sample_batch(analysis: pl.DataFrame, samples: pl.DataFrame, assay: str) -> dict[int, str]:
    """Return the centre of the sample of an assay, out of `samples`, that was chosen of each subject of `analysis`."""
    mine = samples.filter(pl.col("assay") == assay).select("colname", "centre")
    centres = dict(mine.iter_rows())
    chosen = analysis.select("subject_id", f"{assay}_sample").drop_nulls()
    placed = [(subject, centres.get(sample)) for subject, sample in chosen.iter_rows()]
    return {subject: centre for subject, centre in placed if centre}


def harmonised_values(rows: pl.DataFrame, assay: str, values: Mapping[str, np.ndarray]) -> pl.DataFrame:
    """Return the harmonised columns of an assay: `subject_id` of `rows`, then one column per symbol of `values`.

    Each of the values has the shape (rows,).

    >>> harmonised_values(pl.DataFrame({"subject_id": [7]}), "rna", {"TP53": np.array([1.5])}).rows()
    [(7, 1.5)]
    """
    columns = {f"{PREFIX}{assay}_{symbol}": np.array(numbers) for symbol, numbers in values.items()}
    return pl.DataFrame({"subject_id": rows["subject_id"]} | columns).with_columns(pl.selectors.float().fill_nan(None))


def traced(trace: pl.DataFrame, variables: Sequence[str]) -> pl.DataFrame:
    """Return the trace with the rows of the raw variables once more, under the harmonised names."""
    mine = trace.filter(pl.col("variable").is_in(variables)).with_columns((pl.lit(PREFIX) + pl.col("variable")).alias("variable"))
    return pl.concat([trace, mine]).sort("subject_id", "kind", "variable", maintain_order=True)


@dataclass(frozen=True)
class Sample:
    """Who the values are of: a place per subject in each.

    Attributes:
        batch: Centre or scanner; None when unknown.
        training: Whether the fit may see the subject.
        covariates: By name of the rule's covariates, a value per subject.
        outcomes: Names of the study's endpoints, which are no covariates unless the rule says so.
    """

    batch: Sequence[str | None]
    training: Sequence[bool]
    covariates: Mapping[str, pl.Series] = field(default_factory=dict)
    outcomes: Sequence[str] = ()


@dataclass(frozen=True)
class Asked:
    """What a study asks for.

    Attributes:
        where: Key of the study file, for messages.
        rule: Of the study file.
        stored: Parameters of an earlier fit, taken in place of a new one.
        room: Makes the arrays as large as the values: in memory, or files for what is larger.
    """

    where: str
    rule: HarmoniseRule
    stored: ComBat | None = None
    room: Room = in_memory


def harmonise_values(values: Table, features: Sequence[str], sample: Sample, asked: Asked) -> Harmonised:
    """Fit on the training subjects, or take an earlier fit, and apply to all that can be harmonised, some features at a time.

    Args:
        values: (subjects, features), read in blocks of subjects; missing values are NaN. Subjects without any value take no part.
        features: Names of the features.
        sample: Batch, part and covariates of each subject.
        asked: How.

    Raises:
        UserError: When the rule cannot be followed; says where, why and what to do.
    """
    stored = asked.stored
    chosen, left_out = _who(values, sample, asked)
    held = _by_feature(values, chosen.rows, asked.room)
    if stored is None:
        model, names = _fitted(held, features, sample, chosen, asked)
    else:
        model, names = stored, _of_earlier(asked.where, stored, features, sample)
    result = asked.room((values.shape[0], values.shape[1]))
    for part, _ in row_blocks(result):
        result[part] = np.nan
    place = _places(features, names)
    labels = chosen.labels[chosen.rows]
    kept = {name: series.filter(pl.Series(chosen.rows)) for name, series in sample.covariates.items()}
    shares = _Shares(labels, chosen.training[chosen.rows] if stored is None else None)
    for block in feature_blocks(len(names)):
        before = np.ascontiguousarray(held[place[block]].T)
        with _said_where(asked.where):
            after = model.of(block).apply(before, labels.tolist(), kept)
        result[np.ix_(chosen.rows, place[block])] = after
        shares.add(before, after)
    about = _about(asked.rule, sample, chosen, fitted_here=stored is None)
    counts = {
        "left_out": left_out,
        "features": len(names),
        "unchanged_features": int((~model.adjusted).sum()),
        "features_without_enough_values": len(features) - len(names),
    }
    batches = {"batches": list(model.centres), "reference": model.reference}
    return Harmonised(result, model, tuple(names), {**about, **batches, **counts, "effect": shares.quartiles()})


def _about(rule: HarmoniseRule, sample: Sample, chosen: _Chosen, *, fitted_here: bool) -> dict[str, object]:
    """Return what a release says of how it was fitted, and on how many."""
    return {
        "method": "ComBat",
        "batch": rule.batch,
        "covariates": list(sample.covariates),
        "empirical_bayes": rule.empirical_bayes,
        "mean_only": rule.mean_only,
        "fitted_here": fitted_here,
        "fit_on": rule.fit_on if fitted_here else None,
        "training_subjects": int((chosen.rows & chosen.training).sum()) if fitted_here else None,
        "subjects": int(chosen.rows.sum()),
    }


@dataclass(frozen=True)
class _Chosen:
    """Which subjects are harmonised (`rows`), which of all the fit may see, and the batch of each."""

    rows: np.ndarray
    training: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class _Seen:
    """Of all subjects: the batch, whether they have a value, whether they have all covariates too; and the batches that can be used."""

    labels: np.ndarray
    present: np.ndarray
    complete: np.ndarray
    sizes: Counter[str]
    known: set[str]


def _who(values: Table, sample: Sample, asked: Asked) -> tuple[_Chosen, int]:
    """Return who can be harmonised, and how many who have values cannot.

    Raises:
        UserError: If nobody can, or somebody cannot and the rule refuses that.
    """
    train = np.asarray(sample.training, dtype=bool)
    labels = np.array(["" if name is None else str(name) for name in sample.batch], dtype=object)
    present: np.ndarray = np.concatenate(
        [np.zeros(0, dtype=bool), *(np.any(~np.isnan(part), axis=1) for _, part in row_blocks(values))]
    )
    complete = np.array(present)
    for series in sample.covariates.values():
        complete &= ~series.is_null().to_numpy()
    stored, rule = asked.stored, asked.rule
    sizes = Counter(labels[complete & train])
    known = set(stored.centres) if stored is not None else {n for n, size in sizes.items() if n and size >= rule.least_per_centre}
    chosen = complete & np.isin(labels, sorted(known))
    out = int((present & ~chosen).sum())
    if out and rule.others == "refuse":
        raise UserError(f"{asked.where}: {_why(_Seen(labels, present, complete, sizes, known), asked)}")
    if not chosen.any():
        raise UserError(
            f"{asked.where}: no subject can be harmonised. Give more training subjects to each {rule.batch}, or remove the key."
        )
    return _Chosen(chosen, train, labels), out


def _of_earlier(where: str, stored: ComBat, features: Sequence[str], sample: Sample) -> Sequence[str]:
    """Return the features of an earlier fit.

    Raises:
        UserError: If some are not there, or the covariates are others.
    """
    absent = [name for name in stored.features if name not in set(features)]
    if absent:
        raise UserError(
            f"{where}.parameters: {len(absent)} features of the earlier fit are not in this study, such as {absent[0]}."
        )
    if set(stored.levels) != set(sample.covariates):
        raise UserError(
            f"{where}.parameters: they were fitted with the covariates {', '.join(stored.levels) or 'none'}. Give the same."
        )
    return stored.features


def _fitted(held: Array, features: Sequence[str], sample: Sample, chosen: _Chosen, asked: Asked) -> tuple[ComBat, Sequence[str]]:
    """Return the parameters learned on the training subjects, and the features they are of.

    Raises:
        UserError: If no feature has enough values, or the fit is refused.
    """
    rule = asked.rule
    fitted_on = np.flatnonzero(chosen.training[chosen.rows])
    rows = chosen.rows & chosen.training
    names = _enough(held, fitted_on, chosen.labels[rows], features, rule)
    if not names:
        raise UserError(
            f"{asked.where}: no feature has enough values in every {rule.batch}. Leave a {rule.batch} out, or remove the key."
        )
    with _said_where(asked.where):
        model = fit_combat(
            Transposed(held, fitted_on, _places(features, names)), chosen.labels[rows].tolist(), names,
            covariates={name: series.filter(pl.Series(rows)) for name, series in sample.covariates.items()},
            outcomes=sample.outcomes, outcome_as_covariate=rule.outcome_as_covariate, reference=rule.reference,
            mean_only=rule.mean_only, empirical_bayes=rule.empirical_bayes, least_per_centre=rule.least_per_centre, room=asked.room,
        )  # fmt: skip
    return model, names


@contextmanager
def _said_where(where: str) -> Iterator[None]:
    """Put the key of the study file before what is refused within."""
    try:
        yield
    except UserError as problem:
        raise UserError(f"{where}: {problem}") from None


def _places(features: Sequence[str], names: Sequence[str]) -> np.ndarray:
    place = {name: n for n, name in enumerate(features)}
    return np.array([place[name] for name in names], dtype=np.int64)


def _by_feature(values: Table, chosen: np.ndarray, room: Room) -> Array:
    """Return the rows that are `chosen`, (features, subjects): what is learned of a feature lies together."""
    held = room((values.shape[1], int(chosen.sum())))
    at = 0
    for rows, part in row_blocks(values):
        mine = part[chosen[rows]]
        held[:, at : at + len(mine)] = mine.T
        at += len(mine)
    return held


def _enough(held: Array, rows: np.ndarray, labels: np.ndarray, features: Sequence[str], rule: HarmoniseRule) -> list[str]:
    """Return the features with values enough for a shift (and a scale) in every centre of the training subjects."""
    sizes = Counter(labels.tolist())
    enough = np.ones(len(features), dtype=bool)
    for block in feature_blocks(len(features)):
        there = ~np.isnan(held[block][:, rows])
        for name, size in sizes.items():
            least = 1 if rule.mean_only or size == 1 else 2
            enough[block] &= there[:, labels == name].sum(axis=1) >= least
    return [name for name, there in zip(features, enough, strict=True) if there]


def _why(seen: _Seen, asked: Asked) -> str:
    """Return why some subjects cannot be harmonised, and what to do."""
    rule, stored = asked.rule, asked.stored
    remedy = "Leave them out with `others: leave_out`"
    strange = sorted(set(seen.labels[seen.complete]) - seen.known - {""})
    if strange and stored is not None:
        return f"the {rule.batch} {strange[0]} was not among those of the earlier fit ({', '.join(stored.centres)}). {remedy}, or fit again."
    if strange:
        few = ", ".join(f"{name} ({seen.sizes[name]})" for name in strange)
        return (
            f"too few training subjects of the {rule.batch} {few}; at least {rule.least_per_centre} are needed. "
            f"{remedy}, lower `least_per_centre`, or train on more."
        )
    lacking = int((seen.present & ~seen.complete).sum())
    if lacking:
        return f"{lacking} subjects lack a covariate. {remedy}, or leave the covariate out."
    return f"{int((seen.present & (seen.labels == '')).sum())} subjects have no known {rule.batch}. {remedy}."


class _Shares:
    """Collects, of features, the share of variance that the centre explains: of all subjects, and of those not fitted on."""

    def __init__(self, labels: np.ndarray, trained: np.ndarray | None) -> None:
        self._labels = labels
        self._groups = {"all": np.ones(len(labels), dtype=bool)}
        if trained is not None and not trained.all():
            self._groups["not_trained_on"] = ~trained
        self._found: dict[str, tuple[list[Array], list[Array]]] = {name: ([], []) for name in self._groups}

    def add(self, before: Array, after: Array) -> None:
        """Take up (subjects, features) before and after."""
        for name, rows in self._groups.items():
            if len(set(self._labels[rows])) < 2:
                continue
            # Features that do not vary have no variance to explain.
            varying = np.nanstd(before[rows], axis=0) > 0
            for part, shares in zip((before, after), self._found[name], strict=True):
                shares.append(centre_effect(part[rows][:, varying], self._labels[rows].tolist()))

    def quartiles(self) -> dict[str, object]:
        """Return, by group, how many subjects it has, and quantiles over features before and after."""
        said: dict[str, object] = {}
        for name, rows in self._groups.items():
            shares = [np.concatenate([np.empty(0), *parts]) for parts in self._found[name]]
            if shares[0].size:
                before, after = ([round(float(q), 4) for q in np.quantile(part, [0.1, 0.25, 0.5, 0.75, 0.9])] for part in shares)
                said[name] = {"subjects": int(rows.sum()), "before": before, "after": after}
        return said
