"""``report.md`` of a sweep: the conclusion in one paragraph, then everything it rests on."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from matrix.analysis import Analysis, Finding, Result
from matrix.parameters import Level
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
    failures = sorted(
        (finding for finding in analysis.findings if finding.verdict.is_failure),
        key=lambda finding: (not any(map(in_design, finding.results)), finding.verdict not in _STANDS),
    )
    sentences: list[str] = []
    if not analysis.ran:
        sentences.append("**No cell ran, so nothing can be said about the freeze.**")
    elif not failures:
        sentences.append(f"**All {len(analysis.ran)} cells that ran are healthy: no freeze was reproduced.**")
    else:
        sentences += _opening(analysis, failures, runs)
        for finding in failures:
            sentences += _of_finding(analysis, finding, runs)
        sentences += _of_extras(analysis)
    not_run = Counter(result.observation.headline for result in analysis.results if not result.ran)
    sentences += [
        f"{wording.count(number, 'cell')} did not run: {md.text(headline)}."
        for headline, number in not_run.most_common()
    ]
    if analysis.missing:
        sentences.append(f"{wording.count(analysis.missing, 'trial')} of the plan are still to be run.")
    return " ".join(sentences)


def _opening(analysis: Analysis, failures: list[Finding], runs: Runs) -> Iterator[str]:
    """The first sentence: what the freeze is."""
    main = failures[0]
    seen = [runs.of(result) for result in main.results]
    hung = [finding for finding in failures if finding.verdict in _HANGS]
    steps = stood_still_at(seen)
    observation = main.results[0].observation
    if main.verdict is Verdict.SLOW_PHASE and steps:
        again = " and at every multiple of it" if multiples(steps) and len(steps) > 1 else ""
        nothing = "" if hung else "nothing hangs: "
        yield (
            f"**The freeze is a {md.code(main.verdict)} in {md.code(observation.phase)}, at step {steps[0]}{again}: "
            f"{nothing}the step count stands still while the update works.**"
        )
    else:
        at = f" at step {observation.step}" if observation.step is not None else ""
        phase = md.code(observation.phase or "an unknown phase")
        what = f"{_article(main.verdict)} {md.code(main.verdict)} in {phase}{at}"
        if main.verdict in _STANDS:
            yield f"**The freeze is {what}.**"
        else:
            yield f"**No run stood still: what stops it is {what}.**"


def _article(verdict: Verdict) -> str:
    return "an" if str(verdict)[0] in "aeiou" else "a"


def _of_finding(analysis: Analysis, finding: Finding, runs: Runs) -> Iterator[str]:
    """Who is struck, by what, and why."""
    struck = [result for result in finding.results if in_design(result)]
    if not struck:
        return  # told among the extra cells
    example = struck[0].observation
    cells = _cells(analysis, finding, len(struck))
    seen = [runs.of(result) for result in struck]
    where = md.code(example.culprit) if example.culprit else "an unknown function"
    library = f" of {md.code(example.library)}" if example.library else ""
    if finding.verdict is Verdict.SLOW_PHASE:
        times = pace(seen)
        figures = (
            f": a rollout takes {wording.seconds(times.collect_s)}, the update after it "
            f"{wording.seconds(times.train_s)} (medians), {times.train_s / times.collect_s:.1f} times as long"
            if times
            else ""
        )
        yield f"{cells} it is {where}{library} that takes the time{figures}."
    elif example.exception is not None:
        yield (
            f"{cells} the run ends in {md.code(example.phase or 'an unknown phase')} at step {example.step} by "
            f"{md.code(_first_line(example.exception))}, from {where}{library}."
        )
    else:
        yield f"{cells} the verdict is {md.code(finding.verdict)}, in {where}{library}."
    cause = causes.by_id(example.cause)
    if cause is not None:
        yield f"The reason: {cause.title}."
    idle = irrelevant(analysis, finding)
    if idle:
        names = wording.listed([f"{md.code(name)} ({wording.count(pairs, 'pair')})" for name, pairs in idle])
        yield f"It is not {_by_factors(idle)}: cells that differ only in {names} end alike, every one."


def _cells(analysis: Analysis, finding: Finding, number: int) -> str:
    """``In the 6 cells with adapter=off`` and the like."""
    levels = who(analysis, finding)
    in_all = sum(in_design(result) for result in analysis.ran)
    if levels is None:
        return f"In {number} of the {in_all} cells that ran"
    if not levels:
        return f"In all {in_all} cells that ran"
    return f"In all {number} cells that ran with {_levels(levels)}, and only in those,"


def _levels(levels: dict[str, Level]) -> str:
    return wording.listed([md.code(f"{name}={level}") for name, level in levels.items()])


def _by_factors(idle: list[tuple[str, int]]) -> str:
    return wording.listed([md.code(name) for name, _ in idle], "or")


def _of_extras(analysis: Analysis) -> Iterator[str]:
    for result in analysis.ran:
        if not in_design(result):
            observation = result.observation
            what = md.code(observation.verdict)
            if observation.exception:
                what += f" ({md.code(_first_line(observation.exception))}, step {observation.step})"
            yield f"The extra cell {md.code(result.trial.cell.label)} ends as {what}."


def _first_line(message: str) -> str:
    lines = message.strip().splitlines()
    return lines[0].rstrip(": ") if lines else ""


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
    for number, finding in enumerate(analysis.findings, 1):
        seen = [runs.of(result) for result in finding.results]
        yield f"### {number}. {md.text(finding.signature)}"
        yield f"{wording.count(len(seen), 'run')}: " + ", ".join(md.code(r.result.trial.label) for r in seen) + "."
        if not finding.verdict.is_failure:
            yield from _pace_table(seen)
            continue
        cause = causes.by_id(finding.results[0].observation.cause)
        if cause is not None:
            yield from _why(cause)
        yield from _pace_table(seen)
        yield from _best_evidence(seen)


def _why(cause: Cause) -> Iterator[str]:
    yield f"**Why:** {cause.explanation}"
    yield f"**What helps:** {cause.advice} (<{cause.reference}>)"


def _pace_table(seen: list[Run]) -> Iterator[str]:
    rows = [
        (
            md.code(run.result.trial.label),
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


def _best_evidence(seen: list[Run]) -> Iterator[str]:
    """One run's evidence in full: the one whose verdict is surest."""
    known = [run for run in seen if run.diagnosis is not None]
    if not known:
        yield "(The folders of these runs are gone: no evidence can be shown.)"
        return
    best = max(known, key=lambda run: run.diagnosis.confidence if run.diagnosis else 0.0)
    diagnosis = best.diagnosis
    assert diagnosis is not None  # noqa: S101 - filtered above
    yield f"Evidence, from {md.code(best.result.trial.label)} (confidence {diagnosis.confidence:.2f}):"
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
    shown: list[Result] = [finding.results[0] for finding in analysis.findings]
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
