"""From a judgement to a diagnosis: phase, step, culprit, known cause, and the sentence that says it all."""

from __future__ import annotations

from collections.abc import Sequence

from probes import causes, code, culprit, environment, evidence
from probes.causes import Cause, Finding
from probes.diagnosis import Culprit, Diagnosis, Evidence, Signal, Timing
from probes.evidence import Ending
from probes.judge import Judgement, judge
from probes.observer import Observations
from probes.progress import Progress, top_phase
from probes.tracebacks import first_line
from probes.verdicts import Verdict
from probes.waited_for import waited_for


def diagnose(
    command: Sequence[str],
    seen: Observations,
    progress: Progress,
    ending: Ending | None,
    now_ns: int,
    artifacts: dict[str, str],
) -> Diagnosis:
    """
    Judges all that was seen.

    :param ending: None while the command still runs.
    """
    judgement = judge(evidence.collect(seen, progress, ending))
    details = {item.kind: item.detail for item in judgement.evidence}
    recording = progress.recording
    facts = (recording.text("facts") if recording else None) or {}
    blamed = culprit.find(judgement.verdict, judgement.evidence, seen, progress)
    phase, step = _where(judgement, details, seen, progress)
    surroundings = environment.describe(facts, seen.samples[-1].gpus if seen.samples else None)
    known = {**facts, "wsl": True} if surroundings["wsl"] else facts
    cause = causes.recognise(Finding(judgement.verdict, phase, blamed, details, known))
    death = details.get("ended-by-signal") or details.get("worker-killed")
    heap_message = details.get("heap-message", {}).get("message")
    state = progress.state
    suspected = seen.suspected_ns
    return Diagnosis(
        verdict=judgement.verdict,
        confidence=round(judgement.confidence, 4),
        summary=_summary(judgement, details, phase, step, blamed, cause, progress),
        command=tuple(command),
        timing=Timing(
            observed_s=round(seen.at_s(now_ns), 3),
            detected_after_s=round(seen.at_s(suspected), 3) if suspected is not None else None,
            phases={
                name: {
                    "count": total.count,
                    "total_s": round(total.total_s, 4),
                    "max_s": round(total.max_s, 4),
                }
                for name, total in (state.phases.items() if state else ())
            },
            iterations=_iterations(progress, details),
        ),
        phase=phase,
        step=step,
        culprit=blamed,
        cause=cause.id if cause else None,
        evidence=judgement.evidence,
        alternatives=judgement.alternatives,
        signal=Signal(death["signal"], heap_message) if death else None,
        environment={
            **surroundings,
            "training": facts or None,
        },
        artifacts=artifacts,
    )


def _iterations(progress: Progress, details: dict[str, dict[str, object]]) -> tuple[dict[str, object], ...]:
    """What is known of each rollout and update; an update that an error ended did not take its time."""
    items = [item.to_json() for item in progress.iterations]
    error = _error(details) or {}
    phases = error.get("phases")
    if items and isinstance(phases, list) and "train" in phases:
        items[-1]["train_s"] = None
    return tuple(items)


def _where(
    judgement: Judgement, details: dict[str, dict[str, object]], seen: Observations, progress: Progress
) -> tuple[str | None, int | None]:
    """Phase and step that the verdict is about."""
    state = progress.state
    step = state.step if state else None
    if judgement.verdict is Verdict.SLOW_PHASE and "step-stands-still" in details:
        steps = details["step-stands-still"]["steps"]
        assert isinstance(steps, list)  # noqa: S101 - evidence's own figures
        return str(details["step-stands-still"]["phase"]), steps[0]
    if judgement.verdict is Verdict.SLOW_PHASE:
        return _slow_phase(seen, progress), step
    if judgement.verdict is Verdict.SLOWDOWN:
        return str(details["ever-slower"]["phase"]), step
    if judgement.verdict is Verdict.CORRUPTION:
        found = culprit.first_corruption(judgement.evidence).detail
        return found["phase"] or top_phase(tuple(found["phases"])) or _outside(progress), found["step"]
    error = _error(details)
    if judgement.verdict in (Verdict.EXCEPTION, Verdict.OOM, Verdict.CRASH) and error is not None:
        phases, at_step = error["phases"], error["step"]
        assert isinstance(phases, list)  # noqa: S101
        assert isinstance(at_step, int)  # noqa: S101
        return top_phase(tuple(phases)) or _outside(progress), at_step if at_step >= 0 else step
    if judgement.verdict is Verdict.HEALTHY or state is None:
        return None, step
    if seen.looks and seen.looks[-1].state is not None:
        # As it stood: when a family is ended, one of it may go on for a moment because another is gone.
        state = seen.looks[-1].state
        return top_phase(state.path) or _outside(progress), state.step
    return top_phase(state.path) or _outside(progress), step


def _slow_phase(seen: Observations, progress: Progress) -> str | None:
    """The phase that nothing but its silence speaks of: the present one, else that of the longest standstill."""
    if seen.looks and seen.looks[-1].state is not None:
        return top_phase(seen.looks[-1].state.path)
    longest = max(progress.standstills, key=lambda item: item.lasted_s, default=None)
    return longest.phase if longest is not None else None


def _error(details: dict[str, dict[str, object]]) -> dict[str, object] | None:
    """The error that came out of the main process."""
    return details.get("uncaught-exception") or details.get("memory-error") or details.get("peer-error")


def _outside(progress: Progress) -> str:
    """Outside every phase: before learning it is ``setup``, after it ``exit``."""
    state = progress.state
    return "exit" if state is not None and "learn" in state.phases else "setup"


def _summary(
    judgement: Judgement,
    details: dict[str, dict[str, object]],
    phase: str | None,
    step: int | None,
    blamed: Culprit | None,
    cause: Cause | None,
    progress: Progress,
) -> str:
    at = f" at step {step}" if step is not None else ""
    within = f" in {phase}" if phase else ""
    by = f", in {blamed.function} ({code.place(blamed.file, blamed.line)})" if blamed else ""
    because = f", because {cause.title}" if cause else ""
    verdict = judgement.verdict
    worker = next((details[kind] for kind in evidence.WORKER_KINDS if kind in details), None)
    if worker is not None and verdict in (Verdict.EXCEPTION, Verdict.OOM, Verdict.CRASH):
        return f"{str(worker['process']).capitalize()} {worker['says']}{within}{at}{by}{because}."
    if verdict is Verdict.HEALTHY:
        if "unseen" in details or "no-agent" in details:
            return "Nothing speaks against a healthy run, but nothing could be seen of its progress."
        if progress.standstills:
            longest = max(progress.standstills, key=lambda item: item.lasted_s)
            return (
                f"The run is healthy: its step count stood still for up to {longest.lasted_s:.1f} s in "
                f"{longest.phase}, " + ("asleep by its own will." if "sleeps" in details else "but went on each time.")
            )
        return f"The run is healthy: it made progress all along{at and f', up to{at[3:]}'}."
    if verdict is Verdict.SLOW_PHASE:
        still = details.get("step-stands-still", {})
        if not still:
            return f"Not hung but slow{at}{by}{because}."
        longest_s = still.get("longest_s")
        lasted = f" for up to {longest_s:.1f} s" if isinstance(longest_s, float) else ""
        return f"Not hung but slow: the step count stands still{at}{lasted} while {phase} works on{by}{because}."
    if verdict is Verdict.SLOWDOWN:
        slower = details["ever-slower"]
        calls = slower["call_s"]
        assert isinstance(calls, list)  # noqa: S101 - evidence's own figures
        return (
            f"The run gets ever slower: a call of {slower['part']} takes {calls[-1] / calls[0]:.1f} times what it took "
            f"in the beginning{at}{by}{because}."
        )
    if verdict is Verdict.CORRUPTION:
        found = culprit.first_corruption(judgement.evidence)
        return f"The training data is corrupt{within}{at}{by}{because}: {found.says}."
    if verdict is Verdict.OOM and "oom-killed" in details:
        return f"The kernel killed the process for want of memory{within}{at}{because}."
    if verdict in (Verdict.EXCEPTION, Verdict.OOM):
        what = _first_line(judgement.evidence)
        if what is not None:
            return f"The run ended by {what}{within}{at}{by}{because}."
        number = details.get("ended-with-code", {}).get("exit_code", "an error")
        after = "after training" if phase == "exit" else f"before training was over{within}"
        return f"The program ended itself with exit code {number} and no traceback, {after}{at}{by}{because}."
    if verdict is Verdict.CRASH:
        name = details.get("ended-by-signal", {}).get("signal", "a signal")
        said = details.get("heap-message", {}).get("message")
        heap = (
            f" after the C library said {said!r}; where that was noticed need not be where it was caused"
            if said
            else ""
        )
        overflow = " with its stack full" if "stack-overflow" in details else ""
        return f"The process was killed by {name}{overflow}{within}{at}{by}{heap}{because}."
    what = _what(verdict, details)
    silence = details.get("silence", {}).get("silence_s")
    since = f", silent for {silence:.0f} s" if isinstance(silence, float) else ""
    # What nobody does, nobody does anywhere: the place is that of the run.
    comma = "," if verdict is Verdict.DEADLOCK and (within or at) else ""
    return f"The run is {what}{comma}{within}{at}{since}{by}{because}."


def _what(verdict: Verdict, details: dict[str, dict[str, object]]) -> str:
    """What a run that stands still is, and through whom."""
    cycle, dead = details.get("wait-cycle"), details.get("peer-is-dead")
    if verdict is Verdict.DEADLOCK and cycle is not None:
        processes = cycle["processes"]
        assert isinstance(processes, list)  # noqa: S101 - evidence's own names
        if len(set(processes)) == 1:
            return f"deadlocked: threads of {processes[0]} wait for each other"
        return f"deadlocked: {' and '.join(dict.fromkeys(processes))} wait for each other"
    if verdict is Verdict.BLOCKED and dead is not None:
        return f"blocked: it waits for ever on {dead['who']}, which {dead['says']}"
    # Whom it waits for: a worker, or one of its own threads.
    peer = details.get("waits-on-peer", {}).get("process")
    it = f"it waits on {peer}, which" if peer not in (None, "main") else "it"
    if verdict is Verdict.DEADLOCK and "waits-on-itself" in details:
        return f"deadlocked: {it} waits for what only it could give itself, with nobody left in it to do so"
    if verdict is Verdict.BLOCKED and details.get("waits-on-peer", {}).get("end") == "outside":
        return f"blocked: it waits on {details['waits-on-peer']['who']}, which is no part of it"
    if verdict is Verdict.BLOCKED and "stopped" in details:
        return f"blocked: {it} is stopped"
    if verdict is Verdict.BLOCKED and "sleeps-long" in details:
        wait = details["sleeps-long"]["wait"]
        left_s = wait["wakes_in_s"] if isinstance(wait, dict) else None
        return f"blocked: {it} sleeps" + (f", for another {left_s:.0f} s" if left_s is not None else "")
    if verdict is Verdict.SPIN and "naps-in-a-loop" in details:
        return f"spinning: {it} sleeps and starts over again and again without a single event of progress"
    return {
        Verdict.DEADLOCK: f"deadlocked: {it} waits {_waited_for(details)}",
        Verdict.BLOCKED: f"blocked: {it} waits on something outside itself",
        Verdict.SPIN: f"spinning: {it} burns CPU without a single event of progress",
        Verdict.EXIT_HANG: "trained to the end, but the process does not exit",
    }[verdict]


def _waited_for(details: dict[str, dict[str, object]]) -> str:
    stack = next((details[kind] for kind in ("stack-still", "stack-in-place") if kind in details), {})
    frames = stack.get("frames")
    return waited_for(frames if isinstance(frames, list) else ())


def _first_line(items: Sequence[Evidence]) -> str | None:
    for item in items:
        if item.kind in ("uncaught-exception", "memory-error"):
            kind, first = str(item.detail["type"]), first_line(str(item.detail["message"]))
            if kind in ("SystemExit", "os._exit"):
                return f"its own {'sys.exit' if kind == 'SystemExit' else kind}({first})"
            return f"{kind}: {first}" if first else kind
    return None
