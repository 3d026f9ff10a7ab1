"""Remedies are proven by the sweep itself: an example of each distinct failure runs again, with the remedy."""

from __future__ import annotations

from dataclasses import replace

from matrix.plan.cells import REMEDY, Trial
from matrix.plan.plan import Plan
from matrix.results.observation import Observation, Outcome
from matrix.results.store import Record
from matrix.running.source import Source, source_of
from probes.verdicts import Verdict

HEALTHY = Observation(Outcome.RAN, verdict=Verdict.HEALTHY)
SLOW = Observation(Outcome.RAN, verdict=Verdict.SLOW_PHASE, phase="train", cause="recurrent-update-loop")
UNKNOWN = Observation(Outcome.RAN, verdict=Verdict.DEADLOCK, phase="collect")


def record(trial: Trial, observation: Observation) -> Record:
    return Record(trial.id, trial.cell.id, dict(trial.cell.levels), trial.seed, trial.repeat, observation)


def run(source: Source, outcome: Observation) -> list[Trial]:
    """Runs all there is, one after the other."""
    ran = []
    while (trial := source.next()) is not None:
        ran.append(trial)
        source.tell(trial, HEALTHY if REMEDY in trial.cell.levels else outcome)
    return ran


def test_one_example_of_a_failure_runs_again_with_each_remedy_of_its_cause(plan: Plan) -> None:
    source = source_of(plan, [])
    ran = run(source, SLOW)
    assert ran[:8] == list(plan.trials)
    [proof] = ran[8:]
    assert proof.cell.levels[REMEDY] == "fused-lstm"
    assert {**proof.cell.levels, REMEDY: None} == {**ran[0].cell.levels, REMEDY: None}
    assert (proof.seed, proof.repeat, proof.limit_s) == (ran[0].seed, ran[0].repeat, ran[0].limit_s)
    assert source.total == 9


def test_different_failures_have_proofs_of_their_own(plan: Plan) -> None:
    other = replace(SLOW, culprit="another_function")
    records = [record(trial, other if place == 5 else SLOW) for place, trial in enumerate(plan.trials)]
    proofs = run(source_of(plan, records), SLOW)
    assert [proof.cell.id for proof in proofs] == [
        plan.trials[place].with_remedy("fused-lstm").cell.id for place in (0, 5)
    ]


def test_a_proof_waits_until_all_else_has_ended(plan: Plan) -> None:
    source = source_of(plan, [record(trial, SLOW) for trial in plan.trials[:-1]])
    last = source.next()
    assert last == plan.trials[-1]
    assert source.next() is None
    source.tell(last, HEALTHY)
    proof = source.next()
    assert proof is not None
    assert REMEDY in proof.cell.levels


def test_what_has_no_cause_or_was_proven_before_is_not_run_again(plan: Plan) -> None:
    assert run(source_of(plan, [record(trial, UNKNOWN) for trial in plan.trials]), UNKNOWN) == []
    proof = plan.trials[0].with_remedy("fused-lstm")
    records = [*(record(trial, SLOW) for trial in plan.trials), record(proof, HEALTHY)]
    assert run(source_of(plan, records), SLOW) == []


def test_a_sweep_may_do_without(plan: Plan) -> None:
    without = replace(plan, run=replace(plan.run, verify_remedies=False))
    assert run(source_of(without, [record(trial, SLOW) for trial in plan.trials]), SLOW) == []
