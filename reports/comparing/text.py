"""What changed between two runs or two sweeps, and what a baseline says of one: plain text for terminals."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from reports import plain, wording
from reports.comparing.facts import Change
from reports.comparing.runs import PhaseChange, RunComparison
from reports.comparing.times import Ratio, Times
from reports.comparing.trials import ELAPSED, PROCESSOR, Ending, TrialChange, TrialChanges

_MAX_ROWS = 20
_MAX_NAMES = 8
_NOTABLE_RATIO = 1.15
"""A phase that takes up to so many times as long on average, or as little, is not told."""
_LEAST_PHASE_S = 1e-4
"""On average: what is shorter differs from run to run without a reason."""
_LISTS = (
    ("newly failing", "newly_failing"),
    ("new, and failing", "new_and_failing"),
    ("failing in another way", "failing_otherwise"),
    ("slower", "slower"),
    ("no longer failing", "no_longer_failing"),
    ("faster", "faster"),
    ("ends now so, now so, as repeats of the cell did before", "unsteady"),
    ("ran before, did not now", "not_run"),
    ("no longer there", "gone"),
    ("new, and not failing", "new"),
)


def of_runs(found: RunComparison, before: Path, after: Path) -> str:
    """Two runs."""
    return "\n".join([*_heads(before, after), *_lines_of_runs(found)]) + "\n"


def of_sweeps(
    found: TrialChanges,
    before: Path,
    after: Path,
    factors: Sequence[Change],
    packages: Sequence[Change],
    machines: tuple[str | None, str | None],
) -> str:
    """
    Two sweeps.

    :param machines: what each ran on; None where that is not known.
    """
    lines = [*_heads(before, after), *_lines_of_trials(found)]
    lines += _table("factors", factors)
    lines += _packages(packages)
    lines += ["", f"machine   {_both(*machines)}"]
    return "\n".join(lines) + "\n"


def of_gate(
    found: TrialChanges,
    folder: Path,
    baseline: Path,
    factor: float,
    folders: Mapping[str, Path],
    packages: Sequence[Change],
    other_machine: str | None,
) -> str:
    """
    What a baseline says of a run or a sweep, and what to do now.

    :param factor: an update is slower if it takes more than so many times as long.
    :param folders: label to the folder of its run, as far as there is one.
    :param other_machine: what the baseline was measured on, if on another machine.
    """
    lines = list(_lines_of_trials(found))
    if found.worse and packages:
        lines += _packages(packages)
    if other_machine is not None:
        lines += ["", f"note      the baseline was measured on another machine: {plain.line(other_machine)}"]
    return "\n".join([*lines, *_what_to_do(found, folder, baseline, factor, folders)]) + "\n"


def _what_to_do(
    found: TrialChanges, folder: Path, baseline: Path, factor: float, folders: Mapping[str, Path]
) -> Iterator[str]:
    update = _command(folder, "--baseline", baseline, "--update-baseline")
    head = ("", "what to do")
    if found.worse:
        yield from head
        first = next((folders[item.label] for item in found.worse if item.label in folders), folder)
        yield f"  look at the first of them:   {_command(first, '--format', 'text')}"
        if found.slower:
            enough = max(item.ratio or 1.0 for item in found.slower) * 1.05
            yield f"  if {factor:g} times is too strict: --slower {enough:.2f}"
        yield f"  if it is meant to be so:     {update}"
    elif not found.compared:
        yield from head
        yield "  nothing ran in both, so nothing can be said: run it where its libraries and its device are"
    elif found.no_longer_failing or found.new or found.faster:
        yield from head
        yield f"  keep what is better or new:  {update}"


def _command(folder: Path, *words: object) -> str:
    return plain.line(shlex.join(["freezelab", "report", str(folder), *map(str, words)]))


def _heads(before: Path, after: Path) -> tuple[str, str, str]:
    return f"before    {plain.line(before)}", f"after     {plain.line(after)}", ""


def _lines_of_runs(found: RunComparison) -> Iterator[str]:
    one, two = found.before, found.after
    yield f"verdict   {_both(one.verdict, two.verdict)}"
    first, second = (ending.says for ending in found.endings)
    if first != second or two.verdict.is_failure:
        yield f"signature {_both(first, second)}"
    yield f"step      {_both(one.step, two.step)}"
    yield f"observed  {_both(wording.seconds(one.timing.observed_s), wording.seconds(two.timing.observed_s))}"
    yield from _pace("rollout", found.rollouts, found.rollout_ratio)
    yield from _pace("update", found.updates, found.update_ratio)
    yield from _clocks(found)
    if found.rollouts_alike is not None:
        yield f"contents  the same in all {wording.count(found.rollouts_alike, 'rollout')} that both looked at"
    else:
        yield f"contents  {plain.line(found.difference)}"
    yield from _phases(found.phases)
    yield from _packages(found.packages, known=bool(one.environment.get("packages")))
    yield from _table("training", found.settings, known=bool(one.environment.get("training")))
    yield from _table("machine", found.machine)
    if one.command[1:] != two.command[1:]:
        yield ""
        yield "command"
        yield f"  before  {plain.line(shlex.join(one.command))}"
        yield f"  after   {plain.line(shlex.join(two.command))}"


def _pace(name: str, times: tuple[Times | None, Times | None], ratio: Ratio | None) -> Iterator[str]:
    if times == (None, None):
        return
    told = [_times(item) for item in times]
    yield f"{name:9} {told[0]} → {told[1]}{'' if ratio is None else ': ' + _ratio(ratio, times)}"


def _clocks(found: RunComparison) -> Iterator[str]:
    """What the processor's clock says of the updates, and which of both was believed."""
    one, two = (ending.update_cpu for ending in found.endings)
    if one is None or two is None:
        return
    yield from _pace("  in CPU", (one, two), found.cpu_ratio)
    first, second = found.endings
    pace = second.pace_against(first)
    if second.starved_against(first):
        had = f"{first.had_core:.0%} → {second.had_core:.0%}"
        told = f"× {pace.ratio:.2f}" if pace is not None else "no difference that noise can't explain"
        yield f"          had a core when it wanted one: {had} of the time, so {PROCESSOR} counts: {told}"
    elif pace is not None and pace.clock == PROCESSOR:
        told = f"by {PROCESSOR} an update takes × {pace.ratio:.2f}"
        yield f"          {told}: on a busy machine the clock alone could not tell"
    elif pace is not None and (cpu := found.cpu_ratio) is not None and cpu.is_noise:
        yield f"          by {ELAPSED} alone: it waited for something, and computed no more"


def _times(times: Times | None) -> str:
    if times is None:
        return "—"
    if times.times == 1:
        return wording.seconds(times.median_s)
    spread = f"{wording.seconds(times.low_s)} to {wording.seconds(times.high_s)}"
    return f"{wording.seconds(times.median_s)} ({times.times}, {spread})"


def _ratio(ratio: Ratio, times: Sequence[Times | None]) -> str:
    if ratio.low == ratio.high or all(item is None or item.times == 1 for item in times):
        return f"× {ratio.value:.2f}"
    noise = ", which noise may explain" if ratio.is_noise else ""
    return f"× {ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f}){noise}"


def _phases(phases: Iterable[PhaseChange]) -> Iterator[str]:
    rows = [phase for phase in phases if _is_notable(phase)]
    if rows:
        yield ""
        yield "phases, on average each time"
        names = [plain.line(phase.name) for phase in rows]
        width = max(map(len, names))
        for name, phase in zip(names, rows, strict=True):
            ratio = f": × {phase.ratio:.2f}" if phase.ratio is not None else ""
            yield f"  {name:{width}}  {wording.seconds(phase.before_s)} → {wording.seconds(phase.after_s)}{ratio}"


def _is_notable(phase: PhaseChange) -> bool:
    if phase.ratio is None:
        return True
    longest = max(phase.before_s or 0.0, phase.after_s or 0.0)
    return longest >= _LEAST_PHASE_S and not 1 / _NOTABLE_RATIO <= phase.ratio <= _NOTABLE_RATIO


def _table(title: str, rows: Sequence[Change], *, known: bool = True) -> Iterator[str]:
    yield ""
    if not rows:
        yield f"{title:9} {'no difference' if known else 'not known'}"
        return
    yield title
    names = [plain.line(row.name) for row in rows[:_MAX_ROWS]]
    width = max(map(len, names))
    for name, row in zip(names, rows, strict=False):
        yield f"  {name:{width}}  {_value(row.before)} → {_value(row.after)}"
    if len(rows) > _MAX_ROWS:
        yield f"  … {len(rows) - _MAX_ROWS} more"


def _packages(rows: Sequence[Change], *, known: bool = True) -> Iterator[str]:
    """Versions first; of what only one of them has, the names are enough."""
    both = [row for row in rows if row.before is not None and row.after is not None]
    if both or not rows:
        yield from _table("packages", both, known=known)
    else:
        yield from ("", "packages")
    for title, names in (
        ("only before", [plain.line(row.name) for row in rows if row.after is None]),
        ("only after", [plain.line(row.name) for row in rows if row.before is None]),
    ):
        if names:
            more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
            yield f"  {title}: {', '.join(names[:_MAX_NAMES])}{more}"


def _lines_of_trials(found: TrialChanges) -> Iterator[str]:
    lists: list[tuple[str, tuple[TrialChange, ...]]] = [(title, getattr(found, name)) for title, name in _LISTS]
    yield f"compared  {wording.count(found.compared, 'trial')} that ran in both"
    if not any(items for _, items in lists):
        yield "changed   nothing"
    for title, items in lists:
        if items:
            yield ""
            yield f"{title}: {len(items)}"
            yield from (f"  {_trial(item)}" for item in items[:_MAX_ROWS])
            if len(items) > _MAX_ROWS:
                yield f"  … {len(items) - _MAX_ROWS} more"


def _trial(item: TrialChange) -> str:
    label = plain.line(item.label)
    if item.ratio is not None and item.before is not None and item.after is not None:
        by_cpu = item.pace is not None and item.pace.clock == PROCESSOR
        one, two = (
            (item.before.update_cpu, item.after.update_cpu) if by_cpu else (item.before.update, item.after.update)
        )
        clock = f", by {PROCESSOR}" if by_cpu else ""
        return f"{label}: an update takes {_times(one)} → {_times(two)}: × {item.ratio:.2f}{clock}"
    return f"{label}: {_ending(item.before)} → {_ending(item.after)}"


def _ending(ending: Ending | None) -> str:
    return "—" if ending is None else plain.line(ending.says)


def _both(before: Any, after: Any) -> str:
    one, two = _value(before), _value(after)
    return f"{one} → {two}" if one != two else f"{one}, as before"


def _value(value: Any) -> str:
    return "—" if value is None else plain.line(value)
