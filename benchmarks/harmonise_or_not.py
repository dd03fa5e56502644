"""When ComBat helps and when it harms: error of harmonised and of raw values, by subjects a centre and size of centre effects.

    python -m benchmarks.harmonise_or_not [SEEDS]

Six centres, 50 features that share one cause. A centre shifts each feature (by `effect` SD, drawn for each feature) and
scales it (by `effect` / 2). Error is the root mean square, in SD of a feature, of a value from what the subject would have without
a centre, the mean of each feature taken off. `mixed`: centres differ in the cause itself by half a SD, which nothing tells
ComBat; `told`: the same with the cause given as a covariate. Means over seeds.
"""

from __future__ import annotations

import sys

import numpy as np

from unibase.methods.combat import fit_combat

CENTRES, FEATURES = 6, 50
SIZES = (2, 3, 4, 5, 6, 8, 10, 15, 20, 50)
EFFECTS = (0.0, 0.1, 0.2, 0.3, 0.5, 1.0)


def errors(size: int, effect: float, seed: int, apart: float = 0.0, told: bool = False) -> tuple[float, float]:
    """Return the error of raw and of harmonised values.

    Args:
        size: Subjects of each centre.
        effect: Spread of the shifts of centres, in SD of a feature.
        seed: Of the random numbers.
        apart: Spread of the means of the cause over centres, in its SD.
        told: Whether ComBat is given the cause.
    """
    rng = np.random.default_rng(seed)
    centre = np.repeat(np.arange(CENTRES), size)
    cause = rng.normal(size=len(centre)) + apart * rng.normal(size=CENTRES)[centre]
    true = 0.6 * cause[:, None] + 0.8 * rng.normal(size=(len(centre), FEATURES))
    shift, scale = effect * rng.normal(size=(CENTRES, FEATURES)), np.exp(effect / 2 * rng.normal(size=(CENTRES, FEATURES)))
    raw = true * scale[centre] + shift[centre]
    names, features = [f"c{n}" for n in centre], [f"f{n}" for n in range(FEATURES)]
    covariates = {"cause": cause.tolist()} if told else None
    model = fit_combat(raw, names, features, covariates=covariates)
    return _error(raw, true), _error(model.apply(raw, names, covariates), true)


def _error(values: np.ndarray, true: np.ndarray) -> float:
    apart = (values - values.mean(axis=0)) - (true - true.mean(axis=0))
    return float(np.sqrt((apart**2).mean()))


def main() -> None:
    seeds = range(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
    for title, apart, told in (("centres alike", 0.0, False), ("mixed", 0.5, False), ("mixed, told", 0.5, True)):
        print(f"\n{title}: subjects a centre | " + " | ".join(f"effect {effect}" for effect in EFFECTS))
        for size in SIZES:
            found = [np.mean([errors(size, effect, seed, apart, told) for seed in seeds], axis=0) for effect in EFFECTS]
            print(size, *(f"| {raw:.2f} to {harmonised:.2f}" for raw, harmonised in found))


if __name__ == "__main__":
    main()
