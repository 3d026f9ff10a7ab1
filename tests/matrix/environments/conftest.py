"""Wheels of any content, and environments that are built of them."""

from __future__ import annotations

import random
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from matrix.environments.cache import CellEnvironment, UvEnvironments
from matrix.environments.uv import Uv
from matrix.plan.cells import VersionSet

OURS = f"{sys.version_info.major}.{sys.version_info.minor}"
HEAVY = random.Random(0).randbytes(1_000_000)  # noqa: S311
"""Big enough to be linked, not copied."""

MakeWheel = Callable[[Path, str, str, Mapping[str, bytes]], Path]
Provided = Callable[..., CellEnvironment]


@pytest.fixture(scope="session")
def make_wheel() -> MakeWheel:
    """Writes a wheel with the files that it is given."""

    def make(folder: Path, name: str, version: str, files: Mapping[str, bytes]) -> Path:
        info = f"{name}-{version}.dist-info"
        everything = {
            **files,
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
            f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = "".join(f"{path},,\n" for path in everything) + f"{info}/RECORD,,\n"
        wheel = folder / f"{name}-{version}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for path, content in {**everything, f"{info}/RECORD": record.encode()}.items():
                archive.writestr(path, content)
        return wheel

    return make


@pytest.fixture(scope="session")
def wheels(wheels: Path, make_wheel: MakeWheel) -> Path:
    """Also ``heavy`` 1.0, with a big binary file."""
    make_wheel(wheels, "heavy", "1.0", {"heavy/__init__.py": b"VALUE = 1\n", "heavy/data.bin": HEAVY})
    return wheels


@pytest.fixture
def provided(uv_environments: UvEnvironments) -> Provided:
    """Has an environment with ``requirements``, from a sweep of its own unless told otherwise."""

    def provide(*requirements: str, by: UvEnvironments = uv_environments) -> CellEnvironment:
        environment = by.provide(VersionSet("set", requirements, OURS), None, lambda: False)
        assert isinstance(environment, CellEnvironment), environment
        return environment

    return provide


@pytest.fixture
def elsewhere(only_wheels: dict[str, str], tmp_path: Path, uv_environments: UvEnvironments) -> Callable[[str], Path]:
    """Another project of the user: an environment that uv makes from the same cache; returns its site-packages."""
    uv: Uv = uv_environments._uv

    def install(requirement: str) -> Path:
        folder = tmp_path / f"project-{len(list(tmp_path.iterdir()))}"
        for command in (
            ["venv", "--python", OURS, str(folder)],
            ["pip", "install", "--offline", "--python", str(folder), *uv.settings.options, requirement],
        ):
            answer = uv(command)
            assert answer.returncode == 0, answer.stderr
        return next(folder.glob("lib/*/site-packages"))

    return install


def run_in(environment: CellEnvironment, program: str, cell: str = "env=v3") -> str:
    """Runs a cell; returns what it says."""
    with environment.used_by(cell):
        done = subprocess.run(
            [str(environment.python), "-c", program], capture_output=True, text=True, check=True, timeout=60
        )
    return done.stdout.strip()


def site_of(environment: CellEnvironment) -> Path:
    """Where its packages are."""
    return next(environment.python.parent.parent.glob("lib/*/site-packages"))
