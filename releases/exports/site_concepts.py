"""Concepts of a release for OMOP: every code has one of its own, above two thousand million, until a site maps it.

OHDSI keeps the numbers above 2,000,000,000 for concepts of a site. A code `LOINC//718-7` becomes the concept of vocabulary
LOINC and code 718-7; its name is the whole code, by which `unibase.clinical` reads it back. `OMOP//201820` is the concept
201820 itself, which a vocabulary of OHDSI explains.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date

import polars as pl

FIRST = 2_000_000_001
OURS = "unibase"
"""Class of the concepts of a release, and the vocabulary of codes that name none."""
EHR, ALGORITHM = 32817, 32880
"""Type concepts: EHR, Standard algorithm."""
DISEASE_EPISODE, TREATMENT_EPISODE = 32533, 32531
FIELD = {"condition_occurrence": 1147127, "drug_exposure": 1147094, "measurement": 1147138}
"""Concepts of OHDSI for the keys of tables: what an event of an episode or a feature of an image is a row of."""
CDM_VERSION = 756265
"""Concept of OMOP CDM 5.4.0."""
_BEGIN, _END = date(1970, 1, 1), date(2099, 12, 31)
_VOCABULARY_LENGTH, _CODE_LENGTH, _NAME_LENGTH = 20, 50, 255
_OMOP = r"^OMOP//(\d{1,9})$"
STANDARD = {
    0: ("No matching concept", "Metadata", "None", "Undefined", "No matching concept"),
    8507: ("MALE", "Gender", "Gender", "Gender", "M"),
    8532: ("FEMALE", "Gender", "Gender", "Gender", "F"),
    9201: ("Inpatient Visit", "Visit", "Visit", "Visit", "IP"),
    9202: ("Outpatient Visit", "Visit", "Visit", "Visit", "OP"),
    9203: ("Emergency Room Visit", "Visit", "Visit", "Visit", "ER"),
    EHR: ("EHR", "Type Concept", "Type Concept", "Type Concept", "OMOP4976890"),
    ALGORITHM: ("Standard algorithm", "Type Concept", "Type Concept", "Type Concept", "OMOP4976953"),
}
"""Concepts of OHDSI that exports name, so that a small database can do without its vocabularies: name, domain, vocabulary, class, code."""


@dataclass(frozen=True)
class Concepts:
    """The concepts of an export.

    Attributes:
        frame: `code`, and its `concept_id`.
    """

    frame: pl.DataFrame

    @classmethod
    def of(cls, codes: pl.Series) -> Concepts:
        """Return the concepts of all `codes`, numbered in order of code.

        >>> Concepts.of(pl.Series(["LOINC//718-7", "OMOP//201820"])).frame["concept_id"].to_list()
        [2000000001, 201820]
        """
        distinct = codes.drop_nulls().unique().sort().to_frame("code")
        known = distinct.with_columns(pl.col("code").str.extract(_OMOP).cast(pl.Int64).alias("known"))
        own = known.filter(pl.col("known").is_null()).with_row_index("place", offset=FIRST).select("code", "place")
        joined = known.join(own, on="code", how="left").with_columns(pl.coalesce("known", pl.col("place").cast(pl.Int64)))
        return cls(joined.select("code", pl.col("known").cast(pl.Int64).alias("concept_id")).sort("code"))

    def number(self, code: pl.Expr) -> pl.Expr:
        """Return the number of the concept of each `code`; null for null."""
        return code.replace_strict(self.frame["code"], self.frame["concept_id"], default=None, return_dtype=pl.Int64)

    def table(self) -> pl.DataFrame:
        """Return the rows of CONCEPT: those of the site, and those of OHDSI that every export names."""
        names = ("concept_name", "domain_id", "vocabulary_id", "concept_class_id", "concept_code")
        own = self.frame.filter(pl.col("concept_id") >= FIRST)
        site = [(number, None, *_described(code)) for code, number in own.iter_rows()]
        standard = [(number, "S", *about) for number, about in STANDARD.items()]
        schema = ["concept_id", "standard_concept", *names]
        table = pl.DataFrame([*standard, *site], schema, orient="row", infer_schema_length=None)
        return table.with_columns(pl.lit(_BEGIN).alias("valid_start_date"), pl.lit(_END).alias("valid_end_date"))


def _described(code: str) -> tuple[str, str, str, str, str]:
    vocabulary, rest = _split(code)
    return _shortened(code, _NAME_LENGTH), "Metadata", vocabulary, OURS, rest


def _split(code: str) -> tuple[str, str]:
    """Return vocabulary and code; one that is too long for the CDM keeps its beginning and a digest of the whole.

    >>> _split("LOINC//718-7")
    ('LOINC', '718-7')
    """
    vocabulary, _, rest = code.partition("//")
    if not (vocabulary and rest):
        vocabulary, rest = OURS, code
    return _shortened(vocabulary, _VOCABULARY_LENGTH), _shortened(rest, _CODE_LENGTH)


def _shortened(text: str, length: int) -> str:
    if len(text) <= length:
        return text
    return f"{text[: length - 9]}~{hashlib.sha256(text.encode()).hexdigest()[:8]}"
