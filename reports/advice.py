"""What to do now, in a sentence or two: for who has no time to read on."""

from __future__ import annotations

import re
from collections.abc import Mapping

from probes import causes
from probes.diagnosis import Diagnosis
from probes.verdicts import Verdict
from reports import markdown as md
from reports import wording

_SENTENCE = re.compile(r"(?<=[.!?]) (?=[A-Z`])")

_BY_VERDICT: Mapping[Verdict, str] = {
    Verdict.HEALTHY: "Nothing: it makes progress at its own pace.",
    Verdict.SLOW_PHASE: "Wait: it works on, and goes on by itself. If it takes too long, look at {place}.",
    Verdict.SLOWDOWN: "Stop it before it gets slower still, and look for what grows in {place}.",
    Verdict.SPIN: "Stop it: it will not go on by itself. Look at the loop in {place}.",
    Verdict.DEADLOCK: "Stop it: it will not go on by itself. Look at what {place} waits for, and who holds it.",
    Verdict.BLOCKED: "See to what is at the other end of {place}: it goes on only when that answers.",
    Verdict.CRASH: (
        "Start it again from your last checkpoint; `freezelab run --heap-check` narrows down what broke in {place}."
    ),
    Verdict.EXCEPTION: (
        "Read the error, and mend what {place} was given; then start it again from your last checkpoint."
    ),
    Verdict.OOM: "Give it less to hold (fewer environments, a smaller buffer, shorter rollouts), or more memory.",
    Verdict.CORRUPTION: "Do not trust what was learnt since: mend {place}, and go on from a checkpoint that is older.",
    Verdict.EXIT_HANG: "Training is over: make sure that the model is saved, then end the process; look at {place}.",
}


def what_now(diagnosis: Diagnosis) -> str:
    """Markdown: what its known cause calls for, or else its verdict, and the remedy to try if there is one."""
    cause = causes.by_id(diagnosis.cause)
    if cause is not None:
        told = _SENTENCE.split(cause.advice, maxsplit=1)[0]
    else:
        place = md.code(wording.place(diagnosis.culprit)) if diagnosis.culprit else "the place where it stood"
        told = _BY_VERDICT[diagnosis.verdict].format(place=place)
    if diagnosis.remedies:
        best = max(diagnosis.remedies, key=lambda item: (item.verified, item.ratio or 0.0))
        gain = f", which made it {best.ratio:.1f} times as fast here" if best.verified and best.ratio else ""
        told += f" To get it moving, run it with `--remedy {best.id}`{gain}."
    return told
