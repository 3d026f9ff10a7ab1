"""
How small the designs are, how long they take to draw up, and how soon an adaptive one finds what it seeks.

The last by simulation: eight factors of two levels, a cause planted at random or none, and in each repeat another
random number for every run. "Found" is a conclusion, at 95 %, that names just the cause; "likeliest" also counts
runs that end without one, by their most probable explanation. Seeds are this bench's own: nothing is tuned to them.

    python -m tests.bench.designs --repeats 500
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from matrix.designs import Assignment, make_design
from matrix.designs.adaptive import Adaptive
from matrix.designs.explanations import Condition
from matrix.plan.parameters import Level

_BUDGET = 36
"""Trials after which the adaptive design is judged."""
_PATIENCE = 200
"""Trials after which a simulated run gives up."""
_SWITCHES: dict[str, list[Level]] = {f"f{at}": ["off", "on"] for at in range(8)}
_SIZES = {
    "7 factors of 4-6 levels": ([6, 6, 5, 5, 5, 4, 4], 2),
    "7 factors of 4-6 levels, more of 6": ([6, 6, 6, 6, 5, 5, 4], 2),
    "7 factors of 6 levels": ([6] * 7, 2),
    "8 factors of 2 levels": ([2] * 8, 2),
    "8 factors of 2 levels, triples": ([2] * 8, 3),
    "6 factors of 4 levels, triples": ([4] * 6, 3),
    "20 factors of 5 levels": ([5] * 20, 2),
}


@dataclass(frozen=True)
class _Ending:
    """Of one simulated run."""

    trials: int
    """Until the conclusion, or the patience's end."""
    concluded: bool
    right: bool
    likeliest_right: bool
    """Whether the most probable explanation was right after the budget, or at the conclusion if that came first."""


def main() -> None:
    """Prints all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=500, help="simulated runs of each kind")
    repeats = parser.parse_args().repeats
    print(f"{'covering arrays':44}{'cells':>8}{'seconds':>9}")
    for name, (sizes, strength) in _SIZES.items():
        began = time.perf_counter()
        cells = len(list(make_design("covering", strength).assignments(_factors(sizes))))
        print(f"{name:44}{cells:8}{time.perf_counter() - began:9.2f}")
    began = time.perf_counter()
    cells = sum(1 for _ in make_design("full").assignments(_factors([10] * 5)))
    print(f"{'full: 5 factors of 10 levels':44}{cells:8}{time.perf_counter() - began:9.2f}")

    print(f"\nadaptive: {repeats} repeats, 8 factors of 2 levels, judged after {_BUDGET} trials")
    heads = ("found", "wrong", "likeliest", "median", "97 %", "right")
    print(f"{'':44}{''.join(f'{head:>10}' for head in heads)}")
    for name, levels, rate, base in (
        ("2 levels together, freeze probability 0.5", 2, 0.5, 0.0),
        ("2 levels together, freeze probability 1", 2, 1.0, 0.0),
        ("1 level, freeze probability 0.5", 1, 0.5, 0.0),
        ("2 levels together, 0.6 against 0.05", 2, 0.6, 0.05),
        ("no cause, nothing freezes", 0, 0.0, 0.0),
        ("no cause, 1 of 10 freezes", 0, 0.1, 0.1),
        ("no cause, 1 of 2 freezes", 0, 0.5, 0.5),
        ("no cause, everything freezes", 0, 1.0, 1.0),
    ):
        _print(name, [_simulated(levels, rate, base, [levels, repeat]) for repeat in range(repeats)])
    print(
        f"found, wrong: share with a right or a wrong conclusion after {_BUDGET} trials; likeliest: with the most\n"
        "probable explanation right by then; median, 97 %: trials to the conclusion; right: of all conclusions"
    )
    _print_speed()


def _print(name: str, endings: Sequence[_Ending]) -> None:
    early = [ending for ending in endings if ending.concluded and ending.trials <= _BUDGET]
    concluded = [ending for ending in endings if ending.concluded]
    trials = sorted(ending.trials for ending in endings)
    shares = (
        sum(ending.right for ending in early) / len(endings),
        sum(not ending.right for ending in early) / len(endings),
        sum(ending.likeliest_right for ending in endings) / len(endings),
    )
    right = sum(ending.right for ending in concluded) / max(1, len(concluded))
    print(
        f"{name:44}{''.join(f'{share:10.1%}' for share in shares)}"
        f"{statistics.median(trials):10.0f}{trials[int(0.97 * (len(trials) - 1))]:10}{right:10.1%}"
    )


def _print_speed() -> None:
    factors = _factors([4] * 6)
    candidates = list(itertools.islice(make_design("full").assignments(factors), None, None, 2))[:2000]
    began = time.perf_counter()
    adaptive = Adaptive(factors, candidates)
    ready = time.perf_counter()
    asked = 0
    while asked < 60 and (candidate := adaptive.ask()) is not None:
        adaptive.tell(candidate, asked % 7 == 0)
        asked += 1
    each_s = (time.perf_counter() - ready) / max(1, asked)
    print(f"\n6 factors of 4 levels, 2,000 candidates: {ready - began:.2f} s to begin, {each_s * 1000:.1f} ms a trial")


def _simulated(levels: int, rate: float, base: float, seed: Sequence[int]) -> _Ending:
    random = np.random.default_rng([20_261_125, *seed])
    chosen = sorted(random.choice(len(_SWITCHES), levels, replace=False))
    cause: Condition = tuple((f"f{at}", "on" if random.random() < 0.5 else "off") for at in chosen)
    candidates = list(make_design("full").assignments(_SWITCHES))
    freeze = _freezing(cause, rate, base)
    adaptive = Adaptive(_SWITCHES, candidates, seed=int(random.integers(1_000_000)))
    likeliest_right: bool | None = None
    trials = 0
    while trials < _PATIENCE and (candidate := adaptive.ask()) is not None:
        adaptive.tell(candidate, bool(random.random() < freeze(candidates[candidate])))
        trials += 1
        if trials == _BUDGET:
            likeliest_right = adaptive.posterior()[0][0].conditions == cause
    conclusion = adaptive.conclusion
    right = conclusion is not None and conclusion.conditions == cause
    return _Ending(trials, conclusion is not None, right, right if likeliest_right is None else likeliest_right)


def _freezing(cause: Condition, rate: float, base: float) -> Callable[[Assignment], float]:
    return lambda assignment: rate if all(assignment[name] == level for name, level in cause) else base


def _factors(sizes: Sequence[int]) -> dict[str, list[Level]]:
    return {f"f{at}": list(range(size)) for at, size in enumerate(sizes)}


if __name__ == "__main__":
    main()
