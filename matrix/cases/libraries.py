"""The library sets that the catalogue's programs run with: those of the shipped sweep, built as its cells' are."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from matrix.environments.cache import BuildError, Environments, Unsatisfiable
from matrix.errors import MatrixError, expected_one_of
from matrix.plan.cells import VersionSet


def provide(
    names: Iterable[str],
    known: Iterable[VersionSet],
    environments: Environments,
    on_build: Callable[[VersionSet], None] = lambda versions: None,
) -> dict[str, str]:
    """
    The interpreter of each library set, built unless it is cached.

    :param known: all that there are.
    :param on_build: called before each.
    :raises MatrixError: no set of that name, or it can't be had.
    """
    sets = {versions.name: versions for versions in known}
    pythons = {}
    for name in names:
        if name not in sets:
            raise MatrixError(f"no library set {name!r} is described; {expected_one_of(name, sets)}")
        on_build(sets[name])
        try:
            environment = environments.provide(sets[name], None, lambda: False)
        except BuildError as error:
            raise MatrixError(f"library set {name}: {error}") from error
        if isinstance(environment, Unsatisfiable):
            raise MatrixError(f"library set {name}: can't be had together: {environment.reason}")
        pythons[name] = str(environment.python)
    return pythons
