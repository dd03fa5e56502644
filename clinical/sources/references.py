"""What resources of a FHIR source refer to, kept in files: there are as many Encounters as events.

Ids are kept as keyed digests whose key is in memory only, so that the files name no resource of the source.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Literal

import polars as pl

Kind = Literal["encounter", "medication"]
_SCHEMA = pl.Schema({"head": pl.Int64(), "tail": pl.Int64(), "at": pl.Int64(), "first": pl.String(), "second": pl.String()})


@dataclass(frozen=True)
class References:
    """Values of resources by their id, in the files of a folder; of resources with one id the last one counts."""

    folder: Path
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def keep(self, kind: Kind, name: str, rows: Sequence[tuple[str, int, str | None, str | None]]) -> None:
        """Keep some resources in a file of their own.

        Args:
            kind: What they are.
            name: Name of the file, which no other may have.
            rows: Id, place in the source (later ones count), first and second value.
        """
        if rows:
            keyed = [(*self._digest(one), at, first, second) for one, at, first, second in rows]
            frame = pl.DataFrame(keyed, schema=_SCHEMA, orient="row")
            frame.write_parquet(self.folder / f"{kind}-{name}.parquet", compression="lz4", statistics=False)

    def find(self, kind: Kind, wanted: Iterable[str]) -> dict[str, tuple[str | None, str | None]]:
        """Return the values of those resources of a `kind` with `wanted` ids that are known."""
        ids = {self._digest(one): one for one in wanted}
        files = sorted(self.folder.glob(f"{kind}-*.parquet")) if ids else []
        if not files:
            return {}
        heads = pl.Series(sorted({head for head, _ in ids}), dtype=pl.Int64)
        # File by file: one at a time is in memory.
        found = pl.concat(pl.read_parquet(file).filter(pl.col("head").is_in(heads.implode())) for file in files).sort("at")
        rows = found.iter_rows()
        return {ids[head, tail]: (first, second) for head, tail, _, first, second in rows if (head, tail) in ids}

    def _digest(self, identifier: str) -> tuple[int, int]:
        digest = blake2b(identifier.encode(), digest_size=16, key=self.key).digest()
        return int.from_bytes(digest[:8], signed=True), int.from_bytes(digest[8:], signed=True)
