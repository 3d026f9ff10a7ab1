"""
The rungs of ``--heap-check``: environment variables under which a damaged heap shows itself sooner, or differently.

Each rung keeps what the one below it sets, but the last, which replaces the C library's allocator altogether.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PERTURB = "165"
"""Freed memory is filled with 0xA5, fresh memory with 0x5A: neither passes for a pointer or a small number."""
_CHECK_AND_ABORT = "3"
_FIRST_SEPARATE_DEBUG_LIBRARY = (2, 34)
_FIRST_TUNABLES = (2, 26)


class RungUnavailableError(Exception):
    """This machine can't give a rung; the text says why, and what would help."""


@dataclass(frozen=True)
class Loader:
    """What the ladder must know of the machine: its C library, and where shared libraries lie."""

    glibc: tuple[int, int] | None
    """None where the C library is another one."""
    folders: tuple[Path, ...]

    def find(self, *patterns: str) -> Path | None:
        """The first library that one of the patterns matches; of several versions the newest."""
        for pattern in patterns:
            for folder in self.folders:
                found = sorted(folder.glob(pattern), key=lambda path: (len(path.name), path.name))
                if found:
                    return found[-1]
        return None

    def need_glibc(self, at_least: tuple[int, int]) -> tuple[int, int]:
        """:raises RungUnavailableError: there is no glibc, or an older one."""
        if self.glibc is None:
            raise RungUnavailableError("the C library is not glibc, whose checks these are")
        if self.glibc < at_least:
            have, need = (".".join(map(str, version)) for version in (self.glibc, at_least))
            raise RungUnavailableError(f"glibc {have} has no such switch; {need} has")
        return self.glibc


def this_machine() -> Loader:
    """The loader of the machine we run on."""
    return Loader(glibc_version(), tuple(_library_folders()))


def glibc_version() -> tuple[int, int] | None:
    """Of this process, and so of every one that the same loader starts; None where there is no glibc."""
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (ValueError, OSError):
        return None
    major, _, minor = version.partition(".")
    return (int(major), int(minor)) if name == "glibc" and major.isdecimal() and minor.isdecimal() else None


def _library_folders() -> Sequence[Path]:
    """Where the loader finds libraries: beside the C library that we use, and the usual places."""
    machine = os.uname().machine
    names = [f"/lib/{machine}-linux-gnu", f"/usr/lib/{machine}-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib"]
    try:
        for line in Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines():
            path = Path(line.split(None, 5)[-1])
            if path.name.startswith(("libc.so", "libc-")):
                names.insert(0, str(path.parent))
                break
    except OSError:
        pass
    return [folder for name in dict.fromkeys(names) if (folder := Path(name)).is_dir()]


@dataclass(frozen=True)
class Rung:
    """One way to run the command again."""

    id: str
    change: str
    """What is different from the run before, for a reader."""
    slowdown: float
    """How many times as long it may take to come to the same point."""
    variables: Callable[[Loader, Mapping[str, str]], dict[str, str]]
    """From the machine and the environment that the command would have, the variables to set on top."""


def _without_tcache(loader: Loader, base: Mapping[str, str]) -> dict[str, str]:
    loader.need_glibc(_FIRST_TUNABLES)
    return {"GLIBC_TUNABLES": _joined(":", base.get("GLIBC_TUNABLES"), "glibc.malloc.tcache_count=0")}


def _perturbed(loader: Loader, base: Mapping[str, str]) -> dict[str, str]:
    return {**_without_tcache(loader, base), "MALLOC_PERTURB_": _PERTURB}


def _checked(loader: Loader, base: Mapping[str, str]) -> dict[str, str]:
    variables = {**_perturbed(loader, base), "MALLOC_CHECK_": _CHECK_AND_ABORT}
    if loader.need_glibc(_FIRST_TUNABLES) < _FIRST_SEPARATE_DEBUG_LIBRARY:
        return variables  # the checks are in the C library itself
    library = loader.find("libc_malloc_debug.so.0")
    if library is None:
        raise RungUnavailableError(
            "libc_malloc_debug.so.0 was not found; it comes with glibc, in some distributions as glibc-utils"
        )
    return {**variables, "LD_PRELOAD": _joined(":", str(library), base.get("LD_PRELOAD"))}


def _python_too(loader: Loader, base: Mapping[str, str]) -> dict[str, str]:
    try:
        return {**_checked(loader, base), "PYTHONMALLOC": "malloc"}
    except RungUnavailableError:
        return {**_perturbed(loader, base), "PYTHONMALLOC": "malloc"}


def _sanitized(loader: Loader, base: Mapping[str, str]) -> dict[str, str]:
    sanitizer, cpp = loader.find("libasan.so.[0-9]*"), loader.find("libstdc++.so.6")
    if sanitizer is None:
        raise RungUnavailableError("libasan was not found; gcc brings it (Debian: libasan8, Fedora: libasan)")
    if cpp is None:
        raise RungUnavailableError("libstdc++.so.6 was not found, and libasan must be loaded together with it")
    # Only what it sees of frees and copies counts here: the libraries were not compiled for it.
    options = "detect_leaks=0:abort_on_error=1:alloc_dealloc_mismatch=0:allocator_may_return_null=1"
    return {
        "LD_PRELOAD": _joined(":", str(sanitizer), str(cpp), base.get("LD_PRELOAD")),
        "ASAN_OPTIONS": _joined(":", base.get("ASAN_OPTIONS"), options),
        "PYTHONMALLOC": "malloc",
    }


def _joined(separator: str, *parts: str | None) -> str:
    return separator.join(part for part in parts if part)


LADDER: tuple[Rung, ...] = (
    Rung("tcache-off", "glibc's per-thread cache of freed blocks is off", 1.5, _without_tcache),
    Rung("perturb", "and freed and fresh memory is filled with a pattern", 1.5, _perturbed),
    Rung("malloc-check", "and glibc's debugging allocator checks each block as it is freed", 2.0, _checked),
    Rung("python-malloc", "and Python's own small objects come from that allocator too", 2.5, _python_too),
    Rung("asan", "AddressSanitizer's allocator instead, loaded in front of glibc's", 6.0, _sanitized),
)
