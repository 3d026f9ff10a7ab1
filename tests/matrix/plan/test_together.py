from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from matrix.errors import MatrixError
from matrix.plan.parameters import Parameter, parameters_from
from matrix.plan.plan import Plan
from matrix.plan.plan_file import load_plan
from repro.options import parser, refuses

SET = '[versions.base]\nrequirements = ["torch"]\n'
PlanOf = Callable[[str], Plan]


@pytest.fixture
def plan_of(tmp_path: Path) -> PlanOf:
    def read(text: str) -> Plan:
        path = tmp_path / "sweep.toml"
        path.write_text(text, encoding="utf-8")
        return load_plan(path, parameters_from(parser()), refuses=refuses)

    return read


FACTORS = '[factors]\nadapter = ["off", "on"]\npolicy = ["MlpLstmPolicy", "MlpPolicy"]\n'


def test_levels_that_do_not_go_together_are_told_before_anything_runs(plan_of: PlanOf) -> None:
    with pytest.raises(MatrixError) as caught:
        plan_of(f"{FACTORS}{SET}")
    said = str(caught.value)
    assert "sweep.toml: factors: the training program refuses the cell 'adapter=on policy=MlpPolicy': " in said
    assert "--adapter: on needs --policy MlpLstmPolicy" in said
    assert "leave it out by a constraint" in said


def test_a_constraint_is_the_way_out(plan_of: PlanOf) -> None:
    constraint = 'constraints = [\'adapter == "on" implies policy == "MlpLstmPolicy"\']\n'
    assert len(plan_of(f"{constraint}{FACTORS}{SET}").cells) == 3


def test_an_extra_cell_is_looked_at_too(plan_of: PlanOf) -> None:
    with pytest.raises(MatrixError, match=r"extra: .*'adapter=off batch_size=63'"):
        plan_of(f'[factors]\nadapter = ["off"]\n{SET}[[extra]]\nbatch_size = 63\n[training]\nn_steps = 64\n')


def test_few_cells_of_a_large_design_are_asked_about(tmp_path: Path, parameters: Mapping[str, Parameter]) -> None:
    asked: list[Sequence[str]] = []

    def note(words: Sequence[str]) -> None:
        asked.append(words)

    path = tmp_path / "sweep.toml"
    path.write_text(
        f"[factors]\ngamma = [0.1, 0.2, 0.3, 0.4]\nn_steps = [1, 2, 3, 4]\nenv = ['v3', 'dummy']\n"
        f"adapter = ['on', 'off']\ndevice = ['cpu', 'cuda']\n{SET}"
    )
    plan = load_plan(path, parameters, refuses=note)
    pairs = {(words[words.index("--gamma") + 1], words[words.index("--n-steps") + 1]) for words in asked}
    assert len(pairs) == 16
    assert len(asked) < len(plan.cells) / 2
