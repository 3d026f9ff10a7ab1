"""The first paragraphs of a sweep's report: what the freeze is, whom it strikes, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from matrix.analysis.analysis import Analysis, Finding
from matrix.analysis.findings import STANDS
from matrix.plan.parameters import Level
from probes import causes
from probes.verdicts import Verdict
from reports import markdown as md
from reports import wording
from reports.sweep.facts import (
    Run,
    Runs,
    irrelevant,
    multiples,
    pace,
    set_up_changes,
    stood_still_at,
    strikes,
    unit,
    unseen,
)
from reports.sweep.figures import label
from reports.sweep.search import sentence

_MAX_CHANGES = 6
_MAX_FINDINGS = 5
_MAX_RIVALS = 3
_MAX_EXTRAS = 12
_LOOKED_AT = 50
"""Runs of a finding whose figures are read: more of them say the same."""


def conclusion(analysis: Analysis, runs: Runs) -> str:
    """The first paragraph says what the freeze is; one more for each other finding, and one for the rest."""
    failures = [finding for finding in ordered(analysis) if finding.verdict.is_failure]
    if not analysis.ran:
        paragraphs = ["**No cell ran, so nothing can be said about the freeze.**"]
    elif not failures:
        ran = f"{len(analysis.ran)} {'cells that ran' if unit(analysis) == 'cell' else 'runs'}"
        paragraphs = [f"**All {ran} are healthy: no freeze was reproduced.**"]
    else:
        first, *others = [finding for finding in failures if finding.in_design] or failures
        paragraphs = [f"{_headline(first, runs)} {_of_finding(analysis, first, runs)}"]
        paragraphs += [
            _of_finding(analysis, finding, runs) + _really_changes(analysis, finding, runs)
            for finding in others[: _MAX_FINDINGS - 1]
        ]
        if len(others) >= _MAX_FINDINGS:
            more = len(others) - _MAX_FINDINGS + 1
            paragraphs.append(f"{wording.count(more, 'more kind')} of failure {_is(more)} told under Findings.")
        extras = " ".join(_of_extras(analysis))
        paragraphs += [extras] if extras else []
    blind = len(unseen(analysis))
    if blind:
        paragraphs.append(
            f"**But of {blind} of the {len(analysis.ran)} runs nothing could be seen**, no step and no phase, until "
            "the time limit ended them: they count as healthy because nothing speaks against it, and may well have "
            "stood still."
        )
    if analysis.search is not None:
        paragraphs.append(md.text(sentence(analysis.search)))
    rest = " ".join(_not_run(analysis))
    return "\n\n".join([*paragraphs, rest] if rest else paragraphs)


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def ordered(analysis: Analysis) -> list[Finding]:
    """What stands still first, then what ends runs, then the healthy; extra cells after the design."""
    return sorted(
        analysis.findings,
        key=lambda found: (
            not found.verdict.is_failure,
            not found.in_design,
            found.verdict not in STANDS,
        ),
    )


def _headline(finding: Finding, runs: Runs) -> str:
    """The first sentence: what the freeze is."""
    observation = finding.results[0].observation
    steps = stood_still_at([runs.of(result) for result in finding.results[:_LOOKED_AT]])
    phase = md.code(observation.phase or "an unknown phase")
    what = f"{_article(finding.verdict)} {md.code(finding.verdict)}"
    if finding.verdict is Verdict.SLOW_PHASE and steps:
        again = ", and again at every multiple of it," if multiples(steps) and len(steps) > 1 else ""
        return (
            f"**The freeze is {what}: nothing hangs. At step {steps[0]}{again} the step count stands still while "
            f"{phase} works.**"
        )
    at = _at_steps([result.observation.step for result in finding.results if result.in_design] or [observation.step])
    if finding.verdict in STANDS:
        return f"**The freeze is {what} in {phase}{at}.**"
    return f"**No run stood still: what stops it is {what} in {phase}{at}.**"


def _at_steps(steps: Sequence[int | None]) -> str:
    """`` at step 2048``, `` at steps 3107 to 3390``; nothing if unknown."""
    known = sorted(step for step in steps if step is not None)
    if not known:
        return ""
    return f" at step {known[0]}" if known[0] == known[-1] else f" at steps {known[0]} to {known[-1]}"


def _article(verdict: Verdict) -> str:
    return "an" if str(verdict)[0] in "aeiou" else "a"


def _of_finding(analysis: Analysis, finding: Finding, runs: Runs) -> str:
    """Who is struck, by what, why, and what it does not depend on."""
    struck = [result for result in finding.results if result.in_design] or list(finding.results)
    example = struck[0].observation
    seen = [runs.of(result) for result in struck[:_LOOKED_AT]]
    cells = _cells(analysis, finding)
    where = md.code(example.culprit) if example.culprit else "an unknown function"
    library = f" of {md.code(example.library)}" if example.library else ""
    cause = causes.by_id(example.cause)
    because = f", because {cause.title}" if cause else ""
    if finding.verdict is Verdict.SLOW_PHASE:
        times = pace(seen)
        figures = (
            f"a rollout takes {wording.seconds(times.collect_s)}, the update after it "
            f"{wording.seconds(times.train_s)} (medians), {times.train_s / times.collect_s:.1f} times as long; "
            if times
            else ""
        )
        sentence = f"{cells} {figures}the time goes into {where}{library}{because}."
    elif example.exception is not None:
        first = "the first " if all(_times_entered(run, example.phase) == 1 for run in seen) else ""
        sentence = (
            f"{cells} training ends by {_article(finding.verdict)} {md.code(finding.verdict)} in {first}"
            f"{md.code(example.phase or 'an unknown phase')}, at step {example.step}: "
            f"{md.code(first_line(example.exception))}, from {where}{library}{because}."
        )
    else:
        sentence = f"{cells} the verdict is {md.code(finding.verdict)}, in {where}{library}{because}."
    return sentence + _rivals(analysis, finding) + _idle(analysis, finding)


def _idle(analysis: Analysis, finding: Finding) -> str:
    """What it does not depend on; where chance has a hand in it, two runs that end alike show nothing."""
    found = strikes(analysis, finding)
    if analysis.flaky or analysis.search is not None or (found.levels and not found.always):
        return ""
    idle = irrelevant(analysis, finding)
    if not idle:
        return ""
    names = wording.listed([f"{md.code(name)} ({wording.count(pairs, 'pair')})" for name, pairs in idle], "or")
    neither = "Neither " if len(idle) > 1 else ""
    blamed = wording.listed([md.code(name) for name, _ in idle], "nor")
    verb = "is the cause" if neither else "is not the cause"
    return f" {neither}{blamed} {verb}: {unit(analysis)}s that differ only in {names} end alike, every one."


def _rivals(analysis: Analysis, finding: Finding) -> str:
    """Other levels that the same trials have, and no others: an explanation as good as the one that was given."""
    rivals = strikes(analysis, finding).rivals
    if not rivals:
        return ""
    told = [_named(levels) for levels in rivals[:_MAX_RIVALS]]
    more = len(rivals) - len(told)
    if more:
        told.append(f"{more} more pairs of levels")
    return (
        f" But the same {unit(analysis)}s, and no others, are those with {wording.listed(told, 'or')}: "
        "this sweep can't tell which of these it is."
    )


def _named(levels: Mapping[str, Level]) -> str:
    return wording.listed([md.code(f"{name}={level}") for name, level in levels.items()])


def _really_changes(analysis: Analysis, finding: Finding, runs: Runs) -> str:
    """What the level that tells these runs from the others changes inside the training, if it is little."""
    found = strikes(analysis, finding)
    if not found.always or found.rivals or len(found.levels) != 1:
        return ""
    (factor, level), *_ = found.levels.items()
    for first, second, changes in set_up_changes(analysis, runs, factor):
        if level in (first, second) and 0 < len(changes) <= _MAX_CHANGES:
            told = [
                f"{md.code(name)} from {md.code(one if level == second else other)} "
                f"to {md.code(other if level == second else one)}"
                for name, one, other in changes
            ]
            return f" Inside the training, {md.code(f'{factor}={level}')} changes {wording.listed(told)}."
    return ""


def _times_entered(run: Run, phase: str | None) -> int | None:
    phases = run.diagnosis.timing.phases if run.diagnosis else {}
    return int(phases[phase]["count"]) if phase in phases else None


def _cells(analysis: Analysis, finding: Finding) -> str:
    """``In all 6 cells that ran with adapter=off, and only in those,`` and the like."""
    found, one = strikes(analysis, finding), unit(analysis)
    in_all, that_ran = len(analysis.design), " that ran" if one == "cell" else ""
    if not found.number:
        return f"In {wording.count(len(finding.results), 'extra ' + one)}"
    if not found.levels:
        if found.number < in_all:
            return f"In {found.number} of the {in_all} {one}s{that_ran}"
        return f"In the one {one}{that_ran}" if in_all == 1 else f"In all {in_all} {one}s{that_ran}"
    named = _named(found.levels)
    if not found.always:
        others = in_all - found.of
        return f"In {found.number} of the {found.of} {one}s with {named}, and in none of the {others} others,"
    if found.number == 1:
        return f"In the one {one}{that_ran} with {named}, and only there,"
    return f"In all {found.number} {one}s{that_ran} with {named}, and only in those,"


def _of_extras(analysis: Analysis) -> Iterator[str]:
    extras = [result for result in analysis.ran if not result.in_design]
    for result in extras[:_MAX_EXTRAS]:
        observation = result.observation
        what = md.code(observation.verdict)
        if observation.exception:
            what += f" ({md.code(first_line(observation.exception))}, at step {observation.step})"
        yield f"The extra cell {md.code(label(analysis, result))} ends as {what}."
    if len(extras) > _MAX_EXTRAS:
        yield f"Of {len(extras) - _MAX_EXTRAS} more runs of extra cells, the table below tells."


def _not_run(analysis: Analysis) -> Iterator[str]:
    one = "cell" if len({result.trial.cell.id for result in analysis.results}) == len(analysis.results) else "trial"
    not_run = Counter(result.observation.headline for result in analysis.results if not result.ran)
    for headline, number in not_run.most_common():
        yield f"{wording.count(number, one)} did not run: {md.text(headline)}."
    if analysis.missing:
        yield f"{wording.count(analysis.missing, 'trial')} of the plan {_is(analysis.missing)} still to be run."


def first_line(message: str) -> str:
    lines = message.strip().splitlines()
    return lines[0].rstrip(": ") if lines else ""
