"""Weighing: every kind of evidence counts, the sums are sound, and every verdict that lost has its reason."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes import evidence, judge
from probes.evidence import Observed
from probes.judge import PRIORS, WEIGHTS
from probes.verdicts import Verdict

KINDS = sorted(WEIGHTS)
OBSERVED = st.lists(st.sampled_from(KINDS), max_size=12).map(
    lambda kinds: [Observed(kind, 1.0, f"saw {kind}", {}) for kind in kinds]
)


def emitted() -> set[str]:
    """Every text in the source of ``probes.evidence`` that is, or may become, the kind of an observation."""
    sources = Path(evidence.__file__).parent.glob("*.py")
    kinds: set[str] = set()
    for node in (node for path in sources for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("Observed", "_observed"):
            kinds |= _texts(node.args[0])
        elif isinstance(node, ast.Assign):
            names = [name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)]
            if "kind" in names:
                value = node.value.elts[names.index("kind")] if isinstance(node.value, ast.Tuple) else node.value
                kinds |= _texts(value)
        elif isinstance(node, ast.FunctionDef) and node.name == "_wait_of":
            for inner in ast.walk(node):
                if isinstance(inner, ast.Return) and isinstance(inner.value, ast.Tuple):
                    kinds |= _texts(inner.value.elts[0])
    return kinds | set(evidence.CORRUPTION_KINDS) | set(evidence.WORKER_KINDS)


def _texts(node: ast.expr) -> set[str]:
    if isinstance(node, ast.IfExp):
        return _texts(node.body) | _texts(node.orelse)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value}
    return set()


def test_every_kind_of_evidence_has_its_weights_and_every_weight_its_evidence() -> None:
    kinds = emitted()
    assert {"silence", "cpu-flat", "stack-still", "module-loop", "sleeps", "memory-error"} <= kinds
    # A thread that runs waits for nothing: that is no observation of its own.
    assert kinds - {"runs"} == set(WEIGHTS)


def test_weights_speak_only_of_verdicts_that_are_weighed() -> None:
    for weights in WEIGHTS.values():
        assert set(weights) <= set(PRIORS)
        assert all(weights.values())


def test_every_verdict_that_is_weighed_can_win_by_some_evidence() -> None:
    for verdict in PRIORS:
        kinds = [kind for kind, weights in WEIGHTS.items() if weights.get(verdict, 0) > 0]
        assert judge.judge([Observed(kind, 0.0, kind, {}) for kind in kinds for _ in range(3)]).verdict is verdict


@given(OBSERVED)
def test_the_figures_are_sound(observed: list[Observed]) -> None:
    judgement = judge.judge(observed)
    assert 0 < judgement.confidence <= 1
    assert judgement.lead >= 0
    assert len(judgement.evidence) == len(observed)
    ranked = [judgement.verdict, *(item.verdict for item in judgement.alternatives)]
    assert sorted(ranked) == sorted(PRIORS)
    scores = [item.score for item in judgement.alternatives]
    assert scores == sorted(scores, reverse=True)
    assert all(score <= 0 for score in scores)
    assert all(item.why_not for item in judgement.alternatives)


@given(OBSERVED, st.randoms(use_true_random=False))
def test_the_order_of_the_evidence_is_of_no_account(observed: list[Observed], source: object) -> None:
    first, second = judge.judge(observed), judge.judge(observed[::-1])
    assert first.verdict is second.verdict
    assert first.confidence == pytest.approx(second.confidence)


def rank(judgement: judge.Judgement, verdict: Verdict) -> int:
    return [judgement.verdict, *(item.verdict for item in judgement.alternatives)].index(verdict)


@given(OBSERVED, st.sampled_from(KINDS))
def test_more_evidence_never_lowers_the_rank_of_what_it_supports_most(observed: list[Observed], kind: str) -> None:
    before, after = judge.judge(observed), judge.judge([*observed, Observed(kind, 2.0, kind, {})])
    weights = {verdict: WEIGHTS[kind].get(verdict, 0.0) for verdict in PRIORS}
    for verdict, weight in weights.items():
        if weight == max(weights.values()):
            # Among equals the order of the priors may decide anew, but nothing overtakes.
            assert rank(after, verdict) <= rank(before, verdict)


@given(OBSERVED)
def test_a_verdict_that_lost_is_told_the_strongest_thing_against_it(observed: list[Observed]) -> None:
    for item in judge.judge(observed).alternatives:
        against = [
            (WEIGHTS[o.kind][item.verdict], o.says) for o in observed if WEIGHTS[o.kind].get(item.verdict, 0) < 0
        ]
        if against:
            assert item.why_not in [says for weight, says in against if weight == min(against)[0]]


def test_evidence_says_what_it_speaks_for_and_against() -> None:
    (item,) = judge.judge([Observed("cpu-flat", 1.23456, "flat", {"cores": 0.0})]).evidence
    assert Verdict.DEADLOCK in item.supports
    assert Verdict.SPIN in item.opposes
    assert item.at_s == 1.235
    assert item.detail == {"cores": 0.0}


@pytest.mark.parametrize(
    ("kinds", "verdict"),
    [
        ([], Verdict.HEALTHY),
        (["ended-well", "steady"], Verdict.HEALTHY),
        (["ended-well", "step-stands-still", "module-loop"], Verdict.SLOW_PHASE),
        (["ended-well", "step-stands-still", "batched-update"], Verdict.HEALTHY),
        (["silence", "cpu-flat", "stack-still", "waits-on-lock"], Verdict.DEADLOCK),
        (["silence", "cpu-flat", "stack-still", "waits-outside"], Verdict.BLOCKED),
        (["silence", "cpu-flat", "stack-still", "sleeps"], Verdict.HEALTHY),
        (["silence", "cpu-burning", "stack-in-place"], Verdict.SPIN),
        (["silence", "cpu-burning", "stack-in-place", "starting-up"], Verdict.HEALTHY),
        (["silence", "cpu-flat", "stack-still", "waits-on-lock", "trained-but-stays"], Verdict.EXIT_HANG),
        (["silence", "stopped"], Verdict.BLOCKED),
        (["ended-with-code"], Verdict.EXCEPTION),
        (["ended-with-code", "uncaught-exception"], Verdict.EXCEPTION),
        (["ended-with-code", "memory-error"], Verdict.OOM),
        (["oom-killed"], Verdict.OOM),
        (["ended-by-signal"], Verdict.CRASH),
        (["ended-by-signal", "heap-message", "death-stack", "step-stands-still"], Verdict.CRASH),
    ],
)
def test_typical_evidence_gives_the_typical_verdict(kinds: list[str], verdict: Verdict) -> None:
    assert judge.judge([Observed(kind, 0.0, kind, {}) for kind in kinds]).verdict is verdict
