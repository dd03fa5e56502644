"""Large tables of identifying traits with known truth, for record linkage: no images, no records, a million persons in seconds.

What goes wrong follows what French hospitals report of identity vigilance: names in use taken for names at birth, lost
accents and hyphens, only the first given name, slips of typists, day and month exchanged, no qualified INS, doubled files
within one hospital, and, rarely, the INS of somebody else (the insured parent or spouse). Twins share all but the given
name and the order of the INS. The rates are assumptions of the simulation, open to change, not estimates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from unibase.simulation.invented_identities import (
    COMMUNES,
    COUNTRIES,
    FAMILY_NAMES,
    GIVEN_FEMALE,
    GIVEN_MALE,
    with_typo,
    without_accents,
)
from unibase.simulation.invented_persons import centre_names
from unibase.simulation.seeds import stream

FIRST_BIRTH_YEAR, LAST_BIRTH_YEAR = 1925, 2004
"""Less than a century, so that two digits of the year in an INS tell the year."""


@dataclass(frozen=True)
class Rates:
    """How often things are so, as fractions: of persons (first block) and of registrations (second block)."""

    second_centre: float = 0.12
    third_centre: float = 0.02
    doubled_file: float = 0.01
    twins: float = 0.01
    born_abroad: float = 0.12
    married_name: float = 0.55
    hyphenated_name: float = 0.04

    without_ins: float = 0.20
    wrong_ins: float = 0.0002
    accents_lost: float = 0.35
    hyphen_lost: float = 0.30
    first_given_name_only: float = 0.40
    used_name_as_birth_name: float = 0.03
    typo_family: float = 0.02
    typo_given: float = 0.02
    day_month_exchanged: float = 0.004
    birth_date_partial: float = 0.004
    birth_place_missing: float = 0.08
    sex_missing: float = 0.003


def synthetic_people(n: int, centres: int = 3, seed: int = 2026, rates: Rates | None = None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return registrations of `n` persons in `centres` hospitals, and who is who.

    Args:
        n: Number of persons; a twin counts as one of them.
        centres: Number of hospitals.
        seed: Same arguments, same frames.
        rates: How often things are so; by default those of `Rates`.

    Returns:
        people: One row a registration, with the columns `centre`, `person_key`, `system` (ipp), `identifier`, `ins`,
            `birth_family_name`, `used_family_name`, `given_names`, `birth_date` (ISO, possibly partial), `sex`,
            `birth_place_code`, `source`, `source_row`; rows come shuffled.
        truth: For each row, in the same order, `centre`, `identifier`, `person` (int64), `twin_of` (the other twin's
            `person`, or null) and `variants` (what differs from the true identity, names separated by blanks).

    >>> people, truth = synthetic_people(20, centres=2)
    >>> people["centre"].n_unique()
    2
    """
    rates = rates or Rates()
    persons = _true_persons(n, seed, rates)
    rows = _registrations(n, centres, seed, rates)
    frame = persons[rows["person"].to_numpy()].with_columns(rows["centre"], rows["double"])
    frame, variants = _spoil(frame, seed, rates)
    count = frame.height
    # Hospital numbers are unique per centre and tell nothing of the person's number.
    serial = stream(seed, "ipp").permutation(count).astype(np.int64) + 10_000_000
    frame = frame.with_columns(pl.Series("serial", serial), pl.Series("variants", variants))
    frame = frame.with_columns(identifier=pl.format("8{}", pl.col("serial")), system=pl.lit("ipp"))
    frame = frame[stream(seed, "shuffle").permutation(count)]
    frame = frame.with_columns(
        source=pl.format("people_{}.csv", pl.col("centre")),
        source_row=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("centre"),
        person_key=pl.col("identifier"),
    )
    people = frame.select(
        "centre", "person_key", "system", "identifier", "ins", "birth_family_name", "used_family_name", "given_names", "birth_date",
        "sex", "birth_place_code", "source", "source_row",
    )  # fmt: skip
    truth = frame.select("centre", "identifier", "person", "twin_of", "variants")
    return people, truth


def _family_name_pool(size: int, seed: int) -> list[str]:
    """Return distinct family names, commonest first: the known ones, then names put together from syllables.

    Args:
        size: How many names.
        seed: Seed of the tree.
    """
    rng = stream(seed, "family-names")
    starts = "Ba Bar Be Ber Bo Bou Bra Ca Car Cha Che Co Cor Da De Del Du Fa Fer Fo Fra Ga Gar Ge Gi Gou Gra Ha Hé Jo La Le Lé Li Lo Ma Mar Mé Mi Mo Mon Na Né Pa Pé Pi Po Ra Ré Ri Ro Sa Sé Si Ta Té Tho Va Ve Vi".split()  # noqa: SIM905
    middles = "ba bi bon ca cha co dé di do fa gno guè la le li lle lo ma mi mo na ne no pe pi que ra re ri ro rra sa se si ta te ti to va vi".split()  # noqa: SIM905
    ends = "c ck d det geot gnon l lard lat let lier lin llon ly mond n naud nel net nier not ot r rd reau rel ret rgne rin rot s sson t teau tier trand tte ville x y zé ïs".split()  # noqa: SIM905
    names = dict.fromkeys(FAMILY_NAMES)
    while len(names) < size:
        a, b, c = (rng.integers(len(part), size=size) for part in (starts, middles, ends))
        two = rng.random(size) < 0.4
        more = rng.integers(len(middles), size=size)
        for i in range(size):
            name = starts[a[i]] + middles[b[i]] + (middles[more[i]] if two[i] else "") + ends[c[i]]
            names.setdefault(name.upper())
            if len(names) >= size:
                break
    return list(names)[:size]


def _zipf(rng: np.random.Generator, pool: int, size: int, exponent: float = 0.9) -> np.ndarray:
    # The shift flattens the head: the commonest family name of France is borne by four persons in a thousand.
    weights = 1.0 / (np.arange(pool) + 25.0) ** exponent
    return np.searchsorted(np.cumsum(weights / weights.sum()), rng.random(size)).clip(0, pool - 1)


def _commune_codes(seed: int) -> np.ndarray:
    rng = stream(seed, "communes")
    departments = [f"{d:02d}" for d in range(1, 96) if d != 20] + ["2A", "2B"]
    codes = {code for code, _ in COMMUNES}
    for department in departments:
        codes.update(f"{department}{int(k):03d}" for k in rng.choice(600, size=120, replace=False) + 1)
    return np.array([code for code, _ in COMMUNES] + sorted(codes - {code for code, _ in COMMUNES}))


def _given_names(rng: np.random.Generator, sex: np.ndarray) -> list[np.ndarray]:
    """Return three different given names of each person, commonest names first."""
    size = np.where(sex == "F", len(GIVEN_FEMALE), len(GIVEN_MALE))
    of_women = _zipf(rng, len(GIVEN_FEMALE), sex.size)
    first = np.where(sex == "F", of_women, _zipf(rng, len(GIVEN_MALE), sex.size))
    step = rng.integers(1, 12, sex.size)
    places = [first, (first + step) % size, (first + 2 * step + 1) % size]
    female, male = np.array(GIVEN_FEMALE), np.array(GIVEN_MALE)
    names = [(female[place % female.size], male[place % male.size]) for place in places]
    return [np.where(sex == "F", hers, his) for hers, his in names]


def _true_persons(n: int, seed: int, rates: Rates) -> pl.DataFrame:
    rng = stream(seed, "people", n)
    pool = np.array(_family_name_pool(max(len(FAMILY_NAMES), min(60_000, 2_000 + n // 20)), seed))
    sex = np.where(rng.random(n) < 0.52, "F", "M")
    family = pool[_zipf(rng, len(pool), n)]
    double = rng.random(n) < rates.hyphenated_name
    family = np.where(double, family + np.array("-") + pool[_zipf(rng, len(pool), n)], family)
    spouse = pool[_zipf(rng, len(pool), n)]
    used = np.where((sex == "F") & (rng.random(n) < rates.married_name), spouse, family)
    given = _given_names(rng, sex)
    number_of_names = rng.integers(1, 4, n)
    first_day = np.datetime64(f"{FIRST_BIRTH_YEAR}-01-01")
    span = int((np.datetime64(f"{LAST_BIRTH_YEAR}-12-31") - first_day).astype(int)) + 1
    birth = first_day + rng.integers(0, span, n)
    communes = _commune_codes(seed)
    place = communes[_zipf(rng, len(communes), n)]
    abroad = rng.random(n) < rates.born_abroad
    place = np.where(abroad, np.array([code for code, _ in COUNTRIES])[rng.integers(len(COUNTRIES), size=n)], place)
    twin_of = _make_twins(rng, _Columns(family, used, spouse, birth, place, given), rates)
    frame = pl.DataFrame({
        "person": np.arange(n, dtype=np.int64), "twin_of": twin_of, "sex": sex, "birth_family_name": family, "used_family_name": used,
        "g1": given[0], "g2": given[1], "g3": given[2], "k": number_of_names, "birth": birth.astype("datetime64[D]"),
        "birth_place_code": place,
    })  # fmt: skip
    frame = frame.with_columns(
        twin_of=pl.when(pl.col("twin_of") >= 0).then(pl.col("twin_of")),
        given_names=pl.when(pl.col("k") == 1)
        .then(pl.col("g1"))
        .when(pl.col("k") == 2)
        .then(pl.format("{} {}", "g1", "g2"))
        .otherwise(pl.format("{} {} {}", "g1", "g2", "g3")),
        birth_date=pl.col("birth").dt.to_string("%Y-%m-%d"),
    )
    return _with_ins(frame).drop("g1", "g2", "g3", "k", "birth")


@dataclass(frozen=True)
class _Columns:
    """Columns of true persons, one value a person; `given` holds one array for each given name."""

    family: np.ndarray
    used: np.ndarray
    spouse: np.ndarray
    birth: np.ndarray
    place: np.ndarray
    given: list[np.ndarray]


def _make_twins(rng: np.random.Generator, of: _Columns, rates: Rates) -> np.ndarray:
    """Make some neighbours in the table twins: the second takes birth and family from the first; given names differ.

    Returns:
        The other twin of each person, -1 for none.
    """
    twin_of = np.full(len(of.family), -1, dtype=np.int64)
    if len(of.family) > 1:
        first = np.flatnonzero(rng.random(len(of.family) - 1) < rates.twins / 2)
        first = first[np.concatenate([[True], np.diff(first) > 1])] if first.size else first
        second = first + 1
        of.family[second], of.birth[second], of.place[second] = of.family[first], of.birth[first], of.place[first]
        unmarried = of.used[second] != of.spouse[second]
        of.used[second] = np.where(unmarried, of.family[first], of.used[second])
        for names in (GIVEN_FEMALE, GIVEN_MALE):
            lookup = {name: names[(k + 1) % len(names)] for k, name in enumerate(names)}
            for one, other in zip(first, second, strict=True):
                if of.given[0][one] == of.given[0][other] and of.given[0][one] in lookup:
                    of.given[0][other] = lookup[of.given[0][one]]
        twin_of[second], twin_of[first] = first, second
    return twin_of


def _with_ins(frame: pl.DataFrame) -> pl.DataFrame:
    corsica = pl.col("birth_place_code").str.slice(0, 2).is_in(["2A", "2B"])
    old = pl.col("birth_date") < "1976"
    frame = frame.with_columns(
        nir_place=pl.when(corsica & old)
        .then("20" + pl.col("birth_place_code").str.slice(2))
        .otherwise(pl.col("birth_place_code")),
        stem=pl.when(pl.col("sex") == "M").then(pl.lit("1")).otherwise(pl.lit("2"))
        + pl.col("birth_date").str.slice(2, 2)
        + pl.col("birth_date").str.slice(5, 2),
    ).with_columns(order=pl.int_range(1, pl.len() + 1).over("stem", "nir_place"))
    if frame.height and frame["order"].max() > 999:  # type: ignore[operator]
        raise ValueError("more than 999 births of one sex, month and place: simulate fewer persons")
    body = pl.col("stem") + pl.col("nir_place") + pl.col("order").cast(pl.String).str.zfill(3)
    numeric = body.str.replace("2A", "19", literal=True).str.replace("2B", "18", literal=True).cast(pl.Int64)
    key = (97 - numeric % 97).cast(pl.String).str.zfill(2)
    return frame.with_columns(ins=body + key).drop("stem", "nir_place", "order")


def _registrations(n: int, centres: int, seed: int, rates: Rates) -> pl.DataFrame:
    rng = stream(seed, "registrations", n, centres)
    names = np.array(centre_names(centres))
    home = rng.integers(centres, size=n)
    draw = rng.random(n)
    everyone = np.arange(n)
    parts = [(everyone, home, np.zeros(n, dtype=bool))]
    if centres > 1:
        moved = np.flatnonzero(draw < rates.second_centre + rates.third_centre)
        second = (home[moved] + 1 + rng.integers(centres - 1, size=moved.size)) % centres
        parts.append((moved, second, np.ones(moved.size, dtype=bool)))
    if centres > 2:
        far = np.flatnonzero(draw < rates.third_centre)
        other = {int(p): int(c) for p, c in zip(moved, second, strict=True)}
        third = np.array([next(c for c in range(centres) if c not in (home[p], other[int(p)])) for p in far], dtype=np.int64)
        parts.append((far, third, np.ones(far.size, dtype=bool)))
    doubled = np.flatnonzero(rng.random(n) < rates.doubled_file)
    parts.append((doubled, home[doubled], np.ones(doubled.size, dtype=bool)))
    person, centre, double = (np.concatenate([part[k] for part in parts]) for k in range(3))
    return pl.DataFrame({"person": person.astype(np.int64), "centre": names[centre], "double": double})


def _misspell(
    frame: pl.DataFrame, rng: np.random.Generator, hit: dict[str, np.ndarray], some: Callable[[str], np.ndarray]
) -> pl.DataFrame:
    """Spoil the names, and note in `hit` whose were changed."""
    count = frame.height
    birth_name = frame["birth_family_name"].to_numpy().copy()
    used = frame["used_family_name"].to_numpy().copy()
    given = frame["given_names"].to_numpy().copy()
    where = some("used_name_as_birth_name") & (birth_name != used)
    hit["used_name_as_birth_name"] = where
    birth_name[where] = used[where]
    for name, columns in (("typo_family", (birth_name,)), ("typo_given", (given,))):
        for column in columns:
            for k in np.flatnonzero(some(name)):
                before = column[k]
                column[k] = with_typo(before, rng)
                hit[name][k] = column[k] != before
    rewritings: tuple[tuple[str, Callable[[str], str]], ...] = (
        ("accents_lost", without_accents), ("hyphen_lost", lambda text: text.replace("-", " ")),
    )  # fmt: skip
    for name, rewrite in rewritings:
        chosen = some(name)
        changed = np.zeros(count, dtype=bool)
        for column in (birth_name, used, given):
            after = np.array([rewrite(text) for text in column[chosen]], dtype=object)
            changed[chosen] |= after != column[chosen]
            column[chosen] = after
        hit[name] = changed
    return frame.with_columns(
        pl.Series("birth_family_name", birth_name, dtype=pl.String),
        pl.Series("used_family_name", used, dtype=pl.String),
        pl.Series("given_names", given, dtype=pl.String),
    )


def _spoil(frame: pl.DataFrame, seed: int, rates: Rates) -> tuple[pl.DataFrame, list[str]]:
    count = frame.height
    rng = stream(seed, "spoil", count)
    hit: dict[str, np.ndarray] = {}

    def some(name: str) -> np.ndarray:
        hit[name] = rng.random(count) < getattr(rates, name)
        return hit[name]

    frame = _misspell(frame, rng, hit, some)
    ins = frame["ins"].to_numpy().copy()
    wrong = np.flatnonzero(some("wrong_ins"))
    ins[wrong] = np.roll(ins, 1)[wrong]
    missing = some("without_ins")
    day, month = pl.col("birth_date").str.slice(8, 2), pl.col("birth_date").str.slice(5, 2)
    exchange = some("day_month_exchanged") & (frame.select(day.cast(pl.Int32) <= 12).to_series().to_numpy())
    hit["day_month_exchanged"] = exchange & (frame.select(day != month).to_series().to_numpy())
    several = frame.select(pl.col("given_names").str.contains(" ")).to_series().to_numpy()
    first_only = some("first_given_name_only") & several
    hit["first_given_name_only"] = first_only
    frame = frame.with_columns(
        pl.Series("ins", ins, dtype=pl.String).set(pl.Series(missing), None),
        given_names=pl.when(pl.Series(first_only))
        .then(pl.col("given_names").str.split(" ").list.first())
        .otherwise(pl.col("given_names")),
        birth_date=pl.when(pl.Series(exchange))
        .then(pl.col("birth_date").str.slice(0, 5) + day + "-" + month)
        .when(pl.Series(some("birth_date_partial")))
        .then(pl.col("birth_date").str.slice(0, 4))
        .otherwise(pl.col("birth_date")),
        birth_place_code=pl.when(~pl.Series(some("birth_place_missing"))).then(pl.col("birth_place_code")),
        sex=pl.when(~pl.Series(some("sex_missing"))).then(pl.col("sex")),
    )
    variants = np.full(count, "", dtype=object)
    for name in sorted(hit):
        variants[hit[name]] += f" {name}"
    return frame, [text.strip() for text in variants]
