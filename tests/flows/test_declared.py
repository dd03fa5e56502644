"""Options that a room declares once: the study file, the command line and both manuals take them from there."""

from __future__ import annotations

import inspect

import pytest

from unibase.flows.cli.declared import option_word, options_of, takes_options
from unibase.flows.cli.everything import app
from unibase.groundwork.problems import UserError
from unibase.groundwork.sections import meanings
from unibase.imaging.options import Choices, Features


def test_every_choice_is_an_option_of_the_command_with_its_text() -> None:
    arguments = {one.names[0]: one for one in app["features"].assemble_argument_collection(parse_docstring=True)}
    for name, text in meanings(Choices).items():
        if name not in ("pictures", "diagnostics"):  # The command asks for the folder of the pictures, and and the table.
            several = name in ("shells", "volumes", "dose_metrics")
            argument = arguments[f"--{option_word(name, several)}"]
            assert (argument.parameter.help, inspect.cleandoc(text)) == (text, text)
            expected = None if several else "each" if name == "several" else Choices.model_fields[name].default
            assert argument.field_info.default == expected


def test_a_study_and_a_command_choose_the_same() -> None:
    study = Features(settings="p.yaml", regions={"GTV": ["gtv"]}, shells=((0, 5),), volumes="all", habitats=2)
    command = options_of(Choices, {"shells": ["0-5"], "volumes": ["all"], "habitats": 2, "several": "refuse", "threshold": None})
    assert study.choices == command


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"shells": ["5-2"]}, "--shell: A shell is (inner, outer) in mm"),
        ({"shells": ["5"]}, "--shell: '5' is no shell. Give FROM-TO in mm"),
        ({"volumes": ["b("]}, "--volume: volumes: 'b(' is no regular expression"),
        ({"habitats": 1}, "--habitats: habitats must be 0"),
        ({"mode": "ibsi", "engine": "pyradiomics"}, "PyRadiomics does not compute IBSI's definitions"),
    ],
)
def test_a_wrong_option_is_named_as_it_was_given(given: dict[str, object], said: str) -> None:
    with pytest.raises(UserError) as caught:
        options_of(Choices, given)
    assert str(caught.value).startswith(said)


def test_a_command_keeps_an_option_of_its_own() -> None:
    @takes_options(Choices)
    def measure(*, pictures: str = "", **chosen: object) -> None:
        """Measure."""

    assert inspect.signature(measure).parameters["pictures"].default == ""


def test_what_holds_for_a_command_holds_where_nothing_is_given() -> None:
    @takes_options(Choices, several="each")
    def measure(**chosen: object) -> str:
        """Measure."""
        return options_of(Choices, chosen).several

    assert measure() == "each"
    assert measure(several="refuse") == "refuse"
    assert Choices().several == "refuse"
