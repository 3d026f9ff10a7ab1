"""The known freezes, and how often they are told rightly."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from matrix.cases import libraries, running, scoring
from matrix.cases.question import Answer, Question
from matrix.environments.cache import UvEnvironments, default_cache
from matrix.environments.uv import Uv
from matrix.plan.parameters import parameters_from
from matrix.plan.plan_file import load_plan
from matrix.plan.presets import preset
from probes import stacks
from reports import (
    cases_text,
)
from reports.commands.interface import (
    EXIT_OK,
    Commands,
    UsageError,
    count,
)
from repro.cases import catalogue
from repro.options import parser as training_parser


def add(commands: Commands) -> None:
    """Adds the command to the command line."""
    parser = commands.add_parser(
        "cases",
        help="list the known freezes, or run them and count how often they are told rightly",
        description="Programs that freeze, crawl, crash or go wrong for a known reason, and their healthy twins. "
        "run puts each under the probes and compares what is said with the truth; a stopped call goes on.",
        epilog="examples:\n"
        "  freezelab cases\n"
        "  freezelab cases run c07 c12\n"
        "  freezelab cases run --vary 3 --jobs 2 --out runs/cases\n"
        "  freezelab cases run --vary 2 --libraries sb3-2.6\n"
        "  freezelab cases run --python ~/venvs/training/bin/python",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", nargs="?", choices=("list", "run"), default="list", help="(default: %(default)s)")
    parser.add_argument("names", nargs="*", metavar="NAME", help="cases, or families of them (default: all)")
    parser.add_argument(
        "--vary",
        type=count,
        default=0,
        metavar="N",
        help="also run N variations of each: other names, onsets, seeds, numbers of environments",
    )
    parser.add_argument("--jobs", type=count, default=1, metavar="N", help="N at once (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs/cases"), metavar="DIR", help="(default: %(default)s)")
    parser.add_argument("--fresh", action="store_true", help="forget what an earlier call left in the folder")
    parser.add_argument(
        "--python",
        metavar="PATH",
        help="the Python that runs the programs (default: FreezeLab's own, or one that is built if that can't train)",
    )
    parser.add_argument(
        "--libraries",
        action="append",
        default=[],
        metavar="SET",
        help="run variations with this library set of the shipped sweep; given several times, they take turns",
    )
    parser.set_defaults(run=_cases)


def _cases(options: argparse.Namespace) -> int:
    try:
        known = catalogue.load()
    except catalogue.CatalogueError as error:
        raise UsageError(str(error)) from error
    strange = sorted(set(options.names) - {name for case in known for name in (case.name, case.family)})
    if strange:
        raise UsageError(f"{strange[0]!r} is no case and no family of cases; freezelab cases lists them")
    cases = [case for case in known if not options.names or {case.name, case.family} & set(options.names)]
    if options.action == "list":
        print(cases_text.listing([(case.name, case.family, " ".join(case.verdicts), case.what) for case in cases]))
        return EXIT_OK
    stacks.check_permission()
    if options.libraries and not options.vary:
        raise UsageError("--libraries is for variations; add --vary 1 or more")
    questions = [question for case in cases for question in _questions(case, options.vary, options.libraries)]

    def show(question: Question, answer: Answer, again: bool) -> None:
        shown.append(question.name)
        earlier = "  (from an earlier call)" if again else ""
        place = f"{len(shown):4}/{len(questions)}"
        print(f"{place} {cases_text.line(question, answer)}{earlier}", file=sys.stderr)

    shown: list[str] = []
    pythons = _pythons(options.python, options.libraries)
    answers = running.ask_all(
        questions, options.out, pythons=pythons, jobs=options.jobs, fresh=options.fresh, on_answer=show
    )
    print(cases_text.summary(scoring.score(questions, answers)))
    return EXIT_OK


def _pythons(usual: str | None, sets: Sequence[str]) -> dict[str | None, str]:
    """The interpreter of each library set; None is the usual one."""
    cells = load_plan(preset(), parameters_from(training_parser())).cells
    known = list({cell.versions.name: cell.versions for cell in cells}.values())
    if usual is None and importlib.util.find_spec("stable_baselines3") is None:
        usual = known[-1].name
        sets = [usual, *sets]
    built = libraries.provide(
        dict.fromkeys(sets),
        known,
        UvEnvironments(Uv(), default_cache()),
        lambda versions: print(f"freezelab: environment {versions.name}", file=sys.stderr),
    )
    pythons: dict[str | None, str] = {None: built.get(usual or "", usual or sys.executable)}
    pythons.update(built.items())
    return pythons


def _questions(case: catalogue.Case, variations: int, sets: Sequence[str] = ()) -> Iterator[Question]:
    """The case, its twin, and variations of both."""
    for number in range(variations + 1):
        with_libraries = sets[(number - 1) % len(sets)] if number and sets else None
        suffix = (f"-{number}" if number else "") + (f"-{with_libraries}" if with_libraries else "")
        program, names = case.varied(case.program, number)
        yield Question(
            name=case.name + suffix,
            program=program,
            family=case.family,
            verdicts=case.verdicts,
            phases=case.phases,
            culprits=tuple(names.get(name, name) for name in case.culprits),
            causes=case.causes,
            limit_s=case.limit_s,
            env=case.limits.get("env", {}),
            libraries=with_libraries,
        )
        if case.heal:
            yield Question(
                name=f"{case.name}-twin{suffix}",
                program=case.varied(case.twin(), number)[0],
                family=case.family,
                verdicts=("healthy",),
                limit_s=case.limit_s,
                env=case.limits.get("env", {}),
                libraries=with_libraries,
            )
