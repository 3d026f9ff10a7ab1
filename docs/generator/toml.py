"""The keys of a sweep's file."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from docs.generator.fields import documented
from matrix.designs import DESIGN_NAMES
from matrix.plan.claims import TESTS
from matrix.plan.parameters import parameters_from
from matrix.plan.plan import STOP_ON_FREEZE, TIMINGS, RunSettings
from matrix.plan.plan_file import KEYS
from matrix.plan.presets import DEFAULT
from reports import markdown as md
from repro.options import parser

_HERE = Path(__file__).parents[2]
_TABLES = {
    "name": "heads the report; without it, the file's name",
    "factors": "what is varied: each with its levels, ordinary one first; `[factors.packages]`, `[factors.environ]`",
    "versions": "library sets, a table each",
    "training": "what is the same in every cell; `[training.environ]`, and a script of your own as `command`",
    "constraints": "what every cell fulfils: a list of texts, or `[[constraints]]` with `only` and `why`",
    "weights": "factor to level to how many times as often its cells are run",
    "costs": "factor to level to the seconds that it adds; or a number for each level but the ordinary one",
    "extra": "single cells beside the design, each an `[[extra]]` with `why` and the levels that differ",
    "run": "design, repeats, limits: see below",
    "claims": "what somebody says about the freeze, each a `[[claims]]` with `says` and `test`: " + ", ".join(TESTS),
}


def page() -> Iterator[str]:
    """The page."""
    yield "# The sweep's file"
    yield (
        "`freezelab matrix mine.toml --dry-run` checks a file: a key that is unknown, a level that can't be and a "
        "claim that can't be tested are told with their place and the way out."
    )
    yield "## Top-level keys"
    yield md.table(("key", "holds"), [(md.code(key), _TABLES[key]) for key in KEYS])
    yield "## run"
    yield (
        f"`design` is one of {_words(DESIGN_NAMES)}; `stop_on_freeze` one of {_words(tuple(STOP_ON_FREEZE))}; `timing` "
        f"one of {_words(TIMINGS)}. `max_trials` and `budget_s` are for the adaptive design, `strength` is for the "
        "covering one."
    )
    says = documented(RunSettings)
    yield md.table(
        ("key", "default", "meaning"),
        [
            (md.code(field.name), _default(field.default), _PLAIN.get(field.name) or md.text(says[field.name]))
            for field in dataclasses.fields(RunSettings)
        ],
    )
    yield "## Factors of FreezeLab's own training program"
    yield (
        "Without a `command` of your own, each option of the training program can be a factor, or have one value in "
        "`[training]`. Beside them: `versions`, `python`, `threads`, `remedy`, `[factors.packages]`, "
        "`[factors.environ]`."
    )
    rows = [
        (md.code(name), md.text(one.default) if one.default is not None else "—", _help(name))
        for name, one in sorted(parameters_from(parser()).items())
    ]
    yield md.table(("factor", "ordinary level", "meaning"), rows)
    yield "## The default sweep, with every key explained"
    yield md.block((_HERE / DEFAULT).read_text(encoding="utf-8"), "toml")


_PLAIN = {
    "repeats": "How often each cell is run with each seed.",
    "seeds": "Each cell is run with each of them.",
    "jobs": "At most so many cells at once; without it, as many as the cores allow.",
    "limit_s": "A cell that takes longer, in seconds, is ended and diagnosed as it stood.",
    "threads_per_cell": "Torch threads, and cores, of each cell, unless `threads` is a factor.",
    "design": "Which combinations of levels are tried.",
    "expected_s": "How long an ordinary cell takes, as far as you know, in seconds.",
    "stop_on_freeze": "`standing` ends a cell that neither moves again nor ends by itself; `any` every one whose "
    "freeze is sure; `never` none.",
    "timing": "`own-cores`: cells side by side, none on another's cores; `alone`: one at a time; `shared`: as many as "
    "`jobs` says, cores shared.",
}
"""Fields of which the code says nothing, or speaks of itself."""


def _words(names: tuple[str, ...]) -> str:
    return ", ".join(md.code(name) for name in names)


def _default(value: object) -> str:
    if value is None:
        return "—"
    if isinstance(value, bool):
        return md.code(str(value).lower())
    if isinstance(value, tuple):
        return md.code(list(value))
    return md.code(f"{value:g}" if isinstance(value, float) else value)


def _help(name: str) -> str:
    """What the program's own ``--help`` says of an option."""
    action = next(one for one in parser()._actions if one.dest == name)
    return md.text((action.help or "") % vars(action))
