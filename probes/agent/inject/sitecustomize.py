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
    spec = importlib.util.spec_from_file_location(
        name, os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    importlib.import_module(name + ".start").start()


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
