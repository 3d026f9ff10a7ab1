"""The project's jobs. Each sets up all that it needs: ``python3 bootstrap.py -s freeze_matrix``."""

from __future__ import annotations

import nox

nox.options.sessions = ["tests", "lint", "types"]
nox.options.reuse_existing_virtualenvs = True
nox.options.default_venv_backend = "virtualenv"

CODE = ("bootstrap.py", "freezelab.py", "noxfile.py", "repro", "probes", "matrix", "reports", "docs", "tests")
# The sweep finishes its running cells on the first Ctrl-C: nox must not cut that short.
PATIENCE_S = 600.0


def _install(session: nox.Session, *extras: str) -> None:
    names = f"[{','.join(extras)}]" if extras else ""
    session.install("--quiet", "--constraint", "constraints.txt", "--editable", f".{names}")


@nox.session
def freeze_matrix(session: nox.Session) -> None:
    """Sweep environments, adapter, devices and library sets, and write the report that explains the freeze."""
    _install(session)
    session.run("freezelab", "matrix", *(session.posargs or ["matrix.toml"]), interrupt_timeout=PATIENCE_S)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests, on real stable-baselines3, py-spy and uv."""
    _install(session, "test", "training", "parquet", "cluster")
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting with ruff."""
    session.install("--quiet", "--constraint", "constraints.txt", "ruff")
    session.run("ruff", "check", *CODE)
    session.run("ruff", "format", "--check", *CODE)


@nox.session
def types(session: nox.Session) -> None:
    """Check types with mypy --strict."""
    _install(session, "types", "test")
    session.install("--quiet", "--constraint", "constraints.txt", "nox", "numpy")
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """Make the reference in docs/ anew from the code, and test the handbook."""
    _install(session, "test", "training")
    session.run("python", "-m", "docs.generator")
    session.run("pytest", "tests/docs", *session.posargs)


@nox.session
def cases(session: nox.Session) -> None:
    """Run the catalogue and one variation of each case, and say how often a diagnosis is right and sure of it."""
    _install(session, "training")
    words = session.posargs or ["--vary", "1", "--jobs", "2"]
    session.run("freezelab", "cases", "run", *words, interrupt_timeout=PATIENCE_S)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure what probes, sweeps, reports and bisections cost, how soon a freeze is told, what a kill loses."""
    _install(session, "test", "training")
    # Only to compare with.
    session.install("--quiet", "--constraint", "constraints.txt", "git-bayesect")
    session.run("python", "-m", "tests.bench.overhead", *session.posargs)
    if not session.posargs:
        session.run("python", "-m", "tests.bench.detection")
        session.run("python", "-m", "tests.bench.plan")
        session.run("python", "-m", "tests.bench.sweep", "--cells", "1000")
        session.run("python", "-m", "tests.bench.sweep", "--kills", "100")
        session.run("python", "-m", "tests.bench.cluster")
        session.run("python", "-m", "tests.bench.bisect")
        session.run("python", "-m", "tests.bench.reports")
        session.run("python", "-m", "tests.bench.extend", "story")
        session.run("python", "-m", "tests.bench.extend", "overhead")
