"""The cache stays below its limit: the least recently used go, never what is used or built."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix.environments.cache import METADATA, UvEnvironments
from matrix.environments.eviction import (
    DEFAULT_LIMIT,
    Built,
    Usage,
    beyond,
    clear_leftovers,
    contents,
    environs_limit,
    evict,
    held_by,
    idle,
    keep_below,
)
from matrix.environments.layout import building
from matrix.errors import MatrixError
from tests.matrix.environments.conftest import Provided, site_of


def of(name: str, own: int, last_used: float, in_use: bool = False, linked: Mapping[int, int] | None = None) -> Built:
    """An environment; ``linked`` is inode to how many names it has at all, each file of 100 bytes with one in here."""
    inodes = {(1, inode): (100, links, 1) for inode, links in (linked or {}).items()}
    return Built(name, "3.11", {}, None, last_used, in_use, Usage(own, inodes))


def names(environments: list[Built]) -> list[str]:
    return [built.id for built in environments]


def test_the_least_recently_used_go_first_and_no_more_than_needed() -> None:
    three = [of("new", 10, 3), of("old", 10, 1), of("middle", 10, 2)]
    assert names(beyond(three, 30)) == []
    assert names(beyond(three, 29)) == ["old"]
    assert names(beyond(three, 10)) == ["old", "middle"]
    assert names(beyond(three, 0)) == ["old", "middle", "new"]
    assert names(beyond(three, math.inf)) == []


def test_what_is_in_use_stays_though_it_is_the_oldest() -> None:
    assert names(beyond([of("new", 10, 3), of("old", 10, 1, in_use=True)], 0)) == ["new"]


def test_a_file_counts_once_and_only_if_no_other_name_is_left() -> None:
    with_uv = of("a", 1, 1, linked={7: 2})
    assert (with_uv.frees, with_uv.shares) == (1, 100)
    alone = of("b", 1, 1, linked={7: 1})
    assert (alone.frees, alone.shares) == (101, 0)
    both = [of("a", 1, 1, linked={7: 2}), of("b", 1, 2, linked={7: 2})]
    assert [built.frees for built in both] == [1, 1]
    assert held_by(both) == 102


def test_who_was_idle_for_long_is_known() -> None:
    some = [of("new", 1, 900), of("old", 1, 100), of("used", 1, 100, in_use=True)]
    assert names(idle(some, 500, now=1000)) == ["old"]


@given(
    st.lists(st.tuples(st.integers(0, 50), st.booleans(), st.lists(st.integers(0, 3), unique=True)), max_size=6),
    st.integers(0, 400),
)
def test_what_stays_is_below_the_limit_or_in_use(some: list[tuple[int, bool, list[int]]], limit: int) -> None:
    links = [sum(inode in linked for _, _, linked in some) for inode in range(4)]
    environments = [
        of(str(at), own, at, in_use, {inode: links[inode] for inode in linked})
        for at, (own, in_use, linked) in enumerate(some)
    ]
    going = beyond(environments, limit)
    staying = [built for built in environments if built not in going]
    assert not any(built.in_use for built in going)
    assert held_by(staying) <= limit or all(built.in_use for built in staying)
    assert going == sorted(going, key=lambda built: built.last_used)
    if going:
        assert held_by([*staying, going[-1]]) > limit  # the last one had to go


def test_the_limit_is_the_users() -> None:
    assert environs_limit({}) == DEFAULT_LIMIT == 40e9
    assert environs_limit({"FREEZELAB_ENVS_LIMIT": "20GB"}) == 20e9
    assert environs_limit({"FREEZELAB_ENVS_LIMIT": "none"}) == math.inf
    with pytest.raises(MatrixError, match=r"^environment variable FREEZELAB_ENVS_LIMIT: 'much' is no size; .* or none"):
        environs_limit({"FREEZELAB_ENVS_LIMIT": "much"})


def test_what_the_cache_holds_is_told(provided: Provided, uv_environments: UvEnvironments, tmp_path: Path) -> None:
    environment = provided("heavy==1.0", "tiny==2.0")
    (built,) = contents(tmp_path / "envs")
    assert built.id == environment.lock.id
    assert built.packages == {"heavy": "1.0", "tiny": "2.0"}
    assert built.in_use
    assert built.shares >= 1_000_000 > built.frees > 10_000
    uv_environments.close()
    # What uv's cache has no more is the environment's own.
    uv_environments._uv(["cache", "clean"])
    (alone,) = contents(tmp_path / "envs")
    assert not alone.in_use
    assert (alone.shares, alone.frees) == (0, built.frees + built.shares)


def test_a_cache_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert contents(tmp_path / "none") == []
    assert keep_below(tmp_path / "none", 0) == []
    clear_leftovers(tmp_path / "none")


def test_strange_folders_are_no_environments(tmp_path: Path) -> None:
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / METADATA).write_text("not JSON")
    (tmp_path / "resolutions").mkdir()
    assert contents(tmp_path) == []


def test_a_new_build_makes_room_but_not_at_the_cost_of_what_is_in_use(
    provided: Provided, uv_environments: UvEnvironments, tmp_path: Path
) -> None:
    cache = tmp_path / "envs"
    old = provided("tiny==1.0")
    uv_environments.close()
    used = provided("picky")
    os.utime(cache / used.lock.id / METADATA, (1, 1))
    tight = UvEnvironments(uv_environments._uv, cache, limit=1)
    new = provided("tiny==2.0", by=tight)
    assert new.notes == ("to stay below 1 B, the least recently used were removed: 1",)
    assert {built.id for built in contents(cache)} == {used.lock.id, new.lock.id}
    assert not (cache / old.lock.id).exists()
    assert list(cache.glob(".*")) == []
    assert provided("picky", by=tight).notes == ()


def test_nothing_goes_that_came_into_use_or_is_built_since_it_was_looked_at(
    provided: Provided, uv_environments: UvEnvironments, tmp_path: Path
) -> None:
    cache = tmp_path / "envs"
    environment = provided("tiny==1.0")
    uv_environments.close()
    seen = contents(cache)
    with building(cache, environment.lock.id, lambda: False):
        assert evict(cache, seen) == []
    provided("tiny==1.0")
    assert evict(cache, seen) == []
    assert (site_of(environment) / "tiny.py").exists()
    uv_environments.close()
    assert evict(cache, seen) == seen
    assert evict(cache, seen) == []
    assert contents(cache) == []


def test_what_killed_builders_left_is_cleared_but_not_what_is_being_built(tmp_path: Path) -> None:
    for name in (".dead-1", ".alive-1"):
        (tmp_path / name / "env").mkdir(parents=True)
    with building(tmp_path, "alive", lambda: False):
        clear_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.glob(".*")) == [".alive-1"]


def test_a_sweep_that_was_killed_uses_nothing_any_more(
    provided: Provided, uv_environments: UvEnvironments, only_wheels: dict[str, str], tmp_path: Path
) -> None:
    lock = provided("tiny==1.0").lock
    uv_environments.close()
    program = (
        "import sys; from pathlib import Path\n"
        "from matrix.environments.cache import *; from matrix.environments.uv import Uv\n"
        "kept = UvEnvironments(Uv(), Path(sys.argv[1]))\n"
        "kept.build(Lock(sys.argv[2], sys.argv[3]), lambda: False)\n"
        "print('in use', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "envs"), lock.python, lock.text],
        cwd=Path(__file__).resolve().parents[3],
        env=only_wheels,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as sweep:
        assert sweep.stdout is not None
        assert sweep.stdout.readline() == "in use\n"
        assert [built.in_use for built in contents(tmp_path / "envs")] == [True]
        sweep.kill()
        sweep.wait()
    assert [built.in_use for built in contents(tmp_path / "envs")] == [False]
