"""``freezelab envs`` as people call it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator

import pytest

import freezelab
from matrix.environments.cache import METADATA, CellEnvironment, UvEnvironments, default_cache
from matrix.environments.mirrors import uv_settings
from matrix.environments.uv import Uv
from matrix.plan.cells import VersionSet
from reports import envs_text
from reports.commands import interface
from tests.matrix.environments.conftest import OURS


@pytest.fixture
def two(only_wheels: dict[str, str]) -> Iterator[list[str]]:
    """The ids of an environment in use and one that was last used 40 days ago, in the user's cache."""
    environments = UvEnvironments(Uv(settings=uv_settings(only_wheels)), default_cache())
    ids: list[str] = []
    for requirement in ("tiny==1.0", "heavy==1.0"):
        environments.close()
        environment = environments.provide(VersionSet("set", (requirement,), OURS), None, lambda: False)
        assert isinstance(environment, CellEnvironment)
        ids.insert(0, environment.lock.id)
    os.utime(default_cache() / ids[1] / METADATA, (time.time() - 40 * 86400,) * 2)
    yield ids
    environments.close()


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def call(*arguments: str) -> str:
        capsys.readouterr()
        assert freezelab.main(["envs", *arguments]) == interface.EXIT_OK
        return capsys.readouterr().out

    return call


def test_the_list_names_each_environment_with_what_a_person_knows_it_by(
    two: list[str], said: Callable[..., str]
) -> None:
    head, used, old, _, total = said("list").splitlines()
    assert head.split() == ["ENVIRONMENT", "PYTHON", "FREES", "SHARES", "LAST", "USED", "PACKAGES"]
    assert used.startswith(f"{two[0]}  {OURS} ")
    assert used.endswith("in use     heavy 1.0")
    assert old.startswith(two[1])
    assert old.endswith("40 d ago   tiny 1.0")
    assert total.startswith(f"2 environments in {default_cache()}, ")
    assert " of 40.0 GB in all; " in total


def test_the_list_can_be_had_as_json(two: list[str], said: Callable[..., str]) -> None:
    document = json.loads(said("--json"))
    assert document["schema"] == "freezelab.envs/1"
    assert document["limit"] == 40e9
    assert [entry["id"] for entry in document["environments"]] == two
    assert [entry["in_use"] for entry in document["environments"]] == [True, False]
    assert document["environments"][0]["packages"] == {"heavy": "1.0"}
    assert document["held"] == sum(entry["frees"] for entry in document["environments"])


def test_help_shows_how_to_prune_and_what_the_limit_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        freezelab.main(["envs", "--help"])
    text, _, examples = capsys.readouterr().out.partition("examples:")
    assert "FREEZELAB_ENVS_LIMIT (40.0 GB unless it is set" in text
    assert "freezelab envs prune --to 10GB --dry-run" in examples


def test_an_empty_cache_is_told(said: Callable[..., str]) -> None:
    assert said() == f"no environments in {default_cache()}\n"
    assert said("prune") == "0 of 0 environments, 0 B freed\n"


@pytest.mark.parametrize("which", [["--all"], ["--to", "0"], ["--unused-for", "30d"]], ids=" ".join)
def test_prune_removes_what_is_asked_for_but_nothing_in_use(
    two: list[str], said: Callable[..., str], which: list[str]
) -> None:
    dry = said("prune", *which, "--dry-run")
    assert dry.startswith(f"would remove {two[1]}  tiny 1.0\n1 of 2 environments, ")
    assert (default_cache() / two[1]).exists()
    assert said("prune", *which).startswith(f"removed {two[1]}  tiny 1.0\n1 of 2 environments, ")
    assert [path.parent.name for path in default_cache().rglob(METADATA)] == [two[0]]


@pytest.mark.parametrize("which", [[], ["--to", "1GB"], ["--unused-for", "41d"]], ids=" ".join)
def test_prune_removes_nothing_that_need_not_go(two: list[str], said: Callable[..., str], which: list[str]) -> None:
    assert said("prune", *which) == "0 of 2 environments, 0 B freed\n"


def test_the_limit_of_the_environment_is_that_of_prune(
    two: list[str], said: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FREEZELAB_ENVS_LIMIT", "10kB")
    document = json.loads(said("prune", "--json"))
    assert [entry["id"] for entry in document["removed"]] == [two[1]]
    assert document["freed"] > 0
    monkeypatch.setenv("FREEZELAB_ENVS_LIMIT", "none")
    assert "without a limit" in said()


def test_prune_clears_away_what_a_killed_builder_left(said: Callable[..., str]) -> None:
    half = default_cache() / ".0123456789abcdef-x1y2" / "env"
    half.mkdir(parents=True)
    said("prune", "--dry-run")
    assert half.exists()
    said("prune")
    assert not half.exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["prune", "--to", "much"], "argument --to: 'much' is no size; write a number and a unit, such as 20GB"),
        (["prune", "--unused-for", "30"], "argument --unused-for: '30' is no length of time; write a number and m, h,"),
        (["prune", "--all", "--to", "1GB"], "not allowed with argument --all"),
        (["remove"], "invalid choice: 'remove'"),
    ],
)
def test_bad_values_are_told_with_what_would_be_right(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        freezelab.main(["envs", *arguments])
    assert caught.value.code == interface.EXIT_USAGE
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--dry-run"], ["list", "--all"], ["list", "--to", "0"]])
def test_list_refuses_what_only_prune_knows(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert freezelab.main(["envs", *arguments]) == interface.EXIT_USAGE
    assert "envs list removes nothing; write: freezelab envs prune" in capsys.readouterr().err


def test_a_limit_that_is_none_is_bad_usage(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FREEZELAB_ENVS_LIMIT", "lots")
    assert freezelab.main(["envs"]) == interface.EXIT_USAGE
    assert "environment variable FREEZELAB_ENVS_LIMIT: 'lots' is no size" in capsys.readouterr().err


def test_an_environment_is_known_by_its_training_libraries() -> None:
    torch = {"torch": "2.13.0+cpu", "stable-baselines3": "2.6.0", "sb3-contrib": "2.6.0", "numpy": "2.0"}
    assert envs_text.heads(torch) == "torch 2.13.0+cpu, sb3 2.6.0, sb3-contrib 2.6.0"
    assert envs_text.heads(dict.fromkeys("abcde", "1")) == "a 1, b 1, c 1, and 2 more"
    assert envs_text.heads({}) == "nothing"
