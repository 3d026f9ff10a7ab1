"""
Sets up nox in this clone and runs it: ``python3 bootstrap.py -s tests``.

Needs Python 3.10 or newer and nothing else. Everything goes into ``.nox/``; an externally managed Python is not
touched. What stands after the file's name is passed on to nox.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
HOME = HERE / ".nox" / "bootstrap"
PYTHON = HOME / "bin" / "python"
REQUIREMENT = "nox>=2024.10.9"


def main(arguments: Sequence[str]) -> int:
    """Returns nox's exit code; 2 if nox could not be set up."""
    if sys.version_info < (3, 10):
        print(f"bootstrap: Python {sys.version.split()[0]} is too old, FreezeLab needs 3.10 or newer", file=sys.stderr)
        return 2
    if not _has_nox():
        shutil.rmtree(HOME, ignore_errors=True)
        reason = _install()
        if reason is not None:
            print(f"bootstrap: {reason}", file=sys.stderr)
            return 2
    os.chdir(HERE)
    # In our place, so that Ctrl-C and the exit code are nox's own.
    os.execv(str(PYTHON), [str(PYTHON), "-m", "nox", *arguments])
    raise AssertionError("execv does not return")


def _has_nox() -> bool:
    """Whether an earlier call has finished its work: also False after one that was interrupted."""
    return PYTHON.exists() and subprocess.run([PYTHON, "-c", "import nox"], capture_output=True).returncode == 0


def _install() -> str | None:
    """Makes the environment by the first way that this Python offers; returns what is missing if there is none."""
    print(f"bootstrap: installing nox into {HOME.relative_to(HERE)}", file=sys.stderr)
    uv = shutil.which("uv")
    if importlib.util.find_spec("ensurepip"):
        ways = [[sys.executable, "-m", "venv", str(HOME)], [str(PYTHON), "-m", "pip", "install", "-q", REQUIREMENT]]
    elif importlib.util.find_spec("pip"):
        ways = [
            [sys.executable, "-m", "venv", "--without-pip", str(HOME)],
            [sys.executable, "-m", "pip", "--python", str(PYTHON), "install", "-q", REQUIREMENT],
        ]
    elif uv is not None:
        ways = [[uv, "venv", "-q", str(HOME)], [uv, "pip", "install", "-q", "--python", str(PYTHON), REQUIREMENT]]
    else:
        return (
            "this Python has neither ensurepip nor pip, and there is no uv: install one of them "
            "(on Debian and Ubuntu: apt install python3-venv)"
        )
    for command in ways:
        if subprocess.run(command).returncode != 0:
            return f"could not install nox: {' '.join(command)} failed; its message stands above"
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
