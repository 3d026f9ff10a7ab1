from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matrix.errors import MatrixError
from matrix.plan.parameters import Parameter
from matrix.plan.plan import Plan
from matrix.plan.plan_file import KEYS, load_plan, parse_plan
from matrix.plan.tables import Table
from probes.verdicts import Verdict

PlanOf = Callable[[str], Plan]


def test_a_full_design_has_a_cell_for_each_combination(plan: Plan) -> None:
    assert len(plan.cells) == 8
    assert plan.cells[0].label == "versions=old env=dummy adapter=off"
    assert plan.cells[0].why is None


def test_a_cell_says_everything_that_determines_it(plan: Plan) -> None:
    assert plan.cells[-1].levels == {
        "env": "v3",
        "adapter": "on",
        "device": "cpu",
        "n_steps": 2048,
        "gamma": 0.99,
        "base_model": None,
        "clear_gpu_memory": False,
        "bars": False,
        "versions": "new",
    }


def test_a_cell_knows_the_words_that_the_program_is_told(plan: Plan) -> None:
    words = plan.cells[-1].arguments
    assert words[words.index("--env") + 1] == "v3"
    assert "--seed" not in words
    assert "--threads" not in words


def test_fixed_parameters_are_in_every_cell(plan_of: PlanOf, sweep_text: str) -> None:
    plan = plan_of(f"{sweep_text}[training]\nn_steps = 64\n")
    assert {cell.levels["n_steps"] for cell in plan.cells} == {64}


def test_an_extra_cell_differs_from_the_ordinary_one_in_what_it_names(plan_of: PlanOf, sweep_text: str) -> None:
    plan = plan_of(f'{sweep_text}[[extra]]\nwhy = "control"\ngamma = 0.5\nenv = "v3"\n')
    extra = plan.cells[-1]
    assert len(plan.cells) == 9
    assert extra.why == "control"
    assert extra.label == "versions=old env=v3 adapter=off gamma=0.5"
    ordinary = plan.cells[0].levels
    assert {name for name in ordinary if ordinary[name] != extra.levels[name]} == {"env", "gamma"}


def test_an_extra_cell_that_is_one_of_the_designs_is_not_run_twice(plan_of: PlanOf, sweep_text: str) -> None:
    plan = plan_of(f'{sweep_text}[[extra]]\nenv = "v3"\n')
    assert len(plan.cells) == 8
    assert all(cell.why is None for cell in plan.cells)


def test_seeds_and_repeats_make_trials(plan_of: PlanOf, sweep_text: str) -> None:
    plan = plan_of(f"{sweep_text}[run]\nseeds = [3, 4]\nrepeats = 2\n")
    assert len(plan.trials) == 8 * 2 * 2 == len({trial.id for trial in plan.trials})
    assert plan.trials[-1].label == "versions=new env=v3 adapter=on seed=4 repeat=1"


def test_adding_an_extra_cell_leaves_the_other_trials_what_they_were(plan_of: PlanOf, sweep_text: str) -> None:
    before = [trial.id for trial in plan_of(sweep_text).trials]
    after = [trial.id for trial in plan_of(f"{sweep_text}[[extra]]\ngamma = 0.5\n").trials]
    assert after[:-1] == before


def test_without_a_python_the_cells_get_ours(plan: Plan) -> None:
    assert plan.cells[0].versions.python == f"{sys.version_info.major}.{sys.version_info.minor}"


def test_a_date_may_be_written_with_or_without_quotes(plan_of: PlanOf, sweep_text: str) -> None:
    quoted, bare = (
        plan_of(sweep_text.replace("[versions.new]", f"exclude-newer = {date}\n[versions.new]"))
        for date in ('"2026-01-31"', "2026-01-31")
    )
    assert quoted.cells[0].versions.exclude_newer == "2026-01-31"
    assert quoted == bare


def test_claims_are_read(plan_of: PlanOf, sweep_text: str) -> None:
    plan = plan_of(
        sweep_text
        + '[[claims]]\nsays = "a"\ntest = "same"\nfactor = "env"\nwhere = {adapter = "on"}\n'
        + '[[claims]]\nsays = "b"\ntest = "never"\nverdict = ["crash", "oom"]\n'
        + '[[claims]]\nsays = "c"\nneeds = "the checkpoint"\n'
    )
    assert [claim.test for claim in plan.claims] == ["same", "never", None]
    assert plan.claims[0].where == {"adapter": "on"}
    assert plan.claims[1].verdicts == (Verdict.CRASH, Verdict.OOM)


def test_a_plan_survives_being_written_and_read(plan_of: PlanOf, sweep_text: str, tmp_path: Path) -> None:
    plan = plan_of(
        sweep_text + '[[extra]]\ngamma = 0.5\nwhy = "w"\n[[claims]]\nsays = "b"\ntest = "never"\nverdict = ["oom"]\n'
    )
    plan.save(tmp_path / "plan.json")
    again = Plan.load(tmp_path / "plan.json")
    assert again == plan
    assert [trial.id for trial in again.trials] == [trial.id for trial in plan.trials]


@pytest.mark.parametrize("content", [None, "{", "[]", '{"schema": "freezelab.plan/1"}', '{"schema": "other"}'])
def test_a_plan_that_is_none_is_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "plan.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(MatrixError, match=r"plan\.json"):
        Plan.load(path)


BAD = [
    ("unknown table", "[factor]\nenv = ['v3']", ["factor:", "did you mean 'factors'?"]),
    ("unknown factor", ("env = [", "envs = ["), ["factors.envs:", "did you mean 'env'?"]),
    ("unknown level", ('"v3"', '"v4"'), ["factors.env:", "'v4'", "did you mean 'v3'?", "dummy, original, v3"]),
    ("level of the wrong type", ('["off", "on"]', "[[1]]"), ["factors.adapter:", "no single value"]),
    ("level twice", ('"v3"', '"dummy"'), ["factors.env:", "listed twice"]),
    ("levels not in a list", ('["dummy", "v3"]', '"v3"'), ["factors.env:", "write env = [level, level]"]),
    ("no levels", ('["dummy", "v3"]', "[]"), ["factors.env:", "expected a list of levels"]),
    ("negative parameter", "[training]\nn_steps = -1", ["training.n_steps:", "at least 1", "its default is 2048"]),
    ("non-numeric parameter", "[training]\nn_steps = 'x'", ["training.n_steps:", "no number"]),
    ("unknown parameter", "[training]\nnsteps = 1", ["training.nsteps:", "did you mean 'n_steps'?"]),
    ("fixed factor", "[training]\nenv = 'v3'", ["training.env:", "in [factors] or in [training]"]),
    ("fixed versions", "[training]\nversions = 'old'", ["training.versions:", "list it in [factors]"]),
    ("seed as a factor", "[training]\nseed = 1", ["training.seed:", "use [run] seeds"]),
    ("threads as a parameter", "[training]\nthreads = 1", ["training.threads:", "use [run] threads_per_cell"]),
    ("versions missing", ('versions = ["old", "new"]', ""), ["factors.versions:", "list the library sets", "old, new"]),
    ("library set not described", ('"new"]', '"newer"]'), ["factors.versions:", "did you mean 'new'?"]),
    ("no requirements", ('requirements = ["tiny==1.0"]', ""), ["versions.old.requirements:", "list of texts"]),
    ("bad requirement", ("tiny==1.0", "tiny=1.0"), ["versions.old.requirements:", "'tiny=1.0'", "as for pip"]),
    ("unknown key of a set", ("[versions.new]", "pyhton = '3.11'\n[versions.new]"), ["did you mean 'python'?"]),
    ("set that is no table", "[extra]", ["extra:", "[[extra]]"]),
    ("extra that changes nothing", "[[extra]]\nwhy = 'x'", ["extra[0].why:", "name at least one level"]),
    ("extra with an unknown level", "[[extra]]\nenv = 'v4'", ["extra[0].env:", "did you mean 'v3'?"]),
    ("no repeats", "[run]\nrepeats = 0", ["run.repeats:", "from 1"]),
    ("seeds not whole", "[run]\nseeds = [0.5]", ["run.seeds:", "whole numbers"]),
    ("seeds twice", "[run]\nseeds = [1, 1]", ["run.seeds:", "distinct"]),
    ("no jobs", "[run]\njobs = 0", ["run.jobs:", "from 1"]),
    ("no time", "[run]\nlimit_s = 0", ["run.limit_s:", "positive number of seconds"]),
    ("endless time", "[run]\nlimit_s = inf", ["run.limit_s:", "positive number of seconds"]),
    ("no threads", "[run]\nthreads_per_cell = 'two'", ["run.threads_per_cell:", "whole number from 1"]),
    ("unknown setting", "[run]\nlimit = 5", ["run.limit:", "did you mean 'limit_s'?"]),
    ("unknown design", "[run]\ndesign = 'ful'", ["run.design:", "did you mean 'full'?"]),
    ("claim without words", "[[claims]]\ntest = 'same'", ["claims[0].says:", "expected a text"]),
    ("unknown test", "[[claims]]\nsays='x'\ntest = 'equal'", ["claims[0].test:", "known: differs, never"]),
    ("claim without a test", "[[claims]]\nsays='x'", ["claims[0].test:", "expected a text"]),
    ("test and needs", "[[claims]]\nsays='x'\ntest='same'\nneeds='y'", ["claims[0].needs:", "drop one"]),
    ("claim on no factor", "[[claims]]\nsays='x'\ntest='same'\nfactor='evn'", ["claims[0].factor:", "'env'?"]),
    ("unknown verdict", "[[claims]]\nsays='x'\ntest='occurs'\nverdict=['crsh']", ["verdict:", "'crash'?"]),
    ("claim elsewhere", "[[claims]]\nsays='x'\nneeds='y'\nwhere={env='v4'}", ["claims[0].where.env:", "'v3'?"]),
    ("table that is none", "training = 3", ["training:", "write [training]"]),
    ("not TOML", "[[[", ["not TOML", "mend that line"]),
]


@pytest.mark.parametrize(("change", "says"), [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD])
def test_bad_input_is_one_line_that_names_the_thing_and_the_way_out(
    plan_of: PlanOf, sweep_text: str, change: str | tuple[str, str], says: list[str]
) -> None:
    if isinstance(change, tuple):
        text = sweep_text.replace(*change, 1)
        assert text != sweep_text
    else:
        text = f"{change}\n{sweep_text}" if change.startswith("training") else f"{sweep_text}{change}\n"
    with pytest.raises(MatrixError) as caught:
        plan_of(text)
    message = str(caught.value)
    assert "sweep.toml: " in message
    assert [part for part in says if part not in message] == [], message
    assert "\n" not in message


def test_a_missing_file_is_named(tmp_path: Path, parameters: Mapping[str, Parameter]) -> None:
    with pytest.raises(MatrixError, match=r"nothing\.toml: no such file; name a sweep file"):
        load_plan(tmp_path / "nothing.toml", parameters)


def test_a_folder_or_binary_file_is_not_read_as_a_sweep(tmp_path: Path, parameters: Mapping[str, Parameter]) -> None:
    with pytest.raises(MatrixError, match="can't be read"):
        load_plan(tmp_path, parameters)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(MatrixError, match="not UTF-8 text at byte 0"):
        load_plan(tmp_path / "binary.toml", parameters)


def test_a_file_without_library_sets_says_how_to_describe_one(plan_of: PlanOf) -> None:
    with pytest.raises(MatrixError, match=r"versions: no library set is described; add \[versions\.NAME\]"):
        plan_of("[factors]\n")


VALUES = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=8),
        st.sampled_from(["old", "v3", "on", "{env}", "1.0"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                [
                    *("versions", "env", "n_steps", "requirements", "says", "test", "verdict", "a\nb", "old"),
                    *("packages", "environ", "python", "threads", "lock", "command", "path", "design", "seed", "v3"),
                ]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(st.sampled_from(KEYS), VALUES)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=DOCUMENTS)
def test_whatever_a_file_holds_gives_a_plan_or_one_line(
    parameters: Mapping[str, Parameter], document: dict[str, Any]
) -> None:
    plan, message = None, ""
    try:
        plan = parse_plan(Table(Path("sweep.toml"), "", document), parameters)
    except MatrixError as error:
        message = str(error)
    if plan is None:
        assert message.startswith("sweep.toml: ")
        assert "\n" not in message
    else:
        assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
