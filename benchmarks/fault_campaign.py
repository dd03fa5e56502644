"""Faults of the machine over nights of a small study: `python -m benchmarks.fault_campaign --faults 300 --seed 1`.

Each fault is drawn from the seed, over a copy of one built study whose hospital sent something new. Files of the workspace are
flipped, cut or lost; calls of the C library fail; the clock stands elsewhere; builds, workers, schedulers and Prefect's server
are killed; workers are blind or of another version; two builds start at once. A fault is survived when the disturbed night ends
in the bytes of the undisturbed release, or refuses by name; and when the night after it, undisturbed, has those bytes. Prints a
line a kind, and each fault that was not survived. Linux with a C compiler; blind workers need root.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
from collections import Counter
from pathlib import Path

from benchmarks.campaign.preloaded import start_again_with_it


def new_day(home: Path) -> None:
    """Have the hospital send a further record, and take an image back."""
    with (home / "records" / "acts.csv").open("a", encoding="utf-8") as file:
        file.write("IPP002,2019-09-02,VISIT\n")
    (home / "dicom" / "IPP001-20190402.dcm").unlink()


def wrong_with(home: Path, kind: str, draw: random.Random, right: dict[str, str]) -> str:
    """Return an empty text when a fault is survived, else what went wrong. `home`: a copy of the built study."""
    from benchmarks.campaign.disturbances import KINDS, Night, night
    from unibase.flows.runs.guard import explained

    ended: Night = KINDS[kind][1](home, draw)
    if ended.stuck:
        return f"{ended.said}: stuck: {ended.told}"
    if ended.release is not None and ended.release != right:
        return f"{ended.said}: published another release"
    if ended.release is None and ("Unexpected" in ended.told or "Traceback" in ended.told):
        return f"{ended.said}: {ended.told}"
    if ended.release is None and ended.named not in ended.told:
        return f"{ended.said}: does not name {ended.named}: {ended.told}"
    if "Restore" in ended.told or "damaged" in ended.told:
        return ""  # refused by name, with the command that mends it: that is for a person
    try:
        after = night(home)
    except Exception as error:
        return f"{ended.said} ({ended.told}): the night after it: {explained(error, None)}"
    return "" if after == right else f"{ended.said}: the night after it has other bytes"


def campaign(faults: int, seed: int, only: str, first: int) -> None:
    """Run the campaign.

    Args:
        faults: How many.
        seed: What they are drawn from.
        only: One kind alone; all where empty.
        first: Number of the first fault that is tried: a campaign that was stopped goes on there.
    """
    from benchmarks.campaign.disturbances import KINDS, night
    from tests.flows.small_study import write_study

    draw, counts, lost = random.Random(seed), Counter[str](), 0
    kinds = draw.choices(list(KINDS), [share for share, _ in KINDS.values()], k=faults)
    with tempfile.TemporaryDirectory() as scratch:
        built = write_study(Path(scratch) / "built")
        with (built / "study.yaml").open("a", encoding="utf-8") as file:
            file.write("dask: {workers: 1}\n")
        night(built)
        new_day(built)
        right = night(shutil.copytree(built, Path(scratch) / "undisturbed"))
        for number, drawn in list(enumerate(kinds))[first:]:
            kind, home = only or drawn, Path(scratch) / f"fault-{number}"
            shutil.copytree(built, home)
            wrong = wrong_with(home, kind, random.Random(f"{seed} {number}"), right)
            counts[f"{kind}: {'lost' if wrong else 'survived'}"] += 1
            if wrong:
                lost += 1
                print(f"fault {number}, {kind}: {wrong}", flush=True)
            shutil.rmtree(home)
            if (number + 1) % 20 == 0:
                print(f"... {number + 1 - first - lost} of {number + 1 - first} survived", flush=True)
    for key, count in sorted(counts.items()):
        print(f"{key} {count}")
    print(f"{faults - first - lost} of {faults - first} survived")


def main() -> None:
    """Read the arguments and run the campaign, with the library of failing calls loaded."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--faults", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="one kind alone")
    parser.add_argument("--first", type=int, default=0, help="fault to go on from")
    asked = parser.parse_args()
    start_again_with_it()
    campaign(asked.faults, asked.seed, asked.only, asked.first)


if __name__ == "__main__":
    main()
