"""The recurrent update that runs its LSTM one time step after the other."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    loop = finding.details.get("module-loop")
    return (
        finding.verdict is Verdict.SLOW_PHASE
        and finding.phase == "train"
        and loop is not None
        and "padded-update" not in finding.details
        and loop["owner"] in ("LSTM", "GRU", "RNN")
        and finding.culprit is not None
        and (finding.culprit.module or "").startswith("sb3_contrib.common.recurrent")
    )


CAUSE = Cause(
    id="recurrent-update-loop",
    title="the update feeds the LSTM one time step at a time whenever an episode starts inside a minibatch",
    explanation=(
        "The recurrent policy hands a whole sequence to the LSTM only if no episode starts in the minibatch. If one "
        "does, it calls the LSTM once for each time step, in a Python loop, and backward has to walk the same long "
        "graph. With short episodes nearly every minibatch has a start in it, so the first update takes many times "
        "as long as the rollout, and so does every later one. No callback runs during an update: the progress bar, "
        "the log and the step count stand still, though nothing hangs."
    ),
    advice=(
        "Wait: the update ends by itself and training goes on. To make it fast, zero the initial state where an "
        "episode starts and run the whole sequence through the LSTM at once: sequences are already cut at each "
        "start. Fewer epochs or a shorter rollout shorten each standstill, not the total."
    ),
    reference="https://github.com/Stable-Baselines-Team/stable-baselines3-contrib/issues/113",
    matches=_matches,
)
