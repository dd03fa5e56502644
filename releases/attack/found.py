"""What one attack on a release finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Attack:
    """What one attack on a release achieves.

    Attributes:
        name: Short name, in kebab case.
        singled_out: Subjects that it tells apart from all others.
        of: Subjects that it could be tried on.
        with_what: What the attacker holds beside the release.
    """

    name: str
    singled_out: int
    of: int
    with_what: str

    @property
    def share(self) -> float:
        """The share of the subjects it was tried on, 0 to 1; 0 where there are none.

        Example:
            >>> Attack("life-span", 3, 12, "a list of deaths").share
            0.25
        """
        return self.singled_out / self.of if self.of else 0.0
