"""A sweep, or a bisection, that may be shown."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from matrix.analysis.analysis import Analysis, Result
from matrix.analysis.proofs import RemedyProof
from matrix.bisecting.result import Result as SearchResult
from matrix.bisecting.runs import Ended
from matrix.bisecting.search import CONCLUDED, INTERRUPTED, NOTHING_LEFT, OUT_OF_BUDGET
from matrix.plan.cells import Cell
from matrix.plan.parameters import Level
from matrix.plan.plan import Plan
from matrix.results.observation import Observation
from probes.diagnosis import Remedy
from reports.redaction.document import walk
from reports.redaction.redactor import Redactor

_TOLD = (
    "reason", "phase", "culprit", "culprit_file", "library", "cause", "exception", "signal", "heap_message", "summary",
    "stack", "host", "gpu",
)  # fmt: skip
"""What an observation has from the process or its machine."""

_WORDS = frozenset(
    (
        *(ended.value for ended in Ended), CONCLUDED, OUT_OF_BUDGET, INTERRUPTED, NOTHING_LEFT,
        "versions", "lock", "factors", "sites", "steps",
    )
)  # fmt: skip
"""Of the contract of a bisection's result."""


def redacted_sweep(analysis: Analysis, redactor: Redactor) -> Analysis:
    """The same analysis, of redacted cells and observations; its folder's names stay, as links lead there."""
    cells = {cell.id: _cell(cell, redactor) for cell in analysis.plan.cells}
    results = {
        result.trial.id: Result(
            dataclasses.replace(
                result.trial, cell=cells.get(result.trial.cell.id) or _cell(result.trial.cell, redactor)
            ),
            _observation(result.observation, redactor),
        )
        for result in analysis.results
    }
    plan = _plan(analysis.plan, tuple(cells.values()), redactor)
    fit = Analysis(plan, tuple(results[result.trial.id] for result in analysis.results))
    return dataclasses.replace(
        fit, proofs=tuple(_proof(proof, fit, results[proof.example.trial.id], redactor) for proof in analysis.proofs)
    )


def redacted_search(result: SearchResult, redactor: Redactor) -> SearchResult:
    """The same result of a bisection."""
    return SearchResult.from_json(walk(result.to_json(), redactor, _WORDS))


def _plan(plan: Plan, cells: tuple[Cell, ...], redactor: Redactor) -> Plan:
    def levels(named: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        return {
            name: {str(redactor.named(name, level)): value for level, value in told.items()}
            for name, told in named.items()
        }

    return dataclasses.replace(
        plan,
        name=redactor.text(plan.name),
        factors={name: tuple(_level(name, level, redactor) for level in told) for name, told in plan.factors.items()},
        cells=cells,
        claims=tuple(
            dataclasses.replace(
                claim,
                says=redactor.text(claim.says),
                where={name: _level(name, level, redactor) for name, level in claim.where.items()},
                needs=None if claim.needs is None else redactor.text(claim.needs),
            )
            for claim in plan.claims
        ),
        constraints=tuple(map(redactor.text, plan.constraints)),
        weights=levels(plan.weights),
        costs=levels(plan.costs),
    )


def _cell(cell: Cell, redactor: Redactor) -> Cell:
    fit = dataclasses.replace(
        cell,
        levels={name: _level(name, level, redactor) for name, level in cell.levels.items()},
        versions=dataclasses.replace(
            cell.versions,
            name=redactor.text(cell.versions.name),
            requirements=tuple(map(redactor.text, cell.versions.requirements)),
        ),
        arguments=redactor.words(cell.arguments),
        label=redactor.text(cell.label),
        why=None if cell.why is None else redactor.text(cell.why),
        environ={name: redactor.named(name, value) for name, value in cell.environ.items()},
        command=None if cell.command is None else redactor.words(cell.command),
    )
    return cell if fit == cell else fit


def _level(name: str, level: Level, redactor: Redactor) -> Level:
    told: Level = redactor.named(name, level)
    return told


def _observation(seen: Observation, redactor: Redactor) -> Observation:
    told: dict[str, Any] = {name: redactor.text(value) for name in _TOLD if (value := getattr(seen, name)) is not None}
    phases = {redactor.text(name): figures for name, figures in seen.phases.items()}
    artifacts = {name: redactor.text(path) for name, path in seen.artifacts.items()}
    return dataclasses.replace(seen, phases=phases, artifacts=artifacts, **told)


def _proof(proof: RemedyProof, fit: Analysis, example: Result, redactor: Redactor) -> RemedyProof:
    finding = next(finding for finding in fit.findings if example in finding.results)
    remedy = Remedy(**walk(dataclasses.asdict(proof.remedy), redactor))
    return RemedyProof(finding, example, _observation(proof.observation, redactor), remedy)
