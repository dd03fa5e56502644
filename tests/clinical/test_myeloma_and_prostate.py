"""IMWG and PCWG3: every row of the tables of docs/clinical-rules.md.

Oracle: Kumar et al. 2016, Table 4, and Scher et al. 2016, typed in from the papers' criteria; the tables of confirmation and of the
combined response from the vignettes of admiralonco for IMWG and PCWG3.
"""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest

from tests.clinical.test_derivations import events, index
from tests.clinical.test_rules import rows
from unibase.clinical.derived.adrs import response_events
from unibase.clinical.derived.endpoint_definitions import Endpoints
from unibase.clinical.derived.endpoints import derive, derive_responses
from unibase.clinical.derived.myeloma import Imwg, MyelomaVisit, confirmed, imwg
from unibase.clinical.derived.prostate import Bone, Psa, Scan, bone_responses, combined, psa_responses
from unibase.clinical.words.concepts import Concepts

BASE, EARLIER, NOW, AGAIN = "2021-01-10", "2021-03-10", "2021-05-10", "2021-07-10"
START = date(2021, 1, 11)
Said = tuple[str, str, str, str, str]
"""Kind, day, text, number and unit, as a source writes them."""


def responses(code: str, said: list[Said]) -> pl.DataFrame:
    """Return ADRS of a definition for one subject treated from the day after baseline."""
    made = events(*((1, f"LESION//{kind}", day, text or None) for kind, day, text, *_ in said))
    made = made.with_columns(
        numeric_value=pl.Series([float(number) if number else None for *_, number, _ in said], dtype=pl.Float32),
        unit=pl.Series([unit or None for *_, unit in said], dtype=pl.String),
    )
    return derive_responses(made, index((1, "2021-01-11")), [code], Concepts.default(), Endpoints.default())


def at(found: pl.DataFrame, day: str) -> str:
    return str(found.filter(pl.col("ADT") == date.fromisoformat(day))["AVALC"][0])


def proteins(day: str, serum: str, urine: str) -> list[Said]:
    found: list[Said] = [("M_SERUM", day, "", serum, "g/L")] if serum else []
    return found + ([("M_URINE", day, "", urine, "mg/(24.h)")] if urine else [])


@pytest.mark.parametrize(
    ("serum", "urine", "fixation", "marrow", "ratio", "clonal", "new", "right"),
    rows(
        "| smallest so far, now (g/L) | urine (mg/24 h) | immunofixation | marrow (%) | ratio of light chains | clonal cells | new lesion | IMWG |"
    ),
)
def test_myeloma(serum: str, urine: str, fixation: str, marrow: str, ratio: str, clonal: str, new: str, right: str) -> None:
    least, now = (part.strip() for part in serum.split(","))
    said = [*proteins(BASE, "40", "400"), *(proteins(EARLIER, least, "400") if least != "40" else [])]
    for day in (NOW, AGAIN):
        said += proteins(day, now, urine)
        words = (("IF_SERUM", fixation), ("IF_URINE", fixation), ("FLC_RATIO", ratio), ("CLONAL_CELLS", clonal))
        said += [(kind, day, word, "", "") for kind, word in words if word]
        said += [("MARROW", day, "", marrow, "%")] if marrow else []
        said += [("NEW//x", day, "UNEQUIVOCAL", "", "")] if new == "yes" else []
    found = responses("MBOR", said)
    assert at(found.filter(pl.col("PARAMCD") == "MOVR"), NOW) == right


@pytest.mark.parametrize(("chains", "ratio", "right"), rows("| involved, uninvolved (mg/L) | ratio | by light chains |"))
def test_myeloma_of_light_chains(chains: str, ratio: str, right: str) -> None:
    said: list[Said] = []
    for day, pair, normal in ((BASE, "500, 10", "ABNORMAL"), (NOW, chains, ratio), (AGAIN, chains, ratio)):
        involved, other = (part.strip() for part in pair.split(","))
        said += [("FLC_INVOLVED", day, "", involved, "mg/L")] if involved else []
        said += [("FLC_UNINVOLVED", day, "", other, "mg/L"), ("FLC_RATIO", day, normal, "", "")]
    assert at(responses("MBOR", said).filter(pl.col("PARAMCD") == "MOVR"), NOW) == right


@pytest.mark.parametrize(("in_order", "stand"), rows("| in order | stand |"))
def test_what_stands(in_order: str, stand: str) -> None:
    said = [part.strip() for part in in_order.split(",")]
    known: dict[str, Imwg] = {one: one for one in ("sCR", "CR", "VGPR", "PR", "MR", "SD", "PD", "NE")}  # type: ignore[misc]
    values = [known[one.split()[0]] for one in said]
    assert confirmed(values, ["imaging" in one for one in said]) == [part.strip() for part in stand.split(",")]


def test_a_response_of_myeloma_as_reported_stands_once_confirmed() -> None:
    made = events(*((1, "RECIST//OVRLRESP", day, word) for day, word in ((EARLIER, "VGPR"), (NOW, "scr"), (AGAIN, "PD"))))
    found = derive_responses(made, index((1, "2021-01-11")), ["MBORREP"], Concepts.default(), Endpoints.default())
    assert found.select("PARAMCD", "AVALC").rows() == [("MOVRREP", "VGPR")] * 3 + [("MBORREP", "VGPR")]


def test_plasmacytomas_must_shrink_too_and_a_value_without_a_unit_is_none() -> None:
    first = MyelomaVisit(serum=40, urine=0, plasmacytomas={"a": 400.0, "b": 400.0})
    sizes: list[tuple[dict[str, float | None], str]] = [
        ({"a": 200.0, "b": 200.0}, "PR"), ({"a": 300.0, "b": 300.0}, "SD"), ({"a": 600.0, "b": 600.0}, "PD"), ({"a": 200.0}, "NE"),
    ]  # fmt: skip
    for now, right in sizes:
        assert imwg(first, [MyelomaVisit(serum=10, urine=0, plasmacytomas=now)]) == [right]
    said: list[Said] = [*proteins(BASE, "40", "400"), ("M_SERUM", NOW, "", "4", ""), ("M_URINE", NOW, "", "0", "mg/d")]
    assert at(responses("MBOR", said), NOW) == "NE"


def weeks(text: str) -> list[tuple[date, str]]:
    """Return the days and values of a cell such as `8: 2, 16: 4`."""
    parts = [part.split(":") for part in text.split(",")]
    return [(START + timedelta(weeks=int(week)), value.strip()) for week, value in parts]


def split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")]


@pytest.mark.parametrize(("scans", "right"), rows("| week of scan: lesions new since baseline | by bone scan |"))
def test_bone_scans(scans: str, right: str) -> None:
    read = [Scan(day, 0 if word == "NED" else None if word == "NE" else int(word), word == "NED") for day, word in weeks(scans)]
    assert bone_responses(read, START) == split(right)


@pytest.mark.parametrize(("soft", "bone", "targets", "right"), rows("| soft tissue | bone | targets at baseline | overall |"))
def test_soft_tissue_and_bone(soft: str, bone: str, targets: str, right: str) -> None:
    known: dict[str, Bone] = {"PD": "PD", "PDu": "PDu", "NON-PD": "NON-PD", "NED": "NED", "NE": "NE"}
    assert combined(soft, known[bone], targets == "yes") == right


@pytest.mark.parametrize(("values", "right"), rows("| week of value: ng/mL | by PSA |"))
def test_psa(values: str, right: str) -> None:
    assert psa_responses(40, [Psa(day, float(value)) for day, value in weeks(values)], START) == split(right)


def test_bone_and_soft_tissue_are_one_response_of_a_study() -> None:
    said: list[Said] = [("TARGET//liver", BASE, "", "50", "mm"), ("BONE_NEW", BASE, "", "0", "")]
    for day, size, new in ((EARLIER, "20", "0"), (NOW, "20", "2"), (AGAIN, "20", "2")):
        said += [("TARGET//liver", day, "", size, "mm"), ("BONE_NEW", day, "", new, "")]
    found = responses("PBOR", said)
    assert found.filter(pl.col("PARAMCD") == "POVR").sort("ADT")["AVALC"].to_list() == ["PR", "PD", "PD"]
    assert found.filter(pl.col("PARAMCD") == "PBOR")["AVALC"].to_list() == ["PR"]


def test_without_soft_tissue_a_visit_says_what_bone_says() -> None:
    said: list[Said] = [
        ("BONE_NEW", BASE, "", "0", ""),
        ("NON_TARGET", EARLIER, "ABSENT", "", ""),
        ("BONE_NEW", EARLIER, "", "2", ""),
    ]
    found = responses("PBOR", said)
    assert found.select("PARAMCD", "AVALC").rows() == [("POVR", "PDu"), ("PBOR", "SD")]
    assert responses("PBOR", said[1:])["problem"].to_list() == ["no-baseline"] * 2


def test_psa_of_a_study() -> None:
    said: list[Said] = [("PSA", BASE, "", "40", "ng/mL"), ("PSA", EARLIER, "", "15", "ug/L"), ("PSA", NOW, "", "14", "ng/mL")]
    assert responses("PSABOR", said).filter(pl.col("PARAMCD") == "PSABOR")["AVALC"].to_list() == ["PR"]


@pytest.mark.parametrize(
    ("code", "visit", "said", "progressed"),
    [
        ("MBOR", "MOVR", [*proteins(BASE, "40", "400"), *proteins(NOW, "60", "400"), *proteins(AGAIN, "60", "400")], True),
        ("PBOR", "POVR", [("BONE_NEW", d, "", n, "") for d, n in ((BASE, "0"), (EARLIER, "0"), (NOW, "2"), (AGAIN, "2"))], True),
        ("PSABOR", "PSAOVR", [("PSA", d, "", n, "ng/mL") for d, n in ((BASE, "9"), (NOW, "40"), (AGAIN, "40"))], False),
    ],
)
def test_progression_ends_pfs_on_its_day_and_that_of_psa_alone_does_not(
    code: str, visit: str, said: list[Said], progressed: bool
) -> None:
    found = responses(code, said).filter(pl.col("PARAMCD") == visit)
    assert "PD" in found["AVALC"]
    survival = derive(response_events(found), index((1, "2021-01-11")), "PFS", Concepts.default(), Endpoints.default())
    assert survival["CNSR"].to_list() == [0 if progressed else 1]
    assert (survival["ADT"].to_list() == [date.fromisoformat(NOW)]) == progressed


def test_responses_of_myeloma_are_assessments_and_responses_unless_not_evaluable() -> None:
    made = events(*((1, "DERIVED//MOVR", EARLIER, word) for word in ("VGPR", "sCR", "MR", "NE")), (1, "LESION//PSA", NOW))
    concepts = Concepts.default()
    assert concepts.select(made, "response")["text_value"].to_list() == ["VGPR", "sCR"]
    assert concepts.select(made, "tumour_assessment")["text_value"].to_list() == ["VGPR", "sCR", "MR"]
