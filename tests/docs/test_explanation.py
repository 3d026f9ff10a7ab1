"""The worked example of how verdicts are reached adds up, with the weights in use."""

from __future__ import annotations

import math
import re

from probes.judge import PRIORS, WEIGHTS
from probes.verdicts import Verdict
from tests.docs.handbook import ROOT

_TEXT = (ROOT / "docs" / "how-verdicts-are-reached.md").read_text(encoding="utf-8")
_COLUMNS = (Verdict.DEADLOCK, Verdict.BLOCKED, Verdict.HEALTHY)


def figures(label: str) -> list[float]:
    """The last three cells of a row of the example."""
    row = next(line for line in _TEXT.splitlines() if line.startswith("|") and label in line)
    return [float(cell.strip("* ").replace("−", "-") or 0) for cell in row.strip("|").split("|")[-3:]]


def test_the_example_shows_the_weights_in_use_and_their_sum() -> None:
    kinds = re.findall(r"^\| `([a-z-]+)` \|", _TEXT, re.MULTILINE)
    assert len(kinds) == 4
    assert figures("before any evidence") == [PRIORS[verdict] for verdict in _COLUMNS]
    for kind in kinds:
        assert figures(f"`{kind}`") == [WEIGHTS[kind].get(verdict, 0) for verdict in _COLUMNS], kind
    sums = {verdict: PRIORS[verdict] + sum(WEIGHTS[kind].get(verdict, 0) for kind in kinds) for verdict in Verdict}
    assert figures("**sum**") == [sums[verdict] for verdict in _COLUMNS]
    share = math.exp(sums[Verdict.DEADLOCK]) / sum(map(math.exp, sums.values()))
    # "ended-by-us" was seen too; it speaks against exception, crash and oom only.
    assert f"= {int(100 * share) / 100}" in _TEXT
