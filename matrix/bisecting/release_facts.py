"""What the index and the release itself say of it: when it came out, and where its changes are listed."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import re
from pathlib import Path

from matrix.bisecting.locks.interface import LockError, read_toml
from matrix.environments.resolving import interpreter
from matrix.environments.uv import Uv

_CHANGES = re.compile(r"change|release|history|what'?s.?new|news", re.IGNORECASE)
_CODE = re.compile(r"^https://(?:github|gitlab)\.com/[^/\s]+/[^/\s]+", re.IGNORECASE)


def released(package: str, version: str, python: str, uv: Uv) -> str | None:
    """
    The day on which the release came out, as the index says by way of uv; None if it does not say.

    :param package: canonical name.
    """
    command = ["pip", "compile", "-", "--no-deps", "--no-header", "--format", "pylock.toml"]
    command += ["--python-version", python, "--python", interpreter(python), *uv.settings.options]
    answer = uv(command, f"{package}=={version}\n")
    if answer.returncode != 0:
        return None
    try:
        packages = read_toml(answer.stdout).get("packages", [])
        files = [file for one in packages for file in [*one.get("wheels", []), one.get("sdist", {})]]
        times = [file["upload-time"] for file in files if isinstance(file.get("upload-time"), dt.datetime)]
    except (LockError, AttributeError, TypeError):
        return None
    return min(times).date().isoformat() if times else None


def changes_link(package: str, version: str, python: Path) -> str | None:
    """
    Where the changes are listed, by the metadata of the installed release: a link that is called so, else the page of
    releases of its code's home, else None.

    :param python: of the environment that holds it.
    """
    site = site_packages(python)
    found = next(iter(importlib.metadata.distributions(name=package, path=[str(site)])), None) if site else None
    if found is None:
        return None
    links = [
        (label.strip(), address.strip())
        for label, _, address in (line.partition(",") for line in _all(found, "Project-URL"))
    ]
    named = next((address for label, address in links if _CHANGES.search(label)), None)
    if named is not None:
        return named
    homes = [address for _, address in links] + _all(found, "Home-page")
    code = next((match for match in map(_CODE.match, homes) if match), None)
    if code is None:
        return None
    return f"{code[0].removesuffix('.git')}/releases/tag/v{version}"


def _all(distribution: importlib.metadata.Distribution, field: str) -> list[str]:
    return [str(value) for value in distribution.metadata.get_all(field) or ()]


def site_packages(python: Path) -> Path | None:
    """Of an environment, by its interpreter."""
    return next(iter(sorted(python.parent.parent.glob("lib/python*/site-packages"))), None)
