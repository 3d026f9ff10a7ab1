"""Control groups of either version, planted as files: limits, counters, and no statement from what can't be read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.system import cgroup
from probes.system.cgroup import Reading

V2_MOUNT = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V1_MOUNTS = (
    "31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "32 30 0:28 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory\n"
    "33 30 0:29 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
    "34 30 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
)
DISK = "1 1 8:1 / / rw - ext4 /dev/sda1 rw\n"


def plant(root: Path, mounts: str, members: str, files: dict[str, str], pid: str = "7") -> None:
    for name, text in {"proc/self/mountinfo": mounts, f"proc/{pid}/cgroup": members, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_version_2_is_read_with_the_tightest_limit_of_all_ancestors(tmp_path: Path) -> None:
    base = "sys/fs/cgroup"
    plant(tmp_path, DISK + V2_MOUNT, "0::/slice/run\n", {
        f"{base}/slice/run/cpu.max": "max 100000\n",
        f"{base}/slice/run/cpu.stat": "usage_usec 5\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\n",
        f"{base}/slice/cpu.max": "150000 100000\n",
        f"{base}/slice/cpu.stat": "usage_usec 5\nnr_periods 40\nnr_throttled 30\nthrottled_usec 2500000\n",
        f"{base}/slice/run/memory.max": "1000000\n",
        f"{base}/slice/run/memory.current": "900000\n",
        f"{base}/slice/run/memory.stat": "anon 1\ninactive_file 100000\n",
        f"{base}/slice/run/memory.events": "low 0\nhigh 0\nmax 4\noom 1\noom_kill 2\n",
        f"{base}/slice/memory.max": "max\n",
        f"{base}/slice/run/pids.max": "max\n",
        f"{base}/slice/pids.max": "100\n",
    })  # fmt: skip
    assert cgroup.Groups(7, tmp_path).read() == Reading(
        cpu_quota_cores=1.5,
        periods=40,
        throttled_periods=30,
        throttled_s=2.5,
        memory_limit_bytes=1_000_000,
        memory_used_bytes=800_000,
        memory_limit_hits=4,
        oom_kills=2,
        process_limit=100,
    )


def test_version_1_is_read_beside_an_empty_version_2(tmp_path: Path) -> None:
    base = "sys/fs/cgroup"
    plant(tmp_path, V1_MOUNTS, "5:memory:/a\n4:cpu,cpuacct:/b\n3:pids:/\n0::/\n", {
        f"{base}/cpu,cpuacct/b/cpu.cfs_quota_us": "50000\n",
        f"{base}/cpu,cpuacct/b/cpu.cfs_period_us": "100000\n",
        f"{base}/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
        f"{base}/cpu,cpuacct/b/cpu.stat": "nr_periods 10\nnr_throttled 9\nthrottled_time 1500000000\n",
        f"{base}/memory/a/memory.limit_in_bytes": "2000000\n",
        f"{base}/memory/memory.limit_in_bytes": "9223372036854771712\n",
        f"{base}/memory/a/memory.usage_in_bytes": "1500000\n",
        f"{base}/memory/a/memory.stat": "inactive_file 1\ntotal_inactive_file 500000\n",
        f"{base}/memory/a/memory.failcnt": "12\n",
        f"{base}/memory/a/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 7\n",
        f"{base}/pids/pids.max": "max\n",
    })  # fmt: skip
    assert cgroup.Groups(7, tmp_path).read() == Reading(
        cpu_quota_cores=0.5,
        periods=10,
        throttled_periods=9,
        throttled_s=1.5,
        memory_limit_bytes=2_000_000,
        memory_used_bytes=1_000_000,
        memory_limit_hits=12,
        oom_kills=7,
    )


@pytest.mark.parametrize(
    ("mount_root", "member"),
    [
        ("/docker/abc", "/docker/abc"),  # no namespace of its own: the mount shows a part of the tree
        ("/", "/docker/abc"),  # the path leads out of what can be seen
        ("/", "/../other"),
        ("/docker/abc", "/elsewhere"),
    ],
)
def test_a_container_that_is_told_a_path_it_cannot_see_finds_its_group_at_the_mount(
    mount_root: str, member: str, tmp_path: Path
) -> None:
    mount = f"30 23 0:26 {mount_root} /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
    plant(tmp_path, mount, f"0::{member}\n", {"sys/fs/cgroup/cpu.max": "200000 100000\n"})
    assert cgroup.Groups(7, tmp_path).read().cpu_quota_cores == 2.0


def test_a_process_that_is_gone_or_a_machine_without_groups_says_nothing(tmp_path: Path) -> None:
    assert cgroup.Groups(7, tmp_path).read() == Reading()
    plant(tmp_path, DISK + V2_MOUNT, "0::/a\n", {}, pid="8")
    assert cgroup.Groups(7, tmp_path).read() == Reading()
    assert cgroup.Groups(8, tmp_path).read() == Reading()
    assert Reading().to_json() == {}


def test_without_a_limit_there_is_no_use_of_one(tmp_path: Path) -> None:
    files = {"sys/fs/cgroup/a/memory.max": "max\n", "sys/fs/cgroup/a/memory.current": "5\n",
             "sys/fs/cgroup/a/memory.events": "max 0\noom_kill 0\n"}  # fmt: skip
    plant(tmp_path, V2_MOUNT, "0::/a\n", files)
    assert cgroup.Groups(7, tmp_path).read() == Reading(oom_kills=0)


def test_the_whole_machine_counts_kills_too(tmp_path: Path) -> None:
    assert cgroup.machine_out_of_memory_kills(tmp_path) is None
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/vmstat").write_text("pgfault 12\noom_kill 3\n")
    assert cgroup.machine_out_of_memory_kills(tmp_path) == 3


def test_this_machine_is_read_without_an_error() -> None:
    reading = cgroup.Groups(None).read()
    assert reading.cpu_quota_cores is None or reading.cpu_quota_cores > 0
    assert reading.oom_kills is None or reading.oom_kills >= 0


@given(st.text())
def test_whatever_stands_in_the_files_no_parser_fails(text: str) -> None:
    assert all(isinstance(value, int) for value in cgroup.parse_flat(text).values())
    assert all(path.startswith("/") for path in cgroup.parse_memberships(text).values())
    cores = cgroup.parse_cpu_max(text)
    assert cores is None or cores >= 0
    cgroup.parse_mounts(text)


words = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=8)


@given(st.dictionaries(words, st.integers(0, 1 << 62)), st.integers(1, 10**7), st.integers(1, 10**7))
def test_what_the_kernel_writes_is_read_back(counters: dict[str, int], quota: int, period: int) -> None:
    assert cgroup.parse_flat("".join(f"{key} {value}\n" for key, value in counters.items())) == counters
    assert cgroup.parse_cpu_max(f"{quota} {period}\n") == quota / period
    assert cgroup.parse_cpu_max(f"max {period}\n") is None


@given(st.lists(st.tuples(st.lists(words, max_size=3), words)))
def test_memberships_are_read_back(rows: list[tuple[list[str], str]]) -> None:
    text = "".join(f"{number}:{','.join(names)}:/{path}\n" for number, (names, path) in enumerate(rows))
    expected = {name: f"/{path}" for names, path in rows for name in (names or [""])}
    assert cgroup.parse_memberships(text) == expected
