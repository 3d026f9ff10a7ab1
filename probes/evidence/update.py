"""A step count that stands still while events go on: for how long, in which phase, and where the time goes."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from probes import code
from probes.census import module_loops
from probes.evidence.observed import Observed
from probes.observer import Observations
from probes.profile import Profile, Share
from probes.progress import Progress

_MIN_SHOWN_SHARE = 0.05
_MAX_SHOWN_SHARES = 10
PHASE_FUNCTIONS = {"train": "train", "collect": "collect_rollouts", "eval": "evaluate_policy", "callback": "on_step"}
"""The function of the library's that a phase is the time of."""


def standstills(seen: Observations, progress: Progress) -> Iterator[Observed]:
    known = [item for item in progress.standstills if item.moved]
    if not known:
        return
    longest = max(known, key=lambda item: item.lasted_s)
    interval_s = progress.step_interval_s()
    steps = [item.step for item in known]
    pace = f"; between two steps it usually takes {interval_s * 1e3:.2g} ms" if interval_s else ""
    times = "once" if len(known) == 1 else f"{len(known)} times"
    phase = longest.phase
    yield Observed(
        "step-stands-still",
        seen.at_s(known[0].since_ns),
        f"the visible step count stood still {times}, at {_listed(steps)}, for up to {longest.lasted_s:.1f} s, "
        f"in {phase}, while {longest.events} events came from inside{pace}",
        {
            "phase": phase,
            "path": list(longest.path),
            "steps": steps,
            "longest_s": round(longest.lasted_s, 3),
            "events": longest.events,
            "step_interval_s": interval_s,
            "all": [{"step": s.step, "phase": s.phase, "lasted_s": round(s.lasted_s, 3)} for s in known],
        },
    )


_LONG_EPISODES = 10
"""So many times the mean length of the run's episodes so far: then one that goes on has no end, it seems."""
_MIN_STEPS = 500


def endless_episode(seen: Observations, progress: Progress) -> Iterator[Observed]:
    """An evaluation that takes step after step without ending an episode, in a run whose other episodes ended."""
    for still in progress.standstills:
        steps = still.after.steps - still.before.steps
        # By the count, in which each environment's step is one; that evaluations are reset, too, makes it shorter.
        usual = still.before.learnt / still.before.episodes if still.before.episodes else math.inf
        if still.phase != "eval" or still.after.episodes > still.before.episodes:
            continue
        if steps >= max(_MIN_STEPS, _LONG_EPISODES * usual):
            yield Observed(
                "episode-without-end",
                seen.at_s(still.since_ns),
                f"during the evaluation at step {still.step} {steps} steps were taken and no episode ended; "
                f"those before had {usual:.0f} steps on average",
                {"step": still.step, "steps": steps, "usual_steps": round(usual, 1)},
            )
            return


_LITTLE_USED = 0.25
_SUBNORMAL = 0.03
_MANY_STEPS = 8
"""Gradient steps for one step of the environment: what is published stays at or below that."""


def padding(seen: Observations, progress: Progress) -> Iterator[Observed]:
    """How much of the minibatches is padding, where sequences of unlike length come together."""
    shares = [census["used_share"] for census in seen.censuses if isinstance(census.get("used_share"), float)]
    if not shares or statistics.median(shares) >= _LITTLE_USED:
        return
    used = statistics.median(shares)
    yield Observed(
        "padded-update",
        seen.at_s(progress.standstills[0].since_ns) if progress.standstills else 0.0,
        f"in {len(shares)} minibatches that were looked at, {used:.1%} of the rows are data and the rest is padding, "
        f"which is computed too: {1 / max(used, 1e-6):.0f} times the work",
        {"used_share": round(used, 4), "minibatches": len(shares)},
    )


def subnormals(seen: Observations, progress: Progress) -> Iterator[Observed]:
    """Numbers so small that the processor computes them many times as slowly as others."""
    shares = [c["subnormal_share"] for c in seen.censuses if isinstance(c.get("subnormal_share"), float)]
    if not shares or statistics.median(shares) < _SUBNORMAL:
        return
    yield Observed(
        "subnormal-numbers",
        seen.at_s(progress.standstills[0].since_ns) if progress.standstills else 0.0,
        f"{statistics.median(shares):.0%} of the numbers in weights, gradients and the optimizer's moments are "
        "subnormal (below 1.2e-38): a processor computes with such many times as slowly",
        {"share": round(statistics.median(shares), 4), "minibatches": len(shares)},
    )


def gradient_steps(seen: Observations, progress: Progress) -> Iterator[Observed]:
    """Off-policy: many more gradient steps in an update than the environment took steps before it."""
    recording = progress.recording
    facts = (recording.text("facts") if recording is not None else None) or {}
    settings = facts.get("hyperparameters") or {}
    steps, every = settings.get("gradient_steps"), settings.get("train_freq_steps")
    stills = [item for item in progress.standstills if item.phase == "train" and item.moved]
    if not stills or not isinstance(steps, int) or not isinstance(every, int) or steps < _MANY_STEPS * every > 0:
        return
    yield Observed(
        "many-gradient-steps",
        seen.at_s(stills[0].since_ns),
        f"each update makes {steps} gradient steps, and the environments take {every} steps between two updates",
        {"gradient_steps": steps, "train_freq_steps": every},
    )


def _listed(steps: list[int]) -> str:
    return ", ".join(map(str, steps[:4])) + (", ..." if len(steps) > 4 else "")


def update_calls(seen: Observations, progress: Progress) -> Iterator[Observed]:
    """Does one function run a module over and over within a minibatch, and is that where the time goes?"""
    if not seen.censuses:
        return
    loops = [row for census in seen.censuses for row in module_loops(census)]
    samples = Profile(tuple(s for profile in seen.profiles for s in profile.below("train").samples))
    at = seen.at_s(progress.standstills[0].since_ns) if progress.standstills else 0.0
    if not loops:
        yield Observed(
            "batched-update",
            at,
            f"in {len(seen.censuses)} minibatches whose calls were counted, no module ran step by step",
            {"minibatches_counted": len(seen.censuses)},
        )
        return
    (caller, file, owner), _ = Counter(
        {(row["caller"], row["caller_file"], row["owner"]): row["calls"] for row in loops}
    ).most_common(1)[0]
    calls = [row["calls"] for row in loops if (row["caller"], row["caller_file"]) == (caller, file)]
    counted = sum(
        any((row["caller"], row["caller_file"]) == (caller, file) for row in module_loops(census))
        for census in seen.censuses
    )
    guided = Profile(tuple(s for s in samples.samples if any(not code.is_engine(frame.file) for frame in s)))
    share = _share_of(samples, caller, file)
    guided_share = _share_of(guided, caller, file)
    line = share.line if share else next(row["caller_line"] for row in loops if row["caller"] == caller)
    says = (
        f"in {counted} of {len(seen.censuses)} minibatches whose calls were counted, {caller} "
        f"({code.place(file, line)}) called one and the same {owner} up to {max(calls)} times, step by step"
    )
    if share is not None and guided_share is not None:
        says += (
            f"; of {len(samples.samples)} samples in train {share.share:.0%} fall in it, and {guided_share.share:.0%} "
            "of those outside backward and optimizer, which repeat the same steps"
        )
    yield Observed(
        "module-loop" if guided_share is None or guided_share.share >= 0.5 else "minor-module-loop",
        at,
        says,
        {
            "function": caller,
            "file": file,
            "line": line,
            "owner": owner,
            "calls_in_a_minibatch": max(calls),
            "minibatches_with_loop": counted,
            "minibatches_counted": len(seen.censuses),
            "samples": len(samples.samples),
            "share": share.share if share else None,
            "share_outside_backward": guided_share.share if guided_share else None,
        },
    )


def _share_of(profile: Profile, function: str, file: str) -> Share | None:
    for row in profile.shares():
        if (row.function, row.file) == (function, file):
            return row
    return None


def samples(seen: Observations, progress: Progress) -> Iterator[Observed]:
    """Where the samples of a standing-still phase fall."""
    known = [item for item in progress.standstills if item.moved]
    samples = Profile(tuple(s for profile in seen.profiles for s in profile.samples))
    if not known or not samples.samples:
        return
    function = PHASE_FUNCTIONS.get(known[0].phase or "", "learn")
    below = samples.below(function)
    if not below.samples:
        return
    shares = below.shares()
    # Of a chain of calls with one and the same share, the innermost says most.
    innermost = [row for row, inner in pairwise(shares) if row.samples != inner.samples] + shares[-1:]
    rows = [row for row in innermost if row.share >= _MIN_SHOWN_SHARE][:_MAX_SHOWN_SHARES]
    stack, _ = Counter(
        tuple((frame.function, frame.file, frame.line) for frame in sample) for sample in below.samples
    ).most_common(1)[0]
    yield Observed(
        "samples",
        seen.at_s(known[0].since_ns),
        f"{len(below.samples)} samples were taken below {function}: "
        + ", ".join(f"{row.share:.0%} in {row.function}" for row in rows[:4]),
        {
            "below": function,
            "samples": len(below.samples),
            "rows": [
                {"function": row.function, "place": code.place(row.file, row.line), "share": round(row.share, 4)}
                for row in rows
            ],
            "stack": [f"{name}  {code.place(file, line)}" for name, file, line in stack],
        },
    )
