"""Whether a worker can be given our trials: what it is asked, and what is made of its answer."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from probes import stacks


@dataclass(frozen=True)
class Survey:
    """What a worker says about itself."""

    version: str
    """FreezeLab's."""
    missing: tuple[str, ...]
    """Files that it was asked for and does not see."""
    blind: str | None = None
    """Why it can't look into the processes that it starts."""


def version() -> str:
    """FreezeLab's version here."""
    try:
        return metadata.version("freezelab")
    except metadata.PackageNotFoundError:
        return "(not installed)"  # run from its sources


def survey(files: tuple[str, ...]) -> Survey:
    """
    Looks at this machine.

    :param files: those that trials will need.
    """
    blind = None
    try:
        stacks.check_permission()
    except stacks.StackError as error:
        blind = str(error)
    return Survey(version(), tuple(file for file in files if not Path(file).exists()), blind)


def why_unfit(answer: Survey | BaseException, wanted_version: str) -> str | None:
    """
    Why a worker can't be given trials; None if nothing speaks against it.

    :param answer: what it said, or what kept it from saying anything.
    :param wanted_version: of FreezeLab.
    """
    if isinstance(answer, ImportError | AttributeError):  # AttributeError: one that does not know what we asked
        return f"has no FreezeLab, or another than ours ({answer}); install it there: pip install 'freezelab[cluster]'"
    if isinstance(answer, BaseException):
        return f"can't say which FreezeLab it has ({type(answer).__name__}: {answer})"
    if answer.version != wanted_version:
        return f"has FreezeLab {answer.version}, this is {wanted_version}; install the same on both"
    if answer.missing:
        return f"does not see {', '.join(answer.missing)}; your own files must lie where all workers see them"
    return None if answer.blind is None else f"can't look into processes: {answer.blind}"
