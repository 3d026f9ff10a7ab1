"""What a training parameter may be: told by the program that a cell runs, never known here."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from matrix.errors import expected_one_of

Level: TypeAlias = "str | int | float | bool | None"
"""A value that a factor can take. None stands for "the program's own default"."""


def as_word(level: Level) -> str:
    """A level as it is told to a program, and to people."""
    return str(level).lower() if isinstance(level, bool) else str(level)


@dataclass(frozen=True)
class Parameter:
    """One option of the training program."""

    name: str
    """As in the TOML file: ``n_steps``."""
    option: str
    """As on the command line: ``--n-steps``."""
    style: Literal["value", "switch", "on-off"] = "value"
    """``--x VALUE``, or ``--x`` when true, or ``--x`` when true and ``--no-x`` when false."""
    default: Level = None
    choices: tuple[str, ...] = ()
    """Empty if any value that ``parse`` takes is good."""
    parse: Callable[[str], Any] = str
    """Raises ``ValueError``, ``TypeError`` or ``argparse.ArgumentTypeError`` for what the program refuses."""

    def level(self, value: object) -> Level:
        """
        The canonical form of ``value``, so that ``2048`` and ``"2048"`` are the same level.

        :raises ValueError: the program would refuse it; the message says why and what would be right.
        """
        if self.style != "value":
            if isinstance(value, bool):
                return value
            raise ValueError(f"{value!r} is neither true nor false")
        if not isinstance(value, (str, int, float)):
            raise ValueError(f"{value!r} is no single value; {self._example()}")
        text = _word_for(value, self.choices) if isinstance(value, bool) else str(value)
        if self.choices and text not in self.choices:
            raise ValueError(f"{_as_toml(value)} is not a level of it; {expected_one_of(value, self.choices)}")
        try:
            parsed = self.parse(text)
        except argparse.ArgumentTypeError as error:
            raise ValueError(f"{_as_toml(value)} is refused: {error}; {self._example()}") from error
        except (TypeError, ValueError) as error:
            raise ValueError(f"{_as_toml(value)} is no {_kind(self.default)}; {self._example()}") from error
        return parsed if isinstance(parsed, (int, float)) and not isinstance(parsed, bool) else text

    def arguments(self, level: Level) -> tuple[str, ...]:
        """The words on the command line that give the parameter this level."""
        if level is None:
            return ()
        if self.style == "value":
            return (self.option, str(level))
        if level:
            return (self.option,)
        return (self.option.replace("--", "--no-", 1),) if self.style == "on-off" else ()

    def _example(self) -> str:
        return "see the program's --help" if self.default is None else f"its default is {self.default}"


def parameters_from(parser: argparse.ArgumentParser) -> dict[str, Parameter]:
    """
    Reads the options that a program declares, so that a sweep is checked before its first cell starts.

    :param parser: the program's own parser; positional arguments and ``--help`` are left out.
    """
    found = {}
    for action in parser._actions:
        options = [option for option in action.option_strings if option.startswith("--")]
        if not options or isinstance(action, (argparse._HelpAction, argparse._VersionAction)):
            continue
        found[action.dest] = _parameter(action, options[0])
    return found


def _parameter(action: argparse.Action, option: str) -> Parameter:
    if isinstance(action, argparse.BooleanOptionalAction):
        return Parameter(action.dest, option, "on-off", default=bool(action.default))
    if action.nargs == 0:
        return Parameter(action.dest, option, "switch", default=bool(action.default))
    choices = tuple(str(choice) for choice in action.choices or ())
    parse: Callable[[str], Any] = action.type if callable(action.type) else str
    bare = Parameter(action.dest, option, choices=choices, parse=parse)
    try:
        return replace(bare, default=None if action.default is None else bare.level(action.default))
    except ValueError:
        return bare  # a default that can't be written on a command line


def _word_for(value: bool, choices: tuple[str, ...]) -> str:
    """How an option with these choices says yes or no; TOML has a way of its own."""
    words = ("on", "true") if value else ("off", "false")
    return next((word for word in words if word in choices), _as_toml(value))


def _as_toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _kind(default: Level) -> str:
    return "number" if isinstance(default, (int, float)) else "value that the program understands"
