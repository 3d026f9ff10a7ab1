"""pip's own settings for mirrors and wheel folders, in uv's words."""

from __future__ import annotations

import configparser
import math
import os
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_SECTIONS = ("global", "install")
"""Of pip's configuration files, later ones winning, as for ``pip install``."""
_TRUE = frozenset({"1", "true", "t", "yes", "y", "on"})


@dataclass(frozen=True)
class UvSettings:
    """How to start uv so that it finds what pip would find."""

    environ: Mapping[str, str]
    """The whole environment of the process."""
    options: tuple[str, ...] = ()
    """Put behind the command; for what uv takes from no environment variable."""


def uv_settings(
    environ: Mapping[str, str] = os.environ,
    prefix: Path = Path(sys.prefix),
    system: Path = Path("/etc/pip.conf"),
) -> UvSettings:
    """
    Translates pip's settings. A setting that the user gave uv itself (``UV_…``) wins over pip's.

    :param environ: the environment that uv shall run in but for the settings.
    :param prefix: the Python installation whose ``pip.conf`` counts.
    :param system: pip's file for all users of the machine.
    """
    pip = pip_settings(environ, prefix, system)
    wanted: dict[str, str] = {}
    if index := pip.get("index-url"):
        wanted["UV_DEFAULT_INDEX"] = index
    if extra := _words(pip.get("extra-index-url")):
        wanted["UV_INDEX"] = " ".join(extra)
        # pip takes the best release of all indexes; uv by itself asks no further than the first that has one.
        wanted["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    if links := [place for place in _words(pip.get("find-links")) if _is_there(place)]:
        wanted["UV_FIND_LINKS"] = ",".join(links)
    if constraints := _words(pip.get("constraint")):
        wanted["UV_CONSTRAINT"] = " ".join(constraints)
    if hosts := _words(pip.get("trusted-host")):
        wanted["UV_INSECURE_HOST"] = " ".join(hosts)
    if timeout := pip.get("timeout", pip.get("default-timeout")):
        wanted["UV_HTTP_TIMEOUT"] = _whole_seconds(timeout)
    if _is_true(pip.get("pre")):
        wanted["UV_PRERELEASE"] = "allow"
    if certificates := pip.get("cert"):
        wanted["SSL_CERT_FILE"] = certificates
    if client := pip.get("client-cert"):
        wanted["SSL_CLIENT_CERT"] = client
    if proxy := pip.get("proxy"):
        wanted["HTTP_PROXY"] = wanted["HTTPS_PROXY"] = proxy if "://" in proxy else f"http://{proxy}"
    offered = {name: value for name, value in wanted.items() if not _taken(name, environ)}
    return UvSettings({**environ, **offered}, ("--no-index",) if _is_true(pip.get("no-index")) else ())


def pip_settings(environ: Mapping[str, str], prefix: Path, system: Path) -> dict[str, str]:
    """
    pip's options by their long names without dashes in front, from its files and ``PIP_…`` variables.

    Order of weight as pip documents it: global, user, site, ``PIP_CONFIG_FILE``, environment variables. A file
    that can't be read or parsed is left out: pip itself will complain about it.
    """
    settings: dict[str, str] = {}
    for path in _configuration_files(environ, prefix, system):
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (OSError, UnicodeDecodeError, configparser.Error):
            continue
        for section in _SECTIONS:
            if parser.has_section(section):
                settings.update({_long_name(key): value for key, value in parser.items(section)})
    for name, value in environ.items():
        if name.startswith("PIP_") and name != "PIP_CONFIG_FILE" and value:
            settings[_long_name(name[len("PIP_") :])] = value
    return settings


def _configuration_files(environ: Mapping[str, str], prefix: Path, system: Path) -> Iterator[Path]:
    own = environ.get("PIP_CONFIG_FILE")
    if own == os.devnull:
        return  # pip's way of saying "none of them"
    home = Path(environ.get("HOME") or Path.home())
    for folder in reversed((environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)):
        yield Path(folder) / "pip" / "pip.conf"
    yield system
    yield home / ".pip" / "pip.conf"
    yield Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf"
    yield prefix / "pip.conf"
    if own:
        yield Path(own)


def _taken(name: str, environ: Mapping[str, str]) -> bool:
    rivals = {
        "UV_DEFAULT_INDEX": ("UV_DEFAULT_INDEX", "UV_INDEX_URL"),
        "UV_INDEX": ("UV_INDEX", "UV_EXTRA_INDEX_URL"),
        "HTTP_PROXY": ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"),
        "HTTPS_PROXY": ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"),
    }
    return any(environ.get(rival) for rival in rivals.get(name, (name,)))


def _long_name(key: str) -> str:
    return key.lower().replace("_", "-").removeprefix("--")


def _words(value: str | None) -> list[str]:
    return value.split() if value else []


def _is_true(value: str | None) -> bool:
    return value is not None and value.strip().lower() in _TRUE


def _whole_seconds(value: str) -> str:
    try:
        return str(math.ceil(float(value)))
    except ValueError:
        return value  # uv says what is wrong with it


def _is_there(place: str) -> bool:
    """A wheel folder that is missing makes pip warn, but uv give up."""
    if place.startswith("file:"):
        place = urllib.request.url2pathname(urllib.parse.urlparse(place).path)
    return "://" in place or Path(place).expanduser().exists()
