from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from matrix.plan.cells import Trial
from matrix.plan.plan import Plan
from matrix.results.observation import Observation, Outcome
from matrix.results.store import Record
from matrix.running.estimates import UNKNOWN_BYTES, MemoryEstimates
from matrix.running.source import Source, failing_cells, source_of
from probes.verdicts import Verdict

PlanOf = Callable[[str], Plan]
HEALTHY = Observation(Outcome.RAN, verdict=Verdict.HEALTHY)
FROZEN = Observation(Outcome.RAN, verdict=Verdict.DEADLOCK)


def record(trial: Trial, observation: Observation) -> Record:
    return Record(trial.id, trial.cell.id, dict(trial.cell.levels), trial.seed, trial.repeat, observation)


def all_of(source: Source) -> list[Trial]:
    return list(iter(source.next, None))


def test_a_list_gives_what_has_not_run_in_the_order_of_the_plan(plan: Plan) -> None:
    records = [record(plan.trials[1], HEALTHY), record(plan.trials[2], Observation(Outcome.SKIPPED, "no GPU"))]
    source = source_of(plan, records)
    assert (source.total, source.done) == (8, 1)
    assert all_of(source) == [trial for trial in plan.trials if trial is not plan.trials[1]]


def test_cells_that_failed_come_first(plan_of: PlanOf, sweep_text: str) -> None:
    plan = plan_of(sweep_text + "[run]\nrepeats = 2\n")
    first, again = plan.trials[:8], plan.trials[8:]
    records = [record(trial, FROZEN if place in (3, 5) else HEALTHY) for place, trial in enumerate(first)]
    assert failing_cells(records) == {first[3].cell.id, first[5].cell.id}
    others = [trial for place, trial in enumerate(again) if place not in (3, 5)]
    assert all_of(source_of(plan, records)) == [again[3], again[5], *others]


def test_cells_that_failed_in_a_sweep_that_is_forgotten_come_first_too(plan: Plan) -> None:
    failing = plan.trials[6]
    assert all_of(source_of(plan, [], failing={failing.cell.id}))[0] is failing


def test_a_cell_is_expected_to_take_what_it_took_and_a_bit() -> None:
    memory = MemoryEstimates()
    assert memory.of("a") == UNKNOWN_BYTES
    memory.tell("a", 100)
    memory.tell("a", 80)
    memory.tell("b", 500)
    memory.tell("c", None)
    assert (memory.of("a"), memory.of("b"), memory.of("c")) == (120, 600, 600)


def test_what_is_stored_is_known_from_the_start(plan: Plan) -> None:
    trial = plan.trials[0]
    memory = MemoryEstimates([record(trial, replace(HEALTHY, peak_rss_bytes=1000))])
    assert memory.of(trial.cell.id) == 1200
