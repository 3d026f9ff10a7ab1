"""
How many runs the bisectors need, how often they are right, and whether they are as sure as they say.

By simulation: a culprit planted at random or none, and in each repeat another random number for every run. Seeds are
this bench's own. In the same run: git-bayesect, if it is installed (``pip install git-bayesect``); plain binary
search and ddmin; and two that are told what nobody knows, to show how much of the cost is that ignorance.

    python -m tests.bench.bisect --repeats 500
"""

from __future__ import annotations

import argparse
import importlib
import math
import os
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from matrix.bisect import Bisector, Groups, Linear, Observation, Outcome, SiteSearch
from matrix.bisect.beliefs import entropy
from matrix.bisect.priors import NO_CULPRIT, RATES, SIZES, THRESHOLD, stated
from matrix.designs.rates import Floats

_SEED = 20_261_126
_VERSIONS = 32
_STATED = (0.7, 0.8, 0.9, THRESHOLD, 0.97)
"""Confidences at which a search may end."""
_DEFAULT = _STATED.index(THRESHOLD)
_BUDGET = 60
"""Runs within which "no culprit" is to be said."""
_MOST = 300
_SWEPT = 24
"""Runs of each end that a sweep did already."""
_PEER_THRESHOLD = 0.95
"""Posterior probability at which git-bayesect stops."""
_TOLD_THRESHOLD = 0.97
"""And searches that are told what nobody knows."""
_WANTED_RIGHT = 0.97

World = tuple[float, float]
"""Freeze rate where the culprit is, and elsewhere."""
_TABLE: dict[World, int] = {(1.0, 0.0): 7, (0.5, 0.0): 23, (0.3, 0.0): 45, (0.5, 0.05): 60}
"""And the figure asked for."""
_HELD_OUT: list[World] = [(0.9, 0.0), (0.8, 0.0), (0.35, 0.0), (0.2, 0.0), (0.45, 0.02)]
"""Rates to which nothing was fitted."""
_OTHERS: list[World] = [(0.7, 0.0), (0.4, 0.0), (0.25, 0.0), (0.8, 0.05), (0.6, 0.1), (0.9, 0.02)]
_FLAT = (0.0, 0.05, 0.1, 0.3, 0.5, 1.0)
_SETS: list[tuple[int, int, World, int | None]] = [
    (8, 1, (0.5, 0.0), 12),
    (8, 2, (1.0, 0.0), 16),
    (8, 2, (0.5, 0.0), 36),
    (16, 2, (0.5, 0.0), 46),
    (64, 2, (1.0, 0.0), 14),
    (8, 2, (0.8, 0.0), None),
    (8, 2, (0.6, 0.05), None),
    (30, 3, (1.0, 0.0), None),
]
"""Changes, guilty ones, rates, and the figure asked for."""


@dataclass(frozen=True)
class Ending:
    """Of one simulated search."""

    runs: int
    right: bool
    leading: bool = False
    """Whether what was most probable at the end was right, concluded or not."""


def main() -> None:
    """Prints all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=500, help="simulated searches of each kind (default: 500)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    options = parser.parse_args()
    began = time.perf_counter()
    with ProcessPoolExecutor(options.jobs) as pool:
        simulate = partial(_simulate, pool, options.repeats)
        seen = _print_versions(simulate)
        _print_calibration(simulate, seen)
        _print_none(simulate)
        _print_sets(simulate)
        _print_sites(simulate)
    print(f"\n{options.repeats} repeats of each, {time.perf_counter() - began:.0f} s")


# Tables.

Simulate = Callable[[Callable[[int], Any]], list[Any]]


def _print_versions(simulate: Simulate) -> dict[World, list[list[Ending]]]:
    seen: dict[World, list[list[Ending]]] = {}
    print(f"{_VERSIONS} versions: mean runs (share right). Figures asked for are at {_WANTED_RIGHT:.0%} right or more.")
    _heads(
        "rates",
        (
            "asked for",
            "ours",
            "ours at 97 %",
            "ends known",
            "known at 97 %",
            "git-bayesect",
            "plain",
            "rates told",
            "table told",
        ),
    )
    for world in [*_TABLE, *_HELD_OUT]:
        ours = seen[world] = simulate(partial(_versions, world, swept=0))
        known = simulate(partial(_versions, world, swept=_SWEPT))
        others: list[str] = []
        for other in (_peer, _plain, partial(_informed, (world,)), partial(_informed, tuple(_TABLE))):
            endings = simulate(partial(other, world))
            others.append("not there" if None in endings else _of(endings))
        cells = [cell for kind in (ours, known) for cell in (_of(each[_DEFAULT] for each in kind), _at_wanted(kind))]
        _row(_name(world), (f"{_TABLE.get(world, 'held out')}", *cells, *others))
    print(
        "at 97 %: stopped at the lowest stated confidence at which 97 % are right; ends known: both of them were run\n"
        f"{_SWEPT} times before, by a sweep (--from); plain: binary search, one run each; rates told: Bayesian, told\n"
        "both rates beforehand, and that there is a culprit; table told: that the rates are one of this table's pairs"
    )
    asked = _TABLE[1.0, 0.0]
    print(
        f"A bound: whatever takes {asked} runs at 1 / 0 is wrong in {_least_wrong(asked):.1%} or more at 0.5 / 0, "
        f"unless it is told which\nof both it is; what takes 8.5 runs, in {_least_wrong(8.5):.1%} or more."
    )
    return seen


def _print_calibration(simulate: Simulate, seen: dict[World, list[list[Ending]]]) -> None:
    print(f"\ncalibration, {_VERSIONS} versions: share right when stopped at a stated confidence")
    _heads("rates", tuple(f"{confidence:.0%}" for confidence in _STATED))
    drawn = simulate(partial(_versions, None, swept=0))
    _row("drawn from the prior", tuple(f"{_share(each[at] for each in drawn):.1%}" for at in range(len(_STATED))))
    for world in [*_TABLE, *_HELD_OUT, *_OTHERS]:
        endings = seen.get(world) or simulate(partial(_versions, world, swept=0))
        _row(_name(world), tuple(f"{_share(each[at] for each in endings):.1%}" for at in range(len(_STATED))))


def _print_none(simulate: Simulate) -> None:
    print(f'\nno culprit, all freeze at one rate: "none" is said within {_BUDGET} runs')
    _heads("rate", ("versions", "mean runs", "leads", "ends known", "8 factors", "mean runs"))
    for rate in _FLAT:
        ours = [each[_DEFAULT] for each in simulate(partial(_versions, (rate, rate), swept=0, budget=_BUDGET))]
        known = [each[_DEFAULT] for each in simulate(partial(_versions, (rate, rate), swept=_SWEPT, budget=_BUDGET))]
        _, sets = zip(*simulate(partial(_sets, 8, 0, (rate, rate), swept=0, budget=_BUDGET)), strict=True)
        cells = (_share(ours), statistics.mean(each.runs for each in ours), _share(each.leading for each in ours))
        _row(
            f"{rate}",
            (
                f"{cells[0]:.1%}",
                f"{cells[1]:.1f}",
                f"{cells[2]:.1%}",
                f"{_share(known):.1%}",
                f"{_share(sets):.1%}",
                f"{statistics.mean(each.runs for each in sets):.1f}",
            ),
        )
    print("leads: none is said, or the most probable after the last run")


def _print_sets(simulate: Simulate) -> None:
    print("\nchanges or factors: mean runs (share right), both directions and each smaller set run at the end")
    _heads("guilty, rates", ("asked for", "ours", "before proof", "ends known", "before proof", "ddmin"))
    for changes, guilty, world, asked in _SETS:
        before, ours = zip(*simulate(partial(_sets, changes, guilty, world, swept=0)), strict=True)
        found, known = zip(*simulate(partial(_sets, changes, guilty, world, swept=_SWEPT)), strict=True)
        plain = simulate(partial(_ddmin, changes, guilty, world))
        _row(
            f"{guilty} of {changes}, {_name(world)}",
            (f"{asked or '-'}", *map(_of, (ours, before, known, found, plain))),
        )
    print(f"stopped at {THRESHOLD:.0%} and proven; ddmin: one run each, and it proves nothing of the bad end")
    pairs = (1 - NO_CULPRIT) * SIZES[1] / math.comb(64, 2)
    print(
        "A bound: a run tells one bit at most. To single a pair out of 64 changes takes "
        f"{math.log2(math.comb(64, 2)):.1f} if it is told\nthat it is a pair, {-math.log2(pairs):.1f} by what is "
        "believed of how many there are; then the proof runs four given candidates."
    )


def _print_sites(simulate: Simulate) -> None:
    print("\nsites of a patch, several disjoint culprits: mean runs (all culprits right)")
    for sites, culprits, world in ((64, 1, (1.0, 0.0)), (64, 3, (1.0, 0.0)), (256, 2, (1.0, 0.0)), (32, 2, (0.6, 0.0))):
        _row(f"{culprits} of {sites}, {_name(world)}", (_of(simulate(partial(_sites, sites, culprits, world))),))


def _heads(first: str, heads: Sequence[str]) -> None:
    print(f"{first:22}{''.join(f'{head:>15}' for head in heads)}")


def _row(first: str, cells: Sequence[str]) -> None:
    print(f"{first:22}{''.join(f'{cell:>15}' for cell in cells)}", flush=True)


def _name(world: World) -> str:
    return f"{world[0]} / {world[1]}"


def _share(right: Iterable[Any]) -> float:
    return statistics.mean(float(each.right if isinstance(each, Ending) else each) for each in right)


def _of(endings: Iterable[Ending]) -> str:
    known = list(endings)
    return f"{statistics.mean(each.runs for each in known):.1f} ({_share(known):.1%})"


def _at_wanted(endings: Sequence[Sequence[Ending]]) -> str:
    for at, confidence in enumerate(_STATED):
        if _share(each[at] for each in endings) >= _WANTED_RIGHT:
            return f"{statistics.mean(each[at].runs for each in endings):.1f} [{confidence:.0%}]"
    return f"> {_STATED[-1]:.0%}"


def _simulate(pool: ProcessPoolExecutor, repeats: int, search: Callable[[int], Any]) -> list[Any]:
    return list(pool.map(search, range(repeats), chunksize=max(1, repeats // 40)))


def _least_wrong(mean_runs: float) -> float:
    """
    A bound for every search, deterministic or not, on its share of wrong answers at 0.5 / 0.

    At 1 / 0 it takes T(c) runs if c is the first bad version, and all outcomes follow from c. If a version before c is
    the first bad one, at 0.5 / 0, then those outcomes, and so the wrong answer c, come with probability 0.5 ** T(c) or
    more. Of all T with this mean, those are taken that make the sum over c and the versions before it the least.
    """
    before = np.arange(1, _VERSIONS - 1)
    low, high = 1e-9, float(_VERSIONS)
    for _ in range(100):
        level = (low * high) ** 0.5
        runs = np.maximum(0, np.log2(before / level))
        low, high = (level, high) if runs.sum() / (_VERSIONS - 1) > mean_runs else (low, level)
    return float((before * 0.5**runs).sum() / (_VERSIONS - 1))


# Searches.


def _random(kind: int, repeat: int) -> np.random.Generator:
    return np.random.default_rng([_SEED, kind, repeat])


def _versions(world: World | None, repeat: int, *, swept: int, budget: int = _MOST) -> list[Ending]:
    """One search, as it would have ended at each of the stated confidences. Without a world, one from the prior."""
    random = _random(1, repeat)
    culprit = 0
    if world is None:
        if random.random() >= NO_CULPRIT:
            culprit = int(random.integers(1, _VERSIONS))
        pair = random.choice(len(RATES.inside), p=(RATES.if_caused if culprit else RATES.if_none / RATES.if_none.sum()))
        world = (RATES.inside[pair] if culprit else RATES.outside[pair], RATES.outside[pair])
    elif world[0] > world[1]:
        culprit = int(random.integers(1, _VERSIONS))
    bad, good = world
    expected = (str(culprit),) if culprit else ()
    items = [str(at) for at in range(_VERSIONS)]
    bisector = Linear(items, threshold=_STATED[-1])
    for end, rate in ((items[0], good), (items[-1], bad)):
        _tell(bisector, end, (random.random(swept) < rate).tolist())
    endings: list[Ending] = []
    runs = 0
    while True:
        culprit_now, probability = bisector.posterior[0]
        while len(endings) < len(_STATED) and stated(probability) >= _STATED[len(endings)]:
            endings.append(Ending(runs, culprit_now == expected, culprit_now == expected))
        if len(endings) == len(_STATED):
            return endings
        suggestion = bisector.suggest()
        if runs == budget or suggestion is None:
            return endings + [Ending(runs, False, culprit_now == expected)] * (len(_STATED) - len(endings))
        rate = bad if culprit and int(suggestion.candidate) >= culprit else good
        _tell(bisector, suggestion.candidate, [bool(random.random() < rate)])
        runs += 1


def _sets(
    changes: int, guilty: int, world: World, repeat: int, *, swept: int, budget: int = _MOST
) -> tuple[Ending, Ending]:
    """One search: when a set is probable enough, and when it is proven."""
    random = _random(2, repeat)
    names = [f"c{at}" for at in range(changes)]
    culprit = {names[at] for at in random.choice(changes, guilty, replace=False)}
    groups = Groups(names)

    def rate(candidate: Sequence[str]) -> float:
        return world[0] if culprit and culprit <= set(candidate) else world[1]

    for end in ((), groups.changes):
        _tell(groups, end, (random.random(swept) < rate(end)).tolist())
    before: Ending | None = None
    for runs in range(budget):
        if before is None and (settled := groups.settled) is not None:
            before = Ending(runs, set(settled) == culprit)
        suggestion = groups.suggest()
        if suggestion is None:
            break
        _tell(groups, suggestion.candidate, [bool(random.random() < rate(suggestion.candidate))])
    found = groups.conclusion
    proven = Ending(len(groups.observations) - 2 * swept, found is not None and set(found.culprit) == culprit)
    return before or proven, proven


def _sites(sites: int, culprits: int, world: World, repeat: int) -> Ending:
    random = _random(3, repeat)
    names = [f"worker.py:{at}" for at in range(sites)]
    sizes = random.integers(1, 3, culprits)
    guilty = random.choice(names, int(sizes.sum()), replace=False).tolist()
    planted = [
        set(guilty[end - size : end]) for size, end in zip(sizes.tolist(), np.cumsum(sizes).tolist(), strict=True)
    ]
    search = SiteSearch(names)
    for runs in range(_MOST):
        suggestion = search.suggest()
        if suggestion is None:
            return Ending(runs, sorted(map(sorted, search.found or ())) == sorted(map(sorted, planted)))
        on = set(suggestion.candidate)
        # Two that are there freeze the oftener.
        passes = (1 - world[0]) ** sum(each <= on for each in planted)
        _tell(search, suggestion.candidate, [bool(random.random() >= passes)])
    return Ending(_MOST, False)


def _tell(bisector: Bisector[Any], candidate: object, frozen: Iterable[bool]) -> None:
    bisector.replay([Observation(candidate, Outcome.FREEZE if each else Outcome.PASS) for each in frozen])


# Others.


def _peer(world: World, repeat: int) -> Ending | None:
    """git-bayesect 1.2, whose index counts from the newest; None if it is not installed."""
    try:
        package = importlib.import_module("git_bayesect")
    except ImportError:
        return None
    random = _random(4, repeat)
    culprit = int(random.integers(1, _VERSIONS))
    weights = np.ones(_VERSIONS)
    weights[-1] = 0  # The oldest is good.
    with np.errstate(divide="ignore", invalid="ignore"):
        bisector = package.Bisector(weights)
        for runs in range(_MOST):
            if bisector.distribution.max() >= _PEER_THRESHOLD:
                return Ending(runs, _VERSIONS - 1 - int(bisector.distribution.argmax()) == culprit)
            index = bisector.select()
            bad, good = world
            bisector.record(index, bool(random.random() < (bad if _VERSIONS - 1 - index >= culprit else good)))
    return Ending(_MOST, False)


def _plain(world: World, repeat: int) -> Ending:
    """Binary search that believes each run."""
    random = _random(5, repeat)
    culprit = int(random.integers(1, _VERSIONS))
    low, high, runs = 0, _VERSIONS - 1, 0
    while high - low > 1:
        middle = (low + high) // 2
        frozen = random.random() < (world[0] if middle >= culprit else world[1])
        low, high = (low, middle) if frozen else (middle, high)
        runs += 1
    return Ending(runs, high == culprit)


def _informed(pairs: tuple[World, ...], world: World, repeat: int) -> Ending:
    """Greedy Bayesian search that knows that the rates are one of some pairs, and that there is a culprit."""
    random = _random(6, repeat)
    culprit = int(random.integers(1, _VERSIONS))
    inside = np.arange(_VERSIONS)[:, None] >= np.arange(1, _VERSIONS)[None, :]
    bad, good = np.clip(np.array(pairs).T, 1e-3, 1 - 1e-3)
    rates = np.where(inside[:, :, None], bad, good)
    chances: Floats = np.full(rates.shape[1:], 1 / rates[0].size)
    for runs in range(_MOST):
        of_culprit = chances.sum(axis=1)
        if of_culprit.max() >= _TOLD_THRESHOLD:
            return Ending(runs, int(of_culprit.argmax()) + 1 == culprit)
        joint = np.einsum("iep,ep->ie", rates, chances)
        noise = entropy(joint / np.maximum(of_culprit, 1e-300)) @ of_culprit
        item = int(np.argmax(entropy(joint.sum(axis=1)) - noise))
        frozen = random.random() < (world[0] if item >= culprit else world[1])
        chances = chances * (rates[item] if frozen else 1 - rates[item])
        chances /= chances.sum()
    return Ending(_MOST, False)


def _ddmin(changes: int, guilty: int, world: World, repeat: int) -> Ending:
    """Zeller and Hildebrandt 2002, as published; each set is run once."""
    random = _random(7, repeat)
    culprit = set(random.choice(changes, guilty, replace=False).tolist())
    seen: dict[frozenset[int], bool] = {}

    def freezes(items: Sequence[int]) -> bool:
        made = frozenset(items)
        if made not in seen:
            seen[made] = bool(random.random() < (world[0] if culprit <= made else world[1]))
        return seen[made]

    kept, parts = list(range(changes)), 2
    while len(kept) >= 2:
        cuts = [kept[len(kept) * at // parts : len(kept) * (at + 1) // parts] for at in range(parts)]
        rests = [[item for item in kept if item not in cut] for cut in cuts]
        smaller = next((cut for cut in cuts if freezes(cut)), None)
        if smaller is not None:
            kept, parts = smaller, 2
        elif (smaller := next((rest for rest in rests if freezes(rest)), None)) is not None:
            kept, parts = smaller, max(parts - 1, 2)
        elif parts < len(kept):
            parts = min(len(kept), 2 * parts)
        else:
            break
    return Ending(len(seen), set(kept) == culprit)


if __name__ == "__main__":
    main()
