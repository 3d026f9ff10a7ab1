"""
From observations to evidence: each function here looks at one thing and says what it saw, or nothing.

What an observation speaks for is not decided here but in :mod:`probes.judge`.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from probes import code, heap, procfs
from probes.observer import Look, Observations
from probes.profile import Profile, Share
from probes.progress import Progress
from probes.stacks import Frame

MIN_LOOP_CALLS = 16
"""A module that runs so many times in one minibatch, called from one place, is run step by step."""
_BURNING = 0.5
"""Cores in use from which on the family counts as burning CPU."""
_FLAT = 0.03
_MIN_SHOWN_SHARE = 0.05
_MAX_SHOWN_SHARES = 10
PHASE_FUNCTIONS = {"train": "train", "collect": "collect_rollouts", "eval": "evaluate_policy", "callback": "on_step"}
"""The function of the library's that a phase is the time of."""
_LOCK_WAITS = ("futex",)
_OUTSIDE_WAITS = (
    "pipe_",
    "unix_stream",
    "wait_woken",
    "sk_wait",
    "inet_csk",
    "locks_lock",
    "do_wait",
    "tty",
    "fifo",
)
_SLEEPS = ("hrtimer_nanosleep", "do_nanosleep")


@dataclass(frozen=True)
class Ending:
    """How the command came to its end."""

    status: int
    """Exit code, or minus the signal."""
    by_us: str | None
    """Why FreezeLab ended it: ``limit``, ``freeze`` or ``interrupt``; None if it ended by itself."""
    after_s: float
    stderr_tail: str
    out_of_memory_kills: int | None
    """How many the kernel counted in our memory cgroup during the run; None if that can't be read."""


@dataclass(frozen=True)
class Observed:
    """One observation, not yet weighed."""

    kind: str
    at_s: float
    says: str
    detail: dict[str, Any]


def collect(seen: Observations, progress: Progress, ending: Ending | None) -> list[Observed]:
    """All that can be said of a run so far, in the order in which it is best read."""
    found: list[Observed] = []
    if ending is not None:
        found += _ending(ending, progress)
    found += _exception(seen, progress, ending)
    found += _deaths(seen)
    found += _standstills(seen, progress)
    found += _update_calls(seen, progress)
    found += _samples(seen, progress)
    # A run that came to its end by itself was silent on its way there, if at all: it did not hang.
    well = ending is not None and ending.by_us is None and ending.status == 0
    if not well:
        found += _silence(seen, progress)
    state = progress.state
    if state is None:
        found.append(
            Observed("unseen", 0.0, "the agent came into no process that trains: no progress could be seen", {})
        )
    elif state.events and (well or not seen.looks) and not progress.standstills:
        found.append(
            Observed(
                "steady",
                seen.at_s(state.last_event_ns),
                f"events came all along, {state.events} of them; the step count never stood still for long",
                {"events": state.events},
            )
        )
    found += [Observed("not-observed", 0.0, f"could not be observed: {reason}", {}) for reason in seen.failures]
    return found


def _ending(ending: Ending, progress: Progress) -> Iterator[Observed]:
    at = ending.after_s
    if ending.by_us is not None:
        reason = {
            "limit": "its time limit was over",
            "freeze": "the verdict was settled",
            "interrupt": "of Ctrl-C",
        }
        yield Observed(
            "ended-by-us", at, f"FreezeLab ended the run after {at:.1f} s because {reason[ending.by_us]}", {}
        )
        return
    if ending.status == 0:
        yield Observed("ended-well", at, f"the process ended by itself with exit code 0 after {at:.1f} s", {})
        return
    number = _signal_number(ending.status)
    if number is None:
        yield Observed(
            "ended-with-code",
            at,
            f"the process ended with exit code {ending.status}",
            {"exit_code": ending.status},
        )
        return
    name = procfs.signal_name(number)
    if name == "SIGKILL" and ending.out_of_memory_kills:
        yield Observed(
            "oom-killed",
            at,
            f"the kernel's out-of-memory killer ended it ({ending.out_of_memory_kills} kills)",
            {},
        )
        return
    yield Observed("ended-by-signal", at, f"the process was ended by {name}", {"signal": name})
    said = heap.message(ending.stderr_tail)
    if said is not None:
        yield Observed("heap-message", at, f"the C library said before it ended: {said!r}", {"message": said})


def _signal_number(status: int) -> int | None:
    """The signal behind an exit status, also one that a shell passed on as 128 + n; None for a plain code."""
    if status < 0:
        return -status
    fatal = (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGKILL)
    return status - 128 if status - 128 in fatal else None


def _exception(seen: Observations, progress: Progress, ending: Ending | None) -> Iterator[Observed]:
    if ending is None or ending.by_us is not None or ending.status == 0:
        return
    recording = progress.recording
    error = recording.text("exception") if recording is not None else None
    if error is None:
        error = _parse_traceback(ending.stderr_tail) if ending.status > 0 else None
    if error is None:
        return
    first_line = error["message"].strip().splitlines()[0][:300] if error["message"].strip() else ""
    place = " > ".join(error["phases"]) or "outside any phase"
    kind = "memory-error" if error["type"] in ("MemoryError", "OutOfMemoryError") else "uncaught-exception"
    yield Observed(kind, ending.after_s, f"{error['type']}: {first_line} (in {place})", error)


def _parse_traceback(text: str) -> dict[str, Any] | None:
    """The last traceback in what was printed, for a program in which the agent could not see it."""
    lines = text.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")]
    if not starts:
        return None
    frames = []
    for line in lines[starts[-1] + 1 :]:
        stripped = line.strip()
        if stripped.startswith('File "') and '", line ' in stripped:
            file, _, rest = stripped[6:].partition('", line ')
            number, _, function = rest.partition(", in ")
            frames.append({"function": function, "file": file, "line": int(number) if number.isdigit() else None})
        elif line and not line.startswith(" "):
            kind, _, message = line.partition(": ")
            return {
                "type": kind.rpartition(".")[2],
                "module": kind.rpartition(".")[0],
                "message": message,
                "phases": [],
                "step": -1,
                "frames": frames,
            }
    return None


def _deaths(seen: Observations) -> Iterator[Observed]:
    for death in seen.deaths:
        frames = [frame for frame in death.thread.frames if not code.is_ours(frame.file)]
        named = [frame for frame in frames if not frame.function.startswith("0x")]
        stack = " <- ".join(frame.short for frame in named[:8])
        yield Observed(
            "death-stack",
            seen.at_s(death.at_ns),
            f"at the point of death ({death.signal}) process {death.pid} stood in {stack}",
            {
                "signal": death.signal,
                "pid": death.pid,
                "frames": [[f.function, f.file, f.line] for f in frames[:60]],
            },
        )


def _standstills(seen: Observations, progress: Progress) -> Iterator[Observed]:
    known = [item for item in progress.standstills if item.events > 0]
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


def _listed(steps: list[int]) -> str:
    return ", ".join(map(str, steps[:4])) + (", ..." if len(steps) > 4 else "")


def _update_calls(seen: Observations, progress: Progress) -> Iterator[Observed]:
    """Does one function run a module over and over within a minibatch, and is that where the time goes?"""
    if not seen.censuses:
        return
    loops = [row for census in seen.censuses for row in census.get("rows", []) if _is_module_loop(row)]
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
        any((r["caller"], r["caller_file"]) == (caller, file) for r in census.get("rows", []) if _is_module_loop(r))
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


def _is_module_loop(row: dict[str, Any]) -> bool:
    """A torch module called again and again on one object, by code that is not torch's own."""
    return (
        row["calls"] >= MIN_LOOP_CALLS
        and "call_impl" in row["callee"]
        and not code.is_engine(row["caller_file"])
        and row["calls"] / max(row["caller_invocations"], 1) >= MIN_LOOP_CALLS / 2
    )


def _share_of(profile: Profile, function: str, file: str) -> Share | None:
    for row in profile.shares():
        if (row.function, row.file) == (function, file):
            return row
    return None


def _samples(seen: Observations, progress: Progress) -> Iterator[Observed]:
    """Where the samples of a standing-still phase fall."""
    known = [item for item in progress.standstills if item.events > 0]
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


def _silence(seen: Observations, progress: Progress) -> Iterator[Observed]:
    """What the looks at a family without events show, taken together."""
    looks = seen.looks
    if not looks:
        return
    last = looks[-1]
    at = seen.at_s(last.at_ns)
    where = "in " + " > ".join(last.state.path) if last.state and last.state.path else "outside any phase"
    usual_s = progress.usual_stay_s()
    usual = f"; the longest before was {usual_s:.2g} s" if usual_s else ""
    yield Observed(
        "silence",
        at,
        f"no event for {last.silence_s:.1f} s, {where}{usual}",
        {"silence_s": round(last.silence_s, 3), "path": list(last.state.path) if last.state else []},
    )
    if last.state is not None and last.state.exit_ns:
        shutting_s = max(last.at_ns - last.state.exit_ns, 0) / 1e9
        yield Observed(
            "trained-but-stays",
            at,
            f"the program came to its end, but the process has not exited for {shutting_s:.1f} s",
            {"shutting_down_s": round(shutting_s, 3)},
        )
    elif last.state is not None and last.state.starting:
        yield Observed("starting-up", at, "training has not begun yet: how long that takes, nobody can tell", {})
    if len(looks) < 2:
        return
    first = looks[0]
    span_s = (last.at_ns - first.at_ns) / 1e9
    # What was started may be a launcher or a shell, which waits for the one that trains.
    pid = progress.recording.pid if progress.recording is not None else last.processes[0].pid if last.processes else 0
    running = _runs(looks, pid)
    if span_s >= 1.0:
        yield from _cpu(first, last, span_s, at, running=running)
    yield from _stack_motion(main_stacks(looks, pid), at, running=running)
    yield from _waits(looks, pid, at)


def _runs(looks: list[Look], pid: int) -> bool:
    """Whether the main thread ran, or waited only for a core, whenever it was looked at."""
    mains = [process.main for look in looks for process in look.processes if process.pid == pid]
    states = [main.state for main in mains if main is not None]
    return bool(states) and all(state == "R" for state in states)


def _cpu(first: Look, last: Look, span_s: float, at: float, *, running: bool) -> Iterator[Observed]:
    before = {process.pid: process.cpu_s for process in first.processes}
    cores = sum(p.cpu_s - before[p.pid] for p in last.processes if p.pid in before) / span_s
    if cores >= _BURNING or (running and cores > _FLAT):
        # On a busy machine it gets less than it asks for.
        kind, says = "cpu-burning", "burnt"
    elif cores <= _FLAT:
        kind, says = "cpu-flat", "used"
    else:
        kind, says = "cpu-some", "used"
    yield Observed(
        kind,
        at,
        f"over {span_s:.1f} s of silence the process family {says} {cores:.2f} cores",
        {"cores": round(cores, 3)},
    )


def main_stacks(looks: list[Look], pid: int) -> list[tuple[Frame, ...]]:
    """The training process's main-thread stacks, innermost first, the agent's frames left out."""
    stacks = []
    for look in looks:
        taken = look.dumps.get(pid)
        thread = taken.main if taken is not None else None
        if thread is not None:
            stacks.append(tuple(frame for frame in thread.frames if not code.is_ours(frame.file)))
    return stacks


def _stack_motion(stacks: list[tuple[Frame, ...]], at: float, *, running: bool) -> Iterator[Observed]:
    if len(stacks) < 2:
        return
    lines = {tuple((f.function, f.file, f.line) for f in stack) for stack in stacks}
    functions = {tuple((f.function, f.file) for f in stack) for stack in stacks}
    top = stacks[-1][0].short if stacks[-1] else "an empty stack"
    detail = {"dumps": len(stacks), "frames": [[f.function, f.file, f.line] for f in stacks[-1][:40]]}
    if len(lines) == 1 and not running:
        yield Observed(
            "stack-still",
            at,
            f"{len(stacks)} stacks of the main thread are the same to the line: {top}",
            detail,
        )
    elif len(functions) == 1:
        yield Observed("stack-in-place", at, f"{len(stacks)} stacks of the main thread move within {top}", detail)
    else:
        yield Observed(
            "stack-moving",
            at,
            f"{len(stacks)} stacks of the main thread differ; the last is in {top}",
            detail,
        )


def _waits(looks: list[Look], pid_of_training: int, at: float) -> Iterator[Observed]:
    """What the main threads wait for, if it was the same at every look."""
    kinds: dict[int, set[str]] = {}
    texts: dict[int, str] = {}
    for look in looks:
        for process in look.processes:
            if process.main is None:
                continue
            kind, text = _wait_of(process, look)
            kinds.setdefault(process.pid, set()).add(kind)
            texts[process.pid] = text
    for pid, seen_kinds in kinds.items():
        if len(seen_kinds) == 1:
            kind = next(iter(seen_kinds))
            if kind != "runs" and (pid == pid_of_training or kind in ("waits-on-lock", "stopped")):
                yield Observed(kind, at, texts[pid], {"pid": pid})


def _wait_of(process: procfs.ProcessReading, look: Look) -> tuple[str, str]:
    main = process.main
    assert main is not None  # noqa: S101 - the caller has checked
    who = f"the main thread of process {process.pid}"
    taken = look.dumps.get(process.pid)
    top = taken.main.frames[0] if taken and taken.main and taken.main.frames else None
    in_call = f" in {top.short}" if top else ""
    if process.state == "T":
        return "stopped", f"process {process.pid} is stopped (SIGSTOP)"
    if main.state == "R" or main.wchan is None:
        return "runs", f"{who} runs{in_call}"
    if any(main.wchan.startswith(name) or name in main.wchan for name in _SLEEPS):
        return "sleeps", f"{who} sleeps on purpose ({main.wchan}){in_call}"
    if any(name in main.wchan for name in _LOCK_WAITS):
        return "waits-on-lock", f"{who} waits on a lock ({main.wchan}){in_call}"
    if any(name in main.wchan for name in _OUTSIDE_WAITS):
        return "waits-outside", f"{who} waits on something outside ({main.wchan}){in_call}"
    return "waits", f"{who} waits ({main.wchan}){in_call}"
