"""A recurrent update whose minibatches are mostly padding."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    slow = finding.verdict is Verdict.SLOW_PHASE and finding.phase == "train"
    recurrent = finding.culprit is not None and (finding.culprit.module or "").startswith(
        "sb3_contrib.common.recurrent"
    )
    return slow and recurrent and "padded-update" in finding.details


CAUSE = Cause(
    id="padded-sequences",
    title="the update pads every sequence of a minibatch to the longest, and nearly all it computes is padding",
    explanation=(
        "A recurrent minibatch is cut into sequences at each episode start, and all are padded to the length of the "
        "longest. One long episode among many short ones makes a big minibatch a large table that is almost empty, "
        "and the update computes all of it."
    ),
    advice=(
        "Take smaller minibatches, so that a long episode meets fewer short ones, or limit the length of an episode; "
        "the remedy unpadded-batches computes the same without the padding."
    ),
    reference="https://github.com/Stable-Baselines-Team/stable-baselines3-contrib/issues/113",
    matches=_matches,
)
