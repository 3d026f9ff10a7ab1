"""What a class says of each of its fields: the string beneath it, which Python itself does not keep."""

from __future__ import annotations

import ast
import inspect
import textwrap


def documented(kind: type) -> dict[str, str]:
    """Name of each field to the text beneath it, on one line; empty if there is none."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef))
    found: dict[str, str] = {}
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign):
            target: ast.expr = node.target
        elif isinstance(node, ast.Assign):
            (target,) = node.targets
        else:
            continue
        if isinstance(target, ast.Name):
            found[target.id] = _text(after)
    return found


def _text(node: ast.stmt | None) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return " ".join(node.value.value.split())
    return ""
