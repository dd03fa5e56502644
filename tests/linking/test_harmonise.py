"""ComBat against R's sva 3.46 (numbers made by `combat/make.R`), and what it refuses."""

from __future__ import annotations

import itertools
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.releases.r import rscript
from unibase.groundwork.problems import UserError
from unibase.methods.combat import ComBat, fit_combat
from unibase.methods.harmonised_table import centre_effect, harmonise_table

HERE = Path(__file__).parent / "combat"
SUBJECTS = pl.read_csv(HERE / "subjects.csv")
NAMES = [f"f{n}" for n in range(1, 41)]
MOD = {"age": SUBJECTS["age"], "sex": SUBJECTS["sex"]}


def numbers(name: str) -> np.ndarray:
    return pl.read_csv(HERE / f"{name}.csv", null_values=["NA"], schema_overrides=dict.fromkeys(NAMES, pl.String)).select(
        pl.all().str.strip_chars().replace("NA", None).cast(pl.Float64)
    ).fill_null(np.nan).to_numpy()  # fmt: skip


DATA = numbers("data")
BATCH = SUBJECTS["batch"].to_list()


@pytest.mark.parametrize(
    ("expected", "options"),
    [
        ("plain", {}),
        ("covariates", {"covariates": MOD}),
        ("mean_only", {"mean_only": True}),
        ("mean_only_covariates", {"mean_only": True, "covariates": MOD}),
        ("reference", {"reference": "B"}),
        ("reference_covariates", {"reference": "B", "covariates": MOD}),
    ],
)
def test_equals_sva(expected: str, options: dict[str, Any]) -> None:
    model = fit_combat(DATA, BATCH, NAMES, **options)
    ours = model.apply(DATA, BATCH, options.get("covariates"))
    np.testing.assert_allclose(ours, numbers(expected), rtol=0, atol=1e-8)
    # A feature that is constant in one centre stays as it was, in all.
    np.testing.assert_array_equal(ours[:, 6], DATA[:, 6])


def test_equals_sva_with_missing_values() -> None:
    data = numbers("data_missing")
    ours = fit_combat(data, BATCH, NAMES, covariates=MOD).apply(data, BATCH, MOD)
    np.testing.assert_allclose(ours, numbers("missing"), rtol=0, atol=1e-8)
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(data))


LIVE = """
suppressMessages(library(sva))
folder <- commandArgs(TRUE)[1]
data <- t(as.matrix(read.csv(file.path(folder, "data.csv"))))
about <- read.csv(file.path(folder, "about.csv"))
kept <- model.matrix(~age + sex, about)
w <- function(x, name) write.csv(format(t(x), digits = 17), file.path(folder, paste0(name, ".csv")), row.names = FALSE, quote = FALSE)
for (mean in c(FALSE, TRUE)) for (covariates in c(FALSE, TRUE)) for (reference in c("none", "c2")) {
  mod <- if (covariates) kept else NULL
  ref <- if (reference == "none") NULL else reference
  w(ComBat(data, about$batch, mod = mod, mean.only = mean, ref.batch = ref), paste(mean, covariates, reference, sep = "-"))
}
"""


@pytest.mark.parametrize("seed", [1, 2])
def test_equals_a_live_sva_on_random_data_in_every_variant(seed: int, tmp_path: Path) -> None:
    program = rscript("sva")
    rng = np.random.default_rng(seed)
    count, features = int(rng.integers(40, 90)), int(rng.integers(20, 60))
    batch = [f"c{n}" for n in rng.permutation(np.arange(count) % 4)]
    about = pl.DataFrame({"batch": batch, "age": rng.integers(30, 90, count), "sex": rng.choice(["F", "M"], count)})
    data = (
        rng.normal(5, rng.uniform(0.1, 4, features), (count, features))
        + rng.normal(0, 2, (4, features))[about["batch"].cast(pl.Categorical).to_physical().to_numpy()]
    )
    pl.DataFrame(data, schema=[f"f{n}" for n in range(features)]).write_csv(tmp_path / "data.csv")
    about.write_csv(tmp_path / "about.csv")
    (tmp_path / "live.R").write_text(LIVE, encoding="utf-8")
    subprocess.run([program, tmp_path / "live.R", tmp_path], check=True, capture_output=True)
    names = [f"f{n}" for n in range(features)]
    kept = {"age": about["age"], "sex": about["sex"]}
    for mean_only, covariates, reference in itertools.product((False, True), (False, True), (None, "c2")):
        model = fit_combat(data, batch, names, covariates=kept if covariates else None, reference=reference, mean_only=mean_only)
        ours = model.apply(data, batch, kept if covariates else None)
        name = f"{str(mean_only).upper()}-{str(covariates).upper()}-{reference or 'none'}.csv"
        theirs = pl.read_csv(tmp_path / name, infer_schema=False).select(pl.all().str.strip_chars().cast(pl.Float64)).to_numpy()
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-8)


def test_a_centre_of_one_subject_makes_it_mean_only_as_in_sva_or_is_refused() -> None:
    batch = [*BATCH[:-1], "D"]
    ours = fit_combat(DATA, batch, NAMES, least_per_centre=1).apply(DATA, batch)
    np.testing.assert_allclose(ours, numbers("single"), rtol=0, atol=1e-8)
    with pytest.raises(UserError, match=r"D \(1\); at least 2 a centre"):
        fit_combat(DATA, batch, NAMES)


def expression(path: Path) -> pl.DataFrame:
    table = pl.read_csv(path, infer_schema=False)
    return table.select(pl.col(table.columns[0]).alias("gene"), pl.col(table.columns[1:]).str.strip_chars().cast(pl.Float64))


def test_equals_sva_on_real_expression(real_data: Path) -> None:
    folder = real_data / "omics" / "tcga_luad32"
    expected = expression(folder / "R_ComBat_on_logcpmTMM.csv.gz")
    values = expected.select("gene").join(
        expression(folder / "R_edgeR_logcpm_TMM.csv.gz"), on="gene", how="left", maintain_order="left"
    )
    labels = dict(pl.read_csv(folder / "batch.csv").select("sample", pl.col("batch").cast(pl.String)).iter_rows())
    samples = expected.columns[1:]
    data, centre = values.select(samples).to_numpy().T, [labels[sample] for sample in samples]
    ours = fit_combat(data, centre, values["gene"].to_list()).apply(data, centre)
    np.testing.assert_allclose(ours, expected.select(samples).to_numpy().T, rtol=0, atol=1e-8)


def test_without_empirical_bayes_centres_get_the_same_mean_and_spread() -> None:
    ours = fit_combat(DATA, BATCH, NAMES, empirical_bayes=False).apply(DATA, BATCH)
    parts = [ours[np.array(BATCH) == name][:, [0, 1, 2]] for name in "ABC"]
    for part in parts[1:]:
        np.testing.assert_allclose(part.mean(axis=0), parts[0].mean(axis=0), atol=1e-10)
        np.testing.assert_allclose(part.std(axis=0, ddof=1), parts[0].std(axis=0, ddof=1), atol=1e-10)


def test_new_subjects_are_brought_in_one_by_one_without_a_new_fit() -> None:
    training = np.arange(len(BATCH)) % 3 != 0
    labels = np.array(BATCH)
    model = fit_combat(DATA[training], labels[training].tolist(), NAMES)
    together = model.apply(DATA, BATCH)
    for row in (0, 3, 30):
        np.testing.assert_array_equal(model.apply(DATA[row : row + 1], [BATCH[row]])[0], together[row])
    # What the others are does not matter: a value changed in a test subject changes no other subject.
    changed = DATA.copy()
    changed[0] += 100
    np.testing.assert_array_equal(model.apply(changed, BATCH)[1:], together[1:])


def test_parameters_come_back_from_json_to_the_last_bit() -> None:
    model = fit_combat(DATA, BATCH, NAMES, covariates=MOD, reference="B")
    again = ComBat.from_json(json.loads(json.dumps(model.to_json())))
    np.testing.assert_array_equal(again.apply(DATA, BATCH, MOD), model.apply(DATA, BATCH, MOD))


def test_an_unseen_centre_is_refused() -> None:
    with pytest.raises(UserError, match=r"Centre Z was not among the centres that harmonisation was fitted on \(A, B, C\)"):
        fit_combat(DATA, BATCH, NAMES).apply(DATA[:1], ["Z"])


def test_an_outcome_is_no_covariate_unless_asked() -> None:
    covariates = {"OS": SUBJECTS["age"]}
    with pytest.raises(UserError, match="OS is an outcome"):
        fit_combat(DATA, BATCH, NAMES, covariates=covariates, outcomes=["OS"])
    fit_combat(DATA, BATCH, NAMES, covariates=covariates, outcomes=["OS"], outcome_as_covariate=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"covariates": {"b": pl.Series(BATCH)}}, "confounded"),
        ({"covariates": {"x": pl.Series([None, *([1.0] * 32)])}}, "missing in 1 subjects"),
        ({"reference": "Q"}, "reference centre Q"),
    ],
)
def test_what_cannot_be_fitted_is_said(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        fit_combat(DATA, BATCH, NAMES, **options)


def test_a_centre_that_the_covariates_fit_exactly_is_refused() -> None:
    rng = np.random.default_rng(3)
    values, arm = rng.normal(size=(5, 6)), ["p", "q", "r", "r", "q"]
    names, centre = [str(i) for i in range(6)], ["a", "a", "b", "b", "b"]
    with pytest.raises(UserError, match="every difference between the training subjects of a"):
        fit_combat(values, centre, names, covariates={"arm": arm})
    # The shift alone can be learned; not so when all else rests on the scale of that centre.
    fit_combat(values, centre, names, covariates={"arm": arm}, mean_only=True)
    with pytest.raises(UserError, match="subjects of a"):
        fit_combat(values, centre, names, covariates={"arm": arm}, mean_only=True, reference="a")


def test_a_level_that_was_not_in_the_fit_is_refused() -> None:
    model = fit_combat(DATA, BATCH, NAMES, covariates={"sex": SUBJECTS["sex"]})
    with pytest.raises(UserError, match="level that was not in the fit"):
        model.apply(DATA[:1], ["A"], {"sex": ["X"]})


def test_a_table_is_harmonised_on_its_training_rows_and_rows_without_features_stay() -> None:
    table = pl.DataFrame(DATA, schema=NAMES).with_columns(SUBJECTS["batch"].alias("centre"), SUBJECTS["age"])
    empty = table.with_columns([pl.lit(None, pl.Float64).alias(name) for name in NAMES]).head(2)
    training = pl.Series(np.arange(len(BATCH) + 2) % 4 != 0)
    out, model = harmonise_table(pl.concat([empty, table]), NAMES, training=training, covariates=["age"])
    assert out.head(2).equals(empty)
    np.testing.assert_array_equal(out.tail(-2).select(NAMES).to_numpy(), model.apply(DATA, BATCH, {"age": SUBJECTS["age"]}))


def test_the_centre_explains_less_afterwards() -> None:
    after = fit_combat(DATA, BATCH, NAMES).apply(DATA, BATCH)
    varying = np.arange(40) != 6
    assert centre_effect(after, BATCH)[varying].max() < 0.1 < centre_effect(DATA, BATCH)[varying].mean()
