"""What changed between two runs or sweeps, and whether one is as good as a baseline."""

from __future__ import annotations

from pathlib import Path

from matrix.results.observation import observed
from reports import stored
from reports.commands.interface import EXIT_BLIND, EXIT_DIAGNOSED, EXIT_OK, UsageError
from reports.comparing import facts, text, trials
from reports.comparing.baseline import Baseline
from reports.comparing.runs import compare_runs
from reports.comparing.trials import RUN, SURELY, compare_trials
from reports.redaction.redactor import Redactor


def compare(before: Path, after: Path, redactor: Redactor) -> int:
    """
    Says what changed.

    :param redactor: what it takes out is not shown.
    :raises UsageError: one is a run and the other a sweep.
    """
    kinds = [stored.kind_of(before), stored.kind_of(after)]
    if kinds[0] != kinds[1]:
        raise UsageError(f"{before} is a {kinds[0]} and {after} a {kinds[1]}; name two runs or two sweeps")
    _print(_runs(before, after) if kinds[0] == "run" else _sweeps(before, after), redactor)
    return EXIT_OK


def gate(folder: Path, path: Path, redactor: Redactor, *, update: bool, slower: float | None) -> int:
    """
    Holds a run or a sweep against a baseline.

    :param redactor: what it takes out is not shown.
    :param update: makes it the new one instead.
    :param slower: an update counts as slower if it takes more than so many times as long.
    :return: 3 if something newly fails or got slower, 4 if nothing ran in both, else 0.
    :raises InputError: a bad baseline, or no run's or sweep's folder.
    """
    now, folders = _as_baseline(folder)
    if update:
        now.save(path)
        print(path)
        return EXIT_OK
    was = Baseline.load(path)
    if was.kind != now.kind:
        raise UsageError(f"{path} is the baseline of a {was.kind} and {folder} a {now.kind}; name another of them")
    factor = slower or SURELY
    found = compare_trials(was.trials, now.trials, factor)
    other = was.machine if was.machine != now.machine else None
    packages = facts.package_changes(was.packages, now.packages)
    _print(text.of_gate(found, folder, path, factor, folders, packages, other), redactor)
    if found.worse:
        return EXIT_DIAGNOSED
    # A gate that nothing passed through must not count as passed.
    return EXIT_OK if found.compared else EXIT_BLIND


def _print(told: str, redactor: Redactor) -> None:
    print("\n".join(map(redactor.text, told.split("\n"))), end="")


def _runs(before: Path, after: Path) -> str:
    for folder in (before, after):
        stored.run(folder)  # says what is wrong with it in its own words
    return text.of_runs(compare_runs(before, after), before, after)


def _sweeps(before: Path, after: Path) -> str:
    first, second = stored.sweep(before), stored.sweep(after)
    was, now = facts.of_sweep(first, before), facts.of_sweep(second, after)
    return text.of_sweeps(
        compare_trials(trials.relabelled(first, second, trials.endings(first, before)), trials.endings(second, after)),
        before,
        after,
        facts.factor_changes(was, now),
        facts.package_changes(was.packages, now.packages),
        (was.machine, now.machine),
    )


def _as_baseline(folder: Path) -> tuple[Baseline, dict[str, Path]]:
    """How it ended, and where its runs lie, by their labels."""
    if stored.kind_of(folder) == "run":
        diagnosis = stored.run(folder)
        ended = trials.ending(observed(diagnosis), diagnosis, folder=folder)
        packages = {"": facts.packages_of(diagnosis)}
        return Baseline("run", {RUN: ended}, packages, facts.machine_of(diagnosis)), {RUN: folder}
    analysis = stored.sweep(folder)
    folders = {
        result.trial.label: folder / result.observation.folder
        for result in analysis.results
        if result.observation.folder is not None
    }
    known = facts.of_sweep(analysis, folder)
    return Baseline("sweep", trials.endings(analysis, folder), known.packages, known.machine), folders
