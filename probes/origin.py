"""
Where a function was written that came to its process by value.

cloudpickle sends the classes and functions of a program's ``__main__`` so, to the workers of a vectorised environment
above all, and leaves out the name of their file. Their names and lines stay: it is the script of the process, or of one
above it, if that has such a function at that line.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

from probes import code
from probes.system import procfs

_GENERATIONS = 4
"""A worker, the server that it was forked from, the program, and a shell between them."""
_MAX_BYTES = 2_000_000
_WITH_ARGUMENT = frozenset({"-W", "-X", "--check-hash-based-pycs"})
_WITHOUT_SCRIPT = frozenset({"-c", "-m"})
_WITHOUT_NAME: dict[str, tuple[type[ast.expr | ast.stmt], ...]] = {
    "<lambda>": (ast.Lambda,),
    "<listcomp>": (ast.ListComp,),
    "<setcomp>": (ast.SetComp,),
    "<dictcomp>": (ast.DictComp,),
    "<genexpr>": (ast.GeneratorExp,),
}


def scripts(pid: int) -> Iterator[Path]:
    """The scripts that a process and those above it were started with, its own first."""
    for _ in range(_GENERATIONS):
        script = _script(procfs.command_line(pid))
        if script is not None:
            try:
                yield Path(f"/proc/{pid}/cwd").readlink() / script
            except OSError:
                return
        above = procfs.parent(pid)
        if above is None or above <= 1:
            return
        pid = above


def _script(command: Sequence[str]) -> str | None:
    """What an interpreter was told to run; None if it is no file, or it is no interpreter."""
    arguments = iter(command[1:])
    for argument in arguments:
        if argument in _WITHOUT_SCRIPT:
            return None
        if argument in _WITH_ARGUMENT:
            next(arguments, None)
        elif not argument.startswith("-"):
            return argument if argument.endswith(".py") else None
    return None


def has(script: Path, function: str, line: int | None) -> bool:
    """Whether a file has a function of that name, with or without its class's, that the line is in."""
    name = function.rpartition(".")[2]
    kinds = _WITHOUT_NAME.get(name, (ast.FunctionDef, ast.AsyncFunctionDef))
    return any(
        isinstance(node, kinds)
        and getattr(node, "name", name) == name
        and node.lineno <= (line or 0) <= (node.end_lineno or 0)
        for node in ast.walk(_parsed(script))
    )


def _parsed(script: Path) -> ast.AST:
    try:
        if script.is_file() and script.stat().st_size <= _MAX_BYTES:
            return ast.parse(script.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        pass
    return ast.Module([], [])


def written_in(pid: int, function: str, file: str, line: int | None) -> str:
    """
    The file of a frame, with the one that it was written in for ``code.BY_VALUE`` where that is certain.

    :param pid: the process, which must still be there.
    """
    if file != code.BY_VALUE:
        return file
    return next((str(script) for script in scripts(pid) if has(script, code.bare(function), line)), file)
