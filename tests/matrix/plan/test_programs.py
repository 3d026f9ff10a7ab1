from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from matrix.errors import MatrixError
from matrix.plan.cells import Trial
from matrix.plan.plan import Plan

PlanOf = Callable[[str], Plan]
SET = '[versions.base]\nrequirements = ["torch"]\n'
SCRIPT = "import os, sys\nprint(sys.argv[1:], os.environ.get('A'))\n"
PROGRAM = Path("/nowhere/repro")


def sweep(command: str, factors: str = "", training: str = "", rest: str = "") -> str:
    return f"[factors]\n{factors}\n[training]\ncommand = {command}\n{training}\n{SET}{rest}"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "train.py"
    path.write_text(SCRIPT)
    return path


def words(plan: Plan, which: int = 0) -> list[str]:
    return list(plan.trials[which].words(PROGRAM))


def test_placeholders_are_the_factors_of_a_script(plan_of: PlanOf, script: Path) -> None:
    plan = plan_of(
        sweep(
            '["train.py", "--lr", "{lr}", "--env={env}", "{flag}", "--seed", "{seed}", "-t{threads}", "{{x}}"]',
            'lr = [0.1, 1e-5]\nenv = ["CartPole-v1", "mine"]',
            "flag = true",
            "[run]\nseeds = [7]\nthreads_per_cell = 2\n",
        )
    )
    assert len(plan.cells) == 4
    assert plan.cells[0].levels == {"lr": 0.1, "env": "CartPole-v1", "flag": True, "versions": "base"}
    assert words(plan) == [
        *(str(script), "--lr", "0.1", "--env=CartPole-v1", "true", "--seed", "7", "-t2", "{x}"),
    ]
    assert words(plan, 3)[2:4] == ["1e-05", "--env=mine"]


def test_a_level_is_never_taken_for_a_placeholder(plan_of: PlanOf, script: Path) -> None:
    plan = plan_of(sweep('["train.py", "{x}"]', "x = ['{seed}', '{{', '$(rm) \"a b\"']"))
    assert [words(plan, n)[1] for n in range(3)] == ["{seed}", "{{", '$(rm) "a b"']


def test_a_module_is_started_by_its_name(plan_of: PlanOf, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    plan = plan_of(sweep('["-m", "mine.train", "{a}"]', "a = [1]", 'path = "src"'))
    assert words(plan) == ["-m", "mine.train", "1"]
    assert plan.cells[0].environ == {"PYTHONPATH": str(tmp_path / "src")}


def test_what_is_no_placeholder_may_vary_too(plan_of: PlanOf, script: Path) -> None:
    plan = plan_of(
        sweep(
            '["train.py"]',
            'threads = [1, 2]\nremedy = ["none", "threads=2"]\npython = ["3.11"]\nenviron.A = ["1", false]',
        )
    )
    assert len(plan.cells) == 8
    assert words(plan) == [str(script)]


def test_two_commands_make_two_cells(plan_of: PlanOf, script: Path) -> None:
    first, second = (plan_of(sweep(f'["train.py", "{word}"]')).cells[0].id for word in "ab")
    assert first != second


def test_the_run_is_told_what_the_file_says(plan_of: PlanOf, script: Path) -> None:
    plan = plan_of(sweep('["train.py", "{a}", "{{}}"]', 'a = ["x y", "{"]\nenviron.A = ["v"]'))

    def run(trial: Trial) -> str:
        environ = {name: value for name, value in trial.cell.environ.items() if value is not None}
        done = subprocess.run(
            [sys.executable, *trial.words(PROGRAM)], env=environ, capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout.strip()

    assert [run(trial) for trial in plan.trials] == ["['x y', '{}'] v", "['{', '{}'] v"]


BAD = [
    ("no words", '"train.py"', "", "", ["training.command:", "list of texts"]),
    ("missing script", '["trian.py"]', "", "", ["training.command:", "'trian.py' is no file beside sweep.toml"]),
    ("name of no file", f'["{"x" * 300}.py"]', "", "", ["training.command:", "is no file beside"]),
    ("folder of no name", '["train.py"]', "", f'path = "{"x" * 300}"', ["training.path:", "is no folder beside"]),
    ("interpreter named", '["python", "train.py"]', "", "", ["'python' is no file", "interpreter is the cell's own"]),
    ("no module", '["-m"]', "", "", ["training.command:", 'to follow "-m"']),
    ("brace alone", '["train.py", "{"]', "", "", ["training.command:", "{{ for a brace"]),
    ("no name", '["train.py", "{a b}"]', "", "", ["training.command:", "'{a b}'", "no placeholder"]),
    ("unknown placeholder", '["train.py", "{lr}"]', "", "", ["training.command:", "{lr}", "[factors] lr = […]"]),
    ("misspelt placeholder", '["train.py", "{sed}"]', "", "", ["did you mean 'seed'?"]),
    ("unused factor", '["train.py"]', "lr = [1]", "", ["factors.lr:", "training.command has no {lr}"]),
    ("unused value", '["train.py"]', "", "lr = 1", ["training.lr:", "training.command has no {lr}"]),
    ("seed as a factor", '["train.py", "{seed}"]', "seed = [1]", "", ["factors.seed:", "use [run] seeds"]),
    ("factor and value", '["train.py", "{a}"]', "a = [1]", "a = 2", ["training.a:", "not in both"]),
    ("level that is none", '["train.py", "{a}"]', "a = [[1]]", "", ["factors.a:", "no single value"]),
    ("our option", '["train.py"]', "n_steps = [1]", "", ["factors.n_steps:", "training.command has no {n_steps}"]),
]


@pytest.mark.parametrize(
    ("command", "factors", "training", "says"), [bad[1:] for bad in BAD], ids=[str(bad[0]) for bad in BAD]
)
def test_a_wrong_command_is_told_with_the_way_out(
    plan_of: PlanOf, script: Path, command: str, factors: str, training: str, says: list[str]
) -> None:
    with pytest.raises(MatrixError) as caught:
        plan_of(sweep(command, factors, training))
    assert [part for part in says if part not in str(caught.value)] == [], str(caught.value)
    assert "sweep.toml: " in str(caught.value)
