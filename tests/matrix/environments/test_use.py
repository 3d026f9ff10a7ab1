"""Who uses an environment is known while it lasts, and afterwards who used it when."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from matrix.environments.cache import CellEnvironment, Lock
from matrix.environments.use import _USING, Uses, cells_at, unused

ROOT = Path(__file__).resolve().parents[3]
HOLDS = """
import sys
from pathlib import Path
from matrix.environments.use import Uses
uses = Uses()
uses.hold(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def diary(tmp_path: Path) -> Path:
    return tmp_path / "env.use"


def free(diary: Path) -> bool:
    with unused(diary) as answer:
        return answer


def test_what_was_never_used_is_unused(diary: Path) -> None:
    assert free(diary)
    assert not diary.exists()


def test_use_lasts_until_it_is_released_and_may_be_shared(diary: Path) -> None:
    first, second = Uses(), Uses()
    for uses in (first, second, first):
        uses.hold(diary)
    assert first.held == [diary]
    first.release()
    assert not free(diary)
    second.release()
    assert free(diary)


def test_use_goes_on_though_nobody_refers_to_it_any_more(diary: Path) -> None:
    Uses().hold(diary)
    gc.collect()
    assert not free(diary)
    for uses in list(_USING):
        if diary in uses.held:
            uses.release()
    assert free(diary)


def test_use_ends_with_the_process_however_that_ends(diary: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(diary)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert not free(diary)
        process.kill()
        process.wait()
    assert free(diary)


def test_the_cells_of_a_moment_are_known(diary: Path) -> None:
    diary.write_text(
        '{"at": 100, "pid": 1, "cell": "a", "event": "begins"}\n'
        '{"at": 110, "pid": 1, "cell": "b", "event": "begins"}\n'
        '{"at": 120, "pid": 1, "cell": "a", "event": "ended"}\n'
        '{"at": 130, "pid": 1, "cell": "a", "event": "begins"}\n'
        '{"at": 135, "pid": 1, "cell": "c", "event": "ended"}\n'
        'nonsense\n{"at": null}\n[]\n{"at": 140, "pid": 2, "ce'
    )
    assert cells_at(diary, [99]) == []
    assert cells_at(diary, [105]) == ["a"]
    assert cells_at(diary, [115]) == ["a", "b"]
    assert cells_at(diary, [125]) == ["b"]
    assert cells_at(diary, [99, 1e9]) == ["b", "a"]  # killed: they never ended
    assert cells_at(diary.with_name("none"), [105]) == []


def test_a_cell_that_fails_has_ended_all_the_same(diary: Path, tmp_path: Path) -> None:
    environment = CellEnvironment(tmp_path, Lock("3.11", ""), diary=diary)
    with pytest.raises(ZeroDivisionError), environment.used_by("a"):
        raise ZeroDivisionError
    assert [event in line for event, line in zip(("begins", "ended"), diary.read_text().splitlines(), strict=True)] == [
        True,
        True,
    ]


def test_an_environment_of_nobodys_keeps_no_diary(tmp_path: Path) -> None:
    with CellEnvironment(tmp_path, Lock("3.11", "")).used_by("a"):
        pass
    assert list(tmp_path.iterdir()) == []
