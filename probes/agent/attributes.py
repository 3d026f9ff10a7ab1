"""
Attributes of the program's objects, read without a trace.

Neither by ``getattr``, which runs properties and the ``__getattr__`` of a wrapper, and so user code; nor by ``vars``:
since Python 3.11 an instance has no dictionary until somebody asks for it, and its attributes are slower ever after.
"""

from __future__ import annotations

from typing import Any


def attribute(item: object, name: str) -> Any:
    """What ``item`` itself or its class holds under that name; None for nothing, and for what would have to be run."""
    for cls in type(item).__mro__:
        if name in cls.__dict__:
            if hasattr(cls.__dict__[name], "__get__"):
                return None  # a property, a slot, a method
            break
    try:
        return object.__getattribute__(item, name)
    except AttributeError:
        return None
