from __future__ import annotations

import os
from pathlib import Path

import pytest

from matrix.environments.mirrors import uv_settings


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment in which pip has no settings."""
    return {"HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path / "xdg"), "PATH": os.defpath}


def configure(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def changes(environ: dict[str, str], tmp_path: Path) -> dict[str, str]:
    settings = uv_settings(environ, tmp_path / "prefix", tmp_path / "etc" / "pip.conf")
    return {name: value for name, value in settings.environ.items() if environ.get(name) != value}


@pytest.mark.parametrize(
    ("pip", "uv"),
    [
        ({"PIP_INDEX_URL": "https://mirror/simple"}, {"UV_DEFAULT_INDEX": "https://mirror/simple"}),
        (
            {"PIP_EXTRA_INDEX_URL": "https://a/simple  file:///b/simple"},
            {"UV_INDEX": "https://a/simple file:///b/simple", "UV_INDEX_STRATEGY": "unsafe-best-match"},
        ),
        ({"PIP_FIND_LINKS": "https://wheels/list.html /"}, {"UV_FIND_LINKS": "https://wheels/list.html,/"}),
        ({"PIP_CONSTRAINT": "/a.txt /b.txt"}, {"UV_CONSTRAINT": "/a.txt /b.txt"}),
        ({"PIP_TRUSTED_HOST": "a b:8080"}, {"UV_INSECURE_HOST": "a b:8080"}),
        ({"PIP_DEFAULT_TIMEOUT": "180"}, {"UV_HTTP_TIMEOUT": "180"}),
        ({"PIP_TIMEOUT": "1.5"}, {"UV_HTTP_TIMEOUT": "2"}),
        ({"PIP_PRE": "1"}, {"UV_PRERELEASE": "allow"}),
        ({"PIP_PRE": "0"}, {}),
        ({"PIP_CERT": "/ca.pem"}, {"SSL_CERT_FILE": "/ca.pem"}),
        ({"PIP_CLIENT_CERT": "/me.pem"}, {"SSL_CLIENT_CERT": "/me.pem"}),
        ({"PIP_PROXY": "proxy:3128"}, {"HTTP_PROXY": "http://proxy:3128", "HTTPS_PROXY": "http://proxy:3128"}),
        ({"PIP_DISABLE_PIP_VERSION_CHECK": "1"}, {}),
    ],
    ids=lambda value: " ".join(value) or "nothing",
)
def test_a_variable_of_pip_becomes_the_one_of_uv(
    home: dict[str, str], tmp_path: Path, pip: dict[str, str], uv: dict[str, str]
) -> None:
    assert changes({**home, **pip}, tmp_path) == uv


def test_no_index_becomes_an_option_because_uv_has_no_variable_for_it(home: dict[str, str], tmp_path: Path) -> None:
    assert uv_settings({**home, "PIP_NO_INDEX": "true"}, tmp_path, tmp_path).options == ("--no-index",)
    assert uv_settings({**home, "PIP_NO_INDEX": "no"}, tmp_path, tmp_path).options == ()


def test_what_the_user_told_uv_wins(home: dict[str, str], tmp_path: Path) -> None:
    pip = {"PIP_INDEX_URL": "https://pip", "PIP_EXTRA_INDEX_URL": "https://more", "PIP_FIND_LINKS": "/"}
    uv = {"UV_INDEX_URL": "https://uv", "UV_EXTRA_INDEX_URL": "https://other", "UV_FIND_LINKS": "/wheels"}
    assert changes({**home, **pip, **uv}, tmp_path) == {"UV_INDEX_STRATEGY": "unsafe-best-match"}


def test_a_proxy_or_certificate_set_for_everything_wins(home: dict[str, str], tmp_path: Path) -> None:
    environ = {**home, "PIP_PROXY": "a:1", "https_proxy": "b:2", "PIP_CERT": "/a", "SSL_CERT_FILE": "/b"}
    assert changes(environ, tmp_path) == {"HTTP_PROXY": "http://a:1"}


def test_wheel_folders_that_are_missing_are_left_out_as_pip_does(home: dict[str, str], tmp_path: Path) -> None:
    there, gone = tmp_path / "there", tmp_path / "gone"
    there.mkdir()
    links = f"{gone} {there} {gone.as_uri()} {there.as_uri()}"
    assert changes({**home, "PIP_FIND_LINKS": links}, tmp_path) == {"UV_FIND_LINKS": f"{there},{there.as_uri()}"}


def test_files_of_pip_count_in_its_own_order(home: dict[str, str], tmp_path: Path) -> None:
    files = [
        tmp_path / "xdg" / "pip" / "pip.conf",
        tmp_path / "etc" / "pip.conf",
        tmp_path / ".pip" / "pip.conf",
        tmp_path / ".config" / "pip" / "pip.conf",
        tmp_path / "prefix" / "pip.conf",
        tmp_path / "own.conf",
    ]
    environ = {**home, "PIP_CONFIG_FILE": str(files[-1])}
    for at, file in enumerate(files):
        configure(file, f"[global]\nindex-url = https://{at}\n")
        assert changes(environ, tmp_path) == {"UV_DEFAULT_INDEX": f"https://{at}"}
    environ["PIP_INDEX_URL"] = "https://variable"
    assert changes(environ, tmp_path) == {"UV_DEFAULT_INDEX": "https://variable"}


def test_a_list_in_a_file_may_span_lines_and_use_underscores(home: dict[str, str], tmp_path: Path) -> None:
    configure(tmp_path / ".pip" / "pip.conf", "[install]\nextra_index_url =\n  https://a\n  https://b\n")
    assert changes(home, tmp_path)["UV_INDEX"] == "https://a https://b"


def test_the_section_for_installing_wins_over_the_general_one(home: dict[str, str], tmp_path: Path) -> None:
    configure(tmp_path / ".pip" / "pip.conf", "[install]\ntimeout = 5\n[global]\ntimeout = 9\n[wheel]\ntimeout = 7\n")
    assert changes(home, tmp_path) == {"UV_HTTP_TIMEOUT": "5"}


def test_no_file_counts_when_pip_is_told_to_read_none(home: dict[str, str], tmp_path: Path) -> None:
    configure(tmp_path / ".pip" / "pip.conf", "[global]\nindex-url = https://file\n")
    assert changes({**home, "PIP_CONFIG_FILE": os.devnull}, tmp_path) == {}


@pytest.mark.parametrize("text", ["index-url", "[global]\nindex-url = %(x)s\n[global]\n", "\x00"])
def test_a_broken_file_of_pip_does_not_stop_us(home: dict[str, str], tmp_path: Path, text: str) -> None:
    configure(tmp_path / ".pip" / "pip.conf", text)
    assert changes(home, tmp_path) == {}
