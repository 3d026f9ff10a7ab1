"""A sweep's report for machines: the contract ``freezelab.sweep-report/1``. Unknown is null, never guessed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matrix.analysis.analysis import Analysis, ClaimResult, FactorEffect, Finding, Result
from matrix.analysis.effects import LevelEffect
from matrix.analysis.flaky import FlakyCell
from matrix.analysis.proofs import RemedyProof
from matrix.analysis.search import Search
from matrix.designs.explanations import Explanation

SCHEMA = "freezelab.sweep-report/1"


def schema() -> dict[str, Any]:
    """The contract as JSON Schema (2020-12)."""
    path = Path(__file__).parent.parent / "schemas" / "sweep-report-1.schema.json"
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value


def document(analysis: Analysis) -> dict[str, Any]:
    """Everything that the sweep's report tells in words, as a JSON value."""
    plan = analysis.plan
    return {
        "schema": SCHEMA,
        "name": plan.name,
        "plan": {
            "design": plan.run.design,
            "factors": {name: list(levels) for name, levels in plan.factors.items()},
            "constraints": list(plan.constraints),
            "cells": len(plan.cells),
            "trials": None if analysis.search is not None else len(plan.trials),
            "seeds": list(plan.run.seeds),
            "limit_s": plan.run.limit_s,
        },
        "outcomes": dict(analysis.headlines),
        "ran": len(analysis.ran),
        "failed": sum(result.failed for result in analysis.ran),
        "missing": analysis.missing,
        "findings": [_finding(finding) for finding in analysis.findings],
        "effects": {
            "of": analysis.target.says or "any failure",
            "factors": [_factor(effect) for effect in analysis.factors],
        },
        "confounded": [
            {"relation": item.relation.value, "first": _at(item.first), "second": _at(item.second)}
            for item in analysis.confounded
        ],
        "flaky": [_flaky(item) for item in analysis.flaky],
        "claims": [_claim(item) for item in analysis.claims],
        "remedies": [_proof(item) for item in analysis.proofs],
        "search": None if analysis.search is None else _search(analysis.search),
        "trials": [_trial(result) for result in analysis.results],
    }


def _trial(result: Result) -> dict[str, Any]:
    trial, seen = result.trial, result.observation
    return {
        "id": trial.id,
        "cell": trial.cell.id,
        "label": trial.label,
        "levels": dict(trial.cell.levels),
        "seed": trial.seed,
        "repeat": trial.repeat,
        "in_design": result.in_design,
        "outcome": seen.outcome.value,
        "reason": seen.reason,
        "verdict": None if seen.verdict is None else seen.verdict.value,
        "confidence": seen.confidence,
        "signature": seen.signature,
        "stack": seen.stack,
        "summary": seen.summary,
        "phase": seen.phase,
        "step": seen.step,
        "culprit": None
        if seen.culprit is None
        else {"function": seen.culprit, "file": seen.culprit_file, "library": seen.library},
        "cause": seen.cause,
        "exception": seen.exception,
        "signal": seen.signal,
        "wall_s": seen.wall_s,
        "started_at": seen.started_at,
        "peak_rss_bytes": seen.peak_rss_bytes,
        "phases": seen.phases,
        "folder": seen.folder,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    first = finding.results[0]
    return {
        "signature": finding.signature,
        "verdict": finding.verdict.value,
        "cause": first.observation.cause,
        "runs": len(finding.results),
        "in_design": finding.in_design,
        "example": first.trial.id,
        "trials": [result.trial.id for result in finding.results],
    }


def _factor(effect: FactorEffect) -> dict[str, Any]:
    return {
        "factor": effect.factor,
        "p_value": effect.p_value,
        "adjusted_p_value": effect.adjusted,
        "strength": effect.strength,
        "pairs": len(effect.pairs),
        "pairs_that_differ": effect.changed,
        "levels": [_level(item) for item in effect.levels],
    }


def _level(item: LevelEffect) -> dict[str, Any]:
    rate, difference = item.rate, item.difference
    return {
        "level": item.level,
        "hits": rate.hits,
        "runs": rate.trials,
        "share": None if math.isnan(rate.share) else rate.share,
        "likely": [rate.low, rate.high],
        "difference": None
        if difference is None
        else {"value": difference.value, "likely": [difference.low, difference.high]},
    }


def _flaky(item: FlakyCell) -> dict[str, Any]:
    return {
        "cell": item.cell.id,
        "label": item.cell.label,
        "over": item.over.value,
        "seed": item.seed,
        "ends": dict(item.counts),
        "trials": [result.trial.id for result in item.results],
    }


def _claim(item: ClaimResult) -> dict[str, Any]:
    return {
        "says": item.claim.says,
        "outcome": item.outcome.value,
        "because": item.sentence,
        "cells": list(item.cells),
    }


def _proof(item: RemedyProof) -> dict[str, Any]:
    remedy = item.remedy
    return {
        "id": remedy.id,
        "signature": item.finding.signature,
        "trial": item.example.trial.id,
        "verdict": None if item.observation.verdict is None else item.observation.verdict.value,
        "why": remedy.why,
        "verified": remedy.verified,
        "before": remedy.before,
        "after": remedy.after,
        "ratio": remedy.ratio,
    }


def _search(search: Search) -> dict[str, Any]:
    return {
        "trials": search.trials,
        "failed": search.failed,
        "conclusion": None if search.conclusion is None else _explanation(search.conclusion),
        "believed": [
            {"explanation": _explanation(explanation), "probability": probability}
            for explanation, probability in search.believed
        ],
    }


def _explanation(explanation: Explanation) -> list[Mapping[str, Any]]:
    """Alternatives that no trial can tell apart; empty for "none of what was varied"."""
    return [dict(condition) for condition in explanation.alternatives]


def _at(at: tuple[str, Any]) -> dict[str, Any]:
    return {"factor": at[0], "level": at[1]}
