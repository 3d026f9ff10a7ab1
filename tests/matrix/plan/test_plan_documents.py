"""Documents as people write them, right in most places: a plan, or one line that says what is not."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from matrix.errors import MatrixError
from matrix.plan.parameters import Parameter
from matrix.plan.plan import Plan
from matrix.plan.plan_file import parse_plan
from matrix.plan.tables import Table, read_document

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
WRONG = st.one_of(st.booleans(), st.integers(-2, 3), st.floats(allow_nan=False), TEXTS, st.lists(TEXTS, max_size=2))


def mostly(right: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """What is right, as a rule."""
    return st.integers(0, 39).flatmap(lambda n: WRONG if n == 39 else right)


def some(needed: Mapping[str, st.SearchStrategy[Any]] | None = None, **values: st.SearchStrategy[Any]) -> Any:
    """A table with some of the values."""
    optional = {name: mostly(one) for name, one in values.items()}
    return st.fixed_dictionaries({name: mostly(one) for name, one in (needed or {}).items()}, optional=optional)


def listed(*levels: Any) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(levels), min_size=1, max_size=3, unique=True)


SET = some(
    {"requirements": st.sampled_from([["torch"], ["torch==2.7.1", "pandas>=2"], ["numpy>=1"]])},
    python=st.sampled_from(["3.11", "3.12"]),
)
FACTORS = some(
    {"versions": listed("old", "new")},
    env=listed("dummy", "v3", "original"),
    adapter=listed("off", "on"),
    gamma=listed(0.9, 0.99),
    threads=listed(1, 2, 4),
    remedy=listed("none", "threads=2"),
    packages=some(tiny=listed("1.0", "2.0", ">=1.1", "<2"), numpy=listed("2.1", "*")),
    environ=some(OMP_NUM_THREADS=listed("1", 2, ""), A=st.just([False, "x"])),
)
OF_A_SCRIPT = some({"versions": listed("old", "new"), "lr": listed(0.1, "x", True, 1, 1.0)}, env=listed("{seed}", "}"))
EXTRA = some({"env": st.just("v3")}, why=st.just("control"), threads=st.just(8), remedy=st.just("none"))
CONSTRAINT = st.sampled_from(['env != "dummy" or env == "v3"', 'versions == "old"', 'versions in ["old", "new"]'])
CLAIM = some(
    {"says": st.just("so"), "test": st.just("same"), "factor": st.sampled_from(["env", "versions"])},
    where=st.just({"versions": "old"}),
)
RUN = st.one_of(
    some(repeats=st.integers(1, 3), seeds=st.just([0, 1]), limit_s=st.just(10), expected_s=st.just(5.5)),
    some({"design": st.just("adaptive")}, max_trials=st.just(9), budget_s=st.just(60)),
)
REST: dict[str, st.SearchStrategy[Any]] = {
    "name": TEXTS.filter(str.strip),
    "constraints": st.lists(CONSTRAINT, max_size=2),
    "weights": some(versions=st.just({"old": 2})),
    "costs": some(versions=st.just({"old": 2.5}), env=st.just(30)),
    "extra": st.lists(EXTRA, max_size=2),
    "run": RUN,
    "claims": st.lists(CLAIM, max_size=2),
}
SETS = st.fixed_dictionaries({"old": SET, "new": SET})
COMMANDS = st.sampled_from([["-m", "mine", "{lr}"], ["-m", "a", "{env}", "{seed}", "{{", "{lr}"]])
DOCUMENTS = st.one_of(
    some({"factors": FACTORS, "versions": SETS}, training=some(n_steps=st.integers(1, 9)), **REST),
    some({"factors": OF_A_SCRIPT, "versions": SETS, "training": some({"command": COMMANDS})}, **REST),
)


def some_releases(
    package: str, wanted: SpecifierSet, pythons: Iterable[str], exclude_newer: str | None
) -> tuple[str, ...]:
    found = tuple(release for release in ("1.0", "1.1", "2.0") if release in wanted)
    if not found:
        raise ValueError("no release in it")
    return found


def toml(value: Any) -> str:
    """A value as TOML writes it within a line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(str(key))} = {toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, float):
        return repr(value).replace("e", ".0e") if "." not in repr(value) and "e" in repr(value) else repr(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(document=DOCUMENTS)
def test_whatever_is_written_gives_a_plan_or_one_line(
    parameters: Mapping[str, Parameter], tmp_path: Path, document: dict[str, Any]
) -> None:
    path = tmp_path / "sweep.toml"
    path.write_text("".join(f"{key} = {toml(value)}\n" for key, value in document.items()), encoding="utf-8")
    read = read_document(path)
    assert read.values == document
    try:
        plan = parse_plan(read, parameters, some_releases)
    except MatrixError as error:
        message = str(error)
        assert message.startswith(f"{path}: ")
        assert len(message.splitlines()) == 1
        return
    assert plan == parse_plan(Table(path, "", document), parameters, some_releases)
    again = Plan.from_json(json.loads(json.dumps(plan.to_json())))
    assert again == plan
    assert len({trial.id for trial in plan.trials}) == len(plan.trials)
    assert [trial.id for trial in again.trials] == [trial.id for trial in plan.trials]
    for trial in plan.trials[:3]:
        assert all(isinstance(word, str) for word in trial.words(Path("/program")))
        assert plan.cost_s(trial.cell) > 0
