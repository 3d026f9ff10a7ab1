"""From what a library set asks for to a lock, by uv's resolver; asked once where the answer can't change."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import sys
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path

from matrix.environments.interface import BuildError, Lock, ShouldStop, Unsatisfiable
from matrix.environments.mirrors import UvSettings
from matrix.environments.uv import Uv
from matrix.plan.cells import VersionSet, digest

RESOLUTIONS = "resolutions"
"""In the cache's folder."""
_NO_MATTER = ("UV_CACHE_DIR", "UV_HTTP_TIMEOUT", "UV_HTTP_RETRIES", "UV_LINK_MODE", "UV_OFFLINE", "UV_NO_PROGRESS")
"""Settings of uv that change how it works, not what it finds."""
_FILES = ("UV_CONSTRAINT", "UV_OVERRIDE", "UV_BUILD_CONSTRAINT", "UV_EXCLUDE")
_ZONES = dt.timedelta(days=2)
"""A day without a zone has ended everywhere by then."""


class Resolver:
    """Pins packages. What it found is kept in ``cache`` where it would find the same again."""

    def __init__(self, uv: Uv, cache: Path) -> None:
        self._uv = uv
        self._kept = cache / RESOLUTIONS

    def __call__(self, versions: VersionSet, should_stop: ShouldStop) -> Lock | Unsatisfiable:
        """
        Pins every package that ``versions`` needs, without building anything.

        :raises BuildError: the resolver could not ask its indexes.
        """
        if versions.lock is not None:
            return Lock.of(versions.python, versions.lock, versions.torch_backend)
        kept = self._kept / f"{self._key(versions)}.json" if _is_for_good(versions) else None
        if kept and (lock := _read(kept)):
            return lock
        answer = self._ask(versions, should_stop)
        if kept and isinstance(answer, Lock):
            _write(kept, answer)
        return answer

    def _ask(self, versions: VersionSet, should_stop: ShouldStop) -> Lock | Unsatisfiable:
        command = ["pip", "compile", "-", "--python-version", versions.python, "--no-annotate", "--no-header"]
        command += ["--python", interpreter(versions.python)]
        if versions.exclude_newer:
            command += ["--exclude-newer", versions.exclude_newer]
        if versions.torch_backend:
            command += ["--torch-backend", versions.torch_backend]
        requirements = "\n".join(versions.requirements) + "\n"
        answer = self._uv([*command, *self._uv.settings.options], requirements, should_stop)
        if answer.no_solution or answer.unbuildable:
            return Unsatisfiable(answer.reason)
        if answer.returncode != 0:
            raise BuildError(f"resolving {', '.join(versions.requirements)} failed: {answer.reason}")
        return Lock.of(versions.python, answer.stdout, versions.torch_backend)

    def _key(self, versions: VersionSet) -> str:
        return digest([versions.id, _facts(self._uv.settings)])


def interpreter(version: str) -> str:
    """What uv shall look for: our own Python if it is of that version, wherever it is installed."""
    return sys.executable if version == f"{sys.version_info.major}.{sys.version_info.minor}" else version


def _is_for_good(versions: VersionSet) -> bool:
    """
    Whether asking again finds the same: only releases up to a time that is over count, and the machine has no say.
    """
    if versions.exclude_newer is None or versions.torch_backend == "auto":
        return False
    try:
        until = dt.datetime.fromisoformat(versions.exclude_newer.strip().replace("Z", "+00:00"))
    except ValueError:
        return False  # such as "30 days": a time that moves
    if until.tzinfo is None:
        until = until.replace(tzinfo=dt.timezone.utc) + _ZONES
    return until < dt.datetime.now(dt.timezone.utc)


def _facts(settings: UvSettings) -> list[object]:
    """All that uv is told besides the requirements: settings, the files they name, and wheels without a date."""
    told = {k: v for k, v in settings.environ.items() if k.startswith("UV_") and k not in _NO_MATTER}
    files = [_contents(path) for name in _FILES for path in told.get(name, "").split()]
    wheels = [_listing(place) for place in told.get("UV_FIND_LINKS", "").split(",") if place]
    return [told, list(settings.options), files, wheels]


def _contents(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def _listing(place: str) -> list[list[object]]:
    if place.startswith("file:"):
        place = urllib.request.url2pathname(urllib.parse.urlparse(place).path)
    try:
        with os.scandir(Path(place).expanduser()) as entries:
            return sorted([entry.name, entry.stat().st_size, entry.stat().st_mtime_ns] for entry in entries)
    except OSError:
        return []


def _read(path: Path) -> Lock | None:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return Lock(str(kept["python"]), str(kept["text"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _write(path: Path, lock: Lock) -> None:
    with contextlib.suppress(OSError):  # then it is asked again
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
            json.dump({"python": lock.python, "text": lock.text}, file)
        Path(file.name).replace(path)
