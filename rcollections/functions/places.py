"""Where functions and classes are at home: the module as every process that imports it calls it."""

from __future__ import annotations

import sys
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

from ..plans.parts import escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["MARKS", "Place", "class_path", "innermost", "named", "place_of"]

MAIN = frozenset(("__main__", "__mp_main__", "<run_path>"))  # names of modules that are run, not imported
MARKS = ":#@!,;='"  # what stands between the parts of an automatic key


class Place(NamedTuple):
    """The module of a function. ``imported``: its name alone says which source the function is from."""

    module: str
    imported: bool


def innermost(fn: Any) -> Any:
    """The function inside of all decorators that say what they wrap (``__wrapped__``)."""
    seen = {id(fn)}
    while (inner := getattr(fn, "__wrapped__", None)) is not None and id(inner) not in seen:
        seen.add(id(inner))
        fn = inner
    return fn


def place_of(fn: Callable[..., Any]) -> Place:
    """The module of a function.

    ``python -m app.prices`` runs a module that others import as ``app.prices``: its ``__spec__`` says so. A script
    that is started by its path is known by the name of its file, also in the processes that multiprocessing spawns
    (``__mp_main__``). A notebook, ``python -c`` and an interactive session have no file: they are ``__main__``.
    """
    inner = innermost(fn)
    names = inner.__globals__ if type(inner) is FunctionType else None
    module = str(fn.__module__)
    if names is None:
        return Place(_main(module, vars(sys.modules[module])), False) if _is_run(module) else Place(module, True)
    if str(names.get("__name__")) in MAIN:
        module = _main(module, names)
        return Place(module, _is_module(names))
    loaded = sys.modules.get(module)
    return Place(module, loaded is not None and getattr(loaded, "__dict__", None) is names)


def class_path(cls: type) -> str:
    """``module:name`` of a class, as a part of a key."""
    module = cls.__module__
    if _is_run(module):
        module = _main(module, vars(sys.modules[module]))
    return f"{named(module)}:{named(cls.__qualname__)}"


def named(text: str) -> str:
    """A name as a part of a key: what separates parts, or would make the key unreadable, is escaped."""
    return escaped(text, MARKS)


def _is_run(module: str) -> bool:
    return module in MAIN and module in sys.modules


def _is_module(names: Mapping[str, Any]) -> bool:
    return _spec_name(names) not in MAIN | {""}


def _spec_name(names: Mapping[str, Any]) -> str:
    return str(getattr(names.get("__spec__"), "name", None) or "")


def _main(module: str, names: Mapping[str, Any]) -> str:
    if _is_module(names):
        return _spec_name(names)
    file = names.get("__file__")
    if not isinstance(file, str) or not file or file.startswith("<"):
        return "__main__"
    return file.replace("\\", "/").rpartition("/")[2] or module
