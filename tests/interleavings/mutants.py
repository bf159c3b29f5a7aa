"""The plans and scripts with one guard taken out: text of the plans replaced and run, scripts exchanged."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from typing import TYPE_CHECKING, Any

from rcollections.plans import flight
from rcollections.plans.functions import driving
from tests.interleavings import guarded_scripts
from tests.interleavings.scenario import Parts
from tests.interleavings.scripts import SCRIPTS

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["changed", "guarded", "plans", "scripts"]

PACKAGE = "rcollections.plans"
# Each before those that import it.
MODULES = {
    "op": "op",
    "marks": "marks",
    "entries": "entries",
    "rounds": "rounds",
    "orphans": "orphans",
    "lines": "lines",
    "locks": "locks",
    "lockblocks": "lockblocks",
    "flight": "flight",
    "flights": "flights",
    "bump": "tags",
    "ended": "functions.ended",
    "reads": "functions.reads",
    "sharing": "functions.sharing",
    "stale": "functions.stale",
    "lease": "functions.lease",
    "invalidate": "functions.invalidate",
    "writing": "functions.writing",
    "refresh": "functions.refresh",
    "put": "functions.put",
    "ahead": "functions.ahead",
    "driving": "functions.driving",
    "lone": "functions.lone",
    "call": "functions.call",
    "guards": "guards",
    "expanded": "expanded",
    "through": "through",
    "loading": "collections.loading",
    "loads": "collections.loads",
    "strings": "collections.strings",
}
ORDER = tuple(MODULES)


def plans(*changes: tuple[str, str, str], **parts: Any) -> Parts:
    """The real plans with these changes: (module, text, the text that stands there instead)."""
    texts = {}
    for name in ORDER:
        path = import_module(f"{PACKAGE}.{MODULES[name]}").__file__
        assert path is not None
        with open(path) as file:
            texts[name] = file.read()
    for name, old, new in changes:
        assert texts[name].count(old) == 1, f"{name}.py has changed: {old!r} is there {texts[name].count(old)} times"
        texts[name] = texts[name].replace(old, new)
    before = {name: sys.modules[f"{PACKAGE}.{MODULES[name]}"] for name in ORDER}
    made: dict[str, ModuleType] = {}
    try:
        for name in ORDER:
            spec = ModuleSpec(f"{PACKAGE}.{MODULES[name]}", None)
            module = made[name] = module_from_spec(spec)
            sys.modules[module.__name__] = module
            exec(compile(texts[name], f"<mutant of {name}>", "exec"), module.__dict__)  # noqa: S102 - our own text
            if name == "flight":
                module.__dict__["NET"] = flight.NET  # as the tests have set it
            elif name == "driving":
                module.__dict__["CROWD"] = driving.CROWD
    finally:
        for name, module in before.items():
            sys.modules[f"{PACKAGE}.{MODULES[name]}"] = module
    modules = {
        name: made[name]
        for name in (
            "call",
            "lone",
            "refresh",
            "put",
            "bump",
            "invalidate",
            "writing",
            "guards",
            "through",
            "loads",
            "op",
            "strings",
            "lockblocks",
        )
    }
    return Parts(**modules, flights=made["flights"].Flights, **parts)


def scripts(**changed: Any) -> Parts:
    """The model with these scripts instead."""
    return Parts(scripts={**SCRIPTS, **changed})


def guarded(*changes: tuple[str, str]) -> Parts:
    """The model of the guarded scripts with these changes of its text."""
    with open(guarded_scripts.__file__) as file:
        text = file.read()
    for old, new in changes:
        assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
        text = text.replace(old, new)
    names: dict[str, Any] = {"__name__": "mutant"}
    exec(compile(text, "<mutant>", "exec"), names)  # noqa: S102 - our own text
    return scripts(**names["GUARDED_SCRIPTS"])


def changed(name: str, *changes: tuple[str, str]) -> Any:
    """A module of the package with these changes: (text, the text that stands there instead)."""
    real = import_module(f"rcollections.{name}")
    assert real.__file__ is not None
    with open(real.__file__) as file:
        text = file.read()
    for old, new in changes:
        assert text.count(old) == 1, f"{name} has changed: {old!r} is there {text.count(old)} times"
        text = text.replace(old, new)
    module = module_from_spec(ModuleSpec(f"rcollections.{name}", None))
    exec(compile(text, f"<mutant of {name}>", "exec"), module.__dict__)  # noqa: S102 - our own text
    return module
