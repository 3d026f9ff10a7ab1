from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from matrix.analysis.analysis import Analysis, ClaimOutcome, analyse, analyse_folder, fisher_exact
from matrix.errors import MatrixError
from matrix.plan.cells import Trial
from matrix.plan.plan import Plan
from matrix.results.observation import Observation, Outcome
from matrix.results.store import Store
from probes.verdicts import Verdict

PlanOf = Callable[[str], Plan]

SWEEP = """
[factors]
versions = ["only"]
env = ["dummy", "v3", "original"]
adapter = ["off", "on"]
device = ["cpu", "cuda"]
[versions.only]
requirements = ["tiny"]
[[extra]]
why = "control"
gamma = 0.5
"""

SLOW = Observation(Outcome.RAN, verdict=Verdict.SLOW_PHASE, phase="train", culprit="_process_sequence")
HEALTHY = Observation(Outcome.RAN, verdict=Verdict.HEALTHY)
BROKEN = Observation(Outcome.RAN, verdict=Verdict.EXCEPTION, phase="train", exception="RuntimeError: size 1")
SKIPPED = Observation(Outcome.SKIPPED, "no CUDA device")


def planted(trial: Trial) -> Observation:
    """As on a machine without a GPU: the adapter breaks, everything else is slow, the control is healthy."""
    levels = trial.cell.levels
    if levels["device"] == "cuda":
        return SKIPPED
    if levels["gamma"] == 0.5:
        return HEALTHY
    return BROKEN if levels["adapter"] == "on" else SLOW


def analysed(plan: Plan, observe: Callable[[Trial], Observation] = planted) -> Analysis:
    return analyse(plan, {trial.id: observe(trial) for trial in plan.trials})


def test_trials_are_grouped_by_how_they_ended(plan_of: PlanOf) -> None:
    findings = analysed(plan_of(SWEEP)).findings
    assert [(finding.signature, len(finding.results)) for finding in findings] == [
        ("exception in train · RuntimeError: size #", 3),
        ("slow-phase in train · _process_sequence", 3),
        ("healthy", 1),
    ]


def test_outcomes_are_counted_with_what_did_not_run(plan_of: PlanOf) -> None:
    assert analysed(plan_of(SWEEP)).headlines == {
        "skipped: no CUDA device": 6,
        "slow-phase": 3,
        "exception": 3,
        "healthy": 1,
    }


def test_a_factor_that_decides_the_outcome_shows_in_counts_p_value_and_pairs(plan_of: PlanOf) -> None:
    effect = {effect.factor: effect for effect in analysed(plan_of(SWEEP)).factors}["adapter"]
    assert effect.counts == {"off": {Verdict.SLOW_PHASE: 3}, "on": {Verdict.EXCEPTION: 3}}
    assert effect.p_value == pytest.approx(0.1)  # 2 / (6 choose 3)
    assert (len(effect.pairs), effect.changed) == (3, 3)


def test_a_factor_that_changes_nothing_shows_so(plan_of: PlanOf) -> None:
    effect = {effect.factor: effect for effect in analysed(plan_of(SWEEP)).factors}["env"]
    assert effect.p_value == pytest.approx(1.0)
    assert (len(effect.pairs), effect.changed) == (6, 0)


def test_a_factor_of_which_one_level_ran_has_no_p_value(plan_of: PlanOf) -> None:
    effect = {effect.factor: effect for effect in analysed(plan_of(SWEEP)).factors}["device"]
    assert effect.p_value is None
    assert effect.pairs == ()


def test_an_extra_cell_makes_a_pair_but_no_p_value(plan_of: PlanOf) -> None:
    effects = {effect.factor: effect for effect in analysed(plan_of(SWEEP)).factors}
    assert effects["gamma"].p_value is None
    assert (len(effects["gamma"].pairs), effects["gamma"].changed) == (1, 1)
    assert Verdict.HEALTHY not in effects["env"].counts["dummy"]


def test_factors_with_one_level_are_not_told_of(plan_of: PlanOf) -> None:
    assert [effect.factor for effect in analysed(plan_of(SWEEP)).factors] == ["env", "adapter", "device", "gamma"]


def test_pairs_share_seed_and_repeat(plan_of: PlanOf) -> None:
    plan = plan_of(f"{SWEEP}[run]\nseeds = [1, 2]\nrepeats = 2\n")
    for pair in analysed(plan).pairs("adapter"):
        first, second = pair.first.trial, pair.second.trial
        assert (first.seed, first.repeat) == (second.seed, second.repeat)


def outcome(plan_of: PlanOf, claim: str, observe: Callable[[Trial], Observation] = planted) -> tuple[str, str]:
    plan = plan_of(f'{SWEEP}[[claims]]\nsays = "x"\n{claim}\n')
    result = analysed(plan, observe).claims[0]
    assert "\n" not in result.sentence
    return str(result.outcome), result.sentence


@pytest.mark.parametrize(
    ("claim", "expected", "says"),
    [
        ('test = "same"\nfactor = "env"', ClaimOutcome.CONFIRMED, "6 of 6 matched pairs"),
        ('test = "same"\nfactor = "adapter"', ClaimOutcome.REFUTED, "0 of 3 matched pairs"),
        ('test = "same"\nfactor = "gamma"', ClaimOutcome.REFUTED, "healthy"),
        ('test = "differs"\nfactor = "env"', ClaimOutcome.REFUTED, "(0 differ)"),
        ('test = "differs"\nfactor = "adapter"', ClaimOutcome.CONFIRMED, "(3 differ)"),
        ('test = "same"\nfactor = "device"', ClaimOutcome.NOT_TESTABLE, "skipped: no CUDA device"),
        ('test = "same"\nfactor = "versions"', ClaimOutcome.NOT_TESTABLE, "No two trials that ran"),
        ('test = "occurs"\nverdict = ["slow-phase"]', ClaimOutcome.CONFIRMED, "3 of 7 trials"),
        ('test = "occurs"\nverdict = ["deadlock", "spin"]', ClaimOutcome.REFUTED, "0 of 7 trials"),
        (
            'test = "occurs"\nverdict = ["deadlock"]',
            ClaimOutcome.REFUTED,
            "6 more did not run (skipped: no CUDA device)",
        ),
        ('test = "never"\nverdict = ["crash"]', ClaimOutcome.CONFIRMED, "0 of 7 trials"),
        ('test = "never"\nverdict = ["exception"]', ClaimOutcome.REFUTED, "3 of 7 trials"),
        (
            'test = "occurs"\nverdict = ["crash"]\nwhere = {device = "cuda"}',
            ClaimOutcome.NOT_TESTABLE,
            "of the 7 that ran elsewhere, 0 ended in crash",
        ),
        ('test = "never"\nverdict = ["healthy"]\nwhere = {adapter = "on"}', ClaimOutcome.CONFIRMED, "0 of 3 trials"),
        ('needs = "the checkpoint"', ClaimOutcome.NOT_TESTABLE, "it needs the checkpoint"),
    ],
)
def test_a_claim_is_tested_on_what_ran(plan_of: PlanOf, claim: str, expected: ClaimOutcome, says: str) -> None:
    found, sentence = outcome(plan_of, claim)
    assert found == str(expected)
    assert says in sentence


def test_a_claim_about_one_level_looks_at_pairs_with_that_level_only(plan_of: PlanOf) -> None:
    def observe(trial: Trial) -> Observation:
        levels = trial.cell.levels
        slow = levels["env"] == "v3" and levels["adapter"] == "off"
        return SLOW if slow else HEALTHY

    claim = 'test = "same"\nfactor = "env"\nwhere = {adapter = "%s"}'
    assert outcome(plan_of, claim % "on", observe)[0] == "confirmed"
    assert outcome(plan_of, claim % "off", observe)[0] == "refuted"


def test_a_claim_names_trials_that_show_it(plan_of: PlanOf) -> None:
    plan = plan_of(f'{SWEEP}[[claims]]\nsays = "x"\ntest = "occurs"\nverdict = ["healthy"]\n')
    assert analysed(plan).claims[0].cells == ("versions=only env=dummy adapter=off device=cpu gamma=0.5",)


def test_trials_without_an_outcome_are_missing_and_others_forgotten(plan_of: PlanOf) -> None:
    plan = plan_of(SWEEP)
    analysis = analyse(plan, {plan.trials[0].id: SLOW, "of an older plan": SLOW})
    assert len(analysis.results) == 1
    assert analysis.missing == len(plan.trials) - 1


def test_a_sweeps_folder_can_be_analysed_again(plan_of: PlanOf, tmp_path: Path) -> None:
    plan = plan_of(SWEEP)
    plan.save(tmp_path / "plan.json")
    with Store(tmp_path / "sweep.sqlite") as store:
        for trial in plan.trials:
            store.add(trial, planted(trial))
    assert analyse_folder(tmp_path) == analysed(plan)


def test_a_folder_without_a_sweep_is_named(tmp_path: Path) -> None:
    with pytest.raises(MatrixError, match=r"plan\.json.*name the folder of a sweep"):
        analyse_folder(tmp_path)


def test_fishers_test_agrees_with_the_textbook() -> None:
    # The lady tasting tea: 3 of 4 right on both sides; p = 34/70.
    tea = [{Verdict.SPIN: 3, Verdict.CRASH: 1}, {Verdict.SPIN: 1, Verdict.CRASH: 3}]
    assert fisher_exact(tea) == pytest.approx(34 / 70)


def test_larger_tables_give_the_same_answer_each_time() -> None:
    table = [{Verdict.SPIN: 9}, {Verdict.CRASH: 9}, {Verdict.OOM: 5, Verdict.SPIN: 4}]
    assert fisher_exact(table) == fisher_exact(table)
    assert fisher_exact(table) == pytest.approx(1e-4, abs=1e-3)


@pytest.mark.parametrize(
    ("rows", "p_value"), [([], None), ([{Verdict.SPIN: 4}], None), ([{Verdict.SPIN: 4}, {Verdict.SPIN: 1}], 1.0)]
)
def test_where_there_is_nothing_to_compare_there_is_no_test(
    rows: list[dict[Verdict, int]], p_value: float | None
) -> None:
    assert fisher_exact(rows) == p_value
