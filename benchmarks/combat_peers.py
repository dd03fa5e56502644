"""ComBat beside neuroHarmonize, inmoose and combatlearn: which of them give R's numbers, and in what time.

    UNIBASE_PEERS_PYTHON=ENVIRONMENTS/peers_{peer}/bin/python python -m benchmarks.combat_peers [FEATURES] [SUBJECTS]

`{peer}` stands for neuroHarmonize, inmoose or combatlearn, each in an environment of its own (`pip install PEER`). R with `sva` says what is right,
on the tables of `tests/linking/combat` (33 subjects of 3 centres, 39 features; the one that is constant in a centre is left out, for R leaves it as it is).
A column gives the largest difference from R; what a peer has no option for is `-`. The time is that of the fit and the
application with age and sex kept, on random values of FEATURES (20,000 without) features of SUBJECTS (300 without) subjects of six centres, the second of two runs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

PEERS = ("neuroHarmonize", "inmoose", "combatlearn")
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "covariates": {"covariates": True},
    "mean_only": {"mean_only": True},
    "mean_only_covariates": {"mean_only": True, "covariates": True},
    "reference": {"reference": "B"},
    "reference_covariates": {"reference": "B", "covariates": True},
}
TABLES = Path(__file__).parents[1] / "tests" / "linking" / "combat"

# Runs in an environment of the peer, so that nothing of ours is imported there.
PEER = r"""
import csv, json, sys, time, warnings
from pathlib import Path
import numpy as np
warnings.filterwarnings("ignore")
peer, folder, features, subjects = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
cases = json.loads(sys.argv[5])

def numbers(name):
    with open(folder / (name + ".csv"), encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    values = np.array([[float(cell) for cell in row] for row in rows])
    return np.delete(values, 6, axis=1)

def neuroHarmonize(values, batch, age, sex, covariates=False, mean_only=False, reference=None):
    import pandas as pd
    from neuroHarmonize import harmonizationLearn
    if mean_only:
        raise NotImplementedError
    table = pd.DataFrame({"SITE": batch})
    if covariates:
        table["age"], table["sex"] = age, sex
    return harmonizationLearn(values, table, ref_batch=reference, seed=1)[1]

def inmoose(values, batch, age, sex, covariates=False, mean_only=False, reference=None):
    from inmoose.pycombat import pycombat_norm
    kept = [list(sex), list(age)] if covariates else None
    return np.asarray(pycombat_norm(values.T, list(batch), covar_mod=kept, mean_only=mean_only, ref_batch=reference)).T

def combatlearn(values, batch, age, sex, covariates=False, mean_only=False, reference=None):
    import pandas as pd
    from combatlearn import ComBat
    options = {"mean_only": mean_only, "reference_batch": reference, "method": "johnson"}
    table = pd.DataFrame(values)
    if covariates:
        options |= {"method": "fortin", "discrete_covariates": pd.DataFrame({"sex": sex}), "continuous_covariates": pd.DataFrame({"age": age})}
    return np.asarray(ComBat(batch=pd.Series(batch), **options).fit_transform(table))

call = globals()[peer]
with open(folder / "subjects.csv", encoding="utf-8") as file:
    about = list(csv.DictReader(file))
batch, age = np.array([row["batch"] for row in about]), np.array([float(row["age"]) for row in about])
sex = np.array([float(row["sex"] == "M") for row in about])
result = {}
for name, options in cases.items():
    try:
        found = call(numbers("data"), batch, age, sex, **options)
        result[name] = float(np.abs(found - numbers(name)).max())
    except NotImplementedError:
        result[name] = None
    except Exception as problem:
        result[name] = type(problem).__name__ + ": " + str(problem)[:80]
rng = np.random.default_rng(5)
labels = np.array([f"c{n % 6}" for n in range(subjects)])
values = rng.normal(5, 2, (subjects, features)) + rng.normal(0, 1, (6, features))[np.arange(subjects) % 6]
age, sex = rng.integers(30, 90, subjects).astype(float), rng.integers(0, 2, subjects).astype(float)
for _ in range(2):
    start = time.process_time(), time.perf_counter()
    try:
        call(values, labels, age, sex, covariates=True)
        result["cpu"], result["wall"] = time.process_time() - start[0], time.perf_counter() - start[1]
    except Exception as problem:
        result["cpu"] = result["wall"] = type(problem).__name__
print(json.dumps(result))
"""

OURS = (
    PEER.split("def neuroHarmonize")[0]
    + r"""
def unibase(values, batch, age, sex, covariates=False, mean_only=False, reference=None):
    from methods.combat import fit_combat
    kept = {"age": age, "sex": sex} if covariates else None
    names = [str(n) for n in range(values.shape[1])]
    model = fit_combat(values, list(batch), names, covariates=kept, mean_only=mean_only, reference=reference)
    return model.apply(values, list(batch), kept)

call = unibase
"""
    + PEER.split("call = globals()[peer]\n")[1]
)


def run(peer: str, program: str, python: str, features: int, subjects: int) -> dict[str, Any]:
    """Return what a peer found: by case the largest difference, None or what went wrong; `cpu` and `wall` in seconds."""
    command = [python, "-c", program, peer, str(TABLES), str(features), str(subjects), json.dumps(CASES)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONUTF8": "1"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1], env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{peer} did not run: {done.stderr.strip().splitlines()[-1]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def shown(value: Any) -> str:
    """Return a difference as a word of the table; what went wrong is told below it."""
    return "-" if value is None else "refused" if isinstance(value, str) else f"{value:.1e}"


def main() -> None:
    features = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    subjects = int(sys.argv[2]) if len(sys.argv) > 2 else 300
    pattern = os.environ.get("UNIBASE_PEERS_PYTHON")
    found = {"unibase": run("unibase", OURS, sys.executable, features, subjects)}
    for peer in PEERS if pattern else ():
        found[peer] = run(peer, PEER, str(pattern).replace("{peer}", peer), features, subjects)
    print(f"{'':22}" + "".join(f"{name:>16}" for name in found))
    for case in CASES:
        print(f"{case:22}" + "".join(f"{shown(outcome[case]):>16}" for outcome in found.values()))
    for unit in ("cpu", "wall"):
        times = (f"{o[unit]:.2f}" if isinstance(o[unit], float) else o[unit] for o in found.values())
        print(f"{unit + ' s':22}" + "".join(f"{time:>16}" for time in times))
    for name, outcome in found.items():
        for case in CASES:
            if isinstance(outcome[case], str):
                print(f"{name}, {case}: {outcome[case]}")


if __name__ == "__main__":
    main()
