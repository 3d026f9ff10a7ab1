"""What it is and what to do now, in a sentence each: for who has no time to read on."""

from __future__ import annotations

import re
from collections.abc import Mapping

from probes import causes
from probes.diagnosis import Diagnosis
from probes.verdicts import Verdict
from reports import markdown as md
from reports import wording

_SENTENCE = re.compile(r"(?<=[.!?]) (?=[A-Z`])")

_DOING: Mapping[str | None, str] = {
    "setup": "getting ready to train",
    "collect": "collecting experience",
    "advantage": "computing advantages",
    "train": "updating the policy",
    "callback": "a callback",
    "eval": "an evaluation",
    "save": "saving",
    "exit": "ending",
}
"""What a phase is to who watches a progress bar."""
_UNKNOWN_DOING = "what it does"

_IS: Mapping[Verdict, str] = {
    Verdict.HEALTHY: "Your training is healthy: it moves at its own pace.",
    Verdict.SLOW_PHASE: "Your training is not stuck, it is slow: {doing} takes long{where}, and nothing shows it.",
    Verdict.SLOWDOWN: "Your training is not stuck, but {doing} takes longer and longer.",
    Verdict.SPIN: "Your training is stuck{where}: it computes and computes, and gets nowhere.",
    Verdict.DEADLOCK: "Your training is stuck for good{where}: it waits for something that can never come.",
    Verdict.BLOCKED: "Your training stands still{where}: it waits for something outside of it that does not come.",
    Verdict.CRASH: "Your training crashed{where}: native code broke, and the system ended the process.",
    Verdict.EXCEPTION: "Your training stopped{where} because of an error in Python.",
    Verdict.OOM: "Your training ran out of memory{where}.",
    Verdict.CORRUPTION: "Your training data was spoilt{where}: what is learnt from it is not to be trusted.",
    Verdict.EXIT_HANG: "Your training is done; only its process does not end.",
}

_STOP = "Stop it: it will not go on by itself."

_DO: Mapping[Verdict, str] = {
    Verdict.HEALTHY: "Nothing.",
    Verdict.SLOW_PHASE: "Wait: it goes on by itself. If that takes too long, look at {place}.",
    Verdict.SLOWDOWN: "Stop it before it gets slower still, and look for what grows in {place}.",
    Verdict.SPIN: f"{_STOP} Look at the loop in {{place}}.",
    Verdict.DEADLOCK: f"{_STOP} Look at what {{place}} waits for, and why nobody gives it.",
    Verdict.BLOCKED: "See to what is at the other end of {place}: it goes on only when that answers.",
    Verdict.CRASH: (
        "Start it again from your last checkpoint; `freezelab run --heap-check` narrows down what broke in {place}."
    ),
    Verdict.EXCEPTION: (
        "Read the error, and mend what {place} was given; then start it again from your last checkpoint."
    ),
    Verdict.OOM: "Give it less to hold (fewer environments, a smaller buffer, shorter rollouts), or more memory.",
    Verdict.CORRUPTION: "Stop it, mend {place}, and go on from a checkpoint that is older than the damage.",
    Verdict.EXIT_HANG: "Make sure that the model is saved, then end the process; look at {place}.",
}

_DO_SOMEWHERE: Mapping[Verdict, str] = {
    Verdict.CRASH: "Start it again from your last checkpoint; `freezelab run --heap-check` narrows down what broke.",
    Verdict.EXCEPTION: "Read the error and mend what led to it; then start it again from your last checkpoint.",
    Verdict.CORRUPTION: (
        "Stop it, find what writes into the data that is named here, and go on from a checkpoint that is older than "
        "the damage."
    ),
}
"""Where no function could be named."""

_FASTER = (Verdict.HEALTHY, Verdict.SLOW_PHASE, Verdict.SLOWDOWN)
"""What moves already: a remedy makes it quicker, and frees it from nothing."""


def what_it_is(diagnosis: Diagnosis) -> str:
    """Plain text: what befell the run, in words that need no knowledge of its insides."""
    doing = _DOING.get(diagnosis.phase, diagnosis.phase or _UNKNOWN_DOING)
    at = f" at step {diagnosis.step}" if diagnosis.step is not None else ""
    process = diagnosis.culprit.process if diagnosis.culprit is not None else "main"
    inside = f" in {process}" if process != "main" else ""
    return _IS[diagnosis.verdict].format(doing=doing, where=at + inside)


def what_now(diagnosis: Diagnosis) -> str:
    """Markdown: what its known cause calls for, or else its verdict, and the remedy to try if there is one."""
    cause = causes.by_id(diagnosis.cause)
    if cause is not None:
        first = _SENTENCE.split(cause.advice, maxsplit=1)[0]
        told = f"{_STOP} {first}" if diagnosis.verdict in (Verdict.SPIN, Verdict.DEADLOCK) else first
    elif diagnosis.culprit is not None:
        told = _DO[diagnosis.verdict].format(place=md.code(wording.place(diagnosis.culprit)))
    else:
        place = "the place where it stood"
        told = _DO_SOMEWHERE.get(diagnosis.verdict, _DO[diagnosis.verdict]).format(place=place)
    if diagnosis.remedies:
        best = max(diagnosis.remedies, key=lambda item: (item.verified, item.ratio or 0.0))
        gain = f", which made it {best.ratio:.1f} times as fast here" if best.verified and best.ratio else ""
        aim = "make it faster" if diagnosis.verdict in _FASTER else "get it moving"
        told += f" To {aim}, run it with {md.code(f'--remedy {best.id}')}{gain}."
    return told
