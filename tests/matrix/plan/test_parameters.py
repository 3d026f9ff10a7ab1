from __future__ import annotations

import argparse
from collections.abc import Mapping

import pytest

from matrix.plan.parameters import Parameter


def test_every_option_of_a_parser_becomes_a_parameter(
    parser: argparse.ArgumentParser, parameters: Mapping[str, Parameter]
) -> None:
    assert set(parameters) == set(vars(parser.parse_args([])))
    assert parameters["n_steps"].option == "--n-steps"
    assert parameters["env"].choices == ("dummy", "original", "v3")


def test_the_default_level_said_aloud_changes_nothing(
    parser: argparse.ArgumentParser, parameters: Mapping[str, Parameter]
) -> None:
    words = [word for parameter in parameters.values() for word in parameter.arguments(parameter.default)]
    assert parser.parse_args(words) == parser.parse_args([])


@pytest.mark.parametrize(
    ("name", "level", "words"),
    [
        ("n_steps", 64, ("--n-steps", "64")),
        ("gamma", 0.5, ("--gamma", "0.5")),
        ("clear_gpu_memory", True, ("--clear-gpu-memory",)),
        ("clear_gpu_memory", False, ()),
        ("bars", True, ("--bars",)),
        ("bars", False, ("--no-bars",)),
        ("base_model", None, ()),
    ],
)
def test_a_level_is_told_as_the_program_wants_it(
    parameters: Mapping[str, Parameter], name: str, level: bool | float | None, words: tuple[str, ...]
) -> None:
    assert parameters[name].arguments(level) == words


def test_the_same_number_written_differently_is_the_same_level(parameters: Mapping[str, Parameter]) -> None:
    assert parameters["n_steps"].level("64") == parameters["n_steps"].level(64) == 64
    assert parameters["gamma"].level("5e-1") == parameters["gamma"].level(0.5) == 0.5


def test_yes_and_no_may_be_written_as_toml_does(parameters: Mapping[str, Parameter]) -> None:
    assert parameters["adapter"].level(True) == parameters["adapter"].level("on") == "on"
    assert parameters["adapter"].level(False) == "off"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("env", "v4", "did you mean 'v3'?"),
        ("n_steps", -1, "must be at least 1; its default is 2048"),
        ("n_steps", "many", "no number; its default is 2048"),
        ("n_steps", 2.5, "no number"),
        ("gamma", [0.5], "no single value"),
        ("gamma", True, "true is no number"),
        ("clear_gpu_memory", 1, "neither true nor false"),
    ],
)
def test_what_the_program_would_refuse_is_refused_with_the_way_out(
    parameters: Mapping[str, Parameter], name: str, value: object, says: str
) -> None:
    with pytest.raises(ValueError, match=r".*") as caught:
        parameters[name].level(value)
    assert says in str(caught.value)
