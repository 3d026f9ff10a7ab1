"""The doctor on planted machines, one trouble each, and on the machine at hand."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import freezelab
from probes import doctor
from probes.doctor import CHECKS, Blocked, Examined, Finding, Level, Machine, NotAPythonError
from probes.doctor.machine import Gpus, Space
from probes.system.gpu import GpuReading
from reports import doctor_text
from reports.commands import interface

GB = 1 << 30
ALL_CAPABILITIES, NO_CAPABILITIES = "000001ffffffffff", "0000000000000000"
V2 = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
NO_PERMISSION = "no permission to trace process 7: run as the same user or with sudo"

Plant = Callable[..., Machine]


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    """A healthy machine, in which a test changes what it is about."""

    def build(
        files: dict[str, str] | None = None,
        *,
        capabilities: str = NO_CAPABILITIES,
        examined: dict[str, Any] | None = None,
        **changes: Any,
    ) -> Machine:
        root = tmp_path / "root"
        healthy = {
            "proc/self/status": f"Name:\tpython\nCapEff:\t{capabilities}\nSeccomp:\t0\n",
            "proc/sys/kernel/osrelease": "6.8.0-45-generic\n",
            "proc/sys/kernel/core_pattern": "core\n",
            "proc/meminfo": "MemTotal: 32000000 kB\nMemAvailable: 16000000 kB\n",
            "proc/self/mountinfo": V2,
            "proc/self/cgroup": "0::/user.slice\n",
        }
        for name, text in {**healthy, **(files or {})}.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        sites = tmp_path / "site-packages"
        sites.mkdir(exist_ok=True)
        python = Examined(
            **{
                "python": Path("/venv/bin/python"),
                "version": (3, 11, 7),
                "implementation": "cpython",
                "sites": (sites,),
                "trace_problem": None,
                "native_problem": None,
                **(examined or {}),
            }
        )
        values: dict[str, Any] = {
            "root": root,
            "environ": {},
            "examined": python,
            "user": 1000,
            "cores": 8,
            "core_limit_bytes": 0,
            "thread_limit": None,
            "py_spy": "/venv/bin/py-spy",
            "uv": "/venv/bin/uv",
            "glibc": (2, 36),
            "library_folders": (tmp_path,),
            "temporary": Path("/var/tmp"),
            "space": lambda _: Space(100 * GB, 200 * GB),
            "gpus": lambda: None,
            "agent_start_s": lambda: 0.012,
            **changes,
        }
        for name in ("libc_malloc_debug.so.0", "libasan.so.8", "libstdc++.so.6"):
            (tmp_path / name).touch()
        return Machine(**values)

    return build


def found(machine: Machine, check: str) -> list[Finding]:
    return list(doctor.consult(machine)[check])


def worst(machine: Machine, check: str) -> Finding:
    return max(found(machine, check), key=lambda item: list(Level).index(item.level))


def test_a_healthy_machine_has_nothing_to_complain_of(plant: Plant) -> None:
    findings = doctor.consult(plant())
    assert list(findings) == [check.id for check in CHECKS]
    for check, items in findings.items():
        assert items, check
        for item in items:
            assert (check, item.level, item.says) == (check, Level.OK, item.says)
    assert not doctor_text.blocks_observing(findings)


@pytest.mark.parametrize(
    ("scope", "user", "capabilities", "level", "blocked"),
    [
        ("0", 1000, NO_CAPABILITIES, Level.OK, ()),
        ("1", 1000, NO_CAPABILITIES, Level.WARNING, ()),
        ("1", 0, ALL_CAPABILITIES, Level.OK, ()),
        ("2", 1000, NO_CAPABILITIES, Level.BLOCKS, (Blocked.STACKS, Blocked.ATTACH)),
        ("2", 0, ALL_CAPABILITIES, Level.OK, ()),
        ("3", 0, ALL_CAPABILITIES, Level.BLOCKS, (Blocked.STACKS, Blocked.ATTACH)),
    ],
)
def test_yama_is_judged_by_who_asks(
    scope: str, user: int, capabilities: str, level: Level, blocked: tuple[Blocked, ...], plant: Plant
) -> None:
    machine = plant({"proc/sys/kernel/yama/ptrace_scope": f"{scope}\n"}, user=user, capabilities=capabilities)
    finding = worst(machine, "ptrace")
    assert (finding.level, finding.blocks) == (level, blocked)
    assert doctor_text.blocks_observing(doctor.consult(machine)) is (level is Level.BLOCKS)
    if level is not Level.OK:
        assert finding.remedy is not None


@pytest.mark.parametrize(
    ("files", "container", "helps"),
    [
        ({".dockerenv": ""}, "Docker", "--cap-add SYS_PTRACE"),
        ({"run/.containerenv": ""}, "Podman", "--cap-add SYS_PTRACE"),
        ({"proc/self/cgroup": "0::/kubepods/burstable/pod1\n"}, "Kubernetes", "--cap-add SYS_PTRACE"),
        ({"proc/self/mountinfo": "1 2 0:5 / / rw - overlay overlay rw,lowerdir=/var/lib/docker/x\n"}, "Docker",
         "--cap-add"),
        # A host that runs Docker is no container.
        ({"proc/self/mountinfo": "1 2 8:1 / / rw - ext4 /dev/sda rw\n"
                                 "9 1 0:5 / /var/lib/docker/overlay2/x rw - overlay overlay rw\n"}, None, "sudo"),
    ],
)  # fmt: skip
def test_a_refusal_to_trace_blocks_and_the_remedy_fits_the_place(
    files: dict[str, str], container: str | None, helps: str, plant: Plant
) -> None:
    machine = plant(files, examined={"trace_problem": NO_PERMISSION, "native_problem": NO_PERMISSION})
    assert machine.container == container
    finding = worst(machine, "ptrace")
    assert finding.level is Level.BLOCKS
    assert helps in (finding.remedy or "")
    assert finding.blocks_observing


@pytest.mark.parametrize(
    ("changes", "level", "says"),
    [
        ({"py_spy": None}, Level.BLOCKS, "was not found"),
        ({"examined": {"trace_problem": "process 7 is not a Python that py-spy can read"}}, Level.BLOCKS, "3.11.7"),
        ({"examined": {"native_problem": "unsupported"}}, Level.WARNING, "none with native frames"),
        ({}, Level.OK, "took a stack"),
    ],
)
def test_py_spy_is_tried_on_this_very_python(changes: dict[str, Any], level: Level, says: str, plant: Plant) -> None:
    finding = worst(plant(**changes), "py-spy")
    assert finding.level is level
    assert says in finding.says


@pytest.mark.parametrize(
    ("version", "implementation", "level"),
    [((3, 8, 1), "cpython", Level.WARNING), ((3, 14, 0), "cpython", Level.OK), ((3, 10, 0), "pypy", Level.WARNING)],
)
def test_a_python_that_the_agent_does_not_know_is_told(
    version: tuple[int, int, int], implementation: str, level: Level, plant: Plant
) -> None:
    machine = plant(examined={"version": version, "implementation": implementation})
    assert worst(machine, "python").level is level


@pytest.mark.parametrize(
    ("cpu_max", "environ", "level", "says"),
    [
        ("max 100000", {}, Level.OK, "8 cores"),
        ("200000 100000", {}, Level.WARNING, "grants 2 cores, but 8 are visible"),
        ("200000 100000", {"OMP_NUM_THREADS": "2"}, Level.OK, "2 cores"),
        ("150000 100000", {"OMP_NUM_THREADS": "4"}, Level.WARNING, "OMP_NUM_THREADS=4 asks for more"),
        ("max 100000", {"MKL_NUM_THREADS": "64"}, Level.WARNING, "MKL_NUM_THREADS=64"),
        ("max 100000", {"OMP_NUM_THREADS": "4", "OMP_THREAD_LIMIT": "2"}, Level.BLOCKS, "can hang"),
        ("max 100000", {"OMP_THREAD_LIMIT": "2"}, Level.BLOCKS, "OMP_THREAD_LIMIT=2"),
        ("nonsense", {"OMP_NUM_THREADS": "many"}, Level.OK, "8 cores"),
    ],
)
def test_threads_are_held_against_the_cores_that_may_be_used(
    cpu_max: str, environ: dict[str, str], level: Level, says: str, plant: Plant
) -> None:
    machine = plant({"sys/fs/cgroup/user.slice/cpu.max": f"{cpu_max}\n"}, environ=environ)
    finding = worst(machine, "cpu")
    assert finding.level is level
    assert says in finding.says
    # It hangs without us too: the run can be observed.
    assert not doctor_text.blocks_observing(doctor.consult(machine))


def test_a_small_limit_on_processes_is_told(plant: Plant) -> None:
    finding = worst(plant({"sys/fs/cgroup/user.slice/pids.max": "64\n"}, thread_limit=4096), "cpu")
    assert finding.level is Level.WARNING
    assert "64 processes and threads" in finding.says
    assert worst(plant(thread_limit=100, user=0), "cpu").level is Level.WARNING  # the group's still holds


def test_root_is_not_held_to_its_own_limit_on_processes(plant: Plant) -> None:
    assert worst(plant(thread_limit=100, user=0), "cpu").level is Level.OK
    assert worst(plant(thread_limit=100), "cpu").level is Level.WARNING


@pytest.mark.parametrize(
    ("files", "level", "says"),
    [
        ({"memory.max": str(8 * GB), "memory.current": str(GB)}, Level.OK, "may use 8.6 GB"),
        ({"memory.max": str(8 * GB), "memory.current": str(8 * GB - 1)}, Level.WARNING, "in use"),
        ({"memory.max": str(GB)}, Level.WARNING, "1.1 GB"),
        ({"memory.events": "oom_kill 3\n"}, Level.WARNING, "has killed 3 processes"),
        ({"memory.max": "max\n"}, Level.OK, "16.4 GB are available"),
    ],
)
def test_memory_is_held_against_its_limit(files: dict[str, str], level: Level, says: str, plant: Plant) -> None:
    machine = plant({f"sys/fs/cgroup/user.slice/{name}": text for name, text in files.items()})
    finding = worst(machine, "memory")
    assert finding.level is level
    assert says in finding.says


def test_little_memory_of_the_machine_is_told_and_unknown_memory_is_not(plant: Plant) -> None:
    assert worst(plant({"proc/meminfo": "MemAvailable: 1000000 kB\n"}), "memory").level is Level.WARNING
    assert worst(plant({"proc/meminfo": "nonsense"}), "memory").level is Level.OK


@pytest.mark.parametrize(
    ("names", "level", "says"),
    [
        ((), Level.OK, "no OpenMP runtime"),
        (("torch/lib/libgomp.so.1",), Level.OK, "one OpenMP runtime: torch/lib/libgomp.so.1 (GNU)"),
        (("torch/lib/libgomp.so.1", "scikit_learn.libs/libgomp-a34b3233.so.1.0.0"), Level.WARNING, "2 copies of one"),
        (("torch/lib/libgomp.so.1", "mkl/libiomp5.so"), Level.WARNING, "different OpenMP runtimes"),
        (("torch/lib/libgomp.so.1", "faiss/libomp.so"), Level.WARNING, "faiss/libomp.so (LLVM)"),
        (("torch/lib/libgomp_notes.txt", "x/libgomper.so"), Level.OK, "no OpenMP runtime"),
    ],
)
def test_several_openmp_runtimes_in_one_environment_are_told(
    names: tuple[str, ...], level: Level, says: str, plant: Plant
) -> None:
    machine = plant()
    for name in names:
        path = machine.examined.sites[0] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    finding = worst(machine, "openmp")
    assert finding.level is level
    assert says in finding.says


def test_two_names_of_one_runtime_are_one(plant: Plant) -> None:
    machine = plant()
    folder = machine.examined.sites[0]
    (folder / "libgomp.so.1.0.0").touch()
    (folder / "libgomp.so.1").symlink_to("libgomp.so.1.0.0")
    assert worst(machine, "openmp").level is Level.OK


WSL = {"proc/sys/kernel/osrelease": "5.15.167.4-microsoft-standard-WSL2\n"}


def gpus(driver: str = "551.23", cuda: tuple[int, int] = (12, 4)) -> Callable[[], Gpus]:
    return lambda: Gpus(driver, cuda, (GpuReading(0, "RTX 3060", 0.1, 1, 2),))


@pytest.mark.parametrize(
    ("files", "environ", "look", "level", "says"),
    [
        ({}, {"CUDA_VISIBLE_DEVICES": "-1"}, gpus("576.02"), Level.OK, "not under WSL"),
        (WSL, {}, gpus(), Level.OK, "WSL 2"),
        (WSL, {"CUDA_VISIBLE_DEVICES": "-1"}, gpus(), Level.WARNING, "CUDA_VISIBLE_DEVICES='-1'"),
        (WSL, {"CUDA_VISIBLE_DEVICES": ""}, lambda: None, Level.WARNING, "CUDA_VISIBLE_DEVICES=''"),
        (WSL, {"CUDA_VISIBLE_DEVICES": "0"}, gpus(), Level.OK, "WSL 2"),
        (WSL, {}, gpus("576.02"), Level.WARNING, "driver 576.02"),
        ({"proc/sys/kernel/osrelease": "4.4.0-19041-Microsoft\n"}, {}, lambda: None, Level.WARNING, "WSL 1"),
    ],
)
def test_wsl_and_its_driver_are_recognised(
    files: dict[str, str], environ: dict[str, str], look: Any, level: Level, says: str, plant: Plant
) -> None:
    finding = worst(plant(files, environ=environ, gpus=look), "wsl")
    assert finding.level is level
    assert says in finding.says


@pytest.mark.parametrize(
    ("environ", "runtime", "look", "level", "says"),
    [
        ({}, None, lambda: None, Level.OK, "no NVIDIA driver"),
        ({}, "nvidia_cuda_runtime_cu12-12.6.77", lambda: None, Level.WARNING, "is a CUDA build"),
        ({}, "nvidia_cuda_runtime_cu12-12.6.77", gpus(), Level.OK, "driver 551.23: RTX 3060 0"),
        ({}, "nvidia_cuda_runtime-13.0.48", gpus(), Level.WARNING, "built for CUDA 13.0"),
        ({"CUDA_VISIBLE_DEVICES": "3"}, None, gpus(), Level.WARNING, "names GPU 3"),
        ({"CUDA_VISIBLE_DEVICES": "0"}, None, gpus(), Level.OK, "driver"),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, None, gpus(), Level.OK, "driver"),
        ({"CUDA_VISIBLE_DEVICES": "GPU-8932f937"}, None, gpus(), Level.OK, "driver"),
    ],
)
def test_the_driver_is_held_against_what_the_environment_wants(
    environ: dict[str, str], runtime: str | None, look: Any, level: Level, says: str, plant: Plant
) -> None:
    machine = plant(environ=environ, gpus=look)
    if runtime is not None:
        (machine.examined.sites[0] / f"{runtime}.dist-info").mkdir()
    finding = worst(machine, "cuda")
    assert finding.level is level
    assert says in finding.says


def test_the_c_library_and_the_rungs_that_it_lacks_are_told(plant: Plant, tmp_path: Path) -> None:
    musl = worst(plant(glibc=None), "libc")
    assert (musl.level, musl.blocks) == (Level.BLOCKS, (Blocked.HEAP_CHECK,))
    assert not musl.blocks_observing
    assert worst(plant(glibc=(2, 17)), "libc").level is Level.WARNING
    (tmp_path / "empty").mkdir()
    lacking = worst(plant(library_folders=(tmp_path / "empty",)), "libc")
    assert lacking.level is Level.WARNING
    assert "malloc-check" in lacking.says
    assert "asan" in lacking.says


@pytest.mark.parametrize(
    ("free", "check", "level"),
    [
        (10 << 20, "disk", Level.BLOCKS),
        (2 * GB, "disk", Level.WARNING),
        (64 << 20, "shm", Level.WARNING),
        (100 * GB, "shm", Level.OK),
    ],
)
def test_room_is_told_where_it_runs_out(free: int, check: str, level: Level, plant: Plant) -> None:
    machine = plant(space=lambda _: Space(free, free))
    finding = worst(machine, check)
    assert finding.level is level
    assert finding.blocks_observing is (level is Level.BLOCKS)


def test_space_that_cannot_be_told_is_not_called_too_little(plant: Plant) -> None:
    machine = plant(space=lambda _: None)
    assert {item.level for item in found(machine, "disk")} == {Level.WARNING}
    assert "missing" in worst(machine, "shm").says


@pytest.mark.parametrize(
    ("pattern", "limit", "level", "says"),
    [
        ("core", 0, Level.OK, "off"),
        ("core", None, Level.WARNING, "any size"),
        ("core.%p", 8 * GB, Level.WARNING, "up to 9 GB"),
        ("|/usr/share/apport/apport -p%p", 0, Level.OK, "apport"),
        ("|", 0, Level.OK, "a program"),
    ],
)
def test_core_files_are_told(pattern: str, limit: int | None, level: Level, says: str, plant: Plant) -> None:
    finding = worst(plant({"proc/sys/kernel/core_pattern": pattern}, core_limit_bytes=limit), "core-dumps")
    assert finding.level is level
    assert says in finding.says


@pytest.mark.parametrize(("cost_s", "level"), [(0.03, Level.OK), (0.2, Level.WARNING), (None, Level.WARNING)])
def test_the_price_of_the_agent_is_told(cost_s: float | None, level: Level, plant: Plant) -> None:
    assert worst(plant(agent_start_s=lambda: cost_s), "agent").level is level


def test_without_uv_no_matrix_but_runs_are_observed(plant: Plant) -> None:
    machine = plant(uv=None)
    assert worst(machine, "uv").blocks == (Blocked.MATRIX,)
    assert not doctor_text.blocks_observing(doctor.consult(machine))


def test_the_text_has_every_finding_with_its_remedy_and_json_is_one_document(plant: Plant) -> None:
    machine = plant({"proc/sys/kernel/yama/ptrace_scope": "2\n"}, uv=None)
    findings = doctor.consult(machine)
    text = doctor_text.text(findings)
    assert "BLOCKS   ptrace" in text
    assert "what helps: sudo sysctl kernel.yama.ptrace_scope=1" in text
    assert "[blocks matrix]" in text
    value = json.loads(json.dumps(doctor_text.as_json(findings, machine.examined)))
    assert value["schema"] == "freezelab.doctor/1"
    assert value["blocks_observing"] is True
    assert {item["check"] for item in value["findings"]} == {check.id for check in CHECKS}


def test_the_python_of_an_environment_is_found_and_asked() -> None:
    prefix = Path(sys.executable).parent.parent
    python = doctor.find_python(prefix)
    examined = doctor.examine(python)
    assert examined.version == sys.version_info[:3]
    assert examined.implementation == sys.implementation.name
    assert all(site.is_dir() for site in examined.sites)
    assert examined.trace_problem is None
    assert doctor.find_python(Path(sys.executable)) == Path(sys.executable)
    assert doctor.find_python(None).exists()


def test_nothing_of_the_examined_environment_is_run(tmp_path: Path) -> None:
    """Isolated: neither the current folder nor PYTHONPATH nor user settings get in."""
    marker = tmp_path / "imported"
    (tmp_path / "json.py").write_text(f"open({str(marker)!r}, 'w')\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        patch.setenv("PYTHONPATH", str(tmp_path))
        assert doctor.examine(Path(sys.executable)).version == sys.version_info[:3]
    assert not marker.exists()


@pytest.mark.parametrize("answer", ["", "echo hello", "echo '{}'", "sleep 0.1"])
def test_what_is_no_python_is_refused(answer: str, tmp_path: Path) -> None:
    fake = tmp_path / "python"
    fake.write_text(f"#!/bin/sh\n{answer}\n")
    fake.chmod(0o755)
    with pytest.raises(NotAPythonError, match="does not answer"):
        doctor.examine(fake)
    (tmp_path / "broken").write_text("no program")
    (tmp_path / "broken").chmod(0o755)
    with pytest.raises(NotAPythonError, match="cannot be started"):
        doctor.examine(tmp_path / "broken")
    with pytest.raises(NotAPythonError, match="--env"):
        doctor.find_python(tmp_path / "nowhere")


def test_this_machine_is_examined_and_the_exit_code_says_whether_it_can_be_observed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = freezelab.main(["doctor", "--env", sys.executable, "--json"])
    value = json.loads(capsys.readouterr().out)
    assert code == (interface.EXIT_BLIND if value["blocks_observing"] else interface.EXIT_OK)
    assert value["python"]["version"] == ".".join(map(str, sys.version_info[:3]))


def test_a_machine_that_blocks_observing_ends_with_4(
    plant: Plant, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = plant({"proc/sys/kernel/yama/ptrace_scope": "3\n"})
    monkeypatch.setattr(doctor, "this_machine", lambda examined, uv: dataclasses.replace(machine, uv=uv))
    assert freezelab.main(["doctor", "--env", sys.executable]) == interface.EXIT_BLIND
    assert "BLOCKS   ptrace" in capsys.readouterr().out
    assert freezelab.main(["doctor", "--env", "/nowhere"]) == interface.EXIT_USAGE
