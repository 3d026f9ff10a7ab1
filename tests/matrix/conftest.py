"""A training program's options, plans, environments and runners that need no training."""

from __future__ import annotations

import argparse
import os
import sys
import threading
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from matrix.environments.cache import CellEnvironment, Lock, ShouldStop, Unsatisfiable, UvEnvironments
from matrix.environments.mirrors import uv_settings
from matrix.environments.uv import Uv
from matrix.plan.cells import VersionSet
from matrix.plan.parameters import Parameter, parameters_from
from matrix.plan.plan import Plan
from matrix.plan.plan_file import load_plan
from probes.diagnosis import Culprit, Diagnosis, Timing
from probes.verdicts import Verdict
from probes.watch import WatchOptions

SWEEP = """
[factors]
versions = ["old", "new"]
env = ["dummy", "v3"]
adapter = ["off", "on"]
[versions.old]
requirements = ["tiny==1.0"]
[versions.new]
requirements = ["tiny==2.0"]
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left in the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    def positive(text: str) -> int:
        if int(text) < 1:
            raise argparse.ArgumentTypeError("must be at least 1")
        return int(text)

    parser = argparse.ArgumentParser()
    parser.add_argument("--env", choices=["dummy", "original", "v3"], default="dummy")
    parser.add_argument("--adapter", choices=["off", "on"], default="off")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--n-steps", type=positive, default=2048)
    parser.add_argument("--gamma", type=float, default=0.99)
    parser.add_argument("--base-model", default=None)
    parser.add_argument("--clear-gpu-memory", action="store_true")
    parser.add_argument("--bars", action=argparse.BooleanOptionalAction, default=False)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=positive, default=1)
    return parser


@pytest.fixture
def parameters(parser: argparse.ArgumentParser) -> Mapping[str, Parameter]:
    return parameters_from(parser)


PlanOf = Callable[[str], Plan]


@pytest.fixture
def plan_of(tmp_path: Path, parameters: Mapping[str, Parameter]) -> PlanOf:
    """A plan from the text of its file."""

    def read(text: str) -> Plan:
        path = tmp_path / "sweep.toml"
        path.write_text(text, encoding="utf-8")
        return load_plan(path, parameters)

    return read


@pytest.fixture
def plan(plan_of: PlanOf) -> Plan:
    """Eight cells."""
    return plan_of(SWEEP)


@pytest.fixture
def sweep_text() -> str:
    return SWEEP


class ReadyEnvironments:
    """This very Python, unless something else is asked for."""

    def __init__(self, answers: Mapping[str, Unsatisfiable | Exception] | None = None) -> None:
        self.answers = answers or {}
        self.asked: list[str] = []

    def provide(
        self, versions: VersionSet, known: Lock | None, should_stop: ShouldStop
    ) -> CellEnvironment | Unsatisfiable:
        self.asked.append(versions.name)
        answer = self.answers.get(versions.name)
        if isinstance(answer, Exception):
            raise answer
        return answer or CellEnvironment(Path(sys.executable), known or Lock("3.11", versions.requirements[0]))


@pytest.fixture
def ready_environments() -> type[ReadyEnvironments]:
    return ReadyEnvironments


class QuickRunner:
    """Diagnoses without running anything: the adapter fails, the rest is slow."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.options: list[WatchOptions] = []
        self._lock = threading.Lock()

    def __call__(self, command: Sequence[str], options: WatchOptions) -> Diagnosis:
        with self._lock:
            self.commands.append(list(command))
            self.options.append(options)
        adapter = command[command.index("--adapter") + 1] == "on"
        verdict = Verdict.EXCEPTION if adapter else Verdict.SLOW_PHASE
        culprit = Culprit("check_hidden_size" if adapter else "_process_sequence", "x.py", 1, None, None)
        return Diagnosis(verdict, 1.0, "as planted", tuple(command), Timing(0.1), phase="train", culprit=culprit)


@pytest.fixture
def runner() -> QuickRunner:
    return QuickRunner()


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel folder with ``tiny`` 1.0 and 2.0, and ``picky`` 1.0, which wants ``tiny`` below 2."""
    folder = tmp_path_factory.mktemp("wheels")
    for name, version, requires in (("tiny", "1.0", None), ("tiny", "2.0", None), ("picky", "1.0", "tiny<2")):
        info = f"{name}-{version}.dist-info"
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        files = {
            f"{name}.py": f"VERSION = {version!r}\n",
            f"{info}/METADATA": metadata + (f"Requires-Dist: {requires}\n" if requires else ""),
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = "".join(f"{path},,\n" for path in files) + f"{info}/RECORD,,\n"
        with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
            for path, text in {**files, f"{info}/RECORD": record}.items():
                wheel.writestr(path, text)
    return folder


@pytest.fixture
def only_wheels(wheels: Path, own_cache: None, tmp_path: Path) -> dict[str, str]:
    """An environment in which pip would know the wheel folder and nothing else."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    return {**mine, "PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}


@pytest.fixture
def uv_environments(only_wheels: dict[str, str], tmp_path: Path) -> UvEnvironments:
    return UvEnvironments(Uv(settings=uv_settings(only_wheels)), tmp_path / "envs")
