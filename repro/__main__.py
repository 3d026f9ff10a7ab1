"""Runs the training entry: ``PYTHON path/to/repro [options]`` or ``python -m repro [options]``.

With ``piece`` as its first word it goes on training a checkpoint, as ``freezelab extend`` asks for.

Given as a folder, Python puts that folder itself on the import path. Then our ``envs`` or ``bars``
would shadow modules of the same name in the user's environment, so the folder is taken off again, and
``repro`` is imported by its place. Its parent never gets on the path: what lies beside us is none of the
training environment's business.
"""

import gc
import importlib.util
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def import_by_place() -> None:
    """Make this folder importable as ``repro`` without leaving it, or its parent, on ``sys.path``."""
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != HERE]
    spec = importlib.util.spec_from_file_location("repro", HERE / "__init__.py", submodule_search_locations=[str(HERE)])
    if spec is None or spec.loader is None:
        raise ImportError(f"{HERE} can't be imported as a package")
    package = importlib.util.module_from_spec(spec)
    sys.modules["repro"] = package
    spec.loader.exec_module(package)


if not __package__:
    import_by_place()
    # multiprocessing runs a main module again in each spawned worker only if it has a file but no spec;
    # the workers of SubprocVecEnv need that to find `repro` as we do.
    __spec__ = None

if __name__ == "__main__":
    if sys.argv[1:2] == ["piece"]:
        from repro.extend.piece import main as train_piece

        ended = train_piece(sys.argv[2:])
        gc.freeze()  # what ends need not be searched for garbage first, which takes half a second with torch
        sys.exit(ended)
    from repro.train import main

    sys.exit(main())
