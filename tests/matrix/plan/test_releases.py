from __future__ import annotations

import functools
import http.server
import json
import threading
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from matrix.environments.mirrors import uv_settings
from matrix.environments.uv import Uv
from matrix.plan import releases
from matrix.plan.releases import ReleasesError, UvReleases

PYTHON = "3.11"
DATES = {"1.0": "2024-01-01", "1.1": "2024-06-01", "2.0rc1": "2024-09-01", "2.0": "2025-01-01", "2.1": "2025-06-01"}
OTHERS_ONLY = "3.0"
"""Has a wheel for another Python only."""


def make_wheel(folder: Path, version: str, tag: str = "py3-none-any") -> Path:
    info = f"many-{version}.dist-info"
    path = folder / f"many-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: many\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n")
        wheel.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel folder that is a simple index with dates, too (PEP 691, PEP 700)."""
    folder = tmp_path_factory.mktemp("many")
    files = [(make_wheel(folder, version), date) for version, date in DATES.items()]
    files.append((make_wheel(folder, OTHERS_ONLY, "cp39-cp39-macosx_11_0_arm64"), "2025-07-01"))
    index = {
        "meta": {"api-version": "1.1"},
        "name": "many",
        "versions": [*DATES, OTHERS_ONLY],
        "files": [
            {
                "filename": path.name,
                "url": f"../../{path.name}",
                "hashes": {},
                "size": path.stat().st_size,
                "upload-time": f"{date}T00:00:00Z",
            }
            for path, date in files
        ],
    }
    (folder / "simple" / "many").mkdir(parents=True)
    (folder / "simple" / "many" / "index.json").write_text(json.dumps(index))
    return folder


class SimpleIndex(http.server.SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        if not self.path.startswith("/simple/"):
            return super().do_GET()
        page = Path(self.directory) / self.path.strip("/") / "index.json"
        if not page.exists():
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.pypi.simple.v1+json")
        self.end_headers()
        self.wfile.write(page.read_bytes())
        return None

    def log_message(self, *_: object) -> None:
        """Nothing is said in tests."""


@pytest.fixture(scope="module")
def index(many: Path) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(SimpleIndex, directory=str(many)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/simple"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def from_folder(only_wheels: Mapping[str, str], many: Path, tmp_path: Path) -> UvReleases:
    settings = {**only_wheels, "PIP_FIND_LINKS": str(many), "UV_CACHE_DIR": str(tmp_path / "uv")}
    return UvReleases(Uv(settings=uv_settings(settings)))


@pytest.fixture
def from_index(only_wheels: Mapping[str, str], index: str, tmp_path: Path) -> UvReleases:
    settings = {name: value for name, value in only_wheels.items() if name not in ("PIP_NO_INDEX", "PIP_FIND_LINKS")}
    settings |= {"PIP_INDEX_URL": index, "UV_CACHE_DIR": str(tmp_path / "uv")}
    return UvReleases(Uv(settings=uv_settings(settings)))


def test_a_range_is_the_final_releases_of_a_wheel_folder_oldest_first(from_folder: UvReleases) -> None:
    assert from_folder("many", SpecifierSet(">=1.1"), [PYTHON], None) == ("1.1", "2.0", "2.1")


def test_a_range_is_the_final_releases_of_an_index(from_index: UvReleases) -> None:
    assert from_index("many", SpecifierSet(">=1.1,<2.1"), [PYTHON], None) == ("1.1", "2.0")


def test_pre_releases_come_when_they_are_asked_for(from_folder: UvReleases) -> None:
    assert from_folder("many", SpecifierSet(">=2.0rc1"), [PYTHON], None) == ("2.0rc1", "2.0", "2.1")


def test_later_releases_than_the_date_do_not_exist(from_index: UvReleases) -> None:
    assert from_index("many", SpecifierSet(">=1.0"), [PYTHON], "2025-02-01") == ("1.0", "1.1", "2.0")


def test_a_release_without_a_wheel_for_any_of_the_pythons_is_none(from_folder: UvReleases) -> None:
    assert OTHERS_ONLY not in from_folder("many", SpecifierSet(), ["3.11", "3.12"], None)


def test_an_empty_range_names_the_nearest_releases(from_folder: UvReleases) -> None:
    with pytest.raises(ReleasesError, match=r"no release in it has a wheel for Python 3\.11; the nearest are 1\.1 and"):
        from_folder("many", SpecifierSet(">=1.2,<1.9"), [PYTHON], None)
    with pytest.raises(ReleasesError, match=r"the nearest are 2\.1$"):
        from_folder("many", SpecifierSet(">=3"), [PYTHON], None)


def test_a_package_that_does_not_exist_has_no_release_at_all(from_folder: UvReleases) -> None:
    with pytest.raises(ReleasesError, match="no release of mnay at all"):
        from_folder("mnay", SpecifierSet(">=1"), [PYTHON], None)


def test_an_index_that_does_not_answer_is_no_empty_range(only_wheels: Mapping[str, str], tmp_path: Path) -> None:
    settings = {name: value for name, value in only_wheels.items() if name not in ("PIP_NO_INDEX", "PIP_FIND_LINKS")}
    settings |= {
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "UV_CACHE_DIR": str(tmp_path / "uv"),
        "UV_HTTP_RETRIES": "0",
    }
    unreachable = UvReleases(Uv(settings=uv_settings(settings)))
    with pytest.raises(ReleasesError, match="its releases can't be listed: "):
        unreachable("many", SpecifierSet(">=1"), [PYTHON], None)


def test_what_was_listed_once_is_known_without_a_network(
    from_index: UvReleases, only_wheels: Mapping[str, str], tmp_path: Path
) -> None:
    found = from_index("many", SpecifierSet(">=1.1"), [PYTHON], None)
    settings = {name: value for name, value in only_wheels.items() if name not in ("PIP_NO_INDEX", "PIP_FIND_LINKS")}
    settings |= {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "UV_HTTP_RETRIES": "0"}
    settings |= {"UV_CACHE_DIR": str(tmp_path / "another")}
    unreachable = UvReleases(Uv(settings=uv_settings(settings)))
    assert unreachable("many", SpecifierSet(">=1.1"), [PYTHON], None) == found
    with pytest.raises(ReleasesError, match="can't be listed"):
        unreachable("many", SpecifierSet(">=2"), [PYTHON], None)


def test_a_range_with_too_many_releases_is_to_be_narrowed(
    from_folder: UvReleases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(releases, "MOST", 3)
    with pytest.raises(ReleasesError, match="more than 3 releases are in it"):
        from_folder("many", SpecifierSet(), [PYTHON], None)
