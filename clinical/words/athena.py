"""A folder of OMOP vocabularies as Athena gives them: CONCEPT, CONCEPT_ANCESTOR, CONCEPT_RELATIONSHIP, in CSV (by tabs) or Parquet.

A code's descendants are those of its concept, or of the standard concepts that it maps to, and every code of any vocabulary that maps
to one of them: the ICD-10-CM codes below a SNOMED concept, the clinical drugs of RxNorm below a class of ATC.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import polars as pl

from unibase.groundwork.problems import UserError

_TABLES = ("concept", "concept_ancestor", "concept_relationship")
_MAPS = "Maps to"
_ATC_MOLECULE = 7
"""Letters of a code of ATC that names a molecule."""


@dataclass(frozen=True)
class Vocabulary:
    """The files of a vocabulary folder, by table."""

    concept: Path
    concept_ancestor: Path
    concept_relationship: Path

    @classmethod
    def open(cls, folder: Path) -> Vocabulary:
        """Return the vocabulary of a `folder`.

        Raises:
            UserError: If a table is not there.
        """
        found = {
            path.name.lower().split(".")[0]: path for path in sorted(folder.glob("*")) if path.suffix in {".csv", ".parquet"}
        }
        missing = [name.upper() for name in _TABLES if name not in found]
        if missing:
            raise UserError(f"There is no {missing[0]} in the vocabulary folder {folder}. Take it from athena.ohdsi.org, whole.")
        return cls(*(found[name] for name in _TABLES))

    def descendants(self, codes: Iterable[str], *, all_known: bool = True) -> list[str]:
        """Return the codes themselves and all below them, `VOCABULARY//code`, in order.

        Args:
            codes: Such as `SNOMED//363346000` or `ATC//L01`.
            all_known: Refuse codes that the vocabulary does not hold; else they are returned alone.

        Raises:
            UserError: If the vocabulary does not hold one of the codes.
        """
        return list(_descendants(self, tuple(sorted(set(codes))), all_known))

    def molecules(self) -> dict[str, str]:
        """Return the molecule of ATC, `ATC//L01CD01`, of every code of RxNorm and its extension that is below one alone."""
        return dict(_molecules(self))


def has_tables(folder: Path) -> bool:
    """Tell whether a `folder` holds any table of Athena."""
    return any(path.name.lower().split(".")[0] in _TABLES for path in folder.glob("*") if path.suffix in {".csv", ".parquet"})


def _scan(path: Path, columns: list[str]) -> pl.LazyFrame:
    # Athena's files hold quotes that quote nothing.
    csv = path.suffix == ".csv"
    scan = pl.scan_csv(path, separator="\t", quote_char=None, infer_schema=False) if csv else pl.scan_parquet(path)
    names = {name: name.strip().lower() for name in scan.collect_schema().names()}
    numbers = [pl.col(name).cast(pl.Int64, strict=False) for name in columns if "concept_id" in name]
    return scan.rename(names).select(columns).with_columns(numbers)


def _concepts(vocabulary: Vocabulary) -> pl.LazyFrame:
    columns = ["concept_id", "vocabulary_id", "concept_code"]
    code = pl.col("vocabulary_id").str.replace_all(" ", "_") + "//" + pl.col("concept_code")
    return _scan(vocabulary.concept, columns).select("concept_id", code.alias("code"))


def _maps(vocabulary: Vocabulary) -> pl.LazyFrame:
    columns = ["concept_id_1", "concept_id_2", "relationship_id"]
    return _scan(vocabulary.concept_relationship, columns).filter(pl.col("relationship_id") == _MAPS)


@lru_cache(maxsize=64)
def _descendants(vocabulary: Vocabulary, codes: tuple[str, ...], all_known: bool) -> tuple[str, ...]:
    own = _concepts(vocabulary).filter(pl.col("code").is_in(codes)).collect(engine="streaming")
    missing = sorted(set(codes) - set(own["code"]))
    if missing and all_known:
        raise UserError(
            f"The vocabulary does not hold {', '.join(missing)}. Write the code as CONCEPT has it, after its vocabulary_id."
        )
    roots = set(own["concept_id"])
    roots |= set(_maps(vocabulary).filter(pl.col("concept_id_1").is_in(roots)).collect(engine="streaming")["concept_id_2"])
    tree = _scan(vocabulary.concept_ancestor, ["ancestor_concept_id", "descendant_concept_id"])
    below = tree.filter(pl.col("ancestor_concept_id").is_in(roots)).collect(engine="streaming")
    ids = roots | set(below["descendant_concept_id"])
    ids |= set(_maps(vocabulary).filter(pl.col("concept_id_2").is_in(ids)).collect(engine="streaming")["concept_id_1"])
    found = _concepts(vocabulary).filter(pl.col("concept_id").is_in(ids)).collect(engine="streaming")
    return tuple(sorted({*codes, *found["code"]}))


@lru_cache(maxsize=4)
def _molecules(vocabulary: Vocabulary) -> tuple[tuple[str, str], ...]:
    concepts = _concepts(vocabulary)
    atc = concepts.filter(pl.col("code").str.starts_with("ATC//") & (pl.col("code").str.len_chars() == _ATC_MOLECULE + 5))
    drugs = concepts.filter(pl.col("code").str.starts_with("RxNorm"))
    tree = _scan(vocabulary.concept_ancestor, ["ancestor_concept_id", "descendant_concept_id"])
    joined = tree.join(atc.rename({"code": "atc"}), left_on="ancestor_concept_id", right_on="concept_id").join(
        drugs.rename({"code": "drug"}), left_on="descendant_concept_id", right_on="concept_id"
    )
    pairs = joined.select("drug", "atc").unique().collect(engine="streaming")
    # A molecule may have several codes of ATC, by use: the first in order; a drug of several molecules has none of its own.
    one = pairs.group_by("drug").agg(pl.col("atc").min(), pl.col("atc").str.slice(5, 3).n_unique().alias("groups"))
    return tuple(one.filter(pl.col("groups") == 1).select("drug", "atc").sort("drug").iter_rows())
