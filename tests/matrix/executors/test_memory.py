from __future__ import annotations

import pytest

from matrix.executors import memory
from probes.system.cgroup import Reading


@pytest.mark.parametrize(
    ("available", "limit", "used", "free"),
    [
        (100, None, None, 100),
        (100, 80, 30, 50),
        (100, 500, 30, 100),
        (100, 80, 90, 0),
        (100, 80, None, 100),
        (None, 80, 30, 50),
        (None, None, None, None),
    ],
)
def test_free_is_what_both_the_machine_and_the_group_leave(
    available: int | None, limit: int | None, used: int | None, free: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Groups:
        def __init__(self, pid: int | None) -> None:
            assert pid is None  # our own

        def read(self) -> Reading:
            return Reading(memory_limit_bytes=limit, memory_used_bytes=used)

    monkeypatch.setattr(memory, "machine_memory", lambda: (available, None))
    monkeypatch.setattr("probes.system.cgroup.Groups", Groups)
    assert memory.free_bytes() == free


def test_this_machine_has_some() -> None:
    free = memory.free_bytes()
    assert free is None or free > 0
