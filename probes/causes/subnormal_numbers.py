"""Numbers too small to be computed at full speed."""

from __future__ import annotations

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict


def _matches(finding: Finding) -> bool:
    slow = finding.verdict in (Verdict.SLOW_PHASE, Verdict.SLOWDOWN) and finding.phase == "train"
    return slow and "subnormal-numbers" in finding.details


CAUSE = Cause(
    id="subnormal-numbers",
    title="many of the numbers it computes with are subnormal, which a processor does many times as slowly",
    explanation=(
        "Numbers below about 1.2e-38 have no full float32 form, and most processors compute with them in microcode, "
        "a hundred times as slowly. Inputs in a tiny unit, weights that decay towards zero, or moments of an optimizer "
        "for weights that get no gradient fill up with them; the functions in the stack are the ordinary ones."
    ),
    advice="torch.set_flush_denormal(True) before training, or the remedy flush-denormal; scale inputs to about 1.",
    reference="https://docs.pytorch.org/docs/stable/generated/torch.set_flush_denormal.html",
    matches=_matches,
)
