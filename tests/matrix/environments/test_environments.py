from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from matrix.environments.cache import (
    METADATA,
    BuildError,
    CellEnvironment,
    Lock,
    Unsatisfiable,
    UvEnvironments,
    default_cache,
)
from matrix.environments.mirrors import uv_settings
from matrix.environments.uv import Answer, StoppedError, Uv, find_uv
from matrix.errors import MatrixError
from matrix.plan.cells import VersionSet

OURS = f"{sys.version_info.major}.{sys.version_info.minor}"
ROOT = Path(__file__).resolve().parents[3]


def never() -> bool:
    return False


def asking(*requirements: str, python: str = OURS) -> VersionSet:
    return VersionSet("set", requirements, python)


def built(environments: UvEnvironments, *requirements: str) -> CellEnvironment:
    environment = environments.provide(asking(*requirements), None, never)
    assert isinstance(environment, CellEnvironment)
    return environment


def version_of_tiny(environment: CellEnvironment) -> str:
    command = [str(environment.python), "-c", "import tiny; print(tiny.VERSION)"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


class Recording(Uv):
    """A real uv that notes what it is asked."""

    def __call__(self, arguments: Sequence[str], stdin: str = "", should_stop: Callable[[], bool] = never) -> Answer:
        CALLS.append(arguments[0] if arguments[0] == "venv" else arguments[1])
        return super().__call__(arguments, stdin, should_stop)


CALLS: list[str] = []


@pytest.fixture
def recording(only_wheels: dict[str, str]) -> Uv:
    CALLS.clear()
    return Recording(settings=uv_settings(only_wheels))


def test_a_cell_gets_the_releases_it_asks_for_from_pips_wheel_folder(uv_environments: UvEnvironments) -> None:
    assert version_of_tiny(built(uv_environments, "tiny==1.0")) == "1.0"
    assert version_of_tiny(built(uv_environments, "tiny")) == "2.0"


def test_what_a_package_needs_is_locked_too(uv_environments: UvEnvironments) -> None:
    environment = built(uv_environments, "picky")
    assert environment.lock.text.split() == ["picky==1.0", "tiny==1.0"]
    assert version_of_tiny(environment) == "1.0"


def test_sets_that_resolve_to_the_same_releases_share_an_environment_built_once(recording: Uv, tmp_path: Path) -> None:
    environments = UvEnvironments(recording, tmp_path)
    assert built(environments, "tiny<2") == built(environments, "tiny==1.0")
    assert CALLS == ["compile", "venv", "install", "compile"]


def test_a_known_lock_is_kept_though_newer_releases_came(uv_environments: UvEnvironments) -> None:
    old = built(uv_environments, "tiny==1.0").lock
    environment = uv_environments.provide(asking("tiny"), old, never)
    assert isinstance(environment, CellEnvironment)
    assert version_of_tiny(environment) == "1.0"


def test_an_environment_says_what_it_is_and_when_it_was_used(uv_environments: UvEnvironments) -> None:
    environment = built(uv_environments, "tiny==1.0")
    folder = environment.python.parent.parent
    metadata = folder / METADATA
    assert json.loads(metadata.read_text())["lock"] == environment.lock.id == folder.name
    assert (folder / "lock.txt").read_text() == environment.lock.text
    os.utime(metadata, (0, 0))
    built(uv_environments, "tiny==1.0")
    assert time.time() - metadata.stat().st_mtime < 60


def test_programs_of_an_environment_start_from_where_it_ended_up(uv_environments: UvEnvironments) -> None:
    folder = built(uv_environments, "tiny==1.0").python.parent.parent
    scripts = [path for path in (folder / "bin").iterdir() if path.is_file() and not path.is_symlink()]
    assert [path.name for path in scripts if f".{folder.name}-".encode() in path.read_bytes()] == []


def test_two_builders_at_once_build_one_environment(recording: Uv, tmp_path: Path) -> None:
    both = [UvEnvironments(recording, tmp_path) for _ in range(2)]
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(lambda environments: built(environments, "tiny==1.0"), both)
    assert first == second
    assert CALLS.count("venv") == 1
    assert version_of_tiny(first) == "1.0"


def test_who_waits_for_another_builder_can_be_stopped(recording: Uv, tmp_path: Path) -> None:
    lock = Lock(OURS, "tiny==1.0\n")
    building, stop = threading.Event(), threading.Event()

    class Slow(Recording):
        def __call__(
            self, arguments: Sequence[str], stdin: str = "", should_stop: Callable[[], bool] = never
        ) -> Answer:
            building.set()
            stop.wait(20)
            return super().__call__(arguments, stdin, should_stop)

    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(UvEnvironments(Slow(settings=recording.settings), tmp_path).build, lock, never)
        assert building.wait(20)
        try:
            with pytest.raises(StoppedError):
                UvEnvironments(recording, tmp_path).build(lock, lambda: True)
        finally:
            stop.set()
        assert isinstance(slow.result(20), CellEnvironment)


def test_a_build_that_was_killed_is_done_again(
    only_wheels: dict[str, str], uv_environments: UvEnvironments, tmp_path: Path
) -> None:
    cache = tmp_path / "envs"
    lock = Lock(OURS, "tiny==1.0\n")
    # Makes the environment, and then never gets to installing anything.
    stuck = tmp_path / "stuck-uv"
    stuck.write_text(
        f'#!/bin/sh\ncase "$1" in\nvenv) exec "{find_uv()}" "$@" ;;\n'
        f'*) echo $$ > "{tmp_path}/pid.new"; mv "{tmp_path}/pid.new" "{tmp_path}/pid"; exec sleep 60 ;;\nesac\n'
    )
    stuck.chmod(0o755)
    script = (
        "import sys; from pathlib import Path\n"
        "from matrix.environments.cache import *; from matrix.environments.uv import Uv\n"
        "UvEnvironments(Uv(sys.argv[1]), Path(sys.argv[2])).build(Lock(sys.argv[3], sys.argv[4]), lambda: False)"
    )
    command = [sys.executable, "-c", script, str(stuck), str(cache), lock.python, lock.text]
    builder = subprocess.Popen(command, cwd=ROOT, env=only_wheels)
    try:
        deadline = time.monotonic() + 30
        while not (tmp_path / "pid").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        pid = int((tmp_path / "pid").read_text())
    finally:
        builder.kill()
        builder.wait()
    try:
        assert [path.name for path in cache.iterdir() if path.name.startswith(f".{lock.id}-")]
        assert not (cache / lock.id).exists()
        environment = uv_environments.build(lock, never)
    finally:
        os.kill(pid, signal.SIGKILL)
    assert isinstance(environment, CellEnvironment)
    assert version_of_tiny(environment) == "1.0"
    assert [path.name for path in cache.iterdir() if path.name.startswith(f".{lock.id}-")] == []


def test_an_environment_whose_python_went_away_is_built_again(uv_environments: UvEnvironments) -> None:
    environment = built(uv_environments, "tiny==1.0")
    environment.python.parent.chmod(0o755)
    environment.python.unlink()
    assert version_of_tiny(built(uv_environments, "tiny==1.0")) == "1.0"


def test_what_cannot_be_had_is_told_with_the_resolvers_reason_on_one_line(uv_environments: UvEnvironments) -> None:
    answer = uv_environments.provide(asking("picky", "tiny==2.0"), None, never)
    assert isinstance(answer, Unsatisfiable)
    assert "picky" in answer.reason
    assert "tiny<2" in answer.reason
    assert "\n" not in answer.reason
    assert "we can conclude that your requirements are unsatisfiable" not in answer.reason


def test_a_release_that_does_not_exist_is_told(uv_environments: UvEnvironments) -> None:
    answer = uv_environments.provide(asking("tiny==9.0"), None, never)
    assert isinstance(answer, Unsatisfiable)
    assert "tiny==9.0" in answer.reason


def test_a_python_that_does_not_exist_is_told(only_wheels: dict[str, str], tmp_path: Path) -> None:
    uv = Uv(settings=uv_settings({**only_wheels, "UV_PYTHON_DOWNLOADS": "never"}))
    answer = UvEnvironments(uv, tmp_path).build(Lock("3.99", "tiny==1.0\n"), never)
    assert isinstance(answer, Unsatisfiable)
    assert "3.99" in answer.reason


def test_an_index_that_cannot_be_reached_is_an_error_that_may_pass(only_wheels: dict[str, str], tmp_path: Path) -> None:
    offline = {**only_wheels, "PIP_NO_INDEX": "0", "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "UV_HTTP_RETRIES": "0"}
    environments = UvEnvironments(Uv(settings=uv_settings(offline)), tmp_path)
    with pytest.raises(BuildError, match=r"resolving absent failed: .*127\.0\.0\.1:9"):
        environments.provide(asking("absent"), None, never)


def test_a_build_can_be_stopped(tmp_path: Path) -> None:
    sleeper = tmp_path / "uv"
    sleeper.write_text("#!/bin/sh\nexec sleep 60\n")
    sleeper.chmod(0o755)
    started = time.monotonic()
    with pytest.raises(StoppedError):
        UvEnvironments(Uv(str(sleeper)), tmp_path).provide(asking("tiny"), None, lambda: True)
    assert time.monotonic() - started < 10


def test_uv_missing_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uv", None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MatrixError, match=r"uv: not found, .*install it with: pip install uv"):
        find_uv()


def test_uv_is_found_on_the_path_where_its_package_is_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "uv").write_text("#!/bin/sh\n")
    (tmp_path / "uv").chmod(0o755)
    monkeypatch.setitem(sys.modules, "uv", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_uv() == str(tmp_path / "uv")


def test_the_cache_is_where_the_users_caches_are() -> None:
    assert default_cache({"XDG_CACHE_HOME": "/cache"}) == Path("/cache/freezelab/envs")
    assert default_cache({"HOME": "/home/me"}) == Path("/home/me/.cache/freezelab/envs")


BOXED = """\
  × No solution found when resolving dependencies:
  ╰─▶ Because there is no version of a==9 and you require
      a==9, we can conclude that your requirements are unsatisfiable.

      hint: try harder
"""
PLAIN = """\
error: No solution found when resolving dependencies
  cause: Because there is no version of a==9 and you require a==9, we can conclude that your requirements are unsatisfiable.

hint: try harder
"""  # noqa: E501


@pytest.mark.parametrize("stderr", [BOXED, PLAIN], ids=["boxed", "plain"])
def test_the_reason_is_the_same_however_uv_draws_it(stderr: str) -> None:
    assert Answer(1, "", stderr).reason == "Because there is no version of a==9 and you require a==9"


def test_a_very_long_reason_is_cut() -> None:
    assert len(Answer(2, "", "error: " + "x" * 5000).reason) == 400
