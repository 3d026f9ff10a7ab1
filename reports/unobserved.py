"""What was not seen of a run, and so has no part in its verdict."""

from __future__ import annotations

from collections.abc import Iterator

from probes.diagnosis import Diagnosis
from reports import markdown as md

_BLIND = ("not-observed", "no-agent", "unseen")
_NOT_LOOKED = "silence"


def section(diagnosis: Diagnosis) -> Iterator[str]:
    """The whole section."""
    yield "## What could not be observed"
    found = list(_points(diagnosis))
    yield "\n".join(f"- {point}" for point in found) if found else "Nothing that was looked for was out of reach."


def _points(diagnosis: Diagnosis) -> Iterator[str]:
    yield from (md.text(item.says) for item in diagnosis.evidence if item.kind in _BLIND)
    kinds = {item.kind for item in diagnosis.evidence}
    if not diagnosis.timing.phases and not kinds & set(_BLIND):
        yield "No phase was seen: training had not begun, or the program uses none of the libraries that are marked."
    if _NOT_LOOKED in kinds and not any("frames" in item.detail for item in diagnosis.evidence):
        yield "No stack was taken while it stood still."
    if diagnosis.verdict.is_failure and diagnosis.culprit is None:
        yield "No single function could be blamed."
    if diagnosis.verdict.is_failure and diagnosis.cause is None:
        yield "The cause is none of those that FreezeLab knows: verdict and place rest on what was seen alone."
