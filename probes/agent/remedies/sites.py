"""
Which of the functions that remedies patch stay patched: each is a *site*, chosen by hash as in Go's ``cmd/bisect``.

Without the variable all are. With it, what a remedy changed in a module is looked for once it has been applied, and
each change that is not chosen is taken back; what was found is written to ``sites-<pid>.jsonl``.
"""

from __future__ import annotations

import json
import os
from typing import Any

from .. import layout
from ..hooks import Patch

VARIABLE = "FREEZELAB_SITES"
"""Environment variable: suffixes of hashes, ``01,1101``; ``all``, or ``none``. Without it nothing is looked for."""
ALL, NONE = "all", "none"
BITS = 32
_MISSING = object()


def site_hash(site: str) -> str:
    """The hash of a site as a string of 0 and 1; the same as that of ``matrix.bisect.sites``."""
    import hashlib  # takes 3 ms of the start, which all the others can do without

    digest = hashlib.sha256(site.encode()).digest()
    return format(int.from_bytes(digest[: BITS // 8], "big"), "0%db" % BITS)


def asked() -> bool:
    """Whether sites are looked for."""
    return bool(os.environ.get(VARIABLE))


def chosen(site: str) -> bool:
    """Whether it stays patched."""
    wanted = os.environ.get(VARIABLE) or ALL
    if wanted in (ALL, NONE):
        return wanted == ALL
    return site_hash(site).endswith(tuple(wanted.split(",")))


def begins(remedy: str) -> bool:
    """Whether the remedy may do what it does when the process starts."""
    if not asked():
        return True
    site = remedy + ":begin"
    on = chosen(site)
    _note(site, on, True)
    return on


def choosing(remedy: str, name: str, patch: Patch) -> Patch:
    """
    ``patch``, of which only what is chosen stays.

    :param name: of the module that it patches.
    """
    if not asked():
        return patch

    def chosen_only(module: Any) -> None:
        before = _functions(module)
        patch(module)
        after = _functions(module)
        changed = [key for key, (_, value) in after.items() if before.get(key, (None, _MISSING))[1] is not value]
        for key in changed:
            site = "%s:%s.%s" % (remedy, name, key)
            on = chosen(site)
            if not on:
                holder = after[key][0]
                attribute = key.rpartition(".")[2]
                if key in before:
                    setattr(holder, attribute, before[key][1])
                else:
                    delattr(holder, attribute)
            _note(site, on, True)
        if not changed:
            # It acts by itself and not by a function: what it did can't be taken back.
            _note("%s:%s" % (remedy, name), True, False)

    return chosen_only


def _functions(module: Any) -> dict[str, tuple[Any, Any]]:
    """Name to holder and value of all attributes of a module and of its classes."""
    found = {}
    for name, value in list(vars(module).items()):
        found[name] = (module, value)
        if isinstance(value, type):
            for inner, attribute in list(vars(value).items()):
                if not inner.startswith("__") or inner == "__init__":
                    found[name + "." + inner] = (value, attribute)
    return found


def _note(site: str, on: bool, optional: bool) -> None:
    folder = os.environ.get(layout.FOLDER_VARIABLE)
    if not folder:
        return
    path = os.path.join(folder, "sites-%d.jsonl" % os.getpid())
    line = json.dumps({"site": site, "on": on, "optional": optional}) + "\n"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)
    except OSError:
        pass
