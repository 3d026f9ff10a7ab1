from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from matrix.errors import MatrixError
from matrix.plan.libraries import OUR_PYTHON
from matrix.plan.parameters import Parameter
from matrix.plan.plan import Plan
from matrix.plan.plan_file import load_plan

EXISTING = ("1.0", "1.1", "2.0", "2.1")
PlanOf = Callable[[str], Plan]


class KnownReleases:
    """Says what exists, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, tuple[str, ...], str | None]] = []

    def __call__(
        self, package: str, wanted: SpecifierSet, pythons: Iterable[str], exclude_newer: str | None
    ) -> tuple[str, ...]:
        self.asked.append((package, str(wanted), tuple(pythons), exclude_newer))
        found = tuple(release for release in EXISTING if release in wanted)
        if not found:
            raise ValueError("no release in it; the nearest are 1.1 and 2.0")
        return found


@pytest.fixture
def releases() -> KnownReleases:
    return KnownReleases()


@pytest.fixture
def plan_of(tmp_path: Path, parameters: Mapping[str, Parameter], releases: KnownReleases) -> PlanOf:
    def read(text: str) -> Plan:
        path = tmp_path / "sweep.toml"
        path.write_text(text, encoding="utf-8")
        return load_plan(path, parameters, releases)

    return read


SET = '[versions.base]\nrequirements = ["torch"]\n'


def test_a_range_of_a_package_is_a_level_for_each_release_that_exists(plan_of: PlanOf) -> None:
    plan = plan_of('[factors.packages]\ntiny = ["0.9", ">=1.1,<2.1"]\n')
    assert plan.factors == {"tiny": ("0.9", "1.1", "2.0")}
    assert [cell.versions.requirements for cell in plan.cells] == [("tiny==0.9",), ("tiny==1.1",), ("tiny==2.0",)]
    assert plan.cells[0].label == "tiny=0.9"
    assert plan.cells[0].levels["tiny"] == "0.9"


def test_ranges_may_overlap_each_other_and_single_releases(plan_of: PlanOf) -> None:
    plan = plan_of('[factors]\npackages.tiny = ["2.0", ">=1.1", "<2.1"]\n')
    assert plan.factors["tiny"] == ("2.0", "1.1", "2.1", "1.0")


def test_nothing_is_asked_for_single_releases(plan_of: PlanOf, releases: KnownReleases) -> None:
    plan = plan_of('[factors]\npackages.tiny = ["7.0", "==8.0"]\n')
    assert plan.factors["tiny"] == ("7.0", "8.0")
    assert releases.asked == []


def test_releases_are_asked_for_with_the_pythons_and_the_date_of_the_cells(
    plan_of: PlanOf, releases: KnownReleases
) -> None:
    plan_of(f'[factors]\npackages.tiny = [">=2"]\npython = ["3.11", "3.12"]\n{SET}exclude-newer = "2025-01-01"\n')
    plan_of(f'[factors]\npackages.tiny = [">=2"]\n{SET}python = "3.13"\n')
    plan_of('[factors]\npackages.tiny = ["*"]\n')
    assert releases.asked == [
        ("tiny", ">=2", ("3.11", "3.12"), "2025-01-01"),
        ("tiny", ">=2", ("3.13",), None),
        ("tiny", "", (OUR_PYTHON,), None),
    ]


def test_packages_add_to_each_named_set_and_python_to_both(plan_of: PlanOf) -> None:
    plan = plan_of(
        '[factors]\nversions = ["a", "b"]\npython = ["3.11", "3.12"]\npackages.tiny = ["1.0", "2.0"]\n'
        '[versions.a]\nrequirements = ["torch==2.7.1"]\n[versions.b]\nrequirements = ["torch==2.8.0"]\n'
    )
    assert len({cell.versions.id for cell in plan.cells}) == len(plan.cells) == 8
    last = plan.cells[-1].versions
    assert (last.requirements, last.python) == (("torch==2.8.0", "tiny==2.0"), "3.12")
    assert last.name == "b tiny=2.0 python=3.12"
    assert plan.cells[-1].levels["versions"] == "b"


def test_a_single_set_is_every_cells_without_being_a_factor(plan_of: PlanOf) -> None:
    plan = plan_of(f'[factors]\nenv = ["dummy", "v3"]\n{SET}')
    assert {cell.versions.name for cell in plan.cells} == {"base"} == {cell.levels["versions"] for cell in plan.cells}
    assert plan.cells[0].label == "env=dummy"


def test_without_factors_there_is_the_ordinary_cell(plan_of: PlanOf) -> None:
    assert [cell.label for cell in plan_of(SET).cells] == ["ordinary"]


def test_a_set_may_hold_a_date_only_where_packages_are_listed(plan_of: PlanOf) -> None:
    plan = plan_of('[factors]\npackages.tiny = ["1.0"]\n[versions.x]\nexclude-newer = 2025-01-01\n')
    assert plan.cells[0].versions.requirements == ("tiny==1.0",)
    assert plan.cells[0].versions.exclude_newer == "2025-01-01"


def test_a_lock_file_is_a_set_that_is_taken_as_it_is(plan_of: PlanOf, tmp_path: Path) -> None:
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "old.txt").write_text("# mine\ntorch==2.5.1\nnumpy==1.26.4  # via torch\n")
    plan = plan_of('[factors]\nenv = ["v3"]\n[versions.old]\nlock = "locks/old.txt"\npython = "3.11"\n')
    versions = plan.cells[0].versions
    assert (versions.lock, versions.requirements, versions.python) == ("torch==2.5.1\nnumpy==1.26.4\n", (), "3.11")


def test_variables_reach_the_cell_and_false_takes_one_away(plan_of: PlanOf) -> None:
    plan = plan_of(
        f'[factors.environ]\nOMP_NUM_THREADS = [1, "2", "", false]\n[training.environ]\nMKL = "x"\nHOME = false\n{SET}'
    )
    assert plan.factors == {"OMP_NUM_THREADS": ("1", "2", "", False)}
    assert [cell.environ["OMP_NUM_THREADS"] for cell in plan.cells] == ["1", "2", "", None]
    assert [cell.label for cell in plan.cells][1:] == ["OMP_NUM_THREADS=2", "OMP_NUM_THREADS=", "OMP_NUM_THREADS=unset"]
    assert all((cell.environ["MKL"], cell.environ["HOME"]) == ("x", None) for cell in plan.cells)
    assert "OMP_NUM_THREADS" not in " ".join(plan.cells[0].arguments)


def test_an_extra_cell_may_change_a_variable_a_release_and_the_threads(plan_of: PlanOf) -> None:
    plan = plan_of(
        '[factors]\nenviron.A = ["1"]\npackages.tiny = ["1.0"]\n[[extra]]\nA = "2"\ntiny = "3.0"\nthreads = 4\n'
    )
    ordinary, extra = plan.cells
    assert (extra.environ, extra.versions.requirements) == ({"A": "2"}, ("tiny==3.0",))
    assert [plan.threads(cell) for cell in plan.cells] == [1, 4]
    assert {name for name in extra.levels if extra.levels[name] != ordinary.levels[name]} == {"A", "tiny", "threads"}


def test_threads_as_a_factor_are_the_trials(plan_of: PlanOf) -> None:
    plan = plan_of(f"[factors]\nthreads = [1, 3]\n{SET}[run]\nthreads_per_cell = 2\n")
    assert [trial.threads for trial in plan.trials] == [1, 3]
    words = plan.trials[1].words(Path("/program"))
    assert words[words.index("--threads") + 1] == "3"


def test_constraints_leave_cells_out(plan_of: PlanOf) -> None:
    plan = plan_of(
        'constraints = [\'adapter == "on" implies env != "dummy"\', \'tiny == "1.0" or threads == 1\']\n'
        '[factors]\nenv = ["dummy", "v3"]\nadapter = ["off", "on"]\nthreads = [1, 2]\npackages.tiny = ["1.0", "2.0"]\n'
    )
    left = {
        (cell.levels["env"], cell.levels["adapter"], cell.levels["tiny"], plan.threads(cell)) for cell in plan.cells
    }
    assert len(left) == len(plan.cells) == 9
    assert not any(env == "dummy" and adapter == "on" for env, adapter, _, _ in left)
    assert not any(tiny == "2.0" and threads == 2 for _, _, tiny, threads in left)
    assert len(plan.constraints) == 2


def test_constraints_may_be_tables_too(plan_of: PlanOf) -> None:
    written = 'constraints = [\'env != "v3" or adapter == "on"\']\n'
    factors = f'[factors]\nenv = ["dummy", "v3"]\nadapter = ["off", "on"]\n{SET}'
    tables = '[[constraints]]\nonly = \'env != "v3" or adapter == "on"\'\nwhy = "known"\n'
    assert plan_of(f"{written}{factors}") == plan_of(f"{factors}{tables}")


def test_weights_multiply_the_repeats_of_a_level(plan_of: PlanOf) -> None:
    plan = plan_of(
        f'[factors]\nenv = ["dummy", "v3"]\nn_steps = [64, 128]\n[weights]\nenv = {{v3 = 2}}\nn_steps = {{128 = 3}}\n'
        f"{SET}[run]\nrepeats = 2\nseeds = [0, 1]\n"
    )
    assert [plan.repeats(cell) for cell in plan.cells] == [2, 6, 4, 12]
    assert len(plan.trials) == 2 * (2 + 6 + 4 + 12) == len({trial.id for trial in plan.trials})
    assert [trial.repeat for trial in plan.trials] == sorted(trial.repeat for trial in plan.trials)


def test_costs_are_what_a_trial_is_expected_to_take(plan_of: PlanOf) -> None:
    text = (
        '[factors]\nenv = ["dummy", "v3", "original"]\npackages.tiny = ["1.0", "2.0"]\n'
        "[costs]\ntiny = 30\nenv = {v3 = 5.5}\n[run]\nlimit_s = 50\n"
    )
    plan = plan_of(text)
    assert [plan.cost_s(cell) for cell in plan.cells] == [1, 30, 5.5, 35.5, 1, 30]
    plan = plan_of(f"{text}expected_s = 15\n")
    assert [plan.cost_s(cell) for cell in plan.cells] == [15, 45, 20.5, 50, 15, 45]


def test_without_any_costs_a_trial_may_take_its_limit(plan_of: PlanOf) -> None:
    plan = plan_of(f'[factors]\nenv = ["dummy"]\n{SET}[run]\nlimit_s = 50\n')
    assert plan.cost_s(plan.cells[0]) == 50


def test_an_adaptive_design_has_every_combination_to_choose_from(plan_of: PlanOf) -> None:
    plan = plan_of(
        f'[factors]\nenv = ["dummy", "v3"]\nadapter = ["off", "on"]\n{SET}'
        '[run]\ndesign = "adaptive"\nmax_trials = 10\nbudget_s = 600\n'
    )
    assert len(plan.cells) == 4
    assert (plan.run.max_trials, plan.run.budget_s) == (10, 600)


def test_everything_survives_being_written_and_read(plan_of: PlanOf, tmp_path: Path) -> None:
    (tmp_path / "l.txt").write_text("torch==2.5.1\n")
    plan = plan_of(
        'constraints = ["threads == 1 or A == false"]\n[factors]\nthreads = [1, 2]\nenviron.A = [false, "x"]\n'
        'versions = ["l", "r"]\n[versions.l]\nlock = "l.txt"\n[versions.r]\nrequirements = ["torch"]\n'
        'torch-backend = "cpu"\n[weights]\nthreads = {2 = 2}\n[costs]\nthreads = 3\n[[extra]]\nthreads = 5\n'
    )
    plan.save(tmp_path / "plan.json")
    again = Plan.load(tmp_path / "plan.json")
    assert again == plan
    assert [trial.id for trial in again.trials] == [trial.id for trial in plan.trials]


F = "[factors]\n"
BAD = [
    ("set and package", f'{F}packages.torch = ["2.5.1"]\n{SET}', ["versions.base.requirements:", "torch is also a"]),
    ("same package twice", f'{F}packages.tiny = ["1.0", "1.0.0"]', ["factors.packages.tiny:", "'1.0.0' is listed twi"]),
    ("empty range", f'{F}packages.tiny = [">=1.2,<2"]', ["factors.packages.tiny: '>=1.2,<2': no release", "1.1 and 2"]),
    ("no range", f'{F}packages.tiny = ["=>1"]', ["factors.packages.tiny:", "'=>1' is neither a release nor a range"]),
    ("no release", f'{F}packages.tiny = ["new"]', ["factors.packages.tiny:", "'new' is no release", '"2.5.1"']),
    ("release without quotes", f"{F}packages.tiny = [1.0]", ["factors.packages.tiny:", "in quotes"]),
    ("no list of releases", f'{F}packages.tiny = "1.0"', ["factors.packages.tiny:", "write tiny = [level, level]"]),
    ("packages that are no table", f'{F}packages = ["tiny"]', ["factors.packages:", "write [factors.packages]"]),
    ("no package", f'{F}packages."ti ny" = ["1.0"]', ["factors.packages.ti ny:", "no name of a package"]),
    ("package named as an option", f'{F}packages.env = ["1.0"]', ["factors.packages.env:", "something else"]),
    ("variable named as an option", f'{F}environ.gamma = ["1"]\n{SET}', ["factors.environ.gamma:", "something else"]),
    ("no variable", f'{F}environ."A B" = ["1"]\n{SET}', ["factors.environ.A B:", "such as OMP_NUM_THREADS"]),
    ("variable that is true", f"{F}environ.A = [true]\n{SET}", ["factors.environ.A:", "false for"]),
    ("variable twice", f'{F}environ.A = ["1", 1]\n{SET}', ["factors.environ.A:", "'1' is listed twice"]),
    ("import path as a variable", f'{F}environ.PYTHONPATH = ["x"]\n{SET}', ["PYTHONPATH:", '[training] path = "src"']),
    ("fixed variable", f'{F}environ.A = ["1"]\n{SET}[training.environ]\nA = "2"', ["training.environ.A:", "also a f"]),
    ("python without quotes", f"{F}python = [3.10]\n{SET}", ["factors.python:", "loses its zeros", '"3.11"']),
    ("no python", f'{F}python = ["new"]\n{SET}', ["factors.python:", "'new' is no version of Python"]),
    ("python twice", f'{F}python = ["3.11"]\n{SET}python = "3.12"', ["versions.base.python:", "also a factor"]),
    ("python of an extra", f'{SET}[[extra]]\npython = "3.12"', ["extra[0].python:", "list its levels in [factors]"]),
    ("no threads", f"{F}threads = [0]\n{SET}", ["factors.threads:", "from 1"]),
    ("lock and requirements", f'{SET}lock = "x.txt"', ["versions.base.requirements:", "drop this, or the lock"]),
    ("missing lock", '[versions.a]\nlock = "x.txt"', ["versions.a.lock:", "'x.txt' can't be read: No such file"]),
    ("loose lock", '[versions.a]\nlock = "loose.txt"', ["versions.a.lock: 'loose.txt': line 1: 'torch>=2' is not"]),
    (
        "lock and package",
        f'{F}packages.tiny=["1.0"]\n[versions.a]\nlock = "l.txt"',
        ["versions.a.lock:", "can't be"],
    ),
    ("twins", f'{F}versions=["base", "b"]\n{SET}[versions.b]\nrequirements=["torch"]', ["versions.b.", "of 'base'"]),
    ("bad constraint", f'constraints = ["env ="]\n{SET}', ["constraints[0]:", "is no constraint"]),
    (
        "constraint on nothing",
        f"constraints = ['evn == \"v3\"']\n{F}env = ['v3']\n{SET}",
        ["constraints[0]:", "'env'"],
    ),
    ("constraints that are none", f"constraints = 3\n{SET}", ["constraints:", "list of texts"]),
    (
        "no ordinary cell",
        f"constraints = ['env != \"v3\"']\n{F}env = ['v3', 'dummy']\n{SET}[run]\ndesign = 'one-at-a-time'",
        ["constraints:", "the ordinary cell", "list another one first"],
    ),
    ("constraint table without words", f"{SET}[[constraints]]\nwhy = 'x'", ["constraints[0].only:", "expected a text"]),
    ("constraint table with a key", f"{SET}[[constraints]]\nolny = 'x'", ["constraints[0].olny:", "'only'?"]),
    ("no cell left", f"constraints = ['env != \"v3\"']\n{F}env = ['v3']\n{SET}", ["constraints:", "no combination"]),
    (
        "extra against a constraint",
        f"constraints = ['env != \"v3\"']\n{F}env = ['dummy', 'v3']\n{SET}[[extra]]\nenv = 'v3'",
        ["extra[0].env:", "breaks the constraint"],
    ),
    ("weight of nothing", f"{SET}[weights]\nenv = {{v3 = 2}}", ["weights.env:", "unknown factor"]),
    ("weight of no level", f"{F}env=['v3']\n{SET}[weights]\nenv = {{v4 = 2}}", ["weights.env.v4:", "'v3'?"]),
    ("no weight", f"{F}env=['v3']\n{SET}[weights]\nenv = {{v3 = 0}}", ["weights.env.v3:", "from 1"]),
    ("weight of all", f"{F}env=['v3']\n{SET}[weights]\nenv = 2", ["weights.env:", "no table"]),
    ("cost of nothing", f"{SET}[costs]\nenv = 2", ["costs.env:", "unknown factor"]),
    ("no cost", f"{F}env=['v3']\n{SET}[costs]\nenv = 'much'", ["costs.env:", "seconds"]),
    ("strength of another", f"{SET}[run]\nstrength = 3", ["run.strength:", 'design = "covering"']),
    ("budget of another", f"{SET}[run]\nbudget_s = 3", ["run.budget_s:", 'design = "adaptive"']),
    ("adaptive repeats", f"{SET}[run]\ndesign = 'adaptive'\nrepeats = 3", ["run.repeats:", "decides itself"]),
    ("adaptive extra", f"{SET}[run]\ndesign = 'adaptive'\n[[extra]]\nenv = 'v3'", ["extra:", "chooses its cells"]),
    ("missing path", f"{SET}[training]\npath = 'src'", ["training.path:", "'src' is no folder"]),
]


@pytest.mark.parametrize(("text", "says"), [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD])
def test_bad_input_is_one_line_that_names_the_thing_and_the_way_out(
    plan_of: PlanOf, tmp_path: Path, text: str, says: list[str]
) -> None:
    (tmp_path / "loose.txt").write_text("torch>=2\n")
    (tmp_path / "l.txt").write_text("torch==2.5.1\n")
    with pytest.raises(MatrixError) as caught:
        plan_of(text)
    message = str(caught.value)
    assert "sweep.toml: " in message
    assert [part for part in says if part not in message] == [], message
    assert "\n" not in message
