"""The beginning of a function's keys: its module and name, and a digest where these do not tell it from others.

Two functions may have one module and name: a function that is defined again, a nested function, a lambda. A digest
tells them apart. It covers the code, and the simple values (numbers, text, None) that a nested function captures
where it is decorated. It covers the functions that the function captures or wraps in the same way. It cannot cover
other captured values: ``key=`` is for these.
"""

from __future__ import annotations

import sys
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["path_of"]

SIMPLE = (int, float, complex, str, bytes, bool, type(None))


def path_of(fn: Callable[..., Any]) -> str:
    """``module.name``, with ``#digest`` behind it if several functions have that name."""
    name = fn.__qualname__
    path = f"{fn.__module__}.{name}"
    if "<" in name.rpartition(".")[2] or "<locals>" in name:
        return f"{path}#{_digest(fn)}"
    before = _defined_before(fn)
    if before is None or before.fn is fn:
        return path
    mine = _digest(fn)
    if _digest(before.fn) == mine:
        return str(before.path)
    return f"{path}#{mine}"


def _defined_before(fn: Callable[..., Any]) -> Any:
    """The cached function that stands under this name at present: ``fn`` is about to replace it."""
    place: Any = sys.modules.get(fn.__module__)
    for part in fn.__qualname__.split("."):
        place = getattr(place, "__dict__", {}).get(part)
    return getattr(place, "_function", None)


def _digest(fn: Callable[..., Any]) -> str:
    from hashlib import blake2b  # only for functions that need a digest

    told = _told(fn, set())
    return blake2b(repr(told).encode(), digest_size=4).hexdigest() if told else "0"


def _told(fn: object, seen: set[int]) -> tuple[object, ...]:
    """The facts in the digest of a function: its code, the values that it captures, the facts of what it wraps."""
    code = getattr(fn, "__code__", None)
    inner = getattr(fn, "__wrapped__", None)
    if id(fn) in seen or (code is None and inner is None):
        return ()
    seen.add(id(fn))
    own = () if code is None else (_code(code), _captured(fn, code, seen))
    return own if inner is None else (*own, _told(inner, seen))


def _code(code: CodeType) -> tuple[object, ...]:
    """The facts of a function's code, without file and line; the same in every process of one Python version."""
    constants = [
        _code(each) if isinstance(each, CodeType) else sorted(map(repr, each)) if isinstance(each, frozenset) else each
        for each in code.co_consts
    ]
    return code.co_code.hex(), constants, code.co_names, code.co_varnames, code.co_freevars


def _captured(fn: Any, code: CodeType, seen: set[int]) -> list[tuple[str, object]]:
    import dis

    cells = dict(zip(code.co_freevars, fn.__closure__ or (), strict=True))
    own = {step.argval for step in dis.get_instructions(code) if step.opname == "STORE_DEREF"}
    found: list[tuple[str, object]] = []
    for name, cell in cells.items():
        try:
            value = cell.cell_contents
        except ValueError:  # the variable is not assigned yet
            continue
        if type(value) in SIMPLE and name not in own:  # a variable that it assigns is its state, no input
            found.append((name, f"{type(value).__name__} {value!r}"))
        elif isinstance(value, FunctionType) and name not in own:  # a wrapper captures what it wraps
            found.append((name, (value.__module__, value.__qualname__, _told(value, seen))))
    return found
