"""Whose code a frame is: the user's, a library's, or the engine room's (torch, numpy, the standard library, ours)."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

_AGENT = str(Path(__file__).parent / "agent")
_SITE = ("site-packages", "dist-packages")
BY_VALUE = "<dynamic-code>"
"""The file of what cloudpickle sent."""
_WITHOUT_FILE = (BY_VALUE, "<stdin>", "<ipython-input")
_COMPREHENSIONS = ("<listcomp>", "<genexpr>", "<dictcomp>", "<setcomp>")
_ENGINES = frozenset({"torch", "numpy", "scipy", "_distutils_hack"})


def is_ours(file: str) -> bool:
    """Whether the file is the agent's; such frames are left out of every stack."""
    return file.startswith(_AGENT)


def is_without_file(file: str) -> bool:
    """Whether it is the user's code that Python got without a file: typed in, or sent to a worker by cloudpickle."""
    return file.startswith(_WITHOUT_FILE)


def library(file: str) -> str | None:
    """
    Top-level package below site-packages, ``python`` for the standard library, None for other code.

    Frames without a Python file (native ones) belong to the shared object they are in.
    """
    if is_without_file(file):
        return None
    if file.startswith("<") or not file.endswith(".py"):
        return Path(file).name or None
    parts = Path(file).parts
    for place in range(len(parts) - 1, -1, -1):
        if parts[place] in _SITE and place + 1 < len(parts):
            return parts[place + 1].removesuffix(".py")
    for part, following in pairwise(parts):
        if part in ("lib", "lib64") and following.startswith("python"):
            return "python"
    return None


def module(file: str) -> str | None:
    """Dotted name of the module below site-packages; None for other code."""
    parts = Path(file).parts
    for place in range(len(parts) - 1, -1, -1):
        if parts[place] in _SITE:
            return ".".join(parts[place + 1 :]).removesuffix(".py").removesuffix(".__init__")
    return None


def is_engine(file: str) -> bool:
    """Whether a frame only carries out what the code above it asked for: it explains nothing by itself."""
    if is_without_file(file):
        return False
    owner = library(file)
    return owner == "python" or owner in _ENGINES or not file.endswith(".py")


def bare(function: str) -> str:
    """
    ``train`` for ``RecurrentPPO.train``: before Python 3.11 no stack has the class's name.

    Of a comprehension in ``Tickets.settle`` it is ``settle``, if the stack says where it is.
    """
    if is_comprehension(function):
        function = function.rpartition(".<locals>.")[0] or function
    return function.rpartition(".")[2] if not function.endswith(">") else function


def is_comprehension(function: str) -> bool:
    """Whether it is the body of a comprehension, which is a part of the function it stands in."""
    return function.endswith(_COMPREHENSIONS)


def place(file: str, line: int | None) -> str:
    """``sb3_contrib/common/recurrent/policies.py:228``: from the package on, or the last two parts."""
    parts = Path(file).parts
    for number in range(len(parts) - 1, -1, -1):
        if parts[number] in _SITE:
            parts = parts[number + 1 :]
            break
    else:
        parts = parts[-2:] if not file.startswith("<") else (file,)
    return "/".join(part for part in parts if part != "/") + (f":{line}" if line else "")
