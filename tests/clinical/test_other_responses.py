"""RANO and Lugano: every row of the tables of docs/clinical-rules.md, through the timeline as a study reads it.

Oracle: Wen et al. 2010, Table 4; Cheson et al. 2014, Table 3, typed in from the papers' criteria.
"""

from __future__ import annotations

import polars as pl
import pytest

from tests.clinical.test_derivations import events, index
from tests.clinical.test_rules import rows
from unibase.clinical.derived.adrs import response_events
from unibase.clinical.derived.endpoint_definitions import Endpoints
from unibase.clinical.derived.endpoints import derive, derive_responses
from unibase.clinical.derived.lugano import LymphomaVisit, Size, lugano
from unibase.clinical.derived.staging import one_vocabulary
from unibase.clinical.words.concepts import Concepts

BASE, EARLIER, NOW = "2021-01-10", "2021-03-10", "2021-05-10"
Said = tuple[str, str, str, float | None]


def responses(code: str, said: list[Said]) -> pl.DataFrame:
    """Return ADRS of a definition for one subject treated from the day after baseline."""
    made = events(*((1, f"LESION//{kind}", day, text or None) for kind, day, text, _ in said))
    made = made.with_columns(numeric_value=pl.Series([number for *_, number in said], dtype=pl.Float32))
    return derive_responses(made, index((1, "2021-01-11")), [code], Concepts.default(), Endpoints.default())


BEST = {"ROVR": "RBOR", "LOVR": "LBOR", "MOVR": "MBOR", "POVR": "PBOR"}


def last(code: str, said: list[Said]) -> str:
    found = responses(BEST[code], said).filter(pl.col("PARAMCD") == code)
    return str(found.sort("ADT")["AVALC"][-1])


def new_lesion(answer: str) -> list[Said]:
    return [("NEW//x", NOW, "UNEQUIVOCAL", None)] if answer == "yes" else []


@pytest.mark.parametrize(
    ("sums", "flair", "steroids", "clinical", "new", "right"),
    rows("| smallest so far, now (mm2) | T2/FLAIR | corticosteroids | clinical | new lesion | RANO |"),
)
def test_rano(sums: str, flair: str, steroids: str, clinical: str, new: str, right: str) -> None:
    least, now = (part.strip() for part in sums.split(","))
    said: list[Said] = [("PRODUCT//a", BASE, "", 1000.0)]
    said += [("PRODUCT//a", EARLIER, "", float(least))] if least != "1000" else []
    said += [("PRODUCT//a", NOW, "" if now else "NE", float(now) if now else None)]
    states = (("FLAIR", flair), ("STEROIDS", steroids), ("CLINICAL", clinical))
    said += [(kind, NOW, word, None) for kind, word in states if word]
    assert last("ROVR", [*said, *new_lesion(new)]) == right


@pytest.mark.parametrize(("score", "uptake", "new", "right"), rows("| score | uptake | new focus | by PET |"))
def test_lugano_by_pet(score: str, uptake: str, new: str, right: str) -> None:
    said: list[Said] = [("DEAUVILLE", BASE, "", 5.0), ("DEAUVILLE", NOW, uptake, float(score)), *new_lesion(new)]
    assert last("LOVR", said) == right


def size(day: str, text: str) -> list[Said]:
    long, short = (float(part) for part in text.split("x"))
    return [("TARGET//n", day, "", long), ("SHORT_AXIS//n", day, "", short)]


@pytest.mark.parametrize(
    ("sizes", "other", "new", "right"), rows("| smallest so far, now (mm) | other lesions | new lesion | by CT |")
)
def test_lugano_by_ct(sizes: str, other: str, new: str, right: str) -> None:
    least, now = (part.strip() for part in sizes.split(","))
    said: list[Said] = [("NODE//n", BASE, "", None), ("NON_TARGET", BASE, "PRESENT", None), *size(BASE, "40x30")]
    said += size(EARLIER, least) if least != "40x30" else []
    said += size(NOW, now) if now else []
    assert last("LOVR", [*said, ("NON_TARGET", NOW, other, None), *new_lesion(new)]) == right


def test_progression_by_lugano_ends_pfs_and_counts_in_the_best_response() -> None:
    said: list[Said] = [("DEAUVILLE", BASE, "", 5.0), ("DEAUVILLE", EARLIER, "LESS", 4.0), ("DEAUVILLE", NOW, "MORE", 5.0)]
    found = responses("LBOR", said)
    assert found.filter(pl.col("PARAMCD") == "LBOR").select("AVALC", "AVAL").rows() == [("PR", 2)]
    visits = found.filter(pl.col("PARAMCD") == "LOVR")
    survival = derive(response_events(visits), index((1, "2021-01-11")), "PFS", Concepts.default(), Endpoints.default())
    assert survival.select("AVAL", "CNSR").rows() == [(120, 0)]


def test_without_a_baseline_nothing_is_told() -> None:
    found = responses("RBOR", [("PRODUCT//a", NOW, "", 100.0)])
    assert found.select("AVALC", "problem").unique().rows() == [(None, "no-baseline")]


@pytest.mark.parametrize(
    ("nodal", "now", "right"), [(False, Size(10, 8), "PD"), (True, Size(10, 8), "CR"), (False, Size(0, 0), "CR")]
)
def test_a_lesion_outside_nodes_that_is_back_has_regrown(nodal: bool, now: Size, right: str) -> None:
    visits = [LymphomaVisit(sizes={"liver": Size(0, 0)}), LymphomaVisit(sizes={"liver": now})]
    assert lugano({"liver": Size(30, 20)}, frozenset(["liver"] if nodal else []), visits) == ["CR", right]


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("RECIST//NE", "NE"),
        ("HOSPITAL//pd", "PD"),
        ("HOSPITAL//icpd", "iCPD"),
        ("pd", "pd"),                              # a word stays as it was written
        ("LOINC//LA28370-7", "LOINC//LA28370-7"),
        ("MII_CS_ONKO_VERLAUF_GESAMTBEURTEILUNG//P", "MII_CS_ONKO_VERLAUF_GESAMTBEURTEILUNG//P"),
    ],
)  # fmt: skip
def test_a_response_in_a_code_of_the_centre(said: str, read: str) -> None:
    """`NE` as a code counted as evaluable, and `pd` was no progression."""
    found = one_vocabulary(
        events((1, "LOINC//88040-1", "2021-01-01", said), (1, "LABO//X", "2021-01-01", said)), Concepts.default()
    )
    assert found.sort("code")["text_value"].to_list() == [said, read]


OBDS = "MII_CS_ONKO_VERLAUF_GESAMTBEURTEILUNG//"


@pytest.mark.parametrize(("letter", "means", "right", "ends"), rows("| letter | means | response | ends PFS |"))
def test_overall_assessment_of_obds(letter: str, means: str, right: str, ends: str) -> None:
    made = events((1, "SNOMED//396432002", NOW, OBDS + letter))
    found = derive_responses(made, index((1, "2021-01-11")), ["BORREP"], Concepts.default(), Endpoints.default())
    visit = found.filter(pl.col("PARAMCD") == "OVRREP").select("AVALC", "problem").row(0)
    assert visit == ((right, None) if right else (None, "unknown-response")), means
    survival = derive(made, index((1, "2021-01-11")), "PFS", Concepts.default(), Endpoints.default())
    assert survival["CNSR"].to_list() == [0 if ends == "yes" else 1]
