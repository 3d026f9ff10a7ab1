"""Sections of a run's report: where it stood, where the time went, what was out of sight."""

from __future__ import annotations

import dataclasses

from probes.diagnosis import Culprit, Diagnosis, Evidence, Timing
from probes.verdicts import Verdict
from reports import run_markdown, run_stacks, run_time, unobserved
from reports.pictures.history import Span
from reports.pictures.of_run import RunPictures
from tests.reports.conftest import failed, healthy, slow

SITE = "/env/lib/python3.11/site-packages"
FRAMES = [
    ["wait", "/usr/lib/python3.11/threading.py", 327],
    ["Market.book", "/home/me/train.py", 48],
    ["marked", "/elsewhere/probes/agent/marks.py", 117],
    ["Monitor.step", f"{SITE}/stable_baselines3/common/monitor.py", 96],
    ["_call_impl", f"{SITE}/torch/nn/modules/module.py", 1789],
]


def stood(frames: list[list[object]]) -> tuple[Evidence, ...]:
    return (Evidence("stack-still", 3.0, "it stood", detail={"process": "main", "frames": frames}),)


def test_a_stack_is_folded_to_what_matters_and_whole_below() -> None:
    short, whole = run_stacks.stacks(stood(FRAMES))
    assert short.splitlines()[1:-1] == [
        ">> Market.book  me/train.py:48",
        "> Monitor.step  stable_baselines3/common/monitor.py:96",
    ]
    assert "<summary>book ← step (whole stack, from stack-still)</summary>" in whole
    assert "  wait  python3.11/threading.py:327" in whole
    assert "  _call_impl  torch/nn/modules/module.py:1789" in whole


def test_frames_of_an_agent_are_left_out_wherever_it_lay() -> None:
    assert "marks.py" not in "\n".join(run_stacks.stacks(stood(FRAMES)))


def test_a_stack_of_nothing_but_libraries_below_python_is_only_in_the_fold() -> None:
    [whole] = run_stacks.stacks(stood(FRAMES[:1]))
    assert whole.startswith("<details>")


def test_what_explains_something_comes_before_the_folds_wherever_it_was_found() -> None:
    first, *folds = run_stacks.stacks(stood(FRAMES[:1]) + stood(FRAMES))
    assert "Market.book" in first
    assert len(folds) == 2


def test_what_was_given_to_python_as_a_string_is_the_users() -> None:
    first, _ = run_stacks.stacks(stood([["wait_for_lock", "<string>", 4]]))
    assert ">> wait_for_lock  <string>:4" in first


def test_a_very_deep_stack_says_how_much_is_left_out() -> None:
    deep: list[list[object]] = [["again", "/home/me/train.py", 1]] * 5000
    *_, whole = run_stacks.stacks(stood(deep))
    assert "  … and 4970 more" in whole
    assert len(whole) < 4000


def times(diagnosis: Diagnosis, drawn: RunPictures | None = None) -> str:
    return "\n\n".join(run_time.section(diagnosis, drawn or RunPictures()))


def test_phases_come_longest_first_with_their_share_of_the_run() -> None:
    phases = {
        "collect": {"count": 2, "total_s": 1.0, "max_s": 0.6},
        "train": {"count": 2, "total_s": 30.0, "max_s": 20.0},
        "callback": {"count": 9, "total_s": 0.001, "max_s": 0.001},
    }
    text = times(dataclasses.replace(healthy(), timing=Timing(40.0, phases=phases)))
    assert text.index("| train | 2 | 30.0 s | 75 % | 15.0 s | 20.0 s |") < text.index("| collect | 2 | 1.00 s | 2 % |")
    assert "| callback | 9 | 1 ms | under 1 % |" in text


def test_what_had_not_ended_comes_first() -> None:
    drawn = RunPictures(unended=(Span("train", 10.0, 40.0, ended=False),))
    text = times(slow(), drawn)
    assert text.index("| **train**, the last, not ended | 1 | 30.0 s | 75 % |") < text.index("| train | 2 |")


def test_of_many_iterations_the_first_and_the_last_are_shown() -> None:
    rows = tuple({"step": n, "collect_s": 1.0, "train_s": 2.0, "minibatches": 4} for n in range(100))
    text = times(dataclasses.replace(slow(), timing=Timing(300.0, iterations=rows)))
    assert "| 5 | 1.00 s |" in text
    assert "| 6 | 1.00 s |" not in text
    assert "| 94 | 1.00 s |" in text
    assert "(the first 6 and the last of 100 that were kept)" in text


def test_profiles_are_named_with_where_to_look_at_them() -> None:
    text = times(dataclasses.replace(slow(), artifacts={"profile-1": "profile-1.speedscope.json", "log": "stdout.log"}))
    assert "All samples are in `profile-1.speedscope.json`" in text
    assert "stdout.log" not in text


def test_nothing_known_of_the_time_makes_no_section() -> None:
    assert times(healthy()) == ""


def test_what_could_not_be_observed_is_told() -> None:
    blind = dataclasses.replace(
        healthy(),
        verdict=Verdict.DEADLOCK,
        evidence=(Evidence("no-agent", 1.0, "there is no agent in it"), Evidence("silence", 1.0, "no event")),
    )
    text = "\n".join(unobserved.section(blind))
    for point in (
        "there is no agent in it",
        "No stack was taken",
        "No single function",
        "none of those that FreezeLab",
    ):
        assert point in text


def test_that_nothing_was_out_of_reach_is_told_too() -> None:
    assert "Nothing that was looked for was out of reach." in run_markdown.render(failed())


def test_the_commands_to_see_it_again_can_be_pasted() -> None:
    diagnosis = dataclasses.replace(slow(), culprit=Culprit("f", "/a.py", 1, None, None))
    text = run_markdown.render(diagnosis, cwd="/home/me/my project")
    assert "cd '/home/me/my project'\nfreezelab run -- python train.py --env '<b>x</b>'" in text


def test_what_was_trained_and_with_what_is_told() -> None:
    environment = {
        "python": "3.11.7",
        "packages": {"torch": "2.13.0", "numpy": "2.4.6"},
        "training": {"algorithm": "PPO", "policy": "MlpPolicy", "device": "cpu", "hyperparameters": {"n_steps": 2048}},
    }
    text = run_markdown.render(dataclasses.replace(slow(), environment=environment))
    assert "| training | PPO, MlpPolicy, cpu |" in text
    assert "| `n_steps` | `2048` |" in text
    assert "```text\nnumpy==2.4.6\ntorch==2.13.0\n```" in text


def test_an_environment_of_which_nothing_is_known_is_no_error() -> None:
    text = run_markdown.render(dataclasses.replace(slow(), environment={"training": None, "cpu": None}))
    assert "| libraries | — |" in text
