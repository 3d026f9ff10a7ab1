"""A batch-first LSTM inside a policy that feeds it time-major sequences."""

from __future__ import annotations

import re

from probes.causes.interface import Cause, Finding
from probes.verdicts import Verdict

_MESSAGE = re.compile(r"Expected hidden\[0\] size \((\d+), (\d+), (\d+)\), got \[(\d+), (\d+), (\d+)\]")


def _matches(finding: Finding) -> bool:
    error = finding.details.get("uncaught-exception")
    if finding.verdict is not Verdict.EXCEPTION or error is None:
        return False
    sizes = _MESSAGE.search(error["message"])
    if sizes is None:
        return False
    # Layers and width agree; only the batch, which batch_first reads from the wrong axis, does not.
    expected, got = sizes.groups()[:3], sizes.groups()[3:]
    modules = finding.facts.get("recurrent_modules") or {}
    return (
        expected[0] == got[0]
        and expected[2] == got[2]
        and expected[1] != got[1]
        and any(module.get("batch_first") for module in modules.values())
    )


CAUSE = Cause(
    id="lstm-batch-first",
    title="the policy's LSTM was built with batch_first=True, but the recurrent policy feeds it time-major sequences",
    explanation=(
        "With batch_first=True the LSTM reads the first axis of its input as the batch and the second as time. The "
        "recurrent policy passes (time, sequences, features) and a hidden state for that many sequences, so the two "
        "no longer fit. With one environment a rollout step has the shape (1, 1, features), which fits either way: "
        "the error comes only with the first update, at step n_steps, and looks as if training had stopped there."
    ),
    advice="Build the model without batch_first (and without a lstm_kwargs entry for it): the weights are the same.",
    reference="https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html",
    matches=_matches,
)
