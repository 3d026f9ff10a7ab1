"""``report.md`` of a sweep: the conclusion in one paragraph, then everything it rests on."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from matrix.analysis.analysis import Analysis, Result
from reports import markdown as md
from reports import remedies_text
from reports.pictures.of_sweep import SweepPictures
from reports.redaction.redactor import Redactor
from reports.sweep import design as sweep_design
from reports.sweep import flaky as sweep_flaky
from reports.sweep import limits as sweep_limits
from reports.sweep.conclusion import conclusion, ordered
from reports.sweep.cost import cost
from reports.sweep.effects import effects
from reports.sweep.facts import Runs
from reports.sweep.findings import findings
from reports.sweep.search import search

_MAX_COMMANDS = 20


def render(
    analysis: Analysis, folder: Path, pictures: SweepPictures | None = None, redactor: Redactor | None = None
) -> str:
    """
    The whole document.

    :param folder: the sweep's folder, for the diagnoses of its runs.
    :param pictures: to be referred to; their files lie beside the document.
    :param redactor: for the diagnoses; without one, secrets are taken out of them.
    """
    runs, drawn = Runs(folder, redactor), pictures or SweepPictures()
    parts = [
        f"# {md.text(analysis.plan.name)}",
        conclusion(analysis, runs),
        *md.figure(drawn.heatmap),
        "## What was run",
        *sweep_design.what_was_run(analysis),
        "## The matrix",
        *sweep_design.matrix(analysis),
        *search(analysis),
        *md.figure(drawn.posterior),
        "## What each factor does",
        *md.figure(drawn.effects),
        *(list(effects(analysis, runs)) or ["No factor has two levels that ran."]),
        *sweep_flaky.flaky(analysis),
        *sweep_limits.limits(analysis),
        *findings(analysis, runs),
        *_remedies(analysis),
        *_claims(analysis),
        *cost(analysis),
        "## Run one cell again by hand",
        _by_hand(analysis, runs),
    ]
    return "\n\n".join(parts) + "\n"


def _claims(analysis: Analysis) -> Iterator[str]:
    if not analysis.claims:
        return
    yield "## Claims, put to the test"
    yield md.table(
        ("claim", "outcome", "what shows it", "cells"),
        [
            (
                md.text(item.claim.says),
                f"**{item.outcome}**",
                md.text(item.sentence),
                ", ".join(md.code(label) for label in item.cells) or "—",
            )
            for item in analysis.claims
        ],
    )


def _remedies(analysis: Analysis) -> Iterator[str]:
    if not analysis.proofs:
        return
    yield "## What gets it moving"
    yield (
        "One example of each finding whose cause has a remedy was run again on the same seed, with nothing changed but "
        "the remedy (`freezelab remedies` says what each one changes)."
    )
    yield md.table(
        ("finding", "example", "what came of it"),
        [
            (
                md.text(item.finding.signature),
                md.code(item.example.trial.label),
                md.text(remedies_text.proof(item.remedy)),
            )
            for item in analysis.proofs
        ],
    )


def _by_hand(analysis: Analysis, runs: Runs) -> str:
    shown: list[Result] = [finding.results[0] for finding in ordered(analysis)[:_MAX_COMMANDS]]
    if not shown:
        return "No cell ran."
    parts = ["One cell of each finding, under the probes; without `freezelab run --` it trains as it is."]
    for result in shown:
        diagnosis = runs.of(result).diagnosis
        if diagnosis is not None:
            command = shlex.join(("freezelab", "run", "--", *diagnosis.command))
            parts.append(f"{md.text(result.observation.signature or '')}:")
            parts.append(md.block(command, "sh"))
    return "\n\n".join(parts)
