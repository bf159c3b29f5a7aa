"""What users import stays as it is: the names and signatures of the public modules, against a file of them.

``python -m tests.test_public_api`` writes the file anew; the difference belongs into the CHANGELOG.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import rcollections
import rcollections.observe
import rcollections.testing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FILE = Path(__file__).with_name("public_api.txt")
MODULES = (rcollections, rcollections.observe, rcollections.testing)


@rcollections.cached
def function(a: int, *, b: int = 2) -> int:
    return a + b


@rcollections.cached
async def coroutine(a: int) -> int:
    return a


@rcollections.multi_cached("ids", type("Made", (rcollections.KeyCache,), {"prefix": "made"}))
def many(ids: list[int]) -> dict[int, int]:
    return {each: each for each in ids}


# What users get and never make: the methods of these are public too.
GIVEN: dict[str, Callable[[], Any]] = {
    "a cached function": lambda: function,
    "a cached coroutine function": lambda: coroutine,
    "a multi_cached function": lambda: many,
    "f.bg()": function.bg,
    "f.future()": function.future,
    "f.writing(1)": lambda: function.writing(1),
}


# Compiled, these tell no signature; their twins in Python do, and tests/contract calls both alike.
TWINS = ("rcollections.l1.localcache", "rcollections.l1.store", "rcollections.l1._store")


def _parameters(value: Any) -> str:
    """The signature without annotations: types may be told better, names and defaults are what callers use."""
    if getattr(value, "__module__", None) in TWINS:
        return "(...)"
    try:
        found = inspect.signature(value)
    except (TypeError, ValueError):
        return "(...)"
    bare = [each.replace(annotation=each.empty, default=_shown(each)) for each in found.parameters.values()]
    return str(found.replace(parameters=bare, return_annotation=found.empty))


def _shown(parameter: inspect.Parameter) -> Any:
    """A default that is a class, by its name: where its module stands is our business."""
    default = parameter.default
    return _Named(default.__name__) if isinstance(default, type) and default is not parameter.empty else default


class _Named:
    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


def _told(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, type):
        bases = [base.__name__ for base in value.__mro__[1:] if not base.__name__.startswith("_")]
        if issubclass(value, BaseException):
            yield f"{name}: {', '.join(bases)}"
            return
        yield f"{name}{_parameters(value)}"
        yield from _members(name, value)
    elif isinstance(value, ModuleType):
        yield f"{name}: module"
    elif callable(value):
        yield f"{name}{_parameters(value)}"
    else:
        yield f"{name}: {type(value).__name__}"


def _members(name: str, owner: Any) -> Iterator[str]:
    for member in sorted(dir(owner)):
        of_python = isinstance(owner, type) and any(issubclass(owner, b) and hasattr(b, member) for b in (tuple, str))
        if member.startswith("_") or of_python:
            continue
        value = inspect.getattr_static(owner, member)
        if isinstance(value, (staticmethod, classmethod)):
            value = value.__func__
        told = _parameters(value) if callable(value) and not isinstance(value, property) else ""
        yield f"    {name}.{member}{told}"


def lines() -> Iterator[str]:
    """All that is public, one name a line."""
    for module in MODULES:
        yield f"{module.__name__}"
        for name in sorted(module.__all__):
            for line in _told(name, getattr(module, name)):
                yield f"  {line}"
    rcollections.configure("memory://")
    for words, made in GIVEN.items():
        yield words
        given = made()
        for member in sorted(each for each in dir(given) if not each.startswith("_")):
            value = getattr(type(given), member, None)
            yield f"  {member}{_parameters(value) if inspect.isfunction(value) else ''}"
    connection = rcollections.connection()
    yield f"connection().raw{_parameters(connection.raw)}"
    yield f"connection().close{_parameters(connection.close)}"


def test_names_and_signatures_are_those_that_users_know(fresh: Any) -> None:
    """Nothing that was public has gone, or takes other arguments."""
    assert list(lines()) == FILE.read_text().splitlines()


if __name__ == "__main__":
    sys.modules.setdefault("tests.test_public_api", sys.modules["__main__"])
    FILE.write_text("\n".join(lines()) + "\n")
