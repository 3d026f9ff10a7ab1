"""``report.md`` of a sweep: the conclusion in one paragraph, then everything it rests on."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from matrix.analysis.analysis import Analysis, Finding, Result
from probes import causes
from probes.causes import Cause
from probes.verdicts import Verdict
from reports import markdown as md
from reports import run_markdown, wording
from reports.sweep_facts import (
    Run,
    Runs,
    in_design,
    irrelevant,
    iterations,
    multiples,
    pace,
    set_up_changes,
    stood_still_at,
    who,
)

_HANGS = (Verdict.DEADLOCK, Verdict.SPIN, Verdict.BLOCKED, Verdict.EXIT_HANG)
_STANDS = (*_HANGS, Verdict.SLOW_PHASE, Verdict.SLOWDOWN)
"""What a person calls a freeze: the process is there and does not move. The others end it."""
_MAX_ROWS = 12
_MAX_CHANGES = 6


def render(analysis: Analysis, folder: Path) -> str:
    """
    The whole document.

    :param folder: the sweep's folder, for the diagnoses of its runs.
    """
    runs = Runs(folder)
    parts = [
        f"# {md.text(analysis.plan.name)}",
        _conclusion(analysis, runs),
        "## What was run",
        _what_was_run(analysis),
        "## The matrix",
        _matrix(analysis),
        "## What each factor does",
        _effects(analysis),
        *_set_up(analysis, runs),
        *_findings(analysis, runs),
        *_claims(analysis),
        "## Run one cell again by hand",
        _by_hand(analysis, runs),
    ]
    return "\n\n".join(parts) + "\n"


# The conclusion


def _conclusion(analysis: Analysis, runs: Runs) -> str:
    """The first paragraph says what the freeze is; one more for each other finding, and one for the rest."""
    failures = [finding for finding in _ordered(analysis) if finding.verdict.is_failure]
    if not analysis.ran:
        paragraphs = ["**No cell ran, so nothing can be said about the freeze.**"]
    elif not failures:
        paragraphs = [f"**All {len(analysis.ran)} cells that ran are healthy: no freeze was reproduced.**"]
    else:
        first, *others = [finding for finding in failures if any(map(in_design, finding.results))] or failures
        paragraphs = [f"{_headline(first, runs)} {_of_finding(analysis, first, runs)}"]
        paragraphs += [
            _of_finding(analysis, finding, runs) + _really_changes(analysis, finding, runs) for finding in others
        ]
        extras = " ".join(_of_extras(analysis))
        paragraphs += [extras] if extras else []
    rest = " ".join(_not_run(analysis))
    return "\n\n".join([*paragraphs, rest] if rest else paragraphs)


def _ordered(analysis: Analysis) -> list[Finding]:
    """What stands still first, then what ends runs, then the healthy; extra cells after the design."""
    return sorted(
        analysis.findings,
        key=lambda found: (
            not found.verdict.is_failure,
            not any(map(in_design, found.results)),
            found.verdict not in _STANDS,
        ),
    )


def _headline(finding: Finding, runs: Runs) -> str:
    """The first sentence: what the freeze is."""
    observation = finding.results[0].observation
    steps = stood_still_at([runs.of(result) for result in finding.results])
    phase = md.code(observation.phase or "an unknown phase")
    what = f"{_article(finding.verdict)} {md.code(finding.verdict)}"
    if finding.verdict is Verdict.SLOW_PHASE and steps:
        again = ", and again at every multiple of it," if multiples(steps) and len(steps) > 1 else ""
        return (
            f"**The freeze is {what}: nothing hangs. At step {steps[0]}{again} the step count stands still while "
            f"{phase} works.**"
        )
    at = f" at step {observation.step}" if observation.step is not None else ""
    if finding.verdict in _STANDS:
        return f"**The freeze is {what} in {phase}{at}.**"
    return f"**No run stood still: what stops it is {what} in {phase}{at}.**"


def _article(verdict: Verdict) -> str:
    return "an" if str(verdict)[0] in "aeiou" else "a"


def _of_finding(analysis: Analysis, finding: Finding, runs: Runs) -> str:
    """Who is struck, by what, why, and what it does not depend on."""
    struck = [result for result in finding.results if in_design(result)] or list(finding.results)
    example = struck[0].observation
    seen = [runs.of(result) for result in struck]
    cells = _cells(analysis, finding, len(struck))
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
            f"{cells} the run ends by {_article(finding.verdict)} {md.code(finding.verdict)} in {first}"
            f"{md.code(example.phase or 'an unknown phase')}, at step {example.step}: "
            f"{md.code(_first_line(example.exception))}, from {where}{library}{because}."
        )
    else:
        sentence = f"{cells} the verdict is {md.code(finding.verdict)}, in {where}{library}{because}."
    idle = irrelevant(analysis, finding)
    if idle:
        names = wording.listed([f"{md.code(name)} ({wording.count(pairs, 'pair')})" for name, pairs in idle], "or")
        neither = "Neither " if len(idle) > 1 else ""
        blamed = wording.listed([md.code(name) for name, _ in idle], "nor")
        verb = "is the cause" if neither else "is not the cause"
        sentence += f" {neither}{blamed} {verb}: cells that differ only in {names} end alike, every one."
    return sentence


def _really_changes(analysis: Analysis, finding: Finding, runs: Runs) -> str:
    """What the level that tells these runs from the others changes inside the training, if it is little."""
    levels = who(analysis, finding)
    if levels is None or len(levels) != 1:
        return ""
    (factor, level), *_ = levels.items()
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


def _cells(analysis: Analysis, finding: Finding, number: int) -> str:
    """``In all 6 cells that ran with adapter=off, and only in those,`` and the like."""
    levels = who(analysis, finding)
    in_all = sum(in_design(result) for result in analysis.ran)
    if levels is None:
        return f"In {number} of the {in_all} cells that ran"
    if not levels:
        return "In the one cell that ran" if in_all == 1 else f"In all {in_all} cells that ran"
    named = wording.listed([md.code(f"{name}={level}") for name, level in levels.items()])
    if number == 1:
        return f"In the one cell that ran with {named}, and only there,"
    return f"In all {number} cells that ran with {named}, and only in those,"


def _of_extras(analysis: Analysis) -> Iterator[str]:
    for result in analysis.ran:
        if not in_design(result):
            observation = result.observation
            what = md.code(observation.verdict)
            if observation.exception:
                what += f" ({md.code(_first_line(observation.exception))}, at step {observation.step})"
            yield f"The extra cell {md.code(_label(analysis, result))} ends as {what}."


def _not_run(analysis: Analysis) -> Iterator[str]:
    not_run = Counter(result.observation.headline for result in analysis.results if not result.ran)
    for headline, number in not_run.most_common():
        yield f"{wording.count(number, 'cell')} did not run: {md.text(headline)}."
    if analysis.missing:
        yield f"{wording.count(analysis.missing, 'trial')} of the plan are still to be run."


def _first_line(message: str) -> str:
    lines = message.strip().splitlines()
    return lines[0].rstrip(": ") if lines else ""


def _label(analysis: Analysis, result: Result) -> str:
    """The trial's label without the levels that all trials that ran have in common."""
    ran = analysis.ran or analysis.results
    common = {
        f"{name}={level}"
        for name, level in ran[0].trial.cell.levels.items()
        if all(other.trial.cell.levels.get(name) == level for other in ran)
    }
    words = [word for word in result.trial.label.split(" ") if word not in common]
    return " ".join(words) or result.trial.label


# What was run


def _what_was_run(analysis: Analysis) -> str:
    plan = analysis.plan
    rows = [(md.code(name), ", ".join(md.code(level) for level in levels)) for name, levels in plan.factors.items()]
    sets = {cell.versions.name: cell.versions for cell in plan.cells}
    lines = [
        f"{wording.count(len(plan.cells), 'cell')} in all: every combination of the levels below"
        + (f", and {wording.count(extra, 'extra cell')}" if (extra := _n_extra(analysis)) else "")
        + f". Each ran as a process of its own, in an environment of its own, with {plan.run.threads_per_cell} "
        + f"thread{'s' if plan.run.threads_per_cell != 1 else ''}, for at most {plan.run.limit_s:g} s.",
        md.table(("factor", "levels"), rows),
        md.table(
            ("library set", "Python", "requirements"),
            [
                (md.code(name), md.text(versions.python), ", ".join(md.code(r) for r in versions.requirements))
                for name, versions in sets.items()
            ],
        ),
    ]
    extras = [cell for cell in plan.cells if cell.why is not None]
    if extras:
        lines.append(
            md.table(("extra cell", "why"), [(md.code(cell.label), md.text(cell.why or "—")) for cell in extras])
        )
    walls = [result.observation.wall_s for result in analysis.ran if result.observation.wall_s]
    if walls:
        lines.append(f"The cells took {sum(walls):.0f} s together, {max(walls):.0f} s the longest.")
    return "\n\n".join(lines)


def _n_extra(analysis: Analysis) -> int:
    return sum(cell.why is not None for cell in analysis.plan.cells)


def _matrix(analysis: Analysis) -> str:
    factors = list(analysis.plan.factors)
    rows = []
    for result in analysis.results:
        observation = result.observation
        levels = [md.code(result.trial.cell.levels[name]) for name in factors]
        if not in_design(result):
            levels[0] = f"*extra:* {md.code(result.trial.cell.label)}"
            levels[1:] = ["" for _ in levels[1:]]
        what = f"**{observation.verdict}**" if observation.verdict else md.text(observation.headline)
        rows.append(
            (
                *levels,
                what,
                md.text(observation.phase or "—"),
                str(observation.step) if observation.step is not None else "—",
                md.code(observation.culprit) if observation.culprit else "—",
                wording.seconds(observation.wall_s),
            )
        )
    header = (*map(md.code, factors), "verdict", "phase", "step", "culprit", "took")
    return md.table(header, rows, numeric=(len(factors) + 2, len(factors) + 4))


def _effects(analysis: Analysis) -> str:
    rows = []
    for effect in analysis.factors:
        counts = "; ".join(
            f"{md.code(level)}: " + ", ".join(f"{number} {verdict}" for verdict, number in by_verdict.items())
            for level, by_verdict in effect.counts.items()
        )
        pairs = f"{effect.changed} of {len(effect.pairs)}" if effect.pairs else "—"
        p_value = f"{effect.p_value:.2g}" if effect.p_value is not None else "—"
        rows.append((md.code(effect.factor), counts or "—", pairs, p_value))
    table = md.table(
        ("factor", "verdicts of the design's cells that ran", "pairs that end differently", "Fisher's exact p"),
        rows,
        numeric=(2, 3),
    )
    return table + (
        "\n\nA pair is two runs that differ in this factor only. Fisher's exact test asks whether level and verdict "
        "could be unrelated; it is left out where fewer than two levels of the design ran."
    )


def _set_up(analysis: Analysis, runs: Runs) -> Iterator[str]:
    """What a level that changes the outcome really changes."""
    started = False
    for effect in analysis.factors:
        if effect.changed == 0:
            continue
        for first, second, changes in set_up_changes(analysis, runs, effect.factor):
            if not changes:
                continue
            if not started:
                yield "### What these levels change inside the training"
                yield "Read from the model by the probe when `learn` began; what differs in every such pair:"
                started = True
            yield md.table(
                (md.code(effect.factor), f"at {md.code(first)}", f"at {md.code(second)}"),
                [(md.code(name), md.code(one), md.code(other)) for name, one, other in changes],
            )


# The findings


def _findings(analysis: Analysis, runs: Runs) -> Iterator[str]:
    yield "## Findings"
    for number, finding in enumerate(_ordered(analysis), 1):
        seen = [runs.of(result) for result in finding.results]
        yield f"### {number}. {md.text(finding.signature)}"
        yield (
            f"{wording.count(len(seen), 'run')}: " + ", ".join(md.code(_label(analysis, r.result)) for r in seen) + "."
        )
        if not finding.verdict.is_failure:
            yield from _pace_table(analysis, seen)
            continue
        cause = causes.by_id(finding.results[0].observation.cause)
        if cause is not None:
            yield from _why(cause)
        yield from _pace_table(analysis, seen)
        yield from _best_evidence(analysis, seen)


def _why(cause: Cause) -> Iterator[str]:
    yield f"**Why:** {cause.explanation}"
    yield f"**What helps:** {cause.advice} (<{cause.reference}>)"


def _pace_table(analysis: Analysis, seen: list[Run]) -> Iterator[str]:
    rows = [
        (
            md.code(_label(analysis, run.result)),
            str(item["step"]),
            wording.seconds(item["collect_s"]),
            wording.seconds(item["train_s"]),
            f"{item['train_s'] / item['collect_s']:.1f}",
        )
        for run in seen
        for item in iterations([run])
    ]
    if rows:
        yield "Rollouts and the updates after them, side by side:"
        table = md.table(("run", "at step", "rollout", "update", "ratio"), rows, numeric=range(1, 5))
        yield table if len(rows) <= _MAX_ROWS else md.fold(f"{len(rows)} iterations", table)


def _best_evidence(analysis: Analysis, seen: list[Run]) -> Iterator[str]:
    """One run's evidence in full: the one whose verdict is surest."""
    known = [run for run in seen if run.diagnosis is not None]
    if not known:
        yield "(The folders of these runs are gone: no evidence can be shown.)"
        return
    best = max(known, key=lambda run: run.diagnosis.confidence if run.diagnosis else 0.0)
    diagnosis = best.diagnosis
    assert diagnosis is not None  # noqa: S101 - filtered above
    yield f"Evidence, from {md.code(_label(analysis, best.result))} (confidence {diagnosis.confidence:.2f}):"
    yield "\n".join(f"- {md.text(item.says)}" for item in diagnosis.evidence)
    yield from _samples(best)
    phases = diagnosis.timing.phases
    if phases:
        yield "Phase times of that run (inner phases included):"
        yield md.table(
            ("phase", "times", "in all", "longest"),
            [
                (name, f"{total['count']:.0f}", wording.seconds(total["total_s"]), wording.seconds(total["max_s"]))
                for name, total in sorted(phases.items(), key=lambda row: -row[1]["total_s"])
            ],
            numeric=range(1, 4),
        )
    yield from run_markdown.stacks(diagnosis.evidence)
    runner_up = diagnosis.alternatives[0] if diagnosis.alternatives else None
    if runner_up is not None:
        yield f"Why not {md.code(runner_up.verdict)}: {md.text(runner_up.why_not)}."


def _samples(run: Run) -> Iterator[str]:
    """Where the samples of the profile fall."""
    samples = run.detail("samples")
    rows = samples.get("rows")
    if not rows:
        return
    yield f"Where {samples['samples']} samples below {md.code(samples['below'])} fall (a function with all it calls):"
    yield md.table(
        ("function", "share"),
        [(md.code(f"{row['function']} ({row['place']})"), wording.percent(row["share"])) for row in rows],
        numeric=(1,),
    )
    if samples.get("stack"):
        yield md.fold("The stack that was sampled most often, outermost first", md.block("\n".join(samples["stack"])))


# The claims and the way back


def _claims(analysis: Analysis) -> Iterator[str]:
    if not analysis.claims:
        return
    yield "## The original report's claims"
    yield md.table(
        ("claim", "outcome", "what shows it", "cells"),
        [
            (
                md.text(item.claim.says),
                f"**{item.outcome}**",
                md.text(item.sentence),
                ", ".join(md.code(label) for label in item.cells) or "—",
            )
            for item in analysis.claims
        ],
    )


def _by_hand(analysis: Analysis, runs: Runs) -> str:
    shown: list[Result] = [finding.results[0] for finding in _ordered(analysis)]
    if not shown:
        return "No cell ran."
    parts = ["One cell of each finding, under the probes; without `freezelab run --` it trains as it is."]
    for result in shown:
        diagnosis = runs.of(result).diagnosis
        if diagnosis is not None:
            command = shlex.join(("freezelab", "run", "--", *diagnosis.command))
            parts.append(f"{md.text(result.observation.signature or '')}:")
            parts.append(md.block(command, "sh"))
    return "\n\n".join(parts)
