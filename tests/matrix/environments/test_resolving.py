"""What was resolved or built once needs no resolver and no network; what can't be had or built is a result."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import tarfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix.environments.cache import BuildError, CellEnvironment, Lock, Unsatisfiable, UvEnvironments
from matrix.environments.mirrors import uv_settings
from matrix.environments.resolving import RESOLUTIONS
from matrix.environments.uv import Answer, Uv
from matrix.errors import MatrixError
from matrix.plan.cells import VersionSet
from matrix.plan.plan import Plan
from tests.matrix.environments.conftest import OURS, MakeWheel, run_in


def never() -> bool:
    return False


class Recording(Uv):
    """A real uv that notes what it is asked."""

    calls: list[list[str]] = []  # noqa: RUF012 - of the test that has emptied it

    def __call__(self, arguments: Sequence[str], stdin: str = "", should_stop: Callable[[], bool] = never) -> Answer:
        self.calls.append(list(arguments))
        return super().__call__(arguments, stdin, should_stop)


class Index:
    """A package index that knows when each release came, as PyPI does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked = 0
        self.dates: dict[str, str] = {}
        index = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.asked += 1
                name = self.path.strip("/").split("/")[-1]
                file = folder / name
                if file.suffix == ".whl" and file.exists():
                    self.answer("application/octet-stream", file.read_bytes())
                elif files := [path for path in sorted(folder.iterdir()) if path.name.startswith(f"{name}-")]:
                    document = {"meta": {"api-version": "1.1"}, "name": name, "files": [index.entry(f) for f in files]}
                    self.answer("application/vnd.pypi.simple.v1+json", json.dumps(document).encode())
                else:
                    self.send_error(404)

            def answer(self, kind: str, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            do_HEAD = do_GET  # noqa: N815 - as the server calls it

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/simple"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def entry(self, wheel: Path) -> dict[str, Any]:
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        came = self.dates[wheel.name]
        return {"filename": wheel.name, "url": f"/{wheel.name}", "hashes": {"sha256": digest}, "upload-time": came}

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def index(tmp_path: Path, make_wheel: MakeWheel) -> Iterator[Index]:
    """``dated`` 1.0 of January and 2.0 of June 2025."""
    folder = tmp_path / "index"
    folder.mkdir()
    index = Index(folder)
    for version, came in (("1.0", "2025-01-10T00:00:00Z"), ("2.0", "2025-06-10T00:00:00Z")):
        wheel = make_wheel(folder, "dated", version, {"dated.py": f"VERSION = {version!r}\n".encode()})
        index.dates[wheel.name] = came
    yield index
    index.close()


@pytest.fixture
def environments(index: Index, only_wheels: dict[str, str], tmp_path: Path) -> Callable[..., UvEnvironments]:
    """As each sweep makes them anew."""

    def make(**more: str) -> UvEnvironments:
        online = {**only_wheels, "PIP_NO_INDEX": "0", "PIP_INDEX_URL": index.url, "PIP_FIND_LINKS": "", **more}
        return UvEnvironments(Recording(settings=uv_settings({**online, "UV_HTTP_RETRIES": "0"})), tmp_path / "envs")

    Recording.calls.clear()
    return make


def asking(*requirements: str, **more: Any) -> VersionSet:
    return VersionSet("set", requirements, OURS, **more)


def test_releases_after_a_date_do_not_exist(environments: Callable[..., UvEnvironments]) -> None:
    resolve = environments().resolve
    assert resolve(asking("dated"), never) == Lock(OURS, "dated==2.0\n")
    assert resolve(asking("dated", exclude_newer="2025-03-01"), never) == Lock(OURS, "dated==1.0\n")
    answer = resolve(asking("dated==2.0", exclude_newer="2025-03-01"), never)
    assert isinstance(answer, Unsatisfiable)


def test_a_second_sweep_on_what_is_built_and_dated_asks_nobody(
    index: Index, environments: Callable[..., UvEnvironments]
) -> None:
    wanted = asking("dated", exclude_newer="2025-03-01")
    first = environments().provide(wanted, None, never)
    assert isinstance(first, CellEnvironment)
    index.close()
    Recording.calls.clear()
    assert environments().provide(wanted, None, never) == first
    assert Recording.calls == []


@pytest.mark.parametrize(
    ("wanted", "asks"),
    [
        (asking("dated"), True),
        (asking("dated", exclude_newer="2025-03-01"), False),
        (asking("dated", exclude_newer="2025-03-01T00:00:00Z"), False),
        (asking("dated", exclude_newer="2125-03-01"), True),
        (asking("dated", exclude_newer="30 days"), True),
        (VersionSet("another name", ("dated",), OURS, "2025-03-01"), False),
        (asking(lock="dated==1.0\n"), False),
    ],
    ids=["no date", "a day", "a time", "yet to come", "moving", "other name", "a lock"],
)
def test_only_what_cannot_have_changed_is_resolved_no_more(
    environments: Callable[..., UvEnvironments], wanted: VersionSet, asks: bool
) -> None:
    first = environments().resolve(wanted, never)
    Recording.calls.clear()
    assert environments().resolve(wanted, never) == first
    assert bool(Recording.calls) == asks


def test_other_settings_are_resolved_anew(environments: Callable[..., UvEnvironments], tmp_path: Path) -> None:
    wanted = asking("dated", exclude_newer="2025-12-01")
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("dated<2\n")
    assert environments().resolve(wanted, never) == Lock(OURS, "dated==2.0\n")
    held = {"PIP_CONSTRAINT": str(constraints)}
    assert environments(**held).resolve(wanted, never) == Lock(OURS, "dated==1.0\n")
    constraints.write_text("dated<3\n")
    assert environments(**held).resolve(wanted, never) == Lock(OURS, "dated==2.0\n")


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"python": "3.11"}'])
def test_a_resolution_that_was_damaged_is_asked_for_again(
    environments: Callable[..., UvEnvironments], tmp_path: Path, damage: str
) -> None:
    wanted = asking("dated", exclude_newer="2025-03-01")
    first = environments().resolve(wanted, never)
    (kept,) = (tmp_path / "envs" / RESOLUTIONS).iterdir()
    kept.write_text(damage)
    assert environments().resolve(wanted, never) == first


def test_what_uv_has_fetched_is_built_again_without_the_network(
    index: Index, environments: Callable[..., UvEnvironments], tmp_path: Path
) -> None:
    first = environments().provide(asking("dated"), None, never)
    assert isinstance(first, CellEnvironment)
    index.close()
    (first.python.parent.parent / "freezelab.json").unlink()
    asked = index.asked
    again = environments().build(first.lock, never)
    assert isinstance(again, CellEnvironment)
    assert index.asked == asked
    assert run_in(again, "import dated; print(dated.VERSION)") == "2.0"


def test_what_uv_has_not_is_fetched(environments: Callable[..., UvEnvironments]) -> None:
    environment = environments().build(Lock(OURS, "dated==1.0\n"), never)
    assert isinstance(environment, CellEnvironment)
    assert ["--offline" in call for call in Recording.calls if call[1] == "install"] == [True, False]


def test_a_lock_that_names_what_does_not_exist_is_a_result(environments: Callable[..., UvEnvironments]) -> None:
    answer = environments().provide(asking(lock="dated==7.0\n"), None, never)
    assert isinstance(answer, Unsatisfiable)
    assert "dated==7.0" in answer.reason


def test_no_network_is_no_result(index: Index, environments: Callable[..., UvEnvironments]) -> None:
    index.close()
    with pytest.raises(BuildError, match="installing the locked packages failed"):
        environments().build(Lock(OURS, "dated==1.0\n"), never)


def sdist(folder: Path, name: str, backend: str, pkg_info: bool = True) -> None:
    """A source distribution whose build is ``backend``."""
    project = (
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        f'[project]\nname = "{name}"\nversion = "1.0"\n' + ("" if pkg_info else 'dynamic = ["dependencies"]\n')
    )
    files = {"pyproject.toml": project, "backend.py": backend}
    if pkg_info:
        files["PKG-INFO"] = f"Metadata-Version: 2.2\nName: {name}\nVersion: 1.0\n"
    with tarfile.open(folder / f"{name}-1.0.tar.gz", "w:gz") as archive:
        for path, text in files.items():
            entry = tarfile.TarInfo(f"{name}-1.0/{path}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))


FAILS = """
import sys
def build_wheel(*_, **__):
    print("cc -c thing.c")
    print("thing.c:1: fatal error: cuda.h: No such file or directory", file=sys.stderr)
    raise RuntimeError("needs CUDA 9, found none")
"""


@pytest.mark.parametrize("pkg_info", [True, False], ids=["as it is installed", "as it is resolved"])
def test_what_cannot_be_built_is_a_result_with_the_last_that_its_build_said(
    only_wheels: dict[str, str], tmp_path: Path, pkg_info: bool
) -> None:
    sdist(tmp_path, "broken", FAILS, pkg_info)
    uv = Uv(settings=uv_settings({**only_wheels, "PIP_FIND_LINKS": str(tmp_path)}))
    answer = UvEnvironments(uv, tmp_path / "envs").provide(asking("broken"), None, never)
    assert answer == Unsatisfiable(
        "broken==1.0 can't be built: thing.c:1: fatal error: cuda.h: No such file or directory; "
        "RuntimeError: needs CUDA 9, found none"
    )
    assert [path.name for path in (tmp_path / "envs").glob(".*")] == []


def test_a_build_that_says_nothing_on_standard_error_is_told_by_what_else_it_said(
    only_wheels: dict[str, str], tmp_path: Path
) -> None:
    sdist(
        tmp_path, "broken", "import os\ndef build_wheel(*_, **__):\n    print('sorry', flush=True)\n    os._exit(3)\n"
    )
    uv = Uv(settings=uv_settings({**only_wheels, "PIP_FIND_LINKS": str(tmp_path)}))
    answer = UvEnvironments(uv, tmp_path / "envs").provide(asking("broken"), None, never)
    assert answer == Unsatisfiable("broken==1.0 can't be built: sorry")


BOXED = """\
  × Failed to build `broken==1.0`
  ├─▶ The build backend returned an error
  ╰─▶ Call to `setuptools.build_meta.build_wheel` failed (exit status: 1)

      [stdout]
      running build

      [stderr]
      Traceback (most recent call last):
        File "<string>", line 11, in <module>
      RuntimeError: needs CUDA 9

      hint: This usually indicates a problem with the package or the build environment.
"""


def test_an_older_uv_draws_a_box_around_the_same() -> None:
    assert Answer(1, "", BOXED).unbuildable
    assert Answer(1, "", BOXED).reason.startswith("broken==1.0 can't be built: RuntimeError: needs CUDA 9")


_SAID = (
    "[stderr]",
    "[stdout]",
    "      [stderr]",
    "",
    "   ",
    "      x",
    "Failed to build `a==1`",
    "hint: x",
    "Traceback",
)


@given(st.lists(st.one_of(st.sampled_from(_SAID), st.text(max_size=12))))
def test_whatever_a_build_says_there_is_one_line_of_reason(lines: list[str]) -> None:
    reason = Answer(1, "", "\n".join(["error: The build backend returned an error", *lines])).reason
    assert " can't be built: " in reason
    assert len(reason) <= 400
    assert "\n" not in reason


def test_the_torch_backend_goes_to_uv_and_with_the_lock(tmp_path: Path) -> None:
    calls: list[list[str]] = []

    class Torch(Uv):
        def __call__(
            self, arguments: Sequence[str], stdin: str = "", should_stop: Callable[[], bool] = never
        ) -> Answer:
            calls.append(list(arguments))
            return Answer(0, "torch==2.9.0+cpu\n", "") if arguments[1] == "compile" else Answer(2, "", "error: enough")

    environments = UvEnvironments(Torch("uv"), tmp_path)
    lock = environments.resolve(asking("torch", torch_backend="cpu"), never)
    assert isinstance(lock, Lock)
    assert lock.torch_backend == "cpu"
    stored = Lock(lock.python, lock.text)
    assert stored.torch_backend == "cpu"
    assert stored.id != Lock(OURS, "torch==2.9.0+cpu\n").id
    with pytest.raises(BuildError):
        environments.build(stored, never)
    for call in calls:
        assert call[:1] == ["venv"] or call[call.index("--torch-backend") + 1] == "cpu"


def test_uv_knows_the_torch_backends_that_are_documented(only_wheels: dict[str, str], tmp_path: Path) -> None:
    environments = UvEnvironments(Uv(settings=uv_settings(only_wheels)), tmp_path)
    for backend in ("cpu", "cu126", "auto"):
        assert isinstance(environments.resolve(asking("tiny==1.0", torch_backend=backend), never), Lock)
    with pytest.raises(BuildError, match="invalid value 'cuda'"):
        environments.resolve(asking("tiny", torch_backend="cuda"), never)


def test_sets_with_other_torch_backends_are_other_sets() -> None:
    ids = {asking("torch", torch_backend=backend).id for backend in (None, "cpu", "cu126")}
    assert len(ids) == 3


def test_a_plan_says_the_torch_backend_and_is_told_what_it_may_be(plan_of: Callable[[str], Plan]) -> None:
    text = """
        [factors]
        versions = ["old"]
        [versions.old]
        requirements = ["torch==2.9.0"]
        torch-backend = "cpu"
    """
    (cell,) = plan_of(text).cells
    assert cell.versions.torch_backend == "cpu"
    with pytest.raises(
        MatrixError, match=r"sweep.toml: versions.old.torch-backend: 'cuda' is none of PyTorch's; write"
    ):
        plan_of(text.replace('"cpu"', '"cuda"'))
