"""A vocabulary folder: what is below a code, beside the same question in SQL; concepts that name ancestors; molecules of drugs."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest

from tests.clinical.test_derivations import events
from unibase.clinical.derived.treatments import ATC_OF_RXNORM, CHANGE, treatment_events
from unibase.clinical.words.athena import Vocabulary
from unibase.clinical.words.concepts import Concepts
from unibase.groundwork.problems import UserError

SQL = """
with roots as (select concept_id from c where code in ({0})
      union select concept_id_2 from r where relationship_id = 'Maps to'
        and concept_id_1 in (select concept_id from c where code in ({0}))),
     below as (select concept_id from roots
      union select descendant_concept_id from a where ancestor_concept_id in (select concept_id from roots)),
     mapped as (select concept_id from below
      union select concept_id_1 from r where relationship_id = 'Maps to' and concept_id_2 in (select concept_id from below))
select code from c where concept_id in (select concept_id from mapped) or code in ({0}) order by code
"""
"""The question as an OHDSI cohort definition asks it: includeDescendants and includeMapped."""


def random_vocabulary(folder: Path, seed: int, concepts: int = 300) -> Vocabulary:
    """Write a forest of standard concepts, and codes of other vocabularies that map into it, as Athena writes them."""
    rng = np.random.default_rng(seed)
    standard = concepts // 2
    names = [f'{n}\tName "of {n}\t{"SNOMED" if n <= standard else "ICD10CM"}\t{n}.0' for n in range(1, concepts + 1)]
    (folder / "CONCEPT.csv").write_text("concept_id\tconcept_name\tvocabulary_id\tconcept_code\n" + "\n".join(names) + "\n")
    parent = {n: int(rng.integers(0, n)) for n in range(1, standard + 1)}
    pairs = []
    for n in parent:
        above = n
        while above:
            pairs.append(f"{above}\t{n}")
            above = parent[above]
    (folder / "CONCEPT_ANCESTOR.csv").write_text("ancestor_concept_id\tdescendant_concept_id\n" + "\n".join(pairs) + "\n")
    kinds = rng.choice(["Maps to", "Is a"], concepts - standard)
    links = [
        f"{n}\t{rng.integers(1, standard + 1)}\t{kind}" for n, kind in zip(range(standard + 1, concepts + 1), kinds, strict=True)
    ]
    (folder / "CONCEPT_RELATIONSHIP.csv").write_text("concept_id_1\tconcept_id_2\trelationship_id\n" + "\n".join(links) + "\n")
    return Vocabulary.open(folder)


def of_sql(folder: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    read = "read_csv('{0}/{1}.csv', delim='\t', header=true, quote='', escape='', all_varchar=true)"
    connection.execute(
        "create table c as select concept_id, vocabulary_id || '//' || concept_code as code from "
        + read.format(folder, "CONCEPT")
    )
    for name, file in (("a", "CONCEPT_ANCESTOR"), ("r", "CONCEPT_RELATIONSHIP")):
        connection.execute(f"create table {name} as select * from " + read.format(folder, file))
    return connection


def compare(folder: Path, sets: int) -> int:
    """Ask for random sets of codes in both ways; return how many codes came back in all."""
    vocabulary, connection, rng = random_vocabulary(folder, sets), of_sql(folder), np.random.default_rng(sets)
    codes = [row[0] for row in connection.execute("select code from c order by code").fetchall()]
    total = 0
    for _ in range(sets):
        asked = list(rng.choice(codes, int(rng.integers(1, 5)), replace=False))
        wanted = connection.execute(SQL.format(", ".join(f"'{code}'" for code in asked))).fetchall()
        found = vocabulary.descendants(asked)
        assert found == [row[0] for row in wanted], asked
        total += len(found)
    return total


def test_what_is_below_a_code_is_what_sql_says(tmp_path: Path) -> None:
    assert compare(tmp_path, 12) > 100


@pytest.fixture
def athena(tmp_path: Path) -> Path:
    """Lung cancer below cancer, an ICD-10-CM code that maps to it, and two drugs of RxNorm below molecules of ATC."""
    rows = [(1, "SNOMED", "363346000"), (2, "SNOMED", "254637007"), (3, "ICD10CM", "C34.90"), (4, "ATC", "L01"), (5, "ATC", "L01CD01"),
            (6, "RxNorm", "1151"), (7, "RxNorm", "1152"), (8, "SNOMED", "38341003")]  # fmt: skip
    below = [(1, 1), (1, 2), (2, 2), (4, 4), (4, 5), (4, 6), (4, 7), (5, 5), (5, 6), (5, 7), (6, 6), (6, 7), (8, 8)]
    pl.DataFrame(rows, schema=["concept_id", "vocabulary_id", "concept_code"], orient="row").write_parquet(
        tmp_path / "CONCEPT.parquet"
    )
    pl.DataFrame(below, schema=["ancestor_concept_id", "descendant_concept_id"], orient="row").write_parquet(
        tmp_path / "CONCEPT_ANCESTOR.parquet"
    )
    maps = [(3, 2, "Maps to"), (2, 3, "Mapped from")]
    pl.DataFrame(maps, schema=["concept_id_1", "concept_id_2", "relationship_id"], orient="row").write_parquet(
        tmp_path / "CONCEPT_RELATIONSHIP.parquet"
    )
    return tmp_path


def test_a_concept_by_its_ancestor(athena: Path, tmp_path: Path) -> None:
    own = tmp_path / "concepts.yaml"
    own.write_text('concepts: 1\nversion: "1"\nconcept:\n  lung: {ancestors: ["SNOMED//254637007"]}\n'
                   '  other: {ancestors: ["SNOMED//363346000"], unless_ancestors: ["SNOMED//254637007"]}\n')  # fmt: skip
    concepts = Concepts.read(own)
    with pytest.raises(UserError, match="Say in the study file where the vocabulary is"):
        concepts.with_vocabulary(None)
    assert Concepts.default().with_vocabulary(None).names() == Concepts.default().names()
    known = concepts.with_vocabulary(Vocabulary.open(athena))
    frame = pl.DataFrame({"code": ["SNOMED//254637007", "ICD10CM//C34.90", "SNOMED//38341003", "SNOMED//363346000"]})
    taken = {name: frame.select(known.matches(name)).to_series().to_list() for name in ("lung", "other")}
    assert taken == {"lung": [True, True, False, False], "other": [False, False, False, True]}
    with pytest.raises(UserError, match="does not hold SNOMED//1"):
        Vocabulary.open(athena).descendants(["SNOMED//1"])


def test_a_drug_is_known_by_its_molecule(athena: Path) -> None:
    """A clinical drug and its ingredient, in two centres, are one molecule: no change of treatment."""
    concepts = Concepts.default().with_vocabulary(Vocabulary.open(athena))
    given = events((1, "RxNorm//1151", "2021-01-01"), (1, "RxNorm//1152", "2021-04-01"), (1, "ATC//L01CD01", "2021-06-01"))
    assert treatment_events(given, None, concepts).filter(pl.col("code") == CHANGE).is_empty()


def test_a_drug_that_is_stated_here_and_given_there_is_one_molecule() -> None:
    given = events(
        (1, "STATED//ATC//L01CD01", "2021-01-01"), (1, "ATC//L01CD01", "2021-04-01"), (1, "RxNorm//583214", "2021-08-01")
    )
    assert treatment_events(given).filter(pl.col("code") == CHANGE).is_empty()


def test_every_drug_that_has_a_molecule_is_an_anticancer_drug_and_so_is_its_molecule() -> None:
    concepts = Concepts.default()
    for code in {*ATC_OF_RXNORM, *ATC_OF_RXNORM.values()}:
        assert pl.DataFrame({"code": [code]}).select(concepts.matches("anticancer_drug")).item(), code
    listed = {code for code in concepts.codes("anticancer_drug") if code.startswith("RxNorm//")}
    assert listed == set(ATC_OF_RXNORM)


def test_a_folder_that_is_not_whole_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "CONCEPT.csv").touch()
    with pytest.raises(UserError, match="no CONCEPT_ANCESTOR in the vocabulary folder"):
        Vocabulary.open(tmp_path)
