"""Lock files of all kinds, as one thing: which release of which package."""

from __future__ import annotations

from pathlib import Path

from matrix.bisecting.locks import conda, poetry, pylock, requirements, uv
from matrix.bisecting.locks.interface import Format, Locked, LockError, Pin, Target
from matrix.errors import MatrixError

__all__ = ["FORMATS", "Locked", "Pin", "Target", "load"]

FORMATS: tuple[Format, ...] = (
    Format("uv.lock", uv.recognises, uv.read),
    Format("poetry.lock", poetry.recognises, poetry.read),
    Format("pylock.toml", pylock.recognises, pylock.read),
    Format("conda env export", conda.recognises, conda.read),
    Format("requirements or pip freeze", requirements.recognises, requirements.read),
)
"""Asked in this order; the last takes all that no other knows."""


def load(path: Path, target: Target) -> Locked:
    """
    Reads a lock file of any kind: its name and what it says tell which.

    :param target: where it is to be installed; packages that are not for there are left out.
    :raises MatrixError: it can't be read, or is no lock file; the message names the place in it.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise MatrixError(f"{path}: can't be read ({getattr(error, 'strerror', None) or error})") from error
    form = next(one for one in FORMATS if one.recognises(path.name, text))
    try:
        return form.read(text, target)
    except LockError as error:
        raise MatrixError(f"{path}: as {form.name}: {error}") from error
