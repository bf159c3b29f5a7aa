"""What the keys of a function begin with: its module and name, and more where those do not tell it from others.

Two functions may have one module and name: one is defined again, one is made by an outer function or is a
lambda. They get apart by a digest of their code, and of the simple values (numbers, text, None) that a nested
function captures where it is decorated; of the functions that it captures or wraps the same. What it captures else
cannot be told: that is what ``key=`` is for.
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
    """``module.name``, with ``#digest`` behind it if that is the name of several functions."""
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
    """The cached function that stands under this name at present: the one that is about to be replaced."""
    place: Any = sys.modules.get(fn.__module__)
    for part in fn.__qualname__.split("."):
        place = getattr(place, "__dict__", {}).get(part)
    return getattr(place, "_function", None)


def _digest(fn: Callable[..., Any]) -> str:
    from hashlib import blake2b  # only for functions that need a digest

    told = _told(fn, set())
    return blake2b(repr(told).encode(), digest_size=4).hexdigest() if told else "0"


def _told(fn: Any, seen: set[int]) -> tuple[object, ...]:
    """What is known of a function: its code, what it captures, and the same of what it wraps."""
    code = getattr(fn, "__code__", None)
    inner = getattr(fn, "__wrapped__", None)
    if id(fn) in seen or (code is None and inner is None):
        return ()
    seen.add(id(fn))
    own = () if code is None else (_code(code), _captured(fn, code, seen))
    return own if inner is None else (*own, _told(inner, seen))


def _code(code: CodeType) -> tuple[object, ...]:
    """What a function does, without where it is written; the same in every process of one Python version."""
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
        except ValueError:  # not assigned yet
            continue
        if type(value) in SIMPLE and name not in own:  # what it assigns itself is its state, no input
            found.append((name, f"{type(value).__name__} {value!r}"))
        elif isinstance(value, FunctionType) and name not in own:  # what a decorator wraps is captured by its wrapper
            found.append((name, (value.__module__, value.__qualname__, _told(value, seen))))
    return found
