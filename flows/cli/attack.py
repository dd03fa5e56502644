"""The command `unibase attack`: what an outsider can tell of single subjects of a release."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from unibase.flows.cli.app import app
from unibase.flows.cli.command_answers import Ended
from unibase.groundwork.problems import UserError

if TYPE_CHECKING:
    from unibase.releases.attack.found import Attack

EXTRACT = "extract.json"
"""The file by which an opened extract is known."""


@app.command(name="attack")
def attack_releases(release: Path, *others: Path, limit: float | None = None, key_file: Path | None = None) -> object:
    """Attack releases as a hostile outsider would, and show how many subjects each attack singles out.

    Example: `unibase attack demo/releases/uniriv-demo/1.0.0`

    Args:
        release: Folder of a release.
        others: Further releases: later versions, or releases of the same persons under another key. Or two extracts of the
            release, each decrypted and unpacked into a folder.
        limit: Share of subjects, 0 to 1, that no attack may exceed; over it the command ends with exit code 1.
        key_file: Key of the study, which tells of extracts which joins are right.
    """
    from unibase.releases.attack.attackers import attack
    from unibase.releases.attack.between import attack_pair
    from unibase.releases.content import manifest

    if limit is not None and not 0 <= limit <= 1:
        raise UserError("--limit is a share between 0 and 1, such as 0.05.")
    extracts = [folder for folder in others if (folder / EXTRACT).is_file()]
    folders = (release, *(folder for folder in others if folder not in extracts))
    least = {folder: int(manifest.read(folder).get("min_cell", 1)) for folder in folders}
    found = [(folder.name, one) for folder in folders for one in attack(folder)]
    for first, second in combinations(folders, 2):
        both = max(least[first], least[second])
        found += [(f"{first.name} and {second.name}", one) for one in attack_pair(first, second, both)]
    found += _of_extracts(release, extracts, key_file)
    print(f"{'attack':<18}{'singled out':>12}  {'of':>6}  {'share':>6}  the attacker holds the release and")
    for name, one in found:
        print(f"{one.name:<18}{one.singled_out:>12}  {one.of:>6}  {one.share:>6.1%}  {one.with_what} ({name})")
    answer = [{"releases": name, "attack": one} for name, one in found]
    over = [one for _, one in found if limit is not None and one.share > limit]
    if over:
        print(f"Over the limit of {limit:.1%}: {', '.join(dict.fromkeys(one.name for one in over))}.", file=sys.stderr)
        raise Ended(1, answer)
    return answer


def _of_extracts(release: Path, extracts: Sequence[Path], key_file: Path | None) -> list[tuple[str, Attack]]:
    """Return what is joined of each two extracts."""
    from unibase.privacy.keys import read_key_file
    from unibase.releases.attack.of_extracts import attack_extracts

    if len(extracts) == 1 or (extracts and key_file is None):
        raise UserError("Extracts are attacked two at a time, with `--key-file`: the key tells which joins are right.")
    return [
        (f"{first.name} and {second.name}", one)
        for first, second in combinations(extracts, 2)
        for one in attack_extracts(release, first, second, read_key_file(str(key_file)))
    ]
