"""Attacks on releases and extracts of simulated subjects, by what a study may choose, and what each choice costs Cox's model.

    python -m benchmarks.attacked_release [SUBJECTS] [SEED ...]

Life spans: births and deaths as they are in French registers of patients, about 70 years, one shift a subject. Extracts: eight
measured columns that share one cause (correlation about 0.5, or `near`, 0.95), and days to death. Each seed is a population of its
own. Intervals are those of a binomial share (Wilson, 95 %), pooled over seeds. The lists of deaths are drawn, not expected.
"""

from __future__ import annotations

import sys
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from benchmarks.record_linkage import interval
from unibase.groundwork.tables import EVENTS
from unibase.methods.cox import cox
from unibase.methods.survival import concordance
from unibase.privacy.keys import Key
from unibase.releases.attack.life_spans import GOMPERTZ, among_all_dead, among_members, life_spans
from unibase.releases.attack.of_extracts import Opened, by_equal_values, by_foretold, by_nearest
from unibase.releases.content.leaving import Birth, Leaving
from unibase.releases.content.told_ages import births_left_open, told_ages
from unibase.releases.exports.extract_noise import Noise, moved

DAY = datetime(2020, 1, 1)
BIRTHS: tuple[Birth, ...] = ("day", "month", "year")
COLUMNS = tuple(f"f{number}" for number in range(8))


def lives(subjects: int, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return births and deaths of simulated dead, shifted, as EVENTS, and their sexes."""
    rng = np.random.default_rng(seed)
    sexes = rng.choice(["M", "F"], subjects)
    lived = np.clip(rng.normal(25_500, 4_000, subjects), 6_000, 38_000).astype(int)
    died = -rng.integers(1, 1_826, subjects)
    rows = [
        (n + 1, code, DAY + timedelta(days=int(day)), "lyon/people")
        for code, days in (("MEDS_BIRTH", died - lived), ("MEDS_DEATH", died))
        for n, day in enumerate(days)
    ]
    events = EVENTS.conform(pl.DataFrame(rows, schema=["subject_id", "code", "time", "source"], orient="row"))
    return events, pl.DataFrame({"subject_id": range(1, subjects + 1), "SEX": sexes})


def drawn_list(seed: int, shift_days: int = 1_826) -> dict[str, np.ndarray]:
    """Return the days lived by the dead of a department within the reach of the shift, on one day of the week, by sex."""
    rng = np.random.default_rng(seed)
    size = round(6_300 * shift_days / 365.25 / 7 / 2)
    found = {}
    for sex, (mode, spread) in GOMPERTZ.items():
        ages = mode + spread * np.log(np.exp(-mode / spread) - np.log(rng.random(size)))
        found[sex] = np.sort(ages[np.isfinite(ages)] * 365.25)
    return found


def aged(events: pl.DataFrame, sexes: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Return the subjects with an index of up to five years before death, and the age at it."""
    rng = np.random.default_rng(seed + 2_000)
    days = pl.Series("back", rng.integers(1, 1_826, sexes.height))
    born, died = (
        events.filter(pl.col("code") == code).sort("subject_id").select("subject_id", pl.col("time").alias(code))
        for code in ("MEDS_BIRTH", "MEDS_DEATH")
    )
    both = sexes.join(born, on="subject_id").join(died, on="subject_id").sort("subject_id").with_columns(days)
    index = (pl.col("MEDS_DEATH") - pl.duration(days=pl.col("back"))).dt.date()
    both = both.with_columns(index.alias("INDEXDT"))
    later = pl.col("INDEXDT").dt.ordinal_day() < pl.col("MEDS_BIRTH").dt.ordinal_day()
    years = pl.col("INDEXDT").dt.year() - pl.col("MEDS_BIRTH").dt.year() - later.cast(pl.Int32)
    return both.select("subject_id", "SEX", "INDEXDT", years.cast(pl.Float64).alias("AGE"))


def on_ages(subjects: int, seeds: list[int]) -> None:
    """Print what ages at the index add to births to the year, and what is left where both tell the same."""
    print("\nages and births | among the study's dead | with a department's deaths, expected")
    for told in ("year of birth and age in years", "by age in years", "by age in bands"):
        members, expected = 0, 0
        for seed in seeds:
            events, sexes = lives(subjects, seed)
            known = aged(events, sexes, seed)
            born, shown = None, known
            if told != "year of birth and age in years":
                in_bands = told.endswith("bands")
                born, shown = births_left_open(told_ages(known) if in_bands else known, in_bands=in_bands), sexes
            spans = life_spans(Leaving(birth="year", born=born).apply(events), shown)
            members += among_members(spans).singled_out
            expected += among_all_dead(spans, 1_826).singled_out
        of = subjects * len(seeds)
        print(told, *(f"| {n} of {of}, {interval(n, of)}" for n in (members, expected)))


def on_life_spans(subjects: int, seeds: list[int]) -> None:
    print("births to  | singled out among the study's dead | with a department's deaths, expected | the same, list drawn")
    for birth in BIRTHS:
        members, expected, drawn = 0, 0, 0
        for seed in seeds:
            events, sexes = lives(subjects, seed)
            spans = life_spans(Leaving(birth=birth).apply(events), sexes)
            members += among_members(spans).singled_out
            expected += among_all_dead(spans, 1_826).singled_out
            listed = drawn_list(seed + 1_000)
            fits = [
                np.searchsorted(listed[sex], most) - np.searchsorted(listed[sex], least)
                for sex, least, most in zip(spans.sex, spans.least, spans.most, strict=True)
            ]
            drawn += int((np.array(fits) == 0).sum())
        of = subjects * len(seeds)
        print(birth, *(f"| {n} of {of}, {interval(n, of)}" for n in (members, expected, drawn)))


def population(subjects: int, seed: int, near: bool) -> tuple[pl.DataFrame, np.ndarray, np.ndarray]:
    """Return eight measured columns of subjects, days to death or censoring, and whether they died."""
    rng = np.random.default_rng(seed)
    cause, own = rng.normal(size=subjects), 0.3 if near else 1.0
    values = {name: np.exp(2 + 0.7 * (cause + own * rng.normal(size=subjects))) for name in COLUMNS}
    died = rng.exponential(900 * np.exp(-0.6 * cause))
    left = rng.uniform(100, 1_800, subjects)
    frame = pl.DataFrame({"subject_id": rng.choice(2**53, subjects, replace=False), **values})
    return frame, np.ceil(np.minimum(died, left)), died <= left


def as_extract(frame: pl.DataFrame, days: np.ndarray, noise: Noise, names: tuple[str, ...], timed: bool, seed: int) -> Opened:
    """Return an extract in an order of its own."""
    told = noise.applied(frame.select("subject_id", *names), frame["subject_id"])
    columns = [told[name].to_numpy() for name in names] + ([moved_days(frame, days, noise)] if timed else [])
    order = np.random.default_rng(seed).permutation(len(frame))
    return Opened(np.column_stack(columns)[order], (*names, "OS") if timed else names, frame["subject_id"].to_numpy()[order])


def moved_days(frame: pl.DataFrame, days: np.ndarray, noise: Noise) -> np.ndarray:
    rows = noise.days(frame["subject_id"]).with_columns(pl.Series("day", days.astype(np.int64)))
    return rows.select(moved("day"))["day"].to_numpy().astype(float)


def on_extracts(subjects: int, seeds: list[int]) -> None:
    print("\nsubjects | noise | columns | equal values | with days to death | nearest | unshared | unshared, near")
    for size in (16, subjects):
        for share in (0.0, 0.05, 0.1, 0.3):
            for width in (1, 2, 4):
                print(size, "|", share, "|", width, *(f"| {n / len(seeds):.1f}" for n in joined(size, share, width, seeds)))


def joined(size: int, share: float, width: int, seeds: list[int]) -> np.ndarray:
    """Return how many subjects are joined rightly, by each way, all seeds together."""
    found = np.zeros(5)
    for seed in seeds:
        one, two = (Noise(Key(bytes([seed % 256, n]) * 16), share, {}) for n in (1, 2))
        frame, days, _ = population(size, seed, near=False)
        names = COLUMNS[:width]
        sides = [as_extract(frame, days, noise, names, False, n) for n, noise in enumerate((one, two))]
        timed = [as_extract(frame, days, noise, names, True, n) for n, noise in enumerate((one, two))]
        found[:3] += by_equal_values(*sides), by_equal_values(*timed), by_nearest(*sides)
        for place, near in ((3, False), (4, True)):
            frame, days, _ = population(size, seed, near)
            whole = Opened(frame.select(COLUMNS).to_numpy(), COLUMNS, frame["subject_id"].to_numpy())
            apart = [
                as_extract(frame, days, noise, part, False, n)
                for n, (noise, part) in enumerate(((one, names), (two, COLUMNS[4 : 4 + width])))
            ]
            found[place] += by_foretold(apart[0], apart[1], whole)
    return found


def on_cox(subjects: int, seeds: list[int]) -> None:
    print("\nnoise | hazard ratios: greatest change | C: greatest change")
    for share in (0.05, 0.1, 0.3):
        ratio, index = 0.0, 0.0
        for seed in seeds:
            frame, days, died = population(subjects, seed, near=False)
            noise = Noise(Key(bytes([seed % 256]) * 32), share, {})
            told = noise.applied(frame, frame["subject_id"])
            fits = []
            for table, time in ((frame, days), (told, moved_days(frame, days, noise))):
                logs = np.log(table.select(COLUMNS[:3]).to_numpy())
                fit = cox(time, died, logs)
                fits.append((np.exp(fit.log_ratio), concordance(logs @ fit.log_ratio, time, died)))
            ratio = max(ratio, float(np.abs(fits[1][0] / fits[0][0] - 1).max()))
            index = max(index, abs(fits[1][1] / fits[0][1] - 1))
        print(f"{share} | {ratio:.2%} | {index:.2%}")


def main() -> None:
    subjects = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    seeds = [int(one) for one in sys.argv[2:]] or [1, 2, 3]
    on_life_spans(subjects, seeds)
    on_ages(subjects, seeds)
    on_extracts(subjects, seeds)
    on_cox(subjects, seeds)


if __name__ == "__main__":
    main()
