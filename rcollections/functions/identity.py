"""The beginning of a function's automatic keys: its module and name, and a digest where these do not tell enough.

A function of a module is known by its name alone, so that its keys stay when its code changes, and all processes agree
on them, also after a reload. A digest of 128 bits stands behind the name of a nested function or a lambda, of a
function of a script or a notebook, of a wrapper that is cached beside the function that it wraps, and of a function
that takes a name for the second time while its module is loaded. The digest covers the code and what the function
captures (``facts``). A nested function that captures what cannot be told gets a digest that no other function has.
"""

from __future__ import annotations

import sys
import threading
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from .advice import advise
from .facts import Facts, digest
from .places import innermost, named, place_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

__all__ = ["Identity"]


class Load(NamedTuple):
    """One execution of a module's code, by its spec, and what was decorated under each name meanwhile."""

    spec: object
    digests: dict[str, str]


_settling = threading.RLock()  # two threads that draw a digest for one function would have two keys
_loads: WeakKeyDictionary[ModuleType, Load] = WeakKeyDictionary()


class Identity:
    """Who a function is. ``name`` is a name that the user gave; ``keyed``: its keys are not made of its identity.

    ``fixed`` is the path where nothing that may be assigned later is part of it, and None before it is known.
    """

    def __init__(self, fn: Callable[..., Any], name: str, *, keyed: bool, decorator: str) -> None:
        self._fn = fn
        self._keyed = keyed
        self._decorator = decorator
        self._path = ""
        self.fixed: str | None = None
        self._begins, self._needs = _begins(fn, name)
        if not self._needs:
            self._path = self.fixed = self._begins
        else:
            facts = Facts(fn)
            if not facts.unassigned:
                self._settle(facts)

    @property
    def path(self) -> str:
        """``module:name``, with ``#digest`` behind it if that does not tell the function from others.

        Variables that were not assigned where the function was decorated are looked at when the path is first asked
        for, which the first call does.
        """
        if not self._path:
            with _settling:
                if not self._path:
                    self._settle(Facts(self._fn))
        return self._path

    def _settle(self, facts: Facts) -> None:
        if facts.untold and self._needs == "strictly" and not self._keyed:
            from secrets import token_hex

            what = ", ".join(facts.untold)
            advise(
                f"{self._decorator} of {self._fn.__qualname__} captures {what}, which cannot be told from another: the "
                "function gets keys of its own, which no other process and no other function shares. Pass the value "
                "as an argument, or give key= (version= counts beside the captured values, and does not replace them)"
            )
            self._path = self.fixed = f"{self._begins}#{token_hex(16)}"
        else:
            self._path = f"{self._begins}#{digest(facts.fact)}"


def _begins(fn: Any, name: str) -> tuple[str, str]:
    """The path without a digest, and whether it needs one: "" no, "strictly" a closure, "loosely" all others."""
    qualname = getattr(fn, "__qualname__", "")
    nested = "<locals>" in qualname or "<" in qualname.rpartition(".")[2]
    if name:
        return named(name), "strictly" if nested else ""
    place = place_of(fn)
    path = f"{named(place.module)}:{named(qualname)}"
    if nested:
        return path, "strictly"
    if not place.imported or qualname.rpartition(".")[2] == "_":
        return path, "loosely"
    if _wraps_another(fn):
        return path, "strictly"
    return path, "loosely" if _named_twice(fn) else ""


def _wraps_another(fn: Any) -> bool:
    """Whether this is a wrapper beside the function that has the name: ``cached(translated("de")(greeting))``."""
    inner = innermost(fn)
    if inner is fn:
        return False
    place: Any = sys.modules.get(fn.__module__)
    for part in fn.__qualname__.split("."):
        place = getattr(place, "__dict__", {}).get(part)
    return place is not None and innermost(getattr(place, "__func__", place)) is inner


def _named_twice(fn: Any) -> bool:
    """Whether other code took this name before, in this one execution of its module.

    ``importlib.reload`` gives the module a new spec: then the names begin anew.
    """
    module = sys.modules.get(fn.__module__)
    inner = innermost(fn)
    if module is None or type(inner) is not FunctionType:
        return False
    spec = getattr(module, "__spec__", None)
    load = _loads.get(module)
    if load is None or load.spec is not spec:
        load = _loads[module] = Load(spec, {})
    mine = digest(Facts(fn).fact)
    return load.digests.setdefault(fn.__qualname__, mine) != mine
