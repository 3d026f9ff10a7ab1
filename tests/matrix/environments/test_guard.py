"""An environment that several cells share stays as it was built, and so does uv's cache."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from matrix.environments import guard
from matrix.environments.cache import BuildError, CellEnvironment, UvEnvironments
from matrix.environments.mirrors import uv_settings
from matrix.environments.uv import Uv
from matrix.plan.plan import Plan
from matrix.running.sweep import run_sweep
from matrix.running.view import SilentView
from tests.matrix.environments.conftest import HEAVY, Provided, run_in, site_of

EDITS = "import tiny; open(tiny.__file__, 'w').write('VERSION = \"edited\"\\n')"
OVERWRITES = """
import heavy, os
with open(os.path.join(os.path.dirname(heavy.__file__), "data.bin"), "r+b") as file:
    file.write(b"damaged")
"""


def permissions_bind() -> bool:
    """Whether what is read-only can't be written to, as for everybody but root."""
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).chmod(0o444)
        return not os.access(file.name, os.W_OK)


as_root = pytest.mark.skipif(permissions_bind(), reason="permissions stop everybody else")


@pytest.fixture
def later(uv_environments: UvEnvironments) -> Callable[[], UvEnvironments]:
    """What the next sweep makes its environments with."""

    def make() -> UvEnvironments:
        uv_environments.close()
        return UvEnvironments(uv_environments._uv, uv_environments._cache)

    return make


def test_big_files_are_links_and_sources_are_copies(provided: Provided) -> None:
    site = site_of(provided("heavy==1.0"))
    assert (site / "heavy" / "data.bin").stat().st_nlink > 1
    assert (site / "heavy" / "__init__.py").stat().st_nlink == 1
    assert list(site.rglob("*.freezelab-copy")) == []


def test_bytecode_made_at_the_build_is_of_the_copied_source(provided: Provided) -> None:
    environment = provided("tiny==1.0")
    said = run_in(environment, "import tiny; print(tiny.__cached__)")
    before = Path(said).stat()
    run_in(environment, "import tiny")
    assert Path(said).stat().st_mtime_ns == before.st_mtime_ns


def test_all_that_a_cell_could_change_is_read_only(provided: Provided) -> None:
    environment = provided("heavy==1.0")
    folder = environment.python.parent.parent
    writable = [
        path
        for path in folder.rglob("*")
        if not path.is_symlink()
        and path.lstat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH)
        and path.parent.name != "__pycache__"
    ]
    assert [path.name for path in writable] == ["files.json"]
    assert os.access(environment.python.resolve(), os.W_OK) == os.access(sys.executable, os.W_OK)


@pytest.mark.skipif(os.geteuid() != 0 or permissions_bind(), reason="it takes root to become somebody else")
def test_nobody_but_root_can_write_to_an_environment_that_is_theirs(provided: Provided) -> None:
    site = site_of(provided("heavy==1.0"))
    for path in [site, *site.rglob("*")]:
        os.chown(path, 65534, 65534)
    # In the folder before it becomes somebody else: the way there is root's alone.
    program = """
import os, sys
os.chdir(sys.argv[1]); os.setgroups([]); os.setgid(65534); os.setuid(65534)
for path in sys.argv[2:]:
    try:
        open(path, "r+b" if os.path.exists(path) else "wb")
        print("written", path)
    except PermissionError:
        print("refused", path)
"""
    paths = ["heavy/__init__.py", "heavy/data.bin", "heavy/new.py", "new.py"]
    done = subprocess.run(
        [sys.executable, "-c", program, str(site), *paths], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [f"refused {path}" for path in paths]


@as_root
def test_the_next_sweep_does_not_see_a_cells_edit_and_uvs_cache_never_had_it(
    provided: Provided, later: Callable[[], UvEnvironments], elsewhere: Callable[[str], Path]
) -> None:
    environment = provided("tiny==1.0")
    run_in(environment, EDITS, cell="env=v3 adapter=on")
    assert run_in(environment, "import tiny; print(tiny.VERSION)", cell="env=v3 adapter=on") == "edited"
    assert (elsewhere("tiny==1.0") / "tiny.py").read_text() == "VERSION = '1.0'\n"
    again = provided("tiny==1.0", by=later())
    assert run_in(again, "import tiny; print(tiny.VERSION)") == "1.0"
    (note,) = again.notes
    assert "site-packages/tiny.py changed at " in note
    assert note.endswith("Then ran: env=v3 adapter=on")
    assert provided("tiny==1.0", by=later()).notes == ()


@as_root
def test_damage_that_reached_uvs_cache_through_a_link_is_undone(
    provided: Provided, later: Callable[[], UvEnvironments], elsewhere: Callable[[str], Path]
) -> None:
    environment = provided("heavy==1.0")
    run_in(environment, OVERWRITES, cell="env=v2")
    assert (elsewhere("heavy==1.0") / "heavy" / "data.bin").read_bytes().startswith(b"damaged")
    again = provided("heavy==1.0", by=later())
    assert (site_of(again) / "heavy" / "data.bin").read_bytes() == HEAVY
    assert (elsewhere("heavy==1.0") / "heavy" / "data.bin").read_bytes() == HEAVY
    (note,) = again.notes
    assert "heavy/data.bin changed at" in note
    assert "Then ran: env=v2" in note
    assert "uv's cache had the change too: heavy is fetched again; reinstall it in the 1 environments" in note


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda site: (site / "tiny.py").unlink(), "tiny.py gone at"),
        (lambda site: (site / "more.py").write_text("import tiny"), "more.py added at"),
        (lambda site: (site / "more" / "deep").mkdir(parents=True), None),
        (lambda site: (site / "__pycache__" / "tiny.cpython-39.opt-1.pyc").write_bytes(b""), None),
        (lambda site: os.utime(site / "tiny.py", (1, 1)), "tiny.py changed at"),
    ],
    ids=["gone", "added", "an empty folder", "bytecode", "as old as can be"],
)
def test_what_counts_as_a_change(
    provided: Provided, later: Callable[[], UvEnvironments], harm: Callable[[Path], object], told: str | None
) -> None:
    environment = provided("tiny==1.0")
    site = site_of(environment)
    guard.unseal(site.parent)
    site.chmod(0o755)
    with environment.used_by("the cell"):
        harm(site)
    again = provided("tiny==1.0", by=later())
    if told is None:
        assert again.notes == ()
    else:
        assert told in again.notes[0]
        assert again.notes[0].endswith("Then ran: the cell")
        assert run_in(again, "import tiny; print(tiny.VERSION)") == "1.0"
        assert not (site_of(again) / "more.py").exists()


def test_a_change_while_no_cell_ran_is_laid_at_nobodys_door(
    provided: Provided, later: Callable[[], UvEnvironments]
) -> None:
    environment = provided("tiny==1.0")
    with environment.used_by("innocent"):
        pass
    time.sleep(0.1)
    module = site_of(environment) / "tiny.py"
    module.chmod(0o644)
    module.write_text("VERSION = 3\n")
    assert provided("tiny==1.0", by=later()).notes[0].endswith("No cell of a sweep ran then")


def test_who_still_trains_in_a_changed_environment_finds_its_files_in_place(
    provided: Provided, uv_environments: UvEnvironments
) -> None:
    environment = provided("tiny==1.0")
    module = site_of(environment) / "tiny.py"
    program = "import sys; print('ready', flush=True); sys.stdin.readline(); import tiny; print(tiny.VERSION)"
    with subprocess.Popen(
        [str(environment.python), "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as cell:
        assert cell.stdout is not None
        assert cell.stdout.readline() == "ready\n"
        module.chmod(0o644)
        module.write_text("VERSION = 'edited'\n")
        other = UvEnvironments(uv_environments._uv, uv_environments._cache)
        assert provided("tiny==1.0", by=other).notes
        said, _ = cell.communicate("go\n", timeout=30)
    assert said == "1.0\n"


def test_a_sweep_can_be_told_of_changes_at_its_end(provided: Provided, uv_environments: UvEnvironments) -> None:
    environment = provided("tiny==1.0")
    assert uv_environments.look() == []
    module = site_of(environment) / "tiny.py"
    with environment.used_by("the cell"):
        module.chmod(0o644)
        module.write_text("VERSION = 3\n")
    (note,) = uv_environments.look()
    assert "tiny.py changed" in note
    assert note.endswith("Then ran: the cell")
    uv_environments.close()
    assert uv_environments.look() == []


def test_a_changed_environment_is_never_given_out_though_it_cannot_be_built_anew(
    provided: Provided, uv_environments: UvEnvironments, tmp_path: Path
) -> None:
    environment = provided("tiny==1.0")
    module = site_of(environment) / "tiny.py"
    module.chmod(0o644)
    module.write_text("VERSION = 3\n")
    broken = tmp_path / "uv"
    broken.write_text("#!/bin/sh\necho 'error: no space left' >&2\nexit 2\n")
    broken.chmod(0o755)
    with pytest.raises(BuildError, match=r"no space left"):
        UvEnvironments(Uv(str(broken)), uv_environments._cache).build(environment.lock, lambda: False)
    assert isinstance(uv_environments.build(environment.lock, lambda: False), CellEnvironment)
    assert run_in(environment, "import tiny; print(tiny.VERSION)") == "1.0"


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"lib": 3}'])
def test_an_inventory_that_is_damaged_is_a_change_too(
    provided: Provided, later: Callable[[], UvEnvironments], text: str
) -> None:
    inventory = provided("tiny==1.0").python.parent.parent / guard.INVENTORY
    inventory.write_text(text)
    assert "files.json changed" in provided("tiny==1.0", by=later()).notes[0]


def test_an_environment_can_be_removed_though_it_is_read_only(provided: Provided) -> None:
    folder = provided("tiny==1.0").python.parent.parent
    guard.remove(folder)
    assert not folder.exists()


@pytest.mark.parametrize("mode", ["symlink", "copy", "hardlink", "clone"])
def test_however_uv_is_told_to_link_the_files_are_the_environments(
    only_wheels: dict[str, str], provided: Provided, tmp_path: Path, mode: str
) -> None:
    uv = Uv(settings=uv_settings({**only_wheels, "UV_LINK_MODE": mode}))
    site = site_of(provided("heavy==1.0", by=UvEnvironments(uv, tmp_path / "envs")))
    files = [path for path in (site / "heavy").rglob("*") if path.is_file()]
    assert len(files) == 3
    assert not any(path.is_symlink() for path in files)


class Tree(RuleBasedStateMachine):
    """A folder that was sealed, and all that may happen to its files."""

    NAMES = ("a.py", "b.bin", "sub/c.py", "sub/deep/d.bin", "sub/__pycache__/e.pyc")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        for name in self.NAMES:
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_bytes(b"x" * 10)
            os.utime(self.folder / name, (1, 1))  # else a change in the same tick of the kernel's clock is none
        guard.seal(self.folder)
        guard.unseal(self.folder)
        self.expected: dict[str, str] = {}

    def teardown(self) -> None:
        guard.remove(self.folder)

    def _happened(self, name: str, what: str) -> None:
        if "__pycache__" not in name:
            self.expected[name] = what

    @rule(name=st.sampled_from(NAMES), content=st.binary(max_size=20))
    def write(self, name: str, content: bytes) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(content)
        self._happened(name, "changed")

    @rule(name=st.sampled_from(NAMES))
    def remove(self, name: str) -> None:
        (self.folder / name).unlink(missing_ok=True)
        self._happened(name, "gone")

    @rule(name=st.sampled_from(("new.py", "sub/new.bin", "other/new.py", "sub/__pycache__/new.pyc")))
    def add(self, name: str) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).touch()
        self._happened(name, "added")

    @rule()
    def remove_a_folder(self) -> None:
        shutil.rmtree(self.folder / "sub", ignore_errors=True)
        for name in [*self.NAMES, *self.expected]:
            if name.startswith("sub/") and "__pycache__" not in name:
                self.expected[name] = "gone"
        for name in ("sub/new.bin",):
            self.expected.pop(name, None)

    @rule(name=st.sampled_from(NAMES))
    def read(self, name: str) -> None:
        if (self.folder / name).exists():
            (self.folder / name).read_bytes()

    @invariant()
    def what_happened_is_found(self) -> None:
        found = guard.changes(self.folder)
        assert {change.path: change.what for change in found} == self.expected
        assert all(change.at <= time.time() and change.elsewhere == 0 for change in found)


TestAnyChangeIsFound = Tree.TestCase
TestAnyChangeIsFound.settings = settings(max_examples=25, stateful_step_count=12, deadline=None)


def test_uv_still_prunes_and_cleans_its_cache(provided: Provided, uv_environments: UvEnvironments) -> None:
    provided("heavy==1.0")
    cache = Path(uv_environments._uv(["cache", "dir"]).stdout.strip())
    assert list(cache.rglob("data.bin"))
    for command in (["cache", "prune"], ["cache", "clean", "heavy"]):
        answer = uv_environments._uv(command)
        assert answer.returncode == 0, answer.stderr
    assert list(cache.rglob("data.bin")) == []


def test_a_sweep_names_the_cell_that_edited_its_environment_and_the_next_one_trains_in_a_fresh_one(
    plan_of: Callable[[str], Plan], uv_environments: UvEnvironments, tmp_path: Path
) -> None:
    """uv, the probes, the store and two sweeps, with a program that is quick."""
    program = tmp_path / "program"
    program.mkdir()
    (program / "__main__.py").write_text(
        "import os, sys, tiny\nprint('saw', tiny.VERSION)\n"
        "assert not os.path.exists(tiny.__file__ + 'c')\n"
        "if 'v3' in sys.argv:\n    os.chmod(tiny.__file__, 0o644)\n    open(tiny.__file__, 'w').write('VERSION = 7')\n"
    )
    plan = plan_of(
        '[factors]\nversions = ["old"]\nenv = ["dummy", "v3"]\n[run]\njobs = 1\n'
        '[versions.old]\nrequirements = ["tiny==1.0"]\n'
    )

    class Notes(SilentView):
        def __init__(self) -> None:
            self.notes: list[str] = []

        def note(self, text: str) -> None:
            self.notes.append(text)

    def sweep(out: str) -> list[str]:
        view = Notes()
        environments = UvEnvironments(uv_environments._uv, uv_environments._cache)
        run_sweep(plan, tmp_path / out, view=view, environments=environments, program=program)
        environments.close()
        return [note for note in view.notes if "tiny.py" in note]

    (at_the_end,) = sweep("first")
    assert at_the_end.endswith("Then ran: versions=old env=v3")
    told = sweep("second")
    assert told[0].startswith("environment old: built anew: lib/")
    assert told[0].endswith("Then ran: versions=old env=v3")
    seen = [path.read_text() for path in (tmp_path / "second" / "cells").rglob("stdout*")]
    assert seen
    assert all(text.startswith("saw 1.0") for text in seen)
