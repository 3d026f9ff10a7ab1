"""
Found first on PYTHONPATH, so Python imports it before the program's first line: loads the agent, then steps aside.

Another ``sitecustomize`` further along the path is run as if this one were not there.
"""

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))


def _load_agent() -> None:
    import importlib.util

    name = "_freezelab_agent"
    if name in sys.modules:
        return
    folder = os.path.dirname(_HERE)
    loader = _compiling_once(folder)(name, os.path.join(folder, "__init__.py"))
    spec = importlib.util.spec_from_file_location(name, loader.path, loader=loader, submodule_search_locations=[folder])
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    importlib.import_module(name + ".start").start()


def _compiling_once(folder: str) -> type:
    """
    A loader that keeps the bytecode of the agent's modules also where PYTHONDONTWRITEBYTECODE is set.

    Containers often set it, and each process of a training would compile the agent anew, for some 30 ms. What is
    written lies beside the agent's own files, never in the training's environment.
    """
    from importlib.machinery import FileFinder, SourceFileLoader

    class Loader(SourceFileLoader):
        def get_code(self, fullname: str):  # noqa: ANN202
            unwanted = sys.dont_write_bytecode
            sys.dont_write_bytecode = False
            try:
                return super().get_code(fullname)
            finally:
                sys.dont_write_bytecode = unwanted

    for path in [folder, *(entry.path for entry in os.scandir(folder) if entry.is_dir())]:
        sys.path_importer_cache[path] = FileFinder(path, (Loader, [".py"]))
    return Loader


def _step_aside() -> None:
    sys.path[:] = [path for path in sys.path if os.path.abspath(path or ".") != _HERE]
    ours = sys.modules.pop("sitecustomize", None)
    try:
        import sitecustomize  # noqa: F401
    except ImportError as error:
        if error.name != "sitecustomize":
            raise
        if ours is not None:
            sys.modules["sitecustomize"] = ours


try:
    _load_agent()
except Exception:  # noqa: BLE001, S110 - the training goes on without us
    pass
_step_aside()
