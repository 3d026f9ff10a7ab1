"""
A program of one file that shows the freeze to somebody else: ``uv run reproducer.py``.

What it needs stands at its head as inline script metadata (https://peps.python.org/pep-0723/), with the versions that
the run had. Of FreezeLab's own training program a short one is written that trains the same; of a user's script the
text is taken as it is.
"""

from __future__ import annotations

import ast
import datetime as dt
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from probes.diagnosis import Diagnosis
from reports import plain, wording
from reports.issue.program import program

SCRIPT_LIMIT_BYTES = 16_384
"""A longer script is no minimal example, and would not fit into an issue."""

_TRAINING = ("torch", "stable-baselines3", "sb3-contrib", "gymnasium", "numpy")
_OTHERWISE_CALLED = {
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "PIL": "pillow",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "ale_py": "ale-py",
    "gym": "gym",
}
"""Modules whose package has another name; hyphens and underscores are one."""
_BLOCK = re.compile(r"(?m)^# /// script$")
_HEAD = re.compile(r"#!|#.*?coding[:=]")


class NoReproducerError(ValueError):
    """None can be written; the message says why."""


@dataclass(frozen=True)
class Reproducer:
    """The program, and what whoever runs it has to know."""

    text: str
    arguments: tuple[str, ...] = ()
    """Behind ``uv run reproducer.py``."""
    notes: tuple[str, ...] = ()
    """Wherein it differs from the run; each one sentence."""


def of_program(diagnosis: Diagnosis, options: Mapping[str, Any]) -> Reproducer:
    """
    One that trains as FreezeLab's own training program did.

    :param options: of the training program, by name, parsed and complete: ``{"env": "dummy", "n_steps": 2048, …}``.
    :raises NoReproducerError: the environment is one of the user's, which only its name is known of.
    """
    name = str(options["env"])
    if ":" in name:
        raise NoReproducerError(f"the environment {name} is the user's own, and its code is not stored with the run")
    episode = _steps_of_an_episode(diagnosis) if options["episode_steps"] is None else float(options["episode_steps"])
    written, notes = program(options, episode)
    packages = [name for name in _TRAINING if name != "sb3-contrib" or options["policy"] == "MlpLstmPolicy"]
    text = "\n".join((*_metadata(diagnosis, packages), *_comment(diagnosis), "", written))
    return Reproducer(text, (), tuple(notes))


def of_script(
    diagnosis: Diagnosis, folder: Path, fit: Diagnosis | None = None, started_at: str | None = None
) -> Reproducer:
    """
    A user's script with its metadata.

    :param folder: where the command was started.
    :param fit: the diagnosis as it may be shown, if not as it is.
    :param started_at: when the run began, as its ``meta.json`` says; a script may have been changed since.
    :raises NoReproducerError: the command is no ``python SCRIPT.py …``, or its script is no single short file.
    """
    path, arguments = script_of(diagnosis.command, folder)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise NoReproducerError(f"{path} can't be read: {error.strerror or error}") from error
    if len(content) > SCRIPT_LIMIT_BYTES:
        raise NoReproducerError(f"{path} has {len(content)} bytes; above {SCRIPT_LIMIT_BYTES} it is no minimal example")
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
        modules = sorted(set(_imported(ast.parse(text))))
    except (UnicodeDecodeError, SyntaxError, ValueError) as error:
        raise NoReproducerError(f"{path} is no Python of ours to read: {error}") from error
    beside = [name for name in modules if (path.parent / f"{name}.py").exists() or (path.parent / name).is_dir()]
    if beside:
        raise NoReproducerError(f"{path} imports {wording.listed(beside)} from its own folder: it is no single file")
    installed = diagnosis.environment.get("packages") or {}
    named = {module: _package(module, installed) for module in modules}
    packages = list(dict.fromkeys(package for package in named.values() if package))
    unknown = [module for module, package in named.items() if package is None]
    notes = [f"what installs the module {name} is not known; add it to dependencies" for name in unknown]
    if _was_changed(path, started_at):
        notes.append("the script was changed after the run began, and may not be what ran")
    if _BLOCK.search(text):
        return Reproducer(text, arguments, ("its metadata are the script's own", *notes))
    lines = text.rstrip("\n").split("\n")
    head = [line for line in lines[:2] if _HEAD.match(line)]
    rest = lines[len(head) :]
    packages = [*packages, *(name for name in _TRAINING[:1] if name in installed and name not in packages)]
    return Reproducer(
        "\n".join((*head, *_metadata(diagnosis, packages), *_comment(fit or diagnosis), "", *rest)) + "\n",
        arguments,
        tuple(notes),
    )


def _was_changed(path: Path, started_at: str | None) -> bool:
    try:
        began = dt.datetime.strptime(started_at or "", "%Y-%m-%dT%H:%M:%S%z")
        return path.stat().st_mtime > began.timestamp() + 1  # it is told in whole seconds
    except (ValueError, OSError):
        return False


def script_of(command: Iterable[str], folder: Path) -> tuple[Path, tuple[str, ...]]:
    """
    The script that a command runs, and what stands behind it.

    :raises NoReproducerError: it is no Python script.
    """
    words = list(command)
    for place, word in enumerate(words):
        if place and word in ("-m", "-c"):
            break
        if word.endswith(".py") and (not place or words[place - 1] != "-W"):
            return folder / word, tuple(words[place + 1 :])
    raise NoReproducerError("the command runs no script of one file: python SCRIPT.py …")


def _metadata(diagnosis: Diagnosis, packages: Iterable[str]) -> Iterator[str]:
    """The block of PEP 723; a version that is not known, or none, is left open."""
    environment = diagnosis.environment
    installed = environment.get("packages") or {}
    libraries = (environment.get("training") or {}).get("libraries") or {}
    libraries = {str(name).replace("_", "-"): version for name, version in libraries.items()}
    yield "# /// script"
    yield f'# requires-python = "{_python(environment.get("python"))}"'
    yield "# dependencies = ["
    for name in packages:
        version = _release(installed.get(name) or libraries.get(name))
        yield f'#   "{name}=={version}",' if version else f'#   "{name}",'
    yield "# ]"
    yield "# ///"


def _comment(diagnosis: Diagnosis) -> Iterator[str]:
    # An empty line: whatever is said below must not be able to end the block anew.
    yield ""
    yield f"# {plain.line(diagnosis.summary)}"
    rows = wording.visible_iterations(diagnosis)
    if rows and diagnosis.verdict.is_failure:
        row = max(rows, key=lambda row: row["train_s"])
        yield (
            f"# Measured there: a rollout of {wording.seconds(row['collect_s'])}, and an update of "
            f"{wording.seconds(row['train_s'])} after it, at step {row['step']}."
        )
    yield "#"
    yield "# Run it with: uv run reproducer.py"


def _python(version: object) -> str:
    try:
        parsed = Version(str(version))
    except InvalidVersion:
        return ">=3.10"
    return f"=={parsed.major}.{parsed.minor}.*"


def _release(version: object) -> str | None:
    """``2.13.0`` for ``2.13.0+cpu``: builds for one kind of device are on no common index."""
    try:
        return Version(str(version)).public if version else None
    except InvalidVersion:
        return None


def _imported(tree: ast.AST) -> Iterator[str]:
    """Top-level names of the modules that are imported from outside the standard library."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        for name in names:
            top = name.partition(".")[0]
            if top not in sys.stdlib_module_names:
                yield top


def _package(module: str, installed: Mapping[str, str]) -> str | None:
    name = _OTHERWISE_CALLED.get(module, module).lower().replace("_", "-")
    return name if name in installed or not installed else None


def _steps_of_an_episode(diagnosis: Diagnosis) -> float | None:
    """Mean, as it was counted; None where no episode ended."""
    phases = diagnosis.timing.phases
    steps, resets = (phases.get(name, {}).get("count", 0) for name in ("env.step", "env.reset"))
    envs = ((diagnosis.environment.get("training") or {}).get("hyperparameters") or {}).get("n_envs") or 1
    ended = resets - envs  # the first reset of each begins the run
    return steps / ended if steps > 0 and ended > 0 else None
