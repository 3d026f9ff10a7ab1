"""
The differential diagnosis: every verdict is scored by all the evidence, for and against, and the best one wins.

The scores are log-odds in nats, set by how often such an observation is made under one verdict and how often
under another; they are added up as in naive Bayes and turned into a confidence by softmax.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from probes.diagnosis import Alternative, Evidence
from probes.evidence import Observed
from probes.verdicts import Verdict

_H, _SLOW, _SPIN = Verdict.HEALTHY, Verdict.SLOW_PHASE, Verdict.SPIN
_DEAD, _BLOCK, _CRASH = Verdict.DEADLOCK, Verdict.BLOCKED, Verdict.CRASH
_EXC, _OOM, _HANG = Verdict.EXCEPTION, Verdict.OOM, Verdict.EXIT_HANG
_CORR, _DOWN = Verdict.CORRUPTION, Verdict.SLOWDOWN

PRIORS: dict[Verdict, float] = {
    _H: 0.0,
    _SLOW: -1.5,
    _DOWN: -3.0,
    _DEAD: -2.0,
    _SPIN: -2.5,
    _BLOCK: -2.5,
    _EXC: -2.5,
    _CRASH: -3.0,
    _HANG: -3.0,
    _OOM: -4.0,
    _CORR: -6.0,
}
"""Before any evidence."""

WEIGHTS: dict[str, dict[Verdict, float]] = {
    "ended-well": {
        _H: 3,
        _SLOW: 0.5,
        _DOWN: 0.5,
        _DEAD: -6,
        _SPIN: -6,
        _BLOCK: -6,
        _HANG: -6,
        _EXC: -6,
        _CRASH: -6,
        _OOM: -6,
    },
    "ended-with-code": {
        _EXC: 3,
        _H: -6,
        _DEAD: -4,
        _SPIN: -4,
        _BLOCK: -4,
        _HANG: -4,
        _CRASH: -3,
        _SLOW: -2,
        _DOWN: -6,
    },
    "ended-by-signal": {
        _CRASH: 6,
        _H: -6,
        _EXC: -4,
        _SLOW: -4,
        _DEAD: -4,
        _SPIN: -4,
        _BLOCK: -4,
        _HANG: -4,
        _DOWN: -6,
    },
    "ended-by-us": {_EXC: -6, _CRASH: -6, _OOM: -6},
    "oom-killed": {_OOM: 8, _H: -6, _CRASH: -2, _SLOW: -3, _DOWN: -6},
    "memory-error": {_OOM: 8, _H: -6, _EXC: -1, _SLOW: -3, _DOWN: -6},
    "uncaught-exception": {_EXC: 6, _H: -6, _CRASH: -3, _SLOW: -3, _DOWN: -6},
    "heap-message": {_CRASH: 3, _EXC: -2},
    # Helpers that abort say the same: it tells why a process ended, not that it was this one.
    "last-words": {},
    "broken-mapping": {_CRASH: 3, _EXC: -3},
    "death-stack": {_CRASH: 3, _EXC: -3},
    "steady": {_H: 2, _SLOW: -2, _DEAD: -3, _SPIN: -3, _BLOCK: -3},
    "step-stands-still": {_SLOW: 2, _H: -0.5, _DEAD: -3, _BLOCK: -3, _SPIN: -1},
    "stood-still-before": {},
    # Six stretches in order while another phase keeps its pace: hardly ever by chance. An end of any kind comes on top.
    "ever-slower": {_DOWN: 10, _H: -3, _SLOW: -2},
    "slow-part": {},
    "episode-without-end": {_SLOW: 2, _H: -2},
    "subnormal-numbers": {_SLOW: 6, _H: -3},
    "padded-update": {_SLOW: 4, _H: -2},
    # Against the batched update, which here only says that each of the many steps is a plain one.
    "many-gradient-steps": {_SLOW: 5, _H: -3},
    "module-loop": {_SLOW: 4, _H: -3},
    "minor-module-loop": {_SLOW: 0.5},
    "batched-update": {_H: 2.5, _SLOW: -2.5},
    "silence": {_DEAD: 1, _SPIN: 1, _BLOCK: 1, _HANG: 0.5, _H: -1.5, _SLOW: -1.5, _DOWN: -4},
    "cpu-flat": {_DEAD: 1, _BLOCK: 1, _SPIN: -3, _SLOW: -1},
    "cpu-some": {_SPIN: -0.5, _DEAD: -0.5},
    "helpers-starting": {_H: 4, _DEAD: -3, _BLOCK: -2},
    "cpu-burning": {_SPIN: 1.5, _DEAD: -1.5, _BLOCK: -2, _H: 0.5},
    "stack-still": {_DEAD: 1, _BLOCK: 1},
    "stack-in-place": {_SPIN: 1.5, _DEAD: -2, _BLOCK: -2},
    "stack-in-loop": {_SPIN: 1.5, _DEAD: -2, _BLOCK: -2},
    "stack-moving": {_SPIN: 0.5, _H: 0.5, _DEAD: -2, _BLOCK: -2},
    "waits-on-lock": {_DEAD: 2.5, _BLOCK: -1, _SPIN: -1, _H: -0.5},
    "waits-outside": {_BLOCK: 2.5, _DEAD: -1, _SPIN: -1, _H: -0.5},
    "stopped": {_BLOCK: 4, _DEAD: -2, _SPIN: -3},
    # It goes on, at the pace of the disk.
    "waits-for-disk": {_SLOW: 8, _SPIN: -5, _DEAD: -4, _BLOCK: -1, _H: -1},
    # Again and again, and most of the run in all: not hung, but nobody could have told.
    "silent-stretches": {_SLOW: 4.5, _H: -1},
    "sleeps": {_H: 3, _DEAD: -2, _BLOCK: -1.5, _SPIN: -1.5},
    # Read from the call itself: it will not go on for minutes, whoever meant that.
    "sleeps-long": {_BLOCK: 2.5, _DEAD: -2, _SPIN: -1.5, _H: -0.5},
    # A loop that tries again and again, with a pause between: it burns little, but nothing comes of it.
    "naps-in-a-loop": {_SPIN: 7.5, _DEAD: -3, _BLOCK: -1.5, _H: -0.5},
    "peer-sleeps": {_BLOCK: 2, _DEAD: -1, _SPIN: -2},
    "trained-but-stays": {_HANG: 7, _DEAD: -3, _BLOCK: -3, _SPIN: -3, _H: -2},
    "starting-up": {_H: 2, _SPIN: -2, _BLOCK: -1.5},
    # What a program does with its model afterwards has no marks.
    "trained": {_H: 2, _SPIN: -3, _BLOCK: -1.5},
    "unseen": {},
    "waits": {},
    "native-stack": {},
    # The driver asks again and again whether the GPU is done: the processor burns, but what is waited for is outside.
    "waits-for-gpu": {_BLOCK: 7, _SPIN: -3, _DEAD: -1},
    "stack-overflow": {_CRASH: 3, _EXC: -3},
    # What the machine was like explains a slowness; it does not tell one verdict from another.
    "cpu-throttled": {},
    "threads-exceed-cores": {},
    "torch-threads-far-exceed-cores": {_SLOW: 8, _H: -2},
    "memory-limit-near": {},
    "samples": {},
    "not-observed": {},
    "attached": {_H: -1},
    "no-agent": {},
    # Who waits for whom. What the one at the end of the chain does is told by the evidence above.
    "waits-on-peer": {},
    "wait-graph": {},
    "beside": {},
    "sleeper-may-end-it": {_H: 3, _DEAD: -2},
    "forked-waits-on-lock": {},
    "waits-for-a-while": {_DEAD: 1},
    "waits-on-itself": {_DEAD: 7, _BLOCK: -3, _SPIN: -3, _H: -3, _SLOW: -2},
    "peer-is-dead": {_BLOCK: 7, _DEAD: -3, _SPIN: -3, _H: -4, _SLOW: -3, _CRASH: -1, _HANG: -2, _DOWN: -6},
    "wait-cycle": {_DEAD: 6, _BLOCK: -2, _SPIN: -3, _H: -4, _SLOW: -3, _DOWN: -6},
    "gil-held": {_DEAD: 0.5, _BLOCK: 0.5, _H: -0.5},
    # A worker's end, and what the parent saw of it.
    "worker-raised": {_EXC: 6, _H: -6, _CRASH: -3, _SLOW: -3, _BLOCK: -3, _DOWN: -6},
    "worker-exited": {_EXC: 5, _H: -6, _CRASH: -2, _SLOW: -3, _BLOCK: -3, _DOWN: -6},
    "worker-killed": {_CRASH: 9, _EXC: -4, _H: -6, _SLOW: -4, _BLOCK: -3, _DOWN: -6},
    "worker-out-of-memory": {_OOM: 10, _H: -6, _CRASH: -2, _EXC: -3, _SLOW: -4},
    "peer-error": {_H: -6},
    # The checks of the training data are silent in doubt, so each finding settles it: an error, a signal or a good
    # end that follows is what the corruption led to.
    "aliased-observation": {_CORR: 22, _H: -6},
    "buffer-changed": {_CORR: 22, _H: -6},
    "semantic-mismatch": {_CORR: 22, _H: -6},
    "non-finite": {_CORR: 22, _H: -6},
    "non-finite-input": {},
}


@dataclass(frozen=True)
class Judgement:
    """The outcome of weighing."""

    verdict: Verdict
    confidence: float
    """0..1: the winner's share of the odds."""
    lead: float
    """Log-odds between the winner and the runner-up."""
    evidence: tuple[Evidence, ...]
    alternatives: tuple[Alternative, ...]


def judge(observed: Sequence[Observed]) -> Judgement:
    """Weighs all observations against each other."""
    evidence = tuple(_weigh(item) for item in observed)
    scores = dict(PRIORS)
    for item in observed:
        for verdict, weight in WEIGHTS[item.kind].items():
            scores[verdict] += weight
    ranked = sorted(scores, key=lambda verdict: -scores[verdict])
    winner = ranked[0]
    total = sum(math.exp(score - scores[winner]) for score in scores.values())
    alternatives = tuple(
        Alternative(verdict, round(scores[verdict] - scores[winner], 3), _why_not(verdict, evidence))
        for verdict in ranked[1:]
    )
    return Judgement(winner, 1 / total, scores[winner] - scores[ranked[1]], evidence, alternatives)


def _weigh(item: Observed) -> Evidence:
    weights = WEIGHTS[item.kind]
    return Evidence(
        kind=item.kind,
        at_s=round(item.at_s, 3),
        says=item.says,
        supports=tuple(verdict for verdict, weight in weights.items() if weight > 0),
        opposes=tuple(verdict for verdict, weight in weights.items() if weight < 0),
        detail=item.detail,
    )


def _why_not(verdict: Verdict, evidence: Sequence[Evidence]) -> str:
    against = [item for item in evidence if verdict in item.opposes]
    if against:
        strongest = min(against, key=lambda item: WEIGHTS[item.kind][verdict])
        return strongest.says
    if any(verdict in item.supports for item in evidence):
        return "what speaks for it speaks more for the verdict given"
    return "nothing that was seen speaks for it"
