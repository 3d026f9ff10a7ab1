"""An off-policy update of very many gradient steps."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    slow = finding.verdict is Verdict.SLOW_PHASE and finding.phase == "train"
    return slow and "many-gradient-steps" in finding.details


CAUSE = Cause(
    id="gradient-steps",
    title="each update makes many times as many gradient steps as the environment has taken since the last one",
    explanation=(
        "Off-policy training makes gradient_steps updates every train_freq steps. Where the first is far above "
        "the second, nearly all time goes into updates, and the step count stands still during each of them."
    ),
    advice="Set gradient_steps to -1 (as many as there were steps) or near train_freq, unless so many are meant.",
    reference="https://stable-baselines3.readthedocs.io/en/master/modules/sac.html",
    matches=_matches,
)
