"""The French page: every word of the pipeline's own that a page can show has its French."""

from __future__ import annotations

import html
from importlib.resources import files

import pytest
from ruamel.yaml import YAML

from unibase.flows.stages.release_words import SUBJECTS
from unibase.releases.report.french import CHARACTERISTICS, CHECKS, ENDPOINTS, french
from unibase.releases.report.page import _told


def _read(name: str) -> dict[str, dict[str, dict[str, str]]]:
    text = files("unibase.clinical.derived").joinpath(name).read_text(encoding="utf-8")
    return dict(YAML(typ="safe").load(text))


def test_every_check_of_quality_has_its_french() -> None:
    known = {part for check in _read("quality.yaml")["checks"] for part in check.split("/")}
    assert known == set(CHECKS)


def test_every_endpoint_has_its_french() -> None:
    assert {one["text"] for one in _read("endpoints.yaml")["endpoint"].values()} == set(ENDPOINTS)


def test_every_characteristic_has_its_french() -> None:
    described = {label for column, label, *_ in SUBJECTS if column in ("SEX", "AGE", "T", "N", "M", "STAGE", "CHARLSON")}
    assert described == set(CHARACTERISTICS)


SAID = (
    # English, French
    ("completeness", "complétude"),
    ("value range", "bornes des valeurs"),
    ("no index", "sans index"),
    ("not imaging", "hors imagerie"),
    ("too old, or age unknown", "trop âgés, ou d'âge inconnu"),
    ("Overall Survival", "Survie globale"),
    ("no treatment start", "sans début de traitement"),
    ("no word of ours", "no word of ours"),
    ("a concept of the study", "a concept of the study"),
)


@pytest.mark.parametrize(("english", "said"), SAID)
def test_what_is_said(english: str, said: str) -> None:
    assert french(english) == said
    shown = html.unescape(str(_told(english)))
    assert english in shown and said in shown and shown.count("span") == (0 if english == said else 4)
