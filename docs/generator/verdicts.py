"""The verdicts, and the table of weights that they are reached by."""

from __future__ import annotations

from collections.abc import Iterator

from docs.generator.fields import documented
from probes.judge import PRIORS, WEIGHTS
from probes.verdicts import Verdict
from reports import markdown as md


def page() -> Iterator[str]:
    """The page."""
    says = documented(Verdict)
    yield "# Verdicts"
    yield (
        "*Ends the trial*: a sweep ends a trial that is found to be so, because nothing more is to be learnt by "
        "waiting (`stop_on_freeze` in [the sweep's file](matrix-toml.md#run) changes that). *Exit code* is that of "
        "`freezelab run`."
    )
    yield md.table(
        ("verdict", "meaning", "ends the trial", "exit code"),
        [
            (
                md.code(verdict.value),
                md.text(says[verdict.name]),
                "yes" if verdict.stands_for_good else "no",
                "3" if verdict.is_failure else "0",
            )
            for verdict in Verdict
        ],
        numeric=(3,),
    )
    yield "## Before any evidence"
    yield (
        "Each verdict starts with a score: log-odds in nats, set by hand. "
        "[How verdicts are reached](../how-verdicts-are-reached.md) has a worked example."
    )
    yield md.table(
        ("verdict", "score"), [(md.code(one.value), f"{value:g}") for one, value in PRIORS.items()], numeric=(1,)
    )
    yield "## What each kind of evidence adds"
    yield (
        "The names are those of `evidence[].kind` in [`diagnosis.json`](diagnosis.md). A kind with an empty row is "
        "told but does not bear on the verdict."
    )
    yield md.table(
        ("evidence", "speaks for", "speaks against"),
        [(md.code(kind), _told(weights, 1), _told(weights, -1)) for kind, weights in WEIGHTS.items()],
    )


def _told(weights: dict[Verdict, float], sign: int) -> str:
    chosen = sorted(((-abs(value), verdict) for verdict, value in weights.items() if value * sign > 0))
    return ", ".join(f"{md.code(verdict.value)} {sign * -value:+g}" for value, verdict in chosen)
