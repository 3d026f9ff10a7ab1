"""``n_steps`` set on a model whose rollout buffer was already built with another."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    error = finding.details.get("uncaught-exception")
    hyperparameters = finding.facts.get("hyperparameters") or {}
    n_steps = hyperparameters.get("n_steps")
    buffer_size = (finding.facts.get("buffer") or {}).get("buffer_size")
    return (
        finding.verdict is Verdict.EXCEPTION
        and error is not None
        and n_steps is not None
        and buffer_size is not None
        and n_steps != buffer_size
        and finding.culprit is not None
        and "buffer" in (finding.culprit.module or "")
    )


CAUSE = Cause(
    id="n-steps-changed",
    title="n_steps was changed on a model whose rollout buffer still has the size it was built with",
    explanation=(
        "The rollout buffer is allocated when the model is built. Setting model.n_steps afterwards changes how many "
        "steps are collected but not how many the buffer holds: with fewer, it is never full and the first update "
        "refuses it; with more, it overflows."
    ),
    advice="Give n_steps and batch_size to the constructor, or to load(..., n_steps=...), so that the buffer fits.",
    reference="https://github.com/DLR-RM/stable-baselines3/blob/master/stable_baselines3/common/on_policy_algorithm.py",
    matches=_matches,
)
