"""
Every command with its arguments, as its ``--help`` says it.

Set as tables from what the parser holds: the layout of argparse's own text differs between versions of Python.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

from matrix.plan.libraries import OUR_PYTHON
from reports import markdown as md
from reports.commands import add_to

_PROGRAM = "freezelab"
_DEFAULT_PYTHON = re.compile(rf"(\(default: [^)]*?){re.escape(OUR_PYTHON)}(\))")


def page() -> Iterator[str]:
    """The page."""
    parser = argparse.ArgumentParser(prog=_PROGRAM)
    commands = parser.add_subparsers()
    add_to(commands, "")
    yield "# The command line"
    yield (
        "Exit codes of all commands, where a command says nothing else: 0 healthy or done, 2 bad usage or input, "
        "3 a freeze, crash or error was diagnosed, 4 could not observe, 130 Ctrl-C."
    )
    for name, (command, summary) in _commands(commands).items():
        yield from _described(f"{_PROGRAM} {name}", command, summary)


def _described(name: str, parser: argparse.ArgumentParser, summary: str) -> Iterator[str]:
    yield f"## {name}"
    yield md.text(summary[:1].upper() + summary[1:]) + "."
    if parser.description:
        yield from map(md.text, parser.description.split("\n\n"))
    nested = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    own = [action for action in parser._actions if action not in nested and action.help != argparse.SUPPRESS]
    rows = [(_spelt(action), _meaning(parser, action)) for action in own if action.dest != "help"]
    if rows:
        yield md.table(("argument", "meaning"), rows)
    if parser.epilog:
        yield md.block(parser.epilog)
    for action in nested:
        for kind, (command, says) in _commands(action).items():
            yield from _described(f"{name} {kind}", command, says)


def _commands(
    action: argparse._SubParsersAction[argparse.ArgumentParser],
) -> dict[str, tuple[argparse.ArgumentParser, str]]:
    summaries = {choice.dest: choice.help or "" for choice in action._choices_actions}
    return {name: (parser, summaries.get(name, "")) for name, parser in action.choices.items()}


def _spelt(action: argparse.Action) -> str:
    if action.option_strings:
        value = "" if action.nargs == 0 else f" {_value(action)}"
        if action.nargs == "?":
            value = f"[={_value(action)}]"
        return ", ".join(md.code(f"{option}{value}") for option in action.option_strings)
    return md.code(_value(action))


def _value(action: argparse.Action) -> str:
    if isinstance(action.metavar, str):
        return action.metavar
    if action.choices is not None:
        return "{" + ",".join(map(str, action.choices)) + "}"
    return action.dest.upper()


def _meaning(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    if not action.help:
        return "—"
    text = action.help % {**vars(action), "prog": parser.prog}
    # The version of Python in use would be another on another machine.
    return md.text(_DEFAULT_PYTHON.sub(r"\1FreezeLab's own\2", text))
