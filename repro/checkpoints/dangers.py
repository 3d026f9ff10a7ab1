"""What of a pickle would read, write, start or connect if it was loaded, or run text as code: told by its names."""

from __future__ import annotations

from collections.abc import Iterator

from repro.checkpoints.pickles import Global, Pickled

_DANGEROUS_MODULES = {
    *("os", "posix", "nt", "subprocess", "pty", "shutil", "socket", "ctypes", "importlib", "runpy", "code", "marshal"),
    *("sys", "webbrowser", "pickle", "_pickle", "imp", "urllib", "http", "ftplib", "smtplib", "asyncio", "pip", "pdb"),
    *("timeit", "commands", "tempfile", "torch.hub", "multiprocessing", "signal"),
}
_DANGEROUS_NAMES = {
    *("eval", "exec", "execfile", "compile", "open", "__import__", "input", "breakpoint", "system", "popen", "unlink"),
    *("import_module", "runstring", "write_text", "write_bytes", "rmdir", "rename", "chmod", "fromfile", "tofile"),
}


def dangerous_imports(pickled: Pickled) -> Iterator[Global]:
    """What it would import that no value of a checkpoint needs, and that can do harm."""
    for found in pickled.globals:
        parts = found.module.split(".")
        heads = {".".join(parts[:size]) for size in range(1, len(parts) + 1)}
        words = found.name.split(".")
        if heads & _DANGEROUS_MODULES or set(words) & _DANGEROUS_NAMES or set(words[:-1]) & _DANGEROUS_MODULES:
            yield found


def carries_code(pickled: Pickled) -> bool:
    """Whether a function or a class is in it by its code, as cloudpickle has those of a script and all lambdas."""
    return any(found.module.split(".")[0] == "cloudpickle" for found in pickled.globals)
