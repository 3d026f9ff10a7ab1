"""A remedy is verified only if the run was made again with it, it was really applied, and the run moved."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from probes import remedies
from probes.diagnosis import Diagnosis, Timing
from probes.diagnosis import Remedy as Proof
from probes.remedies import curing, verify
from probes.remedies.verify import agreement, duration_s, prove
from probes.verdicts import Verdict
from probes.watch import WatchOptions, watch
from reports import remedies_text, run_markdown, terminal

if TYPE_CHECKING:
    from tests.probes.conftest import Write

(FUSED,) = curing("recurrent-update-loop")
(RESIZE,) = curing("n-steps-changed")


def run_of(
    verdict: Verdict = Verdict.SLOW_PHASE,
    train_s: tuple[float | None, ...] = (16.0, 15.0, 17.0),
    became: dict[str, str] | None = None,
    phase: str | None = "train",
    step: int = 2048,
) -> Diagnosis:
    """A run with updates of these lengths."""
    iterations = tuple({"step": 2048, "collect_s": 2.0, "train_s": item, "minibatches": 320} for item in train_s)
    states = {name: {"value": "", "state": state, "says": "so"} for name, state in (became or {}).items()}
    return Diagnosis(
        verdict,
        1.0,
        "as planted",
        ("python", "train.py"),
        Timing(60.0, phases={"eval": {"count": 4, "total_s": 40.0, "max_s": 11.0}}, iterations=iterations),
        phase=phase,
        step=step,
        cause="recurrent-update-loop",
        environment={"training": {"remedies": states}},
    )


def healthy(seconds: float, state: str = "applied", step: int = 4096) -> Diagnosis:
    return run_of(Verdict.HEALTHY, (seconds, seconds), {"fused-lstm": state, "resize-buffer": state}, None, step)


def test_an_update_that_takes_a_fraction_is_verified() -> None:
    proof = prove(FUSED, run_of(), healthy(2.5), "the first rollout is the same bit by bit")
    assert (proof.verified, proof.before, proof.after, proof.ratio) == (True, 16.0, 2.5, 6.4)
    assert "bit by bit" in proof.why


@pytest.mark.parametrize(
    ("second", "says"),
    [
        (healthy(15.0), ""),  # it did not move
        (healthy(12.0), ""),  # a little: a busy machine explains that
        (healthy(2.5, "refused"), "not applied: so"),
        (healthy(2.5, "waiting"), "not applied: so"),
        (run_of(Verdict.HEALTHY, (2.5,)), "not applied: the agent did not get in"),
        (run_of(Verdict.EXCEPTION, (2.5,), {"fused-lstm": "applied"}), "ended as exception"),
        (run_of(Verdict.HEALTHY, (None,), {"fused-lstm": "applied"}), "it came to step 2048 as healthy"),
    ],
)
def test_what_did_not_move_or_was_not_applied_is_not_verified(second: Diagnosis, says: str) -> None:
    proof = prove(FUSED, run_of(), second, "it agrees")
    assert not proof.verified
    assert says in proof.why


def test_another_phase_is_timed_by_its_mean_and_one_that_never_ended_not_at_all() -> None:
    assert duration_s(run_of(phase="eval")) == 10.0
    assert duration_s(run_of(train_s=(None,))) is None
    assert duration_s(run_of(phase=None)) is None


@pytest.mark.parametrize("verdict", [Verdict.EXCEPTION, Verdict.SLOW_PHASE, Verdict.DEADLOCK])
def test_a_run_that_did_not_go_on_is_verified_by_how_far_it_came(verdict: Verdict) -> None:
    first = run_of(verdict, (None,), step=1024)
    proof = prove(RESIZE, first, healthy(1.0), "it agrees")
    assert (proof.verified, proof.before, proof.after, proof.ratio) == (True, None, 4096.0, None)
    again = run_of(verdict, (None,), {"resize-buffer": "applied"}, step=1024)
    assert not prove(RESIZE, first, again, "it agrees").verified
    # Slow again, but later: it moved. The same error later: it did not.
    later = dataclasses.replace(again, step=4096)
    assert prove(RESIZE, first, later, "it agrees").verified == (verdict is Verdict.SLOW_PHASE)
    other = dataclasses.replace(later, verdict=Verdict.OOM)
    assert prove(RESIZE, first, other, "it agrees").verified


def test_a_run_is_offered_the_remedies_of_its_cause_unless_it_has_them(tmp_path: Path) -> None:
    plain = dataclasses.replace(run_of(), environment={"training": None})
    offered = remedies.noted(plain, tmp_path)
    assert [(item.id, item.verified) for item in offered.remedies] == [("fused-lstm", False)]
    assert offered.environment == plain.environment
    assert [item.id for item in verify.candidates(offered)] == ["fused-lstm"]
    line = {"id": "fused-lstm", "state": "applied", "says": "so", "value": ""}
    (tmp_path / "remedies-1.jsonl").write_text(json.dumps(line))
    had = remedies.noted(plain, tmp_path)
    assert had.remedies == ()
    assert [item.applied for item in remedies.of(had)] == [True]
    assert verify.candidates(had) == ()
    assert verify.candidates(dataclasses.replace(offered, cause=None)) == ()


def test_without_fingerprints_nothing_is_said_of_results(tmp_path: Path) -> None:
    assert "not known" in agreement(tmp_path, tmp_path)


def test_reports_tell_proven_from_merely_known_and_refused() -> None:
    tried = Proof("fused-lstm", "so", verified=True, before=15.6, after=2.5, ratio=6.24)
    verified = dataclasses.replace(run_of(became={"threads": "refused"}), remedies=(tried,))
    text = terminal.summary(verified)
    assert "fused-lstm: verified: 15.6 s before, 2.50 s after, ratio 6.2; so" in text
    assert "threads: not applied: so" in text
    known = dataclasses.replace(run_of(), remedies=(Proof("fused-lstm", "one call"),))
    assert "--remedy fused-lstm" in terminal.summary(known)
    assert "| not tried |" in run_markdown.render(known)
    assert "| yes |" in run_markdown.render(verified)
    assert not list(remedies_text.section(run_of()))


PROGRAM = """
    import gymnasium, numpy
    from stable_baselines3 import PPO

    class Market(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(-9, 9, (3,), numpy.float32)
        action_space = gymnasium.spaces.Discrete(3)
        def reset(self, *, seed=None, options=None):
            self.random = numpy.random.default_rng(seed)
            return self.random.standard_normal(3, dtype=numpy.float32), {}
        def step(self, action):
            return self.random.standard_normal(3, dtype=numpy.float32), 1.0, False, False, {}

    model = PPO("MlpPolicy", Market(), n_steps=64, batch_size=32, n_epochs=1, seed=0, device="cpu")
    model.n_steps = 32
    model.learn(128)
"""


def test_a_command_is_run_again_with_the_remedy_and_what_came_of_it_is_written_down(
    write: Write, tmp_path: Path
) -> None:
    command = [sys.executable, str(write(PROGRAM))]
    options = WatchOptions(tmp_path / "run", limit_s=60, stacks=False, env={"OMP_NUM_THREADS": "1"})
    first = watch(command, options)
    assert first.cause == "n-steps-changed"
    proofs: list[Any] = []
    second = verify.verify(command, first, options, on_proof=proofs.append)
    (proof,) = second.remedies
    assert proofs == [proof]
    assert (proof.id, proof.verified, proof.after) == ("resize-buffer", True, 128.0)
    assert Diagnosis.load(options.out / "diagnosis.json").remedies == (proof,)
    again = Diagnosis.load(options.out / "remedies" / "resize-buffer" / "diagnosis.json")
    assert again.verdict is Verdict.HEALTHY
    assert again.command == first.command
    assert [item.applied for item in remedies.of(again)] == [True]
    assert again.environment["training"]["buffer"]["buffer_size"] == 32
