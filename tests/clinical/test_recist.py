"""RECIST 1.1 and iRECIST truth tables, typed in from the papers.

Oracle: Eisenhauer et al. 2009, Tables 1 and 2 and section 4.3.1; Schwartz et al. 2016 for lesions that come back after a
complete response; Seymour et al. 2017, Table 2.
"""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unibase.clinical.derived.recist import Lesion, NonTarget, Visit, irecist, overall_response, recist
from unibase.clinical.derived.response import VALUES, best_response
from unibase.clinical.derived.response_rules import Rules
from unibase.groundwork.problems import Unusable

TABLE_1 = [
    ("CR", "CR", False, "CR"),
    ("CR", "NON-CR/NON-PD", False, "PR"),
    ("CR", "NE", False, "PR"),
    ("CR", "NA", False, "CR"),
    ("PR", "CR", False, "PR"),
    ("PR", "NON-CR/NON-PD", False, "PR"),
    ("PR", "NE", False, "PR"),
    ("PR", "NA", False, "PR"),
    ("SD", "CR", False, "SD"),
    ("SD", "NON-CR/NON-PD", False, "SD"),
    ("SD", "NE", False, "SD"),
    ("SD", "NA", False, "SD"),
    ("NE", "CR", False, "NE"),
    ("NE", "NON-CR/NON-PD", False, "NE"),
    ("NE", "NE", False, "NE"),
    ("NE", "NA", False, "NE"),
]
TABLE_2 = [
    ("NA", "CR", False, "CR"),
    ("NA", "NON-CR/NON-PD", False, "NON-CR/NON-PD"),
    ("NA", "NE", False, "NE"),
    ("NA", "PD", False, "PD"),
    ("NA", "NA", False, "ND"),
]


@pytest.mark.parametrize(("target", "non_target", "new", "expected"), TABLE_1 + TABLE_2)
def test_tables_without_progression(target: str, non_target: NonTarget, new: bool, expected: str) -> None:
    assert overall_response(target, non_target, new) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("target", ["CR", "PR", "SD", "PD", "NE", "NA"])
@pytest.mark.parametrize("non_target", ["CR", "NON-CR/NON-PD", "PD", "NE", "NA"])
@pytest.mark.parametrize("new", [False, True])
def test_any_progression_is_progression(target: str, non_target: NonTarget, new: bool) -> None:
    # "PD any any; any PD any; any any Yes": all of Table 1's last rows, a new lesion beside CR among them.
    progression = target == "PD" or non_target == "PD" or new
    assert (overall_response(target, non_target, new) == "PD") == progression  # type: ignore[arg-type]


def course(start: float, *sizes: float | None, node: bool = False) -> list[str]:
    lesions = [Lesion("T1", start, node)]
    return [response.target for response in recist(lesions, [Visit({"T1": size}) for size in sizes])]


@pytest.mark.parametrize(
    ("start", "sizes", "expected"),
    [
        (100, [70], ["PR"]),  # exactly 30 % less
        (100, [70.1], ["SD"]),
        (100, [120], ["PD"]),  # exactly 20 % and 20 mm more
        (100, [119.9], ["SD"]),
        (20, [24], ["SD"]),  # 20 % more but only 4 mm
        (20, [24.9], ["SD"]),
        (20, [25], ["PD"]),
        (25, [30], ["PD"]),  # exactly 20 % and exactly 5 mm
        (50, [40, 47.9], ["SD", "SD"]),  # against the nadir of 40, not the baseline
        (50, [40, 48], ["SD", "PD"]),
        (100, [60, 71], ["PR", "SD"]),  # 18 % above the nadir: no longer PR, not yet PD
        (100, [0, 3], ["CR", "PD"]),  # nadir zero: what comes back is progression, however small
        (100, [0, 0], ["CR", "CR"]),
        (100, [None, 60], ["NE", "PR"]),  # a missed assessment does not move the nadir
        (10.3, [12.36], ["SD"]),
        (41, [49.2], ["PD"]),  # exactly 20 %, whose product is a hair above it in binary
        (100, [0, 0.001], ["CR", "PD"]),
        (0.1 * 3 * 100, [36.0], ["PD"]),  # 30.000000000000004: binary dust does not decide
    ],
)
def test_target_lesion(start: float, sizes: list[float | None], expected: list[str]) -> None:
    assert course(start, *sizes) == expected


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([9.9], ["CR"]),  # a normal node is gone, though its size is not zero
        ([10], ["PR"]),  # 10 to 14 mm: smaller, not gone
        ([14], ["PR"]),
        ([14.1], ["SD"]),
        ([9, 9.5], ["CR", "CR"]),
        ([5, 9.9], ["CR", "CR"]),  # normal nodes wax and wane: +98 % but under 5 mm, and normal
        ([9, 12], ["CR", "PD"]),  # pathological again after CR
        ([4, 10], ["CR", "PD"]),
    ],
)
def test_target_node(sizes: list[float | None], expected: list[str]) -> None:
    assert course(20, *sizes, node=True) == expected


def test_two_normal_nodes_that_wax_and_wane_are_still_gone() -> None:
    nodes = [Lesion("A", 20, node=True), Lesion("B", 18, node=True)]
    found = recist(nodes, [Visit({"A": 5, "B": 5}), Visit({"A": 9.9, "B": 9.9}), Visit({"A": 9.9, "B": 11})])
    assert [response.target for response in found] == ["CR", "CR", "PD"]


def test_nodes_of_10_to_14_mm_are_no_targets() -> None:
    for size in (10.0, 14.9):
        with pytest.raises(Unusable, match="unmeasurable-target"):
            recist([Lesion("N", size, node=True)], [])
    recist([Lesion("N", 15.0, node=True)], [])
    with pytest.raises(Unusable, match="unmeasurable-target"):
        recist([Lesion("T", 9.9)], [])
    with pytest.raises(Unusable, match="too-many-targets"):
        recist([Lesion(f"T{k}", 20) for k in range(6)], [])


def test_missed_assessments() -> None:
    lesions = [Lesion("A", 30), Lesion("B", 20)]
    # One lesion missed: not evaluable, unless what was seen alone is progression.
    assert [r.overall for r in recist(lesions, [Visit({"A": 20}), Visit({"A": 70}), Visit({})])] == ["NE", "PD", "NE"]
    # A new lesion counts whatever was missed.
    assert recist(lesions, [Visit({"A": 10}, new_lesion=True)])[0].overall == "PD"
    # A lesion that is absent from the record was not assessed; one that disappeared has size 0.
    assert recist(lesions, [Visit({"A": 0, "B": 0})])[0].overall == "CR"


def test_new_lesion_with_complete_response_is_progression() -> None:
    response = recist([Lesion("A", 30)], [Visit({"A": 0}, "CR", new_lesion=True)])[0]
    assert (response.target, response.overall) == ("CR", "PD")


@given(
    st.lists(st.floats(10, 200), min_size=1, max_size=5), st.lists(st.floats(0, 300), min_size=1, max_size=6), st.floats(1.01, 3)
)
def test_scaling_never_turns_response_into_progression(sizes: list[float], factors: list[float], scale: float) -> None:
    lesions = [Lesion(str(k), size) for k, size in enumerate(sizes)]
    visits = [Visit({str(k): size * factor / 100 for k, size in enumerate(sizes)}) for factor in factors]
    found = recist(lesions, visits)
    for response, factor in zip(found, factors, strict=True):
        if factor <= 69.99:
            assert response.target in {"CR", "PR", "PD"}
        if response.target == "PD":
            lowest = min([sum(sizes)] + [r.total for r in found[: found.index(response)] if r.total is not None])
            assert response.total is not None
            assert response.total > lowest
    # Larger lesions in proportion: relative rules hold still, and the 5 mm rule can only let more through.
    larger = recist(
        [Lesion(one.name, one.diameter * scale) for one in lesions],
        [Visit({name: (size or 0) * scale for name, size in visit.targets.items()}) for visit in visits],
    )
    for small, big in zip(found, larger, strict=True):
        if small.target == "PD":
            assert big.target == "PD"
        if small.target == "CR":
            assert big.target == "CR"


def one(size: float | None, **more: object) -> Visit:
    return Visit({"A": size}, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("visits", "expected"),
    [
        # iUPD, then 5 mm more: confirmed. Less than 5 mm more: it waits.
        ([one(130), one(135)], ["iUPD", "iCPD"]),
        ([one(130), one(134)], ["iUPD", "iUPD"]),
        ([one(130), one(134), one(139)], ["iUPD", "iUPD", "iCPD"]),
        # Taken back: response by the baseline, and the bar is reset.
        ([one(130), one(60)], ["iUPD", "iPR"]),
        ([one(130), one(100)], ["iUPD", "iSD"]),
        ([one(130), one(0)], ["iUPD", "iCR"]),
        ([one(130), one(60), one(75), one(81)], ["iUPD", "iPR", "iUPD", "iCPD"]),
        # A progression of another kind confirms.
        ([one(130), one(130, new_lesion=True, new_lesion_count=1)], ["iUPD", "iCPD"]),
        ([one(100, new_lesion=True, new_lesion_count=1), one(130, new_lesion=True, new_lesion_count=1)], ["iUPD", "iCPD"]),
        # New lesions: more of them, larger ones, or as they were.
        ([one(100, new_lesion=True, new_lesion_count=1), one(100, new_lesion=True, new_lesion_count=2)], ["iUPD", "iCPD"]),
        (
            [
                one(100, new_lesion=True, new_lesion_count=1, new_lesion_sum=12),
                one(100, new_lesion=True, new_lesion_count=1, new_lesion_sum=17),
            ],
            ["iUPD", "iCPD"],
        ),
        (
            [
                one(100, new_lesion=True, new_lesion_count=1, new_lesion_sum=12),
                one(60, new_lesion=True, new_lesion_count=1, new_lesion_sum=16),
            ],
            ["iUPD", "iUPD"],
        ),
        ([one(100, new_lesion=True, new_lesion_count=1), one(60)], ["iUPD", "iPR"]),
        # Non-target lesions: growth confirms though it is not unequivocal again.
        ([one(100, non_target="PD"), one(100, non_target="PD", non_target_worse=True)], ["iUPD", "iCPD"]),
        ([one(100, non_target="PD"), one(100, non_target="PD")], ["iUPD", "iUPD"]),
        ([one(100, non_target="PD"), one(100, non_target="NON-CR/NON-PD")], ["iUPD", "iSD"]),
        # A new lesion and no size: what confirms is counted from the last iUPD at which sizes were known.
        ([one(130), one(None, new_lesion=True, new_lesion_count=1)], ["iUPD", "iCPD"]),
        ([one(100, non_target="PD"), one(None, non_target="PD"), one(120)], ["iUPD", "iUPD", "iCPD"]),
        # A missed visit neither confirms nor takes back.
        ([one(130), one(None), one(135)], ["iUPD", "NE", "iCPD"]),
        # Once confirmed, it stays.
        ([one(130), one(140), one(50)], ["iUPD", "iCPD", "iCPD"]),
        ([one(60), one(75)], ["iPR", "iUPD"]),
    ],
)
def test_irecist(visits: list[Visit], expected: list[str]) -> None:
    assert irecist([Lesion("A", 100)], visits) == expected


@given(st.lists(st.floats(0, 250) | st.none(), min_size=1, max_size=8))
def test_irecist_and_recist_agree_until_the_first_progression(sizes: list[float | None]) -> None:
    lesions, visits = [Lesion("A", 100)], [one(size) for size in sizes]
    plain, immune = [r.overall for r in recist(lesions, visits)], irecist(lesions, visits)
    for ordinary, other in zip(plain, immune, strict=True):
        assert other == {"CR": "iCR", "PR": "iPR", "SD": "iSD", "PD": "iUPD", "NE": "NE"}[ordinary]
        if ordinary == "PD":
            break
    # Confirmation needs an unconfirmed progression before it.
    if "iCPD" in immune:
        assert "iUPD" in immune[: immune.index("iCPD")]


DAY = date(2020, 1, 1)


def best(*course: tuple[int, str], **rules: object) -> str:
    return best_response([(DAY + timedelta(days=day), value) for day, value in course], DAY, Rules(**rules)).value  # type: ignore[arg-type]


# The courses of the worked example in admiralonco's documentation (window 28 days, one NE); what they come to is by the
# rules stated there, worked out by hand.
EXAMPLE = {
    "PR, CR, NE, CR, SD": ([(0, "PR"), (31, "CR"), (46, "NE"), (60, "CR"), (91, "SD")], "CR"),
    "SD, PR, SD, CR": ([(0, "SD"), (31, "PR"), (60, "SD"), (72, "CR")], "SD"),
    "CR twice within 28 days, SD": ([(1, "CR"), (21, "CR"), (51, "SD")], "SD"),
    "PR, SD, SD, PR": ([(0, "PR"), (60, "SD"), (91, "SD"), (121, "PR")], "SD"),
    "PR, CR, PR, PD, CR, CR": ([(4, "PR"), (14, "CR"), (57, "PR"), (70, "PD"), (89, "CR"), (120, "CR")], "SD"),
    "PR, CR, NE": ([(4, "PR"), (14, "CR"), (59, "NE")], "NE"),
    "CR, NE, NE, CR": ([(15, "CR"), (31, "NE"), (46, "NE"), (61, "CR")], "SD"),
    "nothing": ([], "MISSING"),
}


@pytest.mark.parametrize("name", EXAMPLE)
def test_confirmed_best_response_examples(name: str) -> None:
    course, expected = EXAMPLE[name]
    assert best(*course, stable_days=28, confirm_days=28) == expected


def test_choices_of_a_protocol() -> None:
    two_gaps = EXAMPLE["CR, NE, NE, CR"][0]
    assert best(*two_gaps, stable_days=28, confirm_days=28, max_not_evaluable=2) == "CR"
    with_sd = EXAMPLE["SD, PR, SD, CR"][0]
    assert best(*with_sd, stable_days=28, confirm_days=28, accept_stable=True) == "PR"
    assert best(missing_as_not_evaluable=True) == "NE"
    assert best((41, "SD")) == "NE"
    assert best((42, "SD")) == "SD"
    assert best((10, "CR")) == "CR"
    assert best((10, "PD"), (60, "CR")) == "PD"
    assert best((10, "SD"), (10, "PD")) == "PD"  # the worst of one day
    assert best((-1, "CR"), (50, "SD")) == "SD"  # before the reference
    with pytest.raises(Unusable, match="unknown-response"):
        best((10, "BETTER"))


@given(st.lists(st.tuples(st.integers(0, 400), st.sampled_from(["CR", "PR", "SD", "PD", "NE"])), max_size=8))
def test_confirmation_never_betters_a_response(course: list[tuple[int, str]]) -> None:
    free, confirmed = best(*course), best(*course, confirm_days=28)
    assert VALUES.index(free) <= VALUES.index(confirmed)
